//! Regulation packs of a running node: published with their files, installed from them again.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use letopis_consensus::LedgerHandle;
use letopis_registry::event::PackRef;
use letopis_registry::pack::{Pack, PackError, PackFiles};

use super::Engine;

/// Why a pack was not published.
#[derive(Debug)]
pub(crate) enum PublishError {
    /// The pack is not in order, or one of its own test cases came out otherwise.
    Refused(Vec<PackError>),
    /// The log or the node did not take it.
    Engine(Box<letopis_registry::engine::EngineError>),
    /// The files could not be stored.
    Store(letopis_consensus::ReadError),
}

/// Checks a pack, stores its files, publishes and installs it.
pub(crate) async fn publish(
    engine: &Engine,
    ledger: &LedgerHandle,
    files: BTreeMap<String, Vec<u8>>,
) -> Result<PackRef, PublishError> {
    let files = PackFiles::new(files).map_err(PublishError::Refused)?;
    let pack = Pack::from_files(files).map_err(PublishError::Refused)?;
    pack.check().map_err(PublishError::Refused)?;
    // Durable before a record names them: a published rule can always be fetched.
    for (_, bytes) in pack.files().iter() {
        ledger.put_blob(bytes.to_vec()).await.map_err(PublishError::Store)?;
    }
    let refused = |error| PublishError::Engine(Box::new(error));
    engine.publish_pack(&pack).await.map_err(refused)?;
    engine.install_pack(pack).await.map_err(refused)
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
        let published = row.published;
        let mut files = BTreeMap::new();
        for file in &published.files {
            let bytes = ledger.fetch_blob(&file.sha256).await?;
            let name = file.sha256.to_hex();
            let bytes = bytes.with_context(|| {
                format!("public file {name} ({}) is missing: restore the folder", file.path)
            })?;
            files.insert(file.path.clone(), bytes);
        }
        let pack = PackFiles::new(files).and_then(Pack::from_files);
        let pack = match pack {
            Ok(pack) => pack,
            Err(errors) => {
                let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
                bail!(
                    "pack {} version {} cannot be read by this release: {}",
                    published.code,
                    published.version,
                    errors.join("; ")
                );
            }
        };
        engine.install_pack(pack).await?;
    }
    Ok(())
}
