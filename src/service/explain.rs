//! Dry runs: whether a hypothetical request would be allowed or refused.

use super::{Error, Service};
use crate::domain::authorize::{
    self, CredentialRecord, Decision, Demand, Facts, NamedWorkspace, Owner, Parties, PresentedCredential, Step,
};
use crate::domain::clock::WorkspaceClock;
use crate::domain::identities::{Principal, PrincipalKind};
use crate::domain::settings::AUTOSCOPE_DAYS;
use crate::domain::tokens::{Token, TokenFacts, TokenRequest, Visibility, plan_create};
use crate::domain::{Denial, Millis, TokenId, Workspace, WorkspaceId};
use crate::store::Reader;

/// A hypothetical request.
#[derive(Clone, Debug)]
pub struct DryRun {
    /// The caller's `userName` or application id.
    pub principal: String,
    pub demand: Demand,
    /// `None` for a hypothetical new token for all APIs.
    pub token: Option<TokenId>,
    /// The time on the workspace's clock; now when `None`.
    pub at: Option<Millis>,
    /// The body, if the request creates a token.
    pub creates: Option<TokenRequest>,
}

/// The decision on a hypothetical request.
#[derive(Clone, Debug)]
pub struct DryOutcome {
    pub trace: Vec<Step>,
    pub denial: Option<Denial>,
    pub parties: Parties,
}

impl Service {
    /// Decides a hypothetical request. Nothing changes, and no use is recorded.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`], [`Denial::PrincipalNameNotFound`], [`Denial::TokenNotFound`].
    pub async fn dry_run(&self, id: WorkspaceId, run: &DryRun) -> Result<DryOutcome, Error> {
        let mut reader = self.store.read().await?;
        let mut workspace = reader.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        if let Some(at) = run.at {
            workspace.clock = WorkspaceClock::frozen(at);
        }
        let now = workspace.clock.at(self.system_now());
        let principal = find_by_name(&mut reader, &workspace, &run.principal).await?;
        let found = match &run.token {
            Some(token) => find_token(&mut reader, id, token).await?,
            None => CredentialRecord::Token(hypothetical_token(id, &principal, now)),
        };
        let owner = owner_of(&mut reader, &workspace, principal).await?;
        let (owner_id, cap_days) = (owner.id, workspace.lifetime_cap_days(now));
        let live = Visibility::new(&workspace.behaviour, now);
        let live_tokens = reader.count_tokens_of(id, owner_id, live).await?;
        let facts = Facts { workspace: Some(workspace), token_belongs_to: None, found, owner: Some(owner) };
        let presented = PresentedCredential::Token(TokenId::from_text(""));
        let decision = authorize::authorize(&presented, &NamedWorkspace::Unnamed, run.demand, facts, self.system_now());
        let Decision { trace, outcome, parties, .. } = decision;
        let denial = outcome.err().map(Denial::from).or_else(|| {
            let request = run.creates.as_ref()?;
            plan_create(request, TokenFacts { cap_days, live_tokens, autoscope_days: AUTOSCOPE_DAYS }, now).err()
        });
        Ok(DryOutcome { trace, denial, parties })
    }
}

/// A live or ended token of the workspace.
async fn find_token(reader: &mut Reader, workspace: WorkspaceId, id: &TokenId) -> Result<CredentialRecord, Error> {
    if let Some(token) = reader.find_token(workspace, id).await? {
        return Ok(CredentialRecord::Token(token));
    }
    let ended = reader.find_ended_tokens(id).await?.into_iter().find(|found| found.workspace.id == workspace);
    let ended = ended.and_then(|found| Some(CredentialRecord::Ended(found.token, found.ended?)));
    Ok(ended.ok_or_else(|| Denial::TokenNotFound(id.clone()))?)
}

/// A principal with its standing, as the checks need it.
pub(super) async fn owner_of(reader: &mut Reader, workspace: &Workspace, principal: Principal) -> Result<Owner, Error> {
    let standing = reader.workspace_memberships(workspace, principal.id).await?;
    Ok(Owner::new(principal.id, principal.kind, principal.name, standing))
}

async fn find_by_name(reader: &mut Reader, workspace: &Workspace, name: &str) -> Result<Principal, Error> {
    for kind in [PrincipalKind::User, PrincipalKind::ServicePrincipal] {
        if let Some(found) = reader.find_assigned_named(workspace, kind, name).await? {
            return Ok(found);
        }
    }
    Err(Denial::PrincipalNameNotFound("UserName", name.to_owned()).into())
}

fn hypothetical_token(workspace: WorkspaceId, owner: &Principal, now: Millis) -> Token {
    Token {
        workspace,
        id: TokenId::from_text(""),
        owner: owner.id,
        created_by: owner.id,
        created_by_username: owner.name.clone(),
        comment: String::new(),
        creation_time: now,
        expiry_time: None,
        last_used: None,
        scopes: None,
        autoscope_state: None,
        autoscope_until: None,
        inferred_scopes: None,
        backfill_scopes: None,
    }
}
