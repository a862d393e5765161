//! Lists of principals, page by page. Memory holds only one batch and the page, however many principals there are.
//! Each kind of query has its own way through the store: see [`Service::identities`].

use std::collections::{HashMap, HashSet};

use crate::domain::identities::{Directory, Entry, Hierarchy, Member, PrincipalKind};
use crate::domain::scim::{Attribute, OnlyMatch, Page, Query, REFERENCES_OF_A_PAGE, Sight, SortKey};
use crate::domain::{PrincipalId, Workspace};
use crate::service::identities::{Collection, DirectoryCall, find_any, list_members, with_groups};
use crate::service::{Call, Error, Service};
use crate::store::{Batch, CreationKey, PrincipalScope, Reader, StoreError};

const BATCH: usize = 500;
/// For groups with their members.
const BATCH_WITH_MEMBERS: usize = 20;

/// The attributes that need more than a principal's own row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelatedAttributes {
    pub groups: bool,
    pub members: bool,
}

/// A request for a page of principals.
#[derive(Clone, Copy, Debug)]
pub struct IdentityList<'a> {
    pub collection: Collection,
    pub query: &'a Query,
    /// What the answer includes.
    pub shown: RelatedAttributes,
}

impl Service {
    /// The page that a query requests, with each principal rendered according to what the caller may see.
    pub async fn identities<T>(
        &self,
        call: Call<'_>,
        list: IdentityList<'_>,
        render: impl Fn(&Entry, Sight) -> T,
    ) -> Result<Page<T>, Error> {
        let IdentityList { collection: Collection { directory, kind }, query, shown } = list;
        let at = DirectoryCall { call, directory };
        let sight = at.sight();
        let is_visible = |name| sight.includes(name);
        let shown = RelatedAttributes {
            groups: shown.groups && is_visible("groups"),
            members: shown.members && is_visible("members") && kind == PrincipalKind::Group,
        };
        let needed = RelatedAttributes {
            groups: query.mentions(|field| matches!(field, Attribute::Groups | Attribute::GroupNames)),
            members: query.mentions(|field| matches!(field, Attribute::Members | Attribute::MemberNames)),
        };
        let mut listing = Listing { reader: self.store.read().await?, at, kind, names: None };
        let mut page = PageBuilder { query, sight, render, resources: Vec::new(), references: 0, is_full: false };
        let total = if let Some(only) = query.only(kind) {
            listing.few(only, &mut page, needed.or(shown)).await?
        } else if let Some(attribute) = query.sort_by {
            listing.sorted(attribute, &mut page, needed, shown).await?
        } else if query.filter.is_some() {
            listing.filtered(&mut page, needed, shown).await?
        } else {
            listing.all(&mut page, shown).await?
        };
        Ok(Page { total, start_index: query.start(), resources: page.resources })
    }
}

impl RelatedAttributes {
    const fn or(self, other: Self) -> Self {
        Self { groups: self.groups || other.groups, members: self.members || other.members }
    }
}

struct PageBuilder<'a, T, R> {
    query: &'a Query,
    sight: Sight,
    render: R,
    resources: Vec<T>,
    references: usize,
    is_full: bool,
}

impl<T, R: Fn(&Entry, Sight) -> T> PageBuilder<'_, T, R> {
    fn add(&mut self, entry: &Entry) {
        let references = self.references + entry.groups.len() + entry.members.len();
        if self.is_full || (references > REFERENCES_OF_A_PAGE && !self.resources.is_empty()) {
            self.is_full = true;
            return;
        }
        self.references = references;
        self.resources.push((self.render)(entry, self.sight));
        self.is_full = self.resources.len() >= self.query.size();
    }
}

struct Listing<'a> {
    reader: Reader,
    at: DirectoryCall<'a>,
    kind: PrincipalKind,
    /// The names of the directory's groups, loaded when first needed.
    names: Option<HashMap<PrincipalId, String>>,
}

impl<'a> Listing<'a> {
    fn population(&self) -> PrincipalScope<'a> {
        let workspace: &'a Workspace = &self.at.call.caller.workspace;
        match self.at.directory {
            Directory::Workspace => PrincipalScope::Workspace(workspace, self.kind),
            Directory::Account => PrincipalScope::Account(workspace.account, self.kind),
        }
    }

    /// The few principals that can match.
    async fn few<T, R: Fn(&Entry, Sight) -> T>(
        &mut self,
        only: OnlyMatch<'_>,
        page: &mut PageBuilder<'_, T, R>,
        needed: RelatedAttributes,
    ) -> Result<usize, Error> {
        let workspace = &self.at.call.caller.workspace;
        let mut ids = Vec::new();
        match only {
            OnlyMatch::Id(id) => ids.extend(id),
            OnlyMatch::Named(name) => {
                for home in [None, Some(workspace.id)] {
                    let found = self.reader.find_principal_named(workspace.account, home, self.kind, name).await?;
                    ids.extend(found.map(|principal| principal.id));
                }
            }
        }
        let mut found = Vec::new();
        for id in ids {
            let candidate = find_any(&mut self.reader, self.at, id).await?;
            let Some(candidate) = candidate.filter(|(principal, _)| principal.kind == self.kind) else { continue };
            let members =
                if needed.members { list_members(&mut self.reader, self.at, &candidate.0).await? } else { Vec::new() };
            found.push(with_groups(&mut self.reader, self.at, candidate, members).await?);
        }
        found.retain(|entry| page.query.selects(entry, page.sight));
        let (total, before, size) = (found.len(), page.query.before(), page.query.size());
        found.iter().skip(before).take(size).for_each(|entry| page.add(entry));
        Ok(total)
    }

    /// All principals of a kind, read from the beginning of the page.
    async fn all<T, R: Fn(&Entry, Sight) -> T>(
        &mut self,
        page: &mut PageBuilder<'_, T, R>,
        shown: RelatedAttributes,
    ) -> Result<usize, Error> {
        let total = self.reader.count_principals(self.population()).await?;
        let mut batch = Batch { after: None, skip: page.query.before(), limit: 0 };
        page.is_full = page.query.size() == 0 || batch.skip >= total;
        while !page.is_full {
            batch.limit = batch_size(shown).min(page.query.size() - page.resources.len());
            let read = self.read(batch, shown).await?;
            for (_, entry) in &read {
                page.add(entry);
            }
            let Some((last, _)) = read.last() else { break };
            if read.len() < batch.limit {
                break;
            }
            batch = Batch { after: Some(*last), skip: 0, limit: 0 };
        }
        Ok(total)
    }

    /// The principals that a filter selects. All are read, because the answer has their number.
    async fn filtered<T, R: Fn(&Entry, Sight) -> T>(
        &mut self,
        page: &mut PageBuilder<'_, T, R>,
        selecting: RelatedAttributes,
        shown: RelatedAttributes,
    ) -> Result<usize, Error> {
        let (mut total, mut after) = (0, None);
        page.is_full = page.query.size() == 0;
        loop {
            let needed = if page.is_full { selecting } else { selecting.or(shown) };
            let batch = Batch { after, skip: 0, limit: batch_size(needed) };
            let read = self.read(batch, needed).await?;
            for (_, entry) in &read {
                if !page.query.selects(entry, page.sight) {
                    continue;
                }
                if total >= page.query.before() {
                    page.add(entry);
                }
                total += 1;
            }
            match read.last() {
                Some((last, _)) if read.len() == batch.limit => after = Some(*last),
                _ => return Ok(total),
            }
        }
    }

    /// The principals that the query selects, in its order. The first pass finds the page's ids, the second reads them.
    async fn sorted<T, R: Fn(&Entry, Sight) -> T>(
        &mut self,
        attribute: Attribute,
        page: &mut PageBuilder<'_, T, R>,
        selecting: RelatedAttributes,
        shown: RelatedAttributes,
    ) -> Result<usize, Error> {
        let (mut keys, mut after): (Vec<(SortKey, PrincipalId)>, _) = (Vec::new(), None);
        loop {
            let batch = Batch { after, skip: 0, limit: batch_size(selecting) };
            let read = self.read(batch, selecting).await?;
            let selected = read.iter().filter(|(_, entry)| page.query.selects(entry, page.sight));
            keys.extend(selected.map(|(_, entry)| (Query::sort_key(attribute, entry, page.sight), entry.principal.id)));
            match read.last() {
                Some((last, _)) if read.len() == batch.limit => after = Some(*last),
                _ => break,
            }
        }
        // Stable, so that equal keys stay in the order of age.
        if page.query.descending {
            keys.sort_by(|(one, _), (other, _)| other.cmp(one));
        } else {
            keys.sort_by(|(one, _), (other, _)| one.cmp(other));
        }
        let total = keys.len();
        let on_page = keys.into_iter().skip(page.query.before()).take(page.query.size());
        let positions: HashMap<PrincipalId, usize> = on_page.map(|(_, id)| id).zip(0..).collect();
        let mut found: Vec<(usize, T)> = Vec::with_capacity(positions.len());
        let mut after = None;
        while found.len() < positions.len() {
            let batch = Batch { after, skip: 0, limit: batch_size(shown) };
            let read = self.read(batch, shown).await?;
            for (_, entry) in &read {
                if let Some(position) = positions.get(&entry.principal.id) {
                    found.push((*position, (page.render)(entry, page.sight)));
                }
            }
            match read.last() {
                Some((last, _)) if read.len() == batch.limit => after = Some(*last),
                _ => break,
            }
        }
        found.sort_by_key(|(position, _)| *position);
        page.resources = found.into_iter().map(|(_, resource)| resource).collect();
        Ok(total)
    }

    /// Reads a batch of principals with the needed groups and members.
    async fn read(&mut self, batch: Batch, needed: RelatedAttributes) -> Result<Vec<(CreationKey, Entry)>, StoreError> {
        let population = self.population();
        let rows = self.reader.list_principals_by_age(population, batch).await?;
        let (Some((first, ..)), Some((last, ..))) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
        let span = (*first, *last);
        let everybody = match self.at.directory {
            Directory::Workspace => Some(self.at.call.caller.workspace.users_group),
            Directory::Account => None,
        };
        let mut hierarchy = Hierarchy::default();
        let names = match (needed.groups, self.names.take()) {
            (false, names) => names,
            (true, Some(names)) => Some(names),
            (true, None) => Some(self.reader.list_group_names(self.population()).await?.into_iter().collect()),
        };
        if let (true, Some(names)) = (needed.groups, &names) {
            let mut pairs: HashSet<_> = self.reader.list_nested_groups(self.population()).await?.into_iter().collect();
            pairs.extend(self.reader.list_memberships_between(self.population(), span).await?);
            let mut pairs: Vec<_> = pairs.into_iter().filter(|(group, _)| names.contains_key(group)).collect();
            pairs.sort_unstable();
            for (group, member) in pairs {
                hierarchy.add(group, member);
            }
            if let Some(everybody) = everybody.filter(|_| self.kind != PrincipalKind::Group) {
                for (_, principal, _) in &rows {
                    hierarchy.add(everybody, principal.id);
                }
            }
        }
        let mut members: HashMap<PrincipalId, Vec<Member>> = HashMap::new();
        if needed.members && self.kind == PrincipalKind::Group {
            for (group, member) in self.reader.list_members_between(self.population(), span).await? {
                members.entry(group).or_default().push(member);
            }
            if let Some(users) = everybody.filter(|users| rows.iter().any(|(_, group, _)| group.id == *users)) {
                members.insert(users, self.reader.list_members(&self.at.call.caller.workspace, users).await?);
            }
        }
        let entries = rows.into_iter().map(|(age, principal, assignment)| {
            let groups = names.as_ref().map(|names| hierarchy.named(principal.id, names)).unwrap_or_default();
            let members = members.remove(&principal.id).unwrap_or_default();
            (age, Entry { principal, assignment, groups, members })
        });
        let entries = entries.collect();
        self.names = names;
        Ok(entries)
    }
}

const fn batch_size(needed: RelatedAttributes) -> usize {
    if needed.members { BATCH_WITH_MEMBERS } else { BATCH }
}
