//! Applies committed entries to the store, and lends the store to openraft as its snapshot.
//!
//! A snapshot here is a checkpoint of the store: a [`Manifest`] of what is durable, of constant
//! size. It lets the Raft log be purged. A node that gets one has fetched the leaves that it
//! lacks before (`crate::join`); installing reads them from its own disk.
//!
//! Not here: the rules (`crate::machine`), the files (`crate::store`).

use std::io;
use std::sync::Arc;
use std::time::Instant;

use futures::{Stream, TryStreamExt};
use letopis_ledger::Timestamp;
use letopis_ledger::id::RecordId;
use letopis_ledger::record::SignedRecord;
use openraft::entry::RaftEntry;
use openraft::storage::{EntryResponder, RaftStateMachine, Snapshot};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder, SnapshotMeta as Meta};

use super::encoding::Stored;
use super::types::{Answer, Command, LogId, SnapshotMeta, StoredMembership, Types};
use crate::awaited::Awaited;
use crate::fatal::{Fatal, FatalSignal};
use crate::ledger::AppendError;
use crate::machine::Receipt;
use crate::metric;
use crate::publish::{AppliedRecords, Authors};
use crate::runtime::run_blocking;
use crate::store::staging::Staging;
use crate::store::{Manifest, Store, StoreError, StoredPosition, Transaction};

/// What openraft applies entries to. Clones share the store.
#[derive(Clone)]
pub(crate) struct Applier {
    pub(crate) store: Arc<Store>,
    pub(crate) staging: Staging,
    pub(crate) awaited: Arc<Awaited>,
    pub(crate) authors: Arc<Authors>,
    pub(crate) fatal: FatalSignal,
}

/// Answers of one entry, for those who wait for its records.
struct Answers {
    ids: Vec<RecordId>,
    answers: Vec<Result<Receipt, AppendError>>,
}

type TypesSnapshot = openraft::alias::SnapshotOf<Types, Manifest>;

impl Applier {
    fn fail(&self, fatal: Fatal) -> io::Error {
        let error = io::Error::other(fatal.to_string());
        self.fatal.report(fatal);
        error
    }

    fn apply_all(&self, entries: Vec<EntryResponder<Types>>) -> Result<(), Fatal> {
        let started = Instant::now();
        let awaited = !self.awaited.is_empty();
        let mut transaction = self.store.begin();
        let mut responses = Vec::new();
        let mut answers = Vec::new();
        let mut applied = Vec::new();
        let mut last_term = 0;
        for (entry, responder) in entries {
            let term = entry.log_id.leader_id.term;
            transaction.set_log_id(entry.log_id().to_stored());
            let response = match entry.payload {
                EntryPayload::Blank => Answer::Nothing,
                EntryPayload::Membership(members) => {
                    let members = StoredMembership::new(Some(entry.log_id), members);
                    transaction.set_membership(members.to_stored());
                    Answer::Nothing
                }
                EntryPayload::Normal(Command::Append { time, records }) => {
                    let (_, before) = transaction.sizes();
                    let answered = append(&mut transaction, time, &records)?;
                    if awaited {
                        let ids = records.iter().map(|record| record.record().id()).collect();
                        answers.push(Answers { ids, answers: answered });
                    }
                    let (_, after) = transaction.sizes();
                    applied.push(AppliedRecords { term, before, after, records });
                    Answer::Nothing
                }
                EntryPayload::Normal(Command::TreeHead(head)) => {
                    transaction.agree(head)?;
                    Answer::Agreed(head)
                }
            };
            last_term = term;
            responses.push((responder, response));
        }
        transaction.commit()?;
        applied.into_iter().for_each(|entry| self.authors.applied(entry));
        metric::applied(started.elapsed());
        for Answers { ids, answers } in answers {
            for (id, answer) in ids.into_iter().zip(answers) {
                self.awaited.answer(id, &answer);
            }
        }
        self.awaited.applied(last_term);
        for (responder, response) in responses {
            if let Some(responder) = responder {
                responder.send(response);
            }
        }
        Ok(())
    }

    async fn checkpoint(&self) -> io::Result<Manifest> {
        let (store, started) = (Arc::clone(&self.store), Instant::now());
        let made = run_blocking(move || store.checkpoint()).await;
        metric::checkpoint_made(started.elapsed());
        made.map_err(|error| self.fail(error.into()))
    }
}

fn append(
    transaction: &mut Transaction<'_>,
    time: Timestamp,
    records: &[SignedRecord],
) -> Result<Vec<Result<Receipt, AppendError>>, StoreError> {
    let answers = records.iter().map(|record| {
        let answer = transaction.append(time, record)?;
        Ok(answer.map_err(AppendError::Rejected))
    });
    answers.collect()
}

fn read_position(position: &StoredPosition) -> io::Result<(Option<LogId>, StoredMembership)> {
    let log_id = position.log_id.as_deref().map(LogId::from_stored).transpose();
    let membership = position.membership.as_deref().map(StoredMembership::from_stored).transpose();
    let (log_id, membership) =
        (log_id.map_err(io::Error::other)?, membership.map_err(io::Error::other)?);
    Ok((log_id, membership.unwrap_or_default()))
}

/// The snapshot that a manifest is.
pub(crate) fn snapshot_of(manifest: Manifest) -> io::Result<TypesSnapshot> {
    let (last_log_id, last_membership) = read_position(&manifest.position)?;
    Ok(Snapshot { meta: Meta { last_log_id, last_membership }, snapshot: manifest })
}

impl RaftSnapshotBuilder<Types> for Applier {
    type SnapshotData = Manifest;

    async fn build_snapshot(&mut self) -> io::Result<TypesSnapshot> {
        snapshot_of(self.checkpoint().await?)
    }
}

impl RaftStateMachine<Types> for Applier {
    type SnapshotData = Manifest;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        read_position(&self.store.position())
    }

    async fn apply<Strm>(&mut self, entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        let entries: Vec<EntryResponder<Types>> = entries.try_collect().await?;
        self.apply_all(entries).map_err(|fatal| self.fail(fatal))
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        manifest: Manifest,
    ) -> io::Result<()> {
        let (store, staging) = (Arc::clone(&self.store), self.staging.clone());
        let installed = run_blocking(move || staging.install_offered(&store, &manifest));
        let installed = installed.await.map_err(|error| self.fail(error.into()))?;
        tracing::info!(head = %installed.head, last = ?meta.last_log_id, "a snapshot is installed");
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<TypesSnapshot>> {
        let manifest = self.store.manifest().map_err(|error| self.fail(error.into()))?;
        manifest.map(snapshot_of).transpose()
    }
}
