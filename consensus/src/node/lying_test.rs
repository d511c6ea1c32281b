//! Nodes that lie, and messages that belong elsewhere: found out, and nothing changed by them.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use letopis_ledger::TreeSize;
use letopis_ledger::checkpoint::{Checkpoint, Origin};
use letopis_ledger::cosignature::CosignatureSigner;
use letopis_ledger::equivocation::{Equivocation, keys_of};
use letopis_ledger::hash::Hash;
use letopis_ledger::key::AuthorSignature;
use letopis_ledger::note::{Note, NoteSigner, SignatureType};
use letopis_ledger::policy::Policy;
use letopis_ledger::record::SignedRecord;
use openraft::raft::ClientWriteResponse;

use super::cluster_test::{Cluster, case};
use super::*;
use crate::machine::test_records::*;
use crate::peer::Refusal;
use crate::peer::message::{Envelope, Request, Response};
use crate::raft::types::{Command, Types};

/// A head that the log's own key signed.
fn signed_by_the_log(size: u64, root: Hash) -> String {
    let text = Checkpoint::new(origin(), TreeSize::new(size), root).to_string();
    let signer = NoteSigner::new(&note_key(ORIGIN, SignatureType::Ed25519, 11)).unwrap();
    let signature = signer.sign(&text);
    Note::new(text, vec![signature]).unwrap().to_string()
}

fn false_head(size: u64) -> String {
    signed_by_the_log(size, Hash::of(&size.to_be_bytes()))
}

async fn alone(folder: &Path, publish: Duration) -> Node {
    let cosigner = note_key("node.example.org", SignatureType::Ed25519Cosignature, 12);
    let keys = SigningKeys {
        log: vec![note_key(ORIGIN, SignatureType::Ed25519, 11)],
        keep_log: None,
        reload_log: None,
        log_post_quantum: None,
        cosigner: Some(Arc::new(CosignatureSigner::new(&cosigner).unwrap())),
    };
    let mut config = NodeConfig::new(folder.to_owned(), origin(), keys);
    config.intervals.publish = publish;
    Node::open(config).await.unwrap()
}

async fn asked(node: &Node, head: &str) -> String {
    match node.answerer.cosigner.answer(head).await {
        Response::Refused(reason) => reason,
        other => panic!("a false head was answered with {other:?}"),
    }
}

async fn wait(what: &str, held: impl Fn() -> bool) {
    let waited = async {
        while !held() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), waited).await;
    assert!(waited.is_ok(), "waited in vain for {what}");
}

/// The equivocation in this file, which anyone can check with the keys of the policy.
fn proved(folder: &Path, old: u64, new: u64) {
    let path = folder.join(format!("publish/equivocation-{old}-{new}.txt"));
    let found = Equivocation::from_bytes(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(found.heads().each_ref().map(|head| head.size().get()), [old, new]);
    let policy = Policy::parse(&policy()).unwrap();
    let both = found.check(keys_of(&policy)).unwrap();
    assert_eq!(both[0].name.as_str(), ORIGIN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_head_is_refused_and_proved_by_a_file_over_restarts_too() {
    let folder = tempfile::tempdir().unwrap();
    let node = alone(folder.path(), Duration::from_millis(5)).await;
    let ledger = node.ledger();
    ledger.append(genesis()).await.unwrap();
    for number in 1..20 {
        ledger.append(case(number)).await.unwrap();
    }
    let size = TreeSize::new(20);
    wait("publication", || ledger.positions().published == size).await;
    assert!(asked(&node, &false_head(20)).await.contains("this node has size 20"));
    proved(folder.path(), 20, 20);
    assert!(asked(&node, &false_head(7)).await.contains("this node has size 7"));
    proved(folder.path(), 7, 20);
    // Nobody knows yet whether a larger head is false.
    assert!(asked(&node, &false_head(25)).await.contains("20 leaves, the checkpoint has 25"));
    for number in 20..30 {
        ledger.append(case(number)).await.unwrap();
    }
    wait("publication", || ledger.positions().published == TreeSize::new(30)).await;
    let publish = folder.path().join("publish");
    let names = || fs::read_dir(&publish).unwrap().map(|entry| entry.unwrap().file_name());
    let proof = |name: String| name.starts_with("equivocation-25-").then_some(name);
    let name = names().find_map(|name| proof(name.into_string().unwrap())).unwrap();
    let new = name.trim_end_matches(".txt").rsplit('-').next().unwrap().parse().unwrap();
    proved(folder.path(), 25, new);
    node.shutdown().await.unwrap();

    // Nothing is signed after this start: the last true head comes from the folder.
    let node = alone(folder.path(), Duration::from_secs(3_600)).await;
    asked(&node, &false_head(11)).await;
    proved(folder.path(), 11, 30);
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_holder_who_signs_at_random_fills_no_disk() {
    let folder = tempfile::tempdir().unwrap();
    let node = alone(folder.path(), Duration::from_millis(5)).await;
    let ledger = node.ledger();
    ledger.append(genesis()).await.unwrap();
    wait("publication", || ledger.positions().published == TreeSize::new(1)).await;
    for number in 0..200_u64 {
        asked(&node, &signed_by_the_log(1, Hash::of(&number.to_be_bytes()))).await;
    }
    let files = fs::read_dir(folder.path().join("publish")).unwrap().count();
    assert!(files < 80, "{files} files");
    node.shutdown().await.unwrap();
}

/// A record of an agency that it never signed.
fn forged() -> SignedRecord {
    let honest = case(77);
    let signatures = honest.signatures();
    let (key, _) = signatures[0];
    let signature = AuthorSignature::from_bytes([7; 64]);
    SignedRecord::from_parts(honest.record().clone(), vec![(key, signature)]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_forges_a_record_gets_no_cosignature() {
    let cluster = Cluster::start(3).await;
    cluster.ledger(1).append(case(1)).await.unwrap();
    let before = cluster.published_everywhere(2).await[0].size;
    let leader = cluster.leader().unwrap();
    // Past every check of its own program.
    let records = vec![forged()].into();
    let time = letopis_ledger::Timestamp::from_unix_ms(1_700_000_000_000).unwrap();
    let command = Command::Append { time, records };
    let written = cluster.nodes[&leader].raft.client_write(command).await;
    let _: ClientWriteResponse<Types> = written.unwrap();
    let size = TreeSize::new(before.get() + 1);
    cluster
        .wait("every node has the forged leaf", |cluster| {
            cluster.nodes.values().all(|node| node.ledger().applied() == size)
        })
        .await;
    // The leader signs and asks; it may answer nobody, or the others refuse and say which leaf.
    let honest = cluster.nodes.iter().filter(|(number, _)| **number != leader);
    for (_, node) in honest {
        let root = node.parts.store.head().root;
        let head = signed_by_the_log(size.get(), root);
        cluster
            .wait("the tree head is agreed", |_| {
                node.parts.store.agreed().is_some_and(|agreed| agreed.size == size)
            })
            .await;
        let reason = asked(node, &head).await;
        assert!(reason.contains(&format!("leaf {before} is not signed by its author")), "{reason}");
    }
    // Committed, and final nowhere.
    for node in cluster.nodes.values() {
        assert_eq!(node.ledger().positions().published, before);
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_belong_elsewhere_or_come_again_change_nothing() {
    let cluster = Cluster::start(3).await;
    cluster.board.tape();
    for number in 1..=10 {
        cluster.ledger(1 + number % 3).append(case(number)).await.unwrap();
    }
    cluster.published_everywhere(11).await;
    let heads = |cluster: &Cluster| -> Vec<_> {
        cluster.nodes.values().map(|node| node.parts.store.head()).collect()
    };
    let before = heads(&cluster);
    let answerer = cluster.nodes[&2].answerer();
    let foreign = Origin::new("another.example/log").unwrap();
    let request = Request::Status;
    let misplaced = [
        (Envelope::wrap(&foreign, node(1), node(2), &request), "for log another.example/log"),
        (Envelope::wrap(&origin(), node(3), node(2), &request), "from node 3 to node 2"),
        (Envelope::wrap(&origin(), node(1), node(3), &request), "from node 1 to node 3"),
        (Vec::new(), "0 bytes"),
        (vec![9, 0x80], "version 9"),
        ([Envelope::wrap(&origin(), node(1), node(2), &request), vec![0]].concat(), "follow"),
    ];
    for (bytes, words) in misplaced {
        match answerer.answer(node(1), bytes).await {
            Err(Refusal::Malformed { reason }) => assert!(reason.contains(words), "{reason}"),
            other => panic!("{words}: {other:?}"),
        }
    }
    // Everything that was said, once more, in the same order and backwards.
    let taped = cluster.board.taped();
    assert!(taped.len() > 30, "only {} messages", taped.len());
    for (from, to, bytes) in taped.iter().chain(taped.iter().rev()) {
        let answerer = cluster.nodes[&to.get()].answerer();
        let answered = answerer.answer(*from, bytes.clone());
        let _ = tokio::time::timeout(Duration::from_secs(10), answered).await.unwrap();
    }
    assert_eq!(heads(&cluster), before);
    cluster.ledger(3).append(case(11)).await.unwrap();
    for checkpoint in cluster.published_everywhere(12).await {
        assert_eq!(checkpoint.size, TreeSize::new(12));
    }
    cluster.shutdown().await;
}
