//! How identities are read: columns, the conditions that many statements of the store share, and the rows that the
//! columns become. Read `is_found!` first: it says why the statements join as they do.

use sqlx::FromRow;

use crate::domain::identities::{Assignment, Member, Principal, PrincipalKind};
use crate::domain::{PrincipalId, WorkspaceId};
use crate::store::{Result, StoreError};

pub(in crate::store) fn kind_from(text: &str) -> Result<PrincipalKind> {
    PrincipalKind::parse(text).ok_or_else(|| StoreError::Unreadable(format!("kind {text}")))
}

#[derive(FromRow)]
pub(in crate::store) struct PrincipalRow {
    principal_id: i64,
    workspace_id: i64,
    kind: String,
    name: String,
    display_name: String,
    active: bool,
    account_admin: bool,
    external_id: Option<String>,
    attributes: String,
    creation: i64,
}

impl TryFrom<PrincipalRow> for Principal {
    type Error = StoreError;

    fn try_from(row: PrincipalRow) -> Result<Self> {
        let unreadable = |what: &str| StoreError::Unreadable(format!("{what} of principal {}", row.principal_id));
        Ok(Self {
            id: PrincipalId(row.principal_id),
            local_to: (row.workspace_id != 0).then_some(WorkspaceId(row.workspace_id)),
            kind: kind_from(&row.kind)?,
            attributes: serde_json::from_str(&row.attributes).map_err(|_| unreadable("attributes"))?,
            name: row.name,
            display_name: row.display_name,
            active: row.active,
            account_admin: row.account_admin,
            external_id: row.external_id,
            creation: row.creation,
        })
    }
}

macro_rules! principal_columns {
    () => {
        "p.principal_id, p.workspace_id, p.kind, p.name, p.display_name, p.active, p.account_admin, p.external_id,
         p.attributes, p.creation"
    };
}
fn names_from(text: &str) -> Result<Vec<String>> {
    serde_json::from_str(text).map_err(|_| StoreError::Unreadable("a list of names".into()))
}

pub(super) fn to_json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// A principal with its assignment to a workspace.
#[derive(FromRow)]
pub(super) struct AssignmentRow {
    #[sqlx(flatten)]
    principal: PrincipalRow,
    assigned_active: bool,
    entitlements: String,
    roles: String,
}

impl TryFrom<AssignmentRow> for (Principal, Assignment) {
    type Error = StoreError;

    fn try_from(row: AssignmentRow) -> Result<Self> {
        let (entitlements, roles) = (names_from(&row.entitlements)?, names_from(&row.roles)?);
        Ok((row.principal.try_into()?, Assignment { active: row.assigned_active, entitlements, roles }))
    }
}

#[derive(FromRow)]
pub(super) struct MemberRow {
    principal_id: i64,
    kind: String,
    display_name: String,
}

impl TryFrom<MemberRow> for Member {
    type Error = StoreError;

    fn try_from(row: MemberRow) -> Result<Self> {
        Ok(Self { id: PrincipalId(row.principal_id), kind: kind_from(&row.kind)?, display_name: row.display_name })
    }
}

/// Selects an [`AssignmentRow`] from principals `p`. The account is bound as `$1`, the workspace as `$2`.
macro_rules! select_assignments {
    ($($column:literal)?) => {
        concat!(
            "SELECT ",
            principal_columns!(),
            ", COALESCE(a.active, TRUE) AS assigned_active, COALESCE(a.entitlements, '[]') AS entitlements,
               COALESCE(a.roles, '[]') AS roles",
            $($column,)?
            "
             FROM principals p LEFT JOIN workspace_assignments a ON a.workspace_id = $2 AND a.principal_id = p.principal_id "
        )
    };
}

/// The condition that a LEFT JOIN has found a row of the table with this id column.
///
/// The store's statements use LEFT JOIN because it fixes the order: the rows on its left are taken one by one, and
/// those on its right are looked up in an index. With other joins, SQLite and PostgreSQL may begin with the larger
/// table and read all of it, and without statistics they do. They would also turn a LEFT JOIN into an inner one if they
/// saw that the condition is never true without a row, but they do not look into COALESCE.
///
/// A plus sign before a column, as in `+p.workspace_id`, keeps the column's index from being used: without statistics,
/// PostgreSQL estimates that an account has as few principals as an id.
macro_rules! is_found {
    ($id:literal) => {
        concat!("COALESCE(", $id, ", 0) <> 0")
    };
}

/// The condition that a row of principals is in the workspace: it is assigned itself, or a group of the account that
/// holds it is. For one principal or a few, because it searches from the principal upwards. The account is bound as
/// `$1` and the workspace as `$2`, unless other placeholders are given. UNION ends cycles. NOT MATERIALIZED keeps
/// SQLite from finding all groups before it looks at one.
macro_rules! is_present {
    ($principal:literal) => {
        is_present!($principal, "$1", "$2")
    };
    ($principal:literal, $account:literal, $workspace:literal) => {
        concat!(
            "(COALESCE((SELECT d.direct FROM workspace_assignments d
               WHERE d.workspace_id = ",
            $workspace,
            " AND d.principal_id = ",
            $principal,
            ".principal_id), FALSE) OR EXISTS (WITH RECURSIVE up (group_id) AS NOT MATERIALIZED (
                 SELECT m.group_id FROM group_members m WHERE m.account_id = ",
            $account,
            " AND m.member_id = ",
            $principal,
            ".principal_id
                 UNION SELECT m.group_id FROM up
                   LEFT JOIN group_members m ON m.account_id = ",
            $account,
            " AND m.member_id = up.group_id
                   WHERE ",
            is_found!("m.group_id"),
            ") SELECT 1 FROM up
               LEFT JOIN workspace_assignments d ON d.workspace_id = ",
            $workspace,
            " AND d.principal_id = up.group_id AND d.direct
               LEFT JOIN principals g ON g.account_id = ",
            $account,
            " AND g.principal_id = d.principal_id AND +g.workspace_id = 0
               WHERE ",
            is_found!("g.principal_id"),
            "))"
        )
    };
}

/// The same condition for many principals: it finds once which groups of the account are in the workspace, and then
/// looks only at the groups that hold the principal directly. With EXISTS, PostgreSQL would read all memberships;
/// without the CASE, it would search all groups for each membership.
macro_rules! is_among_present {
    ($principal:literal) => {
        is_among_present!($principal, "$1", "$2")
    };
    ($principal:literal, $account:literal, $workspace:literal) => {
        concat!(
            "(COALESCE((SELECT d.direct FROM workspace_assignments d
               WHERE d.workspace_id = ",
            $workspace,
            " AND d.principal_id = ",
            $principal,
            ".principal_id), FALSE) OR COALESCE((SELECT TRUE FROM group_members m
               WHERE m.account_id = ",
            $account,
            " AND m.member_id = ",
            $principal,
            ".principal_id AND CASE WHEN m.group_id IN (SELECT g.principal_id FROM principals g
                 WHERE g.account_id = ",
            $account,
            " AND g.kind = 'group' AND +g.workspace_id = 0 AND ",
            is_present!("g", $account, $workspace),
            ") THEN TRUE ELSE FALSE END LIMIT 1), FALSE))"
        )
    };
}
/// Begins a statement about `below`: the principal that is bound as `$top`, and all its members, direct and nested. The
/// account is bound as `$1`. UNION ends cycles.
macro_rules! below {
    ($top:literal) => {
        concat!(
            "WITH RECURSIVE below (principal_id) AS (
               SELECT CAST(",
            $top,
            " AS BIGINT)
               UNION SELECT m.member_id FROM below
                 LEFT JOIN group_members m ON m.account_id = $1 AND m.group_id = below.principal_id
                 WHERE ",
            is_found!("m.member_id"),
            ") "
        )
    };
}

/// Selects [`PrincipalRow`]s from `principals p`.
macro_rules! select_principals {
    ($($rest:expr),+ $(,)?) => {
        concat!("SELECT ", principal_columns!(), " FROM principals p ", $($rest),+)
    };
}
pub(super) use {below, select_assignments};
pub(in crate::store) use {is_among_present, is_found, is_present, principal_columns, select_principals};
