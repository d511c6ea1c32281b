//! Registries as a pack defines them: who writes, which fields, what must be unique.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::number::NumberTemplate;
use crate::code::{FieldPath, RegistryCode, StepCode};
use crate::event::RegistryWriter;
use crate::messages::Text;
use crate::value_format::ValueFormat;

/// Most slots of a quota: each is a claim of the ledger.
pub const QUOTA_MAX: u32 = 1_000;

/// A registry.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// Its code.
    pub code: Spanned<RegistryCode>,
    /// What people call it.
    #[serde(default)]
    pub title: Text,
    /// The act that it is kept by.
    #[serde(default)]
    pub law: Text,
    /// Who writes it.
    pub kind: RegistryKind,
    /// How entries are numbered, if they are.
    #[serde(default)]
    pub number: Option<NumberTemplate>,
    /// Its fields.
    pub fields: Vec<RegistryField>,
    /// Fields by which entries are looked up.
    #[serde(default)]
    pub keys: Vec<Spanned<FieldPath>>,
    /// Fields of which no two entries in force may have the same value.
    #[serde(default)]
    pub unique: Vec<Spanned<FieldPath>>,
    /// How many entries in force may share a value.
    #[serde(default)]
    pub quotas: Vec<Quota>,
    /// Facts of other registries that entries rest on: one that says otherwise takes them out.
    #[serde(default)]
    pub rests_on: Vec<RestsOn>,
}

/// Who writes a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistryKind {
    /// Decisions on cases, and nobody else.
    Automatic,
    /// A keeper, on the ground of a document.
    Manual,
    /// Nobody: it is computed from the log.
    System,
}

impl RegistryKind {
    /// Who writes a registry of this kind, as the log states it.
    #[must_use]
    pub const fn writer(self) -> Option<RegistryWriter> {
        match self {
            Self::Automatic => Some(RegistryWriter::Automatic),
            Self::Manual => Some(RegistryWriter::Manual),
            Self::System => None,
        }
    }
}

/// A field of a registry.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryField {
    /// Its name.
    pub name: Spanned<FieldPath>,
    /// What people call it.
    #[serde(default)]
    pub title: Text,
    /// Who may see it.
    pub visibility: Visibility,
    /// The identifier that it holds, by the name of its format.
    #[serde(default)]
    pub format: Option<Spanned<String>>,
    /// Whether an entry may be without it.
    #[serde(default)]
    pub optional: bool,
}

impl RegistryField {
    /// Whether it holds an area.
    #[must_use]
    pub fn is_polygon(&self) -> bool {
        let format = self.format.as_ref().and_then(|format| ValueFormat::by_name(&format.value));
        format.is_some_and(ValueFormat::is_polygon)
    }
}

/// Who may see a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Anybody: the value stands in the log itself.
    Public,
    /// Officials and the person concerned.
    Official,
    /// The person concerned and those who decide the case.
    Private,
}

/// A fact of another registry that an entry rests on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestsOn {
    /// Its code.
    pub code: Spanned<StepCode>,
    /// What it means for people when the fact says otherwise.
    #[serde(default)]
    pub title: Text,
    /// The act that takes the entry out then.
    #[serde(default)]
    pub law: Text,
    /// The registry with the fact.
    pub registry: Spanned<RegistryCode>,
    /// How the fact is found: fields of the entry by fields of the fact.
    pub by: BTreeMap<FieldPath, Spanned<FieldPath>>,
    /// What must hold.
    pub holds: Holds,
}

/// That a field of the entry is one of the fields of the fact.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holds {
    /// The field of the entry.
    pub field: Spanned<FieldPath>,
    /// The fields of the fact.
    pub among: Vec<Spanned<FieldPath>>,
}

/// At most so many entries in force for one value.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// The field.
    pub field: Spanned<FieldPath>,
    /// The most entries.
    pub most: u32,
}

impl Registry {
    /// The field of a name.
    #[must_use]
    pub fn field(&self, name: &FieldPath) -> Option<&RegistryField> {
        self.fields.iter().find(|field| &field.name.value == name)
    }

    /// Whether entries are looked up by the field.
    #[must_use]
    pub fn is_key(&self, name: &FieldPath) -> bool {
        self.keys.iter().any(|key| &key.value == name)
    }
}

impl RegistryKind {
    /// The kind as packs spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Manual => "manual",
            Self::System => "system",
        }
    }
}

impl Visibility {
    /// The visibility of a spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "public" => Some(Self::Public),
            "official" => Some(Self::Official),
            "private" => Some(Self::Private),
            _ => None,
        }
    }

    /// Whether the value stands in the log itself.
    #[must_use]
    pub fn is_public(self) -> bool {
        self == Self::Public
    }
}
