//! Applies committed entries to the store, and lends the store to openraft as its snapshot.
//!
//! A snapshot here is a checkpoint of the store: a [`Manifest`] of what is durable, of constant
//! size. It lets the Raft log be purged. With one voter it never travels; a node that gets one
//! must hold those leaves already.
//!
//! Not here: the rules (`crate::machine`), the files (`crate::store`).

use std::io;
use std::sync::Arc;
use std::time::Instant;

use futures::{Stream, TryStreamExt};
use openraft::entry::RaftEntry;
use openraft::storage::{EntryResponder, RaftStateMachine, Snapshot};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder, SnapshotMeta as Meta};

use super::encoding::Stored;
use super::types::{Answer, Command, LogId, SnapshotMeta, StoredMembership, Types};
use crate::fatal::{Fatal, FatalSignal};
use crate::metric;
use crate::store::{Manifest, Store, StoreError, StoredPosition, Transaction};

/// What openraft applies entries to. Clones share the store.
#[derive(Clone)]
pub(crate) struct Applier {
    store: Arc<Store>,
    fatal: FatalSignal,
}

type TypesSnapshot = openraft::alias::SnapshotOf<Types, Manifest>;

impl Applier {
    pub(crate) const fn new(store: Arc<Store>, fatal: FatalSignal) -> Self {
        Self { store, fatal }
    }

    fn fail(&self, fatal: Fatal) -> io::Error {
        let error = io::Error::other(fatal.to_string());
        self.fatal.report(fatal);
        error
    }

    fn apply_all(&self, entries: Vec<EntryResponder<Types>>) -> Result<(), Fatal> {
        let started = Instant::now();
        let mut transaction = self.store.begin();
        let mut answers = Vec::with_capacity(entries.len());
        for (entry, responder) in entries {
            transaction.set_log_id(entry.log_id().to_stored());
            let answer = match entry.payload {
                EntryPayload::Blank => Answer::Nothing,
                EntryPayload::Membership(members) => {
                    let members = StoredMembership::new(Some(entry.log_id), members);
                    transaction.set_membership(members.to_stored());
                    Answer::Nothing
                }
                EntryPayload::Normal(command) => apply(&mut transaction, &command)?,
            };
            answers.push((responder, answer));
        }
        transaction.commit()?;
        metric::applied(started.elapsed());
        for (responder, answer) in answers {
            if let Some(responder) = responder {
                responder.send(answer);
            }
        }
        Ok(())
    }

    fn take_position(&self, meta: &SnapshotMeta) -> Result<(), StoreError> {
        let mut transaction = self.store.begin();
        transaction.set_position(StoredPosition {
            log_id: meta.last_log_id.map(|id| id.to_stored()),
            membership: Some(meta.last_membership.to_stored()),
        });
        transaction.commit()
    }

    async fn checkpoint(&self) -> io::Result<Manifest> {
        let (store, started) = (Arc::clone(&self.store), Instant::now());
        let made = tokio::task::spawn_blocking(move || store.checkpoint()).await;
        metric::checkpoint_made(started.elapsed());
        match made {
            Ok(made) => made.map_err(|error| self.fail(error.into())),
            Err(stopped) => Err(io::Error::other(stopped)),
        }
    }
}

fn apply(transaction: &mut Transaction<'_>, command: &Command) -> Result<Answer, Fatal> {
    match command {
        Command::Append { time, records } => {
            let answers = records.iter().map(|record| transaction.append(*time, record));
            Ok(Answer::Records(answers.collect::<Result<_, _>>()?))
        }
        Command::TreeHead(head) => {
            transaction.agree(*head)?;
            Ok(Answer::Agreed(*head))
        }
    }
}

fn read_position(position: &StoredPosition) -> io::Result<(Option<LogId>, StoredMembership)> {
    let log_id = position.log_id.as_deref().map(LogId::from_stored).transpose();
    let membership = position.membership.as_deref().map(StoredMembership::from_stored).transpose();
    let (log_id, membership) =
        (log_id.map_err(io::Error::other)?, membership.map_err(io::Error::other)?);
    Ok((log_id, membership.unwrap_or_default()))
}

fn snapshot_of(manifest: Manifest) -> io::Result<TypesSnapshot> {
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
        let own = self.store.head();
        if own != manifest.head {
            return Err(io::Error::other(format!(
                "snapshot of {} cannot be installed over {own}: one voter has nobody to get the \
                 leaves from",
                manifest.head
            )));
        }
        self.take_position(meta).map_err(|error| self.fail(error.into()))?;
        self.checkpoint().await.map(drop)
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<TypesSnapshot>> {
        let manifest = self.store.manifest().map_err(|error| self.fail(error.into()))?;
        manifest.map(snapshot_of).transpose()
    }
}
