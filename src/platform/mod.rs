//! What differs between operating systems: signals, limits, the modes of files, and how a file is told from another.
//! No other module names an operating system. `unix.rs` and `windows.rs` have the same functions; the one for Windows
//! is compiled only, never run.

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

/// The pause before another look at a standard input that has nothing yet and does not wait.
const PAUSE: Duration = Duration::from_millis(100);

/// Completes when a stream ends. What is read from it means nothing.
fn when_it_ends(mut stream: impl Read + Send + 'static) -> io::Result<oneshot::Receiver<()>> {
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
        // Nobody waits for it any more where the server stops for another reason.
        let _ = close.send(());
    })?;
    Ok(closes)
}
