//! Decisions: sound ones hold, and every statement that is made otherwise is found.

use letopis_ledger::Hash;
use letopis_verifier::finding::Rule;

use super::decision_case::{
    CASE, CaseSpec, DECIDED_LEAF, Disclosed, EntrySpec, MODEL, NUMBER, REGULATION, SUBMITTED_LEAF,
    Withdrawn,
};
use super::follow_up;
use super::joint::{Joint, RELEASED_LEAF};
use super::rules::Broken;
use super::written::{Found, list};

/// What a regulation says where officials decide.
const APPROVAL: &str = "
approval:
  proposes: {unit: permits, role: executor}
  stages:
    - [{unit: permits, role: head}]
";

fn found(spec: &CaseSpec) -> Vec<Found> {
    list(&spec.check().audit.findings)
}

pub(crate) fn break_rule(rule: Rule) -> Broken {
    let granted = CaseSpec::granted;
    let (spec, leaf) = match rule {
        Rule::CaseExists => {
            let checked = granted().check_with("no such case", vec![]);
            return Broken::alone(list(&checked.audit.findings), None);
        }
        Rule::CaseTerminal => {
            // The check of the whole log finds the decision without an end, too.
            let found = found(&granted().with(|case| case.ends = 0));
            return Broken { found, leaf: None, alone: false };
        }
        Rule::CaseForm => (granted().with(|case| case.registrations = 2), None),
        Rule::RulePublished => {
            (granted().with(|case| case.pack_leaf = SUBMITTED_LEAF), Some(SUBMITTED_LEAF))
        }
        Rule::RuleFiles => {
            let altered = Some("services/parking/regulation.yaml");
            (granted().with(|case| case.altered_file = altered), None)
        }
        Rule::InputsDisclosed => {
            let disclosed = Disclosed::OneToApplicant;
            (granted().with(|case| case.disclosed = disclosed), Some(DECIDED_LEAF))
        }
        Rule::ComplexRequest => {
            (granted().with(|case| case.joint = Some(Joint::SaysNothing)), Some(RELEASED_LEAF))
        }
        Rule::FollowUp => {
            let leaf = Some(follow_up::SUBMITTED_LEAF);
            return Broken::alone(follow_up::broken(), leaf);
        }
        Rule::ReExecution => (granted().with(|case| case.permits = 2), Some(DECIDED_LEAF)),
        Rule::GroundsClosed => {
            let regulation = REGULATION.replace("- code: G3", "- code: G4");
            (CaseSpec::refused().with(|case| case.regulation = regulation), Some(DECIDED_LEAF))
        }
        Rule::Deadline => {
            let late = granted().with(|case| {
                case.decided_after_days = 9;
                (case.valid_from, case.valid_until) = ("2026-01-21", "2028-01-20");
            });
            (late, Some(DECIDED_LEAF))
        }
        // The regulation asks for a signature, and nobody signed.
        Rule::Approval => {
            let regulation = format!("{REGULATION}{APPROVAL}");
            (granted().with(|case| case.regulation = regulation), Some(DECIDED_LEAF))
        }
        Rule::RegistryEffect => {
            (granted().with(|case| case.entry = EntrySpec::None), Some(DECIDED_LEAF))
        }
        other => unreachable!("{} is not about decisions", other.code()),
    };
    Broken::alone(found(&spec), leaf)
}

#[test]
fn a_result_that_is_taken_out_is_so_by_a_fact_of_the_log_before() {
    let withdrawn = |how| CaseSpec::granted().with(|case| case.withdrawn = Some(how));
    let checked = withdrawn(Withdrawn::Rightly).check();
    assert_eq!(checked.audit.findings.kept(), []);
    assert_eq!(checked.facts["withdrawn_by"], "owner-changed");
    for how in [
        Withdrawn::Twice,
        Withdrawn::OtherEntry,
        Withdrawn::NotExcluded,
        Withdrawn::ByOtherRule,
        Withdrawn::ByDocument,
        Withdrawn::ByLaterFact,
    ] {
        let found = found(&withdrawn(how));
        assert_eq!(found, [(Rule::RegistryEffect, Some(DECIDED_LEAF + 1))], "{how:?}");
    }
}

#[test]
fn sound_decisions_hold_by_id_and_by_number() {
    for spec in [CaseSpec::granted(), CaseSpec::refused()] {
        for id in [CASE, NUMBER] {
            let checked = spec.check_with(id, vec![]);
            assert_eq!(checked.audit.findings.kept(), [], "{} by {id}", spec.outcome);
            assert_eq!(checked.facts["outcome"], spec.outcome);
            assert_eq!(checked.facts["leaf"], DECIDED_LEAF);
            assert_eq!(checked.facts["re_executed"], true);
            assert_eq!(checked.facts["grounds"], serde_json::json!(spec.grounds));
            assert_eq!(checked.facts["due"], spec.due);
        }
    }
}

#[test]
fn what_only_the_applicant_has_can_be_given() {
    let spec = CaseSpec::granted().with(|case| case.disclosed = Disclosed::OneToApplicant);
    assert_eq!(found(&spec), [(Rule::InputsDisclosed, Some(DECIDED_LEAF))]);
    let checked = spec.check_with(CASE, spec.given());
    assert_eq!(checked.audit.findings.kept(), []);
}

#[test]
fn a_disclosure_of_another_value_opens_nothing() {
    for disclosed in [Disclosed::OtherValue, Disclosed::Garbage] {
        let spec = CaseSpec::granted().with(|case| case.disclosed = disclosed);
        assert_eq!(found(&spec), [(Rule::InputsDisclosed, Some(DECIDED_LEAF))]);
    }
}

#[test]
fn another_outcome_than_the_table_gives_is_found() {
    // Refused on paper, while the table grants.
    let spec = CaseSpec::refused().with(|case| (case.resident, case.permits) = (true, 0));
    assert_eq!(found(&spec), [(Rule::ReExecution, Some(DECIDED_LEAF))]);
    // Granted on paper, while the table refuses.
    let spec = CaseSpec::granted().with(|case| case.resident = false);
    assert_eq!(found(&spec), [(Rule::ReExecution, Some(DECIDED_LEAF))]);
    // Refused by both, on other grounds.
    let spec = CaseSpec::refused().with(|case| case.grounds = vec!["G1"]);
    assert_eq!(found(&spec), [(Rule::ReExecution, Some(DECIDED_LEAF))]);
    // The same grounds by other rules.
    let spec = CaseSpec::refused().with(|case| case.trace[0].1 = vec!["not_resident"]);
    assert_eq!(found(&spec), [(Rule::ReExecution, Some(DECIDED_LEAF))]);
    // By an engine that this program does not have.
    let spec = CaseSpec::granted().with(|case| case.engine = "other-1".to_owned());
    assert_eq!(found(&spec), [(Rule::ReExecution, Some(DECIDED_LEAF))]);
}

#[test]
fn a_table_that_cannot_be_admitted_decides_nothing() {
    let model = MODEL.replace("count(grounds)", "random()");
    let spec = CaseSpec::granted().with(|case| case.model = model);
    assert_eq!(found(&spec), [(Rule::ReExecution, Some(DECIDED_LEAF))]);
}

#[test]
fn the_rule_must_be_the_published_one() {
    let decided = [(Rule::RulePublished, Some(DECIDED_LEAF))];
    let submitted = [(Rule::RulePublished, Some(SUBMITTED_LEAF))];
    let other = Some(Hash::of(b"another table"));
    let spec = CaseSpec::granted().with(|case| case.model_sha256 = other);
    assert_eq!(found(&spec), decided, "a table that is not in the pack");
    let spec = CaseSpec::granted().with(|case| case.decision = "outcome");
    assert_eq!(found(&spec), decided, "another decision of the table");
    let spec = CaseSpec::granted().with(|case| case.pack_version = 2);
    assert_eq!(found(&spec), submitted, "a version that was not published");
    let both = |case: &mut CaseSpec| (case.pack_version, case.published_version) = (2, 2);
    assert_eq!(found(&CaseSpec::granted().with(both)), submitted, "a version left out");
    let spec = CaseSpec::granted().with(|case| case.pack_leaf = 1);
    assert_eq!(found(&spec), submitted, "a leaf that publishes no pack");
    let spec = CaseSpec::granted().with(|case| case.pack_leaf = 1_000_000);
    assert_eq!(found(&spec), submitted, "a leaf that the log does not have");
}

#[test]
fn files_of_the_rule_must_be_there_and_unaltered() {
    for file in [
        "pack.yaml",
        "calendars/ru-2026.json",
        "services/parking/decision.dmn",
        "services/parking/regulation.yaml",
    ] {
        let altered = CaseSpec::granted().with(|case| case.altered_file = Some(file));
        assert_eq!(found(&altered), [(Rule::RuleFiles, None)], "{file} altered");
        let missing = CaseSpec::granted().with(|case| case.missing_file = Some(file));
        assert_eq!(found(&missing), [(Rule::RuleFiles, None)], "{file} missing");
    }
    let spec = CaseSpec::granted().with(|case| case.regulation = "grounds: [".to_owned());
    assert_eq!(found(&spec), [(Rule::RuleFiles, None)]);
}

#[test]
fn a_refusal_rests_on_grounds_of_the_case() {
    let decided = [(Rule::GroundsClosed, Some(DECIDED_LEAF))];
    let other = Some(vec!["G1"]);
    let spec = CaseSpec::refused().with(|case| case.refusal_grounds = other);
    assert_eq!(found(&spec), decided, "the refusal names other grounds than the decision");
    let order = vec!["G3", "G1"];
    let spec = CaseSpec::refused().with(|case| case.grounds = order);
    assert_eq!(found(&spec), decided, "not in the order of the regulation");
    for version in [0, 1, 2, 4, 5, 77] {
        let spec = CaseSpec::refused().with(|case| case.evidence_version = version);
        assert_eq!(found(&spec)[0], decided[0], "evidence in event {version}, no such answer");
    }
    let spec = CaseSpec::refused().with(|case| case.grounds = vec![]);
    let expected = [decided[0], (Rule::ReExecution, Some(DECIDED_LEAF))];
    assert_eq!(found(&spec), expected, "refused without a ground");
}

#[test]
fn the_term_is_counted_anew() {
    let spec = CaseSpec::granted().with(|case| case.due = "2026-01-21T20:59:59.999Z");
    assert_eq!(found(&spec), [(Rule::Deadline, Some(DECIDED_LEAF))], "due moved by a day");
    let spec = CaseSpec::granted().with(|case| case.registered_late_ms = 3_600_000);
    assert_eq!(found(&spec), [(Rule::Deadline, Some(SUBMITTED_LEAF))], "registered late");
    let regulation = REGULATION.replace("working_days: 5", "working_days: 6");
    let spec = CaseSpec::granted().with(|case| case.regulation = regulation);
    assert_eq!(found(&spec), [(Rule::Deadline, Some(DECIDED_LEAF))], "another term");
    // On the last day it is still in time.
    let spec = CaseSpec::granted().with(|case| {
        case.decided_after_days = 8;
        (case.valid_from, case.valid_until) = ("2026-01-20", "2028-01-19");
    });
    assert_eq!(found(&spec), []);
}

#[test]
fn the_registry_changes_as_the_decision_says() {
    let effect = [(Rule::RegistryEffect, Some(DECIDED_LEAF))];
    for entry in [
        EntrySpec::None,
        EntrySpec::InLaterLeaf,
        EntrySpec::Twice,
        EntrySpec::OtherNumber,
        EntrySpec::OtherRegistry,
    ] {
        let spec = CaseSpec::granted().with(|case| case.entry = entry);
        let alone = found(&spec).into_iter().filter(|(rule, _)| *rule != Rule::EntryBasis);
        assert_eq!(alone.collect::<Vec<_>>(), effect);
    }
    for entry in [EntrySpec::WithDecision, EntrySpec::InLaterLeaf] {
        let spec = CaseSpec::refused().with(|case| case.entry = entry);
        let found = found(&spec);
        assert_eq!(found[1..], effect, "a refused case with an entry");
        assert_eq!(found[0].0, Rule::EntryBasis);
    }
    let spec = CaseSpec::granted().with(|case| case.valid_until = "2029-01-12");
    assert_eq!(found(&spec), effect, "in force for longer than decided");
    for from in ["2026-01-14", "2026-01-11", "soon"] {
        let spec = CaseSpec::granted().with(|case| case.valid_from = from);
        assert_eq!(found(&spec), effect, "in force from {from}");
    }
}

#[test]
fn numbers_are_taken_by_the_records_that_give_them() {
    let other = "number/case/parking/П-2026-000002";
    let spec = CaseSpec::granted().with(|case| case.claims[0] = other);
    assert_eq!(found(&spec), [(Rule::CaseForm, Some(SUBMITTED_LEAF))]);
    let spec = CaseSpec::granted().with(|case| case.claims[1] = "number/entry/permits/РП-2");
    assert_eq!(found(&spec), [(Rule::RegistryEffect, Some(DECIDED_LEAF))]);
}

#[test]
fn a_number_of_two_cases_names_neither() {
    let spec = CaseSpec::granted().with(|case| case.has_double = true);
    let by_number = spec.check_with(NUMBER, vec![]);
    // The other one was never submitted, which the check of the whole log says.
    let never = (Rule::CaseOrder, Some(DECIDED_LEAF + 1));
    assert_eq!(list(&by_number.audit.findings), [never, (Rule::CaseExists, None)]);
    assert_eq!(found(&spec), [never], "the id names one case");
}

#[test]
fn a_case_ends_once_and_as_decided() {
    let spec = CaseSpec::granted().with(|case| case.ends = 2);
    let twice = [(Rule::CaseOrder, Some(DECIDED_LEAF)), (Rule::CaseTerminal, None)];
    assert_eq!(found(&spec), twice);
    let spec = CaseSpec::refused().with(|case| case.ends_later = true);
    let apart = [DECIDED_LEAF, DECIDED_LEAF + 1].map(|leaf| (Rule::CaseOrder, Some(leaf)));
    let later = (Rule::CaseTerminal, Some(DECIDED_LEAF + 1));
    assert_eq!(found(&spec), [&apart[..], &[later]].concat());
    let spec = CaseSpec::granted().with(|case| case.registrations = 0);
    assert_eq!(found(&spec), [(Rule::CaseForm, None)]);
    let decided = [(Rule::CaseForm, Some(DECIDED_LEAF))];
    let spec = CaseSpec::granted().with(|case| case.answered = "vehicle");
    assert_eq!(found(&spec), decided, "an answer to what nobody asked");
    let spec = CaseSpec::granted().with(|case| case.read_size = 6);
    assert_eq!(found(&spec), decided, "inputs read from a log that was not there yet");
}
