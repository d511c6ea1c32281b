//! Entry bundles: up to 256 entries, each a big-endian `u16` length and that many bytes
//! (C2SP tlog-tiles, "Log entries").
//!
//! Not here: what an entry says (`leaf`) and under which path a bundle is served (`tile`).

use thiserror::Error;

use crate::tile::TileWidth;

/// Longest entry that the length prefix can express.
pub const MAX_ENTRY_BYTES: usize = u16::MAX as usize;

/// Bytes of the length prefix.
const PREFIX_BYTES: usize = 2;

/// Why a bundle was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BundleError {
    /// No entry at all; an empty bundle is never served.
    #[error("the bundle has no entries; a log without leaves has no bundle")]
    Empty,
    /// More entries than a bundle holds.
    #[error("the bundle has more than {} entries", TileWidth::FULL)]
    TooManyEntries,
    /// An entry longer than its length prefix can express.
    #[error("entry {entry} has {found} bytes; at most {MAX_ENTRY_BYTES} fit")]
    EntryTooLong {
        /// Number of the entry in the bundle, from 0.
        entry: usize,
        /// Bytes of the entry.
        found: usize,
    },
    /// The bytes end inside an entry or its length.
    #[error("the bundle ends inside entry {entry}: {required} bytes are required, {found} remain")]
    Truncated {
        /// Number of the entry in the bundle, from 0.
        entry: usize,
        /// Bytes that the length or the entry requires.
        required: usize,
        /// Bytes left.
        found: usize,
    },
    /// The number of entries is not the one its path states.
    #[error("the bundle has {found} entries where its path states {expected}")]
    Width {
        /// Entries the path states.
        expected: TileWidth,
        /// Entries found.
        found: TileWidth,
    },
}

/// A bundle whose every length was checked, over borrowed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryBundle<'a> {
    bytes: &'a [u8],
    width: TileWidth,
}

impl<'a> EntryBundle<'a> {
    /// Reads a bundle of 1 to 256 entries, nothing before or after them.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BundleError> {
        let mut rest = bytes;
        let mut count = 0;
        while !rest.is_empty() {
            if count == usize::from(TileWidth::FULL.get()) {
                return Err(BundleError::TooManyEntries);
            }
            rest = split_entry(rest, count)?.1;
            count += 1;
        }
        let width = u16::try_from(count).ok().and_then(TileWidth::new);
        Ok(Self { bytes, width: width.ok_or(BundleError::Empty)? })
    }

    /// Reads a bundle that must have exactly `width` entries, as its path states.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn parse_exact(bytes: &'a [u8], width: TileWidth) -> Result<Self, BundleError> {
        let bundle = Self::parse(bytes)?;
        if bundle.width != width {
            return Err(BundleError::Width { expected: width, found: bundle.width });
        }
        Ok(bundle)
    }

    /// Number of entries.
    #[must_use]
    pub const fn width(&self) -> TileWidth {
        self.width
    }

    /// The bytes as read.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The entries in order, borrowed from the bundle.
    #[must_use]
    pub const fn iter(&self) -> Entries<'a> {
        Entries { rest: self.bytes }
    }
}

impl<'a> IntoIterator for &EntryBundle<'a> {
    type Item = &'a [u8];
    type IntoIter = Entries<'a>;

    fn into_iter(self) -> Entries<'a> {
        self.iter()
    }
}

/// Iterator over the entries of an [`EntryBundle`].
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (entry, rest) =
            split_entry(self.rest, 0).expect("invariant: every length was checked by parse");
        self.rest = rest;
        Some(entry)
    }
}

/// Writes 1 to 256 entries as a bundle.
///
/// # Errors
/// There are none or too many, or one is too long.
pub fn encode_bundle<E: AsRef<[u8]>>(
    entries: impl IntoIterator<Item = E>,
) -> Result<Vec<u8>, BundleError> {
    let mut bytes = Vec::new();
    for (number, entry) in entries.into_iter().enumerate() {
        if number == usize::from(TileWidth::FULL.get()) {
            return Err(BundleError::TooManyEntries);
        }
        push_entry(&mut bytes, number, entry.as_ref())?;
    }
    if bytes.is_empty() {
        return Err(BundleError::Empty);
    }
    Ok(bytes)
}

fn push_entry(bytes: &mut Vec<u8>, number: usize, entry: &[u8]) -> Result<(), BundleError> {
    let length = u16::try_from(entry.len())
        .map_err(|_| BundleError::EntryTooLong { entry: number, found: entry.len() })?;
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(entry);
    Ok(())
}

fn split_entry(bytes: &[u8], number: usize) -> Result<(&[u8], &[u8]), BundleError> {
    let truncated = |required, found| BundleError::Truncated { entry: number, required, found };
    let (prefix, rest) = bytes
        .split_first_chunk::<PREFIX_BYTES>()
        .ok_or_else(|| truncated(PREFIX_BYTES, bytes.len()))?;
    let length = usize::from(u16::from_be_bytes(*prefix));
    rest.split_at_checked(length).ok_or_else(|| truncated(length, rest.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn width(count: u16) -> TileWidth {
        TileWidth::new(count).unwrap()
    }

    #[test]
    fn the_bytes_are_lengths_and_entries() {
        let bytes = encode_bundle([b"one".as_slice(), b"", b"three"]).unwrap();
        assert_eq!(bytes, b"\x00\x03one\x00\x00\x00\x05three");
        let bundle = EntryBundle::parse_exact(&bytes, width(3)).unwrap();
        assert_eq!(bundle.width(), width(3));
        assert_eq!(bundle.iter().collect::<Vec<_>>(), [b"one".as_slice(), b"", b"three"]);
    }

    #[test]
    fn each_broken_rule_has_its_error() {
        use BundleError as E;
        assert_eq!(EntryBundle::parse(b""), Err(E::Empty));
        assert_eq!(encode_bundle::<&[u8]>([]), Err(E::Empty));
        let error = E::Truncated { entry: 0, required: 2, found: 1 };
        assert_eq!(EntryBundle::parse(b"\x00"), Err(error));
        let error = E::Truncated { entry: 1, required: 3, found: 2 };
        assert_eq!(EntryBundle::parse(b"\x00\x00\x00\x03ab"), Err(error));
        let error = E::Width { expected: width(2), found: width(1) };
        assert_eq!(EntryBundle::parse_exact(b"\x00\x00", width(2)), Err(error));
        let many = vec![b"x".as_slice(); 257];
        assert_eq!(encode_bundle(&many), Err(E::TooManyEntries));
        assert_eq!(EntryBundle::parse(&[0; 2 * 257]), Err(E::TooManyEntries));
        assert_eq!(EntryBundle::parse(&[0; 2 * 256]).unwrap().width(), TileWidth::FULL);
        let long = vec![0; MAX_ENTRY_BYTES + 1];
        let error = E::EntryTooLong { entry: 1, found: 65_536 };
        assert_eq!(encode_bundle([&b"x"[..], &long]), Err(error));
        assert!(encode_bundle([&long[1..]]).is_ok());
    }

    proptest! {
        #[test]
        fn every_bundle_reads_back(
            entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..=256),
        ) {
            let bytes = encode_bundle(&entries).unwrap();
            let bundle = EntryBundle::parse(&bytes).unwrap();
            prop_assert_eq!(bundle.iter().collect::<Vec<_>>(), entries);
        }

        #[test]
        fn whatever_is_read_writes_the_same(bytes in prop::collection::vec(0_u8..4, 0..40)) {
            if let Ok(bundle) = EntryBundle::parse(&bytes) {
                prop_assert_eq!(encode_bundle(&bundle).unwrap(), bytes);
            }
        }
    }
}
