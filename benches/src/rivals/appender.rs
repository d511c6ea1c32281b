//! Clients of a Letopis node: each sends signed records, one at a time.
//!
//! Records are signed beforehand, in the time that no one measures: that is the authors' work.
//! Not here: what a node makes of them.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::etcd::CLIENTS_PER_CONNECTION;
use super::finality::Finality;
use super::runner::Bounds;
use super::system::Client;
use super::value::{VALUE_BYTES, value};
use super::wire::{self, DONE, Frame};
use crate::append;

/// Records per second that clients sign for beforehand, all together and each.
const SIGNED_PER_SECOND: u64 = 40_000;
const SIGNED_PER_SECOND_AND_CLIENT: u64 = 4_000;

type Signed = Arc<Vec<Vec<u8>>>;

/// Connects clients to a node, each with records signed for the time of a case.
pub(crate) async fn appenders(
    address: SocketAddr,
    clients: usize,
    bounds: Bounds,
    finality: &Finality,
) -> anyhow::Result<Vec<Appender>> {
    let seconds = (bounds.warm_up + bounds.measured).as_secs() + 1;
    let each =
        (SIGNED_PER_SECOND / clients as u64).clamp(1, SIGNED_PER_SECOND_AND_CLIENT) * seconds;
    let signed = sign_ahead(clients, 0..each as usize).await?;
    connected(address, &signed, finality).await
}

/// Connects clients to a node, each of which signs values of so many bytes as it goes.
pub(crate) async fn signing_appenders(
    address: SocketAddr,
    clients: usize,
    value_bytes: usize,
) -> anyhow::Result<Vec<Appender>> {
    let nothing = vec![Signed::default(); clients];
    let mut all = connected(address, &nothing, &Finality::default()).await?;
    all.iter_mut().for_each(|appender| appender.value_bytes = value_bytes);
    Ok(all)
}

async fn connected(
    address: SocketAddr,
    signed: &[Signed],
    finality: &Finality,
) -> anyhow::Result<Vec<Appender>> {
    let mut all = Vec::with_capacity(signed.len());
    let mut numbers = 0..signed.len();
    for group in signed.chunks(CLIENTS_PER_CONNECTION) {
        let connected = connect(address, group.len()).await?;
        for ((call, signed), client) in connected.into_iter().zip(group).zip(&mut numbers) {
            let (signed, finality) = (Arc::clone(signed), finality.clone());
            all.push(Appender { call, signed, client, finality, value_bytes: VALUE_BYTES });
        }
    }
    Ok(all)
}

/// The records of these numbers of each client, signed.
async fn sign_ahead(clients: usize, numbers: Range<usize>) -> anyhow::Result<Vec<Signed>> {
    let lanes = std::thread::available_parallelism()?.get();
    let mut tasks = JoinSet::new();
    for lane in 0..lanes {
        let numbers = numbers.clone();
        tasks.spawn_blocking(move || {
            let own = (lane..clients).step_by(lanes);
            let sign = |client| {
                let records = numbers.clone().map(|number| record(client, number, VALUE_BYTES));
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

fn record(client: usize, number: usize, value_bytes: usize) -> anyhow::Result<Vec<u8>> {
    Ok(append::record_of(client, number, value(client, number, value_bytes))?.to_bytes())
}

/// A client that appends.
#[derive(Debug)]
pub(crate) struct Appender {
    call: Call,
    signed: Signed,
    client: usize,
    finality: Finality,
    value_bytes: usize,
}

impl Client for Appender {
    async fn append(&mut self, number: usize) -> anyhow::Result<()> {
        let record = match self.signed.get(number) {
            Some(signed) => signed.clone(),
            None => {
                if number == self.signed.len() && self.client == 0 && number > 0 {
                    eprintln!("faster than was signed for: from here signing is measured too");
                }
                record(self.client, number, self.value_bytes)?
            }
        };
        let receipt = self.call.call(record).await?;
        anyhow::ensure!(receipt.len() == 40, "a receipt of {} bytes", receipt.len());
        let (index, _) = receipt.split_first_chunk().context("an index")?;
        self.finality.acknowledged(u64::from_be_bytes(*index));
        Ok(())
    }
}

/// One client's place on a connection.
#[derive(Debug)]
pub(crate) struct Call {
    client: u32,
    requests: mpsc::Sender<Frame>,
    answers: mpsc::Receiver<Vec<u8>>,
}

impl Call {
    pub(crate) async fn call(&mut self, body: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        self.requests.send(Frame { client: self.client, body }).await?;
        let mut answer = self.answers.recv().await.context("the node closed the connection")?;
        match answer.first() {
            Some(&DONE) => Ok(answer.split_off(1)),
            _ => anyhow::bail!("{}", String::from_utf8_lossy(answer.get(1..).unwrap_or_default())),
        }
    }
}

/// One connection for some clients.
pub(crate) async fn connect(address: SocketAddr, clients: usize) -> anyhow::Result<Vec<Call>> {
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
pub(crate) async fn call(address: SocketAddr, body: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let mut calls = connect(address, 1).await?;
    calls.pop().context("one client")?.call(body).await
}
