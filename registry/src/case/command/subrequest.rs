//! The one asked asks somebody else, to any depth; its own answer waits for theirs.
//!
//! Not here: what the regulation itself asks for (`request`).

use letopis_ledger::Timestamp;

use super::answer::check_arrival;
use super::{CaseEvents, check_text, check_under_way};
use crate::case::{CaseRefusal, CaseRules, CaseState};
use crate::code::FieldPath;
use crate::event::{
    Arrival, CaseEvent, OfficialId, RequestOutcome, SubrequestAnswered, SubrequestOpened, Way,
};
use crate::record_draft::{Decision, PrivateField};

/// Deepest path of a subrequest.
const DEPTH_MAX: usize = 8;
/// Most characters of a name of who is asked.
const ADDRESSEE_MAX_CHARS: usize = 200;

/// Opens a subrequest.
#[derive(Debug, Clone)]
pub struct OpenSubrequest {
    /// Its path: the request, then names, joined by dots.
    pub path: FieldPath,
    /// Who is asked.
    pub addressee: String,
    /// How.
    pub way: Way,
    /// Whether the answer above waits for it.
    pub mandatory: bool,
    /// Until when an answer is wanted; it ends with the request above at the latest.
    pub due: Timestamp,
    /// Who opens it; nobody when another system does.
    pub official: Option<OfficialId>,
}

/// Answers a subrequest.
#[derive(Debug, Clone)]
pub struct AnswerSubrequest {
    /// Its path.
    pub path: FieldPath,
    /// Whether there was anything to answer.
    pub outcome: RequestOutcome,
    /// What came, in words; it is private.
    pub facts: Vec<PrivateField>,
    /// How it came.
    pub came: Arrival,
}

impl OpenSubrequest {
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
        check_text("the addressee", &self.addressee, ADDRESSEE_MAX_CHARS)?;
        let path = self.path.as_str();
        let refuse = |reason| CaseRefusal::Subrequest { path: path.to_owned(), reason };
        let (parent, _) = path.rsplit_once('.').ok_or_else(|| refuse("it names no request"))?;
        if path.split('.').count() > DEPTH_MAX {
            return Err(refuse("it lies too deep"));
        }
        if !state.is_open(parent) {
            return Err(refuse("the request above it is not open"));
        }
        if state.subrequests().contains_key(&self.path) {
            return Err(refuse("it was opened already; take another name"));
        }
        let due = self.due.min(due_of(state, parent).unwrap_or(self.due));
        let opened = SubrequestOpened {
            subrequest: self.path.clone(),
            addressee: self.addressee.clone(),
            way: self.way,
            mandatory: self.mandatory,
            due,
            official: self.official,
        };
        let mut events = CaseEvents::after(state);
        events.push(CaseEvent::SubrequestOpened(opened), vec![]);
        Ok(Decision { events: events.events, claims: vec![] })
    }
}

impl AnswerSubrequest {
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
        check_arrival(&self.came)?;
        let path = self.path.as_str();
        let refuse = |reason| CaseRefusal::Subrequest { path: path.to_owned(), reason };
        let known = state.subrequests().get(&self.path);
        if known.ok_or_else(|| refuse("it was not opened"))?.is_closed() {
            return Err(refuse("it was answered or is no longer needed"));
        }
        if state.open_subrequests(path) > 0 {
            return Err(refuse("a mandatory subrequest of it is open"));
        }
        let answered = SubrequestAnswered {
            subrequest: self.path.clone(),
            outcome: self.outcome,
            came: self.came.clone(),
        };
        let mut events = CaseEvents::after(state);
        events.push(CaseEvent::SubrequestAnswered(answered), self.facts.clone());
        Ok(Decision { events: events.events, claims: vec![] })
    }
}

/// When the answer of a request or subrequest is due.
fn due_of(state: &CaseState, path: &str) -> Option<Timestamp> {
    let request = state.requests().iter().find(|(code, _)| code.as_str() == path);
    let subrequest = state.subrequests().iter().find(|(code, _)| code.as_str() == path);
    request
        .map(|(_, request)| request.sent.due)
        .or_else(|| subrequest.map(|(_, subrequest)| subrequest.opened.due))
}
