//! The log's way out: what clients send may stand in it, and must not look like lines of its own, nor steer the
//! terminal that shows it.

use std::io::{self, Write};

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
    use super::*;

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
