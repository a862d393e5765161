//! A principal's own tokens: create, list, revoke, update; and who am I.

use super::{Call, Error, Service};
use crate::domain::authorize::may_hold_tokens;
use crate::domain::identity::{Assignment, Principal};
use crate::domain::token::{EndCause, Horizon, Token, TokenRequest, TokenUpdate, TokenValue};
use crate::domain::{Denial, PrincipalId, TokenId};
use crate::store::{Lock, Reader, StoreError};

/// A principal as it sees itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The principal.
    pub principal: Principal,
    /// Its place in the workspace.
    pub assignment: Assignment,
    /// Its groups: id, name, and whether it is a direct member.
    pub groups: Vec<(PrincipalId, String, bool)>,
}

impl Service {
    /// Creates a token for the caller. The value is in the answer and nowhere else. Toggle,
    /// permission, cap and quota are read and obeyed inside the one transaction that inserts.
    ///
    /// # Errors
    /// The denials of [`plan_create`](crate::domain::token::plan_create) and [`may_hold_tokens`].
    pub async fn create_token(&self, call: Call<'_>, request: &TokenRequest) -> Result<(TokenValue, Token), Error> {
        let caller = call.caller;
        let (id, now) = (caller.workspace.id, caller.now);
        let mut writer = self.store.write(Lock::Owner(id, caller.id)).await?;
        let workspace = writer.find_workspace(id).await?.ok_or_else(|| Denial::org(id))?;
        let standing = writer.standing(&workspace, caller.id).await?;
        may_hold_tokens(&workspace, &standing, now)?;
        let created = self.insert_token(&mut writer, call, &workspace, caller.id, request).await?;
        writer.commit().await?;
        Ok(created)
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
        let mut writer = self.store.write(Lock::Owner(call.caller.workspace.id, call.caller.id)).await?;
        let token = find_own(&mut writer, call, id).await?.ok_or_else(|| Denial::TokenNotFound(id.clone()))?;
        self.end_token(&mut writer, call, &token, EndCause::RevokedByOwner).await?;
        writer.commit().await?;
        Ok(())
    }

    /// Changes the comment or the scopes of one of the caller's own tokens.
    ///
    /// # Errors
    /// [`Denial::TokenToUpdateNotFound`] when it is unknown, somebody else's or no longer valid.
    pub async fn update_own_token(&self, call: Call<'_>, id: &TokenId, update: TokenUpdate) -> Result<(), Error> {
        let mut writer = self.store.write(Lock::Owner(call.caller.workspace.id, call.caller.id)).await?;
        let token = find_own(&mut writer, call, id).await?.ok_or_else(|| Denial::TokenToUpdateNotFound(id.clone()))?;
        self.store_update(&mut writer, call, token, update).await?;
        writer.commit().await?;
        Ok(())
    }

    /// The caller's own profile.
    ///
    /// # Errors
    /// [`Denial::InvalidAccessToOrg`] when the principal went since the request was authorized.
    pub async fn profile(&self, call: Call<'_>) -> Result<Profile, Error> {
        let caller = call.caller;
        let workspace = &caller.workspace;
        let gone = || Denial::org(workspace.id);
        let mut reader = self.store.read().await?;
        let principal = reader.find_principal(workspace.account, caller.id).await?.ok_or_else(gone)?;
        let assignment = reader.find_assignment(workspace.id, caller.id).await?.ok_or_else(gone)?;
        let mut groups: Vec<(PrincipalId, String, bool)> = Vec::new();
        for reach in &caller.standing.reach {
            let Some(via) = reach.via else { continue };
            let direct = via == caller.id;
            match groups.iter_mut().find(|(id, ..)| *id == reach.subject) {
                Some((.., known_direct)) => *known_direct |= direct,
                None => groups.push((reach.subject, reach.name.clone(), direct)),
            }
        }
        Ok(Profile { principal, assignment, groups })
    }
}

/// The caller's own live token with this id.
async fn find_own(reader: &mut Reader, call: Call<'_>, id: &TokenId) -> Result<Option<Token>, StoreError> {
    let caller = call.caller;
    let live = Horizon::new(&caller.workspace.behaviour, caller.now);
    let token = reader.find_token(caller.workspace.id, id).await?;
    Ok(token.filter(|token| token.owner == caller.id && live.shows(token)))
}
