//! *Settings → Advanced → Permission Settings*: who can create and use personal access tokens. A change is previewed
//! before it is made.

use axum::http::{Method, StatusCode};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use super::impact::Impact;
use super::{PATH, PERMISSIONS, TITLE, refused, require_admin};
use crate::pages::frame::Question;
use crate::pages::visit::{PageResult, Refusal, Submission, Visit};

const ACL: &str = "/api/2.0/permissions/authorization/tokens";
const PERMISSIONS_TITLE: &str = "Token permission settings";

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
    all_permissions: Vec<Permission>,
}

#[derive(Debug, Deserialize)]
struct Permission {
    permission_level: String,
}

/// The kinds of principals: the API's field, and the label.
const KINDS: [(&str, &str); 3] =
    [("user_name", "User"), ("group_name", "Group"), ("service_principal_name", "Service principal")];

/// The levels to choose from: the API's name, and the label.
const LEVELS: [(&str, &str); 2] = [("CAN_USE", "Can Use"), ("CAN_MANAGE", "Can Manage")];

impl Entry {
    /// The API's field, and the name in it.
    fn principal(&self) -> (&'static str, &str) {
        let names = [&self.user_name, &self.group_name, &self.service_principal_name];
        let found = KINDS.iter().zip(names).find_map(|((field, _), name)| Some((*field, name.as_deref()?)));
        found.unwrap_or_default()
    }

    /// As a change of the list has to repeat it.
    fn grants(&self) -> impl Iterator<Item = Value> + '_ {
        let (field, name) = self.principal();
        self.all_permissions.iter().map(move |held| json!({ field: name, "permission_level": held.permission_level }))
    }

    /// The permission of the group `admins` cannot be removed.
    fn can_be_removed(&self) -> bool {
        self.principal() != ("group_name", "admins")
    }
}

/// The form's change of one entry.
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
pub(crate) async fn show_permissions(visit: Visit) -> PageResult {
    visit.person()?;
    permissions(&visit, None, None).await
}

async fn permissions(visit: &Visit, refusal: Option<&Refusal>, typed: Option<Change<'_>>) -> PageResult {
    let permissions: Permissions = visit.get(ACL).await?;
    let typed_name = typed.map_or("", |change| change.name);
    let is_typed = |kind: &str| typed.is_some_and(|change| change.kind == kind);
    let content = html! {
        (refused(refusal))
        p { "Choose who can create and use personal access tokens in this workspace. Admins always can, and they can manage the tokens of others." }
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
            p.soft #name-help { "A user name, a group name, or the application id of a service principal." }
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

/// The first names of each kind, for the browser's completion; none if an API refuses.
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

/// `POST …/permissions`: previews the change; with `confirm`, makes it.
pub(crate) async fn change_permissions(form: Submission) -> PageResult {
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
    require_admin(visit).await?;
    let impact = match Impact::of(visit, &after).await? {
        Ok(impact) => impact,
        Err(refusal) => return permissions(visit, Some(&refusal), Some(change)).await,
    };
    let effect = html! {
        p {
            @if change.remove { b { bdi { (change.name) } } " will lose its own entry in this list." }
            @else { b { bdi { (change.name) } } " will be able to create and use personal access tokens." }
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
