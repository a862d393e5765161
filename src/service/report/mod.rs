//! The account's token report: pages, the export, and revocation of the tokens it shows. Every request queries the
//! database; nothing is cached. See docs/requirements.md#r18.

mod merge;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Call, Error, Service};
use crate::domain::authorize::Caller;
use crate::domain::identities::PrincipalKind;
use crate::domain::lifecycle::as_of;
use crate::domain::report::{Filter, Order, PageCursor, Position, Query, Row};
use crate::domain::tokens::{EndCause, Visibility};
use crate::domain::{AccountId, Denial, Millis, PrincipalId, TokenId, Workspace, WorkspaceId};
use crate::store::{Lock, Reader, ReportBatch, ReportPart, ReportQuery, ReportScan};

use merge::{Merge, Source};

/// Rows in one chunk of the export.
const CHUNK: usize = 1_000;
/// Up to this many rows of a workspace, the export finds each chunk by the filter; beyond it, it reads all in order.
const FEW: i64 = 5_000;

/// How often an account's report was requested from this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportStatistics {
    /// Pages and exports.
    pub queries: u64,
    /// SQL statements for them.
    pub statements: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct ReportCounts(Arc<Mutex<HashMap<AccountId, ReportStatistics>>>);

impl ReportCounts {
    fn change(&self, account: AccountId, change: impl FnOnce(&mut ReportStatistics)) {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(account).or_default());
    }
}

/// Which totals a page includes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountMode {
    /// None, which saves time.
    Skip,
    Total,
    /// Also the totals with each of the report's two filter buttons pressed.
    Buttons,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Page(CountMode),
    Export,
}

/// The numbers of rows on all pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub total: i64,
    /// If only tokens of inactive principals are shown.
    pub inactive_principals: i64,
    /// If only tokens without an expiry time are shown.
    pub no_expiry: i64,
}

/// A row with its workspace's name.
pub type NamedRow = (Row, Arc<str>);

/// Which page of the report to return.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest<'a> {
    /// `None` for the first page.
    pub token: Option<&'a str>,
    pub limit: usize,
    pub count: CountMode,
}

#[derive(Clone, Debug)]
pub struct ReportPage {
    pub rows: Vec<NamedRow>,
    /// As far as they were requested.
    pub counts: Counts,
    /// `None` on the last page.
    pub next_page_token: Option<String>,
    /// `None` on the first page.
    pub prev_page_token: Option<String>,
}

/// All rows of the report, in chunks. It holds no database connection between two chunks.
#[derive(Debug)]
pub struct Export {
    service: Service,
    merge: Merge,
}

impl Export {
    /// The next rows; empty at the end.
    pub async fn next_rows(&mut self) -> Result<Vec<NamedRow>, Error> {
        let mut reader = self.service.store.read().await?;
        self.merge.take(&self.service, &mut reader, CHUNK).await
    }
}

/// Tokens that were looked up in the report.
#[derive(Clone, Debug, Default)]
pub struct FoundTokens {
    pub rows: Vec<NamedRow>,
    pub not_found: Vec<(WorkspaceId, TokenId)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevocationOutcome {
    pub revoked: Vec<(WorkspaceId, TokenId)>,
    pub not_found: Vec<(WorkspaceId, TokenId)>,
}

/// Which rows a [`Merge`] is opened for.
struct Opening {
    query: Query,
    after: Option<Position>,
    purpose: Purpose,
    /// How many rows are needed.
    rows: usize,
}

impl Service {
    /// # Errors
    /// [`Denial::InvalidParameter`] for the page token of another query.
    pub async fn token_report(
        &self,
        account: AccountId,
        query: &Query,
        page: PageRequest<'_>,
    ) -> Result<ReportPage, Error> {
        let PageRequest { token, limit, count } = page;
        let turn = token.map(|text| query.cursor(text)).transpose()?;
        let (is_turned, back) = (turn.is_some(), turn.as_ref().is_some_and(|turn| turn.back));
        let order = if back { query.order.reversed() } else { query.order };
        let opening = Opening {
            query: Query { order, ..query.clone() },
            after: turn.map(|turn| turn.from),
            purpose: Purpose::Page(count),
            rows: limit + 1,
        };
        let mut reader = self.store.read().await?;
        let mut merge = self.open_report(&mut reader, account, opening).await?;
        let mut rows = merge.take(self, &mut reader, limit + 1).await?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        if back {
            rows.reverse();
        }
        // The page that the caller comes from exists.
        let (has_earlier, has_later) = if back { (has_more, true) } else { (is_turned, has_more) };
        let page_token = |row: Option<&NamedRow>, back| {
            row.map(|(row, _)| query.page_token(PageCursor { from: query.order.position(row), back }))
        };
        Ok(ReportPage {
            next_page_token: page_token(rows.last().filter(|_| has_later), false),
            prev_page_token: page_token(rows.first().filter(|_| has_earlier), true),
            counts: merge.counts,
            rows,
        })
    }

    pub async fn export_report(&self, account: AccountId, query: Query) -> Result<Export, Error> {
        let mut reader = self.store.read().await?;
        let opening = Opening { query, after: None, purpose: Purpose::Export, rows: CHUNK };
        let merge = self.open_report(&mut reader, account, opening).await?;
        Ok(Export { service: self.clone(), merge })
    }

    /// The rows of tokens that [`Self::revoke_reported`] would revoke.
    pub async fn find_reported(
        &self,
        account: AccountId,
        tokens: &[(WorkspaceId, TokenId)],
    ) -> Result<FoundTokens, Error> {
        let (system, filter, order) = (self.system_now(), Filter::default(), Order::default());
        let mut reader = self.store.read().await?;
        let workspaces = reader.list_workspaces(account).await?;
        let mut found = FoundTokens::default();
        for (id, tokens) in by_workspace(tokens) {
            let mut tokens: Vec<TokenId> = tokens.into_iter().cloned().collect();
            if let Some(workspace) = workspaces.iter().find(|workspace| workspace.id == id) {
                let name: Arc<str> = workspace.name.as_str().into();
                let now = workspace.clock.at(system);
                let visibility = Visibility::with_expired(&workspace.behaviour, now);
                let query = ReportQuery { workspace, visibility, filter: &filter, owners: None, tokens: Some(&tokens) };
                let limit = i64::try_from(tokens.len()).unwrap_or(i64::MAX);
                let batch =
                    ReportBatch { part: ReportPart::All, order, after: None, scan: ReportScan::ByFilter, limit };
                let rows = reader.list_report_rows(query, batch).await?;
                tokens.retain(|token| !rows.iter().any(|row| row.token.id == *token));
                found.rows.extend(rows.into_iter().map(|row| (row_as_of(row, workspace, now), name.clone())));
            }
            found.not_found.extend(tokens.into_iter().map(|token| (id, token)));
        }
        Ok(found)
    }

    /// Revokes tokens in any workspaces of the account, one transaction per workspace. If one fails, tokens of others may
    /// have been revoked; repeating the call is harmless.
    pub async fn revoke_reported(
        &self,
        call: Call<'_>,
        tokens: &[(WorkspaceId, TokenId)],
    ) -> Result<RevocationOutcome, Error> {
        let ours = self.workspaces_of(call.caller.account()).await?;
        let mut outcome = RevocationOutcome::default();
        for (id, tokens) in by_workspace(tokens) {
            if ours.contains(&id) {
                self.revoke_in(call, id, tokens, &mut outcome).await?;
            } else {
                outcome.not_found.extend(tokens.into_iter().map(|token| (id, token.clone())));
            }
        }
        Ok(outcome)
    }

    async fn revoke_in(
        &self,
        call: Call<'_>,
        id: WorkspaceId,
        tokens: BTreeSet<&TokenId>,
        outcome: &mut RevocationOutcome,
    ) -> Result<(), Error> {
        let mut writer = self.store.write(Lock::Workspace(id)).await?;
        let workspace = writer.find_workspace(id).await?.ok_or(Denial::WorkspaceNotFound(id))?;
        let now = workspace.clock.at(self.system_now());
        let listed = Visibility::with_expired(&workspace.behaviour, now);
        let there = Caller { workspace, now, ..call.caller.clone() };
        let there = Call { caller: &there, ..call };
        for token in tokens {
            match writer.find_token(id, token).await?.filter(|found| listed.shows(found)) {
                Some(found) => {
                    self.end_token(&mut writer, there, &found, EndCause::RevokedByAccountAdmin).await?;
                    outcome.revoked.push((id, token.clone()));
                }
                None => outcome.not_found.push((id, token.clone())),
            }
        }
        Ok(writer.commit().await?)
    }

    pub fn report_statistics(&self, account: AccountId) -> ReportStatistics {
        let counts = self.report_counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&account).copied().unwrap_or_default()
    }

    async fn count_reported(
        &self,
        reader: &mut Reader,
        query: ReportQuery<'_>,
        at_most: Option<i64>,
    ) -> Result<i64, Error> {
        self.report_counts.change(query.workspace.account, |statistics| statistics.statements += 1);
        Ok(reader.count_report_rows(query, at_most).await?)
    }

    /// Counts a workspace's rows with each filter button pressed; `count` is the number with the current filter.
    async fn count_buttons(
        &self,
        reader: &mut Reader,
        merge: &mut Merge,
        source: &Source,
        count: i64,
    ) -> Result<(), Error> {
        let filter = merge.query.filter.clone();
        let inactive = Filter { inactive_principals: true, ..filter.clone() };
        let unlimited = Filter { no_expiry: true, ..filter.clone() };
        let mut found = [count; 2];
        for (button, found) in [inactive, unlimited].iter().zip(&mut found) {
            if *button != filter {
                *found =
                    self.count_reported(reader, ReportQuery { filter: button, ..merge.query_of(source) }, None).await?;
            }
        }
        let [inactive_principals, no_expiry] = found;
        merge.counts.inactive_principals += inactive_principals;
        merge.counts.no_expiry += no_expiry;
        Ok(())
    }

    async fn open_report(&self, reader: &mut Reader, account: AccountId, opening: Opening) -> Result<Merge, Error> {
        let Opening { query, after, purpose, rows } = opening;
        let mut workspaces = reader.list_workspaces(account).await?;
        workspaces.sort_by(|a, b| a.name.cmp(&b.name));
        workspaces.retain(|workspace| query.filter.workspace.is_none_or(|id| id == workspace.id));
        if query.order.descending {
            workspaces.reverse();
        }
        let owners = match &query.filter.owner {
            Some(owner) => Some(find_owners(reader, account, owner).await?),
            None => None,
        };
        self.report_counts.change(account, |statistics| statistics.queries += 1);
        // The filter's owner does not exist, so no row matches.
        if owners.as_ref().is_some_and(Vec::is_empty) {
            workspaces.clear();
        }
        let system = self.system_now();
        let batch = (rows * 2).div_ceil(workspaces.len().max(1)).clamp(16.min(rows), rows);
        let mut merge = Merge { account, query, owners, sources: VecDeque::new(), batch, counts: Counts::default() };
        for workspace in workspaces {
            let mut source = Source::new(workspace, system, merge.query.order);
            let is_selective = merge.query.filter.is_selective();
            if is_selective {
                source.scan = ReportScan::ByFilter;
            }
            let is_counted = match purpose {
                Purpose::Page(mode) => mode != CountMode::Skip,
                Purpose::Export => is_selective,
            };
            if is_counted {
                let at_most = (purpose == Purpose::Export).then_some(FEW + 1);
                let count = self.count_reported(reader, merge.query_of(&source), at_most).await?;
                if at_most.is_some() && count > FEW {
                    source.scan = ReportScan::ByOrder;
                }
                merge.counts.total += count;
                if count == 0 {
                    source.rest = None;
                } else if purpose == Purpose::Page(CountMode::Buttons) {
                    self.count_buttons(reader, &mut merge, &source, count).await?;
                }
            }
            merge.sources.push_back(source);
        }
        if let Some(after) = after {
            merge.skip_to(&after)?;
        }
        Ok(merge)
    }
}

fn by_workspace(tokens: &[(WorkspaceId, TokenId)]) -> BTreeMap<WorkspaceId, BTreeSet<&TokenId>> {
    let mut sets: BTreeMap<WorkspaceId, BTreeSet<&TokenId>> = BTreeMap::new();
    for (workspace, token) in tokens {
        sets.entry(*workspace).or_default().insert(token);
    }
    sets
}

/// The users and service principals that have `text` as their name or id.
async fn find_owners(reader: &mut Reader, account: AccountId, text: &str) -> Result<Vec<PrincipalId>, Error> {
    let mut found: Vec<PrincipalId> = PrincipalId::parse(text).into_iter().collect();
    for kind in [PrincipalKind::User, PrincipalKind::ServicePrincipal] {
        found.extend(reader.find_principal_named(account, None, kind, text).await?.map(|owner| owner.id));
    }
    Ok(found)
}

fn row_as_of(row: Row, workspace: &Workspace, now: Millis) -> Row {
    Row { token: as_of(row.token, &workspace.behaviour, now), ..row }
}
