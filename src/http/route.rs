//! What a route says about itself: its demand, its body and answer, how it refuses, how faithful it is. No route is
//! named here and nothing is decided by a path; the rows are in [`routes`](super::routes).

use axum::http::Method;
use axum::routing::MethodRouter;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::App;
use crate::domain::authorize::{Demand, Right};
use crate::web::openapi::Describe;

/// How sure we are that a route behaves as the real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Level {
    /// A recording of the real service, or an official client's own acceptance test, shows its answers.
    Exact,
    /// The documentation or the code of clients describes it; no recording shows its answers.
    Documented,
    /// It covers a part of the real route.
    Partial,
    /// The route is known; what it does was concluded.
    Inferred,
    /// The real service has no such route.
    Own,
}

/// What the guard does before the handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It runs the ordered checks and lets armed faults have their effect.
    Api,
    /// Clients come here for a credential: no check runs, but armed faults have their effect.
    OAuthEndpoint,
    /// Clients ask here first: no check runs, and no fault has an effect.
    Discovery,
    /// For orchestrators: neither checks nor faults, and the journal does not record it.
    Health,
}

/// In what form a route refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    Rest,
    Scim,
    OAuth,
    /// For whoever came with a browser and cannot be sent back to the client.
    Page,
}

/// A parameter in the query or in a form.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    kind: &'static str,
    pub(super) required: bool,
    purpose: &'static str,
}

impl Parameter {
    pub(super) const fn text(name: &'static str, purpose: &'static str) -> Self {
        Self { name, kind: "string", required: false, purpose }
    }

    pub(super) const fn number(name: &'static str, purpose: &'static str) -> Self {
        Self { kind: "integer", ..Self::text(name, purpose) }
    }

    pub(super) const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub(super) fn schema(&self) -> Value {
        json!({ "type": self.kind, "description": self.purpose })
    }
}

#[derive(Debug)]
pub(super) enum RequestBody {
    /// JSON of this schema.
    Json(Describe),
    Form(&'static [Parameter]),
}

/// What a route answers when it succeeds.
#[derive(Debug)]
pub(super) enum Answer {
    /// JSON with this status.
    Json(u16, Describe),
    /// 204.
    Nothing,
    /// A page for people, or a redirection.
    Page,
}

/// An object without members.
#[derive(Debug, JsonSchema)]
pub(super) struct Empty {}

/// A row of the table. It feeds the router, the guard, the OpenAPI document and the compatibility page.
#[derive(Debug)]
pub struct Route {
    pub method: Method,
    /// In axum's syntax.
    pub path: &'static str,
    /// Its name in the Databricks reference, or ours.
    pub operation: &'static str,
    pub role: Role,
    /// What it demands of the caller and of a scoped token.
    pub demand: Demand,
    /// Whether the account's host has it, too; the others are on workspaces' hosts only.
    pub is_on_account_host: bool,
    pub envelope: Envelope,
    /// The service and action of its audit events, for attempts that are refused. See docs/reference/audit.md#audit-events.
    pub audit: Option<(&'static str, &'static str)>,
    pub creates_token: bool,
    pub level: Level,
    /// How its behaviour is known, with links relative to `docs/`.
    pub evidence: &'static str,
    pub(super) parameters: &'static [Parameter],
    pub(super) body: Option<RequestBody>,
    pub(super) answer: Answer,
    pub(super) handler: MethodRouter<App>,
}

impl Route {
    pub(super) fn new(method: Method, path: &'static str, operation: &'static str, handler: MethodRouter<App>) -> Self {
        Self {
            method,
            path,
            operation,
            role: Role::Api,
            demand: Demand::UNROUTED,
            is_on_account_host: false,
            envelope: Envelope::Rest,
            audit: None,
            creates_token: false,
            level: Level::Own,
            evidence: "",
            parameters: &[],
            body: None,
            answer: Answer::Json(200, SchemaGenerator::subschema_for::<Empty>),
            handler,
        }
    }

    pub(super) fn demands(mut self, demand: Demand) -> Self {
        self.demand = demand;
        self.is_on_account_host = demand.right == Right::AccountApi;
        self
    }

    /// No credential is required.
    pub(super) fn open(mut self, role: Role, envelope: Envelope) -> Self {
        (self.role, self.envelope, self.is_on_account_host) = (role, envelope, true);
        self.demand.right = Right::Open;
        self
    }

    pub(super) fn on_every_host(mut self) -> Self {
        self.is_on_account_host = true;
        self
    }

    pub(super) fn envelope(mut self, envelope: Envelope) -> Self {
        self.envelope = envelope;
        self
    }

    pub(super) fn audited(mut self, service: &'static str, action: &'static str) -> Self {
        self.audit = Some((service, action));
        self
    }

    pub(super) fn creates_token(mut self) -> Self {
        self.creates_token = true;
        self
    }

    pub(super) fn known(mut self, level: Level, evidence: &'static str) -> Self {
        (self.level, self.evidence) = (level, evidence);
        self
    }

    pub(super) fn parameters(mut self, parameters: &'static [Parameter]) -> Self {
        self.parameters = parameters;
        self
    }

    pub(super) fn body<T: JsonSchema>(mut self) -> Self {
        self.body = Some(RequestBody::Json(SchemaGenerator::subschema_for::<T>));
        self
    }

    pub(super) fn form(mut self, members: &'static [Parameter]) -> Self {
        self.body = Some(RequestBody::Form(members));
        self
    }

    /// Without it, the answer is an empty object.
    pub(super) fn answers<T: JsonSchema>(mut self) -> Self {
        self.answer = Answer::Json(200, SchemaGenerator::subschema_for::<T>);
        self
    }

    pub(super) fn creates<T: JsonSchema>(mut self) -> Self {
        self.answer = Answer::Json(201, SchemaGenerator::subschema_for::<T>);
        self
    }

    pub(super) fn answers_nothing(mut self) -> Self {
        self.answer = Answer::Nothing;
        self
    }

    pub(super) fn shows_page(mut self) -> Self {
        self.answer = Answer::Page;
        self
    }
}
