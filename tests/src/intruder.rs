//! Somebody who speaks to the port for other nodes and is none, or one that does not keep to the
//! program: with a stolen certificate, or with one of his own.
//!
//! The bytes of a request are written here by hand: golden tests of the program hold them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use letopis_consensus::peer::grpc::{GrpcLimits, GrpcTransport};
use letopis_consensus::peer::tls::NodeIdentity;
use letopis_consensus::peer::{CallError, PeerAddress, Transport};
use letopis_ledger::Hash;
use letopis_ledger::id::NodeId;
use tokio::runtime::Runtime;

/// Version byte before every value.
const VERSION: u8 = 1;
/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The intruder.
#[derive(Debug)]
pub struct Intruder {
    runtime: Runtime,
    transport: GrpcTransport,
}

impl Intruder {
    /// With the certificate in a node's folder.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn with_keys_of(folder: &Path) -> Self {
        Self::new(identity(folder))
    }

    /// With a certificate that no log names.
    ///
    /// # Panics
    /// It cannot be made.
    #[must_use]
    pub fn unknown() -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec!["node-1.example".to_owned()]);
        let certificate = params.expect("a name").self_signed(&key).expect("a certificate");
        let pem = (certificate.pem(), key.serialize_pem());
        let identity = NodeIdentity::from_pem(pem.0.as_bytes(), pem.1.as_bytes());
        Self::new(identity.expect("a pair"))
    }

    fn new(identity: NodeIdentity) -> Self {
        // The other side must refuse what is too large, so this one does not.
        let limits = GrpcLimits { message_bytes: 64 << 20, ..GrpcLimits::default() };
        let runtime = Runtime::new().expect("a runtime");
        Self { runtime, transport: GrpcTransport::new(identity, limits) }
    }

    /// Sends bytes to the node of this folder at this address, and gives its answer.
    ///
    /// # Errors
    /// It answers nothing.
    pub fn call(
        &self,
        node: u64,
        folder: &Path,
        address: SocketAddr,
        bytes: Vec<u8>,
    ) -> Result<Vec<u8>, CallError> {
        let key: Hash = identity(folder).key();
        let node = NodeId::new(node).expect("a node's number");
        let peer = PeerAddress { node, address: address.to_string(), key };
        // The transport takes its runtime from where it is called.
        self.runtime.block_on(async { self.transport.call(&peer, bytes, TIMEOUT).await })
    }
}

fn identity(folder: &Path) -> NodeIdentity {
    let read = |name: &str| fs::read(folder.join("keys").join(name)).expect("a key file");
    NodeIdentity::from_pem(&read("node.crt"), &read("node.key")).expect("a node's certificate")
}

/// A request to cosign a checkpoint, from one node of a log to another.
#[must_use]
pub fn cosign(log: &str, from: u8, to: u8, checkpoint: &str) -> Vec<u8> {
    // [9, [text]]
    envelope(log, from, to, &[&[VERSION, 0x82, 9, 0x81], &text(checkpoint)[..]].concat())
}

/// A request to say how far a node is.
#[must_use]
pub fn status(log: &str, from: u8, to: u8) -> Vec<u8> {
    // [13, []]
    envelope(log, from, to, &[VERSION, 0x82, 13, 0x80])
}

/// [log, from, to, body]
fn envelope(log: &str, from: u8, to: u8, body: &[u8]) -> Vec<u8> {
    assert!(from < 24 && to < 24, "small numbers are one byte");
    [&[VERSION, 0x84], &text(log)[..], &[from, to], &head(0x40, body.len()), body].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&head(0x60, text.len())[..], text.as_bytes()].concat()
}

/// Head of a CBOR string: its kind and length.
fn head(kind: u8, length: usize) -> Vec<u8> {
    match u16::try_from(length).expect("a short string") {
        short @ 0..24 => vec![kind | u8::try_from(short).expect("below 24")],
        short @ 24..256 => vec![kind | 24, u8::try_from(short).expect("below 256")],
        long => [vec![kind | 25], long.to_be_bytes().to_vec()].concat(),
    }
}
