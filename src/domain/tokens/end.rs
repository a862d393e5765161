//! How tokens end: the cause, who ended it, and when.

use strum::{EnumString, IntoStaticStr};

use crate::domain::Millis;

/// Why a token ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum EndCause {
    Expired,
    /// 90 days without use.
    Inactive,
    RevokedByOwner,
    RevokedByAdmin,
    RevokedByAccountAdmin,
    OwnerDeleted,
    /// The owner lost the permission, in a workspace where that deletes tokens.
    LostPermission,
}

impl EndCause {
    /// The name as stored and shown.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    /// Whether the token ended without anybody's action.
    pub const fn is_by_time(self) -> bool {
        matches!(self, Self::Expired | Self::Inactive)
    }
}

/// Why, by whom and when a token ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEnd {
    pub cause: EndCause,
    pub actor: String,
    /// On the workspace's clock.
    pub at: Millis,
}
