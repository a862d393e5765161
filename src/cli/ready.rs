//! The ready file: what the banner says, as JSON for programs that start a server.

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

/// Larger than any ready file.
const MAX_BYTES: u64 = 16 << 10;

/// The content. Secrets that only an earlier start knew are `None`.
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

/// A file that exists while the server is ready. Dropping this removes it.
#[derive(Debug)]
pub(crate) struct ReadyFile(PathBuf);

impl ReadyFile {
    /// Removes the ready file of an earlier server that was killed, so that nobody who waits for the file finds that one.
    ///
    /// # Errors
    /// If the path holds something else.
    pub(crate) fn at(path: &Path) -> Result<Self, Failure> {
        if is_free(path).map_err(|error| named(path, &error))? {
            return Ok(Self(path.to_owned()));
        }
        std::fs::remove_file(path).map_err(|error| named(path, &error))?;
        Ok(Self(path.to_owned()))
    }

    /// Writes the file, in one step for readers.
    ///
    /// # Errors
    /// If the folder does not exist or is not writable.
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
        let write = || {
            // A server with the same process id, in another container, may have been killed while writing.
            drop(std::fs::remove_file(&draft));
            let mut file = with_mode(OpenOptions::new().write(true).create_new(true), 0o600).open(&draft)?;
            file.write_all(&serde_json::to_vec_pretty(&ready)?)?;
            file.write_all(b"\n")?;
            std::fs::rename(&draft, &self.0)
        };
        write().map_err(|error: io::Error| {
            drop(std::fs::remove_file(&draft));
            named(&self.0, &error)
        })
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        // If it cannot be removed, its process id shows that the server has ended.
        drop(std::fs::remove_file(&self.0));
    }
}

/// Whether the path is free; an error if it holds anything but a ready file.
fn is_free(path: &Path) -> io::Result<bool> {
    let found = match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        found => found?,
    };
    let is_ours = found.is_file() && found.len() <= MAX_BYTES && {
        let content = serde_json::from_slice::<Value>(&std::fs::read(path)?).unwrap_or_default();
        content.get("pid").is_some() && content.get("workspace_id").is_some()
    };
    if is_ours {
        Ok(false)
    } else {
        Err(io::Error::other("not a ready file, and not overwritten: choose another path"))
    }
}

fn named(path: &Path, error: &io::Error) -> Failure {
    format!("--ready-file {}: {error}", path.display()).into()
}
