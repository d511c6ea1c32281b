//! U28, K3, K22: system registries are computed from the log, as of any leaf or instant, the same
//! on every node that folds the same leaves; nobody writes them.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use letopis_ledger::checkpoint::Origin;
use letopis_ledger::id::{AgencyId, EventType, RecordId, StreamName};
use letopis_ledger::json::{Json, Object};
use letopis_ledger::record::{Event, Record};
use letopis_ledger::{Hash, StreamVersion};
use letopis_tests::node::{AGENCY, NodeFolder, ORIGIN, RunningNode, signed};
use letopis_tests::{binary, wait_for, workspace};
use serde_json::{Value, json};

const SYSTEM: [&str; 4] = ["classifiers", "provided_services", "request_kinds", "services"];

struct Town {
    // Before the folder, so that the process ends before its files go.
    node: RunningNode,
    folder: NodeFolder,
}

impl Town {
    fn new() -> Self {
        let folder = NodeFolder::init();
        let node = folder.start();
        folder.publish_pack(&node);
        Self { node, folder }
    }

    /// A parking permit that is decided; gives the case.
    fn decide(&self) -> String {
        let form = json!({
            "applicant": { "surname": "Соколова", "given_name": "Анна", "snils": "112-233-445 95" },
            "plate": "А123ВС92", "dwelling": "0c5b2444-70a0-4932-980c-b4dc0d3f02b5", "zone": "Z1",
            "validity_years": 2,
        });
        let path = "/api/v1/services/parking-permit/applications";
        let accepted = self.node.post(path, json!({"form": form}).to_string().as_bytes()).json();
        let case = accepted["id"].as_str().unwrap().to_owned();
        let status = self.node.get(&format!("/api/v1/applications/{case}?wait_ms=20000")).json();
        assert_eq!(status["status"], "refused", "{status}");
        case
    }

    fn entries(&self, registry: &str, query: &str) -> Vec<Value> {
        let path = format!("/api/v1/registries/{registry}/entries?limit=200{query}");
        self.node.get(&path).json()["entries"].as_array().unwrap().clone()
    }

    fn digest(&self, registry: &str, query: &str) -> Value {
        let answer = self.node.get(&format!("/api/v1/registries/{registry}/digest{query}"));
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
        answer.json()
    }

    fn applied(&self) -> u64 {
        self.node.get("/healthz").json()["applied"].as_u64().unwrap()
    }
}

/// The digest as the interface describes it, computed from what it serves.
fn recomputed(entries: &[Value]) -> String {
    let mut text = String::new();
    for entry in entries {
        let row = json!({
            "created_at": entry["created_at"], "fields": entry["fields"], "id": entry["id"],
            "in_force": entry["status"] == "in_force", "leaf": entry["leaf"],
        });
        text += &Json::from_value(&row).unwrap().to_string();
        text.push('\n');
    }
    Hash::of(text.as_bytes()).to_hex()
}

/// The codes that the files of the shipped pack define, told from the folder alone.
fn folder_codes(kind: &str) -> BTreeSet<String> {
    let folder = workspace().join("deploy/packs/zarechny").join(kind);
    let name = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        name.strip_suffix(".yaml").map_or(name.clone(), str::to_owned)
    };
    fs::read_dir(folder).unwrap().map(|entry| name(entry.unwrap())).collect()
}

#[test]
fn u28_k22_the_registers_say_what_packs_and_decisions_in_the_log_say() {
    let town = Town::new();
    let before = town.applied();
    let case = town.decide();
    let listed = town.node.get("/api/v1/registries").json();
    let listed: BTreeSet<&str> = listed["registries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|registry| registry["kind"] == "system")
        .map(|registry| registry["code"].as_str().unwrap())
        .collect();
    assert_eq!(listed, BTreeSet::from(SYSTEM));
    for (registry, kind) in
        [("services", "services"), ("request_kinds", "requests"), ("classifiers", "classifiers")]
    {
        let entries = town.entries(registry, "");
        let codes: BTreeSet<String> = entries
            .iter()
            .map(|entry| entry["fields"]["code"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(codes, folder_codes(kind), "{registry}");
        assert!(entries.iter().all(|entry| entry["status"] == "in_force"));
    }
    let provided = town.entries("provided_services", "");
    assert_eq!(provided.len(), 1);
    assert_eq!(provided[0]["id"], json!(case));
    assert_eq!(provided[0]["fields"]["outcome"], "refused");
    let decision = town.node.get(&format!("/api/v1/decisions/{case}")).json();
    assert_eq!(provided[0]["leaf"], decision["leaf"]);
    // As of an earlier leaf, and of an earlier instant, it was not provided yet.
    assert!(town.entries("provided_services", &format!("&as_of={before}")).is_empty());
    assert_eq!(town.entries("services", "&as_of=0"), Vec::<Value>::new());
    let published = town.entries("services", "")[0]["created_at"].as_str().unwrap().to_owned();
    assert!(town.entries("provided_services", &format!("&at={published}")).is_empty());
    assert_eq!(town.entries("services", &format!("&at={published}")).len(), 3);
    for (query, registry) in
        [("?as_of=999999", "services"), ("?at=2999-01-01T00:00:00.000Z", "services")]
    {
        let answer = town.node.get(&format!("/api/v1/registries/{registry}/digest{query}"));
        assert_eq!(answer.status, 400, "{query}");
    }
    // The row leads to its leaf with a proof, as any entry does.
    let row = format!("/api/v1/registries/provided_services/entries/{case}");
    assert_eq!(town.node.get(&row).json()["fields"], provided[0]["fields"]);
    wait_for("the proof", Duration::from_secs(20), || {
        (town.node.get(&format!("{row}/proof")).status == 200).then_some(())
    });
}

/// K22: the newest version stands in the register; what it leaves out is no longer in force.
#[test]
fn k22_a_new_version_and_what_it_leaves_out_are_seen_as_of_each_leaf() {
    let town = Town::new();
    let before = town.applied();
    let place = tempfile::tempdir().unwrap();
    let pack = place.path().join("pack");
    let shipped = workspace().join("deploy/packs/zarechny");
    assert!(Command::new("cp").arg("-r").args([&shipped, &pack]).status().unwrap().success());
    let manifest = fs::read_to_string(pack.join("pack.yaml")).unwrap();
    let manifest = manifest.replace("version: 1", "version: 2");
    let dropped = [
        "building-permit",
        "planning_certificate",
        "heritage_check",
        "heritage_opinion",
        "missing_file",
    ];
    let is_dropped = |line: &&str| dropped.iter().any(|code| line.trim() == format!("- {code}"));
    let kept = manifest.lines().filter(|line| !is_dropped(line) && *line != "requests:");
    fs::write(pack.join("pack.yaml"), kept.collect::<Vec<_>>().join("\n") + "\n").unwrap();
    fs::remove_dir_all(pack.join("services/building-permit")).unwrap();
    fs::remove_dir_all(pack.join("requests")).unwrap();
    let published = Command::new(binary("letopis"))
        .args(["pack", "publish", "--node", town.node.address(), "--folder"])
        .args([&town.folder.path(), &pack])
        .output()
        .unwrap();
    assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
    let of = |entries: Vec<Value>, code: &str| {
        entries.into_iter().find(|entry| entry["fields"]["code"] == code).unwrap()
    };
    let parking = of(town.entries("services", ""), "parking-permit");
    assert_eq!(
        (&parking["fields"]["version"], &parking["status"]),
        (&json!(2), &json!("in_force"))
    );
    let permit = of(town.entries("services", ""), "building-permit");
    assert_eq!((&permit["fields"]["version"], &permit["status"]), (&json!(1), &json!("excluded")));
    let then = of(town.entries("services", &format!("&as_of={before}")), "building-permit");
    assert_eq!(then["status"], "in_force");
}

/// U28: the same leaves give the same registers, also after a rebuild of every table.
#[test]
fn u28_the_digest_follows_from_what_is_served_and_stays_after_a_rebuild() {
    let mut town = Town::new();
    town.decide();
    let size = town.applied();
    let as_of = format!("?as_of={size}");
    let digests =
        |town: &Town| SYSTEM.map(|registry| town.digest(registry, &as_of)["sha256"].clone());
    let before = digests(&town);
    for (registry, digest) in SYSTEM.iter().zip(&before) {
        let entries = town.entries(registry, &format!("&as_of={size}"));
        assert!(!entries.is_empty(), "{registry}");
        assert_eq!(digest, &json!(recomputed(&entries)), "{registry}");
    }
    town.node.kill();
    // The tables are only ever a fold; without them the node folds again from leaf 0.
    fs::remove_dir_all(town.folder.path().join("read")).unwrap();
    town.node = town.folder.start();
    wait_for("the tables", Duration::from_secs(20), || (town.applied() >= size).then_some(()));
    assert_eq!(digests(&town), before);
}

/// U28: neither the keeper nor a pack nor a record of the agency's own key writes them.
#[test]
fn u28_every_attempt_to_write_a_system_registry_is_refused_or_changes_nothing() {
    let town = Town::new();
    town.decide();
    let digests = || SYSTEM.map(|registry| town.digest(registry, "")["sha256"].clone());
    let before = digests();
    let body = json!({
        "document_number": "1", "document_date": "2026-01-12", "rows": [{ "code": "mine" }],
    });
    let token = town.folder.operator_token();
    for registry in SYSTEM {
        let path = format!("/api/v1/registries/{registry}/entries");
        let answer = town.node.try_post(&path, Some(&token), body.to_string().as_bytes()).unwrap();
        assert_eq!((answer.status, answer.code()), (422, "system-registry".to_owned()));
    }
    // The log takes any record of an admitted agency; the register does not count it.
    let stream = "registry/services/01923456-789a-7808-8808-080808080808";
    let data = Object::new()
        .with("registry", "services")
        .with("fields", Object::new().with("code", "mine"))
        .with(
            "basis",
            Object::new().with("kind", "document").with("number", "1").with("date", "2026-01-12"),
        );
    let event = Event {
        stream: StreamName::parse(stream).unwrap(),
        version: StreamVersion::ZERO,
        event_type: EventType::parse("registry.entry_created").unwrap(),
        schema: 1,
        data,
        private: vec![],
    };
    let id = RecordId::from_parts(1_700_000_000_000, &[1; 10]);
    let agency = AgencyId::parse(AGENCY).unwrap();
    let forged = Record::new(Origin::new(ORIGIN).unwrap(), id, agency, vec![event], vec![]);
    let forged = signed(forged.unwrap(), &town.folder.signer(AGENCY));
    let answer = town.node.post("/api/v1/records", &forged.to_bytes());
    assert!(answer.status < 300, "{}", String::from_utf8_lossy(&answer.bytes));
    assert_eq!(digests(), before);
    // No pack defines a registry of these codes, or one of the kind.
    let place = tempfile::tempdir().unwrap();
    let pack = place.path().join("pack");
    let new = ["pack", "new", pack.to_str().unwrap(), "--code", "my-pack", "--agency", AGENCY];
    assert!(Command::new(binary("letopis")).args(new).status().unwrap().success());
    let registry = fs::read_dir(pack.join("registries")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&registry).unwrap();
    for kind in ["kind: manual", "kind: automatic"].iter().filter(|kind| text.contains(**kind)) {
        fs::write(&registry, text.replace(kind, "kind: system")).unwrap();
        let check = Command::new(binary("letopis")).args(["pack", "check"]).arg(&pack).output();
        let check = check.unwrap();
        assert!(!check.status.success());
        let said = format!("{check:?}");
        assert!(said.contains("system registries are computed from the log"), "{said}");
    }
}
