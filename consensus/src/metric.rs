//! Every metric of this crate, named once.
//!
//! | name | kind | what it counts |
//! |---|---|---|
//! | `letopis_raft_log_syncs_total` | counter | synced writes of the Raft log |
//! | `letopis_raft_log_sync_seconds` | histogram | time of one of them |
//! | `letopis_raft_log_entries_per_sync` | histogram | entries that shared one sync |
//! | `letopis_proposer_queue_records` | gauge | records waiting to be proposed |
//! | `letopis_proposer_batch_records` | histogram | records of one Raft entry |
//! | `letopis_records_total{outcome}` | counter | answers: `appended`, `repeated`, `rejected`, … |
//! | `letopis_records_rejected_total{rule}` | counter | rejects by [`crate::Reject::code`] |
//! | `letopis_append_seconds` | histogram | from the call of `append` to its answer |
//! | `letopis_signature_check_seconds` | histogram | verification of one record |
//! | `letopis_apply_seconds` | histogram | applying entries: machine, leaves, hashing, index |
//! | `letopis_position_leaves{stage}` | gauge | `applied`, `agreed`, `signed`, … as [`Positions`] |
//! | `letopis_publish_seconds` | histogram | from reading the tree head to its publication |
//! | `letopis_publish_lag_leaves` | gauge | applied leaves that are not published |
//! | `letopis_quorum_missing_total` | counter | publications refused by the policy |
//! | `letopis_finality_seconds` | histogram | from the time of the newest leaf to its publication |
//! | `letopis_cosigning_refused_total` | counter | checkpoints that this node did not cosign |
//! | `letopis_contradicting_heads_total` | counter | signed heads that this node's leaves deny |
//! | `letopis_diverged` | gauge | 1 once this node's own root differs from the agreed one |
//! | `letopis_leader` | gauge | 1 while this node leads |
//! | `letopis_term` | gauge | term of the Raft group |
//! | `letopis_peer_reverted_total{node}` | counter | nodes that lost entries they acknowledged |
//! | `letopis_checkpoint_seconds` | histogram | one checkpoint of the store |
//! | `letopis_memory_bytes{part}` | gauge | what the node's databases and the Raft log hold |
//! | `letopis_peer_refused_total{reason}` | counter | handshakes, requests of other nodes refused |
//! | `letopis_backup_seconds` | histogram | one backup, taken and verified |
//! | `letopis_backup_bytes_total` | counter | bytes sent to the targets of backups |
//! | `letopis_backup_failures_total` | counter | backups that were begun and not taken |
//! | `letopis_backup_last_verified_timestamp_seconds` | gauge | when the last good one was begun |

use std::time::Duration;

use letopis_ledger::TreeSize;
use metrics::{counter, gauge, histogram};

use crate::ledger::{AppendError, Positions};
use crate::machine::Receipt;
use crate::memory::DatabaseMemory;

pub(crate) fn raft_log_synced(entry_count: u64, took: Duration) {
    counter!("letopis_raft_log_syncs_total").increment(1);
    histogram!("letopis_raft_log_sync_seconds").record(took);
    if entry_count > 0 {
        histogram!("letopis_raft_log_entries_per_sync").record(float(entry_count));
    }
}

pub(crate) fn queue_depth(records: usize) {
    gauge!("letopis_proposer_queue_records").set(float(records as u64));
}

pub(crate) fn batch_proposed(records: usize) {
    histogram!("letopis_proposer_batch_records").record(float(records as u64));
}

pub(crate) fn append_answered(answer: &Result<Receipt, AppendError>, took: Duration) {
    let outcome = match answer {
        Ok(receipt) if receipt.duplicate => "repeated",
        Ok(_) => "appended",
        Err(error) => error.code(),
    };
    counter!("letopis_records_total", "outcome" => outcome).increment(1);
    if let Err(AppendError::Rejected(reject)) = answer {
        counter!("letopis_records_rejected_total", "rule" => reject.code()).increment(1);
    }
    histogram!("letopis_append_seconds").record(took);
}

pub(crate) fn signature_checked(took: Duration) {
    histogram!("letopis_signature_check_seconds").record(took);
}

pub(crate) fn applied(took: Duration) {
    histogram!("letopis_apply_seconds").record(took);
}

pub(crate) fn positions(positions: &Positions) {
    let stage = |name: &'static str, size: TreeSize| {
        gauge!("letopis_position_leaves", "stage" => name).set(float(size.get()));
    };
    stage("applied", positions.applied);
    stage("agreed", positions.agreed);
    stage("signed", positions.signed);
    stage("cosigned", positions.cosigned);
    stage("published", positions.published);
    let lag = positions.applied.get().saturating_sub(positions.published.get());
    gauge!("letopis_publish_lag_leaves").set(float(lag));
}

pub(crate) fn published(took: Duration) {
    histogram!("letopis_publish_seconds").record(took);
}

pub(crate) fn quorum_missing() {
    counter!("letopis_quorum_missing_total").increment(1);
}

pub(crate) fn cosigning_refused() {
    counter!("letopis_cosigning_refused_total").increment(1);
}

pub(crate) fn contradicting_head() {
    counter!("letopis_contradicting_heads_total").increment(1);
}

pub(crate) fn diverged() {
    gauge!("letopis_diverged").set(1.0);
}

pub(crate) fn finality(lag: Duration) {
    histogram!("letopis_finality_seconds").record(lag);
}

pub(crate) fn role(leads: bool, term: u64) {
    gauge!("letopis_leader").set(if leads { 1.0 } else { 0.0 });
    gauge!("letopis_term").set(float(term));
}

pub(crate) fn peer_reverted(node: u64) {
    counter!("letopis_peer_reverted_total", "node" => node.to_string()).increment(1);
}

pub(crate) fn checkpoint_made(took: Duration) {
    histogram!("letopis_checkpoint_seconds").record(took);
}

pub(crate) fn memory(index: DatabaseMemory, raft_log: DatabaseMemory, raft_entries: u64) {
    let part = |name: &'static str, bytes: u64| {
        gauge!("letopis_memory_bytes", "part" => name).set(float(bytes));
    };
    part("index write buffers", index.write_buffers);
    part("index tables", index.tables);
    part("index block cache", index.block_cache);
    part("raft log write buffers", raft_log.write_buffers);
    part("raft log tables", raft_log.tables);
    part("raft log block cache", raft_log.block_cache);
    part("raft log entries", raft_entries);
}

pub(crate) fn peer_refused(reason: &'static str) {
    counter!("letopis_peer_refused_total", "reason" => reason).increment(1);
}

pub(crate) fn backup_taken(took: Duration, sent_bytes: u64, begun_unix_seconds: i64) {
    histogram!("letopis_backup_seconds").record(took);
    counter!("letopis_backup_bytes_total").increment(sent_bytes);
    backup_found(begun_unix_seconds);
}

pub(crate) fn backup_found(begun_unix_seconds: i64) {
    let begun = u64::try_from(begun_unix_seconds).unwrap_or(0);
    gauge!("letopis_backup_last_verified_timestamp_seconds").set(float(begun));
}

pub(crate) fn backup_failed() {
    counter!("letopis_backup_failures_total").increment(1);
}

/// Metrics are floats by their protocol; counts beyond 2^53 do not occur.
#[expect(clippy::cast_precision_loss, reason = "the metrics protocol has floats only")]
const fn float(count: u64) -> f64 {
    count as f64
}
