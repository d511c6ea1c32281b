//! Events of a proposed version of a pack on `proposal/<pack code>/<version>`: its files, remarks
//! to it, the signatures of its stages.
//!
//! Everything is public: regulations are, and so is how they came about. Not here: the order that
//! the events take and who may do what, which `lifecycle` holds.

use letopis_ledger::json::{FieldError, Fields, Object};
use letopis_ledger::{StreamVersion, Timestamp};

use super::EventError;
use super::case::{OfficialSignature, PackRef};
use super::fields::{parse_optional, text, time, version};
use super::pack::PackPublished;
use super::stream::OfficialId;
use crate::code::StageCode;

/// An event of a proposed version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProposalEvent {
    /// `pack.proposed`
    Proposed(Box<VersionProposed>),
    /// `pack.remark_raised`
    RemarkRaised(RemarkRaised),
    /// `pack.remark_resolved`
    RemarkResolved(RemarkResolved),
    /// `pack.stage_signed`
    StageSigned(StageSigned),
    /// `pack.stage_breached`: the term of the open stage has passed.
    StageBreached(PackStageBreached),
    /// `pack.proposal_published`: the record also has the `pack.published` of the proposed files.
    Published {
        /// The proposal, by its number in the stream.
        proposal: StreamVersion,
    },
}

/// The files of a version are proposed; an earlier proposal of the version is done with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionProposed {
    /// What would be published.
    pub published: PackPublished,
    /// The version in force, by whose lifecycle it goes.
    pub lifecycle: PackRef,
    /// Who proposes.
    pub official: OfficialId,
    /// The first stage.
    pub opens: StageOpened,
}

/// A stage begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageOpened {
    /// The stage.
    pub stage: StageCode,
    /// When it begins.
    pub at: Timestamp,
    /// When its term ends, by the calendars of the version in force.
    pub due: Timestamp,
}

/// Something is wrong with a proposal: no stage is signed before this is resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemarkRaised {
    /// The proposal, by its number in the stream.
    pub proposal: StreamVersion,
    /// The stage for whose post the official speaks.
    pub stage: StageCode,
    /// Who.
    pub official: OfficialId,
    /// What is wrong.
    pub text: String,
    /// The file of the pack that it is about.
    pub file: Option<String>,
}

/// What a remark was about is put right, or explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemarkResolved {
    /// The remark, by its number in the stream.
    pub remark: StreamVersion,
    /// Who says so.
    pub official: OfficialId,
    /// How.
    pub text: String,
}

/// An official signed a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageSigned {
    /// The proposal, by its number in the stream.
    pub proposal: StreamVersion,
    /// The stage.
    pub stage: StageCode,
    /// Who signed.
    pub official: OfficialId,
    /// Over the text that `lifecycle` states.
    pub signature: OfficialSignature,
    /// The next stage; nothing after the last one.
    pub opens: Option<StageOpened>,
}

/// The term of a stage passed before it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackStageBreached {
    /// The proposal, by its number in the stream.
    pub proposal: StreamVersion,
    /// The stage.
    pub stage: StageCode,
    /// When its term ended.
    pub due: Timestamp,
}

impl ProposalEvent {
    pub(crate) const fn event_type(&self) -> &'static str {
        match self {
            Self::Proposed(_) => "pack.proposed",
            Self::RemarkRaised(_) => "pack.remark_raised",
            Self::RemarkResolved(_) => "pack.remark_resolved",
            Self::StageSigned(_) => "pack.stage_signed",
            Self::StageBreached(_) => "pack.stage_breached",
            Self::Published { .. } => "pack.proposal_published",
        }
    }

    pub(super) fn data(&self) -> Object {
        match self {
            Self::Proposed(proposed) => proposed
                .published
                .data()
                .with("lifecycle", proposed.lifecycle.data())
                .with("official", text(proposed.official))
                .with("opens", proposed.opens.data()),
            Self::RemarkRaised(raised) => {
                let data = Object::new()
                    .with("proposal", version(raised.proposal))
                    .with("stage", raised.stage.as_str())
                    .with("official", text(raised.official))
                    .with("text", text(&raised.text));
                match &raised.file {
                    Some(file) => data.with("file", text(file)),
                    None => data,
                }
            }
            Self::RemarkResolved(resolved) => Object::new()
                .with("remark", version(resolved.remark))
                .with("official", text(resolved.official))
                .with("text", text(&resolved.text)),
            Self::StageSigned(signed) => {
                let data = Object::new()
                    .with("proposal", version(signed.proposal))
                    .with("stage", signed.stage.as_str())
                    .with("official", text(signed.official))
                    .with("signature", signed.signature.data());
                match &signed.opens {
                    Some(opens) => data.with("opens", opens.data()),
                    None => data,
                }
            }
            Self::StageBreached(breached) => Object::new()
                .with("proposal", version(breached.proposal))
                .with("stage", breached.stage.as_str())
                .with("due", time(breached.due)),
            Self::Published { proposal } => Object::new().with("proposal", version(*proposal)),
        }
    }

    pub(super) fn read(event_type: &str, data: &Object) -> Result<Option<Self>, EventError> {
        let mut fields = Fields::of_object("proposal", data);
        let read = match event_type {
            "pack.proposed" => Self::Proposed(Box::new(VersionProposed {
                published: PackPublished::take(&mut fields)?,
                lifecycle: PackRef::read(fields.object("lifecycle")?)?,
                official: fields.parsed("official", OfficialId::parse)?,
                opens: StageOpened::read(fields.object("opens")?)?,
            })),
            "pack.remark_raised" => Self::RemarkRaised(RemarkRaised {
                proposal: number(&mut fields, "proposal")?,
                stage: fields.parsed("stage", StageCode::parse)?,
                official: fields.parsed("official", OfficialId::parse)?,
                text: fields.string("text")?.to_owned(),
                file: parse_optional(&mut fields, "file", |file| Ok::<_, String>(file.to_owned()))?,
            }),
            "pack.remark_resolved" => Self::RemarkResolved(RemarkResolved {
                remark: number(&mut fields, "remark")?,
                official: fields.parsed("official", OfficialId::parse)?,
                text: fields.string("text")?.to_owned(),
            }),
            "pack.stage_signed" => Self::StageSigned(StageSigned {
                proposal: number(&mut fields, "proposal")?,
                stage: fields.parsed("stage", StageCode::parse)?,
                official: fields.parsed("official", OfficialId::parse)?,
                signature: OfficialSignature::read(fields.object("signature")?)?,
                opens: match fields.optional("opens") {
                    None => None,
                    Some(_) => Some(StageOpened::read(fields.object("opens")?)?),
                },
            }),
            "pack.stage_breached" => Self::StageBreached(PackStageBreached {
                proposal: number(&mut fields, "proposal")?,
                stage: fields.parsed("stage", StageCode::parse)?,
                due: fields.parsed("due", Timestamp::parse)?,
            }),
            "pack.proposal_published" => {
                Self::Published { proposal: number(&mut fields, "proposal")? }
            }
            _ => return Ok(None),
        };
        fields.finish()?;
        Ok(Some(read))
    }
}

impl StageOpened {
    fn data(&self) -> Object {
        Object::new()
            .with("stage", self.stage.as_str())
            .with("at", time(self.at))
            .with("due", time(self.due))
    }

    fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("opens", data);
        let read = Self {
            stage: fields.parsed("stage", StageCode::parse)?,
            at: fields.parsed("at", Timestamp::parse)?,
            due: fields.parsed("due", Timestamp::parse)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

fn number(fields: &mut Fields<'_>, name: &'static str) -> Result<StreamVersion, FieldError> {
    fields.unsigned(name).map(StreamVersion::new)
}
