-- Same tables, columns and unique keys as migrations/postgres/0006_token_report.sql.
-- One index for each order of the token report. No expiry counts as the latest, no use as the earliest.
CREATE INDEX tokens_by_creation ON tokens (workspace_id, creation_time, token_id);
DROP INDEX tokens_by_expiry;
CREATE INDEX tokens_by_expiry ON tokens (workspace_id, COALESCE(expiry_time, 9223372036854775807), token_id);
-- Holds all that the report's filters and its count ask, so that they read no rows of the table.
CREATE INDEX tokens_by_last_use ON tokens (workspace_id, COALESCE(last_used_at, -9223372036854775807), token_id,
  owner_id, creation_time, expiry_time, last_used_at, idle_from);
CREATE UNIQUE INDEX principals_of_account_by_name ON principals (account_id, name_key, principal_id);
