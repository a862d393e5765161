//! Tokens and decoys of a seed.

use super::error_in;
use super::identities::NamedPrincipal;
use super::walk::{Namespace, SeedWalk, WorkspaceAt};
use crate::domain::decoys::Decoy;
use crate::domain::identities::PrincipalKind;
use crate::domain::ids::DAY_MS;
use crate::domain::seeds::{DecoySeed, Moment, SeedError, SeededRandom, Text, TokenSeed, instant};
use crate::domain::tokens::{AUTOSCOPE_BACKFILLED, AUTOSCOPE_STATES, MAX_COMMENT_CHARS, Token, TokenValue};
use crate::domain::{Millis, TokenId, Workspace, scopes};
use crate::service::Error;

/// The id of a token whose value the seed leaves out.
pub(super) fn drawn_id(values: &mut SeededRandom, workspace: &Workspace) -> TokenId {
    TokenValue::from_random(values.bytes(), workspace.behaviour.token_value_suffix).id()
}

impl SeedWalk<'_> {
    pub(super) async fn token(
        &mut self,
        to: WorkspaceAt<'_>,
        seed: &TokenSeed,
        drawn: TokenId,
        field: &str,
    ) -> Result<(), Error> {
        let WorkspaceAt { workspace, now } = to;
        let invalid = |member: &str, sentence: &str| SeedError::at(&seed.owner, &format!("{field}.{member}"), sentence);
        let id = given_id(seed.value.as_ref(), ("token_id", seed.token_id.as_ref()), field)?.unwrap_or(drawn);
        let of_account = Namespace::account(workspace.account);
        let owner = self.find(of_account, &seed.owner, &format!("{field}.owner")).await?;
        if owner.kind == PrincipalKind::Group {
            return Err(invalid("owner", "a group cannot own tokens").into());
        }
        let created_by = match &seed.created_by {
            Some(name) => self.find(of_account, name, &format!("{field}.created_by")).await?,
            None => NamedPrincipal { name: owner.name.clone(), ..owner },
        };
        let Times { created, last_used, expires } = times(to, seed, field)?;
        if seed.comment.chars().count() > MAX_COMMENT_CHARS {
            return Err(invalid("comment", "at most 255 characters").into());
        }
        let listed = |member: &str, names: &Option<Vec<String>>| {
            names.as_ref().map(scopes::checked).transpose().map_err(|fault| invalid(member, &fault.to_string()))
        };
        let scopes = listed("scopes", &seed.scopes)?;
        let inferred_scopes = listed("inferred_scopes", &seed.inferred_scopes)?;
        let backfill_scopes = listed("backfill_scopes", &seed.backfill_scopes)?;
        if let Some(bad) = seed.autoscope_state.as_deref().filter(|state| !AUTOSCOPE_STATES.contains(state)) {
            let states = AUTOSCOPE_STATES.join(", ");
            return Err(invalid("autoscope_state", &format!("unknown state '{bad}': expected one of {states}")).into());
        }
        let backfilled = || seed.backfill_scopes.as_ref().map(|_| AUTOSCOPE_BACKFILLED.to_owned());
        let mut token = Token {
            workspace: workspace.id,
            id,
            owner: owner.id,
            created_by: created_by.id,
            created_by_username: created_by.name,
            comment: seed.comment.clone(),
            creation_time: created,
            expiry_time: expires,
            last_used,
            scopes,
            autoscope_state: seed.autoscope_state.clone().or_else(backfilled),
            autoscope_until: instant(seed.autoscope_until, now),
            inferred_scopes,
            backfill_scopes,
        };
        token.autoscope_until = token.autoscoping_until().or(token.autoscope_until);
        self.add_token(&token).await
    }

    /// Adds a token, unless the workspace has it or once had it.
    async fn add_token(&mut self, token: &Token) -> Result<(), Error> {
        let Some(writer) = self.writer()? else { return Ok(()) };
        let ended =
            writer.find_ended_tokens(&token.id).await?.iter().any(|found| found.workspace.id == token.workspace);
        if !ended && writer.find_token(token.workspace, &token.id).await?.is_none() {
            writer.insert_token(token).await?;
            self.added.tokens += 1;
        }
        Ok(())
    }

    pub(super) async fn decoy(&mut self, to: WorkspaceAt<'_>, seed: &DecoySeed, field: &str) -> Result<(), Error> {
        let id = given_id(seed.value.as_ref(), ("decoy_id", seed.decoy_id.as_ref()), field)?;
        let id = id.ok_or_else(|| error_in(field, "give either value or decoy_id"))?;
        if seed.comment.chars().count() > MAX_COMMENT_CHARS {
            return Err(error_in(field, "comment: at most 255 characters").into());
        }
        let decoy = Decoy { id, comment: seed.comment.clone(), created_at: to.now, uses: 0, last_use: None };
        if let Some(writer) = self.writer()? {
            writer.insert_decoy(to.workspace.id, &decoy).await?;
        }
        Ok(())
    }
}

struct Times {
    created: Millis,
    last_used: Option<Millis>,
    expires: Option<Millis>,
}

fn times(to: WorkspaceAt<'_>, seed: &TokenSeed, field: &str) -> Result<Times, SeedError> {
    let WorkspaceAt { workspace, now } = to;
    let invalid = |member: &str, sentence: &str| SeedError::at(&seed.owner, &format!("{field}.{member}"), sentence);
    let created = instant(seed.created, now).unwrap_or(now);
    let last_used = instant(seed.last_used, now);
    if created > now || last_used.is_some_and(|used| used > now) {
        return Err(invalid("created", "created and last_used cannot be in the future"));
    }
    if last_used.is_some_and(|used| used < created) {
        return Err(invalid("last_used", "a token cannot be used before it is created"));
    }
    let expires = match (seed.expires, seed.lifetime) {
        (Some(_), Some(_)) => return Err(invalid("lifetime", "give either lifetime or expires, not both")),
        (Some(Moment::Never), None) => None,
        (Some(moment), None) => instant(Some(moment), now),
        (None, Some(span)) => Some(created.plus(span.0)),
        (None, None) => Some(created.plus(workspace.lifetime_cap_days(now) * DAY_MS)),
    };
    Ok(Times { created, last_used, expires })
}

/// The id that a seed gives to a token or decoy, directly or by its value.
fn given_id(
    value: Option<&Text>,
    (name, id): (&str, Option<&Text>),
    field: &str,
) -> Result<Option<TokenId>, SeedError> {
    match (value, id) {
        (None, None) => Ok(None),
        (Some(text), None) => {
            let invalid = || SeedError::at(text, &format!("{field}.value"), "use dapi and 32 lower-case hex digits");
            TokenValue::parse(text.as_str()).map(|value| Some(value.id())).ok_or_else(invalid)
        }
        (None, Some(text)) => {
            let invalid = || SeedError::at(text, &format!("{field}.{name}"), "use 64 lower-case hex digits");
            TokenId::parse(text.as_str()).map(Some).ok_or_else(invalid)
        }
        (Some(text), Some(_)) => {
            let sentence = format!("give either value or {name}, not both");
            Err(SeedError::at(text, &format!("{field}.value"), sentence))
        }
    }
}
