//! The journal: the last requests of each workspace with their answers and how they were decided, in this
//! process's memory. Who writes into it has blanked all secrets before.

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

/// Most bytes of all workspaces together: the one that holds the most gives way first.
pub(super) const ALL_BYTES: usize = 64 * 1024 * 1024;
/// What a step of a trace or a header takes beside its text.
const PART_BYTES: usize = size_of::<Step>();
/// What a fault takes, roughly.
const FAULT_BYTES: usize = 512;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalLimits {
    /// Most requests of a workspace; none are kept when it is 0.
    pub requests: usize,
    /// Most bytes of a workspace, roughly; none are kept when it is 0.
    pub bytes: usize,
}

impl Default for JournalLimits {
    fn default() -> Self {
        Self { requests: 1_000, bytes: 1024 * 1024 }
    }
}

/// What a step of a remedy takes, roughly.
const STEP_BYTES: usize = 600;

/// What is kept of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredBody {
    /// Its text, without secrets; cut when it was long.
    pub text: String,
    /// How long it was, in bytes.
    pub bytes: usize,
    /// Whether it was cut.
    pub cut: bool,
}

/// Headers that are kept, by their names in small letters.
pub type Headers = Vec<(Cow<'static, str>, String)>;

/// One request with its answer, and how it was decided.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JournalEntry {
    /// What [`Journal::arrive`] answered when it came.
    #[serde(skip)]
    pub arrived: u64,
    /// Its place in the order of answers; the journal gives it.
    #[serde(skip)]
    pub number: u64,
    /// The answer's `X-Request-Id`.
    pub request_id: String,
    /// The workspace that answered, if one could be told.
    pub workspace: Option<WorkspaceId>,
    /// Which one that was, of all that had its id.
    pub incarnation: i64,
    /// When it was answered, on the system's clock.
    pub at: Millis,
    /// When it was decided, on the workspace's.
    pub workspace_at: Option<Millis>,
    /// Microseconds until the answer.
    pub took_us: u64,
    /// The peer's address.
    pub source_ip: String,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query, if there was one.
    pub query: Option<String>,
    /// Some of the headers.
    pub headers: Headers,
    /// The body.
    pub body: StoredBody,
    /// The route's operation, if the path has a route.
    pub operation: Option<Cow<'static, str>>,
    /// What was shown as credential.
    pub credential: CredentialKind,
    /// The presented token.
    pub token: Option<TokenId>,
    /// Who called, where somebody could be identified.
    pub caller: Option<String>,
    /// The checks that ran, in order; none on open paths.
    pub trace: Vec<Step>,
    /// The faults that fired.
    pub faults: Vec<Fault>,
    /// Why a rule refused it, where one did.
    pub why: Option<Explanation>,
    /// What was asked for, where a token was to be created.
    pub creates: Option<TokenRequest>,
    /// The answer's status; 0 when the connection was dropped instead.
    pub status: u16,
    /// Some of the answer's headers.
    pub answer_headers: Headers,
    /// The answer's body, as it was before a fault broke it on its way.
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

    /// The client's `User-Agent`.
    pub fn user_agent(&self) -> &str {
        self.headers.iter().find(|(name, _)| name == "user-agent").map_or("", |(_, value)| value)
    }

    /// What its `User-Agent` says.
    pub fn client(&self) -> Client<'_> {
        Client::parse(self.user_agent())
    }

    /// The fault that decided about the answer, if one did.
    pub fn answered_by(&self) -> Option<&Fault> {
        self.faults.last().filter(|fault| fault.rule.answers())
    }

    /// Whether a rule or a fault refused it.
    pub fn is_refused(&self) -> bool {
        self.why.is_some() || self.answered_by().is_some()
    }

    /// The check that refused it, if one did.
    pub fn refused_by(&self) -> Option<Check> {
        self.trace.last().filter(|step| !step.passed).map(|step| step.check)
    }

    /// As questions see it.
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

/// The journal of this process.
#[derive(Clone, Debug)]
pub struct Journal {
    limits: JournalLimits,
    arrivals: Arc<AtomicU64>,
    rings: Arc<Mutex<Rings>>,
}

#[derive(Debug, Default)]
struct Rings {
    /// By workspace; `None` has what no workspace could be told for.
    of: HashMap<Option<WorkspaceId>, Ring>,
    bytes: usize,
    answered: u64,
}

#[derive(Debug, Default)]
struct Ring {
    exchanges: VecDeque<Arc<JournalEntry>>,
    bytes: usize,
    /// What arrived before belongs to a state that was put back.
    begins: u64,
}

impl Ring {
    /// Drops the oldest exchange; answers how many bytes are free now.
    fn drop_oldest(&mut self) -> usize {
        let freed = self.exchanges.pop_front().map_or(0, |oldest| oldest.size());
        self.bytes -= freed;
        freed
    }
}

/// The rings that a workspace sees: its own, and with the default one what no workspace could be told for.
fn rings_of(workspace: &Workspace) -> impl Iterator<Item = Option<WorkspaceId>> {
    [Some(Some(workspace.id)), workspace.is_default.then_some(None)].into_iter().flatten()
}

impl Journal {
    pub(super) fn new(limits: JournalLimits) -> Self {
        Self { limits, arrivals: Arc::default(), rings: Arc::default() }
    }

    /// How much is kept.
    pub(super) fn limits(&self) -> JournalLimits {
        self.limits
    }

    /// Whether anything is kept.
    pub fn is_on(&self) -> bool {
        self.limits.requests > 0 && self.limits.bytes > 0
    }

    fn lock(&self) -> MutexGuard<'_, Rings> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request that comes.
    pub fn arrive(&self) -> u64 {
        self.arrivals.fetch_add(1, Ordering::Relaxed)
    }

    /// The workspaces of which anything is kept.
    pub(super) fn known(&self) -> Vec<WorkspaceId> {
        self.lock().of.keys().copied().flatten().collect()
    }

    /// Keeps an exchange; the oldest ones make room.
    pub(super) fn keep(&self, exchange: JournalEntry) {
        if !self.is_on() {
            return;
        }
        let size = exchange.size();
        let mut rings = self.lock();
        rings.answered += 1;
        let number = rings.answered;
        let ring = rings.of.entry(exchange.workspace).or_default();
        if exchange.arrived < ring.begins {
            return;
        }
        ring.bytes += size;
        ring.exchanges.push_back(Arc::new(JournalEntry { number, ..exchange }));
        let mut freed = 0;
        while ring.exchanges.len() > self.limits.requests || ring.bytes > self.limits.bytes {
            freed += ring.drop_oldest();
        }
        rings.bytes = rings.bytes + size - freed;
        while rings.bytes > ALL_BYTES.max(self.limits.bytes) {
            let fullest = rings.of.values_mut().max_by_key(|ring| ring.bytes);
            rings.bytes -= fullest.map_or(0, Ring::drop_oldest);
        }
    }

    /// The exchanges of a workspace in the order of their answers, those with a number above `since`.
    pub(super) fn of_workspace(&self, workspace: &Workspace, since: u64) -> Vec<Arc<JournalEntry>> {
        let rings = self.lock();
        let found = rings_of(workspace).filter_map(|id| rings.of.get(&id));
        let mut found: Vec<Arc<JournalEntry>> = found.flat_map(|ring| ring.exchanges.iter().cloned()).collect();
        found.retain(|exchange| exchange.number > since);
        found.sort_by_key(|exchange| exchange.number);
        found
    }

    /// The exchanges of all workspaces in the order of their answers.
    pub(super) fn all(&self) -> Vec<Arc<JournalEntry>> {
        let rings = self.lock();
        let mut all: Vec<Arc<JournalEntry>> =
            rings.of.values().flat_map(|ring| ring.exchanges.iter().cloned()).collect();
        all.sort_by_key(|exchange| exchange.number);
        all
    }

    /// Whether nothing is there.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().of.values().all(|ring| ring.exchanges.is_empty())
    }

    /// Drops the exchanges up to that number.
    pub(super) fn drop_up_to(&self, number: u64) {
        let mut rings = self.lock();
        let mut freed = 0;
        for ring in rings.of.values_mut() {
            while ring.exchanges.front().is_some_and(|oldest| oldest.number <= number) {
                freed += ring.drop_oldest();
            }
        }
        rings.bytes -= freed;
    }

    /// The exchange of that request id, among those that a workspace shows, or any does.
    pub(super) fn find(&self, request_id: &str, of: Option<&Workspace>) -> Option<Arc<JournalEntry>> {
        let rings = self.lock();
        let is_meant =
            |id: &Option<WorkspaceId>| of.is_none_or(|workspace| rings_of(workspace).any(|shown| shown == *id));
        let mut meant = rings.of.iter().filter(|(id, _)| is_meant(id)).flat_map(|(_, ring)| &ring.exchanges);
        meant.find(|exchange| exchange.request_id == request_id).cloned()
    }

    /// The newest refusal or fault, or the newest exchange where none was refused, in any workspace.
    pub(super) fn last(&self) -> Option<Arc<JournalEntry>> {
        let rings = self.lock();
        let newest = rings.of.values().filter_map(|ring| ring.exchanges.iter().rev().find(|it| it.is_refused()));
        let newest = newest.max_by_key(|exchange| exchange.number);
        let any = || rings.of.values().filter_map(|ring| ring.exchanges.back()).max_by_key(|exchange| exchange.number);
        newest.or_else(any).cloned()
    }

    /// Takes exchanges of a workspace out, by number.
    pub(super) fn take_out(&self, workspace: &Workspace, numbers: &HashSet<u64>) {
        let mut rings = self.lock();
        for id in rings_of(workspace) {
            let Some(ring) = rings.of.get_mut(&id) else { continue };
            let before = ring.bytes;
            ring.exchanges.retain(|exchange| !numbers.contains(&exchange.number));
            ring.bytes = ring.exchanges.iter().map(|exchange| exchange.size()).sum();
            let freed = before - ring.bytes;
            rings.bytes -= freed;
        }
    }

    /// Begins anew for a workspace: requests that came before, and have their answer later, are not kept.
    pub(super) fn begin_anew(&self, workspace: &Workspace) {
        let mut rings = self.lock();
        for id in rings_of(workspace) {
            let begins = self.arrive();
            let old = rings.of.insert(id, Ring { begins, ..Ring::default() });
            rings.bytes -= old.map_or(0, |ring| ring.bytes);
        }
    }

    /// Drops what there is of a workspace that is gone.
    pub(super) fn forget(&self, id: WorkspaceId) {
        let mut rings = self.lock();
        let old = rings.of.remove(&Some(id));
        rings.bytes -= old.map_or(0, |ring| ring.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(journal: &Journal, workspace: i64, text: usize) -> JournalEntry {
        JournalEntry {
            arrived: journal.arrive(),
            number: 0,
            request_id: String::new(),
            workspace: Some(WorkspaceId(workspace)),
            incarnation: 0,
            at: Millis(0),
            workspace_at: None,
            took_us: 0,
            source_ip: String::new(),
            method: "GET".into(),
            path: "/".into(),
            query: None,
            headers: Vec::new(),
            body: StoredBody::default(),
            operation: None,
            credential: CredentialKind::None,
            token: None,
            caller: None,
            trace: Vec::new(),
            faults: Vec::new(),
            why: None,
            creates: None,
            status: 200,
            answer_headers: Vec::new(),
            answer: StoredBody { text: "x".repeat(text), bytes: text, cut: false },
        }
    }

    fn numbers(journal: &Journal, workspace: i64) -> Vec<u64> {
        let rings = journal.lock();
        let ring = rings.of.get(&Some(WorkspaceId(workspace)));
        ring.into_iter().flat_map(|ring| &ring.exchanges).map(|exchange| exchange.number).collect()
    }

    #[test]
    fn it_is_bounded_in_count_in_bytes_and_as_a_whole() {
        let journal = Journal::new(JournalLimits { requests: 3, bytes: 100_000 });
        for _ in 0..5 {
            journal.keep(exchange(&journal, 1, 10));
        }
        assert_eq!(numbers(&journal, 1), [3, 4, 5]);
        journal.keep(exchange(&journal, 1, 99_000));
        assert_eq!(numbers(&journal, 1), [6]);
        journal.keep(exchange(&journal, 1, 200_000));
        assert_eq!(numbers(&journal, 1), Vec::<u64>::new(), "what does not fit at all is not kept");

        let journal = Journal::new(JournalLimits { requests: 1_000, bytes: 30 * 1024 * 1024 });
        for workspace in [1, 1, 2, 2, 3] {
            journal.keep(exchange(&journal, workspace, 14 * 1024 * 1024));
        }
        let kept: usize = [1, 2, 3].iter().map(|id| numbers(&journal, *id).len()).sum();
        assert_eq!((kept, numbers(&journal, 3).len()), (4, 1), "the fullest gives way");
        let rings = journal.lock();
        assert_eq!(rings.bytes, rings.of.values().map(|ring| ring.bytes).sum::<usize>());
    }

    #[test]
    fn nothing_is_kept_where_the_limits_are_none() {
        let journal = Journal::new(JournalLimits { requests: 0, bytes: 1 });
        journal.keep(exchange(&journal, 1, 1));
        assert!(numbers(&journal, 1).is_empty() && journal.last().is_none());
    }
}
