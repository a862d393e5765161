//! Faults: rules that make matching requests fail on purpose. `http::faults` carries them out; `catalogue` has the
//! failures that clients of the real service have seen. Start with [`FaultRequest::checked`] and [`Rule`].
//! See docs/faults.md.

mod catalogue;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::TokenId;
use crate::domain::identities::Principal;

pub use catalogue::{CATALOGUE, CatalogueFault};

/// The longest delay, in milliseconds: the Python and Go SDKs retry for as long.
pub const MAX_DELAY_MS: u32 = 300_000;
/// The maximum number of faults in a workspace.
pub const MAX_FAULTS: usize = 100;
/// The largest `offset` and `times`; a fault without an end has `times: null`.
const MAX_COUNT: u32 = 1_000_000;
/// The longest text in a rule, in bytes.
const MAX_TEXT: usize = 1024;

/// Which requests a fault applies to. An absent field matches any request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// The method, in capitals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path. A segment `*` stands for any segment, a `*` at the end for any rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The caller's `userName` or application id, in any letter case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The id of the personal access token that the request sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// A part of the `User-Agent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// What a rule sees of a request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// The caller, if known.
    pub principal: Option<&'a str>,
    /// The personal access token that it sent.
    pub token: Option<&'a TokenId>,
    pub client: &'a str,
}

impl Match {
    fn takes(&self, request: &Request<'_>) -> bool {
        let same = |expected: &Option<String>, found: Option<&str>| {
            expected.as_ref().is_none_or(|expected| found.is_some_and(|found| expected.eq_ignore_ascii_case(found)))
        };
        same(&self.method, Some(request.method))
            && self.path.as_ref().is_none_or(|pattern| path_fits(pattern, request.path))
            && self
                .principal
                .as_ref()
                .is_none_or(|expected| request.principal.is_some_and(|found| Principal::is_same_name(expected, found)))
            && same(&self.token_id, request.token.map(TokenId::as_str))
            && self.client.as_ref().is_none_or(|part| request.client.contains(part.as_str()))
    }

    fn or(self, base: Self) -> Self {
        Self {
            method: self.method.or(base.method),
            path: self.path.or(base.path),
            principal: self.principal.or(base.principal),
            token_id: self.token_id.or(base.token_id),
            client: self.client.or(base.client),
        }
    }
}

/// Whether a path matches a pattern. A segment `*` or in braces stands for any segment, a `*` at the end for any rest.
pub fn path_fits(pattern: &str, path: &str) -> bool {
    let mut expected = pattern.split('/').peekable();
    let mut parts = path.split('/');
    loop {
        match (expected.next(), parts.next()) {
            (None, None) => return true,
            (Some(last), Some(part)) if last.ends_with('*') && expected.peek().is_none() => {
                return part.starts_with(last.trim_end_matches('*'));
            }
            (Some(any), Some(part)) if (any == "*" || any.starts_with('{')) && !part.is_empty() => {}
            (Some(expected), Some(part)) if expected == part => {}
            _ => return false,
        }
    }
}

/// Whether the fault comes before or after the request is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Instead of handling the request. Only the token's use is recorded, because the checks have passed.
    Before,
    /// The request takes effect, and its response is lost.
    After,
}

/// An effect that is neither an error nor only a delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Close the connection without a response.
    DropConnection,
    /// Close the connection in the middle of the body.
    TruncateBody,
    /// Pause for `delay_ms` in the middle of the body.
    SlowBody,
    /// Return 200 with the log-in page.
    LoginPage,
    /// Revoke the personal access token that the request sent; the request itself continues.
    RevokeToken,
    /// Let a change to the workspace configuration take effect `delay_ms` later.
    DelayPropagation,
}

impl Kind {
    /// When the fault can come; the first is the default.
    const fn times(self) -> &'static [When] {
        match self {
            Self::DropConnection | Self::LoginPage | Self::RevokeToken => &[When::Before, When::After],
            Self::TruncateBody | Self::SlowBody => &[When::After],
            Self::DelayPropagation => &[When::Before],
        }
    }
}

/// What a fault does: an error (with `status`), an effect of some `kind`, or only a delay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Effect {
    /// An effect other than an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// The status of an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The error's `error_code`. Defaults to the status as a number, as the edge of the real service sends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The error's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The error's `Retry-After`, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// The delay in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u32>,
}

impl Effect {
    fn or(self, base: Self) -> Self {
        Self {
            kind: self.kind.or(base.kind),
            status: self.status.or(base.status),
            error_code: self.error_code.or(base.error_code),
            message: self.message.or(base.message),
            retry_after: self.retry_after.or(base.retry_after),
            delay_ms: self.delay_ms.or(base.delay_ms),
        }
    }

    fn check(&self) -> Result<(), String> {
        let takes_time = matches!(self.kind, Some(Kind::SlowBody | Kind::DelayPropagation));
        if self.status.is_none() && self.kind.is_none() && self.delay_ms.is_none() {
            return Err("effect: missing; set status, kind or delay_ms.".into());
        }
        if self.status.is_some() && self.kind.is_some() {
            return Err("effect: set either status or kind, not both.".into());
        }
        if self.status.is_some_and(|status| !(400..600).contains(&status)) {
            return Err("effect.status: not an error; use a number from 400 to 599.".into());
        }
        if self.status.is_none() && (self.error_code.is_some() || self.message.is_some() || self.retry_after.is_some())
        {
            return Err("effect: error_code, message and retry_after require status.".into());
        }
        if self.delay_ms.is_some_and(|ms| ms > MAX_DELAY_MS) {
            return Err(format!("effect.delay_ms: too long; use at most {MAX_DELAY_MS} (five minutes)."));
        }
        if takes_time && self.delay_ms.is_none() {
            return Err("effect.delay_ms: missing; this kind requires it.".into());
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The name in the catalogue, if the rule is from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(rename = "match")]
    pub requests: Match,
    /// How many matching requests pass before the first one fails.
    pub offset: u32,
    /// How many matching requests fail; `None` is all of them.
    pub times: Option<u32>,
    pub when: When,
    pub effect: Effect,
}

/// A fault to arm. An absent field is as in the catalogue if `name` is set. Otherwise the fault applies once, to the
/// next request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Fault")]
pub struct FaultRequest {
    /// The name of a fault in the catalogue.
    pub name: Option<String>,
    /// Which requests the fault applies to.
    #[serde(rename = "match")]
    pub requests: Match,
    /// How many matching requests pass before the first one fails.
    pub offset: Option<u32>,
    /// How many matching requests fail; `null` or 0 for all of them. Defaults to 1, because clients retry for minutes,
    /// some of them forever.
    #[serde(deserialize_with = "times")]
    #[schemars(with = "Option<u32>")]
    pub times: Option<Times>,
    /// Whether the fault comes before or after the request is handled.
    pub when: Option<When>,
    /// What the fault does.
    pub effect: Effect,
}

/// How many matching requests fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    All,
    Only(u32),
}

fn times<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Times>, D::Error> {
    let times = Option::<u32>::deserialize(from)?.filter(|times| *times > 0);
    Ok(Some(times.map_or(Times::All, Times::Only)))
}

impl FaultRequest {
    /// The rule, with the defaults filled in.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what would be right.
    pub fn checked(self) -> Result<Rule, String> {
        let base = match &self.name {
            Some(name) => CatalogueFault::find(name)?.request()?,
            None => Self::default(),
        };
        let effect = self.effect.or(base.effect);
        effect.check()?;
        let possible = effect.kind.map_or(&[When::Before, When::After][..], Kind::times);
        let when = self.when.or(base.when).or_else(|| possible.first().copied()).unwrap_or(When::Before);
        if !possible.contains(&when) {
            return Err("when: not possible with this kind of fault; use the other value.".into());
        }
        let rule = Rule {
            name: self.name,
            requests: self.requests.or(base.requests),
            offset: self.offset.or(base.offset).unwrap_or(0),
            times: match self.times.or(base.times) {
                Some(Times::All) => None,
                Some(Times::Only(times)) => Some(times),
                None => Some(1),
            },
            when,
            effect,
        };
        rule.check()?;
        Ok(rule)
    }
}

impl Rule {
    fn check(&self) -> Result<(), String> {
        let Match { method, path, principal, token_id, client } = &self.requests;
        let texts = [
            ("match.method", method),
            ("match.path", path),
            ("match.principal", principal),
            ("match.token_id", token_id),
            ("match.client", client),
            ("effect.error_code", &self.effect.error_code),
            ("effect.message", &self.effect.message),
        ];
        for (name, text) in texts {
            if text.as_ref().is_some_and(|text| text.is_empty() || text.len() > MAX_TEXT) {
                return Err(format!("{name}: empty or too long; use 1 to {MAX_TEXT} bytes."));
            }
        }
        if method.as_ref().is_some_and(|method| !method.bytes().all(|byte| byte.is_ascii_alphabetic())) {
            return Err("match.method: not an HTTP method; use GET, POST and so on.".into());
        }
        if path.as_ref().is_some_and(|path| !is_pattern(path)) {
            return Err(
                "match.path: not a path; start with /, leave out the query, and use * for a segment or the rest."
                    .into(),
            );
        }
        if self.offset > MAX_COUNT || self.times.is_some_and(|times| times > MAX_COUNT) {
            return Err(format!("offset, times: too large; use at most {MAX_COUNT}."));
        }
        Ok(())
    }

    /// Whether the rule applies to a request.
    pub fn takes(&self, request: &Request<'_>) -> bool {
        let is_possible = self.effect.kind != Some(Kind::RevokeToken) || request.token.is_some();
        is_possible && self.requests.takes(request)
    }

    /// Whether it fires at the matching request number `seen`.
    pub fn fires(&self, seen: i64) -> bool {
        self.fired(seen) > self.fired(seen - 1)
    }

    /// How often it has fired after `seen` matching requests.
    pub fn fired(&self, seen: i64) -> i64 {
        let beyond = (seen - i64::from(self.offset)).max(0);
        self.times.map_or(beyond, |times| beyond.min(times.into()))
    }

    /// How often it will still fire; `None` for every request.
    pub fn remaining(&self, seen: i64) -> Option<i64> {
        self.times.map(|times| i64::from(times) - self.fired(seen))
    }

    /// Whether it determines the response, so that no later rule applies. A delay, a revoked token and a delayed setting
    /// do not.
    pub fn answers(&self) -> bool {
        match self.effect.kind {
            Some(Kind::RevokeToken | Kind::DelayPropagation) => false,
            Some(Kind::DropConnection | Kind::TruncateBody | Kind::SlowBody | Kind::LoginPage) => true,
            None => self.effect.status.is_some(),
        }
    }

    /// By how many milliseconds it delays the request or its response.
    pub fn delay_ms(&self) -> u32 {
        let own = matches!(self.effect.kind, Some(Kind::SlowBody | Kind::DelayPropagation));
        self.effect.delay_ms.filter(|_| !own).unwrap_or(0)
    }
}

fn is_pattern(path: &str) -> bool {
    let Some(segments) = path.strip_prefix('/') else { return false };
    let segments: Vec<&str> = segments.split('/').collect();
    let Some((last, others)) = segments.split_last() else { return false };
    let is_whole = |segment: &&str| *segment == "*" || !segment.contains('*');
    others.iter().all(is_whole) && !last.trim_end_matches('*').contains('*') && !path.contains(['?', '#'])
}

/// An armed fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Faults of a workspace apply in the order of their ids.
    pub id: i64,
    pub rule: Rule,
    /// How many requests matched.
    pub seen: i64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn checked(json: &str) -> Result<Rule, String> {
        serde_json::from_str::<FaultRequest>(json).map_err(|error| error.to_string())?.checked()
    }

    #[test]
    fn the_catalogue_is_valid() {
        for named in CATALOGUE {
            let rule = named.rule().unwrap();
            assert_eq!((rule.name.as_deref(), rule.times), (Some(named.name), Some(1)), "bounded");
            let stored = serde_json::to_string(&rule).unwrap();
            assert_eq!(serde_json::from_str::<Rule>(&stored).unwrap(), rule, "it can be kept");
            assert!(
                CatalogueFault::find(named.name).is_ok() && !named.stands_for.is_empty() && !named.source.is_empty()
            );
        }
    }

    #[test]
    fn a_given_field_wins_over_the_catalogue() {
        let rule = checked(
            r#"{"name": "rate_limited", "match": {"client": "terraform"}, "times": 2, "effect": {"retry_after": 5}}"#,
        );
        let rule = rule.unwrap();
        assert_eq!((rule.effect.status, rule.effect.retry_after, rule.times), (Some(429), Some(5), Some(2)));
        assert_eq!(rule.requests.client.as_deref(), Some("terraform"));
        for (times, expected) in
            [("", Some(1)), (",\"times\":null", None), (",\"times\":0", None), (",\"times\":7", Some(7))]
        {
            assert_eq!(checked(&format!("{{\"effect\":{{\"status\":500}}{times}}}")).unwrap().times, expected);
        }
    }

    #[test]
    fn invalid_faults_are_refused() {
        for (json, says) in [
            ("{}", "effect: missing"),
            (r#"{"name": "rate_limitd"}"#, "rate_limited, rpc_bucket"),
            (r#"{"name": "cold_workspace"}"#, "not emulated"),
            (r#"{"effect": {"status": 200}}"#, "from 400 to 599"),
            (r#"{"effect": {"status": 65535}}"#, "from 400 to 599"),
            (r#"{"effect": {"status": 500, "kind": "drop_connection"}}"#, "either"),
            (r#"{"effect": {"kind": "drop_connection", "message": "x"}}"#, "require status"),
            (r#"{"effect": {"delay_ms": 300001}}"#, "five minutes"),
            (r#"{"effect": {"kind": "slow_body"}}"#, "delay_ms: missing"),
            (r#"{"when": "before", "effect": {"kind": "truncate_body"}}"#, "not possible with this kind"),
            (r#"{"when": "after", "name": "toggle_takes_seconds"}"#, "not possible with this kind"),
            (r#"{"when": "during", "effect": {"status": 500}}"#, "unknown variant"),
            (r#"{"offset": -1, "effect": {"status": 500}}"#, "invalid value"),
            (r#"{"offset": 1000001, "effect": {"status": 500}}"#, "at most 1000000"),
            (r#"{"match": {"path": "api"}, "effect": {"status": 500}}"#, "match.path"),
            (r#"{"match": {"path": "/a?b"}, "effect": {"status": 500}}"#, "match.path"),
            (r#"{"match": {"path": "/a*/b"}, "effect": {"status": 500}}"#, "match.path"),
            (r#"{"match": {"method": "G T"}, "effect": {"status": 500}}"#, "match.method"),
            (r#"{"match": {"client": ""}, "effect": {"status": 500}}"#, "match.client"),
            (r#"{"match": {"ip": "1"}, "effect": {"status": 500}}"#, "unknown field"),
            (r#"{"probability": 0.5, "effect": {"status": 500}}"#, "unknown field"),
        ] {
            let error = checked(json).unwrap_err();
            assert!(error.contains(says), "{json}: {error}");
        }
    }

    #[test]
    fn patterns_match_whole_paths_segments_and_prefixes() {
        for (pattern, path, fits) in [
            ("/api/2.0/token/list", "/api/2.0/token/list", true),
            ("/api/2.0/token/list", "/api/2.0/token/list/", false),
            ("/api/2.0/token/*", "/api/2.0/token/list", true),
            ("/api/2.0/token/*", "/api/2.0/token/a/b", true),
            ("/api/2.0/token/*", "/api/2.0/token", false),
            ("/api/2.0/token*", "/api/2.0/token-management/tokens", true),
            ("/api/*/token/list", "/api/2.1/token/list", true),
            ("/api/*/list", "/api/2.1/token/list", false),
            ("/api/2.0/token/{token_id}", "/api/2.0/token/x", true),
            ("/api/2.0/token/{token_id}", "/api/2.0/token/", false),
            ("/*", "/", true),
        ] {
            assert_eq!(path_fits(pattern, path), fits, "{pattern} {path}");
        }
    }

    proptest! {
        #[test]
        fn a_rule_fires_the_given_times_after_the_offset(offset in 0..20_u32, times in prop::option::of(1..20_u32), n in 0..60_i64) {
            let rule = Rule { offset, times, ..CATALOGUE[0].rule().unwrap() };
            let fired: Vec<i64> = (1..=n).filter(|seen| rule.fires(*seen)).collect();
            let last = times.map_or(n, |times| i64::from(offset + times).min(n));
            prop_assert_eq!(&fired, &(i64::from(offset) + 1..=last).collect::<Vec<_>>());
            prop_assert_eq!(rule.fired(n), i64::try_from(fired.len()).unwrap());
            prop_assert_eq!(rule.remaining(n), times.map(|times| i64::from(times) - rule.fired(n)));
        }

        #[test]
        fn every_pattern_matches_its_path(segments in prop::collection::vec("[a-z0-9.]{1,6}", 1..5), star in any::<prop::sample::Index>()) {
            let path = format!("/{}", segments.join("/"));
            let mut pattern = segments.clone();
            pattern[star.index(segments.len())] = "*".to_owned();
            let pattern = format!("/{}", pattern.join("/"));
            prop_assert!(is_pattern(&pattern) && path_fits(&pattern, &path) && path_fits(&path, &path));
        }
    }
}
