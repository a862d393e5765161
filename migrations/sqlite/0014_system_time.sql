-- Same tables, columns and unique keys as migrations/postgres/0014_system_time.sql.

-- The latest system time that a process has shown, in one row: a clock that is set back, or another process whose
-- clock is behind, shows nothing earlier.
CREATE TABLE system_time (
  id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  shown_at INTEGER NOT NULL
) STRICT;
INSERT INTO system_time (id, shown_at) VALUES (1, 0);
