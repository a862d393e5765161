//! The audit log: what use cases append to it, within their own transactions, and how it is read.

use std::collections::HashMap;

use super::{Call, Error, Service};
use crate::domain::audit::{self, Action, Filter, NewEvent, Origin};
use crate::domain::identities::Directory;
use crate::domain::{Millis, Workspace, WorkspaceId};
use crate::entropy::Entropy;
use crate::store::{StoreError, Writer};

/// An audit event about a successful action.
pub(super) struct AuditEntry<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) actor: &'a str,
    pub(super) origin: &'a Origin,
    pub(super) at: Millis,
    pub(super) directory: Directory,
    pub(super) action: Action,
}

impl<'a> AuditEntry<'a> {
    /// For where there is no caller yet: somebody signs in, or a client requests a token.
    pub(super) fn new(
        workspace: &'a Workspace,
        actor: &'a str,
        origin: &'a Origin,
        at: Millis,
        action: Action,
    ) -> Self {
        Self { workspace, actor, origin, at, directory: Directory::Workspace, action }
    }

    fn event(self, entropy: &dyn Entropy) -> NewEvent<'a> {
        NewEvent {
            account: self.workspace.account,
            workspace: self.workspace.id,
            event_id: entropy.uuid().to_string(),
            at: self.at,
            actor: Some(self.actor),
            origin: self.origin,
            action: self.action,
            status: 200,
            error: None,
            account_level: self.directory == Directory::Account,
        }
    }
}

impl<'a> Call<'a> {
    /// The audit entry of an action of the caller in its workspace.
    pub(super) fn entry(self, action: Action) -> AuditEntry<'a> {
        self.entry_in(Directory::Workspace, action)
    }

    pub(super) fn entry_in(self, directory: Directory, action: Action) -> AuditEntry<'a> {
        let Call { caller, origin } = self;
        AuditEntry { workspace: &caller.workspace, actor: &caller.name, origin, at: caller.now, directory, action }
    }
}

impl Service {
    pub(super) async fn record(&self, writer: &mut Writer, entry: AuditEntry<'_>) -> Result<(), StoreError> {
        let entropy = self.draw(writer, entry.workspace).await?;
        writer.insert_events(&[entry.event(entropy.as_ref())]).await
    }

    /// Appends audit events of which the system is the actor.
    pub(super) async fn record_by_system(
        &self,
        writer: &mut Writer,
        workspace: &Workspace,
        actions: Vec<(Action, Millis)>,
    ) -> Result<(), StoreError> {
        let entropy = self.draw(writer, workspace).await?;
        let origin = || Origin { request_id: entropy.uuid().to_string(), ..Origin::default() };
        let origins: Vec<Origin> = actions.iter().map(|_| origin()).collect();
        let event = |((action, at), origin)| {
            AuditEntry::new(workspace, audit::SYSTEM_USER, origin, at, action).event(entropy.as_ref())
        };
        let events: Vec<NewEvent<'_>> = actions.into_iter().zip(&origins).map(event).collect();
        writer.insert_events(&events).await
    }

    /// A workspace's audit events in the filter's order, and the sequence number to continue from: the next page is
    /// after it, or before it when the newest come first. In that order, 0 means that there are no more.
    pub async fn audit_events(
        &self,
        workspace: WorkspaceId,
        filter: &Filter,
    ) -> Result<(Vec<audit::Event>, i64), Error> {
        let up_to = self.store.settled_sequence(workspace).await?.min(filter.up_to);
        let filter = Filter { up_to, ..filter.clone() };
        let events = self.store.read().await?.list_events(workspace, &filter).await?;
        let is_all = i64::try_from(events.len()).unwrap_or(i64::MAX) < filter.limit;
        let last = events.last().map_or(filter.after, |event| event.sequence);
        let next = match (filter.newest_first, is_all) {
            (true, true) => 0,
            (false, true) => up_to.max(filter.after),
            (_, false) => last,
        };
        Ok((events, next))
    }

    /// The sequence number of each workspace's newest audit event.
    pub async fn newest_events(&self) -> Result<HashMap<WorkspaceId, i64>, Error> {
        Ok(self.store.read().await?.newest_events().await?)
    }
}
