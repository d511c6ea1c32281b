//! What the demonstration prints, in the language asked for.

use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use super::load::Load;
use crate::message::{self, Language};

/// Prints messages of the demonstration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printer(Language);

impl Printer {
    /// Prints in a language.
    pub(super) const fn new(language: Language) -> Self {
        Self(language)
    }

    /// Prints a message with its values.
    pub(super) fn line(&self, key: &'static str, values: &[(&str, &str)]) {
        println!("{}", message::text(key, self.0, values));
    }

    /// Prints the first lines of another program's report, set off.
    pub(super) fn quoted(&self, report: &[u8], lines_max: usize) {
        let text = String::from_utf8_lossy(report);
        for line in text.lines().take(lines_max) {
            println!("  │ {line}");
        }
        if text.lines().count() > lines_max {
            println!("  │ …");
        }
    }

    /// A bar that shows how many applications are decided; on a terminal only.
    pub(super) fn progress(&self, applications: usize) -> ProgressBar {
        let template = "{wide_bar} {pos}/{len} {per_sec}";
        let style = ProgressStyle::with_template(template);
        let bar = ProgressBar::new(applications as u64);
        bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    }
}

/// Prints counts, throughput and times of the load.
pub(super) fn print_load(print: &Printer, load: &Load) -> anyhow::Result<()> {
    for ((service, outcome, grounds), count) in load.counts() {
        let key = match outcome.as_str() {
            "granted" => "demo.count.granted",
            "refused" => "demo.count.refused",
            _ => "demo.count.wrong",
        };
        print.line(
            key,
            &[("service", service), ("count", &count.to_string()), ("grounds", &grounds)],
        );
    }
    let decisions = load.decision_times();
    let rate = decisions.len() as f64 / load.wall.as_secs_f64();
    print.line(
        "demo.rate",
        &[
            ("count", &decisions.len().to_string()),
            ("seconds", &format!("{:.1}", load.wall.as_secs_f64())),
            ("rate", &format!("{rate:.0}")),
        ],
    );
    let proofs = load.proof_times();
    for (key, times) in [("demo.time.decision", &decisions), ("demo.time.proof", &proofs)] {
        let p50 = percentile(times, 50).context("nothing was decided")?;
        let p99 = percentile(times, 99).context("nothing was decided")?;
        print.line(key, &[("p50", &milliseconds(p50)), ("p99", &milliseconds(p99))]);
    }
    Ok(())
}

/// Nearest rank: the smallest value that at least `share` of 100 do not exceed.
fn percentile(ascending: &[Duration], share: usize) -> Option<Duration> {
    let rank = (ascending.len() * share).div_ceil(100).max(1);
    ascending.get(rank - 1).copied()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.0}", time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let times: Vec<Duration> = (1..=10).map(Duration::from_secs).collect();
        assert_eq!(percentile(&times, 50), Some(Duration::from_secs(5)));
        assert_eq!(percentile(&times, 99), Some(Duration::from_secs(10)));
        assert_eq!(percentile(&times[..1], 50), Some(Duration::from_secs(1)));
        assert_eq!(percentile(&[], 50), None);
    }
}
