//! The token report's queries. What is asked differs from call to call, so their texts are put together
//! from pieces of this file, and only values come from outside.
//!
//! Each is about one workspace, because each has a clock and a horizon of its own; the service merges.

use std::fmt::Write;

use sqlx::{AssertSqlSafe, FromRow};

use super::StoreError;
use super::identities::{PrincipalRow, is_among_present, is_found, is_present, principal_columns};
use super::session::{Reader, Value, args};
use super::tokens::{TokenRow, expiry_key, token_columns, within_horizon};
use crate::domain::identities::{Principal, PrincipalKind};
use crate::domain::report::{Filter, Key, Order, Range, Row, RowOwner, SortBy};
use crate::domain::tokens::Visibility;
use crate::domain::{Millis, PrincipalId, TokenId, Workspace, WorkspaceId};

/// The last use as indexed: none is the earliest.
const LAST_USE_KEY: &str = "COALESCE(t.last_used_at, -9223372036854775807)";

/// A piece of the workspace's own statements, which have the account as `$1` and the workspace as `$2`, for a
/// statement that has them elsewhere.
fn placed(piece: &str, account: &str, workspace: &str) -> String {
    piece.replace("$2", workspace).replace("$1", account)
}

/// Whether `p` is active in a workspace where `a` is its place: assigned itself, or there through a group.
fn active_there(account: &str, workspace: &str) -> String {
    let is_present = placed(is_present!("p"), account, workspace);
    format!("CASE WHEN a.direct THEN a.active ELSE COALESCE(a.active, TRUE) AND {is_present} END")
}

/// What is asked of one workspace.
#[derive(Clone, Copy, Debug)]
pub struct Reported<'a> {
    /// The workspace.
    pub workspace: &'a Workspace,
    /// What token management shows of it now.
    pub horizon: Visibility,
    /// Which of that.
    pub filter: &'a Filter,
    /// The owners that the filter names, where it names one.
    pub owners: Option<&'a [PrincipalId]>,
    /// Only these tokens, where they are known.
    pub tokens: Option<&'a [TokenId]>,
}

/// A part of a workspace's rows. In the order of owners they come in two, since those without a principal
/// have no name to be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All, in an order of time.
    All,
    /// Those whose owner the account has, in the order of owners.
    Named,
    /// The others, in the order of owners' ids.
    Gone,
}

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

    fn try_from(row: ReportRow) -> Result<Self, StoreError> {
        let owner = match (row.owner_kind, row.owner_name) {
            (Some(kind), Some(name)) => Some(RowOwner {
                kind: PrincipalKind::parse(&kind).ok_or_else(|| StoreError::Unreadable(format!("kind {kind}")))?,
                name,
                active: row.owner_active == Some(true) && row.assignment_active == Some(true),
            }),
            _ => None,
        };
        Ok(Self { token: row.token.try_into()?, owner })
    }
}

/// A statement in the making.
struct Statement<'a> {
    sql: String,
    values: Vec<Value<'a>>,
}

impl<'a> Statement<'a> {
    /// Begins with what selects from `tokens t`, and says which tokens those are. `$4` is the workspace.
    fn about(
        select: &str,
        Reported { workspace, horizon, filter, owners, tokens }: Reported<'a>,
        account: &'a str,
    ) -> Self {
        let Visibility { idle_cutoff, never_used_exempt, expiry_cutoff } = horizon;
        let values = args![idle_cutoff, never_used_exempt, expiry_cutoff, workspace.id].to_vec();
        let sql = [select, " WHERE ", within_horizon!(), " AND t.workspace_id = $4"];
        let mut statement = Self { sql: sql.concat(), values };
        if let Some(owners) = owners {
            let places: Vec<String> = owners.iter().map(|owner| statement.bind(*owner)).collect();
            let _ = write!(statement.sql, " AND t.owner_id IN ({})", places.join(", "));
        }
        if let Some(tokens) = tokens {
            let places: Vec<String> = tokens.iter().map(|token| statement.bind(token.as_str())).collect();
            let _ = write!(statement.sql, " AND t.token_id IN ({})", places.join(", "));
        }
        // The sign keeps SQLite from searching the index of creation: for a long range it would read row after
        // row of the table, where the index that holds all of it is read through in less.
        statement.within("+t.creation_time", filter.created);
        statement.within("t.expiry_time", filter.expires);
        statement.within("t.last_used_at", filter.last_used);
        if filter.no_expiry {
            statement.sql.push_str(" AND t.expiry_time IS NULL");
        }
        if filter.inactive_principals {
            // Those of which `RowOwner::active` is true.
            let account = statement.bind(account);
            let _ = write!(
                statement.sql,
                " AND t.owner_id NOT IN (SELECT p.principal_id FROM principals p
                   LEFT JOIN workspace_assignments a ON a.workspace_id = $4 AND a.principal_id = p.principal_id
                   WHERE p.account_id = {account} AND p.kind <> 'group' AND p.active AND COALESCE(a.active, TRUE)
                   AND {})",
                placed(is_among_present!("p"), &account, "$4"),
            );
        }
        statement
    }

    fn bind(&mut self, value: impl Into<Value<'a>>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn within(&mut self, expression: &str, range: Range) {
        for (bound, compares) in [(range.from, ">="), (range.until, "<")] {
            if let Some(bound) = bound {
                let place = self.bind(bound);
                let _ = write!(self.sql, " AND {expression} {compares} {place}");
            }
        }
    }

    /// Goes on after a row, in the order of `columns`; the first is compared twice, for the index's sake.
    fn after(&mut self, columns: &[&str], row: Vec<Value<'a>>, descending: bool) {
        let places: Vec<String> = row.into_iter().map(|value| self.bind(value)).collect();
        let compares = if descending { "<" } else { ">" };
        if let (Some(column), Some(place)) = (columns.first(), places.first()) {
            let _ = write!(self.sql, " AND {column} {compares}= {place}");
        }
        let _ = write!(self.sql, " AND ({}) {compares} ({})", columns.join(", "), places.join(", "));
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
    pub async fn count_reported(&mut self, asked: Reported<'_>, at_most: Option<i64>) -> Result<i64, StoreError> {
        let account = asked.workspace.account.to_string();
        let mut statement = Statement::about("SELECT COUNT(*) FROM tokens t", asked, &account);
        if let Some(at_most) = at_most {
            statement = Statement::about("SELECT COUNT(*) FROM (SELECT 1 FROM tokens t", asked, &account);
            let place = statement.bind(at_most);
            let _ = write!(statement.sql, " LIMIT {place}) counted");
        }
        self.count(AssertSqlSafe(statement.sql), &statement.values).await
    }

    /// Rows of a part in order, at most `limit`, after the row with that key and token. `by_order` says that
    /// they are found soon enough in the order's index; otherwise all of them are found by the filter, in the
    /// index that holds what it asks, and sorted.
    pub async fn list_reported(
        &mut self,
        asked: Reported<'_>,
        part: Part,
        order: Order,
        after: Option<(&Key, &str)>,
        by_order: bool,
        limit: i64,
    ) -> Result<Vec<Row>, StoreError> {
        let account = asked.workspace.account.to_string();
        // SQLite takes the tables of a CROSS JOIN in the order in which they stand.
        let (from, columns): (&str, &[&str]) = match (part, order.by) {
            (Part::Named, _) if by_order => ("principals p CROSS JOIN tokens t", NAMED),
            (Part::Named, _) => ("tokens t CROSS JOIN principals p", NAMED),
            (Part::Gone, _) => ("tokens t", &["t.owner_id", "t.creation_time", "t.token_id"]),
            (Part::All, SortBy::Expires) => ("tokens t", &[expiry_key!(), "t.token_id"]),
            (Part::All, SortBy::LastUsed) => ("tokens t", &[LAST_USE_KEY, "t.token_id"]),
            (Part::All, _) => ("tokens t", &["t.creation_time", "t.token_id"]),
        };
        let mut statement = Statement::about(&format!("SELECT t.token_id FROM {from}"), asked, &account);
        let account_place = statement.bind(account.as_str());
        let owner = format!("p.account_id = {account_place} AND p.principal_id = t.owner_id");
        let active_there = active_there(&account_place, "$4");
        let _ = match part {
            Part::All => Ok(()),
            Part::Named => write!(statement.sql, " AND {owner}"),
            Part::Gone => write!(statement.sql, " AND NOT EXISTS (SELECT 1 FROM principals p WHERE {owner})"),
        };
        if part == Part::All && by_order {
            let (key, range) = match order.by {
                SortBy::Expires => (expiry_key!(), asked.filter.expires),
                SortBy::LastUsed => (LAST_USE_KEY, asked.filter.last_used),
                SortBy::Created | SortBy::Owner | SortBy::Workspace => ("t.creation_time", asked.filter.created),
            };
            statement.within(key, range);
        }
        if let Some((key, token)) = after {
            statement.after(columns, values_of(key, token), order.descending);
        }
        let direction = if order.descending { " DESC" } else { "" };
        // A sign before a column keeps its index out; a name has none, and needs none.
        let sign = if part == Part::Named || (by_order && part == Part::All) { "" } else { "+" };
        let sorted = |column: &&str| match *column {
            "t.token_id" => format!("{column}{direction}"),
            number => format!("{sign}{number}{direction}"),
        };
        let columns: Vec<String> = columns.iter().map(sorted).collect();
        let place = statement.bind(limit);
        let sql = format!(
            "SELECT {}, p.kind AS owner_kind, p.name AS owner_name, p.active AS owner_active,
               {active_there} AS assignment_active
             FROM ({} ORDER BY {} LIMIT {place}) found CROSS JOIN tokens t
             LEFT JOIN principals p ON {owner}
             LEFT JOIN workspace_assignments a ON a.workspace_id = $4 AND a.principal_id = t.owner_id
             WHERE t.token_id = found.token_id AND t.workspace_id = $4",
            token_columns!(),
            statement.sql,
            columns.join(", "),
        );
        let rows = self.rows::<ReportRow>(AssertSqlSafe(sql), &statement.values).await?;
        let mut rows: Vec<Row> = rows.into_iter().map(Row::try_from).collect::<Result<_, _>>()?;
        // A join need not keep the order.
        rows.sort_by(|a, b| order.compare(&order.place(a), &order.place(b)));
        Ok(rows)
    }

    /// The active principals of a workspace that hold tokens within the horizon and have no other way in: no
    /// OAuth secret that works at `now`, nor, as users, a sign-in.
    pub async fn list_owners_by_token_alone(
        &mut self,
        workspace: &Workspace,
        horizon: Visibility,
        now: Millis,
        users_sign_in: bool,
    ) -> Result<Vec<Principal>, StoreError> {
        let sql = format!(
            "SELECT {} FROM (SELECT DISTINCT t.owner_id FROM tokens t WHERE {} AND t.workspace_id = $5) owners
             LEFT JOIN principals p ON p.account_id = $4 AND p.principal_id = owners.owner_id AND p.active
               AND NOT (p.kind = 'user' AND $7)
             LEFT JOIN workspace_assignments a ON a.workspace_id = $5 AND a.principal_id = p.principal_id
             WHERE {} AND {}
             AND NOT EXISTS (SELECT 1 FROM oauth_secrets s
               WHERE s.account_id = $4 AND s.principal_id = p.principal_id AND s.expires_at > $6)
             ORDER BY p.name",
            principal_columns!(),
            within_horizon!(),
            is_found!("p.principal_id"),
            active_there("$4", "$5"),
        );
        let account = workspace.account.to_string();
        let Visibility { idle_cutoff, never_used_exempt, expiry_cutoff } = horizon;
        let values = args![idle_cutoff, never_used_exempt, expiry_cutoff, &account, workspace.id, now, users_sign_in];
        let rows = self.rows::<PrincipalRow>(AssertSqlSafe(sql), values).await?;
        rows.into_iter().map(Principal::try_from).collect()
    }

    /// The `User-Agent` of the last recorded use of each token within the horizon that has one.
    pub async fn list_last_clients(
        &mut self,
        workspace: WorkspaceId,
        horizon: Visibility,
    ) -> Result<Vec<(TokenId, String)>, StoreError> {
        const SQL: &str = concat!(
            "SELECT t.token_id, t.last_client FROM tokens t WHERE ",
            within_horizon!(),
            " AND t.workspace_id = $4 AND t.last_client IS NOT NULL"
        );
        let Visibility { idle_cutoff, never_used_exempt, expiry_cutoff } = horizon;
        let values = args![idle_cutoff, never_used_exempt, expiry_cutoff, workspace];
        let rows = self.rows::<(String, String)>(SQL, values).await?;
        Ok(rows.into_iter().map(|(id, client)| (TokenId::from_text(id), client)).collect())
    }
}

/// With the owner's id from the principal, so that SQLite sees that two indexes have this order between them.
const NAMED: &[&str] = &["p.name_key", "p.principal_id", "t.creation_time", "t.token_id"];
