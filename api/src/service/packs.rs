//! Regulation packs of a running node: published with their files, installed from them again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::{Context, bail};
use letopis_consensus::LedgerHandle;
use letopis_ledger::{Hash, LeafIndex};
use letopis_registry::code::PackCode;
use letopis_registry::engine::InstalledPack;
use letopis_registry::event::{PackPublished, PackRef};
use letopis_registry::pack::{Change, Pack, PackError, PackFiles, compare};
use letopis_registry::staff::Official;

use super::Engine;

/// Why a pack was not published.
#[derive(Debug)]
pub(crate) enum PublishError {
    /// The pack is not in order, or one of its own test cases came out otherwise.
    Refused(Vec<PackError>),
    /// The log or the node did not take it.
    Engine(Box<letopis_registry::engine::EngineError>),
    /// It is another version, or another pack, than was said.
    Another {
        /// Its code.
        code: PackCode,
        /// Its version.
        version: u32,
    },
    /// The files could not be stored.
    Store(letopis_consensus::ReadError),
}

/// Checks a pack, stores its files, publishes and installs it.
pub(crate) async fn publish(
    engine: &Engine,
    ledger: &LedgerHandle,
    files: BTreeMap<String, Vec<u8>>,
) -> Result<PackRef, PublishError> {
    let pack = kept(ledger, files).await?;
    let refused = |error| PublishError::Engine(Box::new(error));
    engine.publish_pack(&pack).await.map_err(refused)?;
    engine.install_pack(pack).await.map_err(refused)
}

/// Checks a pack, stores its files and proposes it as the next version.
pub(crate) async fn propose(
    engine: &Engine,
    ledger: &LedgerHandle,
    files: BTreeMap<String, Vec<u8>>,
    (code, version): (&PackCode, u32),
    acting: &Official,
) -> Result<(), PublishError> {
    let pack = kept(ledger, files).await?;
    if (pack.code(), pack.version()) != (code, version) {
        let (code, version) = (pack.code().clone(), pack.version());
        return Err(PublishError::Another { code, version });
    }
    let proposed = engine.propose_version(&pack, acting).await;
    proposed.map(|_| ()).map_err(|error| PublishError::Engine(Box::new(error)))
}

/// A pack that is in order and whose files are durable.
async fn kept(
    ledger: &LedgerHandle,
    files: BTreeMap<String, Vec<u8>>,
) -> Result<Pack, PublishError> {
    let files = PackFiles::new(files).map_err(PublishError::Refused)?;
    let pack = Pack::from_files(files).map_err(PublishError::Refused)?;
    pack.check().map_err(PublishError::Refused)?;
    // Durable before a record names them: a rule that the log names can always be fetched.
    for (_, bytes) in pack.files().iter() {
        ledger.put_blob(bytes.to_vec()).await.map_err(PublishError::Store)?;
    }
    Ok(pack)
}

/// What proposed versions change, each computed once: reading a pack takes a while, and everybody
/// who looks at a proposal asks for the same.
#[derive(Debug, Default)]
pub(crate) struct Comparisons(tokio::sync::Mutex<HashMap<Compared, Arc<Vec<Change>>>>);

/// The leaf of the version in force, and the digest of the files proposed.
type Compared = (LeafIndex, Hash);

impl Comparisons {
    /// What a proposed version changes of the one in force.
    ///
    /// # Errors
    /// A file is missing, or the proposal cannot be read by this release.
    pub(crate) async fn changes(
        &self,
        ledger: &LedgerHandle,
        in_force: &Arc<InstalledPack>,
        proposed: &PackPublished,
    ) -> anyhow::Result<Arc<Vec<Change>>> {
        // Held meanwhile, so that many who ask at once have it computed once.
        let mut known = self.0.lock().await;
        let key = (in_force.pack_ref.leaf, proposed.files_digest());
        if let Some(changes) = known.get(&key) {
            return Ok(Arc::clone(changes));
        }
        let files = fetch(ledger, proposed).await?;
        let (in_force, proposed) = (Arc::clone(in_force), proposed.clone());
        let compared = tokio::task::spawn_blocking(move || {
            let pack = read(&proposed, files)?;
            anyhow::Ok(Arc::new(compare(&in_force.pack, &pack)))
        });
        let changes = compared.await??;
        known.insert(key, Arc::clone(&changes));
        Ok(changes)
    }
}

/// Installs every pack that this agency has published, from the files of the log.
///
/// # Errors
/// A published file is missing or altered, or a published pack cannot be read any more.
pub(crate) async fn install_published(
    engine: &Engine,
    ledger: &LedgerHandle,
) -> anyhow::Result<()> {
    // What other agencies publish is theirs to keep in order: it must not keep this node down.
    let mut packs = engine.model().packs()?.value;
    // As they were published: one pack may give up what a later one takes over.
    packs.sort_by_key(|row| row.leaf);
    for row in packs.into_iter().filter(|row| &row.author == engine.agency()) {
        let files = fetch(ledger, &row.published).await?;
        engine.install_pack(read(&row.published, files)?).await?;
    }
    Ok(())
}

/// The files of a pack that the log names.
async fn fetch(
    ledger: &LedgerHandle,
    published: &PackPublished,
) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for file in &published.files {
        let bytes = ledger.fetch_blob(&file.sha256).await?;
        let name = file.sha256.to_hex();
        let bytes = bytes.with_context(|| {
            format!("public file {name} ({}) is missing: restore the folder", file.path)
        })?;
        files.insert(file.path.clone(), bytes);
    }
    Ok(files)
}

/// The pack that the log names, of its files.
fn read(published: &PackPublished, files: BTreeMap<String, Vec<u8>>) -> anyhow::Result<Pack> {
    match PackFiles::new(files).and_then(Pack::from_files) {
        Ok(pack) => Ok(pack),
        Err(errors) => {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            bail!(
                "pack {} version {} cannot be read by this release: {}",
                published.code,
                published.version,
                errors.join("; ")
            )
        }
    }
}
