//! What governance events do to agencies, keys and the policy.
//!
//! Not here: the shapes of the events (`letopis_ledger::governance`), and who may write them; the
//! ownership of streams decides that.

use letopis_ledger::LeafIndex;
use letopis_ledger::governance::{GovernanceEvent, LOG_STREAM};
use letopis_ledger::id::{AgencyId, StreamName};
use letopis_ledger::key::{AuthorKey, AuthorKeyId};
use letopis_ledger::record::{Event, SignedRecord};

use super::Ruling;
use super::reject::{GenesisPart, Reject};
use super::view::{AgencyState, KeyState, StateView, Write};

/// Whether only the founder of the log may open this stream.
pub(super) fn opened_by_founder(stream: &StreamName) -> bool {
    stream.agency().is_some() || stream.kind() == LOG_STREAM
}

/// Keys that a record introduces for its own author: what a genesis record is verified with.
pub(crate) fn introduced_keys(signed: &SignedRecord) -> impl Iterator<Item = AuthorKey> + '_ {
    signed.record().events().iter().filter_map(|event| match GovernanceEvent::read(event) {
        Ok(GovernanceEvent::KeyIntroduced { agency, key }) => {
            (&agency == signed.record().author()).then_some(key)
        }
        _ => None,
    })
}

/// The first record admits its author, introduces the keys that signed it and sets the policy.
pub(super) fn check_genesis(signed: &SignedRecord) -> Result<(), Reject> {
    let author = signed.record().author();
    let events =
        || signed.record().events().iter().filter_map(|event| GovernanceEvent::read(event).ok());
    let require = |held: bool, missing: GenesisPart| {
        if held { Ok(()) } else { Err(Reject::NotGenesis { missing }) }
    };
    let admission = |event| match event {
        GovernanceEvent::AgencyAdmitted { agency, .. } => &agency == author,
        _ => false,
    };
    require(events().any(admission), GenesisPart::Admission)?;
    let introduced = |key: AuthorKeyId| introduced_keys(signed).any(|known| known.id() == key);
    require(signed.signatures().iter().all(|(key, _)| introduced(*key)), GenesisPart::Key)?;
    let sets = |event| matches!(event, GovernanceEvent::PolicySet { .. });
    require(events().any(sets), GenesisPart::Policy)
}

/// The account of one record's governance events over the state before it.
pub(super) struct Account<'a, V: StateView> {
    view: &'a V,
    index: LeafIndex,
    agencies: Vec<(AgencyId, AgencyState)>,
    keys: Vec<(AuthorKeyId, KeyState)>,
    policy: Option<String>,
}

impl<'a, V: StateView> Account<'a, V> {
    pub(super) const fn new(view: &'a V, index: LeafIndex) -> Self {
        Self { view, index, agencies: Vec::new(), keys: Vec::new(), policy: None }
    }

    /// Takes the next event of the record; events of other streams change nothing here.
    pub(super) fn take(&mut self, event: &Event) -> Ruling<V> {
        if !GovernanceEvent::governs(&event.stream) {
            return Ok(Ok(()));
        }
        let read = match GovernanceEvent::read(event) {
            Ok(read) => read,
            Err(reason) => {
                return Ok(Err(Reject::GovernanceMalformed {
                    stream: event.stream.clone(),
                    version: event.version,
                    reason,
                }));
            }
        };
        if let Some(agency) = event.stream.agency() {
            let admission = matches!(read, GovernanceEvent::AgencyAdmitted { .. });
            if admission != (event.version.get() == 0) {
                return Ok(Err(Reject::AdmissionOutOfPlace { agency }));
            }
        }
        match read {
            GovernanceEvent::AgencyAdmitted { agency, .. } => {
                self.agencies.push((agency, AgencyState { admitted: self.index }));
                Ok(Ok(()))
            }
            GovernanceEvent::KeyIntroduced { agency, key } => self.introduce(agency, key),
            GovernanceEvent::KeyRevoked { agency, key } => self.revoke(agency, key),
            GovernanceEvent::PolicySet { policy } => {
                self.policy = Some(policy);
                Ok(Ok(()))
            }
        }
    }

    /// What the account changes.
    pub(super) fn into_writes(self) -> impl Iterator<Item = Write> {
        let agencies = self.agencies.into_iter().map(|(id, state)| Write::Agency(id, state));
        let keys = self.keys.into_iter().map(|(id, state)| Write::Key(id, state));
        agencies.chain(keys).chain(self.policy.map(Write::Policy))
    }

    fn introduce(&mut self, agency: AgencyId, key: AuthorKey) -> Ruling<V> {
        if let Some(known) = self.key(key.id())? {
            return Ok(Err(Reject::KeyKnown { key: key.id(), agency: known.agency }));
        }
        let state = KeyState { key, agency, introduced: self.index, revoked: None };
        self.keys.push((key.id(), state));
        Ok(Ok(()))
    }

    fn revoke(&mut self, agency: AgencyId, key: AuthorKeyId) -> Ruling<V> {
        match self.key(key)? {
            Some(state) if state.agency == agency && state.revoked.is_none() => {
                self.keys.retain(|(known, _)| *known != key);
                self.keys.push((key, KeyState { revoked: Some(self.index), ..state }));
                Ok(Ok(()))
            }
            _ => Ok(Err(Reject::KeyNotInForce { key, agency })),
        }
    }

    fn key(&self, key: AuthorKeyId) -> Result<Option<KeyState>, V::Error> {
        match self.keys.iter().find(|(known, _)| *known == key) {
            Some((_, state)) => Ok(Some(state.clone())),
            None => self.view.key(key),
        }
    }
}
