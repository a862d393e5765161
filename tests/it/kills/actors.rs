//! Clients that change one kind of thing each, and know what must be there after a kill.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};

use super::{Actor, Change, Event, OTHER_ADMIN, ServerState, array, count, text};
use crate::support::admins_may_manage;

#[derive(Clone)]
struct Token {
    id: String,
    /// Unknown if the answer was lost.
    value: Option<String>,
    comment: String,
    updates: usize,
}

/// Creates, updates and revokes tokens.
struct Tokens {
    name: String,
    turn: usize,
    live: Vec<Token>,
    revoked: Vec<Token>,
    pending: Option<TokenChange>,
}

enum TokenChange {
    Create(String),
    /// Of the newest.
    Update(String),
    /// Of the oldest.
    Revoke,
}

impl Tokens {
    fn done(&mut self, change: TokenChange, id: &str, value: Option<String>) {
        match change {
            TokenChange::Create(comment) => self.live.push(Token { id: id.to_owned(), value, comment, updates: 0 }),
            TokenChange::Update(comment) => {
                let newest = self.live.last_mut().unwrap();
                newest.comment = comment;
                newest.updates += 1;
            }
            TokenChange::Revoke => self.revoked.push(self.live.remove(0)),
        }
    }
}

impl Actor for Tokens {
    fn next(&mut self) -> Change {
        self.turn += 1;
        let comment = format!("{} {}", self.name, self.turn);
        let newest = self.live.last().map(|token| token.id.clone());
        let oldest = self.live.first().map(|token| token.id.clone());
        let (pending, change) = match (self.turn % 5, newest, oldest) {
            (3, Some(id), _) => {
                let body = json!({"token": {"comment": comment}, "update_mask": "comment"});
                let change = Change::new(Method::PATCH, format!("/api/2.0/token/{id}"), body);
                (TokenChange::Update(comment), change)
            }
            (turn, _, Some(id)) if turn == 4 || self.live.len() >= 40 => {
                let change = Change::new(Method::POST, "/api/2.0/token/delete", json!({"token_id": id}));
                (TokenChange::Revoke, change)
            }
            _ => {
                let body = json!({"comment": comment, "lifetime_seconds": 86_400});
                (TokenChange::Create(comment), Change::new(Method::POST, "/api/2.0/token/create", body))
            }
        };
        self.pending = Some(pending);
        change
    }

    fn acknowledged(&mut self, answer: &Value) {
        let change = self.pending.take().unwrap();
        let id = answer["token_info"]["token_id"].as_str().unwrap_or_default();
        self.done(change, id, answer["token_value"].as_str().map(str::to_owned));
    }

    fn settle(&mut self, seen: &ServerState) {
        let prefix = format!("{} ", self.name);
        let mut there = BTreeMap::new();
        for row in seen.tokens.iter().filter(|row| text(&row["comment"]).starts_with(&prefix)) {
            let created = row["creation_time"].as_i64().unwrap();
            assert_eq!(row["expiry_time"].as_i64().unwrap(), created + 86_400_000, "the token is complete: {row}");
            there.insert(text(&row["token_id"]), text(&row["comment"]));
        }
        if let Some(change) = self.pending.take() {
            let of = |token: Option<&Token>| token.and_then(|token| there.get(&token.id)).cloned();
            let id = match &change {
                TokenChange::Create(comment) => there.iter().find(|(_, it)| *it == comment).map(|(id, _)| id.clone()),
                TokenChange::Update(comment) => of(self.live.last()).filter(|it| it == comment),
                TokenChange::Revoke if of(self.live.first()).is_none() => Some(String::new()),
                TokenChange::Revoke => None,
            };
            if let Some(id) = id {
                self.done(change, &id, None);
            }
        }
        let expected = self.live.iter().map(|token| (token.id.clone(), token.comment.clone())).collect();
        assert_eq!(there, expected, "{}", self.name);
    }

    fn agree(&self, events: &[Event]) {
        for (token, revoked) in self.live.iter().map(|it| (it, 0)).chain(self.revoked.iter().map(|it| (it, 1))) {
            let counted = ["generateDbToken", "updateDbToken", "revokeDbToken"]
                .map(|action| count(events, action, "tokenId", &token.id));
            assert_eq!(counted, [1, token.updates, revoked], "{}", token.comment);
        }
    }

    fn values(&self) -> Vec<(String, bool)> {
        let value = |live: bool| move |token: &Token| Some((token.value.clone()?, live));
        self.live.iter().filter_map(value(true)).chain(self.revoked.iter().filter_map(value(false))).collect()
    }
}

/// A number that only grows: a setting, a group with the permission, a clock.
struct Number {
    changed: u64,
    is_pending: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Conf,
    Permission,
    Clock,
}

pub(super) const GROUPS: u64 = 3;

impl Actor for Number {
    fn next(&mut self) -> Change {
        self.is_pending = true;
        let next = self.changed + 1;
        match self.kind {
            Kind::Conf => {
                let days = (100 + next % 600).to_string();
                Change::new(Method::PATCH, "/api/2.0/workspace-conf", json!({"maxTokenLifetimeDays": days}))
            }
            Kind::Permission => {
                let entry = json!({"group_name": format!("group {}", next % GROUPS), "permission_level": "CAN_USE"});
                let body = json!({"access_control_list": [entry, admins_may_manage()]});
                Change::new(Method::PUT, "/api/2.0/permissions/authorization/tokens", body)
            }
            Kind::Clock => Change::new(Method::POST, "/_mock/v1/workspaces/default/clock/advance", json!({"by": "1s"})),
        }
    }

    fn acknowledged(&mut self, _: &Value) {
        self.changed += 1;
        self.is_pending = false;
    }

    fn settle(&mut self, seen: &ServerState) {
        let expected = |changed: u64| match self.kind {
            _ if changed == 0 => None,
            Kind::Conf => Some(json!({"maxTokenLifetimeDays": (100 + changed % 600).to_string()})),
            Kind::Permission => Some(json!([format!("group {}", changed % GROUPS)])),
            Kind::Clock => Some(json!(changed * 1000)),
        };
        let there = match self.kind {
            Kind::Conf => seen.conf.clone(),
            Kind::Permission => {
                let entries = array(&seen.permissions, "access_control_list");
                let groups = entries.iter().map(|entry| entry["group_name"].clone());
                groups.filter(|name| name != "admins").collect()
            }
            Kind::Clock => seen.clock["offset_ms"].clone(),
        };
        if std::mem::take(&mut self.is_pending) && expected(self.changed + 1).as_ref() == Some(&there) {
            self.changed += 1;
        }
        if let Some(expected) = expected(self.changed) {
            assert_eq!(there, expected, "{:?} after {}", self.kind, self.changed);
        }
    }

    fn agree(&self, events: &[Event]) {
        let counted = match self.kind {
            Kind::Conf => count(events, "workspaceConfEdit", "workspaceConfKeys", "maxTokenLifetimeDays"),
            Kind::Permission => count(events, "changeDbTokenAcl", "aclPermissionSet", "CAN_USE"),
            // The log has only the effects of an advance.
            Kind::Clock => return,
        };
        assert_eq!(counted, usize::try_from(self.changed).unwrap(), "{:?}", self.kind);
    }
}

/// Adds users, and removes one after each.
#[derive(Default)]
struct Users {
    turn: u64,
    present: BTreeMap<String, String>,
    removed: Vec<String>,
    pending: Option<(String, bool)>,
}

impl Actor for Users {
    fn next(&mut self) -> Change {
        self.turn += 1;
        let oldest = self.present.iter().next().map(|(name, id)| (name.clone(), id.clone()));
        if let Some((name, id)) = oldest.filter(|_| self.turn.is_multiple_of(2)) {
            self.pending = Some((name, false));
            return Change::new(Method::DELETE, format!("/api/2.0/preview/scim/v2/Users/{id}"), Value::Null);
        }
        let name = format!("user-{:06}@example.com", self.turn);
        self.pending = Some((name.clone(), true));
        Change::new(Method::POST, "/api/2.0/preview/scim/v2/Users", json!({"userName": name}))
    }

    fn acknowledged(&mut self, answer: &Value) {
        let (name, added) = self.pending.take().unwrap();
        if added {
            self.present.insert(name, text(&answer["id"]));
        } else {
            self.present.remove(&name);
            self.removed.push(name);
        }
    }

    fn settle(&mut self, seen: &ServerState) {
        let there: BTreeMap<_, _> = seen
            .users
            .iter()
            .filter(|(name, _)| name.starts_with("user-"))
            .map(|(a, b)| (a.clone(), b.clone()))
            .collect();
        if let Some((name, added)) = self.pending.take() {
            match there.get(&name) {
                Some(id) if added => drop(self.present.insert(name, id.clone())),
                None if !added => {
                    self.present.remove(&name);
                    self.removed.push(name);
                }
                _ => {}
            }
        }
        assert_eq!(there, self.present);
    }

    fn agree(&self, events: &[Event]) {
        for name in self.present.keys().chain(&self.removed) {
            assert_eq!(count(events, "add", "targetUserName", name), 1, "{name}");
            let gone = usize::from(self.removed.contains(name));
            assert_eq!(count(events, "delete", "targetUserName", name), gone, "{name}");
        }
    }
}

/// Fills another workspace and restores its checkpoint, as a whole or not at all.
#[derive(Default)]
struct Resets {
    turn: u64,
    since: BTreeSet<String>,
    pending: Option<ResetChange>,
}

enum ResetChange {
    Create(String),
    Reset,
}

impl Actor for Resets {
    fn next(&mut self) -> Change {
        self.turn += 1;
        if self.turn.is_multiple_of(4) {
            self.pending = Some(ResetChange::Reset);
            return Change::new(Method::POST, "/_mock/v1/workspaces/42/reset", json!({"to": "base"}));
        }
        let comment = format!("since {}", self.turn);
        let change = Change::new(Method::POST, "/api/2.0/token/create", json!({"comment": comment}));
        self.pending = Some(ResetChange::Create(comment));
        Change { token: OTHER_ADMIN, ..change }
    }

    fn acknowledged(&mut self, _: &Value) {
        match self.pending.take().unwrap() {
            ResetChange::Create(comment) => drop(self.since.insert(comment)),
            ResetChange::Reset => self.since.clear(),
        }
    }

    fn settle(&mut self, seen: &ServerState) {
        assert!(seen.others.iter().any(|comment| comment == "base"));
        let there: BTreeSet<_> = seen.others.iter().filter(|comment| comment.starts_with("since ")).cloned().collect();
        match self.pending.take() {
            Some(ResetChange::Create(comment)) if there.contains(&comment) => drop(self.since.insert(comment)),
            Some(ResetChange::Reset) if there.is_empty() => self.since.clear(),
            _ => {}
        }
        assert_eq!(there, self.since);
    }

    fn agree(&self, _: &[Event]) {}
}

/// Creates workspaces and deletes them.
struct Spaces {
    turn: u64,
    present: Option<u64>,
    pending: bool,
}

impl Actor for Spaces {
    fn next(&mut self) -> Change {
        self.pending = true;
        if let Some(id) = self.present {
            return Change::new(Method::DELETE, format!("/_mock/v1/workspaces/{id}"), json!({}));
        }
        self.turn += 1;
        Change::new(Method::POST, "/_mock/v1/workspaces", json!({"id": 1000 + self.turn, "template": "leaky"}))
    }

    fn acknowledged(&mut self, _: &Value) {
        self.pending = false;
        self.present = if self.present.is_some() { None } else { Some(1000 + self.turn) };
    }

    fn settle(&mut self, seen: &ServerState) {
        let there: Vec<u64> = seen.workspaces.iter().copied().filter(|id| (1000..100_000).contains(id)).collect();
        if std::mem::take(&mut self.pending) {
            let other = if self.present.is_some() { None } else { Some(1000 + self.turn) };
            if there == Vec::from_iter(other) {
                self.present = other;
            }
        }
        assert_eq!(there, Vec::from_iter(self.present));
    }

    fn agree(&self, _: &[Event]) {}
}

pub(super) fn actors() -> Vec<Box<dyn Actor>> {
    let mut actors: Vec<Box<dyn Actor>> = Vec::new();
    for name in ["one", "two", "three"] {
        let tokens = Tokens { name: name.to_owned(), turn: 0, live: Vec::new(), revoked: Vec::new(), pending: None };
        actors.push(Box::new(tokens));
    }
    for kind in [Kind::Conf, Kind::Permission, Kind::Clock] {
        actors.push(Box::new(Number { changed: 0, is_pending: false, kind }));
    }
    actors.push(Box::new(Users::default()));
    actors.push(Box::new(Resets::default()));
    actors.push(Box::new(Spaces { turn: 0, present: None, pending: false }));
    actors
}
