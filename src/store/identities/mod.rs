//! Users, service principals and groups, their memberships, and their assignments to workspaces.
//!
//! A principal is in a workspace if it is assigned there, or if a group of the account that is assigned holds it,
//! directly or nested. It has a row in `workspace_assignments` if it is assigned (`direct`), or if it has attributes of
//! its own there; without a row it is active and has no entitlements or roles.

mod listings;
mod read;
mod rows;
mod write;

pub use listings::{Batch, CreationKey, PrincipalScope};
pub(super) use rows::{
    PrincipalRow, is_among_present, is_found, is_present, kind_from, principal_columns, select_principals,
};
