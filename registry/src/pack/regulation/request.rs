//! Requests of a regulation: who is asked, for what, when, and what silence means.
//!
//! Not here: sending and answering; see `case::command`.

use std::collections::BTreeMap;

use letopis_rules::deadline::Term;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Condition, TermRule};
use crate::code::{FieldPath, RegistryCode, RequestKindCode, UnitCode};
use crate::messages::Text;
use crate::pack::value::ValueRef;

/// How facts are asked for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestRule {
    /// Who is asked.
    pub from: Asked,
    /// What is asked, when the one asked is no registry of this log: a kind of request of the
    /// pack, which says what the answer's fields are.
    #[serde(default)]
    pub kind: Option<Spanned<RequestKindCode>>,
    /// Values by which the one asked finds the facts, by key field.
    #[serde(default)]
    pub by: BTreeMap<FieldPath, ValueRef>,
    /// Fields that the answer brings; no others are taken.
    pub take: Vec<Spanned<FieldPath>>,
    /// The facts that officials see of the answer, in this order; as its kind says without it.
    #[serde(default)]
    pub display: Vec<Spanned<FieldPath>>,
    /// Entries that whoever answers sees beside the request.
    #[serde(default)]
    pub shows: Option<Shows>,
    /// Whether the decision waits for the answer.
    pub mandatory: bool,
    /// What "no data" means for a mandatory request.
    pub no_data: NoData,
    /// What follows when the term ends without an answer.
    #[serde(default)]
    pub timed_out: TimedOut,
    /// When it is sent at all; otherwise it is omitted, on record.
    #[serde(default)]
    pub when: Option<Condition>,
    /// Whether no other step of the case may begin or end while it is open.
    #[serde(default)]
    pub blocking: bool,
    /// How often it is sent again when no reply comes; once and no more without it.
    #[serde(default)]
    pub retry: Option<Retry>,
    /// When a fact that is known already serves instead.
    #[serde(default)]
    pub reuse: Option<Reuse>,
    /// Who signs the answer beside the agency; nobody without it.
    #[serde(default)]
    pub signature: Option<SignedBy>,
    /// How long the clock of the case stands still while the applicant answers.
    #[serde(default)]
    pub suspends: Option<TermRule>,
    /// The term of the case that applies once this request is sent, counted from registration.
    #[serde(default)]
    pub changes_term: Option<TermRule>,
    /// How long the one asked may take.
    pub term: TermRule,
}

/// Whose signature an answer has beside that of the agency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignedBy {
    /// The official who gives it.
    Official,
}

/// Entries in force that an official looks at to answer: those whose area meets one of the case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shows {
    /// Their registry.
    pub registry: Spanned<RegistryCode>,
    /// One field of the registry, with the value of the case that it meets.
    pub meets: BTreeMap<FieldPath, ValueRef>,
}

/// Who is asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// A registry of the same log.
    Registry(Spanned<RegistryCode>),
    /// Somebody outside, by an adapter, by letter or by phone.
    Addressee(String),
    /// The agency's own office: any operator or executor of it may answer.
    Organisation(String),
    /// A unit of the agency: anybody of it may answer.
    Unit(Spanned<UnitCode>),
    /// The head of a unit.
    Head(Spanned<UnitCode>),
    /// A person of a unit, named by the rule of assignment when it is sent.
    Executor(Spanned<UnitCode>),
    /// The applicant.
    Applicant(Text),
}

/// What follows when the one asked holds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoData {
    /// The case is decided on that.
    Decide,
    /// An official takes over.
    Official,
}

/// What follows when the term ends without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimedOut {
    /// The case goes on waiting; the breach is on record.
    #[default]
    Wait,
    /// The case goes on as if there were no data.
    NoData,
}

/// How often a request is sent again when no reply comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Sendings after the first one.
    pub times: u32,
    /// How long a reply is waited for, counted from each sending.
    pub after: Term,
    /// What follows when the last wait is over.
    #[serde(default)]
    pub then: GivesUp,
}

/// What follows when a request was sent as often as it may be, and no reply came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GivesUp {
    /// An official takes over.
    #[default]
    Official,
    /// The request waits for the end of its term, as if it had been sent once.
    TimedOut,
}

/// When a fact that is known already serves instead of a new request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reuse {
    /// Most days since the fact was read from its source.
    pub max_age_days: u32,
}

impl RequestRule {
    /// Whether an official takes over where the one asked holds nothing.
    #[must_use]
    pub fn leaves_no_data_to_official(&self) -> bool {
        self.mandatory && self.no_data == NoData::Official
    }

    /// Whether an official takes over where no reply comes, however often it is sent.
    #[must_use]
    pub fn leaves_silence_to_official(&self) -> bool {
        self.mandatory && self.retry.is_some_and(|retry| retry.then == GivesUp::Official)
    }

    /// Whether an official may have to take over.
    #[must_use]
    pub fn may_escalate(&self) -> bool {
        self.leaves_no_data_to_official() || self.leaves_silence_to_official()
    }
}

impl Asked {
    /// Whether people of the agency answer.
    #[must_use]
    pub const fn is_internal(&self) -> bool {
        matches!(self, Self::Organisation(_) | Self::Unit(_) | Self::Head(_) | Self::Executor(_))
    }
}
