//! What the listener and the handlers tell each other about a connection: extensions of requests and responses.
//! Sockets are in `listen`.

use std::net::IpAddr;

use crate::domain::{AccountId, WorkspaceId};

/// The connection that a request came by; an extension of each request.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    pub peer: IpAddr,
    pub tls: bool,
    /// The owner of the extra listener that accepted it; `None` on the shared port.
    pub port_of: Option<PortOf>,
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

/// An extension of a response: the listener closes the connection instead of sending it.
#[derive(Clone, Copy, Debug)]
pub struct CloseConnection;
