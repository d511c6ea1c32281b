//! A case is given to an official: by the rule when it is registered, by a head afterwards.
//!
//! Not here: the loads of the candidates, which the engine reads and the event keeps.

use letopis_ledger::TreeSize;

use super::approve::{REMARKS_MAX_CHARS, entitle, text};
use super::{CaseEvents, check_text, check_under_way};
use crate::case::{CaseRefusal, CaseRules, CaseState};
use crate::event::{Assigned, Candidate, CaseEvent};
use crate::pack::{Approval, Role};
use crate::record_draft::{Decision, PrivateField};
use crate::staff::{Official, choose};

/// Who could get a case, as a log of some size tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Candidates {
    /// Everybody who could get it.
    pub candidates: Vec<Candidate>,
    /// The log's size.
    pub read_size: TreeSize,
}

/// The rule gives a case to somebody.
#[derive(Debug, Clone)]
pub struct AssignCase {
    /// Who could get it.
    pub candidates: Candidates,
}

/// A head gives a case to somebody else.
#[derive(Debug, Clone)]
pub struct ReassignCase<'a> {
    /// Who gives it.
    pub acting: &'a Official,
    /// Who gets it.
    pub to: &'a Official,
    /// Why.
    pub reason: String,
}

impl AssignCase {
    /// Decides; nothing when nobody can take it now.
    ///
    /// # Errors
    /// See [`CaseRefusal`].
    pub fn decide(
        &self,
        state: &CaseState,
        rules: &CaseRules<'_>,
    ) -> Result<Decision, CaseRefusal> {
        check_under_way(state, rules)?;
        let mut events = CaseEvents::after(state);
        if let Some(assigned) = self.candidates.assigned(rules) {
            events.push(CaseEvent::Assigned(assigned), vec![]);
        }
        Ok(Decision { events: events.events, claims: vec![] })
    }
}

impl Candidates {
    /// The event by which the rule gives a case to one of them.
    #[must_use]
    pub fn assigned(&self, rules: &CaseRules<'_>) -> Option<Assigned> {
        let approval = rules.service.regulation.approval.as_ref()?;
        let mut candidates = self.candidates.clone();
        candidates.sort_unstable();
        Some(Assigned {
            unit: approval.proposes.unit.value.clone(),
            official: choose(&candidates)?,
            candidates,
            read_size: self.read_size,
            by: None,
        })
    }
}

impl ReassignCase<'_> {
    /// Decides.
    ///
    /// # Errors
    /// See [`CaseRefusal`].
    pub fn decide(
        &self,
        state: &CaseState,
        rules: &CaseRules<'_>,
    ) -> Result<Decision, CaseRefusal> {
        check_under_way(state, rules)?;
        let Approval { proposes, .. } =
            rules.service.regulation.approval.as_ref().ok_or(CaseRefusal::RulesDecide)?;
        let unit = &proposes.unit.value;
        check_text("the reason", &self.reason, REMARKS_MAX_CHARS)?;
        if !self.acting.has_role(unit, Role::Head) {
            let expected = format!("{} of {unit}", Role::Head.as_str());
            return Err(CaseRefusal::NotEntitled { official: self.acting.id, expected });
        }
        entitle(self.to, &[(0, proposes)])?;
        let assigned = Assigned {
            unit: unit.clone(),
            official: self.to.id,
            candidates: vec![],
            read_size: TreeSize::ZERO,
            by: Some(self.acting.id),
        };
        let mut events = CaseEvents::after(state);
        let private = vec![PrivateField::new("reason", text(&self.reason))];
        events.push(CaseEvent::Assigned(assigned), private);
        Ok(Decision { events: events.events, claims: vec![] })
    }
}
