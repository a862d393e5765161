//! The binary is killed again and again under concurrent writes of several kinds. After each start all that was
//! acknowledged is there, what was in flight happened as a whole or not at all, and the audit log agrees.
//!
//! `tests/kills` runs it with more kills and the release binary.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dapi_mock::domain::Millis;
use dapi_mock::store::Database;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::harness::{ADMIN_TOKEN, Backend, World, fresh_database};
use crate::people::admins_may_manage;
use crate::upgrades::{holds, on_lasting_stores, restore};

on_lasting_stores!(
    what_was_acknowledged_survives_kills,
    a_first_start_that_is_killed_is_begun_anew,
    a_migration_that_is_killed_is_begun_anew,
);

/// The admin's token in the workspace that is reset again and again.
const OTHER_ADMIN: &str = "dapi00000000000000000000000000000042";
/// How often the binary is killed, unless `TEST_KILLS` says otherwise.
const KILLS: u64 = 8;

#[expect(clippy::disallowed_methods, reason = "the tests' own settings")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

struct Process {
    child: Child,
    port: u16,
}

fn spawn(database: &Database, folder: &Path) -> Child {
    let binary = setting("TEST_KILLS_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_dapi-mock").to_owned());
    let database = match database {
        Database::Postgres(url) => url.clone(),
        file => file.to_string(),
    };
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    let mut command = Command::new(binary);
    command.args(["--port", "0", "--host", "127.0.0.1", "--tls", "off", "--log-level", "error"]);
    command.args(["--sweep-interval", "1", "--admin-token", ADMIN_TOKEN, "--database", &database]);
    command.current_dir(folder).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap()
}

impl Process {
    fn start(database: &Database, folder: &Path) -> Self {
        let mut child = spawn(database, folder);
        let ready = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap).find_map(|line| {
            let host = line.strip_prefix("dapi-mock ready host=http://127.0.0.1:")?;
            host.split(' ').next()?.parse().ok()
        });
        let log = || std::fs::read_to_string(folder.join("log")).unwrap();
        Self { child, port: ready.unwrap_or_else(|| panic!("it does not start: {}", log())) }
    }
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// One client's change.
struct Change {
    method: Method,
    path: String,
    token: &'static str,
    body: Value,
}

impl Change {
    fn new(method: Method, path: impl Into<String>, body: Value) -> Self {
        Self { method, path: path.into(), token: ADMIN_TOKEN, body }
    }
}

/// A client that knows what has to be there: what it was told is done, and at most one change that it was
/// not told the end of.
trait Actor: Send {
    /// The next change. It is pending until it is acknowledged or settled.
    fn next(&mut self) -> Change;
    /// The pending change is done.
    fn acknowledged(&mut self, answer: &Value);
    /// Compares with what is there after a start, by which the pending change is settled.
    fn settle(&mut self, seen: &Seen);
    /// Compares with the whole audit log, which has each change that was done once.
    fn agree(&self, events: &[Event]);
    /// Token values, and whether they are to be let in.
    fn values(&self) -> Vec<(String, bool)> {
        Vec::new()
    }
}

/// What a start has found.
struct Seen {
    tokens: Vec<Value>,
    conf: Value,
    permissions: Value,
    clock: Value,
    users: BTreeMap<String, String>,
    others: Vec<String>,
    workspaces: BTreeSet<u64>,
}

struct Event {
    action: String,
    parameters: Value,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn array(value: &Value, name: &str) -> Vec<Value> {
    value[name].as_array().cloned().unwrap_or_default()
}

struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    fn of(process: &Process) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        Self { http, base: format!("http://127.0.0.1:{}", process.port) }
    }

    /// The status and the whole answer, if it came.
    async fn send(&self, change: &Change) -> Option<(u16, Value)> {
        let url = format!("{}{}", self.base, change.path);
        let request = self.http.request(change.method.clone(), url).bearer_auth(change.token).json(&change.body);
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let text = answer.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    async fn get(&self, path: &str, token: &str) -> (u16, String) {
        let answer = self.http.get(format!("{}{path}", self.base)).bearer_auth(token).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn look(&self, path: &str, token: &str) -> Value {
        let (status, text) = self.get(path, token).await;
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn see(&self) -> Seen {
        let users = self.look("/api/2.0/preview/scim/v2/Users?count=10000", ADMIN_TOKEN).await;
        let others = self.look("/api/2.0/token/list", OTHER_ADMIN).await;
        let workspaces = self.look("/_mock/v1/workspaces", ADMIN_TOKEN).await;
        Seen {
            tokens: array(&self.look("/api/2.0/token/list", ADMIN_TOKEN).await, "token_infos"),
            conf: self.look("/api/2.0/workspace-conf?keys=maxTokenLifetimeDays", ADMIN_TOKEN).await,
            permissions: self.look("/api/2.0/permissions/authorization/tokens", ADMIN_TOKEN).await,
            clock: self.look("/_mock/v1/workspaces/default/clock", ADMIN_TOKEN).await,
            users: array(&users, "Resources").iter().map(|user| (text(&user["userName"]), text(&user["id"]))).collect(),
            others: array(&others, "token_infos").iter().map(|token| text(&token["comment"])).collect(),
            workspaces: array(&workspaces, "workspaces").iter().map(|it| text(&it["id"]).parse().unwrap()).collect(),
        }
    }

    async fn audit(&self) -> Vec<Event> {
        let mut lines = String::new();
        let mut after = String::from("0");
        loop {
            let url = format!("{}/_mock/v1/workspaces/default/audit?after={after}", self.base);
            let answer = self.http.get(url).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            answer.headers()["x-next-after"].to_str().unwrap().clone_into(&mut after);
            let page = answer.text().await.unwrap();
            if page.is_empty() {
                break;
            }
            lines.push_str(&page);
        }
        let events = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let succeeded = events.filter(|event| event["response"]["statusCode"] == 200);
        succeeded
            .map(|event| Event { action: text(&event["actionName"]), parameters: event["requestParams"].clone() })
            .collect()
    }
}

fn count(events: &[Event], action: &str, name: &str, value: &str) -> usize {
    events.iter().filter(|event| event.action == action && event.parameters[name] == value).count()
}

#[derive(Clone)]
struct Token {
    id: String,
    /// Unknown where the answer was lost.
    value: Option<String>,
    comment: String,
    updates: usize,
}

/// Creates, updates and revokes tokens.
struct Tokens {
    name: String,
    turn: usize,
    live: Vec<Token>,
    revoked: Vec<Token>,
    pending: Option<TokenChange>,
}

enum TokenChange {
    Create(String),
    /// Of the newest.
    Update(String),
    /// Of the oldest.
    Revoke,
}

impl Tokens {
    fn done(&mut self, change: TokenChange, id: &str, value: Option<String>) {
        match change {
            TokenChange::Create(comment) => self.live.push(Token { id: id.to_owned(), value, comment, updates: 0 }),
            TokenChange::Update(comment) => {
                let newest = self.live.last_mut().unwrap();
                newest.comment = comment;
                newest.updates += 1;
            }
            TokenChange::Revoke => self.revoked.push(self.live.remove(0)),
        }
    }
}

impl Actor for Tokens {
    fn next(&mut self) -> Change {
        self.turn += 1;
        let comment = format!("{} {}", self.name, self.turn);
        let newest = self.live.last().map(|token| token.id.clone());
        let oldest = self.live.first().map(|token| token.id.clone());
        let (pending, change) = match (self.turn % 5, newest, oldest) {
            (3, Some(id), _) => {
                let body = json!({"token": {"comment": comment}, "update_mask": "comment"});
                let change = Change::new(Method::PATCH, format!("/api/2.0/token/{id}"), body);
                (TokenChange::Update(comment), change)
            }
            (turn, _, Some(id)) if turn == 4 || self.live.len() >= 40 => {
                let change = Change::new(Method::POST, "/api/2.0/token/delete", json!({"token_id": id}));
                (TokenChange::Revoke, change)
            }
            _ => {
                let body = json!({"comment": comment, "lifetime_seconds": 86_400});
                (TokenChange::Create(comment), Change::new(Method::POST, "/api/2.0/token/create", body))
            }
        };
        self.pending = Some(pending);
        change
    }

    fn acknowledged(&mut self, answer: &Value) {
        let change = self.pending.take().unwrap();
        let id = answer["token_info"]["token_id"].as_str().unwrap_or_default();
        self.done(change, id, answer["token_value"].as_str().map(str::to_owned));
    }

    fn settle(&mut self, seen: &Seen) {
        let prefix = format!("{} ", self.name);
        let mut there = BTreeMap::new();
        for row in seen.tokens.iter().filter(|row| text(&row["comment"]).starts_with(&prefix)) {
            let created = row["creation_time"].as_i64().unwrap();
            assert_eq!(row["expiry_time"].as_i64().unwrap(), created + 86_400_000, "it is whole: {row}");
            there.insert(text(&row["token_id"]), text(&row["comment"]));
        }
        if let Some(change) = self.pending.take() {
            let of = |token: Option<&Token>| token.and_then(|token| there.get(&token.id)).cloned();
            let id = match &change {
                TokenChange::Create(comment) => there.iter().find(|(_, it)| *it == comment).map(|(id, _)| id.clone()),
                TokenChange::Update(comment) => of(self.live.last()).filter(|it| it == comment),
                TokenChange::Revoke if of(self.live.first()).is_none() => Some(String::new()),
                TokenChange::Revoke => None,
            };
            if let Some(id) = id {
                self.done(change, &id, None);
            }
        }
        let expected = self.live.iter().map(|token| (token.id.clone(), token.comment.clone())).collect();
        assert_eq!(there, expected, "{}", self.name);
    }

    fn agree(&self, events: &[Event]) {
        for (token, revoked) in self.live.iter().map(|it| (it, 0)).chain(self.revoked.iter().map(|it| (it, 1))) {
            let counted = ["generateDbToken", "updateDbToken", "revokeDbToken"]
                .map(|action| count(events, action, "tokenId", &token.id));
            assert_eq!(counted, [1, token.updates, revoked], "{}", token.comment);
        }
    }

    fn values(&self) -> Vec<(String, bool)> {
        let value = |live: bool| move |token: &Token| Some((token.value.clone()?, live));
        self.live.iter().filter_map(value(true)).chain(self.revoked.iter().filter_map(value(false))).collect()
    }
}

/// A number that only grows: a setting, a group with the permission, a clock.
struct Number {
    changed: u64,
    is_pending: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Conf,
    Permission,
    Clock,
}

const GROUPS: u64 = 3;

impl Actor for Number {
    fn next(&mut self) -> Change {
        self.is_pending = true;
        let next = self.changed + 1;
        match self.kind {
            Kind::Conf => {
                let days = (100 + next % 600).to_string();
                Change::new(Method::PATCH, "/api/2.0/workspace-conf", json!({"maxTokenLifetimeDays": days}))
            }
            Kind::Permission => {
                let entry = json!({"group_name": format!("group {}", next % GROUPS), "permission_level": "CAN_USE"});
                let body = json!({"access_control_list": [entry, admins_may_manage()]});
                Change::new(Method::PUT, "/api/2.0/permissions/authorization/tokens", body)
            }
            Kind::Clock => Change::new(Method::POST, "/_mock/v1/workspaces/default/clock/advance", json!({"by": "1s"})),
        }
    }

    fn acknowledged(&mut self, _: &Value) {
        self.changed += 1;
        self.is_pending = false;
    }

    fn settle(&mut self, seen: &Seen) {
        let expected = |changed: u64| match self.kind {
            _ if changed == 0 => None,
            Kind::Conf => Some(json!({"maxTokenLifetimeDays": (100 + changed % 600).to_string()})),
            Kind::Permission => Some(json!([format!("group {}", changed % GROUPS)])),
            Kind::Clock => Some(json!(changed * 1000)),
        };
        let there = match self.kind {
            Kind::Conf => seen.conf.clone(),
            Kind::Permission => {
                let entries = array(&seen.permissions, "access_control_list");
                let groups = entries.iter().map(|entry| entry["group_name"].clone());
                groups.filter(|name| name != "admins").collect()
            }
            Kind::Clock => seen.clock["offset_ms"].clone(),
        };
        if std::mem::take(&mut self.is_pending) && expected(self.changed + 1).as_ref() == Some(&there) {
            self.changed += 1;
        }
        if let Some(expected) = expected(self.changed) {
            assert_eq!(there, expected, "{:?} after {}", self.kind, self.changed);
        }
    }

    fn agree(&self, events: &[Event]) {
        let counted = match self.kind {
            Kind::Conf => count(events, "workspaceConfEdit", "workspaceConfKeys", "maxTokenLifetimeDays"),
            Kind::Permission => count(events, "changeDbTokenAcl", "aclPermissionSet", "CAN_USE"),
            // Only what it brings about is in the log.
            Kind::Clock => return,
        };
        assert_eq!(counted, usize::try_from(self.changed).unwrap(), "{:?}", self.kind);
    }
}

/// Adds users, and takes every second one out.
#[derive(Default)]
struct Users {
    turn: u64,
    present: BTreeMap<String, String>,
    removed: Vec<String>,
    pending: Option<(String, bool)>,
}

impl Actor for Users {
    fn next(&mut self) -> Change {
        self.turn += 1;
        let oldest = self.present.iter().next().map(|(name, id)| (name.clone(), id.clone()));
        if let Some((name, id)) = oldest.filter(|_| self.turn.is_multiple_of(2)) {
            self.pending = Some((name, false));
            return Change::new(Method::DELETE, format!("/api/2.0/preview/scim/v2/Users/{id}"), Value::Null);
        }
        let name = format!("user-{:06}@example.com", self.turn);
        self.pending = Some((name.clone(), true));
        Change::new(Method::POST, "/api/2.0/preview/scim/v2/Users", json!({"userName": name}))
    }

    fn acknowledged(&mut self, answer: &Value) {
        let (name, added) = self.pending.take().unwrap();
        if added {
            self.present.insert(name, text(&answer["id"]));
        } else {
            self.present.remove(&name);
            self.removed.push(name);
        }
    }

    fn settle(&mut self, seen: &Seen) {
        let there: BTreeMap<_, _> = seen
            .users
            .iter()
            .filter(|(name, _)| name.starts_with("user-"))
            .map(|(a, b)| (a.clone(), b.clone()))
            .collect();
        if let Some((name, added)) = self.pending.take() {
            match there.get(&name) {
                Some(id) if added => drop(self.present.insert(name, id.clone())),
                None if !added => {
                    self.present.remove(&name);
                    self.removed.push(name);
                }
                _ => {}
            }
        }
        assert_eq!(there, self.present);
    }

    fn agree(&self, events: &[Event]) {
        for name in self.present.keys().chain(&self.removed) {
            assert_eq!(count(events, "add", "targetUserName", name), 1, "{name}");
            let gone = usize::from(self.removed.contains(name));
            assert_eq!(count(events, "delete", "targetUserName", name), gone, "{name}");
        }
    }
}

/// Fills another workspace, and puts it back to its checkpoint: as a whole or not at all.
#[derive(Default)]
struct Resets {
    turn: u64,
    since: BTreeSet<String>,
    pending: Option<ResetChange>,
}

enum ResetChange {
    Create(String),
    Reset,
}

impl Actor for Resets {
    fn next(&mut self) -> Change {
        self.turn += 1;
        if self.turn.is_multiple_of(4) {
            self.pending = Some(ResetChange::Reset);
            return Change::new(Method::POST, "/_mock/v1/workspaces/42/reset", json!({"to": "base"}));
        }
        let comment = format!("since {}", self.turn);
        let change = Change::new(Method::POST, "/api/2.0/token/create", json!({"comment": comment}));
        self.pending = Some(ResetChange::Create(comment));
        Change { token: OTHER_ADMIN, ..change }
    }

    fn acknowledged(&mut self, _: &Value) {
        match self.pending.take().unwrap() {
            ResetChange::Create(comment) => drop(self.since.insert(comment)),
            ResetChange::Reset => self.since.clear(),
        }
    }

    fn settle(&mut self, seen: &Seen) {
        assert!(seen.others.iter().any(|comment| comment == "base"));
        let there: BTreeSet<_> = seen.others.iter().filter(|comment| comment.starts_with("since ")).cloned().collect();
        match self.pending.take() {
            Some(ResetChange::Create(comment)) if there.contains(&comment) => drop(self.since.insert(comment)),
            Some(ResetChange::Reset) if there.is_empty() => self.since.clear(),
            _ => {}
        }
        assert_eq!(there, self.since);
    }

    fn agree(&self, _: &[Event]) {}
}

/// Makes workspaces and removes them.
struct Spaces {
    turn: u64,
    present: Option<u64>,
    pending: bool,
}

impl Actor for Spaces {
    fn next(&mut self) -> Change {
        self.pending = true;
        if let Some(id) = self.present {
            return Change::new(Method::DELETE, format!("/_mock/v1/workspaces/{id}"), json!({}));
        }
        self.turn += 1;
        Change::new(Method::POST, "/_mock/v1/workspaces", json!({"id": 1000 + self.turn, "template": "leaky"}))
    }

    fn acknowledged(&mut self, _: &Value) {
        self.pending = false;
        self.present = if self.present.is_some() { None } else { Some(1000 + self.turn) };
    }

    fn settle(&mut self, seen: &Seen) {
        let there: Vec<u64> = seen.workspaces.iter().copied().filter(|id| (1000..100_000).contains(id)).collect();
        if std::mem::take(&mut self.pending) {
            let other = if self.present.is_some() { None } else { Some(1000 + self.turn) };
            if there == Vec::from_iter(other) {
                self.present = other;
            }
        }
        assert_eq!(there, Vec::from_iter(self.present));
    }

    fn agree(&self, _: &[Event]) {}
}

fn actors() -> Vec<Box<dyn Actor>> {
    let mut actors: Vec<Box<dyn Actor>> = Vec::new();
    for name in ["one", "two", "three"] {
        let tokens = Tokens { name: name.to_owned(), turn: 0, live: Vec::new(), revoked: Vec::new(), pending: None };
        actors.push(Box::new(tokens));
    }
    for kind in [Kind::Conf, Kind::Permission, Kind::Clock] {
        actors.push(Box::new(Number { changed: 0, is_pending: false, kind }));
    }
    actors.push(Box::new(Users::default()));
    actors.push(Box::new(Resets::default()));
    actors.push(Box::new(Spaces { turn: 0, present: None, pending: false }));
    actors
}

/// Changes one thing after the other until the server is gone; answers how many were acknowledged.
async fn act(actor: &mut dyn Actor, process: &Client, acknowledgement: &Notify) -> usize {
    let mut acknowledged = 0;
    loop {
        let change = actor.next();
        let Some((status, answer)) = process.send(&change).await else { return acknowledged };
        assert!((200..300).contains(&status), "{} {}: {status} {answer}", change.method, change.path);
        actor.acknowledged(&answer);
        acknowledgement.notify_waiters();
        acknowledged += 1;
    }
}

/// What the actors go by: groups to permit, and a workspace with a checkpoint.
async fn prepare(client: &Client) {
    let mut changes: Vec<Change> = (0..GROUPS)
        .map(|n| {
            Change::new(Method::POST, "/api/2.0/preview/scim/v2/Groups", json!({"displayName": format!("group {n}")}))
        })
        .collect();
    changes.push(Change::new(Method::POST, "/_mock/v1/workspaces", json!({"id": 42, "admin_token": OTHER_ADMIN})));
    let base = Change::new(Method::POST, "/api/2.0/token/create", json!({"comment": "base"}));
    changes.push(Change { token: OTHER_ADMIN, ..base });
    changes.push(Change::new(Method::PUT, "/_mock/v1/workspaces/42/checkpoints/base", json!({})));
    for change in changes {
        let (status, answer) = client.send(&change).await.unwrap();
        assert!((200..300).contains(&status), "{} {answer}", change.path);
    }
}

/// Live tokens are let in, and those that were revoked are not.
async fn authenticate(client: &Client, values: &[(String, bool)]) {
    for (value, live) in values {
        let (status, answer) = client.get("/api/2.0/preview/scim/v2/Me", value).await;
        assert_eq!(status, if *live { 200 } else { 403 }, "{answer}");
    }
}

async fn what_was_acknowledged_survives_kills(backend: Backend) {
    let kills: u64 = setting("TEST_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let (database, folder) = fresh_database(backend).await;
    let folder = folder.unwrap_or_else(|| tempfile::tempdir().unwrap());
    let mut actors = actors();
    let mut acknowledged = vec![0; actors.len()];
    let (mut checked, mut starts_killed) = (0, 0);
    let mut process = Process::start(&database, folder.path());
    prepare(&Client::of(&process)).await;
    for round in 0..kills {
        let client = Client::of(&process);
        let acknowledgements: Vec<Notify> = actors.iter().map(|_| Notify::new()).collect();
        let acting = actors.iter_mut().zip(&acknowledgements).map(|(actor, told)| act(actor.as_mut(), &client, told));
        let killing = async {
            // Moments spread over half a second, most of them in the middle of writes; every second time right
            // after an answer, of one client after the other: what was acknowledged too early is then lost.
            tokio::time::sleep(Duration::from_millis(30 + round * 137 % 500)).await;
            if let (0, Some(told)) =
                (round % 2, acknowledgements.iter().cycle().nth(usize::try_from(round / 2).unwrap()))
            {
                let _ = tokio::time::timeout(Duration::from_secs(1), told.notified()).await;
            }
            kill(process.child);
        };
        let ((), done) = tokio::join!(killing, join_all(acting));
        acknowledged.iter_mut().zip(done).for_each(|(sum, done)| *sum += done);
        if round % 3 == 0 {
            let child = spawn(&database, folder.path());
            tokio::time::sleep(Duration::from_millis(round * 7 % 50)).await;
            kill(child);
            starts_killed += 1;
        }
        process = Process::start(&database, folder.path());
        let client = Client::of(&process);
        let seen = client.see().await;
        for actor in &mut actors {
            actor.settle(&seen);
            // All of them at the end; now those of this round, and some older ones.
            let values = actor.values();
            let some: Vec<_> = values.iter().rev().take(5).chain(values.iter().take(5)).cloned().collect();
            authenticate(&client, &some).await;
            checked += some.len();
        }
        if let Database::SqliteFile(path) = &database {
            let pool = sqlx::SqlitePool::connect(&format!("sqlite:{path}")).await.unwrap();
            let found: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&pool).await.unwrap();
            assert_eq!(found, "ok");
            pool.close().await;
        }
    }
    let client = Client::of(&process);
    let events = client.audit().await;
    for actor in &actors {
        actor.agree(&events);
        authenticate(&client, &actor.values()).await;
        checked += actor.values().len();
    }
    kill(process.child);
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(!log.contains("panic") && !log.contains("defect"), "{log}");
    assert!(acknowledged.iter().all(|done| *done > 0), "not of every kind: {acknowledged:?}");
    let acknowledged: usize = acknowledged.iter().sum();
    println!(
        "{backend:?}: {kills} kills under load and {starts_killed} at a start survived; {acknowledged} changes \
         acknowledged and found again, in the audit log once; {checked} tokens presented: all live ones let in, \
         all revoked ones refused"
    );
}

/// Kills a starting server after longer and longer times, until it has started; answers how often it was killed.
async fn kill_starts(database: &Database, folder: &Path) -> u32 {
    let mut killed = 0;
    for after in [0, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120] {
        let child = spawn(database, folder);
        tokio::time::sleep(Duration::from_millis(after)).await;
        kill(child);
        killed += 1;
    }
    killed
}

async fn a_first_start_that_is_killed_is_begun_anew(backend: Backend) {
    let mut killed = 0;
    for _ in 0..2 {
        let (database, folder) = fresh_database(backend).await;
        let folder: TempDir = folder.unwrap_or_else(|| tempfile::tempdir().unwrap());
        killed += kill_starts(&database, folder.path()).await;
        let process = Process::start(&database, folder.path());
        let client = Client::of(&process);
        assert_eq!(array(&client.look("/api/2.0/token/list", ADMIN_TOKEN).await, "token_infos").len(), 1);
        assert_eq!(array(&client.look("/_mock/v1/workspaces", ADMIN_TOKEN).await, "workspaces").len(), 1);
        kill(process.child);
    }
    println!("{backend:?}: {killed} kills during a first start survived");
}

async fn a_migration_that_is_killed_is_begun_anew(backend: Backend) {
    let (database, folder, facts) = restore(backend, 3).await;
    let logs = tempfile::tempdir().unwrap();
    let killed = kill_starts(&database, logs.path()).await;
    let world = World::over(backend, database, folder, Millis(facts["made_at"].as_i64().unwrap())).await;
    holds(&world, &facts).await;
    println!("{backend:?}: {killed} kills during a migration survived");
}
