//! Listening sockets and connections. Nothing here knows what is served.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use crate::http::exchange::Peer;
use crate::http::faults::is_dropped;

/// How long open requests may still run once the server is told to stop.
pub const DRAIN: Duration = Duration::from_secs(1);
/// How long a client may take to send its headers. hyper counts the time between two requests on a
/// kept connection too, so it must not be short: a client may just be sending when it is over.
const HEADER_TIMEOUT: Duration = Duration::from_secs(75);
/// Bounds what a client can make the server hold before a request is understood.
const HEADER_BYTES: usize = 64 * 1024;

/// Bound sockets: the server is reachable, and answers 503 until the [`opener`](Listeners::opener) is called.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<TcpListener>,
    port: u16,
    gate: Gate,
}

/// What is served once it is there.
#[derive(Clone, Debug, Default)]
struct Gate(Arc<OnceLock<Router>>);

impl Listeners {
    /// Binds every address at one port; port 0 takes a free one. A machine without IPv6 serves IPv4 alone.
    ///
    /// # Errors
    /// The operating system's, with the address.
    pub async fn bind(hosts: &[IpAddr], port: u16) -> io::Result<Self> {
        let mut sockets: Vec<TcpListener> = Vec::new();
        let mut chosen = port;
        for host in hosts {
            let address = SocketAddr::new(*host, chosen);
            match TcpListener::bind(address).await {
                Ok(socket) => {
                    chosen = socket.local_addr()?.port();
                    sockets.push(socket);
                }
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable && host.is_ipv6() && hosts.len() > 1 => {
                    tracing::info!("not listening on {address}: {error}");
                }
                Err(error) => return Err(io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))),
            }
        }
        Ok(Self { sockets, port: chosen, gate: Gate::default() })
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address for people and clients: `databricks auth login` takes no other form of an http
    /// host than a literal 127.0.0.1 (spec §1).
    pub fn url(&self) -> String {
        let here = |ip: IpAddr| ip == Ipv4Addr::LOCALHOST || ip.is_unspecified();
        match self.sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect::<Vec<_>>().as_slice() {
            [other, rest @ ..] if !here(other.ip()) && !rest.iter().any(|address| here(address.ip())) => {
                format!("http://{other}")
            }
            _ => format!("http://127.0.0.1:{}", self.port),
        }
    }

    /// What opens the gate, also while [`serve`](Self::serve) runs: from then on its router answers.
    pub fn opener(&self) -> impl Fn(Router) + Send + Sync + 'static {
        let gate = self.gate.clone();
        move |router| drop(gate.0.set(router))
    }

    /// Serves until `stop` completes, then lets open requests end, for [`DRAIN`] at most.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let (connections, mut accepted) = tokio::sync::mpsc::channel::<(TcpStream, SocketAddr)>(64);
        let acceptors: Vec<_> =
            self.sockets.into_iter().map(|socket| tokio::spawn(accept(socket, connections.clone()))).collect();
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                Some((stream, peer)) = accepted.recv() => {
                    let connection = connection(stream, peer, self.gate.clone());
                    let watched = graceful.watch(connection);
                    tokio::spawn(async move {
                        if let Err(error) = watched.await {
                            tracing::debug!("connection from {peer}: {error}");
                        }
                    });
                }
                () = &mut stop => break,
            }
        }
        for acceptor in acceptors {
            acceptor.abort();
        }
        if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
            tracing::warn!("requests were still running after {} s", DRAIN.as_secs());
        }
    }
}

async fn accept(socket: TcpListener, connections: tokio::sync::mpsc::Sender<(TcpStream, SocketAddr)>) {
    loop {
        match socket.accept().await {
            Ok(connection) => {
                if connections.send(connection).await.is_err() {
                    return;
                }
            }
            // Out of file descriptors, or a client that left: neither ends the server.
            Err(error) => {
                tracing::warn!("accept: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    gate: Gate,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send {
    // Small answers must not wait for more to come.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("nodelay: {error}");
    }
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let gate = gate.clone();
        async move {
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer.ip()));
            let response = match gate.0.get() {
                Some(router) => router.clone().oneshot(request).await.unwrap_or_else(|never| match never {}),
                None => starting(request.uri().path()),
            };
            // An error of the service ends the connection before the first byte.
            if is_dropped(&response) { Err(io::Error::other("a fault drops it")) } else { Ok(response) }
        }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
}

/// The answer while the database is opened, migrated and seeded.
fn starting(path: &str) -> Response {
    if path == "/livez" {
        return ([(CONTENT_TYPE, "application/json")], "{\"status\":\"ok\"}").into_response();
    }
    let headers = [(CONTENT_TYPE, "application/json; charset=utf-8"), (RETRY_AFTER, "1")];
    let body = "{\"error_code\":\"TEMPORARILY_UNAVAILABLE\",\"message\":\"dapi-mock is starting.\"}";
    (StatusCode::SERVICE_UNAVAILABLE, headers, body).into_response()
}
