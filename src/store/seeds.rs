//! What seeds look for, and exports write.

use super::StoreError;
use super::identities::{PrincipalRow, principal_columns};
use super::session::{Reader, args};
use crate::domain::identity::{Principal, PrincipalKind};
use crate::domain::{AccountId, PrincipalId, WorkspaceId};

impl Reader {
    /// The account's principals, or a workspace's own groups, by kind and name.
    pub async fn list_principals(
        &mut self,
        account: AccountId,
        local_to: Option<WorkspaceId>,
    ) -> Result<Vec<Principal>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            principal_columns!(),
            " FROM principals p WHERE p.account_id = $1 AND p.workspace_id = $2 ORDER BY p.kind, p.name_key"
        );
        let account = account.to_string();
        let rows = self.rows::<PrincipalRow>(SQL, args![&account, local_to.map_or(0, |id| id.0)]).await?;
        rows.into_iter().map(Principal::try_from).collect()
    }

    /// The account's principals of a kind that people know by a name.
    pub async fn list_displayed(
        &mut self,
        account: AccountId,
        kind: PrincipalKind,
        display_name: &str,
    ) -> Result<Vec<Principal>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            principal_columns!(),
            " FROM principals p WHERE p.account_id = $1 AND p.workspace_id = 0 AND p.kind = $2 AND p.display_name = $3
             ORDER BY p.principal_id"
        );
        let account = account.to_string();
        let rows = self.rows::<PrincipalRow>(SQL, args![&account, kind.as_str(), display_name]).await?;
        rows.into_iter().map(Principal::try_from).collect()
    }

    /// The direct members of a group.
    pub async fn list_group_members(
        &mut self,
        account: AccountId,
        group: PrincipalId,
    ) -> Result<Vec<PrincipalId>, StoreError> {
        const SQL: &str =
            "SELECT member_id FROM group_members WHERE account_id = $1 AND group_id = $2 ORDER BY member_id";
        let account = account.to_string();
        let rows = self.rows::<(i64,)>(SQL, args![&account, group]).await?;
        Ok(rows.into_iter().map(|(id,)| PrincipalId(id)).collect())
    }
}
