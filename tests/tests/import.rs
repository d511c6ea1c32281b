//! An event log of another system is brought in, verifies, and counts the same as an independent
//! recount of the file.

use std::fs;
use std::process::Command;
use std::time::Duration;

use letopis_tests::node::{NodeFolder, RunningNode, verify};
use letopis_tests::{binary, shared_file, wait_for, workspace};
use serde_json::Value;

const SMALL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1.0" xmlns="http://www.xes-standard.org/">
  <trace>
    <string key="concept:name" value="case-1"/><string key="channel" value="Internet"/>
    <string key="department" value="General"/><string key="responsible" value="Resource21"/>
    <event><string key="concept:name" value="received"/><string key="org:resource" value="Resource07"/>
      <date key="time:timestamp" value="2011-10-11T13:45:40.276+02:00"/></event>
    <event><string key="concept:name" value="closed"/><string key="org:resource" value="Resource08"/>
      <date key="time:timestamp" value="2011-10-12T08:26:25.398+02:00"/></event>
  </trace>
</log>
"#;

fn import(folder: &NodeFolder, node: &RunningNode, file: &std::path::Path) -> std::process::Output {
    Command::new(binary("letopis"))
        .args(["import", "xes", "--json", "--node", node.address(), "--folder"])
        .arg(folder.path())
        .arg(file)
        .output()
        .expect("letopis starts")
}

fn counts(output: &std::process::Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the counts are JSON")
}

fn wait_until_published(node: &RunningNode) -> u64 {
    let size = node.get("/healthz").json()["applied"].as_u64().expect("a size");
    wait_for("the import to be published", Duration::from_secs(30), || {
        (node.get("/healthz").json()["published"].as_u64() >= Some(size)).then_some(size)
    })
}

#[test]
fn names_of_people_never_reach_a_leaf_and_a_second_import_changes_nothing() {
    let folder = NodeFolder::init();
    let node = folder.start();
    let file = folder.path().join("small.xes");
    fs::write(&file, SMALL).unwrap();
    let first = counts(&import(&folder, &node, &file));
    assert_eq!((&first["traces"], &first["events"]), (&1.into(), &2.into()));
    assert_eq!(first["channels"]["Internet"], 1);
    let size = wait_until_published(&node);
    for index in 0..size {
        let leaf = node.get(&format!("/api/v1/leaves/{index}"));
        let text = String::from_utf8(leaf.bytes).unwrap();
        assert!(!text.contains("Resource"), "leaf {index}: {text}");
    }
    let again = counts(&import(&folder, &node, &file));
    assert_eq!(again["events"], 2);
    assert_eq!(wait_until_published(&node), size, "nothing was appended twice");
    assert_eq!(verify(&["log", node.address()]).0, 0);
}

#[test]
fn a_broken_event_log_is_refused_with_its_place() {
    let folder = NodeFolder::init();
    let node = folder.start();
    let file = folder.path().join("broken.xes");
    for (text, words) in [
        (SMALL.replace("</trace>", "</trac>"), "trac"),
        (SMALL.replace("2011-10-12T08:26:25.398+02:00", "yesterday"), "yesterday"),
        ("not XML at all".to_owned(), "log"),
    ] {
        fs::write(&file, text).unwrap();
        let output = import(&folder, &node, &file);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{words}: accepted");
        assert!(message.contains(words), "{words}: {message}");
    }
}

#[test]
fn real_permit_applications_count_as_an_independent_recount_does() {
    let Some(file) = shared_file("data/wabo-receipt.xes.gz") else { return };
    let recount =
        Command::new("python3").arg(workspace().join("tests/recount/xes.py")).arg(&file).output();
    let recount = match recount {
        Ok(output) => output,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "python3 is absent under CI: {error}");
            eprintln!("skipped: python3 is not installed");
            return;
        }
    };
    assert!(recount.status.success(), "{}", String::from_utf8_lossy(&recount.stderr));
    let recount: Value = serde_json::from_slice(&recount.stdout).unwrap();
    let folder = NodeFolder::init();
    let node = folder.start();
    let imported = counts(&import(&folder, &node, &file));
    for name in ["traces", "events", "channels", "departments", "p90_ms"] {
        assert_eq!(imported[name], recount[name], "{name}");
    }
    let size = wait_until_published(&node);
    assert!(size > 8577, "one record for each event");
    let (code, report) = verify(&["log", node.address()]);
    assert_eq!(code, 0, "{report:#}");
}
