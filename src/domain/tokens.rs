//! Personal access tokens: values and ids, what a new one looks like, when one stops working.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::ids::DAY_MS;
use crate::domain::scopes::{self, EndpointScope};
use crate::domain::settings::{AUTOSCOPE_DAYS, Behaviour};
use crate::domain::tripwire::marked;
use crate::domain::{Denial, Millis, PrincipalId, TokenId, WorkspaceId};

/// Most live tokens of one owner in one workspace (spec §3, governance §2.8).
pub const QUOTA: i64 = 600;
/// Longest comment, in characters (governance §2.3).
pub const MAX_COMMENT_CHARS: usize = 255;
/// A use within so many milliseconds of the recorded one is not recorded anew, so that a busy
/// token costs at most one write a second. The 90 days can end early by no more than this.
pub const USE_RESOLUTION_MS: i64 = 1_000;

/// The lifetime that was the documented way to ask for no limit, before there was a maximum. It
/// counts as absent \[inferred\] (spec §3).
const FORMER_UNLIMITED_LIFETIME: i64 = -1;

/// A token's value: the secret. It has no `Display` and no `Serialize`, and its `Debug` is blind.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenValue(String);

impl TokenValue {
    /// The value made from 16 random bytes, two of which are a mark (see [`marked`]): `dapi` and 32 lower-case hex
    /// digits, with a shard suffix when the workspace's flavour has one (spec §3).
    pub fn from_random(bytes: [u8; 16], suffix: Option<u8>) -> Self {
        let digits = hex::encode(marked(bytes));
        Self(match suffix {
            None => format!("dapi{digits}"),
            Some(shard) => format!("dapi{digits}-{shard}"),
        })
    }

    /// Reads a value; `None` when it has not the form of one.
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

    /// The token's public id.
    pub fn id(&self) -> TokenId {
        TokenId::of_value(&self.0)
    }

    /// The secret itself: for the answer of the call that created it and for the first start's banner.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenValue(…)")
    }
}

/// A stored token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// The SHA-256 of its value.
    pub id: TokenId,
    /// Whom it authenticates.
    pub owner: PrincipalId,
    /// Who created it; differs from the owner for on-behalf-of tokens.
    pub created_by: PrincipalId,
    /// The creator's name at that time.
    pub created_by_username: String,
    /// The comment; empty when none was given.
    pub comment: String,
    /// When it was created.
    pub creation_time: Millis,
    /// When it stops working; `None` only on tokens from seeds (spec §3).
    pub expiry_time: Option<Millis>,
    /// The last recorded use.
    pub last_used: Option<Millis>,
    /// Its scopes; `None` is all APIs.
    pub scopes: Option<Vec<String>>,
    /// The state of auto-scoping, as on the wire; `None` when it was never mentioned.
    pub autoscope_state: Option<String>,
    /// When auto-scoping ends, or ended.
    pub autoscope_until: Option<Millis>,
    /// Scopes seen in use while auto-scoping ran.
    pub inferred_scopes: Option<Vec<String>>,
    /// Scopes that were inferred from the use of a token from before there was auto-scoping.
    pub backfill_scopes: Option<Vec<String>>,
}

/// Whether a token works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// It works.
    Live,
    /// Its expiry time has come.
    Expired,
    /// It was not used for 90 days: revoked, for good.
    Inactive,
}

impl Token {
    /// Where the days without use begin: the later of creation and last use.
    pub fn idle_from(&self) -> Millis {
        self.last_used.map_or(self.creation_time, |used| used.max(self.creation_time))
    }

    /// Whether it works at `now`. It is expired *at* `expiry_time` and inactive *at* 90 days
    /// (spec §4: boundaries are pinned). Lazy checks, lists and the sweep all ask this.
    pub fn state(&self, behaviour: &Behaviour, now: Millis) -> TokenState {
        if self.expiry_time.is_some_and(|expiry| now >= expiry) {
            return TokenState::Expired;
        }
        if Visibility::new(behaviour, now).is_inactive(self) {
            return TokenState::Inactive;
        }
        TokenState::Live
    }

    /// The scopes that an endpoint is compared with: `None` is all APIs, which auto-scoping grants while it
    /// watches the token.
    pub fn binding_scopes(&self) -> Option<&[String]> {
        if self.is_autoscoping() { None } else { self.scopes.as_deref() }
    }

    /// Whether auto-scoping watches the token.
    pub fn is_autoscoping(&self) -> bool {
        self.autoscope_state.as_deref() == Some(AUTOSCOPE_RUNNING)
    }

    /// When auto-scoping ends of a token that it watches.
    pub fn autoscoping_until(&self) -> Option<Millis> {
        self.is_autoscoping().then(|| self.autoscope_until.unwrap_or(self.creation_time.plus(AUTOSCOPE_DAYS * DAY_MS)))
    }

    /// The token once auto-scoping has ended: from then on its scopes are those that it was seen to use and
    /// those that it was created with. Where there are none, nothing is known to narrow it to: it keeps all
    /// APIs \[inferred\].
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

    /// When auto-scoping narrowed the scopes, if it did.
    pub fn narrowed_at(&self) -> Option<Millis> {
        self.autoscope_until.filter(|_| self.autoscope_state.as_deref() == Some(AUTOSCOPE_COMPLETED))
    }

    /// The scopes inferred from use once an endpoint with `scope` was called; `None` when auto-scoping
    /// does not run or the scope is there already (governance §2.4).
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

/// The cut-offs by which a query finds what [`Token::state`] calls live, at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visibility {
    /// Tokens whose days without use began at or before this are revoked.
    pub idle_cutoff: Millis,
    /// Whether tokens that were never used are exempt from that.
    pub never_used_exempt: bool,
    /// Tokens with an expiry at or before this are left out.
    pub expiry_cutoff: Millis,
}

impl Visibility {
    /// Live tokens at `now`.
    pub fn new(behaviour: &Behaviour, now: Millis) -> Self {
        Self {
            idle_cutoff: now.plus(-behaviour.inactivity_days.saturating_mul(DAY_MS)),
            never_used_exempt: !behaviour.never_used_counts_from_creation,
            expiry_cutoff: now,
        }
    }

    /// Live tokens, and expired ones until they are vacuumed \[inferred\] (governance §2.5).
    pub fn with_expired(behaviour: &Behaviour, now: Millis) -> Self {
        let expiry_cutoff = now.plus(-behaviour.expired_listed_days.saturating_mul(DAY_MS));
        Self { expiry_cutoff, ..Self::new(behaviour, now) }
    }

    fn is_inactive(&self, token: &Token) -> bool {
        let exempt = self.never_used_exempt && token.last_used.is_none();
        !exempt && token.idle_from() <= self.idle_cutoff
    }

    /// What the store's queries select.
    pub fn shows(&self, token: &Token) -> bool {
        !self.is_inactive(token) && token.expiry_time.is_none_or(|expiry| expiry > self.expiry_cutoff)
    }
}

/// What a client asks for when it creates a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRequest {
    /// Seconds until it expires; absent takes the cap.
    pub lifetime_seconds: Option<i64>,
    /// A note.
    pub comment: Option<String>,
    /// Scopes; absent or empty is all APIs.
    pub scopes: Option<Vec<String>>,
    /// Whether scopes are to be inferred from use.
    pub autoscope_enabled: Option<bool>,
}

/// What creation needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// The effective cap in days.
    pub cap_days: i64,
    /// Live tokens that the owner already holds in the workspace.
    pub live_tokens: i64,
    /// Days that auto-scoping watches a token.
    pub autoscope_days: i64,
}

/// A token to be, without its value and owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenPlan {
    /// See [`Token::comment`].
    pub comment: String,
    /// See [`Token::creation_time`].
    pub creation_time: Millis,
    /// See [`Token::expiry_time`].
    pub expiry_time: Millis,
    /// See [`Token::scopes`].
    pub scopes: Option<Vec<String>>,
    /// See [`Token::autoscope_state`].
    pub autoscope_state: Option<String>,
    /// See [`Token::autoscope_until`].
    pub autoscope_until: Option<Millis>,
}

impl TokenPlan {
    /// The token with the value, owner and creator given.
    pub fn into_token(
        self,
        workspace: WorkspaceId,
        value: &TokenValue,
        owner: PrincipalId,
        created_by: PrincipalId,
        created_by_username: &str,
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

/// Decides about a new token (spec §3). The lifetime is refused above the cap, never clamped.
///
/// # Errors
/// [`Denial::InvalidTimeout`], [`Denial::LifetimeAboveCap`], [`Denial::InvalidParameter`] for the
/// comment or a scope, [`Denial::QuotaExceeded`].
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

/// The fields of a token that its owner or an admin may change; absent ones stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenUpdate {
    /// A new comment.
    pub comment: Option<String>,
    /// New scopes; `Some(None)` is all APIs.
    pub scopes: Option<Option<Vec<String>>>,
}

impl TokenUpdate {
    /// Reads `{token: {comment, scopes}, update_mask}`: only what the mask names changes, and a
    /// named field that is absent is cleared, as field masks go.
    ///
    /// # Errors
    /// [`Denial::InvalidParameter`] for an empty mask, a path that cannot be updated, a long
    /// comment or a bad scope.
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
                    update.scopes = Some(checked_scopes(scopes)?);
                }
                "comment" => update.comment = Some(checked_comment(comment.unwrap_or_default())?),
                "scopes" => update.scopes = Some(checked_scopes(scopes)?),
                other => {
                    return Err(Denial::parameter(format!(
                        "update_mask: '{other}' cannot be updated; the fields are 'comment' and 'scopes'."
                    )));
                }
            }
        }
        Ok(update)
    }

    /// The token after the update.
    pub fn apply(self, mut token: Token) -> Token {
        if let Some(comment) = self.comment {
            token.comment = comment;
        }
        if let Some(scopes) = self.scopes {
            if token.autoscope_state.is_some() || scopes.is_some() {
                token.autoscope_state = Some(AUTOSCOPE_USER_SELECTED.to_owned());
                token.autoscope_until = None;
            }
            token.scopes = scopes;
        }
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

// The wire's names of the states of auto-scoping.
const AUTOSCOPE_RUNNING: &str = "AUTOSCOPE_STATE_RUNNING";
const AUTOSCOPE_COMPLETED: &str = "AUTOSCOPE_STATE_COMPLETED";
/// What a token comes to that called no API with a scope of its own \[inferred\].
const AUTOSCOPE_NOT_COVERED: &str = "AUTOSCOPE_STATE_API_NOT_COVERED";
const AUTOSCOPE_DISABLED: &str = "AUTOSCOPE_STATE_DISABLED";
const AUTOSCOPE_USER_SELECTED: &str = "AUTOSCOPE_STATE_USER_SELECTED";
/// The state of tokens whose scopes were inferred from earlier use; only seeds have them.
pub const AUTOSCOPE_BACKFILLED: &str = "AUTOSCOPE_STATE_BACKFILLED";
/// All states.
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

/// What ended a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// Its expiry time came.
    Expired,
    /// 90 days without use.
    Inactive,
    /// Its owner revoked it.
    RevokedByOwner,
    /// A workspace admin revoked it.
    RevokedByAdmin,
    /// An account admin revoked it.
    RevokedByAccountAdmin,
    /// Its owner was deleted.
    OwnerDeleted,
    /// Its owner lost the permission, where that deletes tokens.
    LostPermission,
}

impl EndCause {
    const ALL: [Self; 7] = [
        Self::Expired,
        Self::Inactive,
        Self::RevokedByOwner,
        Self::RevokedByAdmin,
        Self::RevokedByAccountAdmin,
        Self::OwnerDeleted,
        Self::LostPermission,
    ];

    /// The name as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Inactive => "inactive",
            Self::RevokedByOwner => "revoked_by_owner",
            Self::RevokedByAdmin => "revoked_by_admin",
            Self::RevokedByAccountAdmin => "revoked_by_account_admin",
            Self::OwnerDeleted => "owner_deleted",
            Self::LostPermission => "lost_permission",
        }
    }

    /// Reads a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }

    /// Whether time alone did it.
    pub const fn is_by_time(self) -> bool {
        matches!(self, Self::Expired | Self::Inactive)
    }
}

/// The end of a token, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEnd {
    /// Why.
    pub cause: EndCause,
    /// Who did it.
    pub actor: String,
    /// When, on the workspace's clock.
    pub at: Millis,
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
    fn values_have_one_form() {
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
    fn the_debug_form_of_a_value_is_blind() {
        let value = TokenValue::from_random([7; 16], None);
        assert!(!format!("{value:?}").contains("0707"));
    }

    #[test]
    fn zero_and_negative_lifetimes_are_invalid_timeouts_and_minus_one_is_absent() {
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
    fn auto_scoping_grants_all_apis_and_then_what_was_used() {
        let watched = |scopes: Option<&[&str]>| {
            let scopes = scopes.map(|names| names.iter().map(ToString::to_string).collect());
            let request = TokenRequest { scopes, autoscope_enabled: Some(true), ..TokenRequest::default() };
            let plan = plan_create(&request, facts(730), NOW).unwrap();
            plan.into_token(
                WorkspaceId(1),
                &TokenValue::from_random([1; 16], None),
                PrincipalId(2),
                PrincipalId(2),
                "u",
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
        let updated = TokenUpdate { comment: None, scopes: Some(Some(vec!["sql".into()])) }.apply(token);
        assert_eq!((updated.is_autoscoping(), updated.binding_scopes()), (false, Some(&["sql".to_owned()][..])));
    }

    #[test]
    fn a_mask_names_what_changes() {
        let update = TokenUpdate::plan(Some("new"), Some(&["sql".into()]), "comment").unwrap();
        assert_eq!(update, TokenUpdate { comment: Some("new".into()), scopes: None });
        let cleared = TokenUpdate::plan(None, None, "comment, scopes").unwrap();
        assert_eq!(cleared, TokenUpdate { comment: Some(String::new()), scopes: Some(None) });
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
        fn accepted_exactly_when_positive_and_within_the_cap(seconds in -5_i64..731 * 86_400 * 2, cap_days in 1_i64..=730) {
            let outcome = plan_create(&lifetime(seconds), facts(cap_days), NOW);
            let allowed = seconds == -1 || (0 < seconds && seconds <= cap_days * 86_400);
            prop_assert_eq!(outcome.is_ok(), allowed);
            if let (Ok(plan), true) = (outcome, seconds > 0) {
                prop_assert_eq!(plan.expiry_time.since(NOW), seconds * 1000);
            }
        }

        #[test]
        fn no_lifetime_means_the_cap(cap_days in 1_i64..=730) {
            let plan = plan_create(&TokenRequest::default(), facts(cap_days), NOW).unwrap();
            prop_assert_eq!(plan.expiry_time.since(NOW), cap_days * DAY_MS);
        }

        #[test]
        fn once_over_always_over(token in tokens(), later in 0..1_000 * DAY_MS) {
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
        fn the_query_cut_offs_agree_with_the_state(token in tokens(), exempt in any::<bool>(), ahead in 0..200 * DAY_MS) {
            let behaviour = Behaviour { never_used_counts_from_creation: !exempt, ..Behaviour::default() };
            let now = NOW.plus(ahead);
            prop_assert_eq!(Visibility::new(&behaviour, now).shows(&token), token.state(&behaviour, now) == TokenState::Live);
        }
    }
}
