//! What travels with a request and with its answer through the layers: one context in, one outcome out. The outermost
//! layer ([`exchange`](crate::http::exchange)) makes the context and takes the outcome; nothing else is passed between
//! layers and handlers.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::USER_AGENT;
use axum::http::{Extensions, HeaderMap};
use axum::response::{IntoResponse, Response};
use hyper::body::Bytes;

use super::credential::Credentials;
use super::error::ApiError;
use super::host::TargetHost;
use super::route::Route;
use super::{body, redaction};
use crate::domain::audit::Origin;
use crate::domain::authorize::{Caller, Demand, Parties, PresentedCredential, Step};
use crate::domain::faults::Fault;
use crate::domain::journal::CredentialKind;
use crate::domain::{Denial, Millis, WorkspaceId};
use crate::service::Service;
use crate::web::connection::Connection;

/// Most characters of a `User-Agent` that are kept; those of the official clients have about two hundred.
const MAX_USER_AGENT_CHARS: usize = 1024;

/// What is known of a request before it reaches its handler.
#[derive(Clone, Debug)]
pub struct RequestContext {
    pub connection: Connection,
    pub host: TargetHost,
    pub credentials: Arc<Credentials>,
    /// The guard replaces it by one whose id is drawn from the workspace's seed.
    pub origin: Arc<Origin>,
    /// The body, or what was wrong with it. Handlers say so after authorization, so that a bad credential is
    /// answered first.
    pub body: Result<Bytes, Denial>,
    /// Set by the guard once the checks have passed.
    pub caller: Option<Arc<Caller>>,
}

impl RequestContext {
    /// Reads it from a request, and with it the whole body.
    pub async fn read(service: &Service, request: &mut Request) -> Self {
        let body = body::receive(std::mem::replace(request.body_mut(), Body::empty()), request.headers()).await;
        let (headers, extensions) = (request.headers(), request.extensions());
        let connection = Connection::of(extensions);
        Self {
            connection,
            host: TargetHost::of(headers, connection),
            credentials: Arc::new(Credentials::of(headers, request.uri())),
            origin: Arc::new(origin_of(service, headers, extensions)),
            body,
            caller: None,
        }
    }
}

/// Where a request comes from, under a new id.
pub fn origin_of(service: &Service, headers: &HeaderMap, extensions: &Extensions) -> Origin {
    let user_agent = headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let mut user_agent = redaction::line(&user_agent.unwrap_or_default().replace('\0', ""));
    // It is kept in many places, and the head of a request would let it be 64 KiB.
    if let Some((end, _)) = user_agent.char_indices().nth(MAX_USER_AGENT_CHARS) {
        user_agent.truncate(end);
    }
    let peer = Connection::of(extensions).peer;
    Origin {
        request_id: service.entropy().uuid().to_string(),
        source_ip: peer.map(|peer| peer.to_string()).unwrap_or_default(),
        user_agent,
    }
}

/// What became of a request, beside its answer.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Why the answer is not the handler's; it is still to be rendered.
    pub error: Option<ApiError>,
    /// What the guard found; absent for requests that the journal does not record.
    pub verdict: Option<Arc<Verdict>>,
    /// What breaks the answer on its way.
    pub interruption: Option<Interruption>,
}

impl Outcome {
    /// The one that travels with an answer, which gets an empty one if it has none.
    pub fn of_mut(response: &mut Response) -> &mut Self {
        response.extensions_mut().get_or_insert_default()
    }

    pub fn error_of(response: &Response) -> Option<&ApiError> {
        response.extensions().get::<Self>()?.error.as_ref()
    }

    pub fn take(response: &mut Response) -> Self {
        response.extensions_mut().remove().unwrap_or_default()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        Outcome::of_mut(&mut response).error = Some(self);
        response
    }
}

/// What breaks an answer on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// The connection ends before the first byte.
    Drop,
    /// The connection ends in the middle of the body.
    Truncate,
    /// The body pauses in its middle.
    Pause(Duration),
}

/// What the guard found out about a request, for the log and the journal.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The route, if the path has one.
    pub route: Option<&'static Route>,
    pub presented: PresentedCredential,
    pub credential: CredentialKind,
    /// The workspace that answers, with its incarnation and the time on its clock.
    pub workspace: Option<WorkspaceId>,
    pub incarnation: i64,
    pub now: Option<Millis>,
    /// The owner of the credential, where it is known.
    pub owner: Option<String>,
    /// The checks that ran.
    pub trace: Vec<Step>,
    pub parties: Parties,
    /// Where the request came from, under the id that it has once its workspace is known.
    pub origin: Arc<Origin>,
    /// The faults that fired.
    pub faults: Vec<Fault>,
}

impl Verdict {
    /// About a request for which no check runs.
    pub fn unchecked(route: Option<&'static Route>, origin: Arc<Origin>) -> Self {
        Self {
            route,
            presented: PresentedCredential::Nothing,
            credential: CredentialKind::None,
            workspace: None,
            incarnation: 0,
            now: None,
            owner: None,
            trace: Vec::new(),
            parties: Parties::default(),
            origin,
            faults: Vec::new(),
        }
    }

    pub fn demand(&self) -> Demand {
        self.route.map_or(Demand::UNROUTED, |route| route.demand)
    }

    /// The check that refused, if one did.
    pub fn refused_by(&self) -> Option<&Step> {
        self.trace.last().filter(|step| !step.passed)
    }
}
