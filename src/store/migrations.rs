//! Migrates the schema to the newest version, in one transaction. The migrations are in migrations/, with the same file
//! names for both databases.

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Connection, PgConnection, SqlitePool};

use super::OpenErrorKind;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// The lock that processes wait for when they start on one database at once. Its number is not that of
/// [`super::Lock::Database`], so that a running server does not have to wait.
const LOCK: i64 = 0x4441_5049;

pub(super) async fn migrate_sqlite(pool: &SqlitePool) -> Result<(), OpenErrorKind> {
    let run = async {
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
        SQLITE.run(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    };
    run.await.map_err(|error| open_error(&SQLITE, error))
}

/// Holds the lock until the end of the transaction, so that whoever waited for it sees the new schema.
pub(super) async fn migrate_postgres(connection: &mut PgConnection) -> Result<(), OpenErrorKind> {
    let run = async {
        let mut transaction = connection.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
        POSTGRES.run(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    };
    run.await.map_err(|error| open_error(&POSTGRES, error))
}

fn open_error(migrator: &Migrator, error: MigrateError) -> OpenErrorKind {
    match error {
        MigrateError::VersionMissing(theirs) => {
            let ours = migrator.iter().map(|migration| migration.version).max().unwrap_or_default();
            OpenErrorKind::Newer { theirs, ours }
        }
        MigrateError::VersionMismatch(version) => OpenErrorKind::Altered(version),
        MigrateError::Dirty(version) => OpenErrorKind::Unfinished(version),
        MigrateError::Execute(source) => OpenErrorKind::Connect(source),
        error => OpenErrorKind::Migrate(error),
    }
}
