//! A case that is a part of a complex request: opened with the others, and what waited did wait.
//!
//! What is read here stands in the records of the case itself and in the answers of the cases that
//! it waited for. Not here: those cases, each of which is checked by its own id.

use letopis_ledger::LeafIndex;
use letopis_ledger::id::StreamName;
use letopis_ledger::json::{FieldError, Fields, Object};
use letopis_ledger::record::{Event, Record};

use super::Stop;
use super::case::{
    ANSWERED, Case, ESCALATED, JOINED, OMITTED, SENT, SUBMITTED, TIMED_OUT, events_of, read_event,
};
use super::collect::{CaseEvent, Collector};
use crate::finding::{Finding, Rule};

/// The complex request of a case.
pub(super) struct Joint {
    /// Its stream.
    pub(super) stream: String,
    /// Requests of the case that waited for another case.
    pub(super) waited: usize,
}

/// What `application.joined` states.
struct Joined {
    complex_request: String,
    waits: Vec<Wait>,
}

/// A request that waits for the answer of another case.
pub(super) struct Wait {
    request: String,
    /// Stream of the other case.
    pub(super) case: String,
    answer: String,
}

impl Joined {
    fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object(JOINED, data);
        let mut waits = Vec::new();
        for item in fields.array("waits")? {
            let mut item = Fields::of("wait", item)?;
            waits.push(Wait {
                request: item.string("request")?.to_owned(),
                case: item.string("case")?.to_owned(),
                answer: item.string("answer")?.to_owned(),
            });
        }
        Ok(Self { complex_request: fields.string("complex_request")?.to_owned(), waits })
    }
}

/// Streams of the cases that a case waits for, by its `application.joined`.
pub(super) fn awaited(data: &Object) -> Vec<String> {
    let waits = Joined::read(data).map(|joined| joined.waits).unwrap_or_default();
    waits.into_iter().map(|wait| wait.case).collect()
}

/// Checks what joins a case to others; nothing for a case that is by itself.
pub(super) fn check(case: &Case, collected: &Collector<'_>) -> Result<Option<Joint>, Stop> {
    let mut found = events_of(collected, JOINED);
    let Some((position, event)) = found.next() else { return Ok(None) };
    let broken = |detail: &str| broken(event.place, detail);
    if position != 2 || found.next().is_some() || collected.events[1].place != event.place {
        return Err(broken("the case is joined to others otherwise than at its registration"));
    }
    let joined = read_event(event, Joined::read)?;
    let (record, own) = (event.leaf.record(), event.event().stream.as_str());
    let opened = of_complex(record, &joined.complex_request, "complex_request.opened");
    if opened.into_iter().all(|event| event.version.get() != 0) {
        return Err(broken("the record that begins the case does not open its complex request"));
    }
    let linked = |stream: &str| {
        let all = of_complex(record, &joined.complex_request, "complex_request.service_linked");
        all.into_iter().find(|event| text(event, "case") == Some(stream))
    };
    if linked(own).and_then(|event| text(event, "service")) != Some(&case.submitted.service) {
        return Err(broken("the complex request does not link the case as that of its service"));
    }
    for wait in &joined.waits {
        let begins = record.events().iter().any(|event| {
            event.stream.as_str() == wait.case && event.event_type.as_str() == SUBMITTED
        });
        if linked(&wait.case).is_none() || !begins {
            return Err(broken("a case that it waits for is no part of the complex request"));
        }
        check_wait(collected, &joined.complex_request, own, wait)?;
    }
    Ok(Some(Joint { stream: joined.complex_request, waited: joined.waits.len() }))
}

/// A request that waited was sent only when the other case had closed its own, and the record
/// says so; an answer that serves is the very answer of that case.
fn check_wait(
    collected: &Collector<'_>,
    complex: &str,
    own: &str,
    wait: &Wait,
) -> Result<(), Stop> {
    let is_request = |event: &&CaseEvent| text(event.event(), "request") == Some(&wait.request);
    let sent = events_of(collected, SENT).map(|(_, event)| event).find(is_request);
    // Left out by its condition, or the case was decided without it.
    let Some(sent) = sent else { return Ok(()) };
    let place = sent.place;
    let said = |name| {
        let all = of_complex(sent.leaf.record(), complex, name);
        all.into_iter().find(|event| {
            text(event, "case") == Some(own) && text(event, "request") == Some(&wait.request)
        })
    };
    // What an official took over in the same record was not closed by it.
    let open_again = |at: LeafIndex, event: &Event| {
        collected.others.iter().any(|(other, escalated)| {
            *other == at
                && escalated.event_type.as_str() == ESCALATED
                && escalated.stream == event.stream
                && text(escalated, "request") == text(event, "request")
        })
    };
    let earlier = collected.others.iter().filter(|(at, _)| *at < place);
    let mut earlier = earlier.filter(|(at, event)| !open_again(*at, event));
    if said("complex_request.dependency_lapsed").is_some() {
        let closed = earlier.clone().any(|(_, event)| closes(event, wait));
        let answered = earlier.any(|(_, event)| answers(event, &wait.case, &wait.answer));
        if closed && !answered {
            return Ok(());
        }
        return Err(broken(place, "a dependency lapsed that the other case had not closed so"));
    }
    let Some(satisfied) = said("complex_request.dependency_satisfied") else {
        return Err(broken(place, "a request was sent that still waited for another case"));
    };
    let by = satisfied.data.get("by");
    let source = by.and_then(|by| by.as_object()).and_then(|by| {
        let mut by = Fields::of_object("by", by);
        let stream = by.string("stream").ok()?.to_owned();
        Some((stream, by.unsigned("version").ok()?, LeafIndex::new(by.unsigned("leaf").ok()?)))
    });
    let first = source.and_then(|(stream, version, leaf)| {
        earlier.find(|(at, event)| {
            *at == leaf
                && event.version.get() == version
                && event.stream.as_str() == stream
                && answers(event, &wait.case, &wait.answer)
        })
    });
    let Some((_, first)) = first else {
        return Err(broken(place, "a dependency is satisfied by no answer of the other case"));
    };
    let answered = events_of(collected, ANSWERED).map(|(_, event)| event).find(is_request);
    let serves = answered.is_some_and(|event| {
        event.place == place
            && event.event().data.get("source") == by
            && event.event().data.get("outcome") == first.data.get("outcome")
    });
    if serves {
        return Ok(());
    }
    Err(broken(place, "the answer that satisfied a dependency does not serve in the case"))
}

fn broken(place: LeafIndex, detail: &str) -> Stop {
    Finding::at(Rule::ComplexRequest, place, detail).into()
}

/// Events of a complex request in a record.
fn of_complex<'r>(record: &'r Record, stream: &str, name: &str) -> Vec<&'r Event> {
    let events = record.events().iter();
    let found =
        events.filter(|one| one.stream.as_str() == stream && one.event_type.as_str() == name);
    found.collect()
}

fn text<'e>(event: &'e Event, member: &str) -> Option<&'e str> {
    event.data.get(member)?.as_str()
}

/// Whether an event is the answer of another case's request.
fn answers(event: &Event, case: &str, request: &str) -> bool {
    event.stream.as_str() == case
        && event.event_type.as_str() == ANSWERED
        && text(event, "request") == Some(request)
}

/// Whether an event closes the other case's request: with an answer or without one.
fn closes(event: &Event, wait: &Wait) -> bool {
    let of_request = [ANSWERED, TIMED_OUT, OMITTED].contains(&event.event_type.as_str())
        && text(event, "request") == Some(&wait.answer);
    event.stream.as_str() == wait.case && (of_request || ends(event))
}

/// Whether an event of another case says that a request is closed or the case has ended.
pub(super) fn counts(stream: &StreamName, awaited: &[String], event: &Event) -> bool {
    let requests = [ANSWERED, TIMED_OUT, OMITTED, ESCALATED].contains(&event.event_type.as_str());
    awaited.iter().any(|case| case == stream.as_str()) && (requests || ends(event))
}

fn ends(event: &Event) -> bool {
    let ends = [
        "application.result_issued",
        "application.refusal_issued",
        "application.cancelled",
        "application.intake_refused",
    ];
    ends.contains(&event.event_type.as_str())
}
