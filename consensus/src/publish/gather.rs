//! Gathering cosignatures: every other node is asked at once, and the policy says when it is
//! enough.
//!
//! A node that answers late or wrongly costs its own cosignature and nobody else's. Not here:
//! what a node checks before it cosigns (`cosigner`).

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use letopis_ledger::cosignature::CosignatureVerifier;
use letopis_ledger::note::{Note, NoteSignature, SignatureVerifier};
use letopis_ledger::policy::Policy;
use tokio::time::{Instant, timeout_at};

use super::PublishError;
use crate::peer::members::Members;
use crate::peer::message::{Request, Response};

/// How long the other nodes may take.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How long those who are a little slower are waited for once the quorum holds.
const GRACE: Duration = Duration::from_millis(25);
/// How long telling another node may take.
const ANNOUNCE_TIMEOUT: Duration = Duration::from_secs(3);

/// Adds the cosignatures of this node and of the others to a signed checkpoint until the policy
/// holds.
pub(super) async fn gather(
    members: &Arc<Members>,
    policy: &Policy,
    log_signed: Note,
    own: Option<NoteSignature>,
) -> Result<Note, PublishError> {
    let request = Request::Cosign(log_signed.to_string());
    let mut note = log_signed;
    if let Some(own) = own {
        add(&mut note, policy, own);
    }
    let calls: FuturesUnordered<_> = members
        .others()
        .into_iter()
        .map(|peer| {
            let request = &request;
            async move { (peer.node, members.call(peer.node, request, TIMEOUT).await) }
        })
        .collect();
    let mut calls = calls;
    let mut deadline = Instant::now() + TIMEOUT;
    let mut held = policy.check(&note);
    if held.is_ok() {
        deadline = Instant::now() + GRACE;
    }
    while let Ok(Some((node, answer))) = timeout_at(deadline, calls.next()).await {
        match answer {
            Ok(Response::Cosignature(line)) => match NoteSignature::parse(&line) {
                Ok(signature) => add(&mut note, policy, signature),
                Err(error) => tracing::warn!(%node, %error, "not a cosignature"),
            },
            Ok(other) => tracing::warn!(%node, answer = ?other, "not a cosignature"),
            Err(error) => tracing::debug!(%node, %error, "no cosignature"),
        }
        let before = held.is_ok();
        held = policy.check(&note);
        if held.is_ok() && !before {
            deadline = Instant::now() + GRACE;
        }
    }
    held.map(|_| note).map_err(PublishError::Quorum)
}

/// Adds a cosignature that the policy names and that holds; any other would spoil the rest.
fn add(note: &mut Note, policy: &Policy, signature: NoteSignature) {
    let by = |name, id| note.signature_of(name, id).is_none();
    let mut witnesses = policy.witnesses().iter();
    let Some(witness) = witnesses.find(|witness| {
        let key = &witness.key;
        signature.name() == key.name() && signature.id() == key.id()
    }) else {
        tracing::warn!(name = %signature.name(), "a cosignature that the policy does not name");
        return;
    };
    if !by(witness.key.name(), witness.key.id()) {
        return;
    }
    let verified = CosignatureVerifier::new(&witness.key)
        .map_err(|error| error.to_string())
        .and_then(|verifier| {
            let verified = verifier.verify(note.text(), signature.as_bytes());
            verified.map_err(|error| error.to_string())
        })
        .and_then(|_| note.add_signature(signature).map_err(|error| error.to_string()));
    if let Err(error) = verified {
        tracing::warn!(witness = %witness.name, error, "a cosignature that does not hold");
    }
}

/// Tells the other nodes what is published, without waiting for them.
pub(super) fn announce(members: &Arc<Members>, text: &str) {
    for peer in members.others() {
        let (members, text) = (Arc::clone(members), text.to_owned());
        tokio::spawn(async move {
            let told = members.call(peer.node, &Request::Published(text), ANNOUNCE_TIMEOUT).await;
            if let Err(error) = told {
                tracing::debug!(node = %peer.node, %error, "a checkpoint was not announced");
            }
        });
    }
}
