//! Seeds applied and written. Applying adds what is missing and changes nothing that is there; only a
//! workspace that meets a seed for the first time takes its settings from it.
//!
//! A seed is first looked through as a whole, so that one with a mistake changes nothing. Then it is applied in
//! batches, each a transaction, between which others get the writer. What a crash in between leaves is a part of the
//! seed, which applying it again completes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use uuid::Builder;

use crate::domain::access::PermissionLevel;
use crate::domain::clock::ClockMode;
use crate::domain::conf::plan_change;
use crate::domain::decoys::Decoy;
use crate::domain::identities::{Assignment, Attributes, Email, Member, Principal, PrincipalKind};
use crate::domain::ids::DAY_MS;
use crate::domain::lifecycle::as_of;
use crate::domain::oauth::{ClientSecret, Secret, SecretHash, plan_secret, secret_scopes};
use crate::domain::seeds::{
    AccountSeed, AssignedSeed, DecoySeed, GroupSeed, Moment, SecretSeed, Seed, SeedError, SeededRandom,
    ServicePrincipalSeed, Span, Text, TokenSeed, UserSeed, WorkspaceSeed, instant,
};
use crate::domain::settings::{BehaviourChange, ConfValue};
use crate::domain::tokens::{AUTOSCOPE_BACKFILLED, AUTOSCOPE_STATES, MAX_COMMENT_CHARS, Token, TokenValue, Visibility};
use crate::domain::workspaces::SEED;
use crate::domain::{AccountId, Denial, Millis, PrincipalId, TokenId, Workspace, WorkspaceId, scopes};
use crate::service::{ACCOUNT_ADMIN_USER, ADMIN_CLIENT_ID, ADMIN_SERVICE_PRINCIPAL, ADMIN_USER, Error, Service};
use crate::store::{Lock, Reader, StoreError, Writer};

use crate::service::workspaces::NewWorkspace;

/// How many users, tokens and the like go into one transaction: others wait for it no longer than that.
const BATCH: usize = 200;
/// How often the log tells how far a seed has come.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// How far a seed has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many of its users, tokens and the like have been looked at.
    pub done: usize,
    /// How many it has.
    pub total: usize,
}

/// How much a seed added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeedCounts {
    /// Workspaces.
    pub workspaces: usize,
    /// Users, service principals and groups.
    pub principals: usize,
    /// Tokens.
    pub tokens: usize,
}

impl Service {
    /// Applies a seed, in batches. One with a mistake changes nothing.
    ///
    /// # Errors
    /// [`Error::Seed`] for what it says that cannot be. After [`Error::Store`] a part of it may be there, which applying
    /// it again completes.
    pub async fn apply_seed(&self, seed: &Seed) -> Result<SeedCounts, Error> {
        self.apply_seed_with(seed, |_| {}).await
    }

    /// The same, and tells how far it has come after each batch.
    ///
    /// # Errors
    /// As [`apply_seed`](Self::apply_seed).
    pub async fn apply_seed_with(
        &self,
        seed: &Seed,
        tell: impl Fn(Progress) + Send + Sync,
    ) -> Result<SeedCounts, Error> {
        refuse_nul(seed)?;
        let default = self.default_workspace().await?;
        let mut reader = self.store.read().await?;
        let mut check = Sower::new(self, Ground::Check(&mut reader), seed.random_seed);
        check.all(seed, default.as_ref()).await?;
        let total = check.done;
        drop(check);
        drop(reader);
        let batches = Batches::begin(self, total, &tell).await?;
        let mut sower = Sower::new(self, Ground::Sow(batches), seed.random_seed);
        sower.all(seed, default.as_ref()).await?;
        sower.finish().await
    }

    /// Looks through what a seed says of one workspace, before it is applied; answers how much that is.
    pub(super) async fn check_workspace_seed(
        &self,
        reader: &mut Reader,
        workspace: Workspace,
        seed: &WorkspaceSeed,
    ) -> Result<usize, Error> {
        refuse_nul(seed)?;
        let mut check = Sower::new(self, Ground::Check(reader), 0);
        check.fill(workspace, seed, "seed").await?;
        Ok(check.done)
    }

    /// Applies what a seed says of one workspace to a new workspace, in batches. The last of them sets when it goes by
    /// itself.
    pub(super) async fn fill_workspace(
        &self,
        workspace: Workspace,
        delete_at: Option<Millis>,
        seed: &WorkspaceSeed,
        total: usize,
    ) -> Result<(), Error> {
        let batches = Batches::begin(self, total, &|_| {}).await?;
        let mut sower =
            Sower { new_workspace: Some(Lifetime { delete_at }), ..Sower::new(self, Ground::Sow(batches), 0) };
        sower.fill(workspace, seed, "seed").await?;
        sower.finish().await.map(drop)
    }

    /// The world as it is, as a seed that makes the same again: principals, tokens that work or are
    /// listed, permissions and settings. Ended tokens and the audit log are not in it.
    pub async fn export_seed(&self) -> Result<Seed, Error> {
        let mut reader = self.store.read().await?;
        let mut seed = Seed::default();
        for account in reader.list_accounts().await? {
            seed.accounts.push(export_account(&mut reader, account).await?);
        }
        for workspace in reader.list_all_workspaces().await? {
            let now = workspace.clock.at(self.clock.now());
            seed.workspaces.push(export_workspace(&mut reader, &workspace, now).await?);
        }
        Ok(seed)
    }
}

/// What a seed is walked through for.
enum Ground<'a> {
    /// To find its mistakes. Nothing is written.
    Check(&'a mut Reader),
    /// To apply it.
    Sow(Batches<'a>),
}

/// Transactions one after the other.
struct Batches<'a> {
    service: &'a Service,
    /// `None` only while one batch is committed and the next not begun.
    current: Option<Writer>,
    in_batch: usize,
    /// The workspace that is filled, and which one it was of all that had its id.
    filled: Option<(WorkspaceId, i64)>,
    progress: Progress,
    tell: &'a (dyn Fn(Progress) + Send + Sync),
    told: Instant,
}

impl<'a> Batches<'a> {
    async fn begin(
        service: &'a Service,
        total: usize,
        tell: &'a (dyn Fn(Progress) + Send + Sync),
    ) -> Result<Self, Error> {
        let current = Some(service.store.write(Lock::Database).await?);
        let progress = Progress { done: 0, total };
        Ok(Self { service, current, in_batch: 0, filled: None, progress, tell, told: Instant::now() })
    }

    fn writer(&mut self) -> Result<&mut Writer, StoreError> {
        self.current.as_mut().ok_or(StoreError::TimedOut)
    }

    /// One more is done; the batch is committed when it is full.
    async fn step(&mut self) -> Result<(), Error> {
        self.in_batch += 1;
        self.progress.done += 1;
        if self.in_batch < BATCH {
            return Ok(());
        }
        self.commit().await?;
        // Whoever waited for the writer has it now, before this one.
        let mut writer = self.service.store.write(Lock::Database).await?;
        if let Some((id, incarnation)) = self.filled {
            let found = writer.find_workspace(id).await?;
            if found.is_none_or(|workspace| workspace.incarnation != incarnation) {
                return Err(StoreError::Replaced.into());
            }
        }
        self.current = Some(writer);
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), Error> {
        if let Some(mut writer) = self.current.take() {
            // Each time that there are twice as many.
            if self.in_batch == BATCH && (self.progress.done / BATCH).is_power_of_two() {
                writer.gather_statistics().await?;
            }
            writer.commit().await?;
        }
        self.in_batch = 0;
        let Progress { done, total } = self.progress;
        (self.tell)(self.progress);
        if self.told.elapsed() >= TOLD_EVERY {
            self.told = Instant::now();
            tracing::info!(done, total, "applying a seed");
        }
        Ok(())
    }
}

/// Walks through seeds.
struct Sower<'a> {
    service: &'a Service,
    ground: Ground<'a>,
    number: u32,
    added: SeedCounts,
    done: usize,
    planned: Planned,
    /// The workspace that is filled is a new one: when it deletes itself once it is full.
    new_workspace: Option<Lifetime>,
}

/// How long a new workspace lives.
#[derive(Clone, Copy)]
struct Lifetime {
    /// When it deletes itself; `None` for never.
    delete_at: Option<Millis>,
}

/// What a seed that is only looked through would have added so far.
#[derive(Default)]
struct Planned {
    workspaces: HashMap<WorkspaceId, Workspace>,
    principals: HashSet<(AccountId, Option<WorkspaceId>, PrincipalKind, String)>,
    /// The application ids of the service principals of a name.
    displayed: HashMap<(AccountId, String), BTreeSet<String>>,
}

/// A principal that a seed names.
struct Named {
    id: PrincipalId,
    kind: PrincipalKind,
    name: String,
}

impl From<Principal> for Named {
    fn from(principal: Principal) -> Self {
        Self { id: principal.id, kind: principal.kind, name: principal.name }
    }
}

/// Refuses what PostgreSQL cannot store, on all databases, before anything is stored.
fn refuse_nul(seed: &impl Serialize) -> Result<(), Error> {
    fn holds_nul(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(values) => values.iter().any(holds_nul),
            Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    let value = serde_json::to_value(seed).map_err(|error| StoreError::Unreadable(error.to_string()))?;
    if holds_nul(&value) { Err(StoreError::NulCharacter.into()) } else { Ok(()) }
}

fn account_id(text: Option<&Text>, field: &str, default: Option<&Workspace>) -> Result<AccountId, SeedError> {
    let Some(text) = text else {
        let field = format!("{field}.account_id: ");
        let sentence = "there is no default account".to_owned();
        return default.map(|workspace| workspace.account).ok_or(SeedError {
            file: String::new(),
            line: 0,
            field,
            sentence,
        });
    };
    AccountId::parse(text.as_str()).ok_or_else(|| SeedError::at(text, &format!("{field}.account_id"), "use a UUID"))
}

impl<'a> Sower<'a> {
    fn new(service: &'a Service, ground: Ground<'a>, number: u32) -> Self {
        let (added, planned) = (SeedCounts::default(), Planned::default());
        Self { service, ground, number, added, done: 0, planned, new_workspace: None }
    }

    async fn all(&mut self, seed: &Seed, default: Option<&Workspace>) -> Result<(), Error> {
        for (index, account) in seed.accounts.iter().enumerate() {
            let field = format!("accounts[{index}]");
            let id = account_id(account.account_id.as_ref(), &field, default)?;
            self.account(id, account, &field).await?;
        }
        for (index, wanted) in seed.workspaces.iter().enumerate() {
            let field = format!("workspaces[{index}]");
            let workspace = self.workspace(wanted, &field, default).await?;
            self.fill(workspace, wanted, &field).await?;
        }
        Ok(())
    }

    async fn finish(self) -> Result<SeedCounts, Error> {
        if let Ground::Sow(mut batches) = self.ground {
            batches.commit().await?;
        }
        Ok(self.added)
    }

    fn reader(&mut self) -> Result<&mut Reader, StoreError> {
        match &mut self.ground {
            Ground::Check(reader) => Ok(reader),
            Ground::Sow(batches) => Ok(batches.writer()?),
        }
    }

    /// The writer, unless the seed is only looked through.
    fn writer(&mut self) -> Result<Option<&mut Writer>, StoreError> {
        match &mut self.ground {
            Ground::Check(_) => Ok(None),
            Ground::Sow(batches) => batches.writer().map(Some),
        }
    }

    async fn step(&mut self) -> Result<(), Error> {
        self.done += 1;
        match &mut self.ground {
            Ground::Check(_) => Ok(()),
            Ground::Sow(batches) => batches.step().await,
        }
    }

    fn plan(&mut self, account: AccountId, local_to: Option<WorkspaceId>, principal: &Principal) {
        let key = Principal::name_key(&principal.name);
        if principal.kind == PrincipalKind::ServicePrincipal {
            let displayed = self.planned.displayed.entry((account, principal.display_name.clone())).or_default();
            displayed.insert(key.clone());
        }
        self.planned.principals.insert((account, local_to, principal.kind, key));
    }

    fn chance(&self, purpose: &str) -> SeededRandom {
        SeededRandom::new(self.number, purpose)
    }

    async fn ensure_account(&mut self, id: AccountId) -> Result<(), Error> {
        let now = self.service.clock.now();
        if let Some(writer) = self.writer()?
            && !writer.has_account(id).await?
        {
            writer.insert_account(id, now).await?;
        }
        Ok(())
    }

    async fn account(&mut self, id: AccountId, seed: &AccountSeed, field: &str) -> Result<(), Error> {
        self.ensure_account(id).await?;
        for user in &seed.users {
            self.principal(id, None, &user_principal(user, field)?).await?;
            self.step().await?;
        }
        for (index, wanted) in seed.service_principals.iter().enumerate() {
            self.service_principal(id, wanted, &format!("{field}.service_principals[{index}]")).await?;
            self.step().await?;
        }
        let mut groups = Vec::new();
        for (index, group) in seed.groups.iter().enumerate() {
            let place = format!("{field}.groups[{index}].display_name");
            let name = checked_name(PrincipalKind::Group, &group.display_name, &place)?;
            let principal = Principal::new(PrincipalId(0), PrincipalKind::Group, &name);
            groups.push(self.principal(id, None, &principal).await?);
            self.step().await?;
        }
        for (index, (group, id_of_group)) in seed.groups.iter().zip(groups).enumerate() {
            self.members(id, None, id_of_group, group, &format!("{field}.groups[{index}]")).await?;
        }
        Ok(())
    }

    /// The workspace that a seed names, created when there is none.
    async fn workspace(
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
                return Err(
                    SeedError::at(text, &format!("{field}.account_id"), "the workspace is in another account").into()
                );
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
        self.planned.workspaces.insert(workspace.id, workspace.clone());
        for user in [ADMIN_USER, ACCOUNT_ADMIN_USER] {
            self.plan(account, None, &Principal::new(PrincipalId(0), PrincipalKind::User, user));
        }
        let kind = PrincipalKind::ServicePrincipal;
        let application = Principal {
            display_name: ADMIN_SERVICE_PRINCIPAL.into(),
            ..Principal::new(PrincipalId(0), kind, &ADMIN_CLIENT_ID.to_string())
        };
        self.plan(account, None, &application);
        for group in ["admins", "users"] {
            self.plan(account, Some(workspace.id), &Principal::new(PrincipalId(0), PrincipalKind::Group, group));
        }
        Ok(workspace)
    }

    /// Puts into a workspace what a seed says of it.
    async fn fill(&mut self, workspace: Workspace, seed: &WorkspaceSeed, field: &str) -> Result<(), Error> {
        if let Ground::Sow(batches) = &mut self.ground {
            batches.filled = Some((workspace.id, workspace.incarnation));
        }
        let known = self.reader()?.list_checkpoints(workspace.id).await?;
        let is_first = known.iter().all(|checkpoint| checkpoint.name.as_str() != SEED);
        let account = workspace.account;
        let purpose = format!("{} {}", account, workspace.id);
        let (mut users, mut tokens) = (seed.users.clone(), seed.tokens.clone());
        for (index, population) in seed.populations.iter().enumerate() {
            let expanded = population.expand(self.number, &format!("{purpose} population {index}"));
            let field = format!("{field}.populations[{index}]: ");
            let wrong = |sentence| SeedError { file: String::new(), line: 0, field, sentence };
            let (more_users, more_tokens) = expanded.map_err(wrong)?;
            users.extend(more_users);
            tokens.extend(more_tokens);
        }

        let workspace = if is_first { self.settings(workspace, seed, field).await? } else { workspace };
        let now = workspace.clock.at(self.service.clock.now());
        for user in &users {
            let id = self.principal(account, None, &user_principal(user, field)?).await?;
            self.resident(&workspace, id, user.active_in_workspace, user.workspace_admin).await?;
            self.step().await?;
        }
        for (index, wanted) in seed.service_principals.iter().enumerate() {
            let id = self.service_principal(account, wanted, &format!("{field}.service_principals[{index}]")).await?;
            self.resident(&workspace, id, wanted.active_in_workspace, wanted.workspace_admin).await?;
            self.step().await?;
        }
        for (index, wanted) in seed.assigned.iter().enumerate() {
            let field = format!("{field}.assigned[{index}].principal");
            let principal = self.find(account, None, &wanted.principal, &field).await?;
            let usual = Assignment::usual(principal.kind);
            let entitlements = wanted.entitlements.clone().unwrap_or(usual.entitlements);
            let place = Assignment { active: wanted.active, entitlements, roles: wanted.roles.clone() };
            self.assign(&workspace, principal.id, &place).await?;
            self.step().await?;
        }
        let mut groups = Vec::new();
        for (index, group) in seed.groups.iter().enumerate() {
            let place = format!("{field}.groups[{index}].display_name");
            let name = checked_name(PrincipalKind::Group, &group.display_name, &place)?;
            let principal = Principal {
                local_to: Some(workspace.id),
                ..Principal::new(PrincipalId(0), PrincipalKind::Group, &name)
            };
            let id = self.principal(account, Some(workspace.id), &principal).await?;
            self.assign(&workspace, id, &Assignment::usual(PrincipalKind::Group)).await?;
            groups.push(id);
            self.step().await?;
        }
        for (index, (group, id)) in seed.groups.iter().zip(groups).enumerate() {
            self.members(account, Some(workspace.id), id, group, &format!("{field}.groups[{index}]")).await?;
        }
        if let Some(names) = seed.may_use_tokens.as_ref().filter(|_| is_first) {
            let mut entries = Vec::new();
            for (index, name) in names.iter().enumerate() {
                let field = format!("{field}.may_use_tokens[{index}]");
                entries.push((self.find(account, Some(workspace.id), name, &field).await?.id, PermissionLevel::CanUse));
            }
            if let Some(writer) = self.writer()? {
                writer.replace_token_permissions(workspace.id, &entries.into_iter().collect()).await?;
            }
        }
        let mut values = self.chance(&format!("{purpose} tokens"));
        for (index, token) in tokens.iter().enumerate() {
            self.token(&workspace, token, &mut values, now, &format!("{field}.tokens[{index}]")).await?;
            self.step().await?;
        }
        for (index, decoy) in seed.decoys.iter().enumerate() {
            self.decoy(&workspace, decoy, now, &format!("{field}.decoys[{index}]")).await?;
        }
        let service = self.service;
        if let (Some(Lifetime { delete_at }), Some(writer)) = (self.new_workspace, self.writer()?) {
            writer.update_delete_at(workspace.id, delete_at).await?;
        }
        if let (true, Some(writer)) = (is_first, self.writer()?) {
            service.keep(writer, &workspace, SEED).await?;
        }
        if let Ground::Sow(batches) = &mut self.ground {
            batches.filled = None;
        }
        Ok(())
    }

    /// What a seed says of the workspace itself.
    async fn settings(
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

    /// The principal of that kind and name: the one that is there, else this one.
    async fn principal(
        &mut self,
        account: AccountId,
        local_to: Option<WorkspaceId>,
        wanted: &Principal,
    ) -> Result<PrincipalId, Error> {
        if matches!(self.ground, Ground::Check(_)) {
            self.plan(account, local_to, wanted);
            return Ok(PrincipalId(0));
        }
        let known = self.reader()?.find_principal_named(account, local_to, wanted.kind, &wanted.name).await?;
        if let Some(known) = known {
            return Ok(known.id);
        }
        let local = local_to.map_or_else(String::new, |id| id.to_string());
        let bytes = self.chance(&format!("{account} {local} {} {}", wanted.kind.as_str(), wanted.name)).below(u64::MAX);
        let creation = self.service.principal_creation();
        let principal = Principal { id: PrincipalId::from_random(bytes), creation, ..wanted.clone() };
        let now = self.service.clock.now();
        if let Some(writer) = self.writer()? {
            writer.insert_principal(account, &principal, now).await?;
        }
        self.added.principals += 1;
        Ok(principal.id)
    }

    async fn service_principal(
        &mut self,
        account: AccountId,
        wanted: &ServicePrincipalSeed,
        field: &str,
    ) -> Result<PrincipalId, Error> {
        let purpose = format!("{account} application {}", wanted.display_name.as_str());
        let drawn = Builder::from_random_bytes(self.chance(&purpose).bytes()).into_uuid();
        let name = wanted.application_id.as_ref().map_or(Ok(drawn), |text| {
            let wrong = |_| SeedError::at(text, &format!("{field}.application_id"), "use a UUID");
            uuid::Uuid::parse_str(text.as_str()).map_err(wrong)
        })?;
        let principal = Principal {
            display_name: wanted.display_name.as_str().to_owned(),
            active: wanted.active,
            account_admin: wanted.account_admin,
            external_id: wanted.external_id.clone(),
            ..Principal::new(PrincipalId(0), PrincipalKind::ServicePrincipal, &name.to_string())
        };
        let id = self.principal(account, None, &principal).await?;
        for (index, secret) in wanted.secrets.iter().enumerate() {
            let place = format!("{field}.secrets[{index}]");
            self.secret(account, id, &wanted.display_name, secret, &place).await?;
        }
        Ok(id)
    }

    async fn secret(
        &mut self,
        account: AccountId,
        principal: PrincipalId,
        at: &Text,
        wanted: &SecretSeed,
        field: &str,
    ) -> Result<(), Error> {
        let hash = match (&wanted.value, &wanted.hash) {
            (Some(text), None) => ClientSecret::parse(text.as_str()).map(|secret| secret.hash()).ok_or_else(|| {
                SeedError::at(text, &format!("{field}.value"), "use dose and 32 lower-case hex digits")
            })?,
            (None, Some(text)) => SecretHash::parse(text.as_str())
                .ok_or_else(|| SeedError::at(text, &format!("{field}.hash"), "use 64 lower-case hex digits"))?,
            _ => return Err(SeedError::at(at, field, "say one of value and hash").into()),
        };
        let scopes = secret_scopes(wanted.scopes.as_deref()).map_err(|denial| match denial {
            Denial::InvalidParameter(sentence) => Error::from(SeedError::at(at, field, sentence)),
            denial => denial.into(),
        })?;
        let Some(writer) = self.writer()? else { return Ok(()) };
        let stored = writer.list_secrets(account, principal).await?;
        if stored.iter().any(|known| known.hash == hash) {
            return Ok(());
        }
        let now = self.service.clock.now();
        let created_at = instant(wanted.created, now).unwrap_or(now);
        let expires_at = match instant(wanted.expires, now) {
            Some(at) => at,
            None => plan_secret(None, 0, created_at)?,
        };
        let mut ids = self.chance(&format!("{account} {principal} secret {}", hash.as_str()));
        let id = Builder::from_random_bytes(ids.bytes()).into_uuid().to_string();
        if let Some(writer) = self.writer()? {
            writer.insert_secret(&Secret { id, account, principal, hash, created_at, expires_at, scopes }).await?;
        }
        Ok(())
    }

    /// Gives a principal a place in a workspace, unless it has one.
    async fn assign(&mut self, workspace: &Workspace, id: PrincipalId, place: &Assignment) -> Result<(), Error> {
        if let Some(writer) = self.writer()?
            && !writer.is_assigned(workspace.id, id).await?
        {
            writer.put_assignment(workspace.id, id, place).await?;
        }
        Ok(())
    }

    /// The same for who stands with the workspace in the seed.
    async fn resident(
        &mut self,
        workspace: &Workspace,
        id: PrincipalId,
        active: bool,
        admin: bool,
    ) -> Result<(), Error> {
        self.assign(workspace, id, &Assignment { active, ..Assignment::usual(PrincipalKind::User) }).await?;
        if let (true, Some(writer)) = (admin, self.writer()?) {
            writer.put_member(workspace.account, workspace.admins_group, id).await?;
        }
        Ok(())
    }

    async fn members(
        &mut self,
        account: AccountId,
        local_to: Option<WorkspaceId>,
        group: PrincipalId,
        seed: &GroupSeed,
        field: &str,
    ) -> Result<(), Error> {
        for (index, name) in seed.members.iter().enumerate() {
            let member = self.find(account, local_to, name, &format!("{field}.members[{index}]")).await?;
            if let Some(writer) = self.writer()? {
                writer.put_member(account, group, member.id).await?;
            }
            self.step().await?;
        }
        Ok(())
    }

    /// A principal by whatever name people use for it.
    async fn find(
        &mut self,
        account: AccountId,
        local_to: Option<WorkspaceId>,
        name: &Text,
        field: &str,
    ) -> Result<Named, Error> {
        let places = [
            (PrincipalKind::User, None),
            (PrincipalKind::ServicePrincipal, None),
            (PrincipalKind::Group, local_to),
            (PrincipalKind::Group, None),
        ];
        for (kind, local_to) in places {
            let key = (account, local_to, kind, Principal::name_key(name.as_str()));
            if self.planned.principals.contains(&key) {
                return Ok(Named { id: PrincipalId(0), kind, name: name.as_str().to_owned() });
            }
            if let Some(found) = self.reader()?.find_principal_named(account, local_to, kind, name.as_str()).await? {
                return Ok(found.into());
            }
        }
        let kind = PrincipalKind::ServicePrincipal;
        let displayed = self.reader()?.list_principals_by_display_name(account, kind, name.as_str()).await?;
        let planned = self.planned.displayed.get(&(account, name.as_str().to_owned()));
        let more = planned.into_iter().flatten().filter(|key| !displayed.iter().any(|it| it.name == **key));
        let more = more.map(|key| Named { id: PrincipalId(0), kind, name: key.clone() }).collect::<Vec<_>>();
        let mut displayed = displayed.into_iter().map(Named::from).chain(more);
        match (displayed.next(), displayed.next()) {
            (Some(found), None) => Ok(found),
            (Some(_), Some(_)) => Err(SeedError::at(
                name,
                field,
                format!("several service principals are called '{}'; use the application id", name.as_str()),
            )
            .into()),
            (None, _) => Err(SeedError::at(
                name,
                field,
                format!("there is no user, service principal or group '{}'", name.as_str()),
            )
            .into()),
        }
    }

    async fn token(
        &mut self,
        workspace: &Workspace,
        seed: &TokenSeed,
        values: &mut SeededRandom,
        now: Millis,
        field: &str,
    ) -> Result<(), Error> {
        let wrong = |what: &str, sentence: &str| SeedError::at(&seed.owner, &format!("{field}.{what}"), sentence);
        let drawn = TokenValue::from_random(values.bytes(), workspace.behaviour.token_value_suffix);
        let id = given_id(seed.value.as_ref(), ("token_id", seed.token_id.as_ref()), field)?;
        let id = id.unwrap_or_else(|| drawn.id());
        let owner = self.find(workspace.account, None, &seed.owner, &format!("{field}.owner")).await?;
        if owner.kind == PrincipalKind::Group {
            return Err(wrong("owner", "a group has no tokens").into());
        }
        let created_by = match &seed.created_by {
            Some(name) => self.find(workspace.account, None, name, &format!("{field}.created_by")).await?,
            None => Named { name: owner.name.clone(), ..owner },
        };
        let creation_time = instant(seed.created, now).unwrap_or(now);
        let last_used = instant(seed.last_used, now);
        if creation_time > now || last_used.is_some_and(|used| used > now) {
            return Err(wrong("created", "a token is created and used before now").into());
        }
        if last_used.is_some_and(|used| used < creation_time) {
            return Err(wrong("last_used", "a token is not used before it is created").into());
        }
        let expiry_time = match (seed.expires, seed.lifetime) {
            (Some(_), Some(_)) => return Err(wrong("lifetime", "say one of lifetime and expires").into()),
            (Some(Moment::Never), None) => None,
            (Some(moment), None) => instant(Some(moment), now),
            (None, Some(span)) => Some(creation_time.plus(span.0)),
            (None, None) => Some(creation_time.plus(workspace.lifetime_cap_days(now) * DAY_MS)),
        };
        if seed.comment.chars().count() > MAX_COMMENT_CHARS {
            return Err(wrong("comment", "at most 255 characters").into());
        }
        let listed = |member: &str, names: &Option<Vec<String>>| {
            names.as_ref().map(scopes::checked).transpose().map_err(|fault| wrong(member, &fault.to_string()))
        };
        let scopes = listed("scopes", &seed.scopes)?;
        let inferred_scopes = listed("inferred_scopes", &seed.inferred_scopes)?;
        let backfill_scopes = listed("backfill_scopes", &seed.backfill_scopes)?;
        if let Some(bad) = seed.autoscope_state.as_deref().filter(|state| !AUTOSCOPE_STATES.contains(state)) {
            let states = AUTOSCOPE_STATES.join(", ");
            return Err(wrong("autoscope_state", &format!("unknown state '{bad}': expected one of {states}")).into());
        }
        let backfilled = || seed.backfill_scopes.as_ref().map(|_| AUTOSCOPE_BACKFILLED.to_owned());
        let Some(writer) = self.writer()? else { return Ok(()) };
        let ended = writer.find_ended_tokens(&id).await?.iter().any(|found| found.workspace.id == workspace.id);
        if ended || writer.find_token(workspace.id, &id).await?.is_some() {
            return Ok(());
        }
        let mut token = Token {
            workspace: workspace.id,
            id,
            owner: owner.id,
            created_by: created_by.id,
            created_by_username: created_by.name,
            comment: seed.comment.clone(),
            creation_time,
            expiry_time,
            last_used,
            scopes,
            autoscope_state: seed.autoscope_state.clone().or_else(backfilled),
            autoscope_until: instant(seed.autoscope_until, now),
            inferred_scopes,
            backfill_scopes,
        };
        token.autoscope_until = token.autoscoping_until().or(token.autoscope_until);
        writer.insert_token(&token).await?;
        self.added.tokens += 1;
        Ok(())
    }

    async fn decoy(
        &mut self,
        workspace: &Workspace,
        seed: &DecoySeed,
        created_at: Millis,
        field: &str,
    ) -> Result<(), Error> {
        let wrong = |sentence: &str| {
            let (field, sentence) = (format!("{field}: "), sentence.to_owned());
            SeedError { file: String::new(), line: 0, field, sentence }
        };
        let id = given_id(seed.value.as_ref(), ("decoy_id", seed.decoy_id.as_ref()), field)?;
        let id = id.ok_or_else(|| wrong("say value or decoy_id"))?;
        if seed.comment.chars().count() > MAX_COMMENT_CHARS {
            return Err(wrong("comment: at most 255 characters").into());
        }
        let decoy = Decoy { id, comment: seed.comment.clone(), created_at, uses: 0, last_use: None };
        if let Some(writer) = self.writer()? {
            writer.insert_decoy(workspace.id, &decoy).await?;
        }
        Ok(())
    }
}

/// The id that a seed gives to a token or decoy: by its value, or as it is.
fn given_id(
    value: Option<&Text>,
    (name, id): (&str, Option<&Text>),
    field: &str,
) -> Result<Option<TokenId>, SeedError> {
    match (value, id) {
        (None, None) => Ok(None),
        (Some(text), None) => {
            let wrong = || SeedError::at(text, &format!("{field}.value"), "use dapi and 32 lower-case hex digits");
            TokenValue::parse(text.as_str()).map(|value| Some(value.id())).ok_or_else(wrong)
        }
        (None, Some(text)) => {
            let wrong = || SeedError::at(text, &format!("{field}.{name}"), "use 64 lower-case hex digits");
            TokenId::parse(text.as_str()).map(Some).ok_or_else(wrong)
        }
        (Some(text), Some(_)) => {
            Err(SeedError::at(text, &format!("{field}.value"), format!("say one of value and {name}")))
        }
    }
}

fn conf_error(denial: &Denial, field: &str) -> SeedError {
    let names = |names: &[String]| names.join(", ");
    let sentence = match denial {
        Denial::InvalidConfKeys(keys) => format!("there is no key {}", names(keys)),
        Denial::InvalidConfValues(values) => {
            let keys: Vec<String> = values.iter().map(|(key, _)| key.clone()).collect();
            format!("not a value of {}", names(&keys))
        }
        other => format!("{other:?}"),
    };
    SeedError { file: String::new(), line: 0, field: format!("{field}.conf: "), sentence }
}

/// The name of a principal, in the form in which it is stored.
fn checked_name(kind: PrincipalKind, text: &Text, field: &str) -> Result<String, SeedError> {
    Principal::checked_name(kind, text.as_str())
        .map_err(|wanted| SeedError::at(text, field, format!("expected {wanted}")))
}

fn user_principal(seed: &UserSeed, field: &str) -> Result<Principal, SeedError> {
    let name = &*checked_name(PrincipalKind::User, &seed.user_name, &format!("{field}.users: user_name"))?;
    let email = Email { value: name.to_owned(), kind: Some("work".into()), primary: true };
    Ok(Principal {
        display_name: seed.display_name.clone().unwrap_or_else(|| name.to_owned()),
        active: seed.active,
        account_admin: seed.account_admin,
        external_id: seed.external_id.clone(),
        attributes: Attributes { emails: vec![email], ..Attributes::default() },
        ..Principal::new(PrincipalId(0), PrincipalKind::User, name)
    })
}

async fn export_account(reader: &mut Reader, account: AccountId) -> Result<AccountSeed, Error> {
    let mut seed = AccountSeed { account_id: Some(account.to_string().into()), ..AccountSeed::default() };
    let mut principals = reader.list_principals(account).await?;
    principals.sort_by(|a, b| a.name.cmp(&b.name));
    let names: HashMap<PrincipalId, String> = principals.iter().map(|it| (it.id, it.name.clone())).collect();
    for principal in principals {
        let Principal { id, name, display_name, active, account_admin, external_id, kind, .. } = principal;
        match kind {
            PrincipalKind::User => seed.users.push(UserSeed {
                display_name: Some(display_name).filter(|shown| *shown != name),
                user_name: name.into(),
                external_id,
                active,
                account_admin,
                workspace_admin: false,
                active_in_workspace: true,
            }),
            PrincipalKind::ServicePrincipal => {
                let secrets = reader.list_secrets(account, id).await?;
                let secrets = secrets.into_iter().map(|secret| SecretSeed {
                    value: None,
                    hash: Some(secret.hash.as_str().to_owned().into()),
                    created: Some(Moment::At(secret.created_at)),
                    expires: Some(Moment::At(secret.expires_at)),
                    scopes: secret.scopes,
                });
                seed.service_principals.push(ServicePrincipalSeed {
                    display_name: display_name.into(),
                    application_id: Some(name.into()),
                    external_id,
                    active,
                    account_admin,
                    workspace_admin: false,
                    active_in_workspace: true,
                    secrets: secrets.collect(),
                });
            }
            PrincipalKind::Group => {
                let members = reader.list_members_in_account(account, id).await?;
                seed.groups.push(GroupSeed { display_name: name.into(), members: by_name(&members, &names) });
            }
        }
    }
    Ok(seed)
}

/// Principals by name, so that the same world is written alike.
fn by_name(members: &[Member], names: &HashMap<PrincipalId, String>) -> Vec<Text> {
    let mut names: Vec<String> = members.iter().filter_map(|member| names.get(&member.id).cloned()).collect();
    names.sort();
    names.into_iter().map(Text::from).collect()
}

async fn export_workspace(reader: &mut Reader, workspace: &Workspace, now: Millis) -> Result<WorkspaceSeed, Error> {
    let account = workspace.account;
    let of_account = reader.list_principals(account).await?;
    let local = reader.list_local_groups(workspace).await?;
    let names: HashMap<PrincipalId, String> =
        of_account.iter().chain(&local).map(|it| (it.id, it.name.clone())).collect();
    let name = |id: PrincipalId| names.get(&id).map(|name| Text::from(name.clone()));

    let mut groups = Vec::new();
    for group in &local {
        let members = reader.list_members_in_account(account, group.id).await?;
        groups.push(GroupSeed { display_name: group.name.clone().into(), members: by_name(&members, &names) });
    }
    let direct = reader.list_direct_assignments(workspace, None).await?;
    let direct: HashSet<PrincipalId> = direct.into_iter().map(|(principal, _)| principal.id).collect();
    let mut assigned = reader.list_assigned(workspace).await?;
    assigned.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    let assigned =
        assigned.into_iter().filter(|(principal, _)| direct.contains(&principal.id)).map(|(principal, place)| {
            let Assignment { active, entitlements, roles } = place;
            AssignedSeed { principal: principal.name.into(), active, entitlements: Some(entitlements), roles }
        });
    let permissions = reader.list_token_permissions(workspace).await?.into_iter();
    let permissions = permissions.filter(|(_, level)| *level == PermissionLevel::CanUse);
    let permissions = permissions.map(|(principal, _)| Text::from(principal.name));
    let tokens =
        reader.list_tokens(workspace.id, None, None, Visibility::with_expired(&workspace.behaviour, now)).await?;
    let tokens = tokens.into_iter().filter_map(|token| {
        let token = as_of(token, &workspace.behaviour, now);
        Some(TokenSeed {
            owner: name(token.owner)?,
            value: None,
            token_id: Some(token.id.as_str().to_owned().into()),
            comment: token.comment,
            created: Some(Moment::At(token.creation_time)),
            expires: Some(token.expiry_time.map_or(Moment::Never, Moment::At)),
            lifetime: None,
            last_used: token.last_used.map(Moment::At),
            scopes: token.scopes,
            autoscope_state: token.autoscope_state,
            autoscope_until: token.autoscope_until.map(Moment::At),
            inferred_scopes: token.inferred_scopes,
            backfill_scopes: token.backfill_scopes,
            created_by: if token.created_by == token.owner { None } else { name(token.created_by) },
        })
    });
    let decoys = reader.list_decoys(workspace.id).await?.into_iter().map(|decoy| DecoySeed {
        value: None,
        decoy_id: Some(decoy.id.as_str().to_owned().into()),
        comment: decoy.comment,
    });
    let behaviour = &workspace.behaviour;
    Ok(WorkspaceSeed {
        workspace_id: Some(workspace.id.to_string().into()),
        account_id: Some(account.to_string().into()),
        name: Some(workspace.name.clone()),
        created: Some(Moment::At(workspace.created_at)),
        entropy_seed: workspace.entropy_seed,
        frozen_at: match workspace.clock.mode() {
            ClockMode::Frozen(at) => Some(Moment::At(at)),
            ClockMode::Real | ClockMode::Offset(_) => None,
        },
        clock_ahead: match workspace.clock.mode() {
            ClockMode::Offset(ms) => Some(Span(ms)),
            ClockMode::Real | ClockMode::Frozen(_) => None,
        },
        behaviour: BehaviourChange {
            tier: Some(behaviour.tier),
            cloud: Some(behaviour.cloud),
            permission_loss: Some(behaviour.permission_loss),
            propagation_delay_ms: Some(behaviour.propagation_delay_ms),
            token_value_suffix: behaviour.token_value_suffix,
            permissions_need_a_token: Some(behaviour.permissions_need_a_token),
            autoscope_days: u16::try_from(behaviour.autoscope_days).ok().and_then(NonZeroU16::new),
        },
        conf: reader.list_conf(workspace.id).await?.into_iter().collect(),
        users: Vec::new(),
        service_principals: Vec::new(),
        groups,
        assigned: assigned.collect(),
        may_use_tokens: Some(permissions.collect()),
        tokens: tokens.collect(),
        decoys: decoys.collect(),
        populations: Vec::new(),
    })
}
