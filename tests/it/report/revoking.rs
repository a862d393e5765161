//! Revoking tokens from the report.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use dapi_mock::service::ADMIN_CLIENT_ID;
use serde_json::{Value, json};

use super::HOUR;
use crate::support::{DAY_MS, ELSEWHERE, ME, START, World, on_every_store, report_path};

on_every_store!(tokens_are_revoked_in_many_workspaces_at_once, a_dry_run_names_what_would_be_revoked,);

async fn tokens_are_revoked_in_many_workspaces_at_once(world: World) {
    world.add_second_workspace(77, world.now(), ELSEWHERE).await;
    let clock = "workspaces/77/clock/advance";
    world.anonymous().own(Method::POST, clock, &json!({"by": "36h"})).await;
    let (here, here_id) = world.admin().create(&json!({})).await;
    let (there, there_id) = world.client(ELSEWHERE).create(&json!({})).await;
    let (spared, _) = world.admin().create(&json!({})).await;
    let expired = world.mint(world.admin_id().await, |token| token.expiry_time = Some(START.plus(-1))).await;
    let vacuumed = world.mint(world.admin_id().await, |token| token.expiry_time = Some(START.plus(-31 * DAY_MS))).await;
    let id = |value: &str| dapi_mock::domain::tokens::TokenValue::parse(value).unwrap().id().to_string();
    let at = |workspace: i64, token: &str| json!({"workspace_id": workspace, "token_id": token});
    let home = 3_274_327_432_743_274;
    let wanted = json!([
        at(home, &here_id),
        {"workspace_id": "77", "token_id": there_id},
        at(home, &there_id),
        at(99, &here_id),
        at(home, &here_id),
        at(home, &id(&expired)),
        at(home, &id(&vacuumed)),
    ]);
    let answer = world.revoke_reported(&wanted).await;
    let by_id = |rows: Vec<Value>| rows.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let told = |name: &str| by_id(answer.json()[name].as_array().unwrap().clone());
    assert_eq!(told("revoked"), by_id(vec![at(home, &here_id), at(77, &there_id), at(home, &id(&expired))]));
    assert_eq!(told("not_found"), by_id(vec![at(home, &there_id), at(99, &here_id), at(home, &id(&vacuumed))]));
    for (value, works) in [(&here, false), (&there, false), (&spared, true)] {
        assert_eq!(world.client(value).get(ME).await.status == 200, works);
    }
    world.client(&there).get(ME).await.refused(403, 403, "Invalid access token.");
    let events = async |workspace: i64| -> Vec<Value> {
        let path = format!("workspaces/{workspace}/audit?action=revokeDbToken");
        let log = world.anonymous().own(Method::GET, &path, &json!({})).await;
        let lines = log.text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.filter(|event: &Value| event["userIdentity"]["email"] == ADMIN_CLIENT_ID.to_string()).collect()
    };
    let (home_events, there_events) = (events(home).await, events(77).await);
    assert_eq!((home_events.len(), there_events.len()), (2, 1));
    assert_eq!(there_events[0]["requestParams"]["tokenId"], there_id);
    assert_eq!(there_events[0]["timestamp"], START.0 + 36 * HOUR, "the time of that workspace");
    assert_eq!(there_events[0]["workspaceId"], "77");
    assert_eq!(there_events[0]["requestId"], answer.header("x-request-id"));
    let history =
        world.anonymous().own(Method::GET, &format!("workspaces/77/tokens?token_id={there_id}"), &json!({})).await;
    assert_eq!(history.json()["tokens"][0]["state"], "revoked_by_account_admin");

    let again = world.revoke_reported(&wanted).await;
    assert_eq!((again.status.as_u16(), &again.json()["revoked"]), (200, &json!([])));
    assert_eq!((events(home).await.len(), events(77).await.len()), (2, 1), "the second time nothing happens");

    let many = |n: usize| -> Value { (0..n).map(|i| at(home, &i.to_string())).collect() };
    assert_eq!(world.revoke_reported(&many(1000)).await.status, 200);
    for (body, says) in [
        (many(1001), "1 to 1000"),
        (json!([]), "1 to 1000"),
        (json!([{"workspace_id": "x", "token_id": "a"}]), "no workspace id"),
        (json!([{"workspace_id": 1.5, "token_id": "a"}]), "no workspace id"),
        (json!([{"workspace_id": home}]), "token_id"),
        (json!([{"workspace_id": home, "token_id": "a\u{0}"}]), "U+0000"),
        (json!([{"workspace_id": home, "token_id": "a", "force": true}]), "force"),
        (json!("all"), "tokens"),
    ] {
        let refused = world.revoke_reported(&body).await;
        assert!(refused.status == 400 && refused.text.contains(says), "{body}: {refused:?}");
    }
}

async fn a_dry_run_names_what_would_be_revoked(world: World) {
    world.add_second_workspace(77, world.now(), ELSEWHERE).await;
    let eva = world.add_user("eva@example.com").await;
    world.set_active(eva, false).await;
    world.mint(eva, |token| token.comment = "laptop".into()).await;
    world.mint(eva, |token| token.expiry_time = Some(START.plus(-31 * DAY_MS))).await;
    let rows = world.report("").await["tokens"].clone();
    let home = 3_274_327_432_743_274_i64;
    let chosen: Vec<Value> = rows.as_array().unwrap().iter().map(chosen).collect();
    let none = json!([{"workspace_id": home, "token_id": "none"}, {"workspace_id": 99, "token_id": "none"}]);
    let all = [&chosen[..], none.as_array().unwrap(), &chosen[..1]].concat();
    let admin = world.account_oauth().await;
    let body = json!({"tokens": all, "dry_run": true});
    let answer = world.client(&admin).own(Method::POST, &report_path("/revoke"), &body).await.json();
    let by_id = |rows: &Value| {
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| (row["token_id"].to_string(), row.clone()))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(by_id(&answer["would_revoke"]), by_id(&rows));
    let laptop = rows.as_array().unwrap().iter().find(|row| row["comment"] == "laptop").unwrap();
    assert_eq!((&laptop["owner_name"], &laptop["owner_active"]), (&json!("eva@example.com"), &json!(false)));
    let missed = |row: &Value| row["workspace_id"].as_i64().unwrap();
    let missed: BTreeSet<i64> = answer["not_found"].as_array().unwrap().iter().map(missed).collect();
    assert_eq!(missed, BTreeSet::from([99, home]));
    // Nothing happened, and the dry run was not a query of the report.
    assert_eq!(world.report("").await["tokens"], rows);
    assert_eq!(world.report_statistics().await.0, 2);
    let log = world.anonymous().own(Method::GET, "workspaces/default/audit?action=revokeDbToken", &json!({})).await;
    assert_eq!(log.text, "");
    let revoked = world.revoke_reported(&json!(chosen)).await.json();
    assert_eq!(revoked["revoked"].as_array().unwrap().len(), chosen.len(), "{revoked}");
}

/// The workspace and id of a row's token.
fn chosen(row: &Value) -> Value {
    json!({"workspace_id": row["workspace_id"], "token_id": row["token_id"]})
}
