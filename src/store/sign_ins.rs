//! Sign-ins of people by OAuth, from the authorization code to the last refresh token. Their number per person is
//! bounded here, because a clock that stands still expires none.

use sqlx::FromRow;
use uuid::Uuid;

use super::identities::{PrincipalRow, principal_columns, select_principals};
use super::session::{Reader, Writer, args};
use super::{Result, StoreError};
use crate::domain::identities::Principal;
use crate::domain::oauth::SecretHash;
use crate::domain::sign_ins::{AuthorizationRequest, CHOICE_LIFETIME_MS, ReturnAddress, SignIn, Stage};
use crate::domain::{AccountId, Millis, PrincipalId, WorkspaceId};

#[derive(FromRow)]
struct SignInRow {
    sign_in_id: String,
    workspace_id: i64,
    account_id: String,
    whole_account: bool,
    client_id: String,
    redirect_uri: String,
    client_state: Option<String>,
    scope: String,
    code_challenge: String,
    stage: String,
    principal_id: Option<i64>,
    secret_hash: String,
    turn_hash: Option<String>,
    expires_at: i64,
}

impl TryFrom<SignInRow> for SignIn {
    type Error = StoreError;

    fn try_from(row: SignInRow) -> Result<Self> {
        let unreadable = || StoreError::Unreadable("a sign-in".into());
        let stage = match (row.stage.as_str(), row.principal_id.map(PrincipalId)) {
            ("approved", Some(person)) => Stage::Approved(person),
            ("redeemed", Some(person)) => Stage::Redeemed(person),
            _ => return Err(unreadable()),
        };
        Ok(Self {
            id: Uuid::try_parse(&row.sign_in_id).map_err(|_| unreadable())?,
            workspace: WorkspaceId(row.workspace_id),
            account: AccountId::parse(&row.account_id).ok_or_else(unreadable)?,
            whole_account: row.whole_account,
            request: AuthorizationRequest {
                client_id: row.client_id,
                back: ReturnAddress { redirect_uri: row.redirect_uri, state: row.client_state },
                scope: row.scope,
                challenge: row.code_challenge,
            },
            stage,
            secret: SecretHash::from_text(row.secret_hash),
            turn: row.turn_hash.map(SecretHash::from_text),
            expires_at: Millis(row.expires_at),
        })
    }
}

fn stage_parts(stage: Stage) -> (&'static str, i64) {
    match stage {
        Stage::Approved(person) => ("approved", person.0),
        Stage::Redeemed(person) => ("redeemed", person.0),
    }
}

impl Reader {
    /// A sign-in by id. Rows in the stage `asked` come from older versions, and are ignored.
    pub async fn find_sign_in(&mut self, id: Uuid) -> Result<Option<SignIn>> {
        const SQL: &str = "SELECT sign_in_id, workspace_id, account_id, whole_account, client_id, redirect_uri,
               client_state, scope, code_challenge, stage, principal_id, secret_hash, turn_hash, expires_at
             FROM sign_ins WHERE sign_in_id = $1 AND stage <> 'asked'";
        let id = id.to_string();
        self.find::<SignInRow, _>(SQL, args![&id]).await
    }

    /// The person of a sign-in by its id, or of a browser session by the hash of its cookie; `None` once it has ended.
    pub async fn find_signed_in_principal(&mut self, account: AccountId, id: &str) -> Result<Option<Principal>> {
        const SQL: &str = select_principals!(
            "WHERE p.account_id = $2 AND p.principal_id IN
             (SELECT s.principal_id FROM sign_ins s
              WHERE s.sign_in_id = $1 AND s.account_id = $2 AND s.stage = 'redeemed'
              UNION ALL
              SELECT b.principal_id FROM page_sessions b WHERE b.session_hash = $1 AND b.account_id = $2)"
        );
        self.find::<PrincipalRow, _>(SQL, args![id, account]).await
    }

    /// How many sign-ins a workspace has, including expired ones.
    pub async fn count_sign_ins(&mut self, workspace: WorkspaceId) -> Result<i64> {
        self.count("SELECT COUNT(*) FROM sign_ins WHERE workspace_id = $1", args![workspace]).await
    }
}

/// How many sign-ins whose code was not redeemed yet a workspace keeps per person, so that nobody crowds out the
/// others.
const MAX_UNREDEEMED: i64 = 100;
/// How many redeemed sign-ins a workspace keeps per person.
const MAX_REDEEMED: i64 = 100;
/// How many rows one insertion deletes at most.
const PURGE_BATCH: i64 = 100;

impl Writer {
    /// Inserts a sign-in, and deletes some of the workspace's that expired long enough before `now`. They are kept for
    /// the lifetime of a sign-in form, so that one form cannot lead to two sign-ins.
    pub async fn insert_sign_in(&mut self, sign_in: &SignIn, now: Millis) -> Result<()> {
        const SQL: &str = "INSERT INTO sign_ins (sign_in_id, workspace_id, account_id, whole_account, client_id,
               redirect_uri, client_state, scope, code_challenge, stage, principal_id, secret_hash, turn_hash, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
        const EXPIRED: &str = "DELETE FROM sign_ins WHERE workspace_id = $1 AND sign_in_id IN
             (SELECT sign_in_id FROM sign_ins WHERE workspace_id = $1 AND expires_at <= $2
              ORDER BY expires_at LIMIT $3)";
        const TOO_MANY: &str = "DELETE FROM sign_ins WHERE workspace_id = $1 AND sign_in_id IN
             (SELECT sign_in_id FROM sign_ins WHERE workspace_id = $1 AND principal_id = $4 AND stage <> 'redeemed'
              ORDER BY expires_at DESC, sign_in_id LIMIT $2 OFFSET $3)";
        let workspace = sign_in.workspace;
        let (stage, person) = stage_parts(sign_in.stage);
        self.execute(EXPIRED, args![workspace, now.plus(-CHOICE_LIFETIME_MS), PURGE_BATCH]).await?;
        self.execute(TOO_MANY, args![workspace, PURGE_BATCH, MAX_UNREDEEMED - 1, person]).await?;
        let id = sign_in.id.to_string();
        let AuthorizationRequest { client_id, back, scope, challenge } = &sign_in.request;
        let values = args![
            &id,
            workspace,
            sign_in.account,
            sign_in.whole_account,
            client_id,
            &back.redirect_uri,
            back.state.as_deref(),
            scope,
            challenge,
            stage,
            person,
            sign_in.secret.as_str(),
            sign_in.turn.as_ref().map(SecretHash::as_str),
            sign_in.expires_at,
        ];
        self.execute(SQL, values).await.map(drop)
    }

    /// Stores a sign-in's stage and hashes, and deletes the person's oldest redeemed ones beyond the limit.
    pub async fn update_sign_in(&mut self, sign_in: &SignIn) -> Result<()> {
        const SQL: &str = "UPDATE sign_ins SET stage = $3, principal_id = $4, secret_hash = $5, turn_hash = $6,
               expires_at = $7 WHERE sign_in_id = $1 AND workspace_id = $2";
        const TOO_MANY: &str = "DELETE FROM sign_ins WHERE workspace_id = $1 AND sign_in_id IN
             (SELECT sign_in_id FROM sign_ins
              WHERE workspace_id = $1 AND principal_id = $2 AND stage = 'redeemed' AND sign_in_id <> $5
              ORDER BY expires_at DESC, sign_in_id LIMIT $3 OFFSET $4)";
        let id = sign_in.id.to_string();
        let (stage, person) = stage_parts(sign_in.stage);
        let turn = sign_in.turn.as_ref().map(SecretHash::as_str);
        let values = args![&id, sign_in.workspace, stage, person, sign_in.secret.as_str(), turn, sign_in.expires_at];
        self.execute(SQL, values).await?;
        if let Stage::Redeemed(person) = sign_in.stage {
            self.execute(TOO_MANY, args![sign_in.workspace, person, PURGE_BATCH, MAX_REDEEMED - 1, &id]).await?;
        }
        Ok(())
    }

    /// Deletes a sign-in, which revokes everything issued from it.
    pub async fn delete_sign_in(&mut self, workspace: WorkspaceId, id: Uuid) -> Result<()> {
        let id = id.to_string();
        let sql = "DELETE FROM sign_ins WHERE sign_in_id = $1 AND workspace_id = $2";
        self.execute(sql, args![&id, workspace]).await.map(drop)
    }
}
