//! `exec`: runs a server for one command, whose environment points clients to it.

use std::io;
use std::process::{Command, ExitCode};

use tokio::sync::oneshot;

use super::assemble::tls;
use super::failure_of;
use super::logging::start;
use super::serve::{ReadyServer, serve_until, verdict};
use crate::Failure;
use crate::config::{EXEC_PORT, ExecArgs};
use crate::listen::Listeners;
use crate::platform::{Signals, run_to_end};

/// Variables that would make the command's clients authenticate in another way, or reject their configuration as
/// ambiguous.
const OTHER_CREDENTIALS: [&str; 12] = [
    "DATABRICKS_ACCOUNT_ID",
    "DATABRICKS_AUTH_TYPE",
    "DATABRICKS_AZURE_RESOURCE_ID",
    "DATABRICKS_CLIENT_ID",
    "DATABRICKS_CLIENT_SECRET",
    "DATABRICKS_CONFIG_FILE",
    "DATABRICKS_CONFIG_PROFILE",
    "DATABRICKS_METADATA_SERVICE_URL",
    "DATABRICKS_OIDC_TOKEN",
    "DATABRICKS_OIDC_TOKEN_FILEPATH",
    "DATABRICKS_PASSWORD",
    "DATABRICKS_USERNAME",
];

/// The exit codes of shells.
const CANNOT_EXECUTE: u8 = 126;
const NOT_FOUND: u8 = 127;

pub(crate) async fn exec(args: ExecArgs) -> Result<ExitCode, Failure> {
    let log = start(&args.serve)?;
    args.check()?;
    let mut signals = Signals::to_forward()?;
    let listeners = Listeners::bind(&args.serve.hosts(), args.port(), tls(&args.serve)?).await?;
    let mut command = command(&args, &listeners)?;
    let (ready, is_ready) = oneshot::channel();
    let (finish, finished) = oneshot::channel::<()>();
    let stop = async { drop(finished.await) };
    let server =
        serve_until(&args.serve, log.output(), listeners, stop, async |ReadyServer { service, started, .. }| {
            // An earlier start's token is only stored as a hash, and the command must not use one that it inherits.
            let token = match started.admin_token {
                Some(token) => token,
                None => service.mint_admin_token().await.map_err(failure_of)?.0,
            };
            // Nobody waits for it if a signal came first.
            let _ = ready.send((started.workspace, token));
            Ok(())
        });
    let run = async move {
        // The server stops when this is dropped.
        let _finish = finish;
        let ready = tokio::select! {
            biased;
            ready = is_ready => ready,
            received = signals.next() => return Ok(received.exit_code()),
        };
        // The server reports why it did not start.
        let Ok((workspace, token)) = ready else { return Ok(0) };
        command.env("DATABRICKS_WORKSPACE_ID", workspace.to_string());
        command.env("DATABRICKS_TOKEN", token.reveal());
        match run_to_end(&mut command, &mut signals).await {
            Ok(code) => Ok::<_, Failure>(code),
            Err(error) => Ok(cannot_run(&command, &error)),
        }
    };
    let (service, code) = tokio::join!(server, run);
    let (service, code) = (service?, code?);
    Ok(service.map_or(code.into(), |service| verdict(&service, code.into())))
}

/// The command, in an environment that leads its clients to this server and to no other.
fn command(args: &ExecArgs, listeners: &Listeners) -> Result<Command, Failure> {
    let [program, arguments @ ..] = args.command.as_slice() else { return Err("exec requires a command".into()) };
    let mut command = Command::new(program);
    command.args(arguments);
    for name in OTHER_CREDENTIALS {
        command.env_remove(name);
    }
    let (url, port) = (listeners.url(), listeners.port().to_string());
    command.env("DAPI_MOCK_PORT", &port).env(EXEC_PORT, &port).env("DATABRICKS_HOST", &url);
    // DAPI_MOCK_URL wins over the port, so an inherited one would lead to another server.
    if url == format!("http://127.0.0.1:{port}") {
        command.env_remove("DAPI_MOCK_URL");
    } else {
        command.env("DAPI_MOCK_URL", url);
    }
    if let Some(key) = &args.serve.control_key {
        command.env("DAPI_MOCK_CONTROL_KEY", &key.0);
    }
    Ok(command)
}

fn cannot_run(command: &Command, error: &io::Error) -> u8 {
    let program = command.get_program().display();
    let (code, why) = match error.kind() {
        io::ErrorKind::NotFound => (NOT_FOUND, "command not found".to_owned()),
        io::ErrorKind::PermissionDenied => (CANNOT_EXECUTE, "not executable".to_owned()),
        _ => (CANNOT_EXECUTE, error.to_string()),
    };
    crate::log::write_last_words(&format!("dapi-mock: cannot run '{program}': {why}\n"));
    code
}
