//! F14, F16, U1, U56, K34, K35: what the public is told of a service is what its regulation says,
//! and the plan of a case is what the case then does.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use letopis_tests::node::{NodeFolder, RunningNode};
use letopis_tests::office::OUTLINE;
use letopis_tests::{binary, wait_for};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);

fn town() -> (RunningNode, NodeFolder) {
    let folder = NodeFolder::init();
    let node = folder.start();
    folder.publish_pack(&node);
    (node, folder)
}

#[test]
fn f16_f14_u56_every_service_has_its_card_with_the_acts_that_it_follows_from() {
    let (node, _folder) = town();
    let services = node.get("/api/v1/services").json()["services"].as_array().unwrap().clone();
    let codes: Vec<&str> = services.iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["building-permit", "child-benefit", "parking-permit"]);
    for service in &services {
        for member in ["law", "standard", "term", "steps", "grounds", "channels", "form", "acts"] {
            assert!(!service[member].is_null(), "{} has no {member}", service["code"]);
        }
        let cites: Vec<String> = service["acts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|act| act["cite"]["en"].as_str().unwrap().to_owned())
            .collect();
        let laws = [&service["law"], &service["standard"]["law"], &service["term"]["law"]];
        let steps = service["steps"].as_array().unwrap().iter().map(|step| &step["law"]);
        let grounds = service["grounds"].as_array().unwrap().iter().map(|ground| &ground["law"]);
        for law in laws.into_iter().chain(steps).chain(grounds) {
            let law = law["en"].as_str().unwrap();
            assert!(cites.iter().any(|cite| law.starts_with(cite)), "{law}: {cites:?}");
        }
        // What the matrix says is possible is possible: some channel is open to applicants.
        let actions = service["actions"].as_array().unwrap();
        let apply = actions.iter().find(|action| action["action"] == "apply").unwrap();
        let channels = service["channels"].as_array().unwrap().iter();
        let open: Vec<&Value> = channels
            .filter(|channel| channel["open_to"] == "applicants")
            .map(|channel| &channel["code"])
            .collect();
        assert_eq!(apply["electronic"], json!(!open.is_empty()));
        assert_eq!(apply["channels"], json!(open));
    }
    let permit = node.get("/api/v1/services/building-permit").json();
    assert_eq!(permit, services[0]);
    // Each body is asked with a package of its own.
    let packages = permit["steps"].as_array().unwrap().iter().filter_map(|step| {
        let sends = step["request"]["sends"].as_array()?;
        Some(sends.iter().map(|value| value.as_str().unwrap().to_owned()).collect::<Vec<_>>())
    });
    assert!(packages.collect::<BTreeSet<_>>().len() > 3);
    assert_eq!(permit["decided_by"], "officials");
    assert_eq!(node.get("/api/v1/services/nothing").status, 404);

    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("services.json");
    let export = ["export", "services", "--node", node.address(), "--write"];
    let output = Command::new(binary("letopis")).args(export).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let written: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(written["services"], json!(services));
}

#[test]
fn k34_what_a_plan_says_is_what_the_case_then_does() {
    let (node, _folder) = town();
    let file = json!({
        "sha256": "ab".repeat(32), "size_bytes": 1, "media_type": "application/pdf",
    });
    let form = json!({
        "applicant": { "kind": "person", "name": "Анна Иванова", "snils": "112-233-445 95" },
        "parcel": "91:02:0001001:7", "object": { "name": "Дом", "area_m2": 100 },
        "geometry": OUTLINE, "project": file, "survey": file,
    });
    let body = json!({ "form": form }).to_string();
    let path = "/api/v1/services/building-permit/plan";
    let plan = node.post(path, body.as_bytes()).json();
    let of = |state: &str| {
        let planned = plan["requests"].as_array().unwrap().iter();
        let planned = planned.filter(|request| request["state"] == state);
        planned.map(|one| one["request"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert!(of("left_out").contains("expert") && of("depends_on").contains("heritage-check"));
    let path = "/api/v1/services/building-permit/applications";
    let case = node.post(path, body.as_bytes()).json();
    let leaf = case["leaf"].as_u64().unwrap();
    let leaf = wait_for("the record", PATIENCE, || {
        let leaf = node.get(&format!("/api/v1/leaves/{leaf}"));
        (leaf.status == 200).then(|| leaf.json())
    });
    let events = leaf["record"]["events"].as_array().unwrap();
    let did = |event_type: &str| {
        let done = events.iter().filter(|event| event["type"] == event_type);
        let done = done.map(|event| event["data"]["request"].as_str().unwrap().to_owned());
        done.collect::<BTreeSet<_>>()
    };
    assert_eq!(did("request.sent"), of("now"));
    assert_eq!(did("request.omitted"), of("left_out"));
    // Nothing was submitted by asking, and what is wrong is named.
    let wrong = json!({ "form": { "parcel": "nowhere" } }).to_string();
    let refused = node.post("/api/v1/services/building-permit/plan", wrong.as_bytes());
    assert_eq!((refused.status, refused.code()), (422, "invalid-form".to_owned()));
}
