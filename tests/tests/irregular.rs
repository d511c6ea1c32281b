//! U26, U32: what an agency signs against the rules stands in the log, counts for nothing, is
//! listed with its reason, and is found by the verifier.

use std::time::Duration;

use letopis_ledger::StreamVersion;
use letopis_ledger::checkpoint::Origin;
use letopis_ledger::id::{AgencyId, EventType, RecordId, StreamName};
use letopis_ledger::json::{Json, Object};
use letopis_ledger::record::{Event, Record};
use letopis_tests::node::{AGENCY, Answer, NodeFolder, ORIGIN, RunningNode, signed, verify};
use letopis_tests::office::{OUTLINE, complaint, work};
use letopis_tests::wait_for;
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(30);
const ENTRY: &str = "registry/building_permit/01923456-789a-7808-8808-080808080809";

/// Sends a record of the agency's own key that no command of the program would make.
fn forge(folder: &NodeFolder, node: &RunningNode, number: u8, event: Event) -> Answer {
    let id = RecordId::from_parts(1_700_000_000_000, &[number; 10]);
    let (log, agency) = (Origin::new(ORIGIN).unwrap(), AgencyId::parse(AGENCY).unwrap());
    let record = Record::new(log, id, agency, vec![event], vec![]).unwrap();
    let record = signed(record, &folder.signer(AGENCY));
    node.post("/api/v1/records", &record.to_bytes())
}

fn event(stream: &str, version: u64, event_type: &str, data: Object) -> Event {
    Event {
        stream: StreamName::parse(stream).unwrap(),
        version: StreamVersion::new(version),
        event_type: EventType::parse(event_type).unwrap(),
        schema: 1,
        data,
        private: vec![],
    }
}

fn published(node: &RunningNode) {
    let health = || node.get("/healthz").json();
    wait_for("the log to be published", PATIENCE, || {
        (health()["published"] == health()["applied"]).then_some(())
    });
}

/// Applies for a building permit; gives the case.
fn apply(node: &RunningNode) -> String {
    let file = json!({
        "sha256": "ab".repeat(32), "size_bytes": 1, "media_type": "application/pdf",
    });
    let form = json!({
        "applicant": { "kind": "person", "name": "Анна Иванова", "snils": "112-233-445 95" },
        "parcel": "91:02:0001001:7", "object": { "name": "Дом", "area_m2": 100 },
        "geometry": OUTLINE, "project": file, "survey": file,
    });
    let path = "/api/v1/services/building-permit/applications";
    let case = node.post(path, json!({ "form": form }).to_string().as_bytes()).json();
    case["id"].as_str().unwrap().to_owned()
}

/// Enters a permit into the automatic registry on a basis that gives no right to.
fn enter_permit(
    folder: &NodeFolder,
    node: &RunningNode,
    (number, stream): (u8, &str),
    basis: Object,
) {
    let permit = Object::new()
        .with("registry", "building_permit")
        .with("number", format!("67-323-{number:04}-2026").as_str())
        .with("fields", Object::new())
        .with("basis", basis);
    let entered = forge(folder, node, number, event(stream, 0, "registry.entry_created", permit));
    assert!(entered.status < 300, "{}", String::from_utf8_lossy(&entered.bytes));
}

/// An official is told why nobody can go on with the case.
fn told_why(folder: &NodeFolder, node: &RunningNode, case: &str) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("official.json");
    folder.appoint(node, "permits:executor", &file);
    let complaint = complaint(&work(&file, &["show", case]));
    assert!(complaint.contains("refusal_issued"), "{complaint}");
}

#[test]
fn u26_u32_what_does_not_follow_counts_for_nothing_and_is_found() {
    let folder = NodeFolder::init();
    let node = folder.start();
    folder.publish_pack(&node);
    let case = apply(&node);
    let irregularities = || node.get("/api/v1/irregularities").json()["irregularities"].clone();
    assert_eq!(irregularities(), json!([]));
    published(&node);
    let log = ["log", node.address()];
    let (code, report) = verify(&log);
    assert_eq!(code, 0, "{report:#}");

    // Permits that no decision made.
    let document = Object::new().with("kind", "document").with("number", "1");
    let document = document.with("date", "2026-01-12");
    let fact = Object::new().with("kind", "fact").with("rule", "owner-changed");
    let fact = fact.with("stream", ENTRY).with("version", 0).with("leaf", 0);
    enter_permit(&folder, &node, (1, ENTRY), document);
    enter_permit(&folder, &node, (100, &ENTRY.replace("809", "808")), fact);
    // An end that nobody decided, after whatever the case has come to.
    let mut length = 2;
    wait_for("the case to rest", PATIENCE, || {
        let refusal = Object::new().with("grounds", vec![Json::from("G3")]);
        let stream = format!("application/{case}");
        let refusal = event(&stream, length, "application.refusal_issued", refusal);
        let answer = forge(&folder, &node, u8::try_from(length).unwrap(), refusal);
        let text = String::from_utf8_lossy(&answer.bytes).into_owned();
        let (_, found) = text.split_once(" has ").unwrap_or_default();
        length = found.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(length);
        (answer.status < 300).then_some(())
    });
    let listed = wait_for("the list", PATIENCE, || {
        let listed = irregularities();
        (listed.as_array().unwrap().len() == 3).then_some(listed)
    });
    let reasons = listed.as_array().unwrap().iter().map(|row| row["reason"].as_str().unwrap());
    assert_eq!(
        reasons.collect::<Vec<_>>(),
        [
            "the registry is written by decisions alone",
            "a fact takes an entry out and does nothing else",
            "its record refuses nothing"
        ]
    );
    assert_eq!(listed[0]["stream"], ENTRY);
    // Neither stands in an answer.
    let entries = node.get("/api/v1/registries/building_permit/entries").json();
    assert_eq!(entries["entries"], json!([]));
    let id = ENTRY.rsplit('/').next().unwrap();
    let entry = node.get(&format!("/api/v1/registries/building_permit/entries/{id}"));
    assert_eq!(entry.status, 404);
    let status = node.get(&format!("/api/v1/applications/{case}")).json();
    assert_eq!(status["status"], "in_progress");
    told_why(&folder, &node, &case);
    // The verifier names both rules.
    published(&node);
    let (code, report) = verify(&log);
    assert_eq!(code, 1, "{report:#}");
    let broken = report["findings"].as_array().unwrap().iter();
    let broken: Vec<_> = broken.map(|finding| finding["rule"].as_str().unwrap()).collect();
    assert_eq!(broken, ["entry-basis", "entry-basis", "case-order"]);
    // The same tables come of the same log.
    assert_eq!(irregularities(), listed);
}
