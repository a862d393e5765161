//! What surrounds every exchange: the request's id and origin, its body within bounds, the
//! rendering of errors, and the headers that all answers carry.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, SERVER, USER_AGENT, X_CONTENT_TYPE_OPTIONS};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes};

use crate::domain::Denial;
use crate::domain::audit::Origin;
use crate::domain::authorize::{PresentedCredential, Step};
use crate::domain::tokens::TokenRequest;
use crate::http::error::{ApiError, render, wire};
use crate::http::faults::{interrupted, is_dropped};
use crate::http::guard::Decided;
use crate::http::reason::why;
use crate::http::routes::Route;
use crate::http::tokens::token_request;
use crate::http::{App, redaction};
use crate::service::{Headers, JournalEntry, Service};
use crate::web::connection::Connection;

/// How much of a path, of a query and of a header is kept.
const TARGET_KEPT: usize = 1024;
/// Most characters of a `User-Agent` that are kept; those of the official clients have about two hundred.
const MAX_USER_AGENT_CHARS: usize = 1024;
/// How much of a Content-Encoding a refusal repeats.
const ENCODING_SHOWN: usize = 64;
/// Which headers of a request are kept; never a credential.
const KEPT_OF_REQUESTS: [&str; 6] =
    ["host", "user-agent", "content-type", "accept", "x-databricks-workspace-id", "x-databricks-org-id"];
/// Which of an answer.
const KEPT_OF_ANSWERS: [&str; 5] =
    ["content-type", "location", "retry-after", "x-databricks-org-id", "x-dapi-mock-fault"];

/// The header with the id of the exchange.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Largest body that is read (spec §6).
pub const BODY_LIMIT: usize = 1024 * 1024;
/// How much more of a too large body is read and dropped, so that the client has sent it all and
/// reads the answer instead of a reset connection.
const DRAIN_LIMIT: usize = 16 * 1024 * 1024;
/// How long a body may take to arrive.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the request came from.
#[derive(Clone, Debug)]
pub struct RequestOrigin(pub Arc<Origin>);

/// The request's body as it arrived, or what was wrong with it. Handlers that take a body say so
/// after authorization, so that a bad credential is answered first.
#[derive(Clone, Debug)]
pub struct Received(pub Result<Bytes, Denial>);

/// A request, as the journal keeps it once it has its answer.
struct Asked {
    arrived: u64,
    started: Instant,
    method: Method,
    uri: Uri,
    headers: Headers,
    body: Result<Bytes, Denial>,
}

/// The outermost layer.
pub async fn finish(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let (arrived, started) = (app.service.journal().arrive(), Instant::now());
    let origin = Arc::new(origin_of(&app.service, request.headers(), request.extensions()));
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let headers = kept_headers(request.headers(), &KEPT_OF_REQUESTS);

    let body = std::mem::take(request.body_mut());
    let body = decoded(receive(body).await, request.headers());
    request.extensions_mut().insert(Received(body.clone()));
    request.extensions_mut().insert(RequestOrigin(origin.clone()));
    let asked = Asked { arrived, started, method, uri, headers, body };
    let Asked { method, uri, .. } = &asked;

    let mut response = next.run(request).await;
    let decided = response.extensions_mut().remove::<Arc<Decided>>();
    let origin = decided.as_ref().map_or(origin, |decided| decided.origin.clone());
    if let Some(error) = response.extensions().get::<ApiError>() {
        let texts = app.service.error_texts();
        let message = wire(error, &origin.request_id, texts).message;
        log_refusal(&origin, method, uri.path(), error, &message, decided.as_deref());
        let (parts, body) = render(error, uri.path(), &origin.request_id, texts).into_parts();
        *response.status_mut() = parts.status;
        // That of the empty body, which stood in for this one.
        response.headers_mut().remove(CONTENT_LENGTH);
        response.headers_mut().extend(parts.headers);
        *response.body_mut() = body;
    }
    match decided.filter(|_| app.service.journal().is_on() && !is_probe(method, uri)) {
        Some(decided) => {
            let answer;
            (response, answer) = read(response).await;
            response = interrupted(response).await;
            keep(&app, &asked, &decided, &response, &answer);
        }
        None => response = interrupted(response).await,
    }
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("databricks"));
    // Answers repeat what was sent, markup too: no browser is to guess that it is a page.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(&origin.request_id) {
        headers.insert(REQUEST_ID, id);
    }
    tracing::debug!(
        request_id = origin.request_id,
        %method,
        path = %redaction::line(uri.path()),
        client = origin.user_agent,
        status = response.status().as_u16(),
        us = micros(started),
        "answered"
    );
    response
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// What looks whether a port answers at all, and is no client.
fn is_probe(method: &Method, uri: &Uri) -> bool {
    method == Method::HEAD && uri.path() == "/"
}

/// An answer and what is in it; all of them are in memory.
async fn read(response: Response) -> (Response, Bytes) {
    let (parts, body) = response.into_parts();
    let whole = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    (Response::from_parts(parts, Body::from(whole.clone())), whole)
}

fn kept_headers(headers: &HeaderMap, names: &[&'static str]) -> Headers {
    let shown = |name: &&'static str| {
        let value = headers.get(*name)?;
        Some((Cow::Borrowed(*name), redaction::start(&String::from_utf8_lossy(value.as_bytes()), TARGET_KEPT)))
    };
    names.iter().filter_map(shown).collect()
}

/// The wire answer says little, as the real one; the log says which check decided, and why.
fn log_refusal(
    origin: &Origin,
    method: &Method,
    path: &str,
    error: &ApiError,
    message: &str,
    decided: Option<&Decided>,
) {
    let step = decided.and_then(Decided::refused_by);
    let because: &str = match (error, step) {
        (_, Some(step)) => &step.because,
        (ApiError::Denied(Denial::MalformedRequest(detail)), None) => detail,
        (ApiError::Denied(Denial::OAuth(refusal)), None) => refusal.cause().unwrap_or(message),
        _ => message,
    };
    tracing::info!(
        request_id = origin.request_id,
        %method,
        path = %redaction::line(path),
        check = step.map(|step| step.check.as_str()),
        "refused: {}",
        redaction::line(because)
    );
}

/// Keeps the exchange, so that it can be found and explained. All secrets are blanked here, before.
fn keep(app: &App, asked: &Asked, decided: &Decided, response: &Response, answer: &[u8]) {
    let path = asked.uri.path();
    let creates = decided.route.is_some_and(Route::creates_token);
    let creates = asked.body.as_ref().ok().filter(|_| creates).and_then(|body| token_request(body).ok());
    // A workspace named by header or query is told as it was sent.
    let trace: Vec<Step> =
        decided.trace.iter().map(|step| Step { because: redaction::line(&step.because), ..step.clone() }).collect();
    app.service.keep_exchange(JournalEntry {
        arrived: asked.arrived,
        number: 0,
        request_id: decided.origin.request_id.clone(),
        workspace: decided.workspace,
        incarnation: decided.incarnation,
        at: app.service.system_now(),
        workspace_at: decided.now,
        took_us: micros(asked.started),
        source_ip: decided.origin.source_ip.clone(),
        method: redaction::start(asked.method.as_str(), TARGET_KEPT),
        path: redaction::start(path, TARGET_KEPT),
        query: asked.uri.query().map(|query| redaction::start(query, TARGET_KEPT)),
        headers: asked.headers.clone(),
        body: asked.body.as_ref().map(|body| redaction::body(body)).unwrap_or_default(),
        operation: decided.route.map(|route| route.operation.into()),
        credential: decided.credential,
        token: match &decided.presented {
            PresentedCredential::Token(id) => Some(id.clone()),
            PresentedCredential::Nothing | PresentedCredential::Malformed | PresentedCredential::AccessToken(_) => None,
        },
        caller: decided.owner.clone(),
        faults: decided.met.0.clone(),
        why: match response.extensions().get() {
            Some(ApiError::Denied(denial)) => {
                let told = (decided.origin.request_id.as_str(), app.service.error_texts());
                Some(why(denial, &trace, decided.demand(), &decided.parties, told))
            }
            _ => None,
        },
        trace,
        creates: creates.map(without_secrets),
        status: if is_dropped(response) { 0 } else { response.status().as_u16() },
        answer_headers: kept_headers(response.headers(), &KEPT_OF_ANSWERS),
        answer: redaction::body(answer),
    });
}

/// What was asked for, where it holds no secret.
fn without_secrets(request: TokenRequest) -> TokenRequest {
    let scopes = request.scopes.map(|scopes| scopes.iter().map(|scope| redaction::line(scope)).collect());
    TokenRequest { comment: None, scopes, ..request }
}

/// Where a request comes from, under a new id.
pub fn origin_of(service: &Service, headers: &HeaderMap, extensions: &Extensions) -> Origin {
    let user_agent = headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    Origin {
        request_id: service.entropy().uuid().to_string(),
        source_ip: extensions.get::<Connection>().map(|connection| connection.peer.to_string()).unwrap_or_default(),
        // Many places keep it.
        user_agent: bounded(redaction::line(&user_agent.unwrap_or_default().replace('\0', ""))),
    }
}

/// A `User-Agent` as it is kept, which the head of a request alone would let be 64 KiB.
fn bounded(user_agent: String) -> String {
    match user_agent.char_indices().nth(MAX_USER_AGENT_CHARS) {
        Some((end, _)) => user_agent.get(..end).unwrap_or_default().to_owned(),
        None => user_agent,
    }
}

/// A body that is encoded is read to its end, and then refused by the encoding's name.
pub(crate) fn decoded(body: Result<Bytes, Denial>, headers: &HeaderMap) -> Result<Bytes, Denial> {
    let encodings: Vec<_> = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty() && name != "identity")
        .collect();
    match body {
        Ok(body) if !body.is_empty() && !encodings.is_empty() => {
            Err(Denial::UnsupportedEncoding(redaction::start(&encodings.join(", "), ENCODING_SHOWN)))
        }
        other => other,
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
