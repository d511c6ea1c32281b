//! The applicants: many at the same time, each over HTTP, each waiting for its decision.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::note::Note;
use serde_json::json;

use super::population::{Application, Expected, Population};
use super::report::Printer;
use super::text;
use crate::cli::remote::Remote;

/// How long one case may take.
const CASE_LIMIT: Duration = Duration::from_secs(30);

/// What came of one application.
#[derive(Debug, Clone, Default)]
pub(super) struct Case {
    /// Place of the application in the population.
    number: usize,
    /// Code of the service.
    pub(super) service: &'static str,
    /// Id of the case; empty when it was not registered.
    pub(super) id: String,
    /// Opens its private values.
    token: String,
    /// `granted`, `refused` or `not registered`.
    pub(super) outcome: String,
    /// Grounds of a refusal, or the field that was wrong.
    pub(super) grounds: Vec<String>,
    /// Leaf of the decision.
    pub(super) leaf: u64,
    /// From submission to decision.
    decision_time: Duration,
    /// When the application was submitted.
    submitted: Option<Instant>,
}

/// What came of all of them.
#[derive(Debug)]
pub(super) struct Load {
    cases: Vec<Case>,
    /// From the first submission to the last decision.
    pub(super) wall: Duration,
    /// When a head of which size was first seen published.
    heads: Vec<(Instant, u64)>,
}

impl Load {
    /// Submits every application; those that rest on the permits of others come second.
    pub(super) fn run(
        address: &str,
        population: &Population,
        clients: usize,
        print: &Printer,
    ) -> anyhow::Result<Self> {
        let started = Instant::now();
        let ended = AtomicBool::new(false);
        let heads = Mutex::new(Vec::new());
        let progress = print.progress(population.applications().len());
        let cases = thread::scope(|scope| {
            scope.spawn(|| watch_heads(address, &ended, &heads));
            let mut cases = Vec::new();
            for late in [false, true] {
                let all = population.applications().iter().enumerate();
                let due: Vec<_> = all.filter(|(_, one)| one.late == late).collect();
                match submit_all(address, &due, clients, &progress) {
                    Ok(more) => cases.extend(more),
                    Err(error) => {
                        ended.store(true, Ordering::SeqCst);
                        return Err(error);
                    }
                }
            }
            let wall = started.elapsed();
            wait_for_head(&cases, &heads);
            ended.store(true, Ordering::SeqCst);
            Ok((cases, wall))
        });
        let (mut cases, wall) = cases?;
        progress.finish_and_clear();
        cases.sort_by_key(|case| case.number);
        let heads = heads.into_inner().expect("the watcher does not panic");
        Ok(Self { cases, wall, heads })
    }

    /// Leaf of the last decision.
    pub(super) fn last_leaf(&self) -> u64 {
        self.cases.iter().map(|case| case.leaf).max().unwrap_or(0)
    }

    /// How many applications came out in which way.
    pub(super) fn counts(&self) -> BTreeMap<(&'static str, String, String), usize> {
        let mut counts = BTreeMap::new();
        for case in &self.cases {
            let kind = (case.service, case.outcome.clone(), case.grounds.join(", "));
            *counts.entry(kind).or_default() += 1;
        }
        counts
    }

    /// Cases that were decided.
    pub(super) fn decided(&self) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(|case| !case.id.is_empty())
    }

    /// Times from submission to decision, ascending.
    pub(super) fn decision_times(&self) -> Vec<Duration> {
        let mut times: Vec<_> = self.decided().map(|case| case.decision_time).collect();
        times.sort_unstable();
        times
    }

    /// Times from submission to a published head that covers the decision, ascending.
    pub(super) fn proof_times(&self) -> Vec<Duration> {
        let published = |case: &Case| {
            let (seen, _) = self.heads.iter().find(|(_, size)| *size > case.leaf)?;
            Some(seen.saturating_duration_since(case.submitted?))
        };
        let mut times: Vec<_> = self.decided().filter_map(published).collect();
        times.sort_unstable();
        times
    }

    /// Writes what the applicants disclose of their decided cases, a file for each.
    pub(super) fn write_disclosures(&self, remote: &Remote, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)?;
        for case in self.decided() {
            let path = format!("api/v1/applications/{}/private", case.id);
            let own = remote.clone().with_token(&case.token).get(&path)?.ok()?;
            let fields = own["fields"].as_array().into_iter().flatten();
            let disclosures: Vec<_> = fields.map(|field| field["disclosure"].clone()).collect();
            let file = folder.join(format!("{}.json", case.id));
            std::fs::write(file, json!({ "disclosures": disclosures }).to_string())?;
        }
        Ok(())
    }

    /// A case that was granted.
    pub(super) fn one_granted(&self) -> anyhow::Result<&Case> {
        self.decided().find(|case| case.outcome == "granted").context("nothing was granted")
    }

    /// A case that was refused.
    pub(super) fn one_refused(&self) -> anyhow::Result<&Case> {
        self.decided().find(|case| case.outcome == "refused").context("nothing was refused")
    }

    /// Compares every outcome with the one that the application was made for.
    pub(super) fn compare_with(&self, population: &Population) -> anyhow::Result<()> {
        for (case, application) in self.cases.iter().zip(population.applications()) {
            let (outcome, ground) = match application.expected {
                Expected::Granted => ("granted", vec![]),
                Expected::Refused(ground) => ("refused", vec![ground.to_owned()]),
                Expected::WrongField(field) => ("not registered", vec![field.to_owned()]),
            };
            if (case.outcome.as_str(), &case.grounds) != (outcome, &ground) {
                bail!(
                    "application {} came out as {} {:?}, right is {outcome} {ground:?}",
                    case.number,
                    case.outcome,
                    case.grounds
                );
            }
        }
        Ok(())
    }
}

fn submit_all(
    address: &str,
    due: &[(usize, &Application)],
    clients: usize,
    progress: &indicatif::ProgressBar,
) -> anyhow::Result<Vec<Case>> {
    let next = AtomicUsize::new(0);
    let remote = Remote::new(address);
    let client = || -> anyhow::Result<Vec<Case>> {
        let remote = remote.clone();
        let mut cases = Vec::new();
        while let Some((number, application)) = due.get(next.fetch_add(1, Ordering::Relaxed)) {
            let case = submit(&remote, *number, application);
            cases.push(case.with_context(|| format!("application {number}"))?);
            progress.inc(1);
        }
        Ok(cases)
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..clients.max(1)).map(|_| scope.spawn(client)).collect();
        let mut cases = Vec::new();
        for client in clients {
            cases.extend(client.join().expect("an applicant does not panic")?);
        }
        Ok(cases)
    })
}

fn submit(remote: &Remote, number: usize, application: &Application) -> anyhow::Result<Case> {
    let submitted = Instant::now();
    let service = application.service;
    let mut case = Case { number, service, submitted: Some(submitted), ..Case::default() };
    let path = format!("api/v1/services/{service}/applications");
    let answer = remote.post(&path, application.body.to_string().as_bytes())?;
    if answer.status == 422 {
        case.outcome = "not registered".to_owned();
        let errors = answer.body["errors"].as_array().into_iter().flatten();
        case.grounds = errors.filter_map(|e| Some(e["pointer"].as_str()?.to_owned())).collect();
        return Ok(case);
    }
    let answer = answer.ok()?;
    case.id = text(&answer, "id")?.to_owned();
    case.token = text(&answer, "token")?.to_owned();
    let status = loop {
        let path = format!("api/v1/applications/{}?wait_ms=10000", case.id);
        let status = remote.get(&path)?.ok()?;
        if text(&status, "status")? != "in_progress" {
            break status;
        }
        if submitted.elapsed() > CASE_LIMIT {
            bail!("case {} is not decided within {CASE_LIMIT:?}", case.id);
        }
    };
    case.decision_time = submitted.elapsed();
    drop(status);
    case.decided(&remote.get(&format!("api/v1/decisions/{}", case.id))?.ok()?)?;
    Ok(case)
}

/// Notes when which head was published, until told to end.
fn watch_heads(address: &str, ended: &AtomicBool, heads: &Mutex<Vec<(Instant, u64)>>) {
    let remote = Remote::new(address);
    let mut last = 0;
    while !ended.load(Ordering::SeqCst) {
        let size = remote.bytes("checkpoint").ok().and_then(|bytes| head_size(&bytes));
        if let Some(size) = size.filter(|size| *size > last) {
            last = size;
            heads.lock().expect("no holder panics").push((Instant::now(), size));
        }
        thread::park_timeout(Duration::from_millis(10));
    }
}

fn head_size(bytes: &[u8]) -> Option<u64> {
    let note = Note::parse(std::str::from_utf8(bytes).ok()?).ok()?;
    Some(Checkpoint::parse(note.text()).ok()?.size().get())
}

/// Waits until the watcher has seen a head that covers the last decision.
fn wait_for_head(cases: &[Case], heads: &Mutex<Vec<(Instant, u64)>>) {
    let last = cases.iter().map(|case| case.leaf).max().unwrap_or(0);
    let end = Instant::now() + CASE_LIMIT;
    while Instant::now() < end {
        let seen = heads.lock().expect("no holder panics").last().map(|(_, size)| *size);
        if seen > Some(last) {
            return;
        }
        thread::park_timeout(Duration::from_millis(10));
    }
}
