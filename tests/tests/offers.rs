//! K8, domain (service B, "proactive"): a birth brings an offer to the mother, her letter's code
//! opens it, one consent submits the application and the rules grant it; a refusal is respected; a
//! permit that ends soon is offered to its holder. Nothing is decided without the person.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use letopis_tests::node::{Answer, NodeFolder, RunningNode};
use letopis_tests::office::try_work;
use letopis_tests::wait_for;
use serde_json::{Value, json};

const ANNA: &str = "112-233-445 95";
const BORIS: &str = "087-654-303 00";
const DWELLING: &str = "0c5b2444-70a0-4932-980c-b4dc0d3f02b5";
const RECORD: &str = "110259123000100123004";

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

    /// An operator of the front desk: the file with what the official needs.
    fn operator(&self) -> PathBuf {
        let file = self.place.path().join("operator.json");
        self.folder.appoint(&self.node, "permits:operator", &file);
        file
    }

    /// The birth of a child, as the registrar enters it for one parent.
    fn born(&self, snils: &str, parent: &str) {
        let row = json!({
            "record_number": RECORD, "parent_snils": snils, "parent": parent,
            "child_birth_date": "2026-11-01"
        });
        self.folder.enter(&self.node, "birth_record", &json!([row]));
    }

    /// What the registers know of Anna, so that she is entitled to the benefit.
    fn entitle(&self) {
        let home = json!({"snils": ANNA, "dwelling": DWELLING, "zone": "Z1", "oktmo": "67323000"});
        self.folder.enter(&self.node, "residence", &json!([home]));
        let income = json!({"snils": ANNA, "kopecks": 36_000_000});
        self.folder.enter(&self.node, "income", &json!([income]));
    }

    /// Waits until an official sees so many open offers.
    fn offers(&self, operator: &Path, count: usize) -> Vec<Value> {
        wait_for("the offers", Duration::from_secs(30), || {
            let open = try_work(operator, &["offers"]).ok()?;
            let open = open["offers"].as_array().unwrap().clone();
            (open.len() == count).then_some(open)
        })
    }

    fn read(&self, offer: &str, code: &str) -> Answer {
        self.node.client().get_with_token(&format!("/api/v1/offers/{offer}"), code).unwrap()
    }

    fn answer(&self, offer: &str, what: &str, code: &str, body: &Value) -> Answer {
        let path = format!("/api/v1/offers/{offer}/{what}");
        self.node.try_post(&path, Some(code), body.to_string().as_bytes()).unwrap()
    }

    /// Sends the form of the offer's page as a browser does.
    fn page(&self, offer: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let request = ureq::post(format!("{}/offer/{offer}", self.node.address()))
            .config()
            .http_status_as_error(false)
            .build()
            .header("accept-language", "ru");
        let mut answer = request.send_form(fields.iter().copied()).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }

    fn ended(&self, case: &str) -> Value {
        wait_for("the case to end", Duration::from_secs(30), || {
            let status = self.node.get(&format!("/api/v1/applications/{case}")).json();
            let ended = status["status"].as_str().is_some_and(|found| found != "in_progress");
            ended.then_some(status)
        })
    }
}

/// What an official does from the command line.
fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap_or_else(|| panic!("no {member} in {value}"))
}

fn added() -> Value {
    json!({"form": {"applicant": {"surname": "Соколова", "given_name": "Анна"}, "children": 1}})
}

#[test]
fn k8_a_birth_brings_a_letter_and_one_consent_brings_the_benefit() {
    let town = Town::new();
    town.entitle();
    let operator = town.operator();
    town.born(BORIS, "father");
    town.born(ANNA, "mother");
    let open = town.offers(&operator, 1);
    let offer = text(&open[0], "id");
    assert_eq!((text(&open[0], "channel"), text(&open[0], "notice")), ("paper", "queued"));
    let letter = try_work(&operator, &["offer", "letter", offer]).unwrap();
    let code = text(&letter, "code");
    for language in ["ru", "en"] {
        let letter = text(&letter["text"], language);
        assert!(letter.contains(code) && letter.contains(&format!("/offer/{offer}")), "{letter}");
    }
    try_work(&operator, &["offer", "settle", offer]).unwrap();
    assert_eq!(text(&town.offers(&operator, 1)[0], "notice"), "delivered");

    // Without the code nothing is seen, and the answer is the same where there is no offer.
    let wrong = "0".repeat(32);
    let other = "01a20006-66a1-7e3f-b5d0-585925c3de63";
    for refused in [town.read(offer, &wrong), town.read(other, &wrong), town.read(other, code)] {
        assert_eq!((refused.status, refused.code()), (401, "unauthorized".to_owned()));
    }
    let shown = town.read(offer, code).json();
    assert_eq!(shown["form"]["applicant"]["snils"], ANNA);
    assert_eq!((text(&shown, "status"), text(&shown, "offer")), ("open", "newborn"));
    let missing: Vec<&str> =
        shown["missing"].as_array().unwrap().iter().map(|one| text(one, "pointer")).collect();
    assert_eq!(missing, ["/applicant/given_name", "/applicant/surname", "/children"]);

    // What is wrong is named and leaves the offer open.
    let wrong = json!({"form": {"applicant": {"snils": BORIS}}});
    let refused = town.answer(offer, "acceptance", code, &wrong);
    assert_eq!((refused.status, refused.code()), (422, "invalid-form".to_owned()));
    assert_eq!(refused.json()["errors"][0]["code"], "field.prefilled");
    assert_eq!(town.read(offer, code).json()["status"], "open");

    let accepted = town.answer(offer, "acceptance", code, &added());
    assert_eq!(accepted.status, 201, "{}", String::from_utf8_lossy(&accepted.bytes));
    let accepted = accepted.json();
    let case = text(&accepted, "id");
    let ended = town.ended(case);
    assert_eq!(ended["status"], "granted", "{ended}");
    let shown = town.read(offer, code).json();
    assert_eq!((text(&shown, "status"), text(&shown, "case")), ("accepted", case));
    let again = town.answer(offer, "acceptance", code, &added()).json();
    assert_eq!((&again["id"], &again["repeated"]), (&accepted["id"], &json!(true)));
    let late = town.answer(offer, "decline", code, &json!({}));
    assert_eq!((late.status, late.code()), (409, "offer-closed".to_owned()));

    // Anybody can check all of it, and nothing personal stands in the log.
    let decision = town.node.verify_decision(case, Some((text(&accepted, "token"), "input.")));
    assert_eq!(decision["offer"], format!("offer/{offer}"), "{decision:#}");
    let leaves = town.node.get("/healthz").json()["applied"].as_u64().unwrap();
    for leaf in 0..leaves {
        let bytes = town.node.get(&format!("/api/v1/leaves/{leaf}")).bytes;
        let bytes = String::from_utf8_lossy(&bytes).into_owned();
        for value in [ANNA, BORIS, RECORD, "Соколова", code] {
            assert!(!bytes.contains(value), "leaf {leaf} has {value}");
        }
    }
}

#[test]
fn a_refusal_on_the_page_is_respected_and_a_restart_makes_nothing_twice() {
    let mut town = Town::new();
    let operator = town.operator();
    town.born(ANNA, "mother");
    let offer = text(&town.offers(&operator, 1)[0], "id").to_owned();
    let letter = try_work(&operator, &["offer", "letter", &offer]).unwrap();
    let code = text(&letter, "code");
    town.node.kill();
    town.node = town.folder.start();
    let file = fs::read_to_string(&operator).unwrap();
    let mut credentials: Value = serde_json::from_str(&file).unwrap();
    credentials["node"] = json!(town.node.address());
    fs::write(&operator, credentials.to_string()).unwrap();

    let first = town.node.get(&format!("/offer/{offer}"));
    assert_eq!(first.status, 200);
    assert!(String::from_utf8_lossy(&first.bytes).contains("name=\"code\""));
    let (status, wrong) = town.page(&offer, &[("code", "0123")]);
    assert!(status == 401 && wrong.contains("Это не код"), "{wrong}");
    let (status, shown) = town.page(&offer, &[("code", code)]);
    assert_eq!(status, 200);
    for part in [ANNA, RECORD, "пункт 2.2", "name=\"form.children\"", "Отказаться"] {
        assert!(shown.contains(part), "{part} is missing: {shown}");
    }
    let (status, incomplete) =
        town.page(&offer, &[("code", code), ("answer", "accept"), ("form.children", "many")]);
    assert_eq!(status, 422);
    assert!(incomplete.contains("value=\"many\"") && incomplete.contains("class=\"wrong\""));
    let (status, declined) = town.page(&offer, &[("code", code), ("answer", "decline")]);
    assert!(status == 200 && declined.contains("отказались"), "{declined}");

    // Another child of hers brings none; that of somebody else who comes later does.
    town.born(ANNA, "mother");
    town.born(BORIS, "mother");
    let open = town.offers(&operator, 1);
    assert_ne!(text(&open[0], "id"), offer);
    let others = text(&open[0], "id");
    let letter = try_work(&operator, &["offer", "letter", others]).unwrap();
    assert_eq!(
        town.read(others, text(&letter, "code")).json()["form"]["applicant"]["snils"],
        BORIS
    );

    // On the page she accepts hers too, and gets the number and the token of her case.
    let code = text(&letter, "code");
    let fields = [
        ("code", code),
        ("answer", "accept"),
        ("form.applicant.surname", "Боровикова"),
        ("form.applicant.given_name", "Бэлла"),
        ("form.applicant.patronymic", ""),
        ("form.children", "2"),
    ];
    let (status, accepted) = town.page(others, &fields);
    assert!(status == 201 && accepted.contains("ПР-2026-000001"), "{accepted}");
}

#[test]
fn at_the_front_desk_an_official_writes_the_answer_down() {
    let town = Town::new();
    let operator = town.operator();
    town.born(ANNA, "mother");
    let offer = text(&town.offers(&operator, 1)[0], "id").to_owned();
    let shown = try_work(&operator, &["offer", "show", &offer]).unwrap();
    assert_eq!(shown["form"]["birth_record"], RECORD);
    let form = town.place.path().join("form.json");
    fs::write(&form, added()["form"].to_string()).unwrap();
    let form = form.to_str().unwrap();
    let accept = ["offer", "accept", &offer, "--channel", "front-desk", "--form", form];
    let accepted = try_work(&operator, &accept).unwrap();
    let leaf = town.node.get(&format!("/api/v1/leaves/{}", accepted["leaf"])).json();
    let events = leaf["record"]["events"].as_array().unwrap();
    assert!(events[0]["data"]["entered"]["official"].is_string(), "{leaf}");
    assert_eq!(events.last().unwrap()["type"], "offer.accepted");

    town.born(BORIS, "mother");
    let other = text(&town.offers(&operator, 1)[0], "id").to_owned();
    let declined = try_work(&operator, &["offer", "decline", &other]).unwrap();
    let leaf = town.node.get(&format!("/api/v1/leaves/{}", declined["leaf"])).json();
    assert!(leaf["record"]["events"][0]["data"]["official"].is_string(), "{leaf}");
    let again = try_work(&operator, &["offer", "decline", &other]).unwrap_err();
    assert!(again.contains("offer-closed"), "{again}");
}

#[test]
fn a_permit_that_ends_soon_is_offered_to_whoever_holds_its_case() {
    let mut town = Town::new();
    // The same town, where a renewal is offered more than a year ahead.
    let within = ("within: {calendar_days: 30}", "within: {calendar_days: 400}");
    // The pack's own case of a day too early goes with it.
    let early = ("registered_on: 2026-11-19", "registered_on: 2025-11-01");
    town.folder.publish_changed(&town.node, 2, ("services/parking-permit", &[within, early]));

    town.entitle();
    let vehicle = json!({"plate": "А123ВС92", "owner_snils": ANNA});
    town.folder.enter(&town.node, "vehicle", &json!([vehicle]));
    let form = json!({"form": {
        "applicant": {"surname": "Соколова", "given_name": "Анна", "snils": ANNA},
        "plate": "а123вс92", "dwelling": DWELLING, "zone": "Z1", "validity_years": 1,
    }});
    let path = "/api/v1/services/parking-permit/applications";
    let accepted = town.node.post(path, form.to_string().as_bytes()).json();
    let (case, token) = (text(&accepted, "id"), text(&accepted, "token"));
    assert_eq!(town.ended(case)["status"], "granted");

    // What only the clock brings about is looked at at the start.
    town.node.kill();
    town.node = town.folder.start();
    let path = format!("/api/v1/applications/{case}/offers");
    assert_eq!(town.node.get(&path).status, 401);
    let offers = wait_for("the offer", Duration::from_secs(30), || {
        let answer = town.node.client().get_with_token(&path, token).unwrap().json();
        let offers = answer["offers"].as_array().unwrap().clone();
        (!offers.is_empty()).then_some(offers)
    });
    assert_eq!(offers.len(), 1);
    let offer = text(&offers[0], "id");
    assert_eq!((text(&offers[0], "offer"), text(&offers[0], "status")), ("renewal", "open"));
    assert_eq!(offers[0]["form"]["plate"], "А123ВС92");
    // The token of the case answers it, and the permit goes on.
    assert_eq!(town.read(offer, token).status, 200);
    let body = json!({"form": {
        "applicant": {"surname": "Соколова", "given_name": "Анна"}, "validity_years": 1
    }});
    let accepted = town.answer(offer, "acceptance", token, &body);
    assert_eq!(accepted.status, 201, "{}", String::from_utf8_lossy(&accepted.bytes));
    let accepted = accepted.json();
    let renewal = text(&accepted, "id");
    let ended = town.ended(renewal);
    assert_eq!(ended["status"], "granted", "{ended}");
    let permits = town.node.get("/api/v1/registries/parking_permit/entries").json();
    assert_eq!(permits["entries"].as_array().unwrap().len(), 1, "{permits}");
    let decision = town.node.verify_decision(renewal, None);
    assert_eq!(decision["offer"], format!("offer/{offer}"), "{decision:#}");
}
