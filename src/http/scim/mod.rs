//! SCIM 2.0 as the workspace speaks it (research/api-identity-auth.md §7). One handler serves the
//! three kinds of resources.

pub mod query;
mod resource;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete as on_delete, get as on_get, patch as on_patch, post, put};
use serde_json::{Map, Value, json};

use super::App;
use super::error::ApiError;
use super::extract::{Body, Called, Segment, answer, ok};
use crate::domain::identity::PrincipalKind;
use crate::domain::scim::{Change, Sight};

use query::{ListQuery, Projection};
use resource::resource;

/// `currentUser.me`. A service principal sees itself as a user whose `userName` is its application id.
pub async fn me(State(app): State<App>, called: Called, projection: Projection) -> Result<Response, ApiError> {
    let entry = app.service.me(called.call()).await?;
    Ok(ok(&projection.of(resource(PrincipalKind::User, &entry, Sight::Everything))))
}

/// `users.list` and its siblings.
pub fn list(kind: PrincipalKind) -> MethodRouter<App> {
    on_get(async move |State(app): State<App>, called: Called, projection: Projection, ListQuery(query): ListQuery| {
        let (page, sight) = app.service.identities(called.call(), kind, &query).await?;
        let resources: Vec<Map<String, Value>> =
            page.entries.iter().map(|entry| projection.of(resource(kind, entry, sight))).collect();
        Ok::<_, ApiError>(ok(&json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": page.total,
            "startIndex": page.start_index,
            "itemsPerPage": resources.len(),
            "Resources": resources,
        })))
    })
}

/// `users.get` and its siblings.
pub fn get(kind: PrincipalKind) -> MethodRouter<App> {
    on_get(async move |State(app): State<App>, called: Called, Segment(id): Segment, projection: Projection| {
        let (entry, sight) = app.service.identity(called.call(), kind, &id).await?;
        Ok::<_, ApiError>(ok(&projection.of(resource(kind, &entry, sight))))
    })
}

/// `users.create` and its siblings.
pub fn create(kind: PrincipalKind) -> MethodRouter<App> {
    post(async move |State(app): State<App>, called: Called, Body(body): Body<Map<String, Value>>| {
        let entry = app.service.create_identity(called.call(), kind, &body).await?;
        Ok::<_, ApiError>(answer(StatusCode::CREATED, &resource(kind, &entry, Sight::Everything)))
    })
}

/// `users.update` and its siblings.
pub fn replace(kind: PrincipalKind) -> MethodRouter<App> {
    put(
        async move |State(app): State<App>,
                    called: Called,
                    Segment(id): Segment,
                    Body(body): Body<Map<String, Value>>| {
            change(&app, &called, kind, &id, &Change::Replace(body)).await
        },
    )
}

/// `users.patch` and its siblings.
pub fn patch(kind: PrincipalKind) -> MethodRouter<App> {
    on_patch(
        async move |State(app): State<App>,
                    called: Called,
                    Segment(id): Segment,
                    Body(body): Body<Map<String, Value>>| {
            change(&app, &called, kind, &id, &Change::patch(&body)?).await
        },
    )
}

async fn change(
    app: &App,
    called: &Called,
    kind: PrincipalKind,
    id: &str,
    change: &Change,
) -> Result<Response, ApiError> {
    let entry = app.service.change_identity(called.call(), kind, id, change).await?;
    Ok(ok(&resource(kind, &entry, Sight::Everything)))
}

/// `users.delete` and its siblings.
pub fn delete(kind: PrincipalKind) -> MethodRouter<App> {
    on_delete(async move |State(app): State<App>, called: Called, Segment(id): Segment| {
        app.service.delete_identity(called.call(), kind, &id).await?;
        Ok::<_, ApiError>(StatusCode::NO_CONTENT.into_response())
    })
}
