//! What docs/durability.md promises: files that are refused, full and read-only disks, two servers on a file, and backups.

mod backups;
mod disks;
mod files;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use dapi_mock::store::{Database, Store};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{ADMIN, Server, run_sql};

const ARGUMENTS: [&str; 4] = ["--port", "0", "--admin-token", ADMIN];

fn database(path: &Path) -> Database {
    Database::SqliteFile(path.to_str().unwrap().to_owned())
}

/// A database of dapi-mock, of some hundred kilobytes.
async fn ours(path: &Path) -> Vec<u8> {
    Store::open(&database(path)).await.unwrap().close().await;
    let mut rows = String::from("PRAGMA wal_checkpoint(TRUNCATE);");
    for n in 0..500 {
        write!(rows, "INSERT INTO accounts VALUES ('account {n} {}', {n});", "x".repeat(300)).unwrap();
    }
    run_sql(&database(path), rows).await;
    std::fs::read(path).unwrap()
}

/// A shell or wrapper that starts the server in its own process.
fn shell(folder: &TempDir, words: &[&str]) -> Command {
    let mut shell = Command::new(words[0]);
    shell.args(&words[1..]).current_dir(folder.path()).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

fn create(server: &Server, comment: &str) -> (String, Option<String>) {
    let answer = server.post("/api/2.0/token/create", &json!({"comment": comment}));
    let body: Option<Value> = answer.split("\r\n\r\n").nth(1).and_then(|body| serde_json::from_str(body).ok());
    let value = body.and_then(|body| body["token_value"].as_str().map(str::to_owned));
    (answer, value)
}

async fn integrity(file: &Path) -> String {
    let pool = sqlx::SqlitePool::connect(&database(file).to_string()).await.unwrap();
    let found = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&pool).await.unwrap();
    pool.close().await;
    found
}
