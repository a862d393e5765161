//! Windows: what there is of `unix.rs`. It compiles for `x86_64-pc-windows-gnu` (`packaging/windows/check`), and was
//! never run.

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

use super::when_it_ends;

/// Windows has no limit on the sockets of a process; this one shares out what the server itself allows.
const OPEN_FILES: u64 = 4096;
/// What a process that Ctrl-C ended exits with: the low byte of `STATUS_CONTROL_C_EXIT`.
const CONTROL_C_EXIT: u8 = 0x3A;

/// How many files may be open.
pub(crate) fn open_files() -> u64 {
    OPEN_FILES
}

/// There is no limit to raise.
pub(crate) fn raise_open_files() {}

/// There is no limit on the size of files.
///
/// # Errors
/// None.
#[expect(clippy::unnecessary_wraps, reason = "on Unix it can fail")]
pub(crate) fn survive_the_limit_on_file_size() -> io::Result<()> {
    Ok(())
}

/// An event of the console.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    name: &'static str,
}

impl Received {
    /// How people call it.
    pub(crate) fn name(self) -> &'static str {
        self.name
    }

    /// What a process exits with that the event ended.
    pub(crate) fn exit_code(self) -> u8 {
        CONTROL_C_EXIT
    }
}

/// The console's events that come from now on, one after the other.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: CtrlC,
    interruption: CtrlBreak,
    close: CtrlClose,
}

impl Signals {
    /// Those that end a server in order, in place of what they do by default.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn that_stop() -> io::Result<Self> {
        Ok(Self { interrupt: ctrl_c()?, interruption: ctrl_break()?, close: ctrl_close()? })
    }

    /// The same: the console sends its events to the command, too.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn to_forward() -> io::Result<Self> {
        Self::that_stop()
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Received {
        let name = tokio::select! {
            _ = self.interrupt.recv() => "Ctrl-C",
            _ = self.interruption.recv() => "Ctrl-Break",
            _ = self.close.recv() => "the end of the console",
        };
        Received { name }
    }
}

/// Runs a command to its end; its exit code. The console sends its events to the command itself.
///
/// # Errors
/// The command could not be started.
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
            received = signals.next() => tracing::debug!("{} is the command's as well", received.name()),
        }
    }
}

/// Windows has no process that is given orphans.
///
/// # Errors
/// None.
#[expect(clippy::unused_async, clippy::unnecessary_wraps, reason = "on Unix it waits, and can fail")]
pub(crate) async fn reap_orphans() -> io::Result<()> {
    Ok(())
}

/// Completes when standard input ends: when whoever holds the other end closes it, or dies.
///
/// # Errors
/// The system's.
pub(crate) fn stdin_closes() -> io::Result<oneshot::Receiver<()>> {
    when_it_ends(duplicate(&io::stdin())?)
}

/// A handle of its own for a stream: the standard library's lock on it would be held while a write waits.
///
/// # Errors
/// The system has no handle left.
pub(crate) fn duplicate(stream: &impl AsStream) -> io::Result<File> {
    Ok(File::from(stream.as_handle().try_clone_to_owned()?))
}

/// Files have access control lists instead, which they inherit from their folder.
pub(crate) fn with_mode(options: &mut OpenOptions, _mode: u32) -> &mut OpenOptions {
    options
}

/// So have folders.
pub(crate) fn with_folder_mode(builder: &mut DirBuilder, _mode: u32) -> &mut DirBuilder {
    builder
}

/// Tells a file from all others but its hard links: the standard library has no index of files yet.
pub(crate) type FileId = PathBuf;

/// Which file a path leads to.
///
/// # Errors
/// There is none.
pub(crate) fn file_id(path: &Path) -> io::Result<FileId> {
    path.canonicalize()
}

/// How many names a file has is not known.
pub(crate) fn count_names(_file: &Metadata) -> u64 {
    1
}

/// The file to lock for exclusive use of a database: one beside it, as a lock keeps others from reading here, the
/// process itself included.
pub(crate) fn lock_path(database: &Path) -> Cow<'_, Path> {
    Cow::Owned(database.with_added_extension("lock"))
}

/// The process that holds the lock on a file is not known.
pub(crate) fn holder_of(_file: &File) -> Option<u32> {
    None
}

/// Fills the buffer from the beginning of a file.
///
/// # Errors
/// The file is shorter, or the system's.
pub(crate) fn read_beginning(file: &File, into: &mut [u8]) -> io::Result<()> {
    match file.seek_read(into, 0)? {
        read if read == into.len() => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
