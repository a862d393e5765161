//! Browser sessions of the pages, by the hash of their cookie.

use sqlx::FromRow;

use super::session::{Reader, Writer, args};
use super::{Result, StoreError};
use crate::domain::oauth::SecretHash;
use crate::domain::page_sessions::PageSession;
use crate::domain::{AccountId, Millis, PrincipalId, WorkspaceId};

#[derive(FromRow)]
struct PageSessionRow {
    session_hash: String,
    workspace_id: i64,
    account_id: String,
    whole_account: bool,
    principal_id: i64,
    principal_creation: i64,
    began_at: i64,
}

impl TryFrom<PageSessionRow> for PageSession {
    type Error = StoreError;

    fn try_from(row: PageSessionRow) -> Result<Self> {
        let unreadable = || StoreError::Unreadable("a page session".into());
        Ok(Self {
            hash: SecretHash::from_text(row.session_hash),
            workspace: WorkspaceId(row.workspace_id),
            account: AccountId::parse(&row.account_id).ok_or_else(unreadable)?,
            whole_account: row.whole_account,
            principal: PrincipalId(row.principal_id),
            creation: row.principal_creation,
            began_at: Millis(row.began_at),
        })
    }
}

impl Reader {
    pub async fn find_page_session(&mut self, hash: &SecretHash) -> Result<Option<PageSession>> {
        const SQL: &str =
            "SELECT session_hash, workspace_id, account_id, whole_account, principal_id, principal_creation,
               began_at
             FROM page_sessions WHERE session_hash = $1";
        self.find::<PageSessionRow, _>(SQL, args![hash.as_str()]).await
    }
}

impl Writer {
    /// Inserts a session, unless one with its hash exists, and deletes those of its workspace that began before
    /// `oldest`. Returns whether it was inserted.
    pub async fn insert_page_session(&mut self, session: &PageSession, oldest: Millis) -> Result<bool> {
        const SQL: &str = "INSERT INTO page_sessions (session_hash, workspace_id, account_id, whole_account,
               principal_id, principal_creation, began_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (session_hash, workspace_id) DO NOTHING";
        const OLD: &str = "DELETE FROM page_sessions WHERE workspace_id = $1 AND began_at < $2";
        self.execute(OLD, args![session.workspace, oldest]).await?;
        let values = args![
            session.hash.as_str(),
            session.workspace,
            session.account,
            session.whole_account,
            session.principal.0,
            session.creation,
            session.began_at,
        ];
        Ok(self.execute(SQL, values).await? > 0)
    }

    pub async fn delete_page_session(&mut self, hash: &SecretHash) -> Result<()> {
        self.execute("DELETE FROM page_sessions WHERE session_hash = $1", args![hash.as_str()]).await.map(drop)
    }
}
