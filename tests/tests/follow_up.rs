//! Entries that are looked at again, over HTTP (domain, services B and C): a permit is renewed
//! in its last days, a benefit is decided again by itself when an income changes.

use std::time::Duration;

use letopis_tests::node::{Answer, NodeFolder, RunningNode};
use letopis_tests::wait_for;
use serde_json::{Value, json};

const ANNA: &str = "112-233-445 95";
const DWELLING: &str = "0c5b2444-70a0-4932-980c-b4dc0d3f02b5";
const BIRTH: &str = "110259123000100123004";
const PERMITS: &str = "/api/v1/registries/parking_permit/entries";
const BENEFITS: &str = "/api/v1/registries/benefit_entitlement/entries";

struct Home {
    // Before the folder, so that the process ends before its files go.
    node: RunningNode,
    folder: NodeFolder,
}

impl Home {
    /// A node with the pack, and Anna with her home, her vehicle, her child and little income.
    fn new() -> Self {
        let folder = NodeFolder::init();
        let node = folder.start();
        folder.publish_pack(&node);
        let home = json!({"snils": ANNA, "dwelling": DWELLING, "zone": "Z1", "oktmo": "67323000"});
        let child = json!({
            "record_number": BIRTH, "parent_snils": ANNA, "child_birth_date": "2020-05-01",
        });
        for (registry, row) in [
            ("residence", home),
            ("vehicle", json!({"plate": "А123ВС92", "owner_snils": ANNA})),
            ("birth_record", child),
            ("income", json!({"snils": ANNA, "kopecks": 12_000_000})),
        ] {
            folder.enter(&node, registry, &json!([row]));
        }
        Self { node, folder }
    }

    fn post(&self, service: &str, body: &Value, token: Option<&str>) -> Answer {
        let path = format!("/api/v1/services/{service}/applications");
        self.node.try_post(&path, token, body.to_string().as_bytes()).unwrap()
    }

    fn permit(&self, plate: &str, renews: Option<&str>, token: Option<&str>) -> Answer {
        let mut body = json!({"form": {
            "applicant": {"surname": "Соколова", "given_name": "Анна", "snils": ANNA},
            "plate": plate, "dwelling": DWELLING, "zone": "Z1", "validity_years": 1,
        }});
        if let Some(renews) = renews {
            body["renews"] = json!(renews);
        }
        self.post("parking-permit", &body, token)
    }

    /// The status of a case that has ended.
    fn ended(&self, case: &str) -> Value {
        let status = self.node.get(&format!("/api/v1/applications/{case}?wait_ms=20000")).json();
        assert_ne!(status["status"], "in_progress", "{status}");
        status
    }

    fn own(&self, path: &str, token: &str) -> Value {
        let answer = self.node.client().get_with_token(path, token).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.bytes));
        answer.json()
    }

    /// What the paper of a case shows, by name.
    fn paper(&self, case: &str, token: &str) -> Value {
        let path = format!("/api/v1/applications/{case}/document?form=json&language=en");
        self.own(&path, token)["values"].clone()
    }

    /// The kinds of notices that a token shows for a case, and for reviews of what it gave.
    fn notices(&self, case: &str, token: &str) -> Vec<String> {
        let told = self.own(&format!("/api/v1/applications/{case}/notices"), token);
        let told = told["notices"].as_array().unwrap().iter();
        told.map(|notice| notice["kind"].as_str().unwrap().to_owned()).collect()
    }

    fn check(&self, case: &str) -> String {
        String::from_utf8(self.node.get(&format!("/check/{case}")).bytes).unwrap()
    }

    /// The only entry of a registry.
    fn entry(&self, registry: &str) -> Value {
        let page = self.node.get(registry).json();
        let [entry] = &page["entries"].as_array().unwrap()[..] else { panic!("{page:#}") };
        self.node.get(&format!("{registry}/{}", entry["id"].as_str().unwrap())).json()
    }

    fn earn(&self, kopecks: u32) {
        let page = self.node.get("/api/v1/registries/income/entries").json();
        let path = format!(
            "/api/v1/registries/income/entries/{}/amendments",
            page["entries"][0]["id"].as_str().unwrap()
        );
        let body = json!({
            "document_number": "2", "document_date": "2026-02-01",
            "fields": {"kopecks": kopecks},
        });
        let token = self.folder.operator_token();
        let answer = self.node.try_post(&path, Some(&token), body.to_string().as_bytes()).unwrap();
        assert!(answer.status < 300, "{}", String::from_utf8_lossy(&answer.bytes));
    }

    /// The cases about the entry that a case gave, once there are so many that have ended.
    fn follow_ups(&self, case: &str, count: usize) -> Vec<Value> {
        wait_for("the follow-up cases", Duration::from_secs(30), || {
            let status = self.node.get(&format!("/api/v1/applications/{case}")).json();
            let all = status["follow_ups"].as_array().cloned().unwrap_or_default();
            let ended = all.iter().all(|one| one["status"] != "in_progress");
            (all.len() >= count && ended).then_some(all)
        })
    }

    /// Verifies the decision of a case with the disclosures that a token shows.
    fn verify(&self, case: &str, token: &str) -> Value {
        self.ended(case);
        self.node.verify_decision(case, Some((token, "")))
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn a_permit_is_renewed_in_its_last_days_by_who_holds_it_and_papers_say_so() {
    let home = Home::new();
    let first = home.permit("А123ВС92", None, None).json();
    let (case, token) = (text(&first["id"]), text(&first["token"]));
    assert_eq!(home.ended(case)["status"], "granted");
    let permit = home.entry(PERMITS);
    let number = text(&permit["number"]);

    // A year before its end it is too early, and the answer says from when.
    let early = home.permit("А123ВС92", Some(number), Some(token));
    assert_eq!((early.status, early.code().as_str()), (422, "not-renewed"));
    let detail = early.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(text(&permit["valid_until"])) && detail.contains("from"), "{detail}");
    // Where the regulation gives more time, it is not. Who holds it may, and for this vehicle.
    let within = ("calendar_days: 30}", "calendar_days: 400}");
    // The pack's own case of a day too early goes with it.
    let early = ("registered_on: 2026-11-19", "registered_on: 2025-11-01");
    home.folder.publish_changed(&home.node, 2, ("services/parking-permit", &[within, early]));
    for (name, token, status, code) in [
        (number, None, 401, "unauthorized"),
        (number, Some("0123456789abcdef0123456789abcdef"), 401, "unauthorized"),
        ("РР-1999-000001", Some(token), 404, "not-found"),
    ] {
        let answer = home.permit("А123ВС92", Some(name), token);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{name}");
    }
    let other = home.permit("Е234КМ77", Some(number), Some(token));
    assert_eq!((other.status, other.code().as_str()), (422, "not-renewed"));

    let second = home.permit("А123ВС92", Some(number), Some(token)).json();
    let (renewal, new_token) = (text(&second["id"]), text(&second["token"]));
    let status = home.ended(renewal);
    assert_eq!(
        (&status["status"], &status["about"]["cause"]),
        (&json!("granted"), &json!("renewal"))
    );
    let renewed = home.entry(PERMITS);
    assert_eq!((&renewed["number"], &renewed["status"]), (&permit["number"], &json!("in_force")));
    assert_eq!(renewed["valid_from"], permit["valid_from"]);
    assert!(text(&renewed["valid_until"]) > text(&permit["valid_until"]), "{renewed:#}");
    assert_eq!(renewed["history"][1]["event"], "registry.entry_revised");
    assert_eq!(home.follow_ups(case, 1)[0]["id"], second["id"]);
    wait_for("the notice", Duration::from_secs(30), || {
        home.notices(renewal, new_token).contains(&"renewed".to_owned()).then_some(())
    });
    let shown = home.paper(renewal, new_token);
    assert_eq!(shown["result.number"], permit["number"], "{shown:#}");
    assert!(text(&shown["result.valid_from"]) > text(&permit["valid_until"]), "{shown:#}");
    let (page, own) = (home.check(case), home.check(renewal));
    assert!(page.contains("was renewed") && page.contains(text(&status["number"])), "{page}");
    assert!(own.contains("The document is in force") && own.contains("Renewal"), "{own}");

    assert_eq!(home.verify(renewal, new_token)["about"]["cause"], "renewal");
    home.verify(case, token);
}

#[test]
fn a_benefit_follows_the_income_until_there_is_no_right_to_it_and_nobody_acts() {
    let mut home = Home::new();
    let form = json!({"form": {
        "applicant": {"surname": "Соколова", "given_name": "Анна", "snils": ANNA},
        "birth_record": BIRTH, "children": 1,
    }});
    let first = home.post("child-benefit", &form, None).json();
    let (case, token) = (text(&first["id"]).to_owned(), text(&first["token"]).to_owned());
    assert_eq!(home.ended(&case)["status"], "granted");
    let amount = |shown: &Value| shown["entry.amount_kopecks"].as_i64().unwrap();
    let whole = amount(&home.paper(&case, &token));
    let benefit = home.entry(BENEFITS);

    // While the node is down nothing is lost: it looks again at its next start.
    home.earn(40_000_000);
    home.node.kill();
    home.node = home.folder.start();
    let reviews = home.follow_ups(&case, 1);
    let review = text(&reviews[0]["id"]);
    assert_eq!(
        (&reviews[0]["cause"], &reviews[0]["status"]),
        (&json!("review"), &json!("granted"))
    );
    // The token of the application opens the review.
    let less = home.paper(review, &token);
    assert!(amount(&less) < whole, "{less:#}");
    let revised = home.entry(BENEFITS);
    assert_eq!(revised["valid_until"], benefit["valid_until"]);
    assert_eq!(revised["history"].as_array().unwrap().len(), 2, "{revised:#}");
    assert!(home.check(&case).contains("A later decision took the place"));
    let decision = home.verify(review, &token);
    assert_eq!(decision["about"]["registry_entry"].as_str().map(|s| &s[..8]), Some("registry"));

    // An income above the minimum ends it, on a ground, by a decision that verifies.
    home.earn(900_000_000);
    let reviews = home.follow_ups(&case, 2);
    assert_eq!(reviews.len(), 2, "{reviews:?}");
    let ending = text(&reviews[1]["id"]);
    assert_eq!(reviews[1]["status"], "refused");
    let gone = home.entry(BENEFITS);
    assert_eq!(
        (&gone["status"], &gone["history"][2]["data"]["basis"]["kind"]),
        (&json!("excluded"), &json!("decision"),)
    );
    home.paper(ending, &token);
    for page in [home.check(&case), home.check(ending)] {
        assert!(page.contains("What was granted has ended"), "{page}");
    }
    assert_eq!(home.verify(ending, &token)["grounds"], json!(["G3"]));
    wait_for("the notices", Duration::from_secs(30), || {
        let told = home.notices(&case, &token);
        let of_reviews = ["review_begun", "revised", "ended"];
        of_reviews.iter().all(|kind| told.contains(&(*kind).to_owned())).then_some(())
    });
    // Who does not hold the token sees nothing of it.
    let stranger = home.node.get(&format!("/api/v1/applications/{review}/private"));
    assert_eq!(stranger.status, 401);
    let again = home.post("child-benefit", &form, None).json();
    assert_eq!(home.ended(text(&again["id"]))["status"], "refused");
}
