//! The databases that tests run on: SQLite in memory, a SQLite file, and a PostgreSQL schema or database.
//!
//! `on_every_store!` and `on_lasting_stores!` stamp one test per store. `TEST_POSTGRES_URL` is read here and nowhere else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dapi_mock::store::{Database, Limits};
use sqlx::Connection;
use tempfile::TempDir;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Backend {
    Memory,
    File,
    Postgres,
}

/// Stamps each test on the three stores.
macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => {
        mod on_memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::support::World::new($crate::support::Backend::Memory).await).await;
            })*
        }
        mod on_sqlite_file {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::support::World::new($crate::support::Backend::File).await).await;
            })*
        }
        mod on_postgres {
            $(#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
            #[tokio::test]
            async fn $name() {
                super::$name($crate::support::World::new($crate::support::Backend::Postgres).await).await;
            })*
        }
    };
}
pub(crate) use on_every_store;

/// A schema takes 2 ms to create, a database 20 ms.
async fn fresh_postgres() -> Database {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let base = postgres_url();
    let schema = format!("it_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    run_on_postgres(&base, &format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")).await;
    let separator = if base.contains('?') { '&' } else { '?' };
    format!("{base}{separator}options[search_path]={schema}").parse().unwrap()
}

/// An empty database, and its folder if it is a file.
pub(crate) async fn fresh_database(backend: Backend) -> (Database, Option<TempDir>) {
    let folder = matches!(backend, Backend::File).then(|| tempfile::tempdir().unwrap());
    let database = match (backend, &folder) {
        (Backend::Postgres, _) => fresh_postgres().await,
        (_, Some(folder)) => Database::SqliteFile(folder.path().join("mock.db").to_str().unwrap().to_owned()),
        (_, None) => Database::SqliteMemory,
    };
    (database, folder)
}

/// A separate database, for tests that other tests' locks would disturb: locks apply to the whole database.
pub(crate) async fn fresh_postgres_database(name: &str) -> Database {
    let base = postgres_url();
    let (server, database) = base.rsplit_once('/').unwrap();
    let database = format!("{database}_{name}");
    run_on_postgres(&base, &format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)")).await;
    run_on_postgres(&base, &format!("CREATE DATABASE {database}")).await;
    format!("{server}/{database}").parse().unwrap()
}

/// Worlds on one database share its locks, and may wait for each other on a busy machine.
pub(crate) fn patient() -> Limits {
    Limits { acquire: Duration::from_secs(30), statement: Duration::from_mins(1), ..Limits::default() }
}

#[expect(clippy::disallowed_methods, reason = "the tests' own setting")]
fn postgres_url() -> String {
    std::env::var("TEST_POSTGRES_URL").expect("TEST_POSTGRES_URL")
}

pub(crate) async fn run_on_postgres(url: &str, sql: &str) {
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Stamps each test on the stores that outlive their process.
macro_rules! on_lasting_stores {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite_file {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::support::Backend::File).await;
            })*
        }
        mod on_postgres {
            $(#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
            #[tokio::test]
            async fn $name() {
                super::$name($crate::support::Backend::Postgres).await;
            })*
        }
    };
}
pub(crate) use on_lasting_stores;

/// Runs statements on a database that no store has opened.
pub(crate) async fn run_sql(database: &Database, sql: String) {
    let sql = sqlx::AssertSqlSafe(sql);
    match database {
        Database::Postgres(url) => {
            let pool = sqlx::PgPool::connect(url).await.unwrap();
            sqlx::raw_sql(sql).execute(&pool).await.unwrap();
            pool.close().await;
        }
        database => {
            let pool = sqlx::SqlitePool::connect(&format!("{database}?mode=rwc")).await.unwrap();
            sqlx::raw_sql(sql).execute(&pool).await.unwrap();
            pool.close().await;
        }
    }
}
