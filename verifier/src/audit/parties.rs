//! Who may sign what at each position, as the log itself says.
//!
//! An account of the governance events, kept by the verifier in its own words: the founder is the
//! author of leaf 0; it alone admits agencies and sets the policy; an agency brings and revokes
//! its own keys.

use std::collections::BTreeMap;

use letopis_ledger::LeafIndex;
use letopis_ledger::checkpoint::Origin;
use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::id::AgencyId;
use letopis_ledger::key::{AuthorKey, AuthorKeyId};
use letopis_ledger::leaf::Leaf;

use crate::finding::{Finding, Rule};

/// Agencies, keys and the policy in force after the leaves seen so far.
#[derive(Debug, Default)]
pub struct Parties {
    origin: Option<Origin>,
    founder: Option<AgencyId>,
    agencies: BTreeMap<AgencyId, LeafIndex>,
    keys: BTreeMap<AuthorKeyId, Standing>,
    policy: Option<String>,
}

/// A key and since when it may no longer be used.
#[derive(Debug)]
struct Standing {
    agency: AgencyId,
    key: AuthorKey,
    revoked: Option<LeafIndex>,
}

impl Parties {
    /// The log's name, as leaf 0 gives it.
    #[must_use]
    pub const fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
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

    /// Judges the next leaf and takes in its governance events. Gives the keys under which its
    /// signatures must verify, in the order of the signatures.
    pub fn take(&mut self, leaf: &Leaf, report: &mut impl FnMut(Finding)) -> Vec<AuthorKey> {
        let record = leaf.record();
        let origin = self.origin.get_or_insert_with(|| record.log().clone());
        if origin != record.log() {
            let detail = format!("the record was made for log {:?}", record.log().as_str());
            report(Finding::at(Rule::LogOrigin, leaf.index(), detail));
        }
        let genesis = self.founder.is_none();
        if genesis {
            // Leaf 0 introduces the key it is signed with, so its events come first.
            self.founder = Some(record.author().clone());
            self.govern(leaf, report);
        }
        if !self.agencies.contains_key(record.author()) {
            let detail = format!("author {} was not admitted", record.author());
            report(Finding::at(Rule::AuthorAdmitted, leaf.index(), detail));
        }
        let keys = self.keys_of(leaf, report);
        if !genesis {
            self.govern(leaf, report);
        }
        keys
    }

    fn keys_of(&self, leaf: &Leaf, report: &mut impl FnMut(Finding)) -> Vec<AuthorKey> {
        let mut keys = Vec::new();
        for (id, _) in leaf.signatures() {
            let problem = match self.keys.get(id) {
                None => format!("key {id} was never introduced"),
                Some(standing) if &standing.agency != leaf.record().author() => {
                    format!("key {id} belongs to {}", standing.agency)
                }
                Some(Standing { revoked: Some(at), .. }) => {
                    format!("key {id} was revoked at leaf {at}")
                }
                Some(standing) => {
                    keys.push(standing.key);
                    continue;
                }
            };
            report(Finding::at(Rule::KeyInForce, leaf.index(), problem));
        }
        keys
    }

    fn govern(&mut self, leaf: &Leaf, report: &mut impl FnMut(Finding)) {
        let author = leaf.record().author();
        for event in leaf.record().events() {
            if !GovernanceEvent::governs(&event.stream) {
                continue;
            }
            let read = match GovernanceEvent::read(event) {
                Ok(read) => read,
                Err(error) => {
                    report(Finding::at(Rule::Governance, leaf.index(), error.to_string()));
                    continue;
                }
            };
            if let Err(problem) = self.allow(&read, author, event.version.get()) {
                report(Finding::at(Rule::Governance, leaf.index(), problem));
            }
            self.apply(read, leaf.index());
        }
    }

    /// Who may make which governance event.
    fn allow(
        &self,
        event: &GovernanceEvent,
        author: &AgencyId,
        version: u64,
    ) -> Result<(), String> {
        let by_founder = self.founder.as_ref() == Some(author);
        match event {
            GovernanceEvent::PolicySet { .. } if !by_founder => {
                Err(format!("{author} set the policy; only the founder may"))
            }
            GovernanceEvent::AgencyAdmitted { agency, .. } => {
                if !by_founder {
                    return Err(format!("{author} admitted {agency}; only the founder may"));
                }
                if version != 0 || self.agencies.contains_key(agency) {
                    return Err(format!("{agency} was admitted twice"));
                }
                Ok(())
            }
            GovernanceEvent::KeyIntroduced { agency, key } => {
                // The founder brings the first keys of an agency in the record that admits it.
                let first = by_founder && self.keys.values().all(|known| &known.agency != agency);
                if author != agency && !first {
                    return Err(format!("{author} introduced a key of {agency}"));
                }
                if self.keys.contains_key(&key.id()) {
                    return Err(format!("key {} was introduced twice", key.id()));
                }
                Ok(())
            }
            GovernanceEvent::KeyRevoked { agency, key } => {
                if author != agency {
                    return Err(format!("{author} revoked a key of {agency}"));
                }
                match self.keys.get(key) {
                    Some(Standing { revoked: None, agency: owner, .. }) if owner == agency => {
                        Ok(())
                    }
                    _ => Err(format!("key {key} of {agency} is not in force")),
                }
            }
            GovernanceEvent::PolicySet { .. } => Ok(()),
        }
    }

    fn apply(&mut self, event: GovernanceEvent, leaf: LeafIndex) {
        match event {
            GovernanceEvent::AgencyAdmitted { agency, .. } => {
                self.agencies.entry(agency).or_insert(leaf);
            }
            GovernanceEvent::KeyIntroduced { agency, key } => {
                let standing = Standing { agency, key, revoked: None };
                self.keys.entry(key.id()).or_insert(standing);
            }
            GovernanceEvent::KeyRevoked { key, .. } => {
                if let Some(standing) = self.keys.get_mut(&key) {
                    standing.revoked.get_or_insert(leaf);
                }
            }
            GovernanceEvent::PolicySet { policy } => self.policy = Some(policy),
        }
    }
}
