//! A fresh answer to the same question serves again: no new message is sent.
//!
//! The answer names the place of the first one, so anybody sees that it is the same. Not here:
//! consent of the person, and facts of profiles.

use std::collections::BTreeMap;

use letopis_ledger::Timestamp;

use super::{CaseEngine, EngineError, LedgerPort};
use crate::case::{AnswerRequest, CaseRules, CaseState, Executors};
use crate::code::{FieldPath, StepCode};
use crate::event::{Arrival, DomainEvent, Source, Way};
use crate::pack::{CaseValues, RequestRule, plain_text};
use crate::projection::KnownAnswer;

const DAY_MS: i64 = 24 * 3_600_000;

impl<P: LedgerPort> CaseEngine<P> {
    /// The answer of the first open request whose question is answered already and fresh enough.
    pub(super) async fn known_answer(
        &self,
        state: &CaseState,
        rules: &CaseRules<'_>,
        values: &CaseValues,
    ) -> Result<Option<AnswerRequest>, EngineError> {
        let open = state.requests().iter().filter(|(_, r)| r.answered.is_none() && !r.timed_out);
        for (code, request) in open {
            let Some(rule) = rules.service.regulation.request(code) else { continue };
            let Some(reuse) = rule.reuse else { continue };
            let now = self.clock.now();
            let since = now.unix_ms() - i64::from(reuse.max_age_days) * DAY_MS;
            let since = Timestamp::from_unix_ms(since.max(0)).unwrap_or(Timestamp::EPOCH);
            let by = rule
                .by
                .iter()
                .filter_map(|(field, value)| Some((field.clone(), plain_text(values.get(value)?))));
            let target = (&request.sent.target, code.as_str());
            let known = self.model.known_answer(target, by.collect(), since)?.value;
            let Some(known) = known.filter(|known| known.case.stream() != *state.stream()) else {
                continue;
            };
            let Some(facts) = self.facts_of(&known, code, rule).await? else { continue };
            let stream = known.case.stream();
            let source = Some(Source { stream, version: known.version, leaf: known.leaf });
            let (official, second, letter) = (None, None, None);
            let came = Some(Arrival { way: Way::Reused, at: now, official, second, letter });
            let (request, facts) = (code.clone(), Some(facts));
            let executors: Executors = self.executors(rules)?;
            return Ok(Some(AnswerRequest { request, facts, source, came, at: now, executors }));
        }
        Ok(None)
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
