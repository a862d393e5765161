//! dapi-mock: the personal-access-token service of Databricks, on your own machine, with its rules
//! enforced. ARCHITECTURE.md has a map of the code.
#![forbid(unsafe_code)]

pub mod background;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod domain;
pub mod entropy;
pub mod http;
pub mod listen;
pub mod log;
pub mod pages;
mod platform;
pub mod service;
pub mod store;
pub mod web;

/// Why a command failed, worded for the terminal.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
