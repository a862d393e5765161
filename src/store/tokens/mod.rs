//! Tokens and their tombstones. A token that ends, for whatever reason, is moved from the table `tokens` to
//! `tombstones`. Whether a stored token counts as expired is decided by the domain and by the condition `is_visible!`,
//! not here.

mod read;
mod rows;
mod write;

use crate::domain::identities::PrincipalKind;
use crate::domain::tokens::{Token, TokenEnd};
use crate::domain::{PrincipalId, TokenId, Workspace};

pub(super) use read::{OwnerTokensKey, PresentedTokensKey};
pub(super) use rows::{
    TokenRow, expiry_key, is_visible, scopes_from_json, scopes_to_json, token_columns, visible_args,
};
pub use write::TokenUse;

/// The token with a presented value in one workspace, with that workspace and the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedToken {
    pub token: Token,
    pub workspace: Workspace,
    /// `None` when the owner is deleted.
    pub owner: Option<PresentedOwner>,
    /// `None` for a token without a tombstone, which may have expired all the same.
    pub ended: Option<TokenEnd>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedOwner {
    pub kind: PrincipalKind,
    /// `userName` or `applicationId`.
    pub name: String,
}

/// A time by which tokens can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeOrder {
    /// The start of the days without use.
    IdleFrom,
    Expiry,
    /// The end of auto-scoping.
    Autoscope,
}

/// A token or tombstone, with what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredHistory {
    /// Without scopes if it has ended.
    pub token: Token,
    /// The owner's name; `None` when the owner is deleted.
    pub owner: Option<String>,
    /// The `User-Agent` of the last recorded use.
    pub last_client: Option<String>,
    pub end: Option<TokenEnd>,
}

/// Which tokens to list: those that match every field that is set.
#[derive(Clone, Copy, Debug, Default)]
pub struct HistoryFilter<'a> {
    pub one: Option<&'a TokenId>,
    pub owner: Option<PrincipalId>,
}

impl<'a> HistoryFilter<'a> {
    /// A single token.
    pub fn one(id: &'a TokenId) -> Self {
        Self { one: Some(id), owner: None }
    }
}
