//! The clock: its time, the upcoming events, and the buttons that move it.

use std::collections::HashMap;

use axum::extract::Path;
use axum::http::Method;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

use super::call::Call;
use super::tokens::{TokenHistory, TokenList};
use super::{Clock, Console, Instant, Tab, field, typed};
use crate::domain::Millis;
use crate::pages::frame::{counted, left, time};
use crate::pages::visit::{ErrorPage, PageResult, Refusal, Submission, Visit};

const UPCOMING_LISTED: &str = "20";
const PAST_LISTED: usize = 50;

/// What the buttons advance by.
const DURATIONS: [(&str, &str); 4] = [("1h", "1 hour"), ("1d", "1 day"), ("30d", "30 days"), ("90d", "90 days")];
/// The clock's modes, and the labels of the buttons that set them.
const MODES: [(&str, &str); 3] = [("frozen", "Freeze"), ("offset", "Resume"), ("real", "Back to real time")];

#[derive(Debug, Default, Deserialize)]
struct Events {
    events: Vec<Event>,
}

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "event")]
    kind: String,
    at: Instant,
    token_id: Option<String>,
    key: Option<String>,
}

/// The clock after a change, and the events that became due.
#[derive(Debug, Deserialize)]
struct ClockChange {
    #[serde(flatten)]
    clock: Clock,
    events: Vec<Event>,
}

impl Event {
    /// What will happen, and what happened.
    fn words(&self) -> (&'static str, &'static str) {
        match self.kind.as_str() {
            "token.expired" => ("expires", "expired"),
            "token.vacuumed" => ("disappears from lists, 30 days after it expired", "disappeared from lists"),
            "token.auto_revoked" => ("is revoked if it stays unused until then", "was revoked: unused for 90 days"),
            "token.autoscoped" => ("is limited to the scopes that it used", "was limited to the scopes that it used"),
            "conf.effective" => ("takes effect", "took effect"),
            _ => ("", ""),
        }
    }
}

/// `GET …/clock`
pub(super) async fn show(visit: Visit, Path(workspace): Path<String>) -> PageResult {
    let console = Console::open(&visit, Tab::Clock, &workspace).await?;
    page(&console, None, None).await
}

/// `POST …/clock`: sets its mode, or advances it.
pub(super) async fn change(Path(workspace): Path<String>, form: Submission) -> PageResult {
    let console = Console::open(&form.visit, Tab::Clock, &workspace).await?;
    let call = call(&console, &form);
    match console.once(&form, &call).await {
        Ok(answer) => {
            let change: ClockChange = call.read(console.visit, answer)?;
            let result = result(&console, &change).await?;
            page(&console.after(call, &result).await?, None, None).await
        }
        Err(refusal) => page(&console, Some(&refusal), Some(&form)).await,
    }
}

fn call(console: &Console<'_>, form: &Submission) -> Call {
    if form.has("mode") {
        return set_mode(console, form.text("mode"));
    }
    let buttons = ["by", "to", "until"].into_iter().find(|name| form.has(name));
    let target = form.text("target");
    match buttons {
        Some(name) => advance(console, name, form.text(name)),
        None => advance(console, if Millis::parse(target).is_some() { "to" } else { "by" }, target),
    }
}

fn set_mode(console: &Console<'_>, mode: &str) -> Call {
    console.change(Method::POST, "/clock", Some(json!({ "mode": mode })))
}

fn advance(console: &Console<'_>, how: &str, target: &str) -> Call {
    console.change(Method::POST, "/clock/advance", Some(json!({ how: target })))
}

async fn page(console: &Console<'_>, refusal: Option<&Refusal>, form: Option<&Submission>) -> PageResult {
    let upcoming = console.get("/clock/upcoming").with_query(&[("limit", UPCOMING_LISTED)]);
    let (Events { events }, unknown) = console.ask(&upcoming).await?;
    let tokens = tokens(console, &events).await?;
    let content = html! {
        (reading(console))
        (buttons(console, events.first(), form))
        section aria-labelledby="next" {
            h2 #next { "Upcoming events" }
            @if events.is_empty() { p { "None: no token will expire or be revoked by itself, and no setting is about to take effect." } }
            @else { (upcoming_table(console, &events, &tokens)) }
            (console.as_curl("curl-next", &[console.get("/clock"), upcoming]))
        }
    };
    Ok(console.page(refusal.or(unknown.as_ref()), &content))
}

fn reading(console: &Console<'_>) -> Markup {
    let Clock { mode, now } = &console.clock;
    html! {
        p.reading { (time(now.millis())) }
        p {
            @match mode.as_str() {
                "real" => { "The clock shows the " b { "real" } " time." }
                "offset" => { "The clock runs at an " b { "offset" } " from the real time." }
                _ => { "The clock is " b { "frozen" } "." }
            }
            " Clients of this workspace see its time. It only moves forward; a reset restores it."
        }
    }
}

fn buttons(console: &Console<'_>, next: Option<&Event>, form: Option<&Submission>) -> Markup {
    let (mode, path) = (console.clock.mode.as_str(), console.path());
    let until = next.map(|next| next.kind.as_str());
    let mut calls: Vec<Call> = DURATIONS.iter().map(|(span, _)| advance(console, "by", span)).collect();
    calls.extend(until.map(|event| advance(console, "until", event)));
    calls.extend(MODES.iter().map(|(mode, _)| set_mode(console, mode)));
    html! {
        section aria-labelledby="advance" {
            h2 #advance { "Advance" }
            form.actions method="post" action=(path) {
                (console.form_token())
                @for (span, shown) in DURATIONS { button name="by" value=(span) { (shown) } }
                button name="until" value=(until.unwrap_or_default()) disabled[until.is_none()] { "Until the next event" }
            }
            form.fields method="post" action=(path) {
                (console.form_token())
                (field("target", "target", "Duration or instant", &typed(form, "target"),
                    "Such as 2w, 1h30m, PT2H, or 2027-01-01T00:00:00Z."))
                button { "Advance" }
            }
            form.actions method="post" action=(path) {
                (console.form_token())
                @for (value, shown) in MODES { button name="mode" value=(value) disabled[value == mode] { (shown) } }
            }
            (console.as_curl("curl-advance", &calls))
        }
    }
}

fn upcoming_table(console: &Console<'_>, events: &[Event], tokens: &HashMap<&str, TokenHistory>) -> Markup {
    let now = console.clock.now.millis();
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of events" {
            table.stack {
                thead { tr { th { "In" } th { "When" } th { "What" } th { "Token or setting" } th { span.hidden { "Change" } } } }
                tbody {
                    @for event in events {
                        tr {
                            td.whole data-label="In" { (left(now, event.at.millis())) }
                            td data-label="When" { (time(event.at.millis())) }
                            td data-label="What" { (event.words().0) " " span.soft { (event.kind) } }
                            td data-label="Token or setting" { (subject(console, event, tokens)) }
                            td {
                                form method="post" action=(console.path()) {
                                    (console.form_token())
                                    button.small name="to" value=(event.at.rfc3339) aria-label={ "Advance to " (event.at.rfc3339) } { "Advance to it" }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The token or setting of an event.
fn subject(console: &Console<'_>, event: &Event, tokens: &HashMap<&str, TokenHistory>) -> Markup {
    html! {
        @if let Some(key) = &event.key { code { (key) } }
        @if let Some(history) = event.token_id.as_deref().and_then(|id| tokens.get(id)) { (history.named(console)) }
    }
}

/// The tokens of events, by their ids.
async fn tokens<'a>(console: &Console<'_>, events: &'a [Event]) -> Result<HashMap<&'a str, TokenHistory>, ErrorPage> {
    let mut found = HashMap::new();
    for id in events.iter().filter_map(|event| event.token_id.as_deref()) {
        if !found.contains_key(id) {
            let call = console.get("/tokens").with_query(&[("token_id", id)]);
            let (TokenList { tokens, .. }, _) = console.ask(&call).await?;
            found.extend(tokens.into_iter().next().map(|history| (id, history)));
        }
    }
    Ok(found)
}

async fn result(console: &Console<'_>, change: &ClockChange) -> Result<Markup, ErrorPage> {
    let shown = change.events.get(..PAST_LISTED).unwrap_or(&change.events);
    let tokens = tokens(console, shown).await?;
    Ok(html! {
        h2 { "The clock shows " (time(change.clock.now.millis())) " (" (change.clock.mode) ")" }
        @if change.events.is_empty() { p { "No events became due." } }
        @else {
            p { (counted(change.events.len(), "event")) " became due:" }
            ul {
                @for event in shown {
                    li { (time(event.at.millis())) ": " (subject(console, event, &tokens)) " " (event.words().1) }
                }
            }
            @if change.events.len() > shown.len() { p.soft { "Only the first " (shown.len()) " are listed." } }
        }
    })
}
