//! The rows of SCIM: three directories of three kinds of resources, with six routes each.

use axum::http::Method;
use schemars::JsonSchema;

use super::{
    ACCOUNT_IDENTITIES, ACCOUNT_IDENTITIES_IN_WORKSPACE, CHANGE_IDENTITIES, LIST, PROJECTION, READ_IDENTITIES, SCIM,
    SCIM_THROUGH_WORKSPACE,
};
use crate::domain::authorize::Demand;
use crate::domain::identities::{Directory, PrincipalKind};
use crate::http::route::Level::Partial;
use crate::http::route::{Envelope, Route};
use crate::http::scim;
use crate::http::scim::schema::{
    NewScimGroup, NewScimServicePrincipal, NewScimUser, ScimGroup, ScimGroups, ScimPatch, ScimServicePrincipal,
    ScimServicePrincipals, ScimUser, ScimUsers,
};

/// Where a kind of resource is, and what its operations are called.
#[derive(Clone, Copy)]
struct Collection {
    path: &'static str,
    item: &'static str,
    /// To list, create, get, replace, patch and delete.
    operations: [&'static str; 6],
}

macro_rules! collection {
    ($root:literal, $collection:literal, $name:literal) => {
        Collection {
            path: concat!($root, $collection),
            item: concat!($root, $collection, "/{id}"),
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

/// The 18 routes of a directory below `$root`.
macro_rules! directory {
    ($api:expr, $root:literal, $users:literal, $groups:literal, $service_principals:literal) => {{
        let mut rows = $api.users(collection!($root, "/Users", $users));
        rows.extend($api.groups(collection!($root, "/Groups", $groups)));
        rows.extend($api.service_principals(collection!($root, "/ServicePrincipals", $service_principals)));
        rows
    }};
}

#[derive(Clone, Copy)]
struct Api {
    directory: Directory,
    read: Demand,
    change: Demand,
    evidence: &'static str,
}

impl Api {
    fn users(self, at: Collection) -> Vec<Route> {
        self.rows::<ScimUsers, ScimUser, NewScimUser>(PrincipalKind::User, at, ["add", "delete"])
    }

    fn groups(self, at: Collection) -> Vec<Route> {
        self.rows::<ScimGroups, ScimGroup, NewScimGroup>(PrincipalKind::Group, at, ["createGroup", "removeGroup"])
    }

    fn service_principals(self, at: Collection) -> Vec<Route> {
        let kind = PrincipalKind::ServicePrincipal;
        self.rows::<ScimServicePrincipals, ScimServicePrincipal, NewScimServicePrincipal>(kind, at, ["add", "delete"])
    }

    /// The routes of a page of resources, a resource, and a new one; the actions are those of a creation and a deletion.
    #[rustfmt::skip] // One row a route.
    fn rows<P: JsonSchema, R: JsonSchema, N: JsonSchema>(self, kind: PrincipalKind, at: Collection, actions: [&'static str; 2]) -> Vec<Route> {
        let Self { directory, read, change, evidence } = self;
        let [list, create, get, replace, patch, delete] = at.operations;
        let [creation, deletion] = actions;
        let rows = [
            Route::new(Method::GET, at.path, list, scim::list(directory, kind)).demands(read).parameters(LIST).answers::<P>(),
            Route::new(Method::POST, at.path, create, scim::create(directory, kind))
                .demands(change).body::<N>().creates::<R>().audited("accounts", creation),
            Route::new(Method::GET, at.item, get, scim::get(directory, kind)).demands(read).parameters(PROJECTION).answers::<R>(),
            Route::new(Method::PUT, at.item, replace, scim::replace(directory, kind)).demands(change).body::<N>().answers::<R>(),
            Route::new(Method::PATCH, at.item, patch, scim::patch(directory, kind)).demands(change).body::<ScimPatch>().answers::<R>(),
            Route::new(Method::DELETE, at.item, delete, scim::delete(directory, kind))
                .demands(change).answers_nothing().audited("accounts", deletion),
        ];
        rows.map(|route| route.envelope(Envelope::Scim).known(Partial, evidence)).into()
    }
}

/// The workspace's own directory.
pub(super) fn of_workspace() -> Vec<Route> {
    let (read, change) = (READ_IDENTITIES, CHANGE_IDENTITIES);
    let api = Api { directory: Directory::Workspace, read, change, evidence: SCIM };
    directory!(api, "/api/2.0/preview/scim/v2", "users", "groups", "servicePrincipals")
}

/// The account's directory, by its own address and through a workspace's.
#[rustfmt::skip] // One row a directory.
pub(super) fn of_account() -> Vec<Route> {
    let (directory, own, through) = (Directory::Account, ACCOUNT_IDENTITIES, ACCOUNT_IDENTITIES_IN_WORKSPACE);
    let api = Api { directory, read: own, change: own, evidence: SCIM };
    let mut rows = directory!(api, "/api/2.0/accounts/{account_id}/scim/v2", "accountUsers", "accountGroups", "accountServicePrincipals");
    let api = Api { directory, read: through, change: through, evidence: SCIM_THROUGH_WORKSPACE };
    rows.extend(directory!(api, "/api/2.0/account/scim/v2", "accountUsers", "accountGroups", "accountServicePrincipals"));
    rows
}
