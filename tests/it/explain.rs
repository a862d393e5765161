//! `explain`, dry runs and what-if questions: why a request was refused, and what a change would alter.

use std::collections::BTreeSet;

use axum::http::Method;
use dapi_mock::domain::identities::PrincipalKind;
use dapi_mock::store::Lock;
use serde_json::{Value, json};

use crate::support::{Answer, Backend, DAY_MS, World, admins_may_manage, on_every_store};

on_every_store!(what_if_tells_who_would_fail_and_changes_nothing, what_if_names_whose_permission_would_be_another,);

async fn explain(world: &World, answer: &Answer) -> Value {
    let path = format!("explain/{}", answer.header("x-request-id"));
    let explained = world.admin().own(Method::GET, &path, &json!({})).await;
    assert_eq!(explained.status, 200, "{explained:?}");
    explained.json()
}

#[tokio::test]
async fn every_refusal_is_explained() {
    let world = World::new(Backend::Memory).await;
    let (alice_id, alice) = world.user_with_token("alice@example.com").await;
    let list = "/api/2.0/token/list";
    let allowed = explain(&world, &world.client(&alice).get(list).await).await;
    assert_eq!((&allowed["allowed"], allowed["checks"].as_array().unwrap().len()), (&json!(true), 10));
    assert_eq!(allowed["checks"][7]["because"], "CAN_USE through alice@example.com > users");

    let denied = async |answer: Answer, by: &str, because: &str, remedy: &str| {
        let explained = explain(&world, &answer).await;
        assert_eq!((&explained["allowed"], &explained["decided_by"]), (&json!(false), &json!(by)));
        assert!(explained["because"].as_str().unwrap().contains(because), "{explained}");
        assert!(explained["remedy"].as_str().unwrap().contains(remedy), "{explained}");
        assert_eq!(explained["status"], answer.status.as_u16());
        explained
    };
    denied(world.anonymous().get(list).await, "credential_well_formed", "no credential", "Authorization: Bearer").await;
    let managed = "/api/2.0/token-management/tokens";
    denied(
        world.client(&alice).get(managed).await,
        "has_right",
        "not in the group admins",
        "add the caller to that group",
    )
    .await;
    let body = json!({"lifetime_seconds": 63_072_001});
    denied(
        world.admin().post("/api/2.0/token/create", &body).await,
        "the operation itself",
        "730 days",
        "at most 63072000 seconds",
    )
    .await;
    world.permit_users(false).await;
    denied(world.client(&alice).get(list).await, "may_use_tokens", "no permission on tokens", "Give CAN_USE").await;
    world.permit_users(true).await;
    world.set_active(alice_id, false).await;
    denied(world.client(&alice).get(list).await, "owner_active", "inactive", "Activate the owner again").await;
    world.set_active(alice_id, true).await;
    world.clock.advance(90 * DAY_MS);
    let because = "was last used at 2026-11-24T08:00:00.000Z, at least 90 days before 2027-02-22T08:00:00.000Z";
    let idle = denied(world.client(&alice).get(list).await, "not_inactive", because, "Create a new token").await;
    world.service.sweep_all().await.unwrap();
    let gone = denied(world.client(&alice).get(list).await, "not_inactive", because, "Create a new token").await;
    assert_eq!(gone["token"], idle["token"], "the sweep makes no difference");
    assert_eq!((&gone["token"]["state"], &gone["token"]["ended_by"]), (&json!("inactive"), &json!("System-User")));
    assert_eq!(gone["token"]["last_used"], "2026-11-24T08:00:00.000Z");
    let newest = world.admin().own(Method::GET, "explain/last", &json!({})).await.json();
    assert_eq!(newest["request_id"], gone["request_id"]);
    assert_eq!(world.admin().own(Method::GET, "explain/nothing", &json!({})).await.status, 404);
}

#[tokio::test]
async fn the_ring_is_bounded() {
    let world = World::new(Backend::Memory).await;
    let first = world.anonymous().get("/first").await;
    for i in 0..2000 {
        world.anonymous().get(&format!("/{i}")).await;
    }
    let path = format!("explain/{}", first.header("x-request-id"));
    assert_eq!(world.admin().own(Method::GET, &path, &json!({})).await.status, 404);
}

#[tokio::test]
async fn a_dry_run_decides_and_does_nothing() {
    let world = World::new(Backend::Memory).await;
    let (_, alice) = world.user_with_token("alice@example.com").await;
    let token_id = dapi_mock::domain::tokens::TokenValue::parse(&alice).unwrap().id();
    let run = async |body: Value| world.admin().own(Method::POST, "workspaces/default/explain", &body).await;
    let create = |lifetime: i64| json!({"as": "alice@example.com", "method": "POST", "path": "/api/2.0/token/create", "body": {"lifetime_seconds": lifetime}});
    assert_eq!(run(create(60)).await.json()["allowed"], true);
    assert_eq!(run(create(0)).await.json()["message"], "requirement failed: Invalid timeout: 0");
    let conf =
        run(json!({"as": "alice@example.com", "method": "PATCH", "path": "/api/2.0/workspace-conf"})).await.json();
    assert_eq!((&conf["decided_by"], &conf["status"]), (&json!("has_right"), &json!(403)));
    let at = |days: i64| json!({"as": "alice@example.com", "method": "GET", "path": "/api/2.0/token/list", "token_id": token_id.as_str(), "at": world.now().0 + days * DAY_MS});
    assert_eq!(run(at(89)).await.json()["allowed"], true);
    assert_eq!(run(at(90)).await.json()["decided_by"], "not_inactive");
    assert_eq!(run(json!({"as": "nobody", "method": "GET", "path": "/"})).await.status, 404);
    assert_eq!(run(json!({"as": "alice@example.com"})).await.status, 400);
    assert_eq!(world.client(&alice).own_ids().await.len(), 1, "nothing was created");
}

async fn what_if_tells_who_would_fail_and_changes_nothing(world: World) {
    let (_, alice) = world.user_with_token("alice@example.com").await;
    let (_, bob) = world.user_with_token("bob@example.com").await;
    world.client(&alice).create(&json!({"lifetime_seconds": 100 * 86_400, "comment": "long"})).await;
    world.client(&bob).create(&json!({"lifetime_seconds": 60, "comment": "short"})).await;
    let what_if = async |body: Value| {
        let answer = world.admin().own(Method::POST, "workspaces/default/what-if", &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    let owners = |answer: &Value| {
        let rows = answer["tokens_that_would_fail"].as_array().unwrap();
        let mut names: Vec<String> = rows.iter().map(|row| row["owner"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let capped = what_if(json!({"maxTokenLifetimeDays": 90})).await;
    assert_eq!(owners(&capped), Vec::<String>::new(), "a cap applies to new tokens only");
    assert_eq!(capped["requests_that_would_fail"].as_array().unwrap().len(), 1);
    assert_eq!(capped["requests_that_would_fail"][0]["caller"], "alice@example.com");
    let only_bob = json!({"access_control_list": [{"user_name": "bob@example.com", "permission_level": "CAN_USE"}]});
    assert_eq!(owners(&what_if(only_bob).await), ["alice@example.com", "alice@example.com"]);
    let off = what_if(json!({"enableTokensConfig": "false"})).await;
    assert_eq!((owners(&off).len(), &off["looked_at"]["tokens"]), (5, &json!(5)));
    let later = what_if(json!({"at": world.now().0 + 60_000})).await;
    assert_eq!(owners(&later), ["bob@example.com"]);
    for (body, says) in [
        (json!({}), "Give at least one of maxTokenLifetimeDays"),
        (json!({"maxTokenLifetimeDays": 731}), "Some values are not allowed"),
        (json!({"access_control_list": [{"user_name": "x", "permission_level": "CAN_USE"}]}), "does not exist"),
        (json!({"cap": 90}), "unknown field"),
    ] {
        let answer = world.admin().own(Method::POST, "workspaces/default/what-if", &body).await;
        assert!(answer.status.is_client_error() && answer.text.contains(says), "{body}: {answer:?}");
    }
    assert_eq!(world.client(&alice).own_ids().await.len(), 2);
    assert_eq!(world.client(&bob).own_ids().await.len(), 2);
}

/// Who is active in the default workspace and may create and use tokens.
async fn permitted(world: &World) -> BTreeSet<String> {
    let workspace = world.workspace().await;
    let mut reader = world.service.store().read().await.unwrap();
    let mut names = BTreeSet::new();
    for (principal, place) in reader.list_assigned(&workspace).await.unwrap() {
        let may = reader.workspace_memberships(&workspace, principal.id).await.unwrap().token_permission().is_some();
        if principal.kind != PrincipalKind::Group && principal.active && place.active && may {
            names.insert(principal.name);
        }
    }
    names
}

async fn what_if_names_whose_permission_would_be_another(world: World) {
    let robot = "11111111-1111-4111-8111-111111111111";
    let mut ids = Vec::new();
    for name in ["ann@example.com", "bob@example.com", "dora@example.com"] {
        ids.push(world.add_user(name).await);
    }
    world.set_active(ids[2], false).await;
    let robot_id = world.add_principal(PrincipalKind::ServicePrincipal, robot).await;
    let team = world.add_principal(PrincipalKind::Group, "team").await;
    let inner = world.add_principal(PrincipalKind::Group, "inner").await;
    let workspace = world.workspace().await;
    let mut writer = world.service.store().write(Lock::Workspace(workspace.id)).await.unwrap();
    // Groups that contain each other work, too.
    for (group, member) in [(team, inner), (inner, team), (inner, ids[1]), (inner, ids[2]), (inner, robot_id)] {
        writer.put_member(workspace.account, group, member).await.unwrap();
    }
    writer.commit().await.unwrap();

    let what_if = async |list: &Value| {
        let body = json!({ "access_control_list": list });
        let answer = world.admin().own(Method::POST, "workspaces/default/what-if", &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    let names = |told: &Value| -> BTreeSet<String> {
        let named = told["principals"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned());
        named.collect()
    };
    let may_use = |kind: &str, name: &str| json!({ kind: name, "permission_level": "CAN_USE" });
    let (users, team) = (may_use("group_name", "users"), may_use("group_name", "team"));
    let ann = may_use("user_name", "ann@example.com");
    for list in [
        json!([]),
        json!([team]),
        json!([ann]),
        json!([users, ann]),
        json!([team, may_use("service_principal_name", robot)]),
        json!([ann, may_use("user_name", "dora@example.com")]),
        json!([users]),
    ] {
        let (told, before) = (what_if(&list).await, permitted(&world).await);
        assert_eq!(permitted(&world).await, before, "nothing has changed");
        let mut entries = list.as_array().unwrap().clone();
        entries.push(admins_may_manage());
        let body = json!({ "access_control_list": entries });
        let done = world.admin().call(Method::PUT, "/api/2.0/permissions/authorization/tokens", body.to_string()).await;
        assert_eq!(done.status, 200, "{done:?}");
        let after = permitted(&world).await;
        assert_eq!(names(&told["permission_lost"]), &before - &after, "{list}");
        assert_eq!(names(&told["permission_gained"]), &after - &before, "{list}");
    }
    let none = what_if(&json!([])).await;
    assert!(names(&none["permission_lost"]).contains(robot), "{none}");
    assert!(!names(&none["permission_lost"]).contains("dora@example.com"), "{none}");
    assert_eq!(none["permission_gained"], json!({ "count": 0, "principals": [] }));
    let count = none["permission_lost"]["count"].as_u64().unwrap();
    for number in 0..120 {
        world.add_user(&format!("many{number}@example.com")).await;
    }
    let many = what_if(&json!([])).await;
    assert_eq!(many["permission_lost"]["count"], count + 120);
    assert_eq!(many["permission_lost"]["principals"].as_array().unwrap().len(), 100);
}
