//! The journal that processes share.

use std::collections::HashSet;
use std::time::Duration;

use axum::http::Method;
use dapi_mock::domain::tripwire::Reaction;
use dapi_mock::service::{ADMIN_CLIENT_ID, JournalLimits};
use dapi_mock::store::Store;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{own, send};
use crate::support::{ADMIN_SECRET, ADMIN_TOKEN, Backend, LIST, World, eventually};

on_two_replicas!(
    a_request_through_one_is_explained_through_the_other,
    the_journal_is_of_both_in_order_each_once,
    what_empties_the_journal_empties_it_for_both,
    no_secret_is_in_the_shared_journal,
    the_shared_journal_keeps_to_its_limits,
);

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
        assert!(missing.text.contains("the journal keeps only recent requests"), "{missing:?}");
    }
}

/// Sends `count` requests, five at a time, and returns their ids. It shares the journal at the end; by itself that would
/// take a tenth of a second, or longer on a busy machine.
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
    // A follower reads the journal through each process while both receive requests.
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
    // An answered request is counted by whichever process is asked next.
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
                // This entry may still be in a process's memory only.
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
    // Deleting a workspace deletes its entries.
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
    assert_eq!(requests(&other, "").await, kept, "entries that are not stored are not shared");
}
