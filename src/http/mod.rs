//! The emulated Databricks API: parse, call the service, render. No rules, no SQL. Start with `routes`, the table; then
//! follow a request: `exchange`, `guard`, a handler such as `tokens`, and `error` if it is refused.

pub mod account;
pub mod body;
pub mod catalogue;
pub mod compatibility;
pub mod context;
pub mod credential;
pub mod error;
pub mod exchange;
pub mod explanation;
pub mod extract;
pub mod faults;
pub mod guard;
pub mod health;
pub mod host;
mod journal;
pub mod oauth;
pub mod openapi;
pub mod permissions;
pub mod redaction;
pub mod route;
pub mod routes;
pub mod scim;
pub mod settings;
pub mod token_management;
pub mod tokens;
pub mod workspace_conf;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::any;
use tower_http::catch_panic::CatchPanicLayer;

pub use host::HostType;

use crate::service::Service;
use crate::web::access::SignInPolicy;

/// The state of every handler.
#[derive(Clone, Debug)]
pub struct App {
    /// Shared, because each layer clones the state for each request.
    pub service: Arc<Service>,
    pub sign_in: SignInPolicy,
    pub host_type: HostType,
}

/// Every route behind its guard, and the answer to unknown ones.
pub fn router(app: App) -> Router {
    let guarded = |route| from_fn_with_state((app.clone(), route), guard::authorize);
    let unrouted = any(guard::not_found).layer(guarded(None));
    let mut router = Router::new();
    for route in routes::ROUTES.iter() {
        router = router.route(route.path, route.handler.clone().layer(guarded(Some(route))));
    }
    router
        .fallback(unrouted.clone())
        .method_not_allowed_fallback(unrouted)
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(from_fn_with_state(app.clone(), exchange::finish))
        .with_state(app)
}
