//! Windows: the same functions as in `unix.rs`, as far as Windows has them. It compiles for `x86_64-pc-windows-gnu`
//! (`packaging/windows/check`), and was never run.

use std::borrow::Cow;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::FileExt;
pub(crate) use std::os::windows::io::AsHandle as AsStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, ctrl_break, ctrl_c, ctrl_close};
use tokio::sync::oneshot;

use super::end_of;

/// Windows has no limit on the sockets of a process; this is the server's own.
const OPEN_FILES: u64 = 4096;
/// The exit code of a process that Ctrl-C ended: the low byte of `STATUS_CONTROL_C_EXIT`.
const CONTROL_C_EXIT: u8 = 0x3A;

pub(crate) fn open_files() -> u64 {
    OPEN_FILES
}

/// Windows has no limit to raise.
pub(crate) fn raise_open_files() {}

/// Windows has no limit on file sizes.
#[expect(clippy::unnecessary_wraps, reason = "on Unix it can fail")]
pub(crate) fn survive_file_size_limit() -> io::Result<()> {
    Ok(())
}

/// A console event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    name: &'static str,
}

impl Received {
    pub(crate) fn name(self) -> &'static str {
        self.name
    }

    /// The exit code of a process that the event ended.
    pub(crate) fn exit_code(self) -> u8 {
        CONTROL_C_EXIT
    }
}

/// Receives console events, in place of their default actions.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: CtrlC,
    interruption: CtrlBreak,
    close: CtrlClose,
}

impl Signals {
    /// The events that stop a server gracefully.
    pub(crate) fn to_stop() -> io::Result<Self> {
        Ok(Self { interrupt: ctrl_c()?, interruption: ctrl_break()?, close: ctrl_close()? })
    }

    /// The console sends its events to the command as well, so there is nothing to forward.
    pub(crate) fn to_forward() -> io::Result<Self> {
        Self::to_stop()
    }

    pub(crate) async fn next(&mut self) -> Received {
        let name = tokio::select! {
            _ = self.interrupt.recv() => "Ctrl-C",
            _ = self.interruption.recv() => "Ctrl-Break",
            _ = self.close.recv() => "the end of the console",
        };
        Received { name }
    }
}

/// Runs a command to its end. Returns its exit code.
///
/// # Errors
/// If the command cannot be started.
pub(crate) async fn run_to_end(command: &mut Command, signals: &mut Signals) -> io::Result<u8> {
    let mut child = command.spawn()?;
    let (end, mut ended) = oneshot::channel();
    thread::Builder::new().name("command".to_owned()).spawn(move || drop(end.send(child.wait())))?;
    loop {
        tokio::select! {
            status = &mut ended => {
                let code = status.map_err(io::Error::other)??.code();
                return Ok(code.map_or(1, |code| u8::try_from(code).unwrap_or(1)));
            }
            received = signals.next() => tracing::debug!("{}: the command received it as well", received.name()),
        }
    }
}

/// On Windows no process inherits orphans.
#[expect(clippy::unused_async, clippy::unnecessary_wraps, reason = "on Unix it waits, and can fail")]
pub(crate) async fn reap_orphans() -> io::Result<()> {
    Ok(())
}

/// Completes when standard input ends, because the process at its other end closes it or dies.
pub(crate) fn stdin_closes() -> io::Result<oneshot::Receiver<()>> {
    end_of(duplicate(&io::stdin())?)
}

/// Duplicates the handle of a stream, because the standard library holds its lock while a write waits.
pub(crate) fn duplicate(stream: &impl AsStream) -> io::Result<File> {
    Ok(File::from(stream.as_handle().try_clone_to_owned()?))
}

/// Files have no mode; they inherit access control lists from their folder.
pub(crate) fn with_mode(options: &mut OpenOptions, _mode: u32) -> &mut OpenOptions {
    options
}

/// Folders have no mode either.
pub(crate) fn with_folder_mode(builder: &mut DirBuilder, _mode: u32) -> &mut DirBuilder {
    builder
}

/// Identifies a file, except that hard links differ: the standard library cannot read the index of a file yet.
pub(crate) type FileId = PathBuf;

pub(crate) fn file_id(path: &Path) -> io::Result<FileId> {
    path.canonicalize()
}

/// The number of hard links is unknown.
pub(crate) fn count_names(_file: &Metadata) -> u64 {
    1
}

/// The file to lock for exclusive use of a database: a file beside it, because on Windows a lock keeps everybody from
/// reading, even its own process.
pub(crate) fn lock_path(database: &Path) -> Cow<'_, Path> {
    Cow::Owned(database.with_added_extension("lock"))
}

/// The process that holds a lock is unknown.
pub(crate) fn holder_of(_file: &File) -> Option<u32> {
    None
}

/// Fills the buffer from the beginning of a file.
pub(crate) fn read_beginning(file: &File, buffer: &mut [u8]) -> io::Result<()> {
    match file.seek_read(buffer, 0)? {
        read if read == buffer.len() => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
