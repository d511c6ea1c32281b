//! Backups of one node: taken while it runs, read back, refused when anything of them is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use letopis_ledger::record::SignedRecord;
use letopis_ledger::{Hash, LeafIndex, Timestamp, TreeSize};
use tempfile::TempDir;

use super::*;
use crate::machine::test_records::*;
use crate::raft::encoding::Stored;
use crate::raft::types::{CommittedLeaderId, LogId, Membership, StoredMembership, TreeHead};
use crate::store::StoredPosition;
use crate::{LedgerHandle, Node, NodeConfig, OpenError, SigningKeys};

fn quiet(_: BackupProgress) {}

/// A node that signs nothing, with a target beside it.
struct World {
    directory: TempDir,
    node: Option<Node>,
}

impl World {
    async fn new(cases: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut world = Self { directory, node: None };
        world.open().await;
        world.ledger().append(genesis()).await.unwrap();
        world.append(1, cases).await;
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn config(&self, folder: &str) -> NodeConfig {
        NodeConfig::new(self.path(folder), origin(), SigningKeys::none())
    }

    async fn open(&mut self) {
        self.node = Some(Node::open(self.config("node")).await.unwrap());
    }

    fn ledger(&self) -> LedgerHandle {
        self.node.as_ref().unwrap().ledger()
    }

    async fn append(&self, first: u64, last: u64) {
        let ledger = self.ledger();
        let appends = (first..=last).map(|number| {
            let ledger = ledger.clone();
            tokio::spawn(async move { ledger.append(case(number)).await.unwrap() })
        });
        for append in appends.collect::<Vec<_>>() {
            append.await.unwrap();
        }
    }

    fn target(&self) -> Target {
        Target::parse(self.path("backups").to_str().unwrap()).unwrap()
    }

    async fn back_up(&self, extra: &[ExtraFile]) -> Result<BackupSummary, BackupError> {
        self.ledger().begin_backup().await.unwrap().write(&self.target(), extra, &quiet).await
    }

    fn place(&self, name: &str) -> RestoreInto {
        RestoreInto { data: self.path(name), owner: self.path(&format!("{name}-owner")) }
    }

    /// Files of the target in a folder, by name.
    fn objects(&self, folder: &str) -> BTreeMap<String, PathBuf> {
        let entries = fs::read_dir(self.path("backups").join(folder)).unwrap();
        entries
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
            .collect()
    }

    async fn stop(&mut self) {
        self.node.take().unwrap().shutdown().await.unwrap();
    }
}

fn case(number: u64) -> SignedRecord {
    founder().record(number, vec![event(&format!("case/{number}"), 0)], vec![])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_comes_back_as_it_was() {
    let mut world = World::new(300).await;
    let blob = world.ledger().put_blob(b"a pack".to_vec()).await.unwrap();
    let secret = world.path("disclosures");
    fs::write(&secret, b"private values").unwrap();
    let extra = ExtraFile { path: "private/values".to_owned(), from: secret };
    let first = world.back_up(std::slice::from_ref(&extra)).await.unwrap();
    assert_eq!(first.head.size, TreeSize::new(301));
    assert_eq!(first.kept_bytes, 0);
    world.append(301, 320).await;
    let second = world.back_up(&[extra]).await.unwrap();
    assert_eq!(second.head, world.ledger().head().unwrap());
    assert!(second.kept_bytes >= 20, "what is there is not sent again");
    assert_eq!(verify(&world.target(), None, &quiet).await.unwrap().name, second.name);

    let into = world.place("restored");
    let restored = restore(&world.target(), None, &into, &quiet).await.unwrap();
    assert_eq!(restored.manifest.head, second.head);
    assert_eq!(fs::read(into.owner.join("private/values")).unwrap(), b"private values");
    let last = world.ledger().record(record_id(320)).unwrap();
    world.stop().await;

    // The number is that of the node that was backed up, and its votes are lost.
    let config = world.config("restored");
    assert_eq!(
        Node::open(config).await.err(),
        Some(OpenError::Restored { node: crate::config::PeerConfig::alone().node })
    );
    let mut config = world.config("restored");
    config.peers.node = node(9);
    let restored = Node::open(config).await.unwrap();
    let ledger = restored.ledger();
    assert_eq!(ledger.head().unwrap(), second.head);
    assert_eq!(ledger.blob(&blob).unwrap().unwrap(), b"a pack");
    assert_eq!(ledger.record(record_id(320)).unwrap(), last);
    restored.shutdown().await.unwrap();
    // An occupied folder is left alone.
    let again = restore(&world.target(), None, &into, &quiet).await;
    assert_eq!(again.err(), Some(RestoreError::NotEmpty { path: into.data }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_or_truncated_backup_is_refused_with_the_first_bad_leaf() {
    let mut world = World::new(50).await;
    let blob = world.ledger().put_blob(b"a pack".to_vec()).await.unwrap();
    world.back_up(&[]).await.unwrap();
    let (name, path) = world.objects("leaves").pop_first().unwrap();
    let intact = fs::read(&path).unwrap();
    let refused = async |world: &World| {
        let into = world.place("refused");
        let error = restore(&world.target(), None, &into, &quiet).await.unwrap_err();
        assert!(!into.data.exists(), "nothing is left of a refused restore");
        assert_eq!(verify(&world.target(), None, &quiet).await.as_ref(), Err(&error));
        error
    };
    // One letter of leaf 20's event; then of the last leaf.
    for bad in [20_u64, 50] {
        let at = find(&intact, format!("\"index\":{bad},").as_bytes());
        let at = at + find(&intact[at..], b"\"text\":\"x\"") + 8;
        let mut altered = intact.clone();
        altered[at] = b'y';
        fs::write(&path, &altered).unwrap();
        let error = refused(&world).await;
        let RestoreError::Altered { object, leaf, .. } = &error else { panic!("{error}") };
        assert_eq!(object, &format!("leaves/{name}"));
        assert_eq!(*leaf, Some(LeafIndex::new(bad)), "{error}");
    }
    // The end is cut off inside leaf 30.
    let at = find(&intact, b"\"index\":30,");
    fs::write(&path, &intact[..at]).unwrap();
    let error = refused(&world).await;
    let RestoreError::Length { leaf, .. } = error else { panic!("{error}") };
    assert_eq!(leaf, Some(LeafIndex::new(30)));
    fs::remove_file(&path).unwrap();
    let missing =
        RestoreError::Missing { object: format!("leaves/{name}"), first: Some(LeafIndex::ZERO) };
    assert_eq!(refused(&world).await, missing);
    fs::write(&path, &intact).unwrap();
    // A public file.
    let file = world.objects("files").remove(&blob.to_hex()).unwrap();
    fs::write(&file, b"a pock").unwrap();
    assert!(matches!(refused(&world).await, RestoreError::Altered { leaf: None, .. }));
    fs::write(&file, b"a pack").unwrap();
    // The manifest: another digit of the size, or any other byte.
    let (_, manifest) = world.objects("backups").pop_first().unwrap();
    let bytes = fs::read(&manifest).unwrap();
    for at in (0..bytes.len()).step_by(7) {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        fs::write(&manifest, &altered).unwrap();
        assert!(matches!(refused(&world).await, RestoreError::Manifest(_)), "byte {at}");
    }
    fs::write(&manifest, &bytes).unwrap();
    verify(&world.target(), None, &quiet).await.unwrap();
    world.stop().await;
}

fn find(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).position(|window| window == part).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_leaf_stops_the_backup_and_leaves_the_last_one() {
    let mut world = World::new(600).await;
    let first = world.back_up(&[]).await.unwrap();
    world.append(601, 700).await;
    let segment =
        fs::read_dir(world.path("node/segments")).unwrap().next().unwrap().unwrap().path();
    let intact = fs::read(&segment).unwrap();
    for (bad, shift) in [(333_u64, 0), (257, 0), (640, -2_i64)] {
        let at = find(&intact, format!("{{\"index\":{bad},").as_bytes());
        // A letter of the leaf, or the length before it.
        let at = usize::try_from(i64::try_from(at).unwrap() + if shift == 0 { 12 } else { shift });
        let mut damaged = intact.clone();
        damaged[at.unwrap()] ^= 4;
        fs::write(&segment, &damaged).unwrap();
        let error = world.back_up(&[]).await.unwrap_err();
        let BackupError::LeafDamaged { leaf, .. } = &error else { panic!("{error}") };
        assert_eq!(leaf.get(), bad, "{error}");
    }
    assert_eq!(world.objects("backups").len(), 1);
    assert_eq!(verify(&world.target(), None, &quiet).await.unwrap().name, first.name);
    fs::write(&segment, &intact).unwrap();
    world.back_up(&[]).await.unwrap();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_backups_go_with_what_only_they_name() {
    let mut world = World::new(5).await;
    for number in 0..4 {
        world.append(10 + number, 10 + number).await;
        world.back_up(&[]).await.unwrap();
    }
    let names: Vec<String> = world.objects("backups").into_keys().collect();
    let pruned = prune(&world.target(), 2).await.unwrap();
    assert_eq!(pruned, Pruned { backups: 2, objects: 2 });
    assert_eq!(world.objects("backups").into_keys().collect::<Vec<_>>(), names[2..]);
    for name in &names[2..] {
        verify(&world.target(), Some(name), &quiet).await.unwrap();
    }
    let gone = verify(&world.target(), Some(&names[0]), &quiet).await;
    assert!(matches!(gone, Err(RestoreError::NoBackup { .. })));
    let drilled = drill(&world.target(), None, &world.path("scratch"), &quiet).await.unwrap();
    assert_eq!(drilled.restored.manifest.head, world.ledger().head().unwrap());
    assert!(!world.path("scratch/data").exists());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_objects_serves_as_well_as_a_folder() {
    let mut world = World::new(20).await;
    let target = Target::memory();
    let taking = world.ledger().begin_backup().await.unwrap();
    // The node goes on meanwhile; the backup holds what was there when it began.
    world.append(21, 30).await;
    let summary = taking.write(&target, &[], &quiet).await.unwrap();
    assert_eq!(summary.head.size, TreeSize::new(21));
    let into = world.place("restored");
    assert_eq!(restore(&target, None, &into, &quiet).await.unwrap().manifest.head, summary.head);
    world.stop().await;
}

#[test]
fn golden_manifest() {
    let log_id = LogId::new(CommittedLeaderId::new(3), 17);
    let members = Membership::new(
        vec![[1, 2].into()],
        BTreeMap::from([1, 2].map(|n| (n, openraft::BasicNode::new(format!("n{n}:4100"))))),
    );
    let members = StoredMembership::new(Some(log_id), members.unwrap());
    let file =
        |text: &str| FileObject { bytes: text.len() as u64, sha256: Hash::of(text.as_bytes()) };
    let head = |size: u64| TreeHead { size: TreeSize::new(size), root: Hash::of(b"root") };
    let manifest = BackupManifest {
        origin: origin(),
        taken: Timestamp::parse("2026-11-23T19:04:05.678Z").unwrap(),
        head: head(65_540),
        agreed: Some(head(65_539)),
        position: StoredPosition {
            log_id: Some(log_id.to_stored()),
            membership: Some(members.to_stored()),
        },
        leaves: vec![
            LeavesObject {
                first: LeafIndex::ZERO,
                count: 65_536,
                bytes: 40_000_000,
                sha256: Hash::of(b"full"),
            },
            LeavesObject {
                first: LeafIndex::new(65_536),
                count: 4,
                bytes: 2_400,
                sha256: Hash::of(b"tail"),
            },
        ],
        blobs: vec![file("pack")],
        checkpoint: Some(file("checkpoint")),
        signed: Some(file("signed")),
        extra: vec![ExtraObject { path: "private/values".to_owned(), file: file("values") }],
    };
    let golden = include_str!("../../testdata/backup-manifest-v1.json").trim_end();
    assert_eq!(String::from_utf8(manifest.to_bytes()).unwrap(), golden);
    assert_eq!(BackupManifest::parse("x", golden.as_bytes()), Ok(manifest.clone()));
    assert_eq!(manifest.object(), "backups/20261123T190405678Z-65540.json");
    let mut outside = manifest;
    outside.extra[0].path = "../keys/log.key".to_owned();
    let refused = BackupManifest::parse("x", &outside.to_bytes()).unwrap_err();
    assert!(refused.to_string().contains("leads out of the folder"), "{refused}");
}

#[test]
fn targets_are_folders_or_buckets() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("a/b");
    for text in [inside.to_str().unwrap().to_owned(), format!("file://{}", inside.display())] {
        assert_eq!(Target::parse(&text).unwrap().to_string(), inside.to_str().unwrap());
    }
    assert!(Path::new(&inside).is_dir());
    assert_eq!(Target::parse("s3://bucket/pre/fix/").unwrap().to_string(), "s3://bucket/pre/fix/");
    for text in ["", "s3://", "https://example.org/x", "gs://bucket"] {
        assert!(matches!(Target::parse(text), Err(TargetError::Name { .. })), "{text}");
    }
}
