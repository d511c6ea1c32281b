//! The engine over a ledger in memory: whole cases, races, lost answers, restarts, privacy.

use futures::executor::block_on;
use letopis_ledger::disclosure::Disclosure;
use letopis_ledger::json::Json;
use letopis_ledger::leaf::Leaf;
use letopis_ledger::record::ClaimOperation;
use serde_json::{Value, json};

use super::twin::{Mishap, TwinNode};
use super::*;
use crate::case::CaseStatus;
use crate::code::{ChannelCode, RegistryCode, ServiceCode};
use crate::event::{Document, DomainEvent, Outcome};
use crate::messages::Language;
use crate::projection::EntryStatus;

const ANNA: &str = "112-233-445 95";
const BORIS: &str = "087-654-303 00";
const HOME: &str = "5d3c1a7e-2b64-4f0e-9a51-0c8d7e6f1a01";
const PLATES: [&str; 4] = ["А123ВС77", "Е234КМ77", "Н345ОР77", "С456ТУ77"];

fn registry(code: &str) -> RegistryCode {
    RegistryCode::parse(code).unwrap()
}

fn document() -> Document {
    let date = jiff::civil::date(2026, 11, 1);
    Document { number: "1".into(), date, sha256: None }
}

fn form(snils: &str, plate: &str) -> Value {
    json!({
        "applicant": {"surname": "Тайнова", "given_name": "Секретина", "patronymic": "Скрытовна",
                      "snils": snils},
        "plate": plate, "dwelling": HOME, "zone": "Z1", "validity_years": 2
    })
}

fn application(form: Value, key: Option<&str>) -> Application {
    Application {
        service: ServiceCode::parse("parking-permit").unwrap(),
        channel: ChannelCode::parse("portal").unwrap(),
        form,
        idempotency_key: key.map(str::to_owned),
    }
}

/// Registries in which Anna lives at home in zone Z1 and owns every plate, and Boris nothing.
fn furnish(node: &TwinNode) {
    let vehicles: Vec<Value> =
        PLATES.iter().map(|plate| json!({"plate": plate, "owner_snils": ANNA})).collect();
    let residents = [json!({"snils": ANNA, "dwelling": HOME, "zone": "Z1"})];
    block_on(async {
        let engine = &node.engine;
        engine.create_entries(&registry("vehicle"), &vehicles, &document()).await.unwrap();
        engine.create_entries(&registry("residence"), &residents, &document()).await.unwrap();
    });
}

fn furnished() -> TwinNode {
    let node = TwinNode::start();
    furnish(&node);
    node
}

fn submit(node: &TwinNode, snils: &str, plate: &str) -> Accepted {
    block_on(node.engine.submit(&application(form(snils, plate), None))).unwrap()
}

fn run(node: &TwinNode, snils: &str, plate: &str) -> (CaseId, CaseStatus) {
    let accepted = submit(node, snils, plate);
    let progress = block_on(node.engine.advance(accepted.case)).unwrap();
    (accepted.case, progress.status)
}

fn grounds(node: &TwinNode, case: CaseId) -> Vec<String> {
    block_on(node.engine.catch_up()).unwrap();
    node.engine.model().decision(case).unwrap().value.unwrap().grounds
}

fn event_types(leaf: &Leaf) -> Vec<String> {
    leaf.record().events().iter().map(|event| event.event_type.to_string()).collect()
}

#[test]
fn an_application_becomes_a_permit_without_a_human() {
    let node = furnished();
    let before = node.ledger.leaves_now().len();
    let accepted = submit(&node, ANNA, PLATES[0]);
    assert_eq!(accepted.registered.number, "ЗП-2026-000001");
    assert_eq!(accepted.registered.last_day.to_string(), "2026-11-30");
    let progress = block_on(node.engine.advance(accepted.case)).unwrap();
    assert_eq!(progress.status, CaseStatus::Granted);
    let leaves = node.ledger.leaves_now();
    let records: Vec<Vec<String>> = leaves[before..].iter().map(event_types).collect();
    assert_eq!(
        records,
        [
            vec!["application.submitted", "application.registered", "request.sent", "request.sent"],
            vec!["request.answered", "request.answered"],
            vec!["application.decided", "application.result_issued", "registry.entry_created"],
        ]
    );
    block_on(node.engine.catch_up()).unwrap();
    let entry = node.engine.model().entry_by_number(&registry("parking_permit"), "РР-2026-000001");
    let entry = entry.unwrap().value.unwrap();
    assert_eq!(entry.valid_from.as_deref(), Some("2026-11-20"));
    assert_eq!(entry.valid_until.as_deref(), Some("2028-11-19"));
    let row = node.engine.model().case_by_number("ЗП-2026-000001").unwrap().value.unwrap();
    assert_eq!((row.case, row.status), (accepted.case, CaseStatus::Granted));
    let requests = node.engine.model().requests(accepted.case).unwrap().value;
    assert!(requests.iter().all(|request| request.source.is_some()));
}

#[test]
fn each_ground_refuses_and_exactly_one_terminal_event_ends_each_case() {
    let node = furnished();
    let (stranger, status) = run(&node, BORIS, "Х999ХХ77");
    assert_eq!(
        (status, grounds(&node, stranger)),
        (CaseStatus::Refused, vec!["G1".into(), "G2".into()])
    );
    assert_eq!(run(&node, ANNA, PLATES[0]).1, CaseStatus::Granted);
    let (again, _) = run(&node, ANNA, PLATES[0]);
    assert_eq!(grounds(&node, again), ["G5"]);
    assert_eq!(run(&node, ANNA, PLATES[1]).1, CaseStatus::Granted);
    let (third, _) = run(&node, ANNA, PLATES[2]);
    assert_eq!(grounds(&node, third), ["G3"]);
    let counts = node.engine.model().case_counts().unwrap().value;
    assert_eq!((counts.granted, counts.refused, counts.in_progress), (2, 3, 0));
    let provided = node.engine.model().provided_services(LeafIndex::ZERO, 100).unwrap().value;
    assert_eq!(provided.len(), 5);
    assert_eq!(node.engine.model().decided_cases(Outcome::Refused, 9).unwrap().value.len(), 3);
    let refusal = block_on(node.engine.document(third, Language::En)).unwrap().unwrap();
    assert!(refusal.contains("G3: Two permits are already in force for this dwelling"));
}

#[test]
fn a_wrong_form_changes_nothing_and_names_every_field() {
    let node = furnished();
    let before = node.ledger.leaves_now().len();
    let wrong = form("112-233-445 96", "А000АА77");
    let Err(EngineError::Form { errors }) = block_on(node.engine.submit(&application(wrong, None)))
    else {
        panic!("a wrong form was accepted")
    };
    let fields: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(fields, ["/applicant/snils", "/plate"]);
    let mut closed = application(form(ANNA, PLATES[0]), None);
    closed.channel = ChannelCode::parse("phone").unwrap();
    assert!(matches!(
        block_on(node.engine.submit(&closed)),
        Err(EngineError::ChannelClosed { .. })
    ));
    let mut unknown = application(form(ANNA, PLATES[0]), None);
    unknown.service = ServiceCode::parse("none").unwrap();
    assert!(matches!(
        block_on(node.engine.submit(&unknown)),
        Err(EngineError::UnknownService { .. })
    ));
    assert_eq!(node.ledger.leaves_now().len(), before);
}

#[test]
fn no_private_value_ever_stands_in_a_leaf() {
    let node = furnished();
    for plate in PLATES {
        run(&node, ANNA, plate);
    }
    run(&node, BORIS, "Х999ХХ77");
    let secrets = [
        "Тайнова",
        "Секретина",
        "Скрытовна",
        ANNA,
        BORIS,
        HOME,
        "Х999ХХ77",
        PLATES[0],
        PLATES[1],
        "11223344595",
        "112-233-445",
    ];
    for leaf in node.ledger.leaves_now() {
        let text = String::from_utf8(leaf.as_bytes().to_vec()).unwrap();
        for secret in secrets {
            assert!(!text.contains(secret), "leaf {} shows {secret}", leaf.index());
        }
    }
    // Every digest in the log is one that the agency can open.
    for leaf in node.ledger.leaves_now() {
        for event in leaf.record().events() {
            let opened = node.engine.private().open_digests(&event.private).unwrap();
            assert!(opened.iter().all(Option::is_some), "{}", event.event_type);
        }
    }
}

#[test]
fn the_same_key_gives_the_same_case_and_another_application_is_refused() {
    let node = furnished();
    let first = application(form(ANNA, PLATES[0]), Some("k1"));
    let one = block_on(node.engine.submit(&first)).unwrap();
    let two = block_on(node.engine.submit(&first)).unwrap();
    assert_eq!((one.case, one.appended), (two.case, two.appended));
    assert!(!one.repeated && two.repeated);
    // Each answer brings a token of its own, and both open the case.
    for token in [&one.token, &two.token] {
        assert!(node.engine.private().admits(token, &one.case.stream()).unwrap());
    }
    let other = application(form(ANNA, PLATES[1]), Some("k1"));
    assert!(matches!(block_on(node.engine.submit(&other)), Err(EngineError::IdempotencyKeyReused)));
    // A spelling that means the same is the same application.
    let spelled = application(form("11223344595", "a123bc77"), Some("k1"));
    assert_eq!(block_on(node.engine.submit(&spelled)).unwrap().case, one.case);
}

#[test]
fn a_lost_answer_or_record_is_found_again_by_its_key() {
    for (name, mishap) in [
        ("answer lost", Mishap::AnswerLost),
        ("record lost", Mishap::RecordLost),
        ("busy", Mishap::Busy),
    ] {
        let node = furnished();
        let before = node.ledger.leaves_now().len();
        node.ledger.next(mishap);
        let application = application(form(ANNA, PLATES[0]), Some("k"));
        let failed = block_on(node.engine.submit(&application)).unwrap_err();
        assert!(matches!(
            failed,
            EngineError::Append(AppendRefused::Unavailable { .. } | AppendRefused::Busy { .. })
        ));
        let accepted = block_on(node.engine.submit(&application)).unwrap();
        assert!(accepted.repeated);
        assert_eq!(node.ledger.leaves_now().len(), before + 1, "{name}");
        let progress = block_on(node.engine.advance(accepted.case)).unwrap();
        assert_eq!(progress.status, CaseStatus::Granted);
    }
}

#[test]
fn two_nodes_that_give_one_number_both_register() {
    let node = furnished();
    let other = node.beside(2);
    let numbers: Vec<String> = [&node, &other, &other, &node]
        .into_iter()
        .zip(PLATES)
        .map(|(node, plate)| submit(node, ANNA, plate).registered.number)
        .collect();
    let unique: std::collections::BTreeSet<_> = numbers.iter().collect();
    assert_eq!(unique.len(), 4, "{numbers:?}");
}

/// Lets `rival` be decided on another node between the reading and the writing of `case`.
fn race(node: &TwinNode, case: CaseId, rival: (Arc<TwinNode>, CaseId)) -> CaseStatus {
    let granted = move || {
        let (other, case) = rival;
        assert_eq!(block_on(other.engine.advance(case)).unwrap().status, CaseStatus::Granted);
    };
    node.ledger.next(Mishap::Nothing);
    node.ledger.next(Mishap::Rival(Box::new(granted)));
    block_on(node.engine.advance(case)).unwrap().status
}

#[test]
fn the_last_slot_goes_to_exactly_one_of_two_nodes() {
    let node = furnished();
    assert_eq!(run(&node, ANNA, PLATES[0]).1, CaseStatus::Granted);
    let other = Arc::new(node.beside(2));
    let (one, two) = (submit(&node, ANNA, PLATES[1]).case, submit(&other, ANNA, PLATES[2]).case);
    assert_eq!(race(&node, one, (other, two)), CaseStatus::Refused);
    assert_eq!(grounds(&node, one), ["G3"]);
    assert_eq!(grounds(&node, two), Vec::<String>::new());
    assert_eq!(node.engine.model().entry_count(&registry("parking_permit")).unwrap().value, 2);
}

#[test]
fn a_plate_that_gets_its_permit_meanwhile_is_refused_a_second_one() {
    let node = furnished();
    let other = Arc::new(node.beside(2));
    let (one, two) = (submit(&node, ANNA, PLATES[0]).case, submit(&other, ANNA, PLATES[0]).case);
    assert_eq!(race(&node, one, (other, two)), CaseStatus::Refused);
    assert_eq!(grounds(&node, one), ["G5"]);
}

#[test]
fn a_stream_that_grew_is_read_again() {
    let node = furnished();
    let other = node.beside(2);
    let case = submit(&node, ANNA, PLATES[0]).case;
    // The other node takes the case to its end; this one still remembers its beginning.
    assert_eq!(block_on(other.engine.advance(case)).unwrap().status, CaseStatus::Granted);
    let before = node.ledger.leaves_now().len();
    let progress = block_on(node.engine.advance(case)).unwrap();
    assert_eq!((progress.status, progress.ended), (CaseStatus::Granted, None));
    assert_eq!(node.ledger.leaves_now().len(), before);
}

#[test]
fn open_cases_are_taken_up_after_a_restart() {
    let node = furnished();
    for plate in PLATES {
        submit(&node, ANNA, plate);
    }
    let node = node.restarted(1);
    let resumed = block_on(node.engine.resume_open_cases()).unwrap();
    assert_eq!((resumed.ended_count, resumed.waiting_count, resumed.failed.len()), (4, 0, 0));
    block_on(node.engine.catch_up()).unwrap();
    let counts = node.engine.model().case_counts().unwrap().value;
    assert_eq!((counts.granted, counts.refused), (2, 2));
}

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
        (accepted.pack.version, accepted.registered.last_day.to_string().as_str()),
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
fn claims_of_personal_values_stand_in_the_log_as_keyed_digests() {
    let node = furnished();
    assert_eq!(run(&node, ANNA, PLATES[0]).1, CaseStatus::Granted);
    let leaves = node.ledger.leaves_now();
    let claims = leaves.last().unwrap().record().claims();
    let names: Vec<&str> = claims.iter().map(|claim| claim.name.as_str()).collect();
    assert_eq!(names.len(), 3);
    assert!(claims.iter().all(|claim| claim.operation == ClaimOperation::Take));
    assert_eq!(names[0], "number/entry/parking_permit/РР-2026-000001");
    assert!(names[1].starts_with("unique/parking_permit/plate/"));
    assert!(names[2].starts_with("slot/parking_permit/dwelling/") && names[2].ends_with("/1"));
    let plain = letopis_ledger::Hash::of(PLATES[0].as_bytes());
    assert!(!names[1].contains(&letopis_ledger::encoding::encode_base64url(plain.as_bytes())));
}

#[test]
fn the_decision_can_be_repeated_from_the_disclosed_inputs() {
    let node = furnished();
    let (case, _) = run(&node, BORIS, PLATES[0]);
    let leaves = node.ledger.leaves_now();
    let decision = &leaves.last().unwrap().record().events()[0];
    let disclosed: Vec<Disclosure> = node
        .engine
        .private()
        .open_digests(&decision.private)
        .unwrap()
        .into_iter()
        .flatten()
        .collect();
    let inputs = disclosed.iter().map(|disclosure| {
        let name = disclosure.name().strip_prefix("input.").unwrap();
        (name.to_owned(), disclosure.value().to_value())
    });
    let installed = node.engine.installed_packs().remove(0);
    let service = installed.pack.services().values().next().unwrap();
    let evaluation = service.model.evaluate("resolution", &inputs.collect()).unwrap();
    assert_eq!(evaluation.outputs["outcome"], "refused");
    assert_eq!(evaluation.outputs["grounds"], json!(["G1", "G2"]));
    let Ok(Some(DomainEvent::Case(crate::event::CaseEvent::Decided(decided)))) =
        DomainEvent::read(decision)
    else {
        panic!("not a decision")
    };
    let rules: Vec<&str> =
        decided.trace.iter().flat_map(|table| &table.rules).map(String::as_str).collect();
    assert_eq!(rules, ["not_resident", "not_owner_or_lessee", "some_ground"]);
    assert_eq!(decided.grounds[0].evidence[0].of, "residence");
    assert_eq!(grounds(&node, case), ["G1", "G2"]);
}

#[test]
fn tables_dropped_and_built_again_have_the_same_content() {
    let node = furnished();
    for plate in PLATES {
        run(&node, ANNA, plate);
    }
    block_on(node.engine.catch_up()).unwrap();
    let model = node.engine.model();
    let first = model.content_hash().unwrap();
    model.reset().unwrap();
    assert_ne!(model.content_hash().unwrap().value, first.value);
    // One leaf at a time or all at once, the rows are the same.
    for leaf in node.ledger.leaves_now() {
        model.fold(std::slice::from_ref(&leaf)).unwrap();
    }
    assert_eq!(model.content_hash().unwrap(), first);
    assert_eq!(node.beside(9).engine.model().content_hash().unwrap(), first);
}

#[test]
fn a_damaged_disclosure_stops_the_decision_and_changes_nothing() {
    let node = furnished();
    let case = submit(&node, ANNA, PLATES[0]).case;
    let path = node.folder.path().join("private.sqlite");
    let raw = rusqlite::Connection::open(path).unwrap();
    raw.execute(
        "UPDATE disclosure SET text = 'WyJ4Il0' WHERE stream = ?1",
        [case.stream().as_str()],
    )
    .unwrap();
    let before = node.ledger.leaves_now().len();
    let error = block_on(node.engine.advance(case)).unwrap_err();
    assert!(matches!(error, EngineError::Private(_)), "{error}");
    raw.execute("DELETE FROM disclosure WHERE stream = ?1", [case.stream().as_str()]).unwrap();
    let error = block_on(node.engine.advance(case)).unwrap_err();
    assert!(matches!(error, EngineError::Case(_)), "{error}");
    assert_eq!(node.ledger.leaves_now().len(), before);
}

#[test]
fn a_foreign_record_that_makes_no_sense_is_noted_and_stops_nobody() {
    use letopis_ledger::id::{EventType, RecordId, StreamName};
    use letopis_ledger::json::Object;
    use letopis_ledger::record::{Event, Record};
    let node = furnished();
    let author = super::twin::author();
    let event = |stream: &str, name: &str, data: Object| Event {
        stream: StreamName::parse(stream).unwrap(),
        version: letopis_ledger::StreamVersion::ZERO,
        event_type: EventType::parse(name).unwrap(),
        schema: 1,
        data,
        private: vec![],
    };
    let case = "application/01923456-789a-7707-8707-070707070707";
    let data = Object::new().with("grounds", Json::Array(vec![]));
    let events = vec![
        event("registry/vehicle/x", "registry.entry_created", Object::new()),
        event(case, "application.refusal_issued", data),
    ];
    let id = RecordId::from_parts(1, &[9; 10]);
    let record = Record::new(author.log, id, author.agency, events, vec![]).unwrap();
    node.ledger.append_now(SignedRecord::sign(record, &author.signer)).unwrap();
    assert_eq!(run(&node, ANNA, PLATES[0]).1, CaseStatus::Granted);
    assert_eq!(node.engine.model().unreadable_count().unwrap().value, 1);
    assert_eq!(node.engine.model().recent_cases(9).unwrap().value.len(), 1);
}

#[test]
fn a_node_may_run_every_command_on_any_thread() {
    fn sendable<T: Send>(value: T) -> T {
        value
    }
    let node = furnished();
    let engine = &node.engine;
    let (code, application) = (registry("vehicle"), application(form(ANNA, PLATES[0]), None));
    let accepted = block_on(sendable(engine.submit(&application))).unwrap();
    block_on(sendable(engine.advance(accepted.case))).unwrap();
    block_on(sendable(engine.resume_open_cases())).unwrap();
    block_on(sendable(engine.case_disclosures(accepted.case))).unwrap();
    block_on(sendable(engine.document(accepted.case, Language::Ru))).unwrap();
    block_on(sendable(engine.create_entries(&code, &[], &document()))).unwrap();
    block_on(sendable(engine.expire_entries(&code, 1))).unwrap();
    drop(sendable(engine.publish_pack(&crate::pack::fixture::zarechny())));
    drop(sendable(engine.install_pack(crate::pack::fixture::zarechny())));
    let import = engine.xes_import(letopis_ledger::Hash::of(b""));
    block_on(sendable(engine.import_xes(&import, std::iter::empty(), |_| {}))).unwrap();
}

#[test]
fn only_what_the_pack_declares_public_is_open_to_anybody() {
    use crate::pack::Visibility;
    let node = furnished();
    let (case, _) = run(&node, ANNA, PLATES[0]);
    block_on(node.engine.catch_up()).unwrap();
    let disclosures = block_on(node.engine.case_disclosures(case)).unwrap();
    let public: std::collections::BTreeSet<&str> = disclosures
        .iter()
        .filter(|opened| opened.visibility == Visibility::Public)
        .map(|opened| opened.disclosure.name())
        .collect();
    let inputs = [
        "input.applicant is owner",
        "input.permits at dwelling",
        "input.plate has permit",
        "input.resident of zone",
        "input.validity years",
        "input.vehicle found",
    ];
    assert_eq!(public, inputs.into_iter().collect());
    let private = disclosures.iter().filter(|opened| opened.visibility == Visibility::Private);
    assert!(private.count() >= 10);
}
