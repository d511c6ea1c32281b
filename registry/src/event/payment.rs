//! Events of the payments of an entry on `payments/<uuid>`, the id being that of the entry.
//!
//! Private are the amount of a payment (`amount_hundredths`) and the number that the paying system
//! gave it (`reference`). Not here: which month is due, which `payment` says.

use letopis_ledger::id::StreamName;
use letopis_ledger::json::{Fields, Object};

use super::EventError;
use super::fields::text;
use super::stream::OfficialId;
use crate::payment::Period;

/// An event of the payments of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentEvent {
    /// `payment.due`: the entry pays for a month.
    Due(PaymentDue),
    /// `payment.settled`
    Settled(PaymentSettled),
}

/// A month is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentDue {
    /// Stream of the case that granted it.
    pub case: StreamName,
    /// Stream of the entry that pays.
    pub entry: StreamName,
    /// The month.
    pub period: Period,
}

/// What became of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentSettled {
    /// The month.
    pub period: Period,
    /// Whether the money came to the person.
    pub paid: bool,
    /// Who says so: the official, or the one in whose name the paying system works.
    pub official: OfficialId,
}

impl PaymentEvent {
    pub(super) const fn event_type(&self) -> &'static str {
        match self {
            Self::Due(_) => "payment.due",
            Self::Settled(_) => "payment.settled",
        }
    }

    pub(super) fn data(&self) -> Object {
        match self {
            Self::Due(due) => Object::new()
                .with("case", due.case.as_str())
                .with("entry", due.entry.as_str())
                .with("period", text(due.period)),
            Self::Settled(settled) => Object::new()
                .with("period", text(settled.period))
                .with("outcome", if settled.paid { "paid" } else { "failed" })
                .with("official", text(settled.official)),
        }
    }

    pub(super) fn read(event_type: &str, data: &Object) -> Result<Option<Self>, EventError> {
        let mut fields = Fields::of_object("payment", data);
        let read = match event_type {
            "payment.due" => Self::Due(PaymentDue {
                case: fields.parsed("case", StreamName::parse)?,
                entry: fields.parsed("entry", StreamName::parse)?,
                period: fields.parsed("period", Period::parse)?,
            }),
            "payment.settled" => Self::Settled(PaymentSettled {
                period: fields.parsed("period", Period::parse)?,
                paid: match fields.string("outcome")? {
                    "paid" => true,
                    "failed" => false,
                    _ => return Err(fields.invalid("outcome", &"neither paid nor failed").into()),
                },
                official: fields.parsed("official", OfficialId::parse)?,
            }),
            _ => return Ok(None),
        };
        fields.finish()?;
        Ok(Some(read))
    }
}
