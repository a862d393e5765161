//! The workspace's configuration, permissions on tokens, the restriction of workspace admins, and rule sets.

use axum::http::Method;
use dapi_mock::service::ADMIN_CLIENT_ID;
use insta::assert_snapshot;
use serde_json::json;

use super::world;
use crate::support::{CONF, PERMISSIONS, RESTRICTION, account, admins_may_manage};

#[tokio::test]
async fn the_configuration_is_read_and_changed() {
    let world = world().await;
    let admin = world.admin();
    assert_snapshot!(admin.patch(CONF, &json!({"maxTokenLifetimeDays": "90"})).await.whole(), @r#"
    204 No Content
    x-databricks-org-id: 3274327432743274
    "#);
    let keys = format!("{CONF}?keys=enableTokensConfig,maxTokenLifetimeDays");
    assert_snapshot!(admin.get(&keys).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "enableTokensConfig": null,
      "maxTokenLifetimeDays": "90"
    }
    "#);
}

#[tokio::test]
async fn permissions_on_tokens_are_read_replaced_and_added_to() {
    let world = world().await;
    let admin = world.admin();
    admin.user("ann@example.com").await;
    admin.group("team", &[]).await;
    assert_snapshot!(admin.get(PERMISSIONS).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "access_control_list": [
        {
          "all_permissions": [
            {
              "inherited": false,
              "permission_level": "CAN_USE"
            }
          ],
          "group_name": "users"
        },
        {
          "all_permissions": [
            {
              "inherited": false,
              "permission_level": "CAN_MANAGE"
            }
          ],
          "group_name": "admins"
        }
      ],
      "object_id": "/authorization/tokens",
      "object_type": "tokens"
    }
    "#);
    let ann = json!({"user_name": "ann@example.com", "permission_level": "CAN_USE"});
    let list = json!({"access_control_list": [ann, admins_may_manage()]});
    assert_snapshot!(admin.call(Method::PUT, PERMISSIONS, list.to_string()).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "access_control_list": [
        {
          "all_permissions": [
            {
              "inherited": false,
              "permission_level": "CAN_USE"
            }
          ],
          "display_name": "ann@example.com",
          "user_name": "ann@example.com"
        },
        {
          "all_permissions": [
            {
              "inherited": false,
              "permission_level": "CAN_MANAGE"
            }
          ],
          "group_name": "admins"
        }
      ],
      "object_id": "/authorization/tokens",
      "object_type": "tokens"
    }
    "#);
    let team = json!({"access_control_list": [{"group_name": "team", "permission_level": "CAN_USE"}]});
    assert_snapshot!(admin.patch(PERMISSIONS, &team).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "access_control_list": [
        {
          "all_permissions": [
            {
              "inherited": false,
              "permission_level": "CAN_USE"
            }
          ],
          "display_name": "ann@example.com",
          "user_name": "ann@example.com"
        },
        {
          "all_permissions": [
            {
              "inherited": false,
              "permission_level": "CAN_USE"
            }
          ],
          "group_name": "team"
        },
        {
          "all_permissions": [
            {
              "inherited": false,
              "permission_level": "CAN_MANAGE"
            }
          ],
          "group_name": "admins"
        }
      ],
      "object_id": "/authorization/tokens",
      "object_type": "tokens"
    }
    "#);
    assert_snapshot!(admin.get(&format!("{PERMISSIONS}/permissionLevels")).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "permission_levels": [
        {
          "description": "Can create, use and revoke own personal access tokens",
          "permission_level": "CAN_USE"
        },
        {
          "description": "Can manage the personal access tokens of all users",
          "permission_level": "CAN_MANAGE"
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn workspace_admins_are_restricted_and_set_free() {
    let world = world().await;
    let oauth = world.admin_oauth().await;
    let admin = world.client(&oauth);
    let found = admin.get(RESTRICTION).await;
    assert_snapshot!(found.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "etag": "unset",
      "restrict_workspace_admins": {
        "status": "ALLOW_ALL"
      },
      "setting_name": "default"
    }
    "#);
    let change = json!({
        "allow_missing": true,
        "field_mask": "restrict_workspace_admins.status",
        "setting": {
            "etag": found.json()["etag"],
            "restrict_workspace_admins": {"status": "RESTRICT_TOKENS_AND_JOB_RUN_AS"},
        },
    });
    let changed = admin.patch(RESTRICTION, &change).await;
    assert_snapshot!(changed.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "etag": "4d195701-55e8-4194-ac57-77544083fb15",
      "restrict_workspace_admins": {
        "status": "RESTRICT_TOKENS_AND_JOB_RUN_AS"
      },
      "setting_name": "default"
    }
    "#);
    let path = format!("{RESTRICTION}?etag={}", changed.json()["etag"].as_str().unwrap());
    assert_snapshot!(admin.call(Method::DELETE, &path, "").await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "etag": "09ebfc47-8925-476e-892f-3b8fb1201a6f"
    }
    "#);
}

#[tokio::test]
async fn a_rule_set_is_read_and_replaced() {
    let world = world().await;
    let admin = world.admin();
    let path = "/api/2.0/preview/accounts/access-control/rule-sets";
    let name = format!("accounts/{}/servicePrincipals/{ADMIN_CLIENT_ID}/ruleSets/default", account());
    let found = admin.get(&format!("{path}?name={name}&etag=")).await;
    assert_snapshot!(found.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "etag": "unset",
      "grant_rules": [],
      "name": "accounts/32743274-3274-4274-8274-327432743274/servicePrincipals/32743274-3274-4274-8274-327432743275/ruleSets/default"
    }
    "#);
    let rule = json!({"role": "roles/servicePrincipal.user", "principals": ["users/admin@example.com"]});
    let rule_set = json!({"name": name, "etag": found.json()["etag"], "grant_rules": [rule]});
    let body = json!({"name": name, "rule_set": rule_set});
    assert_snapshot!(admin.call(Method::PUT, path, body.to_string()).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "etag": "b1310e7e-e63a-4ef0-ae40-25732d85a075",
      "grant_rules": [
        {
          "principals": [
            "users/admin@example.com"
          ],
          "role": "roles/servicePrincipal.user"
        }
      ],
      "name": "accounts/32743274-3274-4274-8274-327432743274/servicePrincipals/32743274-3274-4274-8274-327432743275/ruleSets/default"
    }
    "#);
}
