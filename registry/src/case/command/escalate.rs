//! Escalation: an official takes over a request that brought nothing.
//!
//! The regulation says to which post; the record says why and, where somebody can take it, to
//! whom. Not here: how the official closes the request (`answer`), and when silence is enough
//! (`pass_time`).

use crate::case::{CaseRules, CaseState};
use crate::code::StepCode;
use crate::event::{CaseEvent, EscalationReason, HeldPost, OfficialId, RequestEscalated};
use crate::pack::{Post, Role};
use crate::staff::Official;

/// That an official who took a request over closes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    /// Why there are no facts, in words; nothing where there are.
    pub motive: Option<String>,
}

/// The escalation of a request, where the regulation has a post for it. `named` is whom the rule
/// of assignment names; who works on the case already and holds the post goes first.
pub(super) fn escalated(
    state: &CaseState,
    rules: &CaseRules<'_>,
    request: &StepCode,
    (reason, named): (EscalationReason, Option<OfficialId>),
) -> Option<CaseEvent> {
    let regulation = &rules.service.regulation;
    let to = regulation.escalates_to()?;
    let proposes = regulation.approval.as_ref().map(|approval| &approval.proposes);
    let is_to = |post: &Post| (&post.unit.value, post.role) == (&to.unit.value, to.role);
    let assigned = state.assigned().filter(|_| proposes.is_some_and(is_to));
    Some(CaseEvent::RequestEscalated(RequestEscalated {
        request: request.clone(),
        reason,
        post: HeldPost { unit: to.unit.value.clone(), role: to.role },
        official: assigned.map(|assigned| assigned.official).or(named),
    }))
}

impl RequestEscalated {
    /// Whether an official may close the request: who holds the post, or heads its unit.
    #[must_use]
    pub fn may_close(&self, official: &Official) -> bool {
        let HeldPost { unit, role } = &self.post;
        official.has_role(unit, *role) || official.has_role(unit, Role::Head)
    }

    /// Who may, in words.
    #[must_use]
    pub fn who_may_close(&self) -> String {
        let HeldPost { unit, role } = &self.post;
        format!("{} or head of {unit}", role.as_str())
    }
}
