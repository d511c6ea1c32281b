//! What a running node does by itself from time to time: checkpoints of the store, and looking
//! whether Raft still runs.
//!
//! Not here: publication (`crate::publish`) and the other nodes (`crate::peer::watch`).

use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::Intervals;
use crate::fatal::{Fatal, FatalSignal};
use crate::ledger::LedgerHandle;
use crate::metric;
use crate::raft::types::Raft;
use crate::store::Store;

/// Makes the store durable from time to time, so that the Raft log can be purged.
pub(super) async fn make_checkpoints(
    raft: Raft,
    ledger: LedgerHandle,
    store: Arc<Store>,
    intervals: Intervals,
    mut stop: watch::Receiver<bool>,
) {
    let mut last = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        metric::positions(&ledger.positions());
        let bytes = store.unflushed_bytes();
        let due = last.elapsed() >= intervals.checkpoint && bytes > 0;
        if due || bytes >= intervals.checkpoint_bytes {
            last = Instant::now();
            // Now the write buffers are fullest.
            if let Some(parts) = ledger.parts() {
                let (raft_log, entries) = parts.log.memory();
                metric::memory(store.index_memory(), raft_log, entries);
            }
            if raft.trigger().snapshot().await.is_err() {
                return;
            }
        }
    }
}

/// Reports when the Raft core stops by itself.
pub(super) async fn watch_raft(raft: Raft, fatal: FatalSignal, mut stop: watch::Receiver<bool>) {
    let mut metrics = raft.server_metrics();
    let mut full = raft.metrics();
    loop {
        if let Err(stopped) = &full.borrow_watched().running_state
            && !*stop.borrow()
        {
            fatal.report(Fatal::Raft { reason: stopped.to_string() });
            return;
        }
        tokio::select! {
            changed = metrics.changed() => if changed.is_err() { return },
            changed = full.changed() => if changed.is_err() { return },
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}
