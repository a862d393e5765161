-- Same columns and indexes as migrations/sqlite/0017_scopes.sql.

-- What the access tokens of a secret cannot exceed, as a JSON list; null is all APIs.
ALTER TABLE oauth_secrets ADD COLUMN scopes TEXT COLLATE "C";

-- When auto-scoping ends. Null in rows of earlier releases, checkpoints among them: 30 days after creation.
ALTER TABLE tokens ADD COLUMN autoscope_until BIGINT;
-- Scopes that were inferred from earlier use, as a JSON list.
ALTER TABLE tokens ADD COLUMN backfill_scopes TEXT COLLATE "C";
-- The sweep looks for those whose auto-scoping has ended.
CREATE INDEX tokens_by_autoscope_end ON tokens (workspace_id, COALESCE(autoscope_until, creation_time + 2592000000))
  WHERE autoscope_state = 'AUTOSCOPE_STATE_RUNNING';
