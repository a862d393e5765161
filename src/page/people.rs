//! The question who somebody is, as OAuth's page and the pages' own ask it.

use maud::{Markup, html};

use crate::domain::sign_in::{PEOPLE_SHOWN, Person};

/// The users to choose from, and how to find others.
#[derive(Debug)]
pub struct PeopleChoice<'a> {
    /// Those that are shown.
    pub people: &'a [Person],
    /// How many were found.
    pub found: usize,
    /// What was searched for.
    pub text: &'a str,
    /// Whether the control key is asked for.
    pub asks_key: bool,
    /// Hidden fields of the search.
    pub search: &'a [(&'a str, &'a str)],
    /// Hidden fields of the choice.
    pub choice: &'a [(&'a str, &'a str)],
}

impl PeopleChoice<'_> {
    /// Both forms.
    pub fn forms(&self) -> Markup {
        html! {
            form.search method="get" role="search" {
                (hidden(self.search))
                div {
                    label for="q" { "Search users" }
                    input #q type="search" name="q" value=(self.text) autocomplete="off";
                }
                button type="submit" { "Search" }
            }
            form method="post" {
                // Enter in the key's field is no choice.
                button type="submit" disabled hidden { "Sign in" }
                (hidden(self.choice))
                @if self.asks_key {
                    div.field {
                        label for="control_key" { "Control key of this server" }
                        input #control_key type="password" name="control_key" required autocomplete="off";
                    }
                }
                @if self.people.is_empty() { p { "No active user has a name like this." } }
                ul.choices aria-label="Users to sign in as" {
                    @for person in self.people {
                        li {
                            button type="submit" name="user" value=(person.id) {
                                @if person.admin { span.badge { "admin" } }
                                (person.display_name)
                                @if person.display_name != person.name { br; span.soft { (person.name) } }
                            }
                        }
                    }
                }
            }
            @if self.found > self.people.len() {
                p.soft { "The first " (PEOPLE_SHOWN) " of " (self.found) " users. Search to find others." }
            }
        }
    }
}

fn hidden(fields: &[(&str, &str)]) -> Markup {
    html! { @for (name, value) in fields { input type="hidden" name=(name) value=(value); } }
}
