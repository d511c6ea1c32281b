//! How a case ends without a decision, and what goes out to the applicant.
//!
//! Not here: results and refusals, which follow a decision (`decided`, `super`), and applications
//! that were not taken (`intake`).

use letopis_ledger::id::StreamName;
use letopis_ledger::json::{FieldError, Fields, Object};
use letopis_ledger::{Hash, StreamVersion};

use crate::code::{ChannelCode, StepCode};
use crate::event::fields::{number, parse_optional, text, version};
use crate::event::stream::OfficialId;

/// The case ended without a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancelled {
    /// Who.
    pub by: CancelledBy,
}

/// Who ended a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CancelledBy {
    /// The applicant, from the applicant's own page.
    Applicant,
    /// An official, at the applicant's wish that came another way.
    Official(OfficialId),
    /// Nobody: the entry that the case is about is no longer in force.
    EntryGone,
}

/// What was granted is taken out of its registry, because a fact that it rests on has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultWithdrawn {
    /// Stream of the entry, excluded by the same record.
    pub registry_entry: StreamName,
    /// The rule of the registry.
    pub rule: StepCode,
}

impl ResultWithdrawn {
    pub(super) fn data(&self) -> Object {
        Object::new()
            .with("registry_entry", self.registry_entry.as_str())
            .with("rule", self.rule.as_str())
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("result.withdrawn", data);
        let read = Self {
            registry_entry: fields.parsed("registry_entry", StreamName::parse)?,
            rule: fields.parsed("rule", StepCode::parse)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

/// A notice for the applicant waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeQueued {
    /// The event that it tells of.
    pub about: StreamVersion,
    /// How it goes out.
    pub channel: ChannelCode,
}

/// What became of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeSettled {
    /// Version of its `notice.queued`.
    pub notice: StreamVersion,
    /// Whether it came to the applicant.
    pub delivered: bool,
    /// Who posted or telephoned it; nobody when a program sent it.
    pub official: Option<OfficialId>,
}

/// A document went out. Its bytes lie outside the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentIssued {
    /// `result` or `refusal`.
    pub kind: String,
    /// Language of the text, `ru` or `en`.
    pub language: String,
    /// SHA-256 of the bytes.
    pub sha256: Hash,
    /// Their count.
    pub size_bytes: u64,
    /// Their type.
    pub media_type: String,
}

impl Cancelled {
    pub(super) fn data(&self) -> Object {
        match self.by {
            CancelledBy::Applicant => Object::new().with("by", "applicant"),
            CancelledBy::Official(official) => {
                Object::new().with("by", "official").with("official", text(official))
            }
            CancelledBy::EntryGone => Object::new().with("by", "entry_gone"),
        }
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.cancelled", data);
        let by = match fields.string("by")? {
            "applicant" => CancelledBy::Applicant,
            "official" => CancelledBy::Official(fields.parsed("official", OfficialId::parse)?),
            "entry_gone" => CancelledBy::EntryGone,
            _ => {
                let known = "neither \"applicant\", \"official\" nor \"entry_gone\"";
                return Err(fields.invalid("by", &known));
            }
        };
        fields.finish()?;
        Ok(Self { by })
    }
}

impl NoticeQueued {
    pub(in crate::event) fn data(&self) -> Object {
        Object::new().with("about", version(self.about)).with("channel", self.channel.as_str())
    }

    pub(in crate::event) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("notice.queued", data);
        let read = Self {
            about: StreamVersion::new(fields.unsigned("about")?),
            channel: fields.parsed("channel", ChannelCode::parse)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl NoticeSettled {
    pub(in crate::event) fn data(&self) -> Object {
        let outcome = if self.delivered { "delivered" } else { "failed" };
        let data = Object::new().with("notice", version(self.notice)).with("outcome", outcome);
        with_official(data, self.official)
    }

    pub(in crate::event) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("notice.settled", data);
        let read = Self {
            notice: StreamVersion::new(fields.unsigned("notice")?),
            delivered: match fields.string("outcome")? {
                "delivered" => true,
                "failed" => false,
                _ => {
                    return Err(fields.invalid("outcome", &"neither \"delivered\" nor \"failed\""));
                }
            },
            official: parse_optional(&mut fields, "official", OfficialId::parse)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl DocumentIssued {
    pub(super) fn data(&self) -> Object {
        Object::new()
            .with("kind", text(&self.kind))
            .with("language", text(&self.language))
            .with("sha256", self.sha256.to_hex().as_str())
            .with("size_bytes", number(self.size_bytes))
            .with("media_type", text(&self.media_type))
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("document.issued", data);
        let read = Self {
            kind: fields.string("kind")?.to_owned(),
            language: fields.string("language")?.to_owned(),
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

pub(super) fn with_official(data: Object, official: Option<OfficialId>) -> Object {
    match official {
        Some(official) => data.with("official", text(official)),
        None => data,
    }
}
