//! The armed faults, and the catalogue to arm more from.

use axum::extract::Path;
use axum::http::Method;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::call::Call;
use super::{Console, Tab, field, typed};
use crate::pages::visit::{PageResult, Refusal, Submission, Visit};
use crate::web::url::percent_encoded;

#[derive(Debug, Default, Deserialize)]
struct FaultList {
    faults: Vec<Fault>,
}

#[derive(Debug, Deserialize)]
struct Fault {
    id: i64,
    seen: u64,
    fired: u64,
    remaining: Option<u64>,
    rule: Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
struct Catalogue {
    faults: Vec<NamedFault>,
}

#[derive(Debug, Deserialize)]
struct NamedFault {
    name: String,
    stands_for: String,
    rule: Map<String, Value>,
}

/// `GET …/faults`
pub(super) async fn show(visit: Visit, Path(workspace): Path<String>) -> PageResult {
    let console = Console::open(&visit, Tab::Faults, &workspace).await?;
    page(&console, None, None).await
}

/// `POST …/faults`: arms one, clears one, or clears all.
pub(super) async fn change(Path(workspace): Path<String>, form: Submission) -> PageResult {
    let console = Console::open(&form.visit, Tab::Faults, &workspace).await?;
    let (call, result) = match (form.has("clear"), form.has("clear_all")) {
        (true, _) => (clear(&console, form.text("clear")), "The fault is cleared."),
        (_, true) => (clear_all(&console), "All faults are cleared."),
        _ => (arm(&console, &form), "The fault is armed."),
    };
    match console.once(&form, &call).await {
        Ok(_) => page(&console.after(call, &html! { p { (result) } }).await?, None, None).await,
        Err(refusal) => page(&console, Some(&refusal), Some(&form)).await,
    }
}

fn clear(console: &Console<'_>, id: &str) -> Call {
    console.change(Method::DELETE, &format!("/faults/{}", percent_encoded(id)), None)
}

fn clear_all(console: &Console<'_>) -> Call {
    console.change(Method::DELETE, "/faults", None)
}

/// Empty fields keep the values of the catalogue.
fn arm(console: &Console<'_>, form: &Submission) -> Call {
    let mut rule = Map::new();
    rule.insert("name".into(), form.text("name").into());
    let times = form.text("times");
    if !times.is_empty() {
        // Anything else than a number is passed on unchanged, so that the API explains what is wrong.
        rule.insert("times".into(), times.parse::<u32>().map_or_else(|_| times.into(), Value::from));
    }
    let parts = ["path", "principal"].into_iter().map(|name| (name, form.text(name)));
    let parts: Map<String, Value> =
        parts.filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name.to_owned(), text.into())).collect();
    if !parts.is_empty() {
        rule.insert("match".into(), parts.into());
    }
    console.change(Method::POST, "/faults", Some(rule.into()))
}

async fn page(console: &Console<'_>, refusal: Option<&Refusal>, form: Option<&Submission>) -> PageResult {
    let (list, names) = (console.get("/faults"), Call::get("/_mock/v1/faults/catalogue"));
    let (FaultList { faults }, unknown) = console.ask(&list).await?;
    let (Catalogue { faults: catalogue }, _) = console.ask(&names).await?;
    let example = catalogue.first().map(|first| json!({ "name": first.name }));
    let calls = [list, names, console.change(Method::POST, "/faults", example), clear_all(console)];
    let content = html! {
        section aria-labelledby="armed" {
            h2 #armed { "Armed" }
            @if faults.is_empty() { p { "None: requests are answered normally." } }
            @else { (armed(console, &faults)) }
        }
        (catalogue_form(console, &catalogue, form))
        (console.as_curl("curl-faults", &calls))
    };
    Ok(console.page(refusal.or(unknown.as_ref()), &content))
}

fn armed(console: &Console<'_>, faults: &[Fault]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Armed faults" {
            table.stack {
                thead { tr {
                    th { "Fault" } th { "Which requests" } th.number { "Seen" } th.number { "Fired" }
                    th.number { "Left" } th { span.hidden { "Change" } }
                } }
                tbody {
                    @for fault in faults {
                        tr {
                            td data-label="Fault" { (fault.id) ": " b { (name(&fault.rule)) } (whole(&fault.rule)) }
                            td data-label="Which requests" { (which(&fault.rule)) }
                            td.number data-label="Seen" { (fault.seen) }
                            td.number data-label="Fired" { (fault.fired) }
                            td.number data-label="Left" {
                                @match fault.remaining { Some(left) => { (left) } None => { "unlimited" } }
                            }
                            td {
                                form method="post" action=(console.path()) {
                                    (console.form_token())
                                    button.small name="clear" value=(fault.id) aria-label={ "Clear fault " (fault.id) } { "Clear" }
                                }
                            }
                        }
                    }
                }
            }
        }
        form.actions method="post" action=(console.path()) {
            (console.form_token())
            button name="clear_all" value="yes" { "Clear all" }
        }
    }
}

fn name(rule: &Map<String, Value>) -> &str {
    rule.get("name").and_then(Value::as_str).unwrap_or("unnamed")
}

fn which(rule: &Map<String, Value>) -> Markup {
    let parts = rule.get("match").and_then(Value::as_object);
    html! {
        @match parts.filter(|parts| !parts.is_empty()) {
            None => { span.soft { "all" } }
            Some(parts) => {
                @for (name, value) in parts { span.soft { (name) } " " (value.as_str().unwrap_or_default()) br; }
            }
        }
    }
}

fn whole(rule: &Map<String, Value>) -> Markup {
    html! {
        details {
            summary.soft { "Rule" }
            pre { (format!("{:#}", Value::Object(rule.clone()))) }
        }
    }
}

fn catalogue_form(console: &Console<'_>, catalogue: &[NamedFault], form: Option<&Submission>) -> Markup {
    let typed = |name| typed(form, name);
    html! {
        section aria-labelledby="catalogue" {
            h2 #catalogue { "Catalogue" }
            form method="post" action=(console.path()) {
                // Pressing Enter in a field must not arm the first fault.
                button type="submit" disabled hidden { "Arm" }
                (console.form_token())
                div.fields {
                    (field("times", "times", "Times", &typed("times"), "How many requests; 0 for all."))
                    (field("path", "path", "Path", &typed("path"), "Such as /api/2.0/token/*."))
                    (field("principal", "principal", "Principal", &typed("principal"), "A user name or application id."))
                }
                p.soft { "Empty fields keep the values of the catalogue." }
                div.scroll tabindex="0" role="region" aria-label="Named faults" {
                    table.stack {
                        thead { tr { th { "Fault" } th { "Stands for" } th { "Which requests" } th { span.hidden { "Change" } } } }
                        tbody {
                            @for named in catalogue {
                                tr {
                                    td data-label="Fault" { b { (named.name) } (whole(&named.rule)) }
                                    td data-label="Stands for" { (named.stands_for) }
                                    td data-label="Which requests" { (which(&named.rule)) }
                                    td { button.small name="name" value=(named.name) aria-label={ "Arm " (named.name) } { "Arm" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
