-- Same tables, columns and unique keys as migrations/sqlite/0007_worlds.sql.

-- On the system's clock: workspaces that were made for a time only go by themselves.
ALTER TABLE workspaces ADD COLUMN delete_at BIGINT;
-- A seeded workspace draws ids and values from its seed: entropy_drawn says how often it has.
ALTER TABLE workspaces ADD COLUMN entropy_seed BIGINT;
ALTER TABLE workspaces ADD COLUMN entropy_drawn BIGINT NOT NULL DEFAULT 0;

-- A workspace as it once was. has_account says whether its account's principals are in it.
CREATE TABLE checkpoints (
  workspace_id    BIGINT NOT NULL,
  checkpoint_name TEXT COLLATE "C" NOT NULL,
  created_at      BIGINT NOT NULL,
  has_account     BOOLEAN NOT NULL,
  PRIMARY KEY (workspace_id, checkpoint_name)
);

-- The rows of all tables that were the workspace's or its account's, one JSON object each. A migration
-- that adds a column which cannot be NULL has to add it here too.
CREATE TABLE checkpoint_rows (
  workspace_id    BIGINT NOT NULL,
  checkpoint_name TEXT COLLATE "C" NOT NULL,
  table_name      TEXT COLLATE "C" NOT NULL,
  is_account      BOOLEAN NOT NULL,
  content         JSONB  NOT NULL
);
CREATE INDEX checkpoint_rows_by_name ON checkpoint_rows (workspace_id, checkpoint_name, table_name);
