//! Reports: for a citizen in words, for programs in JSON.
//!
//! Not here: any check. A report says what a check came to and decides nothing, except that
//! everything held when there are no findings.

use letopis_ledger::{Hash, Timestamp};
use serde_json::{Value, json};

use crate::audit::Audit;
use crate::decision::CheckedDecision;
use crate::finding::{Finding, Findings};
use crate::message::Messages;
use crate::proof::CheckedProof;

/// A report that can be written in several languages.
#[derive(Debug)]
pub struct Report {
    lines: Vec<Line>,
    facts: Value,
    findings: Vec<Finding>,
    finding_count: u64,
}

/// A message with its values.
#[derive(Debug)]
struct Line {
    key: &'static str,
    values: Vec<(&'static str, String)>,
}

impl Report {
    /// The report of a check of a whole log.
    #[must_use]
    pub fn of_log(place: String, audit: &Audit) -> Self {
        let mut report = Self::with_findings(&audit.findings);
        report.log_lines(place, audit);
        report.facts = json!({ "log": log_facts(audit) });
        report
    }

    /// The report of a check of one decision.
    #[must_use]
    pub fn of_decision(place: String, checked: &CheckedDecision) -> Self {
        let mut report = Self::with_findings(&checked.audit.findings);
        report.log_lines(place, &checked.audit);
        report.lines.extend(
            checked.statements.iter().map(|(key, values)| Line { key, values: values.clone() }),
        );
        report.facts = json!({
            "log": log_facts(&checked.audit),
            "decision": checked.facts,
        });
        report
    }

    /// The report of a check of one proof.
    #[must_use]
    pub fn of_proof(place: String, checked: &CheckedProof) -> Self {
        let mut report = Self::with_findings(&checked.findings);
        report.line("proof.heading", vec![("place", place)]);
        if let (Some((origin, size)), Some(leaf)) = (&checked.log, checked.leaf_index) {
            report.line(
                "proof.leaf",
                vec![
                    ("leaf", leaf.to_string()),
                    ("origin", origin.clone()),
                    ("size", size.to_string()),
                ],
            );
        }
        for event in checked.leaf.iter().flat_map(|leaf| leaf.record().events()) {
            let leaf = checked.leaf.as_ref().expect("invariant: its events were just read");
            report.line(
                "proof.content",
                vec![
                    ("event", event.event_type.to_string()),
                    ("stream", event.stream.to_string()),
                    ("author", leaf.record().author().to_string()),
                    ("time", leaf.time().to_string()),
                ],
            );
        }
        report.cosigner_lines(&checked.cosigners);
        report.facts = json!({
            "proof": {
                "leaf": checked.leaf_index,
                "origin": checked.log.as_ref().map(|(origin, _)| origin),
                "size": checked.log.as_ref().map(|(_, size)| size),
                "cosigners": cosigner_facts(&checked.cosigners),
            }
        });
        report
    }

    /// The report of a copy that was made.
    #[must_use]
    pub fn of_mirror(folder: String, size: u64) -> Self {
        let mut report = Self::with_findings(&Findings::default());
        report.facts = json!({ "mirror": { "folder": folder, "size": size } });
        report.line("mirror.done", vec![("size", size.to_string()), ("folder", folder)]);
        report
    }

    /// Whether everything held.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.finding_count == 0
    }

    /// The report for programs: one JSON object, keys in English.
    #[must_use]
    pub fn to_json(&self) -> String {
        let findings: Vec<Value> = self
            .findings
            .iter()
            .map(|finding| {
                json!({
                    "rule": finding.rule.code(),
                    "leaf": finding.leaf.map(letopis_ledger::LeafIndex::get),
                    "detail": finding.detail,
                })
            })
            .collect();
        let mut report = json!({
            "holds": self.holds(),
            "finding_count": self.finding_count,
            "findings": findings,
        });
        if let (Some(report), Some(facts)) = (report.as_object_mut(), self.facts.as_object()) {
            report.extend(facts.clone());
        }
        format!("{report:#}\n")
    }

    /// The report in words.
    #[must_use]
    pub fn to_text(&self, messages: &Messages) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let indent = if line.key.ends_with(".heading") { "" } else { "  " };
            let values: Vec<(&str, &str)> =
                line.values.iter().map(|(name, value)| (*name, value.as_str())).collect();
            text += &format!("{indent}{}\n", messages.text(line.key, &values));
        }
        if self.holds() {
            return text + &messages.text("verdict.holds", &[]) + "\n";
        }
        let count = self.finding_count.to_string();
        text += &format!("{}\n", messages.text("verdict.broken", &[("count", &count)]));
        let mut explained = Vec::new();
        for (number, finding) in (1..).zip(&self.findings) {
            text += &format!("{number:>3}. {}\n", finding_text(finding, messages));
            // One rule is often broken at many leaves; its meaning is told once.
            if !explained.contains(&finding.rule) {
                explained.push(finding.rule);
                let meaning = messages.text(&format!("rule.{}", finding.rule.code()), &[]);
                let line = messages.text("finding.meaning", &[("meaning", &meaning)]);
                text += &format!("     {line}\n");
            }
        }
        let kept = u64::try_from(self.findings.len()).unwrap_or(u64::MAX);
        if self.finding_count > kept {
            let more = (self.finding_count - kept).to_string();
            text += &format!("     {}\n", messages.text("verdict.more", &[("count", &more)]));
        }
        text
    }

    fn with_findings(findings: &Findings) -> Self {
        Self {
            lines: Vec::new(),
            facts: Value::Null,
            findings: findings.kept().to_vec(),
            finding_count: findings.count(),
        }
    }

    fn line(&mut self, key: &'static str, values: Vec<(&'static str, String)>) {
        self.lines.push(Line { key, values });
    }

    fn log_lines(&mut self, place: String, audit: &Audit) {
        self.line("log.heading", vec![("origin", audit.origin.clone()), ("place", place)]);
        match audit.last_time {
            None => self.line("log.empty", vec![]),
            Some(time) => self.line(
                "log.size",
                vec![("size", audit.size.to_string()), ("time", time.to_string())],
            ),
        }
        self.line("log.root", vec![("root", audit.root.to_base64())]);
        self.line(
            "log.signatures",
            vec![
                ("signatures", audit.signature_count.to_string()),
                ("agencies", audit.agency_count.to_string()),
            ],
        );
        self.cosigner_lines(&audit.cosigners);
        if let Some(fingerprint) = &audit.policy_fingerprint {
            let key = if audit.policy_from_outside {
                "log.policy.outside"
            } else {
                "log.policy.inside"
            };
            self.line(key, vec![("fingerprint", fingerprint.clone())]);
        }
    }

    fn cosigner_lines(&mut self, cosigners: &[(String, u64)]) {
        for (name, unix_seconds) in cosigners {
            self.line(
                "log.cosigner",
                vec![("name", name.clone()), ("time", instant(*unix_seconds))],
            );
        }
    }
}

fn finding_text(finding: &Finding, messages: &Messages) -> String {
    let rule = finding.rule.code();
    match finding.leaf {
        Some(leaf) => messages.text(
            "finding.at",
            &[("leaf", &leaf.to_string()), ("rule", rule), ("detail", &finding.detail)],
        ),
        None => messages.text("finding.whole", &[("rule", rule), ("detail", &finding.detail)]),
    }
}

fn instant(unix_seconds: u64) -> String {
    i64::try_from(unix_seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_unix_ms(seconds.checked_mul(1000)?).ok())
        .map_or_else(|| unix_seconds.to_string(), |time| time.to_string())
}

fn cosigner_facts(cosigners: &[(String, u64)]) -> Vec<Value> {
    let one = |(name, time): &(String, u64)| json!({ "name": name, "unix_seconds": time });
    cosigners.iter().map(one).collect()
}

fn log_facts(audit: &Audit) -> Value {
    json!({
        "origin": audit.origin,
        "size": audit.size,
        "root": Hash::to_base64(&audit.root),
        "signatures": audit.signature_count,
        "agencies": audit.agency_count,
        "last_time": audit.last_time.map(|time| time.to_string()),
        "cosigners": cosigner_facts(&audit.cosigners),
        "policy_fingerprint": audit.policy_fingerprint,
        "policy_from_outside": audit.policy_from_outside,
    })
}
