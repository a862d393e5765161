//! Use cases: load the facts, let the domain decide, store the outcome. No SQL text, no HTTP.

mod account;
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

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

pub use authorize::{Authorized, Refused};
pub use bootstrap::{
    ACCOUNT_ADMIN_USER, ADMIN_CLIENT_ID, ADMIN_SERVICE_PRINCIPAL, ADMIN_TOKEN_COMMENT, ADMIN_USER, FirstStart, Started,
};
pub use explain::{DryOutcome, DryRun};
pub use in_flight::InFlightGuard;
pub use journal::{Headers, Journal, JournalEntry, JournalLimits, StoredBody};
pub use key_guesses::{KeyGuesses, KeyHash, KeyVerdict};
pub use listings::Shown;
pub use oauth::{Issued, issuer_of};
pub use page_sessions::SignedIn;
pub use report::{Counted, Counts, Export, FoundTokens, NamedRow, ReportPage, ReportStatistics, Revoked};
pub use seal::Seal;
pub use secrets::CreatedSecret;
pub use seeds::{Progress, Seeded};
pub use settings::{AdminRestriction, AdminRestrictionChange};
pub use tokens::history::TokenHistory;
// What http has to name of the store comes through here.
pub use crate::store::{HistoryFilter, StoreError, Versioned};
pub use time::{Advanced, ClockState, Event, Target};
pub use tripwire::{SuspectedCredentials, Tripwire};
pub use what_if::{Broken, Hypothesis};
pub use workspaces::{CreatedWorkspace, NewWorkspace};

use in_flight::Gates;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::clock::{Clock, ForwardClock};
use crate::domain::audit::{self, Action, Filter, NewEvent, Origin};
use crate::domain::authorize::Caller;
use crate::domain::identities::Directory;
use crate::domain::seeds::SeedError;
use crate::domain::settings::ErrorTexts;
use crate::domain::tripwire::Reaction;
use crate::domain::{AccountId, Denial, Millis, Workspace, WorkspaceId};
use crate::entropy::Entropy;
use crate::store::{Store, Writer};

/// How long whoever asks whether the server is ready waits for the database: less than probes do.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// Why a use case did not happen. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The rules say no.
    #[error("refused: {0:?}")]
    Denied(Denial),
    /// The database could not do it.
    #[error(transparent)]
    Store(StoreError),
    /// A seed says something that cannot be.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// A signing key cannot be made or used.
    #[error("the signing key: {0}")]
    Key(&'static str),
}

impl From<Denial> for Error {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
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

/// A client's request as the use cases see it: who calls, and where from.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Who.
    pub caller: &'a Caller,
    /// Where from.
    pub origin: &'a Origin,
}

/// What somebody did, for the audit log.
struct Deed<'a> {
    actor: &'a str,
    origin: &'a Origin,
    at: Millis,
    directory: Directory,
    action: Action,
}

/// The use cases over one store.
#[derive(Clone, Debug)]
pub struct Service {
    store: Store,
    clock: Arc<ForwardClock>,
    /// The latest time that is kept in the database, as far as this process knows.
    time_kept: Arc<AtomicI64>,
    late_uses: authorize::LateUses,
    entropy: Arc<dyn Entropy>,
    journal: Journal,
    sharing: shared_journal::Sharing,
    tripwire: Tripwire,
    gates: Gates,
    error_texts: ErrorTexts,
    report_counts: report::ReportCounts,
    key_guesses: Arc<KeyGuesses>,
    /// Held while a signing key is made, so that a first burst of requests makes one.
    key_making: Arc<Mutex<()>>,
}

impl Service {
    /// A service over an opened store.
    pub fn new(store: Store, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            store,
            clock: Arc::new(ForwardClock::over(clock)),
            time_kept: Arc::default(),
            late_uses: authorize::LateUses::default(),
            entropy,
            journal: Journal::new(JournalLimits::default()),
            sharing: shared_journal::Sharing::default(),
            tripwire: Tripwire::default(),
            gates: Gates::default(),
            error_texts: ErrorTexts::default(),
            report_counts: report::ReportCounts::default(),
            key_guesses: Arc::default(),
            key_making: Arc::default(),
        }
    }

    /// The same with another journal and tripwire.
    #[must_use]
    pub fn watching(self, limits: JournalLimits, reaction: Reaction) -> Self {
        Self { journal: Journal::new(limits), tripwire: Tripwire::new(reaction), ..self }
    }

    /// The same with the texts of another year.
    #[must_use]
    pub fn with_error_texts(self, error_texts: ErrorTexts) -> Self {
        Self { error_texts, ..self }
    }

    /// Of which year the texts of refusals are.
    pub fn error_texts(&self) -> ErrorTexts {
        self.error_texts
    }

    /// The source of ids and secrets.
    pub fn entropy(&self) -> &dyn Entropy {
        self.entropy.as_ref()
    }

    /// The system's time; it never goes back.
    pub fn system_now(&self) -> Millis {
        self.clock.now()
    }

    /// Who showed wrong control keys.
    pub fn key_guesses(&self) -> &KeyGuesses {
        &self.key_guesses
    }

    /// The last requests.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Who came with what looks like a real credential.
    pub fn tripwire(&self) -> &Tripwire {
        &self.tripwire
    }

    /// The store, for its own tests and for shutting down.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Whether other processes may serve the same data: whatever this one keeps in its memory is then a part only.
    pub fn may_have_replicas(&self) -> bool {
        matches!(self.store, Store::Postgres(_))
    }

    /// The workspace to name in discovery: the only one. `None` when there are several, because a
    /// client would send the named id with every other workspace's token too (spec §2).
    pub async fn only_workspace(&self) -> Result<Option<Workspace>, Error> {
        let mut reader = self.store.read().await?;
        if reader.count_workspaces().await? != 1 {
            return Ok(None);
        }
        Ok(reader.find_default_workspace().await?)
    }

    /// A workspace, if there is one of that id.
    pub async fn find_workspace(&self, id: WorkspaceId) -> Result<Option<Workspace>, Error> {
        Ok(self.store.read().await?.find_workspace(id).await?)
    }

    /// The workspace that answers when nothing names one.
    pub async fn default_workspace(&self) -> Result<Option<Workspace>, Error> {
        Ok(self.store.read().await?.find_default_workspace().await?)
    }

    /// Whether there is a workspace of this id.
    pub async fn has_workspace(&self, id: WorkspaceId) -> Result<bool, Error> {
        Ok(self.store.read().await?.find_workspace(id).await?.is_some())
    }

    /// The ids of the workspaces of a name, at most `limit`.
    pub async fn workspaces_named(&self, name: &str, limit: usize) -> Result<Vec<WorkspaceId>, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        Ok(self.store.read().await?.list_workspaces_named(name, limit).await?)
    }

    /// The workspaces of an account.
    pub async fn workspaces_of(&self, account: AccountId) -> Result<Vec<WorkspaceId>, Error> {
        Ok(self.store.read().await?.list_workspaces_of(account).await?)
    }

    /// A workspace's audit events in the filter's order, and where to go on for more: after that place, or where
    /// the newest come first, up to before it; 0 when there are no more of those.
    pub async fn audit_events(
        &self,
        workspace: WorkspaceId,
        filter: &Filter,
    ) -> Result<(Vec<audit::Event>, i64), Error> {
        let up_to = self.store.settled_events(workspace).await?.min(filter.up_to);
        let filter = Filter { up_to, ..filter.clone() };
        let events = self.store.read().await?.list_events(workspace, &filter).await?;
        let is_all = i64::try_from(events.len()).unwrap_or(i64::MAX) < filter.limit;
        let last = events.last().map_or(filter.after, |event| event.sequence);
        let next = match (filter.newest_first, is_all) {
            (true, true) => 0,
            (false, true) => up_to.max(filter.after),
            (_, false) => last,
        };
        Ok((events, next))
    }

    /// Whether the database answers, soon, and is seeded.
    pub async fn is_ready(&self) -> bool {
        let ready = async { self.store.read().await?.find_default_workspace().await };
        matches!(timeout(READY_WITHIN, ready).await, Ok(Ok(Some(_))))
    }

    /// The place of each workspace's newest audit event.
    pub async fn newest_events(&self) -> Result<HashMap<WorkspaceId, i64>, Error> {
        Ok(self.store.read().await?.newest_events().await?)
    }

    /// Appends audit events about what happens by itself.
    async fn record_by_system(
        &self,
        writer: &mut Writer,
        workspace: &Workspace,
        actions: Vec<(Action, Millis)>,
    ) -> Result<(), StoreError> {
        let entropy = self.draw(writer, workspace).await?;
        let origin = || Origin { request_id: entropy.uuid().to_string(), ..Origin::default() };
        let origins: Vec<Origin> = actions.iter().map(|_| origin()).collect();
        let event = |((action, at), origin)| NewEvent {
            account: workspace.account,
            workspace: workspace.id,
            event_id: entropy.uuid().to_string(),
            at,
            actor: Some(audit::SYSTEM_USER),
            origin,
            action,
            status: 200,
            error: None,
            account_level: false,
        };
        let events: Vec<NewEvent<'_>> = actions.into_iter().zip(&origins).map(event).collect();
        writer.insert_events(&events).await
    }

    /// Appends an audit event about a successful action of the caller in its workspace.
    async fn record(&self, writer: &mut Writer, call: Call<'_>, action: Action) -> Result<(), StoreError> {
        self.record_in(writer, call, Directory::Workspace, action).await
    }

    /// Appends an audit event about a successful action of the caller.
    async fn record_in(
        &self,
        writer: &mut Writer,
        call: Call<'_>,
        directory: Directory,
        action: Action,
    ) -> Result<(), StoreError> {
        let Call { caller, origin } = call;
        let deed = Deed { actor: &caller.name, origin, at: caller.now, directory, action };
        self.append(writer, &caller.workspace, deed).await
    }

    /// The same where nobody has called yet: somebody signs in, or a client asks for a token.
    async fn record_as(
        &self,
        writer: &mut Writer,
        workspace: &Workspace,
        actor: &str,
        origin: &Origin,
        at: Millis,
        action: Action,
    ) -> Result<(), StoreError> {
        self.append(writer, workspace, Deed { actor, origin, at, directory: Directory::Workspace, action }).await
    }

    async fn append(&self, writer: &mut Writer, workspace: &Workspace, deed: Deed<'_>) -> Result<(), StoreError> {
        let Deed { actor, origin, at, directory, action } = deed;
        let entropy = self.draw(writer, workspace).await?;
        writer
            .insert_events(&[NewEvent {
                account: workspace.account,
                workspace: workspace.id,
                event_id: entropy.uuid().to_string(),
                at,
                actor: Some(actor),
                origin,
                action,
                status: 200,
                error: None,
                account_level: directory == Directory::Account,
            }])
            .await
    }
}
