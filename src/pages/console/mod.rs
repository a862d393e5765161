//! The mock's own console: clock, requests, tokens, audit log, faults, workspaces. Everything comes from the control API,
//! and each page shows its calls as curl commands. Start with [`Console`]; see docs/pages.md.

mod audit;
mod call;
mod clock;
mod faults;
mod requests;
mod tokens;
mod workspaces;

use axum::Router;
use axum::extract::Path;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::call::{Call, as_curl, query};
use super::Pages;
use super::frame::{self, time_of};
use super::visit::{ErrorPage, PageResult, Refusal, Submission, Visit};
use crate::domain::{Denial, Millis, WorkspaceId};
use crate::http::redaction;
use crate::service::Error;
use crate::web::page::Page;
use crate::web::url::percent_encoded;

/// The maximum number of workspaces in the list to choose from.
const CHOICE: &str = "200";
const SENT_BEFORE: &str = "This form was already sent, and takes effect only once.";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tab {
    Clock,
    Requests,
    Tokens,
    Audit,
    Faults,
    Workspaces,
}

impl Tab {
    /// With the last segment of the path, and the title.
    const ALL: [(Self, &str, &str); 6] = [
        (Self::Clock, "clock", "Clock"),
        (Self::Requests, "requests", "Requests"),
        (Self::Tokens, "tokens", "Tokens"),
        (Self::Audit, "audit", "Audit log"),
        (Self::Faults, "faults", "Faults"),
        (Self::Workspaces, "workspaces", "Workspaces"),
    ];

    fn segment(self) -> &'static str {
        Self::ALL.iter().find(|(tab, ..)| *tab == self).map_or("", |(_, segment, _)| segment)
    }

    fn title(self) -> &'static str {
        Self::ALL.iter().find(|(tab, ..)| *tab == self).map_or("", |(.., title)| title)
    }

    fn path(self, workspace: &str) -> String {
        format!("/_mock/console/{}/{}", percent_encoded(workspace), self.segment())
    }
}

pub(super) fn routes() -> Router<Pages> {
    Router::new()
        .route("/_mock", get(enter))
        .route("/_mock/", get(enter))
        .route("/_mock/console", get(enter))
        .route("/_mock/console/{workspace}", get(overview))
        .route("/_mock/console/{workspace}/clock", get(clock::show).post(clock::change))
        .route("/_mock/console/{workspace}/requests", get(requests::show).post(requests::clear))
        .route("/_mock/console/{workspace}/requests/{request_id}", get(requests::show_one))
        .route("/_mock/console/{workspace}/tokens", get(tokens::show))
        .route("/_mock/console/{workspace}/audit", get(audit::show))
        .route("/_mock/console/{workspace}/faults", get(faults::show).post(faults::change))
        .route("/_mock/console/{workspace}/workspaces", get(workspaces::show).post(workspaces::change))
}

/// `GET /_mock/?workspace=&page=`: leads to a page of a workspace; by default, to the clock of the default workspace.
async fn enter(visit: Visit) -> PageResult {
    visit.operator()?;
    let page = parameter(&visit, "page");
    let tab = Tab::ALL.iter().find(|(_, segment, _)| *segment == page).map_or(Tab::Clock, |(tab, ..)| *tab);
    let workspace = parameter(&visit, "workspace");
    Ok(visit.go(&tab.path(if workspace.is_empty() { "default" } else { &workspace })))
}

/// `GET /_mock/console/{workspace}`
async fn overview(visit: Visit, Path(workspace): Path<String>) -> PageResult {
    visit.operator()?;
    Ok(visit.go(&Tab::Clock.path(&workspace)))
}

/// A parameter of the page's address; empty if it is missing.
fn parameter(visit: &Visit, name: &str) -> String {
    let query = visit.parts.uri.query().unwrap_or_default();
    let found = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name);
    found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

/// What was typed, for the form to show it again. A secret that was typed into the wrong field is blanked.
fn typed(form: Option<&Submission>, name: &str) -> String {
    form.map(|form| redaction::line(form.text(name))).unwrap_or_default()
}

#[derive(Clone, Debug, Deserialize)]
struct Workspace {
    id: String,
    account_id: String,
    name: String,
    created_at: String,
    is_default: bool,
    delete_at: Option<String>,
    port: Option<u16>,
}

#[derive(Debug, Deserialize)]
struct Workspaces {
    workspaces: Vec<Workspace>,
}

#[derive(Debug, Deserialize)]
struct Clock {
    mode: String,
    now: Instant,
}

#[derive(Debug, Deserialize)]
struct Instant {
    ms: i64,
    rfc3339: String,
}

impl Instant {
    fn millis(&self) -> Millis {
        Millis(self.ms)
    }
}

/// A page of the console, about one workspace, for somebody who may see it.
struct Console<'a> {
    visit: &'a Visit,
    tab: Tab,
    workspaces: Vec<Workspace>,
    here: Workspace,
    clock: Clock,
    /// The result of the change that this page answers.
    result: Option<Markup>,
}

impl<'a> Console<'a> {
    async fn open(visit: &'a Visit, tab: Tab, named: &str) -> Result<Self, ErrorPage> {
        visit.operator()?;
        let here: Workspace = visit.get(&format!("/_mock/v1/workspaces/{}", percent_encoded(named))).await?;
        let Workspaces { workspaces } = visit.get(&format!("/_mock/v1/workspaces?limit={CHOICE}")).await?;
        let clock = visit.get(&format!("/_mock/v1/workspaces/{}/clock", here.id)).await?;
        Ok(Self { visit, tab, workspaces, here, clock, result: None })
    }

    /// Makes the call of a form once, however often the form is sent.
    async fn once(&self, form: &Submission, call: &Call) -> Result<Value, Refusal> {
        let id =
            WorkspaceId::parse(&self.here.id).ok_or_else(|| Error::from(Denial::parameter("No such workspace.")))?;
        form.once(id, SENT_BEFORE, call.make(self.visit)).await
    }

    /// Links to the first and the next page of a list.
    fn paging(&self, parameters: &[(&str, &str)], paged_by: &str, next: Option<&str>) -> Markup {
        let link = |value: &str| format!("{}?{}", self.path(), query(&[parameters, &[(paged_by, value)]].concat()));
        let is_first = parameter(self.visit, paged_by).is_empty();
        html! {
            @if !is_first || next.is_some() {
                nav.paging aria-label="Pages of the list" {
                    @if !is_first { a.button href=(link("")) { "First page" } }
                    @if let Some(next) = next { a.button rel="next" href=(link(next)) { "Next page" } }
                }
            }
        }
    }

    fn path(&self) -> String {
        self.path_of(self.tab)
    }

    fn path_of(&self, tab: Tab) -> String {
        tab.path(&self.here.id)
    }

    /// `rest` is the path below the workspace.
    fn get(&self, rest: &str) -> Call {
        Call::get(format!("/_mock/v1/workspaces/{}{rest}", self.here.id))
    }

    fn change(&self, method: Method, rest: &str, body: Option<Value>) -> Call {
        Call::new(method, format!("/_mock/v1/workspaces/{}{rest}", self.here.id), body)
    }

    /// If the control API refuses, the page is shown without an answer, below the refusal.
    async fn ask<T: Default + DeserializeOwned>(&self, call: &Call) -> Result<(T, Option<Refusal>), ErrorPage> {
        match call.make(self.visit).await {
            Ok(answer) => Ok((call.read(self.visit, answer)?, None)),
            Err(refusal) => Ok((T::default(), Some(refusal))),
        }
    }

    /// A parameter of the page's address, with secrets blanked.
    fn parameter(&self, name: &str) -> String {
        redaction::line(&parameter(self.visit, name))
    }

    fn page(&self, refusal: Option<&Refusal>, content: &Markup) -> Response {
        self.page_called(self.tab.title(), refusal, content)
    }

    fn page_called(&self, title: &str, refusal: Option<&Refusal>, content: &Markup) -> Response {
        let content = html! {
            @if let Some(result) = &self.result { section.made role="status" data-once { (result) } }
            @if let Some(refusal) = refusal { p.notice role="alert" { (refusal.message) } }
            (content)
        };
        let status = refusal.map_or(StatusCode::OK, |refusal| refusal.status);
        let bar = html! { (frame::bar(self.visit)) (self.nav()) };
        let page = Page { status, bar: Some(bar), ..Page::new(title, content) };
        self.visit.with_cookie(page.respond(), None)
    }

    fn nav(&self) -> Markup {
        html! {
            nav.console aria-label="Console" {
                span.group {
                    @for (tab, _, title) in Tab::ALL {
                        a href=(self.path_of(tab)) aria-current=[(tab == self.tab).then_some("page")] { (title) }
                    }
                }
                form.choice method="get" action="/_mock/" {
                    input type="hidden" name="page" value=(self.tab.segment());
                    label for="workspace" { "Workspace" }
                    select #workspace name="workspace" {
                        @if !self.workspaces.iter().any(|it| it.id == self.here.id) { (self.choice(&self.here)) }
                        @for it in &self.workspaces { (self.choice(it)) }
                    }
                    button.small { "Go" }
                    span { (time_of(&self.clock.now.rfc3339)) " " span.soft { (self.clock.mode) } }
                }
            }
        }
    }

    fn form_token(&self) -> Markup {
        self.visit.form_token()
    }

    fn as_curl(&self, id: &str, calls: &[Call]) -> Markup {
        as_curl(self.visit, id, calls)
    }

    /// The same page after a call, with its result. It answers the form without a redirect, because the result is stored
    /// in no other process, and a token value in it nowhere at all.
    async fn after(&self, call: Call, result: &Markup) -> Result<Self, ErrorPage> {
        let result = html! { (result) (self.as_curl("told", &[call])) };
        Ok(Self { result: Some(result), ..Self::open(self.visit, self.tab, &self.here.id).await? })
    }

    fn choice(&self, workspace: &Workspace) -> Markup {
        let Workspace { id, name, .. } = workspace;
        html! { option value=(id) selected[*id == self.here.id] { (name) " (" (id) ")" } }
    }
}

/// A text field with its label, and a hint below it.
fn field(id: &str, name: &str, label: &str, value: &str, help: &str) -> Markup {
    let described = format!("{id}-help");
    html! {
        div {
            label for=(id) { (label) }
            input #(id) name=(name) value=(value) autocomplete="off" aria-describedby=[(!help.is_empty()).then_some(&described)];
            @if !help.is_empty() { p.soft #(described) { (help) } }
        }
    }
}

/// The options are pairs of a value and a label.
fn choices(id: &str, name: &str, label: &str, options: &[(&str, &str)], chosen: &str) -> Markup {
    html! {
        div {
            label for=(id) { (label) }
            select #(id) name=(name) {
                @for (value, shown) in options { option value=(value) selected[*value == chosen] { (shown) } }
            }
        }
    }
}
