//! The order of the checks, and what each looks at.

use super::*;
use crate::domain::access::{PermissionLevel, Reach};
use crate::domain::clock::WorkspaceClock;
use crate::domain::ids::DAY_MS;
use crate::domain::settings::{Behaviour, ConfValue};
use crate::domain::tokens::EndCause;

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
    let reach = Reach {
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
        standing: Standing { admins_group: PrincipalId(100), active: true, reach: vec![reach] },
    };
    Facts { workspace: Some(workspace), token_belongs_to: None, found: Found::Token(token), owner: Some(owner) }
}

fn token(facts: &mut Facts) -> &mut Token {
    match &mut facts.found {
        Found::Token(token) => token,
        other => panic!("{other:?}"),
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
        (Check::ScopeCovers, Denial::MissingScope("settings"), |f| token(f).scopes = Some(vec!["sql".into()])),
        (Check::MayUseTokens, Denial::NoTokenPermission, |f| {
            f.owner.as_mut().unwrap().standing.reach[0].level = None;
        }),
        (Check::OwnerActive, Denial::org(HOME), |f| f.owner.as_mut().unwrap().active = false),
        (Check::NotInactive, Denial::InvalidAccessToken, |f| {
            token(f).creation_time = NOW.plus(-90 * DAY_MS);
        }),
        (Check::NotExpired, Denial::InvalidAccessToken, |f| token(f).expiry_time = Some(NOW)),
        (Check::TokenKnown, Denial::InvalidAccessToken, |f| f.found = Found::Nothing),
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
    let ended = |facts: Facts, cause| {
        let Found::Token(token) = facts.found else { panic!("no token") };
        let end = Ended { cause, actor: "who".into(), at: NOW };
        Facts { found: Found::Ended(token, end), ..facts }
    };
    let by_hand = decide(ended(facts(), EndCause::RevokedByAdmin), DEMAND);
    let step = by_hand.trace.last().unwrap();
    assert_eq!((step.check, by_hand.owner.as_deref()), (Check::TokenKnown, Some("u@example.com")));
    assert_eq!(step.because, "it ended at 2026-09-21T14:13:20.000Z: revoked_by_admin (who)");
    // What time ends is decided by time, whether the sweep has come by or not.
    let mut idle = facts();
    token(&mut idle).creation_time = NOW.plus(-90 * DAY_MS);
    let swept = decide(ended(idle.clone(), EndCause::Inactive), DEMAND);
    assert_eq!(swept, decide(idle, DEMAND));
    assert!(decide(ended(facts(), EndCause::Inactive), DEMAND).outcome.is_err());
}

#[test]
fn the_workspace_has_to_agree() {
    let token = Presented::Token(TokenId::from_text("t"));
    let deny = |named: NamedWorkspace, facts: Facts| authorize(&token, &named, DEMAND, facts, NOW).outcome.unwrap_err();
    let own = Facts { token_belongs_to: Some(HOME), ..facts() };
    assert_eq!(deny(NamedWorkspace::Id(WorkspaceId(12)), own), Denial::org(WorkspaceId(12)));
    assert_eq!(
        deny(NamedWorkspace::Id(WorkspaceId(12)), Facts { workspace: None, ..facts() }),
        Denial::org(WorkspaceId(12))
    );
    assert_eq!(deny(NamedWorkspace::Unusable("x".into()), facts()), Denial::InvalidAccessToOrg("x".into()));
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
    Facts { found: Found::Access(claims, WorkspaceClock::frozen(NOW)), ..facts() }
}

#[test]
fn oauth_skips_the_checks_of_tokens() {
    let mut facts = by_oauth(|_| {});
    facts.workspace.as_mut().unwrap().created_at = Millis(0);
    facts.owner.as_mut().unwrap().standing.reach[0].level = None;
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
fn oauth_is_refused_at_the_checks_that_remain() {
    let refused = |facts: Facts, demand: Demand| {
        let decision = decide(facts, demand);
        let last = decision.trace.last().unwrap();
        assert!(!last.passed && !last.because.is_empty());
        (last.check, decision.outcome.unwrap_err())
    };
    let forged = Facts { found: Found::Forged(Forgery::Signature), ..facts() };
    assert_eq!(refused(forged, DEMAND), (Check::CredentialWellFormed, Denial::InvalidAccessToken));
    let expired = by_oauth(|claims| claims.exp = NOW.0 / 1000);
    assert_eq!(refused(expired, DEMAND), (Check::NotExpired, Denial::InvalidAccessToken));
    let gone = Facts { owner: None, ..by_oauth(|_| {}) };
    assert_eq!(refused(gone, DEMAND), (Check::OwnerActive, Denial::org(HOME)));
    let scoped = by_oauth(|claims| claims.scope = "sql".into());
    assert_eq!(refused(scoped, DEMAND), (Check::ScopeCovers, Denial::MissingOauthScope("settings")));
    let admin = Demand { right: Right::WorkspaceAdmin, ..DEMAND };
    assert_eq!(refused(by_oauth(|_| {}), admin), (Check::HasRight, Denial::NotAdmin("u@example.com".into())));
}

#[test]
fn the_token_api_asks_oauth_for_what_it_asks_tokens() {
    let own = Demand { right: Right::TokenUser, token_api: true, ..DEMAND };
    assert!(decide(by_oauth(|_| {}), own).outcome.is_ok());
    let mut facts = by_oauth(|_| {});
    facts.owner.as_mut().unwrap().standing.reach[0].level = None;
    assert_eq!(decide(facts.clone(), own).outcome, Err(Denial::NoTokenPermission));
    facts.workspace.as_mut().unwrap().created_at = Millis(0);
    assert_eq!(decide(facts.clone(), own).outcome, Err(Denial::TokensDisabled));
    facts.owner.as_mut().unwrap().standing.admins_group = PrincipalId(1);
    assert_eq!(decide(facts, own).outcome, Err(Denial::TokensDisabled), "an admin's word does not help");
}

#[test]
fn account_endpoints_take_account_admins_by_oauth() {
    let account = Demand { right: Right::AccountApi, ..DEMAND };
    assert_eq!(decide(by_oauth(|_| {}), account).outcome, Err(Denial::NotAccountAdmin("u@example.com".into())));
    let promoted = |mut facts: Facts| {
        facts.owner.as_mut().unwrap().account_admin = true;
        decide(facts, account).outcome
    };
    assert_eq!(promoted(facts()), Err(Denial::AccountNeedsOauth));
    assert!(promoted(by_oauth(|_| {})).is_ok());
}

#[test]
fn disabled_tokens_are_named_on_the_token_api_only() {
    let mut off = facts();
    off.workspace.as_mut().unwrap().created_at = Millis(0);
    let token_api = Demand { right: Right::TokenUser, token_api: true, ..DEMAND };
    assert_eq!(decide(off.clone(), token_api).outcome, Err(Denial::TokensDisabled));
    assert_eq!(decide(off, DEMAND).outcome, Err(Denial::InvalidAccessToken));
}
