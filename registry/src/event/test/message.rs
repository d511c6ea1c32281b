//! Samples of messages that wait for an official.

use letopis_ledger::LeafIndex;
use letopis_ledger::id::StreamName;
use letopis_ledger::json::Object;

use super::super::*;
use super::case;
use crate::code::{ChannelCode, PackCode, ServiceCode, SystemCode};

pub(super) fn samples() -> Vec<(StreamName, DomainEvent)> {
    let message = InboundMessageId::parse("01923456-789a-7606-8606-060606060606").unwrap();
    let official = OfficialId::parse("01923456-789a-7101-8101-010101010101").unwrap();
    let quarantined = |reason| {
        let system = SystemCode::parse("state-portal").unwrap();
        MessageEvent::Quarantined(MessageQuarantined { system, reason })
    };
    let events = [
        quarantined(Unrouted::UnknownCode),
        quarantined(Unrouted::UnknownTerritory),
        MessageEvent::Released { case: case().stream(), official },
        MessageEvent::Rejected { official },
    ];
    let mut samples: Vec<_> =
        events.map(|event| (message.stream(), DomainEvent::Message(event))).into();
    let submitted = Submitted {
        service: ServiceCode::parse("parking-permit").unwrap(),
        pack: PackRef {
            code: PackCode::parse("zarechny").unwrap(),
            version: 1,
            leaf: LeafIndex::new(3),
        },
        channel: ChannelCode::parse("portal").unwrap(),
        form: Object::new().with("zone", "Z1"),
        entered: None,
        about: None,
        system: Some(SystemCode::parse("state-portal").unwrap()),
    };
    samples.push((case().stream(), DomainEvent::Case(CaseEvent::Submitted(submitted))));
    samples
}
