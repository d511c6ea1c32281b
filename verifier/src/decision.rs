//! The check of one decision: the whole log, then everything that the decision rests on.
//!
//! The case must be complete with one final decision; the rule it names must have been published
//! before; the published table, run again on the disclosed facts, must give the same decision by
//! the same rules; the legal term must have been counted rightly and kept; and the registry must
//! have changed exactly as the decision says.

mod collect;
mod event;
mod rule;

use std::collections::BTreeMap;

use letopis_ledger::Timestamp;
use letopis_ledger::disclosure::Disclosure;
use letopis_ledger::json::{Fields, Json, Object};
use serde_json::{Value, json};
use thiserror::Error;

use crate::audit::{Audit, AuditError, AuditOptions, Observer, audit};
use crate::finding::{Finding, Findings, Rule};
use crate::source::{LogSource, SourceError};

use collect::{CaseEvent, Collector};
use event::{Decided, Registered, ResultIssued, Submitted};

/// Most bytes of a list of disclosures.
const DISCLOSURES_MAX_BYTES: usize = 1 << 20;

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
    /// What was established, as message keys with their values.
    pub statements: Vec<(&'static str, Vec<(&'static str, String)>)>,
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
    let mut fields =
        Fields::of("file", &value).map_err(|e| DisclosuresError(e.to_string()))?;
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
    let mut collector = Collector::new(id, observer);
    let mut audit = audit(source, &options.audit, &mut collector)?;
    let mut check = Check {
        source,
        case: collector,
        findings: &mut audit.findings,
        statements: Vec::new(),
        facts: serde_json::Map::new(),
    };
    let outcome = check.run(&options.disclosures);
    let (statements, facts) = (check.statements, Value::Object(check.facts));
    match outcome {
        Ok(()) => {}
        Err(Stop::Found(finding)) => audit.findings.push(finding),
        Err(Stop::Source(error)) => return Err(error.into()),
    }
    Ok(CheckedDecision { audit, statements, facts })
}

/// Why the check of a case went no further.
enum Stop {
    /// What comes after rests on what was found broken.
    Found(Finding),
    /// The log could not be read.
    Source(SourceError),
}

impl From<Finding> for Stop {
    fn from(finding: Finding) -> Self {
        Self::Found(finding)
    }
}

impl From<SourceError> for Stop {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

/// A check under way.
struct Check<'a> {
    source: &'a dyn LogSource,
    case: Collector<'a>,
    findings: &'a mut Findings,
    statements: Vec<(&'static str, Vec<(&'static str, String)>)>,
    facts: serde_json::Map<String, Value>,
}

/// The events of a case that every decided case has.
struct Case {
    submitted: Submitted,
    registered: Registered,
    decided: Decided,
    /// Position of the decision among the case's events.
    decided_at: usize,
}

impl Check<'_> {
    fn run(&mut self, given: &[String]) -> Result<(), Stop> {
        let case = self.read_case()?;
        self.state_case(&case);
        let pack = self.check_pack(&case)?;
        let rule = rule::load(self.source, &pack, &case.submitted.service)?;
        self.check_model(&case, &pack, given)?;
        self.check_grounds(&case, &rule);
        self.check_deadline(&case, &rule);
        self.check_registry_effect(&case);
        self.say("decision.unproved", vec![]);
        Ok(())
    }

    fn read_case(&self) -> Result<Case, Stop> {
        if self.case.stream.is_none() {
            let detail = "no event of such a case is in the log";
            return Err(Finding::whole(Rule::CaseExists, detail).into());
        }
        let (_, submitted) = self.one("application.submitted", Submitted::read)?;
        let (_, registered) = self.one("application.registered", Registered::read)?;
        let (decided_at, decided) = self.one("application.decided", Decided::read)?;
        let terminal = self.events_of("application.result_issued").count()
            + self.events_of("application.refusal_issued").count();
        if terminal != 1 {
            let detail = format!("the case has {terminal} final events, not one");
            return Err(Finding::whole(Rule::CaseTerminal, detail).into());
        }
        Ok(Case { submitted, registered, decided, decided_at })
    }

    fn events_of(&self, name: &str) -> impl Iterator<Item = (usize, &CaseEvent)> {
        let is = move |(_, event): &(usize, &CaseEvent)| event.event().event_type.as_str() == name;
        self.case.events.iter().enumerate().filter(is)
    }

    /// The one event of a type, read.
    fn one<T>(
        &self,
        name: &'static str,
        read: impl Fn(&Object) -> Result<T, letopis_ledger::json::FieldError>,
    ) -> Result<(usize, T), Stop> {
        let found: Vec<_> = self.events_of(name).collect();
        let rule = if name == "application.decided" { Rule::CaseTerminal } else { Rule::CaseForm };
        let [(position, event)] = found.as_slice() else {
            let detail = format!("the case has {} events {name}, not one", found.len());
            return Err(Finding::whole(rule, detail).into());
        };
        let leaf = event.leaf.index();
        match read(&event.event().data) {
            Ok(read) => Ok((*position, read)),
            Err(error) => Err(Finding::at(Rule::CaseForm, leaf, error.to_string()).into()),
        }
    }

    fn state_case(&mut self, case: &Case) {
        let stream = self.case.stream.as_ref().map(ToString::to_string).unwrap_or_default();
        let event = &self.case.events[case.decided_at];
        let (leaf, time) = (event.leaf.index(), event.leaf.time());
        let agency = event.leaf.record().author().to_string();
        self.fact("stream", json!(stream));
        self.fact("number", json!(case.registered.number));
        self.fact("outcome", json!(case.decided.outcome));
        self.fact("leaf", json!(leaf.get()));
        self.fact("decided_at", json!(time.to_string()));
        let number = case.registered.number.clone();
        self.say("decision.heading", vec![("number", number), ("stream", stream)]);
        self.say(
            "decision.decided",
            vec![("time", time.to_string()), ("leaf", leaf.to_string()), ("agency", agency)],
        );
    }

    /// The files of the pinned pack, if it was published before the case and is the one named.
    fn check_pack(&mut self, case: &Case) -> Result<BTreeMap<String, letopis_ledger::Hash>, Stop> {
        let pinned = &case.submitted;
        let registered = self.case.events[0].leaf.index();
        let published = self.case.packs.iter().find(|pack| pack.leaf == pinned.pack_leaf);
        let Some(published) = published.filter(|pack| pack.leaf < registered) else {
            let detail = format!("no pack was published at leaf {}", pinned.pack_leaf);
            return Err(Finding::at(Rule::RulePublished, registered, detail).into());
        };
        let leaf = published.leaf;
        let form = |error: letopis_ledger::json::FieldError| {
            Stop::Found(Finding::at(Rule::RulePublished, leaf, error.to_string()))
        };
        let identity = event::pack_identity(&published.data).map_err(form)?;
        if identity != (pinned.pack.clone(), pinned.pack_version) {
            let detail = format!(
                "leaf {leaf} publishes pack {} version {}, the case names {} version {}",
                identity.0, identity.1, pinned.pack, pinned.pack_version
            );
            return Err(Finding::at(Rule::RulePublished, registered, detail).into());
        }
        Ok(event::pack_files(&published.data).map_err(form)?.into_iter().collect())
    }

    fn check_model(
        &mut self,
        case: &Case,
        pack: &BTreeMap<String, letopis_ledger::Hash>,
        given: &[String],
    ) -> Result<(), Stop> {
        let decided = &case.decided;
        let leaf = self.case.events[case.decided_at].leaf.index();
        if pack.get(&decided.model_path) != Some(&decided.model_sha256) {
            let detail = format!("the pinned pack has no table {} of this SHA-256", decided.model_path);
            return Err(Finding::at(Rule::RulePublished, leaf, detail).into());
        }
        self.say(
            "decision.rule",
            vec![
                ("pack", case.submitted.pack.clone()),
                ("version", case.submitted.pack_version.to_string()),
                ("table", decided.model_path.clone()),
                ("digest", decided.model_sha256.to_hex()),
            ],
        );
        let inputs = self.inputs(case, given)?;
        for (name, value) in &inputs {
            let values = vec![("name", name.clone()), ("value", value.to_string())];
            self.say("decision.input", values);
        }
        let bytes = rule::file(self.source, decided.model_sha256, &decided.model_path)?;
        match rule::execute_again(&bytes, decided, inputs) {
            Ok(()) => {
                for (decision, rules) in &decided.trace {
                    let rules = if rules.is_empty() { "—".to_owned() } else { rules.join(", ") };
                    let decision = decision.clone();
                    self.say("decision.trace", vec![("decision", decision), ("rules", rules)]);
                }
                self.fact("re_executed", json!(true));
                self.say("decision.reexecuted", vec![]);
            }
            Err(reason) => self.findings.push(Finding::at(Rule::ReExecution, leaf, reason)),
        }
        Ok(())
    }

    /// The inputs of the decision: every digest that it commits to, opened.
    fn inputs(
        &self,
        case: &Case,
        given: &[String],
    ) -> Result<serde_json::Map<String, Value>, Stop> {
        let decided = &self.case.events[case.decided_at];
        let leaf = decided.leaf.index();
        let broken = |detail: String| Stop::Found(Finding::at(Rule::InputsDisclosed, leaf, detail));
        let mut texts = given.to_vec();
        let stream = self.case.stream.as_ref().map_or("", |stream| stream.as_str());
        let path = format!("disclosure/{}", stream.trim_start_matches("application/"));
        match self.source.get(&path, DISCLOSURES_MAX_BYTES) {
            Ok(bytes) => {
                texts.extend(parse_disclosures(&bytes).map_err(|e| broken(e.to_string()))?);
            }
            Err(SourceError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let mut open = BTreeMap::new();
        for text in &texts {
            let disclosure = Disclosure::parse(text).map_err(|e| broken(e.to_string()))?;
            open.insert(disclosure.digest(), disclosure);
        }
        let mut inputs = serde_json::Map::new();
        let mut closed = 0_usize;
        for digest in &decided.event().private {
            match open.get(digest) {
                None => closed += 1,
                Some(disclosure) => {
                    let name = disclosure.name().strip_prefix("input.");
                    let name = name.ok_or_else(|| {
                        broken(format!("disclosure {:?} is no input", disclosure.name()))
                    })?;
                    inputs.insert(name.to_owned(), disclosure.value().to_value());
                }
            }
        }
        if closed > 0 {
            return Err(broken(format!(
                "{closed} of {} facts are not disclosed; ask the applicant for them and give \
                 them with --disclosures",
                decided.event().private.len()
            )));
        }
        Ok(inputs)
    }

    fn check_grounds(&mut self, case: &Case, rule: &rule::Regulation) {
        let leaf = self.case.events[case.decided_at].leaf.index();
        let granted = case.decided.outcome == "granted";
        if granted != case.decided.grounds.is_empty() {
            let detail = format!(
                "outcome {:?} with {} grounds",
                case.decided.outcome,
                case.decided.grounds.len()
            );
            self.findings.push(Finding::at(Rule::GroundsClosed, leaf, detail));
        }
        if !granted {
            self.say("decision.refused", vec![]);
        }
        for code in &case.decided.grounds {
            match rule.grounds.get(code) {
                Some(ground) => self.say(
                    "decision.ground",
                    vec![
                        ("code", code.clone()),
                        ("text", ground.text.clone()),
                        ("citation", ground.citation.clone()),
                    ],
                ),
                None => {
                    let detail = format!("ground {code} is not in the regulation");
                    self.findings.push(Finding::at(Rule::GroundsClosed, leaf, detail));
                }
            }
        }
        self.fact("grounds", json!(case.decided.grounds));
    }

    fn check_deadline(&mut self, case: &Case, rule: &rule::Regulation) {
        let decided = &self.case.events[case.decided_at].leaf;
        let (leaf, time) = (decided.index(), decided.time());
        match rule.due(&case.registered) {
            Err(reason) => self.findings.push(Finding::at(Rule::Deadline, leaf, reason)),
            Ok(due) if due != case.registered.due => {
                let detail = format!("the term ends {due}, the case states {}", case.registered.due);
                self.findings.push(Finding::at(Rule::Deadline, leaf, detail));
            }
            Ok(due) if time > due => {
                let detail = format!("decided {time}, the term ended {due}");
                self.findings.push(Finding::at(Rule::Deadline, leaf, detail));
            }
            Ok(due) => {
                self.fact("due", json!(due.to_string()));
                self.say("decision.deadline", vec![("due", due.to_string())]);
            }
        }
        self.check_registration(case);
    }

    /// The term must not begin later than the log says that the application was there.
    fn check_registration(&mut self, case: &Case) {
        let first = &self.case.events[0].leaf;
        let (leaf, entered): (_, Timestamp) = (first.index(), first.time());
        if case.registered.registered_at > entered {
            let detail = format!(
                "the term begins {}, the application was entered {entered}",
                case.registered.registered_at
            );
            self.findings.push(Finding::at(Rule::Deadline, leaf, detail));
        }
    }

    fn check_registry_effect(&mut self, case: &Case) {
        let decided = self.case.events[case.decided_at].leaf.index();
        let entries = self.case.own_entries();
        let problem = if case.decided.outcome == "granted" {
            self.granted_effect(decided)
        } else if let Some(entry) = entries.first() {
            Err(format!("a refused case has registry entry {} (leaf {})", entry.stream, entry.leaf))
        } else {
            Ok(None)
        };
        match problem {
            Ok(Some(entry)) => {
                self.fact("registry_entry", json!(entry));
                self.say("decision.granted", vec![("entry", entry)]);
            }
            Ok(None) => {}
            Err(detail) => {
                self.findings.push(Finding::at(Rule::RegistryEffect, decided, detail));
            }
        }
    }

    /// The entry of a granted case: created once, by the deciding record, as the result says.
    fn granted_effect(
        &self,
        decided: letopis_ledger::LeafIndex,
    ) -> Result<Option<String>, String> {
        let entries = self.case.own_entries();
        let [entry] = entries.as_slice() else {
            return Err(format!("a granted case has {} registry entries, not one", entries.len()));
        };
        let result = self.events_of("application.result_issued").next();
        let Some((_, result)) = result else {
            return Err("a granted case ends in a refusal".to_owned());
        };
        if entry.leaf != decided || result.leaf.index() != decided {
            return Err(format!("the entry stands in leaf {}, not in the decision's", entry.leaf));
        }
        let result = ResultIssued::read(&result.event().data).map_err(|e| e.to_string())?;
        let text = |name| entry.data.get(name).and_then(Json::as_str).unwrap_or_default();
        let stated = [&result.registry_entry, &result.number, &result.valid_from, &result.valid_until];
        let found =
            [entry.stream.as_str(), text("number"), text("valid_from"), text("valid_until")];
        if stated != found {
            return Err(format!("the result states {stated:?}, the entry has {found:?}"));
        }
        Ok(Some(result.registry_entry))
    }

    fn say(&mut self, key: &'static str, values: Vec<(&'static str, String)>) {
        self.statements.push((key, values));
    }

    fn fact(&mut self, name: &str, value: Value) {
        self.facts.insert(name.to_owned(), value);
    }
}
