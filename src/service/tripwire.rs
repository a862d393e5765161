//! Who came with what was not made here: real-looking credentials, which nothing is kept of, and decoys.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Error, Service};
use crate::domain::audit::Origin;
use crate::domain::decoys::{Decoy, DecoyUse, MAX_DECOYS};
use crate::domain::oauth::SecretHash;
use crate::domain::tokens::{MAX_COMMENT_CHARS, TokenValue};
use crate::domain::tripwire::{Reaction, SuspectKind, looks_real};
use crate::domain::{Denial, Millis, TokenId, WorkspaceId};
use crate::store::Lock;

/// Most clients that are told apart.
const MAX_CLIENTS: usize = 100;
/// Who stands for the rest.
const OTHERS: &str = "(others)";

/// Real-looking credentials of one kind that one client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuspectedCredentials {
    /// What they look like.
    pub kind: SuspectKind,
    /// The client's `User-Agent`.
    pub client: String,
    /// How many.
    pub count: u64,
    /// When the first came, on the system's clock.
    pub first: Millis,
    /// And the last.
    pub last: Millis,
}

/// What this process has seen of strangers.
#[derive(Clone, Debug, Default)]
pub struct Tripwire {
    /// What is done about them.
    pub reaction: Reaction,
    seen: Arc<Mutex<Vec<SuspectedCredentials>>>,
}

impl Tripwire {
    pub(super) fn new(reaction: Reaction) -> Self {
        Self { reaction, ..Self::default() }
    }

    /// Who came with them, in the order in which they first did.
    pub fn seen(&self) -> Vec<SuspectedCredentials> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why the process is to end with an error, if it is.
    pub fn verdict(&self) -> Option<String> {
        let seen = self.seen();
        let clients: Vec<String> =
            seen.iter().map(|it| format!("{} {} by '{}'", it.count, it.kind.as_str(), it.client)).collect();
        (self.reaction == Reaction::Fail && !seen.is_empty())
            .then(|| format!("production-looking credentials were sent to this mock: {}", clients.join("; ")))
    }

    /// Counts one; answers whether it is the first of its client.
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
    /// Looks whether a refused credential is somebody's real one; if so it is counted, and the first of a client
    /// is warned of. Nothing of it is kept.
    pub async fn check_real_credential(&self, credential: &str, origin: &Origin) -> Result<bool, Error> {
        let Some(kind) = looks_real(credential) else { return Ok(false) };
        // Given values have no mark.
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

    /// Makes a decoy; answers its value, which is not shown again.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]; [`Denial::InvalidParameter`] for a long comment, or when there are too many.
    pub async fn create_decoy(&self, workspace: WorkspaceId, comment: &str) -> Result<(Decoy, TokenValue), Error> {
        if comment.chars().count() > MAX_COMMENT_CHARS {
            return Err(Denial::parameter(format!("comment: at most {MAX_COMMENT_CHARS} characters.")).into());
        }
        let mut writer = self.store.write(Lock::Workspace(workspace)).await?;
        let found = writer.find_workspace(workspace).await?.ok_or(Denial::WorkspaceNotFound(workspace))?;
        if writer.list_decoys(workspace).await?.len() >= MAX_DECOYS {
            return Err(Denial::parameter(format!("A workspace has at most {MAX_DECOYS} decoys.")).into());
        }
        let value = self.draw(&mut writer, &found).await?.token_value(found.behaviour.token_value_suffix);
        let created_at = found.clock.at(self.system_now());
        let decoy = Decoy { id: value.id(), comment: comment.to_owned(), created_at, uses: 0, last_use: None };
        writer.insert_decoy(workspace, &decoy).await?;
        writer.commit().await?;
        Ok((decoy, value))
    }

    /// The decoys of a workspace, oldest first.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]
    pub async fn decoys(&self, workspace: WorkspaceId) -> Result<Vec<Decoy>, Error> {
        let mut reader = self.store.read().await?;
        reader.find_workspace(workspace).await?.ok_or(Denial::WorkspaceNotFound(workspace))?;
        Ok(reader.list_decoys(workspace).await?)
    }

    /// Counts a use of a decoy, and raises the alarm.
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
    fn clients_are_warned_of_once_and_are_bounded() {
        let tripwire = Tripwire::new(Reaction::Fail);
        assert_eq!(tripwire.verdict(), None);
        let count = |client: &str, kind| tripwire.count(kind, client, Millis(1));
        assert!(count("curl/8", SuspectKind::PersonalAccessToken));
        assert!(!count("curl/8", SuspectKind::PersonalAccessToken));
        assert!(!count("curl/8", SuspectKind::AccessToken));
        let firsts = (0..1000).filter(|i| count(&format!("client {i}"), SuspectKind::AccessToken)).count();
        assert_eq!((firsts, tripwire.seen().len()), (99, MAX_CLIENTS + 1), "those beyond are one");
        assert!(tripwire.verdict().unwrap().contains("2 personal_access_token by 'curl/8'"));
        assert_eq!(Tripwire { reaction: Reaction::Warn, ..tripwire }.verdict(), None);
    }
}
