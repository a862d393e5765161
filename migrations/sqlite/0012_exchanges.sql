-- Same tables and columns as migrations/postgres/0012_exchanges.sql.

-- The journal, where processes share it: on PostgreSQL. A SQLite file belongs to one process, which has its journal in
-- memory, so that this stays empty; it is here so that the statements about all tables are the same for both.
CREATE TABLE exchanges (
  -- 0 where no workspace could be told.
  workspace_id INTEGER NOT NULL,
  number       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  -- Of the workspace when the request was checked: what belongs to an earlier one is not shown.
  incarnation  INTEGER NOT NULL,
  request_id   TEXT NOT NULL,
  -- Who wrote it, and its place there: what is written again, as the first answer was lost, is there once.
  process      INTEGER NOT NULL,
  place        INTEGER NOT NULL,
  is_refused   INTEGER NOT NULL,
  -- Roughly what it takes.
  bytes        INTEGER NOT NULL,
  -- JSON.
  content      TEXT NOT NULL,
  -- An id alone is asked for, so it comes first.
  UNIQUE (request_id, workspace_id, process, place)
) STRICT;
