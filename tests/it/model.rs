//! Random histories on the server and on a model of it that fits on a page: what a client can see
//! must agree at every step. On a failure proptest shrinks the history to the shortest that differs.

use dapi_mock::domain::PrincipalId;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use crate::harness::{Backend, DAY_MS, World};

#[derive(Clone, Debug)]
enum Step {
    Create { user: usize, lifetime_days: Option<i64> },
    Use { token: usize },
    Delete { user: usize, token: usize },
    Toggle(bool),
    Cap(i64),
    Permit(bool),
    Activate { user: usize, active: bool },
    Advance { ms: i64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let advance = prop_oneof![
        Just(1),
        Just(1000),
        Just(DAY_MS),
        Just(29 * DAY_MS),
        Just(89 * DAY_MS),
        Just(90 * DAY_MS - 1),
        Just(90 * DAY_MS),
        0..DAY_MS
    ];
    prop_oneof![
        6 => (0..USERS, prop_oneof![Just(None), (1..=100_i64).prop_map(Some)]).prop_map(|(user, lifetime_days)| Step::Create { user, lifetime_days }),
        6 => any::<usize>().prop_map(|token| Step::Use { token }),
        3 => (0..USERS, any::<usize>()).prop_map(|(user, token)| Step::Delete { user, token }),
        1 => any::<bool>().prop_map(Step::Toggle),
        1 => prop_oneof![Just(0), 1..=100_i64].prop_map(Step::Cap),
        1 => any::<bool>().prop_map(Step::Permit),
        1 => (0..USERS, any::<bool>()).prop_map(|(user, active)| Step::Activate { user, active }),
        3 => advance.prop_map(|ms| Step::Advance { ms }),
        1 => Just(Step::Restart),
    ]
}

const USERS: usize = 3;

struct ModelToken {
    owner: usize,
    value: String,
    id: String,
    expiry: i64,
    created: i64,
    last_used: Option<i64>,
    deleted: bool,
}

struct Model {
    now: i64,
    enabled: bool,
    cap_days: i64,
    permitted: bool,
    active: [bool; USERS],
    tokens: Vec<ModelToken>,
}

impl Model {
    fn live(&self, token: &ModelToken) -> bool {
        !token.deleted && self.now < token.expiry && self.now < token.last_used.unwrap_or(token.created) + 90 * DAY_MS
    }

    /// The status that a call with the token gets at a token endpoint.
    fn status(&self, token: &ModelToken) -> u16 {
        if !self.enabled {
            404
        } else if !self.live(token) || !self.active[token.owner] || !self.permitted {
            403
        } else {
            200
        }
    }

    /// Any of the user's working tokens, to call with.
    fn caller(&self, user: usize) -> Option<usize> {
        self.tokens.iter().position(|token| token.owner == user && self.status(token) == 200)
    }

    fn used(&mut self, token: usize) {
        let now = self.now;
        let token = &mut self.tokens[token];
        if token.last_used.is_none_or(|used| now - used >= 1000) {
            token.last_used = Some(now);
        }
    }
}

#[expect(clippy::too_many_lines, reason = "a history's steps are read one below the other")]
async fn play(backend: Backend, steps: &[Step]) {
    let mut world = World::new(backend).await;
    let mut users: Vec<PrincipalId> = Vec::new();
    for user in 0..USERS {
        users.push(world.add_user(&format!("user{user}@example.com")).await);
    }
    let mut model = Model {
        now: world.now().0,
        enabled: true,
        cap_days: 730,
        permitted: true,
        active: [true; USERS],
        tokens: Vec::new(),
    };
    for (user, id) in users.iter().enumerate() {
        let value = world.mint(*id, |token| token.last_used = Some(token.creation_time)).await;
        let id = dapi_mock::domain::token::TokenValue::parse(&value).unwrap().id().to_string();
        let (expiry, created, last_used) = (model.now + 730 * DAY_MS, model.now, Some(model.now));
        model.tokens.push(ModelToken { owner: user, value, id, expiry, created, last_used, deleted: false });
    }
    for step in steps {
        match step {
            Step::Create { user, lifetime_days } => {
                let Some(caller) = model.caller(*user) else { continue };
                let body = json!({"lifetime_seconds": lifetime_days.map(|days| days * 86_400)});
                let answer = world.client(&model.tokens[caller].value).post("/api/2.0/token/create", &body).await;
                model.used(caller);
                let days = lifetime_days.unwrap_or(model.cap_days);
                if days > model.cap_days {
                    assert_eq!(answer.status, 400, "{step:?}");
                    continue;
                }
                assert_eq!(answer.status, 200, "{step:?}: {answer:?}");
                let json = answer.json();
                let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
                let token = ModelToken {
                    owner: *user,
                    value: text(&json["token_value"]),
                    id: text(&json["token_info"]["token_id"]),
                    expiry: model.now + days * DAY_MS,
                    created: model.now,
                    last_used: None,
                    deleted: false,
                };
                assert_eq!(json["token_info"]["expiry_time"], token.expiry);
                model.tokens.push(token);
            }
            Step::Use { token } => {
                let token = token % model.tokens.len();
                let answer = world.client(&model.tokens[token].value).get("/api/2.0/token/list").await;
                assert_eq!(answer.status.as_u16(), model.status(&model.tokens[token]), "{step:?}: {answer:?}");
                if answer.status == 200 {
                    model.used(token);
                }
            }
            Step::Delete { user, token } => {
                let Some(caller) = model.caller(*user) else { continue };
                let token = token % model.tokens.len();
                let body = json!({"token_id": model.tokens[token].id});
                let answer = world.client(&model.tokens[caller].value).post("/api/2.0/token/delete", &body).await;
                model.used(caller);
                let own = model.tokens[token].owner == *user && model.live(&model.tokens[token]);
                assert_eq!(answer.status.as_u16(), if own { 200 } else { 404 }, "{step:?}: {answer:?}");
                model.tokens[token].deleted |= own;
            }
            Step::Toggle(enabled) => {
                world.set_conf("enableTokensConfig", &enabled.to_string()).await;
                model.enabled = *enabled;
            }
            Step::Cap(days) => {
                world.set_conf("maxTokenLifetimeDays", &days.to_string()).await;
                model.cap_days = if *days == 0 { 730 } else { *days };
            }
            Step::Permit(permitted) => {
                world.permit_users(*permitted).await;
                model.permitted = *permitted;
            }
            Step::Activate { user, active } => {
                world.set_active(users[*user], *active).await;
                model.active[*user] = *active;
            }
            Step::Advance { ms } => {
                world.clock.advance(*ms);
                model.now += ms;
            }
            Step::Restart => world.restart().await,
        }
        for user in 0..USERS {
            let Some(caller) = model.caller(user) else { continue };
            let mut expected: Vec<String> = model
                .tokens
                .iter()
                .filter(|token| token.owner == user && model.live(token))
                .map(|token| token.id.clone())
                .collect();
            let mut listed = world.client(&model.tokens[caller].value).own_ids().await;
            model.used(caller);
            expected.sort();
            listed.sort();
            assert_eq!(listed, expected, "after {step:?}");
        }
    }
}

fn agree(backend: Backend, cases: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let history = prop::collection::vec(step(), 1..40);
    runner
        .run(&history, |steps| {
            runtime.block_on(play(backend, &steps));
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_server_agrees_with_the_model_on_memory() {
    agree(Backend::Memory, 150);
}

#[test]
fn the_server_agrees_with_the_model_on_a_sqlite_file() {
    agree(Backend::File, 30);
}

#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[test]
fn the_server_agrees_with_the_model_on_postgres() {
    agree(Backend::Postgres, 30);
}
