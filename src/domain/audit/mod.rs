//! What the audit log says: actions, their parameters, and who did it (governance §4.3).

pub mod shape;

use std::collections::BTreeMap;

use super::access::PermissionLevel;
use super::jwt::LIFETIME_SECONDS;
use super::{AccountId, Millis, PrincipalId, TokenId, WorkspaceId};
use crate::domain::identities::Principal;
use crate::domain::scopes::ALL_APIS;
use crate::domain::tokens::Token;

/// Who ended a token that nobody revoked (governance §2.5, \[inferred\]).
pub const SYSTEM_USER: &str = "System-User";

/// Where a request came from, as the audit log shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The answer's `X-Request-Id`.
    pub request_id: String,
    /// The peer's address.
    pub source_ip: String,
    /// The client's `User-Agent`.
    pub user_agent: String,
}

/// An action of the log with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// `serviceName`
    pub service: &'static str,
    /// `actionName`
    pub name: &'static str,
    /// `requestParams`; all values are strings.
    pub params: Vec<(&'static str, String)>,
}

/// An event to be stored.
#[derive(Clone, Debug)]
pub struct NewEvent<'a> {
    /// The account.
    pub account: AccountId,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// A UUID.
    pub event_id: String,
    /// When, on the workspace's clock.
    pub at: Millis,
    /// Who; `None` when nobody could be identified.
    pub actor: Option<&'a str>,
    /// Where from.
    pub origin: &'a Origin,
    /// What.
    pub action: Action,
    /// Whether it is about the account. It is in the log of the workspace that the call was made in, but
    /// names none.
    pub account_level: bool,
    /// The answer's status.
    pub status: u16,
    /// The answer's message, when it was an error.
    pub error: Option<&'a str>,
}

/// A stored event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the order of writing.
    pub sequence: i64,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The account.
    pub account: AccountId,
    /// A UUID.
    pub id: String,
    /// When, on the workspace's clock.
    pub at: Millis,
    /// `serviceName`
    pub service: String,
    /// `actionName`
    pub action: String,
    /// Who; `None` when nobody could be identified.
    pub actor: Option<String>,
    /// The answer's `X-Request-Id`.
    pub request_id: String,
    /// The peer's address.
    pub source_ip: String,
    /// The client's `User-Agent`.
    pub user_agent: String,
    /// `requestParams`; all values are strings.
    pub params: BTreeMap<String, String>,
    /// Whether it is about the account.
    pub account_level: bool,
    /// The answer's status.
    pub status: u16,
    /// The answer's message, when it was an error.
    pub error: Option<String>,
}

/// Which events are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Those written after this place.
    pub after: i64,
    /// And up to this one.
    pub up_to: i64,
    /// One action.
    pub action: Option<String>,
    /// One actor.
    pub actor: Option<String>,
    /// At or after this instant.
    pub since: Option<Millis>,
    /// Before this instant.
    pub until: Option<Millis>,
    /// At most so many.
    pub limit: i64,
    /// Whether those written last come first.
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
    /// `generateDbToken`. The id goes out under both names that detections read (governance D11).
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

    /// `revokeDbToken`.
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

    /// `changeDbTokenAcl`, one for each principal whose entry changed; an empty set when it lost it.
    /// The contents of `shardName`, `resourceId` and `aclPermissionSet` are \[inferred\].
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

    /// `setSetting`.
    pub fn set_setting(setting: &str, value: &str) -> Self {
        Self {
            service: "accounts",
            name: "setSetting",
            params: vec![("settingTypeName", setting.to_owned()), ("settingValueForAudit", value.to_owned())],
        }
    }

    /// `garbageCollectDbToken`: an expired token leaves the lists. The first use is not kept, so
    /// `tokenFirstAccessed` is the last one known.
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

    /// `reachMaxQuotaDbToken`: beside a creation that the quota refused.
    pub fn reach_quota() -> Self {
        Self { service: "accounts", name: "reachMaxQuotaDbToken", params: Vec::new() }
    }

    /// An action that was refused before it had parameters of its own.
    pub fn refused(service: &'static str, name: &'static str) -> Self {
        Self { service, name, params: Vec::new() }
    }

    /// `create` or `delete` of a service principal's OAuth secret: a service of its own in the real
    /// log, recalled and not to be found any more \[inferred\].
    pub fn service_principal_secret(name: &'static str, secret_id: &str, principal: PrincipalId) -> Self {
        Self {
            service: "servicePrincipalCredentials",
            name,
            params: vec![("service_principal", principal.to_string()), ("secret_id", secret_id.to_owned())],
        }
    }

    /// `updateDbToken` \[inferred\]: no name for the update of 2026 is documented.
    pub fn update_token(id: &TokenId, owner: PrincipalId) -> Self {
        Self { name: "updateDbToken", ..Self::revoke_token(id, owner) }
    }

    /// The end of auto-scoping, told as an update by the system \[inferred\].
    pub fn autoscope_token(token: &Token) -> Self {
        let mut action = Self::update_token(&token.id, token.owner);
        let scopes = token.scopes.as_ref().map_or_else(|| ALL_APIS.to_owned(), |names| names.join(" "));
        let state = token.autoscope_state.clone().unwrap_or_default();
        action.params.extend([("scopes", scopes), ("autoscopeState", state)]);
        action
    }

    /// `add`: a user or service principal came to the workspace or the account, or a group was assigned.
    pub fn add(target: &Principal) -> Self {
        Self::on_principal("add", target)
    }

    /// `delete`: a user or service principal left the workspace or the account.
    pub fn delete(target: &Principal) -> Self {
        Self::on_principal("delete", target)
    }

    /// `activateUser` or `deactivateUser`; of service principals too \[inferred\].
    pub fn set_active(target: &Principal, active: bool) -> Self {
        Self::on_principal(if active { "activateUser" } else { "deactivateUser" }, target)
    }

    /// `setAdmin` or `removeAdmin`: into and out of the group `admins`.
    pub fn set_admin(target: &Principal, admin: bool) -> Self {
        Self::on_principal(if admin { "setAdmin" } else { "removeAdmin" }, target)
    }

    /// `setAccountAdmin` or `removeAccountAdmin`, which detections read.
    pub fn set_account_admin(target: &Principal, admin: bool) -> Self {
        Self::on_principal(if admin { "setAccountAdmin" } else { "removeAccountAdmin" }, target)
    }

    /// `addPrincipalToGroup` or `removePrincipalFromGroup`.
    pub fn set_member(group: &Principal, target: &Principal, member: bool) -> Self {
        let name = if member { "addPrincipalToGroup" } else { "removePrincipalFromGroup" };
        let mut action = Self::on_principal(name, target);
        action.params.extend(group_params(group));
        action
    }

    /// `createGroup` or `removeGroup` \[recalled\].
    pub fn set_group(group: &Principal, exists: bool) -> Self {
        let name = if exists { "createGroup" } else { "removeGroup" };
        let params = [("endpoint", SCIM_ENDPOINT.to_owned())].into_iter().chain(group_params(group)).collect();
        Self { service: "accounts", name, params }
    }

    fn on_principal(name: &'static str, target: &Principal) -> Self {
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

/// Where identities are changed from; the value is \[inferred\], the key is not.
const SCIM_ENDPOINT: &str = "scim";

fn group_params(group: &Principal) -> [(&'static str, String); 2] {
    [("targetGroupId", group.id.to_string()), ("targetGroupName", group.name.clone())]
}
