//! What all pages share: the frame around their content, and the headers that keep others out of it.
//! The content is `maud`'s, which escapes whatever is put into it.

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

/// The script of the pages that have one: it copies values and keeps lists fresh. Nothing needs it.
pub const SCRIPT: &str = include_str!("page.js");
/// Where it is.
pub const SCRIPT_PATH: &str = "/_mock/page.js";

/// The one style that pages may have, by its hash.
static STYLE_SOURCE: LazyLock<String> =
    LazyLock::new(|| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(STYLE.as_bytes()))));

/// A page. It loads nothing of others and runs no inline script.
#[derive(Debug)]
pub struct Page<'a> {
    /// The status.
    pub status: StatusCode,
    /// Title and heading.
    pub title: &'a str,
    /// What stands above the heading, as wide as the window.
    pub bar: Option<Markup>,
    /// What stands below the heading.
    pub content: Markup,
    /// An origin that a form leads to through this server: browsers hold a redirect after a form against
    /// the form's page.
    pub leads_to: Option<&'a str>,
}

impl<'a> Page<'a> {
    /// A page with nothing but its content.
    pub fn new(title: &'a str, content: Markup) -> Self {
        Self { status: StatusCode::OK, title, bar: None, content, leads_to: None }
    }

    /// The answer.
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
                    // An icon of its own would be one request more.
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
        // An origin that no header takes leads nowhere.
        let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        headers.insert(CONTENT_SECURITY_POLICY, policy);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // With `no-referrer` browsers would send forms from an origin `null`.
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
        response
    }
}

/// A redirection with this status; `None` where no header takes the address.
pub fn redirect(status: StatusCode, to: &str) -> Option<Response> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(LOCATION, HeaderValue::from_str(to).ok()?);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}
