//! Raft: openraft's types stay behind this module.
//!
//! `types` names them once, `encoding` is our own form of what reaches the disk (and, with more
//! voters, the wire), `log` keeps the Raft log in RocksDB behind one writer thread, `machine`
//! applies entries to the store, `network` reaches other voters.
//!
//! Not here: what an entry does to the ledger (`crate::machine`) and where leaves lie
//! (`crate::store`).

pub(crate) mod acknowledged;
pub(crate) mod encoding;
pub(crate) mod log;
pub(crate) mod machine;
pub(crate) mod network;
pub(crate) mod types;

use std::sync::Arc;

use openraft::{Config, SnapshotPolicy};

/// Defaults for voters in one country: elections in 1.5 to 3 s, so that a slow disk or a pause of
/// a virtual machine does not depose a leader. The library's own defaults suit one rack.
pub(crate) fn config(log_keep_entries: u64, alone: bool) -> Arc<Config> {
    let config = Config {
        cluster_name: "letopis".into(),
        election_timeout_min: 1_500,
        election_timeout_max: 3_000,
        heartbeat_interval: 300,
        install_snapshot_timeout: 600_000,
        // A snapshot is a durable checkpoint of this node; the node triggers it itself.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: log_keep_entries,
        purge_batch_size: 64,
        enable_pre_vote: Some(true),
        // At least the lease and an election, so that a leader cut off from its quorum steps down.
        quorum_loss_probe_interval: Some(6_000),
        // A voter restored from an older copy has forgotten entries that it acknowledged. Without
        // this it would stay behind without a word for as long as the same leader leads; with it,
        // it catches up, and the leader says so loudly (`network`).
        allow_log_reversion: Some(true),
        // A leader may have sent entries that its own disk had not: back from a crash it would give
        // their places, in the same term, to others. A node that is alone has sent nothing.
        enable_leader_restore: Some(alone),
        ..Config::default()
    };
    Arc::new(config.validate().expect("invariant: these constants are a valid configuration"))
}

#[cfg(test)]
mod test;
