//! Account admins: who is one, who stays one, and what the role does not give.

use axum::http::Method;
use dapi_mock::service::ACCOUNT_ADMIN_USER;
use serde_json::{Value, json};

use super::{Account, GROUPS, HERE, SERVICE_PRINCIPALS, USERS, in_workspace, no_access, refused};
use crate::support::{ADMIN_TOKEN, Kind, MANAGED, World, account, at, on_every_store, text};

on_every_store!(
    account_roles_come_and_go_in_every_shape,
    an_account_keeps_an_admin,
    personal_tokens_reach_the_account_through_a_workspace_only,
    an_account_admin_is_not_a_workspace_admin,
);

/// The role, as a list in SCIM's form.
fn admin_role() -> Value {
    json!([{"value": "account_admin"}])
}

async fn account_roles_come_and_go_in_every_shape(world: World) {
    let a = Account::admin(&world).await;
    let (robot, r) = a.robot("robot").await;
    let path = at(SERVICE_PRINCIPALS, &robot);
    let name = &robot["applicationId"];
    assert!(!r.is_admin().await);
    let ways = [
        (
            json!({"op": "add", "path": "roles", "value": admin_role()}),
            json!({"op": "remove", "path": "roles[value eq \"account_admin\"]"}),
        ),
        (
            json!({"op": "Add", "value": {"roles": admin_role()}}),
            json!({"op": "remove", "path": "roles", "value": admin_role()}),
        ),
        (
            json!({"op": "replace", "path": "roles", "value": admin_role()}),
            json!({"op": "replace", "path": "roles", "value": []}),
        ),
        (json!({"op": "replace", "value": {"roles": admin_role()}}), json!({"op": "remove", "path": "roles"})),
    ];
    for (give, take) in &ways {
        assert_eq!(a.patched(&path, give).await["roles"], admin_role());
        assert!(r.is_admin().await, "{give}");
        assert_eq!(
            a.get(&format!("{SERVICE_PRINCIPALS}?filter=roles.value%20eq%20%22account_admin%22")).await["totalResults"],
            2
        );
        assert_eq!(a.patched(&path, take).await["roles"], json!([]));
        assert!(!r.is_admin().await, "{take}");
    }
    let replaced = a.call(Method::PUT, &path, &json!({"applicationId": name, "roles": admin_role()})).await;
    assert_eq!(replaced.json()["roles"], admin_role());
    assert!(r.is_admin().await);
    a.call(Method::PUT, &path, &json!({ "applicationId": name })).await;
    assert!(!r.is_admin().await);
    let born = a.create(USERS, &json!({"userName": "born@example.com", "roles": admin_role()})).await;
    assert_eq!(born["roles"], admin_role());

    // A group that has the role gives it to all its members.
    let inner = a.group("inner", &[&robot]).await;
    let outer = a
        .create(GROUPS, &json!({"displayName": "outer", "roles": admin_role(), "members": [{"value": inner["id"]}]}))
        .await;
    assert!(r.is_admin().await);
    assert_eq!(a.get(&path).await["roles"], json!([]), "it has no role of its own");
    a.leave(&outer, &inner).await;
    assert!(!r.is_admin().await);

    // In a workspace, roles are instance profiles and give nothing.
    a.assigned(HERE, &robot, "USER").await;
    let here = in_workspace(Kind::ServicePrincipal, &robot);
    let add = json!({"Operations": [{"op": "add", "path": "roles", "value": admin_role()}]});
    assert_eq!(world.admin().patch(&here, &add).await.json()["roles"], admin_role());
    assert!(!r.is_admin().await);
    assert_eq!(a.get(&path).await["roles"], json!([]));

    let events = world.events_of(HERE, "setAccountAdmin").await;
    assert_eq!(events.len(), ways.len() + 3);
    assert_eq!(events[0]["request_params"]["targetUserName"], *name);
    assert_eq!(events[0]["audit_level"], "ACCOUNT_LEVEL");
    assert_eq!(world.events_of(HERE, "removeAccountAdmin").await.len(), ways.len() + 1);
}

async fn an_account_keeps_an_admin(world: World) {
    let a = Account::admin(&world).await;
    let list = a.get(&format!("{SERVICE_PRINCIPALS}?filter=displayName%20eq%20admin-service-principal")).await;
    let own = at(SERVICE_PRINCIPALS, &list["Resources"][0]);
    let cannot = format!("PERMISSION_DENIED: Cannot remove roles for {}", text(&list["Resources"][0]["id"]));
    let take = json!({"op": "remove", "path": "roles[value eq \"account_admin\"]"});
    refused(&a.patch(&own, &take).await, 400, Some("invalidValue"), &cannot);

    let person = world.user_id(ACCOUNT_ADMIN_USER).await;
    a.patched(&format!("{USERS}/{person}"), &take).await;
    let off = json!({"op": "replace", "path": "active", "value": false});
    refused(&a.patch(&own, &off).await, 400, Some("invalidValue"), &cannot);
    refused(&a.call(Method::DELETE, &own, &json!({})).await, 400, Some("invalidValue"), &cannot);
    assert!(a.is_admin().await);

    // It may be removed while another admin is left.
    let (_, r) = a.robot("robot").await;
    let robots = a.get(&format!("{SERVICE_PRINCIPALS}?filter=displayName%20eq%20robot")).await["Resources"][0].clone();
    a.patched(&at(SERVICE_PRINCIPALS, &robots), &json!({"op": "add", "path": "roles", "value": admin_role()})).await;
    assert_eq!(a.call(Method::DELETE, &own, &json!({})).await.status, 204);
    let gone = a.call(Method::GET, "workspaces", &json!({})).await;
    gone.refused(403, 403, &format!("Invalid access to Org: {HERE}"));
    assert!(r.is_admin().await);
}

async fn personal_tokens_reach_the_account_through_a_workspace_only(world: World) {
    let token = world.mint(world.user_id(ACCOUNT_ADMIN_USER).await, |_| {}).await;
    let account_path = format!("/api/2.0/accounts/{}/{USERS}", account());
    let direct = world.client(&token).get(&account_path).await;
    direct.refused(401, 401, "Account APIs do not accept personal access tokens; use OAuth.");
    let through = "/api/2.0/account/scim/v2/Users";
    let made = world.client(&token).post(through, &json!({"userName": "ann@example.com"})).await;
    assert_eq!(made.status, 201, "{made:?}");
    let path = format!("{through}/{}", text(&made.json()["id"]));
    let on = json!({"Operations": [{"op": "replace", "path": "active", "value": [{"value": "false"}]}]});
    assert_eq!(world.client(&token).patch(&path, &on).await.json()["active"], false);
    let a = Account::admin(&world).await;
    assert_eq!(a.get(&at(USERS, &made.json())).await["active"], false, "the change is the account's");
    let admin = world.client(ADMIN_TOKEN).get(through).await;
    admin.refused(403, "PERMISSION_DENIED", "This API is disabled for users without account admin status.");
}

async fn an_account_admin_is_not_a_workspace_admin(world: World) {
    let a = Account::admin(&world).await;
    let (robot, r) = a.robot("robot").await;
    a.patched(&at(SERVICE_PRINCIPALS, &robot), &json!({"op": "add", "path": "roles", "value": admin_role()})).await;
    assert!(r.is_admin().await);
    r.user("ann@example.com").await;
    no_access(world.client(&r.token), HERE).await;
    world.client(&r.token).get(MANAGED).await.refused(403, 403, "Invalid access to Org");
    r.assigned(HERE, &robot, "USER").await;
    let managed = world.client(&r.token).get(MANAGED).await;
    managed.refused(403, "PERMISSION_DENIED", "is not an admin.");
    r.assigned(HERE, &robot, "ADMIN").await;
    assert_eq!(world.client(&r.token).get(MANAGED).await.status, 200);
}
