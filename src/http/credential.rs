//! Reads from a request what it shows as credential and which workspace it names.

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

/// The header by which clients name a workspace.
pub const WORKSPACE_ID: HeaderName = HeaderName::from_static("x-databricks-workspace-id");
/// Its older name, by which every answer names its workspace, too.
pub const ORG_ID: HeaderName = HeaderName::from_static("x-databricks-org-id");

/// Headers that are refused when they come more than once. What the real front end does then is not known
/// \[inferred\]; `Host` is the HTTP layer's.
const SENT_ONCE: [(HeaderName, &str); 2] = [(AUTHORIZATION, "Authorization"), (CONTENT_TYPE, "Content-Type")];

/// A header that came more than once and may not.
pub fn repeated(headers: &HeaderMap) -> Option<&'static str> {
    SENT_ONCE.iter().find(|(name, _)| headers.get_all(name).iter().nth(1).is_some()).map(|(_, shown)| *shown)
}

/// The credential in `Authorization`: `Bearer TOKEN`, or `Basic` with the user name `token` and the
/// token as password, which is what `curl -n` sends (governance D2). Other user names were retired
/// by the real service in 2024 and count as unsupported.
pub fn presented(headers: &HeaderMap) -> PresentedCredential {
    let Some(header) = headers.get(AUTHORIZATION) else { return PresentedCredential::Nothing };
    let secret = match basic(header) {
        Some((user, password)) => (user == "token").then_some(password),
        None => scheme_and_rest(header, "bearer").map(str::to_owned),
    };
    match secret.filter(|secret| !secret.is_empty()) {
        None => PresentedCredential::Nothing,
        Some(secret) => token(&secret).unwrap_or(PresentedCredential::Malformed),
    }
}

fn token(secret: &str) -> Option<PresentedCredential> {
    let personal = TokenValue::parse(secret).map(|value| PresentedCredential::Token(value.id()));
    personal.or_else(|| AccessToken::parse(secret).map(PresentedCredential::AccessToken))
}

/// User name and password of `Basic`; `None` for other schemes and what is not such a pair.
pub fn basic(header: &HeaderValue) -> Option<(String, String)> {
    let pair = STANDARD.decode(scheme_and_rest(header, "basic")?).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    pair.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

fn scheme_and_rest<'a>(header: &'a HeaderValue, wanted: &str) -> Option<&'a str> {
    let (scheme, rest) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case(wanted).then(|| rest.trim())
}

/// The workspace named by `X-Databricks-Workspace-Id`, the older `X-Databricks-Org-Id`, or `?o=`.
/// Several that agree are one; several that do not, or text that is no id, are unusable.
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

/// The secret in `Authorization`, whatever the scheme says of it: the bearer, or the password of `Basic`.
pub fn secret(headers: &HeaderMap) -> Option<String> {
    let header = headers.get(AUTHORIZATION)?;
    let password = basic(header).map(|(_, password)| password);
    password.or_else(|| scheme_and_rest(header, "bearer").map(str::to_owned))
}

/// What kind of credential it is, for the journal.
pub fn kind(headers: &HeaderMap, presented: &PresentedCredential) -> CredentialKind {
    let by_basic = headers.get(AUTHORIZATION).is_some_and(|header| basic(header).is_some());
    match presented {
        PresentedCredential::Nothing => CredentialKind::None,
        PresentedCredential::Malformed => CredentialKind::Malformed,
        PresentedCredential::Token(_) if by_basic => CredentialKind::PatBasic,
        PresentedCredential::Token(_) => CredentialKind::PatBearer,
        PresentedCredential::AccessToken(_) => CredentialKind::Oauth,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "dapi0123456789abcdef0123456789abcdef";

    fn shown(authorization: &str) -> PresentedCredential {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        presented(&headers)
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
        assert_eq!(presented(&HeaderMap::new()), PresentedCredential::Nothing);
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
