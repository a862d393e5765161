-- Same tables, columns and unique keys as migrations/sqlite/0001_init.sql.
-- Times are epoch milliseconds, ids and times come from the application, JSON is TEXT.

CREATE TABLE accounts (
  account_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  created_at BIGINT NOT NULL
);

CREATE TABLE workspaces (
  workspace_id    BIGINT NOT NULL PRIMARY KEY,
  account_id      TEXT COLLATE "C" NOT NULL REFERENCES accounts (account_id),
  name            TEXT COLLATE "C" NOT NULL,
  deployment_name TEXT COLLATE "C" NOT NULL,
  created_at      BIGINT NOT NULL,
  is_default      BOOLEAN NOT NULL,
  admins_group_id BIGINT NOT NULL,
  users_group_id  BIGINT NOT NULL,
  -- 'real', 'offset' (clock_value is added to the system time) or 'frozen' (clock_value is the time).
  clock_mode      TEXT COLLATE "C" NOT NULL,
  clock_value     BIGINT NOT NULL,
  -- Behaviour of the mock itself (plan tier, cloud, what losing CAN_USE does …) as JSON.
  behaviour       TEXT COLLATE "C" NOT NULL
);

-- Users, service principals and groups. workspace_id is 0 for those of the account, else the
-- workspace whose local group it is. name: userName, applicationId or displayName.
CREATE TABLE principals (
  account_id    TEXT COLLATE "C" NOT NULL REFERENCES accounts (account_id),
  principal_id  BIGINT NOT NULL,
  workspace_id  BIGINT NOT NULL,
  kind          TEXT COLLATE "C" NOT NULL,
  name          TEXT COLLATE "C" NOT NULL,
  name_key      TEXT COLLATE "C" NOT NULL,
  display_name  TEXT COLLATE "C" NOT NULL,
  active        BOOLEAN NOT NULL,
  account_admin BOOLEAN NOT NULL,
  external_id   TEXT COLLATE "C",
  attributes    TEXT COLLATE "C" NOT NULL,
  created_at    BIGINT NOT NULL,
  PRIMARY KEY (account_id, principal_id)
);
CREATE UNIQUE INDEX principals_by_name ON principals (account_id, workspace_id, kind, name_key);

CREATE TABLE workspace_assignments (
  workspace_id BIGINT NOT NULL REFERENCES workspaces (workspace_id),
  principal_id BIGINT NOT NULL,
  active       BOOLEAN NOT NULL,
  entitlements TEXT COLLATE "C" NOT NULL,
  roles        TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (workspace_id, principal_id)
);

CREATE TABLE group_members (
  account_id TEXT COLLATE "C" NOT NULL,
  group_id   BIGINT NOT NULL,
  member_id  BIGINT NOT NULL,
  PRIMARY KEY (account_id, group_id, member_id)
);
CREATE INDEX group_members_by_member ON group_members (account_id, member_id);

CREATE TABLE workspace_conf (
  workspace_id   BIGINT NOT NULL REFERENCES workspaces (workspace_id),
  conf_key       TEXT COLLATE "C" NOT NULL,
  conf_value     TEXT COLLATE "C" NOT NULL,
  -- What applies before effective_at (propagation delay); NULL when it was unset.
  previous_value TEXT COLLATE "C",
  effective_at   BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, conf_key)
);

-- The direct entries of permissions on authorization/tokens.
CREATE TABLE token_acl (
  workspace_id     BIGINT NOT NULL REFERENCES workspaces (workspace_id),
  principal_id     BIGINT NOT NULL,
  permission_level TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (workspace_id, principal_id)
);

-- Live tokens. token_id is the SHA-256 of the value and comes first in the key, because a
-- presented value is what picks the workspace.
CREATE TABLE tokens (
  token_id            TEXT COLLATE "C" NOT NULL,
  workspace_id        BIGINT NOT NULL REFERENCES workspaces (workspace_id),
  owner_id            BIGINT NOT NULL,
  created_by_id       BIGINT NOT NULL,
  created_by_username TEXT COLLATE "C" NOT NULL,
  comment             TEXT COLLATE "C" NOT NULL,
  creation_time       BIGINT NOT NULL,
  expiry_time         BIGINT,
  last_used_at        BIGINT,
  last_client         TEXT COLLATE "C",
  -- max(last use, creation): where the 90 days without use begin.
  idle_from           BIGINT NOT NULL,
  scopes              TEXT COLLATE "C",
  autoscope_state     TEXT COLLATE "C",
  inferred_scopes     TEXT COLLATE "C",
  PRIMARY KEY (token_id, workspace_id)
);
CREATE INDEX tokens_by_owner ON tokens (workspace_id, owner_id, creation_time, token_id);
CREATE INDEX tokens_by_idle ON tokens (workspace_id, idle_from);
CREATE INDEX tokens_by_expiry ON tokens (workspace_id, expiry_time);

-- Tokens that ended, with who or what ended them. Invisible to the Databricks API.
CREATE TABLE tombstones (
  token_id            TEXT COLLATE "C" NOT NULL,
  workspace_id        BIGINT NOT NULL REFERENCES workspaces (workspace_id),
  owner_id            BIGINT NOT NULL,
  created_by_id       BIGINT NOT NULL,
  created_by_username TEXT COLLATE "C" NOT NULL,
  comment             TEXT COLLATE "C" NOT NULL,
  creation_time       BIGINT NOT NULL,
  expiry_time         BIGINT,
  last_used_at        BIGINT,
  last_client         TEXT COLLATE "C",
  ended_at            BIGINT NOT NULL,
  cause               TEXT COLLATE "C" NOT NULL,
  actor               TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (token_id, workspace_id)
);
CREATE INDEX tombstones_by_time ON tombstones (workspace_id, ended_at);

-- Audit events, written in the transaction of their effect. sequence is the order of writing:
-- event_time is the workspace's clock, and what the sweep tells of may lie in the past.
CREATE TABLE audit_events (
  sequence       BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  workspace_id   BIGINT NOT NULL,
  event_id       TEXT COLLATE "C" NOT NULL,
  event_time     BIGINT NOT NULL,
  account_id     TEXT COLLATE "C" NOT NULL,
  service_name   TEXT COLLATE "C" NOT NULL,
  action_name    TEXT COLLATE "C" NOT NULL,
  actor          TEXT COLLATE "C",
  request_id     TEXT COLLATE "C" NOT NULL,
  source_ip      TEXT COLLATE "C" NOT NULL,
  user_agent     TEXT COLLATE "C" NOT NULL,
  request_params TEXT COLLATE "C" NOT NULL,
  status_code    BIGINT NOT NULL,
  error_message  TEXT COLLATE "C"
);
CREATE INDEX audit_events_by_workspace ON audit_events (workspace_id, sequence);
