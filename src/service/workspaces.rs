//! Whole workspaces: made, copied, kept under a name, put back, removed.

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
use crate::service::{Error, Service};
use crate::store::{Lock, Reader, StoreError, Writer};

/// How long a workspace that is still being filled stays by itself: longer than any request.
const UNFINISHED_TTL_MS: i64 = 15 * 60 * 1000;

/// What a new workspace is to be.
#[derive(Clone, Debug, Default)]
pub struct NewWorkspace {
    /// Its id; a free one when `None`.
    pub id: Option<WorkspaceId>,
    /// The account that it joins; a new one of its own when `None`.
    pub account: Option<AccountId>,
    /// Its name.
    pub name: Option<String>,
    /// Milliseconds of the system's clock until it goes by itself.
    pub ttl_ms: Option<i64>,
    /// What its ids and values are drawn from, together with its id.
    pub entropy_seed: Option<i64>,
    /// Its admin's token value.
    pub admin_token: Option<TokenValue>,
    /// Its switches.
    pub behaviour: BehaviourChange,
}

/// A new workspace, and what opens it.
#[derive(Clone, Debug)]
pub struct CreatedWorkspace {
    /// The workspace.
    pub workspace: Workspace,
    /// Its admin's token.
    pub admin_token: TokenValue,
    /// The OAuth secret of the service principal [`ADMIN_CLIENT_ID`](crate::service::ADMIN_CLIENT_ID) in a new
    /// account; an account that was there keeps its secrets.
    pub admin_client_secret: Option<ClientSecret>,
}

impl Service {
    /// Creates a workspace with an admin who has a token, in an account of its own unless one is named, and
    /// puts into it what a seed says of a workspace.
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
        self.keep(&mut writer, &created.workspace, EMPTY).await?;
        let Some(seed) = seed else {
            writer.commit().await?;
            return Ok(created);
        };
        let (id, delete_at) = (created.workspace.id, created.workspace.delete_at);
        let total = self.check_workspace_seed(&mut writer, created.workspace.clone(), seed).await?;
        // What a crash leaves of it goes by itself.
        writer.update_delete_at(id, Some(self.clock.now().plus(UNFINISHED_TTL_MS))).await?;
        writer.commit().await?;
        let filled = async {
            self.fill_workspace(created.workspace.clone(), delete_at, seed, total).await?;
            self.workspace(id).await
        };
        match filled.await {
            Ok(workspace) => created.workspace = workspace,
            Err(error) => {
                if let Err(left) = self.delete_workspace(id).await {
                    tracing::warn!("workspace {id} was not filled and is removed later: {left}");
                }
                return Err(error);
            }
        }
        Ok(created)
    }

    /// Gives a new workspace's admin a token, and the service principal of a new account a secret.
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

    /// Creates a workspace with its groups and usual principals, and a new account where none is named.
    pub(super) async fn create_bare(&self, writer: &mut Writer, new: &NewWorkspace) -> Result<Workspace, Error> {
        let workspace = self.blank(writer, new).await?;
        if new.account.is_none() {
            writer.insert_account(workspace.account, self.clock.now()).await?;
        }
        self.plant(writer, &workspace, true).await?;
        Ok(workspace)
    }

    /// A workspace that holds nothing yet.
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

    /// Copies a workspace with all that it holds into another one, alone in a new account. Tokens keep
    /// their values: with two workspaces that know one, the request has to name its workspace. OAuth
    /// secrets are not copied, as nothing could tell whose they are.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`], and as [`create_workspace`](Self::create_workspace).
    pub async fn fork_workspace(&self, from: WorkspaceId, new: &NewWorkspace) -> Result<CreatedWorkspace, Error> {
        let account = self.workspace(from).await?.account;
        // Whoever changes the original waits, so that the copy is of one moment.
        let mut writer = self.store.write(Lock::Account(account)).await?;
        let source = writer.find_workspace(from).await?.ok_or(Denial::WorkspaceNotFound(from))?;
        // A copy is alone in its account.
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
        self.keep(&mut writer, &created.workspace, SEED).await?;
        writer.commit().await?;
        Ok(created)
    }

    /// Removes a workspace with all that it holds, and its account with it when it is alone there.
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

    /// Removes the workspaces whose time is over; answers which.
    pub async fn delete_expired_workspaces(&self) -> Result<Vec<WorkspaceId>, Error> {
        let outlived = self.store.read().await?.list_expired_workspaces(self.clock.now()).await?;
        for id in &outlived {
            match self.delete_workspace(*id).await {
                // Another process was quicker.
                Ok(()) | Err(Error::Denied(Denial::WorkspaceNotFound(_))) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(outlived)
    }

    /// Forgets what this process remembers of workspaces that another one has removed. Answers which these are, also
    /// of those that the caller knows.
    pub async fn forget_deleted_workspaces(&self, known: Vec<WorkspaceId>) -> Result<HashSet<WorkspaceId>, Error> {
        if !self.may_have_replicas() {
            return Ok(HashSet::new());
        }
        // Taken before the look into the database, so that none is new.
        let mut removed: HashSet<_> =
            known.into_iter().chain(self.in_flight.workspaces()).chain(self.journal.known()).collect();
        removed.extend(self.sharing.known().await);
        for id in self.store.read().await?.list_workspace_ids().await? {
            removed.remove(&id);
        }
        for id in &removed {
            self.journal.forget(*id);
            self.in_flight.forget(*id);
        }
        self.sharing.forget(&removed).await;
        Ok(removed)
    }

    /// Keeps a workspace as it is now under a name.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]; [`Denial::InvalidParameter`] for a reserved name and for one too many.
    pub async fn put_checkpoint(&self, id: WorkspaceId, name: &CheckpointName) -> Result<Checkpoint, Error> {
        refuse_reserved(name)?;
        // What is inside a request is not half kept.
        let _replacement = self.in_flight.begin_replacement(id).await;
        let mut writer = self.store.write(Lock::Workspace(id)).await?;
        let workspace = writer.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        let known = writer.list_checkpoints(id).await?;
        if known.len() >= MAX_CHECKPOINTS && known.iter().all(|checkpoint| checkpoint.name != *name) {
            return Err(Denial::parameter(format!("A workspace has at most {MAX_CHECKPOINTS} checkpoints.")).into());
        }
        let kept = self.keep(&mut writer, &workspace, name.as_str()).await?;
        writer.commit().await?;
        Ok(kept)
    }

    /// The checkpoints of a workspace, oldest first.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]
    pub async fn checkpoints(&self, id: WorkspaceId) -> Result<Vec<Checkpoint>, Error> {
        let mut reader = self.store.read().await?;
        reader.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        Ok(reader.list_checkpoints(id).await?)
    }

    /// Forgets a checkpoint.
    ///
    /// # Errors
    /// [`ControlDenial::CheckpointNotFound`]; [`Denial::InvalidParameter`] for a reserved name.
    pub async fn delete_checkpoint(&self, id: WorkspaceId, name: &CheckpointName) -> Result<(), Error> {
        refuse_reserved(name)?;
        let mut writer = self.store.write(Lock::Workspace(id)).await?;
        if !writer.delete_checkpoint(id, name).await? {
            return Err(ControlDenial::CheckpointNotFound(name.as_str().to_owned()).into());
        }
        writer.commit().await?;
        Ok(())
    }

    /// Puts a workspace back to a checkpoint: requests that have begun end before, on the old state. The
    /// account's principals go back too, as long as the workspace is alone in its account. Answers which
    /// checkpoint it was, and whether they did.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`], [`ControlDenial::CheckpointNotFound`]
    pub async fn reset_workspace(&self, id: WorkspaceId, to: &CheckpointName) -> Result<Checkpoint, Error> {
        let replacement = self.in_flight.begin_replacement(id).await;
        let mut writer = self.store.write(Lock::Workspace(id)).await?;
        let workspace = writer.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        let known = writer.list_checkpoints(id).await?;
        let named = |name: &str| known.iter().find(|checkpoint| checkpoint.name.as_str() == name).cloned();
        // What was never seeded was empty.
        let found = named(to.as_str()).or_else(|| named(EMPTY).filter(|_| to.as_str() == SEED));
        let mut found = found.ok_or_else(|| ControlDenial::CheckpointNotFound(to.as_str().to_owned()))?;
        found.has_account &= is_alone(&mut writer, &workspace).await?;
        writer.restore_checkpoint(&workspace, &found).await?;
        writer.update_incarnation(id, self.incarnation()).await?;
        writer.clear_decoy_uses(id).await?;
        writer.commit().await?;
        self.journal.begin_anew(&workspace);
        replacement.finish();
        Ok(found)
    }

    /// A number for a workspace that none before it had; never one of its own seed's.
    pub(super) fn incarnation(&self) -> i64 {
        self.entropy.principal_id().0
    }

    /// What tells a new principal from all that had, or will have, its id or name. It is never drawn from a
    /// workspace's seed, which would draw the same again after a reset.
    pub(super) fn principal_creation(&self) -> i64 {
        self.entropy.principal_id().0
    }

    /// Keeps a workspace under a name that has been checked.
    pub(super) async fn keep(
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

    /// Where the first ids and values of a new workspace come from, each purpose once.
    pub(super) fn entropy_for(&self, workspace: &Workspace, purpose: &str) -> Arc<dyn Entropy> {
        match workspace.entropy_seed {
            Some(seed) => Arc::new(SeededEntropy::of(seed, workspace.id, purpose, 0)),
            None => self.entropy.clone(),
        }
    }

    /// Where the ids and values of one more transaction come from: a seeded workspace counts them, so that
    /// the same calls give the same again.
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
        return Err(Denial::parameter(format!("The checkpoint '{}' belongs to the workspace itself.", name.as_str())));
    }
    Ok(())
}

async fn is_alone(writer: &mut Writer, workspace: &Workspace) -> Result<bool, StoreError> {
    Ok(writer.list_workspace_ids_of(workspace.account).await?.len() == 1)
}
