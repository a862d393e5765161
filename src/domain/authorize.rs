//! The ten ordered checks that every request passes before its handler runs, as one pure function.
//! It returns the trace of the checks, which `explain`, the log and the audit log show. Start with [`authorize`];
//! `facts` has what the checks look at, `decision` their outcome.
//! See docs/reference/errors.md#order-of-checks.

mod decision;
mod facts;

use super::access::Standing;
use super::denial::AccessDenial;
use super::jwt::Claims;
use super::settings::{self, Tier};
use super::{Millis, Workspace, WorkspaceId, lifecycle, scopes};
use crate::domain::tokens::{Token, TokenEnd, TokenState};

pub use decision::{Caller, Check, Decision, Parties, Party, Step, Use, WorkspaceIds};
pub use facts::{CredentialRecord, Demand, Facts, NamedWorkspace, Owner, PresentedCredential, Right};

/// Runs the checks in order until one fails. OAuth skips the checks of personal access tokens (3, 4, 6 and 8; 5 checks
/// the access token's own expiry), and its trace has no steps for them.
pub fn authorize(
    presented: &PresentedCredential,
    named: &NamedWorkspace,
    demand: Demand,
    facts: Facts,
    system: Millis,
) -> Decision {
    let parties = Parties::of(presented, demand, &facts, system);
    let mut trace = Trace { demand, system, steps: Vec::with_capacity(10), workspace: None, now: None, owner: None };
    let (outcome, used) = match run(&mut trace, presented, named, facts) {
        Ok((caller, used)) => (Ok(caller), used),
        Err(denial) => (Err(denial), None),
    };
    let Trace { steps, workspace, now, owner, .. } = trace;
    Decision { trace: steps, outcome, used, workspace, now, owner, parties }
}

fn run(
    trace: &mut Trace,
    presented: &PresentedCredential,
    named: &NamedWorkspace,
    facts: Facts,
) -> Result<(Caller, Option<Use>), AccessDenial> {
    credential_well_formed(trace, presented, &facts.found)?;
    let workspace = workspace_agrees(trace, named, facts.workspace, facts.token_belongs_to)?;
    trace.workspace = Some(workspace.id);
    trace.owner = facts.owner.as_ref().map(|owner| owner.name.clone());
    let now = workspace.clock.at(trace.system);
    trace.now = Some(now);
    let credential = match facts.found {
        CredentialRecord::Access(claims, clock) => {
            let issued_at = clock.at(trace.system);
            Credential::Access(access_token_not_expired(trace, claims, issued_at)?)
        }
        found => {
            tokens_enabled(trace, &workspace, now)?;
            let (token, swept) = token_known(trace, found, &workspace)?;
            Credential::Token(not_expired_nor_inactive(trace, token, swept, (&workspace, now))?)
        }
    };
    let owner = owner_active(trace, facts.owner, &workspace)?;
    if let Credential::Token(_) = credential {
        may_use_tokens(trace, &owner)?;
    }
    scope_covers(trace, &credential)?;
    has_right(trace, &credential, &owner, (&workspace, now))?;
    feature_in_tier(trace, &workspace)?;

    let (token, used) = match credential {
        Credential::Token(token) => {
            let used = use_of(&token, trace.demand, now);
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

/// What the endpoint requires, the system's time, and the steps so far. The first check that fails ends the run.
struct Trace {
    demand: Demand,
    system: Millis,
    steps: Vec<Step>,
    workspace: Option<WorkspaceId>,
    now: Option<Millis>,
    owner: Option<String>,
}

impl Trace {
    fn pass(&mut self, check: Check, because: impl Into<String>) {
        self.steps.push(Step { check, passed: true, because: because.into() });
    }

    fn fail<T>(&mut self, check: Check, because: impl Into<String>, denial: AccessDenial) -> Result<T, AccessDenial> {
        self.steps.push(Step { check, passed: false, because: because.into() });
        Err(denial)
    }
}

/// A credential that works. The checks that follow are about its owner and the endpoint.
enum Credential {
    Token(Token),
    Access(Claims),
}

/// Whether the sweep has already moved the token to the ended ones. That must not make a difference.
#[derive(Clone, Copy, PartialEq)]
enum Swept {
    Yes,
    No,
}

/// Check 1.
fn credential_well_formed(
    trace: &mut Trace,
    presented: &PresentedCredential,
    found: &CredentialRecord,
) -> Result<(), AccessDenial> {
    let (because, denial) = match (presented, found) {
        (PresentedCredential::Nothing, _) => {
            ("no credential was sent, or one of a kind that this API does not accept", AccessDenial::NoCredential)
        }
        (PresentedCredential::Malformed, _) => (
            "the credential is neither a personal access token (dapi and 32 lowercase hex digits) nor an RS256 access \
             token",
            AccessDenial::InvalidAccessToken,
        ),
        (_, CredentialRecord::Forged(forgery)) => (forgery.because(), AccessDenial::InvalidAccessToken),
        (PresentedCredential::Token(_) | PresentedCredential::AccessToken(_), _) => {
            trace.pass(Check::CredentialWellFormed, "");
            return Ok(());
        }
    };
    trace.fail(Check::CredentialWellFormed, because, denial)
}

/// Check 2.
fn workspace_agrees(
    trace: &mut Trace,
    named: &NamedWorkspace,
    workspace: Option<Workspace>,
    belongs_to: Option<WorkspaceId>,
) -> Result<Workspace, AccessDenial> {
    let check = Check::WorkspaceAgrees;
    let workspace = match (named, workspace, belongs_to) {
        (NamedWorkspace::Unusable(text), ..) => {
            let because = format!("the request names the workspace '{text}', which is not a single workspace id");
            return trace.fail(check, because, AccessDenial::InvalidAccessToOrg(text.clone()));
        }
        (NamedWorkspace::Id(id), _, Some(own)) => {
            let because = format!(
                "the request names workspace {id}, but the token is valid in workspace {own} only; clients take the \
                 workspace from DATABRICKS_WORKSPACE_ID (workspace_id in a profile): set it to {own} or unset it"
            );
            return trace.fail(check, because, AccessDenial::org(*id));
        }
        (NamedWorkspace::Id(id), None, None) => {
            let because = format!(
                "there is no workspace {id}; clients take the workspace from DATABRICKS_WORKSPACE_ID (workspace_id in \
                 a profile): unset it, or set it to a workspace of this server"
            );
            return trace.fail(check, because, AccessDenial::org(*id));
        }
        (NamedWorkspace::Unnamed, None, _) | (NamedWorkspace::Unnamed, _, Some(_)) => {
            let because = "the request names no workspace, and the token does not determine one";
            return trace.fail(check, because, AccessDenial::InvalidAccessToken);
        }
        (_, Some(workspace), None) => workspace,
    };
    trace.pass(check, format!("workspace {}", workspace.id));
    Ok(workspace)
}

/// Check 3.
fn tokens_enabled(trace: &mut Trace, workspace: &Workspace, now: Millis) -> Result<(), AccessDenial> {
    if let Some(because) = why_disabled(workspace, now) {
        // Only the token endpoints' error is observed; elsewhere a disabled token gets the error of any token that
        // does not work [inferred]. See docs/reference/governance.md#turning-tokens-off.
        let denial =
            if trace.demand.token_api { AccessDenial::TokensDisabled } else { AccessDenial::InvalidAccessToken };
        return trace.fail(Check::TokensEnabled, because, denial);
    }
    trace.pass(Check::TokensEnabled, "");
    Ok(())
}

/// Check 4.
fn token_known(
    trace: &mut Trace,
    found: CredentialRecord,
    workspace: &Workspace,
) -> Result<(Token, Swept), AccessDenial> {
    let (token, swept) = match found {
        CredentialRecord::Token(token) => (token, Swept::No),
        CredentialRecord::Ended(token, end) if end.cause.is_by_time() => (token, Swept::Yes),
        CredentialRecord::Ended(_, TokenEnd { cause, actor, at }) => {
            let because = format!("the token ended at {}: {} ({actor})", at.rfc3339(), cause.as_str());
            return trace.fail(Check::TokenKnown, because, AccessDenial::InvalidAccessToken);
        }
        CredentialRecord::Decoy(_) => {
            let because = "the token is a decoy and belongs to nobody";
            return trace.fail(Check::TokenKnown, because, AccessDenial::InvalidAccessToken);
        }
        CredentialRecord::Nothing | CredentialRecord::Access(..) | CredentialRecord::Forged(_) => {
            let because = format!("workspace {} has no such token", workspace.id);
            return trace.fail(Check::TokenKnown, because, AccessDenial::InvalidAccessToken);
        }
    };
    trace.pass(Check::TokenKnown, "");
    Ok((token, swept))
}

/// Checks 5 and 6. They compare with the clock even if the sweep has already ended the token.
fn not_expired_nor_inactive(
    trace: &mut Trace,
    token: Token,
    swept: Swept,
    (workspace, now): (&Workspace, Millis),
) -> Result<Token, AccessDenial> {
    let state = token.state(&workspace.behaviour, now);
    if state == TokenState::Expired {
        let expiry = token.expiry_time.unwrap_or(now).rfc3339();
        let because = format!("the token expired at {expiry}; the time is {}", now.rfc3339());
        return trace.fail(Check::NotExpired, because, AccessDenial::InvalidAccessToken);
    }
    trace.pass(Check::NotExpired, "");
    if state == TokenState::Inactive || swept == Swept::Yes {
        let days = workspace.behaviour.inactivity_days;
        let since = match token.last_used {
            Some(used) => format!("the token was last used at {}", used.rfc3339()),
            None => format!("the token was never used and was created at {}", token.creation_time.rfc3339()),
        };
        let because = format!("{since}, at least {days} days before {}", now.rfc3339());
        return trace.fail(Check::NotInactive, because, AccessDenial::InvalidAccessToken);
    }
    trace.pass(Check::NotInactive, "");
    Ok(lifecycle::as_of(token, &workspace.behaviour, now))
}

/// Check 5 of an access token. The real service refuses half a minute early (`Token is expiring within 30 seconds.`);
/// here the token works until it expires. See docs/reference/errors.md#authentication-failures.
fn access_token_not_expired(trace: &mut Trace, claims: Claims, now: Millis) -> Result<Claims, AccessDenial> {
    let expiry = claims.expiry();
    if now >= expiry {
        let because = format!("the access token expired at {}; the time is {}", expiry.rfc3339(), now.rfc3339());
        return trace.fail(Check::NotExpired, because, AccessDenial::InvalidAccessToken);
    }
    trace.pass(Check::NotExpired, "");
    Ok(claims)
}

/// Check 7.
fn owner_active(trace: &mut Trace, owner: Option<Owner>, workspace: &Workspace) -> Result<Owner, AccessDenial> {
    let owner = match owner {
        Some(owner) if owner.active => owner,
        other => {
            let who = other.map_or_else(|| "the owner".into(), |owner| format!("'{}'", owner.name));
            let because = format!("{who} is deleted, inactive or not assigned to workspace {}", workspace.id);
            return trace.fail(Check::OwnerActive, because, AccessDenial::org(workspace.id));
        }
    };
    trace.pass(Check::OwnerActive, "");
    Ok(owner)
}

/// Check 8.
fn may_use_tokens(trace: &mut Trace, owner: &Owner) -> Result<(), AccessDenial> {
    match token_permission(owner) {
        Ok(because) => {
            trace.pass(Check::MayUseTokens, because);
            Ok(())
        }
        Err(because) => trace.fail(Check::MayUseTokens, because, AccessDenial::NoTokenPermission),
    }
}

/// Check 9.
fn scope_covers(trace: &mut Trace, credential: &Credential) -> Result<(), AccessDenial> {
    let required = trace.demand.scope;
    let (scopes, narrowed_at) = match credential {
        Credential::Token(token) => (token.binding_scopes().map(<[String]>::to_vec), token.narrowed_at()),
        Credential::Access(claims) => (claims.scopes(), None),
    };
    let name = required.name().filter(|_| !scopes::covers(scopes.as_deref(), required));
    let Some(name) = name else {
        trace.pass(Check::ScopeCovers, "");
        return Ok(());
    };
    let scopes = scopes.unwrap_or_default().join(", ");
    let narrowed = narrowed_at.map_or_else(String::new, |at| {
        format!("; auto-scoping narrowed them at {} to those that the token had used", at.rfc3339())
    });
    let (what, denial) = match credential {
        Credential::Token(_) => ("token", AccessDenial::MissingScope(name)),
        Credential::Access(_) => ("access token", AccessDenial::MissingOauthScope(name)),
    };
    let because = format!("the {what}'s scopes are {scopes}; the endpoint requires {required}{narrowed}");
    trace.fail(Check::ScopeCovers, because, denial)
}

/// Check 10.
fn has_right(
    trace: &mut Trace,
    credential: &Credential,
    owner: &Owner,
    (workspace, now): (&Workspace, Millis),
) -> Result<(), AccessDenial> {
    let refusal = match (trace.demand.right, credential) {
        (Right::WorkspaceAdmin, _) if !owner.standing.is_workspace_admin() => Some((
            format!("'{}' is not in the group admins, neither directly nor through a group", owner.name),
            AccessDenial::NotAdmin(owner.name.clone()),
        )),
        (Right::AccountApi, Credential::Token(_)) => {
            Some(("account APIs accept only OAuth access tokens".to_owned(), AccessDenial::AccountNeedsOauth))
        }
        (Right::AccountAdmin | Right::AccountApi, _) if !owner.account_admin => Some((
            format!("'{}' does not have the role account_admin", owner.name),
            AccessDenial::NotAccountAdmin(owner.name.clone()),
        )),
        // A personal access token passed these as checks 3 and 8. While tokens are disabled nobody creates one, not
        // even an admin by OAuth. See docs/requirements.md#r29.
        (Right::TokenUser, Credential::Access(_)) => match (why_disabled(workspace, now), token_permission(owner)) {
            (Some(because), _) => Some((because, AccessDenial::TokensDisabled)),
            (None, Err(because)) => Some((because, AccessDenial::NoTokenPermission)),
            (None, Ok(_)) => None,
        },
        _ => None,
    };
    if let Some((because, denial)) = refusal {
        return trace.fail(Check::HasRight, because, denial);
    }
    trace.pass(Check::HasRight, "");
    Ok(())
}

/// After the ten: it leaves no step when it passes.
fn feature_in_tier(trace: &mut Trace, workspace: &Workspace) -> Result<(), AccessDenial> {
    match (trace.demand.feature, workspace.behaviour.tier) {
        (Some(feature), Tier::Standard) => {
            let because = "the workspace's tier is standard";
            trace.fail(Check::FeatureInTier, because, AccessDenial::NotInTier(feature))
        }
        _ => Ok(()),
    }
}

/// Why personal access tokens are disabled in the workspace, if they are.
fn why_disabled(workspace: &Workspace, now: Millis) -> Option<String> {
    if workspace.tokens_enabled(now) {
        return None;
    }
    Some(match workspace.enable_tokens.as_ref().and_then(|conf| conf.in_effect(now)) {
        Some(value) => format!("{} is '{value}'", settings::ENABLE_TOKENS),
        None => format!("{} is unset and the workspace was created before 2018", settings::ENABLE_TOKENS),
    })
}

/// Why the owner may use tokens, or why not.
fn token_permission(owner: &Owner) -> Result<String, String> {
    match owner.standing.token_permission() {
        Some((subject, level)) => {
            Ok(format!("{} through {}", level.as_str(), owner.standing.path_to(subject).join(" > ")))
        }
        None => Err(format!("'{}' has no permission on tokens, neither directly nor through a group", owner.name)),
    }
}

/// Whether a principal may be given a token at `now`. Creation asks again, inside its transaction, what [`authorize`]
/// asked before it.
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
