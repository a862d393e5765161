//! The audit log, newest first.

use axum::extract::Path;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::{Console, Tab, field};
use crate::pages::frame::time_to_the_second;
use crate::pages::visit::{PageResult, Visit};

const PAGE_SIZE: &str = "50";

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "event_time")]
    time: String,
    service_name: String,
    action_name: String,
    audit_level: String,
    source_ip_address: String,
    user_agent: String,
    user_identity: Identity,
    response: Outcome,
}

#[derive(Debug, Deserialize)]
struct Identity {
    email: String,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    status_code: String,
    error_message: Option<String>,
}

/// `GET …/audit?action=&actor=&before=`
pub(super) async fn show(visit: Visit, Path(workspace): Path<String>) -> PageResult {
    let console = Console::open(&visit, Tab::Audit, &workspace).await?;
    let [action, actor, before] = ["action", "actor", "before"].map(|name| console.parameter(name));
    let call = console.get("/audit").with_query(&[
        ("shape", "system_table"),
        ("order", "desc"),
        ("limit", PAGE_SIZE),
        ("action", &action),
        ("actor", &actor),
        ("before", &before),
    ]);
    let (answer, refusal) = match call.make_text(&visit).await {
        Ok((headers, text)) => {
            let next = headers.get("x-next-before").and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
            (Some((next.filter(|next| next != "0"), text)), None)
        }
        Err(refusal) => (None, Some(refusal)),
    };
    let (next, text) = answer.unwrap_or_default();
    let events: Result<Vec<(Event, Value)>, _> = text.lines().map(event).collect();
    let events = events.map_err(|error| visit.unreadable(&console.path(), &error))?;
    let content = html! {
        form.fields method="get" {
            (field("action", "action", "Action", &action, "Such as generateDbToken or tokenLogin."))
            (field("actor", "actor", "Actor", &actor, "A user name, an application id, or System-User."))
            button { "Show" }
        }
        @if events.is_empty() { @if refusal.is_none() { p { "No events match." } } } @else { (table(&events)) }
        (console.paging(&[("action", &action), ("actor", &actor)], "before", next.as_deref()))
        (console.as_curl("curl-audit", &[call]))
    };
    Ok(console.page(refusal.as_ref(), &content))
}

fn event(line: &str) -> Result<(Event, Value), serde_json::Error> {
    Ok((serde_json::from_str(line)?, serde_json::from_str(line)?))
}

fn table(events: &[(Event, Value)]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Events, newest first" {
            table.stack {
                thead { tr { th { "Time" } th { "Action" } th { "Actor" } th { "Outcome" } th { "From" } } }
                tbody { @for (event, whole) in events { (row(event, whole)) } }
            }
        }
    }
}

fn row(event: &Event, whole: &Value) -> Markup {
    let Outcome { status_code, error_message } = &event.response;
    html! {
        tr {
            td data-label="Time" { (time_to_the_second(&event.time)) }
            td data-label="Action" {
                b { (event.action_name) } " " span.soft { (event.service_name) }
                @if event.audit_level == "ACCOUNT_LEVEL" { " " span.soft { "account" } }
            }
            td data-label="Actor" { bdi { (event.user_identity.email) } }
            td data-label="Outcome" {
                @if status_code == "200" { (status_code) } @else { b.bad { (status_code) } }
                @if let Some(error) = error_message { " " (error) }
            }
            td data-label="From" { (event.source_ip_address) br; span.soft { (event.user_agent) } }
        }
        tr.more {
            td colspan="5" {
                details { summary.soft { "Details" } pre { (format!("{whole:#}")) } }
            }
        }
    }
}
