//! What an entry holds, how entries are found, and how long they are kept.

use axum::body::Body;
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dapi_mock::domain::tripwire::Reaction;
use dapi_mock::service::{ADMIN_CLIENT_ID, ADMIN_USER, JournalLimits};
use serde_json::{Value, json};

use super::{SDK, own, requests, rows, send_as, texts};
use crate::support::{ADMIN_SECRET, ADMIN_TOKEN, Backend, LIST, START, World, on_every_store};

on_every_store!(workspaces_do_not_see_each_others_requests, a_reset_empties_the_journal,);

#[tokio::test]
async fn an_entry_holds_the_whole_request_and_answer() {
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
    // None of these is a client's request.
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
    assert_eq!(requests(&world, "").await.len(), 8, "no entry was taken out");
    let consume = async |query: &str, body: Value| {
        own(&world, Method::POST, &format!("default/requests/consume?{query}"), &body).await
    };
    assert_eq!(
        consume("status=200", json!({"status": 200})).await.status,
        400,
        "a filter in the query and in the body"
    );
    assert_eq!(consume("", json!({"nonsense": 1})).await.status, 400);
    let taken = consume("path=/api/2.0/*", json!({"limit": 2})).await.json();
    assert_eq!((taken["requests"].as_array().unwrap().len(), taken["next_before"].is_null()), (2, false));
    let taken = consume("", json!({"path": "/api/2.0/*"})).await.json();
    assert_eq!(taken["requests"].as_array().unwrap().len(), 4);
    assert_eq!(texts(&requests(&world, "").await, "operation"), ["oauth.token", "hostMetadata"]);
    assert_eq!(own(&world, Method::DELETE, "default/requests", &json!({})).await.status, 200);
    assert_eq!(requests(&world, "").await.len(), 0);
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

async fn a_reset_empties_the_journal(world: World) {
    let answer = world.admin().get(LIST).await;
    let id = answer.header("x-request-id");
    assert_eq!(own(&world, Method::POST, "default/reset", &json!({"to": "empty"})).await.status, 200);
    assert_eq!(requests(&world, "").await.len(), 0);
    assert_eq!(world.admin().own(Method::GET, &format!("explain/{id}"), &json!({})).await.status, 404);
    // A request that began before the reset and is answered after it belongs to the state that was replaced.
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
async fn the_journal_is_bounded_by_its_settings() {
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
