//! The token report's statements. What they filter and how they sort differs from call to call, so their texts are
//! built from the pieces in this file; everything else is bound as a value. A statement is about one workspace, because
//! each has its own clock; the service merges them. Start at [`Reader::list_report_rows`].

use std::fmt::Write;

use sqlx::{AssertSqlSafe, FromRow};

use super::identities::{PrincipalRow, is_among_present, is_found, is_present, kind_from, principal_columns};
use super::session::{Reader, Value, args};
use super::tokens::{TokenRow, expiry_key, is_visible, token_columns, visible_args};
use super::{Result, StoreError};
use crate::domain::access::USERS_SIGN_IN;
use crate::domain::identities::Principal;
use crate::domain::report::{Filter, Key, Order, Range, Row, RowOwner, SortBy};
use crate::domain::tokens::Visibility;
use crate::domain::{Millis, PrincipalId, TokenId, Workspace, WorkspaceId};

/// The last use as indexed: tokens without one come first.
const LAST_USE_KEY: &str = "COALESCE(t.last_used_at, -9223372036854775807)";

/// Whether `p`, whose assignment is `a`, is active in the workspace: by its own assignment, or through a group. The
/// workspace is bound as `$4`, the account as `$5`.
macro_rules! is_active_there {
    () => {
        concat!(
            "CASE WHEN a.direct THEN a.active ELSE COALESCE(a.active, TRUE) AND ",
            is_present!("p", "$5", "$4"),
            " END"
        )
    };
}

/// The condition for tokens whose owner is not active in the workspace; the same as that `RowOwner::active` is false.
/// The workspace is bound as `$4`, the account as `$5`.
const OWNER_IS_INACTIVE: &str = concat!(
    " AND t.owner_id NOT IN (SELECT p.principal_id FROM principals p
                   LEFT JOIN workspace_assignments a ON a.workspace_id = $4 AND a.principal_id = p.principal_id
                   WHERE p.account_id = $5 AND p.kind <> 'group' AND p.active AND COALESCE(a.active, TRUE)
                   AND ",
    is_among_present!("p", "$5", "$4"),
    ")"
);

/// The owner `p` of `t`. The account is bound as `$5`.
const IS_OWNER: &str = "p.account_id = $5 AND p.principal_id = t.owner_id";

/// Which tokens of a workspace the report is about.
#[derive(Clone, Copy, Debug)]
pub struct ReportQuery<'a> {
    pub workspace: &'a Workspace,
    pub visibility: Visibility,
    pub filter: &'a Filter,
    /// The owners that the filter names, if it names any.
    pub owners: Option<&'a [PrincipalId]>,
    /// Only these tokens.
    pub tokens: Option<&'a [TokenId]>,
}

/// A part of a workspace's rows. In the order of owners, rows come in two parts, because a deleted owner has no name to
/// sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportPart {
    /// All rows, in an order of time.
    All,
    /// The rows whose owner exists, in the order of owners' names.
    KnownOwners,
    /// The rows whose owner is deleted, in the order of owners' ids.
    DeletedOwners,
}

/// How a statement finds its rows. The rows are the same, but the work is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportScan {
    /// In the order's index, until there are enough. For filters that most rows match.
    ByOrder,
    /// All that match, in the index that has the filter's columns, sorted afterwards.
    ByFilter,
}

/// Which rows of a query to list.
#[derive(Clone, Copy, Debug)]
pub struct ReportBatch<'a> {
    pub part: ReportPart,
    pub order: Order,
    /// The key and token of the row before the first.
    pub after: Option<(&'a Key, &'a str)>,
    pub scan: ReportScan,
    pub limit: i64,
}

impl ReportBatch<'_> {
    /// What to select from, and the columns to sort by.
    fn source(&self) -> (&'static str, &'static [&'static str]) {
        // SQLite takes the tables of a CROSS JOIN in the order in which they are written.
        match (self.part, self.order.by, self.scan) {
            (ReportPart::KnownOwners, _, ReportScan::ByOrder) => ("principals p CROSS JOIN tokens t", BY_OWNER),
            (ReportPart::KnownOwners, _, ReportScan::ByFilter) => ("tokens t CROSS JOIN principals p", BY_OWNER),
            (ReportPart::DeletedOwners, ..) => ("tokens t", &["t.owner_id", "t.creation_time", "t.token_id"]),
            (ReportPart::All, SortBy::Expires, _) => ("tokens t", &[expiry_key!(), "t.token_id"]),
            (ReportPart::All, SortBy::LastUsed, _) => ("tokens t", &[LAST_USE_KEY, "t.token_id"]),
            (ReportPart::All, ..) => ("tokens t", &["t.creation_time", "t.token_id"]),
        }
    }

    fn scans_time_index(&self) -> bool {
        self.part == ReportPart::All && self.scan == ReportScan::ByOrder
    }

    fn order_by(&self, columns: &[&str]) -> String {
        let direction = if self.order.descending { " DESC" } else { "" };
        // A sign before a column keeps its index from being used; names cannot have one, and need none.
        let sign = if self.part == ReportPart::KnownOwners || self.scans_time_index() { "" } else { "+" };
        let sorted = |column: &&str| match *column {
            "t.token_id" => format!("{column}{direction}"),
            number => format!("{sign}{number}{direction}"),
        };
        columns.iter().map(sorted).collect::<Vec<_>>().join(", ")
    }
}

/// The owner's id is the principal's, so that SQLite sees that two indexes together have this order.
const BY_OWNER: &[&str] = &["p.name_key", "p.principal_id", "t.creation_time", "t.token_id"];

#[derive(FromRow)]
struct ReportRow {
    #[sqlx(flatten)]
    token: TokenRow,
    owner_kind: Option<String>,
    owner_name: Option<String>,
    owner_active: Option<bool>,
    assignment_active: Option<bool>,
}

impl TryFrom<ReportRow> for Row {
    type Error = StoreError;

    fn try_from(row: ReportRow) -> Result<Self> {
        let owner = match (row.owner_kind, row.owner_name) {
            (Some(kind), Some(name)) => Some(RowOwner {
                kind: kind_from(&kind)?,
                name,
                active: row.owner_active == Some(true) && row.assignment_active == Some(true),
            }),
            _ => None,
        };
        Ok(Self { token: row.token.try_into()?, owner })
    }
}

/// A statement that is being built, with the values bound so far.
struct Statement<'a> {
    sql: String,
    values: Vec<Value<'a>>,
}

impl<'a> Statement<'a> {
    /// Counts with `select` from `tokens t`.
    fn count(select: &str, query: ReportQuery<'a>) -> Self {
        let mut statement = Self::visible(select, query);
        // The databases refuse a value that the text does not mention.
        if query.filter.inactive_principals {
            statement.bind(query.workspace.account);
        }
        statement.matching(query)
    }

    /// Selects from `from`, which has `tokens t` in it. The account is always bound.
    fn list(from: &str, query: ReportQuery<'a>) -> Self {
        let mut statement = Self::visible(&format!("SELECT t.token_id FROM {from}"), query);
        statement.bind(query.workspace.account);
        statement.matching(query)
    }

    /// Binds the workspace as `$4`; the account, if it is bound, is `$5`.
    fn visible(select: &str, query: ReportQuery<'a>) -> Self {
        let values = visible_args![query.visibility, query.workspace.id].to_vec();
        let sql = [select, " WHERE ", is_visible!(), " AND t.workspace_id = $4"];
        Self { sql: sql.concat(), values }
    }

    fn matching(mut self, ReportQuery { filter, owners, tokens, .. }: ReportQuery<'a>) -> Self {
        if let Some(owners) = owners {
            let placeholders: Vec<String> = owners.iter().map(|owner| self.bind(*owner)).collect();
            let _ = write!(self.sql, " AND t.owner_id IN ({})", placeholders.join(", "));
        }
        if let Some(tokens) = tokens {
            let placeholders: Vec<String> = tokens.iter().map(|token| self.bind(token)).collect();
            let _ = write!(self.sql, " AND t.token_id IN ({})", placeholders.join(", "));
        }
        // The sign keeps SQLite from using the index of creation times: for a long range it would read the table row by
        // row, while scanning the index that has all needed columns costs less.
        self.within("+t.creation_time", filter.created);
        self.within("t.expiry_time", filter.expires);
        self.within("t.last_used_at", filter.last_used);
        if filter.no_expiry {
            self.sql.push_str(" AND t.expiry_time IS NULL");
        }
        if filter.inactive_principals {
            self.sql.push_str(OWNER_IS_INACTIVE);
        }
        self
    }

    /// Binds a value; returns its placeholder.
    fn bind(&mut self, value: impl Into<Value<'a>>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn within(&mut self, expression: &str, range: Range) {
        for (bound, compares) in [(range.from, ">="), (range.until, "<")] {
            if let Some(bound) = bound {
                let placeholder = self.bind(bound);
                let _ = write!(self.sql, " AND {expression} {compares} {placeholder}");
            }
        }
    }

    /// Resumes after a row, in the order of `columns`. The first one is compared twice, so that its index is used.
    fn after(&mut self, columns: &[&str], row: Vec<Value<'a>>, order: Order) {
        let placeholders: Vec<String> = row.into_iter().map(|value| self.bind(value)).collect();
        let compares = if order.descending { "<" } else { ">" };
        if let (Some(column), Some(placeholder)) = (columns.first(), placeholders.first()) {
            let _ = write!(self.sql, " AND {column} {compares}= {placeholder}");
        }
        let _ = write!(self.sql, " AND ({}) {compares} ({})", columns.join(", "), placeholders.join(", "));
    }
}

fn values_of<'a>(key: &'a Key, token: &'a str) -> Vec<Value<'a>> {
    let mut values = match key {
        Key::Time(at) => args![*at].to_vec(),
        Key::Owner(name, id, created) => args![name, *id, *created].to_vec(),
        Key::GoneOwner(id, created) => args![*id, *created].to_vec(),
    };
    values.push(token.into());
    values
}

impl Reader {
    /// How many rows there are, counted no further than `at_most`.
    pub async fn count_report_rows(&mut self, query: ReportQuery<'_>, at_most: Option<i64>) -> Result<i64> {
        let statement = match at_most {
            None => Statement::count("SELECT COUNT(*) FROM tokens t", query),
            Some(at_most) => {
                let mut statement = Statement::count("SELECT COUNT(*) FROM (SELECT 1 FROM tokens t", query);
                let placeholder = statement.bind(at_most);
                let _ = write!(statement.sql, " LIMIT {placeholder}) counted");
                statement
            }
        };
        self.count(AssertSqlSafe(statement.sql), &statement.values).await
    }

    /// The rows of a batch, in order.
    pub async fn list_report_rows(&mut self, query: ReportQuery<'_>, batch: ReportBatch<'_>) -> Result<Vec<Row>> {
        let ReportBatch { part, order, after, limit, .. } = batch;
        let (from, columns) = batch.source();
        let mut statement = Statement::list(from, query);
        let _ = match part {
            ReportPart::All => Ok(()),
            ReportPart::KnownOwners => write!(statement.sql, " AND {IS_OWNER}"),
            ReportPart::DeletedOwners => {
                write!(statement.sql, " AND NOT EXISTS (SELECT 1 FROM principals p WHERE {IS_OWNER})")
            }
        };
        if batch.scans_time_index() {
            let (key, range) = match order.by {
                SortBy::Expires => (expiry_key!(), query.filter.expires),
                SortBy::LastUsed => (LAST_USE_KEY, query.filter.last_used),
                SortBy::Created | SortBy::Owner | SortBy::Workspace => ("t.creation_time", query.filter.created),
            };
            statement.within(key, range);
        }
        if let Some((key, token)) = after {
            statement.after(columns, values_of(key, token), order);
        }
        let (order_by, limit) = (batch.order_by(columns), statement.bind(limit));
        let sql = format!(
            "SELECT {}, p.kind AS owner_kind, p.name AS owner_name, p.active AS owner_active,
               {} AS assignment_active
             FROM ({} ORDER BY {order_by} LIMIT {limit}) found CROSS JOIN tokens t
             LEFT JOIN principals p ON {IS_OWNER}
             LEFT JOIN workspace_assignments a ON a.workspace_id = $4 AND a.principal_id = t.owner_id
             WHERE t.token_id = found.token_id AND t.workspace_id = $4",
            token_columns!(),
            is_active_there!(),
            statement.sql,
        );
        let mut rows: Vec<Row> = self.list::<ReportRow, _>(AssertSqlSafe(sql), &statement.values).await?;
        // A join need not keep the order.
        rows.sort_by(|a, b| order.compare(&order.position(a), &order.position(b)));
        Ok(rows)
    }

    /// The active principals of a workspace that have visible tokens and no other access: no OAuth secret that is valid
    /// at `now`, and, if [`USERS_SIGN_IN`], not users.
    pub async fn list_owners_without_other_access(
        &mut self,
        workspace: &Workspace,
        visibility: Visibility,
        now: Millis,
    ) -> Result<Vec<Principal>> {
        const SQL: &str = concat!(
            "SELECT ",
            principal_columns!(),
            " FROM (SELECT DISTINCT t.owner_id FROM tokens t WHERE ",
            is_visible!(),
            " AND t.workspace_id = $4) owners
             LEFT JOIN principals p ON p.account_id = $5 AND p.principal_id = owners.owner_id AND p.active
               AND NOT (p.kind = 'user' AND $7)
             LEFT JOIN workspace_assignments a ON a.workspace_id = $4 AND a.principal_id = p.principal_id
             WHERE ",
            is_found!("p.principal_id"),
            " AND ",
            is_active_there!(),
            "
             AND NOT EXISTS (SELECT 1 FROM oauth_secrets s
               WHERE s.account_id = $5 AND s.principal_id = p.principal_id AND s.expires_at > $6)
             ORDER BY p.name"
        );
        let Workspace { id, account, .. } = *workspace;
        let values = visible_args![visibility, id, account, now, USERS_SIGN_IN];
        self.list::<PrincipalRow, _>(SQL, values).await
    }

    /// The `User-Agent` of the last recorded use of each visible token that has one.
    pub async fn list_last_clients(
        &mut self,
        workspace: WorkspaceId,
        visibility: Visibility,
    ) -> Result<Vec<(TokenId, String)>> {
        const SQL: &str = concat!(
            "SELECT t.token_id, t.last_client FROM tokens t WHERE ",
            is_visible!(),
            " AND t.workspace_id = $4 AND t.last_client IS NOT NULL"
        );
        let values = visible_args![visibility, workspace];
        let rows = self.rows::<(String, String)>(SQL, values).await?;
        Ok(rows.into_iter().map(|(id, client)| (TokenId::from_text(id), client)).collect())
    }
}
