-- The settings API: one JSON value a setting, with the version that clients send back.
CREATE TABLE workspace_settings (
  workspace_id  BIGINT NOT NULL REFERENCES workspaces (workspace_id),
  setting_name  TEXT COLLATE "C" NOT NULL,
  setting_value TEXT COLLATE "C" NOT NULL,
  etag          TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (workspace_id, setting_name)
);

-- Access control rule sets of the account: who holds which role on a service principal.
CREATE TABLE rule_sets (
  account_id    TEXT COLLATE "C" NOT NULL REFERENCES accounts (account_id),
  rule_set_name TEXT COLLATE "C" NOT NULL,
  grant_rules   TEXT COLLATE "C" NOT NULL,
  etag          TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (account_id, rule_set_name)
);
