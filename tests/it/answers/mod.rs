//! Whole answers: the status, the headers that clients read and the body, as a stranger would see them.
//!
//! The other suites assert rules; these snapshots show what goes over the wire. Ids, token values and times are the same
//! in every run, as `World` has seeded entropy and a clock that stands still. Each test begins with a world of its own, so
//! that a new request in one test changes no answer in another.

mod account;
mod control;
mod discovery;
mod oauth;
mod pages;
mod refusals;
mod scim;
mod settings;
mod tokens;

use crate::support::{Backend, World};

/// A fresh world in memory.
async fn world() -> World {
    World::new(Backend::Memory).await
}
