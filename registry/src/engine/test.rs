//! The engine over a ledger in memory: whole cases from the form to the end.

mod areas;
mod complex;
mod documents;
mod drafts;
mod extract;
mod facts;
mod follow_up;
mod lifecycle;
mod offers;
mod ownership;
mod payments;
mod privacy;
mod races;
mod registries;
mod silence;
mod withdrawn;

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
use crate::event::{Document, DomainEvent, Outcome, Registered};
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
        registered_at: None,
        idempotency_key: key.map(str::to_owned),
        entry: None,
        renews: None,
        source: None,
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

fn registered(accepted: &Accepted) -> &Registered {
    match &accepted.intake {
        Intake::Registered(registered) => registered,
        Intake::NotTaken(refused) => panic!("not taken: {refused:?}"),
    }
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
    assert_eq!(registered(&accepted).number, "ЗП-2026-000001");
    assert_eq!(registered(&accepted).last_day.to_string(), "2026-11-30");
    let progress = block_on(node.engine.advance(accepted.case)).unwrap();
    assert_eq!(progress.status, CaseStatus::Granted);
    let leaves = node.ledger.leaves_now();
    let records: Vec<Vec<String>> = leaves[before..].iter().map(event_types).collect();
    assert_eq!(
        records,
        [
            vec![
                "application.submitted",
                "application.registered",
                "request.sent",
                "request.sent",
                "request.sent",
            ],
            vec!["request.answered", "request.answered", "request.answered"],
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
    // Nobody holds a fine against the vehicle, and "no data" has no source.
    let sourced = requests.iter().filter(|request| request.source.is_some());
    let sourced: Vec<&str> = sourced.map(|request| request.request.as_str()).collect();
    assert_eq!((requests.len(), sourced), (3, vec!["residence", "vehicle"]));
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
    let text = String::from_utf8(refusal.bytes.clone()).unwrap();
    assert!(text.contains("G3: Two permits are already in force for this dwelling"), "{text}");
    assert!(text.contains("Administration of the town of Zarechny"), "{text}");
    assert!(text.contains(&format!("check/{third}")), "{text}");
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
    closed.channel = ChannelCode::parse("post").unwrap();
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
    block_on(sendable(engine.case_disclosures(accepted.case))).unwrap();
    block_on(sendable(engine.document(accepted.case, Language::Ru))).unwrap();
    block_on(sendable(engine.create_entries(&code, &[], &document()))).unwrap();
    block_on(sendable(engine.expire_entries(&code, 1))).unwrap();
    drop(sendable(engine.publish_pack(&crate::pack::fixture::zarechny())));
    drop(sendable(engine.install_pack(crate::pack::fixture::zarechny())));
    let import = engine.xes_import(letopis_ledger::Hash::of(b""));
    block_on(sendable(engine.import_xes(&import, std::iter::empty(), |_| {}))).unwrap();
}
