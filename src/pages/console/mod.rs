//! The mock's own console: its clock, the requests and why they were refused, tokens and what became of them, the
//! audit log, faults, workspaces. All of it is the control API's, and each page says with which calls (spec §8).

mod audit;
mod clock;
mod curl;
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

use self::curl::{Call, as_curl, query, segment};
use super::Pages;
use super::frame::{self, time_of};
use super::visit::{Refusal, Shown, Stop, Submission, Visit};
use crate::domain::{Denial, Millis, WorkspaceId};
use crate::http::redaction;
use crate::service::Error;
use crate::web::page::Page;

/// Most workspaces that the choice has.
const CHOICE: &str = "200";
const SENT_BEFORE: &str = "This form was sent before. What it does is done once.";

/// One of the console's pages.
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
    const ALL: [Self; 6] = [Self::Clock, Self::Requests, Self::Tokens, Self::Audit, Self::Faults, Self::Workspaces];

    /// In paths.
    const fn segment(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Audit => "audit",
            Self::Faults => "faults",
            Self::Workspaces => "workspaces",
        }
    }

    /// As heading.
    const fn title(self) -> &'static str {
        match self {
            Self::Clock => "Clock",
            Self::Requests => "Requests",
            Self::Tokens => "Tokens",
            Self::Audit => "Audit log",
            Self::Faults => "Faults",
            Self::Workspaces => "Workspaces",
        }
    }

    fn path(self, workspace: &str) -> String {
        format!("/_mock/console/{}/{}", segment(workspace), self.segment())
    }
}

/// The console's routes.
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

/// `GET /_mock/?workspace=&page=`: to a page of a workspace; to the clock of the default one when nothing is said.
async fn enter(visit: Visit) -> Shown {
    visit.operator()?;
    let page = asked(&visit, "page");
    let tab = Tab::ALL.into_iter().find(|tab| tab.segment() == page).unwrap_or(Tab::Clock);
    let workspace = asked(&visit, "workspace");
    Ok(visit.go(&tab.path(if workspace.is_empty() { "default" } else { &workspace })))
}

/// `GET /_mock/console/{workspace}`
async fn overview(visit: Visit, Path(workspace): Path<String>) -> Shown {
    visit.operator()?;
    Ok(visit.go(&Tab::Clock.path(&workspace)))
}

/// What the page's address says under a name; empty when it says nothing.
fn asked(visit: &Visit, name: &str) -> String {
    let query = visit.parts.uri.query().unwrap_or_default();
    let found = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name);
    found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

/// What somebody typed, to stand in the form again. A secret that went there by mistake does not.
fn typed(form: Option<&Submission>, name: &str) -> String {
    form.map(|form| redaction::line(form.text(name))).unwrap_or_default()
}

/// A workspace, as the control API tells of it.
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

/// A clock, as the control API tells of it.
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

/// One of the console's pages of one workspace, for somebody who may see it.
struct Console<'a> {
    visit: &'a Visit,
    tab: Tab,
    workspaces: Vec<Workspace>,
    here: Workspace,
    clock: Clock,
    /// What came of the change that the page answers.
    told: Option<Markup>,
}

impl<'a> Console<'a> {
    /// The page `tab` of the workspace that its path names by an id or as `default`.
    async fn open(visit: &'a Visit, tab: Tab, named: &str) -> Result<Self, Stop> {
        visit.operator()?;
        let here: Workspace = visit.get(&format!("/_mock/v1/workspaces/{}", segment(named))).await?;
        let Workspaces { workspaces } = visit.get(&format!("/_mock/v1/workspaces?limit={CHOICE}")).await?;
        let clock = visit.get(&format!("/_mock/v1/workspaces/{}/clock", here.id)).await?;
        Ok(Self { visit, tab, workspaces, here, clock, told: None })
    }

    /// Makes the call of a form, once.
    async fn once(&self, form: &Submission, call: &Call) -> Result<Value, Refusal> {
        let id = WorkspaceId::parse(&self.here.id).ok_or_else(|| Error::from(Denial::parameter("No such id.")))?;
        form.once(id, SENT_BEFORE, call.make(self.visit)).await
    }

    /// The ways to the rest of a list that is paged by its address: to its beginning, where this is not it, and on.
    fn paging(&self, parameters: &[(&str, &str)], paged_by: &str, next: Option<&str>) -> Markup {
        let link = |value: &str| format!("{}?{}", self.path(), query(&[parameters, &[(paged_by, value)]].concat()));
        let is_first = asked(self.visit, paged_by).is_empty();
        html! {
            @if !is_first || next.is_some() {
                nav.paging aria-label="Pages of the list" {
                    @if !is_first { a.button href=(link("")) { "First page" } }
                    @if let Some(next) = next { a.button rel="next" href=(link(next)) { "Next page" } }
                }
            }
        }
    }

    /// The page's own path.
    fn path(&self) -> String {
        self.path_of(self.tab)
    }

    fn path_of(&self, tab: Tab) -> String {
        tab.path(&self.here.id)
    }

    /// A question about the workspace, by the rest of its path.
    fn get(&self, rest: &str) -> Call {
        Call::get(format!("/_mock/v1/workspaces/{}{rest}", self.here.id))
    }

    /// A change of it.
    fn change(&self, method: Method, rest: &str, body: Option<Value>) -> Call {
        Call::new(method, format!("/_mock/v1/workspaces/{}{rest}", self.here.id), body)
    }

    /// Asks; where the control API refuses what somebody typed, it is told above the page, and the answer is nothing.
    async fn ask<T: Default + DeserializeOwned>(&self, call: &Call) -> Result<(T, Option<Refusal>), Stop> {
        match call.make(self.visit).await {
            Ok(answer) => Ok((call.read(self.visit, answer)?, None)),
            Err(refusal) => Ok((T::default(), Some(refusal))),
        }
    }

    /// What the page's address says under a name, without secrets.
    fn asked(&self, name: &str) -> String {
        asked(self.visit, name)
    }

    /// The page.
    fn page(&self, refusal: Option<&Refusal>, content: &Markup) -> Response {
        self.page_called(self.tab.title(), refusal, content)
    }

    fn page_called(&self, title: &str, refusal: Option<&Refusal>, content: &Markup) -> Response {
        let content = html! {
            @if let Some(told) = &self.told { section.made role="status" data-once { (told) } }
            @if let Some(refusal) = refusal { p.notice role="alert" { (refusal.message) } }
            (content)
        };
        let status = refusal.map_or(StatusCode::OK, |refusal| refusal.status);
        let bar = html! { (frame::bar(self.visit)) (self.nav()) };
        let page = Page { status, bar: Some(bar), ..Page::new(title, content) };
        self.visit.with_cookie(page.respond(), None)
    }

    /// The pages of the console, and the workspace that they are about.
    fn nav(&self) -> Markup {
        let chosen = |it: &Workspace| it.id == self.here.id;
        html! {
            nav.console aria-label="Console" {
                span.group {
                    @for tab in Tab::ALL {
                        a href=(self.path_of(tab)) aria-current=[(tab == self.tab).then_some("page")] { (tab.title()) }
                    }
                }
                form.choice method="get" action="/_mock/" {
                    input type="hidden" name="page" value=(self.tab.segment());
                    label for="workspace" { "Workspace" }
                    select #workspace name="workspace" {
                        @if !self.workspaces.iter().any(chosen) { (choice(&self.here, true)) }
                        @for it in &self.workspaces { (choice(it, chosen(it))) }
                    }
                    button.small { "Go" }
                    span { (time_of(&self.clock.now.rfc3339)) " " span.soft { (self.clock.mode) } }
                }
            }
        }
    }

    /// The form's hidden token.
    fn form_token(&self) -> Markup {
        self.visit.form_token()
    }

    fn as_curl(&self, id: &str, calls: &[Call]) -> Markup {
        as_curl(self.visit, id, calls)
    }

    /// The same page after a call, which tells what came of it. It answers the form itself, as what it tells is
    /// in no other process, and a token value in it nowhere at all.
    async fn after(&self, call: Call, said: &Markup) -> Result<Self, Stop> {
        let told = html! { (said) (self.as_curl("told", &[call])) };
        Ok(Self { told: Some(told), ..Self::open(self.visit, self.tab, &self.here.id).await? })
    }
}

fn choice(workspace: &Workspace, selected: bool) -> Markup {
    html! { option value=(workspace.id) selected[selected] { (workspace.name) " (" (workspace.id) ")" } }
}

/// A text field with its label, and what is said below it.
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

/// Something to choose from: each by what it sends and what it is called.
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
