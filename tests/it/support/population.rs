//! Workspaces, principals and tokens that a test inserts without asking the API.
//!
//! What an administrator would do through the API is in `people`.

use dapi_mock::domain::access::PermissionLevel;
use dapi_mock::domain::identities::{Assignment, Principal, PrincipalKind};
use dapi_mock::domain::settings::ConfValue;
use dapi_mock::domain::tokens::{Token, TokenValue};
use dapi_mock::domain::{AccountId, Millis, PrincipalId, TokenId, Workspace, WorkspaceId};
use dapi_mock::service::{ADMIN_CLIENT_ID, ADMIN_USER};
use dapi_mock::store::Lock;
use serde_json::{Value, json};

use super::{DAY_MS, START, World, id_of, secrets_of, text};

pub(crate) const ELSEWHERE: &str = "dapi00000000000000000000000000000077";

pub(crate) fn assigned(active: bool) -> Assignment {
    Assignment { active, entitlements: Vec::new(), roles: Vec::new() }
}

impl World {
    /// Another workspace in a new account, with an admin who owns `token`.
    pub(crate) async fn add_workspace(&self, id: i64, token: &str) -> Workspace {
        let account = AccountId(self.entropy.uuid());
        let mut writer = self.service.store().write(Lock::Database).await.unwrap();
        writer.insert_account(account, self.now()).await.unwrap();
        writer.commit().await.unwrap();
        self.insert_workspace(account, id, self.now(), "admin@example.com", token).await
    }

    /// Another workspace of the default account, with an admin of its own who owns `token`. The admin
    /// service principal administers it too.
    pub(crate) async fn add_second_workspace(&self, id: i64, created_at: Millis, token: &str) -> Workspace {
        let account = self.workspace().await.account;
        let workspace = self.insert_workspace(account, id, created_at, &format!("admin@{id}.example.com"), token).await;
        let (kind, name) = (PrincipalKind::ServicePrincipal, ADMIN_CLIENT_ID.to_string());
        let mut writer = self.service.store().write(Lock::Database).await.unwrap();
        let robot = writer.find_principal_named(account, None, kind, &name).await.unwrap().unwrap();
        writer.put_assignment(workspace.id, robot.id, &assigned(true)).await.unwrap();
        writer.put_member(account, workspace.admins_group, robot.id).await.unwrap();
        writer.commit().await.unwrap();
        workspace
    }

    pub(crate) async fn insert_workspace(
        &self,
        account: AccountId,
        id: i64,
        created_at: Millis,
        admin_name: &str,
        token: &str,
    ) -> Workspace {
        let home = self.workspace().await;
        let (admins, users) = (PrincipalId(id * 10 + 1), PrincipalId(id * 10 + 2));
        let workspace = Workspace {
            id: WorkspaceId(id),
            account,
            name: format!("workspace {id}"),
            is_default: false,
            admins_group: admins,
            users_group: users,
            created_at,
            ..home
        };
        let admin = PrincipalId(id * 10 + 3);
        let mut writer = self.service.store().write(Lock::Database).await.unwrap();
        writer.insert_workspace(&workspace).await.unwrap();
        for (principal, kind, name) in [
            (admins, PrincipalKind::Group, "admins"),
            (users, PrincipalKind::Group, "users"),
            (admin, PrincipalKind::User, admin_name),
        ] {
            let principal = Principal {
                local_to: (kind == PrincipalKind::Group).then_some(workspace.id),
                ..Principal::new(principal, kind, name)
            };
            writer.insert_principal(workspace.account, &principal, self.now()).await.unwrap();
            writer.put_assignment(workspace.id, principal.id, &assigned(true)).await.unwrap();
        }
        writer.put_member(workspace.account, admins, admin).await.unwrap();
        let value = TokenValue::parse(token).unwrap();
        let stored = Token { workspace: workspace.id, id: value.id(), ..self.new_token(admin) };
        writer.insert_token(&stored).await.unwrap();
        writer.commit().await.unwrap();
        workspace
    }

    pub(crate) fn new_token(&self, owner: PrincipalId) -> Token {
        Token {
            workspace: WorkspaceId(0),
            id: TokenId::from_text(""),
            owner,
            created_by: owner,
            created_by_username: "seed".to_owned(),
            comment: String::new(),
            creation_time: self.now(),
            expiry_time: Some(self.now().plus(730 * DAY_MS)),
            last_used: None,
            scopes: None,
            autoscope_state: None,
            autoscope_until: None,
            inferred_scopes: None,
            backfill_scopes: None,
        }
    }

    pub(crate) async fn workspace(&self) -> Workspace {
        self.service.store().read().await.unwrap().find_default_workspace().await.unwrap().unwrap()
    }

    /// Adds a principal to the account and assigns it to the workspace.
    pub(crate) async fn add_principal(&self, kind: PrincipalKind, name: &str) -> PrincipalId {
        let workspace = self.workspace().await;
        let id = self.entropy.principal_id();
        let local_to = (kind == PrincipalKind::Group).then_some(workspace.id);
        let principal = Principal { local_to, ..Principal::new(id, kind, name) };
        let mut writer = self.service.store().write(Lock::Workspace(workspace.id)).await.unwrap();
        writer.insert_principal(workspace.account, &principal, self.now()).await.unwrap();
        writer.put_assignment(workspace.id, id, &assigned(true)).await.unwrap();
        writer.commit().await.unwrap();
        id
    }

    pub(crate) async fn add_user(&self, name: &str) -> PrincipalId {
        self.add_principal(PrincipalKind::User, name).await
    }

    /// Inserts a token without asking the API.
    pub(crate) async fn mint(&self, owner: PrincipalId, change: impl FnOnce(&mut Token)) -> String {
        let workspace = self.workspace().await;
        let value = self.entropy.token_value(None);
        let mut token = Token { workspace: workspace.id, id: value.id(), ..self.new_token(owner) };
        change(&mut token);
        let mut writer = self.service.store().write(Lock::Owner(workspace.id, owner)).await.unwrap();
        writer.insert_token(&token).await.unwrap();
        writer.commit().await.unwrap();
        value.reveal().to_owned()
    }

    pub(crate) async fn user_with_token(&self, name: &str) -> (PrincipalId, String) {
        let id = self.add_user(name).await;
        (id, self.mint(id, |_| {}).await)
    }

    pub(crate) async fn user_id(&self, name: &str) -> PrincipalId {
        let workspace = self.workspace().await;
        let mut reader = self.service.store().read().await.unwrap();
        reader.find_assigned_named(&workspace, PrincipalKind::User, name).await.unwrap().unwrap().id
    }

    pub(crate) async fn admin_id(&self) -> PrincipalId {
        self.user_id(ADMIN_USER).await
    }

    pub(crate) async fn set_active(&self, id: PrincipalId, active: bool) {
        let workspace = self.workspace().await.id;
        let mut writer = self.service.store().write(Lock::Workspace(workspace)).await.unwrap();
        writer.put_assignment(workspace, id, &assigned(active)).await.unwrap();
        writer.commit().await.unwrap();
    }

    pub(crate) async fn set_conf(&self, key: &str, value: &str) {
        let workspace = self.workspace().await.id;
        let conf = ConfValue { value: value.to_owned(), previous: None, effective_at: self.now() };
        let mut writer = self.service.store().write(Lock::Workspace(workspace)).await.unwrap();
        writer.put_conf(workspace, key, &conf).await.unwrap();
        writer.commit().await.unwrap();
    }

    /// Adds or removes the default permission, without which only admins may use tokens.
    pub(crate) async fn permit_users(&self, permitted: bool) {
        let workspace = self.workspace().await;
        let level = permitted.then_some(PermissionLevel::CanUse);
        let mut writer = self.service.store().write(Lock::Workspace(workspace.id)).await.unwrap();
        writer.put_token_permission(workspace.id, workspace.users_group, level).await.unwrap();
        writer.commit().await.unwrap();
    }

    /// A service principal with no right but CAN USE, and its client secret.
    pub(crate) async fn add_bot(&self, application: &str) -> (PrincipalId, String) {
        let id = self.add_principal(PrincipalKind::ServicePrincipal, application).await;
        let created = self.admin().post(&secrets_of(id), &json!({})).await;
        (id, text(&created.json()["secret"]))
    }

    /// A second workspace of the same account.
    pub(crate) async fn add_sibling(&self, id: WorkspaceId) -> Workspace {
        let workspace = Workspace { id, is_default: false, ..self.workspace().await };
        let mut writer = self.service.store().write(Lock::Database).await.unwrap();
        writer.insert_workspace(&workspace).await.unwrap();
        writer.commit().await.unwrap();
        workspace
    }

    /// A service principal that is assigned to that workspace only.
    pub(crate) async fn insert_bot(&self, workspace: &Workspace, id: PrincipalId, application: &str) {
        let principal = Principal::new(id, PrincipalKind::ServicePrincipal, application);
        let mut writer = self.service.store().write(Lock::Database).await.unwrap();
        writer.insert_principal(workspace.account, &principal, START).await.unwrap();
        writer.commit().await.unwrap();
        self.assign(workspace.id, id).await;
    }

    pub(crate) async fn assign(&self, workspace: WorkspaceId, id: PrincipalId) {
        let mut writer = self.service.store().write(Lock::Workspace(workspace)).await.unwrap();
        writer.put_assignment(workspace, id, &assigned(true)).await.unwrap();
        writer.commit().await.unwrap();
    }

    /// Tokens of every kind in two workspaces: eva is inactive, and one of her tokens and one of the service principal's
    /// never expire.
    pub(crate) async fn fill_report(&self) -> Workspace {
        let other = self.add_second_workspace(77, self.now(), ELSEWHERE).await;
        let eva = self.add_user("eva@example.com").await;
        self.set_active(eva, false).await;
        let robot = self.add_principal(PrincipalKind::ServicePrincipal, "7e57ab1e-0000-4000-8000-000000000009").await;
        let days = |n: i64| START.plus(n * DAY_MS);
        self.mint(eva, |token| (token.comment, token.expiry_time) = ("eva forever".into(), None)).await;
        self.mint(eva, |token| {
            (token.comment, token.creation_time, token.expiry_time) = ("eva old".into(), days(-50), Some(days(10)));
        })
        .await;
        self.mint(robot, |token| {
            (token.comment, token.expiry_time) = ("robot forever".into(), None);
            (token.last_used, token.scopes) = (Some(days(-3)), Some(vec!["sql".into(), "files".into()]));
        })
        .await;
        other
    }

    pub(crate) async fn insert_tokens(&self, tokens: &[Token]) {
        let mut writer = self.service.store().write(Lock::Database).await.unwrap();
        for token in tokens {
            writer.insert_token(token).await.unwrap();
        }
        writer.commit().await.unwrap();
    }

    /// A second workspace of the default account, in which everybody may use tokens.
    pub(crate) async fn add_open_workspace(&self, id: i64) -> Workspace {
        let workspace = self.add_second_workspace(id, self.now(), ELSEWHERE).await;
        let mut writer = self.service.store().write(Lock::Workspace(workspace.id)).await.unwrap();
        let level = Some(PermissionLevel::CanUse);
        writer.put_token_permission(workspace.id, workspace.users_group, level).await.unwrap();
        writer.commit().await.unwrap();
        workspace
    }

    pub(crate) async fn mint_in(&self, workspace: i64, owner: &Value) -> String {
        self.mint(id_of(owner), |token| token.workspace = WorkspaceId(workspace)).await
    }
}
