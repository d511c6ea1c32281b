//! Requests that brought nothing: sent again as often as the regulation says, taken over by an
//! official only where it says so, closed by somebody who held the post, and late by their own
//! terms.
//!
//! Written from `docs/EVENTS.md`. What the official found out is private, and nobody's business
//! here.

use std::collections::BTreeMap;

use letopis_ledger::Timestamp;
use letopis_ledger::json::{FieldError, Fields, Object};

use super::Stop;
use super::case::{
    ANSWERED, BREACHED, Case, ESCALATED, OMITTED, RETRIED, SENT, TIMED_OUT, read_event,
};
use super::collect::{CaseEvent, Collector};
use super::procedure::{GivesUp, NoData};
use super::rule::Regulation;
use crate::finding::{Finding, Rule};
use crate::staff::Post;

/// A request as far as the case has come.
#[derive(Default)]
struct Followed {
    due: Option<Timestamp>,
    retry_at: Option<Timestamp>,
    attempt: u64,
    /// How it was closed: `answered`, `no_data` or `timed_out`.
    closed: Option<String>,
    escalated: bool,
    breached: bool,
}

/// A request that an official closed.
pub(super) struct Closed {
    pub(super) request: String,
    pub(super) official: String,
}

struct Answered {
    outcome: String,
    way: Option<String>,
    official: Option<String>,
}

struct Escalated {
    reason: String,
    post: Post,
}

/// Checks every request of the case up to the decision; gives those that officials closed.
pub(super) fn check(
    case: &Case,
    collected: &Collector<'_>,
    regulation: &Regulation,
) -> Result<Vec<Closed>, Stop> {
    let (mut requests, mut closed) = (BTreeMap::<String, Followed>::new(), Vec::new());
    for event in &collected.events[..case.decided_at] {
        let name = event.event().event_type.as_str();
        if ![SENT, ANSWERED, TIMED_OUT, OMITTED, ESCALATED, RETRIED, BREACHED].contains(&name) {
            continue;
        }
        let code = read_event(event, |data| member(data, "request"))?;
        let request = requests.entry(code.clone()).or_default();
        let follow = Follow { event, code: &code, collected, regulation };
        match name {
            SENT => follow.sent(request)?,
            ANSWERED => closed.extend(follow.answered(request)?),
            TIMED_OUT => request.closed = Some("timed_out".to_owned()),
            ESCALATED => follow.escalated(request)?,
            RETRIED => follow.retried(request)?,
            BREACHED => follow.breached(request)?,
            _ => {}
        }
    }
    let place = collected.events[case.decided_at].place;
    for (code, request) in &requests {
        let mandatory = regulation.request(code).is_some_and(|rule| rule.mandatory);
        if request.escalated && request.closed.is_none() && mandatory {
            let detail = format!("request {code} was still with an official");
            return Err(Finding::at(Rule::Escalation, place, detail).into());
        }
        let nothing = request.closed.as_deref().is_some_and(|how| how != "answered");
        if nothing && !request.escalated && regulation.official_judges(code) {
            let detail = format!("request {code} brought nothing, and no official took it over");
            return Err(Finding::at(Rule::Escalation, place, detail).into());
        }
    }
    Ok(closed)
}

/// One event that follows a request.
struct Follow<'a, 'c> {
    event: &'a CaseEvent,
    code: &'a str,
    collected: &'a Collector<'c>,
    regulation: &'a Regulation,
}

impl Follow<'_, '_> {
    fn broken(&self, detail: &str) -> Stop {
        let detail = format!("request {}: {detail}", self.code);
        Finding::at(Rule::Escalation, self.event.place, detail).into()
    }

    fn sent(&self, request: &mut Followed) -> Result<(), Stop> {
        let (due, retry_at) = read_event(self.event, |data| {
            let mut fields = Fields::of_object("request", data);
            let due = fields.parsed("due", Timestamp::parse)?;
            Ok((due, instant(data, "retry_at")?))
        })?;
        if retry_at.is_some() != self.regulation.retry(self.code).is_some() {
            return Err(self.broken("it is sent again otherwise than the regulation says"));
        }
        self.check_next(None, retry_at)?;
        (request.due, request.retry_at, request.attempt) = (Some(due), retry_at, 1);
        Ok(())
    }

    /// The next sending is counted from this one, which is not before `earliest` nor after its
    /// leaf.
    fn check_next(&self, earliest: Option<Timestamp>, next: Option<Timestamp>) -> Result<(), Stop> {
        let (Some(next), Some(retry)) = (next, self.regulation.retry(self.code)) else {
            return Ok(());
        };
        let count = |from: Timestamp| {
            let end = self.regulation.count(from, retry.after, &[]);
            end.map(|end| end.due).map_err(|reason| self.broken(&reason))
        };
        let latest = count(self.event.leaf.time())?;
        let first = earliest.map(count).transpose()?;
        if next > latest || first.is_some_and(|first| next < first) {
            return Err(self.broken(&format!("its next sending is not due {next}")));
        }
        Ok(())
    }

    fn retried(&self, request: &mut Followed) -> Result<(), Stop> {
        let (attempt, next) = read_event(self.event, |data| {
            let mut fields = Fields::of_object("request.retried", data);
            Ok((fields.unsigned("attempt")?, instant(data, "retry_at")?))
        })?;
        let Some(retry) = self.regulation.retry(self.code) else {
            return Err(self.broken("it is sent again though the regulation asks once"));
        };
        let waited = request.retry_at.is_some_and(|at| at < self.event.leaf.time());
        let open = request.closed.is_none() && !request.escalated;
        let numbered = attempt == request.attempt + 1 && attempt <= u64::from(retry.times) + 1;
        if !waited || !open || !numbered {
            return Err(self.broken(&format!("sending {attempt} is out of turn")));
        }
        self.check_next(request.retry_at, next)?;
        (request.attempt, request.retry_at) = (attempt, next);
        Ok(())
    }

    fn breached(&self, request: &mut Followed) -> Result<(), Stop> {
        let due = read_event(self.event, |data| instant(data, "due"))?;
        let past = due.is_some_and(|due| due < self.event.leaf.time());
        if due != request.due || !past || request.closed.is_some() || request.breached {
            return Err(self.broken("the breach of its term is not one"));
        }
        request.breached = true;
        Ok(())
    }

    fn escalated(&self, request: &mut Followed) -> Result<(), Stop> {
        let escalated = read_event(self.event, |data| {
            let post = Post { unit: member(data, "unit")?, role: member(data, "role")? };
            Ok(Escalated { reason: member(data, "reason")?, post })
        })?;
        let closed = request.closed.as_deref();
        let allowed = match escalated.reason.as_str() {
            reason @ ("no_data" | "timed_out") => {
                closed == Some(reason) && self.regulation.official_judges(self.code)
            }
            "unanswered" => closed.is_none() && self.given_up(request),
            _ => false,
        };
        let to = self.regulation.escalates_to.as_ref();
        if !allowed || to != Some(&escalated.post) || request.escalated {
            let reason = &escalated.reason;
            return Err(self.broken(&format!("the regulation gives it to nobody for {reason:?}")));
        }
        (request.escalated, request.closed) = (true, None);
        Ok(())
    }

    /// Whether it was sent as often as it may be, and the last wait is over.
    fn given_up(&self, request: &Followed) -> bool {
        let retry = self.regulation.retry(self.code);
        let official = self.regulation.official_takes_silence(self.code);
        let waited = request.retry_at.is_some_and(|at| at < self.event.leaf.time());
        let sent = retry.is_some_and(|retry| request.attempt == u64::from(retry.times) + 1);
        official && waited && sent
    }

    fn answered(&self, request: &mut Followed) -> Result<Option<Closed>, Stop> {
        let answered = read_event(self.event, Answered::read)?;
        request.closed = Some(answered.outcome);
        if !request.escalated {
            return Ok(None);
        }
        let Some(official) = answered
            .official
            .filter(|_| matches!(answered.way.as_deref(), Some("workplace" | "paper")))
        else {
            return Err(self.broken("it was escalated, and no official closed it"));
        };
        let post = self.regulation.escalates_to.as_ref();
        let staff = self.collected.staff.get(self.event.leaf.record().author());
        let may = post.zip(staff).is_some_and(|(post, staff)| {
            let head = Post { unit: post.unit.clone(), role: "head".to_owned() };
            let holds = |post| staff.check_post(&official, post, self.event.place).is_ok();
            holds(post) || holds(&head)
        });
        if !may {
            return Err(self.broken(&format!("{official} did not hold the post that closes it")));
        }
        Ok(Some(Closed { request: self.code.to_owned(), official }))
    }
}

impl Answered {
    fn read(data: &Object) -> Result<Self, FieldError> {
        let came = data.get("came").and_then(|came| came.as_object());
        let text = |name| came.and_then(|came| Some(came.get(name)?.as_str()?.to_owned()));
        Ok(Self { outcome: member(data, "outcome")?, way: text("way"), official: text("official") })
    }
}

impl Regulation {
    /// Whether an official judges what a request that brought nothing means.
    fn official_judges(&self, request: &str) -> bool {
        let judges = self
            .request(request)
            .is_some_and(|rule| rule.mandatory && rule.no_data == Some(NoData::Official));
        judges && self.escalates_to.is_some()
    }

    /// Whether an official takes over where no reply came.
    fn official_takes_silence(&self, request: &str) -> bool {
        let mandatory = self.request(request).is_some_and(|rule| rule.mandatory);
        let official = self.retry(request).is_some_and(|retry| retry.then == GivesUp::Official);
        mandatory && official
    }
}

fn member(data: &Object, name: &'static str) -> Result<String, FieldError> {
    Ok(Fields::of_object("request", data).string(name)?.to_owned())
}

fn instant(data: &Object, name: &'static str) -> Result<Option<Timestamp>, FieldError> {
    let mut fields = Fields::of_object("request", data);
    match fields.optional(name) {
        None => Ok(None),
        Some(_) => fields.parsed(name, Timestamp::parse).map(Some),
    }
}
