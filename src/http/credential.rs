//! Reads from a request what it shows as credential and which workspace it names.

use axum::extract::Query;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Uri};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::domain::WorkspaceId;
use crate::domain::authorize::{NamedWorkspace, Presented};
use crate::domain::token::TokenValue;

/// The credential in `Authorization`: `Bearer TOKEN`, or `Basic` with the user name `token` and the
/// token as password, which is what `curl -n` sends (governance D2). Other user names were retired
/// by the real service in 2024 and count as unsupported.
pub fn presented(headers: &HeaderMap) -> Presented {
    let Some((scheme, rest)) = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.split_once(' '))
    else {
        return Presented::Nothing;
    };
    let secret = if scheme.eq_ignore_ascii_case("bearer") {
        Some(rest.trim().to_owned())
    } else if scheme.eq_ignore_ascii_case("basic") {
        let pair = STANDARD.decode(rest.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        pair.and_then(|pair| pair.strip_prefix("token:").map(str::to_owned))
    } else {
        None
    };
    match secret {
        None => Presented::Nothing,
        Some(secret) if secret.is_empty() => Presented::Nothing,
        Some(secret) => TokenValue::parse(&secret).map_or(Presented::Malformed, |value| Presented::Token(value.id())),
    }
}

/// The workspace named by `X-Databricks-Workspace-Id`, the older `X-Databricks-Org-Id`, or `?o=`.
/// Several that agree are one; several that do not, or text that is no id, are unusable.
pub fn named_workspace(headers: &HeaderMap, uri: &Uri) -> NamedWorkspace {
    let mut texts: Vec<String> = Vec::new();
    for name in ["x-databricks-workspace-id", "x-databricks-org-id"] {
        texts.extend(headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()));
    }
    if uri.query().is_some_and(|query| query.contains("o=")) {
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

/// `text` with everything that looks like a token value blanked, for logs: somebody may put a
/// secret where an id belongs.
pub fn redacted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("dapi") {
        let (before, found) = rest.split_at(at);
        let digits = found.bytes().skip(4).take_while(u8::is_ascii_hexdigit).count();
        let (secret, after) = found.split_at(4 + digits);
        out.push_str(before);
        out.push_str(if digits >= 16 { "dapi[redacted]" } else { secret });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "dapi0123456789abcdef0123456789abcdef";

    fn shown(authorization: &str) -> Presented {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        presented(&headers)
    }

    #[test]
    fn bearer_and_basic_carry_the_same_token() {
        let expected = Presented::Token(TokenValue::parse(VALUE).unwrap().id());
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
            assert_eq!(shown(nothing), Presented::Nothing, "{nothing}");
        }
        assert_eq!(shown("Bearer nonsense"), Presented::Malformed);
        assert_eq!(presented(&HeaderMap::new()), Presented::Nothing);
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
        assert_eq!(named(&[(new, "twelve")], "/x"), NamedWorkspace::Unusable("twelve".into()));
        assert_eq!(named(&[(new, "")], "/x?foo=13"), NamedWorkspace::Unnamed);
    }

    #[test]
    fn values_are_blanked_wherever_they_stand() {
        assert_eq!(redacted(&format!("/tokens/{VALUE}/x{VALUE}")), "/tokens/dapi[redacted]/xdapi[redacted]");
        assert_eq!(redacted("dapi-mock, dapi"), "dapi-mock, dapi");
    }
}
