//! The binary is killed again and again during concurrent writes of nine kinds. After each start every acknowledged change
//! is there, a change in flight happened as a whole or not at all, and the audit log agrees.
//!
//! `tests/kills` runs it with more kills and the release binary.

mod actors;
mod load;
mod starts;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dapi_mock::store::Database;
use reqwest::Method;
use serde_json::Value;

use crate::support::ADMIN_TOKEN;

/// The admin's token in the workspace that is reset again and again.
const OTHER_ADMIN: &str = "dapi00000000000000000000000000000042";

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
        Self { child, port: ready.unwrap_or_else(|| panic!("the server does not start: {}", log())) }
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

/// A client that knows what the server must have: its acknowledged changes, and perhaps one change whose answer was lost.
trait Actor: Send {
    /// The next change. It is pending until it is acknowledged or settled.
    fn next(&mut self) -> Change;
    /// The pending change is done.
    fn acknowledged(&mut self, answer: &Value);
    /// Compares with the state after a start, which decides the pending change.
    fn settle(&mut self, seen: &ServerState);
    /// Compares with the whole audit log, which must have each change once.
    fn agree(&self, events: &[Event]);
    /// Token values, and whether each must work.
    fn values(&self) -> Vec<(String, bool)> {
        Vec::new()
    }
}

/// The state after a start.
struct ServerState {
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

    async fn see(&self) -> ServerState {
        let users = self.look("/api/2.0/preview/scim/v2/Users?count=10000", ADMIN_TOKEN).await;
        let others = self.look("/api/2.0/token/list", OTHER_ADMIN).await;
        let workspaces = self.look("/_mock/v1/workspaces", ADMIN_TOKEN).await;
        ServerState {
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
