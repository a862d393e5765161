//! A principal's own tokens: create, list, revoke, update.

use super::{Call, Error, Service};
use crate::domain::audit::Action;
use crate::domain::authorize::may_hold_tokens;
use crate::domain::token::{EndCause, Horizon, Token, TokenFacts, TokenRequest, TokenUpdate, TokenValue, plan_create};
use crate::domain::{Denial, TokenId};
use crate::store::Lock;

impl Service {
    /// Creates a token for the caller. The value is in the answer and nowhere else. Toggle,
    /// permission, cap and quota are read and obeyed inside the one transaction that inserts.
    ///
    /// # Errors
    /// The denials of [`plan_create`] and [`may_hold_tokens`].
    pub async fn create_token(&self, call: Call<'_>, request: &TokenRequest) -> Result<(TokenValue, Token), Error> {
        let caller = call.caller;
        let (id, now) = (caller.workspace.id, caller.now);
        let mut writer = self.store.write(Lock::Owner(id, caller.id)).await?;
        let workspace = writer.find_workspace(id).await?.ok_or_else(|| Denial::org(id))?;
        // Who was deleted or deactivated since the request was authorized gets no token, which would
        // work again once it came back.
        let place = writer.find_assignment(id, caller.id).await?;
        if !place.is_some_and(|place| place.active) {
            return Err(Denial::org(id).into());
        }
        let standing = writer.standing(&workspace, caller.id).await?;
        may_hold_tokens(&workspace, &standing, now)?;
        let live = Horizon::new(&workspace.behaviour, now);
        let facts = TokenFacts {
            cap_days: workspace.lifetime_cap_days(now),
            live_tokens: writer.count_tokens_of(id, caller.id, live).await?,
        };
        let plan = plan_create(request, facts, now)?;
        let value = self.entropy.token_value(workspace.behaviour.token_value_suffix);
        let token = plan.into_token(id, &value, caller.id, caller.id, &caller.name);
        writer.insert_token(&token).await?;
        let action = Action::generate_token(&token.id, token.expiry_time, token.owner, token.created_by);
        self.record(&mut writer, call, action).await?;
        writer.commit().await?;
        Ok((value, token))
    }

    /// The caller's own valid tokens, oldest first.
    pub async fn own_tokens(&self, call: Call<'_>) -> Result<Vec<Token>, Error> {
        let workspace = &call.caller.workspace;
        let live = Horizon::new(&workspace.behaviour, call.caller.now);
        Ok(self.store.read().await?.list_tokens_of(workspace.id, call.caller.id, live).await?)
    }

    /// Revokes one of the caller's own tokens, also the one that it is calling with.
    ///
    /// # Errors
    /// [`Denial::TokenNotFound`] when it is unknown, somebody else's or no longer valid.
    pub async fn revoke_own_token(&self, call: Call<'_>, id: &TokenId) -> Result<(), Error> {
        let caller = call.caller;
        let workspace = &caller.workspace;
        let mut writer = self.store.write(Lock::Owner(workspace.id, caller.id)).await?;
        let live = Horizon::new(&workspace.behaviour, caller.now);
        let token = writer.find_token(workspace.id, id).await?;
        let own = token.filter(|token| token.owner == caller.id && live.shows(token));
        let token = own.ok_or_else(|| Denial::TokenNotFound(id.clone()))?;
        writer.end_token(workspace.id, id, EndCause::RevokedByOwner, &caller.name, caller.now).await?;
        self.record(&mut writer, call, Action::revoke_token(id, token.owner)).await?;
        writer.commit().await?;
        Ok(())
    }

    /// Changes the comment or the scopes of one of the caller's own tokens.
    ///
    /// # Errors
    /// [`Denial::TokenToUpdateNotFound`] when it is unknown, somebody else's or no longer valid.
    pub async fn update_own_token(&self, call: Call<'_>, id: &TokenId, update: TokenUpdate) -> Result<(), Error> {
        let caller = call.caller;
        let workspace = &caller.workspace;
        let mut writer = self.store.write(Lock::Owner(workspace.id, caller.id)).await?;
        let live = Horizon::new(&workspace.behaviour, caller.now);
        let token = writer.find_token(workspace.id, id).await?;
        let own = token.filter(|token| token.owner == caller.id && live.shows(token));
        let token = own.ok_or_else(|| Denial::TokenToUpdateNotFound(id.clone()))?;
        writer.update_token(&update.apply(token)).await?;
        self.record(&mut writer, call, Action::update_token(id, caller.id)).await?;
        writer.commit().await?;
        Ok(())
    }
}
