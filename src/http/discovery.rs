//! What clients ask before they authenticate (spec §2, research/api-identity-auth.md §2).

use std::convert::Infallible;

use axum::extract::{FromRequestParts, State};
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use super::App;
use super::credential::named_workspace;
use super::error::ApiError;
use super::exchange::ByTls;
use super::extract::ok;
use crate::domain::authorize::NamedWorkspace;

/// The host metadata. `oidc_endpoint` is always there, without which the Python SDK cannot do client
/// credentials; ids only while the host serves one workspace, or on a port that is one's own.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct HostMetadata {
    oidc_endpoint: String,
    #[serde(flatten)]
    only_workspace: Option<NamedInMetadata>,
    host_type: &'static str,
    token_federation_default_oidc_audiences: [String; 1],
}

#[derive(Debug, Serialize, JsonSchema)]
struct NamedInMetadata {
    account_id: String,
    workspace_id: String,
    cloud: &'static str,
}

/// `GET /.well-known/databricks-config`: the first call of every current client; open, and never
/// limited, delayed or faulted.
pub async fn host_metadata(
    State(app): State<App>,
    BaseUrl(base): BaseUrl,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    // Only the port of a workspace names one here; clients know of none yet.
    let named = match named_workspace(&headers, &uri) {
        NamedWorkspace::Id(id) => app.service.find_workspace(id).await?,
        NamedWorkspace::Unnamed | NamedWorkspace::Unusable(_) => app.service.only_workspace().await?,
    };
    let only_workspace = named.map(|workspace| NamedInMetadata {
        account_id: workspace.account.to_string(),
        workspace_id: workspace.id.to_string(),
        cloud: workspace.behaviour.cloud.as_str(),
    });
    Ok(ok(&HostMetadata {
        oidc_endpoint: format!("{base}/oidc"),
        only_workspace,
        host_type: "workspace",
        token_federation_default_oidc_audiences: [format!("{base}/oidc/v1/token")],
    }))
}

/// The address by which this client reached the server: containers and hosts use different ones.
#[derive(Debug)]
pub struct BaseUrl(pub String);

impl BaseUrl {
    /// That of a request.
    pub fn of(parts: &Parts) -> Self {
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1:3274");
        let scheme = if parts.extensions.get::<ByTls>().is_some() { "https" } else { "http" };
        Self(format!("{scheme}://{host}"))
    }
}

impl<S: Sync> FromRequestParts<S> for BaseUrl {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}
