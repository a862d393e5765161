//! What the pages share: the bar with the navigation, times and durations, and the question before a change.

use maud::{Markup, html};

use super::visit::{Realm, Visit};
use super::{access_tokens, advanced, token_report};
use crate::domain::Millis;
use crate::domain::ids::DAY_MS;

/// Headings, with their links.
const NAVIGATION: [(&str, &[(&str, &str)]); 3] = [
    ("Settings", &[("Advanced", advanced::PATH), ("Developer: Access tokens", access_tokens::PATH)]),
    ("Security", &[("Token report", token_report::PATH)]),
    ("Mock", &[("Console", CONSOLE)]),
];
const CONSOLE: &str = "/_mock/";

pub(super) fn bar(visit: &Visit) -> Markup {
    let path = visit.parts.uri.path();
    // The console's pages are not below its link; those of the other links are.
    let is_here = |link: &str| match link {
        CONSOLE => path.starts_with("/_mock/"),
        _ => path.strip_prefix(link).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
    };
    html! {
        header {
            a.brand href="/" { "dapi-mock" }
            @if let Some(person) = &visit.person {
                div.who {
                    @let workspace = &person.place.workspace;
                    span {
                        @match visit.realm {
                            Realm::Workspace => { "Workspace " b { bdi { (workspace.name) } } " " span.soft { (workspace.id) } }
                            Realm::Account => { "Account " span.soft { (workspace.account) } }
                        }
                    }
                    span { (time(person.now)) }
                    bdi { (person.name) }
                    form method="post" action=(visit.realm.logout()) {
                        (visit.form_token())
                        button.small { "Sign out" }
                    }
                }
            }
        }
        nav aria-label="Pages" {
            @for (heading, links) in NAVIGATION {
                span.group {
                    span.soft { (heading) }
                    @for (name, link) in links {
                        a href=(link) aria-current=[is_here(link).then_some("page")] { (name) }
                    }
                }
            }
        }
    }
}

/// An instant in UTC, to the minute.
pub(super) fn time(at: Millis) -> Markup {
    let text = at.rfc3339();
    let shown = text.get(..16).filter(|_| text.contains('T')).map(|shown| format!("{} UTC", shown.replace('T', " ")));
    html! { time datetime=(text) title=(text) { (shown.as_deref().unwrap_or(&text)) } }
}

pub(super) fn time_to_the_second(text: &str) -> Markup {
    let shown = text.get(..19).filter(|_| text.contains('T')).map(|shown| shown.replace('T', " "));
    html! { time datetime=(text) title=(text) { (shown.as_deref().unwrap_or(text)) } }
}

/// To the minute; the text is RFC 3339, as in the control API.
pub(super) fn time_of(text: &str) -> Markup {
    if let Some(at) = Millis::parse(text) {
        time(at)
    } else {
        html! { (text) }
    }
}

/// The time from `now` to `at`, in the largest whole unit.
pub(super) fn left(now: Millis, at: Millis) -> String {
    let ms = at.since(now);
    let (count, unit) = match ms {
        ..=0 => return "due".into(),
        1..60_000 => return "less than a minute".into(),
        60_000..3_600_000 => (ms / 60_000, "minute"),
        3_600_000..DAY_MS => (ms / 3_600_000, "hour"),
        _ => (ms / DAY_MS, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A question before a change. Only its button, which sends `confirm`, changes anything.
pub(super) struct Question<'a> {
    pub(super) action: &'a str,
    pub(super) fields: &'a [(&'a str, &'a str)],
    /// What the change would do.
    pub(super) effect: Markup,
    pub(super) button: &'a str,
    /// Where *Cancel* leads.
    pub(super) back: &'a str,
}

impl Question<'_> {
    pub(super) fn form(&self, visit: &Visit) -> Markup {
        html! {
            (self.effect)
            form.actions method="post" action=(self.action) {
                (visit.form_token())
                @for (name, value) in self.fields { input type="hidden" name=(name) value=(value); }
                button.danger name="confirm" value="yes" { (self.button) }
                a.button href=(self.back) { "Cancel" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_shown_in_its_largest_whole_unit() {
        let now = Millis(1_000_000);
        for (ms, shown) in [
            (-5, "due"),
            (0, "due"),
            (1, "less than a minute"),
            (60_000, "1 minute"),
            (3_599_999, "59 minutes"),
            (2 * 3_600_000, "2 hours"),
            (DAY_MS, "1 day"),
            (90 * DAY_MS - 1, "89 days"),
        ] {
            assert_eq!(left(now, now.plus(ms)), shown);
        }
    }

    #[test]
    fn times_are_in_utc_to_the_minute() {
        let shown = time(Millis(1_795_507_200_000)).into_string();
        assert!(shown.contains(">2026-11-24 08:00 UTC<"), "{shown}");
        assert!(time(Millis(i64::MAX)).into_string().contains(&i64::MAX.to_string()));
    }
}
