//! The `.tlog-proof` file: an inclusion proof and the checkpoint it leads to, which can be checked
//! offline against a policy (C2SP tlog-proof).
//!
//! Not here: the leaf itself; whoever checks a proof has it and hashes it. The proof algorithms
//! are in `tree`.

use std::fmt;

use thiserror::Error;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::encoding::{Base64Error, decode_base64, encode_base64, parse_decimal};
use crate::hash::Hash;
use crate::note::{Note, NoteError};
use crate::policy::{Policy, VerificationError, VerifiedCheckpoint};
use crate::position::{LeafIndex, TreeSize};
use crate::tree::{InclusionProof, ProofError};

/// First line of every proof.
const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// What the optional second line begins with.
const EXTRA: &str = "extra ";
/// What the line with the leaf index begins with.
const INDEX: &str = "index ";
/// Most hashes a path can have: the height of a tree of fewer than 2^64 leaves.
const MAX_PATH_HASHES: usize = 64;

/// Why the text of a proof was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TlogProofError {
    /// Not UTF-8.
    #[error("the proof is not UTF-8 after byte {valid_bytes}")]
    NotUtf8 {
        /// Bytes before the first invalid one.
        valid_bytes: usize,
    },
    /// The first line is another one.
    #[error("the proof does not begin with the line {HEADER}")]
    Header,
    /// The extra data are not canonical base64.
    #[error("the extra data are refused: {0}")]
    Extra(Base64Error),
    /// An extra line without data; such a line is left out.
    #[error("the extra line has no data; a proof without extra data has no such line")]
    EmptyExtra,
    /// The line with the index is missing or not a canonical decimal.
    #[error("a line `index <decimal>` without leading zeros is required after the header")]
    Index,
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
    /// No empty line after the path.
    #[error(
        "the checkpoint is missing: an empty line and a signed checkpoint must follow the path"
    )]
    MissingCheckpoint,
    /// The checkpoint is not a signed note.
    #[error("the checkpoint is refused: {0}")]
    Note(#[from] NoteError),
    /// The signed note is not a checkpoint.
    #[error("the checkpoint is refused: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint is of another tree size than the inclusion proof.
    #[error("the proof is for a tree of {proof} leaves, the checkpoint for one of {checkpoint}")]
    TreeSize {
        /// Size the inclusion proof is for.
        proof: TreeSize,
        /// Size the checkpoint states.
        checkpoint: TreeSize,
    },
}

/// Why a proof does not show what it claims.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TlogProofVerificationError {
    /// The checkpoint does not satisfy the policy.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] VerificationError),
    /// The leaf is not in the tree of the checkpoint.
    #[error("inclusion: {0}")]
    Inclusion(#[from] ProofError),
}

/// A proof that a leaf is in a log, with the signatures that vouch for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    extra: Option<Vec<u8>>,
    inclusion: InclusionProof,
    note: Note,
}

impl TlogProof {
    /// Joins an inclusion proof with the signed checkpoint of the same tree size.
    ///
    /// # Errors
    /// The note is not a checkpoint, or of another size.
    pub fn new(inclusion: InclusionProof, note: Note) -> Result<Self, TlogProofError> {
        let size = Checkpoint::parse(note.text())?.size();
        if size != inclusion.tree_size() {
            let proof = inclusion.tree_size();
            return Err(TlogProofError::TreeSize { proof, checkpoint: size });
        }
        if inclusion.path().len() > MAX_PATH_HASHES {
            return Err(TlogProofError::PathTooLong);
        }
        Ok(Self { extra: None, inclusion, note })
    }

    /// Adds data that no signature covers, for the application's own use.
    ///
    /// # Errors
    /// The data are empty; such a line is not written.
    pub fn with_extra(mut self, extra: Vec<u8>) -> Result<Self, TlogProofError> {
        if extra.is_empty() {
            return Err(TlogProofError::EmptyExtra);
        }
        self.extra = Some(extra);
        Ok(self)
    }

    /// Reads the bytes of a proof.
    ///
    /// # Errors
    /// The first rule of tlog-proof that does not hold.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TlogProofError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| TlogProofError::NotUtf8 { valid_bytes: error.valid_up_to() })?;
        Self::parse(text)
    }

    /// Reads a proof. It is written in one way only: printing it gives the same characters.
    ///
    /// # Errors
    /// The first rule of tlog-proof that does not hold.
    pub fn parse(text: &str) -> Result<Self, TlogProofError> {
        let rest = match text.split_once('\n') {
            Some((HEADER, rest)) => rest,
            _ => return Err(TlogProofError::Header),
        };
        let (extra, rest) = parse_extra(rest)?;
        let (index, rest) = rest
            .split_once('\n')
            .and_then(|(line, rest)| Some((parse_decimal(line.strip_prefix(INDEX)?)?, rest)))
            .ok_or(TlogProofError::Index)?;
        let (path, note) = parse_path(rest)?;
        let note = Note::parse(note)?;
        let size = Checkpoint::parse(note.text())?.size();
        let inclusion = InclusionProof::new(LeafIndex::new(index), size, path);
        Ok(Self { extra, inclusion, note })
    }

    /// Data that no signature covers; never trust them.
    #[must_use]
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// Index of the leaf.
    #[must_use]
    pub const fn leaf_index(&self) -> LeafIndex {
        self.inclusion.leaf_index()
    }

    /// The inclusion proof.
    #[must_use]
    pub const fn inclusion(&self) -> &InclusionProof {
        &self.inclusion
    }

    /// The signed checkpoint, verbatim.
    #[must_use]
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// Checks that the checkpoint satisfies the policy and that the leaf is in its tree.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn verify(
        &self,
        leaf: &Hash,
        policy: &Policy,
    ) -> Result<VerifiedCheckpoint, TlogProofVerificationError> {
        let verified = policy.check(&self.note)?;
        self.inclusion.verify(leaf, verified.checkpoint().root())?;
        Ok(verified)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "{EXTRA}{}", encode_base64(extra))?;
        }
        writeln!(f, "{INDEX}{}", self.inclusion.leaf_index())?;
        self.inclusion.path().iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.note)
    }
}

fn parse_extra(text: &str) -> Result<(Option<Vec<u8>>, &str), TlogProofError> {
    let Some((base64, rest)) = text.strip_prefix(EXTRA).and_then(|rest| rest.split_once('\n'))
    else {
        return Ok((None, text));
    };
    let extra = decode_base64(base64).map_err(TlogProofError::Extra)?;
    if extra.is_empty() {
        return Err(TlogProofError::EmptyExtra);
    }
    Ok((Some(extra), rest))
}

/// Reads the hashes up to the empty line, and returns what follows it.
fn parse_path(text: &str) -> Result<(Vec<Hash>, &str), TlogProofError> {
    let mut path = Vec::new();
    let mut rest = text;
    loop {
        let (line, after) = rest.split_once('\n').ok_or(TlogProofError::MissingCheckpoint)?;
        if line.is_empty() {
            return Ok((path, after));
        }
        if path.len() == MAX_PATH_HASHES {
            return Err(TlogProofError::PathTooLong);
        }
        let number = path.len() + 1;
        let hash = Hash::from_base64(line)
            .map_err(|source| TlogProofError::PathHash { number, source })?;
        path.push(hash);
        rest = after;
    }
}

#[cfg(test)]
mod test;
