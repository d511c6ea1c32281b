//! An application is not taken: the grounds of the regulation's closed list, each with its facts.
//!
//! The program finds grounds in the form; an official finds them on entering what came on paper, or
//! on the check that the regulation allows after registration. Not here: refusal of a service,
//! which is a decision.

use std::collections::{BTreeMap, BTreeSet};

use letopis_ledger::Timestamp;

use super::approve::{REMARKS_MAX_CHARS, entitle, text};
use super::cancel::call_off;
use super::follow_up::{check_not_a_review, released};
use super::{CaseEvents, check_text, check_under_way};
use crate::case::{CaseRefusal, CaseRules, CaseState};
use crate::event::{CaseEvent, IntakeEvidence, IntakeGround, IntakeRefused};
use crate::record_draft::{Decision, PrivateField};
use crate::staff::Official;

/// What an official found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeFinding {
    /// Grounds, each with at least one fact.
    pub grounds: Vec<IntakeGround>,
    /// Why, in words; it is private.
    pub motive: String,
}

/// An official does not take an application that is registered.
#[derive(Debug, Clone)]
pub struct RefuseIntake<'a> {
    /// Who.
    pub acting: &'a Official,
    /// What was found.
    pub finding: IntakeFinding,
    /// When.
    pub at: Timestamp,
}

impl RefuseIntake<'_> {
    /// Decides.
    ///
    /// # Errors
    /// See [`CaseRefusal`].
    ///
    /// # Panics
    /// Never for a loaded pack and an instant of a ledger.
    pub fn decide(
        &self,
        state: &CaseState,
        rules: &CaseRules<'_>,
    ) -> Result<Decision, CaseRefusal> {
        check_under_way(state, rules)?;
        let check = rules.service.regulation.intake_check.as_ref();
        let check = check.ok_or(CaseRefusal::NoIntakeCheck)?;
        entitle(self.acting, &[(0, &check.by)])?;
        if let Some(waiting) = state.proposal().filter(|proposal| !proposal.returned) {
            return Err(CaseRefusal::ProposalWaits { proposal: waiting.version });
        }
        let registered_at = state.registered_at().ok_or(CaseRefusal::NotSubmitted)?;
        let end = rules.calendar.deadline(registered_at, check.within).due;
        let until = Timestamp::from_unix_ms(end.get())
            .expect("invariant: terms end within the years of the ledger");
        if self.at > until {
            return Err(CaseRefusal::IntakeCheckOver { until });
        }
        check_not_a_review(state)?;
        let mut events = CaseEvents::after(state);
        call_off(state, &mut events);
        let refused = IntakeRefused {
            grounds: self.finding.checked(rules)?,
            number: None,
            official: Some(self.acting.id),
        };
        events.push(CaseEvent::IntakeRefused(refused), vec![self.finding.motive()]);
        Ok(Decision { events: events.events, claims: released(state).into_iter().collect() })
    }
}

impl IntakeFinding {
    /// The grounds in the order of the regulation, if each is of its list and has its facts.
    pub(super) fn checked(&self, rules: &CaseRules<'_>) -> Result<Vec<IntakeGround>, CaseRefusal> {
        check_text("the motive", &self.motive, REMARKS_MAX_CHARS)?;
        let listed = &rules.service.regulation.intake_grounds;
        let mut found: BTreeMap<_, BTreeSet<IntakeEvidence>> = BTreeMap::new();
        for ground in &self.grounds {
            let code = &ground.code;
            let position = listed.iter().position(|listed| &listed.code.value == code);
            let position = position
                .ok_or_else(|| CaseRefusal::UnknownIntakeGround { ground: code.clone() })?;
            if ground.evidence.is_empty() {
                return Err(CaseRefusal::NoEvidence { ground: code.clone() });
            }
            for evidence in &ground.evidence {
                if let IntakeEvidence::Form(field) = evidence
                    && !rules.service.form.fields().contains_key(field)
                {
                    return Err(CaseRefusal::NoSuchField { field: field.clone() });
                }
            }
            found.entry(position).or_default().extend(ground.evidence.iter().cloned());
        }
        if found.is_empty() {
            return Err(CaseRefusal::NoIntakeGround);
        }
        let ground = |(position, evidence): (usize, BTreeSet<IntakeEvidence>)| IntakeGround {
            code: listed[position].code.value.clone(),
            evidence: evidence.into_iter().collect(),
        };
        Ok(found.into_iter().map(ground).collect())
    }

    /// The reasons in words, for the applicant alone.
    pub(super) fn motive(&self) -> PrivateField {
        PrivateField::new("motive", text(&self.motive))
    }
}
