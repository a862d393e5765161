//! The order of the checks, and what each of them looks at.

use super::*;
use crate::domain::access::{Membership, PermissionLevel};
use crate::domain::clock::WorkspaceClock;
use crate::domain::identities::PrincipalKind;
use crate::domain::ids::DAY_MS;
use crate::domain::jwt::Forgery;
use crate::domain::settings::{Behaviour, ConfValue};
use crate::domain::tokens::EndCause;
use crate::domain::{AccountId, PrincipalId, TokenId};

const NOW: Millis = Millis(1_790_000_000_000);
const HOME: WorkspaceId = WorkspaceId(11);
const DEMAND: Demand = Demand { right: Right::Authenticated, scope: scopes::SETTINGS, token_api: false, feature: None };

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
        clock: WorkspaceClock::frozen(NOW),
        behaviour: Behaviour::default(),
        delete_at: None,
        entropy_seed: None,
        enable_tokens: None,
        max_token_lifetime: None,
        incarnation: 0,
        has_faults: false,
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
        autoscope_until: None,
        inferred_scopes: None,
        backfill_scopes: None,
    };
    let membership = Membership {
        subject: PrincipalId(1),
        via: None,
        name: "u@example.com".into(),
        level: Some(PermissionLevel::CanUse),
        assigned: true,
        account_admin: false,
    };
    let owner = Owner {
        id: PrincipalId(1),
        kind: PrincipalKind::User,
        name: "u@example.com".into(),
        active: true,
        account_admin: false,
        standing: Standing { admins_group: PrincipalId(100), active: true, memberships: vec![membership] },
    };
    Facts {
        workspace: Some(workspace),
        token_belongs_to: None,
        found: CredentialRecord::Token(token),
        owner: Some(owner),
    }
}

fn token(facts: &mut Facts) -> &mut Token {
    match &mut facts.found {
        CredentialRecord::Token(token) => token,
        other => panic!("{other:?}"),
    }
}

fn decide(facts: Facts, demand: Demand) -> Decision {
    authorize(&PresentedCredential::Token(TokenId::from_text("t")), &NamedWorkspace::Unnamed, demand, facts, NOW)
}

#[test]
fn a_valid_request_passes_all_ten_checks_in_order() {
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

/// Each case breaks one more thing and keeps what the cases before it broke, so the table also pins the order.
#[test]
fn the_first_failing_check_decides() {
    type Break = fn(&mut Facts);
    let admin = Demand { right: Right::WorkspaceAdmin, ..DEMAND };
    let cases: [(Check, AccessDenial, Break); 8] = [
        (Check::HasRight, AccessDenial::NotAdmin("u@example.com".into()), |_| {}),
        (Check::ScopeCovers, AccessDenial::MissingScope("settings"), |f| token(f).scopes = Some(vec!["sql".into()])),
        (Check::MayUseTokens, AccessDenial::NoTokenPermission, |f| {
            f.owner.as_mut().unwrap().standing.memberships[0].level = None;
        }),
        (Check::OwnerActive, AccessDenial::org(HOME), |f| f.owner.as_mut().unwrap().active = false),
        (Check::NotInactive, AccessDenial::InvalidAccessToken, |f| {
            token(f).creation_time = NOW.plus(-90 * DAY_MS);
        }),
        (Check::NotExpired, AccessDenial::InvalidAccessToken, |f| token(f).expiry_time = Some(NOW)),
        (Check::TokenKnown, AccessDenial::InvalidAccessToken, |f| f.found = CredentialRecord::Nothing),
        (Check::TokensEnabled, AccessDenial::InvalidAccessToken, |f| {
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
fn the_trace_says_how_a_token_ended() {
    let ended = |facts: Facts, cause| {
        let CredentialRecord::Token(token) = facts.found else { panic!("no token") };
        let end = TokenEnd { cause, actor: "who".into(), at: NOW };
        Facts { found: CredentialRecord::Ended(token, end), ..facts }
    };
    let by_hand = decide(ended(facts(), EndCause::RevokedByAdmin), DEMAND);
    let step = by_hand.trace.last().unwrap();
    assert_eq!((step.check, by_hand.owner.as_deref()), (Check::TokenKnown, Some("u@example.com")));
    assert_eq!(step.because, "the token ended at 2026-09-21T14:13:20.000Z: revoked_by_admin (who)");
    // Time decides about expiry and inactivity, whether or not the sweep has come by.
    let mut idle = facts();
    token(&mut idle).creation_time = NOW.plus(-90 * DAY_MS);
    let swept = decide(ended(idle.clone(), EndCause::Inactive), DEMAND);
    assert_eq!(swept, decide(idle, DEMAND));
    assert!(decide(ended(facts(), EndCause::Inactive), DEMAND).outcome.is_err());
}

#[test]
fn the_credential_has_to_be_valid_in_the_named_workspace() {
    let token = PresentedCredential::Token(TokenId::from_text("t"));
    let deny = |named: NamedWorkspace, facts: Facts| authorize(&token, &named, DEMAND, facts, NOW).outcome.unwrap_err();
    let own = Facts { token_belongs_to: Some(HOME), ..facts() };
    assert_eq!(deny(NamedWorkspace::Id(WorkspaceId(12)), own), AccessDenial::org(WorkspaceId(12)));
    assert_eq!(
        deny(NamedWorkspace::Id(WorkspaceId(12)), Facts { workspace: None, ..facts() }),
        AccessDenial::org(WorkspaceId(12))
    );
    assert_eq!(deny(NamedWorkspace::Unusable("x".into()), facts()), AccessDenial::InvalidAccessToOrg("x".into()));
    assert!(authorize(&token, &NamedWorkspace::Id(HOME), DEMAND, facts(), NOW).outcome.is_ok());
}

fn by_oauth(change: impl FnOnce(&mut Claims)) -> Facts {
    let mut claims = Claims {
        client_id: "u@example.com".into(),
        scope: "all-apis".into(),
        iss: "http://127.0.0.1:3274/oidc".into(),
        aud: HOME.to_string(),
        sub: "u@example.com".into(),
        iat: NOW.0 / 1000,
        exp: NOW.0 / 1000 + 1,
        jti: "j".into(),
        sid: None,
        creation: 0,
        workspace_creation: None,
    };
    change(&mut claims);
    Facts { found: CredentialRecord::Access(claims, WorkspaceClock::frozen(NOW)), ..facts() }
}

#[test]
fn oauth_skips_the_checks_of_tokens() {
    let mut facts = by_oauth(|_| {});
    facts.workspace.as_mut().unwrap().created_at = Millis(0);
    facts.owner.as_mut().unwrap().standing.memberships[0].level = None;
    let decision = decide(facts, DEMAND);
    let checks: Vec<Check> = decision.trace.iter().map(|step| step.check).collect();
    let expected = [
        Check::CredentialWellFormed,
        Check::WorkspaceAgrees,
        Check::NotExpired,
        Check::OwnerActive,
        Check::ScopeCovers,
        Check::HasRight,
    ];
    assert_eq!(checks, expected);
    assert!(decision.used.is_none());
    assert_eq!(decision.outcome.unwrap().token, None);
}

#[test]
fn oauth_can_fail_each_of_the_other_checks() {
    let refused = |facts: Facts, demand: Demand| {
        let decision = decide(facts, demand);
        let last = decision.trace.last().unwrap();
        assert!(!last.passed && !last.because.is_empty());
        (last.check, decision.outcome.unwrap_err())
    };
    let forged = Facts { found: CredentialRecord::Forged(Forgery::Signature), ..facts() };
    assert_eq!(refused(forged, DEMAND), (Check::CredentialWellFormed, AccessDenial::InvalidAccessToken));
    let expired = by_oauth(|claims| claims.exp = NOW.0 / 1000);
    assert_eq!(refused(expired, DEMAND), (Check::NotExpired, AccessDenial::InvalidAccessToken));
    let gone = Facts { owner: None, ..by_oauth(|_| {}) };
    assert_eq!(refused(gone, DEMAND), (Check::OwnerActive, AccessDenial::org(HOME)));
    let scoped = by_oauth(|claims| claims.scope = "sql".into());
    assert_eq!(refused(scoped, DEMAND), (Check::ScopeCovers, AccessDenial::MissingOauthScope("settings")));
    let admin = Demand { right: Right::WorkspaceAdmin, ..DEMAND };
    assert_eq!(refused(by_oauth(|_| {}), admin), (Check::HasRight, AccessDenial::NotAdmin("u@example.com".into())));
}

#[test]
fn the_token_api_requires_of_oauth_what_it_requires_of_tokens() {
    let own = Demand { right: Right::TokenUser, token_api: true, ..DEMAND };
    assert!(decide(by_oauth(|_| {}), own).outcome.is_ok());
    let mut facts = by_oauth(|_| {});
    facts.owner.as_mut().unwrap().standing.memberships[0].level = None;
    assert_eq!(decide(facts.clone(), own).outcome, Err(AccessDenial::NoTokenPermission));
    facts.workspace.as_mut().unwrap().created_at = Millis(0);
    assert_eq!(decide(facts.clone(), own).outcome, Err(AccessDenial::TokensDisabled));
    facts.owner.as_mut().unwrap().standing.admins_group = PrincipalId(1);
    assert_eq!(decide(facts, own).outcome, Err(AccessDenial::TokensDisabled), "not even for an admin");
}

#[test]
fn account_endpoints_accept_only_account_admins_by_oauth() {
    let account = Demand { right: Right::AccountApi, ..DEMAND };
    assert_eq!(decide(by_oauth(|_| {}), account).outcome, Err(AccessDenial::NotAccountAdmin("u@example.com".into())));
    let promoted = |mut facts: Facts| {
        facts.owner.as_mut().unwrap().account_admin = true;
        decide(facts, account).outcome
    };
    assert_eq!(promoted(facts()), Err(AccessDenial::AccountNeedsOauth));
    assert!(promoted(by_oauth(|_| {})).is_ok());
}

#[test]
fn only_the_token_api_says_that_tokens_are_disabled() {
    let mut off = facts();
    off.workspace.as_mut().unwrap().created_at = Millis(0);
    let token_api = Demand { right: Right::TokenUser, token_api: true, ..DEMAND };
    assert_eq!(decide(off.clone(), token_api).outcome, Err(AccessDenial::TokensDisabled));
    assert_eq!(decide(off, DEMAND).outcome, Err(AccessDenial::InvalidAccessToken));
}
