//! The one integration-test binary: a module for each suite. tests/README.md says what is where and how to run it.
//!
//! `support` has what suites share. A suite whose tests take a `World` runs on memory, on a SQLite file and on PostgreSQL.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
#![expect(
    clippy::fn_params_excessive_bools,
    clippy::too_many_arguments,
    clippy::too_many_lines,
    reason = "a test is one story, and a helper takes whatever its tests vary"
)]

mod account;
mod account_host;
mod admin_token;
mod answers;
mod api;
mod architecture;
mod audit;
mod authz_coverage;
mod autoscope;
mod bounds;
mod command_line;
mod commands;
mod conformance;
mod descriptors;
mod documents;
mod durability;
mod exec;
mod explain;
mod faults;
mod fuzz_corpus;
mod hardening;
mod hostile;
mod journal;
mod kills;
mod long_work;
mod model;
mod namesakes;
mod oauth;
mod oauth_forgery;
mod outages;
mod pages;
mod pages_console;
mod pages_report;
mod permission_matrix;
mod process;
mod reads;
mod ready_file;
mod remedies;
mod replicas;
mod report;
mod requirements;
mod scale;
mod scim;
mod secrets;
mod seeds;
mod sign_in;
mod store;
mod support;
mod sweep;
mod time;
mod tls;
mod tripwire;
mod unread;
mod upgrades;
mod wire;
mod worlds;
