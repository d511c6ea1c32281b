//! Reading a backup back: everything is verified before anything of it is used.
//!
//! The leaves come through the append machine again, as those of a snapshot do; the position in
//! the Raft log is that of the backup, so the node catches up with what came after from the
//! others. Its votes are lost, so it must not be the voter that it was: it comes back under
//! another number, or alone (`crate::recover`). Erasures of private values that happened after a
//! backup belong right before the owner's files are put in place.
//!
//! Not here: configuration and keys; the operator keeps those apart from backups.

use std::fs;
use std::path::{Path, PathBuf};

use futures::TryStreamExt;
use letopis_ledger::TreeSize;
use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::hash::Hash;
use letopis_ledger::id::NodeId;
use letopis_ledger::note::Note;
use sha2::{Digest, Sha256};

use super::error::RestoreError;
use super::incoming::{Discard, Incoming, Sink};
use super::leaves::LeafReader;
use super::manifest::{BACKUPS, BackupManifest, FileObject};
use super::target::Target;
use super::{BackupListener, BackupProgress};
use crate::crash::CrashHook;
use crate::metric;
use crate::publish::SignedHeads;
use crate::raft::encoding::Stored;
use crate::raft::log::{RaftLog, RaftLogError};
use crate::raft::types::{LogId, StoredMembership, TreeHead};
use crate::runtime::run_blocking;
use crate::store::file::{read, replace, sync_directory};
use crate::store::staging::Staging;
use crate::store::{Folder, Opened, Store, StoreError, lock_folder};

/// A file in a restored node's folder until the node has another number, or is alone.
pub(crate) const RESTORED: &str = "restored";
const RESTORED_TEXT: &str = "letopis-restored/v1\n";

/// Where a backup is restored to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreInto {
    /// Folder of the log's data ([`crate::NodeConfig::folder`]); empty or not there.
    pub data: PathBuf,
    /// Folder that the owner's files are put under, at their paths.
    pub owner: PathBuf,
}

impl RestoreInto {
    /// The names above every file are synced too, so each must have one.
    fn absolute(&self) -> Result<Self, StoreError> {
        let absolute =
            |path: &Path| std::path::absolute(path).map_err(StoreError::file("cannot find", path));
        Ok(Self { data: absolute(&self.data)?, owner: absolute(&self.owner)? })
    }
}

/// What was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Name of the backup.
    pub name: String,
    /// The backup.
    pub manifest: BackupManifest,
    /// Bytes read from the target.
    pub bytes: u64,
}

/// The newest backup on a target; the metric of the last good one then says when that was.
///
/// # Errors
/// The target or the manifest cannot be read.
pub async fn newest(target: &Target) -> Result<Option<BackupManifest>, RestoreError> {
    let Some(object) = target.list(BACKUPS).await?.into_keys().next_back() else { return Ok(None) };
    let Some(bytes) = target.get(&object).await? else { return Ok(None) };
    let manifest = BackupManifest::parse(&object, &bytes)?;
    metric::backup_found(manifest.taken.unix_seconds());
    Ok(Some(manifest))
}

/// Reads a backup back, the newest unless one is named, and verifies all of it.
///
/// # Errors
/// See [`RestoreError`].
pub async fn verify(
    target: &Target,
    name: Option<&str>,
    progress: BackupListener<'_>,
) -> Result<Restored, RestoreError> {
    let mut reading = Reading::begin(target, name, progress).await?;
    reading.leaves(&mut |_| Ok(())).await?;
    reading.files(&mut Discard).await?;
    Ok(reading.end())
}

/// Restores a backup, the newest unless one is named, into an empty folder.
///
/// # Errors
/// See [`RestoreError`]; what was written before is removed again.
pub async fn restore(
    target: &Target,
    name: Option<&str>,
    into: &RestoreInto,
    progress: BackupListener<'_>,
) -> Result<Restored, RestoreError> {
    let into = &into.absolute()?;
    let occupied = fs::read_dir(&into.data).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        return Err(RestoreError::NotEmpty { path: into.data.clone() });
    }
    let mut reading = Reading::begin(target, name, progress).await?;
    for extra in &reading.manifest.extra {
        let path = into.owner.join(&extra.path);
        // The operator may have put a file there already, but no other one.
        let there = read(&path)?;
        if there.is_some_and(|bytes| Hash::of(&bytes) != extra.file.sha256) {
            return Err(RestoreError::NotEmpty { path });
        }
    }
    let folder = Folder::new(&into.data);
    let lock = lock_folder(&folder)?;
    let restored = read_and_build(&mut reading, &folder, into).await;
    drop(lock);
    match restored {
        Ok(()) => Ok(reading.end()),
        Err(error) => {
            if let Err(left) = fs::remove_dir_all(&into.data) {
                tracing::warn!(path = %into.data.display(), %left, "remove this folder");
            }
            Err(error)
        }
    }
}

async fn read_and_build(
    reading: &mut Reading<'_>,
    folder: &Folder,
    into: &RestoreInto,
) -> Result<(), RestoreError> {
    let staging = Staging::new(folder);
    let mut staged = staging.begin(letopis_ledger::LeafIndex::ZERO)?;
    reading.leaves(&mut |leaf| Ok(staged.push(leaf)?)).await?;
    let mut files = Incoming::begin(folder.path())?;
    reading.files(&mut files).await?;
    let (manifest, folder, into) = (reading.manifest.clone(), folder.clone(), into.clone());
    run_blocking(move || {
        staging.complete(staged, &manifest.state())?;
        build(&manifest, &folder, &staging)?;
        files.put(&manifest, &folder, &into)?;
        // The position comes last: without it, the node refuses to start on what is here.
        replace(&folder.path().join(RESTORED), RESTORED_TEXT.as_bytes())?;
        let position = manifest.position.log_id.as_deref().map(LogId::from_stored);
        let position = position.and_then(Result::ok);
        let position = position.expect("invariant: the manifest was read");
        Ok(RaftLog::begin_after(&folder.raft(), position).map_err(raft_log)?)
    })
    .await
}

/// Builds leaves, tiles and index from what is staged.
fn build(
    manifest: &BackupManifest,
    folder: &Folder,
    staging: &Staging,
) -> Result<(), RestoreError> {
    let opened = Opened {
        origin: manifest.origin.clone(),
        signed_size: TreeSize::ZERO,
        progress: &|_| {},
        crash: CrashHook::none(),
    };
    let store = Store::open(folder, opened)?;
    staging.install(&store)?;
    Ok(())
}

fn raft_log(error: RaftLogError) -> StoreError {
    StoreError::Damaged { what: format!("the new Raft log: {error}") }
}

/// A backup that is being read.
struct Reading<'a> {
    target: &'a Target,
    name: String,
    manifest: BackupManifest,
    checkpoint: Option<(FileObject, Vec<u8>)>,
    signed: Option<(FileObject, Vec<u8>)>,
    shown: BackupProgress,
    progress: BackupListener<'a>,
}

impl<'a> Reading<'a> {
    async fn begin(
        target: &'a Target,
        name: Option<&str>,
        progress: BackupListener<'a>,
    ) -> Result<Self, RestoreError> {
        let object = match name {
            Some(name) if name.starts_with(BACKUPS) => name.to_owned(),
            Some(name) => format!("{BACKUPS}/{name}"),
            None => {
                let newest = target.list(BACKUPS).await?.into_keys().next_back();
                let what = "backup".to_owned();
                newest.ok_or(RestoreError::NoBackup { target: target.to_string(), what })?
            }
        };
        let Some(bytes) = target.get(&object).await? else {
            return Err(RestoreError::NoBackup { target: target.to_string(), what: object });
        };
        let manifest = BackupManifest::parse(&object, &bytes)?;
        let shown = BackupProgress { total: manifest.head.size, ..BackupProgress::default() };
        let (checkpoint, signed) = (manifest.checkpoint.clone(), manifest.signed.clone());
        let mut reading = Self {
            target,
            name: object,
            manifest,
            checkpoint: None,
            signed: None,
            shown,
            progress,
        };
        if let Some(file) = checkpoint {
            reading.checkpoint = Some((file.clone(), reading.small(&file).await?));
        }
        if let Some(file) = signed {
            reading.signed = Some((file.clone(), reading.small(&file).await?));
        }
        Ok(reading)
    }

    fn end(self) -> Restored {
        Restored { name: self.name, manifest: self.manifest, bytes: self.shown.bytes }
    }

    /// A file that fits into memory.
    async fn small(&mut self, file: &FileObject) -> Result<Vec<u8>, RestoreError> {
        let mut bytes = Vec::new();
        self.read(file, &mut |chunk| {
            bytes.extend_from_slice(chunk);
            Ok(())
        })
        .await?;
        Ok(bytes)
    }

    /// Heads that the leaves must lead to.
    fn expected(&self) -> Result<Vec<(&'static str, TreeHead)>, RestoreError> {
        let mut expected = vec![("the backup", self.manifest.head)];
        expected.extend(self.manifest.agreed.map(|head| ("what the voters agreed on", head)));
        if let Some((file, bytes)) = &self.checkpoint {
            let altered =
                |found: String| RestoreError::Altered { object: file.object(), leaf: None, found };
            let note = Note::from_bytes(bytes).map_err(|e| altered(e.to_string()))?;
            let checkpoint = Checkpoint::parse(note.text()).map_err(|e| altered(e.to_string()))?;
            if checkpoint.origin() != &self.manifest.origin {
                return Err(altered(format!("it is of log {}", checkpoint.origin())));
            }
            let head = TreeHead { size: checkpoint.size(), root: *checkpoint.root() };
            expected.push(("the published checkpoint", head));
        }
        if let Some((file, bytes)) = &self.signed {
            let text = String::from_utf8_lossy(bytes);
            let heads = SignedHeads::parse(&text).map_err(|e| RestoreError::Altered {
                object: file.object(),
                leaf: None,
                found: e.to_string(),
            })?;
            let signed = heads.log.into_iter().chain(heads.cosigner);
            expected.extend(signed.map(|head| ("what the node's keys signed", head)));
        }
        Ok(expected)
    }

    async fn leaves(
        &mut self,
        sink: &mut (dyn FnMut(&[u8]) -> Result<(), RestoreError> + Send),
    ) -> Result<(), RestoreError> {
        let mut reader = LeafReader::new(self.expected()?);
        for object in self.manifest.leaves.clone() {
            let name = object.object();
            let end = TreeSize::new(object.first.get() + object.count);
            let Some(mut stream) = self.target.stream(&name).await? else {
                return Err(RestoreError::Missing { object: name, first: Some(object.first) });
            };
            let mut reading = reader.begin(object);
            while let Some(chunk) = stream.try_next().await? {
                reading.take(&chunk, sink)?;
                self.shown.bytes += chunk.len() as u64;
            }
            reading.finish()?;
            self.shown.leaves = end;
            (self.progress)(self.shown);
        }
        Ok(())
    }

    /// Reads every file that is not in memory already.
    async fn files(&mut self, sink: &mut (dyn Sink + Send)) -> Result<(), RestoreError> {
        let extras = self.manifest.extra.iter().map(|extra| &extra.file);
        let files: Vec<FileObject> = self.manifest.blobs.iter().chain(extras).cloned().collect();
        for file in files {
            sink.begin(&file)?;
            self.read(&file, &mut |chunk| sink.take(chunk)).await?;
            sink.end()?;
            (self.progress)(self.shown);
        }
        let (checkpoint, signed) = (self.checkpoint.clone(), self.signed.clone());
        for (file, bytes) in checkpoint.into_iter().chain(signed) {
            sink.begin(&file)?;
            sink.take(&bytes)?;
            sink.end()?;
        }
        Ok(())
    }

    /// Reads a file and compares its length and content.
    async fn read(
        &mut self,
        file: &FileObject,
        sink: &mut (dyn FnMut(&[u8]) -> Result<(), RestoreError> + Send),
    ) -> Result<(), RestoreError> {
        let object = file.object();
        let Some(mut stream) = self.target.stream(&object).await? else {
            return Err(RestoreError::Missing { object, first: None });
        };
        let mut sha256 = Sha256::new();
        let mut found = 0;
        while let Some(chunk) = stream.try_next().await? {
            sha256.update(&chunk);
            found += chunk.len() as u64;
            self.shown.bytes += chunk.len() as u64;
            sink(&chunk)?;
        }
        if found != file.bytes {
            let expected = file.bytes;
            return Err(RestoreError::Length { object, expected, found, leaf: None });
        }
        let computed = Hash::from_bytes(sha256.finalize().into());
        if computed != file.sha256 {
            let found = format!("its SHA-256 is {}", computed.to_hex());
            return Err(RestoreError::Altered { object, leaf: None, found });
        }
        Ok(())
    }
}

/// Whether a folder was restored and has not been given another number since.
pub(crate) fn was_restored(folder: &Folder) -> bool {
    folder.path().join(RESTORED).exists()
}

/// Whether a node may start under its number: in a restored folder, the votes of the node that
/// was backed up are lost, so one of the numbers in the backup could vote twice.
pub(crate) fn may_start(folder: &Folder, store: &Store, own: NodeId) -> bool {
    if !was_restored(folder) {
        return true;
    }
    let members = store.position().membership;
    let members = members.and_then(|bytes| StoredMembership::from_stored(&bytes).ok());
    let votes = members.is_some_and(|m| m.membership().get_node(&own.get()).is_some());
    !votes && store.node(own).is_none()
}

/// From now on the node is like any other.
pub(crate) fn forget_restored(folder: &Folder) -> Result<(), StoreError> {
    let path = folder.path().join(RESTORED);
    match fs::remove_file(&path) {
        Ok(()) => sync_directory(folder.path()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::file("cannot remove", &path)(error)),
    }
}
