//! What follows an entry over HTTP (domain, service C): the vehicle is sold, the parking permit
//! goes out by itself, once, with the sale as its evidence, and the holder hears of it.

use std::time::Duration;

use letopis_tests::node::{Answer, NodeFolder, RunningNode, verify};
use letopis_tests::office::OUTLINE;
use letopis_tests::wait_for;
use serde_json::{Value, json};

const ANNA: &str = "112-233-445 95";
const BORIS: &str = "087-654-303 00";
const DWELLING: &str = "0c5b2444-70a0-4932-980c-b4dc0d3f02b5";

struct Fixture {
    // Before the folder, so that the process ends before its files go.
    node: RunningNode,
    folder: NodeFolder,
    vehicle: String,
}

impl Fixture {
    /// A node with the pack, and Anna with her home and her vehicle.
    fn new() -> Self {
        let folder = NodeFolder::init();
        let node = folder.start();
        folder.publish_pack(&node);
        let mut fixture = Self { node, folder, vehicle: String::new() };
        let home = json!({"snils": ANNA, "dwelling": DWELLING, "zone": "Z1"});
        fixture.keep("residence/entries", &json!({"rows": [home]}));
        let vehicle = json!({"plate": "А123ВС92", "owner_snils": ANNA});
        let made = fixture.keep("vehicle/entries", &json!({"rows": [vehicle]}));
        fixture.vehicle = made.json()["ids"][0].as_str().unwrap().to_owned();
        fixture
    }

    /// What the keeper does, by a document.
    fn keep(&self, path: &str, what: &Value) -> Answer {
        let mut body = json!({"document_number": "1", "document_date": "2026-01-12"});
        body.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
        let token = self.folder.operator_token();
        let path = format!("/api/v1/registries/{path}");
        let answer = self.node.try_post(&path, Some(&token), body.to_string().as_bytes()).unwrap();
        assert!(answer.status < 300, "{}", String::from_utf8_lossy(&answer.bytes));
        answer
    }

    fn sell(&self, fields: &Value) -> Value {
        let path = format!("vehicle/entries/{}/amendments", self.vehicle);
        self.keep(&path, &json!({"fields": fields})).json()
    }

    /// A permit of Anna's: the case's id and token, and the path of the entry.
    fn permit(&self) -> (String, String, String) {
        let form = json!({"form": {
            "applicant": {"surname": "Соколова", "given_name": "Анна", "snils": ANNA},
            "plate": "а123вс92", "dwelling": DWELLING, "zone": "Z1", "validity_years": 2,
        }});
        let path = "/api/v1/services/parking-permit/applications";
        let accepted = self.node.post(path, form.to_string().as_bytes()).json();
        let id = accepted["id"].as_str().unwrap().to_owned();
        let status = self.node.get(&format!("/api/v1/applications/{id}?wait_ms=20000")).json();
        assert_eq!(status["status"], "granted", "{status}");
        let path = "/api/v1/registries/parking_permit/entries";
        let page = self.node.get(path).json();
        let mut entries = page["entries"].as_array().unwrap().iter();
        let entry = entries.find(|entry| entry["status"] == "in_force").unwrap();
        let path = format!("{path}/{}", entry["id"].as_str().unwrap());
        (id, accepted["token"].as_str().unwrap().to_owned(), path)
    }

    fn gone(&self, permit: &str) -> Value {
        wait_for("the permit to go out", Duration::from_secs(30), || {
            let entry = self.node.get(permit).json();
            (entry["status"] == "excluded").then_some(entry)
        })
    }

    fn notices(&self, id: &str, token: &str) -> Vec<String> {
        let url = format!("{}/api/v1/applications/{id}/notices", self.node.address());
        let bearer = format!("Bearer {token}");
        let mut answer = ureq::get(url).header("authorization", bearer).call().unwrap();
        let told: Value =
            serde_json::from_slice(&answer.body_mut().read_to_vec().unwrap()).unwrap();
        let told = told["notices"].as_array().unwrap().iter();
        told.map(|notice| notice["kind"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_sold_vehicle_takes_its_permit_out_with_the_sale_as_evidence_and_the_holder_is_told() {
    let fixture = Fixture::new();
    let (id, token, permit) = fixture.permit();
    // A lease to the holder changes nothing: the permit is looked at again and stays.
    fixture.sell(&json!({"owner_snils": BORIS, "lessee_snils": ANNA}));
    let sold = fixture.sell(&json!({"lessee_snils": BORIS}));
    let entry = fixture.gone(&permit);
    let history = entry["history"].as_array().unwrap();
    assert_eq!(history.len(), 2, "{entry:#}");
    let basis = &history[1]["data"]["basis"];
    assert_eq!((&basis["kind"], &basis["rule"]), (&json!("fact"), &json!("owner-changed")));
    assert_eq!(basis["stream"], format!("registry/vehicle/{}", fixture.vehicle));
    assert_eq!((&basis["leaf"], &basis["version"]), (&sold["leaf"], &json!(2)));
    wait_for("the notice", Duration::from_secs(30), || {
        fixture.notices(&id, &token).contains(&"withdrawn".to_owned()).then_some(())
    });

    // The decision still verifies, and the end of its result with it.
    let leaf = entry["leaf"].as_u64();
    wait_for("the end to be published", Duration::from_secs(20), || {
        (fixture.node.get("/healthz").json()["published"].as_u64() > leaf).then_some(())
    });
    let (code, report) = verify(&["decision", &id, "--log", fixture.node.address()]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["decision"]["withdrawn_by"], "owner-changed", "{report:#}");

    // The place and the plate are free for the next one.
    fixture.sell(&json!({"owner_snils": ANNA, "lessee_snils": ANNA}));
    fixture.permit();
}

#[test]
fn a_sale_while_the_node_is_down_is_found_at_its_next_start_and_once() {
    let mut fixture = Fixture::new();
    let (_, _, permit) = fixture.permit();
    fixture.sell(&json!({"owner_snils": BORIS}));
    fixture.node.kill();
    fixture.node = fixture.folder.start();
    let entry = fixture.gone(&permit);
    fixture.node.kill();
    fixture.node = fixture.folder.start();
    assert_eq!(fixture.node.get(&permit).json()["history"], entry["history"]);
}

#[test]
fn a_keeper_amends_and_excludes_manual_entries_only() {
    let fixture = Fixture::new();
    let (_, _, permit) = fixture.permit();
    let token = fixture.folder.operator_token();
    let body = |fields: Value| {
        json!({"document_number": "2", "document_date": "2026-02-01", "fields": fields}).to_string()
    };
    let amend = |path: &str, fields: Value| {
        let path = format!("{path}/amendments");
        fixture.node.try_post(&path, Some(&token), body(fields).as_bytes()).unwrap()
    };
    let vehicle = format!("/api/v1/registries/vehicle/entries/{}", fixture.vehicle);
    for (path, fields, status, code) in [
        (&permit, json!({"zone": "Z2"}), 422, "rule-broken"),
        (&vehicle, json!({"plate": "Е234КМ77"}), 422, "rule-broken"),
        (&vehicle, json!({"owner_snils": "1"}), 422, "rule-broken"),
        (&vehicle, json!({"wheels": 4}), 422, "rule-broken"),
        (&vehicle, json!({}), 422, "rule-broken"),
        (&format!("{vehicle}0"), json!({"owner_snils": BORIS}), 404, "not-found"),
    ] {
        let answer = amend(path, fields);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}");
    }
    let path = format!("{vehicle}/exclusion");
    let without_token = fixture.node.post(&path, b"{}");
    assert_eq!(without_token.status, 401);
    let gone = fixture.keep(&path["/api/v1/registries/".len()..], &json!({})).json();
    assert_eq!(gone["status"], "excluded", "{gone}");
    assert_eq!(amend(&vehicle, json!({"owner_snils": BORIS})).status, 404);
}

/// U27: the state of a manual registry as of any leaf and instant, over HTTP.
#[test]
fn u27_an_entry_is_read_as_it_was() {
    let fixture = Fixture::new();
    let building = json!({
        "object_id": "H-1", "name": "Дом", "act": "12", "category": "местная",
        "protected_features": "фасад",
        "polygon": OUTLINE,
    });
    let made = fixture.keep("historic_building/entries", &json!({"rows": [building]})).json();
    let path = format!("historic_building/entries/{}", made["ids"][0].as_str().unwrap());
    let url = format!("/api/v1/registries/{path}");
    let first = wait_for("the building", Duration::from_secs(30), || {
        let entry = fixture.node.get(&url).json();
        entry["leaf"].is_u64().then_some(entry)
    });
    let renamed = json!({"fields": {"name": "Дом купца"}});
    fixture.keep(&format!("{path}/amendments"), &renamed);
    let second = fixture.node.get(&url).json();
    fixture.keep(&format!("{path}/exclusion"), &json!({}));
    let third = fixture.node.get(&url).json();
    for state in [&first, &second, &third] {
        let leaf = state["leaf"].as_u64().unwrap();
        let then = fixture.node.get(&format!("{url}?as_of={}", leaf + 1)).json();
        let at = state["history"].as_array().unwrap().last().unwrap()["at"].as_str().unwrap();
        let at_time = fixture.node.get(&format!("{url}?at={at}")).json();
        for name in ["fields", "status", "leaf", "history", "created_at"] {
            assert_eq!((&then[name], &at_time[name]), (&state[name], &state[name]), "{name}");
        }
        let list = "/api/v1/registries/historic_building/entries";
        let page = fixture.node.get(&format!("{list}?as_of={}", leaf + 1)).json();
        assert_eq!(page["entries"][0]["fields"], state["fields"]);
        assert_eq!(page["entries"][0]["status"], state["status"]);
    }
    let before = first["leaf"].as_u64().unwrap();
    assert_eq!(fixture.node.get(&format!("{url}?as_of={before}")).status, 404);
    let list = format!("/api/v1/registries/historic_building/entries?as_of={before}");
    assert_eq!(fixture.node.get(&list).json()["entries"], json!([]));
    for wrong in ["as_of=99999999", "at=yesterday", "at=2999-01-01T00:00:00.000Z", "since=1"] {
        assert_eq!(fixture.node.get(&format!("{url}?{wrong}")).status, 400, "{wrong}");
    }
}
