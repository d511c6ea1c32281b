//! The transport in service: gRPC over mutual TLS, one unary method that carries bytes.
//!
//! The method is `/letopis.peer.v1.Peer/Call`; its messages are the bytes of our own encoding,
//! framed by gRPC. Everything that waits is bounded and everything that lasts has a deadline, so
//! that a peer that is slow, silent or hostile costs a known amount.
//!
//! Not here: who is believed (`super::tls`), what the bytes say (`super::message`).

mod accept;
mod client;
mod codec;
mod refused;
mod server;
mod status;
#[cfg(test)]
mod test;

pub use client::GrpcTransport;
pub use server::serve;

use std::time::Duration;

/// The path of the one method.
const METHOD: &str = "/letopis.peer.v1.Peer/Call";

/// HTTP/2 flow control: a link with a long way needs this much under way to be used fully.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;

/// Of all requests of a connection together: what one connection can make this node hold.
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// What the transport bears. Both sides of a connection should have the same limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcLimits {
    /// Most bytes of a request or an answer.
    pub message_bytes: usize,
    /// Most calls under way to one node; one more is [`super::CallError::Busy`].
    pub calls_per_peer: usize,
    /// Most requests under way of one connection.
    pub requests_per_connection: usize,
    /// Most requests under way of all connections.
    pub requests: usize,
    /// Most handshakes at the same time; at one more the oldest is given up.
    pub handshakes: usize,
    /// Longest handshake.
    pub handshake_timeout: Duration,
    /// Longest wait for a new connection.
    pub connect_timeout: Duration,
    /// Longest arrival of a request's bytes.
    pub arrival_timeout: Duration,
    /// How often a quiet connection is asked whether it lives.
    pub keep_alive_interval: Duration,
    /// How long it may take to say so.
    pub keep_alive_timeout: Duration,
    /// How long requests under way may go on when the node stops.
    pub stop_grace: Duration,
}

impl Default for GrpcLimits {
    fn default() -> Self {
        Self {
            message_bytes: 16 << 20,
            calls_per_peer: 256,
            requests_per_connection: 256,
            requests: 1_024,
            handshakes: 64,
            handshake_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(3),
            arrival_timeout: Duration::from_secs(30),
            keep_alive_interval: Duration::from_secs(5),
            keep_alive_timeout: Duration::from_secs(10),
            stop_grace: Duration::from_secs(5),
        }
    }
}
