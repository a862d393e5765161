//! Tokens with their ends: what the Databricks API no longer shows.

use super::{Error, Service};
use crate::domain::audit::SYSTEM_USER;
use crate::domain::lifecycle::end_of;
use crate::domain::token::{Ended, Token};
use crate::domain::{Denial, TokenId, WorkspaceId};
use crate::store::StoredFate;

/// Most tokens of either kind, live or ended, that one answer tells of.
const FATES_TOLD: i64 = 10_000;

/// A token and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFate {
    /// The token.
    pub token: Token,
    /// The owner's name; `None` when the principal is gone.
    pub owner: Option<String>,
    /// The `User-Agent` of its last recorded use.
    pub last_client: Option<String>,
    /// Its end, if it has ended.
    pub end: Option<Ended>,
}

impl Service {
    /// Every token of a workspace, live or ended, oldest first; only the one that is named, where one
    /// is. That a token has ended does not wait for the sweep.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]
    pub async fn token_fates(&self, id: WorkspaceId, one: Option<&TokenId>) -> Result<Vec<TokenFate>, Error> {
        let mut reader = self.store.read().await?;
        let workspace = reader.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        let now = workspace.clock.at(self.system_now());
        let fates = reader.list_fates(&workspace, one, FATES_TOLD).await?;
        Ok(fates
            .into_iter()
            .map(|StoredFate { token, owner, last_client, end }| {
                let by_time = || {
                    let end = end_of(&token, &workspace.behaviour).filter(|end| now >= end.at)?;
                    Some(Ended { cause: end.cause, actor: SYSTEM_USER.to_owned(), at: end.at })
                };
                let end = end.or_else(by_time);
                TokenFate { token, owner, last_client, end }
            })
            .collect())
    }
}
