//! Appending 500-byte signed records to one node, by 1, 64 and 1,024 clients.
//!
//! Each client waits for its receipt before it sends its next record, so every figure includes
//! the signature check, consensus, the sync and the leaf. Records are signed beforehand: that is
//! the clients' work, not the node's. Not here: HTTP; `make demo` measures the whole path.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use letopis_consensus::{LedgerHandle, Node, NodeConfig, SigningKeys};
use letopis_ledger::StreamVersion;
use letopis_ledger::checkpoint::Origin;
use letopis_ledger::cosignature::CosignatureSigner;
use letopis_ledger::governance::{GovernanceEvent, SCHEMA_VERSION};
use letopis_ledger::id::{AgencyId, EventType, RecordId, StreamName};
use letopis_ledger::json::{Json, Object};
use letopis_ledger::key::AuthorSigner;
use letopis_ledger::note::{KeyName, SignatureType, SignerKey};
use letopis_ledger::record::{Event, Record, SignedRecord};
use zeroize::Zeroizing;

use crate::limits::Limits;
use crate::recorder::{APPLY, Recorder, SIGNATURES};

/// Bytes of a record, as the canonical JSON that is signed.
const RECORD_BYTES: usize = 500;
/// Name of the log.
pub(crate) const ORIGIN: &str = "letopis.example/bench";
const AGENCY: &str = "bench";

/// What one number of clients came to.
#[derive(Debug)]
pub(crate) struct Measured {
    clients: usize,
    records_per_second: f64,
    p50: Duration,
    p99: Duration,
    /// Seconds per second of wall time that each kind of work took.
    shares: Vec<(&'static str, f64)>,
    /// Processor seconds of the whole process per second of wall time, clients included.
    processor: f64,
}

/// Measures each number of clients for about `time` on a fresh node in `folder`.
pub(crate) fn measure(
    folder: &Path,
    clients: &[usize],
    time: Duration,
    recorder: &Recorder,
) -> anyhow::Result<Vec<Measured>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut all = Vec::new();
        for &count in clients {
            let node = open(&folder.join(format!("append-{count}"))).await?;
            let ledger = node.ledger();
            ledger.append(genesis()?).await.context("genesis")?;
            all.push(run(&ledger, count, time, recorder).await?);
            node.shutdown().await.context("shutdown")?;
        }
        Ok(all)
    })
}

async fn run(
    ledger: &LedgerHandle,
    clients: usize,
    time: Duration,
    recorder: &Recorder,
) -> anyhow::Result<Measured> {
    // More than can be appended in the time; what is left over is thrown away.
    let each = (60_000 / clients).max(64) * time.as_secs().max(1) as usize / 2;
    let mut batches = Vec::new();
    for client in 0..clients {
        batches.push(records(client, each.min(4096))?);
    }
    recorder.reset();
    let processor = processor_seconds()?;
    let start = Instant::now();
    let end = start + time;
    let ledger = Arc::new(ledger.clone());
    let tasks: Vec<_> = batches
        .into_iter()
        .map(|batch| {
            let ledger = Arc::clone(&ledger);
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                for record in batch {
                    if Instant::now() >= end {
                        break;
                    }
                    let sent = Instant::now();
                    ledger.append(record).await?;
                    latencies.push(sent.elapsed());
                }
                anyhow::Ok(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    let wall = start.elapsed();
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    Ok(Measured {
        clients,
        records_per_second: latencies.len() as f64 / wall.as_secs_f64(),
        p50: at(0.5),
        p99: at(0.99),
        shares: recorder.shares(wall),
        processor: (processor_seconds()? - processor) / wall.as_secs_f64(),
    })
}

/// Prints the figures beside the limits of the machine.
pub(crate) fn print(all: &[Measured], limits: &Limits) {
    println!("## Append of {RECORD_BYTES}-byte signed records, one node, everything durable\n");
    println!(
        "| clients | records/s | p50 ms | p99 ms | of one core's signature checks | records per possible sync |"
    );
    println!("|---:|---:|---:|---:|---:|---:|");
    for one in all {
        println!(
            "| {} | {:.0} | {:.2} | {:.2} | {:.0} % | {:.1} |",
            one.clients,
            one.records_per_second,
            one.p50.as_secs_f64() * 1e3,
            one.p99.as_secs_f64() * 1e3,
            one.records_per_second / limits.ed25519_checks_per_second * 100.0,
            one.records_per_second / limits.syncs_per_second,
        );
    }
    print_shares(all, limits);
}

/// Prints where the time goes. Hashing is reckoned from the limits: a leaf of about 1 KiB and two
/// inner nodes for each record. What is neither signatures nor applying is Raft with its queues
/// and batches, and the clients' own tasks.
fn print_shares(all: &[Measured], limits: &Limits) {
    println!("\nWhere the time goes, in seconds per second of wall time (two cores have two):\n");
    let names: Vec<&str> = all[0].shares.iter().map(|(name, _)| *name).collect();
    let names = names.join(" | ");
    println!("| clients | {names} | of it hashing | processor in all | Raft and the rest |");
    println!("|---:|{}", "---:|".repeat(all[0].shares.len() + 3));
    for one in all {
        let share = |name: &str| {
            one.shares.iter().find(|(known, _)| *known == name).map_or(0.0, |(_, share)| *share)
        };
        let shares: Vec<String> =
            one.shares.iter().map(|(_, share)| format!("{share:.2}")).collect();
        let hashing = one.records_per_second
            * (1.0 / limits.leaf_hashes_per_second + 2.0 / limits.node_hashes_per_second);
        let rest = one.processor - share(SIGNATURES) - share(APPLY);
        println!(
            "| {} | {} | {hashing:.2} | {:.2} | {:.2} |",
            one.clients,
            shares.join(" | "),
            one.processor,
            rest.max(0.0)
        );
    }
    println!();
}

/// Processor time of this process, user and system (proc(5), fields 14 and 15 of `stat`).
fn processor_seconds() -> anyhow::Result<f64> {
    /// Clock ticks per second, which Linux fixes for this file.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().context("the process has a name")?;
    let ticks: Vec<f64> =
        after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse().ok()).collect();
    Ok(ticks.iter().sum::<f64>() / TICKS)
}

/// Opens a node with fixed keys.
pub(crate) async fn open(folder: &Path) -> anyhow::Result<Node> {
    let (log, cosigner) = note_keys()?;
    let keys = SigningKeys {
        log: vec![log],
        keep_log: None,
        reload_log: None,
        log_post_quantum: None,
        cosigner: Some(Arc::new(CosignatureSigner::new(&cosigner)?)),
    };
    let config = NodeConfig::new(folder.to_owned(), Origin::new(ORIGIN)?, keys);
    Ok(Node::open(config).await?)
}

/// The log's key and the cosigner's.
pub(crate) fn note_keys() -> anyhow::Result<(SignerKey, SignerKey)> {
    Ok((note_key(1, ORIGIN, SignatureType::Ed25519)?, cosigner_key(1)?))
}

/// The cosigner of a node.
pub(crate) fn cosigner_key(node: u8) -> anyhow::Result<SignerKey> {
    let name = format!("letopis.example/bench/node{node}");
    note_key(100 + node, &name, SignatureType::Ed25519Cosignature)
}

fn note_key(seed: u8, name: &str, kind: SignatureType) -> anyhow::Result<SignerKey> {
    Ok(SignerKey::from_seed(KeyName::new(name)?, kind, Zeroizing::new([seed; 32]))?)
}

fn signer() -> AuthorSigner {
    AuthorSigner::from_seed(&[3; 32])
}

/// The record that founds a log of one node.
pub(crate) fn genesis() -> anyhow::Result<SignedRecord> {
    let (log, cosigner) = note_keys()?;
    let policy = format!(
        "log {}\nwitness node {}\nquorum node\n",
        log.verifier_key(),
        cosigner.verifier_key()
    );
    founding(policy, vec![])
}

/// The record that founds a log with this policy and these nodes.
pub(crate) fn founding(
    policy: String,
    nodes: Vec<GovernanceEvent>,
) -> anyhow::Result<SignedRecord> {
    let agency = agency()?;
    let mut governance = vec![
        GovernanceEvent::AgencyAdmitted { agency: agency.clone(), names: Object::new() },
        GovernanceEvent::KeyIntroduced { agency, key: signer().key() },
        GovernanceEvent::PolicySet { policy },
    ];
    governance.extend(nodes);
    governing(0, &governance, 0)
}

/// A record of governance events; streams go on from these versions.
pub(crate) fn governing(
    number: u64,
    events: &[GovernanceEvent],
    first_version: u64,
) -> anyhow::Result<SignedRecord> {
    let mut next: BTreeMap<StreamName, u64> = BTreeMap::new();
    let events = events.iter().map(|event| {
        let version = next.entry(event.stream()).or_insert(first_version);
        *version += 1;
        Event {
            stream: event.stream(),
            version: StreamVersion::new(*version - 1),
            event_type: event.event_type(),
            schema: SCHEMA_VERSION,
            data: event.data(),
            private: vec![],
        }
    });
    let id = RecordId::from_parts(number, &[0xff; 10]);
    let record = Record::new(Origin::new(ORIGIN)?, id, agency()?, events.collect(), vec![])?;
    Ok(SignedRecord::sign(record, &signer()))
}

/// The one agency, whose key signs all records.
pub(crate) fn agency() -> anyhow::Result<AgencyId> {
    Ok(AgencyId::parse(AGENCY)?)
}

/// Signed records of one client: one stream, versions from 0.
fn records(client: usize, count: usize) -> anyhow::Result<Vec<SignedRecord>> {
    (0..count).map(|version| record(client, version)).collect()
}

/// One signed record of a client, of [`RECORD_BYTES`].
pub(crate) fn record(client: usize, version: usize) -> anyhow::Result<SignedRecord> {
    let bare = unsigned(client, version, String::new())?.to_bytes().len();
    record_of(client, version, "x".repeat(RECORD_BYTES.saturating_sub(bare)))
}

/// One signed record of a client, with this text as its data.
pub(crate) fn record_of(
    client: usize,
    version: usize,
    text: String,
) -> anyhow::Result<SignedRecord> {
    Ok(SignedRecord::sign(unsigned(client, version, text)?, &signer()))
}

fn unsigned(client: usize, version: usize, text: String) -> anyhow::Result<Record> {
    let event = Event {
        stream: StreamName::parse(&format!("bench/{client}"))?,
        version: StreamVersion::new(version as u64),
        event_type: EventType::parse("bench.noted")?,
        schema: 1,
        data: Object::new().with("text", Json::string(text)?),
        private: vec![],
    };
    let mut random = [0; 10];
    random[2..6].copy_from_slice(&u32::try_from(client)?.to_be_bytes());
    random[6..].copy_from_slice(&u32::try_from(version)?.to_be_bytes());
    let id = RecordId::from_parts(1_700_000_000_000, &random);
    Ok(Record::new(Origin::new(ORIGIN)?, id, AgencyId::parse(AGENCY)?, vec![event], vec![])?)
}
