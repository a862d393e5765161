//! Use cases: load the facts, let the domain decide, store the outcome, all in one transaction. No SQL text, no HTTP.
//! One file per subject, each with an `impl Service`. [`Service`] and [`Error`] are here; `tokens` is a good place to
//! start reading.

mod account;
mod audit;
mod authorize;
mod bootstrap;
mod conf;
mod explain;
mod faults;
mod identities;
mod in_flight;
mod journal;
mod key_guesses;
mod keys;
mod listings;
mod lookups;
mod oauth;
mod page_sessions;
mod permissions;
mod report;
mod seal;
mod secrets;
mod seeds;
mod settings;
mod shared_journal;
mod sign_ins;
mod time;
mod tokens;
mod tripwire;
mod what_if;
mod workspaces;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

pub use authorize::{Authorized, Refused};
pub use bootstrap::{
    ACCOUNT_ADMIN_USER, ADMIN_CLIENT_ID, ADMIN_SERVICE_PRINCIPAL, ADMIN_TOKEN_COMMENT, ADMIN_USER, FirstStart,
    StartOutcome,
};
pub use explain::{DryOutcome, DryRun};
pub use identities::Collection;
pub use in_flight::InFlightGuard;
pub use journal::{Headers, Journal, JournalEntry, JournalLimits, StoredBody};
pub use key_guesses::{KeyGuesses, KeyHash, KeyVerdict};
pub use listings::{IdentityList, RelatedAttributes};
pub use oauth::{TokenResponse, issuer_of};
pub use page_sessions::PageUser;
pub use report::{
    CountMode, Counts, Export, FoundTokens, NamedRow, PageRequest, ReportPage, ReportStatistics, RevocationOutcome,
};
pub use seal::Seal;
pub use secrets::{CreatedSecret, SecretOwner};
pub use seeds::{Progress, SeedCounts};
pub use settings::{AdminRestriction, AdminRestrictionChange};
pub use tokens::history::TokenHistory;
// For `http` and `control`, which do not import the store.
pub use crate::store::{HistoryFilter, StoreError, VersionedValue};
pub use time::{AdvanceOutcome, AdvanceTarget, ClockState, Event};
pub use tripwire::{SuspectedCredentials, Tripwire};
pub use what_if::{Hypothesis, Impact};
pub use workspaces::{CreatedWorkspace, NewWorkspace};

use audit::AuditEntry;
use in_flight::InFlight;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::clock::{Clock, ForwardClock};
use crate::domain::audit::Origin;
use crate::domain::authorize::Caller;
use crate::domain::seeds::SeedError;
use crate::domain::settings::ErrorTexts;
use crate::domain::tripwire::Reaction;
use crate::domain::{Denial, Millis};
use crate::entropy::Entropy;
use crate::store::Store;

/// How long a readiness check waits for the database: less than the time limit of usual probes.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// Why a use case did nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("refused: {0:?}")]
    Denied(Denial),
    #[error(transparent)]
    Store(StoreError),
    #[error(transparent)]
    Seed(#[from] SeedError),
    #[error("the signing key: {0}")]
    Key(&'static str),
}

impl<D: Into<Denial>> From<D> for Error {
    fn from(denial: D) -> Self {
        Self::Denied(denial.into())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NulCharacter => Self::Denied(Denial::parameter("The character U+0000 is not allowed.")),
            other => Self::Store(other),
        }
    }
}

/// An authenticated request, as the use cases see it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub caller: &'a Caller,
    pub origin: &'a Origin,
}

/// The use cases over one store.
#[derive(Clone, Debug)]
pub struct Service {
    store: Store,
    clock: Arc<ForwardClock>,
    /// The latest time in the database, as far as this process knows.
    persisted_time: Arc<AtomicI64>,
    late_uses: authorize::LateUses,
    entropy: Arc<dyn Entropy>,
    journal: Journal,
    sharing: shared_journal::Sharing,
    tripwire: Tripwire,
    in_flight: InFlight,
    error_texts: ErrorTexts,
    report_counts: report::ReportCounts,
    key_guesses: Arc<KeyGuesses>,
    /// Held while a signing key is created, so that concurrent first requests create only one.
    key_creation: Arc<Mutex<()>>,
}

impl Service {
    pub fn new(store: Store, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            store,
            clock: Arc::new(ForwardClock::over(clock)),
            persisted_time: Arc::default(),
            late_uses: authorize::LateUses::default(),
            entropy,
            journal: Journal::new(JournalLimits::default()),
            sharing: shared_journal::Sharing::default(),
            tripwire: Tripwire::default(),
            in_flight: InFlight::default(),
            error_texts: ErrorTexts::default(),
            report_counts: report::ReportCounts::default(),
            key_guesses: Arc::default(),
            key_creation: Arc::default(),
        }
    }

    #[must_use]
    pub fn with_journal(self, limits: JournalLimits, reaction: Reaction) -> Self {
        Self { journal: Journal::new(limits), tripwire: Tripwire::new(reaction), ..self }
    }

    #[must_use]
    pub fn with_error_texts(self, error_texts: ErrorTexts) -> Self {
        Self { error_texts, ..self }
    }

    /// Which year's error texts the emulated API uses.
    pub fn error_texts(&self) -> ErrorTexts {
        self.error_texts
    }

    pub fn entropy(&self) -> &dyn Entropy {
        self.entropy.as_ref()
    }

    /// The system's time; it never goes back.
    pub fn system_now(&self) -> Millis {
        self.clock.now()
    }

    pub fn key_guesses(&self) -> &KeyGuesses {
        &self.key_guesses
    }

    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    pub fn tripwire(&self) -> &Tripwire {
        &self.tripwire
    }

    /// For the store's own tests, and for shutting down.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Whether other processes may serve the same data. If so, this process's memory holds only its own part of it.
    pub fn may_have_replicas(&self) -> bool {
        matches!(self.store, Store::Postgres(_))
    }

    /// Whether the database answers in time and has been seeded.
    pub async fn is_ready(&self) -> bool {
        matches!(timeout(READY_WITHIN, self.default_workspace()).await, Ok(Ok(Some(_))))
    }
}
