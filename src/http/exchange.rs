//! What surrounds every exchange: the request's id and origin, its body within bounds, the
//! rendering of errors, and the headers that all answers carry.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, SERVER, USER_AGENT};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes};

use super::App;
use super::credential::redacted;
use super::error::{ApiError, render, wire};
use super::faults::{interrupted, is_dropped};
use super::guard::Decided;
use super::routes::Route;
use super::token::token_request;
use crate::domain::Denial;
use crate::domain::audit::Origin;
use crate::domain::authorize::{Presented, Step};
use crate::service::{Explained, Service};

/// How much of a path is kept for explanations.
const PATH_KEPT: usize = 1024;

/// The header with the id of the exchange.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Largest body that is read (spec §6).
pub const BODY_LIMIT: usize = 1024 * 1024;
/// How much more of a too large body is read and dropped, so that the client has sent it all and
/// reads the answer instead of a reset connection.
const DRAIN_LIMIT: usize = 16 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The peer's address, put into each request by the server.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Where the request came from.
#[derive(Clone, Debug)]
pub struct RequestOrigin(pub Arc<Origin>);

/// The request's body as it arrived, or what was wrong with it. Handlers that take a body say so
/// after authorization, so that a bad credential is answered first.
#[derive(Clone, Debug)]
pub struct Received(pub Result<Bytes, Denial>);

/// The outermost layer.
pub async fn finish(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let origin = Arc::new(origin_of(&app.service, request.headers(), request.extensions()));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());

    let body = std::mem::take(request.body_mut());
    let received = receive(body).await;
    request.extensions_mut().insert(Received(received.clone()));
    request.extensions_mut().insert(RequestOrigin(origin.clone()));

    let mut response = next.run(request).await;
    let origin = response.extensions().get::<Arc<Decided>>().map_or(origin, |decided| decided.origin.clone());
    if let Some(error) = response.extensions().get::<ApiError>() {
        let message = wire(error, &origin.request_id).message;
        log_refusal(&origin, &method, &path, error, &message, response.extensions().get());
        let (parts, body) = render(error, &path, &origin.request_id).into_parts();
        *response.status_mut() = parts.status;
        // That of the empty body, which stood in for this one.
        response.headers_mut().remove(CONTENT_LENGTH);
        response.headers_mut().extend(parts.headers);
        *response.body_mut() = body;
    }
    response = interrupted(response).await;
    if let Some(decided) = response.extensions_mut().remove::<Arc<Decided>>() {
        keep(&app, &origin, &method, &path, &decided, &received, &response);
    }
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("databricks"));
    if let Ok(id) = HeaderValue::from_str(&origin.request_id) {
        headers.insert(REQUEST_ID, id);
    }
    tracing::debug!(
        request_id = origin.request_id,
        %method,
        path = %redacted(&path),
        client = %redacted(&origin.user_agent),
        status = response.status().as_u16(),
        us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        "answered"
    );
    response
}

/// The wire answer says little, as the real one; the log says which check decided, and why.
fn log_refusal(
    origin: &Origin,
    method: &Method,
    path: &str,
    error: &ApiError,
    message: &str,
    decided: Option<&Arc<Decided>>,
) {
    let step = decided.and_then(|decided| decided.refused_by());
    let because: &str = match (error, step) {
        (_, Some(step)) => &step.because,
        (ApiError::Denied(Denial::MalformedRequest(detail)), None) => detail,
        (ApiError::Denied(Denial::OAuth(refusal)), None) => refusal.cause().unwrap_or(message),
        _ => message,
    };
    tracing::info!(
        request_id = origin.request_id,
        %method,
        path = %redacted(path),
        check = step.map(|step| step.check.as_str()),
        "refused: {}",
        redacted(because)
    );
}

/// Keeps the decision, so that it can be explained.
fn keep(
    app: &App,
    origin: &Origin,
    method: &Method,
    path: &str,
    decided: &Decided,
    received: &Result<Bytes, Denial>,
    response: &Response,
) {
    let creates = decided.route.is_some_and(Route::creates_token);
    let creates = received.as_ref().ok().filter(|_| creates).and_then(|body| token_request(body).ok());
    app.service.explanations().keep(Explained {
        request_id: origin.request_id.clone(),
        workspace: decided.workspace,
        at: app.service.system_now(),
        method: method.to_string(),
        path: redacted(path.get(..PATH_KEPT).unwrap_or(path)),
        demand: decided.demand(),
        creates,
        token: match &decided.presented {
            Presented::Token(id) => Some(id.clone()),
            Presented::Nothing | Presented::Malformed | Presented::AccessToken(_) => None,
        },
        caller: decided.owner.clone(),
        // A workspace named by header or query is told as it was sent.
        trace: decided.trace.iter().map(|step| Step { because: redacted(&step.because), ..step.clone() }).collect(),
        status: if is_dropped(response) { 0 } else { response.status().as_u16() },
        faults: decided.met.0.clone(),
        denial: match response.extensions().get() {
            Some(ApiError::Denied(denial)) => Some(denial.clone()),
            _ => None,
        },
    });
}

/// Where a request comes from, under a new id.
pub fn origin_of(service: &Service, headers: &HeaderMap, extensions: &Extensions) -> Origin {
    let user_agent = headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    Origin {
        request_id: service.entropy().uuid().to_string(),
        source_ip: extensions.get::<Peer>().map(|peer| peer.0.to_string()).unwrap_or_default(),
        user_agent: user_agent.unwrap_or_default().replace('\0', ""),
    }
}

async fn receive(body: Body) -> Result<Bytes, Denial> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    tokio::time::timeout(BODY_TIMEOUT, collect(body)).await.unwrap_or(Err(Denial::BodyTimeout))
}

async fn collect(mut body: Body) -> Result<Bytes, Denial> {
    let mut whole = Vec::new();
    let mut dropped = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Denial::MalformedRequest(error.to_string()))?;
        let Some(data) = frame.data_ref() else { continue };
        if dropped == 0 && whole.len() + data.len() <= BODY_LIMIT {
            whole.extend_from_slice(data);
            continue;
        }
        dropped += data.len();
        if dropped > DRAIN_LIMIT {
            break;
        }
    }
    if dropped == 0 { Ok(whole.into()) } else { Err(Denial::BodyTooLarge) }
}
