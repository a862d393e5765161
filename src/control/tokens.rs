//! `…/tokens`: every token, also those that ended, which the Databricks API no longer shows.

use std::num::NonZeroUsize;

use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Control;
use super::reply::{Asked, Problem, Reply, is_descending, ok, workspace_id};
use crate::domain::identities::Principal;
use crate::domain::tokens::EndCause;
use crate::domain::{Millis, PrincipalId, TokenId};
use crate::service::{HistoryFilter, TokenHistory};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WantedTokens")]
pub(super) struct Wanted {
    state: Option<String>,
    token_id: Option<String>,
    owner_id: Option<String>,
    /// The owner's `userName` or application id, in any letter case.
    owner: Option<String>,
    #[serde(default)]
    sort: Sort,
    /// `asc`, when nothing is said, or `desc`.
    order: Option<String>,
    /// How many are told at once; all, when nothing is said.
    limit: Option<NonZeroUsize>,
    /// The `next_page_token` of the page before, with the same filter and order.
    page_token: Option<String>,
}

/// What tokens are told in the order of.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Sort {
    /// When they were made.
    #[default]
    CreationTime,
    /// When they ended; those that live come last.
    EndedAt,
}

/// A token's place in an order.
type Place = (Millis, TokenId);

impl Sort {
    fn place(self, fate: &TokenHistory) -> Place {
        let at = match self {
            Self::CreationTime => fate.token.creation_time,
            Self::EndedAt => fate.end.as_ref().map_or(Millis(i64::MAX), |end| end.at),
        };
        (at, fate.token.id.clone())
    }
}

/// A place as a page token. It holds although tokens come and go between two pages.
fn write_place((at, id): &Place) -> String {
    format!("{}.{}", at.0, id.as_str())
}

fn read_place(text: &str) -> Result<Place, Problem> {
    let read = || {
        let (at, id) = text.split_once('.')?;
        Some((Millis(at.parse().ok()?), TokenId::from_text(id.to_owned())))
    };
    read().ok_or_else(|| Problem::bad_request("page_token: use the next_page_token of the page before."))
}

/// `?state=live|ended|<cause>&token_id=&owner_id=&owner=&sort=&order=&limit=&page_token=`: live tokens and tombstones,
/// oldest first.
pub(super) async fn list(
    State(control): State<Control>,
    Path(workspace): Path<String>,
    Asked(wanted): Asked<Wanted>,
) -> Reply {
    let id = workspace_id(&control.service, &workspace).await?;
    let state = wanted.state.as_deref();
    if state.is_some_and(|state| state != "live" && state != "ended" && EndCause::parse(state).is_none()) {
        return Err(Problem::bad_request(
            "state: use live, ended, or a cause such as expired, inactive or revoked_by_owner.",
        ));
    }
    let one = wanted.token_id.map(TokenId::from_text);
    let owner = wanted.owner_id.as_deref().map(|text| {
        PrincipalId::parse(text)
            .ok_or_else(|| Problem::bad_request(format!("owner_id: '{text}' is no principal's id.")))
    });
    let (sort, limit, descending) = (wanted.sort, wanted.limit, is_descending(wanted.order.as_deref())?);
    let from = wanted.page_token.as_deref().map(read_place).transpose()?;
    let name = wanted.owner;
    let is_wanted = |fate: &TokenHistory| {
        name.as_ref().is_none_or(|name| fate.owner.as_ref().is_some_and(|owner| Principal::is_same_name(owner, name)))
    };
    let wanted = HistoryFilter { one: one.as_ref(), owner: owner.transpose()? };
    let fates = control.service.token_histories(id, wanted).await?;
    let shown = fates.iter().filter(|fate| is_wanted(fate)).filter(|fate| match (state, fate.end.as_ref()) {
        (None, _) | (Some("live"), None) | (Some("ended"), Some(_)) => true,
        (Some(state), Some(end)) => end.cause.as_str() == state,
        (Some(_), None) => false,
    });
    let mut shown: Vec<(Place, &TokenHistory)> = shown.map(|fate| (sort.place(fate), fate)).collect();
    let total = shown.len();
    shown.sort_by(|(a, _), (b, _)| if descending { b.cmp(a) } else { a.cmp(b) });
    if let Some(from) = from {
        shown.retain(|(place, _)| if descending { *place < from } else { *place > from });
    }
    let left = limit.is_some_and(|limit| shown.len() > limit.get());
    shown.truncate(limit.map_or(usize::MAX, NonZeroUsize::get));
    let mut out = Map::new();
    out.insert("tokens".into(), shown.iter().map(|(_, fate)| fate_json(fate)).collect());
    out.insert("total".into(), total.into());
    let last = shown.last().filter(|_| left);
    out.extend(last.map(|(place, _)| ("next_page_token".to_owned(), write_place(place).into())));
    Ok(ok(&out.into()))
}

pub(super) fn fate_json(fate: &TokenHistory) -> Value {
    let token = &fate.token;
    let mut out = json!({
        "token_id": token.id.as_str(),
        "owner_id": token.owner.to_string(),
        "owner": fate.owner,
        "created_by": token.created_by_username,
        "comment": token.comment,
        "creation_time": token.creation_time.rfc3339(),
        "expiry_time": token.expiry_time.map(Millis::rfc3339),
        "last_client": fate.last_client,
        "last_used": token.last_used.map(Millis::rfc3339),
        "idle_at": fate.idle_at.filter(|_| fate.end.is_none()).map(Millis::rfc3339),
        "state": fate.end.as_ref().map_or("live", |end| end.cause.as_str()),
    });
    // A tombstone has no scopes.
    let state = token.autoscope_state.as_ref().filter(|_| fate.end.is_none());
    if let (Some(object), Some(state)) = (out.as_object_mut(), state) {
        object.insert("autoscope_state".into(), state.as_str().into());
        object.insert("autoscope_until".into(), token.autoscope_until.map(Millis::rfc3339).into());
        object.insert("scopes".into(), token.scopes.clone().into());
    }
    if let (Some(object), Some(end)) = (out.as_object_mut(), &fate.end) {
        object.insert("ended_at".into(), end.at.rfc3339().into());
        object.insert("ended_by".into(), end.actor.as_str().into());
    }
    out
}
