//! The host metadata, which clients read before they authenticate, and the addresses in it. See
//! docs/reference/identity-and-oauth.md#host-metadata.

use std::convert::Infallible;

use axum::extract::{Extension, FromRequestParts, State};
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::Workspace;
use crate::domain::authorize::NamedWorkspace;
use crate::http::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::extract::ok;
use crate::http::host::{HostType, TargetHost};
use crate::service::issuer_of;
use crate::web::connection::Connection;

/// `oidc_endpoint` is always there, because the Python SDK requires it for client credentials. `workspace_id` is there
/// if the host serves one workspace or the port belongs to one, and `account_id` with it or on an account's host.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(in crate::http) struct HostMetadata {
    oidc_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud: Option<&'static str>,
    host_type: &'static str,
    token_federation_default_oidc_audiences: [String; 1],
}

impl HostMetadata {
    /// On the account's host, or one for the account and its workspaces: access tokens are the account's.
    fn of_account(base: &str, host_type: &'static str, home: &Workspace) -> Self {
        Self {
            oidc_endpoint: issuer_of(base, Some(home.account)),
            account_id: Some(home.account.to_string()),
            cloud: Some(home.behaviour.cloud.as_str()),
            host_type,
            token_federation_default_oidc_audiences: [home.account.to_string()],
            ..Self::default()
        }
    }
}

/// The first call of every current client.
pub async fn host_metadata(
    State(app): State<App>,
    BaseUrl(base): BaseUrl,
    Extension(context): Extension<RequestContext>,
) -> Result<Response, ApiError> {
    let (host, named) = (context.host, &context.credentials.workspace);
    let account = match host {
        TargetHost::Account(account) => Some((account, "account")),
        TargetHost::Workspace if app.host_type == HostType::Unified => Some((None, "unified")),
        TargetHost::Workspace => None,
    };
    if let Some((account, host_type)) = account.filter(|_| host.is_account() || *named == NamedWorkspace::Unnamed) {
        let home = app.service.workspace_of_account(account).await?;
        return Ok(ok(&HostMetadata::of_account(&base, host_type, &home)));
    }
    // Only a workspace's own port names one here; clients do not know any yet.
    let named = match named {
        NamedWorkspace::Id(id) => app.service.find_workspace(*id).await?,
        NamedWorkspace::Unnamed | NamedWorkspace::Unusable(_) => app.service.only_workspace().await?,
    };
    Ok(ok(&HostMetadata {
        oidc_endpoint: issuer_of(&base, None),
        account_id: named.as_ref().map(|workspace| workspace.account.to_string()),
        workspace_id: named.as_ref().map(|workspace| workspace.id.to_string()),
        cloud: named.as_ref().map(|workspace| workspace.behaviour.cloud.as_str()),
        host_type: "workspace",
        token_federation_default_oidc_audiences: [format!("{base}/oidc/v1/token")],
    }))
}

/// The address by which this client reached the server. Containers and their host use different ones.
#[derive(Debug)]
pub struct BaseUrl(pub String);

impl BaseUrl {
    pub fn of(parts: &Parts) -> Self {
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1:3274");
        let scheme = if Connection::of(&parts.extensions).by_tls { "https" } else { "http" };
        Self(format!("{scheme}://{host}"))
    }
}

impl<S: Sync> FromRequestParts<S> for BaseUrl {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

/// The same host with another port.
pub fn at_port(host: &str, port: u16) -> String {
    let (scheme, rest) = host.split_once("://").unwrap_or(("http", host));
    let name = match rest.rsplit_once(':') {
        Some((name, digits)) if digits.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => rest,
    };
    format!("{scheme}://{name}:{port}")
}
