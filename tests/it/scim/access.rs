//! How identities affect access: built-in groups, activation, deletion, tokens, and the audit log.

use std::sync::Arc;

use dapi_mock::domain::access::PermissionLevel;
use dapi_mock::domain::audit::Filter;
use dapi_mock::domain::authorize::{Demand, NamedWorkspace, PresentedCredential, Right};
use dapi_mock::domain::denial::AccessDenial;
use dapi_mock::domain::identities::{Principal, PrincipalKind};
use dapi_mock::domain::tokens::{EndCause, TokenEnd, TokenRequest, TokenValue};
use dapi_mock::domain::{Denial, PrincipalId};
use dapi_mock::entropy::{Entropy, SystemEntropy};
use dapi_mock::service::{Call, Error};
use dapi_mock::store::{HistoryFilter, Lock};
use serde_json::{Value, json};

use super::{created, delete, group_with, patched, put, read, refused, user, works};
use crate::support::{
    ADMIN_TOKEN, DAY_MS, GROUPS, ME, SERVICE_PRINCIPALS, START, USERS, World, assigned, at, each, id_of, on_every_store,
};

on_every_store!(
    built_in_groups_cannot_be_deleted,
    users_holds_everybody,
    admins_are_who_is_in_admins,
    circles_of_groups_are_tolerated,
    deactivation_blocks_tokens_and_activation_restores_them,
    deletion_ends_tokens_for_good,
    nothing_is_created_for_a_deleted_principal,
    the_creator_of_a_token_may_be_deleted,
    a_deleted_group_takes_its_permission_along,
    leaving_a_group_suspends,
    users_of_the_account_keep_their_id,
    groups_of_the_account_are_the_accounts,
    the_last_workspace_admin_may_be_deleted,
    events_name_the_actor_and_the_target,
);

/// Events of one action.
fn of(action: &str) -> Filter {
    Filter { action: Some(action.to_owned()), ..Filter::default() }
}

async fn built_in_groups_cannot_be_deleted(world: World) {
    let workspace = world.workspace().await;
    for (id, name) in [(workspace.admins_group, "admins"), (workspace.users_group, "users")] {
        let path = format!("{GROUPS}/{id}");
        refused(
            &delete(world.admin(), &path).await,
            400,
            Some("mutability"),
            &format!("The built-in group {name} cannot be deleted."),
        );
        let rename = json!({"Operations": [{"op": "replace", "path": "displayName", "value": "other"}]});
        refused(&world.admin().patch(&path, &rename).await, 400, Some("mutability"), "cannot be renamed");
        let entitle = json!([{"op": "add", "path": "entitlements", "value": [{"value": "workspace-access"}]}]);
        assert_eq!(patched(&world, &path, &entitle).await["entitlements"], json!([{"value": "workspace-access"}]));
        assert_eq!(read(&world, &path).await["displayName"], name);
    }
}

async fn users_holds_everybody(world: World) {
    let path = format!("{GROUPS}/{}", world.workspace().await.users_group);
    let count = async || read(&world, &path).await["members"].as_array().unwrap().len();
    let before = count().await;
    let ann = user(&world, "ann@example.com").await;
    created(&world, SERVICE_PRINCIPALS, &json!({"displayName": "robot"})).await;
    let ops = group_with(&world, "ops", &[]).await;
    assert_eq!(count().await, before + 2, "users and service principals, not groups");

    let operation = |op: &str, member: &Value| json!({"Operations": [{"op": op, "path": "members", "value": [{"value": member["id"]}]}]});
    assert_eq!(world.admin().patch(&path, &operation("add", &ann)).await.status, 200, "the user is already there");
    refused(&world.admin().patch(&path, &operation("remove", &ann)).await, 400, Some("mutability"), "every user");
    refused(&world.admin().patch(&path, &operation("add", &ops)).await, 400, Some("mutability"), "every user");
    refused(&put(world.admin(), &path, &json!({"displayName": "users"})).await, 400, Some("mutability"), "every user");
    assert_eq!(delete(world.admin(), &at(USERS, &ann)).await.status, 204);
    assert_eq!(count().await, before + 1);
}

async fn admins_are_who_is_in_admins(world: World) {
    let ann = user(&world, "ann@example.com").await;
    let token = world.mint(id_of(&ann), |_| {}).await;
    let workspace = world.workspace().await;
    let path = format!("{GROUPS}/{}", workspace.admins_group);
    let may_create =
        async |name: &str| world.client(&token).post(GROUPS, &json!({ "displayName": name })).await.status == 201;
    assert!(!may_create("g1").await);
    let add = |id: &Value| json!([{"op": "add", "path": "members", "value": [{ "value": id }]}]);
    let remove =
        |id: &Value| json!([{"op": "remove", "path": format!("members[value eq \"{}\"]", id.as_str().unwrap())}]);
    patched(&world, &path, &add(&ann["id"])).await;
    assert!(may_create("g1").await);
    patched(&world, &path, &remove(&ann["id"])).await;
    assert!(!may_create("g2").await);
    let team = group_with(&world, "team", &[&ann]).await;
    patched(&world, &path, &add(&team["id"])).await;
    assert!(may_create("g2").await, "through a nested group");
    assert_eq!(delete(world.admin(), &at(GROUPS, &team)).await.status, 204);
    assert!(!may_create("g3").await);
    let mut reader = world.service.store().read().await.unwrap();
    assert_eq!(reader.list_events(workspace.id, &of("setAdmin")).await.unwrap().len(), 2);
    assert_eq!(reader.list_events(workspace.id, &of("removeAdmin")).await.unwrap().len(), 1);
}

async fn circles_of_groups_are_tolerated(world: World) {
    let ann = user(&world, "ann@example.com").await;
    let a = group_with(&world, "a", &[&ann]).await;
    let b = group_with(&world, "b", &[&a]).await;
    let operation = |member: &Value| json!([{"op": "add", "path": "members", "value": [{"value": member["id"]}]}]);
    patched(&world, &at(GROUPS, &a), &operation(&b)).await;
    let own = patched(&world, &at(GROUPS, &a), &operation(&a)).await;
    assert_eq!(
        (each(&own["members"], "display"), each(&own["groups"], "display")),
        (vec!["a".into(), "ann@example.com".into(), "b".into()], vec!["b".to_owned()])
    );
    assert_eq!(each(&read(&world, &at(USERS, &ann)).await["groups"], "display"), ["a", "b", "users"]);
    let token = world.mint(id_of(&ann), |_| {}).await;
    assert_eq!(each(&world.client(&token).get(ME).await.json()["groups"], "display"), ["a", "b", "users"]);
    assert_eq!(delete(world.admin(), &at(GROUPS, &a)).await.status, 204);
    assert_eq!(read(&world, &at(GROUPS, &b)).await["members"], json!([]));
}

async fn deactivation_blocks_tokens_and_activation_restores_them(world: World) {
    let robot = created(&world, SERVICE_PRINCIPALS, &json!({"displayName": "robot"})).await;
    let ann = user(&world, "ann@example.com").await;
    for (resource, collection) in [(&robot, SERVICE_PRINCIPALS), (&ann, USERS)] {
        let token = world.mint(id_of(resource), |_| {}).await;
        assert!(works(&world, &token).await);
        let path = at(collection, resource);
        for (off, on) in [
            (json!([{"value": "false"}]), json!([{"value": "true"}])),
            (json!("false"), json!("True")),
            (json!(false), json!(true)),
        ] {
            let set = |value: &Value| json!([{"op": "replace", "path": "active", "value": value}]);
            assert_eq!(patched(&world, &path, &set(&off)).await["active"], false);
            world.client(&token).get(ME).await.refused(403, 403, "Invalid access to Org");
            assert_eq!(patched(&world, &path, &set(&on)).await["active"], true);
            assert!(works(&world, &token).await);
        }
        put(world.admin(), &path, &json!({"active": false})).await;
        assert!(!works(&world, &token).await);
        put(world.admin(), &path, &json!({})).await;
        assert!(works(&world, &token).await, "a PUT without `active` activates");
    }
    let asleep = created(&world, USERS, &json!({"userName": "asleep@example.com", "active": false})).await;
    let token = world.mint(id_of(&asleep), |_| {}).await;
    assert!(!works(&world, &token).await);
}

async fn deletion_ends_tokens_for_good(world: World) {
    let workspace = world.workspace().await;
    let ann = user(&world, "ann@example.com").await;
    let (id, path) = (id_of(&ann), at(USERS, &ann));
    let team = group_with(&world, "team", &[&ann]).await;
    let (first, second) = (world.mint(id, |_| {}).await, world.mint(id, |_| {}).await);
    let expired = world.mint(id, |token| token.expiry_time = Some(START)).await;
    let idle = world.mint(id, |token| token.creation_time = START.plus(-90 * DAY_MS)).await;
    let others = world.mint(world.admin_id().await, |_| {}).await;
    let mut writer = world.service.store().write(Lock::Workspace(workspace.id)).await.unwrap();
    writer.put_token_permission(workspace.id, id, Some(PermissionLevel::CanUse)).await.unwrap();
    writer.commit().await.unwrap();

    assert_eq!(delete(world.admin(), &path).await.status, 204);
    for token in [&first, &second] {
        world.client(token).get(ME).await.refused(403, 403, "Invalid access token.");
    }
    assert!(works(&world, &others).await);
    let mut reader = world.service.store().read().await.unwrap();
    let end = Some(TokenEnd { cause: EndCause::OwnerDeleted, actor: "admin@example.com".to_owned(), at: START });
    for (token, expected) in [(&first, &end), (&second, &end), (&expired, &end), (&idle, &None)] {
        let id = TokenValue::parse(token).unwrap().id();
        assert_eq!(
            &reader.list_token_histories(&workspace, HistoryFilter::one(&id), 1).await.unwrap()[0].end,
            expected
        );
    }
    let events = reader.list_events(workspace.id, &of("revokeDbToken")).await.unwrap();
    assert_eq!(events.len(), 3);
    for event in events {
        assert_eq!(event.actor.as_deref(), Some("admin@example.com"));
        assert_eq!(event.params["userId"], id.to_string());
    }
    drop(reader);
    assert_eq!(read(&world, &at(GROUPS, &team)).await["members"], json!([]));

    // A principal that comes back has the same id, but nothing else of what it had.
    let again = user(&world, "ANN@example.com").await;
    assert_eq!(again["id"], ann["id"]);
    assert_eq!(each(&again["groups"], "display"), ["users"]);
    for token in [&first, &second, &expired, &idle] {
        assert!(!works(&world, token).await);
    }
    world.permit_users(false).await;
    let fresh = world.mint(id, |_| {}).await;
    world.client(&fresh).get(ME).await.refused(
        403,
        "PERMISSION_DENIED",
        "User does not have permission to use tokens.",
    );
}

/// Authorized before its deletion or deactivation, executed after it.
async fn nothing_is_created_for_a_deleted_principal(world: World) {
    for name in ["deleted@example.com", "inactive@example.com", "inactive-in-account@example.com"] {
        let ann = user(&world, name).await;
        let token = TokenValue::parse(&world.mint(id_of(&ann), |_| {}).await).unwrap();
        let demand = Demand { right: Right::TokenUser, ..Demand::UNROUTED };
        let presented = PresentedCredential::Token(token.id());
        let origin = Arc::default();
        let authorized = world.service.authorize(&presented, &NamedWorkspace::Unnamed, demand, &origin).await.unwrap();
        let caller = authorized.decision.outcome.unwrap();
        if name.starts_with("deleted") {
            delete(world.admin(), &at(USERS, &ann)).await;
        } else if name.starts_with("inactive-in-account") {
            let account = caller.account();
            let mut writer = world.service.store().write(Lock::Account(account)).await.unwrap();
            let found = writer.find_principal(account, id_of(&ann)).await.unwrap().unwrap();
            writer.update_principal(account, &Principal { active: false, ..found }).await.unwrap();
            writer.commit().await.unwrap();
        } else {
            world.set_active(id_of(&ann), false).await;
        }
        let call = Call { caller: &caller, origin: &origin };
        let outcome = world.service.create_token(call, &TokenRequest::default()).await;
        assert!(
            matches!(outcome, Err(Error::Denied(Denial::Access(AccessDenial::InvalidAccessToOrg(_))))),
            "{outcome:?}"
        );
    }
}

async fn the_creator_of_a_token_may_be_deleted(world: World) {
    let creator = user(&world, "creator@example.com").await;
    let robot = created(&world, SERVICE_PRINCIPALS, &json!({"displayName": "robot"})).await;
    let on_behalf = world
        .mint(id_of(&robot), |token| {
            token.created_by = id_of(&creator);
            "creator@example.com".clone_into(&mut token.created_by_username);
        })
        .await;
    assert_eq!(delete(world.admin(), &at(USERS, &creator)).await.status, 204);
    assert!(works(&world, &on_behalf).await);
    let workspace = world.workspace().await.id;
    let id = TokenValue::parse(&on_behalf).unwrap().id();
    let token = world.service.store().read().await.unwrap().find_token(workspace, &id).await.unwrap().unwrap();
    assert_eq!((token.created_by, &*token.created_by_username), (id_of(&creator), "creator@example.com"));
}

/// A user who may use tokens only through a group.
async fn member_of_the_permitted(world: &World) -> (Value, Value, String) {
    let ann = user(world, "ann@example.com").await;
    let group = group_with(world, "permitted", &[&ann]).await;
    world.permit_users(false).await;
    let workspace = world.workspace().await.id;
    let mut writer = world.service.store().write(Lock::Workspace(workspace)).await.unwrap();
    writer.put_token_permission(workspace, id_of(&group), Some(PermissionLevel::CanUse)).await.unwrap();
    writer.commit().await.unwrap();
    let token = world.mint(id_of(&ann), |_| {}).await;
    assert!(works(world, &token).await);
    (ann, group, token)
}

async fn a_deleted_group_takes_its_permission_along(world: World) {
    let (_, group, token) = member_of_the_permitted(&world).await;
    assert_eq!(delete(world.admin(), &at(GROUPS, &group)).await.status, 204);
    world.client(&token).get(ME).await.refused(
        403,
        "PERMISSION_DENIED",
        "User does not have permission to use tokens.",
    );
}

async fn leaving_a_group_suspends(world: World) {
    let (ann, group, token) = member_of_the_permitted(&world).await;
    let path = at(GROUPS, &group);
    patched(&world, &path, &json!([{"op": "remove", "path": "members"}])).await;
    assert!(!works(&world, &token).await);
    patched(&world, &path, &json!([{"op": "add", "value": {"members": [{"value": ann["id"]}]}}])).await;
    assert!(works(&world, &token).await);
}

/// Adds a principal to the account alone.
async fn add_to_account(world: &World, kind: PrincipalKind, name: &str) -> PrincipalId {
    let workspace = world.workspace().await;
    let id = (&SystemEntropy as &dyn Entropy).principal_id();
    let mut writer = world.service.store().write(Lock::Workspace(workspace.id)).await.unwrap();
    writer.insert_principal(workspace.account, &Principal::new(id, kind, name), world.now()).await.unwrap();
    writer.commit().await.unwrap();
    id
}

async fn users_of_the_account_keep_their_id(world: World) {
    let application = "0b1c2d3e-0000-4000-8000-000000000001";
    for (kind, collection, name, key) in [
        (PrincipalKind::User, USERS, "ann@example.com", "userName"),
        (PrincipalKind::ServicePrincipal, SERVICE_PRINCIPALS, application, "applicationId"),
    ] {
        let id = add_to_account(&world, kind, name).await;
        let path = format!("{collection}/{id}");
        refused(&world.admin().get(&path).await, 404, None, "not found");
        let list = read(&world, collection).await;
        assert!(!each(&list["Resources"], "id").contains(&id.to_string()));
        let member = json!({"displayName": "g", "members": [{"value": id.to_string()}]});
        refused(&world.admin().post(GROUPS, &member).await, 404, None, "Principal with id");
        let made = created(&world, collection, &json!({key: name.to_uppercase(), "displayName": "Ann"})).await;
        assert_eq!((id_of(&made), &made[key], &made["displayName"]), (id, &json!(name), &json!("Ann")));
    }
}

async fn groups_of_the_account_are_the_accounts(world: World) {
    let workspace = world.workspace().await.id;
    let id = add_to_account(&world, PrincipalKind::Group, "company").await;
    group_with(&world, "Company", &[]).await;
    let mut writer = world.service.store().write(Lock::Workspace(workspace)).await.unwrap();
    writer.put_assignment(workspace, id, &assigned(true)).await.unwrap();
    writer.commit().await.unwrap();
    let path = format!("{GROUPS}/{id}");
    assert_eq!(read(&world, &path).await["meta"], json!({"resourceType": "Group"}));
    let corp = add_to_account(&world, PrincipalKind::Group, "corp").await;
    let mut writer = world.service.store().write(Lock::Workspace(workspace)).await.unwrap();
    writer.put_assignment(workspace, corp, &assigned(true)).await.unwrap();
    writer.commit().await.unwrap();
    let own = group_with(&world, "own", &[]).await;
    let taken = put(world.admin(), &at(GROUPS, &own), &json!({"displayName": "Corp"})).await;
    refused(&taken, 409, None, "Group with name Corp already exists.");
    let ann = user(&world, "ann@example.com").await;
    for operation in [
        json!({"op": "add", "path": "members", "value": [{"value": ann["id"]}]}),
        json!({"op": "replace", "path": "displayName", "value": "x"}),
    ] {
        let answer = world.admin().patch(&path, &json!({"Operations": [operation]})).await;
        refused(&answer, 400, Some("mutability"), "The group company belongs to the account.");
    }
    let entitle = json!([{"op": "add", "path": "entitlements", "value": [{"value": "workspace-access"}]}]);
    patched(&world, &path, &entitle).await;
    assert_eq!(delete(world.admin(), &path).await.status, 204);
    let account = world.workspace().await.account;
    let mut reader = world.service.store().read().await.unwrap();
    assert!(
        reader.find_principal(account, id).await.unwrap().is_some(),
        "the user left the workspace, not the account"
    );
}

async fn the_last_workspace_admin_may_be_deleted(world: World) {
    let admin = world.admin_id().await;
    let path = format!("{GROUPS}/{}", world.workspace().await.admins_group);
    let answer = put(world.admin(), &path, &json!({"displayName": "admins"})).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["members"]), (200, &json!([])));
    assert!(works(&world, ADMIN_TOKEN).await);
    put(world.admin(), &path, &json!({})).await.refused(403, "PERMISSION_DENIED", "is not an admin");
    let workspace = world.workspace().await;
    let mut writer = world.service.store().write(Lock::Workspace(workspace.id)).await.unwrap();
    writer.put_member(workspace.account, workspace.admins_group, admin).await.unwrap();
    writer.commit().await.unwrap();
    let own = format!("{USERS}/{admin}");
    let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
    assert_eq!(world.admin().patch(&own, &off).await.json()["active"], false);
    assert!(!works(&world, ADMIN_TOKEN).await);
    world.set_active(admin, true).await;
    assert_eq!(delete(world.admin(), &own).await.status, 204);
    world.admin().get(ME).await.refused(403, 403, "Invalid access token.");
}

async fn events_name_the_actor_and_the_target(world: World) {
    let workspace = world.workspace().await;
    let ann = user(&world, "ann@example.com").await;
    let ops = group_with(&world, "ops", &[&ann]).await;
    let path = at(USERS, &ann);
    for active in [false, false, true, true] {
        patched(&world, &path, &json!([{"op": "replace", "path": "active", "value": active}])).await;
    }
    patched(&world, &at(GROUPS, &ops), &json!([{"op": "remove", "path": "members"}])).await;
    let admins = format!("{GROUPS}/{}", workspace.admins_group);
    for op in ["add", "remove"] {
        let value = json!([{"value": ann["id"]}]);
        patched(&world, &admins, &json!([{"op": op, "path": "members", "value": value}])).await;
    }
    delete(world.admin(), &at(GROUPS, &ops)).await;
    delete(world.admin(), &path).await;

    let on_user = json!({"targetUserName": "ann@example.com", "endpoint": "scim", "targetUserId": ann["id"]});
    let on_group = json!({"endpoint": "scim", "targetGroupId": ops["id"], "targetGroupName": "ops"});
    let both = |group: &Value| {
        let mut params = on_user.clone();
        params.as_object_mut().unwrap().extend(group.as_object().unwrap().clone());
        params
    };
    let in_admins = both(&json!({"targetGroupId": workspace.admins_group.to_string(), "targetGroupName": "admins"}));
    let mut reader = world.service.store().read().await.unwrap();
    for (action, expected) in [
        ("add", vec![on_user.clone()]),
        ("deactivateUser", vec![on_user.clone()]),
        ("activateUser", vec![on_user.clone()]),
        ("createGroup", vec![on_group.clone()]),
        ("addPrincipalToGroup", vec![both(&on_group), in_admins.clone()]),
        ("removePrincipalFromGroup", vec![both(&on_group), in_admins]),
        ("setAdmin", vec![on_user.clone()]),
        ("removeAdmin", vec![on_user.clone()]),
        ("removeGroup", vec![on_group.clone()]),
        ("delete", vec![on_user.clone()]),
    ] {
        let events = reader.list_events(workspace.id, &of(action)).await.unwrap();
        assert_eq!(events.len(), expected.len(), "{action}");
        for event in events {
            assert_eq!(event.actor.as_deref(), Some("admin@example.com"));
            let params = json!(event.params);
            assert!(expected.contains(&params), "{action}: {params}");
        }
    }
}
