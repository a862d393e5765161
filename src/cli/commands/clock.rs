//! `clock`: shows or moves the clock of a workspace, and lists upcoming events.

use axum::http::Method;
use serde_json::{Value, json};

use super::{client, items, parse, print_json, text, workspace_path};
use crate::Failure;
use crate::cli::progress::with_spinner;
use crate::cli::show::{Cell, Style, Table, Tone, cell, print, warn};
use crate::config::ClockArgs;

pub(crate) async fn clock(args: ClockArgs) -> Result<(), Failure> {
    let base = workspace_path(&args.running, "clock");
    let advance = |key: &str, value: &String| Some((format!("{base}/advance"), json!({ key: value })));
    let change = match &args {
        ClockArgs { by: Some(by), .. } => advance("by", by),
        ClockArgs { to: Some(to), .. } => advance("to", to),
        ClockArgs { until: Some(until), .. } => advance("until", until),
        ClockArgs { freeze: true, .. } => Some((base.clone(), json!({ "mode": "frozen" }))),
        ClockArgs { run: true, .. } => Some((base.clone(), json!({ "mode": "offset" }))),
        _ => None,
    };
    let client = client(&args.running)?;
    let answer = match change {
        Some((path, body)) => with_spinner(client.call(Method::POST, &path, Some(&body))).await?,
        None if args.upcoming => client.call(Method::GET, &format!("{base}/upcoming"), None).await?,
        None => client.call(Method::GET, &base, None).await?,
    };
    let clock = parse(&answer)?;
    for warning in items(&clock, "/warnings") {
        warn(warning.as_str().unwrap_or_default());
    }
    if args.running.output.output.is_json() {
        return print_json(&answer);
    }
    let events = items(&clock, "/events");
    let rows: Vec<[Cell; 5]> = events.iter().map(event_row).collect();
    let mut out = Table::new(Style::of_stdout(), ["AT", "EVENT", "TOKEN OR KEY", "OWNER", "COMMENT"]).lines(&rows);
    if args.upcoming && events.is_empty() {
        out.push_str("no upcoming events\n");
    }
    if clock.get("now").is_some() {
        out.extend([text(&clock, "/now/rfc3339"), " (", text(&clock, "/mode"), ")\n"]);
    }
    Ok(print(&out)?)
}

fn event_row(event: &Value) -> [Cell; 5] {
    let subject = [text(event, "/token_id"), text(event, "/key")].concat();
    let tone = if text(event, "/event") == "token.auto_revoked" { Tone::Bad } else { Tone::Plain };
    let is_of_token = event.get("token_id").is_some();
    let owner = Some(text(event, "/owner")).filter(|owner| !owner.is_empty() || !is_of_token);
    [
        text(event, "/at/rfc3339").into(),
        cell(tone, text(event, "/event")),
        subject.into(),
        owner.unwrap_or("deleted owner").into(),
        text(event, "/comment").into(),
    ]
}
