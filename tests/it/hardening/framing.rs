//! Requests that two servers would read differently.

use std::io::{Read, Write};
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use super::{LAST, MEMORY, connect, raw, statuses};
use crate::support::{ADMIN_TOKEN, Backend, World, start};

#[test]
fn a_request_ends_where_it_says_or_nothing_follows_it() {
    let server = start(&MEMORY);
    let token = server.export("DATABRICKS_TOKEN");
    let head = format!("POST /api/2.0/token/create HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n");
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    // What follows the head, and the statuses: of this request, and of the next one if the end of the first is clear.
    for (rest, expected) in [
        ("Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}".to_owned(), &[400][..]),
        ("Content-Length: 2, 2\r\n\r\n{}".into(), &[400]),
        ("Content-Length: +2\r\n\r\n{}".into(), &[400]),
        ("Content-Length: -1\r\n\r\n{}".into(), &[400]),
        ("Content-Length: 0x2\r\n\r\n{}".into(), &[400]),
        ("Content-Length: 18446744073709551616\r\n\r\n{}".into(), &[400]),
        ("Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}".into(), &[200, 200]),
        // With both headers the chunks apply, and the connection is closed (RFC 9112 §6.3).
        (format!("Content-Length: 4\r\n{chunked}2\r\n{{}}\r\n0\r\n\r\n"), &[200]),
        (format!("Content-Length: 999\r\n{chunked}2\r\n{{}}\r\n0\r\n\r\n"), &[200]),
        ("Transfer-Encoding: identity\r\n\r\n{}".into(), &[400]),
        ("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".into(), &[400]),
        ("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n".into(), &[400]),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n".into(), &[400]),
        ("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n".into(), &[400]),
        ("Transfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n".into(), &[400]),
        ("X: a\r\n Content-Length: 10\r\nContent-Length: 2\r\n\r\n{}".into(), &[400]),
        ("X: a\rContent-Length: 10\r\nContent-Length: 2\r\n\r\n{}".into(), &[400]),
        ("X: a\0b\r\nContent-Length: 2\r\n\r\n{}".into(), &[400]),
        ("Host: evil.example.com\r\nContent-Length: 2\r\n\r\n{}".into(), &[400, 200]),
        (format!("{chunked}2;a=b\r\n{{}}\r\n0\r\n\r\n"), &[200, 200]),
        (format!("{chunked}2\r\n{{}}\r\n0\r\nContent-Length: 9\r\nAuthorization: x\r\n\r\n"), &[200, 200]),
        (format!("{chunked}2;a\nb\r\n{{}}\r\n0\r\n\r\n"), &[400]),
        (format!("{chunked}2;{}\r\n{{}}\r\n0\r\n\r\n", "a".repeat(20_000)), &[400]),
        (format!("{chunked}2x\r\n{{}}\r\n0\r\n\r\n"), &[400]),
        (format!("{chunked}-2\r\n{{}}\r\n0\r\n\r\n"), &[400]),
        (format!("{chunked}fffffffffffffffff\r\n{{}}\r\n0\r\n\r\n"), &[400]),
        (format!("{chunked}2\n{{}}\n0\n\n"), &[400]),
        (format!("{chunked}2\r\n{{}}x\r\n0\r\n\r\n"), &[400]),
    ] {
        let answers = raw(&server, format!("{head}{rest}{LAST}").as_bytes());
        assert_eq!(statuses(&answers), expected, "{rest:?}: {answers}");
    }
    // HTTP/1.0 has no chunked bodies.
    let old = format!("POST / HTTP/1.0\r\n{chunked}0\r\n\r\n{LAST}");
    assert_eq!(statuses(&raw(&server, old.as_bytes())), [400]);
    server.stop("TERM");
}

#[test]
fn heads_are_bounded_and_only_http_1_is_accepted() {
    let server = start(&MEMORY);
    let get = |path: &str, rest: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n{rest}Connection: close\r\n\r\n");
    let many = |count: usize| (0..count).map(|n| format!("X-{n}: a\r\n")).collect::<Vec<_>>().concat();
    for (request, expected) in [
        (get("/livez", &many(90)), &[200][..]),
        (get("/livez", &many(200)), &[431]),
        (get("/livez", &format!("X: {}\r\n", "a".repeat(60_000))), &[200]),
        (get("/livez", &format!("X: {}\r\n", "a".repeat(70_000))), &[431]),
        (get("/livez", &format!("X: {}\r\n", "a".repeat(1_000_000))), &[431]),
        (get(&format!("/{}", "a".repeat(60_000)), ""), &[401]),
        (get(&format!("/{}", "a".repeat(100_000)), ""), &[431]),
        ("GET /livez HTTP/1.0\r\n\r\n".into(), &[200]),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), &[]),
        (get("/livez", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"), &[200]),
        ("CONNECT x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".into(), &[401]),
        ("CONNECT evil.example.com:443 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".into(), &[400]),
        ("TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".into(), &[401]),
        ("GET http://x/livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".into(), &[200]),
        ("GET http://evil.example.com/livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".into(), &[400]),
    ] {
        let answers = raw(&server, request.as_bytes());
        assert_eq!(statuses(&answers), expected, "{request:.100}: {answers}");
    }
    // Pipelined: each has its answer, in order.
    let asked = (0..50).map(|n| format!("GET /_mock/pipelined-{n} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));
    let answers = raw(&server, asked.chain([LAST.to_owned()]).collect::<Vec<_>>().concat().as_bytes());
    let places: Vec<_> = (0..50).map(|n| answers.find(&format!("/pipelined-{n};")).unwrap()).collect();
    assert!(places.is_sorted() && statuses(&answers).len() == 51);
    server.stop("TERM");
}

/// Otherwise the connection would be closed during the client's next request, because its body was never read.
#[test]
fn a_body_is_read_even_if_the_route_ignores_it() {
    let server = start(&MEMORY);
    let token = server.export("DATABRICKS_TOKEN");
    for path in ["/_mock/v1/workspaces", "/_mock/v1/workspaces/default/clock", "/api/2.0/token/list"] {
        let mut stream = connect(&server);
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nContent-Length: 2\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // The handler has answered by now.
        std::thread::sleep(Duration::from_millis(100));
        stream.write_all(b"{}").unwrap();
        std::thread::sleep(Duration::from_millis(100));
        stream.write_all(LAST.as_bytes()).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        assert_eq!(statuses(&answers), [200, 200], "{path}: {answers}");
    }
    server.stop("TERM");
}

#[test]
fn ill_framed_requests_are_refused_with_a_reason() {
    let server = start(&MEMORY);
    let get = |target: &str, headers: &str| {
        raw(&server, format!("GET {target} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n").as_bytes())
    };
    for host in ["a b", "", " ", "user@host", "host:port", "a/b", "[::1", "a\u{e9}", "host:1:2"] {
        let answer = get("/livez", &format!("Host: {host}\r\n"));
        assert_eq!(statuses(&answer), [400], "{host:?}: {answer}");
        assert!(answer.contains("MALFORMED_REQUEST") && answer.contains("Host"), "{host:?}: {answer}");
    }
    for host in ["127.0.0.1", "127.0.0.1:3274", "[::1]:80", "host", "a.b-c_d:", "LOCALHOST"] {
        let answer = get("/livez", &format!("Host: {host}\r\n"));
        assert_eq!(statuses(&answer), [200], "{host:?}: {answer}");
    }
    assert_eq!(statuses(&get("/livez", "")), [400], "HTTP/1.1 requires a Host");
    assert_eq!(statuses(&raw(&server, b"GET /livez HTTP/1.0\r\n\r\n")), [200], "HTTP/1.0 does not");
    assert_eq!(statuses(&get("/livez", "Host: a\r\nHost: a\r\n")), [400]);
    assert_eq!(statuses(&get("http://a:1/livez", "Host: a:1\r\n")), [200], "as a proxy is asked");
    assert_eq!(statuses(&get("http://b:1/livez", "Host: a:1\r\n")), [400]);
    let post = |headers: &str| {
        let head = format!("POST /api/2.0/token/create HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n");
        raw(&server, format!("{head}0\r\n\r\n").as_bytes())
    };
    for headers in [
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: x\r\n",
        "X: a\rb\r\n",
        "X\r: a\r\n",
        "User-Agent: a\0b\r\n",
    ] {
        let answer = post(headers);
        assert_eq!(statuses(&answer), [400], "{headers:?}: {answer}");
    }
    let (code, log, _) = server.stop("TERM");
    assert_eq!(code, Some(0), "{log}");
    for reason in [
        "The Host header is not a host with an optional port.",
        "The Host header is missing.",
        "The request target and the Host header name different hosts.",
        "that is not HTTP: ",
        "invalid HTTP header parsed",
    ] {
        assert!(log.contains(reason), "{reason}: {log}");
    }
}

#[tokio::test]
async fn a_header_that_is_sent_twice_is_refused() {
    let world = World::new(Backend::Memory).await;
    let (_, other) = world.user_with_token("alice@example.com").await;
    for second in [ADMIN_TOKEN, &other, "nonsense"] {
        for path in ["/api/2.0/token/list", "/api/2.0/preview/scim/v2/Me", "/nowhere", "/_mock/v1/workspaces"] {
            let request = world.admin().request(&Method::GET, path).header("authorization", format!("Bearer {second}"));
            let answer = world.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, 400, "{path}: {answer:?}");
            assert!(answer.text.contains("The header Authorization was sent more than once."), "{answer:?}");
        }
    }
    let request = world.admin().request(&Method::GET, "/api/2.0/token/list").header("authorization", "Basic eDp5");
    world.send(request.body(Body::empty()).unwrap()).await.refused(400, "MALFORMED_REQUEST", "Authorization");
    let explained = world.admin().own(Method::GET, "explain/last", &json!({})).await.json();
    assert!(explained["because"].as_str().unwrap().contains("Authorization was sent more than once"), "{explained}");
    let pair = "Basic eDp5";
    let request = world.anonymous().request(&Method::POST, "/oidc/v1/token");
    let request = request.header("authorization", pair).header("authorization", pair);
    let answer = world.send(request.body(Body::from("grant_type=client_credentials")).unwrap()).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &json!("invalid_request")), "{answer:?}");
    let request = world.admin().request(&Method::POST, "/api/2.0/token/create");
    let request = request.header("content-type", "application/json").header("content-type", "text/plain");
    let answer = world.send(request.body(Body::from("{}")).unwrap()).await;
    answer.refused(400, "MALFORMED_REQUEST", "Content-Type");
    // Repeated workspace headers that agree are accepted; contradicting ones are refused.
    for (named, status) in [(["3274327432743274", "3274327432743274"], 200), (["3274327432743274", "42"], 403)] {
        let request = world.admin().request(&Method::GET, "/api/2.0/token/list");
        let [one, two] = named;
        let request = request.header("x-databricks-workspace-id", one).header("x-databricks-workspace-id", two);
        assert_eq!(world.send(request.body(Body::empty()).unwrap()).await.status, status);
        let path = format!("/api/2.0/token/list?o={one}&o={two}");
        assert_eq!(world.admin().get(&path).await.status, status);
    }
}
