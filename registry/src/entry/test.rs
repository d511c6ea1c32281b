//! A keeper's commands on the registries of Zarechny.

use jiff::civil::date;
use letopis_ledger::id::AgencyId;
use serde_json::json;

use super::*;
use crate::pack::fixture::zarechny;

fn document() -> Document {
    Document { number: "1".into(), date: date(2026, 11, 20), sha256: None }
}

fn registry(code: &str) -> Registry {
    let pack = zarechny();
    assert_eq!(pack.agency(), &AgencyId::parse("zarechny").unwrap());
    pack.registry(&RegistryCode::parse(code).unwrap()).unwrap().clone()
}

fn entry(code: &str) -> EntryId {
    EntryId::from_parts(RegistryCode::parse(code).unwrap(), 1, &[1; 10])
}

#[test]
fn values_are_checked_and_brought_to_their_normal_form() {
    let vehicle = registry("vehicle");
    let row = json!({"plate": "a123bc77", "owner_snils": "11223344595"});
    let values = check_values(&vehicle, &row, false).unwrap();
    let texts: Vec<String> = values.values().map(plain_text).collect();
    assert_eq!(texts, ["112-233-445 95", "А123ВС77"]);
    let row = json!({"plate": 1, "owner_snils": "112-233-445 96", "colour": "red"});
    let errors = check_values(&vehicle, &row, false).unwrap_err();
    let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["colour", "owner_snils", "plate"]);
    let missing = check_values(&vehicle, &json!({}), false).unwrap_err();
    assert_eq!(missing.len(), 2, "the lessee is optional");
    assert!(check_values(&vehicle, &json!({}), true).unwrap().is_empty());
    assert!(check_values(&vehicle, &json!([]), true).is_err());
    let residence = registry("residence");
    for bad in [json!(""), json!(1.5), json!([1]), json!(null)] {
        assert!(check_values(&residence, &json!({"dwelling": bad}), true).is_err());
    }
}

#[test]
fn an_entry_has_its_private_fields_as_disclosures_and_claims_its_unique_ones() {
    let residence = registry("residence");
    let row = json!({"snils": "112-233-445 95", "dwelling": "d", "zone": "Z1"});
    let command = CreateEntry {
        entry: entry("residence"),
        values: check_values(&residence, &row, false).unwrap(),
        number: None,
        document: document(),
        taken_slots: vec![],
    };
    let decision = command.decide(&residence, &AgencySecret::new([7; 32])).unwrap();
    let names: Vec<&str> =
        decision.events[0].private.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["field.dwelling", "field.snils"]);
    let DomainEvent::Entry(EntryEvent::Created(created)) = &decision.events[0].event else {
        panic!("not created")
    };
    assert_eq!(created.fields, Object::new().with("zone", "Z1"));
    assert_eq!(decision.claims.len(), 1);
}

#[test]
fn taking_an_entry_out_frees_its_values_and_keeps_its_number() {
    let held = ["number/entry/vehicle/7", "unique/vehicle/plate/x"];
    let held = held.map(|name| ClaimName::parse(name).unwrap()).to_vec();
    let command = ExcludeEntry {
        stream: entry("vehicle").stream(),
        length: StreamVersion::new(2),
        held,
        document: document(),
    };
    let decision = command.decide(&registry("vehicle")).unwrap();
    assert_eq!(decision.events[0].version, StreamVersion::new(2));
    let released: Vec<(&str, ClaimOperation)> =
        decision.claims.iter().map(|claim| (claim.name.as_str(), claim.operation)).collect();
    assert_eq!(released, [("unique/vehicle/plate/x", ClaimOperation::Release)]);
}

#[test]
fn an_entry_expires_the_day_after_its_last_one() {
    let command = |valid_until, today| ExpireEntry {
        stream: entry("parking_permit").stream(),
        length: StreamVersion::new(1),
        held: vec![],
        valid_until,
        today,
    };
    let last = date(2028, 11, 19);
    assert_eq!(
        command(Some(last), last).decide(),
        Err(EntryRefusal::NotExpired { valid_until: last })
    );
    assert!(command(Some(last), last.tomorrow().unwrap()).decide().is_ok());
    assert_eq!(command(None, last).decide(), Err(EntryRefusal::Unlimited));
}
