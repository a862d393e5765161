//! The commands: what `main` does once the settings are read.

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::Method;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::background::{self, AuditWriter};
use crate::clock::SystemClock;
use crate::config::{
    AdminTokenArgs, BackupArgs, Cli, Command, EnvArgs, ExecArgs, LogArgs, LogFormat, ServeArgs, unknown_variables,
};
use crate::control::{self, Access, Control};
use crate::domain::Denial;
use crate::domain::seed::{self, Seed};
use crate::domain::token::TokenValue;
use crate::entropy::SystemEntropy;
use crate::http::{self, App, SignInPolicy};
use crate::log::OneLine;
use crate::own_client::{Failure, OwnClient};
use crate::pages::{self, Pages};
use crate::run_client;
use crate::server::{Doors, Listeners};
use crate::service::{self, ADMIN_CLIENT_ID, FirstStart, JournalLimits, Seeded, Service, Started};
use crate::store::{Database, OpenError, Store};
use crate::tls::Tls;

/// Variables that would make a client of `exec` authenticate otherwise, or refuse to choose.
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

/// The exit code of a run in which a production-looking credential was sent, with `--tripwire fail`: a program
/// error, as sysexits has it.
const TRIPPED: u8 = 70;

/// How long a start waits for PostgreSQL to be there.
const START_PATIENCE: Duration = Duration::from_mins(1);
/// The pause between two tries.
const START_PAUSE: Duration = Duration::from_secs(1);

/// Runs the command.
///
/// # Errors
/// What kept it from running, worded for the terminal.
pub async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        None => serve(cli.serve).await,
        Some(Command::Serve(args)) => serve(args).await,
        Some(Command::Exec(args)) => exec(args).await,
        Some(Command::Healthcheck(args)) => Ok(healthcheck(args.port).await),
        Some(Command::Env(args)) => env(&args),
        Some(Command::Clock(args)) => run_client::clock(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Explain(args)) => run_client::explain(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Faults(args)) => run_client::faults(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Requests(args)) => run_client::requests(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Verify(args)) => run_client::verify(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Census(args)) => run_client::census(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Audit(args)) => run_client::audit(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Call(args)) => run_client::call(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Export(args)) => run_client::export(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Ca(args)) => run_client::ca(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Backup(args)) => back_up(&args).await,
        Some(Command::AdminToken(args)) => admin_token(args).await,
    }
}

fn service_over(store: Store) -> Service {
    Service::new(store, Arc::new(SystemClock), Arc::new(SystemEntropy))
}

/// A refusal's own sentence, without the envelope that clients see.
fn sentence(error: service::Error) -> Failure {
    match error {
        service::Error::Denied(Denial::InvalidParameter(sentence)) => sentence.into(),
        error => error.into(),
    }
}

async fn serve(args: ServeArgs) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    args.check()?;
    start_log(&args.log);
    for name in unknown_variables() {
        tracing::warn!("{name} is set, but there is no such setting; see dapi-mock --help");
    }
    // From here on a signal ends the server in order, also as process 1, which has no default handlers.
    let mut stop = Stop::listen()?;
    let listeners = Listeners::bind(&args.hosts(), args.port()?, args.tls()?).await?;
    let (url, let_in, doors) = (listeners.url(), listeners.opener(), listeners.doors());
    let opening = async {
        let store = patiently(&args, async || Ok(Store::open_to_serve(&args.database, args.durability()).await?));
        let service = service_over(store.await?).watching(args.journal(), args.tripwire.tripwire);
        let service = service.with_error_texts(args.error_texts);
        let started = patiently(&args, async || service.start(&args.first_start()).await.map_err(sentence)).await?;
        for (file, seed) in seeds(&args)? {
            patiently(&args, async || apply(&service, &file, &seed).await).await?;
        }
        let_in(surface(&service, args.access(), args.sign_in(), Some(doors.clone())));
        let every = Duration::from_secs(args.sweep_interval.into());
        tokio::spawn(background::sweep(service.clone(), doors, every));
        let (stop_file, stopped) = oneshot::channel();
        let file = match args.audit_file() {
            Some(file) => {
                let writer = patiently(&args, async || AuditWriter::open(service.clone(), file.clone()).await).await?;
                Some(tokio::spawn(writer.run(stopped)))
            }
            None => None,
        };
        banner(&url, &args.database, &args.access(), &started, began.elapsed());
        Ok::<_, Failure>((service, file, stop_file))
    };
    let mut serving = std::pin::pin!(listeners.serve(stop.received()));
    let (service, file, stop_file) = tokio::select! {
        opened = opening => opened?,
        () = &mut serving => return Ok(ExitCode::SUCCESS),
    };
    serving.await;
    if let Some(file) = file {
        // The last requests' events are still to be written.
        let _ = stop_file.send(());
        file.await?;
    }
    // The last requests, for the processes that go on.
    if let Err(error) = service.share_journal().await {
        tracing::warn!("the last requests are missing in the shared journal: {error}");
    }
    service.store().close().await;
    tracing::info!("stopped");
    Ok(verdict(&service, ExitCode::SUCCESS))
}

/// Does what a start needs of the database, and again while PostgreSQL is not there yet: where a server and its
/// database start together, the database may take longer. Until then the server says that it is not ready.
async fn patiently<T>(args: &ServeArgs, work: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Failure> {
    let until = Instant::now() + START_PATIENCE;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match work().await {
            Err(failure) if is_database_away(args, &failure) && !left.is_zero() => {
                tracing::warn!("not ready, will be tried again for {} s: {failure}", left.as_secs());
                tokio::time::sleep(START_PAUSE).await;
            }
            done => return done,
        }
    }
}

fn is_database_away(args: &ServeArgs, failure: &Failure) -> bool {
    let passes = match (failure.downcast_ref(), failure.downcast_ref()) {
        (Some(open), _) => OpenError::passes(open),
        (_, Some(service::Error::Store(error))) => error.passes(),
        _ => false,
    };
    passes && matches!(args.database, Database::Postgres(_))
}

/// The exit code of a server that is to fail where the tripwire was touched; else the one given.
fn verdict(service: &Service, otherwise: ExitCode) -> ExitCode {
    let Some(why) = service.tripwire().verdict() else { return otherwise };
    tracing::error!("{why}");
    if otherwise == ExitCode::SUCCESS { ExitCode::from(TRIPPED) } else { otherwise }
}

/// The seeds that the settings name, in their order, with the file that each comes from.
fn seeds(args: &ServeArgs) -> Result<Vec<(String, Seed)>, Failure> {
    let mut texts: Vec<_> =
        args.usual_seed().map(|text| ("the lab's seed".to_owned(), text.to_owned())).into_iter().collect();
    if let Some(path) = &args.seed {
        let named = |error: io::Error| format!("cannot read the seed {}: {error}", path.display());
        let mut files = vec![path.clone()];
        if path.is_dir() {
            let entries = std::fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(named)?;
            let is_seed = |path: &PathBuf| {
                path.extension().is_some_and(|ending| ["yaml", "yml", "json"].iter().any(|known| ending == *known))
            };
            files = entries.into_iter().map(|entry| entry.path()).filter(is_seed).collect();
            files.sort();
        }
        for file in files {
            texts.push((file.display().to_string(), std::fs::read_to_string(&file).map_err(named)?));
        }
    }
    texts.extend(args.seed_json.as_ref().map(|json| ("DAPI_MOCK_SEED_JSON".to_owned(), json.0.clone())));
    let read = |(file, text): (String, String)| match seed::parse(&text) {
        Ok(seed) => Ok((file, seed)),
        Err(error) => Err(error.in_file(&file).into()),
    };
    texts.into_iter().map(read).collect()
}

async fn apply(service: &Service, file: &str, seed: &Seed) -> Result<(), Failure> {
    let added = service.apply_seed(seed).await.map_err(|error| match error {
        service::Error::Seed(error) => Failure::from(error.in_file(file)),
        error => sentence(error),
    })?;
    let Seeded { workspaces, principals, tokens } = added;
    tracing::info!(workspaces, principals, tokens, "added from the seed {file}");
    Ok(())
}

/// Everything that the server answers: the emulated API, the own one under `/_mock`, and the pages. Without
/// `doors` no workspace gets a port of its own.
pub fn surface(service: &Service, access: Access, sign_in: SignInPolicy, doors: Option<Doors>) -> Router {
    let own = control::router(Control::new(service.clone(), access.clone(), doors));
    let apis = http::router(App { service: Arc::new(service.clone()), sign_in: sign_in.clone() }).nest("/_mock", own);
    let pages = Pages::new(service.clone(), access, sign_in, apis.clone());
    pages::router(pages).merge(apis)
}

fn banner(url: &str, database: &Database, access: &Access, started: &Started, took: Duration) {
    let token = started.admin_token.as_ref().map_or_else(
        || "# DATABRICKS_TOKEN is what the first start printed; `dapi-mock admin-token` makes another".to_owned(),
        export_token,
    );
    // Not as exports: clients refuse to choose between two ways to authenticate.
    let oauth = started.admin_client_secret.as_ref().map_or_else(String::new, |secret| {
        let secret = secret.reveal();
        format!("# OAuth: DATABRICKS_CLIENT_ID={ADMIN_CLIENT_ID} DATABRICKS_CLIENT_SECRET={secret}\n")
    });
    say(&format!(
        "dapi-mock {}, data in {database}, workspace {}\npages at {url}/, own API at {url}/_mock/v1: {access}\n\nexport DATABRICKS_HOST={url}\n{token}\n{oauth}\n\
         dapi-mock ready host={url} in={}ms\n",
        env!("CARGO_PKG_VERSION"),
        started.workspace,
        took.as_millis(),
    ));
}

fn export_token(value: &TokenValue) -> String {
    format!("export DATABRICKS_TOKEN={}", value.reveal())
}

/// Writes to standard output; that nobody reads it is no reason to stop.
pub(crate) fn say(text: &str) {
    let mut out = io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

fn start_log(args: &LogArgs) {
    let (own, of_libraries) = args.log_level.filters();
    let filter = Targets::new().with_default(of_libraries).with_target(env!("CARGO_CRATE_NAME"), own);
    let has_colors = args.log_format == LogFormat::Text && io::IsTerminal::is_terminal(&io::stderr());
    let out = move || OneLine::new(io::stderr(), has_colors);
    let lines = fmt::layer().with_writer(out).with_target(false);
    let log = tracing_subscriber::registry().with(filter);
    let started = match args.log_format {
        LogFormat::Text => log.with(lines.with_ansi(has_colors)).try_init(),
        LogFormat::Json => log.with(lines.json().flatten_event(true)).try_init(),
    };
    // Only a test that runs two servers in one process has one already.
    drop(started);
}

/// The signals that end the server.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn exec(args: ExecArgs) -> Result<ExitCode, Failure> {
    start_log(&args.log);
    let mut stop = Stop::listen()?;
    let tls = Tls::own(None, Vec::new(), Arc::new(SystemClock));
    let listeners = Listeners::bind(&[Ipv4Addr::LOCALHOST.into()], 0, Some(tls)).await?;
    let store = Store::open(&Database::SqliteMemory).await?;
    let service = service_over(store).watching(JournalLimits::default(), args.tripwire.tripwire);
    let started = service.start(&FirstStart::default()).await.map_err(sentence)?;
    listeners.opener()(surface(&service, Access::Open, SignInPolicy::Open(None), Some(listeners.doors())));
    let (url, port) = (listeners.url(), listeners.port());
    let server = tokio::spawn(listeners.serve(std::future::pending()));

    let mut words = args.command.iter();
    let program = words.next().ok_or("exec needs a command")?;
    let mut command = tokio::process::Command::new(program);
    command.args(words);
    for name in OTHER_CREDENTIALS {
        command.env_remove(name);
    }
    // So that `dapi-mock clock` and its like find this server.
    command
        .env("DAPI_MOCK_PORT", port.to_string())
        .env("DATABRICKS_HOST", url)
        .env("DATABRICKS_WORKSPACE_ID", started.workspace.to_string());
    if let Some(value) = &started.admin_token {
        command.env("DATABRICKS_TOKEN", value.reveal());
    }
    let mut child = command.kill_on_drop(true).spawn().map_err(|error| format!("cannot run {program}: {error}"))?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            // A terminal's Ctrl-C reaches the command as well; it decides what to do with it.
            _ = stop.interrupt.recv() => {}
            _ = stop.terminate.recv() => terminate(&child),
        }
    };
    server.abort();
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(verdict(&service, ExitCode::from(u8::try_from(code).unwrap_or(1))))
}

fn terminate(child: &tokio::process::Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended in between.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

/// Asks `/readyz`, so that a container needs neither a shell nor curl for its health check.
async fn healthcheck(port: u16) -> ExitCode {
    let client = OwnClient { port, key: None };
    let ask = client.send(Method::GET, "/readyz", None);
    match tokio::time::timeout(Duration::from_secs(2), ask).await {
        Ok(Ok(answer)) if answer.status.is_success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn env(args: &EnvArgs) -> Result<ExitCode, Failure> {
    let value = args.admin_token.as_ref().ok_or(
        "the server keeps only a hash of its admin token; give the value by --admin-token or \
         DAPI_MOCK_ADMIN_TOKEN to both, or make another with `dapi-mock admin-token`",
    )?;
    say(&format!("export DATABRICKS_HOST=http://127.0.0.1:{}\n{}\n", args.port, export_token(value)));
    Ok(ExitCode::SUCCESS)
}

async fn admin_token(args: AdminTokenArgs) -> Result<ExitCode, Failure> {
    if args.database == Database::SqliteMemory {
        return Err("a database in memory belongs to its server; give that one --admin-token".into());
    }
    let service = service_over(Store::open(&args.database).await?);
    let value = service.mint_admin_token().await.map_err(sentence)?;
    service.store().close().await;
    say(&format!("{}\n", export_token(&value)));
    Ok(ExitCode::SUCCESS)
}

async fn back_up(args: &BackupArgs) -> Result<ExitCode, Failure> {
    Store::back_up(&args.database, &args.target).await?;
    say(&format!("{} is a copy of {}\n", args.target.display(), args.database));
    Ok(ExitCode::SUCCESS)
}
