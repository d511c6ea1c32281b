//! Accepts connections and makes TLS of them, many at the same time, before anyone is believed.
//!
//! Handshakes are bounded in number and time. When there are too many, the oldest gives way to the
//! newest: a flood of connections that say nothing cannot keep an honest one out, because an
//! honest handshake is done before it has become the oldest. Not here: requests.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use letopis_ledger::hash::Hash;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::GrpcLimits;
use super::refused::{Reason, Refusals};
use crate::peer::tls::{explained, key_of};

/// How long to wait when the system gives no connection, for want of descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection whose other side has proven that it holds a key.
#[derive(Debug)]
pub(super) struct Proven {
    stream: TlsStream<TcpStream>,
    caller: Caller,
}

/// The other side of a connection, as each of its requests sees it.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// The key that it has proven.
    pub(super) key: Hash,
    /// Where it calls from.
    pub(super) address: SocketAddr,
    /// How many more requests this connection may have under way.
    pub(super) requests: Arc<Semaphore>,
}

impl Connected for Proven {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Proven {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Proven {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Accepts until nobody takes connections any more; dropping the future closes the port.
pub(super) async fn accept(
    listener: TcpListener,
    config: ServerConfig,
    limits: GrpcLimits,
    refusals: Arc<Refusals>,
    proven: mpsc::Sender<Proven>,
) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let mut handshakes = JoinSet::new();
    // The oldest first; those that are done are swept out before anything is given up.
    let mut under_way: VecDeque<(SocketAddr, AbortHandle)> = VecDeque::new();
    loop {
        let (stream, address) = tokio::select! {
            () = proven.closed() => return,
            Some(_) = handshakes.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    refusals.count(Reason::Handshake, &"the system", &error);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        if under_way.len() >= limits.handshakes {
            under_way.retain(|(_, handshake)| !handshake.is_finished());
        }
        if under_way.len() >= limits.handshakes
            && let Some((oldest, handshake)) = under_way.pop_front()
        {
            handshake.abort();
            refusals.count(Reason::HandshakeCrowded, &oldest, &"too many handshakes under way");
        }
        let (acceptor, limits, refusals, proven) =
            (acceptor.clone(), limits.clone(), Arc::clone(&refusals), proven.clone());
        let handshake = handshakes.spawn(async move {
            match timeout(limits.handshake_timeout, prove(&acceptor, stream, &limits)).await {
                // Nobody takes it any more: the node is stopping.
                Ok(Ok(connection)) => drop(proven.send(connection).await),
                Ok(Err(error)) => refusals.count(Reason::Handshake, &address, &error),
                Err(_) => {
                    refusals.count(Reason::HandshakeTimeout, &address, &"no handshake in time");
                }
            }
        });
        under_way.push_back((address, handshake));
    }
}

async fn prove(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    limits: &GrpcLimits,
) -> io::Result<Proven> {
    let address = stream.peer_addr()?;
    stream.set_nodelay(true)?;
    let stream = acceptor.accept(stream).await.map_err(explained)?;
    let certificates = stream.get_ref().1.peer_certificates();
    let leaf = certificates.and_then(<[_]>::first).ok_or_else(|| {
        io::Error::new(io::ErrorKind::PermissionDenied, "the caller shows no certificate")
    })?;
    let key = key_of(leaf).map_err(io::Error::other)?;
    let requests = Arc::new(Semaphore::new(limits.requests_per_connection));
    Ok(Proven { stream, caller: Caller { key, address, requests } })
}
