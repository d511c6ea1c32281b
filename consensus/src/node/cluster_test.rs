//! Several nodes of one log in one process: they agree, forward, publish, lose and regain nodes.

use std::collections::BTreeMap;
use std::time::Duration;

use letopis_ledger::TreeSize;
use letopis_ledger::cosignature::CosignatureSigner;
use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::note::SignatureType;
use letopis_ledger::policy::Policy;
use letopis_ledger::record::SignedRecord;
use tempfile::TempDir;

use super::*;
use crate::Consistency;
use crate::ledger::{AppendError, PublishedCheckpoint, Role};
use crate::machine::test_records::*;
use crate::peer::PeerAddress;
use crate::peer::switchboard::Switchboard;

mod lost_nodes;

const DEADLINE: Duration = Duration::from_secs(60);

/// A log whose nodes run in this process.
pub(super) struct Cluster {
    pub(super) board: Switchboard,
    pub(super) nodes: BTreeMap<u64, Node>,
    folders: BTreeMap<u64, TempDir>,
    voters: u64,
    keep_entries: u64,
}

fn cosigner(number: u64) -> letopis_ledger::note::SignerKey {
    let seed = u8::try_from(100 + number).unwrap();
    note_key(&format!("node{number}.example.org"), SignatureType::Ed25519Cosignature, seed)
}

/// Any two of the voters make a head final.
fn policy_of(voters: u64) -> String {
    let log = note_key(ORIGIN, SignatureType::Ed25519, 11);
    let mut text = format!("log {}\n", log.verifier_key());
    for number in 1..=voters {
        text += &format!("witness n{number} {}\n", cosigner(number).verifier_key());
    }
    let names: Vec<String> = (1..=voters).map(|number| format!("n{number}")).collect();
    text += &format!("group quorum {} {}\n", voters / 2 + 1, names.join(" "));
    text + "quorum quorum\n"
}

impl Cluster {
    /// Founds a log with node 1 and brings the other voters in.
    pub(super) async fn start(voters: u64) -> Self {
        Self::with_log_of(voters, 4_096).await
    }

    async fn with_log_of(voters: u64, keep_entries: u64) -> Self {
        let mut cluster = Self {
            board: Switchboard::default(),
            nodes: BTreeMap::new(),
            folders: BTreeMap::new(),
            voters,
            keep_entries,
        };
        for number in 1..=voters {
            cluster.open(number).await;
        }
        let author = founder();
        let mut events = vec![
            governance(0, &admitted(&author.agency)),
            governance(1, &introduced(&author.agency, author.key())),
            governance(0, &GovernanceEvent::PolicySet { policy: policy_of(voters) }),
        ];
        let mut version = 1;
        for number in 1..=voters {
            events.push(governance(version, &node_admitted(number, &author.agency)));
            events.push(governance(version + 1, &node_promoted(number)));
            version += 2;
        }
        let genesis = author.record(0, events, vec![]);
        cluster.ledger(1).append(genesis).await.unwrap();
        cluster
            .wait("every node votes", |cluster| {
                let votes = |node: &Node| {
                    node.ledger().status().is_ok_and(|s| s.voters.len() as u64 == cluster.voters)
                };
                cluster.nodes.values().all(votes)
            })
            .await;
        cluster
    }

    async fn open(&mut self, number: u64) {
        self.folders.entry(number).or_insert_with(|| tempfile::tempdir().unwrap());
        let opened = Node::open(self.config(number)).await.unwrap();
        self.board.connect(node(number), opened.answerer());
        self.nodes.insert(number, opened);
    }

    fn config(&self, number: u64) -> NodeConfig {
        let directory = &self.folders[&number];
        let keys = SigningKeys {
            log: if number == 1 {
                vec![note_key(ORIGIN, SignatureType::Ed25519, 11)]
            } else {
                vec![]
            },
            keep_log: None,
            reload_log: None,
            log_post_quantum: None,
            cosigner: Some(Arc::new(CosignatureSigner::new(&cosigner(number)).unwrap())),
        };
        let mut config = NodeConfig::new(directory.path().to_owned(), origin(), keys);
        config.intervals.publish = Duration::from_millis(20);
        config.limits.raft_log_keep_entries = self.keep_entries;
        let address = |number: u64| PeerAddress {
            node: node(number),
            address: format!("node{number}.example.org:4100"),
            key: certificate(number),
        };
        config.peers = PeerConfig {
            node: node(number),
            address: address(number).address,
            start: if number == 1 { Start::Found } else { Start::Join },
            invitation: (1..=self.voters).map(address).collect(),
            transport: self.board.line(node(number)),
        };
        config
    }

    async fn stop(&mut self, number: u64) {
        let stopped = self.nodes.remove(&number).unwrap();
        stopped.shutdown().await.unwrap();
        self.board.disconnect(node(number));
    }

    pub(super) fn ledger(&self, number: u64) -> LedgerHandle {
        self.nodes[&number].ledger()
    }

    pub(super) fn leader(&self) -> Option<u64> {
        let leads = |node: &&Node| node.ledger().status().is_ok_and(|s| s.role == Role::Leader);
        self.nodes.values().find(leads).map(|node| node.ledger().status().unwrap().node.get())
    }

    pub(super) async fn wait(&self, what: &str, held: impl Fn(&Self) -> bool) {
        let waited = async {
            while !held(self) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(DEADLINE, waited).await.is_err() {
            let all: Vec<_> = self.nodes.values().map(|node| node.ledger().status()).collect();
            panic!("waited for: {what}; {all:#?}");
        }
    }

    pub(super) async fn published_everywhere(&self, size: u64) -> Vec<PublishedCheckpoint> {
        let size = TreeSize::new(size);
        self.wait("published everywhere", |cluster| {
            let has = |node: &Node| node.ledger().checkpoint().is_some_and(|c| c.size >= size);
            cluster.nodes.values().all(has)
        })
        .await;
        self.nodes.values().map(|node| node.ledger().checkpoint().unwrap()).collect()
    }

    pub(super) async fn shutdown(mut self) {
        let numbers: Vec<u64> = self.nodes.keys().copied().collect();
        for number in numbers {
            self.stop(number).await;
        }
    }
}

pub(super) fn case(number: u64) -> SignedRecord {
    founder().record(number, vec![event(&format!("case/{number}"), 0)], vec![])
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_hold_one_log_whoever_is_asked() {
    let cluster = Cluster::start(3).await;
    for number in 1..=30 {
        let asked = cluster.ledger(1 + number % 3);
        let receipt = asked.append(case(number)).await.unwrap();
        // Whoever answers has the leaf.
        assert!(asked.leaf(receipt.leaf_index).unwrap().is_some());
        assert_eq!(asked.append(case(number)).await.unwrap().leaf_hash, receipt.leaf_hash);
    }
    let late = founder().record(99, vec![event("case/1", 0)], vec![]);
    let rejected = cluster.ledger(2).append(late).await;
    assert!(matches!(rejected, Err(AppendError::Rejected(_))));
    let policy = Policy::parse(&policy_of(3)).unwrap();
    for checkpoint in cluster.published_everywhere(31).await {
        assert_eq!(checkpoint.size, TreeSize::new(31));
        assert!(policy.check(&checkpoint.note).unwrap().cosigners().len() >= 2);
    }
    for number in 1..=3 {
        let ledger = cluster.ledger(number);
        let seen = ledger.wait_for(Consistency::Linearizable, DEADLINE).await;
        assert_eq!(seen, Ok(TreeSize::new(31)));
        let beyond = Consistency::AtLeast(TreeSize::new(32));
        assert!(ledger.wait_for(beyond, Duration::from_millis(10)).await.is_err());
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_leader_hands_over_and_catches_up() {
    let mut cluster = Cluster::start(3).await;
    cluster.ledger(1).append(case(1)).await.unwrap();
    let leader = cluster.leader().unwrap();
    cluster.stop(leader).await;
    let other = 1 + leader % 3;
    cluster.ledger(other).append(case(2)).await.unwrap();
    cluster.published_everywhere(3).await;
    cluster.open(leader).await;
    cluster.ledger(leader).append(case(3)).await.unwrap();
    cluster.published_everywhere(4).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minority_acknowledges_nothing_and_loses_nothing() {
    let cluster = Cluster::start(3).await;
    cluster.ledger(1).append(case(1)).await.unwrap();
    let leader = cluster.leader().unwrap();
    let old = cluster.ledger(leader);
    cluster.board.isolate(NodeId::new(leader).unwrap());
    let lonely = tokio::spawn(async move { old.append(case(2)).await });
    let other = cluster.ledger(1 + leader % 3);
    cluster
        .wait("another leads", |cluster| {
            let status = cluster.ledger(1 + leader % 3).status().unwrap();
            status.leader.is_some_and(|now| now.get() != leader)
        })
        .await;
    other.append(case(3)).await.unwrap();
    assert!(!lonely.is_finished());
    cluster.board.heal();
    // It was not acknowledged while cut off; then it is appended once.
    lonely.await.unwrap().unwrap();
    cluster.published_everywhere(4).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_away_too_long_takes_a_snapshot() {
    let mut cluster = Cluster::with_log_of(3, 4).await;
    cluster.ledger(1).append(case(1)).await.unwrap();
    let away = (1..=3).find(|number| Some(*number) != cluster.leader()).unwrap();
    cluster.stop(away).await;
    let leader = cluster.leader().unwrap();
    for number in 2..=200 {
        cluster.ledger(leader).append(case(number)).await.unwrap();
    }
    // Checkpoints of the store let the Raft log be purged.
    for number in cluster.nodes.keys() {
        cluster.nodes[number].raft.trigger().snapshot().await.unwrap();
    }
    cluster
        .wait("the Raft log is purged", |cluster| {
            let metrics = cluster.nodes[&leader].raft.metrics();
            let purged = metrics.borrow_watched().purged.map_or(0, |id| id.index);
            purged > 100
        })
        .await;
    cluster.open(away).await;
    cluster
        .wait("it has caught up", |cluster| cluster.ledger(away).applied() == TreeSize::new(201))
        .await;
    cluster.ledger(away).append(case(201)).await.unwrap();
    for checkpoint in cluster.published_everywhere(202).await {
        assert_eq!(checkpoint.size, TreeSize::new(202));
    }
    cluster.shutdown().await;
}
