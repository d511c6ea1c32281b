//! The parts of a node's memory, as its own metrics tell them.
//!
//! A metrics recorder that keeps the last value of one gauge for each of its parts, and nothing of
//! all others. Not here: what the parts are; `letopis-consensus` names them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, SharedString, Unit};

use super::aftermath::MB;

const GAUGE: &str = "letopis_memory_bytes";
const LABEL: &str = "part";

/// The recorder; clones share the values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parts(Arc<Mutex<BTreeMap<String, f64>>>);

struct Part {
    name: String,
    parts: Parts,
}

impl Parts {
    /// Makes a recorder and installs it for this process.
    pub(crate) fn install() -> anyhow::Result<Self> {
        let parts = Self::default();
        metrics::set_global_recorder(parts.clone())
            .map_err(|_| anyhow::anyhow!("another metrics recorder is installed"))?;
        Ok(parts)
    }

    /// Every part with its last value in MB, for people.
    pub(crate) fn text(&self) -> String {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = parts.iter().map(|(name, bytes)| format!("{name} {:.1}", bytes / MB));
        parts.collect::<Vec<_>>().join(", ")
    }

    fn change(&self, name: &str, change: impl FnOnce(f64) -> f64) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let value = parts.entry(name.to_owned()).or_default();
        *value = change(*value);
    }
}

impl GaugeFn for Part {
    fn increment(&self, value: f64) {
        self.parts.change(&self.name, |known| known + value);
    }

    fn decrement(&self, value: f64) {
        self.parts.change(&self.name, |known| known - value);
    }

    fn set(&self, value: f64) {
        self.parts.change(&self.name, |_| value);
    }
}

impl metrics::Recorder for Parts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let part = key.labels().find(|label| label.key() == LABEL);
        match part {
            Some(part) if key.name() == GAUGE => {
                let name = part.value().to_owned();
                Gauge::from_arc(Arc::new(Part { name, parts: self.clone() }))
            }
            _ => Gauge::noop(),
        }
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[cfg(test)]
mod tests {
    use metrics::{Key, Label, Level, Metadata, Recorder};

    use super::{GAUGE, LABEL, Parts};

    #[test]
    fn only_parts_of_memory_are_kept() {
        let (parts, about) = (Parts::default(), Metadata::new("", Level::INFO, None));
        let part = Key::from_parts(GAUGE, vec![Label::new(LABEL, "index")]);
        parts.register_gauge(&part, &about).set(2.5e6);
        parts.register_gauge(&part, &about).increment(1e6);
        parts.register_gauge(&Key::from_name("letopis_term"), &about).set(1.0);
        assert_eq!(parts.text(), "index 3.5");
    }
}
