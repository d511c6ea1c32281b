//! What a follow-up case is about: an entry that stands in a registry, and why it is looked at
//! again.
//!
//! Not here: what follows for the entry; its own stream says that.

use letopis_ledger::json::{FieldError, Fields, Json, Object};

use super::Source;
use crate::event::fields::{leaf, version};

/// A case is about an entry that exists; a grant revises it and makes no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The entry, and its newest event as the submission knew it.
    pub entry: Source,
    /// Why.
    pub cause: Cause,
}

/// Why an entry is looked at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Somebody asks for it to go on after its last day.
    Renewal,
    /// A fact that its decision rested on has changed.
    Review {
        /// The newest event of the changed entry of another registry.
        fact: Source,
    },
}

impl Cause {
    /// The cause as events spell it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Renewal => "renewal",
            Self::Review { .. } => "review",
        }
    }
}

impl About {
    /// Whether somebody asks for the entry to go on after its last day.
    #[must_use]
    pub const fn is_renewal(&self) -> bool {
        matches!(self.cause, Cause::Renewal)
    }

    pub(super) fn data(&self) -> Object {
        let entry = &self.entry;
        let data = Object::new()
            .with("registry_entry", entry.stream.as_str())
            .with("version", version(entry.version))
            .with("leaf", leaf(entry.leaf))
            .with("cause", self.cause.as_str());
        match &self.cause {
            Cause::Renewal => data,
            Cause::Review { fact } => data.with("fact", fact.data()),
        }
    }

    pub(super) fn read(value: &Json) -> Result<Self, FieldError> {
        let mut fields = Fields::of("about", value)?;
        let entry = Source::read_named(&mut fields, "registry_entry")?;
        let cause = match fields.string("cause")? {
            "renewal" => Cause::Renewal,
            "review" => Cause::Review { fact: Source::read(fields.object("fact")?)? },
            _ => return Err(fields.invalid("cause", &"neither \"renewal\" nor \"review\"")),
        };
        fields.finish()?;
        Ok(Self { entry, cause })
    }
}
