//! `audit`: prints the audit log of a workspace, page by page.

use axum::http::Method;
use serde_json::Value;

use super::{FOLLOW_INTERVAL, client, ignore_broken_pipe, number, or, text, workspace_path};
use crate::Failure;
use crate::cli::show::{Cell, Style, Table, Tone, cell, print};
use crate::config::AuditArgs;
use crate::domain::Millis;
use crate::web::url::percent_encoded;

pub(crate) async fn audit(args: AuditArgs) -> Result<(), Failure> {
    ignore_broken_pipe(print_events(args).await)
}

async fn print_events(args: AuditArgs) -> Result<(), Failure> {
    let client = client(&args.running)?;
    let is_json = args.running.output.output.is_json() || args.shape.is_some();
    let shape = args.shape.map_or("delivery", |shape| shape.as_str());
    let mut filter = format!("audit?shape={shape}");
    for (name, value) in [("action", &args.action), ("actor", &args.actor)] {
        filter.extend(value.iter().map(|value| format!("&{name}={}", percent_encoded(value))));
    }
    let base = workspace_path(&args.running, &filter);
    let mut table = Table::new(Style::of_stdout(), ["TIME", "ACTION", "ACTOR", "STATUS", "ABOUT"]);
    let mut after = "0".to_owned();
    let mut has_printed = is_json;
    loop {
        let answer = client.call(Method::GET, &format!("{base}&after={after}"), None).await?;
        if is_json {
            print(&answer.text)?;
        } else {
            let events = answer.text.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?;
            has_printed |= !events.is_empty();
            print(&table.lines(&events.iter().map(event_row).collect::<Vec<_>>()))?;
        }
        let next = answer.headers.get("x-next-after").and_then(|value| value.to_str().ok());
        let next = next.unwrap_or(&after).to_owned();
        if next == after {
            if !args.follow {
                return if has_printed { Ok(()) } else { Ok(print("no matching audit events\n")?) };
            }
            tokio::time::sleep(FOLLOW_INTERVAL).await;
        }
        after = next;
    }
}

/// A row for an event in the shape of the delivered log.
fn event_row(event: &Value) -> [Cell; 5] {
    let status = number(event, "/response/statusCode");
    let parameters = event.pointer("/requestParams").and_then(Value::as_object);
    let about = parameters.into_iter().flatten().map(|(name, value)| match value.as_str() {
        Some(text) => format!("{name}={text}"),
        None => format!("{name}={value}"),
    });
    let tone = if status < 400 { Tone::Good } else { Tone::Bad };
    [
        cell(Tone::Quiet, Millis(number(event, "/timestamp")).rfc3339()),
        text(event, "/actionName").into(),
        or(text(event, "/userIdentity/email"), "-").into(),
        cell(tone, status.to_string()),
        about.collect::<Vec<_>>().join(" ").into(),
    ]
}
