//! Questions about requests that came: which are meant, how far one is from that, and what a `User-Agent`
//! says (research/peers.md §5a.9, §7).

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::TokenId;
use crate::domain::faults::{Request, path_fits};
use crate::domain::identities::Principal;

/// What a request showed as its credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// Nothing, or a scheme that these APIs do not take.
    #[default]
    None,
    /// A personal access token as bearer.
    PatBearer,
    /// A personal access token as the password of `Basic`, as `curl -n` sends it.
    PatBasic,
    /// An OAuth access token.
    Oauth,
    /// A bearer of no known form.
    Malformed,
}

impl CredentialKind {
    /// The name as asked for and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::PatBearer => "pat_bearer",
            Self::PatBasic => "pat_basic",
            Self::Oauth => "oauth",
            Self::Malformed => "malformed",
        }
    }
}

/// Which requests are meant. What is absent fits any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "RequestMatch")]
pub struct RequestFilter {
    /// The method.
    pub method: Option<String>,
    /// The path, as [`path_fits`] reads it.
    pub path: Option<String>,
    /// The caller's `userName` or application id, in any letter case.
    pub principal: Option<String>,
    /// The id of the presented personal access token.
    pub token_id: Option<String>,
    /// A part of the `User-Agent`.
    pub client: Option<String>,
    /// The answer's status; 0 where there was none.
    #[serde(deserialize_with = "plain")]
    pub status: Option<u16>,
    /// What was shown as credential.
    pub credential: Option<CredentialKind>,
    /// The operation, such as `tokens.create`.
    pub operation: Option<String>,
    /// Whether the path has no route.
    #[serde(deserialize_with = "plain")]
    pub unmatched: Option<bool>,
    /// Whether the answer is an error, or there was none.
    #[serde(deserialize_with = "plain")]
    pub refused: Option<bool>,
}

/// A value as JSON has it, or as text, which is how a query has it.
fn plain<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err: std::fmt::Display> + Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either<T> {
        Text(String),
        Plain(T),
    }
    match Option::<Either<T>>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Either::Plain(value)) => Ok(Some(value)),
        Some(Either::Text(text)) => text.parse().map(Some).map_err(serde::de::Error::custom),
    }
}

/// A request that came, as questions see it.
#[derive(Clone, Copy, Debug)]
pub struct ReceivedRequest<'a> {
    /// What was asked.
    pub request: Request<'a>,
    /// The answer's status.
    pub status: u16,
    /// What was shown as credential.
    pub credential: CredentialKind,
    /// The route's operation.
    pub operation: Option<&'a str>,
}

impl ReceivedRequest<'_> {
    /// Whether the answer is an error, or there was none.
    pub fn is_refused(&self) -> bool {
        self.status == 0 || self.status >= 400
    }
}

impl RequestFilter {
    /// Whether a request is meant.
    pub fn takes(&self, seen: &ReceivedRequest<'_>) -> bool {
        self.differences(seen).is_empty()
    }

    /// In what a request is not the one that is meant, in words.
    pub fn differences(&self, seen: &ReceivedRequest<'_>) -> Vec<String> {
        let Request { method, path, principal, token, client } = seen.request;
        let route = |there: bool| if there { "a route" } else { "no route" };
        let outcome = |refused: bool| if refused { "a refusal" } else { "a success" };
        let (wanted_status, status) = (self.status.map(|status| status.to_string()), seen.status.to_string());
        let (credential, wanted_route) =
            (self.credential.map(CredentialKind::as_str), self.unmatched.map(|none| route(!none)));
        let same = |wanted: &str, found: &str| wanted.eq_ignore_ascii_case(found);
        let fields = [
            ("method", self.method.as_deref(), Some(method), same as fn(&str, &str) -> bool),
            ("path", self.path.as_deref(), Some(path), path_fits),
            ("principal", self.principal.as_deref(), principal, Principal::is_same_name),
            ("token_id", self.token_id.as_deref(), token.map(TokenId::as_str), same),
            ("client", self.client.as_deref(), Some(client), |part, client| client.contains(part)),
            ("status", wanted_status.as_deref(), Some(&*status), same),
            ("credential", credential, Some(seen.credential.as_str()), same),
            ("operation", self.operation.as_deref(), seen.operation, same),
            ("path", wanted_route, Some(route(seen.operation.is_some())), same),
            ("answer", self.refused.map(outcome), Some(outcome(seen.is_refused())), same),
        ]
        .map(|(name, wanted, found, fits)| {
            let wanted = wanted.filter(|wanted| !found.is_some_and(|found| fits(wanted, found)))?;
            let found = found.map_or("unknown".to_owned(), |found| format!("'{found}'"));
            Some(format!("{name} is {found}, not '{wanted}'"))
        });
        fields.into_iter().flatten().collect()
    }

    /// What is meant, in words.
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

/// What a `User-Agent` says. The SDKs send `product/version databricks-sdk-py/0.162.0 … auth/pat`, with
/// `unknown/0.0.0` as product where the program did not name itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client<'a> {
    /// The program, or the SDK where it did not name itself.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The SDK with its version.
    pub sdk: Option<&'a str>,
    /// How the SDK authenticates.
    pub auth: Option<&'a str>,
}

impl<'a> Client<'a> {
    /// Reads a `User-Agent`.
    pub fn parse(user_agent: &'a str) -> Self {
        let words = || user_agent.split_ascii_whitespace();
        let sdk = words().find(|word| word.starts_with("databricks-sdk-"));
        let first = words().next().unwrap_or_default();
        let product = sdk.filter(|_| first.starts_with("unknown/")).unwrap_or(first);
        let (name, version) = product.split_once('/').unwrap_or((product, ""));
        Self { name, version, sdk, auth: words().find_map(|word| word.strip_prefix("auth/")) }
    }

    /// Name, version and way to authenticate, as a census groups by them.
    pub fn label(&self) -> String {
        let Self { name, version, auth, .. } = self;
        let separator = if version.is_empty() { "" } else { "/" };
        let auth = auth.map_or_else(String::new, |auth| format!(" auth/{auth}"));
        if name.is_empty() { "(none)".to_owned() } else { format!("{name}{separator}{version}{auth}") }
    }
}

/// How far a path is from a route's: letters to change, and one for each segment in braces.
pub fn path_distance(route: &str, path: &str) -> usize {
    let segments = |text: &str| -> Vec<String> { text.trim_matches('/').split('/').map(str::to_owned).collect() };
    edits(
        &segments(route),
        &segments(path),
        |segment| segment.len() + 1,
        |wanted, found| {
            let letters = |text: &str| -> Vec<char> { text.chars().collect() };
            if wanted.starts_with('{') {
                1
            } else {
                edits(&letters(wanted), &letters(found), |_| 1, |a, b| (a != b).into())
            }
        },
    )
}

/// The least cost of changing one list into another.
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
    fn a_near_path_is_near() {
        let list = "/api/2.0/token/list";
        assert_eq!(path_distance(list, list), 0);
        assert_eq!(path_distance(list, "/api/2.1/token/lists"), 2);
        assert_eq!(path_distance("/api/2.0/token/{token_id}", "/api/2.0/token/anything"), 1);
        assert_eq!(path_distance("/a/b", "/a/xyz/b"), 4);
    }

    #[test]
    fn a_question_says_what_differs() {
        let request =
            Request { method: "GET", path: "/api/2.0/token/list", principal: None, token: None, client: "curl/8" };
        let seen =
            ReceivedRequest { request, status: 403, credential: CredentialKind::None, operation: Some("tokens.list") };
        let wanted: RequestFilter = serde_json::from_str(
            r#"{"method": "get", "path": "/api/2.0/token/*", "client": "curl", "status": "403", "unmatched": false, "refused": true}"#,
        )
        .unwrap();
        assert!(wanted.takes(&seen));
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
