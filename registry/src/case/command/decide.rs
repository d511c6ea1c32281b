//! Decide a case: the model is asked, and the result or the refusal is issued with it.
//!
//! One record holds the decision, its issue and, when granted, the registry entry with its
//! claims: the number, unique values, slots of quotas. A claim that somebody else took meanwhile
//! refuses the whole record, and the case is decided again on what the registry then holds. Not
//! here: what becomes of an entry that a case is about (`follow_up`).

use std::collections::BTreeMap;

use jiff::civil::Date;
use letopis_ledger::id::{ClaimName, StreamName};
use letopis_ledger::json::{Json, Object};
use letopis_ledger::record::{Claim, ClaimOperation};
use letopis_ledger::{StreamVersion, Timestamp, TreeSize};
use letopis_rules::decision::ENGINE;

use super::follow_up::{KnownEntry, released};
use super::{CaseEvents, check_under_way};
use crate::case::{
    CaseRefusal, CaseRules, CaseState, Opened, entry_number_claim, slot_claim, unique_claim,
};
use crate::code::{FieldPath, GroundCode, StepCode};
use crate::event::{
    About, Basis, CaseEvent, Decided, DomainEvent, EntryCreated, EntryEvent, EntryId, Evidence,
    EvidenceKind, GroundFound, RequestOutcome, ResultIssued,
};
use crate::pack::{CaseValues, EvidenceRule, Judgement, NoData, Registry, judge, plain_text};
use crate::record_draft::{Decision, NewEvent, PrivateField};

/// What the registries hold at the time of the decision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holdings {
    /// Size of the log that the counts and slots are those of.
    pub read_size: TreeSize,
    /// Counts of entries in force, by name of the input that asks for them; the entry that the case
    /// is about is not among them.
    pub entry_counts: BTreeMap<String, u32>,
    /// Slots of quotas that entries in force fill.
    pub taken_slots: Vec<ClaimName>,
}

/// The decision of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecideCase {
    /// What the registries hold.
    pub holdings: Holdings,
    /// When it is decided.
    pub at: Timestamp,
    /// The entry that the decision is about.
    pub entry: ResultEntry,
}

/// The entry that a decision is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResultEntry {
    /// One that a granted case makes.
    New {
        /// The entry.
        entry: EntryId,
        /// The number that it gets if nobody took it.
        number: String,
    },
    /// The one that the case is about.
    Known(KnownEntry),
}

impl ResultEntry {
    /// Its stream and number.
    fn name(&self) -> (StreamName, &str) {
        match self {
            Self::New { entry, number } => (entry.stream(), number),
            Self::Known(entry) => (entry.stream.clone(), &entry.number),
        }
    }
}

impl DecideCase {
    /// Decides. `opened` are the private values of the case.
    ///
    /// # Errors
    /// See [`CaseRefusal`].
    pub fn decide(
        &self,
        state: &CaseState,
        opened: &Opened,
        rules: &CaseRules<'_>,
    ) -> Result<Decision, CaseRefusal> {
        if rules.service.regulation.approval.is_some() {
            return Err(CaseRefusal::OfficialsDecide);
        }
        let (judgement, values) = self.judge(state, opened, rules)?;
        self.conclude(state, rules, (judgement, &values), CaseEvents::after(state))
    }

    /// What the rules say of the case as it is now.
    pub(super) fn judge(
        &self,
        state: &CaseState,
        opened: &Opened,
        rules: &CaseRules<'_>,
    ) -> Result<(Judgement, CaseValues), CaseRefusal> {
        self.check(state, rules)?;
        let mut values = rules.values(opened, state)?;
        values.entry_counts.clone_from(&self.holdings.entry_counts);
        Ok((judge(rules.service, &values)?, values))
    }

    /// The decision with its issue, after `events` of the same record.
    pub(super) fn conclude(
        &self,
        state: &CaseState,
        rules: &CaseRules<'_>,
        (judgement, values): (Judgement, &CaseValues),
        mut events: CaseEvents,
    ) -> Result<Decision, CaseRefusal> {
        let decided_version = events.next;
        let decided = self.decided(state, rules, &judgement, decided_version);
        events.push(CaseEvent::Decided(decided), input_fields(&judgement));
        let basis = Basis::Decision { stream: state.stream().clone(), version: decided_version };
        let known = self.known(state)?;
        let mut claims: Vec<Claim> = released(state).into_iter().collect();
        let Some(validity) = judgement.validity else {
            events.push(CaseEvent::RefusalIssued { grounds: judgement.grounds }, vec![]);
            let refused = Decision { events: events.events, claims };
            let ends = known.filter(|(_, about)| !about.is_renewal());
            return Ok(ends
                .map(|(entry, _)| entry.ended(basis))
                .into_iter()
                .fold(refused, Decision::and));
        };
        let values = CaseValues { decision: judgement.members, ..values.clone() };
        let today = rules.calendar.date(self.at);
        let period = match known {
            Some((entry, about)) => entry.period(about, validity, today),
            None => (today, validity.last_day(today)),
        };
        let (stream, number) = self.entry.name();
        let (number, (valid_from, valid_until)) = (number.to_owned(), period);
        let result = ResultIssued { registry_entry: stream, number, valid_from, valid_until };
        events.push(CaseEvent::ResultIssued(result), vec![]);
        let fields = split_fields(rules, &values);
        let entry = match &self.entry {
            ResultEntry::Known(entry) => entry.revised(fields, period, basis),
            ResultEntry::New { entry, number } => {
                claims.extend(self.claims(rules, &values, (entry, number))?);
                created(rules, (entry, number), fields, (period, basis))
            }
        };
        let mut events = events.events;
        events.push(entry);
        Ok(Decision { events, claims })
    }

    /// The entry that the case is about with what it says of it, if it follows up one.
    fn known<'a>(
        &'a self,
        state: &'a CaseState,
    ) -> Result<Option<(&'a KnownEntry, &'a About)>, CaseRefusal> {
        match (&self.entry, state.about()) {
            (ResultEntry::New { .. }, None) => Ok(None),
            (ResultEntry::Known(entry), Some(about)) if entry.stream == about.entry.stream => {
                Ok(Some((entry, about)))
            }
            (entry, about) => {
                let about = about.map(|about| about.entry.stream.clone());
                Err(CaseRefusal::EntryGone { entry: about.unwrap_or_else(|| entry.name().0) })
            }
        }
    }

    fn check(&self, state: &CaseState, rules: &CaseRules<'_>) -> Result<(), CaseRefusal> {
        check_under_way(state, rules)?;
        let registered_at = state.registered_at().ok_or(CaseRefusal::NotSubmitted)?;
        if self.at < registered_at {
            return Err(CaseRefusal::BeforeRegistration { at: self.at, registered_at });
        }
        for (step, _) in rules.service.regulation.requests().filter(|(_, r)| r.blocking) {
            if state.is_open(step.code.value.as_str()) {
                return Err(CaseRefusal::Blocked { request: step.code.value.clone() });
            }
        }
        let taken_over = |request: &StepCode| {
            state.requests().get(request).is_some_and(|request| request.escalated.is_some())
        };
        for (step, rule) in rules.service.regulation.requests().filter(|(_, r)| r.mandatory) {
            let request = step.code.value.clone();
            let answered = state.requests().get(&request).and_then(|r| r.answered.as_ref());
            let closed = state.omitted().contains(&request)
                || state.requests().get(&request).is_some_and(|request| request.timed_out);
            match answered.map(|answered| answered.event.outcome) {
                None if closed => {}
                None => return Err(CaseRefusal::WaitsFor { request }),
                Some(RequestOutcome::NoData)
                    if rule.no_data == NoData::Official && !taken_over(&request) =>
                {
                    return Err(CaseRefusal::NoDataForOfficial { request });
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    pub(super) fn decided(
        &self,
        state: &CaseState,
        rules: &CaseRules<'_>,
        judgement: &Judgement,
        version: StreamVersion,
    ) -> Decided {
        let ground = |code: &GroundCode| GroundFound {
            code: code.clone(),
            evidence: evidence(state, rules, code, version),
        };
        Decided {
            outcome: judgement.outcome,
            grounds: judgement.grounds.iter().map(ground).collect(),
            model: rules.service.model_ref.clone(),
            decision: rules.service.regulation.decision.name.value.clone(),
            engine: ENGINE.to_owned(),
            trace: judgement.trace.clone(),
            read_size: self.holdings.read_size,
        }
    }

    fn claims(
        &self,
        rules: &CaseRules<'_>,
        values: &CaseValues,
        (entry, number): (&EntryId, &str),
    ) -> Result<Vec<Claim>, CaseRefusal> {
        let registry = registry(rules);
        let code = &registry.code.value;
        let text = |field: &FieldPath| {
            let value = entry_values(rules, values).find(|(name, _)| *name == field);
            value.map(|(_, value)| plain_text(value)).unwrap_or_default()
        };
        let holder = entry.stream();
        let mut claims = vec![take(entry_number_claim(code, number), &holder)];
        for field in &registry.unique {
            let name = unique_claim(rules.secret, code, &field.value, &text(&field.value));
            claims.push(take(name, &holder));
        }
        for quota in &registry.quotas {
            let field = &quota.field.value;
            let value = text(field);
            let slot = (1..=quota.most)
                .map(|slot| slot_claim(rules.secret, code, field, &value, slot))
                .find(|slot| !self.holdings.taken_slots.contains(slot))
                .ok_or_else(|| CaseRefusal::QuotaDiffers { field: field.to_string() })?;
            claims.push(take(slot, &holder));
        }
        Ok(claims)
    }
}

/// The inputs of a decision as private fields.
pub(super) fn input_fields(judgement: &Judgement) -> Vec<PrivateField> {
    let inputs = judgement.inputs.iter();
    inputs.map(|(name, value)| PrivateField::new(format!("input.{name}"), value.clone())).collect()
}

fn take(name: ClaimName, holder: &StreamName) -> Claim {
    Claim { name, operation: ClaimOperation::Take, holder: holder.clone() }
}

/// The fields of the entry: public ones, and private ones under their disclosure names.
fn split_fields(rules: &CaseRules<'_>, values: &CaseValues) -> (Object, Vec<PrivateField>) {
    let registry = registry(rules);
    let (mut fields, mut private) = (Object::new(), Vec::new());
    for (field, value) in entry_values(rules, values) {
        let public = registry.field(field).is_some_and(|f| f.visibility.is_public());
        if public {
            fields.insert(field.as_str(), value.clone());
        } else {
            private.push(PrivateField::new(format!("field.{field}"), value.clone()));
        }
    }
    (fields, private)
}

/// The event of a new entry.
fn created(
    rules: &CaseRules<'_>,
    (entry, number): (&EntryId, &str),
    (fields, private): (Object, Vec<PrivateField>),
    ((valid_from, valid_until), basis): ((Date, Date), Basis),
) -> NewEvent {
    let created = EntryCreated {
        registry: rules.service.effect_registry().clone(),
        number: Some(number.to_owned()),
        fields,
        valid_from: Some(valid_from),
        valid_until: Some(valid_until),
        basis,
    };
    let event = DomainEvent::Entry(EntryEvent::Created(created));
    NewEvent { stream: entry.stream(), version: StreamVersion::ZERO, event, private }
}

fn registry<'r>(rules: &CaseRules<'r>) -> &'r Registry {
    rules
        .pack
        .registry(rules.service.effect_registry())
        .expect("invariant: a loaded pack has the registry of each effect")
}

fn entry_values<'v>(
    rules: &CaseRules<'v>,
    values: &'v CaseValues,
) -> impl Iterator<Item = (&'v FieldPath, &'v Json)> {
    let fields = rules.service.regulation.effect.fields.iter();
    fields.filter_map(|(field, value)| Some((field, values.get(value)?)))
}

fn evidence(
    state: &CaseState,
    rules: &CaseRules<'_>,
    code: &GroundCode,
    decided: StreamVersion,
) -> Vec<Evidence> {
    let ground = rules.service.regulation.ground(code);
    let ground = ground.expect("invariant: judge() gives grounds of the closed list only");
    let reference = |rule: &EvidenceRule| match rule {
        EvidenceRule::Form(field) => Some(Evidence {
            kind: EvidenceKind::Form,
            of: field.to_string(),
            version: StreamVersion::ZERO,
        }),
        EvidenceRule::Answer(request) => Some(Evidence {
            kind: EvidenceKind::Answer,
            of: request.to_string(),
            version: state.requests().get(request)?.answered.as_ref()?.version,
        }),
        EvidenceRule::Input(name) => {
            Some(Evidence { kind: EvidenceKind::Input, of: name.clone(), version: decided })
        }
    };
    ground.evidence.iter().filter_map(|rule| reference(&rule.value)).collect()
}
