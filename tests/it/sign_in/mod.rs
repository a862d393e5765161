//! OAuth for people: the sign-in page, codes with PKCE, and refresh tokens (docs/reference/identity-and-oauth.md).

mod codes;
mod key;
mod page;
mod people;

use crate::support::{Answer, oauth_error};

const EVA: &str = "eva@example.com";

#[track_caller]
fn page_refused(answer: &Answer, status: u16, message: &str) {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert!(answer.text.contains(message), "{answer:?}");
}

fn invalid_code(answer: &Answer) {
    oauth_error(answer, 400, "invalid_grant", "Authorization code is invalid");
}

fn invalid_refresh(answer: &Answer) {
    oauth_error(answer, 400, "invalid_grant", "Refresh token is invalid");
    assert_eq!(answer.text, r#"{"error":"invalid_grant","error_description":"Refresh token is invalid"}"#);
}
