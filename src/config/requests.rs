//! The arguments that select requests of the journal, and those of the commands that show or count them.

use clap::Args;

use super::running::RunningArgs;
use super::values::{self, CensusBy, CredentialName, name_of};

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
