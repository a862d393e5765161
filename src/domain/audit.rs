//! What the audit log says: actions, their parameters, and who did it (governance §4.3).

use super::access::PermissionLevel;
use super::{Millis, PrincipalId, TokenId};

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

    /// `updateDbToken` \[inferred\]: no name for the update of 2026 is documented.
    pub fn update_token(id: &TokenId, owner: PrincipalId) -> Self {
        Self { name: "updateDbToken", ..Self::revoke_token(id, owner) }
    }
}
