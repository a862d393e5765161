//! What people see in a browser: the workspace's settings, the account console's token report, and the mock's own
//! console. Pages have no rights of their own: they call the emulated API with an access token of whoever is signed in,
//! and the control API, so that they can do nothing more and the journal records what they do. Start with `router`;
//! see docs/pages.md.

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
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;

use self::visit::DEFECT;
use crate::service::Service;
use crate::web::access::{Access, SignInPolicy};
use crate::web::page::{Page, SCRIPT, SCRIPT_PATH};

/// The state of every page.
#[derive(Clone, Debug)]
pub struct Pages {
    service: Service,
    access: Arc<Access>,
    sign_in: Arc<SignInPolicy>,
    /// The emulated API and the control API.
    apis: Router,
}

impl Pages {
    pub fn new(service: Service, access: Access, sign_in: SignInPolicy, apis: Router) -> Self {
        Self { service, access: Arc::new(access), sign_in: Arc::new(sign_in), apis }
    }

    async fn pass_on(&self, request: Request) -> Response {
        // A router is infallible.
        self.apis.clone().oneshot(request).await.into_response()
    }
}

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
        // Another version of dapi-mock may be started at the same address.
        (CACHE_CONTROL, "no-cache"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, SCRIPT).into_response()
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get("accept").and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Page::error(StatusCode::INTERNAL_SERVER_ERROR, DEFECT)
}
