//! Samples of the events of requests that bring nothing, and of stages with a term.

use super::*;
use crate::code::UnitCode;
use crate::pack::Role;

pub(super) fn samples() -> Vec<(StreamName, DomainEvent)> {
    let official = OfficialId::from_parts(0x0192_3456_789a, &[4; 10]);
    let post = HeldPost { unit: UnitCode::parse("social").unwrap(), role: Role::Executor };
    let escalated = |reason, official| {
        let (request, post) = (step("income"), post.clone());
        CaseEvent::RequestEscalated(RequestEscalated { request, reason, post, official })
    };
    let due = at("2026-11-30T20:59:59.999Z");
    let again = at("2026-11-22T07:00:00.000Z");
    let scan =
        Scan { sha256: Hash::of(b"scan"), size_bytes: 4, media_type: "application/pdf".to_owned() };
    let came = Arrival {
        way: Way::Paper,
        at: at("2026-11-21T07:00:00.000Z"),
        official: Some(official),
        second: None,
        letter: Some("17-п/2026".to_owned()),
    };
    let retried = |attempt, retry_at| {
        CaseEvent::RequestRetried(RequestRetried { request: step("income"), attempt, retry_at })
    };
    let events = [
        CaseEvent::RequestSent(RequestSent {
            request: step("income"),
            target: RequestTarget::Registry(RegistryCode::parse("income").unwrap()),
            mandatory: true,
            due,
            retry_at: Some(again),
        }),
        retried(2, Some(again)),
        retried(4, None),
        CaseEvent::RequestBreached(RequestBreached { request: step("income"), due }),
        escalated(EscalationReason::NoData, Some(official)),
        escalated(EscalationReason::TimedOut, None),
        escalated(EscalationReason::Unanswered, None),
        CaseEvent::RequestAnswered(RequestAnswered {
            request: step("income"),
            outcome: RequestOutcome::Answered,
            source: None,
            came: Some(came),
            scan: Some(scan),
        }),
    ];
    let stages = [Procedure::Proposal, Procedure::Agreement(1)];
    let stages = stages.into_iter().flat_map(|stage| {
        [
            CaseEvent::StageBegun(StageBegun { stage, at: again, due }),
            CaseEvent::StageBreached(StageBreached { stage, due }),
        ]
    });
    let events = events.into_iter().chain(stages);
    events.map(|event| (case().stream(), DomainEvent::Case(event))).collect()
}
