//! OAuth secrets of service principals: the account's API and its proxy in the workspace, which has no account in its
//! paths. See docs/reference/identity-and-oauth.md#oauth-secrets.

use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::oauth::Secret;
use crate::domain::{AccountId, Denial, PrincipalId};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::extract::{ApiCall, Body, Segments, ok};
use crate::service::SecretOwner;

/// Only the answer to a creation has `secret`.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct SecretInfo<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    secret_hash: &'a str,
    status: &'static str,
    create_time: String,
    update_time: String,
    expire_time: String,
    /// Absent if the secret is valid for all APIs \[inferred\].
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<&'a [String]>,
}

impl<'a> SecretInfo<'a> {
    fn new(secret: &'a Secret, value: Option<&'a str>) -> Self {
        Self {
            id: &secret.id,
            secret: value,
            secret_hash: secret.hash.as_str(),
            status: "ACTIVE",
            create_time: secret.created_at.rfc3339(),
            update_time: secret.created_at.rfc3339(),
            expire_time: secret.expires_at.rfc3339(),
            scopes: secret.scopes.as_deref(),
        }
    }
}

#[derive(Debug, Deserialize)]
pub struct PathSegments {
    #[serde(rename = "account_id")]
    account: Option<String>,
    #[serde(rename = "sp_id")]
    principal: String,
    #[serde(rename = "secret_id")]
    secret: Option<String>,
}

impl PathSegments {
    fn account(&self) -> Result<Option<AccountId>, Denial> {
        let Some(text) = &self.account else { return Ok(None) };
        AccountId::parse(text).map(Some).ok_or_else(|| Denial::AccountNotFound(text.clone()))
    }

    fn principal(&self) -> Result<PrincipalId, Denial> {
        PrincipalId::parse(&self.principal)
            .ok_or_else(|| Denial::parameter("The service principal's id is the number that SCIM gives it."))
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct CreateSecret {
    lifetime: Option<String>,
    scopes: Option<Vec<String>>,
}

pub async fn create(
    State(app): State<App>,
    call: ApiCall,
    Segments(segments): Segments<PathSegments>,
    Body(body): Body<CreateSecret>,
) -> Result<Response, ApiError> {
    let (account, principal) = (segments.account()?, segments.principal()?);
    let (lifetime, scopes) = (body.lifetime.as_deref(), body.scopes.as_deref());
    let created =
        app.service.create_secret(call.as_call(), SecretOwner { account, principal }, lifetime, scopes).await?;
    Ok(ok(&SecretInfo::new(&created.secret, Some(created.value.reveal()))))
}

#[derive(Debug, Default, Deserialize)]
struct Paging {
    page_size: Option<usize>,
    page_token: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct SecretList<'a> {
    secrets: Vec<SecretInfo<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

pub async fn list(
    State(app): State<App>,
    call: ApiCall,
    Segments(segments): Segments<PathSegments>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let (account, principal) = (segments.account()?, segments.principal()?);
    let paging = Query::<Paging>::try_from_uri(&uri);
    let Query(Paging { page_size, page_token }) =
        paging.map_err(|_| Denial::parameter("page_size is a number and page_token a text."))?;
    let service = &app.service;
    let (secrets, next_page_token) = service
        .list_secrets(call.as_call(), SecretOwner { account, principal }, page_size, page_token.as_deref())
        .await?;
    let infos = secrets.iter().map(|secret| SecretInfo::new(secret, None)).collect();
    Ok(ok(&SecretList { secrets: infos, next_page_token }))
}

pub async fn delete(
    State(app): State<App>,
    call: ApiCall,
    Segments(segments): Segments<PathSegments>,
) -> Result<Response, ApiError> {
    let (account, principal) = (segments.account()?, segments.principal()?);
    let id = segments.secret.as_deref().unwrap_or_default();
    app.service.delete_secret(call.as_call(), SecretOwner { account, principal }, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
