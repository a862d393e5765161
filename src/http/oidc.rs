//! `/oidc/*`: OAuth for machines (research/api-identity-auth.md §3). Open, as clients come here to
//! get a credential.

use axum::extract::{Extension, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::Response;
use serde::Serialize;

use super::App;
use super::credential::{basic, named_workspace};
use super::discovery::base_url;
use super::error::ApiError;
use super::exchange::Received;
use super::extract::{Segment, ok};
use crate::domain::AccountId;
use crate::domain::jwt::{LIFETIME_SECONDS, VerifyingKey};
use crate::domain::oauth::{CLIENT_CREDENTIALS, TokenRequest};
use crate::service::{Issuer, issuer_of};

/// RFC 8414's metadata with the real service's members. What it announces is what works here: the
/// authorization endpoint is named because one client fails without.
#[derive(Debug, Serialize)]
struct ServerMetadata {
    authorization_endpoint: String,
    token_endpoint: String,
    issuer: String,
    jwks_uri: String,
    scopes_supported: [&'static str; 2],
    response_types_supported: [&'static str; 0],
    grant_types_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 2],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
    claims_supported: [&'static str; 6],
}

/// `GET /oidc/.well-known/oauth-authorization-server` and `openid-configuration`.
pub async fn metadata(headers: HeaderMap) -> Response {
    server_metadata(&headers, None)
}

/// The twins under `/oidc/accounts/{account_id}`.
pub async fn account_metadata(
    State(app): State<App>,
    Segment(account): Segment,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let account = app.service.account_named(&account).await?;
    Ok(server_metadata(&headers, Some(account)))
}

fn server_metadata(headers: &HeaderMap, account: Option<AccountId>) -> Response {
    let issuer = issuer_of(&base_url(headers), account);
    ok(&ServerMetadata {
        authorization_endpoint: format!("{issuer}/v1/authorize"),
        token_endpoint: format!("{issuer}/v1/token"),
        jwks_uri: format!("{issuer}/jwks.json"),
        issuer,
        scopes_supported: ["all-apis", "sql"],
        response_types_supported: [],
        grant_types_supported: [CLIENT_CREDENTIALS],
        token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["RS256"],
        claims_supported: ["iss", "sub", "aud", "iat", "exp", "jti"],
    })
}

#[derive(Debug, Serialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

#[derive(Debug, Serialize)]
struct Jwk {
    kty: &'static str,
    e: String,
    n: String,
    r#use: &'static str,
    alg: &'static str,
    kid: String,
}

impl From<&VerifyingKey> for Jwk {
    fn from(key: &VerifyingKey) -> Self {
        Self {
            kty: "RSA",
            e: VerifyingKey::exponent_text(),
            n: key.modulus_text(),
            r#use: "sig",
            alg: "RS256",
            kid: key.kid().to_owned(),
        }
    }
}

/// `GET /oidc/jwks.json`: the keys of all accounts, as their workspaces may share this address.
pub async fn jwks(State(app): State<App>) -> Result<Response, ApiError> {
    key_set(&app, None).await
}

/// Its twin under `/oidc/accounts/{account_id}`.
pub async fn account_jwks(State(app): State<App>, Segment(account): Segment) -> Result<Response, ApiError> {
    let account = app.service.account_named(&account).await?;
    key_set(&app, Some(account)).await
}

async fn key_set(app: &App, account: Option<AccountId>) -> Result<Response, ApiError> {
    let keys = app.service.verifying_keys(account).await?;
    Ok(ok(&KeySet { keys: keys.iter().map(Jwk::from).collect() }))
}

#[derive(Debug, Serialize)]
struct Issued<'a> {
    access_token: &'a str,
    scope: &'a str,
    token_type: &'static str,
    expires_in: i64,
}

/// `POST /oidc/v1/token`
pub async fn token(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    Extension(received): Extension<Received>,
) -> Result<Response, ApiError> {
    let issuer = Issuer::Workspace(named_workspace(&headers, &uri));
    issue(&app, &issuer, &headers, received).await
}

/// `POST /oidc/accounts/{account_id}/v1/token`
pub async fn account_token(
    State(app): State<App>,
    Segment(account): Segment,
    headers: HeaderMap,
    Extension(received): Extension<Received>,
) -> Result<Response, ApiError> {
    let issuer = Issuer::Account(app.service.account_named(&account).await?);
    issue(&app, &issuer, &headers, received).await
}

async fn issue(
    app: &App,
    issuer: &Issuer,
    headers: &HeaderMap,
    Received(body): Received,
) -> Result<Response, ApiError> {
    let form: Vec<(String, String)> = form_urlencoded::parse(&body?).into_owned().collect();
    let client = headers.get(AUTHORIZATION).and_then(basic);
    let request = TokenRequest::read(client, &form).map_err(crate::domain::Denial::from)?;
    let token = app.service.issue_access_token(issuer, &base_url(headers), &request).await?;
    let mut response = ok(&Issued {
        access_token: token.reveal(),
        scope: &request.scope,
        token_type: "Bearer",
        expires_in: LIFETIME_SECONDS,
    });
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
