//! Every setting, from flags and `DAPI_MOCK_*` variables: flags win. The only reader of the
//! environment; a bad value refuses to start.

mod cli;
mod running;
mod values;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde_json::Value;
use tracing::level_filters::LevelFilter;

pub use self::cli::{command, parse, parse_from};
pub use self::running::{Output, OutputArgs, RunningArgs, ServerArgs, ServerUrl};
pub use self::values::{CensusBy, CredentialName, name_of};
use crate::background::AuditFile;
use crate::cli::client::Failure;
use crate::clock::SystemClock;
use crate::domain::audit::shape::Shape;
use crate::domain::oauth::ClientSecret;
use crate::domain::settings::{BehaviourChange, Cloud, ErrorTexts, PermissionLoss, Tier};
use crate::domain::tokens::TokenValue;
use crate::domain::tripwire::Reaction;
use crate::domain::{AccountId, Millis, WorkspaceId, seeds};
use crate::http::HostType;
use crate::listen::tls::Tls;
use crate::service::{FirstStart, JournalLimits};
use crate::store::{Database, Durability};
use crate::web::access::{Access, SignInPolicy};
use crate::web::browser::AllowedHost;

/// "DAPI" on a phone keypad.
pub const DEFAULT_PORT: u16 = 3274;
const PREFIX: &str = "DAPI_MOCK_";
/// The port of the `exec` around a process. It tells a port that `exec` has set for clients from one that the
/// user has set.
pub(crate) const EXEC_PORT: &str = "DAPI_MOCK_EXEC_PORT";

/// Databricks' personal-access-token service, on your own machine
#[derive(Debug, Parser)]
#[command(name = "dapi-mock", version, args_conflicts_with_subcommands = true, subcommand_help_heading = "Commands")]
pub struct Cli {
    /// What to do; `serve` when absent.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The settings of `serve`.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server (the default)
    Serve(ServeArgs),
    /// Start a throw-away server, run a command against it, and exit with the command's exit code
    Exec(ExecArgs),
    /// Exit with 0 if the server is ready, else with 1
    Healthcheck(HealthcheckArgs),
    /// Print the export lines for a server whose admin token you chose
    Env(EnvArgs),
    /// Show or move the clock of a workspace
    Clock(ClockArgs),
    /// Explain why a request was refused or allowed
    Explain(ExplainArgs),
    /// Show, arm or clear the faults of a workspace
    Faults(FaultsArgs),
    /// Show the most recent requests to a workspace
    Requests(RequestsArgs),
    /// Exit with 0 if the expected requests came, else with 1
    Verify(VerifyArgs),
    /// Show who uses which credential with which client
    Census(CensusArgs),
    /// Show the audit log of a workspace
    Audit(AuditArgs),
    /// Call any operation of the control API by name; without a name, list them
    Call(CallArgs),
    /// Print everything that the server holds as a seed
    Export(ExportArgs),
    /// Print the certificate of the server's CA, for clients to trust
    Ca(CaArgs),
    /// Copy the SQLite database, also while its server runs
    Backup(BackupArgs),
    /// Create another admin token, if you lost the one that the first start printed
    AdminToken(AdminTokenArgs),
    /// Print the completions for a shell
    Completions(CompletionsArgs),
    /// Print the manual page, of dapi-mock or of one command
    Man(ManArgs),
}

/// Settings of the server.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct ServeArgs {
    /// Set of defaults: dev; test (data in memory); shared (for a team: listens on all IPv4 addresses and requires a control key); lab (for training: data in memory, seeded with the leaky workspace)
    #[arg(long, env = "DAPI_MOCK_PROFILE", default_value = "dev", value_name = "PROFILE")]
    pub profile: Profile,

    /// Port to listen on; 0 picks a free one. The PORT environment variable also works
    #[arg(long, env = "DAPI_MOCK_PORT", value_parser = values::listening_port, value_name = "PORT")]
    pub port: Option<u16>,

    /// Port of the account's host, for account-level clients; 0 picks a free one
    #[arg(long, env = "DAPI_MOCK_ACCOUNT_PORT", value_name = "PORT")]
    pub account_port: Option<u16>,

    /// What the shared port says it is: a workspace's host, or unified, a host for the account and its workspaces
    #[arg(long, env = "DAPI_MOCK_HOST_TYPE", default_value = "workspace", value_name = "TYPE")]
    pub host_type: HostType,

    /// IP addresses to listen on, separated by commas
    #[arg(long, env = "DAPI_MOCK_HOST", value_delimiter = ',', value_parser = values::address, value_name = "ADDRESS")]
    pub host: Vec<IpAddr>,

    #[expect(clippy::doc_markdown, reason = "it is the help text")]
    /// Where to keep the data: sqlite:PATH, sqlite::memory: or postgres://USER@HOST/DATABASE
    #[arg(long, env = "DAPI_MOCK_DATABASE", default_value = "sqlite:dapi-mock.db",
        default_value_ifs([("profile", "test", "sqlite::memory:"), ("profile", "lab", "sqlite::memory:")]))]
    pub database: Database,

    #[expect(clippy::doc_markdown, reason = "it is the help text")]
    /// Make acknowledged changes survive a power cut, at the cost of speed; on PostgreSQL, also if its synchronous_commit is off
    #[arg(long, env = "DAPI_MOCK_DURABLE", action = clap::ArgAction::SetTrue, value_parser = clap::builder::BoolishValueParser::new())]
    pub durable: bool,

    /// Admin token to use instead of a random one: dapi and 32 lower-case hex digits
    #[arg(long, env = "DAPI_MOCK_ADMIN_TOKEN", hide_env_values = true, value_parser = values::token, value_name = "TOKEN")]
    pub admin_token: Option<TokenValue>,

    /// OAuth secret of the admin service principal to use instead of a random one: dose and 32 lower-case hex digits
    #[arg(long, env = "DAPI_MOCK_ADMIN_CLIENT_SECRET", hide_env_values = true, value_parser = values::client_secret, value_name = "SECRET")]
    pub admin_client_secret: Option<ClientSecret>,

    /// Id of the default workspace: up to 16 digits
    #[arg(long, env = "DAPI_MOCK_WORKSPACE_ID", default_value_t = FirstStart::default().workspace, value_parser = values::workspace_id, value_name = "ID")]
    pub workspace_id: WorkspaceId,

    /// Id of the account: a UUID
    #[arg(long, env = "DAPI_MOCK_ACCOUNT_ID", default_value_t = FirstStart::default().account, value_parser = values::account_id, value_name = "UUID")]
    pub account_id: AccountId,

    /// Creation day of a new default workspace, such as 2017-06-01; before 2018, tokens start out disabled
    #[arg(long, env = "DAPI_MOCK_WORKSPACE_CREATED", value_parser = values::day, value_name = "DAY")]
    pub workspace_created: Option<Millis>,

    /// Whether all users of a new default workspace may use tokens
    #[arg(long, env = "DAPI_MOCK_USERS_MAY_USE_TOKENS", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub users_may_use_tokens: bool,

    /// Pricing tier of the default workspace: premium or standard. The database remembers it, and the settings of this group that follow
    #[arg(long, env = "DAPI_MOCK_TIER", value_parser = values::name::<Tier>, value_name = "TIER")]
    pub tier: Option<Tier>,

    /// Cloud of the default workspace: aws, azure (no on-behalf-of tokens) or gcp
    #[arg(long, env = "DAPI_MOCK_CLOUD", value_parser = values::name::<Cloud>, value_name = "CLOUD")]
    pub cloud: Option<Cloud>,

    /// What happens to a principal's tokens when it loses the permission to use tokens: suspend, delete or mixed
    #[arg(long, env = "DAPI_MOCK_PERMISSION_LOSS", value_parser = values::name::<PermissionLoss>, value_name = "MODE")]
    pub permission_loss: Option<PermissionLoss>,

    /// Delay until a changed workspace configuration takes effect, in seconds
    #[arg(long, env = "DAPI_MOCK_PROPAGATION_DELAY", value_parser = values::number(0..=u32::MAX), value_name = "SECONDS")]
    pub propagation_delay: Option<u32>,

    /// Shard number to append to new token values, as on Azure
    #[arg(long, env = "DAPI_MOCK_TOKEN_SUFFIX", value_parser = values::number(0..=u8::MAX), value_name = "NUMBER")]
    pub token_suffix: Option<u8>,

    /// Whether the permissions on tokens answer 404 until the workspace has a token
    #[arg(long, env = "DAPI_MOCK_PERMISSIONS_NEED_A_TOKEN", value_name = "BOOL")]
    pub permissions_need_a_token: Option<bool>,

    /// Wording of refusals whose texts the real service changed: as of 2024 or 2026
    #[arg(long, env = "DAPI_MOCK_ERROR_TEXTS", default_value = "2026", value_parser = values::name::<ErrorTexts>, value_name = "YEAR")]
    pub error_texts: ErrorTexts,

    /// How many days auto-scoping watches a new token before it narrows the scopes [default: 30]
    #[arg(long, env = "DAPI_MOCK_AUTOSCOPE_DAYS", value_name = "DAYS")]
    pub autoscope_days: Option<NonZeroU16>,

    /// Seed file (YAML or JSON), or a folder of them, applied in the order of their names; existing objects stay as they are
    #[arg(long, env = "DAPI_MOCK_SEED", value_name = "PATH")]
    pub seed: Option<PathBuf>,

    /// Seed as JSON text, for CI services that cannot mount a file; applied after --seed
    #[arg(long, env = "DAPI_MOCK_SEED_JSON", hide_env_values = true, value_name = "JSON")]
    pub seed_json: Option<Secret>,

    /// Whether to serve the control API under /_mock
    #[arg(long, env = "DAPI_MOCK_CONTROL", default_value = "on", value_name = "ON|OFF")]
    pub control: OnOff,

    /// Key that callers of the control API must send as a bearer token
    #[arg(long, env = "DAPI_MOCK_CONTROL_KEY", hide_env_values = true, value_name = "KEY")]
    pub control_key: Option<Secret>,

    /// Serve the control API without a key although other machines can reach the server
    #[arg(long, env = "DAPI_MOCK_ALLOW_OPEN_CONTROL", action = clap::ArgAction::SetTrue, value_parser = clap::builder::BoolishValueParser::new())]
    pub allow_open_control: bool,

    /// Host name by which clients may reach the control API and the pages without a key, beside IP addresses, localhost, dotless names, *.localhost and *.internal; *.SUFFIX for all names below a domain. Repeat it or separate with commas
    #[arg(long, env = "DAPI_MOCK_ALLOW_HOST", value_delimiter = ',', value_parser = values::allowed_host, value_name = "NAME")]
    pub allow_host: Vec<AllowedHost>,

    /// User to sign in without asking, by userName; has no effect with a control key
    #[arg(long, env = "DAPI_MOCK_SIGN_IN_AS", value_name = "USER")]
    pub sign_in_as: Option<String>,

    /// Maximum number of requests in the journal of a workspace (0 disables it)
    #[arg(long, env = "DAPI_MOCK_JOURNAL_REQUESTS", default_value_t = JournalLimits::default().requests, value_parser = values::number(0..=usize::MAX), value_name = "NUMBER")]
    pub journal_requests: usize,

    /// Maximum size of the journal of a workspace, in bytes (0 disables it)
    #[arg(long, env = "DAPI_MOCK_JOURNAL_BYTES", default_value_t = JournalLimits::default().bytes, value_parser = values::number(0..=usize::MAX), value_name = "BYTES")]
    pub journal_bytes: usize,

    /// What comes of production-looking credentials.
    #[command(flatten)]
    pub tripwire: TripwireArgs,

    /// Whether the port accepts https as well as http
    #[arg(long, env = "DAPI_MOCK_TLS", default_value = "on", value_name = "ON|OFF")]
    pub tls: OnOff,

    /// Folder of the server's CA; defaults to dapi-mock-tls beside a SQLite file, else the CA is in memory only
    #[arg(long, env = "DAPI_MOCK_TLS_DIR", value_name = "PATH")]
    pub tls_dir: Option<PathBuf>,

    /// Additional names and addresses for the certificates, separated by commas; the name that a client asks for and the address that it reaches are always included
    #[arg(long, env = "DAPI_MOCK_TLS_NAME", value_delimiter = ',', value_parser = values::tls_name, value_name = "NAME")]
    pub tls_name: Vec<String>,

    /// Certificate to serve instead of the CA's, followed by its chain (PEM)
    #[arg(long, env = "DAPI_MOCK_TLS_CERT", requires = "tls_key", conflicts_with_all = ["tls_dir", "tls_name"], value_name = "PATH")]
    pub tls_cert: Option<PathBuf>,

    /// Key of --tls-cert (PEM)
    #[arg(long, env = "DAPI_MOCK_TLS_KEY", requires = "tls_cert", value_name = "PATH")]
    pub tls_key: Option<PathBuf>,

    /// How often expired tokens are swept, in seconds; clients cannot observe it
    #[arg(long, env = "DAPI_MOCK_SWEEP_INTERVAL", default_value_t = 60, value_parser = values::number(1..=u32::MAX), value_name = "SECONDS")]
    pub sweep_interval: u32,

    /// File to write the audit log to
    #[arg(long, env = "DAPI_MOCK_AUDIT_FILE", value_name = "PATH")]
    pub audit_file: Option<PathBuf>,

    #[expect(clippy::doc_markdown, reason = "it is the help text")]
    /// Format of the audit file: delivery, system_table or azure
    #[arg(long, env = "DAPI_MOCK_AUDIT_SHAPE", default_value = "delivery", value_parser = values::shape, value_name = "SHAPE")]
    pub audit_shape: Shape,

    /// Rotate the audit file at this size, in bytes; keep five
    #[arg(long, env = "DAPI_MOCK_AUDIT_FILE_BYTES", default_value_t = 10_000_000, value_parser = values::number(1..=u64::MAX), value_name = "BYTES")]
    pub audit_file_bytes: u64,

    /// Stop in order when standard input reaches its end: for test fixtures, whose servers then end with them, however that ends
    #[arg(long, env = "DAPI_MOCK_UNTIL_STDIN_CLOSES", action = clap::ArgAction::SetTrue, value_parser = clap::builder::BoolishValueParser::new())]
    pub until_stdin_closes: bool,

    /// JSON file to write when the server is ready, with everything that clients need; only its owner can read it, and it is removed when the server stops
    #[arg(long, env = "DAPI_MOCK_READY_FILE", value_name = "PATH")]
    pub ready_file: Option<PathBuf>,

    /// The log, on standard error.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Defaults that go together; a flag or variable of its own wins over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Data in memory.
    Test,
    /// A file in the working directory, loopback.
    Dev,
    /// All IPv4 addresses; requires a control key.
    Shared,
    /// Data in memory, and a workspace to train on.
    Lab,
}

/// Settings of the tripwire.
#[derive(Clone, Copy, Debug, Args)]
pub struct TripwireArgs {
    /// What to do when a suspected real credential is sent: off, warn, or fail (exit with 70 at the end)
    #[arg(long, env = "DAPI_MOCK_TRIPWIRE", default_value = "warn", value_parser = values::name::<Reaction>, value_name = "REACTION")]
    pub tripwire: Reaction,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names say it")]
pub enum OnOff {
    On,
    Off,
}

/// A text that `Debug` does not show.
#[derive(Clone)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl ServeArgs {
    /// Refuses what does not go together.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn check(&self) -> Result<(), &'static str> {
        match (self.profile, &self.control_key) {
            (Profile::Shared, None) => {
                Err("--profile shared requires --control-key because other machines can reach the server")
            }
            _ => Ok(()),
        }
    }

    /// The addresses to listen on.
    pub fn hosts(&self) -> Vec<IpAddr> {
        if !self.host.is_empty() {
            return self.host.clone();
        }
        match self.profile {
            Profile::Shared => vec![Ipv4Addr::UNSPECIFIED.into()],
            Profile::Test | Profile::Dev | Profile::Lab => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        }
    }

    /// The seed of the profile, where none is given.
    pub fn usual_seed(&self) -> Option<&'static str> {
        let given = self.seed.is_some() || self.seed_json.is_some();
        (self.profile == Profile::Lab && !given).then(|| seeds::template_text("leaky")).flatten()
    }

    /// Who may use the control API.
    pub fn access(&self) -> Access {
        if self.control == OnOff::On { self.access_if_on() } else { Access::Off }
    }

    fn access_if_on(&self) -> Access {
        match &self.control_key {
            Some(key) => Access::with_key(&key.0),
            None if self.allow_open_control || self.hosts().iter().all(IpAddr::is_loopback) => Access::Open,
            None => Access::Closed,
        }
    }

    /// Who may sign in as whom: whoever could use the control API, were it on.
    pub fn sign_in(&self) -> SignInPolicy {
        match self.access_if_on() {
            Access::Open => SignInPolicy::Open(self.sign_in_as.clone()),
            Access::Key(key) => SignInPolicy::Key(key),
            Access::Closed | Access::Off => SignInPolicy::Closed,
        }
    }

    /// How much the journal keeps.
    pub fn journal(&self) -> JournalLimits {
        JournalLimits { requests: self.journal_requests, bytes: self.journal_bytes }
    }

    /// What of the acknowledged changes survives.
    pub fn durability(&self) -> Durability {
        if self.durable { Durability::SurvivesPowerCut } else { Durability::SurvivesKill }
    }

    /// How TLS is spoken, where it is.
    ///
    /// # Errors
    /// A sentence when what was asked for cannot be had.
    pub fn tls(&self) -> Result<Option<Tls>, Failure> {
        if self.tls == OnOff::Off {
            return Ok(None);
        }
        if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            return Tls::given(certificate, key).map(Some);
        }
        let folder = self.tls_dir.clone().or_else(|| match &self.database {
            Database::SqliteFile(path) => Some(Path::new(path).with_file_name("dapi-mock-tls")),
            Database::SqliteMemory | Database::Postgres(_) => None,
        });
        let tls = Tls::own(folder, self.tls_name.clone(), Arc::new(SystemClock));
        if self.tls_dir.is_some() {
            tls.ca()?;
        }
        Ok(Some(tls))
    }

    /// Where the audit log goes as a file.
    pub fn audit_file(&self) -> Option<AuditFile> {
        let path = self.audit_file.clone()?;
        Some(AuditFile { path, shape: self.audit_shape, max_bytes: self.audit_file_bytes })
    }

    /// What an empty database is seeded with.
    pub fn first_start(&self) -> FirstStart {
        FirstStart {
            account: self.account_id,
            workspace: self.workspace_id,
            admin_token: self.admin_token.clone(),
            admin_client_secret: self.admin_client_secret.clone(),
            workspace_created_at: self.workspace_created,
            users_may_use_tokens: self.users_may_use_tokens,
            behaviour: BehaviourChange {
                tier: self.tier,
                cloud: self.cloud,
                permission_loss: self.permission_loss,
                propagation_delay_ms: self.propagation_delay.map(|seconds| i64::from(seconds) * 1000),
                token_value_suffix: self.token_suffix,
                permissions_need_a_token: self.permissions_need_a_token,
                autoscope_days: self.autoscope_days,
            },
        }
    }

    /// The port: the flag's or variable's, else `PORT`'s, else the default.
    ///
    /// # Errors
    /// A sentence when `PORT` is not a port.
    pub fn port(&self) -> Result<u16, String> {
        match (self.port, variable("PORT")) {
            (Some(port), _) => Ok(port),
            (None, Some(text)) => {
                values::listening_port(&text).map_err(|error| format!("PORT is '{text}', which is {error}"))
            }
            (None, None) => Ok(DEFAULT_PORT),
        }
    }
}

/// Settings of the log.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// What to log: off, error, warn, info (refusals and their reasons) or debug (every request)
    #[arg(long, env = "DAPI_MOCK_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub log_level: LogLevel,

    /// Format of the log
    #[arg(long, env = "DAPI_MOCK_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The most detailed level of this program that is logged, and that of the libraries.
    pub const fn filters(self) -> (LevelFilter, LevelFilter) {
        match self {
            Self::Off => (LevelFilter::OFF, LevelFilter::OFF),
            Self::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
            Self::Warn => (LevelFilter::WARN, LevelFilter::WARN),
            Self::Info => (LevelFilter::INFO, LevelFilter::WARN),
            Self::Debug => (LevelFilter::DEBUG, LevelFilter::INFO),
            Self::Trace => (LevelFilter::TRACE, LevelFilter::TRACE),
        }
    }
}

/// How it is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Settings of `exec`: those of `serve`, with data in memory and a free port where nothing else is said.
#[derive(Debug, Args)]
#[command(
    mut_arg("port", |arg| arg.help("Port; a free one by default")),
    mut_arg("database", |arg| arg.default_value("sqlite::memory:")),
    mut_arg("until_stdin_closes", |arg| arg.env(clap::builder::Resettable::<clap::builder::OsStr>::Reset).hide(true)),
)]
pub struct ExecArgs {
    /// The server's.
    #[command(flatten)]
    pub serve: ServeArgs,

    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

impl ExecArgs {
    /// Refuses what does not go together.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.serve.until_stdin_closes {
            return Err("--until-stdin-closes is for serve: the standard input of exec belongs to the command, and \
                        the server ends with it");
        }
        self.serve.check()
    }

    /// The port that was asked for; else a free one. `PORT` is the command's, and the port of an `exec` around this
    /// one is that server's.
    pub fn port(&self) -> u16 {
        let of_another = variable(EXEC_PORT).and_then(|text| text.parse().ok());
        self.serve.port.filter(|port| Some(*port) != of_another).unwrap_or_default()
    }
}

/// Settings of `healthcheck`.
#[derive(Debug, Args)]
pub struct HealthcheckArgs {
    /// Which server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Settings of `call`.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// Operation, such as workspaces.create
    #[arg(value_name = "OPERATION")]
    pub operation: Option<String>,

    /// Parameters of its path except the workspace, in order
    #[arg(value_name = "PARAMETER")]
    pub parameters: Vec<String>,

    /// Body of the request
    #[arg(long, value_name = "JSON", value_parser = values::json)]
    pub json: Option<Value>,

    /// Parameter of the query; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::pair)]
    pub query: Vec<(String, String)>,

    /// Which server.
    #[command(flatten)]
    pub running: RunningArgs,
}

/// Settings of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Which server.
    #[command(flatten)]
    pub running: RunningArgs,
}

/// Settings of `ca`.
#[derive(Debug, Args)]
pub struct CaArgs {
    /// Which server.
    #[command(flatten)]
    pub running: RunningArgs,
}

/// Settings of `clock`.
#[derive(Debug, Args)]
pub struct ClockArgs {
    /// Advance by a duration, such as 90d or PT2H
    #[arg(long, value_name = "DURATION", group = "change", value_parser = values::span)]
    pub by: Option<String>,

    /// Advance to an instant, such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "INSTANT", group = "change", value_parser = values::instant)]
    pub to: Option<String>,

    #[expect(clippy::doc_markdown, reason = "it is the help text")]
    /// Advance to the next event: token.expired, token.auto_revoked, token.vacuumed, token.autoscoped, conf.effective or token:TOKEN_ID
    #[arg(long, value_name = "EVENT", group = "change", value_parser = values::event)]
    pub until: Option<String>,

    /// Stop the clock at its current time
    #[arg(long, group = "change")]
    pub freeze: bool,

    /// Let the clock run on from its current time
    #[arg(long, group = "change")]
    pub run: bool,

    /// List the upcoming events
    #[arg(long, group = "change")]
    pub upcoming: bool,

    /// Which server.
    #[command(flatten)]
    pub running: RunningArgs,
}

/// Settings of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// X-Request-Id of the answer
    #[arg(required_unless_present = "last", conflicts_with = "last", value_name = "REQUEST_ID")]
    pub request_id: Option<String>,

    /// Explain the most recent refusal
    #[arg(long)]
    pub last: bool,

    /// Which server.
    #[command(flatten)]
    pub running: RunningArgs,
}

/// Settings of `faults`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct FaultsArgs {
    /// What to do; show them when absent.
    #[command(subcommand)]
    pub command: Option<FaultsCommand>,

    /// Which server.
    #[command(flatten)]
    pub running: RunningArgs,
}

/// What `faults` does.
#[derive(Debug, Subcommand)]
pub enum FaultsCommand {
    /// Arm a fault of the catalogue
    Arm(ArmArgs),
    /// Clear all faults of the workspace
    Clear(RunningArgs),
    /// List the faults that can be armed by name
    Catalogue(RunningArgs),
}

/// Which requests, by what came.
#[derive(Debug, Args)]
pub struct MatchArgs {
    /// Only requests with this method
    #[arg(long, value_name = "METHOD", value_parser = values::method)]
    pub method: Option<String>,

    /// Only requests to this path; * stands for one segment, or at the end for any rest
    #[arg(long, value_name = "PATH", value_parser = values::path)]
    pub path: Option<String>,

    /// Only requests of this user (userName) or service principal (application id)
    #[arg(long, value_name = "NAME")]
    pub principal: Option<String>,

    /// Only requests with this token
    #[arg(long, value_name = "TOKEN_ID")]
    pub token_id: Option<String>,

    /// Only requests whose User-Agent contains this text
    #[arg(long, value_name = "TEXT")]
    pub client: Option<String>,
}

/// Settings of `faults arm`.
#[derive(Debug, Args)]
pub struct ArmArgs {
    #[expect(clippy::doc_markdown, reason = "it is the help text")]
    /// Name in the catalogue, such as rate_limited
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Number of requests that fail; 0 for all
    #[arg(long, default_value_t = 1, value_name = "NUMBER", value_parser = values::number(0..=u32::MAX))]
    pub times: u32,

    /// Number of requests to let through first
    #[arg(long, default_value_t = 0, value_name = "NUMBER", value_parser = values::number(0..=u32::MAX))]
    pub offset: u32,

    /// Which requests.
    #[command(flatten)]
    pub requests: MatchArgs,

    /// Which server.
    #[command(flatten)]
    pub running: RunningArgs,
}

/// Which requests, also by what was answered.
#[derive(Debug, Args)]
pub struct FilterArgs {
    /// Which requests.
    #[command(flatten)]
    pub requests: MatchArgs,

    /// Only requests that were answered with this status; 0 for those without an answer
    #[arg(long, value_name = "STATUS", value_parser = status)]
    pub status: Option<u16>,

    /// Only requests with this kind of credential
    #[arg(long, value_name = "KIND")]
    pub credential: Option<CredentialName>,

    /// Only requests for this operation, such as tokens.create
    #[arg(long, value_name = "NAME")]
    pub operation: Option<String>,

    /// Only requests to an unknown path
    #[arg(long)]
    pub unmatched: bool,

    /// Only requests that failed or got no answer
    #[arg(long)]
    pub refused: bool,
}

fn status(text: &str) -> Result<u16, String> {
    if text == "0" { Ok(0) } else { values::number(100..=599)(text) }
}

impl FilterArgs {
    /// Those that were given, by the names that the control API uses.
    pub fn given(&self) -> Vec<(&'static str, String)> {
        let [unmatched, refused] = [self.unmatched, self.refused].map(|flag| flag.then(|| "true".to_owned()));
        let MatchArgs { method, path, principal, token_id, client } = &self.requests;
        let all = [
            ("method", method.clone()),
            ("path", path.clone()),
            ("principal", principal.clone()),
            ("token_id", token_id.clone()),
            ("client", client.clone()),
            ("status", self.status.map(|status| status.to_string())),
            ("credential", self.credential.as_ref().map(name_of)),
            ("operation", self.operation.clone()),
            ("unmatched", unmatched),
            ("refused", refused),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Settings of `requests`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct RequestsArgs {
    /// Which.
    #[command(flatten)]
    pub filter: FilterArgs,

    /// Print curl commands that send the requests again
    #[arg(long, group = "form")]
    pub curl: bool,

    /// Print an HTTP archive (HAR)
    #[arg(long, group = "form")]
    pub har: bool,

    /// Keep printing as requests come
    #[arg(long, group = "form")]
    pub follow: bool,

    /// Remove the printed requests from the journal
    #[arg(long)]
    pub consume: bool,

    /// Which server.
    #[command(flatten)]
    pub running: RunningArgs,
}

/// Settings of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Which.
    #[command(flatten)]
    pub filter: FilterArgs,

    /// Expect at least this many requests (default 1)
    #[arg(long, value_name = "NUMBER", value_parser = values::number(0..=usize::MAX))]
    pub at_least: Option<usize>,

    /// Expect at most this many requests
    #[arg(long, value_name = "NUMBER", value_parser = values::number(0..=usize::MAX))]
    pub at_most: Option<usize>,

    /// Expect exactly this many requests
    #[arg(long, value_name = "NUMBER", value_parser = values::number(0..=usize::MAX), conflicts_with_all = ["at_least", "at_most"])]
    pub exactly: Option<usize>,

    /// Which server.
    #[command(flatten)]
    pub running: RunningArgs,
}

/// Settings of `census`.
#[derive(Debug, Args)]
pub struct CensusArgs {
    /// What to group by
    #[arg(long, default_value = "client", value_name = "WHAT")]
    pub by: CensusBy,

    /// Which server.
    #[command(flatten)]
    pub running: RunningArgs,
}

/// Settings of `audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Keep printing as events come
    #[arg(long)]
    pub follow: bool,

    #[expect(clippy::doc_markdown, reason = "it is the help text")]
    /// Format of the JSON lines: delivery (the default), system_table or azure. Implies --output json
    #[arg(long, value_parser = values::shape, value_name = "SHAPE")]
    pub shape: Option<Shape>,

    /// Only events with this action, such as generateDbToken
    #[arg(long, value_name = "NAME")]
    pub action: Option<String>,

    /// Only events by this actor
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,

    /// Which server.
    #[command(flatten)]
    pub running: RunningArgs,
}

/// Settings of `env`.
#[derive(Debug, Args)]
pub struct EnvArgs {
    /// Which server.
    #[command(flatten)]
    pub server: ServerArgs,

    /// Admin token that the server was given
    #[arg(long, env = "DAPI_MOCK_ADMIN_TOKEN", hide_env_values = true, value_parser = values::token, value_name = "TOKEN")]
    pub admin_token: Option<TokenValue>,

    /// How to show it.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Settings of `admin-token`.
#[derive(Debug, Args)]
pub struct AdminTokenArgs {
    /// Database of the server, which may be running
    #[arg(long, env = "DAPI_MOCK_DATABASE", default_value = "sqlite:dapi-mock.db", value_name = "DATABASE")]
    pub database: Database,

    /// How to show it.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Settings of `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Path of the copy; nothing may exist there yet
    #[arg(value_name = "TARGET")]
    pub target: PathBuf,

    /// Database to copy; its server may be running
    #[arg(long, env = "DAPI_MOCK_DATABASE", default_value = "sqlite:dapi-mock.db", value_name = "DATABASE")]
    pub database: Database,

    /// How to show it.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Settings of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Shell to complete for
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Settings of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Command to describe; dapi-mock itself when absent
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
}

/// A variable's value; an empty one is an absent one.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether a variable is set, and to nothing.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn is_empty_variable(name: &std::ffi::OsStr) -> bool {
    std::env::var_os(name).is_some_and(|value| value.is_empty())
}

/// Whether text for a terminal may have colour.
pub fn may_color() -> bool {
    variable("NO_COLOR").is_none() && variable("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// `DAPI_MOCK_*` variables that no setting reads: usually a typo.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn unknown_variables() -> Vec<String> {
    let known = cli::variables();
    let names = std::env::vars_os().filter(|(_, value)| !value.is_empty());
    let names = names.filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| name.starts_with(PREFIX) && !known.contains(name)).collect()
}

/// The settings of `serve` as a Markdown table, for `docs/settings.md`.
pub fn settings_table() -> String {
    let mut rows = vec!["| flag | variable | default | meaning |".to_owned(), "|---|---|---|---|".to_owned()];
    let cli = <Cli as clap::CommandFactory>::command();
    for arg in cli.get_arguments() {
        let (Some(flag), Some(variable)) = (arg.get_long(), arg.get_env()) else { continue };
        let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default = match (flag, defaults.is_empty()) {
            ("port", _) => format!("`{DEFAULT_PORT}`"),
            ("host", _) => "`127.0.0.1,::1`".to_owned(),
            (_, true) => "none".to_owned(),
            (_, false) => format!("`{}`", defaults.join(",")),
        };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default().replace('*', "\\*");
        rows.push(format!("| `--{flag}` | `{}` | {default} | {help} |", variable.to_string_lossy()));
    }
    rows.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
        parse_from(std::iter::once("dapi-mock").chain(args.iter().copied()))
    }

    #[test]
    fn serve_is_the_default_command() {
        let cli = parse(&["--port", "0", "--database", "sqlite::memory:"]).unwrap();
        assert!(cli.command.is_none() && cli.serve.port == Some(0) && cli.serve.hosts().len() == 2);
        assert!(
            matches!(parse(&["serve", "--port", "1"]).unwrap().command, Some(Command::Serve(args)) if args.port == Some(1))
        );
    }

    #[test]
    fn a_profile_is_a_set_of_defaults() {
        let serve = |args: &[&str]| parse(args).unwrap().serve;
        assert_eq!(serve(&[]).database, Database::SqliteFile("dapi-mock.db".into()));
        assert_eq!(serve(&["--profile", "test"]).database, Database::SqliteMemory);
        let file = ["--profile", "lab", "--database", "sqlite:x.db"];
        assert_eq!(serve(&file).database, Database::SqliteFile("x.db".into()));
        assert!(serve(&file).usual_seed().is_some() && serve(&["--profile", "test"]).usual_seed().is_none());
        assert!(serve(&["--profile", "lab", "--seed", "x"]).usual_seed().is_none());
        assert!(serve(&["--profile", "shared"]).check().is_err());
        let shared = serve(&["--profile", "shared", "--control-key", "k"]);
        assert!(shared.check().is_ok() && shared.hosts().iter().all(IpAddr::is_unspecified));
        assert!(serve(&["--profile", "shared", "--host", "10.0.0.1"]).hosts() == [IpAddr::from([10, 0, 0, 1])]);
    }

    #[test]
    fn a_bad_value_is_refused_with_what_would_be_right() {
        for (args, advice) in [
            (["--port", "65536"], "65535"),
            (["--host", "localhost"], "IP address"),
            (["--database", "mysql://x"], "use sqlite:PATH"),
            (["--admin-token", "dapi123"], "32 lower-case hex digits"),
            (["--admin-client-secret", "dapi123"], "use dose and 32"),
            (["--workspace-id", "0"], "use a number from 1"),
            (["--account-id", "x"], "use a UUID"),
            (["--log-level", "loud"], "possible values"),
            (["--tls-name", "no name"], "use a host name or an IP address"),
            (["--tls-cert", "x.pem"], "--tls-key"),
            (["--tier", "gold"], "expected `premium` or `standard`"),
            (["--workspace-created", "yesterday"], "use one such as 2017-06-01"),
        ] {
            let error = parse(&args).unwrap_err().to_string();
            assert!(error.contains(advice), "{args:?}: {error}");
        }
    }

    #[test]
    fn whoever_could_use_the_control_api_may_sign_in() {
        let policy = |args: &[&str]| parse(args).unwrap().serve.sign_in();
        let at_once = ["--sign-in-as", "eva"];
        assert!(matches!(policy(&[]), SignInPolicy::Open(None)));
        assert!(matches!(policy(&at_once), SignInPolicy::Open(Some(user)) if user == "eva"));
        assert!(matches!(policy(&["--control", "off"]), SignInPolicy::Open(None)));
        assert!(matches!(parse(&["--control", "off"]).unwrap().serve.access(), Access::Off));
        for shared in [["--control", "on"], ["--control", "off"], ["--host", "0.0.0.0"]] {
            let args = [&shared[..], &at_once, &["--control-key", "k", "--allow-open-control"]].concat();
            assert!(matches!(policy(&args), SignInPolicy::Key(_)), "{args:?}");
        }
        assert!(matches!(policy(&["--host", "127.0.0.1,0.0.0.0"]), SignInPolicy::Closed));
        assert!(matches!(policy(&["--host", "0.0.0.0", "--allow-open-control"]), SignInPolicy::Open(None)));
    }

    #[test]
    fn exec_has_every_setting_of_serve() {
        let cli = <Cli as clap::CommandFactory>::command();
        let exec = cli.get_subcommands().find(|command| command.get_name() == "exec").unwrap();
        for serve in cli.get_arguments().filter(|arg| arg.get_env().is_some()) {
            let here = exec.get_arguments().find(|arg| arg.get_id() == serve.get_id());
            let here = here.unwrap_or_else(|| panic!("exec lacks {serve}"));
            assert_eq!(here.get_long(), serve.get_long());
            // The standard input of exec is the command's.
            let expected = serve.get_env().filter(|_| serve.get_id() != "until_stdin_closes");
            assert_eq!(here.get_env(), expected, "{serve}");
        }
        let exec = |args: &[&str]| match parse(&[&["exec"], args, &["--", "true"]].concat()).unwrap().command {
            Some(Command::Exec(args)) => args,
            other => panic!("{other:?}"),
        };
        assert_eq!((exec(&[]).serve.database, exec(&[]).port()), (Database::SqliteMemory, 0));
        for profile in ["test", "dev", "lab"] {
            assert_eq!(exec(&["--profile", profile]).serve.database, Database::SqliteMemory);
        }
        let given = exec(&["--database", "sqlite:x.db", "--port", "7"]);
        assert_eq!((given.serve.database.clone(), given.port()), (Database::SqliteFile("x.db".into()), 7));
        assert!(exec(&["--until-stdin-closes"]).check().is_err());
    }

    #[test]
    fn the_commands_words_are_its_own() {
        let cli = parse(&["exec", "--", "python", "-c", "--port"]).unwrap();
        assert!(matches!(cli.command, Some(Command::Exec(args)) if args.command == ["python", "-c", "--port"]));
    }

    #[test]
    fn the_debug_form_of_the_settings_shows_no_secret() {
        let args = ["--admin-token", "dapi0123456789abcdef0123456789abcdef"];
        let secret = ["--admin-client-secret", "dose0123456789abcdef0123456789abcdef"];
        let cli = parse(&[args, secret].concat()).unwrap();
        assert!(!format!("{cli:?}").contains("0123456789abcdef"));
    }
}
