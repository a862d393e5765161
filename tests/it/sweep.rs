//! The timing of the sweep has no visible effect, whatever the history.

use axum::body::Body;
use axum::http::Method;
use dapi_mock::domain::authorize::{
    Check, CredentialRecord, Demand, Facts, NamedWorkspace, PresentedCredential, authorize,
};
use dapi_mock::domain::tokens::TokenValue;
use dapi_mock::domain::{PrincipalId, TokenId};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::{Answer, Backend, Client, DAY_MS, MANAGED, World};

#[derive(Clone, Debug)]
enum Step {
    Create {
        user: usize,
        lifetime_days: Option<i64>,
        autoscope: bool,
    },
    Use {
        token: usize,
        elsewhere: bool,
    },
    Revoke {
        token: usize,
    },
    Deactivate {
        user: usize,
        active: bool,
    },
    DeleteOwner {
        user: usize,
    },
    Advance {
        ms: i64,
    },
    /// In one of the two worlds only.
    Sweep,
}

const USERS: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    let advance = prop_oneof![
        Just(1),
        Just(DAY_MS),
        Just(30 * DAY_MS),
        Just(60 * DAY_MS - 1),
        Just(89 * DAY_MS),
        Just(90 * DAY_MS - 1),
        Just(90 * DAY_MS),
        0..40 * DAY_MS
    ];
    prop_oneof![
        6 => (0..USERS, prop_oneof![Just(None), (1..=130_i64).prop_map(Some)], any::<bool>()).prop_map(|(user, lifetime_days, autoscope)| Step::Create { user, lifetime_days, autoscope }),
        5 => (any::<usize>(), prop::bool::weighted(0.2)).prop_map(|(token, elsewhere)| Step::Use { token, elsewhere }),
        2 => any::<usize>().prop_map(|token| Step::Revoke { token }),
        1 => (0..USERS, any::<bool>()).prop_map(|(user, active)| Step::Deactivate { user, active }),
        1 => (0..USERS).prop_map(|user| Step::DeleteOwner { user }),
        4 => advance.prop_map(|ms| Step::Advance { ms }),
        4 => Just(Step::Sweep),
    ]
}

/// A world with what was done and seen in it. Ids are shown as labels in their order; those of principals as numbers,
/// because JSON has them as numbers, too.
struct Witness {
    world: World,
    users: Vec<PrincipalId>,
    tokens: Vec<(String, usize)>,
    labels: Vec<(String, String)>,
    seen: Vec<String>,
}

const ELSEWHERE: &str = "dapi00000000000000000000000000000002";

/// A text without the ids that refusals end in.
fn without_request_ids(text: &str) -> String {
    let mut parts = text.split(" [ReqId: ");
    let begin = parts.next().unwrap_or_default().to_owned();
    parts.fold(begin, |text, part| text + part.split_once(']').map_or(part, |(_, rest)| rest))
}

impl Witness {
    async fn new() -> Self {
        let world = World::new(Backend::Memory).await;
        world.add_workspace(77, ELSEWHERE).await;
        let mut users = Vec::new();
        let mut labels = vec![(world.admin_id().await.to_string(), "100".to_owned())];
        for user in 0..USERS {
            let id = world.add_user(&format!("user{user}@example.com")).await;
            labels.push((id.to_string(), format!("10{}", user + 1)));
            users.push(id);
        }
        Self { world, users, tokens: Vec::new(), labels, seen: Vec::new() }
    }

    fn id_of(value: &str) -> TokenId {
        TokenValue::parse(value).unwrap().id()
    }

    fn label(&mut self, value: &str) {
        let number = self.labels.len();
        self.labels.push((value.to_owned(), format!("<value {number}>")));
        self.labels.push((Self::id_of(value).to_string(), format!("<token {number}>")));
    }

    /// A new token of the admin, so that the observer never expires itself.
    async fn operator(&mut self) -> String {
        let admin = self.world.admin_id().await;
        let value = self.world.mint(admin, |token| token.last_used = Some(token.creation_time)).await;
        self.label(&value);
        value
    }

    /// Records an answer, with labels in place of ids and lists sorted by label.
    fn see(&mut self, what: &str, status: u16, json: &Value) {
        let mut text = without_request_ids(&json.to_string());
        for (id, label) in &self.labels {
            text = text.replace(id, label);
        }
        let mut json: Value = serde_json::from_str(&text).unwrap();
        sort_lists(&mut json);
        self.seen.push(format!("{what}: {status} {json}"));
    }

    fn see_answer(&mut self, what: &str, answer: &Answer) {
        let json = serde_json::from_str(&answer.text).unwrap_or(Value::Null);
        self.see(what, answer.status.as_u16(), &json);
    }

    async fn play(&mut self, step: &Step, sweeps: bool) {
        let what = format!("{step:?}");
        let operator = self.operator().await;
        match step {
            Step::Create { user, lifetime_days, autoscope } => {
                let owner = self.users[*user];
                let value = self.world.mint(owner, |token| {
                    token.autoscope_state = autoscope.then(|| "AUTOSCOPE_STATE_RUNNING".to_owned());
                    token.expiry_time = lifetime_days.map(|days| token.creation_time.plus(days * DAY_MS));
                });
                let value = value.await;
                self.label(&value);
                self.tokens.push((value, *user));
            }
            Step::Use { token, elsewhere } => self.use_token(&what, *token, *elsewhere).await,
            Step::Revoke { token } => {
                let Some((value, _)) = self.token(*token) else { return };
                let path = format!("{MANAGED}/{}", Self::id_of(&value));
                let answer = self.world.client(&operator).call(Method::DELETE, &path, Body::empty()).await;
                self.see_answer(&what, &answer);
            }
            Step::Deactivate { user, active } => self.world.set_active(self.users[*user], *active).await,
            Step::DeleteOwner { user } => {
                let path = format!("/api/2.0/preview/scim/v2/Users/{}", self.users[*user]);
                let answer = self.world.client(&operator).call(Method::DELETE, &path, Body::empty()).await;
                self.see_answer(&what, &answer);
            }
            Step::Advance { ms } => self.world.clock.advance(*ms),
            Step::Sweep if sweeps => self.sweep(&operator).await,
            Step::Sweep => {}
        }
        self.look(&what).await;
    }

    fn token(&self, number: usize) -> Option<(String, usize)> {
        self.tokens.get(number % self.tokens.len().max(1)).cloned()
    }

    /// A use, its explanation, and a dry run.
    async fn use_token(&mut self, what: &str, number: usize, elsewhere: bool) {
        let Some((value, user)) = self.token(number) else { return };
        let request = self.world.client(&value).request(&Method::GET, "/api/2.0/token/list");
        let request = if elsewhere { request.header("x-databricks-workspace-id", "77") } else { request };
        let answer = self.world.send(request.body(Body::empty()).unwrap()).await;
        self.see_answer(what, &answer);
        let path = format!("explain/{}", answer.header("x-request-id"));
        let mut explained = self.world.admin().own(Method::GET, &path, &json!({})).await.json();
        explained.as_object_mut().unwrap().remove("request_id");
        self.see(what, 0, &explained);
        let dry = json!({
            "as": format!("user{user}@example.com"), "method": "GET", "path": "/api/2.0/token/list",
            "token_id": Self::id_of(&value).as_str(),
        });
        let dry = self.world.admin().own(Method::POST, "workspaces/default/explain", &dry).await;
        self.see_answer(what, &dry);
    }

    /// What the admin and the control API show.
    async fn look(&mut self, what: &str) {
        let operator = self.operator().await;
        let managed = self.world.client(&operator).get(MANAGED).await;
        self.see_answer(what, &managed);
        let histories = self.own(&operator, "tokens").await;
        self.see_answer(what, &histories);
        let upcoming = self.own(&operator, "clock/upcoming").await;
        self.see_answer(what, &upcoming);
    }

    async fn own(&self, operator: &str, path: &str) -> Answer {
        let client: Client<'_> = self.world.client(operator);
        client.own(Method::GET, &format!("workspaces/default/{path}"), &json!({})).await
    }

    /// The sweep ends exactly the tokens that authentication refuses for inactivity, and the expired ones that are in no list
    /// any more.
    async fn sweep(&mut self, operator: &str) {
        let managed = self.world.client(operator).get(MANAGED).await.text;
        let workspace = self.world.workspace().await;
        let (system, mut expected) = (self.world.now(), Vec::new());
        let stored = async |id: &TokenId| {
            let mut reader = self.world.service.store().read().await.unwrap();
            reader.find_token(workspace.id, id).await.unwrap()
        };
        for (value, _) in &self.tokens {
            let id = Self::id_of(value);
            let Some(token) = stored(&id).await else { continue };
            let (found, workspace) = (CredentialRecord::Token(token), Some(workspace.clone()));
            let facts = Facts { workspace, token_belongs_to: None, found, owner: None };
            let presented = PresentedCredential::Token(id.clone());
            let decision = authorize(&presented, &NamedWorkspace::Unnamed, Demand::UNROUTED, facts, system);
            let decided = decision.trace.last().unwrap().check;
            let vacuumed = decided == Check::NotExpired && !managed.contains(id.as_str());
            expected.push((id, decided == Check::NotInactive || vacuumed));
        }
        self.world.service.sweep(workspace.id).await.unwrap();
        for (id, ends) in expected {
            assert_eq!(stored(&id).await.is_none(), ends, "{id}");
        }
    }

    /// Every use, every token by name, and the audit log, whose order of writing may differ.
    async fn end(mut self) -> Vec<String> {
        for number in 0..self.tokens.len() {
            self.use_token("at the end", number, false).await;
            let operator = self.operator().await;
            let path = format!("{MANAGED}/{}", Self::id_of(&self.tokens[number].0));
            let answer = self.world.client(&operator).get(&path).await;
            self.see_answer("at the end", &answer);
        }
        let operator = self.operator().await;
        let log = self.own(&operator, "audit").await;
        let mut events = Vec::new();
        for line in log.text.lines() {
            let mut event: Value = serde_json::from_str(line).unwrap();
            let object = event.as_object_mut().unwrap();
            object.remove("requestId");
            object.remove("accountId");
            events.push(event);
        }
        self.see("the audit log", 0, &events.into());
        self.seen
    }
}

fn sort_lists(json: &mut Value) {
    match json {
        Value::Array(items) => {
            items.iter_mut().for_each(sort_lists);
            items.sort_by_key(ToString::to_string);
        }
        Value::Object(members) => members.values_mut().for_each(sort_lists),
        _ => {}
    }
}

#[test]
fn for_any_history_sweeping_more_or_less_often_changes_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 40, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let history = prop::collection::vec(step(), 1..30);
    runner
        .run(&history, |steps| {
            runtime.block_on(async {
                let (mut swept, mut never) = (Witness::new().await, Witness::new().await);
                for step in &steps {
                    swept.play(step, true).await;
                    never.play(step, false).await;
                }
                let (swept, never) = (swept.end().await, never.end().await);
                for (swept, never) in swept.iter().zip(&never) {
                    prop_assert_eq!(swept, never);
                }
                prop_assert_eq!(swept.len(), never.len());
                Ok(())
            })
        })
        .unwrap();
}
