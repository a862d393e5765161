//! The transactions in which a seed is applied, one after the other.

use std::time::{Duration, Instant};

use super::Progress;
use crate::domain::{Workspace, WorkspaceId};
use crate::service::{Error, Service};
use crate::store::{Lock, StoreError, Writer};

/// Users, tokens and other items in one transaction, which bounds how long other writers wait.
const BATCH: usize = 200;
const LOG_INTERVAL: Duration = Duration::from_secs(2);

pub(super) struct Batches<'a> {
    service: &'a Service,
    /// `None` only between the commit of one batch and the start of the next.
    current: Option<Writer>,
    in_batch: usize,
    /// The workspace that is being filled, with its incarnation.
    filling: Option<(WorkspaceId, i64)>,
    progress: Progress,
    report: &'a (dyn Fn(Progress) + Send + Sync),
    logged_at: Instant,
}

impl<'a> Batches<'a> {
    pub(super) async fn begin(
        service: &'a Service,
        total: usize,
        report: &'a (dyn Fn(Progress) + Send + Sync),
    ) -> Result<Self, Error> {
        let current = Some(service.store.write(Lock::Database).await?);
        let progress = Progress { done: 0, total };
        Ok(Self { service, current, in_batch: 0, filling: None, progress, report, logged_at: Instant::now() })
    }

    pub(super) fn writer(&mut self) -> Result<&mut Writer, StoreError> {
        self.current.as_mut().ok_or(StoreError::TimedOut)
    }

    /// Names the workspace that the next items belong to; they fail if it is replaced between two batches.
    pub(super) fn fill(&mut self, workspace: Option<&Workspace>) {
        self.filling = workspace.map(|workspace| (workspace.id, workspace.incarnation));
    }

    /// Counts one more item, and commits the batch when it is full.
    pub(super) async fn step(&mut self) -> Result<(), Error> {
        self.in_batch += 1;
        self.progress.done += 1;
        if self.in_batch < BATCH {
            return Ok(());
        }
        self.commit().await?;
        // Writers that were waiting get their turn before this one.
        let mut writer = self.service.store.write(Lock::Database).await?;
        if let Some((id, incarnation)) = self.filling {
            let found = writer.find_workspace(id).await?;
            if found.is_none_or(|workspace| workspace.incarnation != incarnation) {
                return Err(StoreError::Replaced.into());
            }
        }
        self.current = Some(writer);
        Ok(())
    }

    pub(super) async fn commit(&mut self) -> Result<(), Error> {
        if let Some(mut writer) = self.current.take() {
            // Whenever the number of items has doubled.
            if self.in_batch == BATCH && (self.progress.done / BATCH).is_power_of_two() {
                writer.gather_statistics().await?;
            }
            writer.commit().await?;
        }
        self.in_batch = 0;
        let Progress { done, total } = self.progress;
        (self.report)(self.progress);
        if self.logged_at.elapsed() >= LOG_INTERVAL {
            self.logged_at = Instant::now();
            tracing::info!(done, total, "applying a seed");
        }
        Ok(())
    }
}
