//! Several processes on one PostgreSQL are one server: what is changed through one is in force on all at the next
//! request, and what is to happen once happens once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use dapi_mock::domain::audit::{Filter, Origin};
use dapi_mock::domain::authorize::{Caller, Demand, NamedWorkspace, Presented};
use dapi_mock::domain::tokens::{TokenRequest, TokenValue};
use dapi_mock::domain::tripwire::Reaction;
use dapi_mock::domain::{CheckpointName, WorkspaceId};
use dapi_mock::service::{
    ADMIN_CLIENT_ID, AdminRestrictionChange, Call, Error, JournalLimits, NewWorkspace, SecretOwner, StoreError,
};
use dapi_mock::store::{Database, Lock, Store, TABLES_KEPT, tables_put_back};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{ADMIN_SECRET, ADMIN_TOKEN, Answer, Backend, DAY_MS, World, fresh_postgres_database};
use crate::outages::eventually;
use crate::people::admins_may_manage;
use crate::process::{get, start};

const LIST: &str = "/api/2.0/token/list";
const CONF: &str = "/api/2.0/workspace-conf";
const ACL: &str = "/api/2.0/permissions/authorization/tokens";
const INVALID: &str = "Invalid access token.";

/// Stamps each test on two processes.
macro_rules! on_two_replicas {
    ($($name:ident),* $(,)?) => {
        mod on_postgres {
            $(#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
            #[tokio::test]
            async fn $name() {
                let one = $crate::harness::World::new($crate::harness::Backend::Postgres).await;
                let other = one.replica().await;
                super::$name(one, other).await;
            })*
        }
    };
}

on_two_replicas!(
    a_change_through_one_is_in_force_on_the_other_at_the_next_request,
    a_fault_fires_as_often_as_it_says_over_both,
    workspaces_come_and_go_on_both,
    access_tokens_and_their_secrets_are_the_same_on_both,
    sweeps_at_the_same_time_end_each_token_once,
    what_was_checked_before_an_exchange_writes_nothing_after_it,
    a_login_that_meets_an_exchange_is_checked_again,
    a_request_through_one_is_explained_through_the_other,
    the_journal_is_of_both_in_order_each_once,
    what_empties_the_journal_empties_it_for_both,
    no_secret_is_in_the_shared_journal,
    the_shared_journal_keeps_to_its_limits,
    what_is_expired_stays_so_where_the_systems_clock_is_behind,
);

/// Clocks of machines differ. What one process has refused as expired, no other accepts.
async fn what_is_expired_stays_so_where_the_systems_clock_is_behind(one: World, _: World) {
    let behind = one.replica_at(one.now().plus(-3_600_000)).await;
    let (token, _) = one.admin().create(&json!({"lifetime_seconds": 60})).await;
    let access = one.access_token(&ADMIN_CLIENT_ID.to_string(), ADMIN_SECRET).await;
    for (credential, passed) in [(&token, 60_000), (&access, 3_600_000)] {
        for world in [&one, &behind] {
            assert_eq!(world.client(credential).get(LIST).await.status, 200);
        }
        one.clock.advance(passed);
        for world in [&one, &behind] {
            assert_eq!(world.client(credential).get(LIST).await.status, 403);
        }
    }
    one.service.persist_time().await.unwrap();
    behind.service.persist_time().await.unwrap();
    assert_eq!(behind.service.system_now(), one.service.system_now());
}

/// A change through one process, by the emulated API or the own one, and what the other then says to a user's token.
struct Change {
    method: Method,
    path: &'static str,
    body: Value,
    then: (u16, &'static str),
    /// What undoes it, where something does.
    undo: Option<(Method, &'static str, Value)>,
}

fn change(method: Method, path: &'static str, body: Value, then: (u16, &'static str)) -> Change {
    Change { method, path, body, then, undo: None }
}

impl Change {
    fn undone(self, method: Method, path: &'static str, body: Value) -> Self {
        Self { undo: Some((method, path, body)), ..self }
    }
}

/// `{token}` and `{user}` in a path stand for the ids of the user's token and of the user.
fn changes() -> Vec<Change> {
    let scim = |active: bool| json!({"Operations": [{"op": "replace", "path": "active", "value": active}]});
    let user = "/api/2.0/preview/scim/v2/Users/{user}";
    let users = json!({"group_name": "users", "permission_level": "CAN_USE"});
    let entry = json!({"access_control_list": [users, admins_may_manage()]});
    let nobody = json!({"access_control_list": [admins_may_manage()]});
    let conf = "own:workspaces/default/conf";
    let no_permission = (403, "User does not have permission to use tokens.");
    vec![
        change(Method::DELETE, "/api/2.0/token-management/tokens/{token}", json!({}), (403, INVALID)),
        change(Method::PATCH, CONF, json!({"enableTokensConfig": "false"}), (404, "Tokens are disabled.")).undone(
            Method::PATCH,
            conf,
            json!({"enableTokensConfig": "true"}),
        ),
        change(Method::PUT, ACL, nobody, no_permission).undone(Method::PUT, ACL, entry),
        change(Method::PATCH, user, scim(false), (403, "")).undone(Method::PATCH, user, scim(true)),
        change(Method::DELETE, user, json!({}), (403, INVALID)),
        change(Method::POST, "own:workspaces/default/clock/advance", json!({"by": "91d"}), (403, INVALID)),
        change(Method::POST, "own:workspaces/default/faults", json!({"effect": {"status": 429}}), (429, "")).undone(
            Method::DELETE,
            "own:workspaces/default/faults",
            json!({}),
        ),
        change(Method::POST, "own:workspaces/default/reset", json!({}), (403, INVALID)),
    ]
}

async fn send(world: &World, method: Method, path: &str, body: &Value) -> Answer {
    let answer = match path.strip_prefix("own:") {
        Some(path) => world.admin().own(method, path, body).await,
        None => world.admin().call(method, path, body.to_string()).await,
    };
    assert!(answer.status.is_success(), "{path}: {answer:?}");
    answer
}

async fn a_change_through_one_is_in_force_on_the_other_at_the_next_request(one: World, other: World) {
    for (number, Change { method, path, body, then, undo }) in changes().into_iter().enumerate() {
        // Both ways, on users of their own.
        for (one, other) in [(&one, &other), (&other, &one)] {
            let (id, token) = one.user_with_token(&format!("user{number}@example.com")).await;
            let value = TokenValue::parse(&token).unwrap();
            assert_eq!(other.client(&token).get(LIST).await.status, 200, "{path}");
            let filled = |path: &str| path.replace("{token}", value.id().as_str()).replace("{user}", &id.to_string());
            send(one, method.clone(), &filled(path), &body).await;
            let answer = other.client(&token).get(LIST).await;
            assert_eq!(answer.status, then.0, "{method} {path} {body}: {answer:?}");
            assert!(answer.text.contains(then.1), "{method} {path} {body}: {answer:?}");
            if let Some((method, path, body)) = &undo {
                send(one, method.clone(), &filled(path), body).await;
                assert_eq!(other.client(&token).get(LIST).await.status, 200, "{path} is undone");
            }
            send(one, Method::POST, "own:workspaces/default/reset", &json!({})).await;
        }
    }
}

async fn a_fault_fires_as_often_as_it_says_over_both(one: World, other: World) {
    for times in [1, 5] {
        let rule = json!({"times": times, "effect": {"status": 503}});
        send(&one, Method::POST, "own:workspaces/default/faults", &rule).await;
        let asked = (0..20).map(async |n| if n % 2 == 0 { &one } else { &other }.admin().get(LIST).await.status);
        let refused = join_all(asked).await.into_iter().filter(|status| *status == 503).count();
        assert_eq!(refused, times);
        send(&other, Method::DELETE, "own:workspaces/default/faults", &json!({})).await;
    }
}

async fn workspaces_come_and_go_on_both(one: World, other: World) {
    let made = send(&one, Method::POST, "own:workspaces", &json!({})).await.json();
    let (id, token) = (made["id"].as_str().unwrap(), made["admin_token"].as_str().unwrap());
    assert_eq!(other.client(token).get(LIST).await.status, 200);
    send(&other, Method::PUT, &format!("own:workspaces/{id}/checkpoints/before"), &json!({})).await;
    let (late, _) = one.client(token).create(&json!({})).await;
    assert_eq!(other.client(&late).get(LIST).await.status, 200);
    send(&one, Method::POST, &format!("own:workspaces/{id}/reset"), &json!({"to": "before"})).await;
    other.client(&late).get(LIST).await.refused(403, 403, INVALID);
    send(&other, Method::DELETE, &format!("own:workspaces/{id}"), &json!({})).await;
    one.client(token).get(LIST).await.refused(403, 403, INVALID);

    // What it remembers of the workspace goes with the next sweep, and so does the port that it may have.
    let (id, kept) = (WorkspaceId::parse(id).unwrap(), one.workspace().await.id);
    one.client(ADMIN_TOKEN).get(LIST).await;
    assert_eq!(one.service.forget_deleted_workspaces(vec![id, kept]).await.unwrap(), HashSet::from([id]));
    assert!(one.service.forget_deleted_workspaces(vec![]).await.unwrap().is_empty());

    // Those made for a time are removed once, whoever looks.
    let made = send(&one, Method::POST, "own:workspaces", &json!({"ttl": "1h"})).await.json();
    one.clock.advance(3_600_000);
    let gone = tokio::join!(one.service.delete_expired_workspaces(), other.service.delete_expired_workspaces());
    assert!(gone.0.is_ok() && gone.1.is_ok(), "{gone:?}");
    other.client(made["admin_token"].as_str().unwrap()).get(LIST).await.refused(403, 403, INVALID);
}

async fn access_tokens_and_their_secrets_are_the_same_on_both(one: World, other: World) {
    let client = ADMIN_CLIENT_ID.to_string();
    // Both make the first signing key at the same time; one of the two is kept.
    let (by_one, by_other) =
        tokio::join!(one.access_token(&client, ADMIN_SECRET), other.access_token(&client, ADMIN_SECRET));
    for (world, token) in [(&other, &by_one), (&one, &by_other)] {
        assert_eq!(world.client(token).get(LIST).await.status, 200);
    }
    let me = one.client(&by_one).get("/api/2.0/preview/scim/v2/Me").await.json();
    let path = format!("/api/2.0/accounts/servicePrincipals/{}/credentials/secrets", me["id"].as_str().unwrap());
    let made = one.client(&by_one).post(&path, &json!({})).await.json();
    let (secret, id) = (made["secret"].as_str().unwrap(), made["id"].as_str().unwrap());
    other.access_token(&client, secret).await;
    let deleted = one.client(&by_one).call(Method::DELETE, &format!("{path}/{id}"), "").await;
    assert_eq!(deleted.status, 204, "{deleted:?}");
    let form = "grant_type=client_credentials&scope=all-apis";
    let refused = other.ask_for_token("/oidc/v1/token", Some((&client, secret)), form).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]), (401, &json!("invalid_client")));
}

async fn sweeps_at_the_same_time_end_each_token_once(one: World, other: World) {
    let owner = one.admin_id().await;
    let mut expected = Vec::new();
    for _ in 0..450 {
        let value = one.mint(owner, |token| token.last_used = Some(token.creation_time)).await;
        expected.push(TokenValue::parse(&value).unwrap().id().to_string());
    }
    one.clock.advance(91 * DAY_MS);
    let sweeps = [&one, &other, &one, &other].map(|world| world.service.sweep_all());
    let ended: u64 = join_all(sweeps).await.into_iter().map(Result::unwrap).sum();
    let log = one.anonymous().own(Method::GET, "workspaces/default/audit?action=revokeDbToken", &json!({})).await.text;
    let mut told: Vec<String> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["requestParams"]["tokenId"].as_str().unwrap().into())
        .filter(|id| expected.contains(id))
        .collect();
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
    assert!(ended >= 450, "{ended}");
}

/// A request that has been checked, and not yet been answered.
struct Checked {
    caller: Box<Caller>,
    origin: Arc<Origin>,
}

impl Checked {
    async fn by(world: &World, token: &str) -> Self {
        let presented = Presented::Token(TokenValue::parse(token).unwrap().id());
        let origin = Arc::new(Origin::default());
        let authorized = world.service.authorize(&presented, &NamedWorkspace::Unnamed, Demand::UNROUTED, &origin);
        let authorized = authorized.await.unwrap();
        Self { caller: Box::new(authorized.decision.outcome.unwrap()), origin }
    }

    fn call(&self) -> Call<'_> {
        Call { caller: &self.caller, origin: &self.origin }
    }
}

fn is_exchanged<T: std::fmt::Debug>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Store(StoreError::Replaced)))
}

async fn what_was_checked_before_an_exchange_writes_nothing_after_it(one: World, other: World) {
    let new = NewWorkspace { id: Some(WorkspaceId(41)), ..NewWorkspace::default() };
    let seed = CheckpointName::parse("seed").unwrap();
    for removed in [false, true] {
        let made = one.service.create_workspace(&new, None).await.unwrap();
        let (id, token) = (made.workspace.id, made.admin_token.reveal().to_owned());
        let checked = Checked::by(&other, &token).await;
        let request = TokenRequest::default();
        assert!(other.service.create_token(checked.call(), &request).await.is_ok());
        if removed {
            one.service.delete_workspace(id).await.unwrap();
            let new = NewWorkspace { admin_token: Some(made.admin_token), ..new.clone() };
            one.service.create_workspace(&new, None).await.unwrap();
        } else {
            one.service.reset_workspace(id, &seed).await.unwrap();
        }
        let before = one.service.audit_events(id, &Filter::default()).await.unwrap().0.len();
        let call = checked.call();
        let service = &other.service;
        assert!(is_exchanged(&service.create_token(call, &request).await));
        assert!(is_exchanged(&service.revoke_own_token(call, &TokenValue::parse(&token).unwrap().id()).await));
        assert!(is_exchanged(&service.change_conf(call, &[("maxTokenLifetimeDays".into(), Some("1".into()))]).await));
        assert!(is_exchanged(&service.change_admin_restriction(call, &AdminRestrictionChange::reset(), None).await));
        assert!(is_exchanged(&service.replace_rule_set(call, "x", &[], None).await));
        assert!(is_exchanged(
            &service.create_secret(call, SecretOwner { account: None, principal: checked.caller.id }, None, None).await
        ));
        // Neither a token nor an event more, and whoever comes again is checked against what there is now.
        let again = Checked::by(&other, &token).await;
        assert_eq!(service.own_tokens(again.call()).await.unwrap().len(), 1);
        let after = one.service.audit_events(id, &Filter::default()).await.unwrap().0;
        assert_eq!(after.len(), before + 1, "its log-in: {after:?}");
        one.service.delete_workspace(id).await.unwrap();
    }
}

/// Whether somebody waits for the lock of this workspace.
async fn is_waited_for(world: &World, id: WorkspaceId) -> bool {
    const SQL: &str = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
         AND (CAST(classid AS BIGINT) << 32) + CAST(objid AS BIGINT) = $1)";
    let Store::Postgres(pool) = world.service.store() else { panic!("not on PostgreSQL") };
    sqlx::query_scalar(SQL).bind(id.0).fetch_one(pool.unlimited()).await.unwrap()
}

async fn a_login_that_meets_an_exchange_is_checked_again(one: World, other: World) {
    let made = one.service.create_workspace(&NewWorkspace::default(), None).await.unwrap();
    let (id, token) = (made.workspace.id, made.admin_token.reveal());
    let (late, _) = one.client(token).create(&json!({})).await;
    // A reset that the other process is in the middle of, as this one sees it.
    let mut reset = one.service.store().write(Lock::Workspace(id)).await.unwrap();
    let uses = async {
        let (late, kept) = (other.client(&late), other.client(token));
        tokio::join!(late.get(LIST), kept.get(LIST))
    };
    let resets = async {
        while !is_waited_for(&one, id).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let empty = CheckpointName::parse("empty").unwrap();
        reset.restore_checkpoint(&made.workspace, &empty, true).await.unwrap();
        reset.update_incarnation(id, 1).await.unwrap();
        reset.commit().await.unwrap();
    };
    let ((late, kept), ()) = tokio::join!(uses, resets);
    late.refused(403, 403, INVALID);
    assert_eq!(kept.status, 200, "{kept:?}");
}

async fn own(world: &World, method: Method, path: &str, body: &Value) -> Answer {
    world.anonymous().own(method, path, body).await
}

async fn requests(world: &World, query: &str) -> Vec<Value> {
    let answer = own(world, Method::GET, &format!("workspaces/default/requests?{query}"), &json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["requests"].as_array().unwrap().clone()
}

fn ids(rows: &[Value]) -> HashSet<&str> {
    rows.iter().map(|row| row["request_id"].as_str().unwrap()).collect()
}

async fn a_request_through_one_is_explained_through_the_other(one: World, other: World) {
    let (_, token) = one.user_with_token("ann@example.com").await;
    one.permit_users(false).await;
    let alone = World::new(Backend::Memory).await;
    for (one, other) in [(&one, &other), (&other, &one)] {
        for refusal in 0..3 {
            let answer = match refusal {
                0 => one.client("nonsense").get(LIST).await,
                1 => one.client(&token).get(LIST).await,
                _ => one.admin().post("/api/2.0/token/delete", &json!({"token_id": "none"})).await,
            };
            let id = answer.header("x-request-id");
            let last = async || own(other, Method::GET, "explain/last", &json!({})).await.json();
            eventually(async || last().await["request_id"] == id).await;
            for path in
                [format!("explain/{id}"), "explain/last".to_owned(), format!("workspaces/default/requests/{id}")]
            {
                let (there, here) =
                    (own(other, Method::GET, &path, &json!({})).await, own(one, Method::GET, &path, &json!({})).await);
                assert_eq!(there.status, 200, "{path}: {there:?}");
                assert_eq!(there.json(), here.json(), "{path}");
                assert_eq!(
                    (&there.json()["request_id"], &there.json()["status"]),
                    (&json!(id), &json!(answer.status.as_u16()))
                );
                assert!(there.json()["because"].as_str().is_some_and(|because| !because.is_empty()), "{there:?}");
            }
        }
    }
    let census = own(&one, Method::GET, "workspaces/default/census?by=principal", &json!({})).await.json();
    assert_eq!(census, own(&other, Method::GET, "workspaces/default/census?by=principal", &json!({})).await.json());
    assert_eq!(
        census["census"].as_array().unwrap().iter().map(|row| row["requests"].as_u64().unwrap()).sum::<u64>(),
        6
    );
    for world in [&one, &other, &alone] {
        let missing = own(world, Method::GET, "explain/none", &json!({})).await;
        assert_eq!(missing.status, 404);
        assert!(missing.text.contains("the journal has the last ones only"), "{missing:?}");
    }
}

/// Sends so many requests, a few of them at the same time; answers their ids. They are shared at the end: by itself
/// that takes a tenth of a second, and longer on a busy machine.
async fn send_many(world: &World, client: &str, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count / 5 {
        let sent = join_all((0..5).map(|_| {
            let request = world.admin().request(&Method::GET, LIST).header("user-agent", client);
            world.send(request.body(axum::body::Body::empty()).unwrap())
        }));
        ids.extend(sent.await.iter().map(|answer| answer.header("x-request-id").to_owned()));
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    world.service.share_journal().await.unwrap();
    ids
}

async fn the_journal_is_of_both_in_order_each_once(one: World, other: World) {
    // Somebody follows it through each of the two while requests come to both.
    let follow = async |world: &World, expected: usize| {
        let (mut since, mut seen) = (0, Vec::new());
        while seen.len() < expected {
            let rows = requests(world, &format!("since={since}")).await;
            since = rows.last().map_or(since, |row| row["number"].as_u64().unwrap());
            seen.extend(rows);
        }
        seen
    };
    let (by_one, by_other, seen_by_one, seen_by_other) = tokio::join!(
        send_many(&one, "first/1", 200),
        send_many(&other, "second/1", 200),
        follow(&one, 400),
        follow(&other, 400)
    );
    let sent: HashSet<&str> = by_one.iter().chain(&by_other).map(String::as_str).collect();
    for seen in [&seen_by_one, &seen_by_other, &requests(&one, "").await] {
        let numbers: Vec<u64> = seen.iter().map(|row| row["number"].as_u64().unwrap()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
        assert_eq!(seen.len(), 400);
        assert_eq!(ids(seen), sent);
    }
    assert_eq!(seen_by_one, seen_by_other);
    // What somebody was answered is counted by whoever is asked next.
    for (count, (sends, asks)) in
        [(&one, &other), (&other, &one), (&one, &other), (&other, &one)].into_iter().enumerate()
    {
        send_many(sends, "third/1", 5).await;
        let expected = json!({"match": {"client": "third/1"}, "exactly": (count + 1) * 5});
        let verified = own(asks, Method::POST, "workspaces/default/requests/verify", &expected).await;
        assert_eq!(verified.status, 200, "{verified:?}");
    }
    let taken = own(&other, Method::POST, "workspaces/default/requests/consume?client=third/1", &json!({})).await;
    let taken = taken.json()["requests"].as_array().unwrap().len();
    assert_eq!((taken, requests(&one, "").await.len()), (20, 400));
}

async fn what_empties_the_journal_empties_it_for_both(one: World, other: World) {
    for path in ["own:workspaces/default/requests", "own:workspaces/default/reset"] {
        let method = if path.ends_with("reset") { Method::POST } else { Method::DELETE };
        for (one, other) in [(&one, &other), (&other, &one)] {
            one.client("nonsense").get(LIST).await;
            send_many(one, "old/1", 10).await;
            assert_eq!(requests(other, "").await.len(), 11);
            if path.ends_with("reset") {
                // This one may be in a memory yet.
                other.admin().get(LIST).await;
            }
            send(one, method.clone(), path, &json!({})).await;
            for world in [one, other] {
                assert_eq!(requests(world, "").await, Vec::<Value>::new(), "{method} {path}");
            }
            let kept = send_many(other, "new/1", 5).await;
            assert_eq!(ids(&requests(one, "").await), kept.iter().map(String::as_str).collect());
            send(one, Method::DELETE, "own:workspaces/default/requests", &json!({})).await;
        }
    }
    // With a workspace its requests go.
    let made = send(&one, Method::POST, "own:workspaces", &json!({})).await.json();
    let (id, token) = (made["id"].as_str().unwrap(), made["admin_token"].as_str().unwrap());
    let written = one.client(token).get(LIST).await;
    one.service.share_journal().await.unwrap();
    let late = one.client(token).get(LIST).await;
    send(&other, Method::DELETE, &format!("own:workspaces/{id}"), &json!({})).await;
    one.service.share_journal().await.unwrap();
    for answer in [written, late] {
        let path = format!("explain/{}", answer.header("x-request-id"));
        assert_eq!(own(&other, Method::GET, &path, &json!({})).await.status, 404);
    }
    one.service.tidy_journal().await.unwrap();
    let Store::Postgres(pool) = one.service.store() else { panic!("not on PostgreSQL") };
    let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM exchanges").fetch_one(pool.unlimited()).await.unwrap();
    assert_eq!(left, 0);
}

async fn no_secret_is_in_the_shared_journal(one: World, other: World) {
    let (created, _) = one.admin().create(&json!({"comment": ADMIN_TOKEN})).await;
    let access = one.access_token(&ADMIN_CLIENT_ID.to_string(), ADMIN_SECRET).await;
    let real = "dapi4f9c02ab7d615e83b0a1c7d2e9f84635";
    one.client(&access).get(&format!("{LIST}?token={created}")).await;
    one.client(real).get(&format!("/api/2.0/token/{real}")).await;
    one.admin().call(Method::from_bytes(real.as_bytes()).unwrap(), LIST, "").await;
    one.admin().post("/api/2.0/token/create", &json!({"scopes": [real, "sql"]})).await;
    one.admin().post("/api/2.0/token/delete", &json!({"token_id": created})).await;
    one.client("nonsense").get(LIST).await;
    one.service.share_journal().await.unwrap();
    assert_eq!(requests(&other, "").await.len(), 8);
    let Store::Postgres(pool) = one.service.store() else { panic!("not on PostgreSQL") };
    let rows: Vec<String> =
        sqlx::query_scalar("SELECT CAST(e AS TEXT) FROM exchanges e").fetch_all(pool.unlimited()).await.unwrap();
    assert_eq!(rows.len(), 8);
    let text = rows.concat();
    for secret in [&created, ADMIN_TOKEN, ADMIN_SECRET, &access, real, "nonsense"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert!(text.contains("[redacted]") && text.contains("tokens.create"), "{text}");
}

async fn the_shared_journal_keeps_to_its_limits(mut one: World, mut other: World) {
    for world in [&mut one, &mut other] {
        world.watch(JournalLimits { requests: 12, ..JournalLimits::default() }, Reaction::Warn);
    }
    for _ in 0..3 {
        tokio::join!(send_many(&one, "first/1", 10), send_many(&other, "second/1", 10));
        requests(&one, "").await;
    }
    let last = send_many(&other, "third/1", 5).await;
    let kept = requests(&one, "").await;
    assert_eq!(kept.len(), 12);
    assert_eq!(ids(&kept[7..]), last.iter().map(String::as_str).collect());
    for world in [&mut one, &mut other] {
        world.watch(JournalLimits { requests: 0, ..JournalLimits::default() }, Reaction::Warn);
    }
    send_many(&one, "fourth/1", 5).await;
    assert_eq!(requests(&one, "").await, Vec::<Value>::new());
    other.watch(JournalLimits { requests: 12, ..JournalLimits::default() }, Reaction::Warn);
    assert_eq!(requests(&other, "").await, kept, "what is not kept is not shared");
}

async fn rows_of_every_table(database: &Database) -> Vec<(String, i64)> {
    let Database::Postgres(url) = database else { panic!("not on PostgreSQL") };
    let pool = sqlx::PgPool::connect(url).await.unwrap();
    let mut counts = Vec::new();
    for table in tables_put_back().chain(TABLES_KEPT.iter().copied()) {
        let sql = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        counts.push((table.to_owned(), sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap()));
    }
    pool.close().await;
    counts
}

/// Migrations, the first start and a seed happen once, however many processes start on an empty database.
#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_the_same_moment_make_what_one_would_make() {
    let mut rows = Vec::new();
    for processes in [1, 4] {
        let database = fresh_postgres_database(&format!("start_{processes}")).await;
        let Database::Postgres(url) = database.clone() else { panic!("not on PostgreSQL") };
        let seed = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/seeds/leaky-workspace.yaml");
        let starts = (0..processes).map(|_| {
            let url = url.clone();
            tokio::task::spawn_blocking(move || start(&["--port", "0", "--database", &url, "--seed", seed]))
        });
        let servers: Vec<_> = join_all(starts).await.into_iter().map(Result::unwrap).collect();
        let tokens: Vec<_> = servers.iter().map(|server| server.export("DATABRICKS_TOKEN")).collect();
        let told: Vec<_> = tokens.iter().filter(|token| !token.is_empty()).collect();
        assert_eq!(told.len(), 1, "one of {processes} tells the admin's token");
        rows.push(rows_of_every_table(&database).await);
        for server in servers {
            let address = format!("127.0.0.1:{}", server.port);
            assert!(get(&address, "/readyz", "").starts_with("HTTP/1.1 200 OK\r\n"));
            assert!(get(&address, LIST, told[0]).starts_with("HTTP/1.1 200 OK\r\n"));
            assert_eq!(server.stop("TERM").0, Some(0));
        }
    }
    assert_eq!(rows[0], rows[1]);
    assert!(rows[0].iter().any(|(table, rows)| table == "tokens" && *rows > 5), "{rows:?}");
}

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The proxy's settings name the services of the compose file, and the ports on both sides.
#[test]
fn the_compose_files_proxy_reaches_every_replica() {
    let compose: Value = serde_saphyr::from_str(&read("docker-compose.yml")).unwrap();
    let services = compose["services"].as_object().unwrap();
    let replicas: Vec<String> = services
        .iter()
        .filter(|(_, service)| service["image"] == "dapi-mock" && service["depends_on"]["postgres"].is_object())
        .map(|(name, _)| format!("{name}:3274"))
        .collect();
    let proxy = read("docs/nginx.conf");
    let of = |word: &str| -> Vec<String> {
        let lines = proxy.lines().filter_map(|line| line.trim().strip_prefix(word)?.trim().strip_suffix(';'));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(of("server "), replicas);
    assert_eq!(replicas.len(), 3);
    assert!(read("Dockerfile").contains("EXPOSE 3274\n"));
    let published = services["proxy"]["ports"][0].as_str().unwrap();
    assert_eq!(published.rsplit_once(':').unwrap().1, of("listen ")[0]);
    assert!(services["proxy"]["volumes"][0].as_str().unwrap().starts_with("./docs/nginx.conf:/etc/nginx/conf.d/"));
    for name in replicas.iter().map(|address| address.trim_end_matches(":3274")) {
        assert!(services["proxy"]["depends_on"][name].is_object(), "{name}");
        assert!(services[name]["profiles"].as_array().unwrap().contains(&"replicas".into()), "{name}");
        // One database, and one folder with the CA.
        assert_eq!(services[name]["environment"], services["dapi-mock-1"]["environment"]);
        assert_eq!(services[name]["volumes"], services["dapi-mock-1"]["volumes"]);
    }
}
