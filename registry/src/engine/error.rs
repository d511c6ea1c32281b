//! Why the engine did not do what it was asked; each says whether anything was changed.

use letopis_ledger::id::StreamName;
use thiserror::Error;

use super::adapter::AdapterError;
use super::port::{AppendRefused, ReadFailed};
use super::typesetter::TypesettingFailed;
use crate::case::{CaseRefusal, OutOfPlace};
use crate::code::{ChannelCode, ComplexCode, GroundCode, PackCode, RegistryCode, ServiceCode};
use crate::complex::ComplexRefusal;
use crate::entry::EntryRefusal;
use crate::event::{CaseId, EventError};
use crate::lifecycle::LifecycleRefusal;
use crate::offer::OfferRefusal;
use crate::pack::{FormError, PackError};
use crate::payment::PaymentRefusal;
use crate::private::PrivateError;
use crate::projection::ProjectionError;
use crate::record_draft::SealError;

/// Why the engine did not do what it was asked.
#[derive(Debug, Error)]
pub enum EngineError {
    // ---- the asker's mistake: nothing was changed
    /// The form is wrong.
    #[error("{} fields of the form are wrong", errors.len())]
    Form {
        /// Every wrong field.
        errors: Vec<FormError>,
    },
    /// No installed pack offers the service.
    #[error("service {service} is not offered")]
    UnknownService {
        /// The service.
        service: ServiceCode,
    },
    /// The service is not open to the channel.
    #[error("service {service} is not open to channel {channel}")]
    ChannelClosed {
        /// The service.
        service: ServiceCode,
        /// The channel.
        channel: ChannelCode,
    },
    /// Only a draft comes through the channel.
    #[error("through channel {channel} only a draft of {service} is made; submit it another way")]
    DraftOnly {
        /// The service.
        service: ServiceCode,
        /// The channel.
        channel: ChannelCode,
    },
    /// A draft of an older form does not fit the form in force.
    #[error("the draft was filled in by version {version}; the form of version {in_force}, in \
             force now, has {} fields that it does not fit: correct those and submit it again",
            errors.len())]
    DraftOutdated {
        /// The version of the draft.
        version: u32,
        /// The version in force.
        in_force: u32,
        /// Every field that does not fit, and what to do.
        errors: Vec<FormError>,
    },
    /// One service of a complex request would not take its application; nothing was submitted.
    #[error("{service} does not take its application: {}; nothing was submitted: correct that",
            grounds.iter().map(GroundCode::as_str).collect::<Vec<_>>().join(", "))]
    NotTakenTogether {
        /// The service.
        service: ServiceCode,
        /// The grounds of the regulation's closed list.
        grounds: Vec<GroundCode>,
    },
    /// No installed pack offers the complex request.
    #[error("complex request {code} is not offered")]
    UnknownComplex {
        /// Its code.
        code: ComplexCode,
    },
    /// A message of another system cannot be taken as it is.
    #[error("{reason}")]
    Message {
        /// What is wrong.
        reason: String,
    },
    /// Too many messages wait for officials.
    #[error("{most} messages wait for officials already; keep the message and send it again later")]
    TooManyMessages {
        /// The most that may wait.
        most: u32,
    },
    /// A message was released or rejected.
    #[error("the message was {how} before")]
    MessageSettled {
        /// `released` or `rejected`.
        how: String,
    },
    /// The newest version of a pack no longer has it: nothing new begins by it.
    #[error(
        "{what} {name} is withdrawn: version {version} of pack {pack} no longer has it; what \
             was begun before goes on by its own version"
    )]
    Withdrawn {
        /// `service`, `registry` or `complex request`.
        what: &'static str,
        /// Its code.
        name: String,
        /// The pack that had it.
        pack: PackCode,
        /// The newest version of the pack.
        version: u32,
    },
    /// The idempotency key was used for another application.
    #[error("the idempotency key was used for another application; take a new key")]
    IdempotencyKeyReused,
    /// A case that asks the same of an entry is not decided yet.
    #[error("{entry}: case {case} asks the same and is not decided yet; wait for its decision")]
    FollowUpOpen {
        /// The entry.
        entry: StreamName,
        /// Its number; that of another node's case is not known yet.
        case: String,
    },
    /// There is no such case.
    #[error("there is no case {case}")]
    UnknownCase {
        /// The case.
        case: CaseId,
    },
    /// There is no such registry, or no such entry of it.
    #[error("there is no {what} {name}")]
    UnknownEntry {
        /// `registry` or `entry`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Something about an official that cannot be.
    #[error("{reason}")]
    Staff {
        /// What, and what to do.
        reason: String,
    },
    /// A rule of cases.
    #[error("{0}")]
    Case(#[from] CaseRefusal),
    /// A rule of offers.
    #[error("{0}")]
    Offer(#[from] OfferRefusal),
    /// A rule of payments.
    #[error("{0}")]
    Payment(#[from] PaymentRefusal),
    /// A rule of versions on their way into force.
    #[error("{0}")]
    Lifecycle(#[from] LifecycleRefusal),
    /// A rule of registries.
    #[error("{0}")]
    Entry(#[from] EntryRefusal),
    /// A row of a bulk command is wrong; nothing of the bulk was entered.
    #[error("row {row_index}: {refusal}")]
    Row {
        /// The row, from 0.
        row_index: usize,
        /// What is wrong.
        refusal: EntryRefusal,
    },
    /// A version of a pack was published with other files.
    #[error("version {version} of pack {pack} is published with other files; raise the version")]
    PackVersionTaken {
        /// The pack.
        pack: PackCode,
        /// The version.
        version: u32,
    },
    /// A pack whose own test cases fail.
    #[error("{} test cases of the pack fail, the first: {}", errors.len(), errors[0])]
    PackFails {
        /// The cases that came out otherwise.
        errors: Vec<PackError>,
    },
    /// A version of a pack that is not the next one.
    #[error("version {found} of pack {pack} does not follow version {last}; versions are dense")]
    PackVersionGap {
        /// The pack.
        pack: PackCode,
        /// The last published version, 0 for none.
        last: u32,
        /// The version found.
        found: u32,
    },
    /// A pack that was not published as it is.
    #[error("version {version} of pack {pack} is not published as it is here; publish it first")]
    PackNotPublished {
        /// The pack.
        pack: PackCode,
        /// The version.
        version: u32,
    },
    /// A pack of another agency.
    #[error("pack {pack} is of agency {agency}, which does not sign here")]
    ForeignPack {
        /// The pack.
        pack: PackCode,
        /// Its agency.
        agency: String,
    },
    /// Two packs offer the same thing.
    #[error("{name} is offered by pack {other} already; give one of them another code")]
    Offered {
        /// The service or registry.
        name: String,
        /// The other pack.
        other: PackCode,
    },
    /// The case follows a version of a pack that is not installed here.
    #[error("the case follows version {version} of pack {pack}, which is not installed here")]
    PackNotInstalled {
        /// The pack.
        pack: PackCode,
        /// The version.
        version: u32,
    },

    // ---- the ledger
    /// Others were faster too often; nothing was changed.
    #[error("others changed the same streams or names {tries} times in a row; try again")]
    TooManyRaces {
        /// How often it was tried.
        tries: u32,
    },
    /// The ledger did not take the record.
    #[error("{0}")]
    Append(#[from] AppendRefused),
    /// A bulk stopped between its records: the first rows stand in the registry, the others do
    /// not, except that those of the record under way may when the ledger did not answer.
    #[error("{entered_count} of {row_count} rows were entered, then: {source}; go on after them")]
    Partly {
        /// Rows entered, from the first one on.
        entered_count: usize,
        /// Rows given.
        row_count: usize,
        /// What stopped it.
        source: Box<EngineError>,
    },
    /// Leaves could not be read.
    #[error("{0}")]
    Read(#[from] ReadFailed),

    // ---- the node
    /// The private store failed; nothing was proposed.
    #[error("{0}")]
    Private(#[from] PrivateError),
    /// The tables failed.
    #[error("{0}")]
    Projection(#[from] ProjectionError),
    /// A paper could not be set; nothing was issued.
    #[error("{0}")]
    Typesetting(#[from] TypesettingFailed),
    /// A request brought no answer now.
    #[error("{0}")]
    Adapter(#[from] AdapterError),
    /// A record could not be written.
    #[error("{0}")]
    Seal(#[from] SealError),
    /// An event of a case could not be read.
    #[error("{0}")]
    Event(#[from] EventError),
    /// The events of a complex request do not follow each other.
    #[error("{0}")]
    Complex(#[from] ComplexRefusal),
    /// The events of a case do not follow each other.
    #[error("{0}")]
    OutOfPlace(#[from] OutOfPlace),
    /// A stored record could not be read back.
    #[error("a stored record is damaged: {reason}; restore the private store from a backup")]
    StoredRecord {
        /// What is wrong with it.
        reason: String,
    },
}

impl EngineError {
    /// An unknown registry.
    pub(super) fn unknown_registry(registry: &RegistryCode) -> Self {
        Self::UnknownEntry { what: "registry", name: registry.to_string() }
    }
}
