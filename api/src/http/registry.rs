//! Registries: their entries with proofs, and entering by the keeper of a manual registry.

mod area;
pub(super) mod extract;
pub(super) mod keeper;
mod past;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use letopis_ledger::id::StreamName;
use letopis_ledger::json::Json as LedgerJson;
use letopis_registry::code::RegistryCode;
use letopis_registry::engine::EngineError;
use letopis_registry::entry::EntryRefusal;
use letopis_registry::event::{Document, EntryId};
use letopis_registry::pack::RegistryKind;
use letopis_registry::projection::{EntryChange, EntryRow, Reflected, SystemRegistry};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::application::{TextDto, engine_problem};
use super::body::JsonOf;
use super::log::proof_of;
use super::problem::{Code, Problem, ProblemDto};
use super::system::AsOfQuery;
use super::{AppState, Operator, PathOf, system};
use crate::service::Finality;

/// Most entries of one answer.
const PAGE_MAX: u32 = 200;
/// Most characters of a document's number.
const NUMBER_MAX_CHARS: usize = 200;

/// A registry.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RegistryDto {
    pub(super) code: String,
    pub(super) title: TextDto,
    /// `automatic`: by decisions only; `manual`: by its keeper; `system`: computed from the log.
    pub(super) kind: &'static str,
    /// Entries in force.
    pub(super) in_force: u64,
}

/// All registries.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RegistriesDto {
    registries: Vec<RegistryDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// A registry entry as the public sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntryDto {
    /// Id of the entry; of a system registry's row.
    pub(super) id: String,
    pub(super) registry: String,
    /// Its number, in registries that number entries.
    pub(super) number: Option<String>,
    /// Public fields.
    pub(super) fields: Value,
    pub(super) valid_from: Option<String>,
    pub(super) valid_until: Option<String>,
    /// `in_force`, `excluded` or `expired`.
    pub(super) status: &'static str,
    pub(super) created_at: String,
    /// Leaf of the newest change.
    pub(super) leaf: u64,
    /// `committed` or `final`, of the newest change.
    pub(super) state: &'static str,
    /// Every change, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) history: Vec<ChangeDto>,
    /// Leaves that this answer reflects.
    pub(super) position: u64,
}

/// A change of an entry.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangeDto {
    version: u64,
    event: String,
    data: Value,
    at: String,
    leaf: u64,
}

/// A page of entries.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntriesDto {
    pub(super) entries: Vec<EntryDto>,
    /// Give this as `after` to get the next page; absent on the last one.
    pub(super) next: Option<String>,
    /// Leaves that this answer reflects.
    pub(super) position: u64,
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Id of the entry after which the page begins.
    #[param(required = false)]
    after: Option<String>,
    /// Most entries of the page, at most 200.
    #[serde(default = "page_default")]
    #[param(minimum = 1, maximum = 200, required = false)]
    limit: u32,
    /// Leaves that count; all that the log has without it.
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_u64, required = false)]
    as_of: Option<u64>,
    /// Only what was there at this instant counts, as in 2026-11-21T19:34:52.123Z.
    #[param(required = false)]
    at: Option<String>,
    /// Only entries in force whose area meets this one: a JSON object with one field of the
    /// registry and a GeoJSON Polygon or MultiPolygon, as in {"polygon":{"type":"Polygon",
    /// "coordinates":[…]}}. A page may be short and not the last.
    #[param(required = false)]
    meets: Option<String>,
}

const fn page_default() -> u32 {
    50
}

/// Entries to be made by the keeper, all by one document.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEntriesDto {
    /// Number of the document by which the keeper acts.
    #[schema(min_length = 1, max_length = 200)]
    document_number: String,
    /// Its date, as in 2026-11-21.
    #[schema(format = Date)]
    document_date: String,
    /// One object of fields for each entry.
    #[schema(value_type = Vec<Object>, min_items = 1)]
    rows: Vec<Value>,
}

/// What was entered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntriesCreatedDto {
    /// Ids of the new entries, in the order of the rows.
    ids: Vec<String>,
    /// Records that hold them.
    records: usize,
}

/// The registries of this agency, and those that are computed from the log.
#[utoipa::path(
    get, path = "/api/v1/registries", tag = "registries",
    responses((status = 200, description = "Every registry", body = RegistriesDto))
)]
pub(super) async fn list(State(app): State<AppState>) -> Result<Json<RegistriesDto>, Problem> {
    let mut registries = system::listed(&app)?;
    for installed in app.service.engine().installed_packs() {
        for (code, registry) in installed.pack.registries() {
            let count = app.service.model().entry_count(code).map_err(|e| tables(&e))?;
            registries.retain(|known: &RegistryDto| known.code != code.as_str());
            registries.push(RegistryDto {
                code: code.to_string(),
                title: TextDto { ru: registry.title.ru.clone(), en: registry.title.en.clone() },
                kind: match registry.kind {
                    RegistryKind::Automatic => "automatic",
                    RegistryKind::Manual => "manual",
                    RegistryKind::System => "system",
                },
                in_force: count.value,
            });
        }
    }
    Ok(Json(RegistriesDto { registries, position: app.service.position().get() }))
}

/// Entries of a registry, a page at a time in the order of their ids.
#[utoipa::path(
    get, path = "/api/v1/registries/{code}/entries", tag = "registries",
    params(("code" = String, Path, description = "Code of the registry"), PageQuery),
    responses(
        (status = 200, description = "A page of entries", body = EntriesDto),
        (status = 400, description = "Not a page", body = ProblemDto),
        (status = 404, description = "No such registry", body = ProblemDto),
    )
)]
pub(super) async fn entries(
    State(app): State<AppState>,
    code: PathOf<String>,
    page: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<EntriesDto>, Problem> {
    let Query(page) = page.map_err(|e| Problem::new(Code::BadRequest, e.body_text()))?;
    if page.limit == 0 || page.limit > PAGE_MAX {
        return Err(Problem::new(
            Code::BadRequest,
            format!("limit {} is not 1 to {PAGE_MAX}", page.limit),
        ));
    }
    if let Some(registry) = system::named(&code.0) {
        if page.meets.is_some() {
            return Err(Problem::bad_request("system registries have no areas; remove \"meets\""));
        }
        let after = page.after.as_deref().unwrap_or_default();
        let query = AsOfQuery { as_of: page.as_of, at: page.at.clone() };
        return Ok(Json(system::page(&app, registry, &query, (after, page.limit))?));
    }
    let registry = known_registry(&app, &code.0)?;
    let after = page.after.as_deref().map(|id| entry_stream(&registry, id)).transpose()?;
    if page.as_of.is_some() || page.at.is_some() {
        if page.meets.is_some() {
            return Err(Problem::bad_request("\"meets\" is answered as of now alone"));
        }
        let as_of = system::as_of(&app, &AsOfQuery { as_of: page.as_of, at: page.at })?;
        return Ok(Json(past::page(&app, &registry, as_of, (after.as_ref(), page.limit))?));
    }
    if let Some(meets) = &page.meets {
        let (field, area) = area::asked(&app, &registry, meets)?;
        let model = app.service.model();
        let met = model.entries_meeting(&registry, (&field, &area), after.as_ref(), page.limit);
        let Reflected { size, value } = met.map_err(|e| tables(&e))?;
        let next = value.next.as_ref().map(id_of);
        let entries = value.entries.iter();
        let entries = entries.map(|row| EntryDto::of(&app, row, vec![], size.get())).collect();
        return Ok(Json(EntriesDto { entries, next, position: size.get() }));
    }
    let found = app.service.model().entries_after(&registry, after.as_ref(), page.limit);
    let Reflected { size, value } = found.map_err(|e| tables(&e))?;
    let next = next_after(&value, page.limit);
    let entries = value.iter().map(|row| EntryDto::of(&app, row, vec![], size.get())).collect();
    Ok(Json(EntriesDto { entries, next, position: size.get() }))
}

/// Enters rows into a manual registry. All are checked before the first one is entered; should the
/// node fail in between, the answer says how many were entered.
#[utoipa::path(
    post, path = "/api/v1/registries/{code}/entries", tag = "registries",
    params(("code" = String, Path, description = "Code of the registry")),
    request_body = NewEntriesDto,
    security(("operator" = [])),
    responses(
        (status = 201, description = "Entered", body = EntriesCreatedDto),
        (status = 400, description = "Not JSON of this shape", body = ProblemDto),
        (status = 401, description = "Not the operator's token", body = ProblemDto),
        (status = 404, description = "No such registry", body = ProblemDto),
        (status = 409, description = "A name is another entry's already", body = ProblemDto),
        (status = 410, description = "The registry is withdrawn", body = ProblemDto),
        (status = 413, description = "Too large", body = ProblemDto),
        (status = 422, description = "A row is wrong, or the registry is not manual", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn create(
    State(app): State<AppState>,
    _: Operator,
    code: PathOf<String>,
    JsonOf(body): JsonOf<NewEntriesDto>,
) -> Result<Response, Problem> {
    if let Some(registry) = RegistryCode::parse(&code.0).ok().filter(is_system) {
        return Err(engine_problem(&EntryRefusal::System { registry }.into()));
    }
    let registry = known_registry(&app, &code.0)?;
    let document = document(&body.document_number, &body.document_date)?;
    if body.rows.is_empty() {
        return Err(Problem::new(Code::BadRequest, "there is no row; send at least one"));
    }
    let engine = app.service.engine();
    let created = engine.create_entries(&registry, &body.rows, &document).await;
    let created = created.map_err(|error| match error {
        // What makes a record impossible here is in the rows, such as one name taken by two.
        EngineError::Seal(_) => Problem::new(Code::RuleBroken, error.to_string()),
        other => engine_problem(&other),
    })?;
    let ids = created.entries.iter().map(id_of).collect();
    let records = created.record_count;
    Ok((StatusCode::CREATED, Json(EntriesCreatedDto { ids, records })).into_response())
}

/// One entry with its history, as it is now or as it was.
#[utoipa::path(
    get, path = "/api/v1/registries/{code}/entries/{id}", tag = "registries",
    params(
        ("code" = String, Path, description = "Code of the registry"),
        ("id" = String, Path, description = "Id or number of the entry"),
        AsOfQuery,
    ),
    responses(
        (status = 200, description = "The entry", body = EntryDto),
        (status = 400, description = "Not a place in the log", body = ProblemDto),
        (status = 404, description = "No such registry or entry", body = ProblemDto),
    )
)]
pub(super) async fn entry(
    State(app): State<AppState>,
    names: PathOf<(String, String)>,
    query: Result<Query<AsOfQuery>, QueryRejection>,
) -> Result<Json<EntryDto>, Problem> {
    let Query(query) = query.map_err(|e| Problem::bad_request(e.body_text()))?;
    if let Some(registry) = system::named(&names.0.0) {
        return Ok(Json(system::entry(&app, registry, &names.0.1, &query)?.0));
    }
    if query.as_of.is_some() || query.at.is_some() {
        return Ok(Json(past::entry(&app, &names.0, system::as_of(&app, &query)?)?));
    }
    as_it_is(&app, &names.0)
}

/// An entry as it is now, with its history.
fn as_it_is(app: &AppState, (code, id): &(String, String)) -> Result<Json<EntryDto>, Problem> {
    let (row, position) = entry_row(app, code, id)?;
    let history = app.service.model().entry_history(&row.stream).map_err(|e| tables(&e))?;
    let history = history.value.iter().map(ChangeDto::of).collect();
    Ok(Json(EntryDto::of(app, &row, history, position)))
}

/// The proof of an entry's newest change, with its leaf inside (C2SP tlog-proof).
#[utoipa::path(
    get, path = "/api/v1/registries/{code}/entries/{id}/proof", tag = "registries",
    params(
        ("code" = String, Path, description = "Code of the registry"),
        ("id" = String, Path, description = "Id or number of the entry"),
    ),
    responses(
        (status = 200, description = "A C2SP tlog-proof", content_type = "text/plain",
         body = String),
        (status = 404, description = "No such entry, or not published yet", body = ProblemDto),
    )
)]
pub(super) async fn entry_proof(
    State(app): State<AppState>,
    names: PathOf<(String, String)>,
) -> Result<Response, Problem> {
    if let Some(registry) = system::named(&names.0.0) {
        return proof_of(
            &app,
            system::entry(&app, registry, &names.0.1, &AsOfQuery::default())?.1.leaf,
        );
    }
    let (row, _) = entry_row(&app, &names.0.0, &names.0.1)?;
    proof_of(&app, row.leaf)
}

fn known_registry(app: &AppState, code: &str) -> Result<RegistryCode, Problem> {
    let unknown = || Problem::new(Code::NotFound, format!("there is no registry {code}"));
    let code = RegistryCode::parse(code).map_err(|_| unknown())?;
    app.service.engine().registry(&code).map(|_| code.clone()).ok_or_else(unknown)
}

fn is_system(code: &RegistryCode) -> bool {
    SystemRegistry::of(code).is_some()
}

pub(super) fn entry_stream(registry: &RegistryCode, id: &str) -> Result<StreamName, Problem> {
    let malformed = || Problem::new(Code::BadRequest, format!("{id:?} is not the id of an entry"));
    let stream =
        StreamName::parse(&format!("registry/{registry}/{id}")).map_err(|_| malformed())?;
    EntryId::of_stream(&stream).map(|_| stream).map_err(|_| malformed())
}

pub(super) fn entry_row(app: &AppState, code: &str, id: &str) -> Result<(EntryRow, u64), Problem> {
    let registry = known_registry(app, code)?;
    let model = app.service.model();
    let mut found = model.entry_by_number(&registry, id).map_err(|e| tables(&e))?;
    if found.value.is_none()
        && let Ok(stream) = entry_stream(&registry, id)
    {
        found = model.entry(&stream).map_err(|e| tables(&e))?;
    }
    let size = found.size.get();
    let missing = || Problem::new(Code::NotFound, format!("registry {code} has no entry {id}"));
    found.value.map(|row| (row, size)).ok_or_else(missing)
}

/// Where the page after a full one begins.
fn next_after(rows: &[EntryRow], limit: u32) -> Option<String> {
    let full = rows.len() as u64 == u64::from(limit);
    rows.last().filter(|_| full).map(|row| id_of(&row.stream))
}

pub(super) fn id_of(stream: &StreamName) -> String {
    stream.as_str().rsplit('/').next().unwrap_or_default().to_owned()
}

/// The tables could not be read.
pub(super) fn tables(error: &letopis_registry::projection::ProjectionError) -> Problem {
    Problem::new(Code::Unavailable, error.to_string())
}

/// The document by which the keeper acts.
fn document(number: &str, date: &str) -> Result<Document, Problem> {
    let wrong = |detail| Problem::new(Code::BadRequest, detail);
    let on = date.parse();
    let date = on.map_err(|_| wrong(format!("{date:?} is not a date, as in 2026-11-21")))?;
    if number.trim() != number || !(1..=NUMBER_MAX_CHARS).contains(&number.chars().count()) {
        return Err(wrong(format!(
            "document_number must have 1 to {NUMBER_MAX_CHARS} characters, no spaces around"
        )));
    }
    LedgerJson::string(number).map_err(|error| wrong(format!("document_number: {error}")))?;
    Ok(Document { number: number.to_owned(), date, sha256: None })
}

impl EntryDto {
    fn of(app: &AppState, row: &EntryRow, history: Vec<ChangeDto>, position: u64) -> Self {
        Self {
            id: id_of(&row.stream),
            registry: row.registry.to_string(),
            number: row.number.clone(),
            fields: LedgerJson::from(row.fields.clone()).to_value(),
            valid_from: row.valid_from.clone(),
            valid_until: row.valid_until.clone(),
            status: row.status.as_str(),
            created_at: row.created_at.to_string(),
            leaf: row.leaf.get(),
            state: Finality::of(app.service.ledger(), row.leaf).as_str(),
            history,
            position,
        }
    }
}

impl ChangeDto {
    fn of(change: &EntryChange) -> Self {
        Self {
            version: change.version.get(),
            event: change.event_type.clone(),
            data: LedgerJson::from(change.data.clone()).to_value(),
            at: change.changed_at.to_string(),
            leaf: change.leaf.get(),
        }
    }
}
