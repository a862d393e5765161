//! The account's workspaces, and accounts that know nothing of each other.

use axum::http::Method;
use dapi_mock::domain::PrincipalId;
use dapi_mock::domain::identities::PrincipalKind;
use serde_json::json;

use super::{Account, HERE, THERE, USERS, refused};
use crate::support::{DAY_MS, ELSEWHERE, World, account, at, each, on_every_store};

on_every_store!(workspaces_are_listed, accounts_are_isolated,);

async fn workspaces_are_listed(world: World) {
    let a = Account::admin(&world).await;
    let here = world.workspace().await;
    let expected = json!({
        "account_id": account(), "workspace_id": HERE, "workspace_name": "dapi-mock", "deployment_name": "dapi-mock",
        "workspace_status": "RUNNING", "workspace_status_message": "Workspace is running.",
        "creation_time": here.created_at.0, "pricing_tier": "PREMIUM", "cloud": "aws", "aws_region": "us-west-2",
    });
    assert_eq!(a.get("workspaces").await, json!([expected]));
    world.add_second_workspace(THERE, world.now().plus(-DAY_MS), ELSEWHERE).await;
    let list = a.get("workspaces").await;
    assert_eq!(
        list.as_array().unwrap().iter().map(|row| row["workspace_id"].as_i64()).collect::<Vec<_>>(),
        [Some(THERE), Some(HERE)]
    );
    assert_eq!(list[1], expected);
    assert_eq!(list[0], a.get(&format!("workspaces/{THERE}")).await);
    world.behave(&json!({"cloud": "azure", "tier": "standard"})).await;
    let azure = a.get(&format!("workspaces/{HERE}")).await;
    assert_eq!((&azure["cloud"], &azure["pricing_tier"]), (&json!("azure"), &json!("STANDARD")));
    assert!(azure["location"].is_string() && azure.get("aws_region").is_none());

    let missing = a.call(Method::GET, "workspaces/99", &json!({})).await;
    missing.refused(404, "RESOURCE_DOES_NOT_EXIST", "There is no workspace 99.");
    a.call(Method::GET, "workspaces/x", &json!({})).await.refused(400, "INVALID_PARAMETER_VALUE", "number");
    let permissions = a.get(&format!("workspaces/{HERE}/permissionassignments/permissions")).await;
    assert_eq!(each(&permissions["permissions"], "permission_level"), ["ADMIN", "USER"]);
}

async fn accounts_are_isolated(world: World) {
    let other = world.add_workspace(88, "dapi00000000000000000000000000000088").await;
    let a = Account::admin(&world).await;
    let stranger = json!({"id": "883"});
    assert!(!a.get("workspaces").await.to_string().contains("88,"));
    for (method, path) in [
        (Method::GET, "workspaces/88".to_owned()),
        (Method::GET, "workspaces/88/permissionassignments".to_owned()),
        (Method::GET, "workspaces/88/permissionassignments/permissions".to_owned()),
        (Method::PUT, "workspaces/88/permissionassignments/principals/883".to_owned()),
        (Method::DELETE, "workspaces/88/permissionassignments/principals/883".to_owned()),
    ] {
        a.call(method, &path, &json!({})).await.refused(404, "RESOURCE_DOES_NOT_EXIST", "There is no workspace 88.");
    }
    a.assign(HERE, &stranger, &json!(["USER"])).await.refused(404, "RESOURCE_DOES_NOT_EXIST", "Principal with id 883");
    refused(&a.call(Method::GET, &at(USERS, &stranger), &json!({})).await, 404, None, "User with id 883 not found.");
    refused(&a.call(Method::DELETE, &at(USERS, &stranger), &json!({})).await, 404, None, "User with id 883 not found.");
    let names = each(&a.get(USERS).await["Resources"], "id");
    assert!(!names.contains(&"883".to_owned()));

    // Neither another account's path works nor an unknown one, and the other account is unchanged.
    for account in [other.account.to_string(), "00000000-0000-4000-8000-000000000000".into(), "x".into()] {
        for (method, path) in [
            (Method::GET, "workspaces"),
            (Method::GET, "workspaces/88"),
            (Method::GET, "workspaces/88/permissionassignments"),
            (Method::GET, "workspaces/88/permissionassignments/permissions"),
            (Method::PUT, "workspaces/88/permissionassignments/principals/883"),
            (Method::DELETE, "workspaces/88/permissionassignments/principals/883"),
            (Method::GET, USERS),
            (Method::POST, USERS),
            (Method::GET, "scim/v2/Users/883"),
            (Method::PUT, "scim/v2/Users/883"),
            (Method::PATCH, "scim/v2/Users/883"),
            (Method::DELETE, "scim/v2/Users/883"),
        ] {
            let body = json!({"userName": "x@example.com", "Operations": [], "permissions": ["ADMIN"]}).to_string();
            let path = format!("/api/2.0/accounts/{account}/{path}");
            let answer = world.client(&a.token).call(method, &path, body).await;
            let said = answer.json();
            let said = said.get("message").or(said.get("detail")).unwrap();
            assert_eq!(
                (answer.status.as_u16(), said),
                (404, &json!(format!("Account {account} does not exist"))),
                "{path}"
            );
        }
    }
    let mut reader = world.service.store().read().await.unwrap();
    assert_eq!(reader.list_principals(other.account).await.unwrap().len(), 1);
    assert!(
        reader.find_principal_named(other.account, None, PrincipalKind::User, "x@example.com").await.unwrap().is_none()
    );
    assert!(reader.is_assigned(other.id, PrincipalId(883)).await.unwrap());
    drop(reader);
    assert!(world.client("dapi00000000000000000000000000000088").works().await);
}
