//! What differs between operating systems: signals, limits, file modes, file identity and locks. No other module names an
//! operating system. `unix.rs` and `windows.rs` have the same functions; the one for Windows is only compiled, never run.

use std::io::{self, Read};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;

/// The pause between reads of a non-blocking standard input.
const PAUSE: Duration = Duration::from_millis(100);

/// Completes when the stream ends. Its content is ignored.
fn end_of(mut stream: impl Read + Send + 'static) -> io::Result<oneshot::Receiver<()>> {
    let (close, closes) = oneshot::channel();
    thread::Builder::new().name("standard input".to_owned()).spawn(move || {
        let mut ignored = [0; 4096];
        loop {
            match stream.read(&mut ignored) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(PAUSE),
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        // Nobody waits for it if the server stops for another reason.
        let _ = close.send(());
    })?;
    Ok(closes)
}
