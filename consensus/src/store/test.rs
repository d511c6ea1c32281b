//! The store over real files: reading back, restart, replay, and every kind of damage named.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use letopis_ledger::Timestamp;
use letopis_ledger::bundle::EntryBundle;
use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::hash::leaf_hash;
use letopis_ledger::tile::{TileIndex, TileLevel, TilePath, TileWidth};
use letopis_ledger::tree::MemoryTree;
use rocksdb::{DB, Options};
use tempfile::TempDir;

use super::segment::{Layout, segment_path, split_leaf};
use super::staging::Staging;
use super::*;
use crate::fatal::Fatal;
use crate::machine::test_records::*;
use crate::raft::encoding::Stored;
use crate::raft::types::{CommittedLeaderId, LogId};

fn open(directory: &Path) -> Result<Store, StoreOpenError> {
    open_signed(directory, 0)
}

fn open_signed(directory: &Path, signed_size: u64) -> Result<Store, StoreOpenError> {
    let opened = Opened {
        origin: origin(),
        signed_size: TreeSize::new(signed_size),
        progress: &|_| {},
        crash: CrashHook::none(),
    };
    Store::open(&Folder::new(directory), opened)
}

fn append(store: &Store, records: std::ops::Range<u64>, text: &str) -> Result<(), StoreError> {
    let mut transaction = store.begin();
    for number in records {
        let record = if number == 0 {
            genesis()
        } else {
            let event = event_with(&format!("case/{number}"), 0, "text", text);
            founder().record(number, vec![event], vec![])
        };
        let stamped = Timestamp::from_unix_ms(1_000 + number as i64).unwrap();
        transaction.append(stamped, &record)?.unwrap();
    }
    transaction.commit()
}

/// A store of so many leaves, durable and closed.
fn closed(leaves: u64) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    append(&store, 0..leaves, "x").unwrap();
    store.checkpoint().unwrap();
    directory
}

fn damage(directory: &Path) -> Damage {
    match open(directory) {
        Err(StoreOpenError::Damaged(damage)) => damage,
        Err(other) => panic!("refused for another reason: {other}"),
        Ok(_) => panic!("the damaged store was opened"),
    }
}

/// Where a leaf's bytes begin in its segment, and how many they are.
fn place(directory: &Path, leaf: u64) -> (u64, u64) {
    let bytes = fs::read(segment_path(&directory.join("segments"), 0)).unwrap();
    let mut rest = bytes.as_slice();
    for _ in 0..leaf {
        rest = split_leaf(rest).unwrap().1;
    }
    let start = bytes.len() - rest.len() + 2;
    (start as u64, split_leaf(rest).unwrap().0.len() as u64)
}

fn overwrite(path: &Path, offset: u64, change: impl FnOnce(&mut u8)) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    change(&mut byte[0]);
    file.write_all_at(&byte, offset).unwrap();
}

#[test]
fn leaves_bundles_tiles_and_roots_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    for start in (0..600).step_by(37) {
        append(&store, start..(start + 37).min(600), "x").unwrap();
    }
    let leaves = store.leaves(LeafIndex::ZERO, 1_000, usize::MAX).unwrap();
    assert_eq!(leaves.len(), 600);
    let tree: MemoryTree = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    assert_eq!(store.head(), TreeHead { size: TreeSize::new(600), root: tree.root() });
    for index in [0, 1, 31, 32, 255, 256, 511, 599] {
        let leaf = store.leaf(LeafIndex::new(index)).unwrap();
        assert_eq!(leaf.as_ref(), Some(&leaves[index as usize]));
    }
    assert_eq!(store.leaf(LeafIndex::new(600)), Ok(None));
    for size in [1, 255, 256, 257, 512, 600] {
        let expected: MemoryTree = leaves[..size as usize].iter().map(|l| leaf_hash(l)).collect();
        assert_eq!(store.root_at(TreeSize::new(size)), Ok(Some(expected.root())), "{size}");
    }
    for (first, width) in [(0, 256), (256, 256), (512, 88), (512, 1), (256, 100)] {
        let bytes = store.bundle(LeafIndex::new(first), width).unwrap();
        let bundle = EntryBundle::parse(&bytes).unwrap();
        let expected = &leaves[first as usize..(first + width) as usize];
        assert!(bundle.iter().eq(expected.iter().map(Vec::as_slice)));
    }
    let path = |level, index, width| TilePath {
        level: TileLevel::new(level).unwrap(),
        index: TileIndex::new(index),
        width: TileWidth::new(width).unwrap(),
    };
    assert_eq!(store.tiles().get(path(0, 0, 256)).unwrap().unwrap().width(), TileWidth::FULL);
    assert_eq!(store.tiles().get(path(0, 1, 9)).unwrap().unwrap().hashes().len(), 9);
    assert_eq!(store.tiles().get(path(0, 2, 88)).unwrap().unwrap().hashes().len(), 88);
    assert_eq!(store.tiles().get(path(0, 2, 89)), Ok(None));
    assert_eq!(store.tiles().get(path(1, 0, 2)).unwrap().unwrap().hashes().len(), 2);
    assert!(directory.path().join("tiles/0/001").is_file());
}

#[test]
fn reading_stops_at_the_byte_limit_but_gives_one_leaf() {
    let directory = closed(10);
    let store = open(directory.path()).unwrap();
    assert_eq!(store.leaves(LeafIndex::ZERO, 10, 1).unwrap().len(), 1);
    let two = store.leaves(LeafIndex::ZERO, 2, usize::MAX).unwrap();
    let bytes = two.iter().map(Vec::len).sum();
    assert_eq!(store.leaves(LeafIndex::ZERO, 10, bytes).unwrap(), two);
    assert!(store.leaves(LeafIndex::new(10), 10, 1).unwrap().is_empty());
}

#[test]
fn segments_break_at_their_size_and_are_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let segments = Segments::new(directory.path().to_owned(), Layout::default(), TreeSize::ZERO);
    let count = SEGMENT_LEAVES + 100;
    let leaves: Vec<Vec<u8>> = (0..count).map(|n| n.to_string().into_bytes()).collect();
    let leaves: Vec<&[u8]> = leaves.iter().map(Vec::as_slice).collect();
    segments.append(LeafIndex::ZERO, &leaves[..70]).unwrap();
    segments.append(LeafIndex::new(70), &leaves[70..]).unwrap();
    segments.sync().unwrap();
    for first in [0, 69, 70, SEGMENT_LEAVES - 1, SEGMENT_LEAVES, count - 1] {
        let read = segments.read(LeafIndex::new(first), 1, usize::MAX).unwrap();
        assert_eq!(read, [leaves[first as usize]]);
    }
    let across = segments.read(LeafIndex::new(SEGMENT_LEAVES - 10), 20, usize::MAX).unwrap();
    assert_eq!(across, leaves[SEGMENT_LEAVES as usize - 10..SEGMENT_LEAVES as usize + 10]);
    assert!(segment_path(directory.path(), 1).ends_with("00000000000000065536.seg"));
}

#[test]
fn a_checkpointed_store_opens_with_the_same_head() {
    let directory = closed(300);
    let store = open(directory.path()).unwrap();
    assert_eq!(store.applied_size(), TreeSize::new(300));
    assert_eq!(store.manifest().unwrap().unwrap().head, store.head());
    append(&store, 300..301, "x").unwrap();
}

#[test]
fn leaves_beyond_the_index_must_be_replayed_with_the_same_bytes() {
    let directory = closed(5);
    let store = open(directory.path()).unwrap();
    append(&store, 5..9, "x").unwrap();
    store.sync_leaves_and_tiles().unwrap();
    let head = store.head();
    std::mem::forget(store); // As a crash would: the index is not flushed by closing it.
    let copy = copy_of(directory.path());
    let store = open(copy.path()).unwrap();
    assert_eq!((store.applied_size(), store.unexplained_leaves()), (TreeSize::new(5), 4));
    append(&store, 5..7, "x").unwrap();
    assert_eq!(store.unexplained_leaves(), 2);
    append(&store, 7..9, "x").unwrap();
    assert_eq!((store.head(), store.unexplained_leaves()), (head, 0));

    let other = copy_of(directory.path());
    let store = open(other.path()).unwrap();
    append(&store, 5..7, "x").unwrap();
    let differs = StoreError::LeafDiffers { leaf: LeafIndex::new(7) };
    assert_eq!(append(&store, 7..9, "y"), Err(differs));
}

/// A copy of a folder, as another machine would see it after a crash.
fn copy_of(directory: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new("cp");
    let status = command.arg("-a").arg(directory.join(".")).arg(copy.path()).status();
    assert!(status.unwrap().success());
    fs::remove_file(copy.path().join("index/LOCK")).unwrap();
    copy
}

#[test]
fn torn_leaves_beyond_what_is_durable_are_cut_off_and_signed_ones_are_not() {
    let directory = closed(5);
    let store = open(directory.path()).unwrap();
    append(&store, 5..9, "x").unwrap();
    store.sync_leaves_and_tiles().unwrap();
    std::mem::forget(store);
    let segment = |copy: &TempDir| segment_path(&copy.path().join("segments"), 0);
    let (start, bytes) = place(directory.path(), 7);
    for tear in [start - 1, start, start + 20, start + bytes - 1] {
        let copy = copy_of(directory.path());
        OpenOptions::new().write(true).open(segment(&copy)).unwrap().set_len(tear).unwrap();
        let store = open(copy.path()).unwrap();
        assert_eq!(store.unexplained_leaves(), 2, "torn at {tear}");
        append(&store, 5..9, "x").unwrap();
        assert_eq!(store.applied_size(), TreeSize::new(9));
    }
    let copy = copy_of(directory.path());
    OpenOptions::new().write(true).open(segment(&copy)).unwrap().set_len(start + 20).unwrap();
    let missing = open_signed(copy.path(), 8).err().unwrap();
    let StoreOpenError::Damaged(Damage::LeafMissing { leaf, .. }) = missing else {
        panic!("refused for another reason: {missing}");
    };
    assert_eq!(leaf, LeafIndex::new(7));
}

#[test]
fn an_altered_leaf_is_named() {
    for leaf in [0, 1, 100, 254, 255, 256, 400, 510, 511, 512, 598, 599] {
        let directory = closed(600);
        let (start, bytes) = place(directory.path(), leaf);
        let segment = segment_path(&directory.path().join("segments"), 0);
        overwrite(&segment, start + bytes / 2, |byte| *byte ^= 1);
        match damage(directory.path()) {
            Damage::LeafAltered { leaf: named, .. } => assert_eq!(named.get(), leaf),
            other => panic!("leaf {leaf}: {other}"),
        }
    }
}

#[test]
fn an_altered_length_or_link_is_named() {
    for (leaf, offset) in [(3_u64, -1_i64), (3, 20), (300, 25), (599, 15)] {
        let directory = closed(600);
        let start = place(directory.path(), leaf).0;
        let segment = segment_path(&directory.path().join("segments"), 0);
        overwrite(&segment, start.checked_add_signed(offset).unwrap(), |byte| *byte ^= 1);
        match damage(directory.path()) {
            Damage::LeafAltered { leaf: named, .. } | Damage::LeafMissing { leaf: named, .. } => {
                assert_eq!(named.get(), leaf, "offset {offset}");
            }
            other => panic!("leaf {leaf}: {other}"),
        }
    }
}

#[test]
fn missing_leaves_are_named() {
    let directory = closed(600);
    let (start, _) = place(directory.path(), 450);
    let segment = segment_path(&directory.path().join("segments"), 0);
    OpenOptions::new().write(true).open(&segment).unwrap().set_len(start - 2).unwrap();
    let expected = TreeSize::new(600);
    let missing =
        Damage::LeafMissing { leaf: LeafIndex::new(450), file: segment.clone(), expected };
    assert_eq!(damage(directory.path()), missing);
    fs::remove_file(&segment).unwrap();
    let missing = Damage::LeafMissing { leaf: LeafIndex::ZERO, file: segment, expected };
    assert_eq!(damage(directory.path()), missing);
}

#[test]
fn an_altered_or_missing_tile_is_named() {
    let directory = closed(600);
    let tile = directory.path().join("tiles/0/001");
    overwrite(&tile, 32 * 10 + 5, |byte| *byte ^= 1);
    let Damage::Tile { leaf, file, .. } = damage(directory.path()) else { panic!() };
    assert_eq!((leaf, file), (LeafIndex::new(266), tile.clone()));
    fs::remove_file(&tile).unwrap();
    let Damage::Tile { leaf, .. } = damage(directory.path()) else { panic!() };
    assert_eq!(leaf, LeafIndex::new(256));
}

/// Changes the index behind the store's back.
fn tamper(directory: &Path, change: impl FnOnce(&DB)) {
    let path = directory.join("index");
    let families = DB::list_cf(&Options::default(), &path).unwrap();
    let db = DB::open_cf(&Options::default(), &path, families).unwrap();
    change(&db);
}

#[test]
fn an_altered_index_is_named() {
    let directory = closed(300);
    let key = record_id(7);
    let mut stored = Vec::new();
    tamper(directory.path(), |db| {
        let records = db.cf_handle("records").unwrap();
        stored = db.get_cf(records, key.as_bytes()).unwrap().unwrap();
        let mut altered = stored.clone();
        altered[10] ^= 1;
        db.put_cf(records, key.as_bytes(), altered).unwrap();
    });
    let Damage::Index { leaf, .. } = damage(directory.path()) else { panic!() };
    assert_eq!(leaf, LeafIndex::new(7));
    tamper(directory.path(), |db| {
        db.delete_cf(db.cf_handle("records").unwrap(), key.as_bytes()).unwrap();
    });
    let Damage::Index { leaf, .. } = damage(directory.path()) else { panic!() };
    assert_eq!(leaf, LeafIndex::new(7));
    tamper(directory.path(), |db| {
        db.put_cf(db.cf_handle("records").unwrap(), key.as_bytes(), stored).unwrap();
    });
    open(directory.path()).unwrap();
    tamper(directory.path(), |db| {
        db.put_cf(db.cf_handle("streams").unwrap(), "case/9", b"?").unwrap();
    });
    assert!(matches!(damage(directory.path()), Damage::Index { .. }));
}

#[test]
fn nodes_and_removed_agencies_are_kept() {
    let directory = closed(1);
    let store = open(directory.path()).unwrap();
    let west = Author::new("west", 2);
    let removal = GovernanceEvent::AgencyRemoved { agency: west.agency.clone() };
    let agency = founder().agency;
    let nodes =
        [node_admitted(300, &agency), node_promoted(300), node_admitted(7, &west.agency), removal];
    let events = (1..).zip(&nodes).map(|(version, event)| governance(version, event)).collect();
    let mut transaction = store.begin();
    for record in [admission(1, &west), founder().record(2, events, vec![])] {
        transaction.append(Timestamp::EPOCH, &record).unwrap().unwrap();
    }
    transaction.commit().unwrap();
    let known = |store: &Store| {
        let view = store.view();
        (view.nodes().unwrap(), view.node(node(7)).unwrap(), view.agency(&west.agency).unwrap())
    };
    let before = known(&store);
    let (nodes, left, removed) = &before;
    assert_eq!(nodes.iter().map(|(id, _)| id.get()).collect::<Vec<_>>(), [7, 300]);
    assert_eq!(left.as_ref().unwrap().removed, Some(LeafIndex::new(2)));
    assert_eq!(removed.unwrap().removed, Some(LeafIndex::new(2)));
    store.checkpoint().unwrap();
    drop(store);
    assert_eq!(known(&open(directory.path()).unwrap()), before);
    tamper(directory.path(), |db| {
        db.put_cf(db.cf_handle("nodes").unwrap(), 7_u64.to_be_bytes(), b"?").unwrap();
    });
    assert!(matches!(damage(directory.path()), Damage::Index { .. }));
}

#[test]
fn an_index_made_before_there_were_nodes_opens_without_any() {
    let directory = closed(300);
    let path = directory.path().join("index");
    let families = DB::list_cf(&Options::default(), &path).unwrap();
    let mut db = DB::open_cf(&Options::default(), &path, families).unwrap();
    db.drop_cf("nodes").unwrap();
    drop(db);
    let store = open(directory.path()).unwrap();
    assert_eq!(store.view().nodes(), Ok(vec![]));
    let admission = governance(1, &node_admitted(1, &founder().agency));
    let mut transaction = store.begin();
    let record = founder().record(500, vec![admission], vec![]);
    transaction.append(Timestamp::EPOCH, &record).unwrap().unwrap();
    transaction.commit().unwrap();
    store.checkpoint().unwrap();
    drop(store);
    let store = open(directory.path()).unwrap();
    assert_eq!(store.view().nodes().unwrap().len(), 1);
    assert_eq!(store.applied_size(), TreeSize::new(301));
}

#[test]
fn a_damaged_index_file_is_refused() {
    let directory = closed(300);
    let is_table = |path: &Path| path.extension().is_some_and(|e| e == "sst");
    let tables = fs::read_dir(directory.path().join("index")).unwrap();
    let tables: Vec<_> = tables.map(|e| e.unwrap().path()).filter(|p| is_table(p)).collect();
    assert!(!tables.is_empty());
    for table in tables {
        let copy = copy_of(directory.path());
        let table = copy.path().join("index").join(table.file_name().unwrap());
        overwrite(&table, 5, |byte| *byte ^= 0xff);
        assert!(matches!(damage(copy.path()), Damage::Index { .. }), "{}", table.display());
    }
}

#[test]
fn a_folder_is_for_one_process_and_one_log() {
    let directory = closed(3);
    let folder = Folder::new(directory.path());
    let lock = lock_folder(&folder).unwrap();
    let locked = StoreOpenError::Locked { folder: directory.path().to_owned() };
    assert_eq!(lock_folder(&folder).err(), Some(locked));
    drop(lock);
    lock_folder(&folder).unwrap();
    let origin = Origin::new("other.example.org/log").unwrap();
    let opened =
        Opened { origin, signed_size: TreeSize::ZERO, progress: &|_| {}, crash: CrashHook::none() };
    assert!(matches!(Store::open(&folder, opened), Err(StoreOpenError::OtherLog { .. })));
}

#[test]
fn only_this_node_s_own_root_is_agreed() {
    let directory = closed(3);
    let store = open(directory.path()).unwrap();
    let at_3 = store.head();
    let at_2 = TreeHead {
        size: TreeSize::new(2),
        root: store.root_at(TreeSize::new(2)).unwrap().unwrap(),
    };
    let mut transaction = store.begin();
    transaction.agree(at_3).unwrap();
    transaction.agree(at_2).unwrap();
    transaction.commit().unwrap();
    assert_eq!(store.agreed(), Some(at_3));

    let mut transaction = store.begin();
    let record = founder().record(50, vec![event("case/50", 0)], vec![]);
    transaction.append(Timestamp::EPOCH, &record).unwrap().unwrap();
    transaction.agree(at_3).unwrap();
    let wrong = TreeHead { size: TreeSize::new(4), ..at_3 };
    assert!(matches!(transaction.agree(wrong), Err(Fatal::Diverged { agreed, own, .. })
        if agreed == wrong && own.size == wrong.size && own.root != wrong.root));
    let beyond = TreeHead { size: TreeSize::new(5), ..at_3 };
    assert!(matches!(transaction.agree(beyond), Err(Fatal::Diverged { agreed, own, .. })
        if agreed == beyond && own.size == TreeSize::new(4)));
}

/// What a store holds, at this place in the Raft log.
fn manifest_at(store: &Store, index: u64) -> Manifest {
    let log_id = LogId::new(CommittedLeaderId::new(1), index).to_stored();
    let position = StoredPosition { log_id: Some(log_id), membership: None };
    Manifest { position, head: store.head(), agreed: None }
}

/// All leaves of a store as a complete snapshot for another folder.
fn stage(store: &Store, manifest: &Manifest, directory: &Path) -> Staging {
    let staging = Staging::new(&Folder::new(directory));
    let mut staged = staging.begin(LeafIndex::ZERO).unwrap();
    for leaf in 0..manifest.head.size.get() {
        staged.push(&store.leaf(LeafIndex::new(leaf)).unwrap().unwrap()).unwrap();
    }
    staging.complete(staged, manifest).unwrap();
    staging
}

#[test]
fn a_snapshot_that_the_raft_log_overtook_is_forgotten() {
    let source = closed(5);
    let source = open(source.path()).unwrap();
    for (leaves, place, kept) in [(3, 5, 20), (5, 20, 20), (5, 21, 21), (9, 30, 30)] {
        let directory = closed(leaves);
        let store = open(directory.path()).unwrap();
        let staging = stage(&source, &manifest_at(&source, 20), directory.path());
        let reached = manifest_at(&store, place).position.log_id.unwrap();
        let mut transaction = store.begin();
        transaction.set_log_id(reached);
        transaction.commit().unwrap();
        staging.install(&store).unwrap();
        assert_eq!(store.applied_size(), TreeSize::new(leaves.max(5)));
        assert_eq!(store.position(), manifest_at(&store, kept).position);
        assert_eq!(staging.completed(), Ok(None));
    }
}

#[test]
fn raft_says_where_a_snapshot_stands_whose_leaves_were_fetched_before() {
    let source = closed(5);
    let source = open(source.path()).unwrap();
    let directory = closed(2);
    let store = open(directory.path()).unwrap();
    let staging = stage(&source, &manifest_at(&source, 20), directory.path());
    let offered = manifest_at(&source, 23);
    assert_eq!(staging.install_offered(&store, &offered).unwrap(), offered);
    assert_eq!((store.head(), store.position()), (offered.head, offered.position));
    assert_eq!(staging.completed(), Ok(None));

    // One that is not the offered one stays for whoever offers it.
    append(&source, 5..8, "x").unwrap();
    let other = manifest_at(&source, 40);
    let staging = stage(&source, &other, directory.path());
    let all_here = manifest_at(&store, 30);
    staging.install_offered(&store, &all_here).unwrap();
    assert_eq!(store.position(), all_here.position);
    staging.install_offered(&store, &other).unwrap();
    assert_eq!((store.head(), store.position()), (other.head, other.position));
}
