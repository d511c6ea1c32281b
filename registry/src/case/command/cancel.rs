//! A case ends without a decision, and what was asked for it is called off: the applicant wants no
//! more of it, or the entry that it is about is gone.

use super::follow_up::{check_not_a_review, released};
use super::{CaseEvents, check_under_way};
use crate::case::{CaseRefusal, CaseRules, CaseState};
use crate::event::{Cancelled, CancelledBy, CaseEvent};
use crate::record_draft::Decision;

/// Ends a case without a decision.
#[derive(Debug, Clone, Copy)]
pub struct CancelCase {
    /// Who wants it, or that the entry is gone.
    pub by: CancelledBy,
}

impl CancelCase {
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
        if matches!(self.by, CancelledBy::Applicant) {
            check_not_a_review(state)?;
        }
        let mut events = CaseEvents::after(state);
        call_off(state, &mut events);
        events.push(CaseEvent::Cancelled(Cancelled { by: self.by }), vec![]);
        Ok(Decision { events: events.events, claims: released(state).into_iter().collect() })
    }
}

/// Calls off the subrequests that are open: the case ends, and nobody needs their answers.
pub(super) fn call_off(state: &CaseState, events: &mut CaseEvents) {
    let open = state.subrequests().iter().filter(|(_, subrequest)| !subrequest.is_closed());
    // The deepest first, so that none is called off above one that is open.
    let mut open: Vec<_> = open.map(|(path, _)| path).collect();
    open.sort_by_key(|path| std::cmp::Reverse(path.as_str().split('.').count()));
    for path in open {
        events.push(CaseEvent::SubrequestCancelled(path.clone()), vec![]);
    }
}
