//! Papers of a running node (U10, U1): issued, kept, checked by anybody, and refused to others.

use std::fs;
use std::process::Command;
use std::time::Duration;

use letopis_tests::node::{NodeFolder, RunningNode, verify};
use letopis_tests::wait_for;
use serde_json::{Value, json};

const SNILS: &str = "112-233-445 95";
const DWELLING: &str = "0c5b2444-70a0-4932-980c-b4dc0d3f02b5";

/// A node with the registries of one household, and a case of it that was granted.
fn granted() -> (RunningNode, NodeFolder, Value) {
    let folder = NodeFolder::init();
    let node = folder.start();
    folder.publish_pack(&node);
    for (registry, rows) in [
        ("vehicle", json!([{ "plate": "А123ВС92", "owner_snils": SNILS }])),
        ("residence", json!([{ "snils": SNILS, "dwelling": DWELLING, "zone": "Z1" }])),
    ] {
        folder.enter(&node, registry, &rows);
    }
    let accepted = submit(&node);
    let path = format!("/api/v1/applications/{}?wait_ms=20000", accepted["id"].as_str().unwrap());
    assert_eq!(node.get(&path).json()["status"], "granted");
    (node, folder, accepted)
}

fn submit(node: &RunningNode) -> Value {
    let form = json!({
        "applicant": { "surname": "Соколова", "given_name": "Анна", "snils": SNILS },
        "plate": "А123ВС92", "dwelling": DWELLING, "zone": "Z1", "validity_years": 2,
    });
    let path = "/api/v1/services/parking-permit/applications";
    node.post(path, json!({ "form": form }).to_string().as_bytes()).json()
}

/// A file of a case: status, media type and bytes.
fn file(node: &RunningNode, case: &Value, query: &str, token: &str) -> (u16, String, Vec<u8>) {
    let path = format!("/api/v1/applications/{}/document{query}", case["id"].as_str().unwrap());
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let request = agent.get(format!("{}{path}", node.address()));
    let mut answer = request.header("authorization", format!("Bearer {token}")).call().unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (answer.status().as_u16(), kind, answer.body_mut().read_to_vec().unwrap())
}

#[test]
fn a_paper_is_a_file_whose_issue_anybody_can_check() {
    let (node, folder, case) = granted();
    let token = case["token"].as_str().unwrap();
    let (status, kind, paper) = file(&node, &case, "?language=ru", token);
    assert_eq!((status, kind.as_str()), (200, "application/pdf"));
    assert!(paper.starts_with(b"%PDF-1.7"));
    assert_eq!(file(&node, &case, "?language=ru", token).2, paper, "the same file every time");
    let (status, kind, data) = file(&node, &case, "?form=json&language=ru", token);
    assert_eq!((status, kind.as_str()), (200, "application/json"));
    let data: Value = serde_json::from_slice(&data).unwrap();
    assert_eq!(data["values"]["form.plate"], "А123ВС92", "{data:#}");

    // What the log holds of the file, the proof, and the verifier without a network.
    let sha256 = letopis_ledger::Hash::of(&paper).to_hex();
    let known = node.get(&format!("/api/v1/documents/{sha256}")).json();
    assert_eq!((&known["case"], &known["entry"]), (&case["id"], &json!("in_force")), "{known}");
    let proof_path = format!("/api/v1/documents/{sha256}/proof");
    let proof = wait_for("the published proof", Duration::from_secs(30), || {
        let answer = node.get(&proof_path);
        (answer.status == 200).then_some(answer.bytes)
    });
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).to_string_lossy().into_owned();
    fs::write(path("paper.pdf"), &paper).unwrap();
    fs::write(path("proof"), &proof).unwrap();
    fs::write(path("policy"), node.get("/policy").bytes).unwrap();
    let (proof, policy) = (path("proof"), path("policy"));
    let check =
        |document: &str| verify(&["proof", &proof, "--policy", &policy, "--document", document]);
    let (code, report) = check(&path("paper.pdf"));
    assert_eq!((code, &report["proof"]["document"]), (0, &json!(sha256)), "{report:#}");
    let mut forged = paper.clone();
    *forged.last_mut().unwrap() ^= 1;
    fs::write(path("forged.pdf"), &forged).unwrap();
    let (code, report) = check(&path("forged.pdf"));
    assert_eq!(code, 1, "{report:#}");
    assert!(report.to_string().contains("document-issued"), "{report:#}");

    // The page behind the code on the paper, in both languages, without anything personal.
    let page = node.get(&format!("/check/{}", case["id"].as_str().unwrap()));
    let page = String::from_utf8(page.bytes).unwrap();
    assert!(page.contains("The document is in force") && page.contains(&sha256), "{page}");
    for private in ["Соколова", SNILS, "А123ВС92", DWELLING] {
        assert!(!page.contains(private), "{private} is on a public page");
    }
    drop(folder);
}

#[test]
fn a_paper_says_what_was_decided_and_its_code_leads_to_the_node() {
    if Command::new("pdftotext").arg("-v").output().is_err() {
        eprintln!("skipped: pdftotext is not here (Debian: poppler-utils)");
        assert!(std::env::var_os("LETOPIS_REQUIRE_PDFTOTEXT").is_none(), "it must run here");
        return;
    }
    let (node, _folder, case) = granted();
    let refused = submit(&node);
    let path = format!("/api/v1/applications/{}?wait_ms=20000", refused["id"].as_str().unwrap());
    assert_eq!(node.get(&path).json()["status"], "refused");
    for (case, language, expected) in [
        (&case, "ru", ["Соколова Анна", "Администрация города Заречного", "Z1"]),
        (&case, "en", ["Parking permit РР-", "Administration of the town of Zarechny", "А123ВС92"]),
        (&refused, "ru", ["Отказ в выдаче", "G5", "разрешение"]),
        (&refused, "en", ["Refusal", "G5: A permit is already in force", "Resolution No 7"]),
    ] {
        let token = case["token"].as_str().unwrap();
        let (status, _, bytes) = file(&node, case, &format!("?language={language}"), token);
        assert_eq!(status, 200);
        let place = tempfile::tempdir().unwrap();
        let pdf = place.path().join("paper.pdf");
        fs::write(&pdf, bytes).unwrap();
        let text = Command::new("pdftotext").args(["-layout"]).arg(&pdf).arg("-").output().unwrap();
        let text = String::from_utf8(text.stdout).unwrap();
        let id = case["id"].as_str().unwrap();
        let code = format!("{}/check/{id}", node.address());
        for part in expected.into_iter().chain([code.as_str()]) {
            assert!(text.contains(part), "{part:?} is not on the paper:\n{text}");
        }
    }
}

#[test]
fn a_paper_is_for_its_holder_and_for_nobody_else() {
    let (node, _folder, case) = granted();
    let id = case["id"].as_str().unwrap();
    let token = case["token"].as_str().unwrap();
    let path = format!("/api/v1/applications/{id}/document");
    assert_eq!(node.get(&path).status, 401);
    let other = submit(&node);
    assert_eq!(file(&node, &case, "", other["token"].as_str().unwrap()).0, 401);
    for query in ["?form=doc", "?language=de", "?kind=x"] {
        assert_eq!(file(&node, &case, query, token).0, 400, "{query}");
    }
    let nothing = "0".repeat(64);
    for (path, status) in [
        (format!("/api/v1/documents/{nothing}"), 404),
        (format!("/api/v1/documents/{nothing}/proof"), 404),
        ("/api/v1/documents/xyz".to_owned(), 400),
        ("/check/xyz".to_owned(), 400),
        ("/check/01a20006-66a1-7e3f-b5d0-585925c3de63".to_owned(), 404),
    ] {
        assert_eq!(node.get(&path).status, status, "{path}");
    }
}
