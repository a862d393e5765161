//! SCIM 2.0 of workspaces and accounts: one handler serves both directories and the three kinds of resources. See
//! docs/reference/scim.md.

pub mod query;
mod resource;
pub mod schema;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete as on_delete, get as on_get, patch as on_patch, post, put};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::App;
use super::error::ApiError;
use super::extract::{ApiCall, Body, Segments, answer, ok};
use crate::domain::Denial;
use crate::domain::identities::{Directory, Entry, PrincipalKind};
use crate::domain::scim::{Change, Page, Sight};
use crate::service::{Collection, IdentityList, RelatedAttributes};

use query::{ListQuery, Projection};
use resource::resource;

const LIST_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// A service principal sees itself as a user whose `userName` is its application id.
pub async fn me(State(app): State<App>, call: ApiCall, projection: Projection) -> Result<Response, ApiError> {
    let entry = app.service.me(call.as_call()).await?;
    Ok(ok(&projection.of(resource(PrincipalKind::User, &entry, Sight::Everything))))
}

/// Only the account's own paths name it, not those through a workspace.
#[derive(Debug, Deserialize)]
struct PathSegments {
    account_id: Option<String>,
    #[serde(default)]
    id: String,
}

impl PathSegments {
    /// The principal's id, once the account in the path is the caller's own.
    fn id(&self, call: &ApiCall) -> Result<&str, Denial> {
        if let Some(account) = &self.account_id {
            call.in_own_account(account)?;
        }
        Ok(&self.id)
    }
}

pub fn list(directory: Directory, kind: PrincipalKind) -> MethodRouter<App> {
    on_get(
        async move |State(app): State<App>,
                    call: ApiCall,
                    Segments(segments): Segments<PathSegments>,
                    projection: Projection,
                    ListQuery(query): ListQuery| {
            segments.id(&call)?;
            let shown = RelatedAttributes { groups: projection.shows("groups"), members: projection.shows("members") };
            // Each resource becomes text at once, which takes a tenth of the memory of its JSON values.
            let text = |entry: &Entry, sight| Value::from(projection.of(resource(kind, entry, sight))).to_string();
            let page = app
                .service
                .identities(
                    call.as_call(),
                    IdentityList { collection: Collection { directory, kind }, query: &query, shown },
                    text,
                )
                .await?;
            Ok::<_, ApiError>(render(page))
        },
    )
}

fn render(page: Page<String>) -> Response {
    let Page { total, start_index, resources } = page;
    let (number, resources) = (resources.len(), resources.join(","));
    let body = format!(
        r#"{{"Resources":[{resources}],"itemsPerPage":{number},"schemas":["{LIST_SCHEMA}"],"startIndex":{start_index},"totalResults":{total}}}"#
    );
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

pub fn get(directory: Directory, kind: PrincipalKind) -> MethodRouter<App> {
    on_get(
        async move |State(app): State<App>,
                    call: ApiCall,
                    Segments(segments): Segments<PathSegments>,
                    projection: Projection| {
            let (entry, sight) =
                app.service.identity(call.as_call(), Collection { directory, kind }, segments.id(&call)?).await?;
            Ok::<_, ApiError>(ok(&projection.of(resource(kind, &entry, sight))))
        },
    )
}

pub fn create(directory: Directory, kind: PrincipalKind) -> MethodRouter<App> {
    post(
        async move |State(app): State<App>,
                    call: ApiCall,
                    Segments(segments): Segments<PathSegments>,
                    Body(body): Body<Map<String, Value>>| {
            segments.id(&call)?;
            let entry = app.service.create_identity(call.as_call(), Collection { directory, kind }, &body).await?;
            Ok::<_, ApiError>(answer(StatusCode::CREATED, &resource(kind, &entry, Sight::Everything)))
        },
    )
}

pub fn replace(directory: Directory, kind: PrincipalKind) -> MethodRouter<App> {
    put(
        async move |State(app): State<App>,
                    call: ApiCall,
                    Segments(segments): Segments<PathSegments>,
                    Body(body): Body<Map<String, Value>>| {
            change(&app, &call, (directory, kind), segments.id(&call)?, &Change::Replace(body)).await
        },
    )
}

pub fn patch(directory: Directory, kind: PrincipalKind) -> MethodRouter<App> {
    on_patch(
        async move |State(app): State<App>,
                    call: ApiCall,
                    Segments(segments): Segments<PathSegments>,
                    Body(body): Body<Map<String, Value>>| {
            change(&app, &call, (directory, kind), segments.id(&call)?, &Change::patch(&body)?).await
        },
    )
}

async fn change(
    app: &App,
    call: &ApiCall,
    (directory, kind): (Directory, PrincipalKind),
    id: &str,
    change: &Change,
) -> Result<Response, ApiError> {
    let entry = app.service.change_identity(call.as_call(), Collection { directory, kind }, id, change).await?;
    Ok(ok(&resource(kind, &entry, Sight::Everything)))
}

pub fn delete(directory: Directory, kind: PrincipalKind) -> MethodRouter<App> {
    on_delete(async move |State(app): State<App>, call: ApiCall, Segments(segments): Segments<PathSegments>| {
        app.service.delete_identity(call.as_call(), Collection { directory, kind }, segments.id(&call)?).await?;
        Ok::<_, ApiError>(StatusCode::NO_CONTENT.into_response())
    })
}
