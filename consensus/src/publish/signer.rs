//! Signing on this node: only what its own stored leaves say, and never two roots for one size.
//!
//! What is about to be signed is durable before a signature exists (`heads`), so that no restart
//! can sign another root. Before the cosigning key signs, every author's signature up to there
//! was checked by this very node, so that an agency cannot forge another's record by leading.
//!
//! Not here: when to sign, and who else does.

use std::path::PathBuf;
use std::sync::Arc;

use letopis_ledger::TreeSize;
use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::cosignature::CosignatureSigner;
use letopis_ledger::note::{Note, NoteSignature};
use letopis_ledger::policy::Policy;
use tokio::sync::watch;

use super::authors::Authors;
use super::log_key::LogKeys;
use super::{PublishError, SIGNED_HEADS, SignedHeads, Stages, unsignable};
use crate::clock::Clock;
use crate::crash::{CrashHook, CrashPoint};
use crate::disk::DiskHook;
use crate::fatal::Fatal;
use crate::raft::types::TreeHead;
use crate::sabotage::Bug;
use crate::store::{Store, StoreError, tile_error};

/// The keys of one node and what they signed last.
pub(crate) struct Signer {
    pub(crate) store: Arc<Store>,
    /// Folder of the signed heads.
    pub(crate) folder: PathBuf,
    pub(crate) disk: DiskHook,
    pub(crate) log_keys: LogKeys,
    pub(crate) log_post_quantum: Option<Arc<CosignatureSigner>>,
    pub(crate) cosigner: Option<Arc<CosignatureSigner>>,
    pub(crate) heads: SignedHeads,
    pub(crate) authors: Arc<Authors>,
    pub(crate) clock: Clock,
    pub(crate) crash: CrashHook,
    pub(crate) stages: watch::Sender<Stages>,
}

impl Signer {
    /// The log's own signatures over an agreed head.
    pub(crate) fn sign_log(
        &mut self,
        policy: &Policy,
        checkpoint: &Checkpoint,
        head: TreeHead,
    ) -> Result<Note, PublishError> {
        if !self.log_keys.is_known(policy) {
            return Err(PublishError::NoLogKey);
        }
        let heads = self.heads.with_log(head)?;
        self.check_extends(self.heads.log)?;
        self.record(heads)?;
        self.crash.pass(CrashPoint::LogSigningRecorded);
        let text = checkpoint.to_string();
        let signature = self.log_keys.sign(policy, &text).ok_or(PublishError::NoLogKey)?;
        let mut signatures = vec![signature];
        if let Some(key) = &self.log_post_quantum {
            signatures.push(self.cosignature(key, checkpoint)?);
        }
        let note = Note::new(text, signatures).map_err(|e| unsignable(&e))?;
        self.crash.pass(CrashPoint::LogSigned);
        self.saw_signed(head.size);
        Ok(note)
    }

    /// This node's cosignature over the root that its own stored leaves have; `None` without a
    /// key. Leaves and tiles must be durable.
    pub(crate) fn cosign(
        &mut self,
        checkpoint: &Checkpoint,
        head: TreeHead,
    ) -> Result<Option<NoteSignature>, PublishError> {
        if self.cosigner.is_none() {
            return Ok(None);
        }
        let root = self.store.tree(head.size).root().map_err(tile_error)?;
        if root != head.root && !self.store.sabotage.has(Bug::TrustPeer) {
            let own = TreeHead { root, ..head };
            return Err(Fatal::Diverged { agreed: head, own, leaf: None }.into());
        }
        self.authors.check_until(&self.store, head.size)?;
        let heads = self.heads.with_cosigner(head)?;
        self.check_extends(self.heads.cosigner)?;
        self.record(heads)?;
        self.crash.pass(CrashPoint::CosigningRecorded);
        let key = self.cosigner.as_ref().expect("invariant: it was there above");
        let signature = self.cosignature(key, checkpoint)?;
        self.crash.pass(CrashPoint::Cosigned);
        self.stages.send_modify(|stages| stages.cosigned = head.size);
        Ok(Some(signature))
    }

    /// The log's keys have signed this size, here or elsewhere.
    pub(crate) fn saw_signed(&self, size: TreeSize) {
        self.stages.send_modify(|stages| stages.signed = stages.signed.max(size));
    }

    /// The tree still begins with what was signed before.
    fn check_extends(&self, last: Option<TreeHead>) -> Result<(), PublishError> {
        let Some(last) = last else { return Ok(()) };
        match self.store.root_at(last.size)? {
            Some(root) if root == last.root => Ok(()),
            root => {
                let own = root.map_or_else(|| self.store.head(), |root| TreeHead { root, ..last });
                Err(Fatal::SignedBefore { asked: own, last }.into())
            }
        }
    }

    /// Makes it durable that these heads are about to be signed.
    fn record(&mut self, heads: SignedHeads) -> Result<(), StoreError> {
        if heads != self.heads {
            self.disk.replace(&self.folder.join(SIGNED_HEADS), heads.to_string().as_bytes())?;
            self.heads = heads;
        }
        Ok(())
    }

    fn cosignature(
        &self,
        key: &CosignatureSigner,
        checkpoint: &Checkpoint,
    ) -> Result<NoteSignature, PublishError> {
        let seconds = self.clock.now().unix_seconds().unsigned_abs();
        key.sign(checkpoint, seconds).map_err(|e| unsignable(&e))
    }
}
