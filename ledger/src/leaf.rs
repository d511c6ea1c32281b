//! Leaves: what the log appends, a signed record with its place, time and link.
//!
//! Canonical JSON `{"index","prev","record":{…},"sigs":[…],"time","v":1}`, at most 65,535 bytes,
//! the limit of an entry in a C2SP entry bundle. `prev` is the leaf hash of the previous leaf, and
//! of leaf 0 the root of the empty tree. The link is for people and for finding damage; what is
//! trusted is the Merkle root alone.

use std::ops::Range;

use thiserror::Error;

use crate::hash::{Hash, empty_root, leaf_hash};
use crate::json::{FieldError, Fields, Json, JsonError, Object};
use crate::key::{AuthorKeyId, AuthorSignature};
use crate::position::LeafIndex;
use crate::record::{
    Record, RecordError, SignedRecord, signatures_chars, signatures_from_json, signatures_to_json,
};
use crate::time::Timestamp;

/// Version of the leaf's shape.
pub const LEAF_VERSION: u32 = 1;
/// Most bytes of a leaf: the largest 16-bit length (C2SP tlog-tiles, "Log Entries").
pub const LEAF_MAX_BYTES: usize = 65_535;

/// Base64 of a hash.
const HASH_CHARS: usize = 44;
/// An instant.
const TIME_CHARS: usize = 24;

/// Why bytes are not a leaf, or a record does not fit into one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LeafError {
    /// The leaf would be, or is, too large.
    #[error(
        "leaf of {found_bytes} bytes: at most {LEAF_MAX_BYTES} fit; move large content to files"
    )]
    TooLarge {
        /// Bytes of the leaf.
        found_bytes: usize,
    },
    /// Not canonical JSON.
    #[error("leaf: {0}")]
    Json(#[from] JsonError),
    /// JSON of another shape.
    #[error("leaf: {0}")]
    Field(#[from] FieldError),
    /// The record inside is not one.
    #[error("leaf: {0}")]
    Record(#[from] RecordError),
}

/// A leaf whose shape was checked. Signatures and links are checked by those who need them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    index: LeafIndex,
    previous: Hash,
    time: Timestamp,
    signed: SignedRecord,
    bytes: Vec<u8>,
}

/// What leaf 0 has as the hash of its predecessor.
#[must_use]
pub fn genesis_link() -> Hash {
    empty_root()
}

impl Leaf {
    /// Makes the leaf of a signed record.
    ///
    /// # Errors
    /// The leaf would exceed [`LEAF_MAX_BYTES`].
    pub fn new(
        index: LeafIndex,
        previous: Hash,
        time: Timestamp,
        signed: SignedRecord,
    ) -> Result<Self, LeafError> {
        let bytes = encode(index, &previous, time, &signed);
        if bytes.len() > LEAF_MAX_BYTES {
            return Err(LeafError::TooLarge { found_bytes: bytes.len() });
        }
        Ok(Self { index, previous, time, signed, bytes })
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// See [`LeafError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LeafError> {
        if bytes.len() > LEAF_MAX_BYTES {
            return Err(LeafError::TooLarge { found_bytes: bytes.len() });
        }
        let value = Json::parse_canonical(bytes)?;
        let mut fields = Fields::of("leaf", &value)?;
        fields.version("v", LEAF_VERSION.into())?;
        let index = LeafIndex::new(fields.unsigned("index")?);
        let previous = fields.parsed("prev", Hash::from_base64)?;
        let time = fields.parsed("time", Timestamp::parse)?;
        let record = Record::from_json(fields.required("record")?)?;
        let signatures = signatures_from_json(fields.array("sigs")?)?;
        fields.finish()?;
        let place = record_place(bytes.len(), index, signatures.len());
        let record_bytes =
            bytes.get(place).expect("invariant: a canonical leaf has its record here");
        let signed = SignedRecord::from_canonical(record, record_bytes.to_vec(), signatures)?;
        Ok(Self { index, previous, time, signed, bytes: bytes.to_vec() })
    }

    /// Place in the log.
    #[must_use]
    pub const fn index(&self) -> LeafIndex {
        self.index
    }

    /// Leaf hash of the previous leaf.
    #[must_use]
    pub const fn previous(&self) -> Hash {
        self.previous
    }

    /// When the leader put the record into the log.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> &Record {
        self.signed.record()
    }

    /// The record with its signatures.
    #[must_use]
    pub const fn signed(&self) -> &SignedRecord {
        &self.signed
    }

    /// The signatures of the author.
    #[must_use]
    pub fn signatures(&self) -> &[(AuthorKeyId, AuthorSignature)] {
        self.signed.signatures()
    }

    /// The canonical bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The RFC 6962 leaf hash of the bytes.
    #[must_use]
    pub fn hash(&self) -> Hash {
        leaf_hash(&self.bytes)
    }
}

/// Writes the canonical bytes around the record bytes, which are canonical already: RFC 8785 is
/// recursive and sorts `index`, `prev`, `record`, `sigs`, `time`, `v` in this order.
fn encode(index: LeafIndex, previous: &Hash, time: Timestamp, signed: &SignedRecord) -> Vec<u8> {
    let record = signed.record_bytes();
    let signatures = Json::from(signatures_to_json(signed.signatures())).to_canonical();
    let mut bytes = Vec::with_capacity(record.len() + signatures.len() + 160);
    bytes.extend_from_slice(format!("{{\"index\":{index},\"prev\":\"{previous}\",").as_bytes());
    bytes.extend_from_slice(b"\"record\":");
    bytes.extend_from_slice(record);
    bytes.extend_from_slice(b",\"sigs\":");
    bytes.extend_from_slice(&signatures);
    bytes.extend_from_slice(format!(",\"time\":\"{time}\",\"v\":{LEAF_VERSION}}}").as_bytes());
    bytes
}

/// Where the record's bytes stand in a canonical leaf: all that surrounds them has a known length.
/// So they are cut out and need not be written a second time to check the signatures.
fn record_place(leaf_bytes: usize, index: LeafIndex, signature_count: usize) -> Range<usize> {
    let before = format!("{{\"index\":{index},\"prev\":\"\",\"record\":").len() + HASH_CHARS;
    let signatures = signatures_chars(signature_count);
    let after = ",\"sigs\":[],\"time\":\"\",\"v\":1}".len() + signatures + TIME_CHARS;
    before..leaf_bytes.saturating_sub(after)
}

/// The members of a leaf that is in canonical form, for showing it; the shape is not checked.
///
/// # Errors
/// The bytes are not a canonical JSON object.
pub fn members(bytes: &[u8]) -> Result<Object, LeafError> {
    let value = Json::parse_canonical(bytes)?;
    let object = value.as_object();
    object
        .cloned()
        .ok_or(LeafError::Field(FieldError::NotAnObject { what: "leaf", found: value.kind() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::AuthorSigner;
    use crate::record::{SIGNATURES_MAX, test_records};
    use proptest::prelude::*;

    fn leaf() -> Leaf {
        let time = Timestamp::parse("2026-11-21T19:34:52.123Z").unwrap();
        Leaf::new(LeafIndex::new(7), Hash::of(b"before"), time, test_records::signed()).unwrap()
    }

    #[test]
    fn golden_leaf() {
        let expected = include_str!("../testdata/leaf-v1.json").trim_end();
        assert_eq!(String::from_utf8_lossy(leaf().as_bytes()), expected);
        assert_eq!(
            leaf().hash().to_hex(),
            "360a2a2fbb02e8348fa3e3c9cb5c7feee3ec96b3a7e965f5d785af5dae620339"
        );
    }

    #[test]
    fn a_leaf_reads_back() {
        assert_eq!(Leaf::parse(leaf().as_bytes()), Ok(leaf()));
    }

    #[test]
    fn the_record_is_cut_out_of_a_leaf_as_its_author_wrote_it() {
        let record = test_records::record();
        let bytes = record.to_bytes();
        let signers = [1, 2, 3, 4].map(|seed| AuthorSigner::from_seed(&[seed; 32]));
        for count in 1..=SIGNATURES_MAX {
            let mut signatures: Vec<_> = signers[..count]
                .iter()
                .map(|signer| (signer.key().id(), signer.sign(&bytes)))
                .collect();
            signatures.sort_by_key(|(key, _)| *key);
            let signed = SignedRecord::from_parts(record.clone(), signatures).unwrap();
            for index in [0, 9, 10, 123_456_789, (1 << 53) - 1] {
                let index = LeafIndex::new(index);
                let time = Timestamp::EPOCH;
                let leaf = Leaf::new(index, Hash::of(b""), time, signed.clone()).unwrap();
                let read = Leaf::parse(leaf.as_bytes()).unwrap();
                assert_eq!(read.signed().record_bytes(), bytes, "{count} signatures at {index}");
            }
        }
    }

    #[test]
    fn spliced_bytes_are_the_canonical_form() {
        let bytes = leaf().as_bytes().to_vec();
        assert_eq!(Json::parse(&bytes).unwrap().to_canonical(), bytes);
    }

    #[test]
    fn a_leaf_over_the_limit_is_refused_when_made_and_when_read() {
        let signed = test_records::signed_with_text(&"x".repeat(LEAF_MAX_BYTES));
        let made = Leaf::new(LeafIndex::ZERO, genesis_link(), Timestamp::EPOCH, signed);
        assert!(matches!(made, Err(LeafError::TooLarge { found_bytes }) if found_bytes > 65_535));
        assert!(matches!(
            Leaf::parse(&vec![b' '; LEAF_MAX_BYTES + 1]),
            Err(LeafError::TooLarge { found_bytes: 65_536 })
        ));
    }

    proptest! {
        #[test]
        fn the_bytes_cut_out_are_those_that_would_be_written(
            text in "\\PC{0,40}", index in 0_u64..1 << 53, time in 0_i64..253_402_207_200_000,
        ) {
            prop_assume!(Json::string(text.as_str()).is_ok());
            let signed = test_records::signed_with_text(&text);
            let time = Timestamp::from_unix_ms(time).unwrap();
            let leaf = Leaf::new(LeafIndex::new(index), Hash::of(b""), time, signed).unwrap();
            let read = Leaf::parse(leaf.as_bytes()).unwrap();
            prop_assert_eq!(read.signed().record_bytes(), read.record().to_bytes());
            prop_assert_eq!(read, leaf);
        }

        #[test]
        fn no_leaf_reads_back_from_damaged_bytes_as_itself(at in 0usize..1000, xor in 1u8..) {
            let mut bytes = leaf().as_bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] ^= xor;
            // Some damage still parses; it is then another leaf with another hash.
            if let Ok(damaged) = Leaf::parse(&bytes) {
                prop_assert_ne!(damaged.hash(), leaf().hash());
            }
        }
    }
}
