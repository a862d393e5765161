//! The account's token report: pages of it, all of it, and revoking what it shows (requirements R18–R25).
//! It asks the database when it is asked itself, and keeps nothing (R19).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Call, Error, Service};
use crate::domain::authorize::Caller;
use crate::domain::identities::PrincipalKind;
use crate::domain::lifecycle::as_of;
use crate::domain::report::{Filter, Key, Order, PageCursor, Position, Query, Row, SortBy};
use crate::domain::tokens::{EndCause, Visibility};
use crate::domain::{AccountId, Denial, Millis, PrincipalId, TokenId, Workspace, WorkspaceId};
use crate::store::{Lock, Reader, ReportBatch, ReportPart, ReportQuery, ReportScan};

/// Rows that the export fetches at once.
const CHUNK: usize = 1_000;
/// Up to so many rows of a workspace, the export finds them by the filter, a chunk at a time; beyond that by
/// the order, and reads each of the workspace's rows once.
const FEW: i64 = 5_000;

/// How often an account's report was asked for, in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportStatistics {
    /// Pages and exports.
    pub queries: u64,
    /// Statements about tokens that these made the database run.
    pub statements: u64,
}

/// The statistics of all accounts.
#[derive(Clone, Debug, Default)]
pub(super) struct ReportCounts(Arc<Mutex<HashMap<AccountId, ReportStatistics>>>);

impl ReportCounts {
    fn change(&self, account: AccountId, change: impl FnOnce(&mut ReportStatistics)) {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(account).or_default());
    }
}

/// What is told of a page besides its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountMode {
    /// Nothing, which saves time.
    Skip,
    /// How many rows there are.
    Total,
    /// Also how many there would be with each of the report's two buttons pressed.
    Buttons,
}

/// What rows are fetched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// One page.
    Page(CountMode),
    /// All of them.
    Export,
}

/// How many rows there are on all pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// With the filter as it is.
    pub total: i64,
    /// With tokens of inactive principals only.
    pub inactive_principals: i64,
    /// With tokens without an expiry time only.
    pub no_expiry: i64,
}

/// A row with its workspace's name.
pub type NamedRow = (Row, Arc<str>);

/// A page of the report.
#[derive(Clone, Debug)]
pub struct ReportPage {
    /// Its rows.
    pub rows: Vec<NamedRow>,
    /// How many there are, as far as that was asked for.
    pub counts: Counts,
    /// The text by which the next page is asked for; `None` on the last.
    pub next_page_token: Option<String>,
    /// The same of the page before; `None` on the first.
    pub prev_page_token: Option<String>,
}

/// All rows of the report, a chunk at a time. Between two chunks it holds no connection.
#[derive(Debug)]
pub struct Export {
    service: Service,
    merge: Merge,
}

impl Export {
    /// The next rows; none at the end.
    pub async fn next_rows(&mut self) -> Result<Vec<NamedRow>, Error> {
        let mut reader = self.service.store.read().await?;
        self.merge.take(&self.service, &mut reader, CHUNK).await
    }
}

/// Tokens that are looked for in the report.
#[derive(Clone, Debug, Default)]
pub struct FoundTokens {
    /// Those that it shows.
    pub rows: Vec<NamedRow>,
    /// The account has none such, or no longer.
    pub not_found: Vec<(WorkspaceId, TokenId)>,
}

/// What became of tokens that were to be revoked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevocationOutcome {
    /// These are.
    pub revoked: Vec<(WorkspaceId, TokenId)>,
    /// The account has none such, or no longer.
    pub not_found: Vec<(WorkspaceId, TokenId)>,
}

impl Service {
    /// A page of the account's report, at most `limit` rows; the first one without a page token.
    ///
    /// # Errors
    /// [`Denial::InvalidParameter`] for a page token of something else.
    pub async fn token_report(
        &self,
        account: AccountId,
        query: &Query,
        page_token: Option<&str>,
        limit: usize,
        counted: CountMode,
    ) -> Result<ReportPage, Error> {
        let turn = page_token.map(|text| query.turn(text)).transpose()?;
        let (is_turned, back) = (turn.is_some(), turn.as_ref().is_some_and(|turn| turn.back));
        let order = if back { query.order.reversed() } else { query.order };
        let walked = Query { order, ..query.clone() };
        let from = turn.map(|turn| turn.from);
        let mut reader = self.store.read().await?;
        let mut merge = self.open_report(&mut reader, account, walked, from, Purpose::Page(counted), limit + 1).await?;
        let mut rows = merge.take(self, &mut reader, limit + 1).await?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        if back {
            rows.reverse();
        }
        // There is a page where one comes from.
        let (has_earlier, has_later) = if back { (has_more, true) } else { (is_turned, has_more) };
        let page_token = |row: Option<&NamedRow>, back| {
            row.map(|(row, _)| query.page_token(PageCursor { from: query.order.place(row), back }))
        };
        Ok(ReportPage {
            next_page_token: page_token(rows.last().filter(|_| has_later), false),
            prev_page_token: page_token(rows.first().filter(|_| has_earlier), true),
            counts: merge.counts,
            rows,
        })
    }

    /// All rows of the account's report.
    pub async fn export_report(&self, account: AccountId, query: Query) -> Result<Export, Error> {
        let mut reader = self.store.read().await?;
        let merge = self.open_report(&mut reader, account, query, None, Purpose::Export, CHUNK).await?;
        Ok(Export { service: self.clone(), merge })
    }

    /// The rows of these tokens of the account: what [`Self::revoke_reported`] would revoke.
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

    /// Revokes tokens of the account, in whichever workspaces they are. Each one's audit event is in its
    /// workspace, at the time there, with the caller as actor.
    ///
    /// # Errors
    /// [`Error::Store`]: a workspace's tokens are revoked in one transaction, so those of others may be by
    /// then. To ask again does no harm.
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
        let shown = Visibility::with_expired(&workspace.behaviour, now);
        let there = Caller { workspace, now, ..call.caller.clone() };
        let there = Call { caller: &there, ..call };
        for token in tokens {
            match writer.find_token(id, token).await?.filter(|found| shown.shows(found)) {
                Some(found) => {
                    self.end_token(&mut writer, there, &found, EndCause::RevokedByAccountAdmin).await?;
                    outcome.revoked.push((id, token.clone()));
                }
                None => outcome.not_found.push((id, token.clone())),
            }
        }
        writer.commit().await?;
        Ok(())
    }

    /// How often an account's report was asked for since this process began.
    pub fn report_statistics(&self, account: AccountId) -> ReportStatistics {
        let counts = self.report_counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&account).copied().unwrap_or_default()
    }

    async fn count_reported(
        &self,
        reader: &mut Reader,
        asked: ReportQuery<'_>,
        at_most: Option<i64>,
    ) -> Result<i64, Error> {
        self.report_counts.change(asked.workspace.account, |statistics| statistics.statements += 1);
        Ok(reader.count_report_rows(asked, at_most).await?)
    }

    /// Counts a workspace's rows with each button pressed; with those that are pressed there are `count`.
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
                    self.count_reported(reader, ReportQuery { filter: button, ..merge.asked(source) }, None).await?;
            }
        }
        let [inactive_principals, no_expiry] = found;
        merge.counts.inactive_principals += inactive_principals;
        merge.counts.no_expiry += no_expiry;
        Ok(())
    }

    async fn open_report(
        &self,
        reader: &mut Reader,
        account: AccountId,
        query: Query,
        after: Option<Position>,
        purpose: Purpose,
        rows: usize,
    ) -> Result<Merge, Error> {
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
        // Nobody is meant: there is nothing to look for.
        if owners.as_ref().is_some_and(Vec::is_empty) {
            workspaces.clear();
        }
        let system = self.system_now();
        let batch = (rows * 2).div_ceil(workspaces.len().max(1)).clamp(16.min(rows), rows);
        let mut merge = Merge { account, query, owners, sources: VecDeque::new(), batch, counts: Counts::default() };
        for workspace in workspaces {
            let mut source = Source::new(workspace, system, merge.query.order);
            let is_selective = merge.query.filter.is_selective();
            source.by_order = !is_selective;
            let at_most = match purpose {
                Purpose::Page(CountMode::Total | CountMode::Buttons) => Some(None),
                Purpose::Export if is_selective => Some(Some(FEW + 1)),
                Purpose::Page(CountMode::Skip) | Purpose::Export => None,
            };
            if let Some(at_most) = at_most {
                let count = self.count_reported(reader, merge.asked(&source), at_most).await?;
                source.by_order |= at_most.is_some() && count > FEW;
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

/// Tokens by their workspaces, each once.
fn by_workspace(tokens: &[(WorkspaceId, TokenId)]) -> BTreeMap<WorkspaceId, BTreeSet<&TokenId>> {
    let mut wanted: BTreeMap<WorkspaceId, BTreeSet<&TokenId>> = BTreeMap::new();
    for (workspace, token) in tokens {
        wanted.entry(*workspace).or_default().insert(token);
    }
    wanted
}

/// Whom a text names as owner: by name, as user or service principal, or by id.
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

/// One workspace's rows in order, as far as they are fetched.
#[derive(Debug)]
struct Source {
    workspace: Workspace,
    name: Arc<str>,
    now: Millis,
    horizon: Visibility,
    by_order: bool,
    fetched: VecDeque<(Position, Row)>,
    /// What is still to be fetched, after which key and token; `None` when nothing is.
    rest: Option<(ReportPart, Option<(Key, String)>)>,
}

impl Source {
    fn new(workspace: Workspace, system: Millis, order: Order) -> Self {
        let first = match order.by {
            SortBy::Owner if order.gone_first => ReportPart::DeletedOwners,
            SortBy::Owner => ReportPart::KnownOwners,
            SortBy::Created | SortBy::Expires | SortBy::LastUsed | SortBy::Workspace => ReportPart::All,
        };
        let now = workspace.clock.at(system);
        Self {
            name: workspace.name.as_str().into(),
            now,
            horizon: Visibility::with_expired(&workspace.behaviour, now),
            workspace,
            by_order: true,
            fetched: VecDeque::new(),
            rest: Some((first, None)),
        }
    }

    fn go_on_after(&mut self, place: &Position, order: Order) {
        if self.rest.is_none() {
            return;
        }
        let part = match place.key {
            Key::GoneOwner(..) => ReportPart::DeletedOwners,
            Key::Owner(..) | Key::Time(_) if order.by == SortBy::Owner => ReportPart::KnownOwners,
            Key::Owner(..) | Key::Time(_) => ReportPart::All,
        };
        let token = place.token_in(self.workspace.id).to_owned();
        self.rest = Some((part, Some((place.key.clone(), token))));
    }
}

/// The rows of several workspaces in one order. Each workspace has a clock of its own, so each is asked by
/// itself, and for no more than is needed.
#[derive(Debug)]
struct Merge {
    account: AccountId,
    query: Query,
    owners: Option<Vec<PrincipalId>>,
    /// Those that may have more, in the order of the workspaces' names.
    sources: VecDeque<Source>,
    /// Rows that are fetched of one workspace at once.
    batch: usize,
    /// Rows of all workspaces, as far as they were counted.
    counts: Counts,
}

impl Merge {
    fn asked<'a>(&'a self, source: &'a Source) -> ReportQuery<'a> {
        ReportQuery {
            workspace: &source.workspace,
            visibility: source.horizon,
            filter: &self.query.filter,
            owners: self.owners.as_deref(),
            tokens: None,
        }
    }

    /// Leaves out what comes up to a place.
    fn skip_to(&mut self, place: &Position) -> Result<(), Denial> {
        let order = self.query.order;
        if order.by != SortBy::Workspace {
            self.sources.iter_mut().for_each(|source| source.go_on_after(place, order));
            return Ok(());
        }
        let at = self.sources.iter().position(|source| source.workspace.id.0 == place.workspace);
        let at = at.ok_or_else(|| Denial::parameter("page_token: its workspace is gone."))?;
        self.sources.drain(..at);
        self.sources.iter_mut().take(1).for_each(|source| source.go_on_after(place, order));
        Ok(())
    }

    /// The next rows, at most `count`; fewer only at the end.
    async fn take(&mut self, service: &Service, reader: &mut Reader, count: usize) -> Result<Vec<NamedRow>, Error> {
        let mut rows = Vec::with_capacity(count);
        while rows.len() < count {
            // In the order of workspaces, one follows the other.
            let side_by_side = if self.query.order.by == SortBy::Workspace { 1 } else { self.sources.len() };
            for at in 0..side_by_side {
                self.fetch(service, reader, at).await?;
            }
            self.sources.retain(|source| !source.fetched.is_empty() || source.rest.is_some());
            if self.sources.is_empty() {
                break;
            }
            let order = self.query.order;
            let heads = self.sources.iter_mut().take(side_by_side).filter(|source| !source.fetched.is_empty());
            let first = heads.min_by(|a, b| match (a.fetched.front(), b.fetched.front()) {
                (Some((a, _)), Some((b, _))) => order.compare(a, b),
                _ => Ordering::Equal,
            });
            // None where the workspace that was first had no more, and the next is still to be asked.
            if let Some(first) = first {
                rows.extend(first.fetched.pop_front().map(|(_, row)| (row, first.name.clone())));
            }
        }
        Ok(rows)
    }

    /// Sees to it that a workspace's next row is there, if it has one.
    async fn fetch(&mut self, service: &Service, reader: &mut Reader, at: usize) -> Result<(), Error> {
        let order = self.query.order;
        loop {
            let Some(source) = self.sources.get(at).filter(|source| source.fetched.is_empty()) else { return Ok(()) };
            let Some((part, after)) = &source.rest else { return Ok(()) };
            let part = *part;
            let after = after.as_ref().map(|(key, token)| (key, token.as_str()));
            let limit = i64::try_from(self.batch).unwrap_or(i64::MAX);
            let scan = if source.by_order { ReportScan::ByOrder } else { ReportScan::ByFilter };
            let batch = ReportBatch { part, order, after, scan, limit };
            let rows = reader.list_report_rows(self.asked(source), batch).await?;
            service.report_counts.change(self.account, |statistics| statistics.statements += 1);
            let is_all = rows.len() < self.batch;
            let Some(source) = self.sources.get_mut(at) else { return Ok(()) };
            let placed = rows.into_iter().map(|row| (order.place(&row), row_as_of(row, &source.workspace, source.now)));
            source.fetched.extend(placed);
            source.rest = match (source.fetched.back(), part) {
                (Some((place, _)), _) if !is_all => Some((part, Some((place.key.clone(), place.token.clone())))),
                (_, ReportPart::KnownOwners) if !order.gone_first => Some((ReportPart::DeletedOwners, None)),
                (_, ReportPart::DeletedOwners) if order.gone_first => Some((ReportPart::KnownOwners, None)),
                _ => None,
            };
        }
    }
}
