//! Errors as `application/problem+json` (RFC 9457), each with a stable code.
//!
//! The title is for people, in Russian or English as the request prefers; `code` and `detail` are
//! for programs and logs. Not here: which error occurs when.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::message;

/// What went wrong with a request. Small to pass around: the answer itself is on the heap.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<ProblemDto>);

/// What went wrong with a request, as it is answered.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDto {
    /// `urn:letopis:problem:` and the code.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// What happened, for people.
    pub(crate) title: String,
    /// HTTP status.
    pub(crate) status: u16,
    /// Stable code for programs.
    pub(crate) code: String,
    /// What exactly was wrong, with its numbers, in English.
    pub(crate) detail: String,
    /// Fields of a form that were refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<FieldProblem>,
    /// The class, by which the title is chosen.
    #[serde(skip)]
    #[schema(ignore)]
    class: Code,
}

/// A field of a form that was refused.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct FieldProblem {
    /// JSON pointer (RFC 6901) to the field.
    pub(crate) pointer: String,
    /// Stable code for programs.
    pub(crate) code: String,
    /// What is wrong and what to do, in Russian.
    pub(crate) ru: String,
    /// What is wrong and what to do, in English.
    pub(crate) en: String,
}

/// Codes of problems; each has a title in every message file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// The body or a parameter cannot be read.
    BadRequest,
    /// No token, or a wrong one.
    Unauthorized,
    /// Nothing of this name.
    NotFound,
    /// The record or application contradicts what the log holds.
    Conflict,
    /// What is asked for is no longer offered.
    Withdrawn,
    /// The body is larger than allowed.
    TooLarge,
    /// Fields of a form were refused.
    InvalidForm,
    /// A rule of the service, of a registry or of posts forbids it.
    RuleBroken,
    /// A record breaks a rule of the log.
    RecordRefused,
    /// The queue is full; try again later.
    Busy,
    /// The node is stopping or broken.
    Unavailable,
    /// A fault of the program.
    Internal,
}

impl Code {
    /// Every code.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 12] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::NotFound,
        Self::Conflict,
        Self::Withdrawn,
        Self::TooLarge,
        Self::InvalidForm,
        Self::RuleBroken,
        Self::RecordRefused,
        Self::Busy,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The code as text.
    pub(crate) fn as_str(self) -> &'static str {
        self.title_key().trim_start_matches("problem.")
    }

    /// Key of the title in the message files.
    pub(crate) const fn title_key(self) -> &'static str {
        match self {
            Self::BadRequest => "problem.bad-request",
            Self::Unauthorized => "problem.unauthorized",
            Self::NotFound => "problem.not-found",
            Self::Conflict => "problem.conflict",
            Self::Withdrawn => "problem.withdrawn",
            Self::TooLarge => "problem.too-large",
            Self::InvalidForm => "problem.invalid-form",
            Self::RuleBroken => "problem.rule-broken",
            Self::RecordRefused => "problem.record-refused",
            Self::Busy => "problem.busy",
            Self::Unavailable => "problem.unavailable",
            Self::Internal => "problem.internal",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Withdrawn => StatusCode::GONE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::InvalidForm | Self::RuleBroken | Self::RecordRefused => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Busy | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl Problem {
    /// A problem without field errors. Its title is in English until the answer is written.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self::with_specific_code(code, code.as_str(), detail)
    }

    /// What was sent is not of the shape that is asked for.
    pub(crate) fn bad_request(reason: impl ToString) -> Self {
        Self::new(Code::BadRequest, reason.to_string())
    }

    /// A problem with a more specific code than its class has.
    pub(crate) fn with_specific_code(
        class: Code,
        code: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        let code = code.into();
        Self(Box::new(ProblemDto {
            kind: format!("urn:letopis:problem:{code}"),
            title: message::problem_title(class, message::Language::En).to_owned(),
            status: class.status().as_u16(),
            code,
            detail: detail.into(),
            errors: Vec::new(),
            class,
        }))
    }

    /// The same problem with another HTTP status.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status.as_u16();
        self
    }

    /// The same problem with its title in a language.
    pub(crate) fn titled_in(mut self, language: message::Language) -> Self {
        self.0.title = message::problem_title(self.0.class, language).to_owned();
        self
    }

    /// The same problem with the fields that were refused.
    pub(crate) fn with_errors(mut self, errors: Vec<FieldProblem>) -> Self {
        self.0.errors = errors;
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.0.as_ref())).into_response();
        response.extensions_mut().insert(self);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
