//! Samples of what cases about an entry that exists say, and of what they do to it.

use super::*;

fn about(cause: Cause) -> About {
    About { entry: Source { stream: entry().stream(), ..source() }, cause }
}

fn submitted(about: About) -> CaseEvent {
    let pack =
        PackRef { code: PackCode::parse("zarechny").unwrap(), version: 1, leaf: LeafIndex::new(3) };
    CaseEvent::Submitted(Submitted {
        service: ServiceCode::parse("parking-permit").unwrap(),
        pack,
        channel: ChannelCode::parse("portal").unwrap(),
        form: Object::new().with("zone", "Z1"),
        entered: None,
        about: Some(about),
        system: None,
    })
}

pub(super) fn samples() -> Vec<(StreamName, DomainEvent)> {
    let basis = Basis::Decision { stream: case().stream(), version: StreamVersion::new(6) };
    let revised = EntryRevised {
        fields: Object::new().with("zone", "Z1"),
        valid_from: date(2028, 11, 20),
        valid_until: date(2030, 11, 19),
        basis: basis.clone(),
    };
    let cases = [
        submitted(about(Cause::Renewal)),
        submitted(about(Cause::Review { fact: source() })),
        CaseEvent::Cancelled(Cancelled { by: CancelledBy::EntryGone }),
    ];
    let entries = [EntryEvent::Revised(revised), EntryEvent::Excluded(EntryRemoved { basis })];
    let cases = cases.into_iter().map(|event| (case().stream(), DomainEvent::Case(event)));
    let entries = entries.into_iter().map(|event| (entry().stream(), DomainEvent::Entry(event)));
    cases.chain(entries).collect()
}

#[test]
fn a_review_names_its_fact_and_a_renewal_has_none() {
    let read = |cause: &str, fact: bool| {
        let sample = &samples()[1];
        let event = as_event(sample);
        let about = event.data.get("about").and_then(Json::as_object).unwrap().clone();
        let about = about.iter().filter(|(name, _)| fact || *name != "fact");
        let about: Object = about.map(|(name, value)| (name.to_owned(), value.clone())).collect();
        let about = about.with("cause", cause);
        DomainEvent::read(&Event { data: event.data.clone().with("about", about), ..event })
    };
    assert!(read("review", true).is_ok() && read("renewal", false).is_ok());
    for (cause, fact) in [("review", false), ("renewal", true), ("whim", false)] {
        assert!(matches!(read(cause, fact), Err(EventError::Field(_))), "{cause} {fact}");
    }
}
