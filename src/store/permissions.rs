//! The token permissions of a workspace: the direct entries of its access control list, which are rows of `token_acl`.

use sqlx::FromRow;

use super::identities::{PrincipalRow, is_found, is_present, principal_columns, select_principals};
use super::session::{Reader, Writer, args};
use super::{Result, StoreError};
use crate::domain::access::PermissionLevel;
use crate::domain::identities::{Principal, PrincipalKind};
use crate::domain::permissions::Entries;
use crate::domain::{PrincipalId, Workspace, WorkspaceId};

#[derive(FromRow)]
struct EntryRow {
    #[sqlx(flatten)]
    principal: PrincipalRow,
    permission_level: String,
}

pub(super) fn level_from(text: &str) -> Result<PermissionLevel> {
    PermissionLevel::parse(text).ok_or_else(|| StoreError::Unreadable(format!("permission {text}")))
}

impl Reader {
    /// The direct entries, by kind and name.
    pub async fn list_token_permissions(&mut self, workspace: &Workspace) -> Result<Vec<(Principal, PermissionLevel)>> {
        const SQL: &str = concat!(
            "SELECT ",
            principal_columns!(),
            ", acl.permission_level FROM token_acl acl
             LEFT JOIN principals p ON p.account_id = $1 AND p.principal_id = acl.principal_id
             WHERE acl.workspace_id = $2 AND ",
            is_found!("p.principal_id"),
            " ORDER BY p.kind DESC, p.name_key"
        );
        let rows = self.rows::<EntryRow>(SQL, args![workspace.account, workspace.id]).await?;
        rows.into_iter().map(|row| Ok((row.principal.try_into()?, level_from(&row.permission_level)?))).collect()
    }

    /// A principal by kind and name, if it is in the workspace.
    pub async fn find_assigned_named(
        &mut self,
        workspace: &Workspace,
        kind: PrincipalKind,
        name: &str,
    ) -> Result<Option<Principal>> {
        const SQL: &str = select_principals!(
            "WHERE p.account_id = $1 AND p.workspace_id IN (0, $2) AND p.kind = $3 AND p.name_key = $4 AND ",
            is_present!("p"),
            " ORDER BY p.workspace_id DESC LIMIT 1"
        );
        let key = Principal::name_key(name);
        let values = args![workspace.account, workspace.id, kind.as_str(), &key];
        self.find::<PrincipalRow, _>(SQL, values).await
    }
}

impl Writer {
    /// Replaces all direct entries.
    pub async fn replace_token_permissions(&mut self, workspace: WorkspaceId, entries: &Entries) -> Result<()> {
        self.execute("DELETE FROM token_acl WHERE workspace_id = $1", args![workspace]).await?;
        for (principal, level) in entries {
            self.put_token_permission(workspace, *principal, Some(*level)).await?;
        }
        Ok(())
    }

    /// Sets a principal's direct entry, or deletes it.
    pub async fn put_token_permission(
        &mut self,
        workspace: WorkspaceId,
        id: PrincipalId,
        level: Option<PermissionLevel>,
    ) -> Result<()> {
        const PUT: &str = "INSERT INTO token_acl (workspace_id, principal_id, permission_level) VALUES ($1, $2, $3)
             ON CONFLICT (workspace_id, principal_id) DO UPDATE SET permission_level = excluded.permission_level";
        const TAKE: &str = "DELETE FROM token_acl WHERE workspace_id = $1 AND principal_id = $2";
        match level {
            Some(level) => self.execute(PUT, args![workspace, id, level.as_str()]).await?,
            None => self.execute(TAKE, args![workspace, id]).await?,
        };
        Ok(())
    }
}
