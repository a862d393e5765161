//! Signing in at a server that has a control key.

use axum::http::Method;
use dapi_mock::service::ADMIN_USER;
use dapi_mock::web::access::SignInPolicy;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{EVA, page_refused};
use crate::support::{AUTHORIZE, Answer, Backend, World, both, parameter, part, value_of};

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
    assert_eq!(page.status, 200, "a login hint signs nobody in");
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
            page_refused(&answer, 403, "Wrong control key: try again.");
            assert_eq!(value_of(&answer, "ticket"), ticket, "the same ticket, to try again");
            names_nobody(&answer);
        }
    }
    let fields = [("ticket", ticket), ("user", &admin), ("control_key", "secret")];
    let code = parameter(&world.submit(AUTHORIZE, &fields, None).await, "code");
    both(&world.redeem(&code).await);
    page_refused(&world.submit(AUTHORIZE, &fields, None).await, 400, "used or has expired");

    // The steps without JavaScript: the key, a search, the choice.
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
            page_refused(&forged, 400, "used or has expired");
        }
    }
    let code = parameter(&world.submit(AUTHORIZE, &chosen, None).await, "code");
    assert_eq!(part(&both(&world.redeem(&code).await).0, 1)["sub"], EVA);

    // Changing the key invalidates all forms; a reset invalidates those of the workspace.
    world.set_policy(SignInPolicy::Key(Sha256::digest("another").into()));
    let with_other = [("ticket", ticket), ("user", &admin), ("control_key", "another")];
    page_refused(&world.submit(AUTHORIZE, &with_other, None).await, 400, "used or has expired");
    let page = world.authorize(&[]).await;
    let reset = world.admin().own(Method::POST, "workspaces/default/reset", &json!({"to": "seed"})).await;
    assert_eq!(reset.status, 200, "{reset:?}");
    let stale = [("ticket", value_of(&page, "ticket")), ("control_key", "another")];
    page_refused(&world.submit(AUTHORIZE, &stale, None).await, 400, "used or has expired");

    world.set_policy(SignInPolicy::Closed);
    let answer = world.authorize(&[("login_hint", ADMIN_USER)]).await;
    assert_eq!(parameter(&answer, "error"), "access_denied");
    assert!(parameter(&answer, "error_description").contains("--control-key"));
    assert_eq!(world.submit(AUTHORIZE, &fields, None).await.status, 403);
}

#[tokio::test]
async fn unfinished_sign_ins_crowd_out_nobody() {
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
