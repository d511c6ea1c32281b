//! Every rule has a log, a decision or a proof that breaks it, and is named with its leaf.

use std::fs;
use std::path::Path;

use letopis_ledger::checkpoint::{Checkpoint, Origin};
use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::id::AgencyId;
use letopis_ledger::json::Object;
use letopis_ledger::key::AuthorSigner;
use letopis_ledger::leaf::Leaf;
use letopis_ledger::record::ClaimOperation::{Release, Take};
use letopis_ledger::{Hash, TreeSize};
use letopis_verifier::finding::Rule;

use super::answers;
use super::compare;
use super::decision_case::CaseSpec;
use super::decisions;
use super::escalation;
use super::lifecycle;
use super::nodes;
use super::offers;
use super::payments;
use super::proofs;
use super::written::{
    FOUNDER, Found, ORIGIN, Written, ZARECHNY, claim, edit, found_in, note, policy, signer, write,
};

/// What was found in something that breaks a rule, and where the rule must be named.
pub(crate) struct Broken {
    pub(crate) found: Vec<Found>,
    pub(crate) leaf: Option<u64>,
    /// Whether nothing but this rule is broken.
    pub(crate) alone: bool,
}

impl Broken {
    pub(crate) fn alone(found: Vec<Found>, leaf: Option<u64>) -> Self {
        Self { found, leaf, alone: true }
    }

    fn among_others(found: Vec<Found>, leaf: Option<u64>) -> Self {
        Self { found, leaf, alone: false }
    }
}

#[test]
fn every_rule_is_found_broken_at_its_leaf() {
    for rule in Rule::ALL {
        let broken = break_rule(*rule);
        let expected = (*rule, broken.leaf);
        let code = rule.code();
        if broken.alone {
            assert_eq!(broken.found, [expected], "{code}");
        } else {
            assert!(broken.found.contains(&expected), "{code}: {:?}", broken.found);
        }
    }
}

/// The match has no default, so a new rule does not compile without something that breaks it.
fn break_rule(rule: Rule) -> Broken {
    match rule {
        Rule::CheckpointForm => published(3, None, |folder| {
            edit(folder, "checkpoint", |bytes| bytes.truncate(20));
        }),
        Rule::CheckpointQuorum => published(3, None, |folder| {
            let checkpoint = Written::of_size(3).checkpoint();
            write(folder, "checkpoint", note(&checkpoint, 1).to_string().as_bytes());
        }),
        Rule::PolicyInLog => without_policy(),
        Rule::BundleForm => cut_bundle(),
        Rule::LeafForm => leaf_with_a_blank(),
        Rule::TileHash => published(5, Some(3), |folder| {
            edit(folder, "tile/0/000.p/5", |bytes| bytes[3 * 32] ^= 1);
        }),
        Rule::AuthorRemoved | Rule::NodeChange | Rule::RecoveryRoot => nodes::break_rule(rule),
        Rule::Equivocation => compare::break_rule(),
        Rule::AuthorSignature => forged_signature(),
        // A tile above the leaves is named by the first leaf below it.
        Rule::TreeTile => published(600, Some(0), |folder| {
            edit(folder, "tile/1/000.p/2", |bytes| bytes[32] ^= 1);
        }),
        Rule::TreeRoot => published(3, None, |folder| {
            let root = Hash::of(b"another tree");
            let other = Checkpoint::new(Origin::new(ORIGIN).unwrap(), TreeSize::new(3), root);
            write(folder, "checkpoint", note(&other, 2).to_string().as_bytes());
        }),
        Rule::ProofForm | Rule::ProofInclusion | Rule::DocumentIssued => proofs::break_rule(rule),
        Rule::CaseExists
        | Rule::CaseTerminal
        | Rule::CaseForm
        | Rule::RulePublished
        | Rule::RuleFiles
        | Rule::InputsDisclosed
        | Rule::ReExecution
        | Rule::GroundsClosed
        | Rule::Deadline
        | Rule::Approval
        | Rule::ComplexRequest
        | Rule::FollowUp
        | Rule::RegistryEffect => decisions::break_rule(rule),
        Rule::OfferOrder | Rule::Offer => offers::break_rule(rule),
        Rule::Payments => payments::break_rule(),
        Rule::AnswerSignature => answers::break_rule(),
        Rule::Escalation => escalation::break_rule(),
        Rule::LeafIndex
        | Rule::LeafLink
        | Rule::TimeOrder
        | Rule::LogOrigin
        | Rule::AuthorAdmitted
        | Rule::KeyInForce
        | Rule::CaseOrder
        | Rule::EntryBasis
        | Rule::Governance
        | Rule::RecordIdUnique
        | Rule::StreamDense
        | Rule::StreamOwner
        | Rule::ClaimUnique => break_record(rule),
        Rule::PackLifecycle => lifecycle::break_rule(),
    }
}

/// A record that breaks one of its own rules.
fn break_record(rule: Rule) -> Broken {
    match rule {
        Rule::LeafIndex => record(|_, draft| draft.index = draft.index.next()),
        Rule::LeafLink => record(|_, draft| draft.previous = Hash::of(b"another")),
        Rule::TimeOrder => record(|_, draft| draft.time_ms -= 10_001),
        Rule::LogOrigin => record(|_, draft| draft.log = Origin::new("other.example/log").unwrap()),
        Rule::AuthorAdmitted => record(|written, draft| {
            draft.events = vec![written.event("note/9", "note.taken", Object::new())];
            draft.author = AgencyId::parse("stranger").unwrap();
            draft.signer = signer("stranger");
        }),
        Rule::KeyInForce => record(|_, draft| draft.signer = signer("stranger")),
        Rule::CaseOrder => record(|written, draft| {
            let case = "application/019ba000-0000-7000-8000-000000000099";
            draft.events = [("application.submitted"), ("application.refusal_issued")]
                .map(|event_type| written.event(case, event_type, Object::new()))
                .into();
        }),
        Rule::EntryBasis => record(|written, draft| {
            let basis = Object::new().with("kind", "decision");
            let basis = basis.with("stream", "application/1").with("version", 3);
            let entry = "registry/permits/019ba000-0000-7000-8000-000000000099";
            let created = Object::new().with("basis", basis);
            draft.events = vec![written.event(entry, "registry.entry_created", created)];
        }),
        Rule::Governance => record(|written, draft| {
            let policy = GovernanceEvent::PolicySet { policy: policy().to_string() };
            draft.events = vec![written.governance(&policy)];
        }),
        Rule::RecordIdUnique => record(|written, draft| {
            draft.id = Leaf::parse(&written.leaves[1]).unwrap().record().id();
        }),
        Rule::StreamDense => {
            record(|_, draft| draft.events[0].version = draft.events[0].version.next())
        }
        Rule::StreamOwner => record(|_, draft| {
            draft.author = AgencyId::parse(FOUNDER).unwrap();
            draft.signer = signer(FOUNDER);
        }),
        Rule::ClaimUnique => record(|_, draft| {
            draft.claims = vec![claim("number/1", "note/1", Take)];
        }),
        other => panic!("{} is no rule of records", other.code()),
    }
}

/// A sound log, published, then broken in the files.
fn published(size: usize, leaf: Option<u64>, damage: impl FnOnce(&Path)) -> Broken {
    let folder = Written::of_size(size).published();
    damage(folder.path());
    Broken::alone(found_in(folder.path()), leaf)
}

/// A log whose fourth record is made wrong before it is signed, with a sound one after it. All
/// hashes, tiles and signatures are right, as a dishonest operator would make them.
fn record(change: impl FnOnce(&mut Written, &mut super::written::Draft)) -> Broken {
    let mut written = Written::new();
    let first = written.event("note/1", "note.taken", Object::new());
    let mut draft = written.draft(ZARECHNY, vec![first]);
    draft.claims = vec![claim("number/1", "note/1", Take)];
    written.put(&draft);
    let event = written.event("note/1", "note.taken", Object::new());
    let mut draft = written.draft(ZARECHNY, vec![event]);
    change(&mut written, &mut draft);
    let place = written.put(&draft);
    let event = written.event("note/2", "note.taken", Object::new());
    written.push(ZARECHNY, vec![event]);
    Broken::alone(written.found(), Some(place))
}

fn without_policy() -> Broken {
    let mut written = Written::without_genesis();
    let admission = written.admission(FOUNDER);
    written.push(FOUNDER, admission);
    Broken::alone(written.found(), Some(0))
}

fn cut_bundle() -> Broken {
    let folder = Written::of_size(5).published();
    edit(folder.path(), "tile/entries/000.p/5", |bytes| {
        bytes.pop();
    });
    Broken::among_others(found_in(folder.path()), Some(0))
}

fn leaf_with_a_blank() -> Broken {
    let mut written = Written::of_size(4);
    let last = written.leaves.last_mut().unwrap();
    last.push(b' ');
    Broken::alone(written.found(), Some(3))
}

/// Another signature over the same record, with every hash made anew.
fn forged_signature() -> Broken {
    let mut written = Written::of_size(4);
    let last = written.leaves.last_mut().unwrap();
    let text = String::from_utf8(last.clone()).unwrap();
    let key = signer(ZARECHNY);
    let forged = key.sign(b"something else").to_base64();
    let leaf = Leaf::parse(last).unwrap();
    let true_one = leaf.signatures()[0].1.to_base64();
    *last = text.replace(&true_one, &forged).into_bytes();
    Broken::alone(written.found(), Some(3))
}

#[test]
fn an_altered_leaf_is_found_wherever_it_is_hidden() {
    let sound = Written::of_size(600);
    let mut altered = Written::of_size(600);
    let text = String::from_utf8(altered.leaves[300].clone()).unwrap();
    altered.leaves[300] = text.replace("note.taken", "note.token").into_bytes();

    // Altered where it is stored, nothing else touched.
    let folder = sound.published();
    let bundle = fs::read(altered.published().path().join("tile/entries/001")).unwrap();
    write(folder.path(), "tile/entries/001", &bundle);
    let found = found_in(folder.path());
    let expected = [Rule::AuthorSignature, Rule::TileHash].map(|rule| (rule, Some(300)));
    assert!(expected.iter().all(|one| found.contains(one)), "{found:?}");
    assert!(found.contains(&(Rule::LeafLink, Some(301))), "{found:?}");
    assert!(found.contains(&(Rule::TreeRoot, None)), "{found:?}");

    // With tiles and root made anew, but the old cosigned checkpoint.
    let folder = altered.published();
    let checkpoint = note(&sound.checkpoint(), 2).to_string();
    write(folder.path(), "checkpoint", checkpoint.as_bytes());
    let found = found_in(folder.path());
    assert!(found.contains(&(Rule::TreeRoot, None)), "{found:?}");

    // Even with a new checkpoint, the author's signature and the chain remain.
    let found = altered.found();
    let link = (Rule::LeafLink, Some(301));
    assert_eq!(found, [link, (Rule::AuthorSignature, Some(300))]);
}

#[test]
fn a_removed_leaf_is_found_where_it_was() {
    let mut written = Written::of_size(600);
    let checkpoint = note(&written.checkpoint(), 2).to_string();
    written.leaves.remove(300);
    let folder = written.published();
    write(folder.path(), "checkpoint", checkpoint.as_bytes());
    let found = found_in(folder.path());
    for rule in [Rule::LeafIndex, Rule::LeafLink] {
        let first = found.iter().find(|(other, _)| *other == rule);
        assert_eq!(first, Some(&(rule, Some(300))), "{found:?}");
    }
    // The last bundle is published as one of 87 leaves now; the checkpoint asks for 88.
    for expected in [(Rule::BundleForm, Some(512)), (Rule::TreeRoot, None)] {
        assert!(found.contains(&expected), "{found:?}");
    }
    assert!(found.iter().any(|(rule, _)| *rule == Rule::StreamDense), "{found:?}");
}

#[test]
fn two_swapped_leaves_are_found_in_both_places() {
    let mut written = Written::of_size(600);
    let checkpoint = note(&written.checkpoint(), 2).to_string();
    written.leaves.swap(300, 301);
    let folder = written.published();
    write(folder.path(), "checkpoint", checkpoint.as_bytes());
    let found = found_in(folder.path());
    for expected in [
        (Rule::LeafIndex, Some(300)),
        (Rule::LeafIndex, Some(301)),
        (Rule::LeafLink, Some(300)),
        (Rule::LeafLink, Some(302)),
        (Rule::TimeOrder, Some(301)),
        (Rule::TreeRoot, None),
    ] {
        assert!(found.contains(&expected), "{expected:?} {found:?}");
    }
}

#[test]
fn a_key_counts_for_its_agency_and_until_it_is_revoked() {
    let foreign = record(|_, draft| draft.signer = signer(FOUNDER));
    assert_eq!(foreign.found, [(Rule::KeyInForce, foreign.leaf)]);

    let mut written = Written::new();
    let agency = AgencyId::parse(ZARECHNY).unwrap();
    let revoked = GovernanceEvent::KeyRevoked { agency, key: signer(ZARECHNY).key().id() };
    let event = written.governance(&revoked);
    written.push(ZARECHNY, vec![event]);
    let event = written.event("note/1", "note.taken", Object::new());
    let place = written.push(ZARECHNY, vec![event]);
    assert_eq!(written.found(), [(Rule::KeyInForce, Some(place))]);
}

#[test]
fn a_claim_is_released_by_its_holder_alone() {
    let unheld = record(|_, draft| draft.claims = vec![claim("number/2", "note/1", Release)]);
    assert_eq!(unheld.found, [(Rule::ClaimUnique, unheld.leaf)]);
    let foreign = record(|written, draft| {
        draft.events = vec![written.event("note/9", "note.taken", Object::new())];
        draft.claims = vec![claim("number/1", "note/9", Release)];
    });
    // The stream that the draft began with has no event 1 now, and nobody misses it.
    assert_eq!(foreign.found, [(Rule::ClaimUnique, foreign.leaf)]);
}

#[test]
fn who_may_not_govern_changes_nothing() {
    type Change = fn(&mut Written) -> (&'static str, Vec<letopis_ledger::record::Event>);
    let cases: [(&str, Change); 7] = [
        ("an agency admits another", |w| (ZARECHNY, w.admission("stranger")[..1].to_vec())),
        ("an agency is admitted twice", |w| {
            let names = Object::new().with("en", "x");
            let agency = AgencyId::parse(ZARECHNY).unwrap();
            (FOUNDER, vec![w.governance(&GovernanceEvent::AgencyAdmitted { agency, names })])
        }),
        ("the founder brings a key of another agency later", |w| {
            let agency = AgencyId::parse(ZARECHNY).unwrap();
            let key = AuthorSigner::from_seed(&[5; 32]).key();
            (FOUNDER, vec![w.governance(&GovernanceEvent::KeyIntroduced { agency, key })])
        }),
        ("the founder revokes a key of another agency", |w| {
            let agency = AgencyId::parse(ZARECHNY).unwrap();
            let key = signer(ZARECHNY).key().id();
            (FOUNDER, vec![w.governance(&GovernanceEvent::KeyRevoked { agency, key })])
        }),
        ("a key is introduced twice", |w| {
            let agency = AgencyId::parse(ZARECHNY).unwrap();
            let key = signer(FOUNDER).key();
            (ZARECHNY, vec![w.governance(&GovernanceEvent::KeyIntroduced { agency, key })])
        }),
        ("a key is revoked that is not in force", |w| {
            let agency = AgencyId::parse(ZARECHNY).unwrap();
            let key = signer("stranger").key().id();
            (ZARECHNY, vec![w.governance(&GovernanceEvent::KeyRevoked { agency, key })])
        }),
        ("a governance stream has an unknown event", |w| {
            (ZARECHNY, vec![w.event("agency/zarechny", "agency.renamed", Object::new())])
        }),
    ];
    for (name, change) in cases {
        let mut written = Written::new();
        let (author, events) = change(&mut written);
        let place = written.push(author, events);
        let event = written.event("note/1", "note.taken", Object::new());
        written.push(ZARECHNY, vec![event]);
        assert_eq!(written.found(), [(Rule::Governance, Some(place))], "{name}");
    }
    // What had no effect gives no right either.
    let mut written = Written::new();
    let admission = written.admission("stranger");
    written.push(ZARECHNY, admission);
    let event = written.event("note/1", "note.taken", Object::new());
    written.push("stranger", vec![event]);
    let governance = (Rule::Governance, Some(2));
    assert_eq!(written.found(), [governance, governance, (Rule::AuthorAdmitted, Some(3))]);
}

#[test]
fn a_tile_or_bundle_that_is_gone_or_cut_is_reported_and_the_rest_still_checked() {
    for (name, rule, leaf) in [
        ("tile/0/001", Rule::TileHash, 256),
        ("tile/1/000.p/2", Rule::TreeTile, 0),
        ("tile/entries/001", Rule::BundleForm, 256),
    ] {
        for damage in 0..3 {
            let folder = Written::of_size(600).published();
            let path = folder.path().join(name);
            match damage {
                0 => fs::remove_file(&path).unwrap(),
                1 => edit(folder.path(), name, |bytes| bytes.truncate(bytes.len() - 1)),
                _ => edit(folder.path(), name, |bytes| bytes.resize(17 << 20, 0)),
            }
            let found = found_in(folder.path());
            assert_eq!(found[0], (rule, Some(leaf)), "{name} {damage}: {found:?}");
            let alone = found.len() == 1;
            assert_eq!(alone, rule != Rule::BundleForm, "{name} {damage}: {found:?}");
        }
    }
}

#[test]
fn a_bundle_with_more_or_fewer_leaves_than_its_path_says_is_reported() {
    let folder = Written::of_size(5).published();
    let longer = fs::read(Written::of_size(6).published().path().join("tile/entries/000.p/6"));
    write(folder.path(), "tile/entries/000.p/5", &longer.unwrap());
    assert_eq!(found_in(folder.path()), [(Rule::BundleForm, Some(4))]);
    let folder = Written::of_size(5).published();
    let shorter = fs::read(Written::of_size(4).published().path().join("tile/entries/000.p/4"));
    write(folder.path(), "tile/entries/000.p/5", &shorter.unwrap());
    let found = found_in(folder.path());
    assert_eq!(found, [(Rule::BundleForm, Some(4)), (Rule::TreeRoot, None)]);
}

#[test]
fn a_checkpoint_of_an_absurd_size_is_answered_at_once() {
    for (size, rule) in [
        (u64::MAX, Rule::CheckpointForm),
        (1 << 63, Rule::CheckpointForm),
        ((1 << 53) + 1, Rule::CheckpointForm),
        (1 << 53, Rule::BundleForm),
        (1 << 40, Rule::BundleForm),
    ] {
        let folder = Written::of_size(300).published();
        let root = Hash::of(b"any");
        let absurd = Checkpoint::new(Origin::new(ORIGIN).unwrap(), TreeSize::new(size), root);
        write(folder.path(), "checkpoint", note(&absurd, 2).to_string().as_bytes());
        let found = found_in(folder.path());
        assert!(found.iter().any(|(other, _)| *other == rule), "{size}: {found:?}");
    }
}

#[test]
fn a_record_made_for_a_case_breaks_nothing_of_the_log() {
    for spec in [CaseSpec::granted(), CaseSpec::refused()] {
        assert_eq!(spec.written().found(), []);
    }
}
