//! The writer of the log. Lines can contain what clients sent, so they are escaped: no text forges a line or controls a
//! terminal ([`OneLine`]). The reader may stop reading, so a thread writes: no request, start or stop waits for it
//! ([`Output`]). `cli` starts the log.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::platform::{AsStream, duplicate};

/// How many bytes can wait to be written. Lines beyond that are dropped and counted.
const MAX_WAITING: usize = 1 << 20;
/// How long the end of the process waits until everything is written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause before the next attempt to write to a full non-blocking stream.
const PAUSE: Duration = Duration::from_millis(10);

/// A stream with a thread that writes to it, so that nobody else waits for a full pipe, a stopped terminal or a full disk.
/// Writes never fail and never wait. Each is one line.
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
    /// How many lines were dropped since the last line that says so.
    dropped: u64,
    /// Whether lines were dropped after the waiting ones.
    is_full: bool,
    is_writing: bool,
    /// The text below the last line of a terminal.
    progress: Vec<u8>,
}

/// Clears the last line of a terminal.
const ERASE: &[u8] = b"\r\x1b[2K";

/// When dropped, waits until everything is written, for a second at most.
#[derive(Debug)]
#[must_use = "dropping it waits for the last lines"]
pub struct FlushOnDrop(Output);

impl FlushOnDrop {
    pub fn output(&self) -> Output {
        self.0.clone()
    }
}

impl Drop for FlushOnDrop {
    fn drop(&mut self) {
        self.0.flush_within(FLUSH_TIMEOUT);
    }
}

impl Output {
    /// # Errors
    /// If the system has no descriptor or no thread left.
    pub fn to(stream: &impl AsStream, name: &'static str) -> io::Result<(Self, FlushOnDrop)> {
        let output = Self::start(duplicate(stream)?, name)?;
        Ok((output.clone(), FlushOnDrop(output)))
    }

    fn start(out: impl Write + Send + 'static, name: &'static str) -> io::Result<Self> {
        let output = Self(Arc::default());
        let writer = output.clone();
        std::thread::Builder::new().name(format!("to {name}")).spawn(move || writer.write_forever(out, name))?;
        Ok(output)
    }

    fn write_forever(&self, mut out: impl Write, name: &str) {
        let mut is_inside_line = false;
        loop {
            let (mut lines, dropped) = self.take();
            if is_inside_line && !lines.starts_with(ERASE) {
                lines.insert(0, b'\n');
            }
            let written = write_until_error(&mut out, &lines);
            let (done, left) = lines.split_at_checked(written).unwrap_or((&lines, &[]));
            is_inside_line = done.last().map_or(is_inside_line, |last| *last != b'\n' && !done.ends_with(ERASE));
            let lost = memchr::memchr_iter(b'\n', left).count();
            if lost > 0 {
                self.state().dropped += dropped + u64::try_from(lost).unwrap_or(u64::MAX);
            } else if dropped > 0 {
                tracing::error!(dropped, "log lines were dropped because {name} did not accept them");
            }
            self.state().is_writing = false;
            self.0.changed.notify_all();
        }
    }

    /// Replaces the text below the last line of a terminal; new lines appear above it. An empty text removes it. Nothing
    /// is added while earlier output waits for a reader.
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

    fn flush_within(&self, timeout: Duration) {
        let has_more = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        drop(self.0.changed.wait_timeout_while(self.state(), timeout, has_more));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        // Once a line is dropped, drop all until the waiting ones are taken, so that there is one gap.
        if state.is_full || state.waiting.len() + line.len() > MAX_WAITING {
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

/// Writes until all is written, or until an error that a retry does not solve. Returns the number of written bytes.
fn write_until_error(out: &mut impl Write, bytes: &[u8]) -> usize {
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

/// Writes why the process ends to standard error. Gives up after a second if nobody reads.
pub fn write_last_words(text: &str) {
    if let Ok((mut out, _finish)) = Output::to(&io::stderr(), "standard error") {
        drop(out.write_all(text.as_bytes()));
    }
}

/// Sends panics to the log. By default they go straight to standard error, which waits for the reader.
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

/// Whether a character can end a line, control a terminal or reorder its text.
pub(crate) fn controls_terminal(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes each event as one line, with escapes for characters that control a terminal.
#[derive(Debug)]
pub struct OneLine<W> {
    out: W,
    has_colors: bool,
}

impl<W: Write> OneLine<W> {
    pub fn new(out: W) -> Self {
        Self { out, has_colors: false }
    }

    /// Lets escape sequences through, for the log's own colours.
    pub fn with_colors(out: W) -> Self {
        Self { out, has_colors: true }
    }
}

impl<W: Write> Write for OneLine<W> {
    /// Takes a whole event, because `tracing_subscriber` writes each in one call.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let mut line = String::with_capacity(text.len() + 1);
        for letter in text.strip_suffix('\n').unwrap_or(&text).chars() {
            match letter {
                '\n' => line.push_str("\\n"),
                '\r' => line.push_str("\\r"),
                '\t' => line.push_str("\\t"),
                '\u{1b}' if self.has_colors => line.push(letter),
                // An escape of JSON, which the log may be. Four digits are enough for all these characters.
                _ if controls_terminal(letter) => {
                    let code = format!("\\u{:04x}", u32::from(letter));
                    line.push_str(&code);
                }
                _ => line.push(letter),
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

    /// A stream whose writes wait until the test accepts or fails them.
    struct ControlledStream {
        verdicts: Receiver<io::Result<usize>>,
        written: SyncSender<Vec<u8>>,
    }

    impl Write for ControlledStream {
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

    fn controlled() -> (Output, SyncSender<io::Result<usize>>, Receiver<Vec<u8>>) {
        let ((decide, verdicts), (written, seen)) = (sync_channel(16), sync_channel(16));
        (Output::start(ControlledStream { verdicts, written }, "a test").unwrap(), decide, seen)
    }

    #[test]
    fn nobody_waits_for_a_stream_that_is_not_read_and_dropped_lines_are_counted() {
        let (mut out, decide, seen) = controlled();
        out.write_all(b"first\n").unwrap();
        while !out.state().is_writing {
            std::thread::yield_now();
        }
        let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
        for _ in 0..MAX_WAITING / line.len() + 7 {
            out.write_all(&line).unwrap();
        }
        // There would be room for a short line, but there must be one gap.
        out.write_all(b"\n").unwrap();
        assert!(out.state().waiting.len() <= MAX_WAITING && out.state().dropped == 8);
        out.flush_within(Duration::from_millis(1));
        decide.send(Ok(usize::MAX)).unwrap();
        decide.send(Ok(usize::MAX)).unwrap();
        assert_eq!(seen.recv().unwrap(), b"first\n");
        assert_eq!(seen.recv().unwrap().len(), MAX_WAITING);
        out.flush_within(Duration::from_secs(30));
        assert_eq!(out.state().dropped, 0, "a line says it");
        out.write_all(b"last\n").unwrap();
        decide.send(Ok(usize::MAX)).unwrap();
        assert_eq!(seen.recv().unwrap(), b"last\n");
    }

    #[test]
    fn lines_that_a_full_disk_refuses_are_counted() {
        let (mut out, decide, seen) = controlled();
        out.write_all(b"cut off\n").unwrap();
        decide.send(Ok(3)).unwrap();
        decide.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        assert_eq!(seen.recv().unwrap(), b"cut");
        out.flush_within(Duration::from_secs(30));
        assert_eq!(out.state().dropped, 1);
        out.write_all(b"next\n").unwrap();
        for verdict in [Err(io::ErrorKind::WouldBlock.into()), Err(io::ErrorKind::Interrupted.into()), Ok(99)] {
            decide.send(verdict).unwrap();
        }
        assert_eq!(seen.recv().unwrap(), b"\nnext\n", "a line starts on a new line");
        out.flush_within(Duration::from_secs(30));
        assert_eq!(out.state().dropped, 0);
    }

    #[test]
    fn progress_stays_below_the_lines_and_disappears() {
        let (mut out, decide, seen) = controlled();
        let next = |verdict: usize| {
            decide.send(Ok(verdict)).unwrap();
            String::from_utf8(seen.recv().unwrap()).unwrap()
        };
        let idle = |out: &Output| out.flush_within(Duration::from_secs(30));
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
        // Nobody reads: progress is skipped meanwhile, except for its removal.
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
    fn an_event_is_one_line_and_controls_no_terminal() {
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
            let mut writer = if has_colors { OneLine::with_colors(&mut out) } else { OneLine::new(&mut out) };
            writer.write_all(text.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
