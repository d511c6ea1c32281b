//! M6: a node that is removed is forgotten by whoever watches the others, and what goes wrong with
//! nodes that take part still shows.
//!
//! Not here: how Raft's membership follows the log; `tests/tests/simulation.rs` attacks that.

use std::process::{Command, Stdio};

use letopis_tests::cluster::{Cluster, PATIENCE};
use letopis_tests::{binary, wait_for};

/// What a node says of node 3, line by line, without the kinds of the figures.
fn told_of_node_3(cluster: &Cluster, by: usize) -> Option<Vec<String>> {
    let metrics = cluster.client(by)?.get("/metrics").ok()?;
    let text = String::from_utf8(metrics.bytes).expect("metrics are text");
    let lines = text.lines().filter(|line| {
        line.starts_with("letopis_peer_reachable{") || line.starts_with("letopis_peer_lag_leaves{")
    });
    Some(lines.filter(|line| line.contains("{node=\"3\"}")).map(str::to_owned).collect())
}

fn wait_until_told(cluster: &Cluster, what: &str, expected: &[&str]) {
    for by in 0..2 {
        let what = format!("node {} to tell that node 3 {what}", by + 1);
        wait_for(&what, PATIENCE, || (told_of_node_3(cluster, by)? == expected).then_some(()));
    }
}

#[test]
fn figures_of_a_node_disappear_when_the_log_removes_it() {
    let cluster = Cluster::start(3, None, Vec::new());
    let all = ["letopis_peer_reachable{node=\"3\"} 1", "letopis_peer_lag_leaves{node=\"3\"} 0"];
    wait_until_told(&cluster, "is there", &all);
    cluster.kill(2);
    wait_until_told(&cluster, "is away", &["letopis_peer_reachable{node=\"3\"} 0"]);
    let founder = cluster.client(0).expect("the founder runs");
    wait_for("the founder to remove node 3", PATIENCE, || {
        let status = cluster.status(0)?;
        let nodes = status["nodes"].as_array()?;
        if nodes.iter().any(|node| node["node"] == 3 && node["role"] == "removed") {
            return Some(());
        }
        // The one that was killed may have led: until another one does, nothing can be written.
        let _ = Command::new(binary("letopis"))
            .args(["node", "remove", "3", "--node", founder.address(), "--folder"])
            .arg(cluster.folder(0))
            .stdout(Stdio::null())
            .status();
        None
    });
    wait_until_told(&cluster, "is nowhere", &[]);
}
