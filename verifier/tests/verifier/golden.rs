//! Reports word for word, in both languages and for programs.
//!
//! `UPDATE_GOLDEN=1` writes the files anew; read the difference before you commit it.

use std::fs;
use std::path::Path;

use letopis_ledger::bundle::encode_bundle;
use letopis_verifier::message::{Language, Messages};
use letopis_verifier::proof::check_proof;
use letopis_verifier::report::Report;

use super::decision_case::CaseSpec;
use super::written::{Written, audit_of, policy, write};

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
