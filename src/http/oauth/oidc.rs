//! `/oidc/*`: OAuth's discovery and token endpoint. They are open, because clients come here for a credential. See
//! docs/reference/identity-and-oauth.md.

use axum::extract::{Extension, FromRequestParts, State};
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::http::request::Parts;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::Denial;
use crate::domain::jwt::{LIFETIME_SECONDS, VerifyingKey};
use crate::domain::oauth::{AUTHORIZATION_CODE, CLIENT_CREDENTIALS, REFRESH_TOKEN, TokenRequest};
use crate::domain::sign_ins::{Issuer, OFFLINE_ACCESS, S256};
use crate::http::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::extract::{ApiCall, Segments, ok};
use crate::http::host::TargetHost;
use crate::http::oauth::discovery::BaseUrl;
use crate::service::issuer_of;

/// The authorization server of a path: the account's if the path names one, else the workspace's.
#[derive(Debug)]
pub struct Server {
    pub issuer: Issuer,
    /// Its issuer identifier, under the address that the client used.
    pub url: String,
}

#[derive(Debug, Deserialize)]
struct Account {
    account_id: Option<String>,
}

impl FromRequestParts<App> for Server {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Segments(Account { account_id }) = Segments::from_request_parts(parts, app).await?;
        let account = match account_id {
            Some(text) => Some(app.service.account_named(&text).await?),
            None => None,
        };
        let context = parts.extensions.get::<RequestContext>().ok_or(ApiError::Internal)?;
        let issuer = match (account, context.host) {
            (Some(account), _) => Issuer::Account(account),
            (None, TargetHost::Account(account)) => {
                Issuer::Account(app.service.workspace_of_account(account).await?.account)
            }
            (None, TargetHost::Workspace) => Issuer::Workspace(context.credentials.workspace.clone()),
        };
        Ok(Self { issuer, url: issuer_of(&BaseUrl::of(parts).0, account) })
    }
}

/// The metadata of RFC 8414 with the real service's members. It announces only what is emulated.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct ServerMetadata {
    authorization_endpoint: String,
    token_endpoint: String,
    issuer: String,
    jwks_uri: String,
    scopes_supported: [&'static str; 3],
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 1],
    grant_types_supported: [&'static str; 3],
    code_challenge_methods_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 3],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
    claims_supported: [&'static str; 6],
}

pub async fn metadata(Server { url: issuer, .. }: Server) -> Response {
    ok(&ServerMetadata {
        authorization_endpoint: format!("{issuer}/v1/authorize"),
        token_endpoint: format!("{issuer}/v1/token"),
        jwks_uri: format!("{issuer}/jwks.json"),
        issuer,
        scopes_supported: ["all-apis", OFFLINE_ACCESS, "sql"],
        response_types_supported: ["code"],
        response_modes_supported: ["query"],
        grant_types_supported: [CLIENT_CREDENTIALS, AUTHORIZATION_CODE, REFRESH_TOKEN],
        code_challenge_methods_supported: [S256],
        token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post", "none"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["RS256"],
        claims_supported: ["iss", "sub", "aud", "iat", "exp", "jti"],
    })
}

#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct KeySet {
    keys: Vec<Jwk>,
}

#[derive(Debug, Serialize, JsonSchema)]
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

/// The account's keys, or those of all accounts, whose workspaces may share this address.
pub async fn jwks(State(app): State<App>, server: Server) -> Result<Response, ApiError> {
    let account = match server.issuer {
        Issuer::Account(account) => Some(account),
        Issuer::Workspace(_) => None,
    };
    let keys = app.service.verifying_keys(account).await?;
    Ok(ok(&KeySet { keys: keys.iter().map(Jwk::from).collect() }))
}

#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Tokens<'a> {
    access_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    scope: &'a str,
    token_type: &'static str,
    expires_in: i64,
}

pub async fn token(
    State(app): State<App>,
    server: Server,
    Extension(context): Extension<RequestContext>,
) -> Result<Response, ApiError> {
    let form: Vec<(String, String)> = form_urlencoded::parse(&context.body?).into_owned().collect();
    let request = TokenRequest::read(context.credentials.basic.clone(), &form).map_err(Denial::from)?;
    let issued = app.service.issue_access_token(&server.issuer, &server.url, &request, &context.origin).await?;
    let mut response = ok(&Tokens {
        access_token: issued.access_token.reveal(),
        refresh_token: issued.refresh_token.map(|token| token.reveal()),
        scope: &issued.scope,
        token_type: "Bearer",
        expires_in: LIFETIME_SECONDS,
    });
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Introspection {
    principal_context: PrincipalContext,
}

#[derive(Debug, Serialize, JsonSchema)]
struct PrincipalContext {
    authentication_scope: AuthenticationScope,
}

#[derive(Debug, Serialize, JsonSchema)]
struct AuthenticationScope {
    account_id: String,
    workspace_id: i64,
}

/// Where the credential is valid. The CLI asks after `auth login` without a host.
pub async fn introspect(call: ApiCall) -> Response {
    let caller = call.as_call().caller;
    let authentication_scope =
        AuthenticationScope { account_id: caller.account().to_string(), workspace_id: caller.workspace.id.0 };
    ok(&Introspection { principal_context: PrincipalContext { authentication_scope } })
}
