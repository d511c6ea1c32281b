//! A case of a complex request, written by hand from `docs/EVENTS.md`: sound ones hold, and every
//! statement that is made otherwise is found.

use letopis_ledger::json::{Json, Object};
use letopis_ledger::record::Event;
use letopis_verifier::finding::Rule;

use super::decision_case::{CASE, CaseSpec};
use super::written::{Written, ZARECHNY, list};

const COMPLEX: &str = "complex/019ba000-0000-7000-8000-000000000009";
const OTHER: &str = "application/019ba000-0000-7000-8000-000000000008";

/// The leaf that closes the other case's request.
pub(crate) const CLOSED_LEAF: u64 = 4;
/// The leaf that sends the request that waited.
pub(crate) const RELEASED_LEAF: u64 = 5;

/// How the case is joined to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joint {
    /// The other case's answer serves.
    Satisfied,
    /// The other case was called off.
    Lapsed,
    /// The other case left its request out.
    LapsedByOmission,
    NotOpened,
    OpenedBefore,
    NotLinked,
    OtherService,
    OtherNotBegun,
    SaysNothing,
    NoSuchAnswer,
    AnswerOfAnotherRequest,
    OtherOutcome,
    OtherSource,
    LapsedThoughAnswered,
    LapsedThoughOpen,
}

impl Joint {
    fn own() -> String {
        format!("application/{CASE}")
    }

    /// What stands before the case's own events in the record that begins it.
    pub(crate) fn opening(self, written: &mut Written) -> Vec<Event> {
        let linked =
            |service: &str, case: &str| Object::new().with("service", service).with("case", case);
        let own_service = if self == Self::OtherService { "benefit" } else { "parking" };
        let mut events = Vec::new();
        if self == Self::OpenedBefore {
            written.event(COMPLEX, "complex_request.opened", Object::new());
        }
        if self != Self::NotOpened {
            events.push(written.event(COMPLEX, "complex_request.opened", Object::new()));
        }
        let other = linked("benefit", OTHER);
        events.push(written.event(COMPLEX, "complex_request.service_linked", other));
        if self != Self::NotLinked {
            let own = linked(own_service, &Self::own());
            events.push(written.event(COMPLEX, "complex_request.service_linked", own));
        }
        if self != Self::OtherNotBegun {
            events.push(written.event(OTHER, "application.submitted", Object::new()));
        }
        events
    }

    pub(crate) fn joined(self, written: &mut Written) -> Event {
        let wait = Object::new()
            .with("request", "residence")
            .with("case", OTHER)
            .with("answer", "address");
        let data = Object::new()
            .with("complex_request", COMPLEX)
            .with("waits", vec![Json::from(wait)])
            .with("also_takes", Vec::<Json>::new());
        written.event(&Self::own(), "application.joined", data)
    }

    /// The other case closes its request; then the one that waited is `sent` and answered.
    pub(crate) fn release(self, written: &mut Written, sent: Object) {
        let request = match self {
            Self::AnswerOfAnotherRequest => "income",
            _ => "address",
        };
        let answered = Object::new().with("request", request).with("outcome", "answered");
        let closed = match self {
            Self::Lapsed => {
                written.event(OTHER, "application.cancelled", Object::new().with("by", "applicant"))
            }
            Self::LapsedByOmission => {
                written.event(OTHER, "request.omitted", Object::new().with("request", request))
            }
            Self::LapsedThoughOpen => written.event("note/2", "note.taken", Object::new()),
            _ => written.event(OTHER, "request.answered", answered),
        };
        let version = closed.version;
        written.push(ZARECHNY, vec![closed]);
        let leaf = if self == Self::NoSuchAnswer { 3 } else { u32::try_from(CLOSED_LEAF).unwrap() };
        let by = Object::new()
            .with("stream", OTHER)
            .with("version", u32::try_from(version.get()).unwrap())
            .with("leaf", leaf);
        let lapsed = matches!(
            self,
            Self::Lapsed
                | Self::LapsedByOmission
                | Self::LapsedThoughAnswered
                | Self::LapsedThoughOpen
        );
        let outcome = if self == Self::OtherOutcome { "no_data" } else { "answered" };
        let mut answer = Object::new().with("request", "residence").with("outcome", outcome);
        if !lapsed {
            let source =
                if self == Self::OtherSource { by.clone().with("leaf", 1_u32) } else { by.clone() };
            answer = answer.with("source", source);
        }
        let dependency =
            Object::new().with("case", Self::own().as_str()).with("request", "residence");
        let sent = written.event(&Self::own(), "request.sent", sent);
        let mut events = vec![sent, written.event(&Self::own(), "request.answered", answer)];
        let (name, data) = match lapsed {
            true => ("complex_request.dependency_lapsed", dependency),
            false => ("complex_request.dependency_satisfied", dependency.with("by", by)),
        };
        if self != Self::SaysNothing {
            events.push(written.event(COMPLEX, name, data));
        }
        written.push(ZARECHNY, events);
    }
}

fn joined(joint: Joint) -> CaseSpec {
    CaseSpec::granted().with(|case| case.joint = Some(joint))
}

#[test]
fn a_case_that_waited_for_another_one_is_sound() {
    for joint in [Joint::Satisfied, Joint::Lapsed, Joint::LapsedByOmission] {
        let checked = joined(joint).check();
        assert!(list(&checked.audit.findings).is_empty(), "{:?}", checked.audit.findings);
        assert_eq!(checked.facts["complex_request"], COMPLEX, "{joint:?}");
        assert_eq!(checked.facts["re_executed"], true);
        assert!(checked.statements.iter().any(|said| said.key == "decision.joined"));
    }
}

#[test]
fn every_statement_about_a_complex_request_that_is_made_otherwise_is_found() {
    for joint in [
        Joint::NotOpened,
        Joint::OpenedBefore,
        Joint::NotLinked,
        Joint::OtherService,
        Joint::OtherNotBegun,
        Joint::SaysNothing,
        Joint::NoSuchAnswer,
        Joint::AnswerOfAnotherRequest,
        Joint::OtherOutcome,
        Joint::OtherSource,
        Joint::LapsedThoughAnswered,
        Joint::LapsedThoughOpen,
    ] {
        let checked = joined(joint).check();
        assert!(checked.audit.findings.broke(Rule::ComplexRequest), "{joint:?}");
    }
}
