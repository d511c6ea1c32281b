//! What nodes say to each other, and the bytes of it.
//!
//! A message is one version byte and CBOR in the fixed order below, as everything that Raft keeps
//! (`crate::raft::encoding`); it names its log, its sender and its receiver, so that one that
//! belongs elsewhere is refused before it is acted on. Not here: how the bytes travel.

use letopis_ledger::checkpoint::Origin;
use letopis_ledger::hash::Hash;
use letopis_ledger::id::NodeId;
use letopis_ledger::record::SignedRecord;
use letopis_ledger::{LeafIndex, TreeSize};
use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest,
    VoteRequest, VoteResponse,
};

use crate::raft::encoding::{EncodingError, Stored, read_value, write_value};
use crate::raft::types::{Entry, LogId, StoredMembership, Types, Vote};
use crate::store::{Manifest, StoredPosition};

/// A message on its way: for which log, from whom, to whom.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Envelope {
    #[n(0)]
    log: String,
    #[n(1)]
    from: u64,
    #[n(2)]
    to: u64,
    #[n(3)]
    body: ByteVec,
}

impl Envelope {
    /// Wraps a request.
    pub(crate) fn wrap(log: &Origin, from: NodeId, to: NodeId, request: &Request) -> Vec<u8> {
        let body = write_value(request).into();
        write_value(&Self { log: log.to_string(), from: from.get(), to: to.get(), body })
    }

    /// Takes a request out, or says why it does not belong here.
    pub(crate) fn open(
        bytes: &[u8],
        log: &Origin,
        from: NodeId,
        to: NodeId,
    ) -> Result<Request, String> {
        let envelope: Self = read_value(bytes).map_err(|error| error.to_string())?;
        if envelope.log != log.as_str() {
            return Err(format!("the request is for log {}, this is {log}", envelope.log));
        }
        if envelope.from != from.get() || envelope.to != to.get() {
            return Err(format!(
                "the request is from node {} to node {}, it came from {from} to {to}",
                envelope.from, envelope.to
            ));
        }
        read_value(&envelope.body).map_err(|error| error.to_string())
    }
}

/// A request to another node. Values that Raft also stores are carried as their stored bytes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Request {
    /// Raft: append entries.
    #[n(0)]
    AppendEntries(#[n(0)] WireAppend),
    /// Raft: vote for me; the flag tells that a leader hands over.
    #[n(1)]
    Vote(#[n(0)] WireVote),
    /// Raft: would you vote for me?
    #[n(2)]
    PreVote(#[n(0)] WireVote),
    /// Raft: take over the leadership.
    #[n(3)]
    TransferLeader(#[n(0)] WireTransfer),
    /// Raft: take this snapshot; its leaves are fetched by [`Request::Leaves`].
    #[n(4)]
    Snapshot(#[n(0)] WireSnapshot),
    /// Append these records, in one entry of this term or not at all.
    #[n(5)]
    Append(#[n(0)] u64, #[n(1)] Vec<WireRecord>),
    /// Up to which entry must a read wait to see everything acknowledged before it?
    #[n(6)]
    ReadIndex,
    /// Hashes of leaves from one on, as many as were asked for or fit.
    #[n(7)]
    LeafHashes(#[n(0)] u64, #[n(1)] u32),
    /// Leaves from one on, as many as fit.
    #[n(8)]
    Leaves(#[n(0)] u64, #[n(1)] u32),
    /// Cosign this checkpoint that the log has signed.
    #[n(9)]
    Cosign(#[n(0)] String),
    /// This checkpoint is published.
    #[n(10)]
    Published(#[n(0)] String),
    /// A public file by its SHA-256.
    #[n(11)]
    Blob(#[n(0)] ByteArray<32>),
    /// The key that voters sign checkpoints with.
    #[n(12)]
    LogKey,
    /// How far are you?
    #[n(13)]
    Status,
}

/// The answer to a request of the same place in [`Request`], or one of the refusals.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Response {
    #[n(0)]
    AppendEntries(#[n(0)] WireAppended),
    #[n(1)]
    Vote(#[n(0)] WireVoted),
    #[n(2)]
    TransferLeader(#[n(0)] WireTransferred),
    /// The snapshot is installed; the vote is the receiver's.
    #[n(3)]
    Installed(#[n(0)] ByteVec),
    /// The snapshot is being fetched: so many of its leaves are there.
    #[n(4)]
    Installing(#[n(0)] u64),
    /// The records were proposed in an entry and it is applied here.
    #[n(5)]
    Appended,
    /// This node does not lead in that term; nothing was proposed.
    #[n(6)]
    NotLeader(#[n(0)] Option<u64>),
    /// Index of an entry.
    #[n(7)]
    ReadIndex(#[n(0)] u64),
    #[n(8)]
    LeafHashes(#[n(0)] ByteVec),
    /// Framed leaves, as in a C2SP entry bundle.
    #[n(9)]
    Leaves(#[n(0)] ByteVec),
    /// A signature line of a note.
    #[n(10)]
    Cosignature(#[n(0)] String),
    /// Nothing more to say.
    #[n(11)]
    Done,
    #[n(12)]
    Blob(#[n(0)] Option<ByteVec>),
    /// The key in its secret text form.
    #[n(13)]
    LogKey(#[n(0)] Option<String>),
    #[n(14)]
    Status(#[n(0)] WireStatus),
    /// The request cannot be done now, or never; the text says why.
    #[n(15)]
    Refused(#[n(0)] String),
    /// Too much is under way; nothing was done.
    #[n(16)]
    Busy(#[n(0)] u32),
    /// A record's signature does not hold: its place in the request, and why.
    #[n(17)]
    BadRecord(#[n(0)] u32, #[n(1)] String),
}

impl Response {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        write_value(self)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, EncodingError> {
        read_value(bytes)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct WireAppend {
    #[n(0)]
    vote: ByteVec,
    #[n(1)]
    previous: Option<ByteVec>,
    #[n(2)]
    entries: Vec<ByteVec>,
    #[n(3)]
    committed: Option<ByteVec>,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum WireAppended {
    #[n(0)]
    Success,
    #[n(1)]
    Partial(#[n(0)] Option<ByteVec>),
    #[n(2)]
    Conflict,
    #[n(3)]
    HigherVote(#[n(0)] ByteVec),
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct WireVote {
    #[n(0)]
    vote: ByteVec,
    #[n(1)]
    last: Option<ByteVec>,
    #[n(2)]
    transfer: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct WireVoted {
    #[n(0)]
    vote: ByteVec,
    #[n(1)]
    granted: bool,
    #[n(2)]
    last: Option<ByteVec>,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct WireTransfer {
    #[n(0)]
    vote: ByteVec,
    #[n(1)]
    to: u64,
    #[n(2)]
    last: Option<ByteVec>,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum WireTransferred {
    #[n(0)]
    Accepted,
    #[n(1)]
    VoteChanged(#[n(0)] ByteVec, #[n(1)] ByteVec),
    #[n(2)]
    LogNotFlushed(#[n(0)] Option<ByteVec>, #[n(1)] Option<ByteVec>),
}

/// A snapshot: where in the Raft log it stands, which tree it holds, and the last tree head that
/// the voters agreed on within it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct WireSnapshot {
    #[n(0)]
    vote: ByteVec,
    #[n(1)]
    log_id: Option<ByteVec>,
    #[n(2)]
    membership: Option<ByteVec>,
    #[n(3)]
    head: ByteVec,
    #[n(4)]
    agreed: Option<ByteVec>,
}

/// A record as in an entry of the Raft log.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct WireRecord {
    #[n(0)]
    signed: ByteVec,
}

/// How far a node is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct WireStatus {
    #[n(0)]
    pub(crate) term: u64,
    #[n(1)]
    pub(crate) leader: Option<u64>,
    #[n(2)]
    pub(crate) last_entry: Option<u64>,
    #[n(3)]
    pub(crate) applied_entry: Option<u64>,
    #[n(4)]
    pub(crate) applied: u64,
    #[n(5)]
    pub(crate) cosigned: u64,
    #[n(6)]
    pub(crate) published: u64,
    /// Whether it has the log key that the policy names.
    #[n(7)]
    pub(crate) log_key: bool,
}

fn stored<T: Stored>(value: &T) -> ByteVec {
    value.to_stored().into()
}

fn stored_option<T: Stored>(value: Option<&T>) -> Option<ByteVec> {
    value.map(stored)
}

fn read_option<T: Stored>(bytes: Option<&ByteVec>) -> Result<Option<T>, EncodingError> {
    bytes.map(|bytes| T::from_stored(bytes)).transpose()
}

impl WireAppend {
    pub(crate) fn of(request: &AppendEntriesRequest<Types>) -> Self {
        Self {
            vote: stored(&request.vote),
            previous: stored_option(request.prev_log_id.as_ref()),
            entries: request.entries.iter().map(stored).collect(),
            committed: stored_option(request.leader_commit.as_ref()),
        }
    }

    pub(crate) fn read(&self) -> Result<AppendEntriesRequest<Types>, EncodingError> {
        Ok(AppendEntriesRequest {
            vote: Vote::from_stored(&self.vote)?,
            prev_log_id: read_option::<LogId>(self.previous.as_ref())?,
            entries: self
                .entries
                .iter()
                .map(|e| Entry::from_stored(e))
                .collect::<Result<_, _>>()?,
            leader_commit: read_option::<LogId>(self.committed.as_ref())?,
        })
    }
}

impl WireAppended {
    pub(crate) fn of(response: &AppendEntriesResponse<Types>) -> Self {
        match response {
            AppendEntriesResponse::Success => Self::Success,
            AppendEntriesResponse::PartialSuccess(id) => Self::Partial(stored_option(id.as_ref())),
            AppendEntriesResponse::Conflict => Self::Conflict,
            AppendEntriesResponse::HigherVote(vote) => Self::HigherVote(stored(vote)),
        }
    }

    pub(crate) fn read(&self) -> Result<AppendEntriesResponse<Types>, EncodingError> {
        Ok(match self {
            Self::Success => AppendEntriesResponse::Success,
            Self::Partial(id) => AppendEntriesResponse::PartialSuccess(read_option(id.as_ref())?),
            Self::Conflict => AppendEntriesResponse::Conflict,
            Self::HigherVote(vote) => AppendEntriesResponse::HigherVote(Vote::from_stored(vote)?),
        })
    }
}

impl WireVote {
    pub(crate) fn of(request: &VoteRequest<Types>) -> Self {
        Self {
            vote: stored(&request.vote),
            last: stored_option(request.last_log_id.as_ref()),
            transfer: request.leadership_transfer,
        }
    }

    pub(crate) fn read(&self) -> Result<VoteRequest<Types>, EncodingError> {
        let vote = Vote::from_stored(&self.vote)?;
        let mut request = VoteRequest::new(vote, read_option(self.last.as_ref())?);
        request.leadership_transfer = self.transfer;
        Ok(request)
    }
}

impl WireVoted {
    pub(crate) fn of(response: &VoteResponse<Types>) -> Self {
        Self {
            vote: stored(&response.vote),
            granted: response.vote_granted,
            last: stored_option(response.last_log_id.as_ref()),
        }
    }

    pub(crate) fn read(&self) -> Result<VoteResponse<Types>, EncodingError> {
        let vote = Vote::from_stored(&self.vote)?;
        Ok(VoteResponse::new(vote, read_option(self.last.as_ref())?, self.granted))
    }
}

impl WireTransfer {
    pub(crate) fn of(request: &TransferLeaderRequest<Types>) -> Self {
        Self {
            vote: stored(request.from_leader()),
            to: *request.to_node_id(),
            last: stored_option(request.last_log_id()),
        }
    }

    pub(crate) fn read(&self) -> Result<TransferLeaderRequest<Types>, EncodingError> {
        let vote = Vote::from_stored(&self.vote)?;
        Ok(TransferLeaderRequest::new(vote, self.to, read_option(self.last.as_ref())?))
    }
}

impl WireTransferred {
    pub(crate) fn of(response: &Result<(), TransferLeaderError<Types>>) -> Self {
        match response {
            Ok(()) => Self::Accepted,
            Err(TransferLeaderError::VoteChanged { expected, actual }) => {
                Self::VoteChanged(stored(expected), stored(actual))
            }
            Err(TransferLeaderError::LogNotFlushed { expected, actual }) => Self::LogNotFlushed(
                stored_option(expected.as_ref()),
                stored_option(actual.as_ref()),
            ),
        }
    }

    pub(crate) fn read(&self) -> Result<Result<(), TransferLeaderError<Types>>, EncodingError> {
        Ok(match self {
            Self::Accepted => Ok(()),
            Self::VoteChanged(expected, actual) => Err(TransferLeaderError::VoteChanged {
                expected: Vote::from_stored(expected)?,
                actual: Vote::from_stored(actual)?,
            }),
            Self::LogNotFlushed(expected, actual) => Err(TransferLeaderError::LogNotFlushed {
                expected: read_option(expected.as_ref())?,
                actual: read_option(actual.as_ref())?,
            }),
        })
    }
}

impl WireSnapshot {
    pub(crate) fn of(vote: &Vote, manifest: &Manifest) -> Self {
        Self {
            vote: stored(vote),
            log_id: manifest.position.log_id.clone().map(Into::into),
            membership: manifest.position.membership.clone().map(Into::into),
            head: stored(&manifest.head),
            agreed: stored_option(manifest.agreed.as_ref()),
        }
    }

    pub(crate) fn read(&self) -> Result<(Vote, Manifest), EncodingError> {
        // Both are read for their shape; the manifest keeps their stored bytes.
        read_option::<LogId>(self.log_id.as_ref())?;
        read_option::<StoredMembership>(self.membership.as_ref())?;
        let manifest = Manifest {
            position: StoredPosition {
                log_id: self.log_id.clone().map(Into::into),
                membership: self.membership.clone().map(Into::into),
            },
            head: Stored::from_stored(&self.head)?,
            agreed: read_option(self.agreed.as_ref())?,
        };
        Ok((Vote::from_stored(&self.vote)?, manifest))
    }
}

impl WireRecord {
    pub(crate) fn of(record: &SignedRecord) -> Self {
        Self { signed: stored(record) }
    }

    pub(crate) fn read(&self) -> Result<SignedRecord, EncodingError> {
        SignedRecord::from_stored(&self.signed)
    }
}

/// Most leaves or hashes of one answer.
pub(crate) const LEAVES_PER_ANSWER: u32 = 8_192;
/// Most bytes of leaves in one answer, after the first leaf.
pub(crate) const BYTES_PER_ANSWER: usize = 2 << 20;

impl Request {
    /// Asks for leaf hashes.
    pub(crate) fn leaf_hashes(from: LeafIndex, until: TreeSize) -> Self {
        Self::LeafHashes(from.get(), count(from, until))
    }

    /// Asks for leaves.
    pub(crate) fn leaves(from: LeafIndex, until: TreeSize) -> Self {
        Self::Leaves(from.get(), count(from, until))
    }

    /// Asks for a public file.
    pub(crate) fn blob(hash: &Hash) -> Self {
        Self::Blob((*hash.as_bytes()).into())
    }
}

fn count(from: LeafIndex, until: TreeSize) -> u32 {
    let left = until.get().saturating_sub(from.get());
    u32::try_from(left).unwrap_or(u32::MAX).min(LEAVES_PER_ANSWER)
}

#[cfg(test)]
mod test;
