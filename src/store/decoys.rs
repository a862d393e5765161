//! Decoys: credentials that only exist to be noticed when somebody uses them. Also answers whether a secret is known
//! here in any role, so that a real credential can be told from the mock's own.

use sqlx::FromRow;

use super::Result;
use super::session::{Reader, Writer, args};
use crate::domain::decoys::{Decoy, DecoyUse};
use crate::domain::oauth::SecretHash;
use crate::domain::{Millis, TokenId, WorkspaceId};

#[derive(FromRow)]
struct DecoyRow {
    decoy_id: String,
    comment: String,
    created_at: i64,
    uses: i64,
    last_used_at: Option<i64>,
    last_client: Option<String>,
    last_ip: Option<String>,
}

impl From<DecoyRow> for Decoy {
    fn from(row: DecoyRow) -> Self {
        let last_use = row.last_used_at.map(|at| DecoyUse {
            at: Millis(at),
            client: row.last_client.unwrap_or_default(),
            source_ip: row.last_ip.unwrap_or_default(),
        });
        let (id, created_at) = (TokenId::from_text(row.decoy_id), Millis(row.created_at));
        Self { id, comment: row.comment, created_at, uses: row.uses, last_use }
    }
}

impl Reader {
    /// The decoys of a workspace, oldest first.
    pub async fn list_decoys(&mut self, workspace: WorkspaceId) -> Result<Vec<Decoy>> {
        const SQL: &str = "SELECT decoy_id, comment, created_at, uses, last_used_at, last_client, last_ip FROM decoys
             WHERE workspace_id = $1 ORDER BY created_at, decoy_id";
        let rows = self.rows::<DecoyRow>(SQL, args![workspace]).await?;
        Ok(rows.into_iter().map(Decoy::from).collect())
    }

    /// The workspace of the decoy with this value; the lowest id if there are several.
    pub async fn find_decoy(&mut self, id: &TokenId) -> Result<Option<WorkspaceId>> {
        let sql = "SELECT workspace_id FROM decoys WHERE decoy_id = $1 ORDER BY workspace_id LIMIT 1";
        Ok(self.row::<(i64,)>(sql, args![id.as_str()]).await?.map(|(id,)| WorkspaceId(id)))
    }

    /// Whether a token, a tombstone, an OAuth secret or a decoy of any workspace has this hash.
    pub async fn knows_secret(&mut self, hash: &SecretHash) -> Result<bool> {
        const SQL: &str = "SELECT COUNT(*) FROM (
               SELECT token_id FROM tokens WHERE token_id = $1
               UNION ALL SELECT token_id FROM tombstones WHERE token_id = $1
               UNION ALL SELECT secret_hash FROM oauth_secrets WHERE secret_hash = $1
               UNION ALL SELECT decoy_id FROM decoys WHERE decoy_id = $1) known";
        Ok(self.count(SQL, args![hash.as_str()]).await? > 0)
    }
}

impl Writer {
    /// Inserts a decoy, unless it exists.
    pub async fn insert_decoy(&mut self, workspace: WorkspaceId, decoy: &Decoy) -> Result<()> {
        const SQL: &str = "INSERT INTO decoys (workspace_id, decoy_id, comment, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (decoy_id, workspace_id) DO NOTHING";
        let Decoy { id, comment, created_at, .. } = decoy;
        self.execute(SQL, args![workspace, id.as_str(), comment, *created_at]).await.map(drop)
    }

    /// Counts a use of a decoy, and stores it as the last one.
    pub async fn record_decoy_use(&mut self, workspace: WorkspaceId, id: &TokenId, used: &DecoyUse) -> Result<()> {
        const SQL: &str = "UPDATE decoys SET uses = uses + 1, last_used_at = $3, last_client = $4, last_ip = $5
             WHERE workspace_id = $1 AND decoy_id = $2";
        let DecoyUse { at, client, source_ip } = used;
        self.execute(SQL, args![workspace, id.as_str(), *at, client, source_ip]).await.map(drop)
    }

    /// Resets the uses of a workspace's decoys.
    pub async fn clear_decoy_uses(&mut self, workspace: WorkspaceId) -> Result<()> {
        const SQL: &str = "UPDATE decoys SET uses = 0, last_used_at = NULL, last_client = NULL, last_ip = NULL
             WHERE workspace_id = $1";
        self.execute(SQL, args![workspace]).await.map(drop)
    }
}
