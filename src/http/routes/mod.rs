//! The route table: a row for each route, at most three lines. A new route is a new row here, and its handler; see
//! CONTRIBUTING.md.

mod scim;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::handler::Handler;
use axum::http::Method;
use axum::routing;
use serde_json::{Map, Value};

use super::oauth::{authorize, client_secrets, discovery, oidc};
use super::route::Level::{Documented, Exact, Inferred, Own, Partial};
use super::route::{Envelope, Parameter, Role, Route};
use super::scim::{me, schema};
use super::token_management::{self, ManagedTokenInfo};
use super::tokens::{self, CreatedToken, TokenInfo};
use super::{App, account, health, permissions, settings, workspace_conf};
use crate::domain::authorize::{Demand, Right};
use crate::domain::denial::Feature;
use crate::domain::faults::path_fits;
use crate::domain::journal::path_distance;
use crate::domain::scopes;

/// Every route, emulated or dapi-mock's own.
pub static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let tables = [tokens(), workspace(), scim::of_workspace(), oauth(), account(), scim::of_account(), health()];
    tables.into_iter().flatten().collect()
});

/// The route of a request, if it has one.
pub fn find(method: &Method, path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.method == *method && path_fits(route.path, path))
}

/// The routes that a request to an unknown one may have meant, nearest first: another method counts as a letter.
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

/// Whether a path, or a route's path as it is written here, is one at which no fault ever has an effect.
pub fn is_never_faulted(path: &str) -> bool {
    let is_exempt = |route: &Route| matches!(route.role, Role::Discovery | Role::Health);
    ROUTES.iter().any(|route| is_exempt(route) && path_fits(route.path, path))
}

/// How requests to a path are refused, whatever their method.
pub fn envelope_at(path: &str) -> Envelope {
    let route = ROUTES.iter().find(|route| path_fits(route.path, path));
    route.map_or(Envelope::Rest, |route| route.envelope)
}

const ANY_CALLER: Demand = Demand::UNROUTED;
const CURRENT_USER: Demand = Demand { scope: scopes::CURRENT_USER, ..ANY_CALLER };
const OWN_TOKENS: Demand =
    Demand { right: Right::TokenUser, scope: scopes::AUTHENTICATION, token_api: true, feature: None };
const ALL_TOKENS: Demand =
    Demand { right: Right::WorkspaceAdmin, feature: Some(Feature::TokenManagement), ..OWN_TOKENS };
const CONFIGURATION: Demand = Demand { right: Right::WorkspaceAdmin, scope: scopes::SETTINGS, ..ANY_CALLER };
const RESTRICTION: Demand = Demand { right: Right::AccountAdmin, ..CONFIGURATION };
const READ_PERMISSIONS: Demand = Demand {
    right: Right::Authenticated,
    scope: scopes::ACCESS_MANAGEMENT,
    token_api: true,
    feature: Some(Feature::TokenPermissions),
};
const CHANGE_PERMISSIONS: Demand = Demand { right: Right::WorkspaceAdmin, ..READ_PERMISSIONS };
const READ_IDENTITIES: Demand = Demand { right: Right::Authenticated, scope: scopes::SCIM, ..ANY_CALLER };
const CHANGE_IDENTITIES: Demand = Demand { right: Right::WorkspaceAdmin, ..READ_IDENTITIES };
const ROLES: Demand = Demand { right: Right::WorkspaceAdmin, scope: scopes::ACCESS_MANAGEMENT, ..ANY_CALLER };
const ACCOUNT_IDENTITIES: Demand = Demand { right: Right::AccountApi, scope: scopes::SCIM, ..ANY_CALLER };
/// Secrets belong to a principal, so their scope is that of SCIM \[inferred\].
const SECRETS: Demand = ACCOUNT_IDENTITIES;
const SECRETS_PROXY: Demand = Demand { right: Right::WorkspaceAdmin, ..SECRETS };
/// The account through a workspace's address, which takes the token of an account admin. See
/// docs/reference/scim.md#scim-paths.
const ACCOUNT_IDENTITIES_IN_WORKSPACE: Demand = Demand { right: Right::AccountAdmin, ..ACCOUNT_IDENTITIES };
const ACCOUNT_ASSIGNMENTS: Demand = Demand { scope: scopes::ACCESS_MANAGEMENT, ..ACCOUNT_IDENTITIES };
const ACCOUNT_WORKSPACES: Demand = Demand { scope: scopes::PROVISIONING, ..ACCOUNT_IDENTITIES };

const CREATORS: &[Parameter] = &[
    Parameter::number("created_by_id", "Only what this principal created."),
    Parameter::text("created_by_username", "Only what the principal of this name created."),
];
const KEYS: &[Parameter] = &[Parameter::text("keys", "Names of keys, separated by commas.").required()];
const ETAG: &[Parameter] = &[Parameter::text("etag", "The version that is to be deleted.")];
const RULE_SET: &[Parameter] = &[
    Parameter::text("name", "accounts/{account_id}/servicePrincipals/{application_id}/ruleSets/default").required(),
    Parameter::text("etag", "The version that the client has."),
];
const PAGING: &[Parameter] = &[
    Parameter::number("page_size", "At most this many."),
    Parameter::text("page_token", "The next_page_token of the previous page."),
];
const ATTRIBUTES: Parameter = Parameter::text("attributes", "Only these attributes, separated by commas.");
const EXCLUDED_ATTRIBUTES: Parameter =
    Parameter::text("excludedAttributes", "Without these attributes, separated by commas.");
const PROJECTION: &[Parameter] = &[ATTRIBUTES, EXCLUDED_ATTRIBUTES];
const LIST: &[Parameter] = &[
    Parameter::text("filter", "Such as userName eq \"me@example.com\"."),
    ATTRIBUTES,
    EXCLUDED_ATTRIBUTES,
    Parameter::text("sortBy", "An attribute."),
    Parameter::text("sortOrder", "ascending or descending."),
    Parameter::number("startIndex", "Index of the first result, from 1."),
    Parameter::number("count", "At most this many."),
];
const AUTHORIZATION: &[Parameter] = &[
    Parameter::text("response_type", "code").required(),
    Parameter::text("client_id", "databricks-cli").required(),
    Parameter::text("redirect_uri", "A loopback address.").required(),
    Parameter::text("code_challenge", "The SHA-256 of the verifier, in base64url.").required(),
    Parameter::text("code_challenge_method", "S256").required(),
    Parameter::text("state", "Returned unchanged."),
    Parameter::text("scope", "Separated by spaces."),
    Parameter::text("login_hint", "Signs this user in without the page, if the server lets everybody sign in."),
];
const GRANT: &[Parameter] = &[
    Parameter::text("grant_type", "client_credentials, authorization_code or refresh_token").required(),
    Parameter::text("scope", "Separated by spaces."),
    Parameter::text("client_id", "If it is not in the Authorization header."),
    Parameter::text("client_secret", "If it is not in the Authorization header."),
    Parameter::text("code", "Of authorization_code."),
    Parameter::text("code_verifier", "Of authorization_code."),
    Parameter::text("redirect_uri", "Of authorization_code."),
    Parameter::text("refresh_token", "Of refresh_token."),
];
const CHOICE: &[Parameter] = &[
    Parameter::text("ticket", "Of the page.").required(),
    Parameter::text("user", "The chosen user's id.").required(),
    Parameter::text("control_key", "Where the server has one."),
];

// How each route is known; the links are relative to `docs/`.
const TOKENS: &str = "[Token routes](reference/tokens.md#token-routes): [client], acceptance test TestAccTokens of databricks-sdk-go; errors [observed]; a lifetime above the maximum [inferred]";
const TOKEN_UPDATE: &str = "[Token updates](reference/tokens.md#token-updates): [documented] [client]";
const MANAGEMENT: &str = "[Token management](reference/tokens.md#token-management): [client], acceptance test TestAccCreateOboTokenOnAws of databricks-sdk-go; filters in the query or the body [documented]; errors [documented] [observed]";
const ON_BEHALF_OF: &str = "[On behalf of](reference/tokens.md#on-behalf-of): [client], acceptance test TestAccCreateOboTokenOnAws of databricks-sdk-go; refusal on Azure [observed], its status [inferred]";
const CONF: &str = "[Configuration keys](reference/governance.md#configuration-keys): [client], acceptance test TestAccWorkspaceConf of databricks-sdk-go; errors [observed] [client]";
const PERMISSIONS: &str = "[Permissions](reference/governance.md#permissions): [client], acceptance test TestAccPermissions_Authorization_Tokens of terraform-provider-databricks and its get-tokens-permissions.json; errors [observed], some statuses [inferred]";
const RESTRICTED_ADMINS: &str = "[Restricted admins](reference/governance.md#restricted-admins): [client], acceptance test TestAccRestrictWorkspaceAdminsSetting of terraform-provider-databricks; [documented]; disable_gov_tag_creation [client]";
const RULE_SETS: &str =
    "[Rule sets](reference/governance.md#rule-sets): [client]; only those of service principals are emulated";
const ME: &str = "[SCIM paths](reference/scim.md#scim-paths): [client], acceptance test TestAccCurrentUser of databricks-sdk-go; [required scopes](reference/tokens.md#scopes) [observed]";
const SCIM: &str = "[SCIM](reference/scim.md): [client] [observed] [documented]; the wording of some errors [inferred]";
const SCIM_THROUGH_WORKSPACE: &str = "[SCIM paths](reference/scim.md#scim-paths): users [observed]; groups and service principals, as in the account's SCIM, [inferred]";
const METADATA: &str = "[Host metadata](reference/identity-and-oauth.md#host-metadata): [client]";
const DISCOVERY: &str = "[Discovery](reference/identity-and-oauth.md#discovery): [observed] [client]; the document lists only what is emulated";
const KEY_SET: &str = "[Access tokens](reference/identity-and-oauth.md#access-tokens): [observed]";
const SIGN_IN: &str =
    "[Sign-in](reference/identity-and-oauth.md#sign-in): [client]; the page itself is dapi-mock's own";
const ACCESS_TOKENS: &str = "[Client credentials](reference/identity-and-oauth.md#client-credentials) and [errors](reference/identity-and-oauth.md#token-endpoint-errors): [client] [observed]; some errors [inferred]";
const INTROSPECTION: &str = "[Introspection](reference/identity-and-oauth.md#introspection): [client]";
const CLIENT_SECRETS: &str = "[OAuth secrets](reference/identity-and-oauth.md#oauth-secrets): [client] [documented]; the wording of errors [inferred]";
const WORKSPACES: &str = "[Account API](reference/identity-and-oauth.md#account-api): [client]";
const ASSIGNMENTS: &str = "[Account API](reference/identity-and-oauth.md#account-api): [client]; errors, and what removing a principal deletes with it, [inferred]";
const OURS: &str = "dapi-mock's own";
const CONF_PREVIEW: &str =
    "Older address of [the configuration](reference/governance.md#configuration-keys): [documented] [client]";
const PERMISSIONS_PREVIEW: &str = "Older address of [the permissions](reference/governance.md#permissions), documented in 2020: [documented] [client]";
const PERMISSIONS_MERGED: &str = "[Permissions](reference/governance.md#permissions): [documented] [client]";
const PERMISSION_LEVELS: &str =
    "[Permissions](reference/governance.md#permissions): levels [client], their descriptions [inferred]";

fn get<H: Handler<T, App>, T: 'static>(path: &'static str, operation: &'static str, handler: H) -> Route {
    Route::new(Method::GET, path, operation, routing::get(handler))
}

fn post<H: Handler<T, App>, T: 'static>(path: &'static str, operation: &'static str, handler: H) -> Route {
    Route::new(Method::POST, path, operation, routing::post(handler))
}

fn put<H: Handler<T, App>, T: 'static>(path: &'static str, operation: &'static str, handler: H) -> Route {
    Route::new(Method::PUT, path, operation, routing::put(handler))
}

fn patch<H: Handler<T, App>, T: 'static>(path: &'static str, operation: &'static str, handler: H) -> Route {
    Route::new(Method::PATCH, path, operation, routing::patch(handler))
}

fn delete<H: Handler<T, App>, T: 'static>(path: &'static str, operation: &'static str, handler: H) -> Route {
    Route::new(Method::DELETE, path, operation, routing::delete(handler))
}

#[rustfmt::skip] // One row a route.
fn tokens() -> Vec<Route> {
    vec![
        post("/api/2.0/token/create", "tokens.create", tokens::create)
            .demands(OWN_TOKENS).known(Exact, TOKENS).body::<tokens::CreateToken>().answers::<CreatedToken<TokenInfo>>()
            .audited("accounts", "generateDbToken").creates_token(),
        get("/api/2.0/token/list", "tokens.list", tokens::list)
            .demands(OWN_TOKENS).known(Exact, TOKENS).answers::<tokens::TokenInfos>(),
        post("/api/2.0/token/delete", "tokens.delete", tokens::delete)
            .demands(OWN_TOKENS).known(Exact, TOKENS).body::<tokens::DeleteToken>()
            .audited("accounts", "revokeDbToken"),
        patch("/api/2.0/token/{token_id}", "tokens.update", tokens::update)
            .demands(OWN_TOKENS).known(Documented, TOKEN_UPDATE).body::<tokens::UpdateToken>()
            .audited("accounts", "updateDbToken"),
        get("/api/2.0/token-management/tokens", "tokenManagement.list", token_management::list)
            .demands(ALL_TOKENS).known(Exact, MANAGEMENT).parameters(CREATORS).answers::<token_management::ManagedTokenInfos>(),
        get("/api/2.0/token-management/tokens/{token_id}", "tokenManagement.get", token_management::get)
            .demands(ALL_TOKENS).known(Exact, MANAGEMENT).answers::<token_management::ManagedToken>(),
        patch("/api/2.0/token-management/tokens/{token_id}", "tokenManagement.updateTokenManagement", token_management::update)
            .demands(ALL_TOKENS).known(Documented, TOKEN_UPDATE).body::<tokens::UpdateToken>().answers::<ManagedTokenInfo>()
            .audited("accounts", "updateDbToken"),
        delete("/api/2.0/token-management/tokens/{token_id}", "tokenManagement.delete", token_management::delete)
            .demands(ALL_TOKENS).known(Exact, MANAGEMENT).audited("accounts", "revokeDbToken"),
        post("/api/2.0/token-management/on-behalf-of/tokens", "tokenManagement.createOboToken", token_management::create_on_behalf_of)
            .demands(ALL_TOKENS).known(Exact, ON_BEHALF_OF).body::<tokens::CreateToken>().answers::<CreatedToken<ManagedTokenInfo>>()
            .audited("accounts", "generateDbToken").creates_token(),
    ]
}

#[rustfmt::skip] // One row a route.
fn workspace() -> Vec<Route> {
    vec![
        get("/api/2.0/workspace-conf", "workspaceConf.getStatus", workspace_conf::get_status)
            .demands(CONFIGURATION).known(Exact, CONF).parameters(KEYS).answers::<BTreeMap<String, Option<String>>>(),
        patch("/api/2.0/workspace-conf", "workspaceConf.setStatus", workspace_conf::set_status)
            .demands(CONFIGURATION).known(Exact, CONF).body::<Map<String, Value>>().answers_nothing()
            .audited("workspace", "workspaceConfEdit"),
        get("/api/2.0/preview/workspace-conf", "workspaceConf.getStatus", workspace_conf::get_status)
            .demands(CONFIGURATION).known(Documented, CONF_PREVIEW).parameters(KEYS).answers::<BTreeMap<String, Option<String>>>(),
        patch("/api/2.0/preview/workspace-conf", "workspaceConf.setStatus", workspace_conf::set_status)
            .demands(CONFIGURATION).known(Documented, CONF_PREVIEW).body::<Map<String, Value>>().answers_nothing()
            .audited("workspace", "workspaceConfEdit"),
        get("/api/2.0/permissions/authorization/tokens", "tokenManagement.getPermissions", permissions::get)
            .demands(READ_PERMISSIONS).known(Exact, PERMISSIONS).answers::<permissions::TokenPermissions>(),
        put("/api/2.0/permissions/authorization/tokens", "tokenManagement.setPermissions", permissions::put)
            .demands(CHANGE_PERMISSIONS).known(Exact, PERMISSIONS).body::<permissions::ChangeList>().answers::<permissions::TokenPermissions>()
            .audited("accounts", "changeDbTokenAcl"),
        patch("/api/2.0/permissions/authorization/tokens", "tokenManagement.updatePermissions", permissions::patch)
            .demands(CHANGE_PERMISSIONS).known(Documented, PERMISSIONS_MERGED).body::<permissions::ChangeList>().answers::<permissions::TokenPermissions>()
            .audited("accounts", "changeDbTokenAcl"),
        get("/api/2.0/permissions/authorization/tokens/permissionLevels", "tokenManagement.getPermissionLevels", permissions::levels)
            .demands(READ_PERMISSIONS).known(Inferred, PERMISSION_LEVELS).answers::<permissions::PermissionLevels>(),
        get("/api/2.0/preview/permissions/authorization/tokens", "tokenManagement.getPermissions", permissions::get)
            .demands(READ_PERMISSIONS).known(Documented, PERMISSIONS_PREVIEW).answers::<permissions::TokenPermissions>(),
        put("/api/2.0/preview/permissions/authorization/tokens", "tokenManagement.setPermissions", permissions::put)
            .demands(CHANGE_PERMISSIONS).known(Documented, PERMISSIONS_PREVIEW).body::<permissions::ChangeList>().answers::<permissions::TokenPermissions>()
            .audited("accounts", "changeDbTokenAcl"),
        patch("/api/2.0/preview/permissions/authorization/tokens", "tokenManagement.updatePermissions", permissions::patch)
            .demands(CHANGE_PERMISSIONS).known(Documented, PERMISSIONS_PREVIEW).body::<permissions::ChangeList>().answers::<permissions::TokenPermissions>()
            .audited("accounts", "changeDbTokenAcl"),
        get("/api/2.0/preview/permissions/authorization/tokens/permissionLevels", "tokenManagement.getPermissionLevels", permissions::levels)
            .demands(READ_PERMISSIONS).known(Inferred, PERMISSION_LEVELS).answers::<permissions::PermissionLevels>(),
        get("/api/2.0/settings/types/restrict_workspace_admins/names/default", "restrictWorkspaceAdmins.get", settings::get)
            .demands(CONFIGURATION).known(Exact, RESTRICTED_ADMINS).parameters(ETAG).answers::<settings::VersionedSetting>(),
        patch("/api/2.0/settings/types/restrict_workspace_admins/names/default", "restrictWorkspaceAdmins.update", settings::update)
            .demands(RESTRICTION).known(Exact, RESTRICTED_ADMINS).body::<settings::UpdateSetting>().answers::<settings::VersionedSetting>()
            .audited("accounts", "setSetting"),
        delete("/api/2.0/settings/types/restrict_workspace_admins/names/default", "restrictWorkspaceAdmins.delete", settings::delete)
            .demands(RESTRICTION).known(Exact, RESTRICTED_ADMINS).parameters(ETAG).answers::<settings::Etag>()
            .audited("accounts", "setSetting"),
        get("/api/2.0/preview/accounts/access-control/rule-sets", "accountAccessControlProxy.getRuleSet", settings::get_rule_set)
            .demands(ROLES).known(Partial, RULE_SETS).parameters(RULE_SET).answers::<settings::RuleSet>(),
        put("/api/2.0/preview/accounts/access-control/rule-sets", "accountAccessControlProxy.updateRuleSet", settings::update_rule_set)
            .demands(ROLES).known(Partial, RULE_SETS).body::<settings::UpdateRuleSet>().answers::<settings::RuleSet>(),
        get("/api/2.0/preview/scim/v2/Me", "currentUser.me", me)
            .demands(CURRENT_USER).envelope(Envelope::Scim).known(Exact, ME).parameters(PROJECTION).answers::<schema::ScimUser>(),
    ]
}

#[rustfmt::skip] // One row a route.
fn oauth() -> Vec<Route> {
    vec![
        get("/.well-known/databricks-config", "hostMetadata", discovery::host_metadata)
            .open(Role::Discovery, Envelope::Rest).known(Documented, METADATA).answers::<discovery::HostMetadata>(),
        get("/oidc/.well-known/oauth-authorization-server", "oauth.metadata", oidc::metadata)
            .open(Role::Discovery, Envelope::OAuth).known(Partial, DISCOVERY).answers::<oidc::ServerMetadata>(),
        get("/oidc/.well-known/openid-configuration", "oauth.openidConfiguration", oidc::metadata)
            .open(Role::Discovery, Envelope::OAuth).known(Partial, DISCOVERY).answers::<oidc::ServerMetadata>(),
        get("/oidc/accounts/{account_id}/.well-known/oauth-authorization-server", "oauth.accountMetadata", oidc::metadata)
            .open(Role::Discovery, Envelope::OAuth).known(Partial, DISCOVERY).answers::<oidc::ServerMetadata>(),
        get("/oidc/accounts/{account_id}/.well-known/openid-configuration", "oauth.accountOpenidConfiguration", oidc::metadata)
            .open(Role::Discovery, Envelope::OAuth).known(Partial, DISCOVERY).answers::<oidc::ServerMetadata>(),
        get("/oidc/jwks.json", "oauth.jwks", oidc::jwks)
            .open(Role::Discovery, Envelope::OAuth).known(Exact, KEY_SET).answers::<oidc::KeySet>(),
        get("/oidc/accounts/{account_id}/jwks.json", "oauth.accountJwks", oidc::jwks)
            .open(Role::Discovery, Envelope::OAuth).known(Exact, KEY_SET).answers::<oidc::KeySet>(),
        get("/oidc/v1/authorize", "oauth.authorize", authorize::authorize)
            .open(Role::OAuthEndpoint, Envelope::Page).known(Partial, SIGN_IN).parameters(AUTHORIZATION).shows_page(),
        post("/oidc/v1/authorize", "oauth.chooseUser", authorize::choose)
            .open(Role::OAuthEndpoint, Envelope::Page).known(Own, OURS).form(CHOICE).shows_page(),
        get("/oidc/accounts/{account_id}/v1/authorize", "oauth.accountAuthorize", authorize::authorize)
            .open(Role::OAuthEndpoint, Envelope::Page).known(Partial, SIGN_IN).parameters(AUTHORIZATION).shows_page(),
        post("/oidc/accounts/{account_id}/v1/authorize", "oauth.accountChooseUser", authorize::choose)
            .open(Role::OAuthEndpoint, Envelope::Page).known(Own, OURS).form(CHOICE).shows_page(),
        post("/oidc/v1/token", "oauth.token", oidc::token)
            .open(Role::OAuthEndpoint, Envelope::OAuth).known(Partial, ACCESS_TOKENS).form(GRANT).answers::<oidc::Tokens>(),
        post("/oidc/accounts/{account_id}/v1/token", "oauth.accountToken", oidc::token)
            .open(Role::OAuthEndpoint, Envelope::OAuth).known(Partial, ACCESS_TOKENS).form(GRANT).answers::<oidc::Tokens>(),
        get("/api/2.0/tokens/introspect", "tokens.introspect", oidc::introspect)
            .demands(ANY_CALLER).on_every_host().known(Partial, INTROSPECTION).answers::<oidc::Introspection>(),
        post("/api/2.0/accounts/servicePrincipals/{sp_id}/credentials/secrets", "servicePrincipalSecretsProxy.create", client_secrets::create)
            .demands(SECRETS_PROXY).known(Partial, CLIENT_SECRETS).body::<client_secrets::CreateSecret>().answers::<client_secrets::SecretInfo>(),
        get("/api/2.0/accounts/servicePrincipals/{sp_id}/credentials/secrets", "servicePrincipalSecretsProxy.list", client_secrets::list)
            .demands(SECRETS_PROXY).known(Partial, CLIENT_SECRETS).parameters(PAGING).answers::<client_secrets::SecretList>(),
        delete("/api/2.0/accounts/servicePrincipals/{sp_id}/credentials/secrets/{secret_id}", "servicePrincipalSecretsProxy.delete", client_secrets::delete)
            .demands(SECRETS_PROXY).known(Partial, CLIENT_SECRETS).answers_nothing(),
        post("/api/2.0/accounts/{account_id}/servicePrincipals/{sp_id}/credentials/secrets", "servicePrincipalSecrets.create", client_secrets::create)
            .demands(SECRETS).known(Partial, CLIENT_SECRETS).body::<client_secrets::CreateSecret>().answers::<client_secrets::SecretInfo>(),
        get("/api/2.0/accounts/{account_id}/servicePrincipals/{sp_id}/credentials/secrets", "servicePrincipalSecrets.list", client_secrets::list)
            .demands(SECRETS).known(Partial, CLIENT_SECRETS).parameters(PAGING).answers::<client_secrets::SecretList>(),
        delete("/api/2.0/accounts/{account_id}/servicePrincipals/{sp_id}/credentials/secrets/{secret_id}", "servicePrincipalSecrets.delete", client_secrets::delete)
            .demands(SECRETS).known(Partial, CLIENT_SECRETS).answers_nothing(),
    ]
}

#[rustfmt::skip] // One row a route.
fn account() -> Vec<Route> {
    vec![
        get("/api/2.0/accounts/{account_id}/workspaces", "workspaces.list", account::list_workspaces)
            .demands(ACCOUNT_WORKSPACES).known(Partial, WORKSPACES).answers::<Vec<account::WorkspaceInfo>>(),
        get("/api/2.0/accounts/{account_id}/workspaces/{workspace_id}", "workspaces.get", account::get_workspace)
            .demands(ACCOUNT_WORKSPACES).known(Partial, WORKSPACES).answers::<account::WorkspaceInfo>(),
        get("/api/2.0/accounts/{account_id}/workspaces/{workspace_id}/permissionassignments", "workspaceAssignment.list", account::list_assignments)
            .demands(ACCOUNT_ASSIGNMENTS).known(Inferred, ASSIGNMENTS).answers::<account::AssignmentList>(),
        get("/api/2.0/accounts/{account_id}/workspaces/{workspace_id}/permissionassignments/permissions", "workspaceAssignment.get", account::permissions)
            .demands(ACCOUNT_ASSIGNMENTS).known(Inferred, ASSIGNMENTS).answers::<account::AssignablePermissions>(),
        put("/api/2.0/accounts/{account_id}/workspaces/{workspace_id}/permissionassignments/principals/{principal_id}", "workspaceAssignment.update", account::assign)
            .demands(ACCOUNT_ASSIGNMENTS).known(Inferred, ASSIGNMENTS).body::<account::NewAssignment>().answers::<account::AssignmentInfo>(),
        delete("/api/2.0/accounts/{account_id}/workspaces/{workspace_id}/permissionassignments/principals/{principal_id}", "workspaceAssignment.delete", account::unassign)
            .demands(ACCOUNT_ASSIGNMENTS).known(Inferred, ASSIGNMENTS),
    ]
}

#[rustfmt::skip] // One row a route.
fn health() -> Vec<Route> {
    vec![
        get("/livez", "livez", health::live)
            .open(Role::Health, Envelope::Rest).known(Own, OURS).answers::<health::Health>(),
        get("/readyz", "readyz", health::ready)
            .open(Role::Health, Envelope::Rest).known(Own, OURS).answers::<health::Health>(),
        get("/health", "health", health::summary)
            .open(Role::Health, Envelope::Rest).known(Own, OURS).answers::<health::HealthSummary>(),
    ]
}
