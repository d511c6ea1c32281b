//! Nodes that are gone for good: restored from a backup under another number, or given up.

use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::{LeafIndex, StreamVersion};

use super::*;
use crate::backup::{BackupProgress, RestoreInto, Target, restore};
use crate::recover::{self, RecoverError, Recovery};

fn quiet(_: BackupProgress) {}

impl Cluster {
    /// The node stops and its folder is gone.
    async fn lose(&mut self, number: u64) {
        self.stop(number).await;
        self.folders.remove(&number);
    }

    /// The next record of the founder about nodes.
    async fn govern(&self, asked: u64, id: u64, events: &[GovernanceEvent]) {
        let ledger = self.ledger(asked);
        let stream = events[0].stream();
        let length = ledger.stream(&stream).unwrap().map_or(StreamVersion::ZERO, |s| s.length);
        let events = (length.get()..).zip(events).map(|(version, e)| governance(version, e));
        ledger.append(founder().record(id, events.collect(), vec![])).await.unwrap();
    }

    async fn back_up(&self, number: u64, target: &Target) -> crate::backup::BackupSummary {
        let taking = self.ledger(number).begin_backup().await.unwrap();
        taking.write(target, &[], &quiet).await.unwrap()
    }

    /// Restores the newest backup as the folder of a node.
    async fn restore(&mut self, number: u64, target: &Target) {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_owned();
        restore(target, None, &RestoreInto { owner: data.clone(), data }, &quiet).await.unwrap();
        self.folders.insert(number, folder);
    }
}

fn target(folder: &TempDir) -> Target {
    Target::parse(folder.path().to_str().unwrap()).unwrap()
}

fn lost_of(ledger: &LedgerHandle, leaf: LeafIndex) -> Vec<NodeId> {
    let bytes = ledger.leaf(leaf).unwrap().unwrap();
    let leaf = letopis_ledger::leaf::Leaf::parse(&bytes).unwrap();
    let event = &leaf.record().events()[0];
    assert_eq!(event.event_type.as_str(), "log.recovered");
    let lost = event.data.get("lost").and_then(|lost| lost.as_array()).unwrap();
    let number =
        |json: &letopis_ledger::json::Json| u64::try_from(json.as_integer().unwrap()).unwrap();
    lost.iter().map(|json| node(number(json))).collect()
}

/// The founder's record of a recovery.
fn on_record(id: u64) -> impl FnOnce(&LedgerHandle, &Recovery) -> Result<SignedRecord, String> {
    move |ledger, recovery| {
        let Recovery { head, lost } = recovery.clone();
        let agency = founder().agency;
        let (size, root) = (head.size, head.root);
        let event = GovernanceEvent::LogRecovered { agency, size, root, lost };
        let length = ledger.stream(&event.stream()).unwrap().unwrap().length;
        Ok(founder().record(id, vec![governance(length.get(), &event)], vec![]))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_node_comes_back_under_another_number() {
    let backups = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(3).await;
    for number in 1..=40 {
        cluster.ledger(1).append(case(number)).await.unwrap();
    }
    cluster.published_everywhere(41).await;
    let summary = cluster.back_up(3, &target(&backups)).await;
    assert_eq!(summary.head.size, TreeSize::new(41));
    for number in 41..=50 {
        cluster.ledger(2).append(case(number)).await.unwrap();
    }
    cluster.lose(3).await;
    // As node 3 it could vote twice in a term.
    cluster.restore(3, &target(&backups)).await;
    let refused = Node::open(cluster.config(3)).await;
    assert_eq!(refused.err(), Some(OpenError::Restored { node: node(3) }));

    let folder = cluster.folders.remove(&3).unwrap();
    cluster.folders.insert(4, folder);
    cluster.open(4).await;
    assert_eq!(cluster.ledger(4).applied(), TreeSize::new(41), "nothing is fetched again");
    let admitted = [
        node_admitted(4, &founder().agency),
        node_promoted(4),
        GovernanceEvent::NodeRemoved { node: node(3) },
    ];
    cluster.govern(1, 100, &admitted).await;
    cluster
        .wait("node 4 votes", |cluster| {
            let status = cluster.ledger(4).status().unwrap();
            let voters: Vec<u64> = status.voters.to_vec();
            voters == [1, 2, 4] && cluster.ledger(4).applied() >= TreeSize::new(52)
        })
        .await;
    cluster.ledger(4).append(case(51)).await.unwrap();
    // It restarts as any other.
    cluster.stop(4).await;
    cluster.open(4).await;
    cluster.ledger(4).append(case(52)).await.unwrap();
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_node_takes_a_snapshot_of_what_came_after() {
    let backups = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::with_log_of(3, 4).await;
    cluster.ledger(1).append(case(1)).await.unwrap();
    cluster.published_everywhere(2).await;
    cluster.back_up(3, &target(&backups)).await;
    cluster.lose(3).await;
    for number in 2..=200 {
        cluster.ledger(1).append(case(number)).await.unwrap();
    }
    for number in cluster.nodes.keys() {
        cluster.nodes[number].raft.trigger().snapshot().await.unwrap();
    }
    cluster.restore(4, &target(&backups)).await;
    cluster.open(4).await;
    cluster.govern(1, 300, &[node_admitted(4, &founder().agency)]).await;
    cluster
        .wait("it has caught up", |cluster| cluster.ledger(4).applied() >= TreeSize::new(202))
        .await;
    assert_eq!(cluster.ledger(4).head(), cluster.ledger(1).head());
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_goes_on_alone_and_says_so() {
    let mut cluster = Cluster::start(3).await;
    for number in 1..=20 {
        cluster.ledger(1).append(case(number)).await.unwrap();
    }
    cluster.published_everywhere(21).await;
    cluster.stop(1).await;
    cluster.lose(2).await;
    cluster.lose(3).await;
    let before = recover::inspect(&cluster.config(1)).await.unwrap();
    assert_eq!(before.lost, [node(2), node(3)]);
    assert!(!before.unfinished);
    // An interruption before the record: the node starts no more until the recovery is ended.
    let failed = recover::recover(cluster.config(1), |_, _| Err("no key".to_owned())).await;
    assert!(matches!(failed, Err(RecoverError::Record { .. })));
    let unfinished = Node::open(cluster.config(1)).await;
    assert!(matches!(unfinished.err(), Some(OpenError::RecoveryUnfinished { .. })));
    assert!(recover::inspect(&cluster.config(1)).await.unwrap().unfinished);

    let recovered = recover::recover(cluster.config(1), on_record(900)).await.unwrap();
    assert_eq!(recovered.recovery.head.size, TreeSize::new(21));
    assert_eq!(recovered.leaf, Some(LeafIndex::new(21)));
    assert!(matches!(
        recover::recover(cluster.config(1), on_record(901)).await,
        Err(RecoverError::NothingLost { .. })
    ));

    cluster.open(1).await;
    assert_eq!(lost_of(&cluster.ledger(1), LeafIndex::new(21)), [node(2), node(3)]);
    cluster.ledger(1).append(case(21)).await.unwrap();
    // New nodes come in as ever, and the old ones go.
    let gone = |number| GovernanceEvent::NodeRemoved { node: node(number) };
    cluster.govern(1, 902, &[gone(2), gone(3), node_admitted(4, &founder().agency)]).await;
    cluster.open(4).await;
    cluster
        .wait("node 4 has caught up", |cluster| cluster.ledger(4).applied() == TreeSize::new(24))
        .await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_log_that_is_lost_goes_on_from_a_backup() {
    let backups = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(3).await;
    cluster.ledger(1).append(case(1)).await.unwrap();
    cluster.published_everywhere(2).await;
    cluster.back_up(2, &target(&backups)).await;
    cluster.ledger(1).append(case(2)).await.unwrap();
    for number in 1..=3 {
        cluster.lose(number).await;
    }
    cluster.restore(2, &target(&backups)).await;
    let situation = recover::inspect(&cluster.config(2)).await.unwrap();
    assert!(situation.restored);
    assert_eq!(situation.lost, [node(1), node(2), node(3)]);
    let recovered = recover::recover(cluster.config(2), on_record(900)).await.unwrap();
    assert_eq!(recovered.leaf, Some(LeafIndex::new(2)));
    cluster.open(2).await;
    assert_eq!(lost_of(&cluster.ledger(2), LeafIndex::new(2)).len(), 3);
    // What came after the backup is lost, so it can be appended again.
    let receipt = cluster.ledger(2).append(case(2)).await.unwrap();
    assert_eq!(receipt.leaf_index, LeafIndex::new(3));
    cluster.shutdown().await;
}
