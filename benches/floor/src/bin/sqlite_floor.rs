//! The floor of storage: how many tokens a second SQLite commits, one in each transaction, on one connection, without a
//! server. Only the insert is timed, not the making of the token. Prints the rate.
//!
//!     sqlite_floor --dir /tmp --seconds 1

use dapi_mock_floor::{
    Outcome, TokenInfo, argument, hash, insert_token, numbered_secret, open_database, remove_database,
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

fn main() -> Outcome {
    let path = argument("dir", std::env::temp_dir())?.join("sqlite_floor.db");
    let length = Duration::from_secs(argument("seconds", 2)?);
    remove_database(&path)?;
    let (commits, spent) = insert_for(length, &path)?;
    remove_database(&path)?;
    println!("{:.1}", f64::from(commits) / spent.as_secs_f64());
    Ok(())
}

fn insert_for(length: Duration, path: &Path) -> Outcome<(u32, Duration)> {
    let database = open_database(path)?;
    let (mut commits, mut spent) = (0, Duration::ZERO);
    let start = Instant::now();
    while start.elapsed() < length {
        let (hash, token) = (hash(numbered_secret(commits).as_bytes()), TokenInfo::numbered(commits));
        let began = Instant::now();
        insert_token(&database, &hash, &token)?;
        spent += began.elapsed();
        commits += 1;
    }
    Ok((commits, spent))
}
