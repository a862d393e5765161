//! The OpenAPI document of the emulated API, made from the route table.

use std::collections::HashSet;

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::route::{Answer, Envelope, Parameter, RequestBody, Role, Route};
use super::routes::ROUTES;
use crate::domain::authorize::Right;
use crate::web::openapi::{self, Paths, in_path, names_in_path};

pub fn document() -> Value {
    let mut generator = openapi::generator();
    let mut paths = Paths::default();
    let mut names = HashSet::new();
    for route in ROUTES.iter() {
        // Some operations have two addresses, and names in a document are unique.
        let alias = if names.insert(route.operation) { "" } else { ".alias" };
        let operation = operation(route, &format!("{}{alias}", route.operation), &mut generator);
        paths.insert(route.path.to_owned(), &route.method, operation);
    }
    let mut schemas = generator.take_definitions(true);
    schemas.extend(envelopes());
    let components = json!({
        "schemas": schemas,
        "responses": refusals(),
        "securitySchemes": { "token": {
            "type": "http", "scheme": "bearer", "description": "A personal access token or an OAuth access token.",
        } },
    });
    let description = "The part of the Databricks API that dapi-mock emulates. Bodies are read whatever their \
        Content-Type; unknown members and parameters are ignored. docs/compatibility.md says how faithful each \
        operation is. Armed faults may answer with any status.";
    openapi::document("dapi-mock: emulated API", description, &json!([{ "token": [] }]), &paths, &components)
}

fn operation(route: &Route, name: &str, generator: &mut SchemaGenerator) -> Value {
    let described = names_in_path(route.path).map(|name| in_path(name, purpose_of(name)));
    let parameters: Vec<Value> = described.chain(route.parameters.iter().map(in_query)).collect();
    let mut operation = json!({
        "operationId": name,
        "summary": format!("{}; {}", route.level, without_links(route.evidence)),
        "parameters": parameters,
        "responses": responses(route, generator),
    });
    if let Some(operation) = operation.as_object_mut() {
        if let Some(body) = &route.body {
            let (media_type, schema) = match body {
                RequestBody::Json(schema) => ("application/json", schema(generator).into()),
                RequestBody::Form(members) => ("application/x-www-form-urlencoded", form(members)),
            };
            operation.insert("requestBody".into(), json!({ "content": { media_type: { "schema": schema } } }));
        }
        if route.demand.right == Right::Open {
            operation.insert("security".into(), json!([]));
        }
    }
    operation
}

/// Links of the evidence are relative to `docs/`, where this document may not be.
fn without_links(evidence: &str) -> String {
    let mut parts = evidence.split("](");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let text = match text.rsplit_once('[') {
            Some((before, name)) => format!("{before}{name}"),
            None => text,
        };
        format!("{text}{}", part.split_once(')').map_or("", |(_, rest)| rest))
    })
}

fn in_query(parameter: &Parameter) -> Value {
    let Parameter { name, required, .. } = parameter;
    json!({ "name": name, "in": "query", "required": required, "schema": parameter.schema() })
}

fn form(members: &[Parameter]) -> Value {
    let properties: Map<String, Value> =
        members.iter().map(|member| (member.name.to_owned(), member.schema())).collect();
    let required: Vec<&str> = members.iter().filter(|member| member.required).map(|member| member.name).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

fn purpose_of(name: &str) -> &'static str {
    match name {
        "account_id" => "The account's UUID.",
        "id" | "sp_id" | "principal_id" => "The principal's number, as in SCIM.",
        "workspace_id" => "The workspace's number.",
        "token_id" => "The token's id (not its value).",
        "secret_id" => "The secret's id.",
        _ => "",
    }
}

/// The statuses of a route: its success, and the refusals of its kind of routes.
fn responses(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    let redirect = json!({ "description": "Back to the client.", "headers": { "Location": {
        "required": true, "schema": { "type": "string" } } } });
    let page =
        json!({ "description": "A page for people.", "content": { "text/html": { "schema": { "type": "string" } } } });
    match route.answer {
        Answer::Json(status, schema) => {
            let content = json!({ "application/json": { "schema": schema(generator) } });
            responses.insert(status.to_string(), json!({ "description": "Done.", "content": content }));
        }
        Answer::Nothing => drop(responses.insert("204".into(), json!({ "description": "Done." }))),
        Answer::Page => {
            responses.insert("200".into(), page);
            responses.insert("302".into(), redirect);
        }
    }
    let envelope = match route.envelope {
        Envelope::Rest => "Refused",
        Envelope::Scim => "ScimRefused",
        Envelope::OAuth => "OAuthRefused",
        Envelope::Page => "PageRefused",
    };
    let refused: &[u16] = match (route.role, route.envelope) {
        (Role::Discovery | Role::Health, Envelope::Rest) => &[],
        _ => &[400, 401, 403, 404],
    };
    let with_body: &[u16] = if route.body.is_some() { &[408, 409, 413] } else { &[] };
    let with_etag: &[u16] = if route.method == "DELETE" { &[409] } else { &[] };
    for status in refused.iter().chain(with_body).chain(with_etag).chain(&[503]) {
        responses.insert(status.to_string(), json!({ "$ref": format!("#/components/responses/{envelope}") }));
    }
    responses.into()
}

/// The envelopes of refusals, by name.
fn envelopes() -> Map<String, Value> {
    let text = json!({ "type": "string" });
    let envelopes = json!({
        "Error": {
            "type": "object", "required": ["error_code", "message"],
            "properties": {
                "error_code": { "anyOf": [text, { "type": "integer" }],
                    "description": "A name; a number if authentication failed." },
                "message": text,
                "details": { "type": "array", "items": { "type": "object" } },
            },
        },
        "ScimError": {
            "type": "object", "required": ["schemas", "detail", "status"],
            "properties": {
                "schemas": { "type": "array", "items": text }, "detail": text, "status": text, "scimType": text,
            },
        },
        "OAuthError": {
            "type": "object", "required": ["error", "error_description"],
            "properties": { "error": text, "error_description": text },
        },
    });
    match envelopes {
        Value::Object(envelopes) => envelopes,
        _ => Map::new(),
    }
}

fn refusals() -> Value {
    let schema = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let refused = |content: Value| json!({ "description": "Refused.", "content": content });
    json!({
        "Refused": refused(json!({ "application/json": { "schema": schema("Error") } })),
        "ScimRefused": refused(json!({
            "application/scim+json": { "schema": schema("ScimError") },
            "application/json": { "schema": schema("Error") },
        })),
        "OAuthRefused": refused(json!({
            "application/json": { "schema": { "anyOf": [schema("OAuthError"), schema("Error")] } },
        })),
        "PageRefused": refused(json!({ "text/html": { "schema": { "type": "string" } } })),
    })
}
