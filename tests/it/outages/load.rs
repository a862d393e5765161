//! Outages, full pools and lost connections under load.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use axum::http::Method;
use dapi_mock::domain::tokens::TokenValue;
use dapi_mock::store::{Database, Limits, Lock, StoreError, VersionedValue};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::line::{Line, State, parts};
use super::{LIMITS, create, is_ready, unavailable};
use crate::support::{ADMIN_TOKEN, LIST, NEVER, World, eventually, fresh_postgres_database, in_time, run_on_postgres};

/// What a client knows of its tokens from the answers.
#[derive(Default)]
struct ClientHistory {
    created: Vec<(String, String)>,
    revoked: BTreeSet<String>,
    /// Ids of tokens whose revocation was not acknowledged.
    unclear: BTreeSet<String>,
    /// The number of creations that were not acknowledged.
    unanswered: usize,
}

/// Creates and revokes tokens at a moderate rate until `stop`.
async fn create_and_revoke(world: &World, stop: &watch::Receiver<bool>) -> ClientHistory {
    let mut told = ClientHistory::default();
    while !*stop.borrow() {
        let answer = in_time(create(world)).await;
        if answer.status != 200 {
            unavailable(&answer, &[]);
            told.unanswered += 1;
            sleep(Duration::from_millis(20)).await;
            continue;
        }
        let json = answer.json();
        let id = json["token_info"]["token_id"].as_str().unwrap().to_owned();
        told.created.push((json["token_value"].as_str().unwrap().to_owned(), id.clone()));
        // Far from the quota of all of them.
        let live = told.created.len() - told.revoked.len();
        if live > 80 || told.created.len() % 3 == 0 {
            let answer = in_time(world.admin().post("/api/2.0/token/delete", &json!({ "token_id": id }))).await;
            if answer.status == 200 {
                told.revoked.insert(id);
            } else {
                unavailable(&answer, &[]);
                told.unclear.insert(id);
            }
        }
        sleep(Duration::from_millis(5)).await;
    }
    told
}

/// The token ids in the audit log's events of an action, sorted.
async fn told_of(world: &World, action: &str) -> Vec<String> {
    let path = format!("workspaces/default/audit?action={action}");
    let log = world.anonymous().own(Method::GET, &path, &json!({})).await.text;
    let id = |line: &str| {
        serde_json::from_str::<Value>(line).unwrap()["requestParams"]["tokenId"].as_str().map(String::from)
    };
    let mut ids: Vec<String> = log.lines().filter_map(id).collect();
    ids.sort();
    ids
}

#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_changes_survive_every_outage_and_none_is_half_done() {
    let mut line = Line::new("kept").await;
    let world = World::on(line.database(), LIMITS).await;
    let (stopping, stop) = watch::channel(false);
    let outages = async {
        for _ in 0..3 {
            for state in [State::Cut, State::Silent, State::Slow(Duration::from_millis(30))] {
                sleep(Duration::from_millis(250)).await;
                line.set(state);
                sleep(Duration::from_millis(250)).await;
                line.restore().await;
            }
            sleep(Duration::from_millis(250)).await;
            line.refuse().await;
            sleep(Duration::from_millis(100)).await;
            line.restore().await;
        }
        sleep(Duration::from_millis(500)).await;
        stopping.send_replace(true);
    };
    let clients = join_all((0..4).map(|_| create_and_revoke(&world, &stop)));
    let (told, ()) = tokio::join!(clients, outages);
    eventually(async || is_ready(&world).await).await;

    let mut ids = BTreeSet::new();
    let (mut unanswered, mut unclear) = (0, 0);
    for told in told {
        for (value, id) in told.created {
            let status = world.client(&value).get(LIST).await.status.as_u16();
            match (told.revoked.contains(&id), told.unclear.contains(&id)) {
                (true, _) => assert_eq!(status, 403, "revoked, and told so"),
                (_, true) => assert!([200, 403].contains(&status), "{status}"),
                _ => assert_eq!(status, 200, "created, and told so"),
            }
            assert!(ids.insert(id));
        }
        unanswered += told.unanswered;
        unclear += told.unclear.len();
    }
    assert!(unanswered > 0 && ids.len() > 20, "{} created, {unanswered} not answered", ids.len());
    // The audit log has the creation of every token once, and every revocation once.
    let all = world.anonymous().own(Method::GET, "workspaces/default/tokens", &json!({})).await.json();
    let rows = all["tokens"].as_array().unwrap();
    let of = |ended: bool| -> Vec<String> {
        let rows = rows.iter().filter(|row| !ended || row["state"] != "live");
        let mut found: Vec<String> = rows.map(|row| row["token_id"].as_str().unwrap().to_owned()).collect();
        found.sort();
        found
    };
    let admin = TokenValue::parse(ADMIN_TOKEN).unwrap().id().to_string();
    let created: Vec<String> = of(false).into_iter().filter(|id| *id != admin).collect();
    assert_eq!(told_of(&world, "generateDbToken").await, created);
    assert_eq!(told_of(&world, "revokeDbToken").await, of(true));
    assert!(created.len() >= ids.len() && created.len() <= ids.len() + unanswered);
    println!("{} created, {unanswered} not answered, {unclear} revocations unclear", ids.len());
}

#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_pool_sheds_load_and_requests_that_are_given_up_leave_nothing() {
    let line = Line::new("shed").await;
    let limits = Limits { acquire: NEVER, statement: Duration::from_secs(2), ..LIMITS };
    let world = World::on(line.database(), limits).await;
    let before = world.admin().own_ids().await.len();
    let replica = world.replica().await;
    let workspace = world.workspace().await.id;
    // Whoever creates a token waits for this lock, with a connection each.
    let held = replica.service.store().write(Lock::Workspace(workspace)).await.unwrap();
    let started = Instant::now();
    let ask = async |_| (create(&world).await, started.elapsed());
    let answers = in_time(join_all((0..40).map(ask))).await;
    for (answer, _) in &answers {
        unavailable(answer, &[("error_code", json!("TEMPORARILY_UNAVAILABLE"))]);
    }
    // Requests for which neither a connection nor a place in the queue is left are refused at once.
    let at_once = answers.iter().filter(|(_, took)| *took < limits.statement).count();
    assert!((40 - 4 - 8..40).contains(&at_once), "{at_once}");
    // Clients that give up, in the middle of a statement or before it.
    for _ in 0..5 {
        let impatient = (0..8).map(|_| timeout(Duration::from_millis(50), create(&world)));
        join_all(impatient).await;
    }
    drop(held);
    eventually(async || create(&world).await.status == 200).await;
    let all = in_time(join_all((0..8).map(|_| create(&world)))).await;
    assert!(all.iter().all(|answer| answer.status == 200), "{all:?}");
    assert_eq!(world.admin().own_ids().await.len(), before + 9);
}

#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test(flavor = "multi_thread")]
async fn a_role_at_its_connection_limit_is_an_outage_that_ends() {
    let database = fresh_postgres_database("limit").await;
    let (_, address, rest) = parts(&database);
    let (Database::Postgres(url), role) = (&database, format!("few_{}", std::process::id())) else {
        panic!("not on PostgreSQL")
    };
    let run = async |sql: String| run_on_postgres(url, &sql).await;
    run(format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT 2; GRANT ALL ON SCHEMA public TO {role}")).await;
    let world = World::on(format!("postgres://{role}@{address}/{rest}").parse().unwrap(), LIMITS).await;
    // The role has fewer connections than the pool: some requests are late or get a 503, and none fails otherwise.
    let answers = in_time(join_all((0..16).map(|_| create(&world)))).await;
    let created = answers.iter().filter(|answer| answer.status == 200).count();
    answers.iter().filter(|answer| answer.status != 200).for_each(|answer| unavailable(answer, &[]));
    assert!(created > 0);
    // Now other clients hold all connections.
    run(format!("ALTER ROLE {role} CONNECTION LIMIT 0")).await;
    run(format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")).await;
    eventually(async || !is_ready(&world).await).await;
    unavailable(&in_time(world.admin().get(LIST)).await, &[("error_code", json!("TEMPORARILY_UNAVAILABLE"))]);
    run(format!("ALTER ROLE {role} CONNECTION LIMIT -1")).await;
    eventually(async || is_ready(&world).await).await;
    assert_eq!(world.admin().own_ids().await.len(), created + 1);
    world.service.store().close().await;
    run(format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test]
async fn a_process_that_stands_still_does_not_keep_its_locks() {
    let line = Line::new("stuck").await;
    let world = World::on(line.database(), LIMITS).await;
    let workspace = world.workspace().await;
    let mut stuck = world.service.store().write(Lock::Workspace(workspace.id)).await.unwrap();
    stuck.put_setting(workspace.id, "x", &VersionedValue { value: "1".into(), etag: "1".into() }).await.unwrap();
    eventually(async || create(&world).await.status == 200).await;
    assert!(matches!(stuck.commit().await, Err(StoreError::Unavailable(_))));
    let mut reader = world.service.store().read().await.unwrap();
    assert_eq!(reader.find_setting(workspace.id, "x").await.unwrap(), None);
}
