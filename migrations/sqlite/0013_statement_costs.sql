-- Same indexes as migrations/postgres/0013_statement_costs.sql.

-- So that what is asked of a few rows reads no others: the tokens of a creator, what became of an owner's tokens, the
-- account's admins, and the sign-ins that end with a principal.
CREATE INDEX tokens_by_creator ON tokens (workspace_id, created_by_id);
CREATE INDEX tokens_by_creator_name ON tokens (workspace_id, created_by_username);
CREATE INDEX tombstones_by_owner ON tombstones (workspace_id, owner_id, ended_at);
CREATE INDEX principals_account_admins ON principals (account_id, principal_id) WHERE account_admin;
CREATE INDEX sign_ins_by_principal ON sign_ins (account_id, principal_id);
CREATE INDEX workspaces_by_account ON workspaces (account_id, is_default DESC, workspace_id);
CREATE INDEX workspaces_default ON workspaces (workspace_id) WHERE is_default;
