//! `/api/2.0/token-management/*`: all tokens of a workspace, for its admins. See
//! docs/reference/tokens.md#token-management.

use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::App;
use super::error::ApiError;
use super::extract::{ApiCall, Arguments, Body, Segments, ok};
use crate::domain::tokens::Token;
use crate::domain::{Denial, TokenId};
use crate::http::tokens::{CreateToken, CreatedToken, TokenInfo, UpdateToken};

/// `TokenInfo`: what the owner sees, and who created the token, for whom and where.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ManagedTokenInfo<'a> {
    #[serde(flatten)]
    public: TokenInfo<'a>,
    created_by_id: i64,
    created_by_username: &'a str,
    owner_id: i64,
    workspace_id: i64,
    /// Midnight UTC of the day of the last use; absent if there was none \[inferred\].
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_day: Option<i64>,
}

impl<'a> From<&'a Token> for ManagedTokenInfo<'a> {
    fn from(token: &'a Token) -> Self {
        Self {
            public: TokenInfo::from(token),
            created_by_id: token.created_by.0,
            created_by_username: &token.created_by_username,
            owner_id: token.owner.0,
            workspace_id: token.workspace.0,
            last_used_day: token.last_used.map(|used| used.start_of_utc_day().0),
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ManagedTokenInfos<'a> {
    token_infos: Vec<ManagedTokenInfo<'a>>,
}

pub async fn list(State(app): State<App>, call: ApiCall, arguments: Arguments) -> Result<Response, ApiError> {
    let (created_by, username) = (arguments.id("created_by_id")?, arguments.text("created_by_username")?);
    let tokens = app.service.managed_tokens(call.as_call(), created_by, username.as_deref()).await?;
    Ok(ok(&ManagedTokenInfos { token_infos: tokens.iter().map(ManagedTokenInfo::from).collect() }))
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ManagedToken<'a> {
    token_info: ManagedTokenInfo<'a>,
}

pub async fn get(State(app): State<App>, call: ApiCall, Segments(id): Segments<String>) -> Result<Response, ApiError> {
    let token = app.service.managed_token(call.as_call(), &TokenId::from_text(id)).await?;
    Ok(ok(&ManagedToken { token_info: ManagedTokenInfo::from(&token) }))
}

pub async fn delete(
    State(app): State<App>,
    call: ApiCall,
    Segments(id): Segments<String>,
) -> Result<Response, ApiError> {
    app.service.revoke_managed_token(call.as_call(), &TokenId::from_text(id)).await?;
    Ok(ok(&json!({})))
}

pub async fn update(
    State(app): State<App>,
    call: ApiCall,
    Segments(id): Segments<String>,
    Body(body): Body<UpdateToken>,
) -> Result<Response, ApiError> {
    let id = TokenId::from_text(id);
    let token = app.service.update_managed_token(call.as_call(), &id, body.try_into()?).await?;
    Ok(ok(&ManagedTokenInfo::from(&token)))
}

pub async fn create_on_behalf_of(
    State(app): State<App>,
    call: ApiCall,
    Body(mut body): Body<CreateToken>,
) -> Result<Response, ApiError> {
    let application = body.application_id.take().filter(|id| !id.is_empty());
    let application = application.ok_or_else(|| Denial::parameter("application_id is required."))?;
    let (value, token) = app.service.create_on_behalf_of(call.as_call(), &application, &body.into()).await?;
    Ok(ok(&CreatedToken { token_value: value.reveal(), token_info: ManagedTokenInfo::from(&token) }))
}
