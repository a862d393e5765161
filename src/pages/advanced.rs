//! *Settings → Advanced*: personal access tokens on and off, the lifetime of new ones, and who may use them
//! (spec §8, governance R32–R45).

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use super::frame::{Question, counted};
use super::visit::{Refusal, Shown, Stop, Submission, Visit};

pub(super) const PATH: &str = "/settings/workspace/advanced";
pub(super) const TOGGLE: &str = "/settings/workspace/advanced/personal-access-tokens";
pub(super) const LIFETIME: &str = "/settings/workspace/advanced/maximum-lifetime";
pub(super) const PERMISSIONS: &str = "/settings/workspace/advanced/permissions";

const CONF: &str = "/api/2.0/workspace-conf?keys=enableTokensConfig,maxTokenLifetimeDays";
const ACL: &str = "/api/2.0/permissions/authorization/tokens";
const TITLE: &str = "Advanced settings";
const PERMISSIONS_TITLE: &str = "Token permission settings";
/// The lifetime when nothing shorter is set (spec §3).
const LONGEST_DAYS: &str = "730";
/// Most tokens that the preview of a change names.
const TOKENS_NAMED: usize = 50;

#[derive(Debug, Deserialize)]
struct Conf {
    #[serde(rename = "enableTokensConfig")]
    enabled: Option<String>,
    #[serde(rename = "maxTokenLifetimeDays")]
    max_days: Option<String>,
}

impl Conf {
    fn is_enabled(&self) -> bool {
        self.enabled.as_deref().is_none_or(|value| !value.eq_ignore_ascii_case("false"))
    }

    /// The days that are set; empty when it is the longest possible.
    fn days(&self) -> &str {
        self.max_days.as_deref().filter(|days| *days != "0").unwrap_or_default()
    }
}

/// `GET /settings/workspace/advanced`
pub(super) async fn show(visit: Visit) -> Shown {
    visit.person()?;
    settings(&visit, None, None).await
}

/// The page, with what an API refused and the days that were typed.
async fn settings(visit: &Visit, refusal: Option<&Refusal>, days: Option<&str>) -> Shown {
    let conf: Conf = visit.get(CONF).await?;
    let enabled = conf.is_enabled();
    let content = html! {
        (refused(refusal))
        section aria-labelledby="pat" {
            h2 #pat { "Personal Access Tokens" }
            p #pat-state {
                @if enabled { "Personal access tokens are " b { "enabled" } ": those with the permission can create and use them." }
                @else { "Personal access tokens are " b { "disabled" } ": none can be created, none works. None is deleted." }
            }
            form.actions method="post" action=(TOGGLE) {
                (visit.form_token())
                input type="hidden" name="enable" value=(!enabled);
                button.switch role="switch" aria-checked=(enabled) aria-labelledby="pat" aria-describedby="pat-state" {
                    @if enabled { "On" } @else { "Off" }
                }
                a.button href=(PERMISSIONS) { "Permission Settings" }
            }
        }
        section aria-labelledby="lifetime" {
            h2 #lifetime { "Maximum lifetime" }
            form.inline method="post" action=(LIFETIME) {
                (visit.form_token())
                div {
                    label for="days" { "Maximum lifetime of new tokens, in days" }
                    input #days name="days" value=(days.unwrap_or(conf.days())) inputmode="numeric" placeholder=(LONGEST_DAYS)
                        aria-describedby="days-help";
                }
                button { "Save" }
            }
            p.soft #days-help { "1 to " (LONGEST_DAYS) "; empty for " (LONGEST_DAYS) ". Tokens that exist keep their expiry." }
        }
    };
    let status = refusal.map_or(StatusCode::OK, |refusal| refusal.status);
    Ok(visit.page_with(status, TITLE, content))
}

fn refused(refusal: Option<&Refusal>) -> Markup {
    html! { @if let Some(refusal) = refusal { p.notice role="alert" { (refusal.message) } } }
}

/// `POST …/personal-access-tokens`: asks, and with `confirm` does.
pub(super) async fn toggle(form: Submission) -> Shown {
    let visit = &form.visit;
    visit.person()?;
    let enable = if form.text("enable") == "true" { "true" } else { "false" };
    if form.has("confirm") {
        return change_conf(visit, &json!({ "enableTokensConfig": enable }), None).await;
    }
    admins_only(visit).await?;
    let fields = [("enable", enable)];
    let question = |effect: Markup| Question { action: TOGGLE, fields: &fields, effect, button: "Confirm", back: PATH };
    if enable == "true" {
        let effect = html! { p { "Every token that has neither expired nor been revoked works again." } };
        return Ok(visit.page("Enable personal access tokens?", question(effect).form(visit)));
    }
    let impact = what_if(visit, &json!({ "enableTokensConfig": "false" })).await?;
    let impact = impact.map_err(|refusal| visit.refused_by(&refusal))?;
    let effect = html! {
        p.warning role="note" {
            b { "Partner Connect" } " and partner integrations require personal access tokens to be enabled. \
             While they are disabled, those integrations do not work."
        }
        (impact.summary())
        p.soft { "No token is deleted: when tokens are enabled again, those that have not expired work again." }
    };
    Ok(visit.page("Disable personal access tokens?", question(effect).form(visit)))
}

/// `POST …/maximum-lifetime`
pub(super) async fn change_lifetime(form: Submission) -> Shown {
    form.visit.person()?;
    let days = form.text("days");
    change_conf(&form.visit, &json!({ "maxTokenLifetimeDays": days }), Some(days)).await
}

async fn change_conf(visit: &Visit, change: &Value, days: Option<&str>) -> Shown {
    match visit.ask(Method::PATCH, "/api/2.0/workspace-conf", Some(change)).await {
        Ok(_) => Ok(visit.go(PATH)),
        Err(refusal) => settings(visit, Some(&refusal), days).await,
    }
}

/// What a change would break, as the control API tells.
#[derive(Debug, Deserialize)]
struct WhatIf {
    impact: Impact,
    permission_lost: Principals,
    permission_gained: Principals,
    locked_out: Vec<String>,
    tokens_that_would_fail: Vec<FailingToken>,
}

#[derive(Debug, Deserialize)]
struct Impact {
    tokens: usize,
    owners: usize,
    clients: Vec<ClientCount>,
}

#[derive(Debug, Deserialize)]
struct ClientCount {
    client: String,
    tokens: usize,
}

/// How many users and service principals, and the first of them.
#[derive(Debug, Deserialize)]
struct Principals {
    count: usize,
    principals: Vec<NamedPrincipal>,
}

#[derive(Debug, Deserialize)]
struct NamedPrincipal {
    kind: String,
    name: String,
    display_name: String,
}

impl Principals {
    /// Who they are, below what they have in common.
    fn listed(&self, id: &str, heading: &str, note: &str) -> Markup {
        html! {
            @if self.count > 0 {
                section aria-labelledby=(id) {
                    h2 #(id) { (heading) " (" (self.count) ")" }
                    ul.names {
                        @for it in &self.principals {
                            li {
                                @if it.kind == "user" { bdi { (it.name) } }
                                @else { bdi { (it.display_name) } " " span.soft { "service principal " (it.name) } }
                            }
                        }
                        @let more = self.count - self.principals.len();
                        @if more > 0 { li.soft { "and " (more) " more" } }
                    }
                    p.soft { (note) }
                }
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct FailingToken {
    owner: Option<String>,
    comment: String,
}

/// Previews tell of others' tokens, so only who may see the settings gets one.
async fn admins_only(visit: &Visit) -> Result<(), Stop> {
    visit.get::<Conf>(CONF).await.map(|_| ())
}

/// What the control API tells of a change; `Err` inside is what it refuses to imagine.
async fn what_if(visit: &Visit, change: &Value) -> Result<Result<WhatIf, Refusal>, Stop> {
    let path = format!("/_mock/v1/workspaces/{}/what-if", visit.person()?.place.workspace.id);
    match visit.ask(Method::POST, &path, Some(change)).await {
        Ok(answer) => serde_json::from_value(answer).map(Ok).map_err(|error| visit.unreadable(&path, &error)),
        Err(refusal) => Ok(Err(refusal)),
    }
}

impl WhatIf {
    fn summary(&self) -> Markup {
        let Impact { tokens, owners, clients } = &self.impact;
        html! {
            p {
                @if *tokens == 0 { "No token that works now would stop working." }
                @else { b { (counted(*tokens, "token")) " of " (counted(*owners, "owner")) } " would stop working." }
            }
            @if !clients.is_empty() {
                div.scroll tabindex="0" role="region" aria-label="Recent clients" {
                    table {
                        caption { "Recent clients that would stop" }
                        thead { tr { th { "Client" } th.number { "Tokens" } } }
                        tbody { @for it in clients { tr { td { (it.client) } td.number { (it.tokens) } } } }
                    }
                }
            }
            @if !self.locked_out.is_empty() {
                p.warning role="note" {
                    "Admins that get in with a token only, and so would be locked out: " (self.locked_out.join(", ")) "."
                }
            }
        }
    }

    /// What a service principal is called that loses the permission: its name alone says nothing to people.
    fn display_name(&self, owner: &str) -> Option<&str> {
        let found = self.permission_lost.principals.iter().find(|it| it.kind != "user" && it.name == owner);
        found.map(|it| it.display_name.as_str())
    }

    /// Whose permission would be another, with tokens or without.
    fn permission(&self) -> Markup {
        let (lost, gained) = (&self.permission_lost, &self.permission_gained);
        html! {
            @if lost.count == 0 && gained.count == 0 {
                p { "Nobody gains or loses the permission: whom this names has it otherwise, or not at all." }
            }
            (lost.listed("lost", "Who could no longer create or use tokens", "Admins always can."))
            (gained.listed("gained", "Who could newly create and use tokens", "Tokens that they still have work again."))
        }
    }

    /// Whose tokens would stop working, each with the comments.
    fn by_owner(&self) -> Markup {
        let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for token in self.tokens_that_would_fail.iter().take(TOKENS_NAMED) {
            owners.entry(token.owner.as_deref().unwrap_or("nobody")).or_default().push(&token.comment);
        }
        html! {
            @if !owners.is_empty() {
                div.scroll tabindex="0" role="region" aria-label="Tokens that would stop working" {
                    table.stack {
                        caption { "Tokens that would stop working" }
                        thead { tr { th { "Owner" } th { "Tokens, by comment" } } }
                        tbody {
                            @for (owner, comments) in owners {
                                tr {
                                    td data-label="Owner" {
                                        bdi { (owner) }
                                        @if let Some(name) = self.display_name(owner) { br; bdi.soft { (name) } }
                                    }
                                    td data-label="Tokens" {
                                        @for (place, comment) in comments.iter().enumerate() {
                                            @if place > 0 { ", " }
                                            bdi { (comment) }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                @if self.tokens_that_would_fail.len() > TOKENS_NAMED {
                    p.soft { "The first " (TOKENS_NAMED) " of " (self.tokens_that_would_fail.len()) "." }
                }
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct Permissions {
    access_control_list: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    user_name: Option<String>,
    group_name: Option<String>,
    service_principal_name: Option<String>,
    display_name: Option<String>,
    all_permissions: Vec<Held>,
}

#[derive(Debug, Deserialize)]
struct Held {
    permission_level: String,
}

/// The kinds of principals: as the API's fields name them, and as people do.
const KINDS: [(&str, &str); 3] =
    [("user_name", "User"), ("group_name", "Group"), ("service_principal_name", "Service principal")];

/// The levels that can be asked for, and what the page calls them.
const LEVELS: [(&str, &str); 2] = [("CAN_USE", "Can Use"), ("CAN_MANAGE", "Can Manage")];

impl Entry {
    /// The kind, as the field that names it, and the name.
    fn principal(&self) -> (&'static str, &str) {
        let names = [&self.user_name, &self.group_name, &self.service_principal_name];
        let found = KINDS.iter().zip(names).find_map(|((field, _), name)| Some((*field, name.as_deref()?)));
        found.unwrap_or_default()
    }

    /// What is granted to the principal, as a change names it.
    fn grants(&self) -> impl Iterator<Item = Value> + '_ {
        let (field, name) = self.principal();
        self.all_permissions.iter().map(move |held| json!({ field: name, "permission_level": held.permission_level }))
    }

    /// Whether it can be removed: what the group admins holds cannot.
    fn can_be_removed(&self) -> bool {
        self.principal() != ("group_name", "admins")
    }
}

/// A change of one entry, as the form sends it.
#[derive(Clone, Copy, Debug)]
struct Change<'a> {
    remove: bool,
    kind: &'a str,
    name: &'a str,
    level: &'a str,
}

impl<'a> Change<'a> {
    fn of(form: &'a Submission) -> Self {
        Self {
            remove: form.text("change") == "remove",
            kind: form.text("kind"),
            name: form.text("name"),
            level: form.text("level"),
        }
    }

    /// The whole list after the change.
    fn applied_to(self, permissions: &Permissions) -> Vec<Value> {
        let kept = permissions.access_control_list.iter().filter(|entry| entry.principal() != (self.kind, self.name));
        let mut list: Vec<Value> = kept.flat_map(Entry::grants).collect();
        if !self.remove {
            list.push(json!({ self.kind: self.name, "permission_level": self.level }));
        }
        list
    }
}

/// `GET …/permissions`
pub(super) async fn show_permissions(visit: Visit) -> Shown {
    visit.person()?;
    permissions(&visit, None, None).await
}

async fn permissions(visit: &Visit, refusal: Option<&Refusal>, typed: Option<Change<'_>>) -> Shown {
    let permissions: Permissions = visit.get(ACL).await?;
    let typed_name = typed.map_or("", |change| change.name);
    let is_typed = |kind: &str| typed.is_some_and(|change| change.kind == kind);
    let content = html! {
        (refused(refusal))
        p { "Who may create and use personal access tokens in this workspace. Admins always may, and manage those of others." }
        div.scroll tabindex="0" role="region" aria-label="Principals with a permission" {
            table.stack {
                thead { tr { th { "Principal" } th { "Kind" } th { "Permission" } th { span.hidden { "Change" } } } }
                tbody { @for entry in &permissions.access_control_list { (row(visit, entry)) } }
            }
        }
        section aria-labelledby="add" {
            h2 #add { "Add a permission" }
            form.inline method="post" action=(PERMISSIONS) {
                (visit.form_token())
                input type="hidden" name="change" value="add";
                div {
                    label for="kind" { "Kind" }
                    select #kind name="kind" {
                        @for (field, kind) in KINDS { option value=(field) selected[is_typed(field)] { (kind) } }
                    }
                }
                div {
                    label for="name" { "Name" }
                    input #name name="name" required value=(typed_name) list="names" aria-describedby="name-help";
                }
                (names(visit).await)
                div {
                    label for="level" { "Permission" }
                    select #level name="level" {
                        @for (level, shown) in LEVELS { option value=(level) { (shown) } }
                    }
                }
                button { "Add" }
            }
            p.soft #name-help { "A userName, a group's name, or the application id of a service principal." }
        }
        p { a href=(PATH) { "Back to " (TITLE) } }
    };
    let status = refusal.map_or(StatusCode::OK, |refusal| refusal.status);
    Ok(visit.page_with(status, PERMISSIONS_TITLE, content))
}

fn row(visit: &Visit, entry: &Entry) -> Markup {
    let (field, name) = entry.principal();
    let kind = KINDS.iter().find(|(known, _)| *known == field).map_or("", |(_, kind)| kind);
    let display = entry.display_name.as_deref().filter(|display| *display != name);
    html! {
        tr {
            td data-label="Principal" { bdi { (name) } @if let Some(display) = display { br; bdi.soft { (display) } } }
            td data-label="Kind" { (kind) }
            td data-label="Permission" {
                @for held in &entry.all_permissions {
                    @let level = LEVELS.iter().find(|(level, _)| *level == held.permission_level);
                    (level.map_or(held.permission_level.as_str(), |(_, shown)| shown))
                }
            }
            td {
                @if entry.can_be_removed() {
                    form method="post" action=(PERMISSIONS) {
                        (visit.form_token())
                        input type="hidden" name="change" value="remove";
                        input type="hidden" name="kind" value=(field);
                        input type="hidden" name="name" value=(name);
                        button.small aria-label={ "Remove " (name) } { "Remove" }
                    }
                }
            }
        }
    }
}

/// The first names of each kind, for the browser to complete. Nothing is lost without.
async fn names(visit: &Visit) -> Markup {
    let mut names = Vec::new();
    for (kind, field) in [("Users", "userName"), ("Groups", "displayName"), ("ServicePrincipals", "applicationId")] {
        let path = format!("/api/2.0/preview/scim/v2/{kind}?attributes={field}&count=100");
        let found = visit.ask(Method::GET, &path, None).await.unwrap_or_default();
        let resources = found.get("Resources").and_then(Value::as_array).into_iter().flatten();
        names.extend(resources.filter_map(|resource| resource.get(field)?.as_str().map(ToOwned::to_owned)));
    }
    html! { datalist #names { @for name in names { option value=(name) {} } } }
}

/// `POST …/permissions`: shows what the change would do, and with `confirm` does it.
pub(super) async fn change_permissions(form: Submission) -> Shown {
    let visit = &form.visit;
    visit.person()?;
    let change = Change::of(&form);
    let before: Permissions = visit.get(ACL).await?;
    let after = json!({ "access_control_list": change.applied_to(&before) });
    if form.has("confirm") {
        return match visit.ask(Method::PUT, ACL, Some(&after)).await {
            Ok(_) => Ok(visit.go(PERMISSIONS)),
            Err(refusal) => permissions(visit, Some(&refusal), Some(change)).await,
        };
    }
    admins_only(visit).await?;
    let impact = match what_if(visit, &after).await? {
        Ok(impact) => impact,
        Err(refusal) => return permissions(visit, Some(&refusal), Some(change)).await,
    };
    let effect = html! {
        p {
            @if change.remove { b { bdi { (change.name) } } " no longer has a permission of its own." }
            @else { b { bdi { (change.name) } } " may create and use personal access tokens." }
        }
        (impact.summary())
        (impact.by_owner())
        (impact.permission())
    };
    let fields = [
        ("change", if change.remove { "remove" } else { "add" }),
        ("kind", change.kind),
        ("name", change.name),
        ("level", change.level),
    ];
    let question = Question { action: PERMISSIONS, fields: &fields, effect, button: "Confirm", back: PERMISSIONS };
    let title = if change.remove { "Remove this permission?" } else { "Add this permission?" };
    Ok(visit.page(title, question.form(visit)))
}
