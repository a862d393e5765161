//! The commands: what `main` does once the settings are read.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::Method;
use serde_json::json;
use tokio::sync::oneshot;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::background::{self, AuditWriter};
use crate::cli::client::Failure;
use crate::cli::commands::{self, Usage};
use crate::cli::exec::exec;
use crate::cli::progress::SeedBar;
use crate::cli::ready::ReadyFile;
use crate::clock::SystemClock;
use crate::config::{
    self, AdminTokenArgs, BackupArgs, Cli, Command, CompletionsArgs, EnvArgs, HealthcheckArgs, LogArgs, LogFormat,
    ManArgs, ServeArgs, unknown_variables,
};
use crate::control::{self, Control};
use crate::domain::seeds::{self, Seed};
use crate::domain::tokens::TokenValue;
use crate::domain::{AccountId, Denial};
use crate::entropy::SystemEntropy;
use crate::http::oauth::discovery::at_port;
use crate::http::{self, App, HostType};
use crate::listen::server::{ExtraListeners, Listeners};
use crate::log::{Finish, OneLine, Output, log_panics};
use crate::pages::{self, Pages};
use crate::platform::{Signals, raise_open_files, reap_orphans, stdin_closes, survive_the_limit_on_file_size};
use crate::service::{self, ADMIN_CLIENT_ID, Seeded, Service, Started};
use crate::store::{Database, OpenError, Store};
use crate::web::access::{Access, SignInPolicy};
use crate::web::browser::allow_hosts;

/// The exit code of a run in which a production-looking credential was sent, with `--tripwire fail`: a program
/// error, as sysexits has it.
const TRIPPED: u8 = 70;

/// How long the end waits for the audit file, which may be on a disk that does not answer.
const AUDIT_PATIENCE: Duration = Duration::from_secs(5);
/// How long a start waits for PostgreSQL to be there.
const START_PATIENCE: Duration = Duration::from_mins(1);
/// The pause between two tries.
const START_PAUSE: Duration = Duration::from_secs(1);

/// Runs the command.
///
/// # Errors
/// What kept it from running, worded for the terminal.
pub async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    survive_the_limit_on_file_size()?;
    match cli.command {
        None => serve(cli.serve).await,
        Some(Command::Serve(args)) => serve(args).await,
        Some(Command::Exec(args)) => exec(args).await,
        Some(Command::Healthcheck(args)) => healthcheck(&args).await,
        Some(Command::Env(args)) => env(&args),
        Some(Command::Clock(args)) => commands::clock(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Explain(args)) => commands::explain(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Faults(args)) => commands::faults(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Requests(args)) => commands::requests(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Verify(args)) => commands::verify(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Census(args)) => commands::census(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Audit(args)) => commands::audit(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Call(args)) => commands::call(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Export(args)) => commands::export(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Ca(args)) => commands::ca(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Backup(args)) => back_up(&args).await,
        Some(Command::AdminToken(args)) => admin_token(args).await,
        Some(Command::Completions(args)) => completions(&args),
        Some(Command::Man(args)) => manual(&args),
    }
}

/// How a failed command exits: with 2 where the command line is wrong, as clap does, else with 1.
pub fn exit_code(failure: &Failure) -> ExitCode {
    if failure.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

fn service_over(store: Store) -> Service {
    Service::new(store, Arc::new(SystemClock), Arc::new(SystemEntropy))
}

/// A refusal's own sentence, without the envelope that clients see.
pub(crate) fn sentence(error: service::Error) -> Failure {
    match error {
        service::Error::Denied(Denial::InvalidParameter(sentence)) => sentence.into(),
        error => error.into(),
    }
}

/// An account, and the port that is its host.
pub(crate) type AccountPort = (AccountId, u16);

async fn serve(args: ServeArgs) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    let log = begin(&args)?;
    args.check()?;
    raise_open_files();
    tokio::spawn(reap_orphans());
    // From here on a signal ends the server in order, also as process 1, which has no default handlers.
    let mut signals = Signals::that_stop()?;
    let stdin = args.until_stdin_closes.then(stdin_closes).transpose()?;
    let stop = async move {
        tokio::select! {
            received = signals.next() => tracing::info!("stopping because of {}", received.name()),
            () = closed(stdin) => tracing::info!("stopping because standard input was closed"),
        }
    };
    let (mut out, _out) = Output::to(&io::stdout(), "standard output")?;
    let listeners = Listeners::bind(&args.hosts(), args.port()?, args.tls()?).await?;
    let url = listeners.url();
    let served = serve_until(&args, log.output(), listeners, stop, async |_, started, account_port| {
        // It never fails.
        drop(out.write_all(banner(&url, &args, &started, account_port, began.elapsed()).as_bytes()));
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

/// What `serve` and `exec` begin with; the log is written to its end when the answer is dropped.
pub(crate) fn begin(args: &ServeArgs) -> Result<Finish, Failure> {
    let log = start_log(&args.log)?;
    for name in unknown_variables() {
        tracing::warn!("{name} is set, but there is no such setting; see dapi-mock --help");
    }
    Ok(log)
}

/// Starts all that a server is, tells `ready`, serves until `stop`, and stops in order. The answer is `None`
/// when it was to stop before it was ready.
pub(crate) async fn serve_until(
    args: &ServeArgs,
    log: Output,
    listeners: Listeners,
    stop: impl Future<Output = ()>,
    ready: impl AsyncFnOnce(&Service, Started, Option<AccountPort>) -> Result<(), Failure>,
) -> Result<Option<Service>, Failure> {
    let ready_file = args.ready_file.as_deref().map(ReadyFile::at).transpose()?;
    let (let_in, doors, url) = (listeners.opener(), listeners.doors(), listeners.url());
    let opening = async {
        let store = patiently(args, async || Ok(Store::open_to_serve(&args.database, args.durability()).await?));
        let service = service_over(store.await?).watching(args.journal(), args.tripwire.tripwire);
        let service = service.with_error_texts(args.error_texts);
        let started = patiently(args, async || service.start(&args.first_start()).await.map_err(sentence)).await?;
        for (file, seed) in seeds(args)? {
            patiently(args, async || apply(&service, &file, &seed, &log).await).await?;
        }
        let router = surface_as(args.host_type, &service, args.access(), args.sign_in(), Some(doors.clone()));
        let_in(allow_hosts(router, &args.allow_host));
        let account_port = match args.account_port {
            Some(port) => Some(open_account_port(&service, &doors, port).await?),
            None => None,
        };
        let every = Duration::from_secs(args.sweep_interval.into());
        tokio::spawn(background::sweep(service.clone(), doors, every));
        tokio::spawn(background::catch_up(service.clone()));
        let (stop_file, stopped) = oneshot::channel();
        let file = match args.audit_file() {
            Some(file) => {
                let writer = patiently(args, async || AuditWriter::open(service.clone(), file.clone()).await).await?;
                Some(tokio::spawn(writer.run(stopped)))
            }
            None => None,
        };
        if let Some(file) = &ready_file {
            let account = service.home_of_account(None).await?.account;
            let host = account_port.map(|(_, port)| at_port(&url, port));
            file.write(&url, &started, account, host.as_deref())?;
        }
        ready(&service, started, account_port).await?;
        Ok::<_, Failure>((service, file, stop_file))
    };
    let mut serving = std::pin::pin!(listeners.serve(stop));
    let (service, file, stop_file) = tokio::select! {
        opened = opening => opened?,
        () = &mut serving => return Ok(None),
    };
    serving.await;
    drop(ready_file);
    if let Some(file) = file {
        // The last requests' events are still to be written.
        let _ = stop_file.send(());
        if let Ok(ended) = tokio::time::timeout(AUDIT_PATIENCE, file).await {
            ended?;
        } else {
            tracing::warn!("the audit file takes no more lines; the next start writes what is missing");
        }
    }
    // The last requests, for the processes that go on.
    if let Err(error) = service.share_journal().await {
        tracing::warn!("the last requests are missing in the shared journal: {error}");
    }
    if let Err(error) = background::record(&service).await {
        tracing::warn!("the last uses of tokens are not recorded: {error}");
    }
    service.store().close().await;
    Ok(Some(service))
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
pub(crate) fn verdict(service: &Service, otherwise: ExitCode) -> ExitCode {
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
    let read = |(file, text): (String, String)| match seeds::parse(&text) {
        Ok(seed) => Ok((file, seed)),
        Err(error) => Err(error.in_file(&file).into()),
    };
    texts.into_iter().map(read).collect()
}

async fn apply(service: &Service, file: &str, seed: &Seed, log: &Output) -> Result<(), Failure> {
    let bar = SeedBar::below(log.clone());
    let added = service.apply_seed_with(seed, |progress| bar.tell(progress)).await;
    drop(bar);
    let added = added.map_err(|error| match error {
        service::Error::Seed(error) => Failure::from(error.in_file(file)),
        error => sentence(error),
    })?;
    let Seeded { workspaces, principals, tokens } = added;
    tracing::info!(workspaces, principals, tokens, "added from the seed {file}");
    Ok(())
}

/// Everything that the server answers: the emulated API, the own one under `/_mock`, and the pages. Without
/// `doors` no workspace gets a port of its own.
pub fn surface(service: &Service, access: Access, sign_in: SignInPolicy, doors: Option<ExtraListeners>) -> Router {
    surface_as(HostType::default(), service, access, sign_in, doors)
}

/// The same on a shared port that says it is a host of that type.
pub fn surface_as(
    host_type: HostType,
    service: &Service,
    access: Access,
    sign_in: SignInPolicy,
    doors: Option<ExtraListeners>,
) -> Router {
    let own = control::router(Control::new(service.clone(), access.clone(), doors));
    let apis = http::router(App { service: Arc::new(service.clone()), sign_in: sign_in.clone(), host_type })
        .nest("/_mock", own);
    let pages = Pages::new(service.clone(), access, sign_in, apis.clone());
    pages::router(pages).merge(apis)
}

/// Opens the port that is the default account's host.
async fn open_account_port(service: &Service, doors: &ExtraListeners, port: u16) -> Result<AccountPort, Failure> {
    let account = service.home_of_account(None).await?.account;
    Ok((account, doors.open(port, account).await.map_err(|error| format!("--account-port: {error}"))?))
}

fn banner(url: &str, args: &ServeArgs, started: &Started, account_port: Option<AccountPort>, took: Duration) -> String {
    let (database, access) = (&args.database, args.access());
    let token = started.admin_token.as_ref().map_or_else(
        || "# DATABRICKS_TOKEN is what the first start printed; `dapi-mock admin-token` makes another".to_owned(),
        export_token,
    );
    // Not as exports: clients refuse to choose between two ways to authenticate.
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

fn export_token(value: &TokenValue) -> String {
    format!("export DATABRICKS_TOKEN={}", value.reveal())
}

/// Writes to standard output; that nobody reads it is no reason to stop.
pub(crate) fn say(text: &str) {
    let mut out = io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

fn start_log(args: &LogArgs) -> Result<Finish, Failure> {
    let (own, of_libraries) = args.log_level.filters();
    let filter = Targets::new().with_default(of_libraries).with_target(env!("CARGO_CRATE_NAME"), own);
    let has_colors = args.log_format == LogFormat::Text && io::IsTerminal::is_terminal(&io::stderr());
    let (out, finish) = Output::to(&io::stderr(), "standard error")?;
    let out = move || OneLine::new(out.clone(), has_colors);
    // A message of the log's own would go straight to standard error, and wait for its reader.
    let lines = fmt::layer().with_writer(out).with_target(false).log_internal_errors(false);
    let log = tracing_subscriber::registry().with(filter);
    match args.log_format {
        LogFormat::Text => log.with(lines.with_ansi(has_colors)).try_init(),
        LogFormat::Json => log.with(lines.json().flatten_event(true)).try_init(),
    }?;
    log_panics();
    Ok(finish)
}

/// Asks `/readyz`, so that a container needs neither a shell nor curl for its health check.
async fn healthcheck(args: &HealthcheckArgs) -> Result<ExitCode, Failure> {
    let client = args.server.client(None)?;
    let ask = client.send(Method::GET, "/readyz", None);
    match tokio::time::timeout(Duration::from_secs(2), ask).await {
        Ok(Ok(answer)) if answer.status.is_success() => Ok(ExitCode::SUCCESS),
        Ok(Ok(answer)) => Err(format!("{} is not ready: it answered {}", client.server, answer.status).into()),
        Ok(Err(failure)) => Err(failure),
        Err(_) => Err(format!("{} is not ready: it did not answer within 2 seconds", client.server).into()),
    }
}

fn env(args: &EnvArgs) -> Result<ExitCode, Failure> {
    let value = args.admin_token.as_ref().ok_or(
        "the server keeps only a hash of its admin token; give the value by --admin-token or \
         DAPI_MOCK_ADMIN_TOKEN to both, or make another with `dapi-mock admin-token`",
    )?;
    let host = args.server.server()?;
    if args.output.output.is_json() {
        say(&format!("{}\n", json!({ "DATABRICKS_HOST": host.to_string(), "DATABRICKS_TOKEN": value.reveal() })));
    } else {
        say(&format!("export DATABRICKS_HOST={host}\n{}\n", export_token(value)));
    }
    Ok(ExitCode::SUCCESS)
}

async fn admin_token(args: AdminTokenArgs) -> Result<ExitCode, Failure> {
    if args.database == Database::SqliteMemory {
        return Err("a database in memory belongs to its server; give that one --admin-token".into());
    }
    let service = service_over(Store::open(&args.database).await?);
    let minted = service.mint_admin_token().await.map_err(sentence);
    service.store().close().await;
    let (value, owner) = minted?;
    if owner != service::ADMIN_USER {
        eprintln!("{owner} owns this token, because {} is deleted, deactivated or not an admin", service::ADMIN_USER);
    }
    if args.output.output.is_json() {
        say(&format!("{}\n", json!({ "DATABRICKS_TOKEN": value.reveal() })));
    } else {
        say(&format!("{}\n", export_token(&value)));
    }
    Ok(ExitCode::SUCCESS)
}

async fn back_up(args: &BackupArgs) -> Result<ExitCode, Failure> {
    Store::back_up(&args.database, &args.target).await?;
    if args.output.output.is_json() {
        let (target, database) = (args.target.display().to_string(), args.database.to_string());
        say(&format!("{}\n", json!({ "backup": target, "database": database })));
    } else {
        say(&format!("{} is a copy of {}\n", args.target.display(), args.database));
    }
    Ok(ExitCode::SUCCESS)
}

fn completions(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut config::command(), "dapi-mock", &mut text);
    // clap_complete takes the dash in our name for a subcommand's at some places, and bash then finds no function of
    // theirs; scripts for the other shells have no such names.
    say(&String::from_utf8(text)?.replace("dapi__subcmd__mock", "dapi__mock"));
    Ok(ExitCode::SUCCESS)
}

fn manual(args: &ManArgs) -> Result<ExitCode, Failure> {
    let mut command = config::command();
    command.build();
    let described = match &args.command {
        None => command,
        Some(name) => {
            let unknown = || Usage::new(format!("unknown command '{name}': `dapi-mock --help` lists them"));
            let found = command.find_subcommand(name).ok_or_else(unknown)?;
            found.clone()
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(described).render(&mut text)?;
    say(&String::from_utf8(text)?);
    Ok(ExitCode::SUCCESS)
}
