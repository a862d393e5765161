//! The commands that use the control API of a running server: what each asks for, and how it prints the answer. All print
//! text for people, or with `--output json` what the server sent. Start with [`clock()`].

mod audit;
mod call;
mod clock;
mod explain;
mod export;
mod faults;
mod requests;

use std::io;
use std::time::Duration;

use serde_json::Value;

pub(super) use self::audit::audit;
pub(super) use self::call::call;
pub(super) use self::clock::clock;
pub(super) use self::explain::explain;
pub(super) use self::export::{ca, export};
pub(super) use self::faults::faults;
pub(super) use self::requests::{census, requests, verify};
use super::client::{Answer, ControlClient};
use super::show::print;
use crate::Failure;
use crate::config::RunningArgs;
use crate::web::url::percent_encoded;

/// How often `--follow` asks for more.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(300);

fn client(running: &RunningArgs) -> Result<ControlClient, Failure> {
    ControlClient::new(&running.server, running.control_key.as_ref())
}

/// A path inside the workspace that the command names.
fn workspace_path(running: &RunningArgs, rest: &str) -> String {
    format!("workspaces/{}/{rest}", percent_encoded(&running.workspace))
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, path: &str) -> i64 {
    value.pointer(path).and_then(Value::as_i64).unwrap_or_default()
}

fn items<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    value.pointer(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

fn parse(answer: &Answer) -> Result<Value, Failure> {
    serde_json::from_str(&answer.text).map_err(|error| format!("the server's answer is not JSON: {error}").into())
}

/// Prints an answer as the server sent it, on one line.
fn print_json(answer: &Answer) -> Result<(), Failure> {
    Ok(print(&format!("{}\n", answer.text.trim_end()))?)
}

/// Ends a command that follows without an error when its reader has closed the pipe, as `| head` does.
fn ignore_broken_pipe(result: Result<(), Failure>) -> Result<(), Failure> {
    match result {
        Err(failure) if failure.downcast_ref().map(io::Error::kind) == Some(io::ErrorKind::BrokenPipe) => Ok(()),
        result => result,
    }
}
