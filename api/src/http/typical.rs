//! Typical decisions of a service, as its regulation in force has them.
//!
//! Not here: taking one over into a proposal (`work`), and past decisions (`precedent`).

use axum::Json;
use axum::extract::State;
use letopis_registry::code::ServiceCode;
use letopis_registry::messages::Text;
use letopis_registry::pack::TypicalDecision;
use serde::Serialize;
use utoipa::ToSchema;

use super::application::TextDto;
use super::problem::{Code, Problem, ProblemDto};
use super::{AppState, PathOf};

/// The typical decisions of a service.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TypicalDecisionsDto {
    typical_decisions: Vec<TypicalDto>,
    /// Version of the regulation.
    pack_version: u32,
    /// Leaves that this answer reflects.
    position: u64,
}

/// A typical decision.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TypicalDto {
    code: String,
    title: TextDto,
    /// `granted` or `refused`.
    outcome: &'static str,
    /// Codes of the grounds that it is for.
    grounds: Vec<String>,
    /// The reasons in Markdown, with `{{name}}` where a value of the case goes.
    reasons: TextDto,
    law: TextDto,
}

/// The typical decisions of a service: reasons that an official takes over into a proposal.
#[utoipa::path(
    get, path = "/api/v1/services/{service}/typical-decisions", tag = "services",
    params(("service" = String, Path, description = "Code of the service")),
    responses(
        (status = 200, description = "Every typical decision", body = TypicalDecisionsDto),
        (status = 404, description = "No such service", body = ProblemDto),
    )
)]
pub(super) async fn list(
    State(app): State<AppState>,
    service: PathOf<String>,
) -> Result<Json<TypicalDecisionsDto>, Problem> {
    let unknown = || Problem::new(Code::NotFound, format!("there is no service {}", service.0));
    let code = ServiceCode::parse(&service.0).map_err(|_| unknown())?;
    let installed = app.service.engine().pack_with_service(&code).ok_or_else(unknown)?;
    let regulation = &installed.service(&code).ok_or_else(unknown)?.regulation;
    Ok(Json(TypicalDecisionsDto {
        typical_decisions: regulation.typical_decisions.iter().map(TypicalDto::of).collect(),
        pack_version: installed.pack_ref.version,
        position: app.service.position().get(),
    }))
}

impl TypicalDto {
    fn of(typical: &TypicalDecision) -> Self {
        let text = |text: &Text| TextDto { ru: text.ru.clone(), en: text.en.clone() };
        Self {
            code: typical.code.value.to_string(),
            title: text(&typical.title),
            outcome: typical.outcome.outcome().as_str(),
            grounds: typical.grounds.iter().map(|ground| ground.value.to_string()).collect(),
            reasons: text(&typical.reasons),
            law: text(&typical.law),
        }
    }
}
