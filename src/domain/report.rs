//! The account's token report (requirements R18–R25): what may be asked of it, its rows, their order, and
//! the place where a page ends.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::ids::DAY_MS;
use super::{Denial, Millis, WorkspaceId};
use crate::domain::identities::{Principal, PrincipalKind};
use crate::domain::tokens::Token;

/// Rows of a page when nobody says how many.
pub const DEFAULT_LIMIT: usize = 50;
/// Most rows of a page, and most tokens that one call revokes.
pub const MAX_LIMIT: usize = 1_000;
/// New tokens should live shorter than this (requirement R6).
pub const LONG_LIFETIME_DAYS: i64 = 90;

/// A span of time with its first instant and without its last; open where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Range {
    /// The first instant that is in it.
    pub from: Option<Millis>,
    /// The first instant that no longer is.
    pub until: Option<Millis>,
}

impl Range {
    /// Reads the two bounds of `name`: a day such as `2026-11-24` is all of it, in UTC, as either bound; an
    /// instant, RFC 3339 or epoch milliseconds, is in the range as `_from` and outside as `_to`.
    ///
    /// # Errors
    /// [`Denial::InvalidParameter`], naming the bound.
    pub fn parse(name: &str, from: Option<&str>, to: Option<&str>) -> Result<Self, Denial> {
        let bound = |text: Option<&str>, end: &str, whole_day: i64| match text {
            None => Ok(None),
            Some(text) => midnight(text)
                .map(|day| day.plus(whole_day))
                .or_else(|| Millis::parse(text))
                .map(Some)
                .ok_or_else(|| {
                    Denial::parameter(format!(
                        "{name}_{end}: '{text}' is none; use a day such as 2026-11-24, RFC 3339 or epoch milliseconds."
                    ))
                }),
        };
        Ok(Self { from: bound(from, "from", 0)?, until: bound(to, "to", DAY_MS)? })
    }

    /// Whether it bounds nothing.
    pub const fn is_open(self) -> bool {
        self.from.is_none() && self.until.is_none()
    }
}

/// Whether a text names a day, as [`Range::parse`] reads it.
pub fn is_day(text: &str) -> bool {
    midnight(text).is_some()
}

/// The first instant of a day, UTC.
fn midnight(text: &str) -> Option<Millis> {
    let day = (text.len() == 10).then(|| chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok())??;
    Some(Millis(day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis()))
}

/// Which tokens are shown: those that every filter lets through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// The owner's name, in any letter case, or id.
    pub owner: Option<String>,
    /// The workspace.
    pub workspace: Option<WorkspaceId>,
    /// When they were created.
    pub created: Range,
    /// When they expire; those that never do are in no range.
    pub expires: Range,
    /// When they were last used; those that never were are in no range.
    pub last_used: Range,
    /// Only those whose owner is inactive in the account or in the workspace, or no longer there
    /// \[inferred\] (governance §3).
    pub inactive_principals: bool,
    /// Only those without an expiry time.
    pub no_expiry: bool,
}

impl Filter {
    /// Whether it leaves out any token of a workspace that is shown.
    pub fn is_selective(&self) -> bool {
        let Self { owner, workspace: _, created, expires, last_used, inactive_principals, no_expiry } = self;
        owner.is_some()
            || ![created, expires, last_used].into_iter().all(|range| range.is_open())
            || *inactive_principals
            || *no_expiry
    }
}

/// What the rows are ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SortBy {
    /// When they were created.
    #[default]
    Created,
    /// When they expire; never is the latest.
    Expires,
    /// When they were last used; never is the earliest.
    LastUsed,
    /// The owner's name, and of one owner the creation. Owners that are gone come last, either way.
    Owner,
    /// The workspace's name, and in one workspace the creation.
    Workspace,
}

impl SortBy {
    const ALL: [Self; 5] = [Self::Created, Self::Expires, Self::LastUsed, Self::Owner, Self::Workspace];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Expires => "expires",
            Self::LastUsed => "last_used",
            Self::Owner => "owner",
            Self::Workspace => "workspace",
        }
    }

    /// Reads a name.
    ///
    /// # Errors
    /// [`Denial::InvalidParameter`]
    pub fn parse(text: &str) -> Result<Self, Denial> {
        let found = Self::ALL.into_iter().find(|by| by.as_str() == text);
        found.ok_or_else(|| {
            Denial::parameter(format!("sort: '{text}' is none; use created, expires, last_used, owner or workspace."))
        })
    }
}

/// The order of the rows. Equal ones follow their workspace's and token's ids, so that there is only one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Order {
    /// By what.
    pub by: SortBy,
    /// Whether backwards.
    pub descending: bool,
    /// Whether owners that are gone come first, which they only do on the way back.
    pub gone_first: bool,
}

/// What is asked of the report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Query {
    /// Which tokens.
    pub filter: Filter,
    /// In which order.
    pub order: Order,
}

/// The owner of a token, where the account has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowOwner {
    /// User or service principal.
    pub kind: PrincipalKind,
    /// `userName` or `applicationId`.
    pub name: String,
    /// Active in the account, and assigned to and active in the workspace.
    pub active: bool,
}

/// A token of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The token.
    pub token: Token,
    /// Its owner; `None` when the principal is gone.
    pub owner: Option<RowOwner>,
}

/// What a row is ordered by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Key {
    /// A time, in milliseconds.
    Time(i64),
    /// The owner's name as compared, its id, the creation.
    Owner(String, i64, i64),
    /// The id of an owner that is gone, the creation.
    GoneOwner(i64, i64),
}

/// A place in the order: that of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// By what.
    pub key: Key,
    /// The row's workspace.
    pub workspace: i64,
    /// The row's token.
    pub token: String,
}

impl Order {
    /// The same order from its end.
    pub const fn reversed(self) -> Self {
        Self { by: self.by, descending: !self.descending, gone_first: !self.gone_first }
    }

    /// A row's place.
    pub fn place(self, Row { token, owner }: &Row) -> Position {
        let created = token.creation_time.0;
        let key = match (self.by, owner) {
            (SortBy::Created | SortBy::Workspace, _) => Key::Time(created),
            (SortBy::Expires, _) => Key::Time(token.expiry_time.map_or(i64::MAX, |at| at.0)),
            (SortBy::LastUsed, _) => Key::Time(token.last_used.map_or(-i64::MAX, |at| at.0)),
            (SortBy::Owner, Some(owner)) => Key::Owner(Principal::name_key(&owner.name), token.owner.0, created),
            (SortBy::Owner, None) => Key::GoneOwner(token.owner.0, created),
        };
        Position { key, workspace: token.workspace.0, token: token.id.as_str().to_owned() }
    }

    /// Which of two places comes first, among workspaces that are shown together.
    pub fn compare(self, a: &Position, b: &Position) -> Ordering {
        let is_later = |place: &Position| matches!(place.key, Key::GoneOwner(..)) != self.gone_first;
        let forwards = (&a.key, a.workspace, &a.token).cmp(&(&b.key, b.workspace, &b.token));
        is_later(a).cmp(&is_later(b)).then(if self.descending { forwards.reverse() } else { forwards })
    }
}

impl Position {
    /// Where the rows of a workspace with this key end that come before this place: after which token.
    pub fn token_in(&self, workspace: WorkspaceId) -> &str {
        /// After every token's id.
        const LAST: &str = "\u{10ffff}";
        match workspace.0.cmp(&self.workspace) {
            Ordering::Less => LAST,
            Ordering::Equal => &self.token,
            Ordering::Greater => "",
        }
    }
}

/// Where a page adjoins the one that it is asked from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageCursor {
    /// The row there; it is on the other page.
    pub from: Position,
    /// Whether the page is the one before.
    pub back: bool,
}

#[derive(Serialize, Deserialize)]
struct PageToken {
    of: u64,
    turn: PageCursor,
}

impl Query {
    /// The text by which a page is asked for.
    pub fn page_token(&self, turn: PageCursor) -> String {
        let token = PageToken { of: self.fingerprint(), turn };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default())
    }

    /// Reads such a text.
    ///
    /// # Errors
    /// [`Denial::InvalidParameter`] for another text, or one of another query.
    pub fn turn(&self, page_token: &str) -> Result<PageCursor, Denial> {
        let wrong = || Denial::parameter("page_token: it is none of this filter and order.");
        let bytes = URL_SAFE_NO_PAD.decode(page_token).map_err(|_| wrong())?;
        let PageToken { of, turn } = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        let fits = matches!(turn.from.key, Key::Time(_)) != (self.order.by == SortBy::Owner);
        let is_ours = of == self.fingerprint() && fits && !turn.from.token.contains('\0');
        is_ours.then_some(turn).ok_or_else(wrong)
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// Whether a token lives for [`LONG_LIFETIME_DAYS`] or more.
pub fn is_long_lived(token: &Token) -> bool {
    token.expiry_time.is_none_or(|expiry| expiry.since(token.creation_time) >= LONG_LIFETIME_DAYS * DAY_MS)
}

/// How cells begin that a spreadsheet takes for a formula (OWASP, CSV injection), in full width too.
const FORMULAS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// A cell of the export: with a `'` before what a spreadsheet might run, and before a `'`, so that whoever
/// takes one `'` from the beginning of a cell has the text again.
pub fn cell(text: &str) -> Cow<'_, str> {
    if text.starts_with('\'') || text.starts_with(FORMULAS) { format!("'{text}").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_are_whole_and_instants_are_half_open() {
        let midnight = 1_795_478_400_000;
        let parse = |from, to| Range::parse("created", Some(from), Some(to)).unwrap();
        let day = |from: i64, until: i64| Range { from: Some(Millis(from)), until: Some(Millis(until)) };
        assert_eq!(parse("2026-11-24", "2026-11-24"), day(midnight, midnight + DAY_MS));
        assert_eq!(parse("2026-11-24T00:00:00Z", "2026-11-24T01:00:00+01:00"), day(midnight, midnight));
        assert_eq!(parse("1795478400000", "1795478400001"), day(midnight, midnight + 1));
        assert_eq!(parse("0", "-1"), day(0, -1));
        assert!(Range::parse("created", None, None).unwrap().is_open());
        for bad in ["", "today", "2026-13-01", "2026-02-30", "24-11-2026", "2026-11-24T00:00", " 2026-11-24", "1e9"] {
            let refused = Range::parse("expires", None, Some(bad)).unwrap_err();
            assert!(matches!(refused, Denial::InvalidParameter(text) if text.contains("expires_to")), "{bad}");
        }
    }

    #[test]
    fn a_page_token_belongs_to_its_query() {
        let query = Query::default();
        let place = Position { key: Key::Time(5), workspace: 7, token: "aa".into() };
        let turn = |from: &Position| PageCursor { from: from.clone(), back: false };
        let text = query.page_token(turn(&place));
        assert_eq!(query.turn(&text), Ok(turn(&place)));
        let back = PageCursor { back: true, ..turn(&place) };
        assert_eq!(query.turn(&query.page_token(back.clone())), Ok(back));
        let descending = Query { order: Order { descending: true, ..query.order }, ..query.clone() };
        let filtered = Query { filter: Filter { no_expiry: true, ..Filter::default() }, ..query.clone() };
        assert!(descending.turn(&text).is_err() && filtered.turn(&text).is_err());
        let by_owner = Query { order: Order { by: SortBy::Owner, ..query.order }, ..query.clone() };
        assert!(by_owner.turn(&by_owner.page_token(turn(&place))).is_err(), "a key of another order");
        let nul = Position { token: "\0".into(), ..place };
        assert!(query.turn(&query.page_token(turn(&nul))).is_err());
    }

    proptest! {
        #[test]
        fn no_page_token_makes_it_stumble(text in "\\PC{0,40}") {
            prop_assert!(Query::default().turn(&text).is_err());
        }

        #[test]
        fn cells_begin_harmlessly_and_come_back(text in "(?s)(['=+@\t\r\n＝-]{0,2}).{0,10}") {
            let shown = cell(&text);
            prop_assert!(!shown.starts_with(FORMULAS), "{shown:?}");
            prop_assert_eq!(shown.strip_prefix('\'').unwrap_or(&shown), text.as_str());
        }
    }
}
