//! Judging that goes wrong on purpose, for nodes with a planted bug (`crate::sabotage`).

use letopis_ledger::Timestamp;
use letopis_ledger::checkpoint::Origin;
use letopis_ledger::id::{AgencyId, ClaimName, NodeId, RecordId, StreamName};
use letopis_ledger::key::AuthorKeyId;
use letopis_ledger::record::SignedRecord;

use super::{IndexView, StoreError};
use crate::machine::{
    AgencyState, FirstReceipt, KeyState, Layer, LogTail, NodeState, Outcome, StateView,
    StreamState, judge,
};

type State<'s> = Layer<IndexView<'s>>;

/// A state that remembers no record, at an end of the log that need not be its own.
struct Forgetful<'a, 's> {
    state: &'a State<'s>,
    tail: LogTail,
}

/// Judges a record as if it had never been seen.
pub(super) fn judge_anew(
    state: &State<'_>,
    stamped: Timestamp,
    signed: &SignedRecord,
) -> Result<Outcome, StoreError> {
    judge(&Forgetful { state, tail: state.tail() }, stamped, signed)
}

/// Judges a record again by the state before it, as the next leaf after it.
pub(super) fn judge_again(
    before: &State<'_>,
    tail: LogTail,
    stamped: Timestamp,
    signed: &SignedRecord,
) -> Result<Outcome, StoreError> {
    judge(&Forgetful { state: before, tail }, stamped, signed)
}

impl StateView for Forgetful<'_, '_> {
    type Error = StoreError;

    fn log(&self) -> &Origin {
        self.state.log()
    }

    fn tail(&self) -> LogTail {
        self.tail
    }

    fn founder(&self) -> Result<Option<AgencyId>, StoreError> {
        self.state.founder()
    }

    fn receipt(&self, _: RecordId) -> Result<Option<FirstReceipt>, StoreError> {
        Ok(None)
    }

    fn stream(&self, name: &StreamName) -> Result<Option<StreamState>, StoreError> {
        self.state.stream(name)
    }

    fn claim(&self, name: &ClaimName) -> Result<Option<StreamName>, StoreError> {
        self.state.claim(name)
    }

    fn key(&self, id: AuthorKeyId) -> Result<Option<KeyState>, StoreError> {
        self.state.key(id)
    }

    fn agency(&self, id: &AgencyId) -> Result<Option<AgencyState>, StoreError> {
        self.state.agency(id)
    }

    fn node(&self, id: NodeId) -> Result<Option<NodeState>, StoreError> {
        self.state.node(id)
    }

    fn nodes(&self) -> Result<Vec<(NodeId, NodeState)>, StoreError> {
        self.state.nodes()
    }

    fn policy(&self) -> Result<Option<String>, StoreError> {
        self.state.policy()
    }
}
