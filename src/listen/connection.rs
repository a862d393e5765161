//! HTTP on one connection: limits, framing checks, and the hand-over of each request to the router.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tower::ServiceExt;

use super::framing;
use super::slots::RequestGuard;
use super::sockets::Accepted;
use super::stall::StallTimeout;
use crate::web::connection::{CloseConnection, Connection};

/// How long a client may take until its first byte and the end of the TLS handshake, then to send its headers, and to
/// read anything of a response. Not short, because hyper also counts the time between two requests: a client may start
/// to send just when it ends.
pub(super) const CLIENT_TIMEOUT: Duration = Duration::from_secs(75);
/// Bounds the memory that a client can take before its request is understood.
const HEADER_BYTES: usize = 64 * 1024;

/// What answers requests: the router, or until there is one, a function of the path.
#[derive(Clone, Debug)]
pub(super) struct Handler {
    pub(super) router: Arc<OnceLock<Router>>,
    pub(super) starting: fn(&str) -> Response,
}

impl Handler {
    async fn handle(&self, facts: Connection, mut request: Request, guard: RequestGuard) -> io::Result<Response> {
        if let Err(reason) = framing::check(&request) {
            tracing::info!("refused a request from {}: {reason}", facts.peer);
            return Ok(framing::malformed(reason));
        }
        request.extensions_mut().insert(facts);
        let response = match self.router.get() {
            Some(router) => router.clone().oneshot(request).await.unwrap_or_else(|never| match never {}),
            None => (self.starting)(request.uri().path()),
        };
        // An error of the service closes the connection before the first byte.
        if response.extensions().get::<CloseConnection>().is_some() {
            return Err(io::Error::other("closed without a response, as a fault asks"));
        }
        Ok(response.map(|body| guard.until_sent(body)))
    }
}

/// Serves a connection until it ends.
pub(super) fn serve(
    Accepted { stream, facts, slot, .. }: Accepted,
    handler: Handler,
) -> impl GracefulConnection<Error = hyper::Error> + Send {
    let stream = StallTimeout::new(stream, CLIENT_TIMEOUT, slot.activity.clone());
    // The service, and with it the slot, lives as long as the connection.
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let guard = slot.activity.begin_request();
        let handler = handler.clone();
        async move { handler.handle(facts, request.map(Body::new), guard).await }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CLIENT_TIMEOUT)
        .max_header_size(HEADER_BYTES)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
}
