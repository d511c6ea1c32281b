//! How nodes reach each other: one request, one answer, over connections that prove who calls.
//!
//! [`Transport`] carries bytes to a member; [`Answer`] is what a member does with bytes that came
//! from a proven member. `grpc` is the one in service: gRPC over mutual TLS, where a certificate
//! counts only if the log names its key. A simulation puts its own transport in its place, so the
//! rest of the crate is the same in both.
//!
//! Not here: what the bytes say (`message`), and what Raft makes of them (`crate::raft`).

pub(crate) mod answerer;
pub mod grpc;
pub(crate) mod members;
pub(crate) mod message;
#[cfg(test)]
pub(crate) mod switchboard;
pub mod tls;
pub(crate) mod watch;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use letopis_ledger::hash::Hash;
use letopis_ledger::id::NodeId;
use thiserror::Error;

/// A future that a transport or an answerer returns.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where a node is and what proves that it is that node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerAddress {
    /// Its number.
    pub node: NodeId,
    /// Host name or IP address, and port.
    pub address: String,
    /// SHA-256 of the subject public key info (DER) of its certificate.
    pub key: Hash,
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// No connection, or it broke; the request may have arrived.
    #[error("node {node} at {address} cannot be reached: {reason}")]
    Unreachable {
        /// The node.
        node: NodeId,
        /// Its address.
        address: String,
        /// What happened.
        reason: String,
    },
    /// No answer in time; the request may have arrived.
    #[error("node {node} gave no answer within {waited:?}")]
    TimedOut {
        /// The node.
        node: NodeId,
        /// How long the call waited.
        waited: Duration,
    },
    /// The other side, or this one, has too many requests under way.
    #[error("node {node} is busy: {limit} requests are under way")]
    Busy {
        /// The node.
        node: NodeId,
        /// How many may be.
        limit: usize,
    },
    /// A message is larger than the limit; nothing was done.
    #[error("a message of {found_bytes} bytes for node {node}: the limit is {limit_bytes}")]
    TooLarge {
        /// The node.
        node: NodeId,
        /// Bytes of the message, or what is known of them.
        found_bytes: usize,
        /// Most bytes of a message.
        limit_bytes: usize,
    },
    /// The other side refused the request; nothing was done.
    #[error("node {node} refused the request: {reason}")]
    Refused {
        /// The node.
        node: NodeId,
        /// What it said.
        reason: String,
    },
}

/// Why a request is not answered: what the caller is told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Too many requests are under way.
    #[error("{limit} requests are under way")]
    Busy {
        /// How many may be.
        limit: usize,
    },
    /// The bytes are not a request to this node of this log.
    #[error("{reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// The node is stopping or has failed.
    #[error("the node is stopping")]
    Stopping,
}

/// Carries requests to other nodes.
pub trait Transport: Send + Sync + 'static {
    /// Sends a request and waits for its answer, at most `timeout`.
    fn call(
        &self,
        peer: &PeerAddress,
        request: Vec<u8>,
        timeout: Duration,
    ) -> Pending<Result<Vec<u8>, CallError>>;
}

/// Answers requests of other nodes.
pub trait Answer: Send + Sync + 'static {
    /// The node whose certificate has this key, or `None`: such a caller gets nothing.
    fn known(&self, key: &Hash) -> Option<NodeId>;

    /// Answers a request of a known node.
    fn answer(&self, from: NodeId, request: Vec<u8>) -> Pending<Result<Vec<u8>, Refusal>>;
}
