//! An offer ends once and in time, and its trigger gives it one name.

use jiff::civil::date;
use letopis_ledger::LeafIndex;

use super::*;
use crate::code::{OfferCode, PackCode, RegistryCode};
use crate::event::{PackRef, Source};

fn made(ends: Option<Date>) -> OfferMade {
    let registry = RegistryCode::parse("birth_record").unwrap();
    let stream = EntryId::from_parts(registry, 1_795_000_000_000, &[8; 10]).stream();
    OfferMade {
        service: ServiceCode::parse("child-benefit").unwrap(),
        pack: PackRef {
            code: PackCode::parse("zarechny").unwrap(),
            version: 1,
            leaf: LeafIndex::new(0),
        },
        offer: OfferCode::parse("newborn").unwrap(),
        about: Source { stream, version: StreamVersion::ZERO, leaf: LeafIndex::new(7) },
        ends,
        open_until: date(2026, 12, 20),
    }
}

fn command(told: bool) -> MakeOffer {
    let field = FieldPath::parse("birth_record").unwrap();
    MakeOffer {
        id: OfferId::from_parts(1_795_000_000_000, &[9; 10]),
        made: made(None),
        recipient: "112-233-445 95".into(),
        prefilled: [(field, "110259123000100123004".into())].into(),
        notice: (ChannelCode::parse("paper").unwrap(), told),
    }
}

/// The state after the events of some decisions.
fn after(decisions: &[Decision]) -> Result<OfferState, OfferRefusal> {
    let mut state = OfferState::new(command(false).id.stream());
    for new in decisions.iter().flat_map(|decision| &decision.events) {
        let DomainEvent::Offer(event) = &new.event else { panic!("{new:?}") };
        assert_eq!((&new.stream, new.version), (&state.stream, state.length));
        state.evolve(event)?;
    }
    Ok(state)
}

fn open() -> OfferState {
    after(&[command(false).decide()]).unwrap()
}

fn case() -> CaseId {
    CaseId::from_parts(1_795_000_000_000, &[1; 10])
}

const LAST: Date = date(2026, 12, 20);
const LATE: Date = date(2026, 12, 21);

#[test]
fn an_offer_is_made_with_its_notice_and_everything_personal_sealed() {
    let decision = command(false).decide();
    let names: Vec<&str> = decision.events.iter().map(|new| new.event.event_type()).collect();
    assert_eq!(names, ["offer.made", "notice.queued"]);
    let private: Vec<&str> =
        decision.events[0].private.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(private, ["form.birth_record", RECIPIENT]);
    let data = Json::from(decision.events[0].event.data()).to_string();
    assert!(!data.contains("112-233") && !data.contains("110259123"), "{data}");
    // On the applicant's own page it is as soon as it is on record.
    let told = command(true).decide();
    assert_eq!(told.events[2].event.event_type(), "notice.settled");
    assert!(after(&[told]).unwrap().notices.is_empty());
}

#[test]
fn the_trigger_alone_gives_the_name() {
    let name = |made: &OfferMade| trigger_claim(made).as_str().to_owned();
    let entry = made(None).about.stream;
    let entry = entry.as_str().rsplit('/').next().unwrap();
    assert_eq!(name(&made(None)), format!("offer/child-benefit/newborn/{entry}/created"));
    assert_eq!(name(&made(Some(LAST))), format!("offer/child-benefit/newborn/{entry}/2026-12-20"));
    let later = OfferMade { open_until: LATE, ..made(None) };
    assert_eq!(name(&later), name(&made(None)), "the day on which it is made does not count");
    // The longest that there can be.
    let longest = OfferMade {
        service: ServiceCode::parse(&"s".repeat(63)).unwrap(),
        offer: OfferCode::parse(&"o".repeat(63)).unwrap(),
        ..made(Some(LAST))
    };
    assert!(name(&longest).len() <= ClaimName::MAX_BYTES);
}

#[test]
fn it_is_accepted_or_declined_until_its_last_day_and_expires_after_it() {
    let state = open();
    for end in [state.accept(case(), LAST), state.decline(None, LAST), state.expire(LATE)] {
        assert_eq!(end.unwrap().events.len(), 1);
    }
    let late = OfferRefusal::TooLate { open_until: LAST, today: LATE };
    assert_eq!(state.accept(case(), LATE), Err(late.clone()));
    assert_eq!(state.decline(None, LATE), Err(late));
    let early = OfferRefusal::TooEarly { open_until: LAST, today: LAST };
    assert_eq!(state.expire(LAST), Err(early));
}

#[test]
fn it_ends_once() {
    let state = open();
    let ends = [
        (state.accept(case(), LAST).unwrap(), "accepted"),
        (state.decline(None, LAST).unwrap(), "declined"),
        (state.expire(LATE).unwrap(), "expired"),
    ];
    for (end, how) in &ends {
        let ended = after(&[command(false).decide(), end.clone()]).unwrap();
        assert_eq!(ended.end().map(OfferEnd::as_str), Some(*how));
        let closed = OfferRefusal::Closed { how };
        assert_eq!(ended.accept(case(), LAST), Err(closed.clone()));
        assert_eq!(ended.decline(None, LAST), Err(closed.clone()));
        assert_eq!(ended.expire(LATE), Err(closed));
        for (again, _) in &ends {
            let DomainEvent::Offer(event) = &again.events[0].event else { panic!("{again:?}") };
            let refused = ended.clone().evolve(event);
            assert!(matches!(refused, Err(OfferRefusal::OutOfPlace { .. })), "{refused:?}");
        }
    }
}

#[test]
fn a_letter_is_settled_once_and_after_the_end_too() {
    let settled = |notice| NoticeSettled {
        notice: StreamVersion::new(notice),
        delivered: true,
        official: None,
    };
    let state = open();
    assert!(matches!(state.settle(settled(0)), Err(OfferRefusal::NoSuchNotice { .. })));
    let declined = state.decline(None, LAST).unwrap();
    let ended = after(&[command(false).decide(), declined.clone()]).unwrap();
    let told = ended.settle(settled(1)).unwrap();
    let told = after(&[command(false).decide(), declined, told]).unwrap();
    assert!(matches!(told.settle(settled(1)), Err(OfferRefusal::NoSuchNotice { .. })));
}

#[test]
fn nothing_comes_before_the_offer_and_it_is_made_once() {
    let mut state = OfferState::new(command(false).id.stream());
    let early = state.evolve(&OfferEvent::Declined { official: None });
    assert!(matches!(early, Err(OfferRefusal::OutOfPlace { .. })));
    assert!(matches!(state.accept(case(), LAST), Err(OfferRefusal::OutOfPlace { .. })));
    let mut state = open();
    assert!(state.evolve(&OfferEvent::Made(made(None))).is_err());
}
