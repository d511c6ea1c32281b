//! The figures as a Markdown table and as JSON, each against a baseline of the same run.
//!
//! Systems of one node are read against etcd's one node, those of three against its three.
//! Not here: how the figures come about.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::aftermath::Aftermath;
use super::runner::Measured;
use super::value::VALUE_BYTES;
use crate::limits::Limits;

/// What became of a case.
#[derive(Debug)]
pub(crate) enum Result {
    Measured(Measured, Option<Aftermath>),
    /// Something is not installed; what to do.
    Skipped(String),
    Failed(String),
}

/// One system with one number of clients.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) system: String,
    pub(crate) nodes: usize,
    pub(crate) clients: usize,
    pub(crate) result: Result,
}

impl Case {
    fn measured(&self) -> Option<&Measured> {
        match &self.result {
            Result::Measured(measured, _) => Some(measured),
            Result::Skipped(_) | Result::Failed(_) => None,
        }
    }

    /// Its records per second, with etcd's of as many nodes and clients as 1.
    fn ratio(&self, all: &[Case]) -> Option<f64> {
        let baseline = all.iter().find(|other| {
            let alike = other.nodes == self.nodes && other.clients == self.clients;
            alike && other.system.starts_with("etcd")
        })?;
        Some(self.measured()?.records_per_second / baseline.measured()?.records_per_second)
    }
}

/// Prints the table.
pub(crate) fn print(cases: &[Case], seconds: u64) {
    println!("## Appends of {VALUE_BYTES}-byte values, durable, {seconds} s for each case\n");
    println!(
        "Processor time and bytes are of all servers of a case together. Device bytes hold what"
    );
    println!(
        "other programs wrote meanwhile; charged bytes count whole folios of the page cache.\n"
    );
    println!(
        "| system | clients | records/s | etcd = 1 | p50 ms | p99 ms | processor µs per record | \
         device bytes per payload byte | charged bytes per payload byte |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    for case in cases {
        let (system, clients) = (&case.system, case.clients);
        let one = match &case.result {
            Result::Measured(measured, _) => measured,
            Result::Skipped(advice) => {
                println!("| {system} | {clients} | skipped: {advice} | | | | | | |");
                continue;
            }
            Result::Failed(reason) => {
                let reason = reason.replace('\n', " ").replace('|', "\\|");
                println!("| {system} | {clients} | failed: {reason} | | | | | | |");
                continue;
            }
        };
        let ratio = case.ratio(cases).map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let written = one.device_written_per_payload_byte;
        let written = written.map_or_else(String::new, |bytes| format!("{bytes:.1}"));
        println!(
            "| {system} | {clients} | {:.0} | {ratio} | {:.2} | {:.2} | {:.0} | {written} | {:.1} |",
            one.records_per_second,
            one.p50.as_secs_f64() * 1e3,
            one.p99.as_secs_f64() * 1e3,
            one.processor_seconds_per_record * 1e6,
            one.charged_per_payload_byte,
        );
    }
    println!();
    print_aftermaths(cases);
}

/// Prints what Letopis tells beside.
fn print_aftermaths(cases: &[Case]) {
    println!(
        "Finality: from the acknowledgement to a checkpoint that the quorum cosigned. Memory at"
    );
    println!(
        "the end of the load. Disk after the nodes stopped; \"per leaf byte\" is all a node holds.\n"
    );
    println!(
        "| system | clients | finality p50 ms | p99 ms | memory of each node, MB | leaves, MB | \
         disk per leaf byte |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for case in cases {
        if let Result::Measured(_, Some(aftermath)) = &case.result {
            println!("| {} | {} | {}", case.system, case.clients, aftermath.cells());
        }
    }
    println!();
}

/// The same for programs; times in seconds.
pub(crate) fn json(cases: &[Case], limits: &Limits, seconds: u64) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let rows: Vec<Value> = cases.iter().map(|case| row(case, cases)).collect();
    json!({
        "unix_time": now,
        "value_bytes": VALUE_BYTES,
        "measured_seconds": seconds,
        "processors": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "limits": {
            "syncs_per_second": limits.syncs_per_second,
            "sha256_bytes_per_second": limits.sha256_bytes_per_second,
            "ed25519_checks_per_second": limits.ed25519_checks_per_second,
        },
        "cases": rows,
    })
}

fn row(case: &Case, all: &[Case]) -> Value {
    let mut row = json!({
        "system": case.system,
        "nodes": case.nodes,
        "clients": case.clients,
    });
    match &case.result {
        Result::Measured(one, aftermath) => {
            row["records"] = json!(one.records);
            row["records_per_second"] = json!(one.records_per_second);
            row["ratio_to_etcd"] = json!(case.ratio(all));
            row["p50_seconds"] = json!(one.p50.as_secs_f64());
            row["p99_seconds"] = json!(one.p99.as_secs_f64());
            row["processor_seconds_per_record"] = json!(one.processor_seconds_per_record);
            row["device_written_per_payload_byte"] = json!(one.device_written_per_payload_byte);
            row["charged_per_payload_byte"] = json!(one.charged_per_payload_byte);
            row["aftermath"] = json!(aftermath.as_ref().map(Aftermath::json));
        }
        Result::Skipped(advice) => row["skipped"] = json!(advice),
        Result::Failed(reason) => row["failed"] = json!(reason),
    }
    row
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Case, Measured, Result};

    fn case(system: &str, nodes: usize, clients: usize, records_per_second: f64) -> Case {
        let measured = Measured {
            records: 1,
            records_per_second,
            p50: Duration::ZERO,
            p99: Duration::ZERO,
            processor_seconds_per_record: 0.0,
            device_written_per_payload_byte: None,
            charged_per_payload_byte: 0.0,
        };
        Case { system: system.into(), nodes, clients, result: Result::Measured(measured, None) }
    }

    #[test]
    fn each_case_is_read_against_etcd_with_as_many_nodes_and_clients() {
        let all = [
            case("etcd 1 node", 1, 64, 100.0),
            case("etcd 3 nodes", 3, 64, 50.0),
            case("letopis 1 node", 1, 64, 300.0),
            case("letopis 3 nodes", 3, 64, 200.0),
            case("letopis 3 nodes", 3, 1, 200.0),
        ];
        let ratios: Vec<_> = all.iter().map(|case| case.ratio(&all)).collect();
        assert_eq!(ratios, [Some(1.0), Some(1.0), Some(3.0), Some(4.0), None]);
    }
}
