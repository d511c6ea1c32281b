//! The state of a case, folded from its events.
//!
//! `evolve` takes each event in its place and refuses any other, so a state always tells of a
//! case that went by the rules. Private values are not here; the state knows their digests.

use std::collections::BTreeMap;

use letopis_ledger::disclosure::DisclosureDigest;
use letopis_ledger::id::StreamName;
use letopis_ledger::{StreamVersion, Timestamp};
use thiserror::Error;

use crate::code::StepCode;
use crate::event::{
    CaseEvent, Decided, Outcome, PackRef, Registered, RequestAnswered, RequestSent, ResultIssued,
    Submitted,
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
    requests: BTreeMap<StepCode, RequestState>,
    decided: Option<(Decided, StreamVersion)>,
    ended: Option<Outcome>,
    result: Option<ResultIssued>,
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
            requests: BTreeMap::new(),
            decided: None,
            ended: None,
            result: None,
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
            CaseEvent::Registered(event) => self.registered = Some(event),
            CaseEvent::RequestSent(sent) => {
                let request = sent.request.clone();
                self.requests.insert(request, RequestState { sent, private, answered: None });
            }
            CaseEvent::RequestAnswered(event) => {
                let request = self.requests.get_mut(&event.request);
                let request = request.expect("invariant: misplaced() saw the request");
                request.answered = Some(Answered { event, version: recorded.version, private });
            }
            CaseEvent::Decided(event) => self.decided = Some((event, recorded.version)),
            CaseEvent::ResultIssued(event) => {
                self.ended = Some(Outcome::Granted);
                self.result = Some(event);
            }
            CaseEvent::RefusalIssued { .. } => self.ended = Some(Outcome::Refused),
        }
        Ok(())
    }

    fn misplaced(&self, recorded: &RecordedCaseEvent) -> Option<&'static str> {
        let outcome = self.decided.as_ref().map(|(decided, _)| decided.outcome);
        let checks: &[(bool, &'static str)] = match &recorded.event {
            CaseEvent::Submitted(_) => &[(self.submitted.is_none(), "the case was submitted")],
            CaseEvent::Registered(_) => &[
                (self.submitted.is_some(), "the case was not submitted"),
                (self.registered.is_none(), "the case was registered"),
            ],
            CaseEvent::RequestSent(sent) => &[
                (self.registered.is_some(), "the case was not registered"),
                (self.decided.is_none(), "the case was decided"),
                (!self.requests.contains_key(&sent.request), "the request was sent"),
            ],
            CaseEvent::RequestAnswered(answer) => {
                let request = self.requests.get(&answer.request);
                &[
                    (self.decided.is_none(), "the case was decided"),
                    (request.is_some(), "the request was not sent"),
                    (request.is_none_or(|r| r.answered.is_none()), "the request was answered"),
                ]
            }
            CaseEvent::Decided(_) => &[
                (self.registered.is_some(), "the case was not registered"),
                (self.decided.is_none(), "the case was decided"),
            ],
            CaseEvent::ResultIssued(_) => {
                &[(outcome == Some(Outcome::Granted), "the case was not granted")]
            }
            CaseEvent::RefusalIssued { grounds } => {
                let decided = self.decided.as_ref().map(|(decided, _)| &decided.grounds);
                let same = decided
                    .is_some_and(|found| found.iter().map(|ground| &ground.code).eq(grounds));
                &[
                    (outcome == Some(Outcome::Refused), "the case was not refused"),
                    (same, "the grounds are not those of the decision"),
                ]
            }
        };
        let general = [
            (recorded.version == self.length, "its number is not the next one"),
            (self.ended.is_none(), "the case has ended"),
        ];
        general.iter().chain(checks).find(|(holds, _)| !holds).map(|(_, reason)| *reason)
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
            (Some(Outcome::Granted), _) => CaseStatus::Granted,
            (Some(Outcome::Refused), _) => CaseStatus::Refused,
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
