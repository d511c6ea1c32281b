//! Keepers, expiry, and versions of packs.

use super::*;
use crate::projection::AsOf;

#[test]
fn a_keepers_bulk_is_whole_rows_or_a_named_row() {
    let node = TwinNode::start();
    let rows: Vec<Value> = (0..150)
        .map(|n| json!({"plate": format!("А{:03}ВС77", n + 1), "owner_snils": ANNA}))
        .collect();
    let created = block_on(node.engine.create_entries(&registry("vehicle"), &rows, &document()));
    let created = created.unwrap();
    assert_eq!((created.entries.len(), created.record_count), (150, 3));
    let before = node.ledger.leaves_now().len();
    let wrong = [rows[0].clone(), json!({"plate": "?", "owner_snils": ANNA, "colour": "red"})];
    let error = block_on(node.engine.create_entries(&registry("vehicle"), &wrong, &document()));
    let Err(EngineError::Row { row_index: 1, refusal }) = error else { panic!("{error:?}") };
    assert!(refusal.to_string().starts_with("2 values"));
    // A plate that stands in the registry cannot be entered twice.
    let twice = block_on(node.engine.create_entries(&registry("vehicle"), &rows[..1], &document()));
    assert!(matches!(twice, Err(EngineError::Append(AppendRefused::ClaimTaken { .. }))));
    assert_eq!(node.ledger.leaves_now().len(), before);
}

#[test]
fn a_bulk_that_stops_says_how_many_rows_stand_and_a_lost_answer_enters_no_row_twice() {
    let node = TwinNode::start();
    let row = |n: usize| json!({"plate": format!("А{:03}ВС77", n + 1), "owner_snils": ANNA});
    let rows: Vec<Value> = (0..150).map(row).collect();
    let code = registry("vehicle");
    node.ledger.next(Mishap::AnswerLost);
    node.ledger.next(Mishap::RecordLost);
    node.ledger.next(Mishap::Nothing);
    node.ledger.next(Mishap::Busy);
    let stopped = block_on(node.engine.create_entries(&code, &rows, &document()));
    let Err(EngineError::Partly { entered_count: 64, row_count: 150, source }) = stopped else {
        panic!("{stopped:?}")
    };
    assert!(matches!(*source, EngineError::Append(AppendRefused::Busy { .. })));
    block_on(node.engine.catch_up()).unwrap();
    assert_eq!(node.engine.model().entry_count(&code).unwrap().value, 64);
    block_on(node.engine.create_entries(&code, &rows[64..], &document())).unwrap();
    block_on(node.engine.catch_up()).unwrap();
    assert_eq!(node.engine.model().entry_count(&code).unwrap().value, 150);
}

#[test]
fn a_refusal_burns_no_number_of_the_registry() {
    let node = furnished();
    assert_eq!(run(&node, BORIS, PLATES[0]).1, CaseStatus::Refused);
    assert_eq!(run(&node, ANNA, PLATES[0]).1, CaseStatus::Granted);
    block_on(node.engine.catch_up()).unwrap();
    let latest = node.engine.model().latest_entry_numbers(&registry("parking_permit"), 9).unwrap();
    assert_eq!(latest.value, ["РР-2026-000001"]);
}

#[test]
fn only_decisions_write_an_automatic_registry() {
    let node = furnished();
    let row = json!({"plate": PLATES[0], "dwelling": HOME, "holder_snils": ANNA, "zone": "Z1"});
    let before = node.ledger.leaves_now().len();
    let code = registry("parking_permit");
    let refused = block_on(node.engine.create_entries(&code, &[row], &document()));
    assert!(matches!(
        refused,
        Err(EngineError::Entry(crate::entry::EntryRefusal::NotManual { .. }))
    ));
    assert_eq!(run(&node, ANNA, PLATES[0]).1, CaseStatus::Granted);
    block_on(node.engine.catch_up()).unwrap();
    let entry = node.engine.model().entry_by_number(&code, "РР-2026-000001").unwrap();
    let stream = entry.value.unwrap().stream;
    for refused in [
        block_on(node.engine.exclude_entry(&stream, &document())),
        block_on(node.engine.amend_entry(&stream, &json!({"zone": "Z2"}), &document())),
    ] {
        assert!(matches!(
            refused,
            Err(EngineError::Entry(crate::entry::EntryRefusal::NotManual { .. }))
        ));
    }
    assert_eq!(node.ledger.leaves_now().len(), before + 3);
}

#[test]
fn an_amended_entry_answers_with_its_new_values_and_an_excluded_one_not_at_all() {
    let node = TwinNode::start();
    let vehicle = [json!({"plate": PLATES[0], "owner_snils": BORIS})];
    let resident = [json!({"snils": ANNA, "dwelling": HOME, "zone": "Z1"})];
    let (vehicles, residents) = (registry("vehicle"), registry("residence"));
    let entered = block_on(node.engine.create_entries(&vehicles, &vehicle, &document())).unwrap();
    block_on(node.engine.create_entries(&residents, &resident, &document())).unwrap();
    assert_eq!(run(&node, ANNA, PLATES[0]).1, CaseStatus::Refused);
    let stream = &entered.entries[0];
    let sold = json!({"owner_snils": ANNA});
    block_on(node.engine.amend_entry(stream, &sold, &document())).unwrap();
    assert_eq!(run(&node, ANNA, PLATES[0]).1, CaseStatus::Granted);
    let moved =
        block_on(node.engine.amend_entry(stream, &json!({"plate": PLATES[1]}), &document()));
    assert!(matches!(
        moved,
        Err(EngineError::Entry(crate::entry::EntryRefusal::FixedField { .. }))
    ));
    block_on(node.engine.exclude_entry(stream, &document())).unwrap();
    let history = node.engine.model().entry_history(stream).unwrap().value;
    assert_eq!(history.len(), 3);
    let (case, _) = run(&node, ANNA, PLATES[0]);
    assert_eq!(grounds(&node, case), ["G2", "G5"]);
    // The plate is free again for another entry.
    block_on(node.engine.create_entries(&vehicles, &vehicle, &document())).unwrap();
}

#[test]
fn an_expired_permit_frees_its_slot_and_its_plate() {
    let node = furnished();
    for plate in &PLATES[..2] {
        assert_eq!(run(&node, ANNA, plate).1, CaseStatus::Granted);
    }
    let code = registry("parking_permit");
    node.clock.set("2028-11-19T12:00:00.000Z");
    assert_eq!(block_on(node.engine.expire_entries(&code, 10)).unwrap(), 0);
    node.clock.set("2028-11-19T21:00:00.000Z");
    assert_eq!(block_on(node.engine.expire_entries(&code, 10)).unwrap(), 2, "midnight in the zone");
    let (case, status) = run(&node, ANNA, PLATES[0]);
    assert_eq!(status, CaseStatus::Granted);
    block_on(node.engine.catch_up()).unwrap();
    let provided = node.engine.model().provided_services(LeafIndex::ZERO, 9).unwrap().value;
    let number = provided.iter().find(|row| row.case == case).unwrap().number.clone().unwrap();
    assert_eq!(number, "РР-2028-000001", "numbers are never given twice");
    let first = node.engine.model().entry_by_number(&code, "РР-2026-000001").unwrap().value;
    assert_eq!(first.unwrap().status, EntryStatus::Expired);
}

#[test]
fn every_case_follows_the_version_that_it_began_with() {
    let node = furnished();
    let case = submit(&node, ANNA, PLATES[0]).case;
    let path = "services/parking-permit/regulation.yaml";
    let strict = |text: &str| text.replace("working_days: 6", "working_days: 3");
    let mut files = crate::pack::fixture::files();
    let regulation = strict(&String::from_utf8(files[path].clone()).unwrap());
    files.insert(path.into(), regulation.into_bytes());
    let same_version = pack(files.clone());
    assert!(matches!(
        block_on(node.engine.publish_pack(&same_version)),
        Err(EngineError::PackVersionTaken { version: 1, .. })
    ));
    let manifest = String::from_utf8(files["pack.yaml"].clone()).unwrap();
    let raised = |version| {
        let mut files = files.clone();
        let manifest = manifest.replace("version: 1", &format!("version: {version}"));
        files.insert("pack.yaml".into(), manifest.into_bytes());
        pack(files)
    };
    assert!(matches!(
        block_on(node.engine.publish_pack(&raised(3))),
        Err(EngineError::PackVersionGap { last: 1, found: 3, .. })
    ));
    assert!(matches!(
        block_on(node.engine.install_pack(raised(2))),
        Err(EngineError::PackNotPublished { .. })
    ));
    block_on(node.engine.publish_pack(&raised(2))).unwrap();
    block_on(node.engine.install_pack(raised(2))).unwrap();
    let accepted = submit(&node, ANNA, PLATES[1]);
    assert_eq!(
        (accepted.pack.version, registered(&accepted).last_day.to_string().as_str()),
        (2, "2026-11-25")
    );
    assert_eq!(block_on(node.engine.advance(case)).unwrap().status, CaseStatus::Granted);
    let state = block_on(node.engine.case_state(case)).unwrap();
    assert_eq!(state.pack().unwrap().version, 1);
}

fn pack(files: std::collections::BTreeMap<String, Vec<u8>>) -> crate::pack::Pack {
    crate::pack::Pack::from_files(crate::pack::PackFiles::new(files).unwrap()).unwrap()
}

#[test]
fn a_pack_whose_own_cases_fail_is_not_published() {
    let node = TwinNode::start();
    let path = "services/parking-permit/cases/grounds.yaml";
    let failing = crate::pack::fixture::changed(path, "{outcome: granted}", "{outcome: official}");
    let before = node.ledger.leaves_now().len();
    let refused = block_on(node.engine.publish_pack(&failing.unwrap()));
    assert!(matches!(refused, Err(EngineError::PackFails { errors }) if errors.len() == 1));
    assert_eq!(node.ledger.leaves_now().len(), before);
}

/// U27, K40: the state of a registry as of any leaf is what the tables of then said.
#[test]
fn an_entry_as_of_a_leaf_is_what_the_tables_had_when_that_leaf_was_the_last() {
    let node = furnished();
    assert_eq!(run(&node, ANNA, PLATES[0]).1, CaseStatus::Granted);
    let building = [json!({
        "object_id": "H-1", "name": "Дом", "act": "12", "category": "местная",
        "protected_features": "фасад",
        "polygon": r#"{"coordinates":[[[33.5,44.6],[33.6,44.6],[33.6,44.7],[33.5,44.6]]],"type":"Polygon"}"#,
    })];
    let buildings = registry("historic_building");
    let made = block_on(node.engine.create_entries(&buildings, &building, &document())).unwrap();
    let building = made.entries[0].clone();
    for fields in [json!({"name": "Дом купца"}), json!({"category": "федеральная", "act": "13"})]
    {
        block_on(node.engine.amend_entry(&building, &fields, &document())).unwrap();
    }
    block_on(node.engine.exclude_entry(&building, &document())).unwrap();
    node.clock.set("2028-11-19T21:00:00.000Z");
    block_on(node.engine.expire_entries(&registry("parking_permit"), 10)).unwrap();
    block_on(node.engine.catch_up()).unwrap();

    let model = node.engine.model();
    let permits = model.entries_after(&registry("parking_permit"), None, 9).unwrap().value;
    let streams = [building, permits[0].stream.clone()];
    let now = streams.each_ref().map(|stream| {
        let row = model.entry(stream).unwrap().value.unwrap();
        (row, model.entry_history(stream).unwrap().value)
    });
    assert_eq!(now.each_ref().map(|(_, history)| history.len()), [4, 2]);
    model.reset().unwrap();
    let mut seen = 0;
    for leaf in node.ledger.leaves_now() {
        let size = model.fold(std::slice::from_ref(&leaf)).unwrap();
        for (stream, (row, history)) in streams.iter().zip(&now) {
            let then = model.entry(stream).unwrap().value;
            let folded = row.as_of(history, AsOf { size, time: None });
            assert_eq!(folded.as_ref().map(|(row, _)| row), then.as_ref(), "{size}");
            seen += usize::from(then.is_some());
        }
    }
    assert!(seen >= 6, "{seen}");
    // The same by time: before the first change there was nothing, at the last one it is as now.
    let size = model.size().unwrap();
    for (row, history) in &now {
        let first = history[0].changed_at;
        let before = letopis_ledger::Timestamp::from_unix_ms(first.unix_ms() - 1);
        assert_eq!(row.as_of(history, AsOf { size, time: Some(before.unwrap()) }), None);
        let last = history.last().unwrap().changed_at;
        let (folded, count) = row.as_of(history, AsOf { size, time: Some(last) }).unwrap();
        assert_eq!((&folded, count), (row, history.len()));
    }
}
