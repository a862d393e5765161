//! Text for people at a terminal: aligned columns, colour where there is a terminal for it, and nothing in it that
//! could command one, as much of it was written by clients.

use std::io::{self, IsTerminal, Write};

use crate::config::may_color;

/// Colours and headings are for terminals; a pipe gets the rows alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    is_terminal: bool,
    has_colors: bool,
}

/// What a text is, which decides about its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Heading,
    Good,
    Bad,
    Quiet,
}

impl Look {
    /// For standard output as it is.
    pub(crate) fn of_stdout() -> Self {
        let is_terminal = io::stdout().is_terminal();
        Self { is_terminal, has_colors: is_terminal && may_color() }
    }

    /// The text in the colour of its tone.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            _ if !self.has_colors || text.is_empty() => return text.to_owned(),
            Tone::Plain => return text.to_owned(),
            Tone::Heading => "1",
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Quiet => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// A text of one line that commands no terminal.
pub(crate) fn plain(text: &str) -> String {
    let is_odd = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.replace(is_odd, "\u{fffd}")
}

/// A cell of a table.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

/// A cell in a tone.
pub(crate) fn cell(tone: Tone, text: impl AsRef<str>) -> Cell {
    Cell { text: plain(text.as_ref()), tone }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        cell(Tone::Plain, text)
    }
}

/// Columns as wide as their widest cell so far, so that rows that come later stay in line.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    look: Look,
    heads: Option<[&'static str; N]>,
    widths: [usize; N],
}

/// The columns of what may be very long, such as paths, grow no further than this.
const WIDEST: usize = 64;

impl<const N: usize> Table<N> {
    /// With headings, for a terminal.
    pub(crate) fn new(look: Look, heads: [&'static str; N]) -> Self {
        let widths = if look.is_terminal { heads.map(str::len) } else { [0; N] };
        Self { look, heads: look.is_terminal.then_some(heads), widths }
    }

    /// These rows as lines.
    pub(crate) fn lines(&mut self, rows: &[[Cell; N]]) -> String {
        for row in rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.chars().count().min(WIDEST));
            }
        }
        let heads = if rows.is_empty() { None } else { self.heads.take() };
        let heads = heads.map(|heads| heads.map(|head| cell(Tone::Heading, head)));
        heads.iter().chain(rows).map(|row| self.line(row)).collect()
    }

    fn line(&self, row: &[Cell; N]) -> String {
        let last = row.iter().rposition(|cell| !cell.text.is_empty());
        let mut line = String::new();
        for (at, (cell, width)) in row.iter().zip(self.widths).enumerate().filter(|(at, _)| Some(*at) <= last) {
            line.push_str(&self.look.paint(cell.tone, &cell.text));
            if Some(at) != last {
                let gap = width.saturating_sub(cell.text.chars().count()) + 2;
                line.extend(std::iter::repeat_n(' ', gap));
            }
        }
        line + "\n"
    }
}

/// Writes to standard output.
///
/// # Errors
/// The pipe's: nobody reads any more.
pub(crate) fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// Writes a warning to standard error; that nobody reads it is no failure.
pub(crate) fn warn(text: &str) {
    drop(writeln!(io::stderr(), "dapi-mock: warning: {}", plain(text)));
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: Look = Look { is_terminal: false, has_colors: false };
    const TERMINAL: Look = Look { is_terminal: true, has_colors: true };

    #[test]
    fn columns_are_aligned_and_stay_so() {
        let mut table = Table::new(PIPE, ["A", "B", "C"]);
        let rows = [["x".into(), "longer".into(), "1".into()], ["yy".into(), "b".into(), "".into()]];
        assert_eq!(table.lines(&rows), "x   longer  1\nyy  b\n");
        assert_eq!(table.lines(&[["z".into(), "".into(), "3".into()]]), "z           3\n");
    }

    #[test]
    fn a_terminal_gets_headings_once_and_colours() {
        let mut table = Table::new(TERMINAL, ["ID", "STATE"]);
        assert_eq!(table.lines(&[]), "");
        let text = table.lines(&[["1".into(), cell(Tone::Bad, "NO")]]);
        assert_eq!(text, "\u{1b}[1mID\u{1b}[0m  \u{1b}[1mSTATE\u{1b}[0m\n1   \u{1b}[31mNO\u{1b}[0m\n");
        assert_eq!(table.lines(&[["2".into(), "ok".into()]]), "2   ok\n");
        let dumb = Look { has_colors: false, ..TERMINAL };
        assert_eq!(Table::new(dumb, ["ID"]).lines(&[[cell(Tone::Bad, "x")]]), "ID\nx\n");
    }

    #[test]
    fn what_clients_wrote_commands_no_terminal() {
        let mut table = Table::new(TERMINAL, ["A"]);
        let text = table.lines(&[["\u{1b}]0;owned\u{7}\nnext \u{202e}line".into()]]);
        assert!(text.ends_with("\n\u{fffd}]0;owned\u{fffd}\u{fffd}next \u{fffd}line\n"), "{text:?}");
    }
}
