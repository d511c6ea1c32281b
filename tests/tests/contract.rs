//! What the OpenAPI document promises and a hostile stranger tries: every answer has a documented
//! status and media type, every refusal is a problem with a stable code, and nothing is lost.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use letopis_tests::node::{NodeFolder, RunningNode};
use serde_json::{Value, json};

const SUBMIT: &str = "/api/v1/services/parking-permit/applications";
const VEHICLES: &str = "/api/v1/registries/vehicle/entries";
const PROBLEM: &str = "application/problem+json";

struct Fixture {
    // Before the folder, so that the process ends before its files go.
    node: RunningNode,
    folder: NodeFolder,
}

/// An answer as it came over the wire.
#[derive(Debug)]
struct Wire {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Wire {
    fn media_type(&self) -> &str {
        let header = self.head.lines().find_map(|line| line.strip_prefix("content-type: "));
        header.and_then(|value| value.split(';').next()).unwrap_or_default()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Status and code of a problem.
    fn problem(&self) -> (u16, String) {
        assert_eq!(self.media_type(), PROBLEM, "{self:?}");
        assert!(self.head.contains("letopis-position: "), "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], self.status, "{body}");
        (self.status, body["code"].as_str().expect("a problem has a code").to_owned())
    }
}

impl Fixture {
    fn new() -> Self {
        let folder = NodeFolder::init();
        let node = folder.start();
        folder.publish_pack(&node);
        Self { node, folder }
    }

    /// Sends bytes that an HTTP library would not, on a connection of its own.
    fn send(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Wire {
        let address = self.node.address().strip_prefix("http://").unwrap();
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        for header in headers {
            request += &format!("{header}\r\n");
        }
        request += &format!("content-length: {}\r\n\r\n", body.len());
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(&[request.as_bytes(), body].concat()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Wire { status, head, body: answer[end + 4..].to_vec() }
    }

    fn get(&self, path: &str) -> Wire {
        self.send("GET", path, &[], b"")
    }

    fn post(&self, path: &str, headers: &[&str], body: &[u8]) -> Wire {
        self.send("POST", path, &[&["content-type: application/json"], headers].concat(), body)
    }

    fn bearer(&self) -> String {
        format!("authorization: Bearer {}", self.folder.operator_token())
    }

    fn applied(&self) -> u64 {
        self.get("/healthz").json()["applied"].as_u64().unwrap()
    }
}

fn form() -> Value {
    json!({ "form": {
        "applicant": { "surname": "Соколова", "given_name": "Анна", "snils": "112-233-445 95" },
        "plate": "а123вс92", "dwelling": "0c5b2444-70a0-4932-980c-b4dc0d3f02b5", "zone": "Z1",
        "validity_years": 2,
    } })
}

/// Whether an answer has a status and a media type that the document names for an operation.
fn assert_documented(operation: &Value, what: &str, answer: &Wire) {
    let response = &operation["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{what}: status {} is not documented", answer.status);
    let types = response["content"].as_object().unwrap_or_else(|| panic!("{what}: no content"));
    assert!(types.contains_key(answer.media_type()), "{what}: {answer:?}");
    if answer.status >= 400 {
        answer.problem();
    }
    assert!(answer.status < 500, "{what}: {answer:?}");
}

#[test]
fn every_operation_of_the_document_answers_good_and_garbage_as_documented() {
    let fixture = Fixture::new();
    let case = fixture.post(SUBMIT, &[], form().to_string().as_bytes()).json();
    let case = case["id"].as_str().unwrap();
    let long = "a".repeat(3000);
    let good = ["0", case, "parking-permit", "vehicle", "parking_permit"];
    let garbage = ["%ff%fe", "%00", "%zz", "-1", "%D0%B4%D0%B5%D0%BB%D0%BE", "..%2f..", &long];
    let bodies: [&[u8]; 8] =
        [b"", b"{", b"[]", b"null", b"\xff", b"{}", b"{\"x\":1}", b"{\"form\":{},\"files\":{}}"];
    let bearer = fixture.bearer();
    let document = fixture.get("/openapi.json").json();
    let mut operation_count = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operation_count += 1;
            let method = method.to_uppercase();
            for value in good.iter().chain(&garbage) {
                let filled: String = path
                    .split('/')
                    .map(|part| if part.starts_with('{') { value } else { part })
                    .collect::<Vec<_>>()
                    .join("/");
                for body in if method == "POST" { &bodies[..] } else { &bodies[..1] } {
                    for token in [&[][..], &[bearer.as_str()][..]] {
                        // A value may make another path: then the operation was not asked.
                        let headers = [&["content-type: application/json"], token].concat();
                        let answer = fixture.send(&method, &filled, &headers, body);
                        assert_documented(operation, &format!("{method} {filled}"), &answer);
                    }
                }
                let answer = fixture.send(&method, &format!("{filled}?surplus=1"), &[], b"");
                assert_documented(operation, &format!("{method} {filled}?surplus=1"), &answer);
                assert!(answer.status >= 400, "{filled}?surplus=1 was accepted");
            }
        }
    }
    assert!(operation_count > 20, "{operation_count}");
}

#[test]
fn the_document_declares_who_may_do_what_and_how_errors_look() {
    let fixture = Fixture::new();
    let document = fixture.get("/openapi.json").json();
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    let declared: BTreeSet<&String> = schemes.keys().collect();
    let mut used = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let (name, place) = (&parameter["name"], &parameter["in"]);
                let in_path = path.contains(&format!("{{{}}}", name.as_str().unwrap()));
                assert_eq!(place == "path", in_path, "{path} {name}");
            }
            let needs = operation["security"].as_array().into_iter().flatten();
            let needs: Vec<_> = needs.flat_map(|need| need.as_object().unwrap().keys()).collect();
            let refusal = operation["responses"].get("401").is_some();
            assert_eq!(refusal, !needs.is_empty(), "{path}");
            used.extend(needs);
        }
    }
    assert_eq!(declared, used);
}

#[test]
fn whatever_cannot_be_read_is_refused_by_name_and_changes_nothing() {
    let fixture = Fixture::new();
    let bearer = fixture.bearer();
    let before = fixture.applied();
    let text = form().to_string();
    let twice = text.replace("\"zone\":\"Z1\"", "\"zone\":\"Z1\",\"zone\":\"Z2\"");
    let null_byte = text.replace("Соколова", "Соко\\u0000лова");
    let deep = format!("{{\"form\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for body in [twice.as_str(), &null_byte, &deep, "[\"portal\",{}]", "{\"form\":1e400}"] {
        let answer = fixture.post(SUBMIT, &[], body.as_bytes());
        assert_eq!(answer.problem(), (400, "bad-request".to_owned()));
    }
    let key = format!("idempotency-key: {}", "k".repeat(10_240));
    for keys in [&[key.as_str()][..], &["idempotency-key:"], &["idempotency-key: ключ"]] {
        let answer = fixture.post(SUBMIT, keys, text.as_bytes());
        assert_eq!(answer.problem(), (400, "idempotency-key-malformed".to_owned()));
    }
    let plain = fixture.send("POST", SUBMIT, &["content-type: text/plain"], text.as_bytes());
    assert_eq!(plain.problem(), (415, "unsupported-media-type".to_owned()));
    let long = fixture.get(&format!("/{}", "a".repeat(60_000)));
    assert_eq!(long.problem(), (414, "uri-too-long".to_owned()));
    // Also where another route would have been possible.
    let other = fixture.send("DELETE", "/api/v1/imports/xes", &[], b"");
    assert_eq!(other.problem(), (405, "method-not-allowed".to_owned()));
    assert!(other.head.contains("allow: POST"), "{other:?}");

    let row = json!({ "plate": "А123ВС92", "owner_snils": "112-233-445 95" });
    let enter = |number: &str, rows: &Value| {
        let body = json!({
            "document_number": number, "document_date": "2026-01-12", "rows": rows,
        });
        fixture.post(VEHICLES, &[&bearer], body.to_string().as_bytes()).problem()
    };
    // Not in normalisation form C; no number; no row; two rows that exclude each other.
    assert_eq!(enter("и\u{306}", &json!([row])), (400, "bad-request".to_owned()));
    assert_eq!(enter("", &json!([row])), (400, "bad-request".to_owned()));
    assert_eq!(enter("1", &json!([])), (400, "bad-request".to_owned()));
    assert_eq!(enter("1", &json!([row, row])), (422, "rule-broken".to_owned()));
    assert_eq!(fixture.applied(), before, "the log grew");
}

#[test]
fn an_application_sent_many_times_at_once_with_one_key_is_one_case() {
    let fixture = Fixture::new();
    let body = form().to_string();
    let answers: Vec<Value> = thread::scope(|scope| {
        let send = || fixture.post(SUBMIT, &["idempotency-key: once"], body.as_bytes()).json();
        let sent: Vec<_> = (0..16).map(|_| scope.spawn(send)).collect();
        sent.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let ids: BTreeSet<&str> = answers.iter().map(|answer| answer["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer["repeated"] == false).count(), 1);
}

#[test]
fn the_token_of_one_case_does_not_open_another() {
    let fixture = Fixture::new();
    let submit = || fixture.post(SUBMIT, &[], form().to_string().as_bytes()).json();
    let (mine, other) = (submit(), submit());
    let path =
        |case: &Value| format!("/api/v1/applications/{}/private", case["id"].as_str().unwrap());
    let bearer = format!("authorization: Bearer {}", mine["token"].as_str().unwrap());
    let ask = |path: &str, headers: &[&str]| fixture.send("GET", path, headers, b"");
    let own = ask(&path(&mine), &[&bearer]);
    assert_eq!(own.status, 200);
    assert!(own.head.contains("cache-control: no-store"), "{own:?}");
    let refused = (401, "unauthorized".to_owned());
    assert_eq!(ask(&path(&other), &[&bearer]).problem(), refused);
    assert_eq!(ask(&path(&mine), &[&fixture.bearer()]).problem(), refused);
    // Two tokens: which one counts would be a guess.
    assert_eq!(ask(&path(&mine), &[&bearer, "authorization: Bearer x"]).problem(), refused);
}
