//! The tripwire never stores a suspected real credential. Decoys report whoever uses them.

use std::path::Path;

use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use dapi_mock::domain::tripwire::Reaction;
use dapi_mock::service::{ADMIN_CLIENT_ID, JournalLimits};
use serde_json::{Value, json};

use crate::support::{
    ADMIN_SECRET, ADMIN_TOKEN, Backend, LIST, Server, World, command, exchange, on_every_store, start,
};

on_every_store!(a_credential_made_here_is_not_suspected, a_decoy_answers_as_usual_and_raises_the_alarm);

const REAL: &str = "7f3b9c1e5a8d04621bc7e9f2a6305d48";

/// An access token in the form that Microsoft Entra issues for Databricks.
fn entra_token() -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({"typ": "JWT", "alg": "RS256", "x5t": "key", "kid": "key"}));
    let issuer = "https://sts.windows.net/9652d7c2-1ccf-4940-8151-4a92bd474ed0/";
    let claims = part(json!({"iss": issuer, "aud": "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d", "oid": "x"}));
    format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode([7; 256]))
}

fn strangers() -> [String; 6] {
    [
        format!("dapi{REAL}"),
        format!("dapi{REAL}-3"),
        format!("dkea{REAL}"),
        format!("dose{REAL}"),
        entra_token(),
        entra_token().replace('.', "._"),
    ]
}

async fn strangers_at(world: &World) -> Vec<Value> {
    let seen = world.anonymous().own(Method::GET, "tripwire", &json!({})).await.json();
    assert_eq!(seen["tripped"], !seen["strangers"].as_array().unwrap().is_empty());
    seen["strangers"].as_array().unwrap().clone()
}

async fn send_as(world: &World, client: &str, authorization: &str, path: &str) {
    let request = Request::builder().uri(path).header("host", "127.0.0.1:3274").header("user-agent", client);
    let answer = world.send(request.header("authorization", authorization).body(Body::empty()).unwrap()).await;
    assert!(answer.status.is_client_error(), "{answer:?}");
}

#[tokio::test]
async fn suspected_credentials_are_counted_by_kind_and_client() {
    let mut world = World::new(Backend::Memory).await;
    let real = format!("dapi{REAL}");
    let basic = |pair: String| format!("Basic {}", STANDARD.encode(pair));
    send_as(&world, "curl/8", &format!("Bearer {real}"), LIST).await;
    send_as(&world, "curl/8", &basic(format!("token:{real}")), "/api/2.0/nonsense").await;
    send_as(&world, "curl/8", &basic(format!("me@example.com:{real}")), LIST).await;
    send_as(&world, "sdk/1", &format!("Bearer {}", entra_token()), LIST).await;
    let client_id = ADMIN_CLIENT_ID.to_string();
    world
        .ask_for_token("/oidc/v1/token", Some((&client_id, &format!("dose{REAL}"))), "grant_type=client_credentials")
        .await;
    let form = format!("grant_type=x&subject_token={}", entra_token());
    world.ask_for_token("/oidc/v1/token", None, &form).await;
    let seen = strangers_at(&world).await;
    let told: Vec<String> = seen
        .iter()
        .map(|it| format!("{} {} {}", it["count"], it["kind"].as_str().unwrap(), it["client"].as_str().unwrap()))
        .collect();
    assert_eq!(told, ["3 personal_access_token curl/8", "1 access_token sdk/1", "1 client_secret ", "1 access_token "]);
    assert_eq!(seen[0]["first"], "2026-11-24T08:00:00.000Z");

    world.watch(JournalLimits::default(), Reaction::Off);
    send_as(&world, "curl/8", &format!("Bearer {real}"), LIST).await;
    assert_eq!(strangers_at(&world).await, Vec::<Value>::new());
    let row = world.anonymous().own(Method::GET, "workspaces/default/requests", &json!({})).await.json();
    assert_eq!(
        (&row["requests"][0]["credential"], &row["requests"][0]["token_id"]),
        (&json!("pat_bearer"), &Value::Null)
    );
}

async fn a_credential_made_here_is_not_suspected(world: World) {
    let (gone, id) = world.admin().create(&json!({})).await;
    world.admin().post("/api/2.0/token/delete", &json!({ "token_id": id })).await;
    let other = world.anonymous().own(Method::POST, "workspaces", &json!({})).await.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (other_id, of_other) = (text(&other["id"]), text(&other["admin_token"]));
    // A given value that looks real is known as long as it exists.
    let given = format!("dapi{}", REAL.chars().rev().collect::<String>());
    world.add_workspace(77, &given).await;
    let access = world.access_token(&ADMIN_CLIENT_ID.to_string(), ADMIN_SECRET).await;
    let (expired, _) = world.admin().create(&json!({"lifetime_seconds": 60})).await;
    let (reset, _) = world.admin().create(&json!({})).await;
    let secret = text(&other["client_secret"]);
    world.admin().advance(&json!({"by": "2h"})).await;
    let refused = async |token: &str, workspace: &str| {
        let request = world.client(token).request(&Method::GET, LIST).header("x-databricks-workspace-id", workspace);
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert!([401, 403].contains(&answer.status.as_u16()), "{answer:?}");
    };
    let here = world.workspace().await.id.to_string();
    for token in [&gone, &expired, &access, &secret, &of_other, &given, ADMIN_SECRET, "nonsense"] {
        refused(token, &here).await;
    }
    refused(&of_other, "999").await;
    // A credential that the server has forgotten is recognized by its mark.
    world.anonymous().own(Method::DELETE, &format!("workspaces/{other_id}"), &json!({})).await;
    world.anonymous().own(Method::POST, "workspaces/default/reset", &json!({"to": "empty"})).await;
    for token in [&reset, &of_other, &secret] {
        refused(token, &here).await;
    }
    world.ask_for_token("/oidc/v1/token", Some(("x", &secret)), "grant_type=client_credentials").await;
    // So are values that people choose.
    for token in [ADMIN_TOKEN, "dapi0123456789abcdef0123456789abcdef"] {
        refused(&token.replace("01", "02"), &here).await;
    }
    assert_eq!(strangers_at(&world).await, Vec::<Value>::new());
    refused(&format!("dapi{REAL}"), &here).await;
    assert_eq!(strangers_at(&world).await.len(), 1);
}

async fn a_decoy_answers_as_usual_and_raises_the_alarm(world: World) {
    let own = async |method: Method, path: &str, body: Value| {
        world.anonymous().own(method, &format!("workspaces/default/{path}"), &body).await
    };
    let made = own(Method::POST, "decoys", json!({"comment": "in the wiki"})).await;
    assert_eq!(made.status, 201, "{made:?}");
    let (value, id) = (made.json()["token_value"].as_str().unwrap().to_owned(), made.json()["decoy_id"].clone());
    own(Method::POST, "decoys", json!({})).await;
    let untouched = own(Method::POST, "decoys/verify", json!({})).await;
    assert_eq!((untouched.status.as_u16(), &untouched.json()["count"]), (200, &json!(2)));
    own(Method::PUT, "checkpoints/before", json!({})).await;

    let other = world.anonymous().own(Method::POST, "workspaces", &json!({})).await.json();
    for (name, message) in [(None, "Invalid access token."), (other["id"].as_str(), "Invalid access to Org")] {
        let mut request = world.client(&value).request(&Method::GET, LIST).header("user-agent", "thief/1");
        if let Some(name) = name {
            request = request.header("x-databricks-workspace-id", name);
        }
        world.send(request.body(Body::empty()).unwrap()).await.refused(403, 403, message);
    }
    let decoys = own(Method::GET, "decoys", json!({})).await;
    assert!(!decoys.text.contains(&value));
    let used =
        decoys.json()["decoys"].as_array().unwrap().iter().find(|decoy| decoy["decoy_id"] == id).cloned().unwrap();
    assert_eq!((&used["uses"], &used["comment"]), (&json!(2), &json!("in the wiki")));
    assert_eq!(used["last_use"], json!({"time": "2026-11-24T08:00:00.000Z", "client": "thief/1", "source_ip": ""}));
    let touched = own(Method::POST, "decoys/verify", json!({})).await;
    assert_eq!((touched.status.as_u16(), touched.json()["used"].as_array().unwrap().len()), (409, 1));
    assert!(touched.text.contains("1 of 2 decoys were used: one at 2026-11-24T08:00:00.000Z by 'thief/1'"));
    let row = &own(Method::GET, "requests?client=thief", json!({})).await.json()["requests"][0];
    assert_eq!((&row["refused_by"], &row["token_id"]), (&json!("token_known"), &id));
    let path = format!("explain/{}", row["request_id"].as_str().unwrap());
    let why = world.anonymous().own(Method::GET, &path, &json!({})).await.json();
    assert_eq!(why["because"], "the token is a decoy and belongs to nobody");
    assert_eq!(strangers_at(&world).await, Vec::<Value>::new());

    // A decoy stays; who used it is forgotten with the requests.
    let reset = own(Method::POST, "reset", json!({"to": "before"})).await;
    assert_eq!(reset.status, 200, "{reset:?}");
    assert_eq!(own(Method::POST, "decoys/verify", json!({})).await.json()["count"], 2);
    world.client(&value).get(LIST).await.refused(403, 403, "Invalid access token.");
    assert_eq!(own(Method::POST, "decoys/verify", json!({})).await.status, 409);
    let fork = own(Method::POST, "fork", json!({})).await.json();
    let of_fork = format!("workspaces/{}/decoys", fork["id"].as_str().unwrap());
    assert_eq!(world.anonymous().own(Method::GET, &of_fork, &json!({})).await.json()["decoys"], json!([]));
    for (body, says) in [
        (json!({"comment": "x".repeat(256)}), "at most 255"),
        (json!({ "comment": value }), "contains a token"),
        (json!({"why": 1}), "unknown field"),
    ] {
        let answer = own(Method::POST, "decoys", body).await;
        assert!(answer.status == 400 && answer.text.contains(says), "{answer:?}");
    }
}

fn send(server: &Server, client: &str, token: &str, body: &str) -> String {
    let address = format!("127.0.0.1:{}", server.port);
    let head = format!("POST /api/2.0/token/create HTTP/1.1\r\nHost: {address}\r\nUser-Agent: {client}\r\n");
    exchange(&address, &format!("{head}Authorization: Bearer {token}\r\n"), body)
}

/// Looks for a value and for parts of it, in any case, and for its hash.
fn assert_absent(place: &str, text: &str, value: &str) {
    use sha2::{Digest, Sha256};
    let text = text.to_lowercase();
    let hash = hex::encode(Sha256::digest(value.as_bytes()));
    let secret = value.trim_start_matches("dapi").trim_start_matches("dkea").trim_start_matches("dose").to_lowercase();
    let (half, rest) = secret.split_at(secret.len() / 2);
    for part in [value.to_lowercase().as_str(), &hash, half, rest, &half[..12], &rest[rest.len() - 12..]] {
        let at = text.find(part).map(|at| &text[at.saturating_sub(200)..at]);
        assert_eq!(at, None, "{place} contains part of a suspected credential after this");
    }
}

#[test]
fn no_suspected_credential_is_in_files_logs_or_answers() {
    let server = start(&["--port", "0", "--log-level", "trace", "--audit-file", "audit.jsonl", "--tripwire", "fail"]);
    let address = format!("127.0.0.1:{}", server.port);
    let token = server.export("DATABRICKS_TOKEN");
    let mut answers = String::new();
    for stranger in strangers() {
        for client in ["curl/8", "sdk/2", "curl/8"] {
            answers.push_str(&send(&server, client, &stranger, "{}"));
        }
        // In places where no credential belongs.
        send(&server, "curl/8", &token, &json!({ "comment": 7, "secret": stranger }).to_string());
        send(&server, &format!("agent/{stranger}"), &stranger, "{}");
        let form = format!("grant_type=client_credentials&client_id=x&client_secret={stranger}");
        let head = format!("POST /oidc/v1/token HTTP/1.1\r\nHost: {address}\r\n");
        answers.push_str(&exchange(&address, &head, &form));
    }
    for path in [
        "tripwire",
        "workspaces/default/requests",
        "workspaces/default/requests?format=har",
        "workspaces/default/requests?format=curl",
        "workspaces/default/census?by=token",
        "explain/last",
        "workspaces/default/audit",
        "workspaces/default/tokens",
        "workspaces/default/decoys",
    ] {
        let head = format!("GET /_mock/v1/{path} HTTP/1.1\r\nHost: {address}\r\n");
        answers.push_str(&exchange(&address, &head, ""));
    }
    assert!(answers.contains("\"kind\":\"personal_access_token\"") && answers.contains("\"token_id\":null"));
    let mut files = String::new();
    for entry in std::fs::read_dir(server.folder.path()).unwrap() {
        files.push_str(&String::from_utf8_lossy(&std::fs::read(entry.unwrap().path()).unwrap()));
    }
    let (code, log, folder) = server.stop("TERM");
    files.push_str(&std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap());
    assert_eq!(code, Some(70), "{log}");
    assert!(log.contains("production-looking credentials were sent to this mock: "));
    let warning = "a production-looking credential was sent to this mock by 'curl/8'; it was not stored";
    assert_eq!(log.matches(warning).count(), 1, "once for each client");
    for stranger in strangers() {
        for (place, text) in [("an answer", &answers), ("the log", &log), ("a file", &files)] {
            assert_absent(place, text, &stranger);
        }
    }
}

#[test]
fn a_run_fails_where_it_is_told_to() {
    let binary = Path::new(env!("CARGO_BIN_EXE_dapi-mock"));
    let run = |options: &[&str], script: &str| {
        let folder = tempfile::tempdir().unwrap();
        let mut run = command(&folder);
        run.arg("exec").args(options).args(["--", "bash", "-c", script]).env("PATH", "/usr/local/bin:/usr/bin:/bin");
        let output = run.env("MOCK", binary).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let send = format!("curl -s -A tool/1 -H 'Authorization: Bearer dapi{REAL}' $DATABRICKS_HOST{LIST} >/dev/null");
    let warning = "a production-looking credential was sent to this mock by 'tool/1'; it was not stored";
    for (options, script, code, says) in [
        (&["--tripwire", "fail"][..], send.clone(), 70, "were sent to this mock: 1 personal_access_token by 'tool/1'"),
        (&["--tripwire", "fail"], format!("{send}; exit 3"), 3, warning),
        (
            &["--tripwire", "fail"],
            format!("curl -s -H \"Authorization: Bearer $DATABRICKS_TOKEN\" $DATABRICKS_HOST{LIST}"),
            0,
            "",
        ),
        (&[], send.clone(), 0, warning),
        (&["--tripwire", "off"], send.clone(), 0, ""),
    ] {
        let (found, log) = run(options, &script);
        assert!(found == Some(code) && log.contains(says), "{options:?} {script}: {found:?} {log}");
        assert_eq!(log.contains("production-looking"), !says.is_empty(), "{log}");
    }
    let (code, log) = run(&["--tripwire", "loud"], "true");
    assert!(code == Some(2) && log.contains("expected one of `off`, `warn`, `fail`"), "{code:?} {log}");
}
