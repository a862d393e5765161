-- Same tables, columns and unique keys as migrations/sqlite/0011_page_sessions.sql.

-- Browsers that are signed in to the pages; of their cookies only hashes. A cookie alone is presented, so it
-- comes first in the key.
CREATE TABLE page_sessions (
  session_hash  TEXT NOT NULL,
  workspace_id  BIGINT NOT NULL,
  account_id    TEXT NOT NULL,
  whole_account BOOLEAN NOT NULL,
  principal_id  BIGINT NOT NULL,
  -- On the system's clock.
  began_at      BIGINT NOT NULL,
  PRIMARY KEY (session_hash, workspace_id)
);

CREATE INDEX page_sessions_by_age ON page_sessions (began_at);
