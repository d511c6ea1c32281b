//! What this node answers to other nodes.
//!
//! Every request is bounded: by the message limit of the transport, by the number of requests
//! under way, and by the size of an answer. A request that does not belong here changes nothing.
//!
//! Not here: who may call (`members`), and how bytes travel (`grpc`).

use std::sync::Arc;

use letopis_ledger::hash::Hash;
use letopis_ledger::id::NodeId;
use letopis_ledger::record::SignedRecord;
use letopis_ledger::{LeafIndex, TreeSize};
use openraft::ReadPolicy;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{LinearizableReadError, RaftError};

use super::members::Members;
use super::message::{
    BYTES_PER_ANSWER, Envelope, LEAVES_PER_ANSWER, Request, Response, WireAppended, WireRecord,
    WireStatus, WireTransferred, WireVoted,
};
use super::{Answer, Pending, Refusal};
use crate::join::Installer;
use crate::ledger::{LedgerHandle, Parts};
use crate::machine::NodeRole;
use crate::publish::cosigner::Cosigner;
use crate::publish::log_key::LogKeys;
use crate::raft::encoding::{EncodingError, Stored};
use crate::raft::machine::snapshot_of;
use crate::raft::types::{Raft, Types};
use crate::runtime::run_blocking;

/// Answers the requests of other nodes. Clones share the node.
#[derive(Clone)]
pub(crate) struct Answerer {
    pub(crate) raft: Raft,
    pub(crate) members: Arc<Members>,
    pub(crate) ledger: LedgerHandle,
    pub(crate) cosigner: Cosigner,
    pub(crate) installer: Arc<Installer>,
    pub(crate) log_keys: LogKeys,
}

type RaftResult<T> = Result<T, RaftError<Types>>;

impl Answer for Answerer {
    fn known(&self, key: &Hash) -> Option<NodeId> {
        self.members.with_key(key)
    }

    fn answer(&self, from: NodeId, request: Vec<u8>) -> Pending<Result<Vec<u8>, Refusal>> {
        let answerer = self.clone();
        Box::pin(async move {
            let members = &answerer.members;
            let parts = answerer.ledger.parts().ok_or(Refusal::Stopping)?;
            let log = parts.store.origin().clone();
            let request = Envelope::open(&request, &log, from, members.own())
                .map_err(|reason| Refusal::Malformed { reason })?;
            let response = answerer.respond(&parts, from, request).await;
            Ok(response?.to_bytes())
        })
    }
}

fn malformed(error: &EncodingError) -> Refusal {
    Refusal::Malformed { reason: error.to_string() }
}

fn raft_answer<T>(answer: RaftResult<T>) -> Result<T, Refusal> {
    answer.map_err(|_| Refusal::Stopping)
}

impl Answerer {
    async fn respond(
        &self,
        parts: &Arc<Parts>,
        from: NodeId,
        request: Request,
    ) -> Result<Response, Refusal> {
        Ok(match request {
            Request::AppendEntries(append) => {
                let append = append.read().map_err(|e| malformed(&e))?;
                let appended = raft_answer(self.raft.append_entries(append).await)?;
                Response::AppendEntries(WireAppended::of(&appended))
            }
            Request::Vote(vote) => {
                let vote = vote.read().map_err(|e| malformed(&e))?;
                Response::Vote(WireVoted::of(&raft_answer(self.raft.vote(vote).await)?))
            }
            Request::PreVote(vote) => {
                let vote = vote.read().map_err(|e| malformed(&e))?;
                Response::Vote(WireVoted::of(&raft_answer(self.raft.pre_vote(vote).await)?))
            }
            Request::TransferLeader(transfer) => {
                let transfer = transfer.read().map_err(|e| malformed(&e))?;
                let answer = self.raft.handle_transfer_leader(transfer).await;
                let answer = answer.map_err(|_| Refusal::Stopping)?;
                Response::TransferLeader(WireTransferred::of(&answer))
            }
            Request::Snapshot(snapshot) => {
                let (vote, manifest) = snapshot.read().map_err(|e| malformed(&e))?;
                if let Some(fetched) = self.installer.offer(from, &manifest) {
                    return Ok(Response::Installing(fetched.get()));
                }
                let snapshot = snapshot_of(manifest)
                    .map_err(|e| Refusal::Malformed { reason: e.to_string() })?;
                let installed = self.raft.install_full_snapshot(vote, snapshot).await;
                let vote = installed.map_err(|_| Refusal::Stopping)?.vote;
                Response::Installed(vote.to_stored().into())
            }
            Request::Append(term, records) => self.append(parts, term, &records).await?,
            Request::ReadIndex => self.read_index().await?,
            Request::LeafHashes(from, count) => leaf_hashes(parts, from, count).await,
            Request::Leaves(from, count) => leaves(parts, from, count).await,
            Request::Cosign(checkpoint) => self.cosigner.answer(&checkpoint).await,
            Request::Published(checkpoint) => self.cosigner.take_published(&checkpoint).await,
            Request::Blob(hash) => match parts.blobs.get(&Hash::from_bytes(*hash)) {
                Ok(bytes) => Response::Blob(bytes.map(Into::into)),
                Err(error) => Response::Refused(error.to_string()),
            },
            Request::LogKey => self.log_key(parts, from),
            Request::Status => self.status(parts),
        })
    }

    /// Proposes records of another node's callers, after the same checks as for one's own.
    async fn append(
        &self,
        parts: &Arc<Parts>,
        term: u64,
        records: &[WireRecord],
    ) -> Result<Response, Refusal> {
        let Some(place) = parts.proposer.take_forwarded() else {
            return Ok(Response::Busy(bounded(parts.proposer.forwarded_limit())));
        };
        let records = records.iter().map(WireRecord::read).collect::<Result<Vec<_>, _>>();
        let records: Vec<SignedRecord> = records.map_err(|e| malformed(&e))?;
        if records.is_empty() || records.len() > crate::machine::RECORDS_PER_ENTRY_MAX {
            let reason = format!("{} records in one entry", records.len());
            return Err(Refusal::Malformed { reason });
        }
        let mut checks = Vec::with_capacity(records.len());
        for record in &records {
            let Ok(keys) = parts.signing_keys(record) else {
                // The caller has applied the key's introduction, and this node soon will have.
                return Ok(Response::Busy(0));
            };
            checks.push(parts.verifier.verify(record.clone(), keys));
        }
        let checked = futures::future::join_all(checks).await;
        for (position, checked) in checked.into_iter().enumerate() {
            match checked {
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    return Ok(Response::BadRecord(bounded(position), error.to_string()));
                }
                None => return Err(Refusal::Stopping),
            }
        }
        let proposed = parts.proposer.propose_forwarded(term, records.into()).await;
        drop(place);
        Ok(proposed)
    }

    async fn read_index(&self) -> Result<Response, Refusal> {
        match self.raft.get_read_log_id(ReadPolicy::ReadIndex).await {
            Ok((read, _)) => Ok(Response::ReadIndex(read.index())),
            Err(RaftError::Fatal(_)) => Err(Refusal::Stopping),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(to))) => {
                Ok(Response::NotLeader(to.leader_id))
            }
            Err(RaftError::APIError(error)) => Ok(Response::Refused(error.to_string())),
        }
    }

    /// The log key goes to nodes that the log names as voters, and to nobody else.
    fn log_key(&self, parts: &Parts, from: NodeId) -> Response {
        let node = parts.store.node(from);
        let votes = node.is_some_and(|n| n.removed.is_none() && n.role == NodeRole::Voter);
        if !votes {
            return Response::Refused(format!("the log does not name node {from} as a voter"));
        }
        let text = parts.store.read_policy().and_then(|p| self.log_keys.secret_text(&p));
        Response::LogKey(text.map(|text| text.to_string()))
    }

    fn status(&self, parts: &Parts) -> Response {
        let positions = self.ledger.positions();
        // Before the metrics are held: it may wait for a checkpoint, and Raft would wait with it.
        let log_key = parts.store.read_policy().is_some_and(|p| self.log_keys.is_known(&p));
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        Response::Status(WireStatus {
            term: metrics.current_term,
            leader: metrics.current_leader,
            last_entry: metrics.last_log_index,
            applied_entry: metrics.last_applied.map(|id| id.index),
            applied: positions.applied.get(),
            cosigned: positions.cosigned.get(),
            published: positions.published.get(),
            log_key,
        })
    }
}

fn bounded(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

async fn leaf_hashes(parts: &Arc<Parts>, from: u64, count: u32) -> Response {
    let parts = Arc::clone(parts);
    let read = run_blocking(move || {
        let end = TreeSize::new(from.saturating_add(count.min(LEAVES_PER_ANSWER).into()));
        parts.store.leaf_hashes(LeafIndex::new(from), end)
    });
    match read.await {
        Ok(hashes) => {
            let bytes: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
            Response::LeafHashes(bytes.into())
        }
        Err(error) => Response::Refused(error.to_string()),
    }
}

async fn leaves(parts: &Arc<Parts>, from: u64, count: u32) -> Response {
    let parts = Arc::clone(parts);
    let read = run_blocking(move || {
        let count = count.min(LEAVES_PER_ANSWER) as usize;
        parts.store.leaves(LeafIndex::new(from), count, BYTES_PER_ANSWER)
    });
    match read.await {
        Ok(leaves) => {
            let mut framed = Vec::new();
            for leaf in &leaves {
                let length = u16::try_from(leaf.len()).expect("invariant: a leaf fits its length");
                framed.extend(length.to_be_bytes());
                framed.extend_from_slice(leaf);
            }
            Response::Leaves(framed.into())
        }
        Err(error) => Response::Refused(error.to_string()),
    }
}
