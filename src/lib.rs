//! dapi-mock: the personal-access-token service of Databricks, on your own machine, with its rules
//! enforced. ARCHITECTURE.md has a map of the code.
#![forbid(unsafe_code)]

pub mod audit_shape;
pub mod background;
mod browser;
pub mod clock;
pub mod config;
pub mod control;
pub mod domain;
pub mod entropy;
pub mod http;
pub mod log;
pub mod openapi;
pub mod own_client;
pub mod page;
pub mod pages;
mod places;
mod platform;
mod progress;
mod ready;
pub mod run;
mod run_client;
mod run_exec;
pub mod server;
pub mod service;
mod shell;
mod show;
mod stall;
pub mod store;
pub mod tls;
