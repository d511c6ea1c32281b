//! U2, U7, U21, D1, K2: one application by every channel is one payload; what came on paper days
//! ago is registered as of then; what is not taken is on record with grounds, token and notice.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use letopis_ledger::Hash;
use letopis_tests::node::{NodeFolder, RunningNode};
use letopis_tests::office::{OUTLINE, complaint, shown};
use letopis_tests::{binary, wait_for};
use serde_json::{Value, json};

/// The outline of what is built.
const LIMIT: Duration = Duration::from_secs(20);
const PERMIT: &str = "building-permit";

struct Desk {
    // Before the folder, so that the process ends before its files go.
    node: RunningNode,
    folder: NodeFolder,
    place: tempfile::TempDir,
}

impl Desk {
    /// A node with the pack, a scan and the form of a permit as files.
    fn new() -> Self {
        let folder = NodeFolder::init();
        let node = folder.start();
        folder.publish_pack(&node);
        let desk = Self { node, folder, place: tempfile::tempdir().unwrap() };
        fs::write(desk.file("scan.png"), b"a scan").unwrap();
        fs::write(desk.file("form.json"), form().to_string()).unwrap();
        desk
    }

    fn file(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Appoints somebody; gives the official's file.
    fn appoint(&self, post: &str) -> PathBuf {
        let file = self.file(&format!("{}.json", post.replace(':', "-")));
        self.folder.appoint(&self.node, post, &file);
        file
    }

    fn work(&self, who: &PathBuf, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary("letopis"));
        command.args(["work", "--as"]).arg(who).args(arguments);
        command.current_dir(self.place.path()).output().unwrap()
    }

    fn submit(&self, channel: &str, form: &Value) -> Value {
        let body = json!({"channel": channel, "form": form}).to_string();
        let path = format!("/api/v1/services/{PERMIT}/applications");
        let answer = self.node.post(&path, body.as_bytes());
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.bytes));
        answer.json()
    }

    /// The first event of the case, as its leaf has it.
    fn submission(&self, accepted: &Value) -> Value {
        let leaf = self.node.get(&format!("/api/v1/leaves/{}", accepted["leaf"])).json();
        leaf["record"]["events"][0]["data"].clone()
    }

    fn status(&self, case: &str) -> Value {
        self.node.get(&format!("/api/v1/applications/{case}?wait_ms=5000")).json()
    }

    /// What the applicant was told last, when it was delivered or waits to be.
    fn notice(&self, accepted: &Value, kind: &str) -> Value {
        let path = format!("/api/v1/applications/{}/notices", text(accepted, "id"));
        wait_for("a notice", LIMIT, || {
            let found = self.node.client().get_with_token(&path, text(accepted, "token")).ok()?;
            let found = found.json();
            let found = found["notices"].as_array()?.iter().find(|one| one["kind"] == kind)?;
            (found["state"] != "due").then(|| found.clone())
        })
    }
}

fn form() -> Value {
    let file = json!({
        "sha256": "ab".repeat(32), "size_bytes": 1, "media_type": "application/pdf",
    });
    json!({
        "applicant": { "kind": "person", "name": "Анна Иванова", "snils": "112-233-445 95" },
        "parcel": "91:02:0001001:7", "object": { "name": "Дом", "area_m2": 100 },
        "geometry": OUTLINE, "project": file, "survey": file,
    })
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}"))
}

/// U2, U7, K2: only the channel, and who entered a paper, differ.
#[test]
fn u2_one_application_by_three_channels_is_one_payload() {
    let desk = Desk::new();
    let operator = desk.appoint("permits:operator");
    let mut spelled = form();
    spelled["applicant"]["snils"] = json!("11223344595");
    let portal = desk.submit("portal", &form());
    let front_desk = desk.submit("front-desk", &spelled);
    let enter = ["enter", PERMIT, "--form", "form.json", "--scan", "scan.png"];
    let paper = shown(&desk.work(&operator, &enter));
    for accepted in [&portal, &front_desk, &paper] {
        assert_eq!(text(accepted, "status"), "registered");
        assert_eq!(text(accepted, "payload_sha256"), text(&portal, "payload_sha256"));
    }
    let other = desk.submit("portal", &{
        let mut form = form();
        form["object"]["area_m2"] = json!(101);
        form
    });
    assert_ne!(text(&other, "payload_sha256"), text(&portal, "payload_sha256"));
    let mut events = [&portal, &front_desk, &paper].map(|accepted| desk.submission(accepted));
    let taken = events.each_mut().map(|event| {
        let data = event.as_object_mut().unwrap();
        (data.remove("channel").unwrap(), data.remove("entered"))
    });
    assert!(events.iter().all(|event| *event == events[0]), "{events:#?}");
    let channels = taken.each_ref().map(|(channel, _)| channel.as_str().unwrap());
    assert_eq!(channels, ["portal", "front-desk", "paper"]);
    let entered = taken[2].1.as_ref().unwrap();
    assert_eq!(entered["scan"]["sha256"], Hash::of(b"a scan").to_hex());
    assert!(taken[0].1.is_none() && taken[1].1.is_none());
}

/// Hard case 13: the term runs from the day on which the paper came; what is late then is late.
#[test]
fn hard_case_13_a_paper_entered_weeks_late_is_overdue_by_the_day_on_which_it_came() {
    let desk = Desk::new();
    let operator = desk.appoint("permits:operator");
    let came = letopis_ledger::Timestamp::from_unix_ms(now_ms() - 40 * 86_400_000).unwrap();
    let came = came.to_string();
    let enter = ["enter", PERMIT, "--form", "form.json", "--scan", "scan.png", "--came-at", &came];
    let accepted = shown(&desk.work(&operator, &enter));
    assert_eq!(text(&accepted, "registered_at"), came);
    assert!(text(&accepted, "due") < text(&accepted, "time"), "{accepted}");
    // The breach is on record, counted from then; the entry's own time stands beside it.
    let told = desk.notice(&accepted, "term_broken");
    assert_eq!(told["kind"], "term_broken");
    let tomorrow = letopis_ledger::Timestamp::from_unix_ms(now_ms() + 86_400_000).unwrap();
    let future = tomorrow.to_string();
    let early =
        ["enter", PERMIT, "--form", "form.json", "--scan", "scan.png", "--came-at", &future];
    assert!(complaint(&desk.work(&operator, &early)).contains("rule-broken"));
}

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// U7: nobody but an official enters paper; who may not do it is refused by name.
#[test]
fn u7_paper_is_for_officials_who_enter() {
    let desk = Desk::new();
    let lawyer = desk.appoint("legal:lawyer");
    let operator = desk.appoint("permits:operator");
    let body = json!({"channel": "paper", "form": form()}).to_string();
    let path = format!("/api/v1/services/{PERMIT}/applications");
    let answer = desk.node.post(&path, body.as_bytes());
    assert_eq!((answer.status, answer.code()), (422, "rule-broken".to_owned()));
    let enter = ["enter", PERMIT, "--form", "form.json", "--scan", "scan.png"];
    assert!(complaint(&desk.work(&lawyer, &enter)).contains("does not hold a post"));
    let bare = ["enter", PERMIT, "--form", "form.json"];
    assert!(complaint(&desk.work(&operator, &bare)).contains("scan"));
    let path = format!("/api/v1/services/{PERMIT}/entries");
    assert_eq!(desk.node.post(&path, body.as_bytes()).status, 401);
    let phone = ["enter", PERMIT, "--form", "form.json", "--channel", "phone"];
    assert!(complaint(&desk.work(&operator, &phone)).contains("channel-draft-only"));
}

/// What the program does not take is on record: grounds, evidence, number, token, notice.
#[test]
fn an_application_that_the_program_does_not_take_is_on_record_with_its_token() {
    let desk = Desk::new();
    let mut unreadable = form();
    unreadable["project"]["media_type"] = json!("text/plain");
    let accepted = desk.submit("portal", &unreadable);
    assert_eq!(text(&accepted, "status"), "not_taken");
    assert!(text(&accepted, "number").starts_with("РС-ОТ-"), "{accepted}");
    assert_eq!(accepted["grounds"][0]["code"], "I1");
    assert_eq!(accepted["grounds"][0]["evidence"], json!([{"form": "project.media_type"}]));
    assert!(!text(&accepted["grounds"][0]["law"], "ru").is_empty());
    assert!(accepted.get("due").is_none());
    let status = desk.status(text(&accepted, "id"));
    assert_eq!((text(&status, "status"), &status["grounds"]), ("not_taken", &accepted["grounds"]));
    assert_eq!(desk.notice(&accepted, "not_taken")["state"], "delivered");
    let own = format!("/api/v1/applications/{}/private", text(&accepted, "id"));
    let own = desk.node.client().get_with_token(&own, text(&accepted, "token")).unwrap();
    assert!(own.json()["fields"].as_array().unwrap().len() > 1);
    // The next one has the next number, and cases keep theirs without a gap.
    let next = desk.submit("portal", &unreadable);
    assert!(text(&next, "number").ends_with("-000002"), "{next}");
    assert!(text(&desk.submit("portal", &form()), "number").ends_with("-000001"));
}

/// An official refuses intake on entering a paper, also one that is filled in by half.
#[test]
fn an_official_refuses_a_paper_on_grounds_of_the_list_with_evidence() {
    let desk = Desk::new();
    let operator = desk.appoint("permits:operator");
    let mut half = form();
    half.as_object_mut().unwrap().remove("parcel");
    fs::write(desk.file("form.json"), half.to_string()).unwrap();
    let enter = ["enter", PERMIT, "--form", "form.json", "--scan", "scan.png"];
    assert!(complaint(&desk.work(&operator, &enter)).contains("invalid-form"));
    let refuse = |ground: &str| {
        let why = ["--ground", ground, "--motive", "Лист с подписью не читается"];
        desk.work(&operator, &[&enter[..], &why].concat())
    };
    assert!(complaint(&refuse("G1=file:scan.png")).contains("closed list"));
    assert!(complaint(&refuse("I2=form:nothing")).contains("has no field"));
    let accepted = shown(&refuse("I2=file:scan.png"));
    assert_eq!(text(&accepted, "status"), "not_taken");
    let evidence = json!([{"file": Hash::of(b"a scan").to_hex()}]);
    assert_eq!(accepted["grounds"][0]["evidence"], evidence);
    // The reasons in words are the applicant's: no leaf has them in clear.
    let own = format!("/api/v1/applications/{}/private", text(&accepted, "id"));
    let own = desk.node.client().get_with_token(&own, text(&accepted, "token")).unwrap().json();
    let own = own["fields"].as_array().unwrap().clone();
    assert!(own.iter().any(|field| field["name"] == "motive"), "{own:?}");
    let leaf = desk.node.get(&format!("/api/v1/leaves/{}", accepted["leaf"])).bytes;
    assert!(!String::from_utf8(leaf).unwrap().contains("не читается"));
    assert_eq!(desk.notice(&accepted, "not_taken")["kind"], "not_taken");
}

/// I2 of the building permit: no program sees a false signature; the executor finds it in time.
#[test]
fn the_executor_does_not_take_what_is_registered_within_the_check() {
    let desk = Desk::new();
    let executor = desk.appoint("permits:executor");
    let operator = desk.appoint("permits:operator");
    let accepted = desk.submit("portal", &form());
    let case = text(&accepted, "id");
    let refuse = |who: &PathBuf| {
        let ground = ["--ground", "I2=form:project.sha256", "--motive", "Подпись не сошлась"];
        desk.work(who, &[&["refuse", case][..], &ground].concat())
    };
    assert!(complaint(&refuse(&operator)).contains("does not hold a post"));
    shown(&refuse(&executor));
    let ended = wait_for("the end", LIMIT, || {
        let status = desk.status(case);
        (status["status"] != "in_progress").then_some(status)
    });
    assert_eq!(text(&ended, "status"), "not_taken");
    assert_eq!(text(&ended, "number"), text(&accepted, "number"));
    assert_eq!(ended["grounds"][0]["code"], "I2");
    assert_eq!(desk.notice(&accepted, "not_taken")["state"], "delivered");
    assert!(complaint(&refuse(&executor)).contains("has ended"));
}
