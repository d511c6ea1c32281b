//! Paths of tiles and bundles, relative to the log's URL: `tile/0/x001/x234/067.p/12`.
//!
//! Not here: which paths a tree of a given size has (`tile`).

use std::fmt;

use thiserror::Error;

use super::{TileIndex, TileLevel, TileWidth};
use crate::encoding::parse_decimal;

/// What every path begins with.
const ROOT: &str = "tile/";
/// What takes the place of the level in the path of a bundle.
const ENTRIES: &str = "entries/";
/// What stands between index and width of a partial tile.
const PARTIAL: &str = ".p/";
/// The index is written in groups of three digits.
const GROUP_BASE: u64 = 1000;

/// Names a tile: `tile/<level>/<index>` when full, followed by `.p/<width>` when partial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    /// Level of the tile.
    pub level: TileLevel,
    /// Index within the level.
    pub index: TileIndex,
    /// Hashes in the tile.
    pub width: TileWidth,
}

/// Names an entry bundle: `tile/entries/<index>`, followed by `.p/<width>` when partial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundlePath {
    /// Index of the bundle.
    pub index: TileIndex,
    /// Entries in the bundle.
    pub width: TileWidth,
}

/// Why a path was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TilePathError {
    /// Not `tile/<level>/…`, or `tile/entries/…` for a bundle.
    #[error("{path:?} does not begin with {expected}")]
    Prefix {
        /// The path as found.
        path: String,
        /// What it should begin with.
        expected: &'static str,
    },
    /// The level is not a canonical decimal up to 63.
    #[error("{level:?} is not a tile level; a decimal from 0 to 63 is required")]
    Level {
        /// The level as found.
        level: String,
    },
    /// The index is not in groups of three digits, all but the last with `x`, or is written with
    /// superfluous groups, or does not fit 64 bits.
    #[error(
        "{index:?} is not a tile index; groups of three digits as in x001/x234/067 are required"
    )]
    Index {
        /// The index as found.
        index: String,
    },
    /// The width of a partial tile is not a canonical decimal from 1 to 255.
    #[error("{width:?} is not the width of a partial tile; a decimal from 1 to 255 is required")]
    Width {
        /// The width as found.
        width: String,
    },
}

impl TilePath {
    /// Reads the one spelling that [`fmt::Display`] writes.
    ///
    /// # Errors
    /// Any other spelling.
    pub fn parse(path: &str) -> Result<Self, TilePathError> {
        let expected = "tile/<level>/";
        let prefix = || TilePathError::Prefix { path: path.to_owned(), expected };
        let (level, rest) =
            path.strip_prefix(ROOT).and_then(|rest| rest.split_once('/')).ok_or_else(prefix)?;
        let level = parse_decimal(level)
            .and_then(|level| TileLevel::new(u8::try_from(level).ok()?))
            .ok_or_else(|| TilePathError::Level { level: level.to_owned() })?;
        let (index, width) = parse_index_and_width(rest)?;
        Ok(Self { level, index, width })
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ROOT}{}/", self.level)?;
        write_index_and_width(f, self.index, self.width)
    }
}

impl BundlePath {
    /// Reads the one spelling that [`fmt::Display`] writes.
    ///
    /// # Errors
    /// Any other spelling.
    pub fn parse(path: &str) -> Result<Self, TilePathError> {
        let expected = "tile/entries/";
        let rest = path
            .strip_prefix(ROOT)
            .and_then(|rest| rest.strip_prefix(ENTRIES))
            .ok_or_else(|| TilePathError::Prefix { path: path.to_owned(), expected })?;
        let (index, width) = parse_index_and_width(rest)?;
        Ok(Self { index, width })
    }
}

impl fmt::Display for BundlePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ROOT}{ENTRIES}")?;
        write_index_and_width(f, self.index, self.width)
    }
}

fn write_index_and_width(
    f: &mut fmt::Formatter<'_>,
    index: TileIndex,
    width: TileWidth,
) -> fmt::Result {
    let mut groups = vec![index.get() % GROUP_BASE];
    let mut rest = index.get() / GROUP_BASE;
    while rest > 0 {
        groups.push(rest % GROUP_BASE);
        rest /= GROUP_BASE;
    }
    for group in groups[1..].iter().rev() {
        write!(f, "x{group:03}/")?;
    }
    write!(f, "{:03}", groups[0])?;
    if !width.is_full() {
        write!(f, "{PARTIAL}{width}")?;
    }
    Ok(())
}

fn parse_index_and_width(text: &str) -> Result<(TileIndex, TileWidth), TilePathError> {
    let (index, width) = match text.split_once(PARTIAL) {
        Some((index, width)) => (index, parse_partial_width(width)?),
        None => (text, TileWidth::FULL),
    };
    let index =
        parse_index(index).ok_or_else(|| TilePathError::Index { index: index.to_owned() })?;
    Ok((index, width))
}

fn parse_partial_width(text: &str) -> Result<TileWidth, TilePathError> {
    parse_decimal(text)
        .and_then(|width| TileWidth::new(u16::try_from(width).ok()?))
        .filter(|width| !width.is_full())
        .ok_or_else(|| TilePathError::Width { width: text.to_owned() })
}

fn parse_index(text: &str) -> Option<TileIndex> {
    let (leading, last) = match text.rsplit_once('/') {
        Some((leading, last)) => (Some(leading), last),
        None => (None, text),
    };
    let mut index = 0_u64;
    for group in leading.into_iter().flat_map(|leading| leading.split('/')) {
        let group = parse_group(group.strip_prefix('x')?)?;
        // A leading group of zeros would be a second spelling of the same index.
        if index == 0 && group == 0 {
            return None;
        }
        index = index.checked_mul(GROUP_BASE)?.checked_add(group)?;
    }
    index = index.checked_mul(GROUP_BASE)?.checked_add(parse_group(last)?)?;
    Some(TileIndex::new(index))
}

fn parse_group(text: &str) -> Option<u64> {
    let three_digits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
    three_digits.then(|| text.parse().ok()).flatten()
}
