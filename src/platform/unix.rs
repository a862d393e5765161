//! Unix: signals, the limit on open files, the end of standard input, the orphans that process 1 is given, and files'
//! modes and inodes. Nothing here knows of the server.

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

use super::when_it_ends;

/// More open files than this are not asked for: it is enough for every connection, port and the database.
const ENOUGH_FILES: u64 = 4096;
/// Signals that wait to be handled; more of them say nothing new.
const MOST_SIGNALS: usize = 64;

/// How many files may be open, once [`raise_open_files`] has run.
pub(crate) fn open_files() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    current.map_or(u64::MAX, |current| current.max(maximum.unwrap_or(u64::MAX).min(ENOUGH_FILES)))
}

/// Raises the soft limit on open files as far as it helps and the hard one allows.
pub(crate) fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = open_files();
    if current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
    {
        tracing::warn!("the limit on open files stays at {}: {error}", current.unwrap_or_default());
    }
}

/// Lets a write beyond the limit on the size of files fail, as a full disk does. The system would kill the process.
///
/// # Errors
/// The system's.
pub(crate) fn survive_the_limit_on_file_size() -> io::Result<()> {
    // The handler stays when the stream is dropped.
    signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map(drop)
}

/// The signals that end a server in order.
const STOPPING: [Signal; 3] = [Signal::TERM, Signal::INT, Signal::HUP];
/// What `exec` hands on to its command. SIGTSTP and its like act on the whole foreground group as they are.
const FORWARDED: [Signal; 7] =
    [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::USR1, Signal::USR2, Signal::WINCH];

/// A signal that has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    signal: Signal,
    /// Whether the system sent it, which for these means that a terminal did, and to the whole foreground group.
    is_from_terminal: bool,
}

impl Received {
    /// The name that `kill` takes.
    pub(crate) fn name(self) -> &'static str {
        signal_hook::low_level::signal_name(self.signal.as_raw()).unwrap_or("a signal")
    }

    /// What a shell makes of a process that the signal ended.
    pub(crate) fn exit_code(self) -> u8 {
        u8::try_from(128 + self.signal.as_raw()).unwrap_or(u8::MAX)
    }
}

/// The signals that come from now on, one after the other.
#[derive(Debug)]
pub(crate) struct Signals(mpsc::Receiver<Received>);

impl Signals {
    /// Those that end a server in order, in place of what they do by default.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn that_stop() -> io::Result<Self> {
        Self::listen(&STOPPING)
    }

    /// Those that [`run_to_end`] hands on, in place of what they do by default.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn to_forward() -> io::Result<Self> {
        Self::listen(&FORWARDED)
    }

    /// SIGHUP stays ignored where it is, as under `nohup`.
    fn listen(signals: &[Signal]) -> io::Result<Self> {
        let numbers = signals
            .iter()
            .filter(|signal| **signal != Signal::HUP || !is_hangup_ignored())
            .map(|signal| signal.as_raw());
        let mut incoming = SignalsInfo::<WithOrigin>::new(numbers)?;
        let (sender, receiver) = mpsc::channel(MOST_SIGNALS);
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

    /// The next one.
    pub(crate) async fn next(&mut self) -> Received {
        match self.0.recv().await {
            Some(received) => received,
            // The thread ends with its receiver alone.
            None => std::future::pending().await,
        }
    }
}

/// Whether the process was started with SIGHUP ignored. Only Linux tells.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (Signal::HUP.as_raw() - 1) & 1 == 1)
}

/// Takes note of every child that has ended, also of those that process 1 was given; the status of the one asked for.
fn reap(child: Option<Pid>) -> Option<WaitStatus> {
    let mut found = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if Some(pid) == child {
            found = Some(status);
        }
    }
    found
}

/// Runs a command to its end, and hands signals on to it; the exit code that a shell would give.
///
/// # Errors
/// The command could not be started.
pub(crate) async fn run_to_end(command: &mut Command, signals: &mut Signals) -> io::Result<u8> {
    // Before there is a child whose end could be missed.
    let mut ended = signal(SignalKind::child())?;
    let child = command.spawn()?;
    // Only now: the command keeps the limit that it would have without us.
    raise_open_files();
    let child = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let child = child.ok_or_else(|| io::Error::other("the system gave the command no id"))?;
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

/// Hands a signal on, unless the command has it already: a terminal sends to the whole foreground group.
fn forward(received: Received, child: Pid) {
    let is_in_our_group = || getpgid(Some(child)).is_ok_and(|group| group == getpgrp());
    if received.is_from_terminal && is_in_our_group() {
        return;
    }
    tracing::debug!("{} is handed on to the command", received.name());
    // It may have ended in between.
    let _ = kill_process(child, received.signal);
}

/// As process 1, takes note of orphans that have ended; else there are none.
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

/// Completes when standard input ends: when whoever holds the other end closes it, or dies.
///
/// # Errors
/// When standard input is nothing that stays open.
pub(crate) fn stdin_closes() -> io::Result<oneshot::Receiver<()>> {
    let stdin = duplicate(&io::stdin())?;
    let kind = stdin.metadata()?.file_type();
    if !(kind.is_fifo() || kind.is_socket() || stdin.is_terminal()) {
        return Err(io::Error::other(
            "--until-stdin-closes requires a pipe, a socket or a terminal as standard input; this one is /dev/null or a \
             file, and the server would stop at once",
        ));
    }
    when_it_ends(stdin)
}

/// A handle of its own for a stream: the standard library's lock on it would be held while a write waits.
///
/// # Errors
/// The system has no descriptor left.
pub(crate) fn duplicate(stream: &impl AsStream) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

/// Gives files that are created this way this mode.
pub(crate) fn with_mode(options: &mut OpenOptions, mode: u32) -> &mut OpenOptions {
    options.mode(mode)
}

/// Gives folders that are created this way this mode.
pub(crate) fn with_folder_mode(builder: &mut DirBuilder, mode: u32) -> &mut DirBuilder {
    builder.mode(mode)
}

/// Tells a file from all others, by whatever name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

/// Which file a path leads to.
///
/// # Errors
/// There is none.
pub(crate) fn file_id(path: &Path) -> io::Result<FileId> {
    path.metadata().map(|found| FileId { device: found.dev(), inode: found.ino() })
}

/// How many names a file has.
pub(crate) fn count_names(file: &Metadata) -> u64 {
    file.nlink()
}

/// The file to lock for exclusive use of a database: itself. Locks of whole files are of another kind than SQLite's own,
/// which are of parts of the file, so the two do not meet.
pub(crate) fn lock_path(database: &Path) -> Cow<'_, Path> {
    Cow::Borrowed(database)
}

/// The process that holds the lock on a file, where the system tells: Linux has a list of locks,
/// `1: FLOCK ADVISORY WRITE 4711 fd:00:1234 0 EOF`. Its device may be another than the one that files tell of, so only
/// an inode that is listed once counts.
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

/// Fills the buffer from the beginning of a file, wherever its cursor is.
///
/// # Errors
/// The file is shorter, or the system's.
pub(crate) fn read_beginning(file: &File, into: &mut [u8]) -> io::Result<()> {
    file.read_exact_at(into, 0)
}
