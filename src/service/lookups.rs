//! Finds accounts and workspaces, by id or by whatever a client sent in place of one.

use super::{Error, Service};
use crate::domain::{AccountId, Denial, Workspace, WorkspaceId};
use crate::store::StoreError;

impl Service {
    /// The workspace to name in discovery: the only one. `None` when there are several, because a client would send
    /// the named id with every other workspace's token too. See docs/reference/identity-and-oauth.md#host-metadata.
    pub async fn only_workspace(&self) -> Result<Option<Workspace>, Error> {
        let mut reader = self.store.read().await?;
        if reader.count_workspaces().await? != 1 {
            return Ok(None);
        }
        Ok(reader.find_default_workspace().await?)
    }

    pub async fn workspace(&self, id: WorkspaceId) -> Result<Workspace, Error> {
        Ok(self.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?)
    }

    pub async fn find_workspace(&self, id: WorkspaceId) -> Result<Option<Workspace>, Error> {
        Ok(self.store.read().await?.find_workspace(id).await?)
    }

    /// The workspace that answers requests that name none.
    pub async fn default_workspace(&self) -> Result<Option<Workspace>, Error> {
        Ok(self.store.read().await?.find_default_workspace().await?)
    }

    pub async fn workspaces(&self) -> Result<Vec<Workspace>, Error> {
        Ok(self.store.read().await?.list_all_workspaces().await?)
    }

    pub async fn workspaces_named(&self, name: &str, limit: usize) -> Result<Vec<WorkspaceId>, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        Ok(self.store.read().await?.list_workspaces_named(name, limit).await?)
    }

    pub async fn workspaces_of(&self, account: AccountId) -> Result<Vec<WorkspaceId>, Error> {
        Ok(self.store.read().await?.list_workspace_ids_of(account).await?)
    }

    /// The workspace whose clock and settings an account uses; without an account, the default workspace.
    ///
    /// # Errors
    /// [`Denial::AccountNotFound`] when the account was deleted.
    pub async fn workspace_of_account(&self, account: Option<AccountId>) -> Result<Workspace, Error> {
        let mut reader = self.store.read().await?;
        let Some(account) = account else {
            let missing = || StoreError::Unreadable("there is no default workspace".into());
            return Ok(reader.find_default_workspace().await?.ok_or_else(missing)?);
        };
        let home = reader.find_workspace_of_account(account).await?;
        Ok(home.ok_or_else(|| Denial::AccountNotFound(account.to_string()))?)
    }

    /// The account that an account path names.
    ///
    /// # Errors
    /// [`Denial::AccountNotFound`]
    pub async fn account_named(&self, text: &str) -> Result<AccountId, Error> {
        let not_found = || Denial::AccountNotFound(text.to_owned());
        let id = AccountId::parse(text).ok_or_else(not_found)?;
        if !self.store.read().await?.has_account(id).await? {
            return Err(not_found().into());
        }
        Ok(id)
    }

    /// Those of the accounts that do not exist any more.
    pub async fn deleted_accounts(&self, accounts: Vec<AccountId>) -> Result<Vec<AccountId>, Error> {
        let mut deleted = Vec::new();
        for account in accounts {
            if !self.store.read().await?.has_account(account).await? {
                deleted.push(account);
            }
        }
        Ok(deleted)
    }
}
