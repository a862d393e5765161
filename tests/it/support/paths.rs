//! Paths of the emulated API that more than one suite asks for, and the messages that more than one expects.
//!
//! A path that only one suite uses stays in that suite.

pub(crate) const ME: &str = "/api/2.0/preview/scim/v2/Me";
pub(crate) const USERS: &str = "/api/2.0/preview/scim/v2/Users";
pub(crate) const GROUPS: &str = "/api/2.0/preview/scim/v2/Groups";
pub(crate) const SERVICE_PRINCIPALS: &str = "/api/2.0/preview/scim/v2/ServicePrincipals";

pub(crate) const CREATE: &str = "/api/2.0/token/create";
pub(crate) const LIST: &str = "/api/2.0/token/list";
pub(crate) const DELETE: &str = "/api/2.0/token/delete";
pub(crate) const MANAGED: &str = "/api/2.0/token-management/tokens";
pub(crate) const ON_BEHALF_OF: &str = "/api/2.0/token-management/on-behalf-of/tokens";
pub(crate) const PERMISSIONS: &str = "/api/2.0/permissions/authorization/tokens";
pub(crate) const CONF: &str = "/api/2.0/workspace-conf";
/// The value of the setting that limits the lifetime of new tokens.
pub(crate) const MAXIMUM_LIFETIME: &str = "/api/2.0/workspace-conf?keys=maxTokenLifetimeDays";
/// The account's setting that restricts workspace admins.
pub(crate) const RESTRICTION: &str = "/api/2.0/settings/types/restrict_workspace_admins/names/default";

pub(crate) const AUTHORIZE: &str = "/oidc/v1/authorize";
pub(crate) const TOKEN_ENDPOINT: &str = "/oidc/v1/token";

/// The secrets of a service principal, as the workspace's API has them.
pub(crate) fn secrets_of(service_principal: impl std::fmt::Display) -> String {
    format!("/api/2.0/accounts/servicePrincipals/{service_principal}/credentials/secrets")
}

pub(crate) const INVALID: &str = "Invalid access token.";
pub(crate) const DISABLED: &str = "Tokens are disabled.";
pub(crate) const NO_PERMISSION: &str = "User does not have permission to use tokens.";
