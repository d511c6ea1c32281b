//! Nodes of several agencies that hold one log together, each a process, brought in with the
//! commands that agencies use.
//!
//! Not here: what happens to them (`tests/tests/cluster.rs`), and the network between them
//! (`network`).

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use letopis_ledger::key::AuthorSigner;
use serde_json::Value;
use tempfile::TempDir;

use crate::network::{Link, Network, Proxy};
use crate::node::{AGENCY, Answer, Client, ORIGIN, RunningNode, key_file, signer_in};
use crate::{binary, wait_for};

/// How long the nodes may take for what they must do in any case.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// How long a request may take: a node that is stopped must not hold a client for ever.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(4);

/// The nodes.
#[derive(Debug)]
pub struct Cluster {
    // First, so that the processes end before their files go.
    nodes: Mutex<Vec<Member>>,
    network: Box<dyn Network>,
    place: TempDir,
    folders: Vec<PathBuf>,
    environment: Vec<(&'static str, String)>,
}

#[derive(Debug)]
struct Member {
    running: Option<RunningNode>,
    client: Option<Client>,
}

/// Id of the agency that runs a node; the first one founded the log.
#[must_use]
pub fn agency(node: usize) -> String {
    if node == 0 { AGENCY.to_owned() } else { format!("agency-{}", node + 1) }
}

impl Cluster {
    /// So many nodes on loopback, whose links a proxy can cut; otherwise as [`Self::start_on`].
    ///
    /// # Panics
    /// A command fails, or the nodes do not come together.
    #[must_use]
    pub fn start(
        count: usize,
        elsewhere: Option<&Path>,
        environment: Vec<(&'static str, String)>,
    ) -> Self {
        Self::start_on(Box::new(Proxy::new(count)), elsewhere, environment)
    }

    /// Founds a log and brings the other nodes in, one for each place of the network. `elsewhere`
    /// names another place for the last node's folder; `environment` is that of every node.
    ///
    /// # Panics
    /// A command fails, or the nodes do not come together.
    #[must_use]
    pub fn start_on(
        network: Box<dyn Network>,
        elsewhere: Option<&Path>,
        environment: Vec<(&'static str, String)>,
    ) -> Self {
        let count = network.count();
        let place = tempfile::tempdir().expect("a temporary folder");
        let mut folders: Vec<PathBuf> =
            (0..count).map(|node| place.path().join(format!("node{}", node + 1))).collect();
        if let (Some(elsewhere), Some(last)) = (elsewhere, folders.last_mut()) {
            *last = elsewhere.join("node");
        }
        let nodes = (0..count).map(|_| Member { running: None, client: None }).collect();
        let cluster = Self { nodes: Mutex::new(nodes), network, place, folders, environment };
        for node in 0..count {
            cluster.bring_in(node);
        }
        cluster
    }

    fn bring_in(&self, node: usize) {
        let (folder, id) = (self.folder(node), agency(node));
        let listen = self.network.listen(node).to_string();
        let address = self.network.address(node).to_string();
        let mut command = Command::new(binary("letopis"));
        match node {
            0 => command.arg("init"),
            _ => command.args(["agency", "request", "--node", &(node + 1).to_string()]),
        };
        command.args(["--origin", ORIGIN, "--agency", &id, "--name-ru", "Ведомство"]);
        command.args(["--name-en", "Agency", "--listen", "127.0.0.1:0"]);
        command.args(["--peer-listen", &listen, "--peer-address", &address]);
        run(command.arg("--folder").arg(folder));
        if node > 0 {
            let invitation = self.place.path().join(format!("invitation{node}.json"));
            let founder = self.client(0).expect("the founder runs");
            run(Command::new(binary("letopis"))
                .args(["agency", "admit", "--node", founder.address(), "--folder"])
                .arg(self.folder(0))
                .arg("--invitation")
                .arg(&invitation)
                .arg(folder.join("request.json")));
            let mut join = Command::new(binary("letopis"));
            run(join.args(["agency", "join"]).arg(&invitation).arg("--folder").arg(folder));
        }
        self.restart(node);
        // One after another: until a node that votes has started, it counts against the quorum.
        wait_for("the node to vote", PATIENCE, || {
            let voters = self.status(0)?["voters"].as_array().map_or(0, Vec::len);
            (voters == node + 1).then_some(())
        });
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.folders.len()
    }

    /// The network between them.
    #[must_use]
    pub fn network(&self) -> &dyn Network {
        self.network.as_ref()
    }

    /// Folder of a node.
    #[must_use]
    pub fn folder(&self, node: usize) -> &Path {
        &self.folders[node]
    }

    /// The key with which a node's agency signs records.
    #[must_use]
    pub fn signer(&self, node: usize) -> AuthorSigner {
        signer_in(self.folder(node), &agency(node))
    }

    /// The way to a node that runs.
    #[must_use]
    pub fn client(&self, node: usize) -> Option<Client> {
        self.members()[node].client.clone()
    }

    /// What a node says of itself and the others; `None` when it does not answer.
    #[must_use]
    pub fn status(&self, node: usize) -> Option<Value> {
        let token = key_file(self.folder(node), "operator.token");
        let answer: Answer = self.client(node)?.get_with_token("/api/v1/node", &token).ok()?;
        (answer.status == 200).then(|| answer.json())
    }

    /// The node that leads, as most of them say.
    #[must_use]
    pub fn leader(&self) -> Option<usize> {
        let says = |node| {
            let leader = self.status(node)?["leader"].as_u64()?;
            usize::try_from(leader - 1).ok()
        };
        let said: Vec<usize> = (0..self.count()).filter_map(says).collect();
        (0..self.count()).find(|node| said.iter().filter(|s| *s == node).count() * 2 > self.count())
    }

    /// Starts a node that does not run.
    ///
    /// # Panics
    /// It ends at its start.
    pub fn restart(&self, node: usize) {
        let log = self.place.path().join(format!("node{}.log", node + 1));
        let log = OpenOptions::new().create(true).append(true).open(log).expect("a log file");
        let mut command = self.network.command(node, &binary("letopis"));
        let listen = self.network.listen_for_clients(node).to_string();
        command.args(["node", "--listen", &listen, "--folder"]).arg(self.folder(node));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let mut running = RunningNode::start(command.stderr(Stdio::from(log)));
        self.network.runs_as(node, Some(running.process().child().id()));
        let client = running.client().with_timeout(CLIENT_TIMEOUT);
        self.members()[node] = Member { running: Some(running), client: Some(client) };
    }

    /// Ends a node as a power cut would end its process.
    pub fn kill(&self, node: usize) {
        self.take(node, |running| running.kill());
    }

    /// Asks a node to end and waits until it has.
    pub fn stop(&self, node: usize) {
        self.take(node, |running| running.process().terminate());
    }

    fn take(&self, node: usize, end: impl FnOnce(&mut RunningNode)) {
        let mut member =
            std::mem::replace(&mut self.members()[node], Member { running: None, client: None });
        if let Some(running) = &mut member.running {
            end(running);
        }
        self.network.runs_as(node, None);
    }

    /// Whether a node has ended by itself, and if so with success.
    ///
    /// # Panics
    /// The process cannot be asked.
    pub fn ended(&self, node: usize) -> Option<bool> {
        let mut members = self.members();
        let child = members[node].running.as_mut()?.process().child();
        child.try_wait().expect("a child process can be asked").map(|status| status.success())
    }

    /// Sends a signal to a node's process.
    ///
    /// # Panics
    /// The node does not run.
    pub fn signal(&self, node: usize, signal: &str) {
        let id = {
            let mut members = self.members();
            members[node].running.as_mut().expect("the node runs").process().child().id()
        };
        let sent = Command::new("kill").args([signal, &id.to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{signal} does not reach the node");
    }

    /// Opens all links again.
    pub fn heal(&self) {
        self.network.set_all(Link::Open);
    }

    fn members(&self) -> std::sync::MutexGuard<'_, Vec<Member>> {
        self.nodes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for node in 1..=self.count() {
            let log = self.place.path().join(format!("node{node}.log"));
            let log = std::fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("---- the last words of node {node}");
            lines[lines.len().saturating_sub(40)..].iter().for_each(|line| eprintln!("{line}"));
        }
    }
}

fn run(command: &mut Command) {
    let output = command.stdout(Stdio::null()).output().expect("letopis starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {complaint}");
}
