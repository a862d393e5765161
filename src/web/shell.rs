//! Commands as text for a shell.

/// A word that a shell takes as it is.
pub(crate) fn quoted(text: &str) -> String {
    // What would command the terminal before anybody reads it is not for pasting.
    let commands = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    format!("'{}'", text.replace(commands, "\u{fffd}").replace('\'', "'\\''"))
}
