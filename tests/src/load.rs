//! Clients that append records through all nodes, and what the outside world then knows of the log.
//!
//! A client sends the same bytes until some node acknowledges them, so an unknown outcome never
//! becomes a second record. Not here: what happens to the nodes meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use letopis_ledger::Hash;
use letopis_ledger::TreeSize;
use letopis_ledger::bundle::EntryBundle;
use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::hash::leaf_hash;
use letopis_ledger::key::AuthorSigner;
use letopis_ledger::leaf::Leaf;
use letopis_ledger::note::Note;
use letopis_ledger::record::SignedRecord;
use letopis_ledger::tile::bundles_at;
use letopis_ledger::tree::Frontier;

use crate::cluster::{Cluster, agency};
use crate::node::{Client, record, signed};

/// A record that was acknowledged.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    id: String,
    leaf: u64,
    hash: String,
    /// When it was sent first.
    begun: Instant,
    /// When the acknowledgement was there.
    ended: Instant,
}

/// What the outside world has seen of the log.
#[derive(Debug, Default)]
pub struct Seen {
    acknowledged: Mutex<Vec<Acknowledged>>,
    /// Every published head, by size.
    heads: Mutex<BTreeMap<u64, Hash>>,
    /// Requests without an answer, or answered "not now".
    unknown: AtomicU64,
}

/// What a comparison with the final log came to.
#[derive(Debug)]
pub struct Compared {
    /// Records that were acknowledged.
    pub acknowledged: usize,
    /// Leaves of the final log.
    pub leaves: u64,
    /// Published heads that were seen and are heads of the final log.
    pub heads: usize,
}

impl Seen {
    /// How many records are acknowledged.
    #[must_use]
    pub fn count(&self) -> usize {
        self.acknowledged.lock().expect("no client panicked").len()
    }

    /// How many requests had no answer, or were told to come again.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }

    /// Appends records until told to stop: client `number` on a stream of its own, by turns through
    /// whichever node answers.
    ///
    /// # Panics
    /// A node refuses a record, or acknowledges another one.
    pub fn write(&self, cluster: &Cluster, number: usize, pause: Duration, stop: &AtomicBool) {
        let author = number % cluster.count();
        let signer = cluster.signer(author);
        let mut turn = number;
        for version in 0.. {
            let record = next_record(number, version, &agency(author), &signer);
            let bytes = record.to_bytes();
            let begun = Instant::now();
            let answer = loop {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let client = cluster.client(turn % cluster.count());
                turn += 1;
                if let Some(answer) = client.and_then(|client| client.post(RECORDS, &bytes).ok())
                    && answer.status < 500
                {
                    break answer;
                }
                self.unknown.fetch_add(1, Ordering::Relaxed);
                thread::park_timeout(Duration::from_millis(5));
            };
            let said = String::from_utf8_lossy(&answer.bytes).into_owned();
            assert!(matches!(answer.status, 200 | 201), "{}: {said}", answer.status);
            let receipt = answer.json();
            let leaf = receipt["leaf"].as_u64().expect("a receipt names its leaf");
            let hash = receipt["leaf_hash"].as_str().expect("a receipt names its hash").to_owned();
            let id = record.record().id().to_string();
            let done = Acknowledged { id, leaf, hash, begun, ended: Instant::now() };
            self.acknowledged.lock().expect("no client panicked").push(done);
            thread::park_timeout(pause);
        }
    }

    /// Reads the published head of a node again and again until told to stop.
    ///
    /// # Panics
    /// A size has two roots, or a node publishes a smaller head than before.
    pub fn watch_heads(&self, cluster: &Cluster, node: usize, stop: &AtomicBool) {
        let mut last = 0;
        while !stop.load(Ordering::SeqCst) {
            thread::park_timeout(Duration::from_millis(25));
            let Some(client) = cluster.client(node) else { continue };
            let Some(head) = head_of(&client) else { continue };
            let size = head.size().get();
            assert!(size >= last, "node {} published {last}, then {size} leaves", node + 1);
            last = size;
            let mut heads = self.heads.lock().expect("no client panicked");
            let known = heads.entry(size).or_insert(*head.root());
            assert_eq!(known, head.root(), "two roots for {size} leaves");
        }
    }

    /// Compares everything seen with the final log of one node.
    ///
    /// # Panics
    /// A record that was acknowledged is lost, doubled, or stands where it was not said to stand;
    /// the order of leaves is not that of time; or a published head is not one of this log.
    #[must_use]
    pub fn compare(&self, client: &Client, leaves: u64) -> Compared {
        let heads = self.heads.lock().expect("no client panicked");
        let mut frontier = Frontier::new();
        let mut leaf_of = BTreeMap::new();
        let mut checked = BTreeSet::new();
        for (index, bytes) in read_leaves(client, leaves).into_iter().enumerate() {
            if let Some(root) = heads.get(&(index as u64)) {
                assert_eq!(&frontier.root(), root, "the head of {index} leaves is of another log");
                checked.insert(index as u64);
            }
            let hash = leaf_hash(&bytes);
            frontier.append(hash);
            let leaf = Leaf::parse(&bytes).expect("a leaf");
            let id = leaf.record().id().to_string();
            let twice = leaf_of.insert(id, (index as u64, hash.to_base64()));
            assert!(twice.is_none(), "the record of leaf {index} is there twice: {twice:?}");
        }
        if let Some(root) = heads.get(&leaves) {
            assert_eq!(&frontier.root(), root, "the head of {leaves} leaves is of another log");
            checked.insert(leaves);
        }
        assert!(heads.keys().all(|size| checked.contains(size)), "a published head is gone");
        let acknowledged = self.acknowledged.lock().expect("no client panicked");
        for Acknowledged { id, leaf, hash, .. } in acknowledged.iter() {
            let found = leaf_of.get(id);
            assert_eq!(found, Some(&(*leaf, hash.clone())), "record {id}, acknowledged at {leaf}");
        }
        check_order(&acknowledged);
        Compared { acknowledged: acknowledged.len(), leaves, heads: checked.len() }
    }
}

const RECORDS: &str = "/api/v1/records";

/// What was acknowledged before something else was sent stands before it.
fn check_order(acknowledged: &[Acknowledged]) {
    let mut by_begin: Vec<&Acknowledged> = acknowledged.iter().collect();
    let mut by_end = by_begin.clone();
    by_begin.sort_by_key(|record| record.begun);
    by_end.sort_by_key(|record| record.ended);
    let mut ended = by_end.into_iter().peekable();
    let mut last: Option<&Acknowledged> = None;
    for record in by_begin {
        while let Some(before) = ended.next_if(|before| before.ended < record.begun) {
            if last.is_none_or(|last| last.leaf < before.leaf) {
                last = Some(before);
            }
        }
        if let Some(last) = last {
            assert!(last.leaf < record.leaf, "{last:?} was acknowledged before {record:?} began");
        }
    }
}

/// The head that a node publishes, if it answers with one.
///
/// # Panics
/// It answers with something else.
#[must_use]
pub fn head_of(client: &Client) -> Option<Checkpoint> {
    let answer = client.get("/checkpoint").ok().filter(|answer| answer.status == 200)?;
    let note = Note::from_bytes(&answer.bytes).expect("a head is a note");
    Some(Checkpoint::parse(note.text()).expect("a head is a checkpoint"))
}

/// The first leaves of a node's log.
///
/// # Panics
/// They are not there.
#[must_use]
pub fn read_leaves(client: &Client, leaves: u64) -> Vec<Vec<u8>> {
    let mut read = Vec::new();
    for path in bundles_at(TreeSize::new(leaves)) {
        let answer = client.get(&format!("/{path}")).expect("the node answers");
        assert_eq!(answer.status, 200, "{path}");
        let bundle = EntryBundle::parse(&answer.bytes).expect("a bundle of leaves");
        read.extend(bundle.iter().map(<[u8]>::to_vec));
    }
    read.truncate(usize::try_from(leaves).expect("so many leaves can be counted"));
    assert_eq!(read.len() as u64, leaves);
    read
}

/// The record of this version on the stream of this client: always the same bytes.
fn next_record(number: usize, version: u64, author: &str, signer: &AuthorSigner) -> SignedRecord {
    let mut id = [0; 10];
    id[1] = u8::try_from(number).expect("few clients");
    id[2..].copy_from_slice(&version.to_be_bytes());
    let stream = format!("test/{number}");
    signed(record(author, id, &stream, version, vec![], "под нагрузкой"), signer)
}
