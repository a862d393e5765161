//! Statements that change principals, memberships and assignments.

use super::rows::to_json;
use crate::domain::identities::{Assignment, Principal};
use crate::domain::{AccountId, Millis, PrincipalId, Workspace, WorkspaceId};
use crate::store::Result;
use crate::store::session::{Writer, args};

impl Writer {
    /// Makes PostgreSQL analyse the tables that a large seed fills. For a handful of rows any index looks good to it,
    /// even searching all principals by age for one of them, and it keeps such a plan until it analyses the tables by
    /// itself, which may take a minute.
    pub async fn gather_statistics(&mut self) -> Result<()> {
        if self.is_postgres() {
            let tables = "principals, group_members, workspace_assignments, tokens";
            self.run_script(&[format!("ANALYZE {tables}")]).await?;
        }
        Ok(())
    }

    /// # Errors
    /// `StoreError::Duplicate` when its id or name is taken.
    pub async fn insert_principal(
        &mut self,
        account: AccountId,
        principal: &Principal,
        created_at: Millis,
    ) -> Result<()> {
        const SQL: &str = "INSERT INTO principals (account_id, principal_id, workspace_id, kind, name, name_key,
               display_name, active, account_admin, external_id, attributes, creation, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
        let key = Principal::name_key(&principal.name);
        let attributes = to_json(&principal.attributes)?;
        let values = args![
            account,
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
        self.execute(SQL, values).await.map(drop)
    }

    /// Updates a principal, except its id, its kind and the workspace it is local to.
    ///
    /// # Errors
    /// `StoreError::Duplicate` when its name is taken.
    pub async fn update_principal(&mut self, account: AccountId, principal: &Principal) -> Result<()> {
        const SQL: &str = "UPDATE principals SET name = $3, name_key = $4, display_name = $5, external_id = $6,
               attributes = $7, active = $8, account_admin = $9 WHERE account_id = $1 AND principal_id = $2";
        let key = Principal::name_key(&principal.name);
        let attributes = to_json(&principal.attributes)?;
        let external_id = principal.external_id.as_deref();
        let values = args![
            account,
            principal.id,
            &principal.name,
            &key,
            &principal.display_name,
            external_id,
            &attributes,
            principal.active,
            principal.account_admin,
        ];
        self.execute(SQL, values).await.map(drop)
    }

    /// Removes a principal from a workspace: its assignment, its entry in the token permissions, and its memberships in
    /// the workspace's own groups. The principal itself stays in the account.
    pub async fn remove_from_workspace(&mut self, workspace: &Workspace, id: PrincipalId) -> Result<()> {
        const LEAVE: &str = "DELETE FROM group_members WHERE account_id = $1 AND member_id = $3 AND EXISTS
             (SELECT 1 FROM principals g WHERE g.account_id = $1 AND g.principal_id = group_members.group_id
              AND g.workspace_id = $2)";
        const UNASSIGN: &str = "DELETE FROM workspace_assignments WHERE workspace_id = $1 AND principal_id = $2";
        self.execute(LEAVE, args![workspace.account, workspace.id, id]).await?;
        self.put_token_permission(workspace.id, id, None).await?;
        self.execute(UNASSIGN, args![workspace.id, id]).await.map(drop)
    }

    /// Deletes a principal that is in no workspace any more, with its memberships and OAuth secrets.
    pub async fn delete_principal(&mut self, account: AccountId, id: PrincipalId) -> Result<()> {
        for sql in [
            "DELETE FROM group_members WHERE account_id = $1 AND group_id = $2",
            "DELETE FROM group_members WHERE account_id = $1 AND member_id = $2",
            "DELETE FROM principals WHERE account_id = $1 AND principal_id = $2",
        ] {
            self.execute(sql, args![account, id]).await?;
        }
        Ok(())
    }

    /// Assigns a principal to a workspace.
    pub async fn put_assignment(
        &mut self,
        workspace: WorkspaceId,
        id: PrincipalId,
        assignment: &Assignment,
    ) -> Result<()> {
        self.put_assignment_attributes(workspace, id, assignment).await?;
        let sql = "UPDATE workspace_assignments SET direct = TRUE WHERE workspace_id = $1 AND principal_id = $2";
        self.execute(sql, args![workspace, id]).await.map(drop)
    }

    /// Sets what a principal is in a workspace, where it may also be through a group, without assigning it.
    pub async fn put_assignment_attributes(
        &mut self,
        workspace: WorkspaceId,
        id: PrincipalId,
        assignment: &Assignment,
    ) -> Result<()> {
        const SQL: &str = "INSERT INTO workspace_assignments
               (workspace_id, principal_id, active, entitlements, roles, direct)
             VALUES ($1, $2, $3, $4, $5, FALSE)
             ON CONFLICT (workspace_id, principal_id) DO UPDATE SET active = excluded.active,
               entitlements = excluded.entitlements, roles = excluded.roles";
        let (entitlements, roles) = (to_json(&assignment.entitlements)?, to_json(&assignment.roles)?);
        self.execute(SQL, args![workspace, id, assignment.active, &entitlements, &roles]).await.map(drop)
    }

    /// Adds a member to a group, unless it is one already.
    pub async fn put_member(&mut self, account: AccountId, group: PrincipalId, member: PrincipalId) -> Result<()> {
        const SQL: &str = "INSERT INTO group_members (account_id, group_id, member_id) VALUES ($1, $2, $3)
             ON CONFLICT (account_id, group_id, member_id) DO NOTHING";
        self.execute(SQL, args![account, group, member]).await.map(drop)
    }

    /// Removes a member from a group, if it is one.
    pub async fn remove_member(&mut self, account: AccountId, group: PrincipalId, member: PrincipalId) -> Result<()> {
        let sql = "DELETE FROM group_members WHERE account_id = $1 AND group_id = $2 AND member_id = $3";
        self.execute(sql, args![account, group, member]).await.map(drop)
    }
}
