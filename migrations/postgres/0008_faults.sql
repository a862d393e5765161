-- Same tables, columns and unique keys as migrations/sqlite/0008_faults.sql.

-- The rules by which requests meet failures on purpose, in the order of their ids; seen counts the
-- requests that came to a rule, from which follows how often it fired.
CREATE TABLE faults (
  workspace_id BIGINT NOT NULL,
  fault_id     BIGINT NOT NULL,
  rule         TEXT   NOT NULL,
  seen         BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (workspace_id, fault_id)
);
