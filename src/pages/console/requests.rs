//! The request journal as it grows, and each request with the checks that decided about it.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::http::Method;
use maud::{Markup, html};
use serde::Deserialize;

use super::call::{Call, query};
use super::tokens::TokenHistory;
use super::{Console, Tab, choices, field};
use crate::pages::frame::{Question, time_to_the_second};
use crate::pages::visit::{PageResult, Submission, Visit};
use crate::web::url::percent_encoded;

/// The page sizes to choose from; the first is the default.
const PAGE_SIZES: [(&str, &str); 3] = [("50", "50"), ("200", "200"), ("1000", "1000")];
const REFRESH_SECONDS: u32 = 2;

#[derive(Debug, Default, Deserialize)]
struct RequestList {
    requests: Vec<RequestRow>,
    next_before: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct RequestRow {
    request_id: String,
    time: String,
    workspace_time: Option<String>,
    method: String,
    path: String,
    query: Option<String>,
    operation: Option<String>,
    status: u16,
    duration_us: u64,
    credential: String,
    principal: Option<String>,
    client: Client,
    source_ip: String,
    because: Option<String>,
    request: Message,
    answer: Message,
    #[serde(default)]
    nearest_routes: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Client {
    name: String,
    version: String,
    sdk: Option<String>,
    auth: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Message {
    headers: BTreeMap<String, String>,
    body: String,
    body_bytes: usize,
    body_cut: bool,
}

#[derive(Debug, Deserialize)]
struct Explanation {
    allowed: bool,
    #[serde(default)]
    checks: Vec<Check>,
    decided_by: Option<String>,
    because: Option<String>,
    remedy: Option<String>,
    token: Option<TokenHistory>,
}

#[derive(Debug, Deserialize)]
struct Check {
    #[serde(rename = "check")]
    name: String,
    passed: bool,
    because: String,
}

impl RequestRow {
    /// The time on the workspace's clock, if the request reached a workspace.
    fn at(&self) -> &str {
        self.workspace_time.as_deref().unwrap_or(&self.time)
    }

    fn target(&self) -> String {
        self.query.as_ref().map_or_else(|| self.path.clone(), |query| format!("{}?{query}", self.path))
    }

    fn shown_status(&self) -> Markup {
        html! {
            @match self.status {
                0 => { b.bad { "no answer" } }
                400.. => { b.bad { (self.status) } }
                _ => { (self.status) }
            }
        }
    }

    fn shown_credential(&self) -> &str {
        match self.credential.as_str() {
            "pat_bearer" => "personal access token",
            "pat_basic" => "personal access token as a password",
            "oauth" => "OAuth access token",
            other => other,
        }
    }

    fn by(&self) -> Markup {
        html! { @match &self.principal { Some(name) => { bdi { (name) } } None => { span.soft { "unknown" } } } }
    }
}

impl Client {
    fn shown(&self) -> Markup {
        html! {
            (self.name) @if !self.version.is_empty() { " " (self.version) }
            @if let Some(sdk) = self.sdk.as_deref().filter(|sdk| !sdk.starts_with(&self.name)) { " " span.soft { (sdk) } }
            @if let Some(auth) = &self.auth { " " span.soft { "by " (auth) } }
        }
    }
}

/// `GET …/requests?path=&principal=&token_id=&client=&status=&refused=&limit=&before=`
pub(super) async fn show(visit: Visit, Path(workspace): Path<String>) -> PageResult {
    page(&Console::open(&visit, Tab::Requests, &workspace).await?).await
}

async fn page(console: &Console<'_>) -> PageResult {
    let names = ["path", "principal", "token_id", "client", "status", "refused", "limit", "before"];
    let given = names.map(|name| console.parameter(name));
    let [path, principal, token_id, client, status, refused, limit, before] = given.each_ref().map(String::as_str);
    let limit = if limit.is_empty() { PAGE_SIZES[0].0 } else { limit };
    let parameters = [
        ("path", path),
        ("principal", principal),
        ("token_id", token_id),
        ("client", client),
        ("status", status),
        ("refused", refused),
        ("limit", limit),
    ];
    let call = console.get("/requests").with_query(&[&parameters[..], &[("before", before)]].concat());
    let (RequestList { requests, next_before }, refusal) = console.ask(&call).await?;
    let next = next_before.map(|before| before.to_string());
    // Only the first page changes.
    let live = before.is_empty().then_some(REFRESH_SECONDS);
    let content = html! {
        form.fields method="get" {
            (field("path", "path", "Path", path, "Such as /api/2.0/token/*."))
            (field("principal", "principal", "Principal", principal, ""))
            (field("token_id", "token_id", "Token id", token_id, ""))
            (field("client", "client", "Client", client, "A part of the User-Agent."))
            (field("status", "status", "Status", status, ""))
            (choices("limit", "limit", "Per page", &PAGE_SIZES, limit))
            div.box {
                input #refused type="checkbox" name="refused" value="true" checked[refused == "true"];
                label for="refused" { "Refused only" }
            }
            button { "Show" }
        }
        div #journal data-live=[live] { (list(console, &requests)) }
        (console.paging(&parameters, "before", next.as_deref()))
        form.actions method="post" action=(console.path()) {
            (console.form_token())
            button { "Empty the journal" }
        }
        (console.as_curl("curl-requests", &[call, emptying(console)]))
    };
    Ok(console.page(refusal.as_ref(), &content))
}

fn list(console: &Console<'_>, requests: &[RequestRow]) -> Markup {
    html! {
        @if requests.is_empty() {
            p { "No requests match. Requests appear here as soon as they are answered." }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Requests, newest first" {
                table.stack {
                    thead { tr { th { "Time" } th { "Request" } th { "Status" } th { "Caller" } th { "Why refused" } } }
                    tbody {
                        @for it in requests.iter().rev() {
                            tr {
                                td data-label="Time" { (time_to_the_second(it.at())) }
                                td data-label="Request" {
                                    a href={ (console.path()) "/" (percent_encoded(&it.request_id)) } { (it.method) " " (it.target()) }
                                }
                                td data-label="Status" { (it.shown_status()) }
                                td data-label="Caller" { (it.by()) br; span.soft { (it.client.shown()) } }
                                td data-label="Why refused" { @if let Some(because) = &it.because { (because) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn emptying(console: &Console<'_>) -> Call {
    console.change(Method::DELETE, "/requests", None)
}

/// `POST …/requests`: asks first; with `confirm`, empties the journal.
pub(super) async fn clear(Path(workspace): Path<String>, form: Submission) -> PageResult {
    let console = Console::open(&form.visit, Tab::Requests, &workspace).await?;
    let (call, path) = (emptying(&console), console.path());
    if !form.has("confirm") {
        let effect =
            html! { p { "All recorded requests of this workspace will be deleted, with their explanations." } };
        let question = Question { action: &path, fields: &[], effect, button: "Empty the journal", back: &path };
        let content = html! { (question.form(console.visit)) (console.as_curl("curl-clear", &[call])) };
        return Ok(console.page_called("Empty the journal?", None, &content));
    }
    match console.once(&form, &call).await {
        Ok(_) => page(&console.after(call, &html! { p { "The journal is empty." } }).await?).await,
        Err(refusal) => Err(console.visit.refused_by(&refusal)),
    }
}

/// `GET …/requests/{request_id}`
pub(super) async fn show_one(visit: Visit, Path((workspace, request_id)): Path<(String, String)>) -> PageResult {
    let console = Console::open(&visit, Tab::Requests, &workspace).await?;
    let id = percent_encoded(&request_id);
    let (one, why) = (console.get(&format!("/requests/{id}")), Call::get(format!("/_mock/v1/explain/{id}")));
    let again = console.get(&format!("/requests/{id}")).with_query(&[("format", "curl")]);
    let stop = |refusal| visit.refused_by(&refusal);
    let it: RequestRow = one.read(&visit, one.make(&visit).await.map_err(stop)?)?;
    let explanation: Explanation = why.read(&visit, why.make(&visit).await.map_err(stop)?)?;
    let (_, command) = again.make_text(&visit).await.map_err(stop)?;
    let content = html! {
        p { a href=(console.path()) { "All requests" } }
        (facts(&console, &it))
        (decision(&console, &it, &explanation))
        (message("Request", &format!("{} {}", it.method, it.target()), &it.request))
        (message("Answer", &it.status.to_string(), &it.answer))
        section aria-labelledby="again" {
            h2 #again { "Send the request again" }
            pre #again-command { (command.trim_end()) }
            button.small type="button" data-copy="again-command" { "Copy" }
        }
        (console.as_curl("curl-request", &[one, why, again]))
    };
    Ok(console.page_called(&format!("{} {}", it.method, it.path), None, &content))
}

fn facts(console: &Console<'_>, it: &RequestRow) -> Markup {
    html! {
        dl.facts {
            div { dt { "Workspace time" } dd { (time_to_the_second(it.at())) } }
            div { dt { "System time" } dd { (time_to_the_second(&it.time)) } }
            div { dt { "Status" } dd { (it.shown_status()) } }
            div { dt { "Duration" } dd { (it.duration_us) " µs" } }
            div {
                dt { "Principal" }
                dd {
                    (it.by())
                    @if let Some(name) = &it.principal {
                        br; a href={ (console.path()) "?" (query(&[("principal", name)])) } { "Requests" }
                        " " a href={ (console.path_of(Tab::Audit)) "?" (query(&[("actor", name)])) } { "Audit log" }
                    }
                }
            }
            div { dt { "Credential" } dd { (it.shown_credential()) } }
            div { dt { "Client" } dd { (it.client.shown()) } }
            div { dt { "Source IP" } dd { (it.source_ip) } }
            div { dt { "Operation" } dd { @match &it.operation { Some(name) => { code { (name) } } None => { "no such route" } } } }
            div { dt { "Request id" } dd { code { (it.request_id) } } }
        }
        @if !it.nearest_routes.is_empty() {
            p { "There is no such route. The nearest are: " (it.nearest_routes.join("; ")) "." }
        }
    }
}

/// The checks in order, with the one that refused, and the smallest change that would allow the request.
fn decision(console: &Console<'_>, it: &RequestRow, explanation: &Explanation) -> Markup {
    html! {
        section aria-labelledby="why" {
            h2 #why { @if explanation.allowed { "Why it was allowed" } @else { "Why it was refused" } }
            @if let Some(because) = &explanation.because {
                p.warning { b { (explanation.decided_by.as_deref().unwrap_or_default().replace('_', " ")) ": " } (because) }
            } @else if it.status >= 400 || it.status == 0 { p { "No rule refused the request; its answer says what was wrong." } }
            @if let Some(remedy) = &explanation.remedy { p { b { "The smallest change that would allow it: " } (remedy) } }
            @if let Some(history) = &explanation.token {
                p { "The token: " (history.named(console)) ". " (history.story(console.clock.now.millis())) }
            }
            @if explanation.checks.is_empty() { p.soft { "Nothing was checked." } }
            @else { (checks(&explanation.checks)) }
        }
    }
}

fn checks(checks: &[Check]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Checks, in order" {
            table.stack {
                thead { tr { th { "Check" } th { "Outcome" } th { "Because" } } }
                tbody {
                    @for check in checks {
                        tr.decided[!check.passed] {
                            td data-label="Check" { (check.name.replace('_', " ")) }
                            td data-label="Outcome" { @if check.passed { "passed" } @else { b.bad { "refused" } } }
                            td data-label="Because" { (check.because) }
                        }
                    }
                }
            }
        }
    }
}

fn message(title: &str, first: &str, message: &Message) -> Markup {
    html! {
        section {
            h2 { (title) }
            pre {
                (first) "\n"
                @for (name, value) in &message.headers { (name) ": " (value) "\n" }
                @if !message.body.is_empty() { "\n" (message.body) }
            }
            @if message.body_cut { p.soft { "Only the beginning of the body was stored; it had " (message.body_bytes) " bytes." } }
        }
    }
}
