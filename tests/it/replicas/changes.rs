//! A change through one process applies to the other, and what should happen once happens once.

use std::collections::HashSet;

use axum::http::Method;
use dapi_mock::domain::WorkspaceId;
use dapi_mock::domain::tokens::TokenValue;
use dapi_mock::service::ADMIN_CLIENT_ID;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::send;
use crate::support::{ADMIN_SECRET, ADMIN_TOKEN, CONF, DAY_MS, INVALID, LIST, PERMISSIONS, World, admins_may_manage};

on_two_replicas!(
    a_change_through_one_is_in_force_on_the_other_at_the_next_request,
    a_fault_fires_as_often_as_it_says_over_both,
    workspaces_come_and_go_on_both,
    access_tokens_and_their_secrets_are_the_same_on_both,
    sweeps_at_the_same_time_end_each_token_once,
    what_is_expired_stays_so_where_the_systems_clock_is_behind,
);

/// The clocks of machines differ. A token that one process has refused as expired is accepted by no other.
async fn what_is_expired_stays_so_where_the_systems_clock_is_behind(one: World, _: World) {
    let behind = one.replica_at(one.now().plus(-3_600_000)).await;
    let (token, _) = one.admin().create(&json!({"lifetime_seconds": 60})).await;
    let access = one.access_token(&ADMIN_CLIENT_ID.to_string(), ADMIN_SECRET).await;
    for (credential, passed) in [(&token, 60_000), (&access, 3_600_000)] {
        for world in [&one, &behind] {
            assert_eq!(world.client(credential).get(LIST).await.status, 200);
        }
        one.clock.advance(passed);
        for world in [&one, &behind] {
            assert_eq!(world.client(credential).get(LIST).await.status, 403);
        }
    }
    one.service.persist_time().await.unwrap();
    behind.service.persist_time().await.unwrap();
    assert_eq!(behind.service.system_now(), one.service.system_now());
}

/// A change through one process, by either API, and the other's answer to a user's token afterwards.
struct Change {
    method: Method,
    path: &'static str,
    body: Value,
    then: (u16, &'static str),
    /// The call that undoes the change, if there is one.
    undo: Option<(Method, &'static str, Value)>,
}

fn change(method: Method, path: &'static str, body: Value, then: (u16, &'static str)) -> Change {
    Change { method, path, body, then, undo: None }
}

impl Change {
    fn undone(self, method: Method, path: &'static str, body: Value) -> Self {
        Self { undo: Some((method, path, body)), ..self }
    }
}

/// `{token}` and `{user}` in a path stand for the ids of the user's token and of the user.
fn changes() -> Vec<Change> {
    let scim = |active: bool| json!({"Operations": [{"op": "replace", "path": "active", "value": active}]});
    let user = "/api/2.0/preview/scim/v2/Users/{user}";
    let users = json!({"group_name": "users", "permission_level": "CAN_USE"});
    let entry = json!({"access_control_list": [users, admins_may_manage()]});
    let nobody = json!({"access_control_list": [admins_may_manage()]});
    let conf = "own:workspaces/default/conf";
    let no_permission = (403, "User does not have permission to use tokens.");
    vec![
        change(Method::DELETE, "/api/2.0/token-management/tokens/{token}", json!({}), (403, INVALID)),
        change(Method::PATCH, CONF, json!({"enableTokensConfig": "false"}), (404, "Tokens are disabled.")).undone(
            Method::PATCH,
            conf,
            json!({"enableTokensConfig": "true"}),
        ),
        change(Method::PUT, PERMISSIONS, nobody, no_permission).undone(Method::PUT, PERMISSIONS, entry),
        change(Method::PATCH, user, scim(false), (403, "")).undone(Method::PATCH, user, scim(true)),
        change(Method::DELETE, user, json!({}), (403, INVALID)),
        change(Method::POST, "own:workspaces/default/clock/advance", json!({"by": "91d"}), (403, INVALID)),
        change(Method::POST, "own:workspaces/default/faults", json!({"effect": {"status": 429}}), (429, "")).undone(
            Method::DELETE,
            "own:workspaces/default/faults",
            json!({}),
        ),
        change(Method::POST, "own:workspaces/default/reset", json!({}), (403, INVALID)),
    ]
}

async fn a_change_through_one_is_in_force_on_the_other_at_the_next_request(one: World, other: World) {
    for (number, Change { method, path, body, then, undo }) in changes().into_iter().enumerate() {
        // In both directions, each with its own user.
        for (one, other) in [(&one, &other), (&other, &one)] {
            let (id, token) = one.user_with_token(&format!("user{number}@example.com")).await;
            let value = TokenValue::parse(&token).unwrap();
            assert_eq!(other.client(&token).get(LIST).await.status, 200, "{path}");
            let filled = |path: &str| path.replace("{token}", value.id().as_str()).replace("{user}", &id.to_string());
            send(one, method.clone(), &filled(path), &body).await;
            let answer = other.client(&token).get(LIST).await;
            assert_eq!(answer.status, then.0, "{method} {path} {body}: {answer:?}");
            assert!(answer.text.contains(then.1), "{method} {path} {body}: {answer:?}");
            if let Some((method, path, body)) = &undo {
                send(one, method.clone(), &filled(path), body).await;
                assert_eq!(other.client(&token).get(LIST).await.status, 200, "{path} is undone");
            }
            send(one, Method::POST, "own:workspaces/default/reset", &json!({})).await;
        }
    }
}

async fn a_fault_fires_as_often_as_it_says_over_both(one: World, other: World) {
    for times in [1, 5] {
        let rule = json!({"times": times, "effect": {"status": 503}});
        send(&one, Method::POST, "own:workspaces/default/faults", &rule).await;
        let asked = (0..20).map(async |n| if n % 2 == 0 { &one } else { &other }.admin().get(LIST).await.status);
        let refused = join_all(asked).await.into_iter().filter(|status| *status == 503).count();
        assert_eq!(refused, times);
        send(&other, Method::DELETE, "own:workspaces/default/faults", &json!({})).await;
    }
}

async fn workspaces_come_and_go_on_both(one: World, other: World) {
    let made = send(&one, Method::POST, "own:workspaces", &json!({})).await.json();
    let (id, token) = (made["id"].as_str().unwrap(), made["admin_token"].as_str().unwrap());
    assert_eq!(other.client(token).get(LIST).await.status, 200);
    send(&other, Method::PUT, &format!("own:workspaces/{id}/checkpoints/before"), &json!({})).await;
    let (late, _) = one.client(token).create(&json!({})).await;
    assert_eq!(other.client(&late).get(LIST).await.status, 200);
    send(&one, Method::POST, &format!("own:workspaces/{id}/reset"), &json!({"to": "before"})).await;
    other.client(&late).get(LIST).await.refused(403, 403, INVALID);
    send(&other, Method::DELETE, &format!("own:workspaces/{id}"), &json!({})).await;
    one.client(token).get(LIST).await.refused(403, 403, INVALID);

    // The next sweep forgets the workspace and closes its port.
    let (id, kept) = (WorkspaceId::parse(id).unwrap(), one.workspace().await.id);
    one.client(ADMIN_TOKEN).get(LIST).await;
    assert_eq!(one.service.forget_deleted_workspaces(vec![id, kept]).await.unwrap(), HashSet::from([id]));
    assert!(one.service.forget_deleted_workspaces(vec![]).await.unwrap().is_empty());

    // Expired workspaces are deleted once, whichever process notices.
    let made = send(&one, Method::POST, "own:workspaces", &json!({"ttl": "1h"})).await.json();
    one.clock.advance(3_600_000);
    let gone = tokio::join!(one.service.delete_expired_workspaces(), other.service.delete_expired_workspaces());
    assert!(gone.0.is_ok() && gone.1.is_ok(), "{gone:?}");
    other.client(made["admin_token"].as_str().unwrap()).get(LIST).await.refused(403, 403, INVALID);
}

async fn access_tokens_and_their_secrets_are_the_same_on_both(one: World, other: World) {
    let client = ADMIN_CLIENT_ID.to_string();
    // Both create the first signing key at the same time; one of the two is kept.
    let (by_one, by_other) =
        tokio::join!(one.access_token(&client, ADMIN_SECRET), other.access_token(&client, ADMIN_SECRET));
    for (world, token) in [(&other, &by_one), (&one, &by_other)] {
        assert_eq!(world.client(token).get(LIST).await.status, 200);
    }
    let me = one.client(&by_one).get("/api/2.0/preview/scim/v2/Me").await.json();
    let path = format!("/api/2.0/accounts/servicePrincipals/{}/credentials/secrets", me["id"].as_str().unwrap());
    let made = one.client(&by_one).post(&path, &json!({})).await.json();
    let (secret, id) = (made["secret"].as_str().unwrap(), made["id"].as_str().unwrap());
    other.access_token(&client, secret).await;
    let deleted = one.client(&by_one).call(Method::DELETE, &format!("{path}/{id}"), "").await;
    assert_eq!(deleted.status, 204, "{deleted:?}");
    let form = "grant_type=client_credentials&scope=all-apis";
    let refused = other.ask_for_token("/oidc/v1/token", Some((&client, secret)), form).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]), (401, &json!("invalid_client")));
}

async fn sweeps_at_the_same_time_end_each_token_once(one: World, other: World) {
    let owner = one.admin_id().await;
    let mut expected = Vec::new();
    for _ in 0..450 {
        let value = one.mint(owner, |token| token.last_used = Some(token.creation_time)).await;
        expected.push(TokenValue::parse(&value).unwrap().id().to_string());
    }
    one.clock.advance(91 * DAY_MS);
    let sweeps = [&one, &other, &one, &other].map(|world| world.service.sweep_all());
    let ended: u64 = join_all(sweeps).await.into_iter().map(Result::unwrap).sum();
    let log = one.anonymous().own(Method::GET, "workspaces/default/audit?action=revokeDbToken", &json!({})).await.text;
    let mut told: Vec<String> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["requestParams"]["tokenId"].as_str().unwrap().into())
        .filter(|id| expected.contains(id))
        .collect();
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
    assert!(ended >= 450, "{ended}");
}
