//! Token management: a workspace admin lists, changes and revokes everybody's tokens, and creates tokens on behalf of
//! service principals. See docs/reference/tokens.md#token-management.

use crate::domain::authorize::may_hold_tokens;
use crate::domain::denial::AccessDenial;
use crate::domain::identities::{Principal, PrincipalKind};
use crate::domain::rule_sets::{self, GrantRule};
use crate::domain::settings::Cloud;
use crate::domain::tokens::{EndCause, Token, TokenRequest, TokenUpdate, TokenValue, Visibility};
use crate::domain::{Denial, PrincipalId, TokenId};
use crate::service::tokens::{Ownership, now_of};
use crate::service::{Call, Error, Service};
use crate::store::{Lock, Reader, StoreError};

impl Service {
    /// The workspace's tokens, oldest first, optionally of one creator. The filter is by creator, not by owner: an
    /// on-behalf-of token is found by the admin who created it.
    pub async fn managed_tokens(
        &self,
        call: Call<'_>,
        created_by: Option<PrincipalId>,
        created_by_username: Option<&str>,
    ) -> Result<Vec<Token>, Error> {
        let mut reader = self.store.read().await?;
        let listed = managed(call);
        let name = created_by_username.map(Principal::name_key);
        let found = reader.list_tokens(call.caller.workspace.id, created_by, name.as_deref(), listed).await?;
        Ok(found.into_iter().map(|token| now_of(call, token)).collect())
    }

    /// # Errors
    /// [`Denial::TokenNotFound`], also for another workspace's token.
    pub async fn managed_token(&self, call: Call<'_>, id: &TokenId) -> Result<Token, Error> {
        let mut reader = self.store.read().await?;
        let token = find(&mut reader, call, id).await?;
        let token = token.ok_or_else(|| Denial::TokenNotFound(id.clone()))?;
        Ok(now_of(call, token))
    }

    /// # Errors
    /// [`Denial::TokenNotFound`]
    pub async fn revoke_managed_token(&self, call: Call<'_>, id: &TokenId) -> Result<(), Error> {
        let mut writer = self.store.write_in(&call.caller.workspace, Lock::Workspace(call.caller.workspace.id)).await?;
        let token = find(&mut writer, call, id).await?.ok_or_else(|| Denial::TokenNotFound(id.clone()))?;
        self.end_token(&mut writer, call, &token, EndCause::RevokedByAdmin).await?;
        Ok(writer.commit().await?)
    }

    /// # Errors
    /// [`Denial::TokenToUpdateNotFound`]
    pub async fn update_managed_token(
        &self,
        call: Call<'_>,
        id: &TokenId,
        update: TokenUpdate,
    ) -> Result<Token, Error> {
        let mut writer = self.store.write_in(&call.caller.workspace, Lock::Workspace(call.caller.workspace.id)).await?;
        let token = find(&mut writer, call, id).await?.ok_or_else(|| Denial::TokenToUpdateNotFound(id.clone()))?;
        let token = self.store_update(&mut writer, call, token, update).await?;
        writer.commit().await?;
        Ok(token)
    }

    /// Creates a token that authenticates a service principal. Lifetime cap, quota and permission are those of the
    /// service principal; the creator on record is the admin.
    ///
    /// # Errors
    /// [`Denial::OnBehalfOfDisabled`] on Azure, [`Denial::PrincipalNameNotFound`],
    /// [`Denial::ServicePrincipalMayNotUseTokens`], [`Denial::RestrictedAdmin`], and those of
    /// [`plan_create`](crate::domain::tokens::plan_create).
    pub async fn create_on_behalf_of(
        &self,
        call: Call<'_>,
        application_id: &str,
        request: &TokenRequest,
    ) -> Result<(TokenValue, Token), Error> {
        let caller = call.caller;
        let (id, now) = (caller.workspace.id, caller.now);
        let mut writer = self.store.write_in(&call.caller.workspace, Lock::Workspace(id)).await?;
        let workspace = writer.find_workspace(id).await?.ok_or_else(|| Denial::org(id))?;
        if workspace.behaviour.cloud == Cloud::Azure {
            return Err(Denial::OnBehalfOfDisabled.into());
        }
        let owner = writer.find_assigned_named(&workspace, PrincipalKind::ServicePrincipal, application_id).await?;
        let missing = || Denial::PrincipalNameNotFound("ServicePrincipalName", application_id.to_owned());
        let owner = owner.ok_or_else(missing)?;
        let standing = writer.workspace_memberships(&workspace, owner.id).await?;
        may_hold_tokens(&workspace, &standing, now).map_err(|denial| match denial {
            AccessDenial::NoTokenPermission => Denial::ServicePrincipalMayNotUseTokens(owner.name.clone()),
            other => other.into(),
        })?;
        if self.admins_are_restricted(&mut writer, id).await? {
            self.require_user_role(&mut writer, call, &owner).await?;
        }
        let ownership = Ownership { workspace: &workspace, owner: owner.id };
        let created = self.insert_token(&mut writer, call, ownership, request).await?;
        writer.commit().await?;
        Ok(created)
    }

    /// Refuses service principals on which the admin does not have the user role. See
    /// docs/reference/governance.md#restricted-admins.
    async fn require_user_role(&self, reader: &mut Reader, call: Call<'_>, owner: &Principal) -> Result<(), Error> {
        let caller = call.caller;
        let name = rule_sets::name_for_service_principal(caller.account(), &owner.name);
        let rules = match reader.find_rule_set(caller.account(), &name).await? {
            Some(stored) => serde_json::from_str::<Vec<GrantRule>>(&stored.value)
                .map_err(|_| StoreError::Unreadable(format!("rule set {name}")))?,
            None => Vec::new(),
        };
        if rule_sets::holds_user_role(&rules, caller.kind, &caller.name, &caller.standing) {
            return Ok(());
        }
        Err(Denial::RestrictedAdmin(owner.name.clone()).into())
    }
}

/// Token management lists live tokens, and expired ones until they are vacuumed.
fn managed(call: Call<'_>) -> Visibility {
    Visibility::with_expired(&call.caller.workspace.behaviour, call.caller.now)
}

async fn find(reader: &mut Reader, call: Call<'_>, id: &TokenId) -> Result<Option<Token>, StoreError> {
    let token = reader.find_token(call.caller.workspace.id, id).await?;
    Ok(token.filter(|token| managed(call).shows(token)))
}
