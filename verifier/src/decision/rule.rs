//! The published rule of a service: its files, its closed list of grounds, its term, its table.
//!
//! Only what a verifier needs is read, from the files that the log published. Not here: the rest
//! of a regulation, which says how a case is worked.

use std::collections::BTreeMap;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use letopis_ledger::{Hash, Timestamp};
use letopis_rules::calendar::{Calendars, YearCalendar};
use letopis_rules::deadline::{Term, UnixMs, UtcOffset, deadline};
use letopis_rules::decision::{AdmittedModel, ENGINE, Evaluation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Stop;
use super::event::{Decided, Registered};
use crate::finding::{Finding, Rule};
use crate::source::LogSource;

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
    /// The closed list of grounds for refusal, by code.
    pub(super) grounds: BTreeMap<String, Ground>,
    /// The registry that granted cases enter.
    pub(super) registry: String,
    /// The member of the decision that says for how many years.
    pub(super) valid_years: String,
    term: Term,
    calendars: Calendars,
    zone: UtcOffset,
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
    effect: EffectDocument,
}

#[derive(Debug, Deserialize)]
struct TermDocument {
    length: Term,
}

#[derive(Debug, Deserialize)]
struct DecisionDocument {
    name: String,
}

#[derive(Debug, Deserialize)]
struct EffectDocument {
    registry: String,
    valid_years: String,
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
        let grounds = document.grounds.into_iter().map(|ground| (ground.code.clone(), ground));
        Ok(Self {
            agency: manifest.agency,
            model_path: format!("services/{service}/decision.dmn"),
            decision: document.decision.name,
            grounds: grounds.collect(),
            registry: document.effect.registry,
            valid_years: document.effect.valid_years,
            term: document.term.length,
            calendars,
            zone,
        })
    }

    /// The last instant of the term, counted anew.
    pub(super) fn due(&self, registered: &Registered) -> Result<Timestamp, String> {
        if registered.term != self.term {
            return Err(format!(
                "the regulation sets {:?}, the case states {:?}",
                self.term, registered.term
            ));
        }
        let start = UnixMs::new(registered.registered_at.unix_ms());
        let counted =
            deadline(start, self.term, &self.calendars, self.zone).map_err(|e| e.to_string())?;
        Timestamp::from_unix_ms(counted.due.get()).map_err(|e| e.to_string())
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
