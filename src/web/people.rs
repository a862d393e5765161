//! The form that asks people who they are, for OAuth and for the pages.

use maud::{Markup, html};

use crate::domain::sign_ins::{PEOPLE_SHOWN, Person};

/// The users to choose from, and the search for others.
#[derive(Debug)]
pub struct PeopleChoice<'a> {
    pub people: &'a [Person],
    /// Not all users that match are in `people`.
    pub more: bool,
    /// The search text.
    pub text: &'a str,
    pub search: Search<'a>,
    pub choice: &'a [(&'a str, &'a str)],
}

/// How the search is sent, with its hidden fields.
#[derive(Debug)]
pub enum Search<'a> {
    /// In the page's address.
    ByAddress(&'a [(&'a str, &'a str)]),
    /// In a form, which carries the proof of the control key: addresses are stored in too many places.
    ByForm(&'a [(&'a str, &'a str)]),
}

/// The form that asks for the control key.
pub fn key_form(hidden_fields: &[(&str, &str)]) -> Markup {
    html! {
        form method="post" {
            (hidden(hidden_fields))
            div.field {
                label for="control_key" { "Control key of this server" }
                input #control_key type="password" name="control_key" required autofocus autocomplete="off";
            }
            button type="submit" { "Continue" }
        }
    }
}

impl PeopleChoice<'_> {
    pub fn forms(&self) -> Markup {
        let (method, search) = match self.search {
            Search::ByAddress(fields) => ("get", fields),
            Search::ByForm(fields) => ("post", fields),
        };
        html! {
            form.search method=(method) role="search" {
                (hidden(search))
                div {
                    label for="q" { "Search users" }
                    input #q type="search" name="q" value=(self.text) dir="auto" autocomplete="off";
                }
                button type="submit" { "Search" }
            }
            form method="post" {
                (hidden(self.choice))
                @if self.people.is_empty() { p { "No active users match." } }
                ul.choices aria-label="Users to sign in as" {
                    @for person in self.people {
                        li {
                            button type="submit" name="user" value=(person.id) {
                                @if person.admin { span.badge { "admin" } }
                                bdi { (person.display_name) }
                                @if person.display_name != person.name { br; bdi.soft { (person.name) } }
                            }
                        }
                    }
                }
            }
            @if self.more { p.soft { "These are the first " (PEOPLE_SHOWN) " users. Search to find others." } }
        }
    }
}

fn hidden(fields: &[(&str, &str)]) -> Markup {
    html! { @for (name, value) in fields { input type="hidden" name=(name) value=(value); } }
}
