//! How an application comes in: by which channel, when it counts as come, and what is not taken.

use letopis_ledger::Hash;
use letopis_ledger::json::Json;
use serde_json::json;

use super::*;
use crate::event::{Registered, Submitted};

fn by(rules: &CaseRules<'_>, channel: &str) -> SubmitApplication {
    SubmitApplication { channel: ChannelCode::parse(channel).unwrap(), ..submit(rules) }
}

fn decided(command: &SubmitApplication, rules: &CaseRules<'_>) -> Result<Decision, CaseRefusal> {
    command.decide(&Given::nothing(*rules).state, rules)
}

fn submitted(decision: &Decision) -> (Submitted, Hash) {
    let DomainEvent::Case(CaseEvent::Submitted(event)) = &decision.events[0].event else {
        panic!("no submission: {decision:?}");
    };
    let private = decision.events[0].private.iter().map(|f| (f.name.clone(), f.value.clone()));
    let payload =
        Json::Array(vec![Json::Object(event.form.clone()), Json::Object(private.collect())]);
    (event.clone(), Hash::of(payload.to_string().as_bytes()))
}

fn registered(decision: &Decision) -> &Registered {
    let DomainEvent::Case(CaseEvent::Registered(event)) = &decision.events[1].event else {
        panic!("no registration: {decision:?}");
    };
    event
}

/// U2: one application through three channels, typed differently, is one payload.
#[test]
fn u2_the_same_application_by_three_channels_has_the_same_payload_hash() {
    with_rules(|rules| {
        let spelled = |snils: &str, plate: &str| {
            json!({
                "applicant": {"surname": " Иванова ", "given_name": "Анна", "snils": snils},
                "plate": plate, "dwelling": HOME, "zone": "Z1", "validity_years": 2
            })
        };
        let typed = [
            ("portal", "112-233-445 95", "А123ВС77"),
            ("front-desk", "11223344595", "a123bc77"),
            ("paper", "112 233 445 95", "А123ВС 77"),
        ];
        let payloads = typed.map(|(channel, snils, plate)| {
            let form = rules.service.check_form(&spelled(snils, plate)).unwrap();
            let command = SubmitApplication { form, ..by(&rules, channel) };
            let (event, hash) = submitted(&decided(&command, &rules).unwrap());
            assert_eq!(event.channel.as_str(), channel);
            hash
        });
        assert!(payloads.iter().all(|hash| *hash == payloads[0]));
    });
}

/// Hard case 13: the term runs from the day on which the paper came, not from its entry.
#[test]
fn hard_case_13_a_paper_case_entered_three_days_late_is_registered_when_it_came() {
    with_rules(|rules| {
        let came = at("2026-11-17T07:00:00.000Z");
        let paper = SubmitApplication { registered_at: Some(came), ..by(&rules, "paper") };
        let decision = decided(&paper, &rules).unwrap();
        let late = registered(&decision);
        assert_eq!(late.registered_at, came);
        let in_time = decided(&by(&rules, "paper"), &rules).unwrap();
        assert!(late.due < registered(&in_time).due);
        // Requests go out on entry: nobody asked can answer before.
        let due = |decision: &Decision| match &decision.events[2].event {
            DomainEvent::Case(CaseEvent::RequestSent(sent)) => sent.due,
            other => panic!("no request: {other:?}"),
        };
        assert_eq!(due(&decision), due(&in_time));
    });
}

#[test]
fn an_earlier_time_is_for_what_officials_enter_and_within_sixty_days() {
    with_rules(|rules| {
        let when = |channel: &str, text: &str| {
            let command =
                SubmitApplication { registered_at: Some(at(text)), ..by(&rules, channel) };
            decided(&command, &rules).map(|_| ())
        };
        let (early, later) = ("2026-09-20T07:00:00.000Z", "2026-11-20T07:00:00.001Z");
        assert!(matches!(
            when("portal", "2026-11-19T07:00:00.000Z"),
            Err(CaseRefusal::NotEnteredByOfficial { .. })
        ));
        assert!(matches!(when("paper", early), Err(CaseRefusal::RegistrationTime { .. })));
        assert!(matches!(when("paper", later), Err(CaseRefusal::RegistrationTime { .. })));
        assert_eq!(when("paper", "2026-09-21T07:00:00.000Z"), Ok(()));
    });
}

#[test]
fn by_phone_comes_only_a_draft() {
    with_rules(|rules| {
        let refused = decided(&by(&rules, "phone"), &rules).unwrap_err();
        assert!(matches!(refused, CaseRefusal::DraftOnly { .. }));
    });
}

/// Hard case 6: nothing is registered, no number is taken, and the grounds are on record.
#[test]
fn hard_case_6_an_application_without_power_is_not_taken() {
    let (pack, pack_ref) = (zarechny(), pack_ref());
    let service = fixture::service(&pack, "building-permit");
    let secret = AgencySecret::new([7; 32]);
    let calendar = pack.calendar();
    let rules = CaseRules { pack: &pack, calendar, service, pack_ref: &pack_ref, secret: &secret };
    let case = service.cases.iter().find(|case| case.title.value.starts_with("I3")).unwrap();
    let form = service.check_form(&case.form).unwrap();
    let command = SubmitApplication {
        joined: None,
        channel: ChannelCode::parse("portal").unwrap(),
        form,
        number: "РС-2026-000001".into(),
        at: at("2026-11-20T07:00:00.000Z"),
        registered_at: None,
        executors: Executors::new(),
    };
    let decision = decided(&command, &rules).unwrap();
    let [first, second] = &decision.events[..] else { panic!("{decision:?}") };
    assert!(matches!(first.event, DomainEvent::Case(CaseEvent::Submitted(_))));
    let DomainEvent::Case(CaseEvent::IntakeRefused(refused)) = &second.event else {
        panic!("{decision:?}");
    };
    assert_eq!(refused.grounds.iter().map(|g| g.as_str()).collect::<Vec<_>>(), ["I3"]);
    assert!(decision.claims.is_empty());
    let mut given = Given::nothing(rules);
    given.take(&decision);
    assert_eq!(given.state.status(), CaseStatus::NotTaken);
}
