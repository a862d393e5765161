//! Tokens: one's own, and those of the whole workspace for its admins.

use axum::http::Method;
use dapi_mock::domain::identities::PrincipalKind;
use insta::assert_snapshot;
use serde_json::json;

use super::world;
use crate::support::{BOT, CREATE, DELETE, LIST, MANAGED, ON_BEHALF_OF};

#[tokio::test]
async fn an_own_token_is_created_listed_changed_and_revoked() {
    let world = world().await;
    let admin = world.admin();
    let created = admin.post(CREATE, &json!({"comment": "nightly job", "lifetime_seconds": 3600})).await;
    assert_snapshot!(created.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "token_info": {
        "comment": "nightly job",
        "creation_time": 1795507200000,
        "expiry_time": 1795510800000,
        "token_id": "4ded7813cb34fef7484978c6cc48a294b807c454e37aae54ecdceb28f018ae64"
      },
      "token_value": "dapi2a50547a11a039ed3e0bb3a5ac2a5617"
    }
    "#);
    assert_snapshot!(admin.get(LIST).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "token_infos": [
        {
          "comment": "nightly job",
          "creation_time": 1795507200000,
          "expiry_time": 1795510800000,
          "token_id": "4ded7813cb34fef7484978c6cc48a294b807c454e37aae54ecdceb28f018ae64"
        },
        {
          "comment": "dapi-mock admin token",
          "creation_time": 1795507200000,
          "expiry_time": 1858579200000,
          "token_id": "cd104b14aea3ceacb6eb60fdd3c27b01f7d0661c147ba924782ecb6ee51811a0"
        }
      ]
    }
    "#);
    let id = created.json()["token_info"]["token_id"].as_str().unwrap().to_owned();
    let change = json!({"token": {"comment": "hourly job", "scopes": ["sql"]}, "update_mask": "comment,scopes"});
    assert_snapshot!(admin.patch(&format!("/api/2.0/token/{id}"), &change).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {}
    "#);
    assert_snapshot!(admin.post(DELETE, &json!({"token_id": id})).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {}
    "#);
}

#[tokio::test]
async fn a_token_lives_for_730_days_unless_it_is_given_a_lifetime() {
    let world = world().await;
    assert_snapshot!(world.admin().post(CREATE, &json!({})).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "token_info": {
        "comment": "",
        "creation_time": 1795507200000,
        "expiry_time": 1858579200000,
        "token_id": "4ded7813cb34fef7484978c6cc48a294b807c454e37aae54ecdceb28f018ae64"
      },
      "token_value": "dapi2a50547a11a039ed3e0bb3a5ac2a5617"
    }
    "#);
}

#[tokio::test]
async fn an_admin_lists_shows_changes_and_revokes_the_tokens_of_others() {
    let world = world().await;
    let (_, token) = world.user_with_token("ann@example.com").await;
    let (_, id) = world.client(&token).create(&json!({"comment": "laptop"})).await;
    let admin = world.admin();
    assert_snapshot!(admin.get(&format!("{MANAGED}?created_by_username=ann@example.com")).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "token_infos": [
        {
          "comment": "laptop",
          "created_by_id": 1839833877203294,
          "created_by_username": "ann@example.com",
          "creation_time": 1795507200000,
          "expiry_time": 1858579200000,
          "owner_id": 1839833877203294,
          "token_id": "842b538d91562990d44297cfa3a14b9e248069919bbdfc5deed6f613e8639ac1",
          "workspace_id": 3274327432743274
        }
      ]
    }
    "#);
    let path = format!("{MANAGED}/{id}");
    assert_snapshot!(admin.get(&path).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "token_info": {
        "comment": "laptop",
        "created_by_id": 1839833877203294,
        "created_by_username": "ann@example.com",
        "creation_time": 1795507200000,
        "expiry_time": 1858579200000,
        "owner_id": 1839833877203294,
        "token_id": "842b538d91562990d44297cfa3a14b9e248069919bbdfc5deed6f613e8639ac1",
        "workspace_id": 3274327432743274
      }
    }
    "#);
    let change = json!({"token": {"comment": "ann's laptop"}, "update_mask": "comment"});
    assert_snapshot!(admin.patch(&path, &change).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "comment": "ann's laptop",
      "created_by_id": 1839833877203294,
      "created_by_username": "ann@example.com",
      "creation_time": 1795507200000,
      "expiry_time": 1858579200000,
      "owner_id": 1839833877203294,
      "token_id": "842b538d91562990d44297cfa3a14b9e248069919bbdfc5deed6f613e8639ac1",
      "workspace_id": 3274327432743274
    }
    "#);
    assert_snapshot!(admin.call(Method::DELETE, &path, "").await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {}
    "#);
}

#[tokio::test]
async fn an_admin_creates_a_token_on_behalf_of_a_service_principal() {
    let world = world().await;
    world.add_principal(PrincipalKind::ServicePrincipal, BOT).await;
    let body = json!({"application_id": BOT, "comment": "ci", "lifetime_seconds": 86400});
    assert_snapshot!(world.admin().post(ON_BEHALF_OF, &body).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "token_info": {
        "comment": "ci",
        "created_by_id": 1007679801069929,
        "created_by_username": "admin@example.com",
        "creation_time": 1795507200000,
        "expiry_time": 1795593600000,
        "owner_id": 1839833877203294,
        "token_id": "207c1e6536d1060cdd42d74c85c34e6a9fca1df015e2594a15a1f2475c80604d",
        "workspace_id": 3274327432743274
      },
      "token_value": "dapi3e0bb3a5ac2a2bc4b1310e7ee63ab6a3"
    }
    "#);
}
