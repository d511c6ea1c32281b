//! Stages of a case where people decide, each with its own term: the proposal, then agreement.
//!
//! The second level of timers, below the term of the whole case (`term`). Not here: who proposes
//! and agrees; see `work`.

use letopis_ledger::Timestamp;
use letopis_ledger::json::{FieldError, Fields, Object};

use crate::event::fields::{number, time};

/// What of the procedure a case is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Procedure {
    /// The facts are there, and somebody has to propose.
    Proposal,
    /// A proposal waits for the posts of this stage, from 0.
    Agreement(u32),
}

/// A stage with a term began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageBegun {
    /// Which.
    pub stage: Procedure,
    /// When.
    pub at: Timestamp,
    /// Last instant that is in time.
    pub due: Timestamp,
}

/// A stage is past its term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageBreached {
    /// Which.
    pub stage: Procedure,
    /// The last instant that was in time.
    pub due: Timestamp,
}

impl Procedure {
    /// The stage as events spell it, without its number.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposal => "proposal",
            Self::Agreement(_) => "agreement",
        }
    }

    /// The number of a stage of agreement.
    #[must_use]
    pub const fn number(self) -> Option<u32> {
        match self {
            Self::Proposal => None,
            Self::Agreement(number) => Some(number),
        }
    }

    fn data(self) -> Object {
        let data = Object::new().with("stage", self.as_str());
        match self.number() {
            Some(stage) => data.with("number", number(stage.into())),
            None => data,
        }
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, FieldError> {
        match (fields.string("stage")?, fields.optional("number").is_some()) {
            ("proposal", false) => Ok(Self::Proposal),
            ("agreement", true) => {
                let number = u32::try_from(fields.unsigned("number")?);
                Ok(Self::Agreement(
                    number.map_err(|_| fields.invalid("number", &"larger than 2^32"))?,
                ))
            }
            _ => Err(fields.invalid("stage", &"neither a proposal nor a numbered agreement")),
        }
    }
}

impl StageBegun {
    pub(super) fn data(&self) -> Object {
        self.stage.data().with("at", time(self.at)).with("due", time(self.due))
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.stage_begun", data);
        let read = Self {
            stage: Procedure::read(&mut fields)?,
            at: fields.parsed("at", Timestamp::parse)?,
            due: fields.parsed("due", Timestamp::parse)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl StageBreached {
    pub(super) fn data(&self) -> Object {
        self.stage.data().with("due", time(self.due))
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.stage_breached", data);
        let read = Self {
            stage: Procedure::read(&mut fields)?,
            due: fields.parsed("due", Timestamp::parse)?,
        };
        fields.finish()?;
        Ok(read)
    }
}
