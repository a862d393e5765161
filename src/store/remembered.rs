//! What a database of one process answered since its last change, so that the same question needs no second look.
//!
//! Only SQLite has this. All changes of this process go through the one writer, which tells of each commit *before* it
//! begins and when it is done. In between nothing is recalled. So what is recalled is what the database would say: a
//! token that was revoked is refused from the moment of the commit, before anybody hears of it. A commit of another
//! process, such as `dapi-mock admin-token` or a shell, shows in the index of the file's log, which is looked at each
//! time. PostgreSQL, which other machines change too, is always asked.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::sqlite::{Log, LogState};
use crate::domain::{AccountId, PrincipalId, TokenId, WorkspaceId};

/// How many bytes are kept at most; with more all are forgotten. A token takes about half a kilobyte, a caller makes
/// it as large as scopes and comment may be.
const MOST_BYTES: usize = 4 << 20;

/// What an answer takes beside its rows: question, map and allocations.
const PER_ANSWER: usize = 256;

/// A row that knows roughly what it takes.
pub(super) trait Weighed {
    /// What it holds on the heap, in bytes.
    fn heap_bytes(&self) -> usize;
}

/// What texts take on the heap, with their places in a list.
pub(super) fn bytes_of(texts: &[String]) -> usize {
    texts.iter().map(|text| size_of::<String>() + text.capacity()).sum()
}

fn weight<T: Weighed>(rows: &[T]) -> usize {
    PER_ANSWER + rows.iter().map(|row| size_of::<T>() + row.heap_bytes()).sum::<usize>()
}

/// What was asked, with all that the answer depends on beside the data.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// The tokens with a value, in every workspace.
    PresentedCredential(TokenId),
    /// What a principal reaches upwards; of its own the built-in `users` group is the last.
    Reach(AccountId, WorkspaceId, PrincipalId, PrincipalId),
    /// The tokens of an owner.
    TokensOf(WorkspaceId, PrincipalId),
}

/// A question that has to be put to the database, and after how many commits.
#[derive(Debug)]
pub(super) struct Asked {
    question: Question,
    after: Option<u64>,
    log: Option<LogState>,
}

impl Asked {
    /// One whose answer is not kept.
    pub(super) fn of_passing_use(question: Question) -> Self {
        Self { question, after: None, log: None }
    }
}

/// Answers, until the next commit.
#[derive(Debug, Default)]
pub struct Remembered {
    answers: Mutex<Answers>,
    /// `None` in memory, where there are no other processes.
    log: Option<Log>,
}

#[derive(Debug, Default)]
struct Answers {
    /// How many commits have begun.
    begun: u64,
    /// The last of them that is known to be done, and with it all before: there is one writer.
    done: u64,
    /// The log when the first of the answers was asked for.
    log: Option<LogState>,
    since_then: HashMap<Question, Arc<dyn Any + Send + Sync>>,
    /// What these take.
    bytes: usize,
}

impl Answers {
    fn is_quiet(&self) -> bool {
        self.begun == self.done
    }

    fn forget(&mut self) -> HashMap<Question, Arc<dyn Any + Send + Sync>> {
        self.bytes = 0;
        std::mem::take(&mut self.since_then)
    }
}

impl Remembered {
    /// What is remembered of a file.
    pub(super) fn of_file(log: Log) -> Self {
        Self { answers: Mutex::default(), log: Some(log) }
    }

    /// The state of the log, and whether it can be told.
    fn log(&self) -> (Option<LogState>, bool) {
        let state = self.log.as_ref().and_then(Log::state);
        (state, self.log.is_none() || state.is_some())
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was answered since the last commit.
    pub(super) fn recall<T: Clone + 'static>(&self, question: Question) -> Result<Vec<T>, Asked> {
        let mut answers = self.answers();
        let (log, is_told) = self.log();
        if answers.log != log || !is_told {
            answers.forget();
            answers.log = log;
        }
        let known = answers.since_then.get(&question).cloned();
        let after = (answers.is_quiet() && is_told).then_some(answers.begun);
        drop(answers);
        match known.as_ref().and_then(|known| known.downcast_ref::<Vec<T>>()) {
            Some(known) => Ok(known.clone()),
            None => Err(Asked { question, after, log }),
        }
    }

    /// Keeps the answer to what [`recall`](Self::recall) did not know, unless a commit has begun since.
    pub(super) fn keep<T: Weighed + Clone + Send + Sync + 'static>(&self, asked: Asked, answer: &[T]) {
        let bytes = weight(answer);
        if bytes > MOST_BYTES {
            return;
        }
        let answer = Arc::new(answer.to_vec());
        let mut answers = self.answers();
        let unchanged = asked.log == answers.log && asked.log == self.log().0;
        if !answers.is_quiet() || !unchanged || asked.after != Some(answers.begun) {
            return;
        }
        if answers.bytes + bytes > MOST_BYTES {
            answers.since_then.clear();
            answers.bytes = 0;
        }
        // Whoever asked at the same time may have been quicker.
        if answers.since_then.insert(asked.question, answer).is_none() {
            answers.bytes += bytes;
        }
    }

    /// A commit begins: all is forgotten, and nothing kept until it is [`changed`](Self::changed). One that is
    /// given up on its way may still be done, and is when the next one is.
    pub(super) fn changing(&self) -> u64 {
        let mut answers = self.answers();
        answers.begun += 1;
        let (begun, forgotten) = (answers.begun, answers.forget());
        drop(answers);
        drop(forgotten);
        begun
    }

    /// The commit that began as this one is done.
    pub(super) fn changed(&self, begun: u64) {
        let mut answers = self.answers();
        answers.done = answers.done.max(begun);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weighed for i32 {
        fn heap_bytes(&self) -> usize {
            0
        }
    }

    impl Weighed for String {
        fn heap_bytes(&self) -> usize {
            self.capacity()
        }
    }

    const QUESTION: Question = Question::TokensOf(WorkspaceId(1), PrincipalId(2));
    const OTHER: Question = Question::TokensOf(WorkspaceId(2), PrincipalId(2));

    fn ask(remembered: &Remembered) -> Asked {
        remembered.recall::<i32>(QUESTION).unwrap_err()
    }

    #[test]
    fn an_answer_stands_until_a_commit_begins_and_is_not_kept_during_it() {
        let remembered = Remembered::default();
        remembered.keep(ask(&remembered), &[1]);
        assert_eq!(remembered.recall::<i32>(QUESTION).unwrap(), [1]);
        assert!(remembered.recall::<i32>(OTHER).is_err(), "another workspace");
        let begun = remembered.changing();
        remembered.keep(ask(&remembered), &[1]);
        remembered.keep(ask(&remembered), &[2]);
        ask(&remembered);
        remembered.changed(begun);
        remembered.keep(ask(&remembered), &[2]);
        assert_eq!(remembered.recall::<i32>(QUESTION).unwrap(), [2]);
    }

    #[test]
    fn what_was_asked_before_a_commit_and_answered_after_it_is_not_kept() {
        let remembered = Remembered::default();
        let (early, begun) = (ask(&remembered), remembered.changing());
        let meanwhile = ask(&remembered);
        remembered.changed(begun);
        remembered.keep(early, &[1]);
        remembered.keep(meanwhile, &[1]);
        ask(&remembered);
    }

    #[test]
    fn after_a_commit_that_was_given_up_nothing_is_kept_until_the_next_is_done() {
        let remembered = Remembered::default();
        remembered.changing();
        remembered.keep(ask(&remembered), &[1]);
        ask(&remembered);
        let next = remembered.changing();
        remembered.changed(next);
        remembered.keep(ask(&remembered), &[2]);
        assert_eq!(remembered.recall::<i32>(QUESTION).unwrap(), [2]);
    }

    #[test]
    fn the_next_commit_may_begin_before_the_last_one_says_that_it_is_done() {
        let remembered = Remembered::default();
        let (first, second) = (remembered.changing(), remembered.changing());
        remembered.changed(first);
        remembered.keep(ask(&remembered), &[1]);
        ask(&remembered);
        remembered.changed(second);
        remembered.keep(ask(&remembered), &[2]);
        assert_eq!(remembered.recall::<i32>(QUESTION).unwrap(), [2]);
    }

    #[test]
    fn no_more_bytes_are_kept_than_there_is_room_for() {
        let remembered = Remembered::default();
        let keep = |workspace: i64, texts: usize, length: usize| {
            let question = Question::TokensOf(WorkspaceId(workspace), PrincipalId(2));
            let asked = remembered.recall::<String>(question).unwrap_err();
            remembered.keep(asked, &vec!["x".repeat(length); texts]);
            remembered.answers().bytes
        };
        let one = PER_ANSWER + size_of::<String>();
        assert_eq!(keep(1, 1, MOST_BYTES), 0, "a large one by itself");
        assert_eq!(keep(2, 1, MOST_BYTES / 2), one + MOST_BYTES / 2);
        assert_eq!(keep(3, 1, 9), 2 * one + MOST_BYTES / 2 + 9);
        assert_eq!(keep(4, 1, MOST_BYTES / 2), one + MOST_BYTES / 2, "in place of the others");
        assert_eq!(remembered.answers().since_then.len(), 1);
        for workspace in 5..5000 {
            assert!(keep(workspace, 0, 0) <= MOST_BYTES, "what is empty counts too");
        }
    }
}
