-- The settings API: one JSON value a setting, with the version that clients send back.
CREATE TABLE workspace_settings (
  workspace_id  INTEGER NOT NULL REFERENCES workspaces (workspace_id),
  setting_name  TEXT    NOT NULL,
  setting_value TEXT    NOT NULL,
  etag          TEXT    NOT NULL,
  PRIMARY KEY (workspace_id, setting_name)
) STRICT, WITHOUT ROWID;

-- Access control rule sets of the account: who holds which role on a service principal.
CREATE TABLE rule_sets (
  account_id    TEXT NOT NULL REFERENCES accounts (account_id),
  rule_set_name TEXT NOT NULL,
  grant_rules   TEXT NOT NULL,
  etag          TEXT NOT NULL,
  PRIMARY KEY (account_id, rule_set_name)
) STRICT, WITHOUT ROWID;
