//! The account's workspaces and who is assigned to them. The account's principals are in `scim`. See
//! docs/reference/identity-and-oauth.md#account-api.

use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::App;
use super::error::ApiError;
use super::extract::{ApiCall, Body, Segments, ok};
use crate::domain::identities::{Principal, PrincipalKind, WorkspacePermission};
use crate::domain::settings::{Cloud, Tier};
use crate::domain::{Denial, PrincipalId, Workspace, WorkspaceId};

/// The region of every workspace on AWS; no rule reads it.
const REGION: &str = "us-west-2";

#[derive(Debug, Deserialize)]
pub struct PathSegments {
    #[serde(rename = "account_id")]
    account: String,
    #[serde(rename = "workspace_id")]
    workspace: Option<String>,
    #[serde(rename = "principal_id")]
    principal: Option<String>,
}

impl PathSegments {
    fn workspace(&self) -> Result<WorkspaceId, Denial> {
        let id = self.workspace.as_deref().and_then(WorkspaceId::parse);
        id.ok_or_else(|| Denial::parameter("The workspace's id is a number."))
    }

    fn principal(&self) -> Result<PrincipalId, Denial> {
        let id = self.principal.as_deref().and_then(PrincipalId::parse);
        id.ok_or_else(|| Denial::parameter("The principal's id is the number that SCIM gives it."))
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct WorkspaceInfo<'a> {
    account_id: String,
    workspace_id: i64,
    workspace_name: &'a str,
    deployment_name: &'a str,
    workspace_status: &'static str,
    workspace_status_message: &'static str,
    creation_time: i64,
    pricing_tier: &'static str,
    cloud: &'static str,
    #[serde(flatten)]
    location: Location,
}

/// Each cloud has its own word for the region.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum Location {
    Aws { aws_region: &'static str },
    Elsewhere { location: &'static str },
}

impl<'a> From<&'a Workspace> for WorkspaceInfo<'a> {
    fn from(workspace: &'a Workspace) -> Self {
        let (cloud, location) = match workspace.behaviour.cloud {
            Cloud::Aws => ("aws", Location::Aws { aws_region: REGION }),
            Cloud::Azure => ("azure", Location::Elsewhere { location: "westeurope" }),
            Cloud::Gcp => ("gcp", Location::Elsewhere { location: "us-central1" }),
        };
        Self {
            account_id: workspace.account.to_string(),
            workspace_id: workspace.id.0,
            workspace_name: &workspace.name,
            deployment_name: &workspace.deployment_name,
            workspace_status: "RUNNING",
            workspace_status_message: "Workspace is running.",
            creation_time: workspace.created_at.0,
            pricing_tier: match workspace.behaviour.tier {
                Tier::Premium => "PREMIUM",
                Tier::Standard => "STANDARD",
            },
            cloud,
            location,
        }
    }
}

/// Answers a bare array.
pub async fn list_workspaces(
    State(app): State<App>,
    call: ApiCall,
    Segments(segments): Segments<PathSegments>,
) -> Result<Response, ApiError> {
    call.in_own_account(&segments.account)?;
    let workspaces = app.service.account_workspaces(call.as_call()).await?;
    Ok(ok(&workspaces.iter().map(WorkspaceInfo::from).collect::<Vec<_>>()))
}

pub async fn get_workspace(
    State(app): State<App>,
    call: ApiCall,
    Segments(segments): Segments<PathSegments>,
) -> Result<Response, ApiError> {
    call.in_own_account(&segments.account)?;
    let workspace = app.service.account_workspace(call.as_call(), segments.workspace()?).await?;
    Ok(ok(&WorkspaceInfo::from(&workspace)))
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AssignmentInfo<'a> {
    principal: PrincipalInfo<'a>,
    permissions: Vec<&'static str>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct PrincipalInfo<'a> {
    principal_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_principal_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_name: Option<&'a str>,
    display_name: &'a str,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AssignmentList<'a> {
    permission_assignments: Vec<AssignmentInfo<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AssignablePermissions {
    permissions: Vec<AssignablePermission>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct AssignablePermission {
    permission_level: &'static str,
    description: &'static str,
}

fn assignment(principal: &Principal, permission: Option<WorkspacePermission>) -> AssignmentInfo<'_> {
    let named = |kind| (principal.kind == kind).then_some(principal.name.as_str());
    AssignmentInfo {
        principal: PrincipalInfo {
            principal_id: principal.id.0,
            user_name: named(PrincipalKind::User),
            service_principal_name: named(PrincipalKind::ServicePrincipal),
            group_name: named(PrincipalKind::Group),
            display_name: &principal.display_name,
        },
        permissions: permission.map(WorkspacePermission::as_str).into_iter().collect(),
    }
}

pub async fn list_assignments(
    State(app): State<App>,
    call: ApiCall,
    Segments(segments): Segments<PathSegments>,
) -> Result<Response, ApiError> {
    call.in_own_account(&segments.account)?;
    let assigned = app.service.assignments(call.as_call(), segments.workspace()?).await?;
    let assigned = assigned.iter().map(|(principal, permission)| assignment(principal, Some(*permission)));
    Ok(ok(&AssignmentList { permission_assignments: assigned.collect() }))
}

/// The permissions that can be assigned.
pub async fn permissions(
    State(app): State<App>,
    call: ApiCall,
    Segments(segments): Segments<PathSegments>,
) -> Result<Response, ApiError> {
    call.in_own_account(&segments.account)?;
    app.service.account_workspace(call.as_call(), segments.workspace()?).await?;
    let permissions = WorkspacePermission::ALL
        .iter()
        .map(|(permission, description)| AssignablePermission { permission_level: permission.as_str(), description });
    Ok(ok(&AssignablePermissions { permissions: permissions.collect() }))
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct NewAssignment {
    permissions: Option<Vec<String>>,
}

pub async fn assign(
    State(app): State<App>,
    call: ApiCall,
    Segments(segments): Segments<PathSegments>,
    Body(body): Body<NewAssignment>,
) -> Result<Response, ApiError> {
    call.in_own_account(&segments.account)?;
    let permission = WorkspacePermission::requested(&body.permissions.unwrap_or_default());
    let (workspace, principal) = (segments.workspace()?, segments.principal()?);
    let principal = app.service.assign(call.as_call(), workspace, principal, permission).await?;
    Ok(ok(&assignment(&principal, permission)))
}

/// Succeeds even if the principal is not assigned \[inferred\].
pub async fn unassign(
    State(app): State<App>,
    call: ApiCall,
    Segments(segments): Segments<PathSegments>,
) -> Result<Response, ApiError> {
    call.in_own_account(&segments.account)?;
    app.service.assign(call.as_call(), segments.workspace()?, segments.principal()?, None).await?;
    Ok(ok(&json!({})))
}
