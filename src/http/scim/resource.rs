//! Principals as SCIM resources. See docs/reference/scim.md#resources.

use serde_json::{Map, Value, json};

use crate::domain::identities::{Entry, Member, ParentGroup, PrincipalKind};
use crate::domain::scim::{Sight, resource_type};

const USER_SCHEMAS: &[&str] =
    &["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:workspace:2.0:User"];
const SERVICE_PRINCIPAL_SCHEMAS: &[&str] = &["urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal"];
const GROUP_SCHEMAS: &[&str] = &["urn:ietf:params:scim:schemas:core:2.0:Group"];

/// Renders the attributes that the caller may see.
pub(super) fn resource(kind: PrincipalKind, entry: &Entry, sight: Sight) -> Map<String, Value> {
    let Entry { principal, assignment, groups, members } = entry;
    let values = |names: &[String]| names.iter().map(|name| json!({ "value": name })).collect::<Value>();
    let mut resource = Map::new();
    let mut put = |name: &str, value: Value| {
        if sight.includes(name) {
            resource.insert(name.to_owned(), value);
        }
    };
    put("id", principal.id.to_string().into());
    put("displayName", principal.display_name.as_str().into());
    put("entitlements", values(&assignment.entitlements));
    put("roles", values(&assignment.roles));
    put("groups", groups.iter().map(membership).collect());
    if let Some(external) = &principal.external_id {
        put("externalId", external.as_str().into());
    }
    if kind != PrincipalKind::Group {
        put("active", entry.is_active().into());
    }
    let schemas = match kind {
        PrincipalKind::User => {
            put("userName", principal.name.as_str().into());
            USER_SCHEMAS
        }
        PrincipalKind::ServicePrincipal => {
            put("applicationId", principal.name.as_str().into());
            SERVICE_PRINCIPAL_SCHEMAS
        }
        PrincipalKind::Group => {
            put("members", members.iter().map(member).collect());
            put("meta", json!({ "resourceType": resource_type(entry) }));
            GROUP_SCHEMAS
        }
    };
    if principal.kind == PrincipalKind::User {
        let attributes = &principal.attributes;
        put("emails", json!(attributes.emails));
        let name = [("givenName", &attributes.given_name), ("familyName", &attributes.family_name)];
        let name = name.into_iter().filter_map(|(key, part)| Some((key.to_owned(), part.as_deref()?.into())));
        let name: Map<String, Value> = name.collect();
        if !name.is_empty() {
            put("name", name.into());
        }
    }
    resource.insert("schemas".into(), json!(schemas));
    resource
}

fn membership(membership: &ParentGroup) -> Value {
    let kind = if membership.direct { "direct" } else { "indirect" };
    let reference = format!("Groups/{}", membership.group);
    json!({ "display": membership.name, "value": membership.group.to_string(), "type": kind, "$ref": reference })
}

/// Terraform recognizes the kind of a member by the beginning of `$ref`.
fn member(member: &Member) -> Value {
    let collection = match member.kind {
        PrincipalKind::User => "Users",
        PrincipalKind::ServicePrincipal => "ServicePrincipals",
        PrincipalKind::Group => "Groups",
    };
    let reference = format!("{collection}/{}", member.id);
    json!({ "display": member.display_name, "value": member.id.to_string(), "$ref": reference })
}
