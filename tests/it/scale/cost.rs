//! What a request may cost, and what it did cost.

use std::collections::BTreeSet;

use axum::http::Method;
use dapi_mock::store::Store;
use serde_json::Value;
use tokio::time::timeout;

use super::HANGS;
use super::filled::{MEMBERS, TOKENS, USERS};
use crate::support::{Answer, Backend, Client, World};

/// The maximum cost of a request: instructions of SQLite, of which a row takes some tens and the smallest request 50,000,
/// or rows that PostgreSQL finds in its indexes and tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    instructions: u64,
    rows: u64,
}

const fn limit_of(instructions: i64, rows: i64) -> Limit {
    Limit { instructions: instructions.unsigned_abs(), rows: rows.unsigned_abs() }
}

/// For a request about one thing, or one page of a list: some hundreds of rows, and occasionally a thousand more when the
/// shared journal is trimmed.
pub(super) const FOR_ONE: Limit = limit_of(200_000, 2000);

/// For a request about one group with all its members.
pub(super) const FOR_GROUP: Limit = limit_of(600 * MEMBERS, 10 * MEMBERS);

/// For a page of ten groups with all their members.
pub(super) const FOR_TEN_GROUPS: Limit = limit_of(1000 * MEMBERS, 30 * MEMBERS);

/// Known to look through all live tokens: `live_tokens` of a workspace is their number, and what comes next is sorted
/// out of the first ten thousand.
pub(super) const FOR_TOKENS: Limit = limit_of(250 * TOKENS, 3 * TOKENS);

/// Known to look through all users for a page of ten: `totalResults` is how many of them are in the workspace, directly
/// or by nested groups.
pub(super) const FOR_COUNT: Limit = limit_of(100 * USERS, 5 * USERS);

/// For a request that has to read all users and their groups once. Comparing all users with each other would take 400,000,000.
pub(super) const FOR_ALL: Limit = limit_of(800 * USERS, 30 * USERS);

/// Instructions of SQLite or rows of PostgreSQL so far.
pub(super) async fn work(world: &World) -> u64 {
    // The functions behind `seq_tup_read` and `idx_tup_read`: their views go through the schemas of all other tests.
    const ROWS: &str = "SELECT CAST(SUM(pg_stat_get_tuples_returned(c.oid)) AS BIGINT) FROM pg_class c
         WHERE c.relnamespace = CAST(current_schema() AS regnamespace) AND c.relkind IN ('r', 'i')";
    match world.service.store() {
        Store::Postgres(pool) => {
            // Each connection has its own counts, and this pool has one connection.
            sqlx::raw_sql("SELECT pg_stat_force_next_flush()").execute(pool.unlimited()).await.unwrap();
            let rows: i64 = sqlx::query_scalar(ROWS).fetch_one(pool.unlimited()).await.unwrap();
            rows.unsigned_abs()
        }
        store @ Store::Sqlite { .. } => store.sqlite_instructions().unwrap(),
    }
}

/// Collects the cost of every request.
pub(super) struct Judge {
    backend: Backend,
    pub(super) told: Vec<String>,
    pub(super) wrong: Vec<String>,
    pub(super) refused: BTreeSet<String>,
    pub(super) served: BTreeSet<String>,
}

impl Judge {
    pub(super) fn of(world: &World) -> Self {
        let (told, wrong, refused, served) = Default::default();
        Self { backend: world.backend, told, wrong, refused, served }
    }

    pub(super) fn judge(&mut self, operation: &str, what: &str, answer: &Answer, cost: u64, limit: Limit) {
        let limit = if matches!(self.backend, Backend::Postgres) { limit.rows } else { limit.instructions };
        let line = format!("{cost:>10} of {limit:>9} {} {what}", answer.status.as_u16());
        // Shown with --nocapture.
        println!("{line}");
        if cost > limit || answer.status.as_u16() == 500 || answer.status.as_u16() == 503 {
            self.wrong.push(line.clone());
        }
        let done = if answer.status.as_u16() < 400 { &mut self.served } else { &mut self.refused };
        done.insert(operation.to_owned());
        self.told.push(line);
    }
}

/// Sends one request to a server whose cache is empty.
pub(super) async fn ask(world: &World, client: Client<'_>, method: &Method, path: &str, body: &Value) -> (Answer, u64) {
    // Every change empties the cache. This one also restores the permission that earlier requests may have removed.
    world.permit_users(true).await;
    let before = work(world).await;
    // A text is a form.
    let (kind, body) = match body {
        Value::String(form) => ("application/x-www-form-urlencoded", form.clone()),
        body => ("application/json", body.to_string()),
    };
    let request = client.request(method, path).header("content-type", kind);
    let sent = world.send(request.body(body.into()).unwrap());
    let answer = timeout(HANGS, sent).await.unwrap_or_else(|_| panic!("{method} {path} hangs"));
    (answer, work(world).await - before)
}
