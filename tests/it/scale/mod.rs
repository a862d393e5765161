//! What a request costs in a large world: SQLite's instructions or PostgreSQL's rows, never time. And a statement that
//! nobody waits for any more ends.

mod cost;
mod filled;
mod interrupted;
mod measured;
mod requests;

use std::time::Duration;

/// No failure of these tests depends on it: it ends what would otherwise hang.
const HANGS: Duration = Duration::from_mins(2);
