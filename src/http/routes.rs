//! The route table: one row a route. It feeds the router, and everything that speaks about routes.

use axum::http::Method;
use axum::routing::{MethodRouter, delete, get, patch, post, put};

use super::{
    App, account, discovery, health, oidc, permissions, scim, secrets, settings, sign_in, token, token_management,
    workspace_conf,
};
use crate::domain::authorize::{Demand, Right};
use crate::domain::denial::Feature;
use crate::domain::fault::path_fits;
use crate::domain::identity::Directory::{Account, Workspace};
use crate::domain::identity::PrincipalKind::{Group, ServicePrincipal, User};
use crate::domain::journal::path_distance;
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

    /// Whether it is for orchestrators.
    pub fn is_of_health(&self) -> bool {
        matches!(self.operation, "livez" | "readyz" | "health")
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
            "users.create" | "servicePrincipals.create" | "accountUsers.create" | "accountServicePrincipals.create" => {
                Some(("accounts", "add"))
            }
            "users.delete" | "servicePrincipals.delete" | "accountUsers.delete" | "accountServicePrincipals.delete" => {
                Some(("accounts", "delete"))
            }
            "groups.create" | "accountGroups.create" => Some(("accounts", "createGroup")),
            "groups.delete" | "accountGroups.delete" => Some(("accounts", "removeGroup")),
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

/// The routes that somebody may have meant who asked for one that there is not, nearest first: another method
/// counts as a letter.
pub fn nearest(method: &str, path: &str) -> Vec<&'static Route> {
    let distance = |route: &Route| {
        let other_method = !route.method.as_str().eq_ignore_ascii_case(method);
        path_distance(route.path, path) + usize::from(other_method)
    };
    let mut near: Vec<_> = ROUTES.iter().map(|route| (distance(route), route)).collect();
    near.retain(|(distance, _)| *distance <= 2 + path.len() / 6);
    near.sort_by_key(|(distance, _)| *distance);
    near.into_iter().take(3).map(|(_, route)| route).collect()
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
const ACCOUNT_IDENTITIES: Demand = Demand { right: Right::AccountApi, scope: scope::SCIM, ..OPEN };
/// Secrets are part of a principal, so their scope is SCIM's \[inferred\].
const SECRETS: Demand = ACCOUNT_IDENTITIES;
const SECRETS_PROXY: Demand = Demand { right: Right::WorkspaceAdmin, ..SECRETS };
/// The account through a workspace's address, which takes the token of an account admin
/// (research/api-identity-auth.md §7.1).
const ACCOUNT_IDENTITIES_IN_WORKSPACE: Demand = Demand { right: Right::AccountAdmin, ..ACCOUNT_IDENTITIES };
const ACCOUNT_ASSIGNMENTS: Demand = Demand { scope: scope::ACCESS_MANAGEMENT, ..ACCOUNT_IDENTITIES };
const ACCOUNT_WORKSPACES: Demand = Demand { scope: scope::PROVISIONING, ..ACCOUNT_IDENTITIES };

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
    row(Method::GET, "/api/2.0/preview/scim/v2/Users", "users.list", READ_IDENTITIES, Level::Partial, || scim::list(Workspace, User)),
    row(Method::POST, "/api/2.0/preview/scim/v2/Users", "users.create", CHANGE_IDENTITIES, Level::Partial, || scim::create(Workspace, User)),
    row(Method::GET, "/api/2.0/preview/scim/v2/Users/{id}", "users.get", READ_IDENTITIES, Level::Partial, || scim::get(Workspace, User)),
    row(Method::PUT, "/api/2.0/preview/scim/v2/Users/{id}", "users.update", CHANGE_IDENTITIES, Level::Partial, || scim::replace(Workspace, User)),
    row(Method::PATCH, "/api/2.0/preview/scim/v2/Users/{id}", "users.patch", CHANGE_IDENTITIES, Level::Partial, || scim::patch(Workspace, User)),
    row(Method::DELETE, "/api/2.0/preview/scim/v2/Users/{id}", "users.delete", CHANGE_IDENTITIES, Level::Partial, || scim::delete(Workspace, User)),
    row(Method::GET, "/api/2.0/preview/scim/v2/Groups", "groups.list", READ_IDENTITIES, Level::Partial, || scim::list(Workspace, Group)),
    row(Method::POST, "/api/2.0/preview/scim/v2/Groups", "groups.create", CHANGE_IDENTITIES, Level::Partial, || scim::create(Workspace, Group)),
    row(Method::GET, "/api/2.0/preview/scim/v2/Groups/{id}", "groups.get", READ_IDENTITIES, Level::Partial, || scim::get(Workspace, Group)),
    row(Method::PUT, "/api/2.0/preview/scim/v2/Groups/{id}", "groups.update", CHANGE_IDENTITIES, Level::Partial, || scim::replace(Workspace, Group)),
    row(Method::PATCH, "/api/2.0/preview/scim/v2/Groups/{id}", "groups.patch", CHANGE_IDENTITIES, Level::Partial, || scim::patch(Workspace, Group)),
    row(Method::DELETE, "/api/2.0/preview/scim/v2/Groups/{id}", "groups.delete", CHANGE_IDENTITIES, Level::Partial, || scim::delete(Workspace, Group)),
    row(Method::GET, "/api/2.0/preview/scim/v2/ServicePrincipals", "servicePrincipals.list", READ_IDENTITIES, Level::Partial, || scim::list(Workspace, ServicePrincipal)),
    row(Method::POST, "/api/2.0/preview/scim/v2/ServicePrincipals", "servicePrincipals.create", CHANGE_IDENTITIES, Level::Partial, || scim::create(Workspace, ServicePrincipal)),
    row(Method::GET, "/api/2.0/preview/scim/v2/ServicePrincipals/{id}", "servicePrincipals.get", READ_IDENTITIES, Level::Partial, || scim::get(Workspace, ServicePrincipal)),
    row(Method::PUT, "/api/2.0/preview/scim/v2/ServicePrincipals/{id}", "servicePrincipals.update", CHANGE_IDENTITIES, Level::Partial, || scim::replace(Workspace, ServicePrincipal)),
    row(Method::PATCH, "/api/2.0/preview/scim/v2/ServicePrincipals/{id}", "servicePrincipals.patch", CHANGE_IDENTITIES, Level::Partial, || scim::patch(Workspace, ServicePrincipal)),
    row(Method::DELETE, "/api/2.0/preview/scim/v2/ServicePrincipals/{id}", "servicePrincipals.delete", CHANGE_IDENTITIES, Level::Partial, || scim::delete(Workspace, ServicePrincipal)),
    row(Method::GET, "/.well-known/databricks-config", "hostMetadata", OPEN, Level::Exact, || get(discovery::host_metadata)),
    row(Method::GET, "/oidc/.well-known/oauth-authorization-server", "oauth.metadata", OPEN, Level::Partial, || get(oidc::metadata)),
    row(Method::GET, "/oidc/.well-known/openid-configuration", "oauth.openidConfiguration", OPEN, Level::Partial, || get(oidc::metadata)),
    row(Method::GET, "/oidc/accounts/{account_id}/.well-known/oauth-authorization-server", "oauth.accountMetadata", OPEN, Level::Partial, || get(oidc::metadata)),
    row(Method::GET, "/oidc/accounts/{account_id}/.well-known/openid-configuration", "oauth.accountOpenidConfiguration", OPEN, Level::Partial, || get(oidc::metadata)),
    row(Method::GET, "/oidc/jwks.json", "oauth.jwks", OPEN, Level::Exact, || get(oidc::jwks)),
    row(Method::GET, "/oidc/accounts/{account_id}/jwks.json", "oauth.accountJwks", OPEN, Level::Exact, || get(oidc::jwks)),
    row(Method::GET, "/oidc/v1/authorize", "oauth.authorize", OPEN, Level::Partial, || get(sign_in::authorize)),
    row(Method::POST, "/oidc/v1/authorize", "oauth.chooseUser", OPEN, Level::Own, || post(sign_in::choose)),
    row(Method::GET, "/oidc/accounts/{account_id}/v1/authorize", "oauth.accountAuthorize", OPEN, Level::Partial, || get(sign_in::authorize)),
    row(Method::POST, "/oidc/accounts/{account_id}/v1/authorize", "oauth.accountChooseUser", OPEN, Level::Own, || post(sign_in::choose)),
    row(Method::POST, "/oidc/v1/token", "oauth.token", OPEN, Level::Partial, || post(oidc::token)),
    row(Method::POST, "/oidc/accounts/{account_id}/v1/token", "oauth.accountToken", OPEN, Level::Partial, || post(oidc::token)),
    row(Method::GET, "/api/2.0/tokens/introspect", "tokens.introspect", ANY_CALLER, Level::Partial, || get(oidc::introspect)),
    row(Method::POST, "/api/2.0/accounts/servicePrincipals/{sp_id}/credentials/secrets", "servicePrincipalSecretsProxy.create", SECRETS_PROXY, Level::Partial, || post(secrets::create)),
    row(Method::GET, "/api/2.0/accounts/servicePrincipals/{sp_id}/credentials/secrets", "servicePrincipalSecretsProxy.list", SECRETS_PROXY, Level::Partial, || get(secrets::list)),
    row(Method::DELETE, "/api/2.0/accounts/servicePrincipals/{sp_id}/credentials/secrets/{secret_id}", "servicePrincipalSecretsProxy.delete", SECRETS_PROXY, Level::Partial, || delete(secrets::delete)),
    row(Method::POST, "/api/2.0/accounts/{account_id}/servicePrincipals/{sp_id}/credentials/secrets", "servicePrincipalSecrets.create", SECRETS, Level::Partial, || post(secrets::create)),
    row(Method::GET, "/api/2.0/accounts/{account_id}/servicePrincipals/{sp_id}/credentials/secrets", "servicePrincipalSecrets.list", SECRETS, Level::Partial, || get(secrets::list)),
    row(Method::DELETE, "/api/2.0/accounts/{account_id}/servicePrincipals/{sp_id}/credentials/secrets/{secret_id}", "servicePrincipalSecrets.delete", SECRETS, Level::Partial, || delete(secrets::delete)),
    row(Method::GET, "/api/2.0/accounts/{account_id}/workspaces", "workspaces.list", ACCOUNT_WORKSPACES, Level::Partial, || get(account::list_workspaces)),
    row(Method::GET, "/api/2.0/accounts/{account_id}/workspaces/{workspace_id}", "workspaces.get", ACCOUNT_WORKSPACES, Level::Partial, || get(account::get_workspace)),
    row(Method::GET, "/api/2.0/accounts/{account_id}/workspaces/{workspace_id}/permissionassignments", "workspaceAssignment.list", ACCOUNT_ASSIGNMENTS, Level::Partial, || get(account::list_assignments)),
    row(Method::GET, "/api/2.0/accounts/{account_id}/workspaces/{workspace_id}/permissionassignments/permissions", "workspaceAssignment.get", ACCOUNT_ASSIGNMENTS, Level::Partial, || get(account::permissions)),
    row(Method::PUT, "/api/2.0/accounts/{account_id}/workspaces/{workspace_id}/permissionassignments/principals/{principal_id}", "workspaceAssignment.update", ACCOUNT_ASSIGNMENTS, Level::Partial, || put(account::assign)),
    row(Method::DELETE, "/api/2.0/accounts/{account_id}/workspaces/{workspace_id}/permissionassignments/principals/{principal_id}", "workspaceAssignment.delete", ACCOUNT_ASSIGNMENTS, Level::Partial, || delete(account::unassign)),
    row(Method::GET, "/api/2.0/accounts/{account_id}/scim/v2/Users", "accountUsers.list", ACCOUNT_IDENTITIES, Level::Partial, || scim::list(Account, User)),
    row(Method::POST, "/api/2.0/accounts/{account_id}/scim/v2/Users", "accountUsers.create", ACCOUNT_IDENTITIES, Level::Partial, || scim::create(Account, User)),
    row(Method::GET, "/api/2.0/accounts/{account_id}/scim/v2/Users/{id}", "accountUsers.get", ACCOUNT_IDENTITIES, Level::Partial, || scim::get(Account, User)),
    row(Method::PUT, "/api/2.0/accounts/{account_id}/scim/v2/Users/{id}", "accountUsers.update", ACCOUNT_IDENTITIES, Level::Partial, || scim::replace(Account, User)),
    row(Method::PATCH, "/api/2.0/accounts/{account_id}/scim/v2/Users/{id}", "accountUsers.patch", ACCOUNT_IDENTITIES, Level::Partial, || scim::patch(Account, User)),
    row(Method::DELETE, "/api/2.0/accounts/{account_id}/scim/v2/Users/{id}", "accountUsers.delete", ACCOUNT_IDENTITIES, Level::Partial, || scim::delete(Account, User)),
    row(Method::GET, "/api/2.0/accounts/{account_id}/scim/v2/Groups", "accountGroups.list", ACCOUNT_IDENTITIES, Level::Partial, || scim::list(Account, Group)),
    row(Method::POST, "/api/2.0/accounts/{account_id}/scim/v2/Groups", "accountGroups.create", ACCOUNT_IDENTITIES, Level::Partial, || scim::create(Account, Group)),
    row(Method::GET, "/api/2.0/accounts/{account_id}/scim/v2/Groups/{id}", "accountGroups.get", ACCOUNT_IDENTITIES, Level::Partial, || scim::get(Account, Group)),
    row(Method::PUT, "/api/2.0/accounts/{account_id}/scim/v2/Groups/{id}", "accountGroups.update", ACCOUNT_IDENTITIES, Level::Partial, || scim::replace(Account, Group)),
    row(Method::PATCH, "/api/2.0/accounts/{account_id}/scim/v2/Groups/{id}", "accountGroups.patch", ACCOUNT_IDENTITIES, Level::Partial, || scim::patch(Account, Group)),
    row(Method::DELETE, "/api/2.0/accounts/{account_id}/scim/v2/Groups/{id}", "accountGroups.delete", ACCOUNT_IDENTITIES, Level::Partial, || scim::delete(Account, Group)),
    row(Method::GET, "/api/2.0/accounts/{account_id}/scim/v2/ServicePrincipals", "accountServicePrincipals.list", ACCOUNT_IDENTITIES, Level::Partial, || scim::list(Account, ServicePrincipal)),
    row(Method::POST, "/api/2.0/accounts/{account_id}/scim/v2/ServicePrincipals", "accountServicePrincipals.create", ACCOUNT_IDENTITIES, Level::Partial, || scim::create(Account, ServicePrincipal)),
    row(Method::GET, "/api/2.0/accounts/{account_id}/scim/v2/ServicePrincipals/{id}", "accountServicePrincipals.get", ACCOUNT_IDENTITIES, Level::Partial, || scim::get(Account, ServicePrincipal)),
    row(Method::PUT, "/api/2.0/accounts/{account_id}/scim/v2/ServicePrincipals/{id}", "accountServicePrincipals.update", ACCOUNT_IDENTITIES, Level::Partial, || scim::replace(Account, ServicePrincipal)),
    row(Method::PATCH, "/api/2.0/accounts/{account_id}/scim/v2/ServicePrincipals/{id}", "accountServicePrincipals.patch", ACCOUNT_IDENTITIES, Level::Partial, || scim::patch(Account, ServicePrincipal)),
    row(Method::DELETE, "/api/2.0/accounts/{account_id}/scim/v2/ServicePrincipals/{id}", "accountServicePrincipals.delete", ACCOUNT_IDENTITIES, Level::Partial, || scim::delete(Account, ServicePrincipal)),
    row(Method::GET, "/api/2.0/account/scim/v2/Users", "accountUsers.list", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::list(Account, User)),
    row(Method::POST, "/api/2.0/account/scim/v2/Users", "accountUsers.create", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::create(Account, User)),
    row(Method::GET, "/api/2.0/account/scim/v2/Users/{id}", "accountUsers.get", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::get(Account, User)),
    row(Method::PUT, "/api/2.0/account/scim/v2/Users/{id}", "accountUsers.update", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::replace(Account, User)),
    row(Method::PATCH, "/api/2.0/account/scim/v2/Users/{id}", "accountUsers.patch", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::patch(Account, User)),
    row(Method::DELETE, "/api/2.0/account/scim/v2/Users/{id}", "accountUsers.delete", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::delete(Account, User)),
    row(Method::GET, "/api/2.0/account/scim/v2/Groups", "accountGroups.list", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::list(Account, Group)),
    row(Method::POST, "/api/2.0/account/scim/v2/Groups", "accountGroups.create", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::create(Account, Group)),
    row(Method::GET, "/api/2.0/account/scim/v2/Groups/{id}", "accountGroups.get", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::get(Account, Group)),
    row(Method::PUT, "/api/2.0/account/scim/v2/Groups/{id}", "accountGroups.update", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::replace(Account, Group)),
    row(Method::PATCH, "/api/2.0/account/scim/v2/Groups/{id}", "accountGroups.patch", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::patch(Account, Group)),
    row(Method::DELETE, "/api/2.0/account/scim/v2/Groups/{id}", "accountGroups.delete", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::delete(Account, Group)),
    row(Method::GET, "/api/2.0/account/scim/v2/ServicePrincipals", "accountServicePrincipals.list", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::list(Account, ServicePrincipal)),
    row(Method::POST, "/api/2.0/account/scim/v2/ServicePrincipals", "accountServicePrincipals.create", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::create(Account, ServicePrincipal)),
    row(Method::GET, "/api/2.0/account/scim/v2/ServicePrincipals/{id}", "accountServicePrincipals.get", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::get(Account, ServicePrincipal)),
    row(Method::PUT, "/api/2.0/account/scim/v2/ServicePrincipals/{id}", "accountServicePrincipals.update", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::replace(Account, ServicePrincipal)),
    row(Method::PATCH, "/api/2.0/account/scim/v2/ServicePrincipals/{id}", "accountServicePrincipals.patch", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::patch(Account, ServicePrincipal)),
    row(Method::DELETE, "/api/2.0/account/scim/v2/ServicePrincipals/{id}", "accountServicePrincipals.delete", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::delete(Account, ServicePrincipal)),
    row(Method::GET, "/livez", "livez", OPEN, Level::Own, || get(health::live)),
    row(Method::GET, "/readyz", "readyz", OPEN, Level::Own, || get(health::ready)),
    row(Method::GET, "/health", "health", OPEN, Level::Own, || get(health::summary)),
];
