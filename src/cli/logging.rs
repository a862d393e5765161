//! Starts the log with its level and format. The writer is in [`log`](crate::log).

use std::io;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::Failure;
use crate::config::{LogArgs, LogFormat, ServeArgs, unknown_variables};
use crate::log::{FlushOnDrop, OneLine, Output, log_panics};

/// Starts the log of `serve` and `exec`. Dropping the result waits for the last lines.
pub(crate) fn start(args: &ServeArgs) -> Result<FlushOnDrop, Failure> {
    let log = start_log(&args.log)?;
    for name in unknown_variables() {
        tracing::warn!("unknown variable {name}: see dapi-mock --help for the settings");
    }
    Ok(log)
}

fn start_log(args: &LogArgs) -> Result<FlushOnDrop, Failure> {
    let (own, of_libraries) = args.log_level.filters();
    let filter = Targets::new().with_default(of_libraries).with_target(env!("CARGO_CRATE_NAME"), own);
    let has_colors = args.log_format == LogFormat::Text && io::IsTerminal::is_terminal(&io::stderr());
    let (out, finish) = Output::to(&io::stderr(), "standard error")?;
    let out = move || if has_colors { OneLine::with_colors(out.clone()) } else { OneLine::new(out.clone()) };
    // Internal errors would go straight to standard error, and wait for its reader.
    let lines = fmt::layer().with_writer(out).with_target(false).log_internal_errors(false);
    let log = tracing_subscriber::registry().with(filter);
    match args.log_format {
        LogFormat::Text => log.with(lines.with_ansi(has_colors)).try_init(),
        LogFormat::Json => log.with(lines.json().flatten_event(true)).try_init(),
    }?;
    log_panics();
    Ok(finish)
}
