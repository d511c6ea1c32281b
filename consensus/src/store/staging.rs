//! Leaves of a snapshot on their way in: each compared with the tree of the snapshot before it is
//! written here, and used only when all are here and durable.
//!
//! ```text
//! incoming/leaves-<first leaf>    framed as in a segment
//! incoming/complete               the snapshot, once every leaf of it is durable
//! ```
//!
//! Until `complete` exists, everything may be thrown away. Once it does, either Raft installs the
//! snapshot, or the node does at its start before anything else, however often it is interrupted;
//! or the Raft log brings the same entries first, and the snapshot is forgotten.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::PathBuf;

use letopis_ledger::{LeafIndex, TreeSize};

use super::file::{make_directory, read};
use super::index::{read_manifest, write_manifest};
use super::segment::split_leaf;
use super::{Folder, Manifest, Store, StoreError};
use crate::disk::DiskHook;

const COMPLETE: &str = "complete";
/// Bytes of leaves that are replayed between two looks at what else is due.
const REPLAY_BYTES: usize = 1 << 20;
/// Bytes of leaves that are replayed between two checkpoints of the store.
const CHECKPOINT_BYTES: u64 = 64 << 20;

/// The folder of what comes in.
#[derive(Debug, Clone)]
pub(crate) struct Staging {
    folder: PathBuf,
    disk: DiskHook,
}

/// Leaves being written.
pub(crate) struct StagedLeaves {
    file: BufWriter<File>,
    path: PathBuf,
    next: LeafIndex,
}

impl Staging {
    pub(crate) fn new(folder: &Folder) -> Self {
        Self { folder: folder.incoming(), disk: folder.disk().clone() }
    }

    /// Begins anew with this leaf.
    pub(crate) fn begin(&self, first: LeafIndex) -> Result<StagedLeaves, StoreError> {
        self.clear()?;
        make_directory(&self.folder)?;
        let path = self.leaves(first);
        self.disk.write(&path).map_err(StoreError::file("cannot make", &path))?;
        let file = OpenOptions::new().create_new(true).write(true).open(&path);
        let file = BufWriter::new(file.map_err(StoreError::file("cannot make", &path))?);
        Ok(StagedLeaves { file, path, next: first })
    }

    /// Makes it durable that everything of this snapshot is here.
    pub(crate) fn complete(
        &self,
        leaves: StagedLeaves,
        manifest: &Manifest,
    ) -> Result<(), StoreError> {
        let StagedLeaves { file, path, next } = leaves;
        assert_eq!(next.get(), manifest.head.size.get(), "every leaf is here");
        let failed = StoreError::file("cannot write", &path);
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        self.disk.sync_file(&path, || file.sync_all())?;
        self.disk.sync_directory(&self.folder)?;
        self.disk.replace(&self.folder.join(COMPLETE), &write_manifest(manifest))
    }

    /// The snapshot that is complete, if one is.
    pub(crate) fn completed(&self) -> Result<Option<Manifest>, StoreError> {
        read(&self.folder.join(COMPLETE))?.map(|bytes| read_manifest(&bytes)).transpose()
    }

    /// Installs the complete snapshot, from wherever an interruption left it, and forgets it.
    pub(crate) fn install(&self, store: &Store) -> Result<(), StoreError> {
        let Some(manifest) = self.completed()? else { return Ok(()) };
        if !store.has_reached(&manifest)? {
            if store.applied_size() < manifest.head.size {
                self.replay(store, manifest.head.size)?;
            }
            store.take_position(&manifest)?;
        }
        self.clear()
    }

    /// Installs the snapshot that Raft decided on: its leaves may be here, its place in the Raft
    /// log is what Raft says. The same leaves may have been fetched under an earlier place.
    pub(crate) fn install_offered(
        &self,
        store: &Store,
        offered: &Manifest,
    ) -> Result<Manifest, StoreError> {
        let staged = self.completed()?;
        let fetched = staged.as_ref().is_some_and(|staged| staged.head == offered.head);
        if fetched && store.applied_size() < offered.head.size {
            self.replay(store, offered.head.size)?;
        }
        let installed = store.take_position(offered)?;
        // Another one may be offered yet; an incomplete one is still being fetched.
        if let Some(staged) = staged
            && store.has_reached(&staged)?
        {
            self.clear()?;
        }
        Ok(installed)
    }

    /// Throws away what is here.
    pub(crate) fn clear(&self) -> Result<(), StoreError> {
        // `complete` first: without it the rest means nothing.
        let complete = self.folder.join(COMPLETE);
        for path in [&complete, &self.folder] {
            let removed =
                if path == &complete { fs::remove_file(path) } else { fs::remove_dir_all(path) };
            match removed {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::file("cannot remove", path)(error)),
            }
        }
        Ok(())
    }

    fn leaves(&self, first: LeafIndex) -> PathBuf {
        self.folder.join(format!("leaves-{:020}", first.get()))
    }

    fn replay(&self, store: &Store, size: TreeSize) -> Result<(), StoreError> {
        let (first, path) = self.find_leaves()?;
        let file = File::open(&path).map_err(StoreError::file("cannot open", &path))?;
        let mut file = BufReader::with_capacity(REPLAY_BYTES, file);
        let mut at = first.get();
        let mut pending = Vec::new();
        let mut batch = Vec::new();
        let mut batch_bytes = 0;
        while at < size.get() {
            let leaf = read_leaf(&mut file, &mut pending)
                .map_err(StoreError::file("cannot read a leaf of", &path))?;
            if at >= store.applied_size().get() {
                batch_bytes += leaf.len();
                batch.push(leaf);
            }
            at += 1;
            if batch_bytes >= REPLAY_BYTES || at == size.get() {
                store.replay(&batch)?;
                batch.clear();
                batch_bytes = 0;
                if store.unflushed_bytes() >= CHECKPOINT_BYTES {
                    store.checkpoint()?;
                }
            }
        }
        Ok(())
    }

    fn find_leaves(&self) -> Result<(LeafIndex, PathBuf), StoreError> {
        let failed = || StoreError::file("cannot list", &self.folder);
        for entry in fs::read_dir(&self.folder).map_err(failed())? {
            let path = entry.map_err(failed())?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(first) = name.strip_prefix("leaves-").and_then(|first| first.parse().ok()) {
                return Ok((LeafIndex::new(first), path));
            }
        }
        Err(StoreError::Damaged { what: format!("{} has no leaves", self.folder.display()) })
    }
}

impl StagedLeaves {
    /// Index of the leaf that comes next.
    pub(crate) const fn next(&self) -> LeafIndex {
        self.next
    }

    /// Writes the next leaf, whose bytes were compared.
    pub(crate) fn push(&mut self, leaf: &[u8]) -> Result<(), StoreError> {
        let length = u16::try_from(leaf.len()).expect("invariant: a leaf fits its length");
        let written =
            self.file.write_all(&length.to_be_bytes()).and_then(|()| self.file.write_all(leaf));
        written.map_err(StoreError::file("cannot write", &self.path))?;
        self.next = self.next.next();
        Ok(())
    }
}

/// Reads the next framed leaf into a buffer of its own.
fn read_leaf(file: &mut impl Read, frame: &mut Vec<u8>) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 2];
    file.read_exact(&mut length)?;
    frame.clear();
    frame.extend(length);
    frame.resize(2 + usize::from(u16::from_be_bytes(length)), 0);
    file.read_exact(&mut frame[2..])?;
    let (leaf, _) = split_leaf(frame).expect("invariant: the frame is whole");
    Ok(leaf.to_vec())
}
