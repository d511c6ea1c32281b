//! Samples of the events of consultations.

use super::*;
use crate::code::TopicCode;

pub(super) fn samples() -> Vec<(StreamName, DomainEvent)> {
    let id = ConsultationId::from_parts(0x0192_3456_789a, &[9; 10]);
    let registered = |outcome, duration_ms| {
        let event = ConsultationRegistered {
            service: ServiceCode::parse("parking-permit").unwrap(),
            topic: TopicCode::parse("documents-needed").unwrap(),
            channel: ChannelCode::parse("front-desk").unwrap(),
            official: OfficialId::from_parts(0x0192_3456_789a, &[1; 10]),
            duration_ms,
            outcome,
        };
        (id.stream(), DomainEvent::Consultation(event))
    };
    vec![
        registered(ConsultationOutcome::Answered, 240_000),
        registered(ConsultationOutcome::SentOn, 1),
        registered(ConsultationOutcome::Applied, 900_000),
    ]
}
