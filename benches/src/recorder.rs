//! Sums up the node's own metrics, to tell where the time goes.
//!
//! A metrics recorder that keeps one sum per histogram of seconds. Not here: the metrics; each
//! crate names its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, SharedString, Unit};

/// Checks of the authors' signatures.
pub(crate) const SIGNATURES: &str = "signature checks";
/// The append machine with leaf, hashing and index.
pub(crate) const APPLY: &str = "apply";

/// Histograms of seconds that make up an append, with what to call them.
const PARTS: [(&str, &str); 4] = [
    ("letopis_signature_check_seconds", SIGNATURES),
    ("letopis_raft_log_sync_seconds", "sync"),
    ("letopis_apply_seconds", APPLY),
    ("letopis_publish_seconds", "publication"),
];

type Sums = Arc<Mutex<BTreeMap<String, f64>>>;

/// The recorder; clones share the sums.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder(Sums);

struct Sum {
    name: String,
    sums: Sums,
}

impl Recorder {
    /// Makes a recorder and installs it for this process.
    pub(crate) fn install() -> anyhow::Result<Self> {
        let recorder = Self::default();
        metrics::set_global_recorder(recorder.clone())
            .map_err(|_| anyhow::anyhow!("another metrics recorder is installed"))?;
        Ok(recorder)
    }

    /// Begins to sum up anew.
    pub(crate) fn reset(&self) {
        self.0.lock().expect("no holder panics").clear();
    }

    /// Seconds of each part per second of `wall`.
    pub(crate) fn shares(&self, wall: Duration) -> Vec<(&'static str, f64)> {
        let sums = self.0.lock().expect("no holder panics");
        let share = |key: &str| sums.get(key).copied().unwrap_or_default() / wall.as_secs_f64();
        PARTS.iter().map(|(key, name)| (*name, share(key))).collect()
    }
}

impl HistogramFn for Sum {
    fn record(&self, value: f64) {
        *self.sums.lock().expect("no holder panics").entry(self.name.clone()).or_default() += value;
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        if !PARTS.iter().any(|(name, _)| *name == key.name()) {
            return Histogram::noop();
        }
        let sums = Arc::clone(&self.0);
        Histogram::from_arc(Arc::new(Sum { name: key.name().to_owned(), sums }))
    }
}
