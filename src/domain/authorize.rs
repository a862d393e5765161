//! The ordered checks that every request passes before its handler runs (spec §4), as one pure
//! function. Its answer carries the trace of the checks, because `explain` and the log show it.

use super::access::Standing;
use super::denial::Feature;
use super::identity::PrincipalKind;
use super::scope::{self, EndpointScope};
use super::settings::{self, Tier};
use super::token::{Ended, Token, TokenState};
use super::{AccountId, Denial, Millis, PrincipalId, TokenId, Workspace, WorkspaceId};

/// What the request shows as its credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented {
    /// No credential, or a scheme that these APIs do not take.
    Nothing,
    /// A bearer that is no token of any known form.
    Malformed,
    /// A well-formed personal access token.
    Token(TokenId),
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
    /// Active in the account and assigned to, and active in, the workspace.
    pub active: bool,
    /// Holds the account admin role.
    pub account_admin: bool,
    /// Its groups and permissions.
    pub standing: Standing,
}

/// What the store knows about the request's credential and workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The workspace that answers: the named one, else the token's own, else the default one.
    pub workspace: Option<Workspace>,
    /// The workspace of the presented token, where it is not that one.
    pub token_belongs_to: Option<WorkspaceId>,
    /// The presented token, in that workspace; also one that has ended.
    pub token: Option<Token>,
    /// Its end, where that is stored.
    pub ended: Option<Ended>,
    /// Its owner; `None` when the principal is gone.
    pub owner: Option<Owner>,
}

/// One check of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// The token that it used.
    pub token: TokenId,
    /// The one instant of this request, on the workspace's clock.
    pub now: Millis,
}

impl Caller {
    /// The account of the workspace.
    pub fn account(&self) -> AccountId {
        self.workspace.account
    }
}

/// The outcome of the checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The checks that ran, in order.
    pub trace: Vec<Step>,
    /// The caller, or the refusal.
    pub outcome: Result<Caller, Denial>,
    /// What has to be recorded of this use of the token.
    pub used: Option<Use>,
    /// The workspace that answers, once it is known.
    pub workspace: Option<WorkspaceId>,
    /// The name of the credential's owner, once it is known.
    pub owner: Option<String>,
}

/// What is recorded of a use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The scopes inferred from use, with this one; `None` when they stay as they are.
    pub inferred_scopes: Option<Vec<String>>,
}

/// Collects the steps; the first failing one ends the run.
struct Trace {
    steps: Vec<Step>,
    workspace: Option<WorkspaceId>,
    owner: Option<String>,
}

impl Trace {
    fn pass(&mut self, check: Check, because: String) {
        self.steps.push(Step { check, passed: true, because });
    }

    fn fail(&mut self, check: Check, because: String, denial: Denial) -> Denial {
        self.steps.push(Step { check, passed: false, because });
        denial
    }
}

/// Runs the checks in the order of spec §4.
pub fn authorize(
    presented: &Presented,
    named: &NamedWorkspace,
    demand: Demand,
    facts: Facts,
    system: Millis,
) -> Decision {
    let mut trace = Trace { steps: Vec::with_capacity(10), workspace: None, owner: None };
    let (outcome, used) = match run(&mut trace, presented, named, demand, facts, system) {
        Ok((caller, used)) => (Ok(caller), used),
        Err(denial) => (Err(denial), None),
    };
    Decision { trace: trace.steps, outcome, used, workspace: trace.workspace, owner: trace.owner }
}

fn run(
    trace: &mut Trace,
    presented: &Presented,
    named: &NamedWorkspace,
    demand: Demand,
    facts: Facts,
    system: Millis,
) -> Result<(Caller, Option<Use>), Denial> {
    let check = Check::CredentialWellFormed;
    match presented {
        Presented::Nothing => {
            let because = "no credential was sent, or one of a kind that this API does not take".into();
            return Err(trace.fail(check, because, Denial::NoCredential));
        }
        Presented::Malformed => {
            let because = "the credential is not a personal access token: dapi and 32 lower-case hex digits".into();
            return Err(trace.fail(check, because, Denial::InvalidAccessToken));
        }
        Presented::Token(_) => trace.pass(check, String::new()),
    }

    let check = Check::WorkspaceAgrees;
    let workspace = match (named, facts.workspace, facts.token_belongs_to) {
        (NamedWorkspace::Unusable(text), ..) => {
            let because = format!("the request names '{text}', which is not one workspace id");
            return Err(trace.fail(check, because, Denial::InvalidAccessToOrg(text.clone())));
        }
        (NamedWorkspace::Id(id), _, Some(own)) => {
            let because = format!("the request names workspace {id}, but the token is valid in workspace {own} only");
            return Err(trace.fail(check, because, Denial::org(*id)));
        }
        (NamedWorkspace::Id(id), None, None) => {
            return Err(trace.fail(check, format!("there is no workspace {id}"), Denial::org(*id)));
        }
        (NamedWorkspace::Unnamed, None, _) | (NamedWorkspace::Unnamed, _, Some(_)) => {
            let because = "the request names no workspace, and the token does not pick one".into();
            return Err(trace.fail(check, because, Denial::InvalidAccessToken));
        }
        (_, Some(workspace), None) => workspace,
    };
    trace.pass(check, format!("workspace {}", workspace.id));
    trace.workspace = Some(workspace.id);
    let now = workspace.clock.at(system);

    let check = Check::TokensEnabled;
    if !workspace.tokens_enabled(now) {
        let because = match workspace.enable_tokens.as_ref().and_then(|conf| conf.in_effect(now)) {
            Some(value) => format!("{} is '{value}'", settings::ENABLE_TOKENS),
            None => format!("{} is unset and the workspace was created before 2018", settings::ENABLE_TOKENS),
        };
        // Only the token endpoints' answer is observed (governance D5); elsewhere a disabled token
        // looks like any that does not work [inferred].
        let denial = if demand.token_api { Denial::TokensDisabled } else { Denial::InvalidAccessToken };
        return Err(trace.fail(check, because, denial));
    }
    trace.pass(check, String::new());

    let check = Check::TokenKnown;
    trace.owner = facts.owner.as_ref().map(|owner| owner.name.clone());
    let Some(token) = facts.token else {
        let because = format!("workspace {} has no such token", workspace.id);
        return Err(trace.fail(check, because, Denial::InvalidAccessToken));
    };
    if let Some(Ended { cause, actor, at }) = facts.ended.as_ref().filter(|ended| !ended.cause.is_by_time()) {
        let because = format!("it ended at {}: {} ({actor})", at.rfc3339(), cause.as_str());
        return Err(trace.fail(check, because, Denial::InvalidAccessToken));
    }
    trace.pass(check, String::new());

    // Asked of the time also where the sweep has been: its coming must not make a difference.
    let state = token.state(&workspace.behaviour, now);
    if state == TokenState::Expired {
        let expiry = token.expiry_time.unwrap_or(now).rfc3339();
        let because = format!("it expired at {expiry}, and it is {}", now.rfc3339());
        return Err(trace.fail(Check::NotExpired, because, Denial::InvalidAccessToken));
    }
    trace.pass(Check::NotExpired, String::new());
    if state == TokenState::Inactive || facts.ended.is_some() {
        let days = workspace.behaviour.inactivity_days;
        let since = match token.last_used {
            Some(used) => format!("it was last used at {}", used.rfc3339()),
            None => format!("it was created at {} and never used", token.creation_time.rfc3339()),
        };
        let because = format!("{since}, {days} days or more before {}", now.rfc3339());
        return Err(trace.fail(Check::NotInactive, because, Denial::InvalidAccessToken));
    }
    trace.pass(Check::NotInactive, String::new());

    let owner = match facts.owner {
        Some(owner) if owner.active => owner,
        other => {
            let who = other.map_or_else(|| "the owner".into(), |owner| format!("'{}'", owner.name));
            let because = format!("{who} is deleted, inactive or not assigned to workspace {}", workspace.id);
            return Err(trace.fail(Check::OwnerActive, because, Denial::org(workspace.id)));
        }
    };
    trace.pass(Check::OwnerActive, String::new());

    let check = Check::MayUseTokens;
    let Some((subject, level)) = owner.standing.token_permission() else {
        let because = format!("'{}' has no permission on tokens, neither of its own nor through a group", owner.name);
        return Err(trace.fail(check, because, Denial::NoTokenPermission));
    };
    trace.pass(check, format!("{} through {}", level.as_str(), owner.standing.path_to(subject).join(" > ")));

    let check = Check::ScopeCovers;
    if !scope::covers(token.scopes.as_deref(), demand.scope) {
        let scopes = token.scopes.unwrap_or_default().join(", ");
        let because = format!("its scopes are {scopes}; the endpoint asks for {}", demand.scope);
        return Err(trace.fail(check, because, Denial::MissingScope));
    }
    trace.pass(check, String::new());

    check_right(trace, demand, &workspace, &owner)?;

    let inferred_scopes = token.infer_scope(demand.scope);
    let used = (token.use_needs_recording(now) || inferred_scopes.is_some()).then_some(Use { inferred_scopes });
    let Owner { id, kind, name, account_admin, standing, .. } = owner;
    let workspace_admin = standing.is_workspace_admin();
    Ok((Caller { workspace, id, kind, name, workspace_admin, account_admin, standing, token: token.id, now }, used))
}

/// Check 10, and the plan that the endpoint belongs to.
fn check_right(trace: &mut Trace, demand: Demand, workspace: &Workspace, owner: &Owner) -> Result<(), Denial> {
    let name = &owner.name;
    if demand.right == Right::AccountAdmin && !owner.account_admin {
        let because = format!("'{name}' does not hold the role account_admin");
        return Err(trace.fail(Check::HasRight, because, Denial::NotAccountAdmin(name.clone())));
    }
    if demand.right == Right::WorkspaceAdmin && !owner.standing.is_workspace_admin() {
        let because = format!("'{name}' is not in the group admins, neither directly nor through a group");
        return Err(trace.fail(Check::HasRight, because, Denial::NotAdmin(name.clone())));
    }
    trace.pass(Check::HasRight, String::new());
    if let (Some(feature), Tier::Standard) = (demand.feature, workspace.behaviour.tier) {
        let because = "the workspace's tier is standard".into();
        return Err(trace.fail(Check::FeatureInTier, because, Denial::NotInTier(feature)));
    }
    Ok(())
}

/// Whether a principal may be given a token at `now`: tokens are enabled, and it may use them.
/// Creation asks again inside its transaction what [`authorize`] asked before it.
///
/// # Errors
/// [`Denial::TokensDisabled`], [`Denial::NoTokenPermission`]
pub fn may_hold_tokens(workspace: &Workspace, standing: &Standing, now: Millis) -> Result<(), Denial> {
    if !workspace.tokens_enabled(now) {
        return Err(Denial::TokensDisabled);
    }
    standing.token_permission().map(drop).ok_or(Denial::NoTokenPermission)
}

#[cfg(test)]
mod tests {
    use super::super::access::{PermissionLevel, Reach};
    use super::super::clock::WorkspaceClock;
    use super::super::ids::DAY_MS;
    use super::super::settings::{Behaviour, ConfValue};
    use super::super::token::EndCause;
    use super::*;

    const NOW: Millis = Millis(1_790_000_000_000);
    const HOME: WorkspaceId = WorkspaceId(11);
    const DEMAND: Demand =
        Demand { right: Right::Authenticated, scope: scope::SETTINGS, token_api: false, feature: None };

    fn facts() -> Facts {
        let workspace = Workspace {
            id: HOME,
            account: AccountId(uuid::Uuid::nil()),
            name: "w".into(),
            deployment_name: "w".into(),
            created_at: NOW,
            is_default: true,
            admins_group: PrincipalId(100),
            users_group: PrincipalId(101),
            clock: WorkspaceClock::Frozen(NOW),
            behaviour: Behaviour::default(),
            enable_tokens: None,
            max_token_lifetime: None,
        };
        let token = Token {
            workspace: HOME,
            id: TokenId::from_text("t"),
            owner: PrincipalId(1),
            created_by: PrincipalId(1),
            created_by_username: "u@example.com".into(),
            comment: String::new(),
            creation_time: NOW.plus(-DAY_MS),
            expiry_time: Some(NOW.plus(DAY_MS)),
            last_used: None,
            scopes: None,
            autoscope_state: None,
            inferred_scopes: None,
        };
        let reach = Reach {
            subject: PrincipalId(1),
            via: None,
            name: "u@example.com".into(),
            level: Some(PermissionLevel::CanUse),
        };
        let owner = Owner {
            id: PrincipalId(1),
            kind: PrincipalKind::User,
            name: "u@example.com".into(),
            active: true,
            account_admin: false,
            standing: Standing { admins_group: PrincipalId(100), reach: vec![reach] },
        };
        Facts {
            workspace: Some(workspace),
            token_belongs_to: None,
            token: Some(token),
            ended: None,
            owner: Some(owner),
        }
    }

    fn decide(facts: Facts, demand: Demand) -> Decision {
        authorize(&Presented::Token(TokenId::from_text("t")), &NamedWorkspace::Unnamed, demand, facts, NOW)
    }

    #[test]
    fn a_sound_request_passes_all_ten_checks_in_order() {
        let decision = decide(facts(), DEMAND);
        let checks: Vec<Check> = decision.trace.iter().map(|step| step.check).collect();
        assert_eq!(
            checks,
            [
                Check::CredentialWellFormed,
                Check::WorkspaceAgrees,
                Check::TokensEnabled,
                Check::TokenKnown,
                Check::NotExpired,
                Check::NotInactive,
                Check::OwnerActive,
                Check::MayUseTokens,
                Check::ScopeCovers,
                Check::HasRight,
            ]
        );
        assert!(decision.outcome.is_ok() && decision.used.is_some());
    }

    /// Each case breaks one thing; each later case is broken as well as all before it were, so the
    /// table also pins the order.
    #[test]
    fn the_first_failing_check_decides() {
        type Break = fn(&mut Facts);
        let admin = Demand { right: Right::WorkspaceAdmin, ..DEMAND };
        let cases: [(Check, Denial, Break); 8] = [
            (Check::HasRight, Denial::NotAdmin("u@example.com".into()), |_| {}),
            (Check::ScopeCovers, Denial::MissingScope, |f| f.token.as_mut().unwrap().scopes = Some(vec!["sql".into()])),
            (Check::MayUseTokens, Denial::NoTokenPermission, |f| {
                f.owner.as_mut().unwrap().standing.reach[0].level = None;
            }),
            (Check::OwnerActive, Denial::org(HOME), |f| f.owner.as_mut().unwrap().active = false),
            (Check::NotInactive, Denial::InvalidAccessToken, |f| {
                f.token.as_mut().unwrap().creation_time = NOW.plus(-90 * DAY_MS);
            }),
            (Check::NotExpired, Denial::InvalidAccessToken, |f| f.token.as_mut().unwrap().expiry_time = Some(NOW)),
            (Check::TokenKnown, Denial::InvalidAccessToken, |f| f.token = None),
            (Check::TokensEnabled, Denial::InvalidAccessToken, |f| {
                let off = ConfValue { value: "false".into(), previous: None, effective_at: NOW };
                f.workspace.as_mut().unwrap().enable_tokens = Some(off);
            }),
        ];
        let mut broken = facts();
        for (check, denial, damage) in cases {
            damage(&mut broken);
            let decision = decide(broken.clone(), admin);
            assert_eq!(decision.outcome, Err(denial), "{check:?}");
            let last = decision.trace.last().unwrap();
            assert_eq!((last.check, last.passed), (check, false));
            assert!(!last.because.is_empty() && decision.used.is_none());
            assert!(decision.trace.iter().rev().skip(1).all(|step| step.passed));
        }
    }

    #[test]
    fn an_ended_token_is_known_and_its_end_is_told() {
        let ended = |cause| Some(Ended { cause, actor: "who".into(), at: NOW });
        let by_hand = decide(Facts { ended: ended(EndCause::RevokedByAdmin), ..facts() }, DEMAND);
        let step = by_hand.trace.last().unwrap();
        assert_eq!((step.check, by_hand.owner.as_deref()), (Check::TokenKnown, Some("u@example.com")));
        assert_eq!(step.because, "it ended at 2026-09-21T14:13:20.000Z: revoked_by_admin (who)");
        // What time ends is decided by time, whether the sweep has come by or not.
        let mut idle = facts();
        idle.token.as_mut().unwrap().creation_time = NOW.plus(-90 * DAY_MS);
        let swept = decide(Facts { ended: ended(EndCause::Inactive), ..idle.clone() }, DEMAND);
        assert_eq!(swept, decide(idle, DEMAND));
        assert!(decide(Facts { ended: ended(EndCause::Inactive), ..facts() }, DEMAND).outcome.is_err());
    }

    #[test]
    fn the_workspace_has_to_agree() {
        let token = Presented::Token(TokenId::from_text("t"));
        let deny =
            |named: NamedWorkspace, facts: Facts| authorize(&token, &named, DEMAND, facts, NOW).outcome.unwrap_err();
        let own = Facts { token_belongs_to: Some(HOME), ..facts() };
        assert_eq!(deny(NamedWorkspace::Id(WorkspaceId(12)), own), Denial::org(WorkspaceId(12)));
        assert_eq!(
            deny(NamedWorkspace::Id(WorkspaceId(12)), Facts { workspace: None, ..facts() }),
            Denial::org(WorkspaceId(12))
        );
        assert_eq!(deny(NamedWorkspace::Unusable("x".into()), facts()), Denial::InvalidAccessToOrg("x".into()));
        assert!(authorize(&token, &NamedWorkspace::Id(HOME), DEMAND, facts(), NOW).outcome.is_ok());
    }

    #[test]
    fn disabled_tokens_are_named_on_the_token_api_only() {
        let mut off = facts();
        off.workspace.as_mut().unwrap().created_at = Millis(0);
        let token_api = Demand { right: Right::TokenUser, token_api: true, ..DEMAND };
        assert_eq!(decide(off.clone(), token_api).outcome, Err(Denial::TokensDisabled));
        assert_eq!(decide(off, DEMAND).outcome, Err(Denial::InvalidAccessToken));
    }
}
