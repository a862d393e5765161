//! R48 to R50, and what follows from them: what an admin sees, revokes and may create for others.

use axum::http::Method;
use serde_json::{Value, json};

use super::info;
use crate::support::{
    DAY_MS, INVALID, Kind, MANAGED, ME, NO_PERMISSION, ON_BEHALF_OF, PERMISSIONS, START, World, account,
    admins_may_manage, on_every_store,
};

on_every_store!(
    r48_a_list_sorts_by_creation_time,
    r49_a_list_is_filtered_by_creator,
    r50_a_token_is_revoked_once,
    restricted_admins_create_for_whom_they_may_act,
    an_owners_tokens_are_suspended_and_deleted_with_it,
);

/// As the article's Python does with `as_dict()`; tests/clients/python runs that itself.
async fn r48_a_list_sorts_by_creation_time(world: World) {
    let admin = world.admin();
    let ci = admin.robot("ci").await;
    let mut expected: Vec<(i64, String)> = Vec::new();
    for second in [30, 10, 20] {
        world.anonymous().advance(&json!({"by": format!("{second}s")})).await;
        let (_, id) = if second == 10 { admin.create_for(&ci, None).await } else { admin.create(&json!({})).await };
        let at = info(admin, &id).await["creation_time"].as_i64().unwrap();
        expected.push((at, id));
    }
    let mut rows = admin.managed("").await;
    for row in &rows {
        for key in ["creation_time", "expiry_time", "created_by_id", "owner_id", "workspace_id"] {
            assert!(row[key].is_i64(), "{key}: {row}");
        }
        assert!(row["comment"].is_string() && row["created_by_username"] == "admin@example.com", "{row}");
        let used = row.get("last_used_day").map(|day| day.as_i64().unwrap());
        assert!(used.is_none_or(|day| day % DAY_MS == 0 && day == START.0 - START.0 % DAY_MS), "{row}");
        assert_eq!(info(admin, row["token_id"].as_str().unwrap()).await, *row, "both routes show the same row");
    }
    rows.sort_by_key(|row| row["creation_time"].as_i64().unwrap());
    let listed: Vec<(i64, String)> = rows
        .iter()
        .skip(1) // The admin's own, of the start.
        .map(|row| (row["creation_time"].as_i64().unwrap(), row["token_id"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(listed, expected);
    assert!(expected.is_sorted() && expected[0].0 == START.0 + 30_000);
}

async fn r49_a_list_is_filtered_by_creator(world: World) {
    let admin = world.admin();
    let (ann, ci) = (admin.user("ann@example.com").await, admin.robot("ci").await);
    let first = world.first_token(&ann).await;
    let (_, anns) = world.client(&first).create(&json!({})).await;
    let (_, robots) = admin.create_for(&ci, None).await;
    let admin_id = world.admin_id().await;
    let listed = async |query: &str| -> Vec<String> {
        let rows = admin.managed(query).await;
        rows.iter().map(|row| row["token_id"].as_str().unwrap().to_owned()).collect()
    };
    for (query, has_anns, has_robots) in [
        (String::new(), true, true),
        (format!("?created_by_id={}", ann.id), true, false),
        // The admin created the service principal's token, so the token is found by the admin and not by its owner.
        (format!("?created_by_id={admin_id}"), false, true),
        (format!("?created_by_id={}", ci.id), false, false),
        ("?created_by_username=ann@example.com".into(), true, false),
        ("?created_by_username=ann%40example.com".into(), true, false),
        ("?created_by_username=admin@example.com".into(), false, true),
        (format!("?created_by_username={}", ci.name), false, false),
        (format!("?created_by_id={}&created_by_username=ann@example.com", ann.id), true, false),
        (format!("?created_by_id={}&created_by_username=admin@example.com", ann.id), false, false),
        ("?created_by_id=1&created_by_username=nobody@example.com".into(), false, false),
        ("?created_by_username=nobody@example.com".into(), false, false),
    ] {
        let ids = listed(&query).await;
        assert_eq!((ids.contains(&anns), ids.contains(&robots)), (has_anns, has_robots), "{query}");
    }
    assert_eq!(admin.get(&format!("{MANAGED}?created_by_username=nobody")).await.text, r#"{"token_infos":[]}"#);
    let row = info(admin, &robots).await;
    assert_eq!((&row["owner_id"], &row["created_by_id"]), (&json!(ci.principal_id().0), &json!(admin_id.0)));
}

async fn r50_a_token_is_revoked_once(world: World) {
    let admin = world.admin();
    let ci = admin.robot("ci").await;
    let (value, id) = admin.create_for(&ci, None).await;
    let answer = admin.revoke(&id).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "{}"));
    world.client(&value).get(ME).await.refused(403, 403, INVALID);
    assert!(!admin.managed_ids().await.contains(&id));
    for unknown in [id.as_str(), "nonsense", &"0".repeat(64)] {
        let text = format!("Token with ID {unknown} does not exist");
        admin.revoke(unknown).await.refused(404, "RESOURCE_DOES_NOT_EXIST", &text);
        admin.get(&format!("{MANAGED}/{unknown}")).await.refused(404, "RESOURCE_DOES_NOT_EXIST", &text);
    }
}

/// The restriction of workspace admins: the setting, its etags and its effect (docs/reference/governance.md).
async fn restricted_admins_create_for_whom_they_may_act(world: World) {
    let path = "/api/2.0/settings/types/restrict_workspace_admins/names/default";
    let admin = world.admin();
    let (free, granted) = (admin.robot("free").await, admin.robot("granted").await);
    let oauth = world.admin_oauth().await;
    let account_admin = world.client(&oauth);
    let setting = admin.get(path).await.json();
    assert_eq!(setting["restrict_workspace_admins"]["status"], "ALLOW_ALL");
    admin.create_for(&free, None).await;
    let restrict = |status: &str, etag: &Value| {
        json!({"allow_missing": true, "field_mask": "restrict_workspace_admins.status", "setting": {
            "setting_name": "default", "etag": etag, "restrict_workspace_admins": {"status": status}}})
    };
    let body = restrict("RESTRICT_TOKENS_AND_JOB_RUN_AS", &setting["etag"]);
    admin.patch(path, &body).await.refused(403, "PERMISSION_DENIED", "without account admin status.");
    let stale = restrict("RESTRICT_TOKENS_AND_JOB_RUN_AS", &json!("stale"));
    account_admin.patch(path, &stale).await.refused(409, "RESOURCE_CONFLICT", "etag");
    account_admin.patch(path, &restrict("SOME", &setting["etag"])).await.refused(
        400,
        "INVALID_PARAMETER_VALUE",
        "status",
    );
    admin.create_for(&free, None).await;
    let restricted = account_admin.patch(path, &body).await.json();
    assert_eq!(restricted["restrict_workspace_admins"]["status"], "RESTRICT_TOKENS_AND_JOB_RUN_AS");
    assert_eq!(admin.get(path).await.json(), restricted);

    let obo = json!({"application_id": granted.name});
    admin.post(ON_BEHALF_OF, &obo).await.refused(403, "PERMISSION_DENIED", "Service Principal User role");
    let name = format!("accounts/{}/servicePrincipals/{}/ruleSets/default", account(), granted.name);
    let rule_sets = "/api/2.0/preview/accounts/access-control/rule-sets";
    let etag = admin.get(&format!("{rule_sets}?name={name}&etag=")).await.json()["etag"].clone();
    let rule = json!({"role": "roles/servicePrincipal.user", "principals": ["users/admin@example.com"]});
    let body = json!({"name": name, "rule_set": {"name": name, "etag": etag, "grant_rules": [rule]}});
    assert_eq!(admin.call(Method::PUT, rule_sets, body.to_string()).await.status, 200);
    admin.create_for(&granted, None).await;
    let obo = json!({"application_id": free.name});
    admin.post(ON_BEHALF_OF, &obo).await.refused(403, "PERMISSION_DENIED", "Service Principal User role");

    let etag = restricted["etag"].as_str().unwrap();
    let back = account_admin.call(Method::DELETE, &format!("{path}?etag={etag}"), "").await;
    assert_eq!(back.status, 200, "{back:?}");
    admin.create_for(&free, None).await;
}

/// Deactivating an owner suspends its tokens; deleting it deletes them permanently, with its permission entries.
/// `scim/access.rs` has more (docs/reference/governance.md).
async fn an_owners_tokens_are_suspended_and_deleted_with_it(world: World) {
    let admin = world.admin();
    for kind in [Kind::User, Kind::ServicePrincipal] {
        let owner = admin.principal(kind, "owner").await;
        let team = admin.group(&format!("team {kind:?}"), &[&owner]).await;
        let first = world.first_token(&owner).await;
        let (own, id) = world.client(&first).create(&json!({})).await;
        let set_active = async |value: Value| {
            let operation = json!({"op": "replace", "path": "active", "value": value});
            assert_eq!(admin.patch(&owner.path(), &json!({"Operations": [operation]})).await.status, 200);
        };
        for (off, on) in [(json!([{"value": "false"}]), json!([{"value": "true"}])), (json!(false), json!(true))] {
            set_active(off).await;
            for token in [&first, &own] {
                world.client(token).get(ME).await.refused(403, 403, "Invalid access to Org: 3274327432743274");
            }
            assert!(admin.managed_ids().await.contains(&id));
            set_active(on).await;
            assert!(world.client(&first).works().await && world.client(&own).works().await);
        }

        // A user who comes back is known to the account but has no token, no entry and no group.
        admin.permit_only(&[&owner, &team]).await;
        admin.remove(&owner).await;
        assert!(!admin.managed_ids().await.contains(&id));
        let back = admin.post(kind.collection(), &json!({kind.name_attribute(): owner.name})).await;
        assert_eq!((back.status.as_u16(), &back.json()["id"]), (201, &json!(owner.id)));
        for token in [&first, &own] {
            world.client(token).get(ME).await.refused(403, 403, INVALID);
        }
        let fresh = world.mint(owner.principal_id(), |_| {}).await;
        world.client(&fresh).get(ME).await.refused(403, "PERMISSION_DENIED", NO_PERMISSION);
        assert!(!admin.get(PERMISSIONS).await.text.contains(&owner.name));
        let everybody = json!({"group_name": "users", "permission_level": "CAN_USE"});
        let everybody = json!({"access_control_list": [everybody, admins_may_manage()]});
        assert_eq!(admin.call(Method::PUT, PERMISSIONS, everybody.to_string()).await.status, 200);
        assert!(world.client(&fresh).works().await);
    }
}
