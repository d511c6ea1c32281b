//! The comparison of two signed heads of one log: can both be true, and if not, who signed both?
//!
//! A head is given as a file, or as a log that serves it together with the tiles that decide. An
//! equivocation file carries both heads and the proof. Nothing that a source says is believed: the
//! hashes must lead to the root that was signed.

use std::fs;
use std::path::Path;

use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::equivocation::{
    DoubleSigner, Equivocation, EquivocationError, HEADER, has_signed,
};
use letopis_ledger::note::{Note, VerifierKey};
use letopis_ledger::tile::{TileTree, TileTreeError};
use letopis_ledger::tree::{ConsistencyProof, PrefixProof};
use letopis_ledger::{Hash, TreeSize};
use thiserror::Error;

use crate::audit::parse_checkpoint;
use crate::source::{self, LogSource, SourceError, SourceTiles, TileReadError};

/// Most bytes of a file with a head, a proof or an equivocation.
const FILE_MAX_BYTES: u64 = 4 << 20;

/// Why there was nothing to compare.
#[derive(Debug, Error)]
pub enum CompareError {
    /// A file could not be read.
    #[error("{path} could not be read: {reason}")]
    File {
        /// The file.
        path: String,
        /// What happened.
        reason: String,
    },
    /// A log could not be read.
    #[error("{place}: {source}")]
    Source {
        /// The log.
        place: String,
        /// What happened.
        source: SourceError,
    },
    /// What was read is no signed checkpoint.
    #[error("{place} has no signed checkpoint: {reason}")]
    Checkpoint {
        /// The file or log.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// What was read is no equivocation.
    #[error("{path}: {source}")]
    Equivocation {
        /// The file.
        path: String,
        /// What is wrong.
        source: EquivocationError,
    },
    /// A proof file has something else than hashes.
    #[error("{path}, line {line}: a proof has one hash on each line, in base64")]
    Proof {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
    },
    /// One place that is not an equivocation file.
    #[error("{place} is one head: give a second one, or an equivocation file")]
    OneHead {
        /// The place.
        place: String,
    },
    /// An equivocation file beside something else.
    #[error("{place} is an equivocation file, which has both heads: give it alone")]
    NotAlone {
        /// The place.
        place: String,
    },
}

/// A signed head and where it comes from.
pub struct Head {
    /// The file or log.
    pub place: String,
    /// The signed note.
    pub note: Note,
    /// What it states.
    pub checkpoint: Checkpoint,
    /// The log, if it was read from one.
    source: Option<Box<dyn LogSource>>,
}

/// What is to be compared.
pub enum Given {
    /// Two heads.
    Heads(Box<[Head; 2]>),
    /// A file with two heads that contradict each other.
    File(String, Box<Equivocation>),
}

/// What a comparison came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// One head.
    Same,
    /// The larger tree begins with the smaller one.
    Consistent,
    /// They cannot both be true, and these signed both.
    Equivocation(Box<Equivocation>, Vec<DoubleSigner>),
    /// It cannot be said.
    Undecided(Undecided),
}

/// Why it cannot be said whether both heads are true.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Undecided {
    /// Heads of two logs say nothing about each other.
    #[error("the heads are of two logs, {0} and {1}")]
    TwoLogs(String, String),
    /// Nobody known signed the head.
    #[error("nobody whose key is known signed the head from {0}")]
    Unsigned(String),
    /// The larger tree is needed.
    #[error(
        "a proof between {old} and {new} leaves is needed: give the log with {new} leaves \
         instead of its head, or a proof"
    )]
    NoProof {
        /// Leaves of the smaller tree.
        old: TreeSize,
        /// Leaves of the larger tree.
        new: TreeSize,
    },
    /// The proof shows nothing.
    #[error("the proof shows nothing: {0}")]
    Proof(String),
    /// They contradict each other, but nobody is known to have signed both.
    #[error("{0}")]
    Nobody(EquivocationError),
    /// They contradict each other, but no keys were given.
    #[error("the heads contradict each other; to say who signed both, give --policy or --vkey")]
    NoKeys,
}

/// A comparison.
pub struct Compared {
    /// The places with the size and the root that each states.
    pub heads: [(String, Checkpoint); 2],
    /// Names of the known keys that signed each head.
    pub signers: [Vec<String>; 2],
    /// What it came to.
    pub outcome: Outcome,
}

/// Reads what is to be compared.
///
/// # Errors
/// See [`CompareError`].
pub fn read(first: &str, second: Option<&str>) -> Result<Given, CompareError> {
    match (read_place(first)?, second) {
        (Place::File(found), None) => Ok(Given::File(first.to_owned(), found)),
        (Place::Head(head), None) => Err(CompareError::OneHead { place: head.place }),
        (Place::File(_), Some(_)) => Err(CompareError::NotAlone { place: first.to_owned() }),
        (Place::Head(head), Some(second)) => match read_place(second)? {
            Place::Head(other) => Ok(Given::Heads(Box::new([*head, *other]))),
            Place::File(_) => Err(CompareError::NotAlone { place: second.to_owned() }),
        },
    }
}

enum Place {
    Head(Box<Head>),
    File(Box<Equivocation>),
}

fn read_place(place: &str) -> Result<Place, CompareError> {
    if !Path::new(place).is_file() {
        let log = source::open(place);
        let failed = |source| CompareError::Source { place: place.to_owned(), source };
        let bytes = log.checkpoint().map_err(failed)?;
        return head(place, &bytes, Some(log));
    }
    let bytes = read_file(place)?;
    if bytes.starts_with(HEADER.as_bytes()) {
        let failed = |source| CompareError::Equivocation { path: place.to_owned(), source };
        let found = Equivocation::from_bytes(&bytes).map_err(failed)?;
        return Ok(Place::File(Box::new(found)));
    }
    head(place, &bytes, None)
}

fn head(
    place: &str,
    bytes: &[u8],
    source: Option<Box<dyn LogSource>>,
) -> Result<Place, CompareError> {
    let place = place.to_owned();
    match parse_checkpoint(bytes) {
        Ok((note, checkpoint)) => {
            Ok(Place::Head(Box::new(Head { place, note, checkpoint, source })))
        }
        Err(reason) => Err(CompareError::Checkpoint { place, reason }),
    }
}

fn read_file(path: &str) -> Result<Vec<u8>, CompareError> {
    let failed = |reason: String| CompareError::File { path: path.to_owned(), reason };
    let length = fs::metadata(path).map_err(|e| failed(e.to_string()))?.len();
    if length > FILE_MAX_BYTES {
        return Err(failed(format!("it has {length} bytes, {FILE_MAX_BYTES} are read")));
    }
    fs::read(path).map_err(|e| failed(e.to_string()))
}

/// Reads a proof: one hash on each line.
///
/// # Errors
/// See [`CompareError`].
pub fn read_proof(path: &str) -> Result<Vec<Hash>, CompareError> {
    let text = String::from_utf8(read_file(path)?);
    let text = text.map_err(|_| CompareError::Proof { path: path.to_owned(), line: 1 })?;
    let hash = |(line, text): (usize, &str)| {
        Hash::from_base64(text).map_err(|_| CompareError::Proof { path: path.to_owned(), line })
    };
    (1..).zip(text.lines()).map(hash).collect()
}

/// Compares two heads. `keys` are those of the parties that are known; without any, signatures are
/// not looked at and nobody can be named. `proof` are the hashes of a consistency proof, if one is
/// at hand.
///
/// # Errors
/// A log could not be read.
pub fn compare(
    given: Given,
    keys: &[VerifierKey],
    proof: Option<Vec<Hash>>,
) -> Result<Compared, CompareError> {
    match given {
        Given::File(path, found) => {
            let [first, second] = found.heads().clone();
            let notes = found.notes().clone();
            let outcome = contradiction(*found, keys);
            let heads = [(path.clone(), first), (path, second)];
            Ok(Compared { heads, signers: notes.map(|note| signers(&note, keys)), outcome })
        }
        Given::Heads(mut heads) => {
            let by_size = |head: &Head| (head.checkpoint.size(), *head.checkpoint.root());
            heads.sort_by_key(by_size);
            let known = heads.each_ref().map(|head| signers(&head.note, keys));
            let unsigned = known.iter().position(Vec::is_empty).filter(|_| !keys.is_empty());
            let outcome = match unsigned {
                Some(at) => Outcome::Undecided(Undecided::Unsigned(heads[at].place.clone())),
                None => decide(&heads, keys, proof)?,
            };
            let heads = heads.map(|head| (head.place, head.checkpoint));
            Ok(Compared { heads, signers: known, outcome })
        }
    }
}

fn signers(note: &Note, keys: &[VerifierKey]) -> Vec<String> {
    let signed = keys.iter().filter(|key| has_signed(key, note));
    signed.map(|key| key.name().to_string()).collect()
}

/// Decides about two heads, the smaller first.
fn decide(
    heads: &[Head; 2],
    keys: &[VerifierKey],
    proof: Option<Vec<Hash>>,
) -> Result<Outcome, CompareError> {
    let [first, second] = heads.each_ref().map(|head| &head.checkpoint);
    if first.origin() != second.origin() {
        let (first, second) = (first.origin().to_string(), second.origin().to_string());
        return Ok(Outcome::Undecided(Undecided::TwoLogs(first, second)));
    }
    let path = if first.size() == second.size() || first.size() == TreeSize::ZERO {
        Vec::new()
    } else {
        let found = match proof {
            Some(hashes) => given_path(first, second, hashes),
            None => fetched_path(heads)?,
        };
        match found {
            Ok(path) => path,
            Err(undecided) => return Ok(Outcome::Undecided(undecided)),
        }
    };
    Ok(match Equivocation::new(heads[0].note.clone(), heads[1].note.clone(), path) {
        Ok(found) => contradiction(found, keys),
        Err(EquivocationError::Same { .. }) => Outcome::Same,
        Err(EquivocationError::Consistent { .. }) => Outcome::Consistent,
        Err(error) => Outcome::Undecided(Undecided::Proof(error.to_string())),
    })
}

fn contradiction(found: Equivocation, keys: &[VerifierKey]) -> Outcome {
    if keys.is_empty() {
        return Outcome::Undecided(Undecided::NoKeys);
    }
    match found.check(keys) {
        Ok(both) => Outcome::Equivocation(Box::new(found), both),
        Err(error) => Outcome::Undecided(Undecided::Nobody(error)),
    }
}

/// A path out of a proof at hand. A consistency proof that holds has no hash for a smaller tree of
/// 2^k leaves: it is the root that was signed.
fn given_path(
    first: &Checkpoint,
    second: &Checkpoint,
    hashes: Vec<Hash>,
) -> Result<Vec<Hash>, Undecided> {
    let (old, new) = (first.size(), second.size());
    let consistency = ConsistencyProof::new(old, new, hashes.clone());
    if old.get().is_power_of_two() && consistency.verify(first.root(), second.root()).is_ok() {
        return Ok([vec![*first.root()], hashes].concat());
    }
    match PrefixProof::new(old, new, hashes.clone()).root_under(second.root()) {
        Ok(_) => Ok(hashes),
        Err(error) => Err(Undecided::Proof(error.to_string())),
    }
}

/// A path out of the tiles of a log that has the larger tree.
fn fetched_path(heads: &[Head; 2]) -> Result<Result<Vec<Hash>, Undecided>, CompareError> {
    let [old, new] = heads.each_ref().map(|head| head.checkpoint.size());
    let mut undecided = Undecided::NoProof { old, new };
    // The log of the smaller head may have grown since, so it is asked too.
    for head in heads.iter().rev() {
        let Some(log) = &head.source else { continue };
        let tree = TileTree::new(SourceTiles(log.as_ref()), new);
        match tree.prefix_proof(old) {
            Ok(proof) => match proof.root_under(heads[1].checkpoint.root()) {
                Ok(_) => return Ok(Ok(proof.path().to_vec())),
                Err(error) => undecided = Undecided::Proof(format!("{}: {error}", head.place)),
            },
            Err(TileTreeError::Read { source: TileReadError::Source(source), .. })
                if !source.is_of_log() =>
            {
                return Err(CompareError::Source { place: head.place.clone(), source });
            }
            Err(error) => {
                let asked_first = matches!(undecided, Undecided::NoProof { .. });
                if asked_first && head.checkpoint.size() == new {
                    undecided = Undecided::Proof(format!("{}: {error}", head.place));
                }
            }
        }
    }
    Ok(Err(undecided))
}
