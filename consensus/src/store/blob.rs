//! Public files by content: a pack, a template, a table. A record names them by SHA-256.
//!
//! A file is durable before its hash is returned, so no record ever names one that a crash took.
//! Not here: private files; they stay with their owner.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use letopis_ledger::Hash;

use super::StoreError;
use super::file::{make_directory, parent, read, replace, sync_directory};

/// The public files of one node.
#[derive(Debug, Clone)]
pub(crate) struct Blobs {
    folder: PathBuf,
    /// Held while a file is stored: two of one content would write to one temporary name.
    storing: Arc<Mutex<()>>,
}

impl Blobs {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, storing: Arc::default() }
    }

    /// Stores a file durably and returns its hash.
    pub(crate) fn put(&self, bytes: &[u8]) -> Result<Hash, StoreError> {
        let hash = Hash::of(bytes);
        let path = self.path(&hash);
        let _storing = self.storing.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = parent(&path);
        if self.get(&hash)?.is_none() {
            make_directory(directory)?;
            replace(&path, bytes)?;
        }
        // Also when the file is there already: a crash may have come before its name was synced.
        sync_directory(directory)?;
        sync_directory(&self.folder)?;
        sync_directory(parent(&self.folder))?;
        Ok(hash)
    }

    /// Reads a file, or `None` when there is none of this hash.
    pub(crate) fn get(&self, hash: &Hash) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(hash);
        let Some(bytes) = read(&path)? else { return Ok(None) };
        if Hash::of(&bytes) != *hash {
            let what = format!("{}: its content has another hash", path.display());
            return Err(StoreError::Damaged { what });
        }
        Ok(Some(bytes))
    }

    /// Hashes of all files, in their order.
    pub(crate) fn list(&self) -> Result<Vec<Hash>, StoreError> {
        let mut hashes = Vec::new();
        for directory in names_in(&self.folder)? {
            for path in names_in(&directory)? {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                // Half-written ones have other names.
                hashes.extend(Hash::from_hex(name));
            }
        }
        hashes.sort_by_key(Hash::to_hex);
        Ok(hashes)
    }

    fn path(&self, hash: &Hash) -> PathBuf {
        let name = hash.to_hex();
        Path::new(&self.folder).join(&name[..2]).join(name)
    }
}

fn names_in(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let failed = || StoreError::file("cannot list", folder);
    let entries = fs::read_dir(folder).map_err(failed())?;
    entries.map(|entry| Ok(entry.map_err(failed())?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_its_hash_and_refused_when_altered() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path().join("blobs"));
        let hash = blobs.put(b"pack").unwrap();
        assert_eq!(hash, Hash::of(b"pack"));
        assert_eq!(blobs.put(b"pack"), Ok(hash));
        assert_eq!(blobs.get(&hash), Ok(Some(b"pack".to_vec())));
        assert_eq!(blobs.get(&Hash::of(b"other")), Ok(None));
        assert_eq!(blobs.list(), Ok(vec![hash]));
        std::fs::write(blobs.path(&hash), b"pock").unwrap();
        assert!(matches!(blobs.get(&hash), Err(StoreError::Damaged { .. })));
    }
}
