//! Who is assigned to a workspace, directly or through a group of the account.

use axum::http::Method;
use dapi_mock::store::Lock;
use serde_json::{Value, json};

use super::{Account, GROUPS, HERE, SERVICE_PRINCIPALS, THERE, USERS, in_workspace, no_access, refused};
use crate::support::{
    CREATE, ELSEWHERE, INVALID, Kind, MANAGED, ME, PERMISSIONS, World, admins_may_manage, at, each, id_of,
    on_every_store, text,
};

on_every_store!(
    principals_are_assigned,
    leaving_a_workspace_deletes_the_tokens_there,
    groups_bring_their_members,
    a_member_through_a_group_is_deactivated_without_being_assigned,
    nested_groups_and_circles_bring_members_too,
    a_service_principal_signs_in_through_a_group,
    losing_a_group_of_the_account_may_delete_tokens,
);

async fn principals_are_assigned(world: World) {
    let a = Account::admin(&world).await;
    let before = a.assignments(HERE).await;
    assert_eq!(before, ["Account Admin USER", "Workspace Admin ADMIN", "admin-service-principal ADMIN"]);
    let ann = a.create(USERS, &json!({"userName": "ann@example.com", "displayName": "Ann"})).await;
    let robot = a.create(SERVICE_PRINCIPALS, &json!({"displayName": "ci"})).await;
    let team = a.group("team", &[]).await;
    for (principal, key, name) in [
        (&ann, "user_name", json!("ann@example.com")),
        (&robot, "service_principal_name", robot["applicationId"].clone()),
        (&team, "group_name", json!("team")),
    ] {
        let answer = a.assign(HERE, principal, &json!(["USER"])).await.json();
        let expected = json!({"principal_id": id_of(principal).0, key: name, "display_name": principal["displayName"]});
        assert_eq!(answer, json!({"principal": expected, "permissions": ["USER"]}));
        let list = a.get(&format!("workspaces/{HERE}/permissionassignments")).await;
        assert!(list["permission_assignments"].as_array().unwrap().contains(&answer));
    }
    let token = world.mint(id_of(&ann), |_| {}).await;
    let manages = async || world.client(&token).get(MANAGED).await.status == 200;
    for (permissions, shown, admin) in [
        (json!(["ADMIN"]), json!(["ADMIN"]), true),
        (json!(["USER"]), json!(["USER"]), false),
        (json!(["USER", "ADMIN"]), json!(["ADMIN"]), true),
        (json!(["USER", "UNKNOWN"]), json!(["USER"]), false),
    ] {
        assert_eq!(a.assign(HERE, &ann, &permissions).await.json()["permissions"], shown);
        assert_eq!(manages().await, admin, "{permissions}");
    }
    // An admin group's members are admins.
    a.join(&team, &ann).await;
    a.assigned(HERE, &team, "ADMIN").await;
    assert!(manages().await);
    assert_eq!(world.events_of(HERE, "setAdmin").await.len(), 3);
    assert_eq!(
        world.events_of(HERE, "add").await.iter().filter(|event| event["audit_level"] == "WORKSPACE_LEVEL").count(),
        3
    );

    let nobody = json!({"id": "12345"});
    a.assign(HERE, &nobody, &json!(["USER"])).await.refused(
        404,
        "RESOURCE_DOES_NOT_EXIST",
        "Principal with id 12345 not found.",
    );
    let local = json!({"id": world.workspace().await.admins_group.to_string()});
    a.assign(HERE, &local, &json!(["USER"])).await.refused(404, "RESOURCE_DOES_NOT_EXIST", "not found");
    a.assign(99, &ann, &json!(["USER"])).await.refused(404, "RESOURCE_DOES_NOT_EXIST", "There is no workspace 99.");
    a.assign(HERE, &json!({"id": "x"}), &json!(["USER"])).await.refused(400, "INVALID_PARAMETER_VALUE", "number");
    a.assign(HERE, &ann, &json!("USER")).await.refused(400, "INVALID_PARAMETER_VALUE", "permissions");
}

async fn leaving_a_workspace_deletes_the_tokens_there(world: World) {
    world.add_open_workspace(THERE).await;
    let a = Account::admin(&world).await;
    for (number, take) in [json!([]), json!(["admin"]), Value::Null].into_iter().enumerate() {
        let ann = a.user(&format!("ann{number}@example.com")).await;
        a.assigned(HERE, &ann, "ADMIN").await;
        a.assigned(THERE, &ann, "USER").await;
        let (here, there) = (world.mint_in(HERE, &ann).await, world.mint_in(THERE, &ann).await);
        if number == 0 {
            a.unassigned(HERE, &ann).await;
            a.unassigned(HERE, &ann).await;
        } else {
            let answer = a.assign(HERE, &ann, &take).await;
            assert_eq!((answer.status.as_u16(), &answer.json()["permissions"]), (200, &json!([])));
        }
        world.client(&here).get(ME).await.refused(403, 403, INVALID);
        assert!(world.client(&there).works().await);
        assert_eq!(world.events_of(HERE, "revokeDbToken").await.len(), number + 1);
        // A principal that comes back is not an admin and has no token.
        a.assigned(HERE, &ann, "USER").await;
        assert!(!world.client(&here).works().await);
        let groups = world.admin().get(&in_workspace(Kind::User, &ann)).await.json()["groups"].clone();
        assert_eq!(each(&groups, "display"), ["users"]);
    }
    assert_eq!(world.events_of(HERE, "delete").await.len(), 3);
}

async fn groups_bring_their_members(world: World) {
    let a = Account::admin(&world).await;
    let ann = a.user("ann@example.com").await;
    let team = a.group("team", &[&ann]).await;
    let token = world.mint(id_of(&ann), |_| {}).await;
    no_access(world.client(&token), HERE).await;
    a.assigned(HERE, &team, "USER").await;
    assert!(world.client(&token).works().await);
    world.client(&token).create(&json!({})).await;

    // Members are in every list of the workspace without being assigned themselves.
    let path = in_workspace(Kind::User, &ann);
    let seen = world.admin().get(&path).await.json();
    assert_eq!(each(&seen["groups"], "display"), ["team", "users"]);
    let listed =
        world.admin().get(&format!("{}?filter=userName%20eq%20ann@example.com", Kind::User.collection())).await;
    let listed = listed.json()["Resources"][0].clone();
    assert_eq!((&listed["id"], each(&listed["groups"], "type")), (&seen["id"], each(&seen["groups"], "type")));
    let team_here = world.admin().get(&in_workspace(Kind::Group, &team)).await.json();
    assert_eq!(
        (each(&team_here["members"], "display"), &team_here["meta"]["resourceType"]),
        (vec!["ann@example.com".into()], &json!("Group"))
    );
    let everybody =
        world.admin().get(&format!("{}/{}", Kind::Group.collection(), world.workspace().await.users_group)).await;
    assert!(each(&everybody.json()["members"], "value").contains(&text(&ann["id"])));
    assert_eq!(world.client(&token).get(ME).await.json()["id"], ann["id"]);
    assert!(!a.assignments(HERE).await.contains(&"ann@example.com USER".to_owned()));
    assert!(a.assignments(HERE).await.contains(&"team USER".to_owned()));
    let conflict = world.admin().post(Kind::User.collection(), &json!({"userName": "ann@example.com"})).await;
    refused(&conflict, 409, None, "User with username ann@example.com already exists.");
    let stays = world.admin().call(Method::DELETE, &path, "").await;
    refused(&stays, 400, Some("mutability"), "ann@example.com is in the workspace through a group of the account.");

    // The permission on tokens comes through the group, too.
    world.permit_users(false).await;
    assert!(!world.client(&token).works().await);
    let entry = json!({"access_control_list": [{"group_name": "team", "permission_level": "CAN_USE"}]});
    assert_eq!(world.admin().patch(PERMISSIONS, &entry).await.status, 200);
    assert!(world.client(&token).works().await);

    // A member that leaves the group keeps its tokens, but they work again only when it is back.
    a.leave(&team, &ann).await;
    no_access(world.client(&token), HERE).await;
    refused(&world.admin().get(&path).await, 404, None, &format!("User with id {} not found.", text(&ann["id"])));
    a.join(&team, &ann).await;
    assert!(world.client(&token).works().await);
    a.unassigned(HERE, &team).await;
    no_access(world.client(&token), HERE).await;
    a.assigned(HERE, &team, "USER").await;
    world.client(&token).get(ME).await.refused(403, "PERMISSION_DENIED", "permission to use tokens");
    world.permit_users(true).await;
    assert!(world.client(&token).works().await);
    assert_eq!(a.call(Method::DELETE, &at(GROUPS, &team), &json!({})).await.status, 204);
    no_access(world.client(&token), HERE).await;
}

/// A member through a group can be deactivated in the workspace, or be given an entitlement there.
async fn a_member_through_a_group_is_deactivated_without_being_assigned(world: World) {
    world.add_open_workspace(THERE).await;
    let a = Account::admin(&world).await;
    let ann = a.user("ann@example.com").await;
    let team = a.group("team", &[&ann]).await;
    a.assigned(HERE, &team, "USER").await;
    a.assigned(THERE, &team, "USER").await;
    let (here, there) = (world.mint_in(HERE, &ann).await, world.mint_in(THERE, &ann).await);
    let path = in_workspace(Kind::User, &ann);
    let switch = async |active: bool| {
        let operation = json!({"Operations": [{"op": "replace", "path": "active", "value": active}]});
        let answer = world.admin().patch(&path, &operation).await;
        assert_eq!(answer.json()["active"], active, "{answer:?}");
    };
    switch(false).await;
    no_access(world.client(&here), HERE).await;
    assert!(world.client(&there).works().await);
    let caller_creates = world.client(&here).post(CREATE, &json!({})).await;
    caller_creates.refused(403, 403, "Invalid access to Org");
    switch(true).await;
    assert!(world.client(&here).works().await);
    let entitle =
        json!({"Operations": [{"op": "add", "path": "entitlements", "value": [{"value": "allow-cluster-create"}]}]});
    assert_eq!(world.admin().patch(&path, &entitle).await.status, 200);
    a.leave(&team, &ann).await;
    no_access(world.client(&here), HERE).await;
    assert!(!a.assignments(HERE).await.contains(&"ann@example.com USER".to_owned()));

    // A principal may be assigned and in the group; either is enough.
    a.join(&team, &ann).await;
    switch(false).await;
    a.assigned(HERE, &ann, "USER").await;
    no_access(world.client(&here), HERE).await;
    switch(true).await;
    a.leave(&team, &ann).await;
    assert!(world.client(&here).works().await);
    a.join(&team, &ann).await;
    a.unassigned(HERE, &ann).await;
    world.client(&here).get(ME).await.refused(403, 403, INVALID);
    let fresh = world.mint_in(HERE, &ann).await;
    assert!(world.client(&fresh).works().await, "it is still a member through the group");
}

async fn nested_groups_and_circles_bring_members_too(world: World) {
    let a = Account::admin(&world).await;
    let ann = a.user("ann@example.com").await;
    let inner = a.group("inner", &[&ann]).await;
    let middle = a.group("middle", &[&inner]).await;
    let outer = a.group("outer", &[&middle]).await;
    a.join(&inner, &outer).await;
    a.join(&inner, &inner).await;
    let token = world.mint(id_of(&ann), |_| {}).await;
    no_access(world.client(&token), HERE).await;
    assert_eq!(each(&a.get(&at(USERS, &ann)).await["groups"], "display"), ["inner", "middle", "outer"]);
    a.assigned(HERE, &outer, "USER").await;
    assert!(world.client(&token).works().await);
    let groups = world.admin().get(Kind::Group.collection()).await.json()["Resources"].clone();
    assert_eq!(each(&groups, "displayName"), ["admins", "inner", "middle", "outer", "users"]);
    let seen = world.admin().get(&in_workspace(Kind::User, &ann)).await.json();
    assert_eq!(each(&seen["groups"], "display"), ["inner", "middle", "outer", "users"]);
    let listed =
        world.admin().get(&format!("{}?filter=userName%20eq%20ann@example.com", Kind::User.collection())).await;
    let listed = listed.json()["Resources"][0].clone();
    assert_eq!((&listed["id"], each(&listed["groups"], "type")), (&seen["id"], each(&seen["groups"], "type")));

    // A group of the workspace's own is assigned, but does not bring in members of the account.
    a.unassigned(HERE, &outer).await;
    no_access(world.client(&token), HERE).await;
    let bob = world.add_user("bob@example.com").await;
    let local = world.admin().group("local", &[]).await;
    let add = json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": bob.to_string()}]}]});
    assert_eq!(world.admin().patch(&local.path(), &add).await.status, 200);
    let theirs = world.mint(bob, |_| {}).await;
    assert!(world.client(&theirs).works().await);
    let account = world.workspace().await.account;
    let mut writer = world.service.store().write(Lock::Database).await.unwrap();
    writer.put_member(account, local.principal_id(), id_of(&ann)).await.unwrap();
    writer.commit().await.unwrap();
    no_access(world.client(&token), HERE).await;
}

async fn a_service_principal_signs_in_through_a_group(world: World) {
    world.add_open_workspace(THERE).await;
    let a = Account::admin(&world).await;
    let robot = a.create(SERVICE_PRINCIPALS, &json!({"displayName": "robot"})).await;
    let robots = a.group("robots", &[&robot]).await;
    let path = format!("servicePrincipals/{}/credentials/secrets", text(&robot["id"]));
    let secret = text(&a.call(Method::POST, &path, &json!({})).await.json()["secret"]);
    let name = text(&robot["applicationId"]);
    let form = "grant_type=client_credentials&scope=all-apis";
    let ask = async || world.ask_for_token("/oidc/v1/token", Some((&name, &secret)), form).await;
    assert_eq!(ask().await.status, 401);
    a.assigned(THERE, &robots, "USER").await;
    let token = text(&ask().await.json()["access_token"]);
    let me = world.client(&token).get(ME).await;
    assert_eq!((me.status.as_u16(), me.header("x-databricks-org-id")), (200, "77"));
    let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
    let there = world.client(ELSEWHERE).patch(&in_workspace(Kind::ServicePrincipal, &robot), &off).await;
    assert_eq!(there.json()["active"], false);
    assert_eq!(ask().await.status, 401);
    no_access(world.client(&token), THERE).await;
}

async fn losing_a_group_of_the_account_may_delete_tokens(world: World) {
    world.behave(&json!({"permission_loss": "delete"})).await;
    let a = Account::admin(&world).await;
    let ann = a.user("ann@example.com").await;
    a.assigned(HERE, &ann, "USER").await;
    let team = a.group("team", &[&ann]).await;
    a.assigned(HERE, &team, "USER").await;
    let entry = json!({"group_name": "team", "permission_level": "CAN_USE"});
    let entry = json!({"access_control_list": [entry, admins_may_manage()]});
    assert_eq!(world.admin().call(Method::PUT, PERMISSIONS, entry.to_string()).await.status, 200);
    let token = world.mint(id_of(&ann), |_| {}).await;
    assert!(world.client(&token).works().await);
    a.leave(&team, &ann).await;
    world.client(&token).get(ME).await.refused(403, 403, INVALID);
    assert_eq!(world.events_of(HERE, "revokeDbToken").await.len(), 1);
}
