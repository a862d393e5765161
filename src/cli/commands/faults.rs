//! `faults`: shows, arms and clears the faults of a workspace, and lists those that have a name.

use axum::http::Method;
use serde_json::{Value, json};

use super::{client, items, number, or, parse, print_json, text, workspace_path};
use crate::Failure;
use crate::cli::show::{Cell, Style, Table, print};
use crate::config::{ArmArgs, FaultsArgs, FaultsCommand, MatchArgs, RunningArgs};
use crate::domain::faults::Match;

/// What the command asks the control API for.
struct Call {
    method: Method,
    path: String,
    body: Option<Value>,
    running: RunningArgs,
    /// Printed if the answer lists no faults.
    when_empty: &'static str,
}

impl Call {
    fn new(args: FaultsArgs) -> Self {
        let path = |running: &RunningArgs| workspace_path(running, "faults");
        let (method, path, body, running, when_empty) = match args.command {
            None => (Method::GET, path(&args.running), None, args.running, "no faults are armed\n"),
            Some(FaultsCommand::Clear(running)) => {
                (Method::DELETE, path(&running), Some(json!({})), running, "all faults cleared\n")
            }
            Some(FaultsCommand::Catalogue(running)) => (Method::GET, "faults/catalogue".into(), None, running, "\n"),
            Some(FaultsCommand::Arm(ArmArgs { name, times, offset, requests, running })) => {
                let MatchArgs { method, path: pattern, principal, token_id, client } = requests;
                let requests = Match { method, path: pattern, principal, token_id, client };
                let body = json!({ "name": name, "times": times, "offset": offset, "match": requests });
                (Method::POST, path(&running), Some(body), running, "\n")
            }
        };
        Self { method, path, body, running, when_empty }
    }
}

pub(crate) async fn faults(args: FaultsArgs) -> Result<(), Failure> {
    let Call { method, path, body, running, when_empty } = Call::new(args);
    let answer = client(&running)?.call(method, &path, body.as_ref()).await?;
    if running.output.output.is_json() {
        return print_json(&answer);
    }
    let answer = parse(&answer)?;
    let armed = Some(&answer).filter(|answer| answer.get("id").is_some());
    let faults: Vec<&Value> = armed.into_iter().chain(items(&answer, "/faults")).collect();
    let style = Style::of_stdout();
    let out = if faults.is_empty() {
        when_empty.to_owned()
    } else if faults.iter().all(|fault| fault.get("stands_for").is_some()) {
        let row = |fault: &&Value| [text(fault, "/name").into(), text(fault, "/stands_for").into()];
        Table::new(style, ["NAME", "WHAT IT STANDS FOR"]).lines(&faults.iter().map(row).collect::<Vec<_>>())
    } else {
        let heads = ["ID", "NAME", "REQUESTS", "SEEN", "FIRED", "LEFT"];
        Table::new(style, heads).lines(&faults.iter().map(|fault| fault_row(fault)).collect::<Vec<_>>())
    };
    Ok(print(&out)?)
}

fn fault_row(fault: &Value) -> [Cell; 6] {
    let left = fault.get("remaining").and_then(Value::as_i64);
    let filter = fault.pointer("/rule/match").and_then(Value::as_object);
    let filter = filter.into_iter().flatten().filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)));
    [
        number(fault, "/id").to_string().into(),
        or(text(fault, "/rule/name"), "(own)").into(),
        or(&filter.collect::<Vec<_>>().join(" "), "all requests").into(),
        format!("{} seen", number(fault, "/seen")).into(),
        format!("{} fired", number(fault, "/fired")).into(),
        left.map_or_else(|| "all left".to_owned(), |left| format!("{left} left")).into(),
    ]
}
