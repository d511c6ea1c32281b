//! Drives closed-loop clients for a bounded time and reckons what came of it.
//!
//! Rates and latencies are of records that are acknowledged within the measured time. Processor
//! time and bytes are of the whole case, from before the first record until after the last answer,
//! for each record acknowledged in it. Not here: which system it is.

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinSet;

use super::disk::Disk;
use super::server::Servers;
use super::system::Client;
use super::value::VALUE_BYTES;

/// How long a case may still take after its time, for the answers under way.
const GRACE: Duration = Duration::from_secs(60);

/// How long one case takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Before the measured time.
    pub(crate) warm_up: Duration,
    /// The measured time.
    pub(crate) measured: Duration,
}

/// What one case came to.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) records: usize,
    pub(crate) records_per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Processor seconds of all servers for each record.
    pub(crate) processor_seconds_per_record: f64,
    /// Bytes that the device wrote for each byte of payload, with what waited to be
    /// written at the end of the case; others' writes are in it.
    pub(crate) device_written_per_payload_byte: Option<f64>,
    /// Bytes of page cache that the kernel charged to the servers for each byte of payload.
    pub(crate) charged_per_payload_byte: f64,
}

#[derive(Default)]
struct Appended {
    /// In the whole case.
    acknowledged: u64,
    /// Of those that were acknowledged within the measured time.
    latencies: Vec<Duration>,
}

/// Runs the clients; also returns how many records were acknowledged in all.
pub(crate) async fn run<C: Client>(
    clients: Vec<C>,
    bounds: Bounds,
    servers: &Servers,
    disk: Option<&Disk>,
) -> anyhow::Result<(Measured, u64)> {
    // Read while nothing happens: with a thousand busy processes, reading itself takes seconds.
    let before = (servers.usage()?, disk.and_then(Disk::written));
    let begin = Instant::now() + bounds.warm_up;
    let end = begin + bounds.measured;
    // Dropped on the way out, so no client outlives its case.
    let mut tasks = JoinSet::new();
    for client in clients {
        tasks.spawn(append_until(client, begin, end));
    }
    let joined = tokio::time::timeout_at((end + GRACE).into(), join(&mut tasks)).await;
    let mut all = joined.with_context(|| format!("clients had no answer within {GRACE:?}"))??;
    let used = servers.usage()?.since(before.0);
    let written = disk.and_then(Disk::written).zip(before.1);
    let written = written.map(|(after, before)| after.saturating_sub(before));
    let records = all.latencies.len();
    anyhow::ensure!(records > 0, "no record was acknowledged in the measured time");
    all.latencies.sort_unstable();
    let acknowledged = all.acknowledged as f64;
    let payload = acknowledged * VALUE_BYTES as f64;
    let measured = Measured {
        records,
        records_per_second: records as f64 / bounds.measured.as_secs_f64(),
        p50: at_share(&all.latencies, 0.5),
        p99: at_share(&all.latencies, 0.99),
        processor_seconds_per_record: used.processor_seconds / acknowledged,
        device_written_per_payload_byte: written.map(|bytes| bytes as f64 / payload),
        charged_per_payload_byte: used.bytes_written as f64 / payload,
    };
    Ok((measured, all.acknowledged))
}

/// The time that a share of them does not exceed; they are in order.
pub(crate) fn at_share(times: &[Duration], share: f64) -> Duration {
    let place = (times.len().saturating_sub(1) as f64 * share) as usize;
    times.get(place).copied().unwrap_or_default()
}

async fn append_until<C: Client>(
    mut client: C,
    begin: Instant,
    end: Instant,
) -> anyhow::Result<Appended> {
    let mut done = Appended::default();
    for number in 0.. {
        let sent = Instant::now();
        if sent >= end {
            break;
        }
        client.append(number).await?;
        let now = Instant::now();
        done.acknowledged += 1;
        if now >= begin && now < end {
            done.latencies.push(now - sent);
        }
    }
    Ok(done)
}

async fn join(tasks: &mut JoinSet<anyhow::Result<Appended>>) -> anyhow::Result<Appended> {
    let mut all = Appended::default();
    while let Some(one) = tasks.join_next().await {
        let one = one.context("a client panicked")??;
        all.acknowledged += one.acknowledged;
        all.latencies.extend(one.latencies);
    }
    Ok(all)
}
