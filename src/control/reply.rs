//! How the control API reads requests and answers them: plain JSON, and errors that say what is wrong, then what to do.
//! No route and no handler is known here.

use std::any::Any;

use axum::body::{Body, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::domain::denial::RequestDenial;
use crate::domain::plain_words::in_plain_words;
use crate::domain::settings::ErrorTexts;
use crate::domain::{Denial, Millis, WorkspaceId};
use crate::http::body::{BODY_TIMEOUT, decoded};
use crate::http::error::{ApiError, wire};
use crate::http::extract::parse_object;
use crate::http::oauth::authorize::too_many_wrong_keys;
use crate::service::{Error, Service};

/// Largest body of the control API: seeds may be long.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct ControlError {
    status: StatusCode,
    message: String,
    retry_after_seconds: Option<u32>,
}

impl ControlError {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), retry_after_seconds: None }
    }

    pub(super) fn too_many_keys(seconds: u32) -> Self {
        let message = too_many_wrong_keys(seconds);
        Self { retry_after_seconds: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, message) }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }
}

impl From<Error> for ControlError {
    fn from(error: Error) -> Self {
        Self::from(ApiError::from(error))
    }
}

impl<D: Into<Denial>> From<D> for ControlError {
    fn from(denial: D) -> Self {
        Self::from(ApiError::Denied(denial.into()))
    }
}

impl From<ApiError> for ControlError {
    fn from(error: ApiError) -> Self {
        let wire = wire(&error, ErrorTexts::default());
        Self { retry_after_seconds: wire.retry_after, ..Self::new(wire.status, wire.message) }
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let mut response = json_answer(self.status, &json!({ "error": self.message }));
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

pub(super) type Reply = Result<Response, ControlError>;

pub(super) fn json_answer(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(format!("{body}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(super) fn ok(body: &Value) -> Response {
    json_answer(StatusCode::OK, body)
}

pub(super) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    ControlError::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal error in dapi-mock; see the server log.")
        .into_response()
}

/// Reads the whole body, also for routes that do not need it: a connection with an unread body is closed, and the
/// client's next request on it would fail.
pub(super) async fn received(request: Request) -> Result<Request, ControlError> {
    let (parts, body) = request.into_parts();
    let bytes = timeout(BODY_TIMEOUT, to_bytes(body, BODY_LIMIT)).await.map_err(|_| RequestDenial::BodyTimeout)?;
    let bytes = decoded(Ok(bytes.map_err(|_| too_large())?), &parts.headers)?;
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

fn too_large() -> ControlError {
    ControlError::new(StatusCode::PAYLOAD_TOO_LARGE, "The body exceeds 16 MiB.")
}

/// A JSON object as body; an empty body counts as `{}`.
#[derive(Debug)]
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ControlError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ControlError> {
        let bytes = to_bytes(request.into_body(), BODY_LIMIT).await.map_err(|_| too_large())?;
        parse_object(&bytes).map(Self).map_err(|denial| match denial {
            Denial::Request(RequestDenial::MalformedBody(detail)) => {
                ControlError::bad_request(format!("The body is not a valid JSON object: {detail}"))
            }
            other => other.into(),
        })
    }
}

/// The query's parameters. An unknown one is usually a typo, and is refused.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ControlError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ControlError> {
        let invalid = |error: QueryRejection| ControlError::bad_request(in_plain_words(&error.body_text()));
        Query::try_from_uri(&parts.uri).map(|Query(parameters)| Self(parameters)).map_err(invalid)
    }
}

const SAME_NAMES_LISTED: usize = 10;

/// Finds the workspace that a path names: `default`, an id, or else a name that only one workspace has.
pub(super) async fn workspace_id(service: &Service, text: &str) -> Result<WorkspaceId, ControlError> {
    if text == "default" {
        let found = service.default_workspace().await?;
        return found
            .map(|workspace| workspace.id)
            .ok_or_else(|| ControlError::new(StatusCode::NOT_FOUND, "There is no default workspace."));
    }
    let id = WorkspaceId::parse(text);
    if let Some(id) = id
        && service.find_workspace(id).await?.is_some()
    {
        return Ok(id);
    }
    match (service.workspaces_named(text, SAME_NAMES_LISTED + 1).await?.as_slice(), id) {
        ([only], _) => Ok(*only),
        ([], Some(id)) => Err(Denial::WorkspaceNotFound(id).into()),
        ([], None) => Err(ControlError::new(
            StatusCode::NOT_FOUND,
            format!("No workspace has the id or name '{text}'; GET /_mock/v1/workspaces lists the workspaces."),
        )),
        (several, _) => {
            let ids: Vec<String> = several.iter().take(SAME_NAMES_LISTED).map(ToString::to_string).collect();
            let more = if several.len() > SAME_NAMES_LISTED { " and more" } else { "" };
            let ids = ids.join(", ");
            Err(ControlError::new(
                StatusCode::CONFLICT,
                format!("Several workspaces have the name '{text}': use one of their ids: {ids}{more}."),
            ))
        }
    }
}

/// An instant: RFC 3339, or epoch milliseconds.
pub(super) fn instant(value: &Value) -> Result<Millis, ControlError> {
    let advice = || {
        ControlError::bad_request(format!(
            "invalid instant {value}: use RFC 3339, such as \"2027-01-01T00:00:00Z\", or epoch milliseconds."
        ))
    };
    match value {
        Value::Number(number) => number.as_i64().map(Millis).ok_or_else(advice),
        Value::String(text) => Millis::parse(text).ok_or_else(advice),
        _ => Err(advice()),
    }
}

pub(super) fn is_descending(order: Option<&str>) -> Result<bool, ControlError> {
    match order {
        None | Some("asc") => Ok(false),
        Some("desc") => Ok(true),
        Some(other) => Err(ControlError::bad_request(format!("order: unknown order '{other}': expected asc or desc."))),
    }
}

/// An instant in both spellings.
pub(super) fn show_instant(at: Millis) -> Value {
    json!({ "ms": at.0, "rfc3339": at.rfc3339() })
}
