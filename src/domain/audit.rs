//! What the audit log says: actions, their parameters, and who did it (governance §4.3).

use super::identity::Principal;
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

    /// `updateDbToken` \[inferred\]: no name for the update of 2026 is documented.
    pub fn update_token(id: &TokenId, owner: PrincipalId) -> Self {
        Self { name: "updateDbToken", ..Self::revoke_token(id, owner) }
    }

    /// `add`: a user or service principal came to the workspace.
    pub fn add(target: &Principal) -> Self {
        Self::on_principal("add", target)
    }

    /// `delete`: a user or service principal left the workspace.
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
