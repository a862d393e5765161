//! The commands that speak to a running server: what they ask the control API, and how they show the answer.

use std::error::Error;
use std::time::Duration;
use std::{fmt, io};

use axum::http::Method;
use serde_json::{Map, Value, json};

use crate::Failure;
use crate::cli::client::{Answer, ControlClient};
use crate::cli::progress::with_spinner;
use crate::cli::show::{Cell, Look, Table, Tone, cell, plain, show, warn};
use crate::config::{
    AuditArgs, CaArgs, CallArgs, CensusArgs, CensusBy, ClockArgs, ExplainArgs, ExportArgs, FaultsArgs, FaultsCommand,
    MatchArgs, RequestsArgs, RunningArgs, VerifyArgs, name_of,
};
use crate::control::route::Route;
use crate::control::routes::ROUTES;
use crate::domain::faults::Match;
use crate::web::openapi::names_in_path;
use crate::web::url::percent_encoded;

/// How often `--follow` looks.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(300);

/// The command line asks for what there is not.
#[derive(Debug)]
pub(crate) struct Usage(String);

impl Usage {
    pub(crate) fn new(sentence: String) -> Self {
        Self(sentence)
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Usage {}

fn client(running: &RunningArgs) -> Result<ControlClient, Failure> {
    ControlClient::of(&running.server, running.control_key.as_ref())
}

/// A path below the workspace of the command.
fn below(running: &RunningArgs, rest: &str) -> String {
    format!("workspaces/{}/{rest}", percent_encoded(&running.workspace))
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, path: &str) -> i64 {
    value.pointer(path).and_then(Value::as_i64).unwrap_or_default()
}

fn items<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    value.pointer(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn read(answer: &Answer) -> Result<Value, Failure> {
    serde_json::from_str(&answer.text).map_err(|error| format!("the server's answer is not JSON: {error}").into())
}

/// Prints an answer as it came, on one line.
fn show_json(answer: &Answer) -> Result<(), Failure> {
    Ok(show(&format!("{}\n", answer.text.trim_end()))?)
}

/// Nobody reads any more, as behind `| head`: no failure, but no reason to go on.
fn until_nobody_reads(result: Result<(), Failure>) -> Result<(), Failure> {
    match result {
        Err(failure) if failure.downcast_ref().map(io::Error::kind) == Some(io::ErrorKind::BrokenPipe) => Ok(()),
        result => result,
    }
}

/// Shows or moves a clock.
pub(crate) async fn clock(args: ClockArgs) -> Result<(), Failure> {
    let base = below(&args.running, "clock");
    let advance = |key: &str, value: &String| Some((format!("{base}/advance"), json!({ key: value })));
    let change = match &args {
        ClockArgs { by: Some(by), .. } => advance("by", by),
        ClockArgs { to: Some(to), .. } => advance("to", to),
        ClockArgs { until: Some(until), .. } => advance("until", until),
        ClockArgs { freeze: true, .. } => Some((base.clone(), json!({ "mode": "frozen" }))),
        ClockArgs { run: true, .. } => Some((base.clone(), json!({ "mode": "offset" }))),
        _ => None,
    };
    let client = client(&args.running)?;
    let answer = match change {
        Some((path, body)) => with_spinner(client.ask(Method::POST, &path, Some(&body))).await?,
        None if args.upcoming => client.ask(Method::GET, &format!("{base}/upcoming"), None).await?,
        None => client.ask(Method::GET, &base, None).await?,
    };
    let found = read(&answer)?;
    for warning in items(&found, "/warnings") {
        warn(warning.as_str().unwrap_or_default());
    }
    if args.running.output.output.is_json() {
        return show_json(&answer);
    }
    let events = items(&found, "/events");
    let rows: Vec<[Cell; 5]> = events.iter().map(event_row).collect();
    let mut out = Table::new(Look::of_stdout(), ["AT", "EVENT", "TOKEN OR KEY", "OWNER", "COMMENT"]).lines(&rows);
    if args.upcoming && events.is_empty() {
        out.push_str("no upcoming events\n");
    }
    if found.get("now").is_some() {
        out.extend([text(&found, "/now/rfc3339"), " (", text(&found, "/mode"), ")\n"]);
    }
    Ok(show(&out)?)
}

fn event_row(event: &Value) -> [Cell; 5] {
    let what = [text(event, "/token_id"), text(event, "/key")].concat();
    let tone = if text(event, "/event") == "token.auto_revoked" { Tone::Bad } else { Tone::Plain };
    let of_token = event.get("token_id").is_some();
    let owner = Some(text(event, "/owner")).filter(|owner| !owner.is_empty() || !of_token).unwrap_or("deleted owner");
    let (at, kind) = (text(event, "/at/rfc3339"), text(event, "/event"));
    [at.into(), cell(tone, kind), what.into(), owner.into(), text(event, "/comment").into()]
}

/// Calls an operation of the control API: each has its name in the route table.
pub(crate) async fn call(args: CallArgs) -> Result<(), Failure> {
    let Some(name) = &args.operation else { return list_operations(&args.running) };
    let route = ROUTES.iter().find(|route| route.operation == name);
    let route = route.ok_or_else(|| Usage(format!("unknown operation '{name}': `dapi-mock call` lists them")))?;
    let expected: Vec<&str> = positional(route).collect();
    if expected.len() != args.parameters.len() {
        let names = expected.iter().map(|name| name.to_uppercase()).collect::<Vec<_>>().join(" ");
        let sentence = match expected.len() {
            0 => format!("{name} takes no parameters"),
            _ => format!("{name} takes these parameters, in order: {names}"),
        };
        return Err(Usage(sentence).into());
    }
    let mut given = args.parameters.iter();
    let filled = route.path.split('/').map(|part| match part {
        "{workspace}" => percent_encoded(&args.running.workspace),
        part if part.starts_with('{') => given.next().map_or_else(String::new, |value| percent_encoded(value)),
        part => part.to_owned(),
    });
    let mut path = filled.collect::<Vec<_>>().join("/");
    let pairs = args.query.iter().map(|(key, value)| [percent_encoded(key), percent_encoded(value)].join("="));
    let query: Vec<String> = pairs.collect();
    if !query.is_empty() {
        path = [path, query.join("&")].join("?");
    }
    let body = args.json.or_else(|| (route.method != Method::GET).then(|| json!({})));
    let path = path.trim_start_matches("/v1/");
    let client = client(&args.running)?;
    let answer = with_spinner(client.ask(route.method.clone(), path, body.as_ref())).await?;
    // For people JSON is laid out; what is not JSON, such as CSV, is shown as it came.
    match serde_json::from_str::<Value>(&answer.text) {
        Ok(value) if !args.running.output.output.is_json() => Ok(show(&format!("{value:#}\n"))?),
        _ => Ok(show(&answer.text)?),
    }
}

fn list_operations(running: &RunningArgs) -> Result<(), Failure> {
    let words = |route: &Route| -> Vec<String> {
        std::iter::once(route.operation.to_owned()).chain(positional(route).map(str::to_uppercase)).collect()
    };
    if running.output.output.is_json() {
        let one = |route: &Route| {
            json!({
                "operation": route.operation, "parameters": positional(route).collect::<Vec<_>>(),
                "method": route.method.as_str(), "path": format!("/_mock{}", route.path), "purpose": route.purpose,
            })
        };
        return Ok(show(&format!("{}\n", json!({ "operations": ROUTES.iter().map(one).collect::<Vec<_>>() })))?);
    }
    let rows: Vec<[Cell; 2]> =
        ROUTES.iter().map(|route| [words(route).join(" ").into(), route.purpose.into()]).collect();
    Ok(show(&Table::new(Look::of_stdout(), ["OPERATION", "WHAT IT DOES"]).lines(&rows))?)
}

/// The parameters of a route's path that are given one by one; the workspace has its flag.
fn positional(route: &Route) -> impl Iterator<Item = &'static str> {
    names_in_path(route.path).filter(|name| *name != "workspace")
}

/// Writes the world as a seed.
pub(crate) async fn export(args: ExportArgs) -> Result<(), Failure> {
    let answer = client(&args.running)?.ask(Method::GET, "seed", None).await?;
    if args.running.output.output.is_json() {
        let seed: Value = serde_saphyr::from_str(&answer.text)?;
        return Ok(show(&format!("{seed}\n"))?);
    }
    Ok(show(&answer.text)?)
}

/// Prints the certificate of the server's CA.
pub(crate) async fn ca(args: CaArgs) -> Result<(), Failure> {
    let answer = client(&args.running)?.ask(Method::GET, "tls/ca.pem", None).await?;
    if args.running.output.output.is_json() {
        return Ok(show(&format!("{}\n", json!({ "certificate": answer.text })))?);
    }
    Ok(show(&answer.text)?)
}

/// Says why a request was decided as it was.
pub(crate) async fn explain(args: ExplainArgs) -> Result<(), Failure> {
    let id = args.request_id.unwrap_or_else(|| "last".to_owned());
    let answer = client(&args.running)?.ask(Method::GET, &format!("explain/{}", percent_encoded(&id)), None).await?;
    if args.running.output.output.is_json() {
        return show_json(&answer);
    }
    let answer = read(&answer)?;
    let look = Look::of_stdout();
    let of = |path: &str| plain(text(&answer, path));
    let mut out = format!("{} {} -> {}\n", of("/method"), of("/path"), number(&answer, "/status"));
    for step in items(&answer, "/checks") {
        let passed = step.get("passed") == Some(&Value::Bool(true));
        let mark = if passed { look.paint(Tone::Good, "ok") } else { look.paint(Tone::Bad, "NO") };
        let line = format!("{:<24} {}", plain(text(step, "/check")), plain(text(step, "/because")));
        out.extend(["  ", &mark, "  ", line.trim_end(), "\n"]);
    }
    for (name, path) in [("answered:", "/message"), ("because: ", "/because"), ("remedy:  ", "/remedy")] {
        if answer.pointer(path).is_some_and(Value::is_string) {
            out.extend([look.paint(Tone::Heading, name), " ".to_owned(), of(path), "\n".to_owned()]);
        }
    }
    if answer.get("token").is_some() {
        let token = |key: &str| of(&format!("/token/{key}"));
        let used = Some(token("last_used")).filter(|used| !used.is_empty()).unwrap_or_else(|| "never".to_owned());
        let owner =
            Some(token("owner")).filter(|owner| !owner.is_empty()).unwrap_or_else(|| "a deleted owner".to_owned());
        let head = look.paint(Tone::Heading, "token:   ");
        out.extend([head, format!(" {} of {owner}, last used: {used}\n", token("token_id"))]);
        if token("state") != "live" {
            let (at, state, by) = (token("ended_at"), token("state"), token("ended_by"));
            out.extend([format!("          ended at {at}: {state} ({by})\n")]);
        }
    }
    Ok(show(&out)?)
}

/// Shows, arms or clears faults.
pub(crate) async fn faults(args: FaultsArgs) -> Result<(), Failure> {
    let path = |running: &RunningArgs| below(running, "faults");
    let (method, path, body, running, when_none) = match args.command {
        None => (Method::GET, path(&args.running), None, args.running, "no faults are armed"),
        Some(FaultsCommand::Clear(running)) => {
            (Method::DELETE, path(&running), Some(json!({})), running, "all faults cleared")
        }
        Some(FaultsCommand::Catalogue(running)) => (Method::GET, "faults/catalogue".to_owned(), None, running, ""),
        Some(FaultsCommand::Arm(arm)) => {
            let MatchArgs { method, path: pattern, principal, token_id, client } = arm.requests;
            let requests = Match { method, path: pattern, principal, token_id, client };
            let body = json!({ "name": arm.name, "times": arm.times, "offset": arm.offset, "match": requests });
            (Method::POST, path(&arm.running), Some(body), arm.running, "")
        }
    };
    let answer = client(&running)?.ask(method, &path, body.as_ref()).await?;
    if running.output.output.is_json() {
        return show_json(&answer);
    }
    let answer = read(&answer)?;
    let one = Some(&answer).filter(|answer| answer.get("id").is_some());
    let faults: Vec<&Value> = one.into_iter().chain(items(&answer, "/faults")).collect();
    let look = Look::of_stdout();
    let out = if faults.is_empty() {
        format!("{when_none}\n")
    } else if faults.iter().all(|fault| fault.get("stands_for").is_some()) {
        let row = |fault: &&Value| [text(fault, "/name").into(), text(fault, "/stands_for").into()];
        Table::new(look, ["NAME", "WHAT IT STANDS FOR"]).lines(&faults.iter().map(row).collect::<Vec<_>>())
    } else {
        let heads = ["ID", "NAME", "REQUESTS", "SEEN", "FIRED", "LEFT"];
        Table::new(look, heads).lines(&faults.iter().map(|fault| fault_row(fault)).collect::<Vec<_>>())
    };
    Ok(show(&out)?)
}

fn fault_row(fault: &Value) -> [Cell; 6] {
    let left = fault.get("remaining").and_then(Value::as_i64);
    let left = left.map_or_else(|| "all left".to_owned(), |left| format!("{left} left"));
    let name = Some(text(fault, "/rule/name")).filter(|name| !name.is_empty()).unwrap_or("(own)");
    let about = fault.pointer("/rule/match").and_then(Value::as_object);
    let about = about.into_iter().flatten().filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)));
    let about = Some(about.collect::<Vec<_>>().join(" ")).filter(|about| !about.is_empty());
    [
        number(fault, "/id").to_string().into(),
        name.into(),
        about.unwrap_or_else(|| "all requests".to_owned()).into(),
        format!("{} seen", number(fault, "/seen")).into(),
        format!("{} fired", number(fault, "/fired")).into(),
        left.into(),
    ]
}

/// Prints the journal, and keeps printing where it is to follow.
pub(crate) async fn requests(args: RequestsArgs) -> Result<(), Failure> {
    until_nobody_reads(print_requests(args).await)
}

async fn print_requests(args: RequestsArgs) -> Result<(), Failure> {
    let client = client(&args.running)?;
    let format = match args {
        RequestsArgs { curl: true, .. } => "curl",
        RequestsArgs { har: true, .. } => "har",
        _ => "json",
    };
    // Nothing changes by GET.
    let (method, action) = if args.consume { (Method::POST, "/consume") } else { (Method::GET, "") };
    let body = args.consume.then(|| json!({}));
    let mut base = below(&args.running, &format!("requests{action}?format={format}"));
    let filter = args.filter.given();
    for (name, value) in &filter {
        base.extend(["&", *name, "=", &percent_encoded(value)]);
    }
    let is_json = args.running.output.output.is_json();
    let heads = ["TIME", "STATUS", "METHOD", "PATH", "CREDENTIAL", "PRINCIPAL", "CLIENT", "REQUEST ID", "REFUSED BY"];
    let mut table = Table::new(Look::of_stdout(), heads);
    let mut since = 0;
    loop {
        let answer = client.ask(method.clone(), &format!("{base}&since={since}"), body.as_ref()).await?;
        if format != "json" {
            return Ok(show(&answer.text)?);
        }
        if is_json && !args.follow {
            return show_json(&answer);
        }
        let answer = read(&answer)?;
        let found = items(&answer, "/requests");
        if is_json {
            for request in found {
                show(&format!("{request}\n"))?;
            }
        } else {
            show(&table.lines(&found.iter().map(request_row).collect::<Vec<_>>()))?;
        }
        if !args.follow {
            let none = if filter.is_empty() { "no requests yet\n" } else { "no matching requests yet\n" };
            return if found.is_empty() { Ok(show(none)?) } else { Ok(()) };
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
    let of = |path: &str| Cell::from(or_dash(text(request, path)));
    let refused = Some(text(request, "/refused_by")).filter(|check| !check.is_empty());
    [
        cell(Tone::Quiet, text(request, "/time")),
        cell(tone, status.to_string()),
        of("/method"),
        of("/path"),
        of("/credential"),
        of("/principal"),
        of("/client/name"),
        of("/request_id"),
        cell(Tone::Bad, refused.map_or_else(String::new, |check| format!("NO {check}"))),
    ]
}

/// Asserts that requests came.
pub(crate) async fn verify(args: VerifyArgs) -> Result<(), Failure> {
    let expected: Map<String, Value> =
        args.filter.given().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let mut body = json!({ "match": expected });
    let counts = [("at_least", args.at_least), ("at_most", args.at_most), ("exactly", args.exactly)];
    for (name, count) in counts.into_iter().filter_map(|(name, count)| Some((name, count?))) {
        body.as_object_mut().map(|body| body.insert(name.to_owned(), count.into()));
    }
    let client = client(&args.running)?;
    let path = below(&args.running, "requests/verify");
    if args.running.output.output.is_json() {
        // The answer of a failed assertion says what came instead: programs want it, too.
        let answer = client.send(Method::POST, &format!("/_mock/v1/{path}"), Some(&body)).await?;
        show_json(&answer)?;
        let error = || read(&answer).map(|answer| text(&answer, "/error").to_owned());
        return if answer.status.is_success() { Ok(()) } else { Err(error()?.into()) };
    }
    let answer = read(&client.ask(Method::POST, &path, Some(&body)).await?)?;
    let count = number(&answer, "/count");
    Ok(show(&format!("{count} {}\n", if count == 1 { "request matches" } else { "requests match" }))?)
}

/// Prints who uses which credential with which client.
pub(crate) async fn census(args: CensusArgs) -> Result<(), Failure> {
    let path = below(&args.running, &format!("census?by={}", name_of(&args.by)));
    let answer = client(&args.running)?.ask(Method::GET, &path, None).await?;
    if args.running.output.output.is_json() {
        return show_json(&answer);
    }
    let answer = read(&answer)?;
    let rows = items(&answer, "/census");
    if rows.is_empty() {
        return Ok(show("no requests yet\n")?);
    }
    let (head, others) = match args.by {
        CensusBy::Client => ("PRINCIPALS", "/principals"),
        _ => ("CLIENTS", "/clients"),
    };
    let row = |row: &Value| -> [Cell; 6] {
        let list = |path: &str| items(row, path).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
        [
            or_dash(text(row, "/name")).into(),
            format!("{} requests", number(row, "/requests")).into(),
            format!("{} refused", number(row, "/refused")).into(),
            format!("last {}", text(row, "/last")).into(),
            list("/credentials").into(),
            list(others).into(),
        ]
    };
    let heads = ["NAME", "REQUESTS", "REFUSED", "LAST", "CREDENTIALS", head];
    Ok(show(&Table::new(Look::of_stdout(), heads).lines(&rows.iter().map(row).collect::<Vec<_>>()))?)
}

/// Prints the audit log, and keeps printing where it is to follow.
pub(crate) async fn audit(args: AuditArgs) -> Result<(), Failure> {
    until_nobody_reads(print_audit(args).await)
}

async fn print_audit(args: AuditArgs) -> Result<(), Failure> {
    let client = client(&args.running)?;
    let is_json = args.running.output.output.is_json() || args.shape.is_some();
    let shape = args.shape.map_or("delivery", |shape| shape.as_str());
    let mut table = Table::new(Look::of_stdout(), ["TIME", "ACTION", "ACTOR", "STATUS", "ABOUT"]);
    let mut after = "0".to_owned();
    let mut any = false;
    loop {
        let filter = |key: &str, value: &Option<String>| {
            value.as_ref().map_or_else(String::new, |value| format!("&{key}={}", percent_encoded(value)))
        };
        let path = below(
            &args.running,
            &format!(
                "audit?shape={shape}&after={after}{}{}",
                filter("action", &args.action),
                filter("actor", &args.actor),
            ),
        );
        let answer = client.ask(Method::GET, &path, None).await?;
        if is_json {
            show(&answer.text)?;
        } else {
            let events = answer.text.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?;
            any |= !events.is_empty();
            show(&table.lines(&events.iter().map(audit_row).collect::<Vec<_>>()))?;
        }
        let next =
            answer.headers.get("x-next-after").and_then(|value| value.to_str().ok()).unwrap_or(&after).to_owned();
        if next == after {
            if !args.follow {
                return if any || is_json { Ok(()) } else { Ok(show("no matching audit events\n")?) };
            }
            tokio::time::sleep(FOLLOW_INTERVAL).await;
        }
        after = next;
    }
}

/// An event in the shape of the delivered log.
fn audit_row(event: &Value) -> [Cell; 5] {
    let at = crate::domain::Millis(number(event, "/timestamp")).rfc3339();
    let status = number(event, "/response/statusCode");
    let parameters = event.pointer("/requestParams").and_then(Value::as_object);
    let about = parameters.into_iter().flatten().map(|(name, value)| match value.as_str() {
        Some(text) => format!("{name}={text}"),
        None => format!("{name}={value}"),
    });
    let tone = if status < 400 { Tone::Good } else { Tone::Bad };
    [
        cell(Tone::Quiet, at),
        text(event, "/actionName").into(),
        or_dash(text(event, "/userIdentity/email")).into(),
        cell(tone, status.to_string()),
        about.collect::<Vec<_>>().join(" ").into(),
    ]
}
