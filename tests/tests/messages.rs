//! D1, D15, D17, D18, D19, D5: applications of other systems go where routes lead or wait in
//! quarantine; officials find cases by the names that other systems gave them, and see a card that
//! goes on as the case does.

use std::time::Duration;

use letopis_tests::node::{Answer, NodeFolder, RunningNode};
use letopis_tests::office::{OUTLINE, complaint, shown, work};
use letopis_tests::wait_for;
use serde_json::{Value, json};
use std::path::Path;

const PATIENCE: Duration = Duration::from_secs(30);

struct Town {
    // Before the folder, so that the process ends before its files go.
    node: RunningNode,
    folder: NodeFolder,
    place: tempfile::TempDir,
}

impl Town {
    fn new() -> Self {
        let folder = NodeFolder::init();
        let node = folder.start();
        folder.publish_pack(&node);
        Self { node, folder, place: tempfile::tempdir().unwrap() }
    }

    fn appoint(&self, post: &str) -> String {
        let file = self.place.path().join(format!("{}.json", post.replace(':', "-")));
        self.folder.appoint(&self.node, post, &file);
        file.display().to_string()
    }

    fn send(&self, message: &Value) -> Answer {
        self.node.post("/api/v1/messages", message.to_string().as_bytes())
    }
}

/// Id and token of an official's file.
fn credentials(file: &str) -> (String, String) {
    let text = std::fs::read_to_string(Path::new(file)).unwrap();
    let credentials: Value = serde_json::from_str(&text).unwrap();
    let text = |name: &str| credentials[name].as_str().unwrap().to_owned();
    (text("official"), text("token"))
}

/// A parking permit as the state portal sends it.
fn message(id: &str, code: &str, territory: &str) -> Value {
    json!({
        "system": "state-portal", "message_id": id, "service_code": code, "territory": territory,
        "receipt": format!("R-{id}"), "cabinet": format!("C-{id}"),
        "form": {
            "applicant": {"surname": "Соколова", "given_name": "Анна", "snils": "112-233-445 95"},
            "plate": "А123ВС92", "dwelling": "0c5b2444-70a0-4932-980c-b4dc0d3f02b5", "zone": "Z1",
            "validity_years": 2,
        },
    })
}

#[test]
fn d1_d15_a_route_leads_to_the_service_and_the_case_is_found_by_every_name_of_it() {
    let town = Town::new();
    let sent = town.send(&message("m-1", "10002230000", "67323000"));
    assert_eq!(sent.status, 201, "{}", String::from_utf8_lossy(&sent.bytes));
    let case = sent.json()["id"].as_str().unwrap().to_owned();
    let number = sent.json()["number"].as_str().unwrap().to_owned();
    // The same message again is the same case; another one under its id is refused.
    let again = town.send(&message("m-1", "10002230000", "67323000"));
    assert_eq!((again.status, &again.json()["id"]), (201, &json!(case)));
    let mut other = message("m-1", "10002230000", "67323000");
    other["form"]["zone"] = json!("Z2");
    let refused = town.send(&other);
    assert_eq!((refused.status, refused.code()), (409, "idempotency-key-reused".to_owned()));
    let mut other = message("m-1", "10002230000", "67323000");
    other["receipt"] = json!("R-another");
    assert_eq!(town.send(&other).code(), "idempotency-key-reused");
    // What is wrong in the form is named to the sender at once, and nothing waits.
    let mut wrong = message("m-2", "10002230000", "67323000");
    wrong["form"]["plate"] = json!("A");
    assert_eq!((town.send(&wrong).status, town.send(&wrong).code()), (422, "invalid-form".into()));

    let operator = town.appoint("permits:operator");
    let found = |arguments: &[&str]| {
        let found = shown(&work(&operator, &[&["find"], arguments].concat()));
        let cases = found["cases"].as_array().unwrap().iter();
        cases.map(|case| case["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for known in [
        ["--number", number.as_str()],
        ["--receipt", "R-m-1"],
        ["--cabinet", "C-m-1"],
        ["--service", "parking-permit"],
    ] {
        assert_eq!(found(&known), std::slice::from_ref(&case), "{known:?}");
    }
    assert_eq!(found(&["--receipt", "R-m-1", "--cabinet", "C-m-1"]), std::slice::from_ref(&case));
    assert_eq!(found(&["--receipt", "R-m-1", "--cabinet", "C-other"]), Vec::<String>::new());
    assert_eq!(found(&["--receipt", "R-m-2"]), Vec::<String>::new());
    let card = shown(&work(&operator, &["show", &case]));
    let private = card["private"].as_array().unwrap().iter();
    let of_source = private.filter(|field| field["name"].as_str().unwrap().starts_with("source."));
    assert_eq!(of_source.count(), 5);
    // The receipt stands in no leaf.
    for leaf in 0..town.node.get("/healthz").json()["applied"].as_u64().unwrap() {
        let leaf = town.node.get(&format!("/api/v1/leaves/{leaf}"));
        assert!(!String::from_utf8_lossy(&leaf.bytes).contains("R-m-1"));
    }
    // Who is no official searches nothing.
    assert_eq!(town.node.get("/api/v1/cases?receipt=R-m-1").status, 401);
}

#[test]
fn d1_what_no_route_leads_anywhere_waits_for_an_official_and_is_not_lost() {
    let town = Town::new();
    let sent = town.send(&message("q-1", "99999999999", "67323000"));
    assert_eq!(sent.status, 202, "{}", String::from_utf8_lossy(&sent.bytes));
    let (id, token) = (sent.json()["id"].clone(), sent.json()["token"].clone());
    let (id, token) = (id.as_str().unwrap().to_owned(), token.as_str().unwrap().to_owned());
    assert_eq!(sent.json()["reason"], "unknown_code");
    let elsewhere = town.send(&message("q-2", "10002230000", "45000000"));
    assert_eq!((elsewhere.status, &elsewhere.json()["reason"]), (202, &json!("unknown_territory")));
    let rejected = elsewhere.json()["id"].as_str().unwrap().to_owned();
    let again = town.send(&message("q-1", "99999999999", "67323000"));
    assert_eq!((again.status, &again.json()["id"]), (202, &json!(id)));
    let state = |token: &str| {
        town.node.client().get_with_token(&format!("/api/v1/messages/{id}"), token).unwrap()
    };
    assert_eq!(state(&token).json()["state"], "quarantined");
    assert_eq!(state("wrong").status, 401);

    let operator = town.appoint("permits:operator");
    let keeper = town.appoint("treasury:keeper");
    let listed = shown(&work(&operator, &["quarantine", "list"]));
    assert_eq!(listed["messages"].as_array().unwrap().len(), 2);
    assert_eq!(listed["messages"][0]["source"]["receipt"], "R-q-1");
    assert_eq!(listed["messages"][0]["form"]["plate"], "А123ВС92");
    let list = ["quarantine", "list"];
    assert!(complaint(&work(&keeper, &list)).contains("does not hold a post"));
    // A service whose form it does not fit leaves it where it is.
    let to = |service: &str| work(&operator, &["quarantine", "release", &id, "--service", service]);
    assert!(complaint(&to("child-benefit")).contains("invalid-form"));
    assert!(complaint(&to("nothing")).contains("404"));
    let released = shown(&to("parking-permit"));
    let case = released["id"].as_str().unwrap().to_owned();
    assert!(complaint(&to("parking-permit")).contains("message-settled"));
    // The sender's token shows what became of it, and the case itself.
    let state = state(&token).json();
    assert_eq!((&state["state"], &state["case"]), (&json!("released"), &json!(case)));
    let own = format!("/api/v1/applications/{case}/private");
    assert_eq!(town.node.client().get_with_token(&own, &token).unwrap().status, 200);
    let ended = town.node.get(&format!("/api/v1/applications/{case}?wait_ms=20000")).json();
    assert_eq!(ended["status"], "refused");

    let reject = ["quarantine", "reject", &rejected, "--reason", "Другой муниципалитет"];
    shown(&work(&operator, &reject));
    assert!(complaint(&work(&operator, &reject)).contains("message-settled"));
    let listed = shown(&work(&operator, &["quarantine", "list"]));
    assert_eq!(listed["messages"], json!([]));
}

#[test]
fn d19_d18_d17_d5_the_card_goes_on_as_the_case_does() {
    let town = Town::new();
    let executor = town.appoint("permits:executor");
    let planner = town.appoint("planning:executor");
    let file = json!({
        "sha256": "ab".repeat(32), "size_bytes": 1, "media_type": "application/pdf",
    });
    let form = json!({
        "applicant": { "kind": "person", "name": "Анна Иванова", "snils": "112-233-445 95" },
        "parcel": "91:02:0001001:7", "object": { "name": "Дом", "area_m2": 100 },
        "geometry": OUTLINE, "project": file, "survey": file,
    });
    let path = "/api/v1/services/building-permit/applications";
    let case = town.node.post(path, json!({ "form": form }).to_string().as_bytes()).json();
    let case = case["id"].as_str().unwrap().to_owned();
    let card = wait_for("the case to be given to the executor", PATIENCE, || {
        let output = work(&executor, &["show", &case]);
        output.status.success().then(|| shown(&output))
    });
    // The kind of request makes the form by which it is answered.
    let forms = card["forms"].as_array().unwrap();
    let planning = forms.iter().find(|form| form["request"] == "planning").unwrap();
    assert_eq!(planning["schema"]["properties"]["complies"]["type"], "boolean");
    assert_eq!(planning["schema"]["properties"]["issued_on"]["format"], "date");
    assert!(planning["schema"]["required"].as_array().unwrap().contains(&json!("number")));
    let omitted = card["omitted"].as_array().unwrap();
    let expert = omitted.iter().find(|one| one["request"] == "expert").unwrap();
    assert_eq!(expert["condition"], "form.object.area_m2 > 1500");
    let asked = card["requests"].as_array().unwrap();
    let asked = asked.iter().find(|one| one["request"] == "planning").unwrap();
    assert!(asked["sent_at"].is_string() && asked["late"] == false && asked["outcome"].is_null());

    // Whoever waits for something new gets it as it happens.
    let (client, (id, token)) = (town.node.client(), credentials(&executor));
    let waiting = format!("/api/v1/cases/{case}/card?wait_ms=30000&after=");
    let leaf = wait_for("the case to rest", PATIENCE, || {
        let card = shown(&work(&executor, &["show", &case]));
        let path = format!("/api/v1/cases/{case}/card?wait_ms=300&after={}", card["leaf"]);
        let later = client.get_as(&path, (&id, &token)).unwrap().json();
        (later["leaf"] == card["leaf"]).then(|| card["leaf"].as_u64().unwrap())
    });
    let waiter = std::thread::spawn({
        let client = town.node.client().with_timeout(Duration::from_secs(60));
        move || client.get_as(&format!("{waiting}{leaf}"), (&id, &token)).unwrap().json()
    });
    let facts =
        ["--fact", "number=ГП-1", "--fact", "issued_on=2026-01-12", "--fact", "complies=true"];
    let answer = [&["answer", &case, "planning"], &facts[..]].concat();
    assert!(work(&planner, &answer).status.success());
    let card = waiter.join().unwrap();
    assert!(card["leaf"].as_u64().unwrap() > leaf);
    // The answer is a table with the titles of the pack, and its signed record is one leaf away.
    let answers = card["answers"].as_array().unwrap();
    let table = answers.iter().find(|table| table["request"] == "planning").unwrap();
    assert_eq!(table["rows"][0]["value"], "ГП-1");
    assert!(table["rows"][0]["title"]["ru"].as_str().unwrap().len() > 4);
    let leaf = town.node.get(&format!("/api/v1/leaves/{}", table["leaf"]));
    assert!(String::from_utf8_lossy(&leaf.bytes).contains("request.answered"));

    let history = shown(&work(&executor, &["history", &case]));
    let types: Vec<&str> =
        history.as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(types[..2], ["application.submitted", "application.registered"]);
    assert!(types.contains(&"request.sent") && types.contains(&"application.assigned"));
    let outsider = town.appoint("treasury:keeper");
    assert!(complaint(&work(&outsider, &["history", &case])).contains("does not hold a post"));
}

#[test]
fn d1_what_a_route_took_is_answered_as_before_after_the_routes_change() {
    let town = Town::new();
    let first = town.send(&message("m-1", "10002230000", "67323000"));
    assert_eq!(first.status, 201, "{}", String::from_utf8_lossy(&first.bytes));
    let moved = [("\"10002230000\", territory", "\"10009990000\", territory")];
    town.folder.publish_changed(&town.node, 2, ("pack.yaml", &moved));
    let again = town.send(&message("m-1", "10002230000", "67323000"));
    assert_eq!((again.status, &again.json()["id"]), (201, &first.json()["id"]));
    assert_eq!(town.send(&message("m-2", "10002230000", "67323000")).status, 202);
}
