//! Bytes of the index's values: one version byte and CBOR, frozen by golden bytes in the tests.

use letopis_ledger::hash::Hash;
use letopis_ledger::id::{AgencyId, StreamName};
use letopis_ledger::key::AuthorKey;
use letopis_ledger::tree::Frontier;
use letopis_ledger::{LeafIndex, StreamVersion, Timestamp, TreeSize};
use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::data::Type;
use minicbor::{Decode, Decoder, Encode, decode};

use super::damaged;
use crate::machine::{
    AgencyState, FirstReceipt, KeyState, LogTail, NodeRole, NodeState, StreamState,
};
use crate::raft::encoding::{read_value, write_value};
use crate::raft::types::TreeHead;
use crate::store::{End, Manifest, StoreError};

/// Where in the Raft log the store is, in the Raft module's own bytes; opaque here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct StoredPosition {
    /// The last applied entry.
    pub(crate) log_id: Option<Vec<u8>>,
    /// The last applied membership.
    pub(crate) membership: Option<Vec<u8>>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct ReceiptValue {
    #[n(0)]
    leaf_index: u64,
    #[n(1)]
    leaf_hash: ByteArray<32>,
    #[n(2)]
    record_digest: ByteArray<32>,
    #[n(3)]
    unix_ms: i64,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct StreamValue {
    #[n(0)]
    length: u64,
    #[n(1)]
    owner: String,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct KeyValue {
    #[n(0)]
    key: ByteArray<32>,
    #[n(1)]
    agency: String,
    #[n(2)]
    introduced: u64,
    #[n(3)]
    revoked: Option<u64>,
}

/// An agency in force is its admission alone, as it was before agencies could be removed.
#[derive(Encode, Decode)]
#[cbor(array)]
struct RemovedAgencyValue {
    #[n(0)]
    admitted: u64,
    #[n(1)]
    removed: u64,
}

/// What is stored of an agency: a number, or an array when it was removed.
struct AgencyValue(AgencyState);

#[derive(Encode, Decode)]
#[cbor(array)]
struct NodeValue {
    #[n(0)]
    agency: String,
    #[n(1)]
    address: String,
    #[n(2)]
    key: ByteArray<32>,
    #[n(3)]
    votes: bool,
    #[n(4)]
    admitted: u64,
    #[n(5)]
    removed: Option<u64>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct HeadValue {
    #[n(0)]
    size: u64,
    #[n(1)]
    root: ByteArray<32>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct PositionValue {
    #[n(0)]
    log_id: Option<ByteVec>,
    #[n(1)]
    membership: Option<ByteVec>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct ManifestValue {
    #[n(0)]
    position: PositionValue,
    #[n(1)]
    head: HeadValue,
    #[n(2)]
    agreed: Option<HeadValue>,
}

/// The end of the log with everything needed to go on.
#[derive(Encode, Decode)]
#[cbor(array)]
pub(super) struct StoredEnd {
    #[n(0)]
    size: u64,
    #[n(1)]
    frontier: Vec<ByteArray<32>>,
    #[n(2)]
    last_leaf: ByteArray<32>,
    #[n(3)]
    last_unix_ms: i64,
    #[n(4)]
    agreed: Option<HeadValue>,
    #[n(5)]
    position: PositionValue,
}

impl StoredEnd {
    pub(super) fn write(end: &End) -> Vec<u8> {
        write_value(&Self {
            size: end.tail.size.get(),
            frontier: end.frontier.hashes().iter().map(bytes).collect(),
            last_leaf: bytes(&end.tail.last_leaf),
            last_unix_ms: end.tail.last_time.unix_ms(),
            agreed: end.agreed.as_ref().map(Into::into),
            position: (&end.position).into(),
        })
    }

    pub(super) fn read(stored: &[u8]) -> Result<End, StoreError> {
        let value: Self = read(stored)?;
        let size = TreeSize::new(value.size);
        let hashes = value.frontier.iter().map(hash).collect();
        let frontier = Frontier::from_parts(size, hashes).map_err(|e| damaged(&e))?;
        let last_time = Timestamp::from_unix_ms(value.last_unix_ms).map_err(|e| damaged(&e))?;
        Ok(End {
            tail: LogTail { size, last_leaf: hash(&value.last_leaf), last_time },
            frontier,
            agreed: value.agreed.map(Into::into),
            position: value.position.into(),
            unflushed_bytes: 0,
        })
    }
}

pub(crate) fn write_manifest(manifest: &Manifest) -> Vec<u8> {
    write_value(&ManifestValue {
        position: (&manifest.position).into(),
        head: (&manifest.head).into(),
        agreed: manifest.agreed.as_ref().map(Into::into),
    })
}

pub(crate) fn read_manifest(stored: &[u8]) -> Result<Manifest, StoreError> {
    let value: ManifestValue = read(stored)?;
    Ok(Manifest {
        position: value.position.into(),
        head: value.head.into(),
        agreed: value.agreed.map(Into::into),
    })
}

pub(super) fn write_receipt(first: &FirstReceipt) -> Vec<u8> {
    write_value(&ReceiptValue {
        leaf_index: first.leaf_index.get(),
        leaf_hash: bytes(&first.leaf_hash),
        record_digest: bytes(&first.record_digest),
        unix_ms: first.time.unix_ms(),
    })
}

pub(super) fn read_receipt(stored: &[u8]) -> Result<FirstReceipt, StoreError> {
    let value: ReceiptValue = read(stored)?;
    Ok(FirstReceipt {
        leaf_index: LeafIndex::new(value.leaf_index),
        leaf_hash: hash(&value.leaf_hash),
        record_digest: hash(&value.record_digest),
        time: Timestamp::from_unix_ms(value.unix_ms).map_err(|e| damaged(&e))?,
    })
}

pub(super) fn write_stream(state: &StreamState) -> Vec<u8> {
    let owner = state.owner.as_str().to_owned();
    write_value(&StreamValue { length: state.length.get(), owner })
}

pub(super) fn read_stream(stored: &[u8]) -> Result<StreamState, StoreError> {
    let value: StreamValue = read(stored)?;
    let owner = AgencyId::parse(&value.owner).map_err(|e| damaged(&e))?;
    Ok(StreamState { length: StreamVersion::new(value.length), owner })
}

pub(super) fn write_claim(holder: &StreamName) -> Vec<u8> {
    write_value(&holder.as_str())
}

pub(super) fn read_claim(stored: &[u8]) -> Result<StreamName, StoreError> {
    StreamName::parse(read::<&str>(stored)?).map_err(|e| damaged(&e))
}

pub(super) fn write_key(state: &KeyState) -> Vec<u8> {
    write_value(&KeyValue {
        key: state.key.to_bytes().into(),
        agency: state.agency.as_str().to_owned(),
        introduced: state.introduced.get(),
        revoked: state.revoked.map(LeafIndex::get),
    })
}

pub(super) fn read_key(stored: &[u8]) -> Result<KeyState, StoreError> {
    let value: KeyValue = read(stored)?;
    Ok(KeyState {
        key: AuthorKey::from_bytes(&value.key).map_err(|e| damaged(&e))?,
        agency: AgencyId::parse(&value.agency).map_err(|e| damaged(&e))?,
        introduced: LeafIndex::new(value.introduced),
        revoked: value.revoked.map(LeafIndex::new),
    })
}

pub(super) fn write_agency(state: AgencyState) -> Vec<u8> {
    let admitted = state.admitted.get();
    match state.removed {
        None => write_value(&admitted),
        Some(removed) => write_value(&RemovedAgencyValue { admitted, removed: removed.get() }),
    }
}

pub(super) fn read_agency(stored: &[u8]) -> Result<AgencyState, StoreError> {
    read::<AgencyValue>(stored).map(|value| value.0)
}

impl<'b> Decode<'b, ()> for AgencyValue {
    fn decode(decoder: &mut Decoder<'b>, context: &mut ()) -> Result<Self, decode::Error> {
        let (admitted, removed) = if decoder.datatype()? == Type::Array {
            let value = RemovedAgencyValue::decode(decoder, context)?;
            (value.admitted, Some(LeafIndex::new(value.removed)))
        } else {
            (decoder.u64()?, None)
        };
        Ok(Self(AgencyState { admitted: LeafIndex::new(admitted), removed }))
    }
}

pub(super) fn write_node(state: &NodeState) -> Vec<u8> {
    write_value(&NodeValue {
        agency: state.agency.as_str().to_owned(),
        address: state.address.clone(),
        key: bytes(&state.key),
        votes: state.role == NodeRole::Voter,
        admitted: state.admitted.get(),
        removed: state.removed.map(LeafIndex::get),
    })
}

pub(super) fn read_node(stored: &[u8]) -> Result<NodeState, StoreError> {
    let value: NodeValue = read(stored)?;
    Ok(NodeState {
        agency: AgencyId::parse(&value.agency).map_err(|e| damaged(&e))?,
        address: value.address,
        key: hash(&value.key),
        role: if value.votes { NodeRole::Voter } else { NodeRole::Learner },
        admitted: LeafIndex::new(value.admitted),
        removed: value.removed.map(LeafIndex::new),
    })
}

fn read<'b, T: Decode<'b, ()>>(stored: &'b [u8]) -> Result<T, StoreError> {
    read_value(stored).map_err(|e| damaged(&e))
}

fn bytes(hash: &Hash) -> ByteArray<32> {
    (*hash.as_bytes()).into()
}

fn hash(bytes: &ByteArray<32>) -> Hash {
    Hash::from_bytes(**bytes)
}

impl From<&TreeHead> for HeadValue {
    fn from(head: &TreeHead) -> Self {
        Self { size: head.size.get(), root: bytes(&head.root) }
    }
}

impl From<HeadValue> for TreeHead {
    fn from(value: HeadValue) -> Self {
        Self { size: TreeSize::new(value.size), root: hash(&value.root) }
    }
}

impl From<&StoredPosition> for PositionValue {
    fn from(position: &StoredPosition) -> Self {
        let stored = |bytes: &Option<Vec<u8>>| bytes.clone().map(ByteVec::from);
        Self { log_id: stored(&position.log_id), membership: stored(&position.membership) }
    }
}

impl From<PositionValue> for StoredPosition {
    fn from(value: PositionValue) -> Self {
        Self { log_id: value.log_id.map(Into::into), membership: value.membership.map(Into::into) }
    }
}

#[cfg(test)]
mod test;
