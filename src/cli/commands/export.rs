//! `export` and `ca`: print a document of the server as it is.

use axum::http::Method;
use serde_json::{Value, json};

use super::client;
use crate::Failure;
use crate::cli::show::print;
use crate::config::{CaArgs, ExportArgs};

pub(crate) async fn export(args: ExportArgs) -> Result<(), Failure> {
    let answer = client(&args.running)?.call(Method::GET, "seed", None).await?;
    if args.running.output.output.is_json() {
        let seed: Value = serde_saphyr::from_str(&answer.text)?;
        return Ok(print(&format!("{seed}\n"))?);
    }
    Ok(print(&answer.text)?)
}

pub(crate) async fn ca(args: CaArgs) -> Result<(), Failure> {
    let answer = client(&args.running)?.call(Method::GET, "tls/ca.pem", None).await?;
    if args.running.output.output.is_json() {
        return Ok(print(&format!("{}\n", json!({ "certificate": answer.text })))?);
    }
    Ok(print(&answer.text)?)
}
