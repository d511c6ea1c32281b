//! Whether an entry may be renewed: in time, and by an application that is about the same thing.
//!
//! Pure: a test case of a pack is checked by the same code as an application. Not here: who may ask
//! for it, and whether the facts still allow it.

use std::collections::BTreeMap;
use std::fmt;

use jiff::ToSpan;
use jiff::civil::Date;
use letopis_ledger::json::Json;
use thiserror::Error;

use super::form::CheckedForm;
use super::registry::Registry;
use super::value::{ValueRef, plain_text};
use super::{Channel, Regulation, Service};
use crate::code::FieldPath;

/// Why an application for renewal is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotRenewed {
    /// The regulation knows no renewal.
    #[error("what this service gives cannot be renewed; apply for a new one when it has ended")]
    Never,
    /// The day has not come.
    #[error("it is in force until {valid_until} and can be renewed from {from} on")]
    TooEarly {
        /// The first day.
        from: Date,
        /// Its last day.
        valid_until: Date,
    },
    /// The last day has passed.
    #[error("it was in force until {valid_until}; apply for a new one")]
    TooLate {
        /// Its last day.
        valid_until: Date,
    },
    /// The entry ends with no day.
    #[error("it is not limited in time, so there is nothing to renew")]
    Unlimited,
    /// What the form says is not what the entry is about.
    #[error(
        "a renewal is about the same thing, but {} of the form {} another value than the entry; \
         correct the form or apply for a new one",
        FieldList(fields),
        if fields.len() == 1 { "has" } else { "have" }
    )]
    OtherThing {
        /// Fields of the form.
        fields: Vec<FieldPath>,
    },
}

struct FieldList<'a>(&'a [FieldPath]);

impl fmt::Display for FieldList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(FieldPath::as_str).collect();
        f.write_str(&names.join(", "))
    }
}

impl Registry {
    /// The fields that say which thing an entry is about: those by which it is found and those that
    /// unique values and quotas rest on. A case about the entry leaves them as they are.
    pub fn identifying(&self) -> impl Iterator<Item = &FieldPath> {
        let limits = self.unique.iter().chain(self.quotas.iter().map(|quota| &quota.field));
        let more = limits.filter(|field| !self.is_key(&field.value));
        self.keys.iter().chain(more).map(|field| &field.value)
    }
}

impl Regulation {
    /// The channel of cases that begin by themselves.
    #[must_use]
    pub fn own_channel(&self) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.by_rule)
    }
}

impl Service {
    /// Whether an application that comes on a day may renew an entry with these values.
    ///
    /// # Errors
    /// See [`NotRenewed`].
    pub fn check_renewal(
        &self,
        registry: &Registry,
        form: &CheckedForm,
        (entry, valid_until): (&BTreeMap<FieldPath, Json>, Option<Date>),
        on: Date,
    ) -> Result<(), NotRenewed> {
        let rule = self.regulation.renewal.as_ref().ok_or(NotRenewed::Never)?;
        let valid_until = valid_until.ok_or(NotRenewed::Unlimited)?;
        if on > valid_until {
            return Err(NotRenewed::TooLate { valid_until });
        }
        // Before the first day of the calendar there is nobody to be too early.
        let from = valid_until.checked_sub(i64::from(rule.days()).days()).unwrap_or(Date::MIN);
        if on < from {
            return Err(NotRenewed::TooEarly { from, valid_until });
        }
        let fields: Vec<FieldPath> = registry
            .identifying()
            .filter_map(|field| match self.regulation.effect.fields.get(field)? {
                ValueRef::Form(asked) => Some((field, asked)),
                _ => None,
            })
            .filter(|(field, asked)| {
                form.values().get(*asked).map(plain_text) != entry.get(*field).map(plain_text)
            })
            .map(|(_, asked)| asked.clone())
            .collect();
        if fields.is_empty() { Ok(()) } else { Err(NotRenewed::OtherThing { fields }) }
    }
}
