//! Decoys: token values that belong to nobody. A request with one shows that somebody found a secret that should have
//! stayed hidden. Whether a request carries one is a check of `authorize`. See docs/journal.md#decoys.

use crate::domain::{Millis, TokenId};

/// The maximum number of decoys in a workspace.
pub const MAX_DECOYS: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoy {
    /// The SHA-256 of its value, like a token's id.
    pub id: TokenId,
    /// For instance where the decoy was planted.
    pub comment: String,
    pub created_at: Millis,
    pub uses: i64,
    pub last_use: Option<DecoyUse>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoyUse {
    pub at: Millis,
    pub client: String,
    pub source_ip: String,
}
