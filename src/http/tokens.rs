//! `/api/2.0/token/*`: a principal's own tokens. See docs/reference/tokens.md#token-routes.

use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::domain::tokens::{Token, TokenRequest, TokenUpdate};
use crate::domain::{Denial, TokenId};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::extract::{ApiCall, Body, Segments, ok, parse_object};

/// `PublicTokenInfo`. `comment` is always there, because some clients require the member; an absent expiry is -1.
/// See docs/reference/tokens.md#token-fields.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TokenInfo<'a> {
    token_id: &'a str,
    creation_time: i64,
    expiry_time: i64,
    comment: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    autoscope_state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inferred_scopes: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backfill_scopes: Option<&'a [String]>,
}

impl<'a> From<&'a Token> for TokenInfo<'a> {
    fn from(token: &'a Token) -> Self {
        Self {
            token_id: token.id.as_str(),
            creation_time: token.creation_time.0,
            expiry_time: token.expiry_time.map_or(-1, |expiry| expiry.0),
            comment: &token.comment,
            scopes: token.scopes.as_deref(),
            autoscope_state: token.autoscope_state.as_deref(),
            inferred_scopes: token.inferred_scopes.as_deref(),
            backfill_scopes: token.backfill_scopes.as_deref(),
        }
    }
}

/// The body of `tokens.create` and `tokenManagement.createOboToken`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct CreateToken {
    /// The service principal that is to own the token; only token management reads it.
    pub(super) application_id: Option<String>,
    lifetime_seconds: Option<i64>,
    comment: Option<String>,
    scopes: Option<Vec<String>>,
    autoscope_enabled: Option<bool>,
}

impl From<CreateToken> for TokenRequest {
    fn from(body: CreateToken) -> Self {
        Self {
            lifetime_seconds: body.lifetime_seconds,
            comment: body.comment,
            scopes: body.scopes,
            autoscope_enabled: body.autoscope_enabled,
        }
    }
}

/// Reads the body of a creation again, for the journal.
pub fn token_request(body: &[u8]) -> Result<TokenRequest, Denial> {
    parse_object::<CreateToken>(body).map(TokenRequest::from)
}

/// A new token with its value, which no other answer shows.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Created{I}")]
pub(super) struct CreatedToken<'a, I> {
    pub(super) token_value: &'a str,
    pub(super) token_info: I,
}

pub async fn create(
    State(app): State<App>,
    call: ApiCall,
    Body(body): Body<CreateToken>,
) -> Result<Response, ApiError> {
    let (value, token) = app.service.create_token(call.as_call(), &body.into()).await?;
    Ok(ok(&CreatedToken { token_value: value.reveal(), token_info: TokenInfo::from(&token) }))
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TokenInfos<'a> {
    token_infos: Vec<TokenInfo<'a>>,
}

pub async fn list(State(app): State<App>, call: ApiCall) -> Result<Response, ApiError> {
    let tokens = app.service.own_tokens(call.as_call()).await?;
    Ok(ok(&TokenInfos { token_infos: tokens.iter().map(TokenInfo::from).collect() }))
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct DeleteToken {
    token_id: Option<String>,
}

pub async fn delete(
    State(app): State<App>,
    call: ApiCall,
    Body(body): Body<DeleteToken>,
) -> Result<Response, ApiError> {
    let id = body.token_id.filter(|id| !id.is_empty()).ok_or_else(|| Denial::parameter("token_id is required."))?;
    app.service.revoke_own_token(call.as_call(), &TokenId::from_text(id)).await?;
    Ok(ok(&json!({})))
}

/// The body of both update endpoints.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct UpdateToken {
    token: Option<UpdatedToken>,
    update_mask: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
struct UpdatedToken {
    comment: Option<String>,
    scopes: Option<Vec<String>>,
}

impl TryFrom<UpdateToken> for TokenUpdate {
    type Error = Denial;

    fn try_from(body: UpdateToken) -> Result<Self, Denial> {
        let token = body.token.unwrap_or_default();
        Self::plan(token.comment.as_deref(), token.scopes.as_deref(), body.update_mask.as_deref().unwrap_or_default())
    }
}

pub async fn update(
    State(app): State<App>,
    call: ApiCall,
    Segments(id): Segments<String>,
    Body(body): Body<UpdateToken>,
) -> Result<Response, ApiError> {
    app.service.update_own_token(call.as_call(), &TokenId::from_text(id), body.try_into()?).await?;
    Ok(ok(&json!({})))
}
