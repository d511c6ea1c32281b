//! Who may sign what at each position, as the log itself says.
//!
//! An account of the governance events, kept by the verifier in its own words: the founder is the
//! author of leaf 0; it alone admits and removes agencies and nodes and sets the policy; an agency
//! brings and revokes its own keys and moves its own nodes.

use std::collections::BTreeMap;

use letopis_ledger::checkpoint::Origin;
use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::hash::empty_root;
use letopis_ledger::id::{AgencyId, NodeId};
use letopis_ledger::key::{AuthorKey, AuthorKeyId};
use letopis_ledger::leaf::Leaf;
use letopis_ledger::policy::Policy;
use letopis_ledger::{Hash, LeafIndex, StreamVersion, Timestamp, TreeSize};

use super::nodes::{Node, Nodes, Turn};
use crate::finding::{Finding, Rule};

/// Agencies, keys and the policy in force after the leaves seen so far.
#[derive(Debug)]
pub struct Parties {
    origin: Origin,
    founder: Option<AgencyId>,
    agencies: BTreeMap<AgencyId, Membership>,
    keys: BTreeMap<AuthorKeyId, Standing>,
    nodes: Nodes,
    /// The policy text in force.
    policy: Option<String>,
    /// SHA-256 of every policy's canonical text, with the leaf that set it.
    policies: Vec<(LeafIndex, Hash)>,
    recoveries: Vec<Recovery>,
}

/// Since when an agency takes part, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// The leaf that admitted it.
    pub admitted: LeafIndex,
    /// The leaf that removed it.
    pub removed: Option<LeafIndex>,
}

/// A time at which the log went on without the quorum of its voters: what only the lost nodes had
/// acknowledged is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The leaf that says so.
    pub leaf: LeafIndex,
    /// Its time.
    pub time: Timestamp,
    /// The agency from whose node the log went on.
    pub agency: AgencyId,
    /// Leaves that this node had.
    pub size: TreeSize,
    /// Root that the tree of these leaves is said to have.
    pub root: Hash,
    /// The nodes that were given up.
    pub lost: Vec<NodeId>,
}

/// A key and since when it may no longer be used.
#[derive(Debug)]
struct Standing {
    agency: AgencyId,
    key: AuthorKey,
    revoked: Option<LeafIndex>,
}

impl Recovery {
    /// The recoveries that a leaf speaks of, whoever may say so.
    #[must_use]
    pub fn all_in(leaf: &Leaf) -> Vec<Self> {
        let events = leaf.record().events().iter();
        let read = events.filter_map(|event| GovernanceEvent::read(event).ok());
        read.filter_map(|event| match event {
            GovernanceEvent::LogRecovered { agency, size, root, lost } => {
                let (place, time) = (leaf.index(), leaf.time());
                Some(Self { leaf: place, time, agency, size, root, lost })
            }
            _ => None,
        })
        .collect()
    }
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
            nodes: Nodes::new(),
            policy: None,
            policies: Vec::new(),
            recoveries: Vec::new(),
        }
    }

    /// SHA-256 of the text of every policy that was ever in force, with the leaf that set it.
    #[must_use]
    pub fn policies(&self) -> &[(LeafIndex, Hash)] {
        &self.policies
    }

    /// The policy text in force.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        self.policy.as_deref()
    }

    /// Every agency that was ever admitted.
    #[must_use]
    pub const fn agencies(&self) -> &BTreeMap<AgencyId, Membership> {
        &self.agencies
    }

    /// Every node that was ever admitted.
    #[must_use]
    pub const fn nodes(&self) -> &BTreeMap<NodeId, Node> {
        self.nodes.all()
    }

    /// Every recovery after a lost quorum.
    #[must_use]
    pub fn recoveries(&self) -> &[Recovery] {
        &self.recoveries
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
            self.govern(place, leaf, report);
            if self.policy.is_none() {
                let detail = "the first leaf sets no policy, so nobody's signature would count";
                report(Finding::at(Rule::PolicyInLog, place, detail));
            }
        }
        let membership = self.agencies.get(record.author()).copied();
        if let Some(Membership { removed: Some(leaf), .. }) = membership {
            let detail = format!("author {} was removed at leaf {leaf}", record.author());
            report(Finding::at(Rule::AuthorRemoved, place, detail));
        }
        let keys = if membership.is_some() {
            self.keys_of(place, leaf, report)
        } else {
            // Without an admission there can be no key of this author to check with.
            let detail = format!("author {} was not admitted", record.author());
            report(Finding::at(Rule::AuthorAdmitted, place, detail));
            Vec::new()
        };
        if !is_genesis && membership.is_none_or(|known| known.removed.is_none()) {
            self.govern(place, leaf, report);
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
    fn govern(&mut self, place: LeafIndex, leaf: &Leaf, report: &mut impl FnMut(Finding)) {
        let (record, time) = (leaf.record(), leaf.time());
        let events = record.events().iter();
        for event in events.filter(|event| GovernanceEvent::governs(&event.stream)) {
            let read = match GovernanceEvent::read(event) {
                Ok(read) => read,
                Err(error) => {
                    report(Finding::at(Rule::Governance, place, error.to_string()));
                    continue;
                }
            };
            if let Err(problem) = self.allow(place, &read, record.author(), event.version) {
                report(Finding::at(Rule::Governance, place, problem));
            } else if let Err((rule, problem)) = self.apply(read, place, time) {
                report(Finding::at(rule, place, problem));
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
        // The founder admits an agency and, in the same record, may speak for it.
        let admitted_here = |agency: &AgencyId| {
            by_founder && self.agencies.get(agency).is_some_and(|known| known.admitted == place)
        };
        let only_founder = |what: String| {
            if by_founder { Ok(()) } else { Err(format!("{author} {what}; only the founder may")) }
        };
        let only_own = |agency: &AgencyId, what: &str| {
            let may = author == agency || admitted_here(agency);
            if may { Ok(()) } else { Err(format!("{author} {what} {agency}")) }
        };
        match event {
            GovernanceEvent::PolicySet { .. } => only_founder("set the policy".to_owned()),
            GovernanceEvent::AgencyAdmitted { agency, .. } => {
                only_founder(format!("admitted {agency}"))?;
                if version != StreamVersion::ZERO || self.agencies.contains_key(agency) {
                    return Err(format!("{agency} was admitted twice"));
                }
                Ok(())
            }
            GovernanceEvent::AgencyRemoved { agency } => {
                only_founder(format!("removed {agency}"))?;
                if self.founder.as_ref() == Some(agency) {
                    return Err(format!("{agency} founded the log and cannot be removed"));
                }
                self.check_takes_part(agency)
            }
            GovernanceEvent::KeyIntroduced { agency, key } => {
                only_own(agency, "introduced a key of")?;
                match self.keys.get(&key.id()) {
                    None => Ok(()),
                    Some(known) => {
                        let (id, owner) = (key.id(), &known.agency);
                        Err(format!("key {id} was introduced before, by {owner}"))
                    }
                }
            }
            GovernanceEvent::KeyRevoked { agency, key } => {
                only_own(agency, "revoked a key of")?;
                match self.keys.get(key) {
                    Some(known) if known.revoked.is_none() && &known.agency == agency => Ok(()),
                    _ => Err(format!("key {key} of {agency} is not in force")),
                }
            }
            GovernanceEvent::NodeAdmitted { node, agency, .. } => {
                only_founder(format!("admitted node {node}"))?;
                self.check_takes_part(agency)
            }
            GovernanceEvent::NodePromoted { node } => only_founder(format!("promoted node {node}")),
            GovernanceEvent::NodeDemoted { node } => only_founder(format!("demoted node {node}")),
            GovernanceEvent::NodeRemoved { node } => only_founder(format!("removed node {node}")),
            GovernanceEvent::NodeMoved { agency, node, .. } => {
                only_own(agency, "moved a node of")?;
                match self.nodes.owner(*node) {
                    Some(owner) if owner != agency => {
                        Err(format!("{agency} moved node {node}, which belongs to {owner}"))
                    }
                    _ => Ok(()),
                }
            }
            GovernanceEvent::LogRecovered { agency, .. } => only_own(agency, "recovered for"),
        }
    }

    fn check_takes_part(&self, agency: &AgencyId) -> Result<(), String> {
        match self.agencies.get(agency) {
            None => Err(format!("{agency} was not admitted")),
            Some(Membership { removed: Some(leaf), .. }) => {
                Err(format!("{agency} was removed at leaf {leaf}"))
            }
            Some(_) => Ok(()),
        }
    }

    /// Takes in what the author had the right to say, if the nodes allow it.
    fn apply(
        &mut self,
        event: GovernanceEvent,
        place: LeafIndex,
        time: Timestamp,
    ) -> Result<(), (Rule, String)> {
        let broken = |problem: String| (Rule::NodeChange, problem);
        match event {
            GovernanceEvent::AgencyAdmitted { agency, .. } => {
                self.agencies.insert(agency, Membership { admitted: place, removed: None });
            }
            GovernanceEvent::AgencyRemoved { agency } => {
                self.nodes.agency_leaves(&agency, place).map_err(broken)?;
                if let Some(membership) = self.agencies.get_mut(&agency) {
                    membership.removed = Some(place);
                }
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
                // The canonical text, which whoever compares fingerprints has.
                let canonical =
                    Policy::parse(&policy).map_or_else(|_| policy.clone(), |read| read.to_string());
                self.policies.push((place, Hash::of(canonical.as_bytes())));
                self.policy = Some(policy);
            }
            GovernanceEvent::NodeAdmitted { node, agency, address, key } => {
                let (admitted, removed) = (place, None);
                let newcomer = Node { agency, address, key, votes: false, admitted, removed };
                self.nodes.admit(node, newcomer).map_err(broken)?;
            }
            GovernanceEvent::NodePromoted { node } => {
                self.nodes.turn(node, Turn::Promoted, place).map_err(broken)?;
            }
            GovernanceEvent::NodeDemoted { node } => {
                self.nodes.turn(node, Turn::Demoted, place).map_err(broken)?;
            }
            GovernanceEvent::NodeRemoved { node } => {
                self.nodes.turn(node, Turn::Removed, place).map_err(broken)?;
            }
            GovernanceEvent::NodeMoved { node, address, key, .. } => {
                self.nodes.relocate(node, address, key).map_err(broken)?;
            }
            GovernanceEvent::LogRecovered { agency, size, root, lost } => {
                let recovery = Recovery { leaf: place, time, agency, size, root, lost };
                return self.recover(recovery);
            }
        }
        Ok(())
    }

    /// A recovery is remembered whatever is wrong with it: it must be seen.
    fn recover(&mut self, recovery: Recovery) -> Result<(), (Rule, String)> {
        let (leaf, size) = (recovery.leaf, recovery.size);
        let stranger = recovery.lost.iter().find(|node| self.nodes.owner(**node).is_none());
        let stranger = stranger.copied();
        let empty = size == TreeSize::ZERO && recovery.root != empty_root();
        self.recoveries.push(recovery);
        if size.get() > leaf.get() {
            let problem = format!("a recovery at {size} leaves cannot stand at leaf {leaf}");
            return Err((Rule::RecoveryRoot, problem));
        }
        if empty {
            let problem = "the recovery states another root of no leaves".to_owned();
            return Err((Rule::RecoveryRoot, problem));
        }
        match stranger {
            Some(node) => {
                let problem = format!("the recovery gave up node {node}, which was never admitted");
                Err((Rule::NodeChange, problem))
            }
            None => Ok(()),
        }
    }
}
