//! The command line as a whole: what clap derives, with the help in groups and empty variables ignored.

use std::ffi::OsString;
use std::fmt::Write;

use clap::builder::styling::Style;
use clap::builder::{OsStr, Resettable};
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches};

use super::environment::is_empty_variable;
use super::{Cli, EXEC_PORT, running};

/// The groups in which the help lists the commands.
const GROUPS: &[(&str, &[&str])] = &[
    ("Server", &["serve", "exec", "healthcheck", "env"]),
    ("Time and state", &["clock", "faults", "export", "call"]),
    ("Look and check", &["explain", "requests", "verify", "census", "audit"]),
    ("Database and keys", &["admin-token", "backup", "ca"]),
    ("Help", &["completions", "man", "help"]),
];

/// The groups in which the help lists the settings. Those in no group are the server's.
const SETTINGS: &[(&str, &[&str])] = &[
    (
        "First start",
        &[
            "admin-token",
            "admin-client-secret",
            "workspace-id",
            "account-id",
            "workspace-created",
            "users-may-use-tokens",
            "seed",
            "seed-json",
        ],
    ),
    (
        "Behaviour",
        &[
            "tier",
            "cloud",
            "permission-loss",
            "propagation-delay",
            "token-suffix",
            "permissions-need-a-token",
            "sweep-interval",
        ],
    ),
    ("Access", &["control", "control-key", "allow-open-control", "allow-host", "sign-in-as", "tripwire"]),
    ("TLS", &["tls", "tls-dir", "tls-name", "tls-cert", "tls-key"]),
    (
        "Journal, audit log and log",
        &[
            "journal-requests",
            "journal-bytes",
            "audit-file",
            "audit-shape",
            "audit-file-bytes",
            "log-level",
            "log-format",
        ],
    ),
];

pub fn command() -> Command {
    let command = Cli::command()
        .args_override_self(true)
        .mut_args(in_group)
        .mut_subcommand("serve", |serve| serve.mut_args(in_group))
        .mut_subcommand("exec", |exec| exec.mut_args(in_group));
    let mut built = command.clone();
    built.build();
    command.help_template(template(&built))
}

fn in_group(arg: Arg) -> Arg {
    let flag = arg.get_long().unwrap_or_default();
    let group = SETTINGS.iter().find(|(_, flags)| flags.contains(&flag)).map_or("Server", |(name, _)| name);
    // Arguments that clap adds have their own place.
    if arg.get_env().is_some() { arg.help_heading(group) } else { arg }
}

fn template(command: &Command) -> String {
    let heading = Style::new().bold().underline();
    let name = Style::new().bold();
    let mut text = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    for (group, names) in GROUPS {
        // Writing to a String does not fail.
        let _ = write!(text, "\n{heading}{group}:{heading:#}\n");
        for command in names.iter().filter_map(|name| command.find_subcommand(name)) {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "  {name}{:<12}{name:#} {about}", command.get_name());
        }
    }
    text.push_str("\nOptions below are those of `serve`; each command has --help.\n\n{options}\n");
    text
}

/// Reads `--times -1` as an invalid value of that flag, not as another flag.
fn with_negative_numbers(command: Command) -> Command {
    let allowing = |arg: Arg| {
        let takes_values = arg.get_long().is_some() && arg.get_action().takes_values();
        if takes_values { arg.allow_negative_numbers(true) } else { arg }
    };
    command.mut_args(allowing).mut_subcommands(with_negative_numbers)
}

/// Reads an empty variable as absent, because compose files and CI services set them.
fn without_empty_variables(command: Command) -> Command {
    let absent = |arg: Arg| {
        if arg.get_env().is_some_and(is_empty_variable) { arg.env(Resettable::<OsStr>::Reset) } else { arg }
    };
    command.mut_args(absent).mut_subcommands(without_empty_variables)
}

/// Reads the command line, or prints help or an error and ends the process.
pub fn parse() -> Cli {
    parse_from(std::env::args_os()).unwrap_or_else(|error| error.exit())
}

/// # Errors
/// What clap finds wrong, with the flag, or the help that was asked for.
pub fn parse_from(words: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Cli, clap::Error> {
    let mut command = with_negative_numbers(without_empty_variables(command()));
    let matches: ArgMatches = command.try_get_matches_from_mut(words)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

pub(super) fn variables() -> Vec<String> {
    fn collect(command: &Command, found: &mut Vec<String>) {
        let named = command.get_arguments().filter_map(Arg::get_env);
        found.extend(named.map(|name| name.to_string_lossy().into_owned()));
        command.get_subcommands().for_each(|command| collect(command, found));
    }
    let mut found = running::VARIABLES.map(str::to_owned).to_vec();
    found.push(EXEC_PORT.to_owned());
    collect(&Cli::command(), &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_has_every_command_in_one_group() {
        command().debug_assert();
        let mut command = command();
        command.build();
        for found in command.get_subcommands().map(Command::get_name) {
            let times = GROUPS.iter().filter(|(_, names)| names.contains(&found)).count();
            assert_eq!(times, 1, "{found}");
        }
        let flags: Vec<&str> = command.get_arguments().filter_map(Arg::get_long).collect();
        for flag in SETTINGS.iter().flat_map(|(_, flags)| flags.iter()) {
            assert!(flags.contains(flag), "{flag}");
        }
        let serve = command.find_subcommand_mut("serve").unwrap().render_help().to_string();
        for text in ["\nServer:\n", "\nAccess:\n", "\nTLS:\n"] {
            assert!(serve.contains(text), "{text}: {serve}");
        }
        let help = command.render_help().to_string();
        for text in ["\nServer:\n  serve", "\nTime and state:\n  clock", "\nLook and check:\n  explain"] {
            assert!(help.contains(text), "{text}: {help}");
        }
    }

    #[test]
    fn the_last_value_of_a_repeated_flag_wins_and_lists_have_all() {
        let cli =
            parse_from(["dapi-mock", "--port", "1", "--port", "2", "--host", "::1", "--host", "127.0.0.1"]).unwrap();
        assert_eq!((cli.serve.port, cli.serve.host.len()), (Some(2), 2));
        let cli =
            parse_from(["dapi-mock", "clock", "--by", "1d", "--by", "2d", "--workspace", "a", "--workspace", "b"]);
        let Some(super::super::Command::Clock(args)) = cli.unwrap().command else { panic!() };
        assert_eq!((args.by.as_deref(), args.running.workspace.as_str()), (Some("2d"), "b"));
        let cli = parse_from(["dapi-mock", "faults", "arm", "x", "--times", "1", "--times", "2"]).unwrap();
        let Some(super::super::Command::Faults(args)) = cli.command else { panic!() };
        assert!(matches!(args.command, Some(super::super::FaultsCommand::Arm(arm)) if arm.times == 2));
    }

    #[test]
    fn a_wrong_value_is_named_with_its_flag() {
        for (words, says) in [
            ("requests --status abc", "'abc' for '--status <STATUS>': not a number"),
            ("requests --status 99", "'99' for '--status <STATUS>': out of range"),
            ("requests --method G-T", "'G-T' for '--method <METHOD>': not an HTTP method"),
            ("requests --path api", "'api' for '--path <PATH>': not a path"),
            ("requests --credential x", "'x' for '--credential <KIND>'"),
            ("verify --exactly x", "'x' for '--exactly <NUMBER>': not a number"),
            ("verify --at-least -1", "--at-least"),
            ("census --by x", "'x' for '--by <WHAT>'"),
            ("clock --by soon", "'soon' for '--by <DURATION>': not a duration"),
            ("clock --to soon", "'soon' for '--to <INSTANT>': not an instant"),
            ("clock --until soon", "'soon' for '--until <EVENT>': unknown event"),
            ("clock --port x", "'x' for '--port <PORT>': not a number"),
            ("clock --url x/y", "'x/y' for '--url <URL>': not a server's URL"),
            ("clock --workspace=", "--workspace <WORKSPACE>"),
            ("clock --output xml", "'xml' for '--output <FORMAT>'"),
            ("faults arm x --times many", "'many' for '--times <NUMBER>': not a number"),
            ("faults arm x --offset -1", "--offset"),
            ("call x --json {", "'{' for '--json <JSON>': not valid JSON"),
            ("call x --query a", "'a' for '--query <NAME=VALUE>': not a parameter: use NAME=VALUE"),
            ("audit --shape csv", "'csv' for '--shape <SHAPE>': unknown shape"),
            ("--port x", "'x' for '--port <PORT>': not a number"),
            ("--sweep-interval 0", "'0' for '--sweep-interval <SECONDS>': out of range"),
            ("--journal-bytes x", "'x' for '--journal-bytes <BYTES>': not a number"),
            ("--token-suffix 256", "'256' for '--token-suffix <NUMBER>': out of range"),
            ("--allow-host http://x", "'http://x' for '--allow-host <NAME>': not a host name"),
        ] {
            let error = parse_from(["dapi-mock"].into_iter().chain(words.split(' '))).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{words}");
            assert!(error.to_string().contains(says), "{words}: {error}");
        }
    }
}
