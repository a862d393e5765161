//! Why was a request refused, or allowed: the last decisions of this process, and dry runs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Error, Service};
use crate::domain::authorize::{self, Decision, Demand, Facts, Found, NamedWorkspace, Owner, Presented, Step};
use crate::domain::clock::WorkspaceClock;
use crate::domain::fault::Fault;
use crate::domain::identity::{Principal, PrincipalKind};
use crate::domain::token::{Token, TokenFacts, TokenRequest, plan_create};
use crate::domain::{Denial, Millis, TokenId, Workspace, WorkspaceId};
use crate::store::Reader;

/// Most decisions that are kept.
const RING_COUNT: usize = 2_000;
/// Most bytes of them, roughly.
const RING_BYTES: usize = 4 * 1024 * 1024;

/// One request and how it was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The answer's `X-Request-Id`.
    pub request_id: String,
    /// The workspace that answered.
    pub workspace: Option<WorkspaceId>,
    /// When, on the system's clock.
    pub at: Millis,
    /// The method.
    pub method: String,
    /// The path, without secrets.
    pub path: String,
    /// What the path demands.
    pub demand: Demand,
    /// What was asked for, where a token was to be created.
    pub creates: Option<TokenRequest>,
    /// The presented token.
    pub token: Option<TokenId>,
    /// Who called, where somebody could be identified.
    pub caller: Option<String>,
    /// The checks that ran, in order.
    pub trace: Vec<Step>,
    /// The answer's status; 0 when the connection was dropped instead.
    pub status: u16,
    /// The faults that fired.
    pub faults: Vec<Fault>,
    /// The refusal, where there was one.
    pub denial: Option<Denial>,
}

impl Explained {
    fn size(&self) -> usize {
        let steps: usize = self.trace.iter().map(|step| 64 + step.because.len()).sum();
        512 + self.path.len() + steps + self.faults.len() * 512
    }

    /// The fault that decided about the answer, if one did.
    pub fn answered_by(&self) -> Option<&Fault> {
        self.faults.last().filter(|fault| fault.rule.answers())
    }
}

/// The last decisions, bounded in count and bytes.
#[derive(Clone, Debug, Default)]
pub struct Explanations(Arc<Mutex<Ring>>);

#[derive(Debug, Default)]
struct Ring {
    records: VecDeque<Arc<Explained>>,
    bytes: usize,
}

impl Explanations {
    /// Keeps a decision; the oldest ones make room.
    pub fn keep(&self, record: Explained) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.bytes += record.size();
        ring.records.push_back(Arc::new(record));
        while ring.records.len() > RING_COUNT || ring.bytes > RING_BYTES {
            let Some(oldest) = ring.records.pop_front() else { break };
            ring.bytes -= oldest.size();
        }
    }

    /// The decision about a request.
    pub fn find(&self, request_id: &str) -> Option<Arc<Explained>> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.records.iter().rev().find(|record| record.request_id == request_id).cloned()
    }

    /// The decisions about a workspace's requests, newest first.
    pub fn of_workspace(&self, id: WorkspaceId) -> Vec<Arc<Explained>> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.records.iter().rev().filter(|record| record.workspace == Some(id)).cloned().collect()
    }

    /// Drops what there is about a workspace's requests.
    pub fn forget(&self, id: WorkspaceId) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.records.retain(|record| record.workspace != Some(id));
        ring.bytes = ring.records.iter().map(|record| record.size()).sum();
    }

    /// The newest refusal or fault, or the newest decision where none was refused.
    pub fn last(&self) -> Option<Arc<Explained>> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let refused =
            ring.records.iter().rev().find(|record| record.denial.is_some() || record.answered_by().is_some());
        refused.or_else(|| ring.records.back()).cloned()
    }
}

/// A request that is only imagined.
#[derive(Clone, Debug)]
pub struct DryRun {
    /// Who calls: a `userName` or application id.
    pub principal: String,
    /// What the path demands.
    pub demand: Demand,
    /// The token that is used; an imagined new one for all APIs when `None`.
    pub token: Option<TokenId>,
    /// When, on the workspace's clock; now when `None`.
    pub at: Option<Millis>,
    /// What is asked for, where a token is to be created.
    pub creates: Option<TokenRequest>,
}

/// What would be decided.
#[derive(Clone, Debug)]
pub struct DryOutcome {
    /// The checks, in order.
    pub trace: Vec<Step>,
    /// The refusal, where there would be one.
    pub denial: Option<Denial>,
}

impl Service {
    /// Decides an imagined request; nothing changes, and no use is recorded.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`], [`Denial::PrincipalNameNotFound`], [`Denial::TokenNotFound`].
    pub async fn dry_run(&self, id: WorkspaceId, run: &DryRun) -> Result<DryOutcome, Error> {
        let mut reader = self.store.read().await?;
        let mut workspace = reader.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        if let Some(at) = run.at {
            workspace.clock = WorkspaceClock::Frozen(at);
        }
        let now = workspace.clock.at(self.system_now());
        let principal = find_by_name(&mut reader, &workspace, &run.principal).await?;
        let found = match &run.token {
            Some(token) => known_token(&mut reader, id, token).await?,
            None => Found::Token(imagined_token(id, &principal, now)),
        };
        let owner = owner_of(&mut reader, &workspace, principal).await?;
        let (owner_id, cap_days) = (owner.id, workspace.lifetime_cap_days(now));
        let live = crate::domain::token::Horizon::new(&workspace.behaviour, now);
        let live_tokens = reader.count_tokens_of(id, owner_id, live).await?;
        let facts = Facts { workspace: Some(workspace), token_belongs_to: None, found, owner: Some(owner) };
        let presented = Presented::Token(TokenId::from_text(""));
        let decision = authorize::authorize(&presented, &NamedWorkspace::Unnamed, run.demand, facts, self.system_now());
        let Decision { trace, outcome, .. } = decision;
        let denial = outcome.err().or_else(|| {
            let request = run.creates.as_ref()?;
            plan_create(request, TokenFacts { cap_days, live_tokens }, now).err()
        });
        Ok(DryOutcome { trace, denial })
    }
}

/// A token of the workspace, also one that has ended.
async fn known_token(reader: &mut Reader, workspace: WorkspaceId, id: &TokenId) -> Result<Found, Error> {
    if let Some(token) = reader.find_token(workspace, id).await? {
        return Ok(Found::Token(token));
    }
    let ended = reader.find_ended(id).await?.into_iter().find(|found| found.workspace.id == workspace);
    let ended = ended.and_then(|found| Some(Found::Ended(found.token, found.ended?)));
    Ok(ended.ok_or_else(|| Denial::TokenNotFound(id.clone()))?)
}

/// A principal as the checks see it.
pub(super) async fn owner_of(reader: &mut Reader, workspace: &Workspace, principal: Principal) -> Result<Owner, Error> {
    let standing = reader.standing(workspace, principal.id).await?;
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

fn imagined_token(workspace: WorkspaceId, owner: &Principal, now: Millis) -> Token {
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
        inferred_scopes: None,
    }
}
