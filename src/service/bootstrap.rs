//! The first start: one account, one workspace, and principals to begin with (spec §1).

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

/// The workspace admin that the first start makes.
pub const ADMIN_USER: &str = "admin@example.com";
/// The account admin that the first start makes.
pub const ACCOUNT_ADMIN_USER: &str = "account-admin@example.com";
/// The application id, and so the OAuth client id, of the service principal that the first start
/// makes. Fixed, so that CI knows both halves of a credential whose secret it gives.
pub const ADMIN_CLIENT_ID: Uuid = Uuid::from_u128(0x3274_3274_3274_4274_8274_3274_3274_3275);
/// The display name of that service principal: a workspace admin, and an account admin too, because
/// account APIs take OAuth only.
pub const ADMIN_SERVICE_PRINCIPAL: &str = "admin-service-principal";

/// The comment of the tokens that the server makes for the admin: at the first start, and by `dapi-mock admin-token`.
pub const ADMIN_TOKEN_COMMENT: &str = "dapi-mock admin token";

/// What the first start is told.
#[derive(Clone, Debug)]
pub struct FirstStart {
    /// The account's id.
    pub account: AccountId,
    /// The default workspace's id.
    pub workspace: WorkspaceId,
    /// The admin's token value; a random one when `None`.
    pub admin_token: Option<TokenValue>,
    /// The OAuth secret of the admin service principal; a random one when `None`.
    pub admin_client_secret: Option<ClientSecret>,
    /// When a new default workspace was created; now when `None`. Before 2018 it starts with tokens disabled.
    pub workspace_created_at: Option<Millis>,
    /// Whether everybody may use tokens in a new default workspace (governance §2.6).
    pub users_may_use_tokens: bool,
    /// Switches of the default workspace; those given hold from this start on.
    pub behaviour: BehaviourChange,
}

impl Default for FirstStart {
    /// Fixed ids, because the CLI remembers for an hour which workspace a host serves
    /// (research/api-identity-auth.md §2.1).
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

/// What a start finds or makes.
#[derive(Clone, Debug)]
pub struct StartOutcome {
    /// The default workspace's id; that of an earlier start when there was one.
    pub workspace: WorkspaceId,
    /// The admin's token, when this start made it or was told it. Only its hash is stored, so a
    /// later start cannot show it again.
    pub admin_token: Option<TokenValue>,
    /// The OAuth secret of the service principal [`ADMIN_CLIENT_ID`], likewise.
    pub admin_client_secret: Option<ClientSecret>,
}

impl Service {
    /// Seeds an empty database. On one that is seeded it only sees to it that a fixed admin token and a
    /// fixed client secret work.
    ///
    /// # Errors
    /// [`Denial::InvalidParameter`] when one of them is wanted but nobody is there who could use it.
    pub async fn start(&self, wanted: &FirstStart) -> Result<StartOutcome, Error> {
        let mut writer = self.store.write(Lock::Database).await?;
        self.raise_time(writer.find_shown_at().await?);
        let (workspace, fresh) = match writer.find_default_workspace().await? {
            Some(workspace) => (workspace, false),
            None => (self.seed(&mut writer, wanted).await?, true),
        };
        if wanted.behaviour != BehaviourChange::default() {
            writer.update_behaviour(workspace.id, &wanted.behaviour.apply(workspace.behaviour.clone())).await?;
        }
        let value = match &wanted.admin_token {
            Some(value) => Some(value.clone()),
            None if fresh => Some(self.entropy.token_value(None)),
            None => None,
        };
        if let Some(value) = &value {
            self.ensure_admin_token(&mut writer, &workspace, value).await?;
        }
        let secret = match &wanted.admin_client_secret {
            Some(secret) => Some(secret.clone()),
            None => fresh.then(|| self.entropy.client_secret()),
        };
        if let Some(secret) = &secret {
            self.ensure_admin_secret(&mut writer, &workspace, secret).await?;
        }
        let id = workspace.id;
        if fresh {
            let workspace = writer.find_workspace(workspace.id).await?.unwrap_or(workspace);
            self.keep(&mut writer, &workspace, EMPTY).await?;
        }
        writer.commit().await?;
        Ok(StartOutcome { workspace: id, admin_token: value, admin_client_secret: secret })
    }

    /// Gives an admin another token, for whoever lost the one that the first start showed; answers whose it is too.
    ///
    /// # Errors
    /// As [`start`](Self::start).
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

    async fn seed(&self, writer: &mut Writer, wanted: &FirstStart) -> Result<Workspace, Error> {
        let now = self.clock.now();
        let workspace = Workspace {
            id: wanted.workspace,
            account: wanted.account,
            name: "dapi-mock".into(),
            deployment_name: "dapi-mock".into(),
            created_at: wanted.workspace_created_at.unwrap_or(now),
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
        self.plant(writer, &workspace, wanted.users_may_use_tokens).await?;
        Ok(workspace)
    }

    /// Stores a workspace with its groups, and with the principals to begin with: those of its account
    /// that have their names, else new ones.
    pub(super) async fn plant(
        &self,
        writer: &mut Writer,
        workspace: &Workspace,
        users_may_use_tokens: bool,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let entropy = self.entropy_for(workspace, "principals");
        writer.insert_workspace(workspace).await?;
        for (id, name) in [(workspace.admins_group, "admins"), (workspace.users_group, "users")] {
            let group = Principal { local_to: Some(workspace.id), ..Principal::new(id, PrincipalKind::Group, name) };
            self.add(writer, workspace, group, now).await?;
        }
        if users_may_use_tokens {
            writer.put_token_permission(workspace.id, workspace.users_group, Some(PermissionLevel::CanUse)).await?;
        }
        let admin = user(entropy.principal_id(), ADMIN_USER, "Workspace Admin");
        let account_admin =
            Principal { account_admin: true, ..user(entropy.principal_id(), ACCOUNT_ADMIN_USER, "Account Admin") };
        let application = Principal {
            display_name: ADMIN_SERVICE_PRINCIPAL.into(),
            account_admin: true,
            ..Principal::new(entropy.principal_id(), PrincipalKind::ServicePrincipal, &ADMIN_CLIENT_ID.to_string())
        };
        for (principal, administers) in [(admin, true), (account_admin, false), (application, true)] {
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
            // The value comes back; what it was before has its end on record.
            Some(token) => drop(self.carry_out(writer, workspace, &[token], now).await?),
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
        writer.insert_token(&plan.into_token(workspace.id, value, admin.id, admin.id, &admin.name)).await?;
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
        let gone =
            || Denial::parameter(format!("There is no service principal {client_id} to give the client secret to."));
        let owner = owner.ok_or_else(gone)?;
        let stored = writer.list_secrets(account, owner.id).await?;
        match find_secret(&value.hash(), &stored) {
            Some(secret) if secret.is_live(now) => return Ok(()),
            Some(secret) => drop(writer.delete_secret(account, owner.id, &secret.id).await?),
            None => {}
        }
        // Whoever fixes the secret means it to work: the limit on their number is for the API.
        let expires_at = plan_secret(None, 0, now)?;
        let id = self.entropy.uuid().to_string();
        let hash = value.hash();
        let secret = Secret { id, account, principal: owner.id, hash, created_at: now, expires_at, scopes: None };
        writer.insert_secret(&secret).await?;
        Ok(())
    }
}

/// Who gets an admin token: the admin of the first start, unless it is deleted, deactivated or no longer an admin, else
/// another user who administers the workspace.
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
    writer.put_assignment(workspace.id, principal.id, &Assignment::usual(principal.kind)).await?;
    Ok(())
}
