//! How an application came in: who entered what came on paper, and why one was not taken.
//!
//! Not here: which grounds a regulation has, and who may find them.

use letopis_ledger::Hash;
use letopis_ledger::json::{FieldError, Fields, Json, Object};

use super::ended::with_official;
use crate::code::{FieldPath, GroundCode};
use crate::event::fields::{number, parse_array, parse_optional, text};
use crate::event::stream::OfficialId;

/// An official entered an application that came on paper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// Who entered it.
    pub official: OfficialId,
    /// The scan of what came; nothing when the applicant stood at the desk.
    pub scan: Option<Scan>,
}

/// The scan of a paper. Its bytes lie outside the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// SHA-256 of the bytes.
    pub sha256: Hash,
    /// Their count.
    pub size_bytes: u64,
    /// Their type.
    pub media_type: String,
}

/// The application was not taken. Why, in words, is a disclosure named `motive`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeRefused {
    /// Grounds of the regulation's closed list for not taking an application.
    pub grounds: Vec<IntakeGround>,
    /// Number of the refusal, where the regulation numbers them.
    pub number: Option<String>,
    /// Who found them; nobody when the program did.
    pub official: Option<OfficialId>,
}

/// A ground for not taking an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeGround {
    /// Its code in the regulation.
    pub code: GroundCode,
    /// At least one fact; none only in what version 1 of the event said.
    pub evidence: Vec<IntakeEvidence>,
}

/// A fact of the submission on which a ground rests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum IntakeEvidence {
    /// A field of the form, filled in or left empty.
    Form(FieldPath),
    /// A file: the scan of the paper, or what the official's check of the application gave.
    File(Hash),
}

impl Entered {
    pub(super) fn data(&self) -> Object {
        let data = Object::new().with("official", text(self.official));
        match &self.scan {
            None => data,
            Some(scan) => data.with("scan", scan.data()),
        }
    }

    pub(super) fn read(value: &Json) -> Result<Self, FieldError> {
        let mut fields = Fields::of("entered", value)?;
        let official = fields.parsed("official", OfficialId::parse)?;
        let scan = fields.optional("scan").map(Scan::read).transpose()?;
        fields.finish()?;
        Ok(Self { official, scan })
    }
}

impl Scan {
    pub(super) fn data(&self) -> Object {
        Object::new()
            .with("sha256", self.sha256.to_hex().as_str())
            .with("size_bytes", number(self.size_bytes))
            .with("media_type", text(&self.media_type))
    }

    pub(super) fn read(value: &Json) -> Result<Self, FieldError> {
        let mut fields = Fields::of("scan", value)?;
        let read = Self {
            sha256: fields.parsed("sha256", sha256)?,
            size_bytes: fields.unsigned("size_bytes")?,
            media_type: fields.string("media_type")?.to_owned(),
        };
        fields.finish()?;
        Ok(read)
    }
}

impl IntakeRefused {
    /// The codes of the grounds, in their order.
    pub fn codes(&self) -> impl Iterator<Item = &GroundCode> {
        self.grounds.iter().map(|ground| &ground.code)
    }

    /// The grounds as the event spells them.
    #[must_use]
    pub fn grounds_json(&self) -> Vec<Json> {
        self.grounds.iter().map(IntakeGround::to_json).collect()
    }

    pub(super) fn data(&self) -> Object {
        let data = Object::new().with("grounds", self.grounds_json());
        let data = match &self.number {
            Some(number) => data.with("number", text(number)),
            None => data,
        };
        with_official(data, self.official)
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.intake_refused", data);
        let read = Self {
            grounds: parse_array(&mut fields, "grounds", IntakeGround::read)?,
            number: parse_optional(&mut fields, "number", |text| Ok::<_, String>(text.to_owned()))?,
            official: parse_optional(&mut fields, "official", OfficialId::parse)?,
        };
        if read.grounds.is_empty() {
            return Err(fields.invalid("grounds", &"a refusal needs a ground"));
        }
        fields.finish()?;
        Ok(read)
    }

    /// Version 1 had codes alone.
    pub(in crate::event) fn from_version_1(data: &Object) -> Object {
        let ground = |code: &Json| {
            Json::from(Object::new().with("code", code.clone()).with("evidence", vec![]))
        };
        let grounds = data
            .get("grounds")
            .and_then(Json::as_array)
            .map(|codes| codes.iter().map(ground).collect::<Vec<Json>>());
        match grounds {
            Some(grounds) => data.clone().with("grounds", grounds),
            None => data.clone(),
        }
    }
}

impl IntakeGround {
    fn to_json(&self) -> Json {
        let evidence: Vec<Json> = self.evidence.iter().map(IntakeEvidence::to_json).collect();
        Object::new().with("code", self.code.as_str()).with("evidence", evidence).into()
    }

    /// Reads a ground as events spell it.
    ///
    /// # Errors
    /// It is not of that shape.
    pub fn read(value: &Json) -> Result<Self, FieldError> {
        let mut fields = Fields::of("ground", value)?;
        let read = Self {
            code: fields.parsed("code", GroundCode::parse)?,
            evidence: parse_array(&mut fields, "evidence", IntakeEvidence::read)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl IntakeEvidence {
    fn to_json(&self) -> Json {
        let data = Object::new();
        match self {
            Self::Form(field) => data.with("form", field.as_str()),
            Self::File(sha256) => data.with("file", sha256.to_hex().as_str()),
        }
        .into()
    }

    fn read(value: &Json) -> Result<Self, FieldError> {
        let mut fields = Fields::of("evidence", value)?;
        let read = match fields.optional("file") {
            Some(_) => Self::File(fields.parsed("file", sha256)?),
            None => Self::Form(fields.parsed("form", FieldPath::parse)?),
        };
        fields.finish()?;
        Ok(read)
    }
}

fn sha256(text: &str) -> Result<Hash, &'static str> {
    Hash::from_hex(text).ok_or("not 64 lower-case hexadecimal digits")
}
