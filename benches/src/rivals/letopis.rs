//! Letopis with one node or three: each is a process of this very program (`node`).
//!
//! Clients send signed records to the leader, which checks every signature; the other nodes check
//! all of them again before they cosign. Not here: HTTP, which `make demo` measures.

use std::path::Path;

use anyhow::Context;

use super::aftermath::Aftermath;
use super::appender::{Appender, appenders};
use super::cluster::Cluster;
use super::finality::Finality;
use super::runner::{Bounds, at_share};
use super::server::Servers;
use super::system::System;

/// Letopis nodes.
#[derive(Debug)]
pub(crate) struct Letopis {
    nodes: usize,
    cluster: Option<Cluster>,
    none: Servers,
    finality: Finality,
    /// Leaves before the clients' first.
    founded: u64,
}

impl Letopis {
    pub(crate) fn new(nodes: usize) -> Self {
        let (none, finality) = (Servers::default(), Finality::default());
        Self { nodes, cluster: None, none, finality, founded: 0 }
    }

    fn cluster(&self) -> anyhow::Result<&Cluster> {
        self.cluster.as_ref().context("it was started")
    }
}

impl System for Letopis {
    type Client = Appender;

    fn name(&self) -> String {
        if self.nodes == 1 {
            "letopis 1 node".into()
        } else {
            format!("letopis {} nodes", self.nodes)
        }
    }

    fn nodes(&self) -> usize {
        self.nodes
    }

    fn absent(&self) -> Option<String> {
        None
    }

    async fn start(&mut self, folder: &Path) -> anyhow::Result<()> {
        let cluster = self.cluster.insert(Cluster::start(folder, self.nodes, 0).await?);
        self.founded = cluster.leader().await?.1.applied;
        Ok(())
    }

    fn servers(&self) -> &Servers {
        self.cluster.as_ref().map_or(&self.none, Cluster::servers)
    }

    fn servers_mut(&mut self) -> &mut Servers {
        self.cluster.as_mut().map_or(&mut self.none, Cluster::servers_mut)
    }

    async fn connect(&self, clients: usize, bounds: Bounds) -> anyhow::Result<Vec<Appender>> {
        let (address, status) = self.cluster()?.leader().await?;
        let all = appenders(address, clients, bounds, &self.finality).await?;
        self.finality.follow(address, status.published).await?;
        Ok(all)
    }

    async fn kept(&self) -> anyhow::Result<u64> {
        let statuses = self.cluster()?.statuses().await?;
        // What a majority holds; a node that is behind now has it a moment later.
        let mut applied: Vec<u64> = statuses.iter().map(|(_, status)| status.applied).collect();
        applied.sort_unstable_by(|a, b| b.cmp(a));
        let majority = applied.get(applied.len() / 2).context("a majority")?;
        Ok(majority.saturating_sub(self.founded))
    }

    async fn aftermath(&mut self) -> anyhow::Result<Option<Aftermath>> {
        let waits = self.finality.waits().await?;
        let cluster = self.cluster.as_mut().context("it was started")?;
        let before = cluster.weights()?;
        cluster.servers_mut().end_all()?;
        let after = cluster.weights_of_ended(&before)?;
        let (p50, p99) = (at_share(&waits, 0.5), at_share(&waits, 0.99));
        Ok(Some(Aftermath { finality_p50: p50, finality_p99: p99, nodes: after }))
    }
}
