//! The clock of a case: its term, when it stood still, what of the term is left.
//!
//! Folded from events; a clock that was never started is none. Not here: counting days, which the
//! calendar of the pack does.

use letopis_ledger::Timestamp;
use letopis_rules::deadline::Term;

use crate::event::{ClockResumed, ClockSuspended, NewEnd, Registered, TermChanged};
use crate::pack::LegalCalendar;

/// The clock of a registered case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseClock {
    /// When the term began.
    pub registered_at: Timestamp,
    /// The term that applies now.
    pub term: Term,
    /// Its end.
    pub end: NewEnd,
    /// The suspension under way.
    pub suspended: Option<ClockSuspended>,
    /// Times in which the clock stood still.
    pub pauses: Vec<(Timestamp, Timestamp)>,
    /// Whether the warning before the end is on record.
    pub warned: bool,
    /// Whether the breach is on record.
    pub breached: bool,
}

impl CaseClock {
    /// The clock that registration starts.
    #[must_use]
    pub const fn start(registered: &Registered) -> Self {
        let Registered { registered_at, term, due, last_day, provisional, .. } = registered;
        Self {
            registered_at: *registered_at,
            term: *term,
            end: NewEnd { due: *due, last_day: *last_day, provisional: *provisional },
            suspended: None,
            pauses: Vec::new(),
            warned: false,
            breached: false,
        }
    }

    pub(super) fn suspend(&mut self, event: ClockSuspended) {
        self.suspended = Some(event);
    }

    pub(super) fn resume(&mut self, event: &ClockResumed) {
        if let Some(suspended) = self.suspended.take() {
            self.pauses.push((suspended.at, event.at));
        }
        self.move_end(event.end);
    }

    pub(super) fn change(&mut self, event: &TermChanged) {
        self.term = event.term;
        self.move_end(event.end);
    }

    /// A term that ends later is warned of again; a breach stays what it is.
    fn move_end(&mut self, end: NewEnd) {
        self.warned = self.warned && end.due <= self.end.due;
        self.end = end;
    }

    /// The end of this term with what the clock has stood still so far, and `pause` beside it.
    #[must_use]
    pub fn count(
        &self,
        term: Term,
        pause: Option<(Timestamp, Timestamp)>,
        calendar: &LegalCalendar,
    ) -> NewEnd {
        let pauses: Vec<_> = self.pauses.iter().copied().chain(pause).collect();
        let deadline = calendar.deadline_with_pauses(self.registered_at, term, &pauses);
        NewEnd {
            due: Timestamp::from_unix_ms(deadline.due.get())
                .expect("invariant: terms end within the years of the ledger"),
            last_day: deadline.last_day,
            provisional: deadline.provisional,
        }
    }
}
