//! A workspace and what of it the rules ask.

use crate::domain::clock::WorkspaceClock;
use crate::domain::settings::{self, Behaviour, ConfValue};
use crate::domain::{AccountId, Millis, PrincipalId, WorkspaceId};

/// A workspace with the parts of its configuration that decide about tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// The account that it belongs to.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// The host name's first label at the real service.
    pub deployment_name: String,
    /// When it was created; before 2018 tokens start disabled.
    pub created_at: Millis,
    /// Whether it is the one that answers when nothing names a workspace.
    pub is_default: bool,
    /// The built-in group `admins`.
    pub admins_group: PrincipalId,
    /// The built-in group `users`: every assigned principal.
    pub users_group: PrincipalId,
    /// Its clock.
    pub clock: WorkspaceClock,
    /// The mock's switches.
    pub behaviour: Behaviour,
    /// When it goes by itself, on the system's clock; `None` stays.
    pub delete_at: Option<Millis>,
    /// Which one it is of all that had its id: a number that changes when it is put back or made anew.
    pub incarnation: i64,
    /// What its ids and values are drawn from; the system's randomness when `None`.
    pub entropy_seed: Option<i64>,
    /// `enableTokensConfig`, if it was ever set.
    pub enable_tokens: Option<ConfValue>,
    /// `maxTokenLifetimeDays`, if it was ever set.
    pub max_token_lifetime: Option<ConfValue>,
    /// Whether there are faults, which a request may meet.
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

/// The checkpoint of a workspace as it was created, before anything was seeded into it.
pub const EMPTY: &str = "empty";
/// The checkpoint of a workspace once it was seeded.
pub const SEED: &str = "seed";

/// Most checkpoints of a workspace, those that it is made with included: each is a copy of it.
pub const MAX_CHECKPOINTS: usize = 100;

/// The name of a checkpoint: up to 64 letters, digits, `-`, `_` and `.`, so that it can stand in a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointName(String);

impl CheckpointName {
    /// Checks a name.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=64).contains(&text.len());
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        (fits && text.bytes().all(is_plain)).then(|| Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is one of those that are made with the workspace, and stay with it.
    pub fn is_reserved(&self) -> bool {
        self.0 == EMPTY || self.0 == SEED
    }
}

/// A workspace as it once was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its name.
    pub name: CheckpointName,
    /// When it was made, on the system's clock.
    pub created_at: Millis,
    /// Whether the principals of the account are in it: they are as long as the workspace is its only one.
    pub has_account: bool,
}
