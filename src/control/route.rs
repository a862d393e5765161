//! What a row of the route table says. The table itself is in `routes`.

use axum::http::Method;
use axum::routing::MethodRouter;
use schemars::{JsonSchema, SchemaGenerator};

use super::Control;
use crate::web::openapi::Describe;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever may use the control API.
    Operator,
    /// An account admin of the path's account, with an OAuth access token.
    AccountAdmin,
}

#[derive(Debug)]
pub struct Route {
    pub method: Method,
    /// Below `/_mock`, in axum's syntax.
    pub path: &'static str,
    /// The name in the OpenAPI document, and for `dapi-mock call`.
    pub operation: &'static str,
    pub purpose: &'static str,
    pub(super) query: Option<Describe>,
    pub(super) body: Option<Describe>,
    pub who: Who,
    pub(super) handler: fn() -> MethodRouter<Control>,
}

impl Route {
    pub(super) const fn new(
        method: Method,
        path: &'static str,
        operation: &'static str,
        purpose: &'static str,
        handler: fn() -> MethodRouter<Control>,
    ) -> Self {
        Self { method, path, operation, purpose, who: Who::Operator, query: None, body: None, handler }
    }

    pub(super) const fn for_account_admins(mut self) -> Self {
        self.who = Who::AccountAdmin;
        self
    }

    pub(super) const fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(SchemaGenerator::root_schema_for::<T>);
        self
    }

    pub(super) const fn body<T: JsonSchema>(mut self) -> Self {
        self.body = Some(SchemaGenerator::subschema_for::<T>);
        self
    }
}
