//! Personal access tokens: their values, what a new one looks like, how auto-scoping narrows them, and when they work.
//! When a token leaves the lists is in `lifecycle`; what it may do is in `authorize`. Start with [`Token`] and
//! [`plan_create`]. See docs/reference/tokens.md.

mod end;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::end::{EndCause, TokenEnd};
use crate::domain::ids::DAY_MS;
use crate::domain::scopes::{self, EndpointScope};
use crate::domain::settings::{AUTOSCOPE_DAYS, Behaviour};
use crate::domain::tripwire::marked;
use crate::domain::{Denial, Millis, PrincipalId, TokenId, WorkspaceId};

/// The maximum number of live tokens of one owner in one workspace. See docs/reference/tokens.md#quota.
pub const QUOTA: i64 = 600;
/// The longest comment, in characters. See docs/reference/tokens.md#token-fields.
pub const MAX_COMMENT_CHARS: usize = 255;
/// A use within this time after the recorded one is not recorded, so that a busy token costs at most one write a
/// second. The 90 days can end early by no more than this.
pub const USE_RESOLUTION_MS: i64 = 1_000;

/// Before there was a maximum, this lifetime was the documented way to request no limit. It counts as absent
/// \[inferred\]. See docs/reference/tokens.md#token-lifetimes.
const FORMER_UNLIMITED_LIFETIME: i64 = -1;

/// A token's value: the secret. It has no `Display` and no `Serialize`, and its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenValue(String);

impl TokenValue {
    /// A value from 16 random bytes, two of which become a mark (see [`marked`]): `dapi` and 32 lowercase hex digits,
    /// with a shard suffix if the workspace has one. See docs/reference/tokens.md#token-format.
    pub fn from_random(bytes: [u8; 16], suffix: Option<u8>) -> Self {
        let digits = hex::encode(marked(bytes));
        Self(match suffix {
            None => format!("dapi{digits}"),
            Some(shard) => format!("dapi{digits}-{shard}"),
        })
    }

    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("dapi")?;
        let (digits, suffix) = match rest.split_once('-') {
            None => (rest, None),
            Some((digits, suffix)) => (digits, Some(suffix)),
        };
        let hex = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let shard = suffix.is_none_or(|s| (1..=3).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit()));
        (hex && shard).then(|| Self(text.to_owned()))
    }

    pub fn id(&self) -> TokenId {
        TokenId::of_value(&self.0)
    }

    /// The secret itself, for the response of the call that created it and the banner of the first start.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenValue(…)")
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub workspace: WorkspaceId,
    pub id: TokenId,
    pub owner: PrincipalId,
    /// Not the owner of an on-behalf-of token.
    pub created_by: PrincipalId,
    /// The creator's name at the time of creation.
    pub created_by_username: String,
    /// Empty if none was given.
    pub comment: String,
    pub creation_time: Millis,
    /// `None` only on tokens from seeds. See docs/reference/tokens.md#token-lifetimes.
    pub expiry_time: Option<Millis>,
    /// The last recorded use.
    pub last_used: Option<Millis>,
    /// `None` is all APIs.
    pub scopes: Option<Vec<String>>,
    /// The state of auto-scoping, as on the wire; `None` if no request mentioned it.
    pub autoscope_state: Option<String>,
    /// When auto-scoping ends, or ended.
    pub autoscope_until: Option<Millis>,
    /// The scopes that the token used while auto-scoping ran.
    pub inferred_scopes: Option<Vec<String>>,
    /// Scopes inferred from the use of a token that is older than auto-scoping.
    pub backfill_scopes: Option<Vec<String>>,
}

/// Whether a token works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    Live,
    /// Its expiry time has come.
    Expired,
    /// Revoked because it was not used for 90 days.
    Inactive,
}

impl Token {
    /// When the days without use begin: the later of creation and last use.
    pub fn idle_from(&self) -> Millis {
        self.last_used.map_or(self.creation_time, |used| used.max(self.creation_time))
    }

    /// Whether the token works at `now`. It expires *at* `expiry_time` and is inactive *at* 90 days. Checks, lists and the
    /// sweep all ask this. See docs/reference/tokens.md#boundaries.
    pub fn state(&self, behaviour: &Behaviour, now: Millis) -> TokenState {
        if self.expiry_time.is_some_and(|expiry| now >= expiry) {
            return TokenState::Expired;
        }
        if Visibility::new(behaviour, now).is_inactive(self) {
            return TokenState::Inactive;
        }
        TokenState::Live
    }

    /// The scopes that must cover an endpoint; `None` is all APIs, which is also what a token has while auto-scoping
    /// watches it.
    pub fn binding_scopes(&self) -> Option<&[String]> {
        if self.is_autoscoping() { None } else { self.scopes.as_deref() }
    }

    /// Whether auto-scoping watches the token.
    pub fn is_autoscoping(&self) -> bool {
        self.autoscope_state.as_deref() == Some(AUTOSCOPE_RUNNING)
    }

    /// When auto-scoping ends, if it watches the token.
    pub fn autoscoping_until(&self) -> Option<Millis> {
        self.is_autoscoping().then(|| self.autoscope_until.unwrap_or(self.creation_time.plus(AUTOSCOPE_DAYS * DAY_MS)))
    }

    /// The token after auto-scoping has ended. Its scopes are those that it used and those that it was created with. If
    /// there are none, it keeps all APIs \[inferred\].
    #[must_use]
    pub fn autoscoped(mut self) -> Self {
        self.autoscope_until = self.autoscoping_until();
        let mut names = self.inferred_scopes.take().unwrap_or_default();
        names.extend(self.scopes.take().unwrap_or_default());
        names.sort();
        names.dedup();
        let is_narrowed = !names.is_empty();
        let state = if is_narrowed { AUTOSCOPE_COMPLETED } else { AUTOSCOPE_NOT_COVERED };
        self.autoscope_state = Some(state.to_owned());
        self.inferred_scopes = is_narrowed.then_some(names);
        self.scopes.clone_from(&self.inferred_scopes);
        self
    }

    /// When auto-scoping narrowed the scopes; `None` if it did not.
    pub fn narrowed_at(&self) -> Option<Millis> {
        self.autoscope_until.filter(|_| self.autoscope_state.as_deref() == Some(AUTOSCOPE_COMPLETED))
    }

    /// The inferred scopes after a call of an endpoint with `scope`; `None` if they do not change.
    /// See docs/reference/tokens.md#auto-scoping.
    pub fn infer_scope(&self, scope: EndpointScope) -> Option<Vec<String>> {
        let name = scope.name()?;
        if !self.is_autoscoping() {
            return None;
        }
        let mut inferred = self.inferred_scopes.clone().unwrap_or_default();
        match inferred.binary_search_by(|known| known.as_str().cmp(name)) {
            Ok(_) => None,
            Err(at) => {
                inferred.insert(at, name.to_owned());
                Some(inferred)
            }
        }
    }

    /// Whether a use at `now` has to be recorded.
    pub fn use_needs_recording(&self, now: Millis) -> bool {
        self.last_used.is_none_or(|used| now.since(used) >= USE_RESOLUTION_MS)
    }
}

/// Which tokens a list shows at one instant, as cut-off times for queries. Agrees with [`Token::state`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visibility {
    /// Tokens whose days without use began at or before this time are inactive.
    pub idle_cutoff: Millis,
    /// Whether tokens that were never used are never inactive.
    pub never_used_exempt: bool,
    /// Tokens that expire at or before this time are not shown.
    pub expiry_cutoff: Millis,
}

impl Visibility {
    /// Shows the live tokens at `now`.
    pub fn new(behaviour: &Behaviour, now: Millis) -> Self {
        Self {
            idle_cutoff: now.plus(-behaviour.inactivity_days.saturating_mul(DAY_MS)),
            never_used_exempt: !behaviour.never_used_counts_from_creation,
            expiry_cutoff: now,
        }
    }

    /// Also shows expired tokens until they are vacuumed \[inferred\]. See docs/reference/tokens.md#expired-tokens.
    pub fn with_expired(behaviour: &Behaviour, now: Millis) -> Self {
        let expiry_cutoff = now.plus(-behaviour.expired_listed_days.saturating_mul(DAY_MS));
        Self { expiry_cutoff, ..Self::new(behaviour, now) }
    }

    fn is_inactive(&self, token: &Token) -> bool {
        let exempt = self.never_used_exempt && token.last_used.is_none();
        !exempt && token.idle_from() <= self.idle_cutoff
    }

    /// Whether the store's queries select the token.
    pub fn shows(&self, token: &Token) -> bool {
        !self.is_inactive(token) && token.expiry_time.is_none_or(|expiry| expiry > self.expiry_cutoff)
    }
}

/// The body of a request to create a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRequest {
    /// Defaults to the maximum lifetime.
    pub lifetime_seconds: Option<i64>,
    pub comment: Option<String>,
    /// Absent or empty is all APIs.
    pub scopes: Option<Vec<String>>,
    /// Whether auto-scoping infers the scopes from use.
    pub autoscope_enabled: Option<bool>,
}

/// What [`plan_create`] has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// The maximum lifetime in days.
    pub cap_days: i64,
    /// The owner's live tokens in the workspace.
    pub live_tokens: i64,
    /// For how many days auto-scoping watches a token.
    pub autoscope_days: i64,
}

/// A new token without its value and owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenPlan {
    pub comment: String,
    pub creation_time: Millis,
    pub expiry_time: Millis,
    pub scopes: Option<Vec<String>>,
    pub autoscope_state: Option<String>,
    pub autoscope_until: Option<Millis>,
}

impl TokenPlan {
    /// The token with its value and owner, and the creator's id and name.
    pub fn into_token(
        self,
        workspace: WorkspaceId,
        value: &TokenValue,
        owner: PrincipalId,
        (created_by, created_by_username): (PrincipalId, &str),
    ) -> Token {
        Token {
            workspace,
            id: value.id(),
            owner,
            created_by,
            created_by_username: created_by_username.to_owned(),
            comment: self.comment,
            creation_time: self.creation_time,
            expiry_time: Some(self.expiry_time),
            last_used: None,
            scopes: self.scopes,
            autoscope_state: self.autoscope_state,
            autoscope_until: self.autoscope_until,
            inferred_scopes: None,
            backfill_scopes: None,
        }
    }
}

/// Decides about a new token. A lifetime above the maximum is refused, never shortened.
/// See docs/reference/tokens.md#token-lifetimes.
///
/// # Errors
/// [`Denial::InvalidTimeout`], [`Denial::LifetimeAboveCap`], [`Denial::InvalidParameter`] for the comment or a scope,
/// [`Denial::QuotaExceeded`].
pub fn plan_create(request: &TokenRequest, facts: TokenFacts, now: Millis) -> Result<TokenPlan, Denial> {
    let lifetime_ms = match request.lifetime_seconds {
        None | Some(FORMER_UNLIMITED_LIFETIME) => facts.cap_days * DAY_MS,
        Some(seconds) if seconds <= 0 => return Err(Denial::InvalidTimeout(seconds)),
        Some(seconds) if seconds > facts.cap_days * (DAY_MS / 1000) => {
            return Err(Denial::LifetimeAboveCap { lifetime_seconds: seconds, cap_days: facts.cap_days });
        }
        Some(seconds) => seconds * 1000,
    };
    let comment = checked_comment(request.comment.as_deref().unwrap_or_default())?;
    let scopes = checked_scopes(request.scopes.as_deref())?;
    if facts.live_tokens >= QUOTA {
        return Err(Denial::QuotaExceeded);
    }
    let watched = request.autoscope_enabled == Some(true);
    Ok(TokenPlan {
        comment,
        creation_time: now,
        expiry_time: now.plus(lifetime_ms),
        autoscope_state: autoscope_state(request.autoscope_enabled, scopes.as_deref()),
        autoscope_until: watched.then(|| now.plus(facts.autoscope_days.saturating_mul(DAY_MS))),
        scopes,
    })
}

/// An update of the fields of a token that its owner or an admin may change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenUpdate {
    /// The new comment; `None` keeps the old one.
    pub comment: Option<String>,
    pub scopes: ScopesUpdate,
}

/// An update of a token's scopes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ScopesUpdate {
    #[default]
    Keep,
    AllApis,
    Only(Vec<String>),
}

impl From<Option<Vec<String>>> for ScopesUpdate {
    fn from(scopes: Option<Vec<String>>) -> Self {
        scopes.map_or(Self::AllApis, Self::Only)
    }
}

impl TokenUpdate {
    /// Reads `{token: {comment, scopes}, update_mask}`. Only fields that the mask names change; a named field that is
    /// absent is cleared.
    ///
    /// # Errors
    /// [`Denial::InvalidParameter`] for an empty mask, a field that cannot be updated, or an invalid value.
    pub fn plan(comment: Option<&str>, scopes: Option<&[String]>, update_mask: &str) -> Result<Self, Denial> {
        let mut update = Self::default();
        let paths: Vec<&str> = update_mask.split(',').map(str::trim).filter(|path| !path.is_empty()).collect();
        if paths.is_empty() {
            return Err(Denial::parameter(
                "update_mask is required: name the fields to update, such as 'comment,scopes'.",
            ));
        }
        for path in paths {
            match path {
                "*" => {
                    update.comment = Some(checked_comment(comment.unwrap_or_default())?);
                    update.scopes = checked_scopes(scopes)?.into();
                }
                "comment" => update.comment = Some(checked_comment(comment.unwrap_or_default())?),
                "scopes" => update.scopes = checked_scopes(scopes)?.into(),
                other => {
                    return Err(Denial::parameter(format!(
                        "update_mask: '{other}' cannot be updated; the fields are 'comment' and 'scopes'."
                    )));
                }
            }
        }
        Ok(update)
    }

    pub fn apply(self, mut token: Token) -> Token {
        if let Some(comment) = self.comment {
            token.comment = comment;
        }
        let scopes = match self.scopes {
            ScopesUpdate::Keep => return token,
            ScopesUpdate::AllApis => None,
            ScopesUpdate::Only(scopes) => Some(scopes),
        };
        if token.autoscope_state.is_some() || scopes.is_some() {
            token.autoscope_state = Some(AUTOSCOPE_USER_SELECTED.to_owned());
            token.autoscope_until = None;
        }
        token.scopes = scopes;
        token
    }
}

fn checked_comment(comment: &str) -> Result<String, Denial> {
    if comment.chars().count() > MAX_COMMENT_CHARS {
        return Err(Denial::parameter(format!("comment: at most {MAX_COMMENT_CHARS} characters are allowed.")));
    }
    Ok(comment.to_owned())
}

fn checked_scopes(scopes: Option<&[String]>) -> Result<Option<Vec<String>>, Denial> {
    let Some(scopes) = scopes.filter(|scopes| !scopes.is_empty()) else { return Ok(None) };
    scopes::checked(scopes).map(Some).map_err(|fault| Denial::parameter(format!("scopes: {fault}.")))
}

// The states of auto-scoping, as on the wire.
const AUTOSCOPE_RUNNING: &str = "AUTOSCOPE_STATE_RUNNING";
const AUTOSCOPE_COMPLETED: &str = "AUTOSCOPE_STATE_COMPLETED";
/// Auto-scoping has ended, but the token called no API that has a scope \[inferred\].
const AUTOSCOPE_NOT_COVERED: &str = "AUTOSCOPE_STATE_API_NOT_COVERED";
const AUTOSCOPE_DISABLED: &str = "AUTOSCOPE_STATE_DISABLED";
const AUTOSCOPE_USER_SELECTED: &str = "AUTOSCOPE_STATE_USER_SELECTED";
/// The scopes were inferred from use before auto-scoping existed; only seeds have such tokens.
pub const AUTOSCOPE_BACKFILLED: &str = "AUTOSCOPE_STATE_BACKFILLED";
pub const AUTOSCOPE_STATES: [&str; 6] = [
    AUTOSCOPE_NOT_COVERED,
    AUTOSCOPE_BACKFILLED,
    AUTOSCOPE_COMPLETED,
    AUTOSCOPE_DISABLED,
    AUTOSCOPE_RUNNING,
    AUTOSCOPE_USER_SELECTED,
];

fn autoscope_state(enabled: Option<bool>, scopes: Option<&[String]>) -> Option<String> {
    match (enabled, scopes) {
        (Some(true), _) => Some(AUTOSCOPE_RUNNING.to_owned()),
        (_, Some(_)) => Some(AUTOSCOPE_USER_SELECTED.to_owned()),
        (Some(false), None) => Some(AUTOSCOPE_DISABLED.to_owned()),
        (None, None) => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Millis = Millis(1_790_000_000_000);

    fn token(creation_time: Millis, expiry_time: Option<Millis>, last_used: Option<Millis>) -> Token {
        Token {
            workspace: WorkspaceId(1),
            id: TokenId::from_text("t"),
            owner: PrincipalId(2),
            created_by: PrincipalId(2),
            created_by_username: "u@example.com".into(),
            comment: String::new(),
            creation_time,
            expiry_time,
            last_used,
            scopes: None,
            autoscope_state: None,
            autoscope_until: None,
            inferred_scopes: None,
            backfill_scopes: None,
        }
    }

    fn facts(cap_days: i64) -> TokenFacts {
        TokenFacts { cap_days, live_tokens: 0, autoscope_days: 30 }
    }

    fn lifetime(seconds: i64) -> TokenRequest {
        TokenRequest { lifetime_seconds: Some(seconds), ..TokenRequest::default() }
    }

    #[test]
    fn values_have_one_format() {
        let digits = "0123456789abcdef0123456789abcdef";
        assert!(TokenValue::parse(&format!("dapi{digits}")).is_some());
        assert!(TokenValue::parse(&format!("dapi{digits}-2")).is_some());
        for bad in [
            "dapi",
            "dapi0123",
            &format!("dapi{}", digits.to_uppercase()),
            &format!("dapi{digits}-"),
            &format!(" dapi{digits}"),
            &format!("dapi{digits}0"),
            &format!("dkea{digits}"),
        ] {
            assert!(TokenValue::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn debug_does_not_show_the_value() {
        let value = TokenValue::from_random([7; 16], None);
        assert!(!format!("{value:?}").contains("0707"));
    }

    #[test]
    fn zero_and_negative_lifetimes_are_invalid_but_minus_one_is_absent() {
        for seconds in [0, -2, i64::MIN] {
            assert_eq!(plan_create(&lifetime(seconds), facts(730), NOW), Err(Denial::InvalidTimeout(seconds)));
        }
        let plan = plan_create(&lifetime(-1), facts(90), NOW).unwrap();
        assert_eq!(plan.expiry_time, NOW.plus(90 * DAY_MS));
    }

    #[test]
    fn the_quota_and_the_comment_are_exact() {
        let at = |live_tokens| plan_create(&TokenRequest::default(), TokenFacts { live_tokens, ..facts(730) }, NOW);
        assert!(at(QUOTA - 1).is_ok());
        assert_eq!(at(QUOTA), Err(Denial::QuotaExceeded));
        let comment = |n: usize| TokenRequest { comment: Some("ä".repeat(n)), ..TokenRequest::default() };
        assert!(plan_create(&comment(255), facts(730), NOW).is_ok());
        assert!(plan_create(&comment(256), facts(730), NOW).is_err());
    }

    #[test]
    fn scopes_are_inferred_while_auto_scoping_runs() {
        let mut token = token(NOW, None, None);
        assert_eq!(token.infer_scope(scopes::SETTINGS), None);
        token.autoscope_state = Some(AUTOSCOPE_RUNNING.into());
        assert_eq!(token.infer_scope(EndpointScope::Any), None);
        for (scope, expected) in [
            (scopes::SETTINGS, Some(vec!["settings"])),
            (scopes::AUTHENTICATION, Some(vec!["authentication", "settings"])),
            (scopes::SETTINGS, None),
        ] {
            let inferred = token.infer_scope(scope);
            assert_eq!(
                inferred.as_deref(),
                expected.map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>()).as_deref()
            );
            token.inferred_scopes = inferred.or(token.inferred_scopes);
        }
    }

    #[test]
    fn auto_scoping_allows_all_apis_and_then_those_that_were_used() {
        let watched = |scopes: Option<&[&str]>| {
            let scopes = scopes.map(|names| names.iter().map(ToString::to_string).collect());
            let request = TokenRequest { scopes, autoscope_enabled: Some(true), ..TokenRequest::default() };
            let plan = plan_create(&request, facts(730), NOW).unwrap();
            plan.into_token(
                WorkspaceId(1),
                &TokenValue::from_random([1; 16], None),
                PrincipalId(2),
                (PrincipalId(2), "u"),
            )
        };
        let used = |mut token: Token, scopes: &[EndpointScope]| {
            for scope in scopes {
                token.inferred_scopes = token.infer_scope(*scope).or(token.inferred_scopes);
            }
            let running = token.clone();
            assert_eq!((running.binding_scopes(), running.autoscoping_until()), (None, Some(NOW.plus(30 * DAY_MS))));
            token.autoscoped()
        };
        for (chosen, calls, expected) in [
            (
                None,
                &[scopes::SETTINGS, EndpointScope::Any, scopes::AUTHENTICATION][..],
                Some(&["authentication", "settings"][..]),
            ),
            (Some(&["sql"][..]), &[scopes::SCIM], Some(&["scim", "sql"])),
            (Some(&["sql"]), &[], Some(&["sql"])),
            (None, &[EndpointScope::Any], None),
            (None, &[], None),
        ] {
            let token = used(watched(chosen), calls);
            let state = if expected.is_some() { AUTOSCOPE_COMPLETED } else { AUTOSCOPE_NOT_COVERED };
            let names = |scopes: Option<&[String]>| scopes.map(<[String]>::to_vec);
            let expected = expected.map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(token.autoscope_state.as_deref(), Some(state));
            assert_eq!(names(token.binding_scopes()), expected);
            assert_eq!((token.scopes.clone(), token.inferred_scopes.clone()), (expected.clone(), expected));
            assert_eq!(token.narrowed_at(), token.scopes.is_some().then_some(NOW.plus(30 * DAY_MS)));
            assert_eq!(token.infer_scope(scopes::PROVISIONING), None, "nothing is inferred any more");
        }
    }

    #[test]
    fn chosen_scopes_end_auto_scoping() {
        let mut token = token(NOW, None, None);
        token.autoscope_state = Some(AUTOSCOPE_RUNNING.into());
        let updated = TokenUpdate { comment: None, scopes: ScopesUpdate::Only(vec!["sql".into()]) }.apply(token);
        assert_eq!((updated.is_autoscoping(), updated.binding_scopes()), (false, Some(&["sql".to_owned()][..])));
    }

    #[test]
    fn a_mask_names_what_changes() {
        let update = TokenUpdate::plan(Some("new"), Some(&["sql".into()]), "comment").unwrap();
        assert_eq!(update, TokenUpdate { comment: Some("new".into()), scopes: ScopesUpdate::Keep });
        let cleared = TokenUpdate::plan(None, None, "comment, scopes").unwrap();
        assert_eq!(cleared, TokenUpdate { comment: Some(String::new()), scopes: ScopesUpdate::AllApis });
        assert!(TokenUpdate::plan(None, None, "").is_err());
        assert!(TokenUpdate::plan(None, None, "expiry_time").is_err());
    }

    pub(in crate::domain) fn tokens() -> impl Strategy<Value = Token> {
        let days = |n: i64| 0..n * DAY_MS;
        (days(400), proptest::option::of(days(800)), proptest::option::of(days(400))).prop_map(|(age, life, used)| {
            let created = NOW.plus(-age);
            token(created, life.map(|life| created.plus(life + 1)), used.map(|used| created.plus(used)))
        })
    }

    proptest! {
        #[test]
        fn a_lifetime_is_accepted_if_it_is_positive_and_within_the_maximum(seconds in -5_i64..731 * 86_400 * 2, cap_days in 1_i64..=730) {
            let outcome = plan_create(&lifetime(seconds), facts(cap_days), NOW);
            let allowed = seconds == -1 || (0 < seconds && seconds <= cap_days * 86_400);
            prop_assert_eq!(outcome.is_ok(), allowed);
            if let (Ok(plan), true) = (outcome, seconds > 0) {
                prop_assert_eq!(plan.expiry_time.since(NOW), seconds * 1000);
            }
        }

        #[test]
        fn the_lifetime_defaults_to_the_maximum(cap_days in 1_i64..=730) {
            let plan = plan_create(&TokenRequest::default(), facts(cap_days), NOW).unwrap();
            prop_assert_eq!(plan.expiry_time.since(NOW), cap_days * DAY_MS);
        }

        #[test]
        fn a_token_that_ended_stays_ended(token in tokens(), later in 0..1_000 * DAY_MS) {
            let behaviour = Behaviour::default();
            if token.state(&behaviour, NOW) != TokenState::Live {
                prop_assert_ne!(token.state(&behaviour, NOW.plus(later)), TokenState::Live);
            }
        }

        #[test]
        fn the_expiry_boundary_is_exact(token in tokens()) {
            let behaviour = Behaviour { inactivity_days: 10_000, ..Behaviour::default() };
            if let Some(expiry) = token.expiry_time {
                prop_assert_eq!(token.state(&behaviour, expiry.plus(-1)), TokenState::Live);
                prop_assert_eq!(token.state(&behaviour, expiry), TokenState::Expired);
            }
        }

        #[test]
        fn the_inactivity_boundary_is_exact_and_moves_with_use(token in tokens(), used_after in 0..90 * DAY_MS) {
            let behaviour = Behaviour::default();
            let mut token = Token { expiry_time: None, ..token };
            let deadline = token.idle_from().plus(90 * DAY_MS);
            prop_assert_eq!(token.state(&behaviour, deadline.plus(-1)), TokenState::Live);
            prop_assert_eq!(token.state(&behaviour, deadline), TokenState::Inactive);
            let used = token.idle_from().plus(used_after);
            token.last_used = Some(used);
            prop_assert_eq!(token.state(&behaviour, used.plus(90 * DAY_MS - 1)), TokenState::Live);
            prop_assert_eq!(token.state(&behaviour, used.plus(90 * DAY_MS)), TokenState::Inactive);
        }

        #[test]
        fn visibility_agrees_with_the_state(token in tokens(), exempt in any::<bool>(), ahead in 0..200 * DAY_MS) {
            let behaviour = Behaviour { never_used_counts_from_creation: !exempt, ..Behaviour::default() };
            let now = NOW.plus(ahead);
            prop_assert_eq!(Visibility::new(&behaviour, now).shows(&token), token.state(&behaviour, now) == TokenState::Live);
        }
    }
}
