//! The commands that speak to a running server.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Map, Value, json};

use crate::config::{
    AuditArgs, CallArgs, CensusArgs, ClockArgs, ExplainArgs, FaultsArgs, FaultsCommand, MatchArgs, RequestsArgs,
    RunningArgs, VerifyArgs,
};
use crate::control::routes::{ROUTES, Route};
use crate::domain::fault::Match;
use crate::openapi::names_in_path;
use crate::own_client::{Failure, OwnClient};
use crate::run::say;

/// How often `--follow` looks.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(300);

fn client(running: &RunningArgs) -> OwnClient {
    OwnClient { port: running.port, key: running.control_key.as_ref().map(|key| key.0.clone()) }
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// Shows or moves a clock.
pub(crate) async fn clock(args: ClockArgs) -> Result<(), Failure> {
    let base = format!("workspaces/{}/clock", args.running.workspace);
    let advance = |key: &str, value: &String| Some((format!("{base}/advance"), json!({ key: value })));
    let change = match &args {
        ClockArgs { by: Some(by), .. } => advance("by", by),
        ClockArgs { to: Some(to), .. } => advance("to", to),
        ClockArgs { until: Some(until), .. } => advance("until", until),
        ClockArgs { freeze: true, .. } => Some((base.clone(), json!({ "mode": "frozen" }))),
        ClockArgs { run: true, .. } => Some((base.clone(), json!({ "mode": "offset" }))),
        _ => None,
    };
    let client = client(&args.running);
    let answer = match change {
        Some((path, body)) => client.ask(Method::POST, &path, Some(&body)).await?,
        None if args.upcoming => client.ask(Method::GET, &format!("{base}/upcoming"), None).await?,
        None => client.ask(Method::GET, &base, None).await?,
    };
    let answer: Value = serde_json::from_str(&answer.text)?;
    for event in answer.pointer("/events").and_then(Value::as_array).into_iter().flatten() {
        let what = [text(event, "/token_id"), text(event, "/key")].concat();
        say(&format!("{}  {}  {what}\n", text(event, "/at/rfc3339"), text(event, "/event")));
    }
    if answer.get("now").is_some() {
        say(&format!("{} ({})\n", text(&answer, "/now/rfc3339"), text(&answer, "/mode")));
    }
    Ok(())
}

/// Calls an operation of the own API: each has its name in the route table.
pub(crate) async fn call(args: CallArgs) -> Result<(), Failure> {
    let Some(name) = &args.operation else {
        for route in ROUTES {
            let parameters = positional(route).map(str::to_uppercase);
            let words: Vec<String> = std::iter::once(route.operation.to_owned()).chain(parameters).collect();
            say(&format!("{:<40} {}\n", words.join(" "), route.purpose));
        }
        return Ok(());
    };
    let route = ROUTES.iter().find(|route| route.operation == name);
    let route = route.ok_or_else(|| format!("there is no operation {name}; `dapi-mock call` lists them"))?;
    let wanted: Vec<&str> = positional(route).collect();
    if wanted.len() != args.parameters.len() {
        return Err(format!("{name} takes {} parameters: {}", wanted.len(), wanted.join(", ")).into());
    }
    let mut given = args.parameters.iter();
    let filled = route.path.split('/').map(|part| match part {
        "{workspace}" => percent_encoded(&args.running.workspace),
        part if part.starts_with('{') => given.next().map_or_else(String::new, |value| percent_encoded(value)),
        part => part.to_owned(),
    });
    let mut path = filled.collect::<Vec<_>>().join("/");
    let mut query = Vec::new();
    for pair in &args.query {
        let (key, value) = pair.split_once('=').ok_or_else(|| format!("'{pair}': use NAME=VALUE"))?;
        query.push([percent_encoded(key), percent_encoded(value)].join("="));
    }
    if !query.is_empty() {
        path = [path, query.join("&")].join("?");
    }
    let body = args.json.as_deref().map(serde_json::from_str::<Value>).transpose()?;
    let body = body.or_else(|| (route.method != Method::GET).then(|| json!({})));
    let path = path.trim_start_matches("/v1/");
    say(&client(&args.running).ask(route.method.clone(), path, body.as_ref()).await?.text);
    Ok(())
}

/// The parameters of a route's path that are given one by one; the workspace has its flag.
fn positional(route: &Route) -> impl Iterator<Item = &'static str> {
    names_in_path(route.path).filter(|name| *name != "workspace")
}

/// Writes the world as a seed.
pub(crate) async fn export(running: RunningArgs) -> Result<(), Failure> {
    say(&client(&running).ask(Method::GET, "seed", None).await?.text);
    Ok(())
}

/// Prints the certificate of the own CA.
pub(crate) async fn ca(running: RunningArgs) -> Result<(), Failure> {
    say(&client(&running).ask(Method::GET, "tls/ca.pem", None).await?.text);
    Ok(())
}

/// Says why a request was decided as it was.
pub(crate) async fn explain(args: ExplainArgs) -> Result<(), Failure> {
    let id = args.request_id.filter(|_| !args.last).unwrap_or_else(|| "last".to_owned());
    let answer = client(&args.running).ask(Method::GET, &format!("explain/{}", percent_encoded(&id)), None).await?;
    let answer: Value = serde_json::from_str(&answer.text)?;
    let status = answer.get("status").and_then(Value::as_i64).unwrap_or_default();
    say(&format!("{} {} -> {status}\n", text(&answer, "/method"), text(&answer, "/path")));
    for step in answer.pointer("/checks").and_then(Value::as_array).into_iter().flatten() {
        let mark = if step.get("passed") == Some(&Value::Bool(true)) { "ok" } else { "NO" };
        say(&format!("  {mark}  {:<24} {}\n", text(step, "/check"), text(step, "/because")));
    }
    for (name, key) in [("answered: ", "/message"), ("because:  ", "/because"), ("remedy:   ", "/remedy")] {
        if let Some(text) = answer.pointer(key).and_then(Value::as_str) {
            say(&format!("{name}{text}\n"));
        }
    }
    if answer.get("token").is_some() {
        let token = |key: &str| text(&answer, &format!("/token/{key}"));
        let used = Some(token("last_used")).filter(|used| !used.is_empty()).unwrap_or("never");
        say(&format!("token:    {} of {}, last used: {used}\n", token("token_id"), token("owner")));
        if token("state") != "live" {
            say(&format!("          ended at {}: {} ({})\n", token("ended_at"), token("state"), token("ended_by")));
        }
    }
    Ok(())
}

/// Shows, arms or clears faults.
pub(crate) async fn faults(args: FaultsArgs) -> Result<(), Failure> {
    let path = |running: &RunningArgs| format!("workspaces/{}/faults", running.workspace);
    let (method, path, body, running) = match args.command {
        None => (Method::GET, path(&args.running), None, args.running),
        Some(FaultsCommand::Clear(running)) => (Method::DELETE, path(&running), Some(json!({})), running),
        Some(FaultsCommand::Catalogue(running)) => (Method::GET, "faults/catalogue".to_owned(), None, running),
        Some(FaultsCommand::Arm(arm)) => {
            let MatchArgs { method, path: pattern, principal, token_id, client } = arm.requests;
            let requests = Match { method, path: pattern, principal, token_id, client };
            let body = json!({ "name": arm.name, "times": arm.times, "offset": arm.offset, "match": requests });
            (Method::POST, path(&arm.running), Some(body), arm.running)
        }
    };
    let answer = client(&running).ask(method, &path, body.as_ref()).await?;
    let answer: Value = serde_json::from_str(&answer.text)?;
    let one = Some(&answer).filter(|answer| answer.get("id").is_some());
    let faults = answer.pointer("/faults").and_then(Value::as_array);
    for fault in one.into_iter().chain(faults.into_iter().flatten()) {
        if fault.get("stands_for").is_some() {
            say(&format!("{:<26} {}\n", text(fault, "/name"), text(fault, "/stands_for")));
            continue;
        }
        let number = |key: &str| fault.get(key).and_then(Value::as_i64);
        let of = |key: &str| number(key).unwrap_or_default();
        let left = number("remaining").map_or("all".to_owned(), |left| left.to_string());
        let name = Some(text(fault, "/rule/name")).filter(|name| !name.is_empty()).unwrap_or("(own)");
        let about = fault.pointer("/rule/match").map(Value::to_string).unwrap_or_default();
        say(&format!("{}  {name}  {about}  seen {}, fired {}, left {left}\n", of("id"), of("seen"), of("fired")));
    }
    Ok(())
}

/// Prints the journal, and goes on when it is to follow.
pub(crate) async fn requests(args: RequestsArgs) -> Result<(), Failure> {
    let client = client(&args.running);
    let format = match args {
        RequestsArgs { curl: true, .. } => "curl",
        RequestsArgs { har: true, .. } => "har",
        _ => "json",
    };
    // Nothing changes by GET.
    let (method, action) = if args.consume { (Method::POST, "/consume") } else { (Method::GET, "") };
    let body = args.consume.then(|| json!({}));
    let mut base = format!("workspaces/{}/requests{action}?format={format}", args.running.workspace);
    for (name, value) in args.filter.given() {
        base.extend(["&", name, "=", &percent_encoded(value)]);
    }
    let mut since = 0;
    loop {
        let answer = client.ask(method.clone(), &format!("{base}&since={since}"), body.as_ref()).await?;
        if format != "json" {
            say(&answer.text);
            return Ok(());
        }
        let answer: Value = serde_json::from_str(&answer.text)?;
        for request in answer.pointer("/requests").and_then(Value::as_array).into_iter().flatten() {
            say(&request_line(request));
        }
        if !args.follow {
            return Ok(());
        }
        since = answer.get("next_since").and_then(Value::as_u64).unwrap_or(since);
        tokio::time::sleep(FOLLOW_INTERVAL).await;
    }
}

fn request_line(request: &Value) -> String {
    let status = request.get("status").and_then(Value::as_i64).unwrap_or_default();
    let of = |path: &str| Some(text(request, path)).filter(|text| !text.is_empty()).unwrap_or("-");
    let refused = Some(text(request, "/refused_by")).filter(|check| !check.is_empty());
    format!(
        "{}  {status}  {} {}  {} {}  {}  {}{}\n",
        of("/time"),
        of("/method"),
        of("/path"),
        of("/credential"),
        of("/principal"),
        of("/client/name"),
        of("/request_id"),
        refused.map_or_else(String::new, |check| format!("  NO {check}")),
    )
}

/// Asserts that requests came.
pub(crate) async fn verify(args: VerifyArgs) -> Result<(), Failure> {
    let wanted: Map<String, Value> =
        args.filter.given().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let mut body = json!({ "match": wanted });
    let counts = [("at_least", args.at_least), ("at_most", args.at_most), ("exactly", args.exactly)];
    for (name, count) in counts.into_iter().filter_map(|(name, count)| Some((name, count?))) {
        body.as_object_mut().map(|body| body.insert(name.to_owned(), count.into()));
    }
    let path = format!("workspaces/{}/requests/verify", args.running.workspace);
    let answer = client(&args.running).ask(Method::POST, &path, Some(&body)).await?;
    let answer: Value = serde_json::from_str(&answer.text)?;
    say(&format!("met: {}\n", answer.get("count").and_then(Value::as_i64).unwrap_or_default()));
    Ok(())
}

/// Prints who uses which credential with which client.
pub(crate) async fn census(args: CensusArgs) -> Result<(), Failure> {
    let path = format!("workspaces/{}/census?by={}", args.running.workspace, percent_encoded(&args.by));
    let answer: Value = serde_json::from_str(&client(&args.running).ask(Method::GET, &path, None).await?.text)?;
    for row in answer.pointer("/census").and_then(Value::as_array).into_iter().flatten() {
        let number = |key: &str| row.get(key).and_then(Value::as_i64).unwrap_or_default();
        let others = |key: &str| row.get(key).map(Value::to_string).unwrap_or_default();
        say(&format!(
            "{}  {} requests, {} refused, last {}  {} {}\n",
            text(row, "/name"),
            number("requests"),
            number("refused"),
            text(row, "/last"),
            others("credentials"),
            others(if args.by == "client" { "principals" } else { "clients" }),
        ));
    }
    Ok(())
}

/// Prints the audit log, and goes on when it is to follow.
pub(crate) async fn audit(args: AuditArgs) -> Result<(), Failure> {
    let client = client(&args.running);
    let mut after = "0".to_owned();
    loop {
        let filter = |key: &str, value: &Option<String>| {
            value.as_ref().map_or_else(String::new, |value| format!("&{key}={}", percent_encoded(value)))
        };
        let path = format!(
            "workspaces/{}/audit?shape={}&after={after}{}{}",
            args.running.workspace,
            args.shape.as_str(),
            filter("action", &args.action),
            filter("actor", &args.actor),
        );
        let answer = client.ask(Method::GET, &path, None).await?;
        say(&answer.text);
        let next =
            answer.headers.get("x-next-after").and_then(|value| value.to_str().ok()).unwrap_or(&after).to_owned();
        if next == after {
            if !args.follow {
                return Ok(());
            }
            tokio::time::sleep(FOLLOW_INTERVAL).await;
        }
        after = next;
    }
}

fn percent_encoded(text: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || b"-._~@".contains(&b);
    text.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
