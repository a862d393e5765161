//! Refusals in the envelopes of the emulated API: one of each kind for the API itself, for SCIM and for OAuth.

use axum::http::Method;
use dapi_mock::service::{ADMIN_CLIENT_ID, ADMIN_USER};
use insta::assert_snapshot;
use serde_json::json;

use super::world;
use crate::support::{
    ADMIN_SECRET, CONF, CREATE, GRANT, GROUPS, LIST, MANAGED, ME, RESTRICTION, TOKEN_ENDPOINT, USERS, secrets_of,
};

#[tokio::test]
async fn credentials_are_refused() {
    let world = world().await;
    assert_snapshot!(world.anonymous().get(LIST).await.whole(), @r#"
    401 Unauthorized
    content-type: application/json; charset=utf-8
    www-authenticate: Bearer realm="DatabricksRealm"

    {
      "error_code": 401,
      "message": "Credential was not sent or was of an unsupported type for this API. [ReqId: 5ec9e395-fe8d-428d-b253-0d0c8071170c]"
    }
    "#);
    assert_snapshot!(world.client("nonsense").get(LIST).await.whole(), @r#"
    403 Forbidden
    content-type: application/json; charset=utf-8
    x-databricks-reason-phrase: Invalid access token.

    {
      "error_code": 403,
      "message": "Invalid access token. [ReqId: 947d5e8b-f870-4aa1-8d0a-6118c71c0f8e]"
    }
    "#);
    let ann = world.add_user("ann@example.com").await;
    let token = world.mint(ann, |_| {}).await;
    world.set_active(ann, false).await;
    assert_snapshot!(world.client(&token).get(ME).await.whole(), @r#"
    403 Forbidden
    content-type: application/json; charset=utf-8
    x-databricks-reason-phrase: Invalid access to Org: 3274327432743274

    {
      "error_code": 403,
      "message": "Invalid access to Org: 3274327432743274"
    }
    "#);
    let scoped = world.mint(world.admin_id().await, |token| token.scopes = Some(vec!["sql".into()])).await;
    assert_snapshot!(world.client(&scoped).get(LIST).await.whole(), @r#"
    403 Forbidden
    content-type: application/json; charset=utf-8
    x-databricks-reason-phrase: Provided access token does not have required scopes: authentication

    {
      "error_code": 403,
      "message": "Provided access token does not have required scopes: authentication"
    }
    "#);
}

#[tokio::test]
async fn callers_without_the_right_are_refused() {
    let world = world().await;
    let (_, ann) = world.user_with_token("ann@example.com").await;
    assert_snapshot!(world.client(&ann).get(MANAGED).await.whole(), @r#"
    403 Forbidden
    content-type: application/json; charset=utf-8

    {
      "error_code": "PERMISSION_DENIED",
      "message": "Requesting user 'ann@example.com' is not an admin."
    }
    "#);
    world.permit_users(false).await;
    assert_snapshot!(world.client(&ann).post(CREATE, &json!({})).await.whole(), @r#"
    403 Forbidden
    content-type: application/json; charset=utf-8

    {
      "error_code": "PERMISSION_DENIED",
      "message": "User does not have permission to use tokens."
    }
    "#);
    assert_snapshot!(world.admin().patch(RESTRICTION, &json!({})).await.whole(), @r#"
    403 Forbidden
    content-type: application/json; charset=utf-8

    {
      "error_code": "PERMISSION_DENIED",
      "message": "This API is disabled for users without account admin status."
    }
    "#);
}

#[tokio::test]
async fn requests_are_refused() {
    let world = world().await;
    let admin = world.admin();
    assert_snapshot!(admin.call(Method::POST, CREATE, "{").await.whole(), @r#"
    400 Bad Request
    content-type: application/json; charset=utf-8
    x-databricks-org-id: 3274327432743274

    {
      "error_code": "MALFORMED_REQUEST",
      "message": "Invalid JSON given in the body of the request - failed to parse given JSON"
    }
    "#);
    assert_snapshot!(admin.post(CREATE, &json!({"lifetime_seconds": 0})).await.whole(), @r#"
    400 Bad Request
    content-type: application/json; charset=utf-8
    x-databricks-org-id: 3274327432743274

    {
      "error_code": "INVALID_PARAMETER_VALUE",
      "message": "requirement failed: Invalid timeout: 0"
    }
    "#);
    assert_snapshot!(admin.patch(CONF, &json!({"noSuchKey": "1"})).await.whole(), @r#"
    400 Bad Request
    content-type: application/json; charset=utf-8
    x-databricks-org-id: 3274327432743274

    {
      "error_code": "BAD_REQUEST",
      "message": "Invalid keys: [\"noSuchKey\"]"
    }
    "#);
    assert_snapshot!(admin.call(Method::DELETE, &format!("{MANAGED}/none"), "").await.whole(), @r#"
    404 Not Found
    content-type: application/json; charset=utf-8
    x-databricks-org-id: 3274327432743274

    {
      "error_code": "RESOURCE_DOES_NOT_EXIST",
      "message": "Token with ID none does not exist"
    }
    "#);
    assert_snapshot!(admin.get("/api/2.0/nothing").await.whole(), @r#"
    404 Not Found
    content-type: application/json; charset=utf-8
    x-databricks-org-id: 3274327432743274

    {
      "error_code": "ENDPOINT_NOT_FOUND",
      "message": "No API found for 'GET /api/2.0/nothing'. dapi-mock does not know this path. What it emulates: docs/compatibility.md"
    }
    "#);
}

#[tokio::test]
async fn disabled_tokens_are_refused() {
    let world = world().await;
    world.set_conf("enableTokensConfig", "false").await;
    assert_snapshot!(world.admin().get(LIST).await.whole(), @r#"
    404 Not Found
    content-type: application/json; charset=utf-8

    {
      "error_code": "FEATURE_DISABLED",
      "message": "Tokens are disabled."
    }
    "#);
}

#[tokio::test]
async fn a_stale_etag_is_refused_with_the_newest_one() {
    let world = world().await;
    let oauth = world.admin_oauth().await;
    let setting = json!({"etag": "old", "restrict_workspace_admins": {"status": "ALLOW_ALL"}});
    let change = json!({"setting": setting, "allow_missing": true, "field_mask": "restrict_workspace_admins.status"});
    assert_snapshot!(world.client(&oauth).patch(RESTRICTION, &change).await.whole(), @r#"
    409 Conflict
    content-type: application/json; charset=utf-8
    x-databricks-org-id: 3274327432743274

    {
      "details": [
        {
          "@type": "type.googleapis.com/google.rpc.ErrorInfo",
          "domain": "databricks.com",
          "metadata": {
            "etag": "unset"
          },
          "reason": "STALE_ETAG"
        }
      ],
      "error_code": "RESOURCE_CONFLICT",
      "message": "The etag is missing or not the newest; read the resource again and retry with its etag."
    }
    "#);
}

#[tokio::test]
async fn an_armed_fault_answers_in_the_same_envelope() {
    let world = world().await;
    let fault = json!({"name": "rate_limited"});
    world.anonymous().own(Method::POST, "workspaces/default/faults", &fault).await;
    assert_snapshot!(world.admin().get(LIST).await.whole(), @r#"
    429 Too Many Requests
    content-type: application/json; charset=utf-8
    retry-after: 1

    {
      "error_code": "REQUEST_LIMIT_EXCEEDED",
      "message": "Workspace exceeded the concurrent limit of 20 requests."
    }
    "#);
}

#[tokio::test]
async fn scim_has_an_envelope_of_its_own() {
    let world = world().await;
    let admin = world.admin();
    assert_snapshot!(admin.get(&format!("{USERS}/7")).await.whole(), @r#"
    404 Not Found
    content-type: application/scim+json; charset=utf-8
    x-databricks-org-id: 3274327432743274

    {
      "detail": "User with id 7 not found.",
      "schemas": [
        "urn:ietf:params:scim:api:messages:2.0:Error"
      ],
      "status": "404"
    }
    "#);
    assert_snapshot!(admin.post(USERS, &json!({"userName": ADMIN_USER})).await.whole(), @r#"
    409 Conflict
    content-type: application/scim+json; charset=utf-8
    x-databricks-org-id: 3274327432743274

    {
      "detail": "User with username admin@example.com already exists.",
      "schemas": [
        "urn:ietf:params:scim:api:messages:2.0:Error"
      ],
      "status": "409"
    }
    "#);
    assert_snapshot!(admin.get(&format!("{USERS}?filter=userName")).await.whole(), @r#"
    400 Bad Request
    content-type: application/scim+json; charset=utf-8
    x-databricks-org-id: 3274327432743274

    {
      "detail": "The filter cannot be read: there is no operator ''.",
      "schemas": [
        "urn:ietf:params:scim:api:messages:2.0:Error"
      ],
      "scimType": "invalidFilter",
      "status": "400"
    }
    "#);
    let group = format!("{GROUPS}/{}", world.workspace().await.admins_group);
    assert_snapshot!(admin.call(Method::DELETE, &group, "").await.whole(), @r#"
    400 Bad Request
    content-type: application/scim+json; charset=utf-8
    x-databricks-org-id: 3274327432743274

    {
      "detail": "The built-in group admins cannot be deleted.",
      "schemas": [
        "urn:ietf:params:scim:api:messages:2.0:Error"
      ],
      "scimType": "mutability",
      "status": "400"
    }
    "#);
    assert_snapshot!(world.anonymous().get(USERS).await.whole(), @r#"
    401 Unauthorized
    content-type: application/json; charset=utf-8
    www-authenticate: Bearer realm="DatabricksRealm"

    {
      "error_code": 401,
      "message": "Credential was not sent or was of an unsupported type for this API. [ReqId: 4d195701-55e8-4194-ac57-77544083fb15]"
    }
    "#);
}

#[tokio::test]
async fn oauth_has_an_envelope_of_its_own() {
    let world = world().await;
    let client = ADMIN_CLIENT_ID.to_string();
    assert_snapshot!(world.ask_for_token(TOKEN_ENDPOINT, Some((&client, "wrong")), GRANT).await.whole(), @r#"
    401 Unauthorized
    content-type: application/json; charset=utf-8
    cache-control: no-store
    www-authenticate: Basic realm="DatabricksRealm"

    {
      "error": "invalid_client",
      "error_description": "Client authentication failed"
    }
    "#);
    let basic = Some((client.as_str(), ADMIN_SECRET));
    assert_snapshot!(world.ask_for_token(TOKEN_ENDPOINT, basic, "grant_type=password").await.whole(), @r#"
    400 Bad Request
    content-type: application/json; charset=utf-8
    cache-control: no-store

    {
      "error": "unsupported_grant_type",
      "error_description": "There is no grant type password"
    }
    "#);
    assert_snapshot!(world.redeem("used").await.whole(), @r#"
    400 Bad Request
    content-type: application/json; charset=utf-8
    cache-control: no-store

    {
      "error": "invalid_grant",
      "error_description": "Authorization code is invalid"
    }
    "#);
    assert_snapshot!(world.authorize(&[("scope", "openid"), ("login_hint", ADMIN_USER)]).await.whole(), @r#"
    302 Found
    cache-control: no-store
    location: http://localhost:8020?error=invalid_scope&error_description=The+scope+openid+%28id+tokens%29+is+not+emulated&state=st+ate&iss=http%3A%2F%2F127.0.0.1%3A3274%2Foidc
    "#);
    let robot = world.admin().robot("ci").await;
    let secret = world.admin().post(&secrets_of(&robot.id), &json!({"scopes": ["sql"]})).await.json();
    let basic = Some((robot.name.as_str(), secret["secret"].as_str().unwrap()));
    assert_snapshot!(world.ask_for_token(TOKEN_ENDPOINT, basic, GRANT).await.whole(), @r#"
    403 Forbidden
    content-type: application/json; charset=utf-8
    cache-control: no-store

    {
      "error": "access_denied",
      "error_description": "Scopes 'all-apis' are not assigned to the client 28d8c26b-4788-4f88-a8e3-74d27e531019.",
      "request_id": "705a5428-bef8-41ea-b735-2cd9a429bfe5"
    }
    "#);
}

#[tokio::test]
async fn an_account_that_does_not_exist_is_not_found() {
    let world = world().await;
    let oauth = world.account_oauth().await;
    let path = "/api/2.0/accounts/00000000-0000-4000-8000-000000000000/workspaces";
    assert_snapshot!(world.client(&oauth).get(path).await.whole(), @r#"
    404 Not Found
    content-type: application/json; charset=utf-8
    x-databricks-org-id: 3274327432743274

    {
      "error_code": "RESOURCE_DOES_NOT_EXIST",
      "message": "Account 00000000-0000-4000-8000-000000000000 does not exist"
    }
    "#);
}
