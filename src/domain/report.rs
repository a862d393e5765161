//! The account's token report: its filters, its rows, their order, and the cursor of its pages.
//! `service::report` merges the workspaces' rows. Start with [`Query`].
//! See docs/requirements.md#r18.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use strum::EnumString;

use super::ids::DAY_MS;
use super::{Denial, Millis, WorkspaceId};
use crate::domain::identities::{Principal, PrincipalKind};
use crate::domain::tokens::Token;

/// The default number of rows on a page.
pub const DEFAULT_LIMIT: usize = 50;
/// The maximum number of rows on a page, and of tokens that one call revokes.
pub const MAX_LIMIT: usize = 1_000;
/// New tokens should live shorter than this. See docs/requirements.md#r6.
pub const LONG_LIFETIME_DAYS: i64 = 90;

/// A half-open time range. A missing bound leaves it open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Range {
    /// The first instant in the range.
    pub from: Option<Millis>,
    /// The first instant after the range.
    pub until: Option<Millis>,
}

impl Range {
    /// Reads the bounds `{name}_from` and `{name}_to`. A day such as `2026-11-24` includes the whole day in UTC, as
    /// either bound. An instant (RFC 3339 or epoch milliseconds) is in the range as `_from` and outside as `_to`.
    ///
    /// # Errors
    /// [`Denial::InvalidParameter`], which names the bound.
    pub fn parse(name: &str, from: Option<&str>, to: Option<&str>) -> Result<Self, Denial> {
        let bound = |text: Option<&str>, end: &str, whole_day: i64| {
            match text {
            None => Ok(None),
            Some(text) => midnight(text)
                .map(|day| day.plus(whole_day))
                .or_else(|| Millis::parse(text))
                .map(Some)
                .ok_or_else(|| {
                    Denial::parameter(format!(
                        "{name}_{end}: invalid time '{text}': use a day such as 2026-11-24, RFC 3339 or epoch milliseconds."
                    ))
                }),
        }
        };
        Ok(Self { from: bound(from, "from", 0)?, until: bound(to, "to", DAY_MS)? })
    }

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

/// Selects tokens. Every field narrows the selection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// The owner's name, in any letter case, or id.
    pub owner: Option<String>,
    pub workspace: Option<WorkspaceId>,
    pub created: Range,
    /// Tokens that never expire are in no range.
    pub expires: Range,
    /// Tokens that were never used are in no range.
    pub last_used: Range,
    /// Only tokens whose owner was deleted, or is inactive in the account or in the workspace \[inferred\].
    /// See docs/reference/governance.md#token-report.
    pub inactive_principals: bool,
    /// Only tokens without an expiry time.
    pub no_expiry: bool,
}

impl Filter {
    /// Whether the filter can leave out tokens of a workspace.
    pub fn is_selective(&self) -> bool {
        let Self { owner, workspace: _, created, expires, last_used, inactive_principals, no_expiry } = self;
        owner.is_some()
            || ![created, expires, last_used].into_iter().all(|range| range.is_open())
            || *inactive_principals
            || *no_expiry
    }
}

/// What the rows are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum SortBy {
    #[default]
    Created,
    /// The expiry time; never is the latest.
    Expires,
    /// The last use; never is the earliest.
    LastUsed,
    /// The owner's name, then the creation. Deleted owners come last in either direction.
    Owner,
    /// The workspace's name, then the creation.
    Workspace,
}

impl SortBy {
    /// # Errors
    /// [`Denial::InvalidParameter`]
    pub fn parse(text: &str) -> Result<Self, Denial> {
        text.parse().map_err(|_| {
            let expected = "created, expires, last_used, owner or workspace";
            Denial::parameter(format!("sort: unknown order '{text}': expected {expected}."))
        })
    }
}

/// The order of the rows. Equal rows follow their workspace's and token's ids, so that the order is total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Order {
    pub by: SortBy,
    pub descending: bool,
    /// Whether deleted owners come first, which happens only when the pages are read backwards.
    pub gone_first: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Query {
    pub filter: Filter,
    pub order: Order,
}

/// The owner of a token, if the account still has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowOwner {
    pub kind: PrincipalKind,
    pub name: String,
    /// Active in the account, and assigned to the workspace and active there.
    pub active: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub token: Token,
    /// `None` if the owner was deleted.
    pub owner: Option<RowOwner>,
}

/// The value that a row is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Key {
    Time(i64),
    /// The owner's name as compared, its id, the creation.
    Owner(String, i64, i64),
    /// The id of a deleted owner, the creation.
    GoneOwner(i64, i64),
}

/// The position of a row in the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub key: Key,
    pub workspace: i64,
    pub token: String,
}

impl Order {
    pub const fn reversed(self) -> Self {
        Self { by: self.by, descending: !self.descending, gone_first: !self.gone_first }
    }

    pub fn position(self, Row { token, owner }: &Row) -> Position {
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

    /// Which of two positions comes first, among workspaces whose rows are shown together.
    pub fn compare(self, a: &Position, b: &Position) -> Ordering {
        let is_later = |position: &Position| matches!(position.key, Key::GoneOwner(..)) != self.gone_first;
        let forwards = (&a.key, a.workspace, &a.token).cmp(&(&b.key, b.workspace, &b.token));
        is_later(a).cmp(&is_later(b)).then(if self.descending { forwards.reverse() } else { forwards })
    }
}

impl Position {
    /// The last token id of a workspace that comes before this position among rows with the same key.
    pub fn token_in(&self, workspace: WorkspaceId) -> &str {
        /// Greater than every token id.
        const LAST: &str = "\u{10ffff}";
        match workspace.0.cmp(&self.workspace) {
            Ordering::Less => LAST,
            Ordering::Equal => &self.token,
            Ordering::Greater => "",
        }
    }
}

/// The start of the next or the previous page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageCursor {
    /// The adjoining row of the page that links here.
    pub from: Position,
    /// Whether this is the previous page.
    pub back: bool,
}

#[derive(Serialize, Deserialize)]
struct PageToken {
    of: u64,
    turn: PageCursor,
}

impl Query {
    /// The `page_token` of a page.
    pub fn page_token(&self, turn: PageCursor) -> String {
        let token = PageToken { of: self.fingerprint(), turn };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default())
    }

    /// Reads a `page_token`.
    ///
    /// # Errors
    /// [`Denial::InvalidParameter`] unless it belongs to this query.
    pub fn cursor(&self, page_token: &str) -> Result<PageCursor, Denial> {
        let wrong = || Denial::parameter("page_token: not valid for this filter and order; request the first page.");
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

/// Whether a token's lifetime is at least [`LONG_LIFETIME_DAYS`].
pub fn is_long_lived(token: &Token) -> bool {
    token.expiry_time.is_none_or(|expiry| expiry.since(token.creation_time) >= LONG_LIFETIME_DAYS * DAY_MS)
}

/// The first characters that make a spreadsheet treat a cell as a formula (OWASP, CSV injection), full width included.
const FORMULAS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// A cell of the export. A `'` is put before what a spreadsheet might run, and before a `'`. To restore the text, remove
/// one `'` from its beginning.
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
        assert_eq!(query.cursor(&text), Ok(turn(&place)));
        let back = PageCursor { back: true, ..turn(&place) };
        assert_eq!(query.cursor(&query.page_token(back.clone())), Ok(back));
        let descending = Query { order: Order { descending: true, ..query.order }, ..query.clone() };
        let filtered = Query { filter: Filter { no_expiry: true, ..Filter::default() }, ..query.clone() };
        assert!(descending.cursor(&text).is_err() && filtered.cursor(&text).is_err());
        let by_owner = Query { order: Order { by: SortBy::Owner, ..query.order }, ..query.clone() };
        assert!(by_owner.cursor(&by_owner.page_token(turn(&place))).is_err(), "a key of another order");
        let nul = Position { token: "\0".into(), ..place };
        assert!(query.cursor(&query.page_token(turn(&nul))).is_err());
    }

    proptest! {
        #[test]
        fn a_malformed_page_token_is_refused(text in "\\PC{0,40}") {
            prop_assert!(Query::default().cursor(&text).is_err());
        }

        #[test]
        fn cells_start_no_formula_and_round_trip(text in "(?s)(['=+@\t\r\n＝-]{0,2}).{0,10}") {
            let shown = cell(&text);
            prop_assert!(!shown.starts_with(FORMULAS), "{shown:?}");
            prop_assert_eq!(shown.strip_prefix('\'').unwrap_or(&shown), text.as_str());
        }
    }
}
