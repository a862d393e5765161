//! How the open files that the system allows are divided between connections, extra listeners and everything else.

use std::io;

/// At most this many connections are open at a time; others wait in the system's queue. With the limit on bodies this
/// bounds the memory of requests that are being received.
const MAX_CONNECTIONS: usize = 1024;
const MAX_EXTRA_PORTS: usize = 256;
/// A quarter of all open files, within these limits, is left for the database, the log, the audit file and the server's
/// own port.
const FILES_FOR_OTHERS: (u64, u64) = (40, 128);
/// A server with fewer does not start, because it would run out of open files later.
const MIN_FILES: u64 = FILES_FOR_OTHERS.0 + 8;
/// A listening socket needs one for itself and one for a connection that waits for a slot.
const FILES_OF_A_LISTENER: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) connections: usize,
    pub(super) extra_ports: usize,
    /// Whether a higher limit on open files would allow more extra ports.
    pub(super) is_short: bool,
}

impl Budget {
    /// Divides `files`, where each port listens on this many addresses.
    pub(super) fn of(files: u64, addresses: usize) -> io::Result<Self> {
        if files < MIN_FILES {
            return Err(io::Error::other(format!(
                "the system allows {files} open files, and dapi-mock requires {MIN_FILES}: raise the limit (ulimit -n)"
            )));
        }
        let (fewest, most) = FILES_FOR_OTHERS;
        let left = usize::try_from(files - (files / 4).clamp(fewest, most)).unwrap_or(usize::MAX);
        let files_of_a_port = FILES_OF_A_LISTENER * addresses.max(1);
        let affordable = left / 3 / files_of_a_port;
        let extra_ports = affordable.min(MAX_EXTRA_PORTS);
        let connections = (left - extra_ports * files_of_a_port).min(MAX_CONNECTIONS);
        Ok(Self { connections, extra_ports, is_short: affordable < MAX_EXTRA_PORTS })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_files_are_divided_within_their_limits() {
        let budget = |files| Budget::of(files, 2).map(|it| (it.connections, it.extra_ports, it.is_short)).ok();
        assert_eq!(budget(MIN_FILES - 1), None);
        assert_eq!(budget(MIN_FILES), Some((8, 0, true)));
        assert_eq!(budget(64), Some((16, 2, true)));
        assert_eq!(budget(256), Some((128, 16, true)));
        assert_eq!(budget(1024), Some((600, 74, true)));
        assert_eq!(budget(4096), Some((MAX_CONNECTIONS, MAX_EXTRA_PORTS, false)));
        assert_eq!(budget(u64::MAX), Some((MAX_CONNECTIONS, MAX_EXTRA_PORTS, false)));
    }
}
