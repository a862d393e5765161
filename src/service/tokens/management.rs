//! Token management: a workspace admin sees, changes and revokes everybody's tokens, and creates
//! tokens on behalf of service principals (spec §3).

use crate::domain::audit::Action;
use crate::domain::authorize::may_hold_tokens;
use crate::domain::denial::AccessDenial;
use crate::domain::identities::{Principal, PrincipalKind};
use crate::domain::lifecycle::as_of;
use crate::domain::rule_sets::{self, GrantRule};
use crate::domain::settings::Cloud;
use crate::domain::tokens::{
    EndCause, Token, TokenFacts, TokenRequest, TokenUpdate, TokenValue, Visibility, plan_create,
};
use crate::domain::{Denial, PrincipalId, TokenId, Workspace};
use crate::service::{Call, Error, Service};
use crate::store::{Lock, Reader, StoreError, Writer};

impl Service {
    /// The workspace's tokens, oldest first; those of one creator where it is given. Creator, not
    /// owner: a service principal's on-behalf-of tokens are found by the admin who made them.
    pub async fn managed_tokens(
        &self,
        call: Call<'_>,
        created_by: Option<PrincipalId>,
        created_by_username: Option<&str>,
    ) -> Result<Vec<Token>, Error> {
        let mut reader = self.store.read().await?;
        let horizon = managed(call);
        let name = created_by_username.map(Principal::name_key);
        let found = reader.list_tokens(call.caller.workspace.id, created_by, name.as_deref(), horizon).await?;
        Ok(found.into_iter().map(|token| now_of(call, token)).collect())
    }

    /// One token of the workspace.
    ///
    /// # Errors
    /// [`Denial::TokenNotFound`]; also for another workspace's token.
    pub async fn managed_token(&self, call: Call<'_>, id: &TokenId) -> Result<Token, Error> {
        let mut reader = self.store.read().await?;
        let token = find(&mut reader, call, id).await?;
        let token = token.ok_or_else(|| Denial::TokenNotFound(id.clone()))?;
        Ok(now_of(call, token))
    }

    /// Revokes anybody's token.
    ///
    /// # Errors
    /// [`Denial::TokenNotFound`]
    pub async fn revoke_managed_token(&self, call: Call<'_>, id: &TokenId) -> Result<(), Error> {
        let mut writer = self.store.write_in(&call.caller.workspace, Lock::Workspace(call.caller.workspace.id)).await?;
        let token = find(&mut writer, call, id).await?.ok_or_else(|| Denial::TokenNotFound(id.clone()))?;
        self.end_token(&mut writer, call, &token, EndCause::RevokedByAdmin).await?;
        writer.commit().await?;
        Ok(())
    }

    /// Changes the comment or the scopes of anybody's token.
    ///
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

    /// Creates a token that authenticates a service principal. Cap, quota and permission are the
    /// service principal's; the creator on record is the admin.
    ///
    /// # Errors
    /// [`Denial::OnBehalfOfDisabled`] on Azure, [`Denial::PrincipalNameNotFound`],
    /// [`Denial::ServicePrincipalMayNotUseTokens`], [`Denial::RestrictedAdmin`], and those of [`plan_create`].
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
            self.demand_user_role(&mut writer, call, &owner).await?;
        }
        let created = self.insert_token(&mut writer, call, &workspace, owner.id, request).await?;
        writer.commit().await?;
        Ok(created)
    }

    /// The restriction of requirement governance §2.8: only for service principals on which the
    /// admin holds the user role.
    async fn demand_user_role(&self, reader: &mut Reader, call: Call<'_>, owner: &Principal) -> Result<(), Error> {
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

    /// Plans and stores a token for `owner`, created by the caller, and its audit event.
    pub(in crate::service) async fn insert_token(
        &self,
        writer: &mut Writer,
        call: Call<'_>,
        workspace: &Workspace,
        owner: PrincipalId,
        request: &TokenRequest,
    ) -> Result<(TokenValue, Token), Error> {
        let caller = call.caller;
        let live = Visibility::new(&workspace.behaviour, caller.now);
        let facts = TokenFacts {
            cap_days: workspace.lifetime_cap_days(caller.now),
            live_tokens: writer.count_tokens_of(workspace.id, owner, live).await?,
            autoscope_days: workspace.behaviour.autoscope_days,
        };
        let plan = plan_create(request, facts, caller.now)?;
        let entropy = self.draw(writer, workspace).await?;
        let value = entropy.token_value(workspace.behaviour.token_value_suffix);
        let token = plan.into_token(workspace.id, &value, owner, (caller.id, &caller.name));
        writer.insert_token(&token).await?;
        let action = Action::generate_token(&token.id, token.expiry_time, token.owner, token.created_by);
        self.record(writer, call.entry(action)).await?;
        Ok((value, token))
    }

    /// Ends a token by the caller's doing: tombstone and audit event.
    pub(in crate::service) async fn end_token(
        &self,
        writer: &mut Writer,
        call: Call<'_>,
        token: &Token,
        cause: EndCause,
    ) -> Result<(), Error> {
        self.settle_autoscope(writer, &call.caller.workspace, token.clone(), call.caller.now).await?;
        writer.end_tokens(token.workspace, &[(&token.id, cause, call.caller.now)], &call.caller.name).await?;
        self.record(writer, call.entry(Action::revoke_token(&token.id, token.owner))).await?;
        Ok(())
    }

    /// Stores an update and its audit event; answers the token as it is then.
    pub(in crate::service) async fn store_update(
        &self,
        writer: &mut Writer,
        call: Call<'_>,
        token: Token,
        update: TokenUpdate,
    ) -> Result<Token, Error> {
        let token = self.settle_autoscope(writer, &call.caller.workspace, token, call.caller.now).await?;
        let token = update.apply(token);
        writer.update_token(&token).await?;
        self.record(writer, call.entry(Action::update_token(&token.id, token.owner))).await?;
        Ok(token)
    }
}

/// What token management shows: live tokens, and expired ones until they are vacuumed.
fn managed(call: Call<'_>) -> Visibility {
    Visibility::with_expired(&call.caller.workspace.behaviour, call.caller.now)
}

/// The token as it is at the time of the call.
pub(in crate::service) fn now_of(call: Call<'_>, token: Token) -> Token {
    as_of(token, &call.caller.workspace.behaviour, call.caller.now)
}

async fn find(reader: &mut Reader, call: Call<'_>, id: &TokenId) -> Result<Option<Token>, StoreError> {
    let token = reader.find_token(call.caller.workspace.id, id).await?;
    Ok(token.filter(|token| managed(call).shows(token)))
}
