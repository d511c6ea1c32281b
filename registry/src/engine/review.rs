//! Reviews: an entry is decided again by itself when a fact that its decision rested on has
//! changed.
//!
//! Facts and entries are looked at in the order in which the log changed them, as for those that a
//! fact takes out (`facts`). What the decision used is compared with what the registry would answer
//! now: a change that means nothing for the case begins nothing, and a fact that is gone says
//! nothing. A review is an ordinary case with the form of the case before it; a claim that it holds
//! until it ends lets one begin, whichever node is first. Not here: what comes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use letopis_ledger::LeafIndex;
use letopis_ledger::id::StreamName;
use letopis_ledger::json::Json;

use super::advance::pending;
use super::follow_up::has_passed;
use super::submit::Attempt;
use super::{
    AdapterError, AppendRefused, Application, CaseEngine, EngineError, InstalledPack, LedgerPort,
};
use crate::case::{CaseRefusal, FollowUp};
use crate::code::{FieldPath, RegistryCode, ServiceCode, StepCode};
use crate::environment::random;
use crate::event::{CaseId, Cause, Source};
use crate::pack::{AnswerValues, Asked, CheckedForm, RequestRule, Service, nested};
use crate::projection::{EntryRow, EntryStatus};

/// Most changes that are looked at before the ledger is read again.
const AT_ONCE_MAX: u32 = 256;
/// Most entries that rest on one fact.
const PAIRS_MAX: u32 = 1_000;

/// What a look at changed facts came to.
#[derive(Debug)]
pub struct ReviewsBegun {
    /// Where to go on; where the look began when there is nothing more to look at.
    pub next: LeafIndex,
    /// The cases that began.
    pub cases: Vec<CaseId>,
    /// Entries whose review could not begin, and why: somebody must see to them.
    pub stuck: Vec<(StreamName, EngineError)>,
}

/// A service in force whose entries are reviewed.
struct Reviewed {
    code: ServiceCode,
    installed: Arc<InstalledPack>,
}

impl Reviewed {
    fn service(&self) -> &Service {
        let service = self.installed.service(&self.code);
        service.expect("invariant: it was found in this pack")
    }

    /// Requests whose facts count, each with the registry that answers it.
    fn requests(&self) -> impl Iterator<Item = (&StepCode, &RequestRule, &RegistryCode)> {
        let regulation = &self.service().regulation;
        let on = regulation.review.iter().flat_map(|review| &review.on);
        on.filter_map(|step| {
            let rule = regulation.request(&step.value)?;
            let Asked::Registry(registry) = &rule.from else { return None };
            Some((&step.value, rule, &registry.value))
        })
    }
}

impl<P: LedgerPort> CaseEngine<P> {
    /// Looks at facts, and at entries that are reviewed, that changed at a leaf from `from` on, and
    /// begins a case for every entry whose decision used another value.
    ///
    /// # Errors
    /// See [`EngineError`]; what began before the error goes on.
    pub async fn begin_reviews(&self, from: LeafIndex) -> Result<ReviewsBegun, EngineError> {
        self.catch_up().await?;
        let size = self.model.size()?;
        let mut begun = ReviewsBegun { next: from, cases: vec![], stuck: vec![] };
        let mut reviewed = Vec::new();
        for one in self.reviewed() {
            let registry = one.service().effect_registry();
            if !self.model.entries_after(registry, None, 1)?.value.is_empty() {
                reviewed.push(one);
            }
        }
        if reviewed.is_empty() {
            // An entry that comes later is looked at when it comes.
            begun.next = from.max(size.next_leaf());
            return Ok(begun);
        }
        let given = reviewed.iter().map(|one| one.service().effect_registry().clone());
        let mut registries: BTreeSet<RegistryCode> = given.collect();
        if from == LeafIndex::ZERO {
            // Facts are many, and most are older than whatever was decided by them.
            let first = self.model.first_submission_behind(&registries)?.value;
            begun.next = first.unwrap_or(size.next_leaf());
        }
        let from = begun.next;
        for one in &reviewed {
            registries.extend(one.requests().map(|(_, _, registry)| registry.clone()));
        }
        for changed in self.model.entries_changed(&registries, from, AT_ONCE_MAX)?.value {
            for one in &reviewed {
                for (entry, request) in self.affected(one, &changed)? {
                    match self.review(one, &entry, &request).await {
                        Ok(case) => begun.cases.extend(case),
                        Err(error) if of_this_entry(&error) => begun.stuck.push((entry, error)),
                        Err(error) => return Err(error),
                    }
                }
            }
            // Everything that a leaf changed is read with it.
            begun.next = LeafIndex::new(changed.leaf.get() + 1);
        }
        Ok(begun)
    }

    /// The services that review what they gave: also those that are withdrawn, by the last version
    /// that had them, as long as what they gave is in force.
    fn reviewed(&self) -> Vec<Reviewed> {
        let mut found: BTreeMap<ServiceCode, Reviewed> = BTreeMap::new();
        for installed in self.packs.all() {
            for code in installed.pack.services().keys() {
                let Some(installed) = self.packs.with_service(code) else { continue };
                let one = Reviewed { code: code.clone(), installed };
                if one.installed.service(code).is_some_and(|s| s.regulation.review.is_some()) {
                    found.insert(code.clone(), one);
                }
            }
        }
        found.into_values().collect()
    }

    /// Entries that a change may concern, each with the request whose answer it may change.
    fn affected(
        &self,
        reviewed: &Reviewed,
        changed: &EntryRow,
    ) -> Result<Vec<(StreamName, StepCode)>, EngineError> {
        let mut affected = Vec::new();
        if &changed.registry == reviewed.service().effect_registry()
            && let Some(case) = self.model.deciding_case(&changed.stream, false)?.value
        {
            // A fact may have changed between the answer and the decision.
            let compare = self.model.answers_to_compare(case)?.value;
            let counts = |step: &StepCode| reviewed.requests().any(|(on, ..)| on == step);
            let compare = compare.into_iter().filter(counts);
            affected.extend(compare.map(|request| (changed.stream.clone(), request)));
        }
        let facts = reviewed.requests().filter(|(_, _, registry)| **registry == changed.registry);
        let mut values = None;
        for (request, rule, registry) in facts {
            let values = match &values {
                Some(values) => values,
                None => values.insert(self.entry_values(changed)?),
            };
            let by: BTreeMap<FieldPath, Json> = rule
                .by
                .keys()
                .filter_map(|field| Some((field.clone(), values.get(field)?.clone())))
                .collect();
            let mut sources = self.model.entries_ever_by(registry, &by, PAIRS_MAX)?.value;
            sources.insert(changed.stream.clone());
            let mut rest = self.model.entries_resting_on(request, &sources, PAIRS_MAX)?.value;
            rest.extend(self.found_by_form(reviewed.service(), rule, &by)?);
            let streams: BTreeSet<StreamName> = rest.into_iter().map(|row| row.stream).collect();
            affected.extend(streams.into_iter().map(|stream| (stream, request.clone())));
        }
        Ok(affected)
    }

    /// Entries that hold the very values by which a request finds a fact: those whose case was
    /// answered with no data are found so, too.
    fn found_by_form(
        &self,
        service: &Service,
        rule: &RequestRule,
        by: &BTreeMap<FieldPath, Json>,
    ) -> Result<Vec<EntryRow>, EngineError> {
        let fields = &service.regulation.effect.fields;
        let held = rule.by.iter().map(|(key, asked)| {
            let field = fields.iter().find(|(_, value)| *value == asked)?.0;
            Some((field.clone(), by.get(key)?.clone()))
        });
        let held: Option<BTreeMap<FieldPath, Json>> = held.collect();
        let Some(held) = held.filter(|held| !held.is_empty()) else { return Ok(vec![]) };
        Ok(self.model.entries_by(service.effect_registry(), &held, PAIRS_MAX)?.value)
    }

    /// Begins a review of an entry if the answer of a request is another one now.
    async fn review(
        &self,
        reviewed: &Reviewed,
        entry: &StreamName,
        request: &StepCode,
    ) -> Result<Option<CaseId>, EngineError> {
        let row = self.model.entry(entry)?.value;
        let today = reviewed.installed.pack.calendar().date(self.clock.now());
        let in_force =
            |row: &EntryRow| row.status == EntryStatus::InForce && !has_passed(row, today);
        let Some(row) = row.filter(in_force) else { return Ok(None) };
        let Some(before) = self.model.deciding_case(entry, false)?.value else { return Ok(None) };
        if self.service_of(entry)?.as_ref() != Some(&reviewed.code) {
            return Ok(None);
        }
        let Some((form, fact)) = self.changed_answer(before, request).await? else {
            return Ok(None);
        };
        let known = self.model.was_reviewed(entry, &fact)?.value;
        let cause = Cause::Review { fact };
        if known || self.open_follow_up(entry, &cause)?.is_some() {
            return Ok(None);
        }
        let follow_up = self.follow_up(row, cause)?;
        self.begin(reviewed, before, &nested(&form), follow_up).await
    }

    /// The form of a case and the fact behind a request's answer now, if the case used another.
    async fn changed_answer(
        &self,
        case: CaseId,
        request: &StepCode,
    ) -> Result<Option<(BTreeMap<FieldPath, Json>, Source)>, EngineError> {
        let state = self.case_state(case).await?;
        let pinned = self.pinned(&state)?;
        let rules = self.rules(&state, &pinned)?;
        let values = rules.values(&self.open(&state)?, &state).map_err(CaseRefusal::from)?;
        let rule = rules.service.regulation.request(request);
        let asked = rule.filter(|_| state.requests().contains_key(request));
        let asked = asked.and_then(|rule| pending((case, &state), request, rule, &rules, &values));
        let Some(asked) = asked else { return Ok(None) };
        let answer = match self.adapter.answer(&asked) {
            Ok(answer) => answer,
            // Which of several entries is meant is for an official to say.
            Err(AdapterError::Ambiguous { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let Some((facts, fact)) = answer.and_then(|answer| answer.facts.zip(answer.source)) else {
            return Ok(None);
        };
        let same = match values.answers.get(request) {
            // What another case of a complex request asked for beside it does not count here.
            Some(AnswerValues::Answered(used)) => {
                let taken = |field: &FieldPath| rule_takes(rule, field);
                let of = |all: &BTreeMap<FieldPath, Json>| {
                    let taken = all.iter().filter(|(field, _)| taken(field));
                    taken.map(|(f, v)| (f.clone(), v.clone())).collect::<BTreeMap<_, _>>()
                };
                of(used) == of(&facts)
            }
            _ => false,
        };
        Ok((!same).then_some((values.form, fact)))
    }

    /// Submits the case, by the regulation in force where the form still fits it, else by that of
    /// the case before.
    async fn begin(
        &self,
        reviewed: &Reviewed,
        before: CaseId,
        form: &serde_json::Value,
        follow_up: FollowUp,
    ) -> Result<Option<CaseId>, EngineError> {
        let unknown = || EngineError::UnknownService { service: reviewed.code.clone() };
        let (installed, checked): (_, CheckedForm) = match reviewed.service().check_form(form) {
            Ok(checked) => (Arc::clone(&reviewed.installed), checked),
            Err(errors) => {
                let row = self.model.case(before)?.value.ok_or_else(unknown)?;
                let older = self.packs.pinned(&row.pack)?;
                let service = older.service(&reviewed.code).ok_or_else(unknown)?;
                let checked = service.check_form(form);
                let checked = checked.map_err(|_| EngineError::Form { errors })?;
                (older, checked)
            }
        };
        let service = installed.service(&reviewed.code).ok_or_else(unknown)?;
        let channel = service.regulation.own_channel().ok_or(CaseRefusal::NoReview)?;
        let application = Application {
            service: reviewed.code.clone(),
            channel: channel.code.value.clone(),
            form: nested(checked.values()),
            registered_at: None,
            idempotency_key: None,
            entry: None,
            renews: None,
            source: None,
        };
        let attempt = Attempt {
            application: &application,
            installed: &installed,
            service,
            form: &checked,
            key: None,
            answers: None,
            follow_up: Some(follow_up),
            // Who may see the case before may see this one.
            shown_to: self.private.tokens_of(&before.stream())?,
        };
        let unix_ms = self.clock.now().unix_ms().unsigned_abs();
        let case = CaseId::from_parts(unix_ms, &random(&*self.entropy));
        match self.submit_as(&attempt, case).await {
            Ok(accepted) => {
                self.catch_up().await?;
                Ok(Some(accepted.case))
            }
            // Another node was first.
            Err(EngineError::FollowUpOpen { .. }) => {
                self.catch_up().await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

fn rule_takes(rule: Option<&RequestRule>, field: &FieldPath) -> bool {
    rule.is_some_and(|rule| rule.take.iter().any(|taken| &taken.value == field))
}

/// Whether an error is about the entry alone, so that others can go on.
fn of_this_entry(error: &EngineError) -> bool {
    !matches!(
        error,
        EngineError::TooManyRaces { .. }
            | EngineError::Append(AppendRefused::Busy { .. } | AppendRefused::Unavailable { .. })
            | EngineError::Read(_)
            | EngineError::Projection(_)
            | EngineError::Private(_)
    )
}
