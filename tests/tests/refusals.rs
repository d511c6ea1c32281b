//! Bad input at the door of a real node: each gets a typed error that says what was wrong, and
//! changes nothing.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use letopis_ledger::StreamVersion;
use letopis_ledger::governance::{GovernanceEvent, SCHEMA_VERSION};
use letopis_ledger::id::{AgencyId, ClaimName, StreamName};
use letopis_ledger::key::AuthorSigner;
use letopis_ledger::record::{Claim, ClaimOperation, Event, Record, SignedRecord};
use letopis_tests::node::{AGENCY, NodeFolder, OTHER_AGENCY, RunningNode, record, signed, verify};
use letopis_tests::wait_for;
use letopis_tests::workspace;

const RECORDS: &str = "/api/v1/records";

/// A node with one record of each agency, and the leaves that it has.
struct Fixture {
    // Before the folder, so that the process ends before its files go.
    node: RunningNode,
    folder: NodeFolder,
    signer: AuthorSigner,
    other: AuthorSigner,
}

impl Fixture {
    fn new() -> Self {
        let folder = NodeFolder::init();
        let node = folder.start();
        let (signer, other) = (folder.signer(AGENCY), folder.signer(OTHER_AGENCY));
        let fixture = Self { node, folder, signer, other };
        fixture.accept(&fixture.first());
        fixture
    }

    /// A record that takes a name and opens a stream.
    fn first(&self) -> SignedRecord {
        let claim = claim("number/1", "test/1", ClaimOperation::Take);
        signed(record(AGENCY, [1; 10], "test/1", 0, vec![claim], "first"), &self.signer)
    }

    fn accept(&self, record: &SignedRecord) {
        let answer = self.node.post(RECORDS, &record.to_bytes());
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.bytes));
    }

    /// Sends bytes that must be refused with this status and code, and must change nothing.
    fn refuse(&self, bytes: &[u8], status: u16, code: &str, words: &str) {
        let before = self.size();
        let answer = self.node.post(RECORDS, bytes);
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
        let detail = answer.json()["detail"].as_str().expect("a detail").to_owned();
        assert!(detail.contains(words), "{code}: {detail}");
        assert_eq!(self.size(), before, "{code} changed the log");
    }

    fn size(&self) -> u64 {
        self.node.get("/healthz").json()["applied"].as_u64().expect("a size")
    }
}

fn claim(name: &str, holder: &str, operation: ClaimOperation) -> Claim {
    Claim {
        name: ClaimName::parse(name).unwrap(),
        operation,
        holder: StreamName::parse(holder).unwrap(),
    }
}

#[test]
fn malformed_and_non_canonical_records_are_refused() {
    let fixture = Fixture::new();
    let good = signed(record(AGENCY, [2; 10], "test/2", 0, vec![], "good"), &fixture.signer);
    let text = String::from_utf8(good.to_bytes()).unwrap();
    let spaced = text.replacen("{\"record\"", "{ \"record\"", 1);
    let doubled = text.replacen("\"note\":\"good\"", "\"note\":\"good\",\"note\":\"bad\"", 1);
    let float = text.replacen("\"note\":\"good\"", "\"note\":1.5", 1);
    let wide = text.replacen("\"note\":\"good\"", "\"note\":9007199254740993", 1);
    let unknown = text.replacen("\"note\":\"good\"}", "\"note\":\"good\"},\"extra\":1", 1);
    for (bytes, words) in [
        ("", "not acceptable JSON"),
        ("{", "not acceptable JSON"),
        ("[]", "signed record is array"),
        (&spaced, "not canonical JSON"),
        (&doubled, "duplicate key"),
        (&float, "not an integer"),
        (&wide, "lies outside"),
        (&unknown, "unknown member"),
    ] {
        fixture.refuse(bytes.as_bytes(), 400, "record-malformed", words);
    }
    fixture.accept(&good);
}

#[test]
fn keys_and_signatures_that_do_not_count_are_refused() {
    let fixture = Fixture::new();
    let next = |id: u8| record(AGENCY, [id; 10], "test/2", 0, vec![], "x");
    let stranger = AuthorSigner::from_seed(&[9; 32]);
    let by_stranger = signed(next(2), &stranger).to_bytes();
    fixture.refuse(&by_stranger, 422, "unknown-key", "is not introduced");
    let by_other = signed(next(3), &fixture.other).to_bytes();
    fixture.refuse(&by_other, 422, "foreign-key", OTHER_AGENCY);
    // A signature over other bytes.
    let good = signed(next(4), &fixture.signer);
    let text = String::from_utf8(good.to_bytes()).unwrap().replacen("\"x\"", "\"y\"", 1);
    fixture.refuse(text.as_bytes(), 422, "bad-signature", "does not verify");
    // A key after its revocation.
    let revoked = AuthorSigner::from_seed(&[8; 32]);
    fixture.accept(&governance(&fixture, 5, 2, |agency| GovernanceEvent::KeyIntroduced {
        agency,
        key: revoked.key(),
    }));
    let before = signed(record(AGENCY, [6; 10], "test/3", 0, vec![], "x"), &revoked);
    fixture.accept(&before);
    fixture.accept(&governance(&fixture, 7, 3, |agency| GovernanceEvent::KeyRevoked {
        agency,
        key: revoked.key().id(),
    }));
    let after = signed(record(AGENCY, [8; 10], "test/3", 1, vec![], "x"), &revoked);
    fixture.refuse(&after.to_bytes(), 422, "revoked-key", "revoked");
    // What the revoked key signed before stays valid for ever.
    let (code, report) = verify_when_published(&fixture);
    assert_eq!(code, 0, "{report:#}");
}

/// A governance record of the agency on its own stream.
fn governance(
    fixture: &Fixture,
    id: u8,
    version: u64,
    event: impl FnOnce(AgencyId) -> GovernanceEvent,
) -> SignedRecord {
    let event = event(AgencyId::parse(AGENCY).unwrap());
    let event = Event {
        stream: event.stream(),
        version: StreamVersion::new(version),
        event_type: event.event_type(),
        schema: SCHEMA_VERSION,
        data: event.data(),
        private: vec![],
    };
    let like = record(AGENCY, [id; 10], "test/x", 0, vec![], "");
    let (log, author) = (like.log().clone(), like.author().clone());
    let record = Record::new(log, like.id(), author, vec![event], vec![]).unwrap();
    SignedRecord::sign(record, &fixture.signer)
}

fn verify_when_published(fixture: &Fixture) -> (i32, serde_json::Value) {
    let size = fixture.size();
    wait_for("the newest leaf to be published", Duration::from_secs(20), || {
        let health = fixture.node.get("/healthz").json();
        (health["published"].as_u64() >= Some(size)).then_some(())
    });
    verify(&["log", fixture.node.address()])
}

#[test]
fn contradictions_to_the_log_are_refused_with_their_numbers() {
    let fixture = Fixture::new();
    let sign = |record| signed(record, &fixture.signer).to_bytes();
    let gap = record(AGENCY, [2; 10], "test/1", 5, vec![], "x");
    fixture.refuse(&sign(gap), 409, "version-conflict", "5");
    let repeated = record(AGENCY, [3; 10], "test/1", 0, vec![], "x");
    fixture.refuse(&sign(repeated), 409, "version-conflict", "test/1");
    let taken = claim("number/1", "test/2", ClaimOperation::Take);
    let taken = record(AGENCY, [4; 10], "test/2", 0, vec![taken], "x");
    fixture.refuse(&sign(taken), 409, "claim-taken", "test/1");
    let unheld = claim("number/2", "test/2", ClaimOperation::Release);
    let unheld = record(AGENCY, [5; 10], "test/2", 0, vec![unheld], "x");
    fixture.refuse(&sign(unheld), 422, "claim-not-held", "number/2");
    let reused = record(AGENCY, [1; 10], "test/2", 0, vec![], "other bytes");
    fixture.refuse(&sign(reused), 409, "id-reused", "leaf");
    let foreign = record(OTHER_AGENCY, [6; 10], "test/1", 1, vec![], "x");
    let foreign = signed(foreign, &fixture.other).to_bytes();
    fixture.refuse(&foreign, 422, "stream-owned-by-other", AGENCY);
    let large = record(AGENCY, [7; 10], "test/2", 0, vec![], &"x".repeat(65_535));
    fixture.refuse(&sign(large), 422, "leaf-too-large", "65535");
    // The same record again is no contradiction: it gets its first receipt.
    let again = fixture.node.post(RECORDS, &fixture.first().to_bytes());
    assert_eq!(again.status, 200);
    assert_eq!(again.json()["leaf"], 2);
}

/// Announces a body and sends none of it; gives what the node answers until it closes.
fn announce(address: &str, bytes: usize) -> String {
    let address = address.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let request = format!(
        "POST /api/v1/records HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {bytes}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A connection that is closed hard after the answer is still answered.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_body_over_the_limit_and_a_wrong_path_are_problems_too() {
    let fixture = Fixture::new();
    // Refused by what is announced: nothing of the body has to come.
    let answer = announce(fixture.node.address(), 9 << 20);
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("too-large"), "{answer}");
    let answer = fixture.node.get("/no/such/path");
    assert_eq!((answer.status, answer.code().as_str()), (404, "not-found"));
    for path in ["/api/v1/leaves/x", "/api/v1/records/x", "/api/v1/applications/x"] {
        assert_eq!(fixture.node.get(path).status, 400, "{path}");
    }
    for path in ["/tile/0/000", "/tile/0/001", "/tile/x", "/tile/entries/0", "/blob/00"] {
        assert_eq!(fixture.node.get(path).status, 404, "{path}");
    }
    let write = fixture.node.post("/api/v1/packs", b"{\"files\":{}}");
    assert_eq!((write.status, write.code().as_str()), (401, "unauthorized"));
}

#[test]
fn packs_that_are_not_in_order_are_refused_with_their_reasons() {
    let regulation = "services/parking-permit/regulation.yaml";
    let model = "services/parking-permit/decision.dmn";
    for (file, from, to, words) in [
        (regulation, "after: [registration]", "after: [decision]", "circle"),
        (regulation, "ru: Постановление № 7, пункт 2.4", "ru: ''", "act"),
        (model, "<text>false</text>", "<text>today() = null</text>", "today"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        copy(&workspace().join("deploy/packs/zarechny"), folder.path());
        let path = folder.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} does not contain {from:?}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let output = std::process::Command::new(letopis_tests::binary("letopis"))
            .args(["pack", "check"])
            .arg(folder.path())
            .output()
            .unwrap();
        let message = String::from_utf8_lossy(&output.stderr).to_lowercase();
        assert!(!output.status.success(), "accepted {to:?} in {file}");
        assert!(message.contains(words) && message.contains(file), "{words}: {message}");
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_second_process_on_the_same_folder_is_refused() {
    let fixture = Fixture::new();
    let output = fixture.folder.command().output().unwrap();
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("in use") || message.contains("another process"), "{message}");
    assert_eq!(fixture.node.get("/healthz").status, 200, "the first one goes on");
}
