//! OAuth secrets of service principals: create, list, delete (research/api-identity-auth.md §3.7).

use super::{Call, Error, Service};
use crate::domain::audit::Action;
use crate::domain::identities::PrincipalKind;
use crate::domain::oauth::{ClientSecret, Secret, page, plan_secret, secret_scopes};
use crate::domain::{AccountId, Denial, PrincipalId};
use crate::store::{Lock, Reader};

/// A new secret with its value, which is in this answer and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedSecret {
    /// The value.
    pub value: ClientSecret,
    /// What is stored.
    pub secret: Secret,
}

impl Service {
    /// Creates a secret of a service principal; `account` is the one in the path, where there is one.
    ///
    /// # Errors
    /// [`Denial::PrincipalNotFound`], [`Denial::AccountNotFound`] and the denials of [`plan_secret`] and
    /// [`secret_scopes`].
    pub async fn create_secret(
        &self,
        call: Call<'_>,
        account: Option<AccountId>,
        principal: PrincipalId,
        lifetime: Option<&str>,
        scopes: Option<&[String]>,
    ) -> Result<CreatedSecret, Error> {
        let (id, now) = (call.caller.account(), call.caller.now);
        let mut writer = self.store.write_in(&call.caller.workspace, Lock::Account(call.caller.account())).await?;
        require_service_principal(&mut writer, call, account, principal).await?;
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

    /// A page of a service principal's secrets that work, oldest first.
    ///
    /// # Errors
    /// [`Denial::PrincipalNotFound`], [`Denial::AccountNotFound`], and [`page`]'s.
    pub async fn list_secrets(
        &self,
        call: Call<'_>,
        account: Option<AccountId>,
        principal: PrincipalId,
        page_size: Option<usize>,
        page_token: Option<&str>,
    ) -> Result<(Vec<Secret>, Option<String>), Error> {
        let mut reader = self.store.read().await?;
        require_service_principal(&mut reader, call, account, principal).await?;
        let mut secrets = reader.list_secrets(call.caller.account(), principal).await?;
        secrets.retain(|secret| secret.is_live(call.caller.now));
        Ok(page(&secrets, page_size, page_token)?)
    }

    /// Deletes a secret. Access tokens that were issued for it live out their hour.
    ///
    /// # Errors
    /// [`Denial::PrincipalNotFound`], [`Denial::AccountNotFound`], [`Denial::SecretNotFound`]
    pub async fn delete_secret(
        &self,
        call: Call<'_>,
        account: Option<AccountId>,
        principal: PrincipalId,
        id: &str,
    ) -> Result<(), Error> {
        let mut writer = self.store.write_in(&call.caller.workspace, Lock::Account(call.caller.account())).await?;
        require_service_principal(&mut writer, call, account, principal).await?;
        if !writer.delete_secret(call.caller.account(), principal, id).await? {
            return Err(Denial::SecretNotFound(id.to_owned()).into());
        }
        self.record(&mut writer, call.entry(Action::service_principal_secret("delete", id, principal))).await?;
        writer.commit().await?;
        Ok(())
    }
}

/// Sees to it that the caller may reach the service principal: in the account by the account's path,
/// in its own workspace by the workspace's, or a workspace admin would hold the keys to others.
async fn require_service_principal(
    reader: &mut Reader,
    call: Call<'_>,
    account: Option<AccountId>,
    id: PrincipalId,
) -> Result<(), Error> {
    let own = call.caller.account();
    if let Some(account) = account.filter(|account| *account != own) {
        return Err(Denial::AccountNotFound(account.to_string()).into());
    }
    let principal = reader.find_principal(own, id).await?;
    let known = principal.is_some_and(|principal| principal.kind == PrincipalKind::ServicePrincipal);
    let reachable = account.is_some() || reader.find_assigned(&call.caller.workspace, id).await?.is_some();
    if known && reachable { Ok(()) } else { Err(Denial::PrincipalNotFound(id).into()) }
}
