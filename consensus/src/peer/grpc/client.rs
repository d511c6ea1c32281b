//! Calls other nodes: one connection for each, made at the first call and again when it breaks.
//!
//! Nothing queues: a call that finds the bound reached is told so. Not here: whether to try again,
//! which only the caller can decide.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Uri;
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use letopis_ledger::id::NodeId;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, TryAcquireError};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use super::codec::RawCodec;
use super::status::{call_error, unreachable_peer};
use super::{CONNECTION_WINDOW_BYTES, GrpcLimits, METHOD, STREAM_WINDOW_BYTES};
use crate::peer::tls::{NodeIdentity, explained};
use crate::peer::{CallError, PeerAddress, Pending, Transport};

/// What HTTP/2 calls the other side; the connection decides who that is.
const AUTHORITY: &str = "http://peer.letopis";
/// What TLS calls it; never sent.
const SERVER_NAME: &str = "peer.letopis";

/// Calls other nodes with this node's identity.
pub struct GrpcTransport {
    identity: NodeIdentity,
    limits: GrpcLimits,
    peers: Mutex<HashMap<NodeId, Peer>>,
}

/// The connection to a node.
#[derive(Clone)]
struct Peer {
    address: PeerAddress,
    channel: Channel,
    calls: Arc<Semaphore>,
}

impl fmt::Debug for GrpcTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcTransport").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl GrpcTransport {
    /// Takes what this node proves itself with; no connection is made yet.
    #[must_use]
    pub fn new(identity: NodeIdentity, limits: GrpcLimits) -> Self {
        Self { identity, limits, peers: Mutex::default() }
    }

    /// Drops the connection to a node, as to one that has left; calls under way go on.
    pub fn forget(&self, node: NodeId) {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).remove(&node);
    }

    /// The connection to a node: the one there is, unless the node moved or has another key.
    fn peer(&self, address: &PeerAddress) -> Peer {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(peer) = peers.get(&address.node)
            && peer.address == *address
        {
            return peer.clone();
        }
        let peer = Peer {
            address: address.clone(),
            channel: self.channel(address),
            calls: Arc::new(Semaphore::new(self.limits.calls_per_peer)),
        };
        peers.insert(address.node, peer.clone());
        peer
    }

    pub(super) fn channel(&self, address: &PeerAddress) -> Channel {
        let connector = TlsConnector::from(Arc::new(self.identity.client_config(address.key)));
        let (address, longest) = (address.address.clone(), self.limits.connect_timeout);
        let connect = service_fn(move |_: Uri| {
            let (connector, address) = (connector.clone(), address.clone());
            async move {
                match timeout(longest, connect(connector, &address)).await {
                    Ok(connected) => connected.map(TokioIo::new),
                    Err(_) => Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        format!("no connection within {longest:?}"),
                    )),
                }
            }
        });
        Endpoint::from_static(AUTHORITY)
            .http2_keep_alive_interval(self.limits.keep_alive_interval)
            .keep_alive_timeout(self.limits.keep_alive_timeout)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .connect_with_connector_lazy(connect)
    }
}

async fn connect(connector: TlsConnector, address: &str) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(SERVER_NAME).expect("invariant: a host name");
    connector.connect(name, stream).await.map_err(explained)
}

impl Transport for GrpcTransport {
    fn call(
        &self,
        peer: &PeerAddress,
        request: Vec<u8>,
        longest: Duration,
    ) -> Pending<Result<Vec<u8>, CallError>> {
        let (node, limits) = (peer.node, &self.limits);
        let (limit_bytes, found_bytes) = (limits.message_bytes, request.len());
        if found_bytes > limit_bytes {
            let refused = CallError::TooLarge { node, found_bytes, limit_bytes };
            return Box::pin(std::future::ready(Err(refused)));
        }
        let Peer { address, channel, calls } = self.peer(peer);
        let permit = match calls.try_acquire_owned() {
            Ok(permit) => permit,
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                let refused = CallError::Busy { node, limit: limits.calls_per_peer };
                return Box::pin(std::future::ready(Err(refused)));
            }
        };
        Box::pin(async move {
            let _permit = permit;
            match timeout(longest, exchange(channel, &address, request, limit_bytes)).await {
                Ok(answered) => answered,
                Err(_) => Err(CallError::TimedOut { node, waited: longest }),
            }
        })
    }
}

async fn exchange(
    channel: Channel,
    peer: &PeerAddress,
    request: Vec<u8>,
    limit_bytes: usize,
) -> Result<Vec<u8>, CallError> {
    let mut grpc = tonic::client::Grpc::new(channel)
        .max_decoding_message_size(limit_bytes)
        .max_encoding_message_size(limit_bytes);
    grpc.ready().await.map_err(|error| unreachable_peer(peer, &error))?;
    let path = PathAndQuery::from_static(METHOD);
    let answered = grpc.unary(Request::new(request), path, RawCodec::default()).await;
    match answered {
        Ok(answer) => Ok(answer.into_inner()),
        Err(status) => Err(call_error(&status, peer, limit_bytes)),
    }
}
