//! Clients that are slow, idle or many.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::{LAST, MEMORY, connect, raw, statuses};
use crate::support::Server;

/// A server that allows 16 connections at a time.
fn start_with_few_files() -> Server {
    crate::descriptors::start_with_files("-n 64", &MEMORY)
}

#[test]
fn slow_and_idle_clients_do_not_keep_others_out() {
    let server = start_with_few_files();
    let begin = |bytes: &[u8]| {
        let mut stream = connect(&server);
        stream.write_all(bytes).unwrap();
        stream
    };
    // Idle connections, half a head, half a TLS handshake: more of them than the server allows.
    let slow: Vec<_> =
        (0..30).map(|n| begin([&b""[..], b"GET /livez HTTP/1.1\r\nHost: ", b"\x16\x03\x01"][n % 3])).collect();
    let answers = raw(&server, LAST.as_bytes());
    assert_eq!(statuses(&answers), [200], "{answers}");
    // The first connection is still served.
    let mut first = slow.into_iter().next().unwrap();
    first.write_all(LAST.as_bytes()).unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).unwrap();
    assert_eq!(statuses(&answer), [200], "{answer}");
    server.stop("TERM");
}

#[test]
fn thousands_of_connections_do_not_take_the_server_down() {
    let server = start_with_few_files();
    for _ in 0..20 {
        let crowd: Vec<_> = (0..100).map(|_| TcpStream::connect(("127.0.0.1", server.port)).unwrap()).collect();
        drop(crowd);
        // This request is behind them in the system's queue.
        let answers = raw(&server, LAST.as_bytes());
        assert_eq!(statuses(&answers), [200], "{answers}");
    }
    let (code, log, _) = server.stop("TERM");
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("accept:"), "the server ran out of files: {log}");
}
