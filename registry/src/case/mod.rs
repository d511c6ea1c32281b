//! A case: one application from its submission to its one terminal event.
//!
//! `decide` of each command is a pure function of the state, the command and the pinned
//! regulation; `evolve` is the only way a state changes. Not here: time, randomness, registries,
//! the disclosure store; whatever a command needs of those comes with it.

mod claim;
mod clock;
mod command;
mod opened;
mod order;
mod refusal;
pub mod signing;
mod state;

pub use claim::{case_number_claim, entry_number_claim, follow_up_claim, slot_claim, unique_claim};
pub use clock::CaseClock;
pub use command::answer::{AnswerRequest, AnswerSignature, SetAsideAnswer};
pub use command::approve::{
    AgreeToDecision, ProposeDecision, REMARKS_MAX_CHARS, ReturnDecision, open_posts, stage_of,
};
pub use command::assign::{AssignCase, Candidates, ReassignCase};
pub use command::cancel::CancelCase;
pub use command::decide::{DecideCase, Holdings, ResultEntry};
pub use command::escalate::TakenOver;
pub use command::follow_up::{FollowUp, KnownEntry};
pub use command::intake::{IntakeFinding, RefuseIntake};
pub use command::motive::Motive;
pub use command::pass_time::{PassTime, RecountTerm};
pub use command::release::{ReleaseRequest, SharedAnswer};
pub use command::request::{Executors, has_more_to_send};
pub(crate) use command::source::SOURCE;
pub use command::source::{SOURCE_TEXT_MAX_BYTES, Source};
pub(crate) use command::submit::check_may_enter;
pub use command::submit::{ENTERED_AFTER_DAYS_MAX, Entry, SubmitApplication, payload_digest};
pub use command::subrequest::{AnswerSubrequest, OpenSubrequest};
pub use opened::{Opened, OpenedError};
pub use order::follows_the_end;
pub use refusal::CaseRefusal;
pub use state::{
    Answered, CaseState, CaseStatus, OutOfPlace, ProposalState, RecordedCaseEvent, RequestState,
    StageState, SubrequestState,
};

use crate::event::PackRef;
use crate::pack::{CaseValues, LegalCalendar, Pack, Service};
use crate::secret::AgencySecret;

/// What a case is decided by: the pinned version of the regulation and the agency's own secret.
#[derive(Debug, Clone, Copy)]
pub struct CaseRules<'a> {
    /// The pinned pack.
    pub pack: &'a Pack,
    /// The pinned pack's calendars, with years that were published since.
    pub calendar: &'a LegalCalendar,
    /// The service.
    pub service: &'a Service,
    /// Where the pack was published.
    pub pack_ref: &'a PackRef,
    /// The key of claims over personal values.
    pub secret: &'a AgencySecret,
}

impl CaseRules<'_> {
    /// The values of a case with what its regulation derives from the day of registration.
    ///
    /// # Errors
    /// See [`OpenedError`].
    pub fn values(&self, opened: &Opened, state: &CaseState) -> Result<CaseValues, OpenedError> {
        let mut values = opened.values(state)?;
        if let Some(at) = state.registered_at() {
            self.service.set_registration_day(&mut values, self.calendar.date(at));
        }
        Ok(values)
    }
}

#[cfg(test)]
mod test;
