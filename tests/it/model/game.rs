//! Plays steps on the server and on the model, and compares what both show.

use axum::http::Method;
use dapi_mock::domain::tokens::TokenValue;
use serde_json::{Value, json};

use super::{EVERYBODY, HOLDERS, INNER, Model, ModelToken, OUTER, OWNERS, ROBOTS, Step};
use crate::support::{
    ADMIN_TOKEN, Answer, Backend, CONF, CREATE, DAY_MS, DELETE, DISABLED, INVALID, Kind, LIST, MANAGED, ON_BEHALF_OF,
    PERMISSIONS, Person, World, admins_may_manage,
};

pub(super) struct Game {
    world: World,
    admin: String,
    /// Indexed by the holder's number.
    people: Vec<Person>,
    model: Model,
}

impl Game {
    pub(super) async fn new(backend: Backend) -> Self {
        let world = World::new(backend).await;
        let mut people = Vec::new();
        for number in 0..OWNERS {
            let kind = if ROBOTS.contains(&number) { Kind::ServicePrincipal } else { Kind::User };
            people.push(world.admin().principal(kind, &format!("owner{number}")).await);
        }
        let users = world.workspace().await.users_group.to_string();
        people.push(Person { kind: Kind::Group, id: users, name: "users".to_owned() });
        let inner = world.admin().group("inner", &[&people[1], &people[3]]).await;
        people.push(inner);
        let outer = world.admin().group("outer", &[&people[INNER]]).await;
        people.push(outer);
        let model = Model {
            now: world.now().0,
            enabled: true,
            cap_days: 730,
            loss: "suspend",
            permitted: std::array::from_fn(|holder| holder == EVERYBODY),
            in_inner: [false, true, false, true],
            nested: true,
            present: [true; OWNERS],
            active: [true; OWNERS],
            tokens: Vec::new(),
        };
        let admin = ADMIN_TOKEN.to_owned();
        Self { world, admin, people, model }
    }

    /// Calls as the admin. While tokens are disabled the admin's token is refused, too.
    async fn govern(&self, method: Method, path: &str, body: Value) -> Option<Answer> {
        let answer = self.world.client(&self.admin).call(method, path, body.to_string()).await;
        if self.model.enabled {
            return Some(answer);
        }
        assert!(matches!(answer.status.as_u16(), 403 | 404), "{answer:?}");
        assert!(answer.text.contains(DISABLED) || answer.text.contains(INVALID), "{answer:?}");
        None
    }

    /// Changes a principal or group as the admin; whether it happened.
    async fn patch(&self, person: &Person, operation: Value) -> bool {
        let answer = self.govern(Method::PATCH, &person.path(), json!({"Operations": [operation]})).await;
        answer.is_some_and(|answer| {
            assert_eq!(answer.status, 200, "{answer:?}");
            true
        })
    }

    async fn set_member(&self, group: usize, member: usize, joined: bool) -> bool {
        let (op, id) = (if joined { "add" } else { "remove" }, &self.people[member].id);
        self.patch(&self.people[group], json!({"op": op, "path": "members", "value": [{"value": id}]})).await
    }

    fn add(&mut self, owner: usize, value: String, days: i64) {
        let id = TokenValue::parse(&value).unwrap().id().to_string();
        let (created, expiry) = (self.model.now, self.model.now + days * DAY_MS);
        self.model.tokens.push(ModelToken { owner, value, id, created, expiry, last_used: None, ended: false });
    }

    /// Checks the answer to a creation for somebody who may have the token.
    fn created(&mut self, owner: usize, days: Option<i64>, answer: &Answer) {
        let days = days.unwrap_or(self.model.cap_days);
        if days > self.model.cap_days {
            answer.refused(400, "INVALID_PARAMETER_VALUE", "exceeds the maximum");
            return;
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        let json = answer.json();
        self.add(owner, json["token_value"].as_str().unwrap().to_owned(), days);
        let token = self.model.tokens.last().unwrap();
        assert_eq!(
            (&json["token_info"]["token_id"], &json["token_info"]["expiry_time"]),
            (&json!(token.id), &json!(token.expiry))
        );
    }

    /// Tokens of owners: what they do themselves, and what the admin does with them.
    pub(super) async fn token_step(&mut self, step: &Step) {
        let count = self.model.tokens.len();
        match *step {
            Step::Create { owner, days } => {
                let Some(caller) = self.model.caller(owner) else { return };
                let body = json!({"lifetime_seconds": days.map(|days| days * 86_400)});
                let answer = self.world.client(&self.model.tokens[caller].value).post(CREATE, &body).await;
                self.model.used(caller);
                self.created(owner, days, &answer);
            }
            Step::OnBehalfOf { robot, days } => {
                let body = json!({"application_id": self.people[robot].name, "lifetime_seconds": days.map(|days| days * 86_400)});
                let Some(answer) = self.govern(Method::POST, ON_BEHALF_OF, body).await else { return };
                if !self.model.present[robot] {
                    answer.refused(404, "RESOURCE_DOES_NOT_EXIST", &self.people[robot].name);
                } else if !self.model.may(robot) {
                    answer.refused(403, "PERMISSION_DENIED", "does not have permission to use tokens");
                } else {
                    self.created(robot, days, &answer);
                }
            }
            Step::SignIn { user } if self.model.present[user] && self.model.enabled && self.model.may(user) => {
                let value = self.world.mint(self.people[user].principal_id(), |_| {}).await;
                self.add(user, value, 730);
            }
            Step::Use { token } if count > 0 => {
                let token = token % count;
                let answer = self.world.client(&self.model.tokens[token].value).get(LIST).await;
                match self.model.refusal(&self.model.tokens[token]) {
                    None => assert_eq!(answer.status, 200, "{answer:?}"),
                    Some((status, text)) => {
                        assert_eq!(answer.status.as_u16(), status, "{answer:?}");
                        assert!(answer.text.contains(text), "{answer:?}");
                    }
                }
                if answer.status == 200 {
                    self.model.used(token);
                }
            }
            Step::Delete { owner, token } if count > 0 => {
                let Some(caller) = self.model.caller(owner) else { return };
                let token = &self.model.tokens[token % count];
                let (id, own) = (token.id.clone(), token.owner == owner && self.model.live(token));
                let client = self.world.client(&self.model.tokens[caller].value);
                let answer = client.post(DELETE, &json!({ "token_id": id })).await;
                assert_eq!(answer.status.as_u16(), if own { 200 } else { 404 }, "{answer:?}");
                self.model.used(caller);
                self.model.end(|_, token| own && token.id == id);
            }
            Step::Revoke { token } if count > 0 => {
                let token = &self.model.tokens[token % count];
                let (id, managed) = (token.id.clone(), self.model.managed(token));
                let Some(answer) = self.govern(Method::DELETE, &format!("{MANAGED}/{id}"), json!({})).await else {
                    return;
                };
                assert_eq!(answer.status.as_u16(), if managed { 200 } else { 404 }, "{answer:?}");
                self.model.end(|_, token| managed && token.id == id);
            }
            _ => {}
        }
    }

    /// What the admin decides for the workspace.
    pub(super) async fn workspace_step(&mut self, step: &Step) {
        match *step {
            Step::Toggle(enabled) => {
                let body = json!({"enableTokensConfig": enabled.to_string()});
                if self.govern(Method::PATCH, CONF, body.clone()).await.is_none() {
                    // The admin is locked out, so the control API enables tokens.
                    self.world.anonymous().own(Method::PATCH, "workspaces/default/conf", &body).await;
                }
                self.model.enabled = enabled;
            }
            Step::Cap(days) => {
                let body = json!({"maxTokenLifetimeDays": days.to_string()});
                let Some(answer) = self.govern(Method::PATCH, CONF, body).await else { return };
                assert_eq!(answer.status, 204, "{answer:?}");
                self.model.cap_days = if days == 0 { 730 } else { days };
            }
            Step::Permit { replace, holders } => {
                let named: Vec<usize> = (0..HOLDERS).filter(|holder| holders[*holder]).collect();
                let list = named.iter().map(|holder| self.people[*holder].may("CAN_USE"));
                let list: Vec<Value> = list.chain([admins_may_manage()]).collect();
                let method = if replace { Method::PUT } else { Method::PATCH };
                let body = json!({ "access_control_list": list });
                let Some(answer) = self.govern(method, PERMISSIONS, body).await else { return };
                if named.iter().any(|holder| *holder < OWNERS && !self.model.present[*holder]) {
                    answer.refused(404, "RESOURCE_DOES_NOT_EXIST", "does not exist");
                    return;
                }
                assert_eq!(answer.status, 200, "{answer:?}");
                let before = self.model.permitted;
                self.model.permitted = std::array::from_fn(|holder| holders[holder] || (!replace && before[holder]));
                let removed = std::array::from_fn(|holder| before[holder] && !self.model.permitted[holder]);
                self.model.settle(removed);
            }
            Step::Loss(loss) => {
                self.world.behave(&json!({ "permission_loss": loss })).await;
                self.model.loss = loss;
            }
            Step::Nest(nested) if self.set_member(OUTER, INNER, nested).await => {
                self.model.nested = nested;
                self.model.settle([false; HOLDERS]);
            }
            Step::Advance { ms } => {
                self.world.clock.advance(ms);
                self.model.now += ms;
                // The admin's token, too, would be revoked after 90 days without use.
                self.admin = self.world.mint(self.world.admin_id().await, |_| {}).await;
            }
            Step::Restart => self.world.restart().await,
            _ => {}
        }
    }

    /// Steps that change principals and memberships.
    pub(super) async fn people_step(&mut self, step: &Step) {
        match *step {
            Step::Join { owner, joined } if self.model.present[owner] => {
                if !self.set_member(INNER, owner, joined).await {
                    return;
                }
                self.model.in_inner[owner] = joined;
            }
            Step::Activate { owner, active } if self.model.present[owner] => {
                let operation = json!({"op": "replace", "path": "active", "value": active});
                if !self.patch(&self.people[owner], operation).await {
                    return;
                }
                self.model.active[owner] = active;
            }
            Step::Remove { owner } => {
                let path = self.people[owner].path();
                let Some(answer) = self.govern(Method::DELETE, &path, json!({})).await else { return };
                assert_eq!(answer.status.as_u16(), if self.model.present[owner] { 204 } else { 404 }, "{answer:?}");
                if !self.model.present[owner] {
                    return;
                }
                // Its memberships and permissions go, and its tokens permanently.
                self.model.end(|_, token| token.owner == owner);
                (self.model.present[owner], self.model.permitted[owner], self.model.in_inner[owner]) =
                    (false, false, false);
            }
            Step::BringBack { owner } => {
                let Person { kind, id, name } = self.people[owner].clone();
                let body = json!({kind.name_attribute(): name});
                let Some(answer) = self.govern(Method::POST, kind.collection(), body).await else { return };
                if self.model.present[owner] {
                    assert_eq!(answer.status, 409, "{answer:?}");
                    return;
                }
                assert_eq!((answer.status.as_u16(), &answer.json()["id"]), (201, &json!(id)));
                (self.model.present[owner], self.model.active[owner]) = (true, true);
            }
            _ => return,
        }
        self.model.settle([false; HOLDERS]);
    }

    /// Compares what owners and the admin see.
    pub(super) async fn look(&mut self, step: &Step) {
        let sorted = |mut ids: Vec<String>| {
            ids.sort();
            ids
        };
        for owner in 0..OWNERS {
            let Some(caller) = self.model.caller(owner) else { continue };
            let listed = self.world.client(&self.model.tokens[caller].value).own_ids().await;
            self.model.used(caller);
            let expected = self.model.tokens.iter().filter(|token| token.owner == owner && self.model.live(token));
            let expected = expected.map(|token| token.id.clone()).collect();
            assert_eq!(sorted(listed), sorted(expected), "the list of {owner} after {step:?}");
        }
        let Some(answer) = self.govern(Method::GET, MANAGED, json!({})).await else { return };
        let json = answer.json();
        let rows = json["token_infos"].as_array().unwrap().iter();
        let seen = rows.filter(|row| self.people.iter().any(|person| row["owner_id"] == person.principal_id().0));
        let seen = seen.map(|row| {
            let token = self.model.tokens.iter().find(|token| row["token_id"] == token.id.as_str()).unwrap();
            let day = token.last_used.map(|used| used - used % DAY_MS);
            assert_eq!(row.get("last_used_day").and_then(Value::as_i64), day, "{row} after {step:?}");
            token.id.clone()
        });
        let expected = self.model.tokens.iter().filter(|token| self.model.managed(token));
        let expected = expected.map(|token| token.id.clone()).collect();
        assert_eq!(sorted(seen.collect()), sorted(expected), "the admin's list after {step:?}");
    }
}
