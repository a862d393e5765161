//! Attacks below and beside the API, most of them over raw sockets: requests that two servers would read differently,
//! slow clients and crowds, and texts that try to become headers, log lines, pages, files or commands. SECURITY.md lists
//! what these tests hold.

mod crowds;
mod framing;
mod injection;
mod input;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use dapi_mock::control;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::Server;

const MEMORY: [&str; 4] = ["--port", "0", "--database", "sqlite::memory:"];

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes and returns everything until the server closes the connection.
fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut stream = connect(server);
    // The server may close the connection before everything is sent.
    drop(stream.write_all(bytes));
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&part[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&answer)),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answers: &str) -> Vec<u16> {
    answers.split("HTTP/1.").skip(1).map(|rest| rest[2..5].parse().unwrap()).collect()
}

/// A request after which the server closes the connection.
const LAST: &str = "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";

fn files(server: &Server) -> BTreeSet<String> {
    let names = std::fs::read_dir(server.folder.path()).unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The names of all members that bodies of the control API may have, and of all parameters.
fn names() -> Vec<String> {
    fn collect(value: &Value, names: &mut BTreeSet<String>) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            names.extend(properties.keys().cloned());
        }
        if let (Some(name), Some(_)) = (value.get("name").and_then(Value::as_str), value.get("in")) {
            names.insert(name.to_owned());
        }
        match value {
            Value::Object(members) => members.values().for_each(|member| collect(member, names)),
            Value::Array(elements) => elements.iter().for_each(|element| collect(element, names)),
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    collect(&control::openapi::document(control::routes::ROUTES), &mut names);
    assert!(names.len() > 60, "{names:?}");
    names.into_iter().collect()
}

fn body() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        prop::sample::select(vec![json!(null), json!(true), json!(0), json!(1), json!(-1), json!(12), json!(1.5)]),
        prop::sample::select(vec![json!(i64::MAX), json!(i64::MIN), json!(u64::MAX), json!(9_007_199_254_740_991_i64)]),
        prop::sample::select(vec![
            "",
            "\0",
            "default",
            "12",
            "90d",
            "-1",
            "9223372036854775807ms",
            "../..",
            "seed",
            "GET"
        ])
        .prop_map(Value::from),
        prop::sample::select(vec![
            "2026-11-24T08:00:00Z",
            "+262142-12-31T23:59:59Z",
            "next_expiry",
            "slow_body",
            "x\u{0}y"
        ])
        .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let name = prop::sample::select(names());
    leaf.prop_recursive(3, 20, 4, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            4 => prop::collection::vec((name.clone(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
