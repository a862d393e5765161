//! The outermost layer: gives each request its context, renders its error, adds the headers that all answers carry,
//! and has the exchange recorded. Start reading at [`finish`]; what travels between the layers is in
//! [`context`](super::context).

use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, SERVER, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::{BodyExt, Collected};
use hyper::body::Bytes;

use super::context::{Outcome, RequestContext, Verdict};
use super::error::{ApiError, render, wire};
use super::faults::interrupted;
use super::journal::{self, SentRequest};
use super::routes::envelope_at;
use super::{App, redaction};
use crate::domain::Denial;
use crate::domain::audit::Origin;
use crate::domain::denial::RequestDenial;

/// The header with the id of the request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub async fn finish(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let (arrived, started) = (app.service.journal().arrive(), Instant::now());
    let context = RequestContext::read(&app.service, &mut request).await;
    let (origin, body) = (context.origin.clone(), context.body.clone());
    let sent = SentRequest::new(arrived, started, &request, body);
    request.extensions_mut().insert(context);

    let mut response = next.run(request).await;
    let Outcome { error, verdict, interruption } = Outcome::take(&mut response);
    let origin = verdict.as_ref().map_or(origin, |verdict| verdict.origin.clone());
    if let Some(error) = &error {
        refuse(&app, &mut response, error, &sent, (&origin, verdict.as_deref()));
    }
    // A probe only asks whether the port answers.
    let is_probe = sent.method == Method::HEAD && sent.uri.path() == "/";
    let recorded = verdict.filter(|_| app.service.journal().is_on() && !is_probe);
    let mut answer = Bytes::new();
    if recorded.is_some() {
        (response, answer) = read(response).await;
    }
    if let Some(interruption) = interruption {
        response = interrupted(response, interruption).await;
    }
    if let Some(verdict) = recorded {
        journal::record(&app.service, &sent, &verdict, error.as_ref(), (&response, &answer));
    }
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("databricks"));
    // Answers repeat what was sent, markup too: no browser may guess that it is a page.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(&origin.request_id) {
        headers.insert(REQUEST_ID, id);
    }
    tracing::debug!(
        request_id = origin.request_id,
        method = %sent.method,
        path = %redaction::line(sent.uri.path()),
        client = origin.user_agent,
        status = response.status().as_u16(),
        us = sent.micros(),
        "answered"
    );
    response
}

/// An answer and its bytes; every answer is in memory.
async fn read(response: Response) -> (Response, Bytes) {
    let (parts, body) = response.into_parts();
    let whole = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    (Response::from_parts(parts, Body::from(whole.clone())), whole)
}

/// Renders an error into the answer. The wire says little, as the real one; the log says which check decided, and why.
fn refuse(
    app: &App,
    response: &mut Response,
    error: &ApiError,
    sent: &SentRequest,
    (origin, verdict): (&Origin, Option<&Verdict>),
) {
    let (path, texts) = (sent.uri.path(), app.service.error_texts());
    let message = wire(error, texts).message;
    let step = verdict.and_then(Verdict::refused_by);
    let because: &str = match (error, step) {
        (_, Some(step)) => &step.because,
        (ApiError::Denied(Denial::Request(RequestDenial::MalformedBody(detail))), None) => detail,
        (ApiError::Denied(Denial::OAuth(refusal)), None) => refusal.cause().unwrap_or(&message),
        _ => &message,
    };
    tracing::info!(
        request_id = origin.request_id,
        method = %sent.method,
        path = %redaction::line(path),
        check = step.map(|step| step.check.as_str()),
        "refused: {}",
        redaction::line(because)
    );
    let (parts, body) = render(error, envelope_at(path), &origin.request_id, texts).into_parts();
    *response.status_mut() = parts.status;
    // That of the empty body, which stood in for this one.
    response.headers_mut().remove(CONTENT_LENGTH);
    response.headers_mut().extend(parts.headers);
    *response.body_mut() = body;
}
