//! Renders the token report: filters, table, links to other pages.

use maud::{Markup, html};

use super::super::frame::time;
use super::super::visit::{Refusal, Visit};
use super::address::{Address, BUTTONS, LIMIT, ORDER, PAGE_TOKEN, RANGES};
use super::{EXPORT, PATH, REVOKE, Report, Row, Workspace, checkbox_value};
use crate::domain::Millis;

/// Page sizes to choose from; the first is the default.
const LIMITS: [&str; 4] = ["50", "100", "500", "1000"];
const TOKENS_LISTED: usize = 50;
/// The columns, with their names as sort keys.
const COLUMNS: [(&str, Option<&str>); 7] = [
    ("Owner", Some("owner")),
    ("Comment", None),
    ("Workspace", Some("workspace")),
    ("Created", Some("created")),
    ("Expires", Some("expires")),
    ("Last used", Some("last_used")),
    ("Scopes", None),
];

pub(super) struct View<'a> {
    pub(super) visit: &'a Visit,
    pub(super) address: &'a Address,
    /// `None` if the control API refused.
    pub(super) report: Option<&'a Report>,
    pub(super) workspaces: &'a [Workspace],
    pub(super) revoked: Option<usize>,
}

/// With separated thousands.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

pub(super) fn tokens(count: usize) -> String {
    match grouped(count).as_str() {
        "1" => "1 token".into(),
        count => format!("{count} tokens"),
    }
}

pub(super) fn would_be_revoked(rows: &[Row]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Tokens that would be revoked" {
            table {
                thead { tr { th scope="col" { "Owner" } th scope="col" { "Comment" } th scope="col" { "Workspace" } } }
                tbody {
                    @for row in rows.iter().take(TOKENS_LISTED) {
                        tr { td { (owner(row)) } td { (comment(row)) } td { bdi { (row.workspace_name) } } }
                    }
                }
            }
        }
        @if rows.len() > TOKENS_LISTED { p { "And " (grouped(rows.len() - TOKENS_LISTED)) " more." } }
    }
}

impl View<'_> {
    pub(super) fn content(&self, refusal: Option<&Refusal>) -> Markup {
        html! {
            @if let Some(refusal) = refusal { p.notice role="alert" { (refusal.message) } }
            @if let Some(count) = self.revoked {
                p.made role="status" { (tokens(count)) " revoked." }
            }
            p.soft {
                "All personal access tokens of the account's workspaces. Expired tokens stay listed for 30 days. Days are \
                 in UTC, on each workspace's own clock."
            }
            (self.filters())
            @if let Some(report) = self.report { (self.table(report)) (self.pages(report)) }
        }
    }

    fn filters(&self) -> Markup {
        let get = |name| self.address.get(name);
        html! {
            form.filters method="get" action=(PATH) role="search" aria-label="Filters" {
                div { label for="owner" { "Owner" } input #owner name="owner" value=(get("owner")) autocomplete="off" placeholder="Name or id"; }
                div { label for="workspace_id" { "Workspace" } (self.workspace_choice()) }
                @for (id, name, from, to) in RANGES {
                    fieldset {
                        legend { (name) }
                        div { label for={ (id) "-from" } { "from" } (day_input(&format!("{id}-from"), from, get(from))) }
                        div { label for={ (id) "-to" } { "to" } (day_input(&format!("{id}-to"), to, get(to))) }
                    }
                }
                @for name in ORDER.into_iter().chain(BUTTONS.map(|(name, _)| name)) {
                    @if !get(name).is_empty() { input type="hidden" name=(name) value=(get(name)); }
                }
                div.actions {
                    button { "Apply" }
                    @if self.address.is_filtered() { a.button href=(self.address.unfiltered().at(PATH)) { "Clear" } }
                    div.beside { label for="limit" { "Rows a page" } (self.limit_choice()) }
                }
                div.actions { @for button in BUTTONS { (self.button(button)) } }
            }
        }
    }

    /// A button sends the filter's new value after its current one, and the last one counts.
    fn button(&self, (name, text): (&'static str, &str)) -> Markup {
        let is_pressed = self.address.get(name) == "true";
        let count = self.report.map(|Report { counts, .. }| match name {
            "no_expiry" => counts.no_expiry,
            _ => counts.inactive_principals,
        });
        html! {
            button name=(name) value=(if is_pressed { "" } else { "true" }) aria-pressed=(is_pressed) {
                (text)
                @if let Some(count) = count { " " span.count { (grouped(count)) } }
            }
        }
    }

    fn workspace_choice(&self) -> Markup {
        let chosen = self.address.get("workspace_id");
        let is_known = self.workspaces.iter().any(|workspace| workspace.workspace_id.to_string() == chosen);
        html! {
            select #workspace_id name="workspace_id" {
                option value="" { "All" }
                @if !chosen.is_empty() && !is_known { option value=(chosen) selected { (chosen) } }
                @for Workspace { workspace_id, workspace_name } in self.workspaces {
                    option value=(workspace_id) selected[workspace_id.to_string() == chosen] { (workspace_name) }
                }
            }
        }
    }

    fn limit_choice(&self) -> Markup {
        let chosen = self.address.get(LIMIT);
        html! {
            select #limit name=(LIMIT) {
                @if !chosen.is_empty() && !LIMITS.contains(&chosen) { option value=(chosen) selected { (chosen) } }
                @for limit in LIMITS { option value=(limit) selected[limit == chosen] { (limit) } }
            }
        }
    }

    fn table(&self, report: &Report) -> Markup {
        let export = self.address.without(&[LIMIT, PAGE_TOKEN]).at(EXPORT);
        html! {
            form method="post" action=(self.address.at(REVOKE)) {
                (self.visit.form_token())
                div.actions.toolbar {
                    h2 { (tokens(report.total)) }
                    @if !report.tokens.is_empty() { button.danger { "Revoke selected" } }
                    a.button href=(export) { "Export CSV" }
                }
                @if report.tokens.is_empty() {
                    p { @if report.total == 0 { "No tokens match." } @else { "This page has no tokens any more." } }
                } @else {
                    div.scroll tabindex="0" role="region" aria-label="Tokens" {
                        table.stack.report {
                            thead.sorting { tr {
                                th scope="col" {
                                    // The script unhides it: without the script, it would do nothing.
                                    input type="checkbox" data-all="token" aria-label="Select all on this page" hidden;
                                }
                                @for column in COLUMNS { (self.heading(column)) }
                            } }
                            tbody { @for row in &report.tokens { (line(row)) } }
                        }
                    }
                }
            }
        }
    }

    fn heading(&self, (name, sort): (&str, Option<&'static str>)) -> Markup {
        let Some(sort) = sort else { return html! { th scope="col" { (name) } } };
        let (by, descending) = self.address.order();
        let is_by = by == sort;
        let (state, arrow) = if descending { ("descending", " ↓") } else { ("ascending", " ↑") };
        let turned = if is_by && !descending { "desc" } else { "asc" };
        let link = self.address.with("sort", sort).with("order", turned).at(PATH);
        html! {
            th scope="col" aria-sort=[is_by.then_some(state)] {
                a href=(link) { (name) @if is_by { span aria-hidden="true" { (arrow) } } }
            }
        }
    }

    fn pages(&self, report: &Report) -> Markup {
        let to = |page_token: &str| self.address.with(PAGE_TOKEN, page_token).at(PATH);
        html! {
            div.actions role="navigation" aria-label="Pages of the report" {
                @if !self.address.get(PAGE_TOKEN).is_empty() {
                    a.button href=(self.address.without(&[PAGE_TOKEN]).at(PATH)) { "First page" }
                }
                @if let Some(page_token) = &report.prev_page_token { a.button rel="prev" href=(to(page_token)) { "Previous page" } }
                @if let Some(page_token) = &report.next_page_token { a.button rel="next" href=(to(page_token)) { "Next page" } }
            }
        }
    }
}

/// A date picker, or a text field for a value that a date picker could not show.
fn day_input(id: &str, name: &str, value: &str) -> Markup {
    let is_day = value.is_empty() || crate::domain::report::is_day(value);
    html! { input id=(id) name=(name) type=(if is_day { "date" } else { "text" }) value=(value); }
}

fn line(row: &Row) -> Markup {
    let by = row.owner_name.as_deref().unwrap_or("a deleted owner");
    html! {
        tr {
            td data-label="Select" {
                input type="checkbox" name="token" value=(checkbox_value(row.workspace_id, &row.token_id))
                    aria-label={ "Select the token " (row.comment) " of " (by) };
            }
            td data-label="Owner" { (owner(row)) }
            td data-label="Comment" { (comment(row)) }
            td data-label="Workspace" { bdi { (row.workspace_name) } }
            td data-label="Created" { (time(Millis(row.creation_time))) }
            td data-label="Expires" {
                @match row.expiry_time { Some(at) => { (time(Millis(at))) } None => { span.soft { "never" } } }
                @if row.long_lived { " " span.badge { "long-lived" } }
            }
            td data-label="Last used" {
                @match row.last_used_day { Some(day) => { (self::day(Millis(day))) } None => { span.soft { "never" } } }
            }
            td data-label="Scopes" {
                @match &row.scopes { Some(scopes) => { (scopes.join(", ")) } None => { span.soft { "all APIs" } } }
            }
        }
    }
}

fn owner(row: &Row) -> Markup {
    html! {
        @match &row.owner_name {
            Some(name) => { bdi { (name) } @if !row.owner_active { " " span.badge.bad { "inactive" } } }
            None => { (row.owner_id) " " span.badge.bad { "deleted" } }
        }
        @if row.owner_type.as_deref() == Some("service_principal") { br; span.soft { "service principal" } }
    }
}

fn comment(row: &Row) -> Markup {
    html! { @if row.comment.is_empty() { span.soft { "none" } } @else { bdi { (row.comment) } } }
}

/// A day in UTC.
fn day(at: Millis) -> Markup {
    let text = at.rfc3339();
    html! { time datetime=(text) { (text.get(..10).unwrap_or(&text)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        for (number, shown) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (100_000, "100,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), shown);
        }
        assert_eq!((tokens(1), tokens(2_000)), ("1 token".to_owned(), "2,000 tokens".to_owned()));
    }
}
