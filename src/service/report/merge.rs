//! Merges the rows of all workspaces into one order, as far as a page or a chunk needs them. Start reading with
//! [`Merge::take`].

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use super::{Counts, NamedRow, row_as_of};
use crate::domain::report::{Key, Order, Position, Query, Row, SortBy};
use crate::domain::tokens::Visibility;
use crate::domain::{AccountId, Denial, Millis, PrincipalId, Workspace};
use crate::service::{Error, Service};
use crate::store::{Reader, ReportBatch, ReportPart, ReportQuery, ReportScan};

/// One workspace's rows in order, fetched piece by piece.
#[derive(Debug)]
pub(super) struct Source {
    workspace: Workspace,
    name: Arc<str>,
    now: Millis,
    listed: Visibility,
    pub(super) scan: ReportScan,
    fetched: VecDeque<(Position, Row)>,
    /// The part still to be fetched, and the key and token to continue after; `None` at the end.
    pub(super) rest: Option<(ReportPart, Option<(Key, String)>)>,
}

impl Source {
    pub(super) fn new(workspace: Workspace, system: Millis, order: Order) -> Self {
        let first = match order.by {
            SortBy::Owner if order.gone_first => ReportPart::DeletedOwners,
            SortBy::Owner => ReportPart::KnownOwners,
            SortBy::Created | SortBy::Expires | SortBy::LastUsed | SortBy::Workspace => ReportPart::All,
        };
        let now = workspace.clock.at(system);
        Self {
            name: workspace.name.as_str().into(),
            now,
            listed: Visibility::with_expired(&workspace.behaviour, now),
            workspace,
            scan: ReportScan::ByOrder,
            fetched: VecDeque::new(),
            rest: Some((first, None)),
        }
    }

    fn continue_after(&mut self, place: &Position, order: Order) {
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

/// The rows of several workspaces in one order. Each has its own clock, so each is queried separately.
#[derive(Debug)]
pub(super) struct Merge {
    pub(super) account: AccountId,
    pub(super) query: Query,
    /// The ids of the owner in the filter.
    pub(super) owners: Option<Vec<PrincipalId>>,
    /// The workspaces that may have more rows, sorted by name.
    pub(super) sources: VecDeque<Source>,
    /// Rows to fetch from one workspace at a time.
    pub(super) batch: usize,
    pub(super) counts: Counts,
}

impl Merge {
    /// The query to one workspace.
    pub(super) fn query_of<'a>(&'a self, source: &'a Source) -> ReportQuery<'a> {
        ReportQuery {
            workspace: &source.workspace,
            visibility: source.listed,
            filter: &self.query.filter,
            owners: self.owners.as_deref(),
            tokens: None,
        }
    }

    /// Skips the rows up to a place.
    pub(super) fn skip_to(&mut self, place: &Position) -> Result<(), Denial> {
        let order = self.query.order;
        if order.by != SortBy::Workspace {
            self.sources.iter_mut().for_each(|source| source.continue_after(place, order));
            return Ok(());
        }
        let at = self.sources.iter().position(|source| source.workspace.id.0 == place.workspace);
        let at =
            at.ok_or_else(|| Denial::parameter("page_token: the workspace was deleted; start from the first page."))?;
        self.sources.drain(..at);
        self.sources.iter_mut().take(1).for_each(|source| source.continue_after(place, order));
        Ok(())
    }

    /// The next `count` rows; fewer only at the end.
    pub(super) async fn take(
        &mut self,
        service: &Service,
        reader: &mut Reader,
        count: usize,
    ) -> Result<Vec<NamedRow>, Error> {
        let mut rows = Vec::with_capacity(count);
        while rows.len() < count {
            // Sorted by workspace, the sources follow one after the other.
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
            // `None` when the first workspace has no more rows and the next one has not been queried yet.
            if let Some(first) = first {
                rows.extend(first.fetched.pop_front().map(|(_, row)| (row, first.name.clone())));
            }
        }
        Ok(rows)
    }

    /// Fetches a workspace's next rows, if there are none left.
    async fn fetch(&mut self, service: &Service, reader: &mut Reader, at: usize) -> Result<(), Error> {
        let order = self.query.order;
        loop {
            let Some(source) = self.sources.get(at).filter(|source| source.fetched.is_empty()) else { return Ok(()) };
            let Some((part, after)) = &source.rest else { return Ok(()) };
            let part = *part;
            let after = after.as_ref().map(|(key, token)| (key, token.as_str()));
            let limit = i64::try_from(self.batch).unwrap_or(i64::MAX);
            let batch = ReportBatch { part, order, after, scan: source.scan, limit };
            let rows = reader.list_report_rows(self.query_of(source), batch).await?;
            service.report_counts.change(self.account, |statistics| statistics.statements += 1);
            let is_all = rows.len() < self.batch;
            let Some(source) = self.sources.get_mut(at) else { return Ok(()) };
            let placed =
                rows.into_iter().map(|row| (order.position(&row), row_as_of(row, &source.workspace, source.now)));
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
