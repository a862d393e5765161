//! The control API as an OpenAPI document, made from its route table.

use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::route::Route;
use crate::web::openapi::{self, Paths, in_path, names_in_path};

/// The OpenAPI 3.1 document.
pub fn document(routes: &[Route]) -> Value {
    let mut generator = openapi::generator();
    let mut paths = Paths::default();
    for route in routes {
        paths.insert(format!("/_mock{}", route.path), &route.method, operation(route, &mut generator));
    }
    let mut schemas = generator.take_definitions(true);
    let error = json!({
        "type": "object", "required": ["error"],
        "properties": { "error": { "type": "string", "description": "What is wrong, then what to do." } },
    });
    schemas.insert("Error".into(), error);
    let components = json!({
        "schemas": schemas,
        "securitySchemes": { "controlKey": {
            "type": "http", "scheme": "bearer", "description": "The key of --control-key, if the server has one.",
        } },
    });
    let description =
        "Whatever the real service has no call for. docs/control-api.md describes each route, with examples.";
    openapi::document("dapi-mock: control API", description, &json!([{}, { "controlKey": [] }]), &paths, &components)
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let described = names_in_path(route.path).map(|name| {
        let description = match name {
            "workspace" => "The id of a workspace, a name that only one workspace has, or `default`.",
            "account" | "account_id" => "The UUID of an account.",
            _ => "",
        };
        in_path(name, description)
    });
    let mut parameters: Vec<Value> = described.collect();
    if let Some(query) = route.query {
        parameters.extend(in_query(&query(generator)));
    }
    let refused = json!({
        "description": "Refused. `error` says why.",
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
    });
    let mut operation = json!({
        "operationId": route.operation,
        "summary": route.purpose,
        "parameters": parameters,
        "responses": { "2XX": { "description": "Done." }, "4XX": refused },
    });
    if let (Some(body), Some(operation)) = (route.body, operation.as_object_mut()) {
        let body = json!({ "content": { "application/json": { "schema": body(generator) } } });
        operation.insert("requestBody".into(), body);
    }
    operation
}

/// The members of a query's schema as parameters.
fn in_query(schema: &Schema) -> Vec<Value> {
    let required: Vec<&Value> = schema.get("required").and_then(Value::as_array).into_iter().flatten().collect();
    let members = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let parameter = |(name, schema): (&String, &Value)| {
        let required = required.iter().any(|known| known.as_str() == Some(name));
        json!({ "name": name, "in": "query", "required": required, "schema": schema })
    };
    members.map(parameter).collect()
}
