//! Which event may follow in a case: the order that `evolve` holds.
//!
//! A state that took an event always tells of a case that went by the rules. Not here: what a
//! regulation allows beside it, and who may do what; commands check that.

use super::state::{CaseState, RecordedCaseEvent, RequestState};
use crate::code::StepCode;
use crate::event::{
    Agreed, CaseEvent, EscalationReason, Outcome, Procedure, RequestEscalated, RequestOutcome,
    Returned, SubrequestAnswered,
};

/// Conditions, each with what is wrong where it does not hold.
type Checks = Vec<(bool, &'static str)>;

impl CaseState {
    /// Why an event cannot follow; nothing when it can.
    pub(super) fn misplaced(&self, recorded: &RecordedCaseEvent) -> Option<&'static str> {
        let open = self.ended().is_none() || follows_the_end(&recorded.event);
        let general = [
            (recorded.version == self.length(), "its number is not the next one"),
            (open, "the case has ended"),
        ];
        let checks = self.checks(&recorded.event);
        general.iter().chain(&checks).find(|(holds, _)| !holds).map(|(_, reason)| *reason)
    }

    fn checks(&self, event: &CaseEvent) -> Checks {
        match event {
            CaseEvent::Submitted(_) => vec![(self.submitted().is_none(), "the case was submitted")],
            CaseEvent::Registered(_) => vec![
                (self.submitted().is_some(), "the case was not submitted"),
                (self.registered().is_none(), "the case was registered"),
            ],
            CaseEvent::Joined(_) => vec![
                (self.registered().is_some(), "the case was not registered"),
                (self.length().get() == 2, "it does not directly follow the registration"),
            ],
            CaseEvent::IntakeRefused(refused) => self.intake_checks(refused.official.is_some()),
            CaseEvent::Decided(_)
            | CaseEvent::Cancelled(_)
            | CaseEvent::Assigned(_)
            | CaseEvent::DeadlineWarned(_)
            | CaseEvent::DeadlineBreached(_)
            | CaseEvent::TermChanged(_) => self.under_way(),
            CaseEvent::ResultIssued(_) => {
                vec![(self.outcome() == Some(Outcome::Granted), "the case was not granted")]
            }
            CaseEvent::RefusalIssued { grounds } => {
                let decided = self.decided().map(|(decided, _)| &decided.grounds);
                let same = decided
                    .is_some_and(|found| found.iter().map(|ground| &ground.code).eq(grounds));
                vec![
                    (self.outcome() == Some(Outcome::Refused), "the case was not refused"),
                    (same, "the grounds are not those of the decision"),
                ]
            }
            CaseEvent::ClockSuspended(_) | CaseEvent::ClockResumed(_) => self.clock_checks(event),
            CaseEvent::StageBegun(_) | CaseEvent::StageBreached(_) => self.stage_checks(event),
            CaseEvent::Proposed(_) | CaseEvent::Agreed(_) | CaseEvent::Returned(_) => {
                self.approval_checks(event)
            }
            CaseEvent::NoticeQueued(notice) => {
                vec![(notice.about < self.length(), "it tells of an event that is not there")]
            }
            CaseEvent::NoticeSettled(settled) => {
                vec![(self.notices().contains(&settled.notice), "no such notice waits")]
            }
            CaseEvent::ResultWithdrawn(event) => {
                let entry = self.result().map(|result| &result.registry_entry);
                let own = entry == Some(&event.registry_entry);
                vec![(own, "the entry is not the result of the case")]
            }
            CaseEvent::DocumentIssued(_) => vec![(self.decided().is_some(), "nothing was decided")],
            _ => self.request_checks(event),
        }
    }

    /// The program refuses instead of registering; an official may also check afterwards.
    fn intake_checks(&self, by_official: bool) -> Checks {
        let proposed = self.proposal().is_some_and(|proposal| !proposal.returned);
        vec![
            (self.submitted().is_some(), "the case was not submitted"),
            (by_official || self.registered().is_none(), "the case was registered"),
            (self.decided().is_none(), "the case was decided"),
            (!proposed, "a proposal waits for agreement"),
        ]
    }

    fn under_way(&self) -> Checks {
        vec![
            (self.registered().is_some(), "the case was not registered"),
            (self.decided().is_none(), "the case was decided"),
        ]
    }

    fn request_checks(&self, event: &CaseEvent) -> Checks {
        let mut checks = match event {
            CaseEvent::AnswerSetAside(_) => {
                return vec![(self.submitted().is_some(), "the case was not submitted")];
            }
            _ => self.under_way(),
        };
        let sent = |code| self.requests().contains_key(code);
        let open = |code| {
            let request = self.requests().get(code);
            request.is_none_or(RequestState::is_open)
        };
        match event {
            CaseEvent::RequestSent(event) => {
                checks.push((!sent(&event.request), "the request was sent"));
                checks.push((!self.omitted().contains(&event.request), "it was left out"));
            }
            CaseEvent::RequestOmitted(code) => {
                checks.push((!sent(code), "the request was sent"));
                checks.push((!self.omitted().contains(code), "it was left out"));
            }
            CaseEvent::RequestAnswered(event) => {
                checks.push((sent(&event.request), "the request was not sent"));
                checks.push((open(&event.request), "the request was answered, or its term ended"));
                let waits = self.open_subrequests(event.request.as_str());
                checks.push((waits == 0, "a mandatory subrequest of it is open"));
            }
            CaseEvent::RequestTimedOut(code) => {
                checks.push((sent(code), "the request was not sent"));
                checks.push((open(code), "the request was answered, or its term ended"));
                checks.push((self.awaits_reply(code), "an official took the request over"));
            }
            CaseEvent::RequestEscalated(event) => {
                checks.push((self.may_escalate(event), "the request does not ask for an official"));
            }
            CaseEvent::RequestRetried(event) => {
                checks.push((self.awaits_reply(&event.request), "no reply is awaited"));
                let attempt = self.requests().get(&event.request).map(|request| request.attempt);
                let next = attempt.is_some_and(|attempt| attempt + 1 == event.attempt);
                checks.push((next, "it is not the next sending"));
            }
            CaseEvent::RequestBreached(event) => {
                let request = self.requests().get(&event.request);
                let waits = request.is_some_and(|one| one.is_open() && !one.breached);
                checks.push((waits, "the request waits for nothing, or its breach is on record"));
                let same = request.is_some_and(|request| request.sent.due == event.due);
                checks.push((same, "the request has another term"));
            }
            CaseEvent::SubrequestOpened(event) => {
                let path = event.subrequest.as_str();
                let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
                checks.push((self.is_open(parent), "what it belongs to is not open"));
                checks.push((!self.subrequests().contains_key(&event.subrequest), "it was opened"));
            }
            CaseEvent::SubrequestAnswered(SubrequestAnswered { subrequest, .. })
            | CaseEvent::SubrequestCancelled(subrequest) => {
                checks.push((self.is_open(subrequest.as_str()), "the subrequest is not open"));
                let waits = self.open_subrequests(subrequest.as_str());
                let cancels = matches!(event, CaseEvent::SubrequestCancelled(_));
                checks.push((waits == 0 || cancels, "a mandatory subrequest of it is open"));
            }
            _ => {}
        }
        checks
    }

    fn awaits_reply(&self, code: &StepCode) -> bool {
        self.requests().get(code).is_some_and(RequestState::awaits_reply)
    }

    /// An official takes a request over once: as soon as it brought nothing, or when no reply came.
    fn may_escalate(&self, event: &RequestEscalated) -> bool {
        let Some(request) = self.requests().get(&event.request) else { return false };
        let answered = request.answered.as_ref().map(|answered| answered.event.outcome);
        let fits = match event.reason {
            EscalationReason::NoData => answered == Some(RequestOutcome::NoData),
            EscalationReason::TimedOut => request.timed_out,
            EscalationReason::Unanswered => request.is_open(),
        };
        fits && request.escalated.is_none()
    }

    fn clock_checks(&self, event: &CaseEvent) -> Checks {
        let mut checks = self.under_way();
        let suspended = self.clock().and_then(|clock| clock.suspended.as_ref());
        match event {
            CaseEvent::ClockSuspended(_) => {
                checks.push((suspended.is_none(), "the clock stands still"));
            }
            CaseEvent::ClockResumed(event) => {
                let same = suspended.is_some_and(|found| found.request == event.request);
                checks.push((same, "the clock does not stand still for this request"));
            }
            _ => {}
        }
        checks
    }

    fn stage_checks(&self, event: &CaseEvent) -> Checks {
        let mut checks = self.under_way();
        let waiting = self.proposal().filter(|proposal| !proposal.returned);
        match event {
            CaseEvent::StageBegun(begun) => {
                let agreement = begun.stage != Procedure::Proposal;
                checks.push((agreement == waiting.is_some(), "the case is at another stage"));
                checks.push((begun.at <= begun.due, "its term ends before it begins"));
            }
            CaseEvent::StageBreached(event) => {
                let same = self.stage().is_some_and(|known| {
                    let (stage, due) = (known.begun.stage, known.begun.due);
                    !known.breached && (stage, due) == (event.stage, event.due)
                });
                checks.push((same, "no such stage is under way, or its breach is on record"));
            }
            _ => {}
        }
        checks
    }

    fn approval_checks(&self, event: &CaseEvent) -> Checks {
        let mut checks = self.under_way();
        let waiting = self.proposal().filter(|proposal| !proposal.returned);
        match event {
            CaseEvent::Proposed(_) => {
                checks.push((waiting.is_none(), "a proposal waits for agreement"));
            }
            CaseEvent::Agreed(Agreed { proposal, .. })
            | CaseEvent::Returned(Returned { proposal, .. }) => {
                let same = waiting.is_some_and(|waiting| waiting.version == *proposal);
                checks.push((same, "no such proposal waits for agreement"));
            }
            _ => {}
        }
        checks
    }

    fn outcome(&self) -> Option<Outcome> {
        self.decided().map(|(decided, _)| decided.outcome)
    }

    /// Mandatory subrequests directly below a request or subrequest that are open.
    #[must_use]
    pub fn open_subrequests(&self, path: &str) -> usize {
        let below = |child: &str| child.rsplit_once('.').is_some_and(|(parent, _)| parent == path);
        let open = self.subrequests().iter().filter(|(child, subrequest)| {
            below(child.as_str()) && subrequest.opened.mandatory && !subrequest.is_closed()
        });
        open.count()
    }

    /// Whether a request or subrequest of this path was sent and is still open.
    #[must_use]
    pub fn is_open(&self, path: &str) -> bool {
        let request = self.requests().iter().find(|(code, _)| code.as_str() == path);
        let subrequest = self.subrequests().iter().find(|(code, _)| code.as_str() == path);
        match (request, subrequest) {
            (Some((_, request)), _) => request.is_open(),
            (None, Some((_, subrequest))) => !subrequest.is_closed(),
            (None, None) => false,
        }
    }
}

/// What may come when a case has ended: papers and news of it, and what came too late.
pub const fn follows_the_end(event: &CaseEvent) -> bool {
    matches!(
        event,
        CaseEvent::DocumentIssued(_)
            | CaseEvent::ResultWithdrawn(_)
            | CaseEvent::NoticeQueued(_)
            | CaseEvent::NoticeSettled(_)
            | CaseEvent::AnswerSetAside(_)
    )
}
