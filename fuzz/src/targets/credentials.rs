//! Fuzzes `Authorization` and the headers and URL that name a workspace. The input has one per line.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue, Uri};
use dapi_mock::domain::authorize::{NamedWorkspace, PresentedCredential};
use dapi_mock::domain::journal::CredentialKind;
use dapi_mock::domain::tokens::TokenValue;
use dapi_mock::http::credential::{Credentials, ORG_ID, named_workspace};
use dapi_mock::http::redaction;
use dapi_mock::web::connection::WORKSPACE_ID;

pub(super) fn run(data: &[u8]) {
    let [authorization, workspace, org, uri] = super::lines(data);
    let mut headers = HeaderMap::new();
    for (name, value) in [(AUTHORIZATION, authorization), (WORKSPACE_ID, workspace), (ORG_ID, org)] {
        if let Some(value) = HeaderValue::from_bytes(value).ok().filter(|value| !value.is_empty()) {
            headers.insert(name, value);
        }
    }
    is_shown(&headers);
    is_named(&headers, &Uri::try_from(uri).unwrap_or_default());
}

fn is_shown(headers: &HeaderMap) {
    let credentials = Credentials::of(headers, &Uri::default());
    let (kind, text) = (credentials.kind, credentials.secret().unwrap_or_default());
    match &credentials.presented {
        PresentedCredential::Token(id) => {
            assert_eq!(TokenValue::parse(text).map(|value| value.id()).as_ref(), Some(id));
            assert!(!redaction::line(text).contains(text.get(4..20).unwrap()));
            assert!(matches!(kind, CredentialKind::PatBearer | CredentialKind::PatBasic));
        }
        PresentedCredential::AccessToken(token) => {
            assert_eq!(token.reveal(), text);
            assert_eq!(redaction::line(text), "eyJ[redacted]");
        }
        PresentedCredential::Malformed => assert!(!text.is_empty()),
        PresentedCredential::Nothing => assert_eq!(kind, CredentialKind::None),
    }
}

fn is_named(headers: &HeaderMap, uri: &Uri) {
    match named_workspace(headers, uri) {
        NamedWorkspace::Id(id) => {
            let again = HeaderMap::from_iter([(WORKSPACE_ID, HeaderValue::from(id.0))]);
            assert_eq!(named_workspace(&again, &Uri::default()), NamedWorkspace::Id(id));
        }
        NamedWorkspace::Unusable(text) => assert!(!text.trim().is_empty()),
        NamedWorkspace::Unnamed => {}
    }
}
