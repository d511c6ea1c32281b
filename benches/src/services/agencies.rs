//! Agencies with a node each, and what a client needs of a node's HTTP interface.
//!
//! The first agency founds the log, publishes the pack and keeps its registries; the others hold
//! the log with it. Not here: what is measured.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use letopis_ledger::TreeSize;
use letopis_ledger::bundle::EntryBundle;
use letopis_ledger::leaf::Leaf;
use letopis_ledger::tile::{TileWidth, bundles_between};
use serde_json::Value;

use crate::rivals::server::{Server, Servers, Signal, command};

/// How long a node may take to start, or nodes to come together.
const LIMIT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);

/// The nodes; dropping them ends them.
pub(super) struct Agencies {
    servers: Servers,
    folders: Vec<PathBuf>,
    node: Node,
}

/// A node's HTTP interface.
#[derive(Debug, Clone)]
pub(super) struct Node {
    address: String,
    token: String,
    agent: ureq::Agent,
}

impl Agencies {
    /// Brings the nodes in and publishes the pack.
    pub(super) fn start(place: &Path, count: usize, pack: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(place)?;
        let folder = place.join("node-1");
        let mut init = letopis(&["init", "--agency", "zarechny"])?;
        run(init.args(names(1)).args(peers()?).arg("--folder").arg(&folder))?;
        let mut servers = Servers::default();
        let (server, address) = start(&folder, LIMIT)?;
        servers.push(server);
        let node = Node::new(address, &folder)?;
        let mut agencies = Self { servers, folders: vec![folder], node };
        for number in 2..=count {
            agencies.bring_in(place, number)?;
        }
        let mut publish = letopis(&["pack", "publish", "--node", &agencies.node.address])?;
        run(publish.arg("--folder").arg(&agencies.folders[0]).arg(pack))?;
        Ok(agencies)
    }

    /// The first agency's node.
    pub(super) const fn node(&self) -> &Node {
        &self.node
    }

    /// Ends the only node as its operator would, changes its folder, and starts it again.
    pub(super) fn restart_with(
        &mut self,
        limit: Duration,
        change: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        ensure!(self.folders.len() == 1, "invariant: one node is started again at a time");
        self.servers.end_all()?;
        self.servers.stop();
        change(&self.folders[0])?;
        let (server, address) = start(&self.folders[0], limit)?;
        self.servers.push(server);
        self.node = Node::new(address, &self.folders[0])?;
        Ok(())
    }

    /// Most memory in bytes that the only node has held since it was started.
    pub(super) fn peak_memory(&self) -> anyhow::Result<u64> {
        let peaks = self.servers.peak()?;
        peaks.first().copied().context("a node runs")
    }

    /// Processor seconds that the nodes have used so far.
    pub(super) fn processor_seconds(&self) -> anyhow::Result<f64> {
        Ok(self.servers.usage()?.processor_seconds)
    }

    fn bring_in(&mut self, place: &Path, number: usize) -> anyhow::Result<()> {
        let folder = place.join(format!("node-{number}"));
        let id = format!("agency-{number}");
        let mut request = letopis(&["agency", "request", "--node", &number.to_string()])?;
        request.args(["--agency", &id]).args(names(number)).args(peers()?);
        run(request.arg("--folder").arg(&folder))?;
        let invitation = place.join(format!("invitation-{number}.json"));
        let mut admit = letopis(&["agency", "admit", "--node", &self.node.address])?;
        admit.arg("--folder").arg(&self.folders[0]).arg("--invitation").arg(&invitation);
        run(admit.arg(folder.join("request.json")))?;
        let mut join = letopis(&["agency", "join"])?;
        run(join.arg(&invitation).arg("--folder").arg(&folder))?;
        let (server, _) = start(&folder, LIMIT)?;
        self.servers.push(server);
        self.folders.push(folder);
        // One after another: until a node that votes has started, it counts against the quorum.
        wait(&format!("node {number} to vote"), || {
            let status = self.node.get("/api/v1/node")?;
            Ok(status["voters"].as_array().map_or(0, Vec::len) == number)
        })
    }
}

impl Node {
    fn new(address: String, folder: &Path) -> anyhow::Result<Self> {
        let token = std::fs::read_to_string(folder.join("keys/operator.token"))?.trim().to_owned();
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .max_idle_connections_per_host(1_000)
            .max_idle_connections(1_000);
        Ok(Self { address, token, agent: config.build().new_agent() })
    }

    /// The JSON at a path, as its operator sees it.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<Value> {
        let request = self.agent.get(format!("{}{path}", self.address));
        let answer = request.header("authorization", format!("Bearer {}", self.token)).call()?;
        read(path, answer)
    }

    /// Sends JSON as its operator.
    pub(super) fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.agent.post(format!("{}{path}", self.address));
        let request = request.header("authorization", format!("Bearer {}", self.token));
        read(path, request.send_json(body)?)
    }

    /// How far the node is.
    pub(super) fn positions(&self) -> anyhow::Result<Positions> {
        let health = self.get("/healthz")?;
        let count = |name: &str| health[name].as_u64().with_context(|| format!("no {name}"));
        Ok(Positions {
            applied: count("applied")?,
            projected: count("projected")?,
            published: count("published")?,
        })
    }

    fn bytes(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        let mut answer = self.agent.get(format!("{}/{path}", self.address)).call()?;
        ensure!(answer.status().is_success(), "{path}: {}", answer.status());
        Ok(answer.body_mut().read_to_vec()?)
    }
}

/// Leaves that the log of a node has, that its tables have, and that are published.
#[derive(Debug, Clone, Copy)]
pub(super) struct Positions {
    pub(super) applied: u64,
    pub(super) projected: u64,
    pub(super) published: u64,
}

/// What was written to the log.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Written {
    pub(super) records: u64,
    pub(super) events: u64,
}

impl Written {
    /// From the leaf `before` on; waits until it is published.
    pub(super) fn since(node: &Node, before: u64) -> anyhow::Result<Self> {
        let applied = node.positions()?.applied;
        wait("the log to be published", || Ok(node.positions()?.published >= applied))?;
        let after = node.positions()?.published;
        let mut written = Self::default();
        for path in bundles_between(TreeSize::new(before), TreeSize::new(after)) {
            let bytes = node.bytes(&path.to_string())?;
            let first = path.index.get() * u64::from(TileWidth::FULL.get());
            for (leaf, bytes) in (first..).zip(EntryBundle::parse(&bytes)?.iter()) {
                if leaf >= before {
                    written.records += 1;
                    written.events += Leaf::parse(bytes)?.record().events().len() as u64;
                }
            }
        }
        Ok(written)
    }
}

/// Waits until a condition holds, as long as starting a node may take.
pub(super) fn wait(what: &str, holds: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    wait_for(what, LIMIT, holds)
}

/// Waits until a condition holds.
pub(super) fn wait_for(
    what: &str,
    limit: Duration,
    mut holds: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let end = Instant::now() + limit;
    while !holds()? {
        if Instant::now() > end {
            bail!("waited {limit:?} in vain for {what}");
        }
        std::thread::park_timeout(POLL);
    }
    Ok(())
}

fn read(path: &str, mut answer: ureq::http::Response<ureq::Body>) -> anyhow::Result<Value> {
    let (status, text) = (answer.status(), answer.body_mut().read_to_string()?);
    ensure!(status.is_success(), "{path}: {status}: {text}");
    serde_json::from_str(&text).with_context(|| format!("{path}: {text}"))
}

fn names(number: usize) -> [String; 8] {
    [
        "--origin".into(),
        "letopis.example/bench".into(),
        "--name-ru".into(),
        format!("Ведомство {number}"),
        "--name-en".into(),
        format!("Agency {number}"),
        "--listen".into(),
        "127.0.0.1:0".into(),
    ]
}

fn peers() -> anyhow::Result<[String; 2]> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    Ok(["--peer-listen".into(), port.to_string()])
}

fn program() -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("letopis");
    ensure!(path.is_file(), "{}: build the binaries first", path.display());
    Ok(path)
}

fn letopis(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(program()?);
    command.args(arguments);
    Ok(command)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {complaint}");
    Ok(())
}

fn start(folder: &Path, limit: Duration) -> anyhow::Result<(Server, String)> {
    let mut node = command(&program()?, None, Signal::Kill)?;
    node.args(["node", "--listen", "127.0.0.1:0", "--folder"]).arg(folder);
    let log = folder.with_extension("log");
    let server = Server::start(node, Signal::Kill, &log)?;
    let mut address = String::new();
    wait_for("the node to listen", limit, || {
        let text = std::fs::read_to_string(&log)?;
        let line = text.lines().find_map(|line| line.strip_prefix("listening on "));
        address = line.unwrap_or_default().to_owned();
        Ok(!address.is_empty())
    })?;
    Ok((server, address))
}
