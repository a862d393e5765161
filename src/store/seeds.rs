//! What seeds look for, and exports write.

use super::StoreError;
use super::identities::{PrincipalRow, principal_columns};
use super::session::{Reader, args};
use crate::domain::identities::{Principal, PrincipalKind};
use crate::domain::{AccountId, Workspace};

impl Reader {
    /// A workspace's own groups, by name.
    pub async fn list_own_groups(&mut self, workspace: &Workspace) -> Result<Vec<Principal>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            principal_columns!(),
            " FROM principals p WHERE p.account_id = $1 AND p.workspace_id = $2 ORDER BY p.name_key"
        );
        let account = workspace.account.to_string();
        let rows = self.rows::<PrincipalRow>(SQL, args![&account, workspace.id]).await?;
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
}
