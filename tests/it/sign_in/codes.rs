//! Codes and refresh tokens: what they are bound to, and what a second use revokes.

use dapi_mock::domain::sign_ins::{AuthorizationRequest, SignIn, SignInTarget, Ticket, TicketKind};
use dapi_mock::service::ADMIN_USER;
use dapi_mock::store::Lock;
use futures_util::future::join_all;
use serde_json::json;

use super::{EVA, invalid_code, invalid_refresh, page_refused};
use crate::support::{
    AUTHORIZE, DAY_MS, LIST, ME, START, TOKEN_ENDPOINT, World, account, both, challenge, invalid_client, oauth_error,
    on_every_store, parameter, part, query, redemption, value_of,
};

on_every_store!(
    a_code_is_bound_to_its_request,
    reusing_a_code_revokes_its_tokens,
    one_of_many_redemptions_succeeds,
    refresh_tokens_rotate_and_reusing_an_old_one_revokes_the_sign_in,
    scopes_narrow_and_never_widen,
    codes_and_tokens_expire_on_the_workspaces_clock,
    codes_are_valid_only_where_they_were_issued,
    sign_ins_do_not_pile_up,
    a_restart_ends_no_sign_in,
);

async fn a_code_is_bound_to_its_request(world: World) {
    let code = world.code(ADMIN_USER).await;
    for changes in [
        ("code_verifier", "another-verifier-of-forty-three-characters-or-more"),
        ("code_verifier", &challenge()),
        ("code_verifier", "short"),
        ("redirect_uri", "http://localhost:8021"),
        ("redirect_uri", "http://127.0.0.1:8020"),
        ("code", "x"),
        ("code", &format!("{}{}", &code[..code.len() - 1], if code.ends_with('0') { '1' } else { '0' })),
    ] {
        let answer = world.ask_for_token(TOKEN_ENDPOINT, None, &redemption(&code, &[changes])).await;
        assert_eq!(answer.status, 400, "{changes:?}");
        invalid_code(&answer);
    }
    for name in ["code", "code_verifier", "redirect_uri"] {
        let answer = world.ask_for_token(TOKEN_ENDPOINT, None, &redemption(&code, &[(name, "")])).await;
        oauth_error(&answer, 400, "invalid_request", &format!("{name} is missing"));
    }
    for client in ["", "dbt-databricks"] {
        invalid_client(&world.ask_for_token(TOKEN_ENDPOINT, None, &redemption(&code, &[("client_id", client)])).await);
    }
    invalid_client(&world.ask_for_token(TOKEN_ENDPOINT, Some(("databricks-cli", "x")), &redemption(&code, &[])).await);
    invalid_client(&world.ask_for_token(TOKEN_ENDPOINT, None, &redemption(&code, &[("client_secret", "x")])).await);
    both(&world.redeem(&code).await);
}

async fn reusing_a_code_revokes_its_tokens(world: World) {
    let code = world.code(ADMIN_USER).await;
    let (token, refresh) = both(&world.redeem(&code).await);
    let (token2, refresh) = both(&world.refresh(&refresh, "").await);
    let (other, _) = world.tokens(ADMIN_USER).await;
    assert!(world.is_let_in(&token).await && world.is_let_in(&token2).await);
    invalid_code(&world.redeem(&code).await);
    assert!(!world.is_let_in(&token).await && !world.is_let_in(&token2).await);
    world.client(&token).get(ME).await.refused(403, 403, "Invalid access token.");
    invalid_refresh(&world.refresh(&refresh, "").await);
    assert!(world.is_let_in(&other).await, "another sign-in is unaffected");
}

async fn one_of_many_redemptions_succeeds(world: World) {
    let code = world.code(ADMIN_USER).await;
    let answers = join_all((0..8).map(|_| world.redeem(&code))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
    answers.iter().filter(|answer| answer.status != 200).for_each(invalid_code);

    let (_, refresh) = world.tokens(ADMIN_USER).await;
    let answers = join_all((0..8).map(|_| world.refresh(&refresh, ""))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");

    let page = world.authorize(&[]).await;
    let fields = [("ticket", value_of(&page, "ticket")), ("user", value_of(&page, "user"))];
    let answers = join_all((0..8).map(|_| world.submit(AUTHORIZE, &fields, None))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 302).count(), 1, "{answers:?}");
}

async fn refresh_tokens_rotate_and_reusing_an_old_one_revokes_the_sign_in(world: World) {
    let (token, first) = world.tokens(ADMIN_USER).await;
    let (token2, second) = both(&world.refresh(&first, "").await);
    let (token3, third) = both(&world.refresh(&second, "").await);
    assert!(first != second && second != third);
    invalid_refresh(&world.refresh("x", "").await);
    invalid_refresh(&world.refresh(&format!("dort{}", "0".repeat(96)), "").await);
    for token in [&token, &token2, &token3] {
        assert!(world.is_let_in(token).await);
    }
    invalid_refresh(&world.refresh(&first, "").await);
    invalid_refresh(&world.refresh(&third, "").await);
    for token in [&token, &token2, &token3] {
        assert!(!world.is_let_in(token).await);
    }
    oauth_error(&world.refresh("", "").await, 400, "invalid_request", "refresh_token is missing");

    let code = parameter(&world.authorize(&[("login_hint", ADMIN_USER), ("scope", "all-apis")]).await, "code");
    let json = world.redeem(&code).await.json();
    assert_eq!(json.get("refresh_token"), None, "no refresh token was requested");
}

async fn scopes_narrow_and_never_widen(world: World) {
    let asked = [("login_hint", ADMIN_USER), ("scope", "offline_access sql authentication")];
    let code = parameter(&world.authorize(&asked).await, "code");
    let (token, refresh) = both(&world.redeem(&code).await);
    assert_eq!(world.client(&token).get(LIST).await.status, 200);
    let narrowed = world.refresh(&refresh, "sql").await;
    assert_eq!(narrowed.json()["scope"], "sql");
    let (token, refresh) = both(&narrowed);
    assert_eq!(part(&token, 1)["scope"], "sql");
    world.client(&token).get(LIST).await.refused(403, 403, "does not have required scopes: authentication");
    for wider in ["all-apis", "sql settings"] {
        oauth_error(
            &world.refresh(&refresh, wider).await,
            403,
            "access_denied",
            "are not assigned to the client databricks-cli.",
        );
    }
    let whole = world.refresh(&refresh, "").await;
    assert_eq!(whole.json()["scope"], "offline_access sql authentication");
}

async fn codes_and_tokens_expire_on_the_workspaces_clock(world: World) {
    let advance = async |by: &str| drop(world.admin().advance(&json!({"by": by})).await);
    let page = world.authorize(&[]).await;
    let fields = [("ticket", value_of(&page, "ticket")), ("user", value_of(&page, "user"))];
    let code = world.code(ADMIN_USER).await;
    advance("299s").await;
    let (token, refresh) = both(&world.redeem(&code).await);
    let code = world.code(ADMIN_USER).await;
    advance("300s").await;
    invalid_code(&world.redeem(&code).await);
    advance("1s").await;
    page_refused(&world.submit(AUTHORIZE, &fields, None).await, 400, "used or has expired");

    advance("3298s").await;
    assert!(world.is_let_in(&token).await);
    advance("1s").await;
    assert!(!world.is_let_in(&token).await);
    let (token, refresh) = both(&world.refresh(&refresh, "").await);
    assert!(world.is_let_in(&token).await);
    advance("604799s").await;
    let (_, refresh) = both(&world.refresh(&refresh, "").await);
    advance("7d").await;
    invalid_refresh(&world.refresh(&refresh, "").await);
}

async fn codes_are_valid_only_where_they_were_issued(world: World) {
    world.add_second_workspace(12, START, "dapi00000000000000000000000000000012").await;
    world.add_workspace(13, "dapi00000000000000000000000000000013").await;
    let of_account = format!("/oidc/accounts/{}", account());
    let at = async |path: &str, code: &str| world.ask_for_token(path, None, &redemption(code, &[])).await;

    let home = world.code(ADMIN_USER).await;
    for elsewhere in [
        format!("{TOKEN_ENDPOINT}?o=12"),
        format!("{TOKEN_ENDPOINT}?o=13"),
        format!("{TOKEN_ENDPOINT}?o=x"),
        format!("{of_account}/v1/token"),
    ] {
        invalid_code(&at(&elsewhere, &home).await);
    }
    let (token, _) = both(&at(&format!("{TOKEN_ENDPOINT}?o=3274327432743274"), &home).await);
    assert_eq!(part(&token, 1)["aud"], "3274327432743274");

    // Another workspace has its own people, and the code selects the workspace.
    assert_eq!(
        world.authorize(&[("login_hint", "admin@12.example.com")]).await.status,
        200,
        "the page is shown: no sign-in here"
    );
    let code = parameter(&world.authorize(&[("login_hint", "admin@12.example.com"), ("o", "12")]).await, "code");
    invalid_code(&at(&format!("{TOKEN_ENDPOINT}?o=3274327432743274"), &code).await);
    let (token, refresh) = both(&world.redeem(&code).await);
    assert_eq!(part(&token, 1)["aud"], "12");
    assert_eq!(world.client(&token).get(ME).await.header("x-databricks-org-id"), "12");
    let (token, _) = both(&world.refresh(&refresh, "").await);
    assert_eq!(part(&token, 1)["aud"], "12");
    let page = world.authorize(&[("o", "12")]).await;
    assert!(page.text.contains("admin@12.example.com") && !page.text.contains("Workspace Admin"));
    assert_eq!(value_of(&page, "o"), "12", "a search stays in it");

    let unknown = world.authorize(&[("o", "14"), ("login_hint", ADMIN_USER)]).await;
    assert_eq!(parameter(&unknown, "error"), "invalid_request");
    let path = "/oidc/accounts/00000000-0000-4000-8000-000000000000/v1/authorize";
    page_refused(&world.anonymous().get(&format!("{path}?{}", query(&[]))).await, 404, "does not exist");
}

async fn sign_ins_do_not_pile_up(world: World) {
    for _ in 0..20 {
        world.authorize(&[]).await;
        world.code(ADMIN_USER).await;
    }
    assert_eq!(world.sign_ins().await, 20, "an unfinished sign-in leaves nothing");
    let (token, refresh) = world.tokens(ADMIN_USER).await;
    world.admin().advance(&json!({"by": "15m"})).await;
    world.code(ADMIN_USER).await;
    assert_eq!(world.sign_ins().await, 2);
    assert!(world.is_let_in(&token).await);
    both(&world.refresh(&refresh, "").await);
    world.clock.advance(8 * DAY_MS);
    world.code(ADMIN_USER).await;
    assert_eq!(world.sign_ins().await, 1);

    // With a frozen clock none expires.
    let place = SignInTarget { workspace: world.workspace().await, whole_account: false };
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query(&[]).as_bytes()).into_owned().collect();
    let request = AuthorizationRequest::read(&pairs).unwrap();
    let (admin, eva) = (world.admin_id().await, world.add_user(EVA).await);
    let evas = world.code(EVA).await;
    let mut writer = world.service.store().write(Lock::Workspace(place.workspace.id)).await.unwrap();
    for i in 0..120 {
        let code = Ticket::new(TicketKind::Code, uuid::Uuid::from_u128(i), [0; 16]);
        let sign_in = SignIn::approved(&place, request.clone(), admin, &code, world.now());
        writer.insert_sign_in(&sign_in, world.now()).await.unwrap();
    }
    writer.commit().await.unwrap();
    assert_eq!(world.sign_ins().await, 101, "at most 100 of the admin");
    let sub = part(&both(&world.redeem(&evas).await).0, 1)["sub"].clone();
    assert_eq!(sub, EVA, "{eva}: the admin's codes do not crowd out others");
}

async fn a_restart_ends_no_sign_in(mut world: World) {
    let (token, refresh) = world.tokens(ADMIN_USER).await;
    let code = world.code(ADMIN_USER).await;
    world.restart().await;
    assert!(world.is_let_in(&token).await);
    both(&world.refresh(&refresh, "").await);
    both(&world.redeem(&code).await);
}
