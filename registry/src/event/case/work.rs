//! What officials do with a case: it is given to one, who proposes; others agree or return it.
//!
//! Not here: who may; see `case::command`, and `crate::staff` for who holds which post.

use letopis_ledger::json::{FieldError, Fields, Json, Object};
use letopis_ledger::key::{AuthorKeyId, AuthorSignature};
use letopis_ledger::{StreamVersion, TreeSize};

use super::decided::Decided;
use crate::code::UnitCode;
use crate::event::fields::{number, parse_array, text, version};
use crate::event::stream::OfficialId;

/// The case was given to an official.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// The unit.
    pub unit: UnitCode,
    /// The official.
    pub official: OfficialId,
    /// Everybody who could have got it, with the open cases of each, so that anybody repeats the
    /// choice; empty when somebody chose.
    pub candidates: Vec<Candidate>,
    /// The loads are those of a log of this size.
    pub read_size: TreeSize,
    /// Who chose; nobody when the rule did. The reason is a disclosure named `reason`.
    pub by: Option<OfficialId>,
}

/// Somebody who could have got a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// Cases that the official has open.
    pub open_cases: u64,
    /// The official.
    pub official: OfficialId,
}

/// The decision that an official proposes. The inputs are disclosures named `input.<name>`, the
/// motive is one named `motive`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// What is proposed, as the decision would state it.
    pub decision: Decided,
    /// Who proposes.
    pub official: OfficialId,
}

/// An official agreed to a proposal, or signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// Version of the proposal in the case's stream.
    pub proposal: StreamVersion,
    /// The stage of the approval, from 0.
    pub stage: u32,
    /// Which of the stage's posts the official spoke for, from 0.
    pub post: u32,
    /// Who agreed.
    pub official: OfficialId,
    /// Ed25519 signature of the official over the text that `case::signing` states.
    pub signature: OfficialSignature,
}

/// An official returned a proposal. The remarks are a disclosure named `remarks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// Version of the proposal in the case's stream.
    pub proposal: StreamVersion,
    /// The stage of the approval, from 0.
    pub stage: u32,
    /// Who returned it.
    pub official: OfficialId,
}

/// A signature of an official with the key that it was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfficialSignature {
    /// The key, which the official's stream introduced.
    pub key: AuthorKeyId,
    /// Ed25519, over the encoding that `case::signing` states.
    pub signature: AuthorSignature,
}

impl OfficialSignature {
    pub(in crate::event) fn data(&self) -> Object {
        Object::new()
            .with("key", text(self.key))
            .with("ed25519", self.signature.to_base64().as_str())
    }

    pub(in crate::event) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("signature", data);
        let read = Self {
            key: fields.parsed("key", AuthorKeyId::parse)?,
            signature: fields.parsed("ed25519", AuthorSignature::from_base64)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl Assigned {
    pub(super) fn data(&self) -> Object {
        let candidates: Vec<Json> = self
            .candidates
            .iter()
            .map(|one| {
                Object::new()
                    .with("official", text(one.official))
                    .with("open_cases", number(one.open_cases))
                    .into()
            })
            .collect();
        let mut data = Object::new()
            .with("unit", self.unit.as_str())
            .with("official", text(self.official))
            .with("candidates", candidates)
            .with("read_size", number(self.read_size.get()));
        if let Some(by) = self.by {
            data.insert("by", text(by));
        }
        data
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.assigned", data);
        let candidate = |value: &Json| {
            let mut fields = Fields::of("candidate", value)?;
            let read = Candidate {
                official: fields.parsed("official", OfficialId::parse)?,
                open_cases: fields.unsigned("open_cases")?,
            };
            fields.finish()?;
            Ok(read)
        };
        let read = Self {
            unit: fields.parsed("unit", UnitCode::parse)?,
            official: fields.parsed("official", OfficialId::parse)?,
            candidates: parse_array(&mut fields, "candidates", candidate)?,
            read_size: TreeSize::new(fields.unsigned("read_size")?),
            by: crate::event::fields::parse_optional(&mut fields, "by", OfficialId::parse)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl Proposed {
    pub(super) fn data(&self) -> Object {
        self.decision.data().with("official", text(self.official))
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.decision_proposed", data);
        let official = fields.parsed("official", OfficialId::parse)?;
        let rest = data.iter().filter(|(name, _)| *name != "official");
        let rest = rest.map(|(name, value)| (name.to_owned(), value.clone())).collect();
        Ok(Self { decision: Decided::read(&rest)?, official })
    }
}

impl Agreed {
    pub(super) fn data(&self) -> Object {
        Object::new()
            .with("proposal", version(self.proposal))
            .with("stage", self.stage)
            .with("post", self.post)
            .with("official", text(self.official))
            .with("signature", self.signature.data())
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.decision_agreed", data);
        let read = Self {
            proposal: StreamVersion::new(fields.unsigned("proposal")?),
            stage: small(&mut fields, "stage")?,
            post: small(&mut fields, "post")?,
            official: fields.parsed("official", OfficialId::parse)?,
            signature: OfficialSignature::read(fields.object("signature")?)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl Returned {
    pub(super) fn data(&self) -> Object {
        Object::new()
            .with("proposal", version(self.proposal))
            .with("stage", self.stage)
            .with("official", text(self.official))
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.decision_returned", data);
        let read = Self {
            proposal: StreamVersion::new(fields.unsigned("proposal")?),
            stage: small(&mut fields, "stage")?,
            official: fields.parsed("official", OfficialId::parse)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

fn small(fields: &mut Fields<'_>, name: &'static str) -> Result<u32, FieldError> {
    u32::try_from(fields.unsigned(name)?).map_err(|_| fields.invalid(name, &"too large"))
}
