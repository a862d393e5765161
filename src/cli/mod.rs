//! The commands: the server ([`serve`]), `exec`, and those that talk to a running server. Settings are read in
//! [`config`](crate::config), never here.

pub mod client;
mod commands;
mod exec;
mod progress;
mod ready;
pub mod serve;
mod show;
