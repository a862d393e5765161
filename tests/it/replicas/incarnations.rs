//! Requests that were checked before their workspace was replaced.

use std::sync::Arc;
use std::time::Duration;

use dapi_mock::domain::audit::{Filter, Origin};
use dapi_mock::domain::authorize::{Caller, Demand, NamedWorkspace, PresentedCredential};
use dapi_mock::domain::tokens::{TokenRequest, TokenValue};
use dapi_mock::domain::{Checkpoint, CheckpointName, Millis, WorkspaceId};
use dapi_mock::service::{AdminRestrictionChange, Call, Error, NewWorkspace, SecretOwner, StoreError};
use dapi_mock::store::{Lock, Store};
use serde_json::json;

use crate::support::{INVALID, LIST, World};

on_two_replicas!(
    a_request_checked_before_a_restore_writes_nothing_after_it,
    a_request_that_meets_a_restore_is_checked_again,
);

/// A request that was checked but not yet answered.
struct Checked {
    caller: Box<Caller>,
    origin: Arc<Origin>,
}

impl Checked {
    async fn by(world: &World, token: &str) -> Self {
        let presented = PresentedCredential::Token(TokenValue::parse(token).unwrap().id());
        let origin = Arc::new(Origin::default());
        let authorized = world.service.authorize(&presented, &NamedWorkspace::Unnamed, Demand::UNROUTED, &origin);
        let authorized = authorized.await.unwrap();
        Self { caller: Box::new(authorized.decision.outcome.unwrap()), origin }
    }

    fn call(&self) -> Call<'_> {
        Call { caller: &self.caller, origin: &self.origin }
    }
}

fn was_replaced<T: std::fmt::Debug>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Store(StoreError::Replaced)))
}

async fn a_request_checked_before_a_restore_writes_nothing_after_it(one: World, other: World) {
    let new = NewWorkspace { id: Some(WorkspaceId(41)), ..NewWorkspace::default() };
    let seed = CheckpointName::parse("seed").unwrap();
    for removed in [false, true] {
        let made = one.service.create_workspace(&new, None).await.unwrap();
        let (id, token) = (made.workspace.id, made.admin_token.reveal().to_owned());
        let checked = Checked::by(&other, &token).await;
        let request = TokenRequest::default();
        assert!(other.service.create_token(checked.call(), &request).await.is_ok());
        if removed {
            one.service.delete_workspace(id).await.unwrap();
            let new = NewWorkspace { admin_token: Some(made.admin_token), ..new.clone() };
            one.service.create_workspace(&new, None).await.unwrap();
        } else {
            one.service.reset_workspace(id, &seed).await.unwrap();
        }
        let before = one.service.audit_events(id, &Filter::default()).await.unwrap().0.len();
        let call = checked.call();
        let service = &other.service;
        assert!(was_replaced(&service.create_token(call, &request).await));
        assert!(was_replaced(&service.revoke_own_token(call, &TokenValue::parse(&token).unwrap().id()).await));
        assert!(was_replaced(&service.change_conf(call, &[("maxTokenLifetimeDays".into(), Some("1".into()))]).await));
        assert!(was_replaced(&service.change_admin_restriction(call, &AdminRestrictionChange::reset(), None).await));
        assert!(was_replaced(&service.replace_rule_set(call, "x", &[], None).await));
        assert!(was_replaced(
            &service.create_secret(call, SecretOwner { account: None, principal: checked.caller.id }, None, None).await
        ));
        // No token and no event was added, and a new request is checked against the present state.
        let again = Checked::by(&other, &token).await;
        assert_eq!(service.own_tokens(again.call()).await.unwrap().len(), 1);
        let after = one.service.audit_events(id, &Filter::default()).await.unwrap().0;
        assert_eq!(after.len(), before + 1, "its log-in: {after:?}");
        one.service.delete_workspace(id).await.unwrap();
    }
}

/// Whether somebody waits for the lock of this workspace.
async fn is_waited_for(world: &World, id: WorkspaceId) -> bool {
    const SQL: &str = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
         AND (CAST(classid AS BIGINT) << 32) + CAST(objid AS BIGINT) = $1)";
    let Store::Postgres(pool) = world.service.store() else { panic!("not on PostgreSQL") };
    sqlx::query_scalar(SQL).bind(id.0).fetch_one(pool.unlimited()).await.unwrap()
}

async fn a_request_that_meets_a_restore_is_checked_again(one: World, other: World) {
    let made = one.service.create_workspace(&NewWorkspace::default(), None).await.unwrap();
    let (id, token) = (made.workspace.id, made.admin_token.reveal());
    let (late, _) = one.client(token).create(&json!({})).await;
    // A reset that the other process has begun and not committed.
    let mut reset = one.service.store().write(Lock::Workspace(id)).await.unwrap();
    let uses = async {
        let (late, kept) = (other.client(&late), other.client(token));
        tokio::join!(late.get(LIST), kept.get(LIST))
    };
    let resets = async {
        while !is_waited_for(&one, id).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let name = CheckpointName::parse("empty").unwrap();
        let empty = Checkpoint { name, created_at: Millis(0), has_account: true };
        reset.restore_checkpoint(&made.workspace, &empty).await.unwrap();
        reset.update_incarnation(id, 1).await.unwrap();
        reset.commit().await.unwrap();
    };
    let ((late, kept), ()) = tokio::join!(uses, resets);
    late.refused(403, 403, INVALID);
    assert_eq!(kept.status, 200, "{kept:?}");
}
