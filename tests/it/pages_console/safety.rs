//! Every page of the console: who may open it, forms from elsewhere, forms sent twice, hostile text.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{check_command, commands, console, opened, own, value_of};
use crate::support::{Answer, Backend, LIST, World, on_every_store, shows};
use dapi_mock::web::access::{Access, SignInPolicy};

on_every_store!(
    every_page_is_there_and_about_its_workspace,
    a_form_that_is_sent_again_changes_nothing,
    forms_from_other_browsers_and_sites_change_nothing,
    hostile_text_stays_text,
);

const TABS: [&str; 6] = ["clock", "requests", "tokens", "audit", "faults", "workspaces"];
const KEY: &str = "the-control-key";

async fn every_page_is_there_and_about_its_workspace(world: World) {
    world.add_workspace(42, "dapi00000000000000000000000000000042").await;
    let mut browser = opened(&world).await;
    for path in ["/_mock/", "/_mock", "/_mock/console"] {
        assert_eq!(browser.get(path).await.header("location"), console("clock"), "{path}");
    }
    let chosen = browser.get("/_mock/?workspace=42&page=faults").await;
    assert_eq!(chosen.header("location"), "/_mock/console/42/faults");
    for tab in TABS {
        let page = browser.shown(&format!("/_mock/console/42/{tab}")).await;
        assert!(page.contains("<option value=\"42\" selected>workspace 42 (42)</option>"), "{page}");
        assert!(page.contains("2026-11-24 08:00 UTC"), "the workspace's time: {page}");
        assert!(
            page.contains(&format!("aria-current=\"page\" href=\"/_mock/console/42/{tab}\""))
                || page.contains(&format!("href=\"/_mock/console/42/{tab}\" aria-current=\"page\"")),
            "{page}"
        );
        let commands = commands(&page);
        assert!(!commands.is_empty(), "{tab}");
        for command in commands {
            check_command(&mut browser, &command).await;
        }
    }
    assert_eq!(browser.get("/_mock/console/43/clock").await.status, 404);
    for path in ["/_mock/nope", "/_mock/console/default/nope", "/_mock/v1/nope"] {
        let answer = browser.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.json()["routes"].is_object()), (404, true), "{path}");
    }
}

async fn a_form_that_is_sent_again_changes_nothing(world: World) {
    let mut browser = opened(&world).await;
    let state = async || {
        let clock = own(&world, "workspaces/default/clock").await["offset_ms"].clone();
        (clock, own(&world, "workspaces").await["total"].clone(), own(&world, "workspaces/default/faults").await)
    };
    for (tab, fields) in [
        ("clock", vec![("by", "1d")]),
        ("faults", vec![("name", "rate_limited")]),
        ("workspaces", vec![("action", "create"), ("name", "mine")]),
        ("workspaces", vec![("action", "fork"), ("name", "copy")]),
    ] {
        let page = browser.shown(&console(tab)).await;
        let fields = [&fields[..], &[("form_number", value_of(&page, "form_number"))]].concat();
        let before = state().await;
        browser.change(&console(tab), &fields).await;
        let after = state().await;
        assert_ne!(before, after, "{tab}");
        let again = browser.submit(&console(tab), &fields).await;
        shows(&again, 409, &["role=\"alert\"", "This form was already sent"]);
        assert_eq!(state().await, after, "{tab}");
        assert!(!again.text.contains("DATABRICKS_TOKEN='"), "{again:?}");
    }
}

async fn forms_from_other_browsers_and_sites_change_nothing(world: World) {
    let (mut browser, mut other) = (opened(&world).await, opened(&world).await);
    world.admin().get(LIST).await;
    let state = async || {
        let (mut clock, workspaces) = (own(&world, "workspaces/default/clock").await, own(&world, "workspaces").await);
        clock["requests"] =
            own(&world, "workspaces/default/requests").await["requests"].as_array().unwrap().len().into();
        (clock, workspaces, own(&world, "workspaces/default/faults").await)
    };
    let before = state().await;
    let mine = value_of(&browser.shown(&console("clock")).await, "form_token").to_owned();
    let theirs = value_of(&other.shown(&console("clock")).await, "form_token").to_owned();
    for (tab, field, value) in [
        ("clock", "by", "90d"),
        ("requests", "confirm", "yes"),
        ("faults", "name", "rate_limited"),
        ("workspaces", "action", "create"),
    ] {
        let (path, fields) = (console(tab), [(field, value)]);
        for (form_token, headers) in [
            ("", vec![]),
            (theirs.as_str(), vec![]),
            (mine.as_str(), vec![("origin", "http://evil.example.com")]),
            (mine.as_str(), vec![("origin", "null")]),
            (mine.as_str(), vec![("sec-fetch-site", "cross-site")]),
        ] {
            let answer = browser.submit_as(&path, &fields, form_token, &headers).await;
            assert_eq!(answer.status, 403, "{tab} {headers:?}: {answer:?}");
        }
        let without_cookie = world.browser().submit_as(&path, &fields, &mine, &[]).await;
        assert_eq!(without_cookie.status, 403, "{without_cookie:?}");
    }
    assert_eq!(state().await, before);
}

/// What must never be in a page as it is.
const HOSTILE: [&str; 3] = ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'; onclick='alert(1)"];

async fn hostile_text_stays_text(world: World) {
    for text in HOSTILE {
        world.admin().create(&json!({"comment": text, "lifetime_seconds": 3600})).await;
        let made = world.admin().own(Method::POST, "workspaces", &json!({"name": text})).await;
        assert_eq!(made.status, 201, "{made:?}");
        let rule = json!({
            "match": {"path": format!("/{text}"), "client": text}, "effect": {"status": 503, "message": text}, "times": 3,
        });
        assert_eq!(world.admin().own(Method::POST, "workspaces/default/faults", &rule).await.status, 201);
        let path: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let request =
            world.admin().request(&Method::GET, &format!("/api/2.0/{path}?q={path}")).header("user-agent", text);
        world.send(request.body(Body::from(text)).unwrap()).await;
        world.client(text).get(LIST).await;
    }
    world.add_user("<b onmouseover=alert(1)>@example.com").await;
    let mut browser = opened(&world).await;
    let mut pages = Vec::new();
    for tab in TABS {
        pages.push(console(tab));
        for text in HOSTILE {
            let query: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
            let names = ["path", "principal", "client", "status", "owner", "token_id", "state", "action", "q", "limit"];
            let query: Vec<String> = names.iter().map(|name| format!("{name}={query}")).collect();
            pages.push(format!("{}?{}", console(tab), query.join("&")));
        }
    }
    for request in own(&world, "workspaces/default/requests").await["requests"].as_array().unwrap() {
        pages.push(format!("{}/{}", console("requests"), request["request_id"].as_str().unwrap()));
    }
    let workspaces = own(&world, "workspaces").await;
    for workspace in workspaces["workspaces"].as_array().unwrap() {
        pages.push(format!("/_mock/console/{}/workspaces", workspace["id"].as_str().unwrap()));
    }
    for page in &pages {
        harmless(page, &browser.get(page).await);
    }
    for text in HOSTILE {
        for (tab, fields) in [
            ("clock", vec![("target", text)]),
            ("faults", vec![("name", text), ("times", text), ("path", text), ("principal", text)]),
            ("faults", vec![("clear", text)]),
            ("workspaces", vec![("action", "create"), ("name", text), ("ttl", text)]),
            ("workspaces", vec![("action", "save-checkpoint"), ("checkpoint", text)]),
            ("workspaces", vec![("action", "delete-checkpoint"), ("checkpoint", text)]),
            ("workspaces", vec![("action", "reset"), ("to", text)]),
        ] {
            harmless(tab, &browser.submit(&console(tab), &fields).await);
        }
    }
    let advanced = browser.change(&console("clock"), &[("by", "1h")]).await;
    assert!(advanced.text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{advanced:?}");
    harmless("advanced", &advanced);
}

fn harmless(page: &str, answer: &Answer) {
    assert_ne!(answer.status, 500, "{page}: {answer:?}");
    // The head is the same on every page, and has the only script and the only style.
    let text = answer.text.split_once("</head>").map_or(answer.text.as_str(), |(_, body)| body);
    for hostile in ["<script", "<style", "<img", "<b onmouseover"] {
        assert!(!text.contains(hostile), "{page}: {text}");
    }
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
}

#[tokio::test]
async fn with_a_key_the_console_asks_for_a_session_and_shows_no_key() {
    let mut world = World::new(Backend::Memory).await;
    world.set_access(Access::with_key(KEY), SignInPolicy::Key(Sha256::digest(KEY).into()));
    let mut browser = opened(&world).await;
    for tab in TABS {
        let answer = browser.get(&console(tab)).await;
        assert!(answer.header("location").starts_with("/login?next="), "{answer:?}");
        assert!(!browser.submit(&console(tab), &[("by", "1h"), ("confirm", "yes")]).await.status.is_success());
    }
    assert_eq!(browser.get("/_mock/").await.status, 303);
    let admin = world.admin_id().await.to_string();
    for (key, status) in [("guess", 403), (KEY, 303)] {
        browser.get("/login").await;
        let answer = browser.submit("/login", &[("user", &admin), ("control_key", key)]).await;
        assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    }
    for tab in TABS {
        let page = browser.shown(&console(tab)).await;
        for command in commands(&page) {
            assert!(command.contains("-H \"Authorization: Bearer $CONTROL_KEY\""), "{command}");
        }
        assert!(!page.contains(KEY), "{page}");
    }
}

#[tokio::test]
async fn the_console_is_closed_where_the_control_api_is() {
    let mut world = World::new(Backend::Memory).await;
    for (access, status) in [(Access::Off, 404), (Access::Closed, 403)] {
        world.set_access(access, SignInPolicy::Open(None));
        let mut browser = opened(&world).await;
        for tab in TABS {
            assert_eq!(browser.get(&console(tab)).await.status, status, "{tab}");
            let answer = browser.submit(&console(tab), &[("by", "1h"), ("confirm", "yes")]).await;
            assert!(answer.status.is_client_error(), "{tab}: {answer:?}");
        }
        assert_eq!(browser.get("/_mock/").await.status, status);
    }
    world.set_policy(SignInPolicy::Open(None));
    for tab in TABS {
        let request = Request::builder().uri(console(tab)).header("host", "evil.example.com");
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 403, "a foreign domain that resolves to this server");
    }
    assert_eq!(own(&world, "workspaces/default/clock").await["mode"], "real");
}
