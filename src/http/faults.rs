//! Carries out armed faults: they delay a request, answer in its place, or break its connection. Which faults a request
//! meets is decided in `domain::faults`. See docs/faults.md.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::context::{Interruption, Outcome};
use super::error::ApiError;
use super::{App, redaction};
use crate::domain::audit::Origin;
use crate::domain::authorize::{Caller, PresentedCredential};
use crate::domain::faults::{self, Fault, Kind, MAX_DELAY_MS, When};
use crate::domain::{TokenId, WorkspaceId};
use crate::service::Error;
use crate::web::connection::drop_connection;

/// The header with the numbers of the faults that fired.
pub const FAULT: HeaderName = HeaderName::from_static("x-dapi-mock-fault");

/// The real service's log-in page, as clients meet it (databrickslabs/dbx#85). See
/// docs/reference/errors.md#how-clients-read-errors.
const LOGIN_PAGE: &str = "<!doctype html><html><head><meta charset=\"utf-8\"/>\
    <meta http-equiv=\"Content-Language\" content=\"en\"/><title>Databricks - Sign In</title>\
    <meta name=\"viewport\" content=\"width=960\"/></head><body class=\"light-mode\">\
    <div id=\"login-page\"></div></body></html>";

/// How long the first half of a truncated body has to be sent.
const TRUNCATED_AFTER: Duration = Duration::from_millis(10);

/// The faults that fired at a request, in order. Only the last one can replace the answer.
#[derive(Clone, Debug, Default)]
pub struct ArmedFaults(pub Vec<Fault>);

impl ArmedFaults {
    /// Counts a request at the faults of its workspace, and takes those that fire.
    pub async fn at(app: &App, workspace: WorkspaceId, request: &faults::Request<'_>) -> Result<Self, Error> {
        let fired = app.service.match_faults(workspace, request).await?;
        for fault in &fired {
            let name = fault.rule.name.as_deref();
            let path = redaction::line(request.path);
            tracing::info!(fault = fault.id, name, method = request.method, path, "a fault fired");
        }
        Ok(Self(fired))
    }

    fn at_time(&self, when: When) -> impl Iterator<Item = &Fault> {
        self.0.iter().filter(move |fault| fault.rule.when == when)
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Fault> {
        self.0.iter().filter(move |fault| fault.rule.effect.kind == Some(kind))
    }

    /// How long the handler, or its answer, is to be delayed.
    pub fn delay(&self, when: When) -> Duration {
        let ms: u32 = self.at_time(when).map(|fault| fault.rule.delay_ms()).fold(0, u32::saturating_add);
        Duration::from_millis(ms.min(MAX_DELAY_MS).into())
    }

    /// The answer that replaces the handler's.
    pub fn answer(&self, when: When) -> Option<Response> {
        let effect = &self.at_time(when).find(|fault| fault.rule.answers())?.rule.effect;
        match effect.kind {
            None => Some(ApiError::Injected(effect.clone()).into_response()),
            Some(Kind::LoginPage) => {
                let content_type = HeaderValue::from_static("text/html; charset=utf-8");
                Some(([(CONTENT_TYPE, content_type)], LOGIN_PAGE).into_response())
            }
            Some(Kind::DropConnection) => {
                let mut response = Response::new(Body::empty());
                Outcome::of_mut(&mut response).interruption = Some(Interruption::Drop);
                Some(response)
            }
            Some(_) => None,
        }
    }

    /// Revokes the presented token if a fault says so.
    pub async fn revoke(
        &self,
        app: &App,
        when: When,
        at: Option<WorkspaceId>,
        shown: &PresentedCredential,
    ) -> Result<(), Error> {
        let revokes = self.of_kind(Kind::RevokeToken).any(|fault| fault.rule.when == when);
        match (at, shown) {
            (Some(workspace), PresentedCredential::Token(id)) if revokes => {
                app.service.revoke_by_fault(workspace, id).await
            }
            _ => Ok(()),
        }
    }

    /// Delays the effect of what the caller configures.
    pub fn slow_down(&self, caller: &mut Caller) {
        if let Some(fault) = self.of_kind(Kind::DelayPropagation).last() {
            caller.workspace.behaviour.propagation_delay_ms = fault.rule.effect.delay_ms.unwrap_or(0).into();
        }
    }

    /// The answer that is sent: late, replaced, or marked to be broken on its way.
    pub async fn end(&self, response: Response) -> Response {
        if self.0.is_empty() {
            return response;
        }
        let delay = self.delay(When::After);
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let mut response = self.answer(When::After).unwrap_or(response);
        if self.of_kind(Kind::TruncateBody).next().is_some() {
            Outcome::of_mut(&mut response).interruption = Some(Interruption::Truncate);
        }
        if let Some(fault) = self.of_kind(Kind::SlowBody).last() {
            let pause = Duration::from_millis(fault.rule.effect.delay_ms.unwrap_or(0).into());
            Outcome::of_mut(&mut response).interruption = Some(Interruption::Pause(pause));
        }
        let ids: Vec<String> = self.0.iter().map(|fault| fault.id.to_string()).collect();
        if let Ok(ids) = HeaderValue::from_str(&ids.join(", ")) {
            response.headers_mut().insert(FAULT, ids);
        }
        response
    }
}

/// What the rules of faults look at.
pub fn described<'a>(
    method: &'a str,
    path: &'a str,
    principal: Option<&'a str>,
    presented: &'a PresentedCredential,
    origin: &'a Origin,
) -> faults::Request<'a> {
    let token: Option<&TokenId> = match presented {
        PresentedCredential::Token(id) => Some(id),
        PresentedCredential::Nothing | PresentedCredential::Malformed | PresentedCredential::AccessToken(_) => None,
    };
    faults::Request { method, path, principal, token, client: &origin.user_agent }
}

/// The answer with a body that breaks in its middle, or pauses there. Where there is no body to break, the connection
/// is dropped.
pub async fn interrupted(mut response: Response, interruption: Interruption) -> Response {
    if interruption == Interruption::Drop {
        drop_connection(&mut response);
        return response;
    }
    let (parts, body) = response.into_parts();
    let whole = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let is_empty = whole.is_empty();
    let mut response = Response::from_parts(parts, Body::new(Halves::new(whole, interruption)));
    if is_empty && interruption == Interruption::Truncate {
        drop_connection(&mut response);
    }
    response
}

/// A body whose full length is announced, and that stops or pauses in its middle.
struct Halves {
    first: Option<Bytes>,
    rest: Option<Bytes>,
    pause: Pin<Box<Sleep>>,
    breaks: bool,
}

impl Halves {
    fn new(mut first: Bytes, interruption: Interruption) -> Self {
        let rest = first.split_off(first.len() / 2);
        let (pause, breaks) = match interruption {
            Interruption::Pause(pause) => (pause, false),
            Interruption::Truncate | Interruption::Drop => (TRUNCATED_AFTER, true),
        };
        let some = |part: Bytes| Some(part).filter(|part| !part.is_empty());
        Self { first: some(first), rest: some(rest), pause: Box::pin(sleep(pause)), breaks }
    }
}

impl hyper::body::Body for Halves {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if this.rest.is_some() {
            // Meanwhile the first half is sent.
            ready!(this.pause.as_mut().poll(context));
        }
        Poll::Ready(match this.rest.take() {
            Some(_) if this.breaks => Some(Err(io::Error::other("a fault ended the body"))),
            rest => rest.map(|rest| Ok(Frame::data(rest))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let left = |part: &Option<Bytes>| part.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(left(&self.first) + left(&self.rest)).unwrap_or(u64::MAX))
    }
}
