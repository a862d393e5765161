//! Tokens with their history: ended ones too, which the emulated API does not show.

use crate::domain::audit::SYSTEM_USER;
use crate::domain::lifecycle::{as_of, end_of, idle_at};
use crate::domain::tokens::{Token, TokenEnd, Visibility};
use crate::domain::{Denial, Millis, WorkspaceId};
use crate::service::{Error, Service};
use crate::store::{HistoryFilter, StoredHistory};

/// Maximum live tokens, and maximum ended tokens, in one answer.
const MAX_HISTORIES: i64 = 10_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenHistory {
    pub token: Token,
    /// The name; `None` for a deleted owner.
    pub owner: Option<String>,
    /// The `User-Agent` of its last recorded use.
    pub last_client: Option<String>,
    /// When it will be revoked for disuse, if ever.
    pub idle_at: Option<Millis>,
    pub end: Option<TokenEnd>,
}

impl Service {
    /// The number of a workspace's live tokens.
    pub async fn live_tokens(&self, id: WorkspaceId) -> Result<i64, Error> {
        let mut reader = self.store.read().await?;
        let workspace = reader.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        let live = Visibility::new(&workspace.behaviour, workspace.clock.at(self.system_now()));
        Ok(reader.count_tokens(id, live).await?)
    }

    /// The matching tokens of a workspace, live and ended, oldest first. The answer does not depend on the sweep.
    pub async fn token_histories(
        &self,
        id: WorkspaceId,
        filter: HistoryFilter<'_>,
    ) -> Result<Vec<TokenHistory>, Error> {
        let mut reader = self.store.read().await?;
        let workspace = reader.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        let now = workspace.clock.at(self.system_now());
        let histories = reader.list_token_histories(&workspace, filter, MAX_HISTORIES).await?;
        Ok(histories
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
