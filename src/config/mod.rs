//! Every setting, from flags and `DAPI_MOCK_*` variables; flags win, and an invalid value ends the process. This room says
//! what was set and builds nothing from it; that is up to `cli`. Start with [`ServeArgs`].

mod cli;
mod commands;
mod environment;
mod logging;
mod requests;
mod running;
mod serve;
mod values;

use clap::{Parser, Subcommand};

pub use self::cli::{command, parse, parse_from};
pub use self::commands::{
    AdminTokenArgs, ArmArgs, AuditArgs, BackupArgs, CaArgs, CallArgs, ClockArgs, CompletionsArgs, EnvArgs, ExplainArgs,
    ExportArgs, FaultsArgs, FaultsCommand, HealthcheckArgs, ManArgs,
};
pub use self::environment::{may_color, unknown_variables, variable};
pub use self::logging::{LogArgs, LogFormat, LogLevel};
pub use self::requests::{CensusArgs, FilterArgs, MatchArgs, RequestsArgs, VerifyArgs};
pub use self::running::{Output, OutputArgs, RunningArgs, ServerArgs, ServerUrl};
pub(crate) use self::serve::EXEC_PORT;
pub use self::serve::{ExecArgs, HostType, OnOff, Profile, Secret, ServeArgs, TripwireArgs};
pub use self::values::{CensusBy, CredentialName, name_of};

/// "DAPI" on a phone keypad.
pub const DEFAULT_PORT: u16 = 3274;
const PREFIX: &str = "DAPI_MOCK_";

/// Databricks' personal-access-token service, on your own machine
#[derive(Debug, Parser)]
#[command(name = "dapi-mock", version, args_conflicts_with_subcommands = true, subcommand_help_heading = "Commands")]
pub struct Cli {
    /// `serve` if it is absent.
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server (the default)
    Serve(ServeArgs),
    /// Start a temporary server, run a command against it, and exit with the command's exit code
    Exec(ExecArgs),
    /// Exit with 0 if the server is ready, else with 1
    Healthcheck(HealthcheckArgs),
    /// Print the variables to export for a server whose admin token you chose
    Env(EnvArgs),
    /// Show or move the clock of a workspace
    Clock(ClockArgs),
    /// Explain why a request was refused or allowed
    Explain(ExplainArgs),
    /// Show, arm or clear the faults of a workspace
    Faults(FaultsArgs),
    /// Show the most recent requests to a workspace
    Requests(RequestsArgs),
    /// Exit with 0 if the server received the expected requests, else with 1
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
    /// Copy the SQLite database, even while its server runs
    Backup(BackupArgs),
    /// Create another admin token, in case you lost the one that the first start printed
    AdminToken(AdminTokenArgs),
    /// Print completions for a shell
    Completions(CompletionsArgs),
    /// Print the manual page of dapi-mock or of one command
    Man(ManArgs),
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
    use std::net::IpAddr;

    use super::*;
    use crate::store::Database;

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
        assert!(serve(&file).profile_seed().is_some() && serve(&["--profile", "test"]).profile_seed().is_none());
        assert!(serve(&["--profile", "lab", "--seed", "x"]).profile_seed().is_none());
        assert!(serve(&["--profile", "shared"]).check().is_err());
        let shared = serve(&["--profile", "shared", "--control-key", "k"]);
        assert!(shared.check().is_ok() && shared.hosts().iter().all(IpAddr::is_unspecified));
        assert!(serve(&["--profile", "shared", "--host", "10.0.0.1"]).hosts() == [IpAddr::from([10, 0, 0, 1])]);
    }

    #[test]
    fn an_error_about_a_value_says_what_to_use() {
        for (args, advice) in [
            (["--port", "65536"], "65535"),
            (["--host", "localhost"], "IP address"),
            (["--database", "mysql://x"], "use sqlite:PATH"),
            (["--admin-token", "dapi123"], "32 lower-case hex digits"),
            (["--admin-client-secret", "dapi123"], "use dose and 32"),
            (["--workspace-id", "0"], "use a number from 1"),
            (["--account-id", "x"], "not a UUID: use"),
            (["--log-level", "loud"], "possible values"),
            (["--tls-name", "no name"], "neither a host name nor an IP address"),
            (["--tls-cert", "x.pem"], "--tls-key"),
            (["--tier", "gold"], "expected `premium` or `standard`"),
            (["--workspace-created", "yesterday"], "use one such as 2017-06-01"),
        ] {
            let error = parse(&args).unwrap_err().to_string();
            assert!(error.contains(advice), "{args:?}: {error}");
        }
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
    fn the_words_of_the_command_are_not_read_as_settings() {
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
