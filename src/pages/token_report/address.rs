//! The report's address: filter, order and page, in the parameters of the control API. The page has no other state, so a
//! copied link shows the same report to anyone.

use axum::http::Uri;

/// The two buttons above the report, with their labels.
pub(super) const BUTTONS: [(&str, &str); 2] =
    [("inactive_principals", "Tokens of inactive principals"), ("no_expiry", "Tokens with no expiration date")];
/// The ranges of days: id, label, and the two parameters.
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

/// The parameters that are not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Address(Vec<(&'static str, String)>);

impl Address {
    /// The last value of a parameter counts: a button's value comes after the one that the form had before.
    pub(super) fn of(uri: &Uri) -> Self {
        let sent = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let sent: Vec<(String, String)> = sent.into_owned().collect();
        let last = |name: &str| sent.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.trim());
        let names = FILTERS.into_iter().chain(ORDER).chain([LIMIT, PAGE_TOKEN]);
        let there = names.filter_map(|name| Some((name, last(name).filter(|value| !value.is_empty())?.to_owned())));
        Self(there.collect())
    }

    /// Forms also send their empty fields.
    pub(super) fn has_empty_parameters(uri: &Uri) -> bool {
        form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).any(|(_, value)| value.trim().is_empty())
    }

    /// Empty if the address does not have the parameter.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }

    pub(super) fn is_filtered(&self) -> bool {
        FILTERS.iter().any(|name| !self.get(name).is_empty())
    }

    /// The sort key, and whether it is descending.
    pub(super) fn order(&self) -> (&str, bool) {
        let [sort, order] = ORDER.map(|name| self.get(name));
        (if sort.is_empty() { "created" } else { sort }, order == "desc")
    }

    /// Changes a parameter. That makes another report, so it starts at its first page.
    pub(super) fn with(&self, name: &'static str, value: impl Into<String>) -> Self {
        let mut changed = self.without(&[name, PAGE_TOKEN]);
        changed.0.push((name, value.into()));
        changed
    }

    pub(super) fn without(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|(key, _)| !names.contains(key)).cloned().collect())
    }

    pub(super) fn unfiltered(&self) -> Self {
        self.without(&FILTERS).without(&[PAGE_TOKEN])
    }

    /// The call of the control API at `path`.
    pub(super) fn with_counts(&self, path: &str) -> String {
        let mut query = self.clone();
        query.0.push(("counts", "true".into()));
        query.at(path)
    }

    /// A link to `path` with all parameters.
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
    fn known_parameters_are_kept_with_their_last_value() {
        let both = address("owner=+Zo%C3%AB+%26+co+&no_expiry=true&no_expiry=&page_token=p&sort=owner&evil=1&limit=");
        assert_eq!((both.get("owner"), both.get("no_expiry"), both.get("evil")), ("Zoë & co", "", ""));
        assert_eq!(both.at("/y"), "/y?owner=Zo%C3%AB+%26+co&sort=owner&page_token=p");
        assert_eq!(both.unfiltered().at("/y"), "/y?sort=owner");
        assert_eq!(address("").at("/y"), "/y");
        assert!(Address::has_empty_parameters(&"/x?owner=&sort=owner".parse().unwrap()));
        assert!(!Address::has_empty_parameters(&both.at("/y").parse().unwrap()));
    }

    #[test]
    fn another_order_starts_at_the_first_page() {
        let sorted = address("sort=owner&page_token=p").with("order", "desc");
        assert_eq!((sorted.at("/y").as_str(), sorted.order()), ("/y?sort=owner&order=desc", ("owner", true)));
        assert_eq!(address("no_expiry=true").with(PAGE_TOKEN, "q").at("/y"), "/y?no_expiry=true&page_token=q");
        assert_eq!(address("order=up").order(), ("created", false));
    }
}
