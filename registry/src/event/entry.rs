//! Events of a registry entry on `registry/<code>/<uuid>`.
//!
//! Private fields are disclosures named `field.<field>`. Who may cause which event is decided by
//! the registry's kind; see `entry`.

use jiff::civil::Date;
use letopis_ledger::id::StreamName;
use letopis_ledger::json::{FieldError, Fields, Object};
use letopis_ledger::{Hash, StreamVersion};

use super::EventError;
use super::case::Source;
use super::fields::{date_text, parse_date, parse_optional, text, version};
use crate::code::{RegistryCode, StepCode};

/// An event of a registry entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryEvent {
    /// `registry.entry_created`
    Created(EntryCreated),
    /// `registry.entry_amended`
    Amended(EntryAmended),
    /// `registry.entry_revised`: decided again by a case about it.
    Revised(EntryRevised),
    /// `registry.entry_excluded`: taken out for the reason that its basis states.
    Excluded(EntryRemoved),
    /// `registry.entry_expired`: its last day has passed.
    Expired {
        /// The last day on which it was in force.
        valid_until: Date,
    },
}

/// An entry came to stand in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryCreated {
    /// The registry.
    pub registry: RegistryCode,
    /// Number of the entry, in registries that number them.
    pub number: Option<String>,
    /// Public fields by field path.
    pub fields: Object,
    /// First day on which it is in force, if it is limited in time.
    pub valid_from: Option<Date>,
    /// Last day on which it is in force.
    pub valid_until: Option<Date>,
    /// What gives the right to enter it.
    pub basis: Basis,
}

/// Fields of an entry changed; those not named keep their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryAmended {
    /// New values of public fields by field path.
    pub fields: Object,
    /// What gives the right to amend it.
    pub basis: Basis,
}

/// A case about the entry was granted: what stands in it holds from a day on, in place of what
/// stood in it before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRevised {
    /// Every public field by field path; one that is not named is absent from now on.
    pub fields: Object,
    /// First day on which the fields hold.
    pub valid_from: Date,
    /// Last day on which the entry is in force.
    pub valid_until: Date,
    /// The decision.
    pub basis: Basis,
}

/// An entry is no longer in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRemoved {
    /// What gives the right to remove it.
    pub basis: Basis,
}

/// What gives the right to change a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// A decision on a case, made by the same record.
    Decision {
        /// Stream of the case.
        stream: StreamName,
        /// Version of its `application.decided`.
        version: StreamVersion,
    },
    /// A document that the keeper of the registry holds.
    Document(Document),
    /// An entry of another registry that says otherwise now; a rule of the registry names it.
    Fact {
        /// The rule.
        rule: StepCode,
        /// The other entry's newest event.
        source: Source,
    },
}

/// A document by which a keeper acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its number.
    pub number: String,
    /// Its date.
    pub date: Date,
    /// SHA-256 of its file, if there is one.
    pub sha256: Option<Hash>,
}

impl EntryEvent {
    pub(super) const fn event_type(&self) -> &'static str {
        match self {
            Self::Created(_) => "registry.entry_created",
            Self::Amended(_) => "registry.entry_amended",
            Self::Revised(_) => "registry.entry_revised",
            Self::Excluded(_) => "registry.entry_excluded",
            Self::Expired { .. } => "registry.entry_expired",
        }
    }

    pub(super) fn data(&self) -> Object {
        match self {
            Self::Created(event) => event.data(),
            Self::Amended(event) => {
                Object::new().with("fields", event.fields.clone()).with("basis", event.basis.data())
            }
            Self::Revised(event) => Object::new()
                .with("fields", event.fields.clone())
                .with("valid_from", text(date_text(event.valid_from)))
                .with("valid_until", text(date_text(event.valid_until)))
                .with("basis", event.basis.data()),
            Self::Excluded(event) => Object::new().with("basis", event.basis.data()),
            Self::Expired { valid_until } => {
                Object::new().with("valid_until", text(date_text(*valid_until)))
            }
        }
    }

    pub(super) fn read(event_type: &str, data: &Object) -> Result<Option<Self>, EventError> {
        let mut fields = Fields::of_object("registry event", data);
        let read = match event_type {
            "registry.entry_created" => Self::Created(EntryCreated::read(&mut fields)?),
            "registry.entry_amended" => Self::Amended(EntryAmended {
                fields: fields.object("fields")?.clone(),
                basis: Basis::read(fields.object("basis")?)?,
            }),
            "registry.entry_revised" => Self::Revised(EntryRevised {
                fields: fields.object("fields")?.clone(),
                valid_from: fields.parsed("valid_from", parse_date)?,
                valid_until: fields.parsed("valid_until", parse_date)?,
                basis: Basis::read(fields.object("basis")?)?,
            }),
            "registry.entry_excluded" => {
                Self::Excluded(EntryRemoved { basis: Basis::read(fields.object("basis")?)? })
            }
            "registry.entry_expired" => {
                Self::Expired { valid_until: fields.parsed("valid_until", parse_date)? }
            }
            _ => return Ok(None),
        };
        fields.finish()?;
        Ok(Some(read))
    }
}

impl EntryCreated {
    fn data(&self) -> Object {
        let mut data = Object::new()
            .with("registry", self.registry.as_str())
            .with("fields", self.fields.clone())
            .with("basis", self.basis.data());
        if let Some(number) = &self.number {
            data.insert("number", text(number));
        }
        if let Some(date) = self.valid_from {
            data.insert("valid_from", text(date_text(date)));
        }
        if let Some(date) = self.valid_until {
            data.insert("valid_until", text(date_text(date)));
        }
        data
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            registry: fields.parsed("registry", RegistryCode::parse)?,
            number: parse_optional(fields, "number", |text| Ok::<_, String>(text.to_owned()))?,
            fields: fields.object("fields")?.clone(),
            valid_from: parse_optional(fields, "valid_from", parse_date)?,
            valid_until: parse_optional(fields, "valid_until", parse_date)?,
            basis: Basis::read(fields.object("basis")?)?,
        })
    }
}

impl Basis {
    fn data(&self) -> Object {
        match self {
            Self::Decision { stream, version: at } => Object::new()
                .with("kind", "decision")
                .with("stream", stream.as_str())
                .with("version", version(*at)),
            Self::Document(document) => {
                let mut data = Object::new()
                    .with("kind", "document")
                    .with("number", text(&document.number))
                    .with("date", text(date_text(document.date)));
                if let Some(sha256) = document.sha256 {
                    data.insert("sha256", text(sha256.to_hex()));
                }
                data
            }
            Self::Fact { rule, source } => {
                source.data().with("kind", "fact").with("rule", rule.as_str())
            }
        }
    }

    fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("basis", data);
        let read = match fields.string("kind")? {
            "decision" => Self::Decision {
                stream: fields.parsed("stream", StreamName::parse)?,
                version: StreamVersion::new(fields.unsigned("version")?),
            },
            "document" => Self::Document(Document {
                number: fields.string("number")?.to_owned(),
                date: fields.parsed("date", parse_date)?,
                sha256: parse_optional(&mut fields, "sha256", |text| {
                    Hash::from_hex(text).ok_or("not 64 lower-case hexadecimal digits")
                })?,
            }),
            "fact" => Self::Fact {
                rule: fields.parsed("rule", StepCode::parse)?,
                source: Source::read_from(&mut fields)?,
            },
            _ => {
                let known = "neither \"decision\", \"document\" nor \"fact\"";
                return Err(fields.invalid("kind", &known));
            }
        };
        fields.finish()?;
        Ok(read)
    }
}
