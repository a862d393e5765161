//! What all pages share: the frame around their content, and the headers that keep others out of it.
//! The content is `maud`'s, which escapes whatever is put into it.

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("page.css");

/// The one style that pages may have, by its hash.
static STYLE_SOURCE: LazyLock<String> =
    LazyLock::new(|| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(STYLE.as_bytes()))));

/// A page. It loads nothing and runs no script.
#[derive(Debug)]
pub struct Page<'a> {
    /// The status.
    pub status: StatusCode,
    /// Title and heading.
    pub title: &'a str,
    /// What stands below the heading.
    pub content: Markup,
    /// An origin that a form leads to through this server: browsers hold a redirect after a form against
    /// the form's page.
    pub leads_to: Option<&'a str>,
}

impl Page<'_> {
    /// The answer.
    pub fn respond(self) -> Response {
        let Self { status, title, content, leads_to } = self;
        let markup = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (title) " – dapi-mock" }
                    style { (PreEscaped(STYLE)) }
                }
                body { main { h1 { (title) } (content) } }
            }
        };
        let mut response = Response::new(Body::from(markup.into_string()));
        *response.status_mut() = status;
        let policy = format!(
            "default-src 'none'; style-src {}; form-action 'self' {}; base-uri 'none'; frame-ancestors 'none'",
            *STYLE_SOURCE,
            leads_to.unwrap_or_default()
        );
        let headers = response.headers_mut();
        // An origin that no header takes leads nowhere.
        let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        headers.insert(CONTENT_SECURITY_POLICY, policy);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // With `no-referrer` browsers would send forms from an origin `null`.
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        response
    }
}
