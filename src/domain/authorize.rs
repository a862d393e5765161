//! The ordered checks that every request passes before its handler runs (spec §4), as one pure
//! function. Its answer carries the trace of the checks, because `explain` and the log show it.

use serde::{Deserialize, Serialize};

use super::access::Standing;
use super::clock::WorkspaceClock;
use super::denial::{AccessDenial, Feature};
use super::jwt::{AccessToken, Claims, Forgery};
use super::settings::{self, Tier};
use super::{AccountId, Millis, PrincipalId, TokenId, Workspace, WorkspaceId, lifecycle};
use crate::domain::identities::PrincipalKind;
use crate::domain::scopes::{self, EndpointScope};
use crate::domain::tokens::{Token, TokenEnd, TokenState};

/// What the request shows as its credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresentedCredential {
    /// No credential, or a scheme that these APIs do not take.
    Nothing,
    /// A bearer that is no token of any known form.
    Malformed,
    /// A well-formed personal access token.
    Token(TokenId),
    /// An OAuth access token of the right form; nobody has looked at its signature yet.
    AccessToken(AccessToken),
}

/// The workspace that the request names by header or query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedWorkspace {
    /// None: the credential alone picks it.
    Unnamed,
    /// This one.
    Id(WorkspaceId),
    /// Text that is no workspace id, or two places that disagree; kept for the answer.
    Unusable(String),
}

/// The right that an endpoint asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// None: the endpoint is open, and no check runs.
    Open,
    /// A valid credential.
    Authenticated,
    /// A valid credential, tokens enabled, and the permission to use them: `token/*`.
    TokenUser,
    /// A workspace admin.
    WorkspaceAdmin,
    /// An account admin who is assigned to the workspace.
    AccountAdmin,
    /// An account admin by OAuth, assigned to a workspace or not: account APIs take no personal
    /// access token.
    AccountApi,
}

/// What an endpoint demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Of the caller.
    pub right: Right,
    /// Of a scoped token.
    pub scope: EndpointScope,
    /// Whether it is one of the token endpoints, which say by name that tokens are disabled.
    pub token_api: bool,
    /// The feature of the premium plan that it belongs to.
    pub feature: Option<Feature>,
}

impl Demand {
    /// What a path without a route demands: authentication comes before routing (spec §6).
    pub const UNROUTED: Self =
        Self { right: Right::Authenticated, scope: EndpointScope::Any, token_api: false, feature: None };
}

/// The owner of the presented credential, as found in its workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its id.
    pub id: PrincipalId,
    /// User or service principal.
    pub kind: PrincipalKind,
    /// `userName` or `applicationId`.
    pub name: String,
    /// Active in the account, and in the workspace and active there. Account endpoints ask
    /// an OAuth principal for the first alone.
    pub active: bool,
    /// Holds the account admin role.
    pub account_admin: bool,
    /// Its groups and permissions.
    pub standing: Standing,
}

impl Owner {
    /// A principal with what it reaches in the workspace.
    pub fn new(id: PrincipalId, kind: PrincipalKind, name: String, standing: Standing) -> Self {
        let (active, account_admin) = (standing.is_active(), standing.is_account_admin());
        Self { id, kind, name, active, account_admin, standing }
    }
}

/// What the presented credential turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialRecord {
    /// Nothing that the workspace knows.
    Nothing,
    /// A personal access token of the workspace.
    Token(Token),
    /// One that has ended and left a tombstone.
    Ended(Token, TokenEnd),
    /// An access token of this server: its signature holds, its expiry is still to be looked at, on the
    /// clock that it was issued by.
    Access(Claims, WorkspaceClock),
    /// An access token that this server did not issue.
    Forged(Forgery),
    /// A decoy, laid out in that workspace.
    Decoy(WorkspaceId),
}

/// What the store knows about the request's credential and workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The workspace that answers: the named one, else the token's own, else the default one.
    pub workspace: Option<Workspace>,
    /// The workspace of the presented token, where it is not that one.
    pub token_belongs_to: Option<WorkspaceId>,
    /// The presented credential, in that workspace.
    pub found: CredentialRecord,
    /// Its owner; `None` when the principal is gone.
    pub owner: Option<Owner>,
}

/// One check of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// 1. A credential is there and well-formed.
    CredentialWellFormed,
    /// 2. The workspace exists and agrees with the credential.
    WorkspaceAgrees,
    /// 3. Tokens are enabled.
    TokensEnabled,
    /// 4. The token is known.
    TokenKnown,
    /// 5. It is not expired.
    NotExpired,
    /// 6. It was not revoked for 90 days without use.
    NotInactive,
    /// 7. Its owner is active.
    OwnerActive,
    /// 8. Its owner may use tokens.
    MayUseTokens,
    /// 9. Its scope covers the endpoint.
    ScopeCovers,
    /// 10. The caller has the endpoint's own right.
    HasRight,
    /// After the ten, on endpoints of the premium plan: the workspace has that plan.
    FeatureInTier,
}

impl Check {
    /// Whether it is about the credential itself, and not about what is done with it: where one of
    /// these fails, the authentication has failed.
    pub const fn is_of_credential(self) -> bool {
        !matches!(self, Self::ScopeCovers | Self::HasRight | Self::FeatureInTier)
    }

    /// The name in logs and explanations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CredentialWellFormed => "credential_well_formed",
            Self::WorkspaceAgrees => "workspace_agrees",
            Self::TokensEnabled => "tokens_enabled",
            Self::TokenKnown => "token_known",
            Self::NotExpired => "not_expired",
            Self::NotInactive => "not_inactive",
            Self::OwnerActive => "owner_active",
            Self::MayUseTokens => "may_use_tokens",
            Self::ScopeCovers => "scope_covers",
            Self::HasRight => "has_right",
            Self::FeatureInTier => "feature_in_tier",
        }
    }
}

/// A check that ran, whether it passed, and what it looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which.
    pub check: Check,
    /// Whether it passed. Only the last step of a trace can have failed.
    pub passed: bool,
    /// The setting, entry, time or group path behind it, in words; empty where there is nothing to say.
    pub because: String,
}

/// Who is calling, once every check has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The workspace that the call is made in.
    pub workspace: Workspace,
    /// The caller's id.
    pub id: PrincipalId,
    /// User or service principal.
    pub kind: PrincipalKind,
    /// `userName` or `applicationId`.
    pub name: String,
    /// Whether it administers the workspace.
    pub workspace_admin: bool,
    /// Whether it administers the account.
    pub account_admin: bool,
    /// Its groups and permissions.
    pub standing: Standing,
    /// The personal access token that it used; `None` when it came by OAuth.
    pub token: Option<TokenId>,
    /// The one instant of this request, on the workspace's clock.
    pub now: Millis,
}

impl Caller {
    /// The account of the workspace.
    pub fn account(&self) -> AccountId {
        self.workspace.account
    }

    /// The same caller where something of the account is carried out in another of its workspaces, on
    /// that one's clock. Rights are not looked at again.
    pub fn acting_in(&self, workspace: &Workspace, system: Millis) -> Self {
        Self { workspace: workspace.clone(), now: workspace.clock.at(system), ..self.clone() }
    }
}

/// The outcome of the checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The checks that ran, in order.
    pub trace: Vec<Step>,
    /// The caller, or the refusal.
    pub outcome: Result<Caller, AccessDenial>,
    /// What has to be recorded of this use of the token.
    pub used: Option<Use>,
    /// The workspace that answers, once it is known.
    pub workspace: Option<WorkspaceId>,
    /// What its clock showed.
    pub now: Option<Millis>,
    /// The name of the credential's owner, once it is known.
    pub owner: Option<String>,
    /// Whom and what it is about.
    pub parties: Parties,
}

/// Whom and what a decision is about: what a remedy has to name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parties {
    /// The workspace that answers, its account, and its group `admins`.
    pub place: Option<(WorkspaceId, AccountId, PrincipalId)>,
    /// The credential's owner.
    pub owner: Option<Party>,
    /// Whether the credential is an access token.
    pub by_oauth: bool,
    /// The workspace in which the presented token is valid, where it is not the one that answers.
    pub belongs_to: Option<WorkspaceId>,
    /// What of the workspace and of the credential would refuse the request, too, whichever check decided.
    pub deficits: Vec<Check>,
}

impl Parties {
    fn of(presented: &PresentedCredential, demand: Demand, facts: &Facts, system: Millis) -> Self {
        let place = facts.workspace.as_ref();
        let by_oauth = matches!(presented, PresentedCredential::AccessToken(_));
        let asks_tokens = !by_oauth || demand.right == Right::TokenUser;
        let scopes = match &facts.found {
            CredentialRecord::Token(token) | CredentialRecord::Ended(token, _) => token.scopes.clone(),
            CredentialRecord::Access(claims, _) => claims.scopes(),
            CredentialRecord::Nothing | CredentialRecord::Forged(_) | CredentialRecord::Decoy(_) => None,
        };
        let disabled = place.is_some_and(|place| !place.tokens_enabled(place.clock.at(system)));
        let standard = place.is_some_and(|place| place.behaviour.tier == Tier::Standard);
        let deficits = [
            (Check::TokensEnabled, asks_tokens && disabled),
            (Check::ScopeCovers, !scopes::covers(scopes.as_deref(), demand.scope)),
            (Check::FeatureInTier, demand.feature.is_some() && standard),
        ];
        Self {
            deficits: deficits.into_iter().filter(|(_, fails)| *fails).map(|(check, _)| check).collect(),
            place: place.map(|workspace| (workspace.id, workspace.account, workspace.admins_group)),
            owner: facts.owner.as_ref().map(Party::of),
            by_oauth,
            belongs_to: facts.token_belongs_to,
        }
    }
}

/// The owner of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Party {
    /// Its id.
    pub id: PrincipalId,
    /// User or service principal.
    pub kind: PrincipalKind,
    /// `userName` or `applicationId`.
    pub name: String,
    /// Whether it is deactivated neither in the account nor in the workspace.
    pub active: bool,
    /// Whether it is assigned to the workspace.
    pub assigned: bool,
    /// Whether it may use tokens.
    pub may_use_tokens: bool,
    /// Whether it administers the workspace.
    pub workspace_admin: bool,
    /// Whether it administers the account.
    pub account_admin: bool,
}

impl Party {
    fn of(owner: &Owner) -> Self {
        let Standing { active, reach, .. } = &owner.standing;
        let assigned = reach.iter().any(|reach| reach.assigned);
        Self {
            id: owner.id,
            kind: owner.kind,
            name: owner.name.clone(),
            active: *active,
            assigned,
            may_use_tokens: owner.standing.token_permission().is_some(),
            workspace_admin: owner.standing.is_workspace_admin(),
            account_admin: owner.account_admin,
        }
    }
}

/// What is recorded of a use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The endpoint's scope, where auto-scoping has not seen it yet.
    pub inferred_scope: Option<EndpointScope>,
}

/// Collects the steps; the first failing one ends the run.
struct Trace {
    steps: Vec<Step>,
    workspace: Option<WorkspaceId>,
    now: Option<Millis>,
    owner: Option<String>,
}

impl Trace {
    fn pass(&mut self, check: Check, because: String) {
        self.steps.push(Step { check, passed: true, because });
    }

    fn fail(&mut self, check: Check, because: String, denial: AccessDenial) -> AccessDenial {
        self.steps.push(Step { check, passed: false, because });
        denial
    }
}

/// Runs the checks in the order of spec §4. OAuth skips those that are about personal access tokens
/// (3, 4, 6 and 8; 5 looks at the access token's own expiry), and its trace has no steps for them.
pub fn authorize(
    presented: &PresentedCredential,
    named: &NamedWorkspace,
    demand: Demand,
    facts: Facts,
    system: Millis,
) -> Decision {
    let mut trace = Trace { steps: Vec::with_capacity(10), workspace: None, now: None, owner: None };
    let parties = Parties::of(presented, demand, &facts, system);
    let (outcome, used) = match run(&mut trace, presented, named, demand, facts, system) {
        Ok((caller, used)) => (Ok(caller), used),
        Err(denial) => (Err(denial), None),
    };
    let Trace { steps, workspace, now, owner } = trace;
    Decision { trace: steps, outcome, used, workspace, now, owner, parties }
}

fn run(
    trace: &mut Trace,
    presented: &PresentedCredential,
    named: &NamedWorkspace,
    demand: Demand,
    facts: Facts,
    system: Millis,
) -> Result<(Caller, Option<Use>), AccessDenial> {
    well_formed(trace, presented, &facts.found)?;
    let workspace = agreed_workspace(trace, named, facts.workspace, facts.token_belongs_to)?;
    trace.workspace = Some(workspace.id);
    trace.owner = facts.owner.as_ref().map(|owner| owner.name.clone());
    let now = workspace.clock.at(system);
    trace.now = Some(now);
    let credential = match facts.found {
        CredentialRecord::Access(claims, clock) => Credential::Access(unexpired(trace, claims, clock.at(system))?),
        found => Credential::Token(live_token(trace, found, &workspace, demand, now)?),
    };
    let owner = active_owner(trace, facts.owner, &workspace)?;
    if let Credential::Token(_) = credential {
        let because = token_permission(&owner)
            .map_err(|because| trace.fail(Check::MayUseTokens, because, AccessDenial::NoTokenPermission))?;
        trace.pass(Check::MayUseTokens, because);
    }
    covering_scope(trace, &credential, demand)?;
    if let Err((because, denial)) = right(demand, &credential, &owner, &workspace, now) {
        return Err(trace.fail(Check::HasRight, because, denial));
    }
    trace.pass(Check::HasRight, String::new());
    if let (Some(feature), Tier::Standard) = (demand.feature, workspace.behaviour.tier) {
        let because = "the workspace's tier is standard".into();
        return Err(trace.fail(Check::FeatureInTier, because, AccessDenial::NotInTier(feature)));
    }

    let (token, used) = match credential {
        Credential::Token(token) => {
            let used = use_of(&token, demand, now);
            (Some(token.id), used)
        }
        Credential::Access(_) => (None, None),
    };
    let Owner { id, kind, name, account_admin, standing, .. } = owner;
    let workspace_admin = standing.is_workspace_admin();
    Ok((Caller { workspace, id, kind, name, workspace_admin, account_admin, standing, token, now }, used))
}

fn use_of(token: &Token, demand: Demand, now: Millis) -> Option<Use> {
    let inferred_scope = token.infer_scope(demand.scope).map(|_| demand.scope);
    (token.use_needs_recording(now) || inferred_scope.is_some()).then_some(Use { inferred_scope })
}

/// A credential that works by itself; what follows is about its owner and the endpoint.
enum Credential {
    Token(Token),
    Access(Claims),
}

fn well_formed(
    trace: &mut Trace,
    presented: &PresentedCredential,
    found: &CredentialRecord,
) -> Result<(), AccessDenial> {
    let (because, denial) = match (presented, found) {
        (PresentedCredential::Nothing, _) => {
            ("no credential was sent, or one of a kind that this API does not take", AccessDenial::NoCredential)
        }
        (PresentedCredential::Malformed, _) => (
            "the credential is neither a personal access token (dapi and 32 lower-case hex digits) nor an RS256 access token",
            AccessDenial::InvalidAccessToken,
        ),
        (_, CredentialRecord::Forged(forgery)) => (forgery.because(), AccessDenial::InvalidAccessToken),
        (PresentedCredential::Token(_) | PresentedCredential::AccessToken(_), _) => {
            trace.pass(Check::CredentialWellFormed, String::new());
            return Ok(());
        }
    };
    Err(trace.fail(Check::CredentialWellFormed, because.into(), denial))
}

fn agreed_workspace(
    trace: &mut Trace,
    named: &NamedWorkspace,
    workspace: Option<Workspace>,
    belongs_to: Option<WorkspaceId>,
) -> Result<Workspace, AccessDenial> {
    let check = Check::WorkspaceAgrees;
    let workspace = match (named, workspace, belongs_to) {
        (NamedWorkspace::Unusable(text), ..) => {
            let because = format!("the request names '{text}', which is not one workspace id");
            return Err(trace.fail(check, because, AccessDenial::InvalidAccessToOrg(text.clone())));
        }
        (NamedWorkspace::Id(id), _, Some(own)) => {
            let because = format!(
                "the request names workspace {id}, but the token is valid in workspace {own} only; clients name the \
                 workspace of DATABRICKS_WORKSPACE_ID (workspace_id in a profile): set it to {own}, or unset it"
            );
            return Err(trace.fail(check, because, AccessDenial::org(*id)));
        }
        (NamedWorkspace::Id(id), None, None) => {
            return Err(trace.fail(check, format!(
                "there is no workspace {id}; clients name the workspace of DATABRICKS_WORKSPACE_ID (workspace_id in \
                 a profile): unset it, or set it to a workspace of this server"
            ), AccessDenial::org(*id)));
        }
        (NamedWorkspace::Unnamed, None, _) | (NamedWorkspace::Unnamed, _, Some(_)) => {
            let because = "the request names no workspace, and the token does not pick one".into();
            return Err(trace.fail(check, because, AccessDenial::InvalidAccessToken));
        }
        (_, Some(workspace), None) => workspace,
    };
    trace.pass(check, format!("workspace {}", workspace.id));
    Ok(workspace)
}

/// Check 5 for an access token. The real service's words are about 30 seconds before
/// (`Token is expiring within 30 seconds.`, research/api-identity-auth.md §4.2); here it works until
/// its end and is then like any token that does not work.
fn unexpired(trace: &mut Trace, claims: Claims, now: Millis) -> Result<Claims, AccessDenial> {
    if now >= claims.expiry() {
        let because = format!("its exp is {}, and it is {}", claims.expiry().0, now.0);
        return Err(trace.fail(Check::NotExpired, because, AccessDenial::InvalidAccessToken));
    }
    trace.pass(Check::NotExpired, String::new());
    Ok(claims)
}

/// Checks 3 to 6.
fn live_token(
    trace: &mut Trace,
    found: CredentialRecord,
    workspace: &Workspace,
    demand: Demand,
    now: Millis,
) -> Result<Token, AccessDenial> {
    let check = Check::TokensEnabled;
    if let Some(because) = disabled(workspace, now) {
        // Only the token endpoints' answer is observed (governance D5); elsewhere a disabled token
        // looks like any that does not work [inferred].
        let denial = if demand.token_api { AccessDenial::TokensDisabled } else { AccessDenial::InvalidAccessToken };
        return Err(trace.fail(check, because, denial));
    }
    trace.pass(check, String::new());

    let check = Check::TokenKnown;
    let (token, swept) = match found {
        CredentialRecord::Token(token) => (token, false),
        CredentialRecord::Ended(token, ended) if ended.cause.is_by_time() => (token, true),
        CredentialRecord::Ended(_, TokenEnd { cause, actor, at }) => {
            let because = format!("it ended at {}: {} ({actor})", at.rfc3339(), cause.as_str());
            return Err(trace.fail(check, because, AccessDenial::InvalidAccessToken));
        }
        CredentialRecord::Decoy(_) => {
            let because = "it is a decoy, which belongs to nobody".to_owned();
            return Err(trace.fail(check, because, AccessDenial::InvalidAccessToken));
        }
        CredentialRecord::Nothing | CredentialRecord::Access(..) | CredentialRecord::Forged(_) => {
            let because = format!("workspace {} has no such token", workspace.id);
            return Err(trace.fail(check, because, AccessDenial::InvalidAccessToken));
        }
    };
    trace.pass(check, String::new());

    // Asked of the time also where the sweep has been: its coming must not make a difference.
    let state = token.state(&workspace.behaviour, now);
    if state == TokenState::Expired {
        let expiry = token.expiry_time.unwrap_or(now).rfc3339();
        let because = format!("it expired at {expiry}, and it is {}", now.rfc3339());
        return Err(trace.fail(Check::NotExpired, because, AccessDenial::InvalidAccessToken));
    }
    trace.pass(Check::NotExpired, String::new());
    if state == TokenState::Inactive || swept {
        let days = workspace.behaviour.inactivity_days;
        let since = match token.last_used {
            Some(used) => format!("it was last used at {}", used.rfc3339()),
            None => format!("it was created at {} and never used", token.creation_time.rfc3339()),
        };
        let because = format!("{since}, {days} days or more before {}", now.rfc3339());
        return Err(trace.fail(Check::NotInactive, because, AccessDenial::InvalidAccessToken));
    }
    trace.pass(Check::NotInactive, String::new());
    // Nor may it make a difference for the scopes.
    Ok(lifecycle::as_of(token, &workspace.behaviour, now))
}

/// Why personal access tokens are disabled in the workspace, if they are.
fn disabled(workspace: &Workspace, now: Millis) -> Option<String> {
    if workspace.tokens_enabled(now) {
        return None;
    }
    Some(match workspace.enable_tokens.as_ref().and_then(|conf| conf.in_effect(now)) {
        Some(value) => format!("{} is '{value}'", settings::ENABLE_TOKENS),
        None => format!("{} is unset and the workspace was created before 2018", settings::ENABLE_TOKENS),
    })
}

fn active_owner(trace: &mut Trace, owner: Option<Owner>, workspace: &Workspace) -> Result<Owner, AccessDenial> {
    let owner = match owner {
        Some(owner) if owner.active => owner,
        other => {
            let who = other.map_or_else(|| "the owner".into(), |owner| format!("'{}'", owner.name));
            let because = format!("{who} is deleted, inactive or not assigned to workspace {}", workspace.id);
            return Err(trace.fail(Check::OwnerActive, because, AccessDenial::org(workspace.id)));
        }
    };
    trace.pass(Check::OwnerActive, String::new());
    Ok(owner)
}

/// What lets the principal use tokens, or that nothing does; in words.
fn token_permission(owner: &Owner) -> Result<String, String> {
    match owner.standing.token_permission() {
        Some((subject, level)) => {
            Ok(format!("{} through {}", level.as_str(), owner.standing.path_to(subject).join(" > ")))
        }
        None => Err(format!("'{}' has no permission on tokens, neither of its own nor through a group", owner.name)),
    }
}

fn covering_scope(trace: &mut Trace, credential: &Credential, demand: Demand) -> Result<(), AccessDenial> {
    let scopes = match credential {
        Credential::Token(token) => token.binding_scopes().map(<[String]>::to_vec),
        Credential::Access(claims) => claims.scopes(),
    };
    if let (false, Some(name)) = (scopes::covers(scopes.as_deref(), demand.scope), demand.scope.name()) {
        let scopes = scopes.unwrap_or_default().join(", ");
        let narrowed = match credential {
            Credential::Token(token) => token.narrowed_at(),
            Credential::Access(_) => None,
        };
        let narrowed = narrowed.map_or_else(String::new, |at| {
            format!("; auto-scoping narrowed them at {} to what the token had used", at.rfc3339())
        });
        let because = format!("its scopes are {scopes}; the endpoint asks for {}{narrowed}", demand.scope);
        let denial = match credential {
            Credential::Access(_) => AccessDenial::MissingOauthScope(name),
            Credential::Token(_) => AccessDenial::MissingScope(name),
        };
        return Err(trace.fail(Check::ScopeCovers, because, denial));
    }
    trace.pass(Check::ScopeCovers, String::new());
    Ok(())
}

/// Whether the caller has the endpoint's own right; if not, why, in words and as a refusal.
fn right(
    demand: Demand,
    credential: &Credential,
    owner: &Owner,
    workspace: &Workspace,
    now: Millis,
) -> Result<(), (String, AccessDenial)> {
    match (demand.right, credential) {
        (Right::WorkspaceAdmin, _) if !owner.standing.is_workspace_admin() => {
            let because = format!("'{}' is not in the group admins, neither directly nor through a group", owner.name);
            Err((because, AccessDenial::NotAdmin(owner.name.clone())))
        }
        (Right::AccountApi, Credential::Token(_)) => {
            Err(("account APIs take OAuth only".to_owned(), AccessDenial::AccountNeedsOauth))
        }
        (Right::AccountAdmin | Right::AccountApi, _) if !owner.account_admin => {
            let because = format!("'{}' does not hold the role account_admin", owner.name);
            Err((because, AccessDenial::NotAccountAdmin(owner.name.clone())))
        }
        // Whoever comes by token passed these as checks 3 and 8. With tokens disabled, nobody creates
        // any, admins on OAuth neither (requirement R29).
        (Right::TokenUser, Credential::Access(_)) => match disabled(workspace, now) {
            Some(because) => Err((because, AccessDenial::TokensDisabled)),
            None => token_permission(owner).map(drop).map_err(|because| (because, AccessDenial::NoTokenPermission)),
        },
        _ => Ok(()),
    }
}

/// Whether a principal may be given a token at `now`: tokens are enabled, and it may use them.
/// Creation asks again inside its transaction what [`authorize`] asked before it.
///
/// # Errors
/// [`AccessDenial::TokensDisabled`], [`AccessDenial::NoTokenPermission`]
pub fn may_hold_tokens(workspace: &Workspace, standing: &Standing, now: Millis) -> Result<(), AccessDenial> {
    if !workspace.tokens_enabled(now) {
        return Err(AccessDenial::TokensDisabled);
    }
    standing.token_permission().map(drop).ok_or(AccessDenial::NoTokenPermission)
}

#[cfg(test)]
mod tests;
