//! Listening sockets: how they are bound, and how connections are accepted and told apart into TLS and plain HTTP.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::connection::CLIENT_TIMEOUT;
use super::extra::PortOf;
use super::slots::{ConnectionSlots, Slot};
use super::tls::{HANDSHAKE, Tls};

/// How often a free port is tried that has to be free on every address.
const ATTEMPTS: u32 = 16;
/// The pause after an error, such as too many open files.
const PAUSE: Duration = Duration::from_millis(50);

/// What HTTP is spoken over.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A connection whose TLS handshake, if it has one, is complete.
pub(super) struct Accepted {
    pub(super) stream: Box<dyn Transport>,
    pub(super) peer: SocketAddr,
    pub(super) by_tls: bool,
    pub(super) port_of: Option<PortOf>,
    pub(super) slot: Slot,
}

/// Binds every address at one port; port 0 picks a free one.
pub(super) async fn bind(hosts: &[IpAddr], port: u16) -> io::Result<(Vec<TcpListener>, u16)> {
    let mut left = if port == 0 { ATTEMPTS } else { 1 };
    loop {
        left -= 1;
        match try_to_bind(hosts, port).await {
            // A port that is free on the first address may be in use on the next.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && left > 0 => {}
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

/// What all ports share to accept connections.
#[derive(Clone, Debug)]
pub(super) struct Acceptor {
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) slots: ConnectionSlots,
    pub(super) connections: mpsc::Sender<Accepted>,
}

impl Acceptor {
    pub(super) async fn accept_all(self, socket: TcpListener, port_of: Option<PortOf>) {
        loop {
            match socket.accept().await {
                Ok((stream, peer)) => {
                    // Before the next connection is accepted, because that takes another open file.
                    let Some(slot) = self.slots.take().await else { return };
                    // In a task of its own, so that a client that sends nothing does not hold up the others.
                    tokio::spawn(self.clone().hand_over(stream, peer, port_of, slot));
                }
                // Out of open files, or a client that left: neither ends the server.
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn hand_over(self, stream: TcpStream, peer: SocketAddr, port_of: Option<PortOf>, slot: Slot) {
        let opened = tokio::select! {
            opened = tokio::time::timeout(CLIENT_TIMEOUT, open(stream, peer, self.tls.as_deref())) => opened,
            () = slot.activity.evicted() => {
                tracing::debug!("connection from {peer}: closed to make room for another");
                return;
            }
        };
        match opened {
            Ok(Ok((stream, by_tls))) => {
                // It fails once the server ends.
                drop(self.connections.send(Accepted { stream, peer, by_tls, port_of, slot }).await);
            }
            Ok(Err(error)) => tracing::debug!("connection from {peer}: {error}"),
            Err(_) => tracing::debug!("connection from {peer}: no request within the time limit"),
        }
    }
}

/// Tells TLS from plain HTTP by the first byte, and completes the handshake. Returns whether it is TLS.
async fn open(stream: TcpStream, peer: SocketAddr, tls: Option<&Tls>) -> io::Result<(Box<dyn Transport>, bool)> {
    // Small responses must not wait for more bytes.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("nodelay: {error}");
    }
    let mut first = [0];
    match tls {
        Some(tls) if stream.peek(&mut first).await? > 0 && first == [HANDSHAKE] => {
            let stream = tls.accept(stream).await;
            // Usually a client that does not trust the CA, whose user looks here.
            let stream = stream.inspect_err(|error| tracing::info!("TLS with {peer}: {error}"))?;
            Ok((Box::new(stream), true))
        }
        _ => Ok((Box::new(stream), false)),
    }
}
