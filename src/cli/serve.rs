//! `serve`: starts a server, serves until it is told to stop, and stops gracefully. `exec` also starts its server here, with
//! [`serve_until`].

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::assemble::{access, audit_file, router, starting, tls};
use super::ready::ReadyFile;
use super::{export_token, failure_of, logging, seeds, service_over};
use crate::Failure;
use crate::background::{self, AuditWriter};
use crate::config::ServeArgs;
use crate::domain::AccountId;
use crate::http::oauth::discovery::at_port;
use crate::listen::{ExtraListeners, Listeners};
use crate::log::Output;
use crate::platform::{Signals, raise_open_files, reap_orphans, stdin_closes};
use crate::service::{self, ADMIN_CLIENT_ID, Service, StartOutcome};
use crate::store::{Database, OpenError, Store};

/// The exit code if a suspected real credential was sent and `--tripwire` is `fail`: `EX_SOFTWARE` of sysexits.
const TRIPWIRE_EXIT: u8 = 70;

/// How long stopping waits for the audit file, whose disk may not respond.
const AUDIT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a start waits for PostgreSQL.
const START_TIMEOUT: Duration = Duration::from_mins(1);
const START_PAUSE: Duration = Duration::from_secs(1);

/// In the banner, if only an earlier start knew the token.
const NO_TOKEN: &str = "# DATABRICKS_TOKEN: the first start printed it; `dapi-mock admin-token` creates another";

/// An account and the port that is its host.
pub(crate) type AccountPort = (AccountId, u16);

pub(super) async fn serve(args: ServeArgs) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    let log = logging::start(&args)?;
    args.check()?;
    raise_open_files();
    tokio::spawn(reap_orphans());
    // From here on a signal stops the server gracefully, even as process 1, which has no default handlers.
    let mut signals = Signals::to_stop()?;
    let stdin = args.until_stdin_closes.then(stdin_closes).transpose()?;
    let stop = async move {
        tokio::select! {
            received = signals.next() => tracing::info!("stopping because of {}", received.name()),
            () = closed(stdin) => tracing::info!("stopping because standard input was closed"),
        }
    };
    let (mut out, _out) = Output::to(&io::stdout(), "standard output")?;
    let listeners = Listeners::bind(&args.hosts(), args.port()?, tls(&args)?).await?;
    let url = listeners.url();
    let served = serve_until(&args, log.output(), listeners, stop, async |server| {
        // The log's writer never fails.
        drop(out.write_all(banner(&url, &args, &server, began.elapsed()).as_bytes()));
        Ok(())
    });
    let Some(service) = served.await? else { return Ok(ExitCode::SUCCESS) };
    tracing::info!("stopped");
    Ok(verdict(&service, ExitCode::SUCCESS))
}

async fn closed(stdin: Option<oneshot::Receiver<()>>) {
    match stdin {
        Some(closes) => drop(closes.await),
        None => std::future::pending().await,
    }
}

/// What a caller of [`serve_until`] learns when the server is ready.
pub(crate) struct ReadyServer<'a> {
    pub(crate) service: &'a Service,
    pub(crate) started: StartOutcome,
    pub(crate) account_port: Option<AccountPort>,
}

/// A ready server, with the task that has to end before its database is closed.
struct OpenServer {
    service: Service,
    audit_file: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// Starts a server, calls `ready`, serves until `stop` completes, and stops gracefully. Returns `None` if `stop` completes
/// before the server is ready.
pub(crate) async fn serve_until(
    args: &ServeArgs,
    log: Output,
    listeners: Listeners,
    stop: impl Future<Output = ()>,
    ready: impl AsyncFnOnce(ReadyServer<'_>) -> Result<(), Failure>,
) -> Result<Option<Service>, Failure> {
    let ready_file = args.ready_file.as_deref().map(ReadyFile::at).transpose()?;
    let (set_router, extra, url) = (listeners.opener(), listeners.extra(), listeners.url());
    let opening = async {
        let (service, started) = open_service(args, &log).await?;
        set_router(router(args, &service, extra.clone()));
        let account_port = match args.account_port {
            Some(port) => Some(open_account_port(&service, &extra, port).await?),
            None => None,
        };
        let server = start_background_work(args, service, extra).await?;
        if let Some(file) = &ready_file {
            let account = server.service.workspace_of_account(None).await?.account;
            let host = account_port.map(|(_, port)| at_port(&url, port));
            file.write(&url, &started, account, host.as_deref())?;
        }
        ready(ReadyServer { service: &server.service, started, account_port }).await?;
        Ok::<_, Failure>(server)
    };
    let mut serving = std::pin::pin!(listeners.serve(starting, stop));
    let server = tokio::select! {
        opened = opening => opened?,
        () = &mut serving => return Ok(None),
    };
    serving.await;
    drop(ready_file);
    close(server).await.map(Some)
}

async fn open_service(args: &ServeArgs, log: &Output) -> Result<(Service, StartOutcome), Failure> {
    let store = retry_start(args, async || Ok(Store::open_to_serve(&args.database, args.durability()).await?)).await?;
    let service = service_over(store).with_journal(args.journal(), args.tripwire.tripwire);
    let service = service.with_error_texts(args.error_texts);
    let started = retry_start(args, async || service.start(&args.first_start()).await.map_err(failure_of)).await?;
    for (file, seed) in seeds::read(args)? {
        retry_start(args, async || seeds::apply(&service, &file, &seed, log).await).await?;
    }
    Ok((service, started))
}

async fn start_background_work(
    args: &ServeArgs,
    service: Service,
    extra: ExtraListeners,
) -> Result<OpenServer, Failure> {
    let every = Duration::from_secs(args.sweep_interval.into());
    tokio::spawn(background::sweep(service.clone(), extra, every));
    tokio::spawn(background::catch_up(service.clone()));
    let Some(file) = audit_file(args) else { return Ok(OpenServer { service, audit_file: None }) };
    let writer = retry_start(args, async || AuditWriter::open(service.clone(), file.clone()).await).await?;
    let (stop, stopped) = oneshot::channel();
    Ok(OpenServer { service, audit_file: Some((stop, tokio::spawn(writer.run(stopped)))) })
}

/// Does the writes that requests did not wait for, and closes the database.
async fn close(OpenServer { service, audit_file }: OpenServer) -> Result<Service, Failure> {
    if let Some((stop, writing)) = audit_file {
        // The writer appends the events of the last requests and ends.
        let _ = stop.send(());
        if let Ok(ended) = tokio::time::timeout(AUDIT_TIMEOUT, writing).await {
            ended?;
        } else {
            tracing::warn!("cannot finish the audit file in time; the next start appends the missing events");
        }
    }
    // Other processes of the database continue to serve the journal.
    if let Err(error) = service.share_journal().await {
        tracing::warn!("cannot add the last requests to the shared journal: {error}");
    }
    if let Err(error) = background::record(&service).await {
        tracing::warn!("cannot record the last uses of tokens: {error}");
    }
    service.store().close().await;
    Ok(service)
}

/// Retries while PostgreSQL is unavailable, because a server may start before its database. Meanwhile the server answers
/// that it is starting.
async fn retry_start<T>(args: &ServeArgs, work: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Failure> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match work().await {
            Err(failure) if is_database_unavailable(args, &failure) && !left.is_zero() => {
                tracing::warn!("not ready, retrying for another {} s: {failure}", left.as_secs());
                tokio::time::sleep(START_PAUSE).await;
            }
            done => return done,
        }
    }
}

fn is_database_unavailable(args: &ServeArgs, failure: &Failure) -> bool {
    let is_transient = match (failure.downcast_ref(), failure.downcast_ref()) {
        (Some(open), _) => OpenError::is_transient(open),
        (_, Some(service::Error::Store(error))) => error.is_transient(),
        _ => false,
    };
    is_transient && matches!(args.database, Database::Postgres(_))
}

/// The exit code of a server: a failure if `--tripwire fail` saw a suspected real credential, else `otherwise`.
pub(crate) fn verdict(service: &Service, otherwise: ExitCode) -> ExitCode {
    let Some(why) = service.tripwire().verdict() else { return otherwise };
    tracing::error!("{why}");
    if otherwise == ExitCode::SUCCESS { ExitCode::from(TRIPWIRE_EXIT) } else { otherwise }
}

async fn open_account_port(service: &Service, extra: &ExtraListeners, port: u16) -> Result<AccountPort, Failure> {
    let account = service.workspace_of_account(None).await?.account;
    Ok((account, extra.open(port, account).await.map_err(|error| format!("--account-port: {error}"))?))
}

fn banner(url: &str, args: &ServeArgs, server: &ReadyServer<'_>, took: Duration) -> String {
    let ReadyServer { started, account_port, .. } = server;
    let (database, access) = (&args.database, access(args));
    let token = started.admin_token.as_ref().map_or_else(|| NO_TOKEN.to_owned(), export_token);
    // Not as exports, because clients reject two ways to authenticate as ambiguous.
    let oauth = started.admin_client_secret.as_ref().map_or_else(String::new, |secret| {
        let secret = secret.reveal();
        format!("# OAuth: DATABRICKS_CLIENT_ID={ADMIN_CLIENT_ID} DATABRICKS_CLIENT_SECRET={secret}\n")
    });
    let account = account_port.map_or_else(String::new, |(account, port)| {
        format!("# account: DATABRICKS_HOST={} DATABRICKS_ACCOUNT_ID={account}\n", at_port(url, port))
    });
    format!(
        "dapi-mock {}, data in {database}, workspace {}\npages at {url}/, control API at {url}/_mock/v1: {access}\n\nexport DATABRICKS_HOST={url}\n{token}\n{oauth}{account}\n\
         dapi-mock ready host={url} in={}ms\n",
        env!("CARGO_PKG_VERSION"),
        started.workspace,
        took.as_millis(),
    )
}
