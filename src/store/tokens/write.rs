//! Statements that insert, update and end tokens.

use std::sync::LazyLock;

use super::rows::scopes_to_json;
use crate::domain::scopes::EndpointScope;
use crate::domain::tokens::{EndCause, Token};
use crate::domain::{Millis, TokenId, WorkspaceId};
use crate::store::Result;
use crate::store::identities::is_found;
use crate::store::session::{BatchStatement, Value, Writer, args};

/// One use of a token by a request.
#[derive(Clone, Copy, Debug)]
pub struct TokenUse<'a> {
    pub at: Millis,
    /// The `User-Agent`.
    pub client: &'a str,
    /// The endpoint's scope, if auto-scoping has not recorded it yet.
    pub inferred_scope: Option<EndpointScope>,
}

/// Inserts tombstones. The workspace is bound as `$1`, the actor as `$2`, then id, cause and time of each token. The
/// same value may end twice, if it is that of a fixed admin token; the last end is stored.
static INSERT_TOMBSTONES: LazyLock<BatchStatement> = LazyLock::new(|| {
    BatchStatement::new(2, 3, |rows| {
        format!(
            "INSERT INTO tombstones (token_id, workspace_id, owner_id, created_by_id, created_by_username,
               comment, creation_time, expiry_time, last_used_at, last_client, cause, ended_at, actor)
             SELECT t.token_id, t.workspace_id, t.owner_id, t.created_by_id, t.created_by_username, t.comment,
               t.creation_time, t.expiry_time, t.last_used_at, t.last_client, e.column2, e.column3, $2
             FROM (VALUES {rows}) AS e LEFT JOIN tokens t ON t.token_id = e.column1 AND t.workspace_id = $1
             WHERE {}
             ON CONFLICT (token_id, workspace_id) DO UPDATE SET owner_id = excluded.owner_id,
               created_by_id = excluded.created_by_id, created_by_username = excluded.created_by_username,
               comment = excluded.comment, creation_time = excluded.creation_time, expiry_time = excluded.expiry_time,
               last_used_at = excluded.last_used_at, last_client = excluded.last_client, ended_at = excluded.ended_at,
               cause = excluded.cause, actor = excluded.actor",
            is_found!("t.workspace_id")
        )
    })
});
static DELETE_TOKENS: LazyLock<BatchStatement> = LazyLock::new(|| {
    BatchStatement::new(1, 1, |rows| {
        format!(
            "DELETE FROM tokens WHERE workspace_id = $1 AND token_id IN (SELECT e.column1 FROM (VALUES {rows}) AS e)"
        )
    })
});

impl Writer {
    /// # Errors
    /// `StoreError::Duplicate` when the workspace already has that value.
    pub async fn insert_token(&mut self, token: &Token) -> Result<()> {
        const SQL: &str = "INSERT INTO tokens (token_id, workspace_id, owner_id, created_by_id, created_by_username,
               comment, creation_time, expiry_time, last_used_at, idle_from, scopes, autoscope_state, inferred_scopes,
               autoscope_until, backfill_scopes)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
        let scopes = scopes_to_json(token.scopes.as_deref())?;
        let inferred = scopes_to_json(token.inferred_scopes.as_deref())?;
        let backfill = scopes_to_json(token.backfill_scopes.as_deref())?;
        let values = args![
            &token.id,
            token.workspace,
            token.owner,
            token.created_by,
            &token.created_by_username,
            &token.comment,
            token.creation_time,
            token.expiry_time,
            token.last_used,
            token.idle_from(),
            scopes.as_deref(),
            token.autoscope_state.as_deref(),
            inferred.as_deref(),
            token.autoscope_until,
            backfill.as_deref(),
        ];
        self.execute(SQL, values).await.map(drop)
    }

    /// Updates what clients and auto-scoping may change: comment and scopes.
    pub async fn update_token(&mut self, token: &Token) -> Result<()> {
        const SQL: &str = "UPDATE tokens SET comment = $3, scopes = $4, autoscope_state = $5, autoscope_until = $6,
               inferred_scopes = $7
             WHERE token_id = $1 AND workspace_id = $2";
        let scopes = scopes_to_json(token.scopes.as_deref())?;
        let inferred = scopes_to_json(token.inferred_scopes.as_deref())?;
        let (state, until) = (token.autoscope_state.as_deref(), token.autoscope_until);
        let Token { id, workspace, comment, .. } = token;
        let values = args![id, *workspace, comment, scopes.as_deref(), state, until, inferred.as_deref()];
        self.execute(SQL, values).await.map(drop)
    }

    /// Records a use, unless a later one is recorded, and the scope that is inferred from it. The scope is added to
    /// those that are stored by now: concurrent requests may have inferred others.
    pub async fn record_use(&mut self, workspace: WorkspaceId, id: &TokenId, token_use: &TokenUse<'_>) -> Result<()> {
        const TOUCH: &str = "UPDATE tokens SET last_used_at = $3, last_client = $4,
               idle_from = CASE WHEN idle_from > $3 THEN idle_from ELSE $3 END
             WHERE token_id = $1 AND workspace_id = $2 AND (last_used_at IS NULL OR last_used_at < $3)";
        const INFER: &str = "UPDATE tokens SET inferred_scopes = $3 WHERE token_id = $1 AND workspace_id = $2";
        self.execute(TOUCH, args![id, workspace, token_use.at, token_use.client]).await?;
        let Some(scope) = token_use.inferred_scope else { return Ok(()) };
        let stored = self.find_token(workspace, id).await?;
        let inferred = stored.and_then(|token| token.infer_scope(scope));
        if let Some(inferred) = scopes_to_json(inferred.as_deref())? {
            self.execute(INFER, args![id, workspace, &inferred]).await?;
        }
        Ok(())
    }

    /// Moves tokens to the tombstones, for good. Returns how many of them existed.
    pub async fn end_tokens(
        &mut self,
        workspace: WorkspaceId,
        ends: &[(&TokenId, EndCause, Millis)],
        actor: &str,
    ) -> Result<u64> {
        let rows: Vec<[Value<'_>; 3]> =
            ends.iter().map(|(id, cause, at)| [(*id).into(), cause.as_str().into(), (*at).into()]).collect();
        self.execute_batch(&INSERT_TOMBSTONES, args![workspace, actor], &rows).await?;
        let ids: Vec<[Value<'_>; 1]> = ends.iter().map(|(id, ..)| [(*id).into()]).collect();
        self.execute_batch(&DELETE_TOKENS, args![workspace], &ids).await
    }
}
