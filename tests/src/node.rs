//! A node as a process, made and started the way an agency does it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use letopis_ledger::StreamVersion;
use letopis_ledger::checkpoint::Origin;
use letopis_ledger::encoding::decode_base64;
use letopis_ledger::id::{AgencyId, EventType, RecordId, StreamName};
use letopis_ledger::json::{Json, Object};
use letopis_ledger::key::AuthorSigner;
use letopis_ledger::record::{Claim, Event, Record, SignedRecord};
use serde_json::Value;
use tempfile::TempDir;
use ureq::Agent;

use crate::{Process, binary, workspace};

/// Origin of the logs that tests make.
pub const ORIGIN: &str = "letopis.example/test";
/// The agency that runs the node.
pub const AGENCY: &str = "zarechny";
/// Another agency that the log admits at its start.
pub const OTHER_AGENCY: &str = "neighbour";

/// The folder of a node, removed when dropped.
#[derive(Debug)]
pub struct NodeFolder {
    place: TempDir,
}

/// A running node.
#[derive(Debug)]
pub struct RunningNode {
    process: Process,
    address: String,
    agent: Agent,
}

/// An answer of a node.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Content type.
    pub content_type: String,
    /// The `letopis-position` header.
    pub position: Option<u64>,
    /// The body.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.bytes)))
    }

    /// The `code` of a problem.
    ///
    /// # Panics
    /// The answer is no problem.
    #[must_use]
    pub fn code(&self) -> String {
        assert_eq!(self.content_type, "application/problem+json", "{self:?}");
        self.json()["code"].as_str().expect("a problem has a code").to_owned()
    }
}

impl NodeFolder {
    /// Makes a folder with `letopis init`.
    ///
    /// # Panics
    /// The command fails.
    #[must_use]
    pub fn init() -> Self {
        let place = tempfile::tempdir().expect("a temporary folder");
        let folder = Self { place };
        let status = Command::new(binary("letopis"))
            .args(["init", "--origin", ORIGIN, "--agency", AGENCY, "--with", OTHER_AGENCY])
            .args(["--name-ru", "Заречный", "--name-en", "Zarechny", "--folder"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .status()
            .expect("letopis starts");
        assert!(status.success(), "letopis init failed");
        folder
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.place.path().join("node")
    }

    /// The key with which an agency signs records.
    ///
    /// # Panics
    /// There is no such key.
    #[must_use]
    pub fn signer(&self, agency: &str) -> AuthorSigner {
        signer_in(&self.path(), agency)
    }

    /// The operator's token.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn operator_token(&self) -> String {
        key_file(&self.path(), "operator.token")
    }

    /// Publishes the shipped pack on the running node.
    ///
    /// # Panics
    /// The command fails.
    pub fn publish_pack(&self, node: &RunningNode) {
        let published = Command::new(binary("letopis"))
            .args(["pack", "publish", "--node", node.address(), "--folder"])
            .arg(self.path())
            .arg(workspace().join("deploy/packs/zarechny"))
            .output()
            .expect("letopis starts");
        assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
    }

    /// Publishes a later version of the shipped pack with texts replaced in the files at or below
    /// a place of it.
    ///
    /// # Panics
    /// The command fails, or a file is not there.
    pub fn publish_changed(
        &self,
        node: &RunningNode,
        version: u32,
        (place, changes): (&str, &[(&str, &str)]),
    ) {
        self.publish_edited(node, version, |pack| change(&pack.join(place), changes));
    }

    /// Publishes a version of the pack of Zarechny after its folder was edited.
    ///
    /// # Panics
    /// It is not published.
    pub fn publish_edited(&self, node: &RunningNode, version: u32, edit: impl FnOnce(&Path)) {
        let published = self.try_publish(node, &self.edited_pack(version, edit));
        assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
    }

    /// Makes a version of the pack of Zarechny in a folder of its own and edits it.
    ///
    /// # Panics
    /// The version was made before.
    pub fn edited_pack(&self, version: u32, edit: impl FnOnce(&Path)) -> PathBuf {
        let pack = self.place.path().join(format!("pack-{version}"));
        copy(&workspace().join("deploy/packs/zarechny"), &pack);
        let number = format!("version: {version}");
        change(&pack.join("pack.yaml"), &[("version: 1", number.as_str())]);
        edit(&pack);
        pack
    }

    /// Publishes the pack of a folder on the running node, or tries to.
    ///
    /// # Panics
    /// The command does not start.
    pub fn try_publish(&self, node: &RunningNode, pack: &Path) -> Output {
        let mut command = Command::new(binary("letopis"));
        command.args(["pack", "publish", "--node", node.address(), "--folder"]);
        command.arg(self.path()).arg(pack).output().expect("letopis starts")
    }

    /// Enters rows into a manual registry of the running node, as its keeper.
    ///
    /// # Panics
    /// They are not entered.
    pub fn enter(&self, node: &RunningNode, registry: &str, rows: &Value) {
        let body = serde_json::json!({
            "document_number": "1", "document_date": "2026-01-12", "rows": rows,
        });
        let path = format!("/api/v1/registries/{registry}/entries");
        let (token, body) = (self.operator_token(), body.to_string());
        let answer = node.try_post(&path, Some(&token), body.as_bytes()).expect("the node answers");
        assert_eq!(answer.status, 201, "{registry}: {}", String::from_utf8_lossy(&answer.bytes));
    }

    /// The command that runs the node on a free port.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(binary("letopis"));
        command.args(["node", "--listen", "127.0.0.1:0", "--folder"]).arg(self.path());
        command
    }

    /// Starts the node and waits until it listens.
    ///
    /// # Panics
    /// It ends before it listens.
    #[must_use]
    pub fn start(&self) -> RunningNode {
        RunningNode::start(&mut self.command())
    }
}

impl RunningNode {
    /// Starts a node with a command and waits until it listens.
    ///
    /// # Panics
    /// It ends before it listens.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let mut process = Process::start(command.stdout(Stdio::piped()));
        let output = process.child().stdout.take().expect("the output is a pipe");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("the output is text");
        let address = line.trim().strip_prefix("listening on ");
        let address = address.unwrap_or_else(|| panic!("the node ended at its start: {line:?}"));
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .new_agent();
        Self { address: address.to_owned(), process, agent }
    }

    /// `http://` and the address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends the node as a power cut would end its process.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Sends a GET request.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn try_get(&self, path: &str) -> Result<Answer, ureq::Error> {
        read(self.agent.get(format!("{}{path}", self.address)).call()?)
    }

    /// Sends a GET request.
    ///
    /// # Panics
    /// The node does not answer.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path).unwrap_or_else(|e| panic!("GET {path}: {e}"))
    }

    /// Sends a POST request, with a token if there is one.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn try_post(
        &self,
        path: &str,
        token: Option<&str>,
        body: &[u8],
    ) -> Result<Answer, ureq::Error> {
        let request = self.agent.post(format!("{}{path}", self.address));
        let request = request.header("content-type", "application/json");
        let request = match token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        };
        read(request.send(body)?)
    }

    /// Sends a POST request without a token.
    ///
    /// # Panics
    /// The node does not answer.
    #[must_use]
    pub fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.try_post(path, None, body).unwrap_or_else(|e| panic!("POST {path}: {e}"))
    }

    /// A copy of this handle for another thread; the process stays with this one.
    #[must_use]
    pub fn client(&self) -> Client {
        Client { address: self.address.clone(), agent: self.agent.clone() }
    }
}

/// A way to speak to a node without owning its process.
#[derive(Debug, Clone)]
pub struct Client {
    address: String,
    agent: Agent,
}

impl Client {
    /// The same, and no request takes longer than this.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(timeout))
            .build()
            .new_agent();
        Self { agent, ..self }
    }

    /// `http://` and the address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sends a GET request with a token.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn get_with_token(&self, path: &str, token: &str) -> Result<Answer, ureq::Error> {
        let request = self.agent.get(format!("{}{path}", self.address));
        read(request.header("authorization", format!("Bearer {token}")).call()?)
    }

    /// Sends a GET request as an official, by id and token.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn get_as(&self, path: &str, (id, token): (&str, &str)) -> Result<Answer, ureq::Error> {
        let request = self.agent.get(format!("{}{path}", self.address));
        let request = request.header("letopis-official", id);
        read(request.header("authorization", format!("Bearer {token}")).call()?)
    }

    /// Sends a GET request.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn get(&self, path: &str) -> Result<Answer, ureq::Error> {
        read(self.agent.get(format!("{}{path}", self.address)).call()?)
    }

    /// Sends a POST request.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn post(&self, path: &str, body: &[u8]) -> Result<Answer, ureq::Error> {
        let request = self.agent.post(format!("{}{path}", self.address));
        read(request.header("content-type", "application/json").send(body)?)
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder is made");
    for entry in fs::read_dir(from).expect("a folder of the pack is readable") {
        let entry = entry.expect("a folder entry is readable");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("its type is known").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file of the pack is copied");
        }
    }
}

/// Replaces texts in a file, or in every file below a folder.
fn change(place: &Path, changes: &[(&str, &str)]) {
    if place.is_dir() {
        let entries = fs::read_dir(place).expect("a folder of the pack is readable");
        entries.for_each(|entry| change(&entry.expect("an entry is readable").path(), changes));
        return;
    }
    let text = fs::read_to_string(place).expect("a file of the pack is text");
    let text = changes.iter().fold(text, |text, (from, to)| text.replace(from, to));
    fs::write(place, text).expect("a file of the pack is written");
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Result<Answer, ureq::Error> {
    let header = |name: &str| {
        response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    Ok(Answer {
        status: response.status().as_u16(),
        content_type: header("content-type").unwrap_or_default(),
        position: header("letopis-position").and_then(|text| text.parse().ok()),
        bytes: response.body_mut().read_to_vec()?,
    })
}

/// What a file among a node's keys says.
///
/// # Panics
/// There is no such file.
#[must_use]
pub fn key_file(folder: &Path, name: &str) -> String {
    let path = folder.join("keys").join(name);
    let text = std::fs::read_to_string(&path);
    text.unwrap_or_else(|e| panic!("{}: {e}", path.display())).trim().to_owned()
}

/// The key in a node's folder with which an agency signs records.
///
/// # Panics
/// There is no such key.
#[must_use]
pub fn signer_in(folder: &Path, agency: &str) -> AuthorSigner {
    let text = key_file(folder, &format!("author-{agency}.key"));
    // PRIVATE+AUTHOR+<agency>+<base64>, and base64 itself may contain a plus.
    let seed = text.splitn(4, '+').nth(3).expect("the key has four parts");
    let seed = decode_base64(seed).expect("the seed is base64");
    AuthorSigner::from_seed(&seed.try_into().expect("the seed has 32 bytes"))
}

/// A record of one event on one stream.
///
/// # Panics
/// A name is not well-formed.
#[must_use]
pub fn record(
    agency: &str,
    id: [u8; 10],
    stream: &str,
    version: u64,
    claims: Vec<Claim>,
    note: &str,
) -> Record {
    let event = Event {
        stream: StreamName::parse(stream).expect("a stream name"),
        version: StreamVersion::new(version),
        event_type: EventType::parse("test.noted").expect("an event type"),
        schema: 1,
        data: Object::new().with("note", Json::string(note).expect("text in form C")),
        private: vec![],
    };
    Record::new(
        Origin::new(ORIGIN).expect("an origin"),
        RecordId::from_parts(1_700_000_000_000, &id),
        AgencyId::parse(agency).expect("an agency id"),
        vec![event],
        claims,
    )
    .expect("a well-formed record")
}

/// The same, signed.
#[must_use]
pub fn signed(record: Record, signer: &AuthorSigner) -> SignedRecord {
    SignedRecord::sign(record, signer)
}

/// Runs the verifier and gives its exit code and its report.
///
/// # Panics
/// It does not start, or its report is no JSON.
#[must_use]
pub fn verify(arguments: &[&str]) -> (i32, Value) {
    let output = Command::new(binary("letopis-verify"))
        .args(arguments)
        .arg("--json")
        .output()
        .expect("letopis-verify starts");
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    let complaint = String::from_utf8_lossy(&output.stderr);
    if !complaint.is_empty() {
        eprintln!("letopis-verify: {complaint}");
    }
    (output.status.code().unwrap_or(-1), report)
}

/// A folder's files with their sizes, for messages.
#[must_use]
pub fn listing(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    if let Ok(entries) = std::fs::read_dir(folder) {
        for entry in entries.flatten() {
            if entry.path().is_dir() {
                names.extend(listing(&entry.path()));
            } else {
                let size = entry.metadata().map_or(0, |metadata| metadata.len());
                names.push(format!("{} {size}", entry.path().display()));
            }
        }
    }
    names
}
