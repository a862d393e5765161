//! Lists of principals for SCIM and the sign-in pages, which can be long: they are read in batches, each by an index.

use sqlx::FromRow;

use super::read::pairs;
use super::rows::{
    AssignmentRow, MemberRow, PrincipalRow, below, is_among_present, is_found, is_present, principal_columns,
    select_assignments,
};
use crate::domain::identities::{Assignment, Member, Principal, PrincipalKind};
use crate::domain::sign_ins::Person;
use crate::domain::{AccountId, Millis, PrincipalId, Workspace};
use crate::store::Result;
use crate::store::session::{Reader, args};

/// A principal's place in a list that is ordered by creation time.
pub type CreationKey = (Millis, PrincipalId);

/// The principals of a kind in a workspace or in an account.
#[derive(Clone, Copy, Debug)]
pub enum PrincipalScope<'a> {
    Workspace(&'a Workspace, PrincipalKind),
    /// Without the workspaces' own groups.
    Account(AccountId, PrincipalKind),
}

impl PrincipalScope<'_> {
    fn account(&self) -> AccountId {
        match self {
            Self::Workspace(workspace, _) => workspace.account,
            Self::Account(account, _) => *account,
        }
    }

    fn kind(&self) -> PrincipalKind {
        match self {
            Self::Workspace(_, kind) | Self::Account(_, kind) => *kind,
        }
    }
}

/// Which principals of a list to read.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// Only those after this one.
    pub after: Option<CreationKey>,
    /// How many of these to skip.
    pub skip: usize,
    /// How many to read at most.
    pub limit: usize,
}

fn as_number(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

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

#[derive(FromRow)]
struct GroupMemberRow {
    group_id: i64,
    #[sqlx(flatten)]
    member: MemberRow,
}

#[derive(FromRow)]
struct DatedAssignmentRow {
    #[sqlx(flatten)]
    assigned: AssignmentRow,
    created_at: i64,
}

#[derive(FromRow)]
struct DatedPrincipalRow {
    #[sqlx(flatten)]
    principal: PrincipalRow,
    created_at: i64,
}

impl Reader {
    pub async fn count_principals(&mut self, of: PrincipalScope<'_>) -> Result<usize> {
        const IN_WORKSPACE: &str = concat!(
            "SELECT COUNT(*) FROM principals p WHERE p.account_id = $1 AND p.kind = $3 AND ",
            is_among_present!("p")
        );
        const IN_ACCOUNT: &str =
            "SELECT COUNT(*) FROM principals p WHERE p.account_id = $1 AND p.kind = $2 AND p.workspace_id = 0";
        let account = of.account();
        let count = match of {
            PrincipalScope::Workspace(workspace, kind) => {
                self.count(IN_WORKSPACE, args![account, workspace.id, kind.as_str()]).await?
            }
            PrincipalScope::Account(_, kind) => self.count(IN_ACCOUNT, args![account, kind.as_str()]).await?,
        };
        Ok(usize::try_from(count).unwrap_or_default())
    }

    /// A batch of principals with their assignments, oldest first.
    pub async fn list_principals_by_age(
        &mut self,
        of: PrincipalScope<'_>,
        batch: Batch,
    ) -> Result<Vec<(CreationKey, Principal, Assignment)>> {
        const IN_WORKSPACE: &str = concat!(
            select_assignments!(", p.created_at"),
            "WHERE p.account_id = $1 AND p.kind = $3 AND (p.created_at, p.principal_id) > ($4, $5) AND ",
            is_among_present!("p"),
            " ORDER BY p.created_at, p.principal_id LIMIT $6 OFFSET $7"
        );
        const IN_ACCOUNT: &str = concat!(
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
            PrincipalScope::Workspace(workspace, kind) => {
                let values = args![account, workspace.id, kind.as_str(), age, id, limit, skip];
                let rows = self.rows::<DatedAssignmentRow>(IN_WORKSPACE, values).await?;
                let found = rows.into_iter().map(|DatedAssignmentRow { assigned, created_at }| {
                    let (principal, assignment) = assigned.try_into()?;
                    Ok(((Millis(created_at), principal.id), principal, assignment))
                });
                found.collect()
            }
            PrincipalScope::Account(_, kind) => {
                let rows = self
                    .rows::<DatedPrincipalRow>(IN_ACCOUNT, args![account, kind.as_str(), age, id, limit, skip])
                    .await?;
                let found = rows.into_iter().map(|DatedPrincipalRow { principal, created_at }| {
                    let principal = Principal::try_from(principal)?;
                    let assignment = Assignment::in_account(&principal);
                    Ok(((Millis(created_at), principal.id), principal, assignment))
                });
                found.collect()
            }
        }
    }

    /// The active users by name, after a name key.
    pub async fn list_sign_in_users(
        &mut self,
        of: PrincipalScope<'_>,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Person>> {
        const IN_WORKSPACE: &str = concat!(
            "SELECT p.principal_id, p.name, p.display_name, FALSE AS is_admin FROM principals p
             LEFT JOIN workspace_assignments a ON a.workspace_id = $2 AND a.principal_id = p.principal_id
             WHERE p.account_id = $1 AND p.workspace_id = 0 AND p.kind = 'user' AND p.name_key > $3 AND p.active
               AND COALESCE(a.active, TRUE) AND ",
            is_among_present!("p"),
            " ORDER BY p.name_key LIMIT $4"
        );
        const IN_ACCOUNT: &str =
            "SELECT p.principal_id, p.name, p.display_name, p.account_admin AS is_admin FROM principals p
             WHERE p.account_id = $1 AND p.workspace_id = 0 AND p.kind = 'user' AND p.name_key > $2 AND p.active
             ORDER BY p.name_key LIMIT $3";
        let (account, limit) = (of.account(), as_number(limit));
        let rows = match of {
            PrincipalScope::Workspace(workspace, _) => {
                self.rows::<PersonRow>(IN_WORKSPACE, args![account, workspace.id, after, limit]).await?
            }
            PrincipalScope::Account(..) => self.rows::<PersonRow>(IN_ACCOUNT, args![account, after, limit]).await?,
        };
        Ok(rows.into_iter().map(Person::from).collect())
    }

    /// The active users who administer the workspace or the account, by name, at most `limit` in an account.
    pub async fn list_sign_in_admins(&mut self, of: PrincipalScope<'_>, limit: usize) -> Result<Vec<Person>> {
        const IN_WORKSPACE: &str = concat!(
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
        const IN_ACCOUNT: &str = "SELECT p.principal_id, p.name, p.display_name, TRUE AS is_admin FROM principals p
             WHERE p.account_id = $1 AND p.account_admin AND p.workspace_id = 0 AND p.kind = 'user' AND p.active
             ORDER BY p.name_key LIMIT $2";
        let (account, limit) = (of.account(), as_number(limit));
        let rows = match of {
            PrincipalScope::Workspace(workspace, _) => {
                self.rows::<PersonRow>(IN_WORKSPACE, args![account, workspace.id, workspace.admins_group, limit])
                    .await?
            }
            PrincipalScope::Account(..) => self.rows::<PersonRow>(IN_ACCOUNT, args![account, limit]).await?,
        };
        Ok(rows.into_iter().map(Person::from).collect())
    }

    pub async fn list_group_names(&mut self, of: PrincipalScope<'_>) -> Result<Vec<(PrincipalId, String)>> {
        const IN_WORKSPACE: &str = concat!(
            "SELECT p.principal_id, p.display_name FROM principals p
             WHERE p.account_id = $1 AND p.kind = 'group' AND ",
            is_present!("p")
        );
        const IN_ACCOUNT: &str = "SELECT p.principal_id, p.display_name FROM principals p
             WHERE p.account_id = $1 AND p.kind = 'group' AND p.workspace_id = 0";
        let account = of.account();
        let rows = match of {
            PrincipalScope::Workspace(workspace, _) => {
                self.rows::<(i64, String)>(IN_WORKSPACE, args![account, workspace.id]).await?
            }
            PrincipalScope::Account(..) => self.rows::<(i64, String)>(IN_ACCOUNT, args![account]).await?,
        };
        Ok(rows.into_iter().map(|(id, name)| (PrincipalId(id), name)).collect())
    }

    /// The memberships of groups in groups, of the whole account and its workspaces, as pairs of group and member.
    pub async fn list_nested_groups(&mut self, of: PrincipalScope<'_>) -> Result<Vec<(PrincipalId, PrincipalId)>> {
        const SQL: &str = concat!(
            "SELECT m.group_id, m.member_id FROM principals p
             LEFT JOIN group_members m ON m.account_id = $1 AND m.member_id = p.principal_id
             WHERE p.account_id = $1 AND p.kind = 'group' AND ",
            is_found!("m.group_id")
        );
        let account = of.account();
        Ok(pairs(self.rows(SQL, args![account]).await?))
    }

    /// The memberships of the principals from one creation key to another, both included, as pairs of group and member.
    pub async fn list_memberships_between(
        &mut self,
        of: PrincipalScope<'_>,
        ((from, first), (to, last)): (CreationKey, CreationKey),
    ) -> Result<Vec<(PrincipalId, PrincipalId)>> {
        const SQL: &str = concat!(
            "SELECT m.group_id, m.member_id FROM principals p
             LEFT JOIN group_members m ON m.account_id = $1 AND m.member_id = p.principal_id
             WHERE p.account_id = $1 AND p.kind = $2 AND (p.created_at, p.principal_id) >= ($3, $4)
               AND (p.created_at, p.principal_id) <= ($5, $6) AND ",
            is_found!("m.group_id")
        );
        let account = of.account();
        Ok(pairs(self.rows(SQL, args![account, of.kind().as_str(), from, first, to, last]).await?))
    }

    /// The direct members of the groups from one creation key to another, both included, that are in the workspace or
    /// account.
    pub async fn list_members_between(
        &mut self,
        of: PrincipalScope<'_>,
        ((from, first), (to, last)): (CreationKey, CreationKey),
    ) -> Result<Vec<(PrincipalId, Member)>> {
        // A member of an account group that is in the workspace is in the workspace itself.
        const IN_WORKSPACE: &str = concat!(
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
        const IN_ACCOUNT: &str = concat!(
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
            PrincipalScope::Workspace(workspace, _) => {
                self.rows::<GroupMemberRow>(IN_WORKSPACE, args![account, workspace.id, from, first, to, last]).await?
            }
            PrincipalScope::Account(..) => {
                self.rows::<GroupMemberRow>(IN_ACCOUNT, args![account, from, first, to, last]).await?
            }
        };
        rows.into_iter().map(|row| Ok((PrincipalId(row.group_id), row.member.try_into()?))).collect()
    }
}
