//! The transport between simulated nodes: each request one datagram, each answer another, over
//! turmoil's network, which delays and cuts; loss and duplicates, also late ones, are made here.
//!
//! A caller's number stands for its certificate: a node answers only callers that the log, or its
//! invitation, names.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use letopis_consensus::peer::{Answer, CallError, PeerAddress, Pending, Refusal, Transport};
use letopis_ledger::id::NodeId;
use tokio::sync::{mpsc, oneshot};
use turmoil::net::UdpSocket;

use super::record::certificate;
use super::world::World;

pub(super) const PORT: u16 = 4_100;
const DATAGRAM_MAX: usize = 8 << 20;
const HEADER: usize = 17;
/// When a connection without an answer counts as broken, as by the keep-alives of a real one.
const BROKEN_AFTER: Duration = Duration::from_secs(5);

const REQUEST: u8 = 0;
const ANSWER: u8 = 1;
const BUSY: u8 = 2;
const REFUSED: u8 = 3;

/// How unreliable the network is.
#[derive(Clone, Copy, Default)]
pub(super) struct Weather {
    pub(super) loss: f64,
    pub(super) duplicates: f64,
    /// A duplicate comes up to so much later.
    pub(super) late: Duration,
}

/// One node's way to the others.
#[derive(Clone)]
pub(super) struct Line(Arc<Shared>);

struct Shared {
    world: Arc<World>,
    number: u64,
    out: mpsc::UnboundedSender<(String, Vec<u8>)>,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    next: u64,
    waiting: BTreeMap<u64, oneshot::Sender<(u8, Vec<u8>)>>,
    /// The node has the transport: it must not be kept alive by it.
    answerer: Option<Weak<dyn Answer>>,
}

impl Line {
    /// Opens the port of this host.
    pub(super) async fn open(world: Arc<World>, number: u64) -> std::io::Result<Self> {
        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?);
        let (out, sending) = mpsc::unbounded_channel();
        // A number of its own for each start: answers to calls before it are nobody's.
        let calls = Calls { next: world.next_call_base(), ..Calls::default() };
        let line = Self(Arc::new(Shared { world, number, out, calls: Mutex::new(calls) }));
        tokio::task::spawn_local(send_all(Arc::clone(&line.0.world), Arc::clone(&socket), sending));
        tokio::task::spawn_local(line.clone().receive_all(socket));
        Ok(line)
    }

    /// From now on requests are answered, as long as the answerer is there.
    pub(super) fn answer_by(&self, answerer: &Arc<dyn Answer>) {
        self.calls().answerer = Some(Arc::downgrade(answerer));
    }

    async fn receive_all(self, socket: Arc<UdpSocket>) {
        let mut buffer = vec![0; DATAGRAM_MAX];
        loop {
            let Ok((length, from)) = socket.recv_from(&mut buffer).await else { return };
            let Some((header, payload)) = buffer[..length].split_first_chunk::<HEADER>() else {
                continue;
            };
            let kind = header[0];
            let call = u64::from_be_bytes(header[1..9].try_into().expect("eight bytes"));
            let caller = u64::from_be_bytes(header[9..].try_into().expect("eight bytes"));
            if kind != REQUEST {
                let waiting = self.calls().waiting.remove(&call);
                if let Some(waiting) = waiting {
                    let _ = waiting.send((kind, payload.to_vec()));
                }
                continue;
            }
            let answerer = self.calls().answerer.as_ref().and_then(Weak::upgrade);
            let Some(answerer) = answerer else { continue };
            let (line, request) = (self.clone(), payload.to_vec());
            tokio::task::spawn_local(async move {
                let (kind, answer) = answer(&*answerer, caller, request).await;
                let back = turmoil::reverse_lookup(from.ip()).unwrap_or_default();
                let _ = line.0.out.send((back, frame(kind, call, line.0.number, &answer)));
            });
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(answerer: &dyn Answer, caller: u64, request: Vec<u8>) -> (u8, Vec<u8>) {
    let known = answerer.known(&certificate(caller));
    let Some(known) = known.filter(|known| known.get() == caller) else {
        return (REFUSED, b"unknown certificate".to_vec());
    };
    match answerer.answer(known, request).await {
        Ok(answer) => (ANSWER, answer),
        Err(Refusal::Busy { limit }) => (BUSY, (limit as u64).to_be_bytes().to_vec()),
        Err(other) => (REFUSED, other.to_string().into_bytes()),
    }
}

fn frame(kind: u8, call: u64, number: u64, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind];
    frame.extend(call.to_be_bytes());
    frame.extend(number.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

async fn send_all(
    world: Arc<World>,
    socket: Arc<UdpSocket>,
    mut sending: mpsc::UnboundedReceiver<(String, Vec<u8>)>,
) {
    while let Some((host, frame)) = sending.recv().await {
        let weather = world.weather();
        if weather.loss > 0.0 && world.random.chance(weather.loss) {
            continue;
        }
        if weather.duplicates > 0.0 && world.random.chance(weather.duplicates) {
            let (socket, host, frame) = (Arc::clone(&socket), host.clone(), frame.clone());
            let late = world.random.duration(weather.late);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(late).await;
                let _ = socket.send_to(&frame, (host.as_str(), PORT)).await;
            });
        }
        let _ = socket.send_to(&frame, (host.as_str(), PORT)).await;
    }
}

impl Transport for Line {
    fn call(
        &self,
        peer: &PeerAddress,
        request: Vec<u8>,
        timeout: Duration,
    ) -> Pending<Result<Vec<u8>, CallError>> {
        let (line, node, address) = (self.clone(), peer.node, peer.address.clone());
        Box::pin(async move {
            let host = address.split(':').next().unwrap_or_default().to_owned();
            let (answered, answer) = oneshot::channel();
            let call = {
                let mut calls = line.calls();
                calls.next += 1;
                let call = calls.next;
                calls.waiting.insert(call, answered);
                call
            };
            let waiting = Waiting { line: &line, call };
            let _ = line.0.out.send((host, frame(REQUEST, call, line.0.number, &request)));
            let waited = timeout.min(BROKEN_AFTER);
            let answer = tokio::time::timeout(waited, answer).await;
            drop(waiting);
            read(node, address, waited, answer)
        })
    }
}

/// Forgets a call whose caller has gone.
struct Waiting<'a> {
    line: &'a Line,
    call: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.line.calls().waiting.remove(&self.call);
    }
}

type Answered = Result<(u8, Vec<u8>), oneshot::error::RecvError>;

fn read(
    node: NodeId,
    address: String,
    waited: Duration,
    answer: Result<Answered, tokio::time::error::Elapsed>,
) -> Result<Vec<u8>, CallError> {
    match answer {
        Err(_) if waited == BROKEN_AFTER => {
            Err(CallError::Unreachable { node, address, reason: "it broke".to_owned() })
        }
        Err(_) => Err(CallError::TimedOut { node, waited }),
        Ok(Err(_)) => Err(CallError::Unreachable { node, address, reason: "gone".to_owned() }),
        Ok(Ok((ANSWER, bytes))) => Ok(bytes),
        Ok(Ok((BUSY, _))) => Err(CallError::Busy { node, limit: 0 }),
        Ok(Ok((_, reason))) => {
            Err(CallError::Refused { node, reason: String::from_utf8_lossy(&reason).into_owned() })
        }
    }
}
