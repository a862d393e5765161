//! The token endpoints and discovery as clients use them.

use std::io::{Read, Write};
use std::net::TcpStream;

use axum::body::Body;
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dapi_mock::domain::PrincipalId;
use dapi_mock::service::ADMIN_CLIENT_ID;
use serde_json::json;

use super::HOME;
use crate::support::{
    ADMIN_SECRET, BOT, Backend, GRANT, ME, START, TOKEN_ENDPOINT, World, account, invalid_client, oauth_error,
    on_every_store, part, secrets_of, start, text,
};

on_every_store!(clients_of_other_accounts_need_no_names, the_account_api_takes_account_admins_by_oauth,);

/// The admin's token in the other workspace.
const ELSEWHERE: &str = "dapi00000000000000000000000000000012";

/// Tests may create an account and a workspace each, and share the address.
async fn clients_of_other_accounts_need_no_names(world: World) {
    let elsewhere = world.add_workspace(12, ELSEWHERE).await;
    let id = PrincipalId(77);
    world.insert_bot(&elsewhere, id, BOT).await;
    let created = world.client(ELSEWHERE).post(&secrets_of(id), &json!({})).await.json();
    let secret = text(&created["secret"]);
    let wide = format!("/oidc/accounts/{}/v1/token", elsewhere.account);
    for (path, aud) in [(TOKEN_ENDPOINT, "12"), (&wide, &*elsewhere.account.to_string())] {
        let answer = world.ask_for_token(path, Some((BOT, &secret)), GRANT).await.json();
        let token = text(&answer["access_token"]);
        assert_eq!(part(&token, 1)["aud"], aud);
        assert_eq!(world.client(&token).get(ME).await.header("x-databricks-org-id"), "12");
        world.in_workspace(&token, HOME).await.refused(403, 403, &format!("Invalid access to Org: {HOME}"));
        let keys = world.anonymous().get("/oidc/jwks.json").await.json();
        let kid = &part(&token, 0)["kid"];
        assert!(keys["keys"].as_array().unwrap().iter().any(|key| &key["kid"] == kid));
    }
    let home = format!("/oidc/accounts/{}/v1/token", account());
    for path in [&home, &format!("{TOKEN_ENDPOINT}?o={HOME}")] {
        invalid_client(&world.ask_for_token(path, Some((BOT, &secret)), GRANT).await);
    }
}

async fn the_account_api_takes_account_admins_by_oauth(world: World) {
    let (id, secret) = world.add_bot(BOT).await;
    let path = format!("/api/2.0/accounts/{}/servicePrincipals/{id}/credentials/secrets", account());
    let refusal = "Account APIs do not accept personal access tokens; use OAuth.";
    world.admin().get(&path).await.refused(401, 401, refusal);
    let bot = world.access_token(BOT, &secret).await;
    let message = "This API is disabled for users without account admin status.";
    world.client(&bot).get(&path).await.refused(403, "PERMISSION_DENIED", message);

    let token = world.admin_oauth().await;
    let admin = world.client(&token);
    let created = admin.post(&path, &json!({"lifetime": "60s"})).await.json();
    world.access_token(BOT, created["secret"].as_str().unwrap()).await;
    assert_eq!(admin.get(&path).await.json()["secrets"].as_array().unwrap().len(), 2);
    let one = format!("{path}/{}", text(&created["id"]));
    assert_eq!(admin.call(Method::DELETE, &one, "").await.status, 204);
    for unknown in ["00000000-0000-4000-8000-000000000000", "x"] {
        let answer = admin.get(&path.replace(&account(), unknown)).await;
        answer.refused(404, "RESOURCE_DOES_NOT_EXIST", &format!("Account {unknown} does not exist"));
    }
    // An account admin need not be assigned to a workspace for that.
    let me = text(&admin.get(ME).await.json()["id"]);
    world.set_active(PrincipalId::parse(&me).unwrap(), false).await;
    admin.get(ME).await.refused(403, 403, "Invalid access to Org");
    assert_eq!(admin.get(&path).await.status, 200);
}

#[tokio::test]
async fn the_token_requests_of_every_client_are_accepted() {
    let world = World::new(Backend::Memory).await;
    let id = ADMIN_CLIENT_ID.to_string();
    let basic = Some((id.as_str(), ADMIN_SECRET));
    let in_body = format!("client_secret={ADMIN_SECRET}&client_id={id}&");
    for (basic, form, scope) in [
        (basic, GRANT.to_owned(), "all-apis"),
        (basic, "scope=all-apis&grant_type=client_credentials".to_owned(), "all-apis"),
        (basic, "grant_type=client_credentials".to_owned(), "all-apis"),
        (basic, "grant_type=client_credentials&scope=sql+jobs&resource=x&assume_group=1".to_owned(), "sql jobs"),
        (None, in_body.clone() + GRANT, "all-apis"),
        (basic, format!("client_id={id}&{GRANT}"), "all-apis"),
    ] {
        let answer = world.ask_for_token(TOKEN_ENDPOINT, basic, &form).await;
        assert_eq!(answer.status, 200, "{form}: {answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store");
        let json = answer.json();
        let token = text(&json["access_token"]);
        let expected = json!({"access_token": token, "scope": scope, "token_type": "Bearer", "expires_in": 3600});
        assert_eq!(json, expected);

        let header = part(&token, 0);
        assert_eq!(header, json!({"kid": header["kid"], "typ": "at+jwt", "alg": "RS256"}));
        assert_eq!(header["kid"].as_str().unwrap().len(), 64);
        let claims = part(&token, 1);
        let expected = json!({
            "client_id": id, "scope": scope, "iss": "http://127.0.0.1:3274/oidc", "aud": HOME, "sub": id,
            "iat": START.0 / 1000, "exp": START.0 / 1000 + 3600, "jti": claims["jti"],
            "creation": claims["creation"], "workspace_creation": claims["workspace_creation"],
        });
        assert_eq!((claims["jti"].as_str().unwrap().len(), &claims), (36, &expected));
        assert!(claims["creation"].is_i64() && claims["workspace_creation"].is_i64());
    }
}

#[tokio::test]
async fn token_requests_are_refused_in_the_terms_of_the_rfc() {
    let world = World::new(Backend::Memory).await;
    let id = ADMIN_CLIENT_ID.to_string();
    let basic = Some((id.as_str(), ADMIN_SECRET));
    let ask = async |basic, form: &str| world.ask_for_token(TOKEN_ENDPOINT, basic, form).await;
    for wrong in [
        Some((id.as_str(), "dose00000000000000000000000000000002")),
        Some((id.as_str(), "")),
        Some(("unknown", ADMIN_SECRET)),
        Some(("\u{0}", ADMIN_SECRET)),
        None,
    ] {
        invalid_client(&ask(wrong, GRANT).await);
    }
    for (form, error, description) in [
        ("", "invalid_request", "grant_type is missing"),
        ("{\"grant_type\":\"client_credentials\"}", "invalid_request", "grant_type is missing"),
        ("grant_type=client_credentials&scope=%00", "invalid_scope", "is not a scope"),
        ("grant_type=client_credentials&grant_type=client_credentials", "invalid_request", "sent twice"),
        ("grant_type=client_credentials&client_secret=x", "invalid_request", "in the header and in the body"),
        ("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange", "unsupported_grant_type", "8693"),
        ("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=a.b.c", "unsupported_grant_type", "7523"),
        ("grant_type=password", "unsupported_grant_type", "There is no grant type password"),
    ] {
        oauth_error(&ask(basic, form).await, 400, error, description);
    }
    let bearer = world.admin().call(Method::POST, TOKEN_ENDPOINT, GRANT).await;
    invalid_client(&bearer);
}

#[tokio::test]
async fn discovery_names_the_address_that_was_asked() {
    let world = World::new(Backend::Memory).await;
    let get = async |path: &str| {
        let request = axum::http::Request::get(path).header("host", "dapi.test:80").body(Body::empty()).unwrap();
        world.send(request).await
    };
    let keys = get("/oidc/jwks.json").await.json();
    let key = &keys["keys"][0];
    let expected = json!({"kty": "RSA", "e": "AQAB", "n": key["n"], "use": "sig", "alg": "RS256", "kid": key["kid"]});
    assert_eq!(key, &expected);
    assert!(key["n"].as_str().unwrap().len() > 300 && key["kid"].as_str().unwrap().len() == 64);
    for issuer in ["/oidc".to_owned(), format!("/oidc/accounts/{}", account())] {
        assert_eq!(get(&format!("{issuer}/jwks.json")).await.json(), keys);
        for name in ["oauth-authorization-server", "openid-configuration"] {
            let json = get(&format!("{issuer}/.well-known/{name}")).await.json();
            let base = format!("http://dapi.test:80{issuer}");
            for (member, expected) in [
                ("issuer", base.clone()),
                ("token_endpoint", format!("{base}/v1/token")),
                ("authorization_endpoint", format!("{base}/v1/authorize")),
                ("jwks_uri", format!("{base}/jwks.json")),
            ] {
                assert_eq!(json[member], expected);
            }
            assert_eq!(
                json["grant_types_supported"],
                json!(["client_credentials", "authorization_code", "refresh_token"])
            );
        }
    }
    let unknown = get("/oidc/accounts/x/.well-known/oauth-authorization-server").await;
    unknown.refused(404, "RESOURCE_DOES_NOT_EXIST", "Account x does not exist");
}

/// The Go SDK, the CLI and Terraform send chunked requests.
#[test]
fn a_chunked_token_request_is_accepted() {
    let server = start(&["--port", "0", "--database", "sqlite::memory:", "--admin-client-secret", ADMIN_SECRET]);
    let (id, secret) = server.oauth().unwrap();
    assert_eq!(secret, ADMIN_SECRET);
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let pair = STANDARD.encode(format!("{id}:{secret}"));
    write!(
        stream,
        "POST {TOKEN_ENDPOINT} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {pair}\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n7\r\ngrant_t\r\n16\r\nype=client_credentials\r\n0\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("access_token"), "{answer}");
    server.stop("TERM");
}
