//! The OpenAPI document: what every operation shares, and which parameters it knows.
//!
//! Handlers declare what is their own. Not here: the `/tile/…` paths, which C2SP tlog-tiles
//! describes and whose parameters OpenAPI cannot express.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{OpenApi, ToSchema};

use super::problem::{Code, Problem};

const PROBLEM: &str = "application/problem+json";

/// The part that no handler declares.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Letopis",
        description = "Public services on a public log: submit applications, follow cases, read \
            registries, and get proofs. The hash tiles and entry bundles of the log are at the \
            paths of C2SP tlog-tiles: /tile/… and /tile/entries/…. Every answer names the number \
            of leaves that it reflects in the header letopis-position, and every error is a \
            problem of RFC 9457 with a stable code.",
        license(name = "Apache-2.0")
    ),
    tags(
        (name = "services", description = "Applications and decisions"),
        (name = "officials", description = "Officials, their inbox, and what they do with cases"),
        (name = "registries", description = "Entries with their proofs"),
        (name = "statistics", description = "Control of cases, and figures about services"),
        (name = "regulations", description = "Packs in force"),
        (name = "log", description = "Records, leaves and proofs"),
        (name = "operations", description = "Health and metrics")
    )
)]
pub(super) struct Document;

/// A UUID of version 7 in lower case.
#[derive(ToSchema)]
#[schema(
    value_type = String,
    pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
    example = "01a20006-66a1-7e3f-b5d0-585925c3de63"
)]
#[expect(dead_code, reason = "only the shape of a parameter")]
pub(super) struct Uuid7(String);

/// The index of a leaf.
#[derive(ToSchema)]
#[schema(value_type = u64, minimum = 0, maximum = 9_007_199_254_740_991_u64, example = 0)]
#[expect(dead_code, reason = "only the shape of a parameter")]
pub(super) struct Index(u64);

/// A key that makes a repeated submission harmless.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^[!-~]{1,200}$")]
#[expect(dead_code, reason = "only the shape of a parameter")]
pub(super) struct IdempotencyKey(String);

/// Names of the query parameters of each operation in the document.
pub(super) type QueryNames = BTreeMap<(String, Method), BTreeSet<String>>;

/// Adds what all operations have in common: tokens, and the problems that any of them may answer.
pub(super) fn complete(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let components = document.components.get_or_insert_with(|| ComponentsBuilder::new().build());
    for (name, description) in [
        ("operator", "The operator's token, in keys/operator.token of the node's folder"),
        ("case", "The token of a case, from the answer to its submission"),
        ("offer", "The code in the letter that tells of an offer"),
        ("draft", "The token of a draft, from the answer that saved it first"),
        ("official", "The token of an official, with the official's id in letopis-official"),
    ] {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let bearer = bearer.description(Some(description)).build();
        components.add_security_scheme(name, SecurityScheme::Http(bearer));
    }
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            complete_operation(operation);
        }
    }
    document
}

fn complete_operation(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    let mut shared = vec![
        ("400", "The path, a parameter or the body cannot be read"),
        ("414", "The address is too long"),
        ("500", "A fault of the program"),
        ("503", "Busy, stopping, or not done in time"),
    ];
    if operation.request_body.is_some() {
        shared.push(("413", "The body is too large"));
        shared.push(("415", "The body is of another media type"));
    }
    for (status, description) in shared {
        let problem = || ResponseBuilder::new().description(description).build().into();
        responses.entry(status.to_owned()).or_insert_with(problem);
    }
    for (status, response) in responses {
        if let RefOr::T(response) = response
            && status.as_str() >= "400"
        {
            let schema = Ref::from_schema_name("Problem");
            let content = ContentBuilder::new().schema(Some(schema)).build();
            response.content.clear();
            response.content.insert(PROBLEM.to_owned(), content.into());
        }
    }
}

/// The query parameters that the document declares.
pub(super) fn query_names(document: &utoipa::openapi::OpenApi) -> QueryNames {
    use utoipa::openapi::path::ParameterIn;
    let mut names = QueryNames::new();
    for (path, item) in &document.paths.paths {
        for (method, operation) in [(Method::GET, &item.get), (Method::POST, &item.post)] {
            let Some(operation) = operation else { continue };
            let parameters = operation.parameters.iter().flatten();
            let query = parameters.filter_map(|parameter| match parameter {
                RefOr::T(known) if known.parameter_in == ParameterIn::Query => {
                    Some(known.name.clone())
                }
                _ => None,
            });
            names.insert((path.clone(), method), query.collect());
        }
    }
    names
}

/// Refuses a query parameter that the document does not declare: a mistyped name must not be
/// taken for its absence.
pub(super) async fn refuse_unknown_query(
    State(names): State<std::sync::Arc<QueryNames>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let unreadable = |detail| Problem::new(Code::BadRequest, detail);
    if request.uri().query().is_some()
        && let Some(path) = request.extensions().get::<MatchedPath>()
    {
        let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        let known = names.get(&(path.as_str().to_owned(), method.clone()));
        let given = Query::<Vec<(String, String)>>::try_from_uri(request.uri());
        let Query(given) = given.map_err(|error| unreadable(error.body_text()))?;
        for (name, _) in known.map_or(&[][..], |_| &given[..]) {
            if known.is_some_and(|known| !known.contains(name)) {
                return Err(unreadable(format!("there is no query parameter {name:?} here")));
            }
        }
    }
    Ok(next.run(request).await)
}
