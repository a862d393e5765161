//! What differs between operating systems: signals, limits, the modes of files, and how a file is told from another.
//! No other module names an operating system. `unix.rs` and `windows.rs` have the same functions; the one for Windows
//! is compiled only, never run.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;
