//! Long work, such as applying a large seed: other clients are served meanwhile, and interrupted work can be completed.

use axum::http::Method;
use dapi_mock::domain::seeds;
use dapi_mock::domain::seeds::Seed;
use dapi_mock::store::Lock;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::support::{Backend, DAY_MS, USERS, World, on_every_store};

on_every_store!(
    others_are_served_while_a_seed_is_applied,
    others_are_served_while_a_workspace_is_created_with_a_population,
    others_are_served_while_many_tokens_end,
    others_are_answered_while_a_workspace_is_reset_copied_and_removed,
    a_seed_that_is_cut_off_is_completed_by_applying_it_again,
    a_mistake_at_the_end_of_a_long_seed_changes_nothing,
    a_workspace_that_was_filled_keeps_its_own_end,
);

/// Holds the only writer of a SQLite file longer than a batch does.
#[tokio::test]
async fn readers_do_not_wait_for_the_writer() {
    let world = World::new(Backend::File).await;
    let id = world.workspace().await.id;
    let (token, token_id) = world.admin().create(&json!({})).await;
    world.clock.advance(10_000);
    let last_used = async || {
        let mut reader = world.service.store().read().await.unwrap();
        let id = dapi_mock::domain::TokenId::from_text(&token_id);
        reader.find_token(world.workspace().await.id, &id).await.unwrap().unwrap().last_used
    };
    let held = world.service.store().write(Lock::Workspace(id)).await.unwrap();
    let read = world.client(&token).get("/api/2.0/token/list").await;
    assert_eq!((read.status.as_u16(), last_used().await), (200, None));
    drop(held);
    let used_at = world.now();
    world.clock.advance(10_000);
    world.service.record_late_uses().await.unwrap();
    assert_eq!(last_used().await, Some(used_at));
}

const COUNT: usize = 1000;

fn population() -> Value {
    json!({"populations": [{"users": COUNT}]})
}

fn parse(seed: &Value) -> Seed {
    seeds::parse(&seed.to_string()).unwrap()
}

/// Lets another client read and write until the work is done; returns how often it could.
async fn meanwhile<T>(world: &World, work: &JoinHandle<T>) -> usize {
    let admin = world.admin();
    let mut rounds = 0;
    while !work.is_finished() {
        // An owner has 600 tokens at most.
        if rounds < 100 {
            admin.create(&json!({"comment": "meanwhile"})).await;
        }
        assert_eq!(admin.get(USERS).await.status, 200);
        rounds += 1;
    }
    rounds
}

async fn others_are_served_while_a_seed_is_applied(world: World) {
    let service = world.service.clone();
    let work = tokio::spawn(async move { service.apply_seed(&parse(&json!({"workspaces": [population()]}))).await });
    let rounds = meanwhile(&world, &work).await;
    let added = work.await.unwrap().unwrap();
    assert_eq!((added.principals, added.tokens), (COUNT, COUNT));
    assert!(rounds >= 3, "{rounds}");
}

async fn others_are_served_while_a_workspace_is_created_with_a_population(world: World) {
    let service = world.service.clone();
    let seed = seeds::parse_workspace(&population().to_string()).unwrap();
    let work = tokio::spawn(async move {
        service.create_workspace(&dapi_mock::service::NewWorkspace::default(), Some(&seed)).await
    });
    let rounds = meanwhile(&world, &work).await;
    let made = work.await.unwrap().unwrap();
    assert!(rounds >= 3, "{rounds}");
    assert_eq!(made.workspace.delete_at, None);
    let users = world.client(made.admin_token.reveal()).get(USERS).await.json();
    assert_eq!(users["totalResults"], COUNT + 2);
}

async fn others_are_served_while_many_tokens_end(world: World) {
    world.service.apply_seed(&parse(&json!({"workspaces": [population()]}))).await.unwrap();
    let (service, id) = (world.service.clone(), world.workspace().await.id);
    // The clock of another workspace does not move.
    let token = "dapi000000000000000000000000000000cc";
    world.add_workspace(42, token).await;
    let work = tokio::spawn(async move {
        let target = dapi_mock::service::AdvanceTarget::By(3 * 365 * DAY_MS);
        service.advance(id, &target).await
    });
    let mut rounds = 0;
    while !work.is_finished() {
        let status = world.client(token).post("/api/2.0/token/create", &json!({})).await.status;
        assert!(status == 200 || rounds >= 500, "{status}");
        rounds += 1;
    }
    assert_eq!(work.await.unwrap().unwrap().events.len(), 1000);
    // On PostgreSQL others wait for no lock, and on a busy machine one round may take as long as the whole work.
    assert!(rounds >= 3 || matches!(world.backend, Backend::Postgres), "{rounds}");
}

async fn others_are_answered_while_a_workspace_is_reset_copied_and_removed(world: World) {
    let made = world.anonymous().own(Method::POST, "workspaces", &json!({"id": 42, "seed": population()})).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let people = async || {
        let admin = world.client(made["admin_token"].as_str().unwrap());
        admin.get(USERS).await.json()["totalResults"].as_u64()
    };
    let all = people().await;
    let token = "dapi000000000000000000000000000000cd";
    world.add_workspace(43, token).await;
    let other = world.client(token);
    let rounds = std::cell::Cell::new(0);
    for (method, path, body, left) in [
        (Method::PUT, "workspaces/42/checkpoints/here", json!({}), all),
        (Method::POST, "workspaces/42/reset", json!({"to": "here"}), all),
        (Method::POST, "workspaces/42/reset", json!({"to": "empty"}), Some(2)),
        (Method::POST, "workspaces/42/reset", json!({"to": "here"}), all),
        // At first both workspaces know the token, later only the fork.
        (Method::POST, "workspaces/42/fork", json!({"id": 44}), None),
        (Method::DELETE, "workspaces/42", json!({}), all),
    ] {
        let (operator, is_done) = (world.anonymous(), std::cell::Cell::new(false));
        let work = async {
            let done = operator.own(method, path, &body).await;
            is_done.set(true);
            done
        };
        // Every request that began meanwhile is answered.
        let others = async {
            while !is_done.get() {
                assert_eq!(other.get("/api/2.0/token/list").await.status, 200, "{path}");
                // An owner has 600 tokens at most.
                if rounds.get() < 500 {
                    assert_eq!(other.post("/api/2.0/token/create", &json!({})).await.status, 200, "{path}");
                }
                rounds.set(rounds.get() + 1);
            }
        };
        let (done, ()) = tokio::join!(work, others);
        assert!(done.status.is_success(), "{path}: {done:?}");
        assert_eq!(people().await, left, "{path}");
    }
    assert!(rounds.get() >= 3, "{}", rounds.get());
}

async fn a_seed_that_is_cut_off_is_completed_by_applying_it_again(world: World) {
    let seed = json!({"random_seed": 3, "workspaces": [{
        "conf": {"maxTokenLifetimeDays": "100"}, "populations": [{"users": COUNT}],
        "groups": [{"display_name": "g", "members": ["user7@example.com"]}], "may_use_tokens": ["g"],
    }]});
    let wanted = parse(&seed);
    let begun = Notify::new();
    tokio::select! {
        _ = world.service.apply_seed_with(&wanted, |_| begun.notify_one()) => panic!("it was too quick"),
        () = begun.notified() => {}
    }
    let admin = world.admin();
    let total = async || admin.get(USERS).await.json()["totalResults"].as_u64().unwrap();
    let some = usize::try_from(total().await).unwrap() - 2;
    assert!((1..COUNT).contains(&some), "{some}");
    let added = world.service.apply_seed(&wanted).await.unwrap();
    assert_eq!((added.principals, added.tokens), (COUNT - some + 1, COUNT));
    let again = world.service.apply_seed(&wanted).await.unwrap();
    assert_eq!((again.principals, again.tokens), (0, 0));
    let checkpoints = world.service.checkpoints(world.workspace().await.id).await.unwrap();
    assert_eq!(checkpoints.len(), 2, "a complete seed is stored for resets");
}

async fn a_mistake_at_the_end_of_a_long_seed_changes_nothing(world: World) {
    let mut workspace = population();
    for (mistake, says) in [
        (json!({"tokens": [{"owner": "nobody"}]}), "workspaces[0].tokens[0].owner: there is no user"),
        (json!({"decoys": [{"comment": "x"}]}), "workspaces[0].decoys[0]: give either value or decoy_id"),
        (json!({"decoys": [{"value": "dapi000000000000000000000000000000dd", "comment": "a\u{0}b"}]}), "U+0000"),
    ] {
        for (name, value) in mistake.as_object().unwrap() {
            workspace[name] = value.clone();
        }
        let error = world.service.apply_seed(&parse(&json!({"workspaces": [workspace]}))).await.unwrap_err();
        assert!(format!("{error}").contains(says), "{error}");
        let made = world.anonymous().own(Method::POST, "workspaces", &json!({"seed": workspace})).await;
        assert_eq!(made.status, 400, "{made:?}");
        workspace = population();
    }
    // A second workspace of the same seed is new as well, and in the same account.
    let other = "00000000-0000-4000-8000-000000000000";
    let twice = json!({"workspaces": [{"workspace_id": "7"}, {"workspace_id": "7", "account_id": other}]});
    let error = world.service.apply_seed(&parse(&twice)).await.unwrap_err().to_string();
    assert!(error.contains("workspaces[1].account_id: the workspace is in another account"), "{error}");
    assert_eq!(world.admin().get(USERS).await.json()["totalResults"], 2);
    assert_eq!(world.service.workspaces().await.unwrap().len(), 1);
}

async fn a_workspace_that_was_filled_keeps_its_own_end(world: World) {
    let body = json!({"id": 42, "ttl": "7d", "seed": {"users": [{"user_name": "zoe@example.com"}]}});
    let made = world.anonymous().own(Method::POST, "workspaces", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let delete_at = made.json()["delete_at"].clone();
    let expected = world.now().plus(7 * DAY_MS).rfc3339();
    assert_eq!(delete_at, expected.as_str());
    assert_eq!(world.anonymous().own(Method::POST, "workspaces/42/reset", &json!({})).await.status, 200);
    let found = world.anonymous().own(Method::GET, "workspaces/42", &json!({})).await.json();
    assert_eq!(found["delete_at"], delete_at);
}
