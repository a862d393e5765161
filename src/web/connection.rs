//! How a request came in, as the listener and the pages know it. It travels in a request's extensions, where no client
//! can write.

use std::net::IpAddr;

use axum::http::{Extensions, HeaderName};
use axum::response::Response;

use crate::domain::AccountId;

/// The header by which clients name a workspace, and the listener the one whose port a request came to.
pub const WORKSPACE_ID: HeaderName = HeaderName::from_static("x-databricks-workspace-id");

/// The facts of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Connection {
    /// The client's address.
    pub peer: Option<IpAddr>,
    /// Whether TLS was spoken.
    pub by_tls: bool,
    /// The account whose own port it came to.
    pub account: Option<AccountId>,
    /// Whether the settings allow the name in the Host header.
    pub host_allowed: bool,
    /// Whether it comes from our own pages, which have checked themselves who may use the control API.
    pub via_pages: bool,
}

impl Connection {
    /// The one that a request came by.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or_default()
    }
}

/// Marks an answer that must not be sent: the connection ends before its first byte.
#[derive(Clone, Copy, Debug)]
struct Dropped;

/// Has the connection end in place of an answer.
pub fn drop_connection(response: &mut Response) {
    response.extensions_mut().insert(Dropped);
}

/// Whether the connection is to end in place of this answer.
pub fn is_dropped(response: &Response) -> bool {
    response.extensions().get::<Dropped>().is_some()
}
