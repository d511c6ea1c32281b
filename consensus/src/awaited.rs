//! Answers that callers wait for. They come from this node's own state, when the entry with the
//! record is applied here, whoever led: so a caller sees its record on the node that it asked.
//!
//! Each entry is applied in the order of the log. Once an entry of a later term is applied, no
//! entry of an earlier one can follow; a record whose answer has not come by then was not and
//! will not be appended by what was proposed in that term, and may be proposed again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use letopis_ledger::id::RecordId;
use tokio::sync::{oneshot, watch};

use crate::ledger::AppendError;
use crate::machine::Receipt;

type Answer = Result<Receipt, AppendError>;

/// Who waits for which record.
pub(crate) struct Awaited {
    waiting: Mutex<HashMap<RecordId, Vec<oneshot::Sender<Answer>>>>,
    applied_term: watch::Sender<u64>,
}

impl Awaited {
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::default(), applied_term: watch::Sender::new(0) }
    }

    /// Waits for a record from now on.
    pub(crate) fn wait_for(&self, id: RecordId) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        self.waiting().entry(id).or_default().push(answer);
        answered
    }

    /// Answers everybody who waits for a record.
    pub(crate) fn answer(&self, id: RecordId, answer: &Answer) {
        let waiting = self.waiting().remove(&id);
        for caller in waiting.into_iter().flatten() {
            // A caller that went away needs no answer.
            let _ = caller.send(answer.clone());
        }
    }

    /// Forgets callers that gave up.
    pub(crate) fn forget_closed(&self, id: RecordId) {
        let mut waiting = self.waiting();
        if let Some(callers) = waiting.get_mut(&id) {
            callers.retain(|caller| !caller.is_closed());
            if callers.is_empty() {
                waiting.remove(&id);
            }
        }
    }

    /// Whether somebody still waits for a record.
    pub(crate) fn is_awaited(&self, id: RecordId) -> bool {
        let waiting = self.waiting();
        waiting.get(&id).is_some_and(|callers| callers.iter().any(|caller| !caller.is_closed()))
    }

    /// Whether nobody waits for anything: applying need not look for callers then.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting().is_empty()
    }

    /// An entry of this term is applied, and its answers were given.
    pub(crate) fn applied(&self, term: u64) {
        self.applied_term.send_if_modified(|known| {
            let later = *known < term;
            *known = (*known).max(term);
            later
        });
    }

    /// Waits until an entry of a later term than this is applied.
    pub(crate) async fn later_than(&self, term: u64) {
        let mut applied = self.applied_term.subscribe();
        // The sender lives as long as `self`.
        let _ = applied.wait_for(|applied| *applied > term).await;
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<RecordId, Vec<oneshot::Sender<Answer>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
