//! What a system has to offer to be measured: start, clients that append, and a count afterwards.
//!
//! Not here: how it is measured (`runner`), and what its processes use (`server`).

use std::path::Path;

use super::aftermath::Aftermath;
use super::runner::Bounds;
use super::server::Servers;

/// A system under measurement. Dropping it stops its servers.
pub(crate) trait System {
    /// One closed-loop client.
    type Client: Client;

    /// Name for the table.
    fn name(&self) -> String;

    /// Nodes that hold the data.
    fn nodes(&self) -> usize;

    /// What to install, when something is missing on this machine.
    fn absent(&self) -> Option<String>;

    /// Starts fresh servers in an empty folder and waits until they accept records.
    async fn start(&mut self, folder: &Path) -> anyhow::Result<()>;

    /// The processes that are counted.
    fn servers(&self) -> &Servers;

    /// The same, to stop them.
    fn servers_mut(&mut self) -> &mut Servers;

    /// Connects clients; work that clients would do beforehand is done here.
    async fn connect(&self, clients: usize, bounds: Bounds) -> anyhow::Result<Vec<Self::Client>>;

    /// Records that the system holds now, read after the clients have stopped.
    async fn kept(&self) -> anyhow::Result<u64>;

    /// What only this system tells; its servers may be stopped for it.
    async fn aftermath(&mut self) -> anyhow::Result<Option<Aftermath>> {
        Ok(None)
    }
}

/// One closed-loop client: it waits for each answer before it sends again.
pub(crate) trait Client: Send + 'static {
    /// Appends its record of this number (0, 1, 2, …); returns once it is durable.
    fn append(
        &mut self,
        number: usize,
    ) -> impl std::future::Future<Output = anyhow::Result<()>> + Send;
}
