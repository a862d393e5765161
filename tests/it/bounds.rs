//! Everything that a caller can make longer has a bound, and the API refuses what exceeds it.

use axum::http::Method;
use dapi_mock::domain::scopes::{MAX_NAME_BYTES, MAX_SCOPES};
use dapi_mock::domain::workspaces::MAX_CHECKPOINTS;
use dapi_mock::domain::{conf, permissions, rule_sets};
use dapi_mock::service::ADMIN_CLIENT_ID;
use serde_json::{Value, json};

use crate::support::{ADMIN_SECRET, World, account, oauth_error, on_every_store};

on_every_store!(
    scopes_are_bounded_wherever_they_are_given,
    configuration_lists_and_rules_are_bounded,
    sign_ins_of_a_person_are_bounded,
    a_long_user_agent_is_kept_short,
    checkpoints_are_bounded,
);

fn scopes(n: usize) -> Vec<String> {
    (0..n).map(|n| format!("scope-{n}")).collect()
}

async fn scopes_are_bounded_wherever_they_are_given(world: World) {
    let (_, token) = world.user_with_token("ann@example.com").await;
    let ann = world.client(&token);
    let mine = ann.post("/api/2.0/token/create", &json!({"comment": "mine"})).await.json();
    let id = mine["token_info"]["token_id"].as_str().unwrap().to_owned();
    let others = format!("/api/2.0/token-management/tokens/{id}");
    let robot = ADMIN_CLIENT_ID.to_string();
    let too_long = vec!["x".repeat(MAX_NAME_BYTES + 1)];
    for (bad, says) in [
        (scopes(14_000), "at most 100 scopes are allowed"),
        (scopes(MAX_SCOPES + 1), "at most 100 scopes are allowed"),
        (too_long.clone(), "is not a scope"),
        (vec!["x".repeat(100_000)], "is not a scope"),
    ] {
        let calls = [
            (ann, Method::POST, "/api/2.0/token/create".to_owned(), json!({ "scopes": bad })),
            (
                ann,
                Method::PATCH,
                format!("/api/2.0/token/{id}"),
                json!({"token": {"scopes": bad}, "update_mask": "scopes"}),
            ),
            (world.admin(), Method::PATCH, others.clone(), json!({"token": {"scopes": bad}, "update_mask": "scopes"})),
            (
                world.admin(),
                Method::POST,
                "/api/2.0/token-management/on-behalf-of/tokens".to_owned(),
                json!({"application_id": robot, "scopes": bad}),
            ),
        ];
        for (client, method, path, body) in calls {
            let answer = client.call(method.clone(), &path, body.to_string()).await;
            answer.refused(400, "INVALID_PARAMETER_VALUE", says);
            assert!(answer.text.len() < 1_000, "{method} {path}: {}", answer.text.len());
        }
        let form = format!("grant_type=client_credentials&scope={}", bad.join("+"));
        if form.len() < 60_000 {
            let answer = world.ask_for_token("/oidc/v1/token", Some((&robot, ADMIN_SECRET)), &form).await;
            oauth_error(&answer, 400, "invalid_scope", says);
        }
    }
    // The maximum is accepted, and a repeated one counts once.
    let most = scopes(MAX_SCOPES);
    let twice = [most.clone(), most.clone()].concat();
    let made = ann.post("/api/2.0/token/create", &json!({ "scopes": twice })).await;
    assert_eq!((made.status.as_u16(), &made.json()["token_info"]["scopes"]), (200, &json!(most)), "{made:?}");
    let most: Vec<String> = (0..MAX_SCOPES).map(|n| format!("{:-<64}", format!("sql.{n}"))).collect();
    let form = format!("grant_type=client_credentials&scope={}", most.join("+"));
    let issued = world.ask_for_token("/oidc/v1/token", Some((&robot, ADMIN_SECRET)), &form).await;
    assert_eq!(issued.status, 200, "{issued:?}");
    let access = issued.json()["access_token"].as_str().unwrap().to_owned();
    let me = world.client(&access).get("/api/2.0/preview/scim/v2/Me").await;
    assert!(!me.text.contains("Invalid access token"), "the longest access token is accepted for checking: {me:?}");
}

async fn configuration_lists_and_rules_are_bounded(world: World) {
    let admin = world.admin();
    let conf = |n: usize| json!({"productName": "x".repeat(n)}).to_string();
    let path = "/api/2.0/workspace-conf";
    assert_eq!(admin.call(Method::PATCH, path, conf(conf::MAX_VALUE_CHARS)).await.status, 204);
    assert_eq!(admin.call(Method::PATCH, path, conf(conf::MAX_VALUE_CHARS + 1)).await.status, 400);
    let many = vec!["productName"; 2_000].join(",");
    let read = admin.get(&format!("{path}?keys={many}")).await;
    assert!(read.status == 200 && read.text.len() < 10_000, "each key is answered once: {}", read.text.len());

    let entry = json!({"user_name": "admin@example.com", "permission_level": "CAN_USE"});
    let list = |n: usize| json!({ "access_control_list": vec![entry.clone(); n] });
    for method in [Method::PUT, Method::PATCH] {
        let answer = admin.call(
            method,
            "/api/2.0/permissions/authorization/tokens",
            list(permissions::MAX_ENTRIES + 1).to_string(),
        );
        answer.await.refused(400, "INVALID_PARAMETER_VALUE", "at most 1000 entries");
    }

    let name = format!("accounts/{}/servicePrincipals/{ADMIN_CLIENT_ID}/ruleSets/default", account());
    let rule = |principals: usize, length: usize| {
        json!({"role": "roles/servicePrincipal.user",
        "principals": vec![format!("users/{}", "x".repeat(length)); principals]})
    };
    let put = async |name: &str, rules: Vec<Value>| {
        let body = json!({"name": name, "rule_set": {"etag": "unset", "grant_rules": rules}});
        admin.call(Method::PUT, "/api/2.0/preview/accounts/access-control/rule-sets", body.to_string()).await
    };
    for (name, rules, says) in [
        (name.clone(), vec![rule(1, 1); rule_sets::MAX_RULES + 1], "at most 100 rules"),
        (name.clone(), vec![rule(rule_sets::MAX_PRINCIPALS + 1, 1)], "at most 1000 principals"),
        (name.clone(), vec![rule(1, rule_sets::MAX_TEXT_CHARS)], "at most 512 characters"),
        ("x".repeat(rule_sets::MAX_TEXT_CHARS + 1), vec![], "at most 512 characters"),
    ] {
        put(&name, rules).await.refused(400, "INVALID_PARAMETER_VALUE", says);
    }
    assert_eq!(put(&name, vec![rule(10, 100); rule_sets::MAX_RULES]).await.status, 200);
}

async fn sign_ins_of_a_person_are_bounded(world: World) {
    world.add_user("ann@example.com").await;
    world.add_user("bob@example.com").await;
    let (of_bob, _) = world.tokens("bob@example.com").await;
    let (first, _) = world.tokens("ann@example.com").await;
    let mut last = first.clone();
    for _ in 0..100 {
        world.clock.advance(1);
        last = world.tokens("ann@example.com").await.0;
    }
    let status = async |token: &str| world.client(token).get("/api/2.0/preview/scim/v2/Me").await.status.as_u16();
    assert_eq!([status(&first).await, status(&last).await, status(&of_bob).await], [403, 200, 200]);
    assert!(world.sign_ins().await <= 101);
}

async fn a_long_user_agent_is_kept_short(world: World) {
    let request = world.admin().request(&Method::GET, "/api/2.0/token/list").header("user-agent", "x".repeat(50_000));
    assert_eq!(world.send(request.body("".into()).unwrap()).await.status, 200);
    let audit = world.anonymous().get("/_mock/v1/workspaces/default/audit").await;
    assert!(audit.text.contains(&"x".repeat(1_024)) && !audit.text.contains(&"x".repeat(1_025)));
}

async fn checkpoints_are_bounded(world: World) {
    let put = async |name: &str| {
        world.anonymous().own(Method::PUT, &format!("workspaces/default/checkpoints/{name}"), &json!({})).await.status
    };
    let known = world.anonymous().own(Method::GET, "workspaces/default/checkpoints", &json!({})).await.json();
    let known = known["checkpoints"].as_array().unwrap().len();
    for n in known..MAX_CHECKPOINTS {
        assert!(put(&format!("c{n}")).await.is_success(), "{n}");
    }
    assert_eq!(put("one-more").await, 400);
    assert!(put(&format!("c{known}")).await.is_success(), "a second value replaces the first");
}
