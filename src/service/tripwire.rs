//! Credentials that this server did not issue: suspected real ones, of which nothing is stored, and decoys, whose use is
//! recorded. See docs/journal.md#real-credentials-the-tripwire.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Error, Service};
use crate::domain::audit::Origin;
use crate::domain::decoys::{Decoy, DecoyUse, MAX_DECOYS};
use crate::domain::oauth::SecretHash;
use crate::domain::tokens::{MAX_COMMENT_CHARS, TokenValue};
use crate::domain::tripwire::{Reaction, SuspectKind, looks_real};
use crate::domain::{Denial, Millis, TokenId, WorkspaceId};
use crate::store::Lock;

/// Maximum clients that are counted separately.
const MAX_CLIENTS: usize = 100;
/// The name under which all further clients are counted.
const OTHERS: &str = "(others)";

/// Suspected real credentials of one kind from one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuspectedCredentials {
    pub kind: SuspectKind,
    /// The `User-Agent`.
    pub client: String,
    pub count: u64,
    /// On the system's clock, as is `last`.
    pub first: Millis,
    pub last: Millis,
}

/// The suspected real credentials that were sent to this process.
#[derive(Clone, Debug, Default)]
pub struct Tripwire {
    pub reaction: Reaction,
    seen: Arc<Mutex<Vec<SuspectedCredentials>>>,
}

impl Tripwire {
    pub(super) fn new(reaction: Reaction) -> Self {
        Self { reaction, ..Self::default() }
    }

    /// In the order of their first use.
    pub fn seen(&self) -> Vec<SuspectedCredentials> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The error with which the process should exit.
    pub fn verdict(&self) -> Option<String> {
        let seen = self.seen();
        let clients: Vec<String> =
            seen.iter().map(|it| format!("{} {} by '{}'", it.count, it.kind.as_str(), it.client)).collect();
        (self.reaction == Reaction::Fail && !seen.is_empty())
            .then(|| format!("production-looking credentials were sent to this mock: {}", clients.join("; ")))
    }

    /// Counts a credential; returns whether it is the first of its client.
    fn count(&self, kind: SuspectKind, client: &str, now: Millis) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = seen.iter().all(|it| it.client != client);
        let client = if is_new && seen.len() >= MAX_CLIENTS { OTHERS } else { client };
        let is_new = seen.iter().all(|it| it.client != client);
        if let Some(known) = seen.iter_mut().find(|it| it.kind == kind && it.client == client) {
            known.count += 1;
            known.last = now;
        } else {
            seen.push(SuspectedCredentials { kind, client: client.to_owned(), count: 1, first: now, last: now });
        }
        is_new
    }
}

impl Service {
    /// Returns whether a refused credential is suspected to be real. If so it is counted, and each client's first one is
    /// logged as a warning. Nothing of it is stored.
    pub async fn check_real_credential(&self, credential: &str, origin: &Origin) -> Result<bool, Error> {
        let Some(kind) = looks_real(credential) else { return Ok(false) };
        // Values from settings or seeds lack the mark of generated ones.
        if self.store.read().await?.knows_secret(&SecretHash::of(credential)).await? {
            return Ok(false);
        }
        let client = &origin.user_agent;
        if self.tripwire.reaction != Reaction::Off && self.tripwire.count(kind, client, self.system_now()) {
            tracing::warn!(
                kind = kind.as_str(),
                "a production-looking credential was sent to this mock by '{client}'; it was not stored"
            );
        }
        Ok(true)
    }

    /// Creates a decoy; returns its value, which is shown only once.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]; [`Denial::InvalidParameter`] for a long comment, or too many decoys.
    pub async fn create_decoy(&self, workspace: WorkspaceId, comment: &str) -> Result<(Decoy, TokenValue), Error> {
        if comment.chars().count() > MAX_COMMENT_CHARS {
            return Err(Denial::parameter(format!("comment: at most {MAX_COMMENT_CHARS} characters.")).into());
        }
        let mut writer = self.store.write(Lock::Workspace(workspace)).await?;
        let found = writer.find_workspace(workspace).await?.ok_or(Denial::WorkspaceNotFound(workspace))?;
        if writer.list_decoys(workspace).await?.len() >= MAX_DECOYS {
            return Err(Denial::parameter(format!("A workspace can have at most {MAX_DECOYS} decoys.")).into());
        }
        let value = self.draw(&mut writer, &found).await?.token_value(found.behaviour.token_value_suffix);
        let created_at = found.clock.at(self.system_now());
        let decoy = Decoy { id: value.id(), comment: comment.to_owned(), created_at, uses: 0, last_use: None };
        writer.insert_decoy(workspace, &decoy).await?;
        writer.commit().await?;
        Ok((decoy, value))
    }

    /// Oldest first.
    pub async fn decoys(&self, workspace: WorkspaceId) -> Result<Vec<Decoy>, Error> {
        let mut reader = self.store.read().await?;
        reader.find_workspace(workspace).await?.ok_or(Denial::WorkspaceNotFound(workspace))?;
        Ok(reader.list_decoys(workspace).await?)
    }

    /// Counts a use of a decoy, and logs a warning.
    pub async fn record_decoy_use(&self, workspace: WorkspaceId, id: &TokenId, origin: &Origin) -> Result<(), Error> {
        let mut writer = self.store.write(Lock::Workspace(workspace)).await?;
        let Some(found) = writer.find_workspace(workspace).await? else { return Ok(()) };
        let at = found.clock.at(self.system_now());
        let Origin { user_agent: client, source_ip, .. } = origin.clone();
        let used = DecoyUse { at, client, source_ip };
        writer.record_decoy_use(workspace, id, &used).await?;
        writer.commit().await?;
        tracing::warn!(
            request_id = origin.request_id,
            %workspace,
            decoy_id = %id,
            "a decoy was used by '{}' from {}",
            used.client,
            used.source_ip
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_is_new_once_and_clients_are_bounded() {
        let tripwire = Tripwire::new(Reaction::Fail);
        assert_eq!(tripwire.verdict(), None);
        let count = |client: &str, kind| tripwire.count(kind, client, Millis(1));
        assert!(count("curl/8", SuspectKind::PersonalAccessToken));
        assert!(!count("curl/8", SuspectKind::PersonalAccessToken));
        assert!(!count("curl/8", SuspectKind::AccessToken));
        let firsts = (0..1000).filter(|i| count(&format!("client {i}"), SuspectKind::AccessToken)).count();
        assert_eq!((firsts, tripwire.seen().len()), (99, MAX_CLIENTS + 1), "further clients are counted as one");
        assert!(tripwire.verdict().unwrap().contains("2 personal_access_token by 'curl/8'"));
        assert_eq!(Tripwire { reaction: Reaction::Warn, ..tripwire }.verdict(), None);
    }
}
