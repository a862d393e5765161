//! A server in process: a service over a fresh database, a clock that only the test moves, and the router.
//!
//! Start reading at `World::new`. What a world contains is in `population`; who calls it is in `client`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use dapi_mock::cli::surface;
use dapi_mock::clock::{Clock, ManualClock};
use dapi_mock::domain::Millis;
use dapi_mock::domain::oauth::ClientSecret;
use dapi_mock::domain::settings::ErrorTexts;
use dapi_mock::domain::tokens::TokenValue;
use dapi_mock::domain::tripwire::Reaction;
use dapi_mock::entropy::{Entropy, SeededEntropy, SystemEntropy};
use dapi_mock::service::{FirstStart, JournalLimits, Service};
use dapi_mock::store::{Database, Limits, Store};
use dapi_mock::web::access::{Access, SignInPolicy};
use tempfile::TempDir;

use super::{Backend, fresh_database, patient};

/// 2026-11-24T08:00:00Z
pub(crate) const START: Millis = Millis(1_795_507_200_000);
pub(crate) const DAY_MS: i64 = 86_400_000;
pub(crate) const ADMIN_TOKEN: &str = "dapi00000000000000000000000000000001";
pub(crate) const ADMIN_SECRET: &str = "dose00000000000000000000000000000001";
/// Any number; one whose RSA key is found soon.
const SEED: u64 = 3274;

fn seeded(process: u64) -> Arc<dyn Entropy> {
    Arc::new(SeededEntropy::new(SEED + process))
}

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    /// Seeded, so that a test has the same ids and token values in every run, and can write down whole answers.
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) service: Service,
    pub(crate) backend: Backend,
    pub(crate) router: Router,
    database: Database,
    /// How many processes there are on this database; each draws from a seed of its own.
    processes: Arc<AtomicU64>,
    /// Removes the database's folder when the world ends.
    _folder: Option<TempDir>,
}

impl World {
    pub(crate) async fn new(backend: Backend) -> Self {
        let (database, folder) = fresh_database(backend).await;
        Self::over(backend, database, folder, START).await
    }

    /// Another server, which draws other ids, values and keys than that of `new`.
    pub(crate) async fn unrelated(backend: Backend) -> Self {
        let (database, folder) = fresh_database(backend).await;
        let clock = Arc::new(ManualClock::new(START));
        let world = Self::open(backend, database, clock, seeded(1000), patient()).await;
        Self { _folder: folder, ..world }
    }

    /// Starts a server on this database, with the system's time at `now`.
    pub(crate) async fn over(backend: Backend, database: Database, folder: Option<TempDir>, now: Millis) -> Self {
        let world = Self::open(backend, database, Arc::new(ManualClock::new(now)), seeded(0), patient()).await;
        Self { _folder: folder, ..world }
    }

    async fn open(
        backend: Backend,
        database: Database,
        clock: Arc<ManualClock>,
        entropy: Arc<dyn Entropy>,
        limits: Limits,
    ) -> Self {
        let store = Store::open_with(&database, limits).await.unwrap();
        let service = Service::new(store, clock.clone(), entropy.clone());
        let wanted = FirstStart {
            admin_token: TokenValue::parse(ADMIN_TOKEN),
            admin_client_secret: ClientSecret::parse(ADMIN_SECRET),
            ..FirstStart::default()
        };
        service.start(&wanted).await.unwrap();
        let router = surface(&service, Access::Open, SignInPolicy::Open(None), None);
        let processes = Arc::new(AtomicU64::new(1));
        Self { clock, entropy, service, backend, router, database, processes, _folder: None }
    }

    /// The database of this world.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Starts another process on the same PostgreSQL.
    pub(crate) async fn replica(&self) -> Self {
        self.replica_with(self.clock.clone()).await
    }

    /// Starts another process whose system clock shows another time.
    pub(crate) async fn replica_at(&self, now: Millis) -> Self {
        self.replica_with(Arc::new(ManualClock::new(now))).await
    }

    async fn replica_with(&self, clock: Arc<ManualClock>) -> Self {
        let entropy = seeded(self.processes.fetch_add(1, Ordering::Relaxed));
        let world = Self::open(self.backend, self.database.clone(), clock, entropy, patient()).await;
        Self { processes: self.processes.clone(), ..world }
    }

    /// A process on this PostgreSQL with other limits. There may be several, so its entropy is not seeded.
    pub(crate) async fn on(database: Database, limits: Limits) -> Self {
        let (clock, entropy) = (Arc::new(ManualClock::new(START)), Arc::new(SystemEntropy));
        Self::open(Backend::Postgres, database, clock, entropy, limits).await
    }

    /// Restarts the process on its database. In memory, the database survives here.
    pub(crate) async fn restart(&mut self) {
        if self.database != Database::SqliteMemory {
            self.service.store().close().await;
            let store = Store::open_with(&self.database, patient()).await.unwrap();
            self.service = Service::new(store, self.clock.clone(), self.entropy.clone());
        }
        self.service.start(&FirstStart::default()).await.unwrap();
        self.set_policy(SignInPolicy::Open(None));
    }

    /// Serves with another sign-in policy.
    pub(crate) fn set_policy(&mut self, policy: SignInPolicy) {
        self.set_access(Access::Open, policy);
    }

    /// Serves with other settings of the control API.
    pub(crate) fn set_access(&mut self, access: Access, policy: SignInPolicy) {
        self.router = surface(&self.service, access, policy, None);
    }

    /// Answers with the error texts of another year.
    pub(crate) fn set_error_texts(&mut self, texts: ErrorTexts) {
        self.service = self.service.clone().with_error_texts(texts);
        self.set_policy(SignInPolicy::Open(None));
    }

    /// Uses other settings of the journal and the tripwire.
    pub(crate) fn watch(&mut self, limits: JournalLimits, reaction: Reaction) {
        self.service = self.service.clone().with_journal(limits, reaction);
        self.set_policy(SignInPolicy::Open(None));
    }

    pub(crate) fn now(&self) -> Millis {
        self.clock.now()
    }
}
