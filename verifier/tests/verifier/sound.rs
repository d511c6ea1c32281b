//! Sound logs hold, at every size around a tile, from a folder, with or without partial files.

use std::fs;

use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::id::AgencyId;
use letopis_ledger::json::Object;
use letopis_ledger::key::AuthorSigner;
use letopis_ledger::record::ClaimOperation::{Release, Take};
use letopis_verifier::audit::{AuditOptions, Nobody, audit};
use letopis_verifier::source::DirectorySource;

use super::written::{
    FOUNDER, Written, ZARECHNY, audit_of, claim, found_in, note, policy, signer, write,
};

#[test]
fn a_sound_log_of_every_size_holds() {
    for size in [1, 2, 3, 255, 256, 257, 511, 512, 600] {
        let written = Written::of_size(size);
        let folder = written.published();
        let audit = audit_of(folder.path());
        assert_eq!(audit.findings.kept(), [], "size {size}");
        assert_eq!(audit.size, size as u64);
        assert_eq!(audit.root, written.tree().root());
        assert_eq!(audit.signature_count, size as u64);
        assert_eq!(audit.agencies.len(), size.min(2));
        let cosigners: Vec<&str> = audit.cosigners.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(cosigners, ["one", "two"]);
        assert!(!audit.policy_from_outside);
    }
}

#[test]
fn a_log_across_two_levels_of_tiles_holds() {
    assert_eq!(Written::of_size(65_537).found(), []);
}

#[test]
fn keys_and_claims_may_come_and_go() {
    let mut written = Written::new();
    let agency = AgencyId::parse(ZARECHNY).unwrap();
    let second = AuthorSigner::from_seed(&[77; 32]);
    let introduced = GovernanceEvent::KeyIntroduced { agency: agency.clone(), key: second.key() };
    let event = written.governance(&introduced);
    written.push(ZARECHNY, vec![event]);
    // The old key revokes itself: the record that says so is still signed with it.
    let revoked = GovernanceEvent::KeyRevoked { agency, key: signer(ZARECHNY).key().id() };
    let event = written.governance(&revoked);
    written.push(ZARECHNY, vec![event]);
    for operation in [Take, Release, Take] {
        let basis = Object::new().with("basis", Object::new().with("kind", "document"));
        let event = written.event("registry/permits/1", "registry.entry_amended", basis);
        let mut draft = written.draft(ZARECHNY, vec![event]);
        draft.signer = AuthorSigner::from_seed(&[77; 32]);
        draft.claims = vec![claim("number/1", "registry/permits/1", operation)];
        written.put(&draft);
    }
    let policy = GovernanceEvent::PolicySet { policy: policy().to_string() };
    let event = written.governance(&policy);
    written.push(FOUNDER, vec![event]);
    assert_eq!(written.found(), []);
}

#[test]
fn a_policy_from_elsewhere_takes_the_place_of_the_logs_own() {
    let folder = Written::of_size(3).published();
    let source = DirectorySource::new(folder.path());
    let options = AuditOptions { policy: Some(policy()) };
    let audit = audit(&source, &options, &mut Nobody).unwrap();
    assert_eq!(audit.findings.kept(), []);
    assert!(audit.policy_from_outside);
}

#[test]
fn partial_files_that_a_full_one_has_replaced_are_cut_out_of_it() {
    let larger = Written::of_size(600);
    let folder = larger.published();
    let smaller = Written::of_size(300);
    let checkpoint = note(&smaller.checkpoint(), 2).to_string();
    write(folder.path(), "checkpoint", checkpoint.as_bytes());
    // Size 300 needs tile/0/001.p/44, which is in tile/0/001; tile/1/000.p/1 has no full one.
    let upper = fs::read(smaller.published().path().join("tile/1/000.p/1")).unwrap();
    write(folder.path(), "tile/1/000.p/1", &upper);
    assert_eq!(found_in(folder.path()), []);
}
