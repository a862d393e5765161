//! The first start creates an account, the default workspace, and its initial principals with their credentials. New
//! workspaces get the same principals.

use uuid::Uuid;

use super::{Error, Service};
use crate::domain::access::PermissionLevel;
use crate::domain::clock::WorkspaceClock;
use crate::domain::identities::{Assignment, Attributes, Email, Principal, PrincipalKind};
use crate::domain::oauth::{ClientSecret, Secret, find_secret, plan_secret};
use crate::domain::settings::{Behaviour, BehaviourChange};
use crate::domain::tokens::{TokenFacts, TokenRequest, TokenValue, Visibility, plan_create};
use crate::domain::workspaces::EMPTY;
use crate::domain::{AccountId, Denial, Millis, PrincipalId, Workspace, WorkspaceId};
use crate::store::{Lock, Writer};

/// The initial workspace admin.
pub const ADMIN_USER: &str = "admin@example.com";
/// The initial account admin.
pub const ACCOUNT_ADMIN_USER: &str = "account-admin@example.com";
/// The application id, and so the OAuth client id, of the initial service principal. It is fixed, so that CI knows the
/// whole credential when it sets the secret.
pub const ADMIN_CLIENT_ID: Uuid = Uuid::from_u128(0x3274_3274_3274_4274_8274_3274_3274_3275);
/// The display name of the initial service principal, a workspace and account admin: account APIs require OAuth.
pub const ADMIN_SERVICE_PRINCIPAL: &str = "admin-service-principal";

/// The comment of the tokens that the first start and `dapi-mock admin-token` create.
pub const ADMIN_TOKEN_COMMENT: &str = "dapi-mock admin token";

/// The settings of a start. Most take effect only when the database is empty.
#[derive(Clone, Debug)]
pub struct FirstStart {
    pub account: AccountId,
    pub workspace: WorkspaceId,
    /// Random on the first start when `None`.
    pub admin_token: Option<TokenValue>,
    /// Random on the first start when `None`.
    pub admin_client_secret: Option<ClientSecret>,
    /// The creation time of the default workspace; now when `None`. Before 2018 it starts with tokens disabled.
    pub workspace_created_at: Option<Millis>,
    /// Whether everybody may use tokens. See docs/reference/governance.md#default-permission.
    pub users_may_use_tokens: bool,
    /// Takes effect at every start.
    pub behaviour: BehaviourChange,
}

impl Default for FirstStart {
    /// The ids are fixed, because the CLI caches the workspace of a host for an hour. See
    /// docs/reference/identity-and-oauth.md#host-metadata.
    fn default() -> Self {
        Self {
            account: AccountId(Uuid::from_u128(0x3274_3274_3274_4274_8274_3274_3274_3274)),
            workspace: WorkspaceId(3_274_327_432_743_274),
            admin_token: None,
            admin_client_secret: None,
            workspace_created_at: None,
            users_may_use_tokens: true,
            behaviour: BehaviourChange::default(),
        }
    }
}

/// The default workspace, and the credentials that a start created or was given.
#[derive(Clone, Debug)]
pub struct StartOutcome {
    pub workspace: WorkspaceId,
    /// Only its hash is stored, so a later start cannot show it again.
    pub admin_token: Option<TokenValue>,
    /// The OAuth secret of [`ADMIN_CLIENT_ID`], of which only the hash is stored too.
    pub admin_client_secret: Option<ClientSecret>,
}

/// Who may use tokens in a new workspace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenPermission {
    Everybody,
    Admins,
}

impl Service {
    /// Sets up an empty database. Otherwise it only makes sure that the given admin token and client secret work.
    ///
    /// # Errors
    /// [`Denial::InvalidParameter`] when nobody can own one of them.
    pub async fn start(&self, first: &FirstStart) -> Result<StartOutcome, Error> {
        let mut writer = self.store.write(Lock::Database).await?;
        self.raise_time(writer.find_shown_at().await?);
        let (workspace, fresh) = match writer.find_default_workspace().await? {
            Some(workspace) => (workspace, false),
            None => (self.create_default_workspace(&mut writer, first).await?, true),
        };
        if first.behaviour != BehaviourChange::default() {
            writer.update_behaviour(workspace.id, &first.behaviour.apply(workspace.behaviour.clone())).await?;
        }
        let value = match &first.admin_token {
            Some(value) => Some(value.clone()),
            None if fresh => Some(self.entropy.token_value(None)),
            None => None,
        };
        if let Some(value) = &value {
            self.ensure_admin_token(&mut writer, &workspace, value).await?;
        }
        let secret = match &first.admin_client_secret {
            Some(secret) => Some(secret.clone()),
            None => fresh.then(|| self.entropy.client_secret()),
        };
        if let Some(secret) = &secret {
            self.ensure_admin_secret(&mut writer, &workspace, secret).await?;
        }
        let id = workspace.id;
        if fresh {
            let workspace = writer.find_workspace(workspace.id).await?.unwrap_or(workspace);
            self.save_checkpoint(&mut writer, &workspace, EMPTY).await?;
        }
        writer.commit().await?;
        Ok(StartOutcome { workspace: id, admin_token: value, admin_client_secret: secret })
    }

    /// Creates another admin token, to replace a lost one; returns its owner's name too.
    pub async fn mint_admin_token(&self) -> Result<(TokenValue, String), Error> {
        let mut writer = self.store.write(Lock::Database).await?;
        self.raise_time(writer.find_shown_at().await?);
        let missing = || Denial::parameter("The database has no workspace yet; start the server once.");
        let workspace = writer.find_default_workspace().await?.ok_or_else(missing)?;
        let value = self.entropy.token_value(workspace.behaviour.token_value_suffix);
        if !workspace.tokens_enabled(workspace.clock.at(self.clock.now())) {
            return Err(Denial::parameter(format!(
                "Personal access tokens are disabled in workspace {}, so no admin token would work: enable them on the \
                 page Settings > Advanced, or by OAuth with enableTokensConfig, and try again.",
                workspace.id
            ))
            .into());
        }
        let admin = self.ensure_admin_token(&mut writer, &workspace, &value).await?;
        writer.commit().await?;
        Ok((value, admin.map(|admin| admin.name).unwrap_or_default()))
    }

    async fn create_default_workspace(&self, writer: &mut Writer, first: &FirstStart) -> Result<Workspace, Error> {
        let now = self.clock.now();
        let workspace = Workspace {
            id: first.workspace,
            account: first.account,
            name: "dapi-mock".into(),
            deployment_name: "dapi-mock".into(),
            created_at: first.workspace_created_at.unwrap_or(now),
            is_default: true,
            admins_group: self.entropy.principal_id(),
            users_group: self.entropy.principal_id(),
            clock: WorkspaceClock::REAL,
            behaviour: Behaviour::default(),
            delete_at: None,
            entropy_seed: None,
            enable_tokens: None,
            max_token_lifetime: None,
            incarnation: self.incarnation(),
            has_faults: false,
        };
        writer.insert_account(workspace.account, now).await?;
        let permission = if first.users_may_use_tokens { TokenPermission::Everybody } else { TokenPermission::Admins };
        self.insert_with_principals(writer, &workspace, permission).await?;
        Ok(workspace)
    }

    /// Inserts a workspace, its groups, and its initial principals, unless the account has principals of those names.
    pub(super) async fn insert_with_principals(
        &self,
        writer: &mut Writer,
        workspace: &Workspace,
        permission: TokenPermission,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let entropy = self.entropy_for(workspace, "principals");
        writer.insert_workspace(workspace).await?;
        for (id, name) in [(workspace.admins_group, "admins"), (workspace.users_group, "users")] {
            let group = Principal { local_to: Some(workspace.id), ..Principal::new(id, PrincipalKind::Group, name) };
            self.add(writer, workspace, group, now).await?;
        }
        if permission == TokenPermission::Everybody {
            writer.put_token_permission(workspace.id, workspace.users_group, Some(PermissionLevel::CanUse)).await?;
        }
        let admin = user(entropy.principal_id(), ADMIN_USER, "Workspace Admin");
        let account_admin =
            Principal { account_admin: true, ..user(entropy.principal_id(), ACCOUNT_ADMIN_USER, "Account Admin") };
        let service_principal = Principal {
            display_name: ADMIN_SERVICE_PRINCIPAL.into(),
            account_admin: true,
            ..Principal::new(entropy.principal_id(), PrincipalKind::ServicePrincipal, &ADMIN_CLIENT_ID.to_string())
        };
        for (principal, administers) in [(admin, true), (account_admin, false), (service_principal, true)] {
            let known = writer.find_principal_named(workspace.account, None, principal.kind, &principal.name).await?;
            let id = known.as_ref().map_or(principal.id, |known| known.id);
            match known {
                Some(known) => assign(writer, workspace, &known).await?,
                None => self.add(writer, workspace, principal, now).await?,
            }
            if administers {
                writer.put_member(workspace.account, workspace.admins_group, id).await?;
            }
        }
        Ok(())
    }

    /// Adds a principal to the account and assigns it to the workspace.
    async fn add(
        &self,
        writer: &mut Writer,
        workspace: &Workspace,
        principal: Principal,
        now: Millis,
    ) -> Result<(), Error> {
        let principal = Principal { creation: self.principal_creation(), ..principal };
        writer.insert_principal(workspace.account, &principal, now).await?;
        assign(writer, workspace, &principal).await
    }

    pub(super) async fn ensure_admin_token(
        &self,
        writer: &mut Writer,
        workspace: &Workspace,
        value: &TokenValue,
    ) -> Result<Option<Principal>, Error> {
        let now = workspace.clock.at(self.clock.now());
        let live = Visibility::new(&workspace.behaviour, now);
        match writer.find_token(workspace.id, &value.id()).await? {
            Some(token) if live.shows(&token) => return Ok(None),
            // The value is reused; the history of the earlier token is complete.
            Some(token) => drop(self.end_due_tokens(writer, workspace, &[token], now).await?),
            None => {}
        }
        let admin = find_token_admin(writer, workspace).await?;
        let request = TokenRequest { comment: Some(ADMIN_TOKEN_COMMENT.into()), ..TokenRequest::default() };
        let facts = TokenFacts {
            cap_days: workspace.lifetime_cap_days(now),
            live_tokens: 0,
            autoscope_days: workspace.behaviour.autoscope_days,
        };
        let plan = plan_create(&request, facts, now)?;
        writer.insert_token(&plan.into_token(workspace.id, value, admin.id, (admin.id, &admin.name))).await?;
        Ok(Some(admin))
    }

    pub(super) async fn ensure_admin_secret(
        &self,
        writer: &mut Writer,
        workspace: &Workspace,
        value: &ClientSecret,
    ) -> Result<(), Error> {
        let (account, now) = (workspace.account, workspace.clock.at(self.clock.now()));
        let client_id = ADMIN_CLIENT_ID.to_string();
        let owner = writer.find_principal_named(account, None, PrincipalKind::ServicePrincipal, &client_id).await?;
        let missing = || {
            Denial::parameter(format!("There is no service principal {client_id}, so the client secret cannot be set."))
        };
        let owner = owner.ok_or_else(missing)?;
        let stored = writer.list_secrets(account, owner.id).await?;
        match find_secret(&value.hash(), &stored) {
            Some(secret) if secret.is_live(now) => return Ok(()),
            Some(secret) => drop(writer.delete_secret(account, owner.id, &secret.id).await?),
            None => {}
        }
        // A secret from the settings must work, so the API's limit on their number does not apply.
        let expires_at = plan_secret(None, 0, now)?;
        let id = self.entropy.uuid().to_string();
        let hash = value.hash();
        let secret = Secret { id, account, principal: owner.id, hash, created_at: now, expires_at, scopes: None };
        Ok(writer.insert_secret(&secret).await?)
    }
}

/// The owner of an admin token: the initial admin, or another one if that one is deleted, inactive or demoted.
async fn find_token_admin(writer: &mut Writer, workspace: &Workspace) -> Result<Principal, Error> {
    let account = workspace.account;
    let usual = writer.find_principal_named(account, None, PrincipalKind::User, ADMIN_USER).await?;
    let members = writer.list_members_in_account(account, workspace.admins_group).await?;
    let others = members.into_iter().filter(|member| member.kind == PrincipalKind::User).map(|member| member.id);
    let others = others.filter(|id| usual.as_ref().is_none_or(|usual| usual.id != *id)).collect::<Vec<_>>();
    for id in usual.iter().map(|usual| usual.id).chain(others) {
        let standing = writer.workspace_memberships(workspace, id).await?;
        if standing.is_active()
            && standing.is_workspace_admin()
            && let Some(admin) = writer.find_principal(account, id).await?
        {
            return Ok(admin);
        }
    }
    Err(Denial::parameter(format!(
        "No user is an active admin of workspace {}, so no admin token would work: activate {ADMIN_USER} and add it \
         to the group admins, or add another user to that group.",
        workspace.id
    ))
    .into())
}

fn user(id: PrincipalId, name: &str, display_name: &str) -> Principal {
    let email = Email { value: name.to_owned(), kind: Some("work".into()), primary: true };
    Principal {
        display_name: display_name.to_owned(),
        attributes: Attributes { emails: vec![email], ..Attributes::default() },
        ..Principal::new(id, PrincipalKind::User, name)
    }
}

async fn assign(writer: &mut Writer, workspace: &Workspace, principal: &Principal) -> Result<(), Error> {
    Ok(writer.put_assignment(workspace.id, principal.id, &Assignment::usual(principal.kind)).await?)
}
