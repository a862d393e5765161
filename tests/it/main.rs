//! The one integration-test binary. `harness` makes worlds; every suite that takes a `World` runs
//! on memory, on a SQLite file and on PostgreSQL.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod account;
mod api;
mod architecture;
mod audit;
mod authz_coverage;
mod commands;
mod conformance;
mod documents;
mod durability;
mod explain;
mod faults;
mod fuzz_corpus;
mod hardening;
mod harness;
mod hostile;
mod journal;
mod kills;
mod model;
mod oauth;
mod oauth_forgery;
mod outages;
mod pages;
mod pages_console;
mod pages_report;
mod people;
mod permission_matrix;
mod process;
mod replicas;
mod report;
mod requirements;
mod scim;
mod secrets;
mod seeds;
mod sign_in;
mod store;
mod sweep;
mod time;
mod tls;
mod tripwire;
mod upgrades;
mod wire;
mod worlds;
