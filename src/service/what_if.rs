//! What would stop working if a setting, the permissions or the time were different.

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

/// What is imagined; `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Hypothesis {
    /// Another `maxTokenLifetimeDays`.
    pub max_token_lifetime: Option<String>,
    /// Another `enableTokensConfig`.
    pub enable_tokens: Option<String>,
    /// Another access control list of tokens, in place of the present one.
    pub permissions: Option<Vec<RequestedEntry>>,
    /// Another time, on the workspace's clock.
    pub at: Option<Millis>,
}

impl Hypothesis {
    /// Whether nothing is imagined.
    pub fn is_empty(&self) -> bool {
        self.max_token_lifetime.is_none()
            && self.enable_tokens.is_none()
            && self.permissions.is_none()
            && self.at.is_none()
    }
}

/// What works now and would fail then.
#[derive(Clone, Debug, Default)]
pub struct Impact {
    /// Tokens, with the owner's name and the check that would refuse them.
    pub tokens: Vec<(Token, Option<String>, Step)>,
    /// Journalled requests that were answered without a refusal, and why they would be refused.
    pub requests: Vec<(Arc<JournalEntry>, String)>,
    /// Admins of the workspace that would not get in any more, by name.
    pub locked_out: Vec<String>,
    /// The clients that used those tokens last, and how many of them each did: most first.
    pub clients: Vec<(String, usize)>,
    /// Whose permission to create and use tokens would be another.
    pub permission: PermissionChange,
    /// How many tokens were looked at.
    pub tokens_looked_at: usize,
    /// How many requests were looked at.
    pub requests_looked_at: usize,
}

/// The users and service principals whose permission on tokens a change of the list changes, with or without tokens:
/// those that are active in the workspace, as nobody else may do anything there. By name.
#[derive(Clone, Debug, Default)]
pub struct PermissionChange {
    /// Who could no longer create and use tokens.
    pub lost: Vec<Principal>,
    /// Who newly could.
    pub gained: Vec<Principal>,
}

impl Service {
    /// Decides every token's use and every kept request anew under the hypothesis; nothing changes.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]; those of the permissions that are imagined.
    pub async fn what_if(&self, id: WorkspaceId, hypothesis: &Hypothesis) -> Result<Impact, Error> {
        let requests = self.journal_entries(&self.workspace(id).await?, 0).await?;
        let mut reader = self.store.read().await?;
        let present = reader.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        let now = present.clock.at(self.system_now());
        let present = Workspace { clock: WorkspaceClock::frozen(now), ..present };
        let imagined = imagine(&present, hypothesis, now);
        let entries = match &hypothesis.permissions {
            Some(requested) => Some(resolve(&mut reader, &present, requested).await?),
            None => None,
        };

        let mut broken = Impact::default();
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
            broken.tokens_looked_at += 1;
            let then = owner.clone().map(|owner| with_entries(owner, entries.as_ref()));
            let works_now = refusal(&present, &token, owner.clone()).is_none();
            let refused_then = refusal(&imagined, &token, then).filter(|_| works_now);
            decided.insert(token.id.clone(), refused_then.clone());
            if let Some(step) = refused_then {
                broken.tokens.push((token, owner.map(|owner| owner.name), step));
            }
        }

        let then = imagined.clock.at(now);
        if !imagined.tokens_enabled(then) {
            broken.locked_out = locked_out(&mut reader, &present, now).await?;
        }
        if let Some(entries) = &entries {
            broken.permission = permission_change(&mut reader, &present, entries).await?;
        }
        broken.clients = count_clients(reader.list_last_clients(id, live).await?, &broken.tokens);
        let cap = TokenFacts {
            cap_days: imagined.lifetime_cap_days(then),
            live_tokens: 0,
            autoscope_days: imagined.behaviour.autoscope_days,
        };
        for request in requests.into_iter().rev() {
            if request.trace.is_empty() || request.why.is_some() {
                continue;
            }
            broken.requests_looked_at += 1;
            let token = request.token.as_ref().and_then(|token| decided.get(token));
            let by_token = token.and_then(|step| step.as_ref()).map(|step| step.because.clone());
            let by_cap = || {
                let refused = plan_create(request.creates.as_ref()?, cap, then).err()?;
                matches!(refused, Denial::LifetimeAboveCap { .. })
                    .then(|| format!("its lifetime is above the cap of {} days", cap.cap_days))
            };
            if let Some(why) = by_token.or_else(by_cap) {
                broken.requests.push((request, why));
            }
        }
        Ok(broken)
    }
}

/// The admins of a workspace that get in with a token and nothing else: service principals without an OAuth
/// secret. Users sign in \[inferred\], see [`USERS_SIGN_IN`](crate::domain::access::USERS_SIGN_IN).
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
    let broken: HashSet<&TokenId> = tokens.iter().map(|(token, ..)| &token.id).collect();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, client) in last.into_iter().filter(|(token, _)| broken.contains(token)) {
        *counts.entry(client).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    counts
}

fn imagine(present: &Workspace, hypothesis: &Hypothesis, now: Millis) -> Workspace {
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
    // Merged into nothing and not replaced: the list says who else holds a permission, and may leave out admins.
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
    // `users` holds everybody.
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

/// All whom a list lets use tokens: those in it and in `admins`, with what they hold.
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

/// The check that refuses a token's use, if one does.
fn refusal(workspace: &Workspace, token: &Token, owner: Option<Owner>) -> Option<Step> {
    let found = CredentialRecord::Token(token.clone());
    let facts = Facts { workspace: Some(workspace.clone()), token_belongs_to: None, found, owner };
    let presented = PresentedCredential::Token(token.id.clone());
    let decision = authorize(&presented, &NamedWorkspace::Unnamed, Demand::UNROUTED, facts, token.creation_time);
    decision.trace.into_iter().last().filter(|step| !step.passed)
}
