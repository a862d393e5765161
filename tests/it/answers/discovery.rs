//! What clients read before they sign in: the host's metadata, OAuth's metadata and keys, and whether the server is ready.

use insta::assert_snapshot;

use super::world;

#[tokio::test]
async fn a_host_says_what_it_is() {
    let world = world().await;
    assert_snapshot!(world.anonymous().get("/.well-known/databricks-config").await.whole(), @r#"
    200 OK
    content-type: application/json

    {
      "account_id": "32743274-3274-4274-8274-327432743274",
      "cloud": "AWS",
      "host_type": "workspace",
      "oidc_endpoint": "http://127.0.0.1:3274/oidc",
      "token_federation_default_oidc_audiences": [
        "http://127.0.0.1:3274/oidc/v1/token"
      ],
      "workspace_id": "3274327432743274"
    }
    "#);
}

#[tokio::test]
async fn oauth_metadata_names_the_endpoints() {
    let world = world().await;
    let metadata = world.anonymous().get("/oidc/.well-known/oauth-authorization-server").await;
    assert_snapshot!(metadata.whole(), @r#"
    200 OK
    content-type: application/json

    {
      "authorization_endpoint": "http://127.0.0.1:3274/oidc/v1/authorize",
      "claims_supported": [
        "iss",
        "sub",
        "aud",
        "iat",
        "exp",
        "jti"
      ],
      "code_challenge_methods_supported": [
        "S256"
      ],
      "grant_types_supported": [
        "client_credentials",
        "authorization_code",
        "refresh_token"
      ],
      "id_token_signing_alg_values_supported": [
        "RS256"
      ],
      "issuer": "http://127.0.0.1:3274/oidc",
      "jwks_uri": "http://127.0.0.1:3274/oidc/jwks.json",
      "response_modes_supported": [
        "query"
      ],
      "response_types_supported": [
        "code"
      ],
      "scopes_supported": [
        "all-apis",
        "offline_access",
        "sql"
      ],
      "subject_types_supported": [
        "public"
      ],
      "token_endpoint": "http://127.0.0.1:3274/oidc/v1/token",
      "token_endpoint_auth_methods_supported": [
        "client_secret_basic",
        "client_secret_post",
        "none"
      ]
    }
    "#);
}

#[tokio::test]
async fn the_keys_are_published() {
    let world = world().await;
    assert_snapshot!(world.anonymous().get("/oidc/jwks.json").await.whole(), @r#"
    200 OK
    content-type: application/json

    {
      "keys": [
        {
          "alg": "RS256",
          "e": "AQAB",
          "kid": "6374534dc3e638916d5c000b87d25ef124454209664bbb87bd7fd8b286d9d422",
          "kty": "RSA",
          "n": "y6X-RqV6zw0c2Oq9lWQI… (342 characters)",
          "use": "sig"
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn a_server_says_that_it_is_alive_and_ready() {
    let world = world().await;
    assert_snapshot!(world.anonymous().get("/livez").await.whole(), @r#"
    200 OK
    content-type: application/json

    {
      "status": "ok"
    }
    "#);
    assert_snapshot!(world.anonymous().get("/readyz").await.whole(), @r#"
    200 OK
    content-type: application/json

    {
      "status": "ok"
    }
    "#);
}
