//! Health, metrics, and the first page that a visitor sees.
//!
//! Metrics that are measured when they are asked for; the others count by themselves:
//!
//! | name | kind | what it counts |
//! |---|---|---|
//! | `letopis_disk_free_bytes` | gauge | bytes that can still be written beside the node's data |
//! | `letopis_peer_reachable{node}` | gauge | 1 while another node answers |
//! | `letopis_peer_lag_leaves{node}` | gauge | leaves that a node which answers has not applied |
//!
//! Of other nodes only those are told that take part now: a gauge that counts by itself would show
//! a node that was removed for as long as this one runs.

use std::fmt::Write;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse, Response};
use letopis_consensus::PeerStatus;
use letopis_ledger::TreeSize;
use metrics::gauge;
use serde::Serialize;
use utoipa::ToSchema;

use super::node::free_bytes;
use super::{AppState, language_of};
use crate::message;

/// How far each stage of the log is, in leaves.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthDto {
    /// `ok` while the node takes records.
    state: &'static str,
    /// Name of the log.
    origin: String,
    /// Leaves applied.
    applied: u64,
    /// Leaves folded into the read model.
    projected: u64,
    /// Leaves of the last tree head agreed through consensus.
    agreed: u64,
    /// Leaves of the last head that the log signed.
    signed: u64,
    /// Leaves of the last head that this node cosigned.
    cosigned: u64,
    /// Leaves of the newest published head.
    published: u64,
}

/// Whether the node works, and how far each stage of the log is.
#[utoipa::path(
    get, path = "/healthz", tag = "operations",
    responses((status = 200, description = "The node works", body = HealthDto))
)]
pub(super) async fn health(State(app): State<AppState>) -> Json<HealthDto> {
    let ledger = app.service.ledger();
    let positions = ledger.positions();
    Json(HealthDto {
        state: "ok",
        origin: ledger.origin().to_string(),
        applied: positions.applied.get(),
        projected: app.service.position().get(),
        agreed: positions.agreed.get(),
        signed: positions.signed.get(),
        cosigned: positions.cosigned.get(),
        published: positions.published.get(),
    })
}

/// Figures for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "Prometheus text format", content_type = "text/plain",
         body = String))
)]
pub(super) async fn metrics(State(app): State<AppState>) -> Response {
    let data = app.service.data_folder().to_owned();
    let free = tokio::task::spawn_blocking(move || free_bytes(&data)).await;
    if let Ok(Some(free)) = free {
        gauge!("letopis_disk_free_bytes").set(as_float(free));
    }
    let mut text = app.metrics.render();
    let ledger = app.service.ledger();
    // A node that has stopped knows nothing of the others any more.
    if let Ok(status) = ledger.status() {
        text += &peer_figures(&status.peers, ledger.positions().applied);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// Whether the other nodes answer and how far they are, as text for Prometheus.
fn peer_figures(peers: &[PeerStatus], applied: TreeSize) -> String {
    let reachable = |peer: &PeerStatus| Some(u64::from(peer.answered.is_some()));
    let lag = |peer: &PeerStatus| Some(applied.get().saturating_sub(peer.answered?.applied.get()));
    let mut text = String::new();
    gauges(&mut text, "letopis_peer_reachable", peers, reachable);
    gauges(&mut text, "letopis_peer_lag_leaves", peers, lag);
    text
}

fn gauges(
    text: &mut String,
    name: &str,
    peers: &[PeerStatus],
    value: impl Fn(&PeerStatus) -> Option<u64>,
) {
    let known: Vec<_> = peers.iter().filter_map(|peer| Some((peer.node, value(peer)?))).collect();
    if known.is_empty() {
        return;
    }
    let _ = writeln!(text, "# TYPE {name} gauge");
    for (node, value) in known {
        let _ = writeln!(text, "{name}{{node=\"{node}\"}} {value}");
    }
    text.push('\n');
}

/// Metrics are floats by their protocol; no disk has more than 2^53 bytes.
#[expect(clippy::cast_precision_loss, reason = "the metrics protocol has floats only")]
const fn as_float(bytes: u64) -> f64 {
    bytes as f64
}

/// What there is at this address, in the reader's language.
pub(super) async fn index(State(app): State<AppState>, headers: HeaderMap) -> Html<String> {
    let origin = app.service.ledger().origin().to_string();
    Html(message::index_page(language_of(&headers), &origin))
}

#[cfg(test)]
mod tests {
    use letopis_consensus::PeerProgress;
    use letopis_ledger::id::NodeId;

    use super::*;

    fn peer(node: u64, applied: Option<u64>) -> PeerStatus {
        let answered = applied.map(|applied| PeerProgress {
            term: 1,
            leader: None,
            applied: TreeSize::new(applied),
            cosigned: TreeSize::new(0),
            published: TreeSize::new(0),
            log_key: true,
        });
        let node = NodeId::new(node).unwrap();
        PeerStatus { node, address: "localhost:1".to_owned(), answered }
    }

    #[test]
    fn other_nodes_are_told_of_while_they_take_part() {
        let both = [peer(2, Some(7)), peer(3, None)];
        assert_eq!(
            peer_figures(&both, TreeSize::new(10)),
            "# TYPE letopis_peer_reachable gauge\n\
             letopis_peer_reachable{node=\"2\"} 1\n\
             letopis_peer_reachable{node=\"3\"} 0\n\n\
             # TYPE letopis_peer_lag_leaves gauge\n\
             letopis_peer_lag_leaves{node=\"2\"} 3\n\n"
        );
        assert_eq!(peer_figures(&[], TreeSize::new(10)), "");
    }
}
