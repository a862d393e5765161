//! The only cache: rows that SQLite returned since the last change, so that a repeated query need not read them again.
//! See docs/decisions/0010-cache-on-sqlite-only.md.
//!
//! Why no revoked token is ever found here:
//! - Every change in this process is a commit of the one writer. The cache is emptied before the commit begins and stays
//!   empty until the commit has ended. Only then does anybody learn of the change.
//! - Rows that were read before or during a commit are not inserted after it: a miss carries the number of commits that
//!   had begun.
//! - A commit of another process, such as `dapi-mock admin-token` or a shell, changes the index of the file's log. It is
//!   compared at each lookup and each insert; while it cannot be read, nothing is cached.
//! - Nothing of PostgreSQL is cached, because other machines change it too.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::memberships::MembershipsKey;
use super::sqlite::{Log, LogState};
use super::tokens::{OwnerTokensKey, PresentedTokensKey};

/// The most bytes that are cached; beyond them, all are dropped. A token takes about half a kilobyte, or as much as a
/// caller puts into its scopes and comment.
const MAX_BYTES: usize = 4 << 20;

/// What an answer takes besides its rows: key, map entry and allocations.
const BYTES_PER_ANSWER: usize = 256;

/// A row that knows roughly how much memory it takes.
pub(super) trait HeapSize {
    fn heap_bytes(&self) -> usize;
}

/// What a list of texts takes on the heap.
pub(super) fn bytes_of(texts: &[String]) -> usize {
    texts.iter().map(|text| size_of::<String>() + text.capacity()).sum()
}

fn weight<T: HeapSize>(rows: &[T]) -> usize {
    BYTES_PER_ANSWER + rows.iter().map(|row| size_of::<T>() + row.heap_bytes()).sum::<usize>()
}

/// A query whose rows are cached: everything that they depend on besides the stored data. It must not contain an
/// instant, or it would never be asked again.
pub(super) trait CacheKey: Eq + Hash + Sized {
    type Row: HeapSize + Clone;

    fn answers(answers: &mut Answers) -> &mut AnswersTo<Self>;
}

pub(super) type AnswersTo<K> = HashMap<K, Arc<[<K as CacheKey>::Row]>>;

/// The cached rows by query, with a map for each kind of query.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) presented_tokens: AnswersTo<PresentedTokensKey>,
    pub(super) memberships: AnswersTo<MembershipsKey>,
    pub(super) owner_tokens: AnswersTo<OwnerTokensKey>,
    #[cfg(test)]
    numbers: AnswersTo<tests::Numbers>,
    #[cfg(test)]
    texts: AnswersTo<tests::Texts>,
}

/// A query that the cache could not answer, with the state of the database before it was sent there.
#[derive(Debug)]
pub(super) struct CacheMiss<K> {
    key: K,
    /// How many commits had begun; `None` when the rows must not be cached.
    commits: Option<u64>,
    log: Option<LogState>,
}

impl<K> CacheMiss<K> {
    pub(super) fn not_to_cache(key: K) -> Self {
        Self { key, commits: None, log: None }
    }
}

/// Rows by query, until the next commit.
#[derive(Default)]
pub struct ReadCache {
    contents: Mutex<Contents>,
    /// `None` for a database in memory, which no other process can change.
    log: Option<Log>,
}

#[derive(Default)]
struct Contents {
    /// How many commits have begun.
    begun: u64,
    /// The last commit that has ended. All before it have, too, because there is one writer.
    ended: u64,
    /// The state of the log before the first of the rows was read.
    log: Option<LogState>,
    answers: Answers,
    bytes: usize,
}

/// Shows nothing of the rows.
impl fmt::Debug for ReadCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadCache")
    }
}

impl Contents {
    fn no_commit_runs(&self) -> bool {
        self.begun == self.ended
    }

    fn clear(&mut self) -> Answers {
        self.bytes = 0;
        std::mem::take(&mut self.answers)
    }
}

impl ReadCache {
    pub(super) fn of_file(log: Log) -> Self {
        Self { contents: Mutex::default(), log: Some(log) }
    }

    /// The state of the log, and whether it is known.
    fn log(&self) -> (Option<LogState>, bool) {
        let state = self.log.as_ref().and_then(Log::state);
        (state, self.log.is_none() || state.is_some())
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows of a query, if they were read since the last commit.
    pub(super) fn get<K: CacheKey>(&self, key: K) -> Result<Vec<K::Row>, CacheMiss<K>> {
        let mut contents = self.contents();
        let (log, is_known) = self.log();
        if contents.log != log || !is_known {
            contents.clear();
            contents.log = log;
        }
        let rows = K::answers(&mut contents.answers).get(&key).cloned();
        let commits = (contents.no_commit_runs() && is_known).then_some(contents.begun);
        drop(contents);
        match rows {
            Some(rows) => Ok(rows.to_vec()),
            None => Err(CacheMiss { key, commits, log }),
        }
    }

    /// Caches the rows that the database returned after a miss, unless a commit has begun since.
    pub(super) fn insert<K: CacheKey>(&self, miss: CacheMiss<K>, rows: &[K::Row]) {
        let bytes = weight(rows);
        if bytes > MAX_BYTES {
            return;
        }
        let rows: Arc<[K::Row]> = Arc::from(rows);
        let mut contents = self.contents();
        let is_same_log = miss.log == contents.log && miss.log == self.log().0;
        if !contents.no_commit_runs() || !is_same_log || miss.commits != Some(contents.begun) {
            return;
        }
        if contents.bytes + bytes > MAX_BYTES {
            contents.clear();
        }
        // Another reader of the same rows may have been faster.
        if K::answers(&mut contents.answers).insert(miss.key, rows).is_none() {
            contents.bytes += bytes;
        }
    }

    /// Empties the cache, and keeps it empty until [`end_commit`](Self::end_commit). A commit whose request was
    /// abandoned may still take effect; it counts as ended when the next one is.
    pub(super) fn begin_commit(&self) -> u64 {
        let mut contents = self.contents();
        contents.begun += 1;
        let (begun, dropped) = (contents.begun, contents.clear());
        drop(contents);
        drop(dropped);
        begun
    }

    /// Ends the commit with this number.
    pub(super) fn end_commit(&self, begun: u64) {
        let mut contents = self.contents();
        contents.ended = contents.ended.max(begun);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl HeapSize for i32 {
        fn heap_bytes(&self) -> usize {
            0
        }
    }

    impl HeapSize for String {
        fn heap_bytes(&self) -> usize {
            self.capacity()
        }
    }

    #[derive(Debug, PartialEq, Eq, Hash)]
    pub(super) struct Numbers(i64);

    impl CacheKey for Numbers {
        type Row = i32;

        fn answers(answers: &mut Answers) -> &mut AnswersTo<Self> {
            &mut answers.numbers
        }
    }

    #[derive(Debug, PartialEq, Eq, Hash)]
    pub(super) struct Texts(i64);

    impl CacheKey for Texts {
        type Row = String;

        fn answers(answers: &mut Answers) -> &mut AnswersTo<Self> {
            &mut answers.texts
        }
    }

    fn miss(cache: &ReadCache) -> CacheMiss<Numbers> {
        cache.get(Numbers(1)).unwrap_err()
    }

    #[test]
    fn rows_are_cached_until_a_commit_begins_and_not_while_it_runs() {
        let cache = ReadCache::default();
        cache.insert(miss(&cache), &[1]);
        assert_eq!(cache.get(Numbers(1)).unwrap(), [1]);
        assert!(cache.get(Numbers(2)).is_err(), "another query");
        let begun = cache.begin_commit();
        cache.insert(miss(&cache), &[1]);
        cache.insert(miss(&cache), &[2]);
        miss(&cache);
        cache.end_commit(begun);
        cache.insert(miss(&cache), &[2]);
        assert_eq!(cache.get(Numbers(1)).unwrap(), [2]);
    }

    #[test]
    fn rows_read_before_or_during_a_commit_are_not_cached_after_it() {
        let cache = ReadCache::default();
        let (early, begun) = (miss(&cache), cache.begin_commit());
        let meanwhile = miss(&cache);
        cache.end_commit(begun);
        cache.insert(early, &[1]);
        cache.insert(meanwhile, &[1]);
        miss(&cache);
    }

    #[test]
    fn after_an_abandoned_commit_nothing_is_cached_until_the_next_one_ends() {
        let cache = ReadCache::default();
        cache.begin_commit();
        cache.insert(miss(&cache), &[1]);
        miss(&cache);
        let next = cache.begin_commit();
        cache.end_commit(next);
        cache.insert(miss(&cache), &[2]);
        assert_eq!(cache.get(Numbers(1)).unwrap(), [2]);
    }

    #[test]
    fn the_next_commit_may_begin_before_the_last_one_is_known_to_have_ended() {
        let cache = ReadCache::default();
        let (first, second) = (cache.begin_commit(), cache.begin_commit());
        cache.end_commit(first);
        cache.insert(miss(&cache), &[1]);
        miss(&cache);
        cache.end_commit(second);
        cache.insert(miss(&cache), &[2]);
        assert_eq!(cache.get(Numbers(1)).unwrap(), [2]);
    }

    #[test]
    fn the_cache_never_exceeds_its_size() {
        let cache = ReadCache::default();
        let insert = |number: i64, texts: usize, length: usize| {
            let miss = cache.get(Texts(number)).unwrap_err();
            cache.insert(miss, &vec!["x".repeat(length); texts]);
            cache.contents().bytes
        };
        let one = BYTES_PER_ANSWER + size_of::<String>();
        assert_eq!(insert(1, 1, MAX_BYTES), 0, "a large one by itself");
        assert_eq!(insert(2, 1, MAX_BYTES / 2), one + MAX_BYTES / 2);
        assert_eq!(insert(3, 1, 9), 2 * one + MAX_BYTES / 2 + 9);
        assert_eq!(insert(4, 1, MAX_BYTES / 2), one + MAX_BYTES / 2, "in place of the others");
        assert_eq!(cache.contents().answers.texts.len(), 1);
        for number in 5..5000 {
            assert!(insert(number, 0, 0) <= MAX_BYTES, "empty answers count too");
        }
    }
}
