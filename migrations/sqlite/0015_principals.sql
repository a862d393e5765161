-- Same tables, columns and unique keys as migrations/postgres/0015_principals.sql.

-- Which one a principal is, of all that had its id or name: drawn when it is created. 0 is for those from before, as it
-- is in the access tokens from before.
ALTER TABLE principals ADD COLUMN creation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE page_sessions ADD COLUMN principal_creation INTEGER NOT NULL DEFAULT 0;

-- userName and applicationId are stored in lower case. name_key is that already, and unique, so no two rows collide.
UPDATE principals SET name = name_key WHERE kind <> 'group' AND name <> name_key;
UPDATE tokens SET created_by_username = LOWER(created_by_username)
  WHERE created_by_username <> LOWER(created_by_username);
UPDATE tombstones SET created_by_username = LOWER(created_by_username)
  WHERE created_by_username <> LOWER(created_by_username);

-- Checkpoints keep rows in the same form.
UPDATE checkpoint_rows SET content = json_set(content, '$.creation', 0, '$.name',
    CASE WHEN content ->> 'kind' = 'group' THEN content ->> 'name' ELSE content ->> 'name_key' END)
  WHERE table_name = 'principals';
UPDATE checkpoint_rows
  SET content = json_set(content, '$.created_by_username', LOWER(content ->> 'created_by_username'))
  WHERE table_name IN ('tokens', 'tombstones');

-- The order of SCIM's lists.
CREATE INDEX principals_by_age ON principals (account_id, kind, created_at, principal_id);
