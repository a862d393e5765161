//! What stands around and in all pages: the bar with the ways to go, times, questions before a change.

use maud::{Markup, html};

use super::visit::{Realm, Visit};
use super::{access_tokens, advanced, token_report};
use crate::domain::Millis;
use crate::domain::ids::DAY_MS;

/// The ways to go, by their headings.
const PLACES: [(&str, &[(&str, &str)]); 3] = [
    ("Settings", &[("Advanced", advanced::PATH), ("Developer: Access tokens", access_tokens::PATH)]),
    ("Security", &[("Token report", token_report::PATH)]),
    ("Mock", &[("Console", CONSOLE)]),
];
const CONSOLE: &str = "/_mock/";

/// The bar above a page.
pub(super) fn bar(visit: &Visit) -> Markup {
    let path = visit.parts.uri.path();
    // The console's pages are elsewhere; those of the others are below them.
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
            @for (heading, links) in PLACES {
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

/// An instant in UTC, as people read it.
pub(super) fn time(at: Millis) -> Markup {
    let text = at.rfc3339();
    let shown = text.get(..16).filter(|_| text.contains('T')).map(|shown| format!("{} UTC", shown.replace('T', " ")));
    html! { time datetime=(text) title=(text) { (shown.as_deref().unwrap_or(&text)) } }
}

/// The same to the second.
pub(super) fn time_to_the_second(text: &str) -> Markup {
    let shown = text.get(..19).filter(|_| text.contains('T')).map(|shown| shown.replace('T', " "));
    html! { time datetime=(text) title=(text) { (shown.as_deref().unwrap_or(text)) } }
}

/// The same for an instant as the control API writes it.
pub(super) fn time_of(text: &str) -> Markup {
    if let Some(at) = Millis::parse(text) {
        time(at)
    } else {
        html! { (text) }
    }
}

/// How long it is from `now` to `at`, in whole units.
pub(super) fn left(now: Millis, at: Millis) -> String {
    let ms = at.since(now);
    let (count, unit) = match ms {
        ..=0 => return "over".into(),
        1..60_000 => return "less than a minute".into(),
        60_000..3_600_000 => (ms / 60_000, "minute"),
        3_600_000..DAY_MS => (ms / 3_600_000, "hour"),
        _ => (ms / DAY_MS, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// A count with its noun.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// What is asked before something is changed. Only its button, which sends `confirm`, changes anything.
pub(super) struct Question<'a> {
    /// Where the form goes.
    pub(super) action: &'a str,
    /// What it sends besides.
    pub(super) fields: &'a [(&'a str, &'a str)],
    /// What would happen.
    pub(super) effect: Markup,
    /// What the button says.
    pub(super) button: &'a str,
    /// Where one goes who would rather not.
    pub(super) back: &'a str,
}

impl Question<'_> {
    /// The form.
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
    fn what_is_left_is_told_in_the_largest_whole_unit() {
        let now = Millis(1_000_000);
        for (ms, told) in [
            (-5, "over"),
            (0, "over"),
            (1, "less than a minute"),
            (60_000, "1 minute"),
            (3_599_999, "59 minutes"),
            (2 * 3_600_000, "2 hours"),
            (DAY_MS, "1 day"),
            (90 * DAY_MS - 1, "89 days"),
        ] {
            assert_eq!(left(now, now.plus(ms)), told);
        }
    }

    #[test]
    fn times_are_in_utc_to_the_minute() {
        let shown = time(Millis(1_795_507_200_000)).into_string();
        assert!(shown.contains(">2026-11-24 08:00 UTC<"), "{shown}");
        assert!(time(Millis(i64::MAX)).into_string().contains(&i64::MAX.to_string()));
    }
}
