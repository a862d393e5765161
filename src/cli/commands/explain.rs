//! `explain`: the checks that decided about a request, and what would allow it.

use axum::http::Method;
use serde_json::Value;

use super::{client, items, number, parse, print_json, text};
use crate::Failure;
use crate::cli::show::{Style, Tone, one_line, print};
use crate::config::ExplainArgs;
use crate::web::url::percent_encoded;

pub(crate) async fn explain(args: ExplainArgs) -> Result<(), Failure> {
    let id = args.request_id.unwrap_or_else(|| "last".to_owned());
    let answer = client(&args.running)?.call(Method::GET, &format!("explain/{}", percent_encoded(&id)), None).await?;
    if args.running.output.output.is_json() {
        return print_json(&answer);
    }
    let explanation = parse(&answer)?;
    let style = Style::of_stdout();
    let field = |path: &str| one_line(text(&explanation, path));
    let mut out = format!("{} {} -> {}\n", field("/method"), field("/path"), number(&explanation, "/status"));
    for check in items(&explanation, "/checks") {
        let passed = check.get("passed") == Some(&Value::Bool(true));
        let mark = if passed { style.paint(Tone::Good, "ok") } else { style.paint(Tone::Bad, "NO") };
        let line = format!("{:<24} {}", one_line(text(check, "/check")), one_line(text(check, "/because")));
        out.extend(["  ", &mark, "  ", line.trim_end(), "\n"]);
    }
    for (name, path) in [("answered:", "/message"), ("because: ", "/because"), ("remedy:  ", "/remedy")] {
        if explanation.pointer(path).is_some_and(Value::is_string) {
            out.extend([style.paint(Tone::Heading, name), " ".to_owned(), field(path), "\n".to_owned()]);
        }
    }
    if let Some(token) = explanation.get("token") {
        out.push_str(&token_lines(style, token));
    }
    Ok(print(&out)?)
}

fn token_lines(style: Style, token: &Value) -> String {
    let field = |key: &str, default: &str| {
        let text = one_line(text(token, key));
        if text.is_empty() { default.to_owned() } else { text }
    };
    let head = style.paint(Tone::Heading, "token:   ");
    let (id, owner) = (field("/token_id", ""), field("/owner", "a deleted owner"));
    let line = format!("{head} {id} of {owner}, last used: {}\n", field("/last_used", "never"));
    let state = field("/state", "");
    if state == "live" {
        return line;
    }
    let (at, by) = (field("/ended_at", ""), field("/ended_by", ""));
    line + &format!("          ended at {at}: {state} ({by})\n")
}
