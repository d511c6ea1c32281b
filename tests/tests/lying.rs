//! U43, K24: a node that lies, or that was restored from an old copy, is found out, and a file
//! proves it offline.
//!
//! Not here: a leader that forges another agency's record; no process of ours does that, so it is
//! shown inside the consensus crate.

use std::fs;
use std::path::Path;
use std::process::Command;

use letopis_ledger::checkpoint::{Checkpoint, Origin};
use letopis_ledger::note::{Note, NoteSigner, SignerKey};
use letopis_ledger::{Hash, TreeSize};
use letopis_tests::cluster::{Cluster, PATIENCE};
use letopis_tests::intruder::{Intruder, cosign};
use letopis_tests::node::{AGENCY, Client, NodeFolder, ORIGIN, key_file, record, signed, verify};
use letopis_tests::wait_for;

const RECORDS: &str = "/api/v1/records";

/// Appends records with this note, and waits until all of the log is published.
fn append(folder: &Path, client: &Client, versions: std::ops::Range<u64>, note: &str) -> u64 {
    let signer = letopis_tests::node::signer_in(folder, AGENCY);
    for version in versions {
        let mut id = [0; 10];
        id[0] = note.as_bytes()[0];
        id[2..].copy_from_slice(&version.to_be_bytes());
        let record = signed(record(AGENCY, id, "test/1", version, vec![], note), &signer);
        wait_for("the record to be acknowledged", PATIENCE, || {
            let answer = client.post(RECORDS, &record.to_bytes()).ok()?;
            assert!(answer.status < 400 || answer.status >= 500, "{answer:?}");
            (answer.status < 300).then_some(())
        });
    }
    published(client)
}

/// Waits until everything that a node has is published, and gives its size.
fn published(client: &Client) -> u64 {
    wait_for("publication", PATIENCE, || {
        let health = client.get("/healthz").ok()?.json();
        let size = health["published"].as_u64()?;
        (health["applied"].as_u64()? == size).then_some(size)
    })
}

/// Writes what a node serves under this path into a file.
fn save(client: &Client, path: &str, file: &Path) {
    let answer = client.get(path).expect("the node answers");
    assert_eq!(answer.status, 200, "{path}");
    fs::write(file, answer.bytes).unwrap();
}

/// The verifier finds that the log signed two heads that cannot both be true.
fn proves_a_fork(arguments: &[&str], policy: &Path) {
    let policy = policy.to_str().unwrap();
    let arguments = [&["compare"], arguments, &["--policy", policy]].concat();
    let (code, report) = verify(&arguments);
    assert_eq!(code, 1, "{report:#}");
    assert!(report.to_string().contains(ORIGIN), "{report:#}");
}

fn metric(client: &Client, name: &str) -> u64 {
    let text = String::from_utf8(client.get("/metrics").unwrap().bytes).unwrap();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

/// A head that the key in a node's folder signed.
fn false_head(folder: &Path, size: u64) -> String {
    let key = SignerKey::parse(&key_file(folder, "log.key")).unwrap();
    let origin = Origin::new(ORIGIN).unwrap();
    let text = Checkpoint::new(origin, TreeSize::new(size), Hash::of(b"another tree")).to_string();
    let signature = NoteSigner::new(&key).unwrap().sign(&text);
    Note::new(text, vec![signature]).unwrap().to_string()
}

#[test]
fn a_second_head_signed_with_the_logs_key_is_not_cosigned_and_is_proved_by_a_file() {
    let cluster = Cluster::start(3, None, Vec::new());
    let client = cluster.client(0).unwrap();
    let size = append(cluster.folder(0), &client, 0..20, "x");
    let policy = cluster.folder(0).join("policy");
    save(&client, "/policy", &policy);
    // Node 1 has the key, and asks the others with its own certificate.
    let liar = Intruder::with_keys_of(cluster.folder(0));
    let asked = [(2_u8, size), (3, size), (2, size - 5)];
    for (node, size) in asked {
        let at = usize::from(node) - 1;
        let other = cluster.client(at).unwrap();
        assert!(published(&other) >= size);
        let before = metric(&other, "letopis_contradicting_heads_total");
        let request = cosign(ORIGIN, 1, node, &false_head(cluster.folder(0), size));
        let address = cluster.network().listen(at);
        let answer = liar.call(node.into(), cluster.folder(at), address, request).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.contains(&format!("this node has size {size}")), "{answer}");
        assert_eq!(metric(&other, "letopis_contradicting_heads_total"), before + 1);
        let folder = cluster.folder(at).join("data/publish");
        let name = format!("equivocation-{size}-");
        let found = fs::read_dir(&folder).unwrap().flatten();
        let file = found
            .map(|entry| entry.path())
            .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&name));
        let file = file.unwrap_or_else(|| panic!("no {name} in {}", folder.display()));
        proves_a_fork(&[file.to_str().unwrap()], &policy);
    }
    // The log itself goes on.
    append(cluster.folder(0), &client, 20..25, "x");
    assert_eq!(verify(&["log", client.address()]).0, 0);
}

fn copy(from: &Path, to: &Path) {
    // What is there goes first: a restored folder is the old one and nothing else.
    let _ = fs::remove_dir_all(to);
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

#[test]
fn a_node_restored_from_an_old_copy_that_signs_again_is_proved_by_heads_kept_before() {
    let folder = NodeFolder::init();
    let place = tempfile::tempdir().unwrap();
    let [backup, policy, head, mirror, proof] =
        ["backup", "policy", "head", "mirror", "proof"].map(|name| place.path().join(name));
    let mut node = folder.start();
    append(&folder.path(), &node.client(), 0..10, "a");
    save(&node.client(), "/policy", &policy);
    node.process().terminate();
    copy(&folder.path(), &backup);

    let mut node = folder.start();
    append(&folder.path(), &node.client(), 10..15, "b");
    save(&node.client(), "/checkpoint", &head);
    let mirrored = verify(&["mirror", node.address(), mirror.to_str().unwrap()]);
    assert_eq!(mirrored.0, 0, "{:#}", mirrored.1);
    node.process().terminate();
    copy(&backup, &folder.path());

    // The node knows nothing of what it signed: it cannot find out by itself.
    let node = folder.start();
    append(&folder.path(), &node.client(), 10..17, "c");
    assert_eq!(verify(&["log", node.address()]).0, 0, "each of the two logs is in order");
    let [head, mirror, proof] = [&head, &mirror, &proof].map(|path| path.to_str().unwrap());
    proves_a_fork(&[head, node.address()], &policy);
    proves_a_fork(&[mirror, node.address(), "--write", proof], &policy);
    drop(node);
    proves_a_fork(&[proof], &policy);
}

#[test]
fn a_restored_folder_with_the_newest_signed_heads_does_not_start() {
    let folder = NodeFolder::init();
    let place = tempfile::tempdir().unwrap();
    let (backup, kept) = (place.path().join("backup"), place.path().join("signed"));
    let mut node = folder.start();
    append(&folder.path(), &node.client(), 0..5, "a");
    node.process().terminate();
    copy(&folder.path(), &backup);
    let mut node = folder.start();
    append(&folder.path(), &node.client(), 5..8, "b");
    node.process().terminate();
    let heads = |folder: &NodeFolder| folder.path().join("data/publish/signed");
    fs::copy(heads(&folder), &kept).unwrap();
    copy(&backup, &folder.path());
    fs::copy(&kept, heads(&folder)).unwrap();
    let output = folder.command().output().unwrap();
    assert!(!output.status.success(), "the node would have signed two heads of one size");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("publish/signed"), "{complaint}");
}

#[test]
fn a_voter_restored_from_an_old_copy_catches_up_and_signs_nothing_else() {
    let cluster = Cluster::start(3, None, Vec::new());
    let place = tempfile::tempdir().unwrap();
    let backup = place.path().join("backup");
    let client = cluster.client(0).unwrap();
    append(cluster.folder(0), &client, 0..10, "a");
    cluster.stop(2);
    copy(cluster.folder(2), &backup);
    cluster.restart(2);
    append(cluster.folder(0), &client, 10..20, "b");
    published(&cluster.client(2).unwrap());
    let before = place.path().join("before");
    save(&client, "/checkpoint", &before);
    let leader = || {
        let status = cluster.status(0).unwrap();
        (status["leader"].as_u64(), status["term"].as_u64())
    };
    let leads = leader();
    cluster.kill(2);
    copy(&backup, cluster.folder(2));
    cluster.restart(2);
    let size = append(cluster.folder(0), &client, 20..25, "c");
    let restored = cluster.client(2).unwrap();
    wait_for("the restored node to catch up", PATIENCE, || {
        let health = restored.get("/healthz").ok()?.json();
        (health["published"].as_u64()? >= size).then_some(())
    });
    // A leader that remembers what the node acknowledged says that it was forgotten.
    let reported = (0..2).map(|node| cluster.client(node).unwrap());
    let reported: u64 = reported.map(|node| metric(&node, "letopis_peer_reverted_total")).sum();
    let remembers = leads == leader() && leads.0 != Some(3);
    assert!(reported > 0 || !remembers, "nobody noticed that node 3 forgot");
    // What the restored node serves extends what everybody signed before.
    let (code, report) = verify(&["compare", before.to_str().unwrap(), restored.address()]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(verify(&["log", restored.address()]).0, 0);
    assert_eq!(metric(&restored, "letopis_contradicting_heads_total"), 0);
}

#[test]
fn a_rewritten_leaf_is_found_by_the_node_and_by_whoever_reads_it() {
    let folder = NodeFolder::init();
    let place = tempfile::tempdir().unwrap();
    let mirror = place.path().join("mirror");
    let mut node = folder.start();
    append(&folder.path(), &node.client(), 0..30, "honest");
    assert_eq!(verify(&["mirror", node.address(), mirror.to_str().unwrap()]).0, 0);
    node.process().terminate();
    // The same length and still JSON: only the hashes tell.
    let rewrite = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        let at = bytes.windows(6).rposition(|window| window == b"honest")?;
        bytes[at..at + 6].copy_from_slice(b"bought");
        fs::write(path, bytes).unwrap();
        Some(())
    };
    let rewritten = letopis_tests::node::listing(&folder.path().join("data/segments"));
    let segment = rewritten.iter().map(|line| line.rsplit_once(' ').unwrap().0);
    assert!(segment.filter_map(|path| rewrite(Path::new(path))).count() > 0);
    let output = folder.command().output().unwrap();
    assert!(!output.status.success(), "the node started on a rewritten leaf");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("leaf 31"), "{complaint}");
    // A node that serves the rewritten leaf all the same meets the verifier.
    let files = letopis_tests::node::listing(&mirror.join("tile/entries"));
    let bundles = files.iter().map(|line| line.rsplit_once(' ').unwrap().0);
    assert!(bundles.filter_map(|path| rewrite(Path::new(path))).count() > 0);
    let (code, report) = verify(&["log", mirror.to_str().unwrap()]);
    assert_eq!(code, 1, "{report:#}");
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.iter().any(|finding| finding["leaf"] == 31), "{report:#}");
}
