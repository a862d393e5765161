//! The rules, and nothing else: no I/O, no async, no clock reads, no randomness, no HTTP.
//! Every function takes the facts and the time that it needs and answers with a decision.

pub mod access;
pub mod audit;
pub mod authorize;
pub mod clock;
pub mod conf;
pub mod decoy;
pub mod denial;
pub mod explain;
pub mod fault;
pub mod identity;
pub mod ids;
pub mod journal;
pub mod jwt;
pub mod lifecycle;
pub mod oauth;
pub mod page_session;
pub mod permissions;
pub mod plain_words;
pub mod report;
pub mod rule_sets;
pub mod scim;
pub mod scope;
pub mod seed;
pub mod settings;
pub mod sign_in;
pub mod span;
pub mod stranger;
pub mod token;
pub mod workspace;

pub use denial::Denial;
pub use ids::{AccountId, Millis, PrincipalId, TokenId, WorkspaceId};
pub use workspace::{Checkpoint, CheckpointName, Workspace};
