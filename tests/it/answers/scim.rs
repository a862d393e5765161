//! SCIM in a workspace: users, groups and service principals.

use axum::http::Method;
use insta::assert_snapshot;
use serde_json::json;

use super::world;
use crate::support::{BOT, GROUPS, ME, SERVICE_PRINCIPALS, USERS, at};

#[tokio::test]
async fn the_caller_is_shown() {
    let world = world().await;
    assert_snapshot!(world.admin().get(ME).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "active": true,
      "displayName": "Workspace Admin",
      "emails": [
        {
          "primary": true,
          "type": "work",
          "value": "admin@example.com"
        }
      ],
      "entitlements": [
        {
          "value": "workspace-access"
        },
        {
          "value": "databricks-sql-access"
        }
      ],
      "groups": [
        {
          "$ref": "Groups/2928435280212162",
          "display": "users",
          "type": "direct",
          "value": "2928435280212162"
        },
        {
          "$ref": "Groups/5948329804842826",
          "display": "admins",
          "type": "direct",
          "value": "5948329804842826"
        }
      ],
      "id": "1007679801069929",
      "roles": [],
      "schemas": [
        "urn:ietf:params:scim:schemas:core:2.0:User",
        "urn:ietf:params:scim:schemas:extension:workspace:2.0:User"
      ],
      "userName": "admin@example.com"
    }
    "#);
}

#[tokio::test]
async fn a_user_is_created_shown_replaced_patched_and_deleted() {
    let world = world().await;
    let admin = world.admin();
    let created = admin.post(USERS, &json!({"userName": "ann@example.com", "displayName": "Ann"})).await;
    assert_snapshot!(created.whole(), @r#"
    201 Created
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "active": true,
      "displayName": "Ann",
      "emails": [
        {
          "primary": true,
          "type": "work",
          "value": "ann@example.com"
        }
      ],
      "entitlements": [],
      "groups": [
        {
          "$ref": "Groups/2928435280212162",
          "display": "users",
          "type": "direct",
          "value": "2928435280212162"
        }
      ],
      "id": "8438776435149630",
      "roles": [],
      "schemas": [
        "urn:ietf:params:scim:schemas:core:2.0:User",
        "urn:ietf:params:scim:schemas:extension:workspace:2.0:User"
      ],
      "userName": "ann@example.com"
    }
    "#);
    let path = at(USERS, &created.json());
    assert_snapshot!(admin.get(&path).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "active": true,
      "displayName": "Ann",
      "emails": [
        {
          "primary": true,
          "type": "work",
          "value": "ann@example.com"
        }
      ],
      "entitlements": [],
      "groups": [
        {
          "$ref": "Groups/2928435280212162",
          "display": "users",
          "type": "direct",
          "value": "2928435280212162"
        }
      ],
      "id": "8438776435149630",
      "roles": [],
      "schemas": [
        "urn:ietf:params:scim:schemas:core:2.0:User",
        "urn:ietf:params:scim:schemas:extension:workspace:2.0:User"
      ],
      "userName": "ann@example.com"
    }
    "#);
    let body = json!({"userName": "ann@example.com", "displayName": "Anna", "active": true});
    assert_snapshot!(admin.call(Method::PUT, &path, body.to_string()).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "active": true,
      "displayName": "Anna",
      "emails": [
        {
          "primary": true,
          "type": "work",
          "value": "ann@example.com"
        }
      ],
      "entitlements": [],
      "groups": [
        {
          "$ref": "Groups/2928435280212162",
          "display": "users",
          "type": "direct",
          "value": "2928435280212162"
        }
      ],
      "id": "8438776435149630",
      "roles": [],
      "schemas": [
        "urn:ietf:params:scim:schemas:core:2.0:User",
        "urn:ietf:params:scim:schemas:extension:workspace:2.0:User"
      ],
      "userName": "ann@example.com"
    }
    "#);
    let change = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
    assert_snapshot!(admin.patch(&path, &change).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "active": false,
      "displayName": "Anna",
      "emails": [
        {
          "primary": true,
          "type": "work",
          "value": "ann@example.com"
        }
      ],
      "entitlements": [],
      "groups": [
        {
          "$ref": "Groups/2928435280212162",
          "display": "users",
          "type": "direct",
          "value": "2928435280212162"
        }
      ],
      "id": "8438776435149630",
      "roles": [],
      "schemas": [
        "urn:ietf:params:scim:schemas:core:2.0:User",
        "urn:ietf:params:scim:schemas:extension:workspace:2.0:User"
      ],
      "userName": "ann@example.com"
    }
    "#);
    assert_snapshot!(admin.call(Method::DELETE, &path, "").await.whole(), @r#"
    204 No Content
    x-databricks-org-id: 3274327432743274
    "#);
}

#[tokio::test]
async fn users_are_listed_by_a_filter_with_some_attributes() {
    let world = world().await;
    for name in ["ann@example.com", "bob@example.com"] {
        world.admin().user(name).await;
    }
    let query = "filter=userName+co+%22b%22&attributes=userName,active&count=10";
    assert_snapshot!(world.admin().get(&format!("{USERS}?{query}")).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "Resources": [
        {
          "active": true,
          "id": "3572409277374245",
          "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:extension:workspace:2.0:User"
          ],
          "userName": "bob@example.com"
        }
      ],
      "itemsPerPage": 1,
      "schemas": [
        "urn:ietf:params:scim:api:messages:2.0:ListResponse"
      ],
      "startIndex": 1,
      "totalResults": 1
    }
    "#);
}

#[tokio::test]
async fn a_group_is_created_and_gets_a_member() {
    let world = world().await;
    let admin = world.admin();
    let ann = admin.user("ann@example.com").await;
    let created = admin.post(GROUPS, &json!({"displayName": "team"})).await;
    assert_snapshot!(created.whole(), @r#"
    201 Created
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "displayName": "team",
      "entitlements": [],
      "groups": [],
      "id": "3572409277374245",
      "members": [],
      "meta": {
        "resourceType": "WorkspaceGroup"
      },
      "roles": [],
      "schemas": [
        "urn:ietf:params:scim:schemas:core:2.0:Group"
      ]
    }
    "#);
    let path = at(GROUPS, &created.json());
    let join = json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": ann.id}]}]});
    assert_snapshot!(admin.patch(&path, &join).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "displayName": "team",
      "entitlements": [],
      "groups": [],
      "id": "3572409277374245",
      "members": [
        {
          "$ref": "Users/8438776435149630",
          "display": "ann@example.com",
          "value": "8438776435149630"
        }
      ],
      "meta": {
        "resourceType": "WorkspaceGroup"
      },
      "roles": [],
      "schemas": [
        "urn:ietf:params:scim:schemas:core:2.0:Group"
      ]
    }
    "#);
    assert_snapshot!(admin.get(GROUPS).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "Resources": [
        {
          "displayName": "users",
          "entitlements": [],
          "groups": [],
          "id": "2928435280212162",
          "members": [
            {
              "$ref": "Users/1007679801069929",
              "display": "Workspace Admin",
              "value": "1007679801069929"
            },
            {
              "$ref": "ServicePrincipals/4513521460344520",
              "display": "admin-service-principal",
              "value": "4513521460344520"
            },
            {
              "$ref": "Users/5908305445940786",
              "display": "Account Admin",
              "value": "5908305445940786"
            },
            {
              "$ref": "Users/8438776435149630",
              "display": "ann@example.com",
              "value": "8438776435149630"
            }
          ],
          "meta": {
            "resourceType": "WorkspaceGroup"
          },
          "roles": [],
          "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:Group"
          ]
        },
        {
          "displayName": "team",
          "entitlements": [],
          "groups": [],
          "id": "3572409277374245",
          "members": [
            {
              "$ref": "Users/8438776435149630",
              "display": "ann@example.com",
              "value": "8438776435149630"
            }
          ],
          "meta": {
            "resourceType": "WorkspaceGroup"
          },
          "roles": [],
          "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:Group"
          ]
        },
        {
          "displayName": "admins",
          "entitlements": [],
          "groups": [],
          "id": "5948329804842826",
          "members": [
            {
              "$ref": "Users/1007679801069929",
              "display": "Workspace Admin",
              "value": "1007679801069929"
            },
            {
              "$ref": "ServicePrincipals/4513521460344520",
              "display": "admin-service-principal",
              "value": "4513521460344520"
            }
          ],
          "meta": {
            "resourceType": "WorkspaceGroup"
          },
          "roles": [],
          "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:Group"
          ]
        }
      ],
      "itemsPerPage": 3,
      "schemas": [
        "urn:ietf:params:scim:api:messages:2.0:ListResponse"
      ],
      "startIndex": 1,
      "totalResults": 3
    }
    "#);
}

#[tokio::test]
async fn a_service_principal_is_created_and_listed() {
    let world = world().await;
    let admin = world.admin();
    let body = json!({"applicationId": BOT, "displayName": "ci"});
    assert_snapshot!(admin.post(SERVICE_PRINCIPALS, &body).await.whole(), @r#"
    201 Created
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "active": true,
      "applicationId": "0b1c2d3e-0000-4000-8000-000000000001",
      "displayName": "ci",
      "entitlements": [],
      "groups": [
        {
          "$ref": "Groups/2928435280212162",
          "display": "users",
          "type": "direct",
          "value": "2928435280212162"
        }
      ],
      "id": "8438776435149630",
      "roles": [],
      "schemas": [
        "urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal"
      ]
    }
    "#);
    let listed = admin.get(&format!("{SERVICE_PRINCIPALS}?filter=displayName+eq+%22ci%22")).await;
    assert_snapshot!(listed.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "Resources": [
        {
          "active": true,
          "applicationId": "0b1c2d3e-0000-4000-8000-000000000001",
          "displayName": "ci",
          "entitlements": [],
          "groups": [
            {
              "$ref": "Groups/2928435280212162",
              "display": "users",
              "type": "direct",
              "value": "2928435280212162"
            }
          ],
          "id": "8438776435149630",
          "roles": [],
          "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal"
          ]
        }
      ],
      "itemsPerPage": 1,
      "schemas": [
        "urn:ietf:params:scim:api:messages:2.0:ListResponse"
      ],
      "startIndex": 1,
      "totalResults": 1
    }
    "#);
}
