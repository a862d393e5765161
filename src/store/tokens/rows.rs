//! How tokens and tombstones are read: their columns, the conditions that several statements share, and the rows that
//! the columns become. Statements are in `read.rs` and `write.rs`.

use sqlx::FromRow;

use super::{PresentedOwner, PresentedToken, StoredHistory};
use crate::domain::tokens::{EndCause, Token, TokenEnd};
use crate::domain::{Millis, PrincipalId, TokenId, Workspace, WorkspaceId};
use crate::store::cache::{HeapSize, bytes_of};
use crate::store::identities::kind_from;
use crate::store::workspaces::WorkspaceRow;
use crate::store::{Result, StoreError};

/// The columns of a [`TokenRow`] from `tokens t`.
macro_rules! token_columns {
    () => {
        "t.token_id, t.workspace_id, t.owner_id, t.created_by_id, t.created_by_username, t.comment, t.creation_time,
         t.expiry_time, t.last_used_at, t.scopes, t.autoscope_state, t.autoscope_until,
         t.inferred_scopes, t.backfill_scopes"
    };
}

/// The same columns from `tombstones t`, which has no scopes.
macro_rules! tombstone_columns {
    () => {
        "t.token_id, t.workspace_id, t.owner_id, t.created_by_id, t.created_by_username, t.comment, t.creation_time,
         t.expiry_time, t.last_used_at, CAST(NULL AS TEXT) AS scopes, CAST(NULL AS TEXT) AS autoscope_state,
         CAST(NULL AS BIGINT) AS autoscope_until, CAST(NULL AS TEXT) AS inferred_scopes,
         CAST(NULL AS TEXT) AS backfill_scopes"
    };
}

/// The columns of an [`EndRow`], which is empty for `tokens t`.
macro_rules! end_columns {
    (tombstones) => {
        "t.cause, t.actor, t.ended_at"
    };
    (tokens) => {
        "CAST(NULL AS TEXT) AS cause, CAST(NULL AS TEXT) AS actor, CAST(NULL AS BIGINT) AS ended_at"
    };
}

/// The condition of [`Visibility::shows`](crate::domain::tokens::Visibility::shows). Its three values are bound as
/// `$1`, `$2` and `$3`.
macro_rules! is_visible {
    () => {
        "(t.idle_from > $1 OR (t.last_used_at IS NULL AND $2)) AND (t.expiry_time IS NULL OR t.expiry_time > $3)"
    };
}

/// `args!` for a statement with `is_visible!`; it begins with the three values of the visibility.
macro_rules! visible_args {
    ($visibility:expr, $($value:expr),+ $(,)?) => {
        args![$visibility.idle_cutoff, $visibility.never_used_exempt, $visibility.expiry_cutoff, $($value),+]
    };
}

/// The expiry time as indexed: tokens without one come last.
macro_rules! expiry_key {
    () => {
        "COALESCE(t.expiry_time, 9223372036854775807)"
    };
}

/// The condition for tokens that auto-scoping watches, as indexed.
macro_rules! is_autoscoping {
    () => {
        "t.autoscope_state = 'AUTOSCOPE_STATE_RUNNING'"
    };
}

/// When auto-scoping of a token ends, as indexed; see [`AUTOSCOPE_DAYS`](crate::domain::settings::AUTOSCOPE_DAYS).
macro_rules! autoscope_key {
    () => {
        "COALESCE(t.autoscope_until, t.creation_time + 2592000000)"
    };
}
pub(super) use {autoscope_key, end_columns, is_autoscoping, tombstone_columns};
pub(in crate::store) use {expiry_key, is_visible, token_columns, visible_args};

#[derive(FromRow)]
pub(in crate::store) struct TokenRow {
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

    fn try_from(row: TokenRow) -> Result<Self> {
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
            scopes: scopes_from_json(row.scopes.as_deref())?,
            autoscope_state: row.autoscope_state,
            autoscope_until: row.autoscope_until.map(Millis),
            inferred_scopes: scopes_from_json(row.inferred_scopes.as_deref())?,
            backfill_scopes: scopes_from_json(row.backfill_scopes.as_deref())?,
        })
    }
}

pub(in crate::store) fn scopes_from_json(text: Option<&str>) -> Result<Option<Vec<String>>> {
    text.map(serde_json::from_str).transpose().map_err(|_| StoreError::Unreadable("a list of scopes".into()))
}

pub(in crate::store) fn scopes_to_json(scopes: Option<&[String]>) -> Result<Option<String>> {
    scopes.map(serde_json::to_string).transpose().map_err(|error| StoreError::Unreadable(error.to_string()))
}

#[derive(FromRow)]
pub(super) struct PresentedRow {
    #[sqlx(flatten)]
    token: TokenRow,
    #[sqlx(flatten)]
    workspace: WorkspaceRow,
    owner_kind: Option<String>,
    owner_name: Option<String>,
    #[sqlx(flatten)]
    end: EndRow,
}

#[derive(FromRow)]
struct EndRow {
    cause: Option<String>,
    actor: Option<String>,
    ended_at: Option<i64>,
}

impl TryFrom<EndRow> for Option<TokenEnd> {
    type Error = StoreError;

    fn try_from(row: EndRow) -> Result<Self> {
        let (Some(cause), Some(actor), Some(at)) = (row.cause, row.actor, row.ended_at) else { return Ok(None) };
        let cause = EndCause::parse(&cause).ok_or_else(|| StoreError::Unreadable(format!("cause {cause}")))?;
        Ok(Some(TokenEnd { cause, actor, at: Millis(at) }))
    }
}

impl TryFrom<PresentedRow> for PresentedToken {
    type Error = StoreError;

    fn try_from(row: PresentedRow) -> Result<Self> {
        let owner = match (row.owner_kind, row.owner_name) {
            (Some(kind), Some(name)) => Some(PresentedOwner { kind: kind_from(&kind)?, name }),
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

#[derive(FromRow)]
pub(super) struct HistoryRow {
    #[sqlx(flatten)]
    token: TokenRow,
    last_client: Option<String>,
    owner_name: Option<String>,
    #[sqlx(flatten)]
    end: EndRow,
}

impl TryFrom<HistoryRow> for StoredHistory {
    type Error = StoreError;

    fn try_from(row: HistoryRow) -> Result<Self> {
        let (owner, last_client) = (row.owner_name, row.last_client);
        Ok(Self { token: row.token.try_into()?, owner, last_client, end: row.end.try_into()? })
    }
}

impl HeapSize for Token {
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

impl HeapSize for PresentedToken {
    fn heap_bytes(&self) -> usize {
        let Workspace { name, deployment_name, .. } = &self.workspace;
        let owner = self.owner.as_ref().map_or(0, |owner| owner.name.capacity());
        let actor = self.ended.as_ref().map_or(0, |ended| ended.actor.capacity());
        self.token.heap_bytes() + name.capacity() + deployment_name.capacity() + owner + actor
    }
}
