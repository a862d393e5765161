//! Faults: the rules by which requests meet failures on purpose, and a catalogue of failures that clients of
//! the real service know (research/peers.md §5c.7).

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::TokenId;
use crate::domain::identities::Principal;

/// Longest delay, in milliseconds: the patience of the Python and Go SDKs.
pub const MAX_DELAY_MS: u32 = 300_000;
/// Most faults of a workspace.
pub const MAX_FAULTS: usize = 100;
/// Most requests that may be let through or failed by number; a fault without end says `null`.
const MAX_COUNT: u32 = 1_000_000;
/// Longest text of a rule, in bytes.
const MAX_TEXT: usize = 1024;

/// Which requests a rule is about. What is absent fits any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// The method, in capitals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path, as [`path_fits`] reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The caller's `userName` or application id, in any letter case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The id of the presented personal access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// A part of the `User-Agent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// A request, as rules see it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, without the query.
    pub path: &'a str,
    /// Who calls, where that is known.
    pub principal: Option<&'a str>,
    /// The presented personal access token.
    pub token: Option<&'a TokenId>,
    /// The `User-Agent`.
    pub client: &'a str,
}

impl Match {
    fn takes(&self, request: &Request<'_>) -> bool {
        let same = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_ref().is_none_or(|wanted| found.is_some_and(|found| wanted.eq_ignore_ascii_case(found)))
        };
        same(&self.method, Some(request.method))
            && self.path.as_ref().is_none_or(|pattern| path_fits(pattern, request.path))
            && self
                .principal
                .as_ref()
                .is_none_or(|wanted| request.principal.is_some_and(|found| Principal::is_same_name(wanted, found)))
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

/// Whether a path is one of a pattern's: a segment `*` or in braces stands for any one, a `*` at the end for
/// any rest.
pub fn path_fits(pattern: &str, path: &str) -> bool {
    let mut wanted = pattern.split('/').peekable();
    let mut parts = path.split('/');
    loop {
        match (wanted.next(), parts.next()) {
            (None, None) => return true,
            (Some(last), Some(part)) if last.ends_with('*') && wanted.peek().is_none() => {
                return part.starts_with(last.trim_end_matches('*'));
            }
            (Some(any), Some(part)) if (any == "*" || any.starts_with('{')) && !part.is_empty() => {}
            (Some(wanted), Some(part)) if wanted == part => {}
            _ => return false,
        }
    }
}

/// Before or after the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Instead of it: nothing happens but that a use of the token is recorded, as the checks have passed.
    Before,
    /// What it did stays, and its answer is lost.
    After,
}

/// What happens, where it is neither an error nor a delay alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The connection ends without an answer.
    DropConnection,
    /// The body is announced in full and ends in its middle, with the connection.
    TruncateBody,
    /// The body pauses in its middle for `delay_ms`.
    SlowBody,
    /// 200 with the log-in page.
    LoginPage,
    /// The presented personal access token is revoked; the request goes on.
    RevokeToken,
    /// A change of the workspace configuration takes effect `delay_ms` later.
    DelayPropagation,
}

impl Kind {
    /// When it can happen; the first is the default.
    const fn times(self) -> &'static [When] {
        match self {
            Self::DropConnection | Self::LoginPage | Self::RevokeToken => &[When::Before, When::After],
            Self::TruncateBody | Self::SlowBody => &[When::After],
            Self::DelayPropagation => &[When::Before],
        }
    }
}

/// What happens: an error (with `status`), a [`Kind`], or a delay alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Effect {
    /// What, where it is no error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// The status of an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Its `error_code`; the status as a number when absent, as the edge of the real service sends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// Its message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Its `Retry-After`, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// Milliseconds that it takes.
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
            return Err("effect: say what happens: an error's status, a kind, or delay_ms.".into());
        }
        if self.status.is_some() && self.kind.is_some() {
            return Err("effect: a fault is either an error (status) or of a kind.".into());
        }
        if self.status.is_some_and(|status| !(400..600).contains(&status)) {
            return Err("effect.status: use an error's, from 400 to 599.".into());
        }
        if self.status.is_none() && (self.error_code.is_some() || self.message.is_some() || self.retry_after.is_some())
        {
            return Err("effect: error_code, message and retry_after belong to a status.".into());
        }
        if self.delay_ms.is_some_and(|ms| ms > MAX_DELAY_MS) {
            return Err(format!("effect.delay_ms: use at most {MAX_DELAY_MS}, five minutes."));
        }
        if takes_time && self.delay_ms.is_none() {
            return Err("effect.delay_ms: say how long it takes.".into());
        }
        Ok(())
    }
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The name in the catalogue, if it is from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which requests it is about.
    #[serde(rename = "match")]
    pub requests: Match,
    /// How many of them it lets through first.
    pub offset: u32,
    /// How many it fails then; `None` never ends.
    pub times: Option<u32>,
    /// Before or after the handler.
    pub when: When,
    /// What happens.
    pub effect: Effect,
}

/// A rule as it is asked for. What is absent is as in the catalogue where it is named, else the default:
/// once, at once, for every request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Fault")]
pub struct FaultRequest {
    /// See [`Rule::name`].
    pub name: Option<String>,
    /// See [`Rule::requests`].
    #[serde(rename = "match")]
    pub requests: Match,
    /// See [`Rule::offset`].
    pub offset: Option<u32>,
    /// See [`Rule::times`]. Clients retry for minutes, some for ever, so that a fault without end has to be
    /// asked for: `null` or 0.
    #[serde(deserialize_with = "given")]
    pub times: Option<Option<u32>>,
    /// See [`Rule::when`].
    pub when: Option<When>,
    /// See [`Rule::effect`].
    pub effect: Effect,
}

/// Tells `null` from what is absent.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

impl FaultRequest {
    /// The rule that is asked for.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn checked(self) -> Result<Rule, String> {
        let base = match &self.name {
            Some(name) => CatalogueFault::find(name)?.wanted()?,
            None => Self::default(),
        };
        let effect = self.effect.or(base.effect);
        effect.check()?;
        let possible = effect.kind.map_or(&[When::Before, When::After][..], Kind::times);
        let when = self.when.or(base.when).or_else(|| possible.first().copied()).unwrap_or(When::Before);
        if !possible.contains(&when) {
            return Err("when: this kind of fault has the other one only.".into());
        }
        let rule = Rule {
            name: self.name,
            requests: self.requests.or(base.requests),
            offset: self.offset.or(base.offset).unwrap_or(0),
            times: self.times.or(base.times).unwrap_or(Some(1)).filter(|times| *times > 0),
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
                return Err(format!("{name}: use 1 to {MAX_TEXT} bytes."));
            }
        }
        if method.as_ref().is_some_and(|method| !method.bytes().all(|byte| byte.is_ascii_alphabetic())) {
            return Err("match.method: use GET, POST and so on.".into());
        }
        if path.as_ref().is_some_and(|path| !is_pattern(path)) {
            return Err(
                "match.path: use a path without its query; * is a whole segment, or any rest at the end.".into()
            );
        }
        if self.offset > MAX_COUNT || self.times.is_some_and(|times| times > MAX_COUNT) {
            return Err(format!("offset, times: use at most {MAX_COUNT}."));
        }
        Ok(())
    }

    /// Whether it is about a request.
    pub fn takes(&self, request: &Request<'_>) -> bool {
        let is_possible = self.effect.kind != Some(Kind::RevokeToken) || request.token.is_some();
        is_possible && self.requests.takes(request)
    }

    /// Whether it fires at the request with which it has `seen` so many.
    pub fn fires(&self, seen: i64) -> bool {
        self.fired(seen) > self.fired(seen - 1)
    }

    /// How often it has fired once it has `seen` so many requests.
    pub fn fired(&self, seen: i64) -> i64 {
        let beyond = (seen - i64::from(self.offset)).max(0);
        self.times.map_or(beyond, |times| beyond.min(times.into()))
    }

    /// How often it will fire still; `None` for ever.
    pub fn remaining(&self, seen: i64) -> Option<i64> {
        self.times.map(|times| i64::from(times) - self.fired(seen))
    }

    /// Whether it decides about the answer, so that no later rule is asked. A delay, a revoked token and a
    /// slow setting leave the answer to those.
    pub fn answers(&self) -> bool {
        match self.effect.kind {
            Some(Kind::RevokeToken | Kind::DelayPropagation) => false,
            Some(Kind::DropConnection | Kind::TruncateBody | Kind::SlowBody | Kind::LoginPage) => true,
            None => self.effect.status.is_some(),
        }
    }

    /// The milliseconds by which it delays the handler, or its answer.
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

/// A rule in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Its number in its workspace; rules are asked in the order of these.
    pub id: i64,
    /// The rule.
    pub rule: Rule,
    /// The requests that came to it.
    pub seen: i64,
}

/// A fault of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct CatalogueFault {
    /// Its name.
    pub name: &'static str,
    /// What it stands for.
    pub stands_for: &'static str,
    /// Where that was seen, or that it is ours.
    pub source: &'static str,
    /// The rule, as it would be asked for without the name.
    wanted: &'static str,
}

impl CatalogueFault {
    /// A fault by name.
    ///
    /// # Errors
    /// The names that there are.
    pub fn find(name: &str) -> Result<&'static Self, String> {
        if let Some((_, why)) = NOT_EMULATED.iter().find(|(known, _)| *known == name) {
            return Err(format!("name: '{name}' is not emulated: {why}"));
        }
        CATALOGUE.iter().find(|named| named.name == name).ok_or_else(|| {
            let names: Vec<&str> = CATALOGUE.iter().map(|named| named.name).collect();
            format!("name: there is no fault '{name}'; there are: {}.", names.join(", "))
        })
    }

    fn wanted(&self) -> Result<FaultRequest, String> {
        serde_json::from_str(self.wanted).map_err(|error| format!("{}: {error}", self.name))
    }

    /// The rule, if nothing but the name is said.
    ///
    /// # Errors
    /// A sentence, if the catalogue were wrong.
    pub fn rule(&self) -> Result<Rule, String> {
        FaultRequest { name: Some(self.name.to_owned()), ..FaultRequest::default() }.checked()
    }
}

/// What is known to happen, and is not here.
const NOT_EMULATED: [(&str, &str); 1] =
    [("cold_workspace", "its text on the wire was never captured; arm an error of your own.")];

/// Failures that clients of the real service have met.
pub static CATALOGUE: &[CatalogueFault] = &[
    CatalogueFault {
        name: "rate_limited",
        stands_for: "Too many requests at once; come back in a second.",
        source: "text: databrickslabs/ucx#401; Retry-After as the clients read it",
        wanted: r#"{"effect": {"status": 429, "error_code": "REQUEST_LIMIT_EXCEEDED", "retry_after": 1,
            "message": "Workspace exceeded the concurrent limit of 20 requests."}}"#,
    },
    CatalogueFault {
        name: "rpc_bucket",
        stands_for: "The limit inside the service, which comes without Retry-After.",
        source: "databrickslabs/pytester#77, ssc-sp/datahub-portal#362; the status is inferred",
        wanted: r#"{"effect": {"status": 429, "error_code": "REQUEST_LIMIT_EXCEEDED",
            "message": "GetUserPermissionsRequest RPC token bucket limit has been exceeded."}}"#,
    },
    CatalogueFault {
        name: "scim_overloaded",
        stands_for: "SCIM's own lower limit, told as 500: clients retry it by its text or not at all.",
        source: "databricks/databricks-sdk-go#721",
        wanted: r#"{"match": {"path": "/api/2.0/preview/scim/v2/*"}, "effect": {"status": 500,
            "error_code": "REQUEST_LIMIT_EXCEEDED", "message": "Workspace exceeded the concurrent limit of 4 requests."}}"#,
    },
    CatalogueFault {
        name: "temporarily_unavailable",
        stands_for: "The service cannot authenticate for a moment.",
        source: "Microsoft's Databricks task for Azure DevOps, issue 31 (research/api-identity-auth.md §4.2)",
        wanted: r#"{"effect": {"status": 503, "error_code": "TEMPORARILY_UNAVAILABLE",
            "message": "Authentication is temporarily unavailable. Please try again later."}}"#,
    },
    CatalogueFault {
        name: "quota_exceeded",
        stands_for: "The caller has 600 tokens, without making them.",
        source: "code: the API reference; the text is ours",
        wanted: r#"{"match": {"method": "POST", "path": "/api/2.0/token/create"}, "effect": {"status": 400,
            "error_code": "QUOTA_EXCEEDED",
            "message": "The maximum of 600 tokens per user in this workspace is reached; revoke one first."}}"#,
    },
    CatalogueFault {
        name: "token_revoked_mid_flight",
        stands_for: "Somebody revokes the token after its check: the request ends as it began, the next one is refused.",
        source: "ours; the token is really revoked, by System-User",
        wanted: r#"{"effect": {"kind": "revoke_token"}}"#,
    },
    CatalogueFault {
        name: "toggle_takes_seconds",
        stands_for: "A changed workspace configuration takes a few seconds; reads show it at once.",
        source: "the article on monitoring and managing personal access tokens (requirement R35)",
        wanted: r#"{"match": {"method": "PATCH", "path": "/api/2.0/workspace-conf"},
            "effect": {"kind": "delay_propagation", "delay_ms": 3000}}"#,
    },
    CatalogueFault {
        name: "acl_propagation",
        stands_for: "A permission on tokens that was given is not in force yet; `times` says for how many calls.",
        source: "the text: terraform-databricks-examples#196; that it lasts a few calls is inferred",
        wanted: r#"{"match": {"path": "/api/2.0/token/*"}, "effect": {"status": 403,
            "error_code": "PERMISSION_DENIED", "message": "User does not have permission to use tokens."}}"#,
    },
    CatalogueFault {
        name: "login_html_page",
        stands_for: "200 with the log-in page where JSON belongs, as a host answers that cannot tell whose request it is.",
        source: "databrickslabs/dbx#85, databricks/cli#5354",
        wanted: r#"{"effect": {"kind": "login_page"}}"#,
    },
    CatalogueFault {
        name: "oidc_down",
        stands_for: "No access token is to be had.",
        source: "ours; the code is RFC 6749's",
        wanted: r#"{"match": {"path": "/oidc/*"}, "effect": {"status": 503, "error_code": "TEMPORARILY_UNAVAILABLE",
            "message": "Authentication is temporarily unavailable. Please try again later."}}"#,
    },
    CatalogueFault {
        name: "reply_lost_after_create",
        stands_for: "The token is there, and nobody learns its value; whoever retries makes a second one.",
        source: "databricks/cli libs/testserver/fault.go",
        wanted: r#"{"match": {"method": "POST", "path": "/api/2.0/token/create"}, "when": "after",
            "effect": {"kind": "drop_connection"}}"#,
    },
    CatalogueFault {
        name: "truncated_body",
        stands_for: "The connection breaks in the middle of the answer.",
        source: "ours",
        wanted: r#"{"effect": {"kind": "truncate_body"}}"#,
    },
    CatalogueFault {
        name: "slow_body",
        stands_for: "The answer begins at once and stalls for five seconds in its middle.",
        source: "ours",
        wanted: r#"{"effect": {"kind": "slow_body", "delay_ms": 5000}}"#,
    },
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wanted(json: &str) -> Result<Rule, String> {
        serde_json::from_str::<FaultRequest>(json).map_err(|error| error.to_string())?.checked()
    }

    #[test]
    fn the_catalogue_is_in_order() {
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
    fn what_is_said_wins_over_the_catalogue() {
        let rule = wanted(
            r#"{"name": "rate_limited", "match": {"client": "terraform"}, "times": 2, "effect": {"retry_after": 5}}"#,
        );
        let rule = rule.unwrap();
        assert_eq!((rule.effect.status, rule.effect.retry_after, rule.times), (Some(429), Some(5), Some(2)));
        assert_eq!(rule.requests.client.as_deref(), Some("terraform"));
        for (times, expected) in
            [("", Some(1)), (",\"times\":null", None), (",\"times\":0", None), (",\"times\":7", Some(7))]
        {
            assert_eq!(wanted(&format!("{{\"effect\":{{\"status\":500}}{times}}}")).unwrap().times, expected);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (json, says) in [
            ("{}", "say what happens"),
            (r#"{"name": "rate_limitd"}"#, "rate_limited, rpc_bucket"),
            (r#"{"name": "cold_workspace"}"#, "not emulated"),
            (r#"{"effect": {"status": 200}}"#, "from 400 to 599"),
            (r#"{"effect": {"status": 65535}}"#, "from 400 to 599"),
            (r#"{"effect": {"status": 500, "kind": "drop_connection"}}"#, "either"),
            (r#"{"effect": {"kind": "drop_connection", "message": "x"}}"#, "belong to a status"),
            (r#"{"effect": {"delay_ms": 300001}}"#, "five minutes"),
            (r#"{"effect": {"kind": "slow_body"}}"#, "how long"),
            (r#"{"when": "before", "effect": {"kind": "truncate_body"}}"#, "the other one only"),
            (r#"{"when": "after", "name": "toggle_takes_seconds"}"#, "the other one only"),
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
            let error = wanted(json).unwrap_err();
            assert!(error.contains(says), "{json}: {error}");
        }
    }

    #[test]
    fn paths_fit_whole_by_segment_and_by_their_start() {
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
        fn it_fires_so_many_times_after_so_many(offset in 0..20_u32, times in prop::option::of(1..20_u32), n in 0..60_i64) {
            let rule = Rule { offset, times, ..CATALOGUE[0].rule().unwrap() };
            let fired: Vec<i64> = (1..=n).filter(|seen| rule.fires(*seen)).collect();
            let last = times.map_or(n, |times| i64::from(offset + times).min(n));
            prop_assert_eq!(&fired, &(i64::from(offset) + 1..=last).collect::<Vec<_>>());
            prop_assert_eq!(rule.fired(n), i64::try_from(fired.len()).unwrap());
            prop_assert_eq!(rule.remaining(n), times.map(|times| i64::from(times) - rule.fired(n)));
        }

        #[test]
        fn every_pattern_fits_itself(segments in prop::collection::vec("[a-z0-9.]{1,6}", 1..5), star in any::<prop::sample::Index>()) {
            let path = format!("/{}", segments.join("/"));
            let mut pattern = segments.clone();
            pattern[star.index(segments.len())] = "*".to_owned();
            let pattern = format!("/{}", pattern.join("/"));
            prop_assert!(is_pattern(&pattern) && path_fits(&pattern, &path) && path_fits(&path, &path));
        }
    }
}
