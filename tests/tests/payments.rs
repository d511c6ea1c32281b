//! Domain (service B, payments) over HTTP: who sees which payments, and what is answered where none
//! is due. That months become due on their day is shown where the clock can be set, with the engine
//! (`registry/src/engine/test/payments.rs`).

use std::path::PathBuf;
use std::time::Duration;

use letopis_tests::node::{NodeFolder, RunningNode};
use letopis_tests::office::try_work;
use letopis_tests::wait_for;
use serde_json::json;

const ANNA: &str = "112-233-445 95";
const DWELLING: &str = "0c5b2444-70a0-4932-980c-b4dc0d3f02b5";
const RECORD: &str = "110259123000100123004";
const ACCOUNT: &str = "40817810099910004312";

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

    fn appoint(&self, post: &str) -> PathBuf {
        let file = self.place.path().join(post.replace(':', "-"));
        self.folder.appoint(&self.node, post, &file);
        file
    }

    /// A benefit of Anna's, granted today: the case's id and token.
    fn benefit(&self) -> (String, String) {
        let rows = [
            (
                "birth_record",
                json!({"record_number": RECORD, "parent_snils": ANNA,
                                    "child_birth_date": "2026-11-01"}),
            ),
            (
                "residence",
                json!({"snils": ANNA, "dwelling": DWELLING, "zone": "Z1",
                                 "oktmo": "67323000"}),
            ),
            ("income", json!({"snils": ANNA, "kopecks": 36_000_000})),
        ];
        for (registry, row) in rows {
            self.folder.enter(&self.node, registry, &json!([row]));
        }
        let form = json!({"form": {
            "applicant": {"surname": "Соколова", "given_name": "Анна", "snils": ANNA},
            "birth_record": RECORD, "children": 1, "account": ACCOUNT,
        }});
        let path = "/api/v1/services/child-benefit/applications";
        let accepted = self.node.post(path, form.to_string().as_bytes()).json();
        let text = |member: &str| accepted[member].as_str().unwrap().to_owned();
        let (case, token) = (text("id"), text("token"));
        wait_for("the benefit", Duration::from_secs(30), || {
            let status = self.node.get(&format!("/api/v1/applications/{case}")).json();
            (status["status"] == "granted").then_some(())
        });
        (case, token)
    }
}

#[test]
fn nothing_is_due_on_the_day_of_the_grant_and_strangers_see_nothing() {
    let town = Town::new();
    let (case, token) = town.benefit();
    let path = format!("/api/v1/applications/{case}/payments");
    assert_eq!(town.node.get(&path).status, 401);
    let own = town.node.client().get_with_token(&path, &token).unwrap();
    assert_eq!((own.status, &own.json()["payments"]), (200, &json!([])));

    let treasurer = town.appoint("treasury:executor");
    assert_eq!(try_work(&treasurer, &["payments"]).unwrap()["payments"], json!([]));
    assert_eq!(town.node.get("/api/v1/payments").status, 401);
    let wrong = try_work(&treasurer, &["payments", "--after", "yesterday"]).unwrap_err();
    assert!(wrong.contains("bad-request"), "{wrong}");
    let id = "01a20006-66a1-7e3f-b5d0-585925c3de63";
    let unknown = try_work(&treasurer, &["pay", id, "2026-12", "--reference", "ПП-1"]).unwrap_err();
    assert!(unknown.contains("not-found"), "{unknown}");
    let wrong = try_work(&treasurer, &["pay", id, "2026-13"]).unwrap_err();
    assert!(wrong.contains("bad-request"), "{wrong}");

    // The account that the benefit goes to stands in no leaf.
    let leaves = town.node.get("/healthz").json()["applied"].as_u64().unwrap();
    for leaf in 0..leaves {
        let bytes = town.node.get(&format!("/api/v1/leaves/{leaf}")).bytes;
        let bytes = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!bytes.contains(ACCOUNT) && !bytes.contains(ANNA), "leaf {leaf}: {bytes}");
    }
}
