//! OAuth secrets of service principals, as hashes, and the keys that sign access tokens.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sqlx::FromRow;

use super::identities::is_found;
use super::session::{Reader, Writer, args};
use super::tokens::{scopes_from_json, scopes_to_json};
use super::{Result, StoreError};
use crate::domain::identities::{Principal, PrincipalKind};
use crate::domain::jwt::{SigningKey, VerifyingKey};
use crate::domain::oauth::{Secret, SecretHash};
use crate::domain::{AccountId, Millis, PrincipalId};

macro_rules! secret_columns {
    () => {
        "s.secret_id, s.account_id, s.principal_id, s.secret_hash, s.created_at, s.expires_at, s.scopes"
    };
}

#[derive(FromRow)]
struct SecretRow {
    secret_id: String,
    account_id: String,
    principal_id: i64,
    secret_hash: String,
    created_at: i64,
    expires_at: i64,
    scopes: Option<String>,
}

impl TryFrom<SecretRow> for Secret {
    type Error = StoreError;

    fn try_from(row: SecretRow) -> Result<Self> {
        Ok(Self {
            id: row.secret_id,
            account: account_from(&row.account_id)?,
            principal: PrincipalId(row.principal_id),
            hash: SecretHash::from_text(row.secret_hash),
            created_at: Millis(row.created_at),
            expires_at: Millis(row.expires_at),
            scopes: scopes_from_json(row.scopes.as_deref())?,
        })
    }
}

fn account_from(text: &str) -> Result<AccountId> {
    AccountId::parse(text).ok_or_else(|| StoreError::Unreadable("an account's id".into()))
}

fn key_from(modulus: &str) -> Result<VerifyingKey> {
    VerifyingKey::from_modulus_text(modulus).ok_or_else(|| StoreError::Unreadable("a public key".into()))
}

impl Reader {
    /// A service principal's secrets, also expired ones, oldest first.
    pub async fn list_secrets(&mut self, account: AccountId, principal: PrincipalId) -> Result<Vec<Secret>> {
        const SQL: &str = concat!(
            "SELECT ",
            secret_columns!(),
            " FROM oauth_secrets s WHERE s.account_id = $1 AND s.principal_id = $2
             ORDER BY s.created_at, s.secret_id"
        );
        self.list::<SecretRow, _>(SQL, args![account, principal]).await
    }

    /// The secrets of the service principal with an application id, in one account or in all. A single statement, so
    /// that an unknown id takes as long as a known one.
    pub async fn list_client_secrets(&mut self, account: Option<AccountId>, client_id: &str) -> Result<Vec<Secret>> {
        const SQL: &str = concat!(
            "SELECT ",
            secret_columns!(),
            " FROM principals p
             LEFT JOIN oauth_secrets s ON s.account_id = p.account_id AND s.principal_id = p.principal_id
             WHERE p.kind = $2 AND p.name_key = $3 AND (CAST($1 AS TEXT) IS NULL OR p.account_id = $1) AND ",
            is_found!("s.principal_id")
        );
        let key = Principal::name_key(client_id);
        let account = account.map(|account| account.to_string());
        let values = args![account.as_deref(), PrincipalKind::ServicePrincipal.as_str(), &key];
        self.list::<SecretRow, _>(SQL, values).await
    }

    /// A public key by id, and the account whose access tokens it verifies.
    pub async fn find_key(&mut self, kid: &str) -> Result<Option<(AccountId, VerifyingKey)>> {
        let sql = "SELECT account_id, modulus FROM oauth_keys WHERE kid = $1";
        let Some((account, modulus)) = self.row::<(String, String)>(sql, args![kid]).await? else { return Ok(None) };
        Ok(Some((account_from(&account)?, key_from(&modulus)?)))
    }

    /// The public keys of one account or of all, newest first.
    pub async fn list_keys(&mut self, account: Option<AccountId>) -> Result<Vec<VerifyingKey>> {
        let sql = "SELECT modulus FROM oauth_keys WHERE (CAST($1 AS TEXT) IS NULL OR account_id = $1)
             ORDER BY created_at DESC, kid DESC";
        let account = account.map(|account| account.to_string());
        let rows = self.rows::<(String,)>(sql, args![account.as_deref()]).await?;
        rows.iter().map(|(modulus,)| key_from(modulus)).collect()
    }

    /// The account's newest key, which signs its access tokens.
    pub async fn find_signing_key(&mut self, account: AccountId) -> Result<Option<SigningKey>> {
        let sql = "SELECT modulus, private_key FROM oauth_keys WHERE account_id = $1
             ORDER BY created_at DESC, kid DESC LIMIT 1";
        let Some((modulus, private)) = self.row::<(String, String)>(sql, args![account]).await? else {
            return Ok(None);
        };
        let pkcs8 = STANDARD.decode(private).map_err(|_| StoreError::Unreadable("a private key".into()))?;
        Ok(Some(SigningKey { public: key_from(&modulus)?, pkcs8 }))
    }
}

impl Writer {
    pub async fn insert_secret(&mut self, secret: &Secret) -> Result<()> {
        const SQL: &str = "INSERT INTO oauth_secrets (account_id, principal_id, secret_id, secret_hash, created_at,
               expires_at, scopes)
             VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let Secret { id, account, principal, hash, created_at, expires_at, scopes } = secret;
        let scopes = scopes_to_json(scopes.as_deref())?;
        let values = args![*account, *principal, id, hash.as_str(), *created_at, *expires_at, scopes.as_deref()];
        self.execute(SQL, values).await.map(drop)
    }

    /// Deletes a secret; returns whether it existed.
    pub async fn delete_secret(&mut self, account: AccountId, principal: PrincipalId, id: &str) -> Result<bool> {
        let sql = "DELETE FROM oauth_secrets WHERE account_id = $1 AND principal_id = $2 AND secret_id = $3";
        Ok(self.execute(sql, args![account, principal, id]).await? > 0)
    }

    /// Inserts a key as the account's newest one, even if the clock went backwards.
    pub async fn insert_key(&mut self, account: AccountId, key: &SigningKey, at: Millis) -> Result<()> {
        const SQL: &str = "INSERT INTO oauth_keys (kid, account_id, modulus, private_key, created_at)
             SELECT $1, $2, $3, $4, COALESCE(MAX(CASE WHEN created_at < $5 THEN $5 ELSE created_at + 1 END), $5)
             FROM oauth_keys WHERE account_id = $2";
        let (modulus, private) = (key.public.modulus_text(), STANDARD.encode(&key.pkcs8));
        self.execute(SQL, args![key.public.kid(), account, &modulus, &private, at]).await.map(drop)
    }
}
