//! Trust policies: which logs and witnesses a reader trusts, and which of the witnesses must have
//! cosigned a checkpoint before it counts (C2SP tlog-policy).
//!
//! Not here: where a policy comes from (`governance` carries it in the log), and time: how old a
//! cosignature may be is the caller's question, with the times this reports.

mod parse;

use std::collections::BTreeSet;
use std::fmt;

use thiserror::Error;

use crate::checkpoint::{Checkpoint, CheckpointError, Origin};
use crate::cosignature::{CosignatureVerifier, cosigned_at};
use crate::note::{
    Note, NoteKeyId, NoteVerificationError, NoteVerifier, SignatureType, SignatureVerifier,
    VerifierKey,
};

pub use parse::PolicyError;

/// Name of a witness or a group within one policy; it has no meaning outside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberName(String);

impl MemberName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A trusted log: its key, whose name is the log's origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLog {
    /// Key of type 0x01 or 0x06.
    pub key: VerifierKey,
    /// Where the log is served.
    pub url: Option<String>,
}

/// A witness whose cosignatures count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyWitness {
    /// Name in this policy.
    pub name: MemberName,
    /// Key of type 0x04 or 0x06.
    pub key: VerifierKey,
    /// Where the witness takes checkpoints.
    pub url: Option<String>,
}

/// How many members of a group must have witnessed a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// One.
    Any,
    /// Every one.
    All,
    /// So many, at least 1 and at most all.
    Count(usize),
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::All => f.write_str("all"),
            Self::Count(count) => count.fmt(f),
        }
    }
}

/// Several witnesses or groups that together count as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyGroup {
    /// Name in this policy.
    pub name: MemberName,
    /// How many members are required.
    pub threshold: Threshold,
    /// Witnesses and earlier groups.
    pub members: Vec<MemberName>,
}

impl PolicyGroup {
    fn required_count(&self) -> usize {
        match self.threshold {
            Threshold::Any => 1,
            Threshold::All => self.members.len(),
            Threshold::Count(count) => count,
        }
    }
}

/// Whose cosignature makes a checkpoint valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quorum {
    /// Nobody's: the log's signature is enough.
    None,
    /// That of a witness, or of enough members of a group.
    Member(MemberName),
}

/// Whom to trust: logs, witnesses, groups of witnesses, and the quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<PolicyGroup>,
    quorum: Quorum,
}

/// Why a checkpoint does not satisfy a policy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VerificationError {
    /// The note is not a checkpoint.
    #[error("the note is not a checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The policy knows no log of this origin.
    #[error("the policy lists no log {origin}; it is not one you trust")]
    UnknownLog {
        /// Origin of the checkpoint.
        origin: Origin,
    },
    /// The signatures do not hold.
    #[error(transparent)]
    Note(#[from] NoteVerificationError),
    /// The log did not sign with a key of the policy.
    #[error("the checkpoint has no signature of log {origin} by a key of the policy")]
    LogSignatureMissing {
        /// Origin of the checkpoint.
        origin: Origin,
    },
    /// Too few witnesses cosigned.
    #[error("quorum {quorum} is not reached: {cosigned} of {witnesses} witnesses have cosigned")]
    QuorumNotReached {
        /// The witness or group required.
        quorum: MemberName,
        /// Witnesses of the policy that cosigned.
        cosigned: usize,
        /// Witnesses in the policy.
        witnesses: usize,
    },
}

/// A checkpoint that satisfies a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    checkpoint: Checkpoint,
    log_keys: Vec<NoteKeyId>,
    cosigners: Vec<Cosigner>,
}

/// A witness that cosigned a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigner {
    /// Name of the witness in the policy.
    pub witness: MemberName,
    /// Id of its key.
    pub key_id: NoteKeyId,
    /// When it cosigned, in seconds since 1970-01-01T00:00:00Z; 0 when an ML-DSA-44 cosigner
    /// states no time.
    pub unix_seconds: u64,
}

impl Policy {
    /// A policy that trusts these keys of logs and asks for no witness.
    ///
    /// # Errors
    /// A key is not of type 0x01 or 0x06, or is there twice, or they are too many.
    pub fn without_witnesses(
        log_keys: impl IntoIterator<Item = VerifierKey>,
    ) -> Result<Self, PolicyError> {
        let lines: String = log_keys.into_iter().map(|key| format!("log {key}\n")).collect();
        Self::parse(&format!("{lines}quorum none\n"))
    }

    /// Reads a policy. Comments and blank lines are dropped.
    ///
    /// # Errors
    /// The first rule of tlog-policy that does not hold.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        parse::parse(text)
    }

    /// The trusted logs.
    #[must_use]
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses.
    #[must_use]
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// The groups; each names only witnesses and groups before it.
    #[must_use]
    pub fn groups(&self) -> &[PolicyGroup] {
        &self.groups
    }

    /// The quorum.
    #[must_use]
    pub const fn quorum(&self) -> &Quorum {
        &self.quorum
    }

    /// Checks a checkpoint: signed by a trusted log of its origin, cosigned by the quorum, and
    /// every signature of a key of the policy holds.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn check(&self, note: &Note) -> Result<VerifiedCheckpoint, VerificationError> {
        let checkpoint = Checkpoint::parse(note.text())?;
        let origin = checkpoint.origin();
        let is_of_log = |key: &VerifierKey| key.name().as_str() == origin.as_str();
        if !self.logs.iter().any(|log| is_of_log(&log.key)) {
            return Err(VerificationError::UnknownLog { origin: origin.clone() });
        }
        let log_keys = self.logs.iter().map(|log| &log.key);
        let witness_keys = self.witnesses.iter().map(|witness| &witness.key);
        let verifiers: Vec<Box<dyn SignatureVerifier>> = log_keys
            .chain(witness_keys)
            .filter(|key| note.signature_of(key.name(), key.id()).is_some())
            .map(verifier_of)
            .collect();
        let known: Vec<&dyn SignatureVerifier> = verifiers.iter().map(AsRef::as_ref).collect();
        note.verify(&known)?;

        // From here on, a signature of a key of the policy is a valid one.
        let log_keys: Vec<NoteKeyId> = self
            .logs
            .iter()
            .filter(|log| is_of_log(&log.key))
            .filter(|log| note.signature_of(log.key.name(), log.key.id()).is_some())
            .map(|log| log.key.id())
            .collect();
        if log_keys.is_empty() {
            return Err(VerificationError::LogSignatureMissing { origin: origin.clone() });
        }
        let cosigners: Vec<Cosigner> =
            self.witnesses.iter().filter_map(|witness| cosigner_of(witness, note)).collect();
        self.check_quorum(&cosigners)?;
        Ok(VerifiedCheckpoint { checkpoint, log_keys, cosigners })
    }

    fn check_quorum(&self, cosigners: &[Cosigner]) -> Result<(), VerificationError> {
        let Quorum::Member(quorum) = &self.quorum else {
            return Ok(());
        };
        let mut witnessed: BTreeSet<&MemberName> =
            cosigners.iter().map(|cosigner| &cosigner.witness).collect();
        // A group names only members before it, so one pass in order settles all of them.
        for group in &self.groups {
            let count = group.members.iter().filter(|member| witnessed.contains(member)).count();
            if count >= group.required_count() {
                witnessed.insert(&group.name);
            }
        }
        if !witnessed.contains(quorum) {
            return Err(VerificationError::QuorumNotReached {
                quorum: quorum.clone(),
                cosigned: cosigners.len(),
                witnesses: self.witnesses.len(),
            });
        }
        Ok(())
    }
}

/// The policy in its canonical form: logs, witnesses, groups in order, then the quorum.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for PolicyLog { key, url } in &self.logs {
            write!(f, "log {key}")?;
            write_url(f, url.as_deref())?;
        }
        for PolicyWitness { name, key, url } in &self.witnesses {
            write!(f, "witness {name} {key}")?;
            write_url(f, url.as_deref())?;
        }
        for PolicyGroup { name, threshold, members } in &self.groups {
            write!(f, "group {name} {threshold}")?;
            members.iter().try_for_each(|member| write!(f, " {member}"))?;
            writeln!(f)?;
        }
        match &self.quorum {
            Quorum::None => writeln!(f, "quorum {}", parse::NO_QUORUM),
            Quorum::Member(member) => writeln!(f, "quorum {member}"),
        }
    }
}

impl VerifiedCheckpoint {
    /// The checkpoint.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Ids of the log's keys that signed it, at least one.
    #[must_use]
    pub fn log_keys(&self) -> &[NoteKeyId] {
        &self.log_keys
    }

    /// The witnesses of the policy that cosigned it, in the order of the policy.
    #[must_use]
    pub fn cosigners(&self) -> &[Cosigner] {
        &self.cosigners
    }
}

fn write_url(f: &mut fmt::Formatter<'_>, url: Option<&str>) -> fmt::Result {
    match url {
        Some(url) => writeln!(f, " {url}"),
        None => writeln!(f),
    }
}

fn cosigner_of(witness: &PolicyWitness, note: &Note) -> Option<Cosigner> {
    let signature = note.signature_of(witness.key.name(), witness.key.id())?;
    let unix_seconds =
        cosigned_at(signature).expect("invariant: a verified cosignature begins with its time");
    Some(Cosigner { witness: witness.name.clone(), key_id: witness.key.id(), unix_seconds })
}

pub(crate) fn verifier_of(key: &VerifierKey) -> Box<dyn SignatureVerifier> {
    let expected = "invariant: each verifier is given keys of its types";
    match key.signature_type() {
        SignatureType::Ed25519 => Box::new(NoteVerifier::new(key).expect(expected)),
        SignatureType::Ed25519Cosignature | SignatureType::MlDsa44Cosignature => {
            Box::new(CosignatureVerifier::new(key).expect(expected))
        }
    }
}

#[cfg(test)]
mod test;
