//! Registry entries that a keeper makes, amends and takes out, and those whose time is over.
//!
//! A keeper writes manual registries only: an automatic one is written by decisions, a system one
//! by nobody. Each command is a pure function of its values and the registry's definition.

mod rests;
mod values;

use std::collections::BTreeMap;

use jiff::civil::Date;
use letopis_ledger::StreamVersion;
use letopis_ledger::id::{ClaimName, StreamName};
use letopis_ledger::json::{Json, Object};
use letopis_ledger::record::{Claim, ClaimOperation};
use thiserror::Error;

pub use rests::{WithdrawEntry, contradicts};
pub use values::{EntryValueError, check_values};

use crate::case::{slot_claim, unique_claim};
use crate::code::{FieldPath, RegistryCode, StepCode};
use crate::event::{
    Basis, Document, DomainEvent, EntryAmended, EntryCreated, EntryEvent, EntryId, EntryRemoved,
};
use crate::pack::{Registry, RegistryKind, plain_text};
use crate::record_draft::{Decision, NewEvent, PrivateField};
use crate::secret::AgencySecret;

/// Why a keeper's command was refused; nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EntryRefusal {
    /// The registry is not written by keepers.
    #[error("registry {registry} is {kind}: {way}")]
    NotManual {
        /// The registry.
        registry: RegistryCode,
        /// Its kind.
        kind: &'static str,
        /// Who writes it.
        way: &'static str,
    },
    /// Values of the entry are wrong.
    #[error("{} values of the entry are wrong: {}", errors.len(), errors[0])]
    Values {
        /// Every wrong value.
        errors: Vec<EntryValueError>,
    },
    /// An amendment without a new value.
    #[error("no field gets a new value; give at least one")]
    NothingAmended,
    /// A field that a claim rests on cannot be amended.
    #[error("{field} must stay unique: exclude the entry and make a new one")]
    FixedField {
        /// The field.
        field: FieldPath,
    },
    /// Every slot of a quota is taken.
    #[error("{most} entries in force have this {field} already: exclude one of them first")]
    QuotaExhausted {
        /// The field.
        field: FieldPath,
        /// The most entries.
        most: u32,
    },
    /// A system registry follows from the log alone.
    #[error("registry {registry} is computed from the log, and nobody writes it")]
    System {
        /// The registry.
        registry: RegistryCode,
    },
    /// The last day of the entry has not passed.
    #[error("the entry is in force until {valid_until}; it expires the day after")]
    NotExpired {
        /// The last day.
        valid_until: Date,
    },
    /// The fact that the entry rests on does not contradict it.
    #[error("rule {rule}: the fact does not contradict the entry, which stays")]
    FactHolds {
        /// The rule of the registry.
        rule: StepCode,
    },
    /// The entry is not limited in time.
    #[error("the entry has no last day; exclude it on the ground of a document")]
    Unlimited,
}

/// A new entry of a manual registry.
#[derive(Debug, Clone)]
pub struct CreateEntry {
    /// The entry.
    pub entry: EntryId,
    /// Checked values by field; see [`check_values`].
    pub values: BTreeMap<FieldPath, Json>,
    /// Its number, in registries that number entries.
    pub number: Option<String>,
    /// The keeper's document.
    pub document: Document,
    /// Slots of quotas that entries in force fill.
    pub taken_slots: Vec<ClaimName>,
}

/// New values for an entry of a manual registry.
#[derive(Debug, Clone)]
pub struct AmendEntry {
    /// The entry's stream.
    pub stream: StreamName,
    /// How many events it has.
    pub length: StreamVersion,
    /// Checked new values by field.
    pub values: BTreeMap<FieldPath, Json>,
    /// The keeper's document.
    pub document: Document,
}

/// An entry of a manual registry that is taken out.
#[derive(Debug, Clone)]
pub struct ExcludeEntry {
    /// The entry's stream.
    pub stream: StreamName,
    /// How many events it has.
    pub length: StreamVersion,
    /// Names that it holds.
    pub held: Vec<ClaimName>,
    /// The keeper's document.
    pub document: Document,
}

/// An entry whose last day has passed, in a registry of any kind.
#[derive(Debug, Clone)]
pub struct ExpireEntry {
    /// The entry's stream.
    pub stream: StreamName,
    /// How many events it has.
    pub length: StreamVersion,
    /// Names that it holds.
    pub held: Vec<ClaimName>,
    /// Its last day.
    pub valid_until: Option<Date>,
    /// The agency's date now.
    pub today: Date,
}

impl CreateEntry {
    /// Decides.
    ///
    /// # Errors
    /// See [`EntryRefusal`].
    pub fn decide(
        self,
        registry: &Registry,
        secret: &AgencySecret,
    ) -> Result<Decision, EntryRefusal> {
        check_manual(registry)?;
        let code = &registry.code.value;
        let holder = self.entry.stream();
        let take = |name| Claim { name, operation: ClaimOperation::Take, holder: holder.clone() };
        let text = |field: &FieldPath| self.values.get(field).map(plain_text).unwrap_or_default();
        let mut claims = Vec::new();
        for field in &registry.unique {
            claims.push(take(unique_claim(secret, code, &field.value, &text(&field.value))));
        }
        for quota in &registry.quotas {
            let field = &quota.field.value;
            let slot = (1..=quota.most)
                .map(|slot| slot_claim(secret, code, field, &text(field), slot))
                .find(|slot| !self.taken_slots.contains(slot));
            let (most, field) = (quota.most, field.clone());
            claims.push(take(slot.ok_or(EntryRefusal::QuotaExhausted { field, most })?));
        }
        if let Some(number) = &self.number {
            claims.push(take(crate::case::entry_number_claim(code, number)));
        }
        let (fields, private) = split(registry, self.values);
        let created = EntryCreated {
            registry: code.clone(),
            number: self.number,
            fields,
            valid_from: None,
            valid_until: None,
            basis: Basis::Document(self.document),
        };
        let event = DomainEvent::Entry(EntryEvent::Created(created));
        let event = NewEvent { stream: holder, version: StreamVersion::ZERO, event, private };
        Ok(Decision { events: vec![event], claims })
    }
}

impl AmendEntry {
    /// Decides.
    ///
    /// # Errors
    /// See [`EntryRefusal`].
    pub fn decide(self, registry: &Registry) -> Result<Decision, EntryRefusal> {
        check_manual(registry)?;
        if self.values.is_empty() {
            return Err(EntryRefusal::NothingAmended);
        }
        let claimed = registry.unique.iter().chain(registry.quotas.iter().map(|q| &q.field));
        for field in claimed.map(|field| &field.value) {
            if self.values.contains_key(field) {
                return Err(EntryRefusal::FixedField { field: field.clone() });
            }
        }
        let (fields, private) = split(registry, self.values);
        let amended = EntryAmended { fields, basis: Basis::Document(self.document) };
        let event = DomainEvent::Entry(EntryEvent::Amended(amended));
        let event = NewEvent { stream: self.stream, version: self.length, event, private };
        Ok(Decision { events: vec![event], claims: vec![] })
    }
}

impl ExcludeEntry {
    /// Decides. Values that had to be unique are free again; numbers are not given twice.
    ///
    /// # Errors
    /// See [`EntryRefusal`].
    pub fn decide(self, registry: &Registry) -> Result<Decision, EntryRefusal> {
        check_manual(registry)?;
        let removed = EntryRemoved { basis: Basis::Document(self.document) };
        let event = EntryEvent::Excluded(removed);
        Ok(take_out(self.stream, self.length, self.held, event))
    }
}

impl ExpireEntry {
    /// Decides.
    ///
    /// # Errors
    /// See [`EntryRefusal`].
    pub fn decide(self) -> Result<Decision, EntryRefusal> {
        let valid_until = self.valid_until.ok_or(EntryRefusal::Unlimited)?;
        if self.today <= valid_until {
            return Err(EntryRefusal::NotExpired { valid_until });
        }
        let event = EntryEvent::Expired { valid_until };
        Ok(take_out(self.stream, self.length, self.held, event))
    }
}

/// Takes an entry out; the names that had to be unique are free again, its number is not.
pub(crate) fn take_out(
    stream: StreamName,
    version: StreamVersion,
    held: Vec<ClaimName>,
    event: EntryEvent,
) -> Decision {
    let freed = held.into_iter().filter(|name| !name.as_str().starts_with("number/"));
    let claims = freed
        .map(|name| Claim { name, operation: ClaimOperation::Release, holder: stream.clone() })
        .collect();
    let event = DomainEvent::Entry(event);
    Decision { events: vec![NewEvent { stream, version, event, private: vec![] }], claims }
}

/// That keepers write the registry.
pub(crate) fn check_manual(registry: &Registry) -> Result<(), EntryRefusal> {
    let way = match registry.kind {
        RegistryKind::Manual => return Ok(()),
        RegistryKind::Automatic => "only decisions on cases write it",
        RegistryKind::System => "it is computed from the log, and nobody writes it",
    };
    let kind = registry.kind.as_str();
    Err(EntryRefusal::NotManual { registry: registry.code.value.clone(), kind, way })
}

/// Public values, and private ones under their disclosure names.
fn split(registry: &Registry, values: BTreeMap<FieldPath, Json>) -> (Object, Vec<PrivateField>) {
    let (mut fields, mut private) = (Object::new(), Vec::new());
    for (field, value) in values {
        if registry.field(&field).is_some_and(|field| field.visibility.is_public()) {
            fields.insert(field.as_str(), value);
        } else {
            private.push(PrivateField::new(format!("field.{field}"), value));
        }
    }
    (fields, private)
}

#[cfg(test)]
mod test;
