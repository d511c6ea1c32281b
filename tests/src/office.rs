//! Officials of a node as tests need them, and decisions as a stranger verifies them.
//!
//! Not here: the node itself (`node`).

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

use crate::node::{NodeFolder, RunningNode, verify};
use crate::{binary, wait_for};

/// A small area in the form that fields of areas take, GeoJSON (RFC 7946).
pub const OUTLINE: &str =
    r#"{"type":"Polygon","coordinates":[[[33.5,44.6],[33.6,44.6],[33.6,44.7],[33.5,44.6]]]}"#;

/// How long a decision may take to be published.
const PATIENCE: Duration = Duration::from_secs(30);

impl NodeFolder {
    /// Runs `letopis staff` as the operator of the running node.
    ///
    /// # Panics
    /// The command does not start.
    #[must_use]
    pub fn staff(&self, node: &RunningNode, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary("letopis"));
        command.arg("staff").args(arguments).args(["--node", node.address(), "--folder"]);
        command.arg(self.path()).output().expect("letopis starts")
    }

    /// Appoints somebody to a post, `unit:role`; `file` gets what the official works with.
    ///
    /// # Panics
    /// The command fails.
    pub fn appoint(&self, node: &RunningNode, post: &str, file: &Path) {
        let file = file.to_str().expect("a path of the tests is text");
        let arguments = ["appoint", "--name", "Кто-то", "--post", post, "--credentials", file];
        let output = self.staff(node, &arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl RunningNode {
    /// Verifies the decision of a case once it is published, and gives what the report says of it.
    /// `disclosed` is the token of a case that shows its private fields, and how the names of those
    /// begin that the verifier is given.
    ///
    /// # Panics
    /// The decision is not in order, or not published in time.
    #[must_use]
    pub fn verify_decision(&self, case: &str, disclosed: Option<(&str, &str)>) -> Value {
        let leaf = self.get(&format!("/api/v1/decisions/{case}")).json()["leaf"].as_u64();
        wait_for("the decision to be published", PATIENCE, || {
            (self.get("/healthz").json()["published"].as_u64() > leaf).then_some(())
        });
        let mut arguments = ["decision", case, "--log", self.address()].map(str::to_owned).to_vec();
        let place = tempfile::tempdir().expect("a temporary folder");
        if let Some((token, names)) = disclosed {
            let file = place.path().join("disclosures.json");
            // All of it is the very file that the applicant gets.
            let disclosures = if names.is_empty() {
                self.own_data(case, token)
            } else {
                json!({"disclosures": self.disclosures(case, token, names)})
            };
            std::fs::write(&file, disclosures.to_string()).expect("a file is written");
            arguments.extend(["--disclosures".to_owned(), file.display().to_string()]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (code, report) = verify(&arguments);
        assert_eq!(code, 0, "{report:#}");
        report["decision"].clone()
    }

    fn own_data(&self, case: &str, token: &str) -> Value {
        let path = format!("/api/v1/applications/{case}/private");
        self.client().get_with_token(&path, token).expect("the node answers").json()
    }

    /// The disclosures of the private fields of a case whose names begin so.
    fn disclosures(&self, case: &str, token: &str, names: &str) -> Vec<Value> {
        let own = self.own_data(case, token);
        let fields = own["fields"].as_array().expect("private fields are listed").iter();
        let named = |field: &&Value| field["name"].as_str().is_some_and(|n| n.starts_with(names));
        fields.filter(named).map(|field| field["disclosure"].clone()).collect()
    }
}

/// Runs `letopis work` as the official whose file it is given.
///
/// # Panics
/// The command does not start.
pub fn work(credentials: impl AsRef<OsStr>, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary("letopis"));
    command.args(["work", "--as"]).arg(credentials).args(arguments);
    command.output().expect("letopis starts")
}

/// What `letopis work` shows, or its complaint. Some commands show nothing.
///
/// # Errors
/// The command failed; the text is its complaint.
///
/// # Panics
/// The command does not start.
pub fn try_work(credentials: impl AsRef<OsStr>, arguments: &[&str]) -> Result<Value, String> {
    let output = work(credentials, arguments);
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).unwrap_or_default()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// What a command of the program shows.
///
/// # Panics
/// The command failed, or shows no JSON.
#[expect(clippy::must_use_candidate, reason = "often only that it did not fail is of interest")]
pub fn shown(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON is shown")
}

/// What a command of the program complains of.
///
/// # Panics
/// The command did not fail.
#[must_use]
pub fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}
