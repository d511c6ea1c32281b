//! Where commands come in: each meets the state, is decided, kept, signed and appended.
//!
//! Private values are durable in the agency's own store before the record that names their digests
//! is proposed. A lost race (a stream grew, a name was taken) is decided again on the new state, a
//! bounded number of times. Not here: HTTP, authentication, and who may use which command.

mod adapter;
mod advance;
mod answers;
mod complex;
mod consultations;
mod disclosures;
mod documents;
mod drafts;
mod error;
mod extract;
mod facts;
mod figures;
mod follow_up;
mod inbox;
mod keeper;
mod lifecycle;
mod messages;
mod notices;
mod numbers;
mod offer_answers;
mod offers;
mod packs;
mod payments;
mod port;
mod reuse;
mod review;
mod shown;
mod staff;
mod submit;
mod timeline;
mod traces;
mod typesetter;
mod work;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use letopis_ledger::checkpoint::Origin;
use letopis_ledger::id::{AgencyId, RecordId, StreamName};
use letopis_ledger::key::AuthorSigner;
use letopis_ledger::record::{Event, SignedRecord};
use letopis_ledger::{LeafIndex, TreeSize};

pub use adapter::{AdapterAnswer, AdapterError, PendingRequest, RegistryAdapter, RequestAdapter};
pub use advance::CaseProgress;
pub use answers::{AnswerForm, AnswerTable, AskedApplicant};
pub use complex::{ComplexAccepted, ComplexApplication};
pub use consultations::Consultation;
pub use disclosures::CaseDisclosure;
pub use documents::IssuedDocument;
pub use drafts::{DraftState, SubmittedDraft};
pub use error::EngineError;
pub use extract::ExtractReader;
pub use inbox::{AskedOfficial, CaseCard, Inbox, ToAgree};
pub use keeper::EntriesCreated;
pub use lifecycle::VersionStatus;
pub use messages::{Delivered, InboundMessage, MESSAGE_MAX_BYTES, WaitingMessage};
pub use offer_answers::OpenedOffer;
pub use packs::InstalledPack;
pub use payments::{PaymentOrder, Settlement};
pub use port::{AppendRefused, Appended, LedgerPort, ReadFailed};
pub use review::ReviewsBegun;
pub use shown::{SHOWN_MAX, ShownEntries};
pub use staff::{AppointedOfficial, Appointment};
pub use submit::{Accepted, Application, Intake};
pub use timeline::TimelineEvent;
pub use traces::{ImportError, TracesImported};
pub use typesetter::{Paper, Typesetter, TypesettingFailed};
pub use work::{GivenAnswer, GivenSubanswer, Subrequest};

use crate::case::CaseState;
use crate::environment::{Clock, Entropy, random};
use crate::event::CaseId;
use crate::private::{PrivateBatch, PrivateStore};
use crate::projection::ReadModel;
use crate::record_draft::Decision;
use crate::secret::AgencySecret;
use numbers::Numbers;
use packs::Packs;

/// How often a lost race is decided again.
pub const TRIES_MAX: u32 = 16;
/// How often a record is proposed whose fate the ledger does not tell.
const PROPOSALS_MAX: u32 = 3;
/// Leaves read and folded at a time.
const CATCH_UP_LEAVES: usize = 512;

/// Who signs, and for which log.
pub struct Author {
    /// The log.
    pub log: Origin,
    /// The agency.
    pub agency: AgencyId,
    /// Its key.
    pub signer: AuthorSigner,
}

/// What the engine is made of.
pub struct EngineParts<P> {
    /// The ledger.
    pub port: P,
    /// Who signs.
    pub author: Author,
    /// The key of keyed digests.
    pub secret: Arc<AgencySecret>,
    /// The private store.
    pub private: PrivateStore,
    /// The tables.
    pub model: Arc<ReadModel>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The random generator.
    pub entropy: Arc<dyn Entropy>,
    /// Who answers requests to registries.
    pub adapter: Arc<dyn RequestAdapter>,
    /// Who makes files of papers.
    pub typesetter: Arc<dyn Typesetter>,
}

/// The engine.
pub struct CaseEngine<P> {
    port: P,
    author: Author,
    secret: Arc<AgencySecret>,
    private: PrivateStore,
    model: Arc<ReadModel>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    adapter: Arc<dyn RequestAdapter>,
    typesetter: Arc<dyn Typesetter>,
    packs: Packs,
    numbers: Numbers,
    /// States of cases that this engine is working on, as it last appended to them.
    under_way: Mutex<HashMap<CaseId, CaseState>>,
    /// Held while the rule gives a case to an official.
    assigning: futures::lock::Mutex<()>,
}

/// A signed record with what must be kept before it is proposed.
struct Prepared {
    record: SignedRecord,
    batch: PrivateBatch,
}

impl<P: LedgerPort> CaseEngine<P> {
    /// Puts the engine together. Packs are installed afterwards.
    ///
    /// # Panics
    /// The tables serve another agency.
    #[must_use]
    pub fn new(parts: EngineParts<P>) -> Self {
        parts.model.serve(&parts.author.agency);
        Self {
            port: parts.port,
            author: parts.author,
            secret: parts.secret,
            private: parts.private,
            model: parts.model,
            clock: parts.clock,
            entropy: parts.entropy,
            adapter: parts.adapter,
            typesetter: parts.typesetter,
            packs: Packs::default(),
            numbers: Numbers::default(),
            under_way: Mutex::default(),
            assigning: futures::lock::Mutex::default(),
        }
    }

    /// The tables.
    #[must_use]
    pub const fn model(&self) -> &Arc<ReadModel> {
        &self.model
    }

    /// The private store.
    #[must_use]
    pub const fn private(&self) -> &PrivateStore {
        &self.private
    }

    /// The agency that signs.
    #[must_use]
    pub const fn agency(&self) -> &AgencyId {
        &self.author.agency
    }

    /// Folds every leaf that the ledger has and the tables do not.
    ///
    /// # Errors
    /// Leaves cannot be read, or the tables failed.
    pub async fn catch_up(&self) -> Result<TreeSize, EngineError> {
        let mut size = self.model.size()?;
        loop {
            let from = LeafIndex::new(size.get());
            let leaves = self.port.leaves(from, CATCH_UP_LEAVES).await?;
            if leaves.is_empty() {
                return Ok(size);
            }
            size = self.model.fold(&leaves)?;
        }
    }

    /// Every event of a stream as the ledger has it, in order, each with its leaf.
    async fn events_of(&self, stream: &StreamName) -> Result<Vec<(LeafIndex, Event)>, EngineError> {
        let mut rows = self.model.stream(stream)?.value;
        rows.dedup_by_key(|row| row.leaf);
        let mut events = Vec::new();
        for row in rows {
            let of_leaf = self.events_at(row.leaf, stream).await?;
            events.extend(of_leaf.into_iter().map(|event| (row.leaf, event)));
        }
        Ok(events)
    }

    /// The events of a stream that one leaf carries.
    async fn events_at(
        &self,
        leaf: LeafIndex,
        stream: &StreamName,
    ) -> Result<Vec<Event>, EngineError> {
        let leaves = self.port.leaves(leaf, 1).await?;
        let events = leaves.iter().flat_map(|leaf| leaf.record().events());
        Ok(events.filter(|event| &event.stream == stream).cloned().collect())
    }

    /// Writes and signs the record of a decision under a new id.
    fn seal(&self, decision: Decision) -> Result<Prepared, EngineError> {
        let unix_ms = self.clock.now().unix_ms().unsigned_abs();
        let id = RecordId::from_parts(unix_ms, &random(&*self.entropy));
        let (log, agency) = (self.author.log.clone(), self.author.agency.clone());
        let sealed = decision.seal(log, id, agency, &*self.entropy)?;
        let record = SignedRecord::sign(sealed.record, &self.author.signer);
        let batch = PrivateBatch { disclosures: sealed.disclosures, ..PrivateBatch::default() };
        Ok(Prepared { record, batch })
    }

    /// Keeps what must be kept, then appends. The same record is proposed again when the ledger
    /// cannot say whether it is there: if it is, the ledger gives its first answer.
    async fn append(&self, prepared: Prepared) -> Result<Appended, EngineError> {
        self.private.put(prepared.batch).await?;
        for _ in 1..PROPOSALS_MAX {
            match self.port.append(prepared.record.clone()).await {
                Err(AppendRefused::Unavailable { .. }) => {}
                answer => return Ok(answer?),
            }
        }
        Ok(self.port.append(prepared.record).await?)
    }
}

impl<P: LedgerPort> CaseEngine<P> {
    /// Appends unless somebody was faster, and reads what the log has then; `None` says that the
    /// command must be decided again.
    async fn append_unless_overtaken(
        &self,
        prepared: Prepared,
    ) -> Result<Option<Appended>, EngineError> {
        let appended = match self.append(prepared).await {
            Ok(appended) => Some(appended),
            Err(error) if Race::of(&error).is_some() => None,
            Err(error) => return Err(error),
        };
        self.catch_up().await?;
        Ok(appended)
    }
}

impl<P> fmt::Debug for CaseEngine<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaseEngine").field("agency", &self.author.agency).finish_non_exhaustive()
    }
}

/// A race that was lost: what to do before deciding again.
enum Race {
    /// A stream grew: its state must be read again.
    Stream,
    /// A number was taken: the next one must be taken.
    Number,
    /// Another name was taken: the registries must be read again.
    Name,
}

impl Race {
    /// The race behind a refusal; any other refusal is final.
    fn of(error: &EngineError) -> Option<Self> {
        match error {
            EngineError::Append(AppendRefused::VersionConflict { .. }) => Some(Self::Stream),
            EngineError::Append(AppendRefused::ClaimTaken { claim, .. }) => {
                let number = claim.as_str().starts_with("number/");
                Some(if number { Self::Number } else { Self::Name })
            }
            EngineError::Append(AppendRefused::ClaimNotHeld { .. }) => Some(Self::Name),
            _ => None,
        }
    }
}

/// The registry entry of a stream name, for messages.
fn unknown_entry(stream: &StreamName) -> EngineError {
    EngineError::UnknownEntry { what: "entry", name: stream.to_string() }
}

#[cfg(test)]
mod test;
#[cfg(test)]
pub(crate) mod twin;
