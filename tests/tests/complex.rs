//! A complex request over HTTP (K6, F10): a family moved in with a newborn, asks once for the
//! benefit and the permit, and each comes with a number, a term and a decision of its own.

use std::time::Duration;

use letopis_tests::node::{NodeFolder, RunningNode};
use letopis_tests::wait_for;
use serde_json::{Value, json};

const SNILS: &str = "112-233-445 95";
const DWELLING: &str = "0c5b2444-70a0-4932-980c-b4dc0d3f02b5";
const BIRTH: &str = "110269770001000012344";
const SUBMIT: &str = "/api/v1/complex-services/moved-in-with-newborn/requests";

struct Fixture {
    // Before the folder, so that the process ends before its files go.
    node: RunningNode,
    folder: NodeFolder,
}

impl Fixture {
    /// A node with the pack and a family whose child's birth is on record.
    fn new() -> Self {
        let fixture = Self::without_birth();
        let birth = json!({"record_number": BIRTH, "parent_snils": SNILS,
                           "child_birth_date": "2026-10-01"});
        fixture.enter("birth_record", &birth);
        fixture
    }

    /// The same family before that.
    fn without_birth() -> Self {
        let folder = NodeFolder::init();
        let node = folder.start();
        folder.publish_pack(&node);
        let fixture = Self { node, folder };
        let home = json!({"snils": SNILS, "dwelling": DWELLING, "zone": "Z1", "oktmo": "67323000"});
        for (registry, row) in [
            ("vehicle", json!({"plate": "А123ВС92", "owner_snils": SNILS})),
            ("residence", home),
            ("income", json!({"snils": SNILS, "kopecks": 12_000_000})),
        ] {
            fixture.enter(registry, &row);
        }
        fixture
    }

    fn enter(&self, registry: &str, row: &Value) {
        self.folder.enter(&self.node, registry, &json!([row]));
    }

    fn closed(&self, id: &str) -> Value {
        wait_for("the complex request to close", Duration::from_secs(30), || {
            let status = self.node.get(&format!("/api/v1/complex-requests/{id}")).json();
            status["closed_at"].is_string().then_some(status)
        })
    }
}

fn request() -> Value {
    json!({
        "shared": {"applicant": {"surname": "Соколова", "given_name": "Анна", "snils": SNILS}},
        "forms": {
            "child-benefit": {"birth_record": BIRTH, "children": 1},
            "parking-permit": {"plate": "а123вс92", "dwelling": DWELLING, "zone": "Z1",
                               "validity_years": 2},
        },
    })
}

#[test]
fn one_submission_makes_two_cases_and_one_check_of_the_residence_serves_both() {
    let fixture = Fixture::new();
    let offered = fixture.node.get("/api/v1/complex-services").json();
    let service = &offered["complex_services"][0];
    assert_eq!(service["services"], json!(["child-benefit", "parking-permit"]));
    let fields = service["fields"].as_array().unwrap();
    let snils = fields.iter().find(|field| field["pointer"] == "/shared/applicant/snils").unwrap();
    assert_eq!(snils["services"].as_array().unwrap().len(), 2, "{snils}");
    assert!(fields.iter().all(|field| {
        !field["required"].as_bool().unwrap()
            || request().pointer(field["pointer"].as_str().unwrap()).is_some()
    }));

    let answer = fixture.node.post(SUBMIT, request().to_string().as_bytes());
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.bytes));
    let accepted = answer.json();
    let cases = accepted["cases"].as_array().unwrap();
    let [benefit, parking] = &cases[..] else { panic!("{accepted:#}") };
    assert_eq!(
        (&benefit["service"], &parking["service"]),
        (&json!("child-benefit"), &json!("parking-permit"))
    );
    for member in ["id", "number", "token", "due"] {
        assert_ne!(benefit[member], parking[member], "{accepted:#}");
    }
    let status = fixture.closed(accepted["id"].as_str().unwrap());
    for case in status["cases"].as_array().unwrap() {
        assert_eq!(case["status"], "granted", "{status:#}");
    }
    assert_eq!(status["waits"][0]["state"], "satisfied");
    assert_eq!(status["waits"][0]["case"], parking["id"]);

    // Both decisions are published, and a stranger checks that the permit did wait.
    for case in [parking, benefit] {
        let (id, token) = (case["id"].as_str().unwrap(), case["token"].as_str().unwrap());
        let decision = fixture.node.verify_decision(id, Some((token, "input.")));
        assert_eq!(decision["re_executed"], true, "{decision:#}");
        let stream = format!("complex/{}", accepted["id"].as_str().unwrap());
        assert_eq!(decision["complex_request"], stream, "{decision:#}");
    }
}

#[test]
fn what_one_service_would_not_take_is_told_and_nothing_is_submitted() {
    let fixture = Fixture::new();
    let before = fixture.node.get("/healthz").json()["applied"].clone();
    let mut wrong = request();
    wrong["forms"]["parking-permit"]["plate"] = "123".into();
    wrong["forms"]["parking-permit"]["surname"] = "Соколова".into();
    let answer = fixture.node.post(SUBMIT, wrong.to_string().as_bytes());
    assert_eq!((answer.status, answer.code().as_str()), (422, "invalid-form"));
    assert_eq!(answer.json()["errors"][0]["pointer"], "/forms/parking-permit/surname");
    wrong["forms"]["parking-permit"].as_object_mut().unwrap().remove("surname");
    wrong["shared"]["applicant"]["snils"] = "112-233-445 96".into();
    let answer = fixture.node.post(SUBMIT, wrong.to_string().as_bytes());
    let errors = answer.json()["errors"].as_array().unwrap().clone();
    let pointers: Vec<&str> = errors.iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/shared/applicant/snils", "/forms/parking-permit/plate"]);
    wrong["channel"] = "phone".into();
    wrong["shared"]["applicant"]["snils"] = SNILS.into();
    wrong["forms"]["parking-permit"]["plate"] = "а123вс92".into();
    let answer = fixture.node.post(SUBMIT, wrong.to_string().as_bytes());
    assert_eq!((answer.status, answer.code().as_str()), (422, "channel-draft-only"));
    let unknown = fixture.node.post("/api/v1/complex-services/none/requests", b"{\"shared\":{}}");
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "not-found"));
    assert_eq!(fixture.node.get("/healthz").json()["applied"], before, "the log grew");
}

#[test]
fn a_case_that_waits_for_officials_does_not_hold_the_one_that_has_its_answer() {
    let fixture = Fixture::without_birth();
    let accepted = fixture.node.post(SUBMIT, request().to_string().as_bytes()).json();
    let parking = accepted["cases"][1]["id"].as_str().unwrap();
    let status = fixture.node.get(&format!("/api/v1/applications/{parking}?wait_ms=20000")).json();
    assert_eq!(status["status"], "granted", "{status}");
    let id = accepted["id"].as_str().unwrap();
    let status = fixture.node.get(&format!("/api/v1/complex-requests/{id}")).json();
    assert_eq!(status["cases"][0]["status"], "in_progress", "{status:#}");
    assert_eq!(status["closed_at"], Value::Null);
}

#[test]
fn a_node_that_is_killed_at_once_goes_on_with_both_cases_and_closes() {
    let mut fixture = Fixture::new();
    let accepted = fixture.node.post(SUBMIT, request().to_string().as_bytes()).json();
    let id = accepted["id"].as_str().unwrap().to_owned();
    fixture.node.kill();
    fixture.node = fixture.folder.start();
    let status = fixture.closed(&id);
    for case in status["cases"].as_array().unwrap() {
        assert_eq!(case["status"], "granted", "{status:#}");
    }
}
