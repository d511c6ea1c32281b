//! Monthly payments of an entry: which months are due, each once, and what became of each.
//!
//! A month is due on its day for an entry that is in force as that day begins, from its amount
//! then; what happens to the entry later takes nothing back. Pure. Not here: where entries come
//! from (`engine`), and moving money, which a paying system does.

use std::fmt;

use jiff::ToSpan;
use jiff::civil::Date;
use letopis_ledger::StreamVersion;
use letopis_ledger::id::StreamName;
use letopis_ledger::json::Json;
use thiserror::Error;

use crate::event::{DomainEvent, OfficialId, PaymentDue, PaymentEvent, PaymentSettled};
use crate::record_draft::{Decision, NewEvent, PrivateField};

/// Name of the disclosure with the amount of a payment, in hundredths of the currency.
pub const AMOUNT: &str = "amount_hundredths";
/// Name of the disclosure with the number that the paying system gave a payment.
pub const REFERENCE: &str = "reference";
/// Most characters of that number.
pub const REFERENCE_MAX_CHARS: usize = 100;
/// The last day of a month that every month has.
pub const DAY_MAX: i8 = 28;

/// A month, spelled `2026-12`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    year: i16,
    month: i8,
}

/// For how long an entry pays, in days of the agency's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaidTime {
    /// The day on which it came into its registry.
    pub created_on: Date,
    /// Its last day, if it is limited in time.
    pub valid_until: Option<Date>,
    /// The day on which it went out, if it did.
    pub removed_on: Option<Date>,
}

/// Why a payment was not settled.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PaymentRefusal {
    /// It was paid; that cannot fail any more.
    #[error("the payment for {period} is paid; only one that is not can fail")]
    AlreadyPaid {
        /// The month.
        period: Period,
    },
    /// A number that is none.
    #[error("the reference has {found} characters; give 1 to {REFERENCE_MAX_CHARS} in form C")]
    Reference {
        /// Characters found.
        found: usize,
    },
    /// The entry has no amount that can be paid.
    #[error("{entry} has no amount of hundredths above 0 in {field}; the month is not due")]
    Amount {
        /// The entry.
        entry: StreamName,
        /// Its field.
        field: String,
    },
}

/// Months that are due.
#[derive(Debug, Clone)]
pub struct MakePayments {
    /// Stream of the payments, and its length.
    pub stream: (StreamName, StreamVersion),
    /// Stream of the case.
    pub case: StreamName,
    /// Stream of the entry.
    pub entry: StreamName,
    /// Each month with its amount in hundredths.
    pub months: Vec<(Period, i64)>,
}

/// What a paying system says of a payment.
#[derive(Debug, Clone)]
pub struct SettlePayment {
    /// Stream of the payments, and its length.
    pub stream: (StreamName, StreamVersion),
    /// The month.
    pub period: Period,
    /// Whether the money came to the person.
    pub paid: bool,
    /// The number that the paying system gave it.
    pub reference: Option<String>,
    /// Who says so.
    pub official: OfficialId,
}

impl Period {
    /// The month of a day.
    #[must_use]
    pub fn of(day: Date) -> Self {
        Self { year: day.year(), month: day.month() }
    }

    /// Reads `2026-12`.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a month of the form 2026-12");
        let first: Date = format!("{text}-01").parse().map_err(|_| wrong())?;
        let period = Self::of(first);
        if period.to_string() == text { Ok(period) } else { Err(wrong()) }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The last day up to `today` on which a month is due, `day` being 1 to [`DAY_MAX`].
#[must_use]
pub fn last_due_day(day: i8, today: Date) -> Date {
    let this = with_day(today, day);
    if this <= today { this } else { with_day(today.saturating_sub(1.month()), day) }
}

/// The days up to `today` on which an entry pays, in order.
#[must_use]
pub fn due_days(time: &PaidTime, day: i8, today: Date) -> Vec<Date> {
    let mut days = Vec::new();
    let mut next = with_day(time.created_on, day);
    while next <= today {
        let in_force = time.created_on < next
            && time.valid_until.is_none_or(|last| next <= last)
            && time.removed_on.is_none_or(|removed| next <= removed);
        if in_force {
            days.push(next);
        }
        next = next.saturating_add(1.month());
    }
    days
}

fn with_day(month: Date, day: i8) -> Date {
    let day = day.clamp(1, DAY_MAX);
    month.with().day(day).build().expect("invariant: every month has 28 days")
}

impl MakePayments {
    /// Decides.
    #[must_use]
    pub fn decide(self) -> Decision {
        let (stream, mut version) = self.stream;
        let mut events = Vec::new();
        for (period, amount) in self.months {
            let (case, entry) = (self.case.clone(), self.entry.clone());
            let amount = Json::integer(amount).expect("invariant: the amount came from a record");
            events.push(NewEvent {
                stream: stream.clone(),
                version,
                event: DomainEvent::Payment(PaymentEvent::Due(PaymentDue { case, entry, period })),
                private: vec![PrivateField::new(AMOUNT, amount)],
            });
            version = version.next();
        }
        Decision { events, claims: vec![] }
    }
}

impl SettlePayment {
    /// Decides; nothing where the same is on record already. `so_far` is what was said before.
    ///
    /// # Errors
    /// It was paid and is said to have failed, or the reference is none.
    pub fn decide(self, so_far: Option<bool>) -> Result<Option<Decision>, PaymentRefusal> {
        let Self { stream: (stream, version), period, paid, reference, official } = self;
        match so_far {
            Some(before) if before == paid => return Ok(None),
            Some(true) => return Err(PaymentRefusal::AlreadyPaid { period }),
            _ => {}
        }
        let private = match reference {
            None => vec![],
            Some(text) => {
                let found = text.chars().count();
                let value = Json::string(text.as_str()).ok();
                let value = value.filter(|_| (1..=REFERENCE_MAX_CHARS).contains(&found));
                let value = value.ok_or(PaymentRefusal::Reference { found })?;
                vec![PrivateField::new(REFERENCE, value)]
            }
        };
        let settled = PaymentSettled { period, paid, official };
        let event = DomainEvent::Payment(PaymentEvent::Settled(settled));
        let events = vec![NewEvent { stream, version, event, private }];
        Ok(Some(Decision { events, claims: vec![] }))
    }
}

#[cfg(test)]
mod test;
