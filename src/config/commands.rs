//! The arguments of the commands, except `serve` and `exec`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::requests::MatchArgs;
use super::running::{OutputArgs, RunningArgs, ServerArgs};
use super::values;
use crate::domain::audit::shape::Shape;
use crate::domain::tokens::TokenValue;
use crate::store::Database;

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
