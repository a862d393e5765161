//! OAuth secrets of service principals: create, list, delete. See
//! docs/reference/identity-and-oauth.md#oauth-secrets.

use super::{Call, Error, Service};
use crate::domain::audit::Action;
use crate::domain::identities::PrincipalKind;
use crate::domain::oauth::{ClientSecret, Secret, page, plan_secret, secret_scopes};
use crate::domain::{AccountId, Denial, PrincipalId};
use crate::store::{Lock, Reader};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedSecret {
    /// Shown only once; the database has its hash.
    pub value: ClientSecret,
    pub secret: Secret,
}

/// The service principal in a path, and its account if the path names one.
#[derive(Clone, Copy, Debug)]
pub struct SecretOwner {
    pub account: Option<AccountId>,
    pub principal: PrincipalId,
}

impl Service {
    /// # Errors
    /// [`Denial::PrincipalNotFound`], [`Denial::AccountNotFound`] and the denials of [`plan_secret`] and
    /// [`secret_scopes`].
    pub async fn create_secret(
        &self,
        call: Call<'_>,
        owner: SecretOwner,
        lifetime: Option<&str>,
        scopes: Option<&[String]>,
    ) -> Result<CreatedSecret, Error> {
        let (id, now) = (call.caller.account(), call.caller.now);
        let mut writer = self.store.write_in(&call.caller.workspace, Lock::Account(call.caller.account())).await?;
        let principal = require_service_principal(&mut writer, call, owner).await?;
        let stored = writer.list_secrets(id, principal).await?;
        let live = stored.iter().filter(|secret| secret.is_live(now)).count();
        let scopes = secret_scopes(scopes)?;
        let expires_at = plan_secret(lifetime, live, now)?;
        let entropy = self.draw(&mut writer, &call.caller.workspace).await?;
        let value = entropy.client_secret();
        let secret_id = entropy.uuid().to_string();
        let hash = value.hash();
        let secret = Secret { id: secret_id, account: id, principal, hash, created_at: now, expires_at, scopes };
        writer.insert_secret(&secret).await?;
        self.record(&mut writer, call.entry(Action::service_principal_secret("create", &secret.id, principal))).await?;
        writer.commit().await?;
        Ok(CreatedSecret { value, secret })
    }

    /// A page of a service principal's valid secrets, oldest first.
    ///
    /// # Errors
    /// [`Denial::PrincipalNotFound`], [`Denial::AccountNotFound`], and [`page`]'s.
    pub async fn list_secrets(
        &self,
        call: Call<'_>,
        owner: SecretOwner,
        page_size: Option<usize>,
        page_token: Option<&str>,
    ) -> Result<(Vec<Secret>, Option<String>), Error> {
        let mut reader = self.store.read().await?;
        let principal = require_service_principal(&mut reader, call, owner).await?;
        let mut secrets = reader.list_secrets(call.caller.account(), principal).await?;
        secrets.retain(|secret| secret.is_live(call.caller.now));
        Ok(page(&secrets, page_size, page_token)?)
    }

    /// Deletes a secret. Access tokens that were issued for it stay valid until they expire.
    ///
    /// # Errors
    /// [`Denial::PrincipalNotFound`], [`Denial::AccountNotFound`], [`Denial::SecretNotFound`]
    pub async fn delete_secret(&self, call: Call<'_>, owner: SecretOwner, id: &str) -> Result<(), Error> {
        let mut writer = self.store.write_in(&call.caller.workspace, Lock::Account(call.caller.account())).await?;
        let principal = require_service_principal(&mut writer, call, owner).await?;
        if !writer.delete_secret(call.caller.account(), principal, id).await? {
            return Err(Denial::SecretNotFound(id.to_owned()).into());
        }
        self.record(&mut writer, call.entry(Action::service_principal_secret("delete", id, principal))).await?;
        Ok(writer.commit().await?)
    }
}

/// Refuses a service principal that the path does not reach. A workspace path reaches only those of the workspace;
/// otherwise a workspace admin could create secrets for all others.
async fn require_service_principal(
    reader: &mut Reader,
    call: Call<'_>,
    owner: SecretOwner,
) -> Result<PrincipalId, Error> {
    let own = call.caller.account();
    let SecretOwner { account, principal: id } = owner;
    if let Some(account) = account.filter(|account| *account != own) {
        return Err(Denial::AccountNotFound(account.to_string()).into());
    }
    let principal = reader.find_principal(own, id).await?;
    let known = principal.is_some_and(|principal| principal.kind == PrincipalKind::ServicePrincipal);
    let reachable = account.is_some() || reader.find_assigned(&call.caller.workspace, id).await?.is_some();
    if known && reachable { Ok(id) } else { Err(Denial::PrincipalNotFound(id).into()) }
}
