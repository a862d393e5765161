-- Same tables and columns as migrations/sqlite/0012_exchanges.sql.

-- The journal, which all processes on this database share: requests with their answers, without secrets. Nothing else
-- refers to it and it may be lost, so it is not logged; PostgreSQL empties it when it starts after a crash.
-- Numbers go on all the same, as readers go on from the last one that they have seen.
CREATE SEQUENCE exchange_numbers;

CREATE UNLOGGED TABLE exchanges (
  -- 0 where no workspace could be told.
  workspace_id BIGINT NOT NULL,
  number       BIGINT NOT NULL DEFAULT nextval('exchange_numbers'),
  -- Of the workspace when the request was checked: what belongs to an earlier one is not shown.
  incarnation  BIGINT NOT NULL,
  request_id   TEXT COLLATE "C" NOT NULL,
  -- Who wrote it, and its place there: what is written again, as the first answer was lost, is there once.
  process      BIGINT NOT NULL,
  place        BIGINT NOT NULL,
  is_refused   BOOLEAN NOT NULL,
  -- Roughly what it takes.
  bytes        BIGINT NOT NULL,
  -- JSON.
  content      TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (workspace_id, number),
  -- An id alone is asked for, so it comes first.
  UNIQUE (request_id, workspace_id, process, place)
);
