//! Texts of a client that try to become headers, log lines, pages, files or commands.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use super::{MEMORY, files, raw, statuses};
use crate::support::{Backend, Server, World, on_every_store, start};

on_every_store!(markup_in_an_answer_is_not_a_page, texts_of_clients_never_become_file_names,);

/// A text that imitates a log line, with control characters for terminals.
const FORGED: &str = "x\r\n2026-11-24T08:00:00.000000Z  INFO all is well \u{1b}[2J\u{9b}31m\u{202e}\u{85}\u{2028}";

/// Sends the text wherever it could reach the log or the audit log: refusals, paths, user agents, names, comments.
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

/// No header of the answer comes from the client's text.
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
    // Texts of faults appear in headers, too.
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

async fn markup_in_an_answer_is_not_a_page(world: World) {
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

async fn texts_of_clients_never_become_file_names(world: World) {
    let admin = world.admin();
    for name in ["..%2f..%2fetc%2fpasswd", "%2e%2e", "..", "a%2fb", "a%5cb", "%2fetc%2fpasswd", "a%00b", "a%0ab"] {
        let path = format!("workspaces/default/checkpoints/{name}");
        let put = admin.own(Method::PUT, &path, &json!({})).await;
        // Two dots are an ordinary name of a row.
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

#[test]
fn files_are_private_and_no_client_creates_one() {
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
    // The file with the audit log's position may just be rewritten.
    let new: Vec<_> = after.difference(&before).filter(|name| !name.starts_with("audit.jsonl.")).collect();
    // The CA is created when it is first requested.
    assert!(new.len() <= 1 && new.iter().all(|name| name.contains("tls")), "{new:?}");
    let mode = |name: &str| std::fs::metadata(server.folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    for name in ["dapi-mock.db", "dapi-mock.db-wal", "dapi-mock.db-shm"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    assert_eq!(mode("audit.jsonl") & 0o027, 0);
    server.stop("TERM");
}

#[test]
fn forwarding_headers_are_ignored() {
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
