//! Worlds to test in: a service over a fresh store, a clock that moves by hand, clients in process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::Response;
use base64::Engine;
use dapi_mock::cli::surface;
use dapi_mock::clock::{Clock, ManualClock};
use dapi_mock::control::Access;
use dapi_mock::domain::access::PermissionLevel;
use dapi_mock::domain::identities::{Assignment, Principal, PrincipalKind};
use dapi_mock::domain::oauth::ClientSecret;
use dapi_mock::domain::settings::{ConfValue, ErrorTexts};
use dapi_mock::domain::tokens::{Token, TokenValue};
use dapi_mock::domain::tripwire::Reaction;
use dapi_mock::domain::{AccountId, Millis, PrincipalId, TokenId, Workspace, WorkspaceId};
use dapi_mock::entropy::{Entropy, SystemEntropy};
use dapi_mock::http::SignInPolicy;
use dapi_mock::service::{ADMIN_CLIENT_ID, ADMIN_USER, FirstStart, JournalLimits, Service};
use dapi_mock::store::{Database, Limits, Lock, Store};
use http_body_util::BodyExt;
use serde_json::Value;
use sqlx::Connection;
use tempfile::TempDir;
use tower::ServiceExt;

/// 2026-11-24T08:00:00Z
pub(crate) const START: Millis = Millis(1_795_507_200_000);
pub(crate) const DAY_MS: i64 = 86_400_000;
pub(crate) const ADMIN_TOKEN: &str = "dapi00000000000000000000000000000001";
pub(crate) const ADMIN_SECRET: &str = "dose00000000000000000000000000000001";

#[derive(Clone, Copy, Debug)]
pub(crate) enum Backend {
    Memory,
    File,
    Postgres,
}

/// Stamps each test on the three stores.
macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => {
        mod on_memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::harness::World::new($crate::harness::Backend::Memory).await).await;
            })*
        }
        mod on_sqlite_file {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::harness::World::new($crate::harness::Backend::File).await).await;
            })*
        }
        mod on_postgres {
            $(#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
            #[tokio::test]
            async fn $name() {
                super::$name($crate::harness::World::new($crate::harness::Backend::Postgres).await).await;
            })*
        }
    };
}
pub(crate) use on_every_store;

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) service: Service,
    pub(crate) backend: Backend,
    pub(crate) router: Router,
    database: Database,
    /// Removes the database's folder when the world ends.
    _folder: Option<TempDir>,
}

/// A schema of its own: 2 ms, where a database of its own takes 20.
async fn fresh_postgres() -> Database {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let base = postgres_url();
    let schema = format!("it_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    run_on_postgres(&base, &format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")).await;
    let separator = if base.contains('?') { '&' } else { '?' };
    format!("{base}{separator}options[search_path]={schema}").parse().unwrap()
}

/// A database in which nothing is yet, and the folder that it is in, if it is a file.
pub(crate) async fn fresh_database(backend: Backend) -> (Database, Option<TempDir>) {
    let folder = matches!(backend, Backend::File).then(|| tempfile::tempdir().unwrap());
    let database = match (backend, &folder) {
        (Backend::Postgres, _) => fresh_postgres().await,
        (_, Some(folder)) => Database::SqliteFile(folder.path().join("mock.db").to_str().unwrap().to_owned()),
        (_, None) => Database::SqliteMemory,
    };
    (database, folder)
}

/// A database of its own, for tests that a lock which others hold would disturb: locks are for the whole database.
pub(crate) async fn fresh_postgres_database(name: &str) -> Database {
    let base = postgres_url();
    let (server, database) = base.rsplit_once('/').unwrap();
    let database = format!("{database}_{name}");
    run_on_postgres(&base, &format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)")).await;
    run_on_postgres(&base, &format!("CREATE DATABASE {database}")).await;
    format!("{server}/{database}").parse().unwrap()
}

/// The worlds of one database share its locks, and wait for each other while the machine is busy.
fn patient() -> Limits {
    Limits { acquire: Duration::from_secs(30), statement: Duration::from_mins(1), ..Limits::default() }
}

#[expect(clippy::disallowed_methods, reason = "the tests' own setting")]
fn postgres_url() -> String {
    std::env::var("TEST_POSTGRES_URL").expect("TEST_POSTGRES_URL")
}

pub(crate) async fn run_on_postgres(url: &str, sql: &str) {
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

impl World {
    pub(crate) async fn new(backend: Backend) -> Self {
        let (database, folder) = fresh_database(backend).await;
        Self::over(backend, database, folder, START).await
    }

    /// What a server makes of this database, where the system's time is `now`.
    pub(crate) async fn over(backend: Backend, database: Database, folder: Option<TempDir>, now: Millis) -> Self {
        Self::open(backend, database, folder, Arc::new(ManualClock::new(now)), patient()).await
    }

    async fn open(
        backend: Backend,
        database: Database,
        folder: Option<TempDir>,
        clock: Arc<ManualClock>,
        limits: Limits,
    ) -> Self {
        let store = Store::open_with(&database, limits).await.unwrap();
        let service = Service::new(store, clock.clone(), Arc::new(SystemEntropy));
        let wanted = FirstStart {
            admin_token: TokenValue::parse(ADMIN_TOKEN),
            admin_client_secret: ClientSecret::parse(ADMIN_SECRET),
            ..FirstStart::default()
        };
        service.start(&wanted).await.unwrap();
        let router = surface(&service, Access::Open, SignInPolicy::Open(None), None);
        Self { clock, service, backend, router, database, _folder: folder }
    }

    /// Where everything is kept.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Another process on the same PostgreSQL.
    pub(crate) async fn replica(&self) -> Self {
        Self::open(self.backend, self.database.clone(), None, self.clock.clone(), patient()).await
    }

    /// The same, where the system's clock shows another time.
    pub(crate) async fn replica_at(&self, now: Millis) -> Self {
        Self::over(self.backend, self.database.clone(), None, now).await
    }

    /// A process on this database, with other limits than the usual ones.
    pub(crate) async fn on(database: Database, limits: Limits) -> Self {
        Self::open(Backend::Postgres, database, None, Arc::new(ManualClock::new(START)), limits).await
    }

    /// What the process would find after a restart; memory outlives it here.
    pub(crate) async fn restart(&mut self) {
        if self.database != Database::SqliteMemory {
            self.service.store().close().await;
            let store = Store::open_with(&self.database, patient()).await.unwrap();
            self.service = Service::new(store, self.clock.clone(), Arc::new(SystemEntropy));
        }
        self.service.start(&FirstStart::default()).await.unwrap();
        self.set_policy(SignInPolicy::Open(None));
    }

    /// What the process would serve with other settings.
    pub(crate) fn set_policy(&mut self, policy: SignInPolicy) {
        self.set_access(Access::Open, policy);
    }

    /// The same with other settings of the control API.
    pub(crate) fn set_access(&mut self, access: Access, policy: SignInPolicy) {
        self.router = surface(&self.service, access, policy, None);
    }

    /// What the process would answer with the texts of another year.
    pub(crate) fn set_error_texts(&mut self, texts: ErrorTexts) {
        self.service = self.service.clone().with_error_texts(texts);
        self.set_policy(SignInPolicy::Open(None));
    }

    /// What the process would do with other settings of journal and tripwire.
    pub(crate) fn watch(&mut self, limits: JournalLimits, reaction: Reaction) {
        self.service = self.service.clone().with_journal(limits, reaction);
        self.set_policy(SignInPolicy::Open(None));
    }

    /// Another workspace in an account of its own, with an admin who owns `token`.
    pub(crate) async fn add_workspace(&self, id: i64, token: &str) -> Workspace {
        let account = AccountId((&SystemEntropy as &dyn Entropy).uuid());
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

    async fn insert_workspace(
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

    fn new_token(&self, owner: PrincipalId) -> Token {
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

    pub(crate) fn now(&self) -> Millis {
        self.clock.now()
    }

    pub(crate) async fn workspace(&self) -> Workspace {
        self.service.store().read().await.unwrap().find_default_workspace().await.unwrap().unwrap()
    }

    pub(crate) fn client<'a>(&'a self, token: &'a str) -> Client<'a> {
        Client { world: self, token: Some(token) }
    }

    pub(crate) fn admin(&self) -> Client<'_> {
        self.client(ADMIN_TOKEN)
    }

    pub(crate) fn anonymous(&self) -> Client<'_> {
        Client { world: self, token: None }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        Answer::of(self.router.clone().oneshot(request).await.unwrap()).await
    }

    /// Adds a principal to the account and assigns it to the workspace.
    pub(crate) async fn add_principal(&self, kind: PrincipalKind, name: &str) -> PrincipalId {
        let workspace = self.workspace().await;
        let id = (&SystemEntropy as &dyn Entropy).principal_id();
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

    /// Gives a principal a token behind the API's back.
    pub(crate) async fn mint(&self, owner: PrincipalId, change: impl FnOnce(&mut Token)) -> String {
        let workspace = self.workspace().await;
        let value = (&SystemEntropy as &dyn Entropy).token_value(None);
        let mut token = Token { workspace: workspace.id, id: value.id(), ..self.new_token(owner) };
        change(&mut token);
        let mut writer = self.service.store().write(Lock::Owner(workspace.id, owner)).await.unwrap();
        writer.insert_token(&token).await.unwrap();
        writer.commit().await.unwrap();
        value.reveal().to_owned()
    }

    /// What the token endpoint answers to a form; `basic` is the client's id and secret.
    pub(crate) async fn ask_for_token(&self, path: &str, basic: Option<(&str, &str)>, form: &str) -> Answer {
        let mut request = self.anonymous().request(&Method::POST, path);
        if let Some((id, secret)) = basic {
            let pair = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
            request = request.header("authorization", format!("Basic {pair}"));
        }
        self.send(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    /// An access token from the workspace's endpoint.
    pub(crate) async fn access_token(&self, client_id: &str, secret: &str) -> String {
        let form = "grant_type=client_credentials&scope=all-apis";
        let answer = self.ask_for_token("/oidc/v1/token", Some((client_id, secret)), form).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
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

    /// Gives or takes the default permission, without which only admins may use tokens.
    pub(crate) async fn permit_users(&self, permitted: bool) {
        let workspace = self.workspace().await;
        let level = permitted.then_some(PermissionLevel::CanUse);
        let mut writer = self.service.store().write(Lock::Workspace(workspace.id)).await.unwrap();
        writer.put_token_permission(workspace.id, workspace.users_group, level).await.unwrap();
        writer.commit().await.unwrap();
    }
}

pub(crate) fn assigned(active: bool) -> Assignment {
    Assignment { active, entitlements: Vec::new(), roles: Vec::new() }
}

/// A caller, with its token.
#[derive(Clone, Copy)]
pub(crate) struct Client<'a> {
    world: &'a World,
    token: Option<&'a str>,
}

impl Client<'_> {
    pub(crate) fn request(&self, method: &Method, path: &str) -> axum::http::request::Builder {
        let builder = Request::builder().method(method).uri(path).header("host", "127.0.0.1:3274");
        match self.token {
            Some(token) => builder.header("authorization", format!("Bearer {token}")),
            None => builder,
        }
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        self.world.send(self.request(&method, path).body(body.into()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, Body::empty()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, body.to_string()).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PATCH, path, body.to_string()).await
    }

    /// Creates a token and answers its value and id.
    pub(crate) async fn create(&self, body: &Value) -> (String, String) {
        let answer = self.post("/api/2.0/token/create", body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let json = answer.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&json["token_value"]), text(&json["token_info"]["token_id"]))
    }

    /// Asks the mock's control API.
    pub(crate) async fn own(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = self.request(&method, &format!("/_mock/v1/{path}")).header("content-type", "application/json");
        self.world.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// Advances the default workspace's clock and answers what happened.
    pub(crate) async fn advance(&self, body: &Value) -> Value {
        let answer = self.own(Method::POST, "workspaces/default/clock/advance", body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// The ids of the caller's own tokens.
    pub(crate) async fn own_ids(&self) -> Vec<String> {
        let json = self.get("/api/2.0/token/list").await.json();
        json["token_infos"].as_array().unwrap().iter().map(|row| row["token_id"].as_str().unwrap().to_owned()).collect()
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Self { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}")).to_str().unwrap()
    }

    /// Asserts the error's status, code (text or number) and message.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: impl Into<Value>, message: &str) {
        let json = self.json();
        assert_eq!((self.status.as_u16(), &json["error_code"]), (status, &code.into()), "{self:?}");
        let text = json["message"].as_str().unwrap();
        assert!(text.contains(message), "{text:?} does not contain {message:?}");
        assert_eq!(self.header("content-type"), "application/json; charset=utf-8");
    }
}
