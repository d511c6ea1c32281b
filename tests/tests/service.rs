//! The resident parking permit over HTTP (U1, U4, U12, U13, U26, U28, U33, U40): from a form to a
//! decision that a separate program re-executes, and what a client sees on the way.

use std::time::Duration;

use letopis_tests::node::{Answer, NodeFolder, RunningNode, verify};
use letopis_tests::wait_for;
use serde_json::{Value, json};

const SNILS: &str = "112-233-445 95";
const DWELLING: &str = "0c5b2444-70a0-4932-980c-b4dc0d3f02b5";
const SUBMIT: &str = "/api/v1/services/parking-permit/applications";

struct Fixture {
    // Before the folder, so that the process ends before its files go.
    node: RunningNode,
    folder: NodeFolder,
}

impl Fixture {
    /// A node with the pack, one vehicle and one resident.
    fn new() -> Self {
        let folder = NodeFolder::init();
        let node = folder.start();
        folder.publish_pack(&node);
        let fixture = Self { node, folder };
        fixture.enter("vehicle", &json!([{ "plate": "А123ВС92", "owner_snils": SNILS }]));
        fixture
            .enter("residence", &json!([{ "snils": SNILS, "dwelling": DWELLING, "zone": "Z1" }]));
        fixture
    }

    fn enter(&self, registry: &str, rows: &Value) {
        self.folder.enter(&self.node, registry, rows);
    }

    fn submit(&self, form: &Value) -> Answer {
        self.node.post(SUBMIT, json!({ "form": form }).to_string().as_bytes())
    }

    fn decided(&self, form: &Value) -> (String, Value) {
        let accepted = self.submit(form);
        assert_eq!(accepted.status, 201, "{}", String::from_utf8_lossy(&accepted.bytes));
        let id = accepted.json()["id"].as_str().unwrap().to_owned();
        let status = self.node.get(&format!("/api/v1/applications/{id}?wait_ms=20000")).json();
        assert_ne!(status["status"], "in_progress", "{status}");
        let decision = self.node.get(&format!("/api/v1/decisions/{id}")).json();
        (id, decision)
    }

    fn wait_until_final(&self, decision: &Value) {
        let leaf = decision["leaf"].as_u64().unwrap();
        wait_for("the decision to be published", Duration::from_secs(20), || {
            (self.node.get("/healthz").json()["published"].as_u64() > Some(leaf)).then_some(())
        });
    }
}

fn form() -> Value {
    json!({
        "applicant": { "surname": "Соколова", "given_name": "Анна", "snils": SNILS },
        "plate": "а123вс92", "dwelling": DWELLING, "zone": "Z1", "validity_years": 2,
    })
}

#[test]
fn a_right_application_is_granted_entered_and_proved_and_a_second_one_is_refused() {
    let fixture = Fixture::new();
    let (id, decision) = fixture.decided(&form());
    assert_eq!(decision["outcome"], "granted", "{decision:#}");
    fixture.wait_until_final(&decision);
    let (code, report) = verify(&["decision", &id, "--log", fixture.node.address()]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["decision"]["re_executed"], true, "{report:#}");

    // The entry stands in the same record as the decision (U26), with its proof.
    let page = fixture.node.get("/api/v1/registries/parking_permit/entries").json();
    let entry = &page["entries"][0];
    assert_eq!(entry["leaf"], decision["leaf"]);
    let entry_id = entry["id"].as_str().unwrap();
    let proof =
        fixture.node.get(&format!("/api/v1/registries/parking_permit/entries/{entry_id}/proof"));
    let place = tempfile::tempdir().unwrap();
    let (proof_file, policy_file) = (place.path().join("proof"), place.path().join("policy"));
    std::fs::write(&proof_file, &proof.bytes).unwrap();
    std::fs::write(&policy_file, fixture.node.get("/policy").bytes).unwrap();
    let proof_file = proof_file.display().to_string();
    let policy_file = policy_file.display().to_string();
    assert_eq!(verify(&["proof", &proof_file, "--policy", &policy_file]).0, 0);

    // The same vehicle again: refused on its ground, and the refusal verifies as well (U1).
    let (id, decision) = fixture.decided(&form());
    assert_eq!(decision["outcome"], "refused");
    assert_eq!(decision["grounds"][0]["code"], "G5");
    assert!(decision["grounds"][0]["text"]["ru"].as_str().unwrap().contains("разрешение"));
    fixture.wait_until_final(&decision);
    let (code, report) = verify(&["decision", &id, "--log", fixture.node.address()]);
    assert_eq!(code, 0, "{report:#}");
}

#[test]
fn wrong_fields_are_named_in_both_languages_and_nothing_is_registered() {
    let fixture = Fixture::new();
    let before = fixture.node.get("/healthz").json()["applied"].clone();
    let mut wrong = form();
    wrong["applicant"]["snils"] = "112-233-445 96".into();
    wrong["plate"] = "123".into();
    wrong["surplus"] = true.into();
    let answer = fixture.submit(&wrong);
    assert_eq!((answer.status, answer.code().as_str()), (422, "invalid-form"));
    let errors = answer.json()["errors"].as_array().unwrap().clone();
    let pointers: Vec<&str> = errors.iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    for pointer in ["/applicant/snils", "/plate", "/surplus"] {
        assert!(pointers.contains(&pointer), "{pointer} is not among {pointers:?}");
    }
    for error in &errors {
        assert_ne!(error["ru"], error["en"], "{error}");
    }
    assert_eq!(fixture.node.get("/healthz").json()["applied"], before, "the log grew");
}

#[test]
fn the_same_idempotency_key_gives_the_same_case() {
    let fixture = Fixture::new();
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let send = |form: &Value| {
        let mut answer = agent
            .post(format!("{}{SUBMIT}", fixture.node.address()))
            .header("content-type", "application/json")
            .header("idempotency-key", "key-1")
            .send(json!({ "form": form }).to_string())
            .unwrap();
        let status = answer.status().as_u16();
        let body: Value =
            serde_json::from_slice(&answer.body_mut().read_to_vec().unwrap()).unwrap();
        (status, body)
    };
    let (first, again) = (send(&form()), send(&form()));
    assert_eq!((first.0, again.0), (201, 201));
    assert_eq!(first.1["id"], again.1["id"]);
    assert_eq!(again.1["repeated"], true);
    let mut other = form();
    other["validity_years"] = 3.into();
    let (status, problem) = send(&other);
    assert_eq!((status, &problem["code"]), (409, &"idempotency-key-reused".into()));
}

#[test]
fn private_values_are_for_the_holder_of_the_token_and_in_no_leaf() {
    let fixture = Fixture::new();
    let accepted = fixture.submit(&form()).json();
    let (id, token) = (accepted["id"].as_str().unwrap(), accepted["token"].as_str().unwrap());
    let path = format!("/api/v1/applications/{id}/private");
    assert_eq!(fixture.node.get(&path).status, 401);
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let ask = |token: &str| {
        let url = format!("{}{path}", fixture.node.address());
        agent.get(url).header("authorization", format!("Bearer {token}")).call().unwrap()
    };
    assert_eq!(ask("wrong").status(), 401);
    let mut answer = ask(token);
    assert_eq!(answer.status(), 200);
    let own: Value = serde_json::from_slice(&answer.body_mut().read_to_vec().unwrap()).unwrap();
    let fields = own["fields"].as_array().unwrap();
    assert!(fields.iter().any(|field| field["value"] == "Соколова"), "{own:#}");
    let status = fixture.node.get(&format!("/api/v1/applications/{id}?wait_ms=20000")).json();
    assert_eq!(status["status"], "granted");
    let size = fixture.node.get("/healthz").json()["applied"].as_u64().unwrap();
    for index in 0..size {
        let leaf = fixture.node.get(&format!("/api/v1/leaves/{index}")).bytes;
        let leaf = String::from_utf8(leaf).unwrap();
        for private in ["Соколова", "112-233-445", "11223344595", DWELLING, "А123ВС92"] {
            assert!(!leaf.contains(private), "{private} stands in leaf {index}");
        }
    }
}

#[test]
fn cases_under_way_when_the_node_is_killed_are_ended_after_its_restart() {
    let mut fixture = Fixture::new();
    let accepted = fixture.submit(&form());
    assert_eq!(accepted.status, 201);
    let id = accepted.json()["id"].as_str().unwrap().to_owned();
    fixture.node.kill();
    fixture.node = fixture.folder.start();
    let status = fixture.node.get(&format!("/api/v1/applications/{id}?wait_ms=20000")).json();
    assert_eq!(status["status"], "granted", "{status}");
}

#[test]
fn every_answer_names_the_position_and_the_document_describes_every_path() {
    let fixture = Fixture::new();
    for path in ["/healthz", "/api/v1/packs", "/api/v1/registries", "/no/such/path"] {
        assert!(fixture.node.get(path).position.is_some_and(|leaf| leaf > 2), "{path}");
    }
    let document = fixture.node.get("/openapi.json").json();
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/api/v1/services/{service}/applications",
        "/api/v1/applications/{id}",
        "/api/v1/decisions/{id}",
        "/api/v1/decisions/{id}/proof",
        "/api/v1/registries/{code}/entries/{id}/proof",
        "/api/v1/records",
        "/metrics",
        "/healthz",
    ] {
        assert!(paths.contains_key(path), "{path} is not described");
    }
    let metrics = String::from_utf8(fixture.node.get("/metrics").bytes).unwrap();
    for name in ["letopis_append_seconds_bucket", "letopis_position_leaves"] {
        assert!(metrics.contains(name), "{name} is not measured");
    }
    let russian = ureq::get(format!("{}/no", fixture.node.address()))
        .header("accept-language", "ru-RU,ru;q=0.9")
        .config()
        .http_status_as_error(false)
        .build()
        .call()
        .unwrap()
        .body_mut()
        .read_to_string()
        .unwrap();
    assert!(russian.contains("Ничего с таким именем нет"), "{russian}");
}
