//! Who signs in, and what becomes of the access tokens of people who are deactivated.

use axum::http::Method;
use dapi_mock::domain::WorkspaceId;
use dapi_mock::domain::identities::PrincipalKind;
use dapi_mock::service::{ACCOUNT_ADMIN_USER, ADMIN_USER};
use serde_json::json;

use super::{EVA, invalid_code, invalid_refresh, page_refused};
use crate::support::{
    AUTHORIZE, Backend, LIST, ME, World, account, both, on_every_store, parameter, part, query, redemption, text,
    value_of,
};

on_every_store!(people_sign_in_to_the_account, a_deactivated_person_is_kept_out_at_every_step, names_confuse_nobody,);

async fn people_sign_in_to_the_account(world: World) {
    let id = world.add_user(EVA).await;
    let (authorize, token) =
        (format!("/oidc/accounts/{}/v1/authorize", account()), format!("/oidc/accounts/{}/v1/token", account()));
    let page = world.anonymous().get(&format!("{authorize}?{}", query(&[]))).await;
    assert!(page.text.find("Account Admin").unwrap() < page.text.find("Workspace Admin").unwrap(), "{page:?}");
    let fields = [("ticket", value_of(&page, "ticket")), ("user", value_of(&page, "user"))];
    page_refused(&world.submit(AUTHORIZE, &fields, None).await, 400, "used or has expired");
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

    // A user who is in the account only signs in to the account, but not to a workspace.
    world.set_active(id, false).await;
    assert_eq!(world.authorize(&[("login_hint", EVA)]).await.status, 200, "the page is shown: no sign-in here");
    let answer = world.anonymous().get(&format!("{authorize}?{}", query(&[("login_hint", EVA)]))).await;
    let answer = world.ask_for_token(&token, None, &redemption(&parameter(&answer, "code"), &[])).await;
    world.client(&both(&answer).0).get(ME).await.refused(403, 403, "Invalid access to Org");
}

async fn a_deactivated_person_is_kept_out_at_every_step(world: World) {
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

#[tokio::test]
async fn disabling_tokens_signs_nobody_out() {
    let world = World::new(Backend::Memory).await;
    let (token, _) = world.tokens(ADMIN_USER).await;
    world.set_conf("enableTokensConfig", "false").await;
    assert!(world.is_let_in(&token).await);
    let (token, _) = world.tokens(ADMIN_USER).await;
    assert!(world.is_let_in(&token).await);
    world.client(&token).get(LIST).await.refused(404, "FEATURE_DISABLED", "Tokens are disabled.");
    assert_eq!(world.workspace().await.id, WorkspaceId(3_274_327_432_743_274));
}
