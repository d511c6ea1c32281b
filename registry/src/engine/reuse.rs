//! A fresh answer to the same question serves again: no new message is sent.
//!
//! The answer names the place of the first one, so anybody sees that it is the same. What a
//! registry of this log said serves as long as the entry behind it says so still; a review asks
//! anew, because something has changed. Not here: consent of the person, and facts of profiles.

use std::collections::BTreeMap;

use letopis_ledger::Timestamp;

use super::{CaseEngine, EngineError, LedgerPort};
use crate::case::{AnswerRequest, CaseRules, CaseState, Executors};
use crate::code::{FieldPath, StepCode};
use crate::event::{Arrival, DomainEvent, RequestTarget, Source, Way};
use crate::pack::{CaseValues, RequestRule, Reuse, plain_text};
use crate::projection::{EntryStatus, KnownAnswer};

const DAY_MS: i64 = 24 * 3_600_000;

impl<P: LedgerPort> CaseEngine<P> {
    /// The answer of the first open request whose question is answered already and fresh enough.
    pub(super) async fn known_answer(
        &self,
        state: &CaseState,
        rules: &CaseRules<'_>,
        values: &CaseValues,
    ) -> Result<Option<AnswerRequest>, EngineError> {
        for (code, rule, reuse) in reusing(state, rules) {
            let request = &state.requests()[code];
            let now = self.clock.now();
            let since = now.unix_ms() - i64::from(reuse.max_age_days) * DAY_MS;
            let since = Timestamp::from_unix_ms(since.max(0)).unwrap_or(Timestamp::EPOCH);
            let by = rule
                .by
                .iter()
                .filter_map(|(field, value)| Some((field.clone(), plain_text(values.get(value)?))));
            let target = (&request.sent.target, code.as_str());
            let known = self.model.known_answer(target, by.collect(), since)?.value;
            let other = known.filter(|known| known.case.stream() != *state.stream());
            let Some(known) = other else { continue };
            if !self.still_holds(&known, state, &request.sent.target)? {
                continue;
            }
            let Some(facts) = self.facts_of(&known, code, rule).await? else { continue };
            let stream = known.case.stream();
            let source = Some(Source { stream, version: known.version, leaf: known.leaf });
            let (official, second, letter) = (None, None, None);
            let came = Some(Arrival { way: Way::Reused, at: now, official, second, letter });
            let (request, facts) = (code.clone(), Some(facts));
            let executors: Executors = self.executors(rules)?;
            let (scan, taken_over, escalates_to) = (None, None, None);
            return Ok(Some(AnswerRequest {
                request,
                facts,
                source,
                came,
                scan,
                taken_over,
                signature: None,
                at: now,
                executors,
                escalates_to,
            }));
        }
        Ok(None)
    }

    /// Whether an earlier answer says what would be answered now: it was asked by the same version
    /// of the regulation, and the entry that it was taken from is as it was.
    fn still_holds(
        &self,
        known: &KnownAnswer,
        state: &CaseState,
        target: &RequestTarget,
    ) -> Result<bool, EngineError> {
        let earlier = self.model.case(known.case)?.value;
        if earlier.map(|row| row.pack) != state.pack().cloned() {
            return Ok(false);
        }
        let RequestTarget::Registry(_) = target else { return Ok(true) };
        let rows = self.model.requests(known.case)?.value;
        let row = rows.into_iter().find(|row| row.answered_version == Some(known.version));
        let Some(source) = row.and_then(|row| row.source) else { return Ok(false) };
        let entry = self.model.entry(&source.stream)?.value;
        Ok(entry.is_some_and(|entry| {
            entry.version == source.version && entry.status == EntryStatus::InForce
        }))
    }

    /// The facts of an earlier answer that this request takes; nothing when one cannot be opened.
    pub(super) async fn facts_of(
        &self,
        known: &KnownAnswer,
        code: &StepCode,
        rule: &RequestRule,
    ) -> Result<Option<BTreeMap<FieldPath, letopis_ledger::json::Json>>, EngineError> {
        let stream = known.case.stream();
        for leaf in self.port.leaves(known.leaf, 1).await? {
            for event in leaf.record().events() {
                if event.stream != stream || event.version != known.version {
                    continue;
                }
                let Some(DomainEvent::Case(_)) = DomainEvent::read(event)? else { continue };
                let opened = self.private.open_digests(&event.private)?;
                let prefix = format!("answer.{code}.");
                let mut facts = BTreeMap::new();
                for disclosure in opened {
                    let Some(disclosure) = disclosure else { return Ok(None) };
                    let field = disclosure.name().strip_prefix(&prefix);
                    let field = field.and_then(|field| FieldPath::parse(field).ok());
                    if let Some(field) = field
                        && rule.take.iter().any(|taken| taken.value == field)
                    {
                        facts.insert(field, disclosure.value().clone());
                    }
                }
                return Ok(Some(facts));
            }
        }
        Ok(None)
    }
}

/// Open requests that a known fact may serve, with how old it may be.
pub(super) fn reusing<'a>(
    state: &'a CaseState,
    rules: &CaseRules<'a>,
) -> impl Iterator<Item = (&'a StepCode, &'a RequestRule, Reuse)> {
    let regulation = &rules.service.regulation;
    let review = state.about().is_some_and(|about| !about.is_renewal());
    let open =
        state.requests().iter().filter(move |(_, request)| request.awaits_reply() && !review);
    open.filter_map(|(code, _)| {
        let rule = regulation.request(code)?;
        // What another case needs beside it was not asked for then.
        let alone = state.also_takes(code).next().is_none();
        Some((code, rule, rule.reuse.filter(|_| alone)?))
    })
}
