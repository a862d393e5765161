//! The account API: workspaces, assignments and principals.

use axum::http::Method;
use insta::assert_snapshot;
use serde_json::json;

use super::world;
use crate::support::{account, text};

const HOME: &str = "3274327432743274";

fn path(rest: &str) -> String {
    format!("/api/2.0/accounts/{}/{rest}", account())
}

#[tokio::test]
async fn workspaces_are_listed_and_shown() {
    let world = world().await;
    let oauth = world.account_oauth().await;
    let admin = world.client(&oauth);
    assert_snapshot!(admin.get(&path("workspaces")).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    [
      {
        "account_id": "32743274-3274-4274-8274-327432743274",
        "aws_region": "us-west-2",
        "cloud": "aws",
        "creation_time": 1795507200000,
        "deployment_name": "dapi-mock",
        "pricing_tier": "PREMIUM",
        "workspace_id": 3274327432743274,
        "workspace_name": "dapi-mock",
        "workspace_status": "RUNNING",
        "workspace_status_message": "Workspace is running."
      }
    ]
    "#);
    assert_snapshot!(admin.get(&path(&format!("workspaces/{HOME}"))).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "account_id": "32743274-3274-4274-8274-327432743274",
      "aws_region": "us-west-2",
      "cloud": "aws",
      "creation_time": 1795507200000,
      "deployment_name": "dapi-mock",
      "pricing_tier": "PREMIUM",
      "workspace_id": 3274327432743274,
      "workspace_name": "dapi-mock",
      "workspace_status": "RUNNING",
      "workspace_status_message": "Workspace is running."
    }
    "#);
}

#[tokio::test]
async fn a_user_of_the_account_is_created_and_assigned() {
    let world = world().await;
    let oauth = world.account_oauth().await;
    let admin = world.client(&oauth);
    let created = admin.post(&path("scim/v2/Users"), &json!({"userName": "ann@example.com"})).await;
    assert_snapshot!(created.whole(), @r#"
    201 Created
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "active": true,
      "displayName": "ann@example.com",
      "emails": [
        {
          "primary": true,
          "type": "work",
          "value": "ann@example.com"
        }
      ],
      "entitlements": [],
      "groups": [],
      "id": "7035254737429352",
      "roles": [],
      "schemas": [
        "urn:ietf:params:scim:schemas:core:2.0:User",
        "urn:ietf:params:scim:schemas:extension:workspace:2.0:User"
      ],
      "userName": "ann@example.com"
    }
    "#);
    let assignments = path(&format!("workspaces/{HOME}/permissionassignments"));
    let one = format!("{assignments}/principals/{}", text(&created.json()["id"]));
    let assigned = admin.call(Method::PUT, &one, json!({"permissions": ["USER"]}).to_string()).await;
    assert_snapshot!(assigned.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "permissions": [
        "USER"
      ],
      "principal": {
        "display_name": "ann@example.com",
        "principal_id": 7035254737429352,
        "user_name": "ann@example.com"
      }
    }
    "#);
    assert_snapshot!(admin.get(&assignments).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "permission_assignments": [
        {
          "permissions": [
            "ADMIN"
          ],
          "principal": {
            "display_name": "Workspace Admin",
            "principal_id": 1007679801069929,
            "user_name": "admin@example.com"
          }
        },
        {
          "permissions": [
            "ADMIN"
          ],
          "principal": {
            "display_name": "admin-service-principal",
            "principal_id": 4513521460344520,
            "service_principal_name": "32743274-3274-4274-8274-327432743275"
          }
        },
        {
          "permissions": [
            "USER"
          ],
          "principal": {
            "display_name": "Account Admin",
            "principal_id": 5908305445940786,
            "user_name": "account-admin@example.com"
          }
        },
        {
          "permissions": [
            "USER"
          ],
          "principal": {
            "display_name": "ann@example.com",
            "principal_id": 7035254737429352,
            "user_name": "ann@example.com"
          }
        }
      ]
    }
    "#);
    assert_snapshot!(admin.get(&format!("{assignments}/permissions")).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "permissions": [
        {
          "description": "Can access the workspace with basic privileges.",
          "permission_level": "USER"
        },
        {
          "description": "Can access the workspace and has workspace admin privileges.",
          "permission_level": "ADMIN"
        }
      ]
    }
    "#);
    assert_snapshot!(admin.call(Method::DELETE, &one, "").await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {}
    "#);
}

#[tokio::test]
async fn a_group_and_a_service_principal_of_the_account_are_created() {
    let world = world().await;
    let oauth = world.account_oauth().await;
    let admin = world.client(&oauth);
    assert_snapshot!(admin.post(&path("scim/v2/Groups"), &json!({"displayName": "team"})).await.whole(), @r#"
    201 Created
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "displayName": "team",
      "entitlements": [],
      "groups": [],
      "id": "7035254737429352",
      "members": [],
      "meta": {
        "resourceType": "Group"
      },
      "roles": [],
      "schemas": [
        "urn:ietf:params:scim:schemas:core:2.0:Group"
      ]
    }
    "#);
    let robot = json!({"displayName": "ci"});
    assert_snapshot!(admin.post(&path("scim/v2/ServicePrincipals"), &robot).await.whole(), @r#"
    201 Created
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "active": true,
      "applicationId": "33f4b3aa-61c5-4070-adb7-e3d48bb021a4",
      "displayName": "ci",
      "entitlements": [],
      "groups": [],
      "id": "6747234588798793",
      "roles": [],
      "schemas": [
        "urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal"
      ]
    }
    "#);
}
