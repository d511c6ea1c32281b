//! Control, statistics and exports of a running node (U3, U5, U32 to U38, D5, K39): what the
//! interface answers, who may ask, and that both ways to read the log give the same export.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use letopis_ledger::key::AuthorSigner;
use letopis_tests::node::{NodeFolder, RunningNode, verify};
use letopis_tests::{binary, wait_for};
use serde_json::{Value, json};

const SNILS: &str = "112-233-445 95";
const DWELLING: &str = "0c5b2444-70a0-4932-980c-b4dc0d3f02b5";
const SUBMIT: &str = "/api/v1/services/parking-permit/applications";

/// A node with two decided cases, one granted and one refused.
fn worked() -> (RunningNode, NodeFolder) {
    let folder = NodeFolder::init();
    let node = folder.start();
    folder.publish_pack(&node);
    for (registry, rows) in [
        ("vehicle", json!([{ "plate": "А123ВС92", "owner_snils": SNILS }])),
        ("residence", json!([{ "snils": SNILS, "dwelling": DWELLING, "zone": "Z1" }])),
    ] {
        folder.enter(&node, registry, &rows);
    }
    for outcome in ["granted", "refused"] {
        let form = json!({
            "applicant": { "surname": "Соколова", "given_name": "Анна", "snils": SNILS },
            "plate": "А123ВС92", "dwelling": DWELLING, "zone": "Z1", "validity_years": 2,
        });
        let accepted = node.post(SUBMIT, json!({ "form": form }).to_string().as_bytes()).json();
        let id = accepted["id"].as_str().unwrap();
        let status = node.get(&format!("/api/v1/applications/{id}?wait_ms=20000")).json();
        assert_eq!(status["status"], outcome, "{status}");
    }
    (node, folder)
}

/// Sends a request as an official; gives status and body.
fn as_official(node: &RunningNode, who: &Value, path: &str, body: Option<&Value>) -> (u16, Value) {
    let url = format!("{}{path}", node.address());
    let (id, token) = (who["id"].as_str().unwrap(), who["token"].as_str().unwrap());
    let bearer = format!("Bearer {token}");
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut answer = match body {
        None => {
            let request = agent.get(url).header("letopis-official", id);
            request.header("authorization", bearer).call().unwrap()
        }
        Some(body) => {
            let request = agent.post(url).header("content-type", "application/json");
            let request = request.header("letopis-official", id).header("authorization", bearer);
            request.send(body.to_string().as_bytes()).unwrap()
        }
    };
    let bytes = answer.body_mut().read_to_vec().unwrap();
    (answer.status().as_u16(), serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

fn official(node: &RunningNode, folder: &NodeFolder) -> Value {
    let body = json!({
        "name": "Оператор", "posts": [{"unit": "permits", "role": "operator"}],
        "key": AuthorSigner::from_seed(&[9; 32]).key().to_base64(),
    });
    let token = folder.operator_token();
    let body = body.to_string();
    let answer = node.try_post("/api/v1/officials", Some(&token), body.as_bytes()).unwrap();
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.bytes));
    answer.json()
}

#[test]
fn figures_are_for_everybody_and_control_is_for_officials() {
    let (node, folder) = worked();
    let times = node.get("/api/v1/statistics/services").json();
    let parking = &times["services"][0];
    assert_eq!((&parking["granted"], &parking["refused"]), (&json!(1), &json!(1)), "{times:#}");
    assert_eq!(parking["fast_per_mille"], 1_000);
    assert!(times["position"].as_u64() > Some(3));
    let none = node.get("/api/v1/statistics/services?until=2020-01-01").json();
    assert_eq!(none["services"], json!([]));

    // An official advises somebody; it is counted, and nothing else is known of it.
    let who = official(&node, &folder);
    let consultation = json!({
        "service": "parking-permit", "topic": "documents-needed", "channel": "phone",
        "duration_ms": 240_000, "outcome": "answered",
    });
    let path = "/api/v1/consultations";
    let (status, registered) = as_official(&node, &who, path, Some(&consultation));
    assert_eq!(status, 201, "{registered}");
    assert_eq!(node.post(path, consultation.to_string().as_bytes()).status, 401);
    for (member, wrong, expected) in [
        ("service", json!("other"), 404),
        ("duration_ms", json!(0), 422),
        ("topic", json!(""), 400),
    ] {
        let mut body = consultation.clone();
        body[member] = wrong;
        assert_eq!(as_official(&node, &who, path, Some(&body)).0, expected, "{member}");
    }
    let months = node.get("/api/v1/statistics/months").json();
    let sum = |name: &str| {
        let rows = months["months"].as_array().unwrap().iter();
        rows.map(|row| row[name].as_u64().unwrap()).sum::<u64>()
    };
    let counted = ["applications", "granted", "refused", "consultations", "consultation_ms"];
    assert_eq!(counted.map(sum), [2, 1, 1, 1, 240_000], "{months:#}");
    let load = node.get("/api/v1/statistics/load?service=parking-permit").json();
    let hours = load["hours"].as_array().unwrap();
    let came: u64 = hours.iter().map(|hour| hour["applications"].as_u64().unwrap()).sum();
    assert_eq!((hours.len(), came), (168, 2));
    let topics = node.get("/api/v1/statistics/consultations?service=parking-permit").json();
    let topic = &topics["topics"][0];
    assert_eq!((&topic["topic"], &topic["answered"]), (&json!("documents-needed"), &json!(1)));
    assert_eq!(topic["elapsed"]["p90_ms"], 240_000, "{topics:#}");
    let other = node.get("/api/v1/statistics/consultations?service=child-benefit").json();
    assert_eq!(other["topics"], json!([]));
    let suppliers = node.get("/api/v1/statistics/suppliers").json();
    assert_eq!(suppliers["suppliers"].as_array().unwrap().len(), 3, "{suppliers:#}");
    let refusals = node.get("/api/v1/statistics/refusals").json();
    assert_eq!(refusals["grounds"][0]["ground"], "G5", "{refusals:#}");
    assert_eq!(node.get("/api/v1/statistics/load?from=yesterday").status, 400);

    assert_eq!(node.get("/api/v1/control/cases").status, 401);
    let (status, open) = as_official(&node, &who, "/api/v1/control/cases", None);
    assert_eq!((status, &open["cases"]), (200, &json!([])), "{open}");
    let first = "/api/v1/control/decisions?limit=1";
    let (_, page) = as_official(&node, &who, first, None);
    assert_eq!(page["decisions"][0]["outcome"], "granted");
    assert_eq!(page["decisions"][0]["signed_by"], Value::Null, "the rules decided alone");
    let next = format!("{first}&after={}", page["next"].as_str().unwrap());
    let (_, page) = as_official(&node, &who, &next, None);
    assert_eq!(page["decisions"][0]["grounds"], json!(["G5"]));
    let (_, page) = as_official(&node, &who, "/api/v1/control/officials", None);
    assert_eq!(page["officials"], json!([]));
    assert_eq!(as_official(&node, &who, "/api/v1/control/cases?after=x", None).0, 400);
}

fn export(format: &str, from: [&str; 2], file: &Path) -> Vec<u8> {
    let output = Command::new(binary("letopis"))
        .args(["export", format])
        .args(from)
        .arg("--write")
        .arg(file)
        .output()
        .expect("letopis starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read(file).unwrap()
}

#[test]
fn a_node_and_a_copy_of_its_log_are_exported_alike_and_without_names() {
    let (node, _folder) = worked();
    wait_for("everything to be published", Duration::from_secs(20), || {
        let health = node.get("/healthz").json();
        (health["published"] == health["applied"]).then_some(())
    });
    let place = tempfile::tempdir().unwrap();
    let mirror = place.path().join("mirror").display().to_string();
    assert_eq!(verify(&["mirror", node.address(), &mirror]).0, 0);
    for format in ["ocel", "xes"] {
        let file = place.path().join(format);
        let of_node = export(format, ["--node", node.address()], &file);
        let of_folder = export(format, ["--folder", &mirror], &file);
        assert!(of_node.len() > 1_000);
        // The node may have published a notice meanwhile; what it had before is the same.
        let text = String::from_utf8(of_folder).unwrap();
        assert!(text.contains("application.result_issued"), "{text}");
        for private in ["Соколова", SNILS, "А123ВС92", DWELLING] {
            assert!(!text.contains(private), "{private} is in the {format}");
        }
    }
    let nowhere = place.path().join("nowhere").display().to_string();
    let output = Command::new(binary("letopis"))
        .args(["export", "xes", "--folder", &nowhere, "--write"])
        .arg(place.path().join("none"))
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(!place.path().join("none").exists(), "no part of a file is left");
}
