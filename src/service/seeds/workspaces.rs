//! Workspaces of a seed: found or created, set up by their first seed, and filled.

use super::error_in;
use super::tokens::drawn_id;
use super::walk::{Mode, Namespace, SeedWalk, WorkspaceAt, account_id};
use crate::domain::access::PermissionLevel;
use crate::domain::clock::ClockMode;
use crate::domain::conf::plan_change;
use crate::domain::identities::{Assignment, Principal, PrincipalKind};
use crate::domain::seeds::{AssignedSeed, SeedError, Text, TokenSeed, UserSeed, WorkspaceSeed, instant};
use crate::domain::settings::ConfValue;
use crate::domain::workspaces::SEED;
use crate::domain::{Denial, PrincipalId, Workspace};
use crate::service::workspaces::NewWorkspace;
use crate::service::{ACCOUNT_ADMIN_USER, ADMIN_CLIENT_ID, ADMIN_SERVICE_PRINCIPAL, ADMIN_USER, Error};

impl SeedWalk<'_> {
    /// Finds the workspace of a seed, or creates it.
    pub(super) async fn workspace(
        &mut self,
        seed: &WorkspaceSeed,
        field: &str,
        default: Option<&Workspace>,
    ) -> Result<Workspace, Error> {
        let account = account_id(seed.account_id.as_ref(), field, default)?;
        let id = seed.id(field)?;
        let found = match id {
            Some(id) => match self.planned.workspaces.get(&id) {
                Some(planned) => Some(planned.clone()),
                None => self.reader()?.find_workspace(id).await?,
            },
            None => self.reader()?.find_default_workspace().await?,
        };
        if let Some(workspace) = found {
            if let Some(text) = seed.account_id.as_ref().filter(|_| workspace.account != account) {
                let field = format!("{field}.account_id");
                return Err(SeedError::at(text, &field, "the workspace is in another account").into());
            }
            return Ok(workspace);
        }
        self.ensure_account(account).await?;
        self.added.workspaces += 1;
        let new = NewWorkspace { id, account: Some(account), name: seed.name.clone(), ..NewWorkspace::default() };
        let service = self.service;
        if let Some(writer) = self.writer()? {
            return service.create_bare(writer, &new).await;
        }
        let workspace = service.blank(self.reader()?, &new).await?;
        self.plan_workspace(&workspace);
        Ok(workspace)
    }

    fn plan_workspace(&mut self, workspace: &Workspace) {
        self.planned.workspaces.insert(workspace.id, workspace.clone());
        let of_account = Namespace::account(workspace.account);
        for user in [ADMIN_USER, ACCOUNT_ADMIN_USER] {
            self.plan(of_account, &Principal::new(PrincipalId(0), PrincipalKind::User, user));
        }
        let kind = PrincipalKind::ServicePrincipal;
        let service_principal = Principal {
            display_name: ADMIN_SERVICE_PRINCIPAL.into(),
            ..Principal::new(PrincipalId(0), kind, &ADMIN_CLIENT_ID.to_string())
        };
        self.plan(of_account, &service_principal);
        for group in ["admins", "users"] {
            let group = Principal::new(PrincipalId(0), PrincipalKind::Group, group);
            self.plan(Namespace::workspace(workspace), &group);
        }
    }

    /// Adds what a seed lists in a workspace; returns whether it is the workspace's first seed.
    pub(super) async fn fill(
        &mut self,
        workspace: Workspace,
        seed: &WorkspaceSeed,
        field: &str,
    ) -> Result<bool, Error> {
        if let Mode::Apply(batches) = &mut self.mode {
            batches.fill(Some(&workspace));
        }
        let checkpoints = self.reader()?.list_checkpoints(workspace.id).await?;
        let is_first = checkpoints.iter().all(|checkpoint| checkpoint.name.as_str() != SEED);
        let purpose = format!("{} {}", workspace.account, workspace.id);
        let (users, tokens) = self.with_populations(seed, &purpose, field)?;
        let workspace = if is_first { self.set_up(workspace, seed, field).await? } else { workspace };
        let to = WorkspaceAt { workspace: &workspace, now: workspace.clock.at(self.service.clock.now()) };
        self.residents(&workspace, &users, &seed.service_principals, field).await?;
        self.assigned(&workspace, &seed.assigned, field).await?;
        self.groups(Namespace::workspace(&workspace), &seed.groups, field).await?;
        if let Some(names) = seed.may_use_tokens.as_ref().filter(|_| is_first) {
            self.token_permissions(&workspace, names, field).await?;
        }
        let mut values = self.chance(&format!("{purpose} tokens"));
        for (index, token) in tokens.iter().enumerate() {
            let drawn = drawn_id(&mut values, &workspace);
            self.token(to, token, drawn, &format!("{field}.tokens[{index}]")).await?;
            self.step().await?;
        }
        for (index, decoy) in seed.decoys.iter().enumerate() {
            self.decoy(to, decoy, &format!("{field}.decoys[{index}]")).await?;
        }
        if let Mode::Apply(batches) = &mut self.mode {
            batches.fill(None);
        }
        Ok(is_first)
    }

    /// Saves the checkpoint to which a reset without a name returns.
    pub(super) async fn save_seeded(&mut self, workspace: &Workspace) -> Result<(), Error> {
        let service = self.service;
        if let Some(writer) = self.writer()? {
            service.save_checkpoint(writer, workspace, SEED).await?;
        }
        Ok(())
    }

    /// The users and tokens of a seed, those of its populations included.
    fn with_populations(
        &self,
        seed: &WorkspaceSeed,
        purpose: &str,
        field: &str,
    ) -> Result<(Vec<UserSeed>, Vec<TokenSeed>), SeedError> {
        let (mut users, mut tokens) = (seed.users.clone(), seed.tokens.clone());
        for (index, population) in seed.populations.iter().enumerate() {
            let expanded = population.expand(self.random_seed, &format!("{purpose} population {index}"));
            let invalid = |sentence| error_in(&format!("{field}.populations[{index}]"), sentence);
            let (more_users, more_tokens) = expanded.map_err(invalid)?;
            users.extend(more_users);
            tokens.extend(more_tokens);
        }
        Ok((users, tokens))
    }

    /// Sets a workspace's clock, settings and configuration.
    async fn set_up(
        &mut self,
        mut workspace: Workspace,
        seed: &WorkspaceSeed,
        field: &str,
    ) -> Result<Workspace, Error> {
        let system = self.service.clock.now();
        let frozen = instant(seed.frozen_at, system);
        workspace.clock = workspace.clock.in_mode(match (frozen, seed.clock_ahead) {
            (Some(at), _) => ClockMode::Frozen(at),
            (None, Some(span)) => ClockMode::Offset(span.0),
            (None, None) => workspace.clock.mode(),
        });
        let now = workspace.clock.at(system);
        workspace.created_at = instant(seed.created, now).unwrap_or(workspace.created_at);
        workspace.name = seed.name.clone().unwrap_or(workspace.name);
        workspace.behaviour = seed.behaviour.apply(workspace.behaviour);
        workspace.entropy_seed = seed.entropy_seed.or(workspace.entropy_seed);
        if let Some(writer) = self.writer()? {
            writer.update_workspace(&workspace).await?;
        }

        let changes: Vec<(String, Option<String>)> =
            seed.conf.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
        if !changes.is_empty() {
            for (key, value) in plan_change(&changes).map_err(|denial| conf_error(&denial, field))? {
                let conf = ConfValue { value: value.to_owned(), previous: None, effective_at: workspace.created_at };
                if let Some(writer) = self.writer()? {
                    writer.put_conf(workspace.id, key, &conf).await?;
                }
            }
        }
        let Some(writer) = self.writer()? else { return Ok(workspace) };
        let stored = writer.find_workspace(workspace.id).await?;
        Ok(stored.unwrap_or(workspace))
    }

    async fn assigned(&mut self, workspace: &Workspace, seeds: &[AssignedSeed], field: &str) -> Result<(), Error> {
        for (index, seed) in seeds.iter().enumerate() {
            let field = format!("{field}.assigned[{index}].principal");
            let principal = self.find(Namespace::account(workspace.account), &seed.principal, &field).await?;
            let usual = Assignment::usual(principal.kind);
            let entitlements = seed.entitlements.clone().unwrap_or(usual.entitlements);
            let assignment = Assignment { active: seed.active, entitlements, roles: seed.roles.clone() };
            self.assign(workspace.id, principal.id, &assignment).await?;
            self.step().await?;
        }
        Ok(())
    }

    async fn token_permissions(&mut self, workspace: &Workspace, names: &[Text], field: &str) -> Result<(), Error> {
        let mut entries = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let field = format!("{field}.may_use_tokens[{index}]");
            let principal = self.find(Namespace::workspace(workspace), name, &field).await?;
            entries.push((principal.id, PermissionLevel::CanUse));
        }
        if let Some(writer) = self.writer()? {
            writer.replace_token_permissions(workspace.id, &entries.into_iter().collect()).await?;
        }
        Ok(())
    }
}

fn conf_error(denial: &Denial, field: &str) -> SeedError {
    let sentence = match denial {
        Denial::InvalidConfKeys(keys) => format!("unknown key {}", keys.join(", ")),
        Denial::InvalidConfValues(values) => {
            let keys: Vec<&str> = values.iter().map(|(key, _)| key.as_str()).collect();
            format!("invalid value of {}", keys.join(", "))
        }
        other => format!("{other:?}"),
    };
    error_in(&format!("{field}.conf"), sentence)
}
