//! The log's own signing key on this node.
//!
//! Every voter has it, because any of them may lead; it says "this is the log's head" and nothing
//! about whether the head is true: that is what the agencies' cosignatures are for. A node that
//! becomes a voter asks another for the key and keeps it as a secret file of its own.

use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use letopis_ledger::note::{NoteSignature, NoteSigner, SignerKey, VerifierKey};
use letopis_ledger::policy::Policy;
use zeroize::Zeroizing;

/// Stores the key's secret text durably, readable by the node alone.
pub type KeepLogKey = Arc<dyn Fn(&str) -> io::Result<()> + Send + Sync>;

/// Reads the keys that the node stores.
pub type ReloadLogKeys = Arc<dyn Fn() -> Vec<SignerKey> + Send + Sync>;

/// The log's keys that this node has: one, two while a rotation is under way, or none yet.
/// Clones share them.
#[derive(Clone)]
pub(crate) struct LogKeys {
    known: Arc<RwLock<Vec<Known>>>,
    keep: Option<KeepLogKey>,
    reload: Option<ReloadLogKeys>,
}

#[derive(Clone)]
struct Known {
    signer: Arc<NoteSigner>,
    secret_text: Zeroizing<String>,
}

impl LogKeys {
    /// Takes the keys that the node was started with; `keep` stores one that it gets later.
    pub(crate) fn new(
        keys: &[SignerKey],
        keep: Option<KeepLogKey>,
        reload: Option<ReloadLogKeys>,
    ) -> Self {
        let known = keys.iter().filter_map(known).collect();
        Self { known: Arc::new(RwLock::new(known)), keep, reload }
    }

    /// Reads the stored keys again.
    pub(crate) fn reload(&self) {
        if let Some(reload) = &self.reload {
            let stored = reload().iter().filter_map(known).collect();
            *self.known.write().unwrap_or_else(PoisonError::into_inner) = stored;
        }
    }

    /// Signs a text with the key that the policy names, or `None` without it.
    pub(crate) fn sign(&self, policy: &Policy, text: &str) -> Option<NoteSignature> {
        self.named(policy).map(|known| known.signer.sign(text))
    }

    /// Whether the key that the policy names is here.
    pub(crate) fn is_known(&self, policy: &Policy) -> bool {
        self.named(policy).is_some()
    }

    /// The key that the policy names, as another voter needs it.
    pub(crate) fn secret_text(&self, policy: &Policy) -> Option<Zeroizing<String>> {
        self.named(policy).map(|known| known.secret_text)
    }

    /// Takes the key that another voter gave, if the policy names it.
    pub(crate) fn take(&self, text: &str, policy: &Policy) -> Result<(), String> {
        let key = SignerKey::parse(text).map_err(|error| error.to_string())?;
        if !policy.logs().iter().any(|log| &log.key == key.verifier_key()) {
            return Err("the policy in force does not name this log key".to_owned());
        }
        let taken = known(&key).ok_or("the key is not of a kind that signs notes")?;
        if let Some(keep) = &self.keep {
            keep(&taken.secret_text).map_err(|error| error.to_string())?;
        }
        self.known.write().unwrap_or_else(PoisonError::into_inner).push(taken);
        Ok(())
    }

    fn named(&self, policy: &Policy) -> Option<Known> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let named = |key: &VerifierKey| policy.logs().iter().any(|log| &log.key == key);
        known.iter().find(|known| named(known.signer.verifier_key())).cloned()
    }
}

fn known(key: &SignerKey) -> Option<Known> {
    let signer = Arc::new(NoteSigner::new(key).ok()?);
    Some(Known { signer, secret_text: key.to_secret_text() })
}

impl fmt::Debug for LogKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_list().entries(known.iter().map(|known| known.signer.verifier_key())).finish()
    }
}
