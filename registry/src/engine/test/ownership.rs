//! Registries belong to the agency whose pack declares them: what others write does not count.

use letopis_ledger::StreamVersion;
use letopis_ledger::id::{AgencyId, RecordId, StreamName};
use letopis_ledger::json::Object;
use letopis_ledger::key::AuthorSigner;

use super::*;
use crate::event::{Basis, EntryAmended, EntryCreated, EntryEvent, EntryId, EntryRemoved};
use crate::record_draft::{NewEvent, PrivateField};

/// Appends an entry's event as another agency of the same log, and lets this node know its values,
/// so that nothing but the author tells it from an entry of this agency.
fn forge(
    node: &TwinNode,
    n: u64,
    stream: &StreamName,
    (event, version): (EntryEvent, u64),
    fields: &[(&str, &str)],
) {
    let private = fields
        .iter()
        .map(|(field, value)| PrivateField::new(format!("field.{field}"), Json::from(*value)));
    let event = NewEvent {
        stream: stream.clone(),
        version: StreamVersion::new(version),
        event: DomainEvent::Entry(event),
        private: private.collect(),
    };
    let decision = Decision { events: vec![event], claims: vec![] };
    let (log, agency) = (super::twin::author().log, AgencyId::parse("neighbour").unwrap());
    let id = RecordId::from_parts(n, &[3; 10]);
    let entropy = super::twin::TwinEntropy::default();
    let sealed = decision.seal(log, id, agency, &entropy).unwrap();
    let batch = PrivateBatch { disclosures: sealed.disclosures, ..PrivateBatch::default() };
    block_on(node.engine.private().put(batch)).unwrap();
    let record = SignedRecord::sign(sealed.record, &AuthorSigner::from_seed(&[5; 32]));
    node.ledger.append_now(record).unwrap();
}

fn forge_entry(node: &TwinNode, n: u64, code: &str, fields: &[(&str, &str)]) -> StreamName {
    let stream = EntryId::from_parts(registry(code), n, &[4; 10]).stream();
    let created = EntryCreated {
        registry: registry(code),
        number: Some(format!("РР-2026-{:06}", 41 + n)),
        fields: Object::new(),
        valid_from: None,
        valid_until: Some(jiff::civil::date(2026, 1, 1)),
        basis: Basis::Document(document()),
    };
    forge(node, n, &stream, (EntryEvent::Created(created), 0), fields);
    stream
}

#[test]
fn an_entry_of_another_agency_grants_nothing() {
    let node = furnished();
    forge_entry(&node, 1, "vehicle", &[("plate", "Х999ХХ77"), ("owner_snils", BORIS)]);
    let lives = [("snils", BORIS), ("dwelling", HOME), ("zone", "Z1")];
    forge_entry(&node, 2, "residence", &lives);
    let (case, status) = run(&node, BORIS, "Х999ХХ77");
    assert_eq!(
        (status, grounds(&node, case)),
        (CaseStatus::Refused, vec!["G1".into(), "G2".into()])
    );
}

#[test]
fn an_entry_of_another_agency_blocks_nothing_and_is_in_no_number() {
    let node = furnished();
    let code = registry("parking_permit");
    let forged = [
        forge_entry(&node, 1, "vehicle", &[("plate", PLATES[0]), ("owner_snils", BORIS)]),
        forge_entry(&node, 2, "residence", &[("snils", ANNA), ("dwelling", HOME)]),
        forge_entry(&node, 3, "parking_permit", &[("plate", PLATES[0]), ("dwelling", HOME)]),
        forge_entry(&node, 4, "parking_permit", &[("plate", PLATES[1]), ("dwelling", HOME)]),
    ];
    assert_eq!(run(&node, ANNA, PLATES[0]).1, CaseStatus::Granted);
    block_on(node.engine.catch_up()).unwrap();
    let model = node.engine.model();
    assert_eq!(model.entry_count(&registry("vehicle")).unwrap().value, 4);
    assert_eq!(model.entry_count(&code).unwrap().value, 1);
    assert_eq!(model.entries_after(&registry("residence"), None, 9).unwrap().value.len(), 1);
    let numbers = model.latest_entry_numbers(&code, 9).unwrap().value;
    assert_eq!(numbers, ["РР-2026-000001"]);
    assert_eq!(model.entry_by_number(&code, "РР-2026-000044").unwrap().value, None);
    assert_eq!(model.entries_to_expire(&code, "2026-11-20", 9).unwrap().value, []);
    for stream in &forged {
        assert_eq!(model.entry(stream).unwrap().value, None);
        assert_eq!(model.entry_disclosures(stream).unwrap().value, []);
        assert!(matches!(
            block_on(node.engine.exclude_entry(stream, &document())),
            Err(EngineError::UnknownEntry { .. })
        ));
    }
}

#[test]
fn another_agency_changes_no_entry_and_keeps_nobody_from_changing_it() {
    let node = TwinNode::start();
    let vehicle = [json!({"plate": PLATES[0], "owner_snils": ANNA})];
    let resident = [json!({"snils": ANNA, "dwelling": HOME, "zone": "Z1"})];
    let code = registry("vehicle");
    let entered = block_on(node.engine.create_entries(&code, &vehicle, &document())).unwrap();
    let residence = registry("residence");
    block_on(node.engine.create_entries(&residence, &resident, &document())).unwrap();
    let stream = &entered.entries[0];
    let basis = Basis::Document(document());
    let amended = EntryAmended { fields: Object::new(), basis: basis.clone() };
    forge(&node, 1, stream, (EntryEvent::Amended(amended), 1), &[("owner_snils", BORIS)]);
    let excluded = EntryEvent::Excluded(EntryRemoved { basis });
    forge(&node, 2, stream, (excluded, 2), &[]);
    assert_eq!(run(&node, ANNA, PLATES[0]).1, CaseStatus::Granted);
    assert_eq!(node.engine.model().entry_history(stream).unwrap().value.len(), 1);
    block_on(node.engine.exclude_entry(stream, &document())).unwrap();
    let (case, _) = run(&node, ANNA, PLATES[0]);
    assert_eq!(grounds(&node, case), ["G2", "G5"]);
}

#[test]
fn a_pack_of_another_agency_takes_no_version_of_this_one() {
    let node = furnished();
    let other = crate::pack::fixture::changed("pack.yaml", "version: 1", "version: 2").unwrap();
    let stream = crate::event::pack_stream(other.code());
    let event = NewEvent {
        stream,
        version: StreamVersion::new(1),
        event: DomainEvent::Pack(other.published()),
        private: vec![],
    };
    let decision = Decision { events: vec![event], claims: vec![] };
    let (log, agency) = (super::twin::author().log, AgencyId::parse("neighbour").unwrap());
    let entropy = super::twin::TwinEntropy::default();
    let sealed = decision.seal(log, RecordId::from_parts(1, &[3; 10]), agency.clone(), &entropy);
    let record = SignedRecord::sign(sealed.unwrap().record, &AuthorSigner::from_seed(&[5; 32]));
    let foreign = node.ledger.append_now(record).unwrap();
    let own = block_on(node.engine.publish_pack(&other)).unwrap();
    assert_eq!(own.version, 2);
    assert!(own.leaf > foreign.leaf);
    let packs = node.engine.model().packs().unwrap().value;
    let authors = packs.iter().filter(|row| row.published == other.published());
    let authors: Vec<_> = authors.map(|row| (row.author.clone(), row.leaf)).collect();
    assert_eq!(authors.len(), 2);
    assert!(authors.contains(&(agency, foreign.leaf)));
    assert!(authors.contains(&(node.engine.agency().clone(), own.leaf)));
}
