//! The server: bound sockets, and the loop that serves the connections of all ports until it is told to stop.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::budget::Budget;
use super::connection::{self, Handler};
use super::extra::ExtraListeners;
use super::sockets::{Accepted, bind};
use super::tls::Tls;
use crate::platform::open_files;

/// How long running requests may still take once the server is told to stop.
const DRAIN: Duration = Duration::from_secs(1);
/// How many accepted connections may wait for the loop that serves them.
const WAITING_CONNECTIONS: usize = 64;

/// Bound sockets: the server is reachable, and answers that it is starting until [`opener`](Listeners::opener) is called.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<TcpListener>,
    port: u16,
    router: Arc<OnceLock<Router>>,
    extra: ExtraListeners,
    accepted: mpsc::Receiver<Accepted>,
}

impl Listeners {
    /// Binds every address at one port; port 0 picks a free one. A machine without IPv6 serves IPv4 alone. With `tls`,
    /// each port also accepts TLS.
    ///
    /// # Errors
    /// The operating system's, with the address; and if it allows too few open files.
    pub async fn bind(hosts: &[IpAddr], port: u16, tls: Option<Tls>) -> io::Result<Self> {
        let budget = Budget::of(open_files(), hosts.len())?;
        let (sockets, port) = bind(hosts, port).await?;
        let (sender, accepted) = mpsc::channel(WAITING_CONNECTIONS);
        let extra = ExtraListeners::new(hosts, tls, budget, sender);
        Ok(Self { sockets, port, router: Arc::default(), extra, accepted })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL for people and clients: `databricks auth login` accepts no http host but a literal 127.0.0.1.
    pub fn url(&self) -> String {
        let is_here = |ip: IpAddr| ip == Ipv4Addr::LOCALHOST || ip.is_unspecified();
        match self.sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect::<Vec<_>>().as_slice() {
            [other, rest @ ..] if !is_here(other.ip()) && !rest.iter().any(|address| is_here(address.ip())) => {
                format!("http://{other}")
            }
            _ => format!("http://127.0.0.1:{}", self.port),
        }
    }

    /// Opens and closes extra listeners while [`serve`](Self::serve) runs.
    pub fn extra(&self) -> ExtraListeners {
        self.extra.clone()
    }

    /// Returns the function that takes the router, which answers from then on, even while [`serve`](Self::serve) runs.
    pub fn opener(&self) -> impl Fn(Router) + Send + Sync + 'static {
        let slot = self.router.clone();
        move |router| drop(slot.set(router))
    }

    /// Serves until `stop` completes, then gives running requests a second to finish. Until there is a router,
    /// `starting` answers by the request's path.
    pub async fn serve(self, starting: fn(&str) -> Response, stop: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let (extra, mut accepted) = (self.extra, self.accepted);
        let handler = Handler { router: self.router, starting };
        let acceptors: Vec<_> = self.sockets.into_iter().map(|socket| extra.accept_on(socket, None)).collect();
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                Some(accepted) = accepted.recv() => {
                    let (peer, activity) = (accepted.peer, accepted.slot.activity.clone());
                    let connection = graceful.watch(connection::serve(accepted, handler.clone()));
                    tokio::spawn(async move {
                        tokio::select! {
                            ended = connection => log_end(peer, ended),
                            () = activity.evicted() => {
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

fn log_end(peer: SocketAddr, ended: Result<(), hyper::Error>) {
    match ended {
        // Nothing else says why: hyper's response has no body.
        Err(error) if error.is_parse() => {
            let cause = error.source().map_or_else(String::new, |source| format!(": {source}"));
            tracing::info!("refused a request from {peer} that is not HTTP: {error}{cause}");
        }
        Err(error) => tracing::debug!("connection from {peer}: {error}"),
        Ok(()) => {}
    }
}
