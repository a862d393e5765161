//! What the report's address says: filter, order and page. It is all the state there is, so that a link leads
//! anyone where it was taken. Its parameters are those of the control API.

use axum::http::Uri;

/// The two buttons above the report, and what they say.
pub(super) const BUTTONS: [(&str, &str); 2] =
    [("inactive_principals", "Tokens of inactive principals"), ("no_expiry", "Tokens with no expiration date")];
/// The ranges of days, by the beginning of their parameters.
pub(super) const RANGES: [(&str, &str, &str, &str); 3] = [
    ("created", "Created", "created_from", "created_to"),
    ("expires", "Expires", "expires_from", "expires_to"),
    ("last_used", "Last used", "last_used_from", "last_used_to"),
];
const FILTERS: [&str; 10] = [
    "owner",
    "workspace_id",
    "created_from",
    "created_to",
    "expires_from",
    "expires_to",
    "last_used_from",
    "last_used_to",
    "inactive_principals",
    "no_expiry",
];
pub(super) const ORDER: [&str; 2] = ["sort", "order"];
pub(super) const LIMIT: &str = "limit";
pub(super) const PAGE_TOKEN: &str = "page_token";

/// The report's parameters that are not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Address(Vec<(&'static str, String)>);

impl Address {
    /// Reads it. Of a parameter that is there twice the last one holds: that of a button comes after what the
    /// form had before.
    pub(super) fn of(uri: &Uri) -> Self {
        let sent = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let sent: Vec<(String, String)> = sent.into_owned().collect();
        let last = |name: &str| sent.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.trim());
        let names = FILTERS.into_iter().chain(ORDER).chain([LIMIT, PAGE_TOKEN]);
        let there = names.filter_map(|name| Some((name, last(name).filter(|value| !value.is_empty())?.to_owned())));
        Self(there.collect())
    }

    /// Whether the same could be said in fewer words: forms send empty fields too.
    pub(super) fn is_wordy(uri: &Uri) -> bool {
        form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).any(|(_, value)| value.trim().is_empty())
    }

    /// A parameter's text; empty when it is not there.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }

    /// Whether any token is filtered out.
    pub(super) fn is_filtered(&self) -> bool {
        FILTERS.iter().any(|name| !self.get(name).is_empty())
    }

    /// What the rows are ordered by, and whether backwards.
    pub(super) fn order(&self) -> (&str, bool) {
        let [sort, order] = ORDER.map(|name| self.get(name));
        (if sort.is_empty() { "created" } else { sort }, order == "desc")
    }

    /// The same with another value; it is another report then, so at its first page.
    pub(super) fn with(&self, name: &'static str, value: impl Into<String>) -> Self {
        let mut changed = self.without(&[name, PAGE_TOKEN]);
        changed.0.push((name, value.into()));
        changed
    }

    /// The same without these.
    pub(super) fn without(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|(key, _)| !names.contains(key)).cloned().collect())
    }

    /// The address that its order alone makes.
    pub(super) fn unfiltered(&self) -> Self {
        self.without(&FILTERS).without(&[PAGE_TOKEN])
    }

    /// What the control API at `path` is asked for.
    pub(super) fn with_counts(&self, path: &str) -> String {
        let mut asked = self.clone();
        asked.0.push(("counts", "true".into()));
        asked.at(path)
    }

    /// A link to `path` with all of it.
    pub(super) fn at(&self, path: &str) -> String {
        if self.0.is_empty() {
            return path.to_owned();
        }
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish();
        format!("{path}?{query}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(query: &str) -> Address {
        Address::of(&format!("/x?{query}").parse().unwrap())
    }

    #[test]
    fn it_holds_what_is_known_and_said_last() {
        let both = address("owner=+Zo%C3%AB+%26+co+&no_expiry=true&no_expiry=&page_token=p&sort=owner&evil=1&limit=");
        assert_eq!((both.get("owner"), both.get("no_expiry"), both.get("evil")), ("Zoë & co", "", ""));
        assert_eq!(both.at("/y"), "/y?owner=Zo%C3%AB+%26+co&sort=owner&page_token=p");
        assert_eq!(both.unfiltered().at("/y"), "/y?sort=owner");
        assert_eq!(address("").at("/y"), "/y");
        assert!(Address::is_wordy(&"/x?owner=&sort=owner".parse().unwrap()));
        assert!(!Address::is_wordy(&both.at("/y").parse().unwrap()));
    }

    #[test]
    fn another_order_begins_at_the_first_page() {
        let sorted = address("sort=owner&page_token=p").with("order", "desc");
        assert_eq!((sorted.at("/y").as_str(), sorted.order()), ("/y?sort=owner&order=desc", ("owner", true)));
        assert_eq!(address("no_expiry=true").with(PAGE_TOKEN, "q").at("/y"), "/y?no_expiry=true&page_token=q");
        assert_eq!(address("order=up").order(), ("created", false));
    }
}
