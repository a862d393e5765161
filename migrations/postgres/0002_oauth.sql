-- Same tables, columns and unique keys as migrations/sqlite/0002_oauth.sql.

-- Secrets of service principals; only hashes. They go with their principal.
CREATE TABLE oauth_secrets (
  account_id   TEXT COLLATE "C" NOT NULL,
  principal_id BIGINT NOT NULL,
  secret_id    TEXT COLLATE "C" NOT NULL,
  secret_hash  TEXT COLLATE "C" NOT NULL,
  created_at   BIGINT NOT NULL,
  expires_at   BIGINT NOT NULL,
  PRIMARY KEY (account_id, principal_id, secret_id),
  FOREIGN KEY (account_id, principal_id) REFERENCES principals (account_id, principal_id) ON DELETE CASCADE
);

-- A client is looked up by its id alone; its secret says which account's it is.
CREATE INDEX principals_by_client_id ON principals (kind, name_key);

-- The keys that sign access tokens: the newest signs, all verify. The private half has to be kept,
-- so that tokens outlive a restart and every process on the database signs alike.
CREATE TABLE oauth_keys (
  kid         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  account_id  TEXT COLLATE "C" NOT NULL REFERENCES accounts (account_id),
  -- The RSA modulus as in a JWK; the exponent is 65537.
  modulus     TEXT COLLATE "C" NOT NULL,
  -- PKCS#8 in base64.
  private_key TEXT COLLATE "C" NOT NULL,
  created_at  BIGINT NOT NULL
);
CREATE INDEX oauth_keys_by_age ON oauth_keys (account_id, created_at, kid);
