-- Same tables, columns and unique keys as migrations/sqlite/0005_account.sql.

-- Whether the row assigns its principal. Whoever is in the workspace through a group of the account has
-- one only while something of its place there is its own.
ALTER TABLE workspace_assignments ADD COLUMN direct BOOLEAN NOT NULL DEFAULT TRUE;

-- Events about the account are in the log of the workspace that the call was made in.
ALTER TABLE audit_events ADD COLUMN account_level BOOLEAN NOT NULL DEFAULT FALSE;
