//! The rules, and nothing else: no I/O, no async, no clock, no randomness, no HTTP.
//! Each function takes the facts and the time that it needs, and returns a decision.
//! Start with `authorize`, the checks of every request, then `tokens` and `lifecycle`.

pub mod access;
pub mod audit;
pub mod authorize;
pub mod clock;
pub mod conf;
pub mod decoys;
pub mod denial;
pub mod durations;
pub mod explain;
pub mod faults;
pub mod identities;
pub mod ids;
pub mod journal;
pub mod jwt;
pub mod lifecycle;
pub mod oauth;
pub mod page_sessions;
pub mod permissions;
pub mod plain_words;
pub mod report;
pub mod rule_sets;
pub mod scim;
pub mod scopes;
pub mod seeds;
pub mod settings;
pub mod sign_ins;
pub mod tokens;
pub mod tripwire;
pub mod workspaces;

pub use denial::Denial;
pub use ids::{AccountId, Millis, PrincipalId, TokenId, WorkspaceId};
pub use workspaces::{Checkpoint, CheckpointName, Workspace};
