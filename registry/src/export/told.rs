//! What an event tells of objects: its case, request, decision, entry and officials.
//!
//! Submission and registration happen at the instant from which the term runs, which may be before
//! the log took them; every other event happens when the log took it.

use std::collections::BTreeMap;

use letopis_ledger::Timestamp;
use letopis_ledger::id::StreamName;
use letopis_ledger::leaf::Leaf;

use crate::event::{
    Arrival, Basis, CancelledBy, CaseEvent, CaseId, Cause, DomainEvent, EntryEvent, OfficialId,
    Registered, RequestTarget, Submitted,
};

/// The kinds of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A case.
    Application,
    /// A request of a case, or one below it.
    Request,
    /// The decision of a case.
    Decision,
    /// An entry of a registry.
    Entry,
    /// An official, by id.
    Official,
}

/// An object that an event tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    /// Its id in the export.
    pub(super) id: String,
    /// Its kind.
    pub(super) kind: Kind,
    /// What it is to the event.
    pub(super) role: &'static str,
    /// What is known of it, by name; only the event that makes an object knows anything.
    pub(super) attributes: Vec<(&'static str, String)>,
    /// Objects that it belongs to, and how.
    pub(super) belongs: Vec<(String, &'static str)>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// The stream.
    pub(super) stream: StreamName,
    /// The event's type.
    pub(super) event_type: String,
    /// When it happened.
    pub(super) at: Timestamp,
    /// Its leaf and its number in the leaf.
    pub(super) place: (u64, usize),
    /// The agency whose record it is in.
    pub(super) agency: String,
    /// How it came out, where there is more than one way.
    pub(super) outcome: Option<String>,
    /// What it tells of.
    pub(super) objects: Vec<Object>,
}

impl Kind {
    pub(super) const ALL: [Self; 5] =
        [Self::Application, Self::Request, Self::Decision, Self::Entry, Self::Official];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Request => "request",
            Self::Decision => "decision",
            Self::Entry => "entry",
            Self::Official => "official",
        }
    }

    /// Names of what is known of such an object.
    pub(super) const fn attributes(self) -> &'static [&'static str] {
        match self {
            Self::Application => &["service", "channel", "agency", "number"],
            Self::Request => &["step", "asked", "addressee", "mandatory"],
            Self::Decision => &["outcome", "grounds"],
            Self::Entry => &["registry", "number"],
            Self::Official => &[],
        }
    }
}

/// The events of cases and entries in a leaf; what cannot be read is left out, as everywhere.
pub(super) fn told(leaf: &Leaf) -> Vec<Told> {
    let record = leaf.record();
    let read = |event| DomainEvent::read(event).ok().flatten();
    let events: Vec<_> = record.events().iter().map(|event| (event, read(event))).collect();
    // A leaf that submits an application registers it, too.
    let registered: BTreeMap<&StreamName, &Registered> = events
        .iter()
        .filter_map(|(event, read)| match read {
            Some(DomainEvent::Case(CaseEvent::Registered(registered))) => {
                Some((&event.stream, registered))
            }
            _ => None,
        })
        .collect();
    let mut told = Vec::new();
    for (number, (event, read)) in events.iter().enumerate() {
        let registered = registered.get(&event.stream).copied();
        let (objects, outcome) = match read {
            Some(DomainEvent::Case(case)) => {
                let Ok(id) = CaseId::of_stream(&event.stream) else { continue };
                let agency = record.author().as_str();
                (of_case(id, case, agency, registered), outcome(case))
            }
            Some(DomainEvent::Entry(entry)) => (of_entry(&event.stream, entry), None),
            _ => continue,
        };
        let begins = matches!(
            read,
            Some(DomainEvent::Case(CaseEvent::Submitted(_) | CaseEvent::Registered(_)))
        );
        let at = registered.filter(|_| begins).map(|registered| registered.registered_at);
        told.push(Told {
            stream: event.stream.clone(),
            event_type: event.event_type.to_string(),
            at: at.unwrap_or(leaf.time()),
            place: (leaf.index().get(), number),
            agency: record.author().to_string(),
            outcome,
            objects,
        });
    }
    told
}

fn of_case(
    id: CaseId,
    event: &CaseEvent,
    agency: &str,
    registered: Option<&Registered>,
) -> Vec<Object> {
    let case = id.stream().to_string();
    let mut objects = vec![match event {
        CaseEvent::Submitted(submitted) => application(&case, submitted, agency, registered),
        _ => plain(case.clone(), Kind::Application, "case"),
    }];
    objects.extend(request_of(&case, event));
    objects.extend(decision_of(&case, event));
    objects.extend(entry_of(event));
    let official = |(official, role): (OfficialId, &'static str)| {
        plain(official.stream().to_string(), Kind::Official, role)
    };
    objects.extend(officials_of(event).into_iter().map(official));
    objects
}

/// The entry that an event of a case is about, and what began a review of it.
fn entry_of(event: &CaseEvent) -> Vec<Object> {
    let entry = |stream: &StreamName, role| plain(stream.to_string(), Kind::Entry, role);
    match event {
        CaseEvent::ResultIssued(result) => vec![entry(&result.registry_entry, "entry")],
        CaseEvent::ResultWithdrawn(withdrawn) => vec![entry(&withdrawn.registry_entry, "entry")],
        CaseEvent::Submitted(Submitted { about: Some(about), .. }) => {
            let mut objects = vec![entry(&about.entry.stream, "entry")];
            if let Cause::Review { fact } = &about.cause {
                objects.push(entry(&fact.stream, "evidence"));
            }
            objects
        }
        _ => vec![],
    }
}

fn application(
    case: &str,
    submitted: &Submitted,
    agency: &str,
    registered: Option<&Registered>,
) -> Object {
    let mut attributes = vec![
        ("service", submitted.service.to_string()),
        ("channel", submitted.channel.to_string()),
        ("agency", agency.to_owned()),
    ];
    attributes.extend(registered.map(|registered| ("number", registered.number.clone())));
    Object { attributes, ..plain(case.to_owned(), Kind::Application, "case") }
}

fn request_of(case: &str, event: &CaseEvent) -> Option<Object> {
    let path = match event {
        CaseEvent::RequestSent(sent) => sent.request.as_str(),
        CaseEvent::RequestOmitted(code) | CaseEvent::RequestTimedOut(code) => code.as_str(),
        CaseEvent::RequestAnswered(answered) => answered.request.as_str(),
        CaseEvent::RequestEscalated(escalated) => escalated.request.as_str(),
        CaseEvent::RequestRetried(retried) => retried.request.as_str(),
        CaseEvent::RequestBreached(breached) => breached.request.as_str(),
        CaseEvent::SubrequestOpened(opened) => opened.subrequest.as_str(),
        CaseEvent::SubrequestAnswered(answered) => answered.subrequest.as_str(),
        CaseEvent::SubrequestCancelled(path) => path.as_str(),
        CaseEvent::ClockSuspended(suspended) => suspended.request.as_str(),
        CaseEvent::ClockResumed(resumed) => resumed.request.as_str(),
        _ => return None,
    };
    let mut object = plain(format!("{case}#{path}"), Kind::Request, "request");
    object.belongs.push((case.to_owned(), "of"));
    if let Some((above, _)) = path.rsplit_once('.') {
        object.belongs.push((format!("{case}#{above}"), "below"));
    }
    object.attributes.push(("step", path.to_owned()));
    let asked = |kind: &str, name: &str, mandatory: bool| {
        [("asked", kind), ("addressee", name), ("mandatory", if mandatory { "yes" } else { "no" })]
            .map(|(key, value)| (key, value.to_owned()))
    };
    match event {
        CaseEvent::RequestSent(sent) => {
            object.attributes.extend(asked(sent.target.kind(), sent.target.name(), sent.mandatory))
        }
        CaseEvent::SubrequestOpened(opened) => {
            object.attributes.extend(asked("subrequest", &opened.addressee, opened.mandatory))
        }
        _ => {}
    }
    Some(object)
}

fn decision_of(case: &str, event: &CaseEvent) -> Option<Object> {
    let mut object = plain(format!("{case}#decision"), Kind::Decision, "decision");
    object.belongs.push((case.to_owned(), "of"));
    match event {
        CaseEvent::Decided(decided) => {
            let grounds: Vec<&str> =
                decided.grounds.iter().map(|ground| ground.code.as_str()).collect();
            object.attributes.push(("outcome", decided.outcome.as_str().to_owned()));
            object.attributes.push(("grounds", grounds.join(" ")));
            Some(object)
        }
        CaseEvent::ResultIssued(_) | CaseEvent::RefusalIssued { .. } => Some(object),
        _ => None,
    }
}

fn of_entry(stream: &StreamName, event: &EntryEvent) -> Vec<Object> {
    let mut entry = plain(stream.to_string(), Kind::Entry, "entry");
    let mut objects = Vec::new();
    let basis = match event {
        EntryEvent::Created(created) => {
            entry.attributes.push(("registry", created.registry.to_string()));
            entry.attributes.extend(created.number.clone().map(|number| ("number", number)));
            Some(&created.basis)
        }
        EntryEvent::Amended(amended) => Some(&amended.basis),
        EntryEvent::Revised(revised) => Some(&revised.basis),
        EntryEvent::Excluded(removed) => Some(&removed.basis),
        EntryEvent::Expired { .. } => None,
    };
    if let Some(Basis::Decision { stream, .. }) = basis {
        let decision = format!("{stream}#decision");
        entry.belongs.push((decision.clone(), "by"));
        objects.push(plain(stream.to_string(), Kind::Application, "case"));
        objects.push(plain(decision, Kind::Decision, "basis"));
    }
    if let Some(Basis::Fact { source, .. }) = basis {
        objects.push(plain(source.stream.to_string(), Kind::Entry, "evidence"));
    }
    objects.insert(0, entry);
    objects
}

/// Officials that an event of a case names, and what each is to it.
fn officials_of(event: &CaseEvent) -> Vec<(OfficialId, &'static str)> {
    let came = |came: &Arrival| -> Vec<(OfficialId, &'static str)> {
        let by = came.official.map(|official| (official, "by"));
        by.into_iter().chain(came.second.map(|official| (official, "witness"))).collect()
    };
    let by = |official: Option<OfficialId>| official.map(|one| (one, "by")).into_iter().collect();
    match event {
        CaseEvent::Assigned(assigned) => {
            let chosen = assigned.by.map(|official| (official, "by"));
            std::iter::once((assigned.official, "assigned")).chain(chosen).collect()
        }
        CaseEvent::Proposed(proposed) => vec![(proposed.official, "by")],
        CaseEvent::Agreed(agreed) => vec![(agreed.official, "by")],
        CaseEvent::Returned(returned) => vec![(returned.official, "by")],
        CaseEvent::RequestSent(sent) => match sent.target {
            RequestTarget::Executor(_, official) => vec![(official, "asked")],
            _ => vec![],
        },
        CaseEvent::RequestAnswered(answered) => {
            answered.came.as_ref().map(came).unwrap_or_default()
        }
        CaseEvent::RequestEscalated(escalated) => {
            escalated.official.map(|official| (official, "assigned")).into_iter().collect()
        }
        CaseEvent::SubrequestAnswered(answered) => came(&answered.came),
        CaseEvent::AnswerSetAside(aside) => came(&aside.came),
        CaseEvent::SubrequestOpened(opened) => by(opened.official),
        CaseEvent::Submitted(submitted) => {
            by(submitted.entered.as_ref().map(|entered| entered.official))
        }
        CaseEvent::IntakeRefused(refused) => by(refused.official),
        CaseEvent::NoticeSettled(settled) => by(settled.official),
        CaseEvent::Cancelled(cancelled) => match cancelled.by {
            CancelledBy::Official(official) => vec![(official, "by")],
            CancelledBy::Applicant | CancelledBy::EntryGone => vec![],
        },
        _ => vec![],
    }
}

fn outcome(event: &CaseEvent) -> Option<String> {
    match event {
        CaseEvent::RequestAnswered(answered) => Some(answered.outcome.as_str().to_owned()),
        CaseEvent::RequestEscalated(escalated) => Some(escalated.reason.as_str().to_owned()),
        CaseEvent::SubrequestAnswered(answered) => Some(answered.outcome.as_str().to_owned()),
        CaseEvent::AnswerSetAside(aside) => Some(aside.reason.as_str().to_owned()),
        CaseEvent::Proposed(proposed) => Some(proposed.decision.outcome.as_str().to_owned()),
        CaseEvent::Decided(decided) => Some(decided.outcome.as_str().to_owned()),
        _ => None,
    }
}

const fn plain(id: String, kind: Kind, role: &'static str) -> Object {
    Object { id, kind, role, attributes: Vec::new(), belongs: Vec::new() }
}
