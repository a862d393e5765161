//! The question who somebody is, as OAuth's page and the pages' own ask it.

use maud::{Markup, html};

use crate::domain::sign_ins::{PEOPLE_SHOWN, Person};

/// The users to choose from, and how to find others.
#[derive(Debug)]
pub struct PeopleChoice<'a> {
    /// Those that are shown.
    pub people: &'a [Person],
    /// Whether others were found, too.
    pub more: bool,
    /// What was searched for.
    pub text: &'a str,
    /// How others are found.
    pub search: Search<'a>,
    /// Hidden fields of the choice.
    pub choice: &'a [(&'a str, &'a str)],
}

/// How the search is sent, with its hidden fields.
#[derive(Debug)]
pub enum Search<'a> {
    /// As the page's address.
    ByAddress(&'a [(&'a str, &'a str)]),
    /// As a form, which carries the proof that the control key was shown: an address is kept in too many places.
    ByForm(&'a [(&'a str, &'a str)]),
}

/// The form that asks for the control key, before anybody's name is shown. `hidden` are its other fields.
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
    /// Both forms.
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
                @if self.people.is_empty() { p { "No active user has a name like this." } }
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
