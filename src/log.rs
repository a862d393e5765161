//! The log's way out. What clients send may stand in it, and must not look like lines of its own, nor steer the
//! terminal that shows it ([`OneLine`]). And nobody has to read it: no request, no start and no stop waits for
//! whoever should ([`Output`]).

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::platform::{AsStream, duplicate};

/// How much may wait to be written. Beyond it lines are dropped, and counted.
const MOST_WAITING: usize = 1 << 20;
/// How long the end of the process waits for what is still to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The pause before another try where the other end of a non-blocking stream is full.
const PAUSE: Duration = Duration::from_millis(10);

/// A stream that a thread of its own writes to, so that a full pipe, a stopped terminal or a full disk holds up
/// nobody else. Writes never fail and never wait; one write is one line.
#[derive(Clone, Debug)]
pub struct Output(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// Lines that were not written and that no line tells of yet.
    dropped: u64,
    /// Whether lines were dropped after those that wait.
    is_full: bool,
    is_writing: bool,
    /// What stands below the last line, on a terminal.
    progress: Vec<u8>,
}

/// Begins the terminal's last line anew.
const ERASE: &[u8] = b"\r\x1b[2K";

/// Waits at its end until everything is written, for a second at most.
#[derive(Debug)]
#[must_use = "the end waits for the last lines"]
pub struct Finish(Output);

impl Finish {
    /// The stream.
    pub fn output(&self) -> Output {
        self.0.clone()
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        self.0.finish(LAST_WORDS);
    }
}

impl Output {
    /// Writes to standard error or standard output from now on.
    ///
    /// # Errors
    /// When the system has no descriptor or no thread left.
    pub fn to(stream: &impl AsStream, name: &'static str) -> io::Result<(Self, Finish)> {
        let output = Self::start(duplicate(stream)?, name)?;
        Ok((output.clone(), Finish(output)))
    }

    fn start(out: impl Write + Send + 'static, name: &'static str) -> io::Result<Self> {
        let output = Self(Arc::default());
        let writer = output.clone();
        std::thread::Builder::new().name(format!("to {name}")).spawn(move || writer.write_for_ever(out, name))?;
        Ok(output)
    }

    fn write_for_ever(&self, mut out: impl Write, name: &str) {
        let mut is_in_line = false;
        loop {
            let (mut lines, dropped) = self.take();
            if is_in_line && !lines.starts_with(ERASE) {
                lines.insert(0, b'\n');
            }
            let written = write_as_far_as_possible(&mut out, &lines);
            let (done, left) = lines.split_at_checked(written).unwrap_or((&lines, &[]));
            is_in_line = done.last().map_or(is_in_line, |last| *last != b'\n' && !done.ends_with(ERASE));
            let lost = memchr::memchr_iter(b'\n', left).count();
            if lost > 0 {
                self.state().dropped += dropped + u64::try_from(lost).unwrap_or(u64::MAX);
            } else if dropped > 0 {
                tracing::error!(dropped, "log lines were dropped because {name} did not take them");
            }
            self.state().is_writing = false;
            self.0.changed.notify_all();
        }
    }

    /// Shows a text below the last line of the terminal that this writes to, in place of the one before; lines go above
    /// it. An empty one removes it. Where nobody reads, nothing is added.
    pub fn show_progress(&self, text: &str) {
        let mut state = self.state();
        if state.progress == text.as_bytes() || !state.waiting.is_empty() && !text.is_empty() {
            return;
        }
        state.progress = text.as_bytes().to_vec();
        state.waiting.extend_from_slice(ERASE);
        state.waiting.extend_from_slice(text.as_bytes());
        drop(state);
        self.0.changed.notify_all();
    }

    /// Waits until there is something to write.
    fn take(&self) -> (Vec<u8>, u64) {
        let state = self.state();
        let waited = self.0.changed.wait_while(state, |state| state.waiting.is_empty());
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_writing = true;
        state.is_full = false;
        (std::mem::take(&mut state.waiting), std::mem::take(&mut state.dropped))
    }

    fn finish(&self, patience: Duration) {
        let has_more = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        drop(self.0.changed.wait_timeout_while(self.state(), patience, has_more));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        // Once one is dropped, all are until there is room again: what is missing is missing in one place.
        if state.is_full || state.waiting.len() + line.len() > MOST_WAITING {
            state.is_full = true;
            state.dropped += 1;
        } else {
            let State { waiting, progress, .. } = &mut *state;
            if progress.is_empty() {
                waiting.extend_from_slice(line);
            } else {
                waiting.extend([ERASE, line, progress].into_iter().flatten());
            }
            drop(state);
            self.0.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many bytes were written until an error that does not pass by itself.
fn write_as_far_as_possible(out: &mut impl Write, bytes: &[u8]) -> usize {
    let mut written = 0;
    while let Some(left) = bytes.get(written..).filter(|left| !left.is_empty()) {
        match out.write(left) {
            Ok(0) => break,
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
            Err(_) => break,
        }
    }
    written
}

/// Writes why the process ends to standard error, and ends without it where nobody reads that.
pub fn write_last_words(text: &str) {
    if let Ok((mut out, _finish)) = Output::to(&io::stderr(), "standard error") {
        // It never fails.
        drop(out.write_all(text.as_bytes()));
    }
}

/// Sends panics to the log: the usual way, straight to standard error, would wait for whoever should read that.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::capture();
        if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
            tracing::error!("{panic}\n{backtrace}");
        } else {
            tracing::error!("{panic}");
        }
    }));
}

/// Writes each event as one line: what would end the line, or control a terminal, is written as an escape.
/// The log's own colors pass where there are any.
#[derive(Debug)]
pub struct OneLine<W> {
    out: W,
    has_colors: bool,
}

impl<W: Write> OneLine<W> {
    /// In front of `out`.
    pub fn new(out: W, has_colors: bool) -> Self {
        Self { out, has_colors }
    }

    fn is_plain(&self, letter: char) -> bool {
        const REORDERS: [std::ops::RangeInclusive<char>; 3] =
            ['\u{200e}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2066}'..='\u{2069}'];
        let is_color = self.has_colors && letter == '\u{1b}';
        is_color || !(letter.is_control() || REORDERS.iter().any(|range| range.contains(&letter)))
    }
}

impl<W: Write> Write for OneLine<W> {
    /// Takes a whole event, which is how they come.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let mut line = String::with_capacity(text.len() + 1);
        for letter in text.strip_suffix('\n').unwrap_or(&text).chars() {
            match letter {
                '\n' => line.push_str("\\n"),
                '\r' => line.push_str("\\r"),
                '\t' => line.push_str("\\t"),
                plain if self.is_plain(plain) => line.push(plain),
                // As JSON writes it, which the log may be; none of them is beyond four digits.
                other => {
                    let code = format!("\\u{:04x}", u32::from(other));
                    line.push_str(&code);
                }
            }
        }
        line.push('\n');
        self.out.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// A stream whose writes wait until the test lets them through, or fails them.
    struct Gated {
        verdicts: Receiver<io::Result<usize>>,
        written: SyncSender<Vec<u8>>,
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let most = self.verdicts.recv().map_err(io::Error::other)??;
            let taken = &bytes[..most.min(bytes.len())];
            drop(self.written.send(taken.to_vec()));
            Ok(taken.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (Output, SyncSender<io::Result<usize>>, Receiver<Vec<u8>>) {
        let ((gate, verdicts), (written, seen)) = (sync_channel(16), sync_channel(16));
        (Output::start(Gated { verdicts, written }, "a test").unwrap(), gate, seen)
    }

    #[test]
    fn a_stream_that_nobody_reads_holds_nobody_up_and_the_missing_lines_are_counted() {
        let (mut out, gate, seen) = gated();
        out.write_all(b"first\n").unwrap();
        while !out.state().is_writing {
            std::thread::yield_now();
        }
        let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
        for _ in 0..MOST_WAITING / line.len() + 7 {
            out.write_all(&line).unwrap();
        }
        // Room for a short one there would be, but the gap is in one place.
        out.write_all(b"\n").unwrap();
        assert!(out.state().waiting.len() <= MOST_WAITING && out.state().dropped == 8);
        out.finish(Duration::from_millis(1));
        gate.send(Ok(usize::MAX)).unwrap();
        gate.send(Ok(usize::MAX)).unwrap();
        assert_eq!(seen.recv().unwrap(), b"first\n");
        assert_eq!(seen.recv().unwrap().len(), MOST_WAITING);
        out.finish(Duration::from_secs(30));
        assert_eq!(out.state().dropped, 0, "it is told");
        out.write_all(b"last\n").unwrap();
        gate.send(Ok(usize::MAX)).unwrap();
        assert_eq!(seen.recv().unwrap(), b"last\n");
    }

    #[test]
    fn what_a_full_disk_refuses_is_counted_until_there_is_room() {
        let (mut out, gate, seen) = gated();
        out.write_all(b"cut off\n").unwrap();
        gate.send(Ok(3)).unwrap();
        gate.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        assert_eq!(seen.recv().unwrap(), b"cut");
        out.finish(Duration::from_secs(30));
        assert_eq!(out.state().dropped, 1);
        out.write_all(b"next\n").unwrap();
        for verdict in [Err(io::ErrorKind::WouldBlock.into()), Err(io::ErrorKind::Interrupted.into()), Ok(99)] {
            gate.send(verdict).unwrap();
        }
        assert_eq!(seen.recv().unwrap(), b"\nnext\n", "a line begins a line");
        out.finish(Duration::from_secs(30));
        assert_eq!(out.state().dropped, 0);
    }

    #[test]
    fn progress_stays_below_the_lines_and_leaves_nothing() {
        let (mut out, gate, seen) = gated();
        let next = |verdict: usize| {
            gate.send(Ok(verdict)).unwrap();
            String::from_utf8(seen.recv().unwrap()).unwrap()
        };
        let idle = |out: &Output| out.finish(Duration::from_secs(30));
        out.show_progress("1/3");
        assert_eq!(next(usize::MAX), "\r\u{1b}[2K1/3");
        idle(&out);
        out.write_all(b"a line\n").unwrap();
        assert_eq!(next(usize::MAX), "\r\u{1b}[2Ka line\n1/3");
        idle(&out);
        out.show_progress("1/3");
        out.show_progress("2/3");
        while !out.state().is_writing {
            std::thread::yield_now();
        }
        // Nobody reads: what was to be shown meanwhile is left out, but for its end.
        out.write_all(b"another\n").unwrap();
        out.show_progress("3/3");
        out.show_progress("");
        assert_eq!(next(usize::MAX), "\r\u{1b}[2K2/3");
        assert_eq!(next(usize::MAX), "\r\u{1b}[2Kanother\n2/3\r\u{1b}[2K");
        idle(&out);
        out.write_all(b"last\n").unwrap();
        assert_eq!(next(usize::MAX), "last\n");
    }

    #[test]
    fn an_event_is_a_line_and_commands_nothing() {
        for (has_colors, text, expected) in [
            (false, "refused: é ü '\\n'\n", "refused: é ü '\\n'\n"),
            (
                false,
                "a\r\nb\u{1b}[2J\u{9b}31m\u{202e}\u{2028}\t\0\n",
                "a\\r\\nb\\u001b[2J\\u009b31m\\u202e\\u2028\\t\\u0000\n",
            ),
            (true, "\u{1b}[32mINFO\u{1b}[0m a\nb\u{9b}m\n", "\u{1b}[32mINFO\u{1b}[0m a\\nb\\u009bm\n"),
        ] {
            let mut out = Vec::new();
            OneLine::new(&mut out, has_colors).write_all(text.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
