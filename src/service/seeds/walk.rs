//! Walks through a seed, either to check it or to apply it, so that both see the same. What it does with principals,
//! tokens and workspaces is in their files.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Batches, SeedCounts, error_in};
use crate::domain::identities::{Principal, PrincipalKind};
use crate::domain::seeds::{Seed, SeedError, SeededRandom, Text};
use crate::domain::{AccountId, Millis, Workspace, WorkspaceId};
use crate::service::{Error, Service};
use crate::store::{Reader, StoreError, Writer};

pub(super) struct SeedWalk<'a> {
    pub(super) service: &'a Service,
    pub(super) mode: Mode<'a>,
    /// What the values that the seed leaves out are drawn from.
    pub(super) random_seed: u32,
    pub(super) added: SeedCounts,
    pub(super) done: usize,
    pub(super) planned: Planned,
}

pub(super) enum Mode<'a> {
    /// Finds the seed's mistakes. Nothing is written.
    Check(&'a mut Reader),
    Apply(Batches<'a>),
}

/// What a check would have added so far. Later items may refer to it.
#[derive(Default)]
pub(super) struct Planned {
    pub(super) workspaces: HashMap<WorkspaceId, Workspace>,
    pub(super) principals: HashSet<(Namespace, PrincipalKind, String)>,
    /// The application ids of the service principals with a display name.
    pub(super) displayed: HashMap<(AccountId, String), BTreeSet<String>>,
}

/// Where a principal's name is unique: in an account, or for a workspace's own groups in the workspace.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Namespace {
    pub(super) account: AccountId,
    pub(super) workspace: Option<WorkspaceId>,
}

impl Namespace {
    pub(super) fn account(account: AccountId) -> Self {
        Self { account, workspace: None }
    }

    pub(super) fn workspace(workspace: &Workspace) -> Self {
        Self { account: workspace.account, workspace: Some(workspace.id) }
    }
}

/// A workspace with the time on its clock.
#[derive(Clone, Copy)]
pub(super) struct WorkspaceAt<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) now: Millis,
}

impl<'a> SeedWalk<'a> {
    pub(super) fn new(service: &'a Service, mode: Mode<'a>, random_seed: u32) -> Self {
        let (added, planned) = (SeedCounts::default(), Planned::default());
        Self { service, mode, random_seed, added, done: 0, planned }
    }

    pub(super) async fn all(&mut self, seed: &Seed, default: Option<&Workspace>) -> Result<(), Error> {
        for (index, account) in seed.accounts.iter().enumerate() {
            let field = format!("accounts[{index}]");
            let id = account_id(account.account_id.as_ref(), &field, default)?;
            self.account(id, account, &field).await?;
        }
        for (index, seed) in seed.workspaces.iter().enumerate() {
            let field = format!("workspaces[{index}]");
            let workspace = self.workspace(seed, &field, default).await?;
            if self.fill(workspace.clone(), seed, &field).await? {
                self.save_seeded(&workspace).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn finish(self) -> Result<SeedCounts, Error> {
        if let Mode::Apply(mut batches) = self.mode {
            batches.commit().await?;
        }
        Ok(self.added)
    }

    pub(super) fn reader(&mut self) -> Result<&mut Reader, StoreError> {
        match &mut self.mode {
            Mode::Check(reader) => Ok(reader),
            Mode::Apply(batches) => Ok(batches.writer()?),
        }
    }

    /// `None` while the seed is only checked.
    pub(super) fn writer(&mut self) -> Result<Option<&mut Writer>, StoreError> {
        match &mut self.mode {
            Mode::Check(_) => Ok(None),
            Mode::Apply(batches) => batches.writer().map(Some),
        }
    }

    /// Counts one more item.
    pub(super) async fn step(&mut self) -> Result<(), Error> {
        self.done += 1;
        match &mut self.mode {
            Mode::Check(_) => Ok(()),
            Mode::Apply(batches) => batches.step().await,
        }
    }

    pub(super) fn chance(&self, purpose: &str) -> SeededRandom {
        SeededRandom::new(self.random_seed, purpose)
    }

    pub(super) fn plan(&mut self, namespace: Namespace, principal: &Principal) {
        let key = Principal::name_key(&principal.name);
        if principal.kind == PrincipalKind::ServicePrincipal {
            let displayed = self.planned.displayed.entry((namespace.account, principal.display_name.clone()));
            displayed.or_default().insert(key.clone());
        }
        self.planned.principals.insert((namespace, principal.kind, key));
    }
}

pub(super) fn account_id(
    text: Option<&Text>,
    field: &str,
    default: Option<&Workspace>,
) -> Result<AccountId, SeedError> {
    let field = format!("{field}.account_id");
    if let Some(text) = text {
        return AccountId::parse(text.as_str()).ok_or_else(|| SeedError::at(text, &field, "use a UUID"));
    }
    let missing = || error_in(&field, "required, because there is no default account");
    default.map(|workspace| workspace.account).ok_or_else(missing)
}
