//! Requests that bring nothing: sent again, escalated to an official, closed, and past their term.
//! U18, D5, K32.

use super::office::official;
use super::*;
use crate::case::{PassTime, SetAsideAnswer, TakenOver};
use crate::event::{Arrival, EscalationReason, SetAside, Way};
use crate::pack::fixture::regulated;
use crate::pack::{Action, GivesUp, NoData, Regulation, RequestRule, Role, TimedOut};
use crate::staff::Official;

const TO: &str = "{to: {unit: permits, role: executor}}";
const RETRY: &str = "{times: 2, after: {hours: 24}}";

fn rule<'r>(regulation: &'r mut Regulation, code: &str) -> &'r mut RequestRule {
    let step = regulation.steps.iter_mut().find(|step| step.code.value.as_str() == code).unwrap();
    match &mut step.action {
        Action::Request(rule) => rule,
        _ => panic!("{code} is no request"),
    }
}

/// A pack in which an official takes over a vehicle that is not found.
fn escalating(change: impl FnOnce(&mut RequestRule)) -> Pack {
    regulated(|regulation| {
        regulation.escalation = Some(serde_saphyr::from_str(TO).unwrap());
        let rule = rule(regulation, "vehicle");
        rule.no_data = NoData::Official;
        change(rule);
    })
}

fn executor() -> Official {
    official(1, "permits", Role::Executor)
}

fn came(way: Way) -> Option<Arrival> {
    let letter = (way == Way::Paper).then(|| "17".to_owned());
    let (official, at) = (Some(executor().id), at("2026-11-24T09:00:00.000Z"));
    Some(Arrival { way, at, official, second: None, letter })
}

/// The official closes the request of the vehicle.
fn closes(facts: &[(&str, &str)], motive: Option<&str>) -> AnswerRequest {
    let taken_over = Some(TakenOver { motive: motive.map(str::to_owned) });
    let answer = answer("vehicle", facts);
    let facts = answer.facts.filter(|facts| !facts.is_empty());
    AnswerRequest { facts, taken_over, came: came(Way::Workplace), ..answer }
}

fn pass(given: &Given<'_>, now: &str) -> Decision {
    let escalates_to = Some(executor().id);
    let command = PassTime { now: at(now), executors: Executors::new(), escalates_to };
    command.decide(&given.state, &Opened::new(&given.disclosures), &given.rules).unwrap()
}

fn escalation(given: &Given<'_>) -> (EscalationReason, bool) {
    let request = &given.state.requests()[&step("vehicle")];
    let escalated = request.escalated.as_ref().expect("an official took it over");
    assert!(escalated.may_close(&executor()));
    assert!(escalated.may_close(&official(2, "permits", Role::Head)));
    assert!(!escalated.may_close(&official(3, "legal", Role::Executor)));
    (escalated.reason, request.is_open())
}

#[test]
fn an_official_closes_what_brought_nothing_and_the_rules_decide() {
    with_rules_of(&escalating(|_| ()), |rules| {
        let mut given = Given::answered(rules, &good_answers()[1..]);
        let nothing = AnswerRequest { escalates_to: Some(executor().id), ..no_data("vehicle") };
        let decision = given.answer(&nothing).unwrap();
        assert_eq!(types(&decision), ["request.answered", "request.escalated"]);
        given.take(&decision);
        assert_eq!(escalation(&given), (EscalationReason::NoData, true));
        let waits = given.decide(&decide(0, 0)).unwrap_err();
        assert!(matches!(waits, CaseRefusal::WaitsFor { .. }), "{waits:?}");
        // Whoever was asked first has had a say.
        let again = given.answer(&answer("vehicle", &[("owner_snils", ANNA)])).unwrap_err();
        assert_eq!(SetAsideAnswer::reason(&given.state, &again), Some(SetAside::Duplicate));
        let facts = given.answer(&closes(&[("owner_snils", ANNA)], None)).unwrap();
        given.take(&facts);
        let decided = given.decide(&decide(0, 0)).unwrap();
        assert!(types(&decided).contains(&"application.result_issued"));
        let late = given.answer(&closes(&[("owner_snils", ANNA)], None)).unwrap_err();
        assert_eq!(SetAsideAnswer::reason(&given.state, &late), Some(SetAside::Duplicate));
    });
}

#[test]
fn who_affirms_that_there_is_nothing_says_why_and_the_case_is_decided_on_that() {
    with_rules_of(&escalating(|_| ()), |rules| {
        let mut given = Given::answered(rules, &good_answers()[1..]);
        let decision = given.answer(&no_data("vehicle")).unwrap();
        given.take(&decision);
        for motive in [None, Some(" ")] {
            let refused = given.answer(&closes(&[], motive)).unwrap_err();
            assert!(matches!(refused, CaseRefusal::TextLength { .. }), "{refused:?}");
        }
        let both = given.answer(&closes(&[("owner_snils", ANNA)], Some("нашёлся"))).unwrap_err();
        assert!(matches!(both, CaseRefusal::MotiveBesideFacts { .. }), "{both:?}");
        let by_phone = AnswerRequest { came: None, ..closes(&[], Some("нет нигде")) };
        let by_phone = given.answer(&by_phone).unwrap_err();
        assert!(matches!(by_phone, CaseRefusal::WayOfEscalation { .. }), "{by_phone:?}");
        let affirmed = given.answer(&closes(&[], Some("нет нигде"))).unwrap();
        let names: Vec<&str> =
            affirmed.events[0].private.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["motive.vehicle"], "what people write is private");
        assert!(!format!("{:?}", affirmed.events[0].event).contains("нет нигде"));
        given.take(&affirmed);
        let decided = given.decide(&decide(0, 0)).unwrap();
        assert_eq!(types(&decided), ["application.decided", "application.refusal_issued"]);
    });
}

#[test]
fn where_the_rules_decide_on_no_data_nobody_is_bothered() {
    let pack = regulated(|regulation| {
        regulation.escalation = Some(serde_saphyr::from_str(TO).unwrap());
    });
    with_rules_of(&pack, |rules| {
        let given = Given::submitted(rules);
        let decision = given.answer(&no_data("vehicle")).unwrap();
        assert_eq!(types(&decision), ["request.answered"]);
        let stranger = given.answer(&closes(&[("owner_snils", ANNA)], None)).unwrap_err();
        assert!(matches!(stranger, CaseRefusal::AlreadyAnswered { .. }), "{stranger:?}");
    });
}

#[test]
fn a_term_that_ends_without_an_answer_goes_to_the_official_too() {
    with_rules_of(&escalating(|rule| rule.timed_out = TimedOut::NoData), |rules| {
        let mut given = Given::answered(rules, &good_answers()[1..]);
        let decision = pass(&given, "2026-11-28T00:00:00.000Z");
        assert_eq!(types(&decision), ["request.timed_out", "request.escalated"]);
        given.take(&decision);
        assert_eq!(escalation(&given), (EscalationReason::TimedOut, true));
        assert!(pass(&given, "2026-11-28T00:00:01.000Z").events.is_empty());
        let end = given.state.clock().unwrap().end.due;
        assert!(next(&given).is_some_and(|next| next < end), "the warning is next");
    });
}

/// Each sending is on record once, counted from the one before, and then an official takes over.
#[test]
fn a_request_without_a_reply_is_sent_again_and_then_given_to_an_official() {
    let retried = |rule: &mut RequestRule| {
        rule.no_data = NoData::Decide;
        rule.retry = Some(serde_saphyr::from_str(RETRY).unwrap());
    };
    with_rules_of(&escalating(retried), |rules| {
        let mut given = Given::answered(rules, &good_answers()[1..]);
        let again_at = |given: &Given<'_>| given.state.requests()[&step("vehicle")].retry_at;
        assert_eq!(again_at(&given), Some(at("2026-11-21T07:00:00.000Z")));
        assert_eq!(next(&given), again_at(&given));
        assert!(pass(&given, "2026-11-21T07:00:00.000Z").events.is_empty());
        // Whoever looks late sends once, and waits from then on.
        let second = pass(&given, "2026-11-24T08:00:00.000Z");
        assert_eq!(types(&second), ["request.retried"]);
        given.take(&second);
        assert_eq!(again_at(&given), Some(at("2026-11-25T08:00:00.000Z")));
        assert!(pass(&given, "2026-11-24T08:00:00.001Z").events.is_empty());
        let third = pass(&given, "2026-11-25T09:00:00.000Z");
        assert_eq!(types(&third), ["request.retried"]);
        given.take(&third);
        assert_eq!(given.state.requests()[&step("vehicle")].attempt, 3);
        let given_up = pass(&given, "2026-11-26T10:00:00.000Z");
        assert_eq!(types(&given_up), ["request.escalated"]);
        given.take(&given_up);
        assert_eq!(escalation(&given), (EscalationReason::Unanswered, true));
        // Its own term passes while the official looks into it.
        let breached = pass(&given, "2026-11-28T00:00:00.000Z");
        assert_eq!(types(&breached), ["request.deadline_breached"]);
        given.take(&breached);
        assert!(pass(&given, "2026-11-28T00:00:01.000Z").events.is_empty());
        let facts = given.answer(&closes(&[("owner_snils", ANNA)], None)).unwrap();
        given.take(&facts);
        assert!(given.decide(&decide(0, 0)).is_ok());
    });
}

#[test]
fn where_the_regulation_says_so_silence_waits_for_the_term_alone() {
    let retried = |rule: &mut RequestRule| {
        let mut retry: crate::pack::Retry = serde_saphyr::from_str(RETRY).unwrap();
        retry.then = GivesUp::TimedOut;
        (rule.retry, rule.timed_out, rule.no_data) =
            (Some(retry), TimedOut::NoData, NoData::Decide);
    };
    with_rules_of(&escalating(retried), |rules| {
        let mut given = Given::answered(rules, &good_answers()[1..]);
        for now in ["2026-11-22T00:00:00.000Z", "2026-11-24T00:00:00.000Z"] {
            let again = pass(&given, now);
            assert_eq!(types(&again), ["request.retried"]);
            given.take(&again);
        }
        assert_eq!(given.state.requests()[&step("vehicle")].retry_at, None, "the last sending");
        assert!(pass(&given, "2026-11-26T00:00:00.000Z").events.is_empty());
        let decision = pass(&given, "2026-11-28T00:00:00.000Z");
        assert_eq!(types(&decision), ["request.timed_out"]);
    });
}

#[test]
fn a_request_past_its_term_is_on_record_once_with_the_instant_of_its_term() {
    with_rules(|rules| {
        let mut given = Given::answered(rules, &good_answers()[1..]);
        let due = given.state.requests()[&step("vehicle")].sent.due;
        assert_eq!(next(&given), Some(due));
        let breached = pass(&given, "2026-11-28T12:00:00.000Z");
        let [event] = &breached.events[..] else { panic!("{:?}", types(&breached)) };
        let DomainEvent::Case(CaseEvent::RequestBreached(found)) = &event.event else {
            panic!("no breach")
        };
        assert_eq!((found.request.as_str(), found.due), ("vehicle", due));
        given.take(&breached);
        assert!(pass(&given, "2026-11-28T13:00:00.000Z").events.is_empty());
        assert!(next(&given) > Some(due), "nothing is looked at for ever");
        // The answer still counts.
        assert!(given.answer(&answer("vehicle", &[("owner_snils", ANNA)])).is_ok());
    });
}
