//! Signed heads that contradict this node's own leaves: kept, and the fork proved by one file.
//!
//! The largest head of the log that this node found true is kept beside them, over restarts too.
//! With it, a contradicting head is an equivocation: a file is written that anyone can check
//! without this node. A head of more leaves than any true one that was seen waits until the log
//! signs a true one of at least its size.
//!
//! Not here: the file itself (`letopis_ledger::equivocation`), and what follows from it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use letopis_ledger::TreeSize;
use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::equivocation::Equivocation;
use letopis_ledger::note::Note;

use crate::metric;
use crate::raft::types::TreeHead;
use crate::store::{Store, file};

/// Name of the file with the largest true head that was seen.
const SEEN: &str = "seen";
/// How the names of contradicting heads begin.
const CONTRADICTING: &str = "contradicting-";
/// Most contradicting heads that are kept: who holds the log key can make any number of them.
const KEPT_MAX: usize = 64;
/// Most heads that are remembered until this node has so many leaves.
const AHEAD_MAX: usize = 16;

/// What was seen. Clones share it.
#[derive(Clone)]
pub(crate) struct Evidence(Arc<Shared>);

struct Shared {
    folder: PathBuf,
    store: Arc<Store>,
    known: Mutex<Known>,
}

/// What the log signed, as far as this node was told.
#[derive(Default)]
struct Known {
    /// The largest true head.
    seen: Option<(Note, TreeHead)>,
    /// Heads that contradict this node's leaves, and no file proves it yet.
    contradicting: Vec<(Note, TreeHead)>,
    /// Heads of more leaves than this node has: nobody knows yet.
    ahead: Vec<(Note, TreeHead)>,
    /// Contradicting heads in the folder.
    kept: usize,
}

impl Evidence {
    /// Evidence is in this folder, and is written into it.
    pub(crate) fn new(folder: PathBuf, store: Arc<Store>) -> Self {
        let known = read_known(&folder, &store);
        Self(Arc::new(Shared { folder, store, known: Mutex::new(known) }))
    }

    /// The log signed this head, and this node's leaves lead to it.
    pub(crate) fn saw(&self, note: &Note, head: TreeHead) {
        let mut known = self.known();
        if known.seen.as_ref().is_some_and(|(_, seen)| seen.size >= head.size) {
            return;
        }
        known.seen = Some((note.clone(), head));
        // Not synced: a power cut may cost this proof its other half and nothing else.
        let written = file::replace_later(&self.0.folder.join(SEEN), note.to_string().as_bytes());
        if let Err(error) = written {
            tracing::warn!(%error, "the last true head could not be kept");
        }
        let (decided, ahead) =
            known.ahead.drain(..).partition(|(_, ahead)| ahead.size <= head.size);
        known.ahead = ahead;
        let decided: Vec<(Note, TreeHead)> = decided;
        for (note, ahead) in decided {
            if self.0.store.root_at(ahead.size).is_ok_and(|root| root != Some(ahead.root)) {
                self.keep_in(&mut known, &note, ahead);
            }
        }
        self.prove(&mut known);
    }

    /// The log signed a head that this node's leaves do not lead to.
    pub(crate) fn keep(&self, note: &Note, checkpoint: &Checkpoint) {
        let mut known = self.known();
        self.keep_in(&mut known, note, head_of(checkpoint));
        self.prove(&mut known);
    }

    /// The log signed a head of more leaves than this node has.
    pub(crate) fn ahead(&self, note: &Note, checkpoint: &Checkpoint) {
        let (mut known, head) = (self.known(), head_of(checkpoint));
        if known.ahead.iter().any(|(_, known)| *known == head) {
            return;
        }
        if known.ahead.len() == AHEAD_MAX {
            known.ahead.remove(0);
        }
        known.ahead.push((note.clone(), head));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep_in(&self, known: &mut Known, note: &Note, head: TreeHead) {
        metric::contradicting_head();
        tracing::error!(%head, "the log signed a tree head that this node's leaves do not lead to");
        let path =
            self.0.folder.join(format!("{CONTRADICTING}{}-{}", head.size, head.root.to_hex()));
        if path.exists() {
            return;
        }
        if known.kept == KEPT_MAX {
            tracing::error!("{KEPT_MAX} contradicting heads are kept already; this one is not");
            return;
        }
        match file::replace(&path, note.to_string().as_bytes()) {
            Ok(()) => {
                known.kept += 1;
                known.contradicting.push((note.clone(), head));
            }
            Err(error) => tracing::error!(%error, "a contradicting head could not be kept"),
        }
    }

    /// Writes a file for every contradicting head that the largest true one suffices for.
    fn prove(&self, known: &mut Known) {
        let Some((seen, head)) = known.seen.clone() else { return };
        known.contradicting.retain(|(note, contradicting)| {
            let larger = contradicting.size > head.size;
            larger || !self.prove_one((&seen, head), (note, *contradicting))
        });
    }

    /// Whether the file is there.
    fn prove_one(&self, seen: (&Note, TreeHead), contradicting: (&Note, TreeHead)) -> bool {
        let (old, new) = (contradicting.1.size, seen.1.size);
        let path = self.0.folder.join(format!("equivocation-{old}-{new}.txt"));
        let written = self.hashes(old, new).and_then(|hashes| {
            let found = Equivocation::new(seen.0.clone(), contradicting.0.clone(), hashes);
            let found = found.map_err(|error| error.to_string())?;
            file::replace(&path, found.to_string().as_bytes()).map_err(|error| error.to_string())
        });
        match &written {
            Ok(()) => tracing::error!(
                file = %path.display(),
                "the log signed two heads that cannot both be true; `letopis-verify compare` \
                 proves it with this file: give it to everyone"
            ),
            Err(error) => tracing::error!(error, "an equivocation could not be written"),
        }
        written.is_ok()
    }

    /// What leads from the first leaves to the root of this node's tree of `new` leaves.
    fn hashes(&self, old: TreeSize, new: TreeSize) -> Result<Vec<letopis_ledger::Hash>, String> {
        if old == new || old == TreeSize::ZERO {
            return Ok(Vec::new());
        }
        if self.0.store.applied_size() < new {
            return Err(format!("this node does not have {new} leaves yet"));
        }
        let proof = self.0.store.tree(new).prefix_proof(old);
        proof.map(|proof| proof.path().to_vec()).map_err(|error| error.to_string())
    }
}

fn head_of(checkpoint: &Checkpoint) -> TreeHead {
    TreeHead { size: checkpoint.size(), root: *checkpoint.root() }
}

/// What was kept before this start; a file that is none of ours is passed over.
fn read_known(folder: &std::path::Path, store: &Store) -> Known {
    let read = |path: PathBuf| {
        let note = Note::from_bytes(&file::read(&path).ok()??).ok()?;
        let checkpoint = Checkpoint::parse(note.text()).ok()?;
        (checkpoint.origin() == store.origin()).then(|| (note, head_of(&checkpoint)))
    };
    let mut known = Known { seen: read(folder.join(SEEN)), ..Known::default() };
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names: Vec<String> =
        names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    for name in names.iter().filter(|name| name.starts_with(CONTRADICTING)) {
        known.kept += 1;
        let Some((note, head)) = read(folder.join(name)) else { continue };
        let proof = format!("equivocation-{}-", head.size);
        if !names.iter().any(|name| name.starts_with(&proof)) {
            known.contradicting.push((note, head));
        }
    }
    known
}
