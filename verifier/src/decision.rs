//! The check of one decision: the whole log, then everything that the decision rests on.
//!
//! The case must be complete with one final decision; the rule it names must have been published
//! before; the published table, run again on the disclosed facts, must give the same decision by
//! the same rules; the legal term must have been counted rightly and kept; and the registry must
//! have changed exactly as the decision says.

mod answers;
mod approval;
mod case;
mod collect;
mod disclosed;
mod effect;
mod escalation;
mod event;
mod every;
mod follow_up;
mod joint;
mod offer;
mod payments;
mod procedure;
mod rule;
mod term;

use std::collections::BTreeMap;

use letopis_ledger::bundle::EntryBundle;
use letopis_ledger::hash::leaf_hash;
use letopis_ledger::id::AgencyId;
use letopis_ledger::json::{Fields, Json};
use letopis_ledger::leaf::Leaf;
use letopis_ledger::tile::bundle_with;
use letopis_ledger::{Hash, LeafIndex, Timestamp, TreeSize};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::audit::{Audit, AuditError, AuditOptions, Observer, audit};
use crate::finding::{Finding, Findings, Rule};
use crate::message::{Message, Words};
use crate::source::{LogSource, SourceError};

use case::Case;
use collect::{Collector, Watching};
use effect::Measure;
use event::{Outcome, PackPublished, Pinned};
use follow_up::{Followed, History};
use rule::{PackFiles, Regulation};

pub use every::{Breach, CheckedDecisions, check_decisions};

/// How to check.
#[derive(Debug, Default)]
pub struct Options {
    /// How to check the log.
    pub audit: AuditOptions,
    /// Disclosure strings given by the applicant, beside those that are public.
    pub disclosures: Vec<String>,
}

/// What a check of one decision came to.
#[derive(Debug)]
pub struct CheckedDecision {
    /// What the check of the log came to, with the findings about the decision added.
    pub audit: Audit,
    /// What was established, in words.
    pub statements: Vec<Message>,
    /// The same for programs.
    pub facts: Value,
}

/// Why a file of disclosures was refused.
#[derive(Debug, Error)]
#[error("not a list of disclosures, {{\"disclosures\":[\"…\"]}}: {0}")]
pub struct DisclosuresError(String);

/// Reads `{"disclosures":["…", …]}`.
///
/// # Errors
/// The bytes have another form.
pub fn parse_disclosures(bytes: &[u8]) -> Result<Vec<String>, DisclosuresError> {
    let value = Json::parse(bytes).map_err(|e| DisclosuresError(e.to_string()))?;
    let mut fields = Fields::of("file", &value).map_err(|e| DisclosuresError(e.to_string()))?;
    let list = fields.array("disclosures").map_err(|e| DisclosuresError(e.to_string()))?;
    let text = |item: &Json| item.as_str().map(str::to_owned);
    list.iter()
        .map(|item| text(item).ok_or_else(|| DisclosuresError("an item is no string".to_owned())))
        .collect()
}

/// Checks one decision, named by its case's id or number.
///
/// # Errors
/// The log cannot be read at all; whatever is wrong with what was read is a finding.
pub fn check_decision(
    source: &dyn LogSource,
    id: &str,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<CheckedDecision, AuditError> {
    let mut watching = Watching { collected: Collector::new(id), progress: observer };
    let mut audit = audit(source, &options.audit, &mut watching)?;
    let log = Log { source, options: &options.audit, size: audit.size, ends: audit.last_time };
    let (collected, given) = (watching.collected, &options.disclosures);
    let (statements, facts) = log.check(collected, given, &mut audit.findings)?;
    Ok(CheckedDecision { audit, statements, facts })
}

/// A log that was checked, with decisions in it.
#[derive(Clone, Copy)]
struct Log<'a> {
    source: &'a dyn LogSource,
    options: &'a AuditOptions,
    size: u64,
    /// The time of its last leaf, if there is one.
    ends: Option<Timestamp>,
}

impl<'a> Log<'a> {
    /// Checks a case that was collected; what is established, in words and for programs.
    fn check(
        self,
        collected: Collector<'a>,
        given: &[String],
        findings: &'a mut Findings,
    ) -> Result<(Vec<Message>, Value), AuditError> {
        let mut check = Check {
            source: self.source,
            options: self.options,
            size: TreeSize::new(self.size),
            collected,
            log_ends: self.ends,
            findings,
            statements: Vec::new(),
            facts: Map::new(),
        };
        match check.run(given) {
            Ok(()) => {}
            Err(Stop::Found(finding)) => check.findings.push(finding),
            Err(Stop::Source(error)) => return Err(error.into()),
            Err(Stop::Audit(error)) => return Err(error),
        }
        Ok((check.statements, Value::Object(check.facts)))
    }
}

/// Why the check of a case went no further.
enum Stop {
    /// What comes after rests on what was found broken.
    Found(Finding),
    /// The log could not be read.
    Source(SourceError),
    /// The log could not be checked again.
    Audit(AuditError),
}

impl From<Finding> for Stop {
    fn from(finding: Finding) -> Self {
        Self::Found(finding)
    }
}

/// A check under way.
struct Check<'a> {
    source: &'a dyn LogSource,
    options: &'a AuditOptions,
    size: TreeSize,
    collected: Collector<'a>,
    /// The time of the last leaf, if there is one.
    log_ends: Option<Timestamp>,
    findings: &'a mut Findings,
    statements: Vec<Message>,
    facts: Map<String, Value>,
}

impl Check<'_> {
    fn run(&mut self, given: &[String]) -> Result<(), Stop> {
        let case = case::read(&self.collected)?;
        self.state_case(&case);
        let submitted = self.collected.events[0].place;
        let (pack, publisher) = self.pack(&case.submitted.pinned, submitted)?;
        let files = PackFiles { source: self.source, files: &pack.files };
        let mut regulation = Regulation::load(&files, &case.submitted.service)?;
        self.check_rule(&case, &pack, &publisher, &regulation)?;
        case::check_blocking(&case, &self.collected, &regulation)?;
        self.check_grounds(&case, &regulation)?;
        self.check_joint(&case)?;
        self.check_offer(&case)?;
        self.check_deadline(&case, &mut regulation)?;
        self.check_approval(&case, &regulation)?;
        self.check_requests(&case, &regulation)?;
        self.check_answers(&regulation, given)?;
        let outputs = self.check_model(&case, &files, given)?;
        let followed = self.check_follow_up(&case, &regulation)?;
        let (regulation, outputs, followed) = (&regulation, outputs.as_ref(), followed.as_ref());
        let measure = Measure { regulation, outputs, followed };
        let entry = effect::check(&case, &self.collected, &measure)?;
        let withdrawn = effect::check_withdrawal(&self.collected, entry.as_deref())?;
        self.check_payments(&case, regulation, (entry.as_deref(), outputs), given)?;
        if let Some(entry) = entry {
            self.facts.insert("registry_entry".to_owned(), json!(entry));
            self.say("decision.granted", [("entry", entry)]);
        }
        if let Some(rule) = withdrawn {
            self.facts.insert("withdrawn_by".to_owned(), json!(rule));
            self.say("decision.withdrawn", [("rule", rule)]);
        }
        self.say("decision.unproved", []);
        Ok(())
    }

    fn state_case(&mut self, case: &Case) {
        let stream = self.collected.stream.as_ref().map(ToString::to_string).unwrap_or_default();
        let event = &self.collected.events[case.decided_at];
        let (place, time) = (event.place, event.leaf.time());
        let agency = event.leaf.record().author().to_string();
        let number = case.registered.number.clone();
        let facts = [
            ("stream", json!(stream)),
            ("number", json!(number)),
            ("outcome", json!(case.decided.outcome.as_str())),
            ("leaf", json!(place.get())),
            ("decided_at", json!(time.to_string())),
            ("agency", json!(agency)),
        ];
        self.facts.extend(facts.map(|(name, value)| (name.to_owned(), value)));
        self.say("decision.heading", [("number", number), ("stream", stream)]);
        let (time, leaf) = (time.to_string(), place.to_string());
        self.say("decision.decided", [("time", time), ("leaf", leaf), ("agency", agency)]);
    }

    /// A pinned pack, if it was published before `place`, where it is named, and is the one named;
    /// and who published it.
    fn pack(&self, pinned: &Pinned, place: LeafIndex) -> Result<(PackPublished, AgencyId), Stop> {
        let broken = |detail: String| Stop::Found(Finding::at(Rule::RulePublished, place, detail));
        let published = self.collected.packs.get(&pinned.leaf);
        let published = published.filter(|_| pinned.leaf < place);
        let Some(hash) = published else {
            let detail = format!("no pack was published before it at leaf {}", pinned.leaf);
            return Err(broken(detail));
        };
        let leaf = self.read_again(pinned.leaf, *hash)?;
        let stream = format!("pack/{}", pinned.code);
        let mut events = leaf.record().events().iter();
        let event = events
            .find(|event| {
                event.stream.as_str() == stream && event.event_type.as_str() == "pack.published"
            })
            .ok_or_else(|| broken(format!("leaf {} publishes no {stream}", pinned.leaf)))?;
        let pack = PackPublished::read(&event.data).map_err(|e| broken(e.to_string()))?;
        if event.version.get().checked_add(1) != Some(pack.version) {
            let (found, version) = (pack.version, event.version);
            return Err(broken(format!("event {version} of {stream} publishes version {found}")));
        }
        if (&pack.code, pack.version) != (&pinned.code, pinned.version) {
            return Err(broken(format!(
                "leaf {} publishes pack {} version {}, named is {} version {}",
                pinned.leaf, pack.code, pack.version, pinned.code, pinned.version
            )));
        }
        Ok((pack, leaf.record().author().clone()))
    }

    /// A leaf that the check of the log has seen, read once more.
    fn read_again(&self, place: LeafIndex, hash: Hash) -> Result<Leaf, Stop> {
        let changed = || {
            let detail = "the leaf is another one now than when the log was checked";
            Stop::Found(Finding::at(Rule::TileHash, place, detail))
        };
        let path = bundle_with(place, self.size).ok_or_else(changed)?;
        let bytes = match self.source.bundle(path) {
            Ok(bytes) => bytes,
            Err(error) if error.is_of_log() => return Err(changed()),
            Err(error) => return Err(Stop::Source(error)),
        };
        let bundle = EntryBundle::parse(&bytes).map_err(|_| changed())?;
        let mut entries = (path.index.get() * 256..).zip(bundle.iter());
        let entry = entries.find(|(index, _)| *index == place.get());
        let entry = entry.filter(|(_, bytes)| leaf_hash(bytes) == hash);
        entry.and_then(|(_, bytes)| Leaf::parse(bytes).ok()).ok_or_else(changed)
    }

    /// The decision must be made by the regulation's own agency, model and decision.
    fn check_rule(
        &mut self,
        case: &Case,
        pack: &PackPublished,
        publisher: &AgencyId,
        regulation: &Regulation,
    ) -> Result<(), Stop> {
        let decided = &case.decided;
        let event = &self.collected.events[case.decided_at];
        let author = event.leaf.record().author();
        let broken =
            |detail: String| Stop::Found(Finding::at(Rule::RulePublished, event.place, detail));
        let agency = &regulation.agency;
        if publisher.as_str() != agency || author.as_str() != agency {
            return Err(broken(format!(
                "the regulation is that of {agency}; {publisher} published it, {author} decided"
            )));
        }
        if decided.model_path != regulation.model_path || decided.decision != regulation.decision {
            return Err(broken(format!(
                "the regulation decides by {:?} of {}, the case was decided by {:?} of {}",
                regulation.decision, regulation.model_path, decided.decision, decided.model_path
            )));
        }
        if pack.files.get(&decided.model_path) != Some(&decided.model_sha256) {
            let path = &decided.model_path;
            return Err(broken(format!("the pinned pack has no table {path} of this SHA-256")));
        }
        let values = [
            ("pack", pack.code.clone()),
            ("version", pack.version.to_string()),
            ("table", decided.model_path.clone()),
            ("digest", decided.model_sha256.to_hex()),
        ];
        self.say("decision.rule", values);
        Ok(())
    }

    fn check_grounds(&mut self, case: &Case, regulation: &Regulation) -> Result<(), Stop> {
        case::check_grounds(case, &self.collected, self.findings)?;
        let place = self.collected.events[case.decided_at].place;
        if case.decided.outcome == Outcome::Refused {
            self.say("decision.refused", []);
        }
        let mut codes = Vec::new();
        let mut last = None;
        for found in &case.decided.grounds {
            codes.push(found.code.clone());
            let Some((number, ground)) = regulation.ground(&found.code) else {
                let detail = format!("ground {} is not in the regulation", found.code);
                self.findings.push(Finding::at(Rule::GroundsClosed, place, detail));
                continue;
            };
            if last.replace(number).is_some_and(|last| last >= number) {
                let detail = format!("ground {} is not in its order, or twice", found.code);
                self.findings.push(Finding::at(Rule::GroundsClosed, place, detail));
            }
            let values = vec![
                ("code", Words::Plain(found.code.clone())),
                ("text", Words::InLanguages(ground.text.clone())),
                ("citation", Words::InLanguages(ground.law.clone())),
            ];
            self.statements.push(Message { key: "decision.ground", values });
        }
        self.facts.insert("grounds".to_owned(), json!(codes));
        Ok(())
    }

    /// What a case is about must be an entry of its own service, with a reason to look at it again.
    fn check_follow_up(
        &mut self,
        case: &Case,
        regulation: &Regulation,
    ) -> Result<Option<Followed>, Stop> {
        let Some(about) = &case.submitted.about else { return Ok(None) };
        let mut history = History::new(about, self.collected.events[case.decided_at].place);
        audit(self.source, self.options, &mut history).map_err(Stop::Audit)?;
        let followed = follow_up::check(case, &self.collected, regulation, &history)?;
        let about = json!({"registry_entry": followed.entry, "cause": about.cause});
        self.facts.insert("about".to_owned(), about);
        let key = match (followed.is_renewal, case.decided.outcome) {
            (true, _) => "decision.renewal",
            (false, Outcome::Granted) => "decision.review",
            (false, Outcome::Refused) => "decision.ending",
        };
        self.say(key, [("entry", followed.entry.clone())]);
        Ok(Some(followed))
    }

    /// What joins the case to others must be as the complex request says.
    fn check_joint(&mut self, case: &Case) -> Result<(), Stop> {
        match joint::check(case, &self.collected) {
            Ok(None) => {}
            Ok(Some(joint)) => {
                self.facts.insert("complex_request".to_owned(), json!(joint.stream));
                let count = joint.waited.to_string();
                self.say("decision.joined", [("stream", joint.stream), ("count", count)]);
            }
            Err(Stop::Found(finding)) => self.findings.push(finding),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Where officials decide, each must have agreed by the regulation.
    fn check_approval(&mut self, case: &Case, regulation: &Regulation) -> Result<(), Stop> {
        let stages = approval::check_stages(case, &self.collected, regulation);
        let checked = stages.and_then(|()| approval::check(case, &self.collected, regulation));
        match checked {
            Ok(officials) if officials.is_empty() => {}
            Ok(officials) => {
                let signer = officials.last().cloned().unwrap_or_default();
                let count = officials.len().to_string();
                self.facts.insert("officials".to_owned(), json!(officials));
                self.say("decision.signed", [("count", count), ("official", signer)]);
            }
            Err(Stop::Found(finding)) => self.findings.push(finding),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Requests that brought nothing must have been followed up as the regulation says.
    fn check_requests(&mut self, case: &Case, regulation: &Regulation) -> Result<(), Stop> {
        match escalation::check(case, &self.collected, regulation) {
            Ok(closed) if closed.is_empty() => {}
            Ok(closed) => {
                let facts = closed
                    .iter()
                    .map(|one| json!({"request": one.request, "official": one.official}));
                self.facts.insert("escalated".to_owned(), facts.collect());
                for escalation::Closed { request, official } in closed {
                    self.say("decision.escalated", [("request", request), ("official", official)]);
                }
            }
            Err(Stop::Found(finding)) => self.findings.push(finding),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The end of the term that applied at the decision, or what is wrong with it.
    fn end_of_term(&self, case: &Case, regulation: &mut Regulation) -> Result<rule::End, Stop> {
        let mut packs = BTreeMap::new();
        for event in &self.collected.events[..case.decided_at] {
            if let Some(leaf) = term::calendar_leaf(event.event())
                && let Some(hash) = self.collected.packs.get(&leaf)
            {
                let published = self.read_again(leaf, *hash)?;
                let events = published.record().events().iter();
                let stream = format!("pack/{}", case.submitted.pinned.code);
                let event = events.filter(|event| event.stream.as_str() == stream);
                let read = event.filter_map(|event| PackPublished::read(&event.data).ok()).next();
                packs.extend(read.map(|pack| (leaf, pack)));
            }
        }
        term::end(case, &self.collected, regulation, |leaf| {
            let pack = packs.get(&leaf);
            let files = pack.map(|pack| PackFiles { source: self.source, files: &pack.files });
            files.ok_or_else(|| {
                let detail = format!("leaf {leaf} publishes no version of the case's pack");
                Stop::Found(Finding::at(Rule::Deadline, leaf, detail))
            })
        })
    }

    fn check_deadline(&mut self, case: &Case, regulation: &mut Regulation) -> Result<(), Stop> {
        let end = match regulation.check_term(&case.registered) {
            Ok(()) => self.end_of_term(case, regulation),
            Err(reason) => {
                let place = self.collected.events[case.decided_at].place;
                Err(Finding::at(Rule::Deadline, place, reason).into())
            }
        };
        let decided = &self.collected.events[case.decided_at];
        let first = &self.collected.events[0];
        let registered = &case.registered;
        let mut problem = None;
        // The term must not begin later than the log says that the application was there.
        if registered.registered_at > first.leaf.time() {
            problem = Some((
                first.place,
                format!(
                    "the term begins {}, the application was entered {}",
                    registered.registered_at,
                    first.leaf.time()
                ),
            ));
        }
        let (place, time) = (decided.place, decided.leaf.time());
        let due = match end {
            Err(Stop::Found(finding)) => {
                self.findings.push(finding);
                return Ok(());
            }
            Err(error) => return Err(error),
            Ok(end) => end.due,
        };
        if time > due {
            problem = Some((place, format!("decided {time}, the term ended {due}")));
        }
        match problem {
            Some((place, detail)) => {
                self.findings.push(Finding::at(Rule::Deadline, place, detail));
            }
            None => {
                let due = due.to_string();
                self.facts.insert("due".to_owned(), json!(due));
                self.say("decision.deadline", [("due", due)]);
            }
        }
        Ok(())
    }

    /// Runs the table again. Gives what it says, if that is what was recorded.
    fn check_model(
        &mut self,
        case: &Case,
        files: &PackFiles<'_>,
        given: &[String],
    ) -> Result<Option<Value>, Stop> {
        let decided = &case.decided;
        let place = self.collected.events[case.decided_at].place;
        let model = files.text(&decided.model_path)?;
        let inputs = match self.inputs(case, given) {
            Ok(inputs) => inputs,
            // What is left to check does not need the inputs.
            Err(Stop::Found(finding)) => {
                self.findings.push(finding);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        for (name, value) in &inputs {
            self.say("decision.input", [("name", name.clone()), ("value", value.to_string())]);
        }
        let outputs = match rule::execute_again(model, decided, inputs) {
            Ok(outputs) => outputs,
            Err(reason) => {
                self.findings.push(Finding::at(Rule::ReExecution, place, reason));
                return Ok(None);
            }
        };
        for (decision, rules) in &decided.trace {
            let rules = if rules.is_empty() { "—".to_owned() } else { rules.join(", ") };
            self.say("decision.trace", [("decision", decision.clone()), ("rules", rules)]);
        }
        self.facts.insert("re_executed".to_owned(), json!(true));
        self.say("decision.reexecuted", []);
        Ok(Some(outputs))
    }

    /// Every signature under an answer that is disclosed must hold.
    fn check_answers(&mut self, regulation: &Regulation, given: &[String]) -> Result<(), Stop> {
        // What cannot be read of the disclosures is said where the inputs are.
        let unreadable =
            |detail: String| Stop::Found(Finding::whole(Rule::InputsDisclosed, detail));
        let open = match self.opened(given, unreadable) {
            Ok(open) => open,
            Err(Stop::Found(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        match answers::check(&self.collected, regulation, &open) {
            Ok(0) => {}
            Ok(count) => self.say("decision.answers", [("count", count.to_string())]),
            Err(Stop::Found(finding)) => self.findings.push(finding),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn say<const N: usize>(&mut self, key: &'static str, values: [(&'static str, String); N]) {
        self.statements.push(Message::new(key, values));
    }
}
