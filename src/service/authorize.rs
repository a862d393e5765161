//! Takes a request from its credential to a caller: loads the facts, lets `domain::authorize` run the ordered checks,
//! and records the use of the token. Refused attempts are recorded in the audit log. Start reading at
//! [`Service::authorize`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use super::{Call, Error, InFlightGuard, Service};
use crate::domain::audit::{Action, NewEvent, Origin};
use crate::domain::authorize::{
    self, Caller, CredentialRecord, Decision, Demand, Facts, NamedWorkspace, Owner, PresentedCredential, Use,
};
use crate::domain::{TokenId, Workspace, WorkspaceId};
use crate::entropy::{Entropy, SeededEntropy};
use crate::store::{Lock, PresentedOwner, PresentedToken, Reader, StoreError, TokenUse};

/// A decision, and what the rest of the request requires.
#[derive(Debug)]
pub struct Authorized {
    pub decision: Decision,
    /// Keeps the workspace from being replaced until the request has its answer.
    pub in_flight: Option<InFlightGuard>,
    /// Where the request came from, under an id that is drawn from the workspace's seed if it has one.
    pub origin: Arc<Origin>,
    /// The workspace that answers, if it has armed faults.
    pub faults_of: Option<WorkspaceId>,
    /// The incarnation of the workspace that answers; 0 if none is known.
    pub incarnation: i64,
    /// The workspace in which the credential is a decoy.
    pub decoy_of: Option<WorkspaceId>,
}

/// A refusal, as the audit log records it.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// The caller, if it is known.
    pub actor: Option<&'a str>,
    pub origin: &'a Origin,
    pub status: u16,
    pub message: &'a str,
    /// Whether the audit entry belongs to the account and not to the workspace.
    pub account_level: bool,
}

/// How long a request waits to record the use of its token: longer than one batch of long work takes. Work that holds
/// SQLite's only writer for longer must not keep requests from reading.
const USE_PATIENCE: Duration = Duration::from_secs(1);
/// Most uses that wait to be recorded; further ones are not recorded.
const MOST_LATE_USES: usize = 10_000;

#[derive(Debug)]
struct LateUse {
    caller: Caller,
    used: Use,
    origin: Origin,
}

/// Uses that are still to be recorded: the last one of each token.
#[derive(Clone, Debug, Default)]
pub(super) struct LateUses(Arc<Mutex<HashMap<LateKey, Arc<LateUse>>>>);

type LateKey = (WorkspaceId, TokenId);

impl LateUses {
    fn lock(&self) -> MutexGuard<'_, HashMap<LateKey, Arc<LateUse>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, caller: &Caller, used: &Use, origin: &Origin) {
        let Some(token) = &caller.token else { return };
        let key = (caller.workspace.id, token.clone());
        let mut waiting = self.lock();
        if waiting.len() < MOST_LATE_USES || waiting.contains_key(&key) {
            let late = LateUse { caller: caller.clone(), used: used.clone(), origin: origin.clone() };
            waiting.insert(key, Arc::new(late));
        }
    }

    fn all(&self) -> Vec<(LateKey, Arc<LateUse>)> {
        self.lock().iter().map(|(key, late)| (key.clone(), late.clone())).collect()
    }

    /// Forgets a use, unless the token has been used again since.
    fn remove(&self, key: &LateKey, recorded: &Arc<LateUse>) {
        let mut uses = self.lock();
        if uses.get(key).is_some_and(|late| Arc::ptr_eq(late, recorded)) {
            uses.remove(key);
        }
    }
}

impl Service {
    /// Runs the ordered checks. If all pass, records the use and the log-in, at most once a second for one token. See
    /// docs/decisions/0004-checks-in-a-fixed-order.md.
    ///
    /// # Errors
    /// [`Error::Store`]; a refusal is a decision, not an error.
    pub async fn authorize(
        &self,
        presented: &PresentedCredential,
        named: &NamedWorkspace,
        demand: Demand,
        origin: &Arc<Origin>,
    ) -> Result<Authorized, Error> {
        loop {
            let seen = self.in_flight.replacements();
            let facts = self.facts(presented, named, demand).await?;
            let in_flight = match &facts.workspace {
                Some(workspace) => match self.in_flight.enter(workspace.id, seen).await {
                    Some(guard) => Some(guard),
                    None => continue,
                },
                None => None,
            };
            let origin = origin_in(&facts, in_flight.as_ref(), origin);
            let faults_of =
                facts.workspace.as_ref().filter(|workspace| workspace.has_faults).map(|workspace| workspace.id);
            let incarnation = facts.workspace.as_ref().map_or(0, |workspace| workspace.incarnation);
            let decoy_of = match facts.found {
                CredentialRecord::Decoy(id) => Some(id),
                _ => None,
            };
            let system = self.clock.now();
            unless_unwritable(self.persist_time_of_end(&facts, system).await)?;
            let decision = authorize::authorize(presented, named, demand, facts, system);
            match self.record_login(&decision, &origin).await {
                // By another process, which does not hold back the requests of this one.
                Err(StoreError::Replaced) => {}
                recorded => {
                    unless_unwritable(recorded)?;
                    return Ok(Authorized { decision, in_flight, origin, faults_of, incarnation, decoy_of });
                }
            }
        }
    }

    async fn record_login(&self, decision: &Decision, origin: &Origin) -> Result<(), StoreError> {
        let (Ok(caller), Some(used)) = (&decision.outcome, &decision.used) else { return Ok(()) };
        let recorded = self.record_use(caller, used, origin);
        // On PostgreSQL another process may replace the workspace meanwhile, which only the transaction notices.
        if self.may_have_replicas() {
            return recorded.await;
        }
        if let Ok(recorded) = timeout(USE_PATIENCE, recorded).await {
            return recorded;
        }
        self.late_uses.put(caller, used, origin);
        Ok(())
    }

    async fn record_use(&self, caller: &Caller, used: &Use, origin: &Origin) -> Result<(), StoreError> {
        let Some(token) = &caller.token else { return Ok(()) };
        let mut writer = self.store.write_in(&caller.workspace, Lock::Owner(caller.workspace.id, caller.id)).await?;
        let token_use = TokenUse { at: caller.now, client: &origin.user_agent, inferred_scope: used.inferred_scope };
        writer.record_use(caller.workspace.id, token, &token_use).await?;
        self.record(&mut writer, Call { caller, origin }.entry(Action::token_login(Some(&caller.name), token))).await?;
        writer.commit().await
    }

    /// Records the uses that could not be recorded when they happened, because of long work.
    pub async fn record_late_uses(&self) -> Result<(), Error> {
        for (key, late) in self.late_uses.all() {
            let LateUse { caller, used, origin } = &*late;
            match self.store.read().await?.find_workspace(caller.workspace.id).await? {
                Some(now) if now.incarnation == caller.workspace.incarnation => {
                    self.record_use(caller, used, origin).await?;
                }
                // The workspace was replaced or deleted since.
                _ => {}
            }
            self.late_uses.remove(&key, &late);
        }
        Ok(())
    }

    /// Records in the audit log what was refused: a failed authentication, or the action. A full disk does not turn the
    /// refusal into another answer.
    pub async fn record_refusals(
        &self,
        workspace: WorkspaceId,
        actions: Vec<Action>,
        refused: Refused<'_>,
    ) -> Result<(), Error> {
        if actions.is_empty() {
            return Ok(());
        }
        unless_unwritable(self.insert_refusals(workspace, actions, refused).await)
    }

    async fn insert_refusals(
        &self,
        workspace: WorkspaceId,
        actions: Vec<Action>,
        refused: Refused<'_>,
    ) -> Result<(), StoreError> {
        let Refused { actor, origin, status, message, account_level } = refused;
        let mut writer = self.store.write(Lock::Workspace(workspace)).await?;
        let Some(workspace) = writer.find_workspace(workspace).await? else { return Ok(()) };
        let at = workspace.clock.at(self.system_now());
        let entropy = self.draw(&mut writer, &workspace).await?;
        let event = |action| NewEvent {
            account: workspace.account,
            workspace: workspace.id,
            event_id: entropy.uuid().to_string(),
            at,
            actor,
            origin,
            action,
            status,
            error: Some(message),
            account_level,
        };
        let events: Vec<NewEvent<'_>> = actions.into_iter().map(event).collect();
        writer.insert_events(&events).await?;
        writer.commit().await
    }

    async fn facts(
        &self,
        presented: &PresentedCredential,
        named: &NamedWorkspace,
        demand: Demand,
    ) -> Result<Facts, Error> {
        let nothing = Facts { workspace: None, token_belongs_to: None, found: CredentialRecord::Nothing, owner: None };
        let id = match presented {
            PresentedCredential::Token(id) => id,
            PresentedCredential::AccessToken(token) => return self.access_token_facts(token, named, demand).await,
            PresentedCredential::Nothing | PresentedCredential::Malformed => return Ok(nothing),
        };
        let mut reader = self.store.read().await?;
        let mut picked = pick(reader.find_presented_tokens(id).await?, named);
        if !matches!(picked, Pick::Token(_)) {
            picked = match (pick(reader.find_ended_tokens(id).await?, named), picked) {
                (Pick::Unknown, picked) | (Pick::Elsewhere(_), picked @ Pick::Elsewhere(_)) => picked,
                (ended, _) => ended,
            };
        }
        Ok(match picked {
            Pick::Token(presented) => {
                let PresentedToken { token, workspace, owner, ended } = *presented;
                let owner = match owner {
                    Some(PresentedOwner { kind, name }) => {
                        let standing = reader.workspace_memberships(&workspace, token.owner).await?;
                        Some(Owner::new(token.owner, kind, name, standing))
                    }
                    None => None,
                };
                let found = match ended {
                    Some(ended) => CredentialRecord::Ended(token, ended),
                    None => CredentialRecord::Token(token),
                };
                Facts { workspace: Some(workspace), token_belongs_to: None, found, owner }
            }
            Pick::Elsewhere(own) => Facts { token_belongs_to: Some(own), ..nothing },
            Pick::Unknown => match reader.find_decoy(id).await? {
                // A decoy picks its workspace as a token does.
                Some(own) => {
                    let named_other = matches!(named, NamedWorkspace::Id(id) if *id != own);
                    let at_own = NamedWorkspace::Id(own);
                    let workspace = answering(&mut reader, if named_other { named } else { &at_own }).await?;
                    Facts {
                        workspace,
                        token_belongs_to: named_other.then_some(own),
                        found: CredentialRecord::Decoy(own),
                        ..nothing
                    }
                }
                None => Facts { workspace: answering(&mut reader, named).await?, ..nothing },
            },
        })
    }
}

/// A full disk must not keep requests from reading, so a record of a request may fail.
fn unless_unwritable<E: Into<Error>>(recorded: Result<(), E>) -> Result<(), Error> {
    match recorded.map_err(Into::into) {
        Err(Error::Store(error @ StoreError::Unwritable(_))) => {
            tracing::error!("could not record token use; continuing: {error}");
            Ok(())
        }
        other => other,
    }
}

/// Where the request came from, under an id that is drawn from its workspace's seed if it has one.
fn origin_in(facts: &Facts, in_flight: Option<&InFlightGuard>, origin: &Arc<Origin>) -> Arc<Origin> {
    let (Some(Workspace { id, entropy_seed: Some(seed), .. }), Some(in_flight)) = (&facts.workspace, in_flight) else {
        return origin.clone();
    };
    let entropy: &dyn Entropy = &SeededEntropy::of(*seed, *id, "request", in_flight.number);
    Arc::new(Origin { request_id: entropy.uuid().to_string(), ..Origin::clone(origin) })
}

/// Which workspace's token a value is.
enum Pick {
    Token(Box<PresentedToken>),
    /// The value is known, but not in the named workspace, or in several while none is named.
    Elsewhere(WorkspaceId),
    Unknown,
}

/// Of the workspaces that know the value, the named one answers; else the only one, or the default one. `found` has the
/// default workspace's token first. See docs/decisions/0019-the-credential-picks-the-workspace.md.
fn pick(found: Vec<PresentedToken>, named: &NamedWorkspace) -> Pick {
    let Some(first) = found.first() else { return Pick::Unknown };
    let (own, unambiguous) = (first.workspace.id, found.len() == 1 || first.workspace.is_default);
    let chosen = match named {
        NamedWorkspace::Id(id) => found.into_iter().find(|presented| presented.workspace.id == *id),
        NamedWorkspace::Unnamed => found.into_iter().next().filter(|_| unambiguous),
        NamedWorkspace::Unusable(_) => None,
    };
    chosen.map_or(Pick::Elsewhere(own), |presented| Pick::Token(Box::new(presented)))
}

/// The workspace that answers to an unknown token.
pub(super) async fn answering(reader: &mut Reader, named: &NamedWorkspace) -> Result<Option<Workspace>, StoreError> {
    match named {
        NamedWorkspace::Id(id) => reader.find_workspace(*id).await,
        NamedWorkspace::Unnamed => reader.find_default_workspace().await,
        NamedWorkspace::Unusable(_) => Ok(None),
    }
}
