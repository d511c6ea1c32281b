//! `pack.published` on `pack/<code>`: a version of an agency's regulations came into force.

use letopis_ledger::Hash;
use letopis_ledger::json::{FieldError, Fields, Json, Object};

use super::EventError;
use super::fields::{number, parse_array, text};
use crate::code::PackCode;

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

impl PackPublished {
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
        })
    }
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
