//! Statements that read single principals, and all that a workspace or an account has.

use sqlx::FromRow;

use super::rows::{
    AssignmentRow, MemberRow, PrincipalRow, below, is_among_present, is_found, is_present, principal_columns,
    select_assignments, select_principals,
};
use crate::domain::identities::{Assignment, Member, Principal, PrincipalKind};
use crate::domain::{AccountId, PrincipalId, Workspace, WorkspaceId};
use crate::store::Result;
use crate::store::session::{Reader, args};

#[derive(FromRow)]
struct DirectAssignmentRow {
    #[sqlx(flatten)]
    principal: PrincipalRow,
    is_admin: bool,
}

impl Reader {
    pub async fn find_principal(&mut self, account: AccountId, id: PrincipalId) -> Result<Option<Principal>> {
        const SQL: &str = select_principals!("WHERE p.account_id = $1 AND p.principal_id = $2");
        self.find::<PrincipalRow, _>(SQL, args![account, id]).await
    }

    /// A principal of the account, or a group of the workspace `local_to`, by kind and name.
    pub async fn find_principal_named(
        &mut self,
        account: AccountId,
        local_to: Option<WorkspaceId>,
        kind: PrincipalKind,
        name: &str,
    ) -> Result<Option<Principal>> {
        const SQL: &str =
            select_principals!("WHERE p.account_id = $1 AND p.workspace_id = $2 AND p.kind = $3 AND p.name_key = $4");
        let key = Principal::name_key(name);
        let values = args![account, local_to.map_or(0, |id| id.0), kind.as_str(), &key];
        self.find::<PrincipalRow, _>(SQL, values).await
    }

    /// Whether a principal itself is assigned to a workspace.
    pub async fn is_assigned(&mut self, workspace: WorkspaceId, id: PrincipalId) -> Result<bool> {
        let sql = "SELECT COUNT(*) FROM workspace_assignments WHERE workspace_id = $1 AND principal_id = $2 AND direct";
        Ok(self.count(sql, args![workspace, id]).await? > 0)
    }

    /// A principal with its assignment, if it is in the workspace.
    pub async fn find_assigned(
        &mut self,
        workspace: &Workspace,
        id: PrincipalId,
    ) -> Result<Option<(Principal, Assignment)>> {
        const SQL: &str =
            concat!(select_assignments!(), "WHERE p.account_id = $1 AND p.principal_id = $3 AND ", is_present!("p"));
        self.find::<AssignmentRow, _>(SQL, args![workspace.account, workspace.id, id]).await
    }

    /// All principals in a workspace, oldest first.
    pub async fn list_assigned(&mut self, workspace: &Workspace) -> Result<Vec<(Principal, Assignment)>> {
        const SQL: &str = concat!(
            select_assignments!(),
            "WHERE p.account_id = $1 AND ",
            is_among_present!("p"),
            " ORDER BY p.created_at, p.principal_id"
        );
        self.list::<AssignmentRow, _>(SQL, args![workspace.account, workspace.id]).await
    }

    /// The direct members of a group that are in the workspace. The built-in `users` holds every user and service
    /// principal without a row that says so.
    pub async fn list_members(&mut self, workspace: &Workspace, group: PrincipalId) -> Result<Vec<Member>> {
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
        let rows = if group == workspace.users_group {
            self.rows::<MemberRow>(EVERYBODY, args![workspace.account, workspace.id]).await?
        } else {
            self.rows::<MemberRow>(STORED, args![workspace.account, workspace.id, group]).await?
        };
        rows.into_iter().map(Member::try_from).collect()
    }

    /// A principal and all its members, direct and nested. Those of the built-in `users` have no rows and are left out.
    pub async fn list_transitive_members(&mut self, account: AccountId, top: PrincipalId) -> Result<Vec<PrincipalId>> {
        const SQL: &str = concat!(below!("$2"), "SELECT principal_id FROM below");
        let rows = self.rows::<(i64,)>(SQL, args![account, top]).await?;
        Ok(rows.into_iter().map(|(id,)| PrincipalId(id)).collect())
    }

    /// All principals of an account without the workspaces' own groups, oldest first.
    pub async fn list_principals(&mut self, account: AccountId) -> Result<Vec<Principal>> {
        const SQL: &str =
            select_principals!("WHERE p.account_id = $1 AND p.workspace_id = 0 ORDER BY p.created_at, p.principal_id");
        self.list::<PrincipalRow, _>(SQL, args![account]).await
    }

    /// The direct members of a group of the account.
    pub async fn list_members_in_account(&mut self, account: AccountId, group: PrincipalId) -> Result<Vec<Member>> {
        const SQL: &str = concat!(
            "SELECT p.principal_id, p.kind, p.display_name
             FROM group_members m LEFT JOIN principals p ON p.account_id = $1 AND p.principal_id = m.member_id
             WHERE m.account_id = $1 AND m.group_id = $2 AND ",
            is_found!("p.principal_id"),
            " ORDER BY p.principal_id"
        );
        self.list::<MemberRow, _>(SQL, args![account, group]).await
    }

    /// The principals of the account that are assigned to a workspace, by id, and whether they are direct members of
    /// its group `admins`. Only `one` of them if that is given.
    pub async fn list_direct_assignments(
        &mut self,
        workspace: &Workspace,
        one: Option<PrincipalId>,
    ) -> Result<Vec<(Principal, bool)>> {
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
        // With a condition that is optional, the statement would read all rows to find one.
        let (first, last) = one.map_or((i64::MIN, i64::MAX), |id| (id.0, id.0));
        let values = args![workspace.account, workspace.id, workspace.admins_group, first, last];
        let rows = self.rows::<DirectAssignmentRow>(SQL, values).await?;
        rows.into_iter().map(|row| Ok((row.principal.try_into()?, row.is_admin))).collect()
    }

    /// Whether any active principal is an account admin, directly or through a group.
    pub async fn has_account_admin(&mut self, account: AccountId) -> Result<bool> {
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
        Ok(self.count(SQL, args![account]).await? > 0)
    }

    /// A workspace's own groups, by name.
    pub async fn list_local_groups(&mut self, workspace: &Workspace) -> Result<Vec<Principal>> {
        const SQL: &str = select_principals!("WHERE p.account_id = $1 AND p.workspace_id = $2 ORDER BY p.name_key");
        self.list::<PrincipalRow, _>(SQL, args![workspace.account, workspace.id]).await
    }

    /// The account's principals of a kind with a display name.
    pub async fn list_principals_by_display_name(
        &mut self,
        account: AccountId,
        kind: PrincipalKind,
        display_name: &str,
    ) -> Result<Vec<Principal>> {
        const SQL: &str = select_principals!(
            "WHERE p.account_id = $1 AND p.workspace_id = 0 AND p.kind = $2 AND p.display_name = $3
             ORDER BY p.principal_id"
        );
        self.list::<PrincipalRow, _>(SQL, args![account, kind.as_str(), display_name]).await
    }
}

pub(super) fn pairs(rows: Vec<(i64, i64)>) -> Vec<(PrincipalId, PrincipalId)> {
    rows.into_iter().map(|(group, member)| (PrincipalId(group), PrincipalId(member))).collect()
}
