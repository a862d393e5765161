//! Decoys: token values that belong to nobody, so that whoever uses one has found what was to stay unfound
//! (research/peers.md §5c.11).

use crate::domain::{Millis, TokenId};

/// Most decoys of a workspace.
pub const MAX_DECOYS: usize = 100;

/// A decoy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoy {
    /// The SHA-256 of its value, as a token's id is.
    pub id: TokenId,
    /// Where it was laid out, say.
    pub comment: String,
    /// When it was made.
    pub created_at: Millis,
    /// How often somebody came with it.
    pub uses: i64,
    /// Who was the last.
    pub last_use: Option<DecoyUse>,
}

/// A use of a decoy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoyUse {
    /// When.
    pub at: Millis,
    /// The client's `User-Agent`.
    pub client: String,
    /// The peer's address.
    pub source_ip: String,
}
