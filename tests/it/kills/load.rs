//! Kills under concurrent changes of nine kinds.

use std::time::Duration;

use dapi_mock::store::Database;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio::sync::Notify;

use super::actors::{GROUPS, actors};
use super::{Actor, Change, Client, OTHER_ADMIN, Process, kill, setting, spawn};
use crate::support::{Backend, fresh_database, on_lasting_stores};

on_lasting_stores!(what_was_acknowledged_survives_kills,);

/// How often the binary is killed, unless `TEST_KILLS` says otherwise.
const KILLS: u64 = 8;

/// Sends one change after the other until the server is killed; returns how many were acknowledged.
async fn act(actor: &mut dyn Actor, process: &Client, acknowledgement: &Notify) -> usize {
    let mut acknowledged = 0;
    loop {
        let change = actor.next();
        let Some((status, answer)) = process.send(&change).await else { return acknowledged };
        assert!((200..300).contains(&status), "{} {}: {status} {answer}", change.method, change.path);
        actor.acknowledged(&answer);
        acknowledgement.notify_waiters();
        acknowledged += 1;
    }
}

/// Prepares what the actors need: groups for the permissions, and a workspace with a checkpoint.
async fn prepare(client: &Client) {
    let mut changes: Vec<Change> = (0..GROUPS)
        .map(|n| {
            Change::new(Method::POST, "/api/2.0/preview/scim/v2/Groups", json!({"displayName": format!("group {n}")}))
        })
        .collect();
    changes.push(Change::new(Method::POST, "/_mock/v1/workspaces", json!({"id": 42, "admin_token": OTHER_ADMIN})));
    let base = Change::new(Method::POST, "/api/2.0/token/create", json!({"comment": "base"}));
    changes.push(Change { token: OTHER_ADMIN, ..base });
    changes.push(Change::new(Method::PUT, "/_mock/v1/workspaces/42/checkpoints/base", json!({})));
    for change in changes {
        let (status, answer) = client.send(&change).await.unwrap();
        assert!((200..300).contains(&status), "{} {answer}", change.path);
    }
}

/// Asserts that live tokens work and revoked ones do not.
async fn authenticate(client: &Client, values: &[(String, bool)]) {
    for (value, live) in values {
        let (status, answer) = client.get("/api/2.0/preview/scim/v2/Me", value).await;
        assert_eq!(status, if *live { 200 } else { 403 }, "{answer}");
    }
}

async fn what_was_acknowledged_survives_kills(backend: Backend) {
    let kills: u64 = setting("TEST_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let (database, folder) = fresh_database(backend).await;
    let folder = folder.unwrap_or_else(|| tempfile::tempdir().unwrap());
    let mut actors = actors();
    let mut acknowledged = vec![0; actors.len()];
    let (mut checked, mut starts_killed) = (0, 0);
    let mut process = Process::start(&database, folder.path());
    prepare(&Client::of(&process)).await;
    for round in 0..kills {
        let client = Client::of(&process);
        let acknowledgements: Vec<Notify> = actors.iter().map(|_| Notify::new()).collect();
        let acting = actors.iter_mut().zip(&acknowledgements).map(|(actor, told)| act(actor.as_mut(), &client, told));
        let killing = async {
            // The moments spread over half a second, most of them in the middle of writes. Every second kill follows right
            // after an answer to one of the clients, so that a change acknowledged too early is lost.
            tokio::time::sleep(Duration::from_millis(30 + round * 137 % 500)).await;
            if let (0, Some(told)) =
                (round % 2, acknowledgements.iter().cycle().nth(usize::try_from(round / 2).unwrap()))
            {
                let _ = tokio::time::timeout(Duration::from_secs(1), told.notified()).await;
            }
            kill(process.child);
        };
        let ((), done) = tokio::join!(killing, join_all(acting));
        acknowledged.iter_mut().zip(done).for_each(|(sum, done)| *sum += done);
        if round % 3 == 0 {
            let child = spawn(&database, folder.path());
            tokio::time::sleep(Duration::from_millis(round * 7 % 50)).await;
            kill(child);
            starts_killed += 1;
        }
        process = Process::start(&database, folder.path());
        let client = Client::of(&process);
        let seen = client.see().await;
        for actor in &mut actors {
            actor.settle(&seen);
            // All values are checked at the end; now those of this round and some older ones.
            let values = actor.values();
            let some: Vec<_> = values.iter().rev().take(5).chain(values.iter().take(5)).cloned().collect();
            authenticate(&client, &some).await;
            checked += some.len();
        }
        if let Database::SqliteFile(path) = &database {
            let pool = sqlx::SqlitePool::connect(&format!("sqlite:{path}")).await.unwrap();
            let found: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&pool).await.unwrap();
            assert_eq!(found, "ok");
            pool.close().await;
        }
    }
    let client = Client::of(&process);
    let events = client.audit().await;
    for actor in &actors {
        actor.agree(&events);
        authenticate(&client, &actor.values()).await;
        checked += actor.values().len();
    }
    kill(process.child);
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(!log.contains("panic") && !log.contains("defect"), "{log}");
    assert!(acknowledged.iter().all(|done| *done > 0), "some kind of change was never acknowledged: {acknowledged:?}");
    let acknowledged: usize = acknowledged.iter().sum();
    println!(
        "{backend:?}: {kills} kills under load and {starts_killed} at a start survived; {acknowledged} changes \
         acknowledged and found again, in the audit log once; {checked} tokens presented: all live ones let in, \
         all revoked ones refused"
    );
}
