//! Statements that read tokens and tombstones.

use super::rows::{
    HistoryRow, PresentedRow, TokenRow, autoscope_key, end_columns, expiry_key, is_autoscoping, is_visible,
    token_columns, tombstone_columns, visible_args,
};
use super::{HistoryFilter, PresentedToken, StoredHistory, TimeOrder};
use crate::domain::tokens::{Token, Visibility};
use crate::domain::{Millis, PrincipalId, TokenId, Workspace, WorkspaceId};
use crate::store::Result;
use crate::store::cache::{Answers, AnswersTo, CacheKey};
use crate::store::session::{Reader, Value, args};
use crate::store::workspaces::{workspace_columns, workspace_joins};

/// Selects [`TokenRow`]s from `tokens t`.
macro_rules! select_tokens {
    ($($rest:expr),+ $(,)?) => {
        concat!("SELECT ", token_columns!(), " FROM tokens t WHERE ", $($rest),+)
    };
}

/// The visible tokens of a workspace, oldest first, with one more condition.
macro_rules! list_sql {
    ($condition:literal) => {
        select_tokens!(is_visible!(), " AND t.workspace_id = $4 ", $condition, " ORDER BY t.creation_time, t.token_id")
    };
}

/// The visible tokens of a workspace with one more condition, in the order of a time.
macro_rules! by_time_sql {
    ($condition:expr, $time:expr) => {
        select_tokens!(is_visible!(), " AND t.workspace_id = $4", $condition, " ORDER BY ", $time, " LIMIT $5")
    };
}

/// Tokens or tombstones with owner and last client, the newest first. The account is bound as `$1`, the workspace as
/// `$2`, the limit as `$3`, and the values of `$condition` after them.
macro_rules! histories_sql {
    (tokens, $condition:literal) => {
        concat!(
            "SELECT ",
            token_columns!(),
            ", ",
            end_columns!(tokens),
            ", t.last_client, p.name AS owner_name
             FROM tokens t LEFT JOIN principals p ON p.account_id = $1 AND p.principal_id = t.owner_id
             WHERE t.workspace_id = $2 ",
            $condition,
            " ORDER BY t.creation_time DESC, t.token_id DESC LIMIT $3"
        )
    };
    (tombstones, $condition:literal) => {
        concat!(
            "SELECT ",
            tombstone_columns!(),
            ", ",
            end_columns!(tombstones),
            ", t.last_client, p.name AS owner_name
             FROM tombstones t LEFT JOIN principals p ON p.account_id = $1 AND p.principal_id = t.owner_id
             WHERE t.workspace_id = $2 ",
            $condition,
            " ORDER BY t.ended_at DESC, t.token_id LIMIT $3"
        )
    };
}

/// The tokens or tombstones with a value, in all workspaces, with workspace and owner.
macro_rules! presented_sql {
    ($token:expr, $end:expr, $table:literal) => {
        concat!(
            "SELECT ",
            $token,
            ", ",
            $end,
            ", ",
            workspace_columns!(),
            ",
               p.kind AS owner_kind, p.name AS owner_name
             FROM ",
            $table,
            " t JOIN workspaces w ON w.workspace_id = t.workspace_id",
            workspace_joins!(),
            "LEFT JOIN principals p ON p.account_id = w.account_id AND p.principal_id = t.owner_id
             WHERE t.token_id = $1 ORDER BY w.is_default DESC, t.workspace_id"
        )
    };
}

/// Caches the live tokens with a value.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::store) struct PresentedTokensKey(TokenId);

impl CacheKey for PresentedTokensKey {
    type Row = PresentedToken;

    fn answers(answers: &mut Answers) -> &mut AnswersTo<Self> {
        &mut answers.presented_tokens
    }
}

/// Caches the stored tokens of an owner in a workspace.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::store) struct OwnerTokensKey(WorkspaceId, PrincipalId);

impl CacheKey for OwnerTokensKey {
    type Row = Token;

    fn answers(answers: &mut Answers) -> &mut AnswersTo<Self> {
        &mut answers.owner_tokens
    }
}

impl Reader {
    /// The tokens with this value, that of the default workspace first. There is more than one only in workspaces that
    /// were created from the same seed.
    pub async fn find_presented_tokens(&mut self, id: &TokenId) -> Result<Vec<PresentedToken>> {
        const SQL: &str = presented_sql!(token_columns!(), end_columns!(tokens), "tokens");
        let miss = match self.cached(PresentedTokensKey(id.clone())) {
            Ok(tokens) => return Ok(tokens),
            Err(miss) => miss,
        };
        let tokens = self.list::<PresentedRow, _>(SQL, args![id]).await?;
        // Unknown values are never cached: anybody could send enough of them to crowd out the others.
        Ok(if tokens.is_empty() { tokens } else { self.cache(miss, tokens) })
    }

    /// The tombstones with this value, in the same order. An expired token is found whether or not the sweep has
    /// already moved it here.
    pub async fn find_ended_tokens(&mut self, id: &TokenId) -> Result<Vec<PresentedToken>> {
        const SQL: &str = presented_sql!(tombstone_columns!(), end_columns!(tombstones), "tombstones");
        self.list::<PresentedRow, _>(SQL, args![id]).await
    }

    /// One owner's visible tokens, oldest first.
    pub async fn list_tokens_of(
        &mut self,
        workspace: WorkspaceId,
        owner: PrincipalId,
        visibility: Visibility,
    ) -> Result<Vec<Token>> {
        let mut tokens = self.tokens_of(workspace, owner).await?;
        tokens.retain(|token| visibility.shows(token));
        Ok(tokens)
    }

    /// All stored tokens of an owner, oldest first, visible or not. Visibility changes with the clock; without it the
    /// rows can be cached until something changes.
    async fn tokens_of(&mut self, workspace: WorkspaceId, owner: PrincipalId) -> Result<Vec<Token>> {
        const SQL: &str =
            select_tokens!("t.workspace_id = $1 AND t.owner_id = $2 ORDER BY t.creation_time, t.token_id");
        let miss = match self.cached(OwnerTokensKey(workspace, owner)) {
            Ok(tokens) => return Ok(tokens),
            Err(miss) => miss,
        };
        let tokens = self.list::<TokenRow, _>(SQL, args![workspace, owner]).await?;
        Ok(self.cache(miss, tokens))
    }

    /// A workspace's visible tokens, oldest first; only those of one creator if an id or a name is given.
    pub async fn list_tokens(
        &mut self,
        workspace: WorkspaceId,
        created_by: Option<PrincipalId>,
        created_by_username: Option<&str>,
        visibility: Visibility,
    ) -> Result<Vec<Token>> {
        // Separate texts, because a condition that is optional within one text would use no index.
        let sql = match (created_by, created_by_username) {
            (None, None) => list_sql!(""),
            (Some(_), None) => list_sql!("AND t.created_by_id = $5"),
            (None, Some(_)) => list_sql!("AND t.created_by_username = $5"),
            (Some(_), Some(_)) => list_sql!("AND t.created_by_id = $5 AND t.created_by_username = $6"),
        };
        let mut values = visible_args![visibility, workspace].to_vec();
        values.extend(created_by.map(Value::from));
        values.extend(created_by_username.map(Value::from));
        self.list::<TokenRow, _>(sql, &values).await
    }

    /// Tokens that are no longer visible, at most `limit`: those without use, or the expired ones when there are none.
    pub async fn list_due_tokens(
        &mut self,
        workspace: WorkspaceId,
        visibility: Visibility,
        limit: i64,
    ) -> Result<Vec<Token>> {
        // Two queries, because one condition with OR would use neither index.
        const IDLE: &str = select_tokens!(
            "t.workspace_id = $1 AND t.idle_from <= $2
             AND NOT (t.last_used_at IS NULL AND $3) ORDER BY t.idle_from LIMIT $4"
        );
        const EXPIRED: &str =
            select_tokens!("t.workspace_id = $1 AND ", expiry_key!(), " <= $2 ORDER BY ", expiry_key!(), " LIMIT $3");
        let idle = self
            .list::<TokenRow, _>(IDLE, args![workspace, visibility.idle_cutoff, visibility.never_used_exempt, limit])
            .await?;
        if !idle.is_empty() {
            return Ok(idle);
        }
        self.list::<TokenRow, _>(EXPIRED, args![workspace, visibility.expiry_cutoff, limit]).await
    }

    /// Tokens whose auto-scoping ended by `now` and has not been applied yet, at most `limit`. Tokens that expire
    /// before it ends are left out.
    pub async fn list_due_autoscoping(
        &mut self,
        workspace: WorkspaceId,
        now: Millis,
        limit: i64,
    ) -> Result<Vec<Token>> {
        const SQL: &str = select_tokens!(
            "t.workspace_id = $1 AND ",
            is_autoscoping!(),
            " AND ",
            autoscope_key!(),
            " <= $2 AND (t.expiry_time IS NULL OR t.expiry_time > ",
            autoscope_key!(),
            ") ORDER BY ",
            autoscope_key!(),
            " LIMIT $3"
        );
        self.list::<TokenRow, _>(SQL, args![workspace, now, limit]).await
    }

    /// Visible tokens in the order of a time, at most `limit`.
    pub async fn list_tokens_by_time(
        &mut self,
        workspace: WorkspaceId,
        order: TimeOrder,
        visibility: Visibility,
        limit: i64,
    ) -> Result<Vec<Token>> {
        let sql = match order {
            TimeOrder::IdleFrom => by_time_sql!("", "t.idle_from"),
            TimeOrder::Expiry => by_time_sql!(concat!(" AND ", expiry_key!(), " < 9223372036854775807"), expiry_key!()),
            TimeOrder::Autoscope => by_time_sql!(concat!(" AND ", is_autoscoping!()), autoscope_key!()),
        };
        let values = visible_args![visibility, workspace, limit];
        self.list::<TokenRow, _>(sql, values).await
    }

    pub async fn count_tokens_of(
        &mut self,
        workspace: WorkspaceId,
        owner: PrincipalId,
        visibility: Visibility,
    ) -> Result<i64> {
        const SQL: &str = concat!(
            "SELECT COUNT(*) FROM tokens t WHERE ",
            is_visible!(),
            " AND t.workspace_id = $4 AND t.owner_id = $5"
        );
        self.count(SQL, visible_args![visibility, workspace, owner]).await
    }

    pub async fn count_tokens(&mut self, workspace: WorkspaceId, visibility: Visibility) -> Result<i64> {
        const SQL: &str = concat!("SELECT COUNT(*) FROM tokens t WHERE ", is_visible!(), " AND t.workspace_id = $4");
        self.count(SQL, visible_args![visibility, workspace]).await
    }

    /// A stored token, visible or not.
    pub async fn find_token(&mut self, workspace: WorkspaceId, id: &TokenId) -> Result<Option<Token>> {
        const SQL: &str = select_tokens!("t.token_id = $1 AND t.workspace_id = $2");
        self.find::<TokenRow, _>(SQL, args![id, workspace]).await
    }

    /// The matching tokens of a workspace, live and ended ones, oldest first. At most the newest `limit` of either
    /// kind.
    pub async fn list_token_histories(
        &mut self,
        workspace: &Workspace,
        filter: HistoryFilter<'_>,
        limit: i64,
    ) -> Result<Vec<StoredHistory>> {
        // Separate texts, because a condition that is optional within one text would use no index.
        let (live, ended) = match (filter.one, filter.owner) {
            (None, None) => (histories_sql!(tokens, ""), histories_sql!(tombstones, "")),
            (Some(_), None) => {
                (histories_sql!(tokens, "AND t.token_id = $4"), histories_sql!(tombstones, "AND t.token_id = $4"))
            }
            (None, Some(_)) => {
                (histories_sql!(tokens, "AND t.owner_id = $4"), histories_sql!(tombstones, "AND t.owner_id = $4"))
            }
            (Some(_), Some(_)) => (
                histories_sql!(tokens, "AND t.token_id = $4 AND t.owner_id = $5"),
                histories_sql!(tombstones, "AND t.token_id = $4 AND t.owner_id = $5"),
            ),
        };
        let mut values = args![workspace.account, workspace.id, limit].to_vec();
        values.extend(filter.one.map(Value::from));
        values.extend(filter.owner.map(Value::from));
        let mut histories: Vec<StoredHistory> = self.list::<HistoryRow, _>(live, &values).await?;
        histories.extend(self.list::<HistoryRow, _>(ended, &values).await?);
        histories.sort_by(|a, b| (a.token.creation_time, &a.token.id).cmp(&(b.token.creation_time, &b.token.id)));
        Ok(histories)
    }

    /// The owners of visible tokens.
    pub async fn list_token_owners(
        &mut self,
        workspace: WorkspaceId,
        visibility: Visibility,
    ) -> Result<Vec<PrincipalId>> {
        const SQL: &str = concat!(
            "SELECT DISTINCT t.owner_id FROM tokens t WHERE ",
            is_visible!(),
            " AND t.workspace_id = $4 ORDER BY t.owner_id"
        );
        let rows = self.rows::<(i64,)>(SQL, visible_args![visibility, workspace]).await?;
        Ok(rows.into_iter().map(|(id,)| PrincipalId(id)).collect())
    }
}
