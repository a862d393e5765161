//! A workspace's time: its clock, the upcoming events, and the sweep that records the events that are due. When an event
//! happens is up to `domain::lifecycle`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{ADMIN_TOKEN_COMMENT, Error, Service};
use crate::domain::audit::{Action, SYSTEM_USER};
use crate::domain::authorize::{CredentialRecord, Facts};
use crate::domain::clock::{ClockMode, WorkspaceClock};
use crate::domain::denial::ControlDenial;
use crate::domain::lifecycle::{End, EventKind, as_of, autoscope_end, end_of, events_of};
use crate::domain::tokens::{EndCause, Token, TokenState, Visibility};
use crate::domain::{Denial, Millis, PrincipalId, TokenId, Workspace, WorkspaceId};
use crate::store::{Lock, Reader, StoreError, TimeOrder, Writer};

/// Tokens in one transaction of the sweep, which bounds how long other writers wait.
const SWEEP_BATCH: i64 = 200;
/// Maximum tokens that the schedule reads, for each kind of time in a token.
const SCHEDULE_SCAN: i64 = 10_000;
/// How often moving a clock is tried while others move it too.
const MOVE_TRIES: usize = 20;
const LOG_INTERVAL: Duration = Duration::from_secs(2);
/// Maximum events in one answer.
const MAX_EVENTS: usize = 1_000;

/// An upcoming or due event of a token, or of a key of the workspace configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: EventKind,
    pub at: Millis,
    pub token: Option<TokenId>,
    /// The token's owner.
    pub owner: Option<PrincipalId>,
    /// The token's comment.
    pub comment: Option<String>,
    pub conf_key: Option<String>,
}

impl Event {
    /// Whether this is the end of an admin token of the server, which clients most likely use.
    pub fn ends_admin_token(&self) -> bool {
        let ends = matches!(self.kind, EventKind::TokenExpired | EventKind::TokenAutoRevoked);
        ends && self.comment.as_deref() == Some(ADMIN_TOKEN_COMMENT)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockState {
    pub clock: WorkspaceClock,
    pub now: Millis,
}

/// How far to advance a clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdvanceTarget {
    /// Milliseconds.
    By(i64),
    To(Millis),
    /// The next event of a kind.
    Next(EventKind),
    /// The next event of a token.
    Token(TokenId),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvanceOutcome {
    pub state: ClockState,
    /// The first `MAX_EVENTS` events that became due, in order.
    pub events: Vec<Event>,
}

impl Service {
    pub async fn clock(&self, id: WorkspaceId) -> Result<ClockState, Error> {
        let workspace = self.workspace(id).await?;
        Ok(self.clock_state(&workspace))
    }

    fn clock_state(&self, workspace: &Workspace) -> ClockState {
        ClockState { clock: workspace.clock, now: workspace.clock.at(self.system_now()) }
    }

    /// Shares the latest time that this process has shown, so that no clock goes back after a restart or elsewhere.
    pub async fn persist_time(&self) -> Result<(), Error> {
        let shown = self.clock.shown();
        if shown.0 > self.persisted_time.load(Ordering::Acquire) {
            let mut writer = self.store.write(Lock::Time).await?;
            writer.record_shown_at(shown).await?;
            writer.commit().await?;
            self.persisted_time.fetch_max(shown.0, Ordering::AcqRel);
        }
        if self.may_have_replicas() {
            let stored = self.store.read().await?.find_shown_at().await?;
            self.raise_time(stored);
        }
        Ok(())
    }

    /// Makes sure that no clock of this process shows a time before the stored one.
    pub(super) fn raise_time(&self, stored: Millis) {
        self.clock.raise(stored);
        self.persisted_time.fetch_max(stored.0, Ordering::AcqRel);
    }

    /// Stores the time before a credential is refused as expired, so that it is not accepted again after a restart or by
    /// another process. This costs one write for each credential that expires.
    pub(super) async fn persist_time_of_end(&self, facts: &Facts, system: Millis) -> Result<(), Error> {
        let Some(workspace) = &facts.workspace else { return Ok(()) };
        let stored = Millis(self.persisted_time.load(Ordering::Acquire));
        let is_over = |system: Millis| match &facts.found {
            CredentialRecord::Token(token) => {
                token.state(&workspace.behaviour, workspace.clock.at(system)) != TokenState::Live
            }
            CredentialRecord::Access(claims, clock) => clock.at(system) >= claims.expiry(),
            _ => false,
        };
        if is_over(system) && !is_over(stored) { self.persist_time().await } else { Ok(()) }
    }

    /// Sets a clock's mode, which `make` derives from the workspace's time and the system's.
    ///
    /// # Errors
    /// [`ControlDenial::TimeGoesForward`]
    pub async fn set_clock(
        &self,
        id: WorkspaceId,
        make: impl Fn(Millis, Millis) -> ClockMode + Send,
    ) -> Result<AdvanceOutcome, Error> {
        for _ in 0..MOVE_TRIES {
            let mut reader = self.store.read().await?;
            let workspace = reader.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
            let system = workspace.clock.system(self.system_now());
            let now = workspace.clock.at(system);
            let clock = workspace.clock.in_mode(make(now, system));
            if let Some(advanced) = self.move_clock(reader, &workspace, clock, system).await? {
                return Ok(advanced);
            }
        }
        Err(StoreError::Replaced.into())
    }

    /// Advances a clock, and sweeps the events that become due before it returns.
    ///
    /// # Errors
    /// [`ControlDenial::TimeGoesForward`]; [`ControlDenial::NothingComes`] when there is no such upcoming event.
    pub async fn advance(&self, id: WorkspaceId, target: &AdvanceTarget) -> Result<AdvanceOutcome, Error> {
        for _ in 0..MOVE_TRIES {
            let mut reader = self.store.read().await?;
            let workspace = reader.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
            let system = workspace.clock.system(self.system_now());
            let now = workspace.clock.at(system);
            let at = instant_of(target, &mut reader, &workspace, now).await?;
            if at < now {
                return Err(ControlDenial::TimeGoesForward { now, wanted: at }.into());
            }
            let clock = workspace.clock.advanced(at.since(now));
            if let Some(advanced) = self.move_clock(reader, &workspace, clock, system).await? {
                return Ok(advanced);
            }
        }
        Err(StoreError::Replaced.into())
    }

    /// Moves a clock; `None` when another request has moved it since it was read. The events are read before the lock is
    /// taken, because reading takes longer the more tokens there are.
    async fn move_clock(
        &self,
        mut reader: Reader,
        workspace: &Workspace,
        clock: WorkspaceClock,
        system: Millis,
    ) -> Result<Option<AdvanceOutcome>, Error> {
        let (now, after) = (workspace.clock.at(system), clock.at(system));
        if after < now {
            return Err(ControlDenial::TimeGoesForward { now, wanted: after }.into());
        }
        let mut events = upcoming(&mut reader, workspace, now).await?;
        events.retain(|event| event.at <= after);
        events.truncate(MAX_EVENTS);
        drop(reader);
        let mut writer = self.store.write(Lock::Workspace(workspace.id)).await?;
        let found = writer.find_workspace(workspace.id).await?.ok_or(Denial::WorkspaceNotFound(workspace.id))?;
        if (found.clock.mode(), found.incarnation) != (workspace.clock.mode(), workspace.incarnation) {
            return Ok(None);
        }
        writer.update_clock(workspace.id, clock).await?;
        writer.commit().await?;
        self.sweep(workspace.id).await?;
        Ok(Some(AdvanceOutcome { state: ClockState { clock, now: after }, events }))
    }

    /// The names of the owners of the events' tokens; a deleted owner has none.
    pub async fn owner_names(&self, id: WorkspaceId, events: &[Event]) -> Result<BTreeMap<PrincipalId, String>, Error> {
        let mut reader = self.store.read().await?;
        let account = reader.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?.account;
        let mut names = BTreeMap::new();
        let owners: BTreeSet<PrincipalId> = events.iter().filter_map(|event| event.owner).collect();
        for owner in owners {
            if let Some(principal) = reader.find_principal(account, owner).await? {
                names.insert(owner, principal.name);
            }
        }
        Ok(names)
    }

    /// The next events in a workspace, at most `limit` and at most `MAX_EVENTS`.
    pub async fn upcoming(&self, id: WorkspaceId, limit: usize) -> Result<Vec<Event>, Error> {
        let mut reader = self.store.read().await?;
        let workspace = reader.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        let now = workspace.clock.at(self.system_now());
        let mut events = upcoming(&mut reader, &workspace, now).await?;
        events.truncate(limit.min(MAX_EVENTS));
        Ok(events)
    }

    /// Ends the tokens that are due and narrows those whose auto-scoping has ended; returns how many. The timing of the
    /// sweep has no visible effect, because lists and checks ask the lifecycle themselves.
    pub async fn sweep(&self, id: WorkspaceId) -> Result<u64, Error> {
        let mut ended = 0;
        let mut logged_at = Instant::now();
        // Checked without the lock first: most of the time nothing is due, and no request should wait.
        while self.is_any_due(id).await? {
            let mut writer = self.store.write(Lock::Workspace(id)).await?;
            let Some(workspace) = writer.find_workspace(id).await? else { break };
            let now = workspace.clock.at(self.system_now());
            let listed = Visibility::with_expired(&workspace.behaviour, now);
            let due = writer.list_due_tokens(id, listed, SWEEP_BATCH).await?;
            let mut batch = self.end_due_tokens(&mut writer, &workspace, &due, now).await?;
            for token in writer.list_due_autoscoping(id, now, SWEEP_BATCH).await? {
                let was_watched = token.is_autoscoping();
                let token = self.settle_autoscope(&mut writer, &workspace, token, now).await?;
                batch += u64::from(was_watched && !token.is_autoscoping());
            }
            writer.commit().await?;
            ended += batch;
            if logged_at.elapsed() >= LOG_INTERVAL {
                logged_at = Instant::now();
                tracing::info!(ended, "ending expired and idle tokens of workspace {id}");
            }
            if batch == 0 {
                break;
            }
        }
        Ok(ended)
    }

    async fn is_any_due(&self, id: WorkspaceId) -> Result<bool, Error> {
        let mut reader = self.store.read().await?;
        let Some(workspace) = reader.find_workspace(id).await? else { return Ok(false) };
        let now = workspace.clock.at(self.system_now());
        let listed = Visibility::with_expired(&workspace.behaviour, now);
        let is_none_due = reader.list_due_tokens(id, listed, 1).await?.is_empty();
        Ok(!is_none_due || !reader.list_due_autoscoping(id, now, 1).await?.is_empty())
    }

    /// Stores the result of auto-scoping and its audit event once its period has ended; returns the token as it is at
    /// `now`. Every change or end of a token calls this first, so that the audit log does not depend on the sweep.
    pub(super) async fn settle_autoscope(
        &self,
        writer: &mut Writer,
        workspace: &Workspace,
        token: Token,
        now: Millis,
    ) -> Result<Token, Error> {
        let Some(at) = autoscope_end(&token, &workspace.behaviour).filter(|at| now >= *at) else { return Ok(token) };
        let token = as_of(token, &workspace.behaviour, now);
        writer.update_token(&token).await?;
        self.record_by_system(writer, workspace, vec![(Action::autoscope_token(&token), at)]).await?;
        Ok(token)
    }

    pub async fn sweep_all(&self) -> Result<u64, Error> {
        let ids = self.store.read().await?.list_workspace_ids().await?;
        let mut ended = 0;
        for id in ids {
            ended += self.sweep(id).await?;
        }
        Ok(ended)
    }

    /// Ends the tokens whose time has come; returns how many.
    pub(super) async fn end_due_tokens(
        &self,
        writer: &mut Writer,
        workspace: &Workspace,
        due: &[Token],
        now: Millis,
    ) -> Result<u64, Error> {
        let mut ends = Vec::with_capacity(due.len());
        let mut actions = Vec::with_capacity(due.len());
        for token in due {
            self.settle_autoscope(writer, workspace, token.clone(), now).await?;
            let Some(End { cause, at, gone_at }) = end_of(token, &workspace.behaviour) else { continue };
            ends.push((&token.id, cause, at));
            actions.push(match cause {
                EndCause::Expired => (Action::collect_token(token), gone_at.min(now)),
                _ => (Action::revoke_token(&token.id, token.owner), at),
            });
        }
        let ended = writer.end_tokens(workspace.id, &ends, SYSTEM_USER).await?;
        self.record_by_system(writer, workspace, actions).await?;
        Ok(ended)
    }
}

/// The instant of a target.
async fn instant_of(
    target: &AdvanceTarget,
    reader: &mut Reader,
    workspace: &Workspace,
    now: Millis,
) -> Result<Millis, Error> {
    Ok(match target {
        AdvanceTarget::By(ms) => now.plus(*ms),
        AdvanceTarget::To(at) => *at,
        AdvanceTarget::Next(kind) => {
            let coming = upcoming(reader, workspace, now).await?;
            let next = coming.into_iter().find(|event| event.kind == *kind);
            next.ok_or_else(|| ControlDenial::NothingComes(kind.as_str().to_owned()))?.at
        }
        AdvanceTarget::Token(token) => {
            let found = reader.find_token(workspace.id, token).await?;
            let events = found.map(|token| events_of(&token, &workspace.behaviour)).unwrap_or_default();
            let next = events.into_iter().find(|(_, at)| *at > now);
            next.ok_or_else(|| ControlDenial::NothingComes(format!("token:{token}")))?.1
        }
    })
}

/// The events after `now`, in order; complete for the first [`SCHEDULE_SCAN`] tokens of each kind of time.
async fn upcoming(reader: &mut Reader, workspace: &Workspace, now: Millis) -> Result<Vec<Event>, Error> {
    let shown = Visibility::with_expired(&workspace.behaviour, now);
    let mut tokens = reader.list_tokens_by_time(workspace.id, TimeOrder::IdleFrom, shown, SCHEDULE_SCAN).await?;
    for order in [TimeOrder::Expiry, TimeOrder::Autoscope] {
        tokens.extend(reader.list_tokens_by_time(workspace.id, order, shown, SCHEDULE_SCAN).await?);
    }
    tokens.sort_by(|a, b| a.id.cmp(&b.id));
    tokens.dedup_by(|a, b| a.id == b.id);
    let mut events = Vec::new();
    for token in &tokens {
        for (kind, at) in events_of(token, &workspace.behaviour) {
            if at > now {
                let (owner, comment) = (Some(token.owner), Some(token.comment.clone()));
                events.push(Event { kind, at, token: Some(token.id.clone()), owner, comment, conf_key: None });
            }
        }
    }
    for (key, at) in reader.list_conf_after(workspace.id, now).await? {
        let (kind, conf_key) = (EventKind::ConfEffective, Some(key));
        events.push(Event { kind, at, token: None, owner: None, comment: None, conf_key });
    }
    events.sort_by_key(|event| event.at);
    Ok(events)
}
