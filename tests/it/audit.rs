//! The audit log: each change writes its event in the same transaction, in the real formats (docs/reference/audit.md).

use axum::http::Method;
use dapi_mock::domain::PrincipalId;
use dapi_mock::domain::audit::{Action, Filter, NewEvent, Origin};
use dapi_mock::store::Lock;
use serde_json::{Value, json};

use crate::support::{Backend, ELSEWHERE, START, World, admins_may_manage, on_every_store};

on_every_store!(every_action_leaves_its_event, refused_attempts_are_there_too, expectations_answer_with_the_difference);

async fn events(world: &World, query: &str) -> Vec<Value> {
    let path = format!("workspaces/default/audit?{query}");
    let answer = world.admin().own(Method::GET, &path, &json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn every_action_leaves_its_event(world: World) {
    let admin_id = world.admin_id().await.to_string();
    let (_, id) = world.admin().create(&json!({"lifetime_seconds": 60})).await;
    world
        .admin()
        .patch("/api/2.0/workspace-conf", &json!({"maxTokenLifetimeDays": "90", "enableTokensConfig": true}))
        .await;
    let everybody = json!({"access_control_list": [{"group_name": "users", "permission_level": "CAN_USE"}]});
    let nobody = json!({"access_control_list": [admins_may_manage()]}).to_string();
    world.admin().call(Method::PUT, "/api/2.0/permissions/authorization/tokens", nobody).await;
    world.admin().patch("/api/2.0/permissions/authorization/tokens", &everybody).await;
    world.admin().post("/api/2.0/token/delete", &json!({"token_id": id})).await;

    let generated = &events(&world, "action=generateDbToken").await[0];
    let expected = json!({"tokenExpirationTime": (START.0 + 60_000).to_string(), "tokenHash": id, "tokenId": id, "userId": admin_id, "tokenCreatedBy": admin_id});
    assert_eq!(generated["requestParams"], expected);
    assert_eq!(generated["userIdentity"]["email"], "admin@example.com");
    assert_eq!((&generated["timestamp"], &generated["response"]["statusCode"]), (&json!(START.0), &json!(200)));
    let revoked = &events(&world, "action=revokeDbToken").await[0]["requestParams"];
    assert_eq!(*revoked, json!({"userId": admin_id, "tokenHash": id, "tokenId": id}));
    let edited = &events(&world, "action=workspaceConfEdit").await[0];
    assert_eq!(edited["serviceName"], "workspace");
    assert_eq!(
        edited["requestParams"],
        json!({"workspaceConfKeys": "enableTokensConfig,maxTokenLifetimeDays", "workspaceConfValues": "true,90"})
    );
    let acl: Vec<Value> = events(&world, "action=changeDbTokenAcl")
        .await
        .iter()
        .map(|event| event["requestParams"]["aclPermissionSet"].clone())
        .collect();
    assert_eq!(acl, ["", "CAN_USE"]);
    let login = &events(&world, "action=tokenLogin").await[0]["requestParams"];
    assert_eq!(
        (&login["user"], &login["authenticationMethod"]),
        (&json!("admin@example.com"), &json!("API_EXT_PAT_TOKEN"))
    );

    world.admin().create(&json!({"lifetime_seconds": 5})).await;
    world.admin().advance(&json!({"by": "31d"})).await;
    let collected = &events(&world, "action=garbageCollectDbToken").await[0];
    let keys: Vec<&String> = collected["requestParams"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["tokenClientId", "tokenCreationTime", "tokenExpirationTime", "tokenFirstAccessed", "userId"]);
    assert_eq!(collected["userIdentity"]["email"], "System-User");
    let all = events(&world, "").await;
    assert!(all.iter().all(|event| event["requestParams"].as_object().unwrap().values().all(Value::is_string)));
}

async fn refused_attempts_are_there_too(world: World) {
    let (_, bob) = world.user_with_token("bob@example.com").await;
    world.admin().post("/api/2.0/token/create", &json!({"lifetime_seconds": 0})).await;
    world.client(&bob).patch("/api/2.0/workspace-conf", &json!({"enableTokensConfig": "false"})).await;
    let unknown = "dapiffffffffffffffffffffffffffffffff";
    for _ in 0..3 {
        world.client(unknown).get("/api/2.0/token/list").await;
    }
    let failed = |event: &Value| {
        (
            event["response"]["statusCode"].clone(),
            event["response"]["errorMessage"].clone(),
            event["userIdentity"]["email"].clone(),
        )
    };
    let created = events(&world, "action=generateDbToken").await;
    assert_eq!(
        failed(&created[0]),
        (json!(400), json!("requirement failed: Invalid timeout: 0"), json!("admin@example.com"))
    );
    let edited = events(&world, "action=workspaceConfEdit").await;
    assert_eq!(
        failed(&edited[0]),
        (json!(403), json!("Requesting user 'bob@example.com' is not an admin."), json!("bob@example.com"))
    );
    let logins = events(&world, "action=tokenLogin").await;
    let failures: Vec<_> = logins.iter().filter(|event| event["response"]["statusCode"] == 403).map(failed).collect();
    assert_eq!(failures, vec![(json!(403), json!("Invalid access token."), json!("unknown")); 3]);
    let quota = world.add_user("quota@example.com").await;
    let value = world.mint(quota, |_| {}).await;
    for _ in 0..599 {
        world.mint(quota, |_| {}).await;
    }
    world.client(&value).post("/api/2.0/token/create", &json!({})).await.refused(400, "QUOTA_EXCEEDED", "600");
    assert_eq!(events(&world, "action=reachMaxQuotaDbToken").await.len(), 1);
}

async fn expectations_answer_with_the_difference(world: World) {
    world.admin().create(&json!({})).await;
    let expect = async |body: Value| world.admin().own(Method::POST, "workspaces/default/audit/expect", &body).await;
    assert_eq!(expect(json!({"action": "generateDbToken"})).await.json(), json!({"met": true, "count": 1}));
    assert_eq!(
        expect(json!({"action": "generateDbToken", "actor": "admin@example.com", "count": 1, "within": "1h"}))
            .await
            .status,
        200
    );
    let unmet = expect(json!({"action": "generateDbToken", "actor": "bob@example.com", "count": 2})).await;
    assert_eq!(unmet.status, 409);
    let json = unmet.json();
    assert_eq!(
        json["error"],
        "Expected exactly 2 generateDbToken by bob@example.com, found 0. Other actors did the same."
    );
    assert_eq!(json["newest_of_that_action"][0]["actor"], "admin@example.com");
    assert_eq!(expect(json!({"action": "revokeDbToken", "count": 0})).await.status, 200);
    world.admin().advance(&json!({"by": "2h"})).await;
    assert_eq!(expect(json!({"action": "generateDbToken", "within": "1h"})).await.status, 409);
    assert_eq!(expect(json!({"action": "x", "within": "soon"})).await.status, 400);
    assert_eq!(expect(json!({})).await.status, 400);
}

type Fits = fn(&Value) -> bool;

/// The keys and types of a format, as docs/reference/audit.md lists them.
fn check_shape(event: &Value, keys: &[(&str, Fits)]) {
    let object = event.as_object().unwrap();
    let mut found: Vec<&str> = object.keys().map(String::as_str).collect();
    let mut wanted: Vec<&str> = keys.iter().map(|(key, _)| *key).collect();
    found.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    for (key, fits) in keys {
        assert!(fits(&object[*key]), "{key}: {}", object[*key]);
    }
}

fn text(value: &Value) -> bool {
    value.is_string()
}

fn object(value: &Value) -> bool {
    value.is_object()
}

#[tokio::test]
async fn the_three_shapes_have_their_keys_and_types() {
    let world = World::new(Backend::Memory).await;
    world.admin().create(&json!({})).await;
    world.admin().post("/api/2.0/token/create", &json!({"lifetime_seconds": 0})).await;
    for event in events(&world, "shape=system_table").await {
        check_shape(
            &event,
            &[
                ("version", text),
                ("event_id", text),
                ("event_time", text),
                ("event_date", text),
                ("account_id", text),
                ("workspace_id", text),
                ("audit_level", text),
                ("service_name", text),
                ("action_name", text),
                ("request_id", text),
                ("source_ip_address", text),
                ("user_agent", text),
                ("session_id", Value::is_null),
                ("user_identity", object),
                ("identity_metadata", object),
                ("request_params", object),
                ("response", object),
            ],
        );
        assert!(event["response"]["status_code"].is_string() && event["user_identity"]["email"].is_string());
        assert_eq!(event["event_time"], "2026-11-24T08:00:00.000Z");
    }
    for event in events(&world, "shape=delivery").await {
        check_shape(
            &event,
            &[
                ("version", text),
                ("auditLevel", text),
                ("timestamp", Value::is_i64),
                ("orgId", text),
                ("accountId", text),
                ("workspaceId", text),
                ("sourceIPAddress", text),
                ("userAgent", text),
                ("sessionId", Value::is_null),
                ("userIdentity", object),
                ("serviceName", text),
                ("actionName", text),
                ("requestId", text),
                ("requestParams", object),
                ("response", object),
            ],
        );
        assert!(event["response"]["statusCode"].is_i64());
    }
    for event in events(&world, "shape=azure").await {
        check_shape(
            &event,
            &[
                ("resourceId", text),
                ("operationVersion", text),
                ("operationName", text),
                ("time", text),
                ("category", text),
                ("identity", text),
                ("properties", object),
                ("Host", text),
            ],
        );
        let inner =
            |path: &str| -> Value { serde_json::from_str(event.pointer(path).unwrap().as_str().unwrap()).unwrap() };
        assert!(inner("/identity")["email"].is_string());
        assert!(inner("/properties/response")["statusCode"].is_i64());
        assert!(inner("/properties/requestParams").is_object());
    }
}

/// Published detection rules, such as Panther's `long_lifetime_token_generated`.
#[tokio::test]
async fn public_detection_rules_fire_on_the_events() {
    let world = World::new(Backend::Memory).await;
    world.admin().create(&json!({"lifetime_seconds": 3600})).await;
    world.admin().create(&json!({"lifetime_seconds": 100 * 86_400})).await;
    world.admin().create(&json!({})).await;
    let severity = |event: &Value| {
        let expiry: i64 = event["requestParams"]["tokenExpirationTime"].as_str().unwrap().parse().unwrap();
        match (expiry - event["timestamp"].as_i64().unwrap()) / 3_600_000 {
            hours if hours > 365 * 24 => Some("HIGH"),
            hours if hours > 90 * 24 => Some("MEDIUM"),
            hours if hours > 72 => Some("LOW"),
            _ => None,
        }
    };
    let fired: Vec<_> = events(&world, "action=generateDbToken").await.iter().map(severity).collect();
    assert_eq!(fired, [None, Some("MEDIUM"), Some("HIGH")]);
}

#[tokio::test]
async fn the_export_resumes_where_it_stopped() {
    let world = World::new(Backend::Memory).await;
    for _ in 0..5 {
        world.admin().create(&json!({})).await;
    }
    let mut after = "0".to_owned();
    let mut ids = Vec::new();
    loop {
        let path = format!("workspaces/default/audit?limit=2&after={after}&action=generateDbToken&shape=system_table");
        let answer = world.admin().own(Method::GET, &path, &json!({})).await;
        let page: Vec<Value> = answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        after = answer.header("x-next-after").to_owned();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 2);
        ids.extend(page.iter().map(|event| event["event_id"].as_str().unwrap().to_owned()));
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
    let mut backwards = Vec::new();
    let mut before = String::new();
    while before != "0" {
        let query = if before.is_empty() { String::new() } else { format!("&before={before}") };
        let path =
            format!("workspaces/default/audit?order=desc&limit=2&action=generateDbToken&shape=system_table{query}");
        let answer = world.admin().own(Method::GET, &path, &json!({})).await;
        assert!(answer.text.lines().count() <= 2);
        backwards.extend(answer.text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        before = answer.header("x-next-before").to_owned();
    }
    backwards.reverse();
    assert_eq!(backwards, events(&world, "action=generateDbToken&shape=system_table").await);
    for (query, count) in [
        ("actor=admin@example.com", 6),
        ("actor=bob@example.com", 0),
        ("since=2026-11-24T08:00:00Z", 6),
        ("until=2026-11-24T08:00:00Z", 0),
    ] {
        assert_eq!(events(&world, query).await.len(), count, "{query}");
    }
    for query in ["shape=csv", "order=up"] {
        let path = format!("workspaces/default/audit?{query}");
        assert_eq!(world.admin().own(Method::GET, &path, &json!({})).await.status, 400, "{query}");
    }
}

/// On PostgreSQL, transactions may commit in another order than their events were numbered. A reader that resumes after the
/// newest event it saw must not miss one that was committed later.
#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test]
async fn no_event_is_overtaken() {
    let world = World::new(Backend::Postgres).await;
    // A workspace's lock is one for the whole PostgreSQL server, whatever the schema. Another test that takes the lock of the
    // default workspace would stand between the two transactions for ever.
    let workspace = world.add_workspace(1_000_000 + i64::from(std::process::id()), ELSEWHERE).await;
    let origin = Origin::default();
    let event = |action: &'static str| NewEvent {
        account_level: false,
        account: workspace.account,
        workspace: workspace.id,
        event_id: action.to_owned(),
        at: START,
        actor: None,
        origin: &origin,
        action: Action::refused("accounts", action),
        status: 200,
        error: None,
    };
    let store = world.service.store();
    let mut slow = store.write(Lock::Owner(workspace.id, PrincipalId(1))).await.unwrap();
    slow.insert_events(&[event("first")]).await.unwrap();
    let mut quick = store.write(Lock::Owner(workspace.id, PrincipalId(2))).await.unwrap();
    quick.insert_events(&[event("second")]).await.unwrap();
    quick.commit().await.unwrap();
    let service = world.service.clone();
    let reading = tokio::spawn(async move { service.audit_events(workspace.id, &Filter::default()).await.unwrap().0 });
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert!(!reading.is_finished(), "it waits for the uncommitted event");
    slow.commit().await.unwrap();
    let actions: Vec<String> = reading.await.unwrap().into_iter().map(|event| event.action).collect();
    assert_eq!(actions, ["first", "second"]);
}
