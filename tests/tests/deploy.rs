//! Files of `deploy` that name metrics: each metric must be one that the programs have.
//!
//! Not here: whether the alerts are right; `promtool test rules` says so (`deploy/RUNBOOK.md`).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Where metrics come into being.
const SOURCES: [&str; 6] = [
    "consensus/src/metric.rs",
    "api/src/http/operation.rs",
    "api/src/service/worker.rs",
    "api/src/service/expiry.rs",
    "api/src/service/facts.rs",
    "api/src/cli/node.rs",
];
/// What Prometheus makes of one histogram.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every word of a text that looks like one of our metrics.
fn metrics(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("letopis_"))
        .map(|word| {
            let stem = SUFFIXES.iter().find_map(|suffix| word.strip_suffix(suffix));
            stem.unwrap_or(word).to_owned()
        })
        .collect()
}

#[test]
fn alerts_and_dashboard_name_only_metrics_that_exist() {
    // A name stands in quotes where it is counted: crates are named without.
    let known: BTreeSet<String> = SOURCES
        .iter()
        .flat_map(|path| {
            let source = text(path);
            let quoted: Vec<String> = source.split('"').skip(1).map(str::to_owned).collect();
            quoted.into_iter().filter(|word| word.starts_with("letopis_"))
        })
        .collect();
    assert!(known.len() > 25, "only {} metrics were found in the sources", known.len());
    for (path, least) in [
        ("deploy/prometheus/alerts.yml", 15),
        ("deploy/prometheus/alerts_test.yml", 8),
        ("deploy/grafana/letopis.json", 25),
    ] {
        let named = metrics(&text(path));
        assert!(named.len() >= least, "{path} names only {}", named.len());
        let unknown: Vec<&String> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{path} names metrics that do not exist: {unknown:?}");
    }
}
