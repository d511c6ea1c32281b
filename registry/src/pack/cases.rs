//! Test cases that a service brings: a form, answers, and what must come of it.
//!
//! A case goes the way of a real one: requests whose condition does not hold are left out. Not
//! here: time; a case is decided as soon as its answers are there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::classifier::Day;
use super::error::{PackError, PackRule};
use super::follow_up::NotRenewed;
use super::form::CheckedForm;
use super::judgement::judge;
use super::value::{AnswerValues, CaseValues, Scalar};
use super::{FormError, Registry, RequestRule, Service, TimedOut};
use crate::code::{FieldPath, GroundCode, OfferCode, RegistryCode, StepCode};
use crate::event::Outcome;

/// One test case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestCase {
    /// What it shows.
    pub title: Spanned<String>,
    /// The day of registration; needed where ages or classifiers count.
    #[serde(default)]
    pub registered_on: Option<Day>,
    /// The offer that the applicant accepts, where there is one.
    #[serde(default)]
    pub offered: Option<OfferedBy>,
    /// The form as an applicant fills it in; what an offer fills in is left out.
    pub form: serde_json::Value,
    /// Answers by request; a request that is left out is not answered.
    #[serde(default)]
    pub answers: BTreeMap<StepCode, GivenAnswer>,
    /// The entry that the application renews.
    #[serde(default)]
    pub renews: Option<RenewedEntry>,
    /// Counts of registry entries by input, without the renewed one; zero where left out.
    #[serde(default)]
    pub entries: BTreeMap<String, u32>,
    /// What must come of it.
    pub expect: CaseExpectation,
    /// The file that the case stands in.
    #[serde(skip)]
    pub file: String,
}

/// The offer that a test case begins with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferedBy {
    /// The offer.
    pub offer: Spanned<OfferCode>,
    /// The entry that triggers it, by field.
    pub entry: BTreeMap<FieldPath, Scalar>,
}

/// An entry that a test case renews.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewedEntry {
    /// Its last day.
    pub valid_until: Day,
    /// Its values, by which it is found and limited.
    pub fields: BTreeMap<FieldPath, Scalar>,
}

/// An answer of a test case.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GivenAnswer {
    /// The one asked holds nothing.
    NoData,
    /// Facts by field.
    Answered(BTreeMap<FieldPath, Scalar>),
    /// It brought nothing, and an official closed it so.
    Escalated(OfficialAnswer),
}

/// How the official closes a request of a test case that was escalated.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfficialAnswer {
    /// There is nothing.
    NoData,
    /// With facts by field.
    Answered(BTreeMap<FieldPath, Scalar>),
}

/// What must come of a test case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseExpectation {
    /// The outcome.
    pub outcome: ExpectedOutcome,
    /// The grounds of a refusal or of not taking the application, all of them.
    #[serde(default)]
    pub grounds: BTreeSet<GroundCode>,
    /// What the decision must give, by member; other members are not looked at.
    #[serde(default)]
    pub gives: BTreeMap<String, Scalar>,
    /// The fields that make the form wrong, as JSON pointers.
    #[serde(default)]
    pub fields: BTreeSet<String>,
}

/// The outcome of a test case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedOutcome {
    /// The result is issued.
    Granted,
    /// The refusal is issued.
    Refused,
    /// The form is not accepted.
    Invalid,
    /// The application is not taken, for a ground of intake.
    NotTaken,
    /// The application does not renew the entry that it names.
    NotRenewed,
    /// There is no automatic decision.
    Official,
    /// The entry is not one that the offer is made for.
    NotOffered,
}

impl fmt::Display for CaseExpectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: Vec<&str>| items.join(", ");
        match self.outcome {
            ExpectedOutcome::Granted if self.gives.is_empty() => f.write_str("granted"),
            ExpectedOutcome::Granted => {
                let gives = self.gives.iter().map(|(name, value)| format!("{name} {value}"));
                write!(f, "granted: {}", gives.collect::<Vec<_>>().join(", "))
            }
            ExpectedOutcome::Refused => {
                let grounds = self.grounds.iter().map(GroundCode::as_str).collect();
                write!(f, "refused: {}", list(grounds))
            }
            ExpectedOutcome::NotTaken => {
                let grounds = self.grounds.iter().map(GroundCode::as_str).collect();
                write!(f, "not taken: {}", list(grounds))
            }
            ExpectedOutcome::Invalid => {
                let fields = self.fields.iter().map(String::as_str).collect();
                write!(f, "an invalid form: {}", list(fields))
            }
            ExpectedOutcome::NotRenewed if self.fields.is_empty() => f.write_str("not renewed"),
            ExpectedOutcome::NotRenewed => {
                let fields = self.fields.iter().map(String::as_str).collect();
                write!(f, "not renewed: {}", list(fields))
            }
            ExpectedOutcome::Official => f.write_str("no automatic decision"),
            ExpectedOutcome::NotOffered => f.write_str("no offer"),
        }
    }
}

/// Runs the cases of a service.
pub(super) fn run(
    service: &Service,
    registries: &BTreeMap<RegistryCode, Registry>,
) -> Vec<PackError> {
    let failed = |case: &TestCase| {
        let title = case.title.value.clone();
        let (expected, outcome) = (case.expect.to_string(), outcome(service, registries, case));
        let rule = match outcome {
            Ok((found, _)) if found == case.expect => return None,
            Ok((found, None)) => {
                PackRule::CaseFailed { case: title, expected, found: found.to_string() }
            }
            Ok((found, Some(detail))) => {
                PackRule::CaseFailed { case: title, expected, found: format!("{found} ({detail})") }
            }
            Err(Unfit::LeftOut(step)) => {
                PackRule::CaseAnswersLeftOut { case: title, request: step.to_string() }
            }
            Err(Unfit::NotEscalated(step)) => {
                PackRule::CaseNotEscalated { case: title, request: step.to_string() }
            }
        };
        let line = Some(case.title.referenced.line());
        Some(PackError { file: case.file.clone(), line, rule })
    };
    service.cases.iter().filter_map(failed).collect()
}

/// An answer of the case that the regulation has no place for.
enum Unfit {
    /// Of a request that is left out.
    LeftOut(StepCode),
    /// An official's, of a request that no official takes over.
    NotEscalated(StepCode),
}

/// What comes of a case, with the reason where it is no decision.
type Found = (CaseExpectation, Option<String>);

fn outcome(
    service: &Service,
    registries: &BTreeMap<RegistryCode, Registry>,
    case: &TestCase,
) -> Result<Found, Unfit> {
    let plain = |outcome| CaseExpectation {
        outcome,
        grounds: BTreeSet::new(),
        gives: BTreeMap::new(),
        fields: BTreeSet::new(),
    };
    let form = match filled_in(service, case) {
        Some(Ok(form)) => form,
        Some(Err(errors)) => {
            let fields = errors.into_iter().map(|error| error.pointer).collect();
            return Ok((CaseExpectation { fields, ..plain(ExpectedOutcome::Invalid) }, None));
        }
        None => return Ok((plain(ExpectedOutcome::NotOffered), None)),
    };
    let day = case.registered_on.map(|day| day.0);
    let registry = registries.get(service.effect_registry());
    if let Some((fields, detail)) = registry.and_then(|of| not_renewed(service, of, case, &form)) {
        let found = CaseExpectation { fields, ..plain(ExpectedOutcome::NotRenewed) };
        return Ok((found, Some(detail)));
    }
    let grounds = day.map(|day| service.intake_grounds(&form, day)).unwrap_or_default();
    let grounds = grounds.into_iter().map(|ground| ground.code).collect::<BTreeSet<_>>();
    if !grounds.is_empty() {
        return Ok((CaseExpectation { grounds, ..plain(ExpectedOutcome::NotTaken) }, None));
    }
    let mut values = CaseValues {
        form: form.values().clone(),
        entry_counts: entry_counts(service, case),
        ..CaseValues::default()
    };
    if let Some(day) = day {
        service.set_registration_day(&mut values, day);
    }
    if let Some(reason) = answer(service, case, &mut values)? {
        return Ok((plain(ExpectedOutcome::Official), Some(reason)));
    }
    Ok(match judge(service, &values) {
        Ok(judgement) if judgement.outcome == Outcome::Granted => {
            let expected = case.expect.gives.keys();
            let given = |name: &String| {
                Some((name.clone(), Scalar::of_json(judgement.members.get(name)?)?))
            };
            let gives = expected.filter_map(given).collect();
            (CaseExpectation { gives, ..plain(ExpectedOutcome::Granted) }, None)
        }
        Ok(judgement) => {
            let grounds = judgement.grounds.into_iter().collect();
            (CaseExpectation { grounds, ..plain(ExpectedOutcome::Refused) }, None)
        }
        Err(e) => (plain(ExpectedOutcome::Official), Some(e.to_string())),
    })
}

/// The form of a case, completed by the offer that it begins with; `None` when none is made.
fn filled_in(service: &Service, case: &TestCase) -> Option<Result<CheckedForm, Vec<FormError>>> {
    let Some(by) = &case.offered else { return Some(service.check_form(&case.form)) };
    let offer = service.regulation.offer(&by.offer.value)?;
    let value = |(field, value): (&FieldPath, &Scalar)| Some((field.clone(), value.to_json()?));
    let entry = by.entry.iter().filter_map(value).collect();
    if !offer.fits(&entry) {
        return None;
    }
    let form = service.form.completed(&offer.prefilled(&entry), &case.form);
    Some(form.and_then(|form| service.check_form(&form)))
}

/// Why the application does not renew the entry that the case names, with the fields that differ.
fn not_renewed(
    service: &Service,
    registry: &Registry,
    case: &TestCase,
    form: &CheckedForm,
) -> Option<(BTreeSet<String>, String)> {
    let entry = case.renews.as_ref()?;
    let Some(on) = case.registered_on else {
        return Some((
            BTreeSet::new(),
            "give \"registered_on\": a renewal has its time".to_owned(),
        ));
    };
    let values = entry.fields.iter();
    let values = values.filter_map(|(field, value)| Some((field.clone(), value.to_json()?)));
    let known = (&values.collect(), Some(entry.valid_until.0));
    let refused = service.check_renewal(registry, form, known, on.0).err()?;
    let fields = match &refused {
        NotRenewed::OtherThing { fields } => &fields[..],
        _ => &[],
    };
    let pointer = |field: &FieldPath| format!("/{}", field.as_str().replace('.', "/"));
    Some((fields.iter().map(pointer).collect(), refused.to_string()))
}

/// Takes the answers of the case in the order of the steps, or says why nothing is decided.
fn answer(
    service: &Service,
    case: &TestCase,
    values: &mut CaseValues,
) -> Result<Option<String>, Unfit> {
    let mut waiting: Vec<(&StepCode, &RequestRule)> =
        service.regulation.requests().map(|(step, rule)| (&step.code.value, rule)).collect();
    while !waiting.is_empty() {
        // Every answer that a request waits for, directly or not, is taken before it.
        let next = waiting
            .iter()
            .position(|(step, _)| {
                waiting.iter().all(|(other, _)| !service.graph.comes_after(step, other))
            })
            .expect("invariant: a loaded pack has no circle of steps");
        let (step, rule) = waiting.remove(next);
        let given = case.answers.get(step);
        if rule.when.as_ref().is_some_and(|condition| !condition.holds(values)) {
            match given {
                Some(_) => return Err(Unfit::LeftOut(step.clone())),
                None => continue,
            }
        }
        match given {
            Some(GivenAnswer::Escalated(_)) if !rule.may_escalate() => {
                return Err(Unfit::NotEscalated(step.clone()));
            }
            Some(GivenAnswer::NoData) if rule.leaves_no_data_to_official() => {
                let reason = format!("request {step} brought no data; an official takes over");
                return Ok(Some(reason));
            }
            Some(given) => {
                values.answers.insert(step.clone(), given.values());
            }
            None if rule.mandatory && rule.timed_out == TimedOut::Wait => {
                return Ok(Some(format!("the decision waits for the answer of {step}")));
            }
            None if rule.leaves_no_data_to_official() => {
                let reason = format!("request {step} brought no answer; an official takes over");
                return Ok(Some(reason));
            }
            None => {}
        }
    }
    Ok(None)
}

fn entry_counts(service: &Service, case: &TestCase) -> BTreeMap<String, u32> {
    let inputs = service.regulation.decision.inputs.iter();
    inputs
        .filter(|input| input.from.entries().is_some())
        .map(|input| {
            let name = &input.name.value;
            (name.clone(), case.entries.get(name).copied().unwrap_or(0))
        })
        .collect()
}

impl GivenAnswer {
    fn values(&self) -> AnswerValues {
        match self {
            Self::NoData | Self::Escalated(OfficialAnswer::NoData) => AnswerValues::NoData,
            Self::Answered(facts) | Self::Escalated(OfficialAnswer::Answered(facts)) => {
                let fact =
                    |(field, value): (&FieldPath, &Scalar)| Some((field.clone(), value.to_json()?));
                AnswerValues::Answered(facts.iter().filter_map(fact).collect())
            }
        }
    }
}
