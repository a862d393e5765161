//! `requests`, `verify` and `census`: what the request journal of a workspace holds.

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::{FOLLOW_INTERVAL, client, ignore_broken_pipe, items, number, or, parse, print_json, text, workspace_path};
use crate::Failure;
use crate::cli::show::{Cell, Style, Table, Tone, cell, print};
use crate::config::{CensusArgs, CensusBy, RequestsArgs, VerifyArgs, name_of};
use crate::web::url::percent_encoded;

const HEADS: [&str; 9] =
    ["TIME", "STATUS", "METHOD", "PATH", "CREDENTIAL", "PRINCIPAL", "CLIENT", "REQUEST ID", "REFUSED BY"];

pub(crate) async fn requests(args: RequestsArgs) -> Result<(), Failure> {
    ignore_broken_pipe(print_requests(args).await)
}

async fn print_requests(args: RequestsArgs) -> Result<(), Failure> {
    let client = client(&args.running)?;
    let format = match args {
        RequestsArgs { curl: true, .. } => "curl",
        RequestsArgs { har: true, .. } => "har",
        _ => "json",
    };
    // GET changes nothing.
    let (method, action) = if args.consume { (Method::POST, "/consume") } else { (Method::GET, "") };
    let body = args.consume.then(|| json!({}));
    let mut base = workspace_path(&args.running, &format!("requests{action}?format={format}"));
    let filter = args.filter.given();
    for (name, value) in &filter {
        base.extend(["&", *name, "=", &percent_encoded(value)]);
    }
    let is_json = args.running.output.output.is_json();
    let mut table = Table::new(Style::of_stdout(), HEADS);
    let mut since = 0;
    loop {
        let answer = client.call(method.clone(), &format!("{base}&since={since}"), body.as_ref()).await?;
        if format != "json" {
            return Ok(print(&answer.text)?);
        }
        if is_json && !args.follow {
            return print_json(&answer);
        }
        let answer = parse(&answer)?;
        let requests = items(&answer, "/requests");
        let lines = if is_json {
            requests.iter().flat_map(|request| [request.to_string(), "\n".to_owned()]).collect()
        } else {
            table.lines(&requests.iter().map(request_row).collect::<Vec<_>>())
        };
        print(&lines)?;
        if !args.follow {
            let none = if filter.is_empty() { "no requests yet\n" } else { "no matching requests yet\n" };
            return if requests.is_empty() { Ok(print(none)?) } else { Ok(()) };
        }
        since = answer.get("next_since").and_then(Value::as_u64).unwrap_or(since);
        tokio::time::sleep(FOLLOW_INTERVAL).await;
    }
}

fn request_row(request: &Value) -> [Cell; 9] {
    let status = number(request, "/status");
    let tone = match status {
        200..=299 => Tone::Good,
        300..=399 => Tone::Plain,
        _ => Tone::Bad,
    };
    let field = |path: &str| Cell::from(or(text(request, path), "-"));
    let refused_by = Some(text(request, "/refused_by")).filter(|check| !check.is_empty());
    [
        cell(Tone::Quiet, text(request, "/time")),
        cell(tone, status.to_string()),
        field("/method"),
        field("/path"),
        field("/credential"),
        field("/principal"),
        field("/client/name"),
        field("/request_id"),
        cell(Tone::Bad, refused_by.map_or_else(String::new, |check| format!("NO {check}"))),
    ]
}

pub(crate) async fn verify(args: VerifyArgs) -> Result<(), Failure> {
    let filter: Map<String, Value> =
        args.filter.given().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let mut body = Map::from_iter([("match".to_owned(), filter.into())]);
    let counts = [("at_least", args.at_least), ("at_most", args.at_most), ("exactly", args.exactly)];
    body.extend(counts.into_iter().filter_map(|(name, count)| Some((name.to_owned(), count?.into()))));
    let body = Value::from(body);
    let client = client(&args.running)?;
    let path = workspace_path(&args.running, "requests/verify");
    if args.running.output.output.is_json() {
        // If the expectation fails, the answer says which requests came instead: programs also need that.
        let answer = client.send(Method::POST, &format!("/_mock/v1/{path}"), Some(&body)).await?;
        print_json(&answer)?;
        return if answer.status.is_success() { Ok(()) } else { Err(text(&parse(&answer)?, "/error").into()) };
    }
    let answer = parse(&client.call(Method::POST, &path, Some(&body)).await?)?;
    let count = number(&answer, "/count");
    Ok(print(&format!("{count} {}\n", if count == 1 { "request matches" } else { "requests match" }))?)
}

pub(crate) async fn census(args: CensusArgs) -> Result<(), Failure> {
    let path = workspace_path(&args.running, &format!("census?by={}", name_of(&args.by)));
    let answer = client(&args.running)?.call(Method::GET, &path, None).await?;
    if args.running.output.output.is_json() {
        return print_json(&answer);
    }
    let answer = parse(&answer)?;
    let rows = items(&answer, "/census");
    if rows.is_empty() {
        return Ok(print("no requests yet\n")?);
    }
    let (head, others) = match args.by {
        CensusBy::Client => ("PRINCIPALS", "/principals"),
        _ => ("CLIENTS", "/clients"),
    };
    let row = |row: &Value| -> [Cell; 6] {
        let list = |path: &str| items(row, path).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
        [
            or(text(row, "/name"), "-").into(),
            format!("{} requests", number(row, "/requests")).into(),
            format!("{} refused", number(row, "/refused")).into(),
            format!("last {}", text(row, "/last")).into(),
            list("/credentials").into(),
            list(others).into(),
        ]
    };
    let heads = ["NAME", "REQUESTS", "REFUSED", "LAST", "CREDENTIALS", head];
    Ok(print(&Table::new(Style::of_stdout(), heads).lines(&rows.iter().map(row).collect::<Vec<_>>()))?)
}
