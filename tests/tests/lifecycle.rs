//! F1, F2: a new version of the regulations comes into force once it was proposed, every remark was
//! resolved, and officials signed each stage over exactly its files; anybody checks that.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use letopis_tests::node::{NodeFolder, RunningNode, verify};
use letopis_tests::{binary, wait_for};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/packs/zarechny/versions/2";
const REGULATION: &str = "services/parking-permit/regulation.yaml";
const LIFECYCLE: &str = r#"
lifecycle:
  stages:
    - code: draft
      title: {en: Draft, ru: Проект}
      by: {unit: permits, role: executor}
      term: {working_days: 10}
      law: {en: "Resolution No 7, clause 1.1", ru: "Постановление № 7, пункт 1.1"}
    - code: approval
      title: {en: Approval, ru: Утверждение}
      by: {unit: administration, role: head}
      term: {working_days: 5}
      law: {en: "Resolution No 7, clause 1.1", ru: "Постановление № 7, пункт 1.1"}
"#;

struct Town {
    // Before the folder, so that the process ends before its files go.
    node: RunningNode,
    folder: NodeFolder,
    place: tempfile::TempDir,
}

impl Town {
    /// A node whose first version has a lifecycle.
    fn new() -> Self {
        let folder = NodeFolder::init();
        let node = folder.start();
        folder.publish_edited(&node, 1, with_lifecycle);
        Self { node, folder, place: tempfile::tempdir().unwrap() }
    }

    fn appoint(&self, post: &str) -> PathBuf {
        let file = self.place.path().join(post.replace(':', "-"));
        self.folder.appoint(&self.node, post, &file);
        file
    }

    /// The second version, with a longer term.
    fn second(&self, days: u32) -> PathBuf {
        let pack = self.folder.edited_pack(2, |pack| {
            with_lifecycle(pack);
            replace(&pack.join(REGULATION), "working_days: 6", &format!("working_days: {days}"));
        });
        let own = self.place.path().join(format!("second-{days}"));
        fs::rename(pack, &own).unwrap();
        own
    }

    fn status(&self) -> Value {
        self.node.get(PATH).json()
    }

    fn post(&self, what: &str, by: Option<&Path>, body: &Value) -> (u16, String) {
        let url = format!("{}{PATH}/{what}", self.node.address());
        let mut request = ureq::post(url)
            .config()
            .http_status_as_error(false)
            .build()
            .content_type("application/json");
        if let Some(file) = by {
            let file: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
            let text = |name: &str| file[name].as_str().unwrap().to_owned();
            request = request
                .header("authorization", format!("Bearer {}", text("token")))
                .header("letopis-official", text("official"));
        }
        let mut answer = request.send(body.to_string().as_bytes()).unwrap();
        let status = answer.status().as_u16();
        let body = answer.body_mut().read_to_string().unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    }
}

fn with_lifecycle(pack: &Path) {
    let manifest = pack.join("pack.yaml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(manifest, text + LIFECYCLE).unwrap();
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{} has no {from:?}", file.display());
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

fn pack(arguments: &[&str], acting: Option<&Path>) -> Output {
    let mut command = Command::new(binary("letopis"));
    command.arg("pack").args(arguments);
    if let Some(file) = acting {
        command.arg("--as").arg(file);
    }
    command.output().expect("letopis starts")
}

fn done(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(output: &Output, says: &str) {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && complaint.contains(says), "{complaint}");
}

#[test]
fn a_version_comes_into_force_by_proposal_remarks_and_signatures() {
    let town = Town::new();
    let (drafter, head) = (town.appoint("permits:executor"), town.appoint("administration:head"));
    let stranger = town.appoint("treasury:executor");
    let (wrong, right) = (town.second(60), town.second(7));
    let [wrong_text, right_text] = [&wrong, &right].map(|path| path.to_str().unwrap());
    refused(&town.folder.try_publish(&town.node, &right), "lifecycle-not-passed");
    assert_eq!(town.node.get(PATH).status, 404);

    refused(&pack(&["propose", wrong_text], Some(&stranger)), "rule-broken");
    let proposed = done(&pack(&["propose", wrong_text], Some(&drafter)));
    assert_eq!((&proposed["state"], &proposed["proposal"]), (&json!("open"), &json!(0)));
    let change = &proposed["changes"][0];
    assert_eq!(
        (&change["kind"], &change["place"]),
        (&json!("term"), &json!("services/parking-permit"))
    );
    assert_eq!(
        (&change["before"], &change["after"]),
        (&json!("6 working days"), &json!("60 working days"))
    );
    refused(&pack(&["propose", wrong_text], Some(&drafter)), "same-files");
    // What is proposed can be read before it is in force, and does not govern anything yet.
    for file in proposed["files"].as_array().unwrap() {
        let blob = town.node.get(&format!("/blob/{}", file["sha256"].as_str().unwrap()));
        assert_eq!(blob.status, 200, "{file}");
    }
    assert_eq!(town.node.get("/api/v1/packs").json()["packs"].as_array().unwrap().len(), 1);

    let waits = &town.node.get("/api/v1/packs").json()["proposals"][0];
    assert_eq!((&waits["state"], &waits["stage"]), (&json!("open"), &json!("draft")));

    let inbox = |file: &Path| {
        let mut work = Command::new(binary("letopis"));
        let shown = work.args(["work", "--as"]).arg(file).arg("inbox").output().unwrap();
        done(&shown)["versions"].clone()
    };
    assert_eq!(inbox(&drafter)[0]["version"], 2);
    assert_eq!(inbox(&head), json!([]), "it is not the head's turn yet");

    let remark = ["remark", "zarechny", "2", "--text", "Срок не тот", "--file", REGULATION];
    done(&pack(&remark, Some(&head)));
    refused(&pack(&["sign", wrong_text], Some(&drafter)), "remarks are open: 1");
    done(&pack(&["propose", right_text], Some(&drafter)));
    refused(&pack(&["sign", right_text], Some(&drafter)), "remarks are open: 1");
    let resolve = ["resolve", "zarechny", "2", "1", "--text", "Исправлено"];
    refused(&pack(&resolve, Some(&drafter)), "rule-broken");
    done(&pack(&resolve, Some(&head)));

    // Signed is what the official has at hand, if it is what was proposed.
    refused(&pack(&["sign", wrong_text], Some(&drafter)), "other files than proposal 2");
    done(&pack(&["sign", right_text], Some(&drafter)));
    refused(&pack(&["sign", right_text], Some(&drafter)), "rule-broken");
    refused(&town.folder.try_publish(&town.node, &right), "stage approval of proposal 2");
    assert_eq!((&inbox(&drafter), &inbox(&head)[0]["stage"]), (&json!([]), &json!("approval")));
    let signed = done(&pack(&["sign", right_text], Some(&head)));
    assert_eq!(signed["state"], "signed");
    refused(&town.folder.try_publish(&town.node, &wrong), "other files");
    let published = town.folder.try_publish(&town.node, &right);
    assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));

    let status = town.status();
    assert_eq!(status["state"], "published");
    let stages = status["stages"].as_array().unwrap();
    assert!(stages.iter().all(|stage| stage["state"] == "signed" && stage["breached"] == false));
    assert_eq!(status["remarks"][0]["resolved"], "Исправлено");
    refused(&pack(&["propose", wrong_text], Some(&drafter)), "pack-version");
    let applied = town.node.get("/healthz").json()["applied"].as_u64();
    wait_for("everything to be published", Duration::from_secs(30), || {
        (town.node.get("/healthz").json()["published"].as_u64() >= applied).then_some(())
    });
    let (code, report) = verify(&["log", town.node.address()]);
    assert_eq!(code, 0, "{report:#}");
}

#[test]
fn what_is_sent_wrong_is_answered_and_changes_nothing() {
    let town = Town::new();
    let (drafter, head) = (town.appoint("permits:executor"), town.appoint("administration:head"));
    for path in [
        "/api/v1/packs/zarechny/versions/9",
        "/api/v1/packs/zarechny/versions/1",
        "/api/v1/packs/none/versions/2",
    ] {
        assert_eq!(town.node.get(path).status, 404, "{path}");
    }
    assert_eq!(town.node.get("/api/v1/packs/zarechny/versions/two").status, 400);
    let second = town.second(7);
    let folder = second.to_str().unwrap();
    let files = json!({"files": {"pack.yaml": "bm90aGluZw=="}});
    assert_eq!(town.post("proposals", None, &files).0, 401);
    assert_eq!(
        town.post("proposals", Some(&drafter), &json!({"files": {"pack.yaml": "?"}})).0,
        400
    );
    assert_eq!(town.post("proposals", Some(&drafter), &files), (422, "pack-refused".to_owned()));
    done(&pack(&["propose", folder], Some(&drafter)));

    let nothing = json!({"proposal": 0, "text": "  "});
    let missing = json!({"proposal": 0, "text": "?", "file": "none.yaml"});
    let older = json!({"proposal": 7, "text": "?"});
    for (body, status) in [(&nothing, 422), (&missing, 422), (&older, 422), (&json!({}), 400)] {
        assert_eq!(town.post("remarks", Some(&head), body).0, status, "{body}");
    }
    assert_eq!(town.post("remarks/5/resolution", Some(&head), &json!({"text": "?"})).0, 422);
    let forged = json!({"proposal": 0, "stage": "draft", "signature": "A".repeat(86) + "=="});
    assert_eq!(town.post("signatures", Some(&drafter), &forged), (422, "rule-broken".to_owned()));
    let short = json!({"proposal": 0, "stage": "draft", "signature": "AA=="});
    assert_eq!(town.post("signatures", Some(&drafter), &short).0, 400);
    assert_eq!(town.post("signatures", None, &forged).0, 401);
    let status = town.status();
    assert_eq!((&status["remarks"], &status["stages"][0]["state"]), (&json!([]), &json!("open")));
}

/// The checklist is made of two folders, without a node.
#[test]
fn two_folders_are_compared_part_by_part() {
    let town = Town::new();
    let old = town.folder.edited_pack(3, |_| {});
    let new = town.second(7);
    let output = pack(&["compare", old.to_str().unwrap(), new.to_str().unwrap()], None);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines.contains(&"~ services/parking-permit term: 6 working days -> 7 working days"),
        "{text}"
    );
    assert!(lines.iter().any(|l| l.starts_with("+ pack.yaml lifecycle-stage approval")), "{text}");
    assert_eq!(lines.iter().filter(|line| line.contains(" file")).count(), 2, "{text}");
}
