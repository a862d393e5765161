//! The rows of SCIM: three directories of three kinds of resources, with six routes each.

use axum::http::Method;

use super::{
    ACCOUNT_IDENTITIES, ACCOUNT_IDENTITIES_IN_WORKSPACE, CHANGE_IDENTITIES, LIST, PROJECTION, READ_IDENTITIES, SCIM,
    SCIM_THROUGH_WORKSPACE,
};
use crate::domain::authorize::Demand;
use crate::domain::identities::{Directory, PrincipalKind};
use crate::http::route::Level::Partial;
use crate::http::route::{Envelope, Route};
use crate::http::scim::{
    self,
    schema::{
        NewScimGroup, NewScimServicePrincipal, NewScimUser, ScimGroup, ScimGroups, ScimPatch, ScimServicePrincipal,
        ScimServicePrincipals, ScimUser, ScimUsers,
    },
};

/// Where a kind of resource is, and what its operations are called.
struct Collection {
    path: &'static str,
    item: &'static str,
    /// To list, create, get, replace, patch and delete.
    operations: [&'static str; 6],
}

macro_rules! collection {
    ($path:literal, $name:literal) => {
        Collection {
            path: $path,
            item: concat!($path, "/{id}"),
            operations: [
                concat!($name, ".list"),
                concat!($name, ".create"),
                concat!($name, ".get"),
                concat!($name, ".update"),
                concat!($name, ".patch"),
                concat!($name, ".delete"),
            ],
        }
    };
}

#[derive(Clone, Copy)]
struct Api {
    directory: Directory,
    read: Demand,
    change: Demand,
    evidence: &'static str,
}

impl Api {
    fn users(self, at: Collection) -> [Route; 6] {
        let [list, create, get, replace, patch, delete] = self.rows(PrincipalKind::User, at);
        [
            list.answers::<ScimUsers>(),
            create.body::<NewScimUser>().creates::<ScimUser>().audited("accounts", "add"),
            get.answers::<ScimUser>(),
            replace.body::<NewScimUser>().answers::<ScimUser>(),
            patch.answers::<ScimUser>(),
            delete.audited("accounts", "delete"),
        ]
    }

    fn groups(self, at: Collection) -> [Route; 6] {
        let [list, create, get, replace, patch, delete] = self.rows(PrincipalKind::Group, at);
        [
            list.answers::<ScimGroups>(),
            create.body::<NewScimGroup>().creates::<ScimGroup>().audited("accounts", "createGroup"),
            get.answers::<ScimGroup>(),
            replace.body::<NewScimGroup>().answers::<ScimGroup>(),
            patch.answers::<ScimGroup>(),
            delete.audited("accounts", "removeGroup"),
        ]
    }

    fn service_principals(self, at: Collection) -> [Route; 6] {
        let [list, create, get, replace, patch, delete] = self.rows(PrincipalKind::ServicePrincipal, at);
        [
            list.answers::<ScimServicePrincipals>(),
            create.body::<NewScimServicePrincipal>().creates::<ScimServicePrincipal>().audited("accounts", "add"),
            get.answers::<ScimServicePrincipal>(),
            replace.body::<NewScimServicePrincipal>().answers::<ScimServicePrincipal>(),
            patch.answers::<ScimServicePrincipal>(),
            delete.audited("accounts", "delete"),
        ]
    }

    /// What the kinds of resources have in common.
    fn rows(self, kind: PrincipalKind, at: Collection) -> [Route; 6] {
        let Self { directory, read, change, evidence } = self;
        let [list, create, get, replace, patch, delete] = at.operations;
        [
            Route::new(Method::GET, at.path, list, scim::list(directory, kind)).demands(read).parameters(LIST),
            Route::new(Method::POST, at.path, create, scim::create(directory, kind)).demands(change),
            Route::new(Method::GET, at.item, get, scim::get(directory, kind)).demands(read).parameters(PROJECTION),
            Route::new(Method::PUT, at.item, replace, scim::replace(directory, kind)).demands(change),
            Route::new(Method::PATCH, at.item, patch, scim::patch(directory, kind)).demands(change).body::<ScimPatch>(),
            Route::new(Method::DELETE, at.item, delete, scim::delete(directory, kind))
                .demands(change)
                .answers_nothing(),
        ]
        .map(|route| route.envelope(Envelope::Scim).known(Partial, evidence))
    }
}

/// The workspace's own directory.
pub(super) fn of_workspace() -> Vec<Route> {
    let (read, change) = (READ_IDENTITIES, CHANGE_IDENTITIES);
    let api = Api { directory: Directory::Workspace, read, change, evidence: SCIM };
    [
        api.users(collection!("/api/2.0/preview/scim/v2/Users", "users")),
        api.groups(collection!("/api/2.0/preview/scim/v2/Groups", "groups")),
        api.service_principals(collection!("/api/2.0/preview/scim/v2/ServicePrincipals", "servicePrincipals")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The account's directory, by its own address and through a workspace's.
pub(super) fn of_account() -> Vec<Route> {
    let (directory, demand) = (Directory::Account, ACCOUNT_IDENTITIES);
    let api = Api { directory, read: demand, change: demand, evidence: SCIM };
    let demand = ACCOUNT_IDENTITIES_IN_WORKSPACE;
    let through_workspace = Api { directory, read: demand, change: demand, evidence: SCIM_THROUGH_WORKSPACE };
    [
        api.users(collection!("/api/2.0/accounts/{account_id}/scim/v2/Users", "accountUsers")),
        api.groups(collection!("/api/2.0/accounts/{account_id}/scim/v2/Groups", "accountGroups")),
        api.service_principals(collection!(
            "/api/2.0/accounts/{account_id}/scim/v2/ServicePrincipals",
            "accountServicePrincipals"
        )),
        through_workspace.users(collection!("/api/2.0/account/scim/v2/Users", "accountUsers")),
        through_workspace.groups(collection!("/api/2.0/account/scim/v2/Groups", "accountGroups")),
        through_workspace
            .service_principals(collection!("/api/2.0/account/scim/v2/ServicePrincipals", "accountServicePrincipals")),
    ]
    .into_iter()
    .flatten()
    .collect()
}
