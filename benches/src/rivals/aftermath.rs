//! What Letopis tells beside its rate: finality, memory, and disk once its nodes have stopped.
//!
//! Not here: how it is found out.

use std::time::Duration;

use serde_json::{Value, json};

use super::cluster::Weight;

/// Of one case, after its clients have ended.
#[derive(Debug, Clone)]
pub(crate) struct Aftermath {
    /// From acknowledgement to a checkpoint that a quorum cosigned.
    pub(crate) finality_p50: Duration,
    pub(crate) finality_p99: Duration,
    /// Memory at the end of the load; disk after the nodes have stopped by request.
    pub(crate) nodes: Vec<Weight>,
}

pub(super) const MB: f64 = 1e6;

/// Bytes of several nodes, in MB.
pub(crate) fn megabytes(nodes: &[Weight], of: impl Fn(&Weight) -> u64) -> String {
    let all: Vec<String> = nodes.iter().map(|one| format!("{:.0}", of(one) as f64 / MB)).collect();
    all.join(", ")
}

/// Bytes of several nodes for each byte of leaves.
pub(crate) fn per_leaf_byte(nodes: &[Weight], of: impl Fn(&Weight) -> u64) -> String {
    let share = |one: &Weight| format!("{:.2}", of(one) as f64 / one.leaves.max(1) as f64);
    nodes.iter().map(share).collect::<Vec<_>>().join(", ")
}

impl Aftermath {
    /// The cells of its row.
    pub(crate) fn cells(&self) -> String {
        format!(
            "{:.0} | {:.0} | {} | {} | {} |",
            self.finality_p50.as_secs_f64() * 1e3,
            self.finality_p99.as_secs_f64() * 1e3,
            megabytes(&self.nodes, |one| one.resident),
            megabytes(&self.nodes, |one| one.leaves),
            per_leaf_byte(&self.nodes, |one| one.disk),
        )
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        let nodes: Vec<Value> = self.nodes.iter().map(weight).collect();
        json!({
            "finality_p50_seconds": self.finality_p50.as_secs_f64(),
            "finality_p99_seconds": self.finality_p99.as_secs_f64(),
            "nodes": nodes,
        })
    }
}

/// What one node holds, in bytes.
pub(crate) fn weight(one: &Weight) -> Value {
    let Weight { resident, disk, leaves, raft_log } = one;
    json!({ "resident": resident, "disk": disk, "leaves": leaves, "raft_log": raft_log })
}
