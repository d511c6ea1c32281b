//! Random logs hold; with one byte of one published file changed they do not.

use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::id::AgencyId;
use letopis_ledger::json::Object;
use letopis_ledger::key::AuthorSigner;
use letopis_ledger::record::ClaimOperation::{Release, Take};
use letopis_verifier::audit::{AuditOptions, Nobody, audit};
use letopis_verifier::source::DirectorySource;
use proptest::prelude::*;
use proptest::sample::Index;

use super::written::{Written, ZARECHNY, claim, edit, files, found_in};

/// What a record does.
#[derive(Debug, Clone)]
enum Step {
    /// Extends one of a few streams by some events.
    Extend { stream: u8, events: u8, text: String },
    /// Takes a name if nobody has it, releases it if somebody does.
    Claim { name: u8 },
    /// Introduces a key, or revokes it if it is in force.
    Key { seed: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..5, 1_u8..4, "[a-zа-я\"\\\\]{0,12}")
            .prop_map(|(stream, events, text)| Step::Extend { stream, events, text }),
        1 => (0_u8..3).prop_map(|name| Step::Claim { name }),
        1 => (0_u8..3).prop_map(|seed| Step::Key { seed }),
    ]
}

/// Short logs, and some that have a full tile.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![
        4 => prop::collection::vec(step(), 0..30),
        1 => prop::collection::vec(step(), 253..260),
    ]
}

fn written(steps: &[Step]) -> Written {
    let mut written = Written::new();
    let agency = AgencyId::parse(ZARECHNY).unwrap();
    let mut held = [false; 3];
    // 0 never introduced, 1 in force, 2 revoked for ever.
    let mut keys = [0_u8; 3];
    for step in steps {
        match step {
            Step::Extend { stream, events, text } => {
                let data = Object::new().with("text", text.as_str());
                let stream = format!("note/{stream}");
                let events = (0..*events)
                    .map(|_| written.event(&stream, "note.taken", data.clone()))
                    .collect();
                written.push(ZARECHNY, events);
            }
            Step::Claim { name } => {
                let is_held = &mut held[usize::from(*name)];
                let operation = if *is_held { Release } else { Take };
                *is_held = !*is_held;
                let stream = format!("holder/{name}");
                let event = written.event(&stream, "note.taken", Object::new());
                let mut draft = written.draft(ZARECHNY, vec![event]);
                draft.claims = vec![claim(&format!("name/{name}"), &stream, operation)];
                written.put(&draft);
            }
            Step::Key { seed } => {
                let key = AuthorSigner::from_seed(&[100 + seed; 32]).key();
                let state = &mut keys[usize::from(*seed)];
                let event = match *state {
                    0 => GovernanceEvent::KeyIntroduced { agency: agency.clone(), key },
                    1 => GovernanceEvent::KeyRevoked { agency: agency.clone(), key: key.id() },
                    _ => continue,
                };
                *state += 1;
                let event = written.governance(&event);
                written.push(ZARECHNY, vec![event]);
            }
        }
    }
    written
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_random_log_holds_and_no_byte_of_it_can_be_changed(
        steps in steps(),
        damages in prop::collection::vec((any::<Index>(), any::<Index>(), 1_u8..), 24),
    ) {
        let folder = written(&steps).published();
        prop_assert_eq!(found_in(folder.path()), []);
        // The copy of the policy is for people; the policy that counts is in the log.
        let mut names = files(folder.path());
        names.retain(|name| name != "policy");
        for (file, position, xor) in damages {
            let name = file.get(&names);
            let mut changed = 0;
            edit(folder.path(), name, |bytes| {
                changed = position.index(bytes.len());
                bytes[changed] ^= xor;
            });
            let source = DirectorySource::new(folder.path());
            let audit = audit(&source, &AuditOptions::default(), &mut Nobody).unwrap();
            prop_assert!(!audit.findings.is_empty(), "byte {changed} of {name} by {xor:#04x}");
            edit(folder.path(), name, |bytes| bytes[changed] ^= xor);
        }
        prop_assert_eq!(found_in(folder.path()), []);
    }
}

#[test]
fn no_byte_of_a_small_log_can_be_changed() {
    let folder = Written::of_size(3).published();
    let mut names = files(folder.path());
    names.retain(|name| name != "policy");
    assert_eq!(names, ["checkpoint", "tile/0/000.p/3", "tile/entries/000.p/3"]);
    for name in names {
        let length = std::fs::metadata(folder.path().join(&name)).unwrap().len();
        for position in 0..usize::try_from(length).unwrap() {
            let bit = 1 << (position % 8);
            edit(folder.path(), &name, |bytes| bytes[position] ^= bit);
            assert_ne!(found_in(folder.path()), [], "byte {position} of {name}");
            edit(folder.path(), &name, |bytes| bytes[position] ^= bit);
        }
    }
    assert_eq!(found_in(folder.path()), []);
}
