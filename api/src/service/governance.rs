//! Records of this agency about agencies, keys, nodes and the quorum: put on the ends of their
//! streams, signed with the agency's key, appended all or nothing.
//!
//! Not here: what may be said, and by whom; the append machine judges that.

use std::collections::BTreeMap;

use letopis_consensus::{AppendError, LedgerHandle, ReadError, Receipt, Reject};
use letopis_ledger::StreamVersion;
use letopis_ledger::governance::{GovernanceEvent, SCHEMA_VERSION};
use letopis_ledger::id::{AgencyId, StreamName};
use letopis_ledger::key::AuthorSigner;
use letopis_ledger::record::{Event, Record, RecordError, SignedRecord};
use thiserror::Error;

use crate::cli::init::new_id;

/// How often a record is put on the ends of its streams again when others were faster.
const TRIES: usize = 5;

/// Why governance events were not appended.
#[derive(Debug, Error)]
pub(crate) enum GovernanceFailed {
    /// The log did not take the record.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The lengths of the streams could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The events do not make a record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// No id could be made.
    #[error("the system's random generator failed: {0}")]
    Id(String),
}

/// Appends governance events as one record of this agency.
pub(crate) async fn append(
    ledger: &LedgerHandle,
    agency: &AgencyId,
    signer: &AuthorSigner,
    events: &[GovernanceEvent],
) -> Result<Receipt, GovernanceFailed> {
    let mut tries = 0;
    loop {
        tries += 1;
        let record = record(ledger, agency, signer, events)?;
        match ledger.append(record).await {
            Err(AppendError::Rejected(reject))
                if matches!(*reject, Reject::VersionConflict { .. }) && tries < TRIES => {}
            answer => return Ok(answer?),
        }
    }
}

/// Signs governance events as one record, put on the ends of their streams.
pub(crate) fn record(
    ledger: &LedgerHandle,
    agency: &AgencyId,
    signer: &AuthorSigner,
    events: &[GovernanceEvent],
) -> Result<SignedRecord, GovernanceFailed> {
    let mut lengths: BTreeMap<StreamName, StreamVersion> = BTreeMap::new();
    let mut placed = Vec::with_capacity(events.len());
    for governance in events {
        let stream = governance.stream();
        let length = match lengths.get(&stream) {
            Some(length) => *length,
            None => ledger.stream(&stream)?.map_or(StreamVersion::ZERO, |state| state.length),
        };
        lengths.insert(stream.clone(), length.next());
        placed.push(Event {
            stream,
            version: length,
            event_type: governance.event_type(),
            schema: SCHEMA_VERSION,
            data: governance.data(),
            private: Vec::new(),
        });
    }
    let id = new_id().map_err(|error| GovernanceFailed::Id(error.to_string()))?;
    let record = Record::new(ledger.origin().clone(), id, agency.clone(), placed, Vec::new())?;
    Ok(SignedRecord::sign(record, signer))
}
