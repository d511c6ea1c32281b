//! Importing an event log: traces side by side, the records of one trace in order.

use futures::stream::{self, StreamExt};
use letopis_ledger::Hash;
use letopis_ledger::record::SignedRecord;
use thiserror::Error;

use super::{CaseEngine, EngineError, LedgerPort};
use crate::import::xes::{XesError, XesImport, XesTrace};
use crate::private::PrivateBatch;

/// Traces whose records are under way at the same time.
const TRACES_AT_ONCE: usize = 64;

/// What an import brought in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TracesImported {
    /// Traces.
    pub trace_count: u64,
    /// Their events, one record each.
    pub event_count: u64,
}

/// Why an import stopped. What was appended before stays; the same import goes on from there.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The file is wrong.
    #[error("{0}")]
    Xes(#[from] XesError),
    /// The engine failed.
    #[error("{0}")]
    Engine(#[from] EngineError),
}

impl<P: LedgerPort> CaseEngine<P> {
    /// An import of the file with this SHA-256 by this agency into this log.
    #[must_use]
    pub fn xes_import(&self, file: Hash) -> XesImport {
        XesImport::new(file, self.author.log.clone(), self.author.agency.clone())
    }

    /// Imports traces. `progress` is told after each trace how much was brought in so far.
    ///
    /// # Errors
    /// See [`ImportError`].
    pub async fn import_xes(
        &self,
        import: &XesImport,
        traces: impl Iterator<Item = Result<XesTrace, XesError>> + Send,
        mut progress: impl FnMut(TracesImported) + Send,
    ) -> Result<TracesImported, ImportError> {
        let import_one = |trace: Result<XesTrace, XesError>| async move {
            self.import_trace(import, &trace?).await
        };
        let mut imported = TracesImported::default();
        let mut results = stream::iter(traces).map(import_one).buffer_unordered(TRACES_AT_ONCE);
        while let Some(event_count) = results.next().await {
            imported.event_count += event_count?;
            imported.trace_count += 1;
            progress(imported);
        }
        Ok(imported)
    }

    async fn import_trace(&self, import: &XesImport, trace: &XesTrace) -> Result<u64, ImportError> {
        let records = import.records(trace, &self.secret)?;
        let event_count = records.len() as u64;
        let (mut batch, mut signed) = (PrivateBatch::default(), Vec::with_capacity(records.len()));
        for sealed in records {
            batch.disclosures.extend(sealed.disclosures);
            signed.push(SignedRecord::sign(sealed.record, &self.author.signer));
        }
        self.private.put(batch).await.map_err(EngineError::from)?;
        for record in signed {
            self.port.append(record).await.map_err(EngineError::from)?;
        }
        Ok(event_count)
    }
}
