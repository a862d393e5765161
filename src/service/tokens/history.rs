//! Tokens with their ends: what the Databricks API no longer shows.

use crate::domain::audit::SYSTEM_USER;
use crate::domain::lifecycle::{as_of, end_of, idle_at};
use crate::domain::tokens::{Token, TokenEnd, Visibility};
use crate::domain::{Denial, Millis, WorkspaceId};
use crate::service::{Error, Service};
use crate::store::{HistoryFilter, StoredHistory};

/// Most tokens of either kind, live or ended, that one answer tells of.
const FATES_TOLD: i64 = 10_000;

/// A token and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenHistory {
    /// The token.
    pub token: Token,
    /// The owner's name; `None` when the principal is gone.
    pub owner: Option<String>,
    /// The `User-Agent` of its last recorded use.
    pub last_client: Option<String>,
    /// When it is revoked if it is not used until then; `None` when that never happens.
    pub idle_at: Option<Millis>,
    /// Its end, if it has ended.
    pub end: Option<TokenEnd>,
}

impl Service {
    /// How many tokens of a workspace work, as far as time and revocation go.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]
    pub async fn live_tokens(&self, id: WorkspaceId) -> Result<i64, Error> {
        let mut reader = self.store.read().await?;
        let workspace = reader.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        let live = Visibility::new(&workspace.behaviour, workspace.clock.at(self.system_now()));
        Ok(reader.count_tokens(id, live).await?)
    }

    /// The tokens of a workspace that are wanted, live or ended, oldest first. That a token has ended does not wait for the sweep.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]
    pub async fn token_histories(
        &self,
        id: WorkspaceId,
        wanted: HistoryFilter<'_>,
    ) -> Result<Vec<TokenHistory>, Error> {
        let mut reader = self.store.read().await?;
        let workspace = reader.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        let now = workspace.clock.at(self.system_now());
        let fates = reader.list_token_histories(&workspace, wanted, FATES_TOLD).await?;
        Ok(fates
            .into_iter()
            .map(|StoredHistory { token, owner, last_client, end }| {
                let by_time = || {
                    let end = end_of(&token, &workspace.behaviour).filter(|end| now >= end.at)?;
                    Some(TokenEnd { cause: end.cause, actor: SYSTEM_USER.to_owned(), at: end.at })
                };
                let end = end.or_else(by_time);
                let token = as_of(token, &workspace.behaviour, now);
                let idle_at = idle_at(&token, &workspace.behaviour);
                TokenHistory { token, owner, last_client, idle_at, end }
            })
            .collect())
    }
}
