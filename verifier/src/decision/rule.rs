//! The published rule of a service: its files, its closed list of grounds, its term, its table.
//!
//! Only what a verifier needs is read, from the files that the log published. Not here: the rest
//! of a regulation, which says how a case is worked.

use std::collections::BTreeMap;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::Offset;
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
    /// The closed list of grounds for refusal.
    grounds: Vec<Ground>,
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
        Ok(Self {
            agency: manifest.agency,
            model_path: format!("services/{service}/decision.dmn"),
            decision: document.decision.name,
            grounds: document.grounds,
            registry: document.effect.registry,
            valid_years: document.effect.valid_years,
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
        let start = UnixMs::new(registered.registered_at.unix_ms());
        let counted =
            deadline(start, self.term, &self.calendars, self.zone).map_err(|e| e.to_string())?;
        let due = Timestamp::from_unix_ms(counted.due.get()).map_err(|e| e.to_string())?;
        let expected = (due, counted.last_day.to_string(), counted.provisional);
        let stated = (registered.due, registered.last_day.clone(), registered.provisional);
        if expected != stated {
            return Err(format!(
                "the term ends {} (day {}, provisional {}), the case states {} (day {}, {})",
                expected.0, expected.1, expected.2, stated.0, stated.1, stated.2
            ));
        }
        Ok(())
    }

    /// The agency's date at an instant.
    pub(super) fn date(&self, at: Timestamp) -> Result<Date, String> {
        let instant = jiff::Timestamp::from_millisecond(at.unix_ms()).map_err(|e| e.to_string())?;
        let offset = Offset::from_seconds(self.zone.minutes() * 60).map_err(|e| e.to_string())?;
        Ok(offset.to_datetime(instant).date())
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
        assert_eq!(regulation.valid_years, "years");
        assert_eq!(regulation.term, Term::WorkingDays(6));
        let codes: Vec<&str> = regulation.grounds.iter().map(|g| g.code.as_str()).collect();
        assert_eq!(codes, ["G1", "G2", "G3", "G5"]);
        assert!(regulation.grounds.iter().all(|g| g.text.len() == 2 && g.law.len() == 2));
        let Ok(model) = pack.text(&regulation.model_path) else { panic!("no model") };
        let admitted = AdmittedModel::admit(&model).unwrap();
        assert!(admitted.inputs(&regulation.decision).is_some());
    }
}
