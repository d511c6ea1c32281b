//! The clock of a case from its registration to the decision: what moved its end, counted anew.
//!
//! Written from `docs/EVENTS.md`. Each event that moves the end must be one that the regulation
//! provides for, and must state the end that the calendars give.

use letopis_ledger::json::{FieldError, Fields, Object};
use letopis_ledger::{LeafIndex, Timestamp};
use letopis_rules::deadline::Term;

use super::Stop;
use super::case::{self, Case};
use super::collect::Collector;
use super::event::read_terms;
use super::rule::{End, PackFiles, Regulation};
use crate::finding::{Finding, Rule};

/// What an event says of the clock.
enum Moved {
    Suspended { request: String, at: Timestamp, until: Timestamp },
    Resumed { request: String, at: Timestamp, end: End },
    Changed { cause: Cause, term: Term, end: End },
}

/// Why the term changed.
enum Cause {
    Request(String),
    Calendar(LeafIndex),
}

/// The end of the term that applies when the case is decided. `files_of` gives the files of the
/// pack that a leaf published.
pub(super) fn end<'p>(
    case: &Case,
    collected: &Collector<'_>,
    regulation: &mut Regulation,
    mut files_of: impl FnMut(LeafIndex) -> Result<PackFiles<'p>, Stop>,
) -> Result<End, Stop> {
    let registered = &case.registered;
    let mut end = End {
        due: registered.due,
        last_day: registered.last_day.clone(),
        provisional: registered.provisional,
    };
    let (mut term, mut pauses, mut stopped) = (registered.term, Vec::new(), None);
    for event in &collected.events[..case.decided_at] {
        let place = event.place;
        let broken = |detail: String| Stop::Found(Finding::at(Rule::Deadline, place, detail));
        let name = event.event().event_type.as_str();
        let moved = match name {
            case::SUSPENDED => case::read_event(event, suspended)?,
            case::RESUMED => case::read_event(event, resumed)?,
            case::TERM_CHANGED => case::read_event(event, changed)?,
            _ => continue,
        };
        let stated = match moved {
            Moved::Suspended { request, at, until } => {
                let allowed = regulation.suspension(&request, at).map_err(broken)?;
                if until != allowed || stopped.is_some() {
                    return Err(broken(format!(
                        "the clock may stand still for {request:?} until {allowed}, the case \
                         states {until}"
                    )));
                }
                stopped = Some((request, at, until));
                continue;
            }
            Moved::Resumed { request, at, end } => {
                let Some((of, from, until)) = stopped.take().filter(|(of, ..)| *of == request)
                else {
                    return Err(broken("the clock goes on though it did not stand still".into()));
                };
                if at < from || at > until {
                    return Err(broken(format!(
                        "{of:?}: the clock goes on {at}, outside its time"
                    )));
                }
                pauses.push((from, at));
                end
            }
            Moved::Changed { cause, term: new, end } => {
                match cause {
                    Cause::Request(request) => {
                        let allowed = regulation.other_term(&request);
                        if allowed != Some(new) || !collected.sent_before(&request, place) {
                            return Err(broken(format!("{request:?} gives no term {new:?}")));
                        }
                    }
                    Cause::Calendar(leaf) if leaf < place => {
                        regulation.complete(&files_of(leaf)?)?;
                    }
                    Cause::Calendar(leaf) => {
                        return Err(broken(format!("leaf {leaf} is not before this one")));
                    }
                }
                term = new;
                end
            }
        };
        let counted = regulation.count(registered.registered_at, term, &pauses).map_err(broken)?;
        if counted != stated {
            return Err(broken(format!("the term ends {counted}, the case states {stated}")));
        }
        end = stated;
    }
    Ok(end)
}

/// The leaf whose calendars an event counts by, if it is of that kind.
pub(super) fn calendar_leaf(event: &letopis_ledger::record::Event) -> Option<LeafIndex> {
    if event.event_type.as_str() != case::TERM_CHANGED {
        return None;
    }
    let cause = event.data.get("cause")?.as_object()?;
    let leaf = cause.get("calendar")?.as_integer()?;
    u64::try_from(leaf).ok().map(LeafIndex::new)
}

fn suspended(data: &Object) -> Result<Moved, FieldError> {
    let mut fields = Fields::of_object("application.clock_suspended", data);
    Ok(Moved::Suspended {
        request: fields.string("request")?.to_owned(),
        at: fields.parsed("at", Timestamp::parse)?,
        until: fields.parsed("until", Timestamp::parse)?,
    })
}

fn resumed(data: &Object) -> Result<Moved, FieldError> {
    let mut fields = Fields::of_object("application.clock_resumed", data);
    Ok(Moved::Resumed {
        request: fields.string("request")?.to_owned(),
        at: fields.parsed("at", Timestamp::parse)?,
        end: read_end(&mut fields)?,
    })
}

fn changed(data: &Object) -> Result<Moved, FieldError> {
    let mut fields = Fields::of_object("application.term_changed", data);
    let mut cause = Fields::of_object("cause", fields.object("cause")?);
    let cause = match cause.optional("request") {
        Some(_) => Cause::Request(cause.string("request")?.to_owned()),
        None => Cause::Calendar(LeafIndex::new(cause.unsigned("calendar")?)),
    };
    Ok(Moved::Changed { cause, term: read_terms(&mut fields)?, end: read_end(&mut fields)? })
}

fn read_end(fields: &mut Fields<'_>) -> Result<End, FieldError> {
    Ok(End {
        due: fields.parsed("due", Timestamp::parse)?,
        last_day: fields.string("last_day")?.to_owned(),
        provisional: fields
            .required("provisional")?
            .as_bool()
            .ok_or_else(|| fields.invalid("provisional", &"not true or false"))?,
    })
}
