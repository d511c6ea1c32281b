//! House rules that a machine can hold: file heads, lengths, names, and paths named in documents.

use std::fs;
use std::path::{Path, PathBuf};

const FOLDERS: [&str; 9] = [
    "ledger",
    "registry",
    "consensus",
    "api",
    "verifier",
    "documents",
    "tests",
    "benches",
    "deploy",
];
const FILE_LINES_MAX: usize = 600;
const LINE_CHARS_MAX: usize = 100;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository is readable") {
        let path = entry.expect("a folder entry is readable").path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        files(&root().join(folder), "rs", &mut found);
    }
    assert!(found.len() > 50, "only {} source files found", found.len());
    found
}

#[test]
fn every_source_file_says_what_it_is_and_keeps_its_length() {
    let mut broken = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(&path).expect("a source file is text");
        if !text.starts_with("//!") {
            broken.push(format!("{}: begins without //!", path.display()));
        }
        if text.lines().count() > FILE_LINES_MAX {
            broken.push(format!("{}: over {FILE_LINES_MAX} lines", path.display()));
        }
        for (number, line) in text.lines().enumerate() {
            // String literals with vectors and URLs may be long: they cannot be wrapped.
            if line.chars().count() > LINE_CHARS_MAX && !line.contains('"') {
                broken.push(format!("{}:{}: long line", path.display(), number + 1));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    for path in sources() {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        assert!(
            !["util", "utils", "helper", "helpers", "manager", "common", "misc"].contains(&stem),
            "{}",
            path.display()
        );
    }
}

/// Documents name paths in backticks; each such path that looks like one of ours must exist.
#[test]
fn paths_named_in_documents_exist() {
    let mut documents: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]
        .iter()
        .map(|name| root().join(name))
        .collect();
    files(&root().join("docs"), "md", &mut documents);
    let mut broken = Vec::new();
    let mut checked = 0;
    for document in &documents {
        let text = fs::read_to_string(document).expect("the document exists");
        for quoted in text.split('`').skip(1).step_by(2) {
            let ours = FOLDERS
                .iter()
                .chain(&["docs"])
                .any(|folder| quoted.starts_with(&format!("{folder}/")));
            let plain = !quoted.contains([' ', '*', '<', '{', '…', '\n']);
            if ours && plain {
                checked += 1;
                if !root().join(quoted.split(':').next().unwrap_or(quoted)).exists() {
                    broken.push(format!("{}: {quoted}", document.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "paths that do not exist:\n{}", broken.join("\n"));
    assert!(checked > 20, "only {checked} paths were found: did the documents change their form?");
}
