//! Cases that break systems like this one, over HTTP and with the verifier. `tests/README.md` lists
//! all of them with the tests that hold them; those of one command stand beside its code.

use std::path::Path;
use std::time::Duration;

use letopis_tests::node::{Answer, NodeFolder, RunningNode};
use letopis_tests::office::{OUTLINE, work};
use letopis_tests::wait_for;
use serde_json::{Value, json};

const ANNA: &str = "112-233-445 95";
const NAMESAKE: &str = "087-654-303 00";
const DWELLING: &str = "0c5b2444-70a0-4932-980c-b4dc0d3f02b5";
const OTHER_DWELLING: &str = "1c5b2444-70a0-4932-980c-b4dc0d3f02b5";
const BIRTH: &str = "110259123000100123004";
const PATIENCE: Duration = Duration::from_secs(30);

struct Town {
    // Before the folder, so that the process ends before its files go.
    node: RunningNode,
    folder: NodeFolder,
}

impl Town {
    /// A node with the pack, and Anna with her home, her vehicle, her child and little income.
    fn new() -> Self {
        let folder = NodeFolder::init();
        let node = folder.start();
        folder.publish_pack(&node);
        let town = Self { node, folder };
        let home = json!({"snils": ANNA, "dwelling": DWELLING, "zone": "Z1", "oktmo": "67323000"});
        town.enter("residence", home);
        town.enter("vehicle", json!({"plate": "А123ВС92", "owner_snils": ANNA}));
        town
    }

    fn enter(&self, registry: &str, row: Value) {
        self.folder.enter(&self.node, registry, &json!([row]));
    }

    fn apply(&self, service: &str, body: &Value) -> Answer {
        let path = format!("/api/v1/services/{service}/applications");
        self.node.post(&path, body.to_string().as_bytes())
    }

    /// The id of a case that was registered, and its token.
    fn submitted(&self, service: &str, body: &Value) -> (String, String) {
        let answer = self.apply(service, body);
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.bytes));
        let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
        (text("id"), text("token"))
    }

    /// The id of a case that was registered.
    fn registered(&self, service: &str, body: &Value) -> String {
        self.submitted(service, body).0
    }

    fn ended(&self, case: &str) -> Value {
        let status = self.node.get(&format!("/api/v1/applications/{case}?wait_ms=20000")).json();
        assert_ne!(status["status"], "in_progress", "{status}");
        status
    }

    fn decision(&self, case: &str) -> Value {
        self.node.get(&format!("/api/v1/decisions/{case}")).json()
    }

    /// What the verifier says of a decision that is published.
    fn verified(&self, case: &str) -> Value {
        self.node.verify_decision(case, None)
    }

    /// The same, with what the token of a case discloses.
    fn disclosed(&self, case: &str, token: &str) -> Value {
        self.node.verify_decision(case, Some((token, "")))
    }

    fn staff(&self, arguments: &[&str]) {
        let output = self.folder.staff(&self.node, arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Appoints somebody to a post, and gives the file with which they work.
    fn appoint(&self, place: &Path, post: &str) -> String {
        let file = place.join(format!("{post}.json"));
        self.folder.appoint(&self.node, post, &file);
        file.display().to_string()
    }
}

fn parking(snils: &str, plate: &str, dwelling: &str, channel: &str) -> Value {
    json!({"channel": channel, "form": {
        "applicant": {"surname": "Соколова", "given_name": "Анна", "snils": snils},
        "plate": plate, "dwelling": dwelling, "zone": "Z1", "validity_years": 1,
    }})
}

fn building(applicant: &Value) -> Value {
    let file = json!({"sha256": "ab".repeat(32), "size_bytes": 1, "media_type": "application/pdf"});
    json!({"form": {
        "applicant": applicant, "parcel": "91:02:0001001:7",
        "object": {"name": "Дом", "area_m2": 100}, "geometry": OUTLINE,
        "project": file, "survey": file,
    }})
}

/// Repeats a command of an official until it is possible: registries are asked meanwhile.
fn at_last(file: &str, arguments: &[&str]) {
    let mut complaint = String::new();
    let done = || {
        let output = work(file, arguments);
        complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        output.status.success().then_some(())
    };
    wait_for(&format!("{arguments:?}"), PATIENCE, done);
}

/// The sender had no answer and sends again, to a node that was started anew meanwhile.
#[test]
fn hard_case_2_a_sender_without_an_answer_sends_again_and_there_is_one_case() {
    let mut town = Town::new();
    let body = parking(ANNA, "А123ВС92", DWELLING, "portal").to_string();
    let send = |town: &Town| {
        let url = format!("{}/api/v1/services/parking-permit/applications", town.node.address());
        let request = ureq::post(url).header("content-type", "application/json");
        let mut answer = request.header("idempotency-key", "k-1").send(body.as_bytes()).unwrap();
        let bytes = answer.body_mut().read_to_vec().unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let first = send(&town);
    assert_eq!(send(&town), first);
    town.node.kill();
    town.node = town.folder.start();
    assert_eq!(send(&town), first, "success, not an error about a message that was sent before");
    assert_eq!(town.ended(&first)["status"], "granted");
    let permits = town.node.get("/api/v1/registries/parking_permit/entries").json();
    assert_eq!(permits["entries"].as_array().unwrap().len(), 1);
}

/// One document comes through the front desk and the portal at once.
#[test]
fn hard_case_7_one_application_by_two_channels_gives_one_permit() {
    let town = Town::new();
    let cases = std::thread::scope(|scope| {
        let town = &town;
        let channels = ["front-desk", "portal"].map(|channel| {
            let body = parking(ANNA, "А123ВС92", DWELLING, channel);
            scope.spawn(move || town.registered("parking-permit", &body))
        });
        channels.map(|channel| channel.join().unwrap())
    });
    let mut ended = cases.each_ref().map(|case| town.ended(case)["status"].clone());
    ended.sort_by_key(ToString::to_string);
    assert_eq!(ended, ["granted", "refused"]);
    let refused = cases.iter().find(|case| town.ended(case)["status"] == "refused").unwrap();
    assert_eq!(town.decision(refused)["grounds"][0]["code"], "G5");
    for case in &cases {
        town.verified(case);
    }
}

/// Two people of one name are two people; one name and a document of another country are enough.
#[test]
fn hard_case_8_people_are_told_apart_by_what_identifies_them_and_not_by_names() {
    let town = Town::new();
    let home = json!({"snils": NAMESAKE, "dwelling": OTHER_DWELLING, "zone": "Z1"});
    town.enter("residence", home);
    town.enter("vehicle", json!({"plate": "В234ЕК92", "owner_snils": NAMESAKE}));
    let right = [(ANNA, "А123ВС92", DWELLING), (NAMESAKE, "В234ЕК92", OTHER_DWELLING)];
    for (snils, plate, dwelling) in right {
        let case = town.registered("parking-permit", &parking(snils, plate, dwelling, "portal"));
        assert_eq!(town.ended(&case)["status"], "granted");
    }
    // The same name does not open the namesake's vehicle.
    let body = parking(ANNA, "В234ЕК92", DWELLING, "portal");
    let case = town.registered("parking-permit", &body);
    assert_eq!(town.ended(&case)["status"], "refused");
    let grounds = town.decision(&case)["grounds"].to_string();
    assert!(grounds.contains("G2"), "{grounds}");

    let foreigner = json!({
        "kind": "foreign_citizen", "name": "Suharto", "foreign_document": "X 123", "country": "ID",
    });
    town.registered("building-permit", &building(&foreigner));
    let nobody = json!({"kind": "foreign_citizen", "name": "Suharto"});
    let answer = town.apply("building-permit", &building(&nobody));
    assert_eq!(answer.status, 422);
    let errors = answer.json()["errors"].to_string();
    assert!(errors.contains("/applicant/foreign_document"), "{errors}");
}

/// Who signed held the post and the key when signing: what comes later does not undo it, and who
/// is dismissed signs nothing more.
#[test]
fn hard_case_10_a_signature_holds_after_its_official_is_dismissed() {
    let town = Town::new();
    let place = tempfile::tempdir().unwrap();
    let [executor, planner, lawyer, head] =
        ["permits:executor", "planning:executor", "legal:lawyer", "permits:head"]
            .map(|post| town.appoint(place.path(), post));
    let applicant = json!({"kind": "person", "name": "Анна", "snils": ANNA});
    let [one, two] = [(); 2].map(|()| {
        let case = town.registered("building-permit", &building(&applicant));
        let facts =
            ["--fact", "number=ГП-1", "--fact", "issued_on=2026-11-20", "--fact", "complies=true"];
        at_last(&planner, &[&["answer", &case, "planning"][..], &facts].concat());
        at_last(&executor, &["propose", &case, "--motive", "Участок не его"]);
        at_last(&lawyer, &["agree", &case]);
        case
    });
    at_last(&head, &["agree", &one]);
    assert_eq!(town.ended(&one)["status"], "refused");
    let signed = town.verified(&one);
    let id = std::fs::read_to_string(&head).unwrap();
    let id = serde_json::from_str::<Value>(&id).unwrap()["official"].as_str().unwrap().to_owned();
    town.staff(&["dismiss", &id]);
    let late = work(&head, &["agree", &two]);
    assert!(!late.status.success());
    assert_eq!(town.verified(&one), signed);
    // Another head takes over what was open.
    let another = tempfile::tempdir().unwrap();
    let next = town.appoint(another.path(), "permits:head");
    at_last(&next, &["agree", &two]);
    assert_eq!(town.ended(&two)["status"], "refused");
    town.verified(&two);
}

/// An administrator edits a row of the tables: the interface repeats the lie, the verifier does
/// not, and the tables are built again from the log.
#[test]
fn hard_case_12_an_edited_row_changes_nothing_that_can_be_proved() {
    let mut town = Town::new();
    let body = parking(ANNA, "Е777КХ92", DWELLING, "portal");
    let case = town.registered("parking-permit", &body);
    assert_eq!(town.ended(&case)["status"], "refused");
    let before = town.verified(&case);
    town.node.process().terminate();
    let tables = town.folder.path().join("read");
    let edited = rusqlite::Connection::open(tables.join("tables.sqlite")).unwrap();
    let rows =
        edited.execute("UPDATE case_file SET status = 'granted' WHERE case_id = ?1", [&case]);
    assert_eq!(rows.unwrap(), 1);
    drop(edited);
    town.node = town.folder.start();
    assert_eq!(town.ended(&case)["status"], "granted", "the table is what was edited");
    assert_eq!(town.verified(&case), before, "the log is not");
    assert_eq!(before["outcome"], "refused");
    town.node.process().terminate();
    std::fs::remove_dir_all(&tables).unwrap();
    town.node = town.folder.start();
    assert_eq!(town.ended(&case)["status"], "refused");
}

/// The house comes under another municipality while what was granted there is in force.
#[test]
fn hard_case_14_a_house_that_moves_to_another_municipality_ends_the_benefit() {
    let town = Town::new();
    let child =
        json!({"record_number": BIRTH, "parent_snils": ANNA, "child_birth_date": "2020-05-01"});
    town.enter("birth_record", child);
    town.enter("income", json!({"snils": ANNA, "kopecks": 12_000_000}));
    let body = json!({"form": {
        "applicant": {"surname": "Соколова", "given_name": "Анна", "snils": ANNA},
        "birth_record": BIRTH, "children": 1,
    }});
    let (benefit, token) = town.submitted("child-benefit", &body);
    assert_eq!(town.ended(&benefit)["status"], "granted");
    let permit = town.registered("parking-permit", &parking(ANNA, "А123ВС92", DWELLING, "portal"));
    assert_eq!(town.ended(&permit)["status"], "granted");
    town.disclosed(&benefit, &token);

    let homes = town.node.get("/api/v1/registries/residence/entries").json();
    let home = homes["entries"][0]["id"].as_str().unwrap();
    let path = format!("/api/v1/registries/residence/entries/{home}/amendments");
    let moved = json!({
        "document_number": "2", "document_date": "2026-11-01", "fields": {"oktmo": "45382000"},
    });
    let keeper = town.folder.operator_token();
    let answer = town.node.try_post(&path, Some(&keeper), moved.to_string().as_bytes()).unwrap();
    assert!(answer.status < 300, "{}", String::from_utf8_lossy(&answer.bytes));

    let review = wait_for("the review", PATIENCE, || {
        let status = town.node.get(&format!("/api/v1/applications/{benefit}")).json();
        let review = status["follow_ups"].as_array()?.first()?.clone();
        (review["status"] == "refused").then(|| review["id"].as_str().unwrap().to_owned())
    });
    assert_eq!(town.decision(&review)["grounds"][0]["code"], "G1");
    assert_eq!(town.disclosed(&review, &token)["grounds"], json!(["G1"]));
    // What was decided by the address of then stays right, and the permit rests on no municipality.
    assert_eq!(town.disclosed(&benefit, &token)["outcome"], "granted");
    let permits = town.node.get("/api/v1/registries/parking_permit/entries").json();
    assert_eq!(permits["entries"][0]["status"], "in_force");
}
