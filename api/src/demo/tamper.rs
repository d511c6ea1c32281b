//! What a dishonest keeper might do to stored leaves, done to a copy of the log.
//!
//! Works on a mirror folder with the paths of C2SP tlog-tiles. Not here: finding it out; that is
//! the verifier's work.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use letopis_ledger::bundle::{EntryBundle, encode_bundle};
use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::note::Note;
use letopis_ledger::tile::{BundlePath, bundles_at};

/// The leaves of a mirrored log, in order, with the files that hold them.
pub(super) struct StoredLeaves {
    folder: PathBuf,
    paths: Vec<BundlePath>,
    leaves: Vec<Vec<u8>>,
}

impl StoredLeaves {
    /// Reads the leaves of a mirror.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(folder.join("checkpoint")).context("the copy's head")?;
        let size = Checkpoint::parse(Note::parse(&text)?.text())?.size();
        let paths: Vec<BundlePath> = bundles_at(size).collect();
        let mut leaves = Vec::new();
        for path in &paths {
            let bytes = fs::read(folder.join(path.to_string()))?;
            let bundle = EntryBundle::parse_exact(&bytes, path.width)?;
            leaves.extend(bundle.iter().map(<[u8]>::to_vec));
        }
        Ok(Self { folder: folder.to_owned(), paths, leaves })
    }

    /// Makes a refusal read as a grant. Both words have seven letters, so nothing else moves.
    pub(super) fn alter_outcome(&mut self, leaf: usize) -> anyhow::Result<()> {
        let text = String::from_utf8(self.leaves[leaf].clone())?;
        let altered = text.replacen("\"outcome\":\"refused\"", "\"outcome\":\"granted\"", 1);
        if altered == text {
            bail!("leaf {leaf} is not a refusal");
        }
        self.leaves[leaf] = altered.into_bytes();
        self.write()
    }

    /// Takes a leaf out; those after it move up.
    pub(super) fn delete(&mut self, leaf: usize) -> anyhow::Result<()> {
        self.leaves.remove(leaf);
        self.write()
    }

    /// Exchanges two leaves.
    pub(super) fn swap(&mut self, one: usize, other: usize) -> anyhow::Result<()> {
        self.leaves.swap(one, other);
        self.write()
    }

    fn write(&self) -> anyhow::Result<()> {
        let mut rest = self.leaves.as_slice();
        for path in &self.paths {
            let width = usize::from(path.width.get()).min(rest.len());
            let (bundle, after) = rest.split_at(width);
            rest = after;
            let file = self.folder.join(path.to_string());
            if bundle.is_empty() {
                fs::remove_file(file)?;
            } else {
                fs::write(file, encode_bundle(bundle)?)?;
            }
        }
        Ok(())
    }
}

/// Copies a folder with everything below it.
pub(super) fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
