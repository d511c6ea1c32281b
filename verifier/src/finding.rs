//! What a check found wrong: the rule that was broken, where, and the numbers.
//!
//! What a rule means to a citizen stands in the message files, under the rule's code.

use std::collections::BTreeMap;

use letopis_ledger::LeafIndex;

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// The rules that a log, a decision or a proof must keep.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $($(#[$doc])* $name,)*
        }

        impl Rule {
            /// Every rule, in the order in which they are checked.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable code for programs, also the key of the rule's messages.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }
        }
    };
}

rules! {
    /// The checkpoint is there and well-formed.
    CheckpointForm = "checkpoint-form",
    /// The checkpoint is signed by the log and by the quorum of the policy.
    CheckpointQuorum = "checkpoint-quorum",
    /// The log carries its own policy.
    PolicyInLog = "policy-in-log",
    /// Every entry bundle up to the checkpoint's size is there and well-formed.
    BundleForm = "bundle-form",
    /// Every leaf is canonical.
    LeafForm = "leaf-form",
    /// Every leaf has the hash that the published tile states.
    TileHash = "tile-hash",
    /// Every leaf stands in its place.
    LeafIndex = "leaf-index",
    /// Every leaf names the hash of the one before it.
    LeafLink = "leaf-link",
    /// Time never goes back.
    TimeOrder = "time-order",
    /// Every record was made for this log.
    LogOrigin = "log-origin",
    /// Every author is an admitted agency.
    AuthorAdmitted = "author-admitted",
    /// Every author is an agency that was not removed before.
    AuthorRemoved = "author-removed",
    /// Every record is signed by keys of its author that were in force.
    KeyInForce = "key-in-force",
    /// Every signature of an author verifies.
    AuthorSignature = "author-signature",
    /// Governance events come from who may make them.
    Governance = "governance",
    /// Nodes come, vote and leave by the rules.
    NodeChange = "node-change",
    /// A recovery after a lost quorum states a root of this log.
    RecoveryRoot = "recovery-root",
    /// Record ids are unique for ever.
    RecordIdUnique = "record-id-unique",
    /// The events of every stream are numbered without gaps.
    StreamDense = "stream-dense",
    /// Every stream is extended by its owner alone.
    StreamOwner = "stream-owner",
    /// Every claimed name has one holder at a time.
    ClaimUnique = "claim-unique",
    /// Every offer is made once for its trigger and ends once, accepted only by an application.
    OfferOrder = "offer-order",
    /// Every case is submitted once, ends once, and is granted or refused by a decision alone.
    CaseOrder = "case-order",
    /// Every registry is written by whom its pack says, on decisions that are there.
    EntryBasis = "entry-basis",
    /// A version of a pack passed the lifecycle of the version before it.
    PackLifecycle = "pack-lifecycle",
    /// Every published tile holds the hashes of the tree below it.
    TreeTile = "tree-tile",
    /// The tree's root is the one that was signed.
    TreeRoot = "tree-root",
    /// Two heads of one log never contradict each other.
    Equivocation = "equivocation",
    /// The case exists in the log.
    CaseExists = "case-exists",
    /// The case has exactly one final decision.
    CaseTerminal = "case-terminal",
    /// The case's events are of known shapes and in order.
    CaseForm = "case-form",
    /// The rule that the case is pinned to was published before the case was registered.
    RulePublished = "rule-published",
    /// The published files of the rule are there and unaltered.
    RuleFiles = "rule-files",
    /// The disclosed inputs are the ones that the decision committed to.
    InputsDisclosed = "inputs-disclosed",
    /// Running the published table on the inputs gives the recorded decision.
    ReExecution = "re-execution",
    /// Every ground of a refusal is in the closed list of the regulation.
    GroundsClosed = "grounds-closed",
    /// A case of a complex request began with the others, and what waited did wait.
    ComplexRequest = "complex-request",
    /// What a case accepts was offered by its regulation, for its service, and was open.
    Offer = "offer",
    /// A case about an entry is about one that its service gave, with a reason to look at it again.
    FollowUp = "follow-up",
    /// The decision was made within its legal term.
    Deadline = "deadline",
    /// Every official whom the regulation asks for agreed to just this decision.
    Approval = "approval",
    /// Requests that brought nothing were followed up as the regulation says, to their end.
    Escalation = "escalation",
    /// An answer that officials sign is signed by the official who gave it.
    AnswerSignature = "answer-signature",
    /// A grant made its registry entry in the same record, or revised it; a refusal made none.
    RegistryEffect = "registry-effect",
    /// Every month of what the case granted is due once, on its day, and no other.
    Payments = "payments",
    /// The proof is well-formed.
    ProofForm = "proof-form",
    /// The file is one whose issue the entry records.
    DocumentIssued = "document-issued",
    /// The leaf is in the tree whose head was signed.
    ProofInclusion = "proof-inclusion",
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The leaf at which it is broken, where there is one.
    pub leaf: Option<LeafIndex>,
    /// What was found, with its numbers, in English.
    pub detail: String,
}

impl Finding {
    /// A rule broken at a leaf.
    #[must_use]
    pub fn at(rule: Rule, leaf: LeafIndex, detail: impl Into<String>) -> Self {
        Self { rule, leaf: Some(leaf), detail: detail.into() }
    }

    /// A rule broken by the log or the case as a whole.
    #[must_use]
    pub fn whole(rule: Rule, detail: impl Into<String>) -> Self {
        Self { rule, leaf: None, detail: detail.into() }
    }
}

/// Findings in the order of their discovery. Of each rule the first few are kept and the rest are
/// counted: one removed leaf breaks the place of every later one, and neither the reader of a
/// report nor the memory of the one who checks should drown in them.
#[derive(Debug, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    counts: BTreeMap<Rule, u64>,
}

impl Findings {
    /// Most findings kept of one rule.
    pub const KEPT_PER_RULE: u64 = 3;

    /// Adds a finding.
    pub fn push(&mut self, finding: Finding) {
        let count = self.counts.entry(finding.rule).or_default();
        *count += 1;
        if *count <= Self::KEPT_PER_RULE {
            self.kept.push(finding);
        }
    }

    /// Adds several findings.
    pub fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }

    /// The findings that were kept.
    #[must_use]
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }

    /// How often each broken rule was broken, kept or not.
    #[must_use]
    pub const fn counts(&self) -> &BTreeMap<Rule, u64> {
        &self.counts
    }

    /// How many were found, kept or not.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether a rule was found broken.
    #[must_use]
    pub fn broke(&self, rule: Rule) -> bool {
        self.counts.contains_key(&rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_findings_of_one_rule_do_not_hide_another() {
        let mut findings = Findings::default();
        for index in 0..1000 {
            findings.push(Finding::at(Rule::LeafLink, LeafIndex::new(index), "x"));
        }
        findings.push(Finding::whole(Rule::TreeRoot, "y"));
        assert_eq!(findings.count(), 1001);
        assert_eq!(findings.counts()[&Rule::LeafLink], 1000);
        assert_eq!(findings.kept().len(), 4);
        assert_eq!(findings.kept().last().map(|finding| finding.rule), Some(Rule::TreeRoot));
        assert!(findings.broke(Rule::TreeRoot) && !findings.broke(Rule::LeafForm));
    }
}
