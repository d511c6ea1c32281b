//! A log whose keys were changed: its heads and proofs count under the policy of their time.

use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::json::Object;
use letopis_ledger::policy::Policy;
use letopis_ledger::{Hash, LeafIndex};
use letopis_verifier::finding::Rule;
use letopis_verifier::proof::check_proof;

use super::written::{
    FOUNDER, Written, ZARECHNY, audit_of, found_in, list, note, policy, policy_of, signed_by,
    witness_key, write,
};

/// The policy after the log's key and the second witness were changed.
fn next_policy() -> Policy {
    policy_of(2, [1, 3])
}

/// Nine leaves; leaf 5 changes the policy.
fn changed() -> Written {
    let mut written = Written::of_size(5);
    let policy = GovernanceEvent::PolicySet { policy: next_policy().to_string() };
    let event = written.governance(&policy);
    written.push(FOUNDER, vec![event]);
    while written.leaves.len() < 9 {
        let event = written.event("note/later", "note.taken", Object::new());
        written.push(ZARECHNY, vec![event]);
    }
    written
}

/// The first leaves of it.
fn first(size: usize) -> Written {
    let mut written = changed();
    written.leaves.truncate(size);
    written
}

#[test]
fn a_head_counts_under_the_policy_in_force_at_its_size() {
    assert_eq!(witness_key(3).verifier_key().name().as_str(), "witness3.example");
    for size in 1..=9 {
        let written = first(size);
        let (before, folder) = (size <= 5, written.published());
        let old = note(&written.checkpoint(), 2).to_string();
        let new = signed_by(&written.checkpoint(), 2, &[1, 3]).to_string();
        let quorum = [(Rule::CheckpointQuorum, None)];
        write(folder.path(), "checkpoint", old.as_bytes());
        let found = found_in(folder.path());
        assert_eq!(found, if before { &[][..] } else { &quorum[..] }, "old, {size}");
        write(folder.path(), "checkpoint", new.as_bytes());
        let found = found_in(folder.path());
        assert_eq!(found, if before { &quorum[..] } else { &[][..] }, "new, {size}");
    }
}

#[test]
fn an_old_receipt_holds_under_the_policy_of_its_time_which_the_log_still_proves() {
    let receipt = first(5).proof(3).to_string();
    let policies = [policy(), next_policy()];
    let found = policies
        .each_ref()
        .map(|policy| list(&check_proof(receipt.as_bytes(), None, policy).findings));
    assert_eq!(found, [vec![], vec![(Rule::CheckpointQuorum, Some(3))]]);

    let written = changed();
    let folder = written.published();
    let checkpoint = signed_by(&written.checkpoint(), 2, &[1, 3]).to_string();
    write(folder.path(), "checkpoint", checkpoint.as_bytes());
    let audit = audit_of(folder.path());
    assert_eq!(audit.findings.kept(), []);
    let proved = policies.map(|policy| Hash::of(policy.to_string().as_bytes()));
    let places = [0, 5].map(LeafIndex::new);
    assert_eq!(audit.policies, [(places[0], proved[0]), (places[1], proved[1])]);
}

#[test]
fn a_policy_is_known_by_its_canonical_text() {
    let mut written = Written::of_size(3);
    let commented = format!("# the same again\n\n{}", policy());
    let event = written.governance(&GovernanceEvent::PolicySet { policy: commented });
    written.push(FOUNDER, vec![event]);
    let audit = audit_of(written.published().path());
    let fingerprints: Vec<String> = audit.policies.iter().map(|(_, hash)| hash.to_hex()).collect();
    assert_eq!(Some(&fingerprints[0]), audit.policy_fingerprint.as_ref());
    assert_eq!(fingerprints[0], fingerprints[1]);
}
