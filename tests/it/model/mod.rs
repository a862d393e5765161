//! Random histories run on the server and on a model that fits on a page; at every step a client must see the same on both.
//! On a failure proptest shrinks the history to the shortest one that differs.

mod game;

use game::Game;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{Backend, DAY_MS, DISABLED, INVALID, NO_PERMISSION};

/// Two users and two service principals…
const OWNERS: usize = 4;

const ROBOTS: std::ops::Range<usize> = 2..4;

/// …and who may hold the permission: each of them, everybody, the group that some are in, and the
/// group that this group may be in.
const EVERYBODY: usize = 4;

const INNER: usize = 5;
const OUTER: usize = 6;
const HOLDERS: usize = 7;

#[derive(Clone, Debug)]
enum Step {
    Create { owner: usize, days: Option<i64> },
    OnBehalfOf { robot: usize, days: Option<i64> },
    SignIn { user: usize },
    Use { token: usize },
    Delete { owner: usize, token: usize },
    Revoke { token: usize },
    Toggle(bool),
    Cap(i64),
    Permit { replace: bool, holders: [bool; HOLDERS] },
    Join { owner: usize, joined: bool },
    Nest(bool),
    Loss(&'static str),
    Activate { owner: usize, active: bool },
    Remove { owner: usize },
    BringBack { owner: usize },
    Advance { ms: i64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let advance = prop_oneof![
        Just(1),
        Just(1000),
        Just(DAY_MS),
        Just(29 * DAY_MS),
        Just(30 * DAY_MS),
        Just(89 * DAY_MS),
        Just(90 * DAY_MS - 1),
        Just(90 * DAY_MS),
        0..DAY_MS
    ];
    let days = || prop_oneof![Just(None), (1..=100_i64).prop_map(Some)];
    let token = any::<usize>;
    prop_oneof![
        6 => (0..OWNERS, days()).prop_map(|(owner, days)| Step::Create { owner, days }),
        3 => (ROBOTS, days()).prop_map(|(robot, days)| Step::OnBehalfOf { robot, days }),
        2 => (0..ROBOTS.start).prop_map(|user| Step::SignIn { user }),
        6 => token().prop_map(|token| Step::Use { token }),
        2 => (0..OWNERS, token()).prop_map(|(owner, token)| Step::Delete { owner, token }),
        1 => token().prop_map(|token| Step::Revoke { token }),
        2 => prop::bool::weighted(0.7).prop_map(Step::Toggle),
        1 => prop_oneof![Just(0), 1..=100_i64].prop_map(Step::Cap),
        4 => (any::<bool>(), prop::array::uniform7(prop::bool::weighted(0.2))).prop_map(|(replace, holders)| Step::Permit { replace, holders }),
        2 => (0..OWNERS, any::<bool>()).prop_map(|(owner, joined)| Step::Join { owner, joined }),
        1 => any::<bool>().prop_map(Step::Nest),
        2 => prop::sample::select(vec!["suspend", "delete", "mixed"]).prop_map(Step::Loss),
        1 => (0..OWNERS, any::<bool>()).prop_map(|(owner, active)| Step::Activate { owner, active }),
        1 => (0..OWNERS).prop_map(|owner| Step::Remove { owner }),
        2 => (0..OWNERS).prop_map(|owner| Step::BringBack { owner }),
        3 => advance.prop_map(|ms| Step::Advance { ms }),
        1 => Just(Step::Restart),
    ]
}

struct ModelToken {
    owner: usize,
    value: String,
    id: String,
    created: i64,
    expiry: i64,
    last_used: Option<i64>,
    ended: bool,
}

struct Model {
    now: i64,
    enabled: bool,
    cap_days: i64,
    loss: &'static str,
    permitted: [bool; HOLDERS],
    in_inner: [bool; OWNERS],
    nested: bool,
    present: [bool; OWNERS],
    active: [bool; OWNERS],
    tokens: Vec<ModelToken>,
}

impl Model {
    fn used_in_time(&self, token: &ModelToken) -> bool {
        self.now < token.last_used.unwrap_or(token.created) + 90 * DAY_MS
    }

    fn live(&self, token: &ModelToken) -> bool {
        !token.ended && self.now < token.expiry && self.used_in_time(token)
    }

    /// Expired tokens stay in the admin's list for 30 days.
    fn managed(&self, token: &ModelToken) -> bool {
        !token.ended && self.now < token.expiry + 30 * DAY_MS && self.used_in_time(token)
    }

    fn may(&self, owner: usize) -> bool {
        let through_inner = self.permitted[INNER] || (self.nested && self.permitted[OUTER]);
        self.permitted[owner] || self.permitted[EVERYBODY] || (self.in_inner[owner] && through_inner)
    }

    /// The refusal of a call to a token endpoint with this token, if any.
    fn refusal(&self, token: &ModelToken) -> Option<(u16, &'static str)> {
        if !self.enabled {
            Some((404, DISABLED))
        } else if !self.live(token) {
            Some((403, INVALID))
        } else if !self.active[token.owner] {
            Some((403, "Invalid access to Org"))
        } else if !self.may(token.owner) {
            Some((403, NO_PERMISSION))
        } else {
            None
        }
    }

    /// Any of the owner's working tokens, to call with.
    fn caller(&self, owner: usize) -> Option<usize> {
        self.tokens.iter().position(|token| token.owner == owner && self.refusal(token).is_none())
    }

    fn used(&mut self, token: usize) {
        let now = self.now;
        let token = &mut self.tokens[token];
        if token.last_used.is_none_or(|used| now - used >= 1000) {
            token.last_used = Some(now);
        }
    }

    fn end(&mut self, ends: impl Fn(&Self, &ModelToken) -> bool) {
        let ended: Vec<bool> = self.tokens.iter().map(|token| ends(self, token)).collect();
        for (token, ended) in self.tokens.iter_mut().zip(ended) {
            token.ended |= ended;
        }
    }

    /// After a change of entries or groups, principals that lost the permission may lose their tokens
    /// (docs/reference/governance.md).
    fn settle(&mut self, entry_removed: [bool; HOLDERS]) {
        self.end(|model, token| {
            let deletes = match model.loss {
                "delete" => true,
                "mixed" => entry_removed[token.owner],
                _ => false,
            };
            deletes && model.live(token) && !model.may(token.owner)
        });
    }
}

async fn play(backend: Backend, steps: &[Step]) {
    let mut game = Game::new(backend).await;
    for user in 0..OWNERS {
        game.token_step(&Step::SignIn { user }).await;
    }
    for step in steps {
        game.token_step(step).await;
        game.workspace_step(step).await;
        game.people_step(step).await;
        game.look(step).await;
    }
}

fn agree(backend: Backend, cases: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // PROPTEST_CASES=3000 runs more cases than an ordinary run has time for.
    let asked = Config::default().cases;
    let cases = if asked == 256 { cases } else { asked };
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
    agree(Backend::Memory, 60);
}

#[test]
fn the_server_agrees_with_the_model_on_a_sqlite_file() {
    agree(Backend::File, 15);
}

#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[test]
fn the_server_agrees_with_the_model_on_postgres() {
    agree(Backend::Postgres, 15);
}
