//! Reports: for a citizen in words, for programs in JSON.
//!
//! Not here: any check. A report says what a check came to and decides nothing, except that
//! everything held when there are no findings.

mod comparison;

use std::collections::{BTreeMap, BTreeSet};

use letopis_ledger::{Hash, LeafIndex, Timestamp};
use serde_json::{Value, json};

use crate::audit::{Audit, Recovery};
use crate::decision::{Breach, CheckedDecision, CheckedDecisions};
use crate::finding::{Finding, Findings, Rule};
use crate::message::{Message, Messages};
use crate::proof::CheckedProof;

/// A report that can be written in several languages.
#[derive(Debug)]
pub struct Report {
    lines: Vec<Message>,
    facts: Value,
    /// What breaks no rule and must be known all the same.
    notices: Vec<Notice>,
    /// Why nothing can be said, if so.
    undecided: Option<String>,
    findings: Vec<Finding>,
    counts: BTreeMap<Rule, u64>,
}

/// Something that everybody who relies on the log must know.
#[derive(Debug)]
struct Notice {
    words: Message,
    facts: Value,
}

impl Notice {
    fn of_recovery(recovery: &Recovery) -> Self {
        let lost: Vec<u64> = recovery.lost.iter().map(|node| node.get()).collect();
        let (leaf, size) = (recovery.leaf, recovery.size);
        let (time, root) = (recovery.time.to_string(), recovery.root.to_base64());
        let facts = json!({
            "notice": "log-recovered",
            "leaf": leaf.get(),
            "time": time,
            "agency": recovery.agency.as_str(),
            "size": size.get(),
            "root": root,
            "lost": lost,
        });
        let lost: Vec<String> = lost.iter().map(u64::to_string).collect();
        let values = [
            ("leaf", leaf.to_string()),
            ("time", time),
            ("agency", recovery.agency.to_string()),
            ("size", size.to_string()),
            ("root", root),
            ("lost", lost.join(", ")),
        ];
        Self { words: Message::new("notice.recovered", values), facts }
    }
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
        report.lines.extend(checked.statements.iter().cloned());
        report.facts = json!({
            "log": log_facts(&checked.audit),
            "decision": checked.facts,
        });
        report
    }

    /// The report of a check of every decision.
    #[must_use]
    pub fn of_decisions(place: String, checked: &CheckedDecisions) -> Self {
        let mut report = Self::with_findings(&checked.audit.findings);
        report.log_lines(place, &checked.audit);
        let CheckedDecisions { decided, re_executed, undisclosed, breach_count, .. } = checked;
        for (key, count) in [
            ("decisions.heading", decided),
            ("decisions.reexecuted", re_executed),
            ("decisions.undisclosed", undisclosed),
            ("decisions.breaches", breach_count),
        ] {
            report.line(key, [("count", count.to_string())]);
        }
        for breach in &checked.breaches {
            let leaf = breach.leaf.to_string();
            let values = [("case", breach.case.clone()), ("due", breach.due.clone())];
            let [case, due] = values;
            report.line("decisions.breach", [case, due, ("leaf", leaf)]);
        }
        let breach = |breach: &Breach| json!({"case": breach.case, "due": breach.due, "leaf": breach.leaf.get()});
        report.facts = json!({
            "log": log_facts(&checked.audit),
            "decisions": {
                "decided": decided,
                "re_executed": re_executed,
                "undisclosed": undisclosed,
                "breach_count": breach_count,
                "breaches": checked.breaches.iter().map(breach).collect::<Vec<_>>(),
            },
        });
        report
    }

    /// The report of a check of one proof.
    #[must_use]
    pub fn of_proof(place: String, checked: &CheckedProof) -> Self {
        let mut report = Self::with_findings(&checked.findings);
        report.line("proof.heading", [("place", place)]);
        if let (Some((origin, size)), Some(leaf)) = (&checked.log, checked.leaf_index) {
            let (leaf, size) = (leaf.to_string(), size.to_string());
            let values = [("leaf", leaf), ("origin", origin.clone()), ("size", size)];
            report.line("proof.leaf", values);
        }
        if let Some(leaf) = &checked.leaf {
            report.notices = Recovery::all_in(leaf).iter().map(Notice::of_recovery).collect();
            for event in leaf.record().events() {
                let values = [
                    ("event", event.event_type.to_string()),
                    ("stream", event.stream.to_string()),
                    ("author", leaf.record().author().to_string()),
                    ("time", leaf.time().to_string()),
                ];
                report.line("proof.content", values);
            }
        }
        report.cosigner_lines(&checked.cosigners);
        if let Some(sha256) = &checked.document {
            report.line("proof.document", [("sha256", sha256.clone())]);
        }
        if report.holds() {
            report.line("proof.unproved", []);
        }
        report.facts = json!({
            "proof": {
                "leaf": checked.leaf_index,
                "origin": checked.log.as_ref().map(|(origin, _)| origin),
                "size": checked.log.as_ref().map(|(_, size)| size),
                "cosigners": cosigner_facts(&checked.cosigners),
            }
        });
        if let Some(sha256) = &checked.document {
            report.facts["proof"]["document"] = json!(sha256);
        }
        report
    }

    /// The report of a copy that was made.
    #[must_use]
    pub fn of_mirror(folder: String, size: u64) -> Self {
        let mut report = Self::with_findings(&Findings::default());
        report.facts = json!({ "mirror": { "folder": folder, "size": size } });
        report.line("mirror.done", [("size", size.to_string()), ("folder", folder)]);
        report
    }

    /// Whether everything held.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.counts.is_empty() && self.undecided.is_none()
    }

    /// Whether anything can be said at all.
    #[must_use]
    pub const fn is_decided(&self) -> bool {
        self.undecided.is_none()
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
                    "leaf": finding.leaf.map(LeafIndex::get),
                    "detail": finding.detail,
                })
            })
            .collect();
        let broken_rules: serde_json::Map<String, Value> = self
            .counts
            .iter()
            .map(|(rule, count)| (rule.code().to_owned(), json!(count)))
            .collect();
        let mut report = json!({
            "holds": self.holds(),
            "finding_count": self.finding_count(),
            "broken_rules": broken_rules,
            "findings": findings,
            "notices": self.notices.iter().map(|notice| notice.facts.clone()).collect::<Vec<_>>(),
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
            text += &format!("{indent}{}\n", messages.say(line));
        }
        for notice in &self.notices {
            text += &format!("{}\n", messages.say(&notice.words));
        }
        if let Some(reason) = &self.undecided {
            text += &messages.text("verdict.undecided", &[("reason", reason)]);
            return text + "\n";
        }
        if self.holds() {
            let count = self.notices.len().to_string();
            let key = if count == "0" { "verdict.holds" } else { "verdict.holds.noticed" };
            text += &messages.text(key, &[("count", &count)]);
            return text + "\n";
        }
        let count = self.finding_count().to_string();
        text += &format!("{}\n", messages.text("verdict.broken", &[("count", &count)]));
        let mut explained = BTreeSet::new();
        for (number, finding) in (1..).zip(&self.findings) {
            text += &format!("{number:>3}. {}\n", finding_text(finding, messages));
            // One rule is often broken at many leaves; its meaning is told once.
            if explained.insert(finding.rule) {
                let meaning = messages.text(&format!("rule.{}", finding.rule.code()), &[]);
                let line = messages.text("finding.meaning", &[("meaning", &meaning)]);
                text += &format!("     {line}\n");
            }
        }
        for (rule, count) in &self.counts {
            let more = count.saturating_sub(Findings::KEPT_PER_RULE);
            if more > 0 {
                let values = [("rule", rule.code()), ("count", &more.to_string())];
                text += &format!("     {}\n", messages.text("verdict.more", &values));
            }
        }
        text
    }

    fn finding_count(&self) -> u64 {
        self.counts.values().sum()
    }

    fn with_findings(findings: &Findings) -> Self {
        Self {
            lines: Vec::new(),
            facts: Value::Null,
            notices: Vec::new(),
            undecided: None,
            findings: findings.kept().to_vec(),
            counts: findings.counts().clone(),
        }
    }

    fn line<const N: usize>(&mut self, key: &'static str, values: [(&'static str, String); N]) {
        self.lines.push(Message::new(key, values));
    }

    fn log_lines(&mut self, place: String, audit: &Audit) {
        self.line("log.heading", [("origin", audit.origin.clone()), ("place", place)]);
        match audit.last_time {
            None if audit.size == 0 => self.line("log.empty", []),
            None => self.line("log.unread", [("size", audit.size.to_string())]),
            Some(time) => {
                let size = audit.size.to_string();
                self.line("log.size", [("size", size), ("time", time.to_string())]);
            }
        }
        self.line("log.root", [("root", audit.root.to_base64())]);
        let signatures = audit.signature_count.to_string();
        let agencies = audit.agencies.len().to_string();
        self.line("log.signatures", [("signatures", signatures), ("agencies", agencies)]);
        self.cosigner_lines(&audit.cosigners);
        if audit.cosigners.is_empty() {
            self.line("log.nobody", []);
        }
        for (leaf, policy) in audit.policies.iter().skip(1) {
            let values = [("leaf", leaf.to_string()), ("fingerprint", policy.to_hex())];
            self.line("log.policy.changed", values);
        }
        if let Some(fingerprint) = &audit.policy_fingerprint {
            let outside = audit.policy_from_outside;
            let key = if outside { "log.policy.outside" } else { "log.policy.inside" };
            self.line(key, [("fingerprint", fingerprint.clone())]);
        }
        self.party_lines(audit);
        self.notices = audit.recoveries.iter().map(Notice::of_recovery).collect();
    }

    /// Which agencies left, and whose nodes decide and hold the log.
    fn party_lines(&mut self, audit: &Audit) {
        for (agency, membership) in &audit.agencies {
            if let Some(leaf) = membership.removed {
                let values = [("agency", agency.to_string()), ("leaf", leaf.to_string())];
                self.line("log.agency.removed", values);
            }
            for (key, votes) in [("log.nodes.vote", true), ("log.nodes.hold", false)] {
                let here = audit.nodes.iter().filter(|(_, node)| {
                    &node.agency == agency && node.removed.is_none() && node.votes == votes
                });
                let nodes: Vec<String> =
                    here.map(|(number, node)| format!("{number} ({})", node.address)).collect();
                if !nodes.is_empty() {
                    let values = [("agency", agency.to_string()), ("nodes", nodes.join(", "))];
                    self.line(key, values);
                }
            }
        }
    }

    fn cosigner_lines(&mut self, cosigners: &[(String, u64)]) {
        for (name, unix_seconds) in cosigners {
            let time = instant(*unix_seconds);
            self.line("log.cosigner", [("name", name.clone()), ("time", time)]);
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
    let leaf = |leaf: Option<LeafIndex>| leaf.map(LeafIndex::get);
    let nodes = audit.nodes.iter().map(|(number, node)| {
        json!({
            "node": number.get(),
            "agency": node.agency.as_str(),
            "address": node.address,
            "key": node.key.to_hex(),
            "role": if node.votes { "voter" } else { "learner" },
            "admitted": node.admitted.get(),
            "removed": leaf(node.removed),
        })
    });
    let policies = audit.policies.iter();
    let changes: Vec<u64> = policies.clone().skip(1).map(|(leaf, _)| leaf.get()).collect();
    let policies =
        policies.map(|(leaf, text)| json!({ "leaf": leaf.get(), "fingerprint": text.to_hex() }));
    let removed = audit.agencies.iter().filter(|(_, membership)| membership.removed.is_some());
    let removed = removed.map(|(agency, membership)| {
        json!({ "agency": agency.as_str(), "leaf": leaf(membership.removed) })
    });
    json!({
        "origin": audit.origin,
        "size": audit.size,
        "root": Hash::to_base64(&audit.root),
        "signatures": audit.signature_count,
        "agencies": audit.agencies.len(),
        "agencies_removed": removed.collect::<Vec<_>>(),
        "nodes": nodes.collect::<Vec<_>>(),
        "last_time": audit.last_time.map(|time| time.to_string()),
        "cosigners": cosigner_facts(&audit.cosigners),
        "policy_fingerprint": audit.policy_fingerprint,
        "policy_from_outside": audit.policy_from_outside,
        "policy_changes": changes,
        "policies": policies.collect::<Vec<_>>(),
    })
}
