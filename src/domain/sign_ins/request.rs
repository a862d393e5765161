//! The request to sign in: what the client sends to the authorization endpoint, and where the response goes.
//! Start with [`AuthorizationRequest::read`].

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::domain::oauth::{Refusal, parameter, scope_of_public_client};

/// The only public client that is emulated: the CLI and, by default, the SDKs use it.
pub const CLI: &str = "databricks-cli";
/// Other public clients of the real service, and whose they are.
const OTHER_CLIENTS: &[(&str, &str)] = &[
    ("databricks-sql-connector", "SQL driver for Node.js"),
    ("databricks-sql-jdbc", "JDBC driver"),
    ("databricks-sql-python", "SQL connector for Python"),
    ("dbt-databricks", "dbt adapter"),
];

/// The scope that requests a refresh token.
pub const OFFLINE_ACCESS: &str = "offline_access";
/// The only accepted `code_challenge_method`: `plain` proves nothing.
pub const S256: &str = "S256";

/// The longest accepted redirect URI or state.
const MAX_PARAMETER_BYTES: usize = 4096;
/// Where the response is sent: a loopback address, so that this is not an open redirect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnAddress {
    /// The client's redirect URI, without a query.
    pub redirect_uri: String,
    /// Returned to the client unchanged.
    pub state: Option<String>,
}

impl ReturnAddress {
    /// The URL that returns `answer` to the client. `issuer` is the server's name (RFC 9207).
    pub fn url(&self, answer: &[(&str, &str)], issuer: &str) -> String {
        let state = self.state.as_deref().map(|state| ("state", state));
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(answer.iter().copied().chain(state).chain([("iss", issuer)]))
            .finish();
        format!("{}?{query}", self.redirect_uri)
    }

    /// Scheme, host and port of the redirect URI.
    pub fn origin(&self) -> &str {
        let host = SCHEME.len();
        let end = self.redirect_uri.get(host..).and_then(|rest| rest.find('/')).map_or(usize::MAX, |at| host + at);
        self.redirect_uri.get(..end).unwrap_or(&self.redirect_uri)
    }
}

const SCHEME: &str = "http://";

/// Whether it is a loopback address with any port and path (RFC 8252 §7.3), without characters that are unsafe in
/// headers.
fn is_loopback(uri: &str) -> bool {
    let Some(rest) = uri.strip_prefix(SCHEME) else { return false };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
    let is_port = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let is_path = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@/".contains(&b));
    matches!(host, "localhost" | "127.0.0.1") && is_port && is_path && uri.len() <= MAX_PARAMETER_BYTES
}

/// An invalid request, and who sees the error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizationError {
    /// The redirect URI is unknown or not trusted, so the browser shows the error.
    ShowToPerson(Refusal),
    RedirectToClient(ReturnAddress, Refusal),
}

/// A client's request to sign in a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    pub client_id: String,
    pub back: ReturnAddress,
    /// The requested scopes, separated by spaces.
    pub scope: String,
    /// The SHA-256 of the client's verifier in base64url.
    pub challenge: String,
}

impl AuthorizationRequest {
    /// Reads the query. Unknown parameters are ignored, as RFC 6749 requires.
    /// See [`AuthorizationError`].
    pub fn read(query: &[(String, String)]) -> Result<Self, AuthorizationError> {
        let (client_id, redirect_uri) = Self::read_client(query).map_err(AuthorizationError::ShowToPerson)?;
        let state = parameter(query, "state").map(|state| state.map(str::to_owned));
        let back = ReturnAddress { redirect_uri, state: state.clone().unwrap_or_default() };
        let rest = state.and_then(|state| Self::read_rest(query, state.as_deref()));
        match rest {
            Ok((scope, challenge)) => Ok(Self { client_id, back, scope, challenge }),
            Err(refusal) => Err(AuthorizationError::RedirectToClient(back, refusal)),
        }
    }

    fn read_client(query: &[(String, String)]) -> Result<(String, String), Refusal> {
        let missing = |name| Refusal::InvalidRequest(format!("{name} is missing"));
        let client_id = parameter(query, "client_id")?.ok_or_else(|| missing("client_id"))?;
        if client_id != CLI {
            return Err(Refusal::UnauthorizedClient(unknown_client(client_id)));
        }
        let redirect_uri = parameter(query, "redirect_uri")?.ok_or_else(|| missing("redirect_uri"))?;
        if !is_loopback(redirect_uri) {
            let text =
                "redirect_uri must be http://localhost:PORT or http://127.0.0.1:PORT, with any path and no query";
            return Err(Refusal::InvalidRequest(text.into()));
        }
        Ok((client_id.to_owned(), redirect_uri.to_owned()))
    }

    fn read_rest(query: &[(String, String)], state: Option<&str>) -> Result<(String, String), Refusal> {
        let invalid = |text: &str| Refusal::InvalidRequest(text.into());
        let is_plain =
            |text: &str| text.len() <= MAX_PARAMETER_BYTES && text.bytes().all(|b| (0x20..0x7f).contains(&b));
        if !state.is_none_or(is_plain) {
            return Err(invalid("state may hold at most 4096 printable ASCII characters"));
        }
        match parameter(query, "response_type")? {
            None => return Err(invalid("response_type is missing")),
            Some("code") => {}
            Some(_) => return Err(Refusal::UnsupportedResponseType("Only response_type=code is emulated".into())),
        }
        if !matches!(parameter(query, "response_mode")?, None | Some("query")) {
            return Err(invalid("Only response_mode=query is emulated"));
        }
        let challenge = parameter(query, "code_challenge")?;
        let challenge = challenge.ok_or_else(|| invalid("code_challenge is missing; PKCE is required (RFC 7636)"))?;
        if parameter(query, "code_challenge_method")? != Some(S256) {
            return Err(invalid("code_challenge_method must be S256"));
        }
        if URL_SAFE_NO_PAD.decode(challenge).map(|bytes| bytes.len()) != Ok(32) {
            return Err(invalid("code_challenge is not the base64url form of a SHA-256"));
        }
        let scope = scope_of_public_client(parameter(query, "scope")?.unwrap_or_default(), CLI)?;
        if words(&scope).any(|name| name == "openid") {
            return Err(Refusal::InvalidScope("The scope openid (id tokens) is not emulated".into()));
        }
        Ok((scope, challenge.to_owned()))
    }

    /// The query of the same request.
    pub fn query(&self) -> Vec<(&'static str, &str)> {
        let state = self.back.state.as_deref().map(|state| ("state", state));
        let rest = [
            ("response_type", "code"),
            ("client_id", self.client_id.as_str()),
            ("redirect_uri", self.back.redirect_uri.as_str()),
            ("scope", self.scope.as_str()),
            ("code_challenge", self.challenge.as_str()),
            ("code_challenge_method", S256),
        ];
        rest.into_iter().chain(state).collect()
    }
}

fn unknown_client(id: &str) -> String {
    match OTHER_CLIENTS.iter().find(|(name, _)| *name == id) {
        Some((name, what)) => format!("The client {name} ({what}) is not emulated; {CLI} is"),
        None => format!("There is no public client of this id; {CLI} is one"),
    }
}

pub(super) fn words(scope: &str) -> impl Iterator<Item = &str> {
    scope.split(' ')
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 7636, appendix B.
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    pub(in crate::domain::sign_ins) const BACK: &str = "http://localhost:8020";

    fn query(changes: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = [
            ("response_type", "code"),
            ("client_id", CLI),
            ("redirect_uri", BACK),
            ("scope", "offline_access all-apis"),
            ("state", "s"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let kept = pairs.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        kept.chain(changes).map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    pub(in crate::domain::sign_ins) fn request() -> AuthorizationRequest {
        AuthorizationRequest::read(&query(&[])).unwrap()
    }

    #[test]
    fn only_plain_loopback_addresses_are_accepted() {
        for good in
            ["http://localhost:8020", "http://127.0.0.1:1/", "http://localhost/callback", "http://localhost:80/a/b"]
        {
            assert!(is_loopback(good), "{good}");
        }
        for bad in [
            "",
            "localhost:8020",
            "https://localhost:8020",
            "HTTP://localhost:8020",
            "http://localhost.evil.com",
            "http://localhost@evil.com",
            "http://localhost:8020@evil.com/",
            "http://evil.com/localhost",
            "http://localhost:",
            "http://localhost:x",
            "http://localhost:+1",
            "http://localhost:65536",
            "http://localhost\\@evil.com",
            "http://127.1:80",
            "http://[::1]:80",
            "http://localhost:80/?code=x",
            "http://localhost:80/#f",
            "http://localhost:80/a b",
            "http://localhost:80/\r\nX: y",
            "http://localhost:80/é",
            "http:///localhost",
        ] {
            assert!(!is_loopback(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_accepted_address_is_a_loopback_origin(uri in "http://[a-z0-9.:@/\\\\?#\\[\\]%-]{0,40}|http://(localhost|127\\.0\\.0\\.1)[:@./a-z0-9-]{0,12}") {
            if is_loopback(&uri) {
                let back = ReturnAddress { redirect_uri: uri.clone(), state: None };
                let host = back.origin().strip_prefix("http://").unwrap().split(':').next().unwrap();
                prop_assert!(["localhost", "127.0.0.1"].contains(&host), "{}", uri);
                prop_assert!(uri.starts_with(back.origin()));
            }
        }
    }

    #[test]
    fn an_invalid_request_is_reported_to_its_client_if_possible() {
        use AuthorizationError::{RedirectToClient, ShowToPerson};
        let read = |changes: &[(&str, &str)]| AuthorizationRequest::read(&query(changes));
        for changes in [
            ("client_id", ""),
            ("client_id", "dbt-databricks"),
            ("redirect_uri", ""),
            ("redirect_uri", "http://evil.com"),
        ] {
            assert!(matches!(read(&[changes]), Err(ShowToPerson(_))), "{changes:?}");
        }
        assert!(
            matches!(read(&[("client_id", "dbt-databricks")]), Err(ShowToPerson(Refusal::UnauthorizedClient(s))) if s.contains("dbt adapter"))
        );
        for changes in [
            ("response_type", ""),
            ("response_type", "token"),
            ("response_mode", "form_post"),
            ("code_challenge", ""),
            ("code_challenge", "short"),
            ("code_challenge", &CHALLENGE.replace('-', "+")),
            ("code_challenge_method", ""),
            ("code_challenge_method", "plain"),
            ("scope", "\""),
            ("scope", "openid all-apis"),
            ("state", "\0"),
        ] {
            let Err(RedirectToClient(back, _)) = read(&[changes]) else { panic!("{changes:?}") };
            assert_eq!(back.redirect_uri, BACK);
        }
        assert_eq!(read(&[("state", "")]).unwrap().back.state, None);
        assert_eq!(
            AuthorizationRequest::read(
                &request().query().into_iter().map(|(n, v)| (n.into(), v.into())).collect::<Vec<_>>()
            ),
            Ok(request())
        );
    }

    #[test]
    fn the_return_url_is_encoded() {
        let back = ReturnAddress { redirect_uri: BACK.into(), state: Some("a&b=c d\r\n".into()) };
        let url = back.url(&[("code", "x")], "http://h/oidc");
        assert_eq!(url, "http://localhost:8020?code=x&state=a%26b%3Dc+d%0D%0A&iss=http%3A%2F%2Fh%2Foidc");
    }
}
