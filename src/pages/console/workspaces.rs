//! Workspaces: all there are, new ones, copies, the way back.

use axum::extract::Path;
use axum::http::Method;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::curl::{Call, segment};
use super::{Console, Tab, Workspace, choices, field, typed};
use crate::domain::seeds::TEMPLATES;
use crate::http::redaction;
use crate::pages::advanced;
use crate::pages::frame::{Question, counted, time_of};
use crate::pages::visit::{Refusal, Shown, Stop, Submission, Visit};
use crate::web::shell::quoted;

/// Workspaces on a page.
const SHOWN: &str = "50";

/// The states that each workspace can go back to by itself, beside the checkpoints that somebody keeps.
const MADE: [(&str, &str); 2] = [("seed", "seed, with its seed in it"), ("empty", "empty, before that")];

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Create,
    Fork,
    Reset,
    Keep,
    Forget,
    Delete,
    EnableTokens,
}

impl Action {
    const ALL: [Self; 7] =
        [Self::Create, Self::Fork, Self::Reset, Self::Keep, Self::Forget, Self::Delete, Self::EnableTokens];

    /// As forms send it.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Fork => "fork",
            Self::Reset => "reset",
            Self::Keep => "keep",
            Self::Forget => "forget",
            Self::Delete => "delete",
            Self::EnableTokens => "enable-tokens",
        }
    }

    /// The call, with what was typed.
    fn call(self, console: &Console<'_>, typed: &impl Fn(&str) -> String) -> Call {
        let checkpoint = || format!("/checkpoints/{}", segment(&typed("checkpoint")));
        let said = |names: &[&str]| -> Value {
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
                Call::new(Method::POST, path, Some(said(&["name", "template", "ttl"])))
            }
            Self::Fork => console.change(Method::POST, "/fork", Some(said(&["name", "ttl"]))),
            Self::Reset => console.change(Method::POST, "/reset", Some(said(&["to"]))),
            Self::Keep => console.change(Method::PUT, &checkpoint(), None),
            Self::Forget => console.change(Method::DELETE, &checkpoint(), None),
            Self::Delete => console.change(Method::DELETE, "", None),
            Self::EnableTokens => console.change(Method::PATCH, "/conf", Some(json!({ "enableTokensConfig": "true" }))),
        }
    }

    /// What is asked first, where it cannot be undone: title, effect and button.
    fn question(self, console: &Console<'_>, form: &Submission) -> Option<(&'static str, Markup, &'static str)> {
        let name = &console.here.name;
        match self {
            Self::Reset => Some((
                "Reset this workspace?",
                html! { p { "Workspace " b { bdi { (name) } } " goes back to " b { (form.text("to")) } ": what happened since is gone, from the clock to the audit log." } },
                "Reset",
            )),
            Self::Forget => Some((
                "Forget this checkpoint?",
                html! { p { "Checkpoint " b { (form.text("checkpoint")) } " of workspace " b { bdi { (name) } } " is gone for good." } },
                "Forget",
            )),
            Self::Delete => Some((
                "Delete this workspace?",
                html! { p { "Workspace " b { bdi { (name) } } " goes with all that it holds, and its account when it is alone there." } },
                "Delete",
            )),
            Self::Create | Self::Fork | Self::Keep | Self::EnableTokens => None,
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

/// What the control API answers of a new workspace. It is told once.
#[derive(Debug, Deserialize)]
struct Created {
    id: String,
    name: String,
    env: Map<String, Value>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// A page of the list.
#[derive(Debug, Default, Deserialize)]
struct Listed {
    workspaces: Vec<Workspace>,
    total: usize,
    next_page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Counted {
    live_tokens: u64,
}

/// `GET …/workspaces?q=&page_token=`
pub(super) async fn show(visit: Visit, Path(workspace): Path<String>) -> Shown {
    let console = Console::open(&visit, Tab::Workspaces, &workspace).await?;
    page(&console, None, None).await
}

/// `POST …/workspaces`: does what the form says; what cannot be undone is asked first.
pub(super) async fn change(Path(workspace): Path<String>, form: Submission) -> Shown {
    let console = Console::open(&form.visit, Tab::Workspaces, &workspace).await?;
    let Some(action) = Action::ALL.into_iter().find(|action| action.as_str() == form.text("action")) else {
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

async fn done(console: &Console<'_>, action: Action, call: Call, answer: Value) -> Shown {
    let said = match action {
        Action::Create | Action::Fork => call.read::<Created>(console.visit, answer)?.told(),
        // Its pages are gone with it.
        Action::Delete => return Ok(console.visit.go(&Tab::Workspaces.path("default"))),
        Action::Reset => html! { p { "The workspace is put back." } },
        Action::Keep => html! { p { "The checkpoint is kept." } },
        Action::Forget => html! { p { "The checkpoint is forgotten." } },
        Action::EnableTokens => html! { p { "Personal access tokens are on." } },
    };
    page(&console.after(call, &said).await?, None, None).await
}

impl Created {
    fn told(&self) -> Markup {
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
            h2 { "Workspace " a href=(Tab::Workspaces.path(&self.id)) { bdi { (self.name) } " (" (self.id) ")" } " is there" }
            p { "Copy this now: the token is not shown again." }
            pre #exports { (text) }
            button.small type="button" data-copy="exports" { "Copy" }
        }
    }
}

async fn page(console: &Console<'_>, refusal: Option<&Refusal>, form: Option<&Submission>) -> Shown {
    let checkpoints = console.get("/checkpoints");
    let (Checkpoints { checkpoints: mut kept }, unknown) = console.ask(&checkpoints).await?;
    kept.retain(|it| MADE.iter().all(|(name, _)| it.name != *name));
    let (shown, listing, unlisted) = list(console).await?;
    let content = html! {
        p { a href="#create" { "Create a workspace" } ", or " a href="#here" { "copy, keep, reset or delete " bdi { (console.here.name) } } "." }
        (shown)
        (create(console, form))
        (here(console, &kept, form))
        (console.as_curl("curl-workspaces", &[listing, console.get(""), checkpoints]))
    };
    Ok(console.page(refusal.or(unknown.as_ref()).or(unlisted.as_ref()), &content))
}

async fn list(console: &Console<'_>) -> Result<(Markup, Call, Option<Refusal>), Stop> {
    let [text, page_token] = ["q", "page_token"].map(|name| redaction::line(&console.asked(name)));
    let parameters = [("q", text.as_str()), ("limit", SHOWN), ("page_token", &page_token)];
    let call = Call::get("/_mock/v1/workspaces").with_query(&parameters);
    let (Listed { workspaces, total, next_page_token }, refusal) = console.ask(&call).await?;
    let mut rows = Vec::new();
    for it in &workspaces {
        let call = Call::get(format!("/_mock/v1/workspaces/{}", it.id));
        // One may be deleted in the meantime.
        let counted: Option<Counted> = match call.make(console.visit).await {
            Ok(answer) => Some(call.read(console.visit, answer)?),
            Err(_) => None,
        };
        rows.push((it, counted));
    }
    let shown = html! {
        @if total > 1 || !text.is_empty() {
            form.search.narrow method="get" role="search" {
                div { label for="q" { "Search workspaces" } input #q type="search" name="q" value=(text); }
                button { "Search" }
            }
        }
        @if rows.is_empty() { @if refusal.is_none() { p { "There is no such workspace." } } }
        @else {
            p { (counted(total, "workspace")) "." }
            (table(console, &rows))
        }
        (console.paging(&[("q", &text)], "page_token", next_page_token.as_deref()))
    };
    Ok((shown, call, refusal))
}

fn table(console: &Console<'_>, rows: &[(&Workspace, Option<Counted>)]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Workspaces" {
            table.stack {
                thead { tr { th { "Name" } th { "Id" } th.number { "Live tokens" } th { "Account" } th { "Created" } th { "Goes by itself" } th { "Own port" } } }
                tbody { @for (it, counted) in rows { (row(console, it, counted.as_ref())) } }
            }
        }
    }
}

fn row(console: &Console<'_>, it: &Workspace, counted: Option<&Counted>) -> Markup {
    html! {
        tr {
            td data-label="Name" {
                a href=(Tab::Workspaces.path(&it.id)) aria-current=[(it.id == console.here.id).then_some("true")] { bdi { (it.name) } }
                @if it.is_default { " " span.soft { "default" } }
            }
            td data-label="Id" { code { (it.id) } }
            td.number data-label="Live tokens" { @if let Some(counted) = counted { (counted.live_tokens) } }
            td data-label="Account" { code { (it.account_id) } }
            td data-label="Created" { (time_of(&it.created_at)) }
            td data-label="Goes by itself" { @match &it.delete_at { Some(at) => { (time_of(at)) } None => { span.soft { "no" } } } }
            td data-label="Own port" { @match it.port { Some(port) => { (port) } None => { span.soft { "no" } } } }
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
    let mine = form.filter(|form| form.text("action") == action.as_str());
    let call = action.call(console, &|name| if name == "checkpoint" { "NAME".into() } else { typed(mine, name) });
    html! {
        form.fields[!fields.0.is_empty()].actions[fields.0.is_empty()] method="post" action=(console.path()) {
            (console.form_token())
            input type="hidden" name="action" value=(action.as_str());
            (fields)
            button { (button) }
        }
        (console.as_curl(&format!("curl-{}", action.as_str()), &[call]))
    }
}

fn create(console: &Console<'_>, form: Option<&Submission>) -> Markup {
    let mine = form.filter(|form| form.text("action") == Action::Create.as_str());
    let mut worlds = vec![("", "The usual principals")];
    worlds.extend(TEMPLATES.iter().map(|(name, _)| (*name, *name)));
    let fields = html! {
        (field("create-name", "name", "Name", &typed(mine, "name"), ""))
        (choices("create-template", "template", "With", &worlds, &typed(mine, "template")))
        (field("create-ttl", "ttl", "Goes by itself after", &typed(mine, "ttl"), "Such as 2h; empty for never."))
    };
    html! {
        section aria-labelledby="create" {
            h2 #create { "Create a workspace" }
            p { "It has an account of its own, so that nothing in it can be seen from elsewhere." }
            (action_form(console, Action::Create, form, &fields, "Create"))
        }
    }
}

/// What can be done with the chosen workspace.
fn here(console: &Console<'_>, kept: &[Checkpoint], form: Option<&Submission>) -> Markup {
    let mine = form.filter(|form| form.text("action") == Action::Fork.as_str());
    let copying = html! {
        (field("fork-name", "name", "Name of the copy", &typed(mine, "name"), ""))
        (field("fork-ttl", "ttl", "Goes by itself after", &typed(mine, "ttl"), "Such as 2h; empty for never."))
    };
    let mut states = MADE.to_vec();
    states.extend(kept.iter().map(|it| (it.name.as_str(), it.name.as_str())));
    let reset = choices("reset-to", "to", "Back to", &states, "seed");
    let keep = field(
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
            (action_form(console, Action::Fork, form, &copying, "Copy it"))
            h3 { "Checkpoints" }
            @if !kept.is_empty() { (checkpoints(console, kept)) }
            (action_form(console, Action::Keep, form, &keep, "Keep it as it is"))
            h3 { "Reset" }
            (action_form(console, Action::Reset, form, &reset, "Reset"))
            h3 { "Personal access tokens" }
            p {
                a href={ (advanced::PATH) "?o=" (console.here.id) } { "Its settings" }
                " turn them off and on. Whoever is locked out turns them on from here:"
            }
            (action_form(console, Action::EnableTokens, form, &html! {}, "Turn personal access tokens on"))
            h3 { "Delete" }
            @if console.here.is_default { p { "The default workspace stays. Reset it instead." } }
            @else { (action_form(console, Action::Delete, form, &html! {}, "Delete")) }
        }
    }
}

fn checkpoints(console: &Console<'_>, kept: &[Checkpoint]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Checkpoints" {
            table.stack {
                thead { tr { th { "Name" } th { "StoredBody" } th { "With principals" } th { span.hidden { "Change" } } } }
                tbody {
                    @for it in kept {
                        tr {
                            td data-label="Name" { (it.name) }
                            td data-label="StoredBody" { (time_of(&it.created_at)) }
                            td data-label="With principals" { @if it.with_principals { "yes" } @else { "no" } }
                            td {
                                form method="post" action=(console.path()) {
                                    (console.form_token())
                                    input type="hidden" name="action" value=(Action::Forget.as_str());
                                    input type="hidden" name="checkpoint" value=(it.name);
                                    button.small aria-label={ "Forget " (it.name) } { "Forget" }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
