//! SCIM 2.0 as the workspace and the account speak it (research/api-identity-auth.md §7). One handler
//! serves both, and the three kinds of resources.

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
use super::extract::{Body, Called, Segments, answer, ok};
use crate::domain::Denial;
use crate::domain::identities::{Directory, Entry, PrincipalKind};
use crate::domain::scim::{Change, Page, Sight};
use crate::service::RelatedAttributes;

use query::{ListQuery, Projection};
use resource::resource;

const LIST_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// `currentUser.me`. A service principal sees itself as a user whose `userName` is its application id.
pub async fn me(State(app): State<App>, called: Called, projection: Projection) -> Result<Response, ApiError> {
    let entry = app.service.me(called.call()).await?;
    Ok(ok(&projection.of(resource(PrincipalKind::User, &entry, Sight::Everything))))
}

/// The variable segments of the paths. The account is named in its own paths only, not where it is reached
/// through a workspace.
#[derive(Debug, Deserialize)]
struct Target {
    account_id: Option<String>,
    #[serde(default)]
    id: String,
}

impl Target {
    /// The principal's id, once the account in the path is the caller's own.
    fn id(&self, called: &Called) -> Result<&str, Denial> {
        if let Some(account) = &self.account_id {
            called.in_own_account(account)?;
        }
        Ok(&self.id)
    }
}

/// `users.list` and its siblings.
pub fn list(directory: Directory, kind: PrincipalKind) -> MethodRouter<App> {
    on_get(
        async move |State(app): State<App>,
                    called: Called,
                    Segments(target): Segments<Target>,
                    projection: Projection,
                    ListQuery(query): ListQuery| {
            target.id(&called)?;
            let shown = RelatedAttributes { groups: projection.shows("groups"), members: projection.shows("members") };
            // Each resource becomes text at once, which takes a tenth of what it is made of.
            let text = |entry: &Entry, sight| Value::from(projection.of(resource(kind, entry, sight))).to_string();
            let page = app.service.identities(called.call(), directory, kind, &query, shown, text).await?;
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

/// `users.get` and its siblings.
pub fn get(directory: Directory, kind: PrincipalKind) -> MethodRouter<App> {
    on_get(
        async move |State(app): State<App>,
                    called: Called,
                    Segments(target): Segments<Target>,
                    projection: Projection| {
            let (entry, sight) = app.service.identity(called.call(), directory, kind, target.id(&called)?).await?;
            Ok::<_, ApiError>(ok(&projection.of(resource(kind, &entry, sight))))
        },
    )
}

/// `users.create` and its siblings.
pub fn create(directory: Directory, kind: PrincipalKind) -> MethodRouter<App> {
    post(
        async move |State(app): State<App>,
                    called: Called,
                    Segments(target): Segments<Target>,
                    Body(body): Body<Map<String, Value>>| {
            target.id(&called)?;
            let entry = app.service.create_identity(called.call(), directory, kind, &body).await?;
            Ok::<_, ApiError>(answer(StatusCode::CREATED, &resource(kind, &entry, Sight::Everything)))
        },
    )
}

/// `users.update` and its siblings.
pub fn replace(directory: Directory, kind: PrincipalKind) -> MethodRouter<App> {
    put(
        async move |State(app): State<App>,
                    called: Called,
                    Segments(target): Segments<Target>,
                    Body(body): Body<Map<String, Value>>| {
            change(&app, &called, directory, kind, target.id(&called)?, &Change::Replace(body)).await
        },
    )
}

/// `users.patch` and its siblings.
pub fn patch(directory: Directory, kind: PrincipalKind) -> MethodRouter<App> {
    on_patch(
        async move |State(app): State<App>,
                    called: Called,
                    Segments(target): Segments<Target>,
                    Body(body): Body<Map<String, Value>>| {
            change(&app, &called, directory, kind, target.id(&called)?, &Change::patch(&body)?).await
        },
    )
}

async fn change(
    app: &App,
    called: &Called,
    directory: Directory,
    kind: PrincipalKind,
    id: &str,
    change: &Change,
) -> Result<Response, ApiError> {
    let entry = app.service.change_identity(called.call(), directory, kind, id, change).await?;
    Ok(ok(&resource(kind, &entry, Sight::Everything)))
}

/// `users.delete` and its siblings.
pub fn delete(directory: Directory, kind: PrincipalKind) -> MethodRouter<App> {
    on_delete(async move |State(app): State<App>, called: Called, Segments(target): Segments<Target>| {
        app.service.delete_identity(called.call(), directory, kind, target.id(&called)?).await?;
        Ok::<_, ApiError>(StatusCode::NO_CONTENT.into_response())
    })
}
