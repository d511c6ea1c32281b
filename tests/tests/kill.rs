//! U29, M5: a node that is killed at any moment loses nothing that it acknowledged and never signs
//! two roots for one size.
//!
//! The process is killed (SIGKILL) at random points under load, 200 times and more. What was
//! acknowledged is compared with what a fresh reader finds; every head ever published is compared
//! with the final log. `LETOPIS_KILL_SEED` replays the same random choices; `LETOPIS_KILLS` asks
//! for another number.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::hash::leaf_hash;
use letopis_ledger::key::AuthorSigner;
use letopis_ledger::note::Note;
use letopis_ledger::record::SignedRecord;
use letopis_ledger::tree::Frontier;
use letopis_ledger::{Hash, TreeSize};
use letopis_tests::node::{AGENCY, Client, NodeFolder, RunningNode, record, signed, verify};
use letopis_tests::random::Random;
use letopis_tests::wait_for;

const WRITERS: u64 = 4;

/// What the outside world has seen of the log.
#[derive(Default)]
struct Seen {
    /// Leaf and leaf hash of every acknowledged record, by record.
    acknowledged: Mutex<BTreeMap<String, (u64, String)>>,
    /// Every published head, by size.
    heads: Mutex<BTreeMap<u64, Hash>>,
}

/// One client: its own stream, one record after another, the same bytes again until acknowledged.
struct Writer {
    number: u64,
    version: u64,
}

#[test]
fn nothing_acknowledged_is_lost_over_200_kills_and_no_size_has_two_roots() {
    let kills: u64 = number("LETOPIS_KILLS").unwrap_or(200);
    let seed = number("LETOPIS_KILL_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("{kills} kills, LETOPIS_KILL_SEED={seed}");
    let mut random = Random::new(seed);
    let folder = NodeFolder::init();
    let signer = folder.signer(AGENCY);
    let seen = Seen::default();
    let mut writers: Vec<Writer> =
        (0..WRITERS).map(|number| Writer { number, version: 0 }).collect();
    for _ in 0..kills {
        let mut node = start(&folder);
        // From the first instants after the start to well within steady load.
        let life = Duration::from_micros(random.below(80_000));
        run_until_killed(&mut node, &mut writers, &signer, &seen, life);
    }
    let node = start(&folder);
    let acknowledged = seen.acknowledged.into_inner().expect("no writer panicked");
    let heads = seen.heads.into_inner().expect("no reader panicked");
    assert!(acknowledged.len() as u64 > kills, "too little load: {}", acknowledged.len());
    assert!(heads.len() as u64 > kills / 4, "too few heads were seen: {}", heads.len());
    check_final_log(&node, &acknowledged, &heads);
}

/// Starts the node so that it publishes heads all the time, and is killed while it does.
fn start(folder: &NodeFolder) -> RunningNode {
    RunningNode::start(folder.command().env("LETOPIS_NODE_PUBLICATION__INTERVAL_MS", "5"))
}

fn run_until_killed(
    node: &mut RunningNode,
    writers: &mut [Writer],
    signer: &AuthorSigner,
    seen: &Seen,
    life: Duration,
) {
    let killed = AtomicBool::new(false);
    thread::scope(|scope| {
        let watched = node.client();
        let killed = &killed;
        scope.spawn(move || watch_heads(&watched, seen, killed));
        for writer in writers {
            let client = node.client();
            scope.spawn(move || writer.write(&client, signer, seen, killed));
        }
        let end = Instant::now() + life;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            thread::park_timeout(left);
        }
        killed.store(true, Ordering::SeqCst);
        node.kill();
    });
}

impl Writer {
    fn write(&mut self, client: &Client, signer: &AuthorSigner, seen: &Seen, killed: &AtomicBool) {
        while !killed.load(Ordering::SeqCst) {
            let record = self.next_record(signer);
            let Ok(answer) = client.post("/api/v1/records", &record.to_bytes()) else { return };
            if answer.status == 503 {
                continue;
            }
            assert!(
                matches!(answer.status, 200 | 201),
                "{}",
                String::from_utf8_lossy(&answer.bytes)
            );
            let receipt = answer.json();
            let leaf = receipt["leaf"].as_u64().expect("a receipt names its leaf");
            let hash = receipt["leaf_hash"].as_str().expect("a receipt names its hash").to_owned();
            let id = record.record().id().to_string();
            let mut acknowledged = seen.acknowledged.lock().expect("no writer panicked");
            assert!(acknowledged.insert(id, (leaf, hash)).is_none(), "acknowledged twice");
            self.version += 1;
        }
    }

    /// The next record of this writer; the same one until it is acknowledged.
    fn next_record(&self, signer: &AuthorSigner) -> SignedRecord {
        let mut id = [0; 10];
        id[1] = u8::try_from(self.number).expect("few writers");
        id[2..].copy_from_slice(&self.version.to_be_bytes());
        let stream = format!("test/{}", self.number);
        signed(record(AGENCY, id, &stream, self.version, vec![], "под нагрузкой"), signer)
    }
}

fn watch_heads(client: &Client, seen: &Seen, killed: &AtomicBool) {
    while !killed.load(Ordering::SeqCst) {
        let Ok(answer) = client.get("/checkpoint") else { return };
        if answer.status != 200 {
            continue;
        }
        let text = String::from_utf8(answer.bytes).expect("a head is text");
        let note = Note::parse(&text).expect("a head is a note");
        let head = Checkpoint::parse(note.text()).expect("a head is a checkpoint");
        let mut heads = seen.heads.lock().expect("no reader panicked");
        let known = heads.entry(head.size().get()).or_insert(*head.root());
        assert_eq!(known, head.root(), "two roots for size {}", head.size());
    }
}

fn check_final_log(
    node: &RunningNode,
    acknowledged: &BTreeMap<String, (u64, String)>,
    heads: &BTreeMap<u64, Hash>,
) {
    let last = acknowledged.values().map(|(leaf, _)| *leaf).max().expect("records were written");
    let published = AtomicU64::new(0);
    wait_for("the last record to be published", Duration::from_secs(30), || {
        let size = node.get("/healthz").json()["published"].as_u64()?;
        published.store(size, Ordering::SeqCst);
        (size > last).then_some(())
    });
    let (code, report) = verify(&["log", node.address()]);
    assert_eq!(code, 0, "{report:#}");
    let size = published.load(Ordering::SeqCst);
    let mut frontier = Frontier::new();
    let mut by_leaf = BTreeMap::new();
    let mut checked_heads = 0;
    for index in 0..size {
        if let Some(root) = heads.get(&frontier.size().get()) {
            assert_eq!(&frontier.root(), root, "head of size {index} is not of this log");
            checked_heads += 1;
        }
        let leaf = node.get(&format!("/api/v1/leaves/{index}"));
        assert_eq!(leaf.status, 200);
        let hash = leaf_hash(&leaf.bytes);
        frontier.append(hash);
        by_leaf.insert(index, hash.to_base64());
    }
    assert_eq!(frontier.size(), TreeSize::new(size));
    checked_heads += usize::from(heads.contains_key(&size));
    assert_eq!(checked_heads, heads.range(..=size).count());
    assert_eq!(heads.range(size + 1..).count(), 0, "a published head is gone");
    for (id, (leaf, hash)) in acknowledged {
        assert_eq!(by_leaf.get(leaf), Some(hash), "record {id} was acknowledged at leaf {leaf}");
    }
    println!("{} acknowledged, {size} leaves, {} heads", acknowledged.len(), heads.len());
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}
