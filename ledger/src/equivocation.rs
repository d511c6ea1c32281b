//! Two signed tree heads of one log that cannot both be true, as a text file that anyone can check
//! without the log.
//!
//! Either the heads have one size and two roots, or the hashes in the file lead to the root of the
//! larger tree and give the first leaves another root than was signed for them. [`Equivocation`]
//! holds only what is contradictory; [`Equivocation::check`] says who signed both sides.
//!
//! Not here: how somebody comes by the second head, or what follows for who signed it.

use std::fmt;

use thiserror::Error;

use crate::checkpoint::{Checkpoint, CheckpointError, Origin};
use crate::encoding::Base64Error;
use crate::hash::Hash;
use crate::note::{KeyName, Note, NoteError, NoteKeyId, VerifierKey};
use crate::policy::{Policy, verifier_of};
use crate::position::TreeSize;
use crate::tree::{PrefixProof, ProofError};

/// First line of every file.
pub const HEADER: &str = "letopis-equivocation/v1";
/// Most hashes of a path: the height of any tree, and the node that it begins at.
const MAX_PATH_HASHES: usize = 65;

/// Why a file or two heads show no equivocation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EquivocationError {
    /// Not UTF-8.
    #[error("the file is not UTF-8 after byte {valid_bytes}")]
    NotUtf8 {
        /// Bytes before the first invalid one.
        valid_bytes: usize,
    },
    /// The first line is another one.
    #[error("the file does not begin with the line {HEADER}")]
    Header,
    /// A hash of the path is not the canonical base64 of 32 bytes.
    #[error("hash {number} of the path is refused: {source}")]
    PathHash {
        /// Number of the hash, from 1.
        number: usize,
        /// The rule.
        source: Base64Error,
    },
    /// The path is higher than any tree.
    #[error("the path has more than {MAX_PATH_HASHES} hashes")]
    PathTooLong,
    /// There are not two signed checkpoints after the path.
    #[error(
        "two signed checkpoints must follow the path, parted by an empty line, and nothing else"
    )]
    Parts,
    /// A checkpoint is not a signed note.
    #[error("a checkpoint is refused: {0}")]
    Note(#[from] NoteError),
    /// A signed note is not a checkpoint.
    #[error("a checkpoint is refused: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoints are of two logs.
    #[error("the heads are of two logs, {first} and {second}: both may be true")]
    Origins {
        /// Origin of the first one.
        first: Origin,
        /// Origin of the second one.
        second: Origin,
    },
    /// The checkpoints stand in the other order.
    #[error("the head of the smaller tree stands first, or that with the smaller root")]
    Order,
    /// The checkpoints say the same.
    #[error("both heads state root {root} of {size} leaves: they agree")]
    Same {
        /// The size.
        size: TreeSize,
        /// The root.
        root: Hash,
    },
    /// The larger tree begins with the smaller one.
    #[error("the tree of {new} leaves begins with the other head's {old}: both may be true")]
    Consistent {
        /// Size of the smaller tree.
        old: TreeSize,
        /// Size of the larger tree.
        new: TreeSize,
    },
    /// The path leads to neither root, so nothing is known.
    #[error("the path shows nothing: {0}")]
    Path(ProofError),
    /// The heads contradict each other, but no party is known to have signed both.
    #[error("the heads contradict each other, but of {keys} known keys no party's are under both")]
    NobodySignedBoth {
        /// Keys that were tried.
        keys: usize,
    },
}

/// A party that signed both heads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DoubleSigner {
    /// Name of its keys: a log's origin, or a cosigner's name.
    pub name: KeyName,
    /// The key that signed the first head.
    pub first: NoteKeyId,
    /// The key that signed the second head; another one after a change of keys.
    pub second: NoteKeyId,
}

/// Two heads that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equivocation {
    notes: [Note; 2],
    heads: [Checkpoint; 2],
    path: Vec<Hash>,
}

impl Equivocation {
    /// Joins two signed checkpoints, in any order. `path` is that of a [`PrefixProof`] of the
    /// smaller size in the larger tree, and empty when the sizes are equal.
    ///
    /// # Errors
    /// Both may be true, or the path does not show otherwise.
    pub fn new(first: Note, second: Note, path: Vec<Hash>) -> Result<Self, EquivocationError> {
        let heads = [Checkpoint::parse(first.text())?, Checkpoint::parse(second.text())?];
        let (mut notes, mut heads) = ([first, second], heads);
        if rank(&heads[0]) > rank(&heads[1]) {
            notes.reverse();
            heads.reverse();
        }
        let found = Self { notes, heads, path };
        found.contradiction()?;
        Ok(found)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// See [`EquivocationError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EquivocationError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| EquivocationError::NotUtf8 { valid_bytes: error.valid_up_to() })?;
        Self::parse(text)
    }

    /// Reads a file. It is written in one way only: printing it gives the same characters.
    ///
    /// # Errors
    /// See [`EquivocationError`].
    pub fn parse(text: &str) -> Result<Self, EquivocationError> {
        let Some((HEADER, rest)) = text.split_once('\n') else {
            return Err(EquivocationError::Header);
        };
        let (path, rest) = parse_path(rest)?;
        // A checkpoint has no empty line, so these part its text, its signatures, and the next.
        let parts: Vec<&str> = rest.split("\n\n").collect();
        let [first, first_signatures, second, second_signatures] = parts.as_slice() else {
            return Err(EquivocationError::Parts);
        };
        let first = Note::parse(&format!("{first}\n\n{first_signatures}\n"))?;
        let second = Note::parse(&format!("{second}\n\n{second_signatures}"))?;
        let read = Self::new(first, second, path)?;
        if read.to_string() == text { Ok(read) } else { Err(EquivocationError::Order) }
    }

    /// The log.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        self.heads[0].origin()
    }

    /// The heads: the smaller tree first, or the smaller root.
    #[must_use]
    pub const fn heads(&self) -> &[Checkpoint; 2] {
        &self.heads
    }

    /// The signed notes of the heads, verbatim.
    #[must_use]
    pub const fn notes(&self) -> &[Note; 2] {
        &self.notes
    }

    /// The hashes that lead to the root of the larger tree; none when the sizes are equal.
    #[must_use]
    pub fn path(&self) -> &[Hash] {
        &self.path
    }

    /// Whether the heads contradict each other, or why not.
    fn contradiction(&self) -> Result<(), EquivocationError> {
        let [first, second] = &self.heads;
        if first.origin() != second.origin() {
            let (first, second) = (first.origin().clone(), second.origin().clone());
            return Err(EquivocationError::Origins { first, second });
        }
        let (old, new) = (first.size(), second.size());
        if old == new && first.root() == second.root() {
            return Err(EquivocationError::Same { size: old, root: *first.root() });
        }
        if self.path.len() > MAX_PATH_HASHES {
            return Err(EquivocationError::PathTooLong);
        }
        let proof = PrefixProof::new(old, new, self.path.clone());
        let shown = proof.root_under(second.root()).map_err(EquivocationError::Path)?;
        if shown == *first.root() {
            return Err(EquivocationError::Consistent { old, new });
        }
        Ok(())
    }

    /// Every party that signed both heads with one of these keys each, in the order of the keys.
    /// Signatures that do not hold count as none.
    ///
    /// # Errors
    /// There is no such party.
    pub fn check<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k VerifierKey>,
    ) -> Result<Vec<DoubleSigner>, EquivocationError> {
        let mut first: Vec<&VerifierKey> = Vec::new();
        let mut second: Vec<&VerifierKey> = Vec::new();
        let mut count = 0;
        for key in keys {
            count += 1;
            for (note, signed) in self.notes.iter().zip([&mut first, &mut second]) {
                if has_signed(key, note) {
                    signed.push(key);
                }
            }
        }
        let mut both: Vec<DoubleSigner> = Vec::new();
        for key in first {
            let known = both.iter().any(|signer| &signer.name == key.name());
            let other = second.iter().find(|other| other.name() == key.name());
            if let (false, Some(other)) = (known, other) {
                let name = key.name().clone();
                both.push(DoubleSigner { name, first: key.id(), second: other.id() });
            }
        }
        if both.is_empty() {
            return Err(EquivocationError::NobodySignedBoth { keys: count });
        }
        Ok(both)
    }
}

/// Every key of a policy: those of its logs, then those of its witnesses.
pub fn keys_of(policy: &Policy) -> impl Iterator<Item = &VerifierKey> {
    let logs = policy.logs().iter().map(|log| &log.key);
    logs.chain(policy.witnesses().iter().map(|witness| &witness.key))
}

/// Whether a signature of this key stands under the note and holds.
#[must_use]
pub fn has_signed(key: &VerifierKey, note: &Note) -> bool {
    let signature = note.signature_of(key.name(), key.id());
    signature
        .is_some_and(|signature| verifier_of(key).verify(note.text(), signature.as_bytes()).is_ok())
}

const fn rank(head: &Checkpoint) -> (TreeSize, &Hash) {
    (head.size(), head.root())
}

impl fmt::Display for Equivocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}\n{}", self.notes[0], self.notes[1])
    }
}

/// Reads the hashes up to the empty line, and returns what follows it.
fn parse_path(text: &str) -> Result<(Vec<Hash>, &str), EquivocationError> {
    let mut path = Vec::new();
    let mut rest = text;
    loop {
        let (line, after) = rest.split_once('\n').ok_or(EquivocationError::Parts)?;
        if line.is_empty() {
            return Ok((path, after));
        }
        if path.len() == MAX_PATH_HASHES {
            return Err(EquivocationError::PathTooLong);
        }
        let number = path.len() + 1;
        let hash = Hash::from_base64(line)
            .map_err(|source| EquivocationError::PathHash { number, source })?;
        path.push(hash);
        rest = after;
    }
}

#[cfg(test)]
mod test;
