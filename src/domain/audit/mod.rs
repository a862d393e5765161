//! What the audit log records: actions, their parameters, and who performed them.
//! How an event looks in each of the log's formats is in `shape`.
//! See docs/reference/audit.md#audit-events.

pub mod shape;

use std::collections::BTreeMap;

use super::access::PermissionLevel;
use super::jwt::LIFETIME_SECONDS;
use super::{AccountId, Millis, PrincipalId, TokenId, WorkspaceId};
use crate::domain::identities::Principal;
use crate::domain::scopes::ALL_APIS;
use crate::domain::tokens::Token;

/// The actor in the audit log when a token expires or is revoked for inactivity \[inferred\].
/// See docs/reference/tokens.md#inactivity.
pub const SYSTEM_USER: &str = "System-User";

/// Where a request came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    pub request_id: String,
    pub source_ip: String,
    pub user_agent: String,
}

/// A service, an action name and the request parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    pub service: &'static str,
    pub name: &'static str,
    /// `requestParams`; all values are strings.
    pub params: Vec<(&'static str, String)>,
}

#[derive(Clone, Debug)]
pub struct NewEvent<'a> {
    pub account: AccountId,
    pub workspace: WorkspaceId,
    pub event_id: String,
    /// The time on the workspace's clock.
    pub at: Millis,
    /// `None` if the caller could not be identified.
    pub actor: Option<&'a str>,
    pub origin: &'a Origin,
    pub action: Action,
    /// Whether it concerns the account. Such an event is in the log of the workspace in which the call was made,
    /// but names no workspace.
    pub account_level: bool,
    pub status: u16,
    /// The error message of the response.
    pub error: Option<&'a str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Counts events in the order in which they were written.
    pub sequence: i64,
    pub workspace: WorkspaceId,
    pub account: AccountId,
    pub id: String,
    /// The time on the workspace's clock.
    pub at: Millis,
    pub service: String,
    pub action: String,
    /// `None` if the caller could not be identified.
    pub actor: Option<String>,
    pub request_id: String,
    pub source_ip: String,
    pub user_agent: String,
    /// `requestParams`; all values are strings.
    pub params: BTreeMap<String, String>,
    /// Whether it concerns the account.
    pub account_level: bool,
    pub status: u16,
    /// The error message of the response.
    pub error: Option<String>,
}

/// Selects events. Each field narrows the selection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Only events with a greater sequence number.
    pub after: i64,
    /// Only events with at most this sequence number.
    pub up_to: i64,
    pub action: Option<String>,
    pub actor: Option<String>,
    /// Only events at or after this time.
    pub since: Option<Millis>,
    /// Only events before this time.
    pub until: Option<Millis>,
    pub limit: i64,
    pub newest_first: bool,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            after: 0,
            up_to: i64::MAX,
            action: None,
            actor: None,
            since: None,
            until: None,
            limit: 1000,
            newest_first: false,
        }
    }
}

impl Action {
    /// `generateDbToken`. Detections read the id under either of two names, so the event has both.
    /// See docs/reference/audit.md#token-id-and-hash.
    pub fn generate_token(id: &TokenId, expiry: Option<Millis>, owner: PrincipalId, created_by: PrincipalId) -> Self {
        Self {
            service: "accounts",
            name: "generateDbToken",
            params: vec![
                ("tokenExpirationTime", expiry.map_or(-1, |expiry| expiry.0).to_string()),
                ("tokenHash", id.to_string()),
                ("tokenId", id.to_string()),
                ("userId", owner.to_string()),
                ("tokenCreatedBy", created_by.to_string()),
            ],
        }
    }

    pub fn revoke_token(id: &TokenId, owner: PrincipalId) -> Self {
        Self {
            service: "accounts",
            name: "revokeDbToken",
            params: vec![("userId", owner.to_string()), ("tokenHash", id.to_string()), ("tokenId", id.to_string())],
        }
    }

    /// `workspaceConfEdit`: keys and values as comma-separated lists.
    pub fn edit_workspace_conf(changes: &[(&str, &str)]) -> Self {
        let list = |pick: fn(&(&str, &str)) -> String| changes.iter().map(pick).collect::<Vec<_>>().join(",");
        Self {
            service: "workspace",
            name: "workspaceConfEdit",
            params: vec![
                ("workspaceConfKeys", list(|(key, _)| (*key).to_owned())),
                ("workspaceConfValues", list(|(_, value)| (*value).to_owned())),
            ],
        }
    }

    /// `changeDbTokenAcl`, one for each principal whose entry changed; `None` if its entry was removed.
    /// The values of `shardName`, `resourceId` and `aclPermissionSet` are \[inferred\].
    pub fn change_token_acl(target: PrincipalId, level: Option<PermissionLevel>) -> Self {
        Self {
            service: "accounts",
            name: "changeDbTokenAcl",
            params: vec![
                ("shardName", "dapi-mock".to_owned()),
                ("targetUserId", target.to_string()),
                ("resourceId", "authorization/tokens".to_owned()),
                ("aclPermissionSet", level.map(PermissionLevel::as_str).unwrap_or_default().to_owned()),
            ],
        }
    }

    pub fn set_setting(setting: &str, value: &str) -> Self {
        Self {
            service: "accounts",
            name: "setSetting",
            params: vec![("settingTypeName", setting.to_owned()), ("settingValueForAudit", value.to_owned())],
        }
    }

    /// `garbageCollectDbToken`: an expired token is removed from the lists. Only the last use is stored, so
    /// `tokenFirstAccessed` is the last use.
    pub fn collect_token(token: &Token) -> Self {
        Self {
            service: "accounts",
            name: "garbageCollectDbToken",
            params: vec![
                ("tokenExpirationTime", token.expiry_time.map_or(-1, |expiry| expiry.0).to_string()),
                ("tokenClientId", token.id.to_string()),
                ("userId", token.owner.to_string()),
                ("tokenCreationTime", token.creation_time.0.to_string()),
                ("tokenFirstAccessed", token.last_used.map_or_else(String::new, |used| used.0.to_string())),
            ],
        }
    }

    /// `tokenLogin`: an authentication with a token, successful or not.
    pub fn token_login(user: Option<&str>, id: &TokenId) -> Self {
        let user = user.map(|user| ("user", user.to_owned()));
        let rest = [("tokenId", id.to_string()), ("authenticationMethod", "API_EXT_PAT_TOKEN".to_owned())];
        Self { service: "accounts", name: "tokenLogin", params: user.into_iter().chain(rest).collect() }
    }

    /// `oidcBrowserLogin`: somebody signed in with the browser.
    pub fn browser_login(user: &str) -> Self {
        Self { service: "accounts", name: "oidcBrowserLogin", params: vec![("user", user.to_owned())] }
    }

    /// `mintOAuthToken`: an access token was issued. Public queries read `client_id`; the other keys are
    /// \[recalled\].
    pub fn mint_oauth_token(client_id: &str, grant_type: &str, scope: &str) -> Self {
        Self {
            service: "accounts",
            name: "mintOAuthToken",
            params: vec![
                ("client_id", client_id.to_owned()),
                ("grant_type", grant_type.to_owned()),
                ("scope", scope.to_owned()),
                ("expires_in", LIFETIME_SECONDS.to_string()),
            ],
        }
    }

    /// `reachMaxQuotaDbToken`: recorded in addition when the quota refuses a creation.
    pub fn reach_quota() -> Self {
        Self { service: "accounts", name: "reachMaxQuotaDbToken", params: Vec::new() }
    }

    /// An action that was refused before its parameters were known.
    pub fn refused(service: &'static str, name: &'static str) -> Self {
        Self { service, name, params: Vec::new() }
    }

    /// `create` or `delete` of a service principal's OAuth secret. The service name is from memory and could not be
    /// confirmed \[inferred\].
    pub fn service_principal_secret(name: &'static str, secret_id: &str, principal: PrincipalId) -> Self {
        Self {
            service: "servicePrincipalCredentials",
            name,
            params: vec![("service_principal", principal.to_string()), ("secret_id", secret_id.to_owned())],
        }
    }

    /// `updateDbToken` \[inferred\]: token updates came in 2026, and no name for them is documented.
    pub fn update_token(id: &TokenId, owner: PrincipalId) -> Self {
        Self { name: "updateDbToken", ..Self::revoke_token(id, owner) }
    }

    /// The end of auto-scoping, recorded as an update by the system \[inferred\].
    pub fn autoscope_token(token: &Token) -> Self {
        let mut action = Self::update_token(&token.id, token.owner);
        let scopes = token.scopes.as_ref().map_or_else(|| ALL_APIS.to_owned(), |names| names.join(" "));
        let state = token.autoscope_state.clone().unwrap_or_default();
        action.params.extend([("scopes", scopes), ("autoscopeState", state)]);
        action
    }

    /// `add`: a user or service principal was added to the workspace or the account, or a group was assigned.
    pub fn add(target: &Principal) -> Self {
        Self::on_principal("add", target)
    }

    /// `delete`: a user or service principal was removed from the workspace or the account.
    pub fn delete(target: &Principal) -> Self {
        Self::on_principal("delete", target)
    }

    /// `createGroup` or `removeGroup` \[recalled\].
    pub fn on_group(name: &'static str, group: &Principal) -> Self {
        let params = [("endpoint", SCIM_ENDPOINT.to_owned())].into_iter().chain(group_params(group)).collect();
        Self { service: "accounts", name, params }
    }

    /// `addPrincipalToGroup` or `removePrincipalFromGroup`.
    pub fn on_member(name: &'static str, group: &Principal, target: &Principal) -> Self {
        let mut action = Self::on_principal(name, target);
        action.params.extend(group_params(group));
        action
    }

    /// `activateUser` or `deactivateUser` (for service principals too \[inferred\]), `setAdmin` or `removeAdmin` for
    /// the group `admins`, `setAccountAdmin` or `removeAccountAdmin`.
    pub fn on_principal(name: &'static str, target: &Principal) -> Self {
        Self {
            service: "accounts",
            name,
            params: vec![
                ("targetUserName", target.name.clone()),
                ("endpoint", SCIM_ENDPOINT.to_owned()),
                ("targetUserId", target.id.to_string()),
            ],
        }
    }
}

/// Through which API identities are changed; the value is \[inferred\], the key is not.
const SCIM_ENDPOINT: &str = "scim";

fn group_params(group: &Principal) -> [(&'static str, String); 2] {
    [("targetGroupId", group.id.to_string()), ("targetGroupName", group.name.clone())]
}
