//! Seeds: worlds described as text.

use axum::http::Method;
use dapi_mock::domain::seeds;
use dapi_mock::domain::seeds::Seed;
use serde_json::{Value, json};

use crate::support::{ADMIN_TOKEN, DAY_MS, MANAGED, START, USERS, World, command, get, on_every_store, start_in};

on_every_store!(
    a_seed_is_a_world,
    a_seed_only_adds,
    an_impossible_seed_is_refused_with_its_location_and_adds_nothing,
    an_export_makes_the_same_world_again,
    a_reset_goes_back_to_the_seed,
    a_population_has_exact_shares,
    a_new_workspace_can_be_seeded,
    the_leaky_workspace_leaks,
);

const ANN: &str = "dapi000000000000000000000000000000aa";

fn parse(text: &str) -> Seed {
    seeds::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

async fn sow(world: &World, text: &str) -> Value {
    let added = world.service.apply_seed(&parse(text)).await.unwrap_or_else(|error| panic!("{error}"));
    json!([added.workspaces, added.principals, added.tokens])
}

const WORLD: &str = r#"
random_seed: 5
accounts:
  - users:
      - user_name: outsider@example.com
        account_admin: true
    service_principals:
      - display_name: robot
        application_id: 11111111-2222-4333-8444-555555555555
        secrets: [{value: dose000000000000000000000000000000aa}]
    groups:
      - display_name: everyone
        members: [outsider@example.com, robot]
workspaces:
  - conf: {maxTokenLifetimeDays: "100"}
    behaviour: {cloud: azure}
    users:
      - user_name: Ann@example.com
        display_name: Ann
        workspace_admin: true
      - {user_name: ben@example.com, active: false}
      - {user_name: cy@example.com, active_in_workspace: false}
    assigned: [{principal: robot}]
    groups: [{display_name: users-of-tokens, members: [ann@example.com]}]
    may_use_tokens: [users-of-tokens, robot]
    tokens:
      - owner: ann@example.com
        value: dapi000000000000000000000000000000aa
        comment: fixed
        created: -85d
        last_used: -80d
      - owner: robot
        expires: never
        created: 2024-06-01T00:00:00Z
        last_used: -1d
        created_by: ann@example.com
        scopes: [sql]
      - {owner: ann@example.com, created: -400d, lifetime: 1460d, last_used: -1h}
    decoys: [{value: dapi000000000000000000000000000000dd, comment: in the wiki}]
  - workspace_id: 77
    name: second
    frozen_at: 2026-06-01T00:00:00Z
    users: [{user_name: ann@example.com}]
    tokens: [{owner: ann@example.com, value: dapi000000000000000000000000000000bb}]
"#;

async fn rows(world: &World, token: &str) -> Vec<Value> {
    let json = world.client(token).get(MANAGED).await.json();
    json["token_infos"].as_array().unwrap_or_else(|| panic!("{json}")).clone()
}

async fn a_seed_is_a_world(world: World) {
    assert_eq!(sow(&world, WORLD).await, json!([1, 7, 4]));
    let ann = world.client(ANN);
    let me = ann.get("/api/2.0/preview/scim/v2/Me").await.json();
    assert_eq!((&me["userName"], &me["displayName"]), (&json!("ann@example.com"), &json!("Ann")));
    let rows = rows(&world, ANN).await;
    assert_eq!(rows.len(), 4, "and the admin's token");
    let robot = rows.iter().find(|row| row["expiry_time"] == -1).unwrap();
    assert_eq!(robot["creation_time"], 1_717_200_000_000_i64);
    assert_eq!(robot["created_by_username"], "ann@example.com");
    assert_eq!(robot["scopes"], json!(["sql"]));
    let fixed = rows.iter().find(|row| row["comment"] == "fixed").unwrap();
    assert_eq!(fixed["creation_time"], START.0 - 85 * DAY_MS);
    assert_eq!(fixed["expiry_time"], START.0 + 15 * DAY_MS, "the shorter maximum holds for it too");
    let long = rows.iter().find(|row| row["expiry_time"] == START.0 + (1460 - 400) * DAY_MS);
    assert!(long.is_some(), "{rows:?}");

    let conf = ann.get("/api/2.0/workspace-conf?keys=maxTokenLifetimeDays").await.json();
    assert_eq!(conf["maxTokenLifetimeDays"], "100");
    let active = |name: &str| {
        let path = format!("{USERS}?filter=userName%20eq%20{name}");
        let ann = &ann;
        async move { ann.get(&path).await.json()["Resources"][0]["active"].clone() }
    };
    assert_eq!((active("ben@example.com").await, active("cy@example.com").await), (json!(false), json!(false)));
    let acl = ann.get("/api/2.0/permissions/authorization/tokens").await.text;
    assert!(acl.contains("users-of-tokens") && acl.contains("11111111-2222-4333-8444-555555555555"), "{acl}");
    assert!(!acl.contains(r#""group_name":"users""#), "{acl}");
    let id = "11111111-2222-4333-8444-555555555555";
    let access = world.access_token(id, "dose000000000000000000000000000000aa").await;
    assert_eq!(world.client(&access).get("/api/2.0/preview/scim/v2/Me").await.json()["userName"], id);

    let second = world.client("dapi000000000000000000000000000000bb").get("/api/2.0/token/list").await;
    assert_eq!(second.header("x-databricks-org-id"), "77");
    assert_eq!(second.header("date"), "Mon, 01 Jun 2026 00:00:00 GMT");
}

async fn a_seed_only_adds(world: World) {
    sow(&world, WORLD).await;
    let ann = world.client(ANN);
    ann.patch("/api/2.0/workspace-conf", &json!({"maxTokenLifetimeDays": "7"})).await;
    let ids: Vec<String> = rows(&world, ANN).await.iter().map(|row| row["token_id"].to_string()).collect();
    let robot = rows(&world, ANN).await.into_iter().find(|row| row["expiry_time"] == -1).unwrap();
    let path = format!("{MANAGED}/{}", robot["token_id"].as_str().unwrap());
    assert_eq!(ann.call(Method::DELETE, &path, "").await.status, 200);
    world.clock.advance(3_600_000);
    assert_eq!(sow(&world, WORLD).await, json!([0, 0, 0]));
    let again: Vec<String> = rows(&world, ANN).await.iter().map(|row| row["token_id"].to_string()).collect();
    let revoked = robot["token_id"].to_string();
    let left: Vec<&String> = ids.iter().filter(|id| **id != revoked).collect();
    assert_eq!(again.iter().collect::<Vec<_>>(), left, "a revoked token stays revoked");
    let conf = ann.get("/api/2.0/workspace-conf?keys=maxTokenLifetimeDays").await.json();
    assert_eq!(conf["maxTokenLifetimeDays"], "7");
}

async fn an_impossible_seed_is_refused_with_its_location_and_adds_nothing(world: World) {
    let token = |rest: &str| {
        format!(
            "workspaces:\n- users: [{{user_name: new@example.com}}]\n  tokens:\n  - owner: new@example.com\n    {rest}\n"
        )
    };
    for (text, wanted) in [
        (token("").replace("owner: new", "owner: old"), "line 4: workspaces[0].tokens[0].owner: there is no user"),
        (token("value: dapi1"), "line 5: workspaces[0].tokens[0].value: use dapi"),
        (token("token_id: abc"), "line 5: workspaces[0].tokens[0].token_id: use 64"),
        (
            token("created: +1h"),
            "line 4: workspaces[0].tokens[0].created: created and last_used cannot be in the future",
        ),
        (token("last_used: -1h"), "workspaces[0].tokens[0].last_used: a token cannot be used before it is created"),
        (token("expires: never\n    lifetime: 1d"), "workspaces[0].tokens[0].lifetime: give either"),
        (token(&format!("comment: {}", "x".repeat(256))), "workspaces[0].tokens[0].comment: at most 255"),
        (token("scopes: ['a b']"), "workspaces[0].tokens[0].scopes: 'a b' is not a scope"),
        (token("created_by: nobody"), "line 5: workspaces[0].tokens[0].created_by: there is no"),
        (
            token("").replace("owner: new@example.com", "owner: admins"),
            "there is no user, service principal or group 'admins'",
        ),
        (
            "workspaces:\n- workspace_id: x\n".into(),
            "line 2: workspaces[0].workspace_id: not a workspace id; use up to 16 digits",
        ),
        ("workspaces:\n- account_id: x\n".into(), "line 2: workspaces[0].account_id: use a UUID"),
        (
            "workspaces:\n- account_id: 00000000-0000-4000-8000-000000000000\n".into(),
            "the workspace is in another account",
        ),
        ("workspaces:\n- conf: {color: red}\n".into(), "workspaces[0].conf: unknown key color"),
        (
            "workspaces:\n- conf: {maxTokenLifetimeDays: many}\n".into(),
            "workspaces[0].conf: invalid value of maxTokenLifetimeDays",
        ),
        ("workspaces:\n- may_use_tokens: [nobody]\n".into(), "line 2: workspaces[0].may_use_tokens[0]: there is no"),
        (
            "workspaces:\n- groups: [{display_name: g, members: [x]}]\n".into(),
            "workspaces[0].groups[0].members[0]: there is no",
        ),
        (
            "workspaces:\n- populations: [{users: 3, user_name: x}]\n".into(),
            "workspaces[0].populations[0]: user_name: put {n}",
        ),
        ("workspaces:\n- decoys: [{comment: x}]\n".into(), "workspaces[0].decoys[0]: give either value or decoy_id"),
        ("workspaces:\n- decoys: [{value: x}]\n".into(), "line 2: workspaces[0].decoys[0].value: use dapi"),
        (
            "accounts:\n- service_principals: [{display_name: a, application_id: b}]\n".into(),
            "accounts[0].service_principals[0].application_id: use a UUID",
        ),
        (
            "accounts:\n- service_principals: [{display_name: a, secrets: [{}]}]\n".into(),
            "accounts[0].service_principals[0].secrets[0]: give either",
        ),
        (
            "accounts:\n- service_principals: [{display_name: a, secrets: [{value: x}]}]\n".into(),
            "secrets[0].value: use dose",
        ),
        (
            "accounts:\n- users: [{user_name: u@example.com}]\n- account_id: x\n".into(),
            "line 3: accounts[1].account_id",
        ),
    ] {
        let error = world.service.apply_seed(&parse(&text)).await.unwrap_err().to_string();
        assert!(error.contains(wanted), "{text}\n{error}\n{wanted}");
    }
    let users = world.admin().get(USERS).await.json();
    assert_eq!(users["totalResults"], 2, "{users}");
    assert_eq!(world.service.workspaces().await.unwrap().len(), 1);
}

async fn an_export_makes_the_same_world_again(world: World) {
    sow(&world, WORLD).await;
    world
        .client(ANN)
        .post("/api/2.0/preview/scim/v2/Groups", &json!({"displayName": "späte \"Gruppe\": x\n- y"}))
        .await;
    let answer = world.anonymous().own(Method::GET, "seed", &json!({})).await;
    assert_eq!(answer.header("content-type"), "application/yaml");
    assert!(!answer.text.contains("dapi0") && !answer.text.contains("dose0"), "no value is in it");
    let empty = World::new(world.backend).await;
    sow(&empty, &answer.text).await;
    let again = empty.anonymous().own(Method::GET, "seed", &json!({})).await.text;
    for (line, (again, before)) in again.lines().zip(answer.text.lines()).enumerate() {
        assert_eq!(again, before, "line {line}");
    }
    assert_eq!(again.len(), answer.text.len());
    assert_eq!(empty.client(ANN).get("/api/2.0/token/list").await.status, 200, "its tokens work");
}

async fn a_reset_goes_back_to_the_seed(world: World) {
    sow(&world, WORLD).await;
    world.client(ANN).create(&json!({})).await;
    for (to, tokens) in [("seed", 4), ("empty", 1), ("seed", 4)] {
        let answer = world.anonymous().own(Method::POST, "workspaces/default/reset", &json!({ "to": to })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let json = world.admin().get(MANAGED).await.json();
        assert_eq!(json["token_infos"].as_array().unwrap().len(), tokens, "{to}: {json}");
    }
}

async fn a_population_has_exact_shares(world: World) {
    let text = "random_seed: 7\nworkspaces:\n- populations:\n  - users: 200\n    inactive_users: 5%\n    without_expiry: 30%\n    unused: 10%\n    unused_to: 89d\n";
    assert_eq!(sow(&world, text).await, json!([0, 200, 200]));
    let rows = rows(&world, ADMIN_TOKEN).await;
    assert_eq!(rows.iter().filter(|row| row["expiry_time"] == -1).count(), 60);
    let owners: std::collections::HashSet<String> = rows.iter().map(|row| row["owner_id"].to_string()).collect();
    assert_eq!((rows.len(), owners.len()), (201, 201));
    let today = START.0;
    let idle = rows.iter().filter(|row| row["last_used_day"].as_i64().is_some_and(|day| day < today - 79 * DAY_MS));
    assert!(idle.count() >= 20);
    assert_eq!(sow(&world, text).await, json!([0, 0, 0]));
}

async fn a_new_workspace_can_be_seeded(world: World) {
    let body = json!({"seed": {"users": [{"user_name": "zoe@example.com"}], "tokens": [{"owner": "zoe@example.com", "value": ANN}]}});
    let made = world.anonymous().own(Method::POST, "workspaces", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let me = world.client(ANN).get("/api/2.0/preview/scim/v2/Me").await;
    assert_eq!(me.header("x-databricks-org-id"), made.json()["id"].as_str().unwrap());
    for (body, wanted) in [
        (json!({"template": "x"}), "unknown template 'x': expected one of leaky"),
        (json!({"template": "leaky", "seed": {}}), "Give either template or seed"),
        (json!({"seed": {"tokens": [{"owner": "x"}]}}), "seed.tokens[0].owner: there is no user"),
        (json!({"seed": {"colour": 1}}), "unknown field `colour`"),
    ] {
        let answer = world.anonymous().own(Method::POST, "workspaces", &body).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.text.contains(wanted), "{answer:?}");
    }
    assert_eq!(world.service.workspaces().await.unwrap().len(), 2);
    let answer = world
        .anonymous()
        .own(Method::POST, "seed", &json!({"workspaces": [{"users": [{"user_name": "q@example.com"}]}]}))
        .await;
    assert_eq!(answer.json(), json!({"workspaces": 0, "principals": 1, "tokens": 0}));
    let schema = world.anonymous().own(Method::GET, "seed/schema", &json!({})).await.json();
    assert_eq!(schema["properties"]["workspaces"]["type"], "array");
}

async fn the_leaky_workspace_leaks(world: World) {
    let made = world.anonymous().own(Method::POST, "workspaces", &json!({"template": "leaky"})).await.json();
    let token = made["admin_token"].as_str().unwrap();
    let rows = rows(&world, token).await;
    let with = |test: &dyn Fn(&Value) -> bool| rows.iter().filter(|row| test(row)).count();
    let lifetime = |row: &Value| row["expiry_time"].as_i64().unwrap() - row["creation_time"].as_i64().unwrap();
    assert_eq!(rows.len(), 9);
    assert_eq!(with(&|row| row["expiry_time"] == -1), 2);
    assert_eq!(with(&|row| lifetime(row) > 730 * DAY_MS), 1);
    let id = made["id"].as_str().unwrap();
    let path = format!("workspaces/{id}/clock/advance");
    let gone = world.anonymous().own(Method::POST, &path, &json!({"by": "10d"})).await.json();
    let gone = gone["events"].as_array().unwrap().iter().filter(|event| event["event"] == "token.auto_revoked").count();
    assert_eq!(gone, 2, "the two unused tokens");
    let partner = world.client("dapi00000000000000000000000000000bad");
    assert_eq!(partner.get("/api/2.0/token/list").await.status, 200);
}

#[test]
fn the_server_applies_files_in_their_order_and_says_what_is_wrong_where() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("seeds")).unwrap();
    write(
        "seeds/20-tokens.yaml",
        "workspaces:\n- tokens:\n  - {owner: ann@example.com, value: dapi000000000000000000000000000000aa}\n",
    );
    write("seeds/10-people.json", r#"{"workspaces": [{"users": [{"user_name": "ann@example.com"}]}]}"#);
    write("seeds/readme.txt", "no seed");
    let json = r#"{"workspaces": [{"users": [{"user_name": "ben@example.com"}]}]}"#;
    let server = start_in(folder, &["--port", "0", "--seed", "seeds", "--seed-json", json]);
    let address = format!("127.0.0.1:{}", server.port);
    let me = get(&address, "/api/2.0/preview/scim/v2/Users", ANN);
    assert!(me.contains("ann@example.com") && me.contains("ben@example.com"), "{me}");
    let (_, _, folder) = server.stop("TERM");

    for (text, wanted) in [
        (
            "workspaces:\n- tokens:\n  - {owner: nobody@example.com}\n",
            "bad.yaml:3: workspaces[0].tokens[0].owner: there is no user",
        ),
        ("workspaces:\n- color: red\n", "bad.yaml:2: workspaces[0].color: unknown field `color`"),
    ] {
        std::fs::write(folder.path().join("bad.yaml"), text).unwrap();
        let output = command(&folder).args(["--port", "0", "--seed", "bad.yaml"]).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(wanted), "{error}");
    }
    let output = command(&folder).args(["--port", "0", "--seed", "none.yaml"]).output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot read the seed none.yaml"));
}
