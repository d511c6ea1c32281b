//! A request that brings nothing is followed up to its end by people, over HTTP and `letopis work`:
//! domain §5 B, D5, K32, U18.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use letopis_ledger::Hash;
use letopis_tests::node::{NodeFolder, RunningNode};
use letopis_tests::office::{OUTLINE, complaint, shown};
use letopis_tests::{binary, wait_for};
use serde_json::{Value, json};

const ANNA: &str = "112-233-445 95";
/// A record of birth that no registry holds.
const RECORD: &str = "110259123000100123004";
const MOTIVE: &str = "Актов об опеке нет";
const LIMIT: Duration = Duration::from_secs(20);

struct Town {
    // Before the folder, so that the process ends before its files go.
    node: RunningNode,
    folder: NodeFolder,
    place: tempfile::TempDir,
}

impl Town {
    /// A node with the pack, and Anna, who lives here on little income.
    fn new() -> Self {
        let folder = NodeFolder::init();
        let node = folder.start();
        folder.publish_pack(&node);
        let home = json!({
            "snils": ANNA, "dwelling": "0c5b2444-70a0-4932-980c-b4dc0d3f02b5", "zone": "Z1",
            "oktmo": "67323000",
        });
        folder.enter(&node, "residence", &json!([home]));
        folder.enter(&node, "income", &json!([{"snils": ANNA, "kopecks": 12_000_000}]));
        Self { node, folder, place: tempfile::tempdir().unwrap() }
    }

    /// Appoints somebody; gives the official's file.
    fn appoint(&self, post: &str) -> PathBuf {
        let file = self.place.path().join(format!("{}.json", post.replace(':', "-")));
        self.folder.appoint(&self.node, post, &file);
        file
    }

    fn work(&self, who: &PathBuf, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary("letopis"));
        command.args(["work", "--as"]).arg(who).args(arguments);
        command.current_dir(self.place.path()).output().unwrap()
    }

    /// Anna applies for a child whose birth record is not hers; gives the case and its token.
    fn apply(&self) -> (String, String) {
        let body = json!({"form": {
            "applicant": {"surname": "Соколова", "given_name": "Анна", "snils": ANNA},
            "birth_record": RECORD, "children": 1,
        }});
        let path = "/api/v1/services/child-benefit/applications";
        let answer = self.node.post(path, body.to_string().as_bytes());
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.bytes));
        let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
        (text("id"), text("token"))
    }

    fn ended(&self, case: &str) -> String {
        wait_for("the end of the case", LIMIT, || {
            let status = self.node.get(&format!("/api/v1/applications/{case}?wait_ms=5000")).json();
            let status = status["status"].as_str().unwrap().to_owned();
            (status != "in_progress").then_some(status)
        })
    }

    /// The row of an open case in the one list of control.
    fn control(&self, case: &str, stage: &str) -> Value {
        let token = self.folder.operator_token();
        let path = format!("/api/v1/control/cases?stage={stage}");
        wait_for("the stage of the case", LIMIT, || {
            let found = self.node.client().get_with_token(&path, &token).unwrap().json();
            found["cases"].as_array()?.iter().find(|row| row["id"] == case).cloned()
        })
    }

    /// How many decisions there are, and how many without anybody.
    fn automatic(&self) -> (Value, Value) {
        let found = self.node.get("/api/v1/statistics/services").json();
        let services = found["services"].as_array().unwrap();
        let benefit = services.iter().find(|one| one["service"] == "child-benefit").unwrap();
        (benefit["automatic"].clone(), benefit["automatic_per_mille"].clone())
    }
}

/// Where people decide, who works on the case takes over what brings nothing; then the proposal has
/// a term of its own.
#[test]
fn whoever_proposes_finds_the_certificate_and_then_has_a_day() {
    let town = Town::new();
    let (executor, planner) = (town.appoint("permits:executor"), town.appoint("planning:executor"));
    let file = json!({
        "sha256": "ab".repeat(32), "size_bytes": 1, "media_type": "application/pdf",
    });
    let form = json!({
        "applicant": {"kind": "person", "name": "Анна Иванова", "snils": ANNA},
        "parcel": "91:02:0001001:7", "object": {"name": "Дом", "area_m2": 100},
        "geometry": OUTLINE, "project": file, "survey": file,
    });
    let body = json!({"form": form}).to_string();
    let path = "/api/v1/services/building-permit/applications";
    let case = town.node.post(path, body.as_bytes()).json()["id"].as_str().unwrap().to_owned();
    assert_eq!(shown(&town.work(&planner, &["answer", &case, "planning"])), json!({}));
    let row = town.control(&case, "official");
    assert_eq!((&row["unit"], &row["stage_due"]), (&json!("permits"), &Value::Null));
    // Whoever was asked first has had a say.
    let facts = ["number=1", "issued_on=2026-01-12", "complies=true"];
    let facts = facts.iter().flat_map(|fact| ["--fact", fact]).collect::<Vec<_>>();
    let certificate = [&["answer", &case, "planning"], &facts[..]].concat();
    let aside = shown(&town.work(&planner, &certificate));
    assert_eq!(aside, json!({"set_aside": "duplicate"}));
    // The number of a certificate is a text, whatever it looks like: the card says so.
    assert_eq!(shown(&town.work(&executor, &certificate)), json!({}));
    let card = wait_for("the stage of the proposal", LIMIT, || {
        let card = shown(&town.work(&executor, &["show", &case]));
        (!card["stage"].is_null()).then_some(card)
    });
    let stage = &card["stage"];
    assert_eq!((&stage["stage"], &stage["breached"]), (&json!("proposal"), &json!(false)));
    assert_eq!(town.control(&case, "decision")["stage_due"], stage["due"]);
    let motive = ["propose", &case, "--motive", "Права не подтверждены"];
    assert!(shown(&town.work(&executor, &motive))["proposal"].is_u64());
    wait_for("the stage of agreement", LIMIT, || {
        let card = shown(&town.work(&executor, &["show", &case]));
        (card["stage"]["stage"] == "agreement").then_some(())
    });
}

#[test]
fn an_official_closes_what_no_registry_knows_and_anybody_verifies_it() {
    let town = Town::new();
    let specialist = town.appoint("social:executor");
    let stranger = town.appoint("planning:executor");
    let (case, token) = town.apply();
    let row = town.control(&case, "official");
    assert_eq!((&row["unit"], row["official"].is_string()), (&json!("social"), true));
    let open = &row["open_requests"][0];
    assert_eq!((&open["request"], &open["breached"]), (&json!("birth"), &json!(false)));
    let inbox = shown(&town.work(&specialist, &["inbox"]));
    let asked = &inbox["requests"][0];
    assert_eq!((&asked["case"], &asked["request"]), (&json!(case), &json!("birth")));
    assert_eq!((&asked["escalated"], &asked["of"]), (&json!("no_data"), &json!("social")));
    assert_eq!(shown(&town.work(&stranger, &["inbox"]))["requests"], json!([]));
    // What is wrong is said field by field, and why nobody else may is said in words.
    let wrong = ["answer", &case, "birth", "--fact", "child_birth_date=май", "--fact", "eyes=1"];
    let wrong = complaint(&town.work(&specialist, &wrong));
    for field in ["/child_birth_date: ", "/eyes: "] {
        assert!(wrong.contains(field), "{wrong}");
    }
    let facts = ["answer", &case, "birth", "--fact", "child_birth_date=2020-05-01"];
    let refused = complaint(&town.work(&stranger, &facts));
    assert!(refused.contains("A rule forbids this [rule-broken]"), "{refused}");
    // The act on paper: its number and the digest of its scan go on record, the scan stays here.
    fs::write(town.place.path().join("act.pdf"), b"an act of guardianship").unwrap();
    let paper = ["--way", "paper", "--letter", "17-о/2026", "--scan", "act.pdf"];
    assert_eq!(shown(&town.work(&specialist, &[&facts[..], &paper[..]].concat())), json!({}));
    assert_eq!(town.ended(&case), "granted");
    let card = shown(&town.work(&specialist, &["show", &case]));
    let birth = card["requests"].as_array().unwrap().iter().find(|one| one["request"] == "birth");
    let birth = birth.unwrap();
    assert_eq!((&birth["outcome"], &birth["way"]), (&json!("answered"), &json!("paper")));
    assert_eq!(birth["escalated"]["reason"], "no_data");
    let happened: Vec<&Value> = card["history"].as_array().unwrap().iter().collect();
    let kinds: Vec<&str> = happened
        .iter()
        .filter(|one| one["data"]["request"] == "birth")
        .map(|one| one["event"].as_str().unwrap())
        .collect();
    let expected = ["request.sent", "request.answered", "request.escalated", "request.answered"];
    assert_eq!(kinds, expected);
    let scan = &happened.iter().rfind(|one| one["data"]["request"] == "birth").unwrap()["data"];
    let sha256 = Hash::of(b"an act of guardianship").to_hex();
    assert_eq!(scan["scan"]["sha256"], json!(sha256.as_str()));
    let decision = town.node.verify_decision(&case, Some((&token, "input.")));
    assert_eq!(decision["escalated"][0]["request"], "birth");
    assert_eq!(town.automatic(), (json!(0), json!(0)), "somebody took part");
}

#[test]
fn whoever_affirms_that_there_is_nothing_says_why_and_the_rules_refuse() {
    let town = Town::new();
    // Nobody holds the post yet: whoever comes first finds it in the queue of the unit.
    let (case, token) = town.apply();
    assert_eq!(town.control(&case, "official")["official"], Value::Null);
    let specialist = town.appoint("social:executor");
    let silent = complaint(&town.work(&specialist, &["answer", &case, "birth"]));
    assert!(silent.contains("the motive"), "{silent}");
    let affirmed = ["answer", &case, "birth", "--motive", MOTIVE];
    assert_eq!(shown(&town.work(&specialist, &affirmed)), json!({}));
    assert_eq!(town.ended(&case), "refused");
    let decision = town.node.verify_decision(&case, Some((&token, "input.")));
    assert_eq!(decision["grounds"], json!(["G6"]));
    // The applicant reads why, and nobody else does.
    let path = format!("/api/v1/applications/{case}/private");
    let own = town.node.client().get_with_token(&path, &token).unwrap().json();
    let fields = own["fields"].as_array().unwrap();
    let motive = fields.iter().find(|field| field["name"] == "motive.birth").unwrap();
    assert_eq!(motive["value"], MOTIVE);
    let mut leaves = (0..).map(|leaf| town.node.get(&format!("/api/v1/leaves/{leaf}")));
    let read = leaves.by_ref().take_while(|answer| answer.status == 200);
    let clear = read.map(|answer| String::from_utf8_lossy(&answer.bytes).contains("опеке"));
    let clear: Vec<bool> = clear.collect();
    assert!(clear.len() > 5 && !clear.contains(&true), "what people write is in no leaf");
    // Whoever reads only the beginning ends the program, and it does not complain.
    let mut command = Command::new(binary("letopis"));
    command.args(["work", "--as"]).arg(&specialist).args(["show", &case]);
    let mut cut = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(cut.stdout.take());
    let cut = cut.wait_with_output().unwrap();
    assert!(cut.status.success() && cut.stderr.is_empty(), "{cut:?}");
}
