//! The mock's control API under `/_mock/v1`: time, requests, explanations, tombstones, the audit log, what-if. It
//! has its own errors and its own guard, and no emulated module knows of it (spec §7).

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
pub mod routes;
mod settings;
mod tls;
mod tokens;
mod tripwire;
mod what_if;
mod workspaces;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::any;
use sha2::{Digest, Sha256};
use tower_http::catch_panic::CatchPanicLayer;

use self::routes::Who;
use crate::listen::ExtraListeners;
use crate::service::Service;

/// Who may use the control API.
#[derive(Clone, Debug)]
pub enum Access {
    /// Nobody: it is off.
    Off,
    /// Whoever shows this key as bearer; kept as a hash.
    Key([u8; 32]),
    /// Whoever reaches it: the listener is bound to loopback, or it was opened on purpose.
    Open,
    /// Nobody, because the listener is reachable from elsewhere and there is no key.
    Closed,
}

impl Access {
    /// What the settings come to.
    pub fn new(enabled: bool, key: Option<&str>, loopback_only: bool, allow_open: bool) -> Self {
        match key {
            _ if !enabled => Self::Off,
            Some(key) => Self::Key(Sha256::digest(key.as_bytes()).into()),
            None if loopback_only || allow_open => Self::Open,
            None => Self::Closed,
        }
    }
}

/// For the banner.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Key(_) => "asks for the control key",
            Self::Open => "open to whoever reaches it",
            Self::Closed => "closed: give --control-key or --allow-open-control",
        })
    }
}

/// In a request that our own pages make in the process, which have looked themselves who may use the control API. No
/// request from outside has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByPages;

/// How long a request may take: long enough for a sweep of a million tokens.
pub const LIMIT: Duration = Duration::from_mins(5);

/// What every handler gets.
#[derive(Clone, Debug)]
pub struct Control {
    service: Service,
    access: Arc<Access>,
    doors: Option<ExtraListeners>,
    limit: Duration,
}

impl Control {
    /// The control API over the same service as the emulated one.
    pub fn new(service: Service, access: Access, doors: Option<ExtraListeners>) -> Self {
        Self { service, access: Arc::new(access), doors, limit: LIMIT }
    }

    /// The same with another limit than [`LIMIT`], for tests that cannot wait for it.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }
}

/// The routes below `/_mock`. Nested last: nothing of the emulated API's layers touches them.
pub fn router(control: Control) -> Router {
    let guarded = |control: &Control, who| from_fn_with_state((control.clone(), who), guard::check);
    let elsewhere = any(reply::not_found).layer(guarded(&control, Who::Operator));
    let mut router = Router::new();
    for route in routes::ROUTES {
        router = router.route(route.path, (route.handler)().layer(guarded(&control, route.who)));
    }
    router
        .fallback(elsewhere.clone())
        .method_not_allowed_fallback(elsewhere)
        .layer(CatchPanicLayer::custom(reply::panicked))
        .with_state(control)
}
