//! Why a command on a case was refused; nothing has changed then.

use letopis_ledger::Timestamp;
use thiserror::Error;

use super::opened::OpenedError;
use crate::code::{ChannelCode, StepCode};
use crate::event::PackRef;
use crate::pack::JudgeError;

/// Why a command on a case was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CaseRefusal {
    /// The case was submitted already.
    #[error("the case was submitted already; use a new case for a new application")]
    AlreadySubmitted,
    /// There is no such case yet.
    #[error("the case was not submitted; submit an application first")]
    NotSubmitted,
    /// The service is not open to the channel.
    #[error("the service is not open to channel {channel}; use one of its channels")]
    ChannelClosed {
        /// The channel.
        channel: ChannelCode,
    },
    /// The regulation that the case follows has no such step.
    #[error("step {step} is not in version {} of pack {}, which the case follows; \
             only its own steps can be taken", pack.version, pack.code)]
    StepNotInRegulation {
        /// The step.
        step: StepCode,
        /// The pinned version.
        pack: PackRef,
    },
    /// The rules given are not those that the case follows.
    #[error("the case follows version {} of pack {} published by leaf {}; decide it by that one",
            pinned.version, pinned.code, pinned.leaf)]
    OtherRegulation {
        /// The pinned version.
        pinned: PackRef,
    },
    /// The case has ended.
    #[error("the case has ended; nothing can be added to it")]
    AlreadyEnded,
    /// The request was never sent.
    #[error("request {request} was not sent; an answer to it is not taken")]
    RequestNotSent {
        /// The request.
        request: StepCode,
    },
    /// The request has its answer.
    #[error("request {request} was answered already; a second answer is not taken")]
    AlreadyAnswered {
        /// The request.
        request: StepCode,
    },
    /// An answer brings a fact that was not asked for.
    #[error("the answer of {request} brings {field:?}, which was not asked for; leave it out")]
    FactNotAsked {
        /// The request.
        request: StepCode,
        /// The field.
        field: String,
    },
    /// The decision waits for a mandatory request.
    #[error("the decision waits for the answer of {request}")]
    WaitsFor {
        /// The request.
        request: StepCode,
    },
    /// "No data" of this request is for an official to judge.
    #[error("request {request} brought no data; an official decides this case")]
    NoDataForOfficial {
        /// The request.
        request: StepCode,
    },
    /// Time went back.
    #[error("{at} is before {registered_at}, when the case was registered; correct the clock")]
    BeforeRegistration {
        /// When the command says that it happens.
        at: Timestamp,
        /// When the case was registered.
        registered_at: Timestamp,
    },
    /// The values of the case cannot be put together.
    #[error("{0}")]
    Opened(#[from] OpenedError),
    /// There is no automatic decision.
    #[error("{0}")]
    Judge(#[from] JudgeError),
    /// All slots of a quota are taken although the decision grants.
    #[error(
        "no slot is free for {field:?} although the decision grants; the model's limit and \
             the registry's quota differ: correct the pack"
    )]
    QuotaDiffers {
        /// The field.
        field: String,
    },
}
