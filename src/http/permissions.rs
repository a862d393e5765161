//! `/api/2.0/permissions/authorization/tokens`: who may use tokens (spec §5).

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::error::ApiError;
use super::extract::{Body, Called, ok};
use crate::domain::access::PermissionLevel;
use crate::domain::identity::{Principal, PrincipalKind};
use crate::domain::permissions::{ChangeMode, RequestedEntry};

/// `tokenManagement.getPermissions`
pub async fn get(State(app): State<App>, called: Called) -> Result<Response, ApiError> {
    Ok(render(&app.service.token_permissions(called.call()).await?))
}

/// The body of a change.
#[derive(Debug, Deserialize)]
pub struct ChangeList {
    access_control_list: Option<Vec<RequestedEntry>>,
}

/// `tokenManagement.setPermissions`
pub async fn put(State(app): State<App>, called: Called, Body(body): Body<ChangeList>) -> Result<Response, ApiError> {
    change(&app, &called, body, ChangeMode::Replace).await
}

/// `tokenManagement.updatePermissions`
pub async fn patch(State(app): State<App>, called: Called, Body(body): Body<ChangeList>) -> Result<Response, ApiError> {
    change(&app, &called, body, ChangeMode::Merge).await
}

async fn change(app: &App, called: &Called, body: ChangeList, mode: ChangeMode) -> Result<Response, ApiError> {
    let requested = body.access_control_list.unwrap_or_default();
    Ok(render(&app.service.change_token_permissions(called.call(), &requested, mode).await?))
}

/// `tokenManagement.getPermissionLevels`
pub async fn levels() -> Response {
    let levels = PermissionLevel::ALL.map(|level| {
        let description = match level {
            PermissionLevel::CanUse => "Can create, use and revoke own personal access tokens",
            PermissionLevel::CanManage => "Can manage the personal access tokens of all users",
        };
        json!({ "permission_level": level.as_str(), "description": description })
    });
    ok(&json!({ "permission_levels": levels }))
}

fn render(entries: &[(Principal, PermissionLevel)]) -> Response {
    let mut list: Vec<Value> = entries.iter().map(|(principal, level)| entry(principal, *level)).collect();
    // Nobody can take it from them, so it is an inheritance and not an entry.
    list.push(json!({
        "group_name": "admins",
        "all_permissions": [{
            "permission_level": PermissionLevel::CanManage.as_str(),
            "inherited": true,
            "inherited_from_object": ["/authorization/"],
        }],
    }));
    ok(&json!({ "object_id": "/authorization/tokens", "object_type": "tokens", "access_control_list": list }))
}

fn entry(principal: &Principal, level: PermissionLevel) -> Value {
    let permissions = json!([{ "permission_level": level.as_str(), "inherited": false }]);
    let (name, display) = (&principal.name, &principal.display_name);
    match principal.kind {
        PrincipalKind::User => json!({ "user_name": name, "display_name": display, "all_permissions": permissions }),
        PrincipalKind::ServicePrincipal => {
            json!({ "service_principal_name": name, "display_name": display, "all_permissions": permissions })
        }
        PrincipalKind::Group => json!({ "group_name": name, "all_permissions": permissions }),
    }
}
