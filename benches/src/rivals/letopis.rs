//! Letopis: nodes that are processes of this very program, and clients that send signed records.
//!
//! A node is `letopis_consensus` behind the plain wire of `wire`, so its processor time and its
//! writes are counted like those of any other server. It parses each record, checks its signature
//! and answers when the record is durable and a leaf. Clients sign before the measured time: that
//! is their work. Not here: HTTP, which `make demo` measures.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use letopis_consensus::LedgerHandle;
use letopis_ledger::record::SignedRecord;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::etcd::CLIENTS_PER_CONNECTION;
use super::runner::Bounds;
use super::server::{Server, Servers, Signal, command, free_ports};
use super::system::{Client, System};
use super::value::value;
use super::wire::{self, DONE, Frame, REFUSED};
use crate::append;

/// Records per second that clients sign for beforehand, all together and each.
const SIGNED_PER_SECOND: u64 = 40_000;
const SIGNED_PER_SECOND_AND_CLIENT: u64 = 4_000;

/// What the hidden `node` command is started with.
#[derive(Debug, clap::Args)]
pub(crate) struct NodeArguments {
    /// Folder of the node.
    #[arg(long)]
    folder: PathBuf,
    /// Where clients connect.
    #[arg(long)]
    listen: SocketAddr,
}

/// Runs one node until it is killed.
pub(crate) fn serve_node(arguments: &NodeArguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let node = append::open(&arguments.folder).await?;
        let listener = TcpListener::bind(arguments.listen).await?;
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    tokio::spawn(serve(accepted?.0, node.ledger()));
                }
                fatal = node.failed() => return Err(fatal.into()),
            }
        }
    })
}

/// Serves one connection until it ends.
async fn serve(stream: TcpStream, ledger: LedgerHandle) -> anyhow::Result<()> {
    let (mut reader, answers) = wire::split(stream)?;
    let ledger = Arc::new(ledger);
    loop {
        let Frame { client, body } = reader.next().await?;
        let (ledger, answers) = (Arc::clone(&ledger), answers.clone());
        tokio::spawn(async move {
            let body = match answer(&ledger, &body).await {
                Ok(done) => [&[DONE], done.as_slice()].concat(),
                Err(error) => [&[REFUSED], format!("{error:#}").as_bytes()].concat(),
            };
            // A client that has gone needs no answer.
            let _ = answers.send(Frame { client, body }).await;
        });
    }
}

/// The receipt of a record as its leaf's index and hash; for no record, the number of leaves.
async fn answer(ledger: &LedgerHandle, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    if request.is_empty() {
        return Ok(ledger.positions().applied.get().to_be_bytes().to_vec());
    }
    let receipt = ledger.append(SignedRecord::parse(request)?).await?;
    let index = receipt.leaf_index.get().to_be_bytes();
    Ok([index.as_slice(), receipt.leaf_hash.as_bytes()].concat())
}

/// Letopis nodes.
#[derive(Debug)]
pub(crate) struct Letopis {
    servers: Servers,
    /// Where clients connect.
    address: SocketAddr,
}

impl Letopis {
    pub(crate) fn new() -> Self {
        Self { servers: Servers::default(), address: (Ipv4Addr::LOCALHOST, 0).into() }
    }
}

impl System for Letopis {
    type Client = Appender;

    fn name(&self) -> String {
        "letopis 1 node".into()
    }

    fn nodes(&self) -> usize {
        1
    }

    fn absent(&self) -> Option<String> {
        None
    }

    async fn start(&mut self, folder: &Path) -> anyhow::Result<()> {
        self.address.set_port(free_ports(1)?[0]);
        let mut command = command(&std::env::current_exe()?, None, Signal::Kill)?;
        command.arg("node").arg("--folder").arg(folder.join("node"));
        command.args(["--listen", &self.address.to_string()]);
        self.servers.push(Server::start(command, Signal::Kill, &folder.join("node.log"))?);
        let address = self.address;
        let genesis = append::genesis()?.to_bytes();
        // The same bytes again are answered with the same receipt.
        let found = async || call(address, genesis.clone()).await;
        self.servers.until_ready(found).await?;
        Ok(())
    }

    fn servers(&self) -> &Servers {
        &self.servers
    }

    fn servers_mut(&mut self) -> &mut Servers {
        &mut self.servers
    }

    async fn connect(&self, clients: usize, bounds: Bounds) -> anyhow::Result<Vec<Appender>> {
        let signed = sign_ahead(clients, bounds).await?;
        let mut all = Vec::with_capacity(clients);
        let mut numbers = 0..clients;
        for group in signed.chunks(CLIENTS_PER_CONNECTION) {
            let connected = connect(self.address, group.len()).await?;
            for ((call, signed), client) in connected.into_iter().zip(group).zip(&mut numbers) {
                all.push(Appender { call, signed: Arc::clone(signed), client });
            }
        }
        Ok(all)
    }

    async fn kept(&self) -> anyhow::Result<u64> {
        let leaves = call(self.address, vec![]).await?;
        let leaves = u64::from_be_bytes(leaves.as_slice().try_into()?);
        // The record that founds the log is not the clients'.
        Ok(leaves.saturating_sub(1))
    }
}

type Signed = Arc<Vec<Vec<u8>>>;

/// The first records of each client, signed.
async fn sign_ahead(clients: usize, bounds: Bounds) -> anyhow::Result<Vec<Signed>> {
    let seconds = (bounds.warm_up + bounds.measured).as_secs() + 1;
    let each =
        (SIGNED_PER_SECOND / clients as u64).clamp(1, SIGNED_PER_SECOND_AND_CLIENT) * seconds;
    let lanes = std::thread::available_parallelism()?.get();
    let mut tasks = JoinSet::new();
    for lane in 0..lanes {
        tasks.spawn_blocking(move || {
            let own = (lane..clients).step_by(lanes);
            let sign = |client| {
                let records = (0..each as usize).map(|number| record(client, number));
                anyhow::Ok((client, Arc::new(records.collect::<anyhow::Result<Vec<_>>>()?)))
            };
            own.map(sign).collect::<anyhow::Result<Vec<_>>>()
        });
    }
    let mut all: Vec<(usize, Signed)> = Vec::with_capacity(clients);
    while let Some(lane) = tasks.join_next().await {
        all.extend(lane??);
    }
    all.sort_unstable_by_key(|(client, _)| *client);
    Ok(all.into_iter().map(|(_, signed)| signed).collect())
}

fn record(client: usize, number: usize) -> anyhow::Result<Vec<u8>> {
    Ok(append::record_of(client, number, value(client, number))?.to_bytes())
}

/// A client that appends.
#[derive(Debug)]
pub(crate) struct Appender {
    call: Call,
    signed: Signed,
    client: usize,
}

impl Client for Appender {
    async fn append(&mut self, number: usize) -> anyhow::Result<()> {
        let record = match self.signed.get(number) {
            Some(signed) => signed.clone(),
            None => {
                if number == self.signed.len() && self.client == 0 {
                    eprintln!("faster than was signed for: from here signing is measured too");
                }
                record(self.client, number)?
            }
        };
        let receipt = self.call.call(record).await?;
        anyhow::ensure!(receipt.len() == 40, "a receipt of {} bytes", receipt.len());
        Ok(())
    }
}

/// One client's place on a connection.
#[derive(Debug)]
struct Call {
    client: u32,
    requests: mpsc::Sender<Frame>,
    answers: mpsc::Receiver<Vec<u8>>,
}

impl Call {
    async fn call(&mut self, body: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        self.requests.send(Frame { client: self.client, body }).await?;
        let mut answer = self.answers.recv().await.context("the node closed the connection")?;
        match answer.first() {
            Some(&DONE) => Ok(answer.split_off(1)),
            _ => anyhow::bail!("{}", String::from_utf8_lossy(answer.get(1..).unwrap_or_default())),
        }
    }
}

/// One connection for some clients.
async fn connect(address: SocketAddr, clients: usize) -> anyhow::Result<Vec<Call>> {
    let (mut reader, requests) = wire::split(TcpStream::connect(address).await?)?;
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..clients).map(|_| mpsc::channel(1)).unzip();
    tokio::spawn(async move {
        // Each client has one request under way, so its channel always has room.
        while let Ok(Frame { client, body }) = reader.next().await {
            let Some(sender) = senders.get(client as usize) else { return };
            let _ = sender.try_send(body);
        }
    });
    let call = |(client, answers)| Call { client, requests: requests.clone(), answers };
    Ok((0..).zip(receivers).map(call).collect())
}

/// One request over a connection of its own.
async fn call(address: SocketAddr, body: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let mut calls = connect(address, 1).await?;
    calls.pop().context("one client")?.call(body).await
}
