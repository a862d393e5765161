//! The control API under `/_mock/v1`: clock, request journal, explanations, audit log, faults, workspaces. It has its
//! own errors (`reply`) and its own guard, and nothing of the emulated API knows it. Start with `routes`; see
//! docs/control-api.md.

mod audit;
mod clock;
mod compat;
mod explain;
mod faults;
mod guard;
pub mod openapi;
mod ports;
mod reply;
mod report;
mod requests;
pub mod route;
pub mod routes;
mod seeds;
mod settings;
mod tls;
mod tokens;
mod tripwire;
mod what_if;
mod workspaces;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::any;
use serde_json::{Map, json};
use tower_http::catch_panic::CatchPanicLayer;

use self::route::Who;
use self::routes::ROUTES;
use crate::listen::ExtraListeners;
use crate::service::Service;
use crate::web::access::Access;

/// How long a request may take: long enough for a sweep of a million tokens.
pub const LIMIT: Duration = Duration::from_mins(5);

/// The state of every handler.
#[derive(Clone, Debug)]
pub struct Control {
    service: Service,
    access: Arc<Access>,
    extra_listeners: Option<ExtraListeners>,
    limit: Duration,
}

impl Control {
    pub fn new(service: Service, access: Access, extra_listeners: Option<ExtraListeners>) -> Self {
        Self { service, access: Arc::new(access), extra_listeners, limit: LIMIT }
    }

    /// The same with another limit than [`LIMIT`], for tests that cannot wait for it.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }
}

/// The routes below `/_mock`. They are nested last, so that no layer of the emulated API touches them.
pub fn router(control: Control) -> Router {
    let guarded = |control: &Control, who| from_fn_with_state((control.clone(), who), guard::check);
    let elsewhere = any(not_found).layer(guarded(&control, Who::Operator));
    let mut router = Router::new();
    for route in ROUTES {
        router = router.route(route.path, (route.handler)().layer(guarded(&control, route.who)));
    }
    router
        .fallback(elsewhere.clone())
        .method_not_allowed_fallback(elsewhere)
        .layer(CatchPanicLayer::custom(reply::panicked))
        .with_state(control)
}

/// Answers an unknown route with a list of all routes.
async fn not_found(method: Method, uri: Uri) -> Response {
    let error = format!("The control API has no {method} {}; see docs/control-api.md.", uri.path());
    let routes = ROUTES.iter().map(|route| (format!("{} /_mock{}", route.method, route.path), route.purpose.into()));
    let routes: Map<_, _> = routes.collect();
    reply::json_answer(StatusCode::NOT_FOUND, &json!({ "error": error, "routes": routes }))
}
