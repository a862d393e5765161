//! `/api/2.0/permissions/authorization/tokens`: who may use tokens. See docs/reference/governance.md#permissions.

use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::App;
use super::error::ApiError;
use super::extract::{ApiCall, Body, ok};
use crate::domain::Denial;
use crate::domain::access::PermissionLevel;
use crate::domain::identities::{Principal, PrincipalKind};
use crate::domain::permissions::{ChangeMode, MAX_ENTRIES, RequestedEntry};

pub async fn get(State(app): State<App>, call: ApiCall) -> Result<Response, ApiError> {
    Ok(render(&app.service.token_permissions(call.as_call()).await?))
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct ChangeList {
    access_control_list: Option<Vec<RequestedEntry>>,
}

pub async fn put(State(app): State<App>, call: ApiCall, Body(body): Body<ChangeList>) -> Result<Response, ApiError> {
    change(&app, &call, body, ChangeMode::Replace).await
}

pub async fn patch(State(app): State<App>, call: ApiCall, Body(body): Body<ChangeList>) -> Result<Response, ApiError> {
    change(&app, &call, body, ChangeMode::Merge).await
}

async fn change(app: &App, call: &ApiCall, body: ChangeList, mode: ChangeMode) -> Result<Response, ApiError> {
    let requested = body.access_control_list.unwrap_or_default();
    if requested.len() > MAX_ENTRIES {
        let sentence = format!("access_control_list: at most {MAX_ENTRIES} entries are allowed.");
        return Err(Denial::parameter(sentence).into());
    }
    Ok(render(&app.service.change_token_permissions(call.as_call(), &requested, mode).await?))
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PermissionLevels {
    permission_levels: [PermissionLevelInfo; 2],
}

#[derive(Debug, Serialize, JsonSchema)]
struct PermissionLevelInfo {
    permission_level: &'static str,
    description: &'static str,
}

pub async fn levels() -> Response {
    let permission_levels = PermissionLevel::ALL.map(|level| PermissionLevelInfo {
        permission_level: level.as_str(),
        description: match level {
            PermissionLevel::CanUse => "Can create, use and revoke own personal access tokens",
            PermissionLevel::CanManage => "Can manage the personal access tokens of all users",
        },
    });
    ok(&PermissionLevels { permission_levels })
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TokenPermissions<'a> {
    object_id: &'static str,
    object_type: &'static str,
    access_control_list: Vec<AccessControlEntry<'a>>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
struct AccessControlEntry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_principal_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<&'a str>,
    all_permissions: Vec<HeldLevel>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct HeldLevel {
    permission_level: &'static str,
    inherited: bool,
}

impl HeldLevel {
    fn direct(level: PermissionLevel) -> Self {
        Self { permission_level: level.as_str(), inherited: false }
    }
}

fn render(entries: &[(Principal, PermissionLevel)]) -> Response {
    let mut list: Vec<AccessControlEntry<'_>> =
        entries.iter().map(|(principal, level)| entry(principal, *level)).collect();
    // Not in the store, because nobody can take it from the admins.
    list.push(AccessControlEntry {
        group_name: Some("admins"),
        all_permissions: vec![HeldLevel::direct(PermissionLevel::CanManage)],
        ..AccessControlEntry::default()
    });
    ok(&TokenPermissions { object_id: "/authorization/tokens", object_type: "tokens", access_control_list: list })
}

fn entry(principal: &Principal, level: PermissionLevel) -> AccessControlEntry<'_> {
    let all_permissions = vec![HeldLevel::direct(level)];
    let mut entry = AccessControlEntry { all_permissions, ..AccessControlEntry::default() };
    let (name, display) = (Some(principal.name.as_str()), Some(principal.display_name.as_str()));
    match principal.kind {
        PrincipalKind::User => (entry.user_name, entry.display_name) = (name, display),
        PrincipalKind::ServicePrincipal => (entry.service_principal_name, entry.display_name) = (name, display),
        PrincipalKind::Group => entry.group_name = name,
    }
    entry
}
