//! A workspace, with the parts of its configuration that the rules read, and its checkpoints.
//! How workspaces are created, copied and restored is in `service::workspaces`.

use crate::domain::clock::WorkspaceClock;
use crate::domain::settings::{self, Behaviour, ConfValue};
use crate::domain::{AccountId, Millis, PrincipalId, WorkspaceId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    pub id: WorkspaceId,
    pub account: AccountId,
    pub name: String,
    /// The first label of its host name on the real service.
    pub deployment_name: String,
    /// Tokens start disabled if this is before 2018.
    pub created_at: Millis,
    /// Whether it answers if a request names no workspace.
    pub is_default: bool,
    pub admins_group: PrincipalId,
    /// The built-in group `users`, which contains every assigned principal.
    pub users_group: PrincipalId,
    pub clock: WorkspaceClock,
    pub behaviour: Behaviour,
    /// When it expires, on the system's clock; `None` if it does not.
    pub delete_at: Option<Millis>,
    /// A number that changes when the workspace is restored or recreated. It tells apart workspaces that reused an id.
    pub incarnation: i64,
    /// The seed of its ids and values; `None` uses the system's randomness.
    pub entropy_seed: Option<i64>,
    /// `enableTokensConfig`, if it was ever set.
    pub enable_tokens: Option<ConfValue>,
    /// `maxTokenLifetimeDays`, if it was ever set.
    pub max_token_lifetime: Option<ConfValue>,
    /// Whether any fault is armed.
    pub has_faults: bool,
}

impl Workspace {
    /// Whether a group is one of the two that every workspace has.
    pub fn is_built_in(&self, group: PrincipalId) -> bool {
        group == self.admins_group || group == self.users_group
    }

    /// Whether personal access tokens are enabled at `now`.
    pub fn tokens_enabled(&self, now: Millis) -> bool {
        let value = self.enable_tokens.as_ref().and_then(|conf| conf.in_effect(now));
        settings::tokens_enabled(value, self.created_at)
    }

    /// The longest lifetime of a new token at `now`, in days.
    pub fn lifetime_cap_days(&self, now: Millis) -> i64 {
        let value = self.max_token_lifetime.as_ref().and_then(|conf| conf.in_effect(now));
        settings::effective_cap_days(value)
    }
}

/// The checkpoint of a new workspace before it is seeded.
pub const EMPTY: &str = "empty";
/// The checkpoint of a new workspace after it is seeded.
pub const SEED: &str = "seed";

/// The maximum number of checkpoints of a workspace, including these two: each is a copy of the workspace.
pub const MAX_CHECKPOINTS: usize = 100;

/// The name of a checkpoint: up to 64 letters, digits, `-`, `_` and `.`, so that it can be part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointName(String);

impl CheckpointName {
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=64).contains(&text.len());
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        (fits && text.bytes().all(is_plain)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the checkpoint is created with the workspace and cannot be deleted.
    pub fn is_reserved(&self) -> bool {
        self.0 == EMPTY || self.0 == SEED
    }
}

/// A saved state of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub name: CheckpointName,
    /// On the system's clock.
    pub created_at: Millis,
    /// Whether it includes the account's principals: it does if the workspace is the account's only one.
    pub has_account: bool,
}
