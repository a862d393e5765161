//! Signing in of people: the page, codes with PKCE, refresh tokens (research/api-identity-auth.md §3.5).

use axum::body::Body;
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dapi_mock::domain::WorkspaceId;
use dapi_mock::domain::identities::PrincipalKind;
use dapi_mock::domain::sign_ins::{AuthorizationRequest, Place, SignIn, Ticket, TicketKind};
use dapi_mock::service::{ACCOUNT_ADMIN_USER, ADMIN_USER};
use dapi_mock::store::Lock;
use dapi_mock::web::access::{Access, SignInPolicy};
use futures_util::future::join_all;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{Answer, Backend, DAY_MS, START, World, on_every_store};
use crate::oauth::{LIST, ME, account, invalid_client, oauth_error, part, text};

on_every_store!(
    a_person_signs_in_by_the_page,
    a_code_is_bound_to_its_request,
    a_second_use_of_a_code_takes_back_what_it_gave,
    of_many_redemptions_one_succeeds,
    refresh_tokens_rotate_and_an_old_one_ends_the_sign_in,
    scopes_narrow_and_never_widen,
    everything_ends_on_the_workspaces_clock,
    codes_stay_where_they_were_given,
    the_account_signs_its_people_in,
    who_is_deactivated_is_kept_out_at_every_step,
    names_confuse_nobody,
    sign_ins_do_not_pile_up,
    a_restart_ends_no_sign_in,
);

const AUTHORIZE: &str = "/oidc/v1/authorize";
const TOKEN: &str = "/oidc/v1/token";
const BACK: &str = "http://localhost:8020";
const VERIFIER: &str = "a-verifier-of-forty-three-characters-or-more";
const EVA: &str = "eva@example.com";

fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

/// The query that the CLI sends, with other values for some parameters; an empty one leaves it out.
pub(crate) fn query(changes: &[(&str, &str)]) -> String {
    let challenge = challenge();
    let pairs = [
        ("response_type", "code"),
        ("client_id", "databricks-cli"),
        ("redirect_uri", BACK),
        ("scope", "offline_access all-apis"),
        ("state", "st ate"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let kept = pairs.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    encoded(&kept.chain(changes).filter(|(_, value)| !value.is_empty()).copied().collect::<Vec<_>>())
}

pub(crate) fn redemption(code: &str, changes: &[(&str, &str)]) -> String {
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", BACK),
        ("client_id", "databricks-cli"),
    ];
    let kept = pairs.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    encoded(&kept.chain(changes).filter(|(_, value)| !value.is_empty()).copied().collect::<Vec<_>>())
}

/// The parameters of the redirect.
#[track_caller]
fn sent_back(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.status, 302, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    let (uri, query) = answer.header("location").split_once('?').unwrap();
    assert_eq!(uri, BACK);
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

#[track_caller]
fn parameter(answer: &Answer, name: &str) -> String {
    let pairs = sent_back(answer);
    pairs.iter().find(|(key, _)| key == name).unwrap_or_else(|| panic!("no {name}: {pairs:?}")).1.clone()
}

#[track_caller]
fn page_refused(answer: &Answer, status: u16, message: &str) {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert!(answer.text.contains(message), "{answer:?}");
}

/// The value of an element with this name.
pub(crate) fn value_of<'a>(page: &'a Answer, name: &str) -> &'a str {
    let (_, rest) = page.text.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{page:?}"));
    rest.split('"').next().unwrap()
}

fn invalid_code(answer: &Answer) {
    oauth_error(answer, 400, "invalid_grant", "Authorization code is invalid");
}

fn invalid_refresh(answer: &Answer) {
    oauth_error(answer, 400, "invalid_grant", "Refresh token is invalid");
    assert_eq!(answer.text, r#"{"error":"invalid_grant","error_description":"Refresh token is invalid"}"#);
}

impl World {
    async fn authorize(&self, changes: &[(&str, &str)]) -> Answer {
        self.anonymous().get(&format!("{AUTHORIZE}?{}", query(changes))).await
    }

    /// Posts the form as a browser does.
    async fn submit(&self, path: &str, fields: &[(&str, &str)], origin: Option<&str>) -> Answer {
        let mut request = self.anonymous().request(&Method::POST, path);
        if let Some(origin) = origin {
            request = request.header("origin", origin).header("sec-fetch-site", "same-origin");
        }
        self.send(request.body(Body::from(encoded(fields))).unwrap()).await
    }

    pub(crate) async fn code(&self, user: &str) -> String {
        parameter(&self.authorize(&[("login_hint", user)]).await, "code")
    }

    pub(crate) async fn redeem(&self, code: &str) -> Answer {
        self.ask_for_token(TOKEN, None, &redemption(code, &[])).await
    }

    /// Access token and refresh token.
    pub(crate) async fn tokens(&self, user: &str) -> (String, String) {
        both(&self.redeem(&self.code(user).await).await)
    }

    pub(crate) async fn refresh(&self, token: &str, scope: &str) -> Answer {
        let form = encoded(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", "databricks-cli"),
            ("scope", scope),
        ]);
        self.ask_for_token(TOKEN, None, &form).await
    }

    async fn is_let_in(&self, token: &str) -> bool {
        let answer = self.client(token).get(ME).await;
        assert!([200, 403].contains(&answer.status.as_u16()), "{answer:?}");
        answer.status == 200
    }

    pub(crate) async fn sign_ins(&self) -> i64 {
        let workspace = self.workspace().await.id;
        self.service.store().read().await.unwrap().count_sign_ins(workspace).await.unwrap()
    }
}

#[track_caller]
fn both(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = answer.json();
    (text(&json["access_token"]), text(&json["refresh_token"]))
}

async fn a_person_signs_in_by_the_page(world: World) {
    let eva = world.add_user(EVA).await;
    world.add_principal(PrincipalKind::ServicePrincipal, "robot").await;
    let page = world.authorize(&[("q", "EVA")]).await;
    assert_eq!(page.status, 200, "{page:?}");
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && policy.contains(&format!("form-action 'self' {BACK};")),
        "{policy}"
    );
    assert_eq!((page.header("cache-control"), page.header("referrer-policy")), ("no-store", "same-origin"));
    assert!(page.text.contains(EVA) && !page.text.contains(ADMIN_USER) && !page.text.contains("control_key"));
    assert!(!world.authorize(&[("q", "robot")]).await.text.contains("name=\"user\""), "people only");
    let all = world.authorize(&[]).await.text;
    assert!(all.find("Workspace Admin").unwrap() < all.find(EVA).unwrap(), "admins come first");

    let (ticket, user) = (value_of(&page, "ticket"), value_of(&page, "user"));
    assert_eq!(user, eva.to_string());
    let fields = [("ticket", ticket), ("user", user)];
    let own = Some("http://127.0.0.1:3274");
    for origin in ["http://evil.example.com", "null", "http://127.0.0.1:8020"] {
        page_refused(&world.submit(AUTHORIZE, &fields, Some(origin)).await, 403, "another site");
    }
    let somebody = world.add_principal(PrincipalKind::Group, "team").await.to_string();
    for nobody in ["", "x", "7", &somebody] {
        let answer = world.submit(AUTHORIZE, &[("ticket", ticket), ("user", nobody)], own).await;
        assert_eq!(answer.status, 403, "{nobody}: {answer:?}");
    }
    for bad in ["", "x", &format!("dosi{}", "0".repeat(64)), &ticket.replace("dosi", "doac")] {
        page_refused(
            &world.submit(AUTHORIZE, &[("ticket", bad), ("user", user)], own).await,
            400,
            "used or is too old",
        );
    }
    let answer = world.submit(AUTHORIZE, &fields, own).await;
    let pairs = sent_back(&answer);
    let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["code", "state", "iss"]);
    assert_eq!((pairs[1].1.as_str(), pairs[2].1.as_str()), ("st ate", "http://127.0.0.1:3274/oidc"));
    page_refused(&world.submit(AUTHORIZE, &fields, own).await, 400, "used or is too old");

    let issued = world.redeem(&pairs[0].1).await;
    assert_eq!(issued.header("cache-control"), "no-store");
    let json = issued.json();
    let (token, refresh) = both(&issued);
    let scope = "offline_access all-apis";
    let expected = json!({"access_token": token, "refresh_token": refresh, "scope": scope, "token_type": "Bearer", "expires_in": 3600});
    assert_eq!(json, expected);
    let claims = part(&token, 1);
    let expected = json!({
        "client_id": "databricks-cli", "scope": scope, "iss": "http://127.0.0.1:3274/oidc", "aud": "3274327432743274",
        "sub": EVA, "iat": START.0 / 1000, "exp": START.0 / 1000 + 3600, "jti": claims["jti"], "sid": claims["sid"],
        "creation": claims["creation"],
    });
    assert_eq!(claims, expected);
    let me = world.client(&token).get(ME).await.json();
    assert_eq!(me["userName"], EVA);
    world.client(&token).create(&json!({})).await;
    let scope = world.client(&token).get("/api/2.0/tokens/introspect").await.json();
    let scope = &scope["principal_context"]["authentication_scope"];
    assert_eq!(*scope, json!({"account_id": account(), "workspace_id": 3_274_327_432_743_274_i64}));

    let log = world.admin().own(Method::GET, "workspaces/default/audit?actor=eva@example.com", &json!({})).await.text;
    let log: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> = log.iter().map(|line| (line["actionName"].as_str().unwrap(), &line["requestParams"])).collect();
    assert_eq!(seen[0], ("oidcBrowserLogin", &json!({"user": EVA})));
    let params = json!({"client_id": "databricks-cli", "grant_type": "authorization_code", "scope": "offline_access all-apis", "expires_in": "3600"});
    assert_eq!(seen[1], ("mintOAuthToken", &params));
}

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
        let answer = world.ask_for_token(TOKEN, None, &redemption(&code, &[changes])).await;
        assert_eq!(answer.status, 400, "{changes:?}");
        invalid_code(&answer);
    }
    for name in ["code", "code_verifier", "redirect_uri"] {
        let answer = world.ask_for_token(TOKEN, None, &redemption(&code, &[(name, "")])).await;
        oauth_error(&answer, 400, "invalid_request", &format!("{name} is missing"));
    }
    for client in ["", "dbt-databricks"] {
        invalid_client(&world.ask_for_token(TOKEN, None, &redemption(&code, &[("client_id", client)])).await);
    }
    invalid_client(&world.ask_for_token(TOKEN, Some(("databricks-cli", "x")), &redemption(&code, &[])).await);
    invalid_client(&world.ask_for_token(TOKEN, None, &redemption(&code, &[("client_secret", "x")])).await);
    both(&world.redeem(&code).await);
}

async fn a_second_use_of_a_code_takes_back_what_it_gave(world: World) {
    let code = world.code(ADMIN_USER).await;
    let (token, refresh) = both(&world.redeem(&code).await);
    let (token2, refresh) = both(&world.refresh(&refresh, "").await);
    let (other, _) = world.tokens(ADMIN_USER).await;
    assert!(world.is_let_in(&token).await && world.is_let_in(&token2).await);
    invalid_code(&world.redeem(&code).await);
    assert!(!world.is_let_in(&token).await && !world.is_let_in(&token2).await);
    world.client(&token).get(ME).await.refused(403, 403, "Invalid access token.");
    invalid_refresh(&world.refresh(&refresh, "").await);
    assert!(world.is_let_in(&other).await, "another sign-in goes on");
}

async fn of_many_redemptions_one_succeeds(world: World) {
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

async fn refresh_tokens_rotate_and_an_old_one_ends_the_sign_in(world: World) {
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
    assert_eq!(json.get("refresh_token"), None, "it was not asked for");
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

async fn everything_ends_on_the_workspaces_clock(world: World) {
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
    page_refused(&world.submit(AUTHORIZE, &fields, None).await, 400, "used or is too old");

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

async fn codes_stay_where_they_were_given(world: World) {
    world.add_second_workspace(12, START, "dapi00000000000000000000000000000012").await;
    world.add_workspace(13, "dapi00000000000000000000000000000013").await;
    let of_account = format!("/oidc/accounts/{}", account());
    let at = async |path: &str, code: &str| world.ask_for_token(path, None, &redemption(code, &[])).await;

    let home = world.code(ADMIN_USER).await;
    for elsewhere in
        [format!("{TOKEN}?o=12"), format!("{TOKEN}?o=13"), format!("{TOKEN}?o=x"), format!("{of_account}/v1/token")]
    {
        invalid_code(&at(&elsewhere, &home).await);
    }
    let (token, _) = both(&at(&format!("{TOKEN}?o=3274327432743274"), &home).await);
    assert_eq!(part(&token, 1)["aud"], "3274327432743274");

    // Another workspace has its own people, and its code picks it.
    assert_eq!(world.authorize(&[("login_hint", "admin@12.example.com")]).await.status, 200, "a page: not here");
    let code = parameter(&world.authorize(&[("login_hint", "admin@12.example.com"), ("o", "12")]).await, "code");
    invalid_code(&at(&format!("{TOKEN}?o=3274327432743274"), &code).await);
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

async fn the_account_signs_its_people_in(world: World) {
    let id = world.add_user(EVA).await;
    let (authorize, token) =
        (format!("/oidc/accounts/{}/v1/authorize", account()), format!("/oidc/accounts/{}/v1/token", account()));
    let page = world.anonymous().get(&format!("{authorize}?{}", query(&[]))).await;
    assert!(page.text.find("Account Admin").unwrap() < page.text.find("Workspace Admin").unwrap(), "{page:?}");
    let fields = [("ticket", value_of(&page, "ticket")), ("user", value_of(&page, "user"))];
    page_refused(&world.submit(AUTHORIZE, &fields, None).await, 400, "used or is too old");
    let answer = world.submit(&authorize, &fields, None).await;
    let iss = format!("http://127.0.0.1:3274/oidc/accounts/{}", account());
    assert_eq!(parameter(&answer, "iss"), iss);
    let code = parameter(&answer, "code");
    invalid_code(&world.redeem(&code).await);
    let (access, _) = both(&world.ask_for_token(&token, None, &redemption(&code, &[])).await);
    let claims = part(&access, 1);
    assert_eq!(
        (&claims["aud"], &claims["sub"], &claims["iss"]),
        (&json!(account()), &json!(ACCOUNT_ADMIN_USER), &json!(iss))
    );
    let robot = world.add_principal(PrincipalKind::ServicePrincipal, "0b1c2d3e-0000-4000-8000-000000000001").await;
    let secrets = format!("/api/2.0/accounts/{}/servicePrincipals/{robot}/credentials/secrets", account());
    assert_eq!(world.client(&access).get(&secrets).await.status, 200);

    // Who is in the account and in no workspace signs in to it, and gets into no workspace.
    world.set_active(id, false).await;
    assert_eq!(world.authorize(&[("login_hint", EVA)]).await.status, 200, "a page: not here");
    let answer = world.anonymous().get(&format!("{authorize}?{}", query(&[("login_hint", EVA)]))).await;
    let answer = world.ask_for_token(&token, None, &redemption(&parameter(&answer, "code"), &[])).await;
    world.client(&both(&answer).0).get(ME).await.refused(403, 403, "Invalid access to Org");
}

async fn who_is_deactivated_is_kept_out_at_every_step(world: World) {
    let id = world.add_user(EVA).await;
    let (token, refresh) = world.tokens(EVA).await;
    let code = world.code(EVA).await;
    let page = world.authorize(&[("q", "eva")]).await;
    let fields = [("ticket", value_of(&page, "ticket")), ("user", value_of(&page, "user"))];

    world.set_active(id, false).await;
    world.client(&token).get(ME).await.refused(403, 403, "Invalid access to Org");
    invalid_refresh(&world.refresh(&refresh, "").await);
    invalid_code(&world.redeem(&code).await);
    page_refused(&world.submit(AUTHORIZE, &fields, None).await, 403, "deactivated");
    assert!(!world.authorize(&[("q", "eva")]).await.text.contains("name=\"user\""));
    let hinted = world.authorize(&[("login_hint", EVA)]).await;
    page_refused(&hinted, 200, "eva@example.com is not an active user here.");

    world.set_active(id, true).await;
    assert!(world.is_let_in(&token).await);
    both(&world.refresh(&refresh, "").await);
    both(&world.redeem(&code).await);
    let path = format!("/api/2.0/preview/scim/v2/Users/{id}");
    assert_eq!(world.admin().call(Method::DELETE, &path, "").await.status, 204);
    world.client(&token).get(ME).await.refused(403, 403, "Invalid access to Org");
}

async fn names_confuse_nobody(world: World) {
    const NAME: &str = "0b1c2d3e-0000-4000-8000-000000000001";
    let robot = world.add_principal(PrincipalKind::ServicePrincipal, NAME).await;
    let secrets = format!("/api/2.0/accounts/servicePrincipals/{robot}/credentials/secrets");
    let secret = text(&world.admin().post(&secrets, &json!({})).await.json()["secret"]);
    let machine = world.access_token(NAME, &secret).await;
    let user = world.add_user(NAME).await;
    let (person, _) = world.tokens(NAME).await;
    assert_eq!(part(&machine, 1)["sub"], part(&person, 1)["sub"]);
    for (token, id) in [(&machine, robot), (&person, user)] {
        assert_eq!(world.client(token).get(ME).await.json()["id"], id.to_string());
    }
    world.set_active(user, false).await;
    assert!(world.is_let_in(&machine).await && !world.is_let_in(&person).await);
}

async fn sign_ins_do_not_pile_up(world: World) {
    for _ in 0..20 {
        world.authorize(&[]).await;
        world.code(ADMIN_USER).await;
    }
    assert_eq!(world.sign_ins().await, 20, "whoever only asks leaves nothing");
    let (token, refresh) = world.tokens(ADMIN_USER).await;
    world.admin().advance(&json!({"by": "15m"})).await;
    world.code(ADMIN_USER).await;
    assert_eq!(world.sign_ins().await, 2);
    assert!(world.is_let_in(&token).await);
    both(&world.refresh(&refresh, "").await);
    world.clock.advance(8 * DAY_MS);
    world.code(ADMIN_USER).await;
    assert_eq!(world.sign_ins().await, 1);

    // A clock that stands still ends none.
    let place = Place { workspace: world.workspace().await, whole_account: false };
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
    assert_eq!(world.sign_ins().await, 101, "100 of the admin");
    let sub = part(&both(&world.redeem(&evas).await).0, 1)["sub"].clone();
    assert_eq!(sub, EVA, "{eva}: nobody crowds out the others");
}

async fn a_restart_ends_no_sign_in(mut world: World) {
    let (token, refresh) = world.tokens(ADMIN_USER).await;
    let code = world.code(ADMIN_USER).await;
    world.restart().await;
    assert!(world.is_let_in(&token).await);
    both(&world.refresh(&refresh, "").await);
    both(&world.redeem(&code).await);
}

#[tokio::test]
async fn requests_are_refused_to_the_client_or_to_the_person() {
    let world = World::new(Backend::Memory).await;
    for (changes, error, description) in [
        (("response_type", "token"), "unsupported_response_type", "response_type=code"),
        (("code_challenge", ""), "invalid_request", "PKCE is required"),
        (("code_challenge_method", "plain"), "invalid_request", "must be S256"),
        (("code_challenge_method", ""), "invalid_request", "must be S256"),
        (("scope", "openid all-apis"), "invalid_scope", "not emulated"),
        (("scope", "all-apis \""), "invalid_scope", "is not a scope"),
        (
            ("scope", "all-apis nonsense"),
            "access_denied",
            "Scopes 'nonsense' are not assigned to the client databricks-cli.",
        ),
        (("response_mode", "form_post"), "invalid_request", "response_mode"),
    ] {
        let answer = world.authorize(&[changes, ("login_hint", ADMIN_USER)]).await;
        assert_eq!(parameter(&answer, "error"), error, "{changes:?}");
        assert!(parameter(&answer, "error_description").contains(description), "{answer:?}");
        assert_eq!(
            (parameter(&answer, "state").as_str(), parameter(&answer, "iss").as_str()),
            ("st ate", "http://127.0.0.1:3274/oidc")
        );
    }
    for (changes, message) in [
        (("client_id", ""), "client_id is missing"),
        (("client_id", "dbt-databricks"), "dbt adapter"),
        (("client_id", "<script>"), "There is no public client"),
        (("redirect_uri", ""), "redirect_uri is missing"),
        (("redirect_uri", "https://evil.example.com/"), "redirect_uri must be"),
        (("redirect_uri", "http://localhost@evil.example.com/"), "redirect_uri must be"),
        (("redirect_uri", "//evil.example.com"), "redirect_uri must be"),
    ] {
        let answer = world.authorize(&[changes, ("login_hint", ADMIN_USER)]).await;
        page_refused(&answer, 400, message);
        assert!(!answer.headers.contains_key("location") && !answer.text.contains("<script"), "{answer:?}");
    }
    let twice = format!("{AUTHORIZE}?{}&redirect_uri=http://localhost:1", query(&[]));
    page_refused(&world.anonymous().get(&twice).await, 400, "redirect_uri is sent twice");
    let request = axum::http::Request::get(format!("{AUTHORIZE}?{}", query(&[("login_hint", ADMIN_USER)])));
    let rebound = world.send(request.header("host", "evil.example.com").body(Body::empty()).unwrap()).await;
    assert_eq!(parameter(&rebound, "error"), "access_denied");
}

#[tokio::test]
async fn what_people_and_clients_wrote_is_only_text_on_the_page() {
    let world = World::new(Backend::Memory).await;
    let hostile = "<script>alert(1)</script>\"'><img src=x onerror=y>&amp;";
    world.add_user(hostile).await;
    for changes in [("state", hostile), ("q", hostile), ("login_hint", "\"><script>"), ("scope", "sql"), ("o", "")] {
        let page = world.authorize(&[changes]).await;
        assert_eq!(page.status, 200, "{page:?}");
        assert!(!page.text.contains("<script") && !page.text.contains("<img"), "{page:?}");
    }
    let page = world.authorize(&[("q", hostile)]).await;
    let fields = [("ticket", value_of(&page, "ticket")), ("user", value_of(&page, "user"))];
    let (token, _) = both(&world.redeem(&parameter(&world.submit(AUTHORIZE, &fields, None).await, "code")).await);
    assert_eq!(world.client(&token).get(ME).await.json()["userName"], hostile);
}

#[tokio::test]
async fn of_many_users_the_page_shows_fifty() {
    let world = World::new(Backend::Memory).await;
    for i in 0..200 {
        world.add_user(&format!("user{i:03}@example.com")).await;
    }
    let page = world.authorize(&[]).await;
    assert_eq!(page.text.matches("name=\"user\"").count(), 50);
    assert!(page.text.contains("These are the first 50 users.") && page.text.contains("Workspace Admin"));
    let page = world.authorize(&[("q", "USER19")]).await;
    assert_eq!(page.text.matches("name=\"user\"").count(), 10);
    assert!(page.text.contains("value=\"USER19\"") && !page.text.contains("the first 50"));

    // Admins come before others, also where there are more of them than are shown; a search finds the others.
    for i in 100..160 {
        let users = format!("/api/2.0/preview/scim/v2/Users?filter=userName+eq+%22user{i}@example.com%22");
        let found = world.admin().get(&users).await.json();
        let member = json!([{"value": found["Resources"][0]["id"]}]);
        let change = json!({"Operations": [{"op": "add", "path": "members", "value": member}]});
        let group = world.workspace().await.admins_group;
        let path = format!("/api/2.0/preview/scim/v2/Groups/{group}");
        assert_eq!(world.admin().call(Method::PATCH, &path, change.to_string()).await.status, 200);
    }
    let page = world.authorize(&[]).await;
    assert_eq!(page.text.matches(">admin</span>").count(), 50);
    assert!(page.text.contains("user148@") && !page.text.contains("user149@") && page.text.contains("first 50 users"));
    let page = world.authorize(&[("q", "USER15")]).await;
    assert_eq!((page.text.matches("name=\"user\"").count(), page.text.matches(">admin</span>").count()), (10, 10));
    assert_eq!(world.authorize(&[("q", "USER16")]).await.text.matches(">admin</span>").count(), 0);
}

#[tokio::test]
async fn a_shared_server_asks_for_its_key() {
    let mut world = World::new(Backend::Memory).await;
    world.set_policy(SignInPolicy::Key(Sha256::digest("secret").into()));
    let admin = world.admin_id().await.to_string();
    let names_nobody = |page: &Answer| {
        let shown = ["name=\"user\"", "Workspace Admin", ADMIN_USER, "name=\"q\"", &admin, "default"];
        let found: Vec<_> = shown.iter().filter(|text| page.text.contains(**text)).collect();
        assert!(found.is_empty(), "{found:?}: {page:?}");
    };
    let page = world.authorize(&[("login_hint", ADMIN_USER)]).await;
    assert_eq!(page.status, 200, "no hint signs anybody in");
    assert!(page.text.contains("type=\"password\""));
    for changes in [&[][..], &[("q", "admin")], &[("q", "nobody")], &[("login_hint", "nobody@example.com")]] {
        let asked = world.authorize(changes).await;
        names_nobody(&asked);
        assert_eq!(asked.text.len(), world.authorize(&[]).await.text.len(), "{changes:?}");
    }
    let ticket = value_of(&page, "ticket");
    for wrong in ["", "Secret", "secret "] {
        for user in [None, Some(admin.as_str()), Some("7"), Some("")] {
            let fields = [("ticket", ticket), ("control_key", wrong), ("q", "a")];
            let fields: Vec<_> = fields.into_iter().chain(user.map(|user| ("user", user))).collect();
            let answer = world.submit(AUTHORIZE, &fields, None).await;
            page_refused(&answer, 403, "This is not the control key.");
            assert_eq!(value_of(&answer, "ticket"), ticket, "to try again");
            names_nobody(&answer);
        }
    }
    let fields = [("ticket", ticket), ("user", &admin), ("control_key", "secret")];
    let code = parameter(&world.submit(AUTHORIZE, &fields, None).await, "code");
    both(&world.redeem(&code).await);
    page_refused(&world.submit(AUTHORIZE, &fields, None).await, 400, "used or is too old");

    // As a browser without JavaScript does it: the key, then a search, then the choice.
    world.add_user(EVA).await;
    let page = world.authorize(&[]).await;
    let asked = [("ticket", value_of(&page, "ticket")), ("control_key", "secret")];
    let people = world.submit(AUTHORIZE, &asked, None).await;
    assert!(people.status == 200 && people.text.contains(EVA) && people.text.contains(ADMIN_USER), "{people:?}");
    assert!(!people.text.contains("control_key") && people.text.contains("<form class=\"search\" method=\"post\""));
    let found = world.submit(AUTHORIZE, &[("ticket", value_of(&people, "ticket")), ("q", "eva")], None).await;
    assert!(found.text.contains(EVA) && !found.text.contains(ADMIN_USER), "{found:?}");
    let chosen = [("ticket", value_of(&found, "ticket")), ("user", value_of(&found, "user"))];
    for bad in ["", "x", &chosen[0].1.replace("dosi7", "dosi8"), &format!("{}0", &chosen[0].1[..chosen[0].1.len() - 1])]
    {
        if bad != chosen[0].1 {
            let forged = world.submit(AUTHORIZE, &[("ticket", bad), ("user", chosen[1].1)], None).await;
            page_refused(&forged, 400, "used or is too old");
        }
    }
    let code = parameter(&world.submit(AUTHORIZE, &chosen, None).await, "code");
    assert_eq!(part(&both(&world.redeem(&code).await).0, 1)["sub"], EVA);

    // Another key voids the forms that were made under this one; a reset those of the workspace.
    world.set_policy(SignInPolicy::Key(Sha256::digest("another").into()));
    let with_other = [("ticket", ticket), ("user", &admin), ("control_key", "another")];
    page_refused(&world.submit(AUTHORIZE, &with_other, None).await, 400, "used or is too old");
    let page = world.authorize(&[]).await;
    let reset = world.admin().own(Method::POST, "workspaces/default/reset", &json!({"to": "seed"})).await;
    assert_eq!(reset.status, 200, "{reset:?}");
    let stale = [("ticket", value_of(&page, "ticket")), ("control_key", "another")];
    page_refused(&world.submit(AUTHORIZE, &stale, None).await, 400, "used or is too old");

    world.set_policy(SignInPolicy::Closed);
    let answer = world.authorize(&[("login_hint", ADMIN_USER)]).await;
    assert_eq!(parameter(&answer, "error"), "access_denied");
    assert!(parameter(&answer, "error_description").contains("--control-key"));
    assert_eq!(world.submit(AUTHORIZE, &fields, None).await.status, 403);
}

#[tokio::test]
async fn whoever_only_asks_crowds_out_nobody() {
    let mut world = World::new(Backend::Memory).await;
    world.set_policy(SignInPolicy::Key(Sha256::digest("secret").into()));
    let first = world.authorize(&[]).await;
    for _ in 0..1100 {
        assert_eq!(world.authorize(&[]).await.status, 200);
    }
    assert_eq!(world.sign_ins().await, 0);
    let admin = world.admin_id().await.to_string();
    let fields = [("ticket", value_of(&first, "ticket")), ("user", &admin), ("control_key", "secret")];
    both(&world.redeem(&parameter(&world.submit(AUTHORIZE, &fields, None).await, "code")).await);
}

#[tokio::test]
async fn no_page_of_others_signs_anybody_in() {
    let world = World::new(Backend::Memory).await;
    let path = format!("{AUTHORIZE}?{}", query(&[("login_hint", ADMIN_USER)]));
    for site in ["cross-site", "same-site"] {
        for mode in ["no-cors", "cors", "navigate"] {
            let image = world.anonymous().request(&Method::GET, &path).header("sec-fetch-site", site);
            let image = image.header("sec-fetch-mode", mode).header("sec-fetch-dest", "image");
            let answer = world.send(image.body(Body::empty()).unwrap()).await;
            assert_eq!(parameter(&answer, "error"), "access_denied");
        }
    }
    assert_eq!(world.anonymous().call(Method::HEAD, &path, "").await.status, 200, "HEAD only looks");
    assert_eq!(world.sign_ins().await, 0);
    let link = world.anonymous().request(&Method::GET, &path).header("sec-fetch-site", "cross-site");
    let link = link.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
    let answer = world.send(link.body(Body::empty()).unwrap()).await;
    both(&world.redeem(&parameter(&answer, "code")).await);
}

#[tokio::test]
async fn a_setting_signs_in_at_once() {
    let mut world = World::new(Backend::Memory).await;
    let id = world.add_user(EVA).await;
    world.set_policy(SignInPolicy::Open(Some("Eva@Example.com".into())));
    let sub = async |changes: &[(&str, &str)]| {
        let code = parameter(&world.authorize(changes).await, "code");
        part(&both(&world.redeem(&code).await).0, 1)["sub"].clone()
    };
    assert_eq!(sub(&[]).await, EVA);
    assert_eq!(sub(&[("login_hint", ADMIN_USER)]).await, ADMIN_USER, "the client says it more exactly");
    assert_eq!(world.authorize(&[("login_hint", "nobody")]).await.status, 200, "a page");
    world.set_active(id, false).await;
    let answer = world.authorize(&[]).await;
    assert_eq!(parameter(&answer, "error"), "access_denied");
    assert!(parameter(&answer, "error_description").contains("--sign-in-as"));
}

#[tokio::test]
async fn disabled_tokens_leave_people_in() {
    let world = World::new(Backend::Memory).await;
    let (token, _) = world.tokens(ADMIN_USER).await;
    world.set_conf("enableTokensConfig", "false").await;
    assert!(world.is_let_in(&token).await);
    let (token, _) = world.tokens(ADMIN_USER).await;
    assert!(world.is_let_in(&token).await);
    world.client(&token).get(LIST).await.refused(404, "FEATURE_DISABLED", "Tokens are disabled.");
    assert_eq!(world.workspace().await.id, WorkspaceId(3_274_327_432_743_274));
}
