//! Conditions, blocking requests and the clock of a case: U18, K4, K32, K34.

use super::*;
use crate::case::{PassTime, RecountTerm};
use crate::event::{Arrival, OfficialId, TermCause, Way};
use crate::pack::Regulation;
use crate::pack::fixture::regulated;

/// Changes the rule of a request.
fn rule<'r>(regulation: &'r mut Regulation, code: &str) -> &'r mut crate::pack::RequestRule {
    let step = regulation.steps.iter_mut().find(|step| step.code.value.as_str() == code).unwrap();
    match &mut step.action {
        crate::pack::Action::Request(rule) => rule,
        _ => panic!("{code} is no request"),
    }
}

fn days(count: u32, unit: &str) -> crate::pack::TermRule {
    serde_saphyr::from_str(&format!("length: {{{unit}: {count}}}")).unwrap()
}

fn pass(given: &Given<'_>, now: &str) -> Decision {
    let command = PassTime { now: at(now), executors: Executors::new(), escalates_to: None };
    command.decide(&given.state, &Opened::new(&given.disclosures), &given.rules).unwrap()
}

#[test]
fn a_request_whose_condition_does_not_hold_is_left_out_on_record() {
    let pack = regulated(|regulation| {
        let when = "equal: [form.zone, Z5]";
        rule(regulation, "vehicle").when = Some(serde_saphyr::from_str(when).unwrap());
    });
    with_rules_of(&pack, |rules| {
        let mut given = Given::nothing(rules);
        let decision = submit(&rules).decide(&given.state, &rules).unwrap();
        let expected = [
            "application.submitted",
            "application.registered",
            "request.omitted",
            "request.sent",
            "request.sent",
        ];
        assert_eq!(types(&decision), expected);
        given.take(&decision);
        assert!(given.state.omitted().contains(&step("vehicle")));
        let refused = given.answer(&no_data("vehicle"));
        assert!(matches!(refused, Err(CaseRefusal::RequestNotSent { .. })));
    });
}

#[test]
fn while_a_blocking_request_is_open_nothing_else_begins() {
    let pack = regulated(|regulation| rule(regulation, "vehicle").blocking = true);
    with_rules_of(&pack, |rules| {
        let mut given = Given::nothing(rules);
        let decision = submit(&rules).decide(&given.state, &rules).unwrap();
        assert_eq!(
            types(&decision),
            ["application.submitted", "application.registered", "request.sent"]
        );
        given.take(&decision);
        let answered = given.answer(&answer("vehicle", &[("owner_snils", ANNA)])).unwrap();
        assert_eq!(types(&answered), ["request.answered", "request.sent", "request.sent"]);
    });
}

#[test]
fn the_clock_stands_still_while_the_applicant_answers() {
    let pack = regulated(|regulation| {
        let rule = rule(regulation, "vehicle");
        rule.from = serde_saphyr::from_str("applicant: {ru: Файл, en: File}").unwrap();
        rule.suspends = Some(days(10, "working_days"));
    });
    with_rules_of(&pack, |rules| {
        let mut given = Given::submitted(rules);
        // Registered on Friday 20 November with six working days: 30 November.
        let clock = given.state.clock().unwrap().clone();
        let until = clock.suspended.as_ref().unwrap().until;
        assert_eq!(until, at("2026-12-04T20:59:59.999Z"));
        assert_eq!(next(&given), Some(given.state.requests()[&step("vehicle")].sent.due));
        // The terms of requests are their own; that of the case is not broken.
        let passed = pass(&given, "2026-12-01T00:00:00.000Z");
        assert!(types(&passed).iter().all(|kind| *kind == "request.deadline_breached"));
        let came = Arrival {
            way: Way::Portal,
            at: at("2026-11-25T09:00:00.000Z"),
            official: None,
            second: None,
            letter: None,
        };
        let answer =
            AnswerRequest { came: Some(came), ..answer("vehicle", &[("owner_snils", ANNA)]) };
        let decision = given.answer(&answer).unwrap();
        assert_eq!(types(&decision), ["request.answered", "application.clock_resumed"]);
        given.take(&decision);
        // 20 to 25 November do not count; six working days from the 26th: 3 December.
        let end = given.state.clock().unwrap().end;
        assert_eq!(end.last_day.to_string(), "2026-12-03");
    });
}

#[test]
fn a_clock_that_nobody_starts_goes_on_by_itself_when_its_time_is_over() {
    let pack = regulated(|regulation| {
        rule(regulation, "vehicle").suspends = Some(days(2, "working_days"));
    });
    with_rules_of(&pack, |rules| {
        let mut given = Given::submitted(rules);
        let decision = pass(&given, "2026-11-25T00:00:00.000Z");
        assert_eq!(types(&decision), ["application.clock_resumed"]);
        given.take(&decision);
        // 20 to 24 November do not count; six working days from the 25th: 2 December.
        assert_eq!(given.state.clock().unwrap().end.last_day.to_string(), "2026-12-02");
    });
}

#[test]
fn a_request_can_give_the_case_another_term() {
    let pack = regulated(|regulation| {
        rule(regulation, "residence").changes_term = Some(days(30, "calendar_days"));
    });
    with_rules_of(&pack, |rules| {
        let given = Given::submitted(rules);
        let clock = given.state.clock().unwrap();
        assert_eq!(clock.term, letopis_rules::deadline::Term::CalendarDays(30));
        assert_eq!(clock.end.last_day.to_string(), "2026-12-21");
    });
}

#[test]
fn warning_and_breach_are_on_record_once_with_the_instant_of_the_term() {
    with_rules(|rules| {
        let mut given = Given::answered(rules, &good_answers());
        let due = given.state.clock().unwrap().end.due;
        assert!(pass(&given, "2026-11-29T20:00:00.000Z").events.is_empty());
        let warned = pass(&given, "2026-11-29T21:00:00.000Z");
        assert_eq!(types(&warned), ["application.deadline_warned"]);
        given.take(&warned);
        assert!(pass(&given, "2026-11-30T20:59:59.999Z").events.is_empty(), "still in time");
        // Whoever looks days later records the instant of the term all the same.
        let breached = pass(&given, "2026-12-05T00:00:00.000Z");
        let DomainEvent::Case(event) = &breached.events[0].event else { panic!("no event") };
        assert_eq!(*event, CaseEvent::DeadlineBreached(due));
        given.take(&breached);
        assert!(pass(&given, "2026-12-06T00:00:00.000Z").events.is_empty());
    });
}

#[test]
fn a_mandatory_request_may_end_without_an_answer_where_the_regulation_says_so() {
    let pack = regulated(|regulation| {
        rule(regulation, "vehicle").timed_out = crate::pack::TimedOut::NoData;
    });
    with_rules_of(&pack, |rules| {
        let mut given = Given::answered(rules, &good_answers()[1..]);
        let decision = pass(&given, "2026-11-28T00:00:00.000Z");
        assert_eq!(types(&decision), ["request.timed_out"]);
        given.take(&decision);
        let late = given.answer(&no_data("vehicle")).unwrap_err();
        assert!(matches!(late, CaseRefusal::AlreadyAnswered { .. }));
        let decided = given.decide(&decide(0, 0)).unwrap();
        assert_eq!(types(&decided), ["application.decided", "application.refusal_issued"]);
    });
}

#[test]
fn hard_case_5_a_provisional_end_is_counted_again_when_the_calendar_is_published() {
    let pack = regulated(|regulation| {
        regulation.term.length = letopis_rules::deadline::Term::WorkingDays(40);
    });
    with_rules_of(&pack, |rules| {
        let mut given = Given::submitted(rules);
        let told = given.state.clock().unwrap().end;
        assert!(told.provisional);
        let days: Vec<String> =
            (1..=8).map(|day| format!(r#"{{"date": "2027-01-0{day}", "kind": "off"}}"#)).collect();
        let year = format!(r#"{{"year": 2027, "source": "test", "days": [{}]}}"#, days.join(", "));
        let year = letopis_rules::calendar::YearCalendar::from_json(&year).unwrap();
        let years = letopis_rules::calendar::Calendars::new([year]).unwrap();
        let later = crate::pack::LegalCalendar::new(years, rules.calendar.zone());
        let calendar = rules.calendar.completed_by(&later);
        let recount = RecountTerm { calendar: &calendar, published: LeafIndex::new(90) };
        let decision = recount.decide(&given.state, &rules).unwrap();
        given.take(&decision);
        let clock = given.state.clock().unwrap();
        assert!(!clock.end.provisional && clock.end.due > told.due);
        // Both dates stay: the one that was told, in the registration, and the new one.
        assert_eq!(given.state.registered().unwrap().due, told.due);
        let DomainEvent::Case(CaseEvent::TermChanged(changed)) = &decision.events[0].event else {
            panic!("no change")
        };
        assert_eq!(changed.cause, TermCause::Calendar(LeafIndex::new(90)));
        assert!(recount.decide(&given.state, &rules).unwrap().events.is_empty(), "once");
    });
}

/// U22, U46: where the regulation asks for it, an answer without the official's signature, or with
/// one over anything else, is none.
#[test]
fn u22_u46_an_answer_is_signed_where_the_regulation_says_so() {
    let pack = regulated(|regulation| {
        rule(regulation, "vehicle").signature = Some(crate::pack::SignedBy::Official);
    });
    with_rules_of(&pack, |rules| {
        let mut given = Given::submitted(rules);
        let command = answer("vehicle", &[("owner_snils", ANNA)]);
        let request = step("vehicle");
        let unsigned = given.answer(&command);
        assert_eq!(unsigned, Err(CaseRefusal::SignatureMissing { request }));
        let official = OfficialId::from_parts(1, &[9; 10]);
        let signer = letopis_ledger::key::AuthorSigner::from_seed(&[9; 32]);
        let sign = |text: &[u8]| signer.sign_as(crate::case::signing::ANSWER_PAYLOAD_TYPE, text);
        let text = command.text(&given.state, official);
        let signed = |signature, key| AnswerRequest {
            signature: Some(crate::case::AnswerSignature { official, key, signature }),
            ..command.clone()
        };
        for (signature, key) in [
            // Another fact, the text of another type, somebody without a key.
            (
                sign(&answer("vehicle", &[("owner_snils", "x")]).text(&given.state, official)),
                Some(signer.key()),
            ),
            (signer.sign_as("text/plain", &text), Some(signer.key())),
            (sign(&text), None),
        ] {
            let refused = given.answer(&signed(signature, key));
            assert!(matches!(refused, Err(CaseRefusal::BadSignature { .. })), "{refused:?}");
        }
        let taken = given.answer(&signed(sign(&text), Some(signer.key()))).unwrap();
        let names: Vec<&str> =
            taken.events[0].private.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["answer.vehicle.owner_snils", "signature.vehicle"]);
        // The signature decides nothing, and does not stand in the way of what follows.
        given.take(&taken);
        let opened = Opened::new(&given.disclosures);
        let values = opened.values(&given.state).unwrap();
        assert_eq!(values.answers.len(), 1);
    });
}
