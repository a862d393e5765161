//! The pages that people look at: the workspace's settings, the account console's token report, and the mock's own
//! console (spec §8). They are a client: what they show and do goes through the emulated API with an access token
//! of whoever is signed in, and through the control API; so they can do nothing that the APIs don't, and the
//! journal has it.

mod access_tokens;
mod advanced;
mod console;
mod frame;
mod home;
mod login;
mod token_report;
mod visit;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use maud::html;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;

use crate::control::Access;
use crate::http::SignInPolicy;
use crate::service::Service;
use crate::web::page::{Page, SCRIPT, SCRIPT_PATH};

/// What every page gets.
#[derive(Clone, Debug)]
pub struct Pages {
    service: Service,
    /// Who may use the control API, and so the console.
    access: Arc<Access>,
    sign_in: Arc<SignInPolicy>,
    /// Both APIs.
    apis: Router,
}

impl Pages {
    /// Pages over these APIs.
    pub fn new(service: Service, access: Access, sign_in: SignInPolicy, apis: Router) -> Self {
        Self { service, access: Arc::new(access), sign_in: Arc::new(sign_in), apis }
    }

    /// Hands a request on to the APIs.
    async fn pass_on(&self, request: Request) -> Response {
        // A router never fails.
        self.apis.clone().oneshot(request).await.into_response()
    }
}

/// All pages.
pub fn router(pages: Pages) -> Router {
    Router::new()
        .route("/", any(home::show))
        .route(SCRIPT_PATH, get(script))
        .route("/login", get(login::ask).post(login::choose))
        .route("/logout", post(login::end))
        .route("/account-console/login", get(login::ask).post(login::choose))
        .route("/account-console/logout", post(login::end))
        .route(advanced::PATH, get(advanced::show))
        .route(advanced::TOGGLE, post(advanced::toggle))
        .route(advanced::LIFETIME, post(advanced::change_lifetime))
        .route(advanced::PERMISSIONS, get(advanced::show_permissions).post(advanced::change_permissions))
        .route(access_tokens::PATH, get(access_tokens::show).post(access_tokens::generate))
        .route(access_tokens::REVOKE, post(access_tokens::revoke))
        .route(token_report::PATH, get(token_report::show))
        .route(token_report::EXPORT, get(token_report::export))
        .route(token_report::REVOKE, get(token_report::back).post(token_report::revoke))
        .merge(console::routes())
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(pages)
}

async fn script() -> Response {
    let headers = [
        (CONTENT_TYPE, "text/javascript; charset=utf-8"),
        // Another version may be started at the same address.
        (CACHE_CONTROL, "no-cache"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, SCRIPT).into_response()
}

/// Whether a browser asks for a page, and not a client for data.
fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get("accept").and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    let content = html! { p.notice role="alert" { "A defect of dapi-mock; the log has its cause." } };
    Page { status: StatusCode::INTERNAL_SERVER_ERROR, ..Page::new("This did not work", content) }.respond()
}
