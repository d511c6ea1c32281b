//! Signed heads that contradict this node's own leaves: kept, so that the fork can be proved.
//!
//! The last checkpoint of the log that this node found true is kept beside them: two signed heads
//! that cannot both be true are an equivocation, which anyone can check without this node.
//!
//! Not here: the file of an equivocation (`letopis_ledger::equivocation`).

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::note::Note;

use crate::raft::types::TreeHead;
use crate::store::{Store, file};

/// What was seen. Clones share it.
#[derive(Clone)]
pub(crate) struct Evidence(Arc<Shared>);

struct Shared {
    folder: PathBuf,
    store: Arc<Store>,
    seen: Mutex<Option<(Note, TreeHead)>>,
}

impl Evidence {
    /// Evidence is written into this folder.
    pub(crate) fn new(folder: PathBuf, store: Arc<Store>) -> Self {
        Self(Arc::new(Shared { folder, store, seen: Mutex::default() }))
    }

    /// The log signed this head, and this node's leaves lead to it.
    pub(crate) fn saw(&self, note: &Note, head: TreeHead) {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Some((note.clone(), head));
    }

    /// The log signed a head that this node's leaves do not lead to.
    pub(crate) fn keep(&self, note: &Note, checkpoint: &Checkpoint) {
        let name = format!("contradicting-{}-{}", checkpoint.size(), checkpoint.root().to_hex());
        let kept = file::replace(&self.0.folder.join(&name), note.to_string().as_bytes());
        if let Err(error) = kept {
            tracing::error!(%error, "evidence of a second tree head could not be kept");
        }
        tracing::error!(
            size = %checkpoint.size(),
            root = %checkpoint.root(),
            file = name,
            "the log signed a tree head that this node's leaves do not lead to"
        );
    }
}
