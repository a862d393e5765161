//! Extra listeners: ports that belong to one workspace or one account, opened and closed while the server runs.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::AbortHandle;

use super::budget::Budget;
use super::slots::ConnectionSlots;
use super::sockets::{Accepted, Acceptor, bind};
use super::tls::Tls;
use crate::domain::{AccountId, WorkspaceId};

/// Why an extra listener cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    #[error(
        "all {max} extra ports are in use; delete a workspace that has one, or close the port of an account{}",
        if *.is_short { ", or start the server with a higher limit on open files (ulimit -n)" } else { "" }
    )]
    AllInUse { max: usize, is_short: bool },
    /// The message names the address.
    #[error(transparent)]
    Bind(#[from] io::Error),
}

/// The owner of an extra listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortOf {
    /// Requests to this port name the workspace, as a client's header would.
    Workspace(WorkspaceId),
    /// This port is the account's host.
    Account(AccountId),
}

impl From<WorkspaceId> for PortOf {
    fn from(id: WorkspaceId) -> Self {
        Self::Workspace(id)
    }
}

impl From<AccountId> for PortOf {
    fn from(id: AccountId) -> Self {
        Self::Account(id)
    }
}

#[derive(Clone, Debug)]
pub struct ExtraListeners {
    hosts: Arc<[IpAddr]>,
    acceptor: Acceptor,
    budget: Budget,
    free_ports: Arc<Semaphore>,
    open: Arc<Mutex<HashMap<PortOf, ExtraListener>>>,
}

#[derive(Debug)]
struct ExtraListener {
    port: u16,
    _permit: OwnedSemaphorePermit,
    tasks: Vec<AbortHandle>,
}

impl Drop for ExtraListener {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl ExtraListeners {
    pub(super) fn new(hosts: &[IpAddr], tls: Option<Tls>, budget: Budget, connections: mpsc::Sender<Accepted>) -> Self {
        let slots = ConnectionSlots::new(budget.connections);
        Self {
            hosts: hosts.into(),
            acceptor: Acceptor { tls: tls.map(Arc::new), slots, connections },
            budget,
            free_ports: Arc::new(Semaphore::new(budget.extra_ports)),
            open: Arc::default(),
        }
    }

    /// Opens a port for a workspace or an account; 0 picks a free one. Returns the port, or the one that its owner has
    /// already.
    pub async fn open(&self, port: u16, owner: impl Into<PortOf> + Send) -> Result<u16, PortError> {
        let owner = owner.into();
        if let Some(port) = self.port_of(owner) {
            return Ok(port);
        }
        let permit = self.free_ports.clone().try_acquire_owned().map_err(|_| self.all_in_use())?;
        let (sockets, port) = bind(&self.hosts, port).await?;
        let tasks = sockets.into_iter().map(|socket| self.accept_on(socket, Some(owner))).collect();
        let earlier = self.by_owner().insert(owner, ExtraListener { port, _permit: permit, tasks });
        drop(earlier);
        Ok(port)
    }

    /// Checks that one more port can be opened.
    pub fn check_room(&self) -> Result<(), PortError> {
        if self.free_ports.available_permits() > 0 { Ok(()) } else { Err(self.all_in_use()) }
    }

    fn all_in_use(&self) -> PortError {
        PortError::AllInUse { max: self.budget.extra_ports, is_short: self.budget.is_short }
    }

    pub fn port_of(&self, owner: impl Into<PortOf>) -> Option<u16> {
        self.by_owner().get(&owner.into()).map(|listener| listener.port)
    }

    /// The workspaces that have a port of their own.
    pub fn workspaces(&self) -> Vec<WorkspaceId> {
        let workspace = |(owner, _): (PortOf, u16)| match owner {
            PortOf::Workspace(id) => Some(id),
            PortOf::Account(_) => None,
        };
        self.all().into_iter().filter_map(workspace).collect()
    }

    /// The accounts that have a port of their own.
    pub fn accounts(&self) -> Vec<AccountId> {
        let account = |(owner, _): (PortOf, u16)| match owner {
            PortOf::Account(id) => Some(id),
            PortOf::Workspace(_) => None,
        };
        self.all().into_iter().filter_map(account).collect()
    }

    /// All owners and their ports, by port.
    pub fn all(&self) -> Vec<(PortOf, u16)> {
        let mut all: Vec<_> = self.by_owner().iter().map(|(owner, listener)| (*owner, listener.port)).collect();
        all.sort_by_key(|(_, port)| *port);
        all
    }

    pub fn close(&self, owner: impl Into<PortOf>) {
        let closed = self.by_owner().remove(&owner.into());
        drop(closed);
    }

    /// The TLS of all ports; `None` if it is off.
    pub fn tls(&self) -> Option<&Tls> {
        self.acceptor.tls.as_deref()
    }

    pub(super) fn accept_on(&self, socket: TcpListener, port_of: Option<PortOf>) -> AbortHandle {
        tokio::spawn(self.acceptor.clone().accept_all(socket, port_of)).abort_handle()
    }

    fn by_owner(&self) -> MutexGuard<'_, HashMap<PortOf, ExtraListener>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
