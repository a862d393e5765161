//! A workspace's time: its clock, what comes next, and the sweep that carries out what is due.

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

/// Tokens that the sweep ends in one transaction: others wait for it no longer than that.
const SWEEP_BATCH: i64 = 200;
/// Most tokens that the schedule looks at, in the order of each of the times at which something happens to them.
const SCHEDULE_SCAN: i64 = 10_000;
/// How often a clock is read again that others move at the same time.
const MOVE_TRIES: usize = 20;
/// How often the log tells how far a sweep has come.
const TOLD_EVERY: Duration = Duration::from_secs(2);
/// Most events that one answer tells of.
const EVENTS_TOLD: usize = 1_000;

/// Something that happens, or will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// When.
    pub at: Millis,
    /// To which token.
    pub token: Option<TokenId>,
    /// The token's owner.
    pub owner: Option<PrincipalId>,
    /// The token's comment.
    pub comment: Option<String>,
    /// To which key of the workspace configuration.
    pub conf_key: Option<String>,
}

impl Event {
    /// Whether a token stops working that the server made for the admin, and that clients most likely use.
    pub fn ends_admin_token(&self) -> bool {
        let ends = matches!(self.kind, EventKind::TokenExpired | EventKind::TokenAutoRevoked);
        ends && self.comment.as_deref() == Some(ADMIN_TOKEN_COMMENT)
    }
}

/// A workspace's clock and what it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockState {
    /// The clock.
    pub clock: WorkspaceClock,
    /// What it shows.
    pub now: Millis,
}

/// How far to advance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdvanceTarget {
    /// By so many milliseconds.
    By(i64),
    /// To this instant.
    To(Millis),
    /// To the next event of this kind.
    Next(EventKind),
    /// To the next event of this token.
    Token(TokenId),
}

/// The outcome of an advance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvanceOutcome {
    /// The clock afterwards.
    pub state: ClockState,
    /// What happened on the way, in order; the first thousand.
    pub events: Vec<Event>,
}

impl Service {
    /// A workspace's clock.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]
    pub async fn clock(&self, id: WorkspaceId) -> Result<ClockState, Error> {
        let workspace = self.workspace(id).await?;
        Ok(self.clock_state(&workspace))
    }

    fn clock_state(&self, workspace: &Workspace) -> ClockState {
        ClockState { clock: workspace.clock, now: workspace.clock.at(self.system_now()) }
    }

    /// Keeps the latest time that this process has shown, and takes over what others have: after a restart, and in
    /// every other process, no clock shows anything earlier.
    pub async fn persist_time(&self) -> Result<(), Error> {
        let shown = self.clock.shown();
        if shown.0 > self.persisted_time.load(Ordering::Acquire) {
            let mut writer = self.store.write(Lock::Time).await?;
            writer.record_shown_at(shown).await?;
            writer.commit().await?;
            self.persisted_time.fetch_max(shown.0, Ordering::AcqRel);
        }
        if self.may_have_replicas() {
            let kept = self.store.read().await?.find_shown_at().await?;
            self.raise_time(kept);
        }
        Ok(())
    }

    /// Lets no clock of this process show anything before what is kept.
    pub(super) fn raise_time(&self, kept: Millis) {
        self.clock.raise(kept);
        self.persisted_time.fetch_max(kept.0, Ordering::AcqRel);
    }

    /// Keeps the time before a credential is refused as expired, unless the time that is kept refuses it as well: so
    /// no restart and no other process accepts it again. It costs one write for each credential that expires.
    pub(super) async fn persist_time_of_end(&self, facts: &Facts, system: Millis) -> Result<(), Error> {
        let Some(workspace) = &facts.workspace else { return Ok(()) };
        let kept = Millis(self.persisted_time.load(Ordering::Acquire));
        let is_over = |system: Millis| match &facts.found {
            CredentialRecord::Token(token) => {
                token.state(&workspace.behaviour, workspace.clock.at(system)) != TokenState::Live
            }
            CredentialRecord::Access(claims, clock) => clock.at(system) >= claims.expiry(),
            _ => false,
        };
        if is_over(system) && !is_over(kept) { self.persist_time().await } else { Ok(()) }
    }

    /// Sets a clock's mode; `make` gets the time that it shows now. Time only goes forward, so that
    /// nothing that happened is undone.
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
            if let Some(advanced) = self.move_clock(reader, &workspace, clock, now, system).await? {
                return Ok(advanced);
            }
        }
        Err(StoreError::Replaced.into())
    }

    /// Advances a clock and carries out what is due on the way before it answers.
    ///
    /// # Errors
    /// [`ControlDenial::TimeGoesForward`]; [`ControlDenial::NothingComes`] when no such event is to come.
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
            if let Some(advanced) = self.move_clock(reader, &workspace, clock, now, system).await? {
                return Ok(advanced);
            }
        }
        Err(StoreError::Replaced.into())
    }

    /// Moves a clock, unless somebody else has moved it since it was read: then `None`. What comes on the way is looked
    /// up before the lock is taken, as that takes longer the more tokens there are.
    async fn move_clock(
        &self,
        mut reader: Reader,
        workspace: &Workspace,
        clock: WorkspaceClock,
        now: Millis,
        system: Millis,
    ) -> Result<Option<AdvanceOutcome>, Error> {
        let after = clock.at(system);
        if after < now {
            return Err(ControlDenial::TimeGoesForward { now, wanted: after }.into());
        }
        let mut events = upcoming(&mut reader, workspace, now).await?;
        events.retain(|event| event.at <= after);
        events.truncate(EVENTS_TOLD);
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
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]
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

    /// What comes next in a workspace, at most `limit` events, and at most a thousand.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]
    pub async fn upcoming(&self, id: WorkspaceId, limit: usize) -> Result<Vec<Event>, Error> {
        let mut reader = self.store.read().await?;
        let workspace = reader.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        let now = workspace.clock.at(self.system_now());
        let mut events = upcoming(&mut reader, &workspace, now).await?;
        events.truncate(limit.min(EVENTS_TOLD));
        Ok(events)
    }

    /// Ends every token that is due and narrows those whose auto-scoping has ended, in batches, each in a
    /// transaction with its audit events. The timing of the sweep has no visible effect: lists and checks
    /// ask the time themselves. Answers how many tokens it ended or narrowed.
    pub async fn sweep(&self, id: WorkspaceId) -> Result<u64, Error> {
        let mut ended = 0;
        let mut told = Instant::now();
        // Looked up without the lock first: most of the time nothing is due, and nobody should wait.
        while self.is_any_due(id).await? {
            let mut writer = self.store.write(Lock::Workspace(id)).await?;
            let Some(workspace) = writer.find_workspace(id).await? else { break };
            let now = workspace.clock.at(self.system_now());
            let horizon = Visibility::with_expired(&workspace.behaviour, now);
            let due = writer.list_due_tokens(id, horizon, SWEEP_BATCH).await?;
            let mut batch = self.carry_out(&mut writer, &workspace, &due, now).await?;
            for token in writer.list_due_autoscoping(id, now, SWEEP_BATCH).await? {
                let was_watched = token.is_autoscoping();
                let token = self.settle_autoscope(&mut writer, &workspace, token, now).await?;
                batch += u64::from(was_watched && !token.is_autoscoping());
            }
            writer.commit().await?;
            ended += batch;
            if told.elapsed() >= TOLD_EVERY {
                told = Instant::now();
                tracing::info!(ended, "ending tokens of workspace {id} whose time has come");
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
        let horizon = Visibility::with_expired(&workspace.behaviour, now);
        let is_none_due = reader.list_due_tokens(id, horizon, 1).await?.is_empty();
        Ok(!is_none_due || !reader.list_due_autoscoping(id, now, 1).await?.is_empty())
    }

    /// Stores what auto-scoping came to, with its audit event, where its time is over; answers the token as
    /// it is at `now`. Whatever changes or ends a token calls this before, so that the audit log tells the
    /// same whether the sweep was there or not.
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

    /// Sweeps every workspace.
    pub async fn sweep_all(&self) -> Result<u64, Error> {
        let ids = self.store.read().await?.list_workspace_ids().await?;
        let mut ended = 0;
        for id in ids {
            ended += self.sweep(id).await?;
        }
        Ok(ended)
    }

    /// Ends tokens whose time has come; answers how many.
    pub(super) async fn carry_out(
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

/// The instant that is meant, when it is `now`.
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
            next.ok_or_else(|| ControlDenial::NothingComes(format!("token {token}")))?.1
        }
    })
}

/// What comes after `now`, in order: exact for the first [`SCHEDULE_SCAN`] tokens of each order.
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
