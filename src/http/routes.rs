//! The route table: one row a route. It feeds the router, and everything that speaks about routes.

use axum::http::Method;
use axum::routing::{MethodRouter, delete, get, patch, post, put};

use super::{
    App, discovery, health, oidc, permissions, scim, secrets, settings, token, token_management, workspace_conf,
};
use crate::domain::authorize::{Demand, Right};
use crate::domain::denial::Feature;
use crate::domain::fault::path_fits;
use crate::domain::identity::PrincipalKind;
use crate::domain::scope::{self, EndpointScope};

/// How sure we are that a route behaves as the real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Documented or observed in every point that a client can see.
    Exact,
    /// A part of the real route.
    Partial,
    /// The mock's own; the real service has no such route.
    Own,
}

/// A route.
#[derive(Debug)]
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path, in axum's syntax.
    pub path: &'static str,
    /// The operation's name in the Databricks reference, or ours.
    pub operation: &'static str,
    /// What it demands of the caller and of a scoped token.
    pub demand: Demand,
    /// How faithful it is.
    pub level: Level,
    /// Makes its handler.
    pub handler: fn() -> MethodRouter<App>,
}

impl Route {
    /// Whether it is one of OAuth's that a client goes through: open, and yet with faults.
    pub fn is_oauth_endpoint(&self) -> bool {
        self.path.starts_with("/oidc/") && (self.path.ends_with("/token") || self.path.ends_with("/authorize"))
    }

    /// Whether it creates a token.
    pub fn creates_token(&self) -> bool {
        matches!(self.operation, "tokens.create" | "tokenManagement.createOboToken")
    }

    /// Service and action by which the audit log tells of it, refused attempts too (governance §4.3).
    pub fn audited_as(&self) -> Option<(&'static str, &'static str)> {
        match self.operation {
            "tokens.create" | "tokenManagement.createOboToken" => Some(("accounts", "generateDbToken")),
            "tokens.delete" | "tokenManagement.delete" => Some(("accounts", "revokeDbToken")),
            "tokens.update" | "tokenManagement.updateTokenManagement" => Some(("accounts", "updateDbToken")),
            "tokenManagement.setPermissions" | "tokenManagement.updatePermissions" => {
                Some(("accounts", "changeDbTokenAcl"))
            }
            "users.create" | "servicePrincipals.create" => Some(("accounts", "add")),
            "users.delete" | "servicePrincipals.delete" => Some(("accounts", "delete")),
            "groups.create" => Some(("accounts", "createGroup")),
            "groups.delete" => Some(("accounts", "removeGroup")),
            "workspaceConf.setStatus" => Some(("workspace", "workspaceConfEdit")),
            "restrictWorkspaceAdmins.update" | "restrictWorkspaceAdmins.delete" => Some(("accounts", "setSetting")),
            _ => None,
        }
    }
}

/// The route of a request, if it has one.
pub fn find(method: &Method, path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.method == *method && path_fits(route.path, path))
}

/// Whether requests to a path, or to a route's path as it is written here, never meet a fault: what clients
/// ask first, health, and whatever is not of the emulated API.
pub fn is_never_faulted(path: &str) -> bool {
    let is_open = |route: &Route| route.demand.right == Right::Open && !route.is_oauth_endpoint();
    path.starts_with("/_mock") || ROUTES.iter().any(|route| is_open(route) && path_fits(route.path, path))
}

const OPEN: Demand = Demand { right: Right::Open, scope: EndpointScope::Any, token_api: false, feature: None };
const ANY_CALLER: Demand = Demand { right: Right::Authenticated, ..OPEN };
const OWN_TOKENS: Demand =
    Demand { right: Right::TokenUser, scope: scope::AUTHENTICATION, token_api: true, feature: None };
const ALL_TOKENS: Demand =
    Demand { right: Right::WorkspaceAdmin, feature: Some(Feature::TokenManagement), ..OWN_TOKENS };
const CONFIGURATION: Demand = Demand { right: Right::WorkspaceAdmin, scope: scope::SETTINGS, ..OPEN };
const RESTRICTION: Demand = Demand { right: Right::AccountAdmin, ..CONFIGURATION };
const READ_PERMISSIONS: Demand = Demand {
    right: Right::Authenticated,
    scope: scope::ACCESS_MANAGEMENT,
    token_api: true,
    feature: Some(Feature::TokenPermissions),
};
const CHANGE_PERMISSIONS: Demand = Demand { right: Right::WorkspaceAdmin, ..READ_PERMISSIONS };
const READ_IDENTITIES: Demand = Demand { right: Right::Authenticated, scope: scope::SCIM, ..OPEN };
const CHANGE_IDENTITIES: Demand = Demand { right: Right::WorkspaceAdmin, ..READ_IDENTITIES };
const ROLES: Demand = Demand { right: Right::WorkspaceAdmin, scope: scope::ACCESS_MANAGEMENT, ..OPEN };
/// Secrets are part of a principal, so their scope is SCIM's \[inferred\].
const SECRETS: Demand = Demand { right: Right::AccountApi, scope: scope::SCIM, ..OPEN };
const SECRETS_PROXY: Demand = Demand { right: Right::WorkspaceAdmin, ..SECRETS };

const fn row(
    method: Method,
    path: &'static str,
    operation: &'static str,
    demand: Demand,
    level: Level,
    handler: fn() -> MethodRouter<App>,
) -> Route {
    Route { method, path, operation, demand, level, handler }
}

/// Every route, emulated or our own.
#[rustfmt::skip] // One row a route.
pub static ROUTES: &[Route] = &[
    row(Method::POST, "/api/2.0/token/create", "tokens.create", OWN_TOKENS, Level::Exact, || post(token::create)),
    row(Method::GET, "/api/2.0/token/list", "tokens.list", OWN_TOKENS, Level::Exact, || get(token::list)),
    row(Method::POST, "/api/2.0/token/delete", "tokens.delete", OWN_TOKENS, Level::Exact, || post(token::delete)),
    row(Method::PATCH, "/api/2.0/token/{token_id}", "tokens.update", OWN_TOKENS, Level::Exact, || patch(token::update)),
    row(Method::GET, "/api/2.0/token-management/tokens", "tokenManagement.list", ALL_TOKENS, Level::Exact, || get(token_management::list)),
    row(Method::GET, "/api/2.0/token-management/tokens/{token_id}", "tokenManagement.get", ALL_TOKENS, Level::Exact, || get(token_management::get)),
    row(Method::PATCH, "/api/2.0/token-management/tokens/{token_id}", "tokenManagement.updateTokenManagement", ALL_TOKENS, Level::Exact, || patch(token_management::update)),
    row(Method::DELETE, "/api/2.0/token-management/tokens/{token_id}", "tokenManagement.delete", ALL_TOKENS, Level::Exact, || delete(token_management::delete)),
    row(Method::POST, "/api/2.0/token-management/on-behalf-of/tokens", "tokenManagement.createOboToken", ALL_TOKENS, Level::Exact, || post(token_management::create_on_behalf_of)),
    row(Method::GET, "/api/2.0/workspace-conf", "workspaceConf.getStatus", CONFIGURATION, Level::Exact, || get(workspace_conf::get_status)),
    row(Method::PATCH, "/api/2.0/workspace-conf", "workspaceConf.setStatus", CONFIGURATION, Level::Exact, || patch(workspace_conf::set_status)),
    row(Method::GET, "/api/2.0/preview/workspace-conf", "workspaceConf.getStatus", CONFIGURATION, Level::Exact, || get(workspace_conf::get_status)),
    row(Method::PATCH, "/api/2.0/preview/workspace-conf", "workspaceConf.setStatus", CONFIGURATION, Level::Exact, || patch(workspace_conf::set_status)),
    row(Method::GET, "/api/2.0/permissions/authorization/tokens", "tokenManagement.getPermissions", READ_PERMISSIONS, Level::Exact, || get(permissions::get)),
    row(Method::PUT, "/api/2.0/permissions/authorization/tokens", "tokenManagement.setPermissions", CHANGE_PERMISSIONS, Level::Exact, || put(permissions::put)),
    row(Method::PATCH, "/api/2.0/permissions/authorization/tokens", "tokenManagement.updatePermissions", CHANGE_PERMISSIONS, Level::Exact, || patch(permissions::patch)),
    row(Method::GET, "/api/2.0/permissions/authorization/tokens/permissionLevels", "tokenManagement.getPermissionLevels", READ_PERMISSIONS, Level::Exact, || get(permissions::levels)),
    row(Method::GET, "/api/2.0/settings/types/restrict_workspace_admins/names/default", "restrictWorkspaceAdmins.get", CONFIGURATION, Level::Exact, || get(settings::get)),
    row(Method::PATCH, "/api/2.0/settings/types/restrict_workspace_admins/names/default", "restrictWorkspaceAdmins.update", RESTRICTION, Level::Exact, || patch(settings::update)),
    row(Method::DELETE, "/api/2.0/settings/types/restrict_workspace_admins/names/default", "restrictWorkspaceAdmins.delete", RESTRICTION, Level::Exact, || delete(settings::delete)),
    row(Method::GET, "/api/2.0/preview/accounts/access-control/rule-sets", "accountAccessControlProxy.getRuleSet", ROLES, Level::Partial, || get(settings::get_rule_set)),
    row(Method::PUT, "/api/2.0/preview/accounts/access-control/rule-sets", "accountAccessControlProxy.updateRuleSet", ROLES, Level::Partial, || put(settings::update_rule_set)),
    row(Method::GET, "/api/2.0/preview/scim/v2/Me", "currentUser.me", ANY_CALLER, Level::Exact, || get(scim::me)),
    row(Method::GET, "/api/2.0/preview/scim/v2/Users", "users.list", READ_IDENTITIES, Level::Partial, || scim::list(PrincipalKind::User)),
    row(Method::POST, "/api/2.0/preview/scim/v2/Users", "users.create", CHANGE_IDENTITIES, Level::Partial, || scim::create(PrincipalKind::User)),
    row(Method::GET, "/api/2.0/preview/scim/v2/Users/{id}", "users.get", READ_IDENTITIES, Level::Partial, || scim::get(PrincipalKind::User)),
    row(Method::PUT, "/api/2.0/preview/scim/v2/Users/{id}", "users.update", CHANGE_IDENTITIES, Level::Partial, || scim::replace(PrincipalKind::User)),
    row(Method::PATCH, "/api/2.0/preview/scim/v2/Users/{id}", "users.patch", CHANGE_IDENTITIES, Level::Partial, || scim::patch(PrincipalKind::User)),
    row(Method::DELETE, "/api/2.0/preview/scim/v2/Users/{id}", "users.delete", CHANGE_IDENTITIES, Level::Partial, || scim::delete(PrincipalKind::User)),
    row(Method::GET, "/api/2.0/preview/scim/v2/Groups", "groups.list", READ_IDENTITIES, Level::Partial, || scim::list(PrincipalKind::Group)),
    row(Method::POST, "/api/2.0/preview/scim/v2/Groups", "groups.create", CHANGE_IDENTITIES, Level::Partial, || scim::create(PrincipalKind::Group)),
    row(Method::GET, "/api/2.0/preview/scim/v2/Groups/{id}", "groups.get", READ_IDENTITIES, Level::Partial, || scim::get(PrincipalKind::Group)),
    row(Method::PUT, "/api/2.0/preview/scim/v2/Groups/{id}", "groups.update", CHANGE_IDENTITIES, Level::Partial, || scim::replace(PrincipalKind::Group)),
    row(Method::PATCH, "/api/2.0/preview/scim/v2/Groups/{id}", "groups.patch", CHANGE_IDENTITIES, Level::Partial, || scim::patch(PrincipalKind::Group)),
    row(Method::DELETE, "/api/2.0/preview/scim/v2/Groups/{id}", "groups.delete", CHANGE_IDENTITIES, Level::Partial, || scim::delete(PrincipalKind::Group)),
    row(Method::GET, "/api/2.0/preview/scim/v2/ServicePrincipals", "servicePrincipals.list", READ_IDENTITIES, Level::Partial, || scim::list(PrincipalKind::ServicePrincipal)),
    row(Method::POST, "/api/2.0/preview/scim/v2/ServicePrincipals", "servicePrincipals.create", CHANGE_IDENTITIES, Level::Partial, || scim::create(PrincipalKind::ServicePrincipal)),
    row(Method::GET, "/api/2.0/preview/scim/v2/ServicePrincipals/{id}", "servicePrincipals.get", READ_IDENTITIES, Level::Partial, || scim::get(PrincipalKind::ServicePrincipal)),
    row(Method::PUT, "/api/2.0/preview/scim/v2/ServicePrincipals/{id}", "servicePrincipals.update", CHANGE_IDENTITIES, Level::Partial, || scim::replace(PrincipalKind::ServicePrincipal)),
    row(Method::PATCH, "/api/2.0/preview/scim/v2/ServicePrincipals/{id}", "servicePrincipals.patch", CHANGE_IDENTITIES, Level::Partial, || scim::patch(PrincipalKind::ServicePrincipal)),
    row(Method::DELETE, "/api/2.0/preview/scim/v2/ServicePrincipals/{id}", "servicePrincipals.delete", CHANGE_IDENTITIES, Level::Partial, || scim::delete(PrincipalKind::ServicePrincipal)),
    row(Method::GET, "/.well-known/databricks-config", "hostMetadata", OPEN, Level::Exact, || get(discovery::host_metadata)),
    row(Method::GET, "/oidc/.well-known/oauth-authorization-server", "oauth.metadata", OPEN, Level::Partial, || get(oidc::metadata)),
    row(Method::GET, "/oidc/.well-known/openid-configuration", "oauth.openidConfiguration", OPEN, Level::Partial, || get(oidc::metadata)),
    row(Method::GET, "/oidc/accounts/{account_id}/.well-known/oauth-authorization-server", "oauth.accountMetadata", OPEN, Level::Partial, || get(oidc::account_metadata)),
    row(Method::GET, "/oidc/accounts/{account_id}/.well-known/openid-configuration", "oauth.accountOpenidConfiguration", OPEN, Level::Partial, || get(oidc::account_metadata)),
    row(Method::GET, "/oidc/jwks.json", "oauth.jwks", OPEN, Level::Exact, || get(oidc::jwks)),
    row(Method::GET, "/oidc/accounts/{account_id}/jwks.json", "oauth.accountJwks", OPEN, Level::Exact, || get(oidc::account_jwks)),
    row(Method::POST, "/oidc/v1/token", "oauth.token", OPEN, Level::Partial, || post(oidc::token)),
    row(Method::POST, "/oidc/accounts/{account_id}/v1/token", "oauth.accountToken", OPEN, Level::Partial, || post(oidc::account_token)),
    row(Method::POST, "/api/2.0/accounts/servicePrincipals/{sp_id}/credentials/secrets", "servicePrincipalSecretsProxy.create", SECRETS_PROXY, Level::Partial, || post(secrets::create)),
    row(Method::GET, "/api/2.0/accounts/servicePrincipals/{sp_id}/credentials/secrets", "servicePrincipalSecretsProxy.list", SECRETS_PROXY, Level::Partial, || get(secrets::list)),
    row(Method::DELETE, "/api/2.0/accounts/servicePrincipals/{sp_id}/credentials/secrets/{secret_id}", "servicePrincipalSecretsProxy.delete", SECRETS_PROXY, Level::Partial, || delete(secrets::delete)),
    row(Method::POST, "/api/2.0/accounts/{account_id}/servicePrincipals/{sp_id}/credentials/secrets", "servicePrincipalSecrets.create", SECRETS, Level::Partial, || post(secrets::create)),
    row(Method::GET, "/api/2.0/accounts/{account_id}/servicePrincipals/{sp_id}/credentials/secrets", "servicePrincipalSecrets.list", SECRETS, Level::Partial, || get(secrets::list)),
    row(Method::DELETE, "/api/2.0/accounts/{account_id}/servicePrincipals/{sp_id}/credentials/secrets/{secret_id}", "servicePrincipalSecrets.delete", SECRETS, Level::Partial, || delete(secrets::delete)),
    row(Method::GET, "/livez", "livez", OPEN, Level::Own, || get(health::live)),
    row(Method::GET, "/readyz", "readyz", OPEN, Level::Own, || get(health::ready)),
    row(Method::GET, "/health", "health", OPEN, Level::Own, || get(health::summary)),
];
