//! The account's workspaces and who is assigned to them (research/api-identity-auth.md §8.3). Principals
//! of the account are `scim`'s.

use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::App;
use super::error::ApiError;
use super::extract::{Body, Called, Segments, ok};
use crate::domain::identities::{Principal, PrincipalKind, WorkspacePermission};
use crate::domain::settings::{Cloud, Tier};
use crate::domain::{Denial, PrincipalId, Workspace, WorkspaceId};

/// Where every workspace is said to be: nobody's region, and no rule reads it.
const REGION: &str = "us-west-2";

/// The variable segments of the paths.
#[derive(Debug, Deserialize)]
pub struct Target {
    #[serde(rename = "account_id")]
    account: String,
    #[serde(rename = "workspace_id")]
    workspace: Option<String>,
    #[serde(rename = "principal_id")]
    principal: Option<String>,
}

impl Target {
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
    place: Place,
}

/// Where it is, as each cloud says it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum Place {
    Aws { aws_region: &'static str },
    Elsewhere { location: &'static str },
}

impl<'a> From<&'a Workspace> for WorkspaceInfo<'a> {
    fn from(workspace: &'a Workspace) -> Self {
        let (cloud, place) = match workspace.behaviour.cloud {
            Cloud::Aws => ("aws", Place::Aws { aws_region: REGION }),
            Cloud::Azure => ("azure", Place::Elsewhere { location: "westeurope" }),
            Cloud::Gcp => ("gcp", Place::Elsewhere { location: "us-central1" }),
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
            place,
        }
    }
}

/// `workspaces.list`: a bare array.
pub async fn list_workspaces(
    State(app): State<App>,
    called: Called,
    Segments(target): Segments<Target>,
) -> Result<Response, ApiError> {
    called.in_own_account(&target.account)?;
    let workspaces = app.service.account_workspaces(called.call()).await?;
    Ok(ok(&workspaces.iter().map(WorkspaceInfo::from).collect::<Vec<_>>()))
}

/// `workspaces.get`
pub async fn get_workspace(
    State(app): State<App>,
    called: Called,
    Segments(target): Segments<Target>,
) -> Result<Response, ApiError> {
    called.in_own_account(&target.account)?;
    let workspace = app.service.account_workspace(called.call(), target.workspace()?).await?;
    Ok(ok(&WorkspaceInfo::from(&workspace)))
}

/// Who is assigned, and as what.
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

/// The assignments of a workspace.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AssignmentList<'a> {
    permission_assignments: Vec<AssignmentInfo<'a>>,
}

/// What there is to assign.
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

/// `workspaceAssignment.list`
pub async fn list_assignments(
    State(app): State<App>,
    called: Called,
    Segments(target): Segments<Target>,
) -> Result<Response, ApiError> {
    called.in_own_account(&target.account)?;
    let assigned = app.service.assignments(called.call(), target.workspace()?).await?;
    let assigned = assigned.iter().map(|(principal, permission)| assignment(principal, Some(*permission)));
    Ok(ok(&AssignmentList { permission_assignments: assigned.collect() }))
}

/// `workspaceAssignment.get`: what there is to assign.
pub async fn permissions(
    State(app): State<App>,
    called: Called,
    Segments(target): Segments<Target>,
) -> Result<Response, ApiError> {
    called.in_own_account(&target.account)?;
    app.service.account_workspace(called.call(), target.workspace()?).await?;
    let permissions = WorkspacePermission::ALL
        .iter()
        .map(|(permission, description)| AssignablePermission { permission_level: permission.as_str(), description });
    Ok(ok(&AssignablePermissions { permissions: permissions.collect() }))
}

/// The body of an assignment.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Requested {
    permissions: Option<Vec<String>>,
}

/// `workspaceAssignment.update`
pub async fn assign(
    State(app): State<App>,
    called: Called,
    Segments(target): Segments<Target>,
    Body(body): Body<Requested>,
) -> Result<Response, ApiError> {
    called.in_own_account(&target.account)?;
    let permission = WorkspacePermission::requested(&body.permissions.unwrap_or_default());
    let (workspace, principal) = (target.workspace()?, target.principal()?);
    let principal = app.service.assign(called.call(), workspace, principal, permission).await?;
    Ok(ok(&assignment(&principal, permission)))
}

/// `workspaceAssignment.delete`. Taking away what is not there is no fault \[inferred\].
pub async fn unassign(
    State(app): State<App>,
    called: Called,
    Segments(target): Segments<Target>,
) -> Result<Response, ApiError> {
    called.in_own_account(&target.account)?;
    app.service.assign(called.call(), target.workspace()?, target.principal()?, None).await?;
    Ok(ok(&json!({})))
}
