//! The proxy between the server and PostgreSQL, which a test slows, silences or cuts.

use std::net::SocketAddr;
use std::time::Duration;

use dapi_mock::store::Database;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::support::fresh_postgres_database;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum State {
    Up,
    /// All data are delayed.
    Slow(Duration),
    /// No data pass, and no connection is closed.
    Silent,
    /// Existing and new connections are closed.
    Cut,
}

/// The user, the address and the rest of a database's URL.
pub(super) fn parts(database: &Database) -> (String, String, String) {
    let Database::Postgres(url) = database else { panic!("not on PostgreSQL") };
    let (user, rest) = url.strip_prefix("postgres://").unwrap().split_once('@').unwrap();
    let (address, rest) = rest.split_once('/').unwrap();
    (user.to_owned(), address.to_owned(), rest.to_owned())
}

/// A proxy between the server and PostgreSQL.
pub(super) struct Line {
    address: SocketAddr,
    state: watch::Sender<State>,
    acceptor: JoinHandle<()>,
    /// The database without the proxy.
    pub(super) database: Database,
}

impl Line {
    /// A proxy to a new database.
    pub(super) async fn new(name: &str) -> Self {
        let database = fresh_postgres_database(name).await;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, state) = (listener.local_addr().unwrap(), watch::Sender::new(State::Up));
        let acceptor = tokio::spawn(accept(listener, database.clone(), state.subscribe()));
        Self { address, state, acceptor, database }
    }

    pub(super) fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    /// The database through the proxy.
    pub(super) fn database(&self) -> Database {
        let (user, _, rest) = parts(&self.database);
        format!("postgres://{user}@{}/{rest}", self.address).parse().unwrap()
    }

    /// Refuses connections: nobody listens.
    pub(super) async fn refuse(&mut self) {
        self.set(State::Cut);
        self.acceptor.abort();
        let _ = (&mut self.acceptor).await;
    }

    /// Ends the outage.
    pub(super) async fn restore(&mut self) {
        self.set(State::Up);
        if self.acceptor.is_finished() {
            let listener = TcpListener::bind(self.address).await.unwrap();
            self.acceptor = tokio::spawn(accept(listener, self.database.clone(), self.state.subscribe()));
        }
    }
}

async fn accept(listener: TcpListener, database: Database, state: watch::Receiver<State>) {
    let (_, server, _) = parts(&database);
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let (server, state) = (server.clone(), state.clone());
        tokio::spawn(async move {
            let server = TcpStream::connect(server).await.unwrap();
            client.set_nodelay(true).and(server.set_nodelay(true)).unwrap();
            let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                (client.into_split(), server.into_split());
            tokio::select! {
                () = pump(&mut from_client, &mut to_server, state.clone()) => {}
                () = pump(&mut from_server, &mut to_client, state) => {}
            }
        });
    }
}

async fn pump(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut state: watch::Receiver<State>,
) {
    let mut cut = state.clone();
    let passes = async {
        let mut piece = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            let now = *state.wait_for(|state| *state != State::Silent).await.unwrap();
            if let State::Slow(delay) = now {
                sleep(delay).await;
            }
            if to.write_all(&piece[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = passes => {}
        _ = cut.wait_for(|state| *state == State::Cut) => {}
    }
}
