//! Users, service principals, groups, their assignments and memberships.
//!
//! A principal is in a workspace by an assignment of its own, or because a group of the account that is
//! assigned holds it, directly or nested. It has a row in `workspace_assignments` if it is assigned
//! (`direct`), or if something of its place there is its own; without a row, it is active and no more.

use sqlx::FromRow;

use super::StoreError;
use super::session::{Reader, Writer, args};
use crate::domain::identities::{Assignment, Member, Principal, PrincipalKind};
use crate::domain::sign_ins::Person;
use crate::domain::{AccountId, Millis, PrincipalId, Workspace, WorkspaceId};

#[derive(FromRow)]
pub(super) struct PrincipalRow {
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

    fn try_from(row: PrincipalRow) -> Result<Self, StoreError> {
        let unreadable = |what: &str| StoreError::Unreadable(format!("{what} of principal {}", row.principal_id));
        Ok(Self {
            id: PrincipalId(row.principal_id),
            local_to: (row.workspace_id != 0).then_some(WorkspaceId(row.workspace_id)),
            kind: PrincipalKind::parse(&row.kind).ok_or_else(|| unreadable("kind"))?,
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
pub(super) use principal_columns;

fn names(text: &str) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Unreadable("a list of names".into()))
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// A principal with its place in a workspace.
#[derive(FromRow)]
struct AssignedRow {
    #[sqlx(flatten)]
    principal: PrincipalRow,
    assigned_active: bool,
    entitlements: String,
    roles: String,
}

/// What [`AssignedRow`] is read from: `$from` names the principals as `p`; the account is bound as `$1`, the
/// workspace as `$2`.
macro_rules! places {
    ($from:literal) => {
        concat!(
            "SELECT ",
            principal_columns!(),
            ", COALESCE(a.active, TRUE) AS assigned_active, COALESCE(a.entitlements, '[]') AS entitlements,
               COALESCE(a.roles, '[]') AS roles
             FROM ",
            $from,
            " LEFT JOIN workspace_assignments a ON a.workspace_id = $2 AND a.principal_id = p.principal_id "
        )
    };
}

/// The condition that a LEFT JOIN has found a row of the table that has this id.
///
/// Statements here join by LEFT JOIN, as it fixes the order: the rows on its left are taken one by one, and those on
/// its right are looked up in an index. Of other joins, SQLite and PostgreSQL may begin with the larger table and read
/// all of it, and without statistics they do. They would take a LEFT JOIN for another join, too, if they saw that the
/// condition is never true without a row; they don't look into COALESCE.
///
/// A sign before a column, as in `+p.workspace_id`, keeps its index out: without statistics PostgreSQL takes all
/// principals of an account for as few as one of an id.
macro_rules! is_found {
    ($id:literal) => {
        concat!("COALESCE(", $id, ", 0) <> 0")
    };
}

/// The condition that a row of principals is in the workspace: assigned itself, or in a group of the account that is.
/// It looks from the principal upwards, for one or a few. The account is bound as `$1`, the workspace as `$2`. UNION
/// ends circles. Unless it is told not to, SQLite may find all groups before it looks at one.
macro_rules! is_present {
    ($principal:literal) => {
        concat!(
            "(COALESCE((SELECT d.direct FROM workspace_assignments d
               WHERE d.workspace_id = $2 AND d.principal_id = ",
            $principal,
            ".principal_id), FALSE) OR EXISTS (WITH RECURSIVE up (group_id) AS NOT MATERIALIZED (
                 SELECT m.group_id FROM group_members m WHERE m.account_id = $1 AND m.member_id = ",
            $principal,
            ".principal_id
                 UNION SELECT m.group_id FROM up
                   LEFT JOIN group_members m ON m.account_id = $1 AND m.member_id = up.group_id
                   WHERE ",
            is_found!("m.group_id"),
            ") SELECT 1 FROM up
               LEFT JOIN workspace_assignments d ON d.workspace_id = $2 AND d.principal_id = up.group_id AND d.direct
               LEFT JOIN principals g ON g.account_id = $1 AND g.principal_id = d.principal_id AND +g.workspace_id = 0
               WHERE ",
            is_found!("g.principal_id"),
            "))"
        )
    };
}

/// The same condition for many: it finds once which groups of the account are there, and then looks at no others than
/// those that hold the principal itself. PostgreSQL would read all memberships for an EXISTS, and look through all
/// groups for each membership without the CASE.
macro_rules! is_among_present {
    ($principal:literal) => {
        concat!(
            "(COALESCE((SELECT d.direct FROM workspace_assignments d
               WHERE d.workspace_id = $2 AND d.principal_id = ",
            $principal,
            ".principal_id), FALSE) OR COALESCE((SELECT TRUE FROM group_members m
               WHERE m.account_id = $1 AND m.member_id = ",
            $principal,
            ".principal_id AND CASE WHEN m.group_id IN (SELECT g.principal_id FROM principals g
                 WHERE g.account_id = $1 AND g.kind = 'group' AND +g.workspace_id = 0 AND ",
            is_present!("g"),
            ") THEN TRUE ELSE FALSE END LIMIT 1), FALSE))"
        )
    };
}
pub(super) use {is_among_present, is_found, is_present};

/// Begins a statement about `below`: the ids of the principal that is bound as `$top` and of all that it holds,
/// directly or through other groups. The account is bound as `$1`. UNION ends circles.
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

impl TryFrom<AssignedRow> for (Principal, Assignment) {
    type Error = StoreError;

    fn try_from(row: AssignedRow) -> Result<Self, StoreError> {
        let (entitlements, roles) = (names(&row.entitlements)?, names(&row.roles)?);
        Ok((row.principal.try_into()?, Assignment { active: row.assigned_active, entitlements, roles }))
    }
}

#[derive(FromRow)]
struct DirectRow {
    #[sqlx(flatten)]
    principal: PrincipalRow,
    is_admin: bool,
}

#[derive(FromRow)]
struct MemberRow {
    principal_id: i64,
    kind: String,
    display_name: String,
}

/// Somebody who may sign in.
#[derive(FromRow)]
struct PersonRow {
    principal_id: i64,
    name: String,
    display_name: String,
    is_admin: bool,
}

impl From<PersonRow> for Person {
    fn from(row: PersonRow) -> Self {
        let PersonRow { principal_id, name, display_name, is_admin } = row;
        Self { id: PrincipalId(principal_id), name, display_name, admin: is_admin }
    }
}

/// A member with its group.
#[derive(FromRow)]
struct GroupedRow {
    group_id: i64,
    #[sqlx(flatten)]
    member: MemberRow,
}

/// A principal with its place and its age.
#[derive(FromRow)]
struct AgedRow {
    #[sqlx(flatten)]
    assigned: AssignedRow,
    created_at: i64,
}

/// A principal of the account with its age.
#[derive(FromRow)]
struct AgedPrincipalRow {
    #[sqlx(flatten)]
    principal: PrincipalRow,
    created_at: i64,
}

/// Where a principal stands among those of its kind, oldest first.
pub type AgedPrincipal = (Millis, PrincipalId);

/// The principals of a kind in one place.
#[derive(Clone, Copy, Debug)]
pub enum Population<'a> {
    /// Those that are in a workspace.
    Workspace(&'a Workspace, PrincipalKind),
    /// The account's own.
    Account(AccountId, PrincipalKind),
}

impl Population<'_> {
    fn account(&self) -> String {
        match self {
            Self::Workspace(workspace, _) => workspace.account.to_string(),
            Self::Account(account, _) => account.to_string(),
        }
    }

    fn kind(&self) -> PrincipalKind {
        match self {
            Self::Workspace(_, kind) | Self::Account(_, kind) => *kind,
        }
    }
}

/// Which of them to read.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// Those after this place; all when `None`.
    pub after: Option<AgedPrincipal>,
    /// How many of these are passed over.
    pub skip: usize,
    /// How many are read at most.
    pub limit: usize,
}

fn as_number(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl TryFrom<MemberRow> for Member {
    type Error = StoreError;

    fn try_from(row: MemberRow) -> Result<Self, StoreError> {
        let kind = PrincipalKind::parse(&row.kind);
        let kind = kind.ok_or_else(|| StoreError::Unreadable(format!("kind of principal {}", row.principal_id)))?;
        Ok(Self { id: PrincipalId(row.principal_id), kind, display_name: row.display_name })
    }
}

impl Reader {
    /// A principal by id.
    pub async fn find_principal(
        &mut self,
        account: AccountId,
        id: PrincipalId,
    ) -> Result<Option<Principal>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            principal_columns!(),
            " FROM principals p WHERE p.account_id = $1 AND p.principal_id = $2"
        );
        let account = account.to_string();
        self.row::<PrincipalRow>(SQL, args![&account, id]).await?.map(Principal::try_from).transpose()
    }

    /// A principal of the account (or, for a group, of the workspace) by kind and name.
    pub async fn find_principal_named(
        &mut self,
        account: AccountId,
        local_to: Option<WorkspaceId>,
        kind: PrincipalKind,
        name: &str,
    ) -> Result<Option<Principal>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            principal_columns!(),
            " FROM principals p
             WHERE p.account_id = $1 AND p.workspace_id = $2 AND p.kind = $3 AND p.name_key = $4"
        );
        let account = account.to_string();
        let key = Principal::name_key(name);
        let values = args![&account, local_to.map_or(0, |id| id.0), kind.as_str(), &key];
        self.row::<PrincipalRow>(SQL, values).await?.map(Principal::try_from).transpose()
    }

    /// Whether a principal has an assignment of its own to a workspace.
    pub async fn is_assigned(&mut self, workspace: WorkspaceId, id: PrincipalId) -> Result<bool, StoreError> {
        let sql = "SELECT COUNT(*) FROM workspace_assignments WHERE workspace_id = $1 AND principal_id = $2 AND direct";
        Ok(self.count(sql, args![workspace, id]).await? > 0)
    }

    /// A principal that is in a workspace, with its place there.
    pub async fn find_assigned(
        &mut self,
        workspace: &Workspace,
        id: PrincipalId,
    ) -> Result<Option<(Principal, Assignment)>, StoreError> {
        const SQL: &str =
            concat!(places!("principals p"), "WHERE p.account_id = $1 AND p.principal_id = $3 AND ", is_present!("p"));
        let account = workspace.account.to_string();
        let row = self.row::<AssignedRow>(SQL, args![&account, workspace.id, id]).await?;
        row.map(<(Principal, Assignment)>::try_from).transpose()
    }

    /// Every principal that is in a workspace, oldest first.
    pub async fn list_assigned(&mut self, workspace: &Workspace) -> Result<Vec<(Principal, Assignment)>, StoreError> {
        const SQL: &str = concat!(
            places!("principals p"),
            "WHERE p.account_id = $1 AND ",
            is_among_present!("p"),
            " ORDER BY p.created_at, p.principal_id"
        );
        let account = workspace.account.to_string();
        let rows = self.rows::<AssignedRow>(SQL, args![&account, workspace.id]).await?;
        rows.into_iter().map(<(Principal, Assignment)>::try_from).collect()
    }

    /// How many principals there are.
    pub async fn count_principals(&mut self, of: Population<'_>) -> Result<usize, StoreError> {
        const THERE: &str = concat!(
            "SELECT COUNT(*) FROM principals p WHERE p.account_id = $1 AND p.kind = $3 AND ",
            is_among_present!("p")
        );
        const ALL: &str =
            "SELECT COUNT(*) FROM principals p WHERE p.account_id = $1 AND p.kind = $2 AND p.workspace_id = 0";
        let account = of.account();
        let count = match of {
            Population::Workspace(workspace, kind) => {
                self.count(THERE, args![&account, workspace.id, kind.as_str()]).await?
            }
            Population::Account(_, kind) => self.count(ALL, args![&account, kind.as_str()]).await?,
        };
        Ok(usize::try_from(count).unwrap_or_default())
    }

    /// A batch of principals with their places, oldest first.
    pub async fn list_principals_by_age(
        &mut self,
        of: Population<'_>,
        batch: Batch,
    ) -> Result<Vec<(AgedPrincipal, Principal, Assignment)>, StoreError> {
        const THERE: &str = concat!(
            "SELECT ",
            principal_columns!(),
            ", COALESCE(a.active, TRUE) AS assigned_active, COALESCE(a.entitlements, '[]') AS entitlements,
               COALESCE(a.roles, '[]') AS roles, p.created_at
             FROM principals p
             LEFT JOIN workspace_assignments a ON a.workspace_id = $2 AND a.principal_id = p.principal_id
             WHERE p.account_id = $1 AND p.kind = $3 AND (p.created_at, p.principal_id) > ($4, $5) AND ",
            is_among_present!("p"),
            " ORDER BY p.created_at, p.principal_id LIMIT $6 OFFSET $7"
        );
        const ALL: &str = concat!(
            "SELECT ",
            principal_columns!(),
            ", p.created_at FROM principals p
             WHERE p.account_id = $1 AND p.kind = $2 AND p.workspace_id = 0 AND (p.created_at, p.principal_id) > ($3, $4)
             ORDER BY p.created_at, p.principal_id LIMIT $5 OFFSET $6"
        );
        let account = of.account();
        let (age, id) = batch.after.map_or((i64::MIN, i64::MIN), |(age, id)| (age.0, id.0));
        let (limit, skip) = (as_number(batch.limit), as_number(batch.skip));
        match of {
            Population::Workspace(workspace, kind) => {
                let values = args![&account, workspace.id, kind.as_str(), age, id, limit, skip];
                let rows = self.rows::<AgedRow>(THERE, values).await?;
                let found = rows.into_iter().map(|AgedRow { assigned, created_at }| {
                    let (principal, place) = assigned.try_into()?;
                    Ok(((Millis(created_at), principal.id), principal, place))
                });
                found.collect()
            }
            Population::Account(_, kind) => {
                let rows =
                    self.rows::<AgedPrincipalRow>(ALL, args![&account, kind.as_str(), age, id, limit, skip]).await?;
                let found = rows.into_iter().map(|AgedPrincipalRow { principal, created_at }| {
                    let principal = Principal::try_from(principal)?;
                    let place = Assignment::in_account(&principal);
                    Ok(((Millis(created_at), principal.id), principal, place))
                });
                found.collect()
            }
        }
    }

    /// The active users, by name, whose key is after that one.
    pub async fn list_users_to_sign_in(
        &mut self,
        of: Population<'_>,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Person>, StoreError> {
        const THERE: &str = concat!(
            "SELECT p.principal_id, p.name, p.display_name, FALSE AS is_admin FROM principals p
             LEFT JOIN workspace_assignments a ON a.workspace_id = $2 AND a.principal_id = p.principal_id
             WHERE p.account_id = $1 AND p.workspace_id = 0 AND p.kind = 'user' AND p.name_key > $3 AND p.active
               AND COALESCE(a.active, TRUE) AND ",
            is_among_present!("p"),
            " ORDER BY p.name_key LIMIT $4"
        );
        const ALL: &str = "SELECT p.principal_id, p.name, p.display_name, p.account_admin AS is_admin FROM principals p
             WHERE p.account_id = $1 AND p.workspace_id = 0 AND p.kind = 'user' AND p.name_key > $2 AND p.active
             ORDER BY p.name_key LIMIT $3";
        let (account, limit) = (of.account(), as_number(limit));
        let rows = match of {
            Population::Workspace(workspace, _) => {
                self.rows::<PersonRow>(THERE, args![&account, workspace.id, after, limit]).await?
            }
            Population::Account(..) => self.rows::<PersonRow>(ALL, args![&account, after, limit]).await?,
        };
        Ok(rows.into_iter().map(Person::from).collect())
    }

    /// The first of the active users who administer the workspace or the account, by name.
    pub async fn list_admins_to_sign_in(
        &mut self,
        of: Population<'_>,
        limit: usize,
    ) -> Result<Vec<Person>, StoreError> {
        const THERE: &str = concat!(
            below!("$3"),
            "SELECT p.principal_id, p.name, p.display_name, TRUE AS is_admin FROM below
             LEFT JOIN principals p ON p.account_id = $1 AND p.principal_id = below.principal_id
               AND p.kind = 'user' AND p.active
             LEFT JOIN workspace_assignments a ON a.workspace_id = $2 AND a.principal_id = p.principal_id
             WHERE ",
            is_found!("p.principal_id"),
            " AND COALESCE(a.active, TRUE) AND ",
            is_among_present!("p"),
            " ORDER BY p.name_key"
        );
        const ALL: &str = "SELECT p.principal_id, p.name, p.display_name, TRUE AS is_admin FROM principals p
             WHERE p.account_id = $1 AND p.account_admin AND p.workspace_id = 0 AND p.kind = 'user' AND p.active
             ORDER BY p.name_key LIMIT $2";
        let (account, limit) = (of.account(), as_number(limit));
        let rows = match of {
            Population::Workspace(workspace, _) => {
                self.rows::<PersonRow>(THERE, args![&account, workspace.id, workspace.admins_group, limit]).await?
            }
            Population::Account(..) => self.rows::<PersonRow>(ALL, args![&account, limit]).await?,
        };
        Ok(rows.into_iter().map(Person::from).collect())
    }

    /// The names of the groups that are there.
    pub async fn list_group_names(&mut self, of: Population<'_>) -> Result<Vec<(PrincipalId, String)>, StoreError> {
        const THERE: &str = concat!(
            "SELECT p.principal_id, p.display_name FROM principals p
             WHERE p.account_id = $1 AND p.kind = 'group' AND ",
            is_present!("p")
        );
        const ALL: &str = "SELECT p.principal_id, p.display_name FROM principals p
             WHERE p.account_id = $1 AND p.kind = 'group' AND p.workspace_id = 0";
        let account = of.account();
        let rows = match of {
            Population::Workspace(workspace, _) => {
                self.rows::<(i64, String)>(THERE, args![&account, workspace.id]).await?
            }
            Population::Account(..) => self.rows::<(i64, String)>(ALL, args![&account]).await?,
        };
        Ok(rows.into_iter().map(|(id, name)| (PrincipalId(id), name)).collect())
    }

    /// Which groups of the account, or of workspaces in it, hold which groups: as group and member.
    pub async fn list_nested(&mut self, of: Population<'_>) -> Result<Vec<(PrincipalId, PrincipalId)>, StoreError> {
        const SQL: &str = concat!(
            "SELECT m.group_id, m.member_id FROM principals p
             LEFT JOIN group_members m ON m.account_id = $1 AND m.member_id = p.principal_id
             WHERE p.account_id = $1 AND p.kind = 'group' AND ",
            is_found!("m.group_id")
        );
        let account = of.account();
        Ok(pairs(self.rows(SQL, args![&account]).await?))
    }

    /// The memberships of the principals of a kind between two ages, both included: as group and member.
    pub async fn list_memberships_between(
        &mut self,
        of: Population<'_>,
        ((from, first), (to, last)): (AgedPrincipal, AgedPrincipal),
    ) -> Result<Vec<(PrincipalId, PrincipalId)>, StoreError> {
        const SQL: &str = concat!(
            "SELECT m.group_id, m.member_id FROM principals p
             LEFT JOIN group_members m ON m.account_id = $1 AND m.member_id = p.principal_id
             WHERE p.account_id = $1 AND p.kind = $2 AND (p.created_at, p.principal_id) >= ($3, $4)
               AND (p.created_at, p.principal_id) <= ($5, $6) AND ",
            is_found!("m.group_id")
        );
        let account = of.account();
        Ok(pairs(self.rows(SQL, args![&account, of.kind().as_str(), from, first, to, last]).await?))
    }

    /// The direct members, as far as they are there, of the groups between two ages, both included.
    pub async fn list_members_between(
        &mut self,
        of: Population<'_>,
        ((from, first), (to, last)): (AgedPrincipal, AgedPrincipal),
    ) -> Result<Vec<(PrincipalId, Member)>, StoreError> {
        // Whoever is in a group of the account that is there, is there.
        const THERE: &str = concat!(
            "SELECT m.group_id, p.principal_id, p.kind, p.display_name
             FROM principals g
             LEFT JOIN group_members m ON m.account_id = $1 AND m.group_id = g.principal_id
             LEFT JOIN principals p ON p.account_id = $1 AND p.principal_id = m.member_id
             WHERE g.account_id = $1 AND g.kind = 'group' AND (g.created_at, g.principal_id) >= ($3, $4)
               AND (g.created_at, g.principal_id) <= ($5, $6) AND ",
            is_present!("g"),
            " AND ",
            is_found!("p.principal_id"),
            " AND (g.workspace_id = 0 OR ",
            is_among_present!("p"),
            ") ORDER BY m.group_id, p.principal_id"
        );
        const ALL: &str = concat!(
            "SELECT m.group_id, p.principal_id, p.kind, p.display_name
             FROM principals g
             LEFT JOIN group_members m ON m.account_id = $1 AND m.group_id = g.principal_id
             LEFT JOIN principals p ON p.account_id = $1 AND p.principal_id = m.member_id AND +p.workspace_id = 0
             WHERE g.account_id = $1 AND g.kind = 'group' AND g.workspace_id = 0
               AND (g.created_at, g.principal_id) >= ($2, $3) AND (g.created_at, g.principal_id) <= ($4, $5) AND ",
            is_found!("p.principal_id"),
            " ORDER BY m.group_id, p.principal_id"
        );
        let account = of.account();
        let rows = match of {
            Population::Workspace(workspace, _) => {
                self.rows::<GroupedRow>(THERE, args![&account, workspace.id, from, first, to, last]).await?
            }
            Population::Account(..) => self.rows::<GroupedRow>(ALL, args![&account, from, first, to, last]).await?,
        };
        rows.into_iter().map(|row| Ok((PrincipalId(row.group_id), row.member.try_into()?))).collect()
    }

    /// The direct members of a group that are in the workspace. The built-in `users` holds every user
    /// and service principal without any row that says so.
    pub async fn list_members(&mut self, workspace: &Workspace, group: PrincipalId) -> Result<Vec<Member>, StoreError> {
        const STORED: &str = concat!(
            "SELECT p.principal_id, p.kind, p.display_name
             FROM group_members m LEFT JOIN principals p ON p.account_id = $1 AND p.principal_id = m.member_id
             WHERE m.account_id = $1 AND m.group_id = $3 AND ",
            is_found!("p.principal_id"),
            " AND ",
            is_present!("p"),
            " ORDER BY p.principal_id"
        );
        const EVERYBODY: &str = concat!(
            "SELECT p.principal_id, p.kind, p.display_name FROM principals p
             WHERE p.account_id = $1 AND p.kind <> 'group' AND ",
            is_among_present!("p"),
            " ORDER BY p.principal_id"
        );
        let account = workspace.account.to_string();
        let rows = if group == workspace.users_group {
            self.rows::<MemberRow>(EVERYBODY, args![&account, workspace.id]).await?
        } else {
            self.rows::<MemberRow>(STORED, args![&account, workspace.id, group]).await?
        };
        rows.into_iter().map(Member::try_from).collect()
    }

    /// A principal and all that it holds, directly or through other groups. What the built-in `users` holds has no
    /// rows.
    pub async fn list_below(&mut self, account: AccountId, top: PrincipalId) -> Result<Vec<PrincipalId>, StoreError> {
        const SQL: &str = concat!(below!("$2"), "SELECT principal_id FROM below");
        let account = account.to_string();
        let rows = self.rows::<(i64,)>(SQL, args![&account, top]).await?;
        Ok(rows.into_iter().map(|(id,)| PrincipalId(id)).collect())
    }

    /// Every stored membership in the groups of a workspace, as group and member.
    pub async fn list_memberships(
        &mut self,
        workspace: &Workspace,
    ) -> Result<Vec<(PrincipalId, PrincipalId)>, StoreError> {
        const SQL: &str = concat!(
            "SELECT m.group_id, m.member_id
             FROM principals g LEFT JOIN group_members m ON m.account_id = $1 AND m.group_id = g.principal_id
             WHERE g.account_id = $1 AND g.kind = 'group' AND ",
            is_present!("g"),
            " AND ",
            is_found!("m.member_id"),
            " ORDER BY m.group_id, m.member_id"
        );
        let account = workspace.account.to_string();
        Ok(pairs(self.rows(SQL, args![&account, workspace.id]).await?))
    }

    /// Every principal of an account, oldest first, without the workspaces' own groups.
    pub async fn list_principals(&mut self, account: AccountId) -> Result<Vec<Principal>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            principal_columns!(),
            " FROM principals p WHERE p.account_id = $1 AND p.workspace_id = 0 ORDER BY p.created_at, p.principal_id"
        );
        let account = account.to_string();
        let rows = self.rows::<PrincipalRow>(SQL, args![&account]).await?;
        rows.into_iter().map(Principal::try_from).collect()
    }

    /// The direct members of a group of the account.
    pub async fn list_members_in_account(
        &mut self,
        account: AccountId,
        group: PrincipalId,
    ) -> Result<Vec<Member>, StoreError> {
        const SQL: &str = concat!(
            "SELECT p.principal_id, p.kind, p.display_name
             FROM group_members m LEFT JOIN principals p ON p.account_id = $1 AND p.principal_id = m.member_id
             WHERE m.account_id = $1 AND m.group_id = $2 AND ",
            is_found!("p.principal_id"),
            " ORDER BY p.principal_id"
        );
        let account = account.to_string();
        let rows = self.rows::<MemberRow>(SQL, args![&account, group]).await?;
        rows.into_iter().map(Member::try_from).collect()
    }

    /// Every stored membership in the groups of an account, as group and member.
    pub async fn list_memberships_in_account(
        &mut self,
        account: AccountId,
    ) -> Result<Vec<(PrincipalId, PrincipalId)>, StoreError> {
        const SQL: &str = concat!(
            "SELECT m.group_id, m.member_id FROM principals g
             LEFT JOIN group_members m ON m.account_id = $1 AND m.group_id = g.principal_id
             WHERE g.account_id = $1 AND g.workspace_id = 0 AND g.kind = 'group' AND ",
            is_found!("m.member_id"),
            " ORDER BY m.group_id, m.member_id"
        );
        let account = account.to_string();
        Ok(pairs(self.rows(SQL, args![&account]).await?))
    }

    /// The principals of the account that are assigned to a workspace, by id, and whether they are direct
    /// members of its group `admins`; one of them where `one` is given.
    pub async fn list_direct_assignments(
        &mut self,
        workspace: &Workspace,
        one: Option<PrincipalId>,
    ) -> Result<Vec<(Principal, bool)>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            principal_columns!(),
            ", CASE WHEN m.member_id IS NULL THEN FALSE ELSE TRUE END AS is_admin
             FROM workspace_assignments a
             LEFT JOIN principals p ON p.account_id = $1 AND p.principal_id = a.principal_id AND +p.workspace_id = 0
             LEFT JOIN group_members m ON m.account_id = $1 AND m.group_id = $3 AND m.member_id = a.principal_id
             WHERE a.workspace_id = $2 AND a.direct AND a.principal_id BETWEEN $4 AND $5 AND ",
            is_found!("p.principal_id"),
            " ORDER BY a.principal_id"
        );
        let account = workspace.account.to_string();
        // A condition that holds for one or for all would read all for one.
        let (first, last) = one.map_or((i64::MIN, i64::MAX), |id| (id.0, id.0));
        let values = args![&account, workspace.id, workspace.admins_group, first, last];
        let rows = self.rows::<DirectRow>(SQL, values).await?;
        rows.into_iter().map(|row| Ok((row.principal.try_into()?, row.is_admin))).collect()
    }

    /// Whether anybody active is an account admin, directly or through a group.
    pub async fn has_account_admin(&mut self, account: AccountId) -> Result<bool, StoreError> {
        const SQL: &str = concat!(
            "WITH RECURSIVE holders (principal_id) AS (
               SELECT h.principal_id FROM principals h WHERE h.account_id = $1 AND h.account_admin
               UNION SELECT m.member_id FROM holders
                 LEFT JOIN group_members m ON m.account_id = $1 AND m.group_id = holders.principal_id
                 WHERE ",
            is_found!("m.member_id"),
            ") SELECT COUNT(*) FROM holders
               LEFT JOIN principals p ON p.account_id = $1 AND p.principal_id = holders.principal_id
                 AND p.kind <> 'group' AND p.active
               WHERE ",
            is_found!("p.principal_id")
        );
        let account = account.to_string();
        Ok(self.count(SQL, args![&account]).await? > 0)
    }
}

fn pairs(rows: Vec<(i64, i64)>) -> Vec<(PrincipalId, PrincipalId)> {
    rows.into_iter().map(|(group, member)| (PrincipalId(group), PrincipalId(member))).collect()
}

impl Writer {
    /// Has PostgreSQL look at tables that have grown quickly, and make its plans anew. For a handful of rows one index is
    /// as good as another, also that of all principals by age for finding one of them, and it keeps such a plan until
    /// it looks again: by itself within a minute.
    pub async fn gather_statistics(&mut self) -> Result<(), StoreError> {
        if self.is_postgres() {
            let tables = "principals, group_members, workspace_assignments, tokens";
            self.run_script(&[format!("ANALYZE {tables}")]).await?;
        }
        Ok(())
    }

    /// Adds a principal to the account.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when its id or name is taken.
    pub async fn insert_principal(
        &mut self,
        account: AccountId,
        principal: &Principal,
        created_at: Millis,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO principals (account_id, principal_id, workspace_id, kind, name, name_key,
               display_name, active, account_admin, external_id, attributes, creation, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
        let account = account.to_string();
        let key = Principal::name_key(&principal.name);
        let attributes = json(&principal.attributes)?;
        let values = args![
            &account,
            principal.id,
            principal.local_to.map_or(0, |id| id.0),
            principal.kind.as_str(),
            &principal.name,
            &key,
            &principal.display_name,
            principal.active,
            principal.account_admin,
            principal.external_id.as_deref(),
            &attributes,
            principal.creation,
            created_at,
        ];
        self.execute(SQL, values).await?;
        Ok(())
    }

    /// Stores what a change of a principal may change: all but its id, kind and home.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when its name is taken.
    pub async fn update_principal(&mut self, account: AccountId, principal: &Principal) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE principals SET name = $3, name_key = $4, display_name = $5, external_id = $6,
               attributes = $7, active = $8, account_admin = $9 WHERE account_id = $1 AND principal_id = $2";
        let account = account.to_string();
        let key = Principal::name_key(&principal.name);
        let attributes = json(&principal.attributes)?;
        let external_id = principal.external_id.as_deref();
        let values = args![
            &account,
            principal.id,
            &principal.name,
            &key,
            &principal.display_name,
            external_id,
            &attributes,
            principal.active,
            principal.account_admin,
        ];
        self.execute(SQL, values).await?;
        Ok(())
    }

    /// Takes a principal out of a workspace: its place, its entry in the token permissions, and its
    /// memberships in the workspace's own groups. The principal itself stays in the account.
    pub async fn remove_from_workspace(&mut self, workspace: &Workspace, id: PrincipalId) -> Result<(), StoreError> {
        const LEAVE: &str = "DELETE FROM group_members WHERE account_id = $1 AND member_id = $3 AND EXISTS
             (SELECT 1 FROM principals g WHERE g.account_id = $1 AND g.principal_id = group_members.group_id
              AND g.workspace_id = $2)";
        const UNASSIGN: &str = "DELETE FROM workspace_assignments WHERE workspace_id = $1 AND principal_id = $2";
        let account = workspace.account.to_string();
        self.execute(LEAVE, args![&account, workspace.id, id]).await?;
        self.put_token_permission(workspace.id, id, None).await?;
        self.execute(UNASSIGN, args![workspace.id, id]).await?;
        Ok(())
    }

    /// Removes a principal that is in no workspace any more, with its memberships and OAuth secrets.
    pub async fn delete_principal(&mut self, account: AccountId, id: PrincipalId) -> Result<(), StoreError> {
        let account = account.to_string();
        for sql in [
            "DELETE FROM group_members WHERE account_id = $1 AND group_id = $2",
            "DELETE FROM group_members WHERE account_id = $1 AND member_id = $2",
            "DELETE FROM principals WHERE account_id = $1 AND principal_id = $2",
        ] {
            self.execute(sql, args![&account, id]).await?;
        }
        Ok(())
    }

    /// Assigns a principal to a workspace, with its place there.
    pub async fn put_assignment(
        &mut self,
        workspace: WorkspaceId,
        id: PrincipalId,
        assignment: &Assignment,
    ) -> Result<(), StoreError> {
        self.put_place(workspace, id, assignment).await?;
        let sql = "UPDATE workspace_assignments SET direct = TRUE WHERE workspace_id = $1 AND principal_id = $2";
        self.execute(sql, args![workspace, id]).await?;
        Ok(())
    }

    /// Changes the place of a principal in a workspace, which it may be in through a group.
    pub async fn put_place(
        &mut self,
        workspace: WorkspaceId,
        id: PrincipalId,
        assignment: &Assignment,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO workspace_assignments
               (workspace_id, principal_id, active, entitlements, roles, direct)
             VALUES ($1, $2, $3, $4, $5, FALSE)
             ON CONFLICT (workspace_id, principal_id) DO UPDATE SET active = excluded.active,
               entitlements = excluded.entitlements, roles = excluded.roles";
        let (entitlements, roles) = (json(&assignment.entitlements)?, json(&assignment.roles)?);
        self.execute(SQL, args![workspace, id, assignment.active, &entitlements, &roles]).await?;
        Ok(())
    }

    /// Adds a member to a group; nothing changes when it is one already.
    pub async fn put_member(
        &mut self,
        account: AccountId,
        group: PrincipalId,
        member: PrincipalId,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO group_members (account_id, group_id, member_id) VALUES ($1, $2, $3)
             ON CONFLICT (account_id, group_id, member_id) DO NOTHING";
        let account = account.to_string();
        self.execute(SQL, args![&account, group, member]).await?;
        Ok(())
    }

    /// Takes a member out of a group; nothing changes when it is none.
    pub async fn remove_member(
        &mut self,
        account: AccountId,
        group: PrincipalId,
        member: PrincipalId,
    ) -> Result<(), StoreError> {
        let sql = "DELETE FROM group_members WHERE account_id = $1 AND group_id = $2 AND member_id = $3";
        let account = account.to_string();
        self.execute(sql, args![&account, group, member]).await?;
        Ok(())
    }
}
