//! A copy of a public log in a folder, which any web server can serve and any verifier read.
//!
//! The files have the paths of C2SP tlog-tiles. The copy is made as it is; whether it is right is
//! for `audit` to say. Every file but the checkpoint and the policy stays the same for ever, so
//! what is there already is not fetched again and a mirror follows a growing log cheaply.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use letopis_ledger::Hash;
use letopis_ledger::bundle::EntryBundle;
use letopis_ledger::json::Json;
use letopis_ledger::leaf::Leaf;
use letopis_ledger::record::Event;
use letopis_ledger::tile::{BundlePath, TileWidth, bundles_at, tiles_at};
use thiserror::Error;

use crate::audit::parse_checkpoint;
use crate::source::{LogSource, SourceError};

/// Most bytes of a policy or of a list of disclosures.
const TEXT_MAX_BYTES: usize = 1 << 20;

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
/// The checkpoint is written last, so an interrupted copy never promises more than it has. Partial
/// tiles and bundles that a full one has replaced are removed.
///
/// # Errors
/// See [`MirrorError`].
pub fn mirror(source: &dyn LogSource, folder: &Path) -> Result<u64, MirrorError> {
    let checkpoint = source.checkpoint()?;
    let (_, head) =
        parse_checkpoint(&checkpoint).map_err(|reason| MirrorError::Checkpoint { reason })?;
    let copy = Copy { source, folder };
    for path in tiles_at(head.size()) {
        copy.once(&path.to_string(), || source.tile(path))?;
        copy.remove_partials(&path.to_string(), path.width)?;
    }
    for path in bundles_at(head.size()) {
        copy.bundle(path)?;
        copy.remove_partials(&path.to_string(), path.width)?;
    }
    if let Some(policy) = optional(source.get("policy", TEXT_MAX_BYTES))? {
        copy.write("policy", &policy)?;
    }
    copy.write("checkpoint", &checkpoint)?;
    Ok(head.size().get())
}

struct Copy<'a> {
    source: &'a dyn LogSource,
    folder: &'a Path,
}

impl Copy<'_> {
    fn bundle(&self, path: BundlePath) -> Result<(), MirrorError> {
        let name = path.to_string();
        if self.has(&name) {
            return Ok(());
        }
        let bytes = self.source.bundle(path)?;
        // What the entries refer to comes before them, so that an interrupted copy goes on here.
        for event in events(&bytes) {
            self.files_of(&event)?;
        }
        self.write(&name, &bytes)
    }

    /// The public files that an event refers to.
    fn files_of(&self, event: &Event) -> Result<(), MirrorError> {
        match event.event_type.as_str() {
            "pack.published" => {
                for file in published_files(event) {
                    let name = format!("blob/{}", file.to_hex());
                    self.once(&name, || self.source.blob(file))?;
                }
            }
            "application.decided" => {
                let Some(id) = event.stream.as_str().strip_prefix("application/") else {
                    return Ok(());
                };
                let name = format!("disclosure/{id}");
                // A case without public inputs has no such file.
                if let Some(list) = optional(self.source.get(&name, TEXT_MAX_BYTES))? {
                    self.write(&name, &list)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn once(
        &self,
        name: &str,
        read: impl FnOnce() -> Result<Vec<u8>, SourceError>,
    ) -> Result<(), MirrorError> {
        if self.has(name) { Ok(()) } else { self.write(name, &read()?) }
    }

    fn has(&self, name: &str) -> bool {
        self.folder.join(name).is_file()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), MirrorError> {
        let path = self.folder.join(name);
        let attempt = || -> io::Result<()> {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            // Written aside and renamed: a reader never sees half a file.
            let aside = self.folder.join("partial-write");
            fs::write(&aside, bytes)?;
            fs::rename(&aside, &path)
        };
        attempt().map_err(|error| MirrorError::Write { path: path.clone(), error })
    }

    fn remove_partials(&self, full: &str, width: TileWidth) -> Result<(), MirrorError> {
        let path = self.folder.join(format!("{full}.p"));
        if !width.is_full() || !path.is_dir() {
            return Ok(());
        }
        fs::remove_dir_all(&path).map_err(|error| MirrorError::Write { path, error })
    }
}

/// The events of a bundle. One that cannot be read has none; the audit will say what is wrong.
fn events(bundle: &[u8]) -> Vec<Event> {
    let Ok(bundle) = EntryBundle::parse(bundle) else { return Vec::new() };
    let leaves = bundle.iter().filter_map(|bytes| Leaf::parse(bytes).ok());
    leaves.flat_map(|leaf| leaf.record().events().to_vec()).collect()
}

/// SHA-256 of the files that a pack consists of.
fn published_files(event: &Event) -> impl Iterator<Item = Hash> {
    let files = event.data.get("files").and_then(Json::as_array);
    let sha256 = |file: &Json| file.as_object()?.get("sha256")?.as_str().and_then(Hash::from_hex);
    files.into_iter().flatten().filter_map(sha256)
}

fn optional(read: Result<Vec<u8>, SourceError>) -> Result<Option<Vec<u8>>, SourceError> {
    match read {
        Err(SourceError::NotFound { .. }) => Ok(None),
        other => other.map(Some),
    }
}
