//! Applies and exports seeds. Applying adds what is missing and changes nothing that exists; only a workspace's first
//! seed sets its settings. The whole seed is checked first, so that an invalid one changes nothing. Then it is applied
//! in batches, one transaction each, so that other writers get their turn. Applying it again after a crash adds the
//! rest. Start reading with [`Service::apply_seed_with`]; `walk` does the work.

mod batches;
mod export;
mod identities;
mod tokens;
mod walk;
mod workspaces;

use serde::Serialize;
use serde_json::Value;

use crate::domain::seeds::{Seed, SeedError, WorkspaceSeed};
use crate::domain::{Millis, Workspace};
use crate::service::{Error, Service};
use crate::store::{Reader, StoreError};

use batches::Batches;
use walk::{Mode, SeedWalk};

/// How far a seed has been applied, in users, tokens and other items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub done: usize,
    pub total: usize,
}

/// How much a seed added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeedCounts {
    pub workspaces: usize,
    pub principals: usize,
    pub tokens: usize,
}

impl Service {
    /// # Errors
    /// [`Error::Seed`] for an invalid seed, which changes nothing. [`Error::Store`] may leave a part of it.
    pub async fn apply_seed(&self, seed: &Seed) -> Result<SeedCounts, Error> {
        self.apply_seed_with(seed, |_| {}).await
    }

    /// Applies a seed, and reports its progress after each batch.
    pub async fn apply_seed_with(
        &self,
        seed: &Seed,
        report: impl Fn(Progress) + Send + Sync,
    ) -> Result<SeedCounts, Error> {
        refuse_nul(seed)?;
        let default = self.default_workspace().await?;
        let mut reader = self.store.read().await?;
        let mut check = SeedWalk::new(self, Mode::Check(&mut reader), seed.random_seed);
        check.all(seed, default.as_ref()).await?;
        let total = check.done;
        drop(check);
        drop(reader);
        let batches = Batches::begin(self, total, &report).await?;
        let mut walk = SeedWalk::new(self, Mode::Apply(batches), seed.random_seed);
        walk.all(seed, default.as_ref()).await?;
        walk.finish().await
    }

    /// Checks a seed for one workspace before it is applied; returns how many items it has.
    pub(super) async fn check_workspace_seed(
        &self,
        reader: &mut Reader,
        workspace: Workspace,
        seed: &WorkspaceSeed,
    ) -> Result<usize, Error> {
        refuse_nul(seed)?;
        let mut check = SeedWalk::new(self, Mode::Check(reader), 0);
        check.fill(workspace, seed, "seed").await?;
        Ok(check.done)
    }

    /// Applies a checked seed of `total` items to a new workspace. The last batch sets when the workspace expires.
    pub(super) async fn fill_workspace(
        &self,
        workspace: &Workspace,
        delete_at: Option<Millis>,
        seed: &WorkspaceSeed,
        total: usize,
    ) -> Result<(), Error> {
        let batches = Batches::begin(self, total, &|_| {}).await?;
        let mut walk = SeedWalk::new(self, Mode::Apply(batches), 0);
        walk.fill(workspace.clone(), seed, "seed").await?;
        if let Some(writer) = walk.writer()? {
            writer.update_delete_at(workspace.id, delete_at).await?;
        }
        walk.save_seeded(workspace).await?;
        walk.finish().await.map(drop)
    }
}

/// Refuses text that PostgreSQL cannot store, on both databases.
fn refuse_nul(seed: &impl Serialize) -> Result<(), Error> {
    fn holds_nul(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(values) => values.iter().any(holds_nul),
            Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    let value = serde_json::to_value(seed).map_err(|error| StoreError::Unreadable(error.to_string()))?;
    if holds_nul(&value) { Err(StoreError::NulCharacter.into()) } else { Ok(()) }
}

/// An error about a field whose line is unknown.
fn error_in(field: &str, sentence: impl Into<String>) -> SeedError {
    SeedError { file: String::new(), line: 0, field: format!("{field}: "), sentence: sentence.into() }
}
