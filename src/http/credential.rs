//! What a request shows as its credential, and which workspace it names. Parsed once a request, by
//! [`Credentials::of`]; whether the credential works is for the ordered checks.

use std::fmt;

use axum::extract::Query;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::domain::WorkspaceId;
use crate::domain::authorize::{NamedWorkspace, PresentedCredential};
use crate::domain::journal::CredentialKind;
use crate::domain::jwt::AccessToken;
use crate::domain::tokens::TokenValue;
use crate::web::connection::WORKSPACE_ID;

/// The older name of [`WORKSPACE_ID`], by which every answer names its workspace, too.
pub const ORG_ID: HeaderName = HeaderName::from_static("x-databricks-org-id");

/// Headers that are refused when they are sent more than once. What the real front end does then is not known
/// \[inferred\]; the listener refuses a second `Host`.
const SENT_ONCE: [(HeaderName, &str); 2] = [(AUTHORIZATION, "Authorization"), (CONTENT_TYPE, "Content-Type")];

/// A header that was sent more than once and may not be.
pub fn repeated(headers: &HeaderMap) -> Option<&'static str> {
    SENT_ONCE.iter().find(|(name, _)| headers.get_all(name).iter().nth(1).is_some()).map(|(_, shown)| *shown)
}

/// What a request says about who sent it.
#[derive(Clone)]
pub struct Credentials {
    /// `Bearer TOKEN`, or `Basic` with the user name `token` and the token as password, which is what `curl -n`
    /// sends. The real service retired other user names in 2024; they count as unsupported.
    pub presented: PresentedCredential,
    /// The kind of [`presented`](Self::presented), for the journal.
    pub kind: CredentialKind,
    /// User name and password, whoever they are for: OAuth's clients send them, too.
    pub basic: Option<(String, String)>,
    bearer: Option<String>,
    /// The workspace that the request names.
    pub workspace: NamedWorkspace,
    /// A header that was sent more than once and may not be.
    pub repeated: Option<&'static str>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Those of a request.
    pub fn of(headers: &HeaderMap, uri: &Uri) -> Self {
        let header = headers.get(AUTHORIZATION);
        let basic = header.and_then(basic);
        let bearer = header.and_then(|header| scheme_and_rest(header, "bearer")).map(str::to_owned);
        let secret = match &basic {
            Some((user, password)) => (user == "token").then_some(password),
            None => bearer.as_ref(),
        };
        let presented = match secret.filter(|secret| !secret.is_empty()) {
            None => PresentedCredential::Nothing,
            Some(secret) => match TokenValue::parse(secret) {
                Some(value) => PresentedCredential::Token(value.id()),
                None => {
                    AccessToken::parse(secret).map_or(PresentedCredential::Malformed, PresentedCredential::AccessToken)
                }
            },
        };
        let kind = match presented {
            PresentedCredential::Nothing => CredentialKind::None,
            PresentedCredential::Malformed => CredentialKind::Malformed,
            PresentedCredential::Token(_) if basic.is_some() => CredentialKind::PatBasic,
            PresentedCredential::Token(_) => CredentialKind::PatBearer,
            PresentedCredential::AccessToken(_) => CredentialKind::Oauth,
        };
        Self { presented, kind, basic, bearer, workspace: named_workspace(headers, uri), repeated: repeated(headers) }
    }

    /// The secret in `Authorization`, whatever it is for: the bearer, or the password of `Basic`.
    pub fn secret(&self) -> Option<&str> {
        self.basic.as_ref().map(|(_, password)| password).or(self.bearer.as_ref()).map(String::as_str)
    }
}

/// User name and password of `Basic`; `None` for other schemes, and for text that is not such a pair.
fn basic(header: &HeaderValue) -> Option<(String, String)> {
    let pair = STANDARD.decode(scheme_and_rest(header, "basic")?).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    pair.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

fn scheme_and_rest<'a>(header: &'a HeaderValue, expected: &str) -> Option<&'a str> {
    let (scheme, rest) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case(expected).then(|| rest.trim())
}

/// The workspace named by `X-Databricks-Workspace-Id`, the older `X-Databricks-Org-Id`, or `?o=`.
/// Several that agree count as one; several that differ, or text that is not an id, are unusable.
pub fn named_workspace(headers: &HeaderMap, uri: &Uri) -> NamedWorkspace {
    let mut texts: Vec<String> = Vec::new();
    for name in [WORKSPACE_ID, ORG_ID] {
        texts.extend(headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()));
    }
    if uri.query().is_some_and(|query| query.contains("o=") || query.contains('%')) {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default();
        texts.extend(pairs.into_iter().filter(|(key, _)| key == "o").map(|(_, value)| value));
    }
    let mut named = NamedWorkspace::Unnamed;
    for text in texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
        match WorkspaceId::parse(text) {
            Some(id) if matches!(named, NamedWorkspace::Unnamed) || named == NamedWorkspace::Id(id) => {
                named = NamedWorkspace::Id(id);
            }
            _ => return NamedWorkspace::Unusable(text.to_owned()),
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "dapi0123456789abcdef0123456789abcdef";

    fn shown(authorization: &str) -> PresentedCredential {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        Credentials::of(&headers, &Uri::default()).presented
    }

    #[test]
    fn bearer_and_basic_carry_the_same_token() {
        let expected = PresentedCredential::Token(TokenValue::parse(VALUE).unwrap().id());
        let basic = |pair: String| format!("Basic {}", STANDARD.encode(pair));
        assert_eq!(shown(&format!("Bearer {VALUE}")), expected);
        assert_eq!(shown(&format!("bearer  {VALUE} ")), expected);
        assert_eq!(shown(&basic(format!("token:{VALUE}"))), expected);
        for nothing in [
            "Bearer",
            "Bearer ",
            "Basic !!!",
            &basic(format!("me@example.com:{VALUE}")),
            &basic("token:".into()),
            "Negotiate abc",
        ] {
            assert_eq!(shown(nothing), PresentedCredential::Nothing, "{nothing}");
        }
        assert_eq!(shown("Bearer nonsense"), PresentedCredential::Malformed);
        assert_eq!(Credentials::of(&HeaderMap::new(), &Uri::default()).presented, PresentedCredential::Nothing);
    }

    #[test]
    fn a_workspace_is_named_once_or_in_agreement() {
        let named = |headers: &[(&'static str, &str)], uri: &str| {
            let headers = headers.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect();
            named_workspace(&headers, &uri.parse().unwrap())
        };
        let new = "x-databricks-workspace-id";
        assert_eq!(named(&[], "/x"), NamedWorkspace::Unnamed);
        assert_eq!(named(&[(new, "12")], "/x?"), NamedWorkspace::Id(WorkspaceId(12)));
        assert_eq!(named(&[("x-databricks-org-id", "12")], "/x?o=12"), NamedWorkspace::Id(WorkspaceId(12)));
        assert_eq!(named(&[(new, "12")], "/x?o=13"), NamedWorkspace::Unusable("13".into()));
        assert_eq!(named(&[], "/x?%6f=12"), NamedWorkspace::Id(WorkspaceId(12)));
        assert_eq!(named(&[(new, "12")], "/x?a=b&%6F=%31%33"), NamedWorkspace::Unusable("13".into()));
        assert_eq!(named(&[], "/x?o%3D=12"), NamedWorkspace::Unnamed);
        assert_eq!(named(&[(new, "twelve")], "/x"), NamedWorkspace::Unusable("twelve".into()));
        assert_eq!(named(&[(new, "")], "/x?foo=13"), NamedWorkspace::Unnamed);
    }
}
