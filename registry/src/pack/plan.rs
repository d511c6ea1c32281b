//! The plan of a case: which requests its regulation sends, in which order, and why one is left
//! out, as far as what is known tells.
//!
//! The same conditions that decide a case are read, here with values that may still come. Not
//! here: sending (`case::command::request`).

use super::Service;
use super::regulation::{Condition, RequestRule, Step};
use super::value::{CaseValues, ValueRef};
use crate::code::StepCode;

/// A request in a plan.
#[derive(Debug)]
pub struct PlannedRequest<'a> {
    /// The step.
    pub step: &'a Step,
    /// The request.
    pub rule: &'a RequestRule,
    /// What becomes of it.
    pub state: PlanState,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanState {
    /// It is sent at once.
    Now,
    /// It is sent when these steps are done.
    After(Vec<StepCode>),
    /// Whether it is sent follows from the answers of these requests.
    DependsOn(Vec<StepCode>),
    /// It is left out, for its condition does not hold.
    LeftOut,
    /// It is answered.
    Done,
}

impl PlanState {
    /// The state as interfaces spell it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::After(_) => "after",
            Self::DependsOn(_) => "depends_on",
            Self::LeftOut => "left_out",
            Self::Done => "done",
        }
    }

    /// The steps that it names.
    #[must_use]
    pub fn steps(&self) -> &[StepCode] {
        match self {
            Self::After(steps) | Self::DependsOn(steps) => steps,
            Self::Now | Self::LeftOut | Self::Done => &[],
        }
    }
}

/// The plan of a case with these values, in the order of the regulation.
#[must_use]
pub fn plan<'a>(service: &'a Service, values: &CaseValues) -> Vec<PlannedRequest<'a>> {
    let regulation = &service.regulation;
    let mut planned: Vec<PlannedRequest<'a>> = Vec::new();
    for (step, rule) in regulation.requests() {
        let open = |code: &&StepCode| {
            let earlier = planned.iter().find(|earlier| &earlier.step.code.value == *code);
            earlier.is_some_and(|earlier| {
                !matches!(earlier.state, PlanState::Done | PlanState::LeftOut)
            })
        };
        let waits: Vec<StepCode> = step.waits_for().filter(open).cloned().collect();
        let state = match rule.when.as_ref().map(|when| known(when, values)) {
            _ if values.answers.contains_key(&step.code.value) => PlanState::Done,
            Some(Err(depends)) => PlanState::DependsOn(depends),
            Some(Ok(false)) => PlanState::LeftOut,
            _ if waits.is_empty() => PlanState::Now,
            _ => PlanState::After(waits),
        };
        planned.push(PlannedRequest { step, rule, state });
    }
    planned
}

/// Whether a condition holds, or the requests whose answers tell.
fn known(condition: &Condition, values: &CaseValues) -> Result<bool, Vec<StepCode>> {
    let depends: Vec<StepCode> = match condition {
        Condition::Equal((ValueRef::Answer(request, _), _))
        | Condition::Above((ValueRef::Answer(request, _), _))
        | Condition::Present(ValueRef::Answer(request, _))
        | Condition::Found(request) => {
            let answered = values.answers.contains_key(request);
            if answered { vec![] } else { vec![request.clone()] }
        }
        Condition::Not(other) => return known(other, values).map(|holds| !holds),
        Condition::All(parts) => return together(parts, values, false),
        Condition::Any(parts) => return together(parts, values, true),
        Condition::Equal(_) | Condition::Above(_) | Condition::Present(_) => vec![],
    };
    if depends.is_empty() { Ok(condition.holds(values)) } else { Err(depends) }
}

/// One part that is known to be `settles` settles it; otherwise every part must be known.
fn together(
    parts: &[Condition],
    values: &CaseValues,
    settles: bool,
) -> Result<bool, Vec<StepCode>> {
    let mut depends = Vec::new();
    for part in parts {
        match known(part, values) {
            Ok(holds) if holds == settles => return Ok(settles),
            Ok(_) => {}
            Err(requests) => depends.extend(requests),
        }
    }
    depends.sort();
    depends.dedup();
    if depends.is_empty() { Ok(!settles) } else { Err(depends) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use letopis_ledger::json::Json;

    use super::*;
    use crate::code::FieldPath;
    use crate::pack::{AnswerValues, fixture};

    fn states(values: &CaseValues) -> Vec<(String, PlanState)> {
        let pack = fixture::zarechny();
        let service = fixture::service(&pack, "building-permit");
        let planned = plan(service, values);
        planned.into_iter().map(|one| (one.step.code.value.to_string(), one.state)).collect()
    }

    fn state(values: &CaseValues, request: &str) -> PlanState {
        let found = states(values).into_iter().find(|(code, _)| code == request);
        found.map(|(_, state)| state).unwrap()
    }

    fn with_area(area_m2: u32) -> CaseValues {
        let field = FieldPath::parse("object.area_m2").unwrap();
        CaseValues { form: BTreeMap::from([(field, Json::from(area_m2))]), ..CaseValues::default() }
    }

    /// K34: whether a request is sent, in which order, and on what it depends.
    #[test]
    fn k34_a_plan_says_what_is_sent_now_later_perhaps_or_not_at_all() {
        let small = with_area(100);
        assert_eq!(state(&small, "land"), PlanState::Now);
        assert_eq!(state(&small, "expert"), PlanState::LeftOut);
        assert_eq!(state(&with_area(2000), "expert"), PlanState::Now);
        let land = StepCode::parse("land").unwrap();
        assert_eq!(state(&small, "heritage-check"), PlanState::DependsOn(vec![land.clone()]));
        let zone = FieldPath::parse("heritage_zone").unwrap();
        let answer = |zoned: bool| {
            let facts = BTreeMap::from([(zone.clone(), Json::from(zoned))]);
            let answers = BTreeMap::from([(land.clone(), AnswerValues::Answered(facts))]);
            CaseValues { answers, ..with_area(100) }
        };
        assert_eq!(state(&answer(true), "land"), PlanState::Done);
        let planning = StepCode::parse("planning").unwrap();
        assert_eq!(state(&answer(true), "heritage-check"), PlanState::After(vec![planning]));
        assert_eq!(state(&answer(false), "heritage-check"), PlanState::LeftOut);
    }
}
