//! F9, U21, hard case 4: a draft is saved, read again and submitted another day, by the form that
//! is in force then; by phone comes nothing but a draft.

use std::fs;
use std::process::Command;

use letopis_tests::binary;
use letopis_tests::node::{Answer, NodeFolder, RunningNode};
use serde_json::{Value, json};

struct Home {
    // Before the folder, so that the process ends before its files go.
    node: RunningNode,
    folder: NodeFolder,
    place: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let folder = NodeFolder::init();
        let node = folder.start();
        folder.publish_pack(&node);
        Self { node, folder, place: tempfile::tempdir().unwrap() }
    }

    /// Publishes the next version of the pack with a changed parking permit.
    fn publish(&self, version: u32, changes: &[(&str, &str)]) {
        let place = "services/parking-permit";
        self.folder.publish_changed(&self.node, version, (place, changes));
    }

    /// Publishes version 2 of the pack, without the parking permit and what it alone uses.
    fn withdraw_parking(&self) {
        let gone =
            ["parking-permit", "moved-in-with-newborn", "parking_permit", "unpaid_fine", "vehicle"];
        self.folder.publish_edited(&self.node, 2, |pack| {
            let manifest = fs::read_to_string(pack.join("pack.yaml")).unwrap();
            let stays = |line: &&str| {
                let is_route = line.contains("service: parking-permit");
                !is_route && !gone.iter().any(|code| *line == format!("  - {code}"))
            };
            let lines: Vec<&str> = manifest.lines().filter(stays).collect();
            let manifest = lines.join("\n").replace("complex:\n", "");
            fs::write(pack.join("pack.yaml"), manifest).unwrap();
            fs::remove_dir_all(pack.join("services/parking-permit")).unwrap();
            fs::remove_dir_all(pack.join("complex")).unwrap();
            for registry in ["parking_permit", "unpaid_fine", "vehicle"] {
                fs::remove_file(pack.join(format!("registries/{registry}.yaml"))).unwrap();
            }
        });
    }

    fn save(&self, body: &Value) -> Answer {
        let path = "/api/v1/services/parking-permit/drafts";
        self.node.post(path, body.to_string().as_bytes())
    }

    fn saved(&self, form: &Value) -> Value {
        let answer = self.save(&json!({ "form": form }));
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.bytes));
        answer.json()
    }

    fn read(&self, draft: &Value) -> Answer {
        let token = draft["token"].as_str().unwrap();
        self.node.client().get_with_token(&path(draft, ""), token).unwrap()
    }

    fn post(&self, draft: &Value, what: &str, body: &Value) -> Answer {
        let token = draft["token"].as_str();
        self.node.try_post(&path(draft, what), token, body.to_string().as_bytes()).unwrap()
    }
}

fn path(draft: &Value, what: &str) -> String {
    format!("/api/v1/drafts/{}{what}", draft["id"].as_str().unwrap())
}

fn form() -> Value {
    json!({
        "applicant": {
            "surname": "Соколова", "given_name": "Анна", "patronymic": "Ивановна",
            "snils": "112-233-445 95",
        },
        "plate": "А123ВС92", "dwelling": "0c5b2444-70a0-4932-980c-b4dc0d3f02b5", "zone": "Z5",
        "validity_years": 2,
    })
}

fn pointers(problems: &Value) -> Vec<&str> {
    problems.as_array().unwrap().iter().map(|one| one["pointer"].as_str().unwrap()).collect()
}

/// A form begun by half is completed later, and its case follows the pack in force.
#[test]
fn a_draft_is_completed_another_day_and_submitted_once() {
    let home = Home::new();
    let before = home.node.get("/healthz").json()["applied"].clone();
    let half = json!({"applicant": {"surname": "Соколова"}, "zone": "Z5"});
    let draft = home.saved(&half);
    assert_eq!(home.node.get("/healthz").json()["applied"], before, "a draft is no record");
    let missing = home.read(&draft).json();
    assert_eq!(missing["form"], half);
    assert!(pointers(&missing["problems"]).contains(&"/plate"), "{missing}");
    assert_eq!(home.node.get(&path(&draft, "")).status, 401);
    let early = home.post(&draft, "/submission", &json!({}));
    assert_eq!((early.status, early.code()), (422, "invalid-form".to_owned()));
    let wrong = home.post(&draft, "", &json!({"form": {"zone": "Z9"}}));
    assert_eq!((wrong.status, wrong.code()), (422, "invalid-form".to_owned()));
    let whole = home.post(&draft, "", &json!({"form": form()}));
    assert_eq!(whole.json()["problems"], json!([]));
    let accepted = home.post(&draft, "/submission", &json!({}));
    assert_eq!(accepted.status, 201, "{}", String::from_utf8_lossy(&accepted.bytes));
    let accepted = accepted.json();
    assert!(accepted.get("carried_over").is_none(), "{accepted}");
    // Asked again after a lost answer: the same case, another token for it.
    let again = home.post(&draft, "/submission", &json!({})).json();
    assert_eq!((&again["id"], &again["repeated"]), (&accepted["id"], &json!(true)));
    let own = format!("/api/v1/applications/{}/private", accepted["id"].as_str().unwrap());
    for token in [&accepted["token"], &again["token"]] {
        let own = home.node.client().get_with_token(&own, token.as_str().unwrap()).unwrap();
        assert_eq!(own.status, 200);
    }
    let late = home.post(&draft, "", &json!({"form": half}));
    assert_eq!((late.status, late.code()), (422, "rule-broken".to_owned()));
}

#[test]
fn a_draft_that_is_thrown_away_is_gone() {
    let home = Home::new();
    let draft = home.saved(&form());
    let token = draft["token"].as_str().unwrap();
    let url = format!("{}{}", home.node.address(), path(&draft, ""));
    let gone = ureq::delete(url).header("authorization", format!("Bearer {token}")).call().unwrap();
    assert_eq!(gone.status(), 204);
    assert_eq!(home.read(&draft).status, 401);
    assert_eq!(home.post(&draft, "/submission", &json!({})).status, 401);
}

/// F9, hard case 4: the regulation is amended between draft and submission.
#[test]
fn hard_case_4_a_draft_of_an_older_form_is_carried_over_or_refused_by_field() {
    let home = Home::new();
    let (one, two) = (home.saved(&form()), home.saved(&form()));
    // Version 2 offers one more zone: every value still fits.
    home.publish(2, &[("\"Z5\"]", "\"Z5\", \"Z6\"]")]);
    assert_eq!(home.read(&one).json()["in_force_version"], 2);
    let carried = home.post(&one, "/submission", &json!({}));
    assert_eq!(carried.status, 201, "{}", String::from_utf8_lossy(&carried.bytes));
    let carried = carried.json();
    assert_eq!(carried["carried_from_version"], 1);
    let fields: Vec<&str> =
        carried["carried_over"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
    assert!(fields.contains(&"/applicant/snils") && fields.contains(&"/zone"), "{fields:?}");
    let leaf = home.node.get(&format!("/api/v1/leaves/{}", carried["leaf"])).json();
    assert_eq!(leaf["record"]["events"][0]["data"]["pack"]["version"], 2);
    // Version 3 has no patronymic, and zone Z5 is no more.
    home.publish(3, &[("patronymic", "middle_name"), ("\"Z4\", \"Z5\"]", "\"Z4\"]")]);
    let refused = home.post(&two, "/submission", &json!({}));
    assert_eq!((refused.status, refused.code()), (422, "draft-outdated".to_owned()));
    let refused = refused.json();
    assert_eq!(pointers(&refused["errors"]), ["/applicant/patronymic", "/zone"]);
    for error in refused["errors"].as_array().unwrap() {
        assert!(!error["ru"].as_str().unwrap().is_empty(), "what to do: {error}");
    }
    // What does not fit is corrected, and the draft goes in.
    let mut corrected = form();
    corrected["applicant"].as_object_mut().unwrap().remove("patronymic");
    corrected["zone"] = json!("Z4");
    assert_eq!(home.post(&two, "", &json!({"form": corrected})).status, 200);
    let accepted = home.post(&two, "/submission", &json!({}));
    assert_eq!(accepted.status, 201, "{}", String::from_utf8_lossy(&accepted.bytes));
    assert!(accepted.json().get("carried_from_version").is_none());
}

/// F9, hard case 4: the service itself is gone between draft and submission, or registration and
/// decision: the applicant is told so, and what was registered is decided.
#[test]
fn hard_case_4_a_withdrawn_service_takes_no_application_and_decides_those_it_has() {
    let mut home = Home::new();
    let draft = home.saved(&form());
    let path = "/api/v1/services/parking-permit/applications";
    let application = json!({ "form": form() }).to_string();
    let before = home.node.post(path, application.as_bytes());
    assert_eq!(before.status, 201, "{}", String::from_utf8_lossy(&before.bytes));
    home.withdraw_parking();
    // A restart reads the versions of the pack again.
    home.node.process().terminate();
    home.node = home.folder.start();

    let applied = home.node.post(path, application.as_bytes());
    let together = json!({"shared": {}, "forms": {}}).to_string();
    let together = home
        .node
        .post("/api/v1/complex-services/moved-in-with-newborn/requests", together.as_bytes());
    let saved = home.save(&json!({ "form": form() }));
    let submitted = home.post(&draft, "/submission", &json!({}));
    for refused in [applied, together, saved, home.read(&draft), submitted] {
        assert_eq!((refused.status, refused.code()), (410, "service-withdrawn".to_owned()));
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("version 2 of pack zarechny no longer has it"), "{detail}");
    }
    assert_eq!(home.node.post("/api/v1/services/none/applications", b"{\"form\":{}}").status, 404);
    let case = before.json()["id"].as_str().unwrap().to_owned();
    let status = home.node.get(&format!("/api/v1/applications/{case}?wait_ms=20000")).json();
    assert_eq!(status["status"], "refused", "nothing is known of the applicant: {status}");

    // The registry of what it gave is read; nothing new is entered in one that is withdrawn.
    let permits = home.node.get("/api/v1/registries/parking_permit/entries");
    assert_eq!(permits.status, 200);
    let row = json!({
        "document_number": "1", "document_date": "2026-01-12",
        "rows": [{"plate": "А123ВС92", "owner_snils": "112-233-445 95"}],
    });
    let keeper = home.folder.operator_token();
    let path = "/api/v1/registries/vehicle/entries";
    let entered = home.node.try_post(path, Some(&keeper), row.to_string().as_bytes()).unwrap();
    assert_eq!((entered.status, entered.code()), (410, "registry-withdrawn".to_owned()));
}

/// U21: an official takes down what a caller says; the caller submits it by another channel.
#[test]
fn by_phone_comes_a_draft_that_the_caller_submits() {
    let home = Home::new();
    let file = home.place.path().join("operator.json");
    home.folder.appoint(&home.node, "permits:operator", &file);
    let by_stranger = home.save(&json!({"channel": "phone", "form": form()}));
    assert_eq!((by_stranger.status, by_stranger.code()), (422, "rule-broken".to_owned()));
    let path = "/api/v1/services/parking-permit/calls";
    assert_eq!(home.node.post(path, json!({"form": form()}).to_string().as_bytes()).status, 401);
    let spoken = home.place.path().join("spoken.json");
    fs::write(&spoken, form().to_string()).unwrap();
    let taken = Command::new(binary("letopis"))
        .args(["work", "--as"])
        .arg(&file)
        .args(["call", "parking-permit", "--form"])
        .arg(&spoken)
        .output()
        .unwrap();
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let draft: Value = serde_json::from_slice(&taken.stdout).unwrap();
    let phone = home.post(&draft, "/submission", &json!({"channel": "phone"}));
    assert_eq!((phone.status, phone.code()), (422, "channel-draft-only".to_owned()));
    let accepted = home.post(&draft, "/submission", &json!({"channel": "portal"}));
    assert_eq!(accepted.status, 201, "{}", String::from_utf8_lossy(&accepted.bytes));
}
