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

use crate::domain::settings::ErrorTexts;
use crate::domain::{AccountId, WorkspaceId};
use crate::http::error::{ApiError, render};
use crate::http::routes::envelope_at;
use crate::listen::places::{Place, Places};
use crate::listen::stall::Unstalled;
use crate::listen::tls::{HANDSHAKE, Tls};
use crate::platform::open_files;
use crate::web::connection::{Connection, WORKSPACE_ID, is_dropped};

/// How long open requests may still run once the server is told to stop.
pub const DRAIN: Duration = Duration::from_secs(1);
/// How long a client may take up to its first byte and through TLS's handshake, and then to send its headers.
/// hyper counts the time between two requests on a kept connection too, so it must not be short: a client
/// may just be sending when it is over.
const PATIENCE: Duration = Duration::from_secs(75);
/// Bounds what a client can make the server hold before a request is understood.
const HEADER_BYTES: usize = 64 * 1024;
/// Most connections at a time; with [`BODY_LIMIT`](crate::http::body::BODY_LIMIT) they bound the memory
/// of what is being received. Others wait in the system's queue.
const MOST_CONNECTIONS: usize = 1024;
/// Most workspaces with a port of their own.
const MOST_PORTS: usize = 256;
/// Open files that are left for the database, the log, the audit file and the server's own port: at least and at
/// most, and a quarter of all between.
const FILES_FOR_OTHERS: (u64, u64) = (40, 128);
/// With fewer a server does not start: it would run out of them at work.
const FEWEST_FILES: u64 = FILES_FOR_OTHERS.0 + 8;
/// What a listening socket may take: itself, and a connection that waits for a place.
const FILES_OF_A_LISTENER: usize = 2;
/// How often a free port is looked for that is free on every address.
const TRIES: u32 = 16;

/// How the open files are shared out, so that none of these takes those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Budget {
    connections: usize,
    ports: usize,
    /// Whether there would be more ports with more files.
    is_short: bool,
}

impl Budget {
    /// Of so many files, where each port is opened on so many addresses.
    fn of(files: u64, addresses: usize) -> io::Result<Self> {
        if files < FEWEST_FILES {
            let says = format!(
                "the system allows {files} open files, and dapi-mock requires {FEWEST_FILES}; raise the limit (ulimit -n)"
            );
            return Err(io::Error::other(says));
        }
        let (fewest, most) = FILES_FOR_OTHERS;
        let left = usize::try_from(files - (files / 4).clamp(fewest, most)).unwrap_or(usize::MAX);
        let files_of_a_port = FILES_OF_A_LISTENER * addresses.max(1);
        let by_files = left / 3 / files_of_a_port;
        let ports = by_files.min(MOST_PORTS);
        let connections = (left - ports * files_of_a_port).min(MOST_CONNECTIONS);
        Ok(Self { connections, ports, is_short: by_files < MOST_PORTS })
    }
}

/// Why a workspace or an account gets no port of its own.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// There are no more; with whether the limit on open files is the reason.
    #[error(
        "all {most} extra ports are in use; delete a workspace that has one, or close the port of an account{}",
        if *.is_short { ", or start the server with a higher limit on open files (ulimit -n)" } else { "" }
    )]
    NoneLeft {
        /// How many there are.
        most: usize,
        /// Whether there would be more with more open files.
        is_short: bool,
    },
    /// The operating system's, with the address.
    #[error(transparent)]
    Bind(#[from] io::Error),
}

/// Bound sockets: the server is reachable, and answers 503 until the [`opener`](Listeners::opener) is called.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<TcpListener>,
    port: u16,
    gate: Gate,
    extra: ExtraListeners,
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
    /// Whose own port it came to.
    port_of: Option<PortOf>,
    /// Given back when it ends.
    place: Place,
}

/// Whose an extra listener is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortOf {
    /// A workspace's: its host.
    Workspace(WorkspaceId),
    /// An account's: the account's host.
    Account(AccountId),
}

impl From<WorkspaceId> for PortOf {
    fn from(id: WorkspaceId) -> Self {
        Self::Workspace(id)
    }
}

impl From<AccountId> for PortOf {
    fn from(id: AccountId) -> Self {
        Self::Account(id)
    }
}

/// Opens more ports while the server runs: one that belongs to a workspace names it in each request, as a
/// client's header would, and one that belongs to an account is the account's host.
#[derive(Clone, Debug)]
pub struct ExtraListeners {
    hosts: Arc<[IpAddr]>,
    tls: Option<Arc<Tls>>,
    accepted: mpsc::Sender<Accepted>,
    places: Places,
    budget: Budget,
    free_ports: Arc<Semaphore>,
    open: Arc<Mutex<HashMap<PortOf, ExtraListener>>>,
}

#[derive(Debug)]
struct ExtraListener {
    port: u16,
    _counted: OwnedSemaphorePermit,
    acceptors: Vec<AbortHandle>,
}

impl ExtraListeners {
    /// Opens a port for a workspace or an account; 0 takes a free one. Answers which; the one that it has, if it has one.
    ///
    /// # Errors
    /// When all are in use, and the operating system's.
    pub async fn open(&self, port: u16, of: impl Into<PortOf> + Send) -> Result<u16, PortError> {
        let of = of.into();
        if let Some(port) = self.port_of(of) {
            return Ok(port);
        }
        let counted = self.free_ports.clone().try_acquire_owned().map_err(|_| self.none_left())?;
        let (sockets, port) = bind(&self.hosts, port).await?;
        let acceptors = sockets.into_iter().map(|socket| self.accept_on(socket, Some(of))).collect();
        let earlier = self.by_owner().insert(of, ExtraListener { port, _counted: counted, acceptors });
        shut(earlier);
        Ok(port)
    }

    /// Whether there is a port for one more workspace.
    ///
    /// # Errors
    /// When there is none.
    pub fn check_room(&self) -> Result<(), PortError> {
        if self.free_ports.available_permits() > 0 { Ok(()) } else { Err(self.none_left()) }
    }

    fn none_left(&self) -> PortError {
        PortError::NoneLeft { most: self.budget.ports, is_short: self.budget.is_short }
    }

    /// The port of a workspace or an account, if it has one of its own.
    pub fn port_of(&self, of: impl Into<PortOf>) -> Option<u16> {
        self.by_owner().get(&of.into()).map(|listener| listener.port)
    }

    /// The workspaces that have a port of their own.
    pub fn workspaces(&self) -> Vec<WorkspaceId> {
        let workspace = |(of, _): (PortOf, u16)| match of {
            PortOf::Workspace(id) => Some(id),
            PortOf::Account(_) => None,
        };
        self.all().into_iter().filter_map(workspace).collect()
    }

    /// The accounts that have a port of their own.
    pub fn accounts(&self) -> Vec<AccountId> {
        let account = |(of, _): (PortOf, u16)| match of {
            PortOf::Account(id) => Some(id),
            PortOf::Workspace(_) => None,
        };
        self.all().into_iter().filter_map(account).collect()
    }

    /// Every port, by number, and whose it is.
    pub fn all(&self) -> Vec<(PortOf, u16)> {
        let mut all: Vec<_> = self.by_owner().iter().map(|(of, listener)| (*of, listener.port)).collect();
        all.sort_by_key(|(_, port)| *port);
        all
    }

    /// Closes the port of a workspace or an account.
    pub fn close(&self, of: impl Into<PortOf>) {
        shut(self.by_owner().remove(&of.into()));
    }

    /// The TLS that is spoken on all ports, where it is.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_deref()
    }

    fn accept_on(&self, socket: TcpListener, port_of: Option<PortOf>) -> AbortHandle {
        let (places, tls, connections) = (self.places.clone(), self.tls.clone(), self.accepted.clone());
        tokio::spawn(accept(socket, port_of, places, tls, connections)).abort_handle()
    }

    fn by_owner(&self) -> MutexGuard<'_, HashMap<PortOf, ExtraListener>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shut(listener: Option<ExtraListener>) {
    for acceptor in listener.into_iter().flat_map(|listener| listener.acceptors) {
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
    /// The operating system's, with the address; and when it allows too few open files.
    pub async fn bind(hosts: &[IpAddr], port: u16, tls: Option<Tls>) -> io::Result<Self> {
        let budget = Budget::of(open_files(), hosts.len())?;
        let (sockets, port) = bind(hosts, port).await?;
        let (sender, accepted) = mpsc::channel(64);
        let (hosts, tls) = (hosts.into(), tls.map(Arc::new));
        let (places, free_ports) = (Places::new(budget.connections), Arc::new(Semaphore::new(budget.ports)));
        let extra = ExtraListeners { hosts, tls, accepted: sender, places, budget, free_ports, open: Arc::default() };
        Ok(Self { sockets, port, gate: Gate::default(), extra, accepted })
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
    pub fn extra(&self) -> ExtraListeners {
        self.extra.clone()
    }

    /// What opens the gate, also while [`serve`](Self::serve) runs: from then on its router answers.
    pub fn opener(&self) -> impl Fn(Router) + Send + Sync + 'static {
        let gate = self.gate.clone();
        move |router| drop(gate.0.set(router))
    }

    /// Serves until `stop` completes, then lets open requests end, for [`DRAIN`] at most.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let (extra, mut accepted) = (self.extra, self.accepted);
        let acceptors: Vec<_> = self.sockets.into_iter().map(|socket| extra.accept_on(socket, None)).collect();
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                Some(came) = accepted.recv() => {
                    let (peer, occupant) = (came.peer, came.place.occupant.clone());
                    let connection = connection(came, self.gate.clone());
                    let watched = graceful.watch(connection);
                    tokio::spawn(async move {
                        tokio::select! {
                            ended = watched => match ended {
                                // Nothing else tells why: hyper's answer has no body.
                                Err(error) if error.is_parse() => {
                                    tracing::info!("refused what is not HTTP from {peer}: {}", cause_of(&error));
                                }
                                Err(error) => tracing::debug!("connection from {peer}: {error}"),
                                Ok(()) => {}
                            },
                            () = occupant.must_leave() => {
                                tracing::debug!("connection from {peer}: closed to make room for another");
                            }
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
    let mut tries = if port == 0 { TRIES } else { 1 };
    loop {
        tries -= 1;
        match try_to_bind(hosts, port).await {
            // What is free on the first address may be taken on the next.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            done => return done,
        }
    }
}

async fn try_to_bind(hosts: &[IpAddr], port: u16) -> io::Result<(Vec<TcpListener>, u16)> {
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
    port_of: Option<PortOf>,
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
                    let begun = tokio::select! {
                        begun = tokio::time::timeout(PATIENCE, begin(stream, peer, tls.as_deref())) => begun,
                        () = place.occupant.must_leave() => {
                            tracing::debug!("connection from {peer}: closed to make room for another");
                            return;
                        }
                    };
                    match begun {
                        // Nobody takes it once the server ends.
                        Ok(Ok((stream, by_tls))) => {
                            drop(connections.send(Accepted { stream, by_tls, peer, port_of, place }).await);
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
    Accepted { stream, by_tls, peer, port_of, place }: Accepted,
    gate: Gate,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send {
    let occupant = place.occupant.clone();
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        // The service lives as long as the connection, and the place with it.
        let place = &place;
        let under_way = place.occupant.begin_request();
        let gate = gate.clone();
        async move {
            let mut request: Request = request.map(Body::new);
            if let Some(reason) = ill_framed(&request) {
                tracing::info!("refused a request from {}: {reason}", peer.ip());
                return Ok(malformed(reason));
            }
            let mut connection = Connection { peer: Some(peer.ip()), by_tls, ..Connection::default() };
            match port_of {
                Some(PortOf::Workspace(id)) => drop(request.headers_mut().append(WORKSPACE_ID, id.0.into())),
                Some(PortOf::Account(id)) => connection.account = Some(id),
                None => {}
            }
            request.extensions_mut().insert(connection);
            let response = match gate.0.get() {
                Some(router) => router.clone().oneshot(request).await.unwrap_or_else(|never| match never {}),
                None => starting(request.uri().path()),
            };
            // An error of the service ends the connection before the first byte.
            if is_dropped(&response) {
                return Err(io::Error::other("a fault drops it"));
            }
            Ok(response.map(|body| under_way.until_sent(body)))
        }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_header_size(HEADER_BYTES)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(Unstalled::new(stream, PATIENCE, occupant)), service)
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
    render(&ApiError::Unavailable, envelope_at(path), "", ErrorTexts::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_open_files_are_shared_out() {
        let budget = |files| Budget::of(files, 2).map(|it| (it.connections, it.ports, it.is_short)).ok();
        assert_eq!(budget(FEWEST_FILES - 1), None);
        assert_eq!(budget(FEWEST_FILES), Some((8, 0, true)));
        assert_eq!(budget(64), Some((16, 2, true)));
        assert_eq!(budget(256), Some((128, 16, true)));
        assert_eq!(budget(1024), Some((600, 74, true)));
        assert_eq!(budget(4096), Some((MOST_CONNECTIONS, MOST_PORTS, false)));
        assert_eq!(budget(u64::MAX), Some((MOST_CONNECTIONS, MOST_PORTS, false)));
    }
}
