//! Personal access tokens: a principal's own (`own`), those that workspace admins manage (`management`), and the history
//! of all (`history`). What creating, changing and ending a token have in common is here.

pub(crate) mod history;
mod management;
mod own;

use crate::domain::audit::Action;
use crate::domain::lifecycle::as_of;
use crate::domain::tokens::{
    EndCause, Token, TokenFacts, TokenRequest, TokenUpdate, TokenValue, Visibility, plan_create,
};
use crate::domain::{PrincipalId, Workspace};
use crate::service::{Call, Error, Service};
use crate::store::Writer;

/// Where a new token belongs.
struct Ownership<'a> {
    workspace: &'a Workspace,
    owner: PrincipalId,
}

impl Service {
    /// Creates a token that authenticates its owner. The creator on record is the caller.
    async fn insert_token(
        &self,
        writer: &mut Writer,
        call: Call<'_>,
        Ownership { workspace, owner }: Ownership<'_>,
        request: &TokenRequest,
    ) -> Result<(TokenValue, Token), Error> {
        let caller = call.caller;
        let live = Visibility::new(&workspace.behaviour, caller.now);
        let facts = TokenFacts {
            cap_days: workspace.lifetime_cap_days(caller.now),
            live_tokens: writer.count_tokens_of(workspace.id, owner, live).await?,
            autoscope_days: workspace.behaviour.autoscope_days,
        };
        let plan = plan_create(request, facts, caller.now)?;
        let entropy = self.draw(writer, workspace).await?;
        let value = entropy.token_value(workspace.behaviour.token_value_suffix);
        let token = plan.into_token(workspace.id, &value, owner, (caller.id, &caller.name));
        writer.insert_token(&token).await?;
        let action = Action::generate_token(&token.id, token.expiry_time, token.owner, token.created_by);
        self.record(writer, call.entry(action)).await?;
        Ok((value, token))
    }

    /// Ends a token on behalf of the caller.
    pub(super) async fn end_token(
        &self,
        writer: &mut Writer,
        call: Call<'_>,
        token: &Token,
        cause: EndCause,
    ) -> Result<(), Error> {
        self.settle_autoscope(writer, &call.caller.workspace, token.clone(), call.caller.now).await?;
        writer.end_tokens(token.workspace, &[(&token.id, cause, call.caller.now)], &call.caller.name).await?;
        Ok(self.record(writer, call.entry(Action::revoke_token(&token.id, token.owner))).await?)
    }

    async fn store_update(
        &self,
        writer: &mut Writer,
        call: Call<'_>,
        token: Token,
        update: TokenUpdate,
    ) -> Result<Token, Error> {
        let token = self.settle_autoscope(writer, &call.caller.workspace, token, call.caller.now).await?;
        let token = update.apply(token);
        writer.update_token(&token).await?;
        self.record(writer, call.entry(Action::update_token(&token.id, token.owner))).await?;
        Ok(token)
    }
}

/// The token as it is at the time of the call.
fn now_of(call: Call<'_>, token: Token) -> Token {
    as_of(token, &call.caller.workspace.behaviour, call.caller.now)
}
