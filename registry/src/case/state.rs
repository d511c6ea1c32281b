//! The state of a case, folded from its events.
//!
//! `evolve` takes each event in its place and refuses any other, so a state always tells of a
//! case that went by the rules. Private values are not here; the state knows their digests.

use std::collections::{BTreeMap, BTreeSet};

use letopis_ledger::disclosure::DisclosureDigest;
use letopis_ledger::id::StreamName;
use letopis_ledger::{StreamVersion, Timestamp};
use thiserror::Error;

use super::CaseClock;
use crate::code::{FieldPath, StepCode};
use crate::event::{
    About, Agreed, Assigned, AwaitedAnswer, CaseEvent, Decided, DocumentIssued, Joined, PackRef,
    Proposed, Registered, RequestAnswered, RequestEscalated, RequestSent, ResultIssued, StageBegun,
    Submitted, SubrequestAnswered, SubrequestOpened,
};

/// An event of a case as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedCaseEvent {
    /// Its number in the case's stream.
    pub version: StreamVersion,
    /// What happened.
    pub event: CaseEvent,
    /// Digests of its private fields.
    pub private: Vec<DisclosureDigest>,
}

/// The state of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseState {
    stream: StreamName,
    length: StreamVersion,
    submitted: Option<Submitted>,
    form_digests: Vec<DisclosureDigest>,
    registered: Option<Registered>,
    joined: Option<Joined>,
    clock: Option<CaseClock>,
    assigned: Option<Assigned>,
    requests: BTreeMap<StepCode, RequestState>,
    omitted: BTreeSet<StepCode>,
    subrequests: BTreeMap<FieldPath, SubrequestState>,
    proposal: Option<ProposalState>,
    stage: Option<StageState>,
    decided: Option<(Decided, StreamVersion)>,
    ended: Option<CaseStatus>,
    result: Option<ResultIssued>,
    notices: BTreeSet<StreamVersion>,
    documents: Vec<DocumentIssued>,
}

/// A request of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestState {
    /// How it was sent.
    pub sent: RequestSent,
    /// Digests of what it was sent with.
    pub private: Vec<DisclosureDigest>,
    /// Its answer, when there is one.
    pub answered: Option<Answered>,
    /// Whether its term ended without one, and the case goes on so.
    pub timed_out: bool,
    /// Who took it over, when it brought nothing; it is open again from then on.
    pub escalated: Option<RequestEscalated>,
    /// How often it was sent.
    pub attempt: u32,
    /// When it is sent again or given up; never when the regulation asks once.
    pub retry_at: Option<Timestamp>,
    /// Whether it is on record that its term has passed.
    pub breached: bool,
}

/// The answer of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The event.
    pub event: RequestAnswered,
    /// Its number in the case's stream.
    pub version: StreamVersion,
    /// Digests of the facts.
    pub private: Vec<DisclosureDigest>,
}

/// A request that the one asked sent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubrequestState {
    /// How it was opened.
    pub opened: SubrequestOpened,
    /// Its answer, when there is one.
    pub answered: Option<SubrequestAnswered>,
    /// Whether it is no longer needed.
    pub cancelled: bool,
}

/// The newest proposal of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposalState {
    /// The event.
    pub event: Proposed,
    /// Its number in the case's stream.
    pub version: StreamVersion,
    /// Digests of the inputs and the motive.
    pub private: Vec<DisclosureDigest>,
    /// Who agreed.
    pub agreed: Vec<Agreed>,
    /// Whether somebody returned it.
    pub returned: bool,
}

/// The newest stage with a term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageState {
    /// How it began.
    pub begun: StageBegun,
    /// The newest proposal then.
    pub proposal: Option<StreamVersion>,
    /// Whether it is on record that its term has passed.
    pub breached: bool,
}

/// How far a case has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CaseStatus {
    /// Nothing happened yet.
    Absent,
    /// Submitted and not ended.
    InProgress,
    /// Ended with a result.
    Granted,
    /// Ended with a refusal.
    Refused,
    /// The application was not taken.
    NotTaken,
    /// Somebody wanted no more of it.
    Cancelled,
}

/// An event that cannot follow what happened before.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{stream}: event {version} ({event}) cannot follow: {reason}")]
pub struct OutOfPlace {
    /// The case's stream.
    pub stream: StreamName,
    /// The event's number.
    pub version: StreamVersion,
    /// Its type.
    pub event: &'static str,
    /// Why not.
    pub reason: &'static str,
}

impl CaseStatus {
    /// How a case may end.
    pub const ENDED: [Self; 4] = [Self::Granted, Self::Refused, Self::NotTaken, Self::Cancelled];
}

impl CaseState {
    /// The state before anything happened.
    #[must_use]
    pub const fn new(stream: StreamName) -> Self {
        Self {
            stream,
            length: StreamVersion::ZERO,
            submitted: None,
            form_digests: Vec::new(),
            registered: None,
            joined: None,
            clock: None,
            assigned: None,
            requests: BTreeMap::new(),
            omitted: BTreeSet::new(),
            subrequests: BTreeMap::new(),
            proposal: None,
            stage: None,
            decided: None,
            ended: None,
            result: None,
            notices: BTreeSet::new(),
            documents: Vec::new(),
        }
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// The event cannot follow; the state is unchanged.
    pub fn evolve(&mut self, recorded: &RecordedCaseEvent) -> Result<(), OutOfPlace> {
        if let Some(reason) = self.misplaced(recorded) {
            return Err(OutOfPlace {
                stream: self.stream.clone(),
                version: recorded.version,
                event: crate::event::DomainEvent::Case(recorded.event.clone()).event_type(),
                reason,
            });
        }
        self.length = recorded.version.next();
        let private = recorded.private.clone();
        match recorded.event.clone() {
            CaseEvent::Submitted(event) => {
                self.submitted = Some(event);
                self.form_digests = private;
            }
            CaseEvent::Registered(event) => {
                self.clock = Some(CaseClock::start(&event));
                self.registered = Some(event);
            }
            CaseEvent::Joined(event) => self.joined = Some(event),
            CaseEvent::Assigned(event) => self.assigned = Some(event),
            CaseEvent::Decided(event) => self.decided = Some((event, recorded.version)),
            CaseEvent::ResultIssued(event) => {
                self.ended = Some(CaseStatus::Granted);
                self.result = Some(event);
            }
            CaseEvent::RefusalIssued { .. } => self.ended = Some(CaseStatus::Refused),
            CaseEvent::IntakeRefused(_) => self.ended = Some(CaseStatus::NotTaken),
            CaseEvent::Cancelled(_) => self.ended = Some(CaseStatus::Cancelled),
            CaseEvent::DocumentIssued(event) => self.documents.push(event),
            CaseEvent::NoticeQueued(_) => {
                self.notices.insert(recorded.version);
            }
            CaseEvent::NoticeSettled(event) => {
                self.notices.remove(&event.notice);
            }
            event => self.evolve_work(event, recorded.version, private),
        }
        Ok(())
    }

    /// Requests, the clock and the way to a decision.
    fn evolve_work(
        &mut self,
        event: CaseEvent,
        version: StreamVersion,
        private: Vec<DisclosureDigest>,
    ) {
        match event {
            CaseEvent::RequestSent(sent) => {
                let request = sent.request.clone();
                self.requests.insert(request, RequestState::new(sent, private));
            }
            CaseEvent::RequestOmitted(code) => {
                self.omitted.insert(code);
            }
            CaseEvent::RequestAnswered(event) => {
                let request = self.sent_request(&event.request);
                request.answered = Some(Answered { event, version, private });
            }
            CaseEvent::RequestTimedOut(code) => {
                let request = self.sent_request(&code);
                (request.timed_out, request.breached) = (true, true);
            }
            CaseEvent::RequestEscalated(event) => {
                let request = self.sent_request(&event.request);
                (request.answered, request.timed_out) = (None, false);
                request.escalated = Some(event);
            }
            CaseEvent::RequestRetried(event) => {
                let request = self.sent_request(&event.request);
                (request.attempt, request.retry_at) = (event.attempt, event.retry_at);
            }
            CaseEvent::RequestBreached(event) => self.sent_request(&event.request).breached = true,
            CaseEvent::SubrequestOpened(opened) => {
                let path = opened.subrequest.clone();
                let state = SubrequestState { opened, answered: None, cancelled: false };
                self.subrequests.insert(path, state);
            }
            CaseEvent::SubrequestAnswered(event) => {
                let subrequest = self.subrequests.get_mut(&event.subrequest);
                let subrequest = subrequest.expect("invariant: misplaced() saw the subrequest");
                subrequest.answered = Some(event);
            }
            CaseEvent::SubrequestCancelled(path) => {
                let subrequest = self.subrequests.get_mut(&path);
                subrequest.expect("invariant: misplaced() saw the subrequest").cancelled = true;
            }
            CaseEvent::StageBegun(begun) => {
                let proposal = self.proposal.as_ref().map(|proposal| proposal.version);
                self.stage = Some(StageState { begun, proposal, breached: false });
            }
            CaseEvent::StageBreached(_) => {
                self.stage.as_mut().expect("invariant: misplaced() saw the stage").breached = true;
            }
            CaseEvent::Proposed(event) => {
                let (agreed, returned) = (Vec::new(), false);
                self.proposal = Some(ProposalState { event, version, private, agreed, returned });
            }
            CaseEvent::Agreed(event) => {
                let proposal = self.proposal.as_mut();
                proposal.expect("invariant: misplaced() saw the proposal").agreed.push(event);
            }
            CaseEvent::Returned(_) => {
                let proposal = self.proposal.as_mut();
                proposal.expect("invariant: misplaced() saw the proposal").returned = true;
            }
            event => self.evolve_clock(&event),
        }
    }

    fn sent_request(&mut self, code: &StepCode) -> &mut RequestState {
        self.requests.get_mut(code).expect("invariant: misplaced() saw the request")
    }

    fn evolve_clock(&mut self, event: &CaseEvent) {
        let Some(clock) = self.clock.as_mut() else { return };
        match event {
            CaseEvent::ClockSuspended(event) => clock.suspend(event.clone()),
            CaseEvent::ClockResumed(event) => clock.resume(event),
            CaseEvent::TermChanged(event) => clock.change(event),
            CaseEvent::DeadlineWarned(_) => clock.warned = true,
            CaseEvent::DeadlineBreached(_) => clock.breached = true,
            _ => {}
        }
    }

    /// The case's stream.
    #[must_use]
    pub const fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// How many events the case has.
    #[must_use]
    pub const fn length(&self) -> StreamVersion {
        self.length
    }

    /// How far the case has come.
    #[must_use]
    pub const fn status(&self) -> CaseStatus {
        match (self.ended, &self.submitted) {
            (Some(end), _) => end,
            (None, Some(_)) => CaseStatus::InProgress,
            (None, None) => CaseStatus::Absent,
        }
    }

    /// The submission.
    #[must_use]
    pub const fn submitted(&self) -> Option<&Submitted> {
        self.submitted.as_ref()
    }

    /// The version of the pack that the case follows.
    #[must_use]
    pub fn pack(&self) -> Option<&PackRef> {
        self.submitted.as_ref().map(|submitted| &submitted.pack)
    }

    /// The entry that the case is about, if it follows up one that exists.
    #[must_use]
    pub fn about(&self) -> Option<&About> {
        self.submitted.as_ref().and_then(|submitted| submitted.about.as_ref())
    }

    /// Digests of the form's private fields.
    #[must_use]
    pub fn form_digests(&self) -> &[DisclosureDigest] {
        &self.form_digests
    }

    /// The registration.
    #[must_use]
    pub const fn registered(&self) -> Option<&Registered> {
        self.registered.as_ref()
    }

    /// The complex request that the case is a part of.
    #[must_use]
    pub const fn joined(&self) -> Option<&Joined> {
        self.joined.as_ref()
    }

    /// Requests that are held back until another case has its answer.
    pub fn held(&self) -> impl Iterator<Item = &AwaitedAnswer> {
        let waits = self.joined.iter().flat_map(|joined| &joined.waits);
        waits.filter(|wait| {
            !self.requests.contains_key(&wait.request) && !self.omitted.contains(&wait.request)
        })
    }

    /// Facts that the answer of a request brings for another case, beside those of the regulation.
    pub fn also_takes(&self, request: &StepCode) -> impl Iterator<Item = &FieldPath> {
        let also = self.joined.iter().flat_map(|joined| &joined.also_takes);
        also.filter(move |also| &also.request == request).flat_map(|also| &also.fields)
    }

    /// When the term of the case began.
    #[must_use]
    pub fn registered_at(&self) -> Option<Timestamp> {
        self.registered.as_ref().map(|registered| registered.registered_at)
    }

    /// The requests sent, by code.
    #[must_use]
    pub const fn requests(&self) -> &BTreeMap<StepCode, RequestState> {
        &self.requests
    }

    /// The clock, once the case is registered.
    #[must_use]
    pub const fn clock(&self) -> Option<&CaseClock> {
        self.clock.as_ref()
    }

    /// Who works on the case.
    #[must_use]
    pub const fn assigned(&self) -> Option<&Assigned> {
        self.assigned.as_ref()
    }

    /// Requests that the regulation leaves out for this case.
    #[must_use]
    pub const fn omitted(&self) -> &BTreeSet<StepCode> {
        &self.omitted
    }

    /// Requests that those asked sent on, by path.
    #[must_use]
    pub const fn subrequests(&self) -> &BTreeMap<FieldPath, SubrequestState> {
        &self.subrequests
    }

    /// The newest proposal of a decision.
    #[must_use]
    pub const fn proposal(&self) -> Option<&ProposalState> {
        self.proposal.as_ref()
    }

    /// The newest stage with a term.
    #[must_use]
    pub const fn stage(&self) -> Option<&StageState> {
        self.stage.as_ref()
    }

    /// How the case ended.
    #[must_use]
    pub const fn ended(&self) -> Option<CaseStatus> {
        self.ended
    }

    /// Notices that wait to be sent, by the number of their event.
    #[must_use]
    pub const fn notices(&self) -> &BTreeSet<StreamVersion> {
        &self.notices
    }

    /// The documents that went out, oldest first.
    #[must_use]
    pub fn documents(&self) -> &[DocumentIssued] {
        &self.documents
    }

    /// The decision with its number in the stream.
    #[must_use]
    pub fn decided(&self) -> Option<(&Decided, StreamVersion)> {
        self.decided.as_ref().map(|(decided, version)| (decided, *version))
    }

    /// The result, when the case was granted.
    #[must_use]
    pub const fn result(&self) -> Option<&ResultIssued> {
        self.result.as_ref()
    }

    /// Every digest whose value is needed to decide the case.
    pub fn digests(&self) -> impl Iterator<Item = &DisclosureDigest> {
        let answers = self.requests.values().filter_map(|request| request.answered.as_ref());
        self.form_digests.iter().chain(answers.flat_map(|answered| &answered.private))
    }
}

impl RequestState {
    /// A request that was sent just now.
    fn new(sent: RequestSent, private: Vec<DisclosureDigest>) -> Self {
        let retry_at = sent.retry_at;
        let (answered, escalated) = (None, None);
        Self {
            sent,
            private,
            answered,
            timed_out: false,
            escalated,
            attempt: 1,
            retry_at,
            breached: false,
        }
    }

    /// Whether it has no answer, and none is done without.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.answered.is_none() && !self.timed_out
    }

    /// Whether the one asked may still answer it, and no official took it over.
    #[must_use]
    pub const fn awaits_reply(&self) -> bool {
        self.is_open() && self.escalated.is_none()
    }
}

impl SubrequestState {
    /// Whether nobody waits for its answer any more.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.answered.is_some() || self.cancelled
    }
}
