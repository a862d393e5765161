//! Faults: armed by tests, met by requests.

use super::{Error, Service};
use crate::domain::audit::{Action, SYSTEM_USER};
use crate::domain::authorize::NamedWorkspace;
use crate::domain::denial::ControlDenial;
use crate::domain::faults::{Fault, MAX_FAULTS, Request, Rule};
use crate::domain::tokens::EndCause;
use crate::domain::{Denial, TokenId, Workspace, WorkspaceId};
use crate::store::Lock;

impl Service {
    /// Adds a fault after the others of its workspace.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]; [`Denial::InvalidParameter`] when there are too many.
    pub async fn arm_fault(&self, workspace: WorkspaceId, rule: Rule) -> Result<Fault, Error> {
        let mut writer = self.store.write(Lock::Workspace(workspace)).await?;
        writer.find_workspace(workspace).await?.ok_or(Denial::WorkspaceNotFound(workspace))?;
        if writer.list_faults(workspace).await?.len() >= MAX_FAULTS {
            return Err(Denial::parameter(format!("A workspace has at most {MAX_FAULTS} faults; clear some.")).into());
        }
        let id = writer.insert_fault(workspace, &rule).await?;
        writer.commit().await?;
        Ok(Fault { id, rule, seen: 0 })
    }

    /// The faults of a workspace, in order.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]
    pub async fn faults(&self, workspace: WorkspaceId) -> Result<Vec<Fault>, Error> {
        let mut reader = self.store.read().await?;
        reader.find_workspace(workspace).await?.ok_or(Denial::WorkspaceNotFound(workspace))?;
        Ok(reader.list_faults(workspace).await?)
    }

    /// Removes a fault.
    ///
    /// # Errors
    /// [`ControlDenial::FaultNotFound`]
    pub async fn clear_fault(&self, workspace: WorkspaceId, id: i64) -> Result<(), Error> {
        let mut writer = self.store.write(Lock::Workspace(workspace)).await?;
        if writer.delete_faults(workspace, Some(id)).await? == 0 {
            return Err(ControlDenial::FaultNotFound(id.to_string()).into());
        }
        writer.commit().await?;
        Ok(())
    }

    /// Removes all faults of a workspace.
    ///
    /// # Errors
    /// [`Denial::WorkspaceNotFound`]
    pub async fn clear_faults(&self, workspace: WorkspaceId) -> Result<(), Error> {
        let mut writer = self.store.write(Lock::Workspace(workspace)).await?;
        writer.find_workspace(workspace).await?.ok_or(Denial::WorkspaceNotFound(workspace))?;
        writer.delete_faults(workspace, None).await?;
        writer.commit().await?;
        Ok(())
    }

    /// Lets a request meet its workspace's faults: each rule that is about it counts it, up to the first one
    /// that decides about the answer. Answers those that fire, in order. The count is the database's, so that
    /// of any number of requests, over all processes, as many fail as a rule says.
    pub async fn match_faults(&self, workspace: WorkspaceId, request: &Request<'_>) -> Result<Vec<Fault>, Error> {
        let takes = |fault: &Fault| fault.rule.takes(request);
        let mut fired = Vec::new();
        if !self.store.read().await?.list_faults(workspace).await?.iter().any(takes) {
            return Ok(fired);
        }
        let mut writer = self.store.write(Lock::Workspace(workspace)).await?;
        let about = writer.list_faults(workspace).await?.into_iter().filter(takes);
        for fault in about {
            let seen = writer.increment_seen(workspace, fault.id).await?;
            if fault.rule.fires(seen) {
                let answers = fault.rule.answers();
                fired.push(Fault { seen, ..fault });
                if answers {
                    break;
                }
            }
        }
        writer.commit().await?;
        Ok(fired)
    }

    /// The workspace whose faults a request without a checked credential meets: the named one, else the
    /// default one.
    pub async fn answering_workspace(&self, named: &NamedWorkspace) -> Result<Option<Workspace>, Error> {
        Ok(super::authorize::answering(&mut self.store.read().await?, named).await?)
    }

    /// Revokes a token as a fault says, if it is there.
    pub async fn revoke_by_fault(&self, workspace: WorkspaceId, id: &TokenId) -> Result<(), Error> {
        let mut writer = self.store.write(Lock::Workspace(workspace)).await?;
        let found = (writer.find_workspace(workspace).await?, writer.find_token(workspace, id).await?);
        let (Some(workspace), Some(token)) = found else { return Ok(()) };
        let now = workspace.clock.at(self.system_now());
        let token = self.settle_autoscope(&mut writer, &workspace, token, now).await?;
        writer.end_tokens(workspace.id, &[(id, EndCause::RevokedByAdmin, now)], SYSTEM_USER).await?;
        let action = Action::revoke_token(id, token.owner);
        self.record_by_system(&mut writer, &workspace, vec![(action, now)]).await?;
        writer.commit().await?;
        Ok(())
    }
}
