//! Input that is deep, long or malformed, and handlers that panic or take too long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use dapi_mock::control;
use dapi_mock::control::Control;
use dapi_mock::http::{App, HostType, error, exchange};
use dapi_mock::store::Lock;
use dapi_mock::web::access::{Access, SignInPolicy};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;

use super::{body, names};
use crate::support::{Answer, Backend, World, on_every_store};

on_every_store!(the_control_api_abandons_slow_requests_and_leaves_nothing_behind,);

/// Small texts that expand, nest deeply or take long to parse.
fn bombs() -> Vec<(&'static str, String)> {
    let laughs = (1..30).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", ")));
    let laughs = laughs.collect::<Vec<_>>().concat();
    vec![
        ("arrays", "[".repeat(500_000)),
        ("objects", "{\"a\":".repeat(100_000)),
        ("in an object", format!("{{\"comment\":{}", "[".repeat(500_000))),
        ("digits", format!("{{\"lifetime_seconds\":{}}}", "9".repeat(900_000))),
        ("exponent", "{\"lifetime_seconds\":1e999999999}".into()),
        ("keys", format!("{{{}\"a\":1}}", "\"a\":1,".repeat(100_000))),
        ("escapes", format!("{{\"comment\":\"{}\"}}", "\\u0041".repeat(100_000))),
        ("aliases", format!("a0: &a0 x\n{laughs}")),
        ("merge", format!("a: &a {{<<: *a}}\n{}", "b: {<<: *a}\n".repeat(1000))),
        ("flow", "workspaces: ".to_owned() + &"[".repeat(300_000)),
        ("indent", (0..2000).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<Vec<_>>().concat()),
        ("tags", "!!binary ".repeat(50_000)),
        ("anchors", (0..50_000).map(|n| format!("&a{n} ")).collect::<Vec<_>>().concat()),
    ]
}

#[tokio::test]
async fn small_texts_do_not_become_large_deep_or_long() {
    let world = World::new(Backend::Memory).await;
    let admin = world.admin();
    for (name, text) in bombs() {
        for path in [
            "/api/2.0/token/create",
            "/api/2.0/preview/scim/v2/Groups",
            "/api/2.0/workspace-conf",
            "/_mock/v1/seed",
            "/_mock/v1/workspaces/default/requests/verify",
        ] {
            let method = if path.ends_with("conf") { Method::PATCH } else { Method::POST };
            let request = admin.request(&method, path).header("content-type", "application/json");
            let answer = world.send(request.body(Body::from(text.clone())).unwrap()).await;
            let is_fine = answer.status.as_u16() < 500 && answer.text.len() < 1_500_000;
            assert!(is_fine, "{name} {path}: {:?} {:.300}", answer.status, answer.text);
        }
        let read = dapi_mock::domain::seeds::parse(&text);
        assert!(read.is_err() || name == "keys", "{name}: {read:?}");
    }
    assert_eq!(admin.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn a_panic_is_answered_as_every_other_defect() {
    async fn defect() {
        panic!("a secret cause")
    }
    let world = World::new(Backend::Memory).await;
    let app = App {
        service: Arc::new(world.service.clone()),
        sign_in: SignInPolicy::Open(None),
        host_type: HostType::default(),
    };
    let router: Router = Router::new()
        .route("/api/2.0/defect", get(defect))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(from_fn_with_state(app, exchange::finish));
    for _ in 0..3 {
        let request = Request::get("/api/2.0/defect").body(Body::empty()).unwrap();
        let answer = Answer::of(router.clone().oneshot(request).await.unwrap()).await;
        answer.refused(500, "INTERNAL_ERROR", answer.json()["message"].as_str().unwrap());
        assert!(!answer.text.contains("secret cause") && !answer.header("x-request-id").is_empty(), "{answer:?}");
    }
}

async fn the_control_api_abandons_slow_requests_and_leaves_nothing_behind(world: World) {
    assert_eq!(control::LIMIT, Duration::from_mins(5), "as docs/replicas.md says");
    let (admin, nothing) = (world.admin(), json!({}));
    let (token, _) = admin.create(&nothing).await;
    let limit = Duration::from_millis(300);
    let own = control::router(Control::new(world.service.clone(), Access::Open, None).within(limit));
    // A reset lets no request in and then waits for this lock.
    let held = world.service.store().write(Lock::Workspace(world.workspace().await.id)).await.unwrap();
    let reset = admin.request(&Method::POST, "/v1/workspaces/3274327432743274/reset");
    let reset = reset.header("content-type", "application/json").body(Body::from("{}")).unwrap();
    let began = Instant::now();
    let answer = Answer::of(own.oneshot(reset).await.unwrap()).await;
    // Before the database's own limits, which are 5 s and more.
    assert!((limit..Duration::from_secs(5)).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"), "{answer:?}");
    assert!(answer.json()["error"].is_string(), "{answer:?}");
    drop(held);
    assert_eq!(world.client(&token).get("/api/2.0/token/list").await.status, 200, "nothing was reset");
    assert_eq!(admin.own(Method::POST, "workspaces/default/reset", &nothing).await.status, 200);
    assert_eq!(world.client(&token).get("/api/2.0/token/list").await.status, 403);
}

async fn the_control_api_survives(backend: Backend, cases: u32) {
    let world = World::new(backend).await;
    let segment =
        prop::sample::select(vec!["default", "12", "0", "%00", "x%00y", "%ff", "..", "seed", "1", "%F0%9F%98%80"]);
    let value = prop::sample::select(vec![
        "",
        "%00",
        "x%00",
        "1",
        "-1",
        "9223372036854775808",
        "default",
        "%ff",
        "true",
        "a,b",
    ]);
    let query = prop::collection::vec((prop::sample::select(names()), value), 0..3);
    let route = prop::sample::select(control::routes::ROUTES.iter().collect::<Vec<_>>());
    let strategy = (route, prop::collection::vec(segment, 2), query, body());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(cases));
    let mut accepted = 0;
    for _ in 0..cases {
        let (route, segments, query, body) = strategy.new_tree(&mut runner).unwrap().current();
        let mut segments = segments.into_iter();
        let part = |part: &str| if part.starts_with('{') { segments.next().unwrap() } else { part }.to_owned();
        let path = route.path.split('/').map(part).collect::<Vec<_>>().join("/");
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let path = format!("{}?{}", path.trim_start_matches("/v1/"), query.join("&"));
        let answer = world.admin().own(route.method.clone(), &path, &body).await;
        // A workspace with its own port requires a server, which this test does not have.
        assert!(answer.status.as_u16() < 500, "{} {path} {body}: {answer:?}", route.method);
        accepted += u32::from(answer.status.is_success());
    }
    assert!(accepted > cases / 20, "{accepted}");
    assert_eq!(world.admin().get("/readyz").await.status, 200);
}

#[tokio::test]
async fn no_input_is_a_server_error_of_the_control_api_on_memory() {
    the_control_api_survives(Backend::Memory, 1500).await;
}

#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test]
async fn no_input_is_a_server_error_of_the_control_api_on_postgres() {
    the_control_api_survives(Backend::Postgres, 1000).await;
}
