//! The check at start: every leaf is hashed again and compared with its neighbours, its tile, the
//! index and the tree, before the node answers anything or signs anything.
//!
//! Two witnesses decide which of two contradicting files is the damaged one, so that the report
//! names the first bad leaf and not merely the first contradiction. Nothing is repaired, with one
//! exception: leaves beyond what was durable may be torn by a crash and are cut off, because the
//! Raft log gives them again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use letopis_ledger::hash::leaf_hash;
use letopis_ledger::leaf::{Leaf, genesis_link};
use letopis_ledger::tile::{Tile, TilePath, TileWidth};
use letopis_ledger::tree::Frontier;
use letopis_ledger::{Hash, LeafIndex, TreeSize};
use thiserror::Error;

use super::index::Index;
use super::segment::{Layout, segment_path};
use super::tile::{Edge, tile_file};
use super::{Folder, LogTail, SEGMENT_LEAVES, StoreError};
use crate::machine::StateView;

/// How far the check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckProgress {
    /// Leaves hashed and compared.
    pub checked: TreeSize,
    /// Leaves that the index knows.
    pub total: TreeSize,
}

/// What is damaged, beginning with the first leaf it concerns.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Damage {
    /// The bytes of a leaf are not those that were appended.
    #[error("leaf {leaf} in {file} was altered: {found}; {ADVICE}")]
    LeafAltered {
        /// The first bad leaf.
        leaf: LeafIndex,
        /// The segment.
        file: PathBuf,
        /// What does not fit.
        found: String,
    },
    /// A leaf is not there, or its bytes end too early.
    #[error("leaf {leaf} in {file} is missing or cut short, {expected} leaves are known; {ADVICE}")]
    LeafMissing {
        /// The first missing leaf.
        leaf: LeafIndex,
        /// The segment.
        file: PathBuf,
        /// Leaves that must be there.
        expected: TreeSize,
    },
    /// A tile does not fit the leaves, which fit everything else.
    #[error("tile {file} over leaf {leaf} and later is damaged: {found}; {ADVICE}")]
    Tile {
        /// The first leaf whose hash the tile has wrong.
        leaf: LeafIndex,
        /// The tile.
        file: PathBuf,
        /// What does not fit.
        found: String,
    },
    /// The index does not fit the leaves, which fit everything else.
    #[error("the index is damaged from leaf {leaf} on: {found}; {ADVICE}")]
    Index {
        /// The first leaf that the index has wrong or not at all.
        leaf: LeafIndex,
        /// What does not fit.
        found: String,
    },
}

const ADVICE: &str = "nothing was changed; keep the folder for examination, restore it from a \
                      backup or another node, and put this folder's publish/signed into it";

/// What the check found besides damage.
pub(super) struct Checked {
    pub(super) layout: Layout,
    pub(super) edge: Edge,
    /// Intact leaves, those beyond the index included.
    pub(super) found_until: TreeSize,
}

/// Why the check ended early.
pub(super) enum CheckError {
    Damage(Damage),
    Store(StoreError),
}

impl From<StoreError> for CheckError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Damage> for CheckError {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

/// What the index states as durable, and what was signed.
pub(super) struct Claimed<'a> {
    pub(super) tail: LogTail,
    pub(super) frontier: &'a Frontier,
    pub(super) signed_size: TreeSize,
}

/// Reads and compares everything.
pub(super) fn check(
    folder: &Folder,
    index: &Index,
    claimed: &Claimed<'_>,
    progress: &dyn Fn(CheckProgress),
) -> Result<Checked, CheckError> {
    let mut check = Check {
        segments: folder.segments(),
        tiles: folder.tiles(),
        index,
        claimed,
        previous: Previous { hash: genesis_link(), bytes: Vec::new() },
        count: 0,
        frontier: Frontier::new(),
        checked: Checked {
            layout: Layout::default(),
            edge: Edge::default(),
            found_until: TreeSize::ZERO,
        },
    };
    check.leaves(progress)?;
    check.end()?;
    check.checked.found_until = TreeSize::new(check.count);
    super::open::check_index(index, claimed.tail.size, &check.checked.edge, &check.tiles)?;
    Ok(check.checked)
}

struct Check<'a> {
    segments: PathBuf,
    tiles: PathBuf,
    index: &'a Index,
    claimed: &'a Claimed<'a>,
    previous: Previous,
    /// Intact leaves so far.
    count: u64,
    frontier: Frontier,
    checked: Checked,
}

struct Previous {
    hash: Hash,
    bytes: Vec<u8>,
}

/// The next frame of a segment.
enum Frame {
    Leaf(Vec<u8>),
    End,
    Torn,
}

impl Check<'_> {
    /// Leaves below this must be intact; those beyond may be torn by a crash.
    fn must(&self) -> u64 {
        self.claimed.tail.size.max(self.claimed.signed_size).get()
    }

    fn durable(&self) -> u64 {
        self.claimed.tail.size.get()
    }

    fn leaves(&mut self, progress: &dyn Fn(CheckProgress)) -> Result<(), CheckError> {
        for segment in 0.. {
            let path = segment_path(&self.segments, segment);
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(StoreError::file("cannot open", &path)(error).into()),
            };
            let mut reader = BufReader::with_capacity(1 << 20, file);
            let mut intact_bytes = 0_u64;
            while self.count < (segment + 1) * SEGMENT_LEAVES {
                let frame =
                    next_frame(&mut reader).map_err(StoreError::file("cannot read", &path))?;
                let bytes = match frame {
                    Frame::End => break,
                    Frame::Leaf(bytes) if self.fits(&bytes) => bytes,
                    Frame::Leaf(_) | Frame::Torn if self.count >= self.must() => {
                        cut(&path, intact_bytes)?;
                        break;
                    }
                    Frame::Leaf(bytes) => return Err(self.blame(&path, Some(&bytes))?.into()),
                    Frame::Torn => return Err(self.blame(&path, None)?.into()),
                };
                intact_bytes += 2 + bytes.len() as u64;
                self.take(bytes)?;
                if self.count.is_multiple_of(SEGMENT_LEAVES / 4) {
                    let checked = TreeSize::new(self.count);
                    progress(CheckProgress { checked, total: self.claimed.tail.size });
                }
            }
            if self.count < (segment + 1) * SEGMENT_LEAVES {
                break;
            }
        }
        Ok(())
    }

    /// Whether a leaf has its place and its link; beyond what is durable, also its shape.
    fn fits(&self, bytes: &[u8]) -> bool {
        let head = format!("{{\"index\":{},\"prev\":\"{}\",", self.count, self.previous.hash);
        bytes.starts_with(head.as_bytes())
            && (self.count < self.must() || Leaf::parse(bytes).is_ok())
    }

    fn take(&mut self, bytes: Vec<u8>) -> Result<(), CheckError> {
        let hash = leaf_hash(&bytes);
        if self.count < self.durable() {
            self.checked.layout.push(bytes.len());
            self.frontier.append(hash);
            let mut full = Vec::new();
            let never: Result<(), std::convert::Infallible> =
                self.checked.edge.push(hash, |path, tile| {
                    full.push((path, tile.clone()));
                    Ok(())
                });
            never.unwrap_or_else(|never| match never {});
            self.previous = Previous { hash, bytes };
            for (path, tile) in full {
                self.compare_tile(path, &tile)?;
            }
        } else {
            self.previous = Previous { hash, bytes };
        }
        self.count += 1;
        Ok(())
    }

    /// Compares a full tile computed from the leaves with the one on disk.
    fn compare_tile(&self, path: TilePath, computed: &Tile) -> Result<(), CheckError> {
        let file = tile_file(&self.tiles, path);
        let covers = 256_u64.pow(u32::from(path.level.get()));
        let first = path.index.get() * 256 * covers;
        let damage = |leaf: u64, found: String| {
            CheckError::from(Damage::Tile { leaf: LeafIndex::new(leaf), file: file.clone(), found })
        };
        let bytes = fs::read(&file).map_err(|e| damage(first, e.to_string()))?;
        let stored = Tile::from_bytes_exact(&bytes, TileWidth::FULL)
            .map_err(|e| damage(first, e.to_string()))?;
        let pairs = stored.hashes().iter().zip(computed.hashes());
        let Some(at) = pairs.into_iter().position(|(stored, computed)| stored != computed) else {
            return Ok(());
        };
        let (stored, computed) = (stored.hashes()[at], computed.hashes()[at]);
        let found = format!("hash {at} is {stored}, the leaves give {computed}");
        let leaf = first + at as u64 * covers;
        // A leaf and everything after it may have been rewritten together; the index tells.
        if path.level.get() == 0 && !self.recorded(leaf, &computed)? {
            let file = segment_path(&self.segments, leaf / SEGMENT_LEAVES);
            let found = format!("its hash is {computed}, its tile has {stored}");
            return Err(Damage::LeafAltered { leaf: LeafIndex::new(leaf), file, found }.into());
        }
        Err(damage(leaf, found))
    }

    /// Whether the index has some record at this leaf with this hash.
    fn recorded(&self, leaf: u64, hash: &Hash) -> Result<bool, StoreError> {
        for item in self.index.receipts() {
            let (_, first) = item?;
            if first.leaf_index.get() == leaf {
                return Ok(&first.leaf_hash == hash);
            }
        }
        Ok(false)
    }

    /// Which leaf to name when leaf `count` does not follow the one before it.
    fn blame(&self, path: &Path, bytes: Option<&[u8]>) -> Result<Damage, StoreError> {
        if let Some(before) = self.count.checked_sub(1)
            && before < self.durable()
            && !self.is_recorded(before, &self.previous.bytes)?
        {
            let file = segment_path(&self.segments, before / SEGMENT_LEAVES);
            let found = format!("its hash is {}, its successor says otherwise", self.previous.hash);
            return Ok(Damage::LeafAltered { leaf: LeafIndex::new(before), file, found });
        }
        let (leaf, file) = (LeafIndex::new(self.count), path.to_owned());
        Ok(match bytes {
            Some(_) => {
                let found = "it does not begin with its index and the hash of the leaf before it";
                Damage::LeafAltered { leaf, file, found: found.to_owned() }
            }
            None => Damage::LeafMissing { leaf, file, expected: TreeSize::new(self.must()) },
        })
    }

    /// Whether the index has the record of these leaf bytes at this place with this hash.
    fn is_recorded(&self, leaf: u64, bytes: &[u8]) -> Result<bool, StoreError> {
        let Ok(parsed) = Leaf::parse(bytes) else { return Ok(false) };
        let origin = parsed.record().log().clone();
        let view = self.index.view(&origin, LogTail::empty());
        let first = view.receipt(parsed.record().id())?;
        Ok(first.is_some_and(|first| {
            first.leaf_index.get() == leaf && first.leaf_hash == leaf_hash(bytes)
        }))
    }

    /// The end of the log is the one that the index states.
    fn end(&self) -> Result<(), CheckError> {
        if self.count < self.must() {
            let path = segment_path(&self.segments, self.count / SEGMENT_LEAVES);
            return Err(self.blame(&path, None)?.into());
        }
        if &self.frontier == self.claimed.frontier {
            return Ok(());
        }
        let last = self.durable().saturating_sub(1);
        let found = format!("it leads to root {}, the index has another", self.frontier.root());
        let file = segment_path(&self.segments, last / SEGMENT_LEAVES);
        Err(Damage::LeafAltered { leaf: LeafIndex::new(last), file, found }.into())
    }
}

fn next_frame(reader: &mut impl Read) -> io::Result<Frame> {
    let mut length = [0; 2];
    match read_full(reader, &mut length)? {
        0 => return Ok(Frame::End),
        2 => {}
        _ => return Ok(Frame::Torn),
    }
    let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
    let read = read_full(reader, &mut bytes)?;
    Ok(if read == bytes.len() { Frame::Leaf(bytes) } else { Frame::Torn })
}

fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Cuts torn bytes off a segment.
fn cut(path: &Path, intact_bytes: u64) -> Result<(), StoreError> {
    tracing::warn!(path = %path.display(), intact_bytes, "torn leaves after a crash are cut off");
    let file = OpenOptions::new().write(true).open(path);
    let file = file.map_err(StoreError::file("cannot open", path))?;
    file.set_len(intact_bytes).map_err(StoreError::file("cannot cut", path))?;
    file.sync_all().map_err(StoreError::file("cannot sync", path))
}
