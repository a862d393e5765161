//! Unix: signals, the limit on open files, the end of standard input, orphans that process 1 inherits, and file modes,
//! inodes and locks. Nothing here knows about the server.

use std::borrow::Cow;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, IsTerminal};
pub(crate) use std::os::fd::AsFd as AsStream;
use std::os::unix::fs::{DirBuilderExt, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::Command;
use std::thread;

use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getpgid, getpgrp, getrlimit, kill_process, setrlimit, wait,
};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::end_of;

/// Enough for all connections, all ports and the database.
const ENOUGH_FILES: u64 = 4096;
/// How many signals can wait to be handled.
const MAX_SIGNALS: usize = 64;

/// The limit on open files after [`raise_open_files`].
pub(crate) fn open_files() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    current.map_or(u64::MAX, |current| current.max(maximum.unwrap_or(u64::MAX).min(ENOUGH_FILES)))
}

/// Raises the soft limit on open files as far as it helps and the hard limit allows.
pub(crate) fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let target = open_files();
    if current.is_some_and(|current| current < target)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(target), maximum })
    {
        tracing::warn!("cannot raise the limit on open files above {}: {error}", current.unwrap_or_default());
    }
}

/// Lets a write beyond the limit on file sizes fail, as on a full disk. By default, the system kills the process.
pub(crate) fn survive_file_size_limit() -> io::Result<()> {
    // The handler stays when the stream is dropped.
    signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map(drop)
}

/// These stop a server gracefully.
const STOPPING: [Signal; 3] = [Signal::TERM, Signal::INT, Signal::HUP];
/// `exec` forwards these to its command. Signals such as SIGTSTP act on the whole foreground group anyway.
const FORWARDED: [Signal; 7] =
    [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::USR1, Signal::USR2, Signal::WINCH];

#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    signal: Signal,
    /// Whether the kernel sent it, which for these signals means that a terminal did, to the whole foreground group.
    is_from_terminal: bool,
}

impl Received {
    /// The name, as `kill` takes it.
    pub(crate) fn name(self) -> &'static str {
        signal_hook::low_level::signal_name(self.signal.as_raw()).unwrap_or("a signal")
    }

    /// The exit code that a shell reports for a process that the signal ended.
    pub(crate) fn exit_code(self) -> u8 {
        u8::try_from(128 + self.signal.as_raw()).unwrap_or(u8::MAX)
    }
}

/// Receives signals, in place of their default actions.
#[derive(Debug)]
pub(crate) struct Signals(mpsc::Receiver<Received>);

impl Signals {
    /// The signals that stop a server gracefully.
    pub(crate) fn to_stop() -> io::Result<Self> {
        Self::listen(&STOPPING)
    }

    /// The signals that [`run_to_end`] forwards.
    pub(crate) fn to_forward() -> io::Result<Self> {
        Self::listen(&FORWARDED)
    }

    /// SIGHUP stays ignored if it is, as under `nohup`.
    fn listen(signals: &[Signal]) -> io::Result<Self> {
        let numbers = signals
            .iter()
            .filter(|signal| **signal != Signal::HUP || !is_hangup_ignored())
            .map(|signal| signal.as_raw());
        let mut incoming = SignalsInfo::<WithOrigin>::new(numbers)?;
        let (sender, receiver) = mpsc::channel(MAX_SIGNALS);
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for origin in incoming.forever() {
                let Some(signal) = Signal::from_named_raw(origin.signal) else { continue };
                let is_from_terminal = origin.cause == Cause::Kernel;
                if sender.blocking_send(Received { signal, is_from_terminal }).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self(receiver))
    }

    pub(crate) async fn next(&mut self) -> Received {
        match self.0.recv().await {
            Some(received) => received,
            // Does not happen: the thread ends only after its receiver.
            None => std::future::pending().await,
        }
    }
}

/// Whether the process was started with SIGHUP ignored. Only Linux reports it.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (Signal::HUP.as_raw() - 1) & 1 == 1)
}

/// Reaps every child that has ended, including orphans that process 1 inherited. Returns the status of `child` if it is one
/// of them.
fn reap(child: Option<Pid>) -> Option<WaitStatus> {
    let mut found = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if Some(pid) == child {
            found = Some(status);
        }
    }
    found
}

/// Runs a command to its end, and forwards signals to it. Returns the exit code that a shell would report.
///
/// # Errors
/// If the command cannot be started.
pub(crate) async fn run_to_end(command: &mut Command, signals: &mut Signals) -> io::Result<u8> {
    // Before the child exists, so that its end cannot be missed.
    let mut ended = signal(SignalKind::child())?;
    let child = command.spawn()?;
    // Not earlier, because the command would inherit the higher limit.
    raise_open_files();
    let child = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let child = child.ok_or_else(|| io::Error::other("the system returned no process id for the command"))?;
    loop {
        tokio::select! {
            _ = ended.recv() => if let Some(status) = reap(Some(child)) {
                return Ok(exit_code(status));
            },
            received = signals.next() => forward(received, child),
        }
    }
}

fn exit_code(status: WaitStatus) -> u8 {
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Forwards a signal, unless the command has it already, because a terminal sends it to the whole foreground group.
fn forward(received: Received, child: Pid) {
    let is_in_our_group = || getpgid(Some(child)).is_ok_and(|group| group == getpgrp());
    if received.is_from_terminal && is_in_our_group() {
        return;
    }
    tracing::debug!("forwarding {} to the command", received.name());
    // The command may have ended meanwhile.
    let _ = kill_process(child, received.signal);
}

/// Reaps orphans that have ended. Only process 1 inherits any.
pub(crate) async fn reap_orphans() -> io::Result<()> {
    if std::process::id() != 1 {
        return Ok(());
    }
    let mut ended = signal(SignalKind::child())?;
    loop {
        reap(None);
        if ended.recv().await.is_none() {
            return Ok(());
        }
    }
}

/// Completes when standard input ends, because the process at its other end closes it or dies.
///
/// # Errors
/// If standard input is not a stream that stays open.
pub(crate) fn stdin_closes() -> io::Result<oneshot::Receiver<()>> {
    let stdin = duplicate(&io::stdin())?;
    let kind = stdin.metadata()?.file_type();
    if !(kind.is_fifo() || kind.is_socket() || stdin.is_terminal()) {
        return Err(io::Error::other(
            "standard input is /dev/null or a file, so the server would stop at once: --until-stdin-closes requires a \
             pipe, a socket or a terminal",
        ));
    }
    end_of(stdin)
}

/// Duplicates the handle of a stream, because the standard library holds its lock while a write waits.
pub(crate) fn duplicate(stream: &impl AsStream) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

/// Files are created with this mode.
pub(crate) fn with_mode(options: &mut OpenOptions, mode: u32) -> &mut OpenOptions {
    options.mode(mode)
}

/// Folders are created with this mode.
pub(crate) fn with_folder_mode(builder: &mut DirBuilder, mode: u32) -> &mut DirBuilder {
    builder.mode(mode)
}

/// Identifies a file, whatever its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

pub(crate) fn file_id(path: &Path) -> io::Result<FileId> {
    path.metadata().map(|found| FileId { device: found.dev(), inode: found.ino() })
}

/// How many hard links a file has.
pub(crate) fn count_names(file: &Metadata) -> u64 {
    file.nlink()
}

/// The file to lock for exclusive use of a database: the database itself. This lock is on the whole file and does not
/// conflict with SQLite's own, which are on ranges of it.
pub(crate) fn lock_path(database: &Path) -> Cow<'_, Path> {
    Cow::Borrowed(database)
}

/// The process that holds the lock on a file, if the system reports it. Linux has a list of locks, with lines such as
/// `1: FLOCK ADVISORY WRITE 4711 fd:00:1234 0 EOF`. Its device numbers can differ from those of file metadata, so only an
/// inode that is listed once is used.
pub(crate) fn holder_of(file: &File) -> Option<u32> {
    let (list, file) = (std::fs::read_to_string("/proc/locks").ok()?, file.metadata().ok()?);
    let inode = file.ino().to_string();
    let holder = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", process, place, ..] = fields.as_slice() else { return None };
        let listed = place.rsplit(':').next()? == inode;
        process.parse().ok().filter(|process| listed && *process > 0)
    };
    let mut found = list.lines().filter_map(holder);
    found.next().filter(|_| found.next().is_none())
}

/// Fills the buffer from the beginning of a file, regardless of its cursor.
pub(crate) fn read_beginning(file: &File, buffer: &mut [u8]) -> io::Result<()> {
    file.read_exact_at(buffer, 0)
}
