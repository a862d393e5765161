-- Same tables, columns and unique keys as migrations/postgres/0002_oauth.sql.

-- Secrets of service principals; only hashes. They go with their principal.
CREATE TABLE oauth_secrets (
  account_id   TEXT    NOT NULL,
  principal_id INTEGER NOT NULL,
  secret_id    TEXT    NOT NULL,
  secret_hash  TEXT    NOT NULL,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  PRIMARY KEY (account_id, principal_id, secret_id),
  FOREIGN KEY (account_id, principal_id) REFERENCES principals (account_id, principal_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- A client is looked up by its id alone; its secret says which account's it is.
CREATE INDEX principals_by_client_id ON principals (kind, name_key);

-- The keys that sign access tokens: the newest signs, all verify. The private half has to be kept,
-- so that tokens outlive a restart and every process on the database signs alike.
CREATE TABLE oauth_keys (
  kid         TEXT    NOT NULL PRIMARY KEY,
  account_id  TEXT    NOT NULL REFERENCES accounts (account_id),
  -- The RSA modulus as in a JWK; the exponent is 65537.
  modulus     TEXT    NOT NULL,
  -- PKCS#8 in base64.
  private_key TEXT    NOT NULL,
  created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX oauth_keys_by_age ON oauth_keys (account_id, created_at, kid);
