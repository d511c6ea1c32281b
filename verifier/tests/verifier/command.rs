//! The program: what it prints where, and the code with which it ends.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::compare::forked;
use super::decision_case::{CASE, CaseSpec, Disclosed, NUMBER};
use super::written::{Written, edit, found_in, policy, witness_key};

fn run(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_letopis-verify");
    Command::new(program).args(arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_log_that_holds_ends_with_0_and_one_that_does_not_with_1() {
    let folder = Written::of_size(300).published();
    let output = run(&["log", text(folder.path())]);
    assert_eq!(code(&output), 0, "{output:?}");
    assert!(stdout(&output).ends_with("EVERYTHING HOLDS.\n"), "{}", stdout(&output));
    assert_eq!(stderr(&output), "");
    let output = run(&["log", "--lang", "ru", text(folder.path())]);
    assert!(stdout(&output).ends_with("ВСЁ СХОДИТСЯ.\n"), "{}", stdout(&output));

    edit(folder.path(), "tile/entries/000", |bytes| bytes[1000] ^= 1);
    let output = run(&["log", text(folder.path())]);
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).contains("NOT IN ORDER"), "{}", stdout(&output));
    let output = run(&["log", "--json", text(folder.path())]);
    assert_eq!(code(&output), 1);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["holds"], false);
    assert_eq!(report["log"]["size"], 300);
    assert!(report["broken_rules"]["tree-root"].is_u64(), "{report}");
}

#[test]
fn what_could_not_be_checked_ends_with_2_and_says_why() {
    let empty = tempfile::tempdir().unwrap();
    let output = run(&["log", text(empty.path())]);
    assert_eq!(code(&output), 2);
    assert_eq!(stderr(&output), "letopis-verify: checkpoint is not there\n");
    assert_eq!(stdout(&output), "");
    let output = run(&["log", "http://127.0.0.1:1/"]);
    assert_eq!(code(&output), 2);
    assert_eq!(code(&run(&["log"])), 2, "the place is missing");
    assert_eq!(code(&run(&["log", "--lang", "de", "x"])), 2);
    assert_eq!(code(&run(&["proof", "no such file"])), 2);
}

#[test]
fn a_decision_is_found_by_id_or_number_and_opened_by_the_applicant() {
    let folder = CaseSpec::granted().published();
    for id in [CASE, NUMBER] {
        let output = run(&["decision", id, "--log", text(folder.path())]);
        assert_eq!(code(&output), 0, "{}", stdout(&output));
    }
    assert_eq!(code(&run(&["decision", "other", "--log", text(folder.path())])), 1);

    let spec = CaseSpec::granted().with(|case| case.disclosed = Disclosed::OneToApplicant);
    let folder = spec.published();
    let log = text(folder.path());
    assert_eq!(code(&run(&["decision", CASE, "--log", log])), 1);
    let given = folder.path().join("given.json");
    fs::write(&given, serde_json::json!({ "disclosures": spec.given() }).to_string()).unwrap();
    let output = run(&["decision", CASE, "--log", log, "--disclosures", text(&given)]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    fs::write(&given, "{}").unwrap();
    let output = run(&["decision", CASE, "--log", log, "--disclosures", text(&given)]);
    assert_eq!(code(&output), 2, "{}", stdout(&output));
}

#[test]
fn a_proof_is_checked_against_a_policy_that_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let written = Written::of_size(9);
    let (proof, rules) = (folder.path().join("4.tlog-proof"), folder.path().join("policy"));
    fs::write(&proof, written.proof(4).to_string()).unwrap();
    fs::write(&rules, policy().to_string()).unwrap();
    let output = run(&["proof", text(&proof)]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("--policy"), "{}", stderr(&output));
    let with_policy = ["proof", text(&proof), "--policy", text(&rules)];
    assert_eq!(code(&run(&with_policy)), 0);
    let entry = folder.path().join("entry");
    fs::write(&entry, &written.leaves[5]).unwrap();
    let output = run(&[&with_policy[..], &["--leaf", text(&entry)]].concat());
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).contains("[proof-inclusion]"), "{}", stdout(&output));
}

#[test]
fn a_mirror_is_made_from_the_command_line() {
    let folder = Written::of_size(300).published();
    let copy = tempfile::tempdir().unwrap();
    let output = run(&["mirror", text(folder.path()), text(copy.path())]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stdout(&output).contains("300 entries copied"), "{}", stdout(&output));
    assert_eq!(found_in(copy.path()), []);
}

#[test]
fn two_heads_are_compared_and_what_they_prove_is_written() {
    let (one, grown) = (Written::of_size(5).published(), Written::of_size(9).published());
    let fork = forked(9, 3).published();
    let rules = one.path().join("rules");
    fs::write(&rules, policy().to_string()).unwrap();
    let rules = text(&rules);
    let (first, second) = (text(one.path()), text(grown.path()));
    let output = run(&["compare", first, second, "--policy", rules]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    assert!(stdout(&output).contains("consistent"), "{}", stdout(&output));

    let file = one.path().join("fork.txt");
    let both = ["compare", first, text(fork.path())];
    let output = run(&both);
    assert_eq!(code(&output), 2, "{}", stdout(&output));
    assert!(stdout(&output).contains("CANNOT BE DECIDED"), "{}", stdout(&output));
    let write = ["--policy", rules, "--write", text(&file)];
    let output = run(&[&both[..], &write[..]].concat());
    assert_eq!(code(&output), 1, "{}", stdout(&output));
    assert!(stdout(&output).contains("EQUIVOCATION PROVEN"), "{}", stdout(&output));

    // The file alone is enough, with the key of any party that signed both.
    let key = witness_key(1).verifier_key().to_string();
    let output = run(&["compare", text(&file), "--vkey", &key]);
    assert_eq!(code(&output), 1, "{}", stdout(&output));
    let output = run(&["compare", text(&file), "--vkey", &key, "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["compare"]["outcome"], "equivocation");
    assert_eq!(report["compare"]["signed_both"], serde_json::json!(["witness1.example"]));
    let stranger = witness_key(9).verifier_key().to_string();
    assert_eq!(code(&run(&["compare", text(&file), "--vkey", &stranger])), 2);
    assert_eq!(code(&run(&["compare", text(&file), "--vkey", "nonsense"])), 2);
    assert_eq!(code(&run(&["compare", first])), 2, "one head");
}
