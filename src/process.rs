//! What the system does to a process: signals, the limit on open files, the end of standard input, and the
//! orphans that process 1 is given. Nothing here knows of the server.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getrlimit, setrlimit, wait};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::own_client::Failure;

/// More open files than this are not asked for: it is enough for every connection, port and the database.
const ENOUGH_FILES: u64 = 4096;
/// The pause before another look at a standard input that has nothing yet and does not wait.
const PAUSE: Duration = Duration::from_millis(100);
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

/// A signal that has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    pub(crate) signal: Signal,
    /// Whether the system sent it, which for these means that a terminal did, and to the whole foreground group.
    pub(crate) is_from_terminal: bool,
}

impl Received {
    /// What a shell makes of a process that the signal ended.
    pub(crate) fn exit_code(self) -> u8 {
        u8::try_from(128 + self.signal.as_raw()).unwrap_or(u8::MAX)
    }
}

/// The name that `kill` takes.
pub(crate) fn name_of(signal: Signal) -> &'static str {
    signal_hook::low_level::signal_name(signal.as_raw()).unwrap_or("a signal")
}

/// The signals that come from now on, one after the other.
#[derive(Debug)]
pub(crate) struct Signals(mpsc::Receiver<Received>);

impl Signals {
    /// Takes the place of what these signals do by default. SIGHUP stays ignored where it is, as under `nohup`.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn listen(signals: &[Signal]) -> io::Result<Self> {
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
pub(crate) fn reap(child: Option<Pid>) -> Option<WaitStatus> {
    let mut found = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if Some(pid) == child {
            found = Some(status);
        }
    }
    found
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
pub(crate) fn stdin_closes() -> Result<oneshot::Receiver<()>, Failure> {
    let mut stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let kind = stdin.metadata()?.file_type();
    if !(kind.is_fifo() || kind.is_socket() || stdin.is_terminal()) {
        return Err("--until-stdin-closes requires a pipe, a socket or a terminal as standard input; this one is \
                    /dev/null or a file, and the server would stop at once"
            .into());
    }
    let (close, closes) = oneshot::channel();
    thread::Builder::new().name("standard input".to_owned()).spawn(move || {
        let mut ignored = [0; 4096];
        loop {
            match stdin.read(&mut ignored) {
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
