//! Brings the tables up to date, all or nothing.

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Connection, PgConnection, SqlitePool};

use super::Unusable;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// What processes wait for that start on one database at once. Not the number of [`super::Lock::Database`]:
/// a running server needs not wait.
const LOCK: i64 = 0x4441_5049;

/// All in one transaction: the next start finds the schema that the last one left, or the newest.
pub(super) async fn migrate_sqlite(pool: &SqlitePool) -> Result<(), Unusable> {
    let run = async {
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
        SQLITE.run(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    };
    run.await.map_err(|error| unusable(&SQLITE, error))
}

/// The same. The lock is held until the end of the transaction, so that whoever waited for it sees the outcome.
pub(super) async fn migrate_postgres(connection: &mut PgConnection) -> Result<(), Unusable> {
    let run = async {
        let mut transaction = connection.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
        POSTGRES.run(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    };
    run.await.map_err(|error| unusable(&POSTGRES, error))
}

fn unusable(migrator: &Migrator, error: MigrateError) -> Unusable {
    match error {
        MigrateError::VersionMissing(theirs) => {
            let ours = migrator.iter().map(|migration| migration.version).max().unwrap_or_default();
            Unusable::Newer { theirs, ours }
        }
        MigrateError::VersionMismatch(version) => Unusable::Altered(version),
        MigrateError::Dirty(version) => Unusable::Unfinished(version),
        MigrateError::Execute(source) => Unusable::Connect(source),
        error => Unusable::Migrate(error),
    }
}
