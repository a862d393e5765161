//! Filters of the request journal: whether a received request matches, how it differs, and what its `User-Agent` says.
//! The journal itself is in `service::journal`. Start with [`RequestFilter`].
//! See docs/reference/wire.md#user-agents.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use strum::IntoStaticStr;

use super::TokenId;
use crate::domain::faults::{Request, path_fits};
use crate::domain::identities::Principal;

/// The kind of credential that a request sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum CredentialKind {
    /// No credential, or a scheme that these APIs do not accept.
    #[default]
    None,
    /// A personal access token as a bearer token.
    PatBearer,
    /// A personal access token as the password of `Basic`, as `curl -n` sends it.
    PatBasic,
    /// An OAuth access token.
    Oauth,
    /// A bearer token in an unknown format.
    Malformed,
}

impl CredentialKind {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Selects requests of the journal. An absent field matches any request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "RequestMatch")]
pub struct RequestFilter {
    /// The method.
    pub method: Option<String>,
    /// The path. A segment `*` stands for any segment, a `*` at the end for any rest.
    pub path: Option<String>,
    /// The caller's `userName` or application id, in any letter case.
    pub principal: Option<String>,
    /// The id of the personal access token that the request sent.
    pub token_id: Option<String>,
    /// A part of the `User-Agent`.
    pub client: Option<String>,
    /// The response's status; 0 if there was no response.
    #[serde(deserialize_with = "from_query_or_json")]
    pub status: Option<u16>,
    /// The kind of credential that the request sent.
    pub credential: Option<CredentialKind>,
    /// The operation, such as `tokens.create`.
    pub operation: Option<String>,
    /// Whether the path has no route.
    #[serde(deserialize_with = "from_query_or_json")]
    pub unmatched: Option<bool>,
    /// Whether the response is an error, or there was no response.
    #[serde(deserialize_with = "from_query_or_json")]
    pub refused: Option<bool>,
}

/// Reads a JSON value, or the same value as text, as it is in a query.
fn from_query_or_json<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err: std::fmt::Display> + Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum TextOrJson<T> {
        Text(String),
        Json(T),
    }
    match Option::<TextOrJson<T>>::deserialize(deserializer)? {
        None => Ok(None),
        Some(TextOrJson::Json(value)) => Ok(Some(value)),
        Some(TextOrJson::Text(text)) => text.parse().map(Some).map_err(serde::de::Error::custom),
    }
}

/// What a filter sees of a request.
#[derive(Clone, Copy, Debug)]
pub struct ReceivedRequest<'a> {
    pub request: Request<'a>,
    pub status: u16,
    pub credential: CredentialKind,
    pub operation: Option<&'a str>,
}

impl ReceivedRequest<'_> {
    /// Whether the response is an error, or there was none.
    pub fn is_refused(&self) -> bool {
        self.status == 0 || self.status >= 400
    }
}

impl RequestFilter {
    pub fn takes(&self, seen: &ReceivedRequest<'_>) -> bool {
        self.differences(seen).is_empty()
    }

    /// Why a request does not match, in words.
    pub fn differences(&self, seen: &ReceivedRequest<'_>) -> Vec<String> {
        let Request { method, path, principal, token, client } = seen.request;
        let route = |there: bool| if there { "a route" } else { "no route" };
        let outcome = |refused: bool| if refused { "a refusal" } else { "a success" };
        let (expected_status, status) = (self.status.map(|status| status.to_string()), seen.status.to_string());
        let (credential, expected_route) =
            (self.credential.map(CredentialKind::as_str), self.unmatched.map(|none| route(!none)));
        let same = |expected: &str, found: &str| expected.eq_ignore_ascii_case(found);
        let fields = [
            ("method", self.method.as_deref(), Some(method), same as fn(&str, &str) -> bool),
            ("path", self.path.as_deref(), Some(path), path_fits),
            ("principal", self.principal.as_deref(), principal, Principal::is_same_name),
            ("token_id", self.token_id.as_deref(), token.map(TokenId::as_str), same),
            ("client", self.client.as_deref(), Some(client), |part, client| client.contains(part)),
            ("status", expected_status.as_deref(), Some(&*status), same),
            ("credential", credential, Some(seen.credential.as_str()), same),
            ("operation", self.operation.as_deref(), seen.operation, same),
            ("path", expected_route, Some(route(seen.operation.is_some())), same),
            ("answer", self.refused.map(outcome), Some(outcome(seen.is_refused())), same),
        ]
        .map(|(name, expected, found, fits)| {
            let expected = expected.filter(|expected| !found.is_some_and(|found| fits(expected, found)))?;
            let found = found.map_or("unknown".to_owned(), |found| format!("'{found}'"));
            Some(format!("{name} is {found}, not '{expected}'"))
        });
        fields.into_iter().flatten().collect()
    }

    /// The filter in words.
    pub fn words(&self) -> String {
        let status = self.status.map(|status| status.to_string());
        let truth = |is: bool| if is { "true" } else { "false" };
        let words: Vec<String> = [
            ("method", self.method.as_deref()),
            ("path", self.path.as_deref()),
            ("principal", self.principal.as_deref()),
            ("token_id", self.token_id.as_deref()),
            ("client", self.client.as_deref()),
            ("status", status.as_deref()),
            ("credential", self.credential.map(CredentialKind::as_str)),
            ("operation", self.operation.as_deref()),
            ("unmatched", self.unmatched.map(truth)),
            ("refused", self.refused.map(truth)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name} {}", value?)))
        .collect();
        if words.is_empty() { "of any kind".to_owned() } else { format!("with {}", words.join(", ")) }
    }
}

/// A parsed `User-Agent`. The SDKs send `product/version databricks-sdk-py/0.162.0 … auth/pat`, with the product
/// `unknown/0.0.0` if the program did not name itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client<'a> {
    /// The program, or the SDK if the program did not name itself.
    pub name: &'a str,
    pub version: &'a str,
    pub sdk: Option<&'a str>,
    pub auth: Option<&'a str>,
}

impl<'a> Client<'a> {
    pub fn parse(user_agent: &'a str) -> Self {
        let words = || user_agent.split_ascii_whitespace();
        let sdk = words().find(|word| word.starts_with("databricks-sdk-"));
        let first = words().next().unwrap_or_default();
        let product = sdk.filter(|_| first.starts_with("unknown/")).unwrap_or(first);
        let (name, version) = product.split_once('/').unwrap_or((product, ""));
        Self { name, version, sdk, auth: words().find_map(|word| word.strip_prefix("auth/")) }
    }

    /// Name, version and authentication, by which the client census groups requests.
    pub fn label(&self) -> String {
        let Self { name, version, auth, .. } = self;
        let separator = if version.is_empty() { "" } else { "/" };
        let auth = auth.map_or_else(String::new, |auth| format!(" auth/{auth}"));
        if name.is_empty() { "(none)".to_owned() } else { format!("{name}{separator}{version}{auth}") }
    }
}

/// How far a path is from a route: the number of letters to change, plus one for each segment in braces.
pub fn path_distance(route: &str, path: &str) -> usize {
    let segments = |text: &str| -> Vec<String> { text.trim_matches('/').split('/').map(str::to_owned).collect() };
    edits(
        &segments(route),
        &segments(path),
        |segment| segment.len() + 1,
        |expected, found| {
            let letters = |text: &str| -> Vec<char> { text.chars().collect() };
            if expected.starts_with('{') {
                1
            } else {
                edits(&letters(expected), &letters(found), |_| 1, |a, b| (a != b).into())
            }
        },
    )
}

/// The edit distance of two lists.
fn edits<T>(from: &[T], to: &[T], drop: impl Fn(&T) -> usize, change: impl Fn(&T, &T) -> usize) -> usize {
    let sums = |items: &[T]| -> Vec<usize> {
        let mut sum = 0;
        let later = items.iter().map(|item| {
            sum += drop(item);
            sum
        });
        std::iter::once(0).chain(later).collect()
    };
    let mut above = sums(to);
    for item in from {
        let mut corner = above.first().copied().unwrap_or(0);
        let mut left = corner + drop(item);
        let mut row = vec![left];
        for (other, up) in to.iter().zip(above.iter().skip(1)) {
            left = (corner + change(item, other)).min(up + drop(item)).min(left + drop(other));
            corner = *up;
            row.push(left);
        }
        above = row;
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_user_agent_names_program_sdk_and_credential() {
        let python = Client::parse("unknown/0.0.0 databricks-sdk-py/0.162.0 python/3.11.7 os/linux auth/pat");
        assert_eq!((python.name, python.version, python.auth), ("databricks-sdk-py", "0.162.0", Some("pat")));
        assert_eq!(python.label(), "databricks-sdk-py/0.162.0 auth/pat");
        let cli = Client::parse("cli/0.270.0 databricks-sdk-go/0.86.0 go/1.24 os/linux cmd/auth_login auth/oauth-m2m");
        assert_eq!((cli.name, cli.sdk), ("cli", Some("databricks-sdk-go/0.86.0")));
        assert_eq!(Client::parse("curl/8.5.0").label(), "curl/8.5.0");
        assert_eq!(Client::parse("").label(), "(none)");
    }

    #[test]
    fn a_similar_path_has_a_small_distance() {
        let list = "/api/2.0/token/list";
        assert_eq!(path_distance(list, list), 0);
        assert_eq!(path_distance(list, "/api/2.1/token/lists"), 2);
        assert_eq!(path_distance("/api/2.0/token/{token_id}", "/api/2.0/token/anything"), 1);
        assert_eq!(path_distance("/a/b", "/a/xyz/b"), 4);
    }

    #[test]
    fn a_filter_says_how_a_request_differs() {
        let request =
            Request { method: "GET", path: "/api/2.0/token/list", principal: None, token: None, client: "curl/8" };
        let seen =
            ReceivedRequest { request, status: 403, credential: CredentialKind::None, operation: Some("tokens.list") };
        let expected: RequestFilter = serde_json::from_str(
            r#"{"method": "get", "path": "/api/2.0/token/*", "client": "curl", "status": "403", "unmatched": false, "refused": true}"#,
        )
        .unwrap();
        assert!(expected.takes(&seen));
        let other: RequestFilter =
            serde_json::from_str(r#"{"principal": "ann", "status": 200, "unmatched": true, "refused": "false"}"#)
                .unwrap();
        assert_eq!(
            other.differences(&seen),
            [
                "principal is unknown, not 'ann'",
                "status is '403', not '200'",
                "path is 'a route', not 'no route'",
                "answer is 'a refusal', not 'a success'",
            ]
        );
        assert_eq!(other.words(), "with principal ann, status 200, unmatched true, refused false");
        assert!(serde_json::from_str::<RequestFilter>(r#"{"pth": "/"}"#).is_err());
        assert!(serde_json::from_str::<RequestFilter>(r#"{"status": "many"}"#).is_err());
    }

    proptest! {
        #[test]
        fn distances_are_a_metric_on_plain_paths(a in "(/[a-c]{0,3}){1,4}", b in "(/[a-c]{0,3}){1,4}") {
            prop_assert_eq!(path_distance(&a, &b), path_distance(&b, &a));
            prop_assert_eq!(path_distance(&a, &a), 0);
        }
    }
}
