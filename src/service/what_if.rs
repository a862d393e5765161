//! What would stop working if a setting, the permissions or the time were different. Every live token and every journal
//! entry is decided again under the hypothesis; nothing changes.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::explain::owner_of;
use super::{Error, JournalEntry, Service};
use crate::domain::authorize::{
    CredentialRecord, Demand, Facts, NamedWorkspace, Owner, PresentedCredential, Step, authorize,
};
use crate::domain::clock::WorkspaceClock;
use crate::domain::identities::{Principal, PrincipalKind};
use crate::domain::permissions::{ChangeMode, Entries, RequestedEntry, apply};
use crate::domain::settings::ConfValue;
use crate::domain::tokens::{Token, TokenFacts, Visibility, plan_create};
use crate::domain::{Denial, Millis, PrincipalId, TokenId, Workspace, WorkspaceId};
use crate::store::{Reader, StoreError};

/// A hypothetical change; `None` leaves the present value.
#[derive(Clone, Debug, Default)]
pub struct Hypothesis {
    /// `maxTokenLifetimeDays`.
    pub max_token_lifetime: Option<String>,
    /// `enableTokensConfig`.
    pub enable_tokens: Option<String>,
    /// The access control list of tokens, replacing the present one.
    pub permissions: Option<Vec<RequestedEntry>>,
    /// The time on the workspace's clock.
    pub at: Option<Millis>,
}

impl Hypothesis {
    pub fn is_empty(&self) -> bool {
        self.max_token_lifetime.is_none()
            && self.enable_tokens.is_none()
            && self.permissions.is_none()
            && self.at.is_none()
    }
}

/// What works now and would fail under a hypothesis.
#[derive(Clone, Debug, Default)]
pub struct Impact {
    /// Tokens with the owner's name and the check that would refuse them.
    pub tokens: Vec<(Token, Option<String>, Step)>,
    /// Requests that were not refused, and why they would be.
    pub requests: Vec<(Arc<JournalEntry>, String)>,
    /// The names of the workspace's admins who would be locked out.
    pub locked_out: Vec<String>,
    /// The last clients of those tokens with the number of tokens each, most first.
    pub clients: Vec<(String, usize)>,
    pub permission: PermissionChange,
    pub tokens_looked_at: usize,
    pub requests_looked_at: usize,
}

/// The users and service principals that a change of the access control list affects, whether or not they have tokens.
/// Only active ones, because no other may do anything in the workspace. Sorted by name.
#[derive(Clone, Debug, Default)]
pub struct PermissionChange {
    pub lost: Vec<Principal>,
    pub gained: Vec<Principal>,
}

impl Service {
    /// # Errors
    /// [`Denial::WorkspaceNotFound`], and the refusal of the hypothetical permissions.
    pub async fn what_if(&self, id: WorkspaceId, hypothesis: &Hypothesis) -> Result<Impact, Error> {
        let requests = self.journal_entries(&self.workspace(id).await?, 0).await?;
        let mut reader = self.store.read().await?;
        let present = reader.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        let now = present.clock.at(self.system_now());
        let present = Workspace { clock: WorkspaceClock::frozen(now), ..present };
        let hypothetical = with_hypothesis(&present, hypothesis, now);
        let entries = match &hypothesis.permissions {
            Some(requested) => Some(resolve(&mut reader, &present, requested).await?),
            None => None,
        };

        let mut impact = Impact::default();
        let mut decided: HashMap<TokenId, Option<Step>> = HashMap::new();
        let mut owners: HashMap<PrincipalId, Option<Owner>> = HashMap::new();
        let live = Visibility::new(&present.behaviour, now);
        for token in reader.list_tokens(id, None, None, live).await? {
            if let Entry::Vacant(unknown) = owners.entry(token.owner) {
                let owner = match reader.find_principal(present.account, token.owner).await? {
                    Some(principal) => Some(owner_of(&mut reader, &present, principal).await?),
                    None => None,
                };
                unknown.insert(owner);
            }
            let owner = owners.get(&token.owner).cloned().flatten();
            impact.tokens_looked_at += 1;
            let then = owner.clone().map(|owner| with_entries(owner, entries.as_ref()));
            let works_now = refusal(&present, &token, owner.clone()).is_none();
            let refused_then = refusal(&hypothetical, &token, then).filter(|_| works_now);
            decided.insert(token.id.clone(), refused_then.clone());
            if let Some(step) = refused_then {
                impact.tokens.push((token, owner.map(|owner| owner.name), step));
            }
        }

        let then = hypothetical.clock.at(now);
        if !hypothetical.tokens_enabled(then) {
            impact.locked_out = locked_out(&mut reader, &present, now).await?;
        }
        if let Some(entries) = &entries {
            impact.permission = permission_change(&mut reader, &present, entries).await?;
        }
        impact.clients = count_clients(reader.list_last_clients(id, live).await?, &impact.tokens);
        impact.decide_requests(requests, &decided, &hypothetical, then);
        Ok(impact)
    }
}

impl Impact {
    /// Decides requests again, newest first, by the decisions on their tokens.
    fn decide_requests(
        &mut self,
        requests: Vec<Arc<JournalEntry>>,
        decided: &HashMap<TokenId, Option<Step>>,
        workspace: &Workspace,
        now: Millis,
    ) {
        let cap_days = workspace.lifetime_cap_days(now);
        let cap = TokenFacts { cap_days, live_tokens: 0, autoscope_days: workspace.behaviour.autoscope_days };
        for request in requests.into_iter().rev() {
            if request.trace.is_empty() || request.why.is_some() {
                continue;
            }
            self.requests_looked_at += 1;
            let token = request.token.as_ref().and_then(|token| decided.get(token));
            let by_token = token.and_then(|step| step.as_ref()).map(|step| step.because.clone());
            let by_cap = || {
                let refused = plan_create(request.creates.as_ref()?, cap, now).err()?;
                matches!(refused, Denial::LifetimeAboveCap { .. })
                    .then(|| format!("its lifetime is above the cap of {cap_days} days"))
            };
            if let Some(why) = by_token.or_else(by_cap) {
                self.requests.push((request, why));
            }
        }
    }
}

/// The names of a workspace's admins that can authenticate only by token: service principals without an OAuth secret.
/// Users can sign in \[inferred\], see [`USERS_SIGN_IN`](crate::domain::access::USERS_SIGN_IN).
pub(super) async fn locked_out(
    reader: &mut Reader,
    workspace: &Workspace,
    now: Millis,
) -> Result<Vec<String>, StoreError> {
    let live = Visibility::new(&workspace.behaviour, now);
    let mut names = Vec::new();
    for owner in reader.list_owners_without_other_access(workspace, live, now).await? {
        if reader.workspace_memberships(workspace, owner.id).await?.is_workspace_admin() {
            names.push(owner.name);
        }
    }
    Ok(names)
}

fn count_clients(last: Vec<(TokenId, String)>, tokens: &[(Token, Option<String>, Step)]) -> Vec<(String, usize)> {
    let broken_ids: HashSet<&TokenId> = tokens.iter().map(|(token, ..)| &token.id).collect();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, client) in last.into_iter().filter(|(token, _)| broken_ids.contains(token)) {
        *counts.entry(client).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    counts
}

fn with_hypothesis(present: &Workspace, hypothesis: &Hypothesis, now: Millis) -> Workspace {
    let conf = |value: &Option<String>, present: &Option<ConfValue>| match value {
        Some(value) => Some(ConfValue { value: value.clone(), previous: None, effective_at: now }),
        None => present.clone(),
    };
    Workspace {
        clock: WorkspaceClock::frozen(hypothesis.at.unwrap_or(now)),
        enable_tokens: conf(&hypothesis.enable_tokens, &present.enable_tokens),
        max_token_lifetime: conf(&hypothesis.max_token_lifetime, &present.max_token_lifetime),
        ..present.clone()
    }
}

async fn resolve(reader: &mut Reader, workspace: &Workspace, requested: &[RequestedEntry]) -> Result<Entries, Error> {
    let mut change = Vec::with_capacity(requested.len());
    for entry in requested {
        change.push(super::permissions::resolve_entry(reader, workspace, entry).await?);
    }
    // Merged into an empty list, because a replacement would have to include the admins.
    Ok(apply(&Entries::new(), &change, ChangeMode::Merge, workspace.admins_group)?)
}

async fn permission_change(
    reader: &mut Reader,
    workspace: &Workspace,
    then: &Entries,
) -> Result<PermissionChange, StoreError> {
    let listed = reader.list_token_permissions(workspace).await?;
    let now: Entries = listed.into_iter().map(|(principal, level)| (principal.id, level)).collect();
    let (now, then) = (holders(reader, workspace, &now).await?, holders(reader, workspace, then).await?);
    // Everybody is in `users`.
    let holds = |holders: &HashSet<PrincipalId>, id: PrincipalId| {
        holders.contains(&workspace.users_group) || holders.contains(&id)
    };
    let mut change = PermissionChange::default();
    for (principal, place) in reader.list_assigned(workspace).await? {
        if principal.kind == PrincipalKind::Group || !principal.active || !place.active {
            continue;
        }
        match (holds(&now, principal.id), holds(&then, principal.id)) {
            (true, false) => change.lost.push(principal),
            (false, true) => change.gained.push(principal),
            _ => {}
        }
    }
    for principals in [&mut change.lost, &mut change.gained] {
        principals.sort_by_cached_key(|principal| Principal::name_key(&principal.name));
    }
    Ok(change)
}

/// The principals that may use tokens by a list: its entries, the group `admins`, and all their members.
async fn holders(
    reader: &mut Reader,
    workspace: &Workspace,
    entries: &Entries,
) -> Result<HashSet<PrincipalId>, StoreError> {
    let mut holders = HashSet::new();
    for subject in entries.keys().chain([&workspace.admins_group]) {
        if !holders.contains(subject) {
            holders.extend(reader.list_transitive_members(workspace.account, *subject).await?);
        }
    }
    Ok(holders)
}

fn with_entries(mut owner: Owner, entries: Option<&Entries>) -> Owner {
    if let Some(entries) = entries {
        for membership in &mut owner.standing.memberships {
            membership.level = entries.get(&membership.subject).copied();
        }
    }
    owner
}

/// The check that refuses the use of a token.
fn refusal(workspace: &Workspace, token: &Token, owner: Option<Owner>) -> Option<Step> {
    let found = CredentialRecord::Token(token.clone());
    let facts = Facts { workspace: Some(workspace.clone()), token_belongs_to: None, found, owner };
    let presented = PresentedCredential::Token(token.id.clone());
    let decision = authorize(&presented, &NamedWorkspace::Unnamed, Demand::UNROUTED, facts, token.creation_time);
    decision.trace.into_iter().last().filter(|step| !step.passed)
}
