//! Writing to a Raft log that no node has open: where a restored one begins, and the one entry by
//! which a node goes on alone after the quorum is lost.
//!
//! Everything else in a log comes from openraft (`super`). Not here: whether it is safe; the
//! first always is, the second never (`crate::recover`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use openraft::entry::RaftEntry;
use openraft::{BasicNode, EntryPayload};
use rocksdb::{DB, IteratorMode, WriteBatch, WriteOptions};

use super::super::encoding::{Stored, write_frame};
use super::super::types::{CommittedLeaderId, Entry, LogId, Membership, Vote};
use super::open::{engine, open_database, read_known};
use super::{LOG, META, PURGED, RaftLog, RaftLogError, VOTE, decode, key};

/// How a log ends.
pub(crate) struct LogEnd {
    /// The last entry.
    pub(crate) last: Option<LogId>,
    /// The last one that is known to be committed.
    pub(crate) committed: Option<LogId>,
    /// The last membership that it holds.
    pub(crate) membership: Option<Membership>,
}

impl RaftLog {
    /// Makes a log without entries that goes on after this position.
    pub(crate) fn begin_after(folder: &Path, position: LogId) -> Result<(), RaftLogError> {
        let db = open_database(folder)?;
        let mut batch = WriteBatch::default();
        let meta = db.cf_handle(META).expect("invariant: the column family was opened");
        batch.put_cf(meta, PURGED, write_frame(&position.to_stored()));
        write(&db, batch)
    }

    /// How the log ends.
    pub(crate) fn end(folder: &Path) -> Result<LogEnd, RaftLogError> {
        let db = open_database(folder)?;
        let known = read_known(&db)?;
        let membership = last_membership(&db)?;
        Ok(LogEnd { last: known.last, committed: known.committed, membership })
    }

    /// Appends the membership of one voter in a term above every known one. Every entry stays.
    pub(crate) fn make_only_voter(
        folder: &Path,
        own: u64,
        address: &str,
    ) -> Result<LogId, RaftLogError> {
        let db = open_database(folder)?;
        let known = read_known(&db)?;
        let voted = known.vote.map_or(0, |vote| vote.leader_id.term);
        let last = known.last.map_or(0, |id| id.leader_id.term);
        let term = voted.max(last) + 1;
        let log_id =
            LogId::new(CommittedLeaderId::new(term), known.last.map_or(0, |id| id.index + 1));
        let nodes = BTreeMap::from([(own, BasicNode::new(address))]);
        let members = Membership::new(vec![BTreeSet::from([own])], nodes);
        let members = members.expect("invariant: the one voter is a member");
        let entry = Entry::new(log_id, EntryPayload::Membership(members));
        let column = |name| db.cf_handle(name).expect("invariant: the family was opened");
        let mut batch = WriteBatch::default();
        batch.put_cf(column(LOG), key(log_id.index), write_frame(&entry.to_stored()));
        // Not committed: the node is elected in the next term, by itself.
        batch.put_cf(column(META), VOTE, write_frame(&Vote::new(term, own).to_stored()));
        write(&db, batch)?;
        Ok(log_id)
    }
}

fn write(db: &DB, batch: WriteBatch) -> Result<(), RaftLogError> {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    db.write_opt(batch, &options).map_err(engine)
}

fn last_membership(db: &DB) -> Result<Option<Membership>, RaftLogError> {
    let log = db.cf_handle(LOG).expect("invariant: the column family was opened");
    for item in db.iterator_cf(log, IteratorMode::End) {
        let (index, frame) = item.map_err(engine)?;
        let index = index.first_chunk().map_or(u64::MAX, |index| u64::from_be_bytes(*index));
        if let EntryPayload::Membership(members) = decode(index, &frame)?.payload {
            return Ok(Some(members));
        }
    }
    Ok(None)
}
