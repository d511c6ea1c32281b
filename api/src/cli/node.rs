//! `letopis node`: runs a node until it is asked to stop or fails; its subcommands speak to one
//! that runs (`nodes`).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::serve::ListenerExt;
use clap::Args;
use metrics::counter;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;

use super::nodes;
use crate::folder::{NodeFolder, OPERATOR_TOKEN};
use crate::http::{AppState, router};
use crate::peers::PeerPort;
use crate::service::{Service, Started};

/// How long requests under way may take once the node is asked to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Counters that should stay at 0, and that somebody is woken for when they do not.
const ALERTED: [&str; 4] = [
    "letopis_quorum_missing_total",
    "letopis_cosigning_refused_total",
    "letopis_contradicting_heads_total",
    "letopis_backup_failures_total",
];

/// How a node is run.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<nodes::Command>,
    /// Folder of the node, made by `letopis init` or `letopis agency request`.
    #[arg(long, required = true)]
    folder: Option<PathBuf>,
    /// Address to listen on instead of the configured one; port 0 takes any free port.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Address to listen on for other nodes instead of the configured one.
    #[arg(long)]
    peer_listen: Option<SocketAddr>,
}

/// Runs a node. The address it listens on is its only line on standard output.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(command) = &arguments.command {
        return nodes::run(command);
    }
    let folder = arguments.folder.as_ref().context("say with --folder which node to run")?;
    let mut folder = NodeFolder::open(folder)?;
    if let Some(address) = arguments.peer_listen {
        folder = folder.listening_for_peers_on(address);
    }
    if let Some(address) = arguments.listen {
        folder = folder.listening_on(address);
    }
    let metrics = install_metrics()?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime does not start")?
        .block_on(serve(folder, metrics))
}

async fn serve(folder: NodeFolder, metrics: PrometheusHandle) -> anyhow::Result<()> {
    let token = folder.keys().token(OPERATOR_TOKEN)?;
    let address = folder.config().listen;
    // Bound before the log is opened: a wrong address is found at once.
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr()?;
    // The codes on papers lead to where the node really listens, unless it is told otherwise.
    let folder = folder.listening_on(address);
    // A short answer must not wait for more to send.
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    let port = PeerPort::bind(&folder).await?;
    let Started { service, node, peers } = Service::start(&folder, port).await?;
    let service = Arc::new(service);
    let state =
        AppState { service: Arc::clone(&service), operator_token: Arc::new(token), metrics };
    println!("listening on http://{address}");
    let mut end = signal(SignalKind::terminate())?;
    let (asked, mut stopping) = watch::channel(false);
    let stop = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = end.recv() => {}
        }
        asked.send_replace(true);
    };
    // A client that never ends its request must not keep the node from stopping.
    let overdue = async move {
        let _ = stopping.wait_for(|asked| *asked).await;
        sleep(GRACE).await;
    };
    let serving = axum::serve(listener, router(state)).with_graceful_shutdown(stop);
    tokio::select! {
        served = serving => served.context("the HTTP server failed")?,
        () = overdue => {}
        fatal = node.failed() => {
            // Nothing more may be promised: the process ends, and a restart recovers.
            anyhow::bail!("the node stopped itself: {fatal}");
        }
        failed = service.failed() => {
            anyhow::bail!("the read side stopped: {failed}");
        }
    }
    service.stop().await;
    node.hand_over().await;
    peers.stop().await;
    node.shutdown().await.context("the node did not stop cleanly; it recovers at its start")
}

fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    const SECONDS: [f64; 14] = [
        0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
    ];
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("metrics do not start")?;
    // An alert on a rise does not see a counter that comes into being with its first event.
    for name in ALERTED {
        counter!(name).absolute(0);
    }
    Ok(handle)
}
