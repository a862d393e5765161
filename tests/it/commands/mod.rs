//! The commands that talk to a running server, the audit log's file, and who may use the control API.

mod audit;
mod clock;
mod control;
mod explain;

/// A line's columns.
fn columns(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default()
}
