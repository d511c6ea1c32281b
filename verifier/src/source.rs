//! Where a log is read from: a web address or a folder with the same paths.
//!
//! Every piece of a public log is a file at a fixed path (C2SP tlog-tiles), so one operation is
//! enough: get the bytes at a path. Not here: whether the bytes are right.

mod directory;
mod http;
mod tiles;

use letopis_ledger::Hash;
use letopis_ledger::bundle::{EntryBundle, encode_bundle};
use letopis_ledger::tile::{BundlePath, TilePath, TileWidth};
use thiserror::Error;

pub use directory::DirectorySource;
pub use http::HttpSource;
pub use tiles::{SourceTiles, TileReadError};

/// Most bytes of a checkpoint: 64 signatures of the longest kind fit several times.
const CHECKPOINT_MAX_BYTES: usize = 1 << 20;
/// Most bytes of a full entry bundle: 256 entries of 2 + 65,535 bytes.
const BUNDLE_MAX_BYTES: usize = 256 * (2 + 65_535);
/// Most bytes of a full tile.
const TILE_MAX_BYTES: usize = 256 * Hash::SIZE_BYTES;
/// Most bytes of a public file that a verifier reads.
const BLOB_MAX_BYTES: usize = 16 << 20;

/// Why bytes could not be had.
#[derive(Debug, Error)]
pub enum SourceError {
    /// Nothing at this path.
    #[error("{path} is not there")]
    NotFound {
        /// The path.
        path: String,
    },
    /// The path has more bytes than anything of its kind may have.
    #[error("{path} is larger than the {max_bytes} bytes that it may have")]
    TooLarge {
        /// The path.
        path: String,
        /// Most bytes allowed.
        max_bytes: usize,
    },
    /// Other bytes than their name says.
    #[error("{path} is another file: its SHA-256 is not the one in its name")]
    Altered {
        /// The path.
        path: String,
    },
    /// The folder or the network failed.
    #[error("{path} could not be read: {reason}")]
    Failed {
        /// The path.
        path: String,
        /// What happened.
        reason: String,
    },
}

impl SourceError {
    /// Whether the log itself is at fault, and not the way to it: something that it must have is
    /// not there, or is not what it must be.
    #[must_use]
    pub const fn is_of_log(&self) -> bool {
        !matches!(self, Self::Failed { .. })
    }
}

/// A place with the paths of a public log below it. Reading twice gives the same bytes for every
/// path but the checkpoint's; several threads may read at once.
pub trait LogSource: Sync {
    /// The bytes at a path relative to the log's address, at most `max_bytes`.
    ///
    /// # Errors
    /// See [`SourceError`].
    fn get(&self, path: &str, max_bytes: usize) -> Result<Vec<u8>, SourceError>;

    /// Where this is, for reports.
    fn location(&self) -> String;

    /// The newest published checkpoint.
    ///
    /// # Errors
    /// It is not there.
    fn checkpoint(&self) -> Result<Vec<u8>, SourceError> {
        self.get("checkpoint", CHECKPOINT_MAX_BYTES)
    }

    /// The bytes of a tile. Where a partial tile is gone because the full one exists, they are
    /// cut out of the full one.
    ///
    /// # Errors
    /// Neither is there.
    fn tile(&self, path: TilePath) -> Result<Vec<u8>, SourceError> {
        match self.get(&path.to_string(), TILE_MAX_BYTES) {
            Err(missing @ SourceError::NotFound { .. }) if !path.width.is_full() => {
                let full = TilePath { width: TileWidth::FULL, ..path };
                let mut bytes = self.get(&full.to_string(), TILE_MAX_BYTES).map_err(or(missing))?;
                bytes.truncate(usize::from(path.width.get()) * Hash::SIZE_BYTES);
                Ok(bytes)
            }
            other => other,
        }
    }

    /// The bytes of an entry bundle. Where a partial bundle is gone because the full one exists,
    /// its entries are cut out of the full one.
    ///
    /// # Errors
    /// Neither is there.
    fn bundle(&self, path: BundlePath) -> Result<Vec<u8>, SourceError> {
        match self.get(&path.to_string(), BUNDLE_MAX_BYTES) {
            Err(missing @ SourceError::NotFound { .. }) if !path.width.is_full() => {
                let full = BundlePath { width: TileWidth::FULL, ..path };
                let bytes = self.get(&full.to_string(), BUNDLE_MAX_BYTES).map_err(or(missing))?;
                Ok(first_entries(&bytes, path.width).unwrap_or(bytes))
            }
            other => other,
        }
    }

    /// A public file by its SHA-256. The bytes are checked against it.
    ///
    /// # Errors
    /// It is not there, or it is another file.
    fn blob(&self, hash: Hash) -> Result<Vec<u8>, SourceError> {
        let path = format!("blob/{}", hash.to_hex());
        let bytes = self.get(&path, BLOB_MAX_BYTES)?;
        if Hash::of(&bytes) != hash {
            return Err(SourceError::Altered { path });
        }
        Ok(bytes)
    }
}

/// Where the full file is missing too, the partial one is what is missed.
fn or(missing: SourceError) -> impl FnOnce(SourceError) -> SourceError {
    move |error| if matches!(error, SourceError::NotFound { .. }) { missing } else { error }
}

/// The first entries of a full bundle, or `None` when it is none.
fn first_entries(bundle: &[u8], width: TileWidth) -> Option<Vec<u8>> {
    let bundle = EntryBundle::parse_exact(bundle, TileWidth::FULL).ok()?;
    encode_bundle(bundle.iter().take(usize::from(width.get()))).ok()
}

/// Opens a web address or a folder, whichever `place` is.
#[must_use]
pub fn open(place: &str) -> Box<dyn LogSource> {
    if place.starts_with("http://") || place.starts_with("https://") {
        Box::new(HttpSource::new(place))
    } else {
        Box::new(DirectorySource::new(place))
    }
}
