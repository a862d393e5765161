//! The own API as an OpenAPI document, made from its route table.

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::reply::{Reply, ok};
use super::routes::{ROUTES, Route};

/// `GET /v1/openapi.json`
pub(super) async fn show() -> Reply {
    Ok(ok(&document()))
}

/// The OpenAPI 3.1 document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let operation = operation(route, &mut generator);
        let path = paths.entry(format!("/_mock{}", route.path)).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.as_str().to_lowercase(), operation);
        }
    }
    let mut schemas = generator.take_definitions(true);
    let problem = json!({
        "type": "object", "required": ["error"],
        "properties": { "error": { "type": "string", "description": "What is wrong, and what would be right." } },
    });
    schemas.insert("Problem".into(), problem);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "dapi-mock: own API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the real service has no call for. docs/own-api.md tells of each, with examples.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:3274" }],
        "security": [{}, { "controlKey": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "controlKey": {
                "type": "http", "scheme": "bearer", "description": "The key of --control-key, where there is one.",
            } },
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let in_path = route.parameters().map(|name| {
        let description = match name {
            "workspace" => "A workspace's id, or default.",
            "account" | "account_id" => "An account's UUID.",
            _ => "",
        };
        json!({ "name": name, "in": "path", "required": true, "description": description, "schema": { "type": "string" } })
    });
    let mut parameters: Vec<Value> = in_path.collect();
    if let Some(query) = route.query {
        parameters.extend(in_query(&query(generator)));
    }
    let answer = |description: &str| json!({ "description": description });
    let refused = json!({
        "description": "Refused: the sentence says why.",
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    let mut operation = json!({
        "operationId": route.operation,
        "summary": route.purpose,
        "parameters": parameters,
        "responses": { "2XX": answer("Done."), "4XX": refused },
    });
    if let (Some(body), Some(operation)) = (route.body, operation.as_object_mut()) {
        let schema = body(generator);
        let body = json!({ "content": { "application/json": { "schema": schema } } });
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
