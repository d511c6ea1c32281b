//! Answers requests of proven callers, each checked again and each within the bounds.
//!
//! A key that the log no longer names gets nothing, also on a connection that was opened while it
//! did. Not here: handshakes (`super::accept`), what a request says (the answerer).

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Weak};

use letopis_ledger::id::NodeId;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use tonic::body::Body;
use tonic::{Code, Request, Response, Status};
use tower::service_fn;

use super::accept::{Caller, Proven, accept};
use super::codec::RawCodec;
use super::refused::{Reason, Refusals};
use super::status::Denial;
use super::{CONNECTION_WINDOW_BYTES, GrpcLimits, METHOD, STREAM_WINDOW_BYTES};
use crate::peer::tls::NodeIdentity;
use crate::peer::{Answer, Refusal};

/// Serves other nodes until `stop` holds `true` or its sender is gone.
///
/// The port is closed at once. Requests under way may go on for [`GrpcLimits::stop_grace`];
/// afterwards they are dropped, and `answer` is not held any longer. A request whose caller goes
/// away is
/// dropped as well: what must be done to its end, the answerer does in a task of its own.
///
/// # Errors
/// The HTTP/2 server failed as a whole; single connections never make it fail.
pub async fn serve(
    listener: TcpListener,
    identity: NodeIdentity,
    answer: Arc<dyn Answer>,
    limits: GrpcLimits,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    serve_counting(listener, identity, answer, limits, stop, Arc::default()).await
}

pub(super) async fn serve_counting(
    listener: TcpListener,
    identity: NodeIdentity,
    answer: Arc<dyn Answer>,
    limits: GrpcLimits,
    stop: watch::Receiver<bool>,
    refusals: Arc<Refusals>,
) -> io::Result<()> {
    let config = identity.server_config(Arc::downgrade(&answer));
    let (proven, mut connections) = mpsc::channel::<Proven>(1);
    let accepting = accept(listener, config, limits.clone(), Arc::clone(&refusals), proven);
    let incoming = futures::stream::poll_fn(move |context| {
        connections.poll_recv(context).map(|connection| connection.map(Ok::<_, Infallible>))
    });
    // Its sender lives until the end of this function: then what is still under way is dropped.
    let (_alive, ended) = watch::channel(());
    let desk = Arc::new(Desk {
        answer: Arc::downgrade(&answer),
        requests: Arc::new(Semaphore::new(limits.requests)),
        limits: limits.clone(),
        refusals,
        ended,
    });
    let streams = u32::try_from(limits.requests_per_connection).unwrap_or(u32::MAX);
    let served = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(limits.keep_alive_interval))
        .http2_keepalive_timeout(Some(limits.keep_alive_timeout))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        // Room above the bound, so that a caller is told "busy" and does not wait unknowingly.
        .max_concurrent_streams(streams.saturating_mul(2))
        .serve_with_incoming_shutdown(
            service_fn(move |request| {
                let desk = Arc::clone(&desk);
                async move { Ok::<_, Infallible>(desk.take(request).await) }
            }),
            incoming,
            stopped(stop.clone()),
        );
    let mut served = pin!(served);
    let finished = {
        let mut accepting = pin!(accepting);
        tokio::select! {
            finished = &mut served => Some(finished),
            () = stopped(stop) => None,
            () = &mut accepting => None,
        }
    };
    // The port is closed from here on.
    let finished = match finished {
        Some(finished) => finished,
        None => timeout(limits.stop_grace, served).await.unwrap_or_else(|_| {
            tracing::warn!("requests of other nodes did not end in time and are dropped");
            Ok(())
        }),
    };
    finished.map_err(io::Error::other)
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // A sender that is gone can say nothing more: that is a stop too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Where all requests of a port come in.
struct Desk {
    answer: Weak<dyn Answer>,
    requests: Arc<Semaphore>,
    limits: GrpcLimits,
    refusals: Arc<Refusals>,
    ended: watch::Receiver<()>,
}

impl Desk {
    async fn take(&self, request: http::Request<Body>) -> http::Response<Body> {
        if request.uri().path() != METHOD || request.method() != http::Method::POST {
            return Status::new(Code::Unimplemented, "no such method").into_http();
        }
        let Some(caller) = request.extensions().get::<Caller>().cloned() else {
            return Status::from(Denial::UnknownCaller).into_http();
        };
        // Before a byte of the request is read: who calls, and whether there is room.
        match self.admit(&caller) {
            Ok((from, permits)) => self.answer(request, from, caller.address, permits).await,
            Err(denial) => {
                let (reason, text) = match &denial {
                    Denial::Refused(Refusal::Stopping) => return Status::from(denial).into_http(),
                    Denial::Refused(refusal) => (Reason::Busy, refusal.to_string()),
                    _ => (Reason::UnknownKey, format!("the log does not name {}", caller.key)),
                };
                self.refusals.count(reason, &caller.address, &text);
                Status::from(denial).into_http()
            }
        }
    }

    fn admit(&self, caller: &Caller) -> Result<(NodeId, Vec<OwnedSemaphorePermit>), Denial> {
        let stopping = Denial::Refused(Refusal::Stopping);
        let from = self.answer.upgrade().ok_or(stopping)?.known(&caller.key);
        let from = from.ok_or(Denial::UnknownCaller)?;
        let busy = |limit| Denial::Refused(Refusal::Busy { limit });
        let own = Arc::clone(&caller.requests).try_acquire_owned();
        let own = own.map_err(|_| busy(self.limits.requests_per_connection))?;
        let all = Arc::clone(&self.requests).try_acquire_owned();
        let all = all.map_err(|_| busy(self.limits.requests))?;
        Ok((from, vec![own, all]))
    }

    async fn answer(
        &self,
        request: http::Request<Body>,
        from: NodeId,
        address: SocketAddr,
        permits: Vec<OwnedSemaphorePermit>,
    ) -> http::Response<Body> {
        let limit = self.limits.message_bytes;
        let (arrived, arrival) = oneshot::channel();
        let mut arrived = Some(arrived);
        let handler = service_fn(|request: Request<Vec<u8>>| {
            arrived.take().map(|arrived| arrived.send(()));
            self.ask(from, address, request.into_inner())
        });
        let mut grpc = tonic::server::Grpc::new(RawCodec::holding(permits))
            .max_decoding_message_size(limit)
            .max_encoding_message_size(limit);
        let response = tokio::select! {
            response = grpc.unary(handler, request) => response,
            () = late(arrival, &self.limits) => {
                let error = "the bytes of a request did not arrive in time";
                self.refusals.count(Reason::Late, &address, &error);
                return Status::from(Denial::Late).into_http();
            }
        };
        response
    }

    async fn ask(
        &self,
        from: NodeId,
        address: SocketAddr,
        request: Vec<u8>,
    ) -> Result<Response<Vec<u8>>, Status> {
        let refused = |reason, error: String| {
            self.refusals.count(reason, &format_args!("node {from} at {address}"), &error);
        };
        let answering = match self.answer.upgrade() {
            Some(answer) => answer.answer(from, request),
            None => return Err(Denial::Refused(Refusal::Stopping).into()),
        };
        let mut ended = self.ended.clone();
        let answered = tokio::select! {
            answered = answering => answered,
            _ = ended.changed() => return Err(Denial::Interrupted.into()),
        };
        let limit = self.limits.message_bytes;
        match answered {
            Ok(answer) if answer.len() <= limit => Ok(Response::new(answer)),
            Ok(answer) => {
                let found = answer.len();
                refused(Reason::TooLarge, format!("an answer of {found} bytes"));
                Err(Denial::AnswerTooLarge { found, limit }.into())
            }
            Err(refusal) => {
                match &refusal {
                    Refusal::Malformed { reason } => refused(Reason::Malformed, reason.clone()),
                    Refusal::Busy { .. } => refused(Reason::Busy, refusal.to_string()),
                    Refusal::Stopping => {}
                }
                Err(Denial::Refused(refusal).into())
            }
        }
    }
}

/// Ends when a request has not arrived in time, and never when it has.
fn late(arrival: oneshot::Receiver<()>, limits: &GrpcLimits) -> impl Future<Output = ()> + Send {
    let longest = limits.arrival_timeout;
    async move {
        let mut deadline = pin!(sleep(longest));
        tokio::select! {
            _ = arrival => pending::<()>().await,
            () = &mut deadline => {}
        }
    }
}
