//! Applicants: each submits over HTTP and waits for the result.
//!
//! A closed load has so many applicants, each with the next application once it has a result. An
//! open load has an application at every tick, whether earlier ones are ready or not; its latency
//! is counted from the tick, so that a slow server cannot hide behind applicants that wait.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::agencies::{Agencies, Node, Written};
use super::families::Families;

/// How long one case may take.
const CASE_LIMIT: Duration = Duration::from_secs(30);
/// Most cases per second that a closed load is made ready for.
const CLOSED_RATE_MAX: usize = 600;

/// How applications come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// As fast as so many applicants get their results.
    Closed { clients: usize },
    /// At a rate, by so many applicants at most.
    Open { per_second: u32, clients: usize },
}

/// What came of a load. Every case ended with a result.
pub(super) struct Load {
    /// From submission to result, ascending.
    latencies: Vec<Duration>,
    wall: Duration,
    processor_seconds: f64,
    written: Written,
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { clients } => write!(f, "{clients} applicants, closed"),
            Self::Open { per_second, .. } => write!(f, "{per_second} per second, open"),
        }
    }
}

impl Pace {
    const fn clients(self) -> usize {
        match self {
            Self::Closed { clients } | Self::Open { clients, .. } => clients,
        }
    }

    fn applications(self, time: Duration) -> usize {
        let rate = match self {
            Self::Closed { .. } => CLOSED_RATE_MAX,
            Self::Open { per_second, .. } => per_second as usize,
        };
        rate * usize::try_from(time.as_secs()).unwrap_or(usize::MAX)
    }

    /// When an application is due, in an open load.
    fn due(self, number: usize) -> Duration {
        match self {
            Self::Closed { .. } => Duration::ZERO,
            Self::Open { per_second, .. } => {
                Duration::from_secs_f64(number as f64 / f64::from(per_second))
            }
        }
    }
}

impl Load {
    /// Runs a load for about `time`; the registries are filled before it begins.
    pub(super) fn run(
        agencies: &Agencies,
        families: &mut Families<'_>,
        pace: Pace,
        time: Duration,
    ) -> anyhow::Result<Self> {
        let applications = families.more(pace.applications(time))?;
        Self::submit(agencies, &applications, pace, time)
    }

    /// Submits these applications, as many as `time` allows.
    pub(super) fn submit(
        agencies: &Agencies,
        applications: &[Value],
        pace: Pace,
        time: Duration,
    ) -> anyhow::Result<Self> {
        let before = agencies.node().positions()?.applied;
        let used = agencies.processor_seconds()?;
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let started = Instant::now();
        let applicant = || -> anyhow::Result<Vec<Duration>> {
            let node = agencies.node().clone();
            let mut done = Vec::new();
            while !failed.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(application) = applications.get(number) else { break };
                let due = started + pace.due(number);
                while let Some(early) = due.checked_duration_since(Instant::now()) {
                    thread::park_timeout(early);
                }
                if started.elapsed() > time {
                    break;
                }
                let from = if matches!(pace, Pace::Open { .. }) { due } else { Instant::now() };
                apply(&node, application).inspect_err(|_| {
                    failed.store(true, Ordering::Relaxed);
                })?;
                done.push(from.elapsed());
            }
            Ok(done)
        };
        let mut latencies = thread::scope(|scope| {
            let applicants: Vec<_> = (0..pace.clients()).map(|_| scope.spawn(applicant)).collect();
            let mut all = Vec::new();
            for applicant in applicants {
                all.extend(applicant.join().expect("an applicant does not panic")?);
            }
            anyhow::Ok(all)
        })?;
        let wall = started.elapsed();
        let processor_seconds = agencies.processor_seconds()? - used;
        ensure!(!latencies.is_empty(), "no case was ready in {time:?}");
        latencies.sort_unstable();
        let written = Written::since(agencies.node(), before)?;
        Ok(Self { latencies, wall, processor_seconds, written })
    }

    /// How many cases there were.
    pub(super) fn cases(&self) -> usize {
        self.latencies.len()
    }

    /// Cases for each second from the first submission to the last result.
    pub(super) fn cases_per_second(&self) -> f64 {
        self.cases() as f64 / self.wall.as_secs_f64()
    }

    /// The smallest latency that `percent` of the cases do not exceed (nearest rank).
    pub(super) fn latency(&self, percent: usize) -> Duration {
        let rank = (self.cases() * percent).div_ceil(100).max(1);
        self.latencies[rank - 1]
    }

    /// Processor milliseconds of all nodes for a case.
    pub(super) fn processor_ms_per_case(&self) -> f64 {
        self.processor_seconds * 1e3 / self.cases() as f64
    }

    /// Records of a case in the log.
    pub(super) fn records_per_case(&self) -> f64 {
        self.written.records as f64 / self.cases() as f64
    }

    /// Events in the records of a case.
    pub(super) fn events_per_case(&self) -> f64 {
        self.written.events as f64 / self.cases() as f64
    }
}

fn apply(node: &Node, application: &Value) -> anyhow::Result<()> {
    let started = Instant::now();
    let accepted = node.post("/api/v1/services/child-benefit/applications", application)?;
    let id = accepted["id"].as_str().context("an accepted application has an id")?.to_owned();
    loop {
        let status = node.get(&format!("/api/v1/applications/{id}?wait_ms=10000"))?;
        match status["status"].as_str() {
            Some("granted") => return Ok(()),
            Some("in_progress") if started.elapsed() < CASE_LIMIT => {}
            _ => bail!("case {id} must be granted: {status}"),
        }
    }
}
