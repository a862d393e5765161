//! The journal: what came, found, counted, verified, taken out, told as curl and HAR; never a secret.

use std::process::Command;

use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dapi_mock::domain::tripwire::Reaction;
use dapi_mock::service::{ADMIN_CLIENT_ID, ADMIN_USER, JournalLimits};
use serde_json::{Value, json};

use crate::harness::{ADMIN_SECRET, ADMIN_TOKEN, Answer, Backend, START, World, on_every_store};
use crate::sign_in::{query, redemption};

on_every_store!(workspaces_do_not_see_each_others_requests, a_reset_empties_it);

const LIST: &str = "/api/2.0/token/list";
const SDK: &str = "unknown/0.0.0 databricks-sdk-py/0.162.0 python/3.11.7 os/linux auth/pat";

async fn own(world: &World, method: Method, path: &str, body: &Value) -> Answer {
    world.anonymous().own(method, &format!("workspaces/{path}"), body).await
}

async fn rows(world: &World, path: &str) -> Vec<Value> {
    let answer = own(world, Method::GET, path, &json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["requests"].as_array().unwrap().clone()
}

async fn requests(world: &World, query: &str) -> Vec<Value> {
    rows(world, &format!("default/requests?{query}")).await
}

async fn verify(world: &World, body: Value) -> Answer {
    own(world, Method::POST, "default/requests/verify", &body).await
}

fn texts<'a>(rows: &'a [Value], member: &str) -> Vec<&'a str> {
    rows.iter().map(|row| row[member].as_str().unwrap()).collect()
}

async fn send_as(world: &World, client: &str, authorization: &str, method: Method, path: &str, body: &str) -> Answer {
    let request = Request::builder().method(method).uri(path).header("host", "127.0.0.1:3274");
    let request = request.header("user-agent", client).header("authorization", authorization);
    world.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn an_exchange_is_told_in_full() {
    let world = World::new(Backend::Memory).await;
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let body = r#"{"comment": "it's mine", "lifetime_seconds": 60}"#;
    let answer = send_as(&world, SDK, &bearer, Method::POST, "/api/2.0/token/create?x=1", body).await;
    let id = answer.header("x-request-id");
    let found = own(&world, Method::GET, &format!("default/requests/{id}"), &json!({})).await.json();
    for (pointer, expected) in [
        ("/request_id", json!(id)),
        ("/time", json!(START.rfc3339())),
        ("/workspace_time", json!(START.rfc3339())),
        ("/workspace_id", json!("3274327432743274")),
        ("/method", json!("POST")),
        ("/path", json!("/api/2.0/token/create")),
        ("/query", json!("x=1")),
        ("/operation", json!("tokens.create")),
        ("/status", json!(200)),
        ("/credential", json!("pat_bearer")),
        ("/principal", json!(ADMIN_USER)),
        (
            "/client",
            json!({"name": "databricks-sdk-py", "version": "0.162.0", "sdk": "databricks-sdk-py/0.162.0", "auth": "pat"}),
        ),
        ("/refused_by", Value::Null),
        ("/faults", json!([])),
        ("/request/headers/user-agent", json!(SDK)),
        ("/request/body", json!(body)),
        ("/request/body_bytes", json!(body.len())),
        ("/answer/body_cut", json!(false)),
        ("/explain", json!(format!("/_mock/v1/explain/{id}"))),
    ] {
        assert_eq!(found.pointer(pointer), Some(&expected), "{pointer}: {found}");
    }
    let told: Value = serde_json::from_str(found["answer"]["body"].as_str().unwrap()).unwrap();
    assert_eq!(told["token_value"], "[redacted]");
    assert_eq!(told["token_info"], answer.json()["token_info"]);
    let path = found["explain"].as_str().unwrap().strip_prefix("/_mock/v1/").unwrap();
    assert_eq!(world.admin().own(Method::GET, path, &json!({})).await.json()["allowed"], true);
    assert_eq!(own(&world, Method::GET, "default/requests/none", &json!({})).await.status, 404);
}

#[tokio::test]
async fn requests_are_found_by_what_is_asked_for() {
    let world = World::new(Backend::Memory).await;
    let (_, alice) = world.user_with_token("alice@example.com").await;
    let basic = format!("Basic {}", STANDARD.encode(format!("token:{alice}")));
    let (_, token_id) = world.admin().create(&json!({})).await;
    world.client(&alice).get("/api/2.0/token-management/tokens").await;
    send_as(&world, "curl/8.5.0", &basic, Method::GET, LIST, "").await;
    let access = world.access_token(&ADMIN_CLIENT_ID.to_string(), ADMIN_SECRET).await;
    world.client(&access).get(LIST).await;
    world.client("nonsense").get(LIST).await;
    world.anonymous().get("/api/2.0/token/lst").await;
    world.anonymous().get("/.well-known/databricks-config").await;
    // Neither of these comes from a client.
    world.anonymous().get("/livez").await;
    world.anonymous().call(Method::HEAD, "/", Body::empty()).await;
    world.admin().own(Method::GET, "workspaces", &json!({})).await;

    let all = requests(&world, "").await;
    assert_eq!(
        texts(&all, "credential"),
        ["pat_bearer", "pat_bearer", "pat_basic", "none", "oauth", "malformed", "none", "none"]
    );
    let numbers: Vec<u64> = all.iter().map(|row| row["number"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted());
    for (query, count) in [
        ("method=post", 2),
        ("path=/api/2.0/token/*", 5),
        ("path=/api/2.0/token-management/tokens", 1),
        ("principal=ALICE@example.com", 2),
        ("client=curl", 1),
        ("status=200", 5),
        ("credential=oauth", 1),
        ("operation=tokens.list", 3),
        ("operation=oauth.token", 1),
        ("unmatched=true", 1),
        ("refused=true", 3),
        ("refused=false", 5),
        ("unmatched=false", 7),
        ("method=GET&status=401", 1),
        (&format!("token_id={token_id}"), 0),
        (&format!("since={}", numbers[5]), 2),
        ("limit=3", 3),
    ] {
        assert_eq!(requests(&world, query).await.len(), count, "{query}");
    }
    assert_eq!(requests(&world, "limit=1").await[0]["operation"], "hostMetadata", "the newest");
    assert_eq!(requests(&world, "credential=malformed").await[0]["refused_by"], "credential_well_formed");
    let managed = &requests(&world, "path=/api/2.0/token-management/tokens").await[0];
    assert_eq!(managed["refused_by"], "has_right");
    let explained = world.admin().own(Method::GET, "explain/last", &json!({})).await.json();
    let last = requests(&world, "refused=true&limit=1").await.remove(0);
    assert_eq!((&last["request_id"], &last["because"]), (&explained["request_id"], &explained["because"]));
    assert!(last["because"].as_str().is_some_and(|because| !because.is_empty()));
    assert_eq!(requests(&world, "refused=false&limit=1").await[0]["because"], Value::Null);
    for (query, says) in [
        ("pth=/", "unknown field `pth`"),
        ("status=many", "invalid digit"),
        ("credential=pat", "unknown variant `pat`"),
        ("format=xml", "unknown variant `xml`"),
        ("limit=x", "limit: invalid digit"),
        (&format!("token_id={alice}"), "refer to a token by its token_id"),
    ] {
        let answer = own(&world, Method::GET, &format!("default/requests?{query}"), &json!({})).await;
        assert!(answer.status == 400 && answer.text.contains(says), "{query}: {answer:?}");
        assert!(!answer.text.contains(&alice));
    }
    assert_eq!(own(&world, Method::GET, "12/requests", &json!({})).await.status, 404);
    for method in [Method::GET, Method::HEAD] {
        for old in ["consume=true", "consume=false", "%63onsume=true"] {
            let answer = own(&world, method.clone(), &format!("default/requests?{old}"), &json!({})).await;
            assert_eq!(answer.status, 400, "{answer:?}");
            assert!(method == Method::HEAD || answer.text.contains("POST …/requests/consume"), "{answer:?}");
        }
    }
    assert_eq!(requests(&world, "").await.len(), 8, "nothing was taken out");
    let consume = async |query: &str, body: Value| {
        own(&world, Method::POST, &format!("default/requests/consume?{query}"), &body).await
    };
    assert_eq!(consume("status=200", json!({"status": 200})).await.status, 400, "in two places");
    assert_eq!(consume("", json!({"nonsense": 1})).await.status, 400);
    let taken = consume("path=/api/2.0/*", json!({"limit": 2})).await.json();
    assert_eq!((taken["requests"].as_array().unwrap().len(), taken["next_before"].is_null()), (2, false));
    let taken = consume("", json!({"path": "/api/2.0/*"})).await.json();
    assert_eq!(taken["requests"].as_array().unwrap().len(), 4);
    assert_eq!(texts(&requests(&world, "").await, "operation"), ["oauth.token", "hostMetadata"]);
    assert_eq!(own(&world, Method::DELETE, "default/requests", &json!({})).await.status, 200);
    assert_eq!(requests(&world, "").await.len(), 0);
}

#[tokio::test]
async fn what_came_is_verified_and_what_is_nearest_is_named() {
    let world = World::new(Backend::Memory).await;
    world.admin().get(LIST).await;
    world.admin().create(&json!({})).await;
    world.admin().get(LIST).await;
    let lists = json!({"path": LIST, "status": 200});
    for (body, count) in [
        (json!({"match": lists}), 2),
        (json!({"match": lists, "exactly": 2}), 2),
        (json!({"match": lists, "at_least": 1, "at_most": 2}), 2),
        (json!({"match": {"method": "DELETE"}, "exactly": 0}), 0),
        (json!({"match": {"method": "DELETE"}, "at_most": 3}), 0),
        (json!({"in_order": [lists, {"operation": "tokens.create"}, lists]}), 3),
    ] {
        let answer = verify(&world, body.clone()).await;
        assert!(answer.status == 200 && answer.json()["count"] == count, "{body}: {answer:?}");
        assert_eq!(answer.json()["request_ids"].as_array().unwrap().len(), count);
    }
    for (body, says) in [
        (
            json!({"match": lists, "exactly": 1}),
            "Expected exactly 1 request with path /api/2.0/token/list, status 200; found 2 among 3 in the journal.",
        ),
        (json!({"match": {"path": LIST, "method": "POST"}}), "Expected at least 1 of the requests with method POST"),
        (json!({"match": lists, "at_most": 1}), "Expected at most 1 "),
        (json!({"match": lists, "at_least": 3, "at_most": 4}), "Expected from 3 to 4 "),
        (
            json!({"in_order": [{"operation": "tokens.create"}, lists, lists]}),
            "Expected in_order[2], a request with path /api/2.0/token/list, status 200, after request number 3; found none.",
        ),
        (json!({"in_order": [{"method": "PUT"}]}), "Expected in_order[0], a request with method PUT; found none."),
    ] {
        let answer = verify(&world, body.clone()).await;
        let json = answer.json();
        assert!(answer.status == 409 && json["met"] == false, "{body}: {answer:?}");
        assert!(json["error"].as_str().unwrap().starts_with(says), "{body}: {json}");
    }
    let near = verify(&world, json!({"match": {"path": LIST, "method": "POST"}})).await.json();
    assert_eq!(near["nearest"][0]["differs"], json!(["method is 'GET', not 'POST'"]));
    assert_eq!(near["nearest"][2]["differs"].as_array().unwrap().len(), 1);
    assert_eq!(near.get("nearest_routes"), None);
    let near = verify(&world, json!({"match": {"path": "/api/2.0/tokens/list", "method": "GET"}})).await.json();
    assert_eq!(near["nearest_routes"][0], "GET /api/2.0/token/list");
    let secret = json!({"match": {"path": format!("/{ADMIN_SECRET}")}});
    for (body, says) in [
        (json!({}), "Give either match"),
        (json!({"match": {}, "exactly": 1, "at_least": 1}), "Give either exactly"),
        (json!({"match": {}, "in_order": []}), "Give either match"),
        (json!({"match": {"pth": "/"}}), "unknown field `pth`"),
        (secret, "contains a token or secret"),
    ] {
        let answer = verify(&world, body.clone()).await;
        assert!(answer.status == 400 && answer.text.contains(says), "{body}: {answer:?}");
    }
}

#[tokio::test]
async fn an_unmatched_route_names_those_that_are_near() {
    let world = World::new(Backend::Memory).await;
    for (method, path, nearest) in [
        (Method::GET, "/api/2.0/token/lists", "GET /api/2.0/token/list"),
        (Method::GET, "/api/2.0/token/create", "POST /api/2.0/token/create"),
        (Method::POST, "/api/2.1/token/create", "POST /api/2.0/token/create"),
        (Method::GET, "/api/2.0/token-managment/tokens/7", "GET /api/2.0/token-management/tokens/{token_id}"),
        (Method::DELETE, "/api/2.0/preview/scim/v2/users/7", "DELETE /api/2.0/preview/scim/v2/Users/{id}"),
    ] {
        let answer = world.admin().call(method, path, Body::empty()).await;
        answer.refused(404, "ENDPOINT_NOT_FOUND", path);
        assert!(!answer.text.contains("nearest"), "the wire stays as it is");
        let rows = requests(&world, "unmatched=true&limit=1").await;
        assert_eq!(rows[0]["nearest_routes"][0], nearest, "{rows:?}");
    }
    world.admin().get("/nothing/like/any/route/of/ours").await;
    assert_eq!(requests(&world, "limit=1").await[0]["nearest_routes"], json!([]));
}

async fn workspaces_do_not_see_each_others_requests(world: World) {
    let made = world.anonymous().own(Method::POST, "workspaces", &json!({})).await.json();
    let (other, token) = (made["id"].as_str().unwrap(), made["admin_token"].as_str().unwrap());
    world.client(token).get(LIST).await;
    world.admin().get("/api/2.0/preview/scim/v2/Me").await;
    world.anonymous().get("/api/2.0/nobody").await;
    assert_eq!(texts(&rows(&world, &format!("{other}/requests")).await, "path"), [LIST]);
    assert_eq!(
        texts(&requests(&world, "").await, "path"),
        ["/api/2.0/preview/scim/v2/Me", "/api/2.0/nobody"],
        "the default workspace has what no workspace could be told for"
    );
    assert_eq!(own(&world, Method::DELETE, &format!("{other}/requests"), &json!({})).await.status, 200);
    assert_eq!((rows(&world, &format!("{other}/requests")).await.len(), requests(&world, "").await.len()), (0, 2));
    let count = json!({"match": {}, "exactly": 0});
    assert_eq!(own(&world, Method::POST, &format!("{other}/requests/verify"), &count).await.status, 200);
    assert_eq!(own(&world, Method::DELETE, other, &json!({})).await.status, 200);
    assert_eq!(own(&world, Method::GET, &format!("{other}/requests"), &json!({})).await.status, 404);
}

async fn a_reset_empties_it(world: World) {
    let answer = world.admin().get(LIST).await;
    let id = answer.header("x-request-id");
    assert_eq!(own(&world, Method::POST, "default/reset", &json!({"to": "empty"})).await.status, 200);
    assert_eq!(requests(&world, "").await.len(), 0);
    assert_eq!(world.admin().own(Method::GET, &format!("explain/{id}"), &json!({})).await.status, 404);
    // A request that began before has its answer after: it belongs to what is no more.
    let fault = json!({"name": "temporarily_unavailable", "when": "after", "effect": {"delay_ms": 300}});
    assert_eq!(own(&world, Method::POST, "default/faults", &fault).await.status, 201);
    let reset = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        own(&world, Method::POST, "default/reset", &json!({"to": "empty"})).await
    };
    let admin = world.anonymous();
    let token = world.user_with_token("alice@example.com").await.1;
    let alice = world.client(&token);
    let (late, reset) = tokio::join!(alice.get(LIST), reset);
    assert_eq!((late.status.as_u16(), reset.status.as_u16()), (503, 200));
    admin.get(LIST).await;
    assert_eq!(texts(&requests(&world, "").await, "credential"), ["none"]);
}

#[tokio::test]
async fn it_is_bounded_by_its_settings() {
    let mut world = World::new(Backend::Memory).await;
    world.watch(JournalLimits { requests: 2, bytes: 1 << 20 }, Reaction::Warn);
    for path in ["/1", "/2", "/3"] {
        world.admin().get(path).await;
    }
    assert_eq!(texts(&requests(&world, "").await, "path"), ["/2", "/3"]);
    world.watch(JournalLimits { requests: 0, bytes: 1 << 20 }, Reaction::Warn);
    let answer = world.admin().get("/4").await;
    assert_eq!(requests(&world, "").await.len(), 0);
    let explain = format!("explain/{}", answer.header("x-request-id"));
    let none = world.admin().own(Method::GET, &explain, &json!({})).await;
    assert!(none.status == 404 && none.text.contains("--journal-requests"), "{none:?}");
}

#[tokio::test]
async fn long_bodies_are_cut() {
    let world = World::new(Backend::Memory).await;
    let comment = "x".repeat(40_000);
    world.admin().post("/api/2.0/token/create", &json!({ "comment": comment })).await;
    let rows = requests(&world, "").await;
    let body = rows[0]["request"]["body"].as_str().unwrap();
    assert!(body.len() <= 16 * 1024 && rows[0]["request"]["body_cut"] == true, "{}", body.len());
    assert!(rows[0]["request"]["body_bytes"].as_u64().unwrap() > 40_000);
}

#[tokio::test]
async fn curl_commands_do_the_same_again() {
    let world = World::new(Backend::Memory).await;
    let request = Request::builder().method(Method::POST).uri("/api/2.0/token/create?a=%27b").header("host", "h:1");
    let request = request.header("authorization", format!("Bearer {ADMIN_TOKEN}")).header("content-type", "text/json");
    world.send(request.body(Body::from(r#"{"comment": "it's $HOME `id`"}"#)).unwrap()).await;
    world.anonymous().call(Method::HEAD, LIST, Body::empty()).await;
    world.access_token(&ADMIN_CLIENT_ID.to_string(), ADMIN_SECRET).await;
    let commands = own(&world, Method::GET, "default/requests?format=curl", &json!({})).await;
    assert_eq!(commands.header("content-type"), "text/plain; charset=utf-8");
    let script = format!(
        "curl() {{ printf '%s\\n' \"$@\"; }}\nDATABRICKS_TOKEN=T DATABRICKS_CLIENT_ID=I DATABRICKS_CLIENT_SECRET=S\n{}",
        commands.text
    );
    let output = Command::new("bash").args(["-euc", &script]).output().unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    let words: Vec<&str> = words.lines().collect();
    assert_eq!(
        words,
        [
            "-sS",
            "http://h:1/api/2.0/token/create?a=%27b",
            "-H",
            "Authorization: Bearer T",
            "-H",
            "content-type: text/json",
            "--data-raw",
            r#"{"comment": "it's $HOME `id`"}"#,
            "-sS",
            "-I",
            "http://127.0.0.1:3274/api/2.0/token/list",
            "-sS",
            "http://127.0.0.1:3274/oidc/v1/token",
            "-u",
            "I:S",
            "--data-raw",
            "grant_type=client_credentials&scope=all-apis",
        ]
    );
}

#[tokio::test]
async fn an_http_archive_has_the_form_that_tools_read() {
    let world = World::new(Backend::Memory).await;
    world.admin().create(&json!({"comment": "x"})).await;
    world.admin().get("/api/2.0/workspace-conf?keys=enableTokensConfig%2CmaxTokenLifetimeDays").await;
    let har = own(&world, Method::GET, "default/requests?format=har", &json!({})).await.json();
    let log = &har["log"];
    assert_eq!((&log["version"], &log["creator"]["name"]), (&json!("1.2"), &json!("dapi-mock")));
    let entries = log["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    for entry in entries {
        // Every member that HAR 1.2 requires, and its type.
        for (pointer, is_right) in [
            ("/startedDateTime", Value::is_string as fn(&Value) -> bool),
            ("/time", Value::is_number),
            ("/request/method", Value::is_string),
            ("/request/url", Value::is_string),
            ("/request/httpVersion", Value::is_string),
            ("/request/cookies", Value::is_array),
            ("/request/headers", Value::is_array),
            ("/request/queryString", Value::is_array),
            ("/request/headersSize", Value::is_i64),
            ("/request/bodySize", Value::is_i64),
            ("/response/status", Value::is_i64),
            ("/response/statusText", Value::is_string),
            ("/response/httpVersion", Value::is_string),
            ("/response/cookies", Value::is_array),
            ("/response/headers", Value::is_array),
            ("/response/content/size", Value::is_i64),
            ("/response/content/mimeType", Value::is_string),
            ("/response/redirectURL", Value::is_string),
            ("/response/headersSize", Value::is_i64),
            ("/response/bodySize", Value::is_i64),
            ("/cache", Value::is_object),
            ("/timings/send", Value::is_number),
            ("/timings/wait", Value::is_number),
            ("/timings/receive", Value::is_number),
        ] {
            assert!(entry.pointer(pointer).is_some_and(is_right), "{pointer}: {entry}");
        }
    }
    assert_eq!(entries[0]["request"]["postData"]["text"], r#"{"comment":"x"}"#);
    assert_eq!(
        entries[1]["request"]["queryString"][0],
        json!({"name": "keys", "value": "enableTokensConfig,maxTokenLifetimeDays"})
    );
    assert_eq!(entries[1]["response"]["statusText"], "OK");
}

#[tokio::test]
async fn a_census_tells_who_comes_with_what() {
    let world = World::new(Backend::Memory).await;
    let (_, alice) = world.user_with_token("alice@example.com").await;
    let bearer = |token: &str| format!("Bearer {token}");
    for _ in 0..3 {
        send_as(&world, SDK, &bearer(&alice), Method::GET, LIST, "").await;
    }
    let access = world.access_token(&ADMIN_CLIENT_ID.to_string(), ADMIN_SECRET).await;
    let m2m = SDK.replace("auth/pat", "auth/oauth-m2m");
    send_as(&world, &m2m, &bearer(&access), Method::GET, LIST, "").await;
    send_as(&world, "curl/8.5.0", &bearer(&alice), Method::GET, "/api/2.0/workspace-conf?keys=x", "").await;
    let census = async |by: &str| {
        let answer = own(&world, Method::GET, &format!("default/census?by={by}"), &json!({})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["census"].as_array().unwrap().clone()
    };
    let by_client = census("client").await;
    assert_eq!(
        texts(&by_client, "name"),
        ["databricks-sdk-py/0.162.0 auth/pat", "(none)", "curl/8.5.0", "databricks-sdk-py/0.162.0 auth/oauth-m2m"]
    );
    assert_eq!(by_client[0]["credentials"], json!({"pat_bearer": 3}));
    assert_eq!(by_client[3]["credentials"], json!({"oauth": 1}));
    assert_eq!((&by_client[0]["first"], &by_client[2]["refused"]), (&json!(START.rfc3339()), &json!(1)));
    let by_principal = census("principal").await;
    assert_eq!(by_principal[0]["name"], "alice@example.com");
    assert_eq!(by_principal[0]["clients"], json!({"curl/8.5.0": 1, "databricks-sdk-py/0.162.0 auth/pat": 3}));
    assert_eq!(texts(&census("credential").await, "name"), ["pat_bearer", "none", "oauth"]);
    assert_eq!(census("token").await[0]["requests"], 4);
    assert_eq!(own(&world, Method::GET, "default/census?by=age", &json!({})).await.status, 400);
}

fn each_byte(text: &str, written: fn(u8) -> String) -> String {
    text.bytes().map(written).collect::<Vec<_>>().concat()
}

/// Every secret there is, sent and answered wherever one can be: in none of the journal's answers.
#[tokio::test]
async fn no_secret_is_in_any_answer_of_the_journal() {
    let world = World::new(Backend::Memory).await;
    let client_id = ADMIN_CLIENT_ID.to_string();
    let (value, id) = world.admin().create(&json!({})).await;
    let access = world.access_token(&client_id, ADMIN_SECRET).await;
    let form = format!("grant_type=client_credentials&client_id={client_id}&client_secret={ADMIN_SECRET}");
    let in_form = world.ask_for_token("/oidc/v1/token", None, &form).await.json();
    let me = world.client(&access).get("/api/2.0/preview/scim/v2/Me").await.json();
    let secrets = format!("/api/2.0/accounts/servicePrincipals/{}/credentials/secrets", me["id"].as_str().unwrap());
    let secret = world.client(&access).post(&secrets, &json!({})).await.json();
    let authorize = format!("/oidc/v1/authorize?{}", query(&[("login_hint", ADMIN_USER)]));
    let back = world.anonymous().get(&authorize).await;
    let (_, code) = back.header("location").split_once("?code=").unwrap();
    let code = code.split('&').next().unwrap().to_owned();
    let redeemed = world.ask_for_token("/oidc/v1/token", None, &redemption(&code, &[])).await.json();
    let page = world.anonymous().get(&format!("/oidc/v1/authorize?{}", query(&[]))).await;
    let (_, ticket) = page.text.split_once("name=\"ticket\" value=\"").unwrap();
    let ticket = ticket.split('"').next().unwrap().to_owned();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let refresh = text(&redeemed["refresh_token"]);
    let all = [
        value.clone(),
        ADMIN_TOKEN.into(),
        ADMIN_SECRET.into(),
        text(&secret["secret"]),
        access.clone(),
        text(&in_form["access_token"]),
        text(&redeemed["access_token"]),
        refresh.clone(),
        code,
        ticket.clone(),
        "my-control-key".into(),
        "hunter2".into(),
    ];
    let form = format!("ticket={ticket}&control_key=my-control-key&user=1");
    world.anonymous().call(Method::POST, "/oidc/v1/authorize", form).await;
    let form = format!("grant_type=refresh_token&client_id=databricks-cli&refresh_token={refresh}");
    world.ask_for_token("/oidc/v1/token", None, &form).await;
    for secret in &all {
        let (percent, escaped) =
            (each_byte(secret, |byte| format!("%{byte:02X}")), each_byte(secret, |byte| format!("\\u{byte:04x}")));
        for path in [
            format!("/api/2.0/token/{secret}"),
            format!("/api/2.0/token/{percent}"),
            format!("{LIST}?password={secret}"),
            format!("/x/{secret}?code={percent}"),
        ] {
            if !["hunter2", "my-control-key"].contains(&secret.as_str()) || path.contains("password") {
                world.admin().get(&path).await;
            }
        }
        for body in [
            json!({ "secret": secret }).to_string(),
            json!({ "client_secret": { "token_value": secret } }).to_string(),
            format!("{{\"password\": \"{escaped}\", \"access_token\": \"{secret}"),
        ] {
            world.admin().call(Method::POST, "/api/2.0/token/create", body).await;
        }
    }
    let bearer = format!("Bearer {value}");
    send_as(&world, &format!("tool/{value}"), &bearer, Method::GET, LIST, "").await;
    world.admin().post("/api/2.0/token/delete", &json!({ "token_id": id })).await;
    world.client(&value).get(LIST).await;

    let mut told = String::new();
    let ids = requests(&world, "").await;
    assert!(ids.len() > 80, "{}", ids.len());
    for row in &ids {
        let id = row["request_id"].as_str().unwrap();
        for path in [format!("workspaces/default/requests/{id}"), format!("explain/{id}")] {
            told.push_str(&world.admin().own(Method::GET, &path, &json!({})).await.text);
        }
    }
    for path in [
        "requests",
        "requests?format=curl",
        "requests?format=har",
        "census?by=client",
        "census?by=principal",
        "census?by=token",
    ] {
        told.push_str(&own(&world, Method::GET, &format!("default/{path}"), &json!({})).await.text);
    }
    told.push_str(&verify(&world, json!({"match": {"path": "/none"}})).await.text);
    for secret in &all {
        let percent = each_byte(secret, |byte| format!("%{byte:02X}"));
        for form in [secret, &percent] {
            let at = told.find(form.as_str()).map(|at| &told[at.saturating_sub(300)..at]);
            assert_eq!(at, None, "a secret ({}…) is there, after this", &secret[..4]);
        }
    }
    assert!(told.contains("dapi[redacted]") && told.contains("\\\"token_value\\\":\\\"[redacted]\\\""));
}
