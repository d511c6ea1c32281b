//! The published rule of a service: its files, its closed list of grounds, its term, its table.
//!
//! Only what a verifier needs is read, from the files that the log published. Not here: the rest
//! of a regulation, which says how a case is worked.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::Offset;
use letopis_ledger::{Hash, Timestamp};
use letopis_rules::calendar::{Calendars, YearCalendar};
use letopis_rules::deadline::{Pause, Term, UnixMs, UtcOffset, deadline_with_pauses};
use letopis_rules::decision::{AdmittedModel, ENGINE, Evaluation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Stop;
use super::event::{Decided, Registered};
use super::offer::OfferDocument;
use super::payments::PaymentsDocument;
use super::procedure::{ApprovalDocument, EscalationDocument, NoData, Retry, Stage, TermDocument};
use crate::finding::{Finding, Rule};
use crate::source::LogSource;
use crate::staff::Post;

/// Longest time that a table may take. Admission bounds its work to far less.
const EVALUATION_TIMEOUT: Duration = Duration::from_secs(60);
/// Stack of the thread that evaluates: what the main thread of a program has.
const EVALUATION_STACK_BYTES: usize = 8 << 20;

/// What a decision is measured against.
#[derive(Debug)]
pub(super) struct Regulation {
    /// The agency whose regulation this is.
    pub(super) agency: String,
    /// Path of the decision model in the pack.
    pub(super) model_path: String,
    /// Name of the decision in the model.
    pub(super) decision: String,
    /// The closed list of grounds for refusal.
    grounds: Vec<Ground>,
    /// The registry that granted cases enter.
    pub(super) registry: String,
    /// How long granted entries are in force.
    pub(super) validity: Validity,
    /// Stages that agree to a decision; none where the rules alone decide.
    pub(super) stages: Option<Vec<Stage>>,
    /// How long a proposal may take.
    proposal_term: Option<Term>,
    /// What is offered of itself.
    offers: Vec<OfferDocument>,
    /// What a granted entry pays.
    pub(super) payments: Option<PaymentsDocument>,
    /// How many days before its last day an entry may be renewed; none where none may.
    pub(super) renewal_days: Option<u32>,
    /// Registries whose facts begin reviews.
    pub(super) reviewed: Vec<String>,
    /// The post that takes over requests that bring nothing.
    pub(super) escalates_to: Option<Post>,
    /// What requests ask, and what they do to the clock and to each other.
    requests: BTreeMap<String, RequestDocument>,
    term: Term,
    calendars: Calendars,
    zone: UtcOffset,
}

/// The member of the decision that says how long an entry is in force.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Validity {
    /// In years.
    Years(String),
    /// In months.
    Months(String),
}

/// The end of a term as a case states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) due: Timestamp,
    pub(super) last_day: String,
    pub(super) provisional: bool,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { due, last_day, provisional } = self;
        write!(f, "{due} (day {last_day}, provisional {provisional})")
    }
}

/// A ground for refusal.
#[derive(Debug, Deserialize)]
pub(super) struct Ground {
    code: String,
    /// What the applicant reads, by language.
    #[serde(default)]
    pub(super) text: BTreeMap<String, String>,
    /// The act that allows it, by language.
    #[serde(default)]
    pub(super) law: BTreeMap<String, String>,
}

/// The part of `pack.yaml` that counts here.
#[derive(Debug, Deserialize)]
struct PackDocument {
    agency: String,
    calendars: Vec<String>,
    utc_offset_minutes: i32,
}

/// The part of `regulation.yaml` that counts here.
#[derive(Debug, Deserialize)]
struct RegulationDocument {
    term: TermDocument,
    grounds: Vec<Ground>,
    decision: DecisionDocument,
    #[serde(default)]
    approval: Option<ApprovalDocument>,
    #[serde(default)]
    escalation: Option<EscalationDocument>,
    #[serde(default)]
    steps: Vec<StepDocument>,
    #[serde(default)]
    offers: Vec<OfferDocument>,
    #[serde(default)]
    payments: Option<PaymentsDocument>,
    effect: EffectDocument,
    #[serde(default)]
    renewal: Option<RenewalDocument>,
    #[serde(default)]
    review: Option<ReviewDocument>,
}

#[derive(Debug, Deserialize)]
struct RenewalDocument {
    within: Term,
}

#[derive(Debug, Deserialize)]
struct ReviewDocument {
    on: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct StepDocument {
    code: String,
    action: ActionDocument,
}

/// What a step does: a word, or a request.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ActionDocument {
    Request { request: RequestDocument },
    Other(#[expect(dead_code, reason = "only requests are looked at")] String),
}

#[derive(Debug, Deserialize)]
pub(super) struct RequestDocument {
    /// Who is asked, by the kind of who it is.
    #[serde(default)]
    from: BTreeMap<String, Value>,
    /// Whether nothing else begins while it is open.
    #[serde(default)]
    blocking: bool,
    /// Who signs its answer.
    #[serde(default)]
    signature: Option<String>,
    #[serde(default)]
    pub(super) mandatory: bool,
    #[serde(default)]
    pub(super) no_data: Option<NoData>,
    #[serde(default)]
    retry: Option<Retry>,
    #[serde(default)]
    suspends: Option<TermDocument>,
    #[serde(default)]
    changes_term: Option<TermDocument>,
}

#[derive(Debug, Deserialize)]
struct DecisionDocument {
    name: String,
}

#[derive(Debug, Deserialize)]
struct EffectDocument {
    registry: String,
    valid_years: Option<String>,
    valid_months: Option<String>,
}

/// The files of a published pack.
pub(super) struct PackFiles<'a> {
    pub(super) source: &'a dyn LogSource,
    pub(super) files: &'a BTreeMap<String, Hash>,
}

impl PackFiles<'_> {
    /// The text of a file, checked against the hash that the log has of it.
    pub(super) fn text(&self, path: &str) -> Result<String, Stop> {
        let hash = self.files.get(path).ok_or_else(|| broken(path, &"it is not in the pack"))?;
        let bytes = match self.source.blob(*hash) {
            Ok(bytes) => bytes,
            // A file that is absent or altered is a statement about the log; a network is not.
            Err(error) if error.is_of_log() => return Err(broken(path, &error)),
            Err(error) => return Err(Stop::Source(error)),
        };
        String::from_utf8(bytes).map_err(|_| broken(path, &"it is not UTF-8 text"))
    }

    /// Where the rules of a service are: in Markdown, or else in DMN.
    fn model_path(&self, service: &str) -> String {
        let markdown = format!("services/{service}/decision.md");
        match self.files.contains_key(&markdown) {
            true => markdown,
            false => format!("services/{service}/decision.dmn"),
        }
    }

    fn yaml<T: DeserializeOwned>(&self, path: &str) -> Result<T, Stop> {
        serde_saphyr::from_str(&self.text(path)?)
            .map_err(|error| broken(path, &error.without_snippet()))
    }
}

fn broken(path: &str, reason: &dyn ToString) -> Stop {
    let detail = format!("file {path}: {}", reason.to_string());
    Stop::Found(Finding::whole(Rule::RuleFiles, detail))
}

impl Regulation {
    /// Reads the regulation of a service out of the files of its pack.
    pub(super) fn load(pack: &PackFiles<'_>, service: &str) -> Result<Self, Stop> {
        let path = "pack.yaml";
        let manifest: PackDocument = pack.yaml(path)?;
        let zone =
            UtcOffset::from_minutes(manifest.utc_offset_minutes).map_err(|e| broken(path, &e))?;
        let mut years = Vec::new();
        for path in &manifest.calendars {
            let year = YearCalendar::from_json(&pack.text(path)?);
            years.push(year.map_err(|e| broken(path, &e))?);
        }
        let calendars = Calendars::new(years).map_err(|e| broken(path, &e))?;
        let path = format!("services/{service}/regulation.yaml");
        let document: RegulationDocument = pack.yaml(&path)?;
        let effect = document.effect;
        let validity = match (effect.valid_years, effect.valid_months) {
            (Some(member), None) => Validity::Years(member),
            (None, Some(member)) => Validity::Months(member),
            _ => return Err(broken(&path, &"the effect says not in one way how long it lasts")),
        };
        let requests: BTreeMap<String, RequestDocument> = document
            .steps
            .into_iter()
            .filter_map(|step| match step.action {
                ActionDocument::Request { request } => Some((step.code, request)),
                ActionDocument::Other(_) => None,
            })
            .collect();
        let renewal_days = match document.renewal.map(|renewal| renewal.within) {
            None => None,
            Some(Term::CalendarDays(days)) => Some(days),
            Some(_) => return Err(broken(&path, &"a renewal counts calendar days")),
        };
        let on = document.review.map(|review| review.on).unwrap_or_default();
        let registry = |step: &String| requests.get(step)?.from.get("registry")?.as_str();
        let reviewed = on.iter().filter_map(registry).map(str::to_owned).collect();
        let proposal_term = document.approval.as_ref().and_then(|approval| approval.term.as_ref());
        let proposal_term = proposal_term.map(|term| term.length);
        let proposes = document.approval.as_ref().and_then(|approval| approval.proposes.clone());
        Ok(Self {
            agency: manifest.agency,
            escalates_to: document.escalation.map(|escalation| escalation.to).or(proposes),
            renewal_days,
            reviewed,
            model_path: pack.model_path(service),
            decision: document.decision.name,
            grounds: document.grounds,
            offers: document.offers,
            payments: document.payments,
            proposal_term,
            stages: document.approval.map(|approval| approval.stages),
            requests,
            registry: effect.registry,
            validity,
            term: document.term.length,
            calendars,
            zone,
        })
    }

    /// Counts the term anew and compares it with what the registration states.
    pub(super) fn check_term(&self, registered: &Registered) -> Result<(), String> {
        if registered.term != self.term {
            return Err(format!(
                "the regulation sets {:?}, the case states {:?}",
                self.term, registered.term
            ));
        }
        let expected = self.count(registered.registered_at, self.term, &[])?;
        let Registered { due, last_day, provisional, .. } = registered;
        let stated = End { due: *due, last_day: last_day.clone(), provisional: *provisional };
        if expected != stated {
            return Err(format!("the term ends {expected}, the case states {stated}"));
        }
        Ok(())
    }

    /// Counts a term whose clock stood still at these times.
    pub(super) fn count(
        &self,
        from: Timestamp,
        term: Term,
        pauses: &[(Timestamp, Timestamp)],
    ) -> Result<End, String> {
        let instant = |at: Timestamp| UnixMs::new(at.unix_ms());
        let pauses = pauses
            .iter()
            .map(|(from, until)| Pause { from: instant(*from), until: instant(*until) });
        let pauses: Vec<Pause> = pauses.collect();
        let counted =
            deadline_with_pauses(instant(from), term, &pauses, &self.calendars, self.zone);
        let counted = counted.map_err(|e| e.to_string())?;
        let due = Timestamp::from_unix_ms(counted.due.get()).map_err(|e| e.to_string())?;
        let (last_day, provisional) = (counted.last_day.to_string(), counted.provisional);
        Ok(End { due, last_day, provisional })
    }

    /// Until when the clock may stand still for a request that was sent at `at`.
    pub(super) fn suspension(&self, request: &str, at: Timestamp) -> Result<Timestamp, String> {
        let rule = self.requests.get(request).and_then(|request| request.suspends.as_ref());
        let rule = rule.ok_or_else(|| format!("request {request:?} does not stop the clock"))?;
        Ok(self.count(at, rule.length, &[])?.due)
    }

    /// Whether the official who answers a request signs the answer.
    pub(super) fn is_signed(&self, request: &str) -> bool {
        self.requests.get(request).is_some_and(|request| request.signature.is_some())
    }

    /// Whether nothing else begins while a request is open.
    pub(super) fn is_blocking(&self, request: &str) -> bool {
        self.requests.get(request).is_some_and(|request| request.blocking)
    }

    /// The term of a stage of the way to a decision: of the proposal without a number.
    pub(super) fn stage_term(&self, number: Option<u64>) -> Option<Term> {
        let Some(number) = number else { return self.proposal_term };
        self.stages.as_ref()?.get(usize::try_from(number).ok()?)?.term
    }

    /// A request.
    pub(super) fn request(&self, code: &str) -> Option<&RequestDocument> {
        self.requests.get(code)
    }

    /// How often a request is sent again.
    pub(super) fn retry(&self, code: &str) -> Option<Retry> {
        self.request(code)?.retry
    }

    /// The term that a request gives the case.
    pub(super) fn other_term(&self, request: &str) -> Option<Term> {
        Some(self.requests.get(request)?.changes_term.as_ref()?.length)
    }

    /// Takes the years that only a later version of the pack has.
    pub(super) fn complete(&mut self, later: &PackFiles<'_>) -> Result<(), Stop> {
        let path = "pack.yaml";
        let manifest: PackDocument = later.yaml(path)?;
        let mut years = Vec::new();
        for path in &manifest.calendars {
            let year = YearCalendar::from_json(&later.text(path)?);
            years.push(year.map_err(|e| broken(path, &e))?);
        }
        let years = Calendars::new(years).map_err(|e| broken(path, &e))?;
        self.calendars = self.calendars.completed_by(&years);
        Ok(())
    }

    /// The agency's date at an instant.
    pub(super) fn date(&self, at: Timestamp) -> Result<Date, String> {
        let instant = jiff::Timestamp::from_millisecond(at.unix_ms()).map_err(|e| e.to_string())?;
        let offset = Offset::from_seconds(self.zone.minutes() * 60).map_err(|e| e.to_string())?;
        Ok(offset.to_datetime(instant).date())
    }

    /// The offer of a code.
    pub(super) fn offer(&self, code: &str) -> Option<&OfferDocument> {
        self.offers.iter().find(|offer| offer.code == code)
    }

    /// The ground of a code with its place in the regulation.
    pub(super) fn ground(&self, code: &str) -> Option<(usize, &Ground)> {
        self.grounds.iter().enumerate().find(|(_, ground)| ground.code == code)
    }
}

/// Runs the published table on the disclosed inputs and compares outcome, grounds and rules. Gives
/// what the table says, for the checks of its effect.
pub(super) fn execute_again(
    model: String,
    decided: &Decided,
    inputs: Map<String, Value>,
) -> Result<Value, String> {
    if decided.engine != ENGINE {
        return Err(format!(
            "the decision was made with engine {}, this program has {ENGINE}: use the release \
             that carries it",
            decided.engine
        ));
    }
    let evaluation = evaluate(model, decided.decision.clone(), inputs)?;
    let outputs = evaluation.outputs;
    let outcome = outputs.get("outcome").and_then(Value::as_str);
    if outcome != Some(decided.outcome.as_str()) {
        return Err(format!(
            "the table gives outcome {outcome:?}, recorded is {:?}",
            decided.outcome.as_str()
        ));
    }
    let codes = outputs.get("grounds").and_then(Value::as_array);
    let codes = codes.ok_or("the table gives no list of grounds")?;
    let mut found: Vec<&str> = codes.iter().filter_map(Value::as_str).collect();
    let mut recorded: Vec<&str> =
        decided.grounds.iter().map(|ground| ground.code.as_str()).collect();
    // A refusal names each ground once; a table may find one ground by several rules.
    found.sort_unstable();
    found.dedup();
    recorded.sort_unstable();
    if found != recorded {
        return Err(format!("the table finds grounds {found:?}, recorded are {recorded:?}"));
    }
    let trace: Vec<(String, Vec<String>)> =
        evaluation.trace.into_iter().map(|table| (table.decision, table.rules)).collect();
    if trace != decided.trace {
        return Err(format!("rules {trace:?} apply, recorded are {:?}", decided.trace));
    }
    Ok(outputs)
}

/// Evaluates on a thread of its own: the table was written by somebody else, and whoever checks
/// must get an answer.
fn evaluate(
    model: String,
    decision: String,
    inputs: Map<String, Value>,
) -> Result<Evaluation, String> {
    let (sender, receiver) = channel();
    let work = move || {
        let admitted = AdmittedModel::admit(&model).map_err(|errors| {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            format!("the table is not admissible: {}", errors.join("; "))
        });
        let evaluation = admitted
            .and_then(|model| model.evaluate(&decision, &inputs).map_err(|e| e.to_string()));
        // Nobody listens after the time is over.
        let _ = sender.send(evaluation);
    };
    thread::Builder::new()
        .stack_size(EVALUATION_STACK_BYTES)
        .spawn(work)
        .map_err(|error| format!("no thread to run the table on: {error}"))?;
    receiver.recv_timeout(EVALUATION_TIMEOUT).unwrap_or_else(|_| {
        Err(format!("the table gave no answer within {} s", EVALUATION_TIMEOUT.as_secs()))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::source::{DirectorySource, SourceError};

    const PACK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/packs/zarechny");

    /// The files of the shipped pack, as a log would serve them.
    struct Shipped(BTreeMap<String, Hash>);

    impl Shipped {
        fn new() -> Self {
            let folder = Path::new(PACK);
            let paths = [
                "pack.yaml",
                "calendars/ru-2025.json",
                "calendars/ru-2026.json",
                "services/parking-permit/regulation.yaml",
                "services/parking-permit/decision.dmn",
            ];
            let hash = |path: &str| Hash::of(&std::fs::read(folder.join(path)).unwrap());
            Self(paths.map(|path| (path.to_owned(), hash(path))).into())
        }
    }

    impl LogSource for Shipped {
        fn get(&self, path: &str, max_bytes: usize) -> Result<Vec<u8>, SourceError> {
            let mut files = self.0.iter();
            let file = files.find(|(_, hash)| path == format!("blob/{}", hash.to_hex()));
            DirectorySource::new(PACK).get(file.unwrap().0, max_bytes)
        }

        fn location(&self) -> String {
            PACK.to_owned()
        }
    }

    #[test]
    fn the_shipped_pack_is_read_as_its_author_means_it() {
        let shipped = Shipped::new();
        let pack = PackFiles { source: &shipped, files: &shipped.0 };
        let Ok(regulation) = Regulation::load(&pack, "parking-permit") else {
            panic!("the shipped pack cannot be read");
        };
        assert_eq!(regulation.agency, "zarechny");
        assert_eq!(regulation.decision, "resolution");
        assert_eq!(regulation.registry, "parking_permit");
        assert_eq!(regulation.validity, Validity::Years("years".to_owned()));
        assert_eq!(regulation.term, Term::WorkingDays(6));
        let codes: Vec<&str> = regulation.grounds.iter().map(|g| g.code.as_str()).collect();
        assert_eq!(codes, ["G1", "G2", "G3", "G4", "G5"]);
        assert!(regulation.grounds.iter().all(|g| g.text.len() == 2 && g.law.len() == 2));
        let Ok(model) = pack.text(&regulation.model_path) else { panic!("no model") };
        let admitted = AdmittedModel::admit(&model).unwrap();
        assert!(admitted.inputs(&regulation.decision).is_some());
    }
}
