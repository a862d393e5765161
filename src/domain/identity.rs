//! Users, service principals and groups.

use serde::{Deserialize, Serialize};

use super::{PrincipalId, WorkspaceId};

/// What a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// A person; named by e-mail address.
    User,
    /// An application; named by its application id, a UUID.
    ServicePrincipal,
    /// A set of principals; named by its display name.
    Group,
}

impl PrincipalKind {
    /// The name as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ServicePrincipal => "service_principal",
            Self::Group => "group",
        }
    }

    /// Reads a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::User, Self::ServicePrincipal, Self::Group].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A user, service principal or group of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Its id, unique in the account across the three kinds.
    pub id: PrincipalId,
    /// The workspace of a workspace-local group; `None` for principals of the account.
    pub local_to: Option<WorkspaceId>,
    /// What it is.
    pub kind: PrincipalKind,
    /// `userName`, `applicationId` or a group's `displayName`.
    pub name: String,
    /// What people read.
    pub display_name: String,
    /// Whether it may authenticate anywhere in the account.
    pub active: bool,
    /// Whether it holds the account admin role.
    pub account_admin: bool,
    /// The identity provider's id.
    pub external_id: Option<String>,
    /// SCIM attributes that no rule reads.
    pub attributes: Attributes,
}

impl Principal {
    /// The name as compared: case does not count (research/api-identity-auth.md §7.3).
    pub fn name_key(name: &str) -> String {
        name.to_lowercase()
    }
}

/// SCIM attributes that no rule reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Attributes {
    /// `name.givenName`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
    /// `name.familyName`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
    /// `emails`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<Email>,
}

/// One e-mail address of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Email {
    /// The address.
    pub value: String,
    /// Such as `work`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether it is the first one to use.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub primary: bool,
}

/// A principal's place in one workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Whether it may authenticate in this workspace.
    pub active: bool,
    /// Such as `workspace-access`.
    pub entitlements: Vec<String>,
    /// Instance profiles.
    pub roles: Vec<String>,
}
