//! The read side: tables folded from leaves, one file per projection.
//!
//! Each projection is a pure fold `(leaf, event) → rows`; the position stands in the same
//! transaction as the rows, so tables and position never disagree. The whole file can be dropped
//! and built again to the same content hash. A projection never feeds the ledger's machine; what
//! commands read from here is checked again by versions and claims.
//!
//! Look-ups by private values go through keyed digests (`lookup`). Not here: who may see what.

mod areas;
mod cases;
mod claims;
mod complex;
mod consultations;
mod content;
mod control;
mod database;
mod decisions;
mod entries;
mod follow_ups;
mod intake;
mod known_answers;
mod lookup;
mod messages;
mod misplaced;
mod notices;
mod offers;
mod packs;
mod papers;
mod past;
mod payments;
mod precedents;
mod proposals;
mod provided;
mod requests;
mod row;
mod searched;
mod staff;
mod statistics;
mod streams;
mod system;
mod traces;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use letopis_ledger::id::AgencyId;
use letopis_ledger::leaf::Leaf;
use letopis_ledger::record::{Event, Record};
use letopis_ledger::{Hash, LeafIndex, Timestamp, TreeSize};
use rusqlite::{Connection, Transaction};
use thiserror::Error;

pub use areas::EntriesMet;
pub use cases::{CaseCounts, CaseRow};
pub use complex::{ComplexRow, ComplexWait};
pub use consultations::ConsultationRow;
pub use control::{ControlQuery, ControlRow, DecidedRow, OfficialFigures, OpenRequest, Stage};
pub use decisions::{DecisionRow, GroundCount};
pub use entries::{EntryChange, EntryRow, EntryStatus};
pub use follow_ups::FollowUpRow;
pub use intake::NotTakenRow;
pub use known_answers::KnownAnswer;
pub use lookup::EntryQuery;
pub use messages::MessageRow;
pub use misplaced::MisplacedRow;
pub use notices::NoticeRow;
pub use offers::OfferRow;
pub use packs::PackRow;
pub use papers::PaperRow;
pub use payments::PaymentRow;
pub use precedents::{PrecedentQuery, PrecedentRow};
pub use proposals::ProposalRow;
pub use provided::ProvidedRow;
pub use requests::{EscalatedRow, RequestRow, SubrequestRow};
pub use searched::{CaseSearch, FoundCase};
pub use staff::WorkRow;
pub use streams::StreamEventRow;
pub use system::{AsOf, SystemDigest, SystemRegistry, SystemRow};
pub use traces::{CategoryCount, TraceStatistics};

use crate::event::{DomainEvent, EventError};
use crate::private::{PrivateError, PrivateStore};
use crate::secret::AgencySecret;
use database::Readers;

/// Why the read model failed. The ledger is not touched by it.
#[derive(Debug, Error)]
pub enum ProjectionError {
    /// The database failed.
    #[error("read model {path}: {source}; stop the node, remove the file, and it is built again")]
    Database {
        /// The file.
        path: PathBuf,
        /// What the database says.
        source: rusqlite::Error,
    },
    /// A leaf was offered that is not the next one.
    #[error("read model: leaf {found} was offered where leaf {expected} must follow")]
    Gap {
        /// The leaf that must follow.
        expected: LeafIndex,
        /// The leaf offered.
        found: LeafIndex,
    },
    /// The private store failed while a look-up table was folded.
    #[error("{0}")]
    Private(#[from] PrivateError),
}

/// A value with the size of the log that it reflects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reflected<T> {
    /// Leaves folded so far.
    pub size: TreeSize,
    /// The value.
    pub value: T,
}

/// The tables.
#[derive(Debug)]
pub struct ReadModel {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Readers,
    secret: Arc<AgencySecret>,
    private: PrivateStore,
    agency: OnceLock<AgencyId>,
}

/// Where an event stands.
struct Place<'a> {
    leaf: LeafIndex,
    time: Timestamp,
    author: &'a AgencyId,
    event: &'a Event,
    /// The record that has the event.
    record: &'a Record,
}

/// One projection: its tables, and how an event changes them.
struct Projection {
    /// Statements that make the tables.
    tables: &'static str,
    /// Names of the tables with the columns that order their rows.
    content: &'static [(&'static str, &'static str)],
    /// The fold.
    fold: fn(&Fold<'_>, &Place<'_>, &DomainEvent) -> Result<(), ProjectionError>,
}

/// What a fold may use.
struct Fold<'a> {
    transaction: &'a Transaction<'a>,
    model: &'a ReadModel,
}

const PROJECTIONS: &[Projection] = &[
    cases::PROJECTION,
    requests::PROJECTION,
    decisions::PROJECTION,
    entries::PROJECTION,
    areas::PROJECTION,
    // Before notices: what a notice tells depends on what its case is about.
    follow_ups::PROJECTION,
    known_answers::PROJECTION,
    intake::PROJECTION,
    lookup::PROJECTION,
    notices::PROJECTION,
    offers::PROJECTION,
    payments::PROJECTION,
    messages::PROJECTION,
    searched::PROJECTION,
    papers::PROJECTION,
    packs::PROJECTION,
    proposals::PROJECTION,
    provided::PROJECTION,
    system::PROJECTION,
    staff::PROJECTION,
    complex::PROJECTION,
    consultations::PROJECTION,
    // After requests: the stage of a case is read from them.
    control::PROJECTION,
    traces::PROJECTION,
];

impl ReadModel {
    /// Opens or makes the tables.
    ///
    /// # Errors
    /// The file cannot be opened, or is of another shape.
    pub fn open(
        path: &Path,
        secret: Arc<AgencySecret>,
        private: PrivateStore,
    ) -> Result<Self, ProjectionError> {
        let database = |source| ProjectionError::Database { path: path.to_path_buf(), source };
        let writer = database::open(path).map_err(database)?;
        Ok(Self {
            path: path.to_path_buf(),
            writer: Mutex::new(writer),
            readers: Readers::new(path),
            secret,
            private,
            agency: OnceLock::new(),
        })
    }

    /// Says whose registries these are: a registry belongs to the agency whose pack declares it,
    /// and a node decides by packs of its own agency only. Entries that another agency wrote under
    /// the same name stand in the log but in no answer; before this is called, no entry does.
    ///
    /// # Panics
    /// The tables were given to another agency before.
    pub fn serve(&self, agency: &AgencyId) {
        let serves = self.agency.get_or_init(|| agency.clone());
        assert_eq!(serves, agency, "invariant: one read model serves one agency");
    }

    /// The agency whose entries and packs count; the empty text, which names none, before it is
    /// known.
    fn owner(&self) -> &str {
        self.agency.get().map_or("", AgencyId::as_str)
    }

    /// Leaves folded so far.
    ///
    /// # Errors
    /// The database failed.
    pub fn size(&self) -> Result<TreeSize, ProjectionError> {
        Ok(self.query(|_| Ok(()))?.size)
    }

    /// Folds leaves in one transaction; those that were folded already are skipped.
    ///
    /// # Errors
    /// A gap, or the database failed; nothing of the batch was folded then.
    ///
    /// # Panics
    /// A fold panicked before.
    pub fn fold(&self, leaves: &[Leaf]) -> Result<TreeSize, ProjectionError> {
        let mut writer = self.writer.lock().expect("invariant: no fold panics");
        let transaction = writer.transaction().map_err(|e| self.failed(e))?;
        let mut size = database::position(&transaction).map_err(|e| self.failed(e))?;
        for leaf in leaves {
            if leaf.index() < size.next_leaf() {
                continue;
            }
            if leaf.index() != size.next_leaf() {
                let (expected, found) = (size.next_leaf(), leaf.index());
                return Err(ProjectionError::Gap { expected, found });
            }
            self.fold_leaf(&transaction, leaf)?;
            size = leaf.index().tree_size();
        }
        database::set_position(&transaction, size).map_err(|e| self.failed(e))?;
        transaction.commit().map_err(|e| self.failed(e))?;
        Ok(size)
    }

    fn fold_leaf(&self, transaction: &Transaction<'_>, leaf: &Leaf) -> Result<(), ProjectionError> {
        let fold = Fold { transaction, model: self };
        let record = leaf.record();
        claims::fold(&fold, leaf)?;
        for event in record.events() {
            let (index, time) = (leaf.index(), leaf.time());
            let place = Place { leaf: index, time, author: record.author(), event, record };
            match DomainEvent::read(event) {
                Ok(None) => {}
                Ok(Some(read)) => {
                    streams::fold(&fold, &place)?;
                    if misplaced::fold(&fold, &place, &read)?.is_some() {
                        continue;
                    }
                    for projection in PROJECTIONS {
                        (projection.fold)(&fold, &place, &read)?;
                    }
                }
                Err(error) => streams::fold_unreadable(&fold, &place, &error)?,
            }
        }
        Ok(())
    }

    /// Drops every row; the next fold begins with leaf 0.
    ///
    /// # Errors
    /// The database failed; nothing was dropped then.
    ///
    /// # Panics
    /// A fold panicked before.
    pub fn reset(&self) -> Result<(), ProjectionError> {
        let mut writer = self.writer.lock().expect("invariant: no fold panics");
        database::reset(&mut writer).map_err(|e| self.failed(e))
    }

    /// SHA-256 over every row of every table in a fixed order, and the size that it is of.
    ///
    /// # Errors
    /// The database failed.
    pub fn content_hash(&self) -> Result<Reflected<Hash>, ProjectionError> {
        self.query(content::hash)
    }

    /// Runs queries on one state of the tables, with the size that it reflects.
    fn query<T>(
        &self,
        queries: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Reflected<T>, ProjectionError> {
        self.readers.query(queries).map_err(|e| self.failed(e))
    }

    fn failed(&self, source: rusqlite::Error) -> ProjectionError {
        ProjectionError::Database { path: self.path.clone(), source }
    }
}

impl Fold<'_> {
    /// Runs a statement that is used for many events.
    fn run(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<(), ProjectionError> {
        let run = || self.transaction.prepare_cached(sql)?.execute(parameters);
        run().map(|_rows| ()).map_err(|e| self.model.failed(e))
    }
}

impl EventError {
    /// A short name of the broken rule, for the table of unreadable events.
    fn rule(&self) -> &'static str {
        match self {
            Self::Field(_) => "shape",
            Self::Unknown { .. } => "unknown",
            Self::Stream(_) => "stream",
        }
    }
}

#[cfg(test)]
mod test;
