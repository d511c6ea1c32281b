//! Drives closed-loop clients for a bounded time and reckons what came of it.
//!
//! Records count when they are acknowledged within the measured time; what the servers used is
//! read at its two ends; what the device wrote, over the whole case. Not here: which system it is.

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
    /// Bytes that the device wrote for each byte of payload, over the whole case with what
    /// waited to be written at its end; others' writes are in it.
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
    let written_before = disk.and_then(Disk::written);
    let begin = Instant::now() + bounds.warm_up;
    let end = begin + bounds.measured;
    // Dropped on the way out, so no client outlives its case.
    let mut tasks = JoinSet::new();
    for client in clients {
        tasks.spawn(append_until(client, begin, end));
    }
    tokio::time::sleep_until(begin.into()).await;
    let before = (Instant::now(), servers.usage()?);
    tokio::time::sleep_until(end.into()).await;
    let after = (Instant::now(), servers.usage()?);
    let joined = tokio::time::timeout(GRACE, join(&mut tasks)).await;
    let mut all = joined.with_context(|| format!("clients had no answer within {GRACE:?}"))??;
    let written = disk.and_then(Disk::written).zip(written_before);
    let written = written.map(|(after, before)| after.saturating_sub(before));
    let payload = all.acknowledged as f64 * VALUE_BYTES as f64;
    let records = all.latencies.len();
    anyhow::ensure!(records > 0, "no record was acknowledged in the measured time");
    all.latencies.sort_unstable();
    let at = |share: f64| all.latencies[((records - 1) as f64 * share) as usize];
    let used = after.1.since(before.1);
    // The usage is read over its own span, which on a busy machine is not exactly the clients'.
    let rate = records as f64 / bounds.measured.as_secs_f64();
    let in_usage_span = rate * (after.0 - before.0).as_secs_f64();
    let measured = Measured {
        records,
        records_per_second: rate,
        p50: at(0.5),
        p99: at(0.99),
        processor_seconds_per_record: used.processor_seconds / in_usage_span,
        device_written_per_payload_byte: written.map(|bytes| bytes as f64 / payload),
        charged_per_payload_byte: used.bytes_written as f64 / in_usage_span / VALUE_BYTES as f64,
    };
    Ok((measured, all.acknowledged))
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
