//! Health, metrics, and the first page that a visitor sees.
//!
//! Metrics that are measured when they are asked for; the others count by themselves:
//!
//! | name | kind | what it counts |
//! |---|---|---|
//! | `letopis_disk_free_bytes` | gauge | bytes that can still be written beside the node's data |

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse, Response};
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
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], app.metrics.render()).into_response()
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
