//! Faults: they are armed, matched in order, counted and cleared.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use axum::http::Method;
use dapi_mock::domain::faults::CATALOGUE;
use dapi_mock::domain::tokens::TokenValue;
use serde_json::{Value, json};

use crate::support::{
    ADMIN_SECRET, ADMIN_TOKEN, Answer, Backend, CREATE, LIST, ME, Server, World, exchange, on_every_store, start,
};
use crate::worlds::own;

on_every_store!(
    every_effect_is_as_it_says,
    every_part_of_a_match_binds,
    so_many_pass_and_so_many_fail,
    the_first_that_fires_answers,
    a_fault_before_a_request_prevents_it_and_one_after_does_not,
    a_token_is_revoked_mid_flight,
    a_toggle_takes_seconds,
    a_fault_replaces_a_refusal_too,
    oauth_endpoints_fail_in_their_own_words,
    workspaces_do_not_share_faults,
    a_reset_clears_faults_and_a_fork_has_none,
    concurrent_requests_share_the_count,
    a_delayed_request_holds_nobody_up,
    what_makes_no_sense_is_refused,
);

const CLIENT_ID: &str = "32743274-3274-4274-8274-327432743275";

async fn arm(world: &World, rule: &Value) -> Value {
    own(world, Method::POST, "workspaces/default/faults", rule).await
}

async fn clear(world: &World) {
    own(world, Method::DELETE, "workspaces/default/faults", &json!({})).await;
}

/// Asserts that something is in the audit log.
async fn expect(world: &World, event: &Value) {
    own(world, Method::POST, "workspaces/default/audit/expect", event).await;
}

/// Seen, fired and remaining of each fault.
async fn counts(world: &World) -> Vec<(i64, i64, Option<i64>)> {
    let faults = own(world, Method::GET, "workspaces/default/faults", &json!({})).await;
    let number = |fault: &Value, key: &str| fault[key].as_i64();
    let rows = faults["faults"].as_array().unwrap().iter();
    rows.map(|row| (number(row, "seen").unwrap(), number(row, "fired").unwrap(), number(row, "remaining"))).collect()
}

/// The faults that an answer says it comes from.
fn marks(answer: &Answer) -> &str {
    answer.headers.get("x-dapi-mock-fault").map_or("", |value| value.to_str().unwrap())
}

async fn every_effect_is_as_it_says(world: World) {
    let (doomed, _) = world.admin().create(&json!({})).await;
    for named in CATALOGUE {
        let path = named.rule().unwrap().requests.path;
        // A body that breaks is seen on a socket only: below.
        if named.name == "truncated_body" || path.is_some_and(|path| path.starts_with("/oidc")) {
            continue;
        }
        clear(&world).await;
        let armed = arm(
            &world,
            &json!({ "name": named.name, "effect": match named.name {
                "slow_body" => json!({"delay_ms": 1}),
                _ => json!({}),
            }}),
        )
        .await;
        assert_eq!((&armed["seen"], &armed["fired"], &armed["remaining"]), (&json!(0), &json!(0), &json!(1)));
        let answer = match named.name {
            "quota_exceeded" | "reply_lost_after_create" => world.admin().post(CREATE, &json!({})).await,
            "toggle_takes_seconds" => {
                world.admin().patch("/api/2.0/workspace-conf", &json!({"enableGp3": "true"})).await
            }
            "token_revoked_mid_flight" => world.client(&doomed).get(LIST).await,
            "acl_propagation" => world.admin().get(LIST).await,
            _ => world.admin().get(ME).await,
        };
        assert_eq!(marks(&answer), "1", "{}: {answer:?}", named.name);
        assert!(!answer.header("x-request-id").is_empty());
        assert_eq!(counts(&world).await, [(1, 1, Some(0))], "{}", named.name);
        match named.name {
            "rate_limited" => assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "1")),
            "rpc_bucket" => {
                assert_eq!((answer.status.as_u16(), answer.headers.get("retry-after")), (429, None));
                let detail =
                    "REQUEST_LIMIT_EXCEEDED: GetUserPermissionsRequest RPC token bucket limit has been exceeded.";
                assert_eq!(answer.json()["detail"], detail);
            }
            "scim_overloaded" => assert_eq!(answer.json()["status"], "500"),
            "temporarily_unavailable" => assert_eq!(answer.status, 503),
            "quota_exceeded" => answer.refused(400, "QUOTA_EXCEEDED", "The maximum of 600 tokens"),
            "acl_propagation" => {
                answer.refused(403, "PERMISSION_DENIED", "User does not have permission to use tokens.");
                assert_eq!(world.admin().get(LIST).await.status, 200, "now it applies");
            }
            "login_html_page" => {
                assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/html; charset=utf-8"));
                assert!(answer.text.contains("<title>Databricks - Sign In</title>"));
            }
            "toggle_takes_seconds" => assert_eq!(answer.status, 204),
            "slow_body" | "token_revoked_mid_flight" => assert_eq!(answer.status, 200),
            "reply_lost_after_create" => assert_eq!(world.admin().own_ids().await.len(), 2),
            other => panic!("{other} is not tested"),
        }
    }
    clear(&world).await;
    arm(&world, &json!({"effect": {"status": 403}})).await;
    world.admin().get(ME).await.refused(403, 403, "Forbidden");
    let told = own(&world, Method::GET, "faults/catalogue", &json!({})).await;
    assert_eq!(told["faults"].as_array().unwrap().len(), CATALOGUE.len());
    assert_eq!(told["faults"][0]["rule"]["effect"]["status"], 429);
}

async fn every_part_of_a_match_binds(world: World) {
    let (_, alice) = world.user_with_token("alice@example.com").await;
    let id = TokenValue::parse(&alice).unwrap().id();
    let as_terraform = async |token: &str, method: &Method, path: &str| {
        let request = world.client(token).request(method, path).header("user-agent", "databricks-tf-provider/1.9 x");
        world.send(request.body(axum::body::Body::empty()).unwrap()).await
    };
    for (matching, fits, misses) in [
        (json!({"method": "post"}), (&alice[..], Method::POST, CREATE), (&alice[..], Method::GET, LIST)),
        (json!({ "path": LIST }), (&alice, Method::GET, LIST), (&alice, Method::GET, ME)),
        (json!({"path": "/api/2.0/token/*"}), (&alice, Method::GET, LIST), (&alice, Method::GET, ME)),
        (json!({"path": "/api/*/token/{any}"}), (&alice, Method::GET, LIST), (&alice, Method::GET, ME)),
        (json!({"principal": "Alice@example.com"}), (&alice, Method::GET, LIST), (ADMIN_TOKEN, Method::GET, LIST)),
        (json!({ "token_id": id.as_str() }), (&alice, Method::GET, LIST), (ADMIN_TOKEN, Method::GET, LIST)),
        (json!({"path": "/no/such/path"}), (&alice, Method::GET, "/no/such/path"), (&alice, Method::GET, "/no/such")),
    ] {
        clear(&world).await;
        arm(&world, &json!({ "match": matching, "times": null, "effect": {"status": 418} })).await;
        assert_eq!(as_terraform(fits.0, &fits.1, fits.2).await.status, 418, "{matching}");
        assert_ne!(as_terraform(misses.0, &misses.1, misses.2).await.status, 418, "{matching}");
        assert_eq!(counts(&world).await, [(1, 1, None)], "{matching}: only matching requests are counted");
    }
    clear(&world).await;
    arm(&world, &json!({"match": {"client": "tf-provider"}, "effect": {"status": 418}})).await;
    assert_eq!(world.admin().get(LIST).await.status, 200);
    assert_eq!(as_terraform(ADMIN_TOKEN, &Method::GET, LIST).await.status, 418);
}

async fn so_many_pass_and_so_many_fail(world: World) {
    arm(&world, &json!({"name": "rate_limited", "match": {"path": LIST}, "offset": 1, "times": 2})).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(world.admin().get(LIST).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 429, 429, 200, 200]);
    assert_eq!(counts(&world).await, [(5, 2, Some(0))]);
    let one = own(&world, Method::GET, "workspaces/default/faults/1", &json!({})).await;
    assert_eq!(
        (&one["rule"]["offset"], &one["rule"]["times"], &one["rule"]["when"]),
        (&json!(1), &json!(2), &json!("before"))
    );
    own(&world, Method::DELETE, "workspaces/default/faults/1", &json!({})).await;
    assert_eq!(counts(&world).await, []);
    for (method, path) in [(Method::GET, "1"), (Method::DELETE, "1"), (Method::DELETE, "x")] {
        let answer = world.anonymous().own(method, &format!("workspaces/default/faults/{path}"), &json!({})).await;
        assert!(answer.status == 404 && answer.text.contains("no fault"), "{answer:?}");
    }
}

async fn the_first_that_fires_answers(world: World) {
    arm(&world, &json!({"offset": 1, "effect": {"status": 500}})).await;
    arm(&world, &json!({"times": 2, "effect": {"delay_ms": 1}})).await;
    arm(&world, &json!({"times": 2, "effect": {"status": 503}})).await;
    arm(&world, &json!({"times": null, "effect": {"status": 504}})).await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        let answer = world.admin().get(LIST).await;
        answers.push((answer.status.as_u16(), marks(&answer).to_owned()));
    }
    let expected = [(503, "2, 3"), (500, "1"), (503, "2, 3"), (504, "4")];
    assert_eq!(answers, expected.map(|(status, marks)| (status, marks.to_owned())));
    assert_eq!(counts(&world).await, [(4, 1, Some(0)), (3, 2, Some(0)), (3, 2, Some(0)), (1, 1, None)]);
    let last = own(&world, Method::GET, "explain/last", &json!({})).await;
    assert_eq!(
        (&last["decided_by"], &last["status"], &last["allowed"]),
        (&json!("a fault"), &json!(504), &json!(false))
    );
    assert!(last["because"].as_str().unwrap().starts_with("Fault 4 (unnamed) answered before"), "{last}");
    assert_eq!((last["checks"].as_array().unwrap().len(), &last["faults"][0]["id"]), (10, &json!(4)));
}

async fn a_fault_before_a_request_prevents_it_and_one_after_does_not(world: World) {
    for (when, tokens) in [("before", 1), ("after", 2)] {
        arm(&world, &json!({"when": when, "effect": {"status": 503, "error_code": "X", "message": "gone"}})).await;
        world.admin().post(CREATE, &json!({})).await.refused(503, "X", "gone");
        assert_eq!(world.admin().own_ids().await.len(), tokens, "{when}");
        clear(&world).await;
    }
    expect(&world, &json!({"action": "generateDbToken", "actor": "admin@example.com", "count": 1})).await;
}

async fn a_token_is_revoked_mid_flight(world: World) {
    for (when, left) in [("before", 1), ("after", 2)] {
        let (value, id) = world.admin().create(&json!({})).await;
        arm(&world, &json!({"name": "token_revoked_mid_flight", "when": when, "match": { "token_id": id }})).await;
        let client = world.client(&value);
        assert_eq!(client.own_ids().await.len(), left, "{when}: the request continues");
        client.get(LIST).await.refused(403, 403, "Invalid access token.");
        let history = own(&world, Method::GET, &format!("workspaces/default/tokens?token_id={id}"), &json!({})).await;
        assert_eq!(history["tokens"][0]["ended_by"], "System-User");
        clear(&world).await;
    }
    expect(&world, &json!({"action": "revokeDbToken", "actor": "System-User", "count": 2})).await;
    arm(&world, &json!({"name": "token_revoked_mid_flight"})).await;
    let access = world.access_token(CLIENT_ID, ADMIN_SECRET).await;
    assert_eq!(world.client(&access).get(LIST).await.status, 200);
    assert_eq!(counts(&world).await, [(0, 0, Some(1))], "an OAuth caller has no token to revoke");
}

async fn a_toggle_takes_seconds(world: World) {
    arm(&world, &json!({"name": "toggle_takes_seconds"})).await;
    let conf = "/api/2.0/workspace-conf";
    let off = world.admin().patch(conf, &json!({"enableTokensConfig": "false"})).await;
    assert_eq!(off.status, 204);
    let shown = world.admin().get(&format!("{conf}?keys=enableTokensConfig")).await;
    assert_eq!(shown.json()["enableTokensConfig"], "false", "it is shown at once");
    world.clock.advance(2_999);
    assert_eq!(world.admin().get(LIST).await.status, 200);
    world.clock.advance(1);
    assert_eq!(world.admin().get(LIST).await.status, 404, "it works three seconds later");
    own(&world, Method::PATCH, "workspaces/default/conf", &json!({"enableTokensConfig": "true"})).await;
    assert_eq!(world.admin().get(LIST).await.status, 200, "once only");
}

async fn a_fault_replaces_a_refusal_too(world: World) {
    let unknown = format!("dapi{}", "0".repeat(32));
    for (when, logins) in [("before", 0), ("after", 1)] {
        arm(&world, &json!({"name": "rate_limited", "when": when})).await;
        assert_eq!(world.client(&unknown).get(LIST).await.status, 429);
        expect(&world, &json!({"action": "tokenLogin", "count": logins})).await;
        clear(&world).await;
    }
    arm(&world, &json!({"name": "rate_limited"})).await;
    assert_eq!(world.anonymous().get(LIST).await.status, 401, "a request without a credential belongs to no workspace");
    for path in ["/.well-known/databricks-config", "/livez", "/readyz", "/health", "/oidc/jwks.json"] {
        assert_eq!(world.anonymous().get(path).await.status, 200, "{path}");
    }
    assert_eq!(counts(&world).await, [(0, 0, Some(1))]);
}

async fn oauth_endpoints_fail_in_their_own_words(world: World) {
    let form = "grant_type=client_credentials&scope=all-apis";
    let client = Some((CLIENT_ID, ADMIN_SECRET));
    arm(&world, &json!({"name": "oidc_down", "times": 2, "match": { "principal": CLIENT_ID }})).await;
    let account = format!("/oidc/accounts/{}/v1/token", world.workspace().await.account);
    for path in ["/oidc/v1/token", &account] {
        let answer = world.ask_for_token(path, client, form).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (503, &json!("temporarily_unavailable")));
        assert!(answer.json()["error_description"].as_str().unwrap().starts_with("Authentication is temporarily"));
        assert_eq!(marks(&answer), "1");
    }
    let last = own(&world, Method::GET, "explain/last", &json!({})).await;
    assert_eq!((&last["decided_by"], &last["caller"]), (&json!("a fault"), &json!(CLIENT_ID)));
    assert_eq!(world.ask_for_token("/oidc/v1/token", client, form).await.status, 200);
    let in_form = format!("{form}&client_id={CLIENT_ID}&client_secret={ADMIN_SECRET}");
    arm(&world, &json!({"match": { "principal": CLIENT_ID }, "effect": {"status": 500}})).await;
    let answer = world.ask_for_token("/oidc/v1/token", None, &in_form).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (500, &json!("server_error")));
}

async fn workspaces_do_not_share_faults(world: World) {
    let other = "dapi00000000000000000000000000000009";
    world.add_second_workspace(77, world.now(), other).await;
    arm(&world, &json!({"effect": {"status": 503}, "times": null})).await;
    assert_eq!(world.client(other).get(LIST).await.status, 200);
    assert_eq!(world.admin().get(LIST).await.status, 503);
    let there = own(&world, Method::GET, "workspaces/77/faults", &json!({})).await;
    assert_eq!(there["faults"], json!([]));
    own(&world, Method::POST, "workspaces/77/faults", &json!({"effect": {"status": 504}})).await;
    let access = async |id: &str| {
        let path = format!("/oidc/v1/token?o={id}");
        world.ask_for_token(&path, Some((CLIENT_ID, ADMIN_SECRET)), "grant_type=client_credentials").await.status
    };
    assert_eq!((access("77").await.as_u16(), access("77").await.as_u16()), (504, 200), "the named workspace's");
    let nowhere = world.anonymous().own(Method::GET, "workspaces/78/faults", &json!({})).await;
    assert_eq!(nowhere.status, 404);
    let nowhere = world.anonymous().own(Method::POST, "workspaces/78/faults", &json!({"name": "rate_limited"})).await;
    assert_eq!(nowhere.status, 404);
}

async fn a_reset_clears_faults_and_a_fork_has_none(world: World) {
    arm(&world, &json!({"effect": {"status": 503}, "times": null})).await;
    own(&world, Method::PUT, "workspaces/default/checkpoints/armed", &json!({})).await;
    let copy = own(&world, Method::POST, "workspaces/default/fork", &json!({})).await;
    let id = copy["id"].as_str().unwrap();
    assert_eq!(own(&world, Method::GET, &format!("workspaces/{id}/faults"), &json!({})).await["faults"], json!([]));
    assert_eq!(world.client(copy["admin_token"].as_str().unwrap()).get(LIST).await.status, 200);
    own(&world, Method::POST, &format!("workspaces/{id}/faults"), &json!({"name": "rate_limited"})).await;
    own(&world, Method::DELETE, &format!("workspaces/{id}"), &json!({})).await;
    for to in ["armed", "seed", "empty"] {
        own(&world, Method::POST, "workspaces/default/reset", &json!({ "to": to })).await;
        assert_eq!(counts(&world).await, [], "{to}");
        assert_eq!(world.admin().get(ME).await.status, 200);
        let again = arm(&world, &json!({"effect": {"status": 503}, "times": null})).await;
        assert_eq!(again["id"], 1);
    }
}

async fn concurrent_requests_share_the_count(world: World) {
    arm(&world, &json!({"effect": {"status": 503}, "offset": 2, "times": 5})).await;
    let requests = (0..12).map(|_| async { world.admin().get(LIST).await.status.as_u16() });
    let statuses = futures_util::future::join_all(requests).await;
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 5, "{statuses:?}");
    assert_eq!(counts(&world).await, [(12, 5, Some(0))]);
}

async fn a_delayed_request_holds_nobody_up(world: World) {
    for when in ["before", "after"] {
        arm(&world, &json!({"when": when, "match": { "path": LIST }, "effect": {"delay_ms": 300_000}})).await;
        let meanwhile = async {
            while counts(&world).await != [(1, 1, Some(0))] {
                tokio::task::yield_now().await;
            }
            assert_eq!(world.admin().get(LIST).await.status, 200, "other requests are not delayed");
            own(&world, Method::POST, "workspaces/default/reset", &json!({})).await;
        };
        let admin = world.admin();
        tokio::select! {
            answer = admin.get(LIST) => panic!("{when}: it is not late: {answer:?}"),
            () = meanwhile => {}
        }
    }
    arm(&world, &json!({"when": "before", "effect": {"delay_ms": 1}})).await;
    arm(&world, &json!({"when": "after", "effect": {"delay_ms": 1}})).await;
    let late = world.admin().post(CREATE, &json!({})).await;
    assert_eq!((late.status.as_u16(), marks(&late)), (200, "1, 2"), "delayed, and otherwise unchanged");
}

async fn what_makes_no_sense_is_refused(world: World) {
    for (rule, says) in [
        (json!({}), "effect: missing"),
        (json!({"name": "rate_limitd"}), "expected one of rate_limited"),
        (json!({"name": 7}), "name"),
        (json!({"effect": {"status": 200}}), "from 400 to 599"),
        (json!({"effect": {"status": 503, "colour": "red"}}), "unknown field"),
        (json!({"effect": {"status": 503}, "times": -1}), "times"),
        (json!({"effect": {"status": 503}, "times": "2"}), "times"),
        (json!({"effect": {"status": 503, "message": "x".repeat(1025)}}), "effect.message"),
        (json!({"effect": {"status": 503}, "match": {"path": "/livez"}}), "faults never apply to"),
        (json!({"effect": {"status": 503}, "match": {"path": "/oidc/accounts/x/jwks.json"}}), "faults never apply to"),
        (json!({"effect": {"status": 503}, "match": {"path": "/_mock/v1/workspaces"}}), "faults never apply to"),
        (json!({"effect": {"status": 503}, "match": { "token_id": ADMIN_TOKEN }}), "contains a token"),
    ] {
        let answer = world.anonymous().own(Method::POST, "workspaces/default/faults", &rule).await;
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(answer.status == 400 && error.contains(says), "{rule}: {answer:?}");
        assert!(!error.contains(ADMIN_TOKEN));
    }
    let array = world.anonymous().own(Method::POST, "workspaces/default/faults", &json!([])).await;
    assert_eq!(array.status, 400);
    for _ in 0..100 {
        arm(&world, &json!({"name": "oidc_down"})).await;
    }
    let more = world.anonymous().own(Method::POST, "workspaces/default/faults", &json!({"name": "oidc_down"})).await;
    assert!(more.status == 400 && more.text.contains("at most 100"), "{more:?}");
}

#[tokio::test]
async fn a_seeded_workspace_keeps_its_ids_while_faults_fire() {
    let world = World::new(Backend::Memory).await;
    let made = own(&world, Method::POST, "workspaces", &json!({"id": 42, "entropy_seed": 7})).await;
    let client = world.client(made["admin_token"].as_str().unwrap());
    let ids = async || {
        own(&world, Method::POST, "workspaces/42/faults", &json!({"name": "rate_limited"})).await;
        [client.get(LIST).await.header("x-request-id").to_owned(), client.create(&json!({})).await.0]
    };
    let first = ids().await;
    own(&world, Method::POST, "workspaces/42/reset", &json!({})).await;
    assert_eq!(ids().await, first);
}

/// A server, and what it takes to talk to it byte by byte.
struct Socket {
    server: Server,
    token: String,
}

impl Socket {
    fn new() -> Self {
        let server = start(&["--port", "0", "--database", "sqlite::memory:"]);
        let token = server.export("DATABRICKS_TOKEN");
        Self { server, token }
    }

    fn head(&self, method: &str, path: &str) -> String {
        let token = &self.token;
        let json = "Content-Type: application/json";
        format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n{json}\r\n")
    }

    /// Everything until the server closes the connection.
    fn exchange(&self, method: &str, path: &str, body: &Value) -> String {
        exchange(&format!("127.0.0.1:{}", self.server.port), &self.head(method, path), &body.to_string())
    }

    fn arm(&self, rule: &Value) {
        let answer = self.exchange("POST", "/_mock/v1/workspaces/default/faults", rule);
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    }

    fn own_tokens(&self) -> usize {
        self.exchange("GET", LIST, &json!({})).matches("\"token_id\"").count()
    }
}

/// The announced and the real length of the body.
fn lengths(answer: &str) -> (usize, usize) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {answer:?}"));
    let announced = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    (announced.parse().unwrap(), body.len())
}

#[test]
fn connections_and_bodies_really_break() {
    let socket = Socket::new();
    socket.arm(&json!({"effect": {"kind": "drop_connection"}}));
    assert_eq!(socket.exchange("POST", CREATE, &json!({})), "", "not a byte");
    assert_eq!(socket.own_tokens(), 1);
    socket.arm(&json!({"name": "reply_lost_after_create"}));
    assert_eq!(socket.exchange("POST", CREATE, &json!({})), "");
    assert_eq!(socket.own_tokens(), 2, "the token exists");
    let told = socket.exchange("GET", "/_mock/v1/explain/last", &json!({}));
    assert!(told.contains("\"status\":0") && told.contains("(reply_lost_after_create) answered after"), "{told}");

    socket.arm(&json!({"name": "truncated_body"}));
    let (announced, sent) = lengths(&socket.exchange("GET", LIST, &json!({})));
    assert!(announced > 200 && sent == announced / 2, "{sent} of {announced}");
    socket.arm(&json!({"name": "truncated_body", "match": {"method": "PATCH"}}));
    let empty = socket.exchange("PATCH", "/api/2.0/workspace-conf", &json!({"enableGp3": "true"}));
    assert_eq!(empty, "", "where there is no body to break");
    socket.server.stop("TERM");
}

#[test]
fn a_slow_body_comes_whole_and_no_sooner() {
    let socket = Socket::new();
    socket.arm(&json!({"name": "slow_body", "effect": {"delay_ms": 300}}));
    let mut stream = TcpStream::connect(("127.0.0.1", socket.server.port)).unwrap();
    write!(stream, "{}Content-Length: 0\r\nConnection: close\r\n\r\n", socket.head("GET", LIST)).unwrap();
    let began = Instant::now();
    let mut first = vec![0; 1024];
    let got = stream.read(&mut first).unwrap();
    let mut answer = String::from_utf8(first[..got].to_vec()).unwrap();
    let (announced, sent) = lengths(&answer);
    assert!(sent < announced, "the first half has arrived: {answer}");
    stream.read_to_string(&mut answer).unwrap();
    assert!(began.elapsed() >= Duration::from_millis(300), "the second was held back");
    assert_eq!(lengths(&answer), (announced, announced));
    socket.server.stop("TERM");
}

#[test]
fn a_client_that_leaves_during_a_delay_changes_nothing() {
    let socket = Socket::new();
    socket.arm(&json!({"match": { "path": CREATE }, "effect": {"delay_ms": 1000}}));
    let mut stream = TcpStream::connect(("127.0.0.1", socket.server.port)).unwrap();
    write!(stream, "{}Content-Length: 2\r\n\r\n{{}}", socket.head("POST", CREATE)).unwrap();
    while !socket.exchange("GET", "/_mock/v1/workspaces/default/faults", &json!({})).contains("\"seen\":1") {}
    drop(stream);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(socket.own_tokens(), 1);
    // The same to its end.
    socket.arm(&json!({"match": { "path": CREATE }, "effect": {"delay_ms": 300}}));
    let began = Instant::now();
    assert!(socket.exchange("POST", CREATE, &json!({})).starts_with("HTTP/1.1 200 "));
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(socket.own_tokens(), 2);
    socket.server.stop("TERM");
}
