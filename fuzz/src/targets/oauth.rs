//! Fuzzes the forms of OAuth's token endpoint and the queries of its authorize endpoint.

use axum::http::{HeaderValue, Uri};
use dapi_mock::domain::oauth::TokenRequest;
use dapi_mock::domain::sign_ins::{AuthorizationError, AuthorizationRequest, ReturnAddress};

const ISSUER: &str = "http://127.0.0.1:3274/oidc";

pub(super) fn run(data: &[u8]) {
    let secret = super::digits_of(data);
    let mut pairs: Vec<(String, String)> = form_urlencoded::parse(data).into_owned().collect();
    for (_, value) in pairs.iter_mut().filter(|(name, _)| name == "client_secret") {
        value.clone_from(&secret);
    }
    let basic = pairs.first().filter(|(name, _)| name == "basic").map(|(_, id)| (id.clone(), secret.clone()));
    let shown = format!("{:?}", TokenRequest::read(basic, &pairs));
    assert!(!shown.contains(&secret), "{shown}");

    match AuthorizationRequest::read(&pairs) {
        Ok(request) => {
            goes_to_loopback(&request.back);
            let query: Vec<_> =
                request.query().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            assert_eq!(AuthorizationRequest::read(&query), Ok(request));
        }
        Err(AuthorizationError::RedirectToClient(back, _)) => goes_to_loopback(&back),
        Err(AuthorizationError::ShowToPerson(_)) => {}
    }
}

/// Checks that there is no open redirect and no header injection.
fn goes_to_loopback(back: &ReturnAddress) {
    let url = back.url(&[("code", "doac")], ISSUER);
    assert!(HeaderValue::from_str(&url).is_ok(), "{url:?}");
    let uri: Uri = url.parse().unwrap();
    assert!(matches!(uri.host(), Some("localhost" | "127.0.0.1")), "{url}");
    assert_eq!(uri.authority().map(|authority| format!("http://{authority}")).as_deref(), Some(back.origin()));
}
