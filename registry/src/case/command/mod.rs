//! Commands on a case, one file each: what it takes, and `decide`.

pub(super) mod answer;
pub(super) mod approve;
pub(super) mod assign;
pub(super) mod cancel;
pub(super) mod decide;
pub(super) mod escalate;
pub(super) mod follow_up;
pub(super) mod intake;
pub(super) mod motive;
pub(super) mod pass_time;
pub(super) mod release;
pub(super) mod request;
pub(super) mod source;
pub(super) mod stage;
pub(super) mod submit;
pub(super) mod subrequest;

use letopis_ledger::StreamVersion;
use letopis_ledger::id::StreamName;

use super::refusal::CaseRefusal;
use super::{CaseRules, CaseState};
use crate::event::{CaseEvent, DomainEvent};
use crate::record_draft::{NewEvent, PrivateField};

/// Events of one case, numbered from where its stream ends.
struct CaseEvents {
    stream: StreamName,
    next: StreamVersion,
    events: Vec<NewEvent>,
}

impl CaseEvents {
    fn after(state: &CaseState) -> Self {
        Self { stream: state.stream().clone(), next: state.length(), events: Vec::new() }
    }

    fn push(&mut self, event: CaseEvent, private: Vec<PrivateField>) {
        let event = DomainEvent::Case(event);
        self.events.push(NewEvent {
            stream: self.stream.clone(),
            version: self.next,
            event,
            private,
        });
        self.next = self.next.next();
    }
}

impl Extend<CaseEvent> for CaseEvents {
    /// Events without private fields.
    fn extend<T: IntoIterator<Item = CaseEvent>>(&mut self, events: T) {
        for event in events {
            self.push(event, vec![]);
        }
    }
}

/// That a text says something and can stand in a record: 1 to `limit` characters in form C.
fn check_text(what: &'static str, text: &str, limit: usize) -> Result<(), CaseRefusal> {
    let says = !text.trim().is_empty() && text.chars().count() <= limit;
    if says && letopis_ledger::json::Json::string(text).is_ok() {
        return Ok(());
    }
    Err(CaseRefusal::TextLength { what, limit })
}

/// That the case is under way and is decided by the rules that it follows.
fn check_under_way(state: &CaseState, rules: &CaseRules<'_>) -> Result<(), CaseRefusal> {
    let pinned = state.pack().ok_or(CaseRefusal::NotSubmitted)?;
    if pinned != rules.pack_ref {
        return Err(CaseRefusal::OtherRegulation { pinned: pinned.clone() });
    }
    if state.decided().is_some() || state.ended().is_some() {
        return Err(CaseRefusal::AlreadyEnded);
    }
    Ok(())
}
