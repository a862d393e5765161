//! What a page tells once: a change answers with a redirect, so that to load the page again changes nothing again,
//! and the page behind it tells what came of it. A token value that is in it is shown that one time.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use maud::{Markup, PreEscaped};

use crate::domain::oauth::SecretHash;

/// Most that wait to be told; the oldest are forgotten.
const KEPT: usize = 32;

/// What waits to be told, in this process.
#[derive(Clone, Default)]
pub(super) struct Once(Arc<Mutex<VecDeque<Told>>>);

struct Told {
    id: String,
    /// The browser whose change it was.
    browser: SecretHash,
    markup: String,
}

impl Once {
    /// Keeps it for that browser under an id.
    pub(super) fn keep(&self, id: String, browser: SecretHash, markup: Markup) {
        let mut waiting = self.lock();
        waiting.push_back(Told { id, browser, markup: markup.into_string() });
        let excess = waiting.len().saturating_sub(KEPT);
        waiting.drain(..excess);
    }

    /// Takes it out, if it is that browser's.
    pub(super) fn take(&self, id: &str, browser: &SecretHash) -> Option<Markup> {
        let mut waiting = self.lock();
        let at = waiting.iter().position(|told| told.id == id && told.browser == *browser)?;
        waiting.remove(at).map(|told| PreEscaped(told.markup))
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Blind: a token value may be in it.
impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once(…)")
    }
}

#[cfg(test)]
mod tests {
    use maud::html;

    use super::*;

    #[test]
    fn it_is_told_to_its_browser_and_once() {
        let once = Once::default();
        let (mine, other) = (SecretHash::of("mine"), SecretHash::of("other"));
        once.keep("1".into(), mine.clone(), html! { "dapi" });
        assert!(once.take("1", &other).is_none());
        assert!(once.take("2", &mine).is_none());
        assert_eq!(once.take("1", &mine).map(Markup::into_string), Some("dapi".to_owned()));
        assert!(once.take("1", &mine).is_none());
        assert!(!format!("{once:?}").contains("dapi"));
    }

    #[test]
    fn the_oldest_is_forgotten() {
        let (once, mine) = (Once::default(), SecretHash::of("mine"));
        for id in 0..=KEPT {
            once.keep(id.to_string(), mine.clone(), html! { (id) });
        }
        assert!(once.take("0", &mine).is_none());
        assert!(once.take("1", &mine).is_some());
    }
}
