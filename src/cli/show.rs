//! Text for people: aligned columns, with headings and colour on a terminal. Clients wrote much of it, so nothing in it may
//! control the terminal.

use std::io::{self, IsTerminal, Write};

use crate::config::may_color;
use crate::log::controls_terminal;

/// A pipe gets neither colours nor headings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    is_terminal: bool,
    has_colors: bool,
}

/// What a text means, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Heading,
    Good,
    Bad,
    Quiet,
}

impl Style {
    pub(crate) fn of_stdout() -> Self {
        let is_terminal = io::stdout().is_terminal();
        Self { is_terminal, has_colors: is_terminal && may_color() }
    }

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

/// Replaces everything that ends a line or controls a terminal.
pub(crate) fn one_line(text: &str) -> String {
    text.replace(controls_terminal, "\u{fffd}")
}

#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

pub(crate) fn cell(tone: Tone, text: impl AsRef<str>) -> Cell {
    Cell { text: one_line(text.as_ref()), tone }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        cell(Tone::Plain, text)
    }
}

/// Columns are as wide as their widest cell so far, so that later rows stay aligned.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    style: Style,
    heads: Option<[&'static str; N]>,
    widths: [usize; N],
}

/// Columns of long texts, such as paths, grow no wider than this.
const MAX_WIDTH: usize = 64;

impl<const N: usize> Table<N> {
    pub(crate) fn new(style: Style, heads: [&'static str; N]) -> Self {
        let widths = if style.is_terminal { heads.map(str::len) } else { [0; N] };
        Self { style, heads: style.is_terminal.then_some(heads), widths }
    }

    /// The rows as text, after the headings if they are the first ones.
    pub(crate) fn lines(&mut self, rows: &[[Cell; N]]) -> String {
        for row in rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.chars().count().min(MAX_WIDTH));
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
            line.push_str(&self.style.paint(cell.tone, &cell.text));
            if Some(at) != last {
                let gap = width.saturating_sub(cell.text.chars().count()) + 2;
                line.extend(std::iter::repeat_n(' ', gap));
            }
        }
        line + "\n"
    }
}

/// Writes to standard output.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// Writes to standard output, and does not care whether anybody reads it.
pub(crate) fn print_if_read(text: &str) {
    drop(print(text));
}

/// Writes a warning to standard error, and does not care whether anybody reads it.
pub(crate) fn warn(text: &str) {
    drop(writeln!(io::stderr(), "dapi-mock: warning: {}", one_line(text)));
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: Style = Style { is_terminal: false, has_colors: false };
    const TERMINAL: Style = Style { is_terminal: true, has_colors: true };

    #[test]
    fn columns_stay_aligned() {
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
        let dumb = Style { has_colors: false, ..TERMINAL };
        assert_eq!(Table::new(dumb, ["ID"]).lines(&[[cell(Tone::Bad, "x")]]), "ID\nx\n");
    }

    #[test]
    fn text_from_clients_does_not_control_the_terminal() {
        let mut table = Table::new(TERMINAL, ["A"]);
        let text = table.lines(&[["\u{1b}]0;owned\u{7}\nnext \u{202e}line".into()]]);
        assert!(text.ends_with("\n\u{fffd}]0;owned\u{fffd}\u{fffd}next \u{fffd}line\n"), "{text:?}");
    }
}
