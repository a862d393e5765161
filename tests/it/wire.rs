//! Peculiarities of the wire: parameters in the body of a GET, error texts of other years, mislabelled bodies, and the
//! endpoint of SQL drivers.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Method;
use dapi_mock::domain::settings::ErrorTexts;
use serde_json::{Value, json};

use crate::support::{Answer, Backend, CREATE, Client, LIST, MANAGED, ME, RESTRICTION, World, on_every_store};

on_every_store!(a_get_filters_by_its_body, a_restriction_keeps_its_governed_tags);

fn creators(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = answer.json();
    let rows = json["token_infos"].as_array().unwrap().iter();
    let mut names: Vec<String> = rows.map(|row| row["created_by_username"].as_str().unwrap().to_owned()).collect();
    names.dedup();
    names
}

async fn a_get_filters_by_its_body(world: World) {
    const ANN: &str = "ann@example.com";
    let (ann, token) = world.user_with_token(ANN).await;
    world.client(&token).create(&json!({})).await;
    let admin = world.admin();
    let list = async |query: &str, body: Value| {
        let body = if body == json!("nothing") { String::new() } else { body.to_string() };
        admin.call(Method::GET, &format!("{MANAGED}{query}"), body).await
    };
    assert!(creators(&list("", json!("nothing")).await).len() > 1);
    let by_query = list(&format!("?created_by_username={ANN}"), json!("nothing")).await.text;
    for body in [
        json!({"created_by_username": ANN}),
        json!({"created_by_username": ANN, "created_by_id": ann.0.to_string()}),
        json!({"created_by_id": ann.0, "created_by_username": ANN, "other": [1]}),
    ] {
        let answer = list("", body.clone()).await;
        assert_eq!((creators(&answer), &answer.text), (vec![ANN.to_owned()], &by_query), "{body}");
        assert_eq!(list(&format!("?created_by_username={ANN}"), body).await.text, by_query);
    }
    // By id alone, the inserted token is found, too.
    let by_id = list(&format!("?created_by_id={ann}"), json!("nothing")).await;
    assert_eq!(
        creators(&by_id).into_iter().collect::<BTreeSet<_>>(),
        BTreeSet::from([ANN.to_owned(), "seed".to_owned()])
    );
    for body in [json!({"created_by_id": ann.0}), json!({"created_by_id": ann.0.to_string()})] {
        assert_eq!(list("", body.clone()).await.text, by_id.text, "{body}");
    }
    for nothing in [json!({}), Value::Null, json!({"created_by_id": null, "created_by_username": ""})] {
        assert!(creators(&list("", nothing).await).len() > 1);
    }
    let none = list("", json!({"created_by_username": "nobody@example.com"})).await;
    assert_eq!(creators(&none), [""; 0]);
    for (query, body, text) in [
        ("", json!({"created_by_id": true}), "created_by_id: true is not a number."),
        ("", json!({"created_by_id": [ann.0]}), "created_by_id: ["),
        ("", json!({"created_by_id": 1.5}), "created_by_id: '1.5' is not an id."),
        ("", json!({"created_by_id": "ann"}), "created_by_id: 'ann' is not an id."),
        ("", json!({"created_by_username": 7}), "created_by_username: 7 is not a string."),
        ("?created_by_username=admin@example.com", json!({"created_by_username": ANN}), "the query says"),
        ("?created_by_id=1", json!({"created_by_id": 2}), "created_by_id: the query says '1', and the body says '2'."),
    ] {
        list(query, body).await.refused(400, "INVALID_PARAMETER_VALUE", text);
    }
    for body in ["created_by_id=7", "[]", "{", "\"x\""] {
        let answer = admin.call(Method::GET, MANAGED, body).await;
        answer.refused(400, "MALFORMED_REQUEST", "Invalid JSON given in the body of the request");
    }
    // Other routes that take parameters.
    let conf = "/api/2.0/workspace-conf";
    let keys = admin.call(Method::GET, conf, json!({"keys": "enableTokensConfig,enableGp3"}).to_string()).await;
    assert_eq!(keys.json(), json!({"enableTokensConfig": null, "enableGp3": null}));
    let keys = admin.call(Method::GET, conf, json!({"keys": 7}).to_string()).await;
    keys.refused(400, "INVALID_PARAMETER_VALUE", "keys: 7 is not a string.");
    // Routes without parameters ignore the body.
    assert_eq!(admin.call(Method::GET, LIST, "{\"created_by_id\": 7}").await.status, 200);
}

async fn a_restriction_keeps_its_governed_tags(world: World) {
    let oauth = world.admin_oauth().await;
    let admin = world.client(&oauth);
    let update = async |value: Value, mask: Option<&str>| {
        let etag = admin.get(RESTRICTION).await.json()["etag"].clone();
        let body = json!({
            "allow_missing": true,
            "field_mask": mask,
            "setting": {"etag": etag, "restrict_workspace_admins": value},
        });
        admin.patch(RESTRICTION, &body).await
    };
    let stored = async || admin.get(RESTRICTION).await.json()["restrict_workspace_admins"].clone();
    assert_eq!(stored().await, json!({"status": "ALLOW_ALL"}));
    let both = json!({"status": "RESTRICT_TOKENS_AND_JOB_RUN_AS", "disable_gov_tag_creation": true});
    for (value, mask, expected) in [
        (both.clone(), None, both.clone()),
        (
            json!({"status": "ALLOW_ALL"}),
            Some("restrict_workspace_admins.status"),
            json!({"status": "ALLOW_ALL", "disable_gov_tag_creation": true}),
        ),
        (
            json!({"status": "RESTRICT_TOKENS_AND_JOB_RUN_AS", "disable_gov_tag_creation": false}),
            Some("restrict_workspace_admins.disable_gov_tag_creation"),
            json!({"status": "ALLOW_ALL"}),
        ),
        (both.clone(), Some("restrict_workspace_admins"), both.clone()),
    ] {
        let answer = update(value, mask).await;
        assert_eq!((answer.status.as_u16(), stored().await), (200, expected.clone()), "{answer:?}");
        assert_eq!(answer.json()["restrict_workspace_admins"], expected);
    }
    for (value, mask, text) in [
        (json!({"status": "ALLOW_ALL", "disable_gov_tag_creation": "yes"}), None, "expected true or false"),
        (json!({"status": "ALLOW_ALL"}), Some("restrict_workspace_admins.x"), "is not a field of the setting"),
        (json!({"disable_gov_tag_creation": true}), None, "status is required"),
    ] {
        update(value, mask).await.refused(400, "INVALID_PARAMETER_VALUE", text);
    }
    let etag = admin.get(RESTRICTION).await.json()["etag"].as_str().unwrap().to_owned();
    let deleted = admin.call(Method::DELETE, RESTRICTION, json!({"etag": etag}).to_string()).await;
    assert_eq!((deleted.status.as_u16(), stored().await), (200, json!({"status": "ALLOW_ALL"})), "{deleted:?}");
}

#[tokio::test]
async fn the_texts_are_of_the_year_that_is_set() {
    let mut world = World::new(Backend::Memory).await;
    let scoped = world.mint(world.admin_id().await, |token| token.scopes = Some(vec!["sql".into()])).await;
    let account = world.workspace().await.account;
    let account_users = format!("/api/2.0/accounts/{account}/scim/v2/Users");
    let robot = world.add_principal(dapi_mock::domain::identities::PrincipalKind::ServicePrincipal, "r").await;
    assert!(robot.0 > 0);
    for (texts, bad_token, scope, account_admin) in [
        (
            ErrorTexts::Of2026,
            "Invalid access token. [ReqId: ",
            (json!(403), "Provided access token does not have required scopes: authentication"),
            "This API is disabled for users without account admin status.",
        ),
        (
            ErrorTexts::Of2024,
            "Invalid access token.",
            (json!("PERMISSION_DENIED"), "Your token is missing the required scopes for this endpoint"),
            "Requesting user 'admin@example.com' is not an account admin.",
        ),
    ] {
        world.set_error_texts(texts);
        let answer = world.client("dapi00000000000000000000000000000bad").get(ME).await;
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with(bad_token), "{message}");
        assert_eq!(message.contains(answer.header("x-request-id")), texts == ErrorTexts::Of2026);
        assert_eq!(answer.header("x-databricks-reason-phrase"), "Invalid access token.");
        let answer = world.client(&scoped).get(LIST).await;
        assert_eq!((&answer.json()["error_code"], answer.json()["message"].as_str().unwrap()), (&scope.0, scope.1));
        let answer = world.admin().patch(RESTRICTION, &json!({})).await;
        answer.refused(403, "PERMISSION_DENIED", account_admin);
        let answer = world.anonymous().get(&account_users).await;
        let id = answer.header("x-request-id").to_owned();
        answer.refused(401, 401, &format!("unsupported type for this API. [ReqId: {id}]"));
    }
}

#[tokio::test]
async fn sql_drivers_fail_at_once_with_the_reason() {
    let world = World::new(Backend::Memory).await;
    for path in ["/sql/1.0/warehouses/abc", "/sql/1.0/endpoints/abc", "/sql/protocolv1/o/3274327432743274/0101-abc"] {
        let answer = world.admin().call(Method::POST, path, Body::from(&b"\x80\x01thrift"[..])).await;
        answer.refused(501, "NOT_IMPLEMENTED", "dapi-mock does not emulate SQL warehouses");
        let message = answer.json()["message"].clone();
        for header in ["x-thriftserver-error-message", "x-databricks-reason-phrase"] {
            assert_eq!(answer.header(header), message);
        }
        world.anonymous().get(path).await.refused(401, 401, "Credential was not sent");
    }
    world.admin().get("/api/2.0/sql/warehouses").await.refused(404, "ENDPOINT_NOT_FOUND", "The real service has");
    world.admin().get("/sql/2.0/warehouses/abc").await.refused(404, "ENDPOINT_NOT_FOUND", "does not know this path");
}

async fn encoded(client: Client<'_>, world: &World, path: &str, encodings: &[&str], body: &'static [u8]) -> Answer {
    let mut request = client.request(&Method::POST, path).header("content-type", "application/json");
    for encoding in encodings {
        request = request.header("content-encoding", *encoding);
    }
    world.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn encoded_bodies_are_refused_by_the_encoding() {
    let world = World::new(Backend::Memory).await;
    let admin = world.admin();
    for encodings in [&["gzip"][..], &["GZIP"], &["br"], &["identity, gzip"], &["identity", "zstd"], &["x"]] {
        let answer = encoded(admin, &world, CREATE, encodings, b"\x1f\x8b\x08").await;
        let last = encodings.last().unwrap().to_ascii_lowercase();
        answer.refused(415, "MALFORMED_REQUEST", &last);
        answer.refused(415, "MALFORMED_REQUEST", "Content-Encoding");
        assert_eq!(answer.header("accept-encoding"), "identity");
    }
    for encodings in [&["identity"][..], &[""], &["Identity"]] {
        assert_eq!(encoded(admin, &world, CREATE, encodings, b"{}").await.status, 200, "{encodings:?}");
    }
    // Without a body nothing is encoded; a bad credential is refused first; the control API refuses encodings, too.
    assert_eq!(encoded(admin, &world, CREATE, &["gzip"], b"").await.status, 200);
    assert_eq!(encoded(world.client("nonsense"), &world, CREATE, &["gzip"], b"{}").await.status, 403);
    let control = encoded(admin, &world, "/_mock/v1/workspaces", &["gzip"], b"{}").await;
    assert_eq!(control.status, 415, "{control:?}");
    assert!(control.text.contains("gzip"), "{control:?}");
}

#[tokio::test]
async fn bodies_that_are_not_json_are_malformed() {
    let world = World::new(Backend::Memory).await;
    let utf16: Vec<u8> = "{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for body in [
        &b"\xef\xbb\xbf{}"[..],
        &utf16,
        b"{\"comment\":NaN}",
        b"{\"lifetime_seconds\":Infinity}",
        b"{\"lifetime_seconds\":1e400}",
        b"{\"comment\":\"\\ud800\"}",
        b"{\"comment\":\"\xff\"}",
        b"{'comment':'a'}",
        b"{\"comment\":\"a\",}",
        "[".repeat(100_000).as_bytes(),
        format!("{{\"comment\":{}", "[".repeat(100_000)).as_bytes(),
    ] {
        let answer = world.admin().call(Method::POST, CREATE, Body::from(body.to_vec())).await;
        answer.refused(400, "MALFORMED_REQUEST", "Invalid JSON given in the body of the request");
    }
    for (body, text) in [
        ("{\"lifetime_seconds\":\"60\"}", "lifetime_seconds: invalid type: string \"60\", expected a number"),
        ("{\"lifetime_seconds\":60.5}", "expected a number without a fraction"),
        ("{\"lifetime_seconds\":99999999999999999999}", "expected a number without a fraction, from -"),
        ("{\"comment\":\"a\",\"comment\":\"b\"}", "duplicate field `comment`"),
        ("{\"scopes\":\"sql\"}", "expected an array"),
        ("{\"scopes\":[5]}", "expected a string"),
        ("{\"autoscope_enabled\":\"yes\"}", "expected true or false"),
    ] {
        world.admin().call(Method::POST, CREATE, body).await.refused(400, "INVALID_PARAMETER_VALUE", text);
    }
    let twice = "{\"maxTokenLifetimeDays\":\"90\",\"maxTokenLifetimeDays\":\"7\"}";
    let answer = world.admin().call(Method::PATCH, "/api/2.0/workspace-conf", twice).await;
    answer.refused(400, "INVALID_PARAMETER_VALUE", "duplicate field `maxTokenLifetimeDays`");
    let nested = format!("{{\"x\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let answer = world.admin().call(Method::POST, CREATE, nested).await;
    assert!(matches!(answer.status.as_u16(), 200 | 400), "{answer:?}");
    let control = world.admin().own(Method::POST, "workspaces", &json!({"port": "x"})).await;
    assert!(control.text.contains("expected a number") && !control.text.contains("u16"), "{control:?}");
}

#[tokio::test]
async fn an_escaped_name_in_the_query_names_the_workspace_too() {
    let world = World::new(Backend::Memory).await;
    assert_eq!(world.admin().get(&format!("{LIST}?%6f=3274327432743274")).await.status, 200);
    for query in ["?%6f=12", "?%6F=12", "?a=b&%6f=%31%32", "?o=12"] {
        world.admin().get(&format!("{LIST}{query}")).await.refused(403, 403, "Invalid access to Org: 12");
    }
}
