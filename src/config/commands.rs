//! The arguments of the commands, except `serve` and `exec` and those that select requests. Doc comments are the help.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::requests::MatchArgs;
use super::running::{OutputArgs, RunningArgs, ServerArgs};
use super::values;
use crate::domain::audit::shape::Shape;
use crate::domain::tokens::TokenValue;
use crate::store::Database;

#[derive(Debug, Args)]
pub struct HealthcheckArgs {
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Debug, Args)]
pub struct CallArgs {
    /// Name of the operation, such as workspaces.create
    #[arg(value_name = "OPERATION")]
    pub operation: Option<String>,

    /// Parameters of the operation's path, in order, without the workspace
    #[arg(value_name = "PARAMETER")]
    pub parameters: Vec<String>,

    /// JSON body of the request; defaults to {}
    #[arg(long, value_name = "JSON", value_parser = values::json)]
    pub json: Option<Value>,

    /// Query parameter; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::pair)]
    pub query: Vec<(String, String)>,

    #[command(flatten)]
    pub running: RunningArgs,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    pub running: RunningArgs,
}

#[derive(Debug, Args)]
pub struct CaArgs {
    #[command(flatten)]
    pub running: RunningArgs,
}

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

    /// Resume the clock from its current time
    #[arg(long, group = "change")]
    pub run: bool,

    /// List the upcoming events
    #[arg(long, group = "change")]
    pub upcoming: bool,

    #[command(flatten)]
    pub running: RunningArgs,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// X-Request-Id header of the response
    #[arg(required_unless_present = "last", conflicts_with = "last", value_name = "REQUEST_ID")]
    pub request_id: Option<String>,

    /// Explain the most recent refusal
    #[arg(long)]
    pub last: bool,

    #[command(flatten)]
    pub running: RunningArgs,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct FaultsArgs {
    #[command(subcommand)]
    pub command: Option<FaultsCommand>,

    #[command(flatten)]
    pub running: RunningArgs,
}

#[derive(Debug, Subcommand)]
pub enum FaultsCommand {
    /// Arm a fault by its name in the catalogue
    Arm(ArmArgs),
    /// Clear all faults of the workspace
    Clear(RunningArgs),
    /// List the faults that can be armed by name
    Catalogue(RunningArgs),
}

#[derive(Debug, Args)]
pub struct ArmArgs {
    #[expect(clippy::doc_markdown, reason = "it is the help text")]
    /// Name of the fault, such as rate_limited; dapi-mock faults catalogue lists them
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Number of requests that fail; 0 for all
    #[arg(long, default_value_t = 1, value_name = "NUMBER", value_parser = values::number(0..=u32::MAX))]
    pub times: u32,

    /// Number of requests to let through first
    #[arg(long, default_value_t = 0, value_name = "NUMBER", value_parser = values::number(0..=u32::MAX))]
    pub offset: u32,

    #[command(flatten)]
    pub requests: MatchArgs,

    #[command(flatten)]
    pub running: RunningArgs,
}

#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Keep printing new events as they happen
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

    #[command(flatten)]
    pub running: RunningArgs,
}

#[derive(Debug, Args)]
pub struct EnvArgs {
    #[command(flatten)]
    pub server: ServerArgs,

    /// Admin token that you chose for the server
    #[arg(long, env = "DAPI_MOCK_ADMIN_TOKEN", hide_env_values = true, value_parser = values::token, value_name = "TOKEN")]
    pub admin_token: Option<TokenValue>,

    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct AdminTokenArgs {
    /// Database of the server; the server may be running
    #[arg(long, env = "DAPI_MOCK_DATABASE", default_value = "sqlite:dapi-mock.db", value_name = "DATABASE")]
    pub database: Database,

    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Path of the copy; it must not exist yet
    #[arg(value_name = "TARGET")]
    pub target: PathBuf,

    /// Database to copy; its server may be running
    #[arg(long, env = "DAPI_MOCK_DATABASE", default_value = "sqlite:dapi-mock.db", value_name = "DATABASE")]
    pub database: Database,

    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Shell to print completions for
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// Command to describe; defaults to dapi-mock itself
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
}
