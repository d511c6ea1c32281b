//! The published rule of a service: its files, its closed list of grounds, its term, its table.
//!
//! Only what a verifier needs is read, from the files that the log published. Not here: the rest
//! of a regulation, which says how a case is worked.

use std::collections::BTreeMap;

use letopis_ledger::{Hash, Timestamp};
use letopis_rules::calendar::{Calendars, YearCalendar};
use letopis_rules::deadline::{Term, UnixMs, UtcOffset, deadline};
use letopis_rules::decision::{AdmittedModel, ENGINE};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Stop;
use super::event::{Decided, Registered};
use crate::finding::{Finding, Rule};
use crate::source::{LogSource, SourceError};

/// What a decision is measured against.
#[derive(Debug)]
pub(super) struct Regulation {
    /// The closed list of grounds for refusal, by code.
    pub(super) grounds: BTreeMap<String, Ground>,
    term: Term,
    calendars: Calendars,
    zone: UtcOffset,
}

/// A ground for refusal.
#[derive(Debug)]
pub(super) struct Ground {
    /// What the applicant reads, in the languages of the regulation.
    pub(super) text: String,
    /// The act that allows it.
    pub(super) citation: String,
}

/// The part of `pack.yaml` that counts here.
#[derive(Debug, Deserialize)]
struct PackDocument {
    calendars: Vec<String>,
    utc_offset_minutes: i32,
}

/// The part of `regulation.yaml` that counts here.
#[derive(Debug, Deserialize)]
struct RegulationDocument {
    term: TermDocument,
    grounds: Vec<GroundDocument>,
}

#[derive(Debug, Deserialize)]
struct TermDocument {
    length: Term,
}

#[derive(Debug, Deserialize)]
struct GroundDocument {
    code: String,
    #[serde(default)]
    text: BTreeMap<String, String>,
    #[serde(default)]
    law: BTreeMap<String, String>,
}

/// The bytes of a published file, checked against their hash.
pub(super) fn file(source: &dyn LogSource, hash: Hash, path: &str) -> Result<Vec<u8>, Stop> {
    match source.blob(hash) {
        Ok(bytes) => Ok(bytes),
        // A file that is absent or altered is a statement about the log; a network is not.
        Err(SourceError::Failed { reason, .. }) if !reason.starts_with("its SHA-256") => {
            let path = path.to_owned();
            Err(Stop::Source(SourceError::Failed { path, reason }))
        }
        Err(error) => {
            Err(Finding::whole(Rule::RuleFiles, format!("file {path}: {error}")).into())
        }
    }
}

/// Reads the regulation of a service out of the files of its pack.
pub(super) fn load(
    source: &dyn LogSource,
    pack: &BTreeMap<String, Hash>,
    service: &str,
) -> Result<Regulation, Stop> {
    let broken = |path: &str, reason: String| {
        Stop::Found(Finding::whole(Rule::RuleFiles, format!("file {path}: {reason}")))
    };
    let text = |path: &str| -> Result<String, Stop> {
        let hash = pack.get(path).ok_or_else(|| broken(path, "not in the pack".to_owned()))?;
        String::from_utf8(file(source, *hash, path)?)
            .map_err(|_| broken(path, "not UTF-8 text".to_owned()))
    };
    let path = "pack.yaml";
    let document: PackDocument =
        serde_saphyr::from_str(&text(path)?).map_err(|e| broken(path, e.to_string()))?;
    let zone = UtcOffset::from_minutes(document.utc_offset_minutes)
        .map_err(|e| broken(path, e.to_string()))?;
    let mut years = Vec::new();
    for path in &document.calendars {
        let year = YearCalendar::from_json(&text(path)?);
        years.push(year.map_err(|e| broken(path, e.to_string()))?);
    }
    let calendars = Calendars::new(years).map_err(|e| broken(path, e.to_string()))?;
    let path = format!("services/{service}/regulation.yaml");
    let document: RegulationDocument =
        serde_saphyr::from_str(&text(&path)?).map_err(|e| broken(&path, e.to_string()))?;
    let ground = |ground: GroundDocument| {
        let joined = |texts: BTreeMap<String, String>| {
            texts.into_values().collect::<Vec<_>>().join(" / ")
        };
        (ground.code, Ground { text: joined(ground.text), citation: joined(ground.law) })
    };
    Ok(Regulation {
        grounds: document.grounds.into_iter().map(ground).collect(),
        term: document.term.length,
        calendars,
        zone,
    })
}

impl Regulation {
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

/// Runs the published table on the disclosed inputs and compares outcome, grounds and rules.
pub(super) fn execute_again(
    model: &[u8],
    decided: &Decided,
    inputs: Map<String, Value>,
) -> Result<(), String> {
    if decided.engine != ENGINE {
        return Err(format!(
            "the decision was made with engine {}, this program has {ENGINE}: use the release \
             that carries it",
            decided.engine
        ));
    }
    let model = std::str::from_utf8(model).map_err(|_| "the table is not text".to_owned())?;
    let model = AdmittedModel::admit(model).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        format!("the table is not admissible: {}", errors.join("; "))
    })?;
    let evaluation =
        model.evaluate(&decided.decision, &inputs).map_err(|error| error.to_string())?;
    let codes = evaluation.outputs.as_array().ok_or("the table gives no list of grounds")?;
    let mut found: Vec<&str> = codes.iter().filter_map(Value::as_str).collect();
    let mut recorded: Vec<&str> = decided.grounds.iter().map(String::as_str).collect();
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
    Ok(())
}
