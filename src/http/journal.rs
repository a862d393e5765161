//! Records an exchange in the request journal, so that it can be found and explained. All secrets are blanked here,
//! before anything is kept.

use std::borrow::Cow;
use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use hyper::body::Bytes;

use super::context::Verdict;
use super::error::ApiError;
use super::explanation::why;
use super::redaction;
use super::tokens::token_request;
use crate::domain::Denial;
use crate::domain::authorize::{PresentedCredential, Step};
use crate::domain::tokens::TokenRequest;
use crate::service::{Headers, JournalEntry, Service};
use crate::web::connection::is_dropped;

/// How much of a path, of a query and of a header is kept.
const TEXT_KEPT: usize = 1024;
/// The headers of requests that are kept; never a credential.
const REQUEST_HEADERS: [&str; 6] =
    ["host", "user-agent", "content-type", "accept", "x-databricks-workspace-id", "x-databricks-org-id"];
/// The headers of answers that are kept.
const ANSWER_HEADERS: [&str; 5] =
    ["content-type", "location", "retry-after", "x-databricks-org-id", "x-dapi-mock-fault"];

/// A request, as it came.
pub(super) struct SentRequest {
    arrived: u64,
    started: Instant,
    pub(super) method: Method,
    pub(super) uri: Uri,
    headers: Headers,
    body: Result<Bytes, Denial>,
}

impl SentRequest {
    pub(super) fn new(arrived: u64, started: Instant, request: &Request, body: Result<Bytes, Denial>) -> Self {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        Self { arrived, started, method, uri, headers: kept_headers(request.headers(), &REQUEST_HEADERS), body }
    }

    /// How long ago it came.
    pub(super) fn micros(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

pub(super) fn record(
    service: &Service,
    sent: &SentRequest,
    verdict: &Verdict,
    error: Option<&ApiError>,
    (response, answer): (&Response, &[u8]),
) {
    let creates_token = verdict.route.is_some_and(|route| route.creates_token);
    let creates = sent.body.as_ref().ok().filter(|_| creates_token).and_then(|body| token_request(body).ok());
    // The checks repeat the workspace that a header or the query names, as it was sent.
    let trace: Vec<Step> =
        verdict.trace.iter().map(|step| Step { because: redaction::line(&step.because), ..step.clone() }).collect();
    service.record_entry(JournalEntry {
        arrived: sent.arrived,
        number: 0,
        request_id: verdict.origin.request_id.clone(),
        workspace: verdict.workspace,
        incarnation: verdict.incarnation,
        at: service.system_now(),
        workspace_at: verdict.now,
        took_us: sent.micros(),
        source_ip: verdict.origin.source_ip.clone(),
        method: redaction::start(sent.method.as_str(), TEXT_KEPT),
        path: redaction::start(sent.uri.path(), TEXT_KEPT),
        query: sent.uri.query().map(|query| redaction::start(query, TEXT_KEPT)),
        headers: sent.headers.clone(),
        body: sent.body.as_ref().map(|body| redaction::body(body)).unwrap_or_default(),
        operation: verdict.route.map(|route| route.operation.into()),
        credential: verdict.credential,
        token: match &verdict.presented {
            PresentedCredential::Token(id) => Some(id.clone()),
            PresentedCredential::Nothing | PresentedCredential::Malformed | PresentedCredential::AccessToken(_) => None,
        },
        caller: verdict.owner.clone(),
        faults: verdict.faults.clone(),
        why: match error {
            Some(ApiError::Denied(denial)) => {
                let told = (verdict.origin.request_id.as_str(), service.error_texts());
                Some(why(denial, &trace, verdict.demand(), &verdict.parties, told))
            }
            _ => None,
        },
        trace,
        creates: creates.map(without_secrets),
        status: if is_dropped(response) { 0 } else { response.status().as_u16() },
        answer_headers: kept_headers(response.headers(), &ANSWER_HEADERS),
        answer: redaction::body(answer),
    });
}

fn kept_headers(headers: &HeaderMap, names: &[&'static str]) -> Headers {
    let shown = |name: &&'static str| {
        let value = headers.get(*name)?;
        Some((Cow::Borrowed(*name), redaction::start(&String::from_utf8_lossy(value.as_bytes()), TEXT_KEPT)))
    };
    names.iter().filter_map(shown).collect()
}

/// What the body of a creation asks for, without what may hold a secret.
fn without_secrets(request: TokenRequest) -> TokenRequest {
    let scopes = request.scopes.map(|scopes| scopes.iter().map(|scope| redaction::line(scope)).collect());
    TokenRequest { comment: None, scopes, ..request }
}
