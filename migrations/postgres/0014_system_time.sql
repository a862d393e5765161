-- Same tables, columns and unique keys as migrations/sqlite/0014_system_time.sql.

-- The latest system time that a process has shown, in one row: a clock that is set back, or another process whose
-- clock is behind, shows nothing earlier.
CREATE TABLE system_time (
  id       BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
  shown_at BIGINT NOT NULL
);
INSERT INTO system_time (id, shown_at) VALUES (1, 0);
