//! Users, service principals, groups, their assignments and memberships.

use sqlx::FromRow;

use super::StoreError;
use super::session::{Reader, Writer, args};
use crate::domain::identity::{Assignment, Principal, PrincipalKind};
use crate::domain::{AccountId, Millis, PrincipalId, WorkspaceId};

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
        })
    }
}

macro_rules! principal_columns {
    () => {
        "p.principal_id, p.workspace_id, p.kind, p.name, p.display_name, p.active, p.account_admin, p.external_id,
         p.attributes"
    };
}
pub(super) use principal_columns;

#[derive(FromRow)]
struct AssignmentRow {
    active: bool,
    entitlements: String,
    roles: String,
}

fn names(text: &str) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Unreadable("a list of names".into()))
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Unreadable(error.to_string()))
}

impl TryFrom<AssignmentRow> for Assignment {
    type Error = StoreError;

    fn try_from(row: AssignmentRow) -> Result<Self, StoreError> {
        Ok(Self { active: row.active, entitlements: names(&row.entitlements)?, roles: names(&row.roles)? })
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

    /// A principal's place in a workspace; `None` when it is not assigned.
    pub async fn find_assignment(
        &mut self,
        workspace: WorkspaceId,
        id: PrincipalId,
    ) -> Result<Option<Assignment>, StoreError> {
        const SQL: &str = "SELECT active, entitlements, roles FROM workspace_assignments
             WHERE workspace_id = $1 AND principal_id = $2";
        self.row::<AssignmentRow>(SQL, args![workspace, id]).await?.map(Assignment::try_from).transpose()
    }
}

impl Writer {
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
               display_name, active, account_admin, external_id, attributes, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
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
            created_at,
        ];
        self.execute(SQL, values).await?;
        Ok(())
    }

    /// Assigns a principal to a workspace, or changes its place there.
    pub async fn put_assignment(
        &mut self,
        workspace: WorkspaceId,
        id: PrincipalId,
        assignment: &Assignment,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO workspace_assignments (workspace_id, principal_id, active, entitlements, roles)
             VALUES ($1, $2, $3, $4, $5)
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
}
