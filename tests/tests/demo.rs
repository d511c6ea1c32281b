//! The demonstration itself, smaller: every outcome as expected, the log and decisions verified,
//! and each alteration found. An error of the program means that something of this was not so.

use std::process::Command;

use letopis_tests::{binary, workspace};

fn demo(arguments: &[&str]) -> String {
    let output = Command::new(binary("letopis"))
        .arg("demo")
        .args(arguments)
        .current_dir(workspace())
        .output()
        .expect("letopis starts");
    let text = String::from_utf8(output.stdout).expect("the report is text");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{complaint}");
    text
}

#[test]
fn the_demonstration_comes_out_as_it_must() {
    let text = demo(&["--applications", "100", "--clients", "8"]);
    for line in [
        "parking-permit: 44 granted",
        "parking-permit: 4 refused on ground G4",
        "parking-permit: 8 refused on ground G1",
        "parking-permit: 7 refused on ground G2",
        "parking-permit: 3 refused on ground G3",
        "parking-permit: 3 refused on ground G5",
        "parking-permit: 3 not registered, wrong field /applicant/snils",
        "parking-permit: 3 not registered, wrong field /plate",
        "child-benefit: 14 granted",
        "child-benefit: 3 refused on ground G1",
        "child-benefit: 2 refused on ground G5",
        "Officials decided 7 building permits",
        "1 families that moved in",
    ] {
        assert!(text.contains(line), "{line:?} is missing:\n{text}");
    }
    let holds = text.matches("EVERYTHING HOLDS").count();
    assert_eq!(holds, 13, "log, three decisions, seven signed ones, proof and mirror:\n{text}");
    let found = text.matches("NOT IN ORDER").count();
    assert_eq!(found, 3, "three alterations:\n{text}");
}

#[test]
fn three_agencies_come_out_the_same_though_one_is_killed() {
    let text = demo(&["--nodes", "3", "--applications", "200", "--clients", "8"]);
    for line in ["parking-permit: 87 granted", "killed on the way", "has caught up"] {
        assert!(text.contains(line), "{line:?} is missing:\n{text}");
    }
    let holds = text.matches("EVERYTHING HOLDS").count();
    assert_eq!(holds, 14, "the first agency's log and the last one's, ten decisions, ...:\n{text}");
    assert!(text.contains("nodes of audit-office that decide: 3"), "{text}");
}

#[test]
fn the_demonstration_speaks_russian() {
    let text = demo(&["--applications", "20", "--clients", "4", "--lang", "ru"]);
    assert!(text.contains("parking-permit: удовлетворено: 11"), "{text}");
    assert_eq!(text.matches("НЕ СХОДИТСЯ").count(), 3, "{text}");
}
