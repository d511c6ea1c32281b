//! What governance events do to agencies, keys, nodes and the policy.
//!
//! Not here: the shapes of the events (`letopis_ledger::governance`), and who may write them; the
//! ownership of streams decides that.

use letopis_ledger::LeafIndex;
use letopis_ledger::governance::{GovernanceEvent, LOG_STREAM};
use letopis_ledger::id::{AgencyId, StreamName};
use letopis_ledger::key::{AuthorKey, AuthorKeyId};
use letopis_ledger::record::{Event, SignedRecord};

use super::node::NodeAccount;
use super::reject::{GenesisPart, Reject};
use super::view::{AgencyState, KeyState, StateView, Write};
use super::{Ruling, hold};

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
    author: &'a AgencyId,
    index: LeafIndex,
    agencies: Vec<(AgencyId, AgencyState)>,
    keys: Vec<(AuthorKeyId, KeyState)>,
    /// Read when the first event about nodes comes.
    nodes: Option<NodeAccount>,
    policy: Option<String>,
}

impl<'a, V: StateView> Account<'a, V> {
    pub(super) const fn new(view: &'a V, author: &'a AgencyId, index: LeafIndex) -> Self {
        Self {
            view,
            author,
            index,
            agencies: Vec::new(),
            keys: Vec::new(),
            nodes: None,
            policy: None,
        }
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
        self.apply(read)
    }

    fn apply(&mut self, event: GovernanceEvent) -> Ruling<V> {
        match event {
            GovernanceEvent::AgencyAdmitted { agency, .. } => {
                let state = AgencyState { admitted: self.index, removed: None };
                self.agencies.push((agency, state));
                Ok(Ok(()))
            }
            GovernanceEvent::AgencyRemoved { agency } => self.remove_agency(agency),
            GovernanceEvent::KeyIntroduced { agency, key } => self.introduce(agency, key),
            GovernanceEvent::KeyRevoked { agency, key } => self.revoke(agency, key),
            GovernanceEvent::PolicySet { policy } => {
                self.policy = Some(policy);
                Ok(Ok(()))
            }
            GovernanceEvent::NodeAdmitted { node, agency, address, key } => {
                hold!(self.agency_in_force(&agency));
                Ok(self.nodes()?.admit(node, agency, address, key))
            }
            GovernanceEvent::NodePromoted { node } => Ok(self.nodes()?.promote(node)),
            GovernanceEvent::NodeDemoted { node } => Ok(self.nodes()?.demote(node)),
            GovernanceEvent::NodeRemoved { node } => Ok(self.nodes()?.remove(node)),
            GovernanceEvent::NodeMoved { agency, node, address, key } => {
                Ok(self.nodes()?.relocate(node, &agency, address, key))
            }
            GovernanceEvent::LogRecovered { size, lost, .. } => {
                if size.get() > self.index.get() {
                    return Ok(Err(Reject::RecoveryBeyondLog { size, leaf: self.index }));
                }
                Ok(self.nodes()?.check_known(&lost))
            }
        }
    }

    /// What the account changes.
    pub(super) fn into_writes(self) -> impl Iterator<Item = Write> {
        let agencies = self.agencies.into_iter().map(|(id, state)| Write::Agency(id, state));
        let keys = self.keys.into_iter().map(|(id, state)| Write::Key(id, state));
        let nodes = self.nodes.into_iter().flat_map(NodeAccount::into_writes);
        agencies.chain(keys).chain(nodes).chain(self.policy.map(Write::Policy))
    }

    fn remove_agency(&mut self, agency: AgencyId) -> Ruling<V> {
        let founder = self.view.founder()?.unwrap_or_else(|| self.author.clone());
        if agency == founder {
            return Ok(Err(Reject::FounderStays { founder }));
        }
        hold!(self.agency_in_force(&agency));
        if let Err(reject) = self.nodes()?.remove_all_of(&agency) {
            return Ok(Err(reject));
        }
        let known = self.agency(&agency)?.expect("invariant: an agency in force is known");
        self.agencies.retain(|(other, _)| other != &agency);
        self.agencies.push((agency, AgencyState { removed: Some(self.index), ..known }));
        Ok(Ok(()))
    }

    fn agency_in_force(&self, agency: &AgencyId) -> Ruling<V> {
        Ok(match self.agency(agency)? {
            Some(AgencyState { removed: None, .. }) => Ok(()),
            known => {
                let removed = known.and_then(|state| state.removed);
                Err(Reject::AgencyNotInForce { agency: agency.clone(), removed })
            }
        })
    }

    fn agency(&self, agency: &AgencyId) -> Result<Option<AgencyState>, V::Error> {
        match self.agencies.iter().find(|(known, _)| known == agency) {
            Some((_, state)) => Ok(Some(*state)),
            None => self.view.agency(agency),
        }
    }

    fn nodes(&mut self) -> Result<&mut NodeAccount, V::Error> {
        if self.nodes.is_none() {
            self.nodes = Some(NodeAccount::new(self.index, self.view.nodes()?));
        }
        Ok(self.nodes.as_mut().expect("invariant: the nodes were read"))
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
