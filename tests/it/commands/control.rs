//! Who may use the control API of a running server.

use super::status;
use crate::support::{ADMIN, MEMORY, exchange, get, start};

const CLOCK: &str = "/_mock/v1/workspaces/default/clock";

#[test]
fn a_control_key_is_asked_for() {
    let server = start(&[&MEMORY[..], &["--control-key", "sesame"]].concat());
    for (key, expected) in [("", 401), ("wrong", 401), (ADMIN, 401), ("sesame", 200)] {
        assert_eq!(status(&get(&server.address(), CLOCK, key)), expected, "{key}");
    }
    assert!(server.run(&["clock"]).unwrap_err().contains("Missing or wrong control key"));
    assert!(server.run(&["clock", "--by", "1d", "--control-key", "sesame"]).is_ok());
    assert!(server.run(&["audit", "--control-key", "wrong"]).unwrap_err().contains("Missing or wrong control key"));
    assert!(server.list(ADMIN).starts_with("HTTP/1.1 200"), "the emulated API requires no control key");
    let (_, log, _) = server.stop("TERM");
    assert!(!log.contains("sesame"));
}

/// At the control API and at both sign-in pages together.
#[tokio::test]
async fn guessing_the_control_key_is_slowed() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let server = start(&[&MEMORY[..], &["--control-key", "sesame"]].concat());
    let own = server.address();
    let shows = |key: &str| get(&own, CLOCK, key);
    for number in 0..5 {
        for _ in 0..2 {
            assert_eq!(status(&shows(&format!("guess {number}"))), 401);
        }
    }
    let types = |key: &str| {
        let cookie = get(&own, "/login", "");
        let cookie = cookie.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap().to_owned();
        let cookie = cookie.split(';').next().unwrap();
        let page = exchange(&own, &format!("GET /login HTTP/1.1\r\nHost: {own}\r\nCookie: {cookie}\r\n"), "");
        let form_token = page.split("name=\"form_token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let head = format!(
            "POST /login HTTP/1.1\r\nHost: {own}\r\nCookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        );
        exchange(&own, &head, &format!("form_token={form_token}&control_key={key}"))
    };
    for number in 5..10 {
        assert_eq!(status(&types(&format!("guess{number}"))), 403);
    }
    for answer in [shows("sesame"), shows("guess 0"), types("sesame"), types("another")] {
        assert_eq!(status(&answer), 429, "{answer}");
        assert!(answer.contains("retry-after: ") && answer.contains("Too many wrong control keys"), "{answer}");
    }
    assert_eq!(status(&get(&own, CLOCK, "")), 401, "without a key there is nothing to compare");
    assert!(server.list(ADMIN).starts_with("HTTP/1.1 200"), "the emulated API is unaffected");
    // From another address the key still works.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut elsewhere = socket.connect(own.parse().unwrap()).await.unwrap();
    let request =
        format!("GET {CLOCK} HTTP/1.1\r\nHost: {own}\r\nAuthorization: Bearer sesame\r\nConnection: close\r\n\r\n");
    elsewhere.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    elsewhere.read_to_string(&mut answer).await.unwrap();
    assert_eq!(status(&answer), 200, "{answer}");
}

#[test]
fn the_control_api_can_be_off() {
    let server = start(&[&MEMORY[..], &["--control", "off"]].concat());
    let answer = get(&server.address(), CLOCK, "");
    assert!(status(&answer) == 404 && answer.contains("The control API is off"), "{answer}");
    assert!(server.run(&["clock", "--by", "1d"]).unwrap_err().contains("The control API is off"));
}

#[test]
fn a_server_that_others_reach_requires_a_key_or_an_explicit_opening() {
    let everywhere = [&MEMORY[..], &["--host", "0.0.0.0"]].concat();
    let closed = start(&everywhere);
    let answer = get(&closed.address(), CLOCK, "");
    assert!(status(&answer) == 403 && answer.contains("--control-key"), "{answer}");
    assert!(answer.contains("The control API is locked"), "{answer}");
    assert!(closed.list(ADMIN).starts_with("HTTP/1.1 200"));
    let keyed = start(&[&everywhere[..], &["--control-key", "sesame"]].concat());
    assert_eq!(status(&get(&keyed.address(), CLOCK, "sesame")), 200);
    let open = start(&[&everywhere[..], &["--allow-open-control"]].concat());
    assert_eq!(status(&get(&open.address(), CLOCK, "")), 200);
    for server in [closed, keyed, open] {
        server.stop("TERM");
    }
}

#[test]
fn other_sites_pages_do_not_move_the_clock() {
    let server = start(&MEMORY);
    let own = server.address();
    let freeze =
        |headers: &str| exchange(&own, &format!("POST {CLOCK} HTTP/1.1\r\n{headers}"), "{\"mode\": \"frozen\"}");
    let json = "Content-Type: application/json\r\n";
    let host = format!("Host: {own}\r\n");
    for (headers, expected) in [
        // DNS rebinding: the page's own name points here.
        (format!("Host: evil.example.com:{}\r\n{json}", server.port), 403),
        (format!("Host: evil.example.com\r\n{json}Origin: http://evil.example.com\r\n"), 403),
        (json.to_owned(), 400),
        // What a browser sends for a page of another site.
        (format!("{host}{json}Origin: http://evil.example.com\r\n"), 403),
        (format!("{host}{json}Origin: null\r\n"), 403),
        (format!("{host}{json}Sec-Fetch-Site: cross-site\r\n"), 403),
        // What a page can send without a preflight: a form, a beacon.
        (format!("{host}Content-Type: application/x-www-form-urlencoded\r\n"), 415),
        (format!("{host}Content-Type: text/plain;charset=UTF-8\r\n"), 415),
        (format!("{host}Content-Type: multipart/form-data; boundary=x\r\n"), 415),
        (host.clone(), 415),
    ] {
        let answer = freeze(&headers);
        assert!([expected, 403].contains(&status(&answer)), "{headers}: {answer}");
        let is_host = headers.contains("evil.example.com:") || headers.starts_with("Host: evil");
        assert!(!is_host || answer.contains("Host header not allowed: use an IP address, localhost or a dotless name, or start with --allow-host NAME"), "{answer}");
        assert!(!answer.to_lowercase().contains("access-control-allow"), "{answer}");
    }
    let preflight = format!(
        "OPTIONS {CLOCK} HTTP/1.1\r\n{host}Origin: http://evil.example.com\r\nAccess-Control-Request-Method: POST\r\n"
    );
    let answer = exchange(&own, &preflight, "");
    assert!(status(&answer) == 403 && !answer.to_lowercase().contains("access-control-allow"), "{answer}");
    assert!(server.run(&["clock"]).unwrap().ends_with(" (real)\n"), "none of them changed anything");
    assert_eq!(status(&freeze(&format!("{host}{json}"))), 200);
}

#[test]
fn an_unknown_path_lists_the_known_ones() {
    let server = start(&MEMORY);
    let answer = get(&server.address(), "/_mock/v1/clock", "");
    assert!(status(&answer) == 404 && answer.contains("GET /_mock/v1/workspaces/{workspace}/clock"), "{answer}");
    for (path, says) in [
        ("/audit?acton=generateDbToken", "unknown field `acton`"),
        ("/clock/upcoming?limit=x", "limit: expected a number"),
        ("/tokens?state=dead", "use live, ended, or a cause"),
    ] {
        let answer = get(&server.address(), &format!("/_mock/v1/workspaces/default{path}"), "");
        assert!(status(&answer) == 400 && answer.contains("{\"error\":") && answer.contains(says), "{answer}");
    }
}
