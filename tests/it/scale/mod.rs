//! What a request costs in a large world, in SQLite's instructions or PostgreSQL's rows, never in time. An abandoned
//! statement is interrupted.

mod cost;
mod filled;
mod interrupted;
mod measured;
mod requests;

use std::time::Duration;

/// Only ends a test that would otherwise hang; no assertion depends on it.
const HANGS: Duration = Duration::from_mins(2);
