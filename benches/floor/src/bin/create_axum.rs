//! The floor of a create: `POST /api/2.0/token/create` is answered only after SQLite has committed the token. One thread
//! owns the connection and takes what is queued, at most `--batch` tokens, as one transaction. `GET /auth` only
//! authenticates, which tells when the server is ready.
//!
//!     create_axum --port 9101 --db floor.db --batch 1
//!     create_axum --port 9101 --db floor.db --keep     keeps the file of an earlier start

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use dapi_mock_floor::{
    Hash, Outcome, Owners, TokenInfo, argument, has_flag, hash, hex, insert_token, numbered_secret, open_database,
    remove_database, secret, serve,
};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::sync::oneshot;

struct Job {
    hash: Hash,
    token: TokenInfo,
    committed: oneshot::Sender<()>,
}

struct Store {
    owners: Owners,
    queue: mpsc::Sender<Job>,
}

#[derive(Deserialize)]
struct CreateRequest {
    lifetime_seconds: Option<i64>,
    comment: Option<String>,
}

#[derive(Serialize)]
struct CreateResponse {
    token_value: String,
    token_info: TokenInfo,
}

async fn auth(State(store): State<Arc<Store>>, headers: HeaderMap) -> Result<Json<Value>, StatusCode> {
    store.owners.authenticate(&headers)?;
    Ok(Json(json!({"message": "hello"})))
}

async fn create(
    State(store): State<Arc<Store>>,
    headers: HeaderMap,
    Json(request): Json<CreateRequest>,
) -> Result<Json<CreateResponse>, StatusCode> {
    let owner = store.owners.authenticate(&headers)?;
    let (token_value, token_info) = new_token(owner, request).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let hash = hash(token_value.as_bytes());
    let (sender, committed) = oneshot::channel();
    let job = Job { hash, token: token_info.clone(), committed: sender };
    store.queue.send(job).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    committed.await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    store.owners.insert(hash, owner)?;
    Ok(Json(CreateResponse { token_value, token_info }))
}

fn new_token(owner: i64, request: CreateRequest) -> Outcome<(String, TokenInfo)> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    let token_value = secret(&random);
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let token_info = TokenInfo {
        token_id: hex(&hash(token_value.as_bytes())),
        creation_time: now,
        expiry_time: request.lifetime_seconds.map_or(-1, |seconds| now + seconds * 1000),
        comment: request.comment.unwrap_or_default(),
        created_by_id: owner,
        created_by_username: format!("user-{owner}@example.com"),
        owner_id: owner,
        last_used_day: 0,
    };
    Ok((token_value, token_info))
}

/// Commits what is queued. After an error it ends, and every later create fails.
fn commit_jobs(database: &Connection, queue: &mpsc::Receiver<Job>, batch: usize) -> rusqlite::Result<()> {
    while let Ok(first) = queue.recv() {
        let mut jobs = vec![first];
        jobs.extend(queue.try_iter().take(batch.saturating_sub(1)));
        database.execute_batch("BEGIN IMMEDIATE")?;
        for job in &jobs {
            insert_token(database, &job.hash, &job.token)?;
        }
        database.execute_batch("COMMIT")?;
        for job in jobs {
            // A client that went away does not wait for its answer.
            let _ = job.committed.send(());
        }
    }
    Ok(())
}

fn main() -> Outcome {
    let path = argument("db", PathBuf::from("floor.db"))?;
    let batch = argument("batch", 128)?;
    if !has_flag("keep") {
        remove_database(&path)?;
    }
    let existed = path.exists();
    let mut database = open_database(&path)?;
    if !existed {
        let transaction = database.transaction()?;
        for number in 0..10 {
            let hash = hash(numbered_secret(number).as_bytes());
            insert_token(&transaction, &hash, &TokenInfo::numbered(number))?;
        }
        transaction.commit()?;
    }
    let owners = database
        .prepare("SELECT token_hash, owner_id FROM tokens")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let (sender, queue) = mpsc::channel();
    std::thread::spawn(move || {
        if let Err(error) = commit_jobs(&database, &queue, batch) {
            eprintln!("create_axum: {error}");
        }
    });
    let store = Store { owners: Owners::new(owners), queue: sender };
    serve(
        Router::new()
            .route("/auth", get(auth))
            .route("/api/2.0/token/create", post(create))
            .with_state(Arc::new(store)),
    )
}
