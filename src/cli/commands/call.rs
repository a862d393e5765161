//! `call`: any operation of the control API, by its name in the route table.

use axum::http::Method;
use serde_json::{Value, json};

use super::client;
use crate::Failure;
use crate::cli::UsageError;
use crate::cli::progress::with_spinner;
use crate::cli::show::{Cell, Style, Table, print};
use crate::config::{CallArgs, RunningArgs};
use crate::control::route::Route;
use crate::control::routes::ROUTES;
use crate::web::openapi::names_in_path;
use crate::web::url::percent_encoded;

pub(crate) async fn call(args: CallArgs) -> Result<(), Failure> {
    let Some(name) = &args.operation else { return list_operations(&args.running) };
    let route = ROUTES.iter().find(|route| route.operation == name);
    let route = route.ok_or_else(|| UsageError(format!("unknown operation '{name}': `dapi-mock call` lists them")))?;
    let path = path(route, &args)?;
    let body = args.json.or_else(|| (route.method != Method::GET).then(|| json!({})));
    let client = client(&args.running)?;
    let answer = with_spinner(client.call(route.method.clone(), &path, body.as_ref())).await?;
    match serde_json::from_str::<Value>(&answer.text) {
        Ok(value) if !args.running.output.output.is_json() => Ok(print(&format!("{value:#}\n"))?),
        // Some operations return CSV or PEM.
        _ => Ok(print(&answer.text)?),
    }
}

/// Fills in the parameters and the query.
fn path(route: &Route, args: &CallArgs) -> Result<String, UsageError> {
    let expected: Vec<String> = parameters(route).map(str::to_uppercase).collect();
    if expected.len() != args.parameters.len() {
        let name = route.operation;
        return Err(UsageError(match expected.len() {
            0 => format!("{name} takes no parameters"),
            _ => format!("{name} takes these parameters, in order: {}", expected.join(" ")),
        }));
    }
    let mut given = args.parameters.iter();
    let segments = route.path.trim_start_matches("/v1/").split('/').map(|segment| match segment {
        "{workspace}" => percent_encoded(&args.running.workspace),
        name if name.starts_with('{') => given.next().map_or_else(String::new, |value| percent_encoded(value)),
        literal => literal.to_owned(),
    });
    let path = segments.collect::<Vec<_>>().join("/");
    let pairs = args.query.iter().map(|(key, value)| [percent_encoded(key), percent_encoded(value)].join("="));
    let query = pairs.collect::<Vec<_>>().join("&");
    Ok(if query.is_empty() { path } else { [path, query].join("?") })
}

fn list_operations(running: &RunningArgs) -> Result<(), Failure> {
    if running.output.output.is_json() {
        let operation = |route: &Route| {
            json!({
                "operation": route.operation, "parameters": parameters(route).collect::<Vec<_>>(),
                "method": route.method.as_str(), "path": format!("/_mock{}", route.path), "purpose": route.purpose,
            })
        };
        let operations: Vec<Value> = ROUTES.iter().map(operation).collect();
        return Ok(print(&format!("{}\n", json!({ "operations": operations })))?);
    }
    let usage = |route: &Route| {
        let words = std::iter::once(route.operation.to_owned()).chain(parameters(route).map(str::to_uppercase));
        words.collect::<Vec<_>>().join(" ")
    };
    let rows: Vec<[Cell; 2]> = ROUTES.iter().map(|route| [usage(route).into(), route.purpose.into()]).collect();
    Ok(print(&Table::new(Style::of_stdout(), ["OPERATION", "WHAT IT DOES"]).lines(&rows))?)
}

/// The parameters of a route's path, except the workspace, which has a flag.
fn parameters(route: &Route) -> impl Iterator<Item = &'static str> {
    names_in_path(route.path).filter(|name| *name != "workspace")
}
