//! Hostile input: the server answers no 5xx, does not panic, and writes nothing by halves.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request};
use dapi_mock::domain::identities::PrincipalKind;
use dapi_mock::http::routes::ROUTES;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::support::{ADMIN_TOKEN, Backend, World};

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("-1".to_owned()),
        Just("1e400".to_owned()),
        Just("9223372036854775808".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| n.to_string()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just("\"\\u0000\"".to_owned()),
        Just("\"\\ud800\"".to_owned()),
        Just(format!("\"{ADMIN_TOKEN}\"")),
        Just("\"replace\"".to_owned()),
        Just("\"members[value eq \\\"1\\\"]\"".to_owned()),
    ];
    let key = prop_oneof![
        Just("comment"),
        Just("lifetime_seconds"),
        Just("scopes"),
        Just("token_id"),
        Just("token"),
        Just("update_mask"),
        Just("autoscope_enabled"),
        Just("userName"),
        Just("applicationId"),
        Just("displayName"),
        Just("externalId"),
        Just("active"),
        Just("name"),
        Just("emails"),
        Just("members"),
        Just("entitlements"),
        Just("value"),
        Just("Operations"),
        Just("op"),
        Just("path"),
        Just("x"),
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((key.clone(), inner), 0..5).prop_map(|pairs| {
                let pairs: Vec<String> = pairs.into_iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", pairs.join(","))
            }),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => json().prop_map(String::into_bytes), 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

fn header() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
    const NAMES: [&str; 7] = [
        "authorization",
        "x-databricks-workspace-id",
        "x-databricks-org-id",
        "content-type",
        "host",
        "user-agent",
        "cookie",
    ];
    let text = prop_oneof![
        prop::collection::vec(prop_oneof![Just(9_u8), 32..127_u8, 128..=255_u8], 0..60),
        Just(b"Bearer ".to_vec()),
        Just(b"Basic dG9rZW46".to_vec()),
        Just(b"3274327432743274".to_vec()),
    ];
    (prop::sample::select(&NAMES[..]), text)
        .prop_map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(&value).unwrap()))
}

/// Paths of all routes; where one has an id, `ids` are among what stands there.
fn path(ids: Vec<String>) -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        prop::sample::select(ids),
        Just("0".to_owned()),
        Just("%00".to_owned()),
        Just("%ff%fe".to_owned()),
        Just("..".to_owned()),
        Just("%2e%2e%2f".to_owned()),
        Just("%0d%0aX-Injected:1".to_owned()),
        Just(ADMIN_TOKEN.to_owned()),
        "[a-zA-Z0-9%._~:@!$&'()*+,;=-]{1,40}",
    ];
    let paths: Vec<&'static str> = ROUTES.iter().map(|route| route.path).collect();
    let query = prop_oneof![
        Just(String::new()),
        Just("?".to_owned()),
        Just("?o=%00".to_owned()),
        "\\?[a-z]{1,4}=[%0-9a-f&=+]{0,20}",
        "\\?client_id=databricks-cli&redirect_uri=http://localhost[:/a-z0-9%@.]{0,12}&state=[%0-9a-f]{0,6}&scope=[a-z%]{0,6}",
        "\\?(filter|sortBy|attributes)=(userName|displayName|members|x)?(%20|\\+|\\(|%22|eq|and|not|%00|%ff){0,12}",
        "\\?startIndex=-?[0-9]{0,20}&count=-?[0-9]{0,20}"
    ];
    (prop::sample::select(paths), segment, query).prop_map(|(path, segment, query)| {
        let whole: Vec<String> =
            path.split('/').map(|part| if part.starts_with('{') { segment.clone() } else { part.to_owned() }).collect();
        whole.join("/") + &query
    })
}

async fn survives(backend: Backend, cases: u32) {
    let world = World::new(backend).await;
    let mut ids = Vec::new();
    for i in 0..30 {
        let kind = [PrincipalKind::User, PrincipalKind::ServicePrincipal, PrincipalKind::Group][i % 3];
        ids.push(world.add_principal(kind, &format!("target {i}")).await.to_string());
    }
    let strategy = (
        prop::sample::select(vec![Method::GET, Method::POST, Method::PATCH, Method::PUT, Method::DELETE, Method::HEAD]),
        path(ids),
        prop::collection::vec(header(), 0..3),
        body(),
        any::<bool>(),
    );
    let mut runner = TestRunner::new(ProptestConfig::with_cases(cases));
    for _ in 0..cases {
        let (method, path, headers, body, authenticated) = strategy.new_tree(&mut runner).unwrap().current();
        let Ok(mut request) = Request::builder().method(&method).uri(&path).body(Body::from(body.clone())) else {
            continue;
        };
        if authenticated {
            let value = HeaderValue::from_str(&format!("Bearer {ADMIN_TOKEN}")).unwrap();
            request.headers_mut().insert("authorization", value);
        }
        for (name, value) in &headers {
            request.headers_mut().append(name, value.clone());
        }
        let answer = world.send(request).await;
        let status = answer.status.as_u16();
        assert!(status < 500, "{method} {path} {headers:?} {:?}: {answer:?}", String::from_utf8_lossy(&body));
        if path.split('?').next().is_some_and(|path| path.ends_with("/v1/authorize")) && status >= 400 {
            assert!(answer.header("content-type").starts_with("text/html") && answer.text.len() < 20_000, "{answer:?}");
        } else if status >= 400 && method != Method::HEAD {
            let json = answer.json();
            let rest = !json["error_code"].is_null() && json["message"].is_string();
            let scim = json["status"].as_str() == Some(&status.to_string()) && json["detail"].is_string();
            let oauth = json["error"].is_string() && json["error_description"].is_string();
            let known = rest || (scim && path.contains("/scim/")) || (oauth && path.starts_with("/oidc/"));
            assert!(known, "{answer:?}");
        }
        assert!(!answer.headers.contains_key("x-injected"));
    }
    assert_eq!(world.admin().get("/readyz").await.status, 200);
}

#[tokio::test]
async fn no_input_is_a_server_error_on_memory() {
    survives(Backend::Memory, 4000).await;
}

#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test]
async fn no_input_is_a_server_error_on_postgres() {
    survives(Backend::Postgres, 2000).await;
}
