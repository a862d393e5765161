//! The settings of `serve` and `exec`, with a flag and a variable each. Doc comments are the help and the table in
//! docs/settings.md. `cli` builds what they ask for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::environment::variable;
use super::logging::LogArgs;
use super::{DEFAULT_PORT, values};
use crate::domain::audit::shape::Shape;
use crate::domain::oauth::ClientSecret;
use crate::domain::settings::{BehaviourChange, Cloud, ErrorTexts, PermissionLoss, Tier};
use crate::domain::tokens::TokenValue;
use crate::domain::tripwire::Reaction;
use crate::domain::{AccountId, Millis, WorkspaceId, seeds};
use crate::service::{FirstStart, JournalLimits};
use crate::store::{Database, Durability};
use crate::web::browser::AllowedHost;

/// The port of the `exec` that runs this process. It tells a port that `exec` set for clients from one that the user set.
pub(crate) const EXEC_PORT: &str = "DAPI_MOCK_EXEC_PORT";

#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct ServeArgs {
    /// Set of defaults: dev; test (data in memory); shared (for a team: listens on all IPv4 addresses and requires a control key); lab (for training: data in memory, seeded with the leaky workspace)
    #[arg(long, env = "DAPI_MOCK_PROFILE", default_value = "dev", value_name = "PROFILE")]
    pub profile: Profile,

    /// Port to listen on; 0 picks a free one. The PORT environment variable also works
    #[arg(long, env = "DAPI_MOCK_PORT", value_parser = values::listening_port, value_name = "PORT")]
    pub port: Option<u16>,

    /// Port of the account host, for account-level clients; 0 picks a free one
    #[arg(long, env = "DAPI_MOCK_ACCOUNT_PORT", value_name = "PORT")]
    pub account_port: Option<u16>,

    /// What the shared port is to clients: the host of a workspace, or a unified host for the account and its workspaces
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
    /// Make acknowledged changes survive a power cut, at the cost of speed; on PostgreSQL, even if synchronous_commit is off
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

    /// Creation date of a new default workspace, such as 2017-06-01; in one from before 2018, tokens are disabled at first
    #[arg(long, env = "DAPI_MOCK_WORKSPACE_CREATED", value_parser = values::day, value_name = "DAY")]
    pub workspace_created: Option<Millis>,

    /// Whether all users of a new default workspace may use tokens
    #[arg(long, env = "DAPI_MOCK_USERS_MAY_USE_TOKENS", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub users_may_use_tokens: bool,

    /// Pricing tier of the default workspace: premium or standard. The database stores this setting and the ones of this group that follow
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

    /// Number to append to the values of new tokens, as Azure does with the number of its shard
    #[arg(long, env = "DAPI_MOCK_TOKEN_SUFFIX", value_parser = values::number(0..=u8::MAX), value_name = "NUMBER")]
    pub token_suffix: Option<u8>,

    /// Whether the token permissions API returns 404 until the workspace has a token
    #[arg(long, env = "DAPI_MOCK_PERMISSIONS_NEED_A_TOKEN", value_name = "BOOL")]
    pub permissions_need_a_token: Option<bool>,

    /// Year of the error messages, where the real service has changed them: 2024 or 2026
    #[arg(long, env = "DAPI_MOCK_ERROR_TEXTS", default_value = "2026", value_parser = values::name::<ErrorTexts>, value_name = "YEAR")]
    pub error_texts: ErrorTexts,

    /// How many days auto-scoping watches a new token before it narrows the token's scopes [default: 30]
    #[arg(long, env = "DAPI_MOCK_AUTOSCOPE_DAYS", value_name = "DAYS")]
    pub autoscope_days: Option<NonZeroU16>,

    /// Seed file (YAML or JSON), or a folder of seed files, applied in order of their names; existing objects are not changed
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

    /// Additional host name by which clients may reach the control API and the pages without a key; *.SUFFIX allows all names below a domain. IP addresses, localhost, dotless names, *.localhost and *.internal are always allowed. Repeat the flag, or separate names with commas
    #[arg(long, env = "DAPI_MOCK_ALLOW_HOST", value_delimiter = ',', value_parser = values::allowed_host, value_name = "NAME")]
    pub allow_host: Vec<AllowedHost>,

    /// userName of the user to sign in at the pages without asking; has no effect with a control key
    #[arg(long, env = "DAPI_MOCK_SIGN_IN_AS", value_name = "USER")]
    pub sign_in_as: Option<String>,

    /// Maximum number of requests in the journal of a workspace (0 disables it)
    #[arg(long, env = "DAPI_MOCK_JOURNAL_REQUESTS", default_value_t = JournalLimits::default().requests, value_parser = values::number(0..=usize::MAX), value_name = "NUMBER")]
    pub journal_requests: usize,

    /// Maximum size of the journal of a workspace, in bytes (0 disables it)
    #[arg(long, env = "DAPI_MOCK_JOURNAL_BYTES", default_value_t = JournalLimits::default().bytes, value_parser = values::number(0..=usize::MAX), value_name = "BYTES")]
    pub journal_bytes: usize,

    #[command(flatten)]
    pub tripwire: TripwireArgs,

    /// Whether the port accepts https as well as http
    #[arg(long, env = "DAPI_MOCK_TLS", default_value = "on", value_name = "ON|OFF")]
    pub tls: OnOff,

    /// Folder of the server's CA; defaults to dapi-mock-tls beside a SQLite file. Without either, the CA is only in memory
    #[arg(long, env = "DAPI_MOCK_TLS_DIR", value_name = "PATH")]
    pub tls_dir: Option<PathBuf>,

    /// Additional names and addresses in the certificates, separated by commas; the name that a client asks for and the address that it reaches are always included
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

    /// Stop gracefully when standard input closes, so that the server of a test fixture ends with it, however the fixture ends
    #[arg(long, env = "DAPI_MOCK_UNTIL_STDIN_CLOSES", action = clap::ArgAction::SetTrue, value_parser = clap::builder::BoolishValueParser::new())]
    pub until_stdin_closes: bool,

    /// JSON file to write when the server is ready, with everything that clients need; only its owner can read it, and the server removes it when it stops
    #[arg(long, env = "DAPI_MOCK_READY_FILE", value_name = "PATH")]
    pub ready_file: Option<PathBuf>,

    #[command(flatten)]
    pub log: LogArgs,
}

/// A set of defaults; a flag or variable for the same setting wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Data in memory
    Test,
    /// Data in a file in the working directory; listens on loopback
    Dev,
    /// Listens on all IPv4 addresses; requires a control key
    Shared,
    /// Data in memory; seeded with the leaky workspace
    Lab,
}

/// What the shared port is to clients that name no workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HostType {
    /// The host of a workspace
    Workspace,
    /// A host for the account and its workspaces, which a client signs in to through the account
    Unified,
}

#[derive(Clone, Copy, Debug, Args)]
pub struct TripwireArgs {
    /// What to do when a suspected real credential is sent: off, warn, or fail (the server exits with 70 when it stops)
    #[arg(long, env = "DAPI_MOCK_TRIPWIRE", default_value = "warn", value_parser = values::name::<Reaction>, value_name = "REACTION")]
    pub tripwire: Reaction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnOff {
    On,
    Off,
}

/// A text that `Debug` hides.
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
    /// Checks that the settings can be combined.
    pub fn check(&self) -> Result<(), &'static str> {
        match (self.profile, &self.control_key) {
            (Profile::Shared, None) => {
                Err("--profile shared requires --control-key because other machines can reach the server")
            }
            _ => Ok(()),
        }
    }

    pub fn hosts(&self) -> Vec<IpAddr> {
        if !self.host.is_empty() {
            return self.host.clone();
        }
        match self.profile {
            Profile::Shared => vec![Ipv4Addr::UNSPECIFIED.into()],
            Profile::Test | Profile::Dev | Profile::Lab => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        }
    }

    /// The seed of the profile, unless another one is set.
    pub fn profile_seed(&self) -> Option<&'static str> {
        let given = self.seed.is_some() || self.seed_json.is_some();
        (self.profile == Profile::Lab && !given).then(|| seeds::template_text("leaky")).flatten()
    }

    pub fn journal(&self) -> JournalLimits {
        JournalLimits { requests: self.journal_requests, bytes: self.journal_bytes }
    }

    pub fn durability(&self) -> Durability {
        if self.durable { Durability::SurvivesPowerCut } else { Durability::SurvivesKill }
    }

    /// What an empty database starts with.
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

    /// The port of the setting, else of `PORT`, else the default.
    ///
    /// # Errors
    /// If `PORT` is not a port.
    pub fn port(&self) -> Result<u16, String> {
        match (self.port, variable("PORT")) {
            (Some(port), _) => Ok(port),
            (None, Some(text)) => values::listening_port(&text).map_err(|error| format!("PORT: '{text}' is {error}")),
            (None, None) => Ok(DEFAULT_PORT),
        }
    }
}

/// The settings of `serve`, but data is in memory and the port is a free one by default.
#[derive(Debug, Args)]
#[command(
    mut_arg("port", |arg| arg.help("Port to listen on; defaults to a free one")),
    mut_arg("database", |arg| arg.default_value("sqlite::memory:")),
    mut_arg("until_stdin_closes", |arg| arg.env(clap::builder::Resettable::<clap::builder::OsStr>::Reset).hide(true)),
)]
pub struct ExecArgs {
    #[command(flatten)]
    pub serve: ServeArgs,

    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

impl ExecArgs {
    /// Checks that the settings can be combined.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.serve.until_stdin_closes {
            return Err(
                "--until-stdin-closes is for serve: with exec, standard input belongs to the command, and the \
                        server ends with the command",
            );
        }
        self.serve.check()
    }

    /// The port of the setting, else 0 for a free one. `PORT` is meant for the command, and a port that an outer `exec` set
    /// is in use by its server.
    pub fn port(&self) -> u16 {
        let outer = variable(EXEC_PORT).and_then(|text| text.parse().ok());
        self.serve.port.filter(|port| Some(*port) != outer).unwrap_or_default()
    }
}
