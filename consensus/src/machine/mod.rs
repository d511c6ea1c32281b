//! The append machine: decides, for each committed record, whether it becomes a leaf.
//!
//! Pure and total: the answer depends on the earlier records and the stamped time alone, so every
//! node that applies the same entries has the same leaves. It reads earlier state through
//! [`StateView`] and returns what changes as data; a reject changes nothing.
//!
//! Not here: Raft, files, clocks, and signatures, which are verified before a record is proposed.

mod governance;
mod node;
mod reject;
mod view;

use letopis_ledger::hash::Hash;
use letopis_ledger::id::{AgencyId, RecordId, StreamName};
use letopis_ledger::leaf::{LEAF_MAX_BYTES, Leaf, LeafError};
use letopis_ledger::record::{ClaimOperation, Record, SignedRecord};
use letopis_ledger::{LeafIndex, StreamVersion, Timestamp};

pub(crate) use governance::introduced_keys;
pub use node::{NodeRole, NodeState};
pub use reject::{GenesisPart, Reject};
pub use view::{
    AgencyState, FirstReceipt, KeyState, Layer, LogTail, MemoryView, Nothing, StateView,
    StreamState, Write,
};

/// Most records that one Raft entry carries.
pub(crate) const RECORDS_PER_ENTRY_MAX: usize = 256;

/// Where a record stands in the log: what its author keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The record.
    pub record_id: RecordId,
    /// Its leaf.
    pub leaf_index: LeafIndex,
    /// RFC 6962 hash of the leaf.
    pub leaf_hash: Hash,
    /// When the leader put the record into the log.
    pub time: Timestamp,
    /// Whether the record was in the log already: this is then the first receipt again.
    pub duplicate: bool,
}

/// What the machine decided about one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The record becomes the next leaf.
    Appended(Box<Appended>),
    /// The record, byte for byte, is in the log already.
    Repeated(Receipt),
    /// The record breaks a rule; nothing changes.
    Rejected(Box<Reject>),
}

/// A new leaf and everything that follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The leaf.
    pub leaf: Leaf,
    /// What the author gets.
    pub receipt: Receipt,
    /// Changes of the indexes, in order.
    pub writes: Vec<Write>,
}

/// Decides about one record at the end of the log that the view shows.
///
/// `stamped` is the leader's clock when it made the entry; the leaf's time is never before the
/// previous leaf's.
///
/// # Errors
/// Only those of the view: the machine itself answers every record.
pub fn judge<V: StateView>(
    view: &V,
    stamped: Timestamp,
    signed: &SignedRecord,
) -> Result<Outcome, V::Error> {
    let index = view.tail().size.next_leaf();
    let mut judgement = Judgement { view, signed, index, streams: vec![], writes: vec![] };
    let digest = Hash::of(signed.record_bytes());
    let first = view.receipt(signed.record().id())?;
    if let Some(first) = first
        && first.record_digest == digest
    {
        return Ok(Outcome::Repeated(first.receipt(signed.record().id(), true)));
    }
    match judgement.rules(first)? {
        Err(reject) => Ok(Outcome::Rejected(Box::new(reject))),
        Ok(()) => Ok(judgement.leaf(stamped, digest)),
    }
}

/// One record on its way through the rules.
struct Judgement<'a, V: StateView> {
    view: &'a V,
    signed: &'a SignedRecord,
    index: LeafIndex,
    /// The streams that the record extends as they are before it, in the record's order.
    streams: Vec<Option<StreamState>>,
    writes: Vec<Write>,
}

/// The outer error is the view's, the inner one the record's.
type Ruling<V> = Result<Result<(), Reject>, <V as StateView>::Error>;

macro_rules! hold {
    ($ruling:expr) => {
        if let Err(reject) = $ruling? {
            return Ok(Err(reject));
        }
    };
}
use hold;

impl<'a, V: StateView> Judgement<'a, V> {
    fn rules(&mut self, first: Option<FirstReceipt>) -> Ruling<V> {
        if let Err(reject) = self.log_and_id(first) {
            return Ok(Err(reject));
        }
        if self.index == LeafIndex::ZERO {
            if let Err(reject) = governance::check_genesis(self.signed) {
                return Ok(Err(reject));
            }
        } else {
            hold!(self.author_and_keys());
        }
        hold!(self.ownership());
        if let Err(reject) = self.versions() {
            return Ok(Err(reject));
        }
        hold!(self.governance());
        self.claims()
    }

    fn record(&self) -> &'a Record {
        self.signed.record()
    }

    /// `first` is the record in the log that has the same id.
    fn log_and_id(&self, first: Option<FirstReceipt>) -> Result<(), Reject> {
        let record = self.record();
        if record.log() != self.view.log() {
            return Err(Reject::WrongLog {
                expected: self.view.log().clone(),
                found: record.log().clone(),
            });
        }
        match first {
            Some(first) => Err(Reject::IdReused { id: record.id(), first: first.leaf_index }),
            None => Ok(()),
        }
    }

    fn author_and_keys(&self) -> Ruling<V> {
        let author = self.record().author();
        match self.view.agency(author)? {
            Some(AgencyState { removed: None, .. }) => {}
            Some(AgencyState { removed: Some(removed), .. }) => {
                return Ok(Err(Reject::AgencyRemoved { agency: author.clone(), removed }));
            }
            None => return Ok(Err(Reject::UnknownAgency { agency: author.clone() })),
        }
        for (key, _) in self.signed.signatures() {
            let Some(state) = self.view.key(*key)? else {
                return Ok(Err(Reject::UnknownKey { key: *key }));
            };
            if &state.agency != author {
                return Ok(Err(Reject::ForeignKey {
                    key: *key,
                    owner: state.agency,
                    author: author.clone(),
                }));
            }
            if let Some(revoked) = state.revoked {
                return Ok(Err(Reject::RevokedKey { key: *key, revoked }));
            }
        }
        Ok(Ok(()))
    }

    /// A stream belongs to the author that opened it. Two kinds are opened by the founder alone:
    /// `log`, and `agency/<id>`, which is thereby admitted and owns its stream from then on.
    fn ownership(&mut self) -> Ruling<V> {
        let signed = self.signed;
        let author = signed.record().author();
        let founder = self.view.founder()?.unwrap_or_else(|| author.clone());
        for (stream, _) in signed.record().expected_lengths() {
            let state = self.view.stream(stream)?;
            if let Some(state) = &state {
                if &state.owner != author {
                    return Ok(Err(Reject::StreamOwnedByOther {
                        stream: stream.clone(),
                        owner: state.owner.clone(),
                        author: author.clone(),
                    }));
                }
            } else if governance::opened_by_founder(stream) && author != &founder {
                return Ok(Err(Reject::NotFounder {
                    stream: stream.clone(),
                    founder,
                    author: author.clone(),
                }));
            }
            self.streams.push(state);
        }
        Ok(Ok(()))
    }

    fn versions(&mut self) -> Result<(), Reject> {
        let mut lengths = Vec::new();
        let streams = std::mem::take(&mut self.streams);
        for ((stream, expected), known) in self.record().expected_lengths().into_iter().zip(streams)
        {
            let actual = known.as_ref().map_or(StreamVersion::ZERO, |state| state.length);
            if expected != actual {
                let stream = stream.clone();
                return Err(Reject::VersionConflict { stream, expected, actual });
            }
            let owner = known.map_or_else(|| self.owner_of_new(stream), |state| state.owner);
            let events = self.record().events().iter().filter(|event| &event.stream == stream);
            let length = StreamVersion::new(actual.get() + events.count() as u64);
            lengths.push(Write::Stream(stream.clone(), StreamState { length, owner }));
        }
        self.writes.extend(lengths);
        Ok(())
    }

    fn owner_of_new(&self, stream: &StreamName) -> AgencyId {
        stream.agency().unwrap_or_else(|| self.record().author().clone())
    }

    fn governance(&mut self) -> Ruling<V> {
        let author = self.signed.record().author();
        let mut account = governance::Account::new(self.view, author, self.index);
        for event in self.record().events() {
            hold!(account.take(event));
        }
        self.writes.extend(account.into_writes());
        Ok(Ok(()))
    }

    fn claims(&mut self) -> Ruling<V> {
        for claim in self.record().claims() {
            let holder = self.view.claim(&claim.name)?;
            let after = match (claim.operation, holder) {
                (ClaimOperation::Take, None) => Some(claim.holder.clone()),
                (ClaimOperation::Take, Some(holder)) => {
                    return Ok(Err(Reject::ClaimTaken { name: claim.name.clone(), holder }));
                }
                (ClaimOperation::Release, Some(holder)) if holder == claim.holder => None,
                (ClaimOperation::Release, holder) => {
                    return Ok(Err(Reject::ClaimNotHeld {
                        name: claim.name.clone(),
                        by: claim.holder.clone(),
                        holder,
                    }));
                }
            };
            self.writes.push(Write::Claim(claim.name.clone(), after));
        }
        Ok(Ok(()))
    }

    fn leaf(self, stamped: Timestamp, record_digest: Hash) -> Outcome {
        let tail = self.view.tail();
        let time = stamped.max(tail.last_time);
        let made = Leaf::new(self.index, tail.last_leaf, time, self.signed.clone());
        let leaf = match made {
            Ok(leaf) => leaf,
            Err(LeafError::TooLarge { found_bytes }) => {
                let limit_bytes = LEAF_MAX_BYTES;
                let reject = Reject::LeafTooLarge { found_bytes, limit_bytes };
                return Outcome::Rejected(Box::new(reject));
            }
            Err(error) => unreachable!("invariant: a checked record makes a leaf: {error}"),
        };
        let first =
            FirstReceipt { leaf_index: self.index, leaf_hash: leaf.hash(), record_digest, time };
        let record_id = self.signed.record().id();
        let mut writes = self.writes;
        writes.push(Write::Record(record_id, first));
        let receipt = first.receipt(record_id, false);
        Outcome::Appended(Box::new(Appended { leaf, receipt, writes }))
    }
}

#[cfg(test)]
mod test;
#[cfg(test)]
pub(crate) mod test_records;
