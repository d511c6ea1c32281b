//! The transport against itself over loopback, and against what else may come to the port.
//!
//! Here: an answerer whose requests say what it does with them, and a port that can be stopped.

mod bounds;
mod lifecycle;
mod strangers;

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use letopis_ledger::hash::Hash;
use letopis_ledger::id::NodeId;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::refused::Refusals;
use super::server::serve_counting;
use super::{GrpcLimits, GrpcTransport};
use crate::peer::tls::NodeIdentity;
use crate::peer::{Answer, CallError, PeerAddress, Pending, Refusal, Transport};

/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(30);

const ECHO: u8 = b'e';
const HOLD: u8 = b'h';
const LARGE: u8 = b'l';
const MALFORMED: u8 = b'm';
const BUSY: u8 = b'b';
const STOPPING: u8 = b's';
/// Bytes of the answer to [`LARGE`].
const LARGE_BYTES: usize = 2_000;

fn node(number: u64) -> NodeId {
    NodeId::new(number).unwrap()
}

fn identity() -> NodeIdentity {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["node-1.zarechny".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let private_key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    NodeIdentity::from_der(vec![certificate.der().clone()], private_key).unwrap()
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(DEADLINE, work).await.expect("the deadline passed")
}

async fn until(mut held: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !held() {
        assert!(Instant::now() < deadline, "the deadline passed");
        sleep(Duration::from_millis(1)).await;
    }
}

/// Does what the first byte of a request says.
struct Desk {
    known: Mutex<HashMap<Hash, NodeId>>,
    calls: AtomicUsize,
    /// A held request goes on with a permit of it.
    gate: Arc<Semaphore>,
}

impl Desk {
    fn knowing(callers: &[(&NodeIdentity, u64)]) -> Arc<Self> {
        let known = callers.iter().map(|(identity, number)| (identity.key(), node(*number)));
        Arc::new(Self {
            known: Mutex::new(known.collect()),
            calls: AtomicUsize::new(0),
            gate: Arc::new(Semaphore::new(0)),
        })
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Answer for Desk {
    fn known(&self, key: &Hash) -> Option<NodeId> {
        self.known.lock().unwrap().get(key).copied()
    }

    fn answer(&self, from: NodeId, request: Vec<u8>) -> Pending<Result<Vec<u8>, Refusal>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let gate = Arc::clone(&self.gate);
        Box::pin(async move {
            match request.first() {
                Some(&HOLD) => gate.acquire().await.unwrap().forget(),
                Some(&LARGE) => return Ok(vec![0; LARGE_BYTES]),
                Some(&BUSY) => return Err(Refusal::Busy { limit: 9 }),
                Some(&STOPPING) => return Err(Refusal::Stopping),
                Some(&MALFORMED) => {
                    return Err(Refusal::Malformed { reason: "another log".to_owned() });
                }
                _ => {}
            }
            Ok([from.get().to_be_bytes().as_slice(), &request].concat())
        })
    }
}

/// The answer to a request that is echoed.
fn echoed(from: u64, request: &[u8]) -> Result<Vec<u8>, CallError> {
    Ok([from.to_be_bytes().as_slice(), request].concat())
}

/// A port that serves.
struct Port {
    address: SocketAddr,
    key: Hash,
    desk: Arc<Desk>,
    refusals: Arc<Refusals>,
    stop: watch::Sender<bool>,
    served: JoinHandle<io::Result<()>>,
}

impl Port {
    async fn open(identity: &NodeIdentity, desk: &Arc<Desk>, limits: GrpcLimits) -> Self {
        Self::open_at("127.0.0.1:0".parse().unwrap(), identity, desk, limits).await
    }

    async fn open_at(
        address: SocketAddr,
        identity: &NodeIdentity,
        desk: &Arc<Desk>,
        limits: GrpcLimits,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let refusals = Arc::new(Refusals::default());
        let answer: Arc<dyn Answer> = desk.clone();
        let counted = Arc::clone(&refusals);
        let serving = serve_counting(listener, identity.clone(), answer, limits, stopped, counted);
        let served = tokio::spawn(serving);
        let (key, desk) = (identity.key(), Arc::clone(desk));
        Self { address, key, desk, refusals, stop, served }
    }

    /// Where other nodes find it, as node 2.
    fn peer(&self) -> PeerAddress {
        PeerAddress { node: node(2), address: self.address.to_string(), key: self.key }
    }

    async fn close(self) {
        self.stop.send_replace(true);
        within(self.served).await.unwrap().unwrap();
    }
}

/// A port and who may call it as node 1.
async fn pair(server: GrpcLimits, client: GrpcLimits) -> (Port, Arc<GrpcTransport>) {
    let (one, two) = (identity(), identity());
    let port = Port::open(&two, &Desk::knowing(&[(&one, 1)]), server).await;
    (port, Arc::new(GrpcTransport::new(one, client)))
}

async fn call(
    transport: &GrpcTransport,
    peer: &PeerAddress,
    request: &[u8],
) -> Result<Vec<u8>, CallError> {
    within(transport.call(peer, request.to_vec(), DEADLINE)).await
}

/// A call that the other side holds until its gate lets it go; returns when it is there.
async fn held(
    transport: &Arc<GrpcTransport>,
    port: &Port,
) -> JoinHandle<Result<Vec<u8>, CallError>> {
    let before = port.desk.calls();
    let held = tokio::spawn(transport.call(&port.peer(), vec![HOLD], DEADLINE));
    until(|| port.desk.calls() > before).await;
    held
}
