//! Reports word for word, in both languages and for programs.
//!
//! `UPDATE_GOLDEN=1` writes the files anew; read the difference before you commit it.

use std::fs;
use std::path::Path;

use letopis_ledger::bundle::encode_bundle;
use letopis_ledger::equivocation::keys_of;
use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::note::VerifierKey;
use letopis_verifier::audit::Nobody;
use letopis_verifier::compare::{compare as compare_heads, read};
use letopis_verifier::decision::{Options, check_decision};
use letopis_verifier::message::{Language, Messages};
use letopis_verifier::proof::check_proof;
use letopis_verifier::report::Report;
use letopis_verifier::source::DirectorySource;

use super::decision_case::{CASE, CaseSpec};
use super::written::{FOUNDER, Written, ZARECHNY, audit_of, policy, write};
use super::{compare, nodes};

const PLACE: &str = "https://log.example";

fn assert_golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/reports").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert_eq!(found, expected, "{name}");
}

fn assert_report(name: &str, report: &Report) {
    assert_golden(&format!("{name}.en.txt"), &report.to_text(&Messages::of(Language::English)));
    assert_golden(&format!("{name}.ru.txt"), &report.to_text(&Messages::of(Language::Russian)));
    assert_golden(&format!("{name}.json"), &report.to_json());
}

#[test]
fn the_report_of_a_sound_log() {
    let folder = Written::of_size(257).published();
    assert_report("log", &Report::of_log(PLACE.to_owned(), &audit_of(folder.path())));
}

#[test]
fn the_report_of_a_log_with_a_removed_leaf() {
    let mut written = Written::of_size(30);
    let folder = written.published();
    written.leaves.remove(10);
    let rest = encode_bundle(&written.leaves).unwrap();
    write(folder.path(), "tile/entries/000.p/30", &rest);
    let audit = audit_of(folder.path());
    assert_report("log-removed", &Report::of_log(PLACE.to_owned(), &audit));
}

#[test]
fn the_report_of_a_log_that_lost_its_quorum_once() {
    let mut written = nodes::with_nodes();
    let recovered = nodes::recovered(&written, ZARECHNY, 2);
    nodes::push(&mut written, ZARECHNY, &[recovered]);
    let third = written.admission("third");
    written.push(FOUNDER, third);
    let events = [nodes::admitted(3, "third"), nodes::promoted(3), nodes::promoted(2)];
    nodes::push(&mut written, FOUNDER, &events);
    nodes::push(&mut written, FOUNDER, &[nodes::agency_removed("third")]);
    let policy = GovernanceEvent::PolicySet { policy: policy().to_string() };
    nodes::push(&mut written, FOUNDER, &[policy]);
    let audit = audit_of(written.published().path());
    assert_report("log-recovered", &Report::of_log(PLACE.to_owned(), &audit));

    // A proof of the leaf that says so tells it too.
    let proof = written.proof(3).to_string();
    let checked = check_proof(proof.as_bytes(), None, &super::written::policy());
    let report = Report::of_proof("3.tlog-proof".to_owned(), &checked);
    assert_told(&report);
}

#[test]
fn a_decision_in_a_log_that_lost_its_quorum_says_so() {
    let mut written = CaseSpec::granted().written();
    let events = [nodes::admitted(1, FOUNDER), nodes::admitted(2, FOUNDER), nodes::promoted(1)];
    nodes::push(&mut written, FOUNDER, &events);
    let recovered = nodes::recovered(&written, FOUNDER, 3);
    nodes::push(&mut written, FOUNDER, &[recovered]);
    let folder = written.published();
    let source = DirectorySource::new(folder.path());
    let checked = check_decision(&source, CASE, &Options::default(), &mut Nobody).unwrap();
    let report = Report::of_decision(PLACE.to_owned(), &checked);
    assert!(report.holds());
    assert_told(&report);
}

fn assert_told(report: &Report) {
    for (language, word) in [(Language::English, "ATTENTION"), (Language::Russian, "ВНИМАНИЕ")]
    {
        let text = report.to_text(&Messages::of(language));
        assert_eq!(text.matches(word).count(), 1, "{text}");
    }
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(json["notices"][0]["notice"], "log-recovered");
    assert_eq!(json["notices"][0]["lost"], serde_json::json!([2]));
}

#[test]
fn the_reports_of_comparisons() {
    let (one, longer) = (Written::of_size(5), Written::of_size(9));
    let fork = compare::forked(9, 3);
    let keys: Vec<VerifierKey> = keys_of(&policy()).cloned().collect();
    for (name, second, keys) in [
        ("compare-consistent", &longer, &keys[..]),
        ("compare-fork", &fork, &keys[..]),
        ("compare-undecided", &fork, &[]),
    ] {
        let (first, second) = (one.published(), second.published());
        let places = [&first, &second].map(|folder| folder.path().to_str().unwrap());
        let given = read(places[0], Some(places[1])).unwrap();
        let mut compared = compare_heads(given, keys, None).unwrap();
        compared.heads[0].0 = "first".to_owned();
        compared.heads[1].0 = "second".to_owned();
        assert_report(name, &Report::of_comparison(&compared));
    }
}

#[test]
fn the_reports_of_decisions() {
    for (name, spec) in [
        ("decision-granted", CaseSpec::granted()),
        ("decision-refused", CaseSpec::refused()),
        ("decision-broken", CaseSpec::refused().with(|case| case.permits = 0)),
    ] {
        assert_report(name, &Report::of_decision(PLACE.to_owned(), &spec.check()));
    }
}

#[test]
fn the_report_of_a_proof() {
    let proof = Written::of_size(9).proof(4).to_string();
    let checked = check_proof(proof.as_bytes(), None, &policy());
    assert_report("proof", &Report::of_proof("4.tlog-proof".to_owned(), &checked));
}
