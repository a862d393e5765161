//! Time, explanations and the audit log as a user meets them: the commands beside a running server,
//! the audit log's file, and who is kept out of the control API.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Server, command, exchange, get, start, start_in};

pub(crate) const ADMIN: &str = "dapi00000000000000000000000000000007";
pub(crate) const MEMORY: [&str; 6] = ["--port", "0", "--database", "sqlite::memory:", "--admin-token", ADMIN];

impl Server {
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Runs `dapi-mock ARGS --port …` and answers what it printed, or what it complained of.
    pub(crate) fn run(&self, args: &[&str]) -> Result<String, String> {
        let output = command(&self.folder).args(args).args(["--port", &self.port.to_string()]).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> String {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {ADMIN}\r\nContent-Type: application/json\r\n",
            self.address()
        );
        exchange(&self.address(), &head, &body.to_string())
    }

    /// Creates a token and answers its value and id.
    pub(crate) fn create(&self, body: &Value) -> (String, String) {
        let answer = self.post("/api/2.0/token/create", body);
        let json: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap_or_else(|error| {
            panic!("{error}: {answer}");
        });
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&json["token_value"]), text(&json["token_info"]["token_id"]))
    }

    pub(crate) fn list(&self, token: &str) -> String {
        get(&self.address(), "/api/2.0/token/list", token)
    }
}

/// A line's columns.
fn columns(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect()
}

#[test]
fn the_clock_is_moved_by_a_command() {
    let server = start(&MEMORY);
    let (_, short) = server.create(&json!({"lifetime_seconds": 3600}));
    let (_, idle) = server.create(&json!({}));
    let clock = |args: &[&str]| server.run(&[&["clock"], args].concat());
    let frozen = clock(&["--freeze"]).unwrap();
    assert!(frozen.ends_with(" (frozen)\n"), "{frozen}");
    assert_eq!(clock(&[]).unwrap(), frozen, "it stands still");
    let upcoming = clock(&["--upcoming"]).unwrap();
    let first = columns(upcoming.lines().next().unwrap());
    assert_eq!(first[1..], ["token.expired", &short, "admin@example.com"], "{upcoming}");
    assert!(clock(&["--until", "token.expired"]).unwrap().contains(&format!("token.expired  {short}  admin@")));
    let idle_gone = clock(&["--until", &format!("token:{idle}")]).unwrap();
    assert!(idle_gone.lines().any(|line| columns(line).contains(&idle.as_str())), "{idle_gone}");
    assert!(idle_gone.contains("token.auto_revoked"), "{idle_gone}");
    assert!(clock(&["--by", "PT2H"]).is_ok());
    assert!(clock(&["--to", "2199-01-01T00:00:00Z"]).unwrap().ends_with("2199-01-01T00:00:00.000Z (frozen)\n"));
    assert!(clock(&["--run"]).unwrap().contains("2199-01-01T00:00:0"));
    assert_ne!(clock(&[]).unwrap(), clock(&[]).unwrap(), "it runs");
    for (args, says) in [
        (&["--to", "2020-01-01T00:00:00Z"][..], "cannot be set back"),
        (&["--by", "soon"], "'soon' for '--by <DURATION>': not a duration"),
        (&["--until", "token.expired"], "Nothing is to come"),
        (&["--by", "1d", "--freeze"], "cannot be used with"),
        (&["--workspace", "12"], "12"),
        (&["--workspace", "nightly"], "There is no workspace with the id or name 'nightly'"),
    ] {
        let error = clock(args).unwrap_err();
        assert!(error.contains(says), "{args:?}: {error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let nobody = command(&folder).args(["clock", "--port", "1"]).output().unwrap();
    assert!(String::from_utf8(nobody.stderr).unwrap().contains("no server answers at http://127.0.0.1:1"));
}

#[test]
fn a_refusal_is_explained_by_a_command() {
    let server = start(&MEMORY);
    let (value, id) = server.create(&json!({"lifetime_seconds": 60}));
    let allowed = server.list(&value);
    let request_id = allowed.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
    let allowed = server.run(&["explain", request_id]).unwrap();
    assert!(allowed.starts_with("GET /api/2.0/token/list -> 200\n") && !allowed.contains("NO"), "{allowed}");
    server.run(&["clock", "--by", "1m"]).unwrap();
    assert!(server.list(&value).contains("Invalid access token."));
    let refused = server.run(&["explain", "--last"]).unwrap();
    for says in [
        "GET /api/2.0/token/list -> 403\n",
        "  NO  not_expired              it expired at ",
        "answered: Invalid access token. [ReqId: ",
        "remedy:   Create a new token",
        &format!("token:    {id} of admin@example.com, last used: 2"),
        ": expired (System-User)\n",
    ] {
        assert!(refused.contains(says), "{says}: {refused}");
    }
    assert!(!refused.contains(&value));
    assert!(server.run(&["explain", "no/such?id"]).unwrap_err().contains("Unknown request 'no/such?id'"));
    assert!(server.run(&["explain"]).unwrap_err().contains("REQUEST_ID"));
}

#[test]
fn the_audit_log_is_followed_by_a_command() {
    let server = start(&MEMORY);
    let (_, first) = server.create(&json!({}));
    let port = server.port.to_string();
    let follow = [
        "audit",
        "--output",
        "json",
        "--follow",
        "--action",
        "generateDbToken",
        "--actor",
        "admin@example.com",
        "--port",
        &port,
    ];
    let mut follower = command(&server.folder).args(follow).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["requestParams"]["tokenHash"], first);
    for _ in 0..3 {
        let (_, id) = server.create(&json!({}));
        assert_eq!(next()["requestParams"]["tokenHash"], id, "as it comes, and nothing else");
    }
    follower.kill().unwrap();
    follower.wait().unwrap();
    let lines = |args: &[&str]| server.run(&[&["audit", "-o", "json"], args].concat()).unwrap().lines().count();
    assert_eq!(lines(&["--action", "generateDbToken"]), 4);
    assert_eq!(lines(&["--actor", "nobody"]), 0);
    let row = server.run(&["audit", "--shape", "system_table", "--action", "tokenLogin"]).unwrap();
    assert!(row.starts_with('{') && row.contains("\"action_name\":\"tokenLogin\""), "{row}");
    assert!(server.run(&["audit", "--shape", "csv"]).unwrap_err().contains("use delivery, system_table or azure"));
    let rows = server.run(&["audit", "--action", "generateDbToken"]).unwrap();
    let row = columns(rows.lines().next().unwrap());
    assert_eq!(row[1..4], ["generateDbToken", "admin@example.com", "200"], "{rows}");
    assert!(row[4].contains(&format!("tokenHash={first}")), "{rows}");
    assert_eq!(server.run(&["audit", "--actor", "nobody"]).unwrap(), "no matching audit events\n");
}

#[test]
fn faults_are_armed_and_cleared_by_a_command() {
    let server = start(&MEMORY);
    let faults = |args: &[&str]| server.run(&[&["faults"], args].concat());
    assert_eq!(faults(&[]).unwrap(), "no faults are armed\n");
    let armed =
        faults(&["arm", "rate_limited", "--times", "2", "--method", "GET", "--path", "/api/2.0/token/*"]).unwrap();
    let about = "method=GET path=/api/2.0/token/*";
    assert_eq!(armed, format!("1  rate_limited  {about}  0 seen  0 fired  2 left\n"));
    assert!(server.list(ADMIN).starts_with("HTTP/1.1 429 "));
    assert_eq!(faults(&[]).unwrap(), format!("1  rate_limited  {about}  1 seen  1 fired  1 left\n"));
    assert!(server.run(&["explain", "--last"]).unwrap().contains("because:  Fault 1 (rate_limited) answered"));
    assert!(faults(&["arm", "oidc_down", "--times", "0"]).unwrap().ends_with("all left\n"));
    assert!(faults(&["arm", "oidc_up"]).unwrap_err().contains("there are: rate_limited"));
    assert!(faults(&["--workspace", "12"]).unwrap_err().contains("12"));
    assert!(faults(&["catalogue"]).unwrap().contains("reply_lost_after_create   The token is there"));
    assert_eq!(faults(&["clear"]).unwrap(), "all faults cleared\n");
    assert_eq!(faults(&[]).unwrap(), "no faults are armed\n");
    assert!(server.list(ADMIN).starts_with("HTTP/1.1 200 "));
}

#[test]
fn requests_are_shown_verified_and_counted_by_commands() {
    let server = start(&MEMORY);
    let requests = |args: &[&str]| server.run(&[&["requests"], args].concat()).unwrap();
    assert_eq!(requests(&[]), "no requests yet\n");
    assert_eq!(server.run(&["census"]).unwrap(), "no requests yet\n");
    server.list(ADMIN);
    get(&server.address(), "/api/2.0/token/lst", "");
    let lines = requests(&[]);
    let shown = columns(lines.lines().next().unwrap());
    assert_eq!(shown[1..7], ["200", "GET", "/api/2.0/token/list", "pat_bearer", "admin@example.com", "-"], "{lines}");
    assert!(lines.trim_end().ends_with("  NO credential_well_formed"), "{lines}");
    let widths: Vec<usize> = lines.lines().map(|line| line.find("/api/2.0/").unwrap()).collect();
    assert!(widths.len() == 2 && widths[0] == widths[1], "{lines}");
    assert_eq!(requests(&["--principal", "nobody"]), "no matching requests yet\n");
    assert!(requests(&["--refused"]).contains("/api/2.0/token/lst") && requests(&["--refused"]).lines().count() == 1);
    assert!(requests(&["--curl", "--status", "200"]).starts_with("curl -sS -X GET -H \"Authorization: Bearer $DATA"));
    assert!(requests(&["--har"]).contains("\"version\":\"1.2\""));
    let census = server.run(&["census", "--by", "credential"]).unwrap();
    assert!(census.contains("pat_bearer  1 requests  0 refused  last "), "{census}");
    let verify = |args: &[&str]| server.run(&[&["verify", "--path", "/api/2.0/token/list"], args].concat());
    assert_eq!(verify(&["--exactly", "1"]).unwrap(), "1 request matches\n");
    assert!(verify(&["--at-least", "2"]).unwrap_err().contains("Expected at least 2 of the requests with path"));
    assert!(verify(&["--exactly", "1", "--at-most", "1"]).unwrap_err().contains("cannot be used with"));
    assert_eq!(requests(&["--consume"]).lines().count(), 2);
    let port = server.port.to_string();
    let mut follower = command(&server.folder).args(["requests", "--follow", "--port", &port]).spawn().unwrap();
    let mut came = BufReader::new(follower.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        server.list(ADMIN);
        assert!(came.next().unwrap().unwrap().contains("GET  /api/2.0/token/list"), "as it comes");
    }
    follower.kill().unwrap();
    follower.wait().unwrap();
}

/// Waits until `found` says that it is there.
fn eventually<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "it did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn lines_of(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn log_path(folder: &TempDir) -> PathBuf {
    folder.path().join("audit.jsonl")
}

#[test]
fn the_audit_file_has_each_shape() {
    for (shape, action) in
        [("delivery", "/actionName"), ("system_table", "/action_name"), ("azure", "/properties/actionName")]
    {
        let server = start(&[&MEMORY[..], &["--audit-file", "audit.jsonl", "--audit-shape", shape]].concat());
        server.create(&json!({}));
        let path = log_path(&server.folder);
        let lines = eventually(|| Some(lines_of(&path)).filter(|lines| lines.len() >= 2));
        let actions: Vec<&str> = lines.iter().map(|line| line.pointer(action).unwrap().as_str().unwrap()).collect();
        assert_eq!(actions, ["tokenLogin", "generateDbToken"], "{shape}");
        server.create(&json!({}));
        let (_, _, folder) = server.stop("TERM");
        assert!(lines_of(&log_path(&folder)).len() > 2, "a stop in order writes the last events");
    }
}

#[test]
fn the_audit_file_rotates_and_five_old_ones_are_kept() {
    let args = ["--audit-file", "audit.jsonl", "--audit-shape", "system_table", "--audit-file-bytes", "2000"];
    let server = start(&[&MEMORY[..], &args].concat());
    for _ in 0..30 {
        server.create(&json!({}));
    }
    let all = server.run(&["audit", "--shape", "system_table"]).unwrap();
    let (_, _, folder) = server.stop("TERM");
    let numbered = |n: u32| folder.path().join(format!("audit.jsonl.{n}"));
    assert!(!numbered(6).exists());
    let mut kept = String::new();
    for n in (1..=5).rev() {
        let text = std::fs::read_to_string(numbered(n)).unwrap();
        assert!((1000..=2000).contains(&text.len()), "{n}: {}", text.len());
        kept.push_str(&text);
    }
    kept.push_str(&std::fs::read_to_string(log_path(&folder)).unwrap());
    assert!(all.ends_with(&kept), "the newest of the log, in order, without a gap");
}

#[test]
fn what_a_kill_kept_from_the_audit_file_comes_at_the_next_start_and_once() {
    let args = ["--port", "0", "--admin-token", ADMIN, "--audit-file", "audit.jsonl", "--audit-shape", "system_table"];
    let mut folder = tempfile::tempdir().unwrap();
    for round in 0..6 {
        let server = start_in(folder, &args);
        for _ in 0..round {
            server.create(&json!({}));
        }
        if round % 2 == 1 {
            // So that some are in the file, and some are not.
            let whole = |text: &str| text.lines().filter(|line| line.ends_with('}')).count();
            let written = || std::fs::read_to_string(log_path(&server.folder)).unwrap();
            let before = whole(&written());
            eventually(|| (whole(&written()) > before).then_some(()));
            server.create(&json!({}));
        }
        folder = server.stop("KILL").2;
        // As a kill in the middle of a line leaves it.
        let mut text = std::fs::read_to_string(log_path(&folder)).unwrap();
        text.push_str("{\"version\":\"2.0\",\"even");
        std::fs::write(log_path(&folder), text).unwrap();
    }
    let server = start_in(folder, &args);
    server.create(&json!({}));
    let log = server.run(&["audit", "--shape", "system_table"]).unwrap();
    let (_, _, folder) = server.stop("TERM");
    assert_eq!(std::fs::read_to_string(log_path(&folder)).unwrap(), log);
    let ids: BTreeSet<String> = lines_of(&log_path(&folder)).iter().map(|line| line["event_id"].to_string()).collect();
    assert!(ids.len() >= 18 && ids.len() == log.lines().count());

    // Another database: the file keeps what it has and gets all that the new one has.
    let other = start_in(folder, &[&args[..], &["--database", "sqlite::memory:"]].concat());
    other.create(&json!({}));
    let new = other.run(&["audit", "--shape", "system_table"]).unwrap();
    let (_, _, folder) = other.stop("TERM");
    assert_eq!(std::fs::read_to_string(log_path(&folder)).unwrap(), log + &new);
}

#[test]
fn an_audit_file_that_cannot_be_written_refuses_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(&folder).args(["--port", "0", "--audit-file", "no/such/folder/a"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("cannot write the audit log to no/such/folder/a"), "{error}");
}

const CLOCK: &str = "/_mock/v1/workspaces/default/clock";

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default()
}

/// Whoever disables tokens is told which admins that locks out, and how they come back.
#[test]
fn a_lock_out_is_in_the_log() {
    let server = start(&MEMORY);
    let ask = |method: &str, path: &str, body: &Value| -> Value {
        let headers = format!("Host: {}\r\nAuthorization: Bearer {ADMIN}", server.address());
        let answer =
            exchange(&server.address(), &format!("{method} {path} HTTP/1.1\r\n{headers}\r\n"), &body.to_string());
        serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap_or_default()
    };
    let scim = "/api/2.0/preview/scim/v2";
    let robot = ask("POST", &format!("{scim}/ServicePrincipals"), &json!({"displayName": "ci"}));
    let admins = &ask("GET", &format!("{scim}/Groups?filter=displayName%20eq%20admins"), &json!({}))["Resources"][0];
    let join = json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": robot["id"]}]}]});
    ask("PATCH", &format!("{scim}/Groups/{}", admins["id"].as_str().unwrap()), &join);
    let application = json!({"application_id": robot["applicationId"]});
    ask("POST", "/api/2.0/token-management/on-behalf-of/tokens", &application);
    ask("PATCH", "/api/2.0/workspace-conf", &json!({"enableTokensConfig": "true", "maxTokenLifetimeDays": "90"}));
    ask("PATCH", "/api/2.0/workspace-conf", &json!({"enableTokensConfig": "false"}));
    let (_, log, _) = server.stop("TERM");
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("WARN")).collect();
    let name = robot["applicationId"].as_str().unwrap();
    assert!(
        warnings.len() == 1 && warnings[0].contains(&format!("because they have no OAuth secret: {name}. ")),
        "{log}"
    );
    assert!(warnings[0].contains("/_mock/v1/workspaces/3274327432743274/conf"), "{log}");
}

#[test]
fn a_control_key_is_asked_for() {
    let server = start(&[&MEMORY[..], &["--control-key", "sesame"]].concat());
    for (key, expected) in [("", 401), ("wrong", 401), (ADMIN, 401), ("sesame", 200)] {
        assert_eq!(status(&get(&server.address(), CLOCK, key)), expected, "{key}");
    }
    assert!(server.run(&["clock"]).unwrap_err().contains("Send the control key"));
    assert!(server.run(&["clock", "--by", "1d", "--control-key", "sesame"]).is_ok());
    assert!(server.run(&["audit", "--control-key", "wrong"]).unwrap_err().contains("Send the control key"));
    assert!(server.list(ADMIN).starts_with("HTTP/1.1 200"), "the emulated API asks for none");
    let (_, log, _) = server.stop("TERM");
    assert!(!log.contains("sesame"));
}

/// At the control API and at both sign-in pages together.
#[tokio::test]
async fn guessing_the_control_key_is_slowed() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let server = start(&[&MEMORY[..], &["--control-key", "sesame"]].concat());
    let own = server.address();
    let shows = |key: &str| get(&own, CLOCK, key);
    for number in 0..5 {
        for _ in 0..2 {
            assert_eq!(status(&shows(&format!("guess {number}"))), 401);
        }
    }
    let types = |key: &str| {
        let cookie = get(&own, "/login", "");
        let cookie = cookie.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap().to_owned();
        let cookie = cookie.split(';').next().unwrap();
        let page = exchange(&own, &format!("GET /login HTTP/1.1\r\nHost: {own}\r\nCookie: {cookie}\r\n"), "");
        let form_token = page.split("name=\"form_token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let head = format!(
            "POST /login HTTP/1.1\r\nHost: {own}\r\nCookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        );
        exchange(&own, &head, &format!("form_token={form_token}&control_key={key}"))
    };
    for number in 5..10 {
        assert_eq!(status(&types(&format!("guess{number}"))), 403);
    }
    for answer in [shows("sesame"), shows("guess 0"), types("sesame"), types("another")] {
        assert_eq!(status(&answer), 429, "{answer}");
        assert!(answer.contains("retry-after: ") && answer.contains("Too many wrong control keys"), "{answer}");
    }
    assert_eq!(status(&get(&own, CLOCK, "")), 401, "nothing was shown, so nothing is compared");
    assert!(server.list(ADMIN).starts_with("HTTP/1.1 200"), "the emulated API is as before");
    // From another address the key is as good as ever.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut elsewhere = socket.connect(own.parse().unwrap()).await.unwrap();
    let request =
        format!("GET {CLOCK} HTTP/1.1\r\nHost: {own}\r\nAuthorization: Bearer sesame\r\nConnection: close\r\n\r\n");
    elsewhere.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    elsewhere.read_to_string(&mut answer).await.unwrap();
    assert_eq!(status(&answer), 200, "{answer}");
}

#[test]
fn the_control_api_can_be_off() {
    let server = start(&[&MEMORY[..], &["--control", "off"]].concat());
    let answer = get(&server.address(), CLOCK, "");
    assert!(status(&answer) == 404 && answer.contains("The control API is off"), "{answer}");
    assert!(server.run(&["clock", "--by", "1d"]).unwrap_err().contains("The control API is off"));
}

#[test]
fn a_server_that_others_reach_wants_a_key_or_to_be_opened_on_purpose() {
    let everywhere = [&MEMORY[..], &["--host", "0.0.0.0"]].concat();
    let closed = start(&everywhere);
    let answer = get(&closed.address(), CLOCK, "");
    assert!(status(&answer) == 403 && answer.contains("--control-key"), "{answer}");
    assert!(answer.contains("The control API is locked because"), "{answer}");
    assert!(closed.list(ADMIN).starts_with("HTTP/1.1 200"));
    let keyed = start(&[&everywhere[..], &["--control-key", "sesame"]].concat());
    assert_eq!(status(&get(&keyed.address(), CLOCK, "sesame")), 200);
    let open = start(&[&everywhere[..], &["--allow-open-control"]].concat());
    assert_eq!(status(&get(&open.address(), CLOCK, "")), 200);
    for server in [closed, keyed, open] {
        server.stop("TERM");
    }
}

#[test]
fn other_sites_pages_do_not_move_the_clock() {
    let server = start(&MEMORY);
    let own = server.address();
    let freeze =
        |headers: &str| exchange(&own, &format!("POST {CLOCK} HTTP/1.1\r\n{headers}"), "{\"mode\": \"frozen\"}");
    let json = "Content-Type: application/json\r\n";
    let host = format!("Host: {own}\r\n");
    for (headers, expected) in [
        // DNS rebinding: the page's own name points here.
        (format!("Host: evil.example.com:{}\r\n{json}", server.port), 403),
        (format!("Host: evil.example.com\r\n{json}Origin: http://evil.example.com\r\n"), 403),
        (json.to_owned(), 400),
        // What a browser sends for a page of another site.
        (format!("{host}{json}Origin: http://evil.example.com\r\n"), 403),
        (format!("{host}{json}Origin: null\r\n"), 403),
        (format!("{host}{json}Sec-Fetch-Site: cross-site\r\n"), 403),
        // What a page can send without being asked by its browser: a form, a beacon.
        (format!("{host}Content-Type: application/x-www-form-urlencoded\r\n"), 415),
        (format!("{host}Content-Type: text/plain;charset=UTF-8\r\n"), 415),
        (format!("{host}Content-Type: multipart/form-data; boundary=x\r\n"), 415),
        (host.clone(), 415),
    ] {
        let answer = freeze(&headers);
        assert!([expected, 403].contains(&status(&answer)), "{headers}: {answer}");
        let is_host = headers.contains("evil.example.com:") || headers.starts_with("Host: evil");
        assert!(!is_host || answer.contains("Host header not allowed: use an IP address, localhost or a dotless name, or start with --allow-host NAME"), "{answer}");
        assert!(!answer.to_lowercase().contains("access-control-allow"), "{answer}");
    }
    let preflight = format!(
        "OPTIONS {CLOCK} HTTP/1.1\r\n{host}Origin: http://evil.example.com\r\nAccess-Control-Request-Method: POST\r\n"
    );
    let answer = exchange(&own, &preflight, "");
    assert!(status(&answer) == 403 && !answer.to_lowercase().contains("access-control-allow"), "{answer}");
    assert!(server.run(&["clock"]).unwrap().ends_with(" (real)\n"), "none of them did anything");
    assert_eq!(status(&freeze(&format!("{host}{json}"))), 200);
}

/// Whoever moves the clock is told whose tokens that ended, and when it was the one that the server printed.
#[test]
fn a_move_of_the_clock_names_what_it_ended() {
    let server = start(&MEMORY);
    let (_, id) = server.create(&json!({"comment": "nightly \u{1b}[31mjob"}));
    let output =
        command(&server.folder).args(["clock", "--by", "90d", "--port", &server.port.to_string()]).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{err}");
    let rows: Vec<Vec<&str>> = out.lines().map(columns).collect();
    let of = |id: &str| rows.iter().find(|row| row.contains(&id)).unwrap_or_else(|| panic!("{id}: {out}"));
    assert_eq!(of(&id)[1..], ["token.auto_revoked", &id, "admin@example.com", "nightly \u{fffd}[31mjob"]);
    assert!(out.contains("admin@example.com  dapi-mock admin token\n"), "{out}");
    for says in ["warning: The admin token of the first start has ended", "dapi-mock admin-token", "workspaces.reset"] {
        assert!(err.contains(says), "{says}: {err}");
    }
    // The remedy is one.
    assert!(!server.list(ADMIN).starts_with("HTTP/1.1 200"));
    server.run(&["call", "workspaces.reset"]).unwrap();
    assert!(server.list(ADMIN).starts_with("HTTP/1.1 200"));
    // Nothing of it is said where another token ends.
    server.create(&json!({"lifetime_seconds": 60}));
    let answer = server.run(&["clock", "--by", "1m", "--output", "json"]).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["events"][0]["owner"], "admin@example.com");
    assert!(answer.get("warnings").is_none(), "{answer}");
}

/// A child of `exec` inherits the variable, and is refused with another workspace's token.
#[test]
fn an_inherited_workspace_id_is_found_out() {
    let server = start(&MEMORY);
    let made = server.run(&["call", "workspaces.create", "--json", r#"{"id": 42, "port": 0}"#]).unwrap();
    let fork = server.run(&["call", "workspaces.fork", "--json", r#"{"id": 43}"#]).unwrap();
    for (made, id) in [(&made, "42"), (&fork, "43")] {
        let made: Value = serde_json::from_str(made).unwrap();
        let env = made["env"].as_object().unwrap();
        assert_eq!(env.len(), 3, "{made}");
        assert_eq!((&env["DATABRICKS_HOST"], &env["DATABRICKS_TOKEN"]), (&made["host"], &made["admin_token"]));
        assert_eq!(env["DATABRICKS_WORKSPACE_ID"], id);
    }
    let made: Value = serde_json::from_str(&made).unwrap();
    let address = server.address();
    let token = made["admin_token"].as_str().unwrap();
    let answer = |name: &str| {
        let head = format!("GET /api/2.0/token/list HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n");
        exchange(&address, &format!("{head}X-Databricks-Workspace-Id: {name}\r\n"), "")
    };
    for (name, because) in [("3274327432743274", "set it to 42, or unset it"), ("12", "unset it, or set it to")] {
        assert!(answer(name).contains("Invalid access to Org"), "{name}");
        let said = server.run(&["explain", "--last"]).unwrap();
        let of = |head: &str| said.lines().find(|line| line.starts_with(head)).unwrap_or_default();
        if name != "12" {
            assert!(of("because:").contains("DATABRICKS_WORKSPACE_ID") && of("because:").contains(because), "{said}");
        }
        assert!(of("remedy:").contains("unset DATABRICKS_WORKSPACE_ID"), "{said}");
    }
    assert_eq!(status(&answer("42")), 200, "the remedy is one");
    let (_, log, _) = server.stop("TERM");
    assert!(log.contains("refused: the request names workspace 3274327432743274, but the token is valid in workspace 42 only; clients name the workspace of DATABRICKS_WORKSPACE_ID"), "{log}");
}

/// The rehearsal of the documentation, by a throw-away server of its own.
#[test]
fn the_ninety_days_are_rehearsed_in_a_moment() {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ninety-days.sh");
    let path = "/usr/local/bin:/usr/bin:/bin";
    let mut run = command(&folder);
    run.args(["exec", "--"]).arg(script).env("PATH", path).env("MOCK", env!("CARGO_BIN_EXE_dapi-mock"));
    let began = Instant::now();
    let output = run.output().unwrap();
    let (out, log) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{out}\n{log}");
    assert!(log.contains("NO  not_inactive") && log.contains("inactive (System-User)"), "{log}");
    // Well under a second with a release build on a quiet machine; here both may be otherwise.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_path_that_is_none_names_those_that_are() {
    let server = start(&MEMORY);
    let answer = get(&server.address(), "/_mock/v1/clock", "");
    assert!(status(&answer) == 404 && answer.contains("GET /_mock/v1/workspaces/{workspace}/clock"), "{answer}");
    for (path, says) in [
        ("/audit?acton=generateDbToken", "unknown field `acton`"),
        ("/clock/upcoming?limit=x", "limit: expected a number"),
        ("/tokens?state=dead", "use live, ended, or a cause"),
    ] {
        let answer = get(&server.address(), &format!("/_mock/v1/workspaces/default{path}"), "");
        assert!(status(&answer) == 400 && answer.contains("{\"error\":") && answer.contains(says), "{answer}");
    }
}
