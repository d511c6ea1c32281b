//! Taking a backup: a durable state of the store, every leaf of it hashed on the way.
//!
//! Leaves below that state never change, so the node goes on meanwhile. What the owner hands in
//! is made after the state was fixed and before it is written: whatever a leaf of the backup
//! needs was durable before the leaf was, so it is in there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use letopis_ledger::hash::leaf_hash;
use letopis_ledger::tree::Frontier;
use letopis_ledger::{Hash, LeafIndex, Timestamp, TreeSize};
use sha2::{Digest, Sha256};

use super::error::BackupError;
use super::manifest::{BackupManifest, ExtraObject, FILES, FileObject, LEAVES, LeavesObject};
use super::target::Target;
use super::{BackupListener, BackupProgress};
use crate::ledger::{LedgerHandle, Parts, PublishedCheckpoint, ReadError};
use crate::metric;
use crate::publish::SIGNED_HEADS;
use crate::raft::types::TreeHead;
use crate::runtime::run_blocking;
use crate::store::file::read;
use crate::store::segment::split_leaf;
use crate::store::{Manifest, SEGMENT_LEAVES, Store, StoreError};

/// Leaves of one bundle, the unit of reading.
const BUNDLE_LEAVES: u64 = 256;
/// Leaves that are read between two looks at whether the node still runs.
const STEP_LEAVES: u64 = 4_096;
/// Bytes of a file that are read at once.
const READ_BYTES: usize = 4 << 20;

/// A file that the node's owner wants in the backup; it must not change meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraFile {
    /// Where it belongs in the node's folder, with `/` between folders.
    pub path: String,
    /// Where its bytes are now.
    pub from: PathBuf,
}

/// What a backup came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSummary {
    /// Name of its manifest on the target.
    pub name: String,
    /// The tree that it holds.
    pub head: TreeHead,
    /// When it was begun.
    pub taken: Timestamp,
    /// Bytes sent to the target.
    pub sent_bytes: u64,
    /// Bytes that were there already.
    pub kept_bytes: u64,
}

/// A backup that is begun: its state is fixed, nothing is sent.
#[derive(Debug)]
pub struct Taking {
    ledger: LedgerHandle,
    state: Manifest,
    checkpoint: Option<PublishedCheckpoint>,
    signed: Option<Vec<u8>>,
    taken: Timestamp,
}

impl LedgerHandle {
    /// Begins a backup of everything that is applied now.
    ///
    /// # Errors
    /// The node has stopped, or its log is empty.
    pub async fn begin_backup(&self) -> Result<Taking, BackupError> {
        let parts = self.running_parts()?;
        let taken = parts.path.clock.now();
        // Before the state, so that neither is ahead of it.
        let checkpoint = self.checkpoint();
        let signed = read(&parts.folder.publish().join(SIGNED_HEADS))?;
        let store = Arc::clone(&parts.store);
        drop(parts);
        let state = run_blocking(move || store.checkpoint()).await?;
        if state.head.size == TreeSize::ZERO || state.position.log_id.is_none() {
            return Err(BackupError::Empty);
        }
        Ok(Taking { ledger: self.clone(), state, checkpoint, signed, taken })
    }

    fn running_parts(&self) -> Result<Arc<Parts>, BackupError> {
        let stopped = || ReadError::Stopped { fatal: self.fatal() };
        Ok(self.parts().ok_or_else(stopped)?)
    }
}

impl Taking {
    /// The tree that the backup will hold.
    #[must_use]
    pub const fn head(&self) -> TreeHead {
        self.state.head
    }

    /// Verifies every leaf, sends what the target does not have, and names the backup at the end.
    ///
    /// # Errors
    /// See [`BackupError`]; without its manifest, what was sent is no backup.
    pub async fn write(
        self,
        target: &Target,
        extra: &[ExtraFile],
        progress: BackupListener<'_>,
    ) -> Result<BackupSummary, BackupError> {
        let started = Instant::now();
        let written = self.write_all(target, extra, progress).await;
        match &written {
            Ok(summary) => metric::backup_taken(
                started.elapsed(),
                summary.sent_bytes,
                summary.taken.unix_seconds(),
            ),
            Err(_) => metric::backup_failed(),
        }
        written
    }

    async fn write_all(
        &self,
        target: &Target,
        extra: &[ExtraFile],
        progress: BackupListener<'_>,
    ) -> Result<BackupSummary, BackupError> {
        let mut there = target.list(LEAVES).await?;
        there.extend(target.list(FILES).await?);
        let mut sending = Sending {
            target,
            there,
            progress,
            shown: BackupProgress { total: self.state.head.size, ..BackupProgress::default() },
            kept_bytes: 0,
        };
        let leaves = self.leaves(&mut sending).await?;
        let blobs = self.blobs(&mut sending).await?;
        let mut files = Vec::new();
        for bytes in [self.checkpoint.as_ref().map(|c| c.text.as_bytes()), self.signed.as_deref()] {
            files.push(match bytes {
                Some(bytes) => Some(sending.file(bytes).await?),
                None => None,
            });
        }
        let (signed, checkpoint) = (files.pop().flatten(), files.pop().flatten());
        let mut extras = Vec::new();
        for file in extra {
            let sent = sending.file_at(&file.from).await?;
            extras.push(ExtraObject { path: file.path.clone(), file: sent });
        }
        extras.sort_by(|one, other| one.path.cmp(&other.path));
        let manifest = BackupManifest {
            origin: self.ledger.origin().clone(),
            taken: self.taken,
            head: self.state.head,
            agreed: self.state.agreed,
            position: self.state.position.clone(),
            leaves,
            blobs,
            checkpoint,
            signed,
            extra: extras,
        };
        sending.end(&manifest).await
    }

    async fn leaves(&self, sending: &mut Sending<'_>) -> Result<Vec<LeavesObject>, BackupError> {
        let mut frontier = Frontier::new();
        let mut objects = Vec::new();
        let size = self.state.head.size.get();
        let mut first = 0;
        while first < size {
            let count = SEGMENT_LEAVES.min(size - first);
            let object = self.hash(first, count, &mut frontier, sending).await?;
            if !sending.has(&object.object(), object.bytes) {
                self.send(&object, sending).await?;
            }
            objects.push(object);
            first += count;
        }
        self.compare("the store", self.state.head, &frontier)?;
        Ok(objects)
    }

    /// Hashes leaves that belong into one object.
    async fn hash(
        &self,
        first: u64,
        count: u64,
        frontier: &mut Frontier,
        sending: &mut Sending<'_>,
    ) -> Result<LeavesObject, BackupError> {
        let mut sha256 = Sha256::new();
        let mut bytes = 0;
        let mut next = first;
        while next < first + count {
            let end = (next + STEP_LEAVES).min(first + count);
            for bundle in self.read(next, end).await? {
                sha256.update(&bundle);
                bytes += bundle.len() as u64;
                let mut rest = bundle.as_slice();
                while let Some((leaf, after)) = split_leaf(rest) {
                    frontier.append(leaf_hash(leaf));
                    self.compare_published(frontier)?;
                    rest = after;
                }
            }
            next = end;
            sending.leaves(TreeSize::new(next));
        }
        let sha256 = Hash::from_bytes(sha256.finalize().into());
        Ok(LeavesObject { first: LeafIndex::new(first), count, bytes, sha256 })
    }

    async fn send(
        &self,
        object: &LeavesObject,
        sending: &mut Sending<'_>,
    ) -> Result<(), BackupError> {
        let name = object.object();
        let mut upload = sending.target.upload(&name);
        let mut sha256 = Sha256::new();
        let (mut next, last) = (object.first.get(), object.first.get() + object.count);
        while next < last {
            let end = (next + STEP_LEAVES).min(last);
            for bundle in self.read(next, end).await? {
                sha256.update(&bundle);
                sending.sent(bundle.len() as u64);
                upload.write(bundle).await?;
            }
            next = end;
        }
        if Hash::from_bytes(sha256.finalize().into()) != object.sha256 {
            upload.abort().await;
            let found = "it was read twice and was not the same".to_owned();
            return Err(BackupError::LeafDamaged { leaf: object.first, found });
        }
        Ok(upload.finish().await?)
    }

    /// Reads leaves bundle by bundle, each leaf compared with the tree.
    async fn read(&self, first: u64, end: u64) -> Result<Vec<Vec<u8>>, BackupError> {
        let store = Arc::clone(&self.ledger.running_parts()?.store);
        run_blocking(move || {
            let mut bundles = Vec::new();
            let mut next = first;
            while next < end {
                let count = (BUNDLE_LEAVES - next % BUNDLE_LEAVES).min(end - next);
                bundles.push(read_bundle(&store, next, count)?);
                next += count;
            }
            Ok(bundles)
        })
        .await
    }

    fn compare_published(&self, frontier: &Frontier) -> Result<(), BackupError> {
        match &self.checkpoint {
            Some(published) if published.size == frontier.size() => {
                self.compare("the published checkpoint", published.head(), frontier)
            }
            _ => Ok(()),
        }
    }

    fn compare(
        &self,
        what: &'static str,
        expected: TreeHead,
        frontier: &Frontier,
    ) -> Result<(), BackupError> {
        let found = TreeHead { size: frontier.size(), root: frontier.root() };
        if found == expected { Ok(()) } else { Err(BackupError::Head { what, expected, found }) }
    }

    /// Sends the public files that this node has.
    async fn blobs(&self, sending: &mut Sending<'_>) -> Result<Vec<FileObject>, BackupError> {
        let parts = self.ledger.running_parts()?;
        let (blobs, known) = (parts.blobs.clone(), parts.blobs.clone());
        drop(parts);
        let mut objects = Vec::new();
        for hash in run_blocking(move || known.list()).await? {
            let blobs = blobs.clone();
            let bytes = run_blocking(move || blobs.get(&hash)).await?;
            objects.push(sending.file(&bytes.unwrap_or_default()).await?);
        }
        Ok(objects)
    }
}

/// The framed bytes of leaves of one bundle, each compared with its hash in the tree.
fn read_bundle(store: &Store, first: u64, count: u64) -> Result<Vec<u8>, BackupError> {
    let end = TreeSize::new(first + count);
    let hashes = store.leaf_hashes(LeafIndex::new(first), end)?;
    let read = store.bundle(LeafIndex::new(first), count);
    if let Ok(bytes) = &read
        && hashes_of(bytes) == hashes
    {
        return Ok(read?);
    }
    // One by one, so that the report names the leaf and not the bundle.
    for (leaf, hash) in (first..).zip(&hashes) {
        let leaf = LeafIndex::new(leaf);
        let found = match store.bundle(leaf, 1) {
            Ok(bytes) => match split_leaf(&bytes) {
                Some((bytes, _)) if leaf_hash(bytes) == *hash => continue,
                Some((bytes, _)) => {
                    format!("its hash is {}, the tree has {hash}", leaf_hash(bytes))
                }
                None => "its bytes end too early".to_owned(),
            },
            Err(error @ StoreError::Damaged { .. }) => error.to_string(),
            Err(error) => return Err(error.into()),
        };
        return Err(BackupError::LeafDamaged { leaf, found });
    }
    Ok(read?)
}

fn hashes_of(mut rest: &[u8]) -> Vec<Hash> {
    let mut hashes = Vec::new();
    while let Some((leaf, after)) = split_leaf(rest) {
        hashes.push(leaf_hash(leaf));
        rest = after;
    }
    hashes
}

/// What is sent, and what is there already.
struct Sending<'a> {
    target: &'a Target,
    there: BTreeMap<String, u64>,
    progress: BackupListener<'a>,
    shown: BackupProgress,
    kept_bytes: u64,
}

impl Sending<'_> {
    /// Whether an object of this name and length is there; objects are named by their content.
    fn has(&mut self, object: &str, bytes: u64) -> bool {
        let has = self.there.get(object) == Some(&bytes);
        if has {
            self.kept_bytes += bytes;
        }
        has
    }

    fn leaves(&mut self, leaves: TreeSize) {
        self.shown.leaves = leaves;
        (self.progress)(self.shown);
    }

    fn sent(&mut self, bytes: u64) {
        self.shown.bytes += bytes;
        (self.progress)(self.shown);
    }

    async fn file(&mut self, bytes: &[u8]) -> Result<FileObject, BackupError> {
        let file = FileObject { bytes: bytes.len() as u64, sha256: Hash::of(bytes) };
        if !self.has(&file.object(), file.bytes) {
            self.target.put(&file.object(), bytes.to_vec()).await?;
            self.sent(file.bytes);
        }
        Ok(file)
    }

    /// Sends a file of any length: read once for its name, once to be sent.
    async fn file_at(&mut self, path: &Path) -> Result<FileObject, BackupError> {
        let hashed = path.to_owned();
        let file = run_blocking(move || hash_file(&hashed)).await;
        let file = file.map_err(|error| extra(path, &error))?;
        if self.has(&file.object(), file.bytes) {
            return Ok(file);
        }
        let mut reader = File::open(path).map_err(|error| extra(path, &error))?;
        let mut upload = self.target.upload(&file.object());
        let mut sha256 = Sha256::new();
        loop {
            let mut bytes = vec![0; READ_BYTES];
            let count = reader.read(&mut bytes).map_err(|error| extra(path, &error))?;
            if count == 0 {
                break;
            }
            bytes.truncate(count);
            sha256.update(&bytes);
            self.sent(count as u64);
            upload.write(bytes).await?;
        }
        if Hash::from_bytes(sha256.finalize().into()) != file.sha256 {
            upload.abort().await;
            return Err(extra(path, &"it changed while it was read"));
        }
        upload.finish().await?;
        Ok(file)
    }

    /// Looks whether everything is there, and then names the backup.
    async fn end(self, manifest: &BackupManifest) -> Result<BackupSummary, BackupError> {
        let mut there = self.target.list(LEAVES).await?;
        there.extend(self.target.list(FILES).await?);
        for (object, bytes) in manifest.objects() {
            if there.get(&object) != Some(&bytes) {
                return Err(BackupError::NotThere { object });
            }
        }
        let name = manifest.object();
        self.target.put(&name, manifest.to_bytes()).await?;
        Ok(BackupSummary {
            name,
            head: manifest.head,
            taken: manifest.taken,
            sent_bytes: self.shown.bytes,
            kept_bytes: self.kept_bytes,
        })
    }
}

fn hash_file(path: &Path) -> std::io::Result<FileObject> {
    let mut file = File::open(path)?;
    let mut sha256 = Sha256::new();
    let mut bytes = vec![0; READ_BYTES];
    let mut length = 0;
    loop {
        let count = file.read(&mut bytes)?;
        if count == 0 {
            break;
        }
        sha256.update(&bytes[..count]);
        length += count as u64;
    }
    Ok(FileObject { bytes: length, sha256: Hash::from_bytes(sha256.finalize().into()) })
}

fn extra(path: &Path, reason: &dyn ToString) -> BackupError {
    BackupError::Extra { path: path.to_owned(), reason: reason.to_string() }
}
