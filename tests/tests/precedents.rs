//! U24, U25: precedents are found by public facts, outcome and ground, name nobody, and each leads
//! to its leaf; what is found is what a recount of all leaves by other code finds.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use letopis_tests::binary;
use letopis_tests::node::{NodeFolder, RunningNode};
use letopis_tests::wait_for;
use serde_json::{Value, json};

const PEOPLE: [(&str, &str, &str); 4] = [
    ("112-233-445 95", "А123ВС92", "Z1"),
    ("112-233-445 95", "Е234КМ92", "Z1"),
    ("087-654-303 00", "Н345ОР92", "Z1"),
    ("087-654-303 00", "С456ТУ92", "Z2"),
];

/// Outcome, grounds, zone and leaf of a decision.
type Recounted = (String, Vec<String>, String, u64);

struct Town {
    // Before the folder, so that the process ends before its files go.
    node: RunningNode,
    folder: NodeFolder,
}

impl Town {
    /// Anna lives in zone Z1 and owns her cars; nobody knows of Boris. Each case is decided.
    fn new() -> Self {
        let folder = NodeFolder::init();
        let node = folder.start();
        folder.publish_pack(&node);
        let town = Self { node, folder };
        let (anna, home) = (PEOPLE[0].0, dwelling(PEOPLE[0].0));
        let cars = PEOPLE[..2]
            .iter()
            .map(|(owner, plate, _)| json!({ "plate": plate, "owner_snils": owner }));
        town.enter("vehicle", &cars.collect());
        town.enter("residence", &json!([{ "snils": anna, "dwelling": home, "zone": "Z1" }]));
        for (snils, plate, zone) in PEOPLE {
            let form = json!({
                "applicant": { "surname": "Тайнова", "given_name": "Анна", "snils": snils },
                "plate": plate, "dwelling": dwelling(snils), "zone": zone, "validity_years": 2,
            });
            let path = "/api/v1/services/parking-permit/applications";
            let accepted = town.node.post(path, json!({ "form": form }).to_string().as_bytes());
            let case = accepted.json()["id"].as_str().unwrap().to_owned();
            let status = format!("/api/v1/applications/{case}?wait_ms=20000");
            assert_ne!(town.node.get(&status).json()["status"], "in_progress");
        }
        town
    }

    fn enter(&self, registry: &str, rows: &Value) {
        self.folder.enter(&self.node, registry, rows);
    }

    fn find(&self, query: &[(&str, &str)]) -> Value {
        let encode = |text: &str| {
            let byte = |b: u8| match b {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
                    char::from(b).to_string()
                }
                other => format!("%{other:02X}"),
            };
            text.bytes().map(byte).collect::<String>()
        };
        let pairs: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let path = format!("/api/v1/services/parking-permit/precedents?{}", pairs.join("&"));
        let answer = self.node.get(&path);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
        answer.json()
    }

    /// The leaves of the decisions that are found, the newest first.
    fn found(&self, query: &[(&str, &str)]) -> Vec<u64> {
        leaves(&self.find(query))
    }

    /// Every decision, the newest first, told from the leaves alone.
    fn recount(&self) -> Vec<Recounted> {
        let size = self.node.get("/healthz").json()["applied"].as_u64().unwrap();
        let mut zones = BTreeMap::new();
        let mut decisions = Vec::new();
        for index in 0..size {
            let leaf = self.node.get(&format!("/api/v1/leaves/{index}")).json();
            for event in leaf["record"]["events"].as_array().into_iter().flatten() {
                let (stream, data) = (event["stream"].to_string(), &event["data"]);
                if event["type"] == "application.submitted" {
                    zones.insert(stream, data["form"]["zone"].as_str().unwrap().to_owned());
                } else if event["type"] == "application.decided" {
                    let grounds = data["grounds"].as_array().unwrap().iter();
                    let grounds = grounds.map(|g| g["code"].as_str().unwrap().to_owned());
                    let outcome = data["outcome"].as_str().unwrap().to_owned();
                    let zone = zones[&stream].clone();
                    decisions.push((outcome, grounds.collect(), zone, index));
                }
            }
        }
        decisions.reverse();
        decisions
    }
}

fn dwelling(snils: &str) -> String {
    format!("0c5b2444-70a0-4932-980c-b4dc0d3f{}", &snils.replace(['-', ' '], "")[..4])
}

fn leaves(page: &Value) -> Vec<u64> {
    let precedents = page["precedents"].as_array().unwrap();
    precedents.iter().map(|one| one["leaf"].as_u64().unwrap()).collect()
}

#[test]
fn u24_precedents_are_what_a_recount_of_the_leaves_finds() {
    let town = Town::new();
    let decisions = town.recount();
    assert_eq!(decisions.len(), PEOPLE.len());
    let recounted = |holds: &dyn Fn(&Recounted) -> bool| {
        decisions.iter().filter(|one| holds(one)).map(|one| one.3).collect::<Vec<_>>()
    };
    let granted = recounted(&|one| one.0 == "granted");
    assert_eq!(granted.len(), 2);
    assert_eq!(town.found(&[]), recounted(&|_| true));
    assert_eq!(town.found(&[("outcome", "granted")]), granted);
    let ground = decisions.iter().find_map(|one| one.1.first()).unwrap().clone();
    let refused = recounted(&|one| one.1.contains(&ground));
    assert_eq!(town.found(&[("ground", ground.as_str())]), refused);
    let in_zone = recounted(&|one| one.2 == "Z1");
    assert_eq!(in_zone.len(), 3);
    assert_eq!(town.found(&[("facts", r#"{"form.zone":"Z1"}"#)]), in_zone);
    let both = [("facts", r#"{"form.zone":"Z1"}"#), ("outcome", "refused")];
    assert_eq!(town.found(&both), recounted(&|one| one.2 == "Z1" && one.0 == "refused"));
    // A number is not the text of it.
    assert_eq!(town.found(&[("facts", r#"{"form.validity_years":2}"#)]), recounted(&|_| true));
    assert!(town.found(&[("facts", r#"{"form.validity_years":"2"}"#)]).is_empty());
    // Page by page: nothing twice, nothing left out.
    let (mut paged, mut after) = (Vec::new(), None::<String>);
    loop {
        let mut query = vec![("limit", "1")];
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page = town.find(&query);
        paged.extend(leaves(&page));
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(paged, recounted(&|_| true));
}

#[test]
fn u24_a_precedent_names_nobody_and_leads_to_its_leaf() {
    let town = Town::new();
    let page = town.find(&[("outcome", "refused")]);
    let text = page.to_string();
    for private in ["Тайнова", "112-233-445", "087-654-303", "ВС92", "0c5b2444"] {
        assert!(!text.contains(private), "{private}: {text}");
    }
    let one = &page["precedents"][0];
    assert!(!one["grounds"][0]["law"]["ru"].as_str().unwrap().is_empty(), "{one}");
    let decision = town.node.get(one["decision"].as_str().unwrap()).json();
    assert_eq!((&decision["leaf"], &decision["outcome"]), (&one["leaf"], &one["outcome"]));
    wait_for("the proof", Duration::from_secs(20), || {
        (town.node.get(one["proof"].as_str().unwrap()).status == 200).then_some(())
    });
    // The public inputs of the decision are facts as well, and are looked for as such.
    let facts = one["facts"].as_object().unwrap();
    let (name, value) = facts.iter().find(|(name, _)| name.starts_with("input.")).unwrap();
    let sought = json!({ name: value }).to_string();
    let found = town.find(&[("facts", sought.as_str())]);
    assert!(leaves(&found).contains(&one["leaf"].as_u64().unwrap()));
    for other in found["precedents"].as_array().unwrap() {
        assert_eq!(&other["facts"][name], value);
    }
}

#[test]
fn an_official_looks_up_precedents_and_wrong_questions_are_refused() {
    let town = Town::new();
    for query in ["facts=[]", "facts=%7B%22zone%22:1%7D", "outcome=maybe", "limit=0", "after=x"] {
        let answer = town.node.get(&format!("/api/v1/services/parking-permit/precedents?{query}"));
        assert_eq!((answer.status, answer.code()), (400, "bad-request".to_owned()), "{query}");
    }
    assert_eq!(town.node.get("/api/v1/services/nothing/precedents").status, 404);
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("executor.json");
    town.folder.appoint(&town.node, "permits:executor", &file);
    let found = Command::new(binary("letopis"))
        .args(["work", "--as"])
        .arg(&file)
        .args(["precedents", "parking-permit", "--fact", "form.zone=Z2"])
        .output()
        .unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(leaves(&found).len(), 1);
}
