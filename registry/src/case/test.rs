//! Given events, when a command comes, then events or a refusal; and every order of answers
//! decides the same.

mod escalation;
mod office;
mod submission;
mod terms;

use std::collections::BTreeMap;

use letopis_ledger::disclosure::{Disclosure, SALT_BYTES};
use letopis_ledger::json::Json;
use letopis_ledger::{LeafIndex, StreamVersion, Timestamp, TreeSize};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::code::{ChannelCode, FieldPath, PackCode, StepCode};
use crate::event::{CaseEvent, CaseId, DomainEvent, EntryId, Outcome};
use crate::pack::fixture::{self, zarechny};
use crate::record_draft::Decision;

const HOME: &str = "5d3c1a7e-2b64-4f0e-9a51-0c8d7e6f1a01";
const ANNA: &str = "112-233-445 95";

/// A case under test: its state, and the private values that its events named.
struct Given<'a> {
    rules: CaseRules<'a>,
    state: CaseState,
    disclosures: Vec<Disclosure>,
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn step(code: &str) -> StepCode {
    StepCode::parse(code).unwrap()
}

fn pack_ref() -> PackRef {
    PackRef { code: PackCode::parse("zarechny").unwrap(), version: 1, leaf: LeafIndex::new(3) }
}

fn with_rules(test: impl FnOnce(CaseRules<'_>)) {
    with_rules_of(&zarechny(), test);
}

fn with_rules_of(pack: &Pack, test: impl FnOnce(CaseRules<'_>)) {
    let code = crate::code::ServiceCode::parse("parking-permit").unwrap();
    let (service, pack_ref) = (pack.service(&code).unwrap(), pack_ref());
    let secret = AgencySecret::new([7; 32]);
    let calendar = pack.calendar();
    test(CaseRules { pack, calendar, service, pack_ref: &pack_ref, secret: &secret });
}

impl<'a> Given<'a> {
    fn nothing(rules: CaseRules<'a>) -> Self {
        let stream = CaseId::from_parts(1, &[1; 10]).stream();
        Self { rules, state: CaseState::new(stream), disclosures: Vec::new() }
    }

    fn submitted(rules: CaseRules<'a>) -> Self {
        let mut given = Self::nothing(rules);
        let decision = submit(&given.rules).decide(&given.state, &given.rules).unwrap();
        given.take(&decision);
        given
    }

    fn answered(rules: CaseRules<'a>, answers: &[AnswerRequest]) -> Self {
        let mut given = Self::submitted(rules);
        for answer in answers {
            let decision = given.answer(answer).unwrap();
            given.take(&decision);
        }
        given
    }

    fn answer(&self, answer: &AnswerRequest) -> Result<Decision, CaseRefusal> {
        answer.decide(&self.state, &Opened::new(&self.disclosures), &self.rules)
    }

    fn decide(&self, command: &DecideCase) -> Result<Decision, CaseRefusal> {
        command.decide(&self.state, &Opened::new(&self.disclosures), &self.rules)
    }

    /// Evolves the state as if the decision had been appended.
    fn take(&mut self, decision: &Decision) {
        for new in &decision.events {
            let seal = |field: &crate::record_draft::PrivateField| {
                Disclosure::new(&[5; SALT_BYTES], &field.name, field.value.clone()).unwrap()
            };
            let disclosures: Vec<Disclosure> = new.private.iter().map(seal).collect();
            let private = disclosures.iter().map(Disclosure::digest).collect();
            self.disclosures.extend(disclosures);
            if let DomainEvent::Case(event) = &new.event {
                let (version, event) = (new.version, event.clone());
                self.state.evolve(&RecordedCaseEvent { version, event, private }).unwrap();
            }
        }
    }
}

fn submit(rules: &CaseRules<'_>) -> SubmitApplication {
    let form = json!({
        "applicant": {"surname": "Иванова", "given_name": "Анна", "snils": ANNA},
        "plate": "А123ВС77", "dwelling": HOME, "zone": "Z1", "validity_years": 2
    });
    SubmitApplication {
        joined: None,
        channel: ChannelCode::parse("portal").unwrap(),
        form: rules.service.check_form(&form).unwrap(),
        number: Some("ЗП-2026-000001".into()),
        at: at("2026-11-20T07:00:00.000Z"),
        registered_at: None,
        executors: Executors::new(),
        entry: None,
        follow_up: None,
        source: None,
    }
}

fn answer(request: &str, facts: &[(&str, &str)]) -> AnswerRequest {
    let facts = facts.iter().map(|(field, value)| {
        (FieldPath::parse(field).unwrap(), Json::String((*value).to_owned()))
    });
    AnswerRequest {
        request: step(request),
        facts: Some(facts.collect()),
        source: None,
        came: None,
        scan: None,
        signature: None,
        taken_over: None,
        at: at("2026-11-20T08:00:00.000Z"),
        executors: Executors::new(),
        escalates_to: None,
    }
}

fn no_data(request: &str) -> AnswerRequest {
    AnswerRequest { facts: None, ..answer(request, &[]) }
}

fn good_answers() -> Vec<AnswerRequest> {
    vec![
        answer("vehicle", &[("owner_snils", ANNA)]),
        answer("residence", &[("dwelling", HOME), ("zone", "Z1")]),
        no_data("fines"),
    ]
}

fn decide(permits: u32, plate: u32) -> DecideCase {
    DecideCase {
        holdings: Holdings {
            read_size: TreeSize::new(40),
            entry_counts: BTreeMap::from([
                ("permits at dwelling".to_owned(), permits),
                ("plate has permit".to_owned(), plate),
            ]),
            taken_slots: vec![],
        },
        at: at("2026-11-20T09:00:00.000Z"),
        entry: ResultEntry::New {
            entry: EntryId::from_parts(
                crate::code::RegistryCode::parse("parking_permit").unwrap(),
                2,
                &[2; 10],
            ),
            number: "РР-2026-000001".into(),
        },
    }
}

/// When time alone brings about something next.
fn next(given: &Given<'_>) -> Option<Timestamp> {
    PassTime::next(&given.state, &given.rules, at("2026-11-20T09:00:00.000Z"))
}

fn types(decision: &Decision) -> Vec<&'static str> {
    decision.events.iter().map(|new| new.event.event_type()).collect()
}

#[test]
fn submission_registers_and_sends_every_parallel_request_at_once() {
    with_rules(|rules| {
        let given = Given::nothing(rules);
        let decision = submit(&rules).decide(&given.state, &rules).unwrap();
        assert_eq!(
            types(&decision),
            [
                "application.submitted",
                "application.registered",
                "request.sent",
                "request.sent",
                "request.sent"
            ]
        );
        assert_eq!(decision.claims[0].name.as_str(), "number/case/parking-permit/ЗП-2026-000001");
        let DomainEvent::Case(CaseEvent::Registered(registered)) = &decision.events[1].event else {
            panic!("not registered")
        };
        assert_eq!(registered.due, at("2026-11-30T20:59:59.999Z"));
        let names: Vec<&str> =
            decision.events.iter().flat_map(|new| &new.private).map(|f| f.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "form.applicant.given_name",
                "form.applicant.snils",
                "form.applicant.surname",
                "form.dwelling",
                "form.plate",
                "request.vehicle.plate",
                "request.residence.snils",
                "request.fines.plate"
            ]
        );
    });
}

#[test]
fn a_second_submission_and_a_closed_channel_are_refused() {
    with_rules(|rules| {
        let given = Given::submitted(rules);
        let refused = submit(&rules).decide(&given.state, &rules);
        assert_eq!(refused, Err(CaseRefusal::AlreadySubmitted));
        let channel = ChannelCode::parse("post").unwrap();
        let command = SubmitApplication { channel: channel.clone(), ..submit(&rules) };
        let refused = command.decide(&Given::nothing(rules).state, &rules);
        assert_eq!(refused, Err(CaseRefusal::ChannelClosed { channel }));
    });
}

#[test]
fn answers_that_do_not_belong_are_refused() {
    with_rules(|rules| {
        let given = Given::answered(rules, &good_answers()[..1]);
        assert!(matches!(
            given.answer(&no_data("smoke")),
            Err(CaseRefusal::StepNotInRegulation { step, .. }) if step.as_str() == "smoke"
        ));
        // A step of another kind is not a request either.
        assert!(matches!(
            given.answer(&no_data("decision")),
            Err(CaseRefusal::StepNotInRegulation { .. })
        ));
        let request = step("vehicle");
        assert_eq!(
            given.answer(&no_data("vehicle")),
            Err(CaseRefusal::AlreadyAnswered { request: request.clone() })
        );
        let not_asked = answer("residence", &[("colour", "red")]);
        assert!(matches!(given.answer(&not_asked), Err(CaseRefusal::FactNotAsked { .. })));
        let nothing = Given::nothing(rules);
        assert_eq!(nothing.answer(&no_data("vehicle")), Err(CaseRefusal::NotSubmitted));
    });
}

#[test]
fn the_decision_waits_for_every_mandatory_answer() {
    with_rules(|rules| {
        let given = Given::answered(rules, &good_answers()[..1]);
        let request = step("residence");
        assert_eq!(given.decide(&decide(0, 0)), Err(CaseRefusal::WaitsFor { request }));
    });
}

#[test]
fn a_grant_makes_the_entry_with_its_claims_in_the_same_record() {
    with_rules(|rules| {
        let given = Given::answered(rules, &good_answers());
        let decision = given.decide(&decide(1, 0)).unwrap();
        assert_eq!(
            types(&decision),
            ["application.decided", "application.result_issued", "registry.entry_created"]
        );
        assert_eq!(decision.events[2].version, StreamVersion::ZERO);
        assert_eq!(decision.claims.len(), 3);
        let private: Vec<&str> =
            decision.events[2].private.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(private, ["field.dwelling", "field.holder_snils", "field.plate"]);
        // With the first slot taken, the second one is claimed; with both, nothing is.
        let mut second = decide(1, 0);
        second.holdings.taken_slots = vec![decision.claims[2].name.clone()];
        let next = given.decide(&second).unwrap();
        assert!(next.claims[2].name.as_str().starts_with("slot/parking_permit/dwelling/"));
        assert_ne!(next.claims[2].name, decision.claims[2].name);
        second.holdings.taken_slots.push(next.claims[2].name.clone());
        assert!(matches!(given.decide(&second), Err(CaseRefusal::QuotaDiffers { .. })));
    });
}

#[test]
fn a_refusal_names_each_ground_with_its_evidence() {
    with_rules(|rules| {
        let answers = ["vehicle", "residence", "fines"].map(no_data);
        let given = Given::answered(rules, &answers);
        let decision = given.decide(&decide(2, 1)).unwrap();
        assert_eq!(types(&decision), ["application.decided", "application.refusal_issued"]);
        assert!(decision.claims.is_empty());
        let DomainEvent::Case(CaseEvent::Decided(decided)) = &decision.events[0].event else {
            panic!("not decided")
        };
        assert_eq!(decided.outcome, Outcome::Refused);
        let codes: Vec<&str> = decided.grounds.iter().map(|g| g.code.as_str()).collect();
        assert_eq!(codes, ["G1", "G2", "G3", "G5"]);
        let evidence = &decided.grounds[1].evidence;
        assert_eq!(
            (evidence[0].of.as_str(), evidence[0].version),
            ("vehicle", StreamVersion::new(5))
        );
        assert_eq!(evidence[1].version, StreamVersion::new(8));
    });
}

#[test]
fn an_ended_case_takes_nothing_more() {
    with_rules(|rules| {
        let mut given = Given::answered(rules, &good_answers());
        let decision = given.decide(&decide(0, 0)).unwrap();
        given.take(&decision);
        assert_eq!(given.state.status(), CaseStatus::Granted);
        assert_eq!(given.decide(&decide(0, 0)), Err(CaseRefusal::AlreadyEnded));
        assert_eq!(given.answer(&no_data("vehicle")), Err(CaseRefusal::AlreadyEnded));
        let version = given.state.length();
        for event in [CaseEvent::RefusalIssued { grounds: vec![] }, terminal(&decision)] {
            let recorded = RecordedCaseEvent { version, event, private: vec![] };
            assert!(given.state.clone().evolve(&recorded).is_err(), "a second terminal event");
        }
    });
}

fn terminal(decision: &Decision) -> CaseEvent {
    match &decision.events[1].event {
        DomainEvent::Case(event) => event.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_case_is_not_decided_by_another_version_or_before_its_time() {
    with_rules(|rules| {
        let given = Given::answered(rules, &good_answers());
        let other = PackRef { version: 2, ..pack_ref() };
        let opened = Opened::new(&given.disclosures);
        let foreign = CaseRules { pack_ref: &other, ..rules };
        assert_eq!(
            decide(0, 0).decide(&given.state, &opened, &foreign),
            Err(CaseRefusal::OtherRegulation { pinned: pack_ref() })
        );
        let early = DecideCase { at: at("2026-11-20T06:59:59.999Z"), ..decide(0, 0) };
        assert!(matches!(given.decide(&early), Err(CaseRefusal::BeforeRegistration { .. })));
    });
}

#[test]
fn a_missing_disclosure_or_count_is_never_guessed() {
    with_rules(|rules| {
        let given = Given::answered(rules, &good_answers());
        let refused = decide(0, 0).decide(&given.state, &Opened::default(), &rules);
        assert!(matches!(refused, Err(CaseRefusal::Opened(OpenedError::Missing { .. }))));
        let mut blind = decide(0, 0);
        blind.holdings.entry_counts.clear();
        assert!(matches!(given.decide(&blind), Err(CaseRefusal::Judge(_))));
    });
}

#[test]
fn events_out_of_place_leave_the_state_as_it_was() {
    with_rules(|rules| {
        let decision = submit(&rules).decide(&Given::nothing(rules).state, &rules).unwrap();
        let events: Vec<RecordedCaseEvent> = decision
            .events
            .iter()
            .filter_map(|new| match &new.event {
                DomainEvent::Case(event) => Some(RecordedCaseEvent {
                    version: new.version,
                    event: event.clone(),
                    private: vec![],
                }),
                _ => None,
            })
            .collect();
        let mut state = Given::nothing(rules).state;
        for (position, event) in events.iter().enumerate() {
            for (other_position, other) in events.iter().enumerate() {
                if other_position != position {
                    let before = state.clone();
                    assert!(state.evolve(other).is_err());
                    assert_eq!(state, before);
                }
            }
            state.evolve(event).unwrap();
        }
    });
}

/// Answers of each kind to both requests.
fn any_answer(request: &'static str) -> impl Strategy<Value = AnswerRequest> {
    let owner = prop_oneof![Just(ANNA), Just("087-654-303 00")];
    let zone = prop_oneof![Just("Z1"), Just("Z2")];
    (any::<bool>(), owner, zone).prop_map(move |(data, owner, zone)| match (data, request) {
        (false, _) => no_data(request),
        (true, "vehicle") => answer("vehicle", &[("owner_snils", owner)]),
        (true, _) => answer("residence", &[("dwelling", HOME), ("zone", zone)]),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_order_of_answers_decides_the_same(
        vehicle in any_answer("vehicle"),
        residence in any_answer("residence"),
        permits in 0_u32..4,
        plate in 0_u32..2,
    ) {
        let (pack, pack_ref) = (zarechny(), pack_ref());
        let service = fixture::parking(&pack);
        let secret = AgencySecret::new([7; 32]);
        let rules = CaseRules {
            pack: &pack,
            calendar: pack.calendar(),
            service,
            pack_ref: &pack_ref,
            secret: &secret,
        };
        let outcome = |order: &[AnswerRequest]| {
            let given = Given::answered(rules, order);
            let decision = given.decide(&decide(permits, plate)).unwrap();
            match &decision.events[0].event {
                DomainEvent::Case(CaseEvent::Decided(decided)) => {
                    let grounds: Vec<_> = decided.grounds.iter().map(|g| g.code.clone()).collect();
                    let inputs = decision.events[0].private.clone();
                    (decided.outcome, grounds, decided.trace.clone(), inputs)
                }
                other => panic!("{other:?}"),
            }
        };
        let fines = no_data("fines");
        let one = outcome(&[vehicle.clone(), residence.clone(), fines.clone()]);
        prop_assert_eq!(one, outcome(&[fines, residence, vehicle]));
    }
}
