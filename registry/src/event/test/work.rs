//! Samples of the events of people's work, of the clock and of officials.

use letopis_ledger::key::AuthorSigner;

use super::*;
use crate::code::{FieldPath, UnitCode};
use crate::pack::Role;

pub(super) fn official(number: u8) -> OfficialId {
    OfficialId::from_parts(0x0192_3456_789a, &[number; 10])
}

pub(super) fn came(way: Way) -> Arrival {
    let official = Some(official(1));
    Arrival { way, at: at("2026-11-21T07:00:00.000Z"), official, second: None, letter: None }
}

fn end() -> NewEnd {
    NewEnd { due: at("2026-12-20T20:59:59.999Z"), last_day: date(2026, 12, 20), provisional: false }
}

fn sent(target: RequestTarget) -> CaseEvent {
    let due = at("2026-11-30T20:59:59.999Z");
    let (request, retry_at) = (step("ask"), None);
    CaseEvent::RequestSent(RequestSent { request, target, mandatory: true, due, retry_at })
}

fn requests() -> Vec<CaseEvent> {
    let unit = || UnitCode::parse("planning").unwrap();
    let path = |text| FieldPath::parse(text).unwrap();
    let letter = Some("17-п/2026".to_owned());
    let phone = Arrival { second: Some(official(2)), ..came(Way::Phone) };
    vec![
        sent(RequestTarget::Organisation("Канцелярия".into())),
        sent(RequestTarget::Unit(unit())),
        sent(RequestTarget::Head(unit())),
        sent(RequestTarget::Executor(unit(), official(1))),
        sent(RequestTarget::Applicant),
        CaseEvent::RequestOmitted(step("ask")),
        CaseEvent::RequestAnswered(RequestAnswered {
            request: step("ask"),
            outcome: RequestOutcome::Answered,
            source: Some(source()),
            came: Some(Arrival { official: None, ..came(Way::Reused) }),
            scan: None,
        }),
        CaseEvent::RequestTimedOut(step("ask")),
        CaseEvent::AnswerSetAside(AnswerSetAside {
            request: "ask".into(),
            reason: SetAside::Late,
            came: phone,
        }),
        CaseEvent::SubrequestOpened(SubrequestOpened {
            subrequest: path("ask.archive"),
            addressee: "Архив".into(),
            way: Way::Paper,
            mandatory: true,
            due: at("2026-11-30T20:59:59.999Z"),
            official: Some(official(1)),
        }),
        CaseEvent::SubrequestAnswered(SubrequestAnswered {
            subrequest: path("ask.archive"),
            outcome: RequestOutcome::NoData,
            came: Arrival { letter, ..came(Way::Paper) },
        }),
        CaseEvent::SubrequestCancelled(path("ask.archive")),
    ]
}

fn decisions() -> Vec<CaseEvent> {
    let signer = AuthorSigner::from_seed(&[1; 32]);
    let signature =
        OfficialSignature { key: signer.key().id(), signature: signer.sign_as("kind", b"text") };
    let proposal = StreamVersion::new(9);
    let agreed = Agreed { proposal, stage: 1, post: 0, official: official(2), signature };
    let candidate = |number, open_cases| Candidate { open_cases, official: official(number) };
    vec![
        CaseEvent::Assigned(Assigned {
            unit: UnitCode::parse("permits").unwrap(),
            official: official(1),
            candidates: vec![candidate(1, 0), candidate(2, 3)],
            read_size: TreeSize::new(12),
            by: None,
        }),
        CaseEvent::Proposed(Proposed { decision: decided(), official: official(1) }),
        CaseEvent::Agreed(agreed),
        CaseEvent::Returned(Returned { proposal, stage: 0, official: official(3) }),
    ]
}

fn clock_and_end() -> Vec<CaseEvent> {
    let instant = at("2026-11-22T07:00:00.000Z");
    let (request, until) = (step("ask"), at("2026-12-06T20:59:59.999Z"));
    let cause = TermCause::Request(step("ask"));
    let changed = TermChanged { cause, term: Term::CalendarDays(30), end: end() };
    let cause = TermCause::Calendar(LeafIndex::new(77));
    vec![
        CaseEvent::ClockSuspended(ClockSuspended { request: request.clone(), at: instant, until }),
        CaseEvent::ClockResumed(ClockResumed { request, at: instant, end: end() }),
        CaseEvent::TermChanged(changed.clone()),
        CaseEvent::TermChanged(TermChanged { cause, ..changed }),
        CaseEvent::DeadlineWarned(end().due),
        CaseEvent::DeadlineBreached(end().due),
        CaseEvent::Cancelled(Cancelled { by: CancelledBy::Applicant }),
        CaseEvent::DocumentIssued(DocumentIssued {
            kind: "result".into(),
            language: "ru".into(),
            sha256: Hash::of(b"document"),
            size_bytes: 8,
            media_type: "application/pdf".into(),
        }),
        CaseEvent::NoticeQueued(NoticeQueued {
            about: StreamVersion::new(1),
            channel: ChannelCode::parse("portal").unwrap(),
        }),
        CaseEvent::NoticeSettled(NoticeSettled {
            notice: StreamVersion::new(2),
            delivered: true,
            official: Some(official(1)),
        }),
    ]
}

fn staff() -> Vec<StaffEvent> {
    let unit = UnitCode::parse("permits").unwrap();
    vec![
        StaffEvent::Appointed(Box::new(Appointed {
            posts: vec![HeldPost { unit, role: Role::Executor }],
            skills: vec![ServiceCode::parse("building-permit").unwrap()],
            key: AuthorSigner::from_seed(&[1; 32]).key(),
        })),
        StaffEvent::Absent { from: date(2026, 12, 1), until: date(2026, 12, 14) },
        StaffEvent::Dismissed,
    ]
}

pub(super) fn samples() -> Vec<(StreamName, DomainEvent)> {
    let events = requests().into_iter().chain(decisions()).chain(clock_and_end());
    let events = events.map(|event| (case().stream(), DomainEvent::Case(event)));
    let stream = official(1).stream();
    let staff = staff().into_iter().map(|event| (stream.clone(), DomainEvent::Staff(event)));
    events.chain(staff).collect()
}
