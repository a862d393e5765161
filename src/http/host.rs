//! Which host of the real service a request was sent to. There, each workspace has a host, and all accounts share one;
//! here one server is both, and tells them apart by its port or by the `Host` header.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::HOST;

use crate::domain::AccountId;
use crate::web::connection::Connection;

/// The first label of the names of the account's host.
const ACCOUNTS_LABEL: &str = "accounts";

/// What the shared port says about itself to clients that name no workspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostType {
    #[default]
    Workspace,
    /// A host for the account and its workspaces, to which clients sign in through the account.
    Unified,
}

/// The host that a request was sent to, in the real service's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetHost {
    /// A workspace's, or the shared port.
    Workspace,
    /// The account's. The id is known from the account's own port; without it, the default account is meant.
    Account(Option<AccountId>),
}

impl TargetHost {
    pub(super) fn of(headers: &HeaderMap, connection: Connection) -> Self {
        if connection.account.is_some() {
            return Self::Account(connection.account);
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if is_accounts_name(host) { Self::Account(None) } else { Self::Workspace }
    }

    pub const fn is_account(self) -> bool {
        matches!(self, Self::Account(_))
    }
}

/// Whether a `Host` header names the account's host, as `accounts.cloud.databricks.com` does.
fn is_accounts_name(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let label = name.split('.').next().unwrap_or_default();
    name.parse::<IpAddr>().is_err() && label.eq_ignore_ascii_case(ACCOUNTS_LABEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_label_tells_the_accounts_host() {
        for name in ["accounts", "accounts:3274", "accounts.localhost", "Accounts.Cloud.Example.com:80"] {
            assert!(is_accounts_name(name), "{name}");
        }
        for name in
            ["", "127.0.0.1:3274", "[::1]:3274", "localhost", "my-accounts.localhost", "x.accounts.test", "accountsx"]
        {
            assert!(!is_accounts_name(name), "{name}");
        }
    }
}
