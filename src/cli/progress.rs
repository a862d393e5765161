//! Progress bars and spinners for people at a terminal. They appear after a second of work and leave nothing behind. A
//! server draws its bar through the writer of its log ([`Output`]), so that log lines and the bar do not mix.

use std::io::{self, IsTerminal};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use tokio::time::timeout;

use crate::log::Output;
use crate::service::Progress;

/// Shorter work shows no progress.
const DELAY: Duration = Duration::from_secs(1);
/// The most redraws per second.
const HERTZ: u8 = 10;
/// For a terminal that does not report its width.
const WIDTH: u16 = 80;

/// How far a seed has been applied.
#[derive(Debug)]
pub(crate) struct SeedBar {
    /// `None` if standard error is not a terminal.
    output: Option<Output>,
    started: Instant,
    delay: Duration,
    bar: OnceLock<ProgressBar>,
}

impl SeedBar {
    /// A bar below the log lines on standard error.
    pub(crate) fn below(log: Output) -> Self {
        Self::new(io::stderr().is_terminal().then_some(log), DELAY)
    }

    fn new(output: Option<Output>, delay: Duration) -> Self {
        Self { output, started: Instant::now(), delay, bar: OnceLock::new() }
    }

    pub(crate) fn show(&self, progress: Progress) {
        let Some(output) = self.output.as_ref().filter(|_| self.started.elapsed() >= self.delay) else { return };
        let bar = self.bar.get_or_init(|| {
            let line = Line { output: output.clone(), text: Mutex::default() };
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::term_like_with_hz(Box::new(line), HERTZ));
            bar.with_style(style("Applying the seed [{bar:30}] {pos} of {len}, {eta} left"))
        });
        bar.set_length(u64::try_from(progress.total).unwrap_or(u64::MAX));
        bar.set_position(u64::try_from(progress.done).unwrap_or(u64::MAX));
    }
}

impl Drop for SeedBar {
    fn drop(&mut self) {
        if let (Some(bar), Some(output)) = (self.bar.get(), &self.output) {
            bar.finish_and_clear();
            output.show_progress("");
        }
    }
}

/// Waits for a server's answer, and shows for how long it has been waiting.
pub(crate) async fn with_spinner<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    if let Ok(done) = timeout(DELAY, &mut work).await {
        return done;
    }
    // It draws to standard error, and nothing if that is not a terminal.
    let spinner = ProgressBar::new_spinner().with_style(style("{spinner} The server is working: {elapsed}"));
    spinner.enable_steady_tick(Duration::from_millis(100));
    let done = work.await;
    spinner.finish_and_clear();
    done
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

/// The last line of a terminal. It is always drawn as a whole.
#[derive(Debug)]
struct Line {
    output: Output,
    text: Mutex<String>,
}

impl Line {
    fn edit(&self, edit: impl FnOnce(&mut String)) {
        edit(&mut self.text.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl TermLike for Line {
    fn width(&self) -> u16 {
        console::Term::stderr().size_checked().map_or(WIDTH, |(_, width)| width)
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.edit(|line| line.push_str(text));
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.edit(String::clear);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        self.edit(|line| self.output.show_progress(line.trim_end()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn written(delay: Duration) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("terminal");
        let (mut output, finish) = Output::to(&fs::File::create(&path).unwrap(), "a test").unwrap();
        let bar = SeedBar::new(Some(output.clone()), delay);
        // A bar is only drawn once earlier output has been written.
        let mut write = |line: &str, count: usize| {
            output.write_all(line.as_bytes()).unwrap();
            while fs::read_to_string(&path).unwrap().matches(line).count() < count {
                std::thread::yield_now();
            }
        };
        write("before\n", 1);
        for number in 1..=3 {
            bar.show(Progress { done: 100 * number, total: 300 });
            write("a line\n", number);
        }
        drop(bar);
        output.write_all(b"after\n").unwrap();
        drop(finish);
        fs::read_to_string(&path).unwrap()
    }

    #[test]
    fn a_bar_is_below_the_lines_and_disappears() {
        let text = written(Duration::ZERO);
        let lines: Vec<&str> = text.split('\n').map(|line| line.rsplit("\u{1b}[2K").next().unwrap()).collect();
        assert_eq!(lines, ["before", "a line", "a line", "a line", "after", ""], "{text:?}");
        assert!(text.contains("Applying the seed [") && text.contains(" of 300"), "{text:?}");
    }

    #[test]
    fn short_work_shows_nothing() {
        assert_eq!(written(Duration::from_hours(1)), "before\na line\na line\na line\nafter\n");
    }
}
