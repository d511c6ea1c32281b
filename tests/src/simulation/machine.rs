//! The software of one simulated machine: the real node, started as the binary starts it, and the
//! clients that are connected to it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use letopis_consensus::peer::{PeerAddress, Transport};
use letopis_consensus::{
    Clock, CrashHook, CrashPoint, DiskHook, Fatal, Node, NodeConfig, PeerConfig, Sabotage,
    SignedHeads, SigningKeys, Start, TreeHead,
};
use letopis_ledger::Timestamp;
use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::cosignature::CosignatureSigner;
use letopis_ledger::note::{Note, SignerKey};
use letopis_ledger::tile::TileWidth;

use super::network::Line;
use super::record::{certificate, cosigner, log_key, node, origin};
use super::world::{Did, HeadEvent, World};
use super::{ONE_ROOT, STARTS, client};

/// When the simulated time began.
const EPOCH_MS: i64 = 1_750_000_000_000;

/// Runs until the node fails or is told to stop; a crash ends it anywhere.
pub(super) async fn run(world: Arc<World>, index: usize) -> turmoil::Result {
    let machine = &world.machines[index];
    machine.disk.crash();
    machine.disk.take_failed();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let number = {
        let mut state = machine.state();
        state.starts += 1;
        state.stop = Some(stop);
        state.number
    };
    world.note(|| format!("node {number} starts"));
    let line = Line::open(Arc::clone(&world), number).await?;
    let config = config(&world, index, Arc::new(line.clone()));
    let node = match Node::open(config).await {
        Ok(node) => node,
        Err(error) => {
            world.note(|| format!("node {number} does not start: {error}"));
            if !machine.disk.take_failed() {
                world.broke(STARTS, format!("node {number} does not start again: {error}"));
            }
            return Ok(());
        }
    };
    let answerer = node.answerer();
    line.answer_by(&answerer);
    let ledger = node.ledger();
    machine.state().ledger = Some(ledger.clone());
    world.note(|| format!("node {number} runs with {} leaves", ledger.applied()));
    for session in 0..world.plan.sessions {
        let (world, ledger) = (Arc::clone(&world), ledger.clone());
        tokio::task::spawn_local(client::run(world, index, session, ledger));
    }
    let failed = tokio::select! {
        biased;
        fatal = node.failed() => Some(fatal),
        _ = stopped => None,
    };
    drop(answerer);
    let failed = match failed {
        None => node.shutdown().await.err(),
        failed => {
            // The process ends: nothing of it goes on.
            drop(node);
            failed
        }
    };
    machine.state().ledger = None;
    match failed {
        None => world.note(|| format!("node {number} has stopped")),
        Some(fatal) => judge_failure(&world, index, number, &fatal),
    }
    Ok(())
}

/// A node may fail because its disk did, and for nothing else.
fn judge_failure(world: &World, index: usize, number: u64, fatal: &Fatal) {
    world.note(|| format!("node {number} fails: {fatal}"));
    let disk_failed = world.machines[index].disk.take_failed();
    let what = format!("node {number} failed: {fatal}");
    match fatal {
        Fatal::Removed { .. } => world.machines[index].state().removed = true,
        Fatal::Diverged { .. } | Fatal::SignedBefore { .. } | Fatal::Promised { .. } => {
            world.broke(ONE_ROOT, what);
        }
        _ if disk_failed => {}
        _ => world.broke(STARTS, what),
    }
}

fn config(world: &Arc<World>, index: usize, transport: Arc<dyn Transport>) -> NodeConfig {
    let machine = &world.machines[index];
    let (number, folder, starts, log) = {
        let state = machine.state();
        let log = if state.number == 1 { Some(log_key()) } else { None };
        let kept = state.log_key.as_ref().map(|text| SignerKey::parse(text).expect("it was kept"));
        (state.number, state.folder.clone(), state.starts, kept.or(log))
    };
    let keeper = Arc::clone(world);
    let keys = SigningKeys {
        log: log.into_iter().collect(),
        keep_log: Some(Arc::new(move |text: &str| {
            keeper.machines[index].state().log_key = Some(text.to_owned());
            Ok(())
        })),
        reload_log: None,
        log_post_quantum: None,
        cosigner: Some(Arc::new(CosignatureSigner::new(&cosigner(number)).expect("it signs"))),
    };
    let mut config = NodeConfig::new(folder.clone(), origin(), keys);
    config.intervals.publish = Duration::from_millis(200);
    config.intervals.checkpoint = Duration::from_secs(2);
    config.limits.append_timeout = Duration::from_secs(4);
    config.limits.raft_log_keep_entries = world.plan.keep_entries;
    config.disk = DiskHook::new(Arc::clone(&machine.disk) as _);
    let own = world.plan.liar.filter(|(_, liar)| *liar == number).map(|(bug, _)| bug);
    config.sabotage = own.or(world.plan.bug).map_or_else(Sabotage::none, Sabotage::plant);
    let clock = Arc::clone(world);
    config.clock = Clock::new(move || {
        let elapsed = i64::try_from(clock.now().as_millis()).unwrap_or(0);
        let ahead = clock.machines[index].state().clock_ms;
        Timestamp::from_unix_ms(EPOCH_MS + elapsed + ahead).unwrap_or(Timestamp::EPOCH)
    });
    let watcher = Arc::clone(world);
    config.crash_hook = CrashHook::new(move |point| {
        if watcher.machines[index].state().starts == starts {
            watch(&watcher, index, number, point, &folder);
        }
    });
    let all = world.machines.iter().map(|other| (other.state().number, other.address()));
    let invited = all.filter(|(other, _)| *other != number);
    let invitation = invited.map(|(other, address)| PeerAddress {
        node: node(other),
        address,
        key: certificate(other),
    });
    config.peers = PeerConfig {
        node: node(number),
        address: machine.address(),
        start: if number == 1 { Start::Found } else { Start::Join },
        invitation: invitation.collect(),
        transport,
    };
    config
}

/// Looks at what a node signs or publishes at the moment it does.
fn watch(world: &World, index: usize, node: u64, point: CrashPoint, folder: &Path) {
    let publish = folder.join("publish");
    let signed = || {
        let text = fs::read_to_string(publish.join("signed")).unwrap_or_default();
        SignedHeads::parse(&text).unwrap_or_default()
    };
    let (did, head, note) = match point {
        CrashPoint::LogSigned => (Did::LogSigned, signed().log, None),
        CrashPoint::Cosigned => (Did::Cosigned, signed().cosigner, None),
        CrashPoint::Published => {
            let note = fs::read_to_string(publish.join("checkpoint")).unwrap_or_default();
            let read = Note::parse(&note).ok().and_then(|n| Checkpoint::parse(n.text()).ok());
            let head = read.map(|read| TreeHead { size: read.size(), root: *read.root() });
            (Did::Published, head, Some(note))
        }
        _ => return,
    };
    let Some(head) = head else {
        return world.broke(ONE_ROOT, format!("node {node} {did:?} what cannot be read"));
    };
    let disk = &world.machines[index].disk;
    let ledger = world.machines[index].state().ledger.clone();
    let positions = ledger.filter(|_| did != Did::Published).map(|ledger| ledger.positions());
    let tiles = letopis_ledger::tile::tiles_at(head.size).filter(|t| t.width == TileWidth::FULL);
    let files = tiles.map(|tile| {
        let path = tile.to_string();
        folder.join("tiles").join(path.strip_prefix("tile/").expect("it is a tile's path"))
    });
    let lost_tiles = files.filter(|file| disk.durable_bytes(file) != 256 * 32).collect();
    let segment = folder.join("segments").join(format!("{:020}.seg", 0));
    let durable_leaf_bytes = disk.durable_bytes(&segment);
    world.note(|| format!("node {node} {did:?} {head}"));
    world.did(HeadEvent { node, did, head, positions, durable_leaf_bytes, lost_tiles, note });
}
