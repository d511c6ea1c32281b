//! Two heads of one log: the same, consistent, contradictory, or not to be decided.

use std::fs;
use std::path::Path;

use letopis_ledger::checkpoint::{Checkpoint, Origin};
use letopis_ledger::equivocation::{Equivocation, keys_of};
use letopis_ledger::note::VerifierKey;
use letopis_ledger::tree::{consistency_proof, prefix_proof};
use letopis_ledger::{Hash, TreeSize};
use letopis_verifier::compare::{
    CompareError, Compared, Outcome, Undecided, compare, read, read_proof,
};
use letopis_verifier::finding::Rule;
use letopis_verifier::report::Report;
use tempfile::TempDir;

use super::rules::Broken;
use super::written::{Written, note, policy, write};

fn keys() -> Vec<VerifierKey> {
    keys_of(&policy()).cloned().collect()
}

/// A log in which one leaf was rewritten.
pub(crate) fn forked(size: usize, leaf: usize) -> Written {
    let mut written = Written::of_size(size);
    let text = String::from_utf8(written.leaves[leaf].clone()).unwrap();
    written.leaves[leaf] = text.replace("note.taken", "note.token").into_bytes();
    written
}

/// The head alone, as a file.
fn head_file(written: &Written, folder: &Path, witnesses: u8) -> String {
    let name = format!("head-{}-{}", written.leaves.len(), written.tree().root().to_hex());
    write(folder, &name, note(&written.checkpoint(), witnesses).to_string().as_bytes());
    folder.join(name).to_str().unwrap().to_owned()
}

fn text(folder: &TempDir) -> &str {
    folder.path().to_str().unwrap()
}

fn compared(first: &str, second: &str, keys: &[VerifierKey]) -> Compared {
    compare(read(first, Some(second)).unwrap(), keys, None).unwrap()
}

pub(crate) fn break_rule() -> Broken {
    let (one, two) = (Written::of_size(5).published(), forked(9, 3).published());
    let compared = compared(text(&one), text(&two), &keys());
    let report: serde_json::Value =
        serde_json::from_str(&Report::of_comparison(&compared).to_json()).unwrap();
    let found = report["findings"].as_array().unwrap().iter();
    let found = found.map(|finding| {
        let rule = Rule::ALL.iter().find(|rule| finding["rule"] == rule.code());
        (*rule.unwrap(), finding["leaf"].as_u64())
    });
    Broken::alone(found.collect(), None)
}

#[test]
fn logs_that_grew_are_consistent_and_one_head_is_the_same() {
    for (old, new) in [(1, 2), (3, 3), (5, 9), (256, 300), (255, 257), (300, 600)] {
        let (old_log, new_log) = (Written::of_size(old), Written::of_size(new));
        let (old_folder, new_folder) = (old_log.published(), new_log.published());
        let expected = if old == new { Outcome::Same } else { Outcome::Consistent };
        let file = head_file(&old_log, old_folder.path(), 1);
        for first in [text(&old_folder), &file] {
            let both = [(first, text(&new_folder)), (text(&new_folder), first)];
            for (first, second) in both {
                let found = compared(first, second, &keys());
                assert_eq!(found.outcome, expected, "{old} {new}");
                assert_eq!(found.heads[0].1.size().get(), old as u64);
                let all = ["log.example/letopis", "witness1.example", "witness2.example"];
                assert!(found.signers.iter().any(|signers| signers == &all), "{old} {new}");
            }
        }
        assert_eq!(compared(&file, text(&new_folder), &[]).outcome, expected);
        // The log of the smaller head has grown, and has the tiles of the larger one by now.
        let file = head_file(&new_log, new_folder.path(), 2);
        new_log.publish(old_folder.path());
        let head = note(&old_log.checkpoint(), 2).to_string();
        write(old_folder.path(), "checkpoint", head.as_bytes());
        assert_eq!(compared(text(&old_folder), &file, &keys()).outcome, expected);
    }
}

#[test]
fn a_fork_is_proved_written_down_and_proved_again_from_the_file_alone() {
    for (old, new, leaf) in [(5, 5, 3), (4, 9, 3), (5, 9, 2), (256, 300, 2), (299, 600, 40)] {
        let (one, two) = (Written::of_size(old), forked(new, leaf));
        let (one, two) = (one.published(), two.published());
        let found = compared(text(&two), text(&one), &keys());
        let Outcome::Equivocation(found, signers) = found.outcome else {
            panic!("{old} {new}: {:?}", found.outcome);
        };
        let names: Vec<&str> = signers.iter().map(|signer| signer.name.as_str()).collect();
        assert_eq!(names, ["log.example/letopis", "witness1.example", "witness2.example"]);

        write(one.path(), "fork", found.to_string().as_bytes());
        let file = one.path().join("fork");
        let file = file.to_str().unwrap();
        let again = compare(read(file, None).unwrap(), &keys(), None).unwrap();
        assert_eq!(again.outcome, Outcome::Equivocation(found.clone(), signers));
        let again = compare(read(file, None).unwrap(), &[], None).unwrap();
        assert_eq!(again.outcome, Outcome::Undecided(Undecided::NoKeys));
        assert!(matches!(read(file, Some(text(&one))), Err(CompareError::NotAlone { .. })));
        assert!(matches!(read(text(&one), Some(file)), Err(CompareError::NotAlone { .. })));
        assert!(matches!(read(text(&one), None), Err(CompareError::OneHead { .. })));
    }
}

#[test]
fn a_proof_at_hand_decides_as_the_tiles_do() {
    let folder = tempfile::tempdir().unwrap();
    for old in [4, 5] {
        let (first, honest, fork) = (Written::of_size(old), Written::of_size(9), forked(9, 3));
        let heads = [&first, &honest, &fork].map(|log| head_file(log, folder.path(), 2));
        let (old, new) = (TreeSize::new(old as u64), TreeSize::new(9));
        let with = |second: &str, hashes: &[Hash]| {
            let lines: String = hashes.iter().map(|hash| format!("{hash}\n")).collect();
            write(folder.path(), "proof", lines.as_bytes());
            let file = folder.path().join("proof");
            let hashes = read_proof(file.to_str().unwrap()).unwrap();
            let given = read(&heads[0], Some(second)).unwrap();
            compare(given, &keys(), Some(hashes)).unwrap().outcome
        };
        let consistency = consistency_proof(&honest.tree(), old, new).unwrap();
        assert_eq!(with(&heads[1], consistency.path()), Outcome::Consistent);
        let prefix = prefix_proof(&honest.tree(), old, new).unwrap();
        assert_eq!(with(&heads[1], prefix.path()), Outcome::Consistent);
        let prefix = prefix_proof(&fork.tree(), old, new).unwrap();
        assert!(matches!(with(&heads[2], prefix.path()), Outcome::Equivocation(..)));
        // Hashes of the one tree show nothing about the other.
        let nothing = with(&heads[1], prefix.path());
        assert!(matches!(nothing, Outcome::Undecided(Undecided::Proof(_))), "{nothing:?}");
    }
    write(folder.path(), "proof", b"AAAA\n");
    let file = folder.path().join("proof");
    assert!(matches!(read_proof(file.to_str().unwrap()), Err(CompareError::Proof { line: 1, .. })));
}

#[test]
fn what_cannot_be_decided_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (first, fork) = (Written::of_size(5), forked(9, 3));
    let one = head_file(&first, folder.path(), 2);
    let two = head_file(&fork, folder.path(), 2);
    let undecided = |first: &str, second: &str, keys: &[VerifierKey]| {
        let found = compared(first, second, keys).outcome;
        let Outcome::Undecided(reason) = found else { panic!("{found:?}") };
        reason
    };
    let (old, new) = (TreeSize::new(5), TreeSize::new(9));
    assert_eq!(undecided(&one, &two, &keys()), Undecided::NoProof { old, new });
    let log = fork.published();
    assert_eq!(undecided(&one, text(&log), &[]), Undecided::NoKeys);
    // Witness 2 signed one of the heads only.
    let one = head_file(&first, folder.path(), 1);
    let second_witness = &keys()[2..];
    assert_eq!(undecided(&one, text(&log), second_witness), Undecided::Unsigned(one.clone()));
    let other = Origin::new("other.example/log").unwrap();
    let other = Checkpoint::new(other, new, fork.tree().root());
    write(folder.path(), "other", note(&other, 2).to_string().as_bytes());
    let other = folder.path().join("other");
    let reason = undecided(&one, other.to_str().unwrap(), &[]);
    assert!(matches!(reason, Undecided::TwoLogs(..)), "{reason}");
    // Tiles that do not lead to the signed root.
    let tile = log.path().join("tile/0/000.p/9");
    let mut bytes = fs::read(&tile).unwrap();
    bytes[0] ^= 1;
    fs::write(&tile, bytes).unwrap();
    let reason = undecided(&one, text(&log), &keys());
    assert!(matches!(reason, Undecided::Proof(_)), "{reason}");
    fs::remove_file(&tile).unwrap();
    let reason = undecided(&one, text(&log), &keys());
    assert!(matches!(reason, Undecided::Proof(_)), "{reason}");
}

#[test]
fn heads_that_each_party_signed_once_are_no_equivocation_of_anybody() {
    let folder = tempfile::tempdir().unwrap();
    let (first, fork) = (Written::of_size(9), forked(9, 3));
    let one = head_file(&first, folder.path(), 1);
    let two = head_file(&fork, folder.path(), 2);
    let found = compared(&one, &two, &keys());
    let Outcome::Equivocation(found, signers) = found.outcome else { panic!() };
    assert_eq!(signers.len(), 2, "the log and witness 1");
    let found = Equivocation::parse(&found.to_string()).unwrap();
    assert!(found.check(&keys()[2..]).is_err());
}
