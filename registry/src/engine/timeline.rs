//! The history of a case: every event with its time, its leaf and what it disclosed to the agency.
//!
//! It is read from the ledger itself, so it is complete: sendings, answers that did not count,
//! notices and papers included. Not here: who may see it.

use letopis_ledger::disclosure::Disclosure;
use letopis_ledger::id::StreamName;
use letopis_ledger::json::Object;
use letopis_ledger::{LeafIndex, StreamVersion, Timestamp};

use super::{CaseEngine, EngineError, LedgerPort};

/// An event of a case.
#[derive(Debug, Clone)]
pub struct TimelineEvent {
    /// Its number in the stream.
    pub version: StreamVersion,
    /// Its type.
    pub event_type: String,
    /// When the log took it.
    pub at: Timestamp,
    /// The leaf that carries it, signed.
    pub leaf: LeafIndex,
    /// Its public fields.
    pub data: Object,
    /// Its private fields that the agency holds.
    pub private: Vec<Disclosure>,
}

impl<P: LedgerPort> CaseEngine<P> {
    /// Every event of a stream.
    pub(super) async fn history(
        &self,
        stream: &StreamName,
    ) -> Result<Vec<TimelineEvent>, EngineError> {
        let mut rows = self.model.stream(stream)?.value;
        rows.dedup_by_key(|row| row.leaf);
        let mut timeline = Vec::new();
        for row in rows {
            for leaf in self.port.leaves(row.leaf, 1).await? {
                let events = leaf.record().events().iter().filter(|event| &event.stream == stream);
                for event in events {
                    let private = self.private.open_digests(&event.private)?;
                    timeline.push(TimelineEvent {
                        version: event.version,
                        event_type: event.event_type.to_string(),
                        at: leaf.time(),
                        leaf: row.leaf,
                        data: event.data.clone(),
                        private: private.into_iter().flatten().collect(),
                    });
                }
            }
        }
        Ok(timeline)
    }
}
