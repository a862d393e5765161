//! The route table: one row a route. It feeds the router, and everything that speaks about routes.

use std::collections::BTreeMap;
use std::fmt;

use axum::http::Method;
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::openapi::Empty;
use super::scim::{self, schema};
use super::token_management::{self, ManagedTokenInfo};
use super::{App, account, health, permissions, settings, workspace_conf};
use crate::domain::authorize::{Demand, Right};
use crate::domain::denial::Feature;
use crate::domain::faults::path_fits;
use crate::domain::identities::Directory::{Account, Workspace};
use crate::domain::identities::PrincipalKind::{Group, ServicePrincipal, User};
use crate::domain::journal::path_distance;
use crate::domain::scopes::{self, EndpointScope};
use crate::http::oauth::{authorize, client_secrets, discovery, oidc};
use crate::http::tokens::{self, CreatedToken, TokenInfo};
use crate::web::openapi::Describe;

/// How sure we are that a route behaves as the real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A capture of the real service, or an official client's own acceptance test, shows its answers.
    Exact,
    /// The documentation or the code of clients describes it; no capture shows its answers.
    Documented,
    /// A part of the real route.
    Partial,
    /// The route is known, what it does was concluded.
    Inferred,
    /// The mock's own; the real service has no such route.
    Own,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "exact",
            Self::Documented => "documented",
            Self::Partial => "partial",
            Self::Inferred => "inferred",
            Self::Own => "own",
        })
    }
}

/// A parameter in the query or a form.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    kind: &'static str,
    pub(super) required: bool,
    purpose: &'static str,
}

impl Parameter {
    const fn text(name: &'static str, purpose: &'static str) -> Self {
        Self { name, kind: "string", required: false, purpose }
    }

    const fn number(name: &'static str, purpose: &'static str) -> Self {
        Self { kind: "integer", ..Self::text(name, purpose) }
    }

    const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub(super) fn schema(&self) -> Value {
        json!({ "type": self.kind, "description": self.purpose })
    }
}

/// What a route takes in the body.
#[derive(Debug)]
pub(super) enum Body {
    /// JSON of this schema.
    Json(Describe),
    /// A form with these members.
    Form(&'static [Parameter]),
}

/// What a route answers when all goes well.
#[derive(Debug)]
pub(super) enum Answer {
    /// JSON with this status.
    Json(u16, Describe),
    /// 204.
    Nothing,
    /// A page for people, or a redirection.
    Page,
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
    /// By what that is known, and where it stands in the research: \[doc\], \[client\], \[observed\],
    /// \[inferred\].
    pub evidence: &'static str,
    pub(super) parameters: &'static [Parameter],
    pub(super) body: Option<Body>,
    pub(super) answer: Answer,
    /// Makes its handler.
    pub handler: fn() -> MethodRouter<App>,
}

impl Route {
    const fn evidence(mut self, evidence: &'static str) -> Self {
        self.evidence = evidence;
        self
    }

    const fn parameters(mut self, parameters: &'static [Parameter]) -> Self {
        self.parameters = parameters;
        self
    }

    const fn body<T: JsonSchema>(mut self) -> Self {
        self.body = Some(Body::Json(SchemaGenerator::subschema_for::<T>));
        self
    }

    const fn form(mut self, members: &'static [Parameter]) -> Self {
        self.body = Some(Body::Form(members));
        self
    }

    /// Without it, it is an empty object.
    const fn answers<T: JsonSchema>(mut self) -> Self {
        self.answer = Answer::Json(200, SchemaGenerator::subschema_for::<T>);
        self
    }

    const fn creates<T: JsonSchema>(mut self) -> Self {
        self.answer = Answer::Json(201, SchemaGenerator::subschema_for::<T>);
        self
    }

    const fn answers_nothing(mut self) -> Self {
        self.answer = Answer::Nothing;
        self
    }

    const fn shows_page(mut self) -> Self {
        self.answer = Answer::Page;
        self
    }

    /// Whether it is one of OAuth's that a client goes through: open, and yet with faults.
    pub fn is_oauth_endpoint(&self) -> bool {
        self.path.starts_with("/oidc/") && (self.path.ends_with("/token") || self.path.ends_with("/authorize"))
    }

    /// Whether it is for orchestrators.
    pub fn is_of_health(&self) -> bool {
        matches!(self.operation, "livez" | "readyz" | "health")
    }

    /// Whether the account's host has it: what is open, the account's API, and where a credential is good. All
    /// else is on workspaces' hosts.
    pub fn is_on_account_host(&self) -> bool {
        matches!(self.demand.right, Right::Open | Right::AccountApi) || self.operation == "tokens.introspect"
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
const CURRENT_USER: Demand = Demand { scope: scopes::CURRENT_USER, ..ANY_CALLER };
const OWN_TOKENS: Demand =
    Demand { right: Right::TokenUser, scope: scopes::AUTHENTICATION, token_api: true, feature: None };
const ALL_TOKENS: Demand =
    Demand { right: Right::WorkspaceAdmin, feature: Some(Feature::TokenManagement), ..OWN_TOKENS };
const CONFIGURATION: Demand = Demand { right: Right::WorkspaceAdmin, scope: scopes::SETTINGS, ..OPEN };
const RESTRICTION: Demand = Demand { right: Right::AccountAdmin, ..CONFIGURATION };
const READ_PERMISSIONS: Demand = Demand {
    right: Right::Authenticated,
    scope: scopes::ACCESS_MANAGEMENT,
    token_api: true,
    feature: Some(Feature::TokenPermissions),
};
const CHANGE_PERMISSIONS: Demand = Demand { right: Right::WorkspaceAdmin, ..READ_PERMISSIONS };
const READ_IDENTITIES: Demand = Demand { right: Right::Authenticated, scope: scopes::SCIM, ..OPEN };
const CHANGE_IDENTITIES: Demand = Demand { right: Right::WorkspaceAdmin, ..READ_IDENTITIES };
const ROLES: Demand = Demand { right: Right::WorkspaceAdmin, scope: scopes::ACCESS_MANAGEMENT, ..OPEN };
const ACCOUNT_IDENTITIES: Demand = Demand { right: Right::AccountApi, scope: scopes::SCIM, ..OPEN };
/// Secrets are part of a principal, so their scope is SCIM's \[inferred\].
const SECRETS: Demand = ACCOUNT_IDENTITIES;
const SECRETS_PROXY: Demand = Demand { right: Right::WorkspaceAdmin, ..SECRETS };
/// The account through a workspace's address, which takes the token of an account admin
/// (research/api-identity-auth.md §7.1).
const ACCOUNT_IDENTITIES_IN_WORKSPACE: Demand = Demand { right: Right::AccountAdmin, ..ACCOUNT_IDENTITIES };
const ACCOUNT_ASSIGNMENTS: Demand = Demand { scope: scopes::ACCESS_MANAGEMENT, ..ACCOUNT_IDENTITIES };
const ACCOUNT_WORKSPACES: Demand = Demand { scope: scopes::PROVISIONING, ..ACCOUNT_IDENTITIES };

const fn row(
    method: Method,
    path: &'static str,
    operation: &'static str,
    demand: Demand,
    level: Level,
    handler: fn() -> MethodRouter<App>,
) -> Route {
    let answer = Answer::Json(200, SchemaGenerator::subschema_for::<Empty>);
    Route { method, path, operation, demand, level, evidence: "", parameters: &[], body: None, answer, handler }
}

const CREATORS: &[Parameter] = &[
    Parameter::number("created_by_id", "Only what this principal created."),
    Parameter::text("created_by_username", "Only what the principal of this name created."),
];
const KEYS: &[Parameter] = &[Parameter::text("keys", "Names of keys, separated by commas.").required()];
const ETAG: &[Parameter] = &[Parameter::text("etag", "The version that is to go.")];
const RULE_SET: &[Parameter] = &[
    Parameter::text("name", "accounts/{account_id}/servicePrincipals/{application_id}/ruleSets/default").required(),
    Parameter::text("etag", "The version that the client has."),
];
const PAGING: &[Parameter] = &[
    Parameter::number("page_size", "How many at most."),
    Parameter::text("page_token", "The next_page_token of the page before."),
];
const ATTRIBUTES: Parameter = Parameter::text("attributes", "Only these, separated by commas.");
const EXCLUDED_ATTRIBUTES: Parameter = Parameter::text("excludedAttributes", "Without these, separated by commas.");
const PROJECTION: &[Parameter] = &[ATTRIBUTES, EXCLUDED_ATTRIBUTES];
const LIST: &[Parameter] = &[
    Parameter::text("filter", "Such as userName eq \"me@example.com\"."),
    ATTRIBUTES,
    EXCLUDED_ATTRIBUTES,
    Parameter::text("sortBy", "An attribute."),
    Parameter::text("sortOrder", "ascending or descending."),
    Parameter::number("startIndex", "Of the first; the least is 1."),
    Parameter::number("count", "How many at most."),
];
const AUTHORIZATION: &[Parameter] = &[
    Parameter::text("response_type", "code").required(),
    Parameter::text("client_id", "databricks-cli").required(),
    Parameter::text("redirect_uri", "A loopback address.").required(),
    Parameter::text("code_challenge", "The SHA-256 of the verifier, in base64url.").required(),
    Parameter::text("code_challenge_method", "S256").required(),
    Parameter::text("state", "Goes back as it came."),
    Parameter::text("scope", "Separated by spaces."),
    Parameter::text("login_hint", "Signs this user in without the page, where the server lets everybody."),
];
const GRANT: &[Parameter] = &[
    Parameter::text("grant_type", "client_credentials, authorization_code or refresh_token").required(),
    Parameter::text("scope", "Separated by spaces."),
    Parameter::text("client_id", "Where it is not in the Authorization header."),
    Parameter::text("client_secret", "Where it is not in the Authorization header."),
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

// How it is known, and where the research tells of it.
const TOKENS: &str =
    "databricks-sdk-go TestAccTokens: [acceptance]; errors: [observed]; a lifetime above the maximum: [inferred]";
const TOKEN_UPDATE: &str = "governance §2.4: [doc] [client]";
const MANAGEMENT: &str = "databricks-sdk-go TestAccCreateOboTokenOnAws: [acceptance]; filters in the query or the body: [doc]; errors: [doc] [observed]";
const ON_BEHALF_OF: &str =
    "databricks-sdk-go TestAccCreateOboTokenOnAws: [acceptance]; refusal on Azure: [observed], its status [inferred]";
const CONF: &str = "databricks-sdk-go TestAccWorkspaceConf: [acceptance]; errors: [observed] [client]";
const PERMISSIONS: &str = "terraform-provider-databricks TestAccPermissions_Authorization_Tokens and its get-tokens-permissions.json: [acceptance]; errors: [observed], some status [inferred]";
const RESTRICTED_ADMINS: &str = "terraform-provider-databricks TestAccRestrictWorkspaceAdminsSetting: [acceptance]; disable_gov_tag_creation: [client]";
const RULE_SETS: &str = "governance §2.8: [client]; only service principals' rule sets [inferred]";
const ME: &str = "databricks-sdk-go TestAccCurrentUser: [acceptance]; required scopes: [observed]";
const SCIM: &str = "identity §7: [client] [observed] [doc]; wording of some errors [inferred]";
const SCIM_THROUGH_WORKSPACE: &str = "identity §7.1: [observed] for users; the rest as the account's SCIM [inferred]";
const METADATA: &str = "identity §2: [client]";
const DISCOVERY: &str = "identity §3.1: [observed] [client]; announces what works here";
const KEY_SET: &str = "identity §3.2: [observed]";
const SIGN_IN: &str = "identity §3.5: [client]; the page is ours";
const ACCESS_TOKENS: &str = "identity §3.3, §3.4: [client] [observed]; some errors [inferred]";
const INTROSPECTION: &str = "identity §3.5: [client]";
const CLIENT_SECRETS: &str = "identity §3.7: [client] [doc]; wording of errors [inferred]";
const WORKSPACES: &str = "identity §8.3: [client]";
const ASSIGNMENTS: &str = "the SDKs' code: [client]; errors and what a removal takes along [inferred]";
const OURS: &str = "ours";
const CONF_PREVIEW: &str = "the older address of the same: [doc] [client]";
const PERMISSIONS_PREVIEW: &str = "the older address of the same, documented in 2020: [doc] [client]";
const PERMISSIONS_MERGED: &str = "governance §2.6: [doc] [client]";
const PERMISSION_LEVELS: &str = "governance §2.6: levels [client], their descriptions [inferred]";

/// Every route, emulated or our own.
#[rustfmt::skip] // One row a route, and what goes with it.
pub static ROUTES: &[Route] = &[
    row(Method::POST, "/api/2.0/token/create", "tokens.create", OWN_TOKENS, Level::Exact, || post(tokens::create))
        .evidence(TOKENS).body::<tokens::CreateToken>().answers::<CreatedToken<TokenInfo>>(),
    row(Method::GET, "/api/2.0/token/list", "tokens.list", OWN_TOKENS, Level::Exact, || get(tokens::list))
        .evidence(TOKENS).answers::<tokens::TokenInfos>(),
    row(Method::POST, "/api/2.0/token/delete", "tokens.delete", OWN_TOKENS, Level::Exact, || post(tokens::delete))
        .evidence(TOKENS).body::<tokens::DeleteToken>(),
    row(Method::PATCH, "/api/2.0/token/{token_id}", "tokens.update", OWN_TOKENS, Level::Documented, || patch(tokens::update))
        .evidence(TOKEN_UPDATE).body::<tokens::UpdateToken>(),
    row(Method::GET, "/api/2.0/token-management/tokens", "tokenManagement.list", ALL_TOKENS, Level::Exact, || get(token_management::list))
        .evidence(MANAGEMENT).parameters(CREATORS).answers::<token_management::ManagedTokenInfos>(),
    row(Method::GET, "/api/2.0/token-management/tokens/{token_id}", "tokenManagement.get", ALL_TOKENS, Level::Exact, || get(token_management::get))
        .evidence(MANAGEMENT).answers::<token_management::ManagedToken>(),
    row(Method::PATCH, "/api/2.0/token-management/tokens/{token_id}", "tokenManagement.updateTokenManagement", ALL_TOKENS, Level::Documented, || patch(token_management::update))
        .evidence(TOKEN_UPDATE).body::<tokens::UpdateToken>().answers::<ManagedTokenInfo>(),
    row(Method::DELETE, "/api/2.0/token-management/tokens/{token_id}", "tokenManagement.delete", ALL_TOKENS, Level::Exact, || delete(token_management::delete))
        .evidence(MANAGEMENT),
    row(Method::POST, "/api/2.0/token-management/on-behalf-of/tokens", "tokenManagement.createOboToken", ALL_TOKENS, Level::Exact, || post(token_management::create_on_behalf_of))
        .evidence(ON_BEHALF_OF).body::<tokens::CreateToken>().answers::<CreatedToken<ManagedTokenInfo>>(),
    row(Method::GET, "/api/2.0/workspace-conf", "workspaceConf.getStatus", CONFIGURATION, Level::Exact, || get(workspace_conf::get_status))
        .evidence(CONF).parameters(KEYS).answers::<BTreeMap<String, Option<String>>>(),
    row(Method::PATCH, "/api/2.0/workspace-conf", "workspaceConf.setStatus", CONFIGURATION, Level::Exact, || patch(workspace_conf::set_status))
        .evidence(CONF).body::<Map<String, Value>>().answers_nothing(),
    row(Method::GET, "/api/2.0/preview/workspace-conf", "workspaceConf.getStatus", CONFIGURATION, Level::Documented, || get(workspace_conf::get_status))
        .evidence(CONF_PREVIEW).parameters(KEYS).answers::<BTreeMap<String, Option<String>>>(),
    row(Method::PATCH, "/api/2.0/preview/workspace-conf", "workspaceConf.setStatus", CONFIGURATION, Level::Documented, || patch(workspace_conf::set_status))
        .evidence(CONF_PREVIEW).body::<Map<String, Value>>().answers_nothing(),
    row(Method::GET, "/api/2.0/permissions/authorization/tokens", "tokenManagement.getPermissions", READ_PERMISSIONS, Level::Exact, || get(permissions::get))
        .evidence(PERMISSIONS).answers::<permissions::TokenPermissions>(),
    row(Method::PUT, "/api/2.0/permissions/authorization/tokens", "tokenManagement.setPermissions", CHANGE_PERMISSIONS, Level::Exact, || put(permissions::put))
        .evidence(PERMISSIONS).body::<permissions::ChangeList>().answers::<permissions::TokenPermissions>(),
    row(Method::PATCH, "/api/2.0/permissions/authorization/tokens", "tokenManagement.updatePermissions", CHANGE_PERMISSIONS, Level::Documented, || patch(permissions::patch))
        .evidence(PERMISSIONS_MERGED).body::<permissions::ChangeList>().answers::<permissions::TokenPermissions>(),
    row(Method::GET, "/api/2.0/permissions/authorization/tokens/permissionLevels", "tokenManagement.getPermissionLevels", READ_PERMISSIONS, Level::Inferred, || get(permissions::levels))
        .evidence(PERMISSION_LEVELS).answers::<permissions::PermissionLevels>(),
    row(Method::GET, "/api/2.0/preview/permissions/authorization/tokens", "tokenManagement.getPermissions", READ_PERMISSIONS, Level::Documented, || get(permissions::get))
        .evidence(PERMISSIONS_PREVIEW).answers::<permissions::TokenPermissions>(),
    row(Method::PUT, "/api/2.0/preview/permissions/authorization/tokens", "tokenManagement.setPermissions", CHANGE_PERMISSIONS, Level::Documented, || put(permissions::put))
        .evidence(PERMISSIONS_PREVIEW).body::<permissions::ChangeList>().answers::<permissions::TokenPermissions>(),
    row(Method::PATCH, "/api/2.0/preview/permissions/authorization/tokens", "tokenManagement.updatePermissions", CHANGE_PERMISSIONS, Level::Documented, || patch(permissions::patch))
        .evidence(PERMISSIONS_PREVIEW).body::<permissions::ChangeList>().answers::<permissions::TokenPermissions>(),
    row(Method::GET, "/api/2.0/preview/permissions/authorization/tokens/permissionLevels", "tokenManagement.getPermissionLevels", READ_PERMISSIONS, Level::Inferred, || get(permissions::levels))
        .evidence(PERMISSION_LEVELS).answers::<permissions::PermissionLevels>(),
    row(Method::GET, "/api/2.0/settings/types/restrict_workspace_admins/names/default", "restrictWorkspaceAdmins.get", CONFIGURATION, Level::Exact, || get(settings::get))
        .evidence(RESTRICTED_ADMINS).parameters(ETAG).answers::<settings::VersionedSetting>(),
    row(Method::PATCH, "/api/2.0/settings/types/restrict_workspace_admins/names/default", "restrictWorkspaceAdmins.update", RESTRICTION, Level::Exact, || patch(settings::update))
        .evidence(RESTRICTED_ADMINS).body::<settings::UpdateSetting>().answers::<settings::VersionedSetting>(),
    row(Method::DELETE, "/api/2.0/settings/types/restrict_workspace_admins/names/default", "restrictWorkspaceAdmins.delete", RESTRICTION, Level::Exact, || delete(settings::delete))
        .evidence(RESTRICTED_ADMINS).parameters(ETAG).answers::<settings::Etag>(),
    row(Method::GET, "/api/2.0/preview/accounts/access-control/rule-sets", "accountAccessControlProxy.getRuleSet", ROLES, Level::Partial, || get(settings::get_rule_set))
        .evidence(RULE_SETS).parameters(RULE_SET).answers::<settings::RuleSet>(),
    row(Method::PUT, "/api/2.0/preview/accounts/access-control/rule-sets", "accountAccessControlProxy.updateRuleSet", ROLES, Level::Partial, || put(settings::update_rule_set))
        .evidence(RULE_SETS).body::<settings::UpdateRuleSet>().answers::<settings::RuleSet>(),
    row(Method::GET, "/api/2.0/preview/scim/v2/Me", "currentUser.me", CURRENT_USER, Level::Exact, || get(scim::me))
        .evidence(ME).parameters(PROJECTION).answers::<schema::ScimUser>(),
    row(Method::GET, "/api/2.0/preview/scim/v2/Users", "users.list", READ_IDENTITIES, Level::Partial, || scim::list(Workspace, User))
        .evidence(SCIM).parameters(LIST).answers::<schema::ScimUsers>(),
    row(Method::POST, "/api/2.0/preview/scim/v2/Users", "users.create", CHANGE_IDENTITIES, Level::Partial, || scim::create(Workspace, User))
        .evidence(SCIM).body::<schema::NewScimUser>().creates::<schema::ScimUser>(),
    row(Method::GET, "/api/2.0/preview/scim/v2/Users/{id}", "users.get", READ_IDENTITIES, Level::Partial, || scim::get(Workspace, User))
        .evidence(SCIM).parameters(PROJECTION).answers::<schema::ScimUser>(),
    row(Method::PUT, "/api/2.0/preview/scim/v2/Users/{id}", "users.update", CHANGE_IDENTITIES, Level::Partial, || scim::replace(Workspace, User))
        .evidence(SCIM).body::<schema::NewScimUser>().answers::<schema::ScimUser>(),
    row(Method::PATCH, "/api/2.0/preview/scim/v2/Users/{id}", "users.patch", CHANGE_IDENTITIES, Level::Partial, || scim::patch(Workspace, User))
        .evidence(SCIM).body::<schema::ScimPatch>().answers::<schema::ScimUser>(),
    row(Method::DELETE, "/api/2.0/preview/scim/v2/Users/{id}", "users.delete", CHANGE_IDENTITIES, Level::Partial, || scim::delete(Workspace, User))
        .evidence(SCIM).answers_nothing(),
    row(Method::GET, "/api/2.0/preview/scim/v2/Groups", "groups.list", READ_IDENTITIES, Level::Partial, || scim::list(Workspace, Group))
        .evidence(SCIM).parameters(LIST).answers::<schema::ScimGroups>(),
    row(Method::POST, "/api/2.0/preview/scim/v2/Groups", "groups.create", CHANGE_IDENTITIES, Level::Partial, || scim::create(Workspace, Group))
        .evidence(SCIM).body::<schema::NewScimGroup>().creates::<schema::ScimGroup>(),
    row(Method::GET, "/api/2.0/preview/scim/v2/Groups/{id}", "groups.get", READ_IDENTITIES, Level::Partial, || scim::get(Workspace, Group))
        .evidence(SCIM).parameters(PROJECTION).answers::<schema::ScimGroup>(),
    row(Method::PUT, "/api/2.0/preview/scim/v2/Groups/{id}", "groups.update", CHANGE_IDENTITIES, Level::Partial, || scim::replace(Workspace, Group))
        .evidence(SCIM).body::<schema::NewScimGroup>().answers::<schema::ScimGroup>(),
    row(Method::PATCH, "/api/2.0/preview/scim/v2/Groups/{id}", "groups.patch", CHANGE_IDENTITIES, Level::Partial, || scim::patch(Workspace, Group))
        .evidence(SCIM).body::<schema::ScimPatch>().answers::<schema::ScimGroup>(),
    row(Method::DELETE, "/api/2.0/preview/scim/v2/Groups/{id}", "groups.delete", CHANGE_IDENTITIES, Level::Partial, || scim::delete(Workspace, Group))
        .evidence(SCIM).answers_nothing(),
    row(Method::GET, "/api/2.0/preview/scim/v2/ServicePrincipals", "servicePrincipals.list", READ_IDENTITIES, Level::Partial, || scim::list(Workspace, ServicePrincipal))
        .evidence(SCIM).parameters(LIST).answers::<schema::ScimServicePrincipals>(),
    row(Method::POST, "/api/2.0/preview/scim/v2/ServicePrincipals", "servicePrincipals.create", CHANGE_IDENTITIES, Level::Partial, || scim::create(Workspace, ServicePrincipal))
        .evidence(SCIM).body::<schema::NewScimServicePrincipal>().creates::<schema::ScimServicePrincipal>(),
    row(Method::GET, "/api/2.0/preview/scim/v2/ServicePrincipals/{id}", "servicePrincipals.get", READ_IDENTITIES, Level::Partial, || scim::get(Workspace, ServicePrincipal))
        .evidence(SCIM).parameters(PROJECTION).answers::<schema::ScimServicePrincipal>(),
    row(Method::PUT, "/api/2.0/preview/scim/v2/ServicePrincipals/{id}", "servicePrincipals.update", CHANGE_IDENTITIES, Level::Partial, || scim::replace(Workspace, ServicePrincipal))
        .evidence(SCIM).body::<schema::NewScimServicePrincipal>().answers::<schema::ScimServicePrincipal>(),
    row(Method::PATCH, "/api/2.0/preview/scim/v2/ServicePrincipals/{id}", "servicePrincipals.patch", CHANGE_IDENTITIES, Level::Partial, || scim::patch(Workspace, ServicePrincipal))
        .evidence(SCIM).body::<schema::ScimPatch>().answers::<schema::ScimServicePrincipal>(),
    row(Method::DELETE, "/api/2.0/preview/scim/v2/ServicePrincipals/{id}", "servicePrincipals.delete", CHANGE_IDENTITIES, Level::Partial, || scim::delete(Workspace, ServicePrincipal))
        .evidence(SCIM).answers_nothing(),
    row(Method::GET, "/.well-known/databricks-config", "hostMetadata", OPEN, Level::Documented, || get(discovery::host_metadata))
        .evidence(METADATA).answers::<discovery::HostMetadata>(),
    row(Method::GET, "/oidc/.well-known/oauth-authorization-server", "oauth.metadata", OPEN, Level::Partial, || get(oidc::metadata))
        .evidence(DISCOVERY).answers::<oidc::ServerMetadata>(),
    row(Method::GET, "/oidc/.well-known/openid-configuration", "oauth.openidConfiguration", OPEN, Level::Partial, || get(oidc::metadata))
        .evidence(DISCOVERY).answers::<oidc::ServerMetadata>(),
    row(Method::GET, "/oidc/accounts/{account_id}/.well-known/oauth-authorization-server", "oauth.accountMetadata", OPEN, Level::Partial, || get(oidc::metadata))
        .evidence(DISCOVERY).answers::<oidc::ServerMetadata>(),
    row(Method::GET, "/oidc/accounts/{account_id}/.well-known/openid-configuration", "oauth.accountOpenidConfiguration", OPEN, Level::Partial, || get(oidc::metadata))
        .evidence(DISCOVERY).answers::<oidc::ServerMetadata>(),
    row(Method::GET, "/oidc/jwks.json", "oauth.jwks", OPEN, Level::Exact, || get(oidc::jwks))
        .evidence(KEY_SET).answers::<oidc::KeySet>(),
    row(Method::GET, "/oidc/accounts/{account_id}/jwks.json", "oauth.accountJwks", OPEN, Level::Exact, || get(oidc::jwks))
        .evidence(KEY_SET).answers::<oidc::KeySet>(),
    row(Method::GET, "/oidc/v1/authorize", "oauth.authorize", OPEN, Level::Partial, || get(authorize::authorize))
        .evidence(SIGN_IN).parameters(AUTHORIZATION).shows_page(),
    row(Method::POST, "/oidc/v1/authorize", "oauth.chooseUser", OPEN, Level::Own, || post(authorize::choose))
        .evidence(OURS).form(CHOICE).shows_page(),
    row(Method::GET, "/oidc/accounts/{account_id}/v1/authorize", "oauth.accountAuthorize", OPEN, Level::Partial, || get(authorize::authorize))
        .evidence(SIGN_IN).parameters(AUTHORIZATION).shows_page(),
    row(Method::POST, "/oidc/accounts/{account_id}/v1/authorize", "oauth.accountChooseUser", OPEN, Level::Own, || post(authorize::choose))
        .evidence(OURS).form(CHOICE).shows_page(),
    row(Method::POST, "/oidc/v1/token", "oauth.token", OPEN, Level::Partial, || post(oidc::token))
        .evidence(ACCESS_TOKENS).form(GRANT).answers::<oidc::Tokens>(),
    row(Method::POST, "/oidc/accounts/{account_id}/v1/token", "oauth.accountToken", OPEN, Level::Partial, || post(oidc::token))
        .evidence(ACCESS_TOKENS).form(GRANT).answers::<oidc::Tokens>(),
    row(Method::GET, "/api/2.0/tokens/introspect", "tokens.introspect", ANY_CALLER, Level::Partial, || get(oidc::introspect))
        .evidence(INTROSPECTION).answers::<oidc::Introspection>(),
    row(Method::POST, "/api/2.0/accounts/servicePrincipals/{sp_id}/credentials/secrets", "servicePrincipalSecretsProxy.create", SECRETS_PROXY, Level::Partial, || post(client_secrets::create))
        .evidence(CLIENT_SECRETS).body::<client_secrets::CreateSecret>().answers::<client_secrets::SecretInfo>(),
    row(Method::GET, "/api/2.0/accounts/servicePrincipals/{sp_id}/credentials/secrets", "servicePrincipalSecretsProxy.list", SECRETS_PROXY, Level::Partial, || get(client_secrets::list))
        .evidence(CLIENT_SECRETS).parameters(PAGING).answers::<client_secrets::SecretList>(),
    row(Method::DELETE, "/api/2.0/accounts/servicePrincipals/{sp_id}/credentials/secrets/{secret_id}", "servicePrincipalSecretsProxy.delete", SECRETS_PROXY, Level::Partial, || delete(client_secrets::delete))
        .evidence(CLIENT_SECRETS).answers_nothing(),
    row(Method::POST, "/api/2.0/accounts/{account_id}/servicePrincipals/{sp_id}/credentials/secrets", "servicePrincipalSecrets.create", SECRETS, Level::Partial, || post(client_secrets::create))
        .evidence(CLIENT_SECRETS).body::<client_secrets::CreateSecret>().answers::<client_secrets::SecretInfo>(),
    row(Method::GET, "/api/2.0/accounts/{account_id}/servicePrincipals/{sp_id}/credentials/secrets", "servicePrincipalSecrets.list", SECRETS, Level::Partial, || get(client_secrets::list))
        .evidence(CLIENT_SECRETS).parameters(PAGING).answers::<client_secrets::SecretList>(),
    row(Method::DELETE, "/api/2.0/accounts/{account_id}/servicePrincipals/{sp_id}/credentials/secrets/{secret_id}", "servicePrincipalSecrets.delete", SECRETS, Level::Partial, || delete(client_secrets::delete))
        .evidence(CLIENT_SECRETS).answers_nothing(),
    row(Method::GET, "/api/2.0/accounts/{account_id}/workspaces", "workspaces.list", ACCOUNT_WORKSPACES, Level::Partial, || get(account::list_workspaces))
        .evidence(WORKSPACES).answers::<Vec<account::WorkspaceInfo>>(),
    row(Method::GET, "/api/2.0/accounts/{account_id}/workspaces/{workspace_id}", "workspaces.get", ACCOUNT_WORKSPACES, Level::Partial, || get(account::get_workspace))
        .evidence(WORKSPACES).answers::<account::WorkspaceInfo>(),
    row(Method::GET, "/api/2.0/accounts/{account_id}/workspaces/{workspace_id}/permissionassignments", "workspaceAssignment.list", ACCOUNT_ASSIGNMENTS, Level::Inferred, || get(account::list_assignments))
        .evidence(ASSIGNMENTS).answers::<account::AssignmentList>(),
    row(Method::GET, "/api/2.0/accounts/{account_id}/workspaces/{workspace_id}/permissionassignments/permissions", "workspaceAssignment.get", ACCOUNT_ASSIGNMENTS, Level::Inferred, || get(account::permissions))
        .evidence(ASSIGNMENTS).answers::<account::AssignablePermissions>(),
    row(Method::PUT, "/api/2.0/accounts/{account_id}/workspaces/{workspace_id}/permissionassignments/principals/{principal_id}", "workspaceAssignment.update", ACCOUNT_ASSIGNMENTS, Level::Inferred, || put(account::assign))
        .evidence(ASSIGNMENTS).body::<account::Requested>().answers::<account::AssignmentInfo>(),
    row(Method::DELETE, "/api/2.0/accounts/{account_id}/workspaces/{workspace_id}/permissionassignments/principals/{principal_id}", "workspaceAssignment.delete", ACCOUNT_ASSIGNMENTS, Level::Inferred, || delete(account::unassign))
        .evidence(ASSIGNMENTS),
    row(Method::GET, "/api/2.0/accounts/{account_id}/scim/v2/Users", "accountUsers.list", ACCOUNT_IDENTITIES, Level::Partial, || scim::list(Account, User))
        .evidence(SCIM).parameters(LIST).answers::<schema::ScimUsers>(),
    row(Method::POST, "/api/2.0/accounts/{account_id}/scim/v2/Users", "accountUsers.create", ACCOUNT_IDENTITIES, Level::Partial, || scim::create(Account, User))
        .evidence(SCIM).body::<schema::NewScimUser>().creates::<schema::ScimUser>(),
    row(Method::GET, "/api/2.0/accounts/{account_id}/scim/v2/Users/{id}", "accountUsers.get", ACCOUNT_IDENTITIES, Level::Partial, || scim::get(Account, User))
        .evidence(SCIM).parameters(PROJECTION).answers::<schema::ScimUser>(),
    row(Method::PUT, "/api/2.0/accounts/{account_id}/scim/v2/Users/{id}", "accountUsers.update", ACCOUNT_IDENTITIES, Level::Partial, || scim::replace(Account, User))
        .evidence(SCIM).body::<schema::NewScimUser>().answers::<schema::ScimUser>(),
    row(Method::PATCH, "/api/2.0/accounts/{account_id}/scim/v2/Users/{id}", "accountUsers.patch", ACCOUNT_IDENTITIES, Level::Partial, || scim::patch(Account, User))
        .evidence(SCIM).body::<schema::ScimPatch>().answers::<schema::ScimUser>(),
    row(Method::DELETE, "/api/2.0/accounts/{account_id}/scim/v2/Users/{id}", "accountUsers.delete", ACCOUNT_IDENTITIES, Level::Partial, || scim::delete(Account, User))
        .evidence(SCIM).answers_nothing(),
    row(Method::GET, "/api/2.0/accounts/{account_id}/scim/v2/Groups", "accountGroups.list", ACCOUNT_IDENTITIES, Level::Partial, || scim::list(Account, Group))
        .evidence(SCIM).parameters(LIST).answers::<schema::ScimGroups>(),
    row(Method::POST, "/api/2.0/accounts/{account_id}/scim/v2/Groups", "accountGroups.create", ACCOUNT_IDENTITIES, Level::Partial, || scim::create(Account, Group))
        .evidence(SCIM).body::<schema::NewScimGroup>().creates::<schema::ScimGroup>(),
    row(Method::GET, "/api/2.0/accounts/{account_id}/scim/v2/Groups/{id}", "accountGroups.get", ACCOUNT_IDENTITIES, Level::Partial, || scim::get(Account, Group))
        .evidence(SCIM).parameters(PROJECTION).answers::<schema::ScimGroup>(),
    row(Method::PUT, "/api/2.0/accounts/{account_id}/scim/v2/Groups/{id}", "accountGroups.update", ACCOUNT_IDENTITIES, Level::Partial, || scim::replace(Account, Group))
        .evidence(SCIM).body::<schema::NewScimGroup>().answers::<schema::ScimGroup>(),
    row(Method::PATCH, "/api/2.0/accounts/{account_id}/scim/v2/Groups/{id}", "accountGroups.patch", ACCOUNT_IDENTITIES, Level::Partial, || scim::patch(Account, Group))
        .evidence(SCIM).body::<schema::ScimPatch>().answers::<schema::ScimGroup>(),
    row(Method::DELETE, "/api/2.0/accounts/{account_id}/scim/v2/Groups/{id}", "accountGroups.delete", ACCOUNT_IDENTITIES, Level::Partial, || scim::delete(Account, Group))
        .evidence(SCIM).answers_nothing(),
    row(Method::GET, "/api/2.0/accounts/{account_id}/scim/v2/ServicePrincipals", "accountServicePrincipals.list", ACCOUNT_IDENTITIES, Level::Partial, || scim::list(Account, ServicePrincipal))
        .evidence(SCIM).parameters(LIST).answers::<schema::ScimServicePrincipals>(),
    row(Method::POST, "/api/2.0/accounts/{account_id}/scim/v2/ServicePrincipals", "accountServicePrincipals.create", ACCOUNT_IDENTITIES, Level::Partial, || scim::create(Account, ServicePrincipal))
        .evidence(SCIM).body::<schema::NewScimServicePrincipal>().creates::<schema::ScimServicePrincipal>(),
    row(Method::GET, "/api/2.0/accounts/{account_id}/scim/v2/ServicePrincipals/{id}", "accountServicePrincipals.get", ACCOUNT_IDENTITIES, Level::Partial, || scim::get(Account, ServicePrincipal))
        .evidence(SCIM).parameters(PROJECTION).answers::<schema::ScimServicePrincipal>(),
    row(Method::PUT, "/api/2.0/accounts/{account_id}/scim/v2/ServicePrincipals/{id}", "accountServicePrincipals.update", ACCOUNT_IDENTITIES, Level::Partial, || scim::replace(Account, ServicePrincipal))
        .evidence(SCIM).body::<schema::NewScimServicePrincipal>().answers::<schema::ScimServicePrincipal>(),
    row(Method::PATCH, "/api/2.0/accounts/{account_id}/scim/v2/ServicePrincipals/{id}", "accountServicePrincipals.patch", ACCOUNT_IDENTITIES, Level::Partial, || scim::patch(Account, ServicePrincipal))
        .evidence(SCIM).body::<schema::ScimPatch>().answers::<schema::ScimServicePrincipal>(),
    row(Method::DELETE, "/api/2.0/accounts/{account_id}/scim/v2/ServicePrincipals/{id}", "accountServicePrincipals.delete", ACCOUNT_IDENTITIES, Level::Partial, || scim::delete(Account, ServicePrincipal))
        .evidence(SCIM).answers_nothing(),
    row(Method::GET, "/api/2.0/account/scim/v2/Users", "accountUsers.list", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::list(Account, User))
        .evidence(SCIM_THROUGH_WORKSPACE).parameters(LIST).answers::<schema::ScimUsers>(),
    row(Method::POST, "/api/2.0/account/scim/v2/Users", "accountUsers.create", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::create(Account, User))
        .evidence(SCIM_THROUGH_WORKSPACE).body::<schema::NewScimUser>().creates::<schema::ScimUser>(),
    row(Method::GET, "/api/2.0/account/scim/v2/Users/{id}", "accountUsers.get", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::get(Account, User))
        .evidence(SCIM_THROUGH_WORKSPACE).parameters(PROJECTION).answers::<schema::ScimUser>(),
    row(Method::PUT, "/api/2.0/account/scim/v2/Users/{id}", "accountUsers.update", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::replace(Account, User))
        .evidence(SCIM_THROUGH_WORKSPACE).body::<schema::NewScimUser>().answers::<schema::ScimUser>(),
    row(Method::PATCH, "/api/2.0/account/scim/v2/Users/{id}", "accountUsers.patch", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::patch(Account, User))
        .evidence(SCIM_THROUGH_WORKSPACE).body::<schema::ScimPatch>().answers::<schema::ScimUser>(),
    row(Method::DELETE, "/api/2.0/account/scim/v2/Users/{id}", "accountUsers.delete", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::delete(Account, User))
        .evidence(SCIM_THROUGH_WORKSPACE).answers_nothing(),
    row(Method::GET, "/api/2.0/account/scim/v2/Groups", "accountGroups.list", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::list(Account, Group))
        .evidence(SCIM_THROUGH_WORKSPACE).parameters(LIST).answers::<schema::ScimGroups>(),
    row(Method::POST, "/api/2.0/account/scim/v2/Groups", "accountGroups.create", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::create(Account, Group))
        .evidence(SCIM_THROUGH_WORKSPACE).body::<schema::NewScimGroup>().creates::<schema::ScimGroup>(),
    row(Method::GET, "/api/2.0/account/scim/v2/Groups/{id}", "accountGroups.get", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::get(Account, Group))
        .evidence(SCIM_THROUGH_WORKSPACE).parameters(PROJECTION).answers::<schema::ScimGroup>(),
    row(Method::PUT, "/api/2.0/account/scim/v2/Groups/{id}", "accountGroups.update", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::replace(Account, Group))
        .evidence(SCIM_THROUGH_WORKSPACE).body::<schema::NewScimGroup>().answers::<schema::ScimGroup>(),
    row(Method::PATCH, "/api/2.0/account/scim/v2/Groups/{id}", "accountGroups.patch", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::patch(Account, Group))
        .evidence(SCIM_THROUGH_WORKSPACE).body::<schema::ScimPatch>().answers::<schema::ScimGroup>(),
    row(Method::DELETE, "/api/2.0/account/scim/v2/Groups/{id}", "accountGroups.delete", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::delete(Account, Group))
        .evidence(SCIM_THROUGH_WORKSPACE).answers_nothing(),
    row(Method::GET, "/api/2.0/account/scim/v2/ServicePrincipals", "accountServicePrincipals.list", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::list(Account, ServicePrincipal))
        .evidence(SCIM_THROUGH_WORKSPACE).parameters(LIST).answers::<schema::ScimServicePrincipals>(),
    row(Method::POST, "/api/2.0/account/scim/v2/ServicePrincipals", "accountServicePrincipals.create", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::create(Account, ServicePrincipal))
        .evidence(SCIM_THROUGH_WORKSPACE).body::<schema::NewScimServicePrincipal>().creates::<schema::ScimServicePrincipal>(),
    row(Method::GET, "/api/2.0/account/scim/v2/ServicePrincipals/{id}", "accountServicePrincipals.get", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::get(Account, ServicePrincipal))
        .evidence(SCIM_THROUGH_WORKSPACE).parameters(PROJECTION).answers::<schema::ScimServicePrincipal>(),
    row(Method::PUT, "/api/2.0/account/scim/v2/ServicePrincipals/{id}", "accountServicePrincipals.update", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::replace(Account, ServicePrincipal))
        .evidence(SCIM_THROUGH_WORKSPACE).body::<schema::NewScimServicePrincipal>().answers::<schema::ScimServicePrincipal>(),
    row(Method::PATCH, "/api/2.0/account/scim/v2/ServicePrincipals/{id}", "accountServicePrincipals.patch", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::patch(Account, ServicePrincipal))
        .evidence(SCIM_THROUGH_WORKSPACE).body::<schema::ScimPatch>().answers::<schema::ScimServicePrincipal>(),
    row(Method::DELETE, "/api/2.0/account/scim/v2/ServicePrincipals/{id}", "accountServicePrincipals.delete", ACCOUNT_IDENTITIES_IN_WORKSPACE, Level::Partial, || scim::delete(Account, ServicePrincipal))
        .evidence(SCIM_THROUGH_WORKSPACE).answers_nothing(),
    row(Method::GET, "/livez", "livez", OPEN, Level::Own, || get(health::live))
        .evidence(OURS).answers::<health::Health>(),
    row(Method::GET, "/readyz", "readyz", OPEN, Level::Own, || get(health::ready))
        .evidence(OURS).answers::<health::Health>(),
    row(Method::GET, "/health", "health", OPEN, Level::Own, || get(health::summary))
        .evidence(OURS).answers::<health::HealthSummary>(),
];
