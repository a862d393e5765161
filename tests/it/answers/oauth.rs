//! OAuth: client secrets, access tokens for machines and people, and what a caller learns of its own token.

use axum::http::Method;
use dapi_mock::domain::identities::PrincipalKind;
use dapi_mock::service::{ADMIN_CLIENT_ID, ADMIN_USER};
use insta::{assert_json_snapshot, assert_snapshot};
use serde_json::json;

use super::world;
use crate::support::{ADMIN_SECRET, BOT, GRANT, TOKEN_ENDPOINT, account, both, part, secrets_of, text};

#[tokio::test]
async fn a_client_secret_is_created_listed_and_deleted() {
    let world = world().await;
    let id = world.add_principal(PrincipalKind::ServicePrincipal, BOT).await;
    let admin = world.admin();
    let created = admin.post(&secrets_of(id), &json!({"lifetime": "3600s", "scopes": ["sql"]})).await;
    assert_snapshot!(created.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "create_time": "2026-11-24T08:00:00.000Z",
      "expire_time": "2026-11-24T09:00:00.000Z",
      "id": "2e402573-2d85-4075-8e29-e657b7776cd1",
      "scopes": [
        "sql"
      ],
      "secret": "dose3e0bb3a5ac2a2bc4b1310e7ee63ab6a3",
      "secret_hash": "93b21e55a816e8fc243223623e1cf92d4cb390f38f0b2e3b0babccc64e15ba05",
      "status": "ACTIVE",
      "update_time": "2026-11-24T08:00:00.000Z"
    }
    "#);
    assert_snapshot!(admin.get(&secrets_of(id)).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "secrets": [
        {
          "create_time": "2026-11-24T08:00:00.000Z",
          "expire_time": "2026-11-24T09:00:00.000Z",
          "id": "2e402573-2d85-4075-8e29-e657b7776cd1",
          "scopes": [
            "sql"
          ],
          "secret_hash": "93b21e55a816e8fc243223623e1cf92d4cb390f38f0b2e3b0babccc64e15ba05",
          "status": "ACTIVE",
          "update_time": "2026-11-24T08:00:00.000Z"
        }
      ]
    }
    "#);
    let one = format!("{}/{}", secrets_of(id), text(&created.json()["id"]));
    assert_snapshot!(admin.call(Method::DELETE, &one, "").await.whole(), @r#"
    204 No Content
    x-databricks-org-id: 3274327432743274
    "#);
}

#[tokio::test]
async fn a_service_principal_gets_an_access_token() {
    let world = world().await;
    let client = ADMIN_CLIENT_ID.to_string();
    let issued = world.ask_for_token(TOKEN_ENDPOINT, Some((&client, ADMIN_SECRET)), GRANT).await;
    assert_snapshot!(issued.whole(), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store

    {
      "access_token": "eyJraWQiOiI2Mzc0NTM0… (910 characters)",
      "expires_in": 3600,
      "scope": "all-apis",
      "token_type": "Bearer"
    }
    "#);
    let token = text(&issued.json()["access_token"]);
    assert_json_snapshot!(part(&token, 0), @r#"
    {
      "alg": "RS256",
      "kid": "6374534dc3e638916d5c000b87d25ef124454209664bbb87bd7fd8b286d9d422",
      "typ": "at+jwt"
    }
    "#);
    assert_json_snapshot!(part(&token, 1), @r#"
    {
      "aud": "3274327432743274",
      "client_id": "32743274-3274-4274-8274-327432743275",
      "creation": 5962975028136111,
      "exp": 1795510800,
      "iat": 1795507200,
      "iss": "http://127.0.0.1:3274/oidc",
      "jti": "b1310e7e-e63a-4ef0-ae40-25732d85a075",
      "scope": "all-apis",
      "sub": "32743274-3274-4274-8274-327432743275",
      "workspace_creation": 4232538339234352
    }
    "#);
}

#[tokio::test]
async fn a_service_principal_gets_an_access_token_for_the_account() {
    let world = world().await;
    let token = world.account_oauth().await;
    assert_json_snapshot!(part(&token, 1), @r#"
    {
      "aud": "32743274-3274-4274-8274-327432743274",
      "client_id": "32743274-3274-4274-8274-327432743275",
      "creation": 5962975028136111,
      "exp": 1795510800,
      "iat": 1795507200,
      "iss": "http://127.0.0.1:3274/oidc/accounts/32743274-3274-4274-8274-327432743274",
      "jti": "b1310e7e-e63a-4ef0-ae40-25732d85a075",
      "scope": "all-apis",
      "sub": "32743274-3274-4274-8274-327432743275"
    }
    "#);
    let users = format!("/api/2.0/accounts/{}/scim/v2/Users?attributes=userName", account());
    assert_snapshot!(world.client(&token).get(&users).await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "Resources": [
        {
          "id": "1007679801069929",
          "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:extension:workspace:2.0:User"
          ],
          "userName": "admin@example.com"
        },
        {
          "id": "5908305445940786",
          "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:extension:workspace:2.0:User"
          ],
          "userName": "account-admin@example.com"
        }
      ],
      "itemsPerPage": 2,
      "schemas": [
        "urn:ietf:params:scim:api:messages:2.0:ListResponse"
      ],
      "startIndex": 1,
      "totalResults": 2
    }
    "#);
}

#[tokio::test]
async fn a_person_is_redirected_with_a_code_and_redeems_it() {
    let world = world().await;
    assert_snapshot!(world.authorize(&[("login_hint", ADMIN_USER)]).await.whole(), @r#"
    302 Found
    cache-control: no-store
    location: http://localhost:8020?code=doac947d5e8bf8704aa18d0a6118c71c0f8e2a50547a11a039ed3e0bb3a5ac2a2bc4&state=st+ate&iss=http%3A%2F%2F127.0.0.1%3A3274%2Foidc
    "#);
    let redeemed = world.redeem(&world.code(ADMIN_USER).await).await;
    assert_snapshot!(redeemed.whole(), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store

    {
      "access_token": "eyJraWQiOiJkMmM1MTEx… (885 characters)",
      "expires_in": 3600,
      "refresh_token": "dortb30bfbda1a1d4e57a5df95ed53a120a328d8c26b4788bf8868e374d27e531019c2e0b4b3f2aef73fa0dad085f56888fe",
      "scope": "offline_access all-apis",
      "token_type": "Bearer"
    }
    "#);
    let (access, refresh) = both(&redeemed);
    assert_json_snapshot!(part(&access, 1), @r#"
    {
      "aud": "3274327432743274",
      "client_id": "databricks-cli",
      "creation": 4970530623172998,
      "exp": 1795510800,
      "iat": 1795507200,
      "iss": "http://127.0.0.1:3274/oidc",
      "jti": "50b63593-bd10-4b19-b77f-3ef18ab10b3e",
      "scope": "offline_access all-apis",
      "sid": "b30bfbda-1a1d-4e57-a5df-95ed53a120a3",
      "sub": "admin@example.com"
    }
    "#);
    assert_snapshot!(world.refresh(&refresh, "").await.whole(), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store

    {
      "access_token": "eyJraWQiOiJkMmM1MTEx… (885 characters)",
      "expires_in": 3600,
      "refresh_token": "dortb30bfbda1a1d4e57a5df95ed53a120a328d8c26b4788bf8868e374d27e53101961f5ed02fd4df112847cf7674bdebd85",
      "scope": "offline_access all-apis",
      "token_type": "Bearer"
    }
    "#);
}

#[tokio::test]
async fn a_caller_learns_what_its_token_is() {
    let world = world().await;
    let oauth = world.admin_oauth().await;
    assert_snapshot!(world.client(&oauth).get("/api/2.0/tokens/introspect").await.whole(), @r#"
    200 OK
    content-type: application/json
    x-databricks-org-id: 3274327432743274

    {
      "principal_context": {
        "authentication_scope": {
          "account_id": "32743274-3274-4274-8274-327432743274",
          "workspace_id": 3274327432743274
        }
      }
    }
    "#);
}
