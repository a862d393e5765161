//! Workspaces are created, forked, saved as checkpoints, restored and deleted.

use std::collections::{BTreeSet, HashSet};

use axum::http::Method;
use dapi_mock::store::{Store, TABLES_NOT_RESTORED, restored_tables};
use serde_json::{Value, json};

use crate::support::{ADMIN_TOKEN, Backend, DAY_MS, LIST, USERS, World, exchange, get, on_every_store, start};

on_every_store!(
    a_new_workspace_is_a_world_of_its_own,
    a_workspace_may_join_an_account,
    what_cannot_be_created_is_refused,
    a_removed_workspace_leaves_nothing,
    a_workspace_with_a_ttl_is_deleted_when_it_expires,
    every_table_is_put_back_or_kept_on_purpose,
    a_reset_puts_every_row_back,
    a_reset_leaves_the_principals_of_a_shared_account_alone,
    checkpoints_come_and_go,
    a_fork_changes_independently,
    the_same_seed_and_calls_give_the_same_values,
    requests_end_on_the_state_that_they_began_on,
    parallel_tests_never_see_each_other,
);

pub(crate) async fn own(world: &World, method: Method, path: &str, body: &Value) -> Value {
    let answer = world.anonymous().own(method, path, body).await;
    assert!(answer.status.is_success(), "{answer:?}");
    answer.json()
}

async fn create(world: &World, body: &Value) -> Value {
    own(world, Method::POST, "workspaces", body).await
}

async fn reset(world: &World, id: &str, to: &str) -> Value {
    own(world, Method::POST, &format!("workspaces/{id}/reset"), &json!({ "to": to })).await
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key}: {value}"))
}

/// The ids of all tokens that token management shows to whoever holds `token`.
async fn managed(world: &World, token: &str) -> BTreeSet<String> {
    let json = world.client(token).get("/api/2.0/token-management/tokens").await.json();
    json["token_infos"].as_array().unwrap().iter().map(|row| text(row, "token_id").to_owned()).collect()
}

async fn a_new_workspace_is_a_world_of_its_own(world: World) {
    let made = create(&world, &json!({})).await;
    let (id, token) = (text(&made, "id"), text(&made, "admin_token"));
    assert_eq!(made["env"]["DATABRICKS_HOST"], "http://127.0.0.1:3274");
    assert_eq!(
        (&made["env"]["DATABRICKS_TOKEN"], &made["env"]["DATABRICKS_WORKSPACE_ID"]),
        (&made["admin_token"], &made["id"])
    );

    let me = world.client(token).get("/api/2.0/preview/scim/v2/Me").await;
    assert_eq!(me.header("x-databricks-org-id"), id);
    world.client(token).create(&json!({"comment": "theirs"})).await;
    assert_eq!(managed(&world, token).await.len(), 2);
    assert_eq!(managed(&world, ADMIN_TOKEN).await.len(), 1, "the default workspace sees none of it");
    world.client(token).post(USERS, &json!({"userName": "x@example.com"})).await;
    let there = world.admin().get(&format!("{USERS}?filter=userName eq x@example.com").replace(' ', "%20")).await;
    assert_eq!(there.json()["totalResults"], 0);
    own(&world, Method::POST, &format!("workspaces/{id}/clock/advance"), &json!({"by": "91d"})).await;
    world.client(token).get(LIST).await.refused(403, 403, "Invalid access token.");
    assert_eq!(world.admin().get(LIST).await.status, 200);

    let access = world.access_token(text(&made, "client_id"), text(&made, "client_secret")).await;
    let me = world.client(&access).get("/api/2.0/preview/scim/v2/Me").await;
    assert_eq!((me.status.as_u16(), me.header("x-databricks-org-id")), (200, id), "its secret opens it");
    let all = own(&world, Method::GET, "workspaces", &json!({})).await;
    assert_eq!(all["workspaces"].as_array().unwrap().len(), 2);
    assert_eq!(
        own(&world, Method::GET, &format!("workspaces/{id}"), &json!({})).await["account_id"],
        made["account_id"]
    );
}

async fn a_workspace_may_join_an_account(world: World) {
    let account = world.workspace().await.account.to_string();
    let made = create(&world, &json!({"account_id": account, "name": "second", "id": 77})).await;
    assert_eq!((text(&made, "id"), text(&made, "name"), text(&made, "account_id")), ("77", "second", account.as_str()));
    assert_eq!(made.get("client_secret"), None, "the account's secrets are as they were");
    let me = async |token| world.client(token).get("/api/2.0/preview/scim/v2/Me").await.json()["id"].clone();
    assert_eq!(me(text(&made, "admin_token")).await, me(ADMIN_TOKEN).await, "the same person");
}

async fn what_cannot_be_created_is_refused(world: World) {
    let default = world.workspace().await.id.to_string();
    for (body, status) in [
        (json!({ "id": default }), 409),
        (json!({"id": "x"}), 400),
        (json!({"id": 0}), 400),
        (json!({"id": 9_999_999_999_999_999_i64}), 400),
        (json!({"ttl": "soon"}), 400),
        (json!({"ttl": "0s"}), 400),
        (json!({"account_id": "x"}), 400),
        (json!({"account_id": "00000000-0000-4000-8000-000000000000"}), 404),
        (json!({"admin_token": "dapi"}), 400),
        (json!({"colour": "red"}), 400),
        (json!({"name": "a\u{0}b"}), 400),
    ] {
        let answer = world.anonymous().own(Method::POST, "workspaces", &body).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert!(!text(&answer.json(), "error").is_empty());
    }
    let all = own(&world, Method::GET, "workspaces", &json!({})).await;
    assert_eq!(all["workspaces"].as_array().unwrap().len(), 1, "nothing is half created");
}

async fn a_removed_workspace_leaves_nothing(world: World) {
    let before = rows(&world).await;
    let made = create(&world, &json!({})).await;
    let id = text(&made, "id");
    world.client(text(&made, "admin_token")).create(&json!({})).await;
    world.access_token(text(&made, "client_id"), text(&made, "client_secret")).await;
    own(&world, Method::PUT, &format!("workspaces/{id}/checkpoints/one"), &json!({})).await;
    own(&world, Method::DELETE, &format!("workspaces/{id}"), &json!({})).await;
    assert_eq!(rows(&world).await, before);
    world.client(text(&made, "admin_token")).get(LIST).await.refused(403, 403, "Invalid access token.");
    let again = world.anonymous().own(Method::DELETE, &format!("workspaces/{id}"), &json!({})).await;
    assert_eq!(again.status, 404);

    let account = world.workspace().await.account.to_string();
    let made = create(&world, &json!({ "account_id": account })).await;
    own(&world, Method::DELETE, &format!("workspaces/{}", text(&made, "id")), &json!({})).await;
    assert_eq!(rows(&world).await, before, "the account stays with its other workspace");
    let default = world.anonymous().own(Method::DELETE, "workspaces/default", &json!({})).await;
    assert_eq!(default.status, 400, "{default:?}");
}

async fn a_workspace_with_a_ttl_is_deleted_when_it_expires(world: World) {
    let made = create(&world, &json!({"ttl": "1h"})).await;
    assert_eq!(text(&made, "delete_at"), "2026-11-24T09:00:00.000Z");
    assert_eq!(world.service.delete_expired_workspaces().await.unwrap(), []);
    world.clock.advance(3_600_000);
    assert_eq!(world.service.delete_expired_workspaces().await.unwrap().len(), 1);
    world.client(text(&made, "admin_token")).get(LIST).await.refused(403, 403, "Invalid access token.");
}

/// The rows of each table. The audit log of the default workspace and the journal grow with each request.
async fn rows(world: &World) -> Vec<(&'static str, i64)> {
    let mut counts = Vec::new();
    let names = restored_tables()
        .chain(TABLES_NOT_RESTORED.iter().copied())
        .filter(|name| !["audit_events", "exchanges"].contains(name));
    for name in names {
        counts.push((name, count(world, &format!("SELECT COUNT(*) FROM {name}")).await));
    }
    counts
}

async fn count(world: &World, sql: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    match world.service.store() {
        Store::Sqlite { read, .. } => sqlx::query_scalar(sql).fetch_one(read).await.unwrap(),
        Store::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool.unlimited()).await.unwrap(),
    }
}

async fn every_table_is_put_back_or_kept_on_purpose(world: World) {
    let tables = world.service.store().read().await.unwrap().list_tables().await.unwrap();
    let of_the_database: HashSet<String> =
        tables.into_iter().filter(|name| !name.starts_with("_sqlx") && !name.starts_with("sqlite_")).collect();
    let known: HashSet<String> =
        restored_tables().chain(TABLES_NOT_RESTORED.iter().copied()).map(str::to_owned).collect();
    assert_eq!(of_the_database, known);
}

/// Changes what there is in every table.
async fn stir(world: &World, id: &str, token: &str) {
    let client = world.client(token);
    let (_, gone) = client.create(&json!({"comment": "gone"})).await;
    client.post("/api/2.0/token/delete", &json!({ "token_id": gone })).await;
    let user = client.post(USERS, &json!({"userName": "new@example.com"})).await.json();
    let group = client
        .post("/api/2.0/preview/scim/v2/Groups", &json!({"displayName": "new", "members": [{"value": user["id"]}]}))
        .await;
    assert_eq!(group.status, 201, "{group:?}");
    client.patch("/api/2.0/workspace-conf", &json!({"maxTokenLifetimeDays": "30"})).await;
    let acl = json!({"access_control_list": [{"user_name": "new@example.com", "permission_level": "CAN_USE"}]});
    assert_eq!(client.patch("/api/2.0/permissions/authorization/tokens", &acl).await.status, 200);
    let robot =
        client.post("/api/2.0/preview/scim/v2/ServicePrincipals", &json!({"displayName": "robot"})).await.json();
    let path = format!("/api/2.0/accounts/servicePrincipals/{}/credentials/secrets", text(&robot, "id"));
    assert_eq!(client.post(&path, &json!({})).await.status, 200);
    own(world, Method::POST, &format!("workspaces/{id}/clock/advance"), &json!({"by": "2d"})).await;
    own(world, Method::PATCH, &format!("workspaces/{id}/behaviour"), &json!({"tier": "standard"})).await;
}

/// How many rows two checkpoints of a workspace do not share.
async fn difference(world: &World, id: &str, one: &str, other: &str) -> i64 {
    let rows = |name: &str| {
        format!(
            "SELECT table_name, content FROM checkpoint_rows WHERE workspace_id = {id} AND checkpoint_name = '{name}'"
        )
    };
    let minus = |a: &str, b: &str| format!("SELECT COUNT(*) FROM ({} EXCEPT {}) d", rows(a), rows(b));
    count(world, &minus(one, other)).await + count(world, &minus(other, one)).await
}

async fn a_reset_puts_every_row_back(world: World) {
    let made = create(&world, &json!({})).await;
    for (id, token) in [
        (text(&made, "id").to_owned(), text(&made, "admin_token")),
        (world.workspace().await.id.to_string(), ADMIN_TOKEN),
    ] {
        own(&world, Method::PUT, &format!("workspaces/{id}/checkpoints/before"), &json!({})).await;
        stir(&world, &id, token).await;
        let after = own(&world, Method::PUT, &format!("workspaces/{id}/checkpoints/after"), &json!({})).await;
        assert_eq!(after["with_principals"], true);
        assert!(difference(&world, &id, "before", "after").await >= 15);
        for (to, name) in [("before", "again"), ("after", "forth"), ("seed", "seeded"), ("empty", "emptied")] {
            reset(&world, &id, to).await;
            own(&world, Method::PUT, &format!("workspaces/{id}/checkpoints/{name}"), &json!({})).await;
            let to = if to == "seed" { "empty" } else { to };
            assert_eq!(difference(&world, &id, to, name).await, 0, "{to}");
        }
        assert_eq!(world.client(token).get(LIST).await.status, 200);
        let last = world.anonymous().own(Method::GET, "explain/last", &json!({})).await.json();
        assert_ne!(last["path"], USERS, "the journal is replaced with the workspace");
    }
}

async fn a_reset_leaves_the_principals_of_a_shared_account_alone(world: World) {
    let account = world.workspace().await.account.to_string();
    let made = create(&world, &json!({ "account_id": account })).await;
    let (id, token) = (text(&made, "id"), text(&made, "admin_token"));
    let user = world.client(token).post(USERS, &json!({"userName": "both@example.com"})).await.json();
    world.admin().post(USERS, &json!({"userName": "both@example.com"})).await;
    let told = reset(&world, id, "seed").await;
    assert_eq!(told["with_principals"], false);
    let path = format!("{USERS}/{}", text(&user, "id"));
    assert_eq!(world.client(token).get(&path).await.status, 404);
    assert_eq!(world.admin().get(&path).await.status, 200);
}

async fn checkpoints_come_and_go(world: World) {
    let names = |json: Value| -> Vec<String> {
        json["checkpoints"].as_array().unwrap().iter().map(|row| text(row, "name").to_owned()).collect()
    };
    let list = "workspaces/default/checkpoints";
    world.clock.advance(1);
    own(&world, Method::PUT, &format!("{list}/one"), &json!({})).await;
    world.admin().create(&json!({})).await;
    own(&world, Method::PUT, &format!("{list}/one"), &json!({})).await;
    assert_eq!(names(own(&world, Method::GET, list, &json!({})).await), ["empty", "one"]);
    reset(&world, "default", "empty").await;
    reset(&world, "default", "one").await;
    assert_eq!(world.admin().own_ids().await.len(), 2, "the newer workspace of that name");
    own(&world, Method::DELETE, &format!("{list}/one"), &json!({})).await;
    for (method, path, body, status) in [
        (Method::DELETE, format!("{list}/one"), json!({}), 404),
        (Method::DELETE, format!("{list}/empty"), json!({}), 400),
        (Method::PUT, format!("{list}/seed"), json!({}), 400),
        (Method::PUT, format!("{list}/a%20b"), json!({}), 400),
        (Method::PUT, format!("{list}/{}", "a".repeat(65)), json!({}), 400),
        (Method::POST, "workspaces/default/reset".into(), json!({"to": "one"}), 404),
        (Method::POST, "workspaces/default/reset".into(), json!({"to": "'; DROP TABLE tokens; --"}), 400),
        (Method::POST, "workspaces/12/reset".into(), json!({}), 404),
        (Method::GET, "workspaces/12/checkpoints".into(), json!({}), 404),
    ] {
        let answer = world.anonymous().own(method.clone(), &path, &body).await;
        assert_eq!(answer.status, status, "{method} {path} {body}: {answer:?}");
    }
}

async fn a_fork_changes_independently(world: World) {
    let (value, _) = world.admin().create(&json!({"comment": "before"})).await;
    world.admin().post(USERS, &json!({"userName": "x@example.com"})).await;
    let before = managed(&world, ADMIN_TOKEN).await;
    let copy = own(&world, Method::POST, "workspaces/default/fork", &json!({})).await;
    let (id, token) = (text(&copy, "id"), text(&copy, "admin_token"));
    let mut there = managed(&world, token).await;
    assert_eq!(there.len(), before.len() + 1, "and the new admin token");
    there.retain(|id| before.contains(id));
    assert_eq!(there, before);

    let secrets = format!("SELECT COUNT(*) FROM oauth_secrets WHERE account_id = '{}'", text(&copy, "account_id"));
    assert_eq!(count(&world, &secrets).await, 1, "a new secret, so that none opens two accounts");

    let named = |id: &str| {
        let request = world.client(&value).request(&Method::GET, LIST).header("x-databricks-workspace-id", id);
        world.send(request.body(axum::body::Body::empty()).unwrap())
    };
    assert_eq!(
        named(id).await.header("x-databricks-org-id"),
        id,
        "a value known in both workspaces follows the header"
    );
    let default = world.workspace().await.id.to_string();
    assert_eq!(world.client(&value).get(LIST).await.header("x-databricks-org-id"), default);

    let log = async |workspace: String| {
        let answer = world
            .anonymous()
            .own(Method::GET, &format!("workspaces/{workspace}/audit?action=generateDbToken"), &json!({}))
            .await;
        answer.text.lines().count()
    };
    assert_eq!((log(default.clone()).await, log(id.to_owned()).await), (1, 1), "its past is in its audit log");
    for row in world.client(token).get(USERS).await.json()["Resources"].as_array().unwrap() {
        let path = format!("{USERS}/{}", text(row, "id"));
        if row["userName"] == "x@example.com" {
            assert_eq!(world.client(token).call(Method::DELETE, &path, "").await.status, 204);
            assert_eq!(world.admin().get(&path).await.status, 200);
        }
    }
    world.client(token).create(&json!({})).await;
    assert_eq!(managed(&world, ADMIN_TOKEN).await, before);
    reset(&world, id, "seed").await;
    assert_eq!(managed(&world, token).await.len(), before.len() + 1);
    let own_account = world
        .anonymous()
        .own(Method::POST, "workspaces/default/fork", &json!({"account_id": copy["account_id"]}))
        .await;
    assert_eq!(own_account.status, 400);
}

async fn the_same_seed_and_calls_give_the_same_values(world: World) {
    let calls = async |made: &Value| {
        let client = world.client(text(made, "admin_token"));
        let mut seen = vec![made["admin_token"].to_string(), made["client_secret"].to_string()];
        for _ in 0..2 {
            let answer = client.post("/api/2.0/token/create", &json!({"comment": "x"})).await;
            seen.push(answer.header("x-request-id").to_owned());
            seen.push(text(&answer.json(), "token_value").to_owned());
        }
        let refused = client.post("/api/2.0/token/create", &json!({"lifetime_seconds": 0})).await;
        seen.push(refused.header("x-request-id").to_owned());
        let user = client.post(USERS, &json!({"userName": "x@example.com"})).await.json();
        seen.push(text(&user, "id").to_owned());
        let path = format!("workspaces/{}/audit?shape=system_table", text(made, "id"));
        let log = world.anonymous().own(Method::GET, &path, &json!({})).await.text;
        let ids = log.lines().map(|line| text(&serde_json::from_str(line).unwrap(), "event_id").to_owned());
        seen.extend(ids);
        seen
    };
    let wanted = json!({"id": 4242, "entropy_seed": 7});
    let made = create(&world, &wanted).await;
    let first = calls(&made).await;
    assert_eq!(first.iter().collect::<HashSet<_>>().len(), first.len(), "all differ: {first:?}");
    reset(&world, "4242", "seed").await;
    assert_eq!(calls(&made).await, first, "the same after a reset");
    own(&world, Method::DELETE, "workspaces/4242", &json!({})).await;
    assert_eq!(calls(&create(&world, &wanted).await).await, first, "and in a new workspace of the same id");
    for other in [json!({"id": 4243, "entropy_seed": 7}), json!({"id": 4244, "entropy_seed": 8}), json!({"id": 4245})] {
        let seen: HashSet<String> = calls(&create(&world, &other).await).await.into_iter().collect();
        assert!(first.iter().all(|value| !seen.contains(value)), "{other} shares nothing with it");
    }
}

async fn requests_end_on_the_state_that_they_began_on(world: World) {
    let made = create(&world, &json!({})).await;
    let (id, token) = (text(&made, "id"), text(&made, "admin_token"));
    // A user who is not in the seed: whatever is created for it must disappear with it.
    let churn = async {
        let mut created = 0;
        for round in 0..15 {
            let client = world.client(token);
            let user = client.post(USERS, &json!({"userName": format!("u{round}@example.com")})).await;
            created += usize::from(user.status == 201);
            client.post("/api/2.0/token/create", &json!({"comment": format!("{round}")})).await;
        }
        created
    };
    let resets = async {
        for _ in 0..15 {
            reset(&world, id, "seed").await;
            tokio::task::yield_now().await;
        }
    };
    let (created, ()) = tokio::join!(churn, resets);
    assert_eq!(created, 15, "no request fails because of a reset");
    reset(&world, id, "seed").await;
    assert_eq!(managed(&world, token).await.len(), 1);
    assert_eq!(world.client(token).get(USERS).await.json()["totalResults"], 2);
    assert_eq!(
        count(&world, &format!("SELECT COUNT(*) FROM tokens WHERE workspace_id = {id} AND creation_time < {DAY_MS}"))
            .await,
        0
    );
}

/// A test as a user would write it, in its own workspace: it sees no numbers but its own.
async fn one_test(world: &World, number: usize) {
    let made = create(world, &json!({ "name": format!("test {number}") })).await;
    let (id, token) = (text(&made, "id"), text(&made, "admin_token"));
    let client = world.client(token);
    let ours = format!("workspaces/{id}");
    for _ in 0..2 {
        for more in 2..=4 {
            client.create(&json!({"comment": format!("{number}")})).await;
            assert_eq!(managed(world, token).await.len(), more);
        }
        let fault = json!({"match": {"path": LIST}, "effect": {"status": 429, "error_code": "REQUEST_LIMIT_EXCEEDED"}});
        own(world, Method::POST, &format!("{ours}/faults"), &fault).await;
        client.get(LIST).await.refused(429, "REQUEST_LIMIT_EXCEEDED", "");
        assert_eq!(client.get(LIST).await.status, 200);

        client.patch("/api/2.0/workspace-conf", &json!({"enableTokensConfig": "false"})).await;
        client.get(LIST).await.refused(404, "FEATURE_DISABLED", "Tokens are disabled.");
        own(world, Method::PATCH, &format!("{ours}/conf"), &json!({"enableTokensConfig": "true"})).await;

        let days = 60 + i64::try_from(number % 20).unwrap();
        let clock =
            own(world, Method::POST, &format!("{ours}/clock/advance"), &json!({"by": format!("{days}d")})).await;
        assert_eq!(clock["offset_ms"], days * DAY_MS);
        client.get(LIST).await;
        let ended = own(world, Method::POST, &format!("{ours}/clock/advance"), &json!({"by": "31d"})).await;
        assert_eq!(ended["events"].as_array().unwrap().len(), 3, "{ended}");
        assert_eq!(managed(world, token).await.len(), 1);
        reset(world, id, "empty").await;
        assert_eq!(managed(world, token).await.len(), 1);
    }
}

async fn parallel_tests_never_see_each_other(world: World) {
    let tests: Vec<_> = (0..64).map(|number| one_test(&world, number)).collect();
    futures_util::future::join_all(tests).await;
    assert_eq!(managed(&world, ADMIN_TOKEN).await.len(), 1);
}

#[tokio::test]
async fn a_thousand_workspaces_live_in_one_process() {
    let world = World::new(Backend::Memory).await;
    let mut made = Vec::new();
    for _ in 0..1000 {
        made.push(create(&world, &json!({})).await);
    }
    let tokens: HashSet<&str> = made.iter().map(|made| text(made, "admin_token")).collect();
    assert_eq!(tokens.len(), 1000);
    for made in made.iter().step_by(97) {
        let me = world.client(text(made, "admin_token")).get("/api/2.0/preview/scim/v2/Me").await;
        assert_eq!(me.header("x-databricks-org-id"), text(made, "id"));
    }
    one_test(&world, 1000).await;
    let all = own(&world, Method::GET, "workspaces", &json!({})).await;
    assert_eq!(all["workspaces"].as_array().unwrap().len(), 1002);
}

#[test]
fn a_workspace_has_a_port_of_its_own() {
    let server = start(&["--port", "0", "--database", "sqlite::memory:"]);
    let shared = format!("127.0.0.1:{}", server.port);
    let send = |method: &str, path: &str, body: &str| {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {shared}\r\nContent-Type: application/json\r\n");
        let answer = exchange(&shared, &head, body);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        (head.to_owned(), serde_json::from_str::<Value>(body).unwrap_or_else(|_| panic!("{answer}")))
    };
    let (_, made) = send("POST", "/_mock/v1/workspaces", r#"{"port": 0}"#);
    let host = text(&made, "host").to_owned();
    let address = host.strip_prefix("http://").unwrap().to_owned();
    assert_ne!(address, shared);
    assert_eq!(made["env"]["DATABRICKS_HOST"], host);
    let (id, token) = (text(&made, "id"), text(&made, "admin_token"));

    let metadata = get(&address, "/.well-known/databricks-config", "");
    assert!(metadata.contains(&format!(r#""workspace_id":"{id}""#)), "{metadata}");
    assert!(metadata.contains(&format!(r#""oidc_endpoint":"{host}/oidc""#)), "{metadata}");
    let metadata = get(&shared, "/.well-known/databricks-config", "");
    assert!(
        !metadata.contains("workspace_id"),
        "with several workspaces the shared port names no workspace: {metadata}"
    );
    assert!(get(&address, LIST, token).starts_with("HTTP/1.1 200"));
    assert!(get(&shared, LIST, token).starts_with("HTTP/1.1 200"), "and it also answers at the shared port");
    let other = get(&address, LIST, &server.export("DATABRICKS_TOKEN"));
    assert!(other.starts_with("HTTP/1.1 403") && other.contains(&format!("Invalid access to Org: {id}")), "{other}");

    let in_use = format!(r#"{{"port": {}}}"#, server.port);
    let (head, problem) = send("POST", "/_mock/v1/workspaces", &in_use);
    assert!(head.starts_with("HTTP/1.1 409"), "{problem}");
    let (_, all) = send("GET", "/_mock/v1/workspaces", "");
    assert_eq!(all["workspaces"].as_array().unwrap().len(), 2, "no half-created workspace remains: {all}");
    send("DELETE", &format!("/_mock/v1/workspaces/{id}"), "{}");
    let closed = std::net::TcpStream::connect(&address);
    assert!(closed.is_err(), "its port is closed");
}
