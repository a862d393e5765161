//! The emulated API as clients use it: creating, listing and revoking tokens, and the refusals (docs/reference/tokens.md).

use std::collections::HashSet;

use axum::body::Body;
use axum::http::Method;
use dapi_mock::domain::identities::PrincipalKind;
use futures_util::future::join_all;
use serde_json::json;

use crate::support::{ADMIN_TOKEN, Backend, CREATE, Client, DAY_MS, DELETE, LIST, ME, START, World, on_every_store};

on_every_store!(
    a_token_lives_its_whole_life,
    lifetimes_are_obeyed_to_the_second,
    expiry_and_inactivity_end_a_token_at_their_instant,
    comments_have_a_limit,
    updates_change_what_the_mask_names,
    another_users_tokens_are_out_of_reach,
    a_token_may_revoke_itself,
    the_quota_holds_under_a_race,
    scopes_bind,
    the_workspace_is_picked_by_token_and_header,
    disabled_tokens_can_be_neither_used_nor_created,
    losing_the_permission_suspends,
    an_inactive_owner_is_locked_out_and_let_in_again,
    me_shows_the_caller,
    uses_are_recorded_once_a_second,
);

async fn works(client: Client<'_>) -> bool {
    client.get(ME).await.status == 200
}

async fn a_token_lives_its_whole_life(world: World) {
    let answer = world.admin().post(CREATE, &json!({"comment": "ci", "lifetime_seconds": 3600})).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-databricks-org-id"), "3274327432743274");
    assert_eq!(answer.header("date"), "Tue, 24 Nov 2026 08:00:00 GMT");
    assert_eq!(answer.header("server"), "databricks");
    assert_eq!(answer.header("x-request-id").len(), 36);
    let json = answer.json();
    let value = json["token_value"].as_str().unwrap();
    assert!(value.starts_with("dapi") && value.len() == 36);
    let id = json["token_info"]["token_id"].as_str().unwrap();
    let expected =
        json!({"token_id": id, "creation_time": START.0, "expiry_time": START.0 + 3_600_000, "comment": "ci"});
    assert_eq!((id.len(), &json["token_info"]), (64, &expected));

    let list = world.client(value).get(LIST).await.json();
    assert!(list["token_infos"].as_array().unwrap().contains(&expected));

    assert_eq!(world.admin().post(DELETE, &json!({"token_id": id})).await.text, "{}");
    let refused = world.client(value).get(LIST).await;
    let text = format!(
        r#"{{"error_code":403,"message":"Invalid access token. [ReqId: {}]"}}"#,
        refused.header("x-request-id")
    );
    assert_eq!((refused.status.as_u16(), &refused.text), (403, &text));
    assert_eq!(refused.header("x-databricks-reason-phrase"), "Invalid access token.");
    assert!(!world.admin().own_ids().await.contains(&id.to_owned()));
    world.admin().post(DELETE, &json!({"token_id": id})).await.refused(
        404,
        "RESOURCE_DOES_NOT_EXIST",
        &format!("Token with ID {id} does not exist"),
    );
}

async fn lifetimes_are_obeyed_to_the_second(world: World) {
    let expiry = async |body: serde_json::Value| {
        let answer = world.admin().post(CREATE, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["token_info"]["expiry_time"].as_i64().unwrap() - START.0
    };
    assert_eq!(expiry(json!({})).await, 730 * DAY_MS);
    assert_eq!(expiry(json!({"lifetime_seconds": null, "comment": null})).await, 730 * DAY_MS);
    assert_eq!(expiry(json!({"lifetime_seconds": -1})).await, 730 * DAY_MS);
    assert_eq!(expiry(json!({"lifetime_seconds": 730 * 86_400})).await, 730 * DAY_MS);
    assert_eq!(expiry(json!({"lifetime_seconds": 1})).await, 1000);
    let refused = async |seconds: i64, message: &str| {
        let answer = world.admin().post(CREATE, &json!({"lifetime_seconds": seconds})).await;
        answer.refused(400, "INVALID_PARAMETER_VALUE", message);
    };
    refused(730 * 86_400 + 1, "730 days").await;
    refused(i64::MAX, "730 days").await;
    refused(0, "requirement failed: Invalid timeout: 0").await;
    refused(-2, "requirement failed: Invalid timeout: -2").await;
    world.set_conf("maxTokenLifetimeDays", "90").await;
    assert_eq!(expiry(json!({})).await, 90 * DAY_MS);
    assert_eq!(expiry(json!({"lifetime_seconds": 90 * 86_400})).await, 90 * DAY_MS);
    refused(90 * 86_400 + 1, "90 days").await;
}

async fn expiry_and_inactivity_end_a_token_at_their_instant(world: World) {
    let admin = world.admin();
    let (short, short_id) = admin.create(&json!({"lifetime_seconds": 60})).await;
    let (idle, idle_id) = admin.create(&json!({})).await;
    world.clock.advance(59_999);
    assert!(works(world.client(&short)).await);
    world.clock.advance(1);
    assert!(!works(world.client(&short)).await);
    assert!(!admin.own_ids().await.contains(&short_id));

    world.clock.advance(90 * DAY_MS - 60_001);
    assert!(admin.own_ids().await.contains(&idle_id));
    assert!(works(world.client(&idle)).await, "a millisecond before the 90 days");
    world.clock.advance(90 * DAY_MS - 1);
    assert!(works(world.client(&idle)).await, "the use restarted the 90 days");
    world.clock.advance(90 * DAY_MS);
    let gone = world.client(&idle).get(ME).await;
    gone.refused(403, 403, "Invalid access token.");
}

async fn comments_have_a_limit(world: World) {
    let comment = |n: usize| json!({"comment": "ß".repeat(n)});
    assert_eq!(world.admin().post(CREATE, &comment(255)).await.status, 200);
    world.admin().post(CREATE, &comment(256)).await.refused(400, "INVALID_PARAMETER_VALUE", "255");
    world.admin().post(CREATE, &json!({"comment": "a\0b"})).await.refused(400, "INVALID_PARAMETER_VALUE", "U+0000");
    let hostile = "'; DROP TABLE tokens; -- \u{202e} \r\nX-Injected: 1 <script>";
    let (value, id) = world.admin().create(&json!({"comment": hostile})).await;
    let list = world.client(&value).get(LIST).await.json();
    let row = list["token_infos"].as_array().unwrap().iter().find(|row| row["token_id"] == id.as_str()).unwrap();
    assert_eq!(row["comment"], hostile);
}

async fn updates_change_what_the_mask_names(world: World) {
    let (_, id) = world.admin().create(&json!({"comment": "old", "scopes": ["sql"]})).await;
    let path = format!("/api/2.0/token/{id}");
    let info = async || {
        let list = world.admin().get(LIST).await.json();
        list["token_infos"].as_array().unwrap().iter().find(|row| row["token_id"] == id.as_str()).unwrap().clone()
    };
    let answer = world
        .admin()
        .patch(&path, &json!({"token": {"comment": "new", "scopes": ["jobs"]}, "update_mask": "comment"}))
        .await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "{}"));
    assert_eq!((&info().await["comment"], &info().await["scopes"]), (&json!("new"), &json!(["sql"])));
    world.admin().patch(&path, &json!({"token": {"scopes": ["jobs"]}, "update_mask": "comment,scopes"})).await;
    assert_eq!((&info().await["comment"], &info().await["scopes"]), (&json!(""), &json!(["jobs"])));

    let invalid = async |body: serde_json::Value, message: &str| {
        world.admin().patch(&path, &body).await.refused(400, "INVALID_PARAMETER_VALUE", message);
    };
    invalid(json!({"token": {"comment": "x"}}), "update_mask").await;
    invalid(json!({"token": {"comment": "x"}, "update_mask": "expiry_time"}), "'expiry_time' cannot be updated").await;
    invalid(json!({"token": {"comment": "x".repeat(256)}, "update_mask": "comment"}), "255").await;
    invalid(json!({"token": {"scopes": ["Not A Scope"]}, "update_mask": "scopes"}), "is not a scope").await;
    let body = json!({"token": {"comment": "x"}, "update_mask": "comment"});
    world.admin().patch("/api/2.0/token/unknown", &body).await.refused(
        404,
        "NOT_FOUND",
        "Token with ID unknown does not exist",
    );
}

async fn another_users_tokens_are_out_of_reach(world: World) {
    let (_, alice) = world.user_with_token("alice@example.com").await;
    let (_, bob) = world.user_with_token("bob@example.com").await;
    let (value, id) = world.client(&alice).create(&json!({"comment": "alice's"})).await;
    assert!(!world.client(&bob).own_ids().await.contains(&id));
    world.client(&bob).post(DELETE, &json!({"token_id": id})).await.refused(404, "RESOURCE_DOES_NOT_EXIST", &id);
    let body = json!({"token": {"comment": "bob's"}, "update_mask": "comment"});
    world.client(&bob).patch(&format!("/api/2.0/token/{id}"), &body).await.refused(404, "NOT_FOUND", &id);
    assert!(works(world.client(&value)).await);
}

async fn a_token_may_revoke_itself(world: World) {
    let (value, id) = world.admin().create(&json!({})).await;
    assert_eq!(world.client(&value).post(DELETE, &json!({"token_id": id})).await.text, "{}");
    world.client(&value).get(LIST).await.refused(403, 403, "Invalid access token.");
}

async fn the_quota_holds_under_a_race(world: World) {
    let owner = world.admin_id().await;
    for _ in 0..590 {
        world.mint(owner, |_| {}).await;
    }
    let body = json!({});
    let creates = (0..20).map(|_| async { world.admin().post(CREATE, &body).await });
    let answers = join_all(creates).await;
    // There are 590 tokens, and the admin's own.
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 9);
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        refused.refused(400, "QUOTA_EXCEEDED", "600");
    }
    assert_eq!(world.admin().own_ids().await.len(), 600);
    // Only live tokens count.
    let id = world.admin().own_ids().await.pop().unwrap();
    world.admin().post(DELETE, &json!({"token_id": id})).await;
    world.admin().create(&json!({"lifetime_seconds": 1})).await;
    world.admin().post(CREATE, &body).await.refused(400, "QUOTA_EXCEEDED", "600");
    world.clock.advance(1000);
    world.admin().create(&body).await;
}

async fn scopes_bind(world: World) {
    let missing = "Provided access token does not have required scopes: authentication";
    let (sql, _) = world.admin().create(&json!({"scopes": ["sql"]})).await;
    world.client(&sql).get(LIST).await.refused(403, 403, missing);
    world.client(&sql).post(CREATE, &json!({})).await.refused(403, 403, missing);
    let me = world.client(&sql).get(ME).await;
    me.refused(403, 403, "Provided access token does not have required scopes: scim");
    assert_eq!(me.header("x-databricks-reason-phrase"), me.json()["message"]);
    for scope in ["scim", "iam", "iam.current-user:read", "all-apis"] {
        let (reads_itself, _) = world.admin().create(&json!({"scopes": ["sql", scope]})).await;
        assert!(works(world.client(&reads_itself)).await, "{scope}");
    }
    let (minting, _) = world.admin().create(&json!({"scopes": ["authentication"]})).await;
    let answer = world.client(&minting).post(CREATE, &json!({"scopes": ["sql"]})).await.json();
    assert_eq!(answer["token_info"]["scopes"], json!(["sql"]));
    assert_eq!(answer["token_info"]["autoscope_state"], "AUTOSCOPE_STATE_USER_SELECTED");
    let all = world.admin().post(CREATE, &json!({"scopes": [], "autoscope_enabled": true})).await.json();
    assert_eq!(all["token_info"].get("scopes"), None);
    assert_eq!(all["token_info"]["autoscope_state"], "AUTOSCOPE_STATE_RUNNING");
    let bad = json!({"scopes": ["sql", "two words"]});
    world.admin().post(CREATE, &bad).await.refused(400, "INVALID_PARAMETER_VALUE", "'two words' is not a scope");
}

async fn the_workspace_is_picked_by_token_and_header(world: World) {
    let with = async |name: &str, value: &str, path: &str| {
        let request = world.admin().request(&Method::GET, path).header(name, value).body(Body::empty()).unwrap();
        world.send(request).await
    };
    let own = "3274327432743274";
    for name in ["x-databricks-workspace-id", "X-Databricks-Org-Id"] {
        assert_eq!(with(name, own, LIST).await.status, 200);
        with(name, "12", LIST).await.refused(403, 403, "Invalid access to Org: 12");
        with(name, "twelve", LIST).await.refused(403, 403, "Invalid access to Org: twelve");
    }
    assert_eq!(world.admin().get(&format!("{LIST}?o={own}")).await.status, 200);
    world.admin().get(&format!("{LIST}?o=12")).await.refused(403, 403, "Invalid access to Org: 12");
    with("x-databricks-workspace-id", own, &format!("{LIST}?o=12")).await.refused(403, 403, "Org: 12");
    let metadata = world.anonymous().get("/.well-known/databricks-config").await.json();
    assert_eq!(metadata["workspace_id"], own);
    assert_eq!(metadata["oidc_endpoint"], "http://127.0.0.1:3274/oidc");
}

async fn disabled_tokens_can_be_neither_used_nor_created(world: World) {
    world.set_conf("enableTokensConfig", "false").await;
    for path in [LIST, CREATE, DELETE] {
        let method = if path == LIST { Method::GET } else { Method::POST };
        let answer = world.admin().call(method, path, "{}").await;
        answer.refused(404, "FEATURE_DISABLED", "Tokens are disabled.");
    }
    world.admin().get(ME).await.refused(403, 403, "Invalid access token.");
    world.set_conf("enableTokensConfig", "TRue").await;
    assert!(works(world.admin()).await);
}

async fn losing_the_permission_suspends(world: World) {
    let (_, alice) = world.user_with_token("alice@example.com").await;
    assert!(works(world.client(&alice)).await);
    world.permit_users(false).await;
    let message = "User does not have permission to use tokens.";
    world.client(&alice).get(LIST).await.refused(403, "PERMISSION_DENIED", message);
    world.client(&alice).get(ME).await.refused(403, "PERMISSION_DENIED", message);
    assert!(works(world.admin()).await, "admins always may");
}

async fn an_inactive_owner_is_locked_out_and_let_in_again(world: World) {
    let (id, alice) = world.user_with_token("alice@example.com").await;
    world.set_active(id, false).await;
    world.client(&alice).get(ME).await.refused(403, 403, "Invalid access to Org: 3274327432743274");
    world.set_active(id, true).await;
    assert!(works(world.client(&alice)).await);
}

async fn me_shows_the_caller(world: World) {
    let me = world.admin().get(ME).await.json();
    assert_eq!((&me["userName"], &me["active"]), (&json!("admin@example.com"), &json!(true)));
    let groups: HashSet<&str> =
        me["groups"].as_array().unwrap().iter().map(|group| group["display"].as_str().unwrap()).collect();
    assert_eq!(groups, HashSet::from(["admins", "users"]));
    let application = "0b1c2d3e-0000-4000-8000-000000000001";
    let id = world.add_principal(PrincipalKind::ServicePrincipal, application).await;
    let value = world.mint(id, |_| {}).await;
    let me = world.client(&value).get(ME).await.json();
    assert_eq!((&me["userName"], &me["id"]), (&json!(application), &json!(id.to_string())));
    assert_eq!(me.get("emails"), None);
}

async fn uses_are_recorded_once_a_second(world: World) {
    let workspace = world.workspace().await.id;
    let (value, id) = world.admin().create(&json!({})).await;
    let last_used = async || {
        let id = dapi_mock::domain::TokenId::from_text(id.clone());
        let mut reader = world.service.store().read().await.unwrap();
        reader.find_token(workspace, &id).await.unwrap().unwrap().last_used.map(|at| at.since(START))
    };
    assert_eq!(last_used().await, None);
    world.client(&value).get("/api/2.0/nonsense").await.refused(404, "ENDPOINT_NOT_FOUND", "");
    assert_eq!(last_used().await, Some(0), "a valid credential is a use, whatever the path");
    for (advance, expected) in [(999, 0), (1, 1000), (500, 1000), (5000, 6500)] {
        world.clock.advance(advance);
        assert!(works(world.client(&value)).await);
        assert_eq!(last_used().await, Some(expected));
    }
    world.clock.advance(5000);
    let request = world.client(&value).request(&Method::GET, ME).header("x-databricks-workspace-id", "12");
    assert_eq!(world.send(request.body(Body::empty()).unwrap()).await.status, 403);
    assert_eq!(last_used().await, Some(6500), "a refused request does not count as a use");
}

#[tokio::test]
async fn credentials_come_before_everything() {
    let world = World::new(Backend::Memory).await;
    for path in [LIST, ME, "/nonsense", "/api/2.0/clusters/list"] {
        let answer = world.anonymous().get(path).await;
        answer.refused(401, 401, "Credential was not sent or was of an unsupported type for this API. [ReqId: ");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"DatabricksRealm\"");
        assert!(answer.text.contains(answer.header("x-request-id")));
        for bad in ["nonsense", "dapi0", "dapiffffffffffffffffffffffffffffffff", "eyJhbGciOiJub25lIn0.e30."] {
            world.client(bad).get(path).await.refused(403, 403, "Invalid access token.");
        }
    }
    world.client("nonsense").post(CREATE, &json!([])).await.refused(403, 403, "Invalid access token.");
}

#[tokio::test]
async fn unknown_and_not_emulated_routes_are_refused_by_name() {
    let world = World::new(Backend::Memory).await;
    for (method, path, says) in [
        (
            Method::GET,
            "/api/2.0/clusters/spark-versions",
            "The real service has the clusters API there; dapi-mock does not emulate it",
        ),
        (Method::GET, "/api/2.0/nonsense", "dapi-mock does not know this path"),
        (Method::GET, "/", "dapi-mock does not know this path"),
        (Method::PUT, LIST, "dapi-mock has this path for GET only."),
        (Method::OPTIONS, LIST, "dapi-mock has this path for GET only."),
        (Method::HEAD, CREATE, ""),
        (Method::PUT, "/api/2.0/workspace-conf", "dapi-mock has this path for GET, PATCH only."),
        (Method::DELETE, "/api/2.0/token/abc", "dapi-mock has this path for PATCH only."),
        (Method::GET, "/api/2.0/token/list/", "The path is spelled '/api/2.0/token/list'."),
        (Method::GET, "/api/2.0//token/list", "The path is spelled '/api/2.0/token/list'."),
        (Method::GET, "/api/2.0/Token/list", "The path is spelled '/api/2.0/token/list'."),
        (Method::GET, "/api/2.0/token%2Flist", "The path is spelled '/api/2.0/token/list'."),
        (Method::GET, "/api/2.1/token/list", "The path is spelled '/api/2.0/token/list'."),
        (Method::GET, "/2.0/token/list", "The path is spelled '/api/2.0/token/list'."),
        (Method::GET, "/api/2.0/permissionmigration", "The real service has the permission migration API there"),
        (Method::POST, "/telemetry-ext", "The real service has the telemetry endpoint there"),
    ] {
        let answer = world.admin().call(method.clone(), path, Body::empty()).await;
        if method == Method::HEAD {
            assert_eq!(answer.status, 404, "{path}");
            continue;
        }
        answer.refused(404, "ENDPOINT_NOT_FOUND", &format!("No API found for '{method} {path}'. "));
        answer.refused(404, "ENDPOINT_NOT_FOUND", says);
    }
}

#[tokio::test]
async fn bodies_are_json_whatever_they_are_called() {
    let world = World::new(Backend::Memory).await;
    for content_type in
        ["application/json", "application/x-www-form-urlencoded", "text/json", "application/json; charset=utf-8", "x"]
    {
        let request = world.admin().request(&Method::POST, CREATE).header("content-type", content_type);
        let answer = world.send(request.body(Body::from("{\"comment\":\"c\"}")).unwrap()).await;
        assert_eq!(answer.status, 200, "{content_type}: {answer:?}");
    }
    for body in ["", "{}", "  \n", "{\"unknown\":[{}]}"] {
        assert_eq!(world.admin().call(Method::POST, CREATE, body).await.status, 200, "{body:?}");
    }
    assert_eq!(world.admin().call(Method::GET, &format!("{LIST}?"), "{\"a\":1}").await.status, 200);
    for body in ["{", "[]", "null", "\"x\"", "{}x", "\u{feff}{}", "a=b"] {
        let answer = world.admin().call(Method::POST, CREATE, body).await;
        answer.refused(
            400,
            "MALFORMED_REQUEST",
            "Invalid JSON given in the body of the request - failed to parse given JSON",
        );
    }
    for (body, field) in [
        (json!({"lifetime_seconds": "3600"}), "lifetime_seconds"),
        (json!({"lifetime_seconds": 1.5}), "lifetime_seconds"),
        (json!({"comment": 7}), "comment"),
        (json!({"scopes": "sql"}), "scopes"),
        (json!({"scopes": ["sql", 7]}), "scopes[1]"),
        (json!({"autoscope_enabled": "yes"}), "autoscope_enabled"),
    ] {
        world.admin().post(CREATE, &body).await.refused(400, "INVALID_PARAMETER_VALUE", field);
    }
    world.admin().post(DELETE, &json!({})).await.refused(400, "INVALID_PARAMETER_VALUE", "token_id is required");
}

#[tokio::test]
async fn a_body_over_a_mebibyte_is_refused() {
    let world = World::new(Backend::Memory).await;
    let comment = |size: usize| format!("{{\"other\":\"{}\"}}", "x".repeat(size - 12));
    assert_eq!(world.admin().call(Method::POST, CREATE, comment(1024 * 1024)).await.status, 200);
    for size in [1024 * 1024 + 1, 2 * 1024 * 1024] {
        world.admin().call(Method::POST, CREATE, comment(size)).await.refused(413, "MALFORMED_REQUEST", "1 MiB");
    }
    world.anonymous().call(Method::POST, CREATE, comment(2 * 1024 * 1024)).await.refused(401, 401, "Credential");
}

#[tokio::test]
async fn a_netrc_client_sends_basic() {
    use base64::Engine;

    let world = World::new(Backend::Memory).await;
    let basic = async |pair: &str| {
        let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
        let request = axum::http::Request::get(LIST).header("authorization", format!("Basic {encoded}"));
        world.send(request.body(Body::empty()).unwrap()).await
    };
    assert_eq!(basic(&format!("token:{ADMIN_TOKEN}")).await.status, 200);
    basic(&format!("admin@example.com:{ADMIN_TOKEN}")).await.refused(401, 401, "unsupported type");
    basic("token:wrong").await.refused(403, 403, "Invalid access token.");
}
