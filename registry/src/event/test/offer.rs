//! Samples of the events of offers.

use super::*;
use crate::code::OfferCode;

pub(super) fn samples() -> Vec<(StreamName, DomainEvent)> {
    let id = OfferId::from_parts(0x0192_3456_789a, &[9; 10]);
    let pack =
        PackRef { code: PackCode::parse("zarechny").unwrap(), version: 2, leaf: LeafIndex::new(3) };
    let made = |service: &str, offer: &str, stream: &str, ends| {
        OfferEvent::Made(OfferMade {
            service: ServiceCode::parse(service).unwrap(),
            pack: pack.clone(),
            offer: OfferCode::parse(offer).unwrap(),
            about: Source { stream: StreamName::parse(stream).unwrap(), ..source() },
            ends,
            open_until: date(2026, 12, 25),
        })
    };
    let official = OfficialId::from_parts(0x0192_3456_789a, &[4; 10]);
    let queued =
        NoticeQueued { about: StreamVersion::ZERO, channel: ChannelCode::parse("paper").unwrap() };
    let settled =
        NoticeSettled { notice: StreamVersion::new(1), delivered: true, official: Some(official) };
    let events = [
        made("child-benefit", "newborn", "registry/birth_record/x", None),
        made("parking-permit", "renewal", entry().stream().as_str(), Some(date(2026, 12, 20))),
        OfferEvent::NoticeQueued(queued),
        OfferEvent::NoticeSettled(settled),
        OfferEvent::Accepted { case: case().stream() },
        OfferEvent::Declined { official: None },
        OfferEvent::Declined { official: Some(official) },
        OfferEvent::Expired { open_until: date(2026, 12, 25) },
    ];
    events.map(|event| (id.stream(), DomainEvent::Offer(event))).into()
}
