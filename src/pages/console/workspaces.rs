//! Workspaces: lists, creates, copies, resets and deletes them, and saves checkpoints.

use axum::extract::Path;
use axum::http::Method;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::call::Call;
use super::{Console, Tab, Workspace, choices, field, typed};
use crate::domain::seeds::TEMPLATES;
use crate::pages::advanced;
use crate::pages::frame::{Question, counted, time_of};
use crate::pages::visit::{ErrorPage, PageResult, Refusal, Submission, Visit};
use crate::web::curl::quoted;
use crate::web::url::percent_encoded;

const PAGE_SIZE: &str = "50";

/// The states that every workspace can be reset to, without a saved checkpoint.
const BUILT_IN: [(&str, &str); 2] = [("seed", "seed: as created"), ("empty", "empty: before its seed was applied")];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Create,
    Fork,
    Reset,
    SaveCheckpoint,
    DeleteCheckpoint,
    Delete,
    EnableTokens,
}

impl Action {
    /// With the names that forms send.
    const ALL: [(Self, &str); 7] = [
        (Self::Create, "create"),
        (Self::Fork, "fork"),
        (Self::Reset, "reset"),
        (Self::SaveCheckpoint, "save-checkpoint"),
        (Self::DeleteCheckpoint, "delete-checkpoint"),
        (Self::Delete, "delete"),
        (Self::EnableTokens, "enable-tokens"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(action, _)| *action == self).map_or("", |(_, name)| name)
    }

    fn call(self, console: &Console<'_>, typed: &impl Fn(&str) -> String) -> Call {
        let checkpoint = || format!("/checkpoints/{}", percent_encoded(&typed("checkpoint")));
        let body = |names: &[&str]| -> Value {
            let given = names.iter().map(|name| ((*name).to_owned(), typed(name)));
            given
                .filter(|(_, text)| !text.is_empty())
                .map(|(name, text)| (name, text.into()))
                .collect::<Map<_, _>>()
                .into()
        };
        match self {
            Self::Create => {
                let path = "/_mock/v1/workspaces".to_owned();
                Call::new(Method::POST, path, Some(body(&["name", "template", "ttl"])))
            }
            Self::Fork => console.change(Method::POST, "/fork", Some(body(&["name", "ttl"]))),
            Self::Reset => console.change(Method::POST, "/reset", Some(body(&["to"]))),
            Self::SaveCheckpoint => console.change(Method::PUT, &checkpoint(), None),
            Self::DeleteCheckpoint => console.change(Method::DELETE, &checkpoint(), None),
            Self::Delete => console.change(Method::DELETE, "", None),
            Self::EnableTokens => console.change(Method::PATCH, "/conf", Some(json!({ "enableTokensConfig": "true" }))),
        }
    }

    /// What cannot be undone is asked first: title, effect and button.
    fn question(self, console: &Console<'_>, form: &Submission) -> Option<(&'static str, Markup, &'static str)> {
        let name = &console.here.name;
        match self {
            Self::Reset => Some((
                "Reset this workspace?",
                html! { p { "Workspace " b { bdi { (name) } } " will be restored to " b { (form.text("to")) } ". Everything since then will be lost, from the clock to the audit log." } },
                "Reset",
            )),
            Self::DeleteCheckpoint => Some((
                "Delete this checkpoint?",
                html! { p { "Checkpoint " b { (form.text("checkpoint")) } " of workspace " b { bdi { (name) } } " will be deleted permanently." } },
                "Delete",
            )),
            Self::Delete => Some((
                "Delete this workspace?",
                html! { p { "Workspace " b { bdi { (name) } } " will be deleted with everything in it, and with its account if that has no other workspace." } },
                "Delete",
            )),
            Self::Create | Self::Fork | Self::SaveCheckpoint | Self::EnableTokens => None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
struct Checkpoints {
    checkpoints: Vec<Checkpoint>,
}

#[derive(Debug, Deserialize)]
struct Checkpoint {
    name: String,
    created_at: String,
    with_principals: bool,
}

/// A new workspace. Its secrets are in this answer only.
#[derive(Debug, Deserialize)]
struct Created {
    id: String,
    name: String,
    env: Map<String, Value>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct WorkspaceList {
    workspaces: Vec<Workspace>,
    total: usize,
    next_page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
struct LiveTokens {
    live_tokens: u64,
}

/// `GET …/workspaces?q=&page_token=`
pub(super) async fn show(visit: Visit, Path(workspace): Path<String>) -> PageResult {
    let console = Console::open(&visit, Tab::Workspaces, &workspace).await?;
    page(&console, None, None).await
}

/// `POST …/workspaces`: asks first if the action cannot be undone.
pub(super) async fn change(Path(workspace): Path<String>, form: Submission) -> PageResult {
    let console = Console::open(&form.visit, Tab::Workspaces, &workspace).await?;
    let Some((action, _)) = Action::ALL.into_iter().find(|(_, name)| *name == form.text("action")) else {
        return page(&console, None, Some(&form)).await;
    };
    let call = action.call(&console, &|name| form.text(name).to_owned());
    if let Some((title, effect, button)) = action.question(&console, &form).filter(|_| !form.has("confirm")) {
        let fields = ["action", "to", "checkpoint"].map(|name| (name, form.text(name)));
        let path = console.path();
        let question = Question { action: &path, fields: &fields, effect, button, back: &path };
        let content = html! { (question.form(console.visit)) (console.as_curl("curl-question", &[call])) };
        return Ok(console.page_called(title, None, &content));
    }
    match console.once(&form, &call).await {
        Ok(answer) => done(&console, action, call, answer).await,
        Err(refusal) => page(&console, Some(&refusal), Some(&form)).await,
    }
}

async fn done(console: &Console<'_>, action: Action, call: Call, answer: Value) -> PageResult {
    let result = match action {
        Action::Create | Action::Fork => call.read::<Created>(console.visit, answer)?.result(),
        // The workspace's own pages no longer exist.
        Action::Delete => return Ok(console.visit.go(&Tab::Workspaces.path("default"))),
        Action::Reset => html! { p { "The workspace was reset." } },
        Action::SaveCheckpoint => html! { p { "The checkpoint was saved." } },
        Action::DeleteCheckpoint => html! { p { "The checkpoint was deleted." } },
        Action::EnableTokens => html! { p { "Personal access tokens are enabled." } },
    };
    page(&console.after(call, &result).await?, None, None).await
}

impl Created {
    fn result(&self) -> Markup {
        let value = |value: &Value| value.as_str().map(quoted).unwrap_or_default();
        let exports: Vec<String> =
            self.env.iter().map(|(name, text)| format!("export {name}={}", value(text))).collect();
        let mut text = exports.join("\n");
        if let (Some(id), Some(secret)) = (&self.client_id, &self.client_secret) {
            text.push_str("\n# OAuth: DATABRICKS_CLIENT_ID=");
            text.push_str(id);
            text.push_str(" DATABRICKS_CLIENT_SECRET=");
            text.push_str(secret);
        }
        html! {
            h2 { "Workspace " a href=(Tab::Workspaces.path(&self.id)) { bdi { (self.name) } " (" (self.id) ")" } " was created" }
            p { "Copy this now: the token will not be shown again." }
            pre #exports { (text) }
            button.small type="button" data-copy="exports" { "Copy" }
        }
    }
}

async fn page(console: &Console<'_>, refusal: Option<&Refusal>, form: Option<&Submission>) -> PageResult {
    let checkpoints = console.get("/checkpoints");
    let (Checkpoints { checkpoints: mut saved }, unknown) = console.ask(&checkpoints).await?;
    saved.retain(|it| BUILT_IN.iter().all(|(name, _)| it.name != *name));
    let (shown, listing, unlisted) = list(console).await?;
    let content = html! {
        p { a href="#create" { "Create a workspace" } ", or " a href="#here" { "copy, save, reset or delete " bdi { (console.here.name) } } "." }
        (shown)
        (create(console, form))
        (here(console, &saved, form))
        (console.as_curl("curl-workspaces", &[listing, console.get(""), checkpoints]))
    };
    Ok(console.page(refusal.or(unknown.as_ref()).or(unlisted.as_ref()), &content))
}

async fn list(console: &Console<'_>) -> Result<(Markup, Call, Option<Refusal>), ErrorPage> {
    let [text, page_token] = ["q", "page_token"].map(|name| console.parameter(name));
    let parameters = [("q", text.as_str()), ("limit", PAGE_SIZE), ("page_token", &page_token)];
    let call = Call::get("/_mock/v1/workspaces").with_query(&parameters);
    let (WorkspaceList { workspaces, total, next_page_token }, refusal) = console.ask(&call).await?;
    let mut rows = Vec::new();
    for it in &workspaces {
        let call = Call::get(format!("/_mock/v1/workspaces/{}", it.id));
        // It may have been deleted in the meantime.
        let tokens: Option<LiveTokens> = match call.make(console.visit).await {
            Ok(answer) => Some(call.read(console.visit, answer)?),
            Err(_) => None,
        };
        rows.push((it, tokens));
    }
    let shown = html! {
        @if total > 1 || !text.is_empty() {
            form.search.narrow method="get" role="search" {
                div { label for="q" { "Search workspaces" } input #q type="search" name="q" value=(text); }
                button { "Search" }
            }
        }
        @if rows.is_empty() { @if refusal.is_none() { p { "No workspaces match." } } }
        @else {
            p { (counted(total, "workspace")) "." }
            (table(console, &rows))
        }
        (console.paging(&[("q", &text)], "page_token", next_page_token.as_deref()))
    };
    Ok((shown, call, refusal))
}

fn table(console: &Console<'_>, rows: &[(&Workspace, Option<LiveTokens>)]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Workspaces" {
            table.stack {
                thead { tr { th { "Name" } th { "Id" } th.number { "Live tokens" } th { "Account" } th { "Created" } th { "Expires" } th { "Own port" } } }
                tbody { @for (it, tokens) in rows { (row(console, it, tokens.as_ref())) } }
            }
        }
    }
}

fn row(console: &Console<'_>, it: &Workspace, tokens: Option<&LiveTokens>) -> Markup {
    html! {
        tr {
            td data-label="Name" {
                a href=(Tab::Workspaces.path(&it.id)) aria-current=[(it.id == console.here.id).then_some("true")] { bdi { (it.name) } }
                @if it.is_default { " " span.soft { "default" } }
            }
            td data-label="Id" { code { (it.id) } }
            td.number data-label="Live tokens" { @if let Some(tokens) = tokens { (tokens.live_tokens) } }
            td data-label="Account" { code { (it.account_id) } }
            td data-label="Created" { (time_of(&it.created_at)) }
            td data-label="Expires" { @match &it.delete_at { Some(at) => { (time_of(at)) } None => { span.soft { "never" } } } }
            td data-label="Own port" { @match it.port { Some(port) => { (port) } None => { span.soft { "none" } } } }
        }
    }
}

/// A form of one action, with its call.
fn action_form(
    console: &Console<'_>,
    action: Action,
    form: Option<&Submission>,
    fields: &Markup,
    button: &str,
) -> Markup {
    let mine = form.filter(|form| form.text("action") == action.name());
    let call = action.call(console, &|name| if name == "checkpoint" { "NAME".into() } else { typed(mine, name) });
    html! {
        form.fields[!fields.0.is_empty()].actions[fields.0.is_empty()] method="post" action=(console.path()) {
            (console.form_token())
            input type="hidden" name="action" value=(action.name());
            (fields)
            button { (button) }
        }
        (console.as_curl(&format!("curl-{}", action.name()), &[call]))
    }
}

fn create(console: &Console<'_>, form: Option<&Submission>) -> Markup {
    let mine = form.filter(|form| form.text("action") == Action::Create.name());
    let mut templates = vec![("", "Default principals")];
    templates.extend(TEMPLATES.iter().map(|(name, _)| (*name, *name)));
    let fields = html! {
        (field("create-name", "name", "Name", &typed(mine, "name"), ""))
        (choices("create-template", "template", "Contents", &templates, &typed(mine, "template")))
        (field("create-ttl", "ttl", "Expires after", &typed(mine, "ttl"), "Such as 2h. Leave empty to keep it."))
    };
    html! {
        section aria-labelledby="create" {
            h2 #create { "Create a workspace" }
            p { "The workspace gets an account of its own, so nothing in it is visible from other workspaces." }
            (action_form(console, Action::Create, form, &fields, "Create"))
        }
    }
}

/// The actions on the chosen workspace.
fn here(console: &Console<'_>, saved: &[Checkpoint], form: Option<&Submission>) -> Markup {
    let mine = form.filter(|form| form.text("action") == Action::Fork.name());
    let copying = html! {
        (field("fork-name", "name", "Name of the copy", &typed(mine, "name"), ""))
        (field("fork-ttl", "ttl", "Expires after", &typed(mine, "ttl"), "Such as 2h. Leave empty to keep it."))
    };
    let mut states = BUILT_IN.to_vec();
    states.extend(saved.iter().map(|it| (it.name.as_str(), it.name.as_str())));
    let reset = choices("reset-to", "to", "Reset to", &states, "seed");
    let name = field(
        "checkpoint",
        "checkpoint",
        "Name of the checkpoint",
        &typed(form, "checkpoint"),
        "Letters, digits, '-', '_' and '.'.",
    );
    html! {
        section aria-labelledby="here" {
            h2 #here { "Workspace " bdi { (console.here.name) } }
            h3 { "Copy" }
            (action_form(console, Action::Fork, form, &copying, "Copy"))
            h3 { "Checkpoints" }
            @if !saved.is_empty() { (checkpoints(console, saved)) }
            (action_form(console, Action::SaveCheckpoint, form, &name, "Save checkpoint"))
            h3 { "Reset" }
            (action_form(console, Action::Reset, form, &reset, "Reset"))
            h3 { "Personal access tokens" }
            p {
                a href={ (advanced::PATH) "?o=" (console.here.id) } { "Its settings" }
                " turn them on and off. If you are locked out, turn them on here:"
            }
            (action_form(console, Action::EnableTokens, form, &html! {}, "Turn personal access tokens on"))
            h3 { "Delete" }
            @if console.here.is_default { p { "The default workspace cannot be deleted. Reset it instead." } }
            @else { (action_form(console, Action::Delete, form, &html! {}, "Delete")) }
        }
    }
}

fn checkpoints(console: &Console<'_>, saved: &[Checkpoint]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Checkpoints" {
            table.stack {
                thead { tr { th { "Name" } th { "Saved" } th { "With principals" } th { span.hidden { "Change" } } } }
                tbody {
                    @for it in saved {
                        tr {
                            td data-label="Name" { (it.name) }
                            td data-label="Saved" { (time_of(&it.created_at)) }
                            td data-label="With principals" { @if it.with_principals { "yes" } @else { "no" } }
                            td {
                                form method="post" action=(console.path()) {
                                    (console.form_token())
                                    input type="hidden" name="action" value=(Action::DeleteCheckpoint.name());
                                    input type="hidden" name="checkpoint" value=(it.name);
                                    button.small aria-label={ "Delete " (it.name) } { "Delete" }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
