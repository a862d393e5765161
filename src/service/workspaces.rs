//! Whole workspaces: create, fork, save as a checkpoint, reset to one, delete. What a new workspace starts with is in
//! `bootstrap`, seeds are in `seeds`.

use std::collections::HashSet;
use std::sync::Arc;

use crate::domain::clock::WorkspaceClock;
use crate::domain::denial::ControlDenial;
use crate::domain::oauth::ClientSecret;
use crate::domain::seeds::WorkspaceSeed;
use crate::domain::settings::{Behaviour, BehaviourChange};
use crate::domain::tokens::TokenValue;
use crate::domain::workspaces::{EMPTY, MAX_CHECKPOINTS, SEED};
use crate::domain::{AccountId, Checkpoint, CheckpointName, Denial, PrincipalId, Workspace, WorkspaceId};
use crate::entropy::{Entropy, SeededEntropy};
use crate::service::bootstrap::TokenPermission;
use crate::service::{Error, Service};
use crate::store::{Lock, Reader, StoreError, Writer};

/// When a workspace that a crash left half filled is deleted: after longer than any request takes.
const UNFINISHED_TTL_MS: i64 = 15 * 60 * 1000;

#[derive(Clone, Debug, Default)]
pub struct NewWorkspace {
    /// `None` for a random one.
    pub id: Option<WorkspaceId>,
    /// The account that it joins; `None` for a new one.
    pub account: Option<AccountId>,
    pub name: Option<String>,
    /// Milliseconds on the system's clock until it expires.
    pub ttl_ms: Option<i64>,
    /// Together with the id, determines all ids and values that are drawn in it.
    pub entropy_seed: Option<i64>,
    /// `None` for a random one.
    pub admin_token: Option<TokenValue>,
    pub behaviour: BehaviourChange,
}

/// A new workspace with its credentials.
#[derive(Clone, Debug)]
pub struct CreatedWorkspace {
    pub workspace: Workspace,
    pub admin_token: TokenValue,
    /// The OAuth secret of the service principal [`ADMIN_CLIENT_ID`](crate::service::ADMIN_CLIENT_ID). Only for a new
    /// account; an existing one keeps its secrets.
    pub admin_client_secret: Option<ClientSecret>,
}

impl Service {
    /// Creates a workspace, an admin with a token, and a new account unless one is named, then applies the seed.
    ///
    /// # Errors
    /// [`ControlDenial::WorkspaceExists`], [`Denial::AccountNotFound`], [`Denial::InvalidParameter`], [`Error::Seed`].
    pub async fn create_workspace(
        &self,
        new: &NewWorkspace,
        seed: Option<&WorkspaceSeed>,
    ) -> Result<CreatedWorkspace, Error> {
        let mut writer = self.store.write(Lock::Database).await?;
        if let Some(account) = new.account
            && !writer.has_account(account).await?
        {
            return Err(Denial::AccountNotFound(account.to_string()).into());
        }
        let workspace = self.create_bare(&mut writer, new).await?;
        let mut created = self.with_credentials(&mut writer, workspace, new).await?;
        self.save_checkpoint(&mut writer, &created.workspace, EMPTY).await?;
        let Some(seed) = seed else {
            writer.commit().await?;
            return Ok(created);
        };
        let (id, delete_at) = (created.workspace.id, created.workspace.delete_at);
        let total = self.check_workspace_seed(&mut writer, created.workspace.clone(), seed).await?;
        // A crash must not leave a half-filled workspace for ever.
        writer.update_delete_at(id, Some(self.clock.now().plus(UNFINISHED_TTL_MS))).await?;
        writer.commit().await?;
        let filled = async {
            self.fill_workspace(&created.workspace, delete_at, seed, total).await?;
            self.workspace(id).await
        };
        match filled.await {
            Ok(workspace) => created.workspace = workspace,
            Err(error) => {
                if let Err(left) = self.delete_workspace(id).await {
                    tracing::warn!("could not fill workspace {id}, nor delete it; it will expire: {left}");
                }
                return Err(error);
            }
        }
        Ok(created)
    }

    /// Creates the admin's token, and in a new account the service principal's secret.
    async fn with_credentials(
        &self,
        writer: &mut Writer,
        workspace: Workspace,
        new: &NewWorkspace,
    ) -> Result<CreatedWorkspace, Error> {
        let entropy = self.entropy_for(&workspace, "credentials");
        let suffix = workspace.behaviour.token_value_suffix;
        let admin_token = new.admin_token.clone().unwrap_or_else(|| entropy.token_value(suffix));
        self.ensure_admin_token(writer, &workspace, &admin_token).await?;
        let admin_client_secret = new.account.is_none().then(|| entropy.client_secret());
        if let Some(secret) = &admin_client_secret {
            self.ensure_admin_secret(writer, &workspace, secret).await?;
        }
        Ok(CreatedWorkspace { workspace, admin_token, admin_client_secret })
    }

    /// Creates a workspace with its groups and initial principals, and a new account if none is named.
    pub(super) async fn create_bare(&self, writer: &mut Writer, new: &NewWorkspace) -> Result<Workspace, Error> {
        let workspace = self.blank(writer, new).await?;
        if new.account.is_none() {
            writer.insert_account(workspace.account, self.clock.now()).await?;
        }
        self.insert_with_principals(writer, &workspace, TokenPermission::Everybody).await?;
        Ok(workspace)
    }

    /// A workspace with its ids drawn, not yet stored.
    pub(super) async fn blank(&self, reader: &mut Reader, new: &NewWorkspace) -> Result<Workspace, Error> {
        let id = match new.id {
            Some(id) if reader.find_workspace(id).await?.is_some() => {
                return Err(ControlDenial::WorkspaceExists(id).into());
            }
            Some(id) => id,
            None => WorkspaceId(self.entropy.principal_id().0),
        };
        let now = self.clock.now();
        let mut workspace = Workspace {
            id,
            account: new.account.unwrap_or_else(|| AccountId(self.entropy.uuid())),
            name: new.name.clone().unwrap_or_else(|| format!("workspace-{id}")),
            deployment_name: format!("workspace-{id}"),
            created_at: now,
            is_default: false,
            admins_group: PrincipalId(0),
            users_group: PrincipalId(0),
            clock: WorkspaceClock::REAL,
            behaviour: new.behaviour.apply(Behaviour::default()),
            delete_at: new.ttl_ms.map(|ttl| now.plus(ttl)),
            entropy_seed: new.entropy_seed,
            enable_tokens: None,
            max_token_lifetime: None,
            incarnation: self.incarnation(),
            has_faults: false,
        };
        let entropy = self.entropy_for(&workspace, "groups");
        workspace.admins_group = entropy.principal_id();
        workspace.users_group = entropy.principal_id();
        Ok(workspace)
    }

    /// Copies a workspace and everything in it into a new workspace in a new account. Tokens keep their values, so a
    /// request with one of them has to name its workspace. OAuth secrets are not copied, because they would be ambiguous.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`], and as [`create_workspace`](Self::create_workspace).
    pub async fn fork_workspace(&self, from: WorkspaceId, new: &NewWorkspace) -> Result<CreatedWorkspace, Error> {
        let account = self.workspace(from).await?.account;
        // Changes of the original wait, so that the copy is consistent.
        let mut writer = self.store.write(Lock::Account(account)).await?;
        let source = writer.find_workspace(from).await?.ok_or(Denial::WorkspaceNotFound(from))?;
        let new = &NewWorkspace { account: None, ..new.clone() };
        let blank = self.blank(&mut writer, new).await?;
        let workspace = Workspace {
            id: blank.id,
            account: blank.account,
            deployment_name: blank.deployment_name,
            is_default: false,
            name: new.name.clone().unwrap_or_else(|| source.name.clone()),
            behaviour: new.behaviour.apply(source.behaviour.clone()),
            delete_at: blank.delete_at,
            incarnation: blank.incarnation,
            entropy_seed: new.entropy_seed.or(source.entropy_seed),
            ..source.clone()
        };
        writer.insert_account(workspace.account, self.clock.now()).await?;
        writer.insert_workspace(&workspace).await?;
        writer.copy_workspace(&source, &workspace).await?;
        let created = self.with_credentials(&mut writer, workspace, new).await?;
        self.save_checkpoint(&mut writer, &created.workspace, SEED).await?;
        writer.commit().await?;
        Ok(created)
    }

    /// Deletes a workspace and everything in it; the last workspace of an account takes the account with it.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]; [`ControlDenial::DefaultWorkspaceStays`].
    pub async fn delete_workspace(&self, id: WorkspaceId) -> Result<(), Error> {
        let replacement = self.in_flight.begin_replacement(id).await;
        let account = self.workspace(id).await?.account;
        let mut writer = self.store.write(Lock::Account(account)).await?;
        let workspace = writer.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        if workspace.is_default {
            return Err(ControlDenial::DefaultWorkspaceStays.into());
        }
        if is_alone(&mut writer, &workspace).await? {
            writer.delete_workspace_and_account(&workspace).await?;
        } else {
            writer.delete_workspace(&workspace).await?;
        }
        writer.commit().await?;
        self.journal.forget(id);
        replacement.finish_deletion();
        Ok(())
    }

    /// Deletes the workspaces that have expired; returns their ids.
    pub async fn delete_expired_workspaces(&self) -> Result<Vec<WorkspaceId>, Error> {
        let expired = self.store.read().await?.list_expired_workspaces(self.clock.now()).await?;
        for id in &expired {
            match self.delete_workspace(*id).await {
                // Another process deleted it first.
                Ok(()) | Err(Error::Denied(Denial::WorkspaceNotFound(_))) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(expired)
    }

    /// Drops this process's state of workspaces that another one deleted; returns these, including those in `known`.
    pub async fn forget_deleted_workspaces(&self, known: Vec<WorkspaceId>) -> Result<HashSet<WorkspaceId>, Error> {
        if !self.may_have_replicas() {
            return Ok(HashSet::new());
        }
        // Collected before the database is read, so that a workspace that is created meanwhile is not among them.
        let mut deleted: HashSet<_> =
            known.into_iter().chain(self.in_flight.workspaces()).chain(self.journal.workspaces()).collect();
        deleted.extend(self.sharing.workspaces().await);
        for id in self.store.read().await?.list_workspace_ids().await? {
            deleted.remove(&id);
        }
        for id in &deleted {
            self.journal.forget(*id);
            self.in_flight.forget(*id);
        }
        self.sharing.forget(&deleted).await;
        Ok(deleted)
    }

    /// Saves a workspace's current state as a checkpoint.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]; [`Denial::InvalidParameter`] for a reserved name, or too many checkpoints.
    pub async fn put_checkpoint(&self, id: WorkspaceId, name: &CheckpointName) -> Result<Checkpoint, Error> {
        refuse_reserved(name)?;
        // A checkpoint must not hold half of a request's changes.
        let _replacement = self.in_flight.begin_replacement(id).await;
        let mut writer = self.store.write(Lock::Workspace(id)).await?;
        let workspace = writer.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        let known = writer.list_checkpoints(id).await?;
        if known.len() >= MAX_CHECKPOINTS && known.iter().all(|checkpoint| checkpoint.name != *name) {
            return Err(
                Denial::parameter(format!("A workspace can have at most {MAX_CHECKPOINTS} checkpoints.")).into()
            );
        }
        let checkpoint = self.save_checkpoint(&mut writer, &workspace, name.as_str()).await?;
        writer.commit().await?;
        Ok(checkpoint)
    }

    /// Oldest first.
    pub async fn checkpoints(&self, id: WorkspaceId) -> Result<Vec<Checkpoint>, Error> {
        let mut reader = self.store.read().await?;
        reader.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        Ok(reader.list_checkpoints(id).await?)
    }

    /// # Errors
    /// [`ControlDenial::CheckpointNotFound`]; [`Denial::InvalidParameter`] for a reserved name.
    pub async fn delete_checkpoint(&self, id: WorkspaceId, name: &CheckpointName) -> Result<(), Error> {
        refuse_reserved(name)?;
        let mut writer = self.store.write(Lock::Workspace(id)).await?;
        if !writer.delete_checkpoint(id, name).await? {
            return Err(ControlDenial::CheckpointNotFound(name.as_str().to_owned()).into());
        }
        Ok(writer.commit().await?)
    }

    /// Resets a workspace to a checkpoint, after its requests in flight have finished on the old state. If it is alone in
    /// its account, the account's principals are restored too, which `has_account` of the answer says.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`], [`ControlDenial::CheckpointNotFound`]
    pub async fn reset_workspace(&self, id: WorkspaceId, to: &CheckpointName) -> Result<Checkpoint, Error> {
        let replacement = self.in_flight.begin_replacement(id).await;
        let mut writer = self.store.write(Lock::Workspace(id)).await?;
        let workspace = writer.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        let known = writer.list_checkpoints(id).await?;
        let named = |name: &str| known.iter().find(|checkpoint| checkpoint.name.as_str() == name).cloned();
        // A workspace without a seed was empty in the beginning.
        let found = named(to.as_str()).or_else(|| named(EMPTY).filter(|_| to.as_str() == SEED));
        let mut found = found.ok_or_else(|| ControlDenial::CheckpointNotFound(to.as_str().to_owned()))?;
        found.has_account &= is_alone(&mut writer, &workspace).await?;
        writer.restore_checkpoint(&workspace, &found).await?;
        writer.update_incarnation(id, self.incarnation()).await?;
        writer.clear_decoy_uses(id).await?;
        writer.commit().await?;
        self.journal.clear(&workspace);
        replacement.finish();
        Ok(found)
    }

    /// A new incarnation number. It is never drawn from a workspace's seed, which would repeat after a reset.
    pub(super) fn incarnation(&self) -> i64 {
        self.entropy.principal_id().0
    }

    /// A number that tells apart principals that reuse an id or name. Never drawn from a workspace's seed either.
    pub(super) fn principal_creation(&self) -> i64 {
        self.entropy.principal_id().0
    }

    /// Saves a checkpoint, under a reserved name too.
    pub(super) async fn save_checkpoint(
        &self,
        writer: &mut Writer,
        workspace: &Workspace,
        name: &str,
    ) -> Result<Checkpoint, Error> {
        let name = CheckpointName::parse(name).ok_or_else(|| ControlDenial::CheckpointNotFound(name.to_owned()))?;
        let (created_at, has_account) = (self.clock.now(), is_alone(writer, workspace).await?);
        let checkpoint = Checkpoint { name, created_at, has_account };
        writer.put_checkpoint(workspace, &checkpoint).await?;
        Ok(checkpoint)
    }

    /// The source of a new workspace's first ids and values. Each purpose may be used once.
    pub(super) fn entropy_for(&self, workspace: &Workspace, purpose: &str) -> Arc<dyn Entropy> {
        match workspace.entropy_seed {
            Some(seed) => Arc::new(SeededEntropy::of(seed, workspace.id, purpose, 0)),
            None => self.entropy.clone(),
        }
    }

    /// The source of a transaction's ids and values. A seeded workspace draws the same ones again for the same calls.
    pub(super) async fn draw(
        &self,
        writer: &mut Writer,
        workspace: &Workspace,
    ) -> Result<Arc<dyn Entropy>, StoreError> {
        Ok(match workspace.entropy_seed {
            Some(seed) => {
                let count = writer.increment_draws(workspace.id).await?;
                Arc::new(SeededEntropy::of(seed, workspace.id, "transaction", count))
            }
            None => self.entropy.clone(),
        })
    }
}

fn refuse_reserved(name: &CheckpointName) -> Result<(), Denial> {
    if name.is_reserved() {
        return Err(Denial::parameter(format!("The checkpoint name '{}' is reserved: choose another.", name.as_str())));
    }
    Ok(())
}

async fn is_alone(writer: &mut Writer, workspace: &Workspace) -> Result<bool, StoreError> {
    Ok(writer.list_workspace_ids_of(workspace.account).await?.len() == 1)
}
