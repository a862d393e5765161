//! The parts of an OpenAPI document, for both APIs.

use axum::http::Method;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

pub type Describe = fn(&mut SchemaGenerator) -> Schema;

/// Collects the schemas that a document refers to.
pub fn generator() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    settings.into_generator()
}

/// The operations of a document by path and method.
#[derive(Debug, Default)]
pub struct Paths(Map<String, Value>);

impl Paths {
    pub fn insert(&mut self, path: String, method: &Method, operation: Value) {
        let path = self.0.entry(path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(method.as_str().to_lowercase(), operation);
        }
    }
}

/// The names of a path's parameters, in order; the path is in axum's syntax.
pub fn names_in_path(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

pub fn in_path(name: &str, description: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "description": description, "schema": { "type": "string" } })
}

pub fn document(title: &str, description: &str, security: &Value, paths: &Paths, components: &Value) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": env!("CARGO_PKG_VERSION"),
            "description": description,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:3274" }],
        "security": security,
        "paths": paths.0,
        "components": components,
    })
}
