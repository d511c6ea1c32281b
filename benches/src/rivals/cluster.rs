//! The nodes of one log as processes: started, asked how far they are, weighed and stopped.
//!
//! Not here: what a node does (`node`), and who the nodes are (`plan`).

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use letopis_ledger::id::NodeId;

use super::appender::call;
use super::node::Status;
use super::plan::Plan;
use super::server::{Server, Servers, Signal, command, free_ports};

/// A log held by some nodes.
#[derive(Debug)]
pub(crate) struct Cluster {
    servers: Servers,
    plan: Plan,
    folder: PathBuf,
    /// Where clients connect, by node.
    listen: Vec<SocketAddr>,
    /// Nodes that were started.
    started: usize,
}

/// What a node holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weight {
    /// Bytes of memory (`VmRSS`).
    pub(crate) resident: u64,
    /// Bytes of disk blocks of its folder.
    pub(crate) disk: u64,
    /// Of these, of the leaves.
    pub(crate) leaves: u64,
    /// Of these, of the Raft log, which is bounded.
    pub(crate) raft_log: u64,
}

impl Cluster {
    /// Starts the nodes that found a log, and keeps room for others.
    pub(crate) async fn start(folder: &Path, voters: usize, others: usize) -> anyhow::Result<Self> {
        let ports = free_ports(2 * (voters + others))?;
        let address = |port: &u16| SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
        let (peers, clients) = ports.split_at(voters + others);
        let peers: Vec<SocketAddr> = peers.iter().map(address).collect();
        let mut cluster = Self {
            servers: Servers::default(),
            plan: Plan::make(&folder.join("plan"), &peers)?,
            folder: folder.to_owned(),
            listen: clients.iter().map(address).collect(),
            started: 0,
        };
        for _ in 0..voters {
            cluster.start_next()?;
        }
        let genesis = cluster.plan.genesis(voters)?.to_bytes();
        let first = cluster.listen[0];
        // The same bytes again are answered with the same receipt.
        cluster.servers.until_ready(async || call(first, genesis.clone()).await).await?;
        let listen = cluster.listen[..voters].to_vec();
        cluster.servers.until_ready(async || settled(&listen).await).await?;
        Ok(cluster)
    }

    /// Starts the next node.
    pub(crate) fn start_next(&mut self) -> anyhow::Result<NodeId> {
        let node = self.plan.peers()[self.started].node;
        let mut command = command(&std::env::current_exe()?, None, Signal::Kill)?;
        command.arg("node").arg("--folder").arg(self.node_folder(node));
        command.args(["--listen", &self.listen[self.started].to_string()]);
        command.arg("--plan").arg(self.folder.join("plan"));
        command.args(["--node", &node.to_string()]);
        let log = self.folder.join(format!("node{node}.log"));
        self.servers.push(Server::start(command, Signal::Kill, &log)?);
        self.started += 1;
        Ok(node)
    }

    pub(crate) const fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) const fn servers(&self) -> &Servers {
        &self.servers
    }

    pub(crate) const fn servers_mut(&mut self) -> &mut Servers {
        &mut self.servers
    }

    /// How far each started node is, with where clients reach it.
    pub(crate) async fn statuses(&self) -> anyhow::Result<Vec<(SocketAddr, Status)>> {
        statuses(&self.listen[..self.started]).await
    }

    /// Where clients reach the leader, and how far it is.
    pub(crate) async fn leader(&self) -> anyhow::Result<(SocketAddr, Status)> {
        self.leader_of(self.started).await
    }

    /// The same, of the first nodes.
    pub(crate) async fn leader_of(&self, nodes: usize) -> anyhow::Result<(SocketAddr, Status)> {
        let statuses = statuses(&self.listen[..nodes]).await?;
        statuses.into_iter().find(|(_, status)| status.leads).context("no node leads")
    }

    /// What each node holds.
    pub(crate) fn weights(&self) -> anyhow::Result<Vec<Weight>> {
        let resident = self.servers.resident()?;
        let nodes = self.plan.peers().iter().map(|peer| peer.node).zip(resident);
        nodes.map(|(node, resident)| self.weight(node, resident)).collect()
    }

    /// The same of nodes that have ended: what they hold on disk now, in memory at the end.
    pub(crate) fn weights_of_ended(&self, before: &[Weight]) -> anyhow::Result<Vec<Weight>> {
        let nodes = self.plan.peers().iter().map(|peer| peer.node).zip(before);
        nodes.map(|(node, before)| self.weight(node, before.resident)).collect()
    }

    fn weight(&self, node: NodeId, resident: u64) -> anyhow::Result<Weight> {
        let folder = self.node_folder(node);
        Ok(Weight {
            resident,
            disk: blocks(&folder)?,
            leaves: blocks(&folder.join("segments"))?,
            raft_log: blocks(&folder.join("raft"))?,
        })
    }

    fn node_folder(&self, node: NodeId) -> PathBuf {
        self.folder.join(format!("node{node}"))
    }
}

async fn statuses(listen: &[SocketAddr]) -> anyhow::Result<Vec<(SocketAddr, Status)>> {
    let mut all = Vec::new();
    for address in listen {
        all.push((*address, Status::from_bytes(&call(*address, vec![]).await?)?));
    }
    Ok(all)
}

/// Every node votes and publishes, and one leads.
async fn settled(listen: &[SocketAddr]) -> anyhow::Result<()> {
    let all = statuses(listen).await?;
    let voters = listen.len() as u64;
    let settled = all.iter().all(|(_, s)| s.voters == voters && s.published > 0);
    let leaders = all.iter().filter(|(_, status)| status.leads).count();
    anyhow::ensure!(settled && leaders == 1, "the nodes are not all voters yet: {all:?}");
    Ok(())
}

/// Bytes of disk blocks below a folder; files may go away meanwhile.
fn blocks(folder: &Path) -> anyhow::Result<u64> {
    let mut sum = 0;
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let entry = entry?;
            let Ok(data) = entry.metadata() else { continue };
            if data.is_dir() {
                open.push(entry.path());
            }
            sum += data.blocks() * 512;
        }
    }
    Ok(sum)
}
