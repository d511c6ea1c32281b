//! A whole node over a temporary folder: append, publish, restart, refuse, fail, crash.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use letopis_ledger::cosignature::CosignatureSigner;
use letopis_ledger::hash::leaf_hash;
use letopis_ledger::key::AuthorSignature;
use letopis_ledger::leaf::Leaf;
use letopis_ledger::note::SignatureType;
use letopis_ledger::policy::Policy;
use letopis_ledger::record::SignedRecord;
use letopis_ledger::tile::{BundlePath, TileIndex, TileLevel, TilePath, TileWidth};
use letopis_ledger::{LeafIndex, TreeSize};
use tempfile::TempDir;

use super::*;
use crate::config::SigningKeys;
use crate::crash::{CrashHook, CrashPoint};
use crate::ledger::PublishedCheckpoint;
use crate::ledger::{AppendError, TlogProofError};
use crate::machine::Reject;
use crate::machine::test_records::*;
use crate::store::StoreOpenError;

fn keys() -> SigningKeys {
    let log = note_key(ORIGIN, SignatureType::Ed25519, 11);
    let post_quantum = note_key(ORIGIN, SignatureType::MlDsa44Cosignature, 13);
    let node = note_key("node.example.org", SignatureType::Ed25519Cosignature, 12);
    SigningKeys {
        log: vec![log],
        keep_log: None,
        reload_log: None,
        log_post_quantum: Some(Arc::new(CosignatureSigner::new(&post_quantum).unwrap())),
        cosigner: Some(Arc::new(CosignatureSigner::new(&node).unwrap())),
    }
}

fn config(directory: &Path) -> NodeConfig {
    let mut config = NodeConfig::new(directory.to_owned(), origin(), keys());
    config.intervals.publish = Duration::from_millis(5);
    config
}

async fn begun(config: NodeConfig) -> Node {
    let node = Node::open(config).await.unwrap();
    node.ledger().append(genesis()).await.unwrap();
    node
}

fn case(number: u64) -> SignedRecord {
    founder().record(number, vec![event(&format!("case/{number}"), 0)], vec![])
}

async fn published(ledger: &LedgerHandle, size: u64) -> PublishedCheckpoint {
    let mut checkpoints = ledger.subscribe_checkpoint();
    let reached = checkpoints
        .wait_for(|known| known.as_ref().is_some_and(|known| known.size >= TreeSize::new(size)));
    let reached = tokio::time::timeout(Duration::from_secs(20), reached).await;
    reached.expect("published in time").unwrap().clone().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_appended_record_is_published_with_a_proof_that_holds() {
    let directory = tempfile::tempdir().unwrap();
    let node = begun(config(directory.path())).await;
    let ledger = node.ledger();
    let mut receipts = Vec::new();
    for number in 1..300 {
        receipts.push(ledger.append(case(number)).await.unwrap());
    }
    let checkpoint = published(&ledger, 300).await;
    let policy = Policy::parse(&ledger.policy().unwrap().unwrap()).unwrap();
    let verified = policy.check(&checkpoint.note).unwrap();
    assert_eq!(verified.checkpoint().size(), TreeSize::new(300));
    assert_eq!(checkpoint.note.signatures().len(), 3);
    for receipt in &receipts {
        let leaf = ledger.leaf(receipt.leaf_index).unwrap().unwrap();
        assert_eq!(leaf_hash(&leaf), receipt.leaf_hash);
        assert_eq!(Leaf::parse(&leaf).unwrap().time(), receipt.time);
        let proof = ledger.tlog_proof(receipt.leaf_index).unwrap();
        proof.verify(&receipt.leaf_hash, &policy).unwrap();
    }
    let positions = ledger.positions();
    assert!(positions.published <= positions.cosigned && positions.cosigned <= positions.signed);
    assert!(positions.signed <= positions.agreed && positions.agreed <= positions.applied);
    assert!(positions.committed_entry <= positions.last_entry);
    node.shutdown().await.unwrap();
    assert!(matches!(ledger.leaf(LeafIndex::ZERO), Err(crate::ReadError::Stopped { .. })));
    assert!(matches!(ledger.append(case(900)).await, Err(AppendError::Stopped { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_beyond_the_published_tree_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.intervals.publish = Duration::from_secs(3_600);
    let node = Node::open(config).await.unwrap();
    let ledger = node.ledger();
    ledger.append(genesis()).await.unwrap();
    let at = |index, width| (TileIndex::new(index), TileWidth::new(width).unwrap());
    let tile = |(index, width)| TilePath { level: TileLevel::ZERO, index, width };
    let bundle = |(index, width)| BundlePath { index, width };
    for number in 1..20 {
        ledger.append(case(number)).await.unwrap();
    }
    assert!(ledger.tile(tile(at(0, 20))).unwrap().is_none());
    assert!(ledger.entry_bundle(bundle(at(0, 20))).unwrap().is_none());
    let leaf = LeafIndex::new(19);
    let not_published = TlogProofError::NotPublished { leaf, published: TreeSize::ZERO };
    assert_eq!(ledger.tlog_proof(leaf), Err(not_published));
    assert!(ledger.inclusion_proof(leaf, TreeSize::new(20)).is_ok());
    assert!(ledger.inclusion_proof(leaf, TreeSize::new(21)).is_err());
    node.shutdown().await.unwrap();

    // Stopping publishes what is applied; any width up to it is served from then.
    let node = Node::open(super::test::config(directory.path())).await.unwrap();
    let ledger = node.ledger();
    assert_eq!(ledger.checkpoint().unwrap().size, TreeSize::new(20));
    for width in 1..=20 {
        let hashes = ledger.tile(tile(at(0, width))).unwrap().unwrap();
        assert_eq!(hashes.len(), 32 * usize::from(width));
        assert!(ledger.entry_bundle(bundle(at(0, width))).unwrap().is_some());
    }
    assert!(ledger.entry_bundle(bundle(at(0, 21))).unwrap().is_none());
    assert!(ledger.entry_bundle(bundle(at(u64::MAX, 1))).unwrap().is_none());
    assert!(ledger.tile(tile(at(u64::MAX, 1))).unwrap().is_none());
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_typed_and_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let node = begun(config(directory.path())).await;
    let ledger = node.ledger();
    let first = ledger.append(case(1)).await.unwrap();
    let again = ledger.append(case(1)).await.unwrap();
    assert_eq!(again, Receipt { duplicate: true, ..first });
    let reused = founder().record(1, vec![event("case/1", 1)], vec![]);
    let answer = ledger.append(reused).await;
    assert!(
        matches!(answer, Err(AppendError::Rejected(r)) if matches!(*r, Reject::IdReused { .. }))
    );

    let record = case(2);
    let forged = vec![(record.signatures()[0].0, AuthorSignature::from_bytes([7; 64]))];
    let forged = SignedRecord::from_parts(record.record().clone(), forged).unwrap();
    assert!(matches!(ledger.append(forged).await, Err(AppendError::BadSignature(_))));

    let stranger = Author::new("stranger", 9).record(3, vec![event("case/3", 0)], vec![]);
    let answer = ledger.append(stranger).await;
    assert!(
        matches!(answer, Err(AppendError::Rejected(r)) if matches!(*r, Reject::UnknownKey { .. }))
    );
    assert_eq!(ledger.applied(), TreeSize::new(2));
    assert_eq!(ledger.record(record_id(1)).unwrap().unwrap().leaf_index, LeafIndex::new(1));
    assert_eq!(ledger.record(record_id(2)).unwrap(), None);
    assert_eq!(ledger.stream(&stream("case/1")).unwrap().unwrap().length.get(), 1);
    let hash = ledger.put_blob(b"pack".to_vec()).await.unwrap();
    assert_eq!(ledger.blob(&hash).unwrap(), Some(b"pack".to_vec()));
    node.shutdown().await.unwrap();
}

use crate::machine::Receipt;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_answers_busy() {
    struct Gate(Mutex<bool>, Condvar);
    let gate = Arc::new(Gate(Mutex::new(true), Condvar::new()));
    let set = |open: bool| {
        *gate.0.lock().unwrap() = open;
        gate.1.notify_all();
    };
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.limits.queue_records = 1;
    config.limits.entries_in_flight = 1;
    let shared = Arc::clone(&gate);
    config.crash_hook = CrashHook::new(move |point| {
        if point == CrashPoint::RaftLogWriting {
            let open = shared.0.lock().unwrap();
            drop(shared.1.wait_while(open, |open| !*open).unwrap());
        }
    });
    let node = begun(config).await;
    let ledger = node.ledger();
    published(&ledger, 1).await;
    set(false);
    // One in flight, one waiting for a place, one in the queue: the fourth or fifth finds it full.
    let mut waiting = tokio::task::JoinSet::new();
    for number in 1..10 {
        let ledger = ledger.clone();
        waiting.spawn(async move { ledger.append(case(number)).await });
    }
    let busy = tokio::time::timeout(Duration::from_secs(20), waiting.join_next()).await;
    let busy = busy.unwrap().unwrap().unwrap();
    assert_eq!(busy, Err(AppendError::Busy { queue_records: 1 }));
    set(true);
    let mut appended = 0;
    while let Some(answer) = waiting.join_next().await {
        appended += usize::from(answer.unwrap().is_ok());
    }
    assert!(appended > 0);
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_share_entries_and_everything_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = config(directory.path());
    settings.limits.raft_log_keep_entries = 2;
    let node = begun(settings).await;
    let ledger = node.ledger();
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..64_u64 {
        let ledger = ledger.clone();
        clients.spawn(async move {
            let mut receipts = Vec::new();
            for number in 0..20 {
                receipts.push(ledger.append(case(1 + client * 20 + number)).await.unwrap());
            }
            receipts
        });
    }
    let receipts: Vec<Receipt> = clients.join_all().await.into_iter().flatten().collect();
    assert_eq!(ledger.applied(), TreeSize::new(1 + 64 * 20));
    let before = ledger.positions();
    node.shutdown().await.unwrap();

    for _ in 0..2 {
        let node = Node::open(config(directory.path())).await.unwrap();
        let ledger = node.ledger();
        for receipt in &receipts {
            let known = ledger.record(receipt.record_id).unwrap();
            assert_eq!(known, Some(Receipt { duplicate: true, ..*receipt }));
        }
        assert!(ledger.positions().published >= before.published);
        assert_eq!(ledger.checkpoint().unwrap().size, ledger.applied());
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_on_the_same_folder_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let node = begun(config(directory.path())).await;
    let second = Node::open(config(directory.path())).await;
    assert!(matches!(second, Err(OpenError::Store(StoreOpenError::Locked { .. }))));
    node.shutdown().await.unwrap();
    Node::open(config(directory.path())).await.unwrap().shutdown().await.unwrap();
}

async fn closed(leaves: u64) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let node = begun(config(directory.path())).await;
    for number in 1..leaves {
        node.ledger().append(case(number)).await.unwrap();
    }
    node.shutdown().await.unwrap();
    directory
}

async fn refusal(directory: &Path) -> OpenError {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let refused = Node::open(config(directory)).await;
        let refused = refused.expect_err("the node must refuse to start");
        // A child process that another test starts holds every open file until it executes its
        // program, the lock of a folder just closed among them.
        let held = matches!(refused, OpenError::Store(StoreOpenError::Locked { .. }));
        if !held || Instant::now() > deadline {
            return refused;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_put_together_from_different_times_is_refused() {
    let directory = closed(3).await;
    let older = tempfile::tempdir().unwrap();
    let copy = |from: &Path, to: &Path| {
        let status = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status();
        assert!(status.unwrap().success());
    };
    copy(directory.path(), older.path());
    let node = Node::open(config(directory.path())).await.unwrap();
    for number in 10..20 {
        node.ledger().append(case(number)).await.unwrap();
    }
    node.shutdown().await.unwrap();

    // Everything older but the signed heads: going on would sign two roots for one size.
    fs::copy(directory.path().join("publish/signed"), older.path().join("publish/signed")).unwrap();
    let refused = refusal(older.path()).await;
    let OpenError::Store(StoreOpenError::Damaged(crate::Damage::LeafMissing { leaf, .. })) =
        refused
    else {
        panic!("refused for another reason: {refused}");
    };
    assert_eq!(leaf, LeafIndex::new(3));

    // The Raft log is gone, or older than the store.
    fs::remove_dir_all(directory.path().join("raft")).unwrap();
    let refused = refusal(directory.path()).await;
    assert!(matches!(refused, OpenError::RaftLogBehind { last: None, .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_published_file_is_refused() {
    let directory = closed(3).await;
    let signed = directory.path().join("publish/signed");
    let text = fs::read_to_string(&signed).unwrap();
    fs::write(&signed, text.replace("log 3", "log 03")).unwrap();
    assert!(matches!(refusal(directory.path()).await, OpenError::SignedHeads(_)));
    fs::write(&signed, &text).unwrap();
    let checkpoint = directory.path().join("publish/checkpoint");
    let note = fs::read_to_string(&checkpoint).unwrap();
    fs::write(&checkpoint, note.replacen("\n3\n", "\n2\n", 1)).unwrap();
    assert!(matches!(refusal(directory.path()).await, OpenError::Checkpoint { .. }));
    fs::write(&checkpoint, &note).unwrap();
    let other_root = text.lines().next().unwrap().to_owned()
        + "\nlog 3 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    fs::write(&signed, other_root).unwrap();
    assert!(matches!(refusal(directory.path()).await, OpenError::SignedHeadDiffers { .. }));
    fs::write(&signed, &text).unwrap();
    Node::open(config(directory.path())).await.unwrap().shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_raft_log_file_is_refused() {
    let directory = closed(50).await;
    let raft = directory.path().join("raft");
    let is_wal = |path: &Path| path.extension().is_some_and(|extension| extension == "log");
    let files = fs::read_dir(&raft).unwrap().map(|entry| entry.unwrap().path());
    let wal =
        files.filter(|path| is_wal(path)).max_by_key(|path| fs::metadata(path).unwrap().len());
    let wal = wal.unwrap();
    let mut bytes = fs::read(&wal).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&wal, bytes).unwrap();
    let refused = refusal(directory.path()).await;
    assert!(
        matches!(refused, OpenError::RaftLog { durable, .. } if durable.get() == 50),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_leaf_keeps_the_node_from_starting() {
    let directory = closed(50).await;
    let segment = directory.path().join("segments/00000000000000000000.seg");
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(9).position(|window| window == b"\"case/17\"").unwrap();
    bytes[at + 6] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let refused = refusal(directory.path()).await;
    let OpenError::Store(StoreOpenError::Damaged(crate::Damage::LeafAltered { leaf, .. })) =
        refused
    else {
        panic!("refused for another reason: {refused}");
    };
    assert_eq!(leaf, LeafIndex::new(17));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_name_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    let other = note_key("other.example.org/log", SignatureType::Ed25519, 11);
    config.keys.log = vec![other];
    assert!(matches!(Node::open(config).await, Err(OpenError::LogKey { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_quorum_nothing_is_published_and_appends_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.keys.cosigner = None;
    let node = begun(config).await;
    let ledger = node.ledger();
    let signed = async {
        while ledger.positions().signed < TreeSize::new(1) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), signed).await.unwrap();
    ledger.append(case(1)).await.unwrap();
    assert_eq!(ledger.checkpoint(), None);
    assert!(!directory.path().join("publish/checkpoint").exists());
    node.shutdown().await.unwrap();
}

const CHILD_FOLDER: &str = "LETOPIS_TEST_FOLDER";
const CHILD_POINT: &str = "LETOPIS_TEST_POINT";
const CHILD_FIRST: &str = "LETOPIS_TEST_FIRST";

/// Not a test by itself: what `a_crash_at_any_point…` runs in another process.
#[test]
#[ignore = "run by another test in a process of its own"]
fn child_that_crashes() {
    let variable = |name| std::env::var(name).expect("the parent test sets it");
    let point = CrashPoint::parse(&variable(CHILD_POINT)).unwrap();
    let first: u64 = variable(CHILD_FIRST).parse().unwrap();
    let armed = Arc::new(AtomicBool::new(false));
    let mut settings = config(Path::new(&variable(CHILD_FOLDER)));
    settings.intervals.checkpoint_bytes = 1;
    settings.limits.raft_log_keep_entries = 8;
    let hook = Arc::clone(&armed);
    settings.crash_hook = CrashHook::new(move |passed| {
        if passed == point && hook.load(Ordering::SeqCst) {
            std::process::abort();
        }
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let node = Node::open(settings).await.unwrap();
        let ledger = node.ledger();
        ledger.append(genesis()).await.unwrap();
        for number in first.. {
            if number == first + 20 {
                armed.store(true, Ordering::SeqCst);
            }
            let receipt = ledger.append(case(number)).await.unwrap();
            println!("acknowledged {number} {} {}", receipt.leaf_index, receipt.leaf_hash);
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_point_loses_nothing_acknowledged_and_signs_no_size_twice() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    let mut last_published: Option<PublishedCheckpoint> = None;
    for (round, point) in CrashPoint::ALL.into_iter().enumerate() {
        let first = 1 + round as u64 * 100_000;
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "node::test::child_that_crashes", "--ignored", "--nocapture"])
            .env(CHILD_FOLDER, directory.path())
            .env(CHILD_POINT, point.name())
            .env(CHILD_FIRST, first.to_string())
            .output()
            .unwrap();
        assert!(!child.status.success(), "{point}: the child must crash");
        let output = String::from_utf8_lossy(&child.stdout).into_owned();
        let before = acknowledged.len();
        acknowledged.extend(output.lines().filter_map(|line| {
            let mut words = line.rsplit("acknowledged ").next()?.split(' ');
            let number: u64 = words.next()?.parse().ok()?;
            let leaf: u64 = words.next()?.parse().ok()?;
            Some((number, leaf, words.next()?.to_owned()))
        }));
        assert!(acknowledged.len() >= before + 20, "{point}: {output}");

        let node = Node::open(config(directory.path())).await.unwrap_or_else(|e| {
            panic!("after a crash at {point}: {e}");
        });
        let ledger = node.ledger();
        for (number, leaf, hash) in &acknowledged {
            let known = ledger.record(record_id(*number)).unwrap().expect("acknowledged");
            assert_eq!((known.leaf_index.get(), &known.leaf_hash.to_string()), (*leaf, hash));
        }
        let now = published(&ledger, ledger.applied().get()).await;
        if let Some(last) = &last_published {
            let proof = ledger.consistency_proof(last.size, now.size).unwrap();
            proof.verify(&last.root, &now.root).unwrap();
        }
        last_published = Some(now);
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_the_node_and_loses_nothing_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str]| {
        let status = Command::new(arguments[0]).args(&arguments[1..]).status();
        status.is_ok_and(|status| status.success())
    };
    let path = directory.path().to_str().unwrap();
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", path]) {
        println!("SKIPPED: this machine does not let the test mount a small file system");
        return;
    }
    let folder = directory.path().join("node");
    let node = begun(config(&folder)).await;
    let ledger = node.ledger();
    let mut acknowledged = Vec::new();
    let text = "x".repeat(30_000);
    for number in 1.. {
        let event = event_with(&format!("case/{number}"), 0, "text", &text);
        match ledger.append(founder().record(number, vec![event], vec![])).await {
            Ok(receipt) => acknowledged.push(receipt),
            Err(AppendError::Stopped { .. }) => break,
            Err(other) => panic!("not typed as it should be: {other}"),
        }
    }
    assert!(!acknowledged.is_empty());
    let failed = tokio::time::timeout(Duration::from_secs(20), node.failed()).await.unwrap();
    assert!(matches!(failed, Fatal::RaftLog { .. } | Fatal::Store { .. }), "{failed}");
    assert!(matches!(ledger.leaf(LeafIndex::ZERO), Err(crate::ReadError::Stopped { .. })));
    assert_eq!(node.shutdown().await, Err(failed));
    drop(ledger);

    assert!(mount(&["mount", "-o", "remount,size=200m", path]));
    let node = Node::open(config(&folder)).await.unwrap();
    for receipt in &acknowledged {
        let known = node.ledger().record(receipt.record_id).unwrap();
        assert_eq!(known, Some(Receipt { duplicate: true, ..*receipt }));
    }
    node.shutdown().await.unwrap();
    assert!(mount(&["umount", path]));
}
