//! The ready file: what a program that starts a server has to know, as JSON instead of the banner's text.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::Failure;
use crate::domain::AccountId;
use crate::domain::oauth::ClientSecret;
use crate::domain::tokens::TokenValue;
use crate::platform::with_mode;
use crate::service::{ADMIN_CLIENT_ID, StartOutcome};

/// No ready file has more bytes.
const LONGEST: u64 = 16 << 10;

/// What the file says. `None` is what only an earlier start knew.
#[derive(Serialize)]
struct Ready<'a> {
    host: &'a str,
    token: Option<&'a str>,
    client_id: String,
    client_secret: Option<&'a str>,
    workspace_id: String,
    account_id: String,
    account_host: Option<&'a str>,
    pid: u32,
    version: &'static str,
}

/// The file as long as the server is ready; dropped, it is removed.
#[derive(Debug)]
pub(crate) struct ReadyFile(PathBuf);

impl ReadyFile {
    /// Removes the ready file of an earlier server that was killed: whoever waits for the file must not find that one.
    ///
    /// # Errors
    /// Something else is at the path.
    pub(crate) fn at(path: &Path) -> Result<Self, Failure> {
        if is_free(path).map_err(|error| named(path, &error))? {
            return Ok(Self(path.to_owned()));
        }
        std::fs::remove_file(path).map_err(|error| named(path, &error))?;
        Ok(Self(path.to_owned()))
    }

    /// Writes the file. It is there whole or not at all.
    ///
    /// # Errors
    /// The folder is missing, or cannot be written to.
    pub(crate) fn write(
        &self,
        host: &str,
        started: &StartOutcome,
        account: AccountId,
        account_host: Option<&str>,
    ) -> Result<(), Failure> {
        let ready = Ready {
            host,
            token: started.admin_token.as_ref().map(TokenValue::reveal),
            client_id: ADMIN_CLIENT_ID.to_string(),
            client_secret: started.admin_client_secret.as_ref().map(ClientSecret::reveal),
            workspace_id: started.workspace.to_string(),
            account_id: account.to_string(),
            account_host,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION"),
        };
        let draft = self.0.with_added_extension(format!("{}.unfinished", std::process::id()));
        let put = || {
            // A server with the same process id, in another container, may have been killed while it wrote.
            drop(std::fs::remove_file(&draft));
            let mut file = with_mode(OpenOptions::new().write(true).create_new(true), 0o600).open(&draft)?;
            file.write_all(&serde_json::to_vec_pretty(&ready)?)?;
            file.write_all(b"\n")?;
            std::fs::rename(&draft, &self.0)
        };
        put().map_err(|error: io::Error| {
            drop(std::fs::remove_file(&draft));
            named(&self.0, &error)
        })
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        // Where it cannot be removed, its process id tells that the server has ended.
        drop(std::fs::remove_file(&self.0));
    }
}

/// Whether there is nothing yet; an error if what is there is not a ready file.
fn is_free(path: &Path) -> io::Result<bool> {
    let found = match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        found => found?,
    };
    let is_ours = found.is_file() && found.len() <= LONGEST && {
        let left = serde_json::from_slice::<Value>(&std::fs::read(path)?).unwrap_or_default();
        left.get("pid").is_some() && left.get("workspace_id").is_some()
    };
    if is_ours { Ok(false) } else { Err(io::Error::other("this exists and is not a ready file; choose another path")) }
}

fn named(path: &Path, error: &io::Error) -> Failure {
    format!("--ready-file {}: {error}", path.display()).into()
}
