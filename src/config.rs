//! Every setting, from flags and `DAPI_MOCK_*` variables: flags win. The only reader of the
//! environment; a bad value refuses to start.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tokio_rustls::rustls::pki_types::ServerName;
use tracing::level_filters::LevelFilter;
use uuid::Uuid;

use crate::audit_shape::Shape;
use crate::background::AuditFile;
use crate::clock::SystemClock;
use crate::control::Access;
use crate::domain::ids::MAX_NUMERIC_ID;
use crate::domain::oauth::ClientSecret;
use crate::domain::seed;
use crate::domain::settings::{BehaviourChange, Cloud, ErrorTexts, PermissionLoss, Tier};
use crate::domain::stranger::Reaction;
use crate::domain::token::TokenValue;
use crate::domain::{AccountId, Millis, WorkspaceId};
use crate::http::SignInPolicy;
use crate::own_client::Failure;
use crate::service::{FirstStart, JournalLimits};
use crate::store::{Database, Durability};
use crate::tls::Tls;

/// "DAPI" on a phone keypad.
pub const DEFAULT_PORT: u16 = 3274;
const PREFIX: &str = "DAPI_MOCK_";

/// The token service of Databricks, on your own machine.
#[derive(Debug, Parser)]
#[command(name = "dapi-mock", version, args_conflicts_with_subcommands = true)]
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
    /// Start a throw-away server, run a command against it, stop, and return the command's exit code
    Exec(ExecArgs),
    /// Exit 0 when a server is ready, 1 when not
    Healthcheck(HealthcheckArgs),
    /// Print the export lines of a server whose admin token was given
    Env(EnvArgs),
    /// Show or move the clock of a running server's workspace
    Clock(ClockArgs),
    /// Say why a request was refused or allowed
    Explain(ExplainArgs),
    /// Show, arm or clear the faults of a running server's workspace
    Faults(FaultsArgs),
    /// Show the last requests to a running server's workspace
    Requests(RequestsArgs),
    /// Exit 0 when the requests came that were expected, 1 when not
    Verify(VerifyArgs),
    /// Show who uses which credential with which client
    Census(CensusArgs),
    /// Print the audit log of a running server's workspace as JSON lines
    Audit(AuditArgs),
    /// Call an operation of the own API by its name; without one, list them
    Call(CallArgs),
    /// Write the world of a running server as a seed
    Export(RunningArgs),
    /// Print the certificate of a running server's own CA, for clients that are to trust it
    Ca(RunningArgs),
    /// Copy the SQLite database as it is at one moment, also beside its running server
    Backup(BackupArgs),
    /// Make another admin token, for whoever lost the one that the first start printed
    AdminToken(AdminTokenArgs),
}

/// Settings of the server.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// Defaults that go together: test (data in memory), dev (the usual ones), shared (for a team: all IPv4 addresses, and a control key has to be given), lab (for training: in memory, the leaky workspace when no seed is given)
    #[arg(long, env = "DAPI_MOCK_PROFILE", default_value = "dev", value_name = "PROFILE")]
    pub profile: Profile,

    /// Port; 0 picks a free one. PORT counts too
    #[arg(long, env = "DAPI_MOCK_PORT")]
    pub port: Option<u16>,

    /// Addresses to listen on, separated by commas
    #[arg(long, env = "DAPI_MOCK_HOST", value_delimiter = ',')]
    pub host: Vec<IpAddr>,

    #[expect(clippy::doc_markdown, reason = "it is the help text")]
    /// Where the data are: sqlite:PATH, sqlite::memory: or postgres://USER@HOST/DATABASE
    #[arg(long, env = "DAPI_MOCK_DATABASE", default_value = "sqlite:dapi-mock.db",
        default_value_ifs([("profile", "test", "sqlite::memory:"), ("profile", "lab", "sqlite::memory:")]))]
    pub database: Database,

    #[expect(clippy::doc_markdown, reason = "it is the help text")]
    /// Let acknowledged changes survive a power cut, too, at the cost of speed; with PostgreSQL, also where its synchronous_commit is off
    #[arg(long, env = "DAPI_MOCK_DURABLE", action = clap::ArgAction::SetTrue, value_parser = clap::builder::BoolishValueParser::new())]
    pub durable: bool,

    /// A fixed admin token: dapi and 32 lower-case hex digits
    #[arg(long, env = "DAPI_MOCK_ADMIN_TOKEN", hide_env_values = true, value_parser = parse_token, value_name = "TOKEN")]
    pub admin_token: Option<TokenValue>,

    /// A fixed OAuth secret of the admin service principal: dose and 32 lower-case hex digits
    #[arg(long, env = "DAPI_MOCK_ADMIN_CLIENT_SECRET", hide_env_values = true, value_parser = parse_client_secret, value_name = "SECRET")]
    pub admin_client_secret: Option<ClientSecret>,

    /// The default workspace's id: up to 16 digits
    #[arg(long, env = "DAPI_MOCK_WORKSPACE_ID", default_value_t = FirstStart::default().workspace, value_parser = parse_workspace, value_name = "ID")]
    pub workspace_id: WorkspaceId,

    /// The account's id: a UUID
    #[arg(long, env = "DAPI_MOCK_ACCOUNT_ID", default_value_t = FirstStart::default().account, value_parser = parse_account, value_name = "UUID")]
    pub account_id: AccountId,

    /// When a new default workspace was created, such as 2017-06-01; before 2018 it starts with tokens disabled
    #[arg(long, env = "DAPI_MOCK_WORKSPACE_CREATED", value_parser = parse_day, value_name = "DAY")]
    pub workspace_created: Option<Millis>,

    /// Whether everybody may use tokens in a new default workspace
    #[arg(long, env = "DAPI_MOCK_USERS_MAY_USE_TOKENS", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub users_may_use_tokens: bool,

    /// The plan: premium or standard. This and what follows holds from this start on, and stays
    #[arg(long, env = "DAPI_MOCK_TIER", value_parser = parse_name::<Tier>, value_name = "TIER")]
    pub tier: Option<Tier>,

    /// The cloud flavour: aws, azure (no on-behalf-of tokens) or gcp
    #[arg(long, env = "DAPI_MOCK_CLOUD", value_parser = parse_name::<Cloud>, value_name = "CLOUD")]
    pub cloud: Option<Cloud>,

    /// What happens to the tokens of who loses the permission: suspend, delete or mixed
    #[arg(long, env = "DAPI_MOCK_PERMISSION_LOSS", value_parser = parse_name::<PermissionLoss>, value_name = "MODE")]
    pub permission_loss: Option<PermissionLoss>,

    /// Seconds until a changed workspace configuration takes effect
    #[arg(long, env = "DAPI_MOCK_PROPAGATION_DELAY", value_name = "SECONDS")]
    pub propagation_delay: Option<u32>,

    /// A shard number at the end of new token values, as Azure shows it
    #[arg(long, env = "DAPI_MOCK_TOKEN_SUFFIX", value_name = "NUMBER")]
    pub token_suffix: Option<u8>,

    /// Whether permissions on tokens answer 404 while the workspace has none
    #[arg(long, env = "DAPI_MOCK_PERMISSIONS_NEED_A_TOKEN", value_name = "BOOL")]
    pub permissions_need_a_token: Option<bool>,

    /// The year of the refusals' texts, some of which the real service changed: 2024 or 2026
    #[arg(long, env = "DAPI_MOCK_ERROR_TEXTS", default_value = "2026", value_parser = parse_name::<ErrorTexts>, value_name = "YEAR")]
    pub error_texts: ErrorTexts,

    /// A seed, YAML or JSON, or a folder of them in the order of their names; what is there stays as it is
    #[arg(long, env = "DAPI_MOCK_SEED", value_name = "PATH")]
    pub seed: Option<PathBuf>,

    /// A seed as JSON, for CI services that cannot mount a file; applied after the other
    #[arg(long, env = "DAPI_MOCK_SEED_JSON", hide_env_values = true, value_name = "JSON")]
    pub seed_json: Option<Secret>,

    /// Whether the own API under /_mock is on
    #[arg(long, env = "DAPI_MOCK_CONTROL", default_value = "on", value_name = "ON|OFF")]
    pub control: OnOff,

    /// A key that the own API asks for, as bearer
    #[arg(long, env = "DAPI_MOCK_CONTROL_KEY", hide_env_values = true, value_name = "KEY")]
    pub control_key: Option<Secret>,

    /// Opens the own API without a key although the server is reachable from elsewhere
    #[arg(long, env = "DAPI_MOCK_ALLOW_OPEN_CONTROL", action = clap::ArgAction::SetTrue, value_parser = clap::builder::BoolishValueParser::new())]
    pub allow_open_control: bool,

    /// A userName that OAuth sign-in takes without asking; not where there is a control key
    #[arg(long, env = "DAPI_MOCK_SIGN_IN_AS", value_name = "USER")]
    pub sign_in_as: Option<String>,

    /// How many requests the journal keeps of each workspace; 0 for none
    #[arg(long, env = "DAPI_MOCK_JOURNAL_REQUESTS", default_value_t = JournalLimits::default().requests, value_name = "NUMBER")]
    pub journal_requests: usize,

    /// In how many bytes; 0 for none
    #[arg(long, env = "DAPI_MOCK_JOURNAL_BYTES", default_value_t = JournalLimits::default().bytes, value_name = "BYTES")]
    pub journal_bytes: usize,

    /// What comes of production-looking credentials.
    #[command(flatten)]
    pub tripwire: TripwireArgs,

    /// Whether the port speaks TLS as well as plain HTTP
    #[arg(long, env = "DAPI_MOCK_TLS", default_value = "on", value_name = "ON|OFF")]
    pub tls: OnOff,

    /// The folder of the own CA; by default dapi-mock-tls beside a SQLite file, and otherwise in memory
    #[arg(long, env = "DAPI_MOCK_TLS_DIR", value_name = "PATH")]
    pub tls_dir: Option<PathBuf>,

    /// More names and addresses for its certificates, separated by commas; names that clients ask for, and the address that they reach, are in them anyway
    #[arg(long, env = "DAPI_MOCK_TLS_NAME", value_delimiter = ',', value_parser = parse_tls_name, value_name = "NAME")]
    pub tls_name: Vec<String>,

    /// Your own certificate and then its chain, as PEM, instead of the own CA's
    #[arg(long, env = "DAPI_MOCK_TLS_CERT", requires = "tls_key", conflicts_with_all = ["tls_dir", "tls_name"], value_name = "PATH")]
    pub tls_cert: Option<PathBuf>,

    /// Its key, as PEM
    #[arg(long, env = "DAPI_MOCK_TLS_KEY", requires = "tls_cert", value_name = "PATH")]
    pub tls_key: Option<PathBuf>,

    /// Seconds between sweeps. When they run changes nothing that a client sees
    #[arg(long, env = "DAPI_MOCK_SWEEP_INTERVAL", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..), value_name = "SECONDS")]
    pub sweep_interval: u32,

    /// A file for the audit log
    #[arg(long, env = "DAPI_MOCK_AUDIT_FILE", value_name = "PATH")]
    pub audit_file: Option<PathBuf>,

    /// The shape of its lines: delivery, `system_table` or azure
    #[arg(long, env = "DAPI_MOCK_AUDIT_SHAPE", default_value = "delivery", value_parser = parse_shape, value_name = "SHAPE")]
    pub audit_shape: Shape,

    /// At so many bytes a new file is begun; five old ones are kept
    #[arg(long, env = "DAPI_MOCK_AUDIT_FILE_BYTES", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..), value_name = "BYTES")]
    pub audit_file_bytes: u64,

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
    /// All IPv4 addresses; a control key has to be given.
    Shared,
    /// Data in memory, and a workspace to train on.
    Lab,
}

/// Settings of the tripwire.
#[derive(Clone, Copy, Debug, Args)]
pub struct TripwireArgs {
    /// When a production-looking credential is sent: off, warn, or fail, so that the end is exit code 70
    #[arg(long, env = "DAPI_MOCK_TRIPWIRE", default_value = "warn", value_parser = parse_name::<Reaction>, value_name = "REACTION")]
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
            (Profile::Shared, None) => Err("--profile shared wants a --control-key, as others can reach the server"),
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
        (self.profile == Profile::Lab && !given).then(|| seed::template_text("leaky")).flatten()
    }

    /// Who may use the own API.
    pub fn access(&self) -> Access {
        self.access_when(self.control == OnOff::On)
    }

    fn access_when(&self, enabled: bool) -> Access {
        let loopback_only = self.hosts().iter().all(IpAddr::is_loopback);
        let key = self.control_key.as_ref().map(|key| key.0.as_str());
        Access::new(enabled, key, loopback_only, self.allow_open_control)
    }

    /// Who may sign in as whom: whoever could use the own API, were it on.
    pub fn sign_in(&self) -> SignInPolicy {
        match self.access_when(true) {
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
            },
        }
    }

    /// The port: the flag's or variable's, else `PORT`'s, else the default.
    ///
    /// # Errors
    /// A sentence when `PORT` is not a port.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn port(&self) -> Result<u16, String> {
        match (self.port, std::env::var("PORT")) {
            (Some(port), _) => Ok(port),
            (None, Ok(text)) => text.parse().map_err(|_| format!("PORT is '{text}'; use a number from 0 to 65535")),
            (None, Err(_)) => Ok(DEFAULT_PORT),
        }
    }
}

/// Settings of the log.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// How much to log: off, error, warn, info (refusals and why) or debug (every request)
    #[arg(long, env = "DAPI_MOCK_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub log_level: LogLevel,

    /// How to log
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

/// Settings of `exec`.
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub command: Vec<String>,

    /// What comes of production-looking credentials.
    #[command(flatten)]
    pub tripwire: TripwireArgs,

    /// The log, on standard error.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Settings of `healthcheck`.
#[derive(Debug, Args)]
pub struct HealthcheckArgs {
    /// The server's port
    #[arg(long, env = "DAPI_MOCK_PORT", default_value_t = DEFAULT_PORT)]
    pub port: u16,
}

/// Which running server, for the commands that speak to one.
#[derive(Clone, Debug, Args)]
pub struct RunningArgs {
    /// The server's port
    #[arg(long, env = "DAPI_MOCK_PORT", default_value_t = DEFAULT_PORT)]
    pub port: u16,

    /// Its control key
    #[arg(long, env = "DAPI_MOCK_CONTROL_KEY", hide_env_values = true, value_name = "KEY")]
    pub control_key: Option<Secret>,

    /// The workspace: an id, or default
    #[arg(long, default_value = "default", value_name = "ID")]
    pub workspace: String,
}

/// Settings of `call`.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// The operation, such as `workspaces.create`
    #[arg(value_name = "OPERATION")]
    pub operation: Option<String>,

    /// What its path asks for besides the workspace, in order
    #[arg(value_name = "PARAMETER")]
    pub parameters: Vec<String>,

    /// The body
    #[arg(long, value_name = "JSON")]
    pub json: Option<String>,

    /// A parameter of the query; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub query: Vec<String>,

    /// Which server.
    #[command(flatten)]
    pub running: RunningArgs,
}

/// Settings of `clock`.
#[derive(Debug, Args)]
pub struct ClockArgs {
    /// Advance by a span, such as 90d or PT2H
    #[arg(long, value_name = "SPAN", group = "change")]
    pub by: Option<String>,

    /// Advance to an instant, such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "INSTANT", group = "change")]
    pub to: Option<String>,

    /// Advance to the next event: `token.expired`, `token.auto_revoked`, `token.vacuumed`, `conf.effective` or `token:ID`
    #[arg(long, value_name = "EVENT", group = "change")]
    pub until: Option<String>,

    /// Let the clock stand still
    #[arg(long, group = "change")]
    pub freeze: bool,

    /// Let it run on from where it stands
    #[arg(long, group = "change")]
    pub run: bool,

    /// Show what comes next
    #[arg(long, group = "change")]
    pub upcoming: bool,

    /// Which server.
    #[command(flatten)]
    pub running: RunningArgs,
}

/// Settings of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The answer's X-Request-Id
    #[arg(required_unless_present = "last", value_name = "REQUEST_ID")]
    pub request_id: Option<String>,

    /// The newest refusal
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
    /// Clear all faults
    Clear(RunningArgs),
    /// Show the faults that have a name
    Catalogue(RunningArgs),
}

/// Which requests, by what came.
#[derive(Debug, Args)]
pub struct MatchArgs {
    /// Only requests of this method
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,

    /// Only this path; * is a whole segment, or any rest at the end
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,

    /// Only this user or service principal
    #[arg(long, value_name = "NAME")]
    pub principal: Option<String>,

    /// Only this token
    #[arg(long, value_name = "ID")]
    pub token_id: Option<String>,

    /// Only clients whose User-Agent has this in it
    #[arg(long, value_name = "TEXT")]
    pub client: Option<String>,
}

/// Settings of `faults arm`.
#[derive(Debug, Args)]
pub struct ArmArgs {
    /// Its name, such as `rate_limited`
    #[arg(value_name = "NAME")]
    pub name: String,

    /// How many requests fail; 0 for all that come
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub times: u32,

    /// How many are let through first
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
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

    /// Only those that were answered with this status
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,

    #[expect(clippy::doc_markdown, reason = "it is the help text")]
    /// Only with this credential: none, pat_bearer, pat_basic, oauth or malformed
    #[arg(long, value_name = "KIND")]
    pub credential: Option<String>,

    /// Only this operation, such as tokens.create
    #[arg(long, value_name = "NAME")]
    pub operation: Option<String>,

    /// Only those whose path has no route
    #[arg(long)]
    pub unmatched: bool,

    /// Only those whose answer is an error, or that got none
    #[arg(long)]
    pub refused: bool,
}

impl FilterArgs {
    /// Those that were given, by the names that the own API uses.
    pub fn given(&self) -> Vec<(&'static str, &str)> {
        let [unmatched, refused] = [self.unmatched, self.refused].map(|flag| flag.then_some("true"));
        let MatchArgs { method, path, principal, token_id, client } = &self.requests;
        let all = [
            ("method", method.as_deref()),
            ("path", path.as_deref()),
            ("principal", principal.as_deref()),
            ("token_id", token_id.as_deref()),
            ("client", client.as_deref()),
            ("status", self.status.as_deref()),
            ("credential", self.credential.as_deref()),
            ("operation", self.operation.as_deref()),
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

    /// As curl commands
    #[arg(long, group = "form")]
    pub curl: bool,

    /// As an HTTP archive
    #[arg(long, group = "form")]
    pub har: bool,

    /// Go on as requests come
    #[arg(long, group = "form")]
    pub follow: bool,

    /// Take them out of the journal
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

    /// No fewer; 1 when nothing is said
    #[arg(long, value_name = "NUMBER")]
    pub at_least: Option<usize>,

    /// No more
    #[arg(long, value_name = "NUMBER")]
    pub at_most: Option<usize>,

    /// So many
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["at_least", "at_most"])]
    pub exactly: Option<usize>,

    /// Which server.
    #[command(flatten)]
    pub running: RunningArgs,
}

/// Settings of `census`.
#[derive(Debug, Args)]
pub struct CensusArgs {
    /// What to group by: client, principal, credential or token
    #[arg(long, default_value = "client", value_name = "WHAT")]
    pub by: String,

    /// Which server.
    #[command(flatten)]
    pub running: RunningArgs,
}

/// Settings of `audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Go on as events come
    #[arg(long)]
    pub follow: bool,

    /// The shape: delivery, `system_table` or azure
    #[arg(long, default_value = "delivery", value_parser = parse_shape, value_name = "SHAPE")]
    pub shape: Shape,

    /// One action only, such as generateDbToken
    #[arg(long, value_name = "NAME")]
    pub action: Option<String>,

    /// One actor only
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,

    /// Which server.
    #[command(flatten)]
    pub running: RunningArgs,
}

/// Settings of `env`.
#[derive(Debug, Args)]
pub struct EnvArgs {
    /// The server's port
    #[arg(long, env = "DAPI_MOCK_PORT", default_value_t = DEFAULT_PORT)]
    pub port: u16,

    /// The admin token that the server was given
    #[arg(long, env = "DAPI_MOCK_ADMIN_TOKEN", hide_env_values = true, value_parser = parse_token, value_name = "TOKEN")]
    pub admin_token: Option<TokenValue>,
}

/// Settings of `admin-token`.
#[derive(Debug, Args)]
pub struct AdminTokenArgs {
    /// The server's database; it may be running
    #[arg(long, env = "DAPI_MOCK_DATABASE", default_value = "sqlite:dapi-mock.db")]
    pub database: Database,
}

/// Settings of `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The copy: a path where there is nothing yet
    #[arg(value_name = "TARGET")]
    pub target: PathBuf,

    /// The database; its server may be running
    #[arg(long, env = "DAPI_MOCK_DATABASE", default_value = "sqlite:dapi-mock.db")]
    pub database: Database,
}

fn parse_token(text: &str) -> Result<TokenValue, String> {
    TokenValue::parse(text).ok_or_else(|| "use dapi and 32 lower-case hex digits, as real tokens have".into())
}

fn parse_client_secret(text: &str) -> Result<ClientSecret, String> {
    ClientSecret::parse(text).ok_or_else(|| "use dose and 32 lower-case hex digits, as real secrets have".into())
}

fn parse_workspace(text: &str) -> Result<WorkspaceId, String> {
    let id = WorkspaceId::parse(text).filter(|id| (1..=MAX_NUMERIC_ID).contains(&id.0));
    id.ok_or_else(|| format!("use a number from 1 to {MAX_NUMERIC_ID}"))
}

fn parse_shape(text: &str) -> Result<Shape, String> {
    Shape::parse(text).ok_or_else(|| "use delivery, system_table or azure".into())
}

fn parse_day(text: &str) -> Result<Millis, String> {
    let day = text.parse::<chrono::NaiveDate>().map_err(|_| "use a day such as 2017-06-01")?;
    Ok(Millis(day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis()))
}

/// Reads a name by the spelling that the own API uses too; the error lists the possible ones.
fn parse_name<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

fn parse_tls_name(text: &str) -> Result<String, String> {
    let name = ServerName::try_from(text).map_err(|_| "use a host name or an IP address")?;
    Ok(name.to_str().into_owned())
}

fn parse_account(text: &str) -> Result<AccountId, String> {
    Uuid::parse_str(text).map(AccountId).map_err(|_| "use a UUID".into())
}

/// `DAPI_MOCK_*` variables that no setting reads: most often a slip of the pen.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn unknown_variables() -> Vec<String> {
    let known = known_variables();
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| name.starts_with(PREFIX) && !known.contains(name)).collect()
}

fn known_variables() -> Vec<String> {
    let cli = <Cli as clap::CommandFactory>::command();
    cli.get_arguments().filter_map(|arg| Some(arg.get_env()?.to_string_lossy().into_owned())).collect()
}

/// The settings of `serve` as a Markdown table, for the README.
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
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        rows.push(format!("| `--{flag}` | `{}` | {default} | {help} |", variable.to_string_lossy()));
    }
    rows.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("dapi-mock").chain(args.iter().copied()))
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
            (["--workspace-created", "yesterday"], "use a day such as 2017-06-01"),
        ] {
            let error = parse(&args).unwrap_err().to_string();
            assert!(error.contains(advice), "{args:?}: {error}");
        }
    }

    #[test]
    fn whoever_could_use_the_own_api_may_sign_in() {
        let policy = |args: &[&str]| parse(args).unwrap().serve.sign_in();
        let at_once = ["--sign-in-as", "eva"];
        assert!(matches!(policy(&[]), SignInPolicy::Open(None)));
        assert!(matches!(policy(&at_once), SignInPolicy::Open(Some(user)) if user == "eva"));
        assert!(matches!(policy(&["--control", "off"]), SignInPolicy::Open(None)));
        for shared in [["--control", "on"], ["--control", "off"], ["--host", "0.0.0.0"]] {
            let args = [&shared[..], &at_once, &["--control-key", "k", "--allow-open-control"]].concat();
            assert!(matches!(policy(&args), SignInPolicy::Key(_)), "{args:?}");
        }
        assert!(matches!(policy(&["--host", "127.0.0.1,0.0.0.0"]), SignInPolicy::Closed));
        assert!(matches!(policy(&["--host", "0.0.0.0", "--allow-open-control"]), SignInPolicy::Open(None)));
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
