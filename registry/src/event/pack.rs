//! `pack.published` on `pack/<code>`: a version of an agency's regulations came into force.

use std::collections::BTreeMap;

use letopis_ledger::Hash;
use letopis_ledger::json::{FieldError, Fields, Json, Object};

use super::EventError;
use super::fields::{number, parse_array, text};
use crate::code::{PackCode, RegistryCode};

pub(super) const PACK_PUBLISHED: &str = "pack.published";

/// A pack was published; its files are public blobs named by their digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackPublished {
    /// The pack.
    pub code: PackCode,
    /// Its version, from 1.
    pub version: u32,
    /// Every file, in ascending order of path.
    pub files: Vec<PackFile>,
    /// Who writes each registry of the pack; empty in events of version 1, which do not say it.
    pub registries: BTreeMap<RegistryCode, RegistryWriter>,
}

/// Who writes a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryWriter {
    /// Decisions on cases, and nobody else.
    Automatic,
    /// A keeper, on the ground of documents.
    Manual,
}

/// One file of a published pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackFile {
    /// Path inside the pack, with `/` between folders.
    pub path: String,
    /// SHA-256 of the file's bytes.
    pub sha256: Hash,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Media type.
    pub media_type: String,
}

impl RegistryWriter {
    /// The writer as events and tables spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Manual => "manual",
        }
    }

    /// Reads the spelling of [`RegistryWriter::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Automatic, Self::Manual].into_iter().find(|writer| writer.as_str() == text)
    }
}

impl PackPublished {
    /// Whether both publish the same files as the same version, in whichever version of the event.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.code, self.version, &self.files) == (&other.code, other.version, &other.files)
    }

    /// Reads the public fields of the event in their current shape.
    ///
    /// # Errors
    /// The fields are of another shape.
    pub fn from_data(data: &Json) -> Result<Self, EventError> {
        let Some(data) = data.as_object() else {
            let (what, found) = ("pack.published", data.kind());
            return Err(FieldError::NotAnObject { what, found }.into());
        };
        Self::parse(data).map_err(EventError::from)
    }

    pub(super) fn data(&self) -> Object {
        let files: Vec<Json> = self.files.iter().map(PackFile::to_json).collect();
        Object::new()
            .with("code", self.code.as_str())
            .with("version", self.version)
            .with("files", files)
            .with("registries", self.registries())
    }

    fn registries(&self) -> Object {
        self.registries.iter().fold(Object::new(), |object, (code, writer)| {
            object.with(code.as_str(), writer.as_str())
        })
    }

    /// SHA-256 over the canonical JSON of the files, in ascending order of path: what officials
    /// sign of a version.
    #[must_use]
    pub fn files_digest(&self) -> Hash {
        let files: Vec<Json> = self.files.iter().map(PackFile::to_json).collect();
        Hash::of(Json::Array(files).to_string().as_bytes())
    }

    pub(super) fn read(event_type: &str, data: &Object) -> Result<Option<Self>, EventError> {
        if event_type == PACK_PUBLISHED { Ok(Some(Self::parse(data)?)) } else { Ok(None) }
    }

    fn parse(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("pack.published", data);
        let read = Self::take(&mut fields)?;
        fields.finish()?;
        Ok(read)
    }

    /// Reads these fields of an event that has others too.
    pub(super) fn take(fields: &mut Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            code: fields.parsed("code", PackCode::parse)?,
            version: u32::try_from(fields.unsigned("version")?)
                .map_err(|_| fields.invalid("version", &"larger than 2^32"))?,
            files: parse_array(fields, "files", PackFile::parse)?,
            registries: writers(fields)?,
        })
    }
}

fn writers(fields: &mut Fields<'_>) -> Result<BTreeMap<RegistryCode, RegistryWriter>, FieldError> {
    let mut writers = BTreeMap::new();
    for (code, writer) in fields.object("registries")?.iter() {
        let code =
            RegistryCode::parse(code).map_err(|error| fields.invalid("registries", &error))?;
        let writer = writer.as_str().and_then(RegistryWriter::parse);
        let writer =
            writer.ok_or_else(|| fields.invalid("registries", &"neither automatic nor manual"))?;
        writers.insert(code, writer);
    }
    Ok(writers)
}

impl PackFile {
    fn to_json(&self) -> Json {
        Object::new()
            .with("path", text(&self.path))
            .with("sha256", self.sha256.to_hex().as_str())
            .with("size_bytes", number(self.size_bytes))
            .with("media_type", text(&self.media_type))
            .into()
    }

    fn parse(value: &Json) -> Result<Self, FieldError> {
        let mut fields = Fields::of("pack file", value)?;
        let read = Self {
            path: fields.string("path")?.to_owned(),
            sha256: fields.parsed("sha256", |text| {
                Hash::from_hex(text).ok_or("not 64 lower-case hexadecimal digits")
            })?,
            size_bytes: fields.unsigned("size_bytes")?,
            media_type: fields.string("media_type")?.to_owned(),
        };
        fields.finish()?;
        Ok(read)
    }
}
