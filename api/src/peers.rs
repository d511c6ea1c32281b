//! The port on which other nodes reach this one. A node that runs alone has none.
//!
//! Not here: what is answered there (`letopis_consensus::peer`).

use std::sync::Arc;

use anyhow::Context;
use letopis_consensus::peer::Answer;
use letopis_consensus::peer::grpc::{GrpcLimits, serve};
use letopis_consensus::peer::tls::NodeIdentity;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::folder::NodeFolder;

/// The port, bound and not answering yet.
pub(crate) struct PeerPort(Option<(TcpListener, NodeIdentity)>);

/// The port, answering.
pub(crate) struct PeerServer {
    stop: watch::Sender<bool>,
    serving: Option<JoinHandle<()>>,
}

impl PeerPort {
    /// Takes the configured port, so that a wrong address is found before the log is opened.
    pub(crate) async fn bind(folder: &NodeFolder) -> anyhow::Result<Self> {
        let Some(peers) = &folder.config().peers else { return Ok(Self(None)) };
        let identity = folder.keys().identity()?;
        let listener = TcpListener::bind(peers.listen)
            .await
            .with_context(|| format!("cannot listen on {} for other nodes", peers.listen))?;
        Ok(Self(Some((listener, identity))))
    }

    /// Begins to answer.
    pub(crate) fn answer(self, answer: Arc<dyn Answer>) -> PeerServer {
        let (stop, stopped) = watch::channel(false);
        let serving = self.0.map(|(listener, identity)| {
            tokio::spawn(async move {
                let served = serve(listener, identity, answer, GrpcLimits::default(), stopped);
                if let Err(error) = served.await {
                    tracing::error!(%error, "the port for other nodes failed");
                }
            })
        });
        PeerServer { stop, serving }
    }
}

impl PeerServer {
    /// Closes the port and waits until it is.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        if let Some(serving) = self.serving {
            // A panic in there was reported where it happened.
            let _ = serving.await;
        }
    }
}
