-- Same tables, columns and unique keys as migrations/postgres/0001_init.sql.
-- Times are epoch milliseconds, ids and times come from the application, JSON is TEXT.

CREATE TABLE accounts (
  account_id TEXT NOT NULL PRIMARY KEY,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE workspaces (
  workspace_id    INTEGER NOT NULL PRIMARY KEY,
  account_id      TEXT    NOT NULL REFERENCES accounts (account_id),
  name            TEXT    NOT NULL,
  deployment_name TEXT    NOT NULL,
  created_at      INTEGER NOT NULL,
  is_default      INTEGER NOT NULL,
  admins_group_id INTEGER NOT NULL,
  users_group_id  INTEGER NOT NULL,
  -- 'real', 'offset' (clock_value is added to the system time) or 'frozen' (clock_value is the time).
  clock_mode      TEXT    NOT NULL,
  clock_value     INTEGER NOT NULL,
  -- Behaviour of the mock itself (plan tier, cloud, what losing CAN_USE does …) as JSON.
  behaviour       TEXT    NOT NULL
) STRICT;

-- Users, service principals and groups. workspace_id is 0 for those of the account, else the
-- workspace whose local group it is. name: userName, applicationId or displayName.
CREATE TABLE principals (
  account_id    TEXT    NOT NULL REFERENCES accounts (account_id),
  principal_id  INTEGER NOT NULL,
  workspace_id  INTEGER NOT NULL,
  kind          TEXT    NOT NULL,
  name          TEXT    NOT NULL,
  name_key      TEXT    NOT NULL,
  display_name  TEXT    NOT NULL,
  active        INTEGER NOT NULL,
  account_admin INTEGER NOT NULL,
  external_id   TEXT,
  attributes    TEXT    NOT NULL,
  created_at    INTEGER NOT NULL,
  PRIMARY KEY (account_id, principal_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX principals_by_name ON principals (account_id, workspace_id, kind, name_key);

CREATE TABLE workspace_assignments (
  workspace_id INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  principal_id INTEGER NOT NULL,
  active       INTEGER NOT NULL,
  entitlements TEXT    NOT NULL,
  roles        TEXT    NOT NULL,
  PRIMARY KEY (workspace_id, principal_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE group_members (
  account_id TEXT    NOT NULL,
  group_id   INTEGER NOT NULL,
  member_id  INTEGER NOT NULL,
  PRIMARY KEY (account_id, group_id, member_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_members_by_member ON group_members (account_id, member_id);

CREATE TABLE workspace_conf (
  workspace_id   INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  conf_key       TEXT    NOT NULL,
  conf_value     TEXT    NOT NULL,
  -- What applies before effective_at (propagation delay); NULL when it was unset.
  previous_value TEXT,
  effective_at   INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, conf_key)
) STRICT, WITHOUT ROWID;

-- The direct entries of permissions on authorization/tokens.
CREATE TABLE token_acl (
  workspace_id     INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  principal_id     INTEGER NOT NULL,
  permission_level TEXT    NOT NULL,
  PRIMARY KEY (workspace_id, principal_id)
) STRICT, WITHOUT ROWID;

-- Live tokens. token_id is the SHA-256 of the value and comes first in the key, because a
-- presented value is what picks the workspace.
CREATE TABLE tokens (
  token_id            TEXT    NOT NULL,
  workspace_id        INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  owner_id            INTEGER NOT NULL,
  created_by_id       INTEGER NOT NULL,
  created_by_username TEXT    NOT NULL,
  comment             TEXT    NOT NULL,
  creation_time       INTEGER NOT NULL,
  expiry_time         INTEGER,
  last_used_at        INTEGER,
  last_client         TEXT,
  -- max(last use, creation): where the 90 days without use begin.
  idle_from           INTEGER NOT NULL,
  scopes              TEXT,
  autoscope_state     TEXT,
  inferred_scopes     TEXT,
  PRIMARY KEY (token_id, workspace_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_by_owner ON tokens (workspace_id, owner_id, creation_time, token_id);
CREATE INDEX tokens_by_idle ON tokens (workspace_id, idle_from);
CREATE INDEX tokens_by_expiry ON tokens (workspace_id, expiry_time);

-- Tokens that ended, with who or what ended them. Invisible to the Databricks API.
CREATE TABLE tombstones (
  token_id            TEXT    NOT NULL,
  workspace_id        INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  owner_id            INTEGER NOT NULL,
  created_by_id       INTEGER NOT NULL,
  created_by_username TEXT    NOT NULL,
  comment             TEXT    NOT NULL,
  creation_time       INTEGER NOT NULL,
  expiry_time         INTEGER,
  last_used_at        INTEGER,
  last_client         TEXT,
  ended_at            INTEGER NOT NULL,
  cause               TEXT    NOT NULL,
  actor               TEXT    NOT NULL,
  PRIMARY KEY (token_id, workspace_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tombstones_by_time ON tombstones (workspace_id, ended_at);

-- Audit events, written in the transaction of their effect. sequence is the order of writing:
-- event_time is the workspace's clock, and what the sweep tells of may lie in the past.
CREATE TABLE audit_events (
  sequence       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  workspace_id   INTEGER NOT NULL,
  event_id       TEXT    NOT NULL,
  event_time     INTEGER NOT NULL,
  account_id     TEXT    NOT NULL,
  service_name   TEXT    NOT NULL,
  action_name    TEXT    NOT NULL,
  actor          TEXT,
  request_id     TEXT    NOT NULL,
  source_ip      TEXT    NOT NULL,
  user_agent     TEXT    NOT NULL,
  request_params TEXT    NOT NULL,
  status_code    INTEGER NOT NULL,
  error_message  TEXT
) STRICT;
CREATE INDEX audit_events_by_workspace ON audit_events (workspace_id, sequence);
