//! A statement is interrupted when its request ends.

use std::time::Duration;

use dapi_mock::domain::PrincipalId;
use dapi_mock::store::{Lock, Store};
use serde_json::json;
use tokio::time::timeout;

use super::HANGS;
use crate::support::{World, on_every_store};

on_every_store!(abandoned_statements_are_interrupted,);

/// Reading and writing statements that would run for ever; their requests end first.
async fn abandoned_statements_are_interrupted(world: World) {
    const SOON: Duration = Duration::from_millis(200);
    let (store, workspace) = (world.service.store(), world.workspace().await);
    for round in 0..3 {
        {
            let mut reader = store.read().await.unwrap();
            timeout(SOON, reader.run_for_ever()).await.unwrap_err();
        }
        let tokens = timeout(HANGS, world.admin().get("/api/2.0/token/list")).await.unwrap();
        assert_eq!(tokens.status, 200, "{tokens:?}");
        {
            let mut writer = store.write(Lock::Database).await.unwrap();
            writer.put_member(workspace.account, PrincipalId(1), PrincipalId(2)).await.unwrap();
            timeout(SOON, writer.write_for_ever()).await.unwrap_err();
        }
        let made = timeout(HANGS, world.admin().post("/api/2.0/token/create", &json!({}))).await.unwrap();
        assert_eq!(made.status, 200, "{made:?}");
        assert_eq!(world.admin().own_ids().await.len(), round + 2, "every committed change is there");
        let below =
            store.read().await.unwrap().list_transitive_members(workspace.account, PrincipalId(1)).await.unwrap();
        assert_eq!(below, [PrincipalId(1)], "the abandoned statement changed nothing");
    }
    let Store::Postgres(pool) = store else { return };
    let runs = "SELECT COUNT(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%% 1000 FROM n%'
         AND pid <> pg_backend_pid()";
    let ended = async {
        while sqlx::query_scalar::<_, i64>(runs).fetch_one(pool.unlimited()).await.unwrap() > 0 {
            tokio::time::sleep(SOON).await;
        }
    };
    timeout(Duration::from_secs(40), ended).await.expect("the server ends them before the limit of a minute");
}
