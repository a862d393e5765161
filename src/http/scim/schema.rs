//! JSON Schemas of SCIM's resources, written by hand: the resources are maps, because the query and the caller's rights
//! decide which members they have.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// Defines a type for each schema, with its name.
macro_rules! schemas {
    ($($(#[$doc:meta])* $type:ident: $schema:expr;)*) => {
        $($(#[$doc])*
        #[derive(Debug)]
        pub struct $type;

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let schema: fn(&mut SchemaGenerator) -> Schema = $schema;
                schema(generator)
            }
        })*
    };
}

schemas! {
    /// A value of a list: an entitlement, a role, an email address.
    ScimValue: |_| json_schema!({
        "type": "object",
        "properties": { "value": { "type": "string" }, "type": { "type": "string" }, "primary": { "type": "boolean" },
            "display": { "type": "string" } },
    });

    /// A member of a group, or a group of a principal. `$ref` is a collection's name, a slash and an id.
    ScimReference: |_| json_schema!({
        "type": "object",
        "required": ["value"],
        "properties": { "value": { "type": "string" }, "display": { "type": "string" },
            "type": { "type": "string" }, "$ref": { "type": "string" } },
    });

    /// A user.
    ScimUser: |generator| resource("User", &json!({
        "userName": { "type": "string" }, "active": { "type": "boolean" },
        "name": { "type": "object", "properties": {
            "givenName": { "type": "string" }, "familyName": { "type": "string" } } },
        "emails": list_of::<ScimValue>(generator),
    }), generator);

    /// A service principal.
    ScimServicePrincipal: |generator| resource("ServicePrincipal", &json!({
        "applicationId": { "type": "string" }, "active": { "type": "boolean" },
    }), generator);

    /// A group.
    ScimGroup: |generator| resource("Group", &json!({
        "members": list_of::<ScimReference>(generator),
        "meta": { "type": "object", "properties": { "resourceType": { "type": "string" } } },
    }), generator);

    /// A page of users.
    ScimUsers: |generator| page::<ScimUser>(generator);

    /// A page of service principals.
    ScimServicePrincipals: |generator| page::<ScimServicePrincipal>(generator);

    /// A page of groups.
    ScimGroups: |generator| page::<ScimGroup>(generator);

    /// A new user. Unknown members and null are ignored.
    NewScimUser: |generator| json_schema!({
        "type": "object",
        "properties": {
            "userName": { "type": "string" }, "displayName": { "type": "string" }, "active": { "type": "boolean" },
            "externalId": { "type": "string" }, "entitlements": list_of::<ScimValue>(generator),
            "roles": list_of::<ScimValue>(generator), "emails": list_of::<ScimValue>(generator),
            "name": { "type": "object", "properties": {
                "givenName": { "type": "string" }, "familyName": { "type": "string" } } },
        },
    });

    /// A new service principal. Unknown members and null are ignored.
    NewScimServicePrincipal: |generator| json_schema!({
        "type": "object",
        "properties": {
            "applicationId": { "type": "string" }, "displayName": { "type": "string" },
            "active": { "type": "boolean" }, "externalId": { "type": "string" },
            "entitlements": list_of::<ScimValue>(generator), "roles": list_of::<ScimValue>(generator),
        },
    });

    /// A new group. Unknown members and null are ignored.
    NewScimGroup: |generator| json_schema!({
        "type": "object",
        "properties": {
            "displayName": { "type": "string" }, "externalId": { "type": "string" },
            "entitlements": list_of::<ScimValue>(generator), "roles": list_of::<ScimValue>(generator),
            "members": list_of::<ScimReference>(generator),
        },
    });

    /// Changes to a resource (RFC 7644, section 3.5.2).
    ScimPatch: |_| json_schema!({
        "type": "object",
        "properties": {
            "schemas": { "type": "array", "items": { "type": "string" } },
            "Operations": { "type": "array", "items": {
                "type": "object",
                "required": ["op"],
                "properties": {
                    "op": { "type": "string", "enum": ["add", "remove", "replace"] },
                    "path": { "type": "string" },
                    "value": {},
                },
            } },
        },
    });
}

fn list_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Vec<T>>()
}

/// Only `schemas` is always there, because queries choose the members.
fn resource(name: &str, members: &Value, generator: &mut SchemaGenerator) -> Schema {
    let mut schema = json_schema!({
        "type": "object",
        "description": format!("A {name}. It has the members that the query requests and the caller may see."),
        "required": ["schemas"],
        "properties": {
            "schemas": { "type": "array", "items": { "type": "string" } },
            "id": { "type": "string" },
            "displayName": { "type": "string" },
            "externalId": { "type": "string" },
            "entitlements": list_of::<ScimValue>(generator),
            "roles": list_of::<ScimValue>(generator),
            "groups": list_of::<ScimReference>(generator),
        },
    });
    if let (Some(known), Some(members)) =
        (schema.get_mut("properties").and_then(Value::as_object_mut), members.as_object())
    {
        known.extend(members.clone());
    }
    schema
}

fn page<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let count = json!({ "type": "integer", "format": "int64" });
    json_schema!({
        "type": "object",
        "required": ["schemas", "totalResults", "startIndex", "itemsPerPage", "Resources"],
        "properties": {
            "schemas": { "type": "array", "items": { "type": "string" } },
            "totalResults": count, "startIndex": count, "itemsPerPage": count,
            "Resources": list_of::<T>(generator),
        },
    })
}
