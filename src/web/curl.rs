//! Requests as curl commands, for people to copy. Everything comes in as a value: nothing here knows which API a
//! request is for, or what a secret looks like.

use std::fmt;

/// A word that a shell takes as it is.
pub(crate) fn quoted(text: &str) -> String {
    // Control characters could command the terminal that the text is pasted into.
    let commands = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    format!("'{}'", text.replace(commands, "\u{fffd}").replace('\'', "'\\''"))
}

/// Displays as one command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Curl<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    /// An argument with variables for the shell to fill in, such as `-u "$USER:$PASSWORD"`: it is not quoted.
    pub(crate) credential: Option<&'a str>,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: Option<&'a str>,
}

impl fmt::Display for Curl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("curl -sS")?;
        match (self.method, self.body) {
            ("HEAD", _) => f.write_str(" -I")?,
            ("GET", None) | ("POST", Some(_)) => {}
            (word, _) if word.bytes().all(|byte| byte.is_ascii_alphabetic()) => write!(f, " -X {word}")?,
            // HTTP allows characters in a method that mean something to a shell.
            (other, _) => write!(f, " -X {}", quoted(other))?,
        }
        write!(f, " {}", quoted(self.url))?;
        if let Some(credential) = self.credential {
            write!(f, " {credential}")?;
        }
        for (name, value) in self.headers {
            write!(f, " -H {}", quoted(&format!("{name}: {value}")))?;
        }
        // With `-d`, a body that begins with `@` would name a file.
        if let Some(body) = self.body {
            write!(f, " --data-raw {}", quoted(body))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_says_no_more_than_it_must() {
        let get = Curl { method: "GET", url: "http://h/a?b=c", credential: None, headers: &[], body: None };
        assert_eq!(get.to_string(), "curl -sS 'http://h/a?b=c'");
        let headers = [("Content-Type", "application/json")];
        let post = Curl { method: "POST", headers: &headers, body: Some("@it's"), ..get };
        let expected = "-H 'Content-Type: application/json' --data-raw '@it'\\''s'";
        assert_eq!(post.to_string(), format!("curl -sS 'http://h/a?b=c' {expected}"));
        let odd = Curl { method: "A|B", credential: Some("-u \"$USER\""), ..get };
        assert_eq!(odd.to_string(), "curl -sS -X 'A|B' 'http://h/a?b=c' -u \"$USER\"");
        assert_eq!(Curl { method: "HEAD", ..get }.to_string(), "curl -sS -I 'http://h/a?b=c'");
    }
}
