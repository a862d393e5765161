//! R1–R17: what tokens are for, recommended hygiene, and who may do what.

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::{Value, json};

use super::days;
use crate::support::{
    CONF, CREATE, DAY_MS, DELETE, ELSEWHERE, INVALID, Kind, LIST, MANAGED, ME, ON_BEHALF_OF, PERMISSIONS, START, World,
    account, admins_may_manage, ids, on_every_store,
};

on_every_store!(
    r01_a_user_creates_a_token_and_uses_it,
    r02_a_service_principal_holds_tokens,
    r04_oauth_works_beside_tokens_and_outlives_them,
    r05_a_service_principal_finds_and_uses_oauth,
    r06_ninety_days_are_advice_until_they_are_the_cap,
    r07_default_maximum_is_730_days,
    r08_a_token_is_rotated,
    r09_an_admin_revokes_anybodys_token,
    r10_ninety_days_without_use_revoke_whoevers_token_it_is,
    r11_managing_needs_an_admin,
    r12_an_account_admin_reaches_every_workspace,
    r16_a_workspace_admin_reaches_one_workspace,
    r17_managing_needs_the_premium_plan,
);

async fn r01_a_user_creates_a_token_and_uses_it(world: World) {
    let ann = world.admin().user("ann@example.com").await;
    let first = world.first_token(&ann).await;
    let (value, id) = world.client(&first).create(&json!({"comment": "notebook"})).await;
    let me = world.client(&value).get(ME).await.json();
    assert_eq!((&me["userName"], &me["id"]), (&json!("ann@example.com"), &json!(ann.id)));
    assert!(world.client(&value).own_ids().await.contains(&id));
}

async fn r02_a_service_principal_holds_tokens(world: World) {
    let ci = world.admin().robot("ci").await;
    let by_oauth = world.robot_oauth(&ci).await;
    for (cloud, offers_on_behalf_of) in [("aws", true), ("gcp", true), ("azure", false)] {
        world.behave(&json!({ "cloud": cloud })).await;
        let mut values = vec![world.client(&by_oauth).create(&json!({})).await.0];
        if offers_on_behalf_of {
            values.push(world.admin().create_for(&ci, None).await.0);
        } else {
            let refused = world.admin().post(ON_BEHALF_OF, &json!({"application_id": ci.name})).await;
            let text = "On-behalf-of token creation for service principals is not enabled for this workspace";
            refused.refused(404, "FEATURE_DISABLED", text);
        }
        for value in values {
            let me = world.client(&value).get(ME).await.json();
            assert_eq!((&me["userName"], &me["id"]), (&json!(ci.name), &json!(ci.id)), "{cloud}");
        }
    }
}

async fn r04_oauth_works_beside_tokens_and_outlives_them(world: World) {
    let ci = world.admin().robot("ci").await;
    let (token, access) = (world.first_token(&ci).await, world.robot_oauth(&ci).await);
    for credential in [&token, &access] {
        assert_eq!(world.client(credential).get(ME).await.json()["userName"], ci.name);
    }
    // A migration begins with an inventory: whose tokens there are, how many, and which are in use.
    let ann = world.admin().user("ann@example.com").await;
    let first = world.first_token(&ann).await;
    world.client(&first).create(&json!({})).await;
    let mut holders: BTreeMap<i64, (usize, Option<i64>)> = BTreeMap::new();
    for row in world.admin().managed("").await {
        let (count, last_used) = holders.entry(row["owner_id"].as_i64().unwrap()).or_default();
        *count += 1;
        *last_used = (*last_used).max(row.get("last_used_day").and_then(Value::as_i64));
    }
    let today = Some(START.0 - START.0 % DAY_MS);
    assert_eq!(holders[&ci.principal_id().0], (1, today));
    assert_eq!(holders[&ann.principal_id().0], (2, today));

    world.admin().enable_tokens(false).await;
    world.client(&token).get(ME).await.refused(403, 403, INVALID);
    assert_eq!(world.client(&access).get(ME).await.json()["userName"], ci.name);
}

/// The steps of an SDK: host, discovery, token, call. tests/clients runs the real SDKs.
async fn r05_a_service_principal_finds_and_uses_oauth(world: World) {
    let ci = world.admin().robot("ci").await;
    let path = format!("/api/2.0/accounts/servicePrincipals/{}/credentials/secrets", ci.id);
    let secret = world.admin().post(&path, &json!({})).await.json()["secret"].clone();
    let path_of = |url: &Value| url.as_str().unwrap().strip_prefix("http://127.0.0.1:3274").unwrap().to_owned();

    let config = world.anonymous().get("/.well-known/databricks-config").await.json();
    let of_workspace = path_of(&config["oidc_endpoint"]);
    let of_account = format!("/oidc/accounts/{}", config["account_id"].as_str().unwrap());
    for issuer in [of_workspace, of_account] {
        let metadata = format!("{issuer}/.well-known/oauth-authorization-server");
        let endpoint = path_of(&world.anonymous().get(&metadata).await.json()["token_endpoint"]);
        let form = "grant_type=client_credentials&scope=all-apis";
        let answer = world.ask_for_token(&endpoint, Some((&ci.name, secret.as_str().unwrap())), form).await.json();
        assert_eq!((&answer["token_type"], &answer["scope"]), (&json!("Bearer"), &json!("all-apis")));
        let access = answer["access_token"].as_str().unwrap();
        assert_eq!(world.client(access).get(ME).await.json()["userName"], ci.name, "{endpoint}");
    }
}

async fn r06_ninety_days_are_advice_until_they_are_the_cap(world: World) {
    let admin = world.admin();
    let (_, long) = admin.create_for_days(400).await;
    let rows = admin.managed("").await;
    let row = rows.iter().find(|row| row["token_id"] == long.as_str()).unwrap();
    let lifetime = row["expiry_time"].as_i64().unwrap() - row["creation_time"].as_i64().unwrap();
    assert!(lifetime >= 90 * DAY_MS, "a script that looks for long lifetimes finds it");
    admin.configure(&json!({"maxTokenLifetimeDays": "90"})).await;
    let (_, at_the_cap) = admin.create_for_days(90).await;
    admin.too_long(days(90) + 1, "90 days").await;
    let (_, short) = admin.create(&json!({"lifetime_seconds": days(90) - 1})).await;
    let report = world.report("").await;
    for (id, flagged) in [(&long, true), (&at_the_cap, true), (&short, false)] {
        let row = report["tokens"].as_array().unwrap().iter().find(|row| row["token_id"] == id.as_str()).unwrap();
        assert_eq!(row["long_lived"], flagged, "{row}");
    }
}

async fn r07_default_maximum_is_730_days(world: World) {
    let admin = world.admin();
    let ci = admin.robot("ci").await;
    for body in [json!({}), json!({"lifetime_seconds": days(730)})] {
        assert_eq!(admin.lifetime(&body).await, 730 * DAY_MS, "{body}");
    }
    admin.too_long(days(730) + 1, "730 days").await;
    for lifetime in [None, Some(days(730))] {
        let (_, id) = admin.create_for(&ci, lifetime).await;
        let info = &admin.get(&format!("{MANAGED}/{id}")).await.json()["token_info"];
        assert_eq!(info["expiry_time"], START.0 + 730 * DAY_MS);
    }
    let body = json!({"application_id": ci.name, "lifetime_seconds": days(730) + 1});
    admin.post(ON_BEHALF_OF, &body).await.refused(400, "INVALID_PARAMETER_VALUE", "730 days");
}

async fn r08_a_token_is_rotated(world: World) {
    let ann = world.admin().user("ann@example.com").await;
    let first = world.first_token(&ann).await;
    let (old, old_id) = world.client(&first).create_for_days(400).await;
    let (new, _) = world.client(&old).create_for_days(30).await;
    assert!(world.client(&new).works().await, "check the new token before revoking the old one");
    assert_eq!(world.client(&new).post(DELETE, &json!({"token_id": old_id})).await.status, 200);
    world.client(&old).get(ME).await.refused(403, 403, INVALID);
    assert!(world.client(&new).works().await);
}

async fn r09_an_admin_revokes_anybodys_token(world: World) {
    let admin = world.admin();
    let (ann, ci) = (admin.user("ann@example.com").await, admin.robot("ci").await);
    for owner in [&ann, &ci] {
        let value = world.first_token(owner).await;
        assert!(world.client(&value).works().await);
        let rows = admin.managed("").await;
        let row = rows.iter().find(|row| row["owner_id"] == owner.principal_id().0).unwrap();
        let answer = admin.revoke(row["token_id"].as_str().unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "{}"));
        world.client(&value).get(ME).await.refused(403, 403, INVALID);
        let events = world.audited("revokeDbToken").await;
        let event = events.iter().find(|event| event["requestParams"]["userId"] == owner.id.as_str()).unwrap();
        assert_eq!(event["userIdentity"]["email"], "admin@example.com");
        assert_eq!(event["requestParams"]["tokenId"], row["token_id"]);
    }
}

async fn r10_ninety_days_without_use_revoke_whoevers_token_it_is(world: World) {
    let admin = world.admin();
    let other = world.add_workspace(77, ELSEWHERE).await.id;
    let (elsewhere, elsewhere_id) = world.client(ELSEWHERE).create(&json!({})).await;
    let mut tokens = Vec::new();
    for kind in [Kind::User, Kind::ServicePrincipal] {
        let owner = admin.principal(kind, "owner").await;
        tokens.push((world.first_token(&owner).await, world.first_token(&owner).await));
    }
    tokens.push((admin.create(&json!({})).await.0, admin.create(&json!({})).await.0));

    // One token of each is used at the last minute, the other one never.
    world.at(90 * DAY_MS - 60_000).await;
    for (used, _) in &tokens {
        assert!(world.client(used).works().await);
    }
    assert!(admin.works().await);
    world.at(90 * DAY_MS).await;
    let managed = admin.managed_ids().await;
    for (used, idle) in &tokens {
        world.client(idle).get(ME).await.refused(403, 403, INVALID);
        assert!(world.client(used).works().await);
        let id = dapi_mock::domain::tokens::TokenValue::parse(idle).unwrap().id().to_string();
        assert!(!managed.contains(&id) && !world.client(used).own_ids().await.contains(&id));
        admin.get(&format!("{MANAGED}/{id}")).await.refused(404, "RESOURCE_DOES_NOT_EXIST", &id);
        admin.revoke(&id).await.refused(404, "RESOURCE_DOES_NOT_EXIST", &id);
    }

    // Each workspace has its own time.
    let clock = format!("workspaces/{other}/clock/advance");
    world.anonymous().own(Method::POST, &clock, &json!({"to": START.0 + 90 * DAY_MS - 1})).await;
    assert!(world.client(ELSEWHERE).managed_ids().await.contains(&elsewhere_id));
    world.anonymous().own(Method::POST, &clock, &json!({"by": "1ms"})).await;
    assert!(!world.client(ELSEWHERE).managed_ids().await.contains(&elsewhere_id));
    world.client(&elsewhere).get(ME).await.refused(403, 403, INVALID);
}

/// Every call that manages tokens, with a body that is valid for an admin.
fn managing(robot: &str, token: &str) -> Vec<(Method, String, Value)> {
    let one = format!("{MANAGED}/{token}");
    let users = json!({"group_name": "users", "permission_level": "CAN_USE"});
    let list = json!({"access_control_list": [users, admins_may_manage()]});
    vec![
        (Method::GET, MANAGED.into(), json!({})),
        (Method::GET, one.clone(), json!({})),
        (Method::PATCH, one.clone(), json!({"token": {"comment": "x"}, "update_mask": "comment"})),
        (Method::POST, ON_BEHALF_OF.into(), json!({"application_id": robot})),
        (Method::PUT, PERMISSIONS.into(), list.clone()),
        (Method::PATCH, PERMISSIONS.into(), list),
        (Method::GET, format!("{CONF}?keys=maxTokenLifetimeDays"), json!({})),
        (Method::PATCH, CONF.into(), json!({"maxTokenLifetimeDays": "90"})),
        (Method::DELETE, one, json!({})),
    ]
}

async fn r11_managing_needs_an_admin(world: World) {
    let ann = world.admin().user("ann@example.com").await;
    let ci = world.admin().robot("ci").await;
    let (ann_token, ci_token) = (world.first_token(&ann).await, world.first_token(&ci).await);
    let (_, id) = world.admin().create(&json!({})).await;
    for (method, path, body) in managing(&ci.name, &id) {
        for (name, token) in [(&ann.name, &ann_token), (&ci.name, &ci_token)] {
            let answer = world.client(token).call(method.clone(), &path, body.to_string()).await;
            answer.refused(403, "PERMISSION_DENIED", &format!("Requesting user '{name}' is not an admin."));
        }
        let answer = world.admin().call(method.clone(), &path, body.to_string()).await;
        assert!(answer.status.is_success(), "{method} {path}: {answer:?}");
    }
}

/// As scripts do it: list the account's workspaces, then call the APIs of each. The token report has the same in one list.
async fn r12_an_account_admin_reaches_every_workspace(world: World) {
    world.add_second_workspace(77, world.now(), ELSEWHERE).await;
    let (here, here_id) = world.admin().create(&json!({})).await;
    let (there, there_id) = world.client(ELSEWHERE).create(&json!({})).await;
    let account_admin = world.account_oauth().await;
    let account_admin = world.client(&account_admin);
    let report = ids(&world.report("").await);
    assert!(report.contains(&here_id) && report.contains(&there_id));
    let workspaces = account_admin.get(&format!("/api/2.0/accounts/{}/workspaces", account())).await.json();
    let workspaces: Vec<i64> =
        workspaces.as_array().unwrap().iter().map(|row| row["workspace_id"].as_i64().unwrap()).collect();
    assert_eq!(workspaces, [77, 3_274_327_432_743_274]);
    for (workspace, (value, id, other_id)) in
        workspaces.into_iter().zip([(&there, &there_id, &here_id), (&here, &here_id, &there_id)])
    {
        let rows = account_admin.managed(&format!("?o={workspace}")).await;
        assert!(rows.iter().all(|row| row["workspace_id"] == workspace));
        let listed = |id: &String| rows.iter().any(|row| row["token_id"] == id.as_str());
        assert!(listed(id) && !listed(other_id));
        assert_eq!(account_admin.revoke(&format!("{id}?o={workspace}")).await.status, 200);
        world.client(value).get(ME).await.refused(403, 403, INVALID);
    }
}

async fn r16_a_workspace_admin_reaches_one_workspace(world: World) {
    world.add_second_workspace(77, world.now(), ELSEWHERE).await;
    let (here, there) = (world.admin(), world.client(ELSEWHERE));
    let (_, here_id) = here.create(&json!({})).await;
    let (value, id) = there.create(&json!({"comment": "theirs"})).await;
    assert!(here.managed_ids().await.contains(&here_id) && !here.managed_ids().await.contains(&id));
    assert!(there.managed_ids().await.contains(&id) && !there.managed_ids().await.contains(&here_id));
    let text = format!("Token with ID {id} does not exist");
    here.get(&format!("{MANAGED}/{id}")).await.refused(404, "RESOURCE_DOES_NOT_EXIST", &text);
    here.revoke(&id).await.refused(404, "RESOURCE_DOES_NOT_EXIST", &text);
    let update = json!({"token": {"comment": "ours"}, "update_mask": "comment"});
    here.patch(&format!("{MANAGED}/{id}"), &update).await.refused(404, "NOT_FOUND", &text);
    here.post(DELETE, &json!({"token_id": id})).await.refused(404, "RESOURCE_DOES_NOT_EXIST", &text);
    let by_name = here.managed("?created_by_username=admin@77.example.com").await;
    assert_eq!(by_name, Vec::<Value>::new());
    let asked_there = here.get(&format!("{MANAGED}?o=77")).await;
    asked_there.refused(403, 403, "Invalid access to Org: 77");

    // Configuration and permissions are each workspace's own.
    here.configure(&json!({"maxTokenLifetimeDays": "30"})).await;
    here.permit_only(&[]).await;
    assert_eq!(there.lifetime(&json!({})).await, 730 * DAY_MS);
    here.enable_tokens(false).await;
    assert!(world.client(&value).works().await);
}

async fn r17_managing_needs_the_premium_plan(world: World) {
    let admin = world.admin();
    let ci = admin.robot("ci").await;
    let (own, id) = admin.create(&json!({})).await;
    let mut calls = managing(&ci.name, &id);
    calls.push((Method::GET, PERMISSIONS.into(), json!({})));
    calls.push((Method::GET, format!("{PERMISSIONS}/permissionLevels"), json!({})));
    world.behave(&json!({"tier": "standard"})).await;
    for (method, path, body) in &calls {
        let answer = admin.call(method.clone(), path, body.to_string()).await;
        answer.refused(404, "FEATURE_DISABLED", " is not enabled for this feature tier");
    }
    // The toggle belongs to every plan, and so do a caller's own tokens.
    admin.configure(&json!({"enableTokensConfig": "true"})).await;
    let (_, another) = world.client(&own).create(&json!({})).await;
    assert_eq!(world.client(&own).get(LIST).await.status, 200);
    let update = json!({"token": {"comment": "x"}, "update_mask": "comment"});
    assert_eq!(world.client(&own).patch(&format!("/api/2.0/token/{another}"), &update).await.status, 200);
    assert_eq!(world.client(&own).post(DELETE, &json!({"token_id": another})).await.status, 200);
    assert_eq!(world.client(&own).post(CREATE, &json!({})).await.status, 200);

    world.behave(&json!({"tier": "premium"})).await;
    // Revoking `id` is among them, and last but for reading permissions.
    for (method, path, body) in &calls {
        let answer = admin.call(method.clone(), path, body.to_string()).await;
        assert!(answer.status.is_success(), "{method} {path}: {answer:?}");
    }
}
