-- Same tables, columns and unique keys as migrations/postgres/0009_decoys.sql.

-- Token values that belong to nobody; only their hashes. As with tokens, a value alone is presented, so it comes
-- first in the key.
CREATE TABLE decoys (
  workspace_id INTEGER NOT NULL,
  decoy_id     TEXT NOT NULL,
  comment      TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  uses         INTEGER NOT NULL DEFAULT 0,
  last_used_at INTEGER,
  last_client  TEXT,
  last_ip      TEXT,
  PRIMARY KEY (decoy_id, workspace_id)
) STRICT, WITHOUT ROWID;
