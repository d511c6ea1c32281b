//! Who may sign what at each position, as the log itself says.
//!
//! An account of the governance events, kept by the verifier in its own words: the founder is the
//! author of leaf 0; it alone admits agencies and sets the policy; an agency brings and revokes
//! its own keys.

use std::collections::BTreeMap;

use letopis_ledger::checkpoint::Origin;
use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::id::AgencyId;
use letopis_ledger::key::{AuthorKey, AuthorKeyId};
use letopis_ledger::leaf::Leaf;
use letopis_ledger::record::Record;
use letopis_ledger::{LeafIndex, StreamVersion};

use crate::finding::{Finding, Rule};

/// Agencies, keys and the policy in force after the leaves seen so far.
#[derive(Debug)]
pub struct Parties {
    origin: Origin,
    founder: Option<AgencyId>,
    agencies: BTreeMap<AgencyId, LeafIndex>,
    keys: BTreeMap<AuthorKeyId, Standing>,
    policy: Option<String>,
    /// Leaves that set another policy after the first one.
    policy_changes: Vec<LeafIndex>,
}

/// A key and since when it may no longer be used.
#[derive(Debug)]
struct Standing {
    agency: AgencyId,
    key: AuthorKey,
    revoked: Option<LeafIndex>,
}

impl Parties {
    /// Nobody yet, in the log of this name.
    #[must_use]
    pub const fn new(origin: Origin) -> Self {
        Self {
            origin,
            founder: None,
            agencies: BTreeMap::new(),
            keys: BTreeMap::new(),
            policy: None,
            policy_changes: Vec::new(),
        }
    }

    /// Leaves that set another policy after the first one.
    #[must_use]
    pub fn policy_changes(&self) -> &[LeafIndex] {
        &self.policy_changes
    }

    /// The policy text in force.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        self.policy.as_deref()
    }

    /// Number of admitted agencies.
    #[must_use]
    pub fn agency_count(&self) -> usize {
        self.agencies.len()
    }

    /// Judges the leaf at a place and takes in its governance events. Gives the keys under which
    /// its signatures must verify, in the order of the signatures.
    pub fn take(
        &mut self,
        place: LeafIndex,
        leaf: &Leaf,
        report: &mut impl FnMut(Finding),
    ) -> Vec<AuthorKey> {
        let record = leaf.record();
        if record.log() != &self.origin {
            let detail = format!("the record was made for log {:?}", record.log().as_str());
            report(Finding::at(Rule::LogOrigin, place, detail));
        }
        let is_genesis = place == LeafIndex::ZERO;
        if is_genesis {
            // Leaf 0 introduces the key it is signed with, so its events come first.
            self.founder = Some(record.author().clone());
            self.govern(place, record, report);
            if self.policy.is_none() {
                let detail = "the first leaf sets no policy, so nobody's signature would count";
                report(Finding::at(Rule::PolicyInLog, place, detail));
            }
        }
        let keys = if self.agencies.contains_key(record.author()) {
            self.keys_of(place, leaf, report)
        } else {
            // Without an admission there can be no key of this author to check with.
            let detail = format!("author {} was not admitted", record.author());
            report(Finding::at(Rule::AuthorAdmitted, place, detail));
            Vec::new()
        };
        if !is_genesis {
            self.govern(place, record, report);
        }
        keys
    }

    fn keys_of(
        &self,
        place: LeafIndex,
        leaf: &Leaf,
        report: &mut impl FnMut(Finding),
    ) -> Vec<AuthorKey> {
        let mut keys = Vec::with_capacity(leaf.signatures().len());
        for (id, _) in leaf.signatures() {
            let problem = match self.keys.get(id) {
                None => format!("key {id} was never introduced"),
                Some(standing) if &standing.agency != leaf.record().author() => {
                    format!("key {id} belongs to {}", standing.agency)
                }
                // A record that revokes a key may still be signed with it.
                Some(Standing { revoked: Some(at), .. }) if *at < place => {
                    format!("key {id} was revoked at leaf {at}")
                }
                Some(standing) => {
                    keys.push(standing.key);
                    continue;
                }
            };
            report(Finding::at(Rule::KeyInForce, place, problem));
        }
        keys
    }

    /// Takes in the governance events of a record. What nobody had the right to do is reported
    /// and has no effect.
    fn govern(&mut self, place: LeafIndex, record: &Record, report: &mut impl FnMut(Finding)) {
        let events = record.events().iter();
        for event in events.filter(|event| GovernanceEvent::governs(&event.stream)) {
            let judged =
                GovernanceEvent::read(event).map_err(|error| error.to_string()).and_then(|read| {
                    self.allow(place, &read, record.author(), event.version)?;
                    Ok(read)
                });
            match judged {
                Ok(read) => self.apply(read, place),
                Err(problem) => report(Finding::at(Rule::Governance, place, problem)),
            }
        }
    }

    /// Who may make which governance event.
    fn allow(
        &self,
        place: LeafIndex,
        event: &GovernanceEvent,
        author: &AgencyId,
        version: StreamVersion,
    ) -> Result<(), String> {
        let by_founder = self.founder.as_ref() == Some(author);
        // The founder admits an agency and, in the same record, brings its first keys.
        let admitted_here = |agency| by_founder && self.agencies.get(agency) == Some(&place);
        match event {
            GovernanceEvent::PolicySet { .. } if by_founder => Ok(()),
            GovernanceEvent::PolicySet { .. } => {
                Err(format!("{author} set the policy; only the founder may"))
            }
            GovernanceEvent::AgencyAdmitted { agency, .. } if !by_founder => {
                Err(format!("{author} admitted {agency}; only the founder may"))
            }
            GovernanceEvent::AgencyAdmitted { agency, .. } => {
                if version != StreamVersion::ZERO || self.agencies.contains_key(agency) {
                    return Err(format!("{agency} was admitted twice"));
                }
                Ok(())
            }
            GovernanceEvent::KeyIntroduced { agency, key } => {
                if author != agency && !admitted_here(agency) {
                    return Err(format!("{author} introduced a key of {agency}"));
                }
                match self.keys.get(&key.id()) {
                    None => Ok(()),
                    Some(known) => {
                        let (id, owner) = (key.id(), &known.agency);
                        Err(format!("key {id} was introduced before, by {owner}"))
                    }
                }
            }
            GovernanceEvent::KeyRevoked { agency, key } => {
                if author != agency && !admitted_here(agency) {
                    return Err(format!("{author} revoked a key of {agency}"));
                }
                match self.keys.get(key) {
                    Some(known) if known.revoked.is_none() && &known.agency == agency => Ok(()),
                    _ => Err(format!("key {key} of {agency} is not in force")),
                }
            }
        }
    }

    fn apply(&mut self, event: GovernanceEvent, place: LeafIndex) {
        match event {
            GovernanceEvent::AgencyAdmitted { agency, .. } => {
                self.agencies.insert(agency, place);
            }
            GovernanceEvent::KeyIntroduced { agency, key } => {
                self.keys.insert(key.id(), Standing { agency, key, revoked: None });
            }
            GovernanceEvent::KeyRevoked { key, .. } => {
                if let Some(standing) = self.keys.get_mut(&key) {
                    standing.revoked = Some(place);
                }
            }
            GovernanceEvent::PolicySet { policy } => {
                if self.policy.replace(policy).is_some() {
                    self.policy_changes.push(place);
                }
            }
        }
    }
}
