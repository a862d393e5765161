//! A principal's own tokens: create, list, revoke, update.

use crate::domain::authorize::may_hold_tokens;
use crate::domain::tokens::{EndCause, Token, TokenRequest, TokenUpdate, TokenValue, Visibility};
use crate::domain::{Denial, TokenId};
use crate::service::tokens::{Ownership, now_of};
use crate::service::{Call, Error, Service};
use crate::store::{Lock, Reader, StoreError};

impl Service {
    /// Creates a token for the caller. Its value is shown only once. The toggle, permission, lifetime cap and quota are
    /// checked in the transaction that inserts it.
    ///
    /// # Errors
    /// The denials of [`plan_create`](crate::domain::tokens::plan_create) and [`may_hold_tokens`].
    pub async fn create_token(&self, call: Call<'_>, request: &TokenRequest) -> Result<(TokenValue, Token), Error> {
        let caller = call.caller;
        let (id, now) = (caller.workspace.id, caller.now);
        let mut writer = self.store.write_in(&caller.workspace, Lock::Owner(id, caller.id)).await?;
        let workspace = writer.find_workspace(id).await?.ok_or_else(|| Denial::org(id))?;
        // A caller that was deleted or deactivated after the request was authorized gets no token, because the token
        // would work once the caller is active again.
        let standing = writer.workspace_memberships(&workspace, caller.id).await?;
        if !standing.is_active() {
            return Err(Denial::org(id).into());
        }
        may_hold_tokens(&workspace, &standing, now)?;
        let ownership = Ownership { workspace: &workspace, owner: caller.id };
        let created = self.insert_token(&mut writer, call, ownership, request).await?;
        writer.commit().await?;
        Ok(created)
    }

    /// The caller's own live tokens, oldest first.
    pub async fn own_tokens(&self, call: Call<'_>) -> Result<Vec<Token>, Error> {
        let workspace = &call.caller.workspace;
        let live = Visibility::new(&workspace.behaviour, call.caller.now);
        let tokens = self.store.read().await?.list_tokens_of(workspace.id, call.caller.id, live).await?;
        Ok(tokens.into_iter().map(|token| now_of(call, token)).collect())
    }

    /// Revokes one of the caller's own tokens, possibly the one of this call.
    ///
    /// # Errors
    /// [`Denial::TokenNotFound`] for a token that is unknown, another principal's, or not live.
    pub async fn revoke_own_token(&self, call: Call<'_>, id: &TokenId) -> Result<(), Error> {
        let mut writer =
            self.store.write_in(&call.caller.workspace, Lock::Owner(call.caller.workspace.id, call.caller.id)).await?;
        let token = find_own(&mut writer, call, id).await?.ok_or_else(|| Denial::TokenNotFound(id.clone()))?;
        self.end_token(&mut writer, call, &token, EndCause::RevokedByOwner).await?;
        Ok(writer.commit().await?)
    }

    /// # Errors
    /// [`Denial::TokenToUpdateNotFound`] for a token that is unknown, another principal's, or not live.
    pub async fn update_own_token(&self, call: Call<'_>, id: &TokenId, update: TokenUpdate) -> Result<(), Error> {
        let mut writer =
            self.store.write_in(&call.caller.workspace, Lock::Owner(call.caller.workspace.id, call.caller.id)).await?;
        let token = find_own(&mut writer, call, id).await?.ok_or_else(|| Denial::TokenToUpdateNotFound(id.clone()))?;
        self.store_update(&mut writer, call, token, update).await?;
        Ok(writer.commit().await?)
    }
}

async fn find_own(reader: &mut Reader, call: Call<'_>, id: &TokenId) -> Result<Option<Token>, StoreError> {
    let caller = call.caller;
    let live = Visibility::new(&caller.workspace.behaviour, caller.now);
    let token = reader.find_token(caller.workspace.id, id).await?;
    Ok(token.filter(|token| token.owner == caller.id && live.shows(token)))
}
