//! R37: permissions on tokens.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{
    CREATE, Kind, LIST, ME, NO_PERMISSION, ON_BEHALF_OF, PERMISSIONS, Person, World, admins_may_manage, on_every_store,
};

on_every_store!(
    r37_permissions_govern_creating_and_using,
    r37_oauth_gives_no_token_without_permission,
    r37_the_list_of_permissions,
    r37_what_a_list_of_permissions_cannot_say,
);

/// A short version; `permission_matrix.rs` covers every combination.
async fn r37_permissions_govern_creating_and_using(world: World) {
    let admin = world.admin();
    for kind in [Kind::User, Kind::ServicePrincipal] {
        for depth in 0..3 {
            let owner = admin.principal(kind, &format!("owner{depth}")).await;
            let mut entry = owner.clone();
            for level in 0..depth {
                entry = admin.group(&format!("{kind:?}{depth}{level}"), &[&entry]).await;
            }
            let token = world.first_token(&owner).await;
            let client = world.client(&token);
            let holders = [&entry];
            for permitted in [true, false, true] {
                admin.permit_only(if permitted { &holders } else { &[] }).await;
                for answer in [client.post(CREATE, &json!({})).await, client.get(ME).await, client.get(LIST).await] {
                    if permitted {
                        assert_eq!(answer.status, 200, "{kind:?}, {depth} groups: {answer:?}");
                    } else {
                        answer.refused(403, "PERMISSION_DENIED", NO_PERMISSION);
                    }
                }
            }
            let everybody = json!({"group_name": "users", "permission_level": "CAN_USE"});
            let everybody = json!({"access_control_list": [everybody, admins_may_manage()]});
            assert_eq!(admin.call(Method::PUT, PERMISSIONS, everybody.to_string()).await.status, 200);
        }
    }
}

/// OAuth itself requires no permission on tokens, but using it at the token endpoints does.
async fn r37_oauth_gives_no_token_without_permission(world: World) {
    let admin = world.admin();
    let ci = admin.robot("ci").await;
    let oauth = world.robot_oauth(&ci).await;
    let robot = world.client(&oauth);
    let holders = [&ci];
    for permitted in [true, false, true] {
        admin.permit_only(if permitted { &holders } else { &[] }).await;
        let on_behalf_of = admin.post(ON_BEHALF_OF, &json!({"application_id": ci.name})).await;
        for answer in [robot.post(CREATE, &json!({})).await, robot.get(LIST).await] {
            if permitted {
                assert_eq!(answer.status, 200, "{answer:?}");
            } else {
                answer.refused(403, "PERMISSION_DENIED", NO_PERMISSION);
            }
        }
        if permitted {
            assert_eq!(on_behalf_of.status, 200, "{on_behalf_of:?}");
        } else {
            let text = format!("Service principal '{}' does not have permission to use tokens.", ci.name);
            on_behalf_of.refused(403, "PERMISSION_DENIED", &text);
        }
        assert!(robot.works().await);
    }
}

async fn r37_the_list_of_permissions(world: World) {
    let admin = world.admin();
    let (ann, ci) = (admin.user("ann@example.com").await, admin.robot("ci").await);
    let team = admin.group("team", &[]).await;
    let levels = admin.get(&format!("{PERMISSIONS}/permissionLevels")).await.json();
    let levels: Vec<&str> = levels["permission_levels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|level| level["permission_level"].as_str().unwrap())
        .collect();
    assert_eq!(levels, ["CAN_USE", "CAN_MANAGE"]);

    let names = |list: &Value| -> Vec<String> {
        assert_eq!((&list["object_id"], &list["object_type"]), (&json!("/authorization/tokens"), &json!("tokens")));
        let rows = list["access_control_list"].as_array().unwrap().iter();
        let mut names: Vec<String> = rows
            .map(|row| {
                let key = ["user_name", "group_name", "service_principal_name"]
                    .into_iter()
                    .find(|key| row.get(key).is_some());
                let [permission] = row["all_permissions"].as_array().unwrap().as_slice() else { panic!("{row}") };
                let is_admins = row["group_name"] == "admins";
                assert_eq!(permission["permission_level"], if is_admins { "CAN_MANAGE" } else { "CAN_USE" });
                assert_eq!(permission["inherited"], false);
                assert_eq!(permission.get("inherited_from_object"), None);
                row[key.unwrap()].as_str().unwrap().to_owned()
            })
            .collect();
        names.sort();
        names
    };
    let sorted = |names: &[&str]| {
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&admin.get(PERMISSIONS).await.json()), sorted(&["admins", "users"]), "the default");
    // PUT replaces the list, PATCH adds to it.
    assert_eq!(names(&admin.permit_only(&[&ann, &team]).await), sorted(&["admins", &ann.name, "team"]));
    assert_eq!(names(&admin.permit(&[&ci]).await), sorted(&["admins", &ann.name, &ci.name, "team"]));
    assert_eq!(names(&admin.permit(&[&ci]).await).len(), 4, "repeating it changes nothing");
    assert_eq!(names(&admin.permit_only(&[&ci]).await), sorted(&["admins", &ci.name]));
    assert_eq!(names(&admin.get(PERMISSIONS).await.json()), sorted(&["admins", &ci.name]));
    // As Terraform sends it, and as it deletes.
    let list = json!([ann.may("CAN_USE"), {"group_name": "admins", "permission_level": "CAN_MANAGE"}]);
    let answer = admin.call(Method::PUT, PERMISSIONS, json!({"access_control_list": list}).to_string()).await;
    assert_eq!(names(&answer.json()), sorted(&["admins", &ann.name]));
    for body in ["{}", "", r#"{"access_control_list":[]}"#] {
        let refused = admin.call(Method::PUT, PERMISSIONS, body).await;
        refused.refused(400, "INVALID_PARAMETER_VALUE", "Cannot change permissions for group 'admins' to None.");
    }
    assert_eq!(names(&admin.permit_only(&[]).await), ["admins"]);
    // As the provider recorded it of the real service, in get-tokens-permissions.json.
    let recorded = json!({
        "access_control_list": [
            {"all_permissions": [{"inherited": false, "permission_level": "CAN_MANAGE"}], "group_name": "admins"},
        ],
        "object_id": "/authorization/tokens",
        "object_type": "tokens",
    });
    assert_eq!(admin.get(PERMISSIONS).await.json(), recorded);
    // The older address is the same list.
    let preview = "/api/2.0/preview/permissions/authorization/tokens";
    assert_eq!(admin.get(preview).await.json(), recorded);
    let levels = async |path: &str| admin.get(&format!("{path}/permissionLevels")).await.json();
    assert_eq!(levels(preview).await, levels(PERMISSIONS).await);
    let list = |person: &Person| json!({"access_control_list": [person.may("CAN_USE"), admins_may_manage()]});
    let put = admin.call(Method::PUT, preview, list(&ann).to_string()).await;
    assert_eq!(names(&put.json()), sorted(&["admins", &ann.name]));
    assert_eq!(names(&admin.patch(preview, &list(&ci)).await.json()), sorted(&["admins", &ann.name, &ci.name]));
    assert_eq!(admin.get(PERMISSIONS).await.json(), admin.get(preview).await.json());
    let without_admins = json!({"access_control_list": [ann.may("CAN_USE")]});
    let refused = admin.call(Method::PUT, preview, without_admins.to_string()).await;
    refused.refused(400, "INVALID_PARAMETER_VALUE", "Cannot change permissions for group 'admins' to None.");
    assert!(admin.works().await && !admin.own_ids().await.is_empty(), "admins need no entry");
}

async fn r37_what_a_list_of_permissions_cannot_say(world: World) {
    let admin = world.admin();
    let ann = admin.user("ann@example.com").await;
    let entry = |entry: Value| json!({ "access_control_list": [ann.may("CAN_USE"), entry, admins_may_manage()] });
    for (list, status, code, text) in [
        (entry(ann.may("CAN_MANAGE")), 400, "INVALID_PARAMETER_VALUE", "held by the group 'admins' only"),
        (entry(ann.may("CAN_RUN")), 400, "INVALID_PARAMETER_VALUE", "'CAN_RUN' is not a permission level of tokens"),
        (entry(json!({"user_name": ann.name})), 400, "INVALID_PARAMETER_VALUE", "permission_level"),
        (entry(json!({"permission_level": "CAN_USE"})), 400, "INVALID_PARAMETER_VALUE", "exactly one"),
        (
            entry(json!({"group_name": "admins", "permission_level": "CAN_USE"})),
            400,
            "INVALID_PARAMETER_VALUE",
            "Cannot change permissions for group 'admins'",
        ),
        (
            entry(json!({"user_name": "nobody@example.com", "permission_level": "CAN_USE"})),
            404,
            "RESOURCE_DOES_NOT_EXIST",
            "UserName(nobody@example.com) does not exist",
        ),
    ] {
        for method in [Method::PUT, Method::PATCH] {
            let before = admin.get(PERMISSIONS).await.text;
            admin.call(method, PERMISSIONS, list.to_string()).await.refused(status, code, text);
            assert_eq!(admin.get(PERMISSIONS).await.text, before, "nothing of a refused list is stored");
        }
    }
    // tf#1122: the real service has no permissions while there is no token.
    world.behave(&json!({"permissions_need_a_token": true})).await;
    let oauth = world.admin_oauth().await;
    for id in admin.managed_ids().await {
        world.client(&oauth).revoke(&id).await;
    }
    let only_admins = json!({"access_control_list": [admins_may_manage()]});
    let answer = world.client(&oauth).call(Method::PUT, PERMISSIONS, only_admins.to_string()).await;
    answer.refused(404, "RESOURCE_DOES_NOT_EXIST", "tokens tokens does not exist");
    world.client(&oauth).create(&json!({})).await;
    world.client(&oauth).permit_only(&[&ann]).await;
}
