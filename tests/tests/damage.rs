//! M5: what a node does when its own files were damaged, or its disk is full: it refuses to go on,
//! says where the damage is, and loses nothing that it acknowledged.

use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use letopis_tests::disk::SmallDisk;
use letopis_tests::node::{AGENCY, NodeFolder, RunningNode, record, signed, verify};
use letopis_tests::wait_for;

const RECORDS: &str = "/api/v1/records";

fn filled(records: u64) -> NodeFolder {
    let folder = NodeFolder::init();
    let signer = folder.signer(AGENCY);
    let mut node = folder.start();
    for version in 0..records {
        let mut id = [0; 10];
        id[2..].copy_from_slice(&version.to_be_bytes());
        let record = signed(record(AGENCY, id, "test/1", version, vec![], "x"), &signer);
        assert_eq!(node.post(RECORDS, &record.to_bytes()).status, 201);
    }
    wait_for("everything to be published", Duration::from_secs(20), || {
        let health = node.get("/healthz").json();
        (health["published"] == health["applied"]).then_some(())
    });
    node.process().terminate();
    folder
}

/// Files below a folder, with their paths relative to it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

fn flip_byte(path: &Path, at: u64) {
    let mut file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[byte[0] ^ 1]).unwrap();
}

fn refusal(folder: &NodeFolder) -> String {
    let output = folder.command().output().unwrap();
    assert!(!output.status.success(), "the node started on a damaged folder");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_damaged_leaf_is_named_and_the_node_does_not_start() {
    let folder = filled(300);
    let segments: Vec<PathBuf> = files(&folder.path().join("data/segments"));
    let segment = segments.iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    // Leaves 0 and 1 are the first records of the log; some way into the file is a later leaf.
    let bytes = fs::read(segment).unwrap();
    let mut at = 0;
    let mut leaf = 0;
    while leaf < 100 {
        at += 2 + usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        leaf += 1;
    }
    flip_byte(segment, at as u64 + 40);
    let message = refusal(&folder);
    assert!(message.contains("leaf 100"), "{message}");
    // Mended, the node starts again: nothing else was touched.
    flip_byte(segment, at as u64 + 40);
    let node = folder.start();
    assert_eq!(verify(&["log", node.address()]).0, 0);
}

#[test]
fn a_damaged_tile_is_found_at_the_start() {
    let folder = filled(300);
    let tiles = files(&folder.path().join("data/tiles"));
    let tile = tiles.iter().find(|path| fs::metadata(path).unwrap().len() == 8192);
    flip_byte(tile.expect("a full tile is stored"), 32 * 7);
    let message = refusal(&folder);
    assert!(message.contains("leaf 7") || message.contains("tile"), "{message}");
}

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let Some(disk) = SmallDisk::mount(48) else { return };
    let folder = NodeFolder::init();
    let signer = folder.signer(AGENCY);
    let place = disk.path().join("node");
    let copied = Command::new("cp").arg("-a").arg(folder.path()).arg(&place).status().unwrap();
    assert!(copied.success());
    let mut command = Command::new(letopis_tests::binary("letopis"));
    command.args(["node", "--listen", "127.0.0.1:0", "--folder"]).arg(&place);
    let mut node = RunningNode::start(command.stderr(Stdio::piped()));
    let note = "x".repeat(40_000);
    let mut acknowledged = Vec::new();
    for version in 0..5_000_u64 {
        let mut id = [0; 10];
        id[2..].copy_from_slice(&version.to_be_bytes());
        let record = signed(record(AGENCY, id, "test/1", version, vec![], &note), &signer);
        match node.try_post(RECORDS, None, &record.to_bytes()) {
            Ok(answer) if answer.status == 201 => {
                acknowledged.push(answer.json()["leaf_hash"].as_str().unwrap().to_owned());
            }
            // Refused or gone: the disk is full.
            _ => break,
        }
    }
    assert!(acknowledged.len() < 5_000, "the disk did not fill up");
    let ended = wait_for("the node to stop itself", Duration::from_secs(60), || {
        node.process().child().try_wait().unwrap()
    });
    assert!(!ended.success(), "a node without a disk must not end as if all were well");
    drop(node);
    // With room again, everything that was acknowledged is there.
    disk.grow(256);
    let node = RunningNode::start(command.stderr(Stdio::null()));
    for (index, hash) in acknowledged.iter().enumerate() {
        // Two leaves found the log and admit the second agency.
        let leaf = node.get(&format!("/api/v1/leaves/{}", index + 2));
        assert_eq!(&letopis_ledger::hash::leaf_hash(&leaf.bytes).to_base64(), hash);
    }
}
