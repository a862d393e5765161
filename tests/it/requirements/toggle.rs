//! R26–R36: tokens are enabled and disabled for a whole workspace.

use axum::http::Method;
use dapi_mock::domain::settings::TOKENS_ON_BY_DEFAULT_SINCE;
use serde_json::json;

use super::with_headers;
use crate::support::{
    CONF, CREATE, DAY_MS, DELETE, DISABLED, ELSEWHERE, INVALID, LIST, MANAGED, ME, NO_PERMISSION, ON_BEHALF_OF,
    PERMISSIONS, START, World, on_every_store,
};

on_every_store!(
    r26_tokens_are_on_by_default_from_2018,
    r28_disabled_tokens_authenticate_nobody,
    r29_disabled_nobody_creates_tokens,
    r30_disabling_deletes_nothing,
    r31_enabled_again_what_is_not_expired_works,
    r32_permissions_serve_for_some_users_only,
    r33_partner_integrations_stop_while_disabled,
    r34_looking_at_the_consequences_changes_nothing,
    r35_a_change_may_take_a_few_seconds,
    r36_the_configuration_api_switches_too,
);

const TOGGLE: &str = "/api/2.0/workspace-conf?keys=enableTokensConfig";

async fn r26_tokens_are_on_by_default_from_2018(world: World) {
    let since = TOKENS_ON_BY_DEFAULT_SINCE;
    assert_eq!(chrono::DateTime::from_timestamp_millis(since.0).unwrap().to_rfc3339(), "2018-01-01T00:00:00+00:00");
    let other = "dapi00000000000000000000000000000078";
    world.add_second_workspace(77, since.plus(-1), ELSEWHERE).await;
    world.add_second_workspace(78, since, other).await;
    let admin = world.account_oauth().await;
    let admin = world.client(&admin);
    for (workspace, token, enabled) in [(77, ELSEWHERE, false), (78, other, true)] {
        let here = |path: &str| format!("{path}{}o={workspace}", if path.contains('?') { '&' } else { '?' });
        let status = admin.get(&here(TOGGLE)).await.json();
        assert_eq!(status, json!({"enableTokensConfig": null}), "nobody has set it");
        assert_eq!(world.client(token).works().await, enabled);
        let created = admin.post(&here(CREATE), &json!({})).await;
        if enabled {
            assert_eq!(created.status, 200, "{created:?}");
        } else {
            created.refused(404, "FEATURE_DISABLED", DISABLED);
            world.client(token).get(LIST).await.refused(404, "FEATURE_DISABLED", DISABLED);
            let on = json!({"enableTokensConfig": "true"});
            assert_eq!(admin.patch(&here(CONF), &on).await.status, 204);
            assert!(world.client(token).works().await);
            assert_eq!(admin.post(&here(CREATE), &json!({})).await.status, 200);
        }
    }
}

async fn r28_disabled_tokens_authenticate_nobody(world: World) {
    let ann = world.admin().user("ann@example.com").await;
    let ci = world.admin().robot("ci").await;
    let (anns, cis) = (world.first_token(&ann).await, world.first_token(&ci).await);
    let (admins, _) = world.admin().create(&json!({})).await;
    let (scoped, _) = world.admin().create(&json!({"scopes": ["sql"]})).await;
    world.admin().enable_tokens(false).await;
    for token in [&anns, &cis, &admins, &scoped] {
        for (method, path, is_token_api) in [
            (Method::GET, LIST, true),
            (Method::POST, CREATE, true),
            (Method::POST, DELETE, true),
            (Method::GET, MANAGED, true),
            (Method::GET, PERMISSIONS, true),
            (Method::GET, ME, false),
            (Method::GET, TOGGLE, false),
            (Method::GET, "/api/2.0/preview/scim/v2/Users", false),
            (Method::GET, "/api/2.0/clusters/list", false),
        ] {
            let answer = world.client(token).call(method, path, "").await;
            if is_token_api {
                answer.refused(404, "FEATURE_DISABLED", DISABLED);
            } else {
                answer.refused(403, 403, INVALID);
            }
        }
    }
    let by_oauth = world.admin_oauth().await;
    for path in [ME, MANAGED, TOGGLE, PERMISSIONS] {
        assert_eq!(world.client(&by_oauth).get(path).await.status, 200, "{path}");
    }
}

async fn r29_disabled_nobody_creates_tokens(world: World) {
    let ci = world.admin().robot("ci").await;
    let cis = world.robot_oauth(&ci).await;
    let ann = world.admin().user("ann@example.com").await;
    let anns = world.first_token(&ann).await;
    world.client(&cis).create(&json!({})).await;
    world.admin().enable_tokens(false).await;
    let admins = world.admin_oauth().await;
    for credential in [&cis, &admins, &anns] {
        world.client(credential).post(CREATE, &json!({})).await.refused(404, "FEATURE_DISABLED", DISABLED);
        world.client(credential).get(LIST).await.refused(404, "FEATURE_DISABLED", DISABLED);
    }
    let on_behalf_of = world.client(&admins).post(ON_BEHALF_OF, &json!({"application_id": ci.name})).await;
    on_behalf_of.refused(404, "FEATURE_DISABLED", DISABLED);
    world.client(&admins).enable_tokens(true).await;
    for credential in [&cis, &admins, &anns] {
        world.client(credential).create(&json!({})).await;
    }
}

async fn r30_disabling_deletes_nothing(world: World) {
    let ci = world.admin().robot("ci").await;
    let ann = world.admin().user("ann@example.com").await;
    let tokens = [world.first_token(&ci).await, world.first_token(&ann).await];
    let admins = world.admin_oauth().await;
    let admins = world.client(&admins);
    let before = admins.managed("").await;
    admins.enable_tokens(false).await;
    assert_eq!(admins.managed("").await, before, "no row changes");
    admins.enable_tokens(true).await;
    assert_eq!(admins.managed("").await, before);
    for token in &tokens {
        assert!(world.client(token).works().await);
    }
}

/// The days without use continue while tokens are disabled: an inference of ours (docs/requirements.md, R31).
async fn r31_enabled_again_what_is_not_expired_works(world: World) {
    let ci = world.admin().robot("ci").await;
    let (short, _) = world.admin().create_for_days(10).await;
    let (long, long_id) = world.admin().create_for_days(400).await;
    let (robots, _) = world.admin().create_for(&ci, None).await;
    let (idle, idle_id) = world.admin().create(&json!({})).await;
    world.at(5 * DAY_MS).await;
    for token in [&short, &long, &robots] {
        assert!(world.client(token).works().await);
    }
    assert!(world.admin().works().await);
    world.admin().enable_tokens(false).await;
    world.at(60 * DAY_MS).await;
    // A refused attempt does not count as a use.
    for token in [&short, &long, &robots, &idle] {
        world.client(token).get(ME).await.refused(403, 403, INVALID);
    }
    world.at(91 * DAY_MS).await;
    let oauth = world.admin_oauth().await;
    world.client(&oauth).enable_tokens(true).await;
    world.client(&short).get(ME).await.refused(403, 403, INVALID);
    world.client(&idle).get(ME).await.refused(403, 403, INVALID);
    let rows = world.client(&oauth).managed("").await;
    assert!(rows.iter().all(|row| row["token_id"] != idle_id.as_str()));
    let row = rows.iter().find(|row| row["token_id"] == long_id.as_str()).unwrap();
    assert_eq!(row["last_used_day"], START.0 - START.0 % DAY_MS + 5 * DAY_MS);
    for token in [&long, &robots] {
        assert!(world.client(token).works().await);
    }
    world.client(&oauth).enable_tokens(false).await;
    world.client(&long).get(ME).await.refused(403, 403, INVALID);
    world.client(&oauth).enable_tokens(true).await;
    assert!(world.client(&long).works().await);
}

async fn r32_permissions_serve_for_some_users_only(world: World) {
    let admin = world.admin();
    let (ann, ben) = (admin.user("ann@example.com").await, admin.user("ben@example.com").await);
    let team = admin.group("team", &[&ben]).await;
    let (anns, bens) = (world.first_token(&ann).await, world.first_token(&ben).await);
    admin.permit_only(&[&team]).await;
    world.client(&anns).post(CREATE, &json!({})).await.refused(403, "PERMISSION_DENIED", NO_PERMISSION);
    world.client(&anns).get(ME).await.refused(403, "PERMISSION_DENIED", NO_PERMISSION);
    let (value, _) = world.client(&bens).create(&json!({})).await;
    assert!(world.client(&value).works().await);
    assert_eq!(admin.get(TOGGLE).await.json(), json!({"enableTokensConfig": null}), "tokens stay enabled");
}

/// The count behind the warning; `pages` finds the warning in the dialog.
async fn r33_partner_integrations_stop_while_disabled(world: World) {
    let partner = world.admin().robot("Partner Connect").await;
    let (token, id) = world.admin().create_for(&partner, None).await;
    assert!(world.client(&token).works().await);
    let question = json!({"enableTokensConfig": "false"});
    let impact = world.anonymous().own(Method::POST, "workspaces/default/what-if", &question).await.json();
    let rows = impact["tokens_that_would_fail"].as_array().unwrap();
    let row = rows.iter().find(|row| row["token_id"] == id.as_str()).unwrap();
    assert_eq!((&row["owner"], &row["comment"]), (&json!(partner.name), &json!("for a robot")));

    world.admin().enable_tokens(false).await;
    assert!(!world.client(&token).works().await);
    let oauth = world.admin_oauth().await;
    world.client(&oauth).enable_tokens(true).await;
    assert!(world.client(&token).works().await);
}

/// What the page asks before *Confirm*; `pages` shows that only the confirmed form changes something.
async fn r34_looking_at_the_consequences_changes_nothing(world: World) {
    let question = json!({"enableTokensConfig": "false"});
    assert_eq!(world.anonymous().own(Method::POST, "workspaces/default/what-if", &question).await.status, 200);
    assert_eq!(world.admin().get(TOGGLE).await.json(), json!({"enableTokensConfig": null}));
    assert!(world.admin().works().await);
    world.admin().patch(CONF, &json!({})).await.refused(400, "INVALID_PARAMETER_VALUE", "names no");
    assert!(world.admin().works().await);
}

async fn r35_a_change_may_take_a_few_seconds(world: World) {
    let oauth = world.admin_oauth().await;
    let admin = world.client(&oauth);
    let seconds = async |n: i64| drop(world.anonymous().advance(&json!({"by": format!("{n}s")})).await);
    let shown = async |value: &str| assert_eq!(admin.get(TOGGLE).await.json(), json!({"enableTokensConfig": value}));

    world.behave(&json!({"propagation_delay_ms": 3000})).await;
    admin.enable_tokens(false).await;
    shown("false").await;
    seconds(1).await;
    assert!(world.admin().works().await, "the effect is still pending");
    assert_eq!(admin.post(CREATE, &json!({})).await.status, 200);
    seconds(3).await;
    assert!(!world.admin().works().await);
    admin.post(CREATE, &json!({})).await.refused(404, "FEATURE_DISABLED", DISABLED);
    admin.enable_tokens(true).await;
    shown("true").await;
    seconds(2).await;
    assert!(!world.admin().works().await);
    seconds(1).await;
    assert!(world.admin().works().await, "at three seconds");

    // The maximum lifetime is part of the configuration, too.
    admin.configure(&json!({"maxTokenLifetimeDays": "90"})).await;
    seconds(1).await;
    assert_eq!(admin.lifetime(&json!({})).await, 730 * DAY_MS);
    seconds(2).await;
    assert_eq!(admin.lifetime(&json!({})).await, 90 * DAY_MS);

    world.behave(&json!({"propagation_delay_ms": 0})).await;
    admin.enable_tokens(false).await;
    assert!(!world.admin().works().await, "at once");
}

async fn r36_the_configuration_api_switches_too(world: World) {
    let oauth = world.admin_oauth().await;
    let preview = "/api/2.0/preview/workspace-conf";
    for path in [CONF, preview] {
        for (off, on) in [(json!("false"), json!("true")), (json!(false), json!(true)), (json!("False"), json!("TRUE"))]
        {
            for (value, enabled) in [(off, false), (on, true)] {
                let body = json!({"enableTokensConfig": value}).to_string();
                let answer = with_headers(&world, &oauth, (Method::PATCH, path), &[], &body).await;
                assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""), "{body}");
                assert_eq!(world.admin().works().await, enabled, "{body}");
                let shown = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
                for path in [CONF, preview] {
                    let status = world.client(&oauth).get(&format!("{path}?keys=enableTokensConfig")).await;
                    assert_eq!(status.json(), json!({"enableTokensConfig": shown}));
                }
            }
        }
    }
}
