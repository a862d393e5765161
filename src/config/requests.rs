//! The arguments that select requests of the journal, and those of the commands that print or count them. Doc comments are
//! the help.

use clap::Args;

use super::running::RunningArgs;
use super::values::{self, CensusBy, CredentialName, name_of};

/// Selects requests by what the client sent. Faults also use it.
#[derive(Debug, Args)]
pub struct MatchArgs {
    /// Only requests with this method
    #[arg(long, value_name = "METHOD", value_parser = values::method)]
    pub method: Option<String>,

    /// Only requests to this path; * matches one segment, or at the end any number of them
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

/// Selects requests, also by how the server answered.
#[derive(Debug, Args)]
pub struct FilterArgs {
    #[command(flatten)]
    pub requests: MatchArgs,

    /// Only requests that were answered with this status; 0 selects those without an answer
    #[arg(long, value_name = "STATUS", value_parser = status)]
    pub status: Option<u16>,

    /// Only requests with this kind of credential
    #[arg(long, value_name = "KIND")]
    pub credential: Option<CredentialName>,

    /// Only requests for this operation, such as tokens.create
    #[arg(long, value_name = "NAME")]
    pub operation: Option<String>,

    /// Only requests to unknown paths
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
    /// The filters that are set, by their names in the control API.
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

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct RequestsArgs {
    #[command(flatten)]
    pub filter: FilterArgs,

    /// Print curl commands that repeat the requests
    #[arg(long, group = "form")]
    pub curl: bool,

    /// Print an HTTP archive (HAR)
    #[arg(long, group = "form")]
    pub har: bool,

    /// Keep printing new requests as they arrive
    #[arg(long, group = "form")]
    pub follow: bool,

    /// Remove the printed requests from the journal
    #[arg(long)]
    pub consume: bool,

    #[command(flatten)]
    pub running: RunningArgs,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
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

    #[command(flatten)]
    pub running: RunningArgs,
}

#[derive(Debug, Args)]
pub struct CensusArgs {
    /// What to group by
    #[arg(long, default_value = "client", value_name = "WHAT")]
    pub by: CensusBy,

    #[command(flatten)]
    pub running: RunningArgs,
}
