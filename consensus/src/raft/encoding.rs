//! Our own bytes of what Raft keeps: vote, log id, entry, membership. Never openraft's `serde`.
//!
//! A value is one version byte and CBOR (RFC 8949) in the fixed field order below; a log frame is
//! a CRC-32 (little-endian) of the rest, then a value. The golden bytes in the tests freeze the
//! shapes; a new shape gets a new version byte beside the old one.
//!
//! Not here: bytes that are hashed or signed; those are the ledger's.

use std::collections::{BTreeMap, BTreeSet};

use letopis_ledger::hash::Hash;
use letopis_ledger::key::{AuthorKeyId, AuthorSignature};
use letopis_ledger::record::{RecordError, SignedRecord};
use letopis_ledger::time::TimestampError;
use letopis_ledger::{Timestamp, TreeSize};
use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};
use openraft::entry::RaftEntry;
use openraft::{BasicNode, EntryPayload};
use thiserror::Error;

use super::types::{
    Command, CommittedLeaderId, Entry, LogId, Membership, StoredMembership, TreeHead, Vote,
};

const VERSION: u8 = 1;
const CRC_BYTES: usize = 4;

/// Why stored bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodingError {
    /// Too short for a checksum and a version.
    #[error("{found_bytes} bytes are too few for a stored value")]
    Short {
        /// Bytes found.
        found_bytes: usize,
    },
    /// The checksum of a frame does not fit its bytes.
    #[error("checksum {stored:08x} is stored, the bytes give {computed:08x}")]
    Checksum {
        /// CRC-32 in the frame.
        stored: u32,
        /// CRC-32 of the bytes.
        computed: u32,
    },
    /// A version that this program does not know.
    #[error("stored version {found}: this program reads {VERSION}; use the program that wrote it")]
    Version {
        /// Version found.
        found: u8,
    },
    /// Not CBOR of the shape.
    #[error("not of the stored shape: {reason}")]
    Shape {
        /// What the decoder found.
        reason: String,
    },
    /// Bytes after the value.
    #[error("{extra_bytes} bytes follow the value")]
    Trailing {
        /// How many.
        extra_bytes: usize,
    },
    /// A record inside is not one.
    #[error("record {position} of the entry: {reason}")]
    Record {
        /// Place in the entry, from 0.
        position: usize,
        /// What is wrong.
        reason: RecordError,
    },
    /// A time inside is outside the calendar.
    #[error(transparent)]
    Time(#[from] TimestampError),
}

/// A type with stored bytes.
pub(crate) trait Stored: Sized {
    /// Writes the value.
    fn to_stored(&self) -> Vec<u8>;
    /// Reads a value; everything that [`Stored::to_stored`] would not write is refused.
    fn from_stored(bytes: &[u8]) -> Result<Self, EncodingError>;
}

/// Writes version and CBOR.
pub(crate) fn write_value<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    minicbor::encode(value, &mut bytes).expect("invariant: writing to memory does not fail");
    bytes
}

/// Reads version and CBOR, nothing after it.
pub(crate) fn read_value<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, EncodingError> {
    let (version, body) = match bytes {
        [] => return Err(EncodingError::Short { found_bytes: 0 }),
        [version, body @ ..] => (*version, body),
    };
    if version != VERSION {
        return Err(EncodingError::Version { found: version });
    }
    let mut decoder = minicbor::Decoder::new(body);
    let value = decoder
        .decode()
        .map_err(|e: minicbor::decode::Error| EncodingError::Shape { reason: e.to_string() })?;
    match body.len() - decoder.position() {
        0 => Ok(value),
        extra_bytes => Err(EncodingError::Trailing { extra_bytes }),
    }
}

/// Puts a checksum in front of a value: RocksDB checks its blocks, this checks our own path too.
pub(crate) fn write_frame(value: &[u8]) -> Vec<u8> {
    let mut frame = crc32fast::hash(value).to_le_bytes().to_vec();
    frame.extend_from_slice(value);
    frame
}

/// Takes the checksum off.
pub(crate) fn read_frame(frame: &[u8]) -> Result<&[u8], EncodingError> {
    let Some((stored, value)) = frame.split_first_chunk::<CRC_BYTES>() else {
        return Err(EncodingError::Short { found_bytes: frame.len() });
    };
    let (stored, computed) = (u32::from_le_bytes(*stored), crc32fast::hash(value));
    if stored != computed {
        return Err(EncodingError::Checksum { stored, computed });
    }
    Ok(value)
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct StoredLogId {
    #[n(0)]
    term: u64,
    #[n(1)]
    index: u64,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct StoredVote {
    #[n(0)]
    term: u64,
    #[n(1)]
    node: u64,
    #[n(2)]
    committed: bool,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct StoredMembers {
    #[n(0)]
    configs: Vec<Vec<u64>>,
    #[n(1)]
    nodes: Vec<StoredNode>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct StoredNode {
    #[n(0)]
    id: u64,
    #[n(1)]
    address: String,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct StoredMembershipAt {
    #[n(0)]
    log_id: Option<StoredLogId>,
    #[n(1)]
    members: StoredMembers,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct StoredEntry {
    #[n(0)]
    log_id: StoredLogId,
    #[n(1)]
    payload: StoredPayload,
}

#[derive(Encode, Decode)]
enum StoredPayload {
    #[n(0)]
    Blank,
    #[n(1)]
    Membership(#[n(0)] StoredMembers),
    #[n(2)]
    Append(#[n(0)] i64, #[n(1)] Vec<StoredRecord>),
    #[n(3)]
    TreeHead(#[n(0)] StoredHead),
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct StoredRecord {
    #[n(0)]
    record: ByteVec,
    #[n(1)]
    signatures: Vec<StoredSignature>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct StoredSignature {
    #[n(0)]
    key: ByteArray<16>,
    #[n(1)]
    signature: ByteArray<64>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct StoredHead {
    #[n(0)]
    size: u64,
    #[n(1)]
    root: ByteArray<32>,
}

impl From<&LogId> for StoredLogId {
    fn from(id: &LogId) -> Self {
        Self { term: id.leader_id.term, index: id.index }
    }
}

impl From<StoredLogId> for LogId {
    fn from(stored: StoredLogId) -> Self {
        Self::new(CommittedLeaderId::new(stored.term), stored.index)
    }
}

impl From<TreeHead> for StoredHead {
    fn from(head: TreeHead) -> Self {
        Self { size: head.size.get(), root: (*head.root.as_bytes()).into() }
    }
}

impl From<StoredHead> for TreeHead {
    fn from(stored: StoredHead) -> Self {
        Self { size: TreeSize::new(stored.size), root: Hash::from_bytes(*stored.root) }
    }
}

impl From<&Membership> for StoredMembers {
    fn from(members: &Membership) -> Self {
        let configs =
            members.get_joint_config().iter().map(|c| c.iter().copied().collect()).collect();
        let nodes = members
            .nodes()
            .map(|(id, node)| StoredNode { id: *id, address: node.addr.clone() })
            .collect();
        Self { configs, nodes }
    }
}

impl TryFrom<StoredMembers> for Membership {
    type Error = EncodingError;

    fn try_from(stored: StoredMembers) -> Result<Self, EncodingError> {
        let configs: Vec<BTreeSet<u64>> =
            stored.configs.into_iter().map(|c| c.into_iter().collect()).collect();
        let nodes: BTreeMap<u64, BasicNode> =
            stored.nodes.into_iter().map(|n| (n.id, BasicNode::new(n.address))).collect();
        Self::new(configs, nodes).map_err(|e| EncodingError::Shape { reason: e.to_string() })
    }
}

impl From<&SignedRecord> for StoredRecord {
    fn from(signed: &SignedRecord) -> Self {
        let signature = |(key, signature): &(AuthorKeyId, AuthorSignature)| StoredSignature {
            key: (*key.as_bytes()).into(),
            signature: (*signature.as_bytes()).into(),
        };
        Self {
            record: signed.record_bytes().to_vec().into(),
            signatures: signed.signatures().iter().map(signature).collect(),
        }
    }
}

impl TryFrom<StoredRecord> for SignedRecord {
    type Error = RecordError;

    fn try_from(stored: StoredRecord) -> Result<Self, RecordError> {
        let signature = |s: StoredSignature| {
            (AuthorKeyId::from_bytes(*s.key), AuthorSignature::from_bytes(*s.signature))
        };
        let signatures = stored.signatures.into_iter().map(signature).collect();
        Self::read_parts(stored.record.into(), signatures)
    }
}

impl Stored for LogId {
    fn to_stored(&self) -> Vec<u8> {
        write_value(&StoredLogId::from(self))
    }

    fn from_stored(bytes: &[u8]) -> Result<Self, EncodingError> {
        read_value::<StoredLogId>(bytes).map(Into::into)
    }
}

impl Stored for Vote {
    fn to_stored(&self) -> Vec<u8> {
        let LeaderId { term, voted_for } = self.leader_id;
        write_value(&StoredVote { term, node: voted_for, committed: self.committed })
    }

    fn from_stored(bytes: &[u8]) -> Result<Self, EncodingError> {
        let stored: StoredVote = read_value(bytes)?;
        let vote = if stored.committed { Self::new_committed } else { Self::new };
        Ok(vote(stored.term, stored.node))
    }
}

impl Stored for TreeHead {
    fn to_stored(&self) -> Vec<u8> {
        write_value(&StoredHead::from(*self))
    }

    fn from_stored(bytes: &[u8]) -> Result<Self, EncodingError> {
        read_value::<StoredHead>(bytes).map(Into::into)
    }
}

impl Stored for StoredMembership {
    fn to_stored(&self) -> Vec<u8> {
        let log_id = self.log_id().as_ref().map(Into::into);
        write_value(&StoredMembershipAt { log_id, members: self.membership().into() })
    }

    fn from_stored(bytes: &[u8]) -> Result<Self, EncodingError> {
        let stored: StoredMembershipAt = read_value(bytes)?;
        Ok(Self::new(stored.log_id.map(Into::into), stored.members.try_into()?))
    }
}

impl Stored for SignedRecord {
    fn to_stored(&self) -> Vec<u8> {
        write_value(&StoredRecord::from(self))
    }

    fn from_stored(bytes: &[u8]) -> Result<Self, EncodingError> {
        let stored: StoredRecord = read_value(bytes)?;
        Self::try_from(stored).map_err(|reason| EncodingError::Record { position: 0, reason })
    }
}

/// The log id of a stored entry whose shape is checked, without parsing the records inside: at
/// start the checksum vouches for them, and whoever applies them parses them.
pub(crate) fn read_entry_log_id(bytes: &[u8]) -> Result<LogId, EncodingError> {
    read_value::<StoredEntry>(bytes).map(|stored| stored.log_id.into())
}

impl Stored for Entry {
    fn to_stored(&self) -> Vec<u8> {
        let payload = match &self.payload {
            EntryPayload::Blank => StoredPayload::Blank,
            EntryPayload::Membership(members) => StoredPayload::Membership(members.into()),
            EntryPayload::Normal(Command::Append { time, records }) => {
                StoredPayload::Append(time.unix_ms(), records.iter().map(Into::into).collect())
            }
            EntryPayload::Normal(Command::TreeHead(head)) => {
                StoredPayload::TreeHead((*head).into())
            }
        };
        write_value(&StoredEntry { log_id: (&self.log_id()).into(), payload })
    }

    fn from_stored(bytes: &[u8]) -> Result<Self, EncodingError> {
        let stored: StoredEntry = read_value(bytes)?;
        let payload = match stored.payload {
            StoredPayload::Blank => EntryPayload::Blank,
            StoredPayload::Membership(members) => EntryPayload::Membership(members.try_into()?),
            StoredPayload::TreeHead(head) => EntryPayload::Normal(Command::TreeHead(head.into())),
            StoredPayload::Append(time, records) => {
                let record = |(position, stored): (usize, StoredRecord)| {
                    SignedRecord::try_from(stored)
                        .map_err(|reason| EncodingError::Record { position, reason })
                };
                let records = records.into_iter().enumerate().map(record).collect::<Result<_, _>>();
                let time = Timestamp::from_unix_ms(time)?;
                EntryPayload::Normal(Command::Append { time, records: records? })
            }
        };
        Ok(Self::new(stored.log_id.into(), payload))
    }
}

type LeaderId = openraft::impls::leader_id_std::LeaderId<u64, u64>;

#[cfg(test)]
mod test;
