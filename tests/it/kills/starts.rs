//! Kills during a first start and during a migration.

use std::path::Path;
use std::time::Duration;

use dapi_mock::domain::Millis;
use dapi_mock::store::Database;
use tempfile::TempDir;

use super::{Client, Process, array, kill, spawn};
use crate::support::{ADMIN_TOKEN, Backend, World, fresh_database, on_lasting_stores};
use crate::upgrades::{holds, restore};

on_lasting_stores!(a_killed_first_start_is_repeated, a_killed_migration_is_repeated,);

/// Kills a starting server after longer and longer times; returns how often it was killed.
async fn kill_starts(database: &Database, folder: &Path) -> u32 {
    let mut killed = 0;
    for after in [0, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120] {
        let child = spawn(database, folder);
        tokio::time::sleep(Duration::from_millis(after)).await;
        kill(child);
        killed += 1;
    }
    killed
}

async fn a_killed_first_start_is_repeated(backend: Backend) {
    let mut killed = 0;
    for _ in 0..2 {
        let (database, folder) = fresh_database(backend).await;
        let folder: TempDir = folder.unwrap_or_else(|| tempfile::tempdir().unwrap());
        killed += kill_starts(&database, folder.path()).await;
        let process = Process::start(&database, folder.path());
        let client = Client::of(&process);
        assert_eq!(array(&client.look("/api/2.0/token/list", ADMIN_TOKEN).await, "token_infos").len(), 1);
        assert_eq!(array(&client.look("/_mock/v1/workspaces", ADMIN_TOKEN).await, "workspaces").len(), 1);
        kill(process.child);
    }
    println!("{backend:?}: {killed} kills during a first start survived");
}

async fn a_killed_migration_is_repeated(backend: Backend) {
    let (database, folder, facts) = restore(backend, 3).await;
    let logs = tempfile::tempdir().unwrap();
    let killed = kill_starts(&database, logs.path()).await;
    let world = World::over(backend, database, folder, Millis(facts["made_at"].as_i64().unwrap())).await;
    holds(&world, &facts).await;
    println!("{backend:?}: {killed} kills during a migration survived");
}
