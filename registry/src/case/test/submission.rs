//! How an application comes in: by which channel, when it counts as come, and what is not taken.

use letopis_ledger::Hash;
use letopis_ledger::json::Json;
use serde_json::json;

use super::*;
use crate::code::GroundCode;
use crate::event::{IntakeEvidence, IntakeGround, IntakeRefused, Registered, Scan, Submitted};
use crate::pack::Role;
use crate::staff::Official;

fn by(rules: &CaseRules<'_>, channel: &str) -> SubmitApplication {
    let entry = (channel == "paper").then(entry);
    SubmitApplication { channel: ChannelCode::parse(channel).unwrap(), entry, ..submit(rules) }
}

/// An operator enters a paper with its scan.
fn entry() -> Entry {
    let official = office::official(9, "permits", Role::Operator);
    let sha256 = Hash::of(b"scan");
    let scan = Scan { sha256, size_bytes: 4, media_type: "image/png".into() };
    Entry { official, scan: Some(scan), finding: None }
}

fn ground(code: &str, evidence: Vec<IntakeEvidence>) -> IntakeGround {
    IntakeGround { code: GroundCode::parse(code).unwrap(), evidence }
}

fn field(path: &str) -> IntakeEvidence {
    IntakeEvidence::Form(FieldPath::parse(path).unwrap())
}

/// The building permit with numbers of refusals of intake and a check of two working days.
fn with_permit(test: impl FnOnce(CaseRules<'_>)) {
    let (pack, pack_ref) = (zarechny(), pack_ref());
    let service = fixture::service(&pack, "building-permit");
    let secret = AgencySecret::new([7; 32]);
    let calendar = pack.calendar();
    test(CaseRules { pack: &pack, calendar, service, pack_ref: &pack_ref, secret: &secret });
}

/// A permit that the program would register.
fn permit(rules: &CaseRules<'_>, entry: Option<Entry>) -> SubmitApplication {
    let case = rules.service.cases.iter().find(|case| case.title.value.starts_with("G1"));
    let channel = if entry.is_some() { "paper" } else { "portal" };
    let form = rules.service.check_form(&case.unwrap().form).unwrap();
    SubmitApplication { channel: ChannelCode::parse(channel).unwrap(), form, entry, ..plain() }
}

fn plain() -> SubmitApplication {
    let mut plain = None;
    with_rules(|rules| plain = Some(submit(&rules)));
    plain.unwrap()
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
    with_permit(|rules| {
        let mut cases = rules.service.cases.iter();
        let case = cases.find(|case| case.title.value.starts_with("I3")).unwrap();
        let form = rules.service.check_form(&case.form).unwrap();
        let number = Some("РС-ОТ-2026-000001".into());
        let command = SubmitApplication { form, number, ..plain() };
        let decision = decided(&command, &rules).unwrap();
        let refused = not_taken(&decision);
        let evidence = vec![field("representative.power_until")];
        assert_eq!(refused.grounds, [ground("I3", evidence)]);
        assert_eq!(refused.official, None);
        // It has a number of its own and takes none of those of cases.
        assert_eq!(refused.number.as_deref(), Some("РС-ОТ-2026-000001"));
        assert_eq!(decision.claims.len(), 1);
        let mut given = Given::nothing(rules);
        given.take(&decision);
        assert_eq!(given.state.status(), CaseStatus::NotTaken);
    });
}

fn not_taken(decision: &Decision) -> &IntakeRefused {
    let events: Vec<_> = decision.events.iter().map(|event| &event.event).collect();
    let [
        DomainEvent::Case(CaseEvent::Submitted(_)),
        DomainEvent::Case(CaseEvent::IntakeRefused(refused)),
    ] = events[..]
    else {
        panic!("{decision:?}");
    };
    refused
}

/// U7: what comes on paper is entered by who may do so, with the scan; nobody else sends it.
#[test]
fn u7_paper_is_entered_by_an_operator_with_its_scan() {
    with_rules(|rules| {
        let refusal = |entry: Option<Entry>| {
            decided(&SubmitApplication { entry, ..by(&rules, "paper") }, &rules).unwrap_err()
        };
        assert!(matches!(refusal(None), CaseRefusal::OfficialsEnter { .. }));
        let bare = Entry { scan: None, ..entry() };
        assert!(matches!(refusal(Some(bare)), CaseRefusal::Scan { .. }));
        let strange = Scan { media_type: "a paper".into(), ..entry().scan.unwrap() };
        let strange = Entry { scan: Some(strange), ..entry() };
        assert!(matches!(refusal(Some(strange)), CaseRefusal::Scan { .. }));
        let lawyer = Entry { official: office::official(8, "legal", Role::Lawyer), ..entry() };
        assert!(matches!(refusal(Some(lawyer)), CaseRefusal::NotEntitled { .. }));
        let (event, _) = submitted(&decided(&by(&rules, "paper"), &rules).unwrap());
        let entered = event.entered.unwrap();
        assert_eq!((entered.official, entered.scan), (entry().official.id, entry().scan));
    });
}

/// U7: an official refuses on grounds of the closed list alone, each with what it rests on.
#[test]
fn an_official_refuses_intake_only_on_grounds_of_the_list_and_with_evidence() {
    with_permit(|rules| {
        let refuse = |grounds: Vec<IntakeGround>, motive: &str| {
            let finding = IntakeFinding { grounds, motive: motive.into() };
            let entry = Entry { finding: Some(finding), ..entry() };
            decided(&permit(&rules, Some(entry)), &rules)
        };
        let file = IntakeEvidence::File(Hash::of(b"protocol"));
        let bad = |grounds, motive: &str| refuse(grounds, motive).unwrap_err();
        assert_eq!(bad(vec![], "нет"), CaseRefusal::NoIntakeGround);
        let foreign = vec![ground("G1", vec![file.clone()])];
        assert!(matches!(bad(foreign, "нет"), CaseRefusal::UnknownIntakeGround { .. }));
        let bare = vec![ground("I2", vec![])];
        assert!(matches!(bad(bare, "нет"), CaseRefusal::NoEvidence { .. }));
        let strange = vec![ground("I2", vec![field("applicant.shoe_size")])];
        assert!(matches!(bad(strange, "нет"), CaseRefusal::NoSuchField { .. }));
        let good = || vec![ground("I2", vec![file.clone()]), ground("I1", vec![field("project")])];
        assert!(matches!(bad(good(), "нет"), CaseRefusal::NoSuchField { .. }));
        let good = || vec![ground("I2", vec![file.clone()])];
        assert!(matches!(bad(good(), " "), CaseRefusal::TextLength { .. }));
        let decision = refuse(good(), "Подпись не сошлась").unwrap();
        let refused = not_taken(&decision);
        assert_eq!((&refused.grounds, refused.official), (&good(), Some(entry().official.id)));
        let private = &decision.events[1].private;
        assert_eq!(private.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["motive"]);
    });
}

/// The check after registration is for the post of the regulation and ends with its days.
#[test]
fn what_is_registered_is_refused_only_within_the_intake_check() {
    with_permit(|rules| {
        let submission = decided(&permit(&rules, None), &rules).unwrap();
        let mut given = Given::nothing(rules);
        given.take(&submission);
        let executor = office::official(1, "permits", Role::Executor);
        let operator = entry().official;
        let refuse = |acting: &Official, when: &str, state: &CaseState| {
            let grounds = vec![ground("I2", vec![field("project.sha256")])];
            let finding =
                IntakeFinding { grounds, motive: "Подпись не сошлась".into() };
            RefuseIntake { acting, finding, at: at(when) }.decide(state, &rules)
        };
        let (early, late) = ("2026-11-23T07:00:00.000Z", "2026-11-24T21:00:00.000Z");
        let foreign = refuse(&operator, early, &given.state).unwrap_err();
        assert!(matches!(foreign, CaseRefusal::NotEntitled { .. }));
        let over = refuse(&executor, late, &given.state).unwrap_err();
        assert!(matches!(over, CaseRefusal::IntakeCheckOver { .. }));
        let decision = refuse(&executor, early, &given.state).unwrap();
        given.take(&decision);
        assert_eq!(given.state.status(), CaseStatus::NotTaken);
        let again = refuse(&executor, early, &given.state).unwrap_err();
        assert_eq!(again, CaseRefusal::AlreadyEnded);
    });
}
