//! Registries with areas as maps read them: OGC API - Features, part 1 (OGC 17-069r4), core and
//! GeoJSON.
//!
//! A collection is a registry with a public area, an item an entry in force, or one that was in
//! force at a time that is asked for. Not here: private fields, and proofs, which an item links to.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::civil::Date;
use letopis_ledger::id::StreamName;
use letopis_ledger::json::Json as LedgerJson;
use letopis_registry::code::{FieldPath, RegistryCode};
use letopis_registry::geometry::Area;
use letopis_registry::pack::Registry;
use letopis_registry::projection::{EntryRow, EntryStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::problem::{Code, Problem, ProblemDto};
use super::registry::{entry_row, entry_stream, id_of, tables};
use super::{AppState, PathOf};

/// Most items of one answer.
const PAGE_MAX: u32 = 200;
/// What these answers keep to.
const CONFORMS_TO: [&str; 2] = [
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
];
/// The coordinates of areas: longitude and latitude in degrees.
const CRS: &str = "http://www.opengis.net/def/crs/OGC/1.3/CRS84";
const GEOJSON: &str = "application/geo+json";

/// Which items.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ItemsQuery {
    /// Only those whose area meets this box: west, south, east, north, joined by commas.
    bbox: Option<String>,
    /// Only those in force at this time: an instant, or two joined by a slash, one of which may be
    /// `..`.
    datetime: Option<String>,
    /// Most items of the page, at most 200.
    #[serde(default = "page_default")]
    #[param(minimum = 1, maximum = 200, required = false)]
    limit: u32,
    /// Id of the item after which the page begins; links have it.
    after: Option<String>,
}

const fn page_default() -> u32 {
    50
}

/// A link.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LinkDto {
    href: String,
    rel: &'static str,
    #[serde(rename = "type")]
    media_type: &'static str,
}

/// Where everything is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LandingDto {
    title: &'static str,
    links: Vec<LinkDto>,
}

/// What the answers keep to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConformanceDto {
    #[serde(rename = "conformsTo")]
    conforms_to: [&'static str; 2],
}

/// The collections.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CollectionsDto {
    collections: Vec<CollectionDto>,
    links: Vec<LinkDto>,
}

/// A registry with areas.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CollectionDto {
    id: String,
    title: String,
    #[serde(rename = "itemType")]
    item_type: &'static str,
    crs: [&'static str; 1],
    links: Vec<LinkDto>,
}

/// Where the registries with areas are, for map programs.
#[utoipa::path(
    get, path = "/ogc", tag = "registries",
    responses((status = 200, description = "Links", body = LandingDto))
)]
pub(super) async fn landing(State(app): State<AppState>) -> Json<LandingDto> {
    let link = |path: &str, rel, media_type| link(&app, path, rel, media_type);
    Json(LandingDto {
        title: "Letopis",
        links: vec![
            link("/ogc", "self", "application/json"),
            link("/openapi.json", "service-desc", "application/json"),
            link("/ogc/conformance", "conformance", "application/json"),
            link("/ogc/collections", "data", "application/json"),
        ],
    })
}

/// What the answers keep to.
#[utoipa::path(
    get, path = "/ogc/conformance", tag = "registries",
    responses((status = 200, description = "Conformance classes", body = ConformanceDto))
)]
pub(super) async fn conformance() -> Json<ConformanceDto> {
    Json(ConformanceDto { conforms_to: CONFORMS_TO })
}

/// Registries with a public area.
#[utoipa::path(
    get, path = "/ogc/collections", tag = "registries",
    responses((status = 200, description = "The collections", body = CollectionsDto))
)]
pub(super) async fn collections(State(app): State<AppState>) -> Json<CollectionsDto> {
    let mut known: Vec<RegistryCode> = Vec::new();
    for installed in app.service.engine().installed_packs() {
        known.extend(installed.pack.registries().keys().cloned());
    }
    known.sort();
    known.dedup();
    let found = known.iter().filter_map(|code| Some((code, with_area(&app, code)?.0)));
    let collections = found.map(|(code, registry)| CollectionDto::of(&app, code, &registry));
    Json(CollectionsDto {
        collections: collections.collect(),
        links: vec![link(&app, "/ogc/collections", "self", "application/json")],
    })
}

/// One registry with a public area.
#[utoipa::path(
    get, path = "/ogc/collections/{collection}", tag = "registries",
    params(("collection" = String, Path, description = "Code of the registry")),
    responses(
        (status = 200, description = "The collection", body = CollectionDto),
        (status = 404, description = "No such collection", body = ProblemDto),
    )
)]
pub(super) async fn collection(
    State(app): State<AppState>,
    code: PathOf<String>,
) -> Result<Json<CollectionDto>, Problem> {
    let (code, registry, _) = known(&app, &code.0)?;
    Ok(Json(CollectionDto::of(&app, &code, &registry)))
}

/// Entries of a registry as GeoJSON features, a page at a time.
#[utoipa::path(
    get, path = "/ogc/collections/{collection}/items", tag = "registries",
    params(("collection" = String, Path, description = "Code of the registry"), ItemsQuery),
    responses(
        (status = 200, description = "A GeoJSON feature collection (RFC 7946)",
         content_type = "application/geo+json", body = Object),
        (status = 400, description = "Not a box, a time or a page", body = ProblemDto),
        (status = 404, description = "No such collection", body = ProblemDto),
    )
)]
pub(super) async fn items(
    State(app): State<AppState>,
    code: PathOf<String>,
    query: Result<Query<ItemsQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|e| Problem::bad_request(e.body_text()))?;
    let (code, _, field) = known(&app, &code.0)?;
    if !(1..=PAGE_MAX).contains(&query.limit) {
        let detail = format!("limit {} is not 1 to {PAGE_MAX}", query.limit);
        return Err(Problem::bad_request(detail));
    }
    let during = query.datetime.as_deref().map(Interval::parse).transpose()?;
    let after = query.after.as_deref().map(|id| entry_stream(&code, id)).transpose()?;
    let model = app.service.model();
    let (rows, next): (Vec<EntryRow>, Option<StreamName>) = match &query.bbox {
        Some(bbox) => {
            let area = box_area(bbox)?;
            let met = model.entries_meeting(&code, (&field, &area), after.as_ref(), query.limit);
            let met = met.map_err(|e| tables(&e))?.value;
            (met.entries, met.next)
        }
        None => {
            let found = model.entries_after(&code, after.as_ref(), query.limit);
            let found = found.map_err(|e| tables(&e))?.value;
            let full = found.len() as u64 == u64::from(query.limit);
            let next = found.last().filter(|_| full).map(|row| row.stream.clone());
            (found, next)
        }
    };
    let shown = rows.iter().filter(|row| match &during {
        None => row.status == EntryStatus::InForce,
        Some(during) => row.status != EntryStatus::Excluded && during.meets(row),
    });
    let features: Vec<Value> = shown.map(|row| feature(&app, row, &field)).collect();
    let path = format!("/ogc/collections/{code}/items");
    let mut links = vec![link(&app, &path, "self", GEOJSON)];
    links.extend(next.map(|stream| {
        let mut query_text = format!("limit={}&after={}", query.limit, id_of(&stream));
        for (name, text) in [("bbox", &query.bbox), ("datetime", &query.datetime)] {
            if let Some(text) = text {
                query_text.push_str(&format!("&{name}={text}"));
            }
        }
        link(&app, &format!("{path}?{query_text}"), "next", GEOJSON)
    }));
    let collection = json!({
        "type": "FeatureCollection",
        "numberReturned": features.len(),
        "features": features,
        "links": links,
    });
    Ok(geojson(&collection))
}

/// One entry of a registry as a GeoJSON feature.
#[utoipa::path(
    get, path = "/ogc/collections/{collection}/items/{id}", tag = "registries",
    params(
        ("collection" = String, Path, description = "Code of the registry"),
        ("id" = String, Path, description = "Id or number of the entry"),
    ),
    responses(
        (status = 200, description = "A GeoJSON feature (RFC 7946)",
         content_type = "application/geo+json", body = Object),
        (status = 404, description = "No such collection or item", body = ProblemDto),
    )
)]
pub(super) async fn item(
    State(app): State<AppState>,
    names: PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let (code, id) = names.0;
    let (code, _, field) = known(&app, &code)?;
    let (row, _) = entry_row(&app, code.as_str(), &id)?;
    Ok(geojson(&feature(&app, &row, &field)))
}

/// A registry of this agency with its public area, by its code.
fn with_area(app: &AppState, code: &RegistryCode) -> Option<(Registry, FieldPath)> {
    let registry = app.service.engine().registry(code)?;
    let mut fields = registry.fields.iter();
    let area = fields.find(|field| field.is_polygon() && field.visibility.is_public())?;
    let field = area.name.value.clone();
    Some((registry, field))
}

fn known(app: &AppState, code: &str) -> Result<(RegistryCode, Registry, FieldPath), Problem> {
    let found = RegistryCode::parse(code).ok().and_then(|code| {
        let (registry, field) = with_area(app, &code)?;
        Some((code, registry, field))
    });
    found.ok_or_else(|| {
        Problem::new(Code::NotFound, format!("there is no collection {code:?} with areas"))
    })
}

/// A time, or a span of them with open ends.
struct Interval {
    from: Option<Date>,
    until: Option<Date>,
}

impl Interval {
    fn parse(text: &str) -> Result<Self, Problem> {
        let wrong = || Problem::bad_request(format!("datetime {text:?} is no time or interval"));
        let day = |text: &str| match text {
            ".." | "" => Ok(None),
            _ => match text.parse::<Timestamp>() {
                Ok(at) => Ok(Some(at.to_zoned(jiff::tz::TimeZone::UTC).date())),
                Err(_) => text.parse::<Date>().map(Some).map_err(|_| wrong()),
            },
        };
        let interval = match text.split_once('/') {
            Some((from, until)) => Self { from: day(from)?, until: day(until)? },
            None => {
                let at = day(text)?.ok_or_else(wrong)?;
                Self { from: Some(at), until: Some(at) }
            }
        };
        let backwards = interval.from.zip(interval.until).is_some_and(|(from, until)| from > until);
        if backwards { Err(wrong()) } else { Ok(interval) }
    }

    /// Whether an entry was in force for a part of it; one without days is in force always.
    fn meets(&self, row: &EntryRow) -> bool {
        let day =
            |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Date>().ok());
        let (from, until) = (day(&row.valid_from), day(&row.valid_until));
        let begins = from.zip(self.until).is_none_or(|(from, end)| from <= end);
        let lasts = until.zip(self.from).is_none_or(|(until, start)| until >= start);
        begins && lasts
    }
}

/// The area of a box: west, south, east, north.
fn box_area(text: &str) -> Result<Area, Problem> {
    let wrong = |reason: &str| Problem::bad_request(format!("bbox {text:?}: {reason}"));
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    let numbers = numbers.map_err(|_| wrong("numbers joined by commas"))?;
    let [west, south, east, north] = *numbers else {
        return Err(wrong("four numbers: west, south, east, north"));
    };
    if west > east || south > north {
        return Err(wrong("west of east and south of north"));
    }
    let ring = [[west, south], [east, south], [east, north], [west, north], [west, south]];
    let polygon = json!({"type": "Polygon", "coordinates": [ring]});
    Area::parse(&polygon.to_string()).map_err(|e| wrong(&e.to_string()))
}

fn feature(app: &AppState, row: &EntryRow, field: &FieldPath) -> Value {
    let mut properties = LedgerJson::from(row.fields.clone()).to_value();
    let area = properties.as_object_mut().and_then(|fields| fields.remove(field.as_str()));
    let geometry = area.as_ref().and_then(Value::as_str).and_then(|text| text.parse().ok());
    let geometry: Value = geometry.unwrap_or(Value::Null);
    properties["number"] = json!(row.number);
    properties["status"] = json!(row.status.as_str());
    properties["valid_from"] = json!(row.valid_from);
    properties["valid_until"] = json!(row.valid_until);
    let (code, id) = (&row.registry, id_of(&row.stream));
    let own = format!("/ogc/collections/{code}/items/{id}");
    let proof = format!("/api/v1/registries/{code}/entries/{id}/proof");
    json!({
        "type": "Feature",
        "id": id,
        "geometry": geometry,
        "properties": properties,
        "links": [
            link(app, &own, "self", GEOJSON),
            link(app, &format!("/ogc/collections/{code}"), "collection", "application/json"),
            link(app, &proof, "describedby", "text/plain"),
        ],
    })
}

fn link(app: &AppState, path: &str, rel: &'static str, media_type: &'static str) -> LinkDto {
    let href = format!("{}{path}", app.service.public_address());
    LinkDto { href, rel, media_type }
}

fn geojson(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, GEOJSON)], value.to_string()).into_response()
}

impl CollectionDto {
    fn of(app: &AppState, code: &RegistryCode, registry: &Registry) -> Self {
        let own = format!("/ogc/collections/{code}");
        Self {
            id: code.to_string(),
            title: registry.title.en.clone(),
            item_type: "feature",
            crs: [CRS],
            links: vec![
                link(app, &own, "self", "application/json"),
                link(app, &format!("{own}/items"), "items", GEOJSON),
            ],
        }
    }
}
