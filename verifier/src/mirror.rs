//! A copy of a public log in a folder, which any web server can serve and any verifier read.
//!
//! The files have the paths of C2SP tlog-tiles. The copy is made as it is; whether it is right is
//! for `audit` to say. What is there already and cannot change (full tiles, full bundles, files
//! named by their hash) is not fetched again, so a mirror follows a growing log cheaply.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use letopis_ledger::Hash;
use letopis_ledger::bundle::EntryBundle;
use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::json::Json;
use letopis_ledger::leaf::Leaf;
use letopis_ledger::note::Note;
use letopis_ledger::tile::{BundlePath, TilePath, bundles_at, tiles_at};
use thiserror::Error;

use crate::source::{LogSource, SourceError};

/// Why a mirror could not be made.
#[derive(Debug, Error)]
pub enum MirrorError {
    /// The log could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The checkpoint is none.
    #[error("the checkpoint cannot be read: {reason}")]
    Checkpoint {
        /// Which rule it breaks.
        reason: String,
    },
    /// The folder could not be written.
    #[error("{path} could not be written: {error}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
}

/// Copies the log as published now. Gives the number of leaves that the copy has.
///
/// The checkpoint is written last, so an interrupted copy never promises more than it has.
///
/// # Errors
/// See [`MirrorError`].
pub fn mirror(source: &dyn LogSource, folder: &Path) -> Result<u64, MirrorError> {
    let text = source.checkpoint()?;
    let refused = |reason: String| MirrorError::Checkpoint { reason };
    let note = Note::parse(&text).map_err(|e| refused(e.to_string()))?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|e| refused(e.to_string()))?;
    for path in tiles_at(checkpoint.size()) {
        copy_tile(source, folder, path)?;
    }
    for path in bundles_at(checkpoint.size()) {
        copy_bundle(source, folder, path)?;
    }
    write(folder, "checkpoint", text.as_bytes())?;
    Ok(checkpoint.size().get())
}

fn copy_tile(source: &dyn LogSource, folder: &Path, path: TilePath) -> Result<(), MirrorError> {
    let name = path.to_string();
    if path.width.is_full() && folder.join(&name).is_file() {
        return Ok(());
    }
    write(folder, &name, &source.tile(path)?)
}

fn copy_bundle(
    source: &dyn LogSource,
    folder: &Path,
    path: BundlePath,
) -> Result<(), MirrorError> {
    let name = path.to_string();
    if path.width.is_full() && folder.join(&name).is_file() {
        return Ok(());
    }
    let bytes = source.bundle(path)?;
    for file in public_files(&bytes) {
        let name = format!("blob/{}", file.to_hex());
        if !folder.join(&name).is_file() {
            write(folder, &name, &source.blob(file)?)?;
        }
    }
    write(folder, &name, &bytes)
}

/// SHA-256 of the public files that the bundle's records publish. A bundle that cannot be read
/// names none; the audit will say what is wrong with it.
fn public_files(bundle: &[u8]) -> Vec<Hash> {
    let Ok(bundle) = EntryBundle::parse(bundle) else { return Vec::new() };
    let leaves = bundle.iter().filter_map(|bytes| Leaf::parse(bytes).ok());
    leaves.flat_map(|leaf| published_by(&leaf)).collect()
}

fn published_by(leaf: &Leaf) -> Vec<Hash> {
    let events = leaf.record().events().iter();
    events
        .filter_map(|event| event.data.get("files").and_then(Json::as_array))
        .flatten()
        .filter_map(|file| file.as_object()?.get("sha256")?.as_str().and_then(Hash::from_hex))
        .collect()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), MirrorError> {
    let path = folder.join(name);
    let attempt = || -> io::Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        // Written aside and renamed: a reader never sees half a file.
        let aside = path.with_extension("partial-write");
        fs::write(&aside, bytes)?;
        fs::rename(&aside, &path)
    };
    attempt().map_err(|error| MirrorError::Write { path: path.clone(), error })
}
