//! What attackers try below and beside the API, most of it over raw sockets: requests that two servers would
//! read differently, clients that are slow or many, texts that want to be headers, log lines, pages, files or
//! commands. SECURITY.md says what is held.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use dapi_mock::control::{self, Control};
use dapi_mock::http::{App, HostType, error, layers};
use dapi_mock::store::Lock;
use dapi_mock::web::access::{Access, SignInPolicy};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;

use crate::harness::{ADMIN_TOKEN, Answer, Backend, World, on_every_store};
use crate::process::{Server, start};

const MEMORY: [&str; 4] = ["--port", "0", "--database", "sqlite::memory:"];
/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes, and answers all that comes back until the server ends the connection.
fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut stream = connect(server);
    // A server that has heard enough may end it before all is sent, and then nothing more comes.
    drop(stream.write_all(bytes));
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&part[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&answer)),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answers: &str) -> Vec<u16> {
    answers.split("HTTP/1.").skip(1).map(|rest| rest[2..5].parse().unwrap()).collect()
}

/// A request after which the server ends the connection.
const LAST: &str = "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";

#[test]
fn a_request_ends_where_it_says_or_nothing_follows_it() {
    let server = start(&MEMORY);
    let token = server.export("DATABRICKS_TOKEN");
    let head = format!("POST /api/2.0/token/create HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n");
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    // What follows the head, and the answers: to it, and to the request behind it where there is no doubt.
    for (rest, expected) in [
        ("Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}".to_owned(), &[400][..]),
        ("Content-Length: 2, 2\r\n\r\n{}".into(), &[400]),
        ("Content-Length: +2\r\n\r\n{}".into(), &[400]),
        ("Content-Length: -1\r\n\r\n{}".into(), &[400]),
        ("Content-Length: 0x2\r\n\r\n{}".into(), &[400]),
        ("Content-Length: 18446744073709551616\r\n\r\n{}".into(), &[400]),
        ("Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}".into(), &[200, 200]),
        // Both: the chunks count, and the connection ends (RFC 9112 §6.3).
        (format!("Content-Length: 4\r\n{chunked}2\r\n{{}}\r\n0\r\n\r\n"), &[200]),
        (format!("Content-Length: 999\r\n{chunked}2\r\n{{}}\r\n0\r\n\r\n"), &[200]),
        ("Transfer-Encoding: identity\r\n\r\n{}".into(), &[400]),
        ("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".into(), &[400]),
        ("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n".into(), &[400]),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n".into(), &[400]),
        ("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n".into(), &[400]),
        ("Transfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n".into(), &[400]),
        ("X: a\r\n Content-Length: 10\r\nContent-Length: 2\r\n\r\n{}".into(), &[400]),
        ("X: a\rContent-Length: 10\r\nContent-Length: 2\r\n\r\n{}".into(), &[400]),
        ("X: a\0b\r\nContent-Length: 2\r\n\r\n{}".into(), &[400]),
        ("Host: evil.example.com\r\nContent-Length: 2\r\n\r\n{}".into(), &[400, 200]),
        (format!("{chunked}2;a=b\r\n{{}}\r\n0\r\n\r\n"), &[200, 200]),
        (format!("{chunked}2\r\n{{}}\r\n0\r\nContent-Length: 9\r\nAuthorization: x\r\n\r\n"), &[200, 200]),
        (format!("{chunked}2;a\nb\r\n{{}}\r\n0\r\n\r\n"), &[400]),
        (format!("{chunked}2;{}\r\n{{}}\r\n0\r\n\r\n", "a".repeat(20_000)), &[400]),
        (format!("{chunked}2x\r\n{{}}\r\n0\r\n\r\n"), &[400]),
        (format!("{chunked}-2\r\n{{}}\r\n0\r\n\r\n"), &[400]),
        (format!("{chunked}fffffffffffffffff\r\n{{}}\r\n0\r\n\r\n"), &[400]),
        (format!("{chunked}2\n{{}}\n0\n\n"), &[400]),
        (format!("{chunked}2\r\n{{}}x\r\n0\r\n\r\n"), &[400]),
    ] {
        let answers = raw(&server, format!("{head}{rest}{LAST}").as_bytes());
        assert_eq!(statuses(&answers), expected, "{rest:?}: {answers}");
    }
    // A body of chunks means nothing to HTTP/1.0.
    let old = format!("POST / HTTP/1.0\r\n{chunked}0\r\n\r\n{LAST}");
    assert_eq!(statuses(&raw(&server, old.as_bytes())), [400]);
    server.stop("TERM");
}

#[test]
fn heads_have_bounds_and_only_http_1_is_spoken() {
    let server = start(&MEMORY);
    let get = |path: &str, rest: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n{rest}Connection: close\r\n\r\n");
    let many = |count: usize| (0..count).map(|n| format!("X-{n}: a\r\n")).collect::<Vec<_>>().concat();
    for (request, expected) in [
        (get("/livez", &many(90)), &[200][..]),
        (get("/livez", &many(200)), &[431]),
        (get("/livez", &format!("X: {}\r\n", "a".repeat(60_000))), &[200]),
        (get("/livez", &format!("X: {}\r\n", "a".repeat(70_000))), &[431]),
        (get("/livez", &format!("X: {}\r\n", "a".repeat(1_000_000))), &[431]),
        (get(&format!("/{}", "a".repeat(60_000)), ""), &[401]),
        (get(&format!("/{}", "a".repeat(100_000)), ""), &[431]),
        ("GET /livez HTTP/1.0\r\n\r\n".into(), &[200]),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), &[]),
        (get("/livez", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"), &[200]),
        ("CONNECT x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".into(), &[401]),
        ("CONNECT evil.example.com:443 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".into(), &[400]),
        ("TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".into(), &[401]),
        ("GET http://x/livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".into(), &[200]),
        ("GET http://evil.example.com/livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".into(), &[400]),
    ] {
        let answers = raw(&server, request.as_bytes());
        assert_eq!(statuses(&answers), expected, "{request:.100}: {answers}");
    }
    // Pipelined: each has its answer, in order.
    let asked = (0..50).map(|n| format!("GET /_mock/pipelined-{n} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));
    let answers = raw(&server, asked.chain([LAST.to_owned()]).collect::<Vec<_>>().concat().as_bytes());
    let places: Vec<_> = (0..50).map(|n| answers.find(&format!("/pipelined-{n};")).unwrap()).collect();
    assert!(places.is_sorted() && statuses(&answers).len() == 51);
    server.stop("TERM");
}

/// Else the connection would be closed under the client's next request, as some of it was never read.
#[test]
fn a_body_that_nobody_wants_is_read_all_the_same() {
    let server = start(&MEMORY);
    let token = server.export("DATABRICKS_TOKEN");
    for path in ["/_mock/v1/workspaces", "/_mock/v1/workspaces/default/clock", "/api/2.0/token/list"] {
        let mut stream = connect(&server);
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nContent-Length: 2\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // The handler would have answered by then.
        std::thread::sleep(Duration::from_millis(100));
        stream.write_all(b"{}").unwrap();
        std::thread::sleep(Duration::from_millis(100));
        stream.write_all(LAST.as_bytes()).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        assert_eq!(statuses(&answers), [200, 200], "{path}: {answers}");
    }
    server.stop("TERM");
}

/// A server with 16 connections at a time.
fn start_with_few_files() -> Server {
    crate::descriptors::start_with_files("-n 64", &MEMORY)
}

#[test]
fn slow_and_idle_clients_do_not_keep_others_out() {
    let server = start_with_few_files();
    let begin = |bytes: &[u8]| {
        let mut stream = connect(&server);
        stream.write_all(bytes).unwrap();
        stream
    };
    // Idle ones, half a head, half a handshake of TLS; more of them than there are places.
    let slow: Vec<_> =
        (0..30).map(|n| begin([&b""[..], b"GET /livez HTTP/1.1\r\nHost: ", b"\x16\x03\x01"][n % 3])).collect();
    let answers = raw(&server, LAST.as_bytes());
    assert_eq!(statuses(&answers), [200], "{answers}");
    // Who came first may take its time.
    let mut first = slow.into_iter().next().unwrap();
    first.write_all(LAST.as_bytes()).unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).unwrap();
    assert_eq!(statuses(&answer), [200], "{answer}");
    server.stop("TERM");
}

#[test]
fn thousands_of_connections_do_not_take_the_server_down() {
    let server = start_with_few_files();
    for _ in 0..20 {
        let crowd: Vec<_> = (0..100).map(|_| TcpStream::connect(("127.0.0.1", server.port)).unwrap()).collect();
        drop(crowd);
        // Behind them in the system's queue.
        let answers = raw(&server, LAST.as_bytes());
        assert_eq!(statuses(&answers), [200], "{answers}");
    }
    let (code, log, _) = server.stop("TERM");
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("accept:"), "it ran out of files: {log}");
}

#[test]
fn ill_framed_requests_are_refused_with_a_reason() {
    let server = start(&MEMORY);
    let get = |target: &str, headers: &str| {
        raw(&server, format!("GET {target} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n").as_bytes())
    };
    for host in ["a b", "", " ", "user@host", "host:port", "a/b", "[::1", "a\u{e9}", "host:1:2"] {
        let answer = get("/livez", &format!("Host: {host}\r\n"));
        assert_eq!(statuses(&answer), [400], "{host:?}: {answer}");
        assert!(answer.contains("MALFORMED_REQUEST") && answer.contains("Host"), "{host:?}: {answer}");
    }
    for host in ["127.0.0.1", "127.0.0.1:3274", "[::1]:80", "host", "a.b-c_d:", "LOCALHOST"] {
        let answer = get("/livez", &format!("Host: {host}\r\n"));
        assert_eq!(statuses(&answer), [200], "{host:?}: {answer}");
    }
    assert_eq!(statuses(&get("/livez", "")), [400], "HTTP/1.1 requires a Host");
    assert_eq!(statuses(&raw(&server, b"GET /livez HTTP/1.0\r\n\r\n")), [200], "HTTP/1.0 does not");
    assert_eq!(statuses(&get("/livez", "Host: a\r\nHost: a\r\n")), [400]);
    assert_eq!(statuses(&get("http://a:1/livez", "Host: a:1\r\n")), [200], "as a proxy is asked");
    assert_eq!(statuses(&get("http://b:1/livez", "Host: a:1\r\n")), [400]);
    let post = |headers: &str| {
        let head = format!("POST /api/2.0/token/create HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n");
        raw(&server, format!("{head}0\r\n\r\n").as_bytes())
    };
    for headers in [
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: x\r\n",
        "X: a\rb\r\n",
        "X\r: a\r\n",
        "User-Agent: a\0b\r\n",
    ] {
        let answer = post(headers);
        assert_eq!(statuses(&answer), [400], "{headers:?}: {answer}");
    }
    let (code, log, _) = server.stop("TERM");
    assert_eq!(code, Some(0), "{log}");
    for reason in [
        "The Host header is not a host with an optional port.",
        "The Host header is missing.",
        "The request target and the Host header name different hosts.",
        "refused what is not HTTP from 127.0.0.1:",
        "invalid HTTP header parsed",
    ] {
        assert!(log.contains(reason), "{reason}: {log}");
    }
}

/// A log line that somebody wants to be one, and what terminals obey.
const FORGED: &str = "x\r\n2026-11-24T08:00:00.000000Z  INFO all is well \u{1b}[2J\u{9b}31m\u{202e}\u{85}\u{2028}";

/// Everything that comes into the log or the audit log: refusals, paths, user agents, names, comments.
fn forge(server: &Server) {
    let token = server.export("DATABRICKS_TOKEN");
    let send = |method: &str, path: &str, body: &Value| {
        let body = body.to_string();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        );
        let agent = "User-Agent: a\tb\u{9b}31m\u{202e}\r\n";
        let rest = format!("{agent}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        statuses(&raw(server, format!("{head}{rest}").as_bytes()))[0]
    };
    assert_eq!(send("PATCH", "/api/2.0/token/1", &json!({"token": {}, "update_mask": FORGED})), 400);
    assert_eq!(send("POST", "/api/2.0/token/create", &json!({"comment": FORGED})), 200);
    assert_eq!(send("POST", "/api/2.0/preview/scim/v2/Users", &json!({"userName": FORGED})), 400);
    assert_eq!(
        send("POST", "/api/2.0/preview/scim/v2/Users", &json!({"userName": "a@example.com", "displayName": FORGED})),
        400
    );
    assert_eq!(send("GET", "/x\u{9b}31m\u{202e}", &json!({})), 404);
    assert_eq!(send("GET", "/oidc/v1/authorize?client_id=a%0AFORGED", &json!({})), 400);
    assert_eq!(send("POST", "/_mock/v1/workspaces", &json!({"name": FORGED, "id": 12})), 201);
    assert_eq!(send("POST", "/_mock/v1/seed", &json!({"random_seed": FORGED})), 400);
    for bytes in
        [&b"GET /\x1b[2J HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"GET / HTTP/1.1\r\nHost: x\r\nA: \x1b[2J\n\r\n\r\n"]
    {
        assert_eq!(statuses(&raw(server, bytes)), [400]);
    }
}

#[test]
fn nothing_forges_a_line_of_the_log_or_commands_the_terminal() {
    for format in ["text", "json"] {
        let args = ["--log-level", "debug", "--log-format", format, "--audit-file", "audit.jsonl"];
        let server = start(&[&MEMORY[..], &args].concat());
        forge(&server);
        let (_, log, folder) = server.stop("TERM");
        let audit = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
        let (is_json, is_text) = (
            |line: &str| serde_json::from_str::<Value>(line).is_ok(),
            |line: &str| {
                // Its time, then its level.
                let (time, rest) = line.split_at_checked(27).unwrap();
                time.ends_with('Z') && !rest.trim_start().starts_with("INFO all")
            },
        );
        assert!(log.lines().count() > 12 && audit.lines().count() >= 3, "{log} {audit}");
        for line in log.lines() {
            assert!(if format == "json" { is_json(line) } else { is_text(line) }, "{line:?} in {log}");
        }
        assert!(audit.lines().all(is_json), "{audit}");
        assert!(log.contains("all is well") && audit.contains("all is well"), "{log}");
        let is_plain = |text: &str| text.chars().all(|letter| letter == '\n' || !letter.is_control());
        assert!(is_plain(&log) && !log.contains(['\u{202e}', '\u{2028}']), "{log:?}");
        assert!(is_plain(&audit.replace(['\u{9b}', '\u{85}'], "")), "{audit:?}");
    }
}

/// No header of an answer is one that the client wrote.
fn has_no_header_of_clients(answers: &str) {
    for head in answers.split("HTTP/1.1 ").skip(1).map(|answer| answer.split("\r\n\r\n").next().unwrap()) {
        assert!(!head.to_lowercase().lines().any(|line| line.starts_with("x-injected")), "{answers}");
    }
}

#[test]
fn no_text_of_a_client_becomes_a_header() {
    const INJECTED: &str = "x\r\nX-Injected: 1\r\n\r\n<script>alert(1)</script>";
    let server = start(&MEMORY);
    let token = server.export("DATABRICKS_TOKEN");
    let send = |method: &str, path: &str, headers: &str, body: &str| {
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Content-Length: {}\r\n", body.len());
        let answer = raw(&server, format!("{head}Connection: close\r\n\r\n{body}").as_bytes());
        has_no_header_of_clients(&answer);
        answer
    };
    let (json, bearer) = ("Content-Type: application/json\r\n", format!("Authorization: Bearer {token}\r\n"));
    // In the texts of a fault, which stand in headers, too.
    for effect in [
        json!({"status": 403, "message": INJECTED}),
        json!({"status": 500, "error_code": INJECTED, "message": INJECTED, "retry_after": 1}),
        json!({"kind": "login_page"}),
    ] {
        let fault = json!({"match": {"path": "/api/2.0/token/list"}, "effect": effect}).to_string();
        let armed = send("POST", "/_mock/v1/workspaces/default/faults", json, &fault);
        assert_eq!(statuses(&armed), [201], "{armed}");
        let answer = send("GET", "/api/2.0/token/list", &bearer, "");
        assert!(answer.contains("x-dapi-mock-fault") || answer.contains("HTTP/1.1"), "{answer}");
        assert!(!answer.contains("\r\n\r\n<script>"), "{answer}");
    }
    let name = json!({"name": INJECTED, "id": 12}).to_string();
    assert_eq!(statuses(&send("POST", "/_mock/v1/workspaces", json, &name)), [201]);
    let encoded = "x%0d%0aX-Injected:%201%0d%0a%0d%0a<b>";
    for path in [
        format!("/{encoded}"),
        format!("/api/2.0/token/{encoded}"),
        format!("/api/2.0/preview/scim/v2/Users/{encoded}"),
        format!("/_mock/v1/workspaces/{encoded}"),
        format!("/_mock/v1/workspaces/default/checkpoints/{encoded}"),
        format!("/api/2.0/token/list?o={encoded}"),
        format!(
            "/oidc/v1/authorize?client_id=databricks-cli&redirect_uri=http://localhost/{encoded}&response_type=code"
        ),
        format!(
            "/oidc/v1/authorize?client_id=databricks-cli&redirect_uri=http://localhost&response_type=code&state={encoded}"
        ),
        format!("/oidc/v1/authorize?client_id=databricks-cli&redirect_uri=http://localhost&response_type={encoded}"),
    ] {
        let answer = send("GET", &path, &bearer, "");
        assert!(statuses(&answer).len() == 1 && !answer.contains("<b>"), "{path}: {answer}");
    }
    server.stop("TERM");
}

on_every_store!(
    markup_that_comes_back_is_no_page,
    texts_that_want_to_be_files_are_none,
    the_control_api_gives_up_what_takes_too_long_and_leaves_nothing_of_it,
);

async fn markup_that_comes_back_is_no_page(world: World) {
    const MARKUP: &str = "<script>alert(1)</script>";
    let encoded = "%3Cscript%3Ealert(1)%3C/script%3E";
    let admin = world.admin();
    let mut answers = Vec::new();
    for path in ["/x/", "/api/2.0/token/", "/api/2.0/preview/scim/v2/Users/", "/_mock/", "/_mock/v1/workspaces/"] {
        answers.push(admin.get(&format!("{path}{encoded}")).await);
    }
    for path in [
        "/api/2.0/workspace-conf?keys=",
        "/api/2.0/preview/scim/v2/Users?filter=",
        "/api/2.0/token/list?o=",
        "/_mock/v1/workspaces/default/audit?after=",
        "/_mock/v1/workspaces/default/requests?status=",
        "/oidc/v1/authorize?client_id=",
        "/oidc/v1/authorize?client_id=databricks-cli&redirect_uri=",
    ] {
        answers.push(admin.get(&format!("{path}{encoded}")).await);
    }
    answers.push(admin.post("/api/2.0/token/create", &json!({"scopes": [MARKUP]})).await);
    answers.push(admin.own(Method::POST, "workspaces", &json!({"template": MARKUP})).await);
    for answer in &answers {
        assert!(answer.status.is_client_error(), "{answer:?}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{answer:?}");
        let is_page = answer.header("content-type").starts_with("text/html");
        assert!(answer.header("content-type").starts_with("application/") || is_page, "{answer:?}");
        assert!(!is_page || !answer.text.contains("<script"), "{answer:?}");
    }
    assert!(answers.iter().filter(|answer| answer.text.contains("<script>")).count() >= 3, "{answers:?}");
    for path in [
        "/api/2.0/token/list",
        "/readyz",
        "/.well-known/databricks-config",
        "/_mock/v1/workspaces",
        "/_mock/v1/tls/ca.pem",
    ] {
        assert_eq!(admin.get(path).await.header("x-content-type-options"), "nosniff", "{path}");
    }
}

async fn texts_that_want_to_be_files_are_none(world: World) {
    let admin = world.admin();
    for name in ["..%2f..%2fetc%2fpasswd", "%2e%2e", "..", "a%2fb", "a%5cb", "%2fetc%2fpasswd", "a%00b", "a%0ab"] {
        let path = format!("workspaces/default/checkpoints/{name}");
        let put = admin.own(Method::PUT, &path, &json!({})).await;
        // Two dots are a plain name of a row in a table.
        let is_dots = matches!(name, ".." | "%2e%2e");
        assert!(put.status.is_client_error() || (is_dots && put.status.is_success()), "{name}: {put:?}");
    }
    for template in ["../../../../etc/passwd", "/etc/passwd", "leaky-workspace.yaml", "file:///etc/passwd", "."] {
        let answer = admin.own(Method::POST, "workspaces", &json!({"template": template})).await;
        assert!(answer.status == 400 && !answer.text.contains("root:"), "{template}: {answer:?}");
    }
    for path in
        ["/_mock/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/_mock/v1/..%2f..%2f..%2fetc/passwd", "//etc/passwd"]
    {
        assert_eq!(admin.get(path).await.status, 404, "{path}");
    }
}

fn files(server: &Server) -> BTreeSet<String> {
    let names = std::fs::read_dir(server.folder.path()).unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn files_are_for_their_user_and_no_client_makes_one() {
    let server = start(&["--port", "0", "--audit-file", "audit.jsonl"]);
    let admin = format!("Authorization: Bearer {}\r\n", server.export("DATABRICKS_TOKEN"));
    let before = files(&server);
    for (method, path, body) in [
        ("PUT", "/_mock/v1/workspaces/default/checkpoints/x.db", "{}"),
        ("POST", "/_mock/v1/workspaces", "{\"name\":\"../../x\"}"),
        ("POST", "/api/2.0/token/create", "{\"comment\":\"../../x\"}"),
        ("GET", "/_mock/v1/tls/ca.pem", ""),
    ] {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{admin}Content-Type: application/json\r\n");
        let rest = format!("Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        let answer = raw(&server, format!("{head}{rest}").as_bytes());
        assert_eq!(statuses(&answer)[0] / 100, 2, "{answer}");
    }
    let after = files(&server);
    // The audit log's position may just be written anew.
    let new: Vec<_> = after.difference(&before).filter(|name| !name.starts_with("audit.jsonl.")).collect();
    // The own CA is made when it is first asked for.
    assert!(new.len() <= 1 && new.iter().all(|name| name.contains("tls")), "{new:?}");
    let mode = |name: &str| std::fs::metadata(server.folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    for name in ["dapi-mock.db", "dapi-mock.db-wal", "dapi-mock.db-shm"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    assert_eq!(mode("audit.jsonl") & 0o027, 0);
    server.stop("TERM");
}

#[test]
fn nothing_that_a_proxy_would_say_is_believed() {
    let server = start(&[&MEMORY[..], &["--audit-file", "audit.jsonl"]].concat());
    let token = server.export("DATABRICKS_TOKEN");
    let said = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: 127.0.0.1\r\n\
                Forwarded: for=203.0.113.9;proto=https;host=127.0.0.1\r\nX-Real-IP: 203.0.113.9\r\n\
                X-Original-URL: /_mock/v1/workspaces\r\nX-Rewrite-URL: /_mock/v1/workspaces\r\n\
                X-HTTP-Method-Override: DELETE\r\nConnection: close\r\n\r\n";
    let get = |host: &str, path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n");
        raw(&server, format!("{head}{said}").as_bytes())
    };
    assert_eq!(statuses(&get("evil.example.com", "/_mock/v1/workspaces")), [403]);
    let metadata = get("mock:3274", "/.well-known/databricks-config");
    assert!(metadata.contains("\"http://mock:3274/oidc\""), "{metadata}");
    let list = get("mock:3274", "/api/2.0/token/list");
    assert!(statuses(&list) == [200] && list.contains("token_infos"), "{list}");
    let (_, _, folder) = server.stop("TERM");
    let audit = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    assert!(audit.contains("127.0.0.1") && !audit.contains("203.0.113.9"), "{audit}");
}

/// Texts that are small and want to be large, deep or long.
fn bombs() -> Vec<(&'static str, String)> {
    let laughs = (1..30).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", ")));
    let laughs = laughs.collect::<Vec<_>>().concat();
    vec![
        ("arrays", "[".repeat(500_000)),
        ("objects", "{\"a\":".repeat(100_000)),
        ("in an object", format!("{{\"comment\":{}", "[".repeat(500_000))),
        ("digits", format!("{{\"lifetime_seconds\":{}}}", "9".repeat(900_000))),
        ("exponent", "{\"lifetime_seconds\":1e999999999}".into()),
        ("keys", format!("{{{}\"a\":1}}", "\"a\":1,".repeat(100_000))),
        ("escapes", format!("{{\"comment\":\"{}\"}}", "\\u0041".repeat(100_000))),
        ("aliases", format!("a0: &a0 x\n{laughs}")),
        ("merge", format!("a: &a {{<<: *a}}\n{}", "b: {<<: *a}\n".repeat(1000))),
        ("flow", "workspaces: ".to_owned() + &"[".repeat(300_000)),
        ("indent", (0..2000).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<Vec<_>>().concat()),
        ("tags", "!!binary ".repeat(50_000)),
        ("anchors", (0..50_000).map(|n| format!("&a{n} ")).collect::<Vec<_>>().concat()),
    ]
}

#[tokio::test]
async fn small_texts_do_not_become_large_deep_or_long() {
    let world = World::new(Backend::Memory).await;
    let admin = world.admin();
    for (name, text) in bombs() {
        for path in [
            "/api/2.0/token/create",
            "/api/2.0/preview/scim/v2/Groups",
            "/api/2.0/workspace-conf",
            "/_mock/v1/seed",
            "/_mock/v1/workspaces/default/requests/verify",
        ] {
            let method = if path.ends_with("conf") { Method::PATCH } else { Method::POST };
            let request = admin.request(&method, path).header("content-type", "application/json");
            let answer = world.send(request.body(Body::from(text.clone())).unwrap()).await;
            let is_fine = answer.status.as_u16() < 500 && answer.text.len() < 1_500_000;
            assert!(is_fine, "{name} {path}: {:?} {:.300}", answer.status, answer.text);
        }
        let read = dapi_mock::domain::seeds::parse(&text);
        assert!(read.is_err() || name == "keys", "{name}: {read:?}");
    }
    assert_eq!(admin.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn a_panic_is_answered_as_every_other_defect() {
    async fn defect() {
        panic!("a secret cause")
    }
    let world = World::new(Backend::Memory).await;
    let app = App {
        service: Arc::new(world.service.clone()),
        sign_in: SignInPolicy::Open(None),
        host_type: HostType::default(),
    };
    let router: Router = Router::new()
        .route("/api/2.0/defect", get(defect))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(from_fn_with_state(app, layers::finish));
    for _ in 0..3 {
        let request = Request::get("/api/2.0/defect").body(Body::empty()).unwrap();
        let answer = Answer::of(router.clone().oneshot(request).await.unwrap()).await;
        answer.refused(500, "INTERNAL_ERROR", answer.json()["message"].as_str().unwrap());
        assert!(!answer.text.contains("secret cause") && !answer.header("x-request-id").is_empty(), "{answer:?}");
    }
}

async fn the_control_api_gives_up_what_takes_too_long_and_leaves_nothing_of_it(world: World) {
    assert_eq!(control::LIMIT, Duration::from_mins(5), "as docs/replicas.md says");
    let (admin, nothing) = (world.admin(), json!({}));
    let (token, _) = admin.create(&nothing).await;
    let limit = Duration::from_millis(300);
    let own = control::router(Control::new(world.service.clone(), Access::Open, None).within(limit));
    // A reset lets nobody in and then waits for this lock.
    let held = world.service.store().write(Lock::Workspace(world.workspace().await.id)).await.unwrap();
    let reset = admin.request(&Method::POST, "/v1/workspaces/3274327432743274/reset");
    let reset = reset.header("content-type", "application/json").body(Body::from("{}")).unwrap();
    let began = Instant::now();
    let answer = Answer::of(own.oneshot(reset).await.unwrap()).await;
    // Before the database's own limits, which are 5 s and more.
    assert!((limit..Duration::from_secs(5)).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"), "{answer:?}");
    assert!(answer.json()["error"].is_string(), "{answer:?}");
    drop(held);
    assert_eq!(world.client(&token).get("/api/2.0/token/list").await.status, 200, "nothing was reset");
    assert_eq!(admin.own(Method::POST, "workspaces/default/reset", &nothing).await.status, 200);
    assert_eq!(world.client(&token).get("/api/2.0/token/list").await.status, 403);
}

/// The names of all members that bodies of the control API may have, and of all parameters.
fn names() -> Vec<String> {
    fn collect(value: &Value, names: &mut BTreeSet<String>) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            names.extend(properties.keys().cloned());
        }
        if let (Some(name), Some(_)) = (value.get("name").and_then(Value::as_str), value.get("in")) {
            names.insert(name.to_owned());
        }
        match value {
            Value::Object(members) => members.values().for_each(|member| collect(member, names)),
            Value::Array(elements) => elements.iter().for_each(|element| collect(element, names)),
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    collect(&control::openapi::document(control::routes::ROUTES), &mut names);
    assert!(names.len() > 60, "{names:?}");
    names.into_iter().collect()
}

fn body() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        prop::sample::select(vec![json!(null), json!(true), json!(0), json!(1), json!(-1), json!(12), json!(1.5)]),
        prop::sample::select(vec![json!(i64::MAX), json!(i64::MIN), json!(u64::MAX), json!(9_007_199_254_740_991_i64)]),
        prop::sample::select(vec![
            "",
            "\0",
            "default",
            "12",
            "90d",
            "-1",
            "9223372036854775807ms",
            "../..",
            "seed",
            "GET"
        ])
        .prop_map(Value::from),
        prop::sample::select(vec![
            "2026-11-24T08:00:00Z",
            "+262142-12-31T23:59:59Z",
            "next_expiry",
            "slow_body",
            "x\u{0}y"
        ])
        .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let name = prop::sample::select(names());
    leaf.prop_recursive(3, 20, 4, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            4 => prop::collection::vec((name.clone(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

async fn the_control_api_survives(backend: Backend, cases: u32) {
    let world = World::new(backend).await;
    let segment =
        prop::sample::select(vec!["default", "12", "0", "%00", "x%00y", "%ff", "..", "seed", "1", "%F0%9F%98%80"]);
    let value = prop::sample::select(vec![
        "",
        "%00",
        "x%00",
        "1",
        "-1",
        "9223372036854775808",
        "default",
        "%ff",
        "true",
        "a,b",
    ]);
    let query = prop::collection::vec((prop::sample::select(names()), value), 0..3);
    let route = prop::sample::select(control::routes::ROUTES.iter().collect::<Vec<_>>());
    let strategy = (route, prop::collection::vec(segment, 2), query, body());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(cases));
    let mut accepted = 0;
    for _ in 0..cases {
        let (route, segments, query, body) = strategy.new_tree(&mut runner).unwrap().current();
        let mut segments = segments.into_iter();
        let part = |part: &str| if part.starts_with('{') { segments.next().unwrap() } else { part }.to_owned();
        let path = route.path.split('/').map(part).collect::<Vec<_>>().join("/");
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let path = format!("{}?{}", path.trim_start_matches("/v1/"), query.join("&"));
        let answer = world.admin().own(route.method.clone(), &path, &body).await;
        // A workspace of its own port needs a server; faults and fates are no business of this test.
        assert!(answer.status.as_u16() < 500, "{} {path} {body}: {answer:?}", route.method);
        accepted += u32::from(answer.status.is_success());
    }
    assert!(accepted > cases / 20, "{accepted}");
    assert_eq!(world.admin().get("/readyz").await.status, 200);
}

#[tokio::test]
async fn no_input_is_a_server_error_of_the_control_api_on_memory() {
    the_control_api_survives(Backend::Memory, 1500).await;
}

#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test]
async fn no_input_is_a_server_error_of_the_control_api_on_postgres() {
    the_control_api_survives(Backend::Postgres, 1000).await;
}

#[tokio::test]
async fn a_command_to_paste_runs_nothing_that_a_client_wrote() {
    let world = World::new(Backend::Memory).await;
    let command = "a|touch$IFS-pwned|&`id`";
    let request = Request::builder().method(command).uri("/x'$(id)'?a='`id`'").header("content-type", "'; id; '");
    world.send(request.body(Body::from("'; id #\u{1b}[2J")).unwrap()).await;
    let shown = world.admin().get("/_mock/v1/workspaces/default/requests?format=curl").await;
    assert!(shown.text.contains("touch"), "{shown:?}");
    assert!(!shown.text.contains('\u{1b}'), "{shown:?}");
    // A shell that takes `curl` for a function shows what it was given.
    let script = format!("curl() {{ printf '%s\\n' \"$@\"; }}\n{}", shown.text);
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{output:?}");
    let words = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(words.lines().any(|word| word == command) && words.contains("'; id #"), "{words} {output:?}");
    assert!(output.stderr.is_empty() && !words.contains("uid="), "{words}");
}

#[tokio::test]
async fn a_header_that_is_sent_twice_is_refused() {
    let world = World::new(Backend::Memory).await;
    let (_, other) = world.user_with_token("alice@example.com").await;
    for second in [ADMIN_TOKEN, &other, "nonsense"] {
        for path in ["/api/2.0/token/list", "/api/2.0/preview/scim/v2/Me", "/nowhere", "/_mock/v1/workspaces"] {
            let request = world.admin().request(&Method::GET, path).header("authorization", format!("Bearer {second}"));
            let answer = world.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, 400, "{path}: {answer:?}");
            assert!(answer.text.contains("The header Authorization was sent more than once."), "{answer:?}");
        }
    }
    let request = world.admin().request(&Method::GET, "/api/2.0/token/list").header("authorization", "Basic eDp5");
    world.send(request.body(Body::empty()).unwrap()).await.refused(400, "MALFORMED_REQUEST", "Authorization");
    let explained = world.admin().own(Method::GET, "explain/last", &json!({})).await.json();
    assert!(explained["because"].as_str().unwrap().contains("Authorization was sent more than once"), "{explained}");
    let pair = "Basic eDp5";
    let request = world.anonymous().request(&Method::POST, "/oidc/v1/token");
    let request = request.header("authorization", pair).header("authorization", pair);
    let answer = world.send(request.body(Body::from("grant_type=client_credentials")).unwrap()).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &json!("invalid_request")), "{answer:?}");
    let request = world.admin().request(&Method::POST, "/api/2.0/token/create");
    let request = request.header("content-type", "application/json").header("content-type", "text/plain");
    let answer = world.send(request.body(Body::from("{}")).unwrap()).await;
    answer.refused(400, "MALFORMED_REQUEST", "Content-Type");
    // Workspaces that agree are one; others name none.
    for (named, status) in [(["3274327432743274", "3274327432743274"], 200), (["3274327432743274", "42"], 403)] {
        let request = world.admin().request(&Method::GET, "/api/2.0/token/list");
        let [one, two] = named;
        let request = request.header("x-databricks-workspace-id", one).header("x-databricks-workspace-id", two);
        assert_eq!(world.send(request.body(Body::empty()).unwrap()).await.status, status);
        let path = format!("/api/2.0/token/list?o={one}&o={two}");
        assert_eq!(world.admin().get(&path).await.status, status);
    }
}
