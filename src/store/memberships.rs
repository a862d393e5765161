//! The memberships of a principal: which groups it is in, directly or nested, and what each of them gives it. The only
//! statement that looks from one principal upwards for every request; its rows are cached.

use sqlx::FromRow;

use super::cache::{Answers, AnswersTo, CacheKey, HeapSize};
use super::identities::is_found;
use super::permissions::level_from;
use super::session::{Reader, args};
use super::{Result, StoreError};
use crate::domain::access::{Membership, Standing};
use crate::domain::{AccountId, PrincipalId, Workspace, WorkspaceId};

/// Whose memberships are read, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct MembershipsKey {
    account: AccountId,
    workspace: WorkspaceId,
    /// The workspace's built-in group `users`, which holds every user and service principal without a row that says so.
    users_group: PrincipalId,
    principal: PrincipalId,
}

impl CacheKey for MembershipsKey {
    type Row = MembershipRow;

    fn answers(answers: &mut Answers) -> &mut AnswersTo<Self> {
        &mut answers.memberships
    }
}

#[derive(Clone, FromRow)]
pub(super) struct MembershipRow {
    subject_id: i64,
    via_id: Option<i64>,
    name: Option<String>,
    permission_level: Option<String>,
    assigned: bool,
    account_admin: bool,
    active: bool,
}

impl HeapSize for MembershipRow {
    fn heap_bytes(&self) -> usize {
        [&self.name, &self.permission_level].into_iter().flatten().map(String::capacity).sum()
    }
}

impl TryFrom<MembershipRow> for Membership {
    type Error = StoreError;

    fn try_from(row: MembershipRow) -> Result<Self> {
        Ok(Self {
            subject: PrincipalId(row.subject_id),
            via: row.via_id.map(PrincipalId),
            name: row.name.unwrap_or_default(),
            level: row.permission_level.as_deref().map(level_from).transpose()?,
            assigned: row.assigned,
            account_admin: row.account_admin,
        })
    }
}

impl Reader {
    /// A principal's memberships in a workspace: itself, the built-in `users`, and every group that holds it, directly
    /// or nested, each with its entry in the token permissions.
    pub async fn workspace_memberships(&mut self, workspace: &Workspace, principal: PrincipalId) -> Result<Standing> {
        let Workspace { account, id, admins_group, users_group, .. } = *workspace;
        let key = MembershipsKey { account, workspace: id, users_group, principal };
        let rows = self.membership_rows(key).await?;
        let active = rows.iter().any(|row| row.via_id.is_none() && row.active);
        let memberships = rows.into_iter().map(Membership::try_from).collect::<Result<_, _>>()?;
        Ok(Standing { admins_group, active, memberships })
    }

    /// A principal's memberships in the groups of its account.
    pub async fn account_memberships(&mut self, account: AccountId, principal: PrincipalId) -> Result<Vec<Membership>> {
        // There is no workspace 0, so only what belongs to the account is found.
        let key = MembershipsKey { account, workspace: WorkspaceId(0), users_group: PrincipalId(0), principal };
        self.membership_rows(key).await?.into_iter().map(Membership::try_from).collect()
    }

    async fn membership_rows(&mut self, key: MembershipsKey) -> Result<Vec<MembershipRow>> {
        // UNION, not UNION ALL: a cycle of groups adds no new row, and so ends.
        const SQL: &str = concat!(
            "WITH RECURSIVE up (subject_id, via_id) AS (
               SELECT CAST($3 AS BIGINT), CAST(NULL AS BIGINT)
               UNION SELECT CAST($4 AS BIGINT), CAST($3 AS BIGINT)
               UNION SELECT m.group_id, m.member_id FROM up
                 LEFT JOIN group_members m ON m.account_id = $1 AND m.member_id = up.subject_id
                 WHERE ",
            is_found!("m.group_id"),
            ") SELECT up.subject_id, up.via_id, p.name, acl.permission_level, p.account_admin,
               COALESCE(a.direct, FALSE) AND (p.workspace_id = 0 OR up.via_id IS NULL) AS assigned,
               p.active AND COALESCE(a.active, TRUE) AS active
             FROM up
             LEFT JOIN principals p ON p.account_id = $1 AND p.principal_id = up.subject_id
               AND +p.workspace_id IN (0, $2)
             LEFT JOIN token_acl acl ON acl.workspace_id = $2 AND acl.principal_id = up.subject_id
             LEFT JOIN workspace_assignments a ON a.workspace_id = $2 AND a.principal_id = up.subject_id
             WHERE ",
            is_found!("p.principal_id"),
            " ORDER BY up.subject_id, up.via_id"
        );
        let miss = match self.cached(key) {
            Ok(rows) => return Ok(rows),
            Err(miss) => miss,
        };
        let rows = self.rows(SQL, args![key.account, key.workspace, key.principal, key.users_group]).await?;
        Ok(self.cache(miss, rows))
    }
}
