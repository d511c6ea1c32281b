//! Reaching other members for openraft: its calls become requests of `crate::peer`.
//!
//! A member's address and key are looked up at every call, so a node that moves is found again
//! without a change of the membership. A snapshot is offered until the other side has it: that
//! side fetches the leaves itself, from whomever it likes, and nothing here waits for megabytes.
//!
//! Not here: bytes (`crate::peer::message`) and connections (`crate::peer::grpc`).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use letopis_ledger::id::NodeId;
use openraft::entry::RaftEntry;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::SnapshotOf;
use openraft::{BasicNode, OptionalSend, RaftNetworkFactory, RaftNetworkV2};
use thiserror::Error;

use super::acknowledged::Acknowledged;
use super::encoding::{EncodingError, Stored};
use super::types::{Types, Vote};
use crate::metric;
use crate::peer::CallError;
use crate::peer::members::Members;
use crate::peer::message::{Request, Response, WireAppend, WireSnapshot, WireTransfer, WireVote};
use crate::store::Manifest;

/// How often a snapshot is offered while the other side fetches its leaves.
const OFFER_INTERVAL: Duration = Duration::from_millis(200);
/// How long a vote may take: an election's worth.
const VOTE_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Why a member's answer is of no use.
#[derive(Debug, Error)]
enum PeerError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("node {0}: {1}")]
    Answer(u64, EncodingError),
    #[error("node {0} answered {1}")]
    Unexpected(u64, String),
    #[error("{0} is not the number of a node")]
    Number(u64),
}

impl PeerError {
    fn rpc(self) -> RPCError<Types> {
        match &self {
            // Worth a pause before the next attempt.
            Self::Call(CallError::Unreachable { .. } | CallError::Busy { .. }) => {
                RPCError::Unreachable(Unreachable::new(&self))
            }
            _ => RPCError::Network(NetworkError::new(&self)),
        }
    }
}

/// Makes clients for members.
pub(crate) struct Network {
    members: Arc<Members>,
    acknowledged: Acknowledged,
}

impl Network {
    /// A way to these members.
    pub(crate) fn new(members: Arc<Members>) -> Self {
        Self { members, acknowledged: Acknowledged::default() }
    }
}

/// A client for one member.
pub(crate) struct Peer {
    members: Arc<Members>,
    target: u64,
    acknowledged: Acknowledged,
}

/// What was known when entries were sent.
struct Sent {
    vote: Vote,
    /// Index of the last entry that the member had acknowledged.
    before: Option<u64>,
    /// Index of the entry before those that were sent.
    previous: Option<u64>,
    /// Index of the last entry that the member has if it takes them.
    last: Option<u64>,
}

impl Peer {
    async fn call(&self, request: &Request, timeout: Duration) -> Result<Response, PeerError> {
        let node = NodeId::new(self.target).ok_or(PeerError::Number(self.target))?;
        Ok(self.members.call(node, request, timeout).await?)
    }

    fn unexpected(&self, response: &Response) -> PeerError {
        PeerError::Unexpected(self.target, format!("{response:?}"))
    }

    fn read<T>(&self, read: Result<T, EncodingError>) -> Result<T, PeerError> {
        read.map_err(|error| PeerError::Answer(self.target, error))
    }

    /// A member that denies an entry which it had acknowledged runs on an older copy of its folder.
    fn compare_with_acknowledged(&self, sent: &Sent, answer: &AppendEntriesResponse<Types>) {
        let Sent { vote, before, previous, last } = sent;
        match (answer, *previous) {
            (AppendEntriesResponse::Success, _) => {
                self.acknowledged.confirm(self.target, vote, *last);
            }
            (AppendEntriesResponse::Conflict, Some(denied))
                if self.acknowledged.deny(self.target, vote, *before, denied) =>
            {
                metric::peer_reverted(self.target);
                tracing::error!(
                    node = self.target,
                    acknowledged = before,
                    denied,
                    "a node has lost entries that it acknowledged: its folder is an older copy, and \
                     its votes are lost with them; remove it and let it join under a new number"
                );
            }
            _ => {}
        }
    }

    async fn vote_call(&self, request: &Request) -> Result<VoteResponse<Types>, PeerError> {
        match self.call(request, VOTE_TIMEOUT).await? {
            Response::Vote(voted) => self.read(voted.read()),
            other => Err(self.unexpected(&other)),
        }
    }
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, _: &BasicNode) -> Peer {
        let members = Arc::clone(&self.members);
        Peer { members, target, acknowledged: self.acknowledged.clone() }
    }
}

impl RaftNetworkV2<Types> for Peer {
    type SnapshotData = Manifest;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let previous = request.prev_log_id.map(|id| id.index);
        let sent = Sent {
            vote: request.vote,
            before: self.acknowledged.last(self.target, &request.vote),
            previous,
            last: request.entries.last().map(RaftEntry::index).or(previous),
        };
        let request = Request::AppendEntries(WireAppend::of(&request));
        let answer = match self.call(&request, option.hard_ttl()).await {
            Ok(Response::AppendEntries(appended)) => self.read(appended.read()),
            Ok(other) => Err(self.unexpected(&other)),
            Err(error) => Err(error),
        };
        if let Ok(answer) = &answer {
            self.compare_with_acknowledged(&sent, answer);
        }
        answer.map_err(PeerError::rpc)
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        _: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.vote_call(&Request::Vote(WireVote::of(&request))).await.map_err(PeerError::rpc)
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        _: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.vote_call(&Request::PreVote(WireVote::of(&request))).await.map_err(PeerError::rpc)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<Types, Manifest>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let offer = Request::Snapshot(WireSnapshot::of(&vote, &snapshot.snapshot));
        let network = |error: &PeerError| StreamingError::Network(NetworkError::new(error));
        let offering = async {
            loop {
                // Installing reads the leaves that were fetched: one offer may take that long.
                match self.call(&offer, option.hard_ttl()).await {
                    Ok(Response::Installing(_)) => tokio::time::sleep(OFFER_INTERVAL).await,
                    Ok(Response::Installed(vote)) => {
                        let vote = self.read(Vote::from_stored(&vote));
                        return vote.map(SnapshotResponse::new).map_err(|e| network(&e));
                    }
                    Ok(other) => return Err(network(&self.unexpected(&other))),
                    Err(error @ PeerError::Call(CallError::Unreachable { .. })) => {
                        return Err(StreamingError::Unreachable(Unreachable::new(&error)));
                    }
                    Err(error) => return Err(network(&error)),
                }
            }
        };
        tokio::select! {
            installed = offering => installed,
            closed = cancel => Err(closed.into()),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        let request = Request::TransferLeader(WireTransfer::of(&request));
        let answer = match self.call(&request, option.hard_ttl()).await {
            Ok(Response::TransferLeader(answer)) => self.read(answer.read()),
            Ok(other) => Err(self.unexpected(&other)),
            Err(error) => Err(error),
        };
        answer.map_err(PeerError::rpc)
    }
}
