//! Listening sockets and connections. Nothing here knows what is served.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, TRANSFER_ENCODING};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::AbortHandle;
use tower::ServiceExt;

use crate::domain::WorkspaceId;
use crate::domain::settings::ErrorTexts;
use crate::http::credential::WORKSPACE_ID;
use crate::http::error::{ApiError, render};
use crate::http::exchange::{ByTls, Peer};
use crate::http::faults::is_dropped;
use crate::stall::Unstalled;
use crate::tls::{HANDSHAKE, Tls};

/// How long open requests may still run once the server is told to stop.
pub const DRAIN: Duration = Duration::from_secs(1);
/// How long a client may take up to its first byte and through TLS's handshake, and then to send its headers.
/// hyper counts the time between two requests on a kept connection too, so it must not be short: a client
/// may just be sending when it is over.
const PATIENCE: Duration = Duration::from_secs(75);
/// The same once half of all connections are taken, so that idle ones make room.
const PATIENCE_WHEN_PRESSED: Duration = Duration::from_secs(3);
/// Bounds what a client can make the server hold before a request is understood.
const HEADER_BYTES: usize = 64 * 1024;
/// Most connections at a time; with [`BODY_LIMIT`](crate::http::exchange::BODY_LIMIT) they bound the memory
/// of what is being received. Others wait in the system's queue.
const MOST_CONNECTIONS: usize = 1024;
/// Files that are left for the database, logs and listening sockets where the system allows few.
const FILES_FOR_OTHERS: u64 = 128;

/// Bound sockets: the server is reachable, and answers 503 until the [`opener`](Listeners::opener) is called.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<TcpListener>,
    port: u16,
    gate: Gate,
    doors: Doors,
    accepted: mpsc::Receiver<Accepted>,
}

/// What HTTP is spoken over.
trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A connection that has come in, and has said whether it is by TLS.
struct Accepted {
    stream: Box<dyn Transport>,
    by_tls: bool,
    peer: SocketAddr,
    /// The workspace whose own port it came to.
    workspace: Option<WorkspaceId>,
    /// Given back when it ends.
    place: Place,
}

/// The places of all connections together.
#[derive(Clone, Debug)]
struct Places {
    free: Arc<Semaphore>,
    pressed_below: usize,
}

/// The place of a connection, and how long it may idle on it.
struct Place {
    patience: Duration,
    _taken: OwnedSemaphorePermit,
}

impl Places {
    fn new() -> Self {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let files = files.map_or(u64::MAX, |files| files.saturating_sub(FILES_FOR_OTHERS).max(1));
        let most = usize::try_from(files).unwrap_or(MOST_CONNECTIONS).min(MOST_CONNECTIONS);
        Self { free: Arc::new(Semaphore::new(most)), pressed_below: most / 2 }
    }

    /// Waits for one; `None` never comes, as nobody closes them.
    async fn take(&self) -> Option<Place> {
        let taken = self.free.clone().acquire_owned().await.ok()?;
        let is_pressed = self.free.available_permits() < self.pressed_below;
        Some(Place { patience: if is_pressed { PATIENCE_WHEN_PRESSED } else { PATIENCE }, _taken: taken })
    }
}

/// Opens more ports while the server runs: one that belongs to a workspace names it in each request, as a
/// client's header would (spec §2).
#[derive(Clone, Debug)]
pub struct Doors {
    hosts: Arc<[IpAddr]>,
    tls: Option<Arc<Tls>>,
    accepted: mpsc::Sender<Accepted>,
    places: Places,
    open: Arc<Mutex<HashMap<WorkspaceId, Door>>>,
}

#[derive(Debug)]
struct Door {
    port: u16,
    acceptors: Vec<AbortHandle>,
}

impl Doors {
    /// Opens a port for a workspace; 0 takes a free one. Answers which; the one that it has, if it has one.
    ///
    /// # Errors
    /// The operating system's, with the address.
    pub async fn open(&self, port: u16, workspace: WorkspaceId) -> io::Result<u16> {
        if let Some(port) = self.port_of(workspace) {
            return Ok(port);
        }
        let (sockets, port) = bind(&self.hosts, port).await?;
        let acceptors = sockets.into_iter().map(|socket| self.accept_on(socket, Some(workspace))).collect();
        let earlier = self.doors().insert(workspace, Door { port, acceptors });
        shut(earlier);
        Ok(port)
    }

    /// The port of a workspace, if it has one of its own.
    pub fn port_of(&self, workspace: WorkspaceId) -> Option<u16> {
        self.doors().get(&workspace).map(|door| door.port)
    }

    /// The workspaces that have a port of their own.
    pub fn workspaces(&self) -> Vec<WorkspaceId> {
        self.doors().keys().copied().collect()
    }

    /// Closes the port of a workspace.
    pub fn close(&self, workspace: WorkspaceId) {
        shut(self.doors().remove(&workspace));
    }

    /// The TLS that is spoken on all ports, where it is.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_deref()
    }

    fn accept_on(&self, socket: TcpListener, workspace: Option<WorkspaceId>) -> AbortHandle {
        let (places, tls, connections) = (self.places.clone(), self.tls.clone(), self.accepted.clone());
        tokio::spawn(accept(socket, workspace, places, tls, connections)).abort_handle()
    }

    fn doors(&self) -> MutexGuard<'_, HashMap<WorkspaceId, Door>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shut(door: Option<Door>) {
    for acceptor in door.into_iter().flat_map(|door| door.acceptors) {
        acceptor.abort();
    }
}

/// What is served once it is there.
#[derive(Clone, Debug, Default)]
struct Gate(Arc<OnceLock<Router>>);

impl Listeners {
    /// Binds every address at one port; port 0 takes a free one. A machine without IPv6 serves IPv4 alone.
    /// With `tls` each port speaks that, too.
    ///
    /// # Errors
    /// The operating system's, with the address.
    pub async fn bind(hosts: &[IpAddr], port: u16, tls: Option<Tls>) -> io::Result<Self> {
        let (sockets, port) = bind(hosts, port).await?;
        let (sender, accepted) = mpsc::channel(64);
        let (hosts, tls) = (hosts.into(), tls.map(Arc::new));
        let doors = Doors { hosts, tls, accepted: sender, places: Places::new(), open: Arc::default() };
        Ok(Self { sockets, port, gate: Gate::default(), doors, accepted })
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

    /// What opens further ports while [`serve`](Self::serve) runs.
    pub fn doors(&self) -> Doors {
        self.doors.clone()
    }

    /// What opens the gate, also while [`serve`](Self::serve) runs: from then on its router answers.
    pub fn opener(&self) -> impl Fn(Router) + Send + Sync + 'static {
        let gate = self.gate.clone();
        move |router| drop(gate.0.set(router))
    }

    /// Serves until `stop` completes, then lets open requests end, for [`DRAIN`] at most.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let (doors, mut accepted) = (self.doors, self.accepted);
        let acceptors: Vec<_> = self.sockets.into_iter().map(|socket| doors.accept_on(socket, None)).collect();
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                Some(came) = accepted.recv() => {
                    let peer = came.peer;
                    let connection = connection(came, self.gate.clone());
                    let watched = graceful.watch(connection);
                    tokio::spawn(async move {
                        match watched.await {
                            // Nothing else tells why: hyper's answer has no body.
                            Err(error) if error.is_parse() => {
                                tracing::info!("refused what is not HTTP from {peer}: {}", cause_of(&error));
                            }
                            Err(error) => tracing::debug!("connection from {peer}: {error}"),
                            Ok(()) => {}
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

/// Binds every address at one port; port 0 takes a free one.
async fn bind(hosts: &[IpAddr], port: u16) -> io::Result<(Vec<TcpListener>, u16)> {
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
    Ok((sockets, chosen))
}

async fn accept(
    socket: TcpListener,
    workspace: Option<WorkspaceId>,
    places: Places,
    tls: Option<Arc<Tls>>,
    connections: mpsc::Sender<Accepted>,
) {
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => {
                // Before the next one is accepted, and with it another file taken.
                let Some(place) = places.take().await else { return };
                let (tls, connections) = (tls.clone(), connections.clone());
                // By itself: who says nothing must not hold up the others.
                tokio::spawn(async move {
                    match tokio::time::timeout(place.patience, begin(stream, peer, tls.as_deref())).await {
                        // Nobody takes it once the server ends.
                        Ok(Ok((stream, by_tls))) => {
                            drop(connections.send(Accepted { stream, by_tls, peer, workspace, place }).await);
                        }
                        Ok(Err(error)) => tracing::debug!("connection from {peer}: {error}"),
                        Err(_) => tracing::debug!("connection from {peer}: it says nothing"),
                    }
                });
            }
            // Out of file descriptors, or a client that left: neither ends the server.
            Err(error) => {
                tracing::warn!("accept: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Tells TLS from plain HTTP by the first byte, and goes through the handshake.
async fn begin(stream: TcpStream, peer: SocketAddr, tls: Option<&Tls>) -> io::Result<(Box<dyn Transport>, bool)> {
    // Small answers must not wait for more to come.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("nodelay: {error}");
    }
    let mut first = [0];
    match tls {
        Some(tls) if stream.peek(&mut first).await? > 0 && first == [HANDSHAKE] => {
            let stream = tls.accept(stream).await;
            // Most often a client that was not given the CA, whose user looks here.
            let stream = stream.inspect_err(|error| tracing::info!("TLS with {peer}: {error}"))?;
            Ok((Box::new(stream), true))
        }
        _ => Ok((Box::new(stream), false)),
    }
}

fn connection(
    Accepted { stream, by_tls, peer, workspace, place }: Accepted,
    gate: Gate,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send {
    let patience = place.patience;
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        // The service lives as long as the connection.
        let _place = &place;
        let gate = gate.clone();
        async move {
            let mut request: Request = request.map(Body::new);
            if let Some(reason) = ill_framed(&request) {
                tracing::info!("refused a request from {}: {reason}", peer.ip());
                return Ok(malformed(reason));
            }
            request.extensions_mut().insert(Peer(peer.ip()));
            if by_tls {
                request.extensions_mut().insert(ByTls);
            }
            if let Some(id) = workspace {
                request.headers_mut().append(WORKSPACE_ID, id.0.into());
            }
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
        .header_read_timeout(patience)
        .max_header_size(HEADER_BYTES)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(Unstalled::new(stream, PATIENCE)), service)
}

/// What is wrong with how a request is put together, if something is (RFC 9112 §3.2, §6.1). Which host is meant and
/// where a body ends must not be a guess.
fn ill_framed(request: &Request) -> Option<&'static str> {
    let headers = request.headers();
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Some("More than one Host header.");
    }
    match host {
        None if request.version() >= Version::HTTP_11 => return Some("The Host header is missing."),
        Some(host) if !names_a_host(host) => return Some("The Host header is not a host with an optional port."),
        _ => {}
    }
    let target = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    if target.zip(host).is_some_and(|(target, host)| !target.eq_ignore_ascii_case(host.as_bytes())) {
        return Some("The request target and the Host header name different hosts.");
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if codings.any(|coding| !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked")) {
        return Some("The only Transfer-Encoding that is read is chunked.");
    }
    None
}

fn names_a_host(value: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(value.as_bytes()) else { return false };
    let port = authority.as_str().strip_prefix(authority.host());
    let is_port = |rest: &str| {
        rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
    };
    !authority.host().is_empty() && port.is_some_and(is_port)
}

fn malformed(reason: &str) -> Response {
    let body = format!("{{\"error_code\":\"MALFORMED_REQUEST\",\"message\":\"{reason}\"}}");
    (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, "application/json")], body).into_response()
}

/// An error with what caused it.
fn cause_of(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// The answer while the database is opened, migrated and seeded.
fn starting(path: &str) -> Response {
    if path == "/livez" {
        return ([(CONTENT_TYPE, "application/json")], "{\"status\":\"ok\"}").into_response();
    }
    if path.starts_with("/_mock/") {
        let headers = [(CONTENT_TYPE, "application/json"), (RETRY_AFTER, "1")];
        return (StatusCode::SERVICE_UNAVAILABLE, headers, "{\"error\":\"dapi-mock is starting.\"}\n").into_response();
    }
    render(&ApiError::Unavailable, path, "", ErrorTexts::default())
}
