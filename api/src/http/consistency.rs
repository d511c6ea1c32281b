//! How new a read must be: the header `letopis-consistency`.
//!
//! `local` (the default) is whatever this node has; `at-least=<leaves>` waits for a position that
//! another answer named; `linearizable` waits for everything that anyone was told is appended
//! before. The tables are waited for as well. Not here: which node is asked for what is newest.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use letopis_consensus::{Consistency, ReadError};

use super::problem::{Code, Problem};
use super::{AppState, unreadable};

/// Header with the consistency that a read asks for.
pub(crate) const CONSISTENCY: &str = "letopis-consistency";
/// Longest wait for a position.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Waits until a read sees what it asks for.
pub(super) async fn wait(
    State(app): State<AppState>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if request.method() == Method::GET
        && let Some(asked) = request.headers().get(CONSISTENCY)
    {
        let asked = asked.to_str().unwrap_or_default();
        let asked: Consistency =
            asked.parse().map_err(|error: letopis_consensus::ConsistencyError| {
                Problem::with_specific_code(
                    Code::BadRequest,
                    "consistency-malformed",
                    error.to_string(),
                )
            })?;
        let size = app.service.ledger().wait_for(asked, TIMEOUT).await;
        let size = size.map_err(|error| late(&error))?;
        if asked != Consistency::Local {
            let there = || (app.service.position() >= size).then_some(());
            app.service.wait_for(TIMEOUT, there).await.ok_or_else(|| {
                let detail = format!("the tables of this node do not reflect {size} leaves yet");
                Problem::with_specific_code(Code::Unavailable, "behind", detail)
            })?;
        }
    }
    Ok(next.run(request).await)
}

fn late(error: &ReadError) -> Problem {
    let code = match error {
        ReadError::Behind { .. } => "behind",
        ReadError::NoLeader => "no-leader",
        other => return unreadable(other),
    };
    Problem::with_specific_code(Code::Unavailable, code, error.to_string())
}
