//! What the floors share: arguments, the server's frame, made-up tokens, and the table that SQLite keeps them in.
//!
//! A floor does the least work that its part of a token service needs: no rules, no logs, no journal. It may not use the
//! main crate, or it would not be a yardstick for it. Start reading in `src/bin/`.

use axum::{
    Router,
    http::{HeaderMap, StatusCode, header},
};
use rusqlite::Connection;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{collections::HashMap, error::Error, net::Ipv4Addr, path::Path, str::FromStr, sync::RwLock};
use tokio::net::TcpListener;

pub type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// SHA-256 of a secret, under which its token is stored.
pub type Hash = [u8; 32];

pub const DAY_MS: i64 = 86_400_000;

/// The value of `--name VALUE`, or else the default.
pub fn argument<T: FromStr>(name: &str, default: T) -> Outcome<T>
where
    T::Err: Error + Send + Sync + 'static,
{
    let flag = format!("--{name}");
    match std::env::args().skip_while(|word| *word != flag).nth(1) {
        Some(value) => value.parse().map_err(|error| format!("invalid {flag} '{value}': {error}").into()),
        None => Ok(default),
    }
}

pub fn has_flag(name: &str) -> bool {
    std::env::args().any(|word| word.strip_prefix("--") == Some(name))
}

/// Serves the routes on the loopback port that `--port` names, with two worker threads.
pub fn serve(routes: Router) -> Outcome {
    let port = argument("port", 9101)?;
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        Ok(axum::serve(listener, routes).await?)
    })
}

/// A token as the emulated API lists it.
#[derive(Clone, Debug, Serialize)]
pub struct TokenInfo {
    pub token_id: String,
    pub creation_time: i64,
    pub expiry_time: i64,
    pub comment: String,
    pub created_by_id: i64,
    pub created_by_username: String,
    pub owner_id: i64,
    pub last_used_day: i64,
}

impl TokenInfo {
    /// Made-up token number `number`: the same record for the same number, ten in a row for each owner.
    pub fn numbered(number: u32) -> Self {
        let owner = 1_000_000 + i64::from(number / 10);
        let created = 1_700_000_000_000 + i64::from(number) * 1_000;
        Self {
            token_id: hex(&hash(format!("id {number}").as_bytes())),
            creation_time: created,
            expiry_time: created + 90 * DAY_MS,
            comment: format!("load token number {number}"),
            created_by_id: owner,
            created_by_username: format!("user-{owner}@example.com"),
            owner_id: owner,
            last_used_day: created - created % DAY_MS,
        }
    }
}

/// The secret of made-up token number `number`. That of number 0 is what the bench sends.
pub fn numbered_secret(number: u32) -> String {
    secret(&hash(&number.to_le_bytes()))
}

/// `dapi` and the first 16 bytes as hex digits.
pub fn secret(bytes: &[u8]) -> String {
    format!("dapi{}", hex(bytes.get(..16).unwrap_or(bytes)))
}

pub fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(if value < 10 { b'0' + value } else { b'a' + value - 10 });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The owner of each token, by the hash of its secret.
#[derive(Debug)]
pub struct Owners(RwLock<HashMap<Hash, i64>>);

impl Owners {
    pub fn new(owners: HashMap<Hash, i64>) -> Self {
        Self(RwLock::new(owners))
    }

    /// Authenticates a request: SHA-256 of its bearer secret, and one look-up behind a read lock.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<i64, StatusCode> {
        let secret = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let hash = hash(secret.ok_or(StatusCode::UNAUTHORIZED)?);
        let owners = self.0.read().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
        owners.get(&hash).copied().ok_or(StatusCode::FORBIDDEN)
    }

    pub fn insert(&self, hash: Hash, owner: i64) -> Result<(), StatusCode> {
        self.0.write().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?.insert(hash, owner);
        Ok(())
    }
}

/// The table has what a token service looks up by: two unique keys, and an index of owners.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS tokens (
  token_id TEXT NOT NULL PRIMARY KEY,
  token_hash BLOB NOT NULL UNIQUE,
  owner_id INTEGER NOT NULL,
  created_by_id INTEGER NOT NULL,
  created_by_username TEXT NOT NULL,
  comment TEXT NOT NULL,
  creation_time INTEGER NOT NULL,
  expiry_time INTEGER NOT NULL,
  last_used_day INTEGER NOT NULL,
  revoked_at INTEGER
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tokens_owner ON tokens(owner_id, creation_time);
";

/// Opens a database in the mode that the server uses: WAL with `synchronous = NORMAL`.
pub fn open_database(path: &Path) -> Outcome<Connection> {
    let database = Connection::open(path)?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "NORMAL")?;
    database.pragma_update(None, "busy_timeout", 5000)?;
    database.execute_batch(SCHEMA)?;
    Ok(database)
}

pub fn insert_token(database: &Connection, hash: &Hash, token: &TokenInfo) -> rusqlite::Result<usize> {
    let mut statement = database.prepare_cached(
        "INSERT INTO tokens (token_id, token_hash, owner_id, created_by_id, created_by_username, comment,
           creation_time, expiry_time, last_used_day) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    statement.execute(rusqlite::params![
        token.token_id,
        hash,
        token.owner_id,
        token.created_by_id,
        token.created_by_username,
        token.comment,
        token.creation_time,
        token.expiry_time,
        token.last_used_day,
    ])
}

/// Deletes a database and the files that SQLite keeps beside it.
pub fn remove_database(path: &Path) -> Outcome {
    for suffix in ["", "-wal", "-shm"] {
        match std::fs::remove_file(format!("{}{suffix}", path.display())) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}
