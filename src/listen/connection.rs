//! HTTP on one connection: limits, framing checks, and the hand-over of each request to the router.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tower::ServiceExt;

use super::extra::PortOf;
use super::framing;
use super::sockets::Accepted;
use super::stall::StallTimeout;
use crate::web::connection::{Connection, WORKSPACE_ID, is_dropped};

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
    async fn handle(&self, request: Request) -> io::Result<Response> {
        if let Err(reason) = framing::check(&request) {
            let peer = Connection::of(request.extensions()).peer.map(|peer| peer.to_string()).unwrap_or_default();
            tracing::info!("refused a request from {peer}: {reason}");
            return Ok(framing::malformed(reason));
        }
        let response = match self.router.get() {
            Some(router) => router.clone().oneshot(request).await.unwrap_or_else(|never| match never {}),
            None => (self.starting)(request.uri().path()),
        };
        // An error of the service closes the connection before the first byte.
        if is_dropped(&response) {
            return Err(io::Error::other("closed without a response, as a fault asks"));
        }
        Ok(response)
    }
}

/// Serves a connection until it ends.
pub(super) fn serve(
    Accepted { stream, peer, by_tls, port_of, slot }: Accepted,
    handler: Handler,
) -> impl GracefulConnection<Error = hyper::Error> + Send {
    let (workspace, account) = match port_of {
        Some(PortOf::Workspace(id)) => (Some(HeaderValue::from(id.0)), None),
        Some(PortOf::Account(id)) => (None, Some(id)),
        None => (None, None),
    };
    let connection = Connection { peer: Some(peer.ip()), by_tls, account, ..Connection::default() };
    let stream = StallTimeout::new(stream, CLIENT_TIMEOUT, slot.activity.clone());
    // The service, and with it the slot, lives as long as the connection.
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let guard = slot.activity.begin_request();
        let handler = handler.clone();
        let mut request = request.map(Body::new);
        request.headers_mut().extend(workspace.iter().map(|id| (WORKSPACE_ID, id.clone())));
        request.extensions_mut().insert(connection);
        async move { handler.handle(request).await.map(|response| response.map(|body| guard.until_sent(body))) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CLIENT_TIMEOUT)
        .max_header_size(HEADER_BYTES)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
}
