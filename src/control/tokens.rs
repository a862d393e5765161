//! `…/tokens`: lists every token with its history, also expired and revoked ones, which the Databricks API no longer
//! shows.

use std::num::NonZeroUsize;

use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Control;
use super::reply::{ControlError, Params, Reply, is_descending, ok, workspace_id};
use crate::domain::identities::Principal;
use crate::domain::tokens::EndCause;
use crate::domain::{Millis, PrincipalId, TokenId};
use crate::service::{HistoryFilter, TokenHistory};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenQuery {
    /// `live`, `ended`, or a cause such as `expired`, `inactive` or `revoked_by_owner`.
    state: Option<String>,
    token_id: Option<String>,
    owner_id: Option<String>,
    /// The owner's `userName` or application id, in any letter case.
    owner: Option<String>,
    #[serde(default)]
    sort: Sort,
    /// `asc` (the default) or `desc`.
    order: Option<String>,
    /// The size of a page; defaults to all tokens.
    limit: Option<NonZeroUsize>,
    /// The `next_page_token` of the previous page, with the same filter and order.
    page_token: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Sort {
    #[default]
    CreationTime,
    /// When they expired or were revoked; live ones come last.
    EndedAt,
}

/// Written as a page token, it stays valid although tokens come and go between two pages.
type SortKey = (Millis, TokenId);

impl Sort {
    fn key(self, history: &TokenHistory) -> SortKey {
        let at = match self {
            Self::CreationTime => history.token.creation_time,
            Self::EndedAt => history.end.as_ref().map_or(Millis(i64::MAX), |end| end.at),
        };
        (at, history.token.id.clone())
    }
}

fn page_token((at, id): &SortKey) -> String {
    format!("{}.{}", at.0, id.as_str())
}

fn read_page_token(text: &str) -> Result<SortKey, ControlError> {
    let read = || {
        let (at, id) = text.split_once('.')?;
        Some((Millis(at.parse().ok()?), TokenId::from_text(id.to_owned())))
    };
    read().ok_or_else(|| ControlError::bad_request("page_token: use the next_page_token of the previous page."))
}

impl TokenQuery {
    /// The part of the filter that the database does not apply.
    fn matches(&self, history: &TokenHistory) -> bool {
        let is_owner = |name: &String| history.owner.as_ref().is_some_and(|owner| Principal::is_same_name(owner, name));
        let is_state = match (self.state.as_deref(), history.end.as_ref()) {
            (None, _) | (Some("live"), None) | (Some("ended"), Some(_)) => true,
            (Some(state), Some(end)) => end.cause.as_str() == state,
            (Some(_), None) => false,
        };
        is_state && self.owner.as_ref().is_none_or(is_owner)
    }
}

pub(super) async fn list(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    Params(query): Params<TokenQuery>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let is_unknown = |state: &&String| *state != "live" && *state != "ended" && EndCause::parse(state).is_none();
    if let Some(state) = query.state.as_ref().filter(is_unknown) {
        return Err(ControlError::bad_request(format!(
            "unknown state '{state}': use live, ended, or a cause such as expired, inactive or revoked_by_owner."
        )));
    }
    let one = query.token_id.clone().map(TokenId::from_text);
    let owner = query.owner_id.as_deref().map(|text| {
        PrincipalId::parse(text)
            .ok_or_else(|| ControlError::bad_request(format!("invalid owner id '{text}': use its number.")))
    });
    let descending = is_descending(query.order.as_deref())?;
    let from = query.page_token.as_deref().map(read_page_token).transpose()?;
    let filter = HistoryFilter { one: one.as_ref(), owner: owner.transpose()? };
    let histories = control.service.token_histories(id, filter).await?;
    let matching = histories.iter().filter(|history| query.matches(history));
    let mut shown: Vec<(SortKey, &TokenHistory)> = matching.map(|history| (query.sort.key(history), history)).collect();
    let total = shown.len();
    shown.sort_by(|(a, _), (b, _)| if descending { b.cmp(a) } else { a.cmp(b) });
    if let Some(from) = from {
        shown.retain(|(key, _)| if descending { *key < from } else { *key > from });
    }
    let has_more = query.limit.is_some_and(|limit| shown.len() > limit.get());
    shown.truncate(query.limit.map_or(usize::MAX, NonZeroUsize::get));
    let mut out = Map::new();
    out.insert("tokens".into(), shown.iter().map(|(_, history)| history_json(history)).collect());
    out.insert("total".into(), total.into());
    let last = shown.last().filter(|_| has_more);
    out.extend(last.map(|(key, _)| ("next_page_token".to_owned(), page_token(key).into())));
    Ok(ok(&out.into()))
}

pub(super) fn history_json(history: &TokenHistory) -> Value {
    let token = &history.token;
    let mut out = json!({
        "token_id": token.id.as_str(),
        "owner_id": token.owner.to_string(),
        "owner": history.owner,
        "created_by": token.created_by_username,
        "comment": token.comment,
        "creation_time": token.creation_time.rfc3339(),
        "expiry_time": token.expiry_time.map(Millis::rfc3339),
        "last_client": history.last_client,
        "last_used": token.last_used.map(Millis::rfc3339),
        "idle_at": history.idle_at.filter(|_| history.end.is_none()).map(Millis::rfc3339),
        "state": history.end.as_ref().map_or("live", |end| end.cause.as_str()),
    });
    // The scopes of an expired or revoked token are not stored.
    let state = token.autoscope_state.as_ref().filter(|_| history.end.is_none());
    if let (Some(object), Some(state)) = (out.as_object_mut(), state) {
        object.insert("autoscope_state".into(), state.as_str().into());
        object.insert("autoscope_until".into(), token.autoscope_until.map(Millis::rfc3339).into());
        object.insert("scopes".into(), token.scopes.clone().into());
    }
    if let (Some(object), Some(end)) = (out.as_object_mut(), &history.end) {
        object.insert("ended_at".into(), end.at.rfc3339().into());
        object.insert("ended_by".into(), end.actor.as_str().into());
    }
    out
}
