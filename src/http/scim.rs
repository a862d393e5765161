//! SCIM 2.0 as the workspace speaks it (research/api-identity-auth.md §7).

use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::App;
use super::error::ApiError;
use super::extract::{Called, ok};
use crate::domain::identity::PrincipalKind;
use crate::service::Profile;

const USER_SCHEMAS: [&str; 2] =
    ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:workspace:2.0:User"];

/// `currentUser.me`. A service principal sees itself as a user whose `userName` is its application id.
pub async fn me(State(app): State<App>, called: Called) -> Result<Response, ApiError> {
    let profile = app.service.profile(called.call()).await?;
    Ok(ok(&user_resource(&profile)))
}

fn user_resource(profile: &Profile) -> Value {
    let Profile { principal, assignment, groups } = profile;
    let mut user = Map::new();
    user.insert("schemas".into(), json!(USER_SCHEMAS));
    user.insert("id".into(), principal.id.to_string().into());
    user.insert("userName".into(), principal.name.as_str().into());
    user.insert("displayName".into(), principal.display_name.as_str().into());
    user.insert("active".into(), (principal.active && assignment.active).into());
    let attributes = &principal.attributes;
    if principal.kind == PrincipalKind::User {
        let name = [("givenName", &attributes.given_name), ("familyName", &attributes.family_name)];
        let name: Map<String, Value> =
            name.into_iter().filter_map(|(key, part)| Some((key.to_owned(), part.as_deref()?.into()))).collect();
        if !name.is_empty() {
            user.insert("name".into(), name.into());
        }
        user.insert("emails".into(), json!(attributes.emails));
    }
    if let Some(external) = &principal.external_id {
        user.insert("externalId".into(), external.as_str().into());
    }
    let values = |names: &[String]| names.iter().map(|name| json!({ "value": name })).collect::<Vec<_>>();
    user.insert("entitlements".into(), values(&assignment.entitlements).into());
    user.insert("roles".into(), values(&assignment.roles).into());
    let groups: Vec<Value> = groups
        .iter()
        .map(|(id, name, direct)| {
            let kind = if *direct { "direct" } else { "indirect" };
            json!({ "display": name, "value": id.to_string(), "type": kind, "$ref": format!("Groups/{id}") })
        })
        .collect();
    user.insert("groups".into(), groups.into());
    user.into()
}
