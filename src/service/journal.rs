//! The request journal in this process's memory: each workspace's recent requests, their answers, and the decisions.
//! Callers blank all secrets before they add an entry. See `shared_journal` for several processes.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::mem::size_of;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::domain::authorize::{Check, Step};
use crate::domain::explain::Explanation;
use crate::domain::faults::{Fault, Request};
use crate::domain::journal::{Client, CredentialKind, ReceivedRequest};
use crate::domain::tokens::TokenRequest;
use crate::domain::{Millis, TokenId, Workspace, WorkspaceId};

/// Maximum bytes of all workspaces together. Beyond it, the workspace with the most bytes loses its oldest entries.
pub(super) const ALL_BYTES: usize = 64 * 1024 * 1024;
/// Size of a trace step or a header, without its text.
const PART_BYTES: usize = size_of::<Step>();
/// Approximate size of a fault.
const FAULT_BYTES: usize = 512;
/// Approximate size of a step of a remedy.
const STEP_BYTES: usize = 600;

/// The size of a workspace's journal; it is off when either is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalLimits {
    pub requests: usize,
    /// Approximate.
    pub bytes: usize,
}

impl Default for JournalLimits {
    fn default() -> Self {
        Self { requests: 1_000, bytes: 1024 * 1024 }
    }
}

/// The beginning of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredBody {
    /// Its text, without secrets.
    pub text: String,
    /// The length of the whole body.
    pub bytes: usize,
    /// Whether `text` is only its beginning.
    pub cut: bool,
}

/// Headers, by lower-case name.
pub type Headers = Vec<(Cow<'static, str>, String)>;

/// One request with its answer, and how it was decided.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(Default))]
pub struct JournalEntry {
    /// What [`Journal::arrive`] returned when the request arrived.
    #[serde(skip)]
    pub arrived: u64,
    /// The position in the order of answers, set by the journal.
    #[serde(skip)]
    pub number: u64,
    /// The answer's `X-Request-Id`.
    pub request_id: String,
    /// `None` when the request identified no workspace.
    pub workspace: Option<WorkspaceId>,
    /// Tells apart workspaces that reused an id, and the states before and after a reset.
    pub incarnation: i64,
    /// The time of the answer, on the system's clock.
    pub at: Millis,
    /// The time of the decision, on the workspace's clock.
    pub workspace_at: Option<Millis>,
    /// Microseconds until the answer.
    pub took_us: u64,
    pub source_ip: String,
    pub method: String,
    pub path: String,
    pub query: Option<String>,
    /// A selection, see `http::redaction`.
    pub headers: Headers,
    pub body: StoredBody,
    /// `None` when no route has the path.
    pub operation: Option<Cow<'static, str>>,
    pub credential: CredentialKind,
    pub token: Option<TokenId>,
    /// The caller's name, if it was identified.
    pub caller: Option<String>,
    /// The checks that ran, in order; empty on paths without authentication.
    pub trace: Vec<Step>,
    /// The faults that fired.
    pub faults: Vec<Fault>,
    /// Why a rule refused the request.
    pub why: Option<Explanation>,
    /// The body of a request to create a token.
    pub creates: Option<TokenRequest>,
    /// 0 when the connection was dropped instead of an answer.
    pub status: u16,
    pub answer_headers: Headers,
    /// The answer's body before a fault changed it.
    pub answer: StoredBody,
}

impl JournalEntry {
    pub(super) fn size(&self) -> usize {
        let texts = [&self.request_id, &self.source_ip, &self.method, &self.path, &self.body.text, &self.answer.text];
        let headers = self.headers.iter().chain(&self.answer_headers).map(|(_, value)| PART_BYTES + value.len());
        let steps = self.trace.iter().map(|step| PART_BYTES + step.because.len());
        size_of::<Self>()
            + texts.into_iter().map(String::len).sum::<usize>()
            + self.query.as_ref().map_or(0, String::len)
            + headers.sum::<usize>()
            + steps.sum::<usize>()
            + self.why.as_ref().map_or(0, |why| {
                why.message.len() + why.because.len() + why.remedy.len() + STEP_BYTES * why.steps.len()
            })
            + self.faults.len() * FAULT_BYTES
    }

    pub fn user_agent(&self) -> &str {
        self.headers.iter().find(|(name, _)| name == "user-agent").map_or("", |(_, value)| value)
    }

    pub fn client(&self) -> Client<'_> {
        Client::parse(self.user_agent())
    }

    /// The fault that produced the answer.
    pub fn answered_by(&self) -> Option<&Fault> {
        self.faults.last().filter(|fault| fault.rule.answers())
    }

    /// Whether a rule or a fault refused the request.
    pub fn is_refused(&self) -> bool {
        self.why.is_some() || self.answered_by().is_some()
    }

    pub fn refused_by(&self) -> Option<Check> {
        self.trace.last().filter(|step| !step.passed).map(|step| step.check)
    }

    /// The part of an entry that journal queries match.
    pub fn seen(&self) -> ReceivedRequest<'_> {
        let request = Request {
            method: &self.method,
            path: &self.path,
            principal: self.caller.as_deref(),
            token: self.token.as_ref(),
            client: self.user_agent(),
        };
        ReceivedRequest {
            request,
            status: self.status,
            credential: self.credential,
            operation: self.operation.as_deref(),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Journal {
    limits: JournalLimits,
    arrivals: Arc<AtomicU64>,
    rings: Arc<Mutex<Rings>>,
}

#[derive(Debug, Default)]
struct Rings {
    /// By workspace; `None` for requests that identified no workspace.
    of: HashMap<Option<WorkspaceId>, Ring>,
    bytes: usize,
    answered: u64,
}

#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<Arc<JournalEntry>>,
    bytes: usize,
    /// Requests that arrived before belong to a state that was replaced.
    begins: u64,
}

impl Ring {
    /// Drops the oldest entry; returns how many bytes that frees.
    fn drop_oldest(&mut self) -> usize {
        let freed = self.entries.pop_front().map_or(0, |oldest| oldest.size());
        self.bytes -= freed;
        freed
    }
}

/// The rings that a workspace shows: its own, and for the default one also requests that identified no workspace.
fn rings_of(workspace: &Workspace) -> impl Iterator<Item = Option<WorkspaceId>> {
    [Some(Some(workspace.id)), workspace.is_default.then_some(None)].into_iter().flatten()
}

impl Journal {
    pub(super) fn new(limits: JournalLimits) -> Self {
        Self { limits, arrivals: Arc::default(), rings: Arc::default() }
    }

    pub(super) fn limits(&self) -> JournalLimits {
        self.limits
    }

    pub fn is_on(&self) -> bool {
        self.limits.requests > 0 && self.limits.bytes > 0
    }

    fn lock(&self) -> MutexGuard<'_, Rings> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers a request on arrival, for [`JournalEntry::arrived`].
    pub fn arrive(&self) -> u64 {
        self.arrivals.fetch_add(1, Ordering::Relaxed)
    }

    /// The workspaces that have a ring.
    pub(super) fn workspaces(&self) -> Vec<WorkspaceId> {
        self.lock().of.keys().copied().flatten().collect()
    }

    /// Adds an entry, and drops the oldest ones beyond the limits.
    pub(super) fn add(&self, entry: JournalEntry) {
        if !self.is_on() {
            return;
        }
        let size = entry.size();
        let mut rings = self.lock();
        rings.answered += 1;
        let number = rings.answered;
        let ring = rings.of.entry(entry.workspace).or_default();
        if entry.arrived < ring.begins {
            return;
        }
        ring.bytes += size;
        ring.entries.push_back(Arc::new(JournalEntry { number, ..entry }));
        let mut freed = 0;
        while ring.entries.len() > self.limits.requests || ring.bytes > self.limits.bytes {
            freed += ring.drop_oldest();
        }
        rings.bytes = rings.bytes + size - freed;
        while rings.bytes > ALL_BYTES.max(self.limits.bytes) {
            let fullest = rings.of.values_mut().max_by_key(|ring| ring.bytes);
            rings.bytes -= fullest.map_or(0, Ring::drop_oldest);
        }
    }

    /// A workspace's entries with a number above `since`, in the order of their answers.
    pub(super) fn of_workspace(&self, workspace: &Workspace, since: u64) -> Vec<Arc<JournalEntry>> {
        let rings = self.lock();
        let found = rings_of(workspace).filter_map(|id| rings.of.get(&id));
        let mut found: Vec<Arc<JournalEntry>> = found.flat_map(|ring| ring.entries.iter().cloned()).collect();
        found.retain(|entry| entry.number > since);
        found.sort_by_key(|entry| entry.number);
        found
    }

    /// All entries, in the order of their answers.
    pub(super) fn all(&self) -> Vec<Arc<JournalEntry>> {
        let rings = self.lock();
        let mut all: Vec<Arc<JournalEntry>> = rings.of.values().flat_map(|ring| ring.entries.iter().cloned()).collect();
        all.sort_by_key(|entry| entry.number);
        all
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().of.values().all(|ring| ring.entries.is_empty())
    }

    /// Drops the entries up to a number.
    pub(super) fn drop_up_to(&self, number: u64) {
        let mut rings = self.lock();
        let mut freed = 0;
        for ring in rings.of.values_mut() {
            while ring.entries.front().is_some_and(|oldest| oldest.number <= number) {
                freed += ring.drop_oldest();
            }
        }
        rings.bytes -= freed;
    }

    /// An entry by request id, in one workspace or in any.
    pub(super) fn find(&self, request_id: &str, of: Option<&Workspace>) -> Option<Arc<JournalEntry>> {
        let rings = self.lock();
        let is_searched =
            |id: &Option<WorkspaceId>| of.is_none_or(|workspace| rings_of(workspace).any(|shown| shown == *id));
        let mut searched = rings.of.iter().filter(|(id, _)| is_searched(id)).flat_map(|(_, ring)| &ring.entries);
        searched.find(|entry| entry.request_id == request_id).cloned()
    }

    /// The newest refusal or fault in any workspace; without one, the newest entry.
    pub(super) fn last(&self) -> Option<Arc<JournalEntry>> {
        let rings = self.lock();
        let newest = rings.of.values().filter_map(|ring| ring.entries.iter().rev().find(|it| it.is_refused()));
        let newest = newest.max_by_key(|entry| entry.number);
        let any = || rings.of.values().filter_map(|ring| ring.entries.back()).max_by_key(|entry| entry.number);
        newest.or_else(any).cloned()
    }

    pub(super) fn delete(&self, workspace: &Workspace, numbers: &HashSet<u64>) {
        let mut rings = self.lock();
        for id in rings_of(workspace) {
            let Some(ring) = rings.of.get_mut(&id) else { continue };
            let before = ring.bytes;
            ring.entries.retain(|entry| !numbers.contains(&entry.number));
            ring.bytes = ring.entries.iter().map(|entry| entry.size()).sum();
            let freed = before - ring.bytes;
            rings.bytes -= freed;
        }
    }

    /// Clears a workspace's journal. Requests in flight are not added either when they finish.
    pub(super) fn clear(&self, workspace: &Workspace) {
        let mut rings = self.lock();
        for id in rings_of(workspace) {
            let begins = self.arrive();
            let old = rings.of.insert(id, Ring { begins, ..Ring::default() });
            rings.bytes -= old.map_or(0, |ring| ring.bytes);
        }
    }

    /// Drops the entries of a deleted workspace.
    pub(super) fn forget(&self, id: WorkspaceId) {
        let mut rings = self.lock();
        let old = rings.of.remove(&Some(id));
        rings.bytes -= old.map_or(0, |ring| ring.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(journal: &Journal, workspace: i64, text: usize) -> JournalEntry {
        JournalEntry {
            arrived: journal.arrive(),
            workspace: Some(WorkspaceId(workspace)),
            answer: StoredBody { text: "x".repeat(text), bytes: text, cut: false },
            ..JournalEntry::default()
        }
    }

    fn numbers(journal: &Journal, workspace: i64) -> Vec<u64> {
        let rings = journal.lock();
        let ring = rings.of.get(&Some(WorkspaceId(workspace)));
        ring.into_iter().flat_map(|ring| &ring.entries).map(|entry| entry.number).collect()
    }

    #[test]
    fn entries_are_bounded_by_count_by_bytes_and_over_all_workspaces() {
        let journal = Journal::new(JournalLimits { requests: 3, bytes: 100_000 });
        for _ in 0..5 {
            journal.add(entry(&journal, 1, 10));
        }
        assert_eq!(numbers(&journal, 1), [3, 4, 5]);
        journal.add(entry(&journal, 1, 99_000));
        assert_eq!(numbers(&journal, 1), [6]);
        journal.add(entry(&journal, 1, 200_000));
        assert_eq!(numbers(&journal, 1), Vec::<u64>::new(), "an entry above the limit is dropped at once");

        let journal = Journal::new(JournalLimits { requests: 1_000, bytes: 30 * 1024 * 1024 });
        for workspace in [1, 1, 2, 2, 3] {
            journal.add(entry(&journal, workspace, 14 * 1024 * 1024));
        }
        let kept: usize = [1, 2, 3].iter().map(|id| numbers(&journal, *id).len()).sum();
        assert_eq!((kept, numbers(&journal, 3).len()), (4, 1), "the workspace with the most bytes loses entries");
        let rings = journal.lock();
        assert_eq!(rings.bytes, rings.of.values().map(|ring| ring.bytes).sum::<usize>());
    }

    #[test]
    fn a_limit_of_zero_turns_the_journal_off() {
        let journal = Journal::new(JournalLimits { requests: 0, bytes: 1 });
        journal.add(entry(&journal, 1, 1));
        assert!(numbers(&journal, 1).is_empty() && journal.last().is_none());
    }
}
