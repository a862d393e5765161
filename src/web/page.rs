//! The frame of every page: the HTML around its content, and the headers that protect it from other sites. The content is
//! `maud` markup, which escapes every value.

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

pub use super::people::{PeopleChoice, Search, key_form};

const STYLE: &str = include_str!("page.css");

/// Copies values and refreshes lists. Every page works without it.
pub const SCRIPT: &str = include_str!("page.js");
pub const SCRIPT_PATH: &str = "/_mock/page.js";

/// The only style that pages allow, by its hash.
static STYLE_SOURCE: LazyLock<String> =
    LazyLock::new(|| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(STYLE.as_bytes()))));

/// A page loads nothing from other sites and runs no inline script.
#[derive(Debug)]
pub struct Page<'a> {
    pub status: StatusCode,
    /// Also the heading.
    pub title: &'a str,
    /// Above the heading. Only pages with a bar have the script.
    pub bar: Option<Markup>,
    pub content: Markup,
    /// An origin that a form's answer redirects to: browsers apply the form's policy to the redirect, too.
    pub leads_to: Option<&'a str>,
}

impl<'a> Page<'a> {
    pub fn new(title: &'a str, content: Markup) -> Self {
        Self { status: StatusCode::OK, title, bar: None, content, leads_to: None }
    }

    pub fn error(status: StatusCode, message: &str) -> Response {
        let content = html! { p.notice role="alert" { (message) } };
        Page { status, ..Page::new("This did not work", content) }.respond()
    }

    pub fn respond(self) -> Response {
        let Self { status, title, bar, content, leads_to } = self;
        let scripted = bar.is_some();
        let markup = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (title) " – dapi-mock" }
                    // Browsers would request an icon otherwise.
                    link rel="icon" href="data:,";
                    style { (PreEscaped(STYLE)) }
                    @if scripted { script src=(SCRIPT_PATH) defer {} }
                }
                body.wide[scripted] {
                    @if let Some(bar) = bar {
                        a.skip href="#content" { "Skip to the content" }
                        (bar)
                    }
                    main #content tabindex="-1" { h1 { (title) } (content) }
                }
            }
        };
        let mut response = Response::new(Body::from(markup.into_string()));
        *response.status_mut() = status;
        let policy = format!(
            "default-src 'none'; style-src {}; img-src data:; {}form-action 'self' {}; base-uri 'none'; \
             frame-ancestors 'none'",
            *STYLE_SOURCE,
            if scripted { "script-src 'self'; connect-src 'self'; " } else { "" },
            leads_to.unwrap_or_default()
        );
        let headers = response.headers_mut();
        // An origin that is not a valid header value leads nowhere.
        let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        headers.insert(CONTENT_SECURITY_POLICY, policy);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // With `no-referrer`, browsers would send forms with the origin `null`.
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
        response
    }
}

/// `None` if the address is not a valid header value.
pub fn redirect(status: StatusCode, to: &str) -> Option<Response> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(LOCATION, HeaderValue::from_str(to).ok()?);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}
