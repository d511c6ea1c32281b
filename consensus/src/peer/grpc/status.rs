//! Refusals as gRPC statuses, and statuses as what a caller learns.
//!
//! A code alone does not say whether a status comes from the other node's answerer or from the
//! connection that broke: refusals carry a mark of their own. What the other side writes is cut
//! and cleaned, because it ends in this node's log.

use std::error::Error;

use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use super::super::{CallError, PeerAddress, Refusal};

/// Metadata with the kind of a refusal.
const MARK: &str = "letopis-refusal";
/// Metadata with the limit that was reached.
const LIMIT: &str = "letopis-limit";
/// Metadata with the size that was found.
const FOUND: &str = "letopis-found";

/// Most characters of a reason.
const REASON_CHARACTERS: usize = 500;

/// Why the server side gives no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Denial {
    /// The answerer refused.
    Refused(Refusal),
    /// The caller's key is no longer one that the log names.
    UnknownCaller,
    /// The answer is larger than the limit.
    AnswerTooLarge {
        /// Bytes of the answer.
        found: usize,
        /// Most bytes.
        limit: usize,
    },
    /// The node stopped while the request was under way: nobody knows what was done.
    Interrupted,
    /// The bytes of the request did not arrive in time.
    Late,
}

impl From<Denial> for Status {
    fn from(denial: Denial) -> Self {
        let marked = |code, mark: &'static str, text: &str| {
            let mut status = Self::new(code, clean(text));
            status.metadata_mut().insert(MARK, MetadataValue::from_static(mark));
            status
        };
        let number = |value: usize| MetadataValue::from(value as u64);
        match denial {
            Denial::Refused(Refusal::Busy { limit }) => {
                let text = Refusal::Busy { limit }.to_string();
                let mut status = marked(Code::ResourceExhausted, "busy", &text);
                status.metadata_mut().insert(LIMIT, number(limit));
                status
            }
            Denial::Refused(Refusal::Malformed { reason }) => {
                marked(Code::InvalidArgument, "malformed", &reason)
            }
            Denial::Refused(Refusal::Stopping) => {
                marked(Code::Unavailable, "stopping", &Refusal::Stopping.to_string())
            }
            Denial::UnknownCaller => {
                let text = "no member of the log has the caller's key";
                marked(Code::PermissionDenied, "unknown", text)
            }
            Denial::AnswerTooLarge { found, limit } => {
                let mut status = marked(Code::OutOfRange, "too-large", "the answer is too large");
                status.metadata_mut().insert(FOUND, number(found));
                status.metadata_mut().insert(LIMIT, number(limit));
                status
            }
            Denial::Interrupted => Self::unavailable("the node stopped during the request"),
            Denial::Late => Self::deadline_exceeded("the request did not arrive in time"),
        }
    }
}

/// What a caller learns from a status.
pub(super) fn call_error(status: &Status, peer: &PeerAddress, limit_bytes: usize) -> CallError {
    let node = peer.node;
    let number = |name| {
        let value = status.metadata().get(name)?;
        value.to_str().ok()?.parse::<usize>().ok()
    };
    let mark = status.metadata().get(MARK).and_then(|mark| mark.to_str().ok());
    match (mark, status.code()) {
        (Some("busy"), _) => CallError::Busy { node, limit: number(LIMIT).unwrap_or(0) },
        (Some("too-large"), _) => CallError::TooLarge {
            node,
            found_bytes: number(FOUND).unwrap_or(0),
            limit_bytes: number(LIMIT).unwrap_or(limit_bytes),
        },
        (Some(_), _) | (None, Code::Unimplemented) => {
            CallError::Refused { node, reason: clean(status.message()) }
        }
        // The framing of one side found the message too large before it was read.
        (None, Code::OutOfRange) => {
            CallError::TooLarge { node, found_bytes: limit_bytes.saturating_add(1), limit_bytes }
        }
        (None, _) => unreachable_peer(peer, status),
    }
}

/// A connection that is not there or broke.
pub(super) fn unreachable_peer(peer: &PeerAddress, error: &(dyn Error + 'static)) -> CallError {
    let reason = clean(&causes(error));
    CallError::Unreachable { node: peer.node, address: peer.address.clone(), reason }
}

/// An error with what caused it, each said once.
fn causes(error: &(dyn Error + 'static)) -> String {
    let text = |error: &(dyn Error + 'static)| match error.downcast_ref::<Status>() {
        Some(status) => status.message().to_owned(),
        None => error.to_string(),
    };
    let mut said = text(error);
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = text(cause);
        if !said.contains(&cause_text) {
            said = format!("{said}: {cause_text}");
        }
        next = cause.source();
    }
    said
}

fn clean(text: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(REASON_CHARACTERS).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use letopis_ledger::hash::Hash;
    use letopis_ledger::id::NodeId;

    use super::*;

    #[test]
    fn a_refusal_arrives_as_what_it_is_and_a_broken_connection_as_another_thing() {
        let node = NodeId::new(3).unwrap();
        let peer = PeerAddress { node, address: "a:1".to_owned(), key: Hash::of(b"") };
        let learned = |denial: Denial| call_error(&denial.into(), &peer, 10);
        let refused = |reason: &str| CallError::Refused { node, reason: reason.to_owned() };

        let busy = Denial::Refused(Refusal::Busy { limit: 7 });
        assert_eq!(learned(busy), CallError::Busy { node, limit: 7 });
        let malformed = Refusal::Malformed { reason: "line\nbreak".to_owned() };
        assert_eq!(learned(Denial::Refused(malformed)), refused("line break"));
        assert_eq!(learned(Denial::Refused(Refusal::Stopping)), refused("the node is stopping"));
        assert!(matches!(learned(Denial::UnknownCaller), CallError::Refused { .. }));
        assert_eq!(
            learned(Denial::AnswerTooLarge { found: 20, limit: 15 }),
            CallError::TooLarge { node, found_bytes: 20, limit_bytes: 15 }
        );
        assert!(matches!(learned(Denial::Interrupted), CallError::Unreachable { .. }));
        let broken = call_error(&Status::unavailable("x".repeat(9_999)), &peer, 10);
        let CallError::Unreachable { reason, .. } = broken else { panic!("{broken}") };
        assert_eq!(reason.len(), REASON_CHARACTERS);
    }
}
