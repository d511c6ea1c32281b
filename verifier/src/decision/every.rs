//! The check of every decision of a log: the log once, then the cases by thousands.
//!
//! Each pass over the log collects as many cases as memory allows, and each is checked as if it
//! were the only one. What is not disclosed is counted and no fault. Not here: what a check of one
//! decision looks at (`decision`).

use std::collections::{BTreeMap, BTreeSet};

use letopis_ledger::LeafIndex;
use letopis_ledger::json::Json;
use letopis_ledger::leaf::Leaf;
use letopis_ledger::record::Event;

use super::collect::{Collector, Kept};
use super::{Log, Options};
use crate::audit::{Audit, AuditError, Observer, audit};
use crate::finding::{Finding, Findings, Rule};
use crate::source::LogSource;

/// Most cases that are held in memory at once.
const BATCH: usize = 4_096;
/// Most broken terms that are told one by one.
const BREACHES_TOLD: usize = 20;

/// What a check of every decision came to.
#[derive(Debug)]
pub struct CheckedDecisions {
    /// What the check of the log came to, with the findings about decisions added.
    pub audit: Audit,
    /// Decisions in the log.
    pub decided: u64,
    /// Of them, run again with the same result.
    pub re_executed: u64,
    /// Of them, not run again because facts are not disclosed.
    pub undisclosed: u64,
    /// Terms that are on record as broken.
    pub breach_count: u64,
    /// The first of them.
    pub breaches: Vec<Breach>,
}

/// A term that is on record as broken.
#[derive(Debug, Clone)]
pub struct Breach {
    /// Stream of the case.
    pub case: String,
    /// The end of the term.
    pub due: String,
    /// The leaf that says so.
    pub leaf: LeafIndex,
}

/// Checks every decision of a log. `given` has disclosures that applicants gave, by case id.
///
/// # Errors
/// The log cannot be read at all; whatever is wrong with what was read is a finding.
pub fn check_decisions(
    source: &dyn LogSource,
    options: &Options,
    given: &dyn Fn(&str) -> Vec<String>,
    observer: &mut dyn Observer,
) -> Result<CheckedDecisions, AuditError> {
    let mut census =
        Census { observer, decided: Vec::new(), breach_count: 0, breaches: Vec::new() };
    let audit_of_log = audit(source, &options.audit, &mut census)?;
    let Census { decided, breach_count, breaches, observer } = census;
    let mut checked = CheckedDecisions {
        audit: audit_of_log,
        decided: decided.len() as u64,
        re_executed: 0,
        undisclosed: 0,
        breach_count,
        breaches,
    };
    for ids in decided.chunks(BATCH) {
        let mut batch = Batch::new(ids, observer);
        // What is wrong with the log was found before; what it says now must be what it said.
        let again = audit(source, &options.audit, &mut batch)?;
        if (again.size, again.root) != (checked.audit.size, checked.audit.root) {
            let detail = format!(
                "the log had {} leaves when the check began and has {} now: mirror it and check \
                 the copy",
                checked.audit.size, again.size
            );
            checked.audit.findings.push(Finding::whole(Rule::TreeRoot, detail));
            return Ok(checked);
        }
        let (size, ends) = (checked.audit.size, checked.audit.last_time);
        let log = Log { source, options: &options.audit, size, ends };
        for (id, collected) in ids.iter().zip(batch.collectors) {
            let mut findings = Findings::default();
            let (_, facts) = log.check(collected, &given(id), &mut findings)?;
            checked.count(id, &findings, facts["re_executed"] == true);
        }
    }
    Ok(checked)
}

impl CheckedDecisions {
    /// Counts a case with what was found in it.
    fn count(&mut self, id: &str, findings: &Findings, re_executed: bool) {
        let undisclosed = findings.broke(Rule::InputsDisclosed);
        self.undisclosed += u64::from(undisclosed);
        self.re_executed += u64::from(re_executed);
        let faults = findings.kept().iter().filter(|found| found.rule != Rule::InputsDisclosed);
        for found in faults {
            let detail = format!("case {id}: {}", found.detail);
            self.audit.findings.push(Finding { detail, ..found.clone() });
        }
    }
}

/// Which cases were decided, and which terms were broken.
struct Census<'o> {
    observer: &'o mut dyn Observer,
    decided: Vec<String>,
    breach_count: u64,
    breaches: Vec<Breach>,
}

impl Observer for Census<'_> {
    fn leaf(&mut self, place: LeafIndex, leaf: &Leaf) {
        for event in leaf.record().events() {
            match event.event_type.as_str() {
                "application.decided" => self.decided.extend(case_id(event)),
                "application.deadline_breached" => {
                    self.breach_count += 1;
                    if self.breaches.len() < BREACHES_TOLD {
                        let due = event.data.get("due").and_then(Json::as_str).unwrap_or_default();
                        let case = event.stream.to_string();
                        self.breaches.push(Breach { case, due: due.to_owned(), leaf: place });
                    }
                }
                _ => {}
            }
        }
        self.observer.leaf(place, leaf);
    }

    fn progress(&mut self, done: u64, of: u64) {
        self.observer.progress(done, of);
    }
}

/// Cases that are collected in one pass.
struct Batch<'a, 'o> {
    collectors: Vec<Collector<'a>>,
    /// Number of the collector of each case, by its stream.
    cases: BTreeMap<String, usize>,
    /// Numbers of the collectors that wait for a case, by its stream.
    awaited: BTreeMap<String, BTreeSet<usize>>,
    /// Number of the collector of each entry that a case made.
    entries: BTreeMap<String, BTreeSet<usize>>,
    observer: &'o mut dyn Observer,
}

impl<'a, 'o> Batch<'a, 'o> {
    fn new(ids: &'a [String], observer: &'o mut dyn Observer) -> Self {
        let cases =
            ids.iter().enumerate().map(|(number, id)| (format!("application/{id}"), number));
        Self {
            collectors: ids.iter().map(|id| Collector::new(id)).collect(),
            cases: cases.collect(),
            awaited: BTreeMap::new(),
            entries: BTreeMap::new(),
            observer,
        }
    }

    /// The collectors that an event concerns; nothing when it concerns all.
    fn concerned(&self, event: &Event) -> Option<BTreeSet<usize>> {
        let named = |member: Option<&Json>| {
            member.and_then(Json::as_str).and_then(|stream| self.cases.get(stream)).copied()
        };
        let stream = event.stream.as_str();
        match event.stream.kind() {
            "pack" | "staff" | "offer" => None,
            "application" => {
                let mut all = self.awaited.get(stream).cloned().unwrap_or_default();
                all.extend(self.cases.get(stream));
                Some(all)
            }
            "registry" => {
                let basis = event.data.get("basis").and_then(Json::as_object);
                let by = named(basis.and_then(|basis| basis.get("stream")));
                let mut all = self.entries.get(stream).cloned().unwrap_or_default();
                all.extend(by);
                Some(all)
            }
            _ => Some(named(event.data.get("case")).into_iter().collect()),
        }
    }
}

impl Observer for Batch<'_, '_> {
    fn leaf(&mut self, place: LeafIndex, leaf: &Leaf) {
        let mut concerned = BTreeSet::new();
        for event in leaf.record().events() {
            match self.concerned(event) {
                Some(some) => concerned.extend(some),
                None => concerned.extend(0..self.collectors.len()),
            }
        }
        let kept = Kept::new(leaf);
        for number in concerned {
            let collector = &mut self.collectors[number];
            collector.take(place, &kept);
            for stream in collector.awaited() {
                self.awaited.entry(stream.clone()).or_default().insert(number);
            }
            for entry in &collector.entries {
                self.entries.entry(entry.stream.to_string()).or_default().insert(number);
            }
        }
        self.observer.leaf(place, leaf);
    }

    fn progress(&mut self, done: u64, of: u64) {
        self.observer.progress(done, of);
    }
}

fn case_id(event: &Event) -> Option<String> {
    event.stream.as_str().strip_prefix("application/").map(str::to_owned)
}
