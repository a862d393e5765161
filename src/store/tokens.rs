//! Tokens and tombstones.

use std::sync::LazyLock;

use sqlx::FromRow;

use super::StoreError;
use super::identities::is_found;
use super::remembered::{Question, Weighed, bytes_of};
use super::session::{ForRows, Reader, Value, Writer, args};
use super::workspaces::{WorkspaceRow, workspace_columns, workspace_joins};
use crate::domain::access::{Membership, PermissionLevel, Standing};
use crate::domain::authorize::Use;
use crate::domain::identities::PrincipalKind;
use crate::domain::tokens::{EndCause, Token, TokenEnd, Visibility};
use crate::domain::{AccountId, Millis, PrincipalId, TokenId, Workspace, WorkspaceId};

/// The columns of a token after `tokens t`.
macro_rules! token_columns {
    () => {
        "t.token_id, t.workspace_id, t.owner_id, t.created_by_id, t.created_by_username, t.comment, t.creation_time,
         t.expiry_time, t.last_used_at, t.scopes, t.autoscope_state, t.autoscope_until,
         t.inferred_scopes, t.backfill_scopes"
    };
}

/// The same columns after `tombstones t`, which has no scopes.
macro_rules! tombstone_columns {
    () => {
        "t.token_id, t.workspace_id, t.owner_id, t.created_by_id, t.created_by_username, t.comment, t.creation_time,
         t.expiry_time, t.last_used_at, CAST(NULL AS TEXT) AS scopes, CAST(NULL AS TEXT) AS autoscope_state,
         CAST(NULL AS BIGINT) AS autoscope_until, CAST(NULL AS TEXT) AS inferred_scopes,
         CAST(NULL AS TEXT) AS backfill_scopes"
    };
}

/// The end of a token after `tombstones t`, and after `tokens t`, where there is none.
macro_rules! end_columns {
    (tombstones) => {
        "t.cause, t.actor, t.ended_at"
    };
    (tokens) => {
        "CAST(NULL AS TEXT) AS cause, CAST(NULL AS TEXT) AS actor, CAST(NULL AS BIGINT) AS ended_at"
    };
}

/// The condition of [`Visibility::shows`]; its three values are bound as `$1`, `$2` and `$3`.
macro_rules! within_horizon {
    () => {
        "(t.idle_from > $1 OR (t.last_used_at IS NULL AND $2)) AND (t.expiry_time IS NULL OR t.expiry_time > $3)"
    };
}

/// The expiry time as indexed: none is the latest.
macro_rules! expiry_key {
    () => {
        "COALESCE(t.expiry_time, 9223372036854775807)"
    };
}

/// The tokens that auto-scoping watches, as indexed; see [`AUTOSCOPE_DAYS`](crate::domain::settings::AUTOSCOPE_DAYS).
macro_rules! autoscoping {
    () => {
        "t.autoscope_state = 'AUTOSCOPE_STATE_RUNNING'"
    };
}

/// When auto-scoping of a token ends, as indexed.
macro_rules! autoscope_key {
    () => {
        "COALESCE(t.autoscope_until, t.creation_time + 2592000000)"
    };
}
pub(super) use {expiry_key, token_columns, within_horizon};

/// The tokens of a workspace, oldest first, with one more condition.
macro_rules! managed {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            token_columns!(),
            " FROM tokens t WHERE ",
            within_horizon!(),
            " AND t.workspace_id = $4 ",
            $condition,
            " ORDER BY t.creation_time, t.token_id"
        )
    };
}

/// Tokens or tombstones with owner and last client, the newest first. `$3` is the limit; what `$condition` compares
/// is `$4`.
macro_rules! fates {
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

/// All that a presented value picks, from tokens or tombstones.
macro_rules! presented {
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

#[derive(Debug, FromRow)]
pub(super) struct TokenRow {
    token_id: String,
    workspace_id: i64,
    owner_id: i64,
    created_by_id: i64,
    created_by_username: String,
    comment: String,
    creation_time: i64,
    expiry_time: Option<i64>,
    last_used_at: Option<i64>,
    scopes: Option<String>,
    autoscope_state: Option<String>,
    autoscope_until: Option<i64>,
    inferred_scopes: Option<String>,
    backfill_scopes: Option<String>,
}

impl TryFrom<TokenRow> for Token {
    type Error = StoreError;

    fn try_from(row: TokenRow) -> Result<Self, StoreError> {
        Ok(Self {
            workspace: WorkspaceId(row.workspace_id),
            id: TokenId::from_text(row.token_id),
            owner: PrincipalId(row.owner_id),
            created_by: PrincipalId(row.created_by_id),
            created_by_username: row.created_by_username,
            comment: row.comment,
            creation_time: Millis(row.creation_time),
            expiry_time: row.expiry_time.map(Millis),
            last_used: row.last_used_at.map(Millis),
            scopes: names_from(row.scopes.as_deref())?,
            autoscope_state: row.autoscope_state,
            autoscope_until: row.autoscope_until.map(Millis),
            inferred_scopes: names_from(row.inferred_scopes.as_deref())?,
            backfill_scopes: names_from(row.backfill_scopes.as_deref())?,
        })
    }
}

pub(super) fn names_from(text: Option<&str>) -> Result<Option<Vec<String>>, StoreError> {
    text.map(serde_json::from_str).transpose().map_err(|_| StoreError::Unreadable("a list of scopes".into()))
}

pub(super) fn names_to(names: Option<&[String]>) -> Result<Option<String>, StoreError> {
    names.map(serde_json::to_string).transpose().map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// A token value's row in one workspace, with the workspace and the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedToken {
    /// The token.
    pub token: Token,
    /// Its workspace.
    pub workspace: Workspace,
    /// Its owner; `None` when the principal is gone.
    pub owner: Option<PresentedOwner>,
    /// Its end; `None` on a token that nothing has ended, though its time may have come.
    pub ended: Option<TokenEnd>,
}

/// The owner of a presented token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedOwner {
    /// User or service principal.
    pub kind: PrincipalKind,
    /// `userName` or `applicationId`.
    pub name: String,
}

#[derive(FromRow)]
struct PresentedRow {
    #[sqlx(flatten)]
    token: TokenRow,
    #[sqlx(flatten)]
    workspace: WorkspaceRow,
    owner_kind: Option<String>,
    owner_name: Option<String>,
    #[sqlx(flatten)]
    end: EndRow,
}

#[derive(Debug, FromRow)]
struct EndRow {
    cause: Option<String>,
    actor: Option<String>,
    ended_at: Option<i64>,
}

impl TryFrom<EndRow> for Option<TokenEnd> {
    type Error = StoreError;

    fn try_from(row: EndRow) -> Result<Self, StoreError> {
        let (Some(cause), Some(actor), Some(at)) = (row.cause, row.actor, row.ended_at) else { return Ok(None) };
        let cause = EndCause::parse(&cause).ok_or_else(|| StoreError::Unreadable(format!("cause {cause}")))?;
        Ok(Some(TokenEnd { cause, actor, at: Millis(at) }))
    }
}

impl TryFrom<PresentedRow> for PresentedToken {
    type Error = StoreError;

    fn try_from(row: PresentedRow) -> Result<Self, StoreError> {
        let owner = match (row.owner_kind, row.owner_name) {
            (Some(kind), Some(name)) => Some(PresentedOwner {
                kind: PrincipalKind::parse(&kind).ok_or_else(|| StoreError::Unreadable(format!("kind {kind}")))?,
                name,
            }),
            _ => None,
        };
        Ok(Self {
            token: row.token.try_into()?,
            workspace: row.workspace.try_into()?,
            owner,
            ended: row.end.try_into()?,
        })
    }
}

impl Weighed for Token {
    fn heap_bytes(&self) -> usize {
        let Self {
            id, created_by_username, comment, scopes, autoscope_state, inferred_scopes, backfill_scopes, ..
        } = self;
        let lists = [scopes, inferred_scopes, backfill_scopes].into_iter().flatten();
        let text = autoscope_state.as_ref().map_or(0, String::capacity);
        id.as_str().len()
            + created_by_username.capacity()
            + comment.capacity()
            + text
            + lists.map(|names| bytes_of(names)).sum::<usize>()
    }
}

impl Weighed for PresentedToken {
    fn heap_bytes(&self) -> usize {
        let Workspace { name, deployment_name, .. } = &self.workspace;
        let owner = self.owner.as_ref().map_or(0, |owner| owner.name.capacity());
        let actor = self.ended.as_ref().map_or(0, |ended| ended.actor.capacity());
        self.token.heap_bytes() + name.capacity() + deployment_name.capacity() + owner + actor
    }
}

impl Weighed for ReachRow {
    fn heap_bytes(&self) -> usize {
        [&self.name, &self.permission_level].into_iter().flatten().map(String::capacity).sum()
    }
}

/// One of the times at which something happens to tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByTime {
    /// Where the days without use begin.
    IdleFrom,
    /// The expiry time.
    Expiry,
    /// The end of auto-scoping.
    Autoscope,
}

/// A token with its end, where it has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredHistory {
    /// The token; without scopes once it has ended.
    pub token: Token,
    /// The owner's name; `None` when the principal is gone.
    pub owner: Option<String>,
    /// The `User-Agent` of the last recorded use.
    pub last_client: Option<String>,
    /// Its end.
    pub end: Option<TokenEnd>,
}

#[derive(FromRow)]
struct FateRow {
    #[sqlx(flatten)]
    token: TokenRow,
    last_client: Option<String>,
    owner_name: Option<String>,
    #[sqlx(flatten)]
    end: EndRow,
}

impl TryFrom<FateRow> for StoredHistory {
    type Error = StoreError;

    fn try_from(row: FateRow) -> Result<Self, StoreError> {
        let (owner, last_client) = (row.owner_name, row.last_client);
        Ok(Self { token: row.token.try_into()?, owner, last_client, end: row.end.try_into()? })
    }
}

#[derive(Clone, FromRow)]
struct ReachRow {
    subject_id: i64,
    via_id: Option<i64>,
    name: Option<String>,
    permission_level: Option<String>,
    assigned: bool,
    account_admin: bool,
    active: bool,
}

/// Which tokens are wanted: all, unless one of these is said.
#[derive(Clone, Copy, Debug, Default)]
pub struct HistoryFilter<'a> {
    /// This one alone.
    pub one: Option<&'a TokenId>,
    /// Those of this principal.
    pub owner: Option<PrincipalId>,
}

impl<'a> HistoryFilter<'a> {
    /// A single token.
    pub fn one(id: &'a TokenId) -> Self {
        Self { one: Some(id), owner: None }
    }
}

impl Reader {
    /// Every workspace's token with this value, first those of the default workspace. More than one
    /// only where workspaces were made from the same seed.
    pub async fn find_presented(&mut self, id: &TokenId) -> Result<Vec<PresentedToken>, StoreError> {
        const SQL: &str = presented!(token_columns!(), end_columns!(tokens), "tokens");
        let asked = match self.recall(Question::PresentedCredential(id.clone())) {
            Ok(known) => return Ok(known),
            Err(asked) => asked,
        };
        let found = self.presented(SQL, id).await?;
        // What nobody knows is asked anew each time: strangers' values would crowd out the others.
        Ok(if found.is_empty() { found } else { self.remember(asked, found) })
    }

    /// Every workspace's tombstone of this value, in the same order. Like one whose time has come, a token
    /// that has been ended is known, so that it makes no difference whether the sweep has found it.
    pub async fn find_ended(&mut self, id: &TokenId) -> Result<Vec<PresentedToken>, StoreError> {
        const SQL: &str = presented!(tombstone_columns!(), end_columns!(tombstones), "tombstones");
        self.presented(SQL, id).await
    }

    async fn presented(&mut self, sql: &'static str, id: &TokenId) -> Result<Vec<PresentedToken>, StoreError> {
        let rows = self.rows::<PresentedRow>(sql, args![id]).await?;
        rows.into_iter().map(PresentedToken::try_from).collect()
    }

    /// What a principal reaches upwards in a workspace: itself, the built-in `users`, and every
    /// group that holds it, directly or nested, each with its entry in the token permissions.
    pub async fn standing(&mut self, workspace: &Workspace, principal: PrincipalId) -> Result<Standing, StoreError> {
        let Workspace { account, id, admins_group, users_group, .. } = *workspace;
        let (active, reach) = self.reach(account, (id, users_group), principal).await?;
        Ok(Standing { admins_group, active, reach })
    }

    /// What a principal reaches upwards among the groups of its account.
    pub async fn reach_in_account(
        &mut self,
        account: AccountId,
        principal: PrincipalId,
    ) -> Result<Vec<Membership>, StoreError> {
        Ok(self.reach(account, (WorkspaceId(0), PrincipalId(0)), principal).await?.1)
    }

    /// Whether the principal is deactivated nowhere, and what it reaches. There is no workspace 0: by
    /// that number, only what belongs to the account is found.
    async fn reach(
        &mut self,
        account: AccountId,
        (workspace, users_group): (WorkspaceId, PrincipalId),
        principal: PrincipalId,
    ) -> Result<(bool, Vec<Membership>), StoreError> {
        let rows = self.reach_rows(account, (workspace, users_group), principal).await?;
        let active = rows.iter().any(|row| row.via_id.is_none() && row.active);
        let reach = rows.into_iter().map(|row| {
            let level = row.permission_level.as_deref().map(|text| {
                PermissionLevel::parse(text).ok_or_else(|| StoreError::Unreadable(format!("permission {text}")))
            });
            Ok(Membership {
                subject: PrincipalId(row.subject_id),
                via: row.via_id.map(PrincipalId),
                name: row.name.unwrap_or_default(),
                level: level.transpose()?,
                assigned: row.assigned,
                account_admin: row.account_admin,
            })
        });
        Ok((active, reach.collect::<Result<_, StoreError>>()?))
    }

    async fn reach_rows(
        &mut self,
        account: AccountId,
        (workspace, users_group): (WorkspaceId, PrincipalId),
        principal: PrincipalId,
    ) -> Result<Vec<ReachRow>, StoreError> {
        // UNION, not UNION ALL: a cycle of groups adds no new row and so ends.
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
        let asked = match self.recall(Question::Reach(account, workspace, principal, users_group)) {
            Ok(known) => return Ok(known),
            Err(asked) => asked,
        };
        let account = account.to_string();
        let rows = self.rows(SQL, args![&account, workspace, principal, users_group]).await?;
        Ok(self.remember(asked, rows))
    }

    /// One owner's tokens within the horizon, oldest first.
    pub async fn list_tokens_of(
        &mut self,
        workspace: WorkspaceId,
        owner: PrincipalId,
        horizon: Visibility,
    ) -> Result<Vec<Token>, StoreError> {
        let mut tokens = self.tokens_of(workspace, owner).await?;
        tokens.retain(|token| horizon.shows(token));
        Ok(tokens)
    }

    /// All tokens of an owner, oldest first: also those whose time has come, until the sweep has ended them. The
    /// horizon moves with the clock; without it the answer stands until something is changed.
    async fn tokens_of(&mut self, workspace: WorkspaceId, owner: PrincipalId) -> Result<Vec<Token>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            token_columns!(),
            " FROM tokens t WHERE t.workspace_id = $1 AND t.owner_id = $2 ORDER BY t.creation_time, t.token_id"
        );
        let asked = match self.recall(Question::TokensOf(workspace, owner)) {
            Ok(known) => return Ok(known),
            Err(asked) => asked,
        };
        let rows = self.rows::<TokenRow>(SQL, args![workspace, owner]).await?;
        let tokens = rows.into_iter().map(Token::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(self.remember(asked, tokens))
    }

    /// The workspace's tokens within the horizon, oldest first; those of one creator, by id or name,
    /// where that is given.
    pub async fn list_tokens(
        &mut self,
        workspace: WorkspaceId,
        created_by: Option<PrincipalId>,
        created_by_username: Option<&str>,
        horizon: Visibility,
    ) -> Result<Vec<Token>, StoreError> {
        // A text for each, because a condition that also holds where nothing is asked would use no index.
        let sql = match (created_by, created_by_username) {
            (None, None) => managed!(""),
            (Some(_), None) => managed!("AND t.created_by_id = $5"),
            (None, Some(_)) => managed!("AND t.created_by_username = $5"),
            (Some(_), Some(_)) => managed!("AND t.created_by_id = $5 AND t.created_by_username = $6"),
        };
        let Visibility { idle_cutoff, never_used_exempt, expiry_cutoff } = horizon;
        let mut values = args![idle_cutoff, never_used_exempt, expiry_cutoff, workspace].to_vec();
        values.extend(created_by.map(Value::from));
        values.extend(created_by_username.map(Value::from));
        let rows = self.rows::<TokenRow>(sql, &values).await?;
        rows.into_iter().map(Token::try_from).collect()
    }

    /// Tokens that are outside the horizon, at most `limit`: first those without use, then the expired.
    pub async fn list_due(
        &mut self,
        workspace: WorkspaceId,
        horizon: Visibility,
        limit: i64,
    ) -> Result<Vec<Token>, StoreError> {
        // Two searches, because one condition with OR would not use either index.
        const IDLE: &str = concat!(
            "SELECT ",
            token_columns!(),
            " FROM tokens t WHERE t.workspace_id = $1 AND t.idle_from <= $2
             AND NOT (t.last_used_at IS NULL AND $3) ORDER BY t.idle_from LIMIT $4"
        );
        const EXPIRED: &str = concat!(
            "SELECT ",
            token_columns!(),
            " FROM tokens t WHERE t.workspace_id = $1 AND ",
            expiry_key!(),
            " <= $2 ORDER BY ",
            expiry_key!(),
            " LIMIT $3"
        );
        let Visibility { idle_cutoff, never_used_exempt, expiry_cutoff } = horizon;
        let mut rows = self.rows::<TokenRow>(IDLE, args![workspace, idle_cutoff, never_used_exempt, limit]).await?;
        if rows.is_empty() {
            rows = self.rows::<TokenRow>(EXPIRED, args![workspace, expiry_cutoff, limit]).await?;
        }
        rows.into_iter().map(Token::try_from).collect()
    }

    /// Tokens whose auto-scoping has ended at `now` and is not carried out, at most `limit`. Tokens that expire first
    /// are left to their own end.
    pub async fn list_autoscoped(
        &mut self,
        workspace: WorkspaceId,
        now: Millis,
        limit: i64,
    ) -> Result<Vec<Token>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            token_columns!(),
            " FROM tokens t WHERE t.workspace_id = $1 AND ",
            autoscoping!(),
            " AND ",
            autoscope_key!(),
            " <= $2 AND (t.expiry_time IS NULL OR t.expiry_time > ",
            autoscope_key!(),
            ") ORDER BY ",
            autoscope_key!(),
            " LIMIT $3"
        );
        let rows = self.rows::<TokenRow>(SQL, args![workspace, now, limit]).await?;
        rows.into_iter().map(Token::try_from).collect()
    }

    /// Tokens within the horizon in the order of one of those times, at most `limit`.
    pub async fn list_tokens_by_time(
        &mut self,
        workspace: WorkspaceId,
        order: ByTime,
        horizon: Visibility,
        limit: i64,
    ) -> Result<Vec<Token>, StoreError> {
        const IDLE: &str = concat!(
            "SELECT ",
            token_columns!(),
            " FROM tokens t WHERE ",
            within_horizon!(),
            " AND t.workspace_id = $4 ORDER BY t.idle_from LIMIT $5"
        );
        const AUTOSCOPE: &str = concat!(
            "SELECT ",
            token_columns!(),
            " FROM tokens t WHERE ",
            within_horizon!(),
            " AND t.workspace_id = $4 AND ",
            autoscoping!(),
            " ORDER BY ",
            autoscope_key!(),
            " LIMIT $5"
        );
        const EXPIRY: &str = concat!(
            "SELECT ",
            token_columns!(),
            " FROM tokens t WHERE ",
            within_horizon!(),
            " AND t.workspace_id = $4 AND ",
            expiry_key!(),
            " < 9223372036854775807 ORDER BY ",
            expiry_key!(),
            " LIMIT $5"
        );
        let Visibility { idle_cutoff, never_used_exempt, expiry_cutoff } = horizon;
        let sql = match order {
            ByTime::IdleFrom => IDLE,
            ByTime::Expiry => EXPIRY,
            ByTime::Autoscope => AUTOSCOPE,
        };
        let values = args![idle_cutoff, never_used_exempt, expiry_cutoff, workspace, limit];
        self.rows::<TokenRow>(sql, values).await?.into_iter().map(Token::try_from).collect()
    }

    /// How many tokens of one owner are within the horizon.
    pub async fn count_tokens_of(
        &mut self,
        workspace: WorkspaceId,
        owner: PrincipalId,
        horizon: Visibility,
    ) -> Result<i64, StoreError> {
        const SQL: &str = concat!(
            "SELECT COUNT(*) FROM tokens t WHERE ",
            within_horizon!(),
            " AND t.workspace_id = $4 AND t.owner_id = $5"
        );
        let Visibility { idle_cutoff, never_used_exempt, expiry_cutoff } = horizon;
        self.count(SQL, args![idle_cutoff, never_used_exempt, expiry_cutoff, workspace, owner]).await
    }

    /// How many tokens of a workspace are within the horizon.
    pub async fn count_tokens(&mut self, workspace: WorkspaceId, horizon: Visibility) -> Result<i64, StoreError> {
        const SQL: &str =
            concat!("SELECT COUNT(*) FROM tokens t WHERE ", within_horizon!(), " AND t.workspace_id = $4");
        let Visibility { idle_cutoff, never_used_exempt, expiry_cutoff } = horizon;
        self.count(SQL, args![idle_cutoff, never_used_exempt, expiry_cutoff, workspace]).await
    }

    /// A token by id, whatever its state.
    pub async fn find_token(&mut self, workspace: WorkspaceId, id: &TokenId) -> Result<Option<Token>, StoreError> {
        const SQL: &str =
            concat!("SELECT ", token_columns!(), " FROM tokens t WHERE t.token_id = $1 AND t.workspace_id = $2");
        self.row::<TokenRow>(SQL, args![id, workspace]).await?.map(Token::try_from).transpose()
    }

    /// The tokens of a workspace that are wanted, live or ended, oldest first, with the owner's name and last
    /// client; of either the newest, at most `limit`.
    pub async fn list_fates(
        &mut self,
        workspace: &Workspace,
        wanted: HistoryFilter<'_>,
        limit: i64,
    ) -> Result<Vec<StoredHistory>, StoreError> {
        // A text for each, because a condition that also holds where nothing is asked would use no index.
        let (stored, ended) = match (wanted.one, wanted.owner) {
            (None, None) => (fates!(tokens, ""), fates!(tombstones, "")),
            (Some(_), None) => (fates!(tokens, "AND t.token_id = $4"), fates!(tombstones, "AND t.token_id = $4")),
            (None, Some(_)) => (fates!(tokens, "AND t.owner_id = $4"), fates!(tombstones, "AND t.owner_id = $4")),
            (Some(_), Some(_)) => (
                fates!(tokens, "AND t.token_id = $4 AND t.owner_id = $5"),
                fates!(tombstones, "AND t.token_id = $4 AND t.owner_id = $5"),
            ),
        };
        let account = workspace.account.to_string();
        let mut values = args![&account, workspace.id, limit].to_vec();
        values.extend(wanted.one.map(Value::from));
        values.extend(wanted.owner.map(Value::from));
        let mut rows = self.rows::<FateRow>(stored, &values).await?;
        rows.extend(self.rows::<FateRow>(ended, &values).await?);
        let mut fates: Vec<StoredHistory> = rows.into_iter().map(StoredHistory::try_from).collect::<Result<_, _>>()?;
        fates.sort_by(|a, b| (a.token.creation_time, &a.token.id).cmp(&(b.token.creation_time, &b.token.id)));
        Ok(fates)
    }

    /// The owners of tokens within the horizon.
    pub async fn list_token_owners(
        &mut self,
        workspace: WorkspaceId,
        horizon: Visibility,
    ) -> Result<Vec<PrincipalId>, StoreError> {
        const SQL: &str = concat!(
            "SELECT DISTINCT t.owner_id FROM tokens t WHERE ",
            within_horizon!(),
            " AND t.workspace_id = $4 ORDER BY t.owner_id"
        );
        let Visibility { idle_cutoff, never_used_exempt, expiry_cutoff } = horizon;
        let rows = self.rows::<(i64,)>(SQL, args![idle_cutoff, never_used_exempt, expiry_cutoff, workspace]).await?;
        Ok(rows.into_iter().map(|(id,)| PrincipalId(id)).collect())
    }
}

/// Buries tokens: `$1` workspace, `$2` actor, then id, cause and time of each. A value that came back (a
/// fixed admin token) may end a second time: the last end counts.
static BURY: LazyLock<ForRows> = LazyLock::new(|| {
    ForRows::new(2, 3, |rows| {
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
static DELETE: LazyLock<ForRows> = LazyLock::new(|| {
    ForRows::new(1, 1, |rows| {
        format!(
            "DELETE FROM tokens WHERE workspace_id = $1 AND token_id IN (SELECT e.column1 FROM (VALUES {rows}) AS e)"
        )
    })
});

impl Writer {
    /// Adds a token.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the workspace has that value.
    pub async fn insert_token(&mut self, token: &Token) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO tokens (token_id, workspace_id, owner_id, created_by_id, created_by_username,
               comment, creation_time, expiry_time, last_used_at, idle_from, scopes, autoscope_state, inferred_scopes,
               autoscope_until, backfill_scopes)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
        let scopes = names_to(token.scopes.as_deref())?;
        let inferred = names_to(token.inferred_scopes.as_deref())?;
        let backfill = names_to(token.backfill_scopes.as_deref())?;
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
        self.execute(SQL, values).await?;
        Ok(())
    }

    /// Stores what an update and auto-scoping may change: comment and scopes.
    pub async fn update_token(&mut self, token: &Token) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE tokens SET comment = $3, scopes = $4, autoscope_state = $5, autoscope_until = $6,
               inferred_scopes = $7
             WHERE token_id = $1 AND workspace_id = $2";
        let scopes = names_to(token.scopes.as_deref())?;
        let inferred = names_to(token.inferred_scopes.as_deref())?;
        let (state, until) = (token.autoscope_state.as_deref(), token.autoscope_until);
        let Token { id, workspace, comment, .. } = token;
        let values = args![id, *workspace, comment, scopes.as_deref(), state, until, inferred.as_deref()];
        self.execute(SQL, values).await?;
        Ok(())
    }

    /// Records a use at `now`, unless a later one is recorded, and the scope inferred from it. What is inferred is
    /// added to what is stored by now: requests at the same time may have seen other scopes.
    pub async fn record_use(
        &mut self,
        workspace: WorkspaceId,
        id: &TokenId,
        now: Millis,
        used: &Use,
        client: &str,
    ) -> Result<(), StoreError> {
        const TOUCH: &str = "UPDATE tokens SET last_used_at = $3, last_client = $4,
               idle_from = CASE WHEN idle_from > $3 THEN idle_from ELSE $3 END
             WHERE token_id = $1 AND workspace_id = $2 AND (last_used_at IS NULL OR last_used_at < $3)";
        const INFER: &str = "UPDATE tokens SET inferred_scopes = $3 WHERE token_id = $1 AND workspace_id = $2";
        self.execute(TOUCH, args![id, workspace, now, client]).await?;
        let Some(scope) = used.inferred_scope else { return Ok(()) };
        let stored = self.find_token(workspace, id).await?;
        let inferred = stored.and_then(|token| token.infer_scope(scope));
        if let Some(inferred) = names_to(inferred.as_deref())? {
            self.execute(INFER, args![id, workspace, &inferred]).await?;
        }
        Ok(())
    }

    /// Ends tokens for good and leaves tombstones. Answers how many of them were there.
    pub async fn end_tokens(
        &mut self,
        workspace: WorkspaceId,
        ends: &[(&TokenId, EndCause, Millis)],
        actor: &str,
    ) -> Result<u64, StoreError> {
        let rows: Vec<[Value<'_>; 3]> =
            ends.iter().map(|(id, cause, at)| [(*id).into(), cause.as_str().into(), (*at).into()]).collect();
        self.execute_rows(&BURY, args![workspace, actor], &rows).await?;
        let ids: Vec<[Value<'_>; 1]> = ends.iter().map(|(id, ..)| [(*id).into()]).collect();
        self.execute_rows(&DELETE, args![workspace], &ids).await
    }
}
