//! Consultations: each is put on record when it is over, by the official who gave it.
//!
//! Not here: what was said, which is kept nowhere.

use super::{Appended, CaseEngine, EngineError, LedgerPort};
use crate::code::{ChannelCode, ServiceCode, TopicCode};
use crate::environment::random;
use crate::event::{ConsultationId, ConsultationOutcome, ConsultationRegistered, DomainEvent};
use crate::record_draft::{Decision, NewEvent};
use crate::staff::Official;

/// The longest consultation: a day.
const DURATION_MAX_MS: u64 = 24 * 3_600_000;

/// A consultation that somebody gave.
#[derive(Debug, Clone)]
pub struct Consultation {
    /// The service that it was about.
    pub service: ServiceCode,
    /// What was asked.
    pub topic: TopicCode,
    /// How the person came.
    pub channel: ChannelCode,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What it led to.
    pub outcome: ConsultationOutcome,
}

impl<P: LedgerPort> CaseEngine<P> {
    /// Puts a consultation on record.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn register_consultation(
        &self,
        acting: &Official,
        given: &Consultation,
    ) -> Result<(ConsultationId, Appended), EngineError> {
        let service = given.service.clone();
        if self.pack_with_service(&service).is_none() {
            return Err(EngineError::UnknownService { service });
        }
        let duration_ms = given.duration_ms;
        if !(1..=DURATION_MAX_MS).contains(&duration_ms) {
            let reason = format!(
                "a consultation of {duration_ms} ms: give at least 1 and at most {DURATION_MAX_MS}"
            );
            return Err(EngineError::Staff { reason });
        }
        let unix_ms = self.clock.now().unix_ms().unsigned_abs();
        let id = ConsultationId::from_parts(unix_ms, &random(&*self.entropy));
        let event = ConsultationRegistered {
            service,
            topic: given.topic.clone(),
            channel: given.channel.clone(),
            official: acting.id,
            duration_ms,
            outcome: given.outcome,
        };
        let event = NewEvent {
            stream: id.stream(),
            version: letopis_ledger::StreamVersion::ZERO,
            event: DomainEvent::Consultation(event),
            private: vec![],
        };
        let decision = Decision { events: vec![event], claims: vec![] };
        let appended = self.append(self.seal(decision)?).await?;
        self.catch_up().await?;
        Ok((id, appended))
    }
}
